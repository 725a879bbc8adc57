"""Tactics kept up: by hand, laws, refusals, and truth recovered where leaving out and adjusting both fail."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_sustained
from partnerlab.errors import ParameterError, SampleError
from partnerlab.verdicts import Stakes

STUDY = TacticStudy(
    tactic="dinner", stakes=Stakes(unit="leads"), horizon=1, covariates=(Known(name="health", at="start", lag=0),), minimum=5
)
TRUTH = 0.6


def _effects(rows, study=STUDY, **options):
    panel = TacticPanel.from_frame(rows, outcome="leads", treated="dinner", covariates=["health"])
    return estimate_sustained(panel, study=study, **({"past_outcomes": False, "untreated_before": True} | options))


def _by_hand():
    """Counts as expected: half have a dinner; it makes 3 of 4 healthy, else 1 of 4 are; of the healthy 4 of 5 get the next, else 1 of 5."""
    cells = [(first, health, second) for first in (0, 1) for health in (0, 1) for second in (0, 1)]
    size = {(first, health, second): 40 * (0.75 if health == first else 0.25) * (0.8 if second == health else 0.2)
            for first, health, second in cells}  # fmt: skip
    rows = []
    for first, health, second in cells:
        for _ in range(round(size[first, health, second])):
            partner = len(rows) // 2
            rows.append((partner, 1, 0, first, 0.0))
            rows.append((partner, 2, health, second, 1.0 * first + 2.0 * second + 3.0 * health))
    return pd.DataFrame(rows, columns=["partner", "quarter", "health", "dinner", "leads"])


def test_by_hand_the_first_dinner_works_through_health_too():
    rows = _by_hand()
    rows.loc[rows["quarter"] == 1, "leads"] = 2.0 * rows.loc[rows["quarter"] == 1, "dinner"]

    found = _effects(rows)

    # now: 2; before: 1, and 3 for the half of partners that it made healthy
    np.testing.assert_allclose(found.table["estimate"], [2.0, 2.0 + 1.0 + 3.0 * 0.5])
    assert abs(found.terms["unweighted"].iloc[0] - 2.0) > 0.3
    np.testing.assert_allclose(found.weights["mean"], 1.0)


@pytest.mark.parametrize("lost", [False, True])
def test_the_order_of_rows_does_not_matter_and_copies_keep_the_estimate(lost, feedback_world):
    rows = feedback_world(1, partners=200, lost=lost)
    twice = pd.concat([rows, rows.assign(partner=rows["partner"] + 1000)])

    one, two = _effects(rows).table, _effects(twice.sample(frac=1, random_state=2)).table

    np.testing.assert_allclose(two["estimate"], one["estimate"])
    np.testing.assert_allclose(two["std_error"] * np.sqrt(2), one["std_error"], rtol=0.01)  # but for the factor G / (G - 1)


def test_influence_adds_up_to_the_error(feedback_world):
    found = _effects(feedback_world(2, partners=200), weights_known=False)
    users = found.partners

    assert np.sqrt((found.influence**2).sum() * users / (users - 1)) == pytest.approx(found.headline()["std_error"])


def test_truth_is_recovered_where_leaving_health_out_and_adjusting_for_it_both_fail(feedback_world):
    rows = [feedback_world(seed) for seed in range(40)]
    found = [_effects(each) for each in rows]
    estimates = np.array([each.headline()["estimate"] for each in found])
    inside = [each.headline()["conf_low"] <= TRUTH <= each.headline()["conf_high"] for each in found]
    plain = np.array([each.terms["unweighted"].iloc[:2].sum() for each in found])
    adjusted = []
    for each in rows:
        before = each.groupby("partner")["dinner"].shift().fillna(0)
        design = np.column_stack([np.ones(len(each)), each["dinner"], before, each["health"]])
        adjusted.append(np.linalg.lstsq(design, each["leads"], rcond=None)[0][1:3].sum())

    assert abs(estimates.mean() - TRUTH) < 3 * estimates.std() / np.sqrt(40)
    assert np.mean(inside) >= 0.87
    assert plain.mean() < TRUTH - 0.5
    assert np.mean(adjusted) > TRUTH + 0.2


def test_an_outcome_read_at_the_end_alone_recovers_the_truth_though_some_were_lost(feedback_world):
    rows = [each.assign(leads=each["leads"].where(each["quarter"] == 3)) for each in map(feedback_world, range(40))]
    found = [_effects(each, at_end=True) for each in rows]
    estimates = np.array([each.headline()["estimate"] for each in found])
    plain = np.array([each.terms["unweighted"].iloc[:2].sum() for each in found])

    assert abs(estimates.mean() - TRUTH) < 3 * estimates.std() / np.sqrt(40)
    assert np.mean([each.headline()["conf_low"] <= TRUTH <= each.headline()["conf_high"] for each in found]) >= 0.87
    assert plain.mean() < TRUTH - 0.3
    assert found[0].weights["quarter"].tolist() == ["3"]


def test_by_hand_at_the_end_is_by_hand_in_the_last_quarter():
    found = _effects(_by_hand().assign(leads=lambda rows: rows["leads"].where(rows["quarter"] == 2)), at_end=True)

    np.testing.assert_allclose(found.table["estimate"], [2.0, 2.0 + 1.0 + 3.0 * 0.5])


def test_an_outcome_at_the_end_cannot_end_anything_before():
    with pytest.raises(ParameterError, match="an outcome that is read at the end alone cannot end anything before"):
        _effects(_by_hand(), at_end=True, ends=True)


def test_partners_lost_for_what_was_seen_are_stood_for_by_those_like_them(feedback_world):
    # unhealthy partners leave; those who stay are not like all: without weights for it the level of leads is too high
    rows = feedback_world(7, partners=4000)
    found = _effects(rows)

    assert found.checks[1].name == "nobody lost"
    assert found.checks[1].passed is False
    np.testing.assert_allclose(found.weights["mean"], 1.0, atol=0.05)


def test_an_effect_with_a_total_dose_counts_quarters(feedback_world):
    found = _effects(feedback_world(3, quarters=4), dose="total")

    assert found.table["estimate"].iloc[1] == pytest.approx(2 * found.table["estimate"].iloc[0])
    assert found.terms["term"].iloc[0] == "quarters with dinner"


def test_shares_and_counts_have_ratios(feedback_world):
    rows = feedback_world(4)
    found = _effects(rows.assign(leads=(rows["leads"] > 0).astype(float)), family="logit")

    np.testing.assert_allclose(found.table["ratio"], np.exp(found.table["estimate"]))


def test_a_tactic_that_stays_on_is_weighted_only_until_it_starts(feedback_world):
    rows = feedback_world(5, quarters=3)
    stays = rows.assign(dinner=rows.groupby("partner")["dinner"].cummax())

    found = _effects(stays)

    assert np.isfinite(found.headline()["estimate"])
    assert found.weights["largest"].max() < 30


def test_without_positivity_there_is_one_clear_refusal(feedback_world):
    rows = feedback_world(6)
    told = rows.assign(dinner=(rows["health"] < 0).astype(float))

    with pytest.raises(SampleError, match="no positivity: something known before tells for sure who has it") as caught:
        _effects(told)
    assert "\n" not in str(caught.value)


def test_chances_near_nothing_are_shown_and_lower_the_grade(feedback_world):
    random = np.random.default_rng(1)
    rows = feedback_world(6)
    nearly = rows.assign(dinner=(random.random(len(rows)) < 1 / (1 + np.exp(5 * rows["health"]))).astype(float))

    found = _effects(nearly)

    assert {check.name for check in found.checks} >= {"positivity", "weights about 1", "weights truncated"}
    assert any(check.passed is False for check in found.checks if check.name in ("positivity", "weights about 1"))
    assert found.evidence.value == "D"
    assert _effects(nearly, truncate=0.02).weights["largest"].max() < found.weights["largest"].max()


def test_more_quarters_in_a_row_than_anybody_had_are_not_enough_data(feedback_world):
    rows = feedback_world(8, partners=100)
    table = _effects(rows, study=STUDY.model_copy(update={"minimum": 90})).table

    assert table["estimate"].isna().all()


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda rows: rows.assign(dinner=0.0), {}, "no partner was seen with it"),
        (lambda rows: rows.assign(dinner=1.0), {}, "there is no comparison group"),
        (lambda rows: rows, {"truncate": 0.7}, "give a quantile"),
        (lambda rows: rows, {"history": 0}, "1 quarter or more"),
        (lambda rows: rows, {"dose": "all"}, "'recent' or 'total'"),
        (lambda rows: rows, {"baseline": ["helth"]}, "did you mean 'health'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(change, options, said, feedback_world):
    with pytest.raises((SampleError, ParameterError), match=said) as caught:
        _effects(change(feedback_world(9, partners=100)), **options)
    assert "\n" not in str(caught.value)


def test_three_managers_are_too_few(feedback_world):
    rows = feedback_world(1, partners=100).assign(rep=lambda table: table["partner"] % 3)
    panel = TacticPanel.from_frame(rows, outcome="leads", treated="dinner", covariates=["health"], manager="rep")

    with pytest.raises(SampleError, match="only 3 managers used it"):
        estimate_sustained(panel, study=STUDY, past_outcomes=False, untreated_before=True)


def test_another_tactic_that_ran_beside_is_adjusted_for(feedback_world):
    random, rows = np.random.default_rng(3), feedback_world(10, partners=1500, lost=False)
    call = (random.random(len(rows)) < 0.2 + 0.6 * rows["dinner"]).astype(float)
    panel = TacticPanel.from_frame(rows.assign(leads=rows["leads"] + call, call=call), outcome="leads", treated="dinner",
                                   covariates=["health"], others=["call"])  # fmt: skip
    options = {"study": STUDY.model_copy(update={"horizon": 0}), "past_outcomes": False, "untreated_before": True}
    beside = estimate_sustained(panel, **options).headline()
    alone = estimate_sustained(dataclasses.replace(panel, others={}), **options).headline()

    assert alone["estimate"] > beside["estimate"] + 0.3
