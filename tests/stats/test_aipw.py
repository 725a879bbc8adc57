"""Weighting and augmented weighting: by hand, laws, truth recovered."""

import numpy as np
import pytest

from partnerlab.stats.causes.aipw import _crossed_line, balancing_weights, weighted_effect
from partnerlab.stats.causes.propensity import fit_propensity

TARGETS = ("att", "ate", "ato")


def _rows(seed, rows=400, effect=1.0):
    random = np.random.default_rng(seed)
    x = random.standard_normal(rows)
    treated = random.random(rows) < 1 / (1 + np.exp(-0.8 * x))
    outcome = 2 * x + effect * treated + random.standard_normal(rows)
    return outcome, treated, np.column_stack([np.ones(rows), x])


def test_with_nothing_but_an_intercept_every_target_is_the_difference_of_means():
    outcome, treated = np.array([3.0, 5.0, 1.0, 2.0, 3.0]), np.array([True, True, False, False, False])

    for target in TARGETS:
        assert weighted_effect(outcome, treated, np.ones((5, 1)), target=target).estimate == pytest.approx(4.0 - 2.0)
        assert weighted_effect(outcome, treated, np.ones((5, 1)), target=target, outcome_design=np.ones((5, 1))).estimate == pytest.approx(
            2.0
        )


def test_overlap_weights_from_a_logit_balance_its_covariates_exactly():
    _, treated, design = _rows(1)
    weights = balancing_weights(treated, fit_propensity(treated, design, np.ones(400)).predict(design), target="ato")

    np.testing.assert_allclose(weights[treated] @ design[treated], weights[~treated] @ design[~treated], atol=1e-8)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("augmented", [False, True])
def test_the_order_of_rows_does_not_matter_and_copies_halve_the_variance(target, augmented):
    outcome, treated, design = _rows(2)
    again = np.random.default_rng(0).permutation(np.tile(np.arange(400), 2))

    one = weighted_effect(outcome, treated, design, target=target, outcome_design=design if augmented else None)
    two = weighted_effect(outcome[again], treated[again], design[again], target=target, outcome_design=design[again] if augmented else None)

    assert two.estimate == pytest.approx(one.estimate)
    assert (two.influence**2).sum() / 800**2 == pytest.approx((one.influence**2).sum() / 400**2 / 2)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("augmented", [False, True])
def test_influence_has_mean_zero(target, augmented):
    outcome, treated, design = _rows(3)

    found = weighted_effect(outcome, treated, design, target=target, outcome_design=design if augmented else None)

    assert found.influence.mean() == pytest.approx(0.0, abs=1e-6)


def test_copies_act_as_weights():
    outcome, treated, design = _rows(4)
    copies = np.random.default_rng(0).integers(1, 4, 400)
    again = np.repeat(np.arange(400), copies)

    weighted = weighted_effect(outcome, treated, design, outcome_design=design, weight=copies.astype(float))
    copied = weighted_effect(outcome[again], treated[again], design[again], outcome_design=design[again])

    assert weighted.estimate == pytest.approx(copied.estimate)


def test_the_effect_survives_one_wrong_model_of_two():
    outcome, treated, design = _rows(5, rows=20_000)
    blind = np.ones((20_000, 1))

    outcome_right = weighted_effect(outcome, treated, blind, outcome_design=design)
    chance_right = weighted_effect(outcome, treated, design, outcome_design=blind)
    both_wrong = weighted_effect(outcome, treated, blind, outcome_design=blind)

    assert outcome_right.estimate == pytest.approx(1.0, abs=0.06)
    assert chance_right.estimate == pytest.approx(1.0, abs=0.06)
    assert both_wrong.estimate > 1.5


@pytest.mark.parametrize("target", ["att", "ate"])
@pytest.mark.parametrize("kind", ["weighting", "augmented", "cross-fitted"])
def test_intervals_cover_the_truth(target, kind):
    hits, estimates = [], []
    for seed in range(200):
        outcome, treated, design = _rows(seed)
        found = weighted_effect(
            outcome,
            treated,
            design,
            target=target,
            outcome_design=None if kind == "weighting" else design,
            folds=np.arange(400) % 5 if kind == "cross-fitted" else None,
        )
        error = np.sqrt((found.influence**2).sum()) / 400
        hits.append(abs(found.estimate - 1.0) < 1.96 * error)
        estimates.append(found.estimate)

    assert np.mean(hits) > 0.9
    assert np.mean(estimates) == pytest.approx(1.0, abs=4 * np.std(estimates) / np.sqrt(200))


@pytest.mark.parametrize("treated", [np.zeros(5, dtype=bool), np.ones(5, dtype=bool), np.array([False, False, False, True, True])])
def test_without_anybody_alike_the_effect_is_unknown(treated):
    design = np.column_stack([np.ones(5), [1.0, 2, 3, 7, 8]])

    found = weighted_effect(np.arange(5.0), treated, design)

    assert np.isnan(found.estimate)
    assert np.isnan(found.influence).all()


def test_lines_of_the_other_folds_are_those_fitted_on_their_rows():
    random = np.random.default_rng(8)
    design = np.column_stack([np.ones(300), random.standard_normal((300, 2))])
    outcome, weight, folds = random.standard_normal(300), random.random(300) + 0.5, np.arange(300) % 4
    learn = random.random(300) < 0.7

    fitted = _crossed_line(outcome, learn, design, folds, weight)

    for fold in range(4):
        others, root = learn & (folds != fold), np.sqrt(weight)[:, None]
        beta = np.linalg.lstsq((design * root)[others], (outcome * root[:, 0])[others], rcond=None)[0]
        assert fitted[folds == fold] == pytest.approx(design[folds == fold] @ beta, rel=1e-10, abs=1e-12)


def test_lines_on_columns_that_repeat_each_other_are_still_fitted():
    x = np.random.default_rng(9).standard_normal(60)
    design = np.column_stack([np.ones(60), x, 2 * x])

    fitted = _crossed_line(1 + 3 * x, np.ones(60, dtype=bool), design, np.arange(60) % 3, np.ones(60))

    assert fitted == pytest.approx(1 + 3 * x)
