"""Power of two-sided tests, and the smallest effect or number of units that reaches a power.

t tests by the noncentral t; proportions as in Fleiss, Levin and Paik (2003); counts: Zhu and Lakkis (2014), Statistics in
Medicine 33; ordinal outcomes: Whitehead (1993), same journal 12; time to event: Schoenfeld (1983), Biometrics 39; clusters of
unequal size: Eldridge, Ashby and Kerry (2006), International Journal of Epidemiology 35; stepped wedges: Hussey and Hughes
(2007), Contemporary Clinical Trials 28.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from partnerlab.stats.inference.intervals import critical_value

#: Clusters of an arm from which it does not matter which of them are the large ones.
MANY_CLUSTERS = 200


def power_of_t(effect: float, std_error: float, *, df: float, level: float = 0.95, both_tails: bool = True) -> float:
    """Power of a t test whose estimate has a given standard error.

    Parameters
    ----------
    effect, std_error : float
        In the same unit.
    df : float
        Degrees of freedom of the error.
    level : float
        One less the error rate.
    both_tails : bool
        Whether a finding in the wrong direction counts, too; planning usually leaves it out.

    Examples
    --------
    >>> round(power_of_t(1.0, (2 / 20) ** 0.5, df=38, both_tails=False), 6)
    0.868953
    """
    from scipy.special import nctdtr
    from scipy.stats import norm

    shift = abs(effect) / std_error
    critical = float(critical_value(level, df))
    if math.isinf(df):
        return float(norm.sf(critical - shift) + both_tails * norm.cdf(-critical - shift))
    wrong = float(np.nan_to_num(nctdtr(df, shift, -critical))) if both_tails else 0.0  # far in this tail it underflows to NaN
    return float(1.0 - nctdtr(df, shift, critical)) + wrong


def power_of_shares(first: float, second: float, units: float, *, level: float = 0.95) -> float:
    """Power to tell two shares apart with ``units`` in each of two variants, pooled variance under no difference.

    Examples
    --------
    >>> round(power_of_shares(0.5, 0.75, 50), 6)
    0.740166
    """
    from scipy.stats import norm

    mean = (first + second) / 2
    null, real = math.sqrt(2 * mean * (1 - mean)), math.sqrt(first * (1 - first) + second * (1 - second))
    if real == 0:
        return float(first != second)
    return float(norm.cdf((math.sqrt(units) * abs(first - second) - critical_value(level) * null) / real))


def log_rate_variance(rate: float, *, exposure: float = 1.0, dispersion: float = 0.0) -> float:
    """Variance that one unit's count contributes to the logarithm of a variant's rate.

    Parameters
    ----------
    rate : float
        Events per unit and period.
    exposure : float
        Periods watched.
    dispersion : float
        Of a negative binomial, ``variance = mean + dispersion * mean ** 2``; 0 is Poisson.
    """
    return 1.0 / (rate * exposure) + dispersion


def ordinal_information(shares: np.ndarray) -> float:
    """Information on a log odds ratio that one unit of a balanced two-variant trial carries, Whitehead's formula.

    Parameters
    ----------
    shares : float array, shape (k,)
        Expected share of units in each category, both variants together.

    Examples
    --------
    >>> round(ordinal_information(np.array([0.5, 0.5])), 4)
    0.0625
    """
    return float((1.0 - (np.asarray(shares) ** 3).sum()) / 12.0)


def raised_shares(shares: tuple[float, ...], wins: float) -> tuple[float, ...]:
    """Raise the odds of being above any given tier alike, until the chance to win less that to lose is as asked.

    Parameters
    ----------
    shares : tuple of float
        Of the tiers under the control, lowest first.
    wins : float
        From 0 to less than one less the share of the highest tier that there is.

    Examples
    --------
    >>> [round(share, 3) for share in raised_shares((0.5, 0.3, 0.2), 0.2)]
    [0.333, 0.333, 0.333]
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    low = np.array(shares)
    cuts = logit(np.clip(np.cumsum(low)[:-1], 0.0, 1.0))
    low_middle = np.cumsum(low) - low / 2

    def moved(shift: float) -> np.ndarray:
        return np.diff(np.concatenate([[0.0], expit(cuts - shift), [1.0]]))

    if wins <= 0:
        return shares
    return tuple(moved(brentq(lambda shift: 2 * float(moved(shift) @ low_middle) - 1 - wins, 0.0, 60.0)).tolist())


def events_needed(hazard_ratio: float, *, power: float = 0.8, level: float = 0.95, share_treated: float = 0.5) -> float:
    """Events, both variants together, with which a log-rank test finds a hazard ratio.

    Examples
    --------
    >>> round(events_needed(0.5), 1)
    65.3
    """
    from scipy.stats import norm

    needed = critical_value(level) + norm.ppf(power)
    return float(needed**2 / (share_treated * (1 - share_treated) * math.log(hazard_ratio) ** 2))


