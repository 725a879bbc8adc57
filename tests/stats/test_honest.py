"""Effects under trends that bend: by hand, laws, and coverage where trends are not parallel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.causes.honest import breakdown_bend, folded_critical, largest_bend, smoothness_interval

NOISE = 0.0004 * (np.eye(6) + 0.5)


def test_one_period_before_takes_out_its_own_line_and_no_more():
    interval = smoothness_interval(np.array([-0.3, 0.5]), np.diag([0.01, 0.04]), before=1, bend=0.2)

    # 0.5 less the slope 0.3; one second difference, at the base
    assert interval.estimate == pytest.approx(0.2)
    assert interval.std_error == pytest.approx(np.sqrt(0.05))
    assert interval.bias == pytest.approx(0.2)


def test_without_bias_the_critical_value_is_the_normal_one_and_far_from_zero_one_sided():
    from scipy.stats import norm

    assert folded_critical(0.0)[0] == pytest.approx(norm.ppf(0.975))
    assert folded_critical(50.0) == pytest.approx((50 + norm.ppf(0.95), 1.0))
    assert folded_critical(1.001)[0] - folded_critical(0.999)[0] == pytest.approx(0.002 * folded_critical(1.0)[1], rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.floats(-1, 1), st.floats(0, 0.3), st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6))
def test_a_straight_trend_changes_nothing(slope, bend, values):
    path = np.array(values)
    plain = smoothness_interval(path, NOISE, before=3, bend=bend)
    tilted = smoothness_interval(path + slope * np.array([-3, -2, -1, 1, 2, 3]), NOISE, before=3, bend=bend)

    assert tilted.estimate - plain.estimate == pytest.approx(0, abs=1e-8)
    assert tilted.high - tilted.low == pytest.approx(plain.high - plain.low)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 0.5), st.floats(0.01, 0.5))
def test_allowing_more_bend_never_shortens_the_interval(bend, more):
    path = np.array([0.1, 0.0, 0.05, 0.4, 0.5, 0.3])
    narrow, wide = (smoothness_interval(path, NOISE, before=3, bend=size, weights=np.full(3, 1 / 3)) for size in (bend, bend + more))

    assert wide.high - wide.low >= narrow.high - narrow.low - 1e-9


def test_no_other_weights_make_the_interval_shorter():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    covariance = 0.01 * (root @ root.T + np.eye(5))
    interval = smoothness_interval(np.zeros(5), covariance, before=3, bend=0.05)
    directions = np.linalg.svd(np.array([[-3.0, -2.0, -1.0]]))[2][1:]
    bends = np.array([[1, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 2, 1]], dtype=float)
    for step in rng.normal(size=(300, 2)) * np.repeat([0.001, 0.1, 1.0], 100)[:, None]:
        whole = np.concatenate([interval.before + step @ directions, [1.0, 0.0]])
        error = np.sqrt(whole @ covariance @ whole)
        bias = 0.05 * np.abs(bends.T @ whole).sum()

        assert 2 * error * folded_critical(bias / error)[0] >= interval.high - interval.low - 1e-7


def test_the_breakdown_is_where_the_interval_touches_zero():
    path = np.array([0.02, -0.01, 0.01, 0.5, 0.5, 0.5])
    bend = breakdown_bend(path, NOISE, before=3)

    assert smoothness_interval(path, NOISE, before=3, bend=bend).low == pytest.approx(0, abs=1e-6)
    assert breakdown_bend(-path, NOISE, before=3) == pytest.approx(bend)
    assert breakdown_bend(np.zeros(6), NOISE, before=3) == 0.0


def test_the_largest_bend_counts_the_base():
    assert largest_bend(np.array([0.0, 0.2, 1.0]), before=2) == pytest.approx(0.4)
    assert np.isnan(largest_bend(np.array([0.2, 1.0]), before=1))


def test_the_interval_covers_where_trends_bend_as_far_as_allowed():
    """The worst trend: its bends all have the signs that hurt most; the plain interval is wrong nearly every time."""
    rng, effect, bend = np.random.default_rng(2), 0.3, 0.05
    first = smoothness_interval(np.zeros(6), NOISE, before=3, bend=bend)
    times = np.array([-3, -2, -1, 1, 2, 3])
    bends = np.arange(-2, 3)
    loads = np.where(times[:, None] < 0, np.clip(bends - times[:, None], 0, None) * (bends < 0), 0)
    loads = loads + np.where(times[:, None] > 0, np.clip(times[:, None] - bends, 0, None) * (bends >= 0), 0)
    whole = np.concatenate([first.before, [1.0, 0.0, 0.0]])
    trend = bend * loads @ np.sign(loads.T @ whole) + 0.1 * times
    paths = trend + effect * (times > 0) + rng.multivariate_normal(np.zeros(6), NOISE, size=4000)
    half, middle = (first.high - first.low) / 2, paths @ whole

    assert (np.abs(middle - effect) <= half).mean() == pytest.approx(0.95, abs=0.011)
    assert (np.abs(paths[:, 3] - effect) <= 1.96 * np.sqrt(NOISE[3, 3])).mean() < 0.1
