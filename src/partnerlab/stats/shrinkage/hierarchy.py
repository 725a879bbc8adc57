"""Many cells, few data each: pool them within their groups, and do not be fooled by the best of them.

Each cell's true effect is a common mean, plus one shift for each group that it belongs to (its tactic, its tier), plus a shift of
its own. Tactics that do nothing do nothing in any tier, and those that work work more in some: so the shifts of the first
classification, and cells' own, are multiplied by a load of each level of the others, as in a one-factor model. Without loads a page
on which half of the tactics work pulls their best tier down and their weakest up.

How large shifts and loads are is not known; the posterior is averaged over both, because plugging in one value makes intervals too
short. Prior of each spread: DuMouchel's, of density ``s / (s + spread)²`` (Daniels 1999, Canadian Journal of Statistics 27) with ``s``
half the harmonic-mean standard error of a cell, for a group's spread half that of the mean of its cells; so half of it says that cells,
or groups, differ by less than half their errors. With ``s`` the whole error the best of 24 cells exaggerated by a fifth where true
spreads are small beside errors, and covered no better where they are not (`benchmarks/coverage_pages.py`). Prior of a load: within a
factor of two of the usual in two cases of three (log-normal). Prior of the mean: flat. The average is taken by importance sampling
that learns where the posterior lies (Cappé, Guillin, Marin and Robert 2004, Journal of Computational and Graphical Statistics 13),
with a share of the prior in every proposal, so that no weight runs away (Hesterberg 1995, Technometrics 37).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

#: Points drawn in each round of importance sampling for each spread and load; those of the last are kept. Powers of two, as Sobol's
#: sequence wants.
ROUNDS = (64, 128, 256)
#: One point in so many comes from the prior; how much wider than what was found the others lie.
PRIOR_EVERY, WIDER = 4, 1.2
#: Median of a spread's prior, in standard errors.
MEDIAN_SPREAD = 0.5
#: Largest spread of the flat prior, in typical errors.
WIDEST = 10.0
#: Spread of the logarithm of a load.
LOAD = float(np.log(2.0))
#: Normal scores of a spread are kept within this: its prior's tails beyond have one in 30,000.
TAIL = 4.0
#: Numbers held at once while points are gone through.
HELD = 4_000_000
#: Share of the posterior below which a point is left out of draws.
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
        Posterior mean of the standard deviation of cells' own shifts, then of those of each group that has a spread; at a load of 1.
    overall, overall_std : float
        The common mean; with scales, that of cells of the usual scale.
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
    scale: np.ndarray | None = None,
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
        What each cell belongs to, one array a classification, first what is compared (tactic, then tier); at most three. A
        classification with one level, or with as many as cells, has no spread that could be told apart, and none is fitted.
    covariance : float array, shape (k, k), or None
        Of the estimates, where cells share partners; else the squares of the errors.
    scale : float array, shape (k,), or None
        In what size of unit effects are alike, such as the outcome's spread in each cell's tier; only ratios of scales matter.
    material : float
        Smallest effect that matters.
    flat : bool
        Take all spreads up to ten typical errors as equally likely (Gelman 2006, Bayesian Analysis 1), for the few cells of one planned
        comparison: intervals cover 94 % or more whatever the spread, where the narrower prior, made for picking the best of many
        cells, covers less if effects differ by more than their errors.
    level : float
        Coverage of the interval.
    draws, seed : int
        Draws behind ``best``; seed of these and of the points that are averaged over.

    Examples
    --------
    >>> cells = pool_cells(np.array([0.30, 0.05, -0.02, 0.04]), np.full(4, 0.1))
    >>> cells.mean.round(2).tolist(), cells.best.argmax().item()
    ([0.15, 0.08, 0.06, 0.08], 0)
    """
    unit = np.ones(len(np.atleast_1d(estimate))) if scale is None else np.asarray(scale, dtype=float)
    unit = unit / np.exp(np.log(unit).mean())
    y = np.asarray(estimate, dtype=float) / unit
    errors = np.diag(np.asarray(std_error, dtype=float) ** 2) if covariance is None else np.asarray(covariance, dtype=float)
    errors = errors / np.outer(unit, unit)
    shifts = _Shifts.of(groups, errors, flat=flat)
    points, weight, found = _sample(lambda at: _posterior(y, errors, shifts, at), shifts.dims, seed=seed)
    mean, variance, own, mu, mu_variance = (found[name] for name in ("mean", "variance", "own", "mu", "mu_variance"))
    middle, overall = weight @ mean, float(weight @ mu)
    std = np.sqrt(weight @ (variance + (mean - middle) ** 2))
    deviation = np.sqrt(variance)
    return PooledCells(
        mean=middle * unit,
        std=std * unit,
        low=_quantile(weight, mean, deviation, 0.5 - level / 2, middle, std) * unit,
        high=_quantile(weight, mean, deviation, 0.5 + level / 2, middle, std) * unit,
        positive=weight @ special.ndtr(mean / deviation),
        material=weight @ special.ndtr((mean - material / unit) / deviation),
        best=_best(y, errors, shifts, points, weight, unit=unit, draws=draws, rng=np.random.default_rng(seed)),
        own_weight=weight @ own,
        spreads=weight @ shifts.spreads(points),
        overall=overall,
        overall_std=float(np.sqrt(weight @ (mu_variance + (mu - overall) ** 2))),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Shifts:
    """Prior of cells' true effects about their mean, as a function of normal scores: of each spread, then of each load.

    ``alike`` holds 1 where two cells share a level, the cells themselves first; ``level`` says which loads each cell has, one row a
    classification after the first.
    """

    alike: tuple[np.ndarray, ...]
    typical: np.ndarray
    level: np.ndarray
    loads: int
    flat: bool

    @classmethod
    def of(cls, groups: Sequence[np.ndarray], errors: np.ndarray, *, flat: bool) -> _Shifts:
        cells = len(errors)
        codes = [np.unique(np.asarray(labels), return_inverse=True)[1] for labels in groups]
        codes = [code for code in codes if 1 < code.max(initial=-1) + 1 < cells]
        alike = (np.eye(cells), *((code[:, None] == code[None, :]).astype(float) for code in codes))
        counts = [code.max() + 1 for code in codes]
        scale = np.sqrt(cells / (1.0 / np.diag(errors)).sum())
        level = np.array([code + sum(counts[1:at]) for at, code in enumerate(codes) if at], dtype=np.int64).reshape(-1, cells)
        typical = scale / np.sqrt(cells / np.array([cells, *counts]))
        return cls(alike=alike, typical=typical, level=level, loads=int(sum(counts[1:])), flat=flat)

    @property
    def dims(self) -> int:
        return len(self.alike) + self.loads

    def spreads(self, points: np.ndarray) -> np.ndarray:
        """Give the standard deviations of shifts, shape ``(g, c)``."""
        score = np.clip(points[:, : len(self.alike)], -TAIL, TAIL)
        share = special.ndtr(score)
        return self.typical * (WIDEST * share if self.flat else MEDIAN_SPREAD * share / special.ndtr(-score))

    def covariance(self, points: np.ndarray) -> np.ndarray:
        """Give the prior covariance of true effects about their mean, shape ``(g, k, k)``."""
        spreads, loads = self.spreads(points), np.exp(LOAD * points[:, len(self.alike) :])
        load = np.prod([loads[:, level] for level in self.level], axis=0) if self.loads else np.ones((len(points), 1))
        loaded = np.tensordot(spreads[:, :2] ** 2, np.array(self.alike[:2]), axes=1) * load[:, :, None] * load[:, None, :]
        return loaded + np.tensordot(spreads[:, 2:] ** 2, np.array(self.alike[2:]), axes=1) if self.loads else loaded


Found = dict[str, np.ndarray]


def _sample(read: Callable[[np.ndarray], Found], dims: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, Found]:
    """Points whose prior is standard normal, their share of the posterior, and what was read at them."""
    from scipy.stats import qmc

    sobol = qmc.Sobol(dims, seed=seed)
    centre, root = np.zeros(dims), np.eye(dims)
    for each in ROUNDS:
        size = each * 2 ** (dims - 1).bit_length()
        score = special.ndtri(np.clip(sobol.random(size), 1e-12, 1 - 1e-12))
        from_prior = np.arange(size) < size // PRIOR_EVERY
        points = np.where(from_prior[:, None], score, centre + score @ root.T)
        away = np.linalg.solve(root, (points - centre).T)
        prior = -0.5 * (points**2).sum(axis=1)
        learned = -0.5 * (away**2).sum(axis=0) - np.log(np.diag(root)).sum()
        proposal = np.logaddexp(prior - np.log(PRIOR_EVERY), learned + np.log(1 - 1 / PRIOR_EVERY))
        found = read(points)
        log_weight = found["log_likelihood"] + prior - proposal
        # a few points that hold nearly all of the weight would teach too narrow a proposal: it is tempered until enough share it
        learn, heat = _normalised(log_weight), 1.0
        while 1.0 / (learn**2).sum() < 8 * dims and heat > 0.05:
            heat *= 0.8
            learn = _normalised(heat * log_weight)
        centre = learn @ points
        spread = (learn[:, None] * (points - centre)).T @ (points - centre)
        root = WIDER * np.linalg.cholesky(spread + 1e-6 * np.eye(dims))
    return points, _normalised(log_weight), found


def _blocks(points: np.ndarray, cells: int) -> list[np.ndarray]:
    size = max(1, HELD // max(1, cells**2))
    return [points[start : start + size] for start in range(0, len(points), size)]


def _moments(y: np.ndarray, errors: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean of true effects and gain given their prior covariance, and what the common mean and the likelihood need."""
    total = prior + errors
    inverse = np.linalg.inv(total)
    ones = inverse.sum(axis=2)
    precision = ones.sum(axis=1)
    mu = (ones @ y) / precision
    gain = prior @ inverse
    mean = mu[:, None] + np.einsum("gij,gj->gi", gain, y - mu[:, None])
    rest = 1.0 - gain.sum(axis=2)
    away = y - mu[:, None]
    height = -0.5 * (np.linalg.slogdet(total)[1] + np.log(precision) + np.einsum("gi,gij,gj->g", away, inverse, away))
    return mean, gain, rest, ones, mu, precision, height


def _posterior(y: np.ndarray, errors: np.ndarray, shifts: _Shifts, points: np.ndarray) -> Found:
    parts = []
    for block in _blocks(points, len(y)):
        prior = shifts.covariance(block)
        mean, gain, rest, ones, mu, precision, height = _moments(y, errors, prior)
        variance = np.einsum("gii->gi", prior) - np.einsum("gij,gji->gi", gain, prior) + rest**2 / precision[:, None]
        own = np.einsum("gii->gi", gain) + rest * ones / precision[:, None]
        parts.append((mean, np.maximum(variance, 1e-300), own, mu, 1.0 / precision, height))
    names = ("mean", "variance", "own", "mu", "mu_variance", "log_likelihood")
    return {name: np.concatenate(values) for name, values in zip(names, zip(*parts, strict=True), strict=True)}


def _normalised(log_weight: np.ndarray) -> np.ndarray:
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum()


def _quantile(weight: np.ndarray, mean: np.ndarray, deviation: np.ndarray, share: float, middle: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Quantile of each cell's mixture of normals, by bisection within forty standard deviations."""
    low, high = middle - 40 * std, middle + 40 * std
    use = weight > 1e-8
    weight, mean, deviation = weight[use] / weight[use].sum(), mean[use], deviation[use]
    for _ in range(36):
        at = (low + high) / 2
        below = weight @ special.ndtr((at - mean) / deviation) < share
        low, high = np.where(below, at, low), np.where(below, high, at)
    return (low + high) / 2


def _best(  # noqa: PLR0913 - what is drawn from, and how
    y: np.ndarray,
    errors: np.ndarray,
    shifts: _Shifts,
    points: np.ndarray,
    weight: np.ndarray,
    *,
    unit: np.ndarray,
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Probability of each cell to be the best, from draws of all cells together."""
    use = weight > NEGLIGIBLE
    counts = rng.multinomial(draws, weight[use] / weight[use].sum())
    points, counts = points[use][counts > 0], counts[counts > 0]
    wins, start = np.zeros(len(y)), 0
    for block in _blocks(points, len(y)):
        prior = shifts.covariance(block)
        mean, gain, rest, _, _, precision, _ = _moments(y, errors, prior)
        values, vectors = np.linalg.eigh(prior - gain @ prior + rest[:, :, None] * rest[:, None, :] / precision[:, None, None])
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        for at, many in enumerate(counts[start : start + len(block)]):
            drawn = (mean[at] + rng.standard_normal((many, len(y))) @ root[at].T) * unit
            wins += np.bincount(drawn.argmax(axis=1), minlength=len(y))
        start += len(block)
    return wins / draws
