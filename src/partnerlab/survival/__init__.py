"""How long partners stay, when they leave, and in which way."""

from partnerlab.survival.curves import SurvivalEstimate, estimate_survival

__all__ = ["SurvivalEstimate", "estimate_survival"]
