"""Actuarial life tables: endings counted in intervals, those who enter or leave sight within one counted half."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from partnerlab.stats.curves.clustered_curves import sum_by_cluster
from partnerlab.stats.curves.risksets import CENSORED, Spans


@dataclasses.dataclass(frozen=True, kw_only=True)
class LifeTable:
    """One row of numbers per interval ``(edge[j], edge[j + 1]]``, each shape ``(m,)``.

    Parameters
    ----------
    start, end : ndarray
        Edges of the intervals.
    at_risk, entered, censored, ended : ndarray
        Under observation when the interval begins; came under observation, left sight, ended within it.
    exposed : ndarray
        Effective number: ``at_risk + (entered - censored) / 2``.
    survival, log_variance : ndarray
        Share not ended when the interval is over, and the variance of its logarithm (Greenwood's).
    hazard, hazard_error, density, density_error : ndarray
        Endings per period at the middle of the interval, of those at risk and of all.
    """

    start: np.ndarray
    end: np.ndarray
    at_risk: np.ndarray
    entered: np.ndarray
    censored: np.ndarray
    ended: np.ndarray
    exposed: np.ndarray
    survival: np.ndarray
    log_variance: np.ndarray
    hazard: np.ndarray
    hazard_error: np.ndarray
    density: np.ndarray
    density_error: np.ndarray


def build_life_table(spans: Spans, edges: np.ndarray, *, cluster: np.ndarray | None = None) -> LifeTable:
    """Count spells into a life table.

    Berkson and Gage (1950), Proceedings of the Staff Meetings of the Mayo Clinic 25; standard errors of hazard and
    density after Gehan (1969), doi:10.1016/0021-9681(69)90023-0.

    Parameters
    ----------
    spans : Spans
        All endings are one cause.
    edges : ndarray, shape (m + 1,)
        Ascending; an ending at an edge belongs to the interval that the edge closes, as time runs in whole periods.
    cluster : ndarray, shape (n,), optional
        Partner of each spell; then ``log_variance`` adds up influences within partners.

    Examples
    --------
    >>> table = build_life_table(Spans(np.zeros(4), np.array([1, 1.5, 3, 4]), np.array([0, -1, 0, 0])), np.array([0.0, 2.0, 4.0]))
    >>> table.exposed.tolist(), table.survival.round(3).tolist()
    ([3.5, 2.0], [0.714, 0.0])
    """
    m, width = len(edges) - 1, np.diff(edges)
    # a table that begins late is of those still there when it does
    there = spans.duration > edges[0]
    if not there.all():
        spans, cluster = Spans(*(values[there] for values in spans)), None if cluster is None else cluster[there]
    first = np.clip(np.searchsorted(edges, spans.entry, side="right") - 1, 0, m)
    last = np.searchsorted(edges, spans.duration, side="left") - 1
    # an entry at an edge is at risk for the whole of the interval that follows
    within = (first < m) & (spans.entry > edges[np.minimum(first, m - 1)])
    ends, seen = (spans.cause != CENSORED) & (last < m), last < m
    entered = np.bincount(first[within], minlength=m)[:m].astype(float)
    at_start = np.bincount(first[(first < m) & ~within], minlength=m)[:m].astype(float)
    ended = np.bincount(last[ends], minlength=m)[:m].astype(float)
    # censored at the closing edge: seen through the whole interval, gone before the next
    whole = ~ends & seen & (spans.duration == edges[np.minimum(last, m - 1) + 1])
    censored = np.bincount(last[~ends & seen], minlength=m)[:m].astype(float)
    full = np.bincount(last[whole], minlength=m)[:m].astype(float)
    before = np.concatenate([[0.0], (entered - ended - censored)[:-1]])
    at_risk = np.cumsum(at_start + before)
    exposed = at_risk + (entered - (censored - full)) / 2
    share = np.divide(ended, exposed, out=np.zeros(m), where=exposed > 0)
    survival = np.cumprod(1 - share)
    spread = np.divide(ended, exposed * (exposed - ended), out=np.zeros(m), where=exposed > ended)
    log_variance = np.cumsum(spread)
    if cluster is not None:
        log_variance = _clustered(_Places(first, last, within, whole, ends), share=share, exposed=exposed, cluster=cluster)
    log_variance = np.where(survival > 0, log_variance, np.nan)
    hazard, hazard_error, density, density_error = _rates(survival, share, ended, exposed, np.cumsum(spread), width)
    return LifeTable(
        start=edges[:-1], end=edges[1:], at_risk=at_risk, entered=entered, censored=censored, ended=ended, exposed=exposed,
        survival=survival, log_variance=log_variance, hazard=hazard, hazard_error=hazard_error, density=density,
        density_error=density_error,
    )  # fmt: skip


def _rates(
    survival: np.ndarray, share: np.ndarray, ended: np.ndarray, exposed: np.ndarray, greenwood: np.ndarray, width: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hazard and density per period with Gehan's standard errors."""
    before = np.concatenate([[1.0], survival[:-1]])
    known = exposed > 0
    hazard = np.where(known, 2 * share / (width * (2 - share)), np.nan)
    some = ended > 0
    inner = np.clip(1 - (hazard * width / 2) ** 2, 0.0, None)
    hazard_error = np.where(known, hazard * np.sqrt(np.divide(inner, ended, out=np.zeros(len(ended)), where=some)), np.nan)
    density = np.where(known, before * share / width, np.nan)
    earlier = np.concatenate([[0.0], greenwood[:-1]])
    own = np.divide(1 - share, exposed * share, out=np.zeros(len(ended)), where=some)
    return hazard, hazard_error, density, np.where(known, density * np.sqrt(earlier + own), np.nan)


class _Places(NamedTuple):
    """Interval in which each spell is first and last seen, whether it entered within it, was seen through it, ended; shape ``(n,)``."""

    first: np.ndarray
    last: np.ndarray
    within: np.ndarray
    whole: np.ndarray
    ends: np.ndarray


def _clustered(places: _Places, *, share: np.ndarray, exposed: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Variance of log S after each interval: squares of influences added up within partners."""
    first, last, within, whole, ends = places
    m = len(share)
    scale = np.divide(1.0, exposed * (1 - share), out=np.zeros(m), where=(exposed > 0) & (share < 1))
    running, variance = 0.0, np.empty(m)
    for j in range(m):
        there = (first <= j) & (last >= j)
        half = (within & (first == j)).astype(float) + ((last == j) & ~ends & ~whole)
        own = np.where(there, (ends & (last == j)) - share[j] * (1 - half / 2), 0.0)
        running = running - scale[j] * sum_by_cluster(own, cluster)
        variance[j] = np.sum(running**2)
    return variance
