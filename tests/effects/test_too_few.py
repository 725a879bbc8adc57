"""Where too few partners stand behind a headline it is graded D, and a check says why."""

import numpy as np
import pytest

from partnerlab.effects import (
    Known,
    TacticPanel,
    TacticStudy,
    estimate_adoption,
    estimate_nested_trials,
    estimate_on_off,
    estimate_sustained,
    estimate_switching,
)
from partnerlab.intake.simulate import simulate_world
from partnerlab.results import Evidence
from partnerlab.verdicts import Stakes

ESTIMATORS = [estimate_on_off, estimate_switching, estimate_sustained, estimate_nested_trials, estimate_adoption]


def _found(estimate, *, minimum):
    world = "A" if estimate is estimate_adoption else "B"
    frame = simulate_world(world, seed=1, partners=120).to_frame()
    panel = TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])
    known = (Known(name="health", at="start", lag=0),)
    return estimate(panel, study=TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=known, minimum=minimum))


@pytest.mark.parametrize("estimate", ESTIMATORS)
def test_with_too_few_partners_nothing_can_be_told_and_the_check_says_how_few(estimate):
    few, enough = (_found(estimate, minimum=minimum) for minimum in (10_000, 20))
    told = {check.name: check for check in few.checks}["enough partners"]

    assert few.evidence is Evidence.D
    assert told.passed is False
    assert "the study asks for 10000" in told.detail
    assert {check.name: check.passed for check in enough.checks}["enough partners"] is True
    assert enough.evidence is Evidence.B


@pytest.mark.parametrize("estimate", ESTIMATORS[2:4])
def test_an_estimate_that_is_not_there_is_no_number(estimate):
    assert np.isnan(_found(estimate, minimum=10_000).headline()["estimate"])
