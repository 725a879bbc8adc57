"""Weights along histories: by hand, laws, and what fitting the chances does to an error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.causes.weighting import Choice, history_weights


def _choice(happened, numerator=None, **options):
    happened = np.asarray(happened, dtype=bool)
    return Choice(happened=happened, open=np.ones(len(happened), dtype=bool), denominator=options.pop("denominator"), numerator=numerator,
                  **options)  # fmt: skip


def test_a_weight_is_the_product_of_inverse_chances_up_to_its_row():
    unit, treated = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([1, 1, 0, 0, 1, 0, 1, 1])
    ones = np.ones((8, 1))  # treated in 5 of 8 rows

    found = history_weights(unit, [_choice(treated, denominator=ones)])

    factor = np.where(treated == 1, 8 / 5, 8 / 3)
    np.testing.assert_allclose(found.weight, [factor[0], factor[0] * factor[1], factor[2], factor[2] * factor[3],
                                              factor[4], factor[4] * factor[5], factor[6], factor[6] * factor[7]])  # fmt: skip


def test_what_counts_later_counts_from_the_next_row_on():
    unit, stays = np.array([0, 0, 0, 1, 1]), np.array([1, 1, 0, 1, 0])

    found = history_weights(unit, [_choice(stays, denominator=np.ones((5, 1)), later=True)])

    np.testing.assert_allclose(found.weight, [1.0, 5 / 3, 25 / 9, 1.0, 5 / 3])


def test_rows_in_which_nothing_could_be_chosen_have_the_factor_one():
    happened, open_ = np.array([True, False, True]), np.array([True, True, False])

    found = history_weights(np.arange(3), [Choice(happened=happened, open=open_, denominator=np.ones((2, 1)))])

    np.testing.assert_allclose(found.weight, [2.0, 2.0, 1.0])
    np.testing.assert_allclose(found.chance[:, 0], [0.5, 0.5, 1.0])


def test_what_separates_has_no_weights():
    treated = np.array([0, 0, 1, 1])
    assert history_weights(np.arange(4), [_choice(treated, denominator=np.column_stack([np.ones(4), treated]))]) is None


def test_truncated_weights_are_cut_to_their_quantiles():
    random = np.random.default_rng(1)
    x = random.standard_normal(400)
    choice = _choice(random.random(400) < 1 / (1 + np.exp(-2 * x)), denominator=np.column_stack([np.ones(400), x]))

    whole, cut = (history_weights(np.arange(400), [choice], truncate=share) for share in (None, 0.05))

    np.testing.assert_allclose([cut.weight.min(), cut.weight.max()], np.quantile(whole.weight, [0.05, 0.95]))
    assert cut.truncated.sum() == 40


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_weights_that_hold_nothing_more_than_their_numerator_are_one(seed):
    random = np.random.default_rng(seed)
    design = np.column_stack([np.ones(90), random.standard_normal(90)])

    found = history_weights(np.repeat(np.arange(30), 3), [_choice(random.random(90) < 0.5, denominator=design, numerator=design)])

    np.testing.assert_allclose(found.weight, 1.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_one_period_of_weights_gives_the_difference_standardised_over_all(seed):
    random = np.random.default_rng(seed)
    group = np.repeat([0, 1], 40)
    treated = np.concatenate([np.arange(40) < random.integers(5, 35), np.arange(40) < random.integers(5, 35)])
    outcome = random.standard_normal(80) + group
    by_cell = [[outcome[(group == g) & (treated == a)].mean() for a in (0, 1)] for g in (0, 1)]

    weight = history_weights(np.arange(80), [_choice(treated, denominator=np.column_stack([np.ones(80), group]))]).weight
    means = [np.average(outcome[treated == a], weights=weight[treated == a]) for a in (0, 1)]

    assert means[1] - means[0] == pytest.approx(np.mean([by_cell[g][1] - by_cell[g][0] for g in (0, 1)]))


def test_fitted_chances_move_scores_as_refitting_without_a_unit_does():
    random = np.random.default_rng(3)
    units, quarters = 250, 4
    unit = np.repeat(np.arange(units), quarters)
    x = random.standard_normal(units * quarters)
    treated, score = random.random(len(x)) < 1 / (1 + np.exp(-x)), random.standard_normal(len(x)) + x
    design, few = np.column_stack([np.ones(len(x)), x]), np.ones((len(x), 1))

    def total(keep):
        choice = _choice(treated[keep], denominator=design[keep], numerator=few[keep])
        return float(history_weights(unit[keep], [choice]).weight @ score[keep])

    everything = np.ones(len(x), dtype=bool)
    found = history_weights(unit, [_choice(treated, denominator=design, numerator=few)])
    scores = (found.weight * score)[:, None]
    by_unit = np.bincount(unit, (scores + found.fitting_influence(scores))[:, 0])
    left = np.array([total(unit != one) for one in range(60)])

    apart = (total(everything) - left) - by_unit[:60]
    assert np.std(apart) < 0.05 * np.std(by_unit[:60])
