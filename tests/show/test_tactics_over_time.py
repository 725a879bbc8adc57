"""Pictures of tactics over several quarters say their finding and no more than its interval."""

import functools

import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_nested_trials, estimate_sustained, estimate_switching
from partnerlab.errors import SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.show import plot
from partnerlab.verdicts import Stakes


@functools.cache
def _effects(null=False, estimate=estimate_sustained, given_past=None, **options):
    panel = TacticPanel.from_frame(
        simulate_world("B", seed=1, null=null, partners=150).to_frame(), manager="manager", tier="tier", covariates=["health"]
    )
    study = TacticStudy(
        tactic="Dinner", stakes=Stakes(unit="leads"), horizon=2, covariates=(Known(name="health", at="start", lag=0),), **options
    )
    return estimate(panel, study=study, **({} if given_past is None else {"given_past": given_past}))


def test_the_headline_says_the_longest_strategy_with_interval_and_n():
    effects = _effects()
    drawn = plot(effects, unit="leads")

    assert drawn.headline.startswith("3 quarters in a row against none: 0.")
    assert drawn.n == effects.headline()["n"]
    assert "leads per partner-quarter" in drawn.svg()
    assert "3 quarters in a row" in drawn.alt


def test_without_effect_no_difference_is_claimed():
    assert plot(_effects(null=True)).headline.startswith("No clear difference after 3 quarters in a row")


def test_with_too_few_partners_there_is_nothing_to_draw():
    with pytest.raises(SampleError, match="not enough data"):
        plot(_effects(minimum=149))


def test_nested_trials_say_the_effect_over_all_quarters_and_each_below():
    effects = _effects(estimate=estimate_nested_trials)
    drawn = plot(effects, unit="leads")

    assert drawn.headline.startswith("Starters against those who did not start then: 0.")
    assert drawn.n == effects.headline()["n"]
    for said in ("All quarters followed: 0.", "The same quarter: ", "2 quarters later: "):
        assert said in drawn.alt
    assert "leads per partner-quarter" in drawn.svg()
    assert f"{effects.trials['started'].sum()} starts" in drawn.note


def test_ratios_of_nested_trials_are_drawn_on_the_scale_of_the_link():
    frame = simulate_world("B", seed=1, partners=150).to_frame()
    panel = TacticPanel.from_frame(frame.assign(outcome=(frame["outcome"] > 0).astype(int)), tier="tier", covariates=["health"])
    study = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(Known(name="health", at="start", lag=0),))

    assert "on the scale of the model's link" in plot(estimate_nested_trials(panel, study=study, family="logit")).units


def test_without_effect_starting_claims_no_difference():
    assert plot(_effects(null=True, estimate=estimate_nested_trials)).headline.startswith("No clear difference between those who started")


def test_switches_say_the_quarter_of_the_switch_and_what_came_before():
    effects = _effects(estimate=estimate_switching)
    drawn = plot(effects, unit="leads")

    assert drawn.headline.startswith("Switchers against stayers: 0.")
    assert ("already went apart before" in drawn.headline) == (effects.pre_trend < 0.1)
    assert drawn.n == effects.at(0)["n"]
    assert "Starts: 0." in drawn.alt
    assert "Stops, turned round: 0." in drawn.alt
    for said in ("starts", "stops, turned round", "quarters since the switch"):
        assert said in drawn.svg()


def test_switches_alike_in_the_past_have_nothing_drawn_before():
    drawn = plot(_effects(estimate=estimate_switching, given_past=True))

    assert drawn.table["at"].min() == 0


@pytest.mark.parametrize("estimate", [estimate_nested_trials, estimate_switching])
def test_with_too_few_partners_neither_is_drawn(estimate):
    with pytest.raises(SampleError, match="nothing to draw"):
        plot(_effects(estimate=estimate, minimum=5000))
