"""The embedding problem: is there a generator behind a matrix of transition probabilities, and if not, which comes closest.

A matrix P is embeddable when ``P = exp(Q)`` for some generator Q. Its principal logarithm may have negative intensities, may
not be real, or may not be the only logarithm. Conditions and adjustments: Israel, Rosenthal and Wei (2001),
doi:10.1111/1467-9965.00114; Kreinin and Sidelnikova (2001), Algo Research Quarterly 4; roots: Higham and Lin (2011),
doi:10.1016/j.laa.2010.04.007.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from partnerlab.stats.states.matrix_exponential import Flows

#: Intensities above minus this are taken for 0: what rounding leaves of a logarithm.
ROUNDING = 1e-10


def principal_logarithm(matrix: np.ndarray) -> np.ndarray | None:
    """Real principal logarithm, shape ``(s, s)``, or None where there is none (an eigenvalue is 0, or real and negative).

    Examples
    --------
    >>> principal_logarithm(np.array([[0.5, 0.5], [0.0, 1.0]])).round(4).tolist()
    [[-0.6931, 0.6931], [0.0, 0.0]]
    >>> principal_logarithm(np.array([[0.0, 1.0], [1.0, 0.0]])) is None
    True
    """
    from scipy.linalg import logm

    if not _has_principal(matrix):
        return None
    found = np.real(logm(matrix))
    found = np.where(np.abs(found) < 1e-14, 0.0, found)
    # a logarithm of a matrix whose rows add up to 1 has rows that add up to 0
    found[np.diag_indices(len(found))] -= found.sum(axis=1)
    return found


def _has_principal(matrix: np.ndarray) -> bool:
    values = np.linalg.eigvals(matrix)
    real = np.abs(values.imag) < 1e-12
    return not ((np.abs(values) < 1e-12) | (real & (values.real <= 0.0))).any()


def principal_root(matrix: np.ndarray, fraction: float) -> np.ndarray | None:
    """Real principal power ``P^fraction``, which may have negative entries, or None where there is none.

    Examples
    --------
    >>> principal_root(np.array([[0.25, 0.75], [0.0, 1.0]]), 0.5).round(6).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    from scipy.linalg import fractional_matrix_power

    return np.real(fractional_matrix_power(matrix, fraction)) if _has_principal(matrix) else None


def is_generator(matrix: np.ndarray) -> bool:
    """Whether no intensity is negative and rows add up to 0, up to rounding."""
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    return bool((off >= -ROUNDING).all() and np.abs(matrix.sum(axis=1)).max() < 1e-8)


def diagonal_adjustment(logarithm: np.ndarray) -> np.ndarray:
    """Set negative intensities to 0 and let the diagonal make up for it.

    Examples
    --------
    >>> diagonal_adjustment(np.array([[-0.3, 0.4, -0.1], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))[0].tolist()
    [-0.4, 0.4, 0.0]
    """
    found = np.maximum(logarithm, 0.0)
    np.fill_diagonal(found, 0.0)
    np.fill_diagonal(found, 0.0 - found.sum(axis=1))
    return found


def weighted_adjustment(logarithm: np.ndarray) -> np.ndarray:
    """Set negative intensities to 0 and take what that adds from the others of the row by their size.

    Israel, Rosenthal and Wei (2001): with G_i = |l_ii| + sum of the positive and B_i = minus the sum of the
    negative intensities, ``q_ij = l_ij - B_i |l_ij| / G_i``.

    Examples
    --------
    >>> weighted_adjustment(np.array([[-0.3, 0.4, -0.1], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))[0].round(4).tolist()
    [-0.3429, 0.3429, 0.0]
    """
    off = ~np.eye(len(logarithm), dtype=bool)
    positive, negative = np.where(off, np.maximum(logarithm, 0.0), 0.0), np.where(off, np.maximum(-logarithm, 0.0), 0.0)
    good = np.abs(np.diag(logarithm)) + positive.sum(axis=1)
    share = np.divide(negative.sum(axis=1), good, out=np.zeros(len(good)), where=good > 0)[:, None]
    found = np.where(off & (logarithm < 0), 0.0, logarithm - share * np.abs(logarithm))
    return np.where(good[:, None] > 0, found, 0.0)


def nearest_generator(logarithm: np.ndarray) -> np.ndarray:
    """Find the generator with the least sum of squared differences from a matrix: quasi-optimisation, exactly.

    Each row is a projection on ``{q_j >= 0 for j != i, q_i = -sum}``: ``q_j = max(a_j - mu, 0)`` with ``mu = q_out + a_i``,
    where the intensities that stay are the largest ones.

    Examples
    --------
    >>> nearest_generator(np.array([[-0.3, 0.4, -0.1], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))[0].round(6).tolist()
    [-0.35, 0.35, 0.0]
    """
    s = len(logarithm)
    if s < 2:
        return np.zeros((s, s))
    off = np.where(np.eye(s, dtype=bool), -np.inf, logarithm)
    order = -np.sort(-off, axis=1)[:, : s - 1]
    kept = np.arange(1, s)
    level = (np.cumsum(order, axis=1) + np.diag(logarithm)[:, None]) / (kept + 1)
    # the largest set whose smallest member stays above the level
    many = (order > level).sum(axis=1)
    chosen = np.where(many > 0, level[np.arange(s), np.maximum(many, 1) - 1], np.diag(logarithm))
    found = np.maximum(off - chosen[:, None], 0.0)
    found[many == 0] = 0.0
    np.fill_diagonal(found, 0.0 - found.sum(axis=1))
    return found


