"""What clustering does to a ratio: a partner's quarters are not independent of each other.

All functions take one row per cluster (a partner in one at-risk group) and
work in closed form: leaving partner ``g`` out of ``N / D`` gives
``(N - n_g) / (D - d_g)``, so no loop over partners is needed.
"""

from __future__ import annotations

import numpy as np


def code_clusters(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Code clusters 0, 1, ... as they come, and give their names; numbers that stand in order need no hash table.

    Examples
    --------
    >>> [found.tolist() for found in code_clusters(np.array([4, 4, 7, 9]))]
    [[0, 0, 1, 2], [4, 7, 9]]
    >>> [found.tolist() for found in code_clusters(np.array(["b", "a", "b"]))]
    [[0, 1, 0], ['b', 'a']]
    """
    import pandas as pd

    plain = isinstance(getattr(values, "dtype", None), np.dtype) and values.dtype.kind in "iu" and len(values) > 0
    if plain:
        numbers = np.asarray(values)
        fresh = np.empty(len(numbers), dtype=bool)
        fresh[0] = True
        np.not_equal(numbers[1:], numbers[:-1], out=fresh[1:])
        if (numbers[1:] >= numbers[:-1]).all():
            codes = np.cumsum(fresh, dtype=np.int64)
            codes -= 1
            return codes, numbers[fresh]
    codes, names = pd.factorize(values)
    return codes.astype(np.int64), np.asarray(names)


def _sums(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Sum rows by group: shape ``(groups, k)``."""
    columns = [np.bincount(group, weights=values[:, column], minlength=groups) for column in range(values.shape[1])]
    return np.stack(columns, axis=1) if columns else np.zeros((groups, 0))


def jackknife_shares(
    hits: np.ndarray, trials: np.ndarray, *, group: np.ndarray, groups: int, clusters: np.ndarray | int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pooled shares by group, and their leave-one-cluster-out standard errors.

    Parameters
    ----------
    hits : ndarray, shape (m, k)
        Moves of each cluster into each of ``k`` cells.
    trials : ndarray, shape (m,)
        At-risk count of each cluster, positive.
    group : ndarray of int, shape (m,)
        Group of each row; a cluster has at most one row in each group.
    groups : int
        Number of groups.
    clusters : ndarray, int or None
        Clusters of the sample, by group or in all, those never at risk included; None counts the rows.

    Returns
    -------
    shares, errors : ndarray, shape (groups, k)
        NaN shares where nobody was at risk, NaN errors with fewer than two clusters.
        ``errors**2 = (G - 1) / G * sum((share_without_g - mean)^2)`` (Efron and Stein 1981).

    Examples
    --------
    >>> hits, trials = np.array([[1.0], [0.0], [2.0]]), np.array([2.0, 2.0, 2.0])
    >>> shares, errors = jackknife_shares(hits, trials, group=np.zeros(3, int), groups=1)
    >>> float(shares[0, 0]), round(float(errors[0, 0]), 4)
    (0.5, 0.2887)
    """
    hits, trials = np.asarray(hits, dtype=float), np.asarray(trials, dtype=float)
    rows = np.bincount(group, minlength=groups)
    total, at_risk = _sums(hits, group, groups), np.bincount(group, weights=trials, minlength=groups)
    size = np.maximum(rows if clusters is None else np.broadcast_to(clusters, rows.shape), rows)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = total / at_risk[:, None]
        without = (total[group] - hits) / (at_risk[group] - trials)[:, None]
        # deviations from the pooled share are small numbers: no cancellation
        apart = without - shares[group]
        first, second = _sums(apart, group, groups), _sums(apart**2, group, groups)
        # clusters that were never at risk leave the share as it is: they deviate by 0
        variance = (size - 1) / size * np.maximum(second - first**2 / size, 0.0)
    return shares, np.where(rows[:, None] >= 2, np.sqrt(variance), np.nan)


def sandwich_errors(hits: np.ndarray, trials: np.ndarray, *, group: np.ndarray, groups: int) -> np.ndarray:
    """Linearised (HC0) standard errors of pooled shares, clustered; shape ``(groups, k)``.

    Examples
    --------
    >>> hits, trials = np.array([[1.0], [0.0], [2.0]]), np.array([2.0, 2.0, 2.0])
    >>> float(sandwich_errors(hits, trials, group=np.zeros(3, int), groups=1)[0, 0].round(4))
    0.2357
    """
    hits, trials = np.asarray(hits, dtype=float), np.asarray(trials, dtype=float)
    at_risk = np.bincount(group, weights=trials, minlength=groups)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = _sums(hits, group, groups) / at_risk
        return np.sqrt(_sums((hits - trials[:, None] * shares[group]) ** 2, group, groups)) / at_risk


def design_effects(shares: np.ndarray, errors: np.ndarray, at_risk: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """How many times larger the variance is than if all quarters were independent, at least 1.

    Parameters
    ----------
    shares, errors : ndarray, shape (g, k)
        Shares of the cells of each row, and their clustered standard errors.
    at_risk, partners : ndarray, shape (g,)
        Partner-quarters and partners behind each row.

    Returns
    -------
    ndarray, shape (g, k)
        Cells with nothing (or everything) seen have no variance to compare: they take the design effect
        of their row, variances summed over its cells (Rao and Scott 1981); where the whole row is one
        cell nothing is known about clustering and a partner counts once (``at_risk / partners``).

    Examples
    --------
    >>> shares, errors = np.array([[0.5, 0.5, 0.0]]), np.array([[0.1, 0.1, 0.0]])
    >>> design_effects(shares, errors, np.array([100.0]), np.array([20.0])).round(2)
    array([[4., 4., 4.]])
    """
    at_risk, partners = np.asarray(at_risk, dtype=float)[:, None], np.asarray(partners, dtype=float)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = shares * (1.0 - shares) / at_risk
        cell = errors**2 / plain
        row = np.nansum(errors**2, axis=1, keepdims=True) / np.nansum(plain, axis=1, keepdims=True)
        row = np.where(np.nansum(plain, axis=1, keepdims=True) > 0, row, at_risk / partners)
    inside = (shares > 0.0) & (shares < 1.0)
    return np.where(np.isnan(errors), np.nan, np.maximum(np.where(inside, cell, row), 1.0))
