"""Who is at risk at each event time, as sums over rows or patterns: the one thing that Cox models need.

A slot is a time at which somebody's event happened, within a stratum. A row is at risk at slot ``j`` when
``lo <= j < hi``, so sums over risk sets are differences of running totals, and grouped rows become a small table of
counts, slots by patterns.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np

from partnerlab.stats.regressions.patterns import code_values, row_blocks

#: The table of slots by patterns is laid out while it has no more cells than this.
CELLS = 4_000_000
#: Rows summed at a time while there are few slots.
BLOCK = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slots:
    """Event times within strata, and where each row is at risk.

    Parameters
    ----------
    time : ndarray, shape (J,)
        Time of each slot, ascending within its stratum.
    stratum : ndarray of int64, shape (J,)
        Stratum of each slot, ascending.
    hi : ndarray of int32, shape (n,)
        One past the last slot at which a row is at risk; one that has its event has it at ``hi - 1``.
    lo : ndarray, shape (n,), or None
        First slot at which a row is at risk; None where that is the first of all.
    end : ndarray, shape (n,), or None
        One past the last slot of the row's stratum; None where there is one stratum.
    """

    time: np.ndarray
    stratum: np.ndarray
    hi: np.ndarray
    lo: np.ndarray | None = None
    end: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def begins(self) -> np.ndarray:
        """First slot at which each row is at risk, shape ``(n,)``."""
        return np.zeros(len(self.hi), dtype=np.int64) if self.lo is None else self.lo

    def ends(self, rows: np.ndarray) -> np.ndarray:
        """One past the last slot of the stratum of some rows."""
        return np.full(len(rows), len(self), dtype=np.int64) if self.end is None else self.end[rows]


def find_slots(exits: np.ndarray, *, event: np.ndarray, entry: np.ndarray | None = None, stratum: np.ndarray | None = None) -> Slots:
    """Find the event times and the risk sets ``{entry < t <= exit}``.

    Parameters
    ----------
    exits : ndarray, shape (n,)
        End of each row.
    event : ndarray of bool, shape (n,)
        Whether it ended in the event.
    entry : ndarray, shape (n,), or None
        Start of each row; None where all start before the first event.
    stratum : ndarray of int64, shape (n,), or None
        Stratum of each row.

    Examples
    --------
    >>> slots = find_slots(np.array([3, 1, 2]), event=np.array([True, True, False]))
    >>> slots.time.tolist(), slots.hi.tolist()
    ([1, 3], [2, 1, 1])
    """
    event, exits = np.asarray(event, dtype=bool), np.asarray(exits)
    at, levels = _ranks(exits, event)
    if stratum is None:
        lo = None if entry is None else np.searchsorted(levels, np.asarray(entry), side="right")
        return Slots(time=levels, stratum=np.zeros(len(levels), dtype=np.int64), hi=at, lo=lo)
    size = len(levels) + 1
    layer = np.asarray(stratum, dtype=np.int64) * size
    look = _SlotLookup((layer + at)[event], (int(np.max(stratum, initial=0)) + 1) * size)
    begin = layer if entry is None else layer + np.searchsorted(levels, np.asarray(entry), side="right")
    place = (look.keys % size - 1, look.keys // size)
    return Slots(time=levels[place[0]], stratum=place[1], hi=look(layer + at), lo=look(begin), end=look(layer + size - 1))


def _ranks(times: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the event times up to each time, shape ``(n,)``, and the event times."""
    coded = code_values(times, most=4096) if len(times) else None
    if coded is None:
        levels = np.unique(times[event])
        return np.searchsorted(levels, times, side="right"), levels
    seen = np.zeros(2 * coded.size, dtype=np.int64)
    for place in row_blocks(len(times)):
        seen += np.bincount(2 * coded.codes(place) + event[place], minlength=2 * coded.size)
    used = seen[1::2] > 0
    rank, found = np.cumsum(used), np.empty(len(times), dtype=np.int32)
    for place in row_blocks(len(times)):
        found[place] = rank[coded.codes(place)]
    return found, coded.value_of[used]


class _SlotLookup:
    """Counts the slots up to a key: by a table while keys are few, else by bisection."""

    def __init__(self, event_keys: np.ndarray, space: int) -> None:
        self._table = None
        if space <= max(1 << 21, 4 * len(event_keys)):
            used = np.zeros(space, dtype=bool)
            used[event_keys] = True
            self._table, self.keys = np.cumsum(used), np.flatnonzero(used)
        else:
            self.keys = np.unique(event_keys)

    def __call__(self, key: np.ndarray) -> np.ndarray:
        return self._table[key] if self._table is not None else np.searchsorted(self.keys, key, side="right")


