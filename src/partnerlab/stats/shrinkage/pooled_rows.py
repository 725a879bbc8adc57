"""Rows of shares that borrow strength from one another, and how sure they are then.

A row is shrunk towards what its fellows show by the weight ``a0 / (n + a0)``: a Dirichlet prior is fitted to all rows by
marginal likelihood (empirical Bayes; `partnerlab.stats.shrinkage.pooling.dirichlet_prior`). The intervals do not take the fit for
the truth: they integrate over how alike the rows could be.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.shrinkage.pooling import LARGEST, dirichlet_prior

#: Prior sizes that the intervals integrate over.
GRID = 121
LEAST = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True)
class PooledRows:
    """Rows shrunk towards one another.

    Parameters
    ----------
    alpha : ndarray, shape (k,)
        Fitted Dirichlet prior.
    weight : ndarray, shape (m,)
        Share of each row that is borrowed, ``a0 / (n + a0)``.
    share : ndarray, shape (m, k)
        Posterior mean at the fitted prior, ``(count + alpha) / (n + a0)``.
    error : ndarray, shape (m, k)
        Posterior standard deviation, with the uncertainty of the prior.
    low, high : ndarray, shape (m, k)
        Interval.
    """

    alpha: np.ndarray
    weight: np.ndarray
    share: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray


def pooled_rows(counts: np.ndarray, *, possible: np.ndarray | None = None, level: float = 0.95) -> PooledRows:
    """Shrink rows of counts towards one another.

    Parameters
    ----------
    counts : ndarray, shape (m, k)
        Counts of each row, deflated by a design effect where they are clustered; rows may be empty.
    possible : ndarray of bool, shape (k,), or None
        Cells that can be reached; the others are 0 for certain.
    level : float
        Coverage.

    Returns
    -------
    PooledRows

    Notes
    -----
    The interval is that of a beta distribution with the mean and variance of the cell's posterior, mixed over
    the prior size ``a0`` (Kass and Steffey 1989): at each size the mean row is the weighted mean of the rows with its own
    variance, and the size has its marginal likelihood times the uniform-shrinkage prior (Daniels 1999). One size is fitted for
    all cells of a row, but rows may differ more in one cell than in its fellows: the variance of a cell about the mean row is
    that of the row times ``v / chi2(v)``, ``v`` the rows less one, so that rows lie about their mean as Student's t
    does (West 1984) and not as the normal.

    Examples
    --------
    >>> rows = pooled_rows(np.array([[8, 2], [50, 50], [90, 10], [1, 0]]))
    >>> rows.weight.round(2), rows.share[:, 0].round(2)
    (array([0.4 , 0.06, 0.06, 0.87]), array([0.78, 0.51, 0.89, 0.77]))
    """
    check_level(level)
    counts = np.asarray(counts, dtype=float)
    open_cells = np.ones(counts.shape[1], dtype=bool) if possible is None else np.asarray(possible, dtype=bool)
    alpha = dirichlet_prior(counts, possible=open_cells)
    size, n = alpha.sum(), counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (counts + alpha) / (n + size)[:, None]
    mean, variance = _mixture(counts, open_cells)
    low, high = _beta_interval(mean, variance, level=level)
    # what was fitted lies in its own interval
    return PooledRows(
        alpha=alpha,
        weight=size / (n + size),
        share=share,
        error=np.sqrt(np.maximum(variance, 0.0)),
        low=np.minimum(low, share),
        high=np.maximum(high, share),
    )


def _mixture(counts: np.ndarray, open_cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and variance of each cell over the prior sizes, each of shape ``(m, k)``."""
    n = counts.sum(axis=1)
    busy = n > 0
    sizes = np.exp(np.linspace(np.log(LEAST), np.log(LARGEST), GRID))
    # what a row tells of the mean row: its count, but no more than the rows differ
    worth = n[None, busy] * (1.0 + sizes[:, None]) / (n[None, busy] + sizes[:, None])
    total = worth.sum(axis=1)
    middle = np.einsum("gs,sk->gk", worth / n[busy], counts[busy]) / total[:, None]
    # half a move spread over the cells that can be reached: no cell is ruled out by not having been seen
    middle = (middle * total[:, None] + 0.5 * open_cells / open_cells.sum()) / (total[:, None] + 0.5)
    chance = _cell_sizes(sizes, rows=int(busy.sum())) @ _size_weights(counts[busy], sizes, middle, total, open_cells)
    prior = sizes[:, None] * middle
    after = n[None, :, None] + sizes[:, None, None]
    mean = (counts[None] + prior[:, None, :]) / after
    spread = mean * (1.0 - mean) / (after + 1.0)
    borrowed = (sizes[:, None, None] / after) ** 2 * (middle * (1.0 - middle) / (total[:, None] + 1.0))[:, None, :]
    whole = np.einsum("g,gsk->sk", chance, mean)
    variance = np.einsum("g,gsk->sk", chance, spread + borrowed + (mean - whole) ** 2)
    return np.where(open_cells, whole, 0.0), np.where(open_cells, variance, 0.0)


def _size_weights(counts: np.ndarray, sizes: np.ndarray, middle: np.ndarray, total: np.ndarray, open_cells: np.ndarray) -> np.ndarray:
    """Posterior weight of each prior size: marginal likelihood, less what the mean row took, times uniform shrinkage."""
    prior = (sizes[:, None] * middle)[:, open_cells]
    seen = counts[:, open_cells]
    cells = special.gammaln(seen[None] + prior[:, None, :]) - special.gammaln(prior)[:, None, :]
    n = counts.sum(axis=1)
    likelihood = cells.sum(axis=(1, 2)) + (special.gammaln(sizes)[:, None] - special.gammaln(n[None] + sizes[:, None])).sum(axis=1)
    likelihood -= 0.5 * max(int(open_cells.sum()) - 1, 0) * np.log(total)
    typical = float(np.median(n))
    likelihood += np.log(sizes / (sizes + typical)) + np.log(typical / (sizes + typical))
    weight = np.exp(likelihood - likelihood.max())
    return weight / weight.sum()


def _cell_sizes(sizes: np.ndarray, *, rows: int) -> np.ndarray:
    """Give the chance of each size of a cell (rows) where the whole row has another (columns): shape ``(g, g)``.

    The ratio of the two is ``chi2(v) / v`` with ``v`` degrees of freedom.
    """
    freedom = max(rows - 1, 1)
    ratio = np.log(sizes)[:, None] - np.log(sizes)[None, :]
    height = 0.5 * freedom * (ratio - np.exp(ratio))
    chance = np.exp(height - height.max(axis=0))
    return chance / chance.sum(axis=0)


def _beta_interval(mean: np.ndarray, variance: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of the beta distribution with this mean and variance, a point where there is none.

    Where the density is highest at 0 (or 1) the interval begins (or ends) there.
    """
    tail = (1.0 - level) / 2.0
    inside = (mean > 0.0) & (mean < 1.0) & (variance > 0.0)
    middle = np.where(inside, mean, 0.5)
    size = np.where(inside, middle * (1.0 - middle) / np.where(inside, variance, 1.0) - 1.0, 1.0)
    size = np.maximum(size, 1e-3)
    first, second = middle * size, (1.0 - middle) * size
    low = np.where(first > 1.0, special.betaincinv(first, second, tail), 0.0)
    high = np.where(second > 1.0, special.betaincinv(first, second, 1.0 - tail), 1.0)
    return np.where(inside, low, mean), np.where(inside, high, mean)
