"""The picture of a tactic that is kept up says the longest strategy and no more than its interval."""

import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_sustained
from partnerlab.errors import SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.show import plot
from partnerlab.verdicts import Stakes


def _effects(null=False, **options):
    panel = TacticPanel.from_frame(simulate_world("B", seed=1, null=null).to_frame(), manager="manager", tier="tier", covariates=["health"])
    study = TacticStudy(
        tactic="Dinner", stakes=Stakes(unit="leads"), horizon=2, covariates=(Known(name="health", at="start", lag=0),), **options
    )
    return estimate_sustained(panel, study=study)


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
        plot(_effects(minimum=299))
