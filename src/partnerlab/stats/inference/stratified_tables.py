"""Two by two tables in strata: the test of Cochran, Mantel and Haenszel, and their common odds ratio.

Mantel and Haenszel (1959), Journal of the National Cancer Institute 22; variance of the odds ratio: Robins, Breslow and
Greenland (1986), Biometrics 42.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class CommonOdds(NamedTuple):
    """Test of no association within strata, and the odds ratio common to them with the error of its logarithm."""

    statistic: float
    p_value: float
    odds_ratio: float
    log_error: float


def common_odds(tables: np.ndarray, *, corrected: bool = False) -> CommonOdds:
    """Test and estimate a common odds ratio.

    Parameters
    ----------
    tables : float array, shape (strata, 2, 2)
        Counts.
    corrected : bool
        Whether the statistic is corrected for continuity.

    Examples
    --------
    >>> found = common_odds(np.array([[[10, 5], [5, 10]], [[8, 4], [4, 8]]]))
    >>> round(found.odds_ratio, 3), round(found.p_value, 3)
    (4.0, 0.016)
    """
    from scipy.special import chdtrc

    tables = np.asarray(tables, dtype=float)
    n = tables.sum(axis=(1, 2))
    tables, n = tables[n > 1], n[n > 1]
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    gap = abs((tables[:, 0, 0] - rows[:, 0] * columns[:, 0] / n).sum())
    variance = (rows.prod(axis=1) * columns.prod(axis=1) / (n**2 * (n - 1))).sum()
    statistic = float((gap - (min(0.5, gap) if corrected else 0.0)) ** 2 / variance)
    same, cross = tables[:, 0, 0] * tables[:, 1, 1] / n, tables[:, 0, 1] * tables[:, 1, 0] / n
    alike = (tables[:, 0, 0] + tables[:, 1, 1]) / n
    r, s = same.sum(), cross.sum()
    error = (
        (alike * same).sum() / (2 * r**2)
        + (alike * cross + (1 - alike) * same).sum() / (2 * r * s)
        + ((1 - alike) * cross).sum() / (2 * s**2)
    )
    return CommonOdds(statistic, float(chdtrc(1, statistic)), float(r / s), float(np.sqrt(error)))
