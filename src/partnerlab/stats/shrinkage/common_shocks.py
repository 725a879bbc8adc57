"""Shocks that strike several series at once: how far they reach, how alike they are, and what doubt about both leaves.

Each series (lapsing, moving down, moving up, joining) has a level, effects of seasons and an effect of every quarter on its
log-odds, known with error. The effects of one quarter on all series are drawn from one normal distribution, whose covariance
is drawn from its posterior, as are the spreads of seasons: half-t priors on all standard deviations, any correlation as likely as any
other (Huang and Wand 2013). A blocked Gibbs sampler (Gelfand and Smith 1990), many short chains side by side.
"""

from __future__ import annotations

import dataclasses

import numpy as np

#: Degrees of freedom of the half-t priors; 2 makes every correlation as likely as any other.
FREEDOM = 2.0
#: Scales, on log-odds, of the half-Cauchy priors that the scales of the half-t priors have: of shocks, and of seasons, whose
#: renewals can make the odds of one quarter several times those of another.
USUAL, SEASONAL = 0.15, 1.0
#: Variance of the levels, which are as good as free.
FREE = 100.0
#: Chains side by side, sweeps thrown away, sweeps between two that are kept.
CHAINS, WARM, APART = 32, 24, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """What counts say of one series: a normal likelihood of its level, its seasons' and its quarters' effects, in this order.

    Parameters
    ----------
    precision : ndarray, shape (1 + seasons + quarters,) * 2
        Of the likelihood, all else integrated out.
    pull : ndarray, shape (1 + seasons + quarters,)
        Precision times estimate.
    """

    precision: np.ndarray
    pull: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonShocks:
    """Draws from the posterior.

    Parameters
    ----------
    effects : tuple of ndarray, each of shape (draws, 1 + seasons + quarters)
        Level, seasons and quarters of each series.
    covariance : ndarray, shape (draws, k, k)
        Of one quarter's effects on the series.
    """

    effects: tuple[np.ndarray, ...]
    covariance: np.ndarray


