"""Shrunken effects on log-odds: by hand, laws, beside R, recovered."""

import numpy as np
import pytest
from scipy import special

from partnerlab.stats.shrinkage.mixed_logit import fit_mixed_logit


def levels(count, *, spread, trials, seed):
    rng = np.random.default_rng(seed)
    truth = special.expit(-1.5 + spread * rng.standard_normal(count))
    return rng.binomial(trials, truth), np.full(count, trials), np.arange(count)[:, None]


def test_levels_with_the_same_share_have_no_effect():
    fit = fit_mixed_logit(np.full(6, 20), np.full(6, 100), np.arange(6)[:, None], (6,))

    assert special.expit(fit.effects[0]) == pytest.approx(0.2, abs=1e-4)
    assert np.abs(fit.effects[1:]).max() < 1e-4


def test_given_variances_are_a_penalised_likelihood():
    """At the optimum, what the counts pull equals what the prior pulls: sum of residuals is the effect over its variance."""
    events, trials, places = levels(8, spread=1.0, trials=50, seed=1)
    fit = fit_mixed_logit(events, trials, places, (8,), fixed={0: 0.4})
    residual = events - trials * special.expit(fit.effects[0] + fit.effects[1:])

    assert residual == pytest.approx(fit.effects[1:] / 0.4, abs=1e-4)


def test_a_level_without_counts_stays_at_the_average():
    events, trials, places = levels(6, spread=1.0, trials=80, seed=2)
    fit = fit_mixed_logit(events, trials, places, (7,))

    assert fit.effects[7] == pytest.approx(0, abs=1e-9)
    assert fit.covariance[7, 7] == pytest.approx(fit.variances[0])


def test_rows_can_be_split_and_reordered():
    events, trials, places = levels(10, spread=0.7, trials=60, seed=3)
    other = np.random.default_rng(0).permutation(20)
    doubled = fit_mixed_logit(
        np.tile(events / 2, 2)[other], np.tile(trials / 2, 2)[other], np.tile(places, (2, 1))[other], (10,)
    )  # fmt: skip

    assert doubled.effects == pytest.approx(fit_mixed_logit(events, trials, places, (10,)).effects, abs=1e-6)


def test_the_spread_of_levels_is_recovered():
    found = [np.sqrt(fit_mixed_logit(*levels(30, spread=0.6, trials=200, seed=seed), (30,)).variances[0]) for seed in range(30)]

    assert np.mean(found) == pytest.approx(0.6, rel=0.08)


def test_effects_and_spread_are_those_that_r_integrates():
    """Maximum marginal likelihood and modes, made by tests/reference/forecasts/glmm.R."""
    modes = [-0.66502, 0.27988, -0.29754, 0.86646, -0.08748, -0.88296, 0.14867, 0.48575, -0.41187, 0.67997]
    events = np.array([12, 30, 18, 45, 22, 9, 27, 35, 16, 40])
    fit = fit_mixed_logit(events, np.full(10, 100), np.arange(10)[:, None], (10,))

    assert fit.effects[0] == pytest.approx(-1.16419, abs=0.02)
    # ours spends a degree of freedom on the intercept, as restricted likelihood does
    assert np.sqrt(fit.variances[0]) == pytest.approx(0.60228 * np.sqrt(10 / 9), rel=0.02)
    assert fit.effects[1:] == pytest.approx(modes, abs=0.03)
