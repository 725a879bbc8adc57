"""Levels that hold until they change: where a partner's rate stands now, and since when.

In each period a level stays, or with a small probability (the hazard) is drawn anew from the prior of its group.
Given where the changes lie, the levels are conjugate, so that everything is in closed form: sums over the place of
the last change forwards, draws of the changes backwards (Fearnhead 2006, doi:10.1007/s11222-006-8450-8;
Adams and MacKay 2007, arXiv:0710.3742).
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from scipy import special

#: Hazards that are tried.
HAZARDS = (0.0, 0.005, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
#: How much less likely large hazards are beforehand: ``Beta(1, 10)``.
PATIENCE = 9.0
#: Partners that the hazard is fitted to at most.
MOST = 4000


class Levels(Protocol):
    """What a period tells about a level: sums that add up over periods, their evidence, and draws."""

    def evidence(self, sums: tuple[np.ndarray, ...]) -> np.ndarray:
        """Log marginal likelihood of periods with these sums, up to what does not depend on the changes."""
        ...

    def draw(self, sums: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw the level behind these sums from its posterior."""
        ...


@dataclasses.dataclass(frozen=True)
class RateLevels:
    """Poisson counts; the prior of the rate is gamma. Sums: events, exposure.

    ``coupled`` levels are drawn by the quantile function (slower), so that equal generators give draws that stray together.

    Examples
    --------
    >>> levels = RateLevels(np.array([2.0]), np.array([1.0]))
    >>> round(float(np.exp(levels.evidence((np.array([0.0]), np.array([1.0]))))[0]), 4)  # (1/2)^2: negative binomial at 0
    0.25
    """

    shape: np.ndarray
    rate: np.ndarray
    coupled: bool = False

    def evidence(self, sums: tuple[np.ndarray, ...]) -> np.ndarray:
        """Give the negative binomial log likelihood, up to the factorials."""
        events, time = sums
        prior = self.shape * np.log(self.rate) - special.gammaln(self.shape)
        return prior + special.gammaln(self.shape + events) - (self.shape + events) * np.log(self.rate + time)

    def draw(self, sums: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw rates from their gamma posterior."""
        events, time = sums
        shape = self.shape + events
        drawn = special.gammaincinv(shape, rng.random(len(events))) if self.coupled else rng.standard_gamma(shape)
        return drawn / (self.rate + time)


@dataclasses.dataclass(frozen=True)
class ShareLevels:
    """Binomial shares; the prior is beta. Sums: yes, all."""

    yes: float
    no: float

    def evidence(self, sums: tuple[np.ndarray, ...]) -> np.ndarray:
        """Give the beta-binomial log likelihood, up to the binomial coefficients."""
        hits, trials = sums
        return special.betaln(self.yes + hits, self.no + trials - hits) - special.betaln(self.yes, self.no)

    def draw(self, sums: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw shares from their beta posterior."""
        hits, trials = sums
        return rng.beta(self.yes + hits, self.no + np.maximum(trials - hits, 0.0))


@dataclasses.dataclass(frozen=True)
class MeanLevels:
    """Normal means of known precision; the prior is normal. Sums: precision, precision times mean."""

    centre: float
    precision: float

    def evidence(self, sums: tuple[np.ndarray, ...]) -> np.ndarray:
        """Give the normal log likelihood with the mean integrated out, up to what no change touches."""
        weight, weighted = sums
        whole = self.precision + weight
        fit = (weighted + self.precision * self.centre) ** 2 / whole - self.precision * self.centre**2
        return 0.5 * (np.log(self.precision / whole) + fit)

    def draw(self, sums: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw means from their normal posterior."""
        weight, weighted = sums
        whole = self.precision + weight
        return (weighted + self.precision * self.centre) / whole + rng.standard_normal(len(weight)) / np.sqrt(whole)


def spell_evidence(levels: Levels, totals: tuple[np.ndarray, ...]) -> np.ndarray:
    """Evidence that one level held from period ``s`` to period ``t``: shape ``(t, t, n)``, ``-inf`` where ``s > t``.

    Parameters
    ----------
    levels : Levels
        Of ``n`` units.
    totals : tuple of ndarray, shape (n, t + 1)
        Running sums, beginning with 0.
    """
    periods = totals[0].shape[1] - 1
    found = np.full((periods, periods, totals[0].shape[0]), -np.inf)
    for first in range(periods):
        for last in range(first, periods):
            found[first, last] = levels.evidence(tuple(total[:, last + 1] - total[:, first] for total in totals))
    return found


def forward_evidence(spells: np.ndarray, *, hazard: float) -> np.ndarray:
    """Log evidence of everything up to each period: shape ``(t, n)``.

    ``F(t) = log sum_s exp(F(s - 1) + log hazard + (t - s) log(1 - hazard) + spells[s, t])``.

    Examples
    --------
    >>> spells = spell_evidence(ShareLevels(1.0, 1.0), (np.array([[0.0, 1.0, 1.0]]), np.array([[0.0, 1.0, 2.0]])))
    >>> np.exp(forward_evidence(spells, hazard=0.5)).ravel().round(4)  # 1/2, then (1/6 + 1/4) / 2
    array([0.5   , 0.2083])
    """
    periods, _, units = spells.shape
    found = np.zeros((periods, units))
    for last in range(periods):
        found[last] = special.logsumexp(_starts(spells, found, np.full(units, last), hazard)[: last + 1], axis=0)
    return found


def _starts(spells: np.ndarray, forward: np.ndarray, last: np.ndarray, hazard: float) -> np.ndarray:
    """Log weight of each period as the start of the level that holds in ``last``: shape ``(t, n)``."""
    periods, _, units = spells.shape
    with np.errstate(divide="ignore"):
        anew, stays = np.log(hazard), np.log1p(-hazard)
    before = np.vstack([np.zeros((1, units)), forward[:-1] + anew])
    age = np.maximum(last[None, :] - np.arange(periods)[:, None], 0)
    return before + age * stays + spells[:, last, np.arange(units)]


def fit_hazard(spells: np.ndarray) -> float:
    """Find the hazard under which the units as a whole are most likely, large ones being unlikely beforehand."""
    some = spells[:, :, :: max(spells.shape[2] // MOST, 1)]
    scores = [float(forward_evidence(some, hazard=hazard)[-1].sum()) + PATIENCE * np.log1p(-hazard) for hazard in HAZARDS]
    return HAZARDS[int(np.argmax(scores))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LevelPaths:
    """Levels of ``n`` units over ``t`` periods, ready to be drawn.

    Parameters
    ----------
    levels : Levels
        What a period tells.
    totals : tuple of ndarray, shape (n, t + 1)
        Running sums.
    spells, forward : ndarray, shape (t, t, n) and (t, n)
        As of `spell_evidence` and `forward_evidence`.
    hazard : float
        Probability of a change in a period.
    """

    levels: Levels
    totals: tuple[np.ndarray, ...] = dataclasses.field(repr=False)
    spells: np.ndarray = dataclasses.field(repr=False)
    forward: np.ndarray = dataclasses.field(repr=False)
    hazard: float

    def draw(self, rng: np.random.Generator, *, keep: int) -> np.ndarray:
        """Draw the levels of the last ``keep`` periods jointly, given all periods: shape ``(n, keep)``."""
        periods, units = self.forward.shape
        keep = min(keep, periods)
        drawn, columns = np.zeros((units, keep)), np.arange(periods - keep, periods)
        last, rows = np.full(units, periods - 1), np.arange(units)
        while True:
            weights = _starts(self.spells, self.forward, np.maximum(last, 0), self.hazard)
            start = (weights - np.log(rng.standard_exponential(weights.shape))).argmax(axis=0)
            sums = tuple(total[rows, np.maximum(last, 0) + 1] - total[rows, start] for total in self.totals)
            level = self.levels.draw(sums, rng)
            here = (columns >= start[:, None]) & (columns <= last[:, None])
            drawn = np.where(here, level[:, None], drawn)
            last = np.where(last >= columns[0], start - 1, last)
            if (last < columns[0]).all():
                return drawn


def fit_paths(levels: Levels, sums: tuple[np.ndarray, ...], *, hazard: float | None = None) -> LevelPaths:
    """Fit levels that hold until they change.

    Parameters
    ----------
    levels : Levels
        With the priors of ``n`` units.
    sums : tuple of ndarray, shape (n, t)
        What each period tells.
    hazard : float or None
        Probability of a change in a period; fitted to all units together if None.

    Examples
    --------
    >>> counts = np.array([[3.0, 2.0, 4.0, 3.0, 15.0, 14.0]])
    >>> paths = fit_paths(RateLevels(np.array([1.0]), np.array([0.2])), (counts, np.ones((1, 6))), hazard=0.05)
    >>> draws = np.stack([paths.draw(np.random.default_rng(seed), keep=3)[0] for seed in range(200)])
    >>> draws.mean(axis=0).round(0)
    array([ 3., 13., 13.])
    """
    totals = tuple(np.hstack([np.zeros((len(array), 1)), np.cumsum(array, axis=1, dtype=float)]) for array in sums)
    spells = spell_evidence(levels, totals)
    chosen = fit_hazard(spells) if hazard is None else hazard
    return LevelPaths(levels=levels, totals=totals, spells=spells, forward=forward_evidence(spells, hazard=chosen), hazard=chosen)
