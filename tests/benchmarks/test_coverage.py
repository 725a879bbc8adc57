"""A small share of the coverage benchmark: the same functions, few seeds, a small program."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from partnerlab.intake.simulate import Truth

PLACE = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def coverage():
    """The benchmark as a module, with a smaller program."""
    spec = importlib.util.spec_from_file_location("coverage_benchmark", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PROGRAM = Truth.plain(n_partners=150, n_quarters=10)
    return module


def test_coverage_is_the_share_of_intervals_that_hold_the_truth(coverage):
    walked = pd.DataFrame(
        {"study": "s", "cell": "c", "estimate": 0.5, "conf_low": [0.1, 0.3, 0.6, 0.2], "conf_high": [0.5, 0.6, 0.9, 0.39]}
    )
    answers = {"s": pd.DataFrame({"cell": ["c"], "truth": [0.4], "expected": [30.0]})}
    assert coverage.score(walked, answers)["coverage"].tolist() == [0.5]


def test_intervals_of_a_few_programs_mostly_hold_the_truth(coverage):
    scored = coverage.score(pd.concat([coverage.walk_road(seed) for seed in range(12)]), coverage.true_answers(draws=40_000))
    common = scored[scored["common"]].groupby("study")["coverage"].mean()
    assert set(common.index) >= {"transitions, ladder", "transitions, quadrant", "survival of membership"}
    assert common.min() > 0.80
