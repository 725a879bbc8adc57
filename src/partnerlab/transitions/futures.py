"""Futures: what today's partners, and those who will join, come to, quarter after quarter."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.transitions.courses import Course
from partnerlab.transitions.direct import draw_direct, pooled_shares
from partnerlab.transitions.flow_draws import DrawnFlows, draw_flows
from partnerlab.transitions.joiners import draw_joiners
from partnerlab.transitions.semi_markov import Exit, fit_flows
from partnerlab.transitions.stays import (
    BANDS,
    CLASS_OF_STAY,
    JOINED,
    KINDS,
    MOVED,
    NEXT_STAY,
    STAYS,
    USUAL,
    YET_TO_JOIN,
    band_of_tenure,
    coming_clock,
    read_kinds,
    read_stays,
    read_tenure,
)

#: Partners told apart all the way: by how restless they are and by when they joined.
GROUPS = KINDS * BANDS
#: Groups of those who will join, and of all others where nothing is remembered.
COMING, ANYBODY = USUAL * BANDS + YET_TO_JOIN, USUAL * BANDS + YET_TO_JOIN + 1
ENTRIES = (JOINED, MOVED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crowd:
    """Partners by where they stand, in every draw.

    Parameters
    ----------
    cells : ndarray of int, shape (m,)
        Index into (state, group, stay), ascending; only cells where anybody can be.
    counts : ndarray of int, shape (draws, m)
        Partners in each.
    reach : ndarray, shape (cells today, m)
        Mean chance to be there, by where a partner stands today.
    states : int
        Number of states.
    """

    cells: np.ndarray
    counts: np.ndarray
    reach: np.ndarray
    states: int

    @property
    def places(self) -> tuple[np.ndarray, ...]:
        """State, group and stay of each cell."""
        return np.unravel_index(self.cells, (self.states, GROUPS, STAYS))

    def by_state(self, values: np.ndarray) -> np.ndarray:
        """Sum values of cells, shape ``(n, m)``, over the cells of each state: ``(n, s)``."""
        return np.stack([values[:, self.places[0] == state].sum(axis=1) for state in range(self.states)], axis=1)


def entry_stay(way: Exit) -> int:
    """Stay in which those who take an exit begin: back from having lapsed they have joined, all others have moved."""
    return JOINED if way.name == "return" else MOVED


def live_a_quarter(drawn: DrawnFlows, crowd: Crowd, *, season: int, clock: np.ndarray, rng: np.random.Generator) -> Crowd:
    """Let every draw's partners live through one quarter, in which others join.

    Parameters
    ----------
    drawn : DrawnFlows
        Draws of the flows.
    crowd : Crowd
        Partners before.
    season, clock : int, ndarray of shape (BANDS, CLASSES)
        Of the quarter: season, and logarithm of time as a member.
    rng : Generator
        Source of chance.
    """
    state, group, stay = crowd.places
    shocks, rest, chance_left = drawn.shocks(rng), crowd.counts.copy(), np.ones(crowd.counts.shape)
    came = np.zeros((len(ENTRIES), len(rest), crowd.states, GROUPS), dtype=np.int64)
    moves = np.zeros((len(ENTRIES), len(crowd.cells), crowd.states))
    for place, (way, shares) in enumerate(zip(drawn.model.exits, drawn.shares, strict=True)):
        at = np.flatnonzero(np.isin(state, way.origins))
        if drawn.effects[place] is None or not len(at):
            continue
        told = np.stack([state[at], group[at] // BANDS, group[at] % BANDS, CLASS_OF_STAY[stay[at]]])
        different, same = np.unique(told, axis=1, return_inverse=True)
        struck = shocks[:, place, different[0]]
        chance = drawn.leaving(place, drawn.model.rows(way, different, season, clock), struck)[:, same.ravel()]
        gone, entry = _draw_leavers(rest[:, at], chance, rng), ENTRIES.index(entry_stay(way))
        rest[:, at] -= gone
        odds = chance_left[:, at] * chance / len(rest)
        chance_left[:, at] *= 1.0 - chance
        for origin in np.unique(state[at]):
            here = state[at] == origin
            moves[entry, at[here]] += odds[:, here].T @ shares[:, origin]
            came[entry] += _destinations(gone[:, here], group[at[here]], shares[:, origin], rng).swapaxes(1, 2)
    came[ENTRIES.index(JOINED), :, :, COMING] += drawn.joining.draw(shocks[:, -1, -1], rng)
    return _next_crowd(crowd, rest, chance_left.mean(axis=0), came, moves)


def _draw_leavers(size: np.ndarray, chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Binomial counts; most cells of most draws are empty, and are not drawn for."""
    gone, there = np.zeros(size.shape, dtype=np.int64), size > 0
    gone[there] = rng.binomial(size[there], chance[there])
    return gone


