"""Chance of being treated given what was known before: a weighted logit, with the influence of each row on it; and one within groups."""

from __future__ import annotations

import dataclasses

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
        return expit(design @ self.coefficients)

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
    n, beta = len(treated), np.zeros(design.shape[1]) if start is None else start
    for _ in range(60):
        chance = expit(design @ beta)
        gradient = design.T @ (weight * (treated - chance)) / n
        hessian = weighted_products(design, weight * chance * (1.0 - chance)) / n
        if not np.linalg.cond(hessian) < WORST_CONDITION:
            return None
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if np.abs(step).max() < TOLERANCE:
            return Propensity(coefficients=beta, bread=np.linalg.inv(hessian))
    return None


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
    order = np.argsort(group, kind="stable")
    x, on, code = design[order], treated[order].astype(float), group[order]
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    beta, intercept, weighted = np.zeros(k), np.zeros(len(starts)), np.empty_like(x)
    for _ in range(60):
        chance = expit(x @ beta + intercept[code])
        weight, rest = chance * (1.0 - chance), on - chance
        np.multiply(x, weight[:, None], out=weighted)
        own = np.add.reduceat(weight, starts)
        cross, pull = np.add.reduceat(weighted, starts, axis=0), np.add.reduceat(rest, starts)
        if not own.min() * WORST_CONDITION > own.max():
            return None
        hessian = (weighted_products(x, weight) - cross.T @ (cross / own[:, None])) / n
        if k and not np.linalg.cond(hessian) < WORST_CONDITION:
            return None
        step = np.linalg.solve(hessian, (x.T @ rest - cross.T @ (pull / own)) / n)
        moved = (pull - cross @ step) / own
        beta, intercept = beta + step, intercept + moved
        if max(np.abs(step).max(initial=0.0), np.abs(moved).max()) < TOLERANCE:
            chance[order] = expit(x @ beta + intercept[code])
            return chance
    return None
