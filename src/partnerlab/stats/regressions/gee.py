"""Generalised estimating equations: a mean model for rows that come in clusters, with errors that hold however they hang together.

Liang and Zeger (1986), Biometrika 73. Moments of scale and correlation are plain means, as in R's geepack (Halekoh, Hojsgaard
and Yan 2006, Journal of Statistical Software 15).
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from scipy.special import expit

from partnerlab.stats.inference.sandwich import sum_clusters

Family = Literal["linear", "logit", "log"]
Correlation = Literal["independence", "exchangeable"]
#: Scoring stops when no coefficient moves more than this, by its own scale.
TOLERANCE = 1e-11


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanModel:
    """A fitted mean model.

    Parameters
    ----------
    coefficients : float array, shape (k,)
        On the scale of the link.
    bread : float array, shape (k, k)
        Inverse of the sum of ``D' V^-1 D`` over clusters.
    scores : float array, shape (m, k)
        What each row adds to the estimating equations; they sum to zero.
    correlation : float
        Between rows of a cluster, 0 if they were taken as independent.
    scale : float
        Mean squared Pearson residual.
    """

    coefficients: np.ndarray
    bread: np.ndarray
    scores: np.ndarray
    correlation: float
    scale: float

    def covariance(self, cluster: np.ndarray) -> np.ndarray:
        """Sandwich over clusters, codes 0, 1, ..., without a correction for their number."""
        totals = sum_clusters(self.scores, cluster) @ self.bread
        return totals.T @ totals


def fit_mean_model(
    outcome: np.ndarray,
    design: np.ndarray,
    cluster: np.ndarray,
    *,
    family: Family = "linear",
    correlation: Correlation = "independence",
    weight: np.ndarray | None = None,
) -> MeanModel | None:
    """Fit the mean of an outcome.

    Parameters
    ----------
    outcome : float array, shape (m,)
        0 and 1 for "logit", not negative for "log".
    design : float array, shape (m, k)
        With its intercept.
    cluster : int array, shape (m,)
        Codes 0, 1, ... of rows that hang together.
    family : {"linear", "logit", "log"}
        Link; variances are constant, binomial and Poisson.
    correlation : {"independence", "exchangeable"}
        Working correlation within clusters. Weights that differ within a cluster ask for independence.
    weight : float array, shape (m,), optional
        Weights.

    Returns
    -------
    MeanModel or None
        None where a column repeats others or separates the outcomes, or an outcome is not on the scale of the family.

    Examples
    --------
    >>> found = fit_mean_model(np.array([1.0, 3.0, 5.0]), np.ones((3, 1)), np.array([0, 0, 1]))
    >>> float(found.coefficients[0]), float(found.covariance(np.array([0, 0, 1])).round(4)[0, 0])
    (3.0, 0.8889)
    """
    if family != "linear" and len(outcome) and (outcome.min() < 0 or (family == "logit" and outcome.max() > 1)):
        return None
    weight = np.ones(len(outcome)) if weight is None else np.asarray(weight, dtype=float)
    beta = _start(outcome, weight, design.shape[1], family)
    alpha, scale = 0.0, 1.0
    for _ in range(100):
        mean, slope, variance = _moments(design @ beta, family)
        pearson = np.sqrt(weight / variance)
        residual = (outcome - mean) * pearson
        scale = float((residual**2).sum() / weight.sum())
        if correlation == "exchangeable":
            alpha = _shared(residual, cluster) / scale if scale > 0 else 0.0
        lever = design * (slope * pearson)[:, None]
        pulled = _decorrelate(lever, cluster, alpha)
        information = lever.T @ pulled
        if not np.isfinite(information).all() or not np.linalg.cond(information) < 1e12:
            return None
        step = np.linalg.solve(information, pulled.T @ residual)
        beta = beta + step
        if np.abs(step).max() < TOLERANCE * max(1.0, np.abs(beta).max()):
            return MeanModel(coefficients=beta, bread=np.linalg.inv(information), scores=pulled * residual[:, None], correlation=alpha,
                             scale=scale)  # fmt: skip
    return None


def _start(outcome: np.ndarray, weight: np.ndarray, columns: int, family: Family) -> np.ndarray:
    beta, mean = np.zeros(columns), float(weight @ outcome / weight.sum())
    if family == "logit":
        beta[0] = np.log((mean + 1e-6) / (1.0 - mean + 1e-6))
    if family == "log":
        beta[0] = np.log(mean + 1e-6)
    return beta


def _moments(line: np.ndarray, family: Family) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, its slope in the linear predictor, and the variance."""
    if family == "linear":
        return line, np.ones(len(line)), np.ones(len(line))
    if family == "log":
        mean = np.exp(np.clip(line, -300, 300))
        return mean, mean, mean
    mean = expit(line)
    variance = np.maximum(mean * (1.0 - mean), 1e-300)
    return mean, variance, variance


def _shared(residual: np.ndarray, cluster: np.ndarray) -> float:
    """Mean product of two residuals of one cluster."""
    size = np.bincount(cluster)
    products = np.bincount(cluster, residual) ** 2 - np.bincount(cluster, residual**2)
    pairs = (size * (size - 1.0)).sum()
    return float(products.sum() / pairs) if pairs > 0 else 0.0


def _decorrelate(rows: np.ndarray, cluster: np.ndarray, alpha: float) -> np.ndarray:
    """Multiply by the inverse of an exchangeable correlation matrix, cluster by cluster."""
    if alpha == 0.0:
        return rows
    size = np.bincount(cluster)[cluster]
    share = alpha / (1.0 + (size - 1.0) * alpha)
    return (rows - share[:, None] * sum_clusters(rows, cluster)[cluster]) / (1.0 - alpha)
