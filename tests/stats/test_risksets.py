"""Counts on risk sets: by hand, and the corners where nobody is at risk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.stats.curves import incidence, logrank, risksets
from partnerlab.stats.curves.clustered_curves import (
    clustered_log_variance,
    cross_products,
    log_survival_steps,
    repeat_clusters,
    restricted_mean_influence,
    sum_products,
    trace_steps,
)
from partnerlab.stats.curves.risksets import CENSORED, Spans

# six spells: two enter late, ties of endings with censorings, nobody at risk on (3, 4]
BY_HAND = Spans(np.array([0, 0, 0, 1, 0, 4]), np.array([1, 2, 2, 3, 2, 6]), np.array([0, 0, CENSORED, 0, CENSORED, 0]))


def test_risk_sets_are_those_who_entered_before_and_leave_at_or_after():
    sets = risksets.count_risk_sets(BY_HAND)

    assert sets.time.tolist() == [1, 2, 3, 6]
    assert sets.at_risk[0].tolist() == [4, 4, 1, 1]
    assert sets.ended[0].tolist() == [1, 1, 1, 1]
    assert sets.censored[0].tolist() == [0, 2, 0, 0]


def test_fractions_and_whole_numbers_are_counted_alike():
    whole = risksets.count_risk_sets(BY_HAND)
    halves = risksets.count_risk_sets(BY_HAND._replace(entry=BY_HAND.entry / 2, duration=BY_HAND.duration / 2))

    assert halves.time.tolist() == (whole.time / 2).tolist()
    assert halves.at_risk.tolist() == whole.at_risk.tolist()


def test_weights_count_a_spell_as_often_as_they_say():
    twice = risksets.count_risk_sets(BY_HAND, weights=np.full(6, 2.0))

    assert twice.at_risk.tolist() == (2 * risksets.count_risk_sets(BY_HAND).at_risk).tolist()


def test_curve_falls_to_zero_when_all_at_risk_end_and_has_no_variance_there():
    sets = risksets.count_risk_sets(BY_HAND)

    assert risksets.kaplan_meier(sets.at_risk[0], sets.ended[0]).tolist() == [0.75, 0.5625, 0.0, 0.0]
    assert np.isnan(risksets.greenwood(sets.at_risk[0], sets.ended[0])).tolist() == [False, False, True, True]


def test_nobody_at_risk_adds_nothing():
    survival = risksets.kaplan_meier(np.array([4.0, 0.0, 2.0]), np.array([1.0, 0.0, 1.0]))

    assert survival.tolist() == [0.75, 0.75, 0.375]


def test_interval_is_exact_before_the_first_ending_and_keeps_its_upper_bound_after_the_last():
    survival, variance = np.array([1.0, 0.5, 0.0]), np.array([0.0, 0.25, np.nan])

    low, high = risksets.survival_interval(survival, variance, np.array([4.0, 4.0, 2.0]), quantile=1.959964)

    assert low[0] == pytest.approx(0.025 ** (1 / 4), rel=1e-6)
    assert high[0] == 1.0
    assert low[2] == 0.0
    assert high[2] == high[1] < 1.0


def test_quantile_is_not_known_when_the_curve_stays_above():
    assert np.isnan(risksets.curve_quantile(np.array([1.0, 2.0]), np.array([0.9, 0.8]), 0.5))


def test_restricted_mean_without_censoring_is_the_mean_of_the_shortened_durations():
    duration = np.array([1.0, 2.0, 4.0, 7.0])
    sets = risksets.count_risk_sets(Spans(np.zeros(4), duration, np.zeros(4, dtype=int)))

    mean, error, _ = risksets.restricted_mean(sets.time, sets.at_risk[0], sets.ended[0], tau=5.0)

    shortened = np.minimum(duration, 5.0)
    assert mean == pytest.approx(shortened.mean())
    assert error == pytest.approx(shortened.std() / 2)


def test_log_rank_by_hand():
    # Mantel's sums at two times: expected 1 * 2/4 + 1 * 1/3, variance 1/4 + 2/9
    test = logrank.log_rank(np.array([[2.0, 1.0], [2.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 0.0]]))

    assert test.expected.tolist() == pytest.approx([5 / 6, 7 / 6])
    assert test.statistic == pytest.approx((2 - 5 / 6) ** 2 / (1 / 4 + 2 / 9))


def test_log_rank_of_one_group_has_nothing_to_compare():
    assert logrank.log_rank(np.array([[2.0, 1.0]]), np.array([[1.0, 0.0]])).df == 0


def test_incidences_by_hand():
    share = incidence.aalen_johansen(np.array([4.0, 2.0]), np.array([[1.0, 0.0], [1.0, 1.0]]))

    assert share.tolist() == [[0.25, 0.25], [0.25, 0.5]]


@st.composite
def spans(draw, causes=2):
    n = draw(st.integers(1, 15))
    entry = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    length = np.array(draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)))
    cause = np.array(draw(st.lists(st.integers(CENSORED, causes - 1), min_size=n, max_size=n)))
    return Spans(entry, entry + length, cause)


@given(spans())
def test_incidences_and_survival_add_up_to_one(drawn):
    sets = risksets.count_risk_sets(drawn, causes=2)

    total = incidence.aalen_johansen(sets.at_risk[0], sets.events[0]).sum(axis=0) + risksets.kaplan_meier(sets.at_risk[0], sets.ended[0])

    assert np.allclose(total, 1.0)


@given(spans(causes=1))
def test_with_one_cause_the_incidence_variance_is_greenwoods(drawn):
    sets = risksets.count_risk_sets(drawn)
    n, d = sets.at_risk[0], sets.ended[0]
    survival, variance = risksets.kaplan_meier(n, d), risksets.greenwood(n, d)
    known = np.isfinite(variance)

    theirs = incidence.incidence_variance(n, sets.events[0])[0]

    assert np.allclose(theirs[known], (survival**2 * variance)[known], atol=1e-12)


@given(spans())
def test_sums_over_spells_equal_the_sums_over_every_spells_own_steps(drawn):
    sets = risksets.count_risk_sets(drawn, causes=2)
    steps = log_survival_steps(sets.at_risk[0], sets.events[0])
    other = incidence.incidence_steps(sets.at_risk[0], sets.events[0], of=1)
    rows = np.arange(len(drawn.entry))

    closed = sum_products(steps, other, sets.events[0], drawn, sets.time)

    each = trace_steps(steps, drawn, sets.time)(rows) * trace_steps(other, drawn, sets.time)(rows)
    assert np.allclose(closed, each.sum(axis=0), atol=1e-12)


@given(spans())
def test_influence_is_the_derivative_with_respect_to_a_spells_weight(drawn):
    sets = risksets.count_risk_sets(drawn, causes=2)
    n, d = sets.at_risk[0], sets.events[0]
    psi, rest = log_survival_steps(n, d), incidence.incidence_steps(n, d, of=0)
    nudge = np.ones(len(drawn.entry))
    nudge[0] += 1e-6
    nudged = risksets.count_risk_sets(drawn, causes=2, weights=nudge)

    moved = (incidence.aalen_johansen(nudged.at_risk[0], nudged.events[0])[0] - incidence.aalen_johansen(n, d)[0]) / 1e-6

    first = np.array([0])
    mine = incidence.aalen_johansen(n, d)[0] * trace_steps(psi, drawn, sets.time)(first) + trace_steps(rest, drawn, sets.time)(first)
    alive = risksets.kaplan_meier(n, sets.ended[0]) > 1e-9
    assert np.allclose(mine[0][alive], moved[alive], atol=1e-4)


@given(spans(causes=1))
def test_every_spell_its_own_cluster_without_delay_gives_greenwood(drawn):
    prompt = drawn._replace(entry=np.zeros(len(drawn.entry)))
    sets = risksets.count_risk_sets(prompt)
    n, d = sets.at_risk[0], sets.ended[0]

    variance = clustered_log_variance(sets.time, n, d, prompt, cluster=np.arange(len(drawn.entry)))

    assert np.allclose(variance, risksets.greenwood(n, d), equal_nan=True)


@given(spans(causes=1))
def test_influences_on_the_restricted_mean_square_up_to_its_variance(drawn):
    prompt = drawn._replace(entry=np.zeros(len(drawn.entry)))
    sets = risksets.count_risk_sets(prompt)
    n, d, tau = sets.at_risk[0], sets.ended[0], float(sets.time[-1])

    _, error, area = risksets.restricted_mean(sets.time, n, d, tau=tau)

    assert np.sum(restricted_mean_influence(sets.time, n, d, area, prompt) ** 2) == pytest.approx(error**2, abs=1e-12)


def test_blocks_of_clusters_give_what_one_pass_gives(monkeypatch):
    rng = np.random.default_rng(3)
    cluster, values = rng.integers(0, 40, 200), rng.normal(size=(200, 5))
    whole = cross_products(lambda rows: values[rows], cluster, 5)
    monkeypatch.setattr("partnerlab.stats.curves.clustered_curves._BLOCK", 30)

    blocks = cross_products(lambda rows: values[rows], cluster, 5)

    assert np.allclose(blocks, whole)
    assert len(repeat_clusters(np.array([], dtype=int))[0]) == 0
