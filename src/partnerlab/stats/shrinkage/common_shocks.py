"""Shocks that strike several series at once: how far they reach, how alike they are, and what doubt about both leaves.

Each series (lapsing, moving down, moving up, joining) has a level, effects of seasons and an effect of every quarter on its
log-odds, known with error. Five models of the quarters are drawn from as often as the data make them likely, each as likely as the
others before (Bayesian model averaging, Hoeting and others 1999): nothing strikes; one number strikes all series alike; one number
strikes some of them, or some against the others; each series is struck in its own way; each tier is struck for itself, all ways
out of it alike. A few quarters cannot tell a free covariance from one number for all, and which of the two holds decides
whether shocks cancel out in a tier that partners leave and come to.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.shrinkage.alike_shocks import draw_alike, draw_spread, loadings_of, weigh_alike
from partnerlab.stats.shrinkage.free_shocks import covariance_root, draw_free_shocks, weigh_free
from partnerlab.stats.shrinkage.told_effects import QuartersTold, Told, tell_quarters

#: The models: nothing strikes, all series are struck alike, some or some against others, each in its own way, each tier for itself.
NONE, ALIKE, PARTLY, FREELY, TIERS = range(5)
#: Draws of shocks of tiers at a time: their matrices are as large as tiers times quarters.
BLOCK = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonShocks:
    """Draws from the posterior.

    Parameters
    ----------
    effects : tuple of ndarray, each of shape (draws, 1 + seasons + tiers * quarters)
        Level, seasons and quarters of each series.
    roots : ndarray, shape (draws, k, k)
        Of the covariance of one quarter's effects on the series that all tiers share: this times its transpose.
    apart : ndarray, shape (draws,)
        Standard deviation of what strikes each tier for itself in one quarter.
    weights : ndarray, shape (5,)
        Probability of each of the models.
    """

    effects: tuple[np.ndarray, ...]
    roots: np.ndarray
    apart: np.ndarray
    weights: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Of one quarter's effects on the series that all tiers share: shape ``(draws, k, k)``."""
        return self.roots @ self.roots.swapaxes(1, 2)


def draw_common_shocks(
    told: list[Told], *, quarters: int, kept: int, rng: np.random.Generator, tiers: list[np.ndarray] | None = None
) -> CommonShocks:
    """Draw levels, effects and the covariance of shocks from their posterior.

    Parameters
    ----------
    told : list of Told
        One for each series.
    quarters : int
        Quarters that all series share; the last so many effects of each, of one tier after the other.
    kept : int
        Draws.
    rng : Generator
        Source of chance.
    tiers : list of ndarray of int, or None
        Tiers that each series tells apart; None where none does.

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
    tiers = [np.zeros(1, dtype=np.int64)] * len(told) if tiers is None else tiers
    groups = np.unique(np.concatenate(tiers))
    shared = [np.ones((len(at), 1)) for at in tiers]
    own = [np.eye(len(groups))[np.searchsorted(groups, at)] for at in tiers]
    as_one = [one.onto(rows, quarters) for one, rows in zip(told, shared, strict=True)]
    free = draw_free_shocks(as_one, quarters=quarters, kept=kept, rng=rng)
    # spreads of seasons are hardly other where quarters are struck otherwise, so what is drawn of them serves all models
    usual = np.exp(np.log(free.seasons).mean(axis=0))[None]
    ways, one_way = loadings_of(len(told)), np.ones((1, len(told)))
    by_way = weigh_alike(_tell(told, shared, quarters, usual), ways)
    by_tier = weigh_alike(_tell(told, own, quarters, usual), one_way)
    evidence = _evidence(by_way, by_tier, weigh_free(_tell(told, shared, quarters, usual), free, rng), len(groups))
    weights = special.softmax(evidence)
    model = rng.choice(len(weights), kept, p=weights)
    roots, apart, at = np.zeros((kept, len(told), len(told))), np.zeros(kept), model == FREELY
    effects = [_spread_out(one[:kept], rows, quarters) for one, rows in zip(free.effects, shared, strict=True)]
    roots[at] = covariance_root(free.roots[:kept][at])
    at = np.flatnonzero((model != FREELY) & (model != TIERS))
    chosen = np.where(model[at] == PARTLY, _draw_way(by_way, len(at), rng), model[at])
    spread, loading = draw_spread(by_way[chosen], rng), ways[chosen]
    roots[at, :, 0] = spread[:, None] * loading
    _fill(effects, at, draw_alike(_tell(told, shared, quarters, free.seasons[at]), spread, loading, rng), shared, quarters)
    for at in np.array_split(np.flatnonzero(model == TIERS), -(-kept // BLOCK)):
        apart[at] = draw_spread(by_tier[np.zeros(len(at), dtype=np.int64)], rng)
        given = _tell(told, own, quarters, free.seasons[at])
        _fill(effects, at, draw_alike(given, apart[at], np.ones((len(at), len(told))), rng), own, quarters)
    return CommonShocks(effects=tuple(effects), roots=roots, apart=apart, weights=weights)


def _tell(told: list[Told], rows: list[np.ndarray], quarters: int, seasons: np.ndarray) -> list[QuartersTold]:
    """Read what series say of effects that theirs are sums of, at some variances of seasons, shape ``(d, k)``."""
    return [
        tell_quarters(one.onto(row, quarters), quarters=row.shape[1] * quarters, seasons=season)
        for one, row, season in zip(told, rows, seasons.T, strict=True)
    ]


def _evidence(by_way: np.ndarray, by_tier: np.ndarray, freely: float, groups: int) -> np.ndarray:
    """Logarithm of each model's Bayes factor against no shocks; none of those that one series, or one tier, cannot tell apart."""
    ways = special.logsumexp(by_way, axis=1)
    evidence = np.array([0.0, -np.inf, -np.inf, freely, special.logsumexp(by_tier) if groups > 1 else -np.inf])
    if len(ways) > 2:
        evidence[ALIKE], evidence[PARTLY] = ways[1], special.logsumexp(ways[2:]) - np.log(len(ways) - 2)
    return evidence


def _draw_way(by_way: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw which of the ways that strike some series, or some against others."""
    if len(by_way) == 2:
        return np.zeros(draws, dtype=np.int64)
    return 2 + rng.choice(len(by_way) - 2, draws, p=special.softmax(special.logsumexp(by_way[2:], axis=1)))


def _spread_out(effects: np.ndarray, rows: np.ndarray, quarters: int) -> np.ndarray:
    """Turn effects of quarters into those that are sums of them; level and seasons stay."""
    size = effects.shape[1] - rows.shape[1] * quarters
    summed = rows @ effects[:, size:].reshape(len(effects), rows.shape[1], quarters)
    return np.concatenate([effects[:, :size], summed.reshape(len(effects), len(rows) * quarters)], axis=1)


def _fill(effects: list[np.ndarray], at: np.ndarray, drawn: list[np.ndarray], rows: list[np.ndarray], quarters: int) -> None:
    """Put draws of a model where they belong."""
    for whole, one, row in zip(effects, drawn, rows, strict=True):
        whole[at] = _spread_out(one, row, quarters)
