"""Pictures of regressions say no more than their intervals."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError
from partnerlab.show import plot
from partnerlab.spells import Spells
from partnerlab.survival import estimate_cox, estimate_hazard_model
from partnerlab.transitions import Transitions, estimate_transition_model


@pytest.fixture(scope="module")
def moves():
    random = np.random.default_rng(1)
    late, noise = random.integers(0, 2, 600), random.normal(size=600)
    falls = random.random(600) < 0.15 + 0.4 * late
    table = pd.DataFrame({"partner": np.arange(600) // 4, "quarter": np.tile(np.arange(4) * 2, 150), "late": late, "noise": noise})
    table["to_tier"] = np.where(falls, "Base", "Gold")
    return Transitions.from_frame(table.assign(from_tier="Gold"), order=["Gold", "Base"])


@pytest.fixture(scope="module")
def spells():
    random = np.random.default_rng(2)
    late = random.integers(0, 2, 200)
    life, end = random.geometric(0.05 + 0.15 * late), random.integers(4, 16, 200)
    frame = pd.DataFrame({"partner": range(200), "duration": np.minimum(life, end), "event": life <= end, "late": late})
    return Spells.from_frame(frame.assign(noise=random.normal(size=200)))


def test_marginal_effects_are_drawn_in_points(moves):
    picture = plot(estimate_transition_model(moves, covariates=["late", "noise"]))

    assert "late goes with a chance of moving down" in picture.headline
    assert "points higher" in picture.headline
    assert "1 of 2 associations clear" in picture.headline
    assert "points of probability" in picture.caption
    assert "association, not effect" in picture.caption


def test_nothing_clear_is_said(moves):
    picture = plot(estimate_transition_model(moves, covariates=["noise"]))

    assert "nothing that was asked goes clearly with moving" in picture.headline


def test_a_tier_that_the_model_does_not_have_is_refused(moves):
    with pytest.raises(ParameterError, match="no from tier 'Silver'"):
        plot(estimate_transition_model(moves, covariates=["late"]), tier="Silver")


def test_a_hazard_model_is_drawn_without_its_baseline(spells):
    picture = plot(estimate_hazard_model(spells, covariates=["late", "noise"]))

    assert "late goes with a chance of ending" in picture.headline.lower()
    assert "tenure" not in picture.alt


def test_hazard_ratios_stand_beside_one(spells):
    picture = plot(estimate_cox(spells, covariates=["late", "noise"]))

    assert picture.headline.startswith("Late goes with ending sooner: hazard ratio")
    assert picture.headline.endswith("1 of 2 clear")


def test_the_clearest_rows_are_drawn_under_their_tiers(moves):
    both = moves.to_frame().astype({"quarter": int})
    both = pd.concat([both, both.assign(from_tier="Base", partner=both["partner"].astype(int) + 1000)], ignore_index=True)
    pairs = Transitions.from_frame(both, order=["Gold", "Base"])
    picture = plot(estimate_transition_model(pairs, covariates=["late", "noise"]), rows=2)

    assert "the clearest 2 of 4 rows are drawn" in picture.caption
    assert picture.alt.count("late") == 2
    assert "Gold: down, late" in picture.alt
    assert picture.headline.startswith("From ")
