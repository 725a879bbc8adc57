"""How long partners stay: survival curves with delayed entry, their medians and restricted means."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.results import TIDY, Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.curves import clustered_curves, logrank, risksets
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
    name_group,
    uses_jackknife,
)
from partnerlab.words import say_p

#: Below this many spells at risk, a curve with delayed entry is not started, and its tail is not used for ``tau``.
MIN_AT_RISK = 10

Interval = Literal["log-log", "log", "plain"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurvivalEstimate(Result):
    """Survival curves, one row per group and time.

    ``table`` has ``[by, ] time``, the estimate with its interval, ``n`` (spells at risk), then ``at_risk, events,
    censored``, and the Nelson-Aalen ``cumulative_hazard, cumulative_hazard_se, cumulative_hazard_low,
    cumulative_hazard_high``. The first row of each group is the origin.

    Parameters
    ----------
    quantiles : DataFrame
        Time by which a share has ended, ``[by, ] share`` and the tidy columns; NaN where it is not reached.
    rmst : DataFrame
        Restricted mean: time stayed, on average, up to ``tau``, counted from the origin.
    logrank : DataFrame or None
        One row, ``statistic, df, p_value, clustered``; None without groups.
    tau, origin : float
        Limits of the restricted mean; the origin is also where the curves start.
    unit : str
        Name of one period.
    """

    quantiles: pd.DataFrame = dataclasses.field(repr=False)
    rmst: pd.DataFrame = dataclasses.field(repr=False)
    logrank: pd.DataFrame | None = dataclasses.field(repr=False, default=None)
    tau: float = float("nan")
    origin: float = 0.0
    unit: str = "quarter"

    title: ClassVar[str] = "Survival"

    @property
    def by(self) -> str | None:
        """Attribute that forms the groups, or None."""
        return self.keys[0] if len(self.keys) > 1 else None

    @property
    def median(self) -> pd.DataFrame:
        """Time by which half have ended, ``[by]`` and the tidy columns; NaN where half is not reached."""
        half = self.quantiles[self.quantiles["share"] == 0.5]
        return half.drop(columns="share").reset_index(drop=True)

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Read the curves at given times; NaN beyond what was observed.

        Parameters
        ----------
        times : sequence of float
            In periods; ``n`` is the number still at risk then.

        Returns
        -------
        DataFrame
            ``[by, ] time`` and the tidy columns, with ``events`` so far and the cumulative hazard with its interval. Where all
            rows of a partner follow one another on one clock, each entering where the one before ended, that is the mean number of
            endings of a partner; where each spell begins at 0 it is not.
        """
        hazard = [name for name in self.table if name.startswith("cumulative_hazard")]
        pieces = []
        for _, curve in self._curves():
            at = np.searchsorted(curve["time"].to_numpy(), np.asarray(times, dtype=float), side="right") - 1
            step = curve.iloc[np.maximum(at, 0)].reset_index(drop=True).assign(time=np.asarray(times, dtype=float))
            step["events"] = curve["events"].cumsum().to_numpy()[np.maximum(at, 0)]
            # at risk just before t: those of the next time at or after t
            after = np.searchsorted(curve["time"].to_numpy(), np.asarray(times, dtype=float), side="left")
            step["n"] = np.append(curve["n"].to_numpy(), 0)[np.where(at < 0, 0, after)]
            outside = (at < 0) | (np.asarray(times) > curve["time"].iloc[-1])
            step.loc[outside, ["estimate", "std_error", "conf_low", "conf_high", *hazard]] = np.nan
            pieces.append(step[[*self.keys, *TIDY, "events", *hazard]])
        return pd.concat(pieces, ignore_index=True)

    def at_risk(self, times: Sequence[float] | None = None) -> pd.DataFrame:
        """Count who is still at risk, and who has ended or left sight so far: the table under a curve.

        Returns
        -------
        DataFrame
            ``[by, ] time, at_risk, events, censored``.
        """
        grid = np.arange(self.origin, self.table["time"].max() + 1) if times is None else np.asarray(times, dtype=float)
        pieces = []
        for _, curve in self._curves():
            time = curve["time"].to_numpy()
            sofar = np.searchsorted(time, grid, side="right") - 1
            ahead = np.searchsorted(time, grid, side="right")
            row = curve.iloc[np.zeros(len(grid), dtype=int)][self.keys].reset_index(drop=True).assign(time=grid)
            row["at_risk"] = np.append(curve["at_risk"].to_numpy(), 0)[ahead].astype(np.int64)
            row["events"] = curve["events"].cumsum().to_numpy()[np.maximum(sofar, 0)]
            row["censored"] = curve["censored"].cumsum().to_numpy()[np.maximum(sofar, 0)]
            pieces.append(row)
        return pd.concat(pieces, ignore_index=True)

    def _curves(self) -> list[tuple[object, pd.DataFrame]]:
        if self.by is None:
            return [(None, self.table)]
        return list(self.table.groupby(self.by, sort=False, dropna=False))


