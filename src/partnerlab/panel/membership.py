"""Who is a member when: states and exposure from the days of joining and leaving."""

from __future__ import annotations

import itertools

import numpy as np

from partnerlab.panel.parts import Membership

_NEVER = np.datetime64("9999-12-31", "D")
_EVER = np.datetime64("0001-01-01", "D")


def membership(
    *, joined: np.ndarray, left: np.ndarray, edges: np.ndarray, until: np.datetime64 | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Place every partner in every period.

    Parameters
    ----------
    joined, left : ndarray of datetime64[D], shape (n,)
        First day as a member, first day no longer one; NaT is since before, and still.
    edges : ndarray of datetime64[D], shape (t + 1,)
        First days of the periods, and the day after the last.
    until : datetime64[D] or None
        First day that the data no longer cover: the state of a period that it cuts is that of the day before.

    Returns
    -------
    state : ndarray of int8, shape (n, t)
        `Membership` at the end of each period.
    exposure : ndarray of float32, shape (n, t)
        Share of the period's days as a member.

    Examples
    --------
    >>> days = np.array(["2026-01-01", "2026-04-01", "2026-07-01"], dtype="datetime64[D]")
    >>> state, exposure = membership(joined=days[1:2] - 9, left=days[2:] - 61, edges=days)
    >>> state.tolist(), (100 * exposure).round().tolist()
    ([[1, 2]], [[10.0, 33.0]])
    """
    start = np.where(np.isnat(joined), _EVER, joined)
    stop = np.where(np.isnat(left), _NEVER, left)
    shape = (len(start), len(edges) - 1)
    state = np.empty(shape, dtype=np.int8)
    exposure = np.empty(shape, dtype=np.float32)
    for column, (opens, closes) in enumerate(itertools.pairwise(edges)):
        end = closes if until is None else max(min(closes, until), opens)
        state[:, column] = np.where(start >= end, Membership.NOT_YET, np.where(stop < end, Membership.LAPSED, Membership.ACTIVE))
        days = (np.minimum(stop, end) - np.maximum(start, opens)).astype(np.int64)
        exposure[:, column] = np.maximum(days, 0) / np.int64(closes - opens).astype(np.int64)
    return state, exposure
