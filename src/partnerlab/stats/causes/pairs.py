"""Pairs of a treated and an untreated row that looked alike beforehand: nearest pairs of a block first, each row used once.

Rosenbaum and Rubin (1985), American Statistician 39: a caliper of 0.2 standard deviations of the log-odds.
"""

from __future__ import annotations

import numpy as np

#: Farthest that the two of a pair may lie apart, in standard deviations of the log-odds of treatment.
CALIPER = 0.2
#: Neighbours of each treated row that are tried.
NEIGHBOURS = 12


def pair_within_blocks(
    points: np.ndarray, treated: np.ndarray, block: np.ndarray, *, caliper: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Pair treated with untreated rows of the same block, nearest pairs first.

    Parameters
    ----------
    points : float array, shape (m,) or (m, k)
        By which rows look alike; distances are Euclidean.
    treated : bool array, shape (m,)
    block : int array, shape (m,)
        Rows of different blocks (quarters) are never paired.
    caliper : float
        Farthest distance of a pair.

    Returns
    -------
    first, second : int array, shape (p,)
        Rows of the treated and of the untreated of each pair.

    Examples
    --------
    >>> first, second = pair_within_blocks(np.array([0.0, 0.1, 5.0, 0.05]), np.array([True, False, False, True]), np.zeros(4, dtype=int))
    >>> first.tolist(), second.tolist()
    ([3, 0], [1, 2])
    """
    from scipy.spatial import cKDTree

    treated, points = np.asarray(treated, dtype=bool), np.asarray(points, dtype=float).reshape(len(treated), -1)
    pairs = [np.zeros((2, 0), dtype=np.int64)]
    for value in np.unique(block[treated]):
        here = np.flatnonzero(block == value)
        on, off = here[treated[here]], here[~treated[here]]
        if not len(off):
            continue
        apart, near = cKDTree(points[off]).query(points[on], k=np.arange(1, min(NEIGHBOURS, len(off)) + 1), distance_upper_bound=caliper)
        found = _nearest_first(apart, near, len(off))
        pairs.append(np.stack([on[found[0]], off[found[1]]]))
    first, second = np.hstack(pairs)
    return first, second


def _nearest_first(apart: np.ndarray, near: np.ndarray, many: int) -> np.ndarray:
    """Take the closest pairs of those left, round by round: of all that want an untreated row its nearest gets it."""
    free = np.append(np.ones(many, dtype=bool), False)
    left, kept = np.arange(len(apart)), [np.zeros((2, 0), dtype=np.int64)]
    while len(left):
        open_ = np.where(free[near[left]], apart[left], np.inf)
        at = open_.argmin(axis=1)
        distance = open_[np.arange(len(left)), at]
        left, at, distance = left[np.isfinite(distance)], at[np.isfinite(distance)], distance[np.isfinite(distance)]
        chosen = near[left, at]
        order = np.lexsort((distance, chosen))
        wins = order[np.concatenate([[True], np.diff(chosen[order]) > 0])] if len(order) else order
        kept.append(np.stack([left[wins], chosen[wins]]))
        free[chosen[wins]] = False
        left = np.delete(left, wins)
    return np.hstack(kept)
