"""Least squares with errors that hold when rows come in clusters, few or many.

CR2 and its degrees of freedom: Bell and McCaffrey (2002), Survey Methodology 28; Pustejovsky and Tipton (2018), Journal of
Business and Economic Statistics 36. Two ways: Cameron, Gelbach and Miller (2011), same journal 29.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

Correction = Literal["CR0", "CR1", "CR2", "CR3"]
#: A direction of a cluster whose leverage is this near to 1 has no residual left, and adds none.
FULL_LEVERAGE = 1.0 - 1e-10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A least-squares fit; rows are already multiplied by the root of their weights.

    Parameters
    ----------
    coefficients : float array, shape (k,)
        Of the design's columns.
    bread : float array, shape (k, k)
        Inverse of the design's cross product.
    design, residual : float array, shape (m, k) and (m,)
        Rows times the root of their weights.
    """

    coefficients: np.ndarray
    bread: np.ndarray
    design: np.ndarray
    residual: np.ndarray


def fit_line(outcome: np.ndarray, design: np.ndarray, *, weight: np.ndarray | None = None) -> Line | None:
    """Fit by least squares; None where a column of the design repeats others.

    Examples
    --------
    >>> line = fit_line(np.array([1.0, 3.0]), np.array([[1.0, 0.0], [1.0, 1.0]]))
    >>> line.coefficients.round(6).tolist()
    [1.0, 2.0]
    """
    root = np.ones(len(outcome)) if weight is None else np.sqrt(weight)
    x, y = design * root[:, None], outcome * root
    norm = np.sqrt((x**2).sum(axis=0))
    if not (norm > 0).all():
        return None
    gram = (x / norm).T @ (x / norm)
    if not np.linalg.cond(gram) < 1e12:
        return None
    bread = np.linalg.inv(gram) / np.outer(norm, norm)
    coefficients = bread @ (x.T @ y)
    coefficients = coefficients + bread @ (x.T @ (y - x @ coefficients))
    return Line(coefficients=coefficients, bread=bread, design=x, residual=y - x @ coefficients)


def classic_covariance(line: Line) -> np.ndarray:
    """Covariance of the coefficients if rows were independent with one variance."""
    rows, columns = line.design.shape
    return line.bread * (line.residual @ line.residual / (rows - columns))


def clustered_covariance(line: Line, cluster: np.ndarray, *, correction: Correction = "CR2") -> np.ndarray:
    """Sandwich covariance of the coefficients, rows summed within clusters.

    Parameters
    ----------
    line : Line
        The fit.
    cluster : int array, shape (m,)
        Codes 0, 1, ...; a code of its own for each row gives HC0 to HC3.
    correction : {"CR0", "CR1", "CR2", "CR3"}
        None; the factor ``G / (G - 1) * (m - 1) / (m - k)``; residuals divided by the root of one minus their
        cluster's leverage, unbiased where errors are equal and independent; or by the whole of it (jackknife-like).

    Returns
    -------
    float array, shape (k, k)
    """
    rows, columns = line.design.shape
    totals = _adjusted_scores(line, cluster, correction)
    covariance = line.bread @ (totals.T @ totals) @ line.bread
    if correction == "CR1":
        groups = len(totals)
        covariance = covariance * (groups / (groups - 1) * (rows - 1) / (rows - columns))
    return covariance


def two_way_covariance(
    line: Line, clusters: Sequence[np.ndarray], *, correction: Correction = "CR1", plain_cells: bool = False
) -> np.ndarray:
    """Covariance where rows share shocks along two groupings: the sum of both less that of their cells.

    Parameters
    ----------
    line : Line
        The fit.
    clusters : two int arrays, shape (m,)
        Codes of each grouping.
    correction : {"CR0", "CR1", "CR2", "CR3"}
        For each of the three.
    plain_cells : bool
        Leave the cells uncorrected (Ma 2014), right where each cell holds one row.

    Returns
    -------
    float array, shape (k, k)
        Negative eigenvalues, possible in small samples, are set to zero.
    """
    first, second = (np.unique(codes, return_inverse=True)[1] for codes in clusters)
    both = np.unique(first * (second.max() + 1) + second, return_inverse=True)[1]
    covariance = sum(
        sign * clustered_covariance(line, codes, correction="CR0" if plain_cells and sign < 0 else correction)
        for codes, sign in ((first, 1), (second, 1), (both, -1))
    )
    values, vectors = np.linalg.eigh(covariance)
    return covariance if values.min() >= 0 else (vectors * np.maximum(values, 0)) @ vectors.T


def satterthwaite_df(line: Line, cluster: np.ndarray, *, contrast: np.ndarray) -> float:
    """Degrees of freedom of a contrast's CR2 error, as if errors were equal and independent.

    Parameters
    ----------
    line : Line
        The fit.
    cluster : int array, shape (m,)
        Codes 0, 1, ...
    contrast : float array, shape (k,)
        Of the coefficients.

    Returns
    -------
    float
        Between 1 and the number of clusters less one; it falls where a few clusters carry the contrast.
    """
    order, starts = _runs(cluster)
    direction, half = line.bread @ contrast, _root(line.bread)
    lengths, sums = [], []
    for rows in np.split(order, starts[1:]):
        x = line.design[rows]
        push = _divide_by_leverage(x, x @ direction, half, root=True)
        lengths.append(push @ push)
        sums.append(x.T @ push)
    across = np.array(sums)
    quadratic = np.diag(lengths) - across @ line.bread @ across.T
    return float(np.trace(quadratic) ** 2 / (quadratic**2).sum())


def _runs(cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows sorted by cluster, and where each cluster begins."""
    order = np.argsort(cluster, kind="stable")
    sorted_codes = cluster[order]
    return order, np.flatnonzero(np.concatenate([[True], sorted_codes[1:] != sorted_codes[:-1]]))


def _adjusted_scores(line: Line, cluster: np.ndarray, correction: Correction) -> np.ndarray:
    """Score of each cluster, its residuals adjusted first, shape ``(G, k)``."""
    order, starts = _runs(cluster)
    if correction in ("CR0", "CR1"):
        return np.add.reduceat((line.design * line.residual[:, None])[order], starts, axis=0)
    totals, half = [], _root(line.bread)
    for rows in np.split(order, starts[1:]):
        x = line.design[rows]
        totals.append(x.T @ _divide_by_leverage(x, line.residual[rows], half, root=correction == "CR2"))
    return np.array(totals)


def _root(bread: np.ndarray) -> np.ndarray:
    return np.linalg.cholesky((bread + bread.T) / 2)


def _divide_by_leverage(x: np.ndarray, values: np.ndarray, half: np.ndarray, *, root: bool) -> np.ndarray:
    """Apply ``(I - x bread x')`` to the power -1/2 or -1 through its few directions that are not 1; ``half`` is the bread's root."""
    directions, sizes, _ = np.linalg.svd(x @ half, full_matrices=False)
    rest = 1.0 - sizes**2
    live = sizes**2 < FULL_LEVERAGE
    factor = np.where(live, np.where(live, rest, 1.0) ** (-0.5 if root else -1.0), 0.0)
    return values + directions @ ((factor - 1.0) * (directions.T @ values))
