"""Event studies whose trends need not be parallel: what survives if the gap between groups bends by at most so much a quarter.

Rambachan and Roth (2023), Review of Economic Studies 90: smoothness restrictions, and fixed-length intervals of least length (after
Armstrong and Kolesár 2018, Econometrica 86). Their restriction to relative magnitudes: `partnerlab.stats.causes.relative_trends`.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import special


@dataclasses.dataclass(frozen=True, kw_only=True)
class HonestInterval:
    """Interval that covers whatever the trend did, as long as it did not bend more than allowed.

    Parameters
    ----------
    bend : float
        Largest change of the trend's slope from one period to the next that was allowed, per period.
    estimate, std_error : float
        The best estimate under it, its straight trend taken out.
    bias : float
        Largest bias that the allowed bends could give it.
    low, high : float
        The interval.
    before : float array, shape (pre,)
        Weights of the periods before, by which the trend was taken out.
    """

    bend: float
    estimate: float
    std_error: float
    bias: float
    low: float
    high: float
    before: np.ndarray


def folded_critical(bias: float, *, level: float = 0.95) -> tuple[float, float]:
    """Quantile of the absolute value of a normal of mean ``bias`` and variance 1, and its slope in the bias.

    Examples
    --------
    >>> [round(folded_critical(bias)[0], 3) for bias in (0.0, 1.0, 5.0)]
    [1.96, 2.646, 6.645]
    """
    bias = abs(bias)
    low, high = bias, bias + float(special.ndtri(0.5 + level / 2))
    for _ in range(60):
        middle = (low + high) / 2
        below = special.ndtr(middle - bias) - special.ndtr(-middle - bias) < level
        low, high = (middle, high) if below else (low, middle)
    # ratio of the densities at the two ends of the interval
    far = math.exp(-2 * high * bias)
    return high, (1 - far) / (1 + far)


def smoothness_interval(
    estimates: np.ndarray,
    covariance: np.ndarray,
    *,
    before: int,
    bend: float,
    weights: np.ndarray | None = None,
    level: float = 0.95,
) -> HonestInterval:
    """Interval for an effect if the trend between groups bends by at most ``bend`` from one period to the next.

    Parameters
    ----------
    estimates : float array, shape (before + after,)
        Event-study estimates in order of time, without gaps, the last period before treatment (the base, 0) left out.
    covariance : float array, shape (before + after, before + after)
        Of the estimates.
    before : int
        How many of them lie before the base, 1 or more.
    bend : float
        Largest absolute second difference of the trend, in units of the outcome; 0 allows any straight trend.
    weights : float array, shape (after,), or None
        Which average of the effects is meant; None is the first one.
    level : float
        Coverage.

    Notes
    -----
    Half the length is ``s * c(b / s)``, `folded_critical` of the worst bias over the standard error, convex in the weights of the
    periods before; these take out every straight line, so the worst bias is ``bend`` times the absolute sum of their loadings on the
    trend's second differences.

    Examples
    --------
    >>> line = np.array([-0.2, -0.1, 0.6])
    >>> interval = smoothness_interval(line, 0.01 * np.eye(3), before=2, bend=0.0)
    >>> round(interval.estimate, 3), round(interval.bias, 3)
    (0.5, 0.0)
    """
    estimates, covariance = np.asarray(estimates, dtype=float), np.asarray(covariance, dtype=float)
    after = len(estimates) - before
    target = np.eye(after)[0] if weights is None else np.asarray(weights, dtype=float)
    times, loadings = _trend(before, after)
    if before == 1:
        # one period before leaves no choice: it must take out the straight line alone
        best = np.array([times[1:] @ target])
    else:
        best = _shortest(covariance, times, loadings, before=before, target=target, bend=bend, level=level)
    whole = np.concatenate([best, target])
    error, bias = float(np.sqrt(whole @ covariance @ whole)), bend * float(np.abs(loadings.T @ whole).sum())
    half = error * folded_critical(bias / error, level=level)[0]
    middle = float(whole @ estimates)
    return HonestInterval(bend=bend, estimate=middle, std_error=error, bias=bias, low=middle - half, high=middle + half, before=best)


def _trend(before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Give times of the periods from the base, and how each trend loads on second differences (before, at, after the base)."""
    times = np.concatenate([np.arange(-before, 0), np.arange(1, after + 1)]).astype(float)
    bends = np.arange(-before + 1, after)
    early = np.where((bends < 0) & (times[:, None] < 0), np.maximum(bends - times[:, None], 0), 0)
    late = np.where((bends >= 0) & (times[:, None] > 0), np.maximum(times[:, None] - bends, 0), 0)
    return times, early + late


