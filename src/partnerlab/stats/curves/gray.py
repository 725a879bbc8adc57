"""Gray's test: do groups end in one way equally often, beside the other ways that compete with it.

Each group's risk set is blown up to those who have not yet ended in this way, ``R = n (1 - F(t-)) / S(t-)``, and
observed endings are compared with those expected under one subdistribution hazard.
Gray (1988), doi:10.1214/aos/1176350951. With delayed entry the same ``R`` estimates the same thing (Geskus 2011,
doi:10.1111/j.1541-0420.2010.01420.x). Where partners have several spells the variance is the sum of squares of the
scores' influences, added up within partners.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partnerlab.stats.curves.incidence import aalen_johansen
from partnerlab.stats.curves.logrank import LogRank, quadratic_form, upper_tail
from partnerlab.stats.curves.risksets import Spans, kaplan_meier


class _Curves(NamedTuple):
    """What the test reads of g groups at k times, each shape ``(g, k)``: counts, S and F before, S after, enlarged risk sets."""

    n: np.ndarray
    own: np.ndarray
    ended: np.ndarray
    before: np.ndarray
    after: np.ndarray
    incidence: np.ndarray
    enlarged: np.ndarray


def _read_curves(at_risk: np.ndarray, events: np.ndarray, of: int) -> _Curves:
    ended = events.sum(axis=1)
    after = kaplan_meier(at_risk, ended)
    ones = np.ones((len(at_risk), 1))
    before = np.concatenate([ones, after[:, :-1]], axis=1)
    share = np.stack([aalen_johansen(n, d)[of] for n, d in zip(at_risk, events, strict=True)])
    incidence = np.concatenate([0 * ones, share[:, :-1]], axis=1)
    alive = (at_risk > 0) & (before > 0)
    enlarged = np.divide(at_risk * (1 - incidence), before, out=np.zeros(at_risk.shape), where=alive)
    return _Curves(at_risk, events[:, of], ended, before, after, incidence, enlarged)


def gray_test(at_risk: np.ndarray, events: np.ndarray, *, of: int, variance: np.ndarray | None = None) -> LogRank:
    """Compare how often g groups end in way ``of``.

    Parameters
    ----------
    at_risk : ndarray, shape (g, k)
    events : ndarray, shape (g, c, k)
        By way of ending.
    of : int
        Way that is compared.
    variance : ndarray, shape (g, g), optional
        Covariance to use instead of Gray's, for instance one clustered by partner (`gray_influence`).

    Returns
    -------
    LogRank
        ``observed`` and ``expected`` count endings of this way.

    Examples
    --------
    >>> n = np.array([[4.0, 3.0, 1.0], [4.0, 4.0, 2.0]])
    >>> d = np.array([[[1, 0, 1], [0, 1, 0]], [[0, 1, 1], [0, 1, 0]]], dtype=float)
    >>> test = gray_test(n, d, of=0)
    >>> test.df, round(test.statistic, 3)
    (1, 0.219)
    """
    curves = _read_curves(at_risk, events, of)
    all_own, total = curves.own.sum(axis=0), curves.enlarged.sum(axis=0)
    expected = _ratio(all_own * curves.enlarged, total)
    gap = (curves.own - expected).sum(axis=1)
    covariance = _covariance(curves) if variance is None else variance
    live = np.flatnonzero(curves.n.any(axis=1))
    statistic, df = quadratic_form(gap[live[:-1]], covariance[np.ix_(live[:-1], live[:-1])])
    return LogRank(
        statistic=statistic,
        df=df,
        p_value=upper_tail(statistic, df),
        observed=curves.own.sum(axis=1),
        expected=expected.sum(axis=1),
        variance=covariance,
    )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)


def _covariance(curves: _Curves) -> np.ndarray:
    """Gray's covariance of observed - expected, shape ``(g, g)``, with his correction for ties."""
    all_own = curves.own.sum(axis=0)
    others = curves.ended - curves.own
    seen = curves.n > 0
    # shares of the pooled estimate of F: its increments are endings over the sum of n / S(t-)
    weight = np.where(seen, _ratio(curves.n, curves.before), 0.0)
    total = weight.sum(axis=0)
    pooled = np.cumsum(_ratio(all_own, total))
    pooled_before = np.concatenate([[0.0], pooled[:-1]])
    a = -weight[:, None, :] * _ratio(weight, total)[None, :, :]
    groups = np.arange(len(weight))
    a[groups, groups] += weight
    running = np.cumsum(a * _ratio(all_own, total * (1 - pooled_before)), axis=2)
    ahead = running[:, :, -1:] - running
    tie = 1 - np.where(all_own > 1, _ratio(all_own - 1, np.maximum(total * curves.before - 1, 0.0)), 0.0)
    own_spread = np.where(seen, _ratio(tie * curves.before * all_own, total * curves.n), 0.0)
    left = curves.after > 0
    kept = np.where(left, _ratio(1 - pooled, curves.after), 0.0)
    through = np.where(left, 1 - kept, 1.0)
    first = a + through[None] * ahead
    tie = 1 - np.where(others > 1, _ratio(others - 1, curves.n - 1), 0.0)
    other_spread = np.where(left, _ratio(curves.before**2 * tie * others, curves.n**2), 0.0)
    second = kept[None] * ahead
    own = np.einsum("ikt,jkt,kt->ij", first, first, own_spread, optimize=True)
    return own + np.einsum("ikt,jkt,kt->ij", second, second, other_spread, optimize=True)


