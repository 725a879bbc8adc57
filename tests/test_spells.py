"""Spells: cut from a history by hand, laws of the cut, and refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ContractError, ParameterError
from partnerlab.periods import Calendar
from partnerlab.spells import Spells, build_spells
from partnerlab.tiers.history import TierHistory

CALENDAR = Calendar()
FIRST = CALENDAR.parse("2024Q1")
CODES = {"A": 0, "B": 1, "C": 2, "?": -1, ".": -2, "x": -3}

# an estimate takes tens of milliseconds when the machine is busy: fewer examples, no deadline
FEW = settings(max_examples=40, deadline=None)


def history(*rows, joined=None, partial=(), rank=(3, 2, 1), **attributes):
    """Make a history of rows such as ``"..ABx"``: tiers, ? unknown, . not yet joined, x lapsed."""
    codes = np.array([[CODES[letter] for letter in row] for row in rows], dtype=np.int8)
    n, t = codes.shape
    table = pd.DataFrame({"region": ["north"] * n, **attributes})
    table["joined_at"] = pd.to_datetime(pd.Series(joined if joined is not None else [None] * n))
    flags = np.zeros(t, dtype=bool)
    flags[list(partial)] = True
    return TierHistory(
        partners=np.array([f"p{index}" for index in range(n)]), first=FIRST, calendar=CALENDAR, tiers=("A", "B", "C"), rank=rank,
        raw=codes, eligible=codes, held=codes, published=codes, reasons=np.zeros_like(codes), attributes=table, partial=flags,
        lines=pd.DataFrame(columns=["quarter", "axis", "group", "line"]),
    )  # fmt: skip


def rows(spells, *columns):
    return spells.frame[list(columns)].astype(object).to_numpy().tolist()


def test_membership_runs_from_joining_to_the_first_quarter_away():
    spells = build_spells(history(".ABBx", ".AAAA"))

    assert rows(spells, "partner", "entry", "duration", "event") == [["p0", 0, 3, "lapsed"], ["p1", 0, 3, ""]]
    assert spells.frame["start"].tolist() == [FIRST + 1, FIRST + 1]


def test_a_partner_that_the_record_began_with_enters_late_wherever_that_is():
    spells = build_spells(history("..AA", "..AA", joined=["2024-02-01", None], left_truncated=[True, True]))

    assert rows(spells, "partner", "entry", "duration", "start_known") == [["p0", 2, 3, True], ["p1", 0, 1, False]]


def test_a_return_is_a_new_spell():
    spells = build_spells(history(".AxxAAx"))

    assert rows(spells, "spell", "duration", "event") == [[1, 1, "lapsed"], [2, 2, "lapsed"]]


def test_a_member_without_a_known_tier_is_a_member():
    assert rows(build_spells(history(".A??Bx")), "duration", "event") == [[4, "lapsed"]]


def test_an_unknown_tier_ends_observation_and_hides_the_next_start():
    spells = build_spells(history(".AA?BBx"), of="any tier")

    assert rows(spells, "tier", "duration", "event", "start_known") == [["A", 1, "", True], ["B", 2, "lapsed", False]]


def test_a_known_joining_date_before_the_panel_means_late_entry():
    spells = build_spells(history("AAAx", joined=["2023-05-10"]))

    assert rows(spells, "entry", "duration", "event", "start_known") == [[3, 6, "lapsed", True]]
    assert spells.frame["start"].item() == CALENDAR.parse("2023Q2")


def test_without_a_joining_date_the_start_is_unknown_and_said_so():
    spells = build_spells(history("AAAx", ".AAA"))

    assert rows(spells, "entry", "duration", "start_known") == [[0, 3, False], [0, 2, True]]
    assert spells.checks[0].passed is False
    assert spells.checks[0].detail.startswith("1 of 2 spells were under way")


@pytest.mark.parametrize(("cut", "known"), [(False, True), (True, False)])
def test_joining_in_the_first_quarter_is_believed_unless_the_record_was_cut_there(cut, known):
    spells = build_spells(history("AAAx", joined=["2024-02-01"], left_truncated=[cut]))

    assert rows(spells, "entry", "start_known") == [[0, known]]


def test_a_joining_date_after_the_first_sight_is_not_believed():
    assert rows(build_spells(history("AAAx", joined=["2024-08-01"])), "entry", "start_known") == [[0, False]]


@pytest.mark.parametrize(("row", "cause", "to"), [("CB", "promotion", "B"), ("AC", "demotion", "C"), ("Ax", "lapsed", None)])
def test_the_cause_of_an_ending_is_read_from_what_came_after(row, cause, to):
    spells = build_spells(history("." + row), of="any tier")
    first = spells.frame.iloc[0]

    assert first["event"] == cause
    assert first["to_tier"] == to or (to is None and pd.isna(first["to_tier"]))


@pytest.mark.parametrize("rank", [(2, 2, 1), (None, 2, 1)])
def test_a_move_without_an_order_is_sideways(rank):
    assert build_spells(history(".AB", rank=rank), of="A").frame["event"].tolist() == ["sideways"]


def test_one_tier_gives_the_stays_in_that_tier_only():
    spells = build_spells(history(".ABAAx", ".BBBBB"), of="A")

    assert rows(spells, "partner", "spell", "duration", "event") == [["p0", 1, 1, "demotion"], ["p0", 2, 2, "lapsed"]]


def test_a_partial_last_quarter_is_not_used():
    spells = build_spells(history(".AAAx", partial=[4]))

    assert rows(spells, "duration", "event") == [[2, ""]]


def test_a_partial_first_quarter_counts_for_membership_but_not_for_computed_tiers():
    codes = history("AAAx", joined=["2024-01-05"], partial=[0])

    assert rows(build_spells(codes), "duration", "start_known") == [[3, True]]
    assert rows(build_spells(codes, of="A"), "duration", "start_known") == [[2, False]]


def test_a_spell_that_begins_in_the_last_quarter_was_never_at_risk():
    spells = build_spells(history("...A", ".AAA"))

    assert spells.frame["partner"].tolist() == ["p1"]
    assert "1 spell(s) began in the last period" in spells.checks[1].detail


def test_another_stage_can_be_asked_for():
    both = history(".AAx")
    both = type(both)(**{**vars(both), "held": np.array([[-2, 0, 1, 1]], dtype=np.int8)})

    assert build_spells(both, of="A", stage="held").frame["event"].tolist() == ["demotion"]


def test_attributes_are_carried_along():
    assert build_spells(history(".AAx"), attributes=["region"]).attributes == ("region",)


def test_states_run_on_one_clock_with_lapse_and_return():
    spells = build_spells(history("..ABBx", "AxxAAA", "AA?BBx", state=["Texas"] * 3), of="states")

    assert rows(spells, "partner", "entry", "duration", "state", "event") == [
        ["p0", 2, 3, "A", "B"], ["p0", 3, 5, "B", "lapsed"],
        ["p1", 0, 1, "A", "lapsed"], ["p1", 1, 3, "lapsed", "A"], ["p1", 3, 5, "A", ""],
        ["p2", 0, 1, "A", ""], ["p2", 3, 5, "B", "lapsed"],
    ]  # fmt: skip
    assert spells.states == ("A", "B", "C", "lapsed")


def test_on_the_clock_of_tenure_those_of_unknown_start_leave_and_are_counted():
    spells = build_spells(history(".ABx", "AAAA", "AAAx", joined=[None, None, "2023-08-01"]), of="states", clock="tenure")

    assert rows(spells, "partner", "entry", "duration", "state", "event") == [
        ["p0", 0, 1, "A", "B"], ["p0", 1, 2, "B", "lapsed"], ["p2", 2, 5, "A", "lapsed"],
    ]  # fmt: skip
    assert spells.checks[0].detail.startswith("1 partners")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"of": "D"}, "no such tier"),
        ({"attributes": ["regoin"]}, "did you mean 'region'"),
        ({"stage": "heldd"}, "did you mean 'held'"),
        ({"of": "states", "clock": "tenur"}, "did you mean 'tenure'"),
    ],
)
def test_what_does_not_exist_is_refused(asked, message):
    with pytest.raises(ParameterError, match=message):
        build_spells(history(".AAx"), **asked)


PANELS = st.integers(1, 6).flatmap(lambda t: st.lists(st.text("ABC?x", min_size=t, max_size=t), min_size=1, max_size=8))


@FEW
@given(PANELS)
def test_periods_at_risk_are_the_pairs_of_neighbouring_quarters(drawn):
    panel = history(*drawn)
    codes = panel.published
    pairs = ((codes[:, :-1] >= 0) & (codes[:, 1:] != -1)).sum()

    spells = build_spells(panel, of="any tier")

    assert (spells.frame["duration"] - spells.frame["entry"]).sum() == pairs
    assert (spells.frame["event"] != "").sum() == ((codes[:, :-1] >= 0) & (codes[:, 1:] != -1) & (codes[:, 1:] != codes[:, :-1])).sum()


@FEW
@given(PANELS)
def test_membership_endings_are_the_steps_from_member_to_lapsed(drawn):
    codes = history(*drawn).published

    spells = build_spells(history(*drawn))

    assert (spells.frame["event"] == "lapsed").sum() == ((codes[:, :-1] >= -1) & (codes[:, 1:] == -3)).sum()


# --- the door for any table


def frame(**columns):
    return pd.DataFrame({"partner": ["a", "b"], "duration": [2, 3], "event": ["lapsed", ""], **columns})


def test_events_may_be_true_and_false_or_numbers_or_names():
    told = [frame(event=values) for values in ([True, False], [1, 0], [1.0, np.nan], ["ended", None])]

    assert [Spells.from_frame(table).frame["event"].tolist() for table in told] == [["ended", ""]] * 4
    assert Spells.from_frame(frame(event=[2, 0])).causes == ("2",)


def test_pieces_that_continue_one_another_are_one_spell():
    pieces = pd.DataFrame({"partner": ["a", "b", "a"], "entry": [2, 0, 0], "duration": [5, 4, 2], "event": ["lapsed", "", ""]})

    assert rows(Spells.from_frame(pieces), "partner", "spell", "entry") == [["a", 1, 0], ["a", 1, 2], ["b", 1, 0]]


def test_labels_of_starts_are_read_by_the_calendar():
    spells = Spells.from_frame(frame(start=["2024Q1", "2024Q3"]), calendar=CALENDAR)

    assert spells.frame["start"].tolist() == [FIRST, FIRST + 2]


def test_further_columns_are_attributes():
    assert Spells.from_frame(frame(region=["north", "south"])).attributes == ("region",)


def test_an_empty_table_gives_no_spells():
    assert len(Spells.from_frame(frame().iloc[:0])) == 0


TWICE = {"partner": ["a", "a"], "event": ["", ""]}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (frame(duration=[2, -1]), r"duration: 1 row \(first: 1\) are negative"),
        (frame(duration=[2, np.nan]), "missing or infinite"),
        (frame(duration=["2", "3"]), "expected numbers"),
        (frame(entry=[0, 3]), r"in 1 row \(first: 1\) entry is not before duration"),
        (frame(duration=[0, 3]), "never at risk"),
        (frame(partner=["a", None]), "name no partner"),
        (frame(event=[0.5, 1]), "hold fractions"),
        (frame(start=["2024Q1", "2024Q2"]), "give calendar="),
        (pd.DataFrame({**TWICE, "entry": [0, 3], "duration": [5, 8]}), "overlap the row before"),
        (pd.DataFrame({**TWICE, "spell": [1, 1], "entry": [0, 0], "duration": [5, 8]}), "overlap the row before"),
        (
            pd.DataFrame({**TWICE, "event": ["x", ""], "spell": [1, 1], "entry": [0, 5], "duration": [5, 8]}),
            "go on after the spell has ended",
        ),
        (pd.DataFrame({**TWICE, "start": [10, 12], "duration": [5, 8]}), "overlap another spell of the partner in the calendar"),
    ],
)
def test_spells_that_cannot_be_meant_are_refused(table, message):
    with pytest.raises(ContractError, match=message):
        Spells.from_frame(table)


def test_a_missing_column_is_named():
    with pytest.raises(ContractError, match="no column 'died'"):
        Spells.from_frame(frame(), event="died")


def test_the_callers_table_is_left_alone():
    table = frame(entry=[0, 1])
    before = table.copy()

    Spells.from_frame(table)

    pd.testing.assert_frame_equal(table, before)


def test_a_day_of_joining_that_is_no_date_is_refused():
    rows = pd.DataFrame({"partner": ["a", "a"], "quarter": ["2026Q1", "2026Q2"], "tier": "Gold"})
    history = TierHistory.from_frame(rows, attributes=pd.DataFrame({"partner": ["a"], "joined_at": ["05/11/2025"]}))

    with pytest.raises(ParameterError, match=r"attributes\.joined_at: 1 of 1 rows hold no date, such as '05/11/2025'"):
        build_spells(history)


EVENTS_OF_MANY_KINDS = {
    "object bools": pd.Series([True, False, None, True], dtype=object),
    "object numbers": pd.Series([1, 0, None, 1], dtype=object),
    "text numbers": pd.Series(["1", "0", "0.0", "1"]),
    "text bools": pd.Series(["TRUE", "FALSE", "False", "True"]),
    "categorical numbers": pd.Series(pd.Categorical([1, 0, 0, 1])),
    "categorical bools": pd.Series(pd.Categorical([True, False, None, True])),
    "nullable bools": pd.Series([True, False, None, True], dtype="boolean"),
    "floats": pd.Series([1.0, 0.0, None, 1.0]),
}


@pytest.mark.parametrize("kind", EVENTS_OF_MANY_KINDS)
def test_zero_and_false_are_no_ending_in_whatever_dtype_they_come(kind):
    frame = pd.DataFrame({"partner": range(4), "duration": 1, "event": EVENTS_OF_MANY_KINDS[kind]})
    assert Spells.from_frame(frame).frame["event"].tolist() == ["ended", "", "", "ended"]


def test_causes_written_as_numbers_text_and_categories_are_the_same_causes():
    for event in ([0, 1, 2], ["0", "1", "2"], pd.Categorical([0, 1, 2]), np.array([0, 1, 2], dtype=object), [0.0, 1.0, 2.0]):
        assert Spells.from_frame(pd.DataFrame({"partner": range(3), "duration": 1, "event": event})).causes == ("1", "2")


def test_missing_events_beside_zeros_are_counted_in_a_check_that_fails():
    frame = pd.DataFrame({"partner": range(4), "duration": 1, "event": [1, 0, None, None]})
    (check,) = Spells.from_frame(frame).checks
    assert check.passed is False
    assert "2 of 4" in check.detail


def test_the_word_for_no_ending_is_honoured_without_states_and_doubted_where_it_is_not_given():
    frame = pd.DataFrame({"partner": range(3), "duration": 1, "event": ["lapsed", "censored", "lapsed"]})
    assert Spells.from_frame(frame, censored="censored").causes == ("lapsed",)
    assert "censored='censored'" in Spells.from_frame(frame).checks[0].detail


def test_rows_told_twice_are_counted_in_a_check():
    frame = pd.DataFrame({"partner": [1, 1, 2, 3, 3], "duration": [4, 4, 5, 6, 6], "event": [1, 1, 0, 0, 0], "size": [1, 1, 2, 3, 4]})
    (check,) = Spells.from_frame(frame).checks
    assert check.passed is False
    assert check.detail.startswith("1 rows repeat")


def test_tables_that_cannot_be_spells_are_refused_in_one_line():
    good = pd.DataFrame({"partner": [1, 2], "duration": [1, 2], "event": [1, 0]})
    for bad, said in (
        ([1, 2], "expected a DataFrame"),
        (pd.concat([good, good[["event"]]], axis=1), "stand twice"),
        (good.assign(start=[0.5, 1.0]), "no whole periods"),
        (good.assign(event=[0.5, 1.0]), "fractions"),
    ):
        with pytest.raises(ContractError, match=said):
            Spells.from_frame(bad)
