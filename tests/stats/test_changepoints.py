"""Charts of turning rates: by hand, by published run lengths of the Poisson CUSUM, and by their laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from partnerlab.stats.turns.changepoints import (
    Baseline,
    both_charts,
    chart_height,
    common_index,
    count_wildness,
    rate_ratio,
    tail_probability,
    turn_evidence,
    turn_time,
    unchanged_heights,
)


def _known(rate, units, periods):
    """A rate that is known as good as exactly."""
    return Baseline(shape=np.full(units, rate * 1e9), rate=np.full(units, 1e9), time=np.ones((units, periods)))


def _cusum_run_length(mean, *, reference, limit):
    """Average run length of the Poisson CUSUM from its Markov chain (Brook and Evans 1972), whole reference and limit."""
    height = np.arange(limit)
    step = height[None, :] - height[:, None] + reference
    reach = np.where(step >= 0, stats.poisson.pmf(np.maximum(step, 0), mean), 0.0)
    reach[:, 0] = stats.poisson.cdf(reference - height, mean)
    return np.linalg.solve(np.eye(limit) - reach, np.ones(limit))[0]


def _multiple(rate, reference):
    """Multiple whose likelihood ratio has this reference value: ``rate (m - 1) / log m``."""
    low, high = (1.000001, 50.0) if reference > rate else (1e-6, 0.999999)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if rate * (middle - 1) / np.log(middle) < reference else (low, middle)
    return middle


@pytest.mark.parametrize(("mean", "published"), [(1.88, 37.2), (1.88 + 0.9627 * 1.88**0.5, 5.49)])
def test_the_markov_chain_gives_the_run_lengths_that_lucas_published(mean, published):
    # Lucas (1985): reference 2, limit 6, in control 1.88
    assert round(_cusum_run_length(mean, reference=2, limit=6), 2) == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize("mean", [1.88, 3.2])
def test_with_a_known_rate_and_one_multiple_the_chart_is_the_poisson_cusum(mean):
    units, periods, rate = 3000, 60, 1.88
    multiple = _multiple(rate, 2.0)
    counts = np.random.default_rng(0).poisson(mean, (units, periods))
    heights = turn_evidence(counts, _known(rate, units, periods), multiples=np.array([multiple])).max(axis=0) / np.log(multiple)
    cusum, path = np.zeros(units), np.empty((periods, units))
    for period in range(periods):
        cusum = np.maximum(cusum + counts[:, period] - 2.0, 0.0)
        path[period] = cusum

    assert np.allclose(np.maximum(heights, 0.0), path, atol=1e-4)
    crossed = (heights > 6 - 1e-3).any(axis=0)
    within = np.where(crossed, (heights > 6 - 1e-3).argmax(axis=0) + 1, periods)
    # the mean of a run cut at 60 periods, from the survival of the chain
    assert within.mean() == pytest.approx(_cut_run_length(mean, reference=2, limit=6, periods=periods), rel=0.05)


def _cut_run_length(mean, *, reference, limit, periods):
    height = np.arange(limit)
    step = height[None, :] - height[:, None] + reference
    reach = np.where(step >= 0, stats.poisson.pmf(np.maximum(step, 0), mean), 0.0)
    reach[:, 0] = stats.poisson.cdf(reference - height, mean)
    alive, total = np.eye(limit)[0], 0.0
    for _ in range(periods):
        total += alive.sum()
        alive = alive @ reach
    return total


def test_evidence_is_the_ratio_of_the_two_predictive_likelihoods():
    shape, rate, events = 3.0, 1.5, 7
    plain = stats.nbinom(shape, rate / (rate + 1.0)).pmf(events)
    raised = stats.nbinom(shape, rate / (rate + 2.0)).pmf(events)
    told = turn_evidence(
        np.array([[events]]), Baseline(shape=np.array([shape]), rate=np.array([rate]), time=np.ones((1, 1))), multiples=np.array([2.0])
    )

    assert np.isclose(told[0, 0, 0], np.log(raised / plain))


@settings(deadline=None, max_examples=10)
@given(shape=st.floats(0.5, 20.0), rate=st.floats(0.5, 20.0), multiple=st.sampled_from([0.3, 0.7, 1.5, 2.0]))
def test_without_a_turn_the_mean_of_the_likelihood_ratio_is_one(shape, rate, multiple):
    counts = np.arange(400)
    chance = stats.nbinom(shape, rate / (rate + 1.0)).pmf(counts)
    units = Baseline(shape=np.full(400, shape), rate=np.full(400, rate), time=np.ones((400, 1)))
    ratio = np.exp(turn_evidence(counts[:, None], units, multiples=np.array([multiple]))[0, 0])

    assert np.isclose((chance * ratio).sum(), 1.0, atol=1e-3)


def test_probabilities_without_a_turn_are_what_they_say():
    rng = np.random.default_rng(1)
    units = Baseline(shape=rng.gamma(2.0, 10.0, 1500), rate=np.full(1500, 12.0), time=np.ones((1500, 12)), wildness=0.3)
    unchanged = unchanged_heights(units, look=3, draws=40, rng=rng)
    heights = both_charts(units.draw(rng), units, look=3)
    for side in range(2):
        found = tail_probability(heights[side], unchanged[side], order=np.argsort(units.mean), least=1000)
        for share in (0.02, 0.1):
            assert (found <= share).mean() <= share + 3 * np.sqrt(share / 1500)
            assert (found <= share).mean() >= 0.5 * share


def test_a_higher_count_never_lowers_the_evidence_of_a_rise():
    units = _known(2.0, 20, 3)
    counts = np.stack([np.array([2, 2, count]) for count in range(20)])

    assert (np.diff(chart_height(counts, units, upwards=True, look=1)) >= 0).all()


def test_wild_counts_say_less():
    calm, wild = (
        Baseline(shape=np.array([200.0]), rate=np.array([100.0]), time=np.ones((1, 6)), wildness=wildness) for wildness in (0.0, 0.5)
    )
    counts = np.array([[2, 2, 2, 6, 7, 6]])

    assert chart_height(counts, wild, upwards=True, look=1) < chart_height(counts, calm, upwards=True, look=1)


def test_a_sure_turn_is_dated():
    counts = np.array([[5, 4, 6, 5, 20, 22]])
    evidence = turn_evidence(counts, _known(5.0, 1, 6), multiples=np.array([1.5, 2.0, 3.0, 5.0]), look=1)[:, 0]

    assert [int(told[0]) for told in turn_time(evidence, level=0.95)] == [4, 4, 4]


def test_drift_is_not_taken_for_wildness():
    rng = np.random.default_rng(2)
    rate = np.linspace(1.0, 9.0, 40) * np.ones((500, 1))

    assert count_wildness(rng.poisson(rate), np.ones(rate.shape)) < 0.02


def test_the_common_index_leaves_rates_alone():
    rng = np.random.default_rng(3)
    exposure = (rng.random((800, 12)) > 0.2).astype(float)
    season = 1.0 + 0.5 * np.sin(np.arange(12))
    counts = rng.poisson(rng.gamma(1.0, 3.0, (800, 1)) * season * exposure)

    assert np.allclose(common_index(counts, exposure), season / season.mean(), rtol=0.1)


def test_the_interval_of_a_ratio_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(4)
    before, after = rng.poisson(2.0 * 24, 4000), rng.poisson(6.0 * 4, 4000)
    _, _, low, high = rate_ratio(before + 0.5, np.full(4000, 24.0), after, np.full(4000, 4.0), level=0.95)

    assert ((low <= 3.0) & (high >= 3.0)).mean() == pytest.approx(0.95, abs=0.012)
