"""Sentences written from results say what their intervals and checks bear out, and no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab.report.readings import read_result, say_moves
from partnerlab.results import TIDY, Check, Result
from partnerlab.transitions import ForecastComparison, Movers, TierForecast
from partnerlab.transitions.movers import FALSE_ALARMS


def movers(beyond, *, n=33, expected=(21.0, 15.0, 31.0), sure=True, stated=0, decided=0):
    """Movers of a quarter: so many beyond noise first, then those by statement, then those by decision."""
    at = np.arange(n)
    table = pd.DataFrame(
        {
            **dict.fromkeys(TIDY, 0.5),
            "beyond_noise": at < beyond,
            "stated": (at >= beyond) & (at < beyond + stated),
            "decided": np.where((at >= beyond + stated) & (at < beyond + stated + decided), "override ended", ""),
        }
    )
    center, low, high = expected
    return Movers(
        estimand="Moves",
        table=table,
        level=0.95,
        checks=(Check(FALSE_ALARMS, True if sure else None, ""),),
        quarter="2026Q3",
        at_risk=381,
        expected=center,
        expected_low=low,
        expected_high=high,
    )


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (movers(0, n=20), "no tier move can be told from noise"),
        (movers(0), "more partners changed tier (33) than noise alone would move (15 to 31), but no single move stands out"),
        (movers(0, n=9), "fewer partners changed tier (9) than noise alone would move (15 to 31); no single move stands out"),
        (movers(1), "1 tier move is beyond noise"),
        (
            movers(19, sure=False),
            "19 tier moves stand out, but these counts vary more than chance counts do, so some of them are usual swings",
        ),
        (movers(0, stated=4, decided=2), "no tier move can be told from noise"),
    ],
)
def test_the_headline_says_of_moves_what_total_and_checks_bear_out(result, said):
    assert say_moves(result) == said


def test_moves_by_statement_and_decision_are_counted_apart():
    said = read_result(movers(0, stated=4, decided=2))

    assert said[0] == "27 partners of 381 changed tier in 2026Q3 by their counts; noise alone would have moved 21 (15 to 31)."
    assert said[2].startswith("4 moves followed a value stated anew")
    assert said[3].startswith("2 moves came by somebody's decision")


def test_moves_of_wild_counts_are_not_called_beyond_noise():
    assert "beyond noise" not in " ".join(read_result(movers(19, sure=False)))


def forecast_rows(now):
    rows = [("KEY", 34.0, 30.0, 38.0, 34), ("lapsed", 231.0, 222.0, 241.0, now)]
    return pd.DataFrame(rows, columns=["tier", "estimate", "conf_low", "conf_high", "now"]).assign(quarter="2026Q4", std_error=2.0, n=381)


def test_expected_lapses_are_said_beside_the_tiers():
    said = read_result(TierForecast(estimand="Partners", table=forecast_rows(219), level=0.95, checks=(), quarters=("2026Q4",)))

    assert said[1] == "Today's number lies inside the interval of every tier: no tier is clearly growing or shrinking."
    assert said[2] == "Lapsed partners are expected to grow by 12 (3 to 22)."


@pytest.mark.parametrize(("ours", "said"), [(34.0, "about as close as"), (20.0, "closer than"), (50.0, "further off than")])
def test_a_forecast_is_called_closer_only_where_more_than_rounding_parts_them(ours, said):
    table = pd.DataFrame(
        {
            **dict.fromkeys(TIDY, 1.0),
            "tier": ["KEY"],
            "quarter": "2026Q3",
            "actual": 90,
            "inside": True,
            "error": ours,
            "persistence_error": -37,
        }
    )

    assert f"partners, {said} 'as last quarter' (37)" in read_result(ForecastComparison(estimand="", table=table, level=0.95, checks=()))[1]


@pytest.fixture(scope="module")
def walks():
    rng = np.random.default_rng(5)
    rows = [(f"p{p:02}", f"{2024 + q // 4}Q{q % 4 + 1}", ("Gold", "Base")[int(rng.random() < 0.6)]) for p in range(40) for q in range(9)]
    return lab.TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["Gold", "Base"])


def test_where_partners_are_is_said_with_intervals(walks):
    said = read_result(lab.estimate_state_occupancy(walks))

    assert said[0].startswith("After 4 quarters: Gold ")
    assert "; Base " in said[0]
    assert said[1].startswith("After 8 quarters: ")


def test_time_in_each_tier_and_first_entry_are_said(walks):
    assert read_result(lab.estimate_sojourn(walks, tau=8))[0].startswith("Of 8 quarters, a partner spends on average ")
    entered = read_result(lab.estimate_first_passage(walks, into="Gold", initial="Base"))
    assert entered[0].startswith("Have entered Gold: ")
    assert entered[1].startswith("Half have entered after ")


def test_mobility_is_said_on_a_scale_that_is_explained(walks):
    said = read_result(lab.estimate_mobility(walks))

    assert said[0].startswith("On a scale from 0 (nobody moves) to 1 ")
    assert said[1].startswith("Steps spent in a tier on average before it is left: Gold ")


def test_a_failed_check_of_any_result_is_said_to_have_failed():
    table = pd.DataFrame({name: [1.0] for name in TIDY})
    result = Result(estimand="A number", table=table, checks=(Check("All is well", False, "It is not."),))

    assert read_result(result) == ("A number.", "Not passed: all is well. It is not.")


# --- ways of ending, scores, models of moves


def test_ways_of_ending_are_named_as_they_are():
    rows = pd.DataFrame({"partner": range(40), "duration": [2, 3, 5, 9] * 10, "event": ["promotion", "lapsed", "", ""] * 10})
    said = read_result(lab.estimate_incidence(lab.Spells.from_frame(rows)))

    assert [one.split(" after")[0] for one in said] == ["Lapsed: 25\xa0%", "Promotion: 25\xa0%"]


def test_a_score_worse_than_one_curve_for_all_is_called_worse():
    rows = pd.DataFrame({"partner": range(40), "duration": [2, 3, 5, 9] * 10, "event": [1, 1, 0, 0] * 10})
    told, said = lab.Spells.from_frame(rows), pd.DataFrame({"partner": range(40), "time": 4.0, "risk": [0.1, 0.1, 0.9, 0.9] * 10})

    assert " worse than one curve for all (" in read_result(lab.estimate_brier(told, predictions=said))[0]
    assert " better than one curve for all (" in read_result(lab.estimate_brier(told, predictions=said.assign(risk=1 - said["risk"])))[0]
    assert read_result(lab.estimate_auc(told, predictions=said))[0].endswith("0.5 is chance, 1 a perfect order.")


def test_tiers_with_few_moves_are_named_in_one_line():
    rows = pd.DataFrame(
        {"partner": range(120), "quarter": 1, "from_tier": ["A", "B", "A"] * 40, "to_tier": ["A", "B", "B"] + ["A", "B", "A"] * 39}
    )
    rows["late"] = rows["partner"] % 4
    said = read_result(lab.estimate_transition_model(lab.Transitions.from_frame(rows, order=["A", "B"]), covariates=["late"]))

    assert "A: few moves stand behind the estimates." in said
