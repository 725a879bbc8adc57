"""What the ledger remembers of experiments and studies, as a report reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.experiments import RepeatedEffect, estimate_repeated_effect, load_registry

if TYPE_CHECKING:
    from partnerlab.report.request import Request


def load_decided(ask: Request) -> pd.DataFrame:
    """Read what the ledger remembers of experiments and studies, as known on the day asked for; the latest first.

    Raises
    ------
    SampleError
        Without a ledger, or where nothing is on record.
    """
    if ask.ledger is None:
        raise SampleError("no ledger was named, so no experiment is on record")
    found = load_registry(ask.ledger, program=ask.program, as_of=ask.as_of)
    if found.empty:
        raise SampleError("no experiment or study is on record in the ledger")
    return found.iloc[::-1].reset_index(drop=True)


def estimate_retested(registry: pd.DataFrame) -> RepeatedEffect:
    """Pool the tests of the tactic that was read most often.

    Raises
    ------
    SampleError
        If no tactic was read twice.
    """
    read = registry[registry["estimate"].notna() & ~registry["stopped"]]
    counts = read["tactic"].value_counts()
    if counts.empty or counts.iloc[0] < 2:
        raise SampleError("no tactic was tested twice, so there is nothing to pool")
    return estimate_repeated_effect(registry, tactic=str(counts.index[0]))