def estimate_survival(  # noqa: PLR0913 - each a question of its own
    spells: Spells,
    *,
    by: str | None = None,
    event: Event = None,
    level: float = 0.95,
    tau: float | None = None,
    shares: Sequence[float] = (0.25, 0.5, 0.75),
    min_at_risk: int = MIN_AT_RISK,
    variance: Variance = "auto",
    interval: Interval = "log-log",
    late_entry: bool | None = None,
) -> SurvivalEstimate:
    """Estimate how long partners stay: Kaplan-Meier with delayed entry, by group.

    Intervals are log-log (complementary) by default, from Greenwood's variance, or from the infinitesimal jackknife by
    partner where partners have several spells. Where delayed entry leaves fewer than ``min_at_risk`` spells
    at risk early on, the curves start later and are conditional on having stayed until then.

    Parameters
    ----------
    spells : Spells
        What partners stay in. Those without a known start are left out, and counted.
    by : str, optional
        Attribute that forms the groups; they are also compared by the log-rank test.
    event : str or sequence of str, optional
        Endings that count; other endings are treated as censoring. All by default.
    level : float
        Coverage of the intervals.
    tau : float, optional
        Limit of the restricted mean; by default the last time at which every group has ``min_at_risk`` at risk.
    shares : sequence of float
        Shares ended for which the time is wanted.
    min_at_risk : int
        See above; 0 starts the curves at 0 whatever the risk set.
    variance : {"auto", "greenwood", "jackknife"}
        ``auto`` as described; the others whatever the spells.
    interval : {"log-log", "log", "plain"}
        Scale of the curve's interval, and so of the quantiles'; the cumulative hazard's is always on the log scale.
    late_entry : bool, optional
        Use spells that were under way when first seen and have a known start. By default they are used, unless
        so many starts are unknown, and of spells that ended so differently, that the known ones are a choice.

    Returns
    -------
    SurvivalEstimate

    Raises
    ------
    ParameterError
        If the attribute, ending, level or ``tau`` does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"partner": list("abcd"), "duration": [1, 2, 2, 3], "event": ["lapsed", "lapsed", "", "lapsed"]})
    >>> curve = estimate_survival(Spells.from_frame(frame))
    >>> curve.table[["time", "estimate", "n", "events"]].to_numpy().tolist()
    [[0.0, 1.0, 4.0, 0.0], [1.0, 0.75, 4.0, 1.0], [2.0, 0.5, 3.0, 1.0], [3.0, 0.0, 1.0, 1.0]]
    >>> float(curve.median["estimate"].iloc[0])
    2.5
    """
    used, starts = known_starts(spells, late_entry)
    sample = draw_sample(used, by=by, event=event)
    clustered = uses_jackknife(sample, variance)
    if interval not in risksets.SCALES:
        raise ParameterError(f"interval is {interval!r}{nearest(str(interval), risksets.SCALES)}")
    z = float(critical_value(level))
    origin, conditioned = start_of_curves(sample, min_at_risk)
    sample = sample.rows(sample.duration > origin) if origin > 0 else sample
    sets = _all_causes(sample)
    limit = limit_of_means(sets, tau, origin, min_at_risk)
    starts_of = np.bincount(sample.group, weights=sample.entry <= origin, minlength=sample.groups)
    asked = _Asked(z, interval, origin, clustered)
    curves = [_curve(sample, sets, index, start=int(starts_of[index]), asked=asked) for index in range(sample.groups)]
    table = _stack(sample, curves)
    comparison = _compare(sample, sets, clustered) if by is not None else None
    checks = (check_size(sample, minimum=1, unit=spells.unit), *starts, conditioned, check_clusters(sample), check_competing(sample))
    return SurvivalEstimate(
        estimand=_estimand(spells, by=by, event=event, origin=origin),
        table=table,
        checks=(*spells.checks, *(check for check in checks if check), *_compared(comparison)),
        level=level,
        quantiles=_quantiles(sample, curves, shares),
        rmst=_restricted_means(sample, sets, tau=limit, origin=origin, z=z, clustered=clustered),
        logrank=comparison,
        tau=limit,
        origin=origin,
        unit=spells.unit,
    )


def _all_causes(sample: Sample) -> risksets.RiskSets:
    """Risk sets in which every counted ending is the same event."""
    spans = sample.spans._replace(cause=np.minimum(sample.cause, 0))
    return risksets.count_risk_sets(spans, group=sample.group, groups=sample.groups)


