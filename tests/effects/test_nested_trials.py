"""Nested target trials: by hand, laws, follow-up that ends, truth recovered, refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_nested_trials, estimate_on_off
from partnerlab.errors import ParameterError, SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.verdicts import Stakes

HEALTH = (Known(name="health", at="start", lag=0),)
STUDY = TacticStudy(tactic="dinner", stakes=Stakes(unit="leads"), horizon=1, covariates=HEALTH, minimum=2)
PLAIN = STUDY.model_copy(update={"covariates": (), "horizon": 0})


def _effects(rows, study=STUDY, covariates=("health",), **options):
    panel = TacticPanel.from_frame(rows, outcome="leads", treated="dinner", covariates=covariates)
    return estimate_nested_trials(panel, study=study, **({"past_outcomes": False, "untreated_before": True} | options))


def lapse_world(seed, partners=400, quarters=8, log_odds=-0.8):
    """Partners lapse, less often in and after a quarter with a call, which goes to the healthy; a lapsed partner is not seen again."""
    random = np.random.default_rng(seed)
    here, rows, on = np.ones(partners, dtype=bool), [], np.zeros(partners)
    health = random.standard_normal(partners)
    for quarter in range(quarters):
        on = np.maximum(on, (random.random(partners) < 1 / (1 + np.exp(2.0 - health))).astype(float))
        gone = (random.random(partners) < 1 / (1 + np.exp(1.8 + 0.6 * health - log_odds * on))).astype(float)
        rows.append(pd.DataFrame({"partner": np.arange(partners), "quarter": quarter, "health": health, "dinner": on, "leads": gone})[here])
        here = here & (gone == 0)
    return pd.concat(rows, ignore_index=True)


def test_by_hand_each_quarter_is_a_trial_of_those_still_without_it():
    on = {"first": [1, 1, 1], "second": [0, 1, 1], "never": [0, 0, 0], "other": [0, 0, 0]}
    leads = {"first": [7, 0, 0], "second": [1, 9, 0], "never": [2, 4, 5], "other": [3, 6, 7]}
    rows = pd.DataFrame(
        [(name, quarter, on[name][quarter], leads[name][quarter]) for name in on for quarter in range(3)],
        columns=["partner", "quarter", "dinner", "leads"],
    )
    found = _effects(rows, study=PLAIN.model_copy(update={"minimum": 2}), covariates=())

    # trial 1: 7 against 1, 2, 3 (one of four starts); trial 2: 9 against 4, 6 (one of three); each weighs as its variance of treatment
    weights = np.array([4 * 0.25 * 0.75, 3 * (1 / 3) * (2 / 3)])
    assert found.headline()["estimate"] == pytest.approx((weights @ [7 - 2, 9 - 5]) / weights.sum())
    assert found.trials["started"].tolist() == [1, 1]
    assert found.trials["compared"].tolist() == [3, 2]


def test_starting_is_read_as_target_trials_of_starts_read_it():
    panel = TacticPanel.from_frame(simulate_world("B", seed=1).to_frame(), manager="manager", tier="tier", covariates=["health"])
    study = STUDY.model_copy(update={"horizon": 0, "untreated_for": 1, "minimum": 20})

    nested, stacked = estimate_nested_trials(panel, study=study).headline(), estimate_on_off(panel, study=study, by_tier=False).headline()

    assert nested["n"] == stacked["n"]
    assert abs(nested["estimate"] - stacked["estimate"]) < 2 * stacked["std_error"]


def test_the_order_of_rows_does_not_matter_and_copies_keep_the_estimate(feedback_world):
    rows = feedback_world(1, partners=200)
    twice = pd.concat([rows, rows.assign(partner=rows["partner"] + 1000)]).sample(frac=1, random_state=2)

    for strategy in ("start", "keep"):
        one, two = (_effects(each, strategy=strategy).table for each in (rows, twice))
        np.testing.assert_allclose(two["estimate"], one["estimate"])
        np.testing.assert_allclose(two["std_error"] * np.sqrt(2), one["std_error"], rtol=0.02)


def at_least_inside(runs, level=0.95):
    """Fewest of so many intervals that hold the truth, but for one time in a thousand, if each does with its level."""
    return binom.ppf(0.001, runs, level)


def test_keeping_it_up_recovers_the_truth_that_starting_alone_dilutes(feedback_world):
    found = [{name: _effects(feedback_world(seed), strategy=name).table for name in ("start", "keep")} for seed in range(50_000, 50_025)]
    kept = np.array([each["keep"]["estimate"] for each in found])
    inside = [each["keep"]["conf_low"].iloc[2] <= 0.6 <= each["keep"]["conf_high"].iloc[2] for each in found]

    assert abs(kept[:, 1].mean() - 0.4) < 3 * kept[:, 1].std() / 5
    assert abs(kept[:, 2].mean() - 0.6) < 3 * kept[:, 2].std() / 5
    assert sum(inside) >= at_least_inside(25)
    assert np.mean([each["start"]["estimate"].iloc[2] for each in found]) < 0.5


def test_a_partner_that_lapsed_is_not_lost_and_the_odds_of_lapsing_are_recovered():
    study = STUDY.model_copy(update={"horizon": 7})
    found = [_effects(lapse_world(seed), study=study, ends=True, family="logit", strategy="keep") for seed in range(60_000, 60_020)]
    rows = pd.DataFrame([each.headline() for each in found])

    assert all(check.passed for check in found[0].checks if check.name == "nobody lost")
    assert abs(rows["estimate"].mean() + 0.8) < 3 * rows["estimate"].std() / np.sqrt(20) + 0.05  # the model holds health of time zero
    assert ((rows["conf_low"] <= -0.8) & (rows["conf_high"] >= -0.8)).sum() >= at_least_inside(20)
    np.testing.assert_allclose(rows["ratio"], np.exp(rows["estimate"]))


def test_a_quarter_of_follow_up_in_which_nobody_lapsed_tells_nothing_and_stops_nothing():
    rows = lapse_world(60_001)
    last = rows["quarter"].max()
    calm = rows.assign(leads=rows["leads"].where(rows["quarter"] < last, 0.0))  # only the first trial is followed that long
    study, options = STUDY.model_copy(update={"horizon": int(last)}), {"ends": True, "family": "logit"}
    found, before = _effects(calm, study=study, **options), _effects(rows[rows["quarter"] < last], study=study, **options)

    assert {check.name: check.passed for check in found.checks}["trials tell"] is None
    assert found.headline()["n"] > 0
    assert abs(found.headline()["estimate"] - before.headline()["estimate"]) < before.headline()["std_error"]


def test_a_quarter_in_which_all_had_one_counts_where_counts_are_modelled():
    rows = lapse_world(60_002).drop(columns="leads")
    counts = np.random.default_rng(1).poisson(2.0, len(rows))
    found = _effects(
        rows.assign(leads=np.where(rows["quarter"] == 3, 1.0, counts)), study=STUDY.model_copy(update={"horizon": 0}), family="log"
    )

    assert {check.name: check.passed for check in found.checks}["trials tell"] is True


def test_quadratic_time_says_nearly_the_same_as_levels(feedback_world):
    rows = feedback_world(3)
    levels, curve = (_effects(rows, time=time).headline() for time in ("levels", "quadratic"))

    assert abs(levels["estimate"] - curve["estimate"]) < levels["std_error"]


def test_nobody_is_eligible_who_had_it_the_quarter_before(feedback_world):
    rows = feedback_world(4, partners=100)
    found = _effects(rows, study=PLAIN.model_copy(update={"minimum": 2}), covariates=())
    before = rows.sort_values(["partner", "quarter"]).groupby("partner")["dinner"].shift().fillna(0)

    assert found.headline()["n"] == int(((before == 0) & (rows.sort_values(["partner", "quarter"])["dinner"] == 1)).sum())


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda rows: rows.assign(dinner=(rows["quarter"] >= 2).astype(float)), {}, "every partner had it at once"),
        (lambda rows: rows.assign(dinner=(rows["health"] < 0).astype(float)), {"strategy": "keep"}, "no positivity"),
        (lambda rows: rows, {"strategy": "hold"}, "'start' or 'keep'"),
        (lambda rows: rows.assign(leads=rows["leads"] + 9.5), {"family": "logit"}, "no outcome is on the scale of logit"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(change, options, said, feedback_world):
    with pytest.raises((SampleError, ParameterError), match=said) as caught:
        _effects(change(feedback_world(9, partners=100)), **options)
    assert "\n" not in str(caught.value)
