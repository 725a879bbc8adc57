"""What clustering does to a ratio: against loops, by hand, and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partnerlab.stats.inference.clusters import design_effects, jackknife_shares, sandwich_errors

ROWS = hnp.arrays(np.int64, st.tuples(st.integers(3, 12), st.just(3)), elements=st.integers(0, 6)).map(
    lambda hits: hits + np.eye(3, dtype=int)[0]
)


def _one_group(hits):
    return {"hits": hits, "trials": hits.sum(axis=1), "group": np.zeros(len(hits), dtype=int), "groups": 1}


@settings(deadline=None)
@given(ROWS)
def test_the_closed_form_is_the_loop(hits):
    without = np.array([np.delete(hits, row, axis=0).sum(axis=0) / np.delete(hits, row, axis=0).sum() for row in range(len(hits))])
    looped = np.sqrt((len(hits) - 1) / len(hits) * ((without - without.mean(axis=0)) ** 2).sum(axis=0))

    assert np.allclose(jackknife_shares(**_one_group(hits))[1][0], looped, atol=1e-12)


@settings(deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_partners_does_not_matter(hits, random):
    order = list(range(len(hits)))
    random.shuffle(order)

    assert np.allclose(jackknife_shares(**_one_group(hits)), jackknife_shares(**_one_group(hits[order])))


@settings(deadline=None)
@given(ROWS)
def test_duplicating_every_partner_halves_the_sandwich_variance(hits):
    once, twice = sandwich_errors(**_one_group(hits)), sandwich_errors(**_one_group(np.tile(hits, (2, 1))))

    assert np.allclose(twice**2, once**2 / 2)


@settings(deadline=None)
@given(ROWS)
def test_shares_of_a_row_sum_to_one(hits):
    assert jackknife_shares(**_one_group(hits))[0].sum() == pytest.approx(1)


@settings(deadline=None)
@given(ROWS, ROWS)
def test_groups_do_not_touch_each_other(hits, others):
    both = np.vstack([hits, others])
    group = np.repeat([0, 1], [len(hits), len(others)])
    together = jackknife_shares(both, both.sum(axis=1), group=group, groups=2)

    assert np.allclose(together[1][0], jackknife_shares(**_one_group(hits))[1][0])


def test_clusters_never_at_risk_count_only_in_the_small_sample_factor():
    hits = np.array([[2, 0], [1, 3], [0, 4], [3, 1]])
    few, many = (jackknife_shares(**_one_group(hits), clusters=size)[1][0, 0] for size in (4, 10**9))

    assert many == pytest.approx(few * np.sqrt(4 / 3), rel=0.03)


def test_equal_clusters_give_the_textbook_standard_error():
    hits = np.array([[1, 3], [2, 2], [3, 1], [0, 4]])
    shares = hits[:, 0] / 4

    assert jackknife_shares(**_one_group(hits))[1][0, 0] == pytest.approx(shares.std(ddof=1) / 2)


def test_one_cluster_has_no_standard_error():
    assert np.isnan(jackknife_shares(**_one_group(np.array([[1, 2]])))[1]).all()


def test_partners_that_always_do_the_same_count_once():
    hits = np.array([[10.0, 0.0]] * 50 + [[0.0, 10.0]] * 50)
    shares, errors = jackknife_shares(**_one_group(hits))

    assert design_effects(shares, errors, np.array([1000.0]), np.array([100.0]))[0, 0] == pytest.approx(10, rel=0.02)


def test_a_row_that_is_one_cell_counts_each_partner_once():
    assert design_effects(np.array([[1.0, 0.0]]), np.zeros((1, 2)), np.array([120.0]), np.array([12.0])).tolist() == [[10.0, 10.0]]
