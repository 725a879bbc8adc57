"""One matrix for all? By hand, laws, size where partners differ, power, refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partnerlab.errors import ParameterError, SampleError
from partnerlab.transitions import Transitions, build_transitions, check_duration, check_entry_time, check_homogeneity, check_order

MATRIX = np.array([[0.80, 0.15, 0.05], [0.10, 0.80, 0.10], [0.03, 0.12, 0.85]])
CODES = hnp.arrays(np.int8, st.tuples(st.integers(4, 12), st.integers(4, 8)), elements=st.integers(-1, 2))
CHECKS = {"homogeneity": check_homogeneity, "order": check_order, "duration": check_duration, "entry": check_entry_time}


def _two(first, second):
    names = ["A", "B"]
    return Transitions.from_matrix({"x": pd.DataFrame(first, names, names), "y": pd.DataFrame(second, names, names)}, by="sample")


def test_pearsons_statistic_of_two_samples_is_the_one_counted_by_hand():
    # 30 of 40 against 20 of 40: 4 cells, each 5^2 over 25 or 15
    row = check_homogeneity(_two([[30, 10], [0, 0]], [[20, 20], [0, 0]]), by="sample").table.iloc[0]

    assert row["statistic"] == pytest.approx(2 * 25 / 25 + 2 * 25 / 15)
    assert row["df"] == 1
    assert row["n"] == 80


def test_distance_is_the_share_of_moves_that_would_have_to_be_others():
    assert check_homogeneity(_two([[30, 10], [0, 0]], [[20, 20], [0, 0]]), by="sample").table["estimate"].iloc[0] == 0.125


def test_degrees_of_freedom_count_only_cells_that_were_seen():
    result = check_homogeneity(_two([[30, 10], [20, 0]], [[20, 20], [10, 0]]), by="sample")

    assert result.table["df"].tolist() == [1, 1, 0]


def test_equal_samples_differ_by_nothing():
    result = check_homogeneity(_two([[30, 10], [5, 20]], [[60, 20], [10, 40]]), by="sample")

    assert result.table["statistic"].iloc[0] == pytest.approx(0)
    assert result.verdict.startswith("No evidence against one matrix for all samples")


def test_counts_have_no_clustered_p_and_say_so():
    result = check_homogeneity(_two([[30, 10], [0, 0]], [[20, 20], [0, 0]]), by="sample")

    assert np.isnan(result.p("p_clustered"))
    assert "finds differences too easily" in result.checks[0].detail


def test_order_compares_the_tier_before_with_the_tier_reached(history_of):
    # after A B comes A, after B B comes B: three quarters in a row give 1 + 3 moves out of B
    result = check_order(history_of([[0, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1]], tiers=("A", "B")))
    row = result.table.set_index("from_tier").loc["B"]

    assert (row["n"], row["df"], row["statistic"]) == (4, 1, pytest.approx(4.0))


def test_order_finds_momentum(history_of):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, (150, 10)).astype(np.int8)
    for quarter in range(2, 10):  # goes back to where it was
        back = rng.random(150) < 0.5
        codes[back, quarter] = codes[back, quarter - 2]
    result = check_order(history_of(codes), draws=199)

    assert result.p("p_clustered") < 0.01
    assert result.p("p_within") < 0.01
    assert result.verdict.startswith(
        "The tier before tells where a partner goes next: the process is not of order 1, within partners too ("
    )


def test_partners_that_differ_look_like_memory_but_not_within_partners(history_of, frail_codes):
    codes, _ = frail_codes(partners=300, quarters=12, rng=np.random.default_rng(5), matrix=MATRIX)
    result = check_order(history_of(codes), draws=199)

    assert result.p("p_clustered") < 0.01
    assert result.p("p_within") > 0.05
    assert "Within partners there is no evidence of it: partners who differ from one another" in result.verdict


def test_duration_finds_that_those_who_just_came_leave(history_of):
    rng = np.random.default_rng(1)
    codes, age = np.zeros((200, 12), dtype=np.int8), np.ones(200)
    for quarter in range(1, 12):
        moved = rng.random(200) < np.where(age < 2, 0.6, 0.15)
        codes[:, quarter] = np.where(moved, 1 - codes[:, quarter - 1], codes[:, quarter - 1])
        age = np.where(moved, 1, age + 1)
    history = history_of(codes, tiers=("A", "B"))

    assert check_duration(history, draws=199).p("p_within") < 0.01
    assert check_entry_time(history, draws=199).p("p_within") < 0.01


def test_homogeneity_finds_a_quarter_in_which_everybody_moves(history_of, frail_codes):
    codes, _ = frail_codes(partners=120, quarters=10, rng=np.random.default_rng(2), matrix=MATRIX)
    codes[:, 6:] = np.where(np.random.default_rng(3).random((120, 1)) < 0.3, (codes[:, 6:] + 1) % 3, codes[:, 6:])
    result = check_homogeneity(history_of(codes), draws=199)

    assert result.p("p_clustered") < 0.02
    assert result.p("p_within") < 0.02


def test_sizes_hold_where_partners_differ(history_of, frail_codes):
    """Every partner keeps a matrix of its own: shuffled within partners, 5 % means 5 %; the chi-square finds memory nearly always."""
    rng, found = np.random.default_rng(8), {name: [] for name in CHECKS}
    for _ in range(25):
        codes, _ = frail_codes(partners=100, quarters=30, rng=rng, matrix=MATRIX)
        pairs = build_transitions(history_of(codes[:, 20:]))  # once the mix has settled
        for name, check in CHECKS.items():
            found[name].append(check(pairs, draws=99).table.iloc[0][["p_value", "p_clustered", "p_within"]].to_numpy(dtype=float))
    size = {name: (np.array(rows) <= 0.05).mean(axis=0) for name, rows in found.items()}

    # 25 programs: three standard errors above 5 % are 18 %
    assert max(rates[2] for rates in size.values()) <= 0.18
    assert size["homogeneity"][1] <= 0.18
    assert min(size["order"][0], size["duration"][0]) > 0.5


@given(CODES, st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("name", ["homogeneity", "order"])
def test_order_of_partners_does_not_change_the_statistic(history_of, name, codes, random):
    order = list(range(len(codes)))
    random.shuffle(order)
    columns = ["estimate", "n", "statistic", "likelihood", "df", "p_value"]
    try:
        straight = CHECKS[name](history_of(codes), draws=9).table
    except SampleError:
        return
    turned = CHECKS[name](history_of(codes[order]), draws=9).table

    assert np.allclose(straight[columns], turned[columns], equal_nan=True)


@given(CODES)
@settings(max_examples=15, deadline=None)
def test_doubling_every_partner_doubles_the_statistic(history_of, codes):
    try:
        once = check_homogeneity(history_of(codes), draws=9).table
    except SampleError:
        return
    twice = check_homogeneity(history_of(np.tile(codes, (2, 1))), draws=9).table

    assert np.allclose(twice["statistic"], 2 * once["statistic"])
    assert twice["df"].tolist() == once["df"].tolist()


@given(CODES)
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("name", list(CHECKS))
def test_p_values_lie_between_0_and_1_and_a_seed_gives_the_same_again(history_of, name, codes):
    try:
        first, second = (CHECKS[name](history_of(codes), draws=19, seed=3).table for _ in range(2))
    except SampleError:
        return
    p_values = first[["p_value", "p_clustered", "p_within"]].to_numpy()

    assert ((p_values[~np.isnan(p_values)] >= 0) & (p_values[~np.isnan(p_values)] <= 1)).all()
    pd.testing.assert_frame_equal(first, second)


def test_a_verdict_never_says_markov(history_of, frail_codes):
    codes, _ = frail_codes(partners=60, quarters=8, rng=np.random.default_rng(5), spread=0.0)

    assert all("arkov" not in check(history_of(codes), draws=49).verdict for check in CHECKS.values())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (check_order, SampleError, "not known of counts; give pairs with their partner and quarter, or counts with a column for it"),
        (lambda pairs: check_duration(pairs, longest=1), ParameterError, "longest is 1; give 2 quarters or more"),
        (check_homogeneity, ParameterError, "pairs have no column 'quarter'"),
        (lambda pairs: check_homogeneity(pairs, by="smaple"), ParameterError, "did you mean 'sample'"),
        (lambda pairs: check_homogeneity(pairs.select(pairs.column("sample") == "x"), by="sample"), SampleError, "moves in two groups"),
        (lambda pairs: check_homogeneity(pairs.select(np.zeros(len(pairs), dtype=bool)), by="sample"), SampleError, "there is none"),
    ],
)
def test_what_cannot_be_asked_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(_two([[30, 10], [4, 5]], [[20, 20], [6, 7]]))


def test_two_quarters_have_no_past(history_of):
    with pytest.raises(SampleError, match="nothing to compare: does the tier before tell"):
        check_order(history_of([[0, 1], [1, 1]], tiers=("A", "B")))


@pytest.mark.parametrize("name", list(CHECKS))
def test_one_partner_has_no_p_with_partners_whole(history_of, name):
    result = CHECKS[name](history_of([[0, 1, 0, 0, 1, 1, 0, 1, 1, 0]], tiers=("A", "B")), draws=19)

    assert np.isnan(result.p("p_clustered"))
    assert result.checks[0].passed is False


@pytest.mark.parametrize("name", ["homogeneity", "entry"])
def test_nobody_moving_is_not_enough_data(history_of, name):
    codes = np.zeros((30, 6), dtype=np.int8)
    codes[:, 0] = -2  # seen joining

    assert CHECKS[name](history_of(codes), draws=19).verdict.startswith("Not enough data")


def test_random_signs_of_alike_partners_say_what_the_permutation_says_in_small_strata():
    rng, apart = np.random.default_rng(3), []
    for _ in range(60):
        names = np.array(["A", "B"])[rng.integers(0, 2, (16, 25))]
        moves = {"from_tier": names[:, :-1].ravel(), "to_tier": names[:, 1:].ravel()}
        table = pd.DataFrame({"partner": np.repeat(np.arange(16), 24), "quarter": np.tile(np.arange(24), 16), **moves})
        whole = check_entry_time(Transitions.from_frame(table), draws=199).table.iloc[0]
        apart.append(whole["p_clustered"] - whole["p_value"])

    assert abs(np.mean(apart)) < 0.025


def test_a_tiny_p_value_is_said_as_on_every_page():
    said = check_homogeneity(_two([[300, 100], [0, 0]], [[200, 200], [0, 0]]), by="sample").verdict

    assert "on 1 df, p < 0.001 as if moves were independent" in said
