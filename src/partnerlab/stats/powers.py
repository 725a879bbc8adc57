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
    states, at_risk = len(counts), counts.sum(axis=1)
    shares = np.where(at_risk[:, None] > 0, counts / np.maximum(at_risk, 1e-300)[:, None], np.eye(states))
    powers = [np.eye(states)]
    for _ in range(steps):
        powers.append(powers[-1] @ shares)
    slopes = np.zeros((states, states, states, states))
    for step in range(steps):
        slopes += np.einsum("ai,jb->abij", powers[step], powers[steps - 1 - step])
    inner = np.einsum("ij,abij->abi", shares, slopes**2) - np.einsum("ij,abij->abi", shares, slopes) ** 2
    weight = np.where(at_risk > 0, 1.0 / np.where(at_risk > 0, at_risk, 1.0), 0.0)
    return powers[steps], np.sqrt(np.maximum(inner @ weight, 0.0))
