"""The capability score by its published worked examples, from certificates to the tier that is held."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierScheme, assign_tiers, explain_tier, lint_scheme, plan_steps

ADMIN, NETWORK, STACK = "azure-administrator", "azure-network-engineer", "azure-stack-hub-operator"
ARCHITECT, DESKTOP = "azure-solutions-architect", "azure-virtual-desktop-specialty"
SCHEME = TierScheme.load("azure_infrastructure")


def history_from(people: dict[str, list[str]], *, month: str = "2023-10", **profile: float):
    """Walk from certificates (person to programs) to tiers in one month."""
    rows = [
        {"cert_id": f"{person}-{program}", "partner_id": "p", "program": program, "person_id": person, "issued_at": "2023-01-01"}
        for person, programs in people.items()
        for program in programs
    ]
    facts = [
        {"partner_id": "p", "field": field, "number": number, "source": "measured", "valid_from": "2023-01-01"}
        for field, number in profile.items()
    ]
    tables = {
        "partners": pd.DataFrame({"partner_id": ["p"], "joined_at": ["2022-01-01"]}),
        "certifications": pd.DataFrame(rows),
        "partner_profile": pd.DataFrame(facts, columns=["partner_id", "field", "number", "source", "valid_from"]),
    }
    source = lab.connect(tables, program=lab.Program(name="demo", cadence="month", data_until="2024-09-01"))
    return assign_tiers(lab.build_panel(source, first=month, last=month, indicators=SCHEME.indicators), SCHEME)


@pytest.mark.parametrize(
    ("people", "month", "points"),
    [
        ({"A": [ADMIN], "B": [ADMIN], "C": [NETWORK], "D": [NETWORK]}, "2023-10", 8),
        ({"A": [ADMIN, NETWORK], "B": [ADMIN, NETWORK]}, "2023-10", 8),
        ({"A": [ADMIN], "B": [NETWORK], "C": [NETWORK]}, "2023-10", 0),
        ({"A": [ADMIN], "B": [ADMIN, NETWORK], "C": [NETWORK]}, "2023-10", 8),
        ({"A": [ADMIN], "B": [ADMIN], "C": [STACK]}, "2023-10", 4),
        ({"A": [ADMIN], "B": [ADMIN], "C": [STACK]}, "2024-08", 0),
    ],
)
def test_intermediate_points_of_the_published_examples(people, month, points):
    assert history_from(people, month=month).scores.parts["pcs"]["intermediate"].item() == points


FIVE = {person: [ADMIN, NETWORK, ARCHITECT, DESKTOP] for person in "ABCDE"}


def test_the_whole_score_of_the_published_example():
    history = history_from(FIVE, net_customer_adds=2, usage_growth_pct=12, deployments=4)

    assert history.scores.values["pcs"].item() == 80
    assert history.names().item() == "Qualified"


def test_a_metric_at_zero_does_not_qualify_whatever_the_score():
    history = history_from(FIVE, net_customer_adds=3, usage_growth_pct=20, deployments=0)

    assert history.scores.values["pcs"].item() == 90
    assert history.names().item() == "In progress"


def test_what_was_never_said_is_unknown():
    assert history_from(FIVE, net_customer_adds=3, usage_growth_pct=20).names().item() == "unknown"


def test_who_qualified_is_enrolled_until_the_anniversary():
    months = [f"{year}-{month:02d}" for year in (2023, 2024, 2025) for month in range(1, 13)]
    good = dict.fromkeys(
        ("step1_admin", "step2_inter", "step1_arch", "step2_adv", "net_customer_adds", "usage_growth_pct", "deployments"), 5.0
    )
    rows = pd.DataFrame([{"partner": "p", "quarter": month, **good} for month in months])
    rows.loc[3:, "deployments"] = 0.0
    held = assign_tiers(Panel.from_frame(rows), SCHEME).names(None)[0]

    # qualified January to March 2023, the best of six months until August, then safe until the anniversary in January
    assert np.flatnonzero(held == "In progress")[0] == 12


def test_the_shipped_scorecards_have_nothing_wrong_with_them():
    assert "error" not in lint_scheme(SCHEME)["grade"].tolist()
    assert lint_scheme(TierScheme.load("kpi")).query("grade == 'error'").empty


def kpi(goal: str = "brand_and_leads", **changes) -> tuple[float, str]:
    scheme = TierScheme.load("kpi").model_copy(update={"goal": goal})
    facts = {
        "deals_registered_4q": 10.0,
        "leads_4q": 40.0,
        "certified": 3.0,
        "enablement": 0.5,
        "win_rate": 0.25,
        "revenue_4q": 250000.0,
        "references": 1.0,
    }
    panel = Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", "market": "established", **facts, **changes}]))
    history = assign_tiers(panel, scheme)
    return round(history.scores.values["total"].item(), 6), history.names().item()


def test_the_kpi_scorecard_by_hand():
    # .3 x 1/2 + .3 x 1 + .1 x .7 + .05 x .5 + .1 x .5 + .1 x .5 + .05 x 1/4 = .6575
    assert kpi() == (65.75, "Gold")


def test_the_same_partner_under_another_goal():
    # .05 x 1/2 + .05 x 1 + .3 x .7 + .3 x .5 + .1 x .5 + .1 x .5 + .1 x 1/4 = .56
    assert kpi("scale_of_service") == (56.0, "Silver")


def test_an_emerging_market_has_its_own_standard():
    # deals 10 of 10, revenue more than full: .3 + .3 + .07 + .025 + .05 + .1 + .0125 = .8575
    assert kpi(market="emerging") == (85.75, "Platinum")


def test_an_unknown_kpi_is_left_out_of_the_mean():
    # without the win rate: .6075 / .9
    assert kpi(win_rate=float("nan")) == (67.5, "Gold")


def test_an_explanation_states_points_short_and_headroom_of_each_part():
    history = history_from(FIVE, net_customer_adds=1, usage_growth_pct=5, deployments=2)
    explanation = explain_tier(history, partner="p", quarter="2023-10")

    # 10 + 20 + 20 + 5 + 4 = 59 points: 11 short of 70
    assert explanation.missing("Qualified")[["fact", "value", "gap"]].to_numpy().tolist() == [["pcs", 59.0, 11.0]]
    assert explanation.parts.set_index("part")["headroom"].to_dict() == {
        "performance": 20.0, "intermediate": 0.0, "advanced": 0.0, "usage": 15.0, "deploy": 6.0,
    }  # fmt: skip


def test_prerequisites_stand_before_what_they_open():
    one_admin = dict.fromkeys(("step2_inter", "step1_arch", "step2_adv", "net_customer_adds", "usage_growth_pct", "deployments"), 5.0)
    panel = Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2023-10", "step1_admin": 1.0, **one_admin}]))
    explanation = explain_tier(assign_tiers(panel, SCHEME), partner="p", quarter="2023-10")
    missing = explanation.missing("Qualified")

    # 30 + 0 + 20 + 5 + 10 = 65 points; the second administrator opens 20 more
    assert missing[["fact", "value", "to_move", "opens"]].to_numpy().tolist() == [
        ["step1_admin", 1.0, 2.0, "intermediate"], ["pcs", 65.0, 70.0, ""], ["intermediate", 0.0, 0.0, ""],
    ]  # fmt: skip
    assert "step1_admin is 1, needs >= 2 (first: it opens intermediate)" in explanation.summary()


def test_the_cheapest_mix_of_steps_names_prerequisites_first():
    one_admin = dict.fromkeys(("step2_inter", "step1_arch", "step2_adv", "net_customer_adds", "usage_growth_pct", "deployments"), 5.0)
    panel = Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2023-10", "step1_admin": 1.0, **one_admin}]))
    costs = {"usage_growth_pct": 1.0, "step1_admin": 3.0}
    plan = plan_steps(assign_tiers(panel, SCHEME), partner="p", quarter="2023-10", tier="Qualified", costs=costs)

    assert plan[["fact", "steps"]].to_numpy().tolist() == [["step1_admin", 1]]
