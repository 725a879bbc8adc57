"""Tactics that were watched: calls on physicians, displays at retailers, a training against men who were never asked."""

import numpy as np
import pandas as pd
import pytest

from partnerlab import Known, Stakes, TacticPanel, TacticStudy, analyze_tactic, check_assignment, estimate_association
from partnerlab.results import Evidence
from partnerlab.show import plot, tabulate

pytestmark = pytest.mark.external

#: What the men were known by before the training.
KNOWN = ("age", "educ", "black", "hisp", "marr", "nodegree")


@pytest.fixture(scope="module")
def folder(external_data):
    return external_data / "data" / "engagement_experiments"


@pytest.fixture(scope="module")
def known(facts):
    return facts("engagement_experiments")


@pytest.fixture(scope="module")
def calls(folder):
    rows = pd.read_csv(folder / "detailing_counts.csv.gz")
    return rows.assign(month=rows.groupby("id").cumcount(), called=(rows["detailing"] > 0).astype(int))


@pytest.fixture(scope="module")
def displays(folder):
    rows = pd.read_csv(folder / "cheese.csv.gz")
    more = {"volume": np.log(rows["VOLUME"]), "price": np.log(rows["PRICE"]), "week": rows.groupby("RETAILER").cumcount()}
    return rows.assign(**more, shown=(rows["DISP"] > 0).astype(int))


@pytest.fixture(scope="module")
def training(folder):
    """The men who were trained, and those of a survey who were never asked, over three years."""
    men = pd.concat([pd.read_csv(folder / "nsw_training.csv.gz").query("treat == 1"), pd.read_csv(folder / "cps_controls.csv.gz")])
    men = men.reset_index(drop=True).assign(man=lambda rows: [f"m{row:05d}" for row in rows.index])
    years = {74: 0, 75: 1, 78: 2}
    rows = pd.concat([men.assign(year=at, earned=men[f"re{year}"], trained=men["treat"] * (year == 78)) for year, at in years.items()])
    panel = TacticPanel.from_frame(rows, partner="man", quarter="year", outcome="earned", treated="trained", covariates=list(KNOWN))
    study = TacticStudy(
        tactic="Training", stakes=Stakes(unit="USD", per="man", material=500),
        covariates=tuple(Known(name=name, at="start", lag=0) for name in KNOWN),
    )  # fmt: skip
    return analyze_tactic(panel, study=study)


def test_calls_on_physicians_are_an_association_pooled_against_within(calls, known):
    found = estimate_association(calls, tactic="detailing", outcome="scripts", partner="id", stakes=Stakes(unit="scripts", per="call"))
    read = found.table.set_index("reading")

    assert read.loc["pooled", "estimate"] == pytest.approx(known["detailing"]["pooled_OLS"], abs=5e-5)
    assert read.loc["within", ["estimate", "std_error"]].tolist() == pytest.approx(known["detailing"]["within_FE"], abs=1.5e-4)
    assert found.verdict.earned is Evidence.C
    assert found.verdict.statement.startswith("Detailing went together with 0.14 more scripts per call")
    assert found.verdict.action == "test"
    assert found.checks[0].passed is False


def test_the_picture_of_calls_shows_both_readings(calls):
    shown = plot(
        estimate_association(calls, tactic="detailing", outcome="scripts", partner="id", stakes=Stakes(unit="scripts", per="call"))
    )

    assert shown.headline.startswith("Grade C: Detailing went together with")
    assert "Between all rows: 0.94" in shown.alt
    assert "Within partners: 0.14" in shown.alt


def test_calls_follow_the_last_month_and_earn_no_better_grade(calls):
    panel = TacticPanel.from_frame(calls, partner="id", quarter="month", outcome="scripts", treated="called")
    found = analyze_tactic(panel, study=TacticStudy(tactic="Calls", stakes=Stakes(unit="scripts", per="physician-month")))
    read = found.table.set_index("reading")["estimate"]

    assert found.verdict.earned in (Evidence.C, Evidence.D)
    assert read["naive"] > 3
    assert abs(read["two-way"]) < 1


def test_displays_at_retailers_are_an_association_pooled_against_within(displays, known):
    found = estimate_association(
        displays,
        tactic="DISP",
        outcome="volume",
        partner="RETAILER",
        covariates=["price"],
        stakes=Stakes(unit="log volume", per="full display"),
    )
    read = found.table.set_index("reading")["estimate"]

    assert read["within"] == pytest.approx(known["cheese"]["FE_logvolume_on_DISP"], abs=5e-4)
    assert read["pooled"] == pytest.approx(0.513, abs=5e-4)
    assert found.verdict.earned is Evidence.C
    assert "went together with" in found.verdict.statement


def test_displays_were_given_for_both_reasons_so_no_design_is_left(displays):
    panel = TacticPanel.from_frame(displays, partner="RETAILER", quarter="week", outcome="volume", treated="shown", covariates=["price"])
    study = TacticStudy(tactic="Display", stakes=Stakes(unit="log volume", per="store-week"))

    assert check_assignment(panel, study=study).design == "none"
    assert analyze_tactic(panel, study=study).verdict.earned in (Evidence.C, Evidence.D)


def test_a_training_against_men_never_asked_is_not_trusted_whatever_it_says(training, known):
    assert training.verdict.earned is Evidence.D
    assert training.verdict.statement.startswith("Cannot tell what Training did to USD")
    failed = {check.name: check.detail for check in training.checks if check.passed is False}
    assert "p = 0.046" in failed["pre-trend"]
    assert "among partners alike in past results the effect differs by −1,367" in failed["readings agree"]
    naive = training.table.set_index("reading").loc["naive"]
    assert naive["estimate"] < 0 < known["nsw"]["ATE_re78"]


def test_its_page_says_why_with_the_experiment_beside_it(training, known):
    truth = known["nsw"]["ATE_re78"]
    shown = plot(training, beside={"The experiment on the same men": truth})
    card = dict(tabulate(training.verdict).rows)

    assert shown.headline.startswith("Grade D: Cannot tell what Training did")
    assert "no reading is believed" in shown.note
    assert "The experiment on the same men: 1,794" in shown.alt
    assert card["grade"].startswith("D: ")
    assert card["do"] == "test"
