"""Shapes of cluster means, and the power of t tests whose means are not normal."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from partnerlab.stats.trials.power import power_of_t, raised_shares
from partnerlab.stats.trials.shapes import Arm, Shape, count_shape, share_shape, skewed_power, win_laws


@pytest.mark.parametrize(("level", "icc", "size"), [(0.3, 0.15, 12), (0.05, 0.02, 40), (0.9, 0.6, 3)])
def test_a_share_has_the_skewness_and_tails_of_a_beta_binomial(level, icc, size):
    ones = (1 - icc) / icc
    wanted = stats.betabinom.stats(size, level * ones, (1 - level) * ones, moments="sk")

    np.testing.assert_allclose([share_shape(level, icc=icc, size=size).skewness, share_shape(level, icc=icc, size=size).excess], wanted)


@pytest.mark.parametrize(("level", "dispersion"), [(4.0, 0.6), (0.2, 0.0), (30.0, 2.0)])
def test_a_count_of_one_has_the_shape_of_a_negative_binomial(level, dispersion):
    law = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * level)) if dispersion else stats.poisson(level)
    found = count_shape(level, dispersion=dispersion)

    np.testing.assert_allclose([found.skewness, found.excess], law.stats(moments="sk"))


def test_counts_whose_clusters_hold_all_that_differs_have_the_shape_of_their_sum():
    # units of a cluster share its gamma level, and their sum is negative binomial
    level, dispersion, size = 3.0, 0.5, 6
    icc = dispersion * level**2 / (level + dispersion * level**2)
    found = count_shape(level, dispersion=dispersion, icc=icc, size=size)

    wanted = stats.nbinom.stats(1 / dispersion, 1 / (1 + dispersion * level * size), moments="sk")
    np.testing.assert_allclose([found.skewness, found.excess], wanted)


@given(st.floats(0.01, 0.99), st.floats(0.0, 0.9), st.floats(1.0, 60.0))
def test_shares_of_the_other_answer_are_skewed_the_other_way(level, icc, size):
    one, other = share_shape(level, icc=icc, size=size), share_shape(1 - level, icc=icc, size=size)

    np.testing.assert_allclose([one.skewness, one.excess], [-other.skewness, other.excess], atol=1e-6)


@given(st.floats(0.05, 0.95), st.floats(0.0, 2.0), st.integers(3, 200))
def test_normal_means_keep_their_power(power, variance, things):
    arm = Arm(things=things, variance=variance + 0.1)

    assert skewed_power(power, critical=2.0, df=2 * things - 2, control=arm, treated=arm) == pytest.approx(power)


@given(st.floats(0.0, 1.5), st.integers(4, 100))
def test_arms_skewed_alike_keep_their_power(skewness, things):
    arm = Arm(things=things, variance=1.0, shape=Shape(skewness=skewness))

    assert skewed_power(0.8, critical=2.0, df=2 * things - 2, control=arm, treated=arm) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("shape", "level", "effect", "spread"),
    [
        (share_shape, 0.3, 0.342, lambda level: level * (1 - level)),
        (lambda level, **kept: count_shape(level, dispersion=0.6, **kept), 4.0, 3.62, lambda level: level + 0.6 * level**2),
    ],
    ids=["shares", "counts"],
)
def test_few_managers_find_as_often_as_said(shape, level, effect, spread):
    icc, size, managers, random = 0.15, 12, 8, np.random.default_rng(11)
    arms, means = [], []
    for at in (level, level + effect):
        variance = spread(at) * (1 + (size - 1) * icc) / size
        arms.append(Arm(things=managers, variance=variance, shape=shape(at, icc=icc, size=size)))
        if level < 1:
            ones = (1 - icc) / icc
            means.append(random.binomial(size, random.beta(at * ones, (1 - at) * ones, (40_000, managers))) / size)
        else:
            between = icc * spread(at)
            own, left = random.gamma(at**2 / between, between / at, (40_000, managers)), (0.6 * at**2 - between) / (at**2 + between)
            means.append(random.poisson(random.gamma(size / left, left, (40_000, managers)) * own) / size)
    df = 2 * managers - 2
    critical = stats.t.ppf(0.975, df)
    error = np.sqrt(sum(mean.var(axis=1, ddof=1) for mean in means) / managers)
    found = np.mean(means[1].mean(axis=1) - means[0].mean(axis=1) > critical * error)
    normal = power_of_t(effect, math.sqrt(sum(arm.variance for arm in arms) / managers), df=df, both_tails=False)

    assert skewed_power(normal, critical=critical, df=df, control=arms[0], treated=arms[1]) == pytest.approx(found, abs=0.01)
    assert abs(normal - found) > 0.02


@pytest.mark.parametrize("icc", [0.0001, 0.15, 0.7])
def test_means_of_alike_scores_have_the_shape_of_a_dirichlet_multinomial(icc):
    share, scores, size = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 3.0]), 5
    dealt = np.array(list(itertools.product(range(size + 1), repeat=3)))
    dealt = dealt[dealt.sum(axis=1) == size]
    chance = stats.dirichlet_multinomial.pmf(dealt, share * (1 - icc) / icc, size)
    away = dealt @ scores / size - share @ scores
    unit = scores - share @ scores
    second, third, fourth = (share @ unit**power for power in (2, 3, 4))
    found = Shape(skewness=third / second**1.5, excess=fourth / second**2 - 3).mean_of(size, icc=icc)

    variance = chance @ away**2
    np.testing.assert_allclose([found.skewness, found.excess], [chance @ away**3 / variance**1.5, chance @ away**4 / variance**2 - 3])


@given(st.floats(0.0, 0.7), st.permutations([0.5, 0.3, 0.2]))
def test_raised_shares_win_as_often_as_asked(wins, shares):
    wins = min(wins, 0.99 - shares[-1])
    raised = raised_shares(tuple(shares), wins)
    pairs = np.outer(raised, shares)

    assert np.tril(pairs, -1).sum() - np.triu(pairs, 1).sum() == pytest.approx(wins, abs=1e-9)


def test_without_an_effect_chances_to_win_vary_as_whitehead_says():
    shares = (0.5, 0.3, 0.2)
    (one, first), (other, second) = win_laws(shares, shares)

    assert one == other == pytest.approx((1 - sum(share**3 for share in shares)) / 3)
    assert first == second
