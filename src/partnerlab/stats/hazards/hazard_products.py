"""From regressions on each move to probabilities of states: products of steps of fitted hazards, and their variance."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.states.matrix_exponential import directional, exponentials
from partnerlab.stats.states.multistate import product_integral


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveHazards:
    """Fitted hazards of k moves of one partner at T times, and what their variance needs.

    Parameters
    ----------
    time : ndarray, shape (T,)
    origin, target : ndarray of int, shape (k,)
    hazard : ndarray, shape (T, k)
        Steps of the cumulative hazards.
    spread : ndarray, shape (T, k, k)
        Covariance of the steps at given coefficients; moves with one baseline go together.
    slope : ndarray, shape (T, k, p)
        Derivative of the steps by the coefficients.
    before : ndarray, shape (k, p)
        The same of the cumulative hazards up to the time at which the steps begin.
    """

    time: np.ndarray
    origin: np.ndarray
    target: np.ndarray
    hazard: np.ndarray
    spread: np.ndarray
    slope: np.ndarray
    before: np.ndarray

    def moves(self, states: int) -> np.ndarray:
        """Give what one unit of each move's hazard does to a step, shape ``(k, s, s)``: one into the target, one out of the origin."""
        found = np.zeros((len(self.origin), states, states))
        at = np.arange(len(self.origin))
        found[at, self.origin, self.target] += 1.0
        found[at, self.origin, self.origin] -= 1.0
        return found

    def leaving(self, states: int) -> np.ndarray:
        """Give what is left of each state at each time by all moves together, shape ``(T, s)``: over 1 is more than all."""
        found = np.zeros((states, len(self.time)))
        np.add.at(found, self.origin, self.hazard.T)
        return found.T


def carry(
    hazards: MoveHazards, start: np.ndarray, covariance: np.ndarray, *, exponential: bool = False, increments: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Carry distributions through fitted hazards, with the variance from both baseline and coefficients.

    Parameters
    ----------
    hazards : MoveHazards
        After the time at which the distributions hold.
    start : ndarray, shape (m, s)
    covariance : ndarray, shape (p, p)
        Of the coefficients.
    exponential : bool
        Steps ``exp(dA)`` instead of ``I + dA``: a rate that is constant between two times rather than moves at one (R's
        ``survfit`` of a multi-state ``coxph``; ``stype = 1`` there is the product).
    increments : bool
        Treat the growth of the cumulative hazards' covariance as that of independent steps (R's mstate; de Wreede, Fiocco and
        Putter 2010, doi:10.1016/j.cmpb.2010.01.001) instead of carrying the derivative by the coefficients along.

    Returns
    -------
    path, variance : ndarray, shape (T + 1, m, s)

    Examples
    --------
    One move with a known coefficient: the variance of exp(-A) is about p^2 times that of A.

    >>> one = MoveHazards(time=np.ones(1), origin=np.array([0]), target=np.array([1]), hazard=np.array([[0.1]]),
    ...                   spread=np.array([[[0.01]]]), slope=np.zeros((1, 1, 1)), before=np.zeros((1, 1)))
    >>> path, variance = carry(one, np.array([[1.0, 0.0]]), np.zeros((1, 1)))
    >>> path[1].tolist(), variance[1].round(6).tolist()
    ([[0.9, 0.1]], [[0.01, 0.01]])
    >>> path, _ = carry(one, np.array([[1.0, 0.0]]), np.zeros((1, 1)), exponential=True)
    >>> path[1].round(4).tolist()
    [[0.9048, 0.0952]]
    """
    (m, s), moves = start.shape, hazards.moves(start.shape[1])
    change = np.einsum("tk,kij->tij", hazards.hazard, moves)
    steps = exponentials(change) if exponential else np.eye(s) + change
    path = product_integral(steps, start)
    spread = hazards.spread
    if increments:
        total = np.cumsum(np.concatenate([hazards.before[None], hazards.slope]), axis=0)
        spread = spread + np.diff(np.einsum("tkp,pq,tlq->tkl", total, covariance, total), axis=0)
    own, by_coefficient = np.zeros((m, s, s)), np.zeros((m, s, covariance.shape[0]))
    variance = np.zeros(path.shape)
    for at, step in enumerate(steps):
        # what a unit of each move's hazard at this time does to the distribution
        by_move = directional(np.broadcast_to(change[at], moves.shape), moves) if exponential else moves
        moved = np.einsum("ma,kaj->mkj", path[at], by_move)
        own = step.T @ own @ step + np.einsum("mki,kl,mlj->mij", moved, spread[at], moved)
        if not increments:
            by_coefficient = step.T @ by_coefficient + np.einsum("mkj,kp->mjp", moved, hazards.slope[at])
        variance[at + 1] = np.diagonal(own, axis1=1, axis2=2) + np.einsum("mjp,pq,mjq->mj", by_coefficient, covariance, by_coefficient)
    return path, np.maximum(variance, 0.0)
