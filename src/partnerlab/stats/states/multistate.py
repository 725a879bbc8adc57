"""Multi-state models without assumptions on time: risk sets by state, the product integral, and its Greenwood variance.

A row ``(entry, exit]`` in state ``origin`` is at risk of a move at ``t`` when ``entry < t <= exit``; ties are kept.
States are small integers; moves may go back and forth. The estimator is that of Aalen and Johansen (1978),
Scandinavian Journal of Statistics 5; notation and variance follow Andersen, Borgan, Gill and Keiding (1993),
Statistical models based on counting processes, section IV.4.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

#: Target of a row that ended without a move.
STAYS = -1

#: Whole times up to this one are counted by `numpy.bincount`; others by sorting.
_WHOLE_LIMIT = 4096


class Paths(NamedTuple):
    """Rows of shape ``(n,)``: in ``origin`` on ``(entry, exit]``, then to ``target`` (or `STAYS`); ``unit`` is the partner's code."""

    entry: np.ndarray
    exit: np.ndarray
    origin: np.ndarray
    target: np.ndarray
    unit: np.ndarray

    def rows(self, mask: np.ndarray) -> Paths:
        """Keep the rows where ``mask`` is True."""
        return Paths(*(column[mask] for column in self))


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveCounts:
    """Who could have moved at each time, and who did.

    Parameters
    ----------
    time : ndarray, shape (k,)
        Distinct times of moves, ascending.
    at_risk : ndarray, shape (k, s)
        Rows at risk in each state.
    moves : ndarray, shape (k, s, s)
        Moves from state to state; the diagonal is 0.
    """

    time: np.ndarray
    at_risk: np.ndarray
    moves: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """Factors of the product integral, ``I + dA``, shape ``(k, s, s)``; a state nobody is in keeps what it holds."""
        rate = self.moves / np.maximum(self.at_risk, 1e-300)[:, :, None]
        states = rate.shape[1]
        rate[:, np.arange(states), np.arange(states)] = 1.0 - rate.sum(axis=2)
        return rate

    def window(self, start: float, stop: float = np.inf) -> MoveCounts:
        """Keep the times in ``(start, stop]``."""
        used = (self.time > start) & (self.time <= stop)
        return MoveCounts(time=self.time[used], at_risk=self.at_risk[used], moves=self.moves[used])


def count_moves(paths: Paths, states: int, *, weights: np.ndarray | None = None) -> MoveCounts:
    """Count risk sets and moves at every time at which anybody moved.

    Parameters
    ----------
    paths : Paths
    states : int
    weights : ndarray, shape (n,), optional
        How often each row counts.

    Examples
    --------
    Two partners in state 0; one moves to 1 at time 1, the other is seen until 2.

    >>> paths = Paths(np.zeros(2), np.array([1.0, 2.0]), np.zeros(2, int), np.array([1, -1]), np.arange(2))
    >>> counts = count_moves(paths, 2)
    >>> counts.at_risk.tolist(), counts.moves[0].tolist()
    ([[2.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]])
    """
    moved = paths.target != STAYS
    time = distinct_times(paths.exit[moved])
    k = len(time)
    enters, leaves = np.searchsorted(time, paths.entry, side="right"), np.searchsorted(time, paths.exit, side="right")
    cells = states * (k + 1)
    came = np.bincount(paths.origin * (k + 1) + enters, weights=weights, minlength=cells)
    gone = np.bincount(paths.origin * (k + 1) + leaves, weights=weights, minlength=cells)
    at_risk = np.cumsum((came - gone).reshape(states, k + 1), axis=1)[:, :k].T
    # whole weights leave no rest of subtraction behind
    at_risk = at_risk if weights is None else np.where(at_risk > 1e-9 * max(1.0, float(np.max(weights, initial=0.0))), at_risk, 0.0)
    cell = ((leaves[moved] - 1) * states + paths.origin[moved]) * states + paths.target[moved]
    moves = np.bincount(cell, weights=None if weights is None else weights[moved], minlength=k * states * states)
    return MoveCounts(time=time, at_risk=at_risk.astype(float), moves=moves.reshape(k, states, states).astype(float))


def distinct_times(values: np.ndarray) -> np.ndarray:
    """Distinct values in order; whole numbers up to a few thousand without sorting.

    Examples
    --------
    >>> distinct_times(np.array([3.0, 1.0, 3.0])).tolist()
    [1.0, 3.0]
    """
    if len(values) and values.min() >= 0 and values.max() < _WHOLE_LIMIT:
        whole = values.astype(np.int64)
        if np.array_equal(whole, values):
            return np.flatnonzero(np.bincount(whole)).astype(float)
    return np.unique(values).astype(float)


