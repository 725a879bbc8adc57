"""A line moved step by step: who would move is exactly who a scheme with that line would move."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ParameterError, SampleError
from partnerlab.panel import Panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers
from partnerlab.tiers.design import design_line


def bands(start: float) -> TierScheme:
    return TierScheme(scheme="demo", classify={"kind": "bands", "value": "leads", "bands": [{"name": "A", "from": start}, {"name": "B"}]})


def panel_of(leads: list[float]) -> Panel:
    return Panel.from_frame(pd.DataFrame({"partner": [f"p{i:03}" for i in range(len(leads))], "quarter": "2026Q1", "leads": leads}))


def test_movers_by_hand():
    design = design_line(assign_tiers(panel_of([5, 17, 21, 50]), bands(20)), factors=(0.8, 1.1))

    assert design.table[["line", "up", "down", "n"]].to_numpy().tolist() == [
        ["leads >= 16 (80 %)", 1, 0, 4],
        ["leads >= 20 (100 %)", 0, 0, 4],
        ["leads >= 22 (110 %)", 0, 1, 4],
    ]
    assert design.who(1.1)[["partner", "from_tier", "to_tier", "value", "line"]].to_numpy().tolist() == [["p002", "A", "B", 21.0, 22.0]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=30), st.sampled_from([0.5, 0.75, 1.25, 1.5]))
def test_a_moved_line_moves_whom_a_scheme_with_that_line_moves(leads, factor):
    panel = panel_of(leads)
    history, other = assign_tiers(panel, bands(20)), assign_tiers(panel, bands(20 * factor))

    moved = design_line(history, factors=(factor,)).who(factor)

    assert moved["partner"].tolist() == panel.partners[(history.raw != other.raw)[:, 0]].tolist()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=3, max_size=30))
def test_the_further_the_line_the_more_move_and_chances_are_probabilities(leads):
    design = design_line(assign_tiers(panel_of(leads), bands(20)))
    up = design.table.loc[design.table["factor"] <= 1, "up"].tolist()

    assert up == sorted(up, reverse=True)
    assert design.movers["chance"].between(0, 1).all()


def test_a_partner_far_beyond_the_moved_line_moves_more_surely():
    leads = np.random.default_rng(3).poisson(np.repeat([3, 12, 30], 40)).tolist()
    who = design_line(assign_tiers(panel_of(leads), bands(20))).who(0.5).sort_values("value")

    assert who["chance"].is_monotonic_increasing
    assert who["chance"].iloc[0] < 0.75 < who["chance"].iloc[-1]


def test_chances_are_right_as_often_as_they_say():
    random = np.random.default_rng(8)
    truth = random.gamma(4.0, 5.0, 6000)
    who = design_line(assign_tiers(panel_of(random.poisson(truth).tolist()), bands(20))).who(0.8)
    right = truth[[int(name[1:]) for name in who["partner"]]] >= 16.0

    assert abs(right.mean() - who["chance"].mean()) < 3 * np.sqrt(0.25 / len(who))


def test_what_is_stated_and_not_counted_has_no_chance():
    design = design_line(assign_tiers(panel_of([5.5, 17.5, 21.0]), bands(20)))

    assert design.movers["chance"].isna().all()
    assert design.table.loc[design.table["estimate"] > 0, "expected"].isna().all()


@pytest.mark.parametrize(
    ("asked", "message"), [({"fact": "laeds"}, "did you mean 'leads'"), ({"factors": (0.0,)}, "factors above 0"), ({"level": 95}, "level")]
)
def test_bad_questions_are_refused(asked, message):
    with pytest.raises(ParameterError, match=message):
        design_line(assign_tiers(panel_of([1, 30]), bands(20)), **asked)


def test_a_record_has_no_line():
    history = TierHistory.from_frame(pd.DataFrame({"partner": ["p"], "quarter": ["2026Q1"], "tier": ["Gold"]}))

    with pytest.raises(SampleError, match="record"):
        design_line(history)


def test_a_place_that_was_not_tried_is_refused():
    with pytest.raises(ParameterError, match="not tried at 3 times"):
        design_line(assign_tiers(panel_of([1, 30]), bands(20))).who(3.0)
