"""Least squares with an effect of each unit and period where the regressors are those of a group: from moments of groups alone.

In an event study all units that adopt together share their regressors, so cross products need each group's counts and sums, not
a row for each unit and period. Exact with gaps too: a unit seen in the periods ``m`` adds ``diag(m) - m m' / sum(m)``
to its group's products (Frisch and Waugh 1933, Econometrica 1). Clustered errors: Liang and Zeger (1986), Biometrika 73.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

#: Units read at a time: they stay in the processor's cache.
BLOCK = 4096
#: A regressor of which no more than this share (squared) is left beside the others repeats them.
REPEATED = 1e-10
#: Sums of squares of which units' means leave no more than this are what rounding leaves.
ROUNDING = 1e-20


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoWayLine:
    """A fit with unit and period effects.

    Parameters
    ----------
    coefficients : float array, shape (k,)
        NaN where a regressor repeats the others or the fixed effects.
    covariance : float array, shape (k, k)
        Clustered.
    """

    coefficients: np.ndarray
    covariance: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Sorted:
    """Units in the order of group and cluster: their places, the edges of groups in that order, and each one's cluster."""

    order: np.ndarray
    edges: np.ndarray
    cluster: np.ndarray
    clusters: int

    def blocks(self, group: int) -> Iterator[np.ndarray]:
        """Places in the order of a group's units, some thousand at a time."""
        for first in range(self.edges[group], self.edges[group + 1], BLOCK):
            yield np.arange(first, min(first + BLOCK, self.edges[group + 1]))


def fit_by_group(outcome: np.ndarray, group: np.ndarray, regressors: np.ndarray, *, clusters: np.ndarray) -> TwoWayLine:
    """Fit by least squares with unit and period effects; units of a group share their regressors.

    Parameters
    ----------
    outcome : float array, shape (n, t)
        NaN where not observed.
    group : int array, shape (n,)
        Codes 0, 1, ...
    regressors : float array, shape (g, t, k)
        Of each group in each period.
    clusters : int array, shape (n,)
        Codes that hold whole units. The covariance has the factor ``G / (G - 1) * (m - 1) / (m - k - t)``: unit effects
        lie within clusters and are not counted (as fixest does).

    Returns
    -------
    TwoWayLine
        That of `fit_two_way` on the same regressors, a row for each unit.

    Examples
    --------
    >>> outcome = np.array([[1.0, 2.0], [2.0, 3.5], [0.0, 3.0], [1.0, 5.0]])
    >>> late = np.array([[0.0, 0.0], [0.0, 1.0]])[:, :, None]  # the second group adopts in the second period
    >>> fit_by_group(outcome, np.array([0, 0, 1, 1]), late, clusters=np.arange(4)).coefficients.round(6).tolist()
    [2.25]
    """
    units = _sort(group, clusters, groups=len(regressors))
    products, pulls, count = _moments(outcome, units)
    rows, periods = count.sum(), count.any(axis=0).sum()
    gram_x = np.einsum("gtk,gts,gsl->kl", regressors, products, regressors, optimize=True)
    cross = np.einsum("gtk,gts->ks", regressors, products)
    inverse = np.linalg.pinv(products.sum(axis=0), rcond=1e-12, hermitian=True)
    explained = cross @ inverse
    gram = gram_x - explained @ cross.T
    kept = independent(gram, within=np.diag(gram_x), raw=np.einsum("gt,gtk->k", count, regressors**2))
    k = regressors.shape[2]
    coefficients, covariance = np.full(k, np.nan), np.full((k, k), np.nan)
    bread = np.linalg.inv(gram[np.ix_(kept, kept)])
    beta = bread @ (np.einsum("gtk,gt->k", regressors, pulls) - explained @ pulls.sum(axis=0))[kept]
    period = inverse @ (pulls.sum(axis=0) - cross[kept].T @ beta)
    own = regressors[:, :, kept] - explained[kept].T  # regressors less what periods explain; units' means drop out of the scores
    meat = _meat(outcome, units, regressors[:, :, kept] @ beta + period, own)
    factor = units.clusters / (units.clusters - 1) * (rows - 1) / (rows - len(kept) - periods)
    coefficients[kept] = beta
    covariance[np.ix_(kept, kept)] = factor * bread @ meat @ bread
    return TwoWayLine(coefficients=coefficients, covariance=covariance)


def _sort(group: np.ndarray, clusters: np.ndarray, *, groups: int) -> _Sorted:
    names, code = np.unique(clusters, return_inverse=True)
    order = np.argsort(group * len(names) + code, kind="stable")
    return _Sorted(
        order=order, edges=np.searchsorted(group[order], np.arange(groups + 1)), cluster=code[order], clusters=len(names)
    )  # fmt: skip


def less_unit_means(block: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Values less their unit's mean, 0 where not seen; what was seen (None if all); one over how often each unit was."""
    total = block.sum(axis=1)
    if np.isfinite(total).all():
        share = np.full(len(block), 1.0 / block.shape[1])
        return block - (total * share)[:, None], None, share
    seen = np.isfinite(block)
    share = 1.0 / np.maximum(seen.sum(axis=1), 1)
    filled = np.where(seen, block, 0.0)
    return np.where(seen, filled - (filled.sum(axis=1) * share)[:, None], 0.0), seen, share


def _moments(outcome: np.ndarray, units: _Sorted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products of period columns less units' means, and sums of outcomes less units' means, and observations, by group."""
    groups, periods = len(units.edges) - 1, outcome.shape[1]
    products, pulls, count = np.zeros((groups, periods, periods)), np.zeros((groups, periods)), np.zeros((groups, periods))
    for group in range(groups):
        for place in units.blocks(group):
            apart, seen, share = less_unit_means(outcome[units.order[place]])
            pulls[group] += apart.sum(axis=0)
            if seen is None:
                products[group] += len(place) * (np.eye(periods) - 1.0 / periods)
                count[group] += len(place)
            else:
                products[group] += np.diag(seen.sum(axis=0)) - (seen * share[:, None]).T @ seen
                count[group] += seen.sum(axis=0)
    return products, pulls, count


def _meat(outcome: np.ndarray, units: _Sorted, fitted: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Sum over clusters of the outer products of their scores."""
    alone = units.clusters == len(units.order)
    periods, k = own.shape[1:]
    meat, totals = np.zeros((k, k)), np.zeros((0 if alone else units.clusters, k))
    for group in range(len(own)):
        squares = np.zeros((periods, periods))
        for place in units.blocks(group):
            rest, _, _ = less_unit_means(outcome[units.order[place]] - fitted[group])
            if alone:
                squares += rest.T @ rest
                continue
            owner = units.cluster[place]
            starts = np.flatnonzero(np.diff(owner, prepend=-1))
            totals[owner[starts]] += np.add.reduceat(rest, starts, axis=0) @ own[group]
        if alone:
            meat += own[group].T @ squares @ own[group]
    return meat if alone else totals.T @ totals


def independent(gram: np.ndarray, *, within: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Columns of which something is left beside the fixed effects and the columns kept before.

    Parameters
    ----------
    gram : float array, shape (k, k)
        Products of the columns less units' and periods' effects.
    within, raw : float array, shape (k,)
        Sums of squares less units' means, and as they are: what is left of these by rounding is nothing.
    """
    size = np.sqrt(np.where(within > ROUNDING * raw, within, np.inf))
    left = gram / np.outer(size, size)
    kept: list[int] = []
    for place in range(len(left)):
        if left[place, place] > REPEATED:
            kept.append(place)
            left = left - np.outer(left[:, place], left[place]) / left[place, place]
    return np.array(kept, dtype=np.int64)
