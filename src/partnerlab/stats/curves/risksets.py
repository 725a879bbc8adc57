"""Risk sets with delayed entry, and what is counted on them: curves, hazards, quantiles, restricted means.

One convention everywhere: a spell ``(entry, duration]`` is at risk at ``t`` when
``entry < t <= duration``. Ties are kept as they are, never jittered. Arrays of
counts have the distinct times on the last axis, shape ``(..., k)``, so that one
call serves any number of groups.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

#: Cause code of a spell that was not seen ending.
CENSORED = -1

#: Whole durations up to this length are counted by `numpy.bincount`; longer ones by sorting.
_WHOLE_LIMIT = 4096


class Spans(NamedTuple):
    """Spells as arrays of shape ``(n,)``: observed on ``(entry, duration]``, ended by ``cause`` (or `CENSORED`)."""

    entry: np.ndarray
    duration: np.ndarray
    cause: np.ndarray

    def places(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How many of the times lie at or before entry and duration, and whether the spell ends at one of them."""
        enters = np.searchsorted(time, self.entry, side="right")
        leaves = np.searchsorted(time, self.duration, side="right")
        if len(time) == 0:
            return enters, leaves, np.zeros(len(enters), dtype=bool)
        ends = (self.cause != CENSORED) & (leaves > 0) & (time[np.maximum(leaves, 1) - 1] == self.duration)
        return np.minimum(enters, leaves), leaves, ends


@dataclasses.dataclass(frozen=True, kw_only=True)
class RiskSets:
    """Who could have ended at each time, and who did.

    Parameters
    ----------
    time : ndarray of float, shape (k,)
        Distinct times at which any spell ended or was censored, ascending.
    at_risk : ndarray of float, shape (g, k)
        Spells with ``entry < t <= duration`` in each group.
    events : ndarray of float, shape (g, c, k)
        Spells that ended at ``t``, by cause.
    censored : ndarray of float, shape (g, k)
        Spells last seen at ``t`` and not ended.
    """

    time: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    censored: np.ndarray

    @property
    def ended(self) -> np.ndarray:
        """Spells that ended at ``t`` for whatever cause, shape ``(g, k)``."""
        return self.events.sum(axis=1)


def count_risk_sets(
    spans: Spans,
    *,
    causes: int = 1,
    group: np.ndarray | None = None,
    groups: int = 1,
    weights: np.ndarray | None = None,
) -> RiskSets:
    """Count risk sets, events and censorings at every distinct time, in one pass.

    Parameters
    ----------
    spans : Spans
        Spells, with causes 0 .. causes - 1 or `CENSORED`.
    causes, groups : int
        Number of causes and of groups.
    group : ndarray of int, shape (n,), optional
        0 .. groups - 1.
    weights : ndarray of float, shape (n,), optional
        How often each spell counts.

    Returns
    -------
    RiskSets

    Examples
    --------
    Four spells; the last is seen from time 1 on, the second is censored.

    >>> sets = count_risk_sets(Spans(np.array([0, 0, 0, 1]), np.array([1, 2, 2, 3]), np.array([0, -1, 0, 0])))
    >>> sets.at_risk.astype(int).tolist(), sets.ended.astype(int).tolist()
    ([[3, 3, 1]], [[1, 1, 1]])
    """
    width = causes + 1
    places = _whole_places(spans)
    time, exit_at, entry_at, k = places if places is not None else _sorted_places(spans)
    exits = _count_exits(np.asarray(spans.cause), exit_at, group, weights, shape=(groups, width, k))
    gone = exits.sum(axis=1)
    if entry_at is None:
        entries = np.zeros((groups, k))
        entries[:, 0] = gone.sum(axis=1)
    else:
        start = entry_at if group is None else np.asarray(group, dtype=np.int64) * (k + 1) + entry_at
        entries = np.bincount(start, weights=weights, minlength=groups * (k + 1)).reshape(groups, k + 1)[:, :k]
    at_risk = np.cumsum(entries, axis=1) - np.cumsum(gone, axis=1) + gone
    if places is not None:
        # times at which nobody of any group left sight are no times; weights may be 0, rows are not
        seen = gone.any(axis=0) if weights is None else np.bincount(exit_at, minlength=k) > 0
        time, at_risk, exits = time[seen], at_risk[:, seen], exits[:, :, seen]
    return RiskSets(time=time, at_risk=at_risk, events=exits[:, 1:], censored=exits[:, 0])


#: Rows counted at once: their cells stay in the cache, and memory stays flat.
_ROWS = 32_768


def _count_exits(
    cause: np.ndarray, exit_at: np.ndarray, group: np.ndarray | None, weights: np.ndarray | None, *, shape: tuple[int, int, int]
) -> np.ndarray:
    """Count spells by group, cause (censored first) and place of their exit, block by block."""
    groups, width, k = shape
    cells = groups * width * k
    total = np.zeros(cells)
    # with many cells the counts themselves are what costs
    step = _ROWS if cells <= _ROWS else max(len(cause), 1)
    for begin in range(0, len(cause), step):
        rows = slice(begin, begin + step)
        cell = np.add(cause[rows], 1, dtype=np.int64)
        if group is not None:
            cell += group[rows] * np.int64(width)
        cell *= k
        cell += exit_at[rows]
        total += np.bincount(cell, weights=None if weights is None else weights[rows], minlength=cells)
    return total.reshape(shape)


