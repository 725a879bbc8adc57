"""Many cells, few data each: pool them within their groups, and do not be fooled by the best of them.

Each cell's true effect is a common mean, plus one shift for each group that it belongs to (its tactic, its tier), plus a shift of
its own. How large shifts are is not known; the posterior is averaged over it, because plugging in one value makes intervals too
short. Prior of each spread: DuMouchel's, of density ``s / (s + spread)²`` (Daniels 1999, Canadian Journal of Statistics 27) with ``s``
half the harmonic-mean standard error of a cell, for a group's spread half that of the mean of its cells; so half of it says that cells,
or groups, differ by less than half their errors. With ``s`` the whole error the best of 24 cells exaggerated by a fifth where true
spreads are small beside errors, and covered no better where they are not (`benchmarks/coverage_pages.py`). Prior of the mean: flat.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

#: Points of the grid along each spread, by how many spreads there are.
POINTS = {1: 48, 2: 18, 3: 11, 4: 7}
#: Median of a spread's prior, in standard errors.
MEDIAN_SPREAD = 0.5
#: Largest spread of the flat prior, in typical errors.
WIDEST = 10.0
#: Numbers held at once while the grid is gone through.
HELD = 4_000_000
#: Share of the posterior below which a point of the grid is left out of draws.
NEGLIGIBLE = 1e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class PooledCells:
    """Posterior of every cell's true effect.

    Parameters
    ----------
    mean, std : float array, shape (k,)
        Posterior mean and standard deviation.
    low, high : float array, shape (k,)
        Equal-tailed interval.
    positive, material : float array, shape (k,)
        Probability that the effect is above 0, and above what matters.
    best : float array, shape (k,)
        Probability that the cell is the best of all; sums to 1.
    own_weight : float array, shape (k,)
        How much of the posterior mean follows the cell's own estimate, 0 to 1.
    spreads : float array, shape (c,)
        Posterior mean of the standard deviation of cells' own shifts, then of those of each group that has a spread.
    overall, overall_std : float
        The common mean.
    """

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray
    positive: np.ndarray
    material: np.ndarray
    best: np.ndarray
    own_weight: np.ndarray
    spreads: np.ndarray
    overall: float
    overall_std: float


def pool_cells(  # noqa: PLR0913 - what is pooled, and how it is read
    estimate: np.ndarray,
    std_error: np.ndarray | None = None,
    *,
    groups: Sequence[np.ndarray] = (),
    covariance: np.ndarray | None = None,
    material: float = 0.0,
    flat: bool = False,
    level: float = 0.95,
    draws: int = 4000,
    seed: int = 0,
) -> PooledCells:
    """Pool cells over their groups, averaged over what is not known of the spreads.

    Parameters
    ----------
    estimate, std_error : float array, shape (k,)
        Of each cell; errors above 0.
    groups : sequence of array, shape (k,)
        What each cell belongs to, one array a classification (tactic, tier); at most three. A classification with one level, or
        with as many as cells, has no spread that could be told apart, and none is fitted.
    covariance : float array, shape (k, k), or None
        Of the estimates, where cells share partners; else the squares of the errors.
    material : float
        Smallest effect that matters.
    flat : bool
        Take all spreads up to ten typical errors as equally likely (Gelman 2006, Bayesian Analysis 1), for the few cells of one planned
        comparison: intervals cover 94 % or more whatever the spread, where the narrower prior, made for picking the best of many
        cells, covers less if effects differ by more than their errors.
    level : float
        Coverage of the interval.
    draws, seed : int
        Draws behind ``best``.

    Examples
    --------
    >>> cells = pool_cells(np.array([0.30, 0.05, -0.02, 0.04]), np.full(4, 0.1))
    >>> cells.mean.round(2).tolist(), cells.best.argmax().item()
    ([0.15, 0.08, 0.06, 0.08], 0)
    """
    y = np.asarray(estimate, dtype=float)
    errors = np.diag(np.asarray(std_error, dtype=float) ** 2) if covariance is None else np.asarray(covariance, dtype=float)
    alike = [np.eye(len(y))] + [same for labels in groups if (same := _same(labels)) is not None]
    scale = float(np.sqrt(len(y) / (1.0 / np.diag(errors)).sum()))
    typical = scale / np.sqrt([len(y) / np.linalg.matrix_rank(same) for same in alike])
    grid = _grid(typical if flat else MEDIAN_SPREAD * typical, flat=flat)
    parts = [_posterior(y, errors, alike, block) for block in _blocks(grid, len(y))]
    weight = _normalised(np.concatenate([part["log_weight"] for part in parts]))
    mean, variance, own, mu, mu_variance = (
        np.concatenate([part[name] for part in parts]) for name in ("mean", "variance", "own", "mu", "mu_variance")
    )
    middle, overall = weight @ mean, float(weight @ mu)
    std = np.sqrt(weight @ (variance + (mean - middle) ** 2))
    deviation = np.sqrt(variance)
    return PooledCells(
        mean=middle,
        std=std,
        low=_quantile(weight, mean, deviation, 0.5 - level / 2, middle, std),
        high=_quantile(weight, mean, deviation, 0.5 + level / 2, middle, std),
        positive=weight @ special.ndtr(mean / deviation),
        material=weight @ special.ndtr((mean - material) / deviation),
        best=_best(y, errors, alike, grid, weight, draws=draws, rng=np.random.default_rng(seed)),
        own_weight=weight @ own,
        spreads=weight @ grid,
        overall=overall,
        overall_std=float(np.sqrt(weight @ (mu_variance + (mu - overall) ** 2))),
    )


def _same(labels: np.ndarray) -> np.ndarray | None:
    """1 where two cells share a level, shape ``(k, k)``; None where that tells nothing apart."""
    _, code = np.unique(np.asarray(labels), return_inverse=True)
    levels = int(code.max()) + 1 if len(code) else 0
    if levels <= 1 or levels == len(code):
        return None
    return (code[:, None] == code[None, :]).astype(float)


def _grid(scale: np.ndarray, *, flat: bool = False) -> np.ndarray:
    """Points of equal prior probability, shape ``(g, c)``: midpoints of equal parts of each spread's prior."""
    share = (np.arange(POINTS[len(scale)]) + 0.5) / POINTS[len(scale)]
    points = WIDEST * share if flat else share / (1 - share)
    return np.array(list(itertools.product(points, repeat=len(scale)))) * scale