def _shortest(
    covariance: np.ndarray, times: np.ndarray, loadings: np.ndarray, *, before: int, target: np.ndarray, bend: float, level: float
) -> np.ndarray:
    """Weights of the periods before that make the interval shortest, among those that take out every straight line."""
    from scipy.optimize import minimize

    # start from least variance, then move along directions that keep straight lines out
    free = np.linalg.svd(times[None, :before])[2][1:].T
    start = times[:before] * -(times[before:] @ target) / (times[:before] ** 2).sum()
    slope = free.T @ covariance[:before] @ np.concatenate([start, target])
    start = start - free @ np.linalg.solve(free.T @ covariance[:before, :before] @ free, slope)
    if bend == 0:
        return start
    many = loadings.shape[1]
    base, along = loadings.T @ np.concatenate([start, target]), loadings[:before].T @ free
    scale = float(np.sqrt(np.concatenate([start, target]) @ covariance @ np.concatenate([start, target])))

    def length(point: np.ndarray) -> tuple[float, np.ndarray]:
        moved, sizes = point[: free.shape[1]], point[free.shape[1] :]
        whole = np.concatenate([start + free @ moved, target])
        error, bias = float(np.sqrt(whole @ covariance @ whole)), bend * float(sizes.sum())
        critical, rise = folded_critical(bias / error, level=level)
        by_error = (critical - bias / error * rise) / error * (free.T @ covariance[:before] @ whole)
        return error * critical / scale, np.concatenate([by_error, np.full(many, rise * bend)]) / scale

    # sizes are at least the absolute loadings; at the least length they equal them
    walls = np.block([[-along, np.eye(many)], [along, np.eye(many)]])
    walls_at = np.concatenate([base, -base])
    found = minimize(
        length,
        np.concatenate([np.zeros(free.shape[1]), np.abs(base)]),
        jac=True,
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda point: walls @ point - walls_at, "jac": lambda point: walls},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    return start + free @ found.x[: free.shape[1]]


def breakdown_bend(
    estimates: np.ndarray, covariance: np.ndarray, *, before: int, weights: np.ndarray | None = None, level: float = 0.95
) -> float:
    """Bend of the trend from which on the interval holds 0, by bisection; 0 where it holds it even without bends.

    Examples
    --------
    >>> round(breakdown_bend(np.array([-0.2, -0.1, 0.6]), 0.001 * np.eye(3), before=2), 2)
    0.43
    """

    def stands(bend: float) -> bool:
        interval = smoothness_interval(estimates, covariance, before=before, bend=bend, weights=weights, level=level)
        return interval.low > 0 or interval.high < 0

    if not stands(0.0):
        return 0.0
    low, high = 0.0, float(np.sqrt(np.diag(covariance)).mean())
    while stands(high):
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if stands(middle) else (low, middle)
    return low


def largest_bend(estimates: np.ndarray, *, before: int) -> float:
    """Largest absolute second difference of the estimates before treatment, the base among them; NaN with fewer than two.

    A yardstick for `breakdown_bend`, not a bound: the estimates bend by chance too.

    Examples
    --------
    >>> round(largest_bend(np.array([-0.3, -0.1, 0.6]), before=2), 3)
    0.1
    """
    path = np.append(np.asarray(estimates, dtype=float)[:before], 0.0)
    return float(np.abs(np.diff(path, 2)).max()) if before >= 2 else math.nan
