"""Shocks that strike each of several series in its own way, with any correlation: draws, and how well that foretold the data.

The effects of one quarter on all series are drawn from one normal distribution, whose covariance is drawn from its posterior, as are
the spreads of seasons: half-t priors on all standard deviations, any correlation as likely as any other (Huang and Wand 2013).
A blocked Gibbs sampler (Gelfand and Smith 1990), many short chains side by side; its conditional densities are what the marginal
likelihood is sampled by.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.shrinkage.told_effects import FREE, FREEDOM, SEASONAL, USUAL, QuartersTold, Told

#: Chains side by side, sweeps thrown away, sweeps between two that are kept.
CHAINS, WARM, APART = 32, 24, 3
#: Covariances that weigh such shocks against none: so many, fewer where there are more effects than this, but not fewer than that.
WEIGHED, EFFECTS, FEWEST = 256, 64, 32
#: Values of the scale of their prior that it is integrated over.
SCALES = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class FreeShocks:
    """Draws from the posterior.

    Parameters
    ----------
    effects : tuple of ndarray, each of shape (draws, 1 + seasons + quarters)
        Level, seasons and quarters of each series.
    roots : ndarray, shape (draws, k, k)
        Triangular roots of the inverse covariance of one quarter's effects on the series.
    seasons : ndarray, shape (draws, k)
        Variance of each series' seasons.
    scales : ndarray, shape (sweeps, k, k)
        Scale matrices of the inverse Wishart distributions that covariances were drawn from.
    """

    effects: tuple[np.ndarray, ...]
    roots: np.ndarray
    seasons: np.ndarray
    scales: np.ndarray


def draw_free_shocks(told: list[Told], *, quarters: int, kept: int, rng: np.random.Generator) -> FreeShocks:
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
    >>> rows = np.column_stack([np.ones(8), np.eye(8)])
    >>> told = [Told(precision=50 * rows.T @ rows, pull=50 * rows.T @ np.resize([0.4, -0.4], 8))] * 2
    >>> drawn = draw_free_shocks(told, quarters=8, kept=64, rng=np.random.default_rng(0))
    >>> root = covariance_root(drawn.roots)
    >>> bool(0.2 < np.median(np.sqrt((root[:, 0] ** 2).sum(axis=1))) < 0.7)
    True
    """
    series, rounds = len(told), -(-kept // CHAINS)
    spread = USUAL * np.abs(rng.standard_t(FREEDOM, (CHAINS, series))).clip(0.1, 5.0)
    inverse = np.eye(series) / spread[:, :, None] ** 2
    seasons = np.full((CHAINS, series), USUAL**2)
    shaken = np.zeros((CHAINS, series, quarters))
    shocks_scale, seasons_scale = _Scale.start(CHAINS, usual=USUAL), _Scale.start(CHAINS, usual=SEASONAL)
    effects: list[list[np.ndarray]] = [[] for _ in told]
    roots, spreads, scales = [], [], []
    for sweep in range(WARM + rounds * APART):
        current = []
        for place, one in enumerate(told):
            drawn = _draw_series(one, place, inverse, seasons[:, place], shaken, rng)
            shaken[:, place] = drawn[:, -quarters:]
            current.append(drawn)
        mixing = shocks_scale.draw(np.diagonal(inverse, axis1=1, axis2=2), FREEDOM + series, rng)
        scale = shaken @ shaken.swapaxes(1, 2) + 2.0 * FREEDOM * mixing[:, :, None] * np.eye(series)
        root = _draw_root(scale, FREEDOM + series - 1.0 + quarters, rng)
        inverse = root @ root.swapaxes(1, 2)
        seasonal = [place for place, drawn in enumerate(current) if drawn.shape[1] > 1 + quarters]
        if seasonal:
            mixing = seasons_scale.draw(1.0 / seasons[:, seasonal], FREEDOM + 1.0, rng)
            for place, mixed in zip(seasonal, mixing.T, strict=True):
                seasons[:, place] = _draw_variance(current[place][:, 1:-quarters], mixed, rng)
        if sweep >= WARM:
            scales.append(scale)
            if (sweep - WARM) % APART == APART - 1:
                roots.append(root)
                spreads.append(seasons.copy())
                for so_far, drawn in zip(effects, current, strict=True):
                    so_far.append(drawn)
    return FreeShocks(
        effects=tuple(np.concatenate(one) for one in effects), roots=np.concatenate(roots),
        seasons=np.concatenate(spreads), scales=np.concatenate(scales),
    )  # fmt: skip


def weigh_free(told: list[QuartersTold], drawn: FreeShocks, rng: np.random.Generator) -> float:
    """Logarithm of the Bayes factor of such shocks against none.

    The mean of prior times likelihood over the density that covariances are drawn from: half of them from the conditional
    distributions of the sampler, mixed (Fruehwirth-Schnatter 2004, Econometrics Journal 7), half of them from the prior, so that no ratio
    is large (Hesterberg 1995).

    Parameters
    ----------
    told : list of QuartersTold
        What each series says, at one variance of seasons.
    drawn : FreeShocks
        Draws from the posterior.
    rng : Generator
        Source of chance.

    Examples
    --------
    >>> from partnerlab.stats.shrinkage.told_effects import tell_quarters
    >>> rows, rng = np.column_stack([np.ones(8), np.eye(8)]), np.random.default_rng(0)
    >>> told = Told(precision=50 * rows.T @ rows, pull=50 * rows.T @ np.resize([0.4, -0.4], 8))
    >>> drawn = draw_free_shocks([told], quarters=8, kept=64, rng=rng)
    >>> weigh_free([tell_quarters(told, quarters=8, seasons=np.ones(1))], drawn, rng) > 5
    True
    """
    size, quarters = drawn.roots.shape[1], told[0].pull.shape[1]
    half = max(FEWEST, min(WEIGHED, WEIGHED * EFFECTS // (size * quarters))) // 2
    freedom = FREEDOM + size - 1.0
    scale = USUAL * np.tan(np.pi / 2 * (rng.permutation(half) + 0.5) / half)
    mixing = rng.standard_gamma(0.5, (half, size)) * scale[:, None] ** 2
    picked = drawn.roots[rng.integers(0, len(drawn.roots), half)]
    roots = np.concatenate([picked, _draw_root(2.0 * FREEDOM * mixing[:, :, None] * np.eye(size), freedom, rng)])
    prior = _log_prior(roots)
    mixture = special.logsumexp(_log_inverse_wishart(roots, freedom + quarters, drawn.scales), axis=1) - np.log(len(drawn.scales))
    ratio = _log_likelihood(told, roots) + prior - (np.logaddexp(mixture, prior) - np.log(2.0))
    return float(special.logsumexp(ratio) - np.log(len(ratio)))


def covariance_root(roots: np.ndarray) -> np.ndarray:
    """Roots of covariances whose inverses have these triangular roots.

    Examples
    --------
    >>> root = covariance_root(np.array([[[2.0, 0.0], [1.0, 1.0]]]))
    >>> np.linalg.inv(root @ root.swapaxes(1, 2))[0].round(6).tolist()
    [[4.0, 2.0], [2.0, 2.0]]
    """
    return np.linalg.inv(roots).swapaxes(1, 2)


def _log_likelihood(told: list[QuartersTold], roots: np.ndarray) -> np.ndarray:
    """Of each of some covariances, over that of none; effects integrated out."""
    draws = len(roots)
    precision, pull = np.concatenate([one.precision for one in told]), np.concatenate([one.pull for one in told])
    size, away = pull.size, covariance_root(roots)
    whole = np.einsum("dli,dlj,lqr->diqjr", away, away, precision, optimize=True).reshape(draws, size, size) + np.eye(size)
    # the widest covariances of the prior would lose what makes this positive definite to rounding
    below = np.linalg.cholesky(whole + 1e-13 * whole.max(axis=(1, 2), keepdims=True) * np.eye(size))
    pulled = np.linalg.solve(below, np.einsum("dli,lq->diq", away, pull).reshape(draws, size, 1))
    return 0.5 * (pulled**2).sum(axis=(1, 2)) - np.log(np.diagonal(below, axis1=1, axis2=2)).sum(axis=1)


def _log_prior(roots: np.ndarray) -> np.ndarray:
    """Huang and Wand's density, its scale, which all series share, integrated out on its own prior's quantiles."""
    size = roots.shape[1]
    shape, freedom = (FREEDOM + size) / 2.0, FREEDOM + size - 1.0
    rate = 1.0 / (USUAL * np.tan(np.pi / 2 * (np.arange(SCALES) + 0.5) / SCALES)) ** 2
    inverse = FREEDOM * (roots**2).sum(axis=2)
    scaled = 0.5 * size * np.log(rate) - shape * np.log(inverse[:, :, None] + rate).sum(axis=1)
    mixed = size * (special.gammaln(shape) - 0.5 * np.log(np.pi) + 0.5 * freedom * np.log(FREEDOM))
    spread = mixed - special.multigammaln(freedom / 2.0, size) - (freedom + size + 1.0) * _log_spread(roots)
    return spread + special.logsumexp(scaled, axis=1) - np.log(SCALES)


def _log_inverse_wishart(roots: np.ndarray, freedom: float, scales: np.ndarray) -> np.ndarray:
    """Log-density of each of some covariances for each of several scale matrices: shape ``(covariances, scales)``."""
    size = roots.shape[1]
    trace = (roots @ roots.swapaxes(1, 2)).reshape(len(roots), -1) @ scales.reshape(len(scales), -1).T
    near = freedom / 2.0 * (np.linalg.slogdet(scales)[1] - size * np.log(2.0)) - special.multigammaln(freedom / 2.0, size)
    return near - 0.5 * trace - (freedom + size + 1.0) * _log_spread(roots)[:, None]


def _log_spread(roots: np.ndarray) -> np.ndarray:
    """Half the logarithm of the determinant of covariances whose inverses have these triangular roots."""
    return -np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)


@dataclasses.dataclass
class _Scale:
    """Scale that the half-t priors of several series share, half-Cauchy itself: the series say together how wide it is."""

    inverse_square: np.ndarray
    usual: float

    @classmethod
    def start(cls, chains: int, *, usual: float) -> _Scale:
        return cls(np.full(chains, 1.0 / usual**2), usual)

    def draw(self, diagonal: np.ndarray, shape: float, rng: np.random.Generator) -> np.ndarray:
        """Draw the mixing numbers of the priors, shape ``(chains, series)``, given the diagonal of inverse covariances; then the scale."""
        chains, series = diagonal.shape
        mixing = rng.standard_gamma(shape / 2.0, (chains, series)) / (FREEDOM * diagonal + self.inverse_square[:, None])
        second = rng.standard_gamma(1.0, chains) / (1.0 / self.usual**2 + self.inverse_square)
        self.inverse_square = rng.standard_gamma(0.5 + series / 2.0, chains) / (second + mixing.sum(axis=1))
        return mixing


def _draw_series(
    one: Told, place: int, inverse: np.ndarray, season: np.ndarray, shaken: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """One series' effects given what struck the others: shape ``(chains, 1 + seasons + quarters)``."""
    size, quarters = len(one.pull), shaken.shape[2]
    own = inverse[:, place, place]
    prior = np.empty((len(inverse), size))
    prior[:, 0], prior[:, 1:-quarters], prior[:, -quarters:] = 1.0 / FREE, 1.0 / season[:, None], own[:, None]
    pull = np.broadcast_to(one.pull, prior.shape).copy()
    pull[:, -quarters:] += own[:, None] * shaken[:, place] - np.einsum("ck,ckq->cq", inverse[:, place], shaken)
    precision = one.precision + prior[:, :, None] * np.eye(size)
    root = np.linalg.cholesky(precision)
    noise = root @ rng.standard_normal((len(inverse), size, 1))
    return np.linalg.solve(precision, pull[:, :, None] + noise)[:, :, 0]


def _draw_variance(effects: np.ndarray, mixing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Variance of a series' seasons: inverse gamma given the mixing number of its half-t prior (Wand and others 2011)."""
    rate = FREEDOM * mixing + 0.5 * (effects**2).sum(axis=1)
    return rate / rng.standard_gamma((FREEDOM + effects.shape[1]) / 2.0, len(effects))


def _draw_root(scale: np.ndarray, freedom: float, rng: np.random.Generator) -> np.ndarray:
    """Triangular roots of inverse covariances: Wishart, the inverses having these scale matrices."""
    chains, series = scale.shape[:2]
    # Bartlett's decomposition: the triangle's diagonal is chi, what is below it is normal
    triangle = np.tril(rng.standard_normal((chains, series, series)), -1)
    triangle += np.sqrt(2.0 * rng.standard_gamma((freedom - np.arange(series)) / 2.0, (chains, series)))[:, :, None] * np.eye(series)
    return np.linalg.cholesky(np.linalg.inv(scale)) @ triangle
