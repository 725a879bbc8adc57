"""Drift in mix and rates, and powers of a matrix: by hand, laws, against the bootstrap."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partnerlab.errors import ParameterError, SampleError
from partnerlab.stats.states.powers import matrix_power_errors
from partnerlab.transitions import Transitions, estimate_drift
from partnerlab.transitions.drift import split_drift

COUNTS = hnp.arrays(np.int64, (6, 2, 3, 3), elements=st.integers(0, 9))


def _parts(drift, tier):
    table = drift.table[drift.table["to_tier"] == tier]
    return dict(zip(table["part"], table["estimate"], strict=True))


def test_more_partners_in_a_restless_tier_is_mix_alone(history_of):
    # A always moves, B never; later there are more in A
    codes = [[0, 1, 1, 1], [1, 1, 0, 1], [1, 1, 0, 1], [1, 1, 1, 1]]
    drift = estimate_drift(history_of(codes, tiers=("A", "B")), since="2022Q4")

    assert _parts(drift, "B")["rates"] == pytest.approx(_parts(drift, "B")["change"] - _parts(drift, "B")["mix"])
    assert _parts(drift, "any move")["before"] == pytest.approx(3 / 8)
    assert _parts(drift, "any move")["after"] == pytest.approx(2 / 4)


@given(COUNTS)
@settings(max_examples=40, deadline=None)
def test_mix_and_rates_add_up_to_the_change(counts):
    if (counts.sum(axis=(0, 2, 3)) == 0).any():
        return
    estimates, scores = split_drift(counts)

    assert np.allclose(estimates[:, 3] + estimates[:, 4], estimates[:, 2])
    # the influence of all partners together is nothing
    assert np.allclose(scores.sum(axis=0), 0, atol=1e-9)


def test_the_same_rates_in_both_stretches_leave_only_mix():
    matrix = np.array([[6, 2, 2], [1, 8, 1], [0, 5, 5]])
    counts = np.stack([matrix, matrix * np.array([[3], [1], [2]])])[None]

    assert np.allclose(split_drift(counts)[0][:, 4], 0)


def test_standard_errors_are_those_of_the_partner_bootstrap(history_of, frail_codes):
    codes, _ = frail_codes(partners=400, quarters=9, rng=np.random.default_rng(1))
    codes[200:, :4] = 2
    drift = estimate_drift(history_of(codes), since="2023Q1").table
    rng = np.random.default_rng(2)
    again = [estimate_drift(history_of(codes[rng.integers(0, 400, 400)]), since="2023Q1").table["estimate"] for _ in range(80)]
    error = drift["std_error"].to_numpy()

    # 80 replicates: a standard deviation is good to 8 %
    assert np.allclose(np.std(again, axis=0), error, rtol=0.3, atol=1e-3)


@pytest.mark.parametrize(
    ("since", "error", "message"),
    [
        ("2022Q2", ParameterError, "since is 2022Q2; give a quarter moved into, 2022Q3 to 2022Q4"),
        ("2031Q1", ParameterError, "2022Q3 to 2022Q4"),
    ],
)
def test_a_cut_outside_the_quarters_is_refused(history_of, since, error, message):
    with pytest.raises(error, match=message):
        estimate_drift(history_of([[0, 1, 1, 0]], tiers=("A", "B")), since=since)


def test_counts_without_quarters_have_no_drift():
    counts = pd.DataFrame([[8, 2], [3, 7]], index=["A", "B"], columns=["A", "B"])

    with pytest.raises(SampleError, match="drift needs the quarters of pairs"):
        estimate_drift(Transitions.from_matrix(counts))


def test_two_steps_are_the_matrix_squared():
    counts = np.array([[70, 20, 10], [10, 80, 10], [0, 0, 0]])
    shares, errors = matrix_power_errors(counts, 2)
    one = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0, 0, 1]])

    assert np.allclose(shares, one @ one)
    assert errors[2].tolist() == [0, 0, 0]


def test_no_step_is_where_one_is_for_certain():
    shares, errors = matrix_power_errors(np.array([[3, 4], [5, 6]]), 0)

    assert shares.tolist() == [[1, 0], [0, 1]]
    assert not errors.any()


def test_errors_of_powers_are_those_of_drawn_matrices():
    counts = np.array([[700, 200, 100], [100, 800, 100], [50, 150, 800]])
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.multinomial(1000, row / 1000, 4000) for row in counts], axis=1) / 1000
    powers = np.linalg.matrix_power(drawn, 4)

    assert np.allclose(matrix_power_errors(counts, 4)[1], powers.std(axis=0), rtol=0.06)


def test_two_partners_have_no_interval(history_of):
    table = estimate_drift(history_of([[0, 1, 1, 0], [1, 1, 0, 1]], tiers=("A", "B"))).table

    assert table["conf_low"].isna().all()
    assert table["estimate"].notna().all()
