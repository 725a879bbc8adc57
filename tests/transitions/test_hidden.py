"""True transitions behind the tiers that noise lets us see."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.tiers import assign_tiers
from partnerlab.transitions import Transitions, build_transitions, estimate_hidden_transitions, estimate_real_moves, estimate_transitions
from partnerlab.transitions.misreading import group_levels

READING = np.array([[0.85, 0.12, 0.03], [0.10, 0.80, 0.10], [0.02, 0.13, 0.85]])


def _misread(codes, rng, reading=READING):
    return (rng.random(codes.shape)[..., None] > reading[codes].cumsum(axis=-1)[..., :-1]).sum(axis=-1)


@pytest.fixture(scope="module")
def drifting(counting_panel):
    """A program in which some partners' rates are multiplied in the middle."""
    return counting_panel(partners=200, changed=40, factor=8.0, since=6, seed=3)


@pytest.fixture(scope="module")
def calm(counting_panel, quadrant):
    return estimate_hidden_transitions(assign_tiers(counting_panel(partners=200, seed=1), quadrant), draws=2, seed=1)


def test_with_exact_readings_the_raw_matrix_is_the_true_one(history_of, frail_codes):
    codes, _ = frail_codes(partners=120, quarters=8, rng=np.random.default_rng(0), spread=0.0)
    history = history_of(codes)
    exact, raw = estimate_hidden_transitions(history, misclassification=np.eye(3)).tidy(), estimate_transitions(history, stage="raw").tidy()

    assert np.allclose(exact["estimate"], raw["estimate"], atol=1e-6)
    assert np.allclose(exact["seen"], raw["estimate"])
    assert np.array_equal(exact["n"], raw["n"])


def test_rows_sum_to_one(history_of, frail_codes):
    rng = np.random.default_rng(1)
    codes, _ = frail_codes(partners=80, quarters=6, rng=rng)
    table = estimate_hidden_transitions(history_of(_misread(codes, rng)), misclassification=READING).tidy()

    assert np.allclose(table.groupby("from_tier")["estimate"].sum(), 1)
    assert (table["conf_low"].le(table["estimate"]) & table["conf_high"].ge(table["estimate"])).all()


def test_the_truth_behind_misread_tiers_is_found(history_of, frail_codes):
    rng, held = np.random.default_rng(2), []
    for _ in range(12):
        codes, own = frail_codes(partners=150, quarters=8, rng=rng, spread=0.0)
        table = estimate_hidden_transitions(history_of(_misread(codes, rng)), misclassification=READING).tidy()
        held.append((table["conf_low"] <= own[0].ravel() + 1e-12) & (table["conf_high"] >= own[0].ravel()))

    assert np.mean(held) >= 0.9


def test_where_nobody_changes_true_moves_are_none_within_the_interval(calm):
    true, seen = calm.moved.set_index("of").loc[["true", "seen"]].itertuples()

    assert true.conf_low == 0.0
    assert true.estimate < 0.01
    assert seen.estimate > 0.15


def test_what_truly_moved_is_found_among_what_noise_moved(drifting, quadrant):
    found = estimate_hidden_transitions(assign_tiers(drifting, quadrant), draws=2, seed=1)
    moves = found.moves(drifting.labels[6])
    mine = moves["partner"] <= "p0039"

    assert moves.loc[mine, "moved"].mean() > 0.7
    # as forty rates rose, the line rose too, and some moved that did not change
    assert moves.loc[~mine, "moved"].mean() < 0.4
    assert found.moved["estimate"].iloc[0] < 0.5 * found.moved["estimate"].iloc[1]


def test_the_probability_that_a_tier_moved_goes_with_that_from_the_counts(drifting, quadrant):
    history, quarter = assign_tiers(drifting, quadrant), drifting.labels[6]
    tiers = estimate_hidden_transitions(history, draws=2, seed=1).moves(quarter).set_index("partner")["as_seen"]
    counts = estimate_real_moves(history, quarter=quarter, draws=100, seed=1).table.set_index("partner")["estimate"]

    # counts up to the quarter tell more than tiers do; tiers of later quarters tell what those counts could not
    assert tiers.corr(counts.reindex(tiers.index), method="spearman") > 0.4
    assert abs(tiers.mean() - counts.mean()) < 0.1


