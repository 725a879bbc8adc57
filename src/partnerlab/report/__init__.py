"""The quarterly report: notebooks executed with checked parameters, one self-contained page each, an archive that can be verified.

Notebooks speak to their page through the verbs ``render_*`` (`partnerlab.report.page`);
`render_reports` executes them for the program and every segment.
"""

from __future__ import annotations

import importlib
from typing import Any

#: Public name -> the file it lives in; loaded when first used.
_FILES = {
    "Metric": "metrics",
    "Request": "request",
    "load_request": "request",
    "render_about": "page",
    "render_figure": "page",
    "render_headline": "page",
    "render_metric": "page",
    "render_note": "page",
    "render_reading": "page",
    "render_table": "page",
}

__all__ = sorted(_FILES)


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'partnerlab.report' has no attribute {name!r}")
    return getattr(importlib.import_module(f"partnerlab.report.{_FILES[name]}"), name)
