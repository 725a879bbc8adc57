"""How long partners stay, when they leave, and in which way."""

from partnerlab.survival.calibrations import Calibration, check_calibration
from partnerlab.survival.comparisons import SurvivalComparison, compare_survival
from partnerlab.survival.cox_models import CoxModel, estimate_cox, estimate_fine_gray
from partnerlab.survival.curves import SurvivalEstimate, estimate_survival
from partnerlab.survival.endings import IncidenceEstimate, estimate_incidence
from partnerlab.survival.hazard_models import HazardModel, estimate_hazard_model
from partnerlab.survival.hazards import HazardEstimate, estimate_hazard
from partnerlab.survival.incidence_differences import IncidenceComparison, compare_incidence
from partnerlab.survival.life_tables import LifeTableEstimate, estimate_life_table
from partnerlab.survival.prediction_scores import PredictionScores, estimate_auc, estimate_brier, estimate_concordance
from partnerlab.survival.proportional_hazards import ProportionalHazards, check_proportional_hazards

__all__ = [
    "Calibration",
    "CoxModel",
    "HazardEstimate",
    "HazardModel",
    "IncidenceComparison",
    "IncidenceEstimate",
    "LifeTableEstimate",
    "PredictionScores",
    "ProportionalHazards",
    "SurvivalComparison",
    "SurvivalEstimate",
    "check_calibration",
    "check_proportional_hazards",
    "compare_incidence",
    "compare_survival",
    "estimate_auc",
    "estimate_brier",
    "estimate_concordance",
    "estimate_cox",
    "estimate_fine_gray",
    "estimate_hazard",
    "estimate_hazard_model",
    "estimate_incidence",
    "estimate_life_table",
    "estimate_survival",
]
