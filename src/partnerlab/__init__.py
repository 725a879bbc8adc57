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
}

__all__ = list(_ROOMS)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'partnerlab' has no attribute {name!r}")
    return getattr(importlib.import_module(f"partnerlab.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
