"""Covariances that hold though a partner's rows are not independent: sandwich, jackknife, and when to use which."""

from __future__ import annotations

import numpy as np

#: With fewer clusters the sandwich is too small; the jackknife and Student's t take its place.
FEW_CLUSTERS = 40
#: From so many columns on, rows are summed by cluster in one reading, not a column at a time.
MANY_COLUMNS = 4


def invert(information: np.ndarray) -> np.ndarray:
    """Invert an information matrix; directions about which nothing is known get an endless variance's stand-in.

    Examples
    --------
    >>> invert(np.diag([4.0, 1.0])).tolist()
    [[0.25, 0.0], [0.0, 1.0]]
    """
    if information.size == 0:
        return information.copy()
    scale = np.sqrt(np.maximum(np.diag(information), 1e-100))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    values = np.maximum(values, 1e-13)
    return (vectors / values) @ vectors.T / np.outer(scale, scale)


def sum_clusters(scores: np.ndarray, cluster: np.ndarray, *, clusters: int | None = None) -> np.ndarray:
    """Sum rows by cluster, shape ``(G, p)``.

    Raises
    ------
    ValueError
        If a code is not one of 0 to ``clusters`` less one.

    Examples
    --------
    >>> sum_clusters(np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 0])).ravel().tolist()
    [5.0, 2.0]
    """
    size = int(np.max(cluster, initial=-1)) + 1 if clusters is None else clusters
    if scores.shape[1] < MANY_COLUMNS:
        columns = [np.bincount(cluster, weights=scores[:, place], minlength=size) for place in range(scores.shape[1])]
        return np.stack(columns, axis=1) if columns else np.zeros((size, 0))
    if len(cluster) and not 0 <= cluster.min() <= cluster.max() < size:
        raise ValueError(f"codes of clusters are 0 to {size - 1}; here from {cluster.min()} to {cluster.max()}")
    from scipy.sparse import csc_array

    member = csc_array((np.ones(len(scores)), cluster, np.arange(len(scores) + 1)), shape=(size, len(scores)))
    return member @ scores  # reads the scores once; the same sums in the same order


def sandwich(bread: np.ndarray, totals: np.ndarray, *, rows: int | None = None) -> np.ndarray:
    """Covariance ``B (sum of u u') B`` of cluster scores (Liang and Zeger 1986).

    Parameters
    ----------
    bread : ndarray, shape (p, p)
        Inverse information.
    totals : ndarray, shape (G, p)
        Scores added up by cluster.
    rows : int or None
        None gives HC0; the number of rows gives HC1, times ``G / (G - 1) * (n - 1) / (n - p)``.

    Examples
    --------
    >>> sandwich(np.array([[0.5]]), np.array([[1.0], [-1.0]])).tolist()
    [[0.5]]
    """
    reached = totals @ bread
    factor = 1.0
    if rows is not None:
        clusters, width = totals.shape
        factor = clusters / max(clusters - 1, 1) * (rows - 1) / max(rows - width, 1)
    return reached.T @ reached * factor


def jackknife_from_scores(information: np.ndarray, totals: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Delete-one-cluster jackknife in one Newton step each: ``(I - I_g)^-1 u_g`` (MacKinnon, Nielsen and Webb 2023).

    Parameters
    ----------
    information : ndarray, shape (p, p)
        Information of all.
    totals : ndarray, shape (G, p)
        Scores by cluster; they add up to nothing at the estimate.
    parts : ndarray, shape (G, p, p)
        Information of each cluster.

    Returns
    -------
    ndarray, shape (p, p)
        ``(G - 1) / G`` times the sum of squares of what leaving each cluster out changes: CV3.

    Examples
    --------
    The mean of 1, 2, 6: its jackknife variance is that of the textbook.

    >>> values = np.array([1.0, 2.0, 6.0])
    >>> jackknife_from_scores(np.array([[3.0]]), (values - 3.0)[:, None], np.ones((3, 1, 1))).round(4).tolist()
    [[2.3333]]
    """
    rest = information[None] - parts
    apart = np.stack([invert(one) @ score for one, score in zip(rest, totals, strict=True)]) if len(totals) else totals
    return jackknife_from_estimates(-apart)


def jackknife_from_estimates(apart: np.ndarray) -> np.ndarray:
    """Covariance from what leaving each cluster out changes, shape ``(G, p)``."""
    clusters = len(apart)
    return (clusters - 1) / max(clusters, 1) * (apart.T @ apart)


def at_least_model(covariance: np.ndarray, model: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Add to a clustered covariance what it lacks of the model's own for some coefficients.

    Where nothing was seen to happen, residuals are nearly nothing and clusters cannot tell how unsure that is. What is lacking
    is added along the way on which the likelihood hardly changes, other coefficients following as the model has them: the level
    of a cell in which something did happen keeps its error, whichever coefficients it is the sum of.

    Examples
    --------
    >>> at_least_model(np.diag([0.01, 0.01]), np.eye(2), np.array([True, False])).tolist()
    [[1.0, 0.0], [0.0, 0.01]]

    Two cells of which clusters know the first (.04) and nothing of the second; the second coefficient is their difference.

    >>> cells = np.array([[1.0, 0.0], [-1.0, 1.0]])
    >>> known, by_model = (cells @ np.diag(found) @ cells.T for found in ([0.04, 0.0], [0.03, 2.0]))
    >>> at_least_model(known, by_model, np.array([False, True])).round(2).tolist()
    [[0.04, -0.07], [-0.07, 2.03]]
    """
    at = np.flatnonzero(which)
    if not len(at):
        return covariance
    values, vectors = np.linalg.eigh(model[np.ix_(at, at)])
    # in coordinates in which the model's covariance is the identity
    inverse = np.divide(vectors, np.sqrt(values), out=np.zeros_like(vectors), where=values > 1e-12 * values.max())
    lacks, axes = np.linalg.eigh(np.eye(len(at)) - inverse.T @ covariance[np.ix_(at, at)] @ inverse)
    along = model[:, at] @ inverse @ (axes * np.sqrt(np.maximum(lacks, 0.0)))
    return covariance + along @ along.T
