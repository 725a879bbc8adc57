"""Subdistribution hazards (Fine and Gray 1999): those who left in another way stay at risk, with a weight that fades.

The weight is the chance of not having been censored by then, given that one was not at the competing ending; with
delayed entry times the chance of having entered (Geskus 2011). No row is copied: weights are products of a number of
the row and a number of the slot.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.hazards.cox import CoxRows, Partial
from partnerlab.stats.hazards.risk_slots import RowSums, Slots, Tail


@dataclasses.dataclass(frozen=True, kw_only=True)
class Censoring:
    """Observation as a process of its own.

    Parameters
    ----------
    exits : ndarray, shape (n,)
        End of each row.
    entry : ndarray, shape (n,), or None
        Start of each row.
    censored : ndarray of bool, shape (n,)
        Rows that ended without any event.
    after : bool
        Whether at a tied time events come before censoring, as in R's ``finegray``; else both at once, as in ``crr``.
    """

    exits: np.ndarray
    entry: np.ndarray | None
    censored: np.ndarray
    after: bool = False

    def counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Count, at each time of censoring, rows at risk of it, and rows censored."""
        times, d = np.unique(self.exits[self.censored], return_counts=True)
        n = len(self.exits) - np.searchsorted(np.sort(self.exits), times, side="left")
        if self.entry is not None:
            n = n - (len(self.entry) - np.searchsorted(np.sort(self.entry), times, side="left"))
        if self.after:
            ends = np.sort(self.exits[~self.censored])
            n = n - (np.searchsorted(ends, times, side="right") - np.searchsorted(ends, times, side="left"))
        return times, n, d

    def last_gap(self) -> float | None:
        """Latest time at which rows enter though nobody else is under observation; None where there is none.

        There the chance of being under observation falls to 0, and no weight reaches across it.
        """
        if self.entry is None:
            return None
        times, d = np.unique(self.entry, return_counts=True)
        inside = np.searchsorted(np.sort(self.entry), times, side="right") - np.searchsorted(np.sort(self.exits), times, side="right")
        gaps = times[1:][(inside <= d)[1:]]
        return float(gaps[-1]) if len(gaps) else None

    def chance(self, at: np.ndarray) -> np.ndarray:
        """Chance of being under observation just before each time, up to a factor."""
        times, n, d = self.counts()
        stay = np.concatenate([[1.0], np.cumprod(1.0 - d / np.maximum(n, 1))])
        found = stay[np.searchsorted(times, at, side="left")]
        if self.entry is None or not (self.entry > self.entry.min()).any():
            return found
        times, d = np.unique(self.entry, return_counts=True)
        inside = np.searchsorted(np.sort(self.entry), times, side="right") - np.searchsorted(np.sort(self.exits), times, side="right")
        # backwards in time entries are endings; nobody is at risk before the first of them
        before = np.cumprod((1.0 - d / np.maximum(inside, 1))[::-1])[::-1]
        entered = np.concatenate([before, [1.0]])
        return found * np.maximum(entered[np.searchsorted(times, at, side="left")], 1e-12)


def make_tail(slots: Slots, *, observed: Censoring, competing: np.ndarray) -> Tail:
    """Weights of those who ended in another way."""
    rows = np.flatnonzero(competing)
    return Tail(rows=rows, inverse=1.0 / observed.chance(observed.exits[rows]), chance=observed.chance(slots.time))


def censoring_scores(partial: Partial, rows: CoxRows, beta: np.ndarray, *, sums: RowSums, observed: Censoring) -> np.ndarray:
    """Give what each row adds to the score because the weights are estimated, shape ``(n, p)``; without delayed entry.

    The second term of the variance in Fine and Gray (1999, section 5), as in R's ``cmprsk::crr``.
    """
    tail, slots = sums.tail, rows.slots
    found = partial.terms(beta)
    drift, _ = found.drift()
    times, n, d = observed.counts()
    ratio = (found.ratio if rows.code is None else found.ratio[rows.code])[tail.rows] * tail.inverse
    design = (partial.design if rows.code is None else partial.design[rows.code])[tail.rows]
    # competing endings before u, times what happens from u on: crr's reading of ties
    after = np.searchsorted(slots.time, times, side="left")
    late = [_remaining(values)[after] for values in (found.hazard[:, None] * tail.chance[:, None], drift * tail.chance[:, None])]
    order = np.argsort(observed.exits[tail.rows], kind="stable")
    upto = np.searchsorted(observed.exits[tail.rows][order], times, side="left")
    early = [_so_far(values[order])[upto] for values in (ratio[:, None] * design, ratio[:, None])]
    pull = (early[0] * late[0] - early[1] * late[1]) / n[:, None]
    run = _so_far(pull * (d / n)[:, None])
    out = -run[np.searchsorted(times, observed.exits, side="right")]
    gone = np.flatnonzero(observed.censored)
    out[gone] += pull[np.searchsorted(times, observed.exits[gone])]
    return out


def _so_far(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def _remaining(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.cumsum(values[::-1], axis=0)[::-1], np.zeros((1, values.shape[1]))])
