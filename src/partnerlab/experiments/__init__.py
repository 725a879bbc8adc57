"""Experiments on tactics: declared, dealt, read as they were dealt, and remembered."""

from partnerlab.experiments.assign import Assignment, assign_variants
from partnerlab.experiments.experiment import Experiment, Looks, Metric, Variant

__all__ = ["Assignment", "Experiment", "Looks", "Metric", "Variant", "assign_variants"]
