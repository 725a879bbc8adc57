"""Experiments on tactics: declared, dealt, read as they were dealt, and remembered."""

from partnerlab.experiments.analyze import ExperimentReading, analyze_experiment
from partnerlab.experiments.assign import Assignment, assign_variants
from partnerlab.experiments.by_tier import TierReading, analyze_by_tier
from partnerlab.experiments.design import ExperimentDesign, design_experiment
from partnerlab.experiments.expectations import estimate_outlooks
from partnerlab.experiments.experiment import Experiment, Looks, Metric, Spillover, Variant
from partnerlab.experiments.look_path import LookPath, estimate_looks
from partnerlab.experiments.outlook import Outlook, Prior
from partnerlab.experiments.registry import record_experiment, record_follow_up, record_study
from partnerlab.experiments.remembered import load_assignment, load_experiments, load_registry
from partnerlab.experiments.repeated import RepeatedEffect, estimate_repeated_effect
from partnerlab.experiments.trial import Trial

__all__ = [
    "Assignment",
    "Experiment",
    "ExperimentDesign",
    "ExperimentReading",
    "LookPath",
    "Looks",
    "Metric",
    "Outlook",
    "Prior",
    "RepeatedEffect",
    "Spillover",
    "TierReading",
    "Trial",
    "Variant",
    "analyze_by_tier",
    "analyze_experiment",
    "assign_variants",
    "design_experiment",
    "estimate_looks",
    "estimate_outlooks",
    "estimate_repeated_effect",
    "load_assignment",
    "load_experiments",
    "load_registry",
    "record_experiment",
    "record_follow_up",
    "record_study",
]
