"""Dealing variants again, adjusting p-values, and counting who arrived."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from partnerlab.errors import SampleError
from partnerlab.stats.inference.multiplicity import adjust_p_values, dunnett_p_values
from partnerlab.stats.trials.randomization import Draw, exact_p_value, imbalance, redraw_p_value
from partnerlab.stats.trials.srm import ratio_mismatch, share_mismatch

FEW = settings(max_examples=20, deadline=None)
P_VALUES = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12).map(np.array)


def test_exact_p_values_count_every_deal():
    score = np.array([1.5, 0.2, 3.1, 2.2, 0.9, 1.1])
    treated = np.array([True, False, True, True, False, False])
    sums = np.array([score[list(chosen)].sum() for chosen in itertools.combinations(range(6), 3)])
    far = np.abs(sums - sums.mean()) >= abs(score[treated].sum() - sums.mean()) - 1e-9

    assert exact_p_value(score, treated, np.zeros(6, dtype=int)) == pytest.approx(far.mean())


@FEW
@given(st.integers(0, 10_000))
def test_drawn_p_values_come_near_the_exact_ones(seed):
    random = np.random.default_rng(seed)
    score, treated, block = random.integers(0, 9, 16).astype(float), np.tile([1, 0], 8), np.repeat([0, 1], 8)
    drawn = redraw_p_value(score, np.ones(16), Draw(label=treated, block=block), variants=(1, 0), draws=2000, seed=seed)

    assert drawn == pytest.approx(exact_p_value(score, treated == 1, block), abs=0.05)


def test_scores_off_any_grid_are_left_to_draws():
    assert np.isnan(exact_p_value(np.random.default_rng(1).random(20), np.tile([True, False], 10), np.zeros(20, dtype=int)))


def test_deals_keep_the_variants_of_every_block():
    label, block = np.array([0, 1, 2, 0, 0, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    dealt = np.concatenate(list(Draw(label=label, block=block).again(50, rng=np.random.default_rng(3))))

    assert (np.sort(dealt[:, :4]) == np.sort(label[:4])).all()
    assert (np.sort(dealt[:, 4:]) == np.sort(label[4:])).all()
    assert len(np.unique(dealt, axis=0)) > 30


def test_rerandomised_deals_are_balanced():
    random = np.random.default_rng(5)
    covariates = random.normal(size=(40, 2))
    draw = Draw(label=np.repeat([0, 1], 20), block=np.zeros(40, dtype=int), covariates=covariates, accept=0.5)
    dealt = np.concatenate(list(draw.again(200, rng=random)))

    assert len(dealt) == 200
    assert imbalance(dealt, covariates).max() <= 0.5


def test_impossible_balance_is_refused():
    draw = Draw(label=np.array([0, 1, 1]), block=np.zeros(3, dtype=int), covariates=np.array([[0.0], [5.0], [9.0]]), accept=1e-9)

    with pytest.raises(SampleError, match="accept more imbalance"):
        list(draw.again(10, rng=np.random.default_rng(1)))


@FEW
@given(P_VALUES)
def test_adjusting_only_raises_and_keeps_the_order(p):
    for method in ("bonferroni", "holm", "hochberg", "hommel", "BH", "BY"):
        adjusted = adjust_p_values(p, method=method)

        assert (adjusted >= p - 1e-12).all()
        assert (np.diff(adjusted[np.argsort(p)]) >= -1e-12).all()


@FEW
@given(P_VALUES)
def test_hommel_is_kindest_of_those_that_bound_any_error(p):
    hommel, hochberg, holm, bonferroni = (adjust_p_values(p, method=name) for name in ("hommel", "hochberg", "holm", "bonferroni"))

    assert (hommel <= hochberg + 1e-12).all()
    assert (hochberg <= holm + 1e-12).all()
    assert (holm <= bonferroni + 1e-12).all()


def test_false_discovery_adjustments_are_those_of_scipy():
    values = np.random.default_rng(0).random(50) ** 3

    for method in ("BH", "BY"):
        assert np.allclose(adjust_p_values(values, method=method), false_discovery_control(values, method=method.lower()))


def test_unknown_p_values_are_not_counted():
    assert adjust_p_values(np.array([0.02, np.nan]), method="bonferroni").tolist()[0] == 0.02


def test_many_variants_share_a_control_and_so_cost_less_than_bonferroni():
    t = np.array([2.3, 2.0, 1.0])
    together = dunnett_p_values(t, treated=np.full(3, 50.0), control=50.0, df=np.inf)
    alone = np.concatenate([dunnett_p_values(t[[place]], treated=np.array([50.0]), control=50.0, df=np.inf) for place in range(3)])

    assert (together > alone).all()
    assert (together < np.minimum(3 * alone, 1)).all()


def test_planned_shares_are_no_mismatch():
    assert ratio_mismatch(np.array([200, 100]), np.array([2, 1])) == (0.0, 1.0)
    assert np.isnan(share_mismatch(np.array([0, 0]), np.array([9, 9]))[1])


def test_few_deals_are_all_gone_through():
    random = np.random.default_rng(8)
    score, block = random.normal(size=12), np.repeat([0, 1], 6)
    deal = Draw(label=np.array([1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0]), block=block)
    seen = abs(score[deal.label == 1].mean() - score[deal.label == 0].mean())
    counted = [
        abs(score[list(ours)].mean() - np.delete(score, list(ours)).mean())
        for first in itertools.combinations(range(6), 3)
        for second in itertools.combinations(range(6, 12), 2)
        for ours in [first + second]
    ]

    assert deal.ways == pytest.approx(20 * 15)
    assert redraw_p_value(score, np.ones(12), deal, variants=(1, 0), draws=5, seed=1) == np.mean(np.array(counted) >= seen - 1e-12)


def test_all_deals_of_three_variants_are_different_and_keep_their_counts():
    deal = Draw(label=np.array([0, 0, 1, 1, 2]), block=np.zeros(5, dtype=int))
    every = deal.all()

    assert len(np.unique(every, axis=0)) == len(every) == deal.ways == 30
    assert (np.sort(every, axis=1) == [0, 0, 1, 1, 2]).all()


def test_all_rerandomised_deals_are_balanced():
    covariates = np.arange(8.0)[:, None]
    deal = Draw(label=np.tile([0, 1], 4), block=np.zeros(8, dtype=int), covariates=covariates, accept=0.5)

    assert 0 < len(deal.all()) < deal.ways
    assert (imbalance(deal.all(), covariates) <= 0.5 + 1e-9).all()
