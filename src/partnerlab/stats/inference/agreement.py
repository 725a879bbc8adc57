"""Agreement of two ratings of the same units beyond chance: Cohen's kappa."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Kappa(NamedTuple):
    """Kappa, its standard error, that error if there were no agreement but by chance, observed and expected agreement."""

    kappa: float
    std_error: float
    null_error: float
    observed: float
    expected: float


def agreement_weights(categories: int, weights: str | None) -> np.ndarray:
    """Credit for each pair of ratings: only equal ones (None), or less the further apart (linear, quadratic).

    Examples
    --------
    >>> agreement_weights(3, "linear").tolist()
    [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]
    """
    if weights is None or categories < 2:
        return np.eye(categories)
    apart = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories))) / (categories - 1)
    return 1.0 - (apart if weights == "linear" else apart**2)


def cohen_kappa(table: np.ndarray, *, weights: str | None = None) -> Kappa:
    """Cohen's (1960, 1968) kappa with the large-sample errors of Fleiss, Cohen and Everitt (1969).

    Parameters
    ----------
    table : ndarray, shape (k, k)
        Units by first and second rating.
    weights : {None, "linear", "quadratic"}
        Credit for near agreement, where categories are ordered.

    Returns
    -------
    Kappa
        NaN where there are no units, or chance alone agrees wholly.

    Examples
    --------
    >>> found = cohen_kappa(np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]]))  # Fleiss, Levin and Paik (2003), table 18.1
    >>> round(found.kappa, 2), round(found.null_error, 3)
    (0.68, 0.076)
    """
    table = np.asarray(table, dtype=float)
    total = table.sum()
    nothing = Kappa(*[np.nan] * 5)
    if total == 0:
        return nothing
    shares = table / total
    rows, columns, credit = shares.sum(axis=1), shares.sum(axis=0), agreement_weights(len(table), weights)
    observed, chance = float((credit * shares).sum()), float((credit * np.outer(rows, columns)).sum())
    if chance >= 1.0:
        return nothing._replace(observed=observed, expected=chance)
    kappa = (observed - chance) / (1.0 - chance)
    mean = (credit @ columns)[:, None] + (rows @ credit)[None, :]
    spread = (shares * (credit - mean * (1.0 - kappa)) ** 2).sum() - (kappa - chance * (1.0 - kappa)) ** 2
    null = (np.outer(rows, columns) * (credit - mean) ** 2).sum() - chance**2
    errors = np.sqrt(np.maximum([spread, null], 0.0) / total) / (1.0 - chance)
    return Kappa(kappa, float(errors[0]), float(errors[1]), observed, chance)
