"""The benchmark of movers runs, and its two ways find what was put in."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def movers():
    spec = importlib.util.spec_from_file_location("bench_movers", Path(__file__).parents[2] / "benchmarks" / "movers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_large_change_is_found_by_both_ways(movers):
    found = movers.one_run(1, partners=150, mean=10.0, share=0.1, factor=6.0, age=1)

    assert found["p_right"] >= 3
    assert found["real_right"] >= 3
    assert found["real_right"] / found["real_called"] > 0.7


def test_nothing_truly_moves_where_nothing_changed(movers):
    found = movers.one_run(1, partners=80, mean=3.0, share=0.0, factor=1.0, age=1)

    assert found["truly"] == 0
    assert abs(found["said_misplaced"] - found["misplaced"]) < 0.1