_Places = tuple[np.ndarray, np.ndarray, np.ndarray | None, int]


def _whole_places(spans: Spans) -> _Places | None:
    """Places of whole durations on the grid 0, 1, 2, ...; None where durations are long or no whole numbers.

    Gives the grid, the place of each exit, the first place at which each spell is at risk (None: all from the start), and
    the number of places.
    """
    entry, duration = spans.entry, spans.duration
    if not len(duration) or not 0 <= duration.min() <= duration.max() < _WHOLE_LIMIT:
        return None
    k, late = int(duration.max()) + 1, bool(entry.any())
    exit_at = duration if duration.dtype.kind in "iu" else duration.astype(np.int64)
    if exit_at is not duration and not np.array_equal(exit_at, duration):
        return None
    if not late:
        return np.arange(k, dtype=float), exit_at, None, k
    entry_at = entry if entry.dtype.kind in "iu" else entry.astype(np.int64)
    if entry.min() < 0 or (entry_at is not entry and not np.array_equal(entry_at, entry)):
        return None
    return np.arange(k, dtype=float), exit_at, np.minimum(entry_at + 1, k), k


def _sorted_places(spans: Spans) -> _Places:
    """Places on the distinct durations, found by sorting."""
    time, exit_at = np.unique(spans.duration, return_inverse=True)
    return time.astype(float), exit_at.reshape(-1), np.searchsorted(time, spans.entry, side="right"), len(time)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, giving 0 where the denominator is 0 (nobody at risk adds nothing)."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float))
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)


