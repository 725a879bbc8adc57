"""Chance of being treated given what was known before: a weighted logit, with the influence of each row on it; and one within groups."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
from scipy.special import expit

#: Newton stops when no coefficient moves more than this: it converges quadratically, so the next step would be below rounding.
TOLERANCE = 1e-7
#: A Hessian worse conditioned than this means that a covariate separates the treated.
WORST_CONDITION = 1e12
#: Rows weighted at a time: they stay in the processor's cache.
BLOCK = 8192


@dataclasses.dataclass(frozen=True, kw_only=True)
class Propensity:
    """A fitted logit of treatment.

    Parameters
    ----------
    coefficients : float array, shape (k,)
        Of the design's columns.
    bread : float array, shape (k, k)
        Inverse of the mean information.
    """

    coefficients: np.ndarray
    bread: np.ndarray

    def predict(self, design: np.ndarray) -> np.ndarray:
        """Chance of treatment of each row of a design."""
        return predict_by_part(design, self.coefficients[None, :], logit=True)

    def influence(self, treated: np.ndarray, design: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Influence of each row fitted on the coefficients, shape ``(m, k)``, with mean 0."""
        return (weight * (treated - self.predict(design)))[:, None] * (design @ self.bread)


def fit_propensity(treated: np.ndarray, design: np.ndarray, weight: np.ndarray, *, start: np.ndarray | None = None) -> Propensity | None:
    """Fit a logit of treatment by Newton's method.

    Parameters
    ----------
    treated : bool array, shape (m,)
        Who was treated.
    design : float array, shape (m, k)
        With its intercept.
    weight : float array, shape (m,)
        Weights.
    start : float array, shape (k,), optional
        Coefficients to begin from, as those of nearly the same rows; zeros if None.

    Returns
    -------
    Propensity or None
        None where a covariate separates the treated, or repeats another one.

    Examples
    --------
    >>> fit_propensity(np.array([True, False, False, False]), np.ones((4, 1)), np.ones(4)).predict(np.ones((1, 1))).round(6).tolist()
    [0.25]
    """
    beta = np.zeros(design.shape[1]) if start is None else start
    for _ in range(60):
        gradient, hessian = _slopes(treated, design, weight, beta)
        if not np.linalg.cond(hessian) < WORST_CONDITION:
            return None
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if np.abs(step).max() < TOLERANCE:
            return Propensity(coefficients=beta, bread=np.linalg.inv(hessian))
    return None


