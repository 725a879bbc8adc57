"""Pairs of treated and untreated units that were as likely to be treated, each untreated unit used once.

Nearest neighbours on the chance of treatment, the hardest to match first (Rosenbaum and Rubin 1985, American Statistician 39).
Errors: the pairs are the clusters of a regression on the matched rows (Abadie and Spiess 2022, Journal of the American
Statistical Association 117).
"""

from __future__ import annotations

import numpy as np


def match_nearest(treated: np.ndarray, distance: np.ndarray, *, caliper: float = np.inf) -> np.ndarray:
    """Give each treated unit the nearest untreated one that is left.

    Parameters
    ----------
    treated : bool array, shape (m,)
    distance : float array, shape (m,)
        On which units are to be near: the chance of treatment, or its log-odds. Largest first; of several equally near ones
        the first is taken.
    caliper : float
        Farthest that a pair may lie apart.

    Returns
    -------
    int array, shape (p, 2)
        Rows of treated and untreated units of each pair, in the order in which they were made.

    Examples
    --------
    >>> match_nearest(np.array([True, True, False, False, False]), np.array([0.5, 0.7, 0.1, 0.45, 0.6])).tolist()
    [[1, 4], [0, 3]]
    """
    on = treated.astype(bool)
    order = np.flatnonzero(~on)[np.argsort(distance[~on], kind="stable")]
    places, used = distance[order], np.zeros(len(order) + 2, dtype=bool)
    # next free place to the left and to the right of each, found by halving paths as they are walked
    left, right = np.arange(len(order) + 2), np.arange(len(order) + 2)

    def free(links: np.ndarray, at: int) -> int:
        while links[at] != at:
            links[at] = links[links[at]]
            at = int(links[at])
        return at

    pairs = []
    for row in np.flatnonzero(on)[np.argsort(-distance[on], kind="stable")]:
        at = int(np.searchsorted(places, distance[row], side="left")) + 1
        below, above = free(left, at - 1), free(right, at)
        gaps = [
            distance[row] - places[below - 1] if below >= 1 else np.inf,
            places[above - 1] - distance[row] if above <= len(order) else np.inf,
        ]
        if min(gaps) > caliper or not np.isfinite(min(gaps)):
            continue
        chosen = below if gaps[0] <= gaps[1] else above
        chosen = _first_alike(places, used, chosen)
        used[chosen], left[chosen], right[chosen] = True, chosen - 1, chosen + 1
        pairs.append((int(row), int(order[chosen - 1])))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _first_alike(places: np.ndarray, used: np.ndarray, chosen: int) -> int:
    """First free place with the same distance."""
    low = int(np.searchsorted(places, places[chosen - 1], side="left")) + 1
    return low + int((~used[low : chosen + 1]).argmax())
