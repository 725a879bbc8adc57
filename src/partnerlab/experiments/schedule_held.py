"""A schedule is read as it was dealt: who had it on when is known from the assignment, and what was done otherwise is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.errors import LedgerError, ParameterError, nearest
from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.columns import unit_names
from partnerlab.results import Check
from partnerlab.words import plural


def hold_to_schedule(
    frame: pd.DataFrame, assignment: Assignment, *, unit: str, quarter: str, on: str
) -> tuple[pd.DataFrame, str | None, tuple[Check, ...]]:
    """Give a table of units and quarters the schedule and the cluster of the deal.

    Parameters
    ----------
    frame : DataFrame
        A row for each unit and quarter.
    assignment : Assignment
        Its variants are schedules.
    unit, quarter, on : str
        Columns; ``on`` may be absent.

    Returns
    -------
    frame : DataFrame
        With ``on`` as scheduled.
    cluster : str or None
        Column of what was dealt together.
    checks : tuple of Check
        Whether everything is as dealt.

    Raises
    ------
    ParameterError
        If the variants are no schedules, or the table has other quarters than these.
    LedgerError
        If units were never dealt one.

    Examples
    --------
    >>> from partnerlab.experiments import Experiment, Metric, Variant, assign_variants
    >>> from partnerlab.verdicts import Stakes
    >>> late = Experiment(name="late", hypothesis="It helps.", tactic="A call", stakes=Stakes(unit="leads"), quarters=2,
    ...                   metrics=(Metric(name="leads"),), variants=(Variant(name="second", on=(0, 1)), Variant(name="first", on=(1, 0))))
    >>> dealt = assign_variants(late, units=pd.DataFrame({"partner": list("abcd")}), seed=1)
    >>> rows = pd.DataFrame({"partner": list("abcdabcd"), "quarter": [1] * 4 + [2] * 4})
    >>> held, cluster, checks = hold_to_schedule(rows, dealt, unit="partner", quarter="quarter", on="on")
    >>> held.groupby("quarter")["on"].sum().tolist(), cluster, checks[0].passed
    ([2, 2], None, True)
    """
    experiment = assignment.experiment
    if not experiment.scheduled:
        raise ParameterError(f"analyze_schedule: variants of {experiment.name} are no schedules; read it with analyze_experiment")
    for name in (unit, quarter):
        if name not in frame.columns:
            raise ParameterError(f"analyze_schedule: no column {name!r}{nearest(name, frame.columns)}", column=name)
    dealt = assignment.table.set_index("unit")
    names = unit_names(frame[unit])
    strange = names[~names.isin(dealt.index)].unique()
    if len(strange):
        raise LedgerError(
            f"analyze_schedule: {plural(len(strange), 'unit')} were never dealt a schedule, the first {strange[0]!r}; leave them out"
        )
    periods = sorted(frame[quarter].dropna().unique())
    if len(periods) != experiment.quarters:
        raise ParameterError(
            f"analyze_schedule: the table has {plural(len(periods), 'quarter')}, and {experiment.quarters} were scheduled; "
            "give those, and no others"
        )
    place = pd.Index(periods).get_indexer(frame[quarter])
    schedules = {variant.name: variant.on for variant in experiment.variants}
    scheduled = [schedules[name][when] if when >= 0 else 0 for name, when in zip(dealt.loc[names, "variant"], place, strict=True)]
    said = []
    if on in frame.columns:
        other = int((frame[on].to_numpy(dtype=object) != np.array(scheduled, dtype=object)).sum())
        said += [f"on or off otherwise than scheduled in {plural(other, 'row')}, which this reads as scheduled"] if other else []
    gone = len(dealt) - names.nunique()
    said += [f"{plural(gone, 'unit')} of {len(dealt):,} dealt are not in the table"] if gone else []
    cluster = experiment.cluster
    frame = frame.assign(**{on: scheduled})
    if cluster is not None:
        groups = dealt.loc[names, "cluster"].to_numpy()
        moved = int((unit_names(frame[cluster]).to_numpy() != groups).sum()) if cluster in frame.columns else 0
        said += [f"in another {cluster} than when dealt in {plural(moved, 'row')}, which this reads in that of the deal"] if moved else []
        frame = frame.assign(**{cluster: groups})
    detail = "; ".join(said) if said else f"{plural(names.nunique(), 'unit')} on and off as scheduled"
    return frame, cluster, (Check("dealt as declared", None if said else True, detail),)
