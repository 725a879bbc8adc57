"""The delta method: standard errors of anything that is computed from estimated parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def delta_errors(function: Callable[[np.ndarray], np.ndarray], parameters: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Give standard errors of ``function(parameters)``, of its shape; derivatives by central differences.

    A parameter whose variance is NaN is not identified: what depends on it has no standard error.

    Parameters
    ----------
    function : callable
        Array of parameters, shape (p,) -> array of any shape.
    parameters, covariance : ndarray, shape (p,), (p, p)

    Examples
    --------
    >>> delta_errors(lambda theta: np.exp(theta), np.array([0.0]), np.array([[0.04]])).round(6).tolist()
    [0.2]
    """
    value = np.asarray(function(parameters), dtype=float)
    slopes = np.zeros((len(parameters), value.size))
    for place in range(len(parameters)):
        step = np.zeros(len(parameters))
        step[place] = 1e-5 * max(1.0, abs(parameters[place]))
        up, down = (np.asarray(function(parameters + side * step), dtype=float).ravel() for side in (1.0, -1.0))
        slopes[place] = (up - down) / (2.0 * step[place])
    unknown = ~np.isfinite(np.diag(covariance)) if len(parameters) else np.zeros(0, dtype=bool)
    known = np.where(np.isfinite(covariance), covariance, 0.0)
    variance = np.einsum("pk,pq,qk->k", slopes, known, slopes)
    touched = (np.abs(slopes[unknown]) > 1e-7 * np.maximum(np.abs(value.ravel()), 1e-12)).any(axis=0)
    return np.where(touched, np.nan, np.sqrt(np.maximum(variance, 0.0))).reshape(value.shape)
