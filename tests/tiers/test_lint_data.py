"""A scheme tried on data: what was not recorded then, whom nobody can rate, tiers that stay empty."""

from __future__ import annotations

import pandas as pd

from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierScheme, lint_scheme

NAN = float("nan")
LADDER = {"kind": "ladder", "levels": [{"name": "Gold", "all": ["leads >= 20"]}, {"name": "Member", "all": ["score >= 1"]}], "else": "none"}


def findings(rows: dict, classify: dict = LADDER) -> dict[tuple[str, str], str]:
    scheme = TierScheme(scheme="demo", classify=classify)
    found = lint_scheme(scheme, panel=Panel.from_frame(pd.DataFrame(rows)))
    return {(row.rule, row.where): f"{row.grade}: {row.finding}" for row in found.itertuples() if row.rule != "glossary"}


TWO = {"partner": ["a", "a", "b", "b"], "quarter": ["2026Q1", "2026Q2"] * 2}


def test_a_fact_that_the_data_lack_is_an_error_with_the_nearest_name():
    said = findings(TWO | {"leads": [1.0] * 4, "scores": [1.0] * 4})

    assert said["data", "score"].startswith("error: the data have no score; did you mean")


def test_what_was_not_yet_recorded_is_said_with_its_first_quarter():
    said = findings(TWO | {"leads": [None, 3.0, None, 1.0], "score": [1.0] * 4})

    assert said["data", "leads"].startswith("warning: nothing is recorded before 2026Q2: leads reads unknown until then")


def test_an_indicator_without_a_row_is_said():
    said = findings(TWO | {"leads": [NAN] * 4, "score": [1.0] * 4})

    assert said["data", "leads"] == "warning: there is not one row behind leads from 2026Q1 to 2026Q2"


def test_how_many_cannot_be_rated_and_which_tier_is_empty():
    said = findings(TWO | {"leads": [1.0, None, 1.0, 2.0], "score": [1.0] * 4})

    assert said["unknown", "leads"] == "note: leads is unknown for 1 of 2 members in 2026Q2"
    assert said["unknown", "classify"] == "note: 1 of 2 members cannot be rated in 2026Q2"
    assert said["empty", "Gold"] == "note: by the rule nobody is Gold in 2026Q2"


def test_a_line_that_nobody_can_draw_is_a_warning():
    cells = {"high_high": "A", "low_high": "B", "high_low": "C", "low_low": "D"}
    quadrant = {"kind": "quadrant", "x": {"value": "leads", "cut": {"quantile": 0.5, "min_n": 8}}, "cells": cells}
    quadrant["y"] = {"value": "score", "cut": {"absolute": 1}}

    said = findings(TWO | {"leads": [1.0] * 4, "score": [1.0] * 4}, quadrant)

    assert said["line", "classify.x"] == "warning: all: no line in 2026Q2, only 2 partners are rated there"


def test_whole_data_leave_nothing_to_say_about_them():
    said = findings(TWO | {"leads": [25.0, 25.0, 1.0, 2.0], "score": [1.0, 1.0, 1.0, 0.0]})

    assert {key for key in said if key[0] in ("data", "unknown", "line")} == set()
