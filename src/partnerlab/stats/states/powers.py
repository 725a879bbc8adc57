"""Several steps ahead by one matrix: its powers, and how sure they are."""

from __future__ import annotations

import numpy as np


def matrix_power_errors(counts: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities after several steps, and their standard errors by the delta method.

    Parameters
    ----------
    counts : ndarray, shape (s, s)
        Moves, or effective moves under clustering, from by to. A state without any stays where it is.
    steps : int
        Steps ahead, 0 or more.

    Returns
    -------
    shares, errors : ndarray, shape (s, s)
        ``P^k``, with rows of ``P`` independent multinomials: the variance is
        ``sum_i (sum_j p_ij J_ij^2 - (sum_j p_ij J_ij)^2) / n_i`` with ``J_ij = sum_m (P^m)_ai (P^(k-1-m))_jb``.

    Notes
    -----
    The powers of one matrix are what happens only if the process is Markov and stays as it is: partners that
    differ, or that move less the longer they stay, make them overstate movement.

    Examples
    --------
    >>> shares, errors = matrix_power_errors(np.array([[90, 10], [0, 0]]), 2)
    >>> shares.round(2).tolist(), errors.round(3).tolist()
    ([[0.81, 0.19], [0.0, 1.0]], [[0.054, 0.054], [0.0, 0.0]])
    """
    counts = np.asarray(counts, dtype=float)
    at_risk = counts.sum(axis=1)
    shares = np.where(at_risk[:, None] > 0, counts / np.maximum(at_risk, 1e-300)[:, None], np.eye(len(counts)))
    power, slopes = matrix_powers(shares, steps)
    inner = np.einsum("ij,abij->abi", shares, slopes**2) - np.einsum("ij,abij->abi", shares, slopes) ** 2
    weight = np.where(at_risk > 0, 1.0 / np.where(at_risk > 0, at_risk, 1.0), 0.0)
    return power, np.sqrt(np.maximum(inner @ weight, 0.0))


def matrix_powers(shares: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Power of a matrix, and its derivatives by the cells of one: shapes ``(s, s)`` and ``(s, s, s, s)``.

    Examples
    --------
    >>> power, slopes = matrix_powers(np.array([[0.5, 0.5], [0.0, 1.0]]), 2)
    >>> power.tolist(), slopes[0, 0, 0, 0]
    ([[0.25, 0.75], [0.0, 1.0]], np.float64(1.0))
    """
    states = len(shares)
    powers = [np.eye(states)]
    for _ in range(steps):
        powers.append(powers[-1] @ shares)
    slopes = np.zeros((states, states, states, states))
    for step in range(steps):
        slopes += np.einsum("ai,jb->abij", powers[step], powers[steps - 1 - step])
    return powers[steps], slopes


def clustered_power_errors(hits: np.ndarray, *, cluster: np.ndarray, origin: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities after several steps, and standard errors that let a cluster's moves go together.

    Parameters
    ----------
    hits : ndarray, shape (m, s)
        Moves of each cluster out of each state it was at risk in.
    cluster, origin : ndarray of int, shape (m,)
        Cluster, and state moved from; at most one row for each pair of them.
    steps : int
        Steps ahead, 0 or more.

    Returns
    -------
    shares, errors : ndarray, shape (s, s)
        The shares without each cluster in turn (Efron and Stein 1981), carried through the derivatives of the power. NaN errors
        where the way leads through a state that only one cluster was at risk in.

    Examples
    --------
    >>> hits = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    >>> ours = clustered_power_errors(hits, cluster=np.arange(3), origin=np.zeros(3, dtype=int), steps=1)
    >>> ours[0][0].tolist(), ours[1][0].round(4).tolist()
    ([0.5, 0.5], [0.2887, 0.2887])
    """
    hits = np.asarray(hits, dtype=float)
    states = hits.shape[1]
    total = np.stack([np.bincount(origin, weights=column, minlength=states) for column in hits.T], axis=1)
    at_risk, trials = total.sum(axis=1), hits.sum(axis=1)
    shares = np.where(at_risk[:, None] > 0, total / np.maximum(at_risk, 1e-300)[:, None], np.eye(states))
    left = at_risk[origin] - trials
    # deviations from the pooled share are small numbers: no cancellation
    without = (trials[:, None] * shares[origin] - hits) / np.where(left > 0, left, 1.0)[:, None]
    _, unit = np.unique(cluster, return_inverse=True)
    size = int(unit.max(initial=-1)) + 1
    apart = np.zeros((size, states, states))
    apart[unit, origin] = without
    power, slopes = matrix_powers(shares, steps)
    moved = apart.reshape(size, -1) @ slopes.reshape(states * states, -1).T
    variance = (size - 1) / max(size, 1) * np.maximum((moved**2).sum(axis=0) - moved.sum(axis=0) ** 2 / max(size, 1), 0.0)
    alone = np.bincount(origin[left <= 0], minlength=states) > 0
    errors = np.sqrt(variance).reshape(states, states)
    return power, np.where(passes_through(shares, steps, alone)[:, None], np.nan, errors)


def passes_through(shares: np.ndarray, steps: int, marked: np.ndarray) -> np.ndarray:
    """Whether the way from each state leaves a marked one before its last step, shape ``(s,)``.

    Examples
    --------
    >>> passes_through(np.array([[0.5, 0.5], [0.0, 1.0]]), 2, np.array([False, True])).tolist()
    [True, True]
    """
    here, found = np.eye(len(shares)), np.zeros(len(shares), dtype=bool)
    for _ in range(steps):
        found |= (here[:, marked] > 0).any(axis=1)
        here = here @ shares
    return found
