"""Borderline lists of real programs: the sets under their quadrants, and the flows that they state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab.tiers import TierHistory, check_bunching, estimate_sensitivity
from partnerlab.transitions import estimate_real_moves, estimate_tier_probability

HERE = Path(__file__).parent
SPANS = {"wholesale": ("wholesale_accounts", "2009Q4", "2011Q4", "2011Q3"), "olist": ("olist_channel", "2016Q3", "2018Q3", "2018Q2")}
pytestmark = pytest.mark.external


@pytest.fixture(scope="module", params=SPANS)
def program(request) -> tuple[TierHistory, str]:
    mapping, first, last, whole = SPANS[request.param]
    scheme = lab.TierScheme.load(HERE / "schemes" / f"{request.param}.yaml")
    panel = lab.build_panel(lab.connect(HERE / "mappings" / f"{mapping}.yaml"), first=first, last=last, indicators=scheme.indicators)
    return lab.assign_tiers(panel, scheme), whole


@pytest.fixture(scope="module")
def olist() -> TierHistory:
    scheme = lab.TierScheme.load(HERE / "schemes" / "olist.yaml")
    source = lab.connect(HERE / "mappings" / "olist_channel.yaml")
    return lab.assign_tiers(lab.build_panel(source, first="2016Q3", last="2018Q3", indicators=scheme.indicators), scheme)


def test_olist_sellers_active_by_quarter(olist, facts):
    counts = olist.counts().query("tier in ['A', 'B', 'C', 'D']").groupby("quarter")["partners"].sum().to_dict()
    stated = {quarter: n for quarter, n in facts("olist_channel")["active_by_quarter"].items() if quarter < "2020"}

    assert counts == stated


def test_olist_flows_between_segments(olist, facts):
    stated = facts("olist_channel")["segment_transitions_2017Q1_2018Q2"]
    names = np.where(olist.published >= 0, olist.names(), "out")[:, olist.column("2017Q1") : olist.column("2018Q2") + 1]
    seen = pd.crosstab(names[:, :-1].ravel(), names[:, 1:].ravel()).rename(columns={"INACTIVE": "inactive"})

    assert {tier: seen.loc[tier, list(row)].to_dict() for tier, row in stated.items()} == stated


def test_the_borderline_list_names_partners_near_a_line(program):
    history, quarter = program
    belongs = estimate_tier_probability(history.scores.panel, scheme=history.scheme, quarter=quarter, draws=60, seed=1)
    line = belongs.borderline()
    column = history.column(quarter)
    near = np.full(len(history.partners), np.inf)
    for name in ("x", "y"):
        axis = history.axis(name)
        near = np.fmin(near, np.abs(np.log((axis.values[:, column] + 0.5).clip(0.1) / (axis.line[:, column] + 0.5))))
    unsure = np.isin(history.partners, line["partner"])
    rated = np.isin(history.raw[:, column], [0, 1, 2, 3])

    # medians of ones and twos: most accounts of the wholesaler stand close to a line
    assert 0.02 < len(line) / rated.sum() < 0.8
    assert np.nanmedian(near[unsure & rated]) < np.nanmedian(near[~unsure & rated])
    assert 0.01 < belongs.misplaced["estimate"].iloc[0] < 0.3


def test_moves_are_judged_and_wild_counts_are_pointed_out(program):
    history, quarter = program
    moves = estimate_real_moves(history, quarter=quarter, draws=60, seed=1)
    said = {check.name: check.passed for check in moves.checks}

    assert moves.table["estimate"].dropna().between(0, 1).all()
    assert said["Counts vary as chance counts do"] is False


def test_what_hangs_on_each_line(program):
    history, quarter = program
    table = estimate_sensitivity(history.scores.panel, scheme=history.scheme, quarter=quarter).table

    assert set(table["name"]) == {f"{fact} > line of {axis}" for fact, axis in ((history.axis("x").name, "x"), ("rel", "y"))}


def test_medians_cannot_be_aimed_at(program):
    with pytest.raises(lab.PartnerlabError, match="no fixed line"):
        check_bunching(program[0])
