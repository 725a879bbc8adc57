"""Intervals for shares: one at a time, a whole row at once, and where little or nothing was seen.

Every function takes effective counts, so that a design effect enters by
dividing the number of trials; see `partnerlab.stats.inference.clusters`. `share_interval` is the house's answer;
`benchmarks/README.md` shows how often it holds.
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
        Degrees of freedom above 0, NaN without; None or infinity for the normal.

    Examples
    --------
    >>> round(float(critical_value(0.95)), 4), round(float(critical_value(0.95, 9)), 4)
    (1.96, 2.2622)
    """
    upper = (1.0 + check_level(level)) / 2.0
    if df is None:
        return special.ndtri(upper)
    freedom = np.asarray(df, dtype=float)
    return np.where(freedom > 0.0, special.stdtrit(np.where(freedom > 0.0, freedom, 1.0), upper), np.nan)


def widen_error(error: np.ndarray, df: np.ndarray | float, *, level: float) -> np.ndarray:
    """Give the standard error with which a normal interval is as wide as Student's t asks for.

    Examples
    --------
    >>> round(float(widen_error(1.0, 9, level=0.95)), 3)
    1.154
    """
    return error * (critical_value(level, df) / critical_value(level))


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


#: Effective successes up to which the lower limit of Wilson's interval is lowered.
FEW = 3.0


def zero_cell_limit(trials: np.ndarray, *, level: float = 0.95) -> np.ndarray:
    """Upper limit for a share of which nothing was seen: the exact one of a two-sided interval.

    ``1 - ((1 - level) / 2)^(1 / trials)``, about ``3.7 / trials`` at 95 %. The rule of three
    (Hanley and Lippman-Hand 1983) is one-sided: put beside two-sided limits for what was seen, it misses too often.

    Examples
    --------
    >>> zero_cell_limit(np.array([0.0, 10.0, 300.0])).round(4)
    array([   nan, 0.3085, 0.0122])
    """
    trials = np.asarray(trials, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = -np.expm1(np.log((1.0 - check_level(level)) / 2.0) / trials)
    return np.where(trials > 0, limit, np.nan)


def share_interval(
    share: np.ndarray, effective: np.ndarray, *, level: float = 0.95, df: np.ndarray | float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Interval for any share, rare ones too: Wilson's with t, mended near 0 and 1.

    Wilson's interval holds too rarely where about a tenth of a success is expected, because its lower limit after one
    success is too high: with up to three effective successes the lower limit is at most the Poisson one of Brown, Cai and
    DasGupta (2001, section 4.1.1). Where nothing was seen the upper limit is the exact one (`zero_cell_limit`)
    on ``effective * (z / t)^2`` trials, as Korn and Graubard (1998) do for surveys. Both are mirrored near 1.

    Parameters
    ----------
    share, effective, df
        As in `wilson_interval`.
    level : float
        Coverage.

    Examples
    --------
    >>> low, high = share_interval(np.array([0.0, 1 / 30, 0.5, 1.0]), np.full(4, 30.0), df=29)
    >>> low.round(3), high.round(3)
    (array([0.   , 0.002, 0.325, 0.875]), array([0.125, 0.175, 0.675, 1.   ]))
    """
    share, effective = np.broadcast_arrays(np.asarray(share, dtype=float), np.asarray(effective, dtype=float))
    low, high = wilson_interval(share, effective, level=level, df=df)
    known = ~np.isnan(high)
    few_low, few_high = _few_limits(share, effective, level=level), 1.0 - _few_limits(1.0 - share, effective, level=level)
    low, high = np.where(known, np.fmin(low, few_low), np.nan), np.where(known, np.fmax(high, few_high), np.nan)
    shrunk = effective * (critical_value(level) / np.asarray(critical_value(level, df))) ** 2
    limit = zero_cell_limit(shrunk, level=level)
    high = np.where((share == 0.0) & known, limit, high)
    low = np.where((share == 1.0) & known, 1.0 - limit, low)
    return low, high


def _few_limits(share: np.ndarray, effective: np.ndarray, *, level: float) -> np.ndarray:
    """Lower limit where up to three effective successes were seen: the gamma quantile at ``1 - level``; NaN elsewhere."""
    successes = share * effective
    few = (successes > 0.0) & (successes <= FEW * (1.0 + 1e-9))  # three of 31 are three, whichever side they are counted from
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = special.gammaincinv(np.where(few, successes, 1.0), 1.0 - level) / effective
    return np.where(few, limit, np.nan)
