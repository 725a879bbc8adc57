"""Intervals for shares: one at a time, a whole row at once, and where nothing was seen.

Every function takes effective counts, so that a design effect enters by
dividing the number of trials; see `partnerlab.stats.clusters`.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from partnerlab.errors import ParameterError


def check_level(level: float) -> float:
    """Give back a coverage, or say that it is none.

    Raises
    ------
    ParameterError
        If it does not lie strictly between 0 and 1.

    Examples
    --------
    >>> check_level(0.95)
    0.95
    """
    if not 0.0 < float(level) < 1.0:
        raise ParameterError(f"level is {level}; give a coverage between 0 and 1, such as 0.95")
    return float(level)


def critical_value(level: float, df: np.ndarray | float | None = None) -> np.ndarray | float:
    """Two-sided critical value of the normal, or of Student's t where degrees of freedom are given.

    Parameters
    ----------
    level : float
        Coverage.
    df : array_like or None
        Degrees of freedom; NaN below 1; None for the normal.

    Examples
    --------
    >>> round(float(critical_value(0.95)), 4), round(float(critical_value(0.95, 9)), 4)
    (1.96, 2.2622)
    """
    upper = (1.0 + check_level(level)) / 2.0
    if df is None:
        return special.ndtri(upper)
    freedom = np.asarray(df, dtype=float)
    return np.where(freedom >= 1.0, special.stdtrit(np.maximum(freedom, 1.0), upper), np.nan)


def _around(share: np.ndarray, trials: np.ndarray, squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve ``(share - p)^2 = squared * p (1 - p) / trials`` for p: the two roots."""
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (share + squared / (2.0 * trials)) / (1.0 + squared / trials)
        spread = np.sqrt(squared * share * (1.0 - share) / trials + (squared / (2.0 * trials)) ** 2) / (1.0 + squared / trials)
    seen = trials > 0
    # rounding must not push the estimate out of its own interval
    low = np.clip(np.minimum(centre - spread, share), 0.0, 1.0)
    high = np.clip(np.maximum(centre + spread, share), 0.0, 1.0)
    return np.where(seen, low, np.nan), np.where(seen, high, np.nan)


def wilson_interval(
    share: np.ndarray, trials: np.ndarray, *, level: float = 0.95, df: np.ndarray | float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson (1927) score interval for a share; NaN where nobody was at risk.

    Parameters
    ----------
    share : ndarray
        Share seen.
    trials : ndarray, broadcast against ``share``
        Number of trials, or the effective number under clustering (need not be whole).
    level : float
        Coverage.
    df : ndarray or None
        Degrees of freedom of a t critical value, clusters less one; None for the normal.

    Returns
    -------
    low, high : ndarray

    Examples
    --------
    >>> low, high = wilson_interval(0.2, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0567, 0.5098)
    """
    share, trials = np.broadcast_arrays(np.asarray(share, dtype=float), np.asarray(trials, dtype=float))
    return _around(share, trials, np.asarray(critical_value(level, df), dtype=float) ** 2)


def exact_interval(successes: np.ndarray, trials: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson (1934) interval for independent trials; NaN where there were none.

    Examples
    --------
    >>> low, high = exact_interval(2, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0252, 0.5561)
    """
    tail = (1.0 - check_level(level)) / 2.0
    hits, trials = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(trials, dtype=float))
    misses = trials - hits
    low = np.where(hits > 0, special.betaincinv(np.maximum(hits, 1e-300), misses + 1.0, tail), 0.0)
    high = np.where(misses > 0, special.betaincinv(hits + 1.0, np.maximum(misses, 1e-300), 1.0 - tail), 1.0)
    return np.where(trials > 0, low, np.nan), np.where(trials > 0, high, np.nan)


def goodman_intervals(
    shares: np.ndarray, trials: np.ndarray, *, level: float = 0.95, cells: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Goodman (1965) intervals that hold for all cells of a multinomial row at once.

    Parameters
    ----------
    shares : ndarray, shape (..., k)
        Shares of the row's cells.
    trials : ndarray, shape (..., 1) or (..., k)
        Trials of the row, or the effective number of each cell.
    level : float
        Coverage of the whole row.
    cells : int or None
        Number of cells that could be reached; None means ``k``.

    Examples
    --------
    >>> low, high = goodman_intervals(np.array([0.5, 0.3, 0.2]), np.array([100.0]))
    >>> low.round(3), high.round(3)
    (array([0.384, 0.204, 0.122]), array([0.616, 0.418, 0.311]))
    """
    shares = np.asarray(shares, dtype=float)
    count = cells if cells is not None else shares.shape[-1]
    share, trial = np.broadcast_arrays(shares, np.asarray(trials, dtype=float))
    together = 1.0 - (1.0 - check_level(level)) / count
    return _around(share, trial, np.asarray(special.ndtri((1.0 + together) / 2.0) ** 2))


def zero_cell_limit(trials: np.ndarray, *, level: float = 0.95) -> np.ndarray:
    """Upper limit for a share of which nothing was seen: the rule of three in its exact form.

    ``1 - (1 - level)^(1 / trials)``, which is about ``3 / trials`` at 95 %
    (Hanley and Lippman-Hand 1983). One-sided: the lower limit is 0 by nature.

    Examples
    --------
    >>> zero_cell_limit(np.array([0.0, 10.0, 300.0])).round(4)
    array([   nan, 0.2589, 0.0099])
    """
    trials = np.asarray(trials, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = -np.expm1(np.log1p(-check_level(level)) / trials)
    return np.where(trials > 0, limit, np.nan)


def share_interval(
    share: np.ndarray, effective: np.ndarray, *, level: float = 0.95, df: np.ndarray | float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval with t, and the rule of three where all or nothing was seen.

    Parameters
    ----------
    share, effective, df
        As in `wilson_interval`.

    Examples
    --------
    >>> low, high = share_interval(np.array([0.0, 0.5, 1.0]), np.array([30.0, 30.0, 30.0]), df=29)
    >>> low.round(3), high.round(3)
    (array([0.   , 0.325, 0.905]), array([0.095, 0.675, 1.   ]))
    """
    share = np.asarray(share, dtype=float)
    low, high = wilson_interval(share, effective, level=level, df=df)
    limit = zero_cell_limit(effective, level=level)
    enough = ~np.isnan(high)
    high = np.where((share == 0.0) & enough, limit, high)
    low = np.where((share == 1.0) & enough, 1.0 - limit, low)
    return low, high