def start_of_curves(sample: Sample, min_at_risk: int) -> tuple[float, Check | None]:
    """Time at which the curves may start: no risk set is too small between there and its peak, in any group."""
    if len(sample) == 0 or not (sample.entry > 0).any() or min_at_risk <= 0:
        return 0.0, None
    sets = _all_causes(sample)
    origin = 0.0
    for at_risk in sets.at_risk:
        peak = int(at_risk.argmax())
        thin = np.flatnonzero(at_risk[: peak + 1] < min_at_risk)
        if at_risk[peak] >= min_at_risk and len(thin):
            origin = max(origin, float(sets.time[thin[-1]]))
    if origin == 0.0:
        return 0.0, Check("Start of the curve", True, f"At least {min_at_risk} spells were at risk from the start.")
    detail = (
        f"Fewer than {min_at_risk} spells were at risk up to {origin:g}: the curve is conditional on having stayed until then "
        "(min_at_risk=0 starts it with the first)."
    )
    return origin, Check("Start of the curve", False, detail)


def limit_of_means(sets: risksets.RiskSets, tau: float | None, origin: float, min_at_risk: int) -> float:
    """Limit of the restricted mean."""
    if tau is not None:
        if not tau > origin:
            raise ParameterError(f"tau is {tau:g}; give a time after {origin:g}, where the curves start")
        return float(tau)
    peaks = sets.at_risk.max(axis=1, initial=0)
    # a group that is small throughout does not shorten the comparison of the others
    needed = np.minimum(max(min_at_risk, 1), peaks) if (peaks < min_at_risk).all() else np.full(len(peaks), max(min_at_risk, 1))
    lasts = [
        sets.time[at_risk >= least].max() for at_risk, least, peak in zip(sets.at_risk, needed, peaks, strict=True) if peak >= least > 0
    ]
    return float(min(lasts)) if lasts else float("nan")


class _Asked(NamedTuple):
    """How curves are drawn: two-sided quantile and scale of the interval, where they start, whether partners cluster."""

    z: float
    scale: str
    origin: float
    clustered: bool


def _curve(sample: Sample, sets: risksets.RiskSets, index: int, *, start: int, asked: _Asked) -> pd.DataFrame:
    """Curve of one group with its intervals; ``start`` spells are there where it begins."""
    z, scale, origin, clustered = asked
    lived = np.flatnonzero(sets.at_risk[index] > 0)
    time, n, d = sets.time[lived], sets.at_risk[index][lived], sets.ended[index][lived]
    if len(time) == 0:
        return _empty_curve(origin)
    survival = risksets.kaplan_meier(n, d)
    variance = risksets.greenwood(n, d)
    hazard, hazard_error = risksets.nelson_aalen(n, d)
    if clustered:
        mine = sample.rows(sample.group == index) if sample.groups > 1 else sample
        spans = mine.spans._replace(cause=np.minimum(mine.cause, 0))
        variance = clustered_curves.clustered_log_variance(time, n, d, spans, cluster=mine.partner)
        hazard_error = np.sqrt(clustered_curves.clustered_hazard_variance(time, n, d, spans, cluster=mine.partner))
    low, high = risksets.survival_interval(survival, variance, n, quantile=z, scale=scale)
    hazard_low, hazard_high = risksets.hazard_interval(hazard, hazard_error, quantile=z)
    lead = {"time": origin, "estimate": 1.0, "conf_low": 1.0, "conf_high": 1.0, "n": start, "at_risk": start}
    columns = {
        "time": time,
        "estimate": survival,
        "std_error": survival * np.sqrt(variance),
        "conf_low": low,
        "conf_high": high,
        "n": n.astype(np.int64),
        "at_risk": n.astype(np.int64),
        "events": d.astype(np.int64),
        "censored": sets.censored[index][lived].astype(np.int64),
        "cumulative_hazard": hazard,
        "cumulative_hazard_se": hazard_error,
        "cumulative_hazard_low": hazard_low,
        "cumulative_hazard_high": hazard_high,
    }
    return pd.DataFrame({name: np.concatenate([[lead.get(name, 0)], values]) for name, values in columns.items()})


def _empty_curve(origin: float) -> pd.DataFrame:
    """Nobody to follow: one row that says so."""
    nothing = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), np.nan)
    counts = dict.fromkeys(("n", "at_risk", "events", "censored"), 0)
    hazards = {f"cumulative_hazard{end}": np.nan for end in ("", "_se", "_low", "_high")}
    return pd.DataFrame([{"time": origin, **nothing, **counts, **hazards}])


def _stack(sample: Sample, curves: list[pd.DataFrame]) -> pd.DataFrame:
    """One table of all curves, group keys first."""
    table = pd.concat(curves, ignore_index=True)
    group = np.repeat(np.arange(len(curves)), [len(curve) for curve in curves])
    keys = pd.DataFrame(key_columns(sample, group), index=table.index, columns=list(sample.by))
    return pd.concat([keys, table], axis=1)


