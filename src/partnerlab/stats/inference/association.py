"""Rank association of two measures given a third, with errors clustered by unit."""

from __future__ import annotations

import numpy as np


def rank_scores(values: np.ndarray) -> np.ndarray:
    """Ranks between 0 and 1, ties at their mean, centred: shape ``(m,)``.

    Examples
    --------
    >>> rank_scores(np.array([5.0, 1.0, 5.0, 9.0])).round(3)
    array([ 0.   , -0.375,  0.   ,  0.375])
    """
    from scipy import stats

    return (stats.rankdata(values) - 0.5) / len(values) - 0.5


def rest_of(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Take out of centred values what a straight line in ``given`` tells of them."""
    squared = float(given @ given)
    return values - given * (float(given @ values) / squared if squared > 0 else 0.0)


def clustered_correlation(first: np.ndarray, second: np.ndarray, cluster: np.ndarray) -> tuple[float, float, int]:
    """Correlation of residuals, its jackknife error (one cluster left out at a time), and the number of clusters.

    Parameters
    ----------
    first, second : ndarray, shape (m,)
        Centred within their strata.
    cluster : ndarray of int, shape (m,)
        Unit of each pair.

    Examples
    --------
    >>> x = np.array([-1.0, 0.0, 1.0, -1.0, 0.0, 1.0])
    >>> value, error, units = clustered_correlation(x, x + np.array([0.5, 0, -0.5, -0.5, 0, 0.5]), np.array([0, 1, 2, 3, 4, 5]))
    >>> round(value, 3), units
    (0.894, 6)
    """
    _, unit = np.unique(cluster, return_inverse=True)
    units = int(unit.max()) + 1 if len(unit) else 0
    cross, one, two = (np.bincount(unit, weights=product, minlength=units) for product in (first * second, first**2, second**2))
    whole = float(np.sqrt(one.sum() * two.sum()))
    if units < 3 or whole <= 0:
        return np.nan, np.nan, units
    with np.errstate(divide="ignore", invalid="ignore"):
        without = (cross.sum() - cross) / np.sqrt((one.sum() - one) * (two.sum() - two))
    without = without[np.isfinite(without)]
    error = np.sqrt((units - 1) / units * ((without - without.mean()) ** 2).sum())
    return float(cross.sum() / whole), float(error), units
