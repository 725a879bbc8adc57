"""Futures: what today's partners, and those who will join, come to, quarter after quarter."""

from __future__ import annotations

import numpy as np

from partnerlab.transitions.semi_markov import CLASS_OF_STAY, NEXT_STAY, STAYS, DrawnFlows


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
