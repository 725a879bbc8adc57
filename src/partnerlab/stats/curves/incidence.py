"""Competing risks: how likely an ending of each kind is by each time (Aalen-Johansen)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from partnerlab.stats.curves.clustered_curves import Steps, cross_products, log_survival_steps, read_steps, sum_products, trace_steps
from partnerlab.stats.curves.risksets import Spans, kaplan_meier


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


def incidence_steps(at_risk: np.ndarray, events: np.ndarray, *, of: int) -> Steps:
    """Give the steps C of a spell's influence on the incidence of cause ``of``, which is F(t) psi(t) + C(t).

    Here psi is the influence on log S (`log_survival_steps`): an increment of log S at u moves every later
    increment of the incidence, F(t) - F(u) in all. The rest is what the spell does to this cause's own increments.
    """
    known = np.maximum(at_risk, 1.0)
    before, incidence = _before(at_risk, events), aalen_johansen(at_risk, events)[of]
    through = log_survival_steps(at_risk, events)
    end = -incidence * through.end
    end[of] += before / known
    return Steps(-before * events[of] / known**2 - incidence * through.stay, end)


def clustered_incidence_variance(
    time: np.ndarray, at_risk: np.ndarray, events: np.ndarray, spans: Spans, *, cluster: np.ndarray
) -> np.ndarray:
    """Variance of the cumulative incidences when spells of one partner go together, shape ``(c, k)``.

    The infinitesimal jackknife of `partnerlab.stats.curves.clustered_curves`.
    """
    share, psi = aalen_johansen(at_risk, events), log_survival_steps(at_risk, events)
    rests = [incidence_steps(at_risk, events, of=of) for of in range(len(events))]
    squares = sum_products(psi, psi, events, spans, time)
    alone = np.empty(events.shape)
    for of, (incidence, rest) in enumerate(zip(share, rests, strict=True)):
        mixed, own = sum_products(psi, rest, events, spans, time), sum_products(rest, rest, events, spans, time)
        alone[of] = incidence**2 * squares + 2 * incidence * mixed + own
    together = cross_products(_influence(psi, rests, share, spans, time), cluster, events.size)
    return np.maximum(alone + together.reshape(events.shape), 0.0)


def incidence_influence(time: np.ndarray, at_risk: np.ndarray, events: np.ndarray, spans: Spans, *, place: int) -> np.ndarray:
    """Influence of each spell on the incidence of each cause at ``time[place]``, shape ``(c, n)``.

    Examples
    --------
    Influences add up to nothing.

    >>> spans = Spans(np.zeros(3), np.array([1, 2, 2]), np.array([0, 1, -1]))
    >>> own = incidence_influence(np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), spans, place=1)
    >>> bool(np.allclose(own.sum(axis=1), 0.0))
    True
    """
    psi = read_steps(log_survival_steps(at_risk, events), spans, time, place=place)
    share = aalen_johansen(at_risk, events)[:, place]
    rests = [read_steps(incidence_steps(at_risk, events, of=of), spans, time, place=place) for of in range(len(events))]
    return share[:, None] * psi + np.stack(rests)


def _influence(psi: Steps, rests: list[Steps], share: np.ndarray, spans: Spans, time: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Influence on all incidences at every time, one cause after the other: rows -> ``(rows, c * k)``."""
    through, own = trace_steps(psi, spans, time), [trace_steps(rest, spans, time) for rest in rests]

    def influence(rows: np.ndarray) -> np.ndarray:
        moved = through(rows)
        return np.concatenate([incidence * moved + trace(rows) for incidence, trace in zip(share, own, strict=True)], axis=1)

    return influence
