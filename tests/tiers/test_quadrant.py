"""The quadrant by hand: cells, lines, gate, and what is unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from partnerlab.panel.panel import Panel
from partnerlab.tiers import Outside, TierScheme, assign_tiers

CELLS = {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "DEMENTOR"}


def panel_of(**columns: list) -> Panel:
    """One quarter, partners a, b, c, ..."""
    count = len(next(iter(columns.values())))
    return Panel.from_frame(pd.DataFrame({"partner": list("abcdefghijkl"[:count]), "quarter": "2026Q1", **columns}))


def quadrant(x: dict | None = None, y: dict | None = None, **more) -> TierScheme:
    classify = {
        "kind": "quadrant",
        "x": {"value": "leads", "cut": {"absolute": 10}} | (x or {}),
        "y": {"value": "relevance", "cut": {"absolute": 60}} | (y or {}),
        "cells": CELLS,
    }
    return TierScheme(scheme="demo", classify=classify | more.pop("classify", {}), **more)


def tiers_of(history) -> list[str]:
    return history.names()[:, -1].tolist()


def test_four_corners_have_the_names_of_the_guide():
    panel = panel_of(leads=[10, 9, 10, 9], relevance=[60.0, 60.0, 59.0, 59.0])

    assert tiers_of(assign_tiers(panel, quadrant())) == ["KEY", "DIAMOND", "HACKER", "DEMENTOR"]


def test_an_unknown_axis_is_unknown_and_never_the_lowest_tier():
    panel = panel_of(leads=[9, 10], relevance=[np.nan, np.nan])

    assert tiers_of(assign_tiers(panel, quadrant())) == ["unknown", "unknown"]


def test_an_unknown_axis_does_not_matter_where_both_cells_have_one_tier():
    cells = CELLS | {"low_low": "DEMENTOR", "low_high": "DEMENTOR"}
    panel = panel_of(leads=[9, 10], relevance=[np.nan, np.nan])

    assert tiers_of(assign_tiers(panel, quadrant(classify={"cells": cells}))) == ["DEMENTOR", "unknown"]


def test_unrated_can_be_a_tier_outside_the_order():
    panel = panel_of(leads=[9], relevance=[np.nan])
    history = assign_tiers(panel, quadrant(classify={"missing": "UNRATED"}))

    assert (tiers_of(history), history.rank) == (["UNRATED"], (3, 2, 2, 1, None))


def test_strict_lines_must_be_passed():
    panel = panel_of(leads=[10, 11], relevance=[70.0, 70.0])

    assert tiers_of(assign_tiers(panel, quadrant(x={"strict": True}))) == ["DIAMOND", "KEY"]


def test_a_quantile_line_is_interpolated_and_listed_with_its_population():
    panel = panel_of(leads=[1, 2, 3, 5], relevance=[70.0] * 4)
    history = assign_tiers(panel, quadrant(x={"cut": {"quantile": 0.5}}))

    assert history.lines.query("axis == 'x'").to_dict("records") == [
        {"quarter": "2026Q1", "axis": "x", "group": "all", "line": 2.5, "n": 4}
    ]
    assert tiers_of(history) == ["DIAMOND", "DIAMOND", "KEY", "KEY"]


def test_a_quantile_line_has_a_floor():
    panel = panel_of(leads=[0, 0, 1, 1], relevance=[70.0] * 4)

    assert tiers_of(assign_tiers(panel, quadrant(x={"cut": {"quantile": 0.5, "min": 3}}))) == ["DIAMOND"] * 4


def test_lines_within_region_differ():
    panel = panel_of(leads=[1, 3, 10, 30], relevance=[70.0] * 4, region=["north", "north", "south", "south"])
    history = assign_tiers(panel, quadrant(x={"cut": {"quantile": 0.5}, "within": "region"}))

    assert tiers_of(history) == ["DIAMOND", "KEY", "DIAMOND", "KEY"]
    assert history.lines.query("axis == 'x'").set_index("group")["line"].to_dict() == {"north": 2.0, "south": 20.0}


def test_a_partner_without_a_region_is_not_rated_within_region():
    panel = panel_of(leads=[1, 3, 10], relevance=[70.0] * 3, region=["north", "north", None])

    assert tiers_of(assign_tiers(panel, quadrant(x={"cut": {"quantile": 0.5}, "within": "region"})))[2] == "unknown"


def test_too_few_partners_give_no_quantile_line():
    panel = panel_of(leads=[1, 3], relevance=[70.0] * 2)

    assert tiers_of(assign_tiers(panel, quadrant(x={"cut": {"quantile": 0.5, "min_n": 3}}))) == ["unknown", "unknown"]


def test_who_fails_the_gate_is_outside_and_not_in_the_population_of_the_line():
    panel = panel_of(leads=[0, 0, 1, 3], relevance=[70.0] * 4)
    history = assign_tiers(panel, quadrant(x={"cut": {"quantile": 0.5}}, classify={"gate": "leads > 0", "outside": "INACTIVE"}))

    assert tiers_of(history) == ["INACTIVE", "INACTIVE", "DIAMOND", "KEY"]
    assert history.lines.query("axis == 'x'")["line"].item() == 2.0


def test_members_only_have_tiers():
    rows = pd.DataFrame({"partner": ["a", "a", "b"], "quarter": ["2026Q1", "2026Q2", "2026Q2"], "leads": [10, 10, 10], "relevance": 70.0})
    history = assign_tiers(Panel.from_frame(rows), quadrant())

    assert history.raw.tolist() == [[0, 0], [Outside.NOT_YET, 0]]


def test_regional_standards_move_absolute_lines_until_they_expire():
    rows = [
        {"partner": p, "quarter": q, "leads": 5, "relevance": 70.0, "region": p} for p in ("north", "south") for q in ("2026Q1", "2026Q2")
    ]
    standard = {
        "where": {"region": "south"},
        "set": {"many": 5},
        "approved_by": "local team",
        "reason": "young market",
        "until": "2026-06-30",
    }
    scheme = quadrant(x={"cut": {"absolute": "$many"}}, params={"many": 10}, overrides=[standard])
    history = assign_tiers(Panel.from_frame(pd.DataFrame(rows)), scheme)

    assert history.names().tolist() == [["DIAMOND", "DIAMOND"], ["KEY", "DIAMOND"]]


def test_the_shipped_quadrant_has_the_four_tiers_and_equal_middle():
    scheme = TierScheme.load("quadrant")

    assert dict(zip(scheme.tiers, scheme.ranks, strict=True)) == {
        "KEY PARTNERS": 3,
        "UNPOLISHED DIAMONDS": 2,
        "GROWTH HACKERS": 2,
        "DEMENTORS": 1,
    }


def test_the_shipped_quadrant_by_hand():
    count = 8
    panel = panel_of(
        leads=[0, 1, 2, 3, 4, 5, 6, 8],
        network_clients=[10.0, 80.0, 20.0, 70.0, 30.0, 60.0, 40.0, 50.0],
        relevance=[10.0, 80.0, 20.0, 70.0, 30.0, 60.0, 40.0, 50.0],
        region=["north"] * count,
    )
    history = assign_tiers(panel, TierScheme.load("quadrant"))

    # leads: the 75 % quantile is 5.25; relevance: mid-ranks (2 i - 1) / 16, high from 60, so ranks 6, 7 and 8 (.69, .81, .94)
    assert tiers_of(history) == [
        "DEMENTORS",
        "UNPOLISHED DIAMONDS",
        "DEMENTORS",
        "UNPOLISHED DIAMONDS",
        "DEMENTORS",
        "UNPOLISHED DIAMONDS",
        "GROWTH HACKERS",
        "GROWTH HACKERS",
    ]
    assert history.scores.values["market_relevance"][:, 0] == pytest.approx([6.25, 93.75, 18.75, 81.25, 31.25, 68.75, 43.75, 56.25])


def test_a_missing_indicator_is_refused_in_one_line_that_names_the_scheme():
    from partnerlab.errors import MissingTableError

    with pytest.raises(MissingTableError, match=r"^scheme demo@1: .*relevance"):
        assign_tiers(panel_of(leads=[1]), quadrant())
