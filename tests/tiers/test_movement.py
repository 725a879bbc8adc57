"""Movement by hand: who moves when, and why the others do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import SpecError
from partnerlab.panel.panel import Panel
from partnerlab.periods import Calendar
from partnerlab.tiers import REASONS, Reason, TierScheme, assign_tiers

BANDS = {
    "kind": "bands",
    "value": "points",
    "bands": [{"name": "A", "from": 30}, {"name": "B", "from": 20}, {"name": "C", "from": 10}, {"name": "D"}],
}


def panel_of(values: list[float], *, joined: str = "2020-01-01", first: str = "2026Q1") -> Panel:
    """One partner and its points by quarter; NaN is unknown."""
    calendar = Calendar()
    labels = calendar.labels(np.arange(len(values)) + calendar.parse(first))
    rows = pd.DataFrame({"partner": "p", "quarter": labels, "points": np.array(values, dtype=float)})
    about = pd.DataFrame({"partner": ["p"], "joined_at": [pd.Timestamp(joined)], "left_at": [pd.NaT]})
    return Panel.from_frame(rows, attributes=about)


def walk(values: list[float], *, classify: dict = BANDS, joined: str = "2020-01-01", first: str = "2026Q1", **movement) -> str:
    """Tiers held, one letter a quarter; ? is unknown, . is no member."""
    history = assign_tiers(panel_of(values, joined=joined, first=first), TierScheme(scheme="demo", classify=classify, movement=movement))
    return "".join({"unknown": "?", "not yet joined": ".", "lapsed": "."}.get(name, name) for name in history.names(history.held)[0])


def why(values: list[float], **movement) -> list[str]:
    history = assign_tiers(panel_of(values), TierScheme(scheme="demo", classify=BANDS, movement=movement))
    return [REASONS[code] for code in history.reasons[0]]


NAN = float("nan")


def test_without_rules_tiers_follow_the_data():
    assert walk([35, 25, 15, 5, NAN, 35]) == "ABCD?A"


def test_a_line_must_be_cleared_by_the_margin_to_move():
    assert walk([20, 31, 33, 29, 27, 26.9], margin=0.10) == "BBAAAB"


def test_falling_is_confirmed_in_a_row():
    assert walk([35, 25, 35, 25, 25, 25], confirm={"down": 2}) == "AAAABB"


def test_rising_is_confirmed_in_a_row():
    assert walk([25, 35, 25, 35, 35, 35], confirm={"up": 2}) == "BBBBAA"


def test_a_confirmed_fall_goes_only_as_deep_as_every_quarter_of_it():
    assert walk([35, 5, 25, 5], confirm={"down": 2}) == "AABB"


def test_a_confirmed_rise_goes_only_as_high_as_every_quarter_of_it():
    assert walk([5, 15, 35, 35], confirm={"up": 2}) == "DDCC"


def test_unknown_data_break_a_confirmation_and_are_shown():
    assert walk([35, 25, NAN, 25, 25], confirm={"down": 2}) == "AA?AB"


def test_a_tier_can_be_kept_while_data_are_unknown():
    assert walk([35, NAN, NAN, 35], hold_unknown=1) == "AA?A"


def test_a_new_partner_does_not_fall_during_grace():
    assert walk([35, 5, 5, 5], grace=2, joined="2026-02-01") == "AADD"


def test_an_old_partner_has_no_grace_at_the_start_of_the_panel():
    assert walk([35, 5, 5, 5], grace=2) == "ADDD"


def test_one_step_down_at_a_time():
    assert walk([35, 5, 5, 5], max_step_down=1) == "ABCD"


def test_one_step_up_at_a_time():
    assert walk([5, 35, 35, 35], max_step_up=1) == "DCBA"


def test_demotions_wait_for_the_end_of_the_year():
    assert walk([35, 25, 35, 25, 25], cadence={"down": "year"}) == "AAABB"


def test_promotions_can_wait_too():
    assert walk([5, 35, 35, 35, 35], cadence={"up": "half_year"}) == "DAAAA"


def test_a_tier_is_locked_for_some_quarters_after_it_was_reached():
    assert walk([5, 35, 5, 5, 5], lock={"periods": 3}) == "DAAAD"


def test_a_tier_is_safe_until_its_anniversary():
    assert walk([5, 35, 5, 5, 5, 5, 5], lock={"until": "anniversary"}) == "DAAAADD"


def test_a_partner_who_rises_while_locked_begins_a_new_year():
    assert walk([25, 25, 35, 5, 5, 5, 5], lock={"until": "anniversary"}) == "BBAAAAD"


def test_the_best_of_the_trailing_quarters_counts():
    assert walk([35, 5, 5, 5], ever_within=2) == "AADD"
    assert walk([NAN, 5, NAN, NAN], ever_within=2) == "?DD?"


def test_every_tier_that_is_not_what_the_rule_says_has_a_reason():
    assert why([35, 29, 25, 25], margin=0.10, confirm={"down": 2})[1:3] == ["within the margin of the line", "waiting for confirmation"]
    assert why([35, 5, 5], max_step_down=1)[1] == "one step at a time"
    assert why([35, 5, 25, 5], confirm={"down": 2})[1:] == ["waiting for confirmation", "as the rule says", "waiting for confirmation"]
    assert why([35, 25], lock={"periods": 3})[1] == "the tier is locked"
    assert why([35, 25], cadence={"down": "year"})[1] == "not a review period"
    assert why([35, 5], ever_within=2)[1] == REASONS[Reason.EVER_WITHIN]
    assert why([35, NAN], hold_unknown=1)[1] == "kept while data are unknown"


def test_a_fall_that_the_margin_stops_halfway_is_named_so():
    assert why([35, 15, 19], margin=0.10, confirm={"down": 2})[1:] == ["waiting for confirmation", "within the margin of the line"]


def test_leaving_the_program_wipes_the_memory():
    rows = pd.DataFrame(
        {"partner": "p", "quarter": ["2026Q1", "2026Q2", "2026Q3"], "points": [35.0, 5.0, 25.0], "state": ["active", "lapsed", "active"]}
    )
    history = assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=BANDS, movement={"confirm": {"down": 2}}))

    assert history.names()[0].tolist() == ["A", "lapsed", "B"]


CELLS = {"high_high": "K", "low_high": "U", "high_low": "G", "low_low": "D"}
QUADRANT = {"kind": "quadrant", "x": {"value": "x", "cut": {"absolute": 10}}, "y": {"value": "y", "cut": {"absolute": 10}}, "cells": CELLS}


def walk_quadrant(x: list[float], y: list[float], **movement) -> str:
    labels = Calendar().labels(np.arange(len(x)) + Calendar().parse("2026Q1"))
    panel = Panel.from_frame(pd.DataFrame({"partner": "p", "quarter": labels, "x": np.array(x, float), "y": np.array(y, float)}))
    history = assign_tiers(panel, TierScheme(scheme="demo", classify=QUADRANT, movement=movement))
    return "".join(name[0] for name in history.names(history.held)[0])


def test_each_axis_of_a_quadrant_keeps_its_side_within_the_margin():
    assert walk_quadrant([10, 9.5, 8.9, 10.5, 11], [20, 20, 20, 20, 20], margin=0.10) == "KKUUK"


def test_a_sideways_move_is_confirmed_like_a_fall():
    assert walk_quadrant([20, 0, 0, 0], [0, 20, 20, 20], confirm={"up": 1, "down": 2}) == "GGUU"


def test_a_sideways_move_can_have_its_own_confirmation():
    assert walk_quadrant([20, 0, 0], [0, 20, 20], confirm={"up": 1, "down": 2, "sideways": 1}) == "GUU"


@pytest.mark.parametrize(
    ("movement", "says"),
    [({"max_step_down": 1}, "two tiers of this scheme are equally high"), ({"lock": {}}, "either"), ({"margin": 2}, "below 1")],
)
def test_movement_that_cannot_be_meant_is_refused(movement, says):
    with pytest.raises(SpecError, match=says):
        TierScheme(scheme="demo", classify=QUADRANT, movement=movement)


def test_a_longer_wait_for_the_review_never_costs_a_tier():
    rows = pd.DataFrame({"partner": "p", "quarter": ["2025Q3", "2025Q4", "2026Q1", "2026Q2"]})
    classify = {"kind": "bands", "value": "x", "bands": [{"name": "A", "from": 9}, {"name": "B", "from": 5}, {"name": "C"}]}
    scheme = TierScheme(scheme="demo", classify=classify, movement={"cadence": {"up": "half_year"}})
    held = [assign_tiers(Panel.from_frame(rows.assign(x=x)), scheme).names()[0, -1] for x in ([0.0, 0.0, 0.0, 9.5], [0.0, 0.0, 6.0, 9.5])]

    assert held == ["A", "A"]
