"""Verdicts say what the interval and the design allow, in one vocabulary, and never more."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t  # noqa: F401 - loaded here, for its loading takes longer than an example may

from partnerlab.errors import ParameterError, SampleError, SpecError
from partnerlab.results import Evidence
from partnerlab.verdicts import Stakes, Verdict, compare_verdicts

STAKES = Stakes(unit="leads", material=0.2, value=100.0, cost=10.0, currency="EUR")


def _verdict(**changed):
    given = {
        "tactic": "Dinner", "grade": Evidence.B, "estimate": 0.5, "std_error": 0.1, "n": 200, "partners": 60,
        "managers": 20, "df": 19.0, "stakes": STAKES, "assumption": "partners that look alike go on alike",
    }  # fmt: skip
    return Verdict(**{**given, **changed})


verdicts = st.builds(
    _verdict,
    grade=st.sampled_from(Evidence),
    estimate=st.floats(-3, 3),
    std_error=st.floats(0.001, 3),
    df=st.one_of(st.floats(2, 200), st.just(math.inf)),
    cells=st.integers(1, 30),
    pooled=st.booleans(),
    doubts=st.sampled_from([(), ("two readings differ by more than their joint error",)]),
)


@given(verdicts)
def test_only_a_trial_says_caused_and_only_an_interval_without_zero_says_moved(verdict):
    said = verdict.statement

    assert ("caused" in said) <= (verdict.grade is Evidence.A)
    assert ("likely" in said) <= (verdict.grade is Evidence.B)
    if any(word in said for word in ("caused", "raised", "lowered", "went together with 0", "more leads", "fewer leads")):
        assert verdict.conf_low > 0 or verdict.conf_high < 0
    assert "no effect" not in said.lower()
    assert "significant" not in said.lower()


@given(verdicts)
def test_what_may_matter_is_never_called_small(verdict):
    if verdict.finding == "too small to matter":
        assert max(abs(verdict.conf_low), abs(verdict.conf_high)) < STAKES.material


@given(verdicts)
def test_a_search_over_cells_without_pooling_and_any_doubt_take_the_grade(verdict):
    if verdict.doubts or (verdict.cells > 1 and not verdict.pooled):
        assert verdict.earned is Evidence.D
        assert verdict.action == "test"


@given(verdicts)
def test_turning_the_outcome_round_turns_the_verdict_round(verdict):
    other = _verdict(**{**{name: getattr(verdict, name) for name in ("grade", "std_error", "df", "cells", "pooled", "doubts")},
                        "estimate": -verdict.estimate})  # fmt: skip

    assert {verdict.finding, other.finding} in ({"raised", "lowered"}, {"cannot tell"}, {"too small to matter"})
    assert other.earned is verdict.earned


def test_without_a_stated_material_effect_an_interval_around_zero_tells_nothing():
    narrow = _verdict(estimate=0.0, std_error=1e-6, stakes=Stakes(unit="leads"))

    assert narrow.finding == "cannot tell"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"grade": Evidence.A}, "Dinner caused 0.50 more leads per partner-quarter (95 % interval 0.29 to 0.71)."),
        ({"estimate": -0.5}, "Dinner likely lowered leads by 0.50 per partner-quarter (95 % interval 0.29 to 0.71), "
                             "if partners that look alike go on alike."),
        ({"grade": Evidence.C, "estimate": -0.5}, "Dinner went together with 0.50 fewer leads per partner-quarter "
                                                  "(95 % interval 0.29 to 0.71); this does not tell what it did."),
        ({"grade": Evidence.C, "limits": ("nobody knows how they chose",)}, "Dinner went together with 0.50 more leads per partner-quarter "
            "(95 % interval 0.29 to 0.71); this does not tell what it did: nobody knows how they chose."),
        ({"estimate": 0.01, "std_error": 0.05, "grade": Evidence.A}, "Dinner changed leads by less than 0.2 per partner-quarter "
                                                                     "either way (95 % interval −0.09 to 0.11)."),
        ({"estimate": 0.1}, "Cannot tell what Dinner did to leads: the 95 % interval runs from −0.11 to 0.31 per partner-quarter; "
                            "an effect under 0.3 would have been missed."),
        ({"estimate": math.nan, "n": 4}, "Cannot tell what Dinner did to leads: not enough data (n = 4)."),
        ({"grade": Evidence.D}, "Cannot tell what Dinner did to leads: with and without it differ by 0.50, and nothing tells why."),
    ],
)  # fmt: skip
def test_the_vocabulary_is_fixed(changed, said):
    assert _verdict(**changed).statement == said


def test_the_smallest_effect_is_found_in_eight_of_ten_trials():
    verdict = _verdict(df=math.inf)
    draws = np.random.default_rng(1).normal(verdict.smallest_effect, verdict.std_error, 40_000)

    assert np.mean(draws > 1.959964 * verdict.std_error) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("df", "estimate"), list(itertools.product([5.0, math.inf], [0.05, 0.12, -0.3])))
def test_chance_to_pay_and_expected_loss_are_means_over_what_is_known(df, estimate):
    verdict = _verdict(df=df, estimate=estimate)
    random = np.random.default_rng(2)
    noise = random.standard_normal(400_000) if math.isinf(df) else random.standard_t(df, 400_000)
    net = 100 * (estimate + 0.1 * noise) - 10

    assert verdict.pays == pytest.approx(np.mean(net > 0), abs=0.004)
    assert verdict.net_value == pytest.approx(100 * estimate - 10)
    assert verdict.expected_loss == pytest.approx(min(np.mean(np.maximum(-net, 0)), np.mean(np.maximum(net, 0))), abs=0.06)


def test_money_follows_causes_not_company():
    assert math.isnan(_verdict(grade=Evidence.C).pays)
    assert _verdict(grade=Evidence.C).action == "test"


@pytest.mark.parametrize(("estimate", "action"), [(0.6, "keep"), (-0.6, "stop")])
def test_what_pays_is_kept_and_what_costs_is_stopped(estimate, action):
    assert _verdict(estimate=estimate).action == action


def test_an_effect_that_is_sure_but_dearer_than_its_worth_is_stopped():
    dear = _verdict(std_error=0.02, stakes=Stakes(unit="leads", value=100.0, cost=90.0))

    assert dear.finding == "raised"
    assert dear.action == "stop"


def test_verdicts_without_pooling_are_listed_by_name_and_not_ranked():
    table = compare_verdicts([_verdict(tactic="Training", estimate=0.9), _verdict(tactic="Call", estimate=0.3)])

    assert not table.ranked
    assert table.table["tactic"].tolist() == ["Call", "Training"]


def test_a_list_holds_the_worst_grade_in_it():
    table = compare_verdicts([_verdict(grade=Evidence.A), _verdict(tactic="Call", grade=Evidence.C)])

    assert table.evidence is Evidence.C


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"std_error": 0.0}, SampleError, "without error"),
        ({"cells": 0}, ParameterError, "cells"),
        ({"level": 1.0}, ParameterError, "level"),
    ],
)
def test_what_cannot_be_meant_is_refused(changed, error, words):
    with pytest.raises(error, match=words):
        _verdict(**changed)


def test_stakes_refuse_a_negative_cost():
    with pytest.raises(SpecError, match="cost"):
        Stakes(unit="leads", cost=-1)


def test_verdicts_of_different_levels_are_not_laid_side_by_side():
    with pytest.raises(SampleError, match="level"):
        compare_verdicts([_verdict(), _verdict(level=0.9)])


def test_one_of_many_cells_that_was_not_pooled_has_no_price():
    """The best of many looks dear by chance, so money must not rank what may not be ranked."""
    for pooled, priced in ((False, False), (True, True)):
        verdict = _verdict(cells=7, pooled=pooled)

        assert [math.isfinite(money) for money in (verdict.pays, verdict.net_value, verdict.expected_loss)] == [priced] * 3


@pytest.mark.parametrize("grade", Evidence)
def test_a_statement_begins_with_a_capital_whatever_the_tactic_is_called(grade):
    for estimate in (0.5, 0.0, -0.5):
        assert _verdict(tactic="e-mail", grade=grade, estimate=estimate, std_error=0.01).statement[0].isupper()


def test_what_would_settle_it_is_said_once_however_many_doubts_there_are():
    lot = "give Dinner by lot for two quarters"
    for doubts in (("readings differ",), ("readings differ", "trends went apart", "a placebo shows an effect")):
        said = _verdict(doubts=doubts, settled_by=lot).statement

        assert said.count("to settle it") == 1
        assert said.endswith(f"; {lot} to settle it.")
    assert _verdict(grade=Evidence.C, limits=("they chose",), settled_by=lot).statement.endswith(f": they chose; {lot} to settle it.")
    assert "to settle it" not in _verdict(settled_by=lot).statement


@pytest.mark.parametrize(("unit", "said"), [("leads", "fewer leads"), ("revenue", "less revenue")])
def test_what_is_weighed_is_less_and_what_is_counted_is_fewer(unit, said):
    assert f"caused 0.50 {said} per" in _verdict(grade=Evidence.A, estimate=-0.5, stakes=Stakes(unit=unit)).statement


def test_a_grade_may_be_written_as_its_letter_and_no_other():
    assert _verdict(grade="A").statement == _verdict(grade=Evidence.A).statement
    with pytest.raises(ParameterError, match="grade is 'E'; it is A, B, C or D"):
        _verdict(grade="E")


def test_an_interval_of_an_early_look_is_never_said_to_be_sure():
    early = _verdict(estimate=1.0, std_error=0.3, level=1.0 - 1e-12)

    assert "> 99.99 % interval" in early.statement
    assert "100 %" not in early.statement
