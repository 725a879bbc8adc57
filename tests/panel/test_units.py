"""Panels over units, by hand and by law: the same partner in each region, from a source and from a frame."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError, ParameterError
from partnerlab.intake import Program, connect
from partnerlab.panel import Indicators, Panel, build_panel

YEAR = {"first": "2025Q1", "last": "2025Q4"}
WANTED = Indicators(indicators={
    "deals": {"from": "deals", "role": "any"},
    "won": {"from": "deals", "role": "any", "statistic": "share", "value": "status = 'won'", "window": 2},
    "typical": {"from": "deals", "role": "any", "statistic": "median", "value": "amount", "window": 4},
    "certified": {"from": "certifications", "statistic": "held", "value": "person_id"},
    "sustained": {"from": "deals", "role": "any", "statistic": "months", "window": 4, "consecutive": True},
    "tickets": {"from": "cases"},
    "size": {"from": "partner_profile", "where": "field = 'size'", "statistic": "last", "value": "number"},
})  # fmt: skip


def _source(rows, **changed):
    """Deals of (partner, month, region, amount, status); certificates of a in EMEA, of b in APAC and nowhere."""
    deals = pd.DataFrame({
        "deal_id": [f"d{i}" for i in range(len(rows))], "created_at": [f"2025-{row[1]:02d}-10" for row in rows],
        "region": [row[2] for row in rows], "amount": [row[3] for row in rows], "status": [row[4] for row in rows],
    })  # fmt: skip
    frames = {
        "partners": pd.DataFrame({"partner_id": ["a", "b", "c"], "joined_at": "2024-01-01", "region": ["home"] * 3}),
        "deals": deals,
        "deal_partners": pd.DataFrame({"deal_id": deals["deal_id"], "partner_id": [row[0] for row in rows], "role": "sourced"}),
        "certifications": pd.DataFrame({"cert_id": list("123"), "partner_id": list("abb"), "program": "x", "issued_at": "2024-05-01",
                                        "person_id": list("pqr"), "region": ["EMEA", "APAC", None]}),
        "partner_profile": pd.DataFrame({"partner_id": ["a"], "field": ["size"], "number": [7.0], "valid_from": ["2024-05-01"]}),
        "cases": pd.DataFrame({"case_id": ["k", "l"], "partner_id": "a", "opened_at": ["2025-01-01 12:00", "2025-12-31 12:00"]}),
    } | changed  # fmt: skip
    return connect({name: frame for name, frame in frames.items() if frame is not None}, program=Program(data_until="2026-01-01"))


ROWS = [
    ("a", 1, "EMEA", 10.0, "won"),
    ("a", 2, "EMEA", 30.0, "lost"),
    ("a", 2, "APAC", 5.0, "won"),
    ("a", 5, None, 99.0, "won"),
    ("b", 7, "APAC", 2.0, "lost"),
]


@pytest.fixture(scope="module")
def panel():
    return build_panel(_source(ROWS), **YEAR, indicators=WANTED, unit="region")


def _row(panel, unit):
    return panel.units.panel.partners.tolist().index(unit)


def test_each_partner_has_a_row_for_each_unit_that_its_rows_name(panel):
    assert panel.units.panel.partners.tolist() == ["a|APAC", "a|EMEA", "b|APAC", "c|(none)"]
    assert panel.partners[panel.units.of].tolist() == ["a", "a", "b", "c"]
    assert panel.units.panel.attributes[["partner", "region"]].to_numpy().tolist()[1] == ["a", "EMEA"]


def test_rows_count_in_the_unit_that_they_name(panel):
    units = panel.units.panel

    assert units.values("deals").tolist() == [[1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert units.values("typical")[_row(panel, "a|EMEA")].tolist()[3] == 20.0
    assert units.values("won")[_row(panel, "a|EMEA"), 1] == 0.5
    assert units.values("certified")[:, 0].tolist() == [0, 1, 1, 0]
    assert units.values("sustained")[_row(panel, "a|EMEA")].tolist()[3] == 0


def test_rows_that_name_no_unit_count_in_none_and_are_said(panel):
    assert panel.values("deals")[0].tolist() == [3, 1, 0, 0]
    assert any("1 rows of deals do not say their region: they count in no unit" in note for note in panel.provenance.notes)


def test_what_has_no_such_column_is_the_partners_own_in_each_unit(panel):
    assert panel.units.panel.values("size")[:, 0].tolist()[:2] == [7.0, 7.0]
    assert panel.units.panel.values("tickets")[:, 0].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert any(note.startswith("tickets, size: the partner's own number") for note in panel.provenance.notes)


def test_an_indicator_may_stand_for_the_whole_partner():
    whole = Indicators(indicators={"all": {"from": "deals", "role": "any", "per": "partner"}, "here": {"from": "deals", "role": "any"}})
    panel = build_panel(_source(ROWS), **YEAR, indicators=whole, unit="region")

    assert panel.units.panel.values("all")[:2, 0].tolist() == [3.0, 3.0]
    assert panel.units.panel.values("here")[:2, 0].tolist() == [1.0, 2.0]


def test_the_partners_panel_is_the_same_with_and_without_units(panel):
    plain = build_panel(_source(ROWS), **YEAR, indicators=WANTED)

    for name in WANTED.names:
        np.testing.assert_array_equal(panel.totals[name], plain.totals[name])


def test_units_follow_their_partners(panel):
    some = panel.select(["b", "c"])

    assert some.units.panel.partners.tolist() == ["b|APAC", "c|(none)"]
    assert some.units.of.tolist() == [0, 1]
    assert panel.until("2025Q2").units.panel.labels == ["2025Q1", "2025Q2"]
    assert panel.replace(totals={}).units is None
    assert panel.digest != panel.replace(totals={}).digest


@pytest.mark.parametrize(
    ("unit", "source", "said"),
    [
        ("regoin", {}, "did you mean 'region'"),
        ("customer_market", {}, "deals.customer_market"),
        ("item", {}, "the rows of no indicator asked for say their item"),
    ],
)
def test_units_that_are_not_there_are_refused(unit, source, said):
    with pytest.raises((ParameterError, MissingTableError)) as caught:
        build_panel(_source(ROWS, **source), **YEAR, indicators=WANTED, unit=unit)
    assert said in str(caught.value)


def test_names_that_would_fall_together_are_refused():
    table = pd.DataFrame({"partner": ["a|b", "a"], "region": ["c", "b|c"], "quarter": "2026Q1", "deals": [1, 2]})
    with pytest.raises(ParameterError, match="two units are called"):
        Panel.from_frame(table, unit="region")


FRAME = pd.DataFrame({
    "partner": ["a", "a", "a", "b"], "region": ["EMEA", "APAC", "EMEA", "EMEA"], "quarter": ["2026Q1", "2026Q1", "2026Q2", "2026Q2"],
    "deals": [3, 1, 2, 4], "rate": [0.5, 1.0, 0.25, 0.0], "rate_n": [4, 1, 4, 2], "kind": ["shop", "shop", "shop", "agency"],
})  # fmt: skip


def test_a_frame_of_units_adds_up_to_partners():
    panel = Panel.from_frame(FRAME, unit="region")

    assert panel.values("deals").tolist()[0] == [4.0, 2.0]
    assert panel.values("rate")[0].tolist() == [3 / 5, 0.25]
    assert panel.units.panel.values("deals").tolist()[:2] == [[1.0, 0.0], [3.0, 2.0]]
    assert panel.attributes["kind"].tolist() == ["shop", "agency"]
    assert panel.units.panel.attributes["kind"].tolist() == ["shop", "shop", "agency"]


def test_a_frame_says_nothing_of_partners_that_cannot_be_added():
    wanted = Indicators(indicators={"size": {"from": "frame", "statistic": "last"}, "people": {"from": "frame", "statistic": "held"}})
    table = FRAME.rename(columns={"deals": "people", "rate": "size"})[["partner", "region", "quarter", "people", "size"]]
    panel = Panel.from_frame(table, unit="region", indicators=wanted)

    assert np.isnan(panel.values("size")).all()
    assert np.isnan(panel.values("people")).all()
    assert panel.units.panel.values("people")[1].tolist() == [3.0, 2.0]


def test_attributes_of_partners_reach_their_units():
    about = pd.DataFrame({"partner": ["b", "a"], "manager": ["x", "y"]})
    panel = Panel.from_frame(FRAME, unit="region", attributes=about)

    assert panel.attributes["manager"].tolist() == ["y", "x"]
    assert panel.units.panel.attributes["manager"].tolist() == ["y", "y", "x"]


@pytest.mark.parametrize(("change", "said"), [({"region": None}, "4 of 4 rows are empty"), ({"regio": 1}, "did you mean 'regio'")])
def test_a_frame_without_its_units_is_refused(change, said):
    table = FRAME.assign(**change) if "region" in change else FRAME.drop(columns="region").assign(**change)
    with pytest.raises(ParameterError, match=said):
        Panel.from_frame(table, unit="region")


MONTHS, PLACES = st.integers(1, 12), st.sampled_from(["EMEA", "APAC", None])
SOME = st.lists(st.tuples(st.sampled_from("ab"), MONTHS, PLACES, st.just(1.0), st.just("won")), min_size=1, max_size=15)


@given(SOME)
@settings(deadline=None, max_examples=3)
def test_units_and_rows_without_one_add_up_to_the_partner(rows):
    wanted = Indicators(indicators={"deals": {"from": "deals", "role": "any"}})
    panel = build_panel(_source(rows), **YEAR, indicators=wanted, unit="region")
    nowhere = build_panel(_source([row for row in rows if row[2] is None] or [("z", 1, None, 1.0, "won")]), **YEAR, indicators=wanted)
    added = np.zeros(panel.shape)
    np.add.at(added, panel.units.of, panel.units.panel.totals["deals"])

    np.testing.assert_array_equal(added + nowhere.totals["deals"], panel.totals["deals"])
