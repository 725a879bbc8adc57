"""E-values, robustness values and Rosenbaum bounds: by hand, laws, and recovered truth."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.stats.causes.hidden_bias import largest_gamma, matched_bounds, matched_scores, signed_rank_bounds
from partnerlab.stats.causes.sensitivity import (
    adjusted_estimate,
    benchmark_bound,
    difference_as_risk,
    e_value,
    e_value_limit,
    partial_r2,
    ratio_as_risk,
    robustness_value,
)
from partnerlab.stats.regressions.linear import classic_covariance, fit_line

ratios = st.floats(0.01, 100)


def test_e_value_of_two_is_two_and_the_root_of_two():
    assert e_value(2.0) == pytest.approx(2 + np.sqrt(2))


@given(ratios)
def test_a_ratio_and_its_inverse_need_the_same_cause(ratio):
    assert e_value(ratio) == pytest.approx(e_value(1 / ratio))


@given(ratios)
def test_an_e_value_is_where_the_largest_bias_equals_the_ratio(ratio):
    need, away = e_value(ratio), max(ratio, 1 / ratio)

    assert need**2 / (2 * need - 1) == pytest.approx(away)


def test_an_interval_that_holds_one_needs_no_cause():
    assert e_value_limit([0.8, np.nan], [1.1, 2.0]).tolist() == pytest.approx([1.0, np.nan], nan_ok=True)


@pytest.mark.parametrize("kind", ["risk", "odds", "hazard"])
def test_a_rare_outcome_leaves_every_ratio_as_it_is(kind):
    assert ratio_as_risk(3.0, kind=kind, common=False) == 3.0
    assert ratio_as_risk(1.0, kind=kind) == 1.0


@given(ratios)
def test_a_common_hazard_ratio_is_symmetric_in_who_is_compared_with_whom(ratio):
    assert ratio_as_risk(ratio, kind="hazard") * ratio_as_risk(1 / ratio, kind="hazard") == pytest.approx(1)


def test_no_difference_is_a_risk_ratio_of_one():
    assert [float(end) for end in difference_as_risk(0.0, 0.0)] == [1.0, 1.0, 1.0]


@given(st.floats(0.1, 30), st.integers(20, 5000), st.floats(0.1, 1))
def test_causes_as_strong_as_the_robustness_value_take_the_share_away(t_value, df, share):
    strength = robustness_value(t_value, 1.0, df=df, share=share)
    left, _ = adjusted_estimate(t_value, 1.0, df=df, of_treatment=strength, of_outcome=strength)

    assert left == pytest.approx((1 - share) * t_value, abs=1e-8 * (1 + t_value))


@given(st.floats(2.5, 8), st.integers(100, 5000))
def test_causes_as_strong_as_its_value_at_a_level_bring_the_interval_to_zero(t_value, df):
    from scipy.stats import t

    strength = robustness_value(t_value, 1.0, df=df, level=0.95)
    left, error = adjusted_estimate(t_value, 1.0, df=df, of_treatment=strength, of_outcome=strength)

    assert left / error == pytest.approx(t.ppf(0.975, df - 1), rel=1e-6)


def test_an_estimate_that_is_no_estimate_needs_nothing():
    assert robustness_value(1.0, 1.0, df=100, level=0.95) == 0.0


@pytest.fixture(scope="module")
def regression():
    """An outcome, a treatment, a seen cause and an unseen one just as strong."""
    rng = np.random.default_rng(5)
    seen, unseen = rng.normal(size=(2, 4000))
    treatment = 0.5 * seen + 0.5 * unseen + rng.normal(size=4000)
    outcome = 0.4 * treatment + 0.7 * seen + 0.7 * unseen + rng.normal(size=4000)
    return outcome, treatment, seen, unseen


def _terms(outcome, *columns):
    line = fit_line(outcome, np.column_stack([np.ones(len(outcome)), *columns]))
    return line.coefficients, np.sqrt(np.diag(classic_covariance(line))), len(outcome) - len(columns) - 1


def test_adjusting_by_partial_r2_is_the_regression_with_the_unseen_cause(regression):
    outcome, treatment, seen, unseen = regression
    short, errors, df = _terms(outcome, treatment, seen)
    full, full_errors, full_df = _terms(outcome, treatment, seen, unseen)
    on_treatment, treatment_errors, treatment_df = _terms(treatment, seen, unseen)

    left, error = adjusted_estimate(
        short[1],
        errors[1],
        df=df,
        of_treatment=partial_r2(on_treatment[2] / treatment_errors[2], treatment_df),
        of_outcome=partial_r2(full[3] / full_errors[3], full_df),
    )

    assert left == pytest.approx(full[1], abs=1e-10)
    assert error == pytest.approx(full_errors[1], rel=1e-10)


def test_a_cause_as_strong_as_the_seen_one_is_bounded_by_it(regression):
    outcome, treatment, seen, _ = regression
    short, errors, df = _terms(outcome, treatment, seen)
    on_treatment, treatment_errors, treatment_df = _terms(treatment, seen)

    bound = benchmark_bound(
        short[1],
        errors[1],
        df=df,
        of_treatment=partial_r2(on_treatment[1] / treatment_errors[1], treatment_df),
        of_outcome=partial_r2(short[2] / errors[2], df),
    )

    assert short[1] > 0.6
    assert bound.estimate[0] == pytest.approx(0.4, abs=0.08)


def test_causes_stronger_than_possible_leave_nothing_to_say():
    assert np.isnan(benchmark_bound(1.0, 0.1, df=50, of_treatment=0.6, of_outcome=0.2, times=2).estimate[0])


def test_signed_ranks_without_hidden_bias_are_the_ordinary_test():
    from scipy.stats import wilcoxon

    differences = np.random.default_rng(0).normal(0.5, 1, 40)
    ordinary = wilcoxon(differences, alternative="greater", correction=False, method="asymptotic").pvalue

    assert [bound.item() for bound in signed_rank_bounds(differences, 1.0)] == pytest.approx([ordinary, ordinary])


@given(st.lists(st.integers(-9, 9).filter(bool), min_size=3, max_size=20), st.floats(1, 8))
def test_bounds_widen_with_hidden_bias_and_mirror_each_other(differences, gamma):
    differences = np.array(differences, dtype=float)
    (low, lower), (high, higher) = signed_rank_bounds(differences, [gamma, 1.5 * gamma])
    mirrored, _ = signed_rank_bounds(-differences, gamma)

    assert lower <= low + 1e-12
    assert high <= higher + 1e-12 or high > 0.5
    assert mirrored.item() == pytest.approx(1 - high)


def test_pairs_without_difference_leave_or_take_low_ranks():
    differences = np.array([0.0, 0.0, 2.0, -1.0, 3.0, 4.0])

    dropped, kept = (signed_rank_bounds(differences, 1.0, zeros=zeros)[1].item() for zeros in ("drop", "keep"))

    assert dropped == pytest.approx(signed_rank_bounds(differences[2:], 1.0)[1].item())
    assert kept != dropped
    assert np.isnan(signed_rank_bounds(np.zeros(3), [1.0])[1]).all()


def _worst_mean(scores, gamma):
    """Largest mean over all zero-one unseen causes, by trying them."""
    weights = np.array(list(itertools.product([1.0, gamma], repeat=len(scores))))
    return ((weights * scores).sum(axis=1) / weights.sum(axis=1)).max()


def test_the_worst_cause_in_a_set_is_found_among_the_cuts():
    from scipy.stats import norm

    scores = matched_scores(np.random.default_rng(3).normal([1, 0, 0, 0], size=(6, 4)))
    worst = [_worst_mean(row, 2.5) for row in scores]
    z = norm.isf(matched_bounds(scores, 2.5))[0]

    assert (scores[:, 0].sum() - sum(worst)) / z > 0
    np.testing.assert_allclose(scores.sum(axis=1), 0, atol=1e-12)
    assert norm.isf(matched_bounds(np.where(np.arange(4) < 2, scores, np.nan)[:, :2], 1.0)).shape == (1,)
    spread = (scores[:, 0].sum() - sum(worst)) / z
    assert 0 < spread**2 <= (scores**2).sum() / 2


def test_sets_of_other_sizes_stand_beside_each_other():
    three = np.array([[3.0, 1.0, 2.0], [5.0, 2.0, np.nan], [np.nan, 1.0, 2.0], [4.0, np.nan, np.nan], [2.0, 3.0, 0.5]])

    scores = matched_scores(three)

    assert scores.shape == (3, 3)
    assert np.isnan(scores).sum() == 1
    assert 0 < matched_bounds(scores, 1.0)[0] < matched_bounds(scores, 3.0)[0] < 1


def test_the_largest_gamma_is_where_the_bound_meets_alpha():
    differences = np.random.default_rng(1).normal(1.0, 1, 60)

    gamma = largest_gamma(lambda ratio: signed_rank_bounds(differences, ratio)[1].item())

    assert signed_rank_bounds(differences, gamma)[1].item() == pytest.approx(0.05)
    assert np.isnan(largest_gamma(lambda ratio: signed_rank_bounds(-differences, ratio)[1].item()))
    assert largest_gamma(lambda ratio: 0.0) == np.inf


def test_hidden_bias_within_the_bound_seldom_makes_a_finding():
    """No effect, but odds of 2 that the better partner of a pair is treated: the ordinary test is fooled, the bound is not."""
    rng = np.random.default_rng(11)
    apart = np.abs(rng.normal(size=(400, 60)))
    differences = np.where(rng.random(apart.shape) < 2 / 3, apart, -apart)

    fooled, bounded = np.array([[bound.item() for bound in signed_rank_bounds(row, [2.0])] for row in differences]).T
    ordinary = np.array([signed_rank_bounds(row, 1.0)[1].item() for row in differences])

    assert (ordinary < 0.05).mean() > 0.6
    assert (bounded < 0.05).mean() == pytest.approx(0.05, abs=0.033)
    assert (fooled <= bounded).all()
