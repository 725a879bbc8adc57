"""Pairs of tiers: from a history, from any table, from matrices; what cannot be meant is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partnerlab.errors import ContractError, MissingTableError, ParameterError, SampleError
from partnerlab.panel import Panel
from partnerlab.stats.inference.intervals import goodman_intervals, wilson_interval
from partnerlab.transitions import Transitions, build_transitions, estimate_transitions

CODES = hnp.arrays(np.int8, st.tuples(st.integers(2, 12), st.integers(2, 7)), elements=st.integers(-3, 2))
PAIRS = pd.DataFrame(
    {
        "partner": ["a", "a", "b", "b"],
        "quarter": ["2026Q2", "2026Q3", "2026Q2", "2026Q3"],
        "from_tier": ["Gold", "Base", "Base", "Base"],
        "to_tier": ["Base", "Base", "Base", "Gold"],
    }
)
MATRIX = pd.DataFrame([[90, 10, 0], [20, 70, 10]], index=["A", "B"], columns=["A", "B", "gone"])


def test_pairs_of_a_history_are_those_counted_by_hand(history_of):
    pairs = build_transitions(history_of([[0, 1, -1, 1], [-2, 0, 0, -3]], tiers=("A", "B")))

    assert pairs.to_frame()[["partner", "quarter", "from_tier", "to_tier"]].to_numpy().tolist() == [
        ["p000000", "2022Q2", "A", "B"],
        ["p000001", "2022Q3", "A", "A"],
        ["p000001", "2022Q4", "A", "lapsed"],
    ]


def test_time_in_tier_counts_from_the_quarter_of_entry_and_is_unknown_without_one(history_of):
    covariates = build_transitions(history_of([[0, 0, 1, 1, 1], [-2, 0, 0, -1, 0]], tiers=("A", "B"))).covariates

    assert np.array_equal(covariates["time_in_tier"], [np.nan, np.nan, 1, 2, 1], equal_nan=True)
    assert covariates["time_at_least"].tolist() == [1, 2, 1, 2, 1]


def test_steps_of_two_quarters_skip_one(history_of):
    pairs = build_transitions(history_of([[0, 1, 1, 0]], tiers=("A", "B")), step=2)

    assert pairs.to_frame()[["quarter", "from_tier", "to_tier"]].to_numpy().tolist() == [["2022Q3", "A", "B"], ["2022Q4", "B", "A"]]


def test_covariates_are_the_panels_values_at_the_quarter_moved_from(history_of):
    rows = pd.DataFrame({"partner": ["p000000"] * 3, "quarter": ["2022Q1", "2022Q2", "2022Q3"], "leads": [5, 7, 9]})
    pairs = build_transitions(history_of([[0, 1, 1], [0, 0, 0]], tiers=("A", "B")), panel=Panel.from_frame(rows), covariates=["leads"])

    assert np.array_equal(pairs.column("leads"), [5, 7, np.nan, np.nan], equal_nan=True)


def test_attributes_follow_their_partner(history_of):
    history = history_of([[0, 1, 1], [0, 0, -1]], attributes=pd.DataFrame({"region": ["North", "South"]}))

    assert build_transitions(history).column("region").tolist() == ["North", "North", "South"]


def test_previous_is_the_state_before(history_of):
    pairs = build_transitions(history_of([[0, 1, 1, -1, 0, 1]], tiers=("A", "B")))

    assert pairs.previous().tolist() == [-1, 0, -1]


@given(CODES)
@settings(max_examples=25, deadline=None)
def test_estimates_from_pairs_are_those_of_the_history(history_of, codes):
    history = history_of(codes)
    pairs = build_transitions(history)
    if not len(pairs):
        return
    of_pairs, of_history = estimate_transitions(pairs), estimate_transitions(history)

    pd.testing.assert_frame_equal(of_pairs.table, of_history.table)
    pd.testing.assert_frame_equal(of_pairs.moved, of_history.moved)


@pytest.mark.parametrize("by", ["region", "quarter"])
def test_estimates_by_segment_from_pairs_are_those_of_the_history(history_of, frail_codes, by):
    codes, _ = frail_codes(partners=60, quarters=6, rng=np.random.default_rng(4))
    history = history_of(codes, attributes=pd.DataFrame({"region": np.array(["N", "S", None], dtype=object)[np.arange(60) % 3]}))

    pd.testing.assert_frame_equal(estimate_transitions(build_transitions(history), by=by).table, estimate_transitions(history, by=by).table)


@given(CODES)
@settings(max_examples=20, deadline=None)
def test_a_table_of_pairs_gives_back_what_it_was_made_of(history_of, codes):
    pairs = build_transitions(history_of(codes))
    if not len(pairs):
        return
    frame = pairs.to_frame()[["partner", "quarter", "from_tier", "to_tier"]].sample(frac=1, random_state=1)
    again = Transitions.from_frame(frame, order=pairs.states)

    pd.testing.assert_frame_equal(again.to_frame().iloc[:, :5], pairs.to_frame().iloc[:, :5])
    assert again.previous().tolist() == pairs.previous().tolist()


def test_unsorted_rows_are_fine():
    straight, turned = (Transitions.from_frame(table, order=["Gold", "Base"]) for table in (PAIRS, PAIRS[::-1]))

    pd.testing.assert_frame_equal(straight.to_frame(), turned.to_frame())


def test_a_table_of_counts_is_counted():
    counts = pd.DataFrame({"region": ["N", "N", "S"], "left": ["A", "A", "B"], "to": ["A", "B", "B"], "n": [8, 2, 5]})
    pairs = Transitions.from_frame(counts, partner=None, from_tier="left", to_tier="to", count="n")

    assert pairs.total == 15
    assert pairs.column("region").tolist() == ["N", "N", "S"]


def test_rows_of_a_partner_follow_one_another_where_there_is_no_quarter():
    visits = pd.DataFrame({"id": [1, 2, 1, 1], "from": [1, 1, 2, 1], "to": [2, 2, 2, 3]})
    pairs = Transitions.from_frame(visits, partner="id", from_tier="from", to_tier="to")

    # the third visit of partner 1 does not begin where the second ended: something was not seen
    assert pairs.previous().tolist() == [-1, 0, -1, -1]


def test_counts_without_partners_have_wilsons_interval_and_say_that_they_count_as_independent():
    flows = estimate_transitions(Transitions.from_matrix(MATRIX))
    row = flows.table.iloc[1]

    assert (row["conf_low"], row["conf_high"]) == pytest.approx(tuple(map(float, wilson_interval(0.1, 100))))
    assert row["std_error"] == pytest.approx(np.sqrt(0.1 * 0.9 / 100))
    assert "counts treated as independent" in flows.checks[0].detail


def test_simultaneous_intervals_of_counts_are_goodmans():
    flows = estimate_transitions(Transitions.from_matrix(MATRIX.replace(0, 5)))
    low, high = goodman_intervals(flows.table["estimate"].to_numpy(), flows.table["n"].to_numpy(), cells=3)

    assert np.allclose(flows.simultaneous_intervals()[["conf_low", "conf_high"]], np.stack([low, high], axis=1), equal_nan=True)


def test_moves_that_cannot_be_made_are_0_for_certain():
    flows = estimate_transitions(Transitions.from_matrix(MATRIX, impossible=[("A", "gone")]))
    cell = flows.table[(flows.table["from_tier"] == "A") & (flows.table["to_tier"] == "gone")].iloc[0]

    assert cell[["estimate", "std_error", "conf_low", "conf_high"]].tolist() == [0, 0, 0, 0]


def test_an_empty_cell_of_a_matrix_is_a_move_that_cannot_be_made():
    assert Transitions.from_matrix(MATRIX.astype(float).replace(0, np.nan)).impossible == (("A", "gone"),)


def test_a_row_with_a_structural_zero_spends_its_level_on_the_others_only():
    free = estimate_transitions(Transitions.from_matrix(MATRIX)).simultaneous_intervals()
    barred = estimate_transitions(Transitions.from_matrix(MATRIX, impossible=[("A", "gone")])).simultaneous_intervals()

    assert barred["conf_high"].iloc[1] < free["conf_high"].iloc[1]
    assert barred["conf_high"].iloc[3] == free["conf_high"].iloc[3]


def test_nobody_leaves_an_absorbing_state_so_it_has_no_row():
    visits = pd.DataFrame({"from": ["A", "A", "gone"], "to": ["A", "gone", "gone"], "n": [8, 2, 7]})
    flows = estimate_transitions(
        Transitions.from_frame(visits, partner=None, from_tier="from", to_tier="to", count="n", absorbing=["gone"])
    )

    assert flows.table["from_tier"].unique().tolist() == ["A"]


def test_several_matrices_are_segments():
    pairs = Transitions.from_matrix({"2025": MATRIX, "2026": MATRIX * 2}, by="year")

    assert estimate_transitions(pairs, by="year").table.groupby("year")["count"].sum().tolist() == [200, 400]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"to_tier": ["Base", "Base", "Base", "Gld"]}, {"order": ["Gold", "Base"]}, r"1 row \(first: 3\) .* 'Gld' .* did you mean 'Gold'"),
        ({"quarter": ["2026Q2"] * 4}, {}, r"2 pairs repeat a partner's quarter \(first: partner a\); keep one row"),
        ({"from_tier": ["Gold", "Gold", "Base", "Base"]}, {}, r"1 pairs begin in another state .* ended in \(first: partner a\)"),
        ({"partner": ["a", None, "b", "b"]}, {}, r"partner: 1 row \(first: 1\) name no partner"),
        ({"quarter": ["2026Q2", "Q3", "2026Q2", "2026Q3"]}, {}, r"quarter: 'Q3' is not a quarter of this calendar"),
        ({"quarter": [1.5, 2, 1, 2]}, {}, r"quarter: 1 row \(first: 0\) are no whole period"),
        ({"n": [1, -2, 3, 4]}, {"count": "n"}, r"n: 1 row \(first: 1\) are negative; give how often"),
        ({"n": [1, 0.5, 3, 4]}, {"count": "n"}, r"n: 1 row \(first: 1\) are not whole"),
        ({"n": ["1", "2", "3", "4"]}, {"count": "n"}, r"n: expected counts, found str"),
        ({}, {"from_tier": "from_teir"}, r"no column 'from_teir' for from_tier; did you mean 'from_tier'"),
        ({}, {"partner": "id"}, r"no column 'id' for partner.*give partner=None if partners are not known"),
        ({}, {"absorbing": ["Gold"]}, r"1 row \(first: 0\) leave 'Gold', which is absorbing"),
        ({}, {"impossible": [("Gold", "Base")]}, r"1 row \(first: 0\) move from 'Gold' to 'Base', which is said to be impossible"),
        ({}, {"absorbing": ["Gone"]}, r"no state is called 'Gone'"),
        ({}, {"order": ["Gold", "Gold", "Base"]}, r"order names 'Gold' twice"),
        ({"to_tier": [None] * 4, "from_tier": [None] * 4}, {}, r"no pair that was observed at both ends"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_one_line(change, options, message):
    with pytest.raises(ContractError, match=message) as refusal:
        Transitions.from_frame(PAIRS.assign(**change), **options)
    assert "\n" not in str(refusal.value)


def test_a_row_without_an_end_leaves_and_is_counted():
    pairs = Transitions.from_frame(PAIRS.assign(to_tier=["Base", None, "Base", "Gold"]))

    assert pairs.total == 3
    assert "3 pairs; 1 more without a state at one end" in pairs.checks[0].detail


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"step": 0}, ParameterError, "step is 0; give a number of quarters"),
        ({"step": 9}, SampleError, "two whole quarters 9 quarters apart"),
        ({"covariates": ["leads"]}, MissingTableError, "nothing is known of 'leads'"),
        ({"impossible": [("A", "B")]}, ParameterError, "1 pairs move from 'A' to 'B'"),
        ({"impossible": [("A", "X")]}, ParameterError, "no state is called 'X'"),
    ],
)
def test_what_a_history_cannot_give_is_refused(history_of, options, error, message):
    with pytest.raises(error, match=message):
        build_transitions(history_of([[0, 1, 1]], tiers=("A", "B")), **options)


def test_an_unknown_column_names_the_nearest(history_of):
    history = history_of([[0, 1]], attributes=pd.DataFrame({"region": ["North"]}))

    with pytest.raises(ParameterError, match="pairs have no column 'regoin'; did you mean 'region'"):
        estimate_transitions(build_transitions(history), by="regoin")


def test_a_matrix_with_a_name_twice_is_refused():
    with pytest.raises(ContractError, match="two columns are called 'A'; add them up"):
        Transitions.from_matrix(MATRIX.set_axis(["A", "A", "gone"], axis=1))


def test_dates_are_read_as_the_quarter_they_lie_in():
    dated = PAIRS.assign(quarter=pd.to_datetime(["2026-04-01", "2026-07-01", "2026-05-17", "2026-09-30"]))

    assert Transitions.from_frame(dated).labels.tolist() == ["2026Q2", "2026Q3"] * 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pd.DataFrame(), "the matrix has no cells; give counts"),
        ({}, "no matrix was given"),
        ([[1, 2]], "takes a DataFrame, or a mapping of segment to DataFrame, not a list"),
        (pd.DataFrame([["x", 2], [3, 4]], ["A", "B"], ["A", "B"]), "1 cells hold no number"),
        (pd.DataFrame([[1, -2], [3, 4]], ["A", "B"], ["A", "B"]), "are negative"),
    ],
)
def test_what_is_no_matrix_of_counts_is_refused(given, message):
    with pytest.raises(ContractError, match=message):
        Transitions.from_matrix(given)
