"""Movers and cooling partners are shown with what moved them: the line, for how long, or whose word."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from partnerlab.panel import Panel
from partnerlab.panel.indicators import Indicators
from partnerlab.report.people import CHANCE, caption_cooling, find_cooling, list_movers
from partnerlab.tiers import TierScheme, assign_tiers
from partnerlab.transitions import detect_movers, estimate_noise

QUARTERS = [f"202{year}Q{quarter}" for year in (4, 5) for quarter in (1, 2, 3, 4)]
LADDER = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 8}, {"name": "Silver", "from": 3}, {"name": "Member"}]}
CELLS = {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "DEMENTOR"}
QUADRANT = {
    "kind": "quadrant",
    "x": {"value": "leads", "cut": {"absolute": 8}},
    "y": {"value": "relevance", "cut": {"absolute": 60}},
    "cells": CELLS,
}


def make_panel(own, *, relevance=None):
    """A panel of 40 partners around five leads a quarter; the first ones have counts of their own."""
    leads = np.random.default_rng(3).poisson(5.0, (40, 8))
    for row, counts in enumerate(own):
        leads[row] = counts
    stated = np.full((40, 8), 40.0)
    for row, values in (relevance or {}).items():
        stated[row] = values
    rows = [(f"p{i:02d}", QUARTERS[j], int(leads[i, j]), stated[i, j]) for i in range(40) for j in range(8)]
    indicators = {"leads": {"from": "frame", "statistic": "count"}, "relevance": {"from": "frame", "statistic": "last"}}
    frame = pd.DataFrame(rows, columns=["partner", "quarter", "leads", "relevance"])
    return Panel.from_frame(frame, indicators=Indicators(indicators=indicators))


def listed(panel, scheme, *, overrides=None):
    history = assign_tiers(panel, scheme, overrides=overrides)
    movers = detect_movers(history, noise=estimate_noise(panel, scheme=scheme, draws=20, seed=1), quarter="2025Q4")
    return list_movers(movers, history, panel, 7).set_index("partner")


def test_a_fall_below_a_line_is_told_with_value_line_and_how_long():
    scheme = TierScheme(scheme="demo", classify=QUADRANT, movement={"confirm": {"up": 1, "down": 2}})

    row = listed(make_panel([[10, 9, 10, 11, 9, 10, 7, 6]]), scheme).loc["p00"]

    assert row["why"] == "leads 6 (line 8), second quarter below the line"
    assert row["what_changed"] == "usually 9.4 a quarter"


def test_a_number_that_rose_is_not_shown_for_a_fall():
    scheme = TierScheme(scheme="demo", classify=QUADRANT, movement={"confirm": {"up": 1, "down": 2}})

    row = listed(make_panel([[2, 1, 2, 1, 9, 9, 7, 7]]), scheme).loc["p00"]

    assert row["why"] == "leads 7 (line 8), second quarter below the line"
    assert row["what_changed"] == ""


def test_a_yes_or_no_has_no_line():
    rule = {"kind": "ladder", "levels": [{"name": "Gold", "all": ["relevance == true", "leads >= 1"]}], "else": "Member"}
    panel = make_panel([[5] * 8], relevance={row: [0] * 8 for row in range(1, 40)} | {0: [0] * 7 + [1]})

    assert listed(panel, TierScheme(scheme="demo", classify=rule)).loc["p00", "why"] == "relevance: yes, stated anew, 0 before"


def test_a_rise_on_a_ladder_names_the_line_that_was_reached():
    row = listed(make_panel([[4, 4, 5, 4, 5, 4, 4, 12]]), TierScheme(scheme="demo", classify=LADDER)).loc["p00"]

    assert row["why"] == "leads 12 (line 8)"


def test_a_rating_stated_anew_is_no_number_per_quarter():
    panel = make_panel([[1] * 8], relevance={0: [40] * 7 + [70]})

    row = listed(panel, TierScheme(scheme="demo", classify=QUADRANT)).loc["p00"]

    assert (row["why"], row["what_changed"]) == ("relevance 70 (line 60), stated anew, 40 before", "")
    assert np.isnan(row[CHANCE])
    assert row.drop(CHANCE).iloc[-1] == "stated anew"


def test_the_end_of_an_override_is_why_a_partner_moved():
    override = {"partner_id": "p00", "tier": "Gold", "valid_from": "2025-01-01", "valid_to": "2025-10-01", "approver": "a", "reason": "r"}

    row = listed(make_panel([[4] * 8]), TierScheme(scheme="demo", classify=LADDER), overrides=pd.DataFrame([override])).loc["p00"]

    assert (row["why"], row.iloc[-1]) == ("override ended", "override ended")


@pytest.fixture(scope="module")
def cooling():
    panel = make_panel([[30, 31, 29, 30, 31, 30, 29, 9], [30, 31, 29, 30, 31, 30, 29, 0]])
    scheme = TierScheme(scheme="demo", classify=LADDER)
    history, noise = assign_tiers(panel, scheme), estimate_noise(panel, scheme=scheme, draws=10, seed=1)
    return history, panel, noise, find_cooling(history, panel, noise=noise, quarter="2025Q4")


def test_who_changed_tier_this_quarter_is_not_called_cooling(cooling):
    assert cooling[3]["partner"].tolist() == ["p00"]


def test_cooling_says_of_how_many(cooling):
    history, panel, noise, found = cooling
    kept = (history.published[:, -1] == history.published[:, -2]) & (history.published[:, -1] < 2)

    assert caption_cooling(history, panel, noise=noise, quarter="2025Q4", found=len(found)).endswith(f": 1 of {kept.sum()} looked at")