def draw_common_shocks(told: list[Told], *, quarters: int, kept: int, rng: np.random.Generator) -> CommonShocks:
    """Draw levels, effects and the covariance of shocks from their posterior.

    Parameters
    ----------
    told : list of Told
        One for each series.
    quarters : int
        Quarters that all series share; the last so many effects of each.
    kept : int
        Draws, at least; a multiple of the number of chains is returned.
    rng : Generator
        Source of chance.

    Examples
    --------
    Two series of twenty quarters, shaken alike with a standard deviation of .4, known to within .1:

    >>> rng = np.random.default_rng(0)
    >>> shocks = 0.4 * rng.standard_normal(20)
    >>> seen = [shocks + 0.1 * rng.standard_normal(20) for _ in range(2)]
    >>> def told_of(values):
    ...     rows = np.column_stack([np.ones(20), np.eye(20)])
    ...     return Told(precision=100 * rows.T @ rows, pull=100 * rows.T @ values)
    >>> drawn = draw_common_shocks([told_of(values) for values in seen], quarters=20, kept=200, rng=rng)
    >>> spread = np.sqrt(drawn.covariance[:, 0, 0])
    >>> bool(0.3 < np.median(spread) < 0.6), bool(np.median(drawn.covariance[:, 0, 1] / spread**2) > 0.7)
    (True, True)
    """
    series, rounds = len(told), -(-kept // CHAINS)
    spread = USUAL * np.abs(rng.standard_t(FREEDOM, (CHAINS, series))).clip(0.1, 5.0)
    inverse = np.eye(series) / spread[:, :, None] ** 2
    seasons = np.full((CHAINS, series), USUAL**2)
    shaken = np.zeros((CHAINS, series, quarters))
    alike, spread_alike = np.zeros((CHAINS, quarters)), spread[:, 0] ** 2
    shocks_scale, alike_scale, seasons_scale = (_Scale.start(CHAINS, usual) for usual in (USUAL, USUAL, SEASONAL))
    effects: list[list[np.ndarray]] = [[] for _ in told]
    covariances = []
    for sweep in range(WARM + rounds * APART):
        current = []
        for place, one in enumerate(told):
            drawn = _draw_series(one, place, inverse, seasons[:, place], (shaken, alike), rng)
            shaken[:, place] = drawn[:, -quarters:]
            current.append(drawn)
        alike = _draw_alike(shaken, inverse, 1.0 / spread_alike, rng)
        mixed = alike_scale.draw(1.0 / spread_alike[:, None], FREEDOM + 1.0, rng)
        spread_alike = _draw_variance(alike, mixed[:, 0], rng)
        mixing = shocks_scale.draw(np.diagonal(inverse, axis1=1, axis2=2), FREEDOM + series, rng)
        inverse = _draw_inverse(shaken - alike[:, None], mixing, rng)
        seasonal = [place for place, drawn in enumerate(current) if drawn.shape[1] > 1 + quarters]
        if seasonal:
            mixing = seasons_scale.draw(1.0 / seasons[:, seasonal], FREEDOM + 1.0, rng)
            for place, mixed in zip(seasonal, mixing.T, strict=True):
                seasons[:, place] = _draw_variance(current[place][:, 1:-quarters], mixed, rng)
        if sweep >= WARM and (sweep - WARM) % APART == APART - 1:
            covariances.append(np.linalg.inv(inverse) + spread_alike[:, None, None])
            for so_far, drawn in zip(effects, current, strict=True):
                so_far.append(drawn)
    return CommonShocks(effects=tuple(np.concatenate(one) for one in effects), covariance=np.concatenate(covariances))


@dataclasses.dataclass
class _Scale:
    """Scale that the half-t priors of several series share, half-Cauchy itself: the series say together how wide it is."""

    inverse_square: np.ndarray
    usual: float

    @classmethod
    def start(cls, chains: int, usual: float) -> _Scale:
        return cls(np.full(chains, 1.0 / usual**2), usual)

    def draw(self, diagonal: np.ndarray, shape: float, rng: np.random.Generator) -> np.ndarray:
        """Draw the mixing numbers of the priors, shape ``(chains, series)``, given the diagonal of inverse covariances; then the scale."""
        chains, series = diagonal.shape
        mixing = rng.standard_gamma(shape / 2.0, (chains, series)) / (FREEDOM * diagonal + self.inverse_square[:, None])
        second = rng.standard_gamma(1.0, chains) / (1.0 / self.usual**2 + self.inverse_square)
        self.inverse_square = rng.standard_gamma(0.5 + series / 2.0, chains) / (second + mixing.sum(axis=1))
        return mixing


def _draw_series(
    one: Told, place: int, inverse: np.ndarray, season: np.ndarray, struck: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """One series' effects given what struck the others and all alike: shape ``(chains, 1 + seasons + quarters)``."""
    shaken, alike = struck
    size, quarters, apart = len(one.pull), shaken.shape[2], shaken - alike[:, None]
    own = inverse[:, place, place]
    prior = np.empty((len(inverse), size))
    prior[:, 0], prior[:, 1:-quarters], prior[:, -quarters:] = 1.0 / FREE, 1.0 / season[:, None], own[:, None]
    pull = np.broadcast_to(one.pull, prior.shape).copy()
    pull[:, -quarters:] += own[:, None] * shaken[:, place] - np.einsum("ck,ckq->cq", inverse[:, place], apart)
    precision = one.precision + prior[:, :, None] * np.eye(size)
    root = np.linalg.cholesky(precision)
    noise = root @ rng.standard_normal((len(inverse), size, 1))
    return np.linalg.solve(precision, pull[:, :, None] + noise)[:, :, 0]


def _draw_alike(shaken: np.ndarray, inverse: np.ndarray, precision: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw what struck all series alike: shape ``(chains, quarters)``."""
    weight = inverse.sum(axis=1)
    total = weight.sum(axis=1) + precision
    middle = np.einsum("ck,ckq->cq", weight, shaken) / total[:, None]
    return middle + rng.standard_normal(middle.shape) / np.sqrt(total)[:, None]


def _draw_variance(effects: np.ndarray, mixing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Variance of a series' seasons: inverse gamma given the mixing number of its half-t prior (Wand and others 2011)."""
    rate = FREEDOM * mixing + 0.5 * (effects**2).sum(axis=1)
    return rate / rng.standard_gamma((FREEDOM + effects.shape[1]) / 2.0, len(effects))


def _draw_inverse(shaken: np.ndarray, mixing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Inverse covariance of the shocks: Wishart given the mixing numbers of the half-t priors."""
    chains, series, quarters = shaken.shape
    scale = shaken @ shaken.swapaxes(1, 2) + 2.0 * FREEDOM * mixing[:, :, None] * np.eye(series)
    freedom = FREEDOM + series - 1.0 + quarters
    # Bartlett's decomposition: the triangle's diagonal is chi, what is below it is normal
    triangle = np.tril(rng.standard_normal((chains, series, series)), -1)
    triangle += np.sqrt(2.0 * rng.standard_gamma((freedom - np.arange(series)) / 2.0, (chains, series)))[:, :, None] * np.eye(series)
    root = np.linalg.cholesky(np.linalg.inv(scale)) @ triangle
    return root @ root.swapaxes(1, 2)
