"""The slope chart of two schemes, and labels that keep apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.panel.panel import Panel
from partnerlab.show import plot, tabulate
from partnerlab.show.comparisons import spread
from partnerlab.tiers import TierScheme, check_anchors, compare_schemes, estimate_coverage
from partnerlab.tiers.assign import assign_tiers

LEVELS = [{"name": "Gold", "all": ["points >= 50"]}, {"name": "Member", "all": []}]
GOALS = {"brand": {"x": 1, "y": 0}, "service": {"x": 0, "y": 1}}
PARTS = [{"metric": "x", "shape": {"ratio": 10}}, {"metric": "y", "shape": {"ratio": 10}}]
SCORES = {"points": {"parts": PARTS, "weights_by_goal": GOALS}}
SCHEME = TierScheme(scheme="demo", goal="brand", scores=SCORES, classify={"kind": "ladder", "levels": LEVELS})
ROWS = pd.DataFrame({"partner": [f"p{i}" for i in range(30)], "quarter": "2026Q1", "x": np.arange(30) % 11, "y": np.arange(30) % 7})
PANEL = Panel.from_frame(ROWS)


def test_the_headline_says_who_stands_higher_and_lower_and_the_alt_text_who_moves_most():
    compared = compare_schemes(PANEL, before=SCHEME, goal="service")
    drawn = plot(compared)

    up, down = len(compared.winners()), len(compared.losers())
    assert drawn.headline.startswith(f"Under demo@1 (service) {up} of 30 partners stand higher and {down} lower")
    assert "from place" in drawn.alt
    assert drawn.n == 30


def test_nobody_moves_under_the_same_scheme_and_the_headline_says_so():
    assert plot(compare_schemes(PANEL, before=SCHEME, after=SCHEME)).headline.startswith("Nobody's tier would be higher or lower")


def test_the_table_lists_who_has_another_tier():
    compared = compare_schemes(PANEL, before=SCHEME, goal="service")

    assert len(tabulate(compared).rows) == compared.table["change"].isin(["up", "down"]).sum()


def test_coverage_and_anchors_say_what_they_found():
    bands = {"kind": "bands", "value": "x", "bands": [{"name": "Gold", "from": 5}, {"name": "Member"}]}
    book = {"Gold": [{"tactic": "talk_often", "per_quarter": 2, "delivered_by": "y"}]}
    coverage = estimate_coverage(assign_tiers(PANEL, TierScheme(scheme="demo", classify=bands, playbook=book)))
    cells = {"high_high": "K", "low_high": "U", "high_low": "G", "low_low": "D"}
    x = {"value": "x", "cut": {"absolute": 5}, "anchors": {"high": ["p1"]}}
    crossed = {"kind": "quadrant", "x": x, "y": {"value": "y", "cut": {"absolute": 3}}, "cells": cells}
    anchors = check_anchors(assign_tiers(PANEL, TierScheme(scheme="demo", classify=crossed)))

    assert "tactics owed were delivered; least to Gold: talk often" in plot(coverage).headline
    assert plot(anchors).headline == "On the wrong side of their axis: p1"


@given(st.lists(st.floats(0, 300), min_size=1, max_size=20))
def test_labels_keep_their_order_and_stay_apart(places):
    found = spread(np.array(places), gap=13.0, low=0.0, high=300.0)
    order = np.argsort(places, kind="stable")

    assert (np.diff(found[order]) >= 13.0 - 1e-6).all()
