"""Staggered differences in differences: by hand, laws, and truth recovered."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.causes.did import NEVER, group_time_effects, two_period_effect
from partnerlab.stats.causes.did_aggregates import aggregate_effects, influence_covariance, simultaneous_critical


def _panel(seed, *, units=120, periods=6, effect=0.5, covariate=False):
    """Adoption in periods 2 and 4 or never; unit and period effects; with ``covariate`` its slope bends the trend and drives adoption."""
    random = np.random.default_rng(seed)
    x = random.standard_normal(units)
    push = x if covariate else random.standard_normal(units)
    adopted = np.select([push + random.standard_normal(units) > 1, push > -0.2], [2, 4], default=NEVER)
    trend = np.outer(x if covariate else np.zeros(units), np.arange(periods))
    on = (adopted[:, None] != NEVER) & (np.arange(periods) >= adopted[:, None])
    noise = random.standard_normal((units, periods)) * 0.3
    outcome = random.standard_normal((units, 1)) + np.arange(periods) * 0.1 + 0.3 * trend + effect * on + noise
    return outcome, adopted, x[:, None]


def test_two_units_and_two_periods_are_the_difference_of_differences():
    outcome = np.array([[1.0, 4.0], [2.0, 3.0], [0.0, 1.0]])

    effects = group_time_effects(outcome, np.array([1, NEVER, NEVER]))

    assert effects.att.tolist() == [pytest.approx(3.0 - 1.0)]


def test_whole_numbers_are_outcomes_too():
    outcome, adopted = np.array([[1, 4, 5], [2, 3, 3], [0, 1, 4]]), np.array([1, NEVER, NEVER])

    assert group_time_effects(outcome, adopted).att.tolist() == group_time_effects(outcome.astype(float), adopted).att.tolist()
    assert outcome.tolist() == [[1, 4, 5], [2, 3, 3], [0, 1, 4]]


@pytest.mark.parametrize("kind", ["simple", "event", "group", "calendar"])
def test_where_nobody_compares_the_average_is_unknown_and_not_nothing(kind):
    outcome = np.array([[0.0, 1.0, 5.0], [1.0, 2.0, 4.0]])
    cells = group_time_effects(outcome, np.array([1, 1]))
    found = aggregate_effects(cells, kind=kind)

    assert np.isnan(cells.att[cells.event_time >= 0]).all()
    assert np.isnan(found.overall)
    assert np.isnan(found.overall_influence).all()


def test_not_yet_treated_compare_until_they_adopt():
    outcome = np.array([[0.0, 2.0, 2.0], [0.0, 1.0, 5.0], [0.0, 0.0, 0.0]])
    adopted = np.array([1, 2, NEVER])

    not_yet = group_time_effects(outcome, adopted, control="not_yet")
    never = group_time_effects(outcome, adopted, control="never")

    first = (not_yet.group == 1) & (not_yet.time == 1)
    assert not_yet.att[first][0] == pytest.approx(2.0 - 0.5)
    assert never.att[first][0] == pytest.approx(2.0)


def test_event_study_averages_groups_by_their_size():
    outcome, adopted, _ = _panel(1)
    effects = group_time_effects(outcome, adopted)
    now = effects.event_time == 0
    sizes = np.array([(adopted == group).sum() for group in effects.group[now]])

    found = aggregate_effects(effects, kind="event")

    assert found.att[found.at == 0][0] == pytest.approx(np.average(effects.att[now], weights=sizes))


@pytest.mark.parametrize("score", ["reg", "dr", "ipw"])
@pytest.mark.parametrize("kind", ["simple", "event", "group", "calendar"])
def test_the_order_of_units_does_not_matter(score, kind):
    outcome, adopted, x = _panel(2, covariate=True)
    order = np.random.default_rng(0).permutation(len(adopted))

    one = aggregate_effects(group_time_effects(outcome, adopted, covariates=x, score=score), kind=kind)
    other = aggregate_effects(group_time_effects(outcome[order], adopted[order], covariates=x[order], score=score), kind=kind)

    assert other.overall == pytest.approx(one.overall)
    np.testing.assert_allclose(influence_covariance(other.influence), influence_covariance(one.influence), atol=1e-12)


@pytest.mark.parametrize("score", ["reg", "dr", "ipw"])
def test_every_unit_twice_keeps_the_effects_and_halves_the_variance(score):
    outcome, adopted, x = _panel(3, covariate=True)
    one = group_time_effects(outcome, adopted, covariates=x, score=score)
    two = group_time_effects(np.tile(outcome, (2, 1)), np.tile(adopted, 2), covariates=np.tile(x, (2, 1)), score=score)

    np.testing.assert_allclose(two.att, one.att)
    np.testing.assert_allclose(2 * influence_covariance(two.influence), influence_covariance(one.influence), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(0.1, 10))
def test_shifts_of_units_and_periods_cancel_and_scale_carries_over(seed, shift, scale):
    outcome, adopted, _ = _panel(seed, units=40)
    moved = scale * outcome + shift * np.arange(40)[:, None] + np.array([0, shift, 1, -shift, 2, 3])

    one, other = group_time_effects(outcome, adopted), group_time_effects(moved, adopted)

    np.testing.assert_allclose(other.att, scale * one.att, atol=1e-8 * (1 + abs(shift) * 40))


def test_weights_act_as_copies():
    outcome, adopted, x = _panel(4, covariate=True)
    copies = np.random.default_rng(0).integers(1, 4, len(adopted))
    again = np.repeat(np.arange(len(adopted)), copies)

    weighted = group_time_effects(outcome, adopted, covariates=x, weights=copies.astype(float), score="dr")
    copied = group_time_effects(outcome[again], adopted[again], covariates=x[again], score="dr")

    np.testing.assert_allclose(weighted.att, copied.att, atol=1e-8)


def test_a_unit_unobserved_in_a_period_leaves_the_cells_of_that_period_only():
    outcome, adopted, _ = _panel(5)
    whole = group_time_effects(outcome, adopted)
    holed = outcome.copy()
    holed[0, 5] = np.nan

    found = group_time_effects(holed, adopted)

    untouched = found.time != 5
    np.testing.assert_allclose(found.att[untouched], whole.att[untouched])


@pytest.mark.parametrize(
    ("treated", "design"),
    [
        (np.ones(4, dtype=bool), np.ones((4, 1))),
        (np.zeros(4, dtype=bool), np.ones((4, 1))),
        (np.array([True, False, False, False]), np.column_stack([np.ones(4), [5.0, 2, 2, 2]])),
    ],
    ids=["nobody to compare with", "nobody treated", "comparison units all alike in a covariate"],
)
def test_what_cannot_be_estimated_is_unknown(treated, design):
    att, influence = two_period_effect(np.array([1.0, 2, 3, 4]), treated, design, np.ones(4), score="reg")

    assert np.isnan(att)
    assert np.isnan(influence).all()


@pytest.mark.parametrize("score", ["reg", "dr"])
def test_conditional_trends_are_adjusted_for_and_intervals_cover(score):
    estimates, errors = [], []
    for seed in range(120):
        outcome, adopted, x = _panel(seed, covariate=True)
        found = aggregate_effects(group_time_effects(outcome, adopted, covariates=x, score=score), kind="simple")
        estimates.append(found.overall)
        errors.append(np.sqrt(influence_covariance(found.overall_influence[:, None])[0, 0]))
    estimates, errors = np.array(estimates), np.array(errors)

    assert estimates.mean() == pytest.approx(0.5, abs=3 * estimates.std() / np.sqrt(120))
    assert np.mean(np.abs(estimates - 0.5) < 1.96 * errors) > 0.88


def test_without_the_covariate_the_bent_trend_is_taken_for_an_effect():
    outcome, adopted, _ = _panel(7, covariate=True, units=2000)

    found = aggregate_effects(group_time_effects(outcome, adopted), kind="simple")

    assert found.overall > 0.7


def test_a_band_for_one_estimate_is_its_interval_and_for_more_is_wider():
    alone = simultaneous_critical(np.eye(1), level=0.95, draws=200_000)
    many = simultaneous_critical(np.eye(8), level=0.95, draws=200_000)

    assert alone == pytest.approx(1.96, abs=0.02)
    assert many == pytest.approx(2.73, abs=0.03)


@pytest.mark.parametrize("kind", ["simple", "event", "group", "calendar"])
def test_a_last_group_without_any_known_effect_is_left_out(kind):
    outcome, adopted, _ = _panel(4)
    effects = group_time_effects(outcome, adopted)
    late = dataclasses.replace(effects, att=np.where(effects.group == 4, np.nan, effects.att))

    assert np.isfinite(aggregate_effects(late, kind=kind).overall)