def _destinations(gone: np.ndarray, group: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where those who leave a state go, by group: shape ``(draws, GROUPS, s)``; cells of a group stand side by side."""
    groups, starts = np.unique(group, return_index=True)
    left, found = np.add.reduceat(gone, starts, axis=1), np.zeros((len(gone), GROUPS, share.shape[1]), dtype=np.int64)
    ways = np.flatnonzero(share.any(axis=0))
    found[:, groups[:, None], ways] = left[:, :, None] if len(ways) == 1 else rng.multinomial(left, share[:, None, ways])
    return found


def _next_crowd(crowd: Crowd, rest: np.ndarray, stays: np.ndarray, came: np.ndarray, moves: np.ndarray) -> Crowd:
    """Put those who stayed, and those who came, into the cells of the next quarter."""
    shape = (crowd.states, GROUPS, STAYS)
    state, group, stay = crowd.places
    aged = np.ravel_multi_index((state, group, NEXT_STAY[stay]), shape)
    entry, target, entered = np.nonzero(came.any(axis=1) | _possible(moves, group))
    fresh = np.ravel_multi_index((target, entered, np.array(ENTRIES)[entry]), shape)
    cells = np.unique(np.concatenate([aged, fresh]))
    step, counts = np.zeros((len(crowd.cells), len(cells))), np.zeros((len(rest), len(cells)), dtype=np.int64)
    into = np.searchsorted(cells, aged)
    np.add.at(step, (np.arange(len(aged)), into), stays)
    np.add.at(counts.T, into, rest.T)
    counts[:, np.searchsorted(cells, fresh)] += came[entry, :, target, entered].T
    for one in np.unique(group):
        mine, new = np.flatnonzero(group == one), np.flatnonzero(entered == one)
        step[np.ix_(mine, np.searchsorted(cells, fresh[new]))] += moves[entry[new], :, target[new]][:, mine].T
    return Crowd(cells=cells, counts=counts, reach=crowd.reach @ step, states=crowd.states)


def _possible(moves: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Whether anybody of a group can enter a state: shape ``(entries, s, GROUPS)``."""
    found = np.zeros((len(ENTRIES), moves.shape[2], GROUPS), dtype=bool)
    for one in np.unique(group):
        found[:, :, one] = moves[:, group == one].any(axis=1)
    return found


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
    model = fit_flows(
        course.codes, rank=course.rank, use=course.use, season=course.season(steps), seasons=course.seasons, memory=memory,
        possible=course.possible,
    )  # fmt: skip
    drawn = draw_flows(model, came=came, draws=draws, rng=rng, shared=course.shared)
    now, length = course.codes[:, -1].astype(np.int64), course.codes.shape[1]
    kind, stay, tenure = (read(course.codes, course.tiers)[:, -1] for read in (read_kinds, read_stays, read_tenure))
    group = kind.astype(np.int64) * BANDS + band_of_tenure(tenure, length) if memory else np.full(len(now), ANYBODY)
    code = np.where(now >= 0, np.ravel_multi_index((np.maximum(now, 0), group, stay), (states, GROUPS, STAYS)), -1)
    cells, count = np.unique(code[code >= 0], return_counts=True)
    crowd = Crowd(cells=cells, counts=np.broadcast_to(count, (draws, len(count))), reach=np.eye(len(cells)), states=states)
    counts, joins, table = [], [], []
    for step in range(1, ahead + 1):
        season, clock = int(course.season(length - 1 + step)), coming_clock(tenure, quarters=length, step=step, ages=model.ages)
        crowd = live_a_quarter(drawn, crowd, season=season, clock=clock, rng=rng)
        counts.append(crowd.by_state(crowd.counts))
        joins.append(crowd.by_state(crowd.counts * (crowd.places[1] == COMING)).mean(axis=0))
        table.append(crowd.by_state(crowd.reach))
    if not memory:  # exactly the powers of the matrix
        shares = pooled_shares(course)
        today = cells // (GROUPS * STAYS)
        table = [np.linalg.matrix_power(shares, step)[today] for step in range(1, ahead + 1)]
    return Future(
        counts=np.stack(counts, axis=1),
        joins=np.stack(joins),
        joining=_mean(came),
        cells=np.where(code >= 0, np.searchsorted(cells, code), -1),
        table=np.stack(table),
    )


def direct_future(course: Course, *, ahead: int, draws: int, rng: np.random.Generator, came: np.ndarray, memory: bool) -> Future:
    """Futures by shares counted as many quarters apart as are forecast; joiners move on by the shares of the quarters left to them."""
    del memory
    states, now = len(course.names), course.codes[:, -1]
    today = np.bincount(now[now >= 0], minlength=states)
    matrices = [np.broadcast_to(np.eye(states), (draws, states, states))]
    matrices += [draw_direct(course, step, draws=draws, rng=rng) for step in range(1, ahead + 1)]
    joiners = draw_joiners(came, ahead=ahead, draws=draws, rng=rng)
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
