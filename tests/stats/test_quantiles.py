"""Order-statistic intervals of quantiles: by hand, published ranks, laws, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from partnerlab.errors import ParameterError
from partnerlab.stats.inference.quantiles import quantile_interval


# the ranks of the sign test's interval for the median, as textbooks table them
@pytest.mark.parametrize(("n", "ranks"), [(6, (1, 6)), (10, (2, 9)), (20, (6, 15)), (25, (8, 18)), (50, (18, 33))])
def test_ranks_of_the_median_are_those_of_the_tables(n, ranks):
    assert quantile_interval(np.arange(1.0, n + 1.0), quantile=0.5) == ranks


def test_too_few_values_leave_a_side_open():
    assert np.isnan(quantile_interval(np.arange(5.0), quantile=0.5)).all()
    assert np.isnan(quantile_interval(np.array([np.nan]), quantile=0.5)).all()


@given(st.integers(1, 200), st.floats(0.05, 0.95), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_the_ranks_cover_at_least_what_is_stated(n, quantile, level):
    low, high = quantile_interval(np.arange(1.0, n + 1.0), quantile=quantile, level=level)
    below = 0.0 if np.isnan(low) else binom.cdf(low - 1, n, quantile)
    above = 0.0 if np.isnan(high) else binom.sf(high - 1, n, quantile)

    assert below <= (1 - level) / 2 + 1e-12
    assert above <= (1 - level) / 2 + 1e-12


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.floats(0.1, 0.9))
def test_order_and_unknown_values_do_not_matter_and_the_sample_quantile_lies_inside(values, quantile):
    sample = np.array(values, dtype=float)
    low, high = quantile_interval(np.append(sample, np.nan), quantile=quantile)

    np.testing.assert_array_equal((low, high), quantile_interval(sample[::-1], quantile=quantile))
    assert np.isnan(low) or low <= np.quantile(sample, quantile, method="inverted_cdf")
    assert np.isnan(high) or high >= np.quantile(sample, quantile, method="inverted_cdf")


def test_the_interval_covers_the_true_quantile_as_often_as_stated():
    random = np.random.default_rng(11)
    found = [quantile_interval(random.exponential(size=40), quantile=0.75) for _ in range(400)]
    covered = np.mean([low <= -np.log(0.25) <= high for low, high in found])

    assert 0.93 <= covered <= 0.995


@pytest.mark.parametrize("asked", [{"quantile": 1.0}, {"quantile": 0.5, "level": 95}])
def test_shares_that_are_none_are_refused(asked):
    with pytest.raises(ParameterError):
        quantile_interval(np.arange(9.0), **asked)
