"""The sensitivity card: each check by itself, what fails, what is said of it."""

import math

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import EventPath, Likeness, Strength
from partnerlab.effects.robustness import check_verdict
from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.results import Evidence
from partnerlab.stats.causes.relative_trends import relative_interval
from partnerlab.stats.shrinkage.rebound import expected_rebound
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import say_number


def _verdict(estimate=0.3, std_error=0.08, df=29.0):
    return Verdict(
        tactic="Dinner", grade=Evidence.B, estimate=estimate, std_error=std_error, n=240, partners=80, managers=30, df=df,
        stakes=Stakes(unit="leads"), assumption="nothing unseen drove both",
    )  # fmt: skip


EVENTS = EventPath(estimates=np.array([0.01, -0.01, 0.02, 0.3, 0.3]), covariance=0.0009 * np.eye(5), before=3)
PLACEBOS = pd.DataFrame({"placebo": ["last year's dinner", "tickets"], "estimate": [0.02, -0.05], "std_error": [0.08, 0.08]})


@pytest.fixture(scope="module")
def card():
    rng = np.random.default_rng(0)
    before = rng.normal(size=200)
    treated = before + rng.normal(size=200) < -0.5
    after = 0.5 * before + rng.normal(size=200)
    return check_verdict(
        _verdict(),
        outcome_spread=1.0,
        residual_df=230,
        strengths={"health": Strength(of_treatment=0.01, of_outcome=0.02)},
        events=EVENTS,
        differences=rng.normal(0.5, 1, 60),
        placebos=PLACEBOS,
        left_out=pd.DataFrame({"left_out": ["Ann", "Bob"], "estimate": [0.31, 0.25], "std_error": [0.08, 0.09]}),
        before_after=pd.DataFrame({"before": before, "after": after, "treated": treated}),
    )


def test_every_check_that_was_fed_is_on_the_card(card):
    assert card.table["check"].tolist() == [
        "bent trend", "moves as before", "placebo", "placebo", "leave one out", "regression to the mean", "E-value",
        "robustness value", "unseen cause", "hidden bias",
    ]  # fmt: skip
    assert card.keys == ["check", "about"]


def test_a_finding_that_survives_keeps_its_grade_and_says_what_it_would_take(card):
    assert card.stands
    assert card.evidence is Evidence.B
    assert card.overturned_by.startswith("an unseen cause tied to tactic and outcome by a risk ratio of")
    assert "a trend that bends by" in card.overturned_by


def test_what_is_left_if_the_gap_moves_no_more_than_before_is_said():
    events = EventPath(estimates=np.array([0.02, -0.01, 0.3, 0.4]), covariance=0.0009 * np.eye(4), before=2)
    row = check_verdict(_verdict(df=np.inf), events=events).table.set_index("check").loc["moves as before"]
    low, high = relative_interval(events.estimates, events.covariance, before=2, times=1.0, weights=np.array([0.5, 0.5]))

    assert [row["conf_low"], row["conf_high"]] == pytest.approx([low, high])
    assert row["says"].endswith(f"the effect lies between {say_number(low)} and {say_number(high)}")


def test_the_manager_who_carries_the_finding_is_named(card):
    row = card.table.set_index("check").loc["leave one out"]

    assert (row["about"], row["estimate"], row["bar"]) == ("Bob", 0.25, 0.3)


def test_regression_to_the_mean_is_counted_and_not_judged(card):
    row = card.table.set_index("check").loc["regression to the mean"]

    assert row["estimate"] > 0
    assert row["conf_low"] < row["bar"] < row["conf_high"]
    assert row["stands"] is pd.NA


def test_a_placebo_with_an_effect_takes_the_grade_away():
    card = check_verdict(_verdict(), outcome_spread=1.0, placebos=PLACEBOS.assign(estimate=[0.4, 0.0]))

    assert not card.stands
    assert card.evidence is Evidence.D
    assert card.overturned_by.startswith("already in doubt: last year's dinner shows an effect where there can be none")