def closest_exponential(matrix: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Find the generator whose exponential has the least sum of squared differences from a matrix.

    Parameters
    ----------
    matrix : ndarray, shape (s, s)
        Transition probabilities.
    start : ndarray, shape (s, s)
        A generator to start from.
    """

    def loss(probability: np.ndarray) -> tuple[float, np.ndarray]:
        gap = probability - matrix
        # far from 1, so that the search does not stop at its own rounding
        return 1e4 * float(np.sum(gap**2)), 2e4 * gap

    return _search(loss, start, np.ones(matrix.shape, dtype=bool))


def likeliest_exponential(counts: np.ndarray, start: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
    """Find the generator that makes counts of transitions over one step most likely; intensities may be 0.

    What expectation-maximisation (Bladt and Sorensen 2005, doi:10.1111/j.1467-9868.2005.508.x) climbs to step by step.

    Parameters
    ----------
    counts : ndarray, shape (s, s)
    start : ndarray, shape (s, s)
    allowed : ndarray of bool, shape (s, s), optional
        Moves that can be made at an instant; all out of rows with counts by default.
    """
    size = max(float(counts.sum()), 1.0)

    def loss(probability: np.ndarray) -> tuple[float, np.ndarray]:
        safe = np.maximum(probability, 1e-300)
        return -float(np.sum(counts * np.log(safe))) / size, -counts / safe / size

    can = np.repeat(counts.sum(axis=1, keepdims=True) > 0, len(counts), axis=1) if allowed is None else allowed
    # a move that was seen must be possible where the search begins
    lifted = np.where(can, np.maximum(start, 1e-3), 0.0)
    np.fill_diagonal(lifted, 0.0)
    return _search(loss, lifted, can)


def _search(loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, can: np.ndarray) -> np.ndarray:
    """Minimise a function of exp(Q) over intensities of 0 or more."""
    from scipy.optimize import minimize

    s = len(start)
    origin, target = np.nonzero(can & ~np.eye(s, dtype=bool))

    def filled(rates: np.ndarray) -> np.ndarray:
        found = np.zeros((s, s))
        found[origin, target] = rates
        np.fill_diagonal(found, 0.0 - found.sum(axis=1))
        return found

    def value(rates: np.ndarray) -> tuple[float, np.ndarray]:
        flows = Flows.of(filled(rates)[None], np.ones(1), np.zeros(1, dtype=np.int64))
        found, slope = loss(flows.probabilities()[0])
        by_entry = flows.pull_back(slope[None])[0]
        return found, by_entry[origin, target] - np.diag(by_entry)[origin]

    begin = np.maximum(start[origin, target], 0.0)
    options = {"maxiter": 5000, "maxfun": 50000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 50}
    best = minimize(value, begin, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(begin), options=options)
    # once more from there: the first curvature may have stopped it early
    best = minimize(value, best.x, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(begin), options=options)
    return filled(best.x)


def broken_conditions(matrix: np.ndarray) -> list[str]:
    """List conditions that every embeddable matrix meets and this one does not.

    Israel, Rosenthal and Wei (2001): det P > 0; det P <= product of the diagonal; a state that can be reached
    at all is reached in one step with a probability above 0.

    Examples
    --------
    >>> broken_conditions(np.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0]]))
    ['a state can be reached by way of others, but never in one step']
    """
    found = []
    determinant = float(np.linalg.det(matrix))
    if determinant <= 0:
        found.append("the determinant is not above 0")
    elif determinant > np.prod(np.diag(matrix)) * (1.0 + 1e-9):
        found.append("the determinant is larger than the product of the diagonal")
    reach = np.linalg.matrix_power(np.eye(len(matrix)) + (matrix > 0), len(matrix)) > 0
    if (reach & (matrix <= 0)).any():
        found.append("a state can be reached by way of others, but never in one step")
    return found


def one_logarithm(matrix: np.ndarray) -> bool:
    """Whether the principal logarithm alone can be a generator of the matrix (a sufficient condition).

    Distinct real positive eigenvalues (Culver 1966, doi:10.1090/S0002-9939-1966-0202740-6), distinct eigenvalues and
    det P > exp(-pi), or det P > 1/2 and P nearer than 1/2 to the identity (Israel, Rosenthal and Wei 2001).
    """
    values = np.linalg.eigvals(matrix)
    apart = np.abs(values[:, None] - values[None, :])[~np.eye(len(values), dtype=bool)]
    distinct = bool(apart.min(initial=np.inf) > 1e-10)
    determinant = float(np.linalg.det(matrix))
    real = bool((np.abs(values.imag) < 1e-12).all() and (values.real > 0).all())
    near = float(np.abs(matrix - np.eye(len(matrix))).sum(axis=1).max()) < 0.5
    return (distinct and (real or determinant > np.exp(-np.pi))) or (determinant > 0.5 and near)


def project_on_simplex(rows: np.ndarray) -> np.ndarray:
    """Find the probabilities with the least sum of squared differences from each row.

    Examples
    --------
    >>> project_on_simplex(np.array([[0.7, 0.5, -0.2]])).round(6).tolist()
    [[0.6, 0.4, 0.0]]
    """
    order = -np.sort(-rows, axis=1)
    level = (np.cumsum(order, axis=1) - 1.0) / np.arange(1, rows.shape[1] + 1)
    many = (order > level).sum(axis=1)
    return np.maximum(rows - level[np.arange(len(rows)), many - 1][:, None], 0.0)
