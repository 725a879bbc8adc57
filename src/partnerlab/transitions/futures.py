"""Futures: what today's partners, and those who will join, come to, quarter after quarter."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.transitions.courses import Course
from partnerlab.transitions.direct import draw_direct, pooled_shares
from partnerlab.transitions.semi_markov import (
    CLASS_OF_STAY,
    CLASSES,
    JOINED,
    KINDS,
    MOVED,
    NEXT_STAY,
    STAYS,
    USUAL,
    DrawnFlows,
    Exit,
    draw_flows,
    fit_flows,
    read_kinds,
    read_stays,
)


def step_matrices(drawn: DrawnFlows, chances: list[np.ndarray | None]) -> np.ndarray:
    """Mean matrices of one coming quarter on states and stays, one for each kind of partner: ``(KINDS, s * STAYS, s * STAYS)``.

    Parameters
    ----------
    drawn : DrawnFlows
        Draws of the flows.
    chances : list of (ndarray or None), one for each exit
        As `DrawnFlows.chances` gives them, for the quarter.
    """
    states, cells = drawn.model.states, np.arange(STAYS)
    matrices = np.zeros((KINDS, states, STAYS, states, STAYS))
    draws = len(drawn.shares[0])
    rest = np.ones((draws, states, KINDS, CLASSES))
    for way, shares, chance in zip(drawn.model.exits, drawn.shares, chances, strict=True):
        if chance is None:
            continue
        gone = rest[:, way.origins] * chance
        reached = np.einsum("dokc,dot->kotc", gone, shares[:, way.origins]) / draws
        entered = matrices[..., entry_stay(way)]
        entered[:, way.origins] += reached[:, :, :, CLASS_OF_STAY].transpose(0, 1, 3, 2)
        rest[:, way.origins] -= gone
    stay = rest.mean(axis=0)[:, :, CLASS_OF_STAY].transpose(1, 0, 2)
    for state in range(states):
        matrices[:, state, cells, state, NEXT_STAY] += stay[:, state]
    return matrices.reshape(KINDS, states * STAYS, states * STAYS)


def entry_stay(way: Exit) -> int:
    """Stay in which those who take an exit begin: back from having lapsed they have joined, all others have moved."""
    return JOINED if way.name == "return" else MOVED


def simulate_counts(drawn: DrawnFlows, chances: list[np.ndarray | None], counts: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Let every draw's partners live through one quarter.

    Parameters
    ----------
    drawn : DrawnFlows
        Draws of the flows.
    chances : list of (ndarray or None), one for each exit
        Of this quarter.
    counts : ndarray of int, shape (draws, s, KINDS, STAYS)
        Partners in each state, by kind and time in it.
    rng : Generator
        Source of chance.

    Returns
    -------
    ndarray of int, shape (draws, s, KINDS, STAYS)
    """
    rest, fresh = counts.copy(), {entry: np.zeros(counts.shape[:3], dtype=np.int64) for entry in (JOINED, MOVED)}
    busy = counts.any(axis=(0, 1, 3))
    for way, shares, chance in zip(drawn.model.exits, drawn.shares, chances, strict=True):
        if chance is None:
            continue
        for kind in np.flatnonzero(busy):
            crowd = rest[:, way.origins, kind]
            gone = rng.binomial(crowd, chance[:, :, kind][:, :, CLASS_OF_STAY])
            rest[:, way.origins, kind] -= gone
            left = gone.sum(axis=2)
            for place in np.flatnonzero(left.any(axis=0)):
                fresh[entry_stay(way)][:, :, kind] += rng.multinomial(left[:, place], shares[:, way.origins[place]])
    after = np.zeros_like(rest)
    for stay in range(STAYS):
        after[..., NEXT_STAY[stay]] += rest[..., stay]
    for entry, came in fresh.items():
        after[..., entry] += came
    return after


