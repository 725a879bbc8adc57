"""One shock that strikes several series: alike, some of them, or some against others; exact draws, and how well it foretold the data."""

from __future__ import annotations

import functools
import itertools

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


@functools.cache
def loadings_of(series: int) -> np.ndarray:
    """Ways in which one number can strike several series: up, down or not at all; int, shape ``(m, series)``.

    First that it strikes none, then that it strikes all alike; a way and its opposite are one.

    Examples
    --------
    >>> loadings_of(2).tolist()
    [[0, 0], [1, 1], [0, 1], [1, -1], [1, 0]]
    """
    ways = [way for way in itertools.product((-1, 0, 1), repeat=series) if next((one for one in way if one), 0) > 0]
    usual = [(0,) * series, (1,) * series]
    return np.array([*usual, *(way for way in ways if way != usual[1])])


def weigh_alike(told: list[QuartersTold], loadings: np.ndarray) -> np.ndarray:
    """Weigh every spread of a shock that strikes series in some ways: logarithm of prior times likelihood, over that of no shock.

    The logarithm of a row's sum is that of the Bayes factor of such a shock against none.

    Parameters
    ----------
    told : list of QuartersTold
        What each series says, at one variance of seasons.
    loadings : ndarray, shape (m, k)
        What the shock is multiplied by in each series.

    Returns
    -------
    ndarray, shape (m, len(SPREADS))

    Examples
    --------
    >>> from partnerlab.stats.shrinkage.told_effects import Told, tell_quarters
    >>> rows = np.column_stack([np.ones(20), np.eye(20)])
    >>> seen = 0.4 * np.random.default_rng(0).standard_normal(20)
    >>> told = Told(precision=200 * rows.T @ rows, pull=200 * rows.T @ seen)
    >>> weights = weigh_alike([tell_quarters(told, quarters=20, seasons=np.ones(1))] * 2, np.array([[1, 1], [1, -1]]))
    >>> bool(0.25 < SPREADS[weights[0].argmax()] < 0.5), (special.logsumexp(weights, axis=1) > 10).tolist()
    (True, [True, False])
    """
    precision = np.einsum("mk,kqr->mqr", np.square(loadings, dtype=float), np.stack([one.precision[0] for one in told]))
    pull = loadings @ np.stack([one.pull[0] for one in told])
    values, vectors = np.linalg.eigh((precision + precision.swapaxes(1, 2)) / 2.0)
    told_by = np.maximum(values, 0.0)[:, None] * SPREADS[:, None] ** 2
    fits = (SPREADS[:, None] * np.einsum("mq,mqr->mr", pull, vectors)[:, None]) ** 2 / (1.0 + told_by)
    return _log_prior() + 0.5 * (fits - np.log1p(told_by)).sum(axis=2)


def draw_spread(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a spread from each row of logarithms of weights, shape ``(d, len(SPREADS))``.

    Examples
    --------
    >>> float(draw_spread(np.where(SPREADS > 4.9, 0.0, -np.inf)[None], np.random.default_rng(0))[0])
    5.0
    """
    reached = special.softmax(weights, axis=1).cumsum(axis=1)
    return SPREADS[np.minimum((rng.random((len(weights), 1)) > reached).sum(axis=1), len(SPREADS) - 1)]


def draw_alike(told: list[QuartersTold], spread: np.ndarray, loadings: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw the quarters' effects given the spread of the shock, then every series' level and seasons.

    Parameters
    ----------
    told : list of QuartersTold
        What each series says, at as many variances of seasons as there are draws.
    spread : ndarray, shape (draws,)
        From `draw_spread`.
    loadings : ndarray, shape (draws, k)
        What the shock is multiplied by in each series; zeros throughout where nothing is struck.
    rng : Generator
        Source of chance.

    Returns
    -------
    list of ndarray, each of shape (draws, 1 + seasons + quarters)

    Examples
    --------
    >>> from partnerlab.stats.shrinkage.told_effects import Told, tell_quarters
    >>> rows = np.column_stack([np.ones(3), np.eye(3)])
    >>> told = tell_quarters(Told(precision=rows.T @ rows, pull=np.zeros(4)), quarters=3, seasons=np.ones(5))
    >>> effects = draw_alike([told, told], np.ones(5), np.tile([1, -1], (5, 1)), np.random.default_rng(0))
    >>> [one.shape for one in effects], bool((effects[0][:, 1:] == -effects[1][:, 1:]).all())
    ([(5, 4), (5, 4)], True)
    """
    precision = sum(one.precision * (by**2)[:, None, None] for one, by in zip(told, loadings.T, strict=True))
    pull = sum(one.pull * by[:, None] for one, by in zip(told, loadings.T, strict=True))
    whole = precision + np.eye(pull.shape[1]) / spread[:, None, None] ** 2
    noise = np.linalg.cholesky(whole) @ rng.standard_normal((*pull.shape, 1))
    shocks = np.linalg.solve(whole, pull[:, :, None] + noise)[:, :, 0]
    return [one.draw_rest(by[:, None] * shocks, rng) for one, by in zip(told, loadings.T, strict=True)]
