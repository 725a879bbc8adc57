"""A program whose true answers are known: every table of the contract, and the truth that no row tells."""

from partnerlab.intake.simulate.causes import true_effects, true_portal, true_trial
from partnerlab.intake.simulate.exact import true_flows, true_hazards, true_survival
from partnerlab.intake.simulate.simulation import Simulation, simulate_program, write_tables
from partnerlab.intake.simulate.truth import Dirt, Portal, Region, Tactic, Trial, Truth
from partnerlab.intake.simulate.worlds import World, simulate_world

__all__ = [
    "Dirt", "Portal", "Region", "Simulation", "Tactic", "Trial", "Truth", "World", "simulate_program", "simulate_world", "true_effects",
    "true_flows", "true_hazards", "true_portal", "true_survival", "true_trial", "write_tables",
]  # fmt: skip
