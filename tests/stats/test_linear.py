"""Least squares and clustered errors: by hand, laws, size with few clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from partnerlab.stats.regressions.linear import classic_covariance, clustered_covariance, fit_line, satterthwaite_df, two_way_covariance

CORRECTIONS = ("CR0", "CR1", "CR2", "CR3")


def _rows(seed, clusters=8, icc=0.15):
    """Unequal clusters with a common shock, treatment by cluster."""
    random = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), random.integers(3, 30, clusters))
    treated = (np.arange(clusters) % 2)[cluster].astype(float)
    shock = np.sqrt(icc) * random.standard_normal(clusters)
    outcome = shock[cluster] + np.sqrt(1 - icc) * random.standard_normal(len(cluster))
    return outcome, np.column_stack([np.ones(len(cluster)), treated]), cluster


def test_a_mean_has_the_errors_of_the_textbook():
    outcome = np.array([1.0, 2.0, 4.0, 9.0])
    line = fit_line(outcome, np.ones((4, 1)))

    assert line.coefficients[0] == pytest.approx(4.0)
    assert classic_covariance(line)[0, 0] == pytest.approx(outcome.var(ddof=1) / 4)
    for correction in ("CR1", "CR2"):
        assert clustered_covariance(line, np.arange(4), correction=correction)[0, 0] == pytest.approx(outcome.var(ddof=1) / 4)


def test_equal_clusters_of_a_mean_have_one_degree_less_than_clusters():
    outcome, cluster = np.random.default_rng(0).standard_normal(30), np.repeat(np.arange(6), 5)

    assert satterthwaite_df(fit_line(outcome, np.ones((30, 1))), cluster, contrast=np.ones(1)) == pytest.approx(5.0)


def test_an_effect_between_equal_clusters_has_the_degrees_of_a_t_test_of_their_means():
    cluster = np.repeat(np.arange(10), 4)
    design = np.column_stack([np.ones(40), cluster % 2])
    line = fit_line(np.random.default_rng(1).standard_normal(40), design)

    means = np.array([(line.design @ line.coefficients + line.residual)[cluster == code].mean() for code in range(10)])
    pooled = (means[::2].var(ddof=1) + means[1::2].var(ddof=1)) / 5
    assert satterthwaite_df(line, cluster, contrast=np.array([0.0, 1.0])) == pytest.approx(8.0)
    assert clustered_covariance(line, cluster)[1, 1] == pytest.approx(pooled)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(CORRECTIONS))
def test_neither_order_of_rows_nor_names_of_clusters_matter(seed, correction):
    outcome, design, cluster = _rows(seed)
    order = np.random.default_rng(seed).permutation(len(outcome))
    names = np.random.default_rng(seed).permutation(cluster.max() + 1)

    one = clustered_covariance(fit_line(outcome, design), cluster, correction=correction)
    other = clustered_covariance(fit_line(outcome[order], design[order]), names[cluster][order], correction=correction)

    np.testing.assert_allclose(other, one, rtol=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_corrections_grow_from_none_to_the_jackknife(seed):
    outcome, design, cluster = _rows(seed)
    line = fit_line(outcome, design)

    plain, _, half, whole = (clustered_covariance(line, cluster, correction=correction)[1, 1] for correction in CORRECTIONS)

    assert plain <= half <= whole
    assert 1 - 1e-9 <= satterthwaite_df(line, cluster, contrast=np.array([0.0, 1.0])) <= cluster.max()


def test_a_clusters_own_dummy_leaves_no_residual_and_no_error_message():
    outcome, _, cluster = _rows(3)
    line = fit_line(outcome, np.column_stack([np.ones(len(outcome)), (cluster == 0).astype(float)]))

    assert np.isfinite(clustered_covariance(line, cluster, correction="CR2")).all()


def test_weights_act_as_copies():
    outcome, design, cluster = _rows(4)
    copies = np.random.default_rng(0).integers(1, 4, len(outcome))
    again = np.repeat(np.arange(len(outcome)), copies)

    weighted = clustered_covariance(fit_line(outcome, design, weight=copies.astype(float)), cluster, correction="CR0")
    copied = clustered_covariance(fit_line(outcome[again], design[again]), cluster[again], correction="CR0")

    np.testing.assert_allclose(weighted, copied)


def test_one_grouping_given_twice_is_itself():
    outcome, design, cluster = _rows(5)
    line = fit_line(outcome, design)

    np.testing.assert_allclose(two_way_covariance(line, [cluster, cluster]), clustered_covariance(line, cluster, correction="CR1"))


def test_a_column_that_repeats_another_is_not_fitted():
    assert fit_line(np.arange(4.0), np.ones((4, 2))) is None


def test_eight_unequal_clusters_keep_the_stated_error_rate():
    wrong = 0
    for seed in range(600):
        outcome, design, cluster = _rows(seed)
        line = fit_line(outcome, design)
        error = np.sqrt(clustered_covariance(line, cluster)[1, 1])
        df = satterthwaite_df(line, cluster, contrast=np.array([0.0, 1.0]))
        wrong += 2 * student.sf(abs(line.coefficients[1]) / error, df) < 0.05

    assert wrong / 600 < 0.07
