"""How long partners stay, when they leave, and in which way."""

from partnerlab.survival.comparisons import SurvivalComparison, compare_survival
from partnerlab.survival.curves import SurvivalEstimate, estimate_survival
from partnerlab.survival.endings import IncidenceEstimate, estimate_incidence
from partnerlab.survival.hazards import HazardEstimate, estimate_hazard
from partnerlab.survival.incidence_differences import IncidenceComparison, compare_incidence
from partnerlab.survival.life_tables import LifeTableEstimate, estimate_life_table

__all__ = [
    "HazardEstimate",
    "IncidenceComparison",
    "IncidenceEstimate",
    "LifeTableEstimate",
    "SurvivalComparison",
    "SurvivalEstimate",
    "compare_incidence",
    "compare_survival",
    "estimate_hazard",
    "estimate_incidence",
    "estimate_life_table",
    "estimate_survival",
]
