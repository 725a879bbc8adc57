"""Power: by hand, laws, and what simulated trials reach."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from partnerlab.stats.trials import power
from partnerlab.stats.trials.arm_differences import Arms, arm_difference


@given(st.floats(0.01, 5), st.floats(0.05, 2), st.floats(2, 300), st.sampled_from([0.9, 0.95, 0.99]))
def test_power_lies_between_the_error_rate_and_one_and_grows_with_the_effect(effect, error, df, level):
    small, large = (power.power_of_t(size, error, df=df, level=level) for size in (effect, 1.1 * effect))

    assert 1 - level - 1e-9 <= small <= large + 1e-9
    assert large <= 1.0


def test_no_effect_is_found_as_often_as_the_error_rate():
    assert power.power_of_t(0.0, 1.0, df=10) == pytest.approx(0.05)


@given(st.floats(0.05, 2), st.floats(2, 100), st.floats(0.5, 0.95))
def test_the_smallest_effect_has_the_power_that_was_asked_for(error, df, target):
    found = power.smallest_effect(lambda effect: power.power_of_t(effect, error, df=df), target=target)

    assert power.power_of_t(found, error, df=df) == pytest.approx(target, abs=1e-6)


def test_an_effect_that_cannot_be_found_is_infinite():
    assert power.smallest_effect(lambda effect: 0.5, most=1.0) == math.inf
    assert power.fewest_units(lambda units: 0.5, most=100) == math.inf


def test_many_trials_reach_the_power_of_the_formula():
    random = np.random.default_rng(0)
    first, second = random.standard_normal((4000, 15)), 0.8 + random.standard_normal((4000, 15))

    found = np.mean(ttest_ind(first, second, axis=1).pvalue < 0.05)

    assert found == pytest.approx(power.power_of_t(0.8, math.sqrt(2 / 15), df=28), abs=0.025)


def test_counts_reach_the_power_of_the_logarithms_of_their_rates():
    random = np.random.default_rng(1)
    units, rate, ratio, dispersion = 60, 3.0, 1.5, 0.4
    draws = [
        random.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean), (4000, units)).mean(axis=1) for mean in (rate, rate * ratio)
    ]
    variance = sum(power.log_rate_variance(mean, dispersion=dispersion) for mean in (rate, rate * ratio)) / units

    spread = np.log(draws[1] / draws[0]).std()

    assert spread == pytest.approx(math.sqrt(variance), rel=0.05)


def test_ordinal_information_is_that_of_simulated_proportional_odds():
    random = np.random.default_rng(2)
    latent = random.logistic(size=(600, 200)), random.logistic(size=(600, 200))
    tiers = [np.digitize(values, [-1.0, 0.5, 2.0]) for values in latent]
    shares = np.bincount(np.concatenate(tiers).ravel(), minlength=4) / (2 * 600 * 200)

    # the score of proportional odds is Wilcoxon's: its variance per unit is the information
    wins = np.sign(tiers[1][:, :, None].astype(int) - tiers[0][:, None, :]).sum(axis=(1, 2)) / (2 * 200)
    assert wins.var() / 400 == pytest.approx(power.ordinal_information(shares), rel=0.15)


def test_a_parallel_trial_is_a_wedge_without_steps():
    on = np.repeat([[False], [True]], 5, axis=0) @ np.ones((1, 3), dtype=bool)

    variance = power.stepped_wedge_variance(on, units=10, sigma=1.0, tau=0.3)

    assert variance == pytest.approx(2 / 5 * (0.3**2 + 1 / 30))


def test_a_crossover_needs_less_than_a_parallel_trial():
    parallel = np.array([[0, 0]] * 4 + [[1, 1]] * 4, dtype=bool)
    crossover = np.array([[0, 1]] * 4 + [[1, 0]] * 4, dtype=bool)

    apart, across = (power.stepped_wedge_variance(on, units=10, sigma=1.0, tau=0.5) for on in (parallel, crossover))

    assert across < apart / 3


def test_a_schedule_that_never_differs_tells_nothing():
    assert power.stepped_wedge_variance(np.ones((4, 3), dtype=bool), units=5, sigma=1.0, tau=0.2) == math.inf


def test_equal_clusters_inflate_by_the_textbook():
    assert power.design_effect(np.full(7, 12.0), 0.2) == pytest.approx(1 + 11 * 0.2)


def test_a_halved_hazard_needs_the_events_of_schoenfeld():
    assert power.events_needed(0.5) == pytest.approx(4 * (1.959964 + 0.841621) ** 2 / math.log(2) ** 2, rel=1e-5)


@pytest.mark.parametrize("clusters", [8, 16, 30])
def test_degrees_of_freedom_of_unequal_clusters_are_those_that_their_trials_have_on_average(clusters):
    random, sizes = np.random.default_rng(1), np.arange(4, 21)
    found = []
    for _ in range(60):
        cluster = np.repeat(np.arange(clusters), random.choice(sizes, clusters))
        treated = (random.permutation(clusters) % 2 == 1)[cluster]
        found.append(arm_difference(random.normal(size=len(cluster)), Arms(treated=treated, cluster=cluster)).df)

    assert 2 * power.cluster_degrees(clusters / 2, sizes.std() / sizes.mean()) == pytest.approx(np.mean(found), rel=0.05)


def test_many_clusters_lend_as_many_degrees_whether_counted_one_by_one_or_not():
    assert power.cluster_degrees(201, 0.5) == pytest.approx(power.cluster_degrees(200, 0.5), rel=0.02)