def test_probabilities_of_a_partner_sum_to_one_and_the_past_knows_less(calm):
    smoothed, filtered = calm.probabilities("2023Q1"), calm.probabilities("2023Q1", given="past")

    assert np.allclose(smoothed.groupby("partner")["probability"].sum(), 1)
    sure = [table.groupby("partner")["probability"].max().mean() for table in (smoothed, filtered)]
    assert sure[0] > sure[1]


def test_partners_close_to_the_line_are_misread_more_often(calm):
    keys = calm.misreading.reading[calm.tiers.index("KEY"), :, calm.tiers.index("KEY")]

    assert keys.max() > 0.9
    assert keys[calm.misreading.weight[calm.tiers.index("KEY")] > 0].min() < 0.7


def test_lapsed_is_read_right_and_takes_part(history_of, frail_codes):
    rng = np.random.default_rng(5)
    codes, _ = frail_codes(partners=100, quarters=8, rng=rng)
    seen = _misread(codes, rng)
    seen[:20, 5:] = -3
    table = estimate_hidden_transitions(history_of(seen), misclassification=READING).tidy()
    to_lapsed = table[table["to_tier"] == "lapsed"]

    assert "lapsed" not in set(table["from_tier"])
    assert np.isclose(to_lapsed["moves"].sum(), 20)


def test_pairs_and_the_history_that_they_came_from_say_the_same(history_of, frail_codes):
    rng = np.random.default_rng(6)
    codes, _ = frail_codes(partners=60, quarters=6, rng=rng)
    history = history_of(_misread(codes, rng))
    table = pd.DataFrame(READING, index=history.tiers, columns=history.tiers)
    one = estimate_hidden_transitions(history, misclassification=table)
    two = estimate_hidden_transitions(build_transitions(history, stage="raw"), misclassification=table)

    assert np.allclose(one.table["estimate"], two.table["estimate"], atol=1e-6)


def test_the_order_of_partners_does_not_matter(history_of, frail_codes):
    rng = np.random.default_rng(7)
    codes = _misread(frail_codes(partners=60, quarters=6, rng=rng)[0], rng)
    one, two = (estimate_hidden_transitions(history_of(some), misclassification=READING).table for some in (codes, codes[::-1]))

    assert np.allclose(one["estimate"], two["estimate"], atol=1e-5)


def test_a_longer_window_makes_longer_steps(counting_panel, quadrant):
    found = estimate_hidden_transitions(assign_tiers(counting_panel(partners=80, quarters=13, window=4), quadrant), draws=1, seed=0)

    assert found.step == 4
    assert found.labels == ("2022Q1", "2023Q1", "2024Q1", "2025Q1")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.eye(2), "has shape \\(2, 2\\); give 3 rows"),
        (np.array([[0.9, 0.2, 0], [0, 1, 0], [0, 0, 1]]), "row 'A' sums to 1.1"),
        (np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]]), "'B' could never be seen"),
        (pd.DataFrame(np.eye(3), index=list("ABX"), columns=list("ABC")), "names 'X'"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(history_of, given, said):
    with pytest.raises(ParameterError, match=said):
        estimate_hidden_transitions(history_of(np.zeros((30, 4), dtype=int)), misclassification=given)


def test_tiers_from_a_table_need_a_misclassification(history_of):
    with pytest.raises(MissingTableError, match="give misclassification="):
        estimate_hidden_transitions(history_of(np.zeros((30, 4), dtype=int)))


def test_too_few_partners_are_refused(history_of):
    with pytest.raises(SampleError, match="only 5 partners were seen in two quarters"):
        estimate_hidden_transitions(history_of(np.zeros((5, 4), dtype=int)), misclassification=np.eye(3))


def test_counts_without_partners_are_refused():
    pairs = Transitions.from_matrix(pd.DataFrame([[40, 5], [5, 40]], index=["A", "B"], columns=["A", "B"]))

    with pytest.raises(ParameterError, match="which followed which"):
        estimate_hidden_transitions(pairs, misclassification=np.eye(2))


def test_grouped_levels_keep_the_mean():
    rng = np.random.default_rng(0)
    tally, state = rng.integers(1, 50, (60, 3)).astype(float), rng.integers(0, 3, 60)
    tally *= 100 / tally.sum(axis=1, keepdims=True)
    found = group_levels(tally, state, tiers=3)

    assert np.allclose(found.matrix, [tally[state == tier].mean(axis=0) / 100 for tier in range(3)])