def _quantiles(sample: Sample, curves: list[pd.DataFrame], shares: Sequence[float]) -> pd.DataFrame:
    """Find the times by which given shares have ended, with intervals that invert those of the curve."""
    asked = np.atleast_1d(np.asarray(shares, dtype=float))
    if not ((asked > 0) & (asked < 1)).all():
        raise ParameterError(f"shares are {asked.tolist()}; give numbers between 0 and 1, such as (0.25, 0.5, 0.75)")
    rows, size = [], np.bincount(sample.group, minlength=sample.groups)
    for index, curve in enumerate(curves):
        n = int(size[index])
        for share in asked.tolist():
            at = {name: risksets.curve_quantile(curve["time"].to_numpy(), curve[name].to_numpy(), 1 - share) for name in _BOUNDED}
            rows.append({**name_group(sample, index), "share": share, **at, "n": n})
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("conf_low"), "std_error", np.nan)
    return table


#: Columns that are inverted into quantiles.
_BOUNDED = ("estimate", "conf_low", "conf_high")


def _restricted_means(sample: Sample, sets: risksets.RiskSets, *, tau: float, origin: float, z: float, clustered: bool) -> pd.DataFrame:
    """Restricted mean of each group with its clustered standard error."""
    rows, size = [], np.bincount(sample.group, minlength=sample.groups)
    for index in range(sample.groups):
        mean = error = np.nan
        lived = sets.at_risk[index] > 0
        if lived.any() and np.isfinite(tau) and tau <= sets.time[lived][-1]:
            counts = sets.time[lived], sets.at_risk[index][lived], sets.ended[index][lived]
            mine = sample.rows(sample.group == index) if clustered and sample.groups > 1 else sample
            mean, error = restricted_mean_of(mine, *counts, tau=tau, origin=origin, clustered=clustered)
        low, high = np.clip([mean - z * error, mean + z * error], 0.0, tau - origin)
        bounds = {"estimate": mean, "std_error": error, "conf_low": low, "conf_high": high}
        rows.append({**name_group(sample, index), **bounds, "n": int(size[index]), "tau": tau})
    return pd.DataFrame(rows)


def restricted_mean_of(
    sample: Sample, time: np.ndarray, at_risk: np.ndarray, ended: np.ndarray, *, tau: float, origin: float, clustered: bool
) -> tuple[float, float]:
    """Restricted mean and its standard error, clustered by partner."""
    mean, error, area = risksets.restricted_mean(time, at_risk, ended, tau=tau, origin=origin)
    if not clustered:
        return mean, error
    own = clustered_curves.restricted_mean_influence(time, at_risk, ended, area, sample.spans)
    return mean, float(np.sqrt(np.sum(clustered_curves.sum_by_cluster(own, sample.partner) ** 2)))


def _compare(sample: Sample, sets: risksets.RiskSets, clustered: bool) -> pd.DataFrame:
    """Log-rank test between the groups; clustered by partner where partners have several spells."""
    variance = None
    if clustered and sample.groups > 1:
        weight = np.ones(len(sets.time))
        parts = logrank.log_rank_influence(sets.time, sets.at_risk, sets.ended, weight, sample.spans, group=sample.group)
        summed = clustered_curves.sum_by_cluster(parts, sample.partner)
        variance = summed.T @ summed
    test = logrank.log_rank(sets.at_risk, sets.ended, variance=variance)
    return pd.DataFrame([{"statistic": test.statistic, "df": test.df, "p_value": test.p_value, "clustered": variance is not None}])


def _compared(comparison: pd.DataFrame | None) -> tuple[Check, ...]:
    if comparison is None:
        return ()
    row = comparison.iloc[0]
    if not row["df"]:
        return (Check("Groups differ (log-rank)", None, "fewer than two groups with endings: nothing to compare"),)
    how = "variance clustered by partner" if row["clustered"] else "one spell per partner"
    detail = f"chi-squared {row['statistic']:.2f} on {int(row['df'])} df, {say_p(row['p_value'])} ({how})."
    return (Check("Groups differ (log-rank)", None, detail),)


def _estimand(spells: Spells, *, by: str | None, event: Event, origin: float) -> str:
    """Say what the curve is, in a sentence."""
    stay = {"membership": "are still members", "any tier": "are still in the same tier"}.get(spells.of, f"are still in {spells.of}")
    causes = "" if event is None else f" (endings: {event if isinstance(event, str) else ', '.join(event)})"
    since = f", among those who stayed {origin:g} {spells.unit}s" if origin else ""
    return f"Share of partners who {stay} so many {spells.unit}s after the start{causes}{since}{f', by {by}' if by else ''}"