def kaplan_meier(at_risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Product-limit curve just after each time, shape ``(..., k)``.

    Kaplan and Meier (1958), doi:10.1080/01621459.1958.10501452; with delayed entry
    Tsai, Jewell and Wang (1987), doi:10.1093/biomet/74.4.883.

    Examples
    --------
    >>> kaplan_meier(np.array([4, 2]), np.array([1, 1])).tolist()
    [0.75, 0.375]
    """
    return np.cumprod(1.0 - _ratio(events, at_risk), axis=-1)


def nelson_aalen(at_risk: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative hazard and its standard error, both shape ``(..., k)``; tied events count d / n.

    Nelson (1972), doi:10.1080/00401706.1972.10488991; Aalen (1978), doi:10.1214/aos/1176344247.

    Examples
    --------
    >>> hazard, error = nelson_aalen(np.array([4, 2]), np.array([1, 1]))
    >>> hazard.tolist()
    [0.25, 0.75]
    """
    rate = _ratio(events, at_risk)
    return np.cumsum(rate, axis=-1), np.sqrt(np.cumsum(_ratio(rate, at_risk), axis=-1))


def greenwood(at_risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Variance of log S at each time, shape ``(..., k)``; NaN from where S is 0.

    Greenwood (1926), The natural duration of cancer.

    Examples
    --------
    >>> greenwood(np.array([4, 2]), np.array([1, 2])).round(4).tolist()
    [0.0833, nan]
    """
    at_risk, events = np.broadcast_arrays(np.asarray(at_risk, dtype=float), np.asarray(events, dtype=float))
    emptied = np.maximum.accumulate((events >= at_risk) & (events > 0), axis=-1)
    variance = np.cumsum(_ratio(events, at_risk * (at_risk - events)), axis=-1)
    return np.where(emptied, np.nan, variance)


#: Scales on which an interval of a survival curve is taken.
SCALES = ("log-log", "log", "plain")


def survival_interval(
    survival: np.ndarray, log_variance: np.ndarray, at_risk: np.ndarray, *, quantile: float, scale: str = "log-log"
) -> tuple[np.ndarray, np.ndarray]:
    """Interval for S on the scale of log(-log S), log S or S itself, both bounds shape ``(..., k)``.

    Kalbfleisch and Prentice (1980), The statistical analysis of failure time data, section 1.4; Borgan and Liestol
    (1990), Scandinavian Journal of Statistics 17, compare the scales. Two places where the formulas are silent are
    filled: before the first event the lower bound is the exact binomial one, ``(tail) ** (1 / n)`` with the smallest
    risk set so far; once S is 0 the upper bound stays at its last value, which holds because S never rises.

    Parameters
    ----------
    survival, log_variance, at_risk : ndarray, shape (..., k)
        The curve, the variance of its logarithm (`greenwood`), and the risk sets.
    quantile : float
        Two-sided normal quantile, 1.96 for 95 %.
    scale : {"log-log", "log", "plain"}
        The first keeps the bounds between 0 and 1 by itself; those of the others are cut there.
    """
    from scipy.special import ndtr

    inside = (survival > 0) & (survival < 1) & np.isfinite(log_variance)
    known = np.where(inside, survival, 0.5)
    low, high = _scaled_bounds(known, quantile * np.sqrt(np.where(inside, log_variance, 0.0)), scale)
    low, high = np.where(inside, low, np.nan), np.where(inside, high, np.nan)
    smallest = np.minimum.accumulate(np.where(at_risk > 0, at_risk, np.inf), axis=-1)
    untouched = survival >= 1
    low = np.where(untouched, ndtr(-quantile) ** (1.0 / smallest), low)
    high = np.where(untouched, 1.0, high)
    fallen = survival <= 0
    # all of the first risk set ended together: the exact bound again
    first = np.where(fallen, 1.0 - ndtr(-quantile) ** (1.0 / smallest), high)
    carried = np.fmin.accumulate(np.where(fallen, np.nan, high), axis=-1) if high.size else high
    return np.where(fallen, 0.0, low), np.where(fallen & ~np.isnan(carried), carried, first)


def _scaled_bounds(survival: np.ndarray, reach: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of S inside (0, 1), from how far log S may be off."""
    if scale == "plain":
        return np.clip(survival * (1.0 - reach), 0.0, 1.0), np.clip(survival * (1.0 + reach), 0.0, 1.0)
    with np.errstate(over="ignore"):  # a variance beyond all bounds gives the bounds 0 and 1
        if scale == "log":
            return survival * np.exp(-reach), np.minimum(survival * np.exp(reach), 1.0)
        log_s = np.log(survival)
        return np.exp(log_s * np.exp(reach / -log_s)), np.exp(log_s * np.exp(reach / log_s))


def hazard_interval(hazard: np.ndarray, error: np.ndarray, *, quantile: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a cumulative hazard on the log scale, ``H exp(+-z se / H)``; NaN while it is 0.

    Andersen, Borgan, Gill and Keiding (1993), section IV.1.3.2.

    Examples
    --------
    >>> [bound.round(3).tolist() for bound in hazard_interval(np.array([0.0, 0.5]), np.array([0.0, 0.1]), quantile=1.96)]
    [[nan, 0.338], [nan, 0.74]]
    """
    known = hazard > 0
    reach = np.exp(quantile * _ratio(error, hazard))
    return np.where(known, hazard / reach, np.nan), np.where(known, hazard * reach, np.nan)


def curve_quantile(time: np.ndarray, curve: np.ndarray, share: float) -> float:
    """First time at which a falling curve is at or below ``share``; NaN when it never is.

    Where the curve rests exactly on ``share`` the middle of that stretch is given, as is usual for medians
    (and as R's ``survfit`` does). Applied to the bounds of the curve it gives the interval of
    Brookmeyer and Crowley (1982), doi:10.2307/2530286.

    Examples
    --------
    >>> curve_quantile(np.array([1.0, 2.0, 5.0]), np.array([0.8, 0.5, 0.2]), 0.5)
    3.5
    """
    # a cumulative product carries rounding of a few units in the last place
    slack = 1e-12
    known = np.isfinite(curve)
    time, curve = time[known], curve[known]
    reached = np.flatnonzero(curve <= share + slack)
    if len(reached) == 0:
        return float("nan")
    first = reached[0]
    below = np.flatnonzero(curve < share - slack)
    if curve[first] < share - slack or len(below) == 0:
        return float(time[first])
    return float((time[first] + time[below[0]]) / 2)


def restricted_mean(
    time: np.ndarray, at_risk: np.ndarray, events: np.ndarray, *, tau: float, origin: float = 0.0
) -> tuple[float, float, np.ndarray]:
    """Area under the product-limit curve from ``origin`` to ``tau``, its standard error, and the area right of each time.

    The variance is that of the *estimate*, sum of A(t)^2 d / (n (n - d)) with A(t) the area from t to ``tau``
    (Andersen, Borgan, Gill and Keiding 1993, Statistical models based on counting processes, example IV.3.8),
    not the spread of the durations.

    Parameters
    ----------
    time, at_risk, events : ndarray, shape (k,)
        Ascending times after ``origin`` and the counts there.
    tau, origin : float
        Limits of the area.

    Examples
    --------
    >>> mean, error, _ = restricted_mean(np.array([1.0, 2.0]), np.array([2, 1]), np.array([1, 1]), tau=2.0)
    >>> mean, round(error, 4)
    (1.5, 0.3536)
    """
    used = time <= tau
    edges = np.concatenate([[origin], time[used], [tau]])
    survival = np.concatenate([[1.0], kaplan_meier(at_risk[used], events[used])])
    pieces = survival * np.diff(edges)
    right = np.cumsum(pieces[::-1])[::-1]
    area = np.zeros(len(time))
    area[used] = right[1:]
    variance = np.sum(area**2 * _ratio(events, at_risk * (at_risk - events)))
    return float(right[0]), float(np.sqrt(variance)), area
