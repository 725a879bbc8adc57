"""Whether units arrived in the variants in the shares that were planned, and whether their outcomes did."""

from __future__ import annotations

from typing import Literal

import numpy as np


def ratio_mismatch(counts: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    """Chi-squared statistic and p-value of counts against planned shares (Pearson).

    Parameters
    ----------
    counts : float array, shape (k,)
        Units seen in each variant.
    shares : float array, shape (k,)
        Planned, up to a factor.

    Examples
    --------
    >>> statistic, p = ratio_mismatch(np.array([300, 240]), np.array([1, 1]))
    >>> round(statistic, 4), round(p, 4)
    (6.6667, 0.0098)
    """
    from scipy.special import chdtrc

    counts, shares = np.asarray(counts, dtype=float), np.asarray(shares, dtype=float)
    expected = counts.sum() * shares / shares.sum()
    if not counts.sum() or len(counts) < 2:
        return float("nan"), float("nan")
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(len(counts) - 1, statistic))


def ratio_test(treated: int, control: int, *, ratio: float = 1.0, method: Literal["exact", "normal", "corrected"] = "exact") -> float:
    """P-value of two counts against a planned ratio of treated to control.

    Parameters
    ----------
    treated, control : int
        Units seen.
    ratio : float
        Planned number of treated for each control.
    method : {"exact", "normal", "corrected"}
        Binomial; or its normal approximation, without or with the correction for continuity.

    Examples
    --------
    >>> round(ratio_test(300, 240), 6)
    0.01105
    """
    from scipy.special import ndtr
    from scipy.stats import binomtest

    total, share = treated + control, ratio / (1.0 + ratio)
    if method == "exact":
        return float(binomtest(treated, total, share).pvalue)
    gap = abs(treated - total * share) - (0.5 if method == "corrected" else 0.0)
    return float(2.0 * ndtr(-max(gap, 0.0) / np.sqrt(total * share * (1.0 - share))))


def ratio_z(treated: np.ndarray, control: np.ndarray, *, ratio: float = 1.0) -> np.ndarray:
    """Standardised gap between units treated and their planned share, one for each stratum.

    Examples
    --------
    >>> ratio_z(np.array([90, 50]), np.array([79, 50])).round(3).tolist()
    [0.846, 0.0]
    """
    treated, total = np.asarray(treated, dtype=float), np.asarray(treated, dtype=float) + control
    share = ratio / (1.0 + ratio)
    return (treated - total * share) / np.sqrt(total * share * (1.0 - share))


def share_mismatch(hits: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Chi-squared statistic and p-value of equal shares of hits among variants; NaN where nothing or everything hit.

    Examples
    --------
    >>> share_mismatch(np.array([5, 5]), np.array([100, 100]))
    (0.0, 1.0)
    """
    from scipy.special import chdtrc

    hits, counts = np.asarray(hits, dtype=float), np.asarray(counts, dtype=float)
    pooled = hits.sum() / counts.sum()
    if not 0.0 < pooled < 1.0:
        return float("nan"), float("nan")
    statistic = float(((hits - counts * pooled) ** 2 / (counts * pooled * (1.0 - pooled))).sum())
    return statistic, float(chdtrc(len(counts) - 1, statistic))
