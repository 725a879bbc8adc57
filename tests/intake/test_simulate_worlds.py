"""The three worlds: what naive and two-way estimates make of them is known, and their twins have no effect."""

import numpy as np
import pytest

from partnerlab.errors import ParameterError
from partnerlab.intake.simulate.worlds import EFFECTS, simulate_world
from partnerlab.stats.causes.did import NEVER, group_time_effects
from partnerlab.stats.causes.did_aggregates import aggregate_effects

SEEDS = range(40)
#: Bias of the naive, two-way and Callaway-Sant'Anna (without covariates) estimates that each world is known for.
BIASES = {("A", False): (-0.823, -0.144, -0.099), ("A", True): (-0.823, -0.118, -0.099),
          ("B", False): (-0.743, -0.077, 0.118), ("B", True): (-0.912, -0.079, 0.110),
          ("C", False): (-0.969, 0.135, 0.643)}  # fmt: skip


def _naive(world):
    return world.outcome[world.treated].mean() - world.outcome[~world.treated].mean()


def _two_way(world):
    treated = world.treated.astype(float)
    rest = treated - treated.mean(axis=1, keepdims=True) - treated.mean(axis=0) + treated.mean()
    return (rest * world.outcome).sum() / (rest * treated).sum()


def _staggered(world):
    adopted = np.where(world.treated.any(axis=1), world.treated.argmax(axis=1), NEVER)
    return aggregate_effects(group_time_effects(world.outcome, adopted), kind="simple").overall


@pytest.mark.parametrize(("name", "null"), list(BIASES))
def test_estimates_that_ignore_how_managers_choose_err_as_far_as_stated(name, null):
    worlds = [simulate_world(name, seed=5000 + seed, null=null) for seed in SEEDS]
    errors = np.array([[_naive(world), _two_way(world), _staggered(world)] - np.array(world.truth) for world in worlds])

    bias, noise = errors.mean(axis=0), errors.std(axis=0) / np.sqrt(len(SEEDS))
    np.testing.assert_array_less(np.abs(bias - BIASES[name, null]), 0.03 + 2 * noise)


@pytest.mark.parametrize("name", "ABC")
def test_the_twin_shares_every_draw_until_the_first_treatment(name):
    world, twin = simulate_world(name, seed=3), simulate_world(name, seed=3, null=True)

    np.testing.assert_array_equal(world.outcome[:, :2], twin.outcome[:, :2])
    assert twin.truth == 0.0
    assert not world.treated[:, :2].any()


def test_adoption_stays_in_world_a_and_goes_on_and_off_in_b():
    adoption, switching = simulate_world("A", seed=1).treated, simulate_world("B", seed=1).treated

    assert (np.diff(adoption.astype(int), axis=1) >= 0).all()
    assert (np.diff(switching.astype(int), axis=1) < 0).any()


def test_truth_is_the_mean_effect_of_treated_partner_quarters():
    world = simulate_world("B", seed=2)
    counts = np.array([world.treated[world.tier == code].sum() for code in range(3)])

    assert world.truth == pytest.approx(counts @ EFFECTS / counts.sum())
    assert world.truth_by_tier == pytest.approx({"Bronze": 0.3, "Silver": 0.2, "Gold": 0.1})


def test_the_table_has_a_row_for_each_partner_and_quarter():
    world = simulate_world("C", seed=2, partners=20, quarters=6, managers=4)
    table = world.to_frame()

    assert table.shape == (120, 7)
    assert table.loc[table["partner"] == "P0007", "outcome"].tolist() == world.outcome[7].tolist()


@pytest.mark.parametrize(
    ("changed", "words"), [({"name": "D"}, "no world 'D'"), ({"quarters": 2}, "quarters"), ({"managers": 0}, "manager")]
)
def test_a_world_that_cannot_be_is_refused(changed, words):
    with pytest.raises(ParameterError, match=words):
        simulate_world(changed.pop("name", "A"), seed=1, **changed)
