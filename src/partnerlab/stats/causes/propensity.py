"""Chance of being treated given what was known before: a weighted logit, with the influence of each row on it."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import expit

#: Newton stops when no coefficient moves more than this.
TOLERANCE = 1e-11
#: A Hessian worse conditioned than this means that a covariate separates the treated.
WORST_CONDITION = 1e12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Propensity:
    """A fitted logit of treatment.

    Parameters
    ----------
    coefficients : float array, shape (k,)
        Of the design's columns.
    influence : float array, shape (m, k)
        Influence of each row on the coefficients, with mean 0.
    """

    coefficients: np.ndarray
    influence: np.ndarray

    def predict(self, design: np.ndarray) -> np.ndarray:
        """Chance of treatment of each row of a design."""
        return expit(design @ self.coefficients)


def fit_propensity(treated: np.ndarray, design: np.ndarray, weight: np.ndarray) -> Propensity | None:
    """Fit a logit of treatment by Newton's method.

    Parameters
    ----------
    treated : bool array, shape (m,)
        Who was treated.
    design : float array, shape (m, k)
        With its intercept.
    weight : float array, shape (m,)
        Weights.

    Returns
    -------
    Propensity or None
        None where a covariate separates the treated, or repeats another one.

    Examples
    --------
    >>> fit_propensity(np.array([True, False, False, False]), np.ones((4, 1)), np.ones(4)).predict(np.ones((1, 1))).round(6).tolist()
    [0.25]
    """
    n, beta = len(treated), np.zeros(design.shape[1])
    for _ in range(60):
        chance = expit(design @ beta)
        gradient = design.T @ (weight * (treated - chance)) / n
        hessian = (design * (weight * chance * (1.0 - chance))[:, None]).T @ design / n
        if not np.linalg.cond(hessian) < WORST_CONDITION:
            return None
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if np.abs(step).max() < TOLERANCE:
            score = (weight * (treated - expit(design @ beta)))[:, None] * design
            return Propensity(coefficients=beta, influence=score @ np.linalg.inv(hessian))
    return None
