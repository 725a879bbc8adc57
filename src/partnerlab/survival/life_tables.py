"""Life tables: endings, hazard and survival in intervals, the way an insurer's actuary writes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.results import Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.curves import lifetables, risksets
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.survival.sample import (
    Event,
    Sample,
    Variance,
    check_clusters,
    check_competing,
    check_size,
    draw_sample,
    key_columns,
    known_starts,
    uses_jackknife,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LifeTableEstimate(Result):
    """Survival in intervals ``(start, end]``, one row per group and interval.

    ``table`` has ``[by, ] start, end``; ``estimate`` is the share not ended when the interval is over, with its
    interval; ``n`` counts spells at risk when it begins; then ``entered, censored, events, exposed`` (effective
    number at risk), ``probability`` (of ending in the interval), ``hazard, hazard_se`` and ``density, density_se``
    (per period).

    Parameters
    ----------
    unit : str
        Name of one period.
    """

    unit: str = "quarter"

    title: ClassVar[str] = "Life table"


def estimate_life_table(
    spells: Spells,
    *,
    by: str | None = None,
    width: float = 4,
    breaks: Sequence[float] | None = None,
    event: Event = None,
    level: float = 0.95,
    variance: Variance = "auto",
) -> LifeTableEstimate:
    """Write a life table: in each interval, who was at risk, who ended, and what share is left.

    The actuarial estimate: whoever comes under observation or leaves sight inside an interval counts half in it.
    With whole periods and intervals of one period nobody does, and the table is the Kaplan-Meier curve.

    Parameters
    ----------
    spells : Spells
        Those without a known start are left out, and counted.
    by : str, optional
        Attribute that forms the groups.
    width : float
        Length of an interval in periods; 4 quarters by default.
    breaks : sequence of float, optional
        Edges of the intervals instead, ascending; what lies beyond the last is followed up to there, and where the first is
        above 0 the table is of spells that lasted until then.
    event, level, variance
        As in `estimate_survival`.

    Raises
    ------
    ParameterError
        If the attribute or ending does not exist, or the intervals have no length.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": list("abcdef"), "duration": [1, 3, 4, 6, 7, 8], "event": [1, 0, 1, 1, 0, 1]})
    >>> table = estimate_life_table(Spells.from_frame(frame)).table
    >>> table[["start", "end", "n", "events", "exposed", "estimate"]].round(3).to_numpy().tolist()
    [[0.0, 4.0, 6.0, 2.0, 5.5, 0.636], [4.0, 8.0, 3.0, 2.0, 2.5, 0.127]]
    """
    used, starts = known_starts(spells)
    sample = draw_sample(used, by=by, event=event)
    edges = _edges(sample, width, breaks)
    clustered = uses_jackknife(sample, variance)
    z = float(critical_value(level))
    pieces = [_rows(sample.rows(sample.group == index), edges, z=z, clustered=clustered) for index in range(sample.groups)]
    table = pd.concat(pieces, ignore_index=True)
    group = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    keys = pd.DataFrame(key_columns(sample, group), index=table.index, columns=list(sample.by))
    before = int((sample.duration <= edges[0]).sum())
    said = (
        f"{before} of {len(sample)} spells were over by {edges[0]:g}, where the table begins; shares are of those that lasted until then."
    )
    late = Check("Spells that last until the table begins", None, said) if before else None
    checks = (check_size(sample, minimum=1, unit=spells.unit), *starts, late, check_clusters(sample), check_competing(sample))
    return LifeTableEstimate(
        estimand=f"Share of spells of {spells.of} not ended at the end of each interval of {spells.unit}s{f', by {by}' if by else ''}",
        table=pd.concat([keys, table], axis=1),
        checks=(*spells.checks, *(check for check in checks if check)),
        level=level,
        unit=spells.unit,
    )


def _edges(sample: Sample, width: float, breaks: Sequence[float] | None) -> np.ndarray:
    """Edges of the intervals, shape ``(m + 1,)``."""
    if breaks is not None:
        edges = np.asarray(breaks, dtype=float)
        if len(edges) < 2 or not (np.diff(edges) > 0).all() or edges[0] < 0:
            raise ParameterError(f"breaks are {list(breaks)}; give at least two ascending times, such as (0, 4, 8, 16)")
        return edges
    if not width > 0:
        raise ParameterError(f"width is {width:g}; give a positive number of periods")
    last = float(sample.duration.max(initial=width))
    return width * np.arange(int(np.ceil(last / width - 1e-9)) + 1.0)


def _rows(sample: Sample, edges: np.ndarray, *, z: float, clustered: bool) -> pd.DataFrame:
    """Write the life table of one group."""
    spans = sample.spans._replace(cause=np.minimum(sample.cause, 0))
    found = lifetables.build_life_table(spans, edges, cluster=sample.partner if clustered and len(sample) else None)
    low, high = risksets.survival_interval(found.survival, found.log_variance, found.exposed, quantile=z)
    columns = {"estimate": found.survival, "std_error": found.survival * np.sqrt(found.log_variance), "conf_low": low, "conf_high": high}
    empty = np.maximum.accumulate(found.exposed[::-1])[::-1] <= 0
    counts = {"n": found.at_risk, "entered": found.entered, "censored": found.censored, "events": found.ended}
    rates = {"hazard": found.hazard, "hazard_se": found.hazard_error, "density": found.density, "density_se": found.density_error}
    probability = np.divide(found.ended, found.exposed, out=np.full(len(found.ended), np.nan), where=found.exposed > 0)
    return pd.DataFrame(
        {"start": found.start, "end": found.end}
        | {name: np.where(empty, np.nan, values) for name, values in columns.items()}
        | {name: values.astype(np.int64) for name, values in counts.items()}
        | {"exposed": found.exposed, "probability": probability}
        | rates
    )
