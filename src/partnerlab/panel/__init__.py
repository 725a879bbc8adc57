"""From rows to partners by periods: indicators say what is counted, the panel holds the answers.

SQL ends here: each indicator is one grouped query, run where the rows live; what
comes back is one dense array.
"""

from __future__ import annotations

import importlib
from typing import Any

from partnerlab.panel.indicators import Indicator, Indicators
from partnerlab.panel.panel import Membership, Panel, Provenance, RecordedTiers, RunIn
from partnerlab.panel.points import Points
from partnerlab.panel.units import Units

#: Names that load an engine's libraries when first used.
_LATER = {
    "build_panel": "panel.build",
    "panel_tables": "panel.build",
    "compare_panels": "panel.compare",
    "load_categories": "panel.categories",
    "DataSpan": "intake.span",
    "data_span": "intake.span",
}

__all__ = [
    "DataSpan", "Indicator", "Indicators", "Membership", "Panel", "Points", "Provenance", "RecordedTiers", "RunIn", "Units",
    "build_panel", "compare_panels", "data_span", "load_categories", "panel_tables",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'partnerlab.panel' has no attribute {name!r}")
    return getattr(importlib.import_module(f"partnerlab.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER])
