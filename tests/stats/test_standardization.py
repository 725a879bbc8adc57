"""Standardised effects and matched pairs: by hand, laws, coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.causes.did import two_period_effect
from partnerlab.stats.causes.matching import match_nearest
from partnerlab.stats.causes.standardization import standardized_effect


def _rows(seed, rows=400, effect=1.0):
    random = np.random.default_rng(seed)
    x = random.standard_normal(rows)
    treated = random.random(rows) < 1 / (1 + np.exp(-0.8 * x))
    return 2 * x + effect * treated + random.standard_normal(rows), treated, np.column_stack([np.ones(rows), x])


def test_by_hand_the_treated_are_compared_within_groups_of_their_own_sizes():
    group = np.array([0, 0, 0, 1, 1, 1, 1])
    treated = np.array([1, 0, 0, 1, 1, 1, 0], dtype=bool)
    outcome = np.array([5.0, 1, 3, 9, 9, 12, 4])
    design = np.column_stack([np.ones(7), group])

    assert standardized_effect(outcome, treated, design, target="att").estimate == pytest.approx((1 * 3 + 3 * 6) / 4)
    assert standardized_effect(outcome, treated, design, target="ate").estimate == pytest.approx((3 * 3 + 4 * 6) / 7)


def test_on_the_treated_it_is_the_outcome_regression_of_differences_in_differences():
    outcome, treated, design = _rows(1)
    found, (att, influence) = (
        standardized_effect(outcome, treated, design),
        two_period_effect(outcome, treated, design, np.ones(400), score="reg"),
    )

    assert found.estimate == pytest.approx(att)
    np.testing.assert_allclose(found.influence, influence, atol=1e-9)


@pytest.mark.parametrize("target", ["att", "ate"])
def test_copies_halve_the_variance_and_act_as_weights(target):
    outcome, treated, design = _rows(2)
    again = np.random.default_rng(0).permutation(np.tile(np.arange(400), 2))
    copies = np.random.default_rng(1).integers(1, 4, 400)
    repeated = np.repeat(np.arange(400), copies)

    one = standardized_effect(outcome, treated, design, target=target)
    two = standardized_effect(outcome[again], treated[again], design[again], target=target)
    weighted = standardized_effect(outcome, treated, design, target=target, weight=copies.astype(float))
    copied = standardized_effect(outcome[repeated], treated[repeated], design[repeated], target=target)

    assert (two.influence**2).sum() / 800**2 == pytest.approx((one.influence**2).sum() / 400**2 / 2)
    assert weighted.estimate == pytest.approx(copied.estimate)


@pytest.mark.parametrize("target", ["att", "ate"])
def test_intervals_cover_the_truth(target):
    hits = []
    for seed in range(200):
        found = standardized_effect(*_rows(seed), target=target)
        hits.append(abs(found.estimate - 1.0) < 1.96 * np.sqrt((found.influence**2).sum()) / 400)

    assert 0.9 < np.mean(hits) < 0.99


def test_a_side_that_cannot_be_fitted_gives_nothing():
    outcome, treated, design = _rows(3)

    assert np.isnan(standardized_effect(outcome, np.zeros(400, dtype=bool), design).estimate)
    assert np.isnan(standardized_effect(outcome, treated, np.column_stack([design, design[:, 1]])).estimate)


def _greedy(treated, distance, caliper):
    free, pairs = ~treated, []
    for row in np.flatnonzero(treated)[np.argsort(-distance[treated], kind="stable")]:
        left = np.flatnonzero(free)
        if len(left) and np.abs(distance[left] - distance[row]).min() <= caliper:
            near = np.abs(distance[left] - distance[row])
            chosen = left[near.argmin()]
            free[chosen] = False
            pairs.append((row, chosen))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from([np.inf, 0.1]))
def test_pairs_are_those_of_looking_through_all_that_are_left(seed, caliper):
    random = np.random.default_rng(seed)
    treated, distance = random.random(60) < random.uniform(0.1, 0.9), random.random(60)

    np.testing.assert_array_equal(match_nearest(treated, distance, caliper=caliper), _greedy(treated, distance, caliper))


def test_of_equally_near_units_the_first_is_taken_and_none_twice():
    treated = np.array([True, False, False, False, True, True, True])
    pairs = match_nearest(treated, np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]))

    assert pairs.tolist() == [[0, 1], [4, 2], [5, 3]]
