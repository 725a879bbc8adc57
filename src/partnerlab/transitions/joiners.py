"""Who joins in the coming quarters: as many as of late, give or take chance and shocks, spread over tiers as of late."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.shrinkage.common_shocks import draw_common_shocks
from partnerlab.stats.shrinkage.mixed_logit import MixedLogit, fit_mixed_logit
from partnerlab.stats.shrinkage.told_effects import FREE, Told

#: Degrees of freedom of shocks: now and then a quarter strays far, as those of a clean-up do.
TAILS = 4
#: As many times the joiners of a usual quarter come at most: e to a shock has no mean, and one draw would be the whole forecast.
LEAP = 20.0
#: Draws of the spread of shocks, at most.
KEPT = 512
#: A Poisson count is taken for a binomial one out of so many times the largest.
MANY = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Joining:
    """What is not known of joining, drawn.

    Parameters
    ----------
    came : ndarray, shape (quarters, s)
        Joiners of each recent quarter by state.
    pace : ndarray, shape (draws,)
        Logarithm of the joiners of a usual quarter, less its mean.
    landing : ndarray, shape (draws, s)
        Shares of joiners by the state they come to.
    """

    came: np.ndarray
    pace: np.ndarray
    landing: np.ndarray

    def draw(self, shocks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the joiners of one quarter by state: Poisson about a mean that shocks multiply, 20-fold at most; int, shape ``(draws, s)``.

        All draws together have the mean of the recent quarters.

        Parameters
        ----------
        shocks : ndarray, shape (draws,)
            On the logarithm of the mean.
        rng : Generator
            Source of chance.
        """
        if not self.came.sum():
            return np.zeros(self.landing.shape, dtype=np.int64)
        swing = np.exp(np.minimum(self.pace + shocks, np.log(LEAP)))
        return rng.multinomial(rng.poisson(self.came.sum() / len(self.came) * swing / swing.mean()), self.landing)


def fit_joining(came: np.ndarray) -> MixedLogit | None:
    """Fit a level and effects of recent quarters on the logarithm of their joiners; None if nobody came.

    Examples
    --------
    >>> fit = fit_joining(np.array([[90, 10], [95, 15], [100, 0], [80, 8]]))
    >>> round(float(np.exp(fit.effects[0]) * MANY * 110)), fit_joining(np.zeros((4, 2))) is None
    (100, True)
    """
    size = came.sum(axis=1)
    if not size.sum():
        return None
    return fit_mixed_logit(size, np.full(len(size), MANY * size.max()), np.arange(len(size))[:, None], (len(size),))


def joining_of(came: np.ndarray, pace: np.ndarray, rng: np.random.Generator) -> Joining:
    """Take joining at a pace drawn, with shares of states drawn about those of late (Dirichlet); states nobody came to get nobody."""
    total = came.sum(axis=0)
    landing = rng.standard_gamma(np.broadcast_to(np.where(total > 0, total + 0.5, 0.0), (len(pace), len(total))))
    return Joining(came=came, pace=pace, landing=landing / np.maximum(landing.sum(axis=1, keepdims=True), 1e-300))


def tell(fit: MixedLogit, blocks: tuple[int, ...]) -> Told:
    """Read what counts say of the intercept and of some blocks: the posterior without its prior, all else integrated out."""
    at = level_places(fit, blocks)
    whole = np.linalg.inv(fit.covariance[np.ix_(at, at)])
    prior = np.concatenate([[1.0 / FREE], *(np.full(fit.sizes[block], 1.0 / fit.variances[block]) for block in blocks)])
    values, vectors = np.linalg.eigh((whole + whole.T) / 2.0 - np.diag(prior))
    return Told(precision=(vectors * np.maximum(values, 0.0)) @ vectors.T, pull=whole @ fit.effects[at])


def level_places(fit: MixedLogit, blocks: tuple[int, ...]) -> np.ndarray:
    """Places of the intercept and of the effects of some blocks."""
    return np.concatenate([[0], *(np.arange(fit.block(block).start, fit.block(block).stop) for block in blocks)])


def stray(draws: int, rng: np.random.Generator) -> np.ndarray:
    """How far each draw's quarter strays: a normal number times this is Student's t of the same variance; shape ``(draws, 1)``."""
    return np.sqrt((TAILS - 2) / rng.chisquare(TAILS, (draws, 1)))


def draw_joiners(came: np.ndarray, *, ahead: int, draws: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw the joiners of the coming quarters where shocks to joining stand alone: int, each of shape ``(draws, s)``.

    Examples
    --------
    >>> drawn = draw_joiners(np.array([[100, 0]] * 8), ahead=2, draws=2000, rng=np.random.default_rng(0))
    >>> [int(quarter[:, 0].mean().round(-1)) for quarter in drawn], bool(9 < drawn[0][:, 0].std() < 16)
    ([100, 100], True)
    """
    fit = fit_joining(came)
    if fit is None:
        return [np.zeros((draws, came.shape[1]), dtype=np.int64)] * ahead
    common = draw_common_shocks([tell(fit, (0,))], quarters=len(came), kept=min(KEPT, draws), rng=rng)
    pick = np.arange(draws) % len(common.roots)
    spread, level = common.roots[pick, 0, 0], common.effects[0][pick, 0]
    joining = joining_of(came, level - level.mean(), rng)
    return [joining.draw(spread * (rng.standard_normal((draws, 1)) * stray(draws, rng))[:, 0], rng) for _ in range(ahead)]
