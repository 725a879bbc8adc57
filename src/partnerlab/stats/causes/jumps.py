"""Jumps of a density at a line: more just above it than a smooth density would have.

McCrary (2008, doi:10.1016/j.jeconom.2007.05.005) compares local densities on both sides of a cut-off. Counts have few
distinct values, so the histogram around the line is fitted at once: its logarithm is a parabola and a step at the line
(a multinomial logit of the cell on position, its square and the side), with errors clustered by unit, as the quarters
of one partner are not independent (Frandsen 2017, doi:10.1108/S0731-905320170000038012, on discrete values).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Jump(NamedTuple):
    """Step of the log density at the line, its clustered standard error, and values just below and above it."""

    step: float
    std_error: float
    below: int
    above: int
    expected: float


def bin_width(values: np.ndarray) -> float:
    """Width of cells: one for whole numbers of small spread, else McCrary's ``2 sd / sqrt(n)``.

    Examples
    --------
    >>> bin_width(np.array([1.0, 2.0, 4.0]))
    1.0
    """
    spread = 2.0 * float(values.std()) / np.sqrt(len(values)) if len(values) else 1.0
    if np.allclose(values, np.round(values)):
        return float(max(np.round(spread), 1.0))
    return spread if spread > 0 else 1.0


def cells_from_line(values: np.ndarray, line: np.ndarray | float, *, width: float, strict: bool = False) -> np.ndarray:
    """Cell of each value, 0 being the first that meets the line.

    Examples
    --------
    >>> cells_from_line(np.array([2.0, 3.0, 4.0]), 3.0, width=1.0).tolist()
    [-1, 0, 1]
    >>> cells_from_line(np.array([2.0, 3.0, 4.0]), 3.0, width=1.0, strict=True).tolist()
    [-2, -1, 0]
    """
    apart = (values - line) / width
    return (np.ceil(apart - 1e-9) - 1 if strict else np.floor(apart + 1e-9)).astype(np.int64)


def density_jump(cells: np.ndarray, cluster: np.ndarray, *, low: int, high: int) -> Jump:
    """Estimate the step of the log density at the line.

    Parameters
    ----------
    cells : ndarray of int, shape (m,)
        As of `cells_from_line`.
    cluster : ndarray of int, shape (m,)
        Unit of each value.
    low, high : int
        First and last cell that is used: below 0, and at least 0.

    Returns
    -------
    Jump
        NaN where the fit does not settle, such as with an empty side.

    Examples
    --------
    >>> cells = np.repeat(np.arange(-4, 4), [80, 70, 60, 20, 70, 30, 26, 22])  # moved from just below to just above
    >>> jump = density_jump(cells, np.arange(len(cells)), low=-4, high=3)
    >>> jump.step > 3 * jump.std_error, jump.below, jump.above
    (True, 20, 70)
    """
    inside = (cells >= low) & (cells <= high)
    cells, cluster = cells[inside], cluster[inside]
    grid = np.arange(low, high + 1)
    place = (grid + 0.5) / max(-low, high + 1)
    design = np.stack([place, place**2, grid >= 0], axis=1).astype(float)
    counts = np.bincount(cells - low, minlength=len(grid)).astype(float)
    below, above = int(counts[-low - 1]), int(counts[-low])
    beta, fitted = _fit(design, counts)
    if beta is None:
        return Jump(np.nan, np.nan, below, above, np.nan)
    centred = design - fitted @ design
    bread = np.linalg.inv((centred * fitted[:, None]).T @ centred * counts.sum())
    _, unit = np.unique(cluster, return_inverse=True)
    scores = np.stack([np.bincount(unit, weights=column[cells - low]) for column in centred.T], axis=1)
    units = len(scores)
    meat = scores.T @ scores * (units / max(units - 1, 1))
    error = float(np.sqrt((bread @ meat @ bread)[2, 2]))
    return Jump(float(beta[2]), error, below, above, float(counts.sum() * fitted[-low] / np.exp(beta[2])))


def _fit(design: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Fit cell probabilities proportional to ``exp(design @ beta)`` by Newton's method."""
    beta, total = np.zeros(design.shape[1]), counts.sum()
    for _ in range(60):
        weight = np.exp(design @ beta - (design @ beta).max())
        fitted = weight / weight.sum()
        centred = design - fitted @ design
        score = (counts / total - fitted) @ design
        curve = (centred * fitted[:, None]).T @ centred
        if not np.isfinite(curve).all() or np.linalg.cond(curve) > 1e12:
            return None, fitted
        step = np.linalg.solve(curve, score)
        beta = beta + step * min(1.0, 4.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-9:
            return beta, fitted
    return None, fitted
