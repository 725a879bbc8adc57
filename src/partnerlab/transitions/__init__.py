"""How partners move between tiers: how often, how much of it is noise, and where it leads."""

from partnerlab.transitions.comparison import ForecastComparison, compare_forecast
from partnerlab.transitions.estimates import TransitionEstimate, estimate_transitions
from partnerlab.transitions.forecasts import TierForecast, forecast_tiers
from partnerlab.transitions.hidden import HiddenTransitions, estimate_hidden_transitions
from partnerlab.transitions.movers import Movers, detect_movers
from partnerlab.transitions.noise import NoiseBaseline, estimate_noise
from partnerlab.transitions.pair_building import build_transitions
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.probabilities import TierProbability, estimate_tier_probability
from partnerlab.transitions.realness import RealMoves, estimate_real_moves

__all__ = [
    "ForecastComparison",
    "HiddenTransitions",
    "Movers",
    "NoiseBaseline",
    "RealMoves",
    "TierForecast",
    "TierProbability",
    "TransitionEstimate",
    "Transitions",
    "build_transitions",
    "compare_forecast",
    "detect_movers",
    "estimate_hidden_transitions",
    "estimate_noise",
    "estimate_real_moves",
    "estimate_tier_probability",
    "estimate_transitions",
    "forecast_tiers",
]