def draw_joiners(came: np.ndarray, *, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one quarter's joiners: a recent quarter drawn, then Poisson around it, spread over tiers as of late.

    Parameters
    ----------
    came : ndarray, shape (quarters, s)
        Joiners of each recent quarter by state.

    Returns
    -------
    ndarray of int, shape (draws, s)

    Examples
    --------
    >>> draw_joiners(np.array([[100, 0], [100, 0]]), draws=2000, rng=np.random.default_rng(0)).mean(axis=0).round()
    array([100.,   0.])
    """
    if not len(came) or not came.sum():
        return np.zeros((draws, came.shape[1]), dtype=np.int64)
    size = rng.poisson(came.sum(axis=1)[rng.integers(0, len(came), draws)])
    return rng.multinomial(size, came.sum(axis=0) / came.sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Future:
    """Simulated futures of a program, and the chances of each partner.

    Parameters
    ----------
    counts : ndarray of int, shape (draws, ahead, s)
        Partners in each state, joiners included.
    joins : ndarray, shape (ahead, s)
        Mean of those among them who had yet to join.
    joining : ndarray, shape (s,)
        Mean joiners of a quarter.
    cells : ndarray of int, shape (n,)
        Where each partner stands today: row of ``table``, -1 where it is not observed.
    table : ndarray, shape (ahead, cells, s)
        Chance of each state, by where a partner stands.
    """

    counts: np.ndarray
    joins: np.ndarray
    joining: np.ndarray
    cells: np.ndarray
    table: np.ndarray

    def chances(self, rows: np.ndarray) -> np.ndarray:
        """Chances of some of the partners: shape ``(m, ahead, s)``."""
        return self.table[:, self.cells[rows]].transpose(1, 0, 2)


def semi_markov_future(course: Course, *, ahead: int, draws: int, rng: np.random.Generator, came: np.ndarray, memory: bool) -> Future:
    """Futures quarter by quarter: moves by tier, time in it and season (or, without memory, by tier alone) and shocks."""
    states, steps = len(course.names), np.arange(1, course.codes.shape[1])
    model = fit_flows(course.codes, rank=course.rank, use=course.use, season=course.season(steps), seasons=course.seasons, memory=memory)
    drawn = draw_flows(model, draws=draws, rng=rng)
    now, kind, stay = (
        course.codes[:, -1].astype(np.int64),
        read_kinds(course.codes, course.tiers)[:, -1],
        read_stays(course.codes, course.tiers)[:, -1],
    )
    if not memory:
        kind = np.full_like(kind, USUAL)
    shape = (states, KINDS, STAYS)
    cells = np.where(now >= 0, np.ravel_multi_index((np.maximum(now, 0), kind, stay), shape), -1)
    start = np.bincount(cells[cells >= 0], minlength=states * KINDS * STAYS).reshape(shape)
    olds, news = np.broadcast_to(start, (draws, *shape)).copy(), np.zeros((draws, *shape), dtype=np.int64)
    reach, counts, joins, table = np.eye(states * STAYS), [], [], []
    for step in range(1, ahead + 1):
        season = int(course.season(course.codes.shape[1] - 1 + step))
        chances = drawn.chances(season, rng)
        reach = reach @ step_matrices(drawn, chances)
        olds, news = (simulate_counts(drawn, chances, crowd, rng=rng) for crowd in (olds, news))
        news[:, :, USUAL, JOINED] += draw_joiners(came, draws=draws, rng=rng)
        counts.append((olds + news).sum(axis=(2, 3)))
        joins.append(news.sum(axis=(2, 3)).mean(axis=0))
        table.append(reach.reshape(KINDS, states, STAYS, states, STAYS).sum(axis=4).swapaxes(0, 1).reshape(-1, states))
    if not memory:  # exactly the powers of the matrix
        shares = pooled_shares(course)
        table = [np.repeat(np.linalg.matrix_power(shares, step), KINDS * STAYS, axis=0) for step in range(1, ahead + 1)]
    return Future(counts=np.stack(counts, axis=1), joins=np.stack(joins), joining=_mean(came), cells=cells, table=np.stack(table))


def direct_future(course: Course, *, ahead: int, draws: int, rng: np.random.Generator, came: np.ndarray, memory: bool) -> Future:
    """Futures by shares counted as many quarters apart as are forecast; joiners move on by the shares of the quarters left to them."""
    del memory
    states, now = len(course.names), course.codes[:, -1]
    today = np.bincount(now[now >= 0], minlength=states)
    matrices = [np.broadcast_to(np.eye(states), (draws, states, states))]
    matrices += [draw_direct(course, step, draws=draws, rng=rng) for step in range(1, ahead + 1)]
    joiners = [draw_joiners(came, draws=draws, rng=rng) for _ in range(ahead)]
    counts, joins = [], []
    for step in range(1, ahead + 1):
        late = sum(_moved(joiners[at], matrices[step - 1 - at], rng) for at in range(step))
        counts.append(_moved(np.broadcast_to(today, (draws, states)), matrices[step], rng) + late)
        joins.append(late.mean(axis=0))
    table = np.stack([pooled_shares(course, step) for step in range(1, ahead + 1)])
    cells = now.astype(np.int64)
    return Future(counts=np.stack(counts, axis=1), joins=np.stack(joins), joining=_mean(came), cells=cells, table=table)


def _moved(counts: np.ndarray, matrices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each draw's partners, moved by its matrix: shape ``(draws, s)``."""
    return sum(rng.multinomial(counts[:, state], matrices[:, state]) for state in range(counts.shape[1]))


def _mean(came: np.ndarray) -> np.ndarray:
    return came.mean(axis=0) if len(came) else np.zeros(came.shape[1])
