"""Hidden chains: the true transitions behind readings that err."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.inference.counts import move_counts
from partnerlab.stats.inference.intervals import share_interval
from partnerlab.stats.states.hidden_chains import Misreading, empty_drop, fit_chain, gather_readings, profile_limit, smooth_states

FOLDER = Path(__file__).parents[1] / "reference" / "hidden"
MATRIX = np.array([[0.85, 0.12, 0.03], [0.08, 0.84, 0.08], [0.01, 0.09, 0.90]])
READING = np.array([[0.85, 0.12, 0.03], [0.10, 0.80, 0.10], [0.02, 0.13, 0.85]])
LEVELS = Misreading(weight=np.array([[0.7, 0.3], [0.4, 0.6]]), reading=np.array([[[0.99, 0.01], [0.6, 0.4]], [[0.45, 0.55], [0.02, 0.98]]]))


def _draw(rng, *, units, periods, matrix=MATRIX, reading=READING):
    state, seen, moves = rng.integers(0, len(matrix), units), np.empty((units, periods), dtype=int), 0
    for period in range(periods):
        if period:
            after = (rng.random(units)[:, None] > matrix[state].cumsum(axis=1)[:, :-1]).sum(axis=1)
            moves, state = moves + (after != state).sum(), after
        seen[:, period] = (rng.random(units)[:, None] > reading[state].cumsum(axis=1)[:, :-1]).sum(axis=1)
    return seen, moves


def _by_enumeration(codes, misreading, transition, initial):
    """Likelihood, state shares and expected moves of one sequence, over every path of states and levels."""
    states, levels = misreading.weight.shape
    total, smoothed, moves = 0.0, np.zeros((len(codes), states)), np.zeros((states, states))
    for path in itertools.product(itertools.product(range(states), range(levels)), repeat=len(codes)):
        chance = initial[path[0][0]] * misreading.weight[path[0]]
        for (i, g), (j, h) in itertools.pairwise(path):
            chance *= transition[i, j] * ((g == h) if i == j else misreading.weight[j, h])
        for (i, g), code in zip(path, codes, strict=True):
            chance *= misreading.reading[i, g, code] if code >= 0 else 1.0
        total += chance
        for period, (i, _) in enumerate(path):
            smoothed[period, i] += chance
        for (i, _), (j, _) in itertools.pairwise(path):
            moves[i, j] += chance
    return total, smoothed / total, moves / total


@pytest.mark.parametrize("codes", [[0, 1, 1, 0], [1, -1, 0, 0], [0, 0, -1, 1]])
def test_passes_agree_with_every_path_counted(codes):
    transition, initial = np.array([[0.8, 0.2], [0.3, 0.7]]), np.array([0.6, 0.4])
    told = smooth_states(gather_readings(np.array([codes])), LEVELS, transition=transition, initial=initial, pairs=True)
    total, smoothed, moves = _by_enumeration(codes, LEVELS, transition, initial)

    assert np.isclose(np.exp(told.log_likelihood[0]), total)
    assert np.allclose(told.smoothed[:, 0], smoothed)
    assert np.allclose(told.moves[0], moves)
    assert np.allclose(told.pairs[:, 0].sum(axis=0), moves)


def test_scores_are_the_derivatives_of_the_likelihood():
    seen = gather_readings(np.array([[0, 1, 0, 1, 1], [0, 0, 0, -1, 1]]))
    initial, width = np.array([0.5, 0.5]), 1e-6

    def total(odds):
        matrix = np.array([[1.0, np.exp(odds)], [0.3, 0.7]])
        matrix[0] /= matrix[0].sum()
        return smooth_states(seen, LEVELS, transition=matrix, initial=initial)

    odds = np.log(0.25)
    told = total(odds)
    scores = told.moves[:, 0, 1] - 0.2 * told.moves[:, 0].sum(axis=1)
    slopes = (total(odds + width).log_likelihood - total(odds - width).log_likelihood) / (2 * width)

    assert np.allclose(scores, slopes, atol=1e-7)


@pytest.fixture(scope="module")
def msm():
    """The committed readings, and what R msm says of them (tests/reference/hidden/hidden.R)."""
    table = pd.read_csv(FOLDER / "readings.csv")
    codes = np.full((150, 11), -1)
    codes[table["unit"], table["time"]] = table["tier"]
    seen = gather_readings(codes)
    return pd.read_csv(FOLDER / "values.csv").set_index("name"), seen, fit_chain(seen, Misreading.of_matrix(READING)), codes


def test_the_likelihood_is_that_of_msm(msm):
    values, _, fit, _ = msm

    assert np.isclose(-2 * fit.log_likelihood, values.loc["minus2loglik", "value"], rtol=1e-9)


def test_transition_probabilities_are_those_of_msm(msm):
    values, _, fit, _ = msm

    # msm searches over generators; its optimum is only as sharp as its tolerance
    assert np.allclose(fit.transition.ravel(), values["value"].iloc[:9], atol=2e-6)


def test_standard_errors_are_those_of_msm(msm):
    values, _, fit, _ = msm

    assert np.allclose(fit.errors(fit.model).ravel(), values["error"].iloc[:9], rtol=1e-3)


def test_smoothed_states_are_those_of_msm(msm):
    values, seen, fit, codes = msm
    told = smooth_states(seen, Misreading.of_matrix(READING), transition=fit.transition, initial=fit.initial)
    theirs = values[values.index.str.startswith("first_")]["value"].to_numpy().reshape(3, -1).T

    assert np.allclose(told.smoothed[codes[0] >= 0, seen.unit[0]], theirs, atol=1e-5)


def test_exact_readings_give_the_shares_seen():
    codes, _ = _draw(np.random.default_rng(0), units=80, periods=6)
    counts = move_counts(codes, 3)
    fit = fit_chain(gather_readings(codes), Misreading.of_matrix(np.eye(3)))

    assert np.allclose(fit.transition, counts / counts.sum(axis=1, keepdims=True), atol=1e-6)
    assert np.allclose(fit.errors(fit.model) ** 2, fit.transition * (1 - fit.transition) / counts.sum(axis=1)[:, None], rtol=1e-4)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_rows_sum_to_one_and_neither_order_nor_copies_of_units_matter(seed):
    rng = np.random.default_rng(seed)
    codes, _ = _draw(rng, units=25, periods=5)
    codes[rng.random(codes.shape) < 0.2] = -1
    some = Misreading.of_matrix(READING)
    fit, again = fit_chain(gather_readings(codes), some), fit_chain(gather_readings(np.tile(codes[::-1], (2, 1))), some)

    assert np.allclose(fit.transition.sum(axis=1), 1)
    assert np.isclose(2 * fit.log_likelihood, again.log_likelihood, rtol=1e-6)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_probabilities_of_states_sum_to_one(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, 2, (10, 6))
    told = smooth_states(gather_readings(codes), LEVELS, transition=np.array([[0.8, 0.2], [0.3, 0.7]]), initial=np.array([0.5, 0.5]))

    assert np.allclose(told.smoothed.sum(axis=2), 1)
    assert np.allclose(told.filtered.sum(axis=2), 1)


def test_where_nothing_moves_the_chain_finds_next_to_nothing():
    codes, _ = _draw(np.random.default_rng(3), units=200, periods=10, matrix=np.eye(3))
    seen, some = gather_readings(codes), Misreading.of_matrix(READING)
    fit = fit_chain(seen, some)

    assert (np.diag(fit.transition) > 0.98).all()
    assert (np.diff(codes, axis=1) != 0).mean() > 0.2


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = np.zeros((3, 3))
    for seed in range(40):
        codes, _ = _draw(np.random.default_rng(seed), units=100, periods=8)
        fit = fit_chain(gather_readings(codes), Misreading.of_matrix(READING))
        spread = fit.errors(fit.robust)
        low, high = share_interval(fit.transition, fit.transition * (1 - fit.transition) / spread**2, df=99.0)
        held += np.isnan(spread) | ((low <= MATRIX) & (high >= MATRIX))

    # 40 runs of nine cells; fewer than 33 of 40 would come once in a thousand
    assert (held >= 33).all()
    assert held.mean() >= 36.5


def test_the_limit_of_an_empty_cell_is_the_rule_of_three_where_readings_are_exact():
    seen, exact = gather_readings(np.zeros((12, 6), dtype=int)), Misreading.of_matrix(np.eye(2))

    assert np.isclose(profile_limit(fit_chain(seen, exact), seen, exact, cell=(0, 1), drop=-np.log(0.05)), 1 - 0.05 ** (1 / 60), rtol=2e-3)
    assert np.isclose(profile_limit(fit_chain(seen, exact), seen, exact, cell=(0, 0), drop=-np.log(0.05)), 1 - 0.05 ** (1 / 60), rtol=2e-3)


def test_moves_that_are_not_needed_cost_hardly_any_likelihood_and_real_ones_much():
    rng, some = np.random.default_rng(8), Misreading.of_matrix(READING)
    drops = []
    for matrix in (np.eye(3), MATRIX):
        seen = gather_readings(_draw(rng, units=120, periods=8, matrix=matrix)[0])
        drops.append(empty_drop(fit_chain(seen, some), seen, some, cells=~np.eye(3, dtype=bool)))

    assert drops[0] < 3.0
    assert drops[1] > 20.0
