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
    "Result": "results",
    "Check": "results",
    "Evidence": "results",
    "PartnerlabError": "errors",
    "connect": "intake",
    "Source": "intake",
    "Program": "intake",
    "validate": "intake",
    "require_tables": "intake",
    "DataQuality": "intake",
    "Mapping": "intake",
    "simulate_program": "intake.simulate",
    "Simulation": "intake.simulate",
    "Truth": "intake.simulate",
    "Indicator": "panel",
    "Indicators": "panel",
    "Panel": "panel",
    "Membership": "panel",
    "RecordedTiers": "panel",
    "build_panel": "panel",
    "Scorecard": "scoring",
    "Scores": "scoring",
    "score_partners": "scoring",
    "TierScheme": "tiers",
    "TierHistory": "tiers",
    "Outside": "tiers",
    "assign_tiers": "tiers",
    "explain_tier": "tiers",
    "Spells": "spells",
    "build_spells": "spells",
    "estimate_transitions": "transitions",
    "estimate_noise": "transitions",
    "detect_movers": "transitions",
    "forecast_tiers": "transitions",
    "compare_forecast": "transitions",
    "estimate_survival": "survival",
    "estimate_hazard": "survival",
    "plot": "show",
    "tabulate": "show",
    "Ledger": "ledger",
}

__all__ = list(_ROOMS)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'partnerlab' has no attribute {name!r}")
    return getattr(importlib.import_module(f"partnerlab.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
