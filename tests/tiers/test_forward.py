"""What lies ahead: the earliest period of a tier, what could lose it, and where a moving line may lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from partnerlab.intake import Program, connect
from partnerlab.panel import Indicators, Panel, build_panel
from partnerlab.tiers import TierScheme, assign_tiers, explain_tier

QUARTERS = [f"{year}Q{quarter}" for year in (2024, 2025, 2026, 2027) for quarter in (1, 2, 3, 4)]
SUSTAINED = {"kind": "ladder", "levels": [{"name": "Gold", "when": "x >= 2 for 3 of 4 quarters"}, {"name": "Member", "all": []}]}


def history_of(values: list[float], classify: dict, *, movement: dict | None = None, indicators: Indicators | None = None):
    rows = pd.DataFrame({"partner": "p", "quarter": QUARTERS[: len(values)], "x": values})
    panel = Panel.from_frame(rows, indicators=indicators)
    return assign_tiers(panel, TierScheme(scheme="demo", classify=classify, movement=movement or {}))


def explain(values: list[float], classify: dict = SUSTAINED, **more):
    return explain_tier(history_of(values, classify, **more), partner="p", quarter=QUARTERS[len(values) - 1])


@pytest.mark.parametrize(
    ("values", "earliest"),
    [([2.0, 2.0, 0.0], "2024Q4"), ([2.0, 0.0, 0.0], "2025Q2"), ([2.0, 0.0, 2.0], "2024Q4"), ([0.0, 0.0, 0.0], "2025Q2")],
)
def test_a_rule_that_must_last_says_when_it_can_hold(values, earliest):
    explanation = explain(values)

    assert explanation.table.query("tier == 'Gold'")["earliest"].item() == earliest
    assert explanation.earliest == {"Gold": earliest}


def test_active_quarters_cannot_be_made_up_in_one():
    indicators = Indicators.model_validate({"indicators": {"x": {"from": "frame", "statistic": "active", "window": 4, "at_least": 2}}})
    ladder = {"kind": "ladder", "levels": [{"name": "Gold", "all": ["x >= 3"]}, {"name": "Member", "all": []}]}

    assert explain([2.0, 0.0, 0.0, 2.0], ladder, indicators=indicators).earliest == {"Gold": "2025Q2"}


def test_waiting_is_said_in_words_only_where_it_is_longer_than_the_condition():
    movement = {"confirm": {"up": 2, "down": 1}}

    assert "At the earliest" not in explain([0.0, 0.0]).summary()
    assert "At the earliest in 2025Q2." in explain([0.0, 0.0], movement=movement).summary()


BANDS = {"kind": "bands", "value": "x", "bands": [{"name": "A", "from": 9}, {"name": "B", "from": 5}, {"name": "C"}]}
MOVEMENT = st.fixed_dictionaries(
    {
        "confirm": st.fixed_dictionaries({"up": st.integers(1, 3), "down": st.integers(1, 2)}),
        "cadence": st.fixed_dictionaries({"up": st.sampled_from(["period", "half_year", "year"])}),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 6.0, 10.0]), min_size=2, max_size=5), st.sampled_from([SUSTAINED, BANDS]), MOVEMENT)
def test_doing_all_that_is_missing_from_the_next_quarter_on_gives_the_tier_at_the_earliest_period(values, classify, movement):
    explanation = explain(values, classify, movement=movement)

    for tier, label in explanation.earliest.items():
        enough = {"Gold": 2.0, "A": 9.0, "B": 5.0}[tier]
        later = history_of([*values, *[enough] * (12 - len(values))], classify, movement=movement)
        rank = dict(zip(later.tiers, later.rank, strict=True))
        reached = [
            quarter
            for quarter, held in zip(later.labels[len(values) :], later.names(later.held)[0, len(values) :], strict=True)
            if rank.get(held, -1) >= rank[tier]
        ]
        assert reached[0] == label


WINDOW = Indicators.model_validate({"indicators": {"x": {"from": "frame", "statistic": "sum", "window": 4}}})


def test_quarters_that_leave_the_window_are_said_before_they_do():
    outlook = explain([6.0, 0.0, 1.0, 0.0], BANDS, indicators=WINDOW).outlook

    assert outlook[["tier", "value", "next", "lost_in", "why"]].to_numpy().tolist() == [
        ["B", 7.0, 1.0, "2025Q1", "periods leave the window"],
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9).map(float), min_size=5, max_size=8))
def test_when_nothing_new_happens_the_tier_falls_in_the_quarter_that_was_said(values):
    explanation = explain(values, BANDS, indicators=WINDOW)
    later = history_of([*values, 0.0, 0.0, 0.0, 0.0], BANDS, indicators=WINDOW)
    names = later.names(later.raw)[0, len(values) :].tolist()
    fell = [quarter for quarter, name in zip(later.labels[len(values) :], names, strict=True) if name > explanation.tier]

    assert [label for label in explanation.outlook["lost_in"] if label] == fell[:1]


def test_the_summary_says_what_could_be_lost():
    assert (
        "If nothing new happens, x >= 5 no longer holds in 2025Q1: periods leave the window."
        in explain([6.0, 0.0, 0.0, 0.0], BANDS, indicators=WINDOW).summary()
    )


CERTIFIED = {"kind": "ladder", "levels": [{"name": "Gold", "all": ["certified >= 2"]}, {"name": "Member", "all": []}]}


@pytest.fixture(scope="module")
def academy():
    """One partner with two certified people, one of whom loses the certificate in 2026Q4."""
    tables = {
        "partners": pd.DataFrame({"partner_id": ["p", "q"], "joined_at": ["2024-01-01", "2024-01-01"]}),
        "certifications": pd.DataFrame(
            {
                "cert_id": ["1", "2", "3"],
                "partner_id": ["p", "p", "q"],
                "program": "sales",
                "person_id": ["ann", "bob", "cid"],
                "issued_at": ["2025-02-01", "2025-03-01", "2025-03-01"],
                "expires_at": ["2026-11-15", "2029-01-01", "2026-08-01"],
            }
        ),
    }
    return connect(tables, program=Program(data_until="2026-07-01"))


def test_certificates_about_to_expire_are_named_with_the_quarter(academy):
    panel = build_panel(academy, first="2025Q4", last="2026Q2", only=["certified"])
    history = assign_tiers(panel, TierScheme(scheme="demo", classify=CERTIFIED))

    with_source = explain_tier(history, partner="p", quarter="2026Q2", source=academy)
    without = explain_tier(history, partner="p", quarter="2026Q2")

    assert with_source.tier == "Gold"
    assert with_source.outlook[["condition", "lost_in", "why"]].to_numpy().tolist() == [["certified >= 2", "2026Q4", "certificates end"]]
    assert without.outlook.empty


def test_the_datum_has_its_table_its_rows_and_its_last_quarter(academy):
    panel = build_panel(academy, first="2025Q4", last="2026Q2", only=["certified"])
    history = assign_tiers(panel, TierScheme(scheme="demo", classify=CERTIFIED))

    explanation = explain_tier(history, partner="p", quarter="2026Q2")

    assert explanation.table[["source", "latest", "trust"]].to_numpy().tolist() == [["certifications", "2026Q2", "measured"]]
    assert str(explanation.data_until) == "2026-07-01"


CELLS = {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "LOW"}


def quadrant(partners: int, **x):
    classify = {"kind": "quadrant", "x": {"value": "x"} | x, "y": {"value": "y", "cut": {"absolute": 5}}, "cells": CELLS}
    rows = pd.DataFrame(
        {"partner": [f"p{i:02}" for i in range(partners)], "quarter": "2026Q1", "x": np.arange(1.0, partners + 1), "y": 1.0}
    )
    rows["region"] = np.where(np.arange(partners) % 2 == 0, "even", "odd")
    return assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=classify))


def test_a_line_that_moves_has_an_interval():
    table = explain_tier(quadrant(20, cut={"quantile": 0.5}), partner="p00", quarter="2026Q1").table
    x = table.loc[(table["fact"] == "x") & (table["operator"] == ">=")].iloc[0]

    assert (x["line"], x["line_low"], x["line_high"]) == (10.5, 6.0, 15.0)


def test_the_interval_is_that_of_the_partners_own_group_and_never_below_the_least():
    history = quadrant(40, cut={"quantile": 0.5, "min": 15}, within="region")
    explanation = explain_tier(history, partner="p00", quarter="2026Q1")
    x = explanation.table.loc[explanation.table["line_moves"]].iloc[0]

    assert (x["line"], x["line_low"], x["line_high"]) == (20.0, 15.0, 29.0)
    assert "it lies between 15 and 29 with 95 % confidence" in explanation.summary()


def test_a_line_that_stands_still_has_no_interval():
    table = explain_tier(quadrant(20, cut={"absolute": 3}), partner="p00", quarter="2026Q1").table

    assert table[["line_low", "line_high"]].isna().all(axis=None)


def test_the_gate_decides_who_stands_behind_a_line():
    classify = {
        "kind": "quadrant", "x": {"value": "x", "cut": {"quantile": 0.5}}, "y": {"value": "y", "cut": {"absolute": 5}},
        "cells": CELLS, "gate": "x >= 11", "outside": "OUT",
    }  # fmt: skip
    rows = pd.DataFrame({"partner": [f"p{i:02}" for i in range(30)], "quarter": "2026Q1", "x": np.arange(1.0, 31.0), "y": 1.0})
    history = assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=classify))
    table = explain_tier(history, partner="p29", quarter="2026Q1").table

    assert table.loc[table["line_moves"], "line_low"].iloc[0] == 16.0


def test_a_tier_that_only_confirmation_still_holds_says_when_it_falls():
    explanation = explain([12.0, 7.0], BANDS, movement={"confirm": {"up": 1, "down": 2}})

    assert explanation.summary().splitlines()[:3] == [
        "p is A in 2024Q2 under demo@1.",
        "By the data alone it would be B: waiting for confirmation.",
        "It falls to B in 2024Q3 unless x reaches 9.",
    ]
    assert explanation.outlook[["condition", "lost_in", "why", "holds"]].to_numpy().tolist() == [
        ["x >= 9", "2024Q3", "waiting for confirmation", False]
    ]
    assert explanation.at_risk()["fact"].tolist() == ["x"]


@pytest.mark.parametrize(
    ("movement", "falls"),
    [
        ({"cadence": {"down": "year"}}, ("C", "2024Q4")),
        ({"lock": {"periods": 6}}, ("C", "2025Q3")),
        ({"ever_within": 3}, ("C", "2024Q4")),
        ({"confirm": {"down": 3}, "max_step_down": 1}, ("B", "2024Q4")),
        ({"margin": 0.1, "confirm": {"down": 2}}, ("C", "2024Q3")),
    ],
)
def test_every_movement_rule_that_holds_a_tier_says_until_when(movement, falls):
    explanation = explain([12.0, 1.0], BANDS, movement=movement)

    assert explanation.tier == "A"
    assert (explanation.falls_to, explanation.falls_in) == falls


def test_what_is_within_the_margin_does_not_fall():
    assert explain([12.0, 8.5], BANDS, movement={"margin": 0.1}).falls_in == ""


HOLDING = st.fixed_dictionaries(
    {"confirm": st.fixed_dictionaries({"down": st.integers(1, 3)})},
    optional={
        "cadence": st.fixed_dictionaries({"down": st.sampled_from(["period", "half_year", "year"])}),
        "lock": st.sampled_from([{"periods": 4}, {"until": "anniversary"}]),
        "max_step_down": st.just(1),
        "ever_within": st.integers(1, 3),
        "margin": st.just(0.1),
    },
)


@settings(max_examples=40, deadline=None)
@example([6.0, 4.8], {"confirm": {"down": 1}, "cadence": {"down": "period"}, "margin": 0.1, "ever_within": 2})
@given(st.lists(st.sampled_from([0.0, 4.8, 6.0, 8.5, 10.0]), min_size=2, max_size=6), HOLDING)
def test_if_the_data_stay_as_they_are_the_tier_falls_when_it_was_said(values, movement):
    explanation = explain(values, BANDS, movement=movement)
    later = history_of([*values, *[values[-1]] * (16 - len(values))], BANDS, movement=movement)
    names = later.names(later.held)[0, len(values) :].tolist()
    fell = [(name, quarter) for quarter, name in zip(later.labels[len(values) :], names, strict=True) if name > explanation.held]

    assert (explanation.falls_to, explanation.falls_in) == (fell[0] if fell else ("", ""))


def test_a_rule_that_looks_back_beyond_the_panel_does_not_ask_the_partner():
    said = explain([2.0, 2.0]).summary()

    assert "For Gold: x >= 2 for 3 of 4 periods: cannot be judged, earlier periods are not loaded." in said
    assert "tell us" not in said


def test_a_tier_that_is_met_while_a_higher_one_is_undecided_is_called_sure():
    levels = [{"name": "A", "all": ["y >= 1"]}, {"name": "B", "all": ["x >= 2"]}, {"name": "C", "all": []}]
    rows = pd.DataFrame({"partner": ["p"], "quarter": "2026Q1", "x": [5.0], "y": [np.nan]})
    scheme = TierScheme(scheme="demo", classify={"kind": "ladder", "levels": levels})
    said = explain_tier(assign_tiers(Panel.from_frame(rows), scheme), partner="p", quarter="2026Q1").summary().splitlines()

    assert said[0] == "p is unknown in 2026Q1 under demo@1."
    assert "B is sure." in said
    assert "For A: tell us y." in said
