"""Paired differences and recalibration, where rows share both a partner and a quarter."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.inference.sandwich import sum_clusters


def two_way_meat(scores: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sum of outer products of scores, clustered two ways: shape ``(p, p)``.

    Clusters of the first kind, plus those of the second, less those of both (Cameron, Gelbach and Miller 2011), each
    with its ``G / (G - 1)``. Where the difference is no covariance, the larger of the two kinds stands.

    Parameters
    ----------
    scores : ndarray, shape (m, p)
        Contribution of each row.
    first, second : ndarray of int, shape (m,)
        Cluster of each row, of either kind.

    Examples
    --------
    >>> two_way_meat(np.array([[1.0], [-1.0], [2.0], [-2.0]]), np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1])).round(2)
    array([[13.33]])
    """
    first, second = np.unique(first, return_inverse=True)[1], np.unique(second, return_inverse=True)[1]
    both = first * (int(second.max(initial=0)) + 1) + second
    one, two, joint = (_meat(scores, cluster) for cluster in (first, second, np.unique(both, return_inverse=True)[1]))
    found = one + two - joint
    larger = one if np.trace(one) >= np.trace(two) else two
    return found if np.linalg.eigvalsh(found - larger).min() >= -1e-9 * max(np.trace(larger), 1e-300) else larger


def _meat(scores: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    groups = int(cluster.max(initial=-1)) + 1
    if groups < 2:
        return np.zeros((scores.shape[1], scores.shape[1]))
    sums = sum_clusters(scores, cluster, clusters=groups)
    return groups / (groups - 1) * sums.T @ sums


def _freedom(first: np.ndarray, second: np.ndarray) -> int:
    return min(len(np.unique(first)), len(np.unique(second))) - 1


def mean_difference(
    difference: np.ndarray, partner: np.ndarray, quarter: np.ndarray, *, level: float = 0.95
) -> tuple[float, float, float, float]:
    """Mean of paired differences with its error and interval, clustered by partner and by quarter.

    Parameters
    ----------
    difference : ndarray, shape (m,)
        Paired differences, such as of scores.
    partner, quarter : ndarray of int, shape (m,)
        Clusters.
    level : float
        Coverage; Student's t with the fewer clusters less one.

    Returns
    -------
    mean, error, low, high : float
        Error and bounds are NaN where there is one quarter, or one partner.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> quarter = np.repeat(np.arange(8), 50)
    >>> found = mean_difference(rng.standard_normal(400) + 0.3 * rng.standard_normal(8)[quarter], np.tile(np.arange(50), 8), quarter)
    >>> 0.07 < found[1] < 0.2
    True
    """
    mean = float(difference.mean()) if len(difference) else np.nan
    freedom = _freedom(partner, quarter) if len(difference) else 0
    if freedom < 1:
        return mean, np.nan, np.nan, np.nan
    error = float(np.sqrt(two_way_meat((difference - mean)[:, None], partner, quarter)[0, 0])) / len(difference)
    half = float(critical_value(level, freedom)) * error
    return mean, error, mean - half, mean + half


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recalibration:
    """Intercept and slope of outcomes on the log-odds forecast: 0 and 1 if forecasts mean what they say (Cox 1958).

    Parameters
    ----------
    estimate, std_error, conf_low, conf_high : ndarray, shape (2,)
        Intercept, slope; NaN where there is not enough data.
    events, rows : int
        Outcomes, forecasts.
    """

    estimate: np.ndarray
    std_error: np.ndarray
    conf_low: np.ndarray
    conf_high: np.ndarray
    events: int
    rows: int


def recalibrate(
    probability: np.ndarray, happened: np.ndarray, partner: np.ndarray, quarter: np.ndarray, *, level: float = 0.95
) -> Recalibration:
    """Regress what happened on the log-odds that were forecast, clustered by partner and by quarter.

    Parameters
    ----------
    probability : ndarray, shape (m,)
        Forecast.
    happened : ndarray of bool, shape (m,)
        Outcome.
    partner, quarter : ndarray of int, shape (m,)
        Clusters.
    level : float
        Coverage.

    Returns
    -------
    Recalibration
        NaN with fewer than 5 events (or non-events), or where all forecasts are the same.

    Notes
    -----
    The intercept is that of the regression in which the slope is free: log-odds are centred on nothing.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> said = rng.uniform(0.05, 0.6, 4000)
    >>> found = recalibrate(said, rng.random(4000) < said, np.arange(4000), np.repeat(np.arange(8), 500))
    >>> bool(found.conf_low[1] < 1.0 < found.conf_high[1])
    True
    """
    happened = np.asarray(happened, dtype=float)
    events, rows = int(happened.sum()), len(happened)
    nothing = np.full(2, np.nan)
    odds = special.logit(np.clip(np.asarray(probability, dtype=float), 1e-9, 1.0 - 1e-9))
    freedom = _freedom(partner, quarter) if rows else 0
    if min(events, rows - events) < 5 or odds.std() < 1e-9 or freedom < 1:
        return Recalibration(estimate=nothing, std_error=nothing, conf_low=nothing, conf_high=nothing, events=events, rows=rows)
    design, effects = np.stack([np.ones(rows), odds], axis=1), np.array([0.0, 1.0])
    for _ in range(50):
        share = special.expit(design @ effects)
        inverse = np.linalg.inv((design.T * (share * (1.0 - share))) @ design + 1e-12 * np.eye(2))
        step = inverse @ (design.T @ (happened - share))
        effects = effects + step * min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    meat = two_way_meat(design * (happened - share)[:, None], np.asarray(partner), np.asarray(quarter))
    error = np.sqrt(np.maximum((inverse @ meat @ inverse).diagonal(), 0.0))
    half = float(critical_value(level, freedom)) * error
    return Recalibration(
        estimate=effects, std_error=error, conf_low=effects - half, conf_high=effects + half, events=events, rows=rows
    )  # fmt: skip