def product_integral(steps: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Carry distributions over the states through the steps, shape ``(k + 1, m, s)``.

    Parameters
    ----------
    steps : ndarray, shape (k, s, s)
        Factors ``I + dA`` (see `MoveCounts.steps`).
    start : ndarray, shape (m, s)
        One distribution a row; the identity gives the matrix P(s, t).

    Examples
    --------
    >>> product_integral(np.array([[[0.5, 0.5], [0.0, 1.0]]] * 2), np.array([[1.0, 0.0]]))[:, 0].tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]]
    """
    path = np.empty((len(steps) + 1, *start.shape))
    path[0] = start
    for at, step in enumerate(steps):
        path[at + 1] = path[at] @ step
    return path


def greenwood_variance(
    counts: MoveCounts,
    path: np.ndarray,
    *,
    start_variance: np.ndarray | None = None,
    gaps: np.ndarray | None = None,
    poisson: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Greenwood-type variance of occupation probabilities, and of the time spent in each state.

    At each time the rows of ``dA`` are independent multinomial shares, so the covariance of a distribution p grows by
    ``sum_a p_a^2 (diag(g_a) - g_a g_a') / n_a`` with ``g_a`` the row of ``I + dA``, after being carried on by
    ``I + dA`` (Andersen et al. 1993, 4.4.19; what R's etm and mstate call the Greenwood estimator).

    Parameters
    ----------
    counts : MoveCounts
    path : ndarray, shape (k + 1, m, s)
        As `product_integral` gives it.
    start_variance : ndarray, shape (m, s, s), optional
        Covariance of the starting distributions where these are estimates.
    gaps : ndarray, shape (k + 1,), optional
        Time spent at each step of the path; asks for the variance of the time spent in each state.
    poisson : bool
        Take moves as counts of their own rather than as shares of those at risk: Aalen's variance, a little wider, which is
        that of fitted hazards and what R's mstate gives by default.

    Returns
    -------
    variance : ndarray, shape (k + 1, m, s)
    spent : ndarray, shape (m, s)
        Variance of ``sum_t gap_t p(t)``; zeros without ``gaps``.

    Examples
    --------
    With one way to go it is Greenwood's formula: 4 at risk, 1 leaves.

    >>> counts = MoveCounts(time=np.array([1.0]), at_risk=np.array([[4.0, 0.0]]), moves=np.array([[[0.0, 1.0], [0.0, 0.0]]]))
    >>> path = product_integral(counts.steps, np.array([[1.0, 0.0]]))
    >>> greenwood_variance(counts, path)[0][1].round(6).tolist()
    [[0.046875, 0.046875]]
    """
    k, (m, s) = len(counts.time), path.shape[1:]
    steps, at = counts.steps, np.arange(s)
    covariance = np.zeros((m, s, s)) if start_variance is None else start_variance.copy()
    with_area, area = np.zeros((m, s, s)), np.zeros((m, s, s))
    gap = np.zeros(k + 1) if gaps is None else gaps
    variance = np.empty((k + 1, m, s))
    for place in range(k + 1):
        if place > 0:
            step = steps[place - 1]
            weight = path[place - 1] ** 2 / np.maximum(counts.at_risk[place - 1], 1e-300) * (counts.at_risk[place - 1] > 0)
            grown = np.einsum("ma,ajl->mjl", weight, _spread(step, poisson=poisson))
            covariance = step.T @ covariance @ step + grown
            with_area = with_area @ step
        variance[place] = covariance[:, at, at]
        # the area grows by gap * p(t): carry its covariance with p(t) along
        area += gap[place] * (with_area + with_area.transpose(0, 2, 1)) + gap[place] ** 2 * covariance
        with_area = with_area + gap[place] * covariance
    return np.maximum(variance, 0.0), np.maximum(area[:, at, at], 0.0)


def _spread(step: np.ndarray, *, poisson: bool) -> np.ndarray:
    """Covariance of the cells of each row of ``I + dA``, times the number at risk, shape ``(s, s, s)``."""
    s = len(step)
    at = np.arange(s)
    if not poisson:
        found = -step[:, :, None] * step[:, None, :]
        found[:, at, at] += step
        return found
    rate = np.where(np.eye(s, dtype=bool), 0.0, step)
    found = np.zeros((s, s, s))
    found[:, at, at] = rate
    # a move into j is one out of a
    found[at, at, :] -= rate
    found[at, :, at] -= rate
    found[at, at, at] += rate.sum(axis=1)
    return found


def starting_shares(paths: Paths, states: int, start: float, *, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rows under observation just after ``start`` (``entry <= start < exit``) and how many are in each state.

    Examples
    --------
    >>> paths = Paths(np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([0, 1]), np.array([1, -1]), np.zeros(2, int))
    >>> starting_shares(paths, 2, 1.0)[1].tolist()
    [0.0, 1.0]
    """
    there = (paths.entry <= start) & (paths.exit > start)
    own = None if weights is None else weights[there]
    return there, np.bincount(paths.origin[there], weights=own, minlength=states).astype(float)
