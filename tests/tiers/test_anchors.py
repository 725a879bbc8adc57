"""Anchors: partners of whom it is known on which side of an axis they belong."""

from __future__ import annotations

import pandas as pd
import pytest

from partnerlab.errors import SampleError, SpecError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers, check_anchors, lint_scheme

CELLS = {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "LOW"}
ROWS = pd.DataFrame({"partner": ["a", "b", "c"], "quarter": "2026Q1", "leads": [5.0, 1.0, None], "name": ["Acme", "Bee", "Cee"]})


def scheme(anchors: dict, **cut) -> TierScheme:
    x = {"value": "leads", "cut": cut or {"absolute": 3}, "anchors": anchors}
    return TierScheme(scheme="demo", classify={"kind": "quadrant", "x": x, "y": {"value": "leads", "cut": {"absolute": 1}}, "cells": CELLS})


def history(anchors: dict, **cut) -> TierHistory:
    return assign_tiers(Panel.from_frame(ROWS), scheme(anchors, **cut))


def test_each_anchor_lands_where_it_belongs_or_not():
    found = check_anchors(history({"high": ["a", "b", "c", "nobody"]}))

    assert found.anchors["status"].tolist() == ["as expected", "wrong side", "unknown", "not in the data"]
    assert found.table[["axis", "side", "estimate", "n"]].to_numpy().tolist() == [["x", "high", 0.5, 2]]
    assert [check.passed for check in found.checks] == [False, False]


def test_the_low_side_is_the_other_one():
    assert check_anchors(history({"low": ["a", "b"]})).anchors["status"].tolist() == ["wrong side", "as expected"]


def test_anchors_may_be_named():
    assert check_anchors(history({"high": ["Acme"]})).anchors[["partner", "status"]].to_numpy().tolist() == [["a", "as expected"]]


def test_anchors_are_checked_against_the_line_of_the_quarter():
    found = check_anchors(history({"high": ["a"]}, quantile=0.5)).anchors

    assert found[["value", "line", "status"]].to_numpy().tolist() == [[5.0, 3.0, "as expected"]]


def test_lint_names_who_lands_on_the_wrong_side_with_value_and_line():
    found = lint_scheme(scheme({"high": ["b", "nobody"]}), panel=Panel.from_frame(ROWS))

    assert found.loc[found["rule"] == "anchors", "finding"].tolist() == [
        "b belongs high but lands low in 2026Q1: leads is 1, the line 3",
        "nobody belongs high, but is not in the data in 2026Q1",
    ]


def test_anchors_move_nobody():
    without = scheme({"high": ["a"]}).classify.model_copy(
        update={"x": scheme({"high": ["a"]}).classify.x.model_copy(update={"anchors": None})}
    )
    plain = assign_tiers(Panel.from_frame(ROWS), TierScheme(scheme="demo", classify=without))

    assert plain.names().tolist() == history({"high": ["b"], "low": ["a"]}).names().tolist()


def test_refusals_are_one_clear_line():
    with pytest.raises(SpecError, match="anchor 'a' cannot be both high and low; keep one"):
        scheme({"high": ["a"], "low": ["a"]})
    with pytest.raises(SpecError, match="anchors name nobody; write"):
        scheme({})
    with pytest.raises(SampleError, match=r"no axis has anchors; name some under classify.x or classify.y"):
        check_anchors(TierHistory.from_frame(pd.DataFrame({"partner": ["a"], "quarter": ["2026Q1"], "tier": ["Gold"]})))
