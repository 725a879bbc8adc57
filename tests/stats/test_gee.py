"""Mean models of clustered rows: by hand, laws, coverage."""

import numpy as np
import pytest

from partnerlab.stats.inference.clusters import sandwich_errors
from partnerlab.stats.regressions.gee import fit_mean_model
from partnerlab.stats.regressions.linear import clustered_covariance, fit_line


def _rows(seed, clusters=60, size=4):
    random = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), size)
    x = random.standard_normal(clusters * size)
    shared = random.standard_normal(clusters)[cluster] + random.standard_normal(clusters * size)
    return cluster, x, shared, random


def test_a_mean_of_shares_has_the_clustered_error_of_a_ratio():
    cluster, outcome = np.array([0, 0, 1, 1, 1, 2]), np.array([1.0, 0, 1, 1, 0, 1])

    found = fit_mean_model(outcome, np.ones((6, 1)), cluster)

    hits, size = np.array([[1.0], [2.0], [1.0]]), np.array([2.0, 3.0, 1.0])
    assert found.coefficients[0] == pytest.approx(4 / 6)
    assert np.sqrt(found.covariance(cluster)[0, 0]) == pytest.approx(sandwich_errors(hits, size, group=np.zeros(3, int), groups=1)[0, 0])


def test_independent_linear_rows_are_least_squares():
    cluster, x, shared, random = _rows(1)
    design, outcome, weight = np.column_stack([np.ones(len(x)), x]), x + shared, random.uniform(0.5, 2, len(x))

    found, line = fit_mean_model(outcome, design, cluster, weight=weight), fit_line(outcome, design, weight=weight)

    np.testing.assert_allclose(found.coefficients, line.coefficients)
    np.testing.assert_allclose(found.covariance(cluster), clustered_covariance(line, cluster, correction="CR0"))


@pytest.mark.parametrize("family", ["linear", "logit", "log"])
@pytest.mark.parametrize("correlation", ["independence", "exchangeable"])
def test_the_order_of_rows_does_not_matter_and_copied_clusters_halve_the_variance(family, correlation):
    cluster, x, shared, random = _rows(2)
    outcome = {"linear": x + shared, "logit": (x + shared > 0.5).astype(float), "log": random.poisson(np.exp(0.3 * x + 0.3 * shared))}[
        family
    ]
    design, order = np.column_stack([np.ones(len(x)), x]), random.permutation(2 * len(x))
    both = np.concatenate([cluster, cluster + 60])[order]

    one = fit_mean_model(outcome, design, cluster, family=family, correlation=correlation)
    two = fit_mean_model(np.tile(outcome, 2)[order], np.tile(design, (2, 1))[order], both, family=family, correlation=correlation)

    np.testing.assert_allclose(two.coefficients, one.coefficients, rtol=1e-6)
    np.testing.assert_allclose(two.covariance(both), one.covariance(cluster) / 2, rtol=1e-6)


def test_scores_add_up_to_nothing():
    cluster, x, shared, _ = _rows(3)
    found = fit_mean_model(x + shared, np.column_stack([np.ones(len(x)), x]), cluster, correlation="exchangeable")

    np.testing.assert_allclose(found.scores.sum(axis=0), 0, atol=1e-8)
    assert 0.2 < found.correlation < 0.8


def test_columns_that_repeat_and_separated_outcomes_have_no_fit():
    ones, x = np.ones((6, 2)), np.arange(6.0)
    assert fit_mean_model(x, ones, np.arange(6)) is None
    assert fit_mean_model((x > 2).astype(float), np.column_stack([np.ones(6), x]), np.arange(6), family="logit") is None


def test_intervals_hold_though_rows_hang_together():
    hits = []
    for seed in range(150):
        cluster, x, shared, random = _rows(seed, clusters=100)
        x = 0.5 * x + 0.5 * random.standard_normal(100)[cluster]
        outcome = 1.0 + 0.5 * x + shared + random.standard_normal(len(x))
        found = fit_mean_model(outcome, np.column_stack([np.ones(len(x)), x]), cluster, correlation="exchangeable")
        hits.append(abs(found.coefficients[1] - 0.5) < 1.98 * np.sqrt(found.covariance(cluster)[1, 1]))

    assert 0.9 <= np.mean(hits) <= 0.99
