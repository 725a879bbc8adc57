"""Trailing windows by hand and by law."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partnerlab.panel import Indicator
from partnerlab.panel.membership import membership
from partnerlab.panel.windows import indicator_values, trailing_sum

COUNTS = hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 50))


def _indicator(**keys):
    return Indicator.model_validate({"name": "x", "from": "frame", **keys})


@given(COUNTS)
def test_a_window_of_one_is_the_period_itself(counts):
    np.testing.assert_array_equal(trailing_sum(counts, window=1), counts)


@given(COUNTS)
def test_a_window_over_everything_ends_in_the_total(counts):
    np.testing.assert_array_equal(trailing_sum(counts, window=counts.shape[1])[:, -1], counts.sum(axis=1))


@given(COUNTS, st.integers(1, 10))
def test_a_window_is_the_sum_that_a_loop_would_make(counts, window):
    slow = [[row[max(0, c - window + 1) : c + 1].sum() for c in range(counts.shape[1])] for row in counts.astype(np.int64)]

    np.testing.assert_array_equal(trailing_sum(counts, window=window), slow)


def test_a_share_pools_its_window_and_needs_its_minimum():
    share = _indicator(statistic="share", window=3, min_n=5)
    won, decided = np.array([[1, 1, 3, 0]]), np.array([[2, 1, 3, 1]])

    np.testing.assert_allclose(indicator_values(share, totals=won, counts=decided, unseen=None), [[np.nan, np.nan, 5 / 6, 4 / 5]])


def test_active_counts_periods_not_rows():
    active = _indicator(statistic="active", window=3, at_least=2)
    rows = np.array([[0, 2, 1, 5, 2]])

    assert indicator_values(active, totals=rows, counts=rows, unseen=None).tolist() == [[0, 1, 1, 2, 2]]


def test_what_was_not_seen_makes_the_window_unknown():
    rows = np.array([[1, 1, 1, 1]])
    unseen = np.array([[True, False, False, False]])

    np.testing.assert_array_equal(indicator_values(_indicator(window=2), totals=rows, counts=rows, unseen=unseen), [[np.nan, np.nan, 2, 2]])


def test_no_row_is_zero_or_unknown_as_the_rule_says():
    rows = np.array([[0, 3]])

    np.testing.assert_array_equal(indicator_values(_indicator(), totals=rows, counts=rows, unseen=None), [[0, 3]])
    np.testing.assert_array_equal(indicator_values(_indicator(missing="unknown"), totals=rows, counts=rows, unseen=None), [[np.nan, 3]])


def _days(*texts):
    return np.array(texts, dtype="datetime64[D]")


def test_the_day_of_leaving_is_the_first_outside():
    edges = _days("2026-01-01", "2026-04-01", "2026-07-01")
    state, exposure = membership(joined=_days("2026-02-01", "2026-04-01"), left=_days("2026-04-01", "2026-06-30"), edges=edges)

    assert state.tolist() == [[1, 2], [0, 2]]
    np.testing.assert_allclose(exposure, [[59 / 90, 0], [0, 90 / 91]], rtol=1e-6)


def test_a_period_cut_short_takes_the_state_of_its_last_day_known():
    edges = _days("2026-01-01", "2026-04-01")
    state, exposure = membership(
        joined=_days("2026-03-01", "2026-01-01"), left=_days("NaT", "2026-03-15"), edges=edges, until=_days("2026-03-01")[0]
    )

    assert state.tolist() == [[0], [1]]
    np.testing.assert_allclose(exposure, [[0], [59 / 90]], rtol=1e-6)


@given(st.integers(0, 400), st.integers(1, 400))
def test_days_as_a_member_add_up(start, length):
    edges = _days("2026-01-01", "2026-04-01", "2026-07-01", "2026-10-01", "2027-01-01")
    joined = edges[:1] + start
    left = joined + length
    _, exposure = membership(joined=joined, left=left, edges=edges)
    inside = max(0, int(min(left[0], edges[-1]).astype(int) - min(joined[0], edges[-1]).astype(int)))

    np.testing.assert_allclose((exposure * np.diff(edges).astype(int)).sum(), inside, rtol=1e-5)
