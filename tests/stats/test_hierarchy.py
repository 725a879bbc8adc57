"""Pooling estimates: by hand, laws, numerical integration, and recovered truth with the best of many picked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.shrinkage.hierarchy import pool_cells
from partnerlab.stats.shrinkage.random_effects import fit_random_effects, prediction_interval, shrunken_effects

TACTIC, TIER = np.repeat(np.arange(8), 3), np.tile(np.arange(3), 8)
vectors = st.lists(st.floats(-2, 2), min_size=4, max_size=8)


def test_equal_errors_give_the_mean_and_the_excess_of_the_sample_variance():
    y = np.array([1.0, 2.0, 6.0, 7.0])
    for method in ("REML", "DL"):
        fit = fit_random_effects(y, np.ones(4), method=method)

        assert fit.coefficients[0] == pytest.approx(4.0)
        assert fit.tau2 == pytest.approx(y.var(ddof=1) - 1)
        assert fit.std_error[0] == pytest.approx(y.std(ddof=1) / 2)


def test_estimates_closer_than_their_errors_share_one_effect():
    fit = fit_random_effects(np.array([0.1, 0.11, 0.12]), np.ones(3))

    assert fit.tau2 == 0
    assert shrunken_effects(fit)[0] == pytest.approx(np.full(3, fit.coefficients[0]))


def test_few_estimates_get_the_t_interval_of_their_own_scatter():
    y = np.array([1.0, 2.0, 6.0])
    fit = fit_random_effects(y, np.full(3, 0.1), few=True)

    assert fit.df == 2
    assert fit.std_error[0] == pytest.approx(y.std(ddof=1) / np.sqrt(3), rel=1e-3)
    assert prediction_interval(fit)[1] - prediction_interval(fit)[0] > 20


def test_as_many_coefficients_as_estimates_are_refused():
    assert fit_random_effects(np.array([1.0, 2.0]), np.ones(2), covariates=np.array([0.0, 1.0])) is None
    assert fit_random_effects(np.arange(4.0), np.ones(4), covariates=np.ones(4)) is None


def test_a_covariate_that_explains_all_leaves_no_spread():
    at = np.arange(6.0)
    fit = fit_random_effects(1 + 2 * at, np.full(6, 0.1), covariates=at)

    assert fit.coefficients == pytest.approx([1, 2])
    assert fit.tau2 == pytest.approx(0, abs=1e-9)
    assert np.mean(prediction_interval(fit, at=[10.0])) == pytest.approx(21)


@settings(max_examples=20, deadline=None)
@given(vectors, st.floats(-3, 3), st.floats(0.5, 4))
def test_pooling_moves_and_stretches_with_the_estimates(values, shift, stretch):
    y, error = np.array(values), np.linspace(0.5, 1.0, len(values))
    cells, moved = pool_cells(y, error, draws=10), pool_cells(shift + stretch * y, stretch * error, draws=10)

    assert moved.mean == pytest.approx(shift + stretch * cells.mean, abs=1e-8)
    assert moved.high == pytest.approx(shift + stretch * cells.high, abs=1e-6)
    assert moved.own_weight == pytest.approx(cells.own_weight)


@settings(max_examples=20, deadline=None)
@given(vectors)
def test_the_order_of_cells_does_not_matter(values):
    y, error = np.array(values), np.linspace(0.5, 1.0, len(values))
    group, turned = np.arange(len(y)) % 2, slice(None, None, -1)
    cells = pool_cells(y, error, groups=(group,), draws=10)
    backward = pool_cells(y[turned], error[turned], groups=(group[turned],), draws=10)

    assert backward.mean[turned] == pytest.approx(cells.mean)
    assert backward.std[turned] == pytest.approx(cells.std)


def test_chances_to_be_best_are_shares_and_follow_the_means():
    cells = pool_cells(np.array([3.0, 0.0, 0.1, -0.1]), np.full(4, 0.3))

    assert cells.best.sum() == pytest.approx(1)
    assert cells.best[0] > 0.99
    assert ((cells.low < cells.mean) & (cells.mean < cells.high)).all()


def test_a_cell_borrows_more_the_less_it_knows():
    cells = pool_cells(np.array([1.0, 1.0, 0.0, 0.1, -0.1, 0.05]), np.array([0.1, 1.0, 0.2, 0.2, 0.2, 0.2]))

    assert cells.own_weight[0] > cells.own_weight[1]
    assert cells.mean[0] > cells.mean[1]


def test_a_cell_leans_on_its_own_tactic():
    y, tactic = np.array([1.0, 1.1, 0.0, -0.1, 0.1, -0.05, 0.05, 0.2, -0.2]), np.repeat([0, 1, 2], 3)
    y[2], error = 0.5, np.full(9, 0.2)

    nested, flat = pool_cells(y, error, groups=(tactic,)), pool_cells(y, error)

    assert nested.mean[2] > flat.mean[2]
    assert nested.spreads.shape == (2,)


def test_classes_that_tell_nothing_apart_are_left_out():
    y, error = np.array([0.3, 0.1, -0.2, 0.0]), np.full(4, 0.1)

    same = pool_cells(y, error, groups=(np.zeros(4), np.arange(4)))

    assert same.mean == pytest.approx(pool_cells(y, error).mean)
    assert same.spreads.shape == (1,)


def test_where_tactics_work_more_in_some_tiers_the_best_and_the_weakest_are_not_pulled_together():
    """Half of the tactics do .30, .20, .10 by tier and half nothing; shifts without loads say .25 and .15 of the ends."""
    true = np.where(TACTIC % 2 == 0, np.array([0.3, 0.2, 0.1])[TIER], 0.0)
    error = np.array([0.03, 0.04, 0.06])[TIER]

    inside, ends = [], []
    for seed in range(12):
        cells = pool_cells(np.random.default_rng(seed).normal(true, error), error, groups=(TACTIC, TIER), draws=10, seed=seed)
        inside.append(((cells.low <= true) & (true <= cells.high)).mean())
        ends.append([cells.mean[(true > 0) & (tier == TIER)].mean() for tier in (0, 2)])

    assert np.mean(inside) > 0.92
    assert np.mean(ends, axis=0) == pytest.approx([0.3, 0.1], abs=0.02)


def test_effects_alike_in_shares_are_pooled_in_shares():
    size, random = np.array([0.1, 1.0, 10.0])[TIER], np.random.default_rng(3)
    y, error = random.normal(np.where(TACTIC < 4, 0.4, 0.0), 0.1), np.full(24, 0.1)
    options = {"groups": (TACTIC, TIER), "draws": 10}

    shares, sizes = pool_cells(y, error, **options), pool_cells(y * size, error * size, scale=7 * size, **options)

    assert sizes.mean == pytest.approx(shares.mean * size)
    assert sizes.high == pytest.approx(shares.high * size)
    assert sizes.positive == pytest.approx(shares.positive)


def test_errors_shared_by_cells_are_counted():
    y = np.array([0.3, 0.1, -0.2, 0.0])
    shared = 0.01 * np.eye(4) + 0.09

    assert pool_cells(y, covariance=shared).overall_std > 1.5 * pool_cells(y, np.sqrt(np.diag(shared))).overall_std


def test_the_points_agree_with_numerical_integration_over_the_spread():
    from scipy.integrate import quad
    from scipy.stats import norm

    y, error = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    scale = 0.5 * np.sqrt(8 / (error**-2.0).sum())

    def parts(share):
        tau = scale * share / (1 - share)
        weight = 1 / (error**2 + tau**2)
        mu = (weight * y).sum() / weight.sum()
        own = tau**2 * weight
        height = np.exp(norm.logpdf(y, mu, weight**-0.5).sum() + 30) / np.sqrt(weight.sum())
        return height, own[0] * y[0] + (1 - own[0]) * mu

    whole = quad(lambda share: parts(share)[0], 0, 1, epsabs=0)[0]
    first = quad(lambda share: np.prod(parts(share)), 0, 1, epsabs=0)[0] / whole

    assert pool_cells(y, error).mean[0] == pytest.approx(first, abs=0.02)


@pytest.fixture(scope="module")
def pages():
    """Pages of 24 cells, half of them without any effect: raw and pooled top cell, and what was flagged."""
    rows = []
    for seed in range(70):
        rng = np.random.default_rng(seed)
        error = rng.uniform(0.05, 0.12, 24)
        true = 0.02 + rng.normal(0, 0.03, 8)[TACTIC] + rng.normal(0, 0.03, 24)
        raw = rng.normal(true, error)
        cells = pool_cells(raw, error, groups=(TACTIC,), draws=50)
        null = pool_cells(rng.normal(0, error), error, groups=(TACTIC,), draws=50)
        top, loud = cells.mean.argmax(), raw.argmax()
        covered = (cells.low <= true) & (true <= cells.high)
        flagged = ((null.low > 0) | (null.high < 0)).any()
        rows.append((raw[loud], true[loud], cells.mean[top], true[top], covered[top], covered.mean(), flagged))
    return dict(zip(("raw", "raw_true", "top", "top_true", "top_covered", "covered", "flagged"), np.array(rows, float).T, strict=True))


def test_the_raw_winner_is_a_boast_and_the_pooled_one_is_not(pages):
    error = (pages["top"] - pages["top_true"]).std() / np.sqrt(70)

    assert pages["raw"].mean() > 2.5 * pages["raw_true"].mean()
    assert abs(pages["top"].mean() - pages["top_true"].mean()) < 3 * error
    assert pages["top"].mean() < 1.2 * pages["top_true"].mean()


def test_intervals_cover_also_where_the_best_was_picked(pages):
    assert pages["covered"].mean() == pytest.approx(0.95, abs=0.02)
    assert pages["top_covered"].mean() > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 70)


def test_a_page_of_cells_without_effect_seldom_names_a_winner(pages):
    assert pages["flagged"].mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 70)


@pytest.mark.parametrize("spread", [0.1, 0.4, 1.0])
def test_a_flat_prior_covers_few_cells_whatever_their_spread(spread):
    hits = []
    for seed in range(80):
        random = np.random.default_rng(seed)
        true, error = 0.3 + spread * random.normal(size=4), np.full(4, 0.27)
        cells = pool_cells(true + error * random.normal(size=4), error, flat=True, draws=20)
        hits.append(((cells.low <= true) & (true <= cells.high)).mean())

    assert np.mean(hits) >= 0.905  # 320 cells at 94 %: two and a half standard errors