def gray_influence(at_risk: np.ndarray, events: np.ndarray, spans: Spans, time: np.ndarray, *, of: int, group: np.ndarray) -> np.ndarray:
    """Influence of each spell on observed - expected of every group, shape ``(n, g)``.

    The derivative of the scores with respect to the spell's weight. What a spell changes is spread over the times
    at which it is at risk, so each score is a running sum plus a step where the spell ends.
    """
    curves = _read_curves(at_risk, events, of)
    all_own, total = curves.own.sum(axis=0), curves.enlarged.sum(axis=0)
    share = _ratio(curves.enlarged, total)
    enters, leaves, ends = spans.places(time)
    last = np.maximum(leaves, 1) - 1
    parts = np.empty((len(enters), len(at_risk)))
    for score in range(len(at_risk)):
        # derivative of score by log R of each group, at each time
        slope = -all_own * share[score] * ((np.arange(len(at_risk)) == score)[:, None] - share)
        stay, own, other = _spread(curves, slope)
        own = own + (np.arange(len(at_risk)) == score)[:, None] - share[score]
        level = np.concatenate([np.zeros((len(stay), 1)), np.cumsum(stay, axis=1)], axis=1)
        step = np.where(spans.cause == of, own[group, last], other[group, last])
        parts[:, score] = level[group, leaves] - level[group, enters] + np.where(ends, step, 0.0)
    return parts


def _spread(curves: _Curves, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring slopes by log R back to what a spell adds while at risk, and on top where it ends in this or another way.

    log R = log n + log(1 - F(t-)) - log S(t-); F(t-) sums S(u-) d / n over u < t, and log S sums log(1 - e / n).
    """
    rate, all_rate = _ratio(curves.own, curves.n), _ratio(curves.ended, curves.n)
    from_incidence = _later(-_ratio(slope, 1 - curves.incidence)) * curves.before
    by_log_survival = -slope + from_incidence * rate
    from_survival = -_ratio(_later(by_log_survival), curves.n - curves.ended)
    stay = _ratio(slope - from_incidence * rate, curves.n) - from_survival * all_rate
    return stay, _ratio(from_incidence, curves.n) + from_survival, from_survival


def _later(values: np.ndarray) -> np.ndarray:
    """Sum over the times after each, shape kept."""
    sums = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([sums[:, 1:], np.zeros((len(values), 1))], axis=1)
