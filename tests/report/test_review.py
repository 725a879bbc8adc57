"""Page one is written from results: every word as strong as its numbers, nothing made up where data are absent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SpecError
from partnerlab.panel import Membership, Panel, RecordedTiers
from partnerlab.report.attempts import Unavailable
from partnerlab.report.quarters import count_quarters
from partnerlab.report.review import build_review
from partnerlab.tiers import TierScheme, assign_tiers

SCHEME = TierScheme(scheme="demo", classify={"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 5}, {"name": "Member"}]})


def make_panel(leads, state=None):
    """A panel of one indicator, leads, shape (n, t), in 2025Q1 and after."""
    leads = np.asarray(leads)
    quarters = ["2025Q1", "2025Q2", "2025Q3", "2025Q4", "2026Q1", "2026Q2"][: leads.shape[1]]
    rows = [(f"p{i:02d}", quarter, int(leads[i, j])) for i in range(len(leads)) for j, quarter in enumerate(quarters)]
    panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    return panel if state is None else dataclasses.replace(panel, state=np.asarray(state, dtype=np.int8))


@pytest.fixture(scope="module")
def steady():
    panel = make_panel(np.tile([[6], [2], [2], [7], [1], [1]], (1, 3)))
    return panel, assign_tiers(panel, SCHEME)


def test_a_quarter_in_which_nothing_happens_says_so(steady):
    panel, history = steady

    review = build_review(history, panel=panel, quarter="2025Q3")

    assert review.sentence.startswith("The program ended 2025Q3 with 6 partners on record (no clear change)")
    assert "no clear change in share in Gold, changed tier and leads from partners" in review.sentence


def test_every_metric_has_a_table_behind_it(steady):
    panel, history = steady

    names = {metric.table for metric in build_review(history, panel=panel, quarter="2025Q3").metrics}

    assert names <= {"by-quarter", "tiers-by-quarter", "movers"}


def test_leaving_that_is_not_recorded_is_no_rate_of_zero(steady):
    panel, history = steady

    review = build_review(history, panel=panel, quarter="2025Q3")

    assert "lapse-rate" not in {metric.name for metric in review.metrics}
    assert any("record no partner leaving" in caveat for caveat in review.caveats)
    assert "lapsed" not in review.quarters.columns


def test_comings_and_goings_are_counted():
    active, gone, not_yet = Membership.ACTIVE, Membership.LAPSED, Membership.NOT_YET
    state = [[active, active, active], [active, active, gone], [not_yet, not_yet, active], [active, gone, active]]
    panel = make_panel(np.ones((4, 3)), state)
    history = assign_tiers(panel, SCHEME)

    latest = count_quarters(panel, history).iloc[0]

    assert latest[["quarter", "active", "joined", "returned", "lapsed"]].tolist() == ["2025Q3", 3, 1, 1, 1]
    assert latest["lapse_rate"] == 0.5


def test_without_a_noise_baseline_movers_are_listed_and_not_judged():
    panel = make_panel([[6, 1], [6, 6], [1, 6]])
    history = assign_tiers(panel, SCHEME)
    refused = Unavailable(what="estimate_noise", reason="nothing is counted")

    review = build_review(history, panel=panel, quarter="2025Q2", movers=refused, noise=refused)

    assert review.movers[["partner", "direction"]].to_numpy().tolist() == [["p00", "down"], ["p02", "up"]]
    assert "beyond_noise" not in review.movers.columns
    assert isinstance(review.cooling, Unavailable)
    assert "Nothing is counted." in review.caveats


def test_a_clear_drop_leads_the_sentence():
    rng = np.random.default_rng(1)
    before = rng.poisson(6, (80, 1)) + 4
    panel = make_panel(np.hstack([before, before // 2]))

    review = build_review(assign_tiers(panel, SCHEME), panel=panel, quarter="2025Q2")

    assert "leads from partners went down by" in review.sentence


def test_members_outside_the_schemes_gate_are_not_active():
    cells = dict(zip(("high_high", "low_high", "high_low", "low_low"), "ABCD", strict=True))
    axis = {"value": "leads", "cut": {"quantile": 0.5}}
    scheme = TierScheme(
        scheme="demo", classify={"kind": "quadrant", "gate": "leads > 0", "outside": "INACTIVE", "x": axis, "y": axis, "cells": cells}
    )
    panel = make_panel([[3, 0], [2, 2], [0, 4], [5, 6]])

    review = build_review(assign_tiers(panel, scheme), panel=panel, quarter="2025Q2")

    active = review.metrics[0]
    assert (active.estimate, active.change) == (3.0, 0.0)
    assert active.note == "1 became active, 1 ceased to be this quarter; 1 further member is INACTIVE."
    assert review.quarters[["active", "members"]].to_numpy().tolist() == [[3, 4], [3, 4]]


def test_a_partial_quarter_is_not_compared(steady):
    panel, history = steady
    partial = dataclasses.replace(panel, partial=np.array([False, False, True]))

    review = build_review(history, panel=partial, quarter="2025Q3")

    leads = next(metric for metric in review.metrics if metric.name == "leads")
    assert np.isnan(leads.change)
    assert any("only in part" in caveat for caveat in review.caveats)


def test_panel_and_history_must_be_of_the_same_partners(steady):
    panel, history = steady

    with pytest.raises(ParameterError, match="different partners"):
        build_review(history.select(np.array([True] * 5 + [False])), panel=panel, quarter="2025Q3")


def test_comings_and_goings_of_the_first_quarter_are_unknown():
    active, gone = Membership.ACTIVE, Membership.LAPSED
    panel = make_panel(np.ones((3, 3)), [[active, active, active], [active, active, gone], [active, gone, gone]])

    table = count_quarters(panel, assign_tiers(panel, SCHEME)).set_index("quarter")

    assert table.loc["2025Q1", ["joined", "lapsed", "lapse_rate"]].isna().all()
    assert table.loc["2025Q2", "lapsed"] == 1


def test_a_partial_quarter_makes_no_claim_at_all(steady):
    panel, history = steady
    partial = dataclasses.replace(panel, partial=np.array([False, False, True]))

    review = build_review(history, panel=partial, quarter="2025Q3")

    assert review.sentence.startswith("The program has 6 partners on record in 2025Q3 so far, to ")
    assert all(np.isnan(metric.change) for metric in review.metrics)
    assert isinstance(review.judged, Unavailable)


def test_a_fall_that_comes_every_year_is_a_usual_quarter():
    rng = np.random.default_rng(1)
    summer = rng.poisson(6, (80, 1)) + 4
    panel = make_panel(np.hstack([summer, 2 * summer, 2 * summer, 2 * summer, summer]))

    review = build_review(assign_tiers(panel, SCHEME), panel=panel, quarter="2026Q1")

    leads = next(metric for metric in review.metrics if metric.name == "leads")
    assert (leads.direction, leads.year_direction, leads.holds) == ("down", "no clear change", False)
    assert leads.year_words().startswith("against the same quarter a year before: no clear change since 2025Q1")
    assert "down since 2025Q4, as in a usual Q1" in review.sentence
    assert "went down" not in review.sentence


def _recorded(codes):
    """A program of recorded tiers Gold and Silver; -1 is no tier."""
    codes = np.asarray(codes, dtype=np.int8)
    held = np.cumsum(codes >= 0, axis=1) > 0
    state = np.where(codes >= 0, Membership.ACTIVE, np.where(held, Membership.LAPSED, Membership.NOT_YET))
    panel = make_panel(np.ones(codes.shape), state)
    never = np.zeros(len(codes), dtype=bool)
    intervals = pd.DataFrame(columns=["partner", "tier", "valid_from", "valid_to", "left_truncated", "right_censored"])
    recorded = RecordedTiers(tiers=("Gold", "Silver"), codes=codes, left_truncated=never, right_censored=never, intervals=intervals)
    panel = dataclasses.replace(panel, recorded=recorded)
    return panel, assign_tiers(panel, TierScheme.load("recorded"))


def test_recorded_tiers_are_decisions_and_the_season_ahead_is_told_by_tier():
    panel, history = _recorded([[0, -1, -1, -1, -1]] * 3 + [[0, 0, 0, 0, 0]] * 7 + [[1, 1, 1, 1, 1]] * 5)
    refused = Unavailable(
        what="estimate_noise", reason="scheme recorded@1 reads no indicator of this panel, so there is nothing to draw again"
    )

    review = build_review(history, panel=panel, quarter="2026Q1", movers=refused, noise=refused)

    assert "recorded decisions" in review.judged.reason
    assert not any("draw again" in caveat or "recorded decisions" in caveat for caveat in review.caveats)
    assert review.cooling[["tier", "lapsed_then", "partner_quarters"]].to_numpy().tolist() == [["Gold", 0.3, 10], ["Silver", 0.0, 5]]


def test_indicators_without_rows_that_the_scheme_does_not_read_share_one_line(steady):
    panel, history = steady
    why = "no row of partner_profile in these periods fulfils its condition"
    notes = (f"leads, meets, speaks: {why}", f"is_partner: {why}")
    named = Panel.from_frame(
        pd.DataFrame({"partner": ["a"], "quarter": ["2025Q1"], "leads": [1], "meets": [1], "speaks": [1], "is_partner": [1]})
    ).indicators
    silent = dataclasses.replace(panel, provenance=dataclasses.replace(panel.provenance, notes=notes))
    object.__setattr__(silent, "indicators", named)

    said = [caveat for caveat in build_review(history, panel=silent, quarter="2025Q3").caveats if "no row" in caveat]

    assert said == [
        "The scheme's leads: no row of partner_profile in these periods fulfils its condition.",
        "3 indicators have no rows here (meets, speaks and is partner); "
        "the scheme does not read them, and the data-quality page says more.",
    ]


def test_a_figure_has_its_target_or_says_that_none_is_set(steady):
    panel, _ = steady
    scheme = SCHEME.model_copy(update={"targets": {"leads": 30.0, "Gold": 0.2}})

    review = build_review(assign_tiers(panel, scheme), panel=panel, quarter="2025Q3")

    words = {metric.name: metric.target_words() for metric in review.metrics}
    assert words["leads"] == "target 30, distance -11: below it"
    assert words["top-tier"].startswith("target 20.0 %, distance +13.3 points: cannot be told apart")
    assert words["active-partners"] == "no target set"


@pytest.mark.parametrize(("targets", "message"), [({"Gald": 0.2}, "did you mean 'Gold'"), ({"Gold": 20}, "a share between 0 and 1")])
def test_a_target_that_means_nothing_is_refused(targets, message):
    with pytest.raises(SpecError, match=message):
        TierScheme(**{**SCHEME.model_dump(by_alias=True), "targets": targets})
