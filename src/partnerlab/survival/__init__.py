"""How long partners stay, when they leave, and in which way."""

from partnerlab.survival.comparisons import SurvivalComparison, compare_survival
from partnerlab.survival.curves import SurvivalEstimate, estimate_survival
from partnerlab.survival.endings import IncidenceEstimate, estimate_incidence
from partnerlab.survival.hazards import HazardEstimate, estimate_hazard

__all__ = [
    "HazardEstimate",
    "IncidenceEstimate",
    "SurvivalComparison",
    "SurvivalEstimate",
    "compare_survival",
    "estimate_hazard",
    "estimate_incidence",
    "estimate_survival",
]
