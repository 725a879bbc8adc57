"""Counting moves: from code arrays to one sparse row per partner and from-tier."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

#: Partners counted at a time: keeps the dense table of a block in the processor's cache.
BLOCK = 1 << 15


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowRows:
    """Moves of each partner out of each state it was ever at risk in.

    Parameters
    ----------
    partner : ndarray of int64, shape (m,)
        Position of the partner.
    group : ndarray of int64, shape (m,)
        Segment of the partner, 0 where there is none.
    origin : ndarray of int64, shape (m,)
        State it moved from.
    hits : ndarray of int32, shape (m, states)
        How often it went to each state.
    """

    partner: np.ndarray
    group: np.ndarray
    origin: np.ndarray
    hits: np.ndarray

    @property
    def trials(self) -> np.ndarray:
        """Times at risk, shape ``(m,)``."""
        return self.hits.sum(axis=1)


def _blocks(partners: int) -> Iterator[slice]:
    yield from (slice(start, min(start + BLOCK, partners)) for start in range(0, partners, BLOCK))


def flow_rows(codes: np.ndarray, states: int, *, use: np.ndarray | None = None, group: np.ndarray | None = None) -> FlowRows:
    """Count each partner's one-period moves.

    Parameters
    ----------
    codes : ndarray of int, shape (n, t)
        State of each partner in each period; anything outside ``0..states-1`` is not observed.
    states : int
        Number of states.
    use : ndarray of bool, shape (t - 1,), or None
        Which pairs of neighbouring periods count.
    group : ndarray of int, shape (n,), or None
        Segment of each partner; negative leaves the partner out.

    Returns
    -------
    FlowRows
        Pairs that are not observed at both ends are in neither numerator nor denominator.

    Examples
    --------
    >>> rows = flow_rows(np.array([[0, 0, 1], [1, -1, 1]], dtype=np.int8), 2)
    >>> rows.partner, rows.origin, rows.hits.tolist()
    (array([0]), array([0]), [[1, 1]])
    """
    codes = np.asarray(codes)
    partners, periods = codes.shape
    steps = np.arange(max(periods - 1, 0))
    steps = steps if use is None else steps[np.asarray(use, dtype=bool)]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for block in _blocks(partners):
        origin, target = codes[block][:, steps].astype(np.int32), codes[block][:, steps + 1].astype(np.int32)
        row = np.broadcast_to(np.arange(origin.shape[0], dtype=np.int64)[:, None], origin.shape)
        seen = (origin >= 0) & (origin < states) & (target >= 0) & (target < states)
        key = ((row * states + origin) * states + target)[seen]
        table = np.bincount(key, minlength=origin.shape[0] * states * states).reshape(-1, states)
        busy = np.flatnonzero(table.any(axis=1))
        found.append((busy + block.start * states, table[busy].astype(np.int32)))
    place = np.concatenate([where for where, _ in found]) if found else np.zeros(0, dtype=np.int64)
    hits = np.concatenate([table for _, table in found]) if found else np.zeros((0, states), dtype=np.int32)
    partner, origin = np.divmod(place, states)
    segment = np.zeros(len(partner), dtype=np.int64) if group is None else np.asarray(group, dtype=np.int64)[partner]
    keep = segment >= 0
    return FlowRows(partner=partner[keep], group=segment[keep], origin=origin[keep], hits=hits[keep])


def stack_rows(parts: list[FlowRows]) -> FlowRows:
    """Put rows counted apart (such as quarter by quarter) under one another."""
    return FlowRows(
        partner=np.concatenate([part.partner for part in parts]),
        group=np.concatenate([part.group for part in parts]),
        origin=np.concatenate([part.origin for part in parts]),
        hits=np.concatenate([part.hits for part in parts]),
    )


def move_counts(codes: np.ndarray, states: int, *, use: np.ndarray | None = None) -> np.ndarray:
    """Count the moves of all partners together: shape ``(states, states)``, from by to.

    Examples
    --------
    >>> move_counts(np.array([[0, 0, 1, 1], [1, -1, 1, 0]], dtype=np.int8), 2).tolist()
    [[1, 1], [1, 1]]
    """
    return step_counts(codes, states, use=use).sum(axis=0)


def step_counts(codes: np.ndarray, states: int, *, use: np.ndarray | None = None) -> np.ndarray:
    """Count the moves of each step: shape ``(steps, states, states)``."""
    codes = np.asarray(codes)
    steps = np.arange(max(codes.shape[1] - 1, 0))
    steps = steps if use is None else steps[np.asarray(use, dtype=bool)]
    counts = np.zeros((len(steps), states * states), dtype=np.int64)
    for position, step in enumerate(steps):
        origin, target = codes[:, step].astype(np.int32), codes[:, step + 1].astype(np.int32)
        seen = (origin >= 0) & (origin < states) & (target >= 0) & (target < states)
        counts[position] = np.bincount((origin * states + target)[seen], minlength=states * states)
    return counts.reshape(-1, states, states)


def partner_counts(codes: np.ndarray, states: int, *, use: np.ndarray | None = None) -> np.ndarray:
    """Count every partner's moves densely: shape ``(n, states, states)``, int32."""
    rows = flow_rows(codes, states, use=use)
    dense = np.zeros((np.asarray(codes).shape[0], states, states), dtype=np.int32)
    dense[rows.partner, rows.origin] = rows.hits
    return dense
