"""Trends that may break as they broke before: by hand, laws, and coverage where the truth is known."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from partnerlab.stats.causes.relative_trends import breakdown_times, relative_interval

PATH = np.array([0.10, -0.05, 0.08, 0.60, 0.70])
ERRORS = 0.0016 * (0.6 * np.eye(5) + 0.4)


@pytest.mark.parametrize(
    ("path", "before", "weights", "far"),
    [
        ([0.1, 0.5], 1, None, 0.1),  # one move before, one period after: the estimate plus or minus that move
        ([0.3, 0.1, 0.5], 2, None, 0.2),  # the largest of the moves -.2 and -.1
        ([0.1, 0.5, 0.5], 1, [0.5, 0.5], 0.15),  # the gap may grow by .1 and .2: .15 on average
        ([0.1, 0.5, 0.5], 1, [0.0, 1.0], 0.2),
    ],
)
def test_without_error_the_bounds_are_the_largest_move_before_carried_on(path, before, weights, far):
    low, high = relative_interval(np.array(path), 1e-10 * np.eye(len(path)), before=before, times=1.0, weights=weights)

    assert (low, high) == pytest.approx((0.5 - far, 0.5 + far), abs=1e-3)


def test_without_error_the_finding_goes_where_the_allowed_move_reaches_it():
    assert breakdown_times(np.array([0.3, 0.1, 0.5]), 1e-10 * np.eye(3), before=2) == pytest.approx(2.5, abs=0.01)


@settings(max_examples=8, deadline=None)
@example(1.71875, 1.5)
@given(st.floats(0.01, 50), st.sampled_from([0.0, 0.5, 1.5]))
def test_units_and_signs_do_not_matter(unit, times):
    low, high = relative_interval(PATH, ERRORS, before=3, times=times)

    assert relative_interval(unit * PATH, unit**2 * ERRORS, before=3, times=times) == pytest.approx((unit * low, unit * high), rel=1e-5)
    assert relative_interval(-PATH, ERRORS, before=3, times=times) == pytest.approx((-high, -low), abs=2e-3)


def test_an_effect_added_moves_the_interval_by_itself():
    low, high = relative_interval(PATH, ERRORS, before=3, times=1.0)
    moved = relative_interval(PATH + np.array([0, 0, 0, 1.0, 1.0]), ERRORS, before=3, times=1.0)

    assert moved == pytest.approx((low + 1, high + 1), abs=1e-6)


def test_the_more_is_allowed_the_wider_it_gets_and_it_breaks_where_it_reaches_zero():
    widths = [high - low for low, high in (relative_interval(PATH, ERRORS, before=3, times=times) for times in (0, 0.5, 1, 2))]
    breaks = breakdown_times(PATH, ERRORS, before=3)

    assert widths == sorted(widths)
    assert relative_interval(PATH, ERRORS, before=3, times=breaks - 0.02)[0] > 0
    assert relative_interval(PATH, ERRORS, before=3, times=breaks + 0.02)[0] < 0
    assert breakdown_times(PATH - np.array([0, 0, 0, 0.6, 0.6]), ERRORS, before=3) == 0.0


def test_the_interval_covers_where_the_trend_breaks_as_much_as_is_allowed():
    """The gap moves by .1 before and by .1 after; 300 draws, so 95 % is seen within 2.5 points. Parallel trends would cover far less."""
    rng = np.random.default_rng(7)
    truth, moved = 0.3, np.array([0.1, 0.0, 0.1 + 0.3])
    draws = moved + rng.multivariate_normal(np.zeros(3), 0.0004 * (0.5 * np.eye(3) + 0.5), size=300)
    ends = np.array([relative_interval(one, 0.0004 * (0.5 * np.eye(3) + 0.5), before=2, times=1.0) for one in draws])

    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) >= 0.93
    assert np.mean(np.abs(draws[:, 2] - truth) <= 1.96 * 0.02) < 0.05


def test_too_many_periods_are_refused():
    with pytest.raises(ValueError, match="9 periods after treatment; at most 7"):
        relative_interval(np.zeros(11), np.eye(11), before=2, times=1.0, weights=np.ones(9))
