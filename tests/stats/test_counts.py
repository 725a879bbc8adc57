"""Counting moves: by hand and against a plain loop."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partnerlab.stats.inference import counts
from partnerlab.stats.inference.counts import flow_rows, move_counts, partner_counts, stack_rows, step_counts

CODES = hnp.arrays(np.int8, st.tuples(st.integers(1, 9), st.integers(1, 8)), elements=st.integers(-3, 3))


def _looped(codes, states):
    table = np.zeros((len(codes), states, states), dtype=int)
    for partner, row in enumerate(codes):
        for now, then in itertools.pairwise(row):
            if 0 <= now < states and 0 <= then < states:
                table[partner, now, then] += 1
    return table


@settings(deadline=None)
@given(CODES)
def test_dense_counts_are_the_loop(codes):
    assert np.array_equal(partner_counts(codes, 4), _looped(codes, 4))


@settings(deadline=None)
@given(CODES)
def test_all_ways_of_counting_agree(codes):
    rows = flow_rows(codes, 4)
    summed = np.zeros((4, 4), dtype=int)
    np.add.at(summed, rows.origin, rows.hits)

    assert np.array_equal(summed, move_counts(codes, 4))


@settings(deadline=None)
@given(CODES)
def test_blocks_do_not_show(codes):
    whole = flow_rows(codes, 4)
    size, counts.BLOCK = counts.BLOCK, 2
    try:
        pieces = flow_rows(codes, 4)
    finally:
        counts.BLOCK = size

    assert np.array_equal(whole.hits, pieces.hits)
    assert np.array_equal(whole.partner, pieces.partner)


def test_a_gap_is_not_a_step():
    assert move_counts(np.array([[0, -1, 1]], dtype=np.int8), 2).sum() == 0


def test_only_the_steps_asked_for_count():
    codes = np.array([[0, 1, 0, 1]], dtype=np.int8)

    assert move_counts(codes, 2, use=np.array([False, True, False])).tolist() == [[0, 0], [1, 0]]


def test_steps_keep_their_order():
    assert step_counts(np.array([[0, 1, 1]], dtype=np.int8), 2)[:, :, 1].tolist() == [[1, 0], [0, 1]]


def test_partners_without_segment_are_left_out():
    codes = np.zeros((3, 2), dtype=np.int8)

    assert flow_rows(codes, 1, group=np.array([0, -1, 2])).group.tolist() == [0, 2]


def test_rows_counted_apart_stack():
    rows = flow_rows(np.zeros((2, 2), dtype=np.int8), 1)

    assert stack_rows([rows, rows]).trials.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (3, 1)])
def test_nothing_to_count_gives_no_rows(shape):
    assert len(flow_rows(np.zeros(shape, dtype=np.int8), 2).partner) == 0
