"""Tactics that go on and off: target trials, who compares, refusals, and truth recovered."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_on_off
from partnerlab.effects.trials import design_of, stack_trials
from partnerlab.errors import SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.verdicts import Stakes

HEALTH = (Known(name="health", at="start", lag=0),)


def _panel(seed=1, name="B", **options):
    frame = simulate_world(name, seed=seed, **options).to_frame()
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])


def _study(**options):
    return TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), **({"covariates": HEALTH} | options))


@pytest.fixture(scope="module")
def effects():
    return estimate_on_off(_panel(), study=_study())


def test_a_trial_knows_the_past_and_nothing_later():
    panel = _panel(partners=60)
    trials = stack_trials(panel, _study())
    row = np.flatnonzero((trials.partner == 7) & (trials.quarter == 5))[0]

    y = panel.outcome[7]
    assert trials.last[row] == y[4]
    assert trials.usual[row] == pytest.approx(y[:5].mean())
    assert trials.earlier[row] == pytest.approx(y[:4].mean())
    assert trials.outcome[row, 0] == y[5]


def test_changing_the_future_changes_no_covariate():
    panel = _panel(partners=60)
    outcome = panel.outcome.copy()
    outcome[:, 8:] += 100.0
    later = dataclasses.replace(panel, outcome=outcome)
    one, other = (stack_trials(each, _study()) for each in (panel, later))
    early = one.quarter < 8

    np.testing.assert_array_equal(one.known[early], other.known[early])
    np.testing.assert_array_equal(one.last[early], other.last[early])


def test_eligible_are_only_those_untreated_before():
    panel = _panel(partners=60)
    trials = stack_trials(panel, _study(untreated_for=2))

    assert not panel.on[trials.partner, trials.quarter - 1].any()
    assert not panel.on[trials.partner, trials.quarter - 2].any()


def test_gaps_leave_rows_and_are_counted():
    panel = _panel(partners=60)
    outcome = panel.outcome.copy()
    outcome[3, 6] = np.nan
    trials = stack_trials(dataclasses.replace(panel, outcome=outcome), _study())

    assert not ((trials.partner == 3) & np.isin(trials.quarter, [6, 7])).any()
    assert ((trials.partner == 3) & (trials.quarter == 8)).any()
    assert next(check for check in trials.checks if check.name == "past known").passed is False


def test_later_outcomes_are_read_at_each_horizon():
    table = estimate_on_off(_panel(), study=_study(horizon=1), by_tier=False).table

    assert table["at"].tolist() == [0, 1]
    assert table["n"].iloc[1] < table["n"].iloc[0]


def test_columns_that_repeat_others_leave_the_design():
    x = np.random.default_rng(0).standard_normal((50, 2))

    design, kept = design_of(np.column_stack([x, x @ [1, 2], np.ones(50)]))

    assert kept.tolist() == [0, 1]
    assert design.shape == (50, 3)


def test_the_order_of_partners_does_not_matter(effects):
    frame = simulate_world("B", seed=1).to_frame().sample(frac=1, random_state=3)
    again = estimate_on_off(TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"]), study=_study())

    np.testing.assert_allclose(again.table["estimate"], effects.table["estimate"])


def test_tiers_stand_beside_and_small_ones_say_not_enough_data(effects):
    assert effects.table["group"].tolist() == ["all", "Bronze", "Gold", "Silver"]
    few = estimate_on_off(_panel(), study=_study(minimum=30)).table.set_index("group")
    assert np.isnan(few.loc["Gold", "estimate"])
    assert few.loc["Gold", "partners"] < 30


def test_weighting_makes_the_sides_alike(effects):
    last = effects.balance.set_index("known").loc["outcome 1 quarter before"]

    assert abs(last["before"]) > 0.5
    assert abs(last["after"]) < 0.1


def test_another_tactic_beside_is_adjusted_for_with_its_carry_over():
    random = np.random.default_rng(5)
    panel = _panel()
    call = (random.random(panel.shape) < 0.2 + 0.5 * panel.on).astype(float)
    before = np.hstack([np.zeros((len(call), 1)), call[:, :-1]])
    muddled = dataclasses.replace(panel, outcome=panel.outcome + 0.5 * call + 0.3 * before)
    alone, beside = (
        estimate_on_off(dataclasses.replace(muddled, others=others), study=_study(), by_tier=False).headline()
        for others in ({}, {"call": call})
    )
    truth = simulate_world("B", seed=1).truth

    assert alone["conf_low"] > truth
    assert beside["conf_low"] < truth < beside["conf_high"]


def test_what_separates_the_sides_is_refused():
    panel = _panel()
    told = dataclasses.replace(panel, covariates={"health": panel.on.astype(float)})

    with pytest.raises(SampleError, match="separates partners with it from those without"):
        estimate_on_off(told, study=_study())


def test_a_tactic_that_all_have_at_once_is_refused():
    panel = _panel()
    treated = np.zeros(panel.shape)
    treated[:, 6:] = 1

    with pytest.raises(SampleError, match="every partner had it at once, first in"):
        estimate_on_off(dataclasses.replace(panel, treated=treated), study=_study())


def test_three_managers_are_too_few():
    with pytest.raises(SampleError, match="only 3 managers used it"):
        estimate_on_off(_panel(managers=3), study=_study())


def test_truth_lies_in_the_interval_as_often_as_said():
    worlds = [simulate_world("B", seed=seed) for seed in range(40)]
    rows = [estimate_on_off(_panel(seed), study=_study(), by_tier=False).headline() for seed in range(40)]
    errors = np.array([row["estimate"] - world.truth for row, world in zip(rows, worlds, strict=True)])
    inside = [row["conf_low"] <= world.truth <= row["conf_high"] for row, world in zip(rows, worlds, strict=True)]

    assert abs(errors.mean()) < 0.01
    assert np.mean(inside) >= 0.85


def test_a_partner_that_stands_for_several_is_several_partners():
    frame = simulate_world("B", seed=3, partners=100).to_frame()
    names = frame["partner"].unique()
    copies = {partner: 1 + place % 2 for place, partner in enumerate(names)}
    twice = pd.concat([frame, frame[frame["partner"].map(copies) == 2].assign(partner=lambda rows: rows["partner"] + " again")])
    asked = {"manager": "manager", "tier": "tier", "covariates": ["health"]}
    weighted = TacticPanel.from_frame(frame.assign(mass=frame["partner"].map(copies)), weight="mass", **asked)
    one, other = (estimate_on_off(panel, study=_study()).table for panel in (weighted, TacticPanel.from_frame(twice, **asked)))

    np.testing.assert_allclose(one["estimate"], other["estimate"], rtol=1e-6)
    np.testing.assert_allclose(one["std_error"], other["std_error"], rtol=1e-6)
