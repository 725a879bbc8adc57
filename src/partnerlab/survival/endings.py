"""In which way spells end: cumulative incidence of each ending, beside the others that compete with it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.results import Result
from partnerlab.spells import Spells
from partnerlab.stats.curves import incidence, risksets
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.survival.curves import MIN_AT_RISK, start_of_curves
from partnerlab.survival.sample import Sample, Variance, check_clusters, check_size, draw_sample, known_starts, name_group, uses_jackknife


@dataclasses.dataclass(frozen=True, kw_only=True)
class IncidenceEstimate(Result):
    """Share of spells ended in each way by each time, one row per group, ending and time.

    ``table`` has ``[by, ] cause, time``, the estimate with its interval, ``n`` (spells at risk) and ``events``.
    At any time the incidences of all endings and the survival curve add up to 1.

    Parameters
    ----------
    origin : float
        Where the curves start.
    unit : str
        Name of one period.
    """

    origin: float = 0.0
    unit: str = "quarter"

    title: ClassVar[str] = "Ways of leaving"

    def at(self, times: list[float]) -> pd.DataFrame:
        """Read the incidences at given times; NaN beyond what was observed."""
        keys = [name for name in self.keys if name != "time"]
        pieces = []
        for _, curve in self.table.groupby(keys, sort=False, dropna=False, observed=True):
            at = np.searchsorted(curve["time"].to_numpy(), times, side="right") - 1
            step = curve.iloc[np.maximum(at, 0)].reset_index(drop=True).assign(time=times)
            outside = (at < 0) | (np.asarray(times) > curve["time"].iloc[-1])
            step.loc[outside, ["estimate", "std_error", "conf_low", "conf_high"]] = np.nan
            pieces.append(step)
        return pd.concat(pieces, ignore_index=True)


def estimate_incidence(
    spells: Spells, *, by: str | None = None, level: float = 0.95, min_at_risk: int = MIN_AT_RISK, variance: Variance = "auto"
) -> IncidenceEstimate:
    """Estimate how many spells have ended in each way by each time (Aalen-Johansen, delayed entry).

    Standard errors are of Greenwood's type, clustered by partner where partners have several spells;
    intervals are log-log (complementary).

    Parameters
    ----------
    spells : Spells
        Those without a known start are left out, and counted.
    by : str, optional
        Attribute that forms the groups.
    level : float
        Coverage of the intervals.
    min_at_risk : int
        As in `estimate_survival`.
    variance : {"auto", "greenwood", "jackknife"}
        As in `estimate_survival`.

    Returns
    -------
    IncidenceEstimate

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"partner": list("abcd"), "duration": [1, 2, 2, 3], "event": ["up", "down", "", "up"]})
    >>> ways = estimate_incidence(Spells.from_frame(frame))
    >>> ways.at([3.0])[["cause", "estimate"]].round(3).to_numpy().tolist()
    [['down', 0.25], ['up', 0.75]]
    """
    used, starts = known_starts(spells)
    sample = draw_sample(used, by=by)
    clustered = uses_jackknife(sample, variance)
    origin, conditioned = start_of_curves(sample, min_at_risk)
    sample = sample.rows(sample.duration > origin) if origin > 0 else sample
    sets = risksets.count_risk_sets(sample.spans, causes=max(len(sample.causes), 1), group=sample.group, groups=sample.groups)
    z = float(critical_value(level))
    pieces = [_curves(sample, sets, index, z=z, origin=origin, clustered=clustered) for index in range(sample.groups)]
    checks = (check_size(sample, minimum=1, unit=spells.unit), *starts, conditioned, check_clusters(sample))
    since = f", among those who stayed {origin:g} {spells.unit}s" if origin else ""
    return IncidenceEstimate(
        estimand=f"Share of spells of {spells.of} that have ended in each way so many {spells.unit}s after the start{since}",
        table=pd.concat(pieces, ignore_index=True),
        checks=(*spells.checks, *(check for check in checks if check)),
        level=level,
        origin=origin,
        unit=spells.unit,
    )


def _curves(sample: Sample, sets: risksets.RiskSets, index: int, *, z: float, origin: float, clustered: bool) -> pd.DataFrame:
    """Incidences of all endings in one group, led by a row at the origin."""
    lived = np.flatnonzero(sets.at_risk[index] > 0)
    time, n, d = sets.time[lived], sets.at_risk[index][lived], sets.events[index][:, lived]
    size, began = np.count_nonzero(sample.group == index), np.count_nonzero((sample.group == index) & (sample.entry <= origin))
    share, variance = incidence.aalen_johansen(n, d), incidence.incidence_variance(n, d)
    if clustered:
        mine = sample.rows(sample.group == index) if sample.groups > 1 else sample
        variance = incidence.clustered_incidence_variance(time, n, d, mine.spans, cluster=mine.partner)
    keys = name_group(sample, index)
    pieces = []
    for code, cause in enumerate(sample.causes or ("any",)):
        error = np.sqrt(variance[code])
        low, high = _interval(share[code], error, n, z=z)
        columns = {"estimate": share[code], "std_error": error, "conf_low": low, "conf_high": high, "n": n.astype(np.int64),
                   "events": d[code].astype(np.int64)}  # fmt: skip
        start = 0.0 if size else np.nan
        lead = {
            "estimate": start,
            "std_error": start,
            "conf_low": start,
            "conf_high": start,
            "n": began,
            "events": 0,
        }
        curve = pd.DataFrame({name: np.concatenate([[lead[name]], values]) for name, values in columns.items()})
        pieces.append(pd.concat([pd.DataFrame({**keys, "cause": cause, "time": np.concatenate([[origin], time])}), curve], axis=1))
    return pd.concat(pieces, ignore_index=True).astype({"n": "int64", "events": "int64"})


def _interval(share: np.ndarray, error: np.ndarray, at_risk: np.ndarray, *, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Log-log interval on 1 - F, as for a survival curve."""
    rest = 1.0 - share
    rest = np.where(rest < 1e-12, 0.0, rest)  # ways of leaving that add up to all leave nothing but rounding
    log_variance = np.divide(error, rest, out=np.full(len(rest), np.nan), where=rest > 0) ** 2
    low, high = risksets.survival_interval(rest, log_variance, at_risk, quantile=z)
    return 1.0 - high, 1.0 - low
