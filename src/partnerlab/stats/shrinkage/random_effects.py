"""Estimates that share a distribution: its mean, spread, what it says of each and of the next one.

DerSimonian and Laird (1986), Controlled Clinical Trials 7; restricted likelihood: Viechtbauer (2005), Journal of Educational and
Behavioral Statistics 30; errors for few estimates: Knapp and Hartung (2003), Statistics in Medicine 22.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.inference.intervals import critical_value

Spread = Literal["REML", "DL", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomEffects:
    """A line through estimates with known errors, around which their true values scatter.

    Parameters
    ----------
    estimate, variance : float array, shape (k,)
        What was pooled.
    design : float array, shape (k, p)
        A column of ones and what effects may hang on.
    coefficients, covariance : float array, shape (p,) and (p, p)
        Of the design's columns; the first is the mean effect where there are no others.
    tau2 : float
        Variance of true values around the line.
    df : float
        Degrees of freedom of the coefficients' intervals; infinite for normal ones.
    q, q_p_value, i2 : float
        Cochran's Q, its p-value, and the share (0 to 1) of the scatter that is not sampling error.
    """

    estimate: np.ndarray
    variance: np.ndarray
    design: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray
    tau2: float
    df: float
    q: float
    q_p_value: float
    i2: float

    @property
    def std_error(self) -> np.ndarray:
        """Standard errors of the coefficients, shape ``(p,)``."""
        return np.sqrt(np.diag(self.covariance))


def fit_random_effects(
    estimate: np.ndarray,
    std_error: np.ndarray,
    *,
    covariates: np.ndarray | None = None,
    method: Spread = "REML",
    tau2: float | None = None,
    few: bool = False,
) -> RandomEffects | None:
    """Pool estimates whose true values differ.

    Parameters
    ----------
    estimate, std_error : float array, shape (k,)
        Independent estimates and their standard errors, all above 0.
    covariates : float array, shape (k, c), or None
        What true values may hang on (meta-regression).
    method : {"REML", "DL", "none"}
        How the variance of true values is found; "none" takes them to be equal.
    tau2 : float or None
        That variance, where it is given.
    few : bool
        Knapp and Hartung's errors and t intervals, for few estimates.

    Returns
    -------
    RandomEffects or None
        None where there are no more estimates than coefficients, or the covariates repeat one another.

    Examples
    --------
    >>> fit = fit_random_effects(np.array([0.1, 0.5, 0.9]), np.array([0.1, 0.1, 0.1]))
    >>> fit.coefficients.round(6).tolist(), round(fit.tau2, 4)
    ([0.5], 0.15)
    """
    from scipy.stats import chi2

    y, v = np.asarray(estimate, dtype=float), np.asarray(std_error, dtype=float) ** 2
    x = np.ones((len(y), 1)) if covariates is None else np.column_stack([np.ones(len(y)), covariates])
    left = len(y) - x.shape[1]
    if left < 1 or np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    plain = _projector(x, v)
    q, trace = float(y @ plain @ y), float(np.trace(plain))
    if tau2 is None:
        moments = max(0.0, (q - left) / trace)
        tau2 = {"none": 0.0, "DL": moments}[method] if method != "REML" else _restricted(y, v, x, moments)
    weight = 1.0 / (v + tau2)
    covariance = np.linalg.inv(x.T @ (weight[:, None] * x))
    coefficients = covariance @ (x.T @ (weight * y))
    if few:
        covariance = covariance * float((weight * (y - x @ coefficients) ** 2).sum()) / left
    return RandomEffects(
        estimate=y,
        variance=v,
        design=x,
        coefficients=coefficients,
        covariance=covariance,
        tau2=float(tau2),
        df=float(left) if few else np.inf,
        q=q,
        q_p_value=float(chi2.sf(q, left)),
        i2=float(tau2 / (tau2 + left / trace)),
    )


def _projector(x: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Matrix whose quadratic form is the weighted sum of squared residuals."""
    weighted = x / variance[:, None]
    return np.diag(1.0 / variance) - weighted @ np.linalg.solve(x.T @ weighted, weighted.T)


def _restricted(y: np.ndarray, v: np.ndarray, x: np.ndarray, start: float, steps: int = 200) -> float:
    """Restricted-likelihood variance by Fisher scoring, at 0 or above."""
    tau2 = start
    for _ in range(steps):
        p = _projector(x, v + tau2)
        py = p @ y
        step = float((py @ py - np.trace(p)) / (p * p).sum())
        new = max(0.0, tau2 + step)
        if abs(new - tau2) <= 1e-12 * (1e-12 + tau2 + v.min()):
            return new
        tau2 = new
    return tau2


def shrunken_effects(fit: RandomEffects) -> tuple[np.ndarray, np.ndarray]:
    """Best linear unbiased prediction of each true value, and its standard error, both ``(k,)``.

    The spread is taken as known; `partnerlab.stats.shrinkage.hierarchy` counts what is not known of it.

    Examples
    --------
    >>> fit = fit_random_effects(np.array([0.1, 0.5, 0.9]), np.array([0.1, 0.1, 0.1]))
    >>> shrunken_effects(fit)[0].round(3).tolist()
    [0.125, 0.5, 0.875]
    """
    own = fit.tau2 / (fit.tau2 + fit.variance)
    line = fit.design @ fit.coefficients
    spread = np.einsum("ij,jk,ik->i", fit.design, fit.covariance, fit.design)
    return own * fit.estimate + (1 - own) * line, np.sqrt(own * fit.variance + (1 - own) ** 2 * spread)


def prediction_interval(fit: RandomEffects, *, level: float = 0.95, at: np.ndarray | None = None) -> tuple[float, float]:
    """Interval for the true value of the next one, at covariates ``at`` (shape ``(c,)``).

    Examples
    --------
    >>> fit = fit_random_effects(np.array([0.1, 0.5, 0.9]), np.array([0.1, 0.1, 0.1]))
    >>> [round(end, 2) for end in prediction_interval(fit)]
    [-0.38, 1.38]
    """
    row = np.concatenate([[1.0], [] if at is None else np.asarray(at, dtype=float)])
    middle = float(row @ fit.coefficients)
    half = float(critical_value(level, fit.df)) * float(np.sqrt(row @ fit.covariance @ row + fit.tau2))
    return middle - half, middle + half
