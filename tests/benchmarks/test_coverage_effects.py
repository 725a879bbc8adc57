"""A small share of the coverage of verdicts on tactics."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

PLACE = Path(__file__).parents[2] / "benchmarks" / "coverage_effects.py"


@pytest.fixture(scope="module")
def coverage():
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("coverage_of_effects", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_bias_and_coverage_are_counted_over_replicates(coverage):
    rows = pd.DataFrame(
        {"world": "A", "null": False, "estimate_of": "verdict", "truth": 0.2, "estimate": [0.1, 0.4], "conf_low": [0.0, 0.3],
         "conf_high": [0.25, 0.5], "earned": [True, False], "flagged": False}
    )  # fmt: skip

    scored = coverage.score(rows).iloc[0]

    assert (scored["replicates"], scored["coverage"], scored["earned"]) == (2, 0.5, 0.5)
    assert scored["bias"] == pytest.approx(0.05)


def test_the_believed_reading_is_right_and_the_naive_one_wrong(coverage):
    scored = coverage.score(pd.DataFrame([row for seed in range(6) for row in coverage.read_world("B", seed, null=False, by_tier=False)]))
    by = scored.set_index("estimate_of")

    assert abs(by.loc["verdict", "bias"]) < 0.05
    assert by.loc["naive", "coverage"] == 0


def test_a_mixed_world_whose_tactic_stays_is_refused(coverage):
    rows = [row for seed in range(4) for row in coverage.read_world("C, stays", seed, null=True, by_tier=False)]

    assert not any(row.get("earned", False) for row in rows)