def _blocks(grid: np.ndarray, cells: int) -> Iterator[np.ndarray]:
    size = max(1, HELD // max(1, cells**2))
    for start in range(0, len(grid), size):
        yield grid[start : start + size]


def _moments(y: np.ndarray, errors: np.ndarray, alike: list[np.ndarray], grid: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean, covariance and own weights of true effects given the spreads, and what the mean and the likelihood need."""
    prior = np.tensordot(grid**2, np.array(alike), axes=1)
    total = prior + errors
    inverse = np.linalg.inv(total)
    ones = inverse.sum(axis=2)
    precision = ones.sum(axis=1)
    mu = (ones @ y) / precision
    gain = prior @ inverse
    mean = mu[:, None] + np.einsum("gij,gj->gi", gain, y - mu[:, None])
    rest = 1.0 - gain.sum(axis=2)
    covariance = prior - gain @ prior + rest[:, :, None] * rest[:, None, :] / precision[:, None, None]
    own = np.einsum("gii->gi", gain) + rest * ones / precision[:, None]
    away = y - mu[:, None]
    height = -0.5 * (np.linalg.slogdet(total)[1] + np.log(precision) + np.einsum("gi,gij,gj->g", away, inverse, away))
    return mean, covariance, own, mu, precision, height


def _posterior(y: np.ndarray, errors: np.ndarray, alike: list[np.ndarray], grid: np.ndarray) -> dict[str, np.ndarray]:
    mean, covariance, own, mu, precision, height = _moments(y, errors, alike, grid)
    variance = np.maximum(np.einsum("gii->gi", covariance), 1e-300)
    return {"mean": mean, "variance": variance, "own": own, "mu": mu, "mu_variance": 1.0 / precision, "log_weight": height}


def _normalised(log_weight: np.ndarray) -> np.ndarray:
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum()


def _quantile(weight: np.ndarray, mean: np.ndarray, deviation: np.ndarray, share: float, middle: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Quantile of each cell's mixture of normals, by bisection within forty standard deviations."""
    low, high = middle - 40 * std, middle + 40 * std
    use = weight > 1e-9
    weight, mean, deviation = weight[use] / weight[use].sum(), mean[use], deviation[use]
    for _ in range(45):
        at = (low + high) / 2
        below = weight @ special.ndtr((at - mean) / deviation) < share
        low, high = np.where(below, at, low), np.where(below, high, at)
    return (low + high) / 2


def _best(
    y: np.ndarray,
    errors: np.ndarray,
    alike: list[np.ndarray],
    grid: np.ndarray,
    weight: np.ndarray,
    *,
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Probability of each cell to be the best, from draws of all cells together."""
    use = weight > NEGLIGIBLE
    counts = rng.multinomial(draws, weight[use] / weight[use].sum())
    grid, counts = grid[use][counts > 0], counts[counts > 0]
    wins, start = np.zeros(len(y)), 0
    for block in _blocks(grid, len(y)):
        mean, covariance, *_ = _moments(y, errors, alike, block)
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        for at, many in enumerate(counts[start : start + len(block)]):
            drawn = mean[at] + rng.standard_normal((many, len(y))) @ root[at].T
            wins += np.bincount(drawn.argmax(axis=1), minlength=len(y))
        start += len(block)
    return wins / draws
