"""Outcomes rewritten so that every effect is a difference of two means, and null scores for tests by dealing again.

Ratios: Deng, Knoblich and Lu (2018), KDD; wins: Hoeffding (1948), Annals of Mathematical Statistics 19, and DeLong, DeLong and
Clarke-Pearson (1988), Biometrics 44; restricted means: Andersen, Borgan, Gill and Keiding (1993), example IV.3.8.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata

from partnerlab.stats.curves.clustered_curves import restricted_mean_influence
from partnerlab.stats.curves.risksets import CENSORED, Spans, count_risk_sets, restricted_mean


def ratio_scores(numerator: np.ndarray, denominator: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Linearise a ratio of sums: in each arm the mean of the scores is the ratio, and their spread gives its error.

    Parameters
    ----------
    numerator, denominator : float array, shape (m,)
        Of each unit.
    treated : bool array, shape (m,)
        Arm.

    Examples
    --------
    >>> ratio_scores(np.array([1.0, 3.0]), np.array([2.0, 2.0]), np.array([True, True])).tolist()
    [0.5, 1.5]
    """
    scores = np.empty(len(numerator))
    for arm in (treated, ~treated):
        if arm.any():
            mean = denominator[arm].mean()
            ratio = numerator[arm].mean() / mean
            scores[arm] = ratio + (numerator[arm] - ratio * denominator[arm]) / mean
    return scores


def win_scores(values: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Rewrite ordered outcomes: the difference of mean scores is the chance to win less that to lose against the other arm.

    Half of one plus that difference is the win probability (ties count half).

    Parameters
    ----------
    values : float array, shape (m,)
        Higher is better.
    treated : bool array, shape (m,)
        Arm.

    Examples
    --------
    >>> scores = win_scores(np.array([2.0, 3.0, 1.0, 2.0]), np.array([True, True, False, False]))
    >>> float(scores[:2].mean() - scores[2:].mean())  # of four pairs three are won and one is tied
    0.75
    """
    scores = np.empty(len(values))
    net = 0.0
    for arm in (treated, ~treated):
        others = np.sort(values[~arm])
        below, upto = (np.searchsorted(others, values[arm], side=side) for side in ("left", "right"))
        scores[arm] = (below + upto) / len(others) - 1.0
    net = scores[treated].mean()
    scores[~treated] += net
    return scores


def restricted_mean_scores(time: np.ndarray, event: np.ndarray, treated: np.ndarray, *, tau: float) -> tuple[np.ndarray, float]:
    """Rewrite times to an event: mean scores are restricted means; also the error of their difference after Greenwood.

    Parameters
    ----------
    time : float array, shape (m,)
        To the event, or to the last look.
    event : bool array, shape (m,)
        Whether it happened.
    treated : bool array, shape (m,)
        Arm.
    tau : float
        End of the area under the curve.

    Examples
    --------
    >>> scores, error = restricted_mean_scores(
    ...     np.array([1.0, 3.0, 1.0, 1.0]), np.ones(4, dtype=bool), np.array([True, True, False, False]), tau=2.0)
    >>> float(scores[:2].mean() - scores[2:].mean()), round(error, 4)
    (0.5, 0.3536)
    """
    scores, variance = np.empty(len(time)), 0.0
    for arm in (treated, ~treated):
        spans = Spans(np.zeros(int(arm.sum())), np.minimum(time[arm], tau), np.where(event[arm] & (time[arm] <= tau), 0, CENSORED))
        sets = count_risk_sets(spans)
        at_risk, ended = sets.at_risk[0], sets.ended[0]
        mean, error, area = restricted_mean(sets.time, at_risk, ended, tau=tau)
        influence = restricted_mean_influence(sets.time, at_risk, ended, area, spans)
        scores[arm] = mean + influence * int(arm.sum())
        variance += error**2
    return scores, math.sqrt(variance)


def log_rank_scores(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Score of each unit if arms do not differ: events less what was expected up to its time.

    Examples
    --------
    >>> log_rank_scores(np.array([1.0, 2.0]), np.array([True, True])).tolist()
    [0.5, -0.5]
    """
    times = np.unique(time[event])
    at_risk = len(time) - np.searchsorted(np.sort(time), times, side="left")
    ended = np.bincount(np.searchsorted(times, time[event]), minlength=len(times))
    hazard = np.concatenate([[0.0], np.cumsum(ended / at_risk)])
    return event - hazard[np.searchsorted(times, time, side="right")]


def rank_scores_of(values: np.ndarray) -> np.ndarray:
    """Middle ranks of ordered outcomes."""
    return rankdata(values)
