"""Bootstrap replicates of sums over partners, all at once: weights from a hash, sums by a matrix product.

Each replicate gives every partner a weight that is Poisson with mean 1 (Hanley and MacGibbon 2006,
doi:10.1016/j.cmpb.2006.04.006; Chamandy, Muralidharan, Najmi and Naidu 2012). The weight is a function of seed, partner
and replicate only, so it does not depend on the order of partners, on who else is there, or on how the work is cut.
"""

from __future__ import annotations

import numpy as np

#: Replicates that one 64-bit hash serves.
_PER_HASH = 4
#: Cells of one block of (partners x replicates).
_BLOCK = 4_000_000


def _poisson_table() -> np.ndarray:
    """Poisson(1) quantiles of all 16-bit fractions, shape ``(65536,)``."""
    chance, total, edges = np.exp(-1.0), 0.0, []
    for count in range(12):
        total += chance
        edges.append(total)
        chance /= count + 1
    return np.searchsorted(np.array(edges), (np.arange(65536) + 0.5) / 65536).astype(np.float32)


def hash_units(unit: np.ndarray, key: int) -> np.ndarray:
    """Scramble whole numbers into 64 bits each, shape kept (the finaliser of SplitMix64, Steele, Lea and Flood 2014).

    Examples
    --------
    >>> bool((hash_units(np.array([1, 2]), 7) == hash_units(np.array([2, 1]), 7)[::-1]).all())
    True
    """
    with np.errstate(over="ignore"):
        bits = unit.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits ^= bits >> np.uint64(shift)
            bits *= np.uint64(factor)
        bits ^= bits >> np.uint64(31)
    return bits


def partner_weights(unit: np.ndarray, *, replicates: int, seed: int) -> np.ndarray:
    """Poisson weights of partners, shape ``(len(unit), replicates)``.

    Parameters
    ----------
    unit : ndarray of int, shape (g,)
        Number of each partner: the same number, the same weights.
    replicates, seed : int

    Examples
    --------
    >>> weights = partner_weights(np.arange(2000), replicates=50, seed=1)
    >>> float(weights.mean().round(2)), float(weights.var().round(2))
    (1.0, 1.0)
    """
    draws = -(-replicates // _PER_HASH)
    own = hash_units(np.asarray(unit), seed)
    steps = hash_units(np.arange(draws), seed ^ 0x5851F42D4C957F2D)
    bits = own[:, None] ^ steps[None, :]
    with np.errstate(over="ignore"):
        # two scrambled numbers joined by "exclusive or" are scrambled once more, or replicates would mirror each other
        bits *= np.uint64(0xBF58476D1CE4E5B9)
        bits ^= bits >> np.uint64(29)
        bits *= np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(32)
    return _POISSON[bits.view(np.uint16)][:, :replicates]


def bootstrap_sums(values: np.ndarray, *, unit: np.ndarray | None = None, replicates: int = 1000, seed: int = 0) -> np.ndarray:
    """Sum rows of partners under the weights of each replicate, shape ``(replicates, m)``.

    Parameters
    ----------
    values : ndarray, shape (g, m)
        One row for each partner: its sums, for instance transition counts by cell.
    unit : ndarray of int, shape (g,), optional
        Number of each partner; its row by default.
    replicates, seed : int

    Examples
    --------
    The spread of the sums is that of independent partners.

    >>> sums = bootstrap_sums(np.ones((400, 1)), replicates=2000, seed=3)
    >>> abs(float(sums.mean()) - 400) < 2, abs(float(sums.std()) - 20) < 1
    (True, True)
    """
    values = np.asarray(values, dtype=np.float32)
    unit = np.arange(len(values)) if unit is None else np.asarray(unit)
    total = np.zeros((replicates, values.shape[1]))
    step = max(1, _BLOCK // max(replicates, 1))
    for begin in range(0, len(values), step):
        weights = partner_weights(unit[begin : begin + step], replicates=replicates, seed=seed)
        # whole numbers below 2^24 in each block: single precision is exact
        total += weights.T @ values[begin : begin + step]
    return total


_POISSON = _poisson_table()
