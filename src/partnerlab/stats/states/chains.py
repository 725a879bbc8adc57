"""Are rows of transition counts alike? Chi-square statistics, and their law when a partner's moves belong together.

One machine serves many questions: groups are quarters (time homogeneity), states before (order 2 against 1),
times in the state (duration dependence) or samples (equality of matrices).
"""

from __future__ import annotations

import numpy as np
from scipy import special

#: Partners beyond this many are put in so many bundles before weights are drawn.
BUNDLES = 2000


def row_chi_squares(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare the rows of several matrices of counts with the pooled rows.

    Parameters
    ----------
    counts : ndarray, shape (..., groups, s, k)
        Moves of each group.

    Returns
    -------
    pearson, likelihood, freedom : ndarray, shape (..., s)
        ``X2 = sum (n - e)^2 / e`` and ``G2 = 2 sum n log(n / e)`` with ``e = n_gi n_ij / n_i`` (Anderson and Goodman 1957;
        Kullback, Kupperman and Ku 1962), and ``(groups seen - 1)(cells seen - 1)`` of each row.

    Examples
    --------
    >>> pearson, likelihood, freedom = row_chi_squares(np.array([[[30, 10]], [[20, 20]]]))
    >>> pearson.round(3), likelihood.round(3), freedom
    (array([5.333]), array([5.412]), array([1]))
    """
    counts = np.asarray(counts, dtype=float)
    at_risk, cells = counts.sum(axis=-1, keepdims=True), counts.sum(axis=-3, keepdims=True)
    total = cells.sum(axis=-1, keepdims=True)
    expected = at_risk * cells / np.where(total > 0, total, 1.0)
    safe = np.where(expected > 0, expected, 1.0)
    pearson = ((counts - expected) ** 2 / safe).sum(axis=(-3, -1))
    likelihood = 2.0 * special.xlogy(counts, counts / safe).sum(axis=(-3, -1))
    groups, open_cells = (at_risk[..., 0] > 0).sum(axis=-2), (cells[..., 0, :, :] > 0).sum(axis=-1)
    freedom = np.maximum(groups - 1, 0) * np.maximum(open_cells - 1, 0)
    return pearson, likelihood, freedom


def row_distances(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the groups' rows are from the pooled ones: mean total variation, weighted by how many were at risk.

    Returns
    -------
    distance, at_risk : ndarray, shape (..., s)
        Half the sum of absolute differences of shares, averaged over partner-periods.

    Examples
    --------
    >>> row_distances(np.array([[[30, 10]], [[20, 20]]]))[0]
    array([0.125])
    """
    counts = np.asarray(counts, dtype=float)
    at_risk, cells = counts.sum(axis=-1, keepdims=True), counts.sum(axis=-3, keepdims=True)
    total = cells.sum(axis=-1, keepdims=True)
    whole = total[..., 0, :, 0]
    apart = np.abs(counts - at_risk * cells / np.where(total > 0, total, 1.0)).sum(axis=(-3, -1)) / 2.0
    return apart / np.where(whole > 0, whole, 1.0), whole


def bundle_counts(
    cluster: np.ndarray, group: np.ndarray, origin: np.ndarray, target: np.ndarray, *, shape: tuple[int, int, int], weight: np.ndarray
) -> np.ndarray:
    """Count moves by cluster (or bundle of clusters), group, state left and state reached.

    Parameters
    ----------
    cluster, group, origin, target, weight : ndarray of int, shape (m,)
        One entry for each pair.
    shape : (int, int, int)
        Clusters, groups, states.

    Returns
    -------
    ndarray, shape (clusters or bundles, groups, s, s)
    """
    clusters, groups, states = shape
    bundles = min(clusters, BUNDLES)
    # multiplication by an odd number spreads neighbours over the bundles, the same on every machine
    lead = cluster if clusters <= BUNDLES else (cluster * 2_654_435_761) % (1 << 32) % bundles
    key = ((lead * groups + group) * states + origin) * states + target
    table = np.bincount(key, weights=weight, minlength=bundles * groups * states * states)
    return table.reshape(bundles, groups, states, states)


def null_scores(counts: np.ndarray) -> np.ndarray:
    """Give what each cluster adds to ``n - e`` of each cell if all groups have one matrix, shape ``(clusters, groups, s, k)``.

    ``n_gij - n_gi p_ij`` of the cluster, less the group's share of what the cluster moves ``p_ij`` itself.
    """
    total = counts.sum(axis=0)
    at_risk, cells = total.sum(axis=-1, keepdims=True), total.sum(axis=0, keepdims=True)
    whole = cells.sum(axis=-1, keepdims=True)
    safe = np.where(whole > 0, whole, 1.0)
    apart = counts - counts.sum(axis=-1, keepdims=True) * (cells / safe)[None]
    return apart - (at_risk / safe)[None] * apart.sum(axis=1, keepdims=True)


def multiplier_draws(counts: np.ndarray, *, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw Pearson's statistic and the distance as they would be if all groups had one matrix, partners staying whole.

    Parameters
    ----------
    counts : ndarray, shape (clusters, groups, s, k)
        Moves of each cluster.
    draws : int
        How many.

    Returns
    -------
    pearson, distance : ndarray, shape (draws, s)
        Each cluster's contribution is multiplied by a random sign (Liu 1988; Hu and Zidek 1995), all draws in one matrix product.
    """
    clusters, groups, states, cells = counts.shape
    scores = null_scores(counts)
    scores = (scores - scores.mean(axis=0)) * np.sqrt(clusters / max(clusters - 1, 1))
    total = counts.sum(axis=0)
    at_risk, whole = total.sum(axis=-1, keepdims=True), total.sum(axis=(0, 2))
    expected = at_risk * total.sum(axis=0, keepdims=True) / np.where(whole > 0, whole, 1.0)[None, :, None]
    drawn = random_signs(draws, clusters, rng) @ scores.reshape(clusters, -1).astype(np.float32)
    drawn = drawn.astype(float).reshape(draws, groups, states, cells)
    distance = np.abs(drawn).sum(axis=(1, 3)) / 2.0 / np.where(whole > 0, whole, 1.0)
    return (drawn**2 / np.where(expected > 0, expected, np.inf)).sum(axis=(1, 3)), distance


def random_signs(draws: int, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a sign for each cluster in each replicate: float32, shape ``(draws, clusters)``."""
    return rng.integers(0, 2, size=(draws, clusters), dtype=np.int8).astype(np.float32) * 2 - 1


def tail_share(drawn: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Monte-Carlo p-value: ``(1 + draws at least as large) / (1 + draws)`` along the first axis (Davison and Hinkley 1997).

    Examples
    --------
    >>> tail_share(np.array([1.0, 2.0, 3.0]), np.array(2.5))
    array(0.5)
    """
    above = (drawn >= seen - 1e-9 * np.maximum(np.abs(seen), 1.0)).sum(axis=0)
    return np.asarray((1 + above) / (1 + len(drawn)))


def chi_square_tail(statistic: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Upper tail of the chi-square distribution; NaN without a degree of freedom.

    Examples
    --------
    >>> chi_square_tail(np.array([3.84, 0.0]), np.array([1, 0])).round(3)
    array([0.05,  nan])
    """
    statistic, freedom = np.asarray(statistic, dtype=float), np.asarray(freedom, dtype=float)
    return np.where(freedom > 0, special.chdtrc(np.maximum(freedom, 1.0), np.maximum(statistic, 0.0)), np.nan)


def entry_scores(counts: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score statistic for a time that should not matter, within strata, and its covariance.

    Parameters
    ----------
    counts : ndarray, shape (..., strata, times, s, k)
        Moves.
    scores : ndarray, shape (times,)
        What each time counts as, such as its logarithm.

    Returns
    -------
    score : ndarray, shape (..., s, k)
        ``sum (z - z mean)(y - p)`` with mean and ``p`` of the stratum (Commenges and Andersen 1995).
    covariance : ndarray, shape (..., s, k, k)
        Hypergeometric, given the margins of each stratum.

    Examples
    --------
    >>> score, covariance = entry_scores(np.array([[[[8, 2]], [[5, 5]]]]), np.array([0.0, 1.0]))
    >>> score.round(2), covariance[0].round(2)
    (array([[-1.5,  1.5]]), array([[ 1.2, -1.2],
           [-1.2,  1.2]]))
    """
    counts = np.asarray(counts, dtype=float)
    by_time = counts.sum(axis=-1)
    cells, whole = counts.sum(axis=-3), by_time.sum(axis=-2)
    safe = np.where(whole > 0, whole, 1.0)
    share = cells / safe[..., None]
    first, second = np.einsum("...dsk,d->...sk", counts, scores), np.einsum("...ds,d->...s", by_time, scores)
    score = (first - second[..., None] * share).sum(axis=-3)
    squares = np.einsum("...ds,d->...s", by_time, scores**2) - second**2 / safe
    scale = squares / np.where(whole > 1, whole - 1.0, np.inf) * whole
    spread = share[..., :, None] * np.eye(counts.shape[-1]) - share[..., :, None] * share[..., None, :]
    return score, (scale[..., None, None] * spread).sum(axis=-4)


def quadratic_forms(score: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give ``U' V^- U`` and the rank of ``V``: shapes ``(...,)`` of ``(..., k)`` and ``(..., k, k)``.

    Examples
    --------
    >>> quadratic_forms(np.array([-1.5, 1.5]), np.array([[1.2, -1.2], [-1.2, 1.2]]))
    (array(1.875), array(1))
    """
    inverse = np.linalg.pinv(covariance, rcond=1e-9, hermitian=True)
    rank = np.linalg.matrix_rank(covariance, tol=1e-9 * np.maximum(np.abs(covariance).max(axis=(-2, -1)), 1e-300), hermitian=True)
    return np.asarray(np.einsum("...j,...jk,...k->...", score, inverse, score)), np.asarray(rank)
