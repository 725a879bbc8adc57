"""Honest statistics for channel partners: tiers, transitions, survival, and a quarterly report.

The road is one verb a stop::

    connect -> validate -> build_panel -> assign_tiers -> estimate_transitions -> estimate_survival -> report

Names are loaded when first used, so that importing the package stays quick.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version as _version
from typing import Any

__version__ = _version("partnerlab")

#: Public name -> the room it lives in.
_ROOMS = {
    "Calendar": "periods",
    "Check": "results",
    "Evidence": "results",
    "Result": "results",
    "PartnerlabError": "errors",
    "DataQuality": "intake",
    "Mapping": "intake",
    "Program": "intake",
    "Source": "intake",
    "connect": "intake",
    "require_tables": "intake",
    "validate": "intake",
    "Simulation": "intake.simulate",
    "Truth": "intake.simulate",
    "World": "intake.simulate",
    "simulate_program": "intake.simulate",
    "simulate_world": "intake.simulate",
    "Ledger": "ledger",
    "compare_runs": "ledger",
    "record_appeals": "ledger",
    "record_decision": "ledger",
    "record_forecast": "ledger",
    "record_metrics": "ledger",
    "record_overrides": "ledger",
    "record_tiers": "ledger",
    "Indicator": "panel",
    "Indicators": "panel",
    "Membership": "panel",
    "Panel": "panel",
    "Points": "panel",
    "RecordedTiers": "panel",
    "Units": "panel",
    "build_panel": "panel",
    "compare_panels": "panel",
    "load_categories": "panel",
    "Scorecard": "scoring",
    "Scores": "scoring",
    "score_partners": "scoring",
    "Outside": "tiers",
    "TierHistory": "tiers",
    "TierScheme": "tiers",
    "assign_labels": "tiers",
    "assign_tiers": "tiers",
    "check_anchors": "tiers",
    "check_bunching": "tiers",
    "check_indicators": "tiers",
    "check_leading": "tiers",
    "compare_schemes": "tiers",
    "estimate_agreement": "tiers",
    "estimate_coverage": "tiers",
    "estimate_misclassification": "tiers",
    "estimate_overrides": "tiers",
    "estimate_sensitivity": "tiers",
    "estimate_shares": "tiers",
    "explain_tier": "tiers",
    "lint_scheme": "tiers",
    "plan_steps": "tiers",
    "Observations": "spells",
    "Spells": "spells",
    "build_first_events": "spells",
    "build_spells": "spells",
    "Transitions": "transitions",
    "build_transitions": "transitions",
    "check_duration": "transitions",
    "check_entry_time": "transitions",
    "check_homogeneity": "transitions",
    "check_order": "transitions",
    "backtest_forecast": "transitions",
    "compare_forecast": "transitions",
    "check_embedding": "transitions",
    "compare_generators": "transitions",
    "Activity": "transitions",
    "build_activity": "transitions",
    "detect_movers": "transitions",
    "detect_turns": "transitions",
    "estimate_hidden_transitions": "transitions",
    "estimate_first_passage": "transitions",
    "estimate_generator": "transitions",
    "estimate_mobility": "transitions",
    "estimate_noise": "transitions",
    "estimate_drift": "transitions",
    "estimate_pooled_transitions": "transitions",
    "estimate_real_moves": "transitions",
    "estimate_sojourn": "transitions",
    "estimate_state_hazards": "transitions",
    "estimate_state_occupancy": "transitions",
    "estimate_state_probabilities": "transitions",
    "estimate_steady_state": "transitions",
    "estimate_tier_probability": "transitions",
    "check_proportional_odds": "transitions",
    "estimate_transition_model": "transitions",
    "estimate_transitions": "transitions",
    "forecast_tiers": "transitions",
    "check_calibration": "survival",
    "compare_incidence": "survival",
    "Known": "effects",
    "TacticPanel": "effects",
    "TacticStudy": "effects",
    "build_tactic_panel": "effects",
    "check_assignment": "effects",
    "compare_adoption": "effects",
    "estimate_adoption": "effects",
    "estimate_on_off": "effects",
    "Stakes": "verdicts",
    "Verdict": "verdicts",
    "compare_verdicts": "verdicts",
    "compare_survival": "survival",
    "estimate_auc": "survival",
    "estimate_brier": "survival",
    "estimate_concordance": "survival",
    "estimate_cox": "survival",
    "estimate_fine_gray": "survival",
    "check_proportional_hazards": "survival",
    "estimate_hazard": "survival",
    "estimate_hazard_model": "survival",
    "estimate_incidence": "survival",
    "estimate_life_table": "survival",
    "estimate_survival": "survival",
    "Picture": "show",
    "TableView": "show",
    "plot": "show",
    "tabulate": "show",
    "Request": "report.request",
    "load_request": "report.request",
    "render_about": "report.page",
    "render_figure": "report.page",
    "render_headline": "report.page",
    "render_metric": "report.page",
    "render_note": "report.page",
    "render_reading": "report.page",
    "render_table": "report.page",
}

__all__ = list(_ROOMS)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'partnerlab' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"partnerlab.{_ROOMS[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
