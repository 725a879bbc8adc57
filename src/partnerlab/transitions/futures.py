"""Futures: what today's partners, and those who will join, come to, quarter after quarter."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.transitions.courses import Course
from partnerlab.transitions.direct import draw_direct, pooled_shares
from partnerlab.transitions.semi_markov import CLASS_OF_STAY, NEXT_STAY, STAYS, DrawnFlows, draw_flows, fit_flows, read_stays


def step_matrix(drawn: DrawnFlows, chances: list[np.ndarray | None]) -> np.ndarray:
    """Mean matrix of one coming quarter on states and stays: shape ``(s * STAYS, s * STAYS)``.

    Parameters
    ----------
    drawn : DrawnFlows
        Draws of the flows.
    chances : list of (ndarray or None), one for each exit
        As `DrawnFlows.leaving` gives them, for the quarter.
    """
    states = drawn.model.states
    matrix, cells = np.zeros((states, STAYS, states, STAYS)), np.arange(STAYS)
    draws = len(drawn.shares[0])
    rest = np.ones((draws, states, STAYS))
    for way, shares, chance in zip(drawn.model.exits, drawn.shares, chances, strict=True):
        if chance is None:
            continue
        gone = rest[:, way.origins] * chance[:, :, CLASS_OF_STAY]
        matrix[way.origins, :, :, 0] += np.einsum("dos,dot->ost", gone, shares[:, way.origins]) / draws
        rest[:, way.origins] -= gone
    stay = rest.mean(axis=0)
    for state in range(states):
        matrix[state, cells, state, NEXT_STAY] += stay[state]
    return matrix.reshape(states * STAYS, states * STAYS)


def simulate_counts(drawn: DrawnFlows, chances: list[np.ndarray | None], counts: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Let every draw's partners live through one quarter.

    Parameters
    ----------
    drawn : DrawnFlows
        Draws of the flows.
    chances : list of (ndarray or None), one for each exit
        Of this quarter.
    counts : ndarray of int, shape (draws, s, STAYS)
        Partners in each state, by time in it.
    rng : Generator
        Source of chance.

    Returns
    -------
    ndarray of int, shape (draws, s, STAYS)
    """
    rest, fresh = counts.copy(), np.zeros(counts.shape[:2], dtype=np.int64)
    for way, shares, chance in zip(drawn.model.exits, drawn.shares, chances, strict=True):
        if chance is None:
            continue
        gone = rng.binomial(rest[:, way.origins], chance[:, :, CLASS_OF_STAY])
        rest[:, way.origins] -= gone
        for place, origin in enumerate(way.origins):
            left = gone[:, place].sum(axis=1)
            if left.any():
                fresh += rng.multinomial(left, shares[:, origin])
    after = np.zeros_like(rest)
    np.add.at(after, (slice(None), slice(None), NEXT_STAY), rest)
    after[:, :, 0] += fresh
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
    stays : ndarray of int8, shape (n,)
        How long each partner has been in its state today.
    table : ndarray, shape (ahead, s, STAYS, s)
        Chance of each state, by state and time in it today.
    """

    counts: np.ndarray
    joins: np.ndarray
    joining: np.ndarray
    stays: np.ndarray
    table: np.ndarray

    def chances(self, states: np.ndarray, stays: np.ndarray) -> np.ndarray:
        """Chances of partners that stand so: shape ``(m, ahead, s)``."""
        return self.table[:, states, stays].transpose(1, 0, 2)


def semi_markov_future(course: Course, *, ahead: int, draws: int, rng: np.random.Generator, came: np.ndarray, memory: bool) -> Future:
    """Futures quarter by quarter: moves by tier, time in it and season (or, without memory, by tier alone) and shocks."""
    states, steps = len(course.names), np.arange(1, course.codes.shape[1])
    model = fit_flows(course.codes, rank=course.rank, use=course.use, season=course.season(steps), seasons=course.seasons, memory=memory)
    drawn = draw_flows(model, draws=draws, rng=rng)
    stays, now = read_stays(course.codes)[:, -1], course.codes[:, -1]
    here = now >= 0
    start = np.bincount(now[here].astype(np.int64) * STAYS + stays[here], minlength=states * STAYS).reshape(states, STAYS)
    olds, news = np.broadcast_to(start, (draws, states, STAYS)).copy(), np.zeros((draws, states, STAYS), dtype=np.int64)
    reach, counts, joins, table = np.eye(states * STAYS), [], [], []
    for step in range(1, ahead + 1):
        season = int(course.season(course.codes.shape[1] - 1 + step))
        chances = [None if way.fit is None else drawn.leaving(place, season, rng) for place, way in enumerate(model.exits)]
        reach = reach @ step_matrix(drawn, chances)
        olds, news = (simulate_counts(drawn, chances, crowd, rng=rng) for crowd in (olds, news))
        news[:, :, 0] += draw_joiners(came, draws=draws, rng=rng)
        counts.append(olds.sum(axis=2) + news.sum(axis=2))
        joins.append(news.sum(axis=2).mean(axis=0))
        table.append(reach.reshape(states, STAYS, states, STAYS).sum(axis=3))
    if not memory:  # exactly the powers of the matrix
        shares = pooled_shares(course)
        table = [np.repeat(np.linalg.matrix_power(shares, step)[:, None], STAYS, axis=1) for step in range(1, ahead + 1)]
    return Future(counts=np.stack(counts, axis=1), joins=np.stack(joins), joining=_mean(came), stays=stays, table=np.stack(table))


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
    table = [np.repeat(pooled_shares(course, step)[:, None], STAYS, axis=1) for step in range(1, ahead + 1)]
    return Future(
        counts=np.stack(counts, axis=1), joins=np.stack(joins), joining=_mean(came), stays=read_stays(course.codes)[:, -1],
        table=np.stack(table),
    )  # fmt: skip


def _moved(counts: np.ndarray, matrices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each draw's partners, moved by its matrix: shape ``(draws, s)``."""
    return sum(rng.multinomial(counts[:, state], matrices[:, state]) for state in range(counts.shape[1]))


def _mean(came: np.ndarray) -> np.ndarray:
    return came.mean(axis=0) if len(came) else np.zeros(came.shape[1])
