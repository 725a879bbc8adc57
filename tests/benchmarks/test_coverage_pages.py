"""A small share of the pages of tactics by tiers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

PLACE = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def pages():
    """The benchmark as a module, beside the one that it takes its worlds from."""
    sys.path.insert(0, str(PLACE))
    try:
        spec = importlib.util.spec_from_file_location("coverage_of_pages", PLACE / "coverage_pages.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(PLACE))
    return module


def test_a_page_without_effects_names_nothing_and_one_with_them_does(pages):
    null, half = (pages.make_page(3, half=half) for half in (False, True))

    assert len(null) == 24
    assert not null["named"].any()
    assert (half.loc[half["named"], "truth"] > 0).all()
    assert half["named"].sum() >= 3


def test_rates_are_counted_over_pages(pages):
    rows = {"named": [0.0, 2.0], "named_wrongly": [0.0, 1.0], "true": 4.0, "unadjusted": 1.0, "top": [0.3, 0.4], "top_truth": [0.2, 0.3],
            "top_inside": [1.0, 0.0], "loud": 0.8, "loud_truth": 0.2, "inside": 0.95, "cells": 24.0,
            "named_inside": [0.0, 1.0], "raw_inside": [0.9, 1.0], "named_raw_inside": [0.0, 2.0], "width": 0.5,
            "best_said": [0.4, 0.8], "best_true": [1.0, 0.0]}  # fmt: skip
    scored = pages.score(pd.DataFrame(rows), "half")

    assert (scored["winner_named_wrongly"], scored["effects_named"], scored["false_among_named"]) == (0.5, 1 / 8, 0.25)
    assert scored["top_exaggerates"] == pytest.approx(1.4)
    assert scored["raw_top_exaggerates"] == pytest.approx(4.0)
    assert (scored["named_coverage"], scored["best_said"], scored["best_true"]) == (0.5, pytest.approx(0.6), 0.5)
    assert (scored["raw_coverage"], scored["named_raw_coverage"], scored["width"]) == (pytest.approx(0.95), 1.0, 0.5)
