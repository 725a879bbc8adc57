"""Outcomes rewritten so that every effect is a difference of two means, and null scores for tests by dealing again.

Ratios: Deng, Knoblich and Lu (2018), KDD, combined over blocks as in Cochran (1977), Sampling Techniques, section 6.11; wins:
Hoeffding (1948), Annals of Mathematical Statistics 19, and DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44; restricted
means: Andersen, Borgan, Gill and Keiding (1993), example IV.3.8.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata

from partnerlab.stats.curves.clustered_curves import restricted_mean_influence
from partnerlab.stats.curves.risksets import CENSORED, Spans, count_risk_sets, restricted_mean


def ratio_scores(numerator: np.ndarray, denominator: np.ndarray, treated: np.ndarray, *, weight: np.ndarray | None = None) -> np.ndarray:
    """Linearise a ratio of sums: in each arm the mean of the scores is the ratio, and their spread gives its error.

    Parameters
    ----------
    numerator, denominator : float array, shape (m,)
        Of each unit.
    treated : bool array, shape (m,)
        Arm.
    weight : float array, shape (m,), or None
        What each unit counts in its arm, as `block_weights` gives it; then weighted means of the scores are the ratios. Without
        it, arms with other shares of blocks have other ratios though nothing has an effect.

    Examples
    --------
    >>> ratio_scores(np.array([1.0, 3.0]), np.array([2.0, 2.0]), np.array([True, True])).tolist()
    [0.5, 1.5]
    """
    scores = np.empty(len(numerator))
    for arm in (treated, ~treated):
        if arm.any():
            mean = _mean(denominator, weight, arm)
            ratio = _mean(numerator, weight, arm) / mean
            scores[arm] = ratio + (numerator[arm] - ratio * denominator[arm]) / mean
    return scores


def _mean(values: np.ndarray, weight: np.ndarray | None, arm: np.ndarray) -> float:
    return float(values[arm].mean() if weight is None else np.average(values[arm], weights=weight[arm]))


def win_scores(values: np.ndarray, treated: np.ndarray, *, weight: np.ndarray | None = None) -> np.ndarray:
    """Rewrite ordered outcomes: the difference of mean scores is the chance to win less that to lose against the other arm.

    Half of one plus that difference is the win probability (ties count half).

    Parameters
    ----------
    values : float array, shape (m,)
        Higher is better.
    treated : bool array, shape (m,)
        Arm.
    weight : float array, shape (m,), or None
        As in `ratio_scores`.

    Examples
    --------
    >>> scores = win_scores(np.array([2.0, 3.0, 1.0, 2.0]), np.array([True, True, False, False]))
    >>> float(scores[:2].mean() - scores[2:].mean())  # of four pairs three are won and one is tied
    0.75
    """
    scores = np.empty(len(values))
    for arm in (treated, ~treated):
        order = np.argsort(values[~arm])
        reached = np.concatenate([[0.0], np.cumsum(np.ones(len(order)) if weight is None else weight[~arm][order])])
        below, upto = (reached[np.searchsorted(values[~arm][order], values[arm], side=side)] for side in ("left", "right"))
        scores[arm] = (below + upto) / reached[-1] - 1.0
    scores[~treated] += _mean(scores, weight, treated)
    return scores


def restricted_mean_scores(
    time: np.ndarray,
    event: np.ndarray,
    treated: np.ndarray,
    *,
    tau: float,
    stratum: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
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
    stratum : int array, shape (m,), or None
        Blocks with a curve for each arm of each, so that who is seen for how long may differ by block.
    weight : float array, shape (m,), or None
        As in `ratio_scores`, for curves over blocks; the error holds without it only.

    Examples
    --------
    >>> scores, error = restricted_mean_scores(
    ...     np.array([1.0, 3.0, 1.0, 1.0]), np.ones(4, dtype=bool), np.array([True, True, False, False]), tau=2.0)
    >>> float(scores[:2].mean() - scores[2:].mean()), round(error, 4)
    (0.5, 0.3536)
    """
    scores, variance = np.zeros(len(time)), 0.0
    blocks = np.zeros(len(time), dtype=np.int64) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    for curve in np.unique(2 * blocks + treated):
        mine = (2 * blocks + treated == curve) & (True if weight is None else weight > 0)
        if not mine.any():
            continue
        spans = Spans(np.zeros(int(mine.sum())), np.minimum(time[mine], tau), np.where(event[mine] & (time[mine] <= tau), 0, CENSORED))
        counts = np.ones(len(spans.entry)) if weight is None else weight[mine]
        plain, sets = count_risk_sets(spans), count_risk_sets(spans, weights=counts)
        # where all have ended nothing is left, whatever sums of weights say
        at_risk, ended = sets.at_risk[0], np.where(plain.ended[0] == plain.at_risk[0], sets.at_risk[0], sets.ended[0])
        mean, error, area = restricted_mean(sets.time, at_risk, ended, tau=tau)
        influence = restricted_mean_influence(sets.time, at_risk, ended, area, spans)
        scores[mine] = mean + influence * counts.sum()
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
