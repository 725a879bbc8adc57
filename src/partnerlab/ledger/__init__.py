"""What was published and decided, append-only: last quarter's forecast must still be there to be scored.

One DuckDB file for each program. Every record has a run, a moment (UTC) and a
program; nothing is ever updated or deleted. A quarter recorded again stands
beside the earlier record; reading gives the latest, and ``history=True`` all.
Each record carries a digest chained to the one before, so that a later change
of the file by other hands shows (`check_ledger`).
"""

from __future__ import annotations

from partnerlab.ledger.books import Ledger
from partnerlab.ledger.changes import Changes, check_ledger, compare_runs
from partnerlab.ledger.records import (
    record_appeals,
    record_decision,
    record_forecast,
    record_metrics,
    record_overrides,
    record_registration,
    record_tiers,
)

__all__ = [
    "Changes",
    "Ledger",
    "check_ledger",
    "compare_runs",
    "record_appeals",
    "record_decision",
    "record_forecast",
    "record_metrics",
    "record_overrides",
    "record_registration",
    "record_tiers",
]
