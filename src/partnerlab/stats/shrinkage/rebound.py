"""Regression to the mean: what would have happened anyway to those that were picked for being low (Galton 1886)."""

from __future__ import annotations

import numpy as np

from partnerlab.stats.regressions.linear import clustered_covariance, fit_line


def expected_rebound(
    before: np.ndarray, after: np.ndarray, treated: np.ndarray, *, cluster: np.ndarray | None = None
) -> tuple[float, float, float] | None:
    """Change of the treated against the others that their place before alone explains.

    Parameters
    ----------
    before, after : float array, shape (n,)
        Outcome before and after; rows with either unknown leave.
    treated : bool array, shape (n,)
    cluster : int array, shape (n,), or None
        Who chose together; None for each row by itself.

    Returns
    -------
    rebound, std_error, raw : float
        The part of the change due to rebound, its standard error, and the whole change of the treated less that of the others.
        None with fewer than three untreated rows, no treated one, or no spread before.

    Notes
    -----
    The untreated tell how much of a distance from their mean is kept, by least squares; a group that began ``gap`` away moves back by
    ``(kept - 1) gap``. The gap is taken as it is.

    Examples
    --------
    >>> before = np.array([0.0, 2.0, 4.0, 0.0, 0.0])
    >>> after = np.array([1.0, 2.0, 3.0, 1.5, 1.5])
    >>> rebound, _, raw = expected_rebound(before, after, np.array([False, False, False, True, True]))
    >>> round(rebound, 6), round(raw, 6)
    (1.0, 1.5)
    """
    before, after, treated = np.asarray(before, dtype=float), np.asarray(after, dtype=float), np.asarray(treated, dtype=bool)
    known = np.isfinite(before) & np.isfinite(after)
    cluster = np.arange(len(before)) if cluster is None else np.asarray(cluster)
    other = known & ~treated
    if other.sum() < 3 or not (known & treated).any():
        return None
    line = fit_line(after[other], np.column_stack([np.ones(other.sum()), before[other]]))
    if line is None:
        return None
    gap = float(before[known & treated].mean() - before[other].mean())
    error = float(np.sqrt(clustered_covariance(line, cluster[other])[1, 1]))
    change = after - before
    raw = float(change[known & treated].mean() - change[other].mean())
    return float(line.coefficients[1] - 1) * gap, abs(gap) * error, raw
