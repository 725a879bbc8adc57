"""One shock that strikes several series alike, or none: exact draws, and how well either foretold the data."""

from __future__ import annotations

import functools

import numpy as np
from scipy import special

from partnerlab.stats.shrinkage.told_effects import FREEDOM, USUAL, QuartersTold

#: Standard deviations of the shock that are weighed against each other, a tenth apart.
SPREADS = np.geomspace(0.005, 5.0, 73)


@functools.cache
def _log_prior() -> np.ndarray:
    """Logarithm of each spread's share of the prior: half-t, its scale half-Cauchy."""
    scale = USUAL * np.tan(np.pi / 2 * (np.arange(2000) + 0.5) / 2000)
    density = ((1.0 + (SPREADS[:, None] / scale) ** 2 / FREEDOM) ** (-(FREEDOM + 1.0) / 2.0) / scale).mean(axis=1)
    return np.log(density * SPREADS / (density * SPREADS).sum())


def weigh_alike(told: list[QuartersTold]) -> np.ndarray:
    """Weigh every spread of a shock to all series alike: logarithm of prior times likelihood, over that of no shock.

    The logarithm of their sum is that of the Bayes factor of such a shock against none.

    Parameters
    ----------
    told : list of QuartersTold
        What each series says, at one variance of seasons.

    Returns
    -------
    ndarray, shape (len(SPREADS),)

    Examples
    --------
    >>> from partnerlab.stats.shrinkage.told_effects import Told, tell_quarters
    >>> rows = np.column_stack([np.ones(20), np.eye(20)])
    >>> seen = 0.4 * np.random.default_rng(0).standard_normal(20)
    >>> told = Told(precision=200 * rows.T @ rows, pull=200 * rows.T @ seen)
    >>> weights = weigh_alike([tell_quarters(told, quarters=20, seasons=np.ones(1))] * 2)
    >>> bool(0.25 < SPREADS[weights.argmax()] < 0.5), bool(special.logsumexp(weights) > 10)
    (True, True)
    """
    precision, pull = sum(one.precision[0] for one in told), sum(one.pull[0] for one in told)
    values, vectors = np.linalg.eigh((precision + precision.T) / 2.0)
    told_by = np.maximum(values, 0.0) * SPREADS[:, None] ** 2
    fits = (SPREADS[:, None] * (pull @ vectors)) ** 2 / (1.0 + told_by)
    return _log_prior() + 0.5 * (fits - np.log1p(told_by)).sum(axis=1)


def draw_alike(told: list[QuartersTold], weights: np.ndarray, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw the spread of a shock to all alike, then the quarters' effects and every series' level and seasons.

    Parameters
    ----------
    told : list of QuartersTold
        What each series says, at as many variances of seasons as there are draws.
    weights : ndarray, shape (len(SPREADS),)
        From `weigh_alike`.
    rng : Generator
        Source of chance.

    Returns
    -------
    effects : list of ndarray, each of shape (draws, 1 + seasons + quarters)
    spread : ndarray, shape (draws,)

    Examples
    --------
    >>> from partnerlab.stats.shrinkage.told_effects import Told, tell_quarters
    >>> rows = np.column_stack([np.ones(3), np.eye(3)])
    >>> told = tell_quarters(Told(precision=rows.T @ rows, pull=np.zeros(4)), quarters=3, seasons=np.ones(5))
    >>> effects, spread = draw_alike([told, told], weigh_alike([told, told]), np.random.default_rng(0))
    >>> [one.shape for one in effects], spread.shape, bool((effects[0][:, 1:] == effects[1][:, 1:]).all())
    ([(5, 4), (5, 4)], (5,), True)
    """
    precision, pull = sum(one.precision for one in told), sum(one.pull for one in told)
    draws, quarters = pull.shape
    spread = rng.choice(SPREADS, draws, p=special.softmax(weights))
    whole = precision + np.eye(quarters) / spread[:, None, None] ** 2
    root = np.linalg.cholesky(whole)
    noise = root @ rng.standard_normal((draws, quarters, 1))
    shocks = np.linalg.solve(whole, pull[:, :, None] + noise)[:, :, 0]
    return [one.draw_rest(shocks, rng) for one in told], spread


def draw_unstruck(told: list[QuartersTold], rng: np.random.Generator) -> list[np.ndarray]:
    """Draw level and seasons where no quarter has an effect; each of shape ``(draws, 1 + seasons + quarters)``.

    Examples
    --------
    >>> from partnerlab.stats.shrinkage.told_effects import Told, tell_quarters
    >>> rows = np.column_stack([np.ones(3), np.eye(3)])
    >>> told = tell_quarters(Told(precision=rows.T @ rows, pull=np.zeros(4)), quarters=3, seasons=np.ones(5))
    >>> draw_unstruck([told], np.random.default_rng(0))[0][:, 1:].any().item()
    False
    """
    return [one.draw_rest(np.zeros(one.pull.shape), rng) for one in told]
