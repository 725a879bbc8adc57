"""Variance of curves when several spells belong to one partner: the infinitesimal jackknife, summed within partners.

Each spell has an influence on the curve, the derivative of the estimate with respect to the spell's weight.
Influences of one partner are added before they are squared, so re-entries and pieces of one spell are handled
alike. An influence is a sum of steps: one at every time at which the spell is at risk, one more where it ends.
The sum of squares over all spells therefore has a closed form whose cost grows with spells plus times; only
partners with several spells need their cross products in blocks. Without delayed entry and with one spell per
partner the result is Greenwood's; with delayed entry the two differ a little, both being valid.

Efron (1981), doi:10.1080/01621459.1981.10477650, on censored data; with clusters it is the robust variance of
Therneau's ``survfit(..., cluster=)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from partnerlab.stats.curves.risksets import Spans, greenwood

#: Cells of one block of (spells x times); keeps memory flat whatever the number of partners.
_BLOCK = 4_000_000


def repeat_clusters(cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the clusters that have more than one row, sorted by cluster, and where each cluster starts.

    Examples
    --------
    >>> rows, starts = repeat_clusters(np.array([5, 7, 5, 9, 7]))
    >>> rows.tolist(), starts.tolist()
    ([0, 2, 1, 4], [0, 2])
    """
    if len(cluster) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    code = _dense(cluster)
    size = np.bincount(code)
    rows = np.flatnonzero(size[code] > 1)
    rows = rows[np.argsort(code[rows], kind="stable")]
    ordered = code[rows]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(rows) else np.empty(0, dtype=np.int64)
    return rows, starts


def _dense(cluster: np.ndarray) -> np.ndarray:
    """Small non-negative integers for clusters, sorting only where they are not that already."""
    cluster = np.asarray(cluster)
    if cluster.dtype.kind in "iu" and cluster.min() >= 0 and cluster.max() <= 4 * len(cluster) + 1024:
        return cluster
    return np.unique(cluster, return_inverse=True)[1].reshape(-1)


class Steps(NamedTuple):
    """A process of every spell: what it adds while at risk, shape ``(k,)``, and on top where it ends, shape ``(c, k)`` by cause."""

    stay: np.ndarray
    end: np.ndarray

    @property
    def level(self) -> np.ndarray:
        """Running sum of ``stay``, led by a zero, shape ``(k + 1,)``."""
        return np.concatenate([[0.0], np.cumsum(self.stay)])


def log_survival_steps(at_risk: np.ndarray, events: np.ndarray) -> Steps:
    """Influence of a spell on log S: d / (n (n - d)) while at risk, -1 / (n - d) where it ends.

    Parameters
    ----------
    at_risk : ndarray, shape (k,)
    events : ndarray, shape (c, k)
    """
    ended = events.sum(axis=0)
    left = at_risk - ended
    stay = np.divide(ended, at_risk * left, out=np.zeros(len(at_risk)), where=left > 0)
    end = -np.divide(1.0, left, out=np.zeros(len(at_risk)), where=left > 0)
    return Steps(stay, np.broadcast_to(end, events.shape))


