"""Shocks that strike several series at once: how far they reach, how alike they are, and what doubt about both leaves.

Each series (lapsing, moving down, moving up, joining) has a level, effects of seasons and an effect of every quarter on its
log-odds, known with error. Three models of the quarters are drawn from as often as the data make them likely, each as likely as the
others before (Bayesian model averaging, Hoeting and others 1999): nothing strikes; one number strikes all series alike; each series
is struck in its own way. A few quarters cannot tell a free covariance from one number for all, and which of the two holds decides
whether shocks cancel out in a tier that partners leave and come to.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.shrinkage.alike_shocks import draw_alike, draw_unstruck, weigh_alike
from partnerlab.stats.shrinkage.free_shocks import covariance_root, draw_free_shocks, weigh_free
from partnerlab.stats.shrinkage.told_effects import Told, tell_quarters

#: The models: nothing strikes, all series are struck alike, each in its own way.
NONE, ALIKE, FREELY = range(3)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonShocks:
    """Draws from the posterior.

    Parameters
    ----------
    effects : tuple of ndarray, each of shape (draws, 1 + seasons + quarters)
        Level, seasons and quarters of each series.
    roots : ndarray, shape (draws, k, k)
        Of the covariance of one quarter's effects on the series: this times its transpose.
    weights : ndarray, shape (3,)
        Probability that nothing strikes, that all series are struck alike, that each is struck in its own way.
    """

    effects: tuple[np.ndarray, ...]
    roots: np.ndarray
    weights: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Of one quarter's effects on the series: shape ``(draws, k, k)``."""
        return self.roots @ self.roots.swapaxes(1, 2)


def draw_common_shocks(told: list[Told], *, quarters: int, kept: int, rng: np.random.Generator) -> CommonShocks:
    """Draw levels, effects and the covariance of shocks from their posterior.

    Parameters
    ----------
    told : list of Told
        One for each series.
    quarters : int
        Quarters that all series share; the last so many effects of each.
    kept : int
        Draws.
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
    >>> int(drawn.weights.argmax()) == ALIKE
    True
    """
    free = draw_free_shocks(told, quarters=quarters, kept=kept, rng=rng)
    # spreads of seasons are hardly other where quarters are struck otherwise, so what is drawn of them serves all models
    middle = np.exp(np.log(free.seasons).mean(axis=0))
    usual = [tell_quarters(one, quarters=quarters, seasons=season) for one, season in zip(told, middle[:, None], strict=True)]
    alike = weigh_alike(usual)
    evidence = np.array([0.0, special.logsumexp(alike), weigh_free(usual, free, rng)])
    if len(told) == 1:
        evidence[ALIKE] = -np.inf  # one series has one way to be struck
    weights = special.softmax(evidence)
    model = rng.choice(3, kept, p=weights)
    effects = [one[:kept].copy() for one in free.effects]
    roots = np.zeros((kept, len(told), len(told)))
    roots[model == FREELY] = covariance_root(free.roots[:kept][model == FREELY])
    for which in (NONE, ALIKE):
        at = np.flatnonzero(model == which)
        given = [tell_quarters(one, quarters=quarters, seasons=free.seasons[at, place]) for place, one in enumerate(told)]
        drawn, spread = draw_alike(given, alike, rng) if which == ALIKE else (draw_unstruck(given, rng), np.zeros(len(at)))
        roots[at, :, 0] = spread[:, None]
        for so_far, fresh in zip(effects, drawn, strict=True):
            so_far[at] = fresh
    return CommonShocks(effects=tuple(effects), roots=roots, weights=weights)
