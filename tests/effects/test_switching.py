"""Starts and stops against who stays: by hand, laws, truth recovered, refusals."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import TacticPanel, TacticStudy, estimate_switching
from partnerlab.errors import SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.verdicts import Stakes

STUDY = TacticStudy(tactic="dinner", stakes=Stakes(unit="leads"), minimum=2)


def liked_world(seed, partners=200, quarters=8, effect=0.4):
    """Managers like strong partners, and keep on who is on; growth is the same for all."""
    random = np.random.default_rng(seed)
    strong = random.standard_normal(partners)
    on, rows = np.zeros(partners), []
    for quarter in range(quarters):
        on = (random.random(partners) < 1 / (1 + np.exp(0.8 - 0.6 * strong - 1.2 * on))).astype(float)
        leads = strong + effect * on + 0.3 * quarter + 0.5 * random.standard_normal(partners)
        rows.append(pd.DataFrame({"partner": np.arange(partners), "quarter": quarter, "dinner": on, "leads": leads}))
    return pd.concat(rows, ignore_index=True)


def _panel(rows):
    return TacticPanel.from_frame(rows, outcome="leads", treated="dinner")


def test_by_hand_starters_are_compared_with_those_still_without_and_stoppers_with_those_still_with_it():
    leads = {"start": [0, 0, 1, 5], "never": [0, 0, 1, 2], "still": [3, 3, 4, 8], "stop": [3, 3, 4, 4]}
    on = {"start": [0, 0, 0, 1], "never": [0, 0, 0, 0], "still": [1, 1, 1, 1], "stop": [1, 1, 1, 0]}
    rows = pd.DataFrame(
        [(f"{name}{twin}", quarter, on[name][quarter], leads[name][quarter]) for name in on for twin in (1, 2) for quarter in range(4)],
        columns=["partner", "quarter", "dinner", "leads"],
    )
    found = estimate_switching(_panel(rows), study=STUDY)

    assert found.at(0, switch="on")["estimate"] == pytest.approx((5 - 1) - (2 - 1))
    assert found.at(0, switch="off")["estimate"] == pytest.approx((8 - 4) - (4 - 4))
    assert found.at(0)["estimate"] == pytest.approx(3.5)
    assert found.at(-2)["estimate"] == pytest.approx(0.0)


def test_the_order_of_rows_and_what_lasts_of_a_partner_do_not_matter():
    rows = liked_world(1)
    lasting = np.random.default_rng(2).normal(0, 50, 200)
    other = rows.assign(leads=rows["leads"] + lasting[rows["partner"]]).sample(frac=1, random_state=1)

    one, two = (estimate_switching(_panel(each), study=STUDY).table for each in (rows, other))

    np.testing.assert_allclose(two[["estimate", "std_error"]], one[["estimate", "std_error"]], rtol=1e-6)


def test_influence_adds_up_to_the_error_of_starting():
    found = estimate_switching(_panel(liked_world(3)), study=STUDY)
    row = found.at(0, switch="on")

    assert np.sqrt((found.influence**2).sum() * row["partners"] / (row["partners"] - 1)) == pytest.approx(row["std_error"])


def test_truth_is_recovered_where_managers_like_strong_partners():
    found = [estimate_switching(_panel(liked_world(seed)), study=STUDY) for seed in range(60)]
    both = pd.DataFrame([each.at(0) for each in found])

    assert abs(both["estimate"].mean() - 0.4) < 3 * both["estimate"].std() / np.sqrt(60)
    assert ((both["conf_low"] <= 0.4) & (both["conf_high"] >= 0.4)).mean() >= 0.87
    assert np.mean([each.pre_trend < 0.1 for each in found]) < 0.25


def test_a_reaction_to_the_last_result_shows_before_the_switch_and_is_gone_given_the_past():
    panels = [
        TacticPanel.from_frame(simulate_world("B", seed=seed).to_frame(), manager="manager", tier="tier", covariates=["health"])
        for seed in range(8)
    ]
    plain = [estimate_switching(panel, study=STUDY) for panel in panels]
    given = [estimate_switching(panel, study=STUDY, given_past=True) for panel in panels]
    truth = np.mean([simulate_world("B", seed=seed).truth for seed in range(8)])

    assert np.mean([each.pre_trend < 0.1 for each in plain]) >= 0.75
    assert all(np.isnan(each.pre_trend) for each in given)
    away = [abs(np.mean([each.at(0, switch="on")["estimate"] for each in found]) - truth) for found in (plain, given)]
    assert away[1] < away[0]


def test_another_tactic_beside_is_adjusted_for():
    random, rows = np.random.default_rng(5), liked_world(6, partners=600)
    call = (random.random(len(rows)) < 0.2 + 0.6 * rows["dinner"]).astype(float)
    panel = TacticPanel.from_frame(rows.assign(leads=rows["leads"] + call, call=call), outcome="leads", treated="dinner", others=["call"])
    beside = estimate_switching(panel, study=STUDY).at(0)
    alone = estimate_switching(dataclasses.replace(panel, others={}), study=STUDY).at(0)

    assert alone["conf_low"] > 0.4
    assert beside["conf_low"] < 0.4 < beside["conf_high"]


def test_without_switches_there_is_one_clear_refusal():
    rows = liked_world(7)
    stays = rows.assign(dinner=(rows["partner"] % 2).astype(float))

    with pytest.raises(SampleError, match="nobody starts or stops it while others of the same status stay") as caught:
        estimate_switching(_panel(stays), study=STUDY)
    assert "\n" not in str(caught.value)


def test_too_few_switchers_are_not_enough_data():
    assert np.isnan(estimate_switching(_panel(liked_world(8)), study=STUDY.model_copy(update={"minimum": 201})).at(0)["estimate"])


def test_holes_that_leave_no_quarter_with_both_sides_leave_that_moment_unknown():
    rows = liked_world(4, partners=20, quarters=5)
    rows.loc[np.random.default_rng(4).random(len(rows)) < 0.4, "leads"] = np.nan
    found = estimate_switching(_panel(rows), study=STUDY.model_copy(update={"horizon": 1}))

    assert found.table["estimate"].isna().any()
    assert np.isfinite(found.at(0)["estimate"])