def design_effect(sizes: np.ndarray, icc: float) -> float:
    """Factor by which clusters of these sizes inflate the variance of a mean.

    Examples
    --------
    >>> round(design_effect(np.array([10.0, 10.0]), 0.1), 3)
    1.9
    """
    sizes = np.asarray(sizes, dtype=float)
    return float(1.0 + ((sizes**2).sum() / sizes.sum() - 1.0) * icc)


def cluster_degrees(clusters: float, size_cv: float = 0.0) -> float:
    """Degrees of freedom, after Bell and McCaffrey, that clusters of unequal size lend to the error of one arm's mean.

    Parameters
    ----------
    clusters : float
        Clusters of the arm.
    size_cv : float
        Coefficient of variation of their sizes; these are taken as the middles of as many parts of a gamma distribution.

    Returns
    -------
    float
        One less than the clusters where these are equal; else less.

    Examples
    --------
    >>> cluster_degrees(8), round(cluster_degrees(8, 0.5), 2)
    (7.0, 5.44)
    """
    from scipy.stats import gamma

    count = max(round(clusters), 2)
    if size_cv <= 0 or count > MANY_CLUSTERS:
        return float(count - 1) if size_cv <= 0 else (count - 1) / (1.0 + size_cv**2)
    size = gamma.ppf((np.arange(count) + 0.5) / count, 1.0 / size_cv**2)
    # what is between the middles of parts spreads, too
    size = np.maximum(1.0 + (size / size.mean() - 1.0) * size_cv / (size / size.mean()).std(), 0.02)
    share = size / size.sum()
    apart = share**2 / (1.0 - share)
    return float(1.0 / ((share**2).sum() + apart.sum() ** 2 - (apart**2).sum()))


def stepped_wedge_variance(
    on: np.ndarray,
    *,
    units: float,
    sigma: float,
    tau: float,
    kept: float = 1.0,
    unit_kept: bool = False,
    weight: np.ndarray | None = None,
) -> float:
    """Variance of the effect when clusters switch the treatment on (or on and off) by a schedule.

    Parameters
    ----------
    on : bool array, shape (clusters, periods)
        Whether the treatment is on.
    units : float
        Units of a cluster in each period.
    sigma, tau : float
        Standard deviation of units within a cluster and period, and of clusters.
    kept : float
        Correlation of a cluster's level between neighbouring periods; 1 is Hussey and Hughes's model.
    unit_kept : bool
        Whether the same units are seen in every period, and half of their variance stays.
    weight : float array, shape (clusters,), or None
        How many clusters go by each row of ``on``; one if None.

    Returns
    -------
    float
        By generalised least squares with fixed periods and random clusters.

    Examples
    --------
    >>> wedge = np.arange(5) > np.arange(4)[:, None]
    >>> round(stepped_wedge_variance(wedge, units=10, sigma=1.0, tau=0.3), 6)
    0.059459
    """
    on = np.asarray(on, dtype=float)
    clusters, periods = on.shape
    lag = np.abs(np.subtract.outer(np.arange(periods), np.arange(periods)))
    within = sigma**2 / units * (np.where(lag == 0, 1.0, 0.5) if unit_kept else np.eye(periods))
    inverse = np.linalg.inv(tau**2 * kept**lag + within)
    calendar = np.eye(periods)
    information = np.zeros((periods + 1, periods + 1))
    for cluster, count in enumerate(np.ones(clusters) if weight is None else weight):
        design = np.column_stack([calendar, on[cluster]])
        information += count * design.T @ inverse @ design
    own, across = information[-1, -1], information[-1, :-1]
    left = own - across @ np.linalg.solve(information[:-1, :-1], across)
    return math.inf if left <= 1e-12 * max(own, 1.0) else float(1.0 / left)


def smallest_effect(power: Callable[[float], float], *, target: float = 0.8, scale: float = 1.0, most: float = math.inf) -> float:
    """Smallest positive effect whose power reaches a target; infinite if none up to ``most`` does.

    Parameters
    ----------
    power : callable
        Power of an effect, rising.
    target : float
        Power to reach.
    scale : float
        Where the search begins.
    most : float
        Largest effect that can be.
    """
    from scipy.optimize import brentq

    high = min(scale, most)
    while power(high) < target:
        if high >= most or high > 1e12 * scale:
            return math.inf
        high = min(2.0 * high, most)
    return float(brentq(lambda effect: power(effect) - target, 0.0, high, xtol=1e-12 * high, rtol=1e-13))


def fewest_units(power: Callable[[float], float], *, target: float = 0.8, least: float = 2.0, most: float = 1e9) -> float:
    """Smallest (fractional) number of units whose power reaches a target; infinite if none up to ``most`` does."""
    from scipy.optimize import brentq

    if power(least) >= target:
        return least
    if power(most) < target:
        return math.inf
    high = 2.0 * least
    while power(high) < target:
        high = min(2.0 * high, most)
    return float(brentq(lambda units: power(units) - target, least, high, xtol=1e-9, rtol=1e-13))
