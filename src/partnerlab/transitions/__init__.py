"""How partners move between tiers: how often, how much of it is noise, and where it leads."""

from partnerlab.transitions.activity import Activity, build_activity
from partnerlab.transitions.backtest import ForecastBacktest, backtest_forecast
from partnerlab.transitions.chain_checks import check_duration, check_homogeneity, check_order
from partnerlab.transitions.chain_entry import check_entry_time
from partnerlab.transitions.chain_results import ChainCheck
from partnerlab.transitions.comparison import ForecastComparison, compare_forecast
from partnerlab.transitions.drift import DriftEstimate, estimate_drift
from partnerlab.transitions.embedding import Embedding, check_embedding
from partnerlab.transitions.estimates import TransitionEstimate, estimate_transitions
from partnerlab.transitions.first_passage import FirstPassage, estimate_first_passage
from partnerlab.transitions.forecasts import TierForecast, forecast_tiers
from partnerlab.transitions.generator import GeneratorEstimate
from partnerlab.transitions.generator_fits import compare_generators, estimate_generator
from partnerlab.transitions.hidden import HiddenTransitions, estimate_hidden_transitions
from partnerlab.transitions.mobility import MobilityEstimate, SteadyState, estimate_mobility, estimate_steady_state
from partnerlab.transitions.models import TransitionModel, estimate_transition_model
from partnerlab.transitions.movers import Movers, detect_movers
from partnerlab.transitions.noise import NoiseBaseline, estimate_noise
from partnerlab.transitions.occupancy import SojournEstimate, StateOccupancy, estimate_sojourn, estimate_state_occupancy
from partnerlab.transitions.pair_building import build_transitions
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.pooled import PooledTransitions, estimate_pooled_transitions
from partnerlab.transitions.probabilities import TierProbability, estimate_tier_probability
from partnerlab.transitions.proportional_odds import OddsTests, check_proportional_odds
from partnerlab.transitions.realness import RealMoves, estimate_real_moves
from partnerlab.transitions.state_hazards import StateHazards, estimate_state_hazards
from partnerlab.transitions.state_probabilities import StateProbabilities, estimate_state_probabilities
from partnerlab.transitions.turns import Turns, detect_turns

__all__ = [
    "Activity",
    "ChainCheck",
    "DriftEstimate",
    "Embedding",
    "FirstPassage",
    "ForecastBacktest",
    "ForecastComparison",
    "GeneratorEstimate",
    "HiddenTransitions",
    "MobilityEstimate",
    "Movers",
    "NoiseBaseline",
    "OddsTests",
    "PooledTransitions",
    "RealMoves",
    "SojournEstimate",
    "StateHazards",
    "StateOccupancy",
    "StateProbabilities",
    "SteadyState",
    "TierForecast",
    "TierProbability",
    "TransitionEstimate",
    "TransitionModel",
    "Transitions",
    "Turns",
    "backtest_forecast",
    "build_activity",
    "build_transitions",
    "check_duration",
    "check_embedding",
    "check_entry_time",
    "check_homogeneity",
    "check_order",
    "check_proportional_odds",
    "compare_forecast",
    "compare_generators",
    "detect_movers",
    "detect_turns",
    "estimate_drift",
    "estimate_first_passage",
    "estimate_generator",
    "estimate_hidden_transitions",
    "estimate_mobility",
    "estimate_noise",
    "estimate_pooled_transitions",
    "estimate_real_moves",
    "estimate_sojourn",
    "estimate_state_hazards",
    "estimate_state_occupancy",
    "estimate_state_probabilities",
    "estimate_steady_state",
    "estimate_tier_probability",
    "estimate_transition_model",
    "estimate_transitions",
    "forecast_tiers",
]