def test_one_of_twenty_placebos_by_chance_is_no_alarm():
    many = pd.DataFrame({"placebo": [f"p{i}" for i in range(20)], "estimate": [0.18] + [0.01] * 19, "std_error": 0.08})

    assert check_verdict(_verdict(), placebos=many).stands


@pytest.mark.parametrize(
    "given",
    [
        {"likeness": Likeness(alone=0.2, difference=0.1, of="health", n=80)},
        {"likeness": Likeness(alone=0.0, difference=-0.4, of="health", n=80)},
        {"left_out": pd.DataFrame({"left_out": ["Ann"], "estimate": [0.05], "std_error": [0.08]})},
        {"differences": np.random.default_rng(1).normal(0, 1, 40)},
        {"events": EventPath(estimates=np.array([-0.3, -0.2, -0.1, 0.1]), covariance=0.0009 * np.eye(4), before=3)},
        {"residual_df": 230, "strengths": {"health": Strength(of_treatment=0.3, of_outcome=0.3)}},
    ],
    ids=["overlap", "balance", "one manager", "pairs", "trend goes on", "strong cause"],
)
def test_each_check_can_fail(given):
    assert not check_verdict(_verdict(), **given).stands


def test_a_fall_is_judged_like_a_rise():
    up, down = (check_verdict(_verdict(estimate=sign * 0.3), outcome_spread=1.0, residual_df=230).table for sign in (1, -1))

    assert up["stands"].all()
    assert down["stands"].all()
    assert up["estimate"].iloc[1] == pytest.approx(down["estimate"].iloc[1])


def test_where_nothing_was_found_nothing_can_be_overturned():
    card = check_verdict(_verdict(estimate=0.05), outcome_spread=1.0, events=EVENTS)

    assert card.table["stands"].isna().all()
    assert card.evidence is Evidence.D


def test_pairs_without_any_difference_are_refused():
    with pytest.raises(SampleError, match="no pair has a difference"):
        check_verdict(_verdict(), differences=np.array([]))


def test_a_card_without_anything_to_hold_against_is_refused():
    with pytest.raises(SampleError, match="nothing was given"):
        check_verdict(_verdict())
    with pytest.raises(SampleError, match="has no estimate"):
        check_verdict(_verdict(estimate=math.nan, std_error=math.nan), outcome_spread=1.0)
    with pytest.raises(ParameterError, match="strengths need residual_df"):
        check_verdict(_verdict(), strengths={"health": Strength(of_treatment=0.1, of_outcome=0.1)})
    with pytest.raises(MissingTableError, match="placebos: no column 'placebo'; did you mean 'placebos'"):
        check_verdict(_verdict(), placebos=PLACEBOS.rename(columns={"placebo": "placebos"}))


def test_the_rebound_of_those_picked_low_is_what_happens_without_any_effect():
    rng = np.random.default_rng(3)
    stable = rng.normal(size=4000)
    before, after = stable + rng.normal(size=(2, 4000))
    treated = (before < -0.5) & (rng.random(4000) < 0.5)

    back, error, raw = expected_rebound(before, after, treated, cluster=np.arange(4000) // 10)

    assert raw > 0.5
    assert abs(back - raw) < 4 * error
    assert expected_rebound(before, after, np.ones(4000, dtype=bool)) is None


@pytest.mark.parametrize(
    ("covariance", "said"),
    [
        (-np.eye(3), "negative variance"),
        (np.array([[1.0, 2, 0], [2, 1, 0], [0, 0, 1]]), "negative variance"),
        (np.array([[1.0, 0.5, 0], [0, 1, 0], [0, 0, 1]]), "not symmetric"),
        (np.full((3, 3), np.nan), "not known everywhere"),
        (np.eye(2), "must be"),
    ],
)
def test_a_covariance_that_no_estimates_have_is_refused_in_one_line(covariance, said):
    with pytest.raises(ParameterError, match=said) as caught:
        EventPath(estimates=np.zeros(3), covariance=covariance, before=2)
    assert "\n" not in str(caught.value)
