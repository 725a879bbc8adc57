"""A panel of a tactic walks in from any table, and a study says before it runs what it will ask."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, build_tactic_panel
from partnerlab.errors import MissingTableError, ParameterError, SpecError
from partnerlab.panel import Panel
from partnerlab.specs import read_yaml
from partnerlab.verdicts import Stakes


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "who": ["b", "b", "a", "a", "a"],
            "quarter": ["2026Q1", "2026Q3", "2026Q1", "2026Q2", "2026Q3"],
            "leads": [1.0, np.nan, 3, 4, 5],
            "dinner": [0, 1, 0, 1, 0],
            "rep": ["y", "y", "x", "x", "y"],
            "tier": pd.Categorical(["Gold", "Gold", "Base", "Base", "Base"], categories=["Gold", "Base"], ordered=True),
            "visits": [1, 2, 3, 4, 5],
            "seen_in": ["2025Q4", "2026Q2", "2025Q4", "2026Q1", "2026Q2"],
        }
    )


NAMES = {"partner": "who", "outcome": "leads", "treated": "dinner"}


def test_rows_become_partners_by_quarters_and_gaps_are_not_observed(table):
    panel = TacticPanel.from_frame(table, **NAMES, manager="rep", tier="tier", covariates=["visits"])

    np.testing.assert_array_equal(panel.outcome, [[3, 4, 5], [1, np.nan, np.nan]])
    np.testing.assert_array_equal(panel.treated, [[0, 1, 0], [0, np.nan, 1]])
    assert panel.labels == ["2026Q1", "2026Q2", "2026Q3"]
    assert panel.tiers == ("Gold", "Base")
    assert panel.tier[0].tolist() == [1, 1, 1]
    assert panel.manager[1].tolist() == [1, -1, 1]
    assert panel.adopted.tolist() == [1, 2]


@pytest.mark.parametrize("form", ["%Y-%m-%d", None])
@pytest.mark.parametrize(("months", "labels"), [(3, ["2026Q1", "2026Q2", "2026Q3"]), (1, ["2026-01", "2026-02", "2026-03"])])
def test_days_stand_for_the_quarter_or_month_that_they_lie_in(table, form, months, labels):
    days = pd.Series([pd.Timestamp(2026, 1 + months * at, 28) for at in (0, 2, 0, 1, 2)])
    panel = TacticPanel.from_frame(table.assign(quarter=days if form is None else days.dt.strftime(form)), **NAMES)

    assert panel.labels == labels
    np.testing.assert_array_equal(panel.treated, TacticPanel.from_frame(table, **NAMES).treated)


def test_a_tactic_seen_off_after_it_was_on_does_not_stay_on(table):
    assert not TacticPanel.from_frame(table, **NAMES).stays_on
    assert TacticPanel.from_frame(table[table["who"] == "b"], **NAMES).stays_on


@pytest.mark.parametrize("starts", [["2026Q2", None], ["2026Q2", ""], [2, 0], [2, np.inf], [2, np.nan]])
def test_a_column_of_starts_says_when_it_was_on_in_quarters_without_a_row_too(starts):
    quarters = ["2026Q1", "2026Q3"] if isinstance(starts[0], str) else [1, 3]
    rows = pd.DataFrame({"partner": ["a", "a", "b"], "quarter": [*quarters, quarters[1]], "outcome": 1.0,
                         "since": [starts[0], starts[0], starts[1]]})  # fmt: skip
    panel = TacticPanel.from_frame(rows, starts="since")

    np.testing.assert_array_equal(panel.treated, [[0, 1, 1], [0, 0, 0]])
    assert panel.tactic == "since"


def test_a_partner_with_two_starts_is_refused():
    rows = pd.DataFrame({"partner": ["a", "a"], "quarter": [1, 2], "outcome": 1.0, "since": [1, 2]})

    with pytest.raises(ParameterError, match="1 partners have more than one start, such as a"):
        TacticPanel.from_frame(rows, starts="since")


@pytest.mark.parametrize(("quarters", "since"), [(["2026Q1", "2026Q2"], 2026), ([1, 2], "2026Q2")])
def test_starts_in_another_form_than_quarters_are_refused(quarters, since):
    rows = pd.DataFrame({"partner": ["a", "a"], "quarter": quarters, "outcome": 1.0, "since": since})

    with pytest.raises(ParameterError, match="give both in one form"):
        TacticPanel.from_frame(rows, starts="since")


def test_the_order_of_rows_does_not_matter(table):
    one, other = (TacticPanel.from_frame(rows, **NAMES) for rows in (table, table.iloc[::-1]))

    np.testing.assert_array_equal(one.outcome, other.outcome)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({}, {"outcome": "lead"}, "no column 'lead' for outcome; did you mean 'leads'"),
        ({"dinner": [0, 2, 0, 1, 0]}, {}, "1 rows are neither 0 nor 1"),
        ({"leads": list("abcde")}, {}, "expected numbers"),
        ({"leads": [np.inf, 1, 1, 1, 1]}, {}, "infinite"),
        ({"quarter": ["2026Q1", "2026Q1", "2026Q1", "2026Q2", "2026Q3"]}, {}, "several rows, such as b in 2026Q1"),
        ({"quarter": ["2026Q1", None, "2026Q1", "2026Q2", "2026Q3"]}, {}, "1 of 5 rows are empty"),
        ({"quarter": ["soon"] * 5}, {}, "soon"),
        (
            {"quarter": ["2026-Q1", "2026-Q3", "2026-Q1", "2026-Q2", "2026-Q3"]},
            {},
            "not a quarter of this calendar; write it like '2026Q3'",
        ),
        ({"leads": [1e200, 1, 1, 1, 1]}, {}, r"1 rows are infinite or beyond 1e\+100"),
        ({"quarter": [2002, 2004, 2002, 2006, 2004]}, {}, "rows stand 2 periods apart throughout"),
        ({"seen_in": 2027}, {"covariates": ["visits"], "measured": {"visits": "seen_in"}}, "give both in one form"),
        ({}, {"covariates": ["leads"]}, "cannot be its own covariate"),
        ({}, {"measured": {"visits": "seen_in"}}, "which is no covariate"),
        (
            {"seen_in": ["2025Q4", "2026Q4", "2025Q4", "2026Q1", "2026Q2"]},
            {"covariates": ["visits"], "measured": {"visits": "seen_in"}},
            "visits: 1 rows were measured after their own quarter",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(table, change, options, said):
    with pytest.raises(ParameterError, match=said) as caught:
        TacticPanel.from_frame(table.assign(**change), **(NAMES | options))
    assert "\n" not in str(caught.value)


def test_covariates_measured_before_their_quarter_are_taken(table):
    panel = TacticPanel.from_frame(table, **NAMES, covariates=["visits"], measured={"visits": "seen_in"})

    assert panel.covariates["visits"][0].tolist() == [3, 4, 5]


def test_arrays_cannot_be_written_to(table):
    with pytest.raises(ValueError, match="read-only"):
        TacticPanel.from_frame(table, **NAMES).outcome[0, 0] = 9


def test_our_own_panel_gives_tactic_outcome_and_managers(table):
    own = Panel.from_frame(
        table.assign(partner=table["who"], rep=table["who"]).drop(columns=["who", "tier", "seen_in"]).fillna({"leads": 0.0})
    )
    panel = build_tactic_panel(own, tactic="dinner", outcome="leads", manager="rep", covariates=["visits"])

    assert panel.tactic == "dinner"
    assert panel.on[0].tolist() == [False, True, False]
    assert panel.managers
    with pytest.raises(ParameterError, match="no attribute 'boss'"):
        build_tactic_panel(own, tactic="dinner", outcome="leads", manager="boss")
    with pytest.raises(MissingTableError):
        build_tactic_panel(own, tactic="lunch", outcome="leads")


STUDY = """
tactic: Dinner
stakes: {unit: leads, material: 0.2}
tiers: [Gold]
untreated_for: 2
horizon: 1
covariates:
  - {name: health, at: start, lag: 0}
