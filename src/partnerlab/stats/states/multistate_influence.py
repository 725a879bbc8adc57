"""What one partner does to a multi-state estimate: the infinitesimal jackknife of the product integral.

The influence of a partner on a distribution p is carried like p itself, ``U(t) = U(t-) (I + dA(t))``, and grows while the
partner is at risk in a state a by ``p_a(t-) / n_a(t) * (e_b - g_a)``, where b is the state it is in after t (a itself where
it does not move) and ``g_a`` the row of ``I + dA``. Partners are independent, their rows are not: all rows of a partner share one U.
The squares add up to the variance, which is right without the Markov property for occupation probabilities and under
re-entry (Therneau's ``survfit`` for multi-state data; Aalen, Borgan and Gjessing 2008, section 3.4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partnerlab.stats.states.multistate import STAYS, MoveCounts, Paths

#: Cells of one block of (partners x times) or (partners x states); keeps memory flat whatever the number of partners.
_BLOCK = 4_000_000


def influence_variance(
    paths: Paths,
    counts: MoveCounts,
    path: np.ndarray,
    *,
    start_influence: np.ndarray | None = None,
    gaps: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of occupation probabilities and of the time spent in each state, partners independent.

    Parameters
    ----------
    paths : Paths
        ``unit`` counts from 0; rows of a unit do not overlap.
    counts : MoveCounts
        Of these paths, possibly over a window of time.
    path : ndarray, shape (k + 1, m, s)
        As `partnerlab.stats.states.multistate.product_integral` gives it.
    start_influence : ndarray, shape (units, s), optional
        Influence of each unit on the starting distribution, the same for all m.
    gaps : ndarray, shape (k + 1,), optional
        Time spent at each step of the path.
    weights : ndarray, shape (units,), optional
        How many partners with the same history a unit stands for.

    Returns
    -------
    variance : ndarray, shape (k + 1, m, s)
    spent : ndarray, shape (m, s)

    Examples
    --------
    One row for each partner, none late: Greenwood's formula.

    >>> paths = Paths(np.zeros(4), np.array([1.0, 2.0, 2.0, 2.0]), np.zeros(4, int), np.array([1, -1, -1, -1]), np.arange(4))
    >>> counts = MoveCounts(time=np.array([1.0]), at_risk=np.array([[4.0, 0.0]]), moves=np.array([[[0.0, 1.0], [0.0, 0.0]]]))
    >>> path = np.array([[[1.0, 0.0]], [[0.75, 0.25]]])
    >>> influence_variance(paths, counts, path)[0][1].round(6).tolist()
    [[0.046875, 0.046875]]
    """
    k, (m, s) = len(counts.time), path.shape[1:]
    units = int(paths.unit.max(initial=-1)) + 1
    order = np.argsort(paths.unit, kind="stable")
    ordered = paths.rows(order)
    enters = np.searchsorted(counts.time, ordered.entry, side="right")
    leaves = np.searchsorted(counts.time, ordered.exit, side="right")
    moved = (ordered.target != STAYS) & (leaves > enters)
    moved &= counts.time[np.maximum(leaves, 1) - 1] == ordered.exit if k else False
    variance, spent = np.zeros((k + 1, m, s)), np.zeros((m, s))
    size = max(1, _BLOCK // max(k + 1, m * s))
    gains = _gains(counts, path)
    places = Paths(enters, leaves, ordered.origin, np.where(moved, ordered.target, STAYS), ordered.unit)
    for first in range(0, units, size):
        last = min(first + size, units)
        mine = places.rows(slice(*np.searchsorted(ordered.unit, [first, last])))
        block = _Block(
            code=_codes(mine._replace(unit=mine.unit - first), units=last - first, k=k, s=s),
            begin=None if start_influence is None else start_influence[first:last],
            weights=np.ones(last - first) if weights is None else weights[first:last],
        )
        _add_squares(variance, spent, block, gains, counts.steps, gaps)
    return variance, spent


class _Block(NamedTuple):
    """Some units: which gain each takes at each time ``(k, units)``, the influence it starts with, and how many it stands for."""

    code: np.ndarray
    begin: np.ndarray | None
    weights: np.ndarray


def _gains(counts: MoveCounts, path: np.ndarray) -> np.ndarray:
    """Growth of the influence for each state before and after, shape ``(k, s * s + 1, m, s)``; the last is out of sight."""
    k, (m, s) = len(counts.time), path.shape[1:]
    share = path[:-1] / np.maximum(counts.at_risk, 1e-300)[:, None, :] * (counts.at_risk > 0)[:, None, :]
    jump = np.eye(s)[None, None, :, :] - counts.steps[:, :, None, :]
    gains = np.zeros((k, s * s + 1, m, s))
    gains[:, : s * s] = np.einsum("kma,kabj->kabmj", share, jump).reshape(k, s * s, m, s)
    return gains


def _codes(places: Paths, *, units: int, k: int, s: int) -> np.ndarray:
    """Which gain each unit takes at each time, shape ``(k, units)``: origin * s + state after, or s * s out of sight."""
    enters, leaves, origin, target, unit = places
    # a stay in origin adds its code where it begins and takes it away where it ends
    stay = origin * s + origin + 1
    change = np.bincount(unit * (k + 1) + enters, weights=stay, minlength=units * (k + 1))
    change -= np.bincount(unit * (k + 1) + leaves, weights=stay, minlength=units * (k + 1))
    code = np.cumsum(change.reshape(units, k + 1), axis=1)[:, :k].round().astype(np.int64) - 1
    code[code < 0] = s * s
    goes = target != STAYS
    code[unit[goes], leaves[goes] - 1] = origin[goes] * s + target[goes]
    return np.ascontiguousarray(code.T)


def _add_squares(
    variance: np.ndarray, spent: np.ndarray, block: _Block, gains: np.ndarray, steps: np.ndarray, gaps: np.ndarray | None
) -> None:
    """Carry the influences of one block of units through time and add their squares."""
    influence = np.zeros((len(block.weights), *spent.shape))
    if block.begin is not None:
        influence += block.begin[:, None, :]
    area = np.zeros_like(influence) if gaps is not None else None
    for place in range(len(steps) + 1):
        if place > 0:
            influence = influence @ steps[place - 1]
            influence += gains[place - 1][block.code[place - 1]]
        variance[place] += np.einsum("i,imj,imj->mj", block.weights, influence, influence)
        if area is not None and gaps is not None:
            area += gaps[place] * influence
    if area is not None:
        spent += np.einsum("i,imj,imj->mj", block.weights, area, area)
