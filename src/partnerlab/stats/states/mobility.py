"""How much a one-step matrix moves, in one number: mobility indices, and the steady state where there is one.

Shorrocks (1978), doi:10.2307/1911443; Prais (1955), doi:10.2307/2343195; Bartholomew (1973), Stochastic models for social
processes. Standard errors by the influence of each partner, as functions of the matrix.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: A function of the matrix ``(s, s)`` and of the shares of the states left ``(s,)``.
Functional = Callable[[np.ndarray, np.ndarray], np.ndarray]


def shorrocks(matrix: np.ndarray) -> float:
    """Trace index ``(s - tr P) / (s - 1)``: 0 where nobody moves, 1 where the next state does not depend on this one.

    Examples
    --------
    >>> shorrocks(np.array([[0.8, 0.2], [0.4, 0.6]]))
    0.6
    """
    s = len(matrix)
    return float(round((s - np.trace(matrix)) / max(s - 1, 1), 15))


def determinant_index(matrix: np.ndarray) -> float:
    """Shorrocks' determinant index ``1 - |det P|^(1 / (s - 1))``: it sees moves anywhere in the matrix.

    Examples
    --------
    >>> round(determinant_index(np.array([[0.8, 0.2], [0.4, 0.6]])), 6)
    0.6
    """
    return float(1.0 - np.abs(np.linalg.det(matrix)) ** (1.0 / max(len(matrix) - 1, 1)))


def second_eigenvalue(matrix: np.ndarray) -> float:
    """Modulus of the second largest eigenvalue: what is left of a difference after one step, in the long run.

    Examples
    --------
    >>> round(second_eigenvalue(np.array([[0.8, 0.2], [0.4, 0.6]])), 6)
    0.4
    """
    return float(np.sort(np.abs(np.linalg.eigvals(matrix)))[-2]) if len(matrix) > 1 else 0.0


def bartholomew(matrix: np.ndarray, shares: np.ndarray) -> float:
    """Mean number of states crossed in one step, ``sum_i w_i sum_j p_ij |i - j|``; states stand in order.

    Examples
    --------
    >>> round(bartholomew(np.array([[0.8, 0.2], [0.4, 0.6]]), np.array([0.5, 0.5])), 6)
    0.3
    """
    place = np.arange(len(matrix))
    return float(shares @ (matrix * np.abs(place[:, None] - place)).sum(axis=1))


def mean_stays(matrix: np.ndarray) -> np.ndarray:
    """Prais's mean exit times ``1 / (1 - p_ii)`` in steps, infinite where nobody leaves, shape ``(s,)``.

    Examples
    --------
    >>> mean_stays(np.array([[0.75, 0.25], [0.5, 0.5]])).tolist()
    [4.0, 2.0]
    """
    leave = 1.0 - np.diag(matrix)
    return np.divide(1.0, leave, out=np.full(len(leave), np.inf), where=leave > 0)


def steady_state(matrix: np.ndarray) -> np.ndarray:
    """Solve ``w P = w`` with shares that add up to 1, for an irreducible matrix.

    Examples
    --------
    >>> steady_state(np.array([[0.8, 0.2], [0.4, 0.6]])).round(6).tolist()
    [0.666667, 0.333333]
    """
    s = len(matrix)
    system = np.eye(s) - matrix.T
    system[-1] = 1.0
    return np.linalg.solve(system, np.eye(s)[-1])


def closed_classes(matrix: np.ndarray) -> list[list[int]]:
    """List the sets of states that are never left once entered; one with all states means that the matrix is irreducible.

    Examples
    --------
    >>> closed_classes(np.array([[0.5, 0.5], [0.0, 1.0]]))
    [[1]]
    """
    s = len(matrix)
    reach = np.linalg.matrix_power(np.eye(s) + (matrix > 0), s) > 0
    closed = {tuple(np.flatnonzero(reach[state]).tolist()) for state in range(s) if (reach[:, state] | ~reach[state]).all()}
    return [list(one) for one in sorted(closed)]


def pair_influence(functional: Functional, matrix: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
    """Influence of one pair (i, j) on functions of the matrix, shape ``(k, s, s)``.

    Parameters
    ----------
    functional : callable
        ``(matrix, shares) -> (k,)``.
    matrix : ndarray, shape (s, s)
    at_risk : ndarray, shape (s,)
        Pairs out of each state.

    Examples
    --------
    The share of the first cell: (hit - share) / n.

    >>> pair_influence(lambda p, w: p[0, :1], np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([10.0, 10.0]))[0].round(6).tolist()
    [[0.05, -0.05], [0.0, 0.0]]
    """
    s, total = len(matrix), max(float(at_risk.sum()), 1.0)
    shares, step = at_risk / total, 1e-6
    by_cell = np.stack([_slope(functional, matrix, shares, (i, j), step) for i in range(s) for j in range(s)], axis=-1).reshape(-1, s, s)
    by_share = np.stack([_share_slope(functional, matrix, shares, i, step) for i in range(s)], axis=-1)
    own = by_cell - np.einsum("kij,ij->ki", by_cell, matrix)[:, :, None]
    known = np.maximum(at_risk, 1.0)
    return own / known[None, :, None] + ((by_share - (by_share @ shares)[:, None]) / total)[:, :, None]


def _slope(functional: Functional, matrix: np.ndarray, shares: np.ndarray, at: tuple[int, int], step: float) -> np.ndarray:
    moved = [matrix.copy(), matrix.copy()]
    moved[0][at] += step
    moved[1][at] -= step
    return (functional(moved[0], shares) - functional(moved[1], shares)) / (2.0 * step)


def _share_slope(functional: Functional, matrix: np.ndarray, shares: np.ndarray, at: int, step: float) -> np.ndarray:
    change = np.zeros(len(shares))
    change[at] = step
    return (functional(matrix, shares + change) - functional(matrix, shares - change)) / (2.0 * step)