def trace_steps(steps: Steps, spans: Spans, time: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Value of each spell's process at every time: rows -> ``(rows, k)``."""
    enters, leaves, ends = spans.places(time)
    level, step = steps.level, np.arange(1, len(time) + 1)

    def values(rows: np.ndarray) -> np.ndarray:
        a, b = enters[rows, None], leaves[rows, None]
        stayed = level[np.minimum(b, step)] - level[np.minimum(a, step)]
        # a censored spell reads some cause's step and drops it
        extra = steps.end[np.maximum(spans.cause[rows], 0), np.maximum(leaves[rows], 1) - 1]
        return stayed + np.where(ends[rows, None] & (b <= step), extra[:, None], 0.0)

    return values


def read_steps(steps: Steps, spans: Spans, time: np.ndarray, *, place: int) -> np.ndarray:
    """Value of every spell's process at ``time[place]``, shape ``(n,)``."""
    enters, leaves, ends = spans.places(time)
    stayed = steps.level[np.minimum(leaves, place + 1)] - steps.level[np.minimum(enters, place + 1)]
    extra = steps.end[np.maximum(spans.cause, 0), np.maximum(leaves, 1) - 1]
    return stayed + np.where(ends & (leaves <= place + 1), extra, 0.0)


def sum_products(x: Steps, y: Steps, events: np.ndarray, spans: Spans, time: np.ndarray) -> np.ndarray:
    """Sum over spells of the product of two of their processes, at every time, shape ``(k,)``.

    At each time a process grows by x among those at risk and by x + end among those who end, so the sum of
    products grows by sums over the risk set, which entries and exits keep up to date.

    Examples
    --------
    Without delayed entry the squares of the influences on log S add up to Greenwood's sum.

    >>> time, n, d = np.array([1.0, 2.0]), np.array([4.0, 2.0]), np.array([[1.0, 1.0]])
    >>> spans, steps = Spans(np.zeros(4), np.array([1, 1, 2, 2]), np.array([0, -1, 0, -1])), log_survival_steps(n, d)
    >>> bool(np.allclose(sum_products(steps, steps, d, spans, time), greenwood(n, d[0])))
    True
    """
    k = len(time)
    enters, leaves, ends = spans.places(time)
    at_risk = np.cumsum(np.bincount(enters, minlength=k + 1) - np.bincount(leaves, minlength=k + 1))[:k]
    own = x.stay * y.stay * at_risk + (events * (x.end * y.end + x.stay * y.end + x.end * y.stay)).sum(axis=0)
    total = own
    for one, other in ((x, y), (y, x)):
        level = one.level
        began = level[enters]
        sums = np.cumsum(np.bincount(enters, weights=began, minlength=k + 1) - np.bincount(leaves, weights=began, minlength=k + 1))[:k]
        total = total + other.stay * (at_risk * level[:-1] - sums)
        for cause, count in enumerate(events):
            mine = ends & (spans.cause == cause)
            gone = np.bincount(leaves[mine] - 1, weights=began[mine], minlength=k)
            total = total + other.end[cause] * (count * level[:-1] - gone)
    return np.cumsum(total)


def cross_products(influence: Callable[[np.ndarray], np.ndarray], cluster: np.ndarray, width: int) -> np.ndarray:
    """Sum over clusters of (sum of influences)^2 - sum of influences^2, shape ``(width,)``.

    Parameters
    ----------
    influence : callable
        Rows of spells -> their influences, shape ``(len(rows), width)``.
    cluster : ndarray, shape (n,)
        Partner of each spell.
    width : int
        Number of times.
    """
    total = np.zeros(width)
    rows, starts = repeat_clusters(cluster)
    for block, first in _blocks(rows, starts, width):
        values = influence(block)
        total += (np.add.reduceat(values, first, axis=0) ** 2).sum(axis=0) - (values**2).sum(axis=0)
    return total


def _blocks(rows: np.ndarray, starts: np.ndarray, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut the rows into blocks of whole clusters."""
    step = max(1, _BLOCK // max(width, 1))
    edge = 0
    while edge < len(starts):
        begin = starts[edge]
        # the block ends with the last cluster that starts within ``step`` rows
        stop = max(edge + 1, int(np.searchsorted(starts, begin + step)))
        end = starts[stop] if stop < len(starts) else len(rows)
        yield rows[begin:end], starts[edge:stop] - begin
        edge = stop


def clustered_log_variance(time: np.ndarray, at_risk: np.ndarray, ended: np.ndarray, spans: Spans, *, cluster: np.ndarray) -> np.ndarray:
    """Variance of log S(t) when spells of one partner go together, shape ``(k,)``; NaN from where S is 0.

    Parameters
    ----------
    time, at_risk, ended : ndarray, shape (k,)
        The curve's counts.
    spans : Spans
        The spells behind it; all endings are one cause, 0.
    cluster : ndarray, shape (n,)
        Partner of each spell.

    Examples
    --------
    One partner with two spells that end together: more doubt than Greenwood's 0.25.

    >>> spans = Spans(np.zeros(4), np.array([1, 1, 2, 2]), np.array([0, 0, 0, -1]))
    >>> counts = np.array([1.0, 2.0]), np.array([4.0, 2.0]), np.array([2.0, 1.0])
    >>> round(float(clustered_log_variance(*counts, spans, cluster=np.array([0, 0, 1, 2]))[0]), 4)
    0.375
    """
    events = ended[None]
    steps = log_survival_steps(at_risk, events)
    variance = sum_products(steps, steps, events, spans, time) + cross_products(trace_steps(steps, spans, time), cluster, len(time))
    return np.where(np.isnan(greenwood(at_risk, ended)), np.nan, np.maximum(variance, 0.0))


def clustered_hazard_variance(time: np.ndarray, at_risk: np.ndarray, ended: np.ndarray, spans: Spans, *, cluster: np.ndarray) -> np.ndarray:
    """Variance of the Nelson-Aalen cumulative hazard when spells of one partner go together, shape ``(k,)``."""
    known = np.maximum(at_risk, 1.0)
    events = ended[None]
    steps = Steps(-ended / known**2, np.broadcast_to(1.0 / known, events.shape))
    variance = sum_products(steps, steps, events, spans, time) + cross_products(trace_steps(steps, spans, time), cluster, len(time))
    return np.maximum(variance, 0.0)


def restricted_mean_influence(time: np.ndarray, at_risk: np.ndarray, ended: np.ndarray, area: np.ndarray, spans: Spans) -> np.ndarray:
    """Influence of each spell on the restricted mean, shape ``(n,)``; ``area`` is that right of each time.

    The sum of their squares is the variance of the restricted mean.
    """
    left = at_risk - ended
    own = np.concatenate([[0.0], np.divide(area, left, out=np.zeros(len(time)), where=left > 0)])
    shared = np.divide(area * ended, at_risk * left, out=np.zeros(len(time)), where=left > 0)
    running = np.concatenate([[0.0], np.cumsum(shared)])
    enters, leaves, ends = spans.places(time)
    return running[leaves] - running[enters] - np.where(ends, own[leaves], 0.0)


def sum_by_cluster(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Add values within clusters, shape ``(clusters,)`` or ``(clusters, m)``.

    Examples
    --------
    >>> sum_by_cluster(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 0])).tolist()
    [5.0, 2.0]
    """
    code = _dense(cluster) if len(cluster) else np.zeros(0, dtype=np.int64)
    if values.ndim == 1:
        return np.bincount(code, weights=values)
    return np.stack([np.bincount(code, weights=column) for column in values.T], axis=1)
