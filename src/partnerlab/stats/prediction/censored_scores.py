"""Scores of predicted risks when some outcomes are censored: Brier score and area under the ROC curve, weighted.

An outcome that is known by the horizon t is weighted by one over the chance that it was not censored before: a spell
that ended at T by 1 / G(T-), one still going on by 1 / G(t), with G the product-limit curve of censoring (inverse
probability of censoring weights; Graf, Schmoor, Sauerbrei and Schumacher 1999,
doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5; Gerds and Schumacher 2006,
doi:10.1002/bimj.200610301). Other ways of ending count as not ended in the way that is predicted. Standard errors come
from influences that include the estimation of G (Blanche, Dartigues and Jacqmin-Gadda 2013, doi:10.1002/sim.5958).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partnerlab.stats.curves.risksets import CENSORED, Spans, count_risk_sets, kaplan_meier


class Horizon(NamedTuple):
    """What is known of spells by one horizon.

    Parameters
    ----------
    outcome : ndarray of bool, shape (n,)
        Ended in the predicted way by then.
    weight : ndarray of float, shape (n,)
        Inverse probability of censoring weights; 0 where the outcome is not known.
    level, step : ndarray of float, shape (k + 1,), (k,)
        Running sum and steps of the censoring martingale's increments over times, see `through_censoring`.
    place : ndarray of int, shape (n,)
        Distinct times before which a known outcome was at risk of being censored.
    leaves : ndarray of int, shape (n,)
        Distinct times at or before each spell's last.
    censored : ndarray of bool, shape (n,)
    left : ndarray of float, shape (k,)
        At risk of being censored at each time and not censored then.
    hazard : ndarray of float, shape (k,)
    """

    outcome: np.ndarray
    weight: np.ndarray
    place: np.ndarray
    leaves: np.ndarray
    censored: np.ndarray
    left: np.ndarray
    hazard: np.ndarray


def known_by(spans: Spans, t: float, *, of: int = 0) -> Horizon:
    """Say what is known by time ``t``, and with which weights.

    Parameters
    ----------
    spans : Spans
        Spells seen from their start: ``entry`` is 0.
    t : float
        Horizon.
    of : int
        Way of ending that is predicted.

    Examples
    --------
    Of three spells one is censored at 1; the other two stand for it.

    >>> spans = Spans(np.zeros(3), np.array([1, 2, 3]), np.array([-1, 0, 0]))
    >>> known_by(spans, 2.0).weight.round(6).tolist()
    [0.0, 1.5, 1.5]
    """
    sets = count_risk_sets(spans._replace(cause=np.minimum(spans.cause, 0)))
    free = sets.at_risk[0] - sets.ended[0]
    # endings come before censorings at the same time
    curve = np.concatenate([[1.0], kaplan_meier(free, sets.censored[0])])
    leaves = np.searchsorted(sets.time, spans.duration, side="right")
    by_then = int(np.searchsorted(sets.time, t, side="right"))
    ended, after = spans.cause != CENSORED, spans.duration > t
    # an ending at T was at risk of censoring before T; one still going on, up to t
    place = np.where(after, by_then, leaves - 1)
    known = after | ended
    chance = curve[place]
    weight = np.divide(1.0, chance, out=np.zeros(len(place)), where=known & (chance > 0))
    hazard = np.divide(sets.censored[0], free, out=np.zeros(len(free)), where=free > 0)
    return Horizon(ended & ~after & (spans.cause == of), weight, place, leaves, ~ended, free - sets.censored[0], hazard)


def through_censoring(horizon: Horizon, parts: np.ndarray) -> np.ndarray:
    """Complete influences for the estimation of the censoring curve, shape ``(n,)`` or ``(n, m)``.

    Parameters
    ----------
    horizon : Horizon
    parts : ndarray, shape (n,) or (n, m)
        Derivative of an estimate with respect to the logarithm of each outcome's weight.
    """
    columns = parts if parts.ndim == 2 else parts[:, None]
    k = len(horizon.left)
    done = np.empty(columns.shape)
    at_risk_until = horizon.leaves - (~horizon.censored)
    last = np.maximum(horizon.leaves, 1) - 1
    for index, column in enumerate(columns.T):
        # weights that outlive each time
        binned = np.bincount(horizon.place, weights=column, minlength=k + 1)
        beyond = np.cumsum(binned[::-1])[::-1][1 : k + 1]
        end = np.divide(beyond, horizon.left, out=np.zeros(k), where=horizon.left > 0)
        level = np.concatenate([[0.0], np.cumsum(-end * horizon.hazard)])
        done[:, index] = level[at_risk_until] + np.where(horizon.censored, end[last], 0.0)
    return done[:, 0] if parts.ndim == 1 else done


def brier_score(horizon: Horizon, risk: np.ndarray) -> tuple[float, np.ndarray]:
    """Weighted mean squared distance of predicted risks from outcomes, and each spell's influence, shape ``(n,)``.

    Influences are derivatives with respect to the spells' weights: their squares, added up within partners first,
    sum to the variance.

    Examples
    --------
    >>> horizon = known_by(Spans(np.zeros(2), np.array([1, 3]), np.array([0, -1])), 2.0)
    >>> brier_score(horizon, np.array([0.8, 0.4]))[0].round(2)
    np.float64(0.1)
    """
    n = len(risk)
    parts = horizon.weight * (horizon.outcome - risk) ** 2 / n
    score = parts.sum()
    return score, parts - score / n + through_censoring(horizon, parts)


def roc_area(horizon: Horizon, risk: np.ndarray) -> tuple[float, np.ndarray]:
    """Chance that a spell ended by the horizon had the higher predicted risk than one that had not, and the influences.

    Cases have ended in the predicted way by then; controls have not, whether they go on or ended otherwise. Equal risks
    count half. Uno, Cai, Tian and Wei (2007), doi:10.1198/016214507000000149. Influences are NaN where there is one case or one
    control alone: it has nothing to differ from, and what it adds to the variance is not 0 but unknown.

    Examples
    --------
    >>> horizon = known_by(Spans(np.zeros(3), np.array([1, 3, 4]), np.array([0, -1, 0])), 2.0)
    >>> float(roc_area(horizon, np.array([0.5, 0.6, 0.1]))[0])
    0.5
    """
    case, control = np.where(horizon.outcome, horizon.weight, 0.0), np.where(horizon.outcome, 0.0, horizon.weight)
    cases, controls = case.sum(), control.sum()
    if not cases or not controls:
        return float("nan"), np.full(len(risk), np.nan)
    rank = np.unique(risk, return_inverse=True)[1].reshape(-1)
    of_case, of_control = np.bincount(rank, weights=case), np.bincount(rank, weights=control)
    below = (np.cumsum(of_control) - of_control / 2) / controls
    above = 1 - (np.cumsum(of_case) - of_case / 2) / cases
    area = float(of_case @ below / cases)
    if (case > 0).sum() < 2 or (control > 0).sum() < 2:
        return area, np.full(len(risk), np.nan)
    parts = case * (below[rank] - area) / cases + control * (above[rank] - area) / controls
    return area, parts + through_censoring(horizon, parts)
