"""What the moves of partners are grouped by to ask of their past, and the same after shuffling within partners."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from partnerlab.stats.states.shuffles import Chains, shuffle_chains
from partnerlab.transitions.pairs import Transitions

#: Pairs shuffled in all, over the replicates: beyond it there are fewer replicates, 99 at least.
MOST_SHUFFLED = 30_000_000
FEWEST_SHUFFLES = 99

#: Group of each pair, -1 where it has none: from replicates of states left, shape ``(replicates, m)``, and which pairs are meant.
Grouping = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runs:
    """Unbroken runs of the pairs of partners.

    Parameters
    ----------
    run : ndarray of int, shape (m,)
        Run of each pair, ``0, 1, ...`` in order.
    first : ndarray of bool, shape (m,)
        Whether a pair opens its run.
    since : ndarray of float, shape (m,)
        At the pair that opens a run, how long the partner had been in its state: periods that were seen.
    entered : ndarray of bool, shape (m,)
        There, whether the entry was seen.
    """

    run: np.ndarray
    first: np.ndarray
    since: np.ndarray
    entered: np.ndarray

    @classmethod
    def of(cls, pairs: Transitions) -> Runs:
        """Read the runs of pairs."""
        first = ~pairs.follows()
        if "time_in_tier" in pairs.covariates.columns:
            known = pairs.covariates["time_in_tier"].to_numpy(dtype=float)
            since = np.nan_to_num(pairs.covariates["time_at_least"].to_numpy(dtype=float), nan=1.0)
        else:
            known, since = np.full(len(pairs), np.nan), np.ones(len(pairs))
        return cls(run=np.cumsum(first) - 1, first=first, since=since, entered=~np.isnan(known))

    def times(self, origin: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Count how long each pair's partner had been in its state, and whether it was seen entering: shape ``(replicates, m)``.

        ``which`` are the pairs that ``origin`` is of: whole runs.
        """
        first, since, entered = self.first[which], self.since[which], self.entered[which]
        changed = np.ones(origin.shape, dtype=bool)
        changed[:, 1:] = (origin[:, 1:] != origin[:, :-1]) | first[1:]
        start = np.maximum.accumulate(np.where(changed, np.arange(origin.shape[1]), 0), axis=1)
        opening = first[start]
        times = np.arange(origin.shape[1]) - start + 1 + np.where(opening, since[start] - 1, 0)
        return times, ~opening | entered[start]


def by_period(pairs: Transitions) -> tuple[Grouping, list[str]]:
    """Group pairs by the period moved into."""
    names = pairs.labels
    _, first, codes = np.unique(pairs.period, return_index=True, return_inverse=True)
    return (lambda origin, which: np.broadcast_to(codes[which], origin.shape)), [str(names[place]) for place in first]


def by_previous(runs: Runs) -> Grouping:
    """Group pairs by the state before the one left."""

    def groups(origin: np.ndarray, which: np.ndarray) -> np.ndarray:
        before = np.full(origin.shape, -1, dtype=np.int64)
        before[:, 1:] = origin[:, :-1]
        return np.where(runs.first[which], -1, before)

    return groups


def by_duration(runs: Runs, longest: int) -> Grouping:
    """Group pairs by the time in the state left: 1, 2, ..., ``longest`` and more."""

    def groups(origin: np.ndarray, which: np.ndarray) -> np.ndarray:
        times, known = runs.times(origin, which)
        return np.where(known | (times >= longest), np.minimum(times, longest) - 1, -1).astype(np.int64)

    return groups


def count_groups(group: np.ndarray, origin: np.ndarray, target: np.ndarray, *, groups: int, states: int) -> np.ndarray:
    """Count the moves of each replicate: shape ``(replicates, groups, states, states)``."""
    replicates = origin.shape[0]
    lead = np.arange(replicates)[:, None] * groups + group
    key = (lead * states + origin) * states + target
    size = groups * states * states
    return np.bincount(key[group >= 0], minlength=replicates * size).reshape(replicates, groups, states, states)


def shuffled_statistics(
    pairs: Transitions,
    runs: Runs,
    grouping: Grouping,
    *,
    groups: int,
    statistic: Callable[[np.ndarray], np.ndarray],
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw a statistic of grouped counts with the moves of every partner in another order: shape ``(draws, ...)``.

    Only runs that a shuffle can change are shuffled; the others are counted once.
    """
    states = len(pairs.states)
    chains = Chains(origin=pairs.origin.astype(np.int64), target=pairs.target.astype(np.int64), run=runs.run, states=states)
    loose = chains.loose()
    fixed, moving = np.flatnonzero(~loose), np.flatnonzero(loose)
    base = np.zeros((1, groups, states, states))
    if len(fixed):
        origin = chains.origin[None, fixed]
        base = count_groups(grouping(origin, fixed), origin, chains.target[None, fixed], groups=groups, states=states)
    if not len(moving):
        return np.repeat(statistic(base), draws, axis=0)
    _, renumbered = np.unique(runs.run[moving], return_inverse=True)
    small = Chains(origin=chains.origin[moving], target=chains.target[moving], run=renumbered, states=states)
    draws = int(np.clip(MOST_SHUFFLED // len(moving), FEWEST_SHUFFLES, draws))
    found = [
        statistic(base + count_groups(grouping(origin, moving), origin, target, groups=groups, states=states))
        for origin, target in shuffle_chains(small, draws=draws, rng=rng)
    ]
    return np.concatenate(found)
