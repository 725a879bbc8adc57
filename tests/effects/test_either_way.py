"""Target trials read either way: where managers see more of partners than results tell, the truth lies between two readings."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab import Stakes, TacticPanel, TacticStudy, analyze_tactic, estimate_on_off
from partnerlab.effects import Known
from partnerlab.effects.on_off import _span
from partnerlab.effects.trials import stack_trials
from partnerlab.intake.simulate import simulate_world

STUDY = TacticStudy(tactic="tactic", stakes=Stakes(unit="leads"), delay=1)


def _program(seed: int, *, partners: int, quarters: int = 9, ratio: float = 1.3) -> tuple[pd.DataFrame, float]:
    """Managers give it to partners of whom they think well, and see how they stand where the data count a few leads; and the truth."""
    rng = np.random.default_rng(seed)
    stands = np.zeros((partners, quarters))
    stands[:, 0] = rng.normal(size=partners)
    for quarter in range(1, quarters):
        stands[:, quarter] = 0.7 * stands[:, quarter - 1] + np.sqrt(1 - 0.7**2) * rng.normal(size=partners)
    level = rng.normal(size=(partners, 1))
    on = rng.random((partners, quarters)) < 1 / (1 + np.exp(2.0 - level - stands))
    rate = np.exp(0.7 + 0.5 * level + 0.3 * stands)
    plain = rate.copy()
    rate[:, 1:] *= np.where(on[:, :-1], ratio, 1.0)
    partner, quarter = np.divmod(np.arange(partners * quarters), quarters)
    table = pd.DataFrame(
        {"partner": partner, "quarter": quarter, "outcome": rng.poisson(rate).ravel(), "treated": on.ravel(), "manager": partner % 40}
    )
    trials = on[:, 1:-1]  # those with a quarter behind them, and one ahead in which it works
    return table, float((plain[:, 2:] * (ratio - 1))[trials].mean())


@pytest.fixture(scope="module")
def made():
    table, truth = _program(1, partners=2500)
    return TacticPanel.from_frame(table, manager="manager").later(1), truth


def _changes(panel):
    """Read the change since the last result, with the same partners and what was known before it."""
    trials = stack_trials(panel, STUDY)
    return trials, trials.since_last()


def test_the_change_since_the_last_result_is_read_without_holding_it_fixed(made):
    trials, changes = _changes(made[0])

    np.testing.assert_array_equal(changes.outcome[:, 0], trials.outcome[:, 0] - trials.last)
    np.testing.assert_array_equal(changes.past[0][:, 0], trials.earlier)


def test_the_truth_lies_between_the_two_readings_where_managers_see_more_than_results_tell(made):
    panel, truth = made
    past = estimate_on_off(panel, study=STUDY).headline()
    both = estimate_on_off(panel, study=STUDY, either_way=True).headline()

    assert past["conf_low"] > truth
    assert both["conf_low"] < truth < both["conf_high"]
    assert abs(both["estimate"] - truth) < abs(past["estimate"] - truth)


def test_the_interval_that_holds_two_is_theirs_by_hand():
    one = {"estimate": 2.0, "std_error": 0.5, "conf_low": 1.0, "conf_high": 3.0}
    other = {"estimate": 1.5, "std_error": 0.4, "conf_low": 0.7, "conf_high": 2.3}

    assert _span(one, other) == pytest.approx({"estimate": 1.85, "std_error": 0.575, "conf_low": 0.7, "conf_high": 3.0})
    assert _span(one, one) == pytest.approx(one)


def test_a_reading_that_cannot_be_made_leaves_the_span_unknown():
    one = {"estimate": 2.0, "std_error": 0.5, "conf_low": 1.0, "conf_high": 3.0}

    assert all(np.isnan(value) for value in _span(one, dict.fromkeys(one, np.nan)).values())


def test_a_delay_is_read_either_way_and_says_so(made):
    found = analyze_tactic(made[0].select(np.arange(len(made[0].partners)) < 500), study=STUDY)

    assert found.effects.either_way
    assert any(check.name == "either way" and "the interval holds both readings" in check.detail for check in found.checks)
    assert found.verdict.assumption.startswith(
        "nothing unseen moved both who had it and what came of it, given earlier leads and tier, but what moved leads before already"
    )


def test_managers_who_react_to_a_result_that_was_known_leave_one_reading():
    panel = TacticPanel.from_frame(simulate_world("B", seed=1).to_frame(), manager="manager", tier="tier", covariates=["health"])
    study = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(Known(name="health", at="start", lag=0),))
    found = analyze_tactic(panel, study=study)

    assert found.assignment.mechanism == "last result"
    assert not found.effects.either_way
    assert "already" not in found.verdict.assumption


def test_where_no_reason_is_seen_both_readings_are_held():
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {"partner": np.repeat(np.arange(300), 8), "quarter": np.tile(np.arange(8), 300), "manager": np.repeat(np.arange(300) % 20, 8)}
    )
    table = table.assign(outcome=rng.normal(size=2400), treated=rng.random(2400) < 0.3)
    found = analyze_tactic(TacticPanel.from_frame(table, manager="manager"), study=STUDY.model_copy(update={"delay": 0}))

    assert found.assignment.mechanism == "neither"
    assert found.effects.either_way


def test_tiers_are_read_as_the_whole_is(made):
    panel = made[0].select(np.arange(len(made[0].partners)) < 500)
    tiers = np.broadcast_to((np.arange(len(panel.partners)) % 2)[:, None], panel.shape)
    found = analyze_tactic(dataclasses.replace(panel, tier=tiers, tiers=("Gold", "Silver")), study=STUDY)
    rows = found.effects.table.set_index("group")

    for cell in found.tiers.itertuples():
        assert cell.estimate == rows.loc[cell.tier, "estimate"]
        assert cell.std_error == rows.loc[cell.tier, "std_error"]


def test_results_that_are_never_negative_enter_as_logarithms_too(made):
    panel, _ = made
    laid, names = stack_trials(panel, STUDY).past

    assert names == (
        "outcome 1 quarter before", "mean outcome before", "log of outcome 1 quarter before", "log of mean outcome before",
    )  # fmt: skip
    np.testing.assert_allclose(laid[:, 2:], np.log1p(laid[:, :2] / laid[:, :2].mean(axis=0)))


def test_results_that_may_be_negative_enter_as_they_are(made):
    panel = dataclasses.replace(made[0], outcome=made[0].outcome - 1.0)

    assert stack_trials(panel, STUDY).past[0].shape[1] == 2


def test_another_unit_of_counts_changes_nothing_but_the_unit(made):
    panel = made[0].select(np.arange(len(made[0].partners)) < 500)
    one, hundred = (
        estimate_on_off(each, study=STUDY, either_way=True).headline()
        for each in (panel, dataclasses.replace(panel, outcome=100 * panel.outcome))
    )

    assert hundred["estimate"] == pytest.approx(100 * one["estimate"])
    assert hundred["conf_low"] == pytest.approx(100 * one["conf_low"])
