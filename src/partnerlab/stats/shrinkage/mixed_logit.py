"""Binomial counts whose log-odds are sums of shrunken effects: how strongly each family of effects is shrunk, the counts say.

Every row (a tier, a time in it, a season, a quarter) has one level in each block; each block's effects are drawn
from a normal distribution of their own variance; numbers may have slopes, drawn to a mean that is given with a variance that
is given. Empirical Bayes: variances by the generalised Fellner-Schall update at the penalised fit (Wood and Fasiolo 2017; Breslow and
Clayton 1993).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import special

#: Variance of the intercept, which is as good as free.
FREE = 100.0
#: Bounds of a block's variance.
SMALLEST, LARGEST = 1e-4, 9.0
#: Added to the sum of a block's squared effects, so that no variance gets stuck at nothing.
LITTLE = 0.001


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixedLogit:
    """Effects on log-odds, shrunk by block.

    Parameters
    ----------
    effects : ndarray, shape (p,)
        Intercept, then the effects of each block, then slopes.
    covariance : ndarray, shape (p, p)
        Of the effects, given the variances.
    starts : ndarray of int, shape (b,)
        Place of each block's first effect.
    sizes : tuple of int
        Levels of each block.
    variances : ndarray, shape (b,)
        Variance of each block's effects.
    evidence : float
        Logarithm of the chance of the counts, effects integrated out (Laplace), up to a number that depends on the counts alone.
    """

    effects: np.ndarray
    covariance: np.ndarray
    starts: np.ndarray
    sizes: tuple[int, ...]
    variances: np.ndarray
    evidence: float = np.nan

    def block(self, place: int) -> slice:
        """Where a block's effects stand."""
        return slice(int(self.starts[place]), int(self.starts[place]) + self.sizes[place])


def indicator_rows(places: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Rows of zeros and ones: intercept, then the level in each block; a negative level has none.

    Parameters
    ----------
    places : ndarray of int, shape (m, b)
        Level of each row in each block.
    sizes : tuple of int, length b
        Levels of each block.

    Returns
    -------
    ndarray, shape (m, 1 + sum(sizes))

    Examples
    --------
    >>> indicator_rows(np.array([[0, 1], [1, -1]]), (2, 2)).tolist()
    [[1.0, 1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0, 0.0]]
    """
    starts = 1 + np.cumsum((0, *sizes[:-1]))
    rows = np.zeros((len(places), 1 + sum(sizes)))
    rows[:, 0] = 1.0
    for block, start in enumerate(starts):
        here = np.flatnonzero(places[:, block] >= 0)
        rows[here, start + places[here, block]] = 1.0
    return rows


def fit_mixed_logit(  # noqa: PLR0913 - counts, and what shrinks what
    events: np.ndarray,
    trials: np.ndarray,
    places: np.ndarray,
    sizes: tuple[int, ...],
    *,
    fixed: Mapping[int, float] | None = None,
    numbers: np.ndarray | None = None,
    slope_mean: float = 0.0,
    slope_variance: float = 1.0,
    rounds: int = 40,
    start: MixedLogit | None = None,
) -> MixedLogit:
    """Fit effects and their variances to binomial counts.

    Parameters
    ----------
    events, trials : ndarray, shape (m,)
        Counts of each row.
    places : ndarray of int, shape (m, b)
        Level of each row in each block, negative for none.
    sizes : tuple of int, length b
        Levels of each block.
    fixed : mapping of int to float, or None
        Variances of blocks that are given, not fitted.
    numbers : ndarray, shape (m, q), or None
        Numbers that have slopes.
    slope_mean, slope_variance : float
        Mean and variance of slopes, given.
    rounds : int
        Updates of the variances at most.
    start : MixedLogit or None
        Fit of counts much like these, to start from.

    Returns
    -------
    MixedLogit

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> places = np.repeat(np.arange(40), 1)[:, None]
    >>> truth = special.expit(-1.0 + 0.5 * rng.standard_normal(40))
    >>> fit = fit_mixed_logit(rng.binomial(400, truth), np.full(40, 400), places, (40,))
    >>> bool(0.3 < np.sqrt(fit.variances[0]) < 0.7), bool(abs(fit.effects[0] + 1.0) < 0.3)
    (True, True)
    """
    events, trials = np.asarray(events, dtype=float), np.asarray(trials, dtype=float)
    numbers = np.zeros((len(places), 0)) if numbers is None else np.asarray(numbers, dtype=float)
    rows = np.concatenate([indicator_rows(places, sizes), numbers], axis=1)
    slopes = np.full(numbers.shape[1], 1.0 / slope_variance)
    starts = 1 + np.cumsum((0, *sizes[:-1]))
    blocks = [slice(int(start), int(start) + size) for start, size in zip(starts, sizes, strict=True)]
    variances, given = np.full(len(sizes), 0.2) if start is None else start.variances.copy(), dict(fixed or {})
    variances[list(given)] = list(given.values())
    share = (events.sum() + 0.5) / (trials.sum() + 1.0)
    centre = np.zeros(rows.shape[1])
    centre[rows.shape[1] - len(slopes) :] = slope_mean
    effects = centre.copy() if start is None else start.effects
    effects[0] += special.logit(share) if start is None else 0.0
    for _ in range(rounds):
        precision = np.append(_precision(variances, sizes), slopes)
        effects, covariance = _penalised_fit(rows, events, trials, effects, centre, precision, steps=2)
        spread = covariance.diagonal()
        fresh = np.array([_variance(effects[block], spread[block], now) for block, now in zip(blocks, variances, strict=True)])
        fresh[list(given)] = list(given.values())
        done = np.abs(np.log(fresh / variances)).max(initial=0.0) < 0.02
        variances = fresh
        if done:
            break
    precision = np.append(_precision(variances, sizes), slopes)
    effects, covariance = _penalised_fit(rows, events, trials, effects, centre, precision)
    line = rows @ effects
    fits = (events * line - trials * np.logaddexp(0.0, line)).sum() - 0.5 * (precision * (effects - centre) ** 2).sum()
    evidence = fits + 0.5 * (np.log(precision).sum() + np.linalg.slogdet(covariance)[1])
    return MixedLogit(effects=effects, covariance=covariance, starts=starts, sizes=sizes, variances=variances, evidence=float(evidence))


def _precision(variances: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    return 1.0 / np.concatenate([[FREE], np.repeat(variances, sizes)])


def _penalised_fit(
    rows: np.ndarray,
    events: np.ndarray,
    trials: np.ndarray,
    effects: np.ndarray,
    centre: np.ndarray,
    precision: np.ndarray,
    *,
    steps: int = 50,
) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method; the penalty makes the log-posterior strictly concave, a cap on the step keeps it from leaping."""
    for _ in range(steps):
        share = special.expit(rows @ effects)
        weight = trials * share * (1.0 - share)
        inverse = np.linalg.inv((rows.T * weight) @ rows + np.diag(precision))
        step = inverse @ (rows.T @ (events - trials * share) - precision * (effects - centre))
        largest = np.abs(step).max()
        effects = effects + step * min(1.0, 2.0 / max(largest, 1e-12))
        if largest < 1e-6:
            break
    return effects, inverse


def _variance(effects: np.ndarray, spread: np.ndarray, now: float) -> float:
    """Fellner-Schall update: what the effects' squares are for each effect that the counts determine."""
    told = max(len(effects) - spread.sum() / now, 1e-6)
    return float(np.clip((effects @ effects + LITTLE) / told, SMALLEST, LARGEST))
