"""Two-way fixed effects and what they average, interaction weights, imputation: by hand, laws, truth recovered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.causes.did import NEVER, group_time_effects
from partnerlab.stats.causes.did_aggregates import aggregate_effects
from partnerlab.stats.causes.group_lines import fit_by_group
from partnerlab.stats.causes.imputation import impute_effects
from partnerlab.stats.causes.two_way import bacon_weights, event_times, fit_two_way, interaction_weighted, remove_two_way, two_way_events


def _panel(seed, *, units=60, periods=6, effect=0.5, groups=(2, 4), gaps=0.0):
    random = np.random.default_rng(seed)
    adopted = random.choice([*groups, NEVER], units)
    since = event_times(adopted, periods)
    on = (since >= 0) & (adopted != NEVER)[:, None]
    outcome = random.standard_normal((units, 1)) + 0.1 * np.arange(periods) + effect * on + 0.3 * random.standard_normal((units, periods))
    outcome[random.random(outcome.shape) < gaps] = np.nan
    return outcome, adopted, on


def _dummies(outcome, regressors):
    """Least squares with a column for each unit and period."""
    n, t = outcome.shape
    seen = np.isfinite(outcome)
    unit, period = np.repeat(np.eye(n), t, axis=0), np.tile(np.eye(t), (n, 1))
    design = np.column_stack([regressors.reshape(n * t, -1), unit, period])[seen.ravel()]
    return np.linalg.lstsq(design, outcome[seen], rcond=None)[0][: regressors.shape[2]]


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_the_fit_is_that_of_dummies_for_every_unit_and_period(gaps):
    outcome, _, on = _panel(1, gaps=gaps)

    line = fit_two_way(outcome, on[:, :, None].astype(float), clusters=np.arange(len(outcome)))

    np.testing.assert_allclose(line.coefficients, _dummies(outcome, on[:, :, None]), atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), gaps=st.sampled_from([0.0, 0.2, 0.6]), owners=st.sampled_from([7, 60]), far=st.sampled_from([0.0, 1e4]))
def test_moments_of_groups_say_what_rows_say_errors_and_gaps_included(seed, gaps, owners, far):
    outcome, adopted, _ = _panel(seed, gaps=gaps)
    clusters = np.random.default_rng(seed).permutation(np.arange(60) % owners)
    groups, group = np.unique(adopted, return_inverse=True)
    since = event_times(groups, outcome.shape[1])
    at = np.array([event for event in np.unique(since[groups != NEVER]) if event != -1])
    regressors = (since[:, :, None] == at).astype(float)

    moments = fit_by_group(outcome + far, group, regressors, clusters=clusters)
    rows = fit_two_way(outcome + far, regressors[group], clusters=clusters)

    np.testing.assert_allclose(moments.coefficients, rows.coefficients, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(moments.covariance, rows.covariance, rtol=1e-5, atol=1e-10)


def test_a_regressor_that_repeats_the_fixed_effects_has_no_coefficient():
    outcome, _, on = _panel(2)
    constant = np.ones_like(outcome)

    line = fit_two_way(outcome, np.stack([on.astype(float), constant], axis=2), clusters=np.arange(len(outcome)))

    assert np.isfinite(line.coefficients).tolist() == [True, False]


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), gaps=st.sampled_from([0.0, 0.2, 0.5]))
def test_what_is_left_sums_to_zero_in_each_unit_and_period(seed, gaps):
    outcome, _, _ = _panel(seed, units=12, gaps=gaps)
    seen = np.isfinite(outcome)

    left = remove_two_way(np.nan_to_num(outcome)[:, :, None], seen)[:, :, 0]

    np.testing.assert_allclose(left.sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(left.sum(axis=1), 0, atol=1e-9)


def test_with_two_periods_all_estimators_are_the_difference_of_differences():
    outcome, adopted = np.array([[1.0, 4.0], [2.0, 3.0], [0.0, 0.5]]), np.array([1, NEVER, NEVER])
    clusters = np.arange(3)

    found = [
        interaction_weighted(outcome, adopted, clusters=clusters).overall,
        two_way_events(outcome, adopted, clusters=clusters).att[0],
        impute_effects(outcome, adopted, targets=(event_times(adopted, 2) == 0)[:, :, None]).att[0],
        bacon_weights(outcome, adopted).estimate[0],
    ]

    assert found == [pytest.approx(3.0 - 0.75)] * 4


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_bacon_weights_average_to_the_two_way_estimate(seed):
    outcome, adopted, on = _panel(seed, groups=(1, 3, 5))

    bacon = bacon_weights(outcome, adopted)
    line = fit_two_way(outcome, on[:, :, None].astype(float), clusters=np.arange(len(outcome)))

    assert bacon.weight.sum() == pytest.approx(1)
    assert bacon.weight @ bacon.estimate == pytest.approx(line.coefficients[0])


def test_later_groups_compared_with_earlier_ones_are_the_forbidden_pairs():
    bacon = bacon_weights(_panel(3)[0], _panel(3)[1])

    assert set(zip(bacon.treated[bacon.forbidden], bacon.compared[bacon.forbidden], strict=True)) == {(4, 2)}


def test_interaction_weights_are_group_time_effects_against_the_never_treated():
    outcome, adopted, _ = _panel(4)
    effects = group_time_effects(outcome, adopted, control="never", base="universal")
    events = aggregate_effects(effects, kind="event")

    line = interaction_weighted(outcome, adopted, clusters=np.arange(len(outcome)))

    np.testing.assert_allclose(line.att, events.att[events.at != -1], atol=1e-10)


def test_without_never_treated_the_last_group_compares():
    outcome, adopted, _ = _panel(5, groups=(2, 4))
    chosen = adopted != NEVER

    line = interaction_weighted(outcome[chosen], adopted[chosen], clusters=np.arange(chosen.sum()))

    assert line.group.tolist() == [2]
    assert line.at.max() == 1


def test_imputation_with_gaps_is_the_regression_on_untreated_cells():
    outcome, adopted, on = _panel(6, gaps=0.2)
    untreated = np.where(on, np.nan, outcome)
    n, t = outcome.shape
    design = np.column_stack([np.repeat(np.eye(n), t, axis=0), np.tile(np.eye(t), (n, 1))])
    known = np.isfinite(untreated).ravel()
    beta = np.linalg.lstsq(design[known], untreated.ravel()[known], rcond=None)[0]
    linked = np.isfinite(untreated).any(axis=1)[:, None] & on & np.isfinite(outcome)
    by_hand = (outcome - (design @ beta).reshape(n, t))[linked].mean()

    found = impute_effects(outcome, adopted, targets=on[:, :, None])

    assert found.att[0] == pytest.approx(by_hand)
    assert found.cells[0] == linked.sum()


@pytest.mark.parametrize("estimator", ["interaction", "imputation"])
def test_truth_lies_in_the_interval_as_often_as_said(estimator):
    inside = []
    for seed in range(150):
        outcome, adopted, on = _panel(seed, units=80)
        if estimator == "interaction":
            line = interaction_weighted(outcome, adopted, clusters=np.arange(80))
            estimate, error = line.overall, line.overall_error
        else:
            found = impute_effects(outcome, adopted, targets=on[:, :, None])
            estimate, error = found.att[0], np.sqrt((found.influence[:, 0] ** 2).sum())
        inside.append(abs(estimate - 0.5) < 1.96 * error)

    assert 0.90 <= np.mean(inside) <= 0.99


def test_the_order_of_units_does_not_matter():
    outcome, adopted, on = _panel(7, gaps=0.1)
    order = np.random.default_rng(0).permutation(len(adopted))

    one, other = (
        impute_effects(y, g, targets=cells[:, :, None])
        for y, g, cells in ((outcome, adopted, on), (outcome[order], adopted[order], on[order]))
    )

    np.testing.assert_allclose(one.influence[order], other.influence, atol=1e-10)


def _lines(outcome, adopted, on, covariates, *, clusters=None):
    """Overall effects of each estimator with covariates, and their errors."""
    clusters = np.arange(len(outcome)) if clusters is None else clusters
    line = interaction_weighted(outcome, adopted, clusters=clusters, covariates=covariates)
    found = impute_effects(outcome, adopted, targets=on[:, :, None], covariates=covariates)
    return np.array([line.overall, found.att[0]]), np.array([line.overall_error, np.sqrt((found.influence[:, 0] ** 2).sum())])


def test_where_a_covariate_explains_the_rest_effects_are_exact():
    outcome, adopted, on = _panel(8)
    covariate = np.random.default_rng(8).standard_normal(outcome.shape)
    exact = outcome[:, :1] + 0.1 * np.arange(6) + 0.5 * on + 3.0 * covariate

    effects, errors = _lines(exact, adopted, on, covariate[:, :, None])

    np.testing.assert_allclose(effects, 0.5)
    np.testing.assert_allclose(errors, 0.0, atol=1e-10)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), gaps=st.sampled_from([0.0, 0.2]))
def test_scale_of_covariates_and_those_that_units_or_periods_absorb_do_not_matter(seed, gaps):
    outcome, adopted, on = _panel(seed, gaps=gaps)
    one = np.random.default_rng(seed).standard_normal(outcome.shape)
    lasting, season = np.broadcast_to(np.nan_to_num(outcome[:, :1]), outcome.shape), np.broadcast_to(np.arange(6.0), outcome.shape)
    absorbed = np.stack([lasting, one, season, 5 + one], axis=2)

    plain, scaled = _lines(outcome, adopted, on, one[:, :, None]), _lines(outcome, adopted, on, 7 - 1000 * absorbed)

    np.testing.assert_allclose(scaled[0], plain[0], rtol=1e-6)
    np.testing.assert_allclose(scaled[1], plain[1], rtol=1e-6)


def test_a_cause_that_moves_with_the_treatment_is_taken_out_and_intervals_hold():
    inside, naive = [], []
    for seed in range(80):
        outcome, adopted, on = _panel(seed, units=80)
        cause = 0.8 * on + np.random.default_rng(seed).standard_normal(outcome.shape)
        effects, errors = _lines(outcome + cause, adopted, on, cause[:, :, None])
        inside.append(np.abs(effects - 0.5) < 1.96 * errors)
        naive.append(impute_effects(outcome + cause, adopted, targets=on[:, :, None]).att[0])

    assert (np.mean(inside, axis=0) > 0.88).all()
    assert np.mean(naive) == pytest.approx(1.3, abs=0.05)


def _spread(spread):
    """Give a panel, and the same with periods in which nobody was seen in between."""
    random = np.random.default_rng(3)
    adopted = np.repeat([2, 4, NEVER], 8)
    outcome = random.normal(size=(24, 6)) + (np.arange(6) >= adopted[:, None]) * (adopted != NEVER)[:, None]
    wide = np.full((24, 12), np.nan)
    wide[:, spread] = outcome
    return (wide, np.where(adopted == NEVER, NEVER, np.array(spread)[adopted])), (outcome, adopted)


@pytest.mark.parametrize("spread", [[0, 2, 4, 6, 8, 10], [0, 1, 4, 5, 9, 11]])
def test_periods_in_which_nobody_was_seen_change_no_group_s_effect(spread):
    found, wanted = (interaction_weighted(*panel, clusters=np.arange(24)) for panel in _spread(spread))

    assert found.overall == pytest.approx(wanted.overall)
    assert found.overall_error == pytest.approx(wanted.overall_error)
    assert found.group_att == pytest.approx(wanted.group_att)


def test_two_way_events_are_held_against_the_last_time_seen_before():
    found, wanted = (two_way_events(*panel, clusters=np.arange(24)) for panel in _spread([0, 2, 4, 6, 8, 10]))

    assert found.at.tolist() == [2 * at for at in wanted.at.tolist()]
    assert found.att == pytest.approx(wanted.att)


def test_a_group_never_seen_before_it_adopted_is_left_out():
    random = np.random.default_rng(3)
    adopted = np.repeat([2, 4, NEVER], 8)
    outcome = random.normal(size=(24, 6))
    outcome[:8, :2] = np.nan

    found, without = (
        interaction_weighted(outcome[rows], adopted[rows], clusters=np.arange(24)[rows]) for rows in (slice(0, 24), slice(8, 24))
    )

    assert found.at.tolist() == without.at.tolist()
    assert found.overall == pytest.approx(without.overall)