def _slopes(treated: np.ndarray, design: np.ndarray, weight: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean gradient and information of the logit's likelihood, by blocks of rows: the design is read once."""
    n, k = design.shape
    gradient, information = np.zeros(k), np.zeros((k, k))
    for first in range(0, n, BLOCK):
        rows = slice(first, first + BLOCK)
        part, own = design[rows], weight[rows]
        chance = expit(part @ beta)
        gradient += (own * (treated[rows] - chance)) @ part
        scaled = part * np.sqrt(own * chance * (1.0 - chance))[:, None]
        information += scaled.T @ scaled
    return gradient / n, information / n


def row_blocks(rows: int) -> Iterator[slice]:
    """Cut rows in blocks that stay in the processor's cache: what is computed of a block is not paged in as a whole column is."""
    return (slice(first, min(first + BLOCK, rows)) for first in range(0, rows, BLOCK))


def predict_by_part(design: np.ndarray, coefficients: np.ndarray, part: np.ndarray | None = None, *, logit: bool = False) -> np.ndarray:
    """Predict rows by the coefficients of the part that each belongs to.

    Parameters
    ----------
    design : float array, shape (m, k)
    coefficients : float array, shape (parts, k)
    part : int array, shape (m,), optional
        Row of ``coefficients``; the first if None.
    logit : bool
        Give chances: the logistic function of the linear index.

    Examples
    --------
    >>> predict_by_part(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([[0.0, 1.0], [5.0, -1.0]]), np.array([0, 1])).tolist()
    [2.0, 2.0]
    """
    fitted = np.empty(len(design))
    for rows in row_blocks(len(design)):
        lines = design[rows] @ coefficients.T
        fitted[rows] = lines[:, 0] if part is None else lines[np.arange(len(lines)), part[rows]]
    return expit(fitted, out=fitted) if logit else fitted


def weighted_products(design: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Cross products of a design's columns, rows weighted, without a weighted copy of the whole design.

    Parameters
    ----------
    design : float array, shape (m, k)
    weight : float array, shape (m,)
        Not below 0.

    Examples
    --------
    >>> weighted_products(np.array([[1.0, 2.0], [1.0, 0.0]]), np.array([1.0, 4.0])).tolist()
    [[5.0, 2.0], [2.0, 4.0]]
    """
    root, products = np.sqrt(weight), np.zeros((design.shape[1], design.shape[1]))
    for first in range(0, len(design), BLOCK):
        part = design[first : first + BLOCK] * root[first : first + BLOCK, None]
        products += part.T @ part
    return products


def sum_weighted(design: np.ndarray, weight: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Sum weighted rows by group, shape ``(G, k)``, without a weighted copy of the whole design.

    Examples
    --------
    >>> sum_weighted(np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 1.0, 0.5]), np.array([0, 1, 0])).ravel().tolist()
    [3.0, 2.0]
    """
    sums = np.zeros((int(group.max(initial=-1)) + 1, design.shape[1]))
    for first in range(0, len(design), BLOCK):
        rows = slice(first, first + BLOCK)
        code, part = group[rows], design[rows] * weight[rows, None]
        if (np.diff(code) < 0).any():
            order = np.argsort(code, kind="stable")
            code, part = code[order], part[order]
        starts = np.flatnonzero(np.diff(code, prepend=-1))
        sums[code[starts]] += np.add.reduceat(part, starts, axis=0)
    return sums


def fit_within_groups(treated: np.ndarray, design: np.ndarray, group: np.ndarray) -> np.ndarray | None:
    """Fit a logit of treatment with an intercept of each group, without a column for any group.

    Newton's method with the intercepts eliminated (their block of the Hessian is diagonal), so ten thousand groups cost what one
    does. The fit is that of a design with a column of 0 and 1 for each group.

    Parameters
    ----------
    treated : bool array, shape (m,)
        Who was treated; every group holds both treated and untreated rows.
    design : float array, shape (m, k)
        Columns that vary within groups; no intercept.
    group : int array, shape (m,)
        Codes 0, 1, ..., none without a row.

    Returns
    -------
    float array, shape (m,), or None
        Chance of treatment of each row; None where a covariate separates the treated, or repeats another one.

    Examples
    --------
    >>> treated = np.array([True, False, True, False, False, False])
    >>> fit_within_groups(treated, np.zeros((6, 0)), np.array([0, 0, 1, 1, 1, 1])).round(6).tolist()
    [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    """
    n, k = design.shape
    order = slice(None) if (group[1:] >= group[:-1]).all() else np.argsort(group, kind="stable")  # sorted rows are not copied
    x, on, code = design[order], treated[order], group[order]
    starts = np.append(0, np.flatnonzero(code[1:] != code[:-1]) + 1)
    beta, intercept = np.zeros(k), np.zeros(len(starts))
    for _ in range(60):
        gradient, products, cross, own, pull = _slopes_within(on, x, code, starts, beta, intercept)
        if not own.min() * WORST_CONDITION > own.max():
            return None
        hessian = (products - cross.T @ (cross / own[:, None])) / n
        if k and not np.linalg.cond(hessian) < WORST_CONDITION:
            return None
        step = np.linalg.solve(hessian, (gradient - cross.T @ (pull / own)) / n)
        moved = (pull - cross @ step) / own
        beta, intercept = beta + step, intercept + moved
        if max(np.abs(step).max(initial=0.0), np.abs(moved).max()) < TOLERANCE:
            chance, sorted_chance = np.empty(n), np.empty(n)
            for rows in row_blocks(n):
                sorted_chance[rows] = expit(x[rows] @ beta + intercept[code[rows]])
            chance[order] = sorted_chance
            return chance
    return None


def _slopes_within(on, x, code, starts, beta, intercept):
    """Gradient and information for the design, their cross sums by group, and both for the groups; rows sorted by group."""
    n, k = x.shape
    gradient, products, cross = np.zeros(k), np.zeros((k, k)), np.empty((len(starts), k))
    own, pull = np.empty(len(starts)), np.empty(len(starts))
    places = np.unique(np.append(np.searchsorted(starts, np.arange(0, n, BLOCK)), len(starts)))
    edges = np.append(starts, n)
    for first, last in itertools.pairwise(places):
        rows = slice(edges[first], edges[last])
        inside = starts[first:last] - edges[first]
        part, chance = x[rows], expit(x[rows] @ beta + intercept[code[rows]])
        weight, rest = chance * (1.0 - chance), on[rows] - chance
        weighted = part * weight[:, None]
        own[first:last], pull[first:last] = np.add.reduceat(weight, inside), np.add.reduceat(rest, inside)
        cross[first:last] = np.add.reduceat(weighted, inside, axis=0)
        products += weighted.T @ part
        gradient += rest @ part
    return gradient, products, cross, own, pull
