"""Shrinkage: the fitted priors are the maximum of their likelihood, and recover the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from partnerlab.stats.shrinkage.pooling import LARGEST, dirichlet_prior, gamma_poisson_prior, marginal_likelihood, shrunken_rates


def _negative_binomial(log_prior, events, exposure):
    shape, rate = np.exp(log_prior)
    terms = special.gammaln(shape + events) - special.gammaln(shape) + shape * np.log(rate) - (shape + events) * np.log(rate + exposure)
    return -terms.sum()


@pytest.mark.parametrize("seed", range(4))
def test_gamma_prior_maximises_the_marginal_likelihood(seed):
    rng = np.random.default_rng(seed)
    exposure = rng.uniform(1, 5, 300)
    events = rng.poisson(rng.gamma(1.5, 2.0, 300) * exposure)
    found = optimize.minimize(_negative_binomial, [0.0, 0.0], args=(events, exposure), tol=1e-12).x

    assert np.ravel(gamma_poisson_prior(events, exposure)) == pytest.approx(np.exp(found), rel=1e-4)


def test_groups_are_fitted_each_on_its_own():
    rng = np.random.default_rng(5)
    group = rng.integers(0, 3, 400)
    exposure = np.full(400, 4.0)
    events = rng.poisson(rng.gamma(2.0, 1.0 + group) * exposure)
    together = np.array(gamma_poisson_prior(events, exposure, group=group, groups=3))
    apart = np.array([np.ravel(gamma_poisson_prior(events[group == k], exposure[group == k])) for k in range(3)]).T

    assert np.allclose(together, apart, rtol=1e-6)


def test_gamma_prior_recovers_the_truth():
    rng = np.random.default_rng(6)
    shape, rate = gamma_poisson_prior(rng.poisson(rng.gamma(2.0, 1 / 0.5, 20_000) * 8.0), np.full(20_000, 8.0))

    assert (shape[0], rate[0]) == pytest.approx((2.0, 0.5), rel=0.05)


def test_units_that_differ_only_by_chance_are_pooled_whole():
    events = np.tile([2, 3, 4, 3], 30)
    shape, rate = shrunken_rates(events, np.full(120, 1.0))

    assert np.ptp(shape / rate) < 0.01


def test_a_group_without_events_keeps_a_small_positive_rate():
    shape, rate = gamma_poisson_prior(np.zeros(10), np.full(10, 4.0))

    assert 0 < shape[0] / rate[0] < 0.05


def test_units_without_exposure_get_the_mean_of_their_group():
    events, exposure = np.array([4, 0, 9, 1, 0]), np.array([2.0, 2.0, 2.0, 2.0, 0.0])
    prior = gamma_poisson_prior(events, exposure)
    shape, rate = shrunken_rates(events, exposure)

    assert shape[4] / rate[4] == pytest.approx(prior[0][0] / prior[1][0])


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=3, max_size=25), st.floats(0.5, 8))
def test_a_shrunken_rate_lies_between_its_own_and_the_prior_mean(events, time):
    events, exposure = np.array(events), np.full(len(events), time)
    prior_shape, prior_rate = gamma_poisson_prior(events, exposure)
    shape, rate = shrunken_rates(events, exposure)
    ends = np.sort(np.stack([events / time, np.full(len(events), prior_shape[0] / prior_rate[0])]), axis=0)

    assert (shape / rate >= ends[0] - 1e-9).all()
    assert (shape / rate <= ends[1] + 1e-9).all()


@pytest.mark.parametrize("seed", range(4))
def test_dirichlet_prior_maximises_the_marginal_likelihood(seed):
    rng = np.random.default_rng(seed)
    rows = np.array([rng.multinomial(rng.integers(1, 60), rng.dirichlet([0.3, 1.0, 4.0])) for _ in range(40)]).astype(float)
    found = optimize.minimize(lambda log_alpha: -marginal_likelihood(log_alpha, rows), [0.0, 0.0, 0.0], tol=1e-12).x

    assert dirichlet_prior(rows) == pytest.approx(np.exp(found), rel=1e-3)


def test_structural_zeros_get_no_mass():
    assert dirichlet_prior(np.array([[3, 0, 5], [1, 0, 9]]), possible=np.array([True, False, True]))[1] == 0


def test_rows_that_agree_get_a_large_prior():
    assert 1e3 < dirichlet_prior(np.tile([20, 30, 50], (10, 1))).sum() <= LARGEST * 1.001


def test_no_rows_give_a_flat_prior():
    assert dirichlet_prior(np.zeros((0, 3))).tolist() == [0.5, 0.5, 0.5]
