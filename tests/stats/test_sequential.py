"""Looking more than once: published boundaries, laws, and error rates of simulated trials."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ParameterError
from partnerlab.stats.trials import sequential
from partnerlab.stats.trials.futility import finding_power, give_up_bounds
from partnerlab.stats.trials.sequential import boundaries, crossing

FIVE = np.arange(1, 6) / 5


@pytest.mark.parametrize(
    ("kind", "published"),
    [
        # Lan-DeMets spending at five even looks, alpha 0.05 two-sided, as gsDesign and ldbounds print them
        ("obrien_fleming", [4.8769, 3.3570, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.4380, 2.4268, 2.4102, 2.3966, 2.3860]),
    ],
)
def test_boundaries_are_the_published_ones(kind, published):
    np.testing.assert_allclose(sequential.boundaries(FIVE, alpha=0.05, kind=kind), published, atol=1e-4)


def test_pococks_and_obrien_flemings_constants_spend_five_per_cent():
    # Jennison and Turnbull (2000), tables 2.1 and 2.3
    assert sequential.crossing(FIVE, np.full(5, 2.413)).sum() == pytest.approx(0.05, abs=2e-4)
    assert sequential.crossing(FIVE, 2.040 * np.sqrt(5 / np.arange(1, 6))).sum() == pytest.approx(0.05, abs=2e-4)


looks = st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5).map(lambda steps: np.cumsum(steps) / np.sum(steps))


@settings(max_examples=15, deadline=None)
@given(looks, st.sampled_from(["obrien_fleming", "pocock", "linear", "hwang_shih_decani"]), st.sampled_from([0.01, 0.05, 0.1]))
def test_boundaries_spend_what_they_may_at_each_look(share, kind, alpha):
    bounds = sequential.boundaries(share, alpha=alpha, kind=kind)

    spent = np.cumsum(sequential.crossing(share, bounds))

    np.testing.assert_allclose(spent, sequential.spend(share, alpha=alpha, kind=kind), atol=1e-7)


def test_one_look_is_the_fixed_test():
    assert sequential.boundaries(np.array([1.0]), alpha=0.05)[0] == pytest.approx(1.959964, abs=1e-6)


def test_simulated_trials_cross_as_often_as_computed():
    random = np.random.default_rng(0)
    share, drift = np.array([0.3, 0.7, 1.0]), 2.5
    steps = random.standard_normal((100_000, 3)) * np.sqrt(np.diff(share, prepend=0)) + drift * np.diff(share, prepend=0)
    z = np.cumsum(steps, axis=1) / np.sqrt(share)
    bounds = sequential.boundaries(share, alpha=0.05)
    over = np.abs(z) >= bounds
    first = np.where(over.any(axis=1), over.argmax(axis=1), 3)

    found = np.bincount(first, minlength=4)[:3] / 100_000

    np.testing.assert_allclose(found, sequential.crossing(share, bounds, drift=drift), atol=0.005)


def test_drift_for_a_power_has_it_and_costs_little_more_than_one_look():
    bounds = 2.040 * np.sqrt(5 / np.arange(1, 6))

    drift = sequential.drift_for_power(FIVE, bounds, power=0.8)

    assert sequential.crossing(FIVE, bounds, drift=drift).sum() == pytest.approx(0.8, abs=1e-6)
    assert (drift / 2.801585) ** 2 == pytest.approx(1.028, abs=0.002)  # inflation factor, Jennison and Turnbull, table 2.4


@pytest.mark.parametrize("share", [[0.5, 0.4, 1.0], [0.0, 1.0], [0.5, 1.2], []])
def test_looks_that_do_not_rise_are_refused(share):
    with pytest.raises(ParameterError, match="rise"):
        sequential.boundaries(np.array(share), alpha=0.05)


def test_a_confidence_sequence_holds_at_every_look_where_the_fixed_interval_does_not():
    random = np.random.default_rng(1)
    values = random.standard_normal((3000, 2000))
    n = np.arange(50, 2001, 50)
    mean = np.cumsum(values, axis=1)[:, n - 1] / n
    rho = sequential.mixing_rate(alpha=0.05, best_at=500)

    always = (np.abs(mean) > sequential.sequence_half_width(n, 1 / np.sqrt(n), alpha=0.05, rho=rho)).any(axis=1).mean()
    peeking = (np.abs(mean) > 1.96 / np.sqrt(n)).any(axis=1).mean()

    assert always <= 0.05
    assert peeking > 0.2


@given(st.floats(10, 1e6), st.floats(0.1, 6), st.floats(0.01, 0.5))
def test_the_p_value_is_the_error_rate_at_which_the_sequence_touches_zero(n, z, rho):
    alpha = sequential.sequence_p_value(n, z, rho=rho)

    if alpha < 1:
        assert sequential.sequence_half_width(n, 1.0, alpha=alpha, rho=rho) == pytest.approx(z, rel=1e-6)


@given(st.floats(1, 1e5), st.floats(-3, 3), st.floats(0.1, 10), st.floats(0.001, 1))
def test_the_mixture_interval_ends_where_the_ratio_rejects(n, difference, variance, tau2):
    half = sequential.mixture_half_width(np.array([n]), variance=variance, tau2=tau2, alpha=0.05)

    np.testing.assert_allclose(sequential.mixture_ratio(np.array([n]), half, variance=variance, tau2=tau2), 20.0, rtol=1e-6)


def test_a_hopeless_trial_has_little_conditional_power():
    low, high = (sequential.conditional_power(z, 0.6, bound=1.96, drift=2.8) for z in (-1.0, 2.0))

    assert low < 0.05
    assert high > 0.75


def test_boundaries_for_giving_up_are_the_published_ones():
    # gsDesign's example in its manual: three even looks, Hwang, Shih and DeCani -4 and -2, 2.5 % one-sided, power 90 %
    found = give_up_bounds(np.array([1, 2, 3]) / 3, alpha=0.025, power=0.9, finding="hwang_shih_decani")

    assert found.upper.round(2).tolist() == [3.01, 2.55, 2.0]
    assert found.lower.round(2).tolist() == [-0.24, 0.94, 2.0]
    assert found.inflation == pytest.approx(1.07, abs=5e-4)


@pytest.mark.parametrize("finding", ["obrien_fleming", "pocock"])
def test_giving_up_spends_the_second_error_and_spares_the_first(finding):
    share, random = np.array([0.3, 0.55, 1.0]), np.random.default_rng(3)
    plan = give_up_bounds(share, alpha=0.025, power=0.8, finding=finding)
    walk = np.cumsum(random.normal(size=(40_000, 3)) * np.sqrt(np.diff(share, prepend=0.0)), axis=1) / np.sqrt(share)

    def found(drift):
        z = walk + drift * np.sqrt(share)
        up = np.where((z >= plan.upper).any(axis=1), (z >= plan.upper).argmax(axis=1), 9)
        down = np.where((z < plan.lower).any(axis=1), (z < plan.lower).argmax(axis=1), 9)
        return (up < down).mean(), (z >= plan.upper).any(axis=1).mean()

    assert found(plan.drift)[0] == pytest.approx(0.8, abs=0.008)
    assert found(0.0)[1] == pytest.approx(0.025, abs=0.003)  # even if giving up is not heeded
    assert finding_power(share, plan.upper, plan.lower, drift=plan.drift) == pytest.approx(0.8, abs=1e-6)


def test_a_plan_for_giving_up_ends_at_its_last_look():
    with pytest.raises(ParameterError, match="the last share of the information is 1"):
        give_up_bounds(np.array([0.5, 0.9]))


def test_uneven_looks_spend_no_more_than_even_ones():
    share = np.array([0.2, 0.7, 1.0])

    for kind in ("obrien_fleming", "pocock"):
        assert crossing(share, boundaries(share, alpha=0.05, kind=kind)).sum() == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize(
    ("delta", "last"),
    [
        (0.5, {1: 1.960, 2: 2.178, 3: 2.289, 4: 2.361, 5: 2.413, 8: 2.512, 10: 2.555}),
        (0.0, {1: 1.960, 2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 8: 2.072, 10: 2.087}),
    ],
)
def test_last_boundaries_of_pocock_and_of_obrien_and_fleming_are_those_of_the_tables(delta, last):
    """Jennison and Turnbull (2000), tables 2.1 and 2.3, two-sided error of 5 %."""
    for looks, wanted in last.items():
        found = sequential.power_family_bounds(np.arange(1, looks + 1) / looks, alpha=0.05, delta=delta)
        assert found[-1] == pytest.approx(wanted, abs=6e-4)
        assert found[0] == pytest.approx(wanted * looks ** (0.5 - delta), rel=3e-4)
