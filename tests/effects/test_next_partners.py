"""Whom to give a tactic next: who is asked, what is expected of each, who is left without a number."""

import dataclasses

import numpy as np
import pytest

from partnerlab import compare_tactics, plan_next_partners, simulate_world
from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic
from partnerlab.errors import ParameterError, SampleError

STAKES = {"unit": "leads", "value": 400, "cost": 60, "currency": "EUR"}
STUDY = TacticStudy(tactic="Dinner", stakes=STAKES, covariates=(Known(name="health", at="start", lag=0),))


def _panel(world="B", seed=1, null=False):
    frame = simulate_world(world, seed=seed, null=null).to_frame()
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])


@pytest.fixture(scope="module")
def panel():
    return _panel()


@pytest.fixture(scope="module")
def analysis(panel):
    return analyze_tactic(panel, study=STUDY)


@pytest.fixture(scope="module")
def plan(panel, analysis):
    return plan_next_partners(panel, analysis=analysis, top=10)


def test_everybody_without_it_in_the_last_quarter_is_listed_once(plan, panel):
    without = panel.partners[panel.treated[:, -1] == 0]

    assert plan.keys == ["partner"]
    assert sorted(plan.table["partner"]) == sorted(without)


def test_partners_expect_the_pooled_effect_of_their_tier_near_the_truth(plan, panel):
    known = plan.table.dropna(subset=["estimate"]).groupby("tier").first()
    truth = simulate_world("B", seed=1).truth_by_tier

    for tier, row in known.iterrows():
        assert abs(row["estimate"] - truth[tier]) < 3.5 * row["std_error"]
    assert known["estimate"].max() - known["estimate"].min() < 0.2


def test_value_and_cost_meet_at_break_even(plan):
    row = plan.table.iloc[0]

    assert plan.break_even == pytest.approx(0.15)
    assert row["net_value"] == pytest.approx(400 * row["estimate"] - 60)
    assert row["pays"] > 0.99
    assert plan.table["net_value"].dropna().is_monotonic_decreasing
    assert len(plan.chosen) == 10


def test_partners_like_whom_nobody_had_it_are_listed_as_such_and_last(plan):
    alone = plan.table[~plan.table["overlap"]]

    assert len(alone) > 0
    assert (alone["like"] < 10).all()
    assert alone["estimate"].isna().all()
    assert set(alone["why"]) == {"nobody like it had it"}
    assert alone.index.min() > plan.table.index[plan.table["overlap"]].max()


def test_a_partner_unlike_all_that_had_it_loses_its_number(panel):
    who = int(np.flatnonzero(panel.treated[:, -1] == 0)[0])
    far = np.array(panel.outcome)
    far[who] += 40.0
    moved = dataclasses.replace(panel, outcome=far)
    found = plan_next_partners(moved, analysis=analyze_tactic(moved, study=STUDY))
    row = found.table.set_index("partner").loc[panel.partners[who]]

    assert (row["overlap"], row["chosen"], row["why"]) == (False, False, "nobody like it had it")


def test_of_a_tactic_that_stays_only_those_are_asked_who_never_had_it():
    panel = _panel("A", 1)
    plan = plan_next_partners(panel, analysis=analyze_tactic(panel, study=STUDY))

    assert sorted(plan.table["partner"]) == sorted(panel.partners[panel.adopted == -1])


def test_nobody_is_ranked_by_a_tactic_of_which_nothing_is_known():
    panel = _panel("B", 5, null=True)
    plan = plan_next_partners(panel, analysis=analyze_tactic(panel, study=STUDY))

    assert plan.table["estimate"].isna().all()
    assert not plan.table["chosen"].any()
    assert set(plan.table["why"]) == {"what it does is not known"}
    assert plan.checks[0].passed is False


def test_cells_of_a_page_may_be_brought_along(panel, analysis):
    other = analyze_tactic(_panel("B", 3), study=STUDY.model_copy(update={"tactic": "Call"}))
    page = compare_tactics([analysis, other])
    cells = page.table[page.table["tactic"] == "Dinner"].set_index("tier")["estimate"]
    plan = plan_next_partners(panel, analysis=analysis, effects=page)
    known = plan.table.dropna(subset=["estimate"])

    assert known["estimate"].to_numpy() == pytest.approx(cells.loc[known["tier"]].to_numpy())
    renamed = dataclasses.replace(analysis, study=STUDY.model_copy(update={"tactic": "Lunch"}))
    with pytest.raises(ParameterError, match="no cell of Lunch"):
        plan_next_partners(panel, analysis=renamed, effects=page)


def test_without_a_value_the_largest_effect_comes_first(panel):
    bare = analyze_tactic(panel, study=STUDY.model_copy(update={"stakes": STUDY.stakes.model_copy(update={"value": None})}))
    plan = plan_next_partners(panel, analysis=bare)

    assert np.isnan(plan.break_even)
    assert plan.table["estimate"].dropna().is_monotonic_decreasing
    assert plan.table.loc[plan.table["estimate"].notna(), "chosen"].all()


def test_plans_that_cannot_be_made_are_refused(panel, analysis):
    everybody = np.array(panel.treated)
    everybody[:, -1] = 1.0
    given = dataclasses.replace(panel, treated=everybody)
    last = analyze_tactic(given, study=STUDY)
    with pytest.raises(SampleError, match="nobody to plan for"):
        plan_next_partners(given, analysis=last)
    with pytest.raises(ParameterError, match="top is 0"):
        plan_next_partners(panel, analysis=analysis, top=0)


def test_another_panel_than_the_one_that_was_analysed_is_refused(panel, analysis):
    other = _panel(seed=2)
    longer = dataclasses.replace(panel, first=panel.first + 1)
    renamed = dataclasses.replace(panel, tactic="another")

    for wrong, what in (
        (renamed, "tactic"),
        (other, "treated rows|outcomes"),
        (longer, "quarters"),
        (panel.select(np.arange(300) < 200), "200 partners"),
    ):
        with pytest.raises(ParameterError, match=rf"({what}).*give the panel that was analysed"):
            plan_next_partners(wrong, analysis=analysis)
