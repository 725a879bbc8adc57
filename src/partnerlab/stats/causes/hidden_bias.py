"""Rosenbaum bounds: how far matched partners' odds of treatment may differ before a finding could be chance.

Signed ranks: Rosenbaum (2002), Observational Studies, section 4.3. M-statistics and matched sets: Rosenbaum (2007), Biometrics 63;
the separable approximation: Gastwirth, Krieger and Rosenbaum (2000), Journal of the Royal Statistical Society B 62.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

Zeros = Literal["drop", "keep"]
#: Ratio of odds at which the search for the largest stops.
LARGEST_GAMMA = 1e6


def signed_rank_bounds(differences: np.ndarray, gamma: np.ndarray | float, *, zeros: Zeros = "drop") -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest one-sided p-value of Wilcoxon's signed-rank test under hidden bias.

    Parameters
    ----------
    differences : float array, shape (n,)
        Treated less control, one a pair; the alternative is "greater".
    gamma : float array, shape (g,)
        Largest ratio of the odds of treatment within a pair, 1 or more.
    zeros : {"drop", "keep"}
        Pairs without difference leave before ranking, or keep the lowest ranks and count for neither side.

    Returns
    -------
    low, high : float array, shape (g,)
        From the normal approximation without continuity correction. NaN without a pair that differs.

    Examples
    --------
    >>> low, high = signed_rank_bounds(np.array([3.0, 1.0, 4.0, -1.5, 5.0, 9.0, 2.0, 6.0]), [1, 2])
    >>> high.round(3).tolist()
    [0.013, 0.069]
    """
    from scipy.stats import norm, rankdata

    differences = np.asarray(differences, dtype=float)
    differences = differences[~np.isnan(differences)]
    if zeros == "drop":
        differences = differences[differences != 0]
    gamma = np.atleast_1d(np.asarray(gamma, dtype=float))
    ranks = rankdata(np.abs(differences)) * (differences != 0)
    if not ranks.any():
        return np.full(len(gamma), np.nan), np.full(len(gamma), np.nan)
    statistic, total, squares = ranks[differences > 0].sum(), ranks.sum(), (ranks**2).sum()
    share = gamma / (1 + gamma)
    spread = np.sqrt(share * (1 - share) * squares)
    low = norm.sf((statistic - (1 - share) * total) / spread)
    return low, norm.sf((statistic - share * total) / spread)


