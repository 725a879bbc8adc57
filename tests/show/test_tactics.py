"""Pictures of tactics say what was found and no more; the verdict is a card."""

import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic, estimate_adoption
from partnerlab.intake.simulate import simulate_world
from partnerlab.results import Evidence
from partnerlab.show import plot, tabulate
from partnerlab.verdicts import Stakes, Verdict

STUDY = TacticStudy(
    tactic="Dinner", stakes=Stakes(unit="leads", value=400, cost=40, currency="EUR"),
    covariates=(Known(name="health", at="start", lag=0),),
)  # fmt: skip


def _panel(name, **options):
    frame = simulate_world(name, seed=1, **options).to_frame()
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])


@pytest.fixture(scope="module")
def analyses():
    return {name: analyze_tactic(_panel(name), study=STUDY) for name in "BC"}


def test_the_event_study_says_the_effect_with_interval_and_n():
    effects = estimate_adoption(_panel("A"), study=STUDY)
    shown = plot(effects, unit="leads")

    assert shown.headline.startswith("Adopters' difference in leads per partner-quarter: 0.2")
    assert f"n\xa0=\xa0{int(effects.at('overall')['n'])}" in shown.headline
    assert "hold for all quarters" in shown.note


def test_without_an_effect_the_headline_claims_none():
    assert plot(estimate_adoption(_panel("A", null=True), study=STUDY)).headline.startswith("No clear difference after adoption")


def test_readings_stand_side_by_side_under_the_verdict(analyses):
    shown = plot(analyses["B"])

    assert shown.headline.startswith("Grade B: Dinner likely raised leads")
    assert [text for text in ("Treated less untreated", "Two-way fixed effects", "Target trials") if text not in shown.alt] == []


def test_with_a_doubt_no_reading_is_believed(analyses):
    shown = plot(analyses["C"])

    assert shown.headline.startswith("Grade D: Cannot tell")
    assert "no reading is believed" in shown.note


def test_the_card_holds_what_would_overturn_it_and_the_money(analyses):
    rows = dict(tabulate(analyses["B"].verdict).rows)

    assert rows["grade"].startswith("B: ")
    assert "differ by" in rows["overturned by"]
    assert "EUR per partner-quarter" in rows["net value"]
    assert rows["counted"].endswith("30 managers")


def test_a_card_without_money_says_nothing_of_it():
    verdict = Verdict(tactic="Call", grade=Evidence.B, estimate=0.1, std_error=0.2, n=50, partners=20, stakes=Stakes(unit="leads"),
                      assumption="alike is alike")  # fmt: skip

    assert "pays" not in dict(tabulate(verdict).rows)