"""


def test_a_study_is_declared_in_yaml_and_says_its_trial():
    study = TacticStudy.from_document(read_yaml(STUDY, name="dinner.yaml"))

    assert study.stakes == Stakes(unit="leads", material=0.2)
    assert "partners of tier Gold, without Dinner for 2 quarters" in study.target_trial
    assert "leads 1 quarter later" in study.target_trial
    assert "health at the start of the quarter" in study.target_trial


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("at: start, lag: 0", "lag: 0", "may hold what the tactic did"),
        ("at: start, lag: 0", "lag: -1", "after time zero"),
        ("horizon: 1", "horizon: -1", "horizon"),
        ("untreated_for", "untreated", "did you mean 'untreated_for'"),
    ],
)
def test_a_study_that_looks_ahead_is_refused_with_its_line(old, new, said):
    with pytest.raises(SpecError, match=said) as caught:
        TacticStudy.from_document(read_yaml(STUDY.replace(old, new), name="dinner.yaml"))
    assert "dinner.yaml, line" in str(caught.value)


def test_one_covariate_is_named_once():
    with pytest.raises(SpecError, match="twice"):
        TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(Known(name="a"), Known(name="a", lag=2)))


@pytest.mark.parametrize(
    ("mass", "said"),
    [
        ([1, 1, 2, 2, 0], "mass: 1 of 5 rows are empty or not above 0"),
        ([1, 1, 2, 2, 3], "mass: 1 partners have more than one weight"),
        (["x"] * 5, "mass: expected numbers"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(table, mass, said):
    with pytest.raises(ParameterError, match=said):
        TacticPanel.from_frame(table.assign(mass=mass), weight="mass", **NAMES)


def test_weights_are_those_of_partners_and_follow_them(table):
    panel = TacticPanel.from_frame(table.assign(mass=[1, 1, 2, 2, 2]), weight="mass", **NAMES)

    assert panel.weight.tolist() == [2, 1]
    assert panel.select(panel.partners == "b").weight.tolist() == [1]