def average_pairs(differences: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Mean difference of each unit's pairs, shape ``(u,)``: pairs of one unit are not independent, and bounds need pairs that are.

    Examples
    --------
    >>> average_pairs(np.array([1.0, 3.0, 5.0]), np.array([7, 7, 9])).tolist()
    [2.0, 5.0]
    """
    _, code = np.unique(unit, return_inverse=True)
    return np.bincount(code, differences) / np.bincount(code)


def matched_scores(outcomes: np.ndarray, *, inner: float = 0.0, trim: float = 2.5) -> np.ndarray:
    """Scores of Huber's M-statistic in matched sets: differences from the others, trimmed and averaged.

    Parameters
    ----------
    outcomes : float array, shape (n, m)
        Treated in the first column, controls after it; NaN where a set has fewer controls.
    inner, trim : float
        Differences count from ``inner`` and at most up to ``trim``, in medians of the absolute difference.

    Returns
    -------
    float array, shape (n', m)
        Sets with a treated unit and a control only; NaN where nobody stood.

    Examples
    --------
    >>> matched_scores(np.array([[3.0, 1.0], [1.0, 2.0], [9.0, 2.0]])).round(3).tolist()
    [[0.2, -0.2], [-0.1, 0.1], [0.5, -0.5]]
    """
    outcomes = np.asarray(outcomes, dtype=float)
    size = (~np.isnan(outcomes)).sum(axis=1)
    use = (size >= 2) & ~np.isnan(outcomes[:, 0])
    outcomes, size = outcomes[use], size[use]
    apart = outcomes[:, :, None] - outcomes[:, None, :]
    others = ~np.eye(outcomes.shape[1], dtype=bool)
    known = np.abs(apart[:, others])
    if not (~np.isnan(known)).any():
        return outcomes * 0.0
    scale = float(np.nanmedian(known))
    if scale > 0:
        apart = np.sign(apart) * np.clip((np.abs(apart) / scale - inner) / (trim - inner), 0.0, 1.0)
    scores = np.nansum(apart, axis=2) / size[:, None]
    return np.where(np.isnan(outcomes), np.nan, scores)


def matched_bounds(scores: np.ndarray, gamma: np.ndarray | float) -> np.ndarray:
    """Largest one-sided p-value of a sum of treated scores in matched sets under hidden bias.

    Parameters
    ----------
    scores : float array, shape (n, m)
        Of `matched_scores`: treated first, NaN where nobody stood.
    gamma : float array, shape (g,)
        Largest ratio of the odds of treatment within a set, 1 or more.

    Returns
    -------
    float array, shape (g,)
        NaN where scores do not vary.

    Notes
    -----
    In each set the worst unseen cause is 0 for the lowest scores and 1 for the others; the cut with the largest mean is taken, the
    larger variance among equals.

    Examples
    --------
    >>> scores = matched_scores(np.array([[3.0, 1.0], [1.0, 2.0], [9.0, 2.0], [6.0, 2.0]]))
    >>> matched_bounds(scores, [1, 3]).round(3).tolist()
    [0.076, 0.245]
    """
    from scipy.stats import norm

    gamma = np.atleast_1d(np.asarray(gamma, dtype=float))
    known = ~np.isnan(scores)
    ordered = np.sort(scores, axis=1)
    size, place = known.sum(axis=1), np.arange(scores.shape[1])
    standing = (place[None, :] < size[:, None]).astype(float)
    value = np.where(standing > 0, ordered, 0.0)
    above = np.cumsum((value * standing)[:, ::-1], axis=1)[:, ::-1]
    above_squares = np.cumsum((value**2 * standing)[:, ::-1], axis=1)[:, ::-1]
    count = np.cumsum(standing[:, ::-1], axis=1)[:, ::-1]
    # cut a: the a lowest have weight 1, those above it gamma; shape (g, n, m)
    extra = gamma[:, None, None] - 1
    weight = size[None, :, None] + extra * count
    mean = (value.sum(axis=1)[None, :, None] + extra * above) / weight
    spread = ((value**2).sum(axis=1)[None, :, None] + extra * above_squares) / weight - mean**2
    allowed = (place[None, :] >= 1) & (place[None, :] < size[:, None])
    best = np.where(allowed, mean, -np.inf).max(axis=2)
    ties = allowed & (mean >= best[:, :, None] - 1e-12)
    variance = np.where(ties, spread, -np.inf).max(axis=2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0, norm.sf((scores[:, 0].sum() - best.sum(axis=1)) / np.sqrt(variance)), np.nan)


def largest_gamma(bound: Callable[[float], float], *, alpha: float = 0.05) -> float:
    """Ratio of odds up to which a finding stands: where its largest p-value reaches ``alpha``.

    Parameters
    ----------
    bound : callable
        Largest p-value at a gamma; it must not fall with gamma.
    alpha : float
        One-sided error allowed.

    Returns
    -------
    float
        1 or more; NaN where the finding does not even stand without hidden bias, infinite where nothing overturns it.

    Examples
    --------
    >>> differences = np.array([3.0, 1.0, 4.0, -1.5, 5.0, 9.0, 2.0, 6.0])
    >>> round(largest_gamma(lambda gamma: signed_rank_bounds(differences, gamma)[1].item()), 2)
    1.7
    """
    if not bound(1.0) <= alpha:
        return float("nan")
    low, high = 1.0, 2.0
    while bound(high) <= alpha:
        low, high = high, high * 2
        if high > LARGEST_GAMMA:
            return float("inf")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if bound(middle) <= alpha else (low, middle)
    return low
