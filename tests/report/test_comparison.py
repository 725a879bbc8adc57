"""Two quarters side by side: by hand, by law, and as often right as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from partnerlab.report.comparison import compare_heads, compare_shares, compare_totals

PAIRS = arrays.arrays(bool, st.tuples(st.integers(2, 40), st.just(2)))


def test_paired_shares_by_hand():
    hits = np.array([[1, 1], [1, 0], [0, 1], [0, 1]], dtype=bool)

    found = compare_shares(hits, np.ones_like(hits))

    assert (found.estimate, found.change) == (0.75, 0.25)
    # d = 0, -1/4, 1/4, 1/4 less their means: sum of squares of ((hit - p1) - (hit - p0)) / 4, times n / (n - 1)
    parts = np.array([(1 - 0.75) - (1 - 0.5), (0 - 0.75) - (1 - 0.5), (1 - 0.75) - (0 - 0.5), (1 - 0.75) - (0 - 0.5)]) / 4
    assert found.change_high - found.change == pytest.approx(1.959964 * np.sqrt(4 / 3 * (parts**2).sum()), rel=1e-6)


@given(PAIRS)
def test_interval_of_a_change_of_shares_holds_the_change(hits):
    found = compare_shares(hits, np.ones_like(hits))

    assert found.change_low <= found.change <= found.change_high


@given(PAIRS, st.randoms(use_true_random=False))
def test_order_of_partners_does_not_matter(hits, random):
    rows = list(range(len(hits)))
    random.shuffle(rows)

    assert compare_shares(hits[rows], np.ones_like(hits)) == pytest.approx(compare_shares(hits, np.ones_like(hits)))


@given(PAIRS)
def test_nothing_that_moves_gives_a_change_of_zero_without_reach(hits):
    same = np.repeat(hits[:, :1], 2, axis=1)

    found = compare_shares(same, np.ones_like(same))

    assert (found.change, found.change_low, found.change_high) == (0.0, 0.0, 0.0)


@given(PAIRS)
def test_swapping_the_quarters_turns_the_change_round(hits):
    there, back = (compare_shares(side, np.ones_like(side)) for side in (hits, hits[:, ::-1]))

    assert there.change == pytest.approx(-back.change)
    assert there.change_low == pytest.approx(-back.change_high)


def test_totals_by_hand():
    found = compare_totals(np.array([[1.0, 4.0], [2.0, 2.0], [np.nan, 3.0], [np.nan, np.nan]]))

    assert (found.estimate, found.change, found.n) == (9.0, 6.0, 3)
    assert found.change_high - found.change == pytest.approx(1.959964 * np.sqrt(3) * np.std([3.0, 0.0, 3.0], ddof=1), rel=1e-6)


def test_heads_by_hand():
    found = compare_heads(9, 16, now=100)

    assert found.change == -7.0
    assert found.change_high - found.change == pytest.approx(1.959964 * 5, rel=1e-6)


def test_nobody_before_leaves_the_change_unknown():
    base = np.array([[False, True], [False, True]])

    assert np.isnan(compare_shares(base, base).change)


def test_intervals_of_changes_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(600):
        quality = rng.beta(2, 3, 150)
        before = rng.random(150) < quality
        stay = rng.random(150) < 0.7
        now = np.where(stay, before, rng.random(150) < np.clip(quality + 0.1, 0, 1))
        truth = 0.3 * (np.clip(quality + 0.1, 0, 1) - quality).mean()
        found = compare_shares(np.stack([before, now], axis=1), np.ones((150, 2), dtype=bool))
        inside.append(found.change_low <= truth <= found.change_high)

    assert 0.92 <= np.mean(inside) <= 0.98
