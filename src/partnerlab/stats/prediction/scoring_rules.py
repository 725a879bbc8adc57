"""How good a probability was: proper scores of forecasts of one of several outcomes; lower is better throughout."""

from __future__ import annotations

import numpy as np


def _checked(probability: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probability, outcome = np.asarray(probability, dtype=float), np.asarray(outcome)
    if probability.ndim != 2 or outcome.shape != probability.shape[:1]:
        raise ValueError(f"probabilities have shape {probability.shape}, outcomes {outcome.shape}; give (m, k) and (m,)")
    return probability, outcome.astype(np.int64)


def log_scores(probability: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Minus the logarithm of what was said of the outcome (Good 1952), one score for each row; infinite where that was 0.

    Parameters
    ----------
    probability : ndarray, shape (m, k)
        Of each outcome.
    outcome : ndarray of int, shape (m,)
        Column that came true.

    Examples
    --------
    >>> log_scores(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 1])).round(3)
    array([0.693,   inf])
    """
    probability, outcome = _checked(probability, outcome)
    with np.errstate(divide="ignore"):
        return -np.log(probability[np.arange(len(outcome)), outcome]) + 0.0


def brier_scores(probability: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Sum of squared differences between probabilities and outcome over all classes (Brier 1950): 0 to 2, one for each row.

    Examples
    --------
    >>> brier_scores(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 1])).tolist()
    [0.5, 2.0]
    """
    probability, outcome = _checked(probability, outcome)
    at = probability[np.arange(len(outcome)), outcome]
    return (probability**2).sum(axis=1) - 2.0 * at + 1.0


def ranked_scores(probability: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Ranked probability score, divided by ``k - 1`` (Epstein 1969): for classes in an order, 0 to 1, one for each row.

    Examples
    --------
    >>> ranked_scores(np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), np.array([1, 2])).tolist()
    [0.5, 1.0]
    """
    probability, outcome = _checked(probability, outcome)
    classes = probability.shape[1]
    reached = np.arange(classes - 1)[None, :] >= outcome[:, None]
    return ((probability.cumsum(axis=1)[:, :-1] - reached) ** 2).sum(axis=1) / max(classes - 1, 1)


def skill(score: np.ndarray | float, reference: np.ndarray | float) -> np.ndarray | float:
    """Share of the reference's score that is saved: 1 is perfect, 0 no better, below 0 worse.

    Examples
    --------
    >>> skill(0.3, 0.4)
    0.25
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 1.0 - np.asarray(score, dtype=float) / np.asarray(reference, dtype=float)
    return float(np.round(found, 12)) if found.ndim == 0 else found
