"""Everything before the panel: the contract, the doors to data, what is wrong with them, and a simulator.

Engines load when first used, so that importing this room stays quick.
"""

from __future__ import annotations

import importlib
from typing import Any

from partnerlab.intake.contract import CONTRACT_VERSION, TABLES
from partnerlab.intake.program import Program
from partnerlab.intake.source import Source, connect

_LATER = {
    "DataSpan": "span",
    "data_span": "span",
    "select_rows": "selection",
    "validate": "validation",
    "check_rejects": "quality",
    "require_tables": "quality",
    "DataQuality": "quality",
    "Mapping": "mapping",
    "render_dictionary": "dictionary",
    "simulate_program": "simulate",
    "Simulation": "simulate",
    "Truth": "simulate",
}

__all__ = [
    "CONTRACT_VERSION", "TABLES", "DataQuality", "DataSpan", "Mapping", "Program", "Simulation", "Source", "Truth",
    "check_rejects", "connect", "data_span", "render_dictionary", "require_tables", "select_rows", "simulate_program", "validate",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'partnerlab.intake' has no attribute {name!r}")
    return getattr(importlib.import_module(f"partnerlab.intake.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER])
