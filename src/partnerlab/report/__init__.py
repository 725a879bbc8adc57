"""The quarterly report: notebooks executed with checked parameters, one self-contained page each, an archive that can be verified.

Notebooks speak to their page through the verbs ``render_*`` (`partnerlab.report.page`);
`render_reports` executes them for the program and every segment.
"""

from __future__ import annotations

import importlib
from typing import Any

#: Public name -> the file it lives in; loaded when first used.
_FILES = {
    "list_findings": "tier_tables",
    "last_day": "tier_tables",
    "tabulate_stops": "tier_tables",
    "tabulate_outlook": "tier_tables",
    "tabulate_parts": "tier_tables",
    "tabulate_labels": "tier_tables",
    "load_appeals": "tier_tables",
    "list_labels": "tier_tables",
    "compare_goals": "tier_tables",
    "compare_versions": "tier_tables",
    "tabulate_steps": "tier_tables",
    "Case": "experiments",
    "load_case": "experiments",
    "analyze_case": "experiments",
    "estimate_case_looks": "experiments",
    "plot_case": "experiments",
    "tabulate_checks": "experiment_words",
    "plan_experiment": "experiment_plans",
    "design_plan": "experiment_plans",
    "plot_plan": "experiment_plans",
    "deal_plan": "experiment_plans",
    "say_draft": "experiment_plans",
    "say_steps": "experiment_plans",
    "list_open_questions": "experiment_plans",
    "choose_tactic": "experiment_plans",
    "say_declared": "experiment_words",
    "load_decided": "experiment_records",
    "list_others": "experiment_records",
    "analyze_case_by_tier": "experiments",
    "build_case": "experiments",
    "render_experiment": "experiment_page",
    "render_retested": "experiment_page",
    "estimate_retested": "experiment_records",
    "tabulate_registry": "experiment_words",
    "say_registry": "experiment_words",
    "say_experiments": "experiment_words",
    "check_case": "experiments",
    "Metric": "metrics",
    "Order": "runner",
    "Request": "asked",
    "Review": "review",
    "Run": "runner",
    "Unavailable": "attempts",
    "attempt": "attempts",
    "build_review": "review",
    "build_stays": "tables",
    "choose_attribute": "tables",
    "find_appealed": "tier_tables",
    "find_borderline": "tables",
    "first_indicator": "tables",
    "list_likely": "people",
    "list_partners": "tables",
    "load_printed_forecast": "request",
    "load_request": "request",
    "load_scores": "tables",
    "money_indicators": "tables",
    "plot_quadrant": "tables",
    "read_result": "readings",
    "render_about": "page",
    "render_figure": "page",
    "render_forecast": "page",
    "render_headline": "page",
    "render_metric": "page",
    "render_note": "page",
    "render_reading": "page",
    "render_reports": "runner",
    "render_table": "page",
    "known": "attempts",
    "choose_attributes": "survival_words",
    "choose_first": "survival_words",
    "predict_risks": "survival_words",
    "split_spells": "survival_words",
    "analyze_tactics": "tactics",
    "choose_study": "tactics",
    "compare_studied": "tactics",
    "compare_tiers": "tactics",
    "count_tactics": "tactics",
    "design_settling": "tactics",
    "load_studies": "tactics",
    "name_partners": "tactics",
    "tabulate_next": "tactics",
    "tabulate_actions": "tactics",
    "tabulate_studied": "tactics",
    "weigh_analysis": "tactics",
    "tabulate_explanation": "tables",
    "tabulate_findings": "tables",
    "tabulate_indicators": "tables",
    "tabulate_reasons": "tables",
    "tabulate_scores": "tables",
    "tabulate_sizes": "tables",
    "tabulate_tiers": "tables",
}

__all__ = list(_FILES)


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'partnerlab.report' has no attribute {name!r}")
    return getattr(importlib.import_module(f"partnerlab.report.{_FILES[name]}"), name)
