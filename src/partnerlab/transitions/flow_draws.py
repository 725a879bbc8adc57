"""Draws of what is not known of the flows: effects, how far shocks common to all reach, joiners, and where those who leave go."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.shrinkage.common_shocks import draw_common_shocks
from partnerlab.stats.shrinkage.mixed_logit import MixedLogit
from partnerlab.stats.shrinkage.told_effects import Told
from partnerlab.transitions.joiners import KEPT, Joining, fit_joining, joining_of, level_places, stray, tell
from partnerlab.transitions.semi_markov import QUARTER, SEASON, Exit, FlowModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawnFlows:
    """Draws of what is not known of a flow model.

    Parameters
    ----------
    model : FlowModel
        What was fitted.
    effects : tuple of (ndarray or None), each of shape (draws, p)
        Effects of each exit.
    shares : tuple of ndarray, each of shape (draws, s, s)
        Where those who leave go.
    roots : ndarray, shape (draws, exits + 1, exits + 1)
        Roots of the covariance of one quarter's shocks to the exits' log-odds and to the logarithm of the joiners.
    apart : ndarray, shape (draws, exits + 1)
        Standard deviation of one quarter's shocks to each state for itself, all exits alike, and to joining; 0 for exits never seen.
    convex : ndarray, shape (exits,)
        Mean square of the quarters' effects: what of the spread of shocks is in the level already.
    joining : Joining
        Draws of who joins.
    """

    model: FlowModel
    effects: tuple[np.ndarray | None, ...]
    shares: tuple[np.ndarray, ...]
    roots: np.ndarray
    apart: np.ndarray
    convex: np.ndarray
    joining: Joining

    def shocks(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the shocks of one coming quarter, on log-odds: Student's t of the covariance drawn.

        Shape ``(draws, exits + 1, states + 1)``: by exit and by state left; joining is the last exit out of a state of its own.
        """
        normal, draws = rng.standard_normal((*self.roots.shape[:2], 1)), len(self.roots)
        own = self.apart[:, :, None] * rng.standard_normal((draws, 1, self.model.states + 1))
        return (self.roots @ normal + own) * stray(draws, rng)[:, :, None]

    def leaving(self, place: int, rows: np.ndarray, shocks: np.ndarray) -> np.ndarray:
        """Probability of an exit out of the cells whose design rows and shocks, shape ``(draws, m)``, are given: of that shape."""
        line = self.effects[place] @ rows.T
        middle, spread = line.mean(axis=0), np.median((self.roots[:, place] ** 2).sum(axis=1) + self.apart[:, place] ** 2)
        # the moves seen tell the mean rate, not the mean log-odds: without this, doubt and shocks alone would speed all up
        slower = (0.5 - special.expit(middle)) * (line.var(axis=0) + spread - self.convex[place])
        return special.expit(line + shocks - slower)


def draw_flows(model: FlowModel, *, came: np.ndarray, draws: int, rng: np.random.Generator, shared: bool = True) -> DrawnFlows:
    """Draw effects, the covariance of shocks, and shares of destinations.

    Effects are not widened by a design effect: the partners forecast are those whose quarters were read, so what sets
    a partner apart stays with it and does not have to be guessed for another.

    Parameters
    ----------
    model : FlowModel
        What was fitted.
    came : ndarray, shape (quarters, s)
        Joiners of each of the last quarters by state.
    draws : int
        How many.
    rng : Generator
        Source of chance.
    shared : bool
        Whether the quarters are the same for all partners; otherwise no shock is common to them.
    """
    size = len(model.exits)
    struck = [place for place, way in enumerate(model.exits) if shared and way.fit is not None and way.counts.any()]
    told = [tell(model.exits[place].fit, (SEASON, QUARTER)) for place in struck]
    joins = fit_joining(came)
    if joins is not None:
        told.append(_late(tell(joins, (0,)), model.quarters))
    roots, apart = np.zeros((draws, size + 1, size + 1)), np.zeros((draws, size + 1))
    pace, pick = np.zeros(draws), np.arange(draws)
    effects: list[np.ndarray | None] = [None] * size
    if told:
        tiers = [model.exits[place].origins for place in struck] + [np.array([model.states])] * (joins is not None)
        common = draw_common_shocks(told, quarters=model.quarters, kept=min(KEPT, draws), rng=rng, tiers=tiers)
        pick %= len(common.roots)
        there = np.array([*struck, *([size] if joins is not None else [])])
        roots[np.ix_(np.arange(draws), there, there)], apart[:, there] = common.roots[pick], common.apart[pick, None]
        for place, level in zip(struck, common.effects, strict=False):
            effects[place] = _given_levels(model.exits[place].fit, level[pick], rng)
        pace = common.effects[-1][pick, 0] - common.effects[-1][:, 0].mean() if joins is not None else pace
    for place, way in enumerate(model.exits):
        if way.fit is not None and effects[place] is None:
            effects[place] = way.fit.effects + rng.standard_normal((draws, len(way.fit.effects))) @ _root(way.fit.covariance).T
    convex = np.zeros(size)
    convex[struck] = [np.mean(model.exits[place].fit.effects[model.exits[place].fit.block(QUARTER)] ** 2) for place in struck]
    return DrawnFlows(
        model=model, effects=tuple(effects), shares=tuple(_draw_shares(way, draws, rng, memory=model.memory) for way in model.exits),
        roots=roots, apart=apart, convex=convex, joining=joining_of(came, pace, rng),
    )  # fmt: skip


def _given_levels(fit: MixedLogit, levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw all effects of an exit given its level, its seasons and its quarters: shape ``(draws, p)``."""
    at = level_places(fit, (SEASON, QUARTER))
    rest = np.setdiff1d(np.arange(len(fit.effects)), at)
    pull = np.linalg.solve(fit.covariance[np.ix_(at, at)], fit.covariance[np.ix_(at, rest)])
    left = fit.covariance[np.ix_(rest, rest)] - fit.covariance[np.ix_(rest, at)] @ pull
    drawn = np.empty((len(levels), len(fit.effects)))
    drawn[:, at] = levels
    drawn[:, rest] = fit.effects[rest] + (levels - fit.effects[at]) @ pull
    drawn[:, rest] += rng.standard_normal((len(levels), len(rest))) @ _root(left).T
    return drawn


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _late(one: Told, quarters: int) -> Told:
    """Lay what the last few quarters say among all quarters."""
    size, late = 1 + quarters, len(one.pull) - 1
    at = np.array([0, *range(size - late, size)])
    precision, pull = np.zeros((size, size)), np.zeros(size)
    precision[np.ix_(at, at)], pull[at] = one.precision, one.pull
    return Told(precision=precision, pull=pull)


def _draw_shares(way: Exit, draws: int, rng: np.random.Generator, *, memory: bool) -> np.ndarray:
    """Dirichlet rows: the moves seen and half a move, spread over the states that can be reached this way."""
    reached = way.reach
    if not memory:
        reached = way.reach & ((way.counts.sum(axis=0) > 0) | (way.counts.sum() == 0))
        reached = np.where(reached.any(axis=1, keepdims=True), reached, way.reach)
    prior = 0.5 * reached / np.maximum(reached.sum(axis=1, keepdims=True), 1)
    drawn = rng.standard_gamma(np.broadcast_to(way.counts + prior, (draws, *way.counts.shape)))
    total = drawn.sum(axis=2, keepdims=True)
    return np.where(total > 0, drawn / np.where(total > 0, total, 1.0), 0.0)
