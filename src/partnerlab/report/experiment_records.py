"""What the ledger remembers of experiments and studies, as a report reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.experiments import ExperimentReading, RepeatedEffect, estimate_repeated_effect, load_registry
from partnerlab.experiments.repeated import sound_tests
from partnerlab.report.attempts import attempt
from partnerlab.report.experiment_deals import list_deals
from partnerlab.report.experiments import Case, analyze_case, load_case

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.report.asked import Request
    from partnerlab.tiers import TierHistory


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


def list_others(ask: Request, *, panel: Panel, history: TierHistory | None = None, shown: Case) -> pd.DataFrame:
    """Say in a line what each other experiment found: as the ledger remembers its reading, else as it reads today.

    Parameters
    ----------
    ask, panel, history
        As in `partnerlab.report.load_case`.
    shown : Case
        The experiment that the page shows in full.

    Returns
    -------
    DataFrame
        A row for each other one that was dealt: ``experiment, state, units, grade, found``.

    Raises
    ------
    SampleError
        If there is none.
    """
    deals = list_deals(ask)
    names = [name for name in deals if name != shown.experiment.name]
    if not names:
        raise SampleError("no other experiment was dealt")
    registry = attempt(load_decided, ask)
    known = registry.set_index("name")["statement"] if isinstance(registry, pd.DataFrame) else pd.Series(dtype=str)
    grades = registry.set_index("name")["grade"] if isinstance(registry, pd.DataFrame) else known
    rows = []
    for name in names:
        case = attempt(load_case, ask, panel=panel, history=history, name=name, deals=deals)
        if not isinstance(case, Case):
            rows.append((name, "not read", pd.NA, "", case.reason))
        elif known.get(name):
            rows.append((name, case.state, len(case.trial), grades[name], known[name]))
        else:
            rows.append((name, case.state, len(case.trial), *_found(case, seed=ask.seed)))
    return pd.DataFrame(rows, columns=["experiment", "state", "units", "grade", "found"])


def _found(case: Case, *, seed: int) -> tuple[str, str]:
    """Grade and finding of the deciding metric, or why there is none."""
    reading = attempt(analyze_case, case, seed=seed)
    if not isinstance(reading, ExperimentReading):
        return "", reading.reason
    return reading.verdicts[0].earned.value, reading.verdicts[0].statement


def estimate_retested(registry: pd.DataFrame) -> tuple[RepeatedEffect, ...]:
    """Pool the sound tests of each tactic and outcome that was tested twice or more, the one with most tests first.

    Raises
    ------
    SampleError
        If nothing was tested twice soundly.
    """
    counts = sound_tests(registry)[["tactic", "outcome"]].value_counts()
    found = [attempt(estimate_repeated_effect, registry, tactic=tactic, outcome=outcome) for tactic, outcome in counts.index[counts >= 2]]
    pooled = [one for one in found if one and len(one.table) > 3]  # of one test: it, the mean, and the next
    if not pooled:
        raise SampleError("no tactic was soundly tested twice, so there is nothing to pool")
    return tuple(sorted(pooled, key=lambda one: -len(one.table)))
