"""A long table walks in as a panel and out again."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError, ParameterError
from partnerlab.panel import Indicators, Membership, Panel
from partnerlab.periods import Calendar


def _table(**columns):
    return pd.DataFrame({"partner": ["b", "a", "a"], "quarter": ["2026Q2", "2026Q1", "2026Q4"], **columns})


def test_partners_are_sorted_and_gaps_are_zero_for_counts():
    panel = Panel.from_frame(_table(leads=[5, 1, 2]))

    assert panel.partners.tolist() == ["a", "b"]
    assert panel.labels == ["2026Q1", "2026Q2", "2026Q3", "2026Q4"]
    np.testing.assert_array_equal(panel.values("leads"), [[1, 0, 0, 2], [np.nan, 5, 0, 0]])


def test_gaps_are_unknown_for_other_numbers():
    panel = Panel.from_frame(_table(relevance=[0.5, 0.1, 0.2]))

    np.testing.assert_array_equal(panel.values("relevance"), [[0.1, np.nan, np.nan, 0.2], [np.nan, 0.5, np.nan, np.nan]])


def test_a_stated_zero_is_known_and_a_gap_is_not():
    unknown = Indicators(indicators={"visits": {"from": "frame", "missing": "unknown"}})
    panel = Panel.from_frame(_table(visits=[0, 1, 2]), indicators=unknown)

    np.testing.assert_array_equal(panel.values("visits"), [[1, np.nan, np.nan, 2], [np.nan, 0, np.nan, np.nan]])


def test_an_empty_count_is_not_taken_for_zero():
    panel = Panel.from_frame(_table(leads=pd.array([5, None, 2], dtype="Int64")))

    np.testing.assert_array_equal(panel.values("leads"), [[np.nan, np.nan, np.nan, 2], [np.nan, 5, np.nan, np.nan]])


def test_the_last_known_value_is_carried_forward():
    last = Indicators(indicators={"clients": {"from": "frame", "statistic": "last"}})
    panel = Panel.from_frame(_table(clients=[7.0, 1.0, 2.0]), indicators=last)

    np.testing.assert_array_equal(panel.values("clients"), [[1, 1, 1, 2], [np.nan, 7, 7, 7]])


def test_membership_comes_from_the_days_of_joining_and_leaving():
    about = pd.DataFrame({"partner": ["a", "b"], "joined_at": [None, "2026-07-01"], "left_at": ["2026-10-01", None]})
    panel = Panel.from_frame(_table(leads=[5, 1, 2]), attributes=about)

    active, not_yet, lapsed = Membership.ACTIVE, Membership.NOT_YET, Membership.LAPSED
    assert panel.state.tolist() == [[active, active, active, lapsed], [not_yet, not_yet, active, active]]
    assert panel.exposure.tolist() == [[1, 1, 1, 0], [0, 0, 1, 1]]


def test_texts_become_attributes():
    panel = Panel.from_frame(_table(region=["north", "south", None], leads=[5, 1, 2]))

    assert panel.attributes["region"].tolist() == ["south", "north"]


def test_a_window_that_reaches_before_the_table_is_unknown_for_those_who_were_in():
    rows = [(p, q, 1) for p, quarters in {"old": range(1, 5), "new": range(2, 5)}.items() for q in quarters]
    table = pd.DataFrame([(p, f"2026Q{q}", n) for p, q, n in rows], columns=["partner", "quarter", "leads_2q"])
    panel = Panel.from_frame(table, indicators=Indicators(indicators={"leads_2q": {"from": "frame", "window": 2}}))

    np.testing.assert_array_equal(panel.values("leads_2q"), [[np.nan, 1, 2, 2], [np.nan, 2, 2, 2]])


def test_a_share_needs_its_minimum_of_rows():
    table = pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "rate": [0.5, 0.25], "rate_n": [4, 8]})
    wanted = Indicators(indicators={"rate": {"from": "frame", "statistic": "share", "min_n": 5}})
    panel = Panel.from_frame(table, indicators=wanted)

    np.testing.assert_array_equal(panel.values("rate"), [[np.nan], [0.25]])
    assert panel.n("rate").tolist() == [[4], [8]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quarter": ["2026Q2", "2026Q1", "2026Q1"]}, "1 partners' periods stand on several rows, such as a in 2026Q1"),
        ({"quarter": ["2026Q2", "2026Q1", "2026Q5"]}, "'2026Q5' is not a quarter"),
        ({"quarter": ["2026Q2", "2026Q1", None]}, "frame.quarter: 1 of 3 rows are empty"),
        ({"partner": ["b", None, "a"]}, "frame.partner: 1 of 3 rows are empty"),
        ({"region": ["x", "y", "z"]}, "frame.region changes within 1 partners"),
        ({"state": ["active", "gone", "active"]}, "frame.state: 'gone' is no state"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(change, said):
    table = _table(leads=[1, 2, 3]).assign(**change)

    with pytest.raises(ParameterError, match=re.escape(said)):
        Panel.from_frame(table)


def test_a_key_that_is_not_there_is_met_with_the_nearest():
    with pytest.raises(ParameterError, match="no column 'partner'; did you mean 'partners'"):
        Panel.from_frame(_table(leads=[1, 2, 3]).rename(columns={"partner": "partners"}))


def test_a_count_must_be_whole():
    counted = Indicators(indicators={"leads": {"from": "frame"}})

    with pytest.raises(ParameterError, match="1 values are not whole numbers"):
        Panel.from_frame(_table(leads=[1, 2.5, 3]), indicators=counted)


def test_the_table_given_is_left_as_it_was():
    table = _table(leads=[5, 1, 2])
    before = table.copy()
    Panel.from_frame(table)

    pd.testing.assert_frame_equal(table, before)


def test_fiscal_labels_need_their_calendar():
    table = _table(leads=[1, 2, 3]).assign(quarter=["FY2026Q2", "FY2026Q1", "FY2026Q4"])

    assert Panel.from_frame(table, calendar=Calendar(start_month=4)).labels[0] == "FY2026Q1"
    with pytest.raises(ParameterError, match="write it like '2026Q3'"):
        Panel.from_frame(table)


@st.composite
def panels(draw):
    n, t = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    leads = draw(st.lists(st.integers(0, 20), min_size=n * t, max_size=n * t))
    rows = draw(st.lists(st.integers(0, 9), min_size=n * t, max_size=n * t))
    score = draw(st.lists(st.one_of(st.none(), st.integers(0, 100)), min_size=n * t, max_size=n * t))
    partners = draw(st.lists(st.text("abcxyz0", min_size=1, max_size=4), min_size=n, max_size=n, unique=True))
    table = pd.DataFrame({
        "partner": np.repeat(partners, t), "quarter": np.tile([f"{2024 + q // 4}Q{q % 4 + 1}" for q in range(t)], n),
        "leads": leads, "rate": 0.25, "rate_n": rows, "score": pd.array(score, dtype="Int64").astype("Float64"),
    })  # fmt: skip
    table["rate_n"] = table["rate_n"] * 4
    wanted = Indicators(indicators={
        "leads": {"from": "frame"}, "rate": {"from": "frame", "statistic": "share"}, "score": {"from": "frame", "statistic": "last"},
    })  # fmt: skip
    return table, wanted


@given(panels())
@settings(deadline=None, max_examples=60)
def test_out_and_in_again_is_the_same_panel(made):
    table, wanted = made
    panel = Panel.from_frame(table, indicators=wanted)
    again = Panel.from_frame(panel.to_frame(windowed=False, counts=True), indicators=wanted)

    assert again.digest == panel.digest


@given(panels(), st.randoms())
@settings(deadline=None, max_examples=40)
def test_the_order_of_rows_does_not_matter(made, random):
    table, wanted = made
    order = list(range(len(table)))
    random.shuffle(order)

    assert Panel.from_frame(table.iloc[order], indicators=wanted).digest == Panel.from_frame(table, indicators=wanted).digest


@given(panels(), st.data())
@settings(deadline=None, max_examples=40)
def test_until_is_what_was_known_then(made, data):
    table, wanted = made
    panel = Panel.from_frame(table, indicators=wanted)
    label = data.draw(st.sampled_from(panel.labels))
    early = Panel.from_frame(table[table["quarter"] <= label], indicators=wanted)

    assert panel.until(label).digest == early.digest


@given(panels(), st.data())
@settings(deadline=None, max_examples=40)
def test_select_by_mask_equals_select_by_id(made, data):
    table, wanted = made
    panel = Panel.from_frame(table, indicators=wanted)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(panel.partners), max_size=len(panel.partners))), dtype=bool)

    assert panel.select(mask).digest == panel.select(panel.partners[mask].tolist()).digest


@given(panels())
@settings(deadline=None, max_examples=30)
def test_the_digest_sees_a_single_count(made):
    table, wanted = made
    panel = Panel.from_frame(table, indicators=wanted)
    changed = panel.totals["leads"].copy()
    changed[0, 0] += 1

    assert panel.replace(totals={"leads": changed}).digest != panel.digest
    assert panel.replace(totals={"leads": panel.totals["leads"].copy()}).digest == panel.digest


def _panel():
    return Panel.from_frame(_table(leads=[5, 1, 2]))


def test_replaced_counts_follow_their_totals():
    panel = _panel()
    redrawn = panel.replace(totals={"leads": panel.totals["leads"] + 1})

    assert redrawn.n("leads").tolist() == [[2, 1, 1, 3], [1, 6, 1, 1]]
    assert panel.n("leads").tolist() == [[1, 0, 0, 2], [0, 5, 0, 0]]


def test_questions_about_what_is_not_there_are_answered_plainly():
    panel = _panel()

    assert (panel.known("leads"), panel.known("deals")) == (True, False)
    assert panel.column("2026Q3") == 2
    with pytest.raises(MissingTableError, match="no indicator 'leds'; did you mean 'leads'"):
        panel.values("leds")
    with pytest.raises(ParameterError, match="2027Q1 is not in the panel, which runs from 2026Q1 to 2026Q4"):
        panel.column("2027Q1")
    with pytest.raises(ParameterError, match="1 of the partners asked for are not in the panel, such as 'zed'"):
        panel.select(["a", "zed"])
    with pytest.raises(ParameterError, match="shape"):
        panel.replace(totals={"leads": np.zeros((1, 1))})


def test_a_panel_says_what_it_is_in_a_line():
    panel = Panel.from_frame(_table(leads=[1, 2, 3]).assign(partial=[False, False, True]))

    assert repr(panel) == "Panel(2 partners, 2026Q1 to 2026Q4, 2026Q4 partial, 1 indicators, program 'program')"


def test_nobody_is_a_panel_too():
    empty = _panel().select([])

    assert empty.shape == (0, 4)
    assert empty.values("leads").shape == (0, 4)


@pytest.mark.parametrize("column", ["joined_at", "left_at"])
@pytest.mark.parametrize("day", ["05/11/2026", "soon"])
def test_a_date_that_could_be_read_two_ways_is_refused(column, day):
    about = pd.DataFrame({"partner": ["a"], "joined_at": ["2026-01-01"], "left_at": [None]}).astype(object)
    about[column] = day

    with pytest.raises(
        ParameterError, match=rf"attributes\.{column}: 1 of 1 rows hold no date, such as '{day}' in row 1; write dates like"
    ):
        Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": "2026Q1", "leads": [1]}), attributes=about)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, 3_000_000_000], r"frame.leads: 1 values are more than 2,147,483,647.*such as 3000000000 in row 2"),
        ([1.0, np.inf], r"frame.leads: 1 values are no number, such as inf in row 2"),
        ([-np.inf, 0.5], r"frame.leads: 1 values are no number, such as -inf in row 1"),
        (["1", "2"], r"no column of numbers, so no indicator; leads holds numbers written as text"),
    ],
)
def test_numbers_that_no_panel_can_hold_are_refused(values, said):
    frame = pd.DataFrame({"partner": ["a", "b"], "quarter": ["2025Q1"] * 2, "leads": values})

    with pytest.raises(ParameterError, match=said):
        Panel.from_frame(frame)


def test_counts_behind_a_mean_must_be_numbers_too():
    frame = pd.DataFrame({"partner": ["a"], "quarter": ["2025Q1"], "csat": [0.5], "csat_n": [4e9]})

    with pytest.raises(ParameterError, match=r"frame.csat_n: 1 values are more than"):
        Panel.from_frame(frame)


def test_a_text_where_an_indicator_should_be_is_refused_with_its_row():
    frame = pd.DataFrame({"partner": ["a", "b"], "quarter": ["2025Q1"] * 2, "leads": ["1", "many"]})

    with pytest.raises(ParameterError, match=r"frame.leads: 1 values are no number, such as many in row 2"):
        Panel.from_frame(frame, indicators=Indicators(indicators={"leads": {"from": "frame"}}))


@pytest.mark.parametrize("which", ["partners", "state", "exposure", "partial", "totals", "counts", "covered"])
def test_the_arrays_of_a_panel_cannot_be_written_to(which):
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "a"], "quarter": ["2026Q1", "2026Q2"], "leads": [1.0, None]}))
    panel = dataclasses.replace(panel, covered={"leads": np.array([[True, False]])})
    array = getattr(panel, which)

    with pytest.raises(ValueError, match="read-only"):
        (array["leads"] if isinstance(array, dict) else array)[:] = 0


def test_a_panel_does_not_lock_the_arrays_that_it_was_made_of():
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": ["2026Q1"], "leads": [1]}))
    totals = panel.totals["leads"].copy()
    again = dataclasses.replace(panel, totals={"leads": totals})

    assert totals.flags.writeable
    assert np.shares_memory(again.totals["leads"], totals)
