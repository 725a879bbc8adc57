"""Effects by group and time from moments of adoption groups: for panels without gaps, adjusted by outcome regression.

In such a panel who compares with whom hangs on groups alone, so every cell's regression (Sant'Anna and Zhao 2020, Journal of
Econometrics 219) is solved from sums over groups, and the influence of a unit on any average of cells is a bilinear form of its
outcomes and covariates: one product of matrices for each block of units, whatever the number of cells.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

#: Units read at a time: they, and products of their outcomes and covariates, stay in the processor's cache.
BLOCK = 1024
#: Standardised covariates of which no more than this share (squared) is left beside the others repeat them.
REPEATED = 1e-11


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cells:
    """What is compared: cells of a group and a period, and who compares.

    Parameters
    ----------
    own : int array, shape (c,)
        Place of each cell's group among the groups.
    time, before : int array, shape (c,)
        Periods between which outcomes change; covariates are those of the earlier one.
    compared : bool array, shape (c, g)
        Groups that compare.
    """

    own: np.ndarray
    time: np.ndarray
    before: np.ndarray
    compared: np.ndarray

    @property
    def since(self) -> np.ndarray:
        """Period whose covariates count."""
        return np.minimum(self.time, self.before)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Units:
    """Units of a panel without gaps, and their adoption groups.

    Parameters
    ----------
    outcome : float array, shape (n, t)
    covariates : float array, shape (n, k) or (n, t, k)
    weight : float array, shape (n,)
    group : int array, shape (n,)
        Codes 0 to g - 1, none without a unit.
    """

    outcome: np.ndarray
    covariates: np.ndarray
    weight: np.ndarray
    group: np.ndarray

    def standardised(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and one over the standard deviation of each covariate: adjusting for it does not hang on its units."""
        flat = self.covariates.reshape(math.prod(self.covariates.shape[:-1]), self.covariates.shape[-1])
        mean = flat.mean(axis=0) if len(flat) else np.zeros(flat.shape[1])
        squares = sum((((flat[at : at + BLOCK] - mean) ** 2).sum(axis=0) for at in range(0, len(flat), BLOCK)), np.zeros(flat.shape[1]))
        spread = np.sqrt(squares / max(len(flat), 1))
        return mean, np.divide(1.0, spread, out=np.ones_like(spread), where=spread > 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blocks:
    """Units in the order of their groups, some at a time.

    Parameters
    ----------
    units : Units
    order : int array, shape (n,)
    edges : int array, shape (g + 1,)
        Where each group begins in that order.
    mean, scale : float array, shape (k,)
        As `Units.standardised` gives.
    periods : tuple of int, or of None alone
        Periods whose covariates count; None where they are the same in all.
    """

    units: Units
    order: np.ndarray
    edges: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    periods: tuple[int | None, ...]

    @classmethod
    def sort(cls, units: Units, cells: Cells) -> Blocks:
        """Lay units out by group for some cells."""
        mean, scale = units.standardised()
        order = np.argsort(units.group, kind="stable")
        edges = np.searchsorted(units.group[order], np.arange(cells.compared.shape[1] + 1))
        periods = (None,) if units.covariates.ndim == 2 else tuple(map(int, np.unique(cells.since)))
        return cls(units=units, order=order, edges=edges, mean=mean, scale=scale, periods=periods)

    def of(self, group: int, places: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]]:
        """Places, outcomes less their unit's mean, columns of some of the periods, and weights of a group's units."""
        if not places:
            return
        for first in range(self.edges[group], self.edges[group + 1], BLOCK):
            rows = self.order[first : min(first + BLOCK, self.edges[group + 1])]
            outcome = self.units.outcome[rows]
            outcome -= outcome.mean(axis=1, keepdims=True)
            given = (self.units.covariates[rows] - self.mean) * self.scale
            designs = [self._design(given if self.periods[place] is None else given[:, self.periods[place]]) for place in places]
            yield rows, outcome, designs, self.units.weight[rows]

    @staticmethod
    def _design(covariates: np.ndarray) -> np.ndarray:
        design = np.empty((len(covariates), covariates.shape[1] + 1))
        design[:, 0], design[:, 1:] = 1.0, covariates
        return design


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupRegressions:
    """Cells' effects, and the influence of units on averages of them.

    Parameters
    ----------
    blocks : Blocks
        The units.
    cells : Cells
    att : float array, shape (c,)
        NaN where nobody compares or covariates repeat one another.
    beta, slope : float array, shape (c, k + 1)
        Lines of those who compare, and the mean of the treated units' columns times the inverse of their products; standardised.
    total : float array, shape (c,)
        Weight of the treated units.
    """

    blocks: Blocks
    cells: Cells
    att: np.ndarray
    beta: np.ndarray
    slope: np.ndarray
    total: np.ndarray

    def average(self, weights: np.ndarray) -> np.ndarray:
        """Influence of units on weighted sums of cells, shape ``(n, m)``, for weights of shape ``(c, m)``; unknown cells weigh nothing."""
        n, m = len(self.blocks.units.outcome), weights.shape[1]
        out = np.zeros((n, m))
        for group in range(self.cells.compared.shape[1]):
            forms = [self._forms(weights, group, period) for period in self.blocks.periods]
            places = [place for place, form in enumerate(forms) if form is not None]
            for rows, outcome, designs, weight in self.blocks.of(group, places):
                found = np.zeros((len(rows), m))
                for place, design in zip(places, designs, strict=True):
                    at, linear, square = forms[place]
                    found += (outcome[:, at, None] * design[:, None, :]).reshape(len(rows), -1) @ linear
                    found += (design[:, :, None] * design[:, None, :]).reshape(len(rows), -1) @ square
                out[rows] = found * (n * weight)[:, None]
        return out

    def _forms(self, weights: np.ndarray, group: int, period: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Periods whose outcomes count, and what their products with a period's columns, and those of columns, weigh for a group."""
        here = np.isfinite(self.att) & weights.any(axis=1) & (True if period is None else self.cells.since == period)
        others, own = here & self.cells.compared[:, group], here & (self.cells.own == group)
        if not (others.any() or own.any()):
            return None
        time, before = self.cells.time, self.cells.before
        at = np.unique(np.concatenate([one[mask] for one in (time, before) for mask in (others, own)]))
        k, m = self.beta.shape[1], weights.shape[1]
        linear, square = np.zeros((len(at), k, m)), np.zeros((k, k, m))
        pull = self.slope[others][:, :, None] * weights[others][:, None, :]
        np.subtract.at(linear, np.searchsorted(at, time[others]), pull)
        np.add.at(linear, np.searchsorted(at, before[others]), pull)
        square += np.einsum("ck,clm->klm", self.beta[others], pull)
        share = weights[own] / self.total[own][:, None]
        np.add.at(linear[:, 0], np.searchsorted(at, time[own]), share)
        np.subtract.at(linear[:, 0], np.searchsorted(at, before[own]), share)
        square[:, 0] -= self.beta[own].T @ share
        square[0, 0] -= self.att[own] @ share
        return at, linear.reshape(len(at) * k, m), square.reshape(k * k, m)


def regress_by_group(units: Units, cells: Cells) -> GroupRegressions:
    """Solve all cells' regressions from moments of groups.

    Parameters
    ----------
    units : Units
    cells : Cells

    Examples
    --------
    >>> units = Units(outcome=np.array([[1.0, 2.0], [2.0, 3.5], [0.0, 3.0]]), covariates=np.zeros((3, 0)), weight=np.ones(3),
    ...               group=np.array([0, 0, 1]))
    >>> cells = Cells(own=np.array([1]), time=np.array([1]), before=np.array([0]), compared=np.array([[True, False]]))
    >>> found = regress_by_group(units, cells)
    >>> found.att.tolist(), found.average(np.ones((1, 1))).ravel().tolist()
    ([1.75], [0.375, -0.375, 0.0])
    """
    blocks = Blocks.sort(units, cells)
    products, pulls, at = _moments(blocks, cells)
    c, k = len(cells.own), products.shape[-1]
    gram, pull = np.zeros((c, k, k)), np.zeros((c, k))
    own_columns, own_change = np.zeros((c, k)), np.zeros(c)
    for place in range(products.shape[1]):  # by the period of the columns
        here = np.flatnonzero(at == place)
        gram[here] = np.einsum("cg,gkl->ckl", cells.compared[here].astype(float), products[:, place])
        change = pulls[:, place][:, :, cells.time[here]] - pulls[:, place][:, :, cells.before[here]]
        pull[here] = np.einsum("cg,gkc->ck", cells.compared[here].astype(float), change)
        own_columns[here] = products[cells.own[here], place, :, 0]
        own_change[here] = change[cells.own[here], 0, np.arange(len(here))]
    total = own_columns[:, 0]
    known = (gram[:, 0, 0] > 0) & (total > 0)
    known[known] = np.linalg.matrix_rank(gram[known], rtol=REPEATED, hermitian=True) == k
    inverse = np.linalg.inv(gram[known])
    beta, slope, att = np.zeros((c, k)), np.zeros((c, k)), np.full(c, np.nan)
    mean = own_columns[known] / total[known][:, None]
    beta[known], slope[known] = np.einsum("ckl,cl->ck", inverse, pull[known]), np.einsum("ckl,cl->ck", inverse, mean)
    att[known] = own_change[known] / total[known] - (beta[known] * mean).sum(axis=1)
    att[cells.time == cells.before] = 0.0
    return GroupRegressions(blocks=blocks, cells=cells, att=att, beta=beta, slope=slope, total=total)


def _moments(blocks: Blocks, cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products of columns ``(g, p, k, k)`` and with outcomes ``(g, p, k, t)`` by group and period; the place of each cell's period."""
    units = blocks.units
    groups, k, periods = cells.compared.shape[1], units.covariates.shape[-1] + 1, units.outcome.shape[1]
    products, pulls = np.zeros((groups, len(blocks.periods), k, k)), np.zeros((groups, len(blocks.periods), k, periods))
    for group in range(groups):
        for _, outcome, designs, weight in blocks.of(group, range(len(blocks.periods))):
            for place, design in enumerate(designs):
                weighted = (design * weight[:, None]).T
                products[group, place] += weighted @ design
                pulls[group, place] += weighted @ outcome
    constant = units.covariates.ndim == 2
    return products, pulls, np.zeros(len(cells.own), dtype=np.int64) if constant else np.searchsorted(blocks.periods, cells.since)
