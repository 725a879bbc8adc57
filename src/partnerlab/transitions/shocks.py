"""What quarters do to all partners at once: common shocks, and the part of them that returns every year.

Read from how far each quarter's outcome lay from what one matrix makes of the partners of that quarter.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

#: With fewer pairs of quarters no shock can be told from chance.
FEWEST_QUARTERS = 6
#: Directions count as shocks from this share of the edge of chance on: to miss one costs more than a small false one.
CAUTION = 0.75
#: A season is believed from this quantile of the F distribution on.
SEASON_SHOWS = 0.90


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonShock:
    """Shift of the states' shares that one quarter brings to all.

    Parameters
    ----------
    mean : ndarray, shape (s,)
        Expected shift in the coming quarter: its season, as far as it can be told.
    spread : ndarray, shape (m, s)
        Independent directions in which quarters stray, each as long as its standard deviation.
    quarters : int
        Quarters that this was read from.
    """

    mean: np.ndarray
    spread: np.ndarray
    quarters: int

    @property
    def seasonal(self) -> bool:
        """Whether the coming quarter's season shows."""
        return bool(np.abs(self.mean).max(initial=0.0) > 0.0)

    def draw(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        """Draw shifts of shares, shape ``(draws, s)``; tails are those of a spread known from few quarters."""
        if not len(self.spread):
            return np.broadcast_to(self.mean, (draws, len(self.mean)))
        freedom = float(max(self.quarters - 1, 3))
        scale = np.sqrt(freedom / rng.chisquare(freedom, (draws, 1)))
        return self.mean + scale * rng.standard_normal((draws, len(self.spread))) @ self.spread


def find_shocks(steps: np.ndarray, *, season: np.ndarray, coming: int) -> CommonShock:
    """Find what quarters do to all partners at once.

    Parameters
    ----------
    steps : ndarray, shape (t, s, s)
        Moves of each pair of neighbouring quarters.
    season : ndarray of int, shape (t,)
        Season moved into.
    coming : int
        Season of the quarter to forecast.

    Returns
    -------
    CommonShock

    Notes
    -----
    Residuals of the states' counts are whitened by their multinomial covariance under one matrix. By chance the
    eigenvalues of their covariance stay below ``(1 + sqrt(k / (t - 1)))^2`` (Marchenko and Pastur 1967); those near or
    above it are shocks, shrunk to what they are in the population (Donoho, Gavish and Johnstone 2018). A shock's yearly
    part is estimated by analysis of variance over seasons, where its F statistic shows one, and shrunk by its
    reliability.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> steps = np.stack([rng.multinomial([200, 200], [[0.9, 0.1], [0.1, 0.9]]) for _ in range(16)])
    >>> len(find_shocks(steps, season=np.arange(16) % 4, coming=0).spread)
    0
    """
    size = steps.sum(axis=(1, 2))
    steps, season = steps[size > 0], season[size > 0]
    quarters, states = len(steps), steps.shape[1]
    nothing = CommonShock(mean=np.zeros(states), spread=np.zeros((0, states)), quarters=quarters)
    if quarters < FEWEST_QUARTERS:
        return nothing
    scores, back = _whitened(steps)
    if not scores.shape[1]:
        return nothing
    ratio = scores.shape[1] / (quarters - 1)
    lengths, axes = np.linalg.eigh(scores.T @ scores / (quarters - 1))
    strong = lengths > CAUTION * (1.0 + np.sqrt(ratio)) ** 2
    if not strong.any():
        return nothing
    lifted = lengths[strong] + 1.0 - ratio
    true = np.maximum((lifted + np.sqrt(np.maximum(lifted**2 - 4.0 * lengths[strong], 0.0))) / 2.0, 1.0)
    along = scores @ axes[:, strong]
    parts = [_season_part(along[:, place], season, coming, excess) for place, excess in enumerate(true - 1.0)]
    directions = axes[:, strong].T @ back
    return CommonShock(
        mean=np.array([mean for mean, _ in parts]) @ directions,
        spread=np.sqrt(np.array([variance for _, variance in parts]))[:, None] * directions,
        quarters=quarters,
    )


def _whitened(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of each quarter in units of chance, shape ``(t, k)``, and the way back to shares, ``(k, s)``."""
    at_risk, size = steps.sum(axis=2), steps.sum(axis=(1, 2))
    pooled = steps.sum(axis=0) / np.maximum(steps.sum(axis=0).sum(axis=1, keepdims=True), 1)
    expected = at_risk @ pooled
    residual = (steps.sum(axis=1) - expected) / np.sqrt(size)[:, None]
    chance = np.diag((expected / size[:, None]).mean(axis=0)) - np.einsum(
        "i,ij,ik->jk", (at_risk / size[:, None]).mean(axis=0), pooled, pooled
    )
    values, vectors = np.linalg.eigh(chance)
    # directions in which less than one partner moves in a quarter tell nothing
    keep = values * size.mean() >= 1.0
    return residual @ vectors[:, keep] / np.sqrt(values[keep]), (vectors[:, keep] * np.sqrt(values[keep] / size.mean())).T


def _season_part(along: np.ndarray, season: np.ndarray, coming: int, excess: float) -> tuple[float, float]:
    """Find the expected score of the coming season, and the variance beyond chance that is left around it."""
    names, place, count = np.unique(season, return_inverse=True, return_counts=True)
    quarters = len(along)
    if quarters < 2 * len(names) or len(names) < 2 or (season == coming).sum() < 2:
        return 0.0, excess
    means = np.bincount(place, weights=along) / count
    within = float(((along - means[place]) ** 2).sum() / (quarters - len(names)))
    among = float((count * (means - along.mean()) ** 2).sum() / (len(names) - 1))
    typical = (quarters - (count**2).sum() / quarters) / (len(names) - 1)
    if among <= within * special.fdtri(len(names) - 1, quarters - len(names), SEASON_SHOWS):
        return 0.0, excess
    yearly = (among - within) / typical
    seen = int((season == coming).sum())
    trusted = seen * yearly / (seen * yearly + within)
    return trusted * float(along[season == coming].mean()), max(within - 1.0, 0.0) + yearly * (1.0 - trusted)
