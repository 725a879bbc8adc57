"""Intervals of quantiles from order statistics: no distribution is assumed, ties and small samples make them wider."""

from __future__ import annotations

import numpy as np

from partnerlab.errors import ParameterError
from partnerlab.stats.inference.intervals import check_level


def quantile_interval(values: np.ndarray, *, quantile: float, level: float = 0.95) -> tuple[float, float]:
    """Give the order statistics between which the quantile of the population lies.

    The number of values below the population's quantile is binomial, whatever the distribution; the ranks
    whose binomial tails are at most half of ``1 - level`` bound it (Thompson 1936; Hahn and Meeker 1991, 5.2).

    Parameters
    ----------
    values : ndarray, shape (n,)
        A sample; NaN is left out.
    quantile : float
        Between 0 and 1.
    level : float
        Coverage that the interval has at least.

    Returns
    -------
    low, high : float
        NaN on a side that so few values cannot bound.

    Raises
    ------
    ParameterError
        If quantile or level do not lie strictly between 0 and 1.

    Examples
    --------
    >>> quantile_interval(np.arange(1.0, 11.0), quantile=0.5)
    (2.0, 9.0)
    >>> quantile_interval(np.arange(1.0, 6.0), quantile=0.75)
    (2.0, nan)
    """
    from scipy.stats import binom

    check_level(level)
    if not 0.0 < quantile < 1.0:
        raise ParameterError(f"quantile is {quantile}; give one between 0 and 1, such as 0.75")
    known = np.sort(np.asarray(values, dtype=float)[~np.isnan(values)])
    if not len(known):
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    lower = int(binom.ppf(tail, len(known), quantile))
    upper = int(binom.ppf(1.0 - tail, len(known), quantile)) + 1
    low = float(known[lower - 1]) if lower >= 1 else float("nan")
    return low, float(known[upper - 1]) if upper <= len(known) else float("nan")