class RiskSums(Protocol):
    """Sums over risk sets and over those who have the event, and the same spread back."""

    def risk(self, values: np.ndarray) -> np.ndarray:
        """Sum values (m, k) over those at risk at each slot, shape (J, k)."""

    def died(self, values: np.ndarray) -> np.ndarray:
        """Sum values (m, k) over those with the event at each slot, shape (J, k)."""

    def exposure(self, per_slot: np.ndarray) -> np.ndarray:
        """Sum a number per slot (J,) over the slots that each row is at risk at, shape (m,)."""

    def at_event(self, per_slot: np.ndarray) -> np.ndarray:
        """Give each row the number (J,) of the slots at which it has its event, shape (m,)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSums:
    """Sums by a table of counts, slots by patterns, shape ``(J, m)``."""

    at_risk: np.ndarray
    events: np.ndarray

    def risk(self, values: np.ndarray) -> np.ndarray:  # noqa: D102 - as in RiskSums
        return self.at_risk @ values

    def died(self, values: np.ndarray) -> np.ndarray:  # noqa: D102
        return self.events @ values

    def exposure(self, per_slot: np.ndarray) -> np.ndarray:  # noqa: D102
        return per_slot @ self.at_risk

    def at_event(self, per_slot: np.ndarray) -> np.ndarray:  # noqa: D102
        return per_slot @ self.events


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tail:
    """Rows that stay at risk after their end with a weight that fades (Fine and Gray 1999).

    Parameters
    ----------
    rows : ndarray of int64, shape (c,)
        Rows that ended in a competing way.
    inverse : ndarray, shape (c,)
        One over the chance of not having been censored before their end.
    chance : ndarray, shape (J,)
        Chance of not having been censored before each slot.
    """

    rows: np.ndarray
    inverse: np.ndarray
    chance: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowSums:
    """Sums over rows, in blocks: for continuous covariates."""

    slots: Slots
    event: np.ndarray
    weight: np.ndarray
    tail: Tail | None = None

    def _binned(self, place: np.ndarray, values: np.ndarray) -> np.ndarray:
        size = len(self.slots) + 1
        total = np.zeros((size, values.shape[1]))
        step = BLOCK if size <= BLOCK // 16 else max(len(place), 1)
        for start in range(0, len(place), step):
            part = slice(start, start + step)
            for column in range(values.shape[1]):
                total[:, column] += np.bincount(place[part], weights=values[part, column], minlength=size)
        return total

    def risk(self, values: np.ndarray) -> np.ndarray:  # noqa: D102
        values = values * self.weight[:, None]
        flow = self._binned(self.slots.hi, values)
        if self.slots.lo is not None:
            flow -= self._binned(self.slots.lo, values)
        found = np.cumsum(flow[::-1], axis=0)[::-1][1:]
        if self.tail is not None:
            found = found + self._tail_risk(values)
        return found

    def _tail_risk(self, values: np.ndarray) -> np.ndarray:
        rows = self.tail.rows
        mine = values[rows] * self.tail.inverse[:, None]
        flow = self._binned(self.slots.hi[rows], mine) - self._binned(self.slots.ends(rows), mine)
        return np.cumsum(flow, axis=0)[:-1] * self.tail.chance[:, None]

    def died(self, values: np.ndarray) -> np.ndarray:  # noqa: D102
        rows = np.flatnonzero(self.event)
        return self._binned(self.slots.hi[rows] - 1, values[rows] * self.weight[rows, None])[:-1]

    def exposure(self, per_slot: np.ndarray) -> np.ndarray:  # noqa: D102
        run = np.concatenate([[0.0], np.cumsum(per_slot)])
        found = run[self.slots.hi] if self.slots.lo is None else run[self.slots.hi] - run[self.slots.lo]
        if self.tail is not None:
            run = np.concatenate([[0.0], np.cumsum(per_slot * self.tail.chance)])
            rows = self.tail.rows
            found[rows] += self.tail.inverse * (run[self.slots.ends(rows)] - run[self.slots.hi[rows]])
        return found * self.weight

    def at_event(self, per_slot: np.ndarray) -> np.ndarray:  # noqa: D102
        found = np.zeros(len(self.weight))
        rows = np.flatnonzero(self.event)
        found[rows] = per_slot[self.slots.hi[rows] - 1] * self.weight[rows]
        return found


def tabulate_sums(
    slots: Slots, *, event: np.ndarray, code: np.ndarray, patterns: int, weight: np.ndarray | None = None, tail: Tail | None = None
) -> TableSums | None:
    """Count slots by patterns; None where the table would be too large.

    Examples
    --------
    >>> slots = find_slots(np.array([3, 1, 2]), event=np.array([True, True, False]))
    >>> tabulate_sums(slots, event=np.array([True, True, False]), code=np.array([0, 0, 1]), patterns=2).at_risk.tolist()
    [[2.0, 1.0], [1.0, 0.0]]
    """
    size = len(slots) + 1
    if size * patterns > CELLS:
        return None

    cells = size * patterns

    def count(place: np.ndarray, rows: np.ndarray | None = None, times: np.ndarray | None = None) -> np.ndarray:
        total, step = np.zeros(cells), max(BLOCK, 4 * cells)
        for start in range(0, len(place), step):
            part = slice(start, start + step)
            mine = part if rows is None else rows[part]
            weights = None if weight is None else weight[mine]
            if times is not None:
                weights = times[part] if weights is None else weights * times[part]
            total += np.bincount(place[part].astype(np.int64) * patterns + code[mine], weights=weights, minlength=cells)
        return total.reshape(size, patterns)

    flow, events = _count_events(slots.hi, event, code, patterns, weight=weight, size=size)
    if slots.lo is not None:
        flow -= count(slots.lo)
    at_risk = np.cumsum(flow[::-1], axis=0)[::-1][1:]
    if tail is not None:
        rows = tail.rows
        late = count(slots.hi[rows], rows, tail.inverse) - count(slots.ends(rows), rows, tail.inverse)
        at_risk = at_risk + np.cumsum(late, axis=0)[:-1] * tail.chance[:, None]
    return TableSums(at_risk=at_risk, events=events[1:])


def _count_events(place, event, code, patterns, *, weight, size):
    """Count all rows and those with an event by place and pattern, in one pass, each of shape ``(size, patterns)``."""
    cells = 2 * size * patterns
    total, step = np.zeros(cells), max(BLOCK, 4 * cells)
    for start in range(0, len(place), step):
        part = slice(start, start + step)
        number = (place[part].astype(np.int64) * patterns + code[part]) * 2 + event[part]
        total += np.bincount(number, weights=None if weight is None else weight[part], minlength=cells)
    both = total.reshape(size, patterns, 2)
    return both.sum(axis=2), both[..., 1]
