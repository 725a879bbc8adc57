"""A small share of the coverage of heterogeneous programs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

PLACE = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def coverage():
    """The benchmark as a module, beside which `frailty` is found."""
    spec = importlib.util.spec_from_file_location("coverage_of_frailty", PLACE / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.fixture(scope="module")
def truths(coverage):
    return coverage.frailty.true_cells(0, partners=4_000)


@pytest.mark.parametrize("study", ["cells", "pooled"])
def test_most_intervals_of_a_few_heterogeneous_programs_hold_the_truth(coverage, truths, study):
    codes, segment = coverage.frailty.draw_programs(30, 150, rng=np.random.default_rng(1), world=0)
    scored = coverage.score(coverage.frailty.STUDIES[study](codes, segment, 30, truths))

    # 30 programs: the mean over twelve cells is good to two points or so
    assert scored["coverage"].mean() > 0.90


def test_partners_of_a_program_differ(coverage):
    same = np.repeat(coverage.frailty.BASE[None], 4000, axis=0)
    moves = [
        (np.diff(coverage.frailty.draw_codes(same, rng=np.random.default_rng(2), spread=spread)) != 0).sum(axis=1).var()
        for spread in (0.0, 1.0)
    ]

    assert moves[1] > 1.3 * moves[0]
