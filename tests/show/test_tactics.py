"""Pictures of tactics say what was found and no more; the verdict is a card."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import (
    Known,
    TacticPanel,
    TacticStudy,
    analyze_tactic,
    check_robustness,
    estimate_adoption,
    estimate_association,
    estimate_at_line,
    estimate_by_tier,
    estimate_dose,
)
from partnerlab.errors import ParameterError
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
    assert "holds for all quarters" in shown.note


def test_without_an_effect_the_headline_claims_none():
    assert plot(estimate_adoption(_panel("A", null=True), study=STUDY)).headline.startswith("No clear difference after adoption")


def test_readings_stand_side_by_side_under_the_verdict(analyses):
    shown = plot(analyses["B"])

    assert shown.headline.startswith("Grade B: Dinner likely raised leads")
    assert [text for text in ("Treated less untreated", "Two-way fixed effects", "Target trials") if text not in shown.alt] == []


def test_with_a_doubt_no_reading_is_believed(analyses):
    shown = plot(analyses["C"])

    assert shown.headline.startswith(("Grade C: ", "Grade D: "))
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


def test_the_band_of_the_event_study_is_drawn_where_adopters_are_many(analyses):
    shown = plot(estimate_adoption(_panel("A"), study=STUDY), unit="leads")

    assert "quarter with few adopters not drawn" in shown.note
    assert {"band_low", "band_high"} <= set(shown.table.columns)


def test_effects_of_an_on_and_off_tactic_stand_by_quarter_and_tier(analyses):
    shown = plot(analyses["B"], view="effects")

    assert shown.headline.startswith("Difference in leads given the past. Same quarter: 0.2")
    assert [text for text in ("Bronze", "Silver", "Gold", "Same quarter") if text not in shown.alt] == []
    assert "not pooled" in shown.note


def test_a_tactic_with_a_delay_is_not_said_to_work_in_its_own_quarter(analyses):
    shown = plot(analyses["B"].effects, unit="leads", delay=1)

    assert "1 quarter later: 0.2" in shown.headline
    assert "ame quarter" not in shown.alt


def test_the_assignment_says_reasons_and_the_design_they_leave(analyses):
    assert plot(analyses["B"], view="assignment").headline.startswith("Managers reacted to the last result")
    assert plot(analyses["C"], view="assignment").headline.endswith("No design is identified: a randomised test would settle it")


def test_an_analysis_has_three_views(analyses):
    with pytest.raises(ParameterError, match="it is readings, effects or assignment"):
        plot(analyses["B"], view="sideways")


def _cells(estimates):
    return pd.DataFrame(
        {
            "tactic": ["Dinner"] * 3 + ["Webinar"] * 3,
            "tier": ["Bronze", "Silver", "Gold"] * 2,
            "estimate": estimates,
            "std_error": [0.2, 0.1, 0.3, 0.2, 0.1, 0.3],
            "n": 90,
        }
    )


def test_cells_are_pooled_and_the_raw_ones_stand_beside():
    shown = plot(estimate_by_tier(_cells([0.6, 0.4, 0.9, 0.0, 0.1, -0.4]), evidence=Evidence.B), unit="leads")

    assert "which is best cannot be told" in shown.headline
    assert "raw 0.90" in shown.alt
    assert "pooled over 6 cells" in shown.note


def test_cells_of_a_tactic_in_doubt_are_no_effects():
    shown = plot(estimate_by_tier(_cells([0.6, 0.4, 0.9, 0.0, 0.1, -0.4]), evidence=Evidence.C), unit="leads")

    assert shown.headline == "A difference in leads in 3 of 6 cells, pooled, of which no cause is known (grade C)"


def test_cells_without_a_clear_effect_are_not_ranked():
    shown = plot(estimate_by_tier(_cells([0.1, 0.1, 0.2, 0.0, 0.1, -0.1])))

    assert shown.headline == "No clear difference in any of 6 cells, pooled"


def test_a_line_is_drawn_with_points_curves_and_the_jump_between():
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"score": rng.uniform(0, 100, 1500)})
    rows["leads"] = 0.02 * rows["score"] + (rows["score"] >= 60) + rng.normal(0, 0.8, 1500)
    found = estimate_at_line(rows, score="score", line=60, outcome="leads")
    shown = plot(found, unit="leads")

    assert shown.headline.startswith("A jump in leads at the line: 1.")
    assert found.curves["at_line"].diff().iloc[1] == pytest.approx(found.effect["estimate"])
    assert set(found.bins["side"]) == {"below", "above"}


def test_doses_lie_over_the_region_that_does_not_matter():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"days": np.repeat([90, 180, 365], 300)})
    rows["leads"] = 2.0 + 1.0 * (rows["days"] >= 180) + rng.normal(size=900)
    shown = plot(estimate_dose(rows, dose="days", outcome="leads", material=0.5, reference=180), dose="days", unit="leads")

    assert shown.headline == "Against days 180: 90: less; 365: no effect larger than 0.5"
    assert "a dose whose interval leaves the shade is not shown to be without effect" in shown.note


def test_many_doses_are_drawn_as_one_more_of_them():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"hours": rng.gamma(2, 4, 600), "leads": rng.normal(size=600)})
    shown = plot(estimate_dose(rows, dose="hours", outcome="leads", material=2.0), dose="hours", unit="leads")

    assert shown.headline.startswith("One more of hours: no effect larger than 2 from")
    assert shown.n == 600
    assert "plus and minus" in shown.alt


def test_doses_that_tell_nothing_are_not_called_equal():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"days": np.repeat([90, 180], 10), "leads": rng.normal(size=20)})
    shown = plot(estimate_dose(rows, dose="days", outcome="leads", material=0.1))

    assert shown.headline.startswith("Whether dose matters cannot be told")


def test_what_went_together_is_shown_pooled_and_within():
    rng = np.random.default_rng(0)
    strength = np.repeat(rng.normal(size=60), 6)
    rows = pd.DataFrame({"partner": np.repeat(np.arange(60), 6), "calls": rng.poisson(np.exp(0.5 * strength))})
    rows["leads"] = 5 + 3 * strength + 0.2 * rows["calls"] + rng.normal(size=360)
    shown = plot(estimate_association(rows, tactic="calls", outcome="leads"))

    assert shown.headline.startswith("Grade C: Calls went together with")
    assert "Between all rows: 1.2" in shown.alt
    assert "Within partners: 0.2" in shown.alt


@pytest.fixture(scope="module")
def card(analyses):
    return check_robustness(analyses["B"], panel=_panel("B"))


def test_the_card_of_doubts_names_each_check_with_its_number(card):
    shown = plot(card)

    assert shown.headline.startswith("The finding stands against")
    assert [text for text in ("Overlap: stands", "E-value: stands", "Regression to the mean: yardstick") if text not in shown.alt] == []
    assert tabulate(card).heads == ("check", "finding", "number", "held against", "says")


def test_what_overturns_a_finding_is_in_the_headline(card):
    table = card.table
    table.loc[table["check"] == "E-value", "stands"] = False
    shown = plot(dataclasses.replace(card, table=table))

    assert shown.headline == f"Overturned by 1 of {len(table)} checks: e-value"


def test_where_nothing_is_found_there_is_nothing_to_overturn(card):
    assert plot(dataclasses.replace(card, evidence=Evidence.D)).headline.startswith("There is no finding to overturn")
