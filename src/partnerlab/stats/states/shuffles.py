"""Shuffling a chain without changing what it says of its own matrix.

All paths with the same first state and the same moves are equally likely under any Markov chain (Diaconis and Freedman 1980).
So, shuffled within each partner, a statistic of memory or of drift has its exact law, however much partners differ.
The shuffle reorders the exits from each state and leaves the last exit of each in its place: then the path never
runs dry, because last exits lead to the end (van Aardenne-Ehrenfest and de Bruijn 1951).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

#: Pairs shuffled at a time, all replicates together.
BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chains:
    """Unbroken runs of pairs, one after the other.

    Parameters
    ----------
    origin, target : ndarray of int, shape (m,)
        Each pair begins where the one before it in its run ended.
    run : ndarray of int, shape (m,)
        Run of each pair, ``0, 1, ...`` in order.
    states : int
        Number of states.
    """

    origin: np.ndarray
    target: np.ndarray
    run: np.ndarray
    states: int

    @property
    def starts(self) -> np.ndarray:
        """First pair of each run."""
        return np.flatnonzero(np.r_[True, self.run[1:] != self.run[:-1]]) if len(self.run) else np.zeros(0, dtype=np.int64)

    def loose(self) -> np.ndarray:
        """Pairs of the runs that a shuffle can change, as a mask of shape ``(m,)``: exits before the last of a state differ."""
        stack = self.run * self.states + self.origin
        order = np.argsort(stack, kind="stable")
        kept, reached = stack[order], self.target[order]
        last = np.r_[kept[1:] != kept[:-1], True]
        free = np.where(last, -1, reached)
        first = np.r_[True, kept[1:] != kept[:-1]]
        head = np.maximum.accumulate(np.where(first, np.arange(len(kept)), 0))
        differs = ~last & ~last[head] & (free != free[head])
        found = np.zeros(int(self.run[-1]) + 1 if len(self.run) else 0, dtype=bool)
        found[self.run[order[differs]]] = True
        return found[self.run]


def shuffle_chains(chains: Chains, *, draws: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffle every run again and again.

    Yields
    ------
    origin, target : ndarray, shape (replicates, m)
        Blocks of shuffled chains; ``draws`` replicates in all.

    Examples
    --------
    >>> chains = Chains(origin=np.array([0, 0, 1, 0]), target=np.array([0, 1, 0, 0]), run=np.zeros(4, int), states=2)
    >>> origin, target = next(shuffle_chains(chains, draws=200, rng=np.random.default_rng(0)))
    >>> sorted({tuple(row) for row in target.tolist()})
    [(0, 1, 0, 0), (1, 0, 0, 0)]
    """
    m = len(chains.origin)
    if m == 0:
        return
    size = max(1, BLOCK // m)
    for done in range(0, draws, size):
        yield _shuffle_block(chains, min(size, draws - done), rng)


def _shuffle_block(chains: Chains, replicates: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    m, states = len(chains.origin), chains.states
    stack = chains.run * states + chains.origin
    order = np.argsort(stack, kind="stable")
    kept = stack[order]
    last = np.r_[kept[1:] != kept[:-1], True]
    keys = rng.random((replicates, m))
    keys[:, last] = 1.0
    # exits of each stack in a new order, the last in its place
    place = np.argsort(kept[None, :] * 2.0 + keys, axis=1)
    exits = chains.target[order][place]
    first = np.full((int(chains.run[-1]) + 1) * states, 0, dtype=np.int64)
    opened = np.flatnonzero(np.r_[True, kept[1:] != kept[:-1]])
    first[kept[opened]] = opened
    return _walk(chains, exits, first, replicates)


def _walk(chains: Chains, exits: np.ndarray, first: np.ndarray, replicates: int) -> tuple[np.ndarray, np.ndarray]:
    """Follow the exits from the first state of each run; all runs and replicates take a step together."""
    m, states, starts = len(chains.origin), chains.states, chains.starts
    length = np.diff(np.r_[starts, m])
    origin = np.empty((replicates, m), dtype=chains.origin.dtype)
    target = np.empty((replicates, m), dtype=chains.origin.dtype)
    pointer = np.tile(first, (replicates, 1))
    here = np.tile(chains.origin[starts], (replicates, 1))
    rows = np.arange(replicates)[:, None]
    for step in range(int(length.max())):
        runs = np.flatnonzero(length > step)
        at = here[:, runs]
        stack = runs * states + at
        reached = exits[rows, pointer[rows, stack]]
        pointer[rows, stack] += 1
        origin[:, starts[runs] + step], target[:, starts[runs] + step] = at, reached
        here[:, runs] = reached
    return origin, target
