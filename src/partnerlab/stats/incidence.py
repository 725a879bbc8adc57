"""Competing risks: how likely an ending of each kind is by each time (Aalen-Johansen)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from partnerlab.stats.risksets import Spans, kaplan_meier


def aalen_johansen(at_risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Cumulative incidence of each cause, shape ``(c, k)``; ties between causes are kept.

    Aalen and Johansen (1978), Scandinavian Journal of Statistics 5; delayed entry enters through the risk sets.

    Parameters
    ----------
    at_risk : ndarray, shape (k,)
    events : ndarray, shape (c, k)

    Examples
    --------
    >>> aalen_johansen(np.array([4.0, 2.0]), np.array([[1.0, 0.0], [1.0, 1.0]])).tolist()
    [[0.25, 0.25], [0.25, 0.5]]
    """
    rate = np.divide(events, at_risk, out=np.zeros(events.shape), where=at_risk > 0)
    return np.cumsum(_before(at_risk, events) * rate, axis=-1)


def _before(at_risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Share not ended just before each time, shape ``(k,)``."""
    return np.concatenate([[1.0], kaplan_meier(at_risk, events.sum(axis=0))[:-1]])


def incidence_variance(at_risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Greenwood-type variance of the cumulative incidences, shape ``(c, k)``.

    Delta method on independent multinomial counts at each time (Andersen, Borgan, Gill and Keiding 1993,
    section IV.4.1.3); the sums over earlier times are kept as three running sums, so the cost grows with k, not k^2.

    Examples
    --------
    With one cause it is Greenwood's formula.

    >>> incidence_variance(np.array([4.0]), np.array([[1.0]])).round(6).tolist()
    [[0.046875]]
    """
    before, incidence, left = _before(at_risk, events), aalen_johansen(at_risk, events), at_risk - events.sum(axis=0)
    known = np.maximum(at_risk, 1.0)  # where nobody is at risk there are no events either, so the value does not matter
    spread = np.divide(at_risk - left, known * left, out=np.zeros(len(at_risk)), where=left > 0)
    own, mixed = before**2 * (at_risk - events) * events / known**3, before * events / known**2
    # sums over u of (F(t) - F(u))^2 spread(u) and of (F(t) - F(u)) mixed(u)
    first, second = np.cumsum(spread * incidence, axis=-1), np.cumsum(spread * incidence**2, axis=-1)
    through = np.cumsum(spread) * incidence**2 - 2 * incidence * first + second
    together = incidence * np.cumsum(mixed, axis=-1) - np.cumsum(mixed * incidence, axis=-1)
    return np.maximum(through + np.cumsum(own, axis=-1) - 2 * together, 0.0)


def incidence_influence(
    time: np.ndarray, at_risk: np.ndarray, events: np.ndarray, spans: Spans, *, of: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Influence of spells on the cumulative incidence of cause ``of`` at every time: rows -> ``(rows, k)``.

    Derivative of the Aalen-Johansen estimate with respect to the weight of one spell: what the spell does to
    this cause's own increments, and what it does to them through the share still there.
    """
    k, known, left = len(time), np.maximum(at_risk, 1.0), at_risk - events.sum(axis=0)
    own = np.divide(1.0, left, out=np.zeros(k), where=left > 0)
    spread = np.divide(at_risk - left, known * left, out=np.zeros(k), where=left > 0)
    before, incidence = _before(at_risk, events), aalen_johansen(at_risk, events)[of]
    shared, weighed, pull = (np.concatenate([[0.0], np.cumsum(x)]) for x in (spread, spread * incidence, before * events[of] / known**2))
    enters, leaves, ends = spans.places(time)
    step, lead = np.arange(1, k + 1), np.concatenate([[0.0], incidence])

    def influence(rows: np.ndarray) -> np.ndarray:
        a, b = enters[rows, None], leaves[rows, None]
        last, here, start = np.maximum(b, 1) - 1, np.minimum(b, step), np.minimum(a, step)
        fails = ends[rows, None] & (b <= step)
        direct = np.where(fails & (spans.cause[rows, None] == of), before[last] / known[last], 0.0) - (pull[here] - pull[start])
        # an increment of log S at u moves every later increment of the incidence, F(t) - F(u)
        through = lead[step] * (shared[here] - shared[start]) - (weighed[here] - weighed[start])
        return direct + through - np.where(fails, own[last] * (lead[step] - lead[b]), 0.0)

    return influence
