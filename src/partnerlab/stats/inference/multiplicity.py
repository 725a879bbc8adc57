"""P-values of several comparisons, adjusted: family-wise error, false discovery, and many variants against one control.

Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57; Hommel (1988), Biometrika 75; Dunnett (1955),
Journal of the American Statistical Association 50.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

Adjustment = Literal["bonferroni", "holm", "hochberg", "hommel", "BH", "BY"]


def adjust_p_values(p: np.ndarray, *, method: Adjustment = "holm") -> np.ndarray:
    """Adjust p-values for their number; NaN stays NaN and is not counted.

    Parameters
    ----------
    p : float array, shape (m,)
        P-values.
    method : {"bonferroni", "holm", "hochberg", "hommel", "BH", "BY"}
        The first four bound the chance of any false finding, the last two the share of false ones among the findings
        (BY under any dependence).

    Examples
    --------
    >>> adjust_p_values(np.array([0.01, 0.02, 0.5])).round(6).tolist()
    [0.03, 0.04, 0.5]
    """
    p = np.asarray(p, dtype=float)
    known = np.flatnonzero(np.isfinite(p))
    out = np.full(p.shape, np.nan)
    m = len(known)
    if m == 0:
        return out
    order = known[np.argsort(p[known], kind="stable")]
    sorted_p, rank = p[order], np.arange(1, m + 1)
    if method == "bonferroni":
        found = m * sorted_p
    elif method == "holm":
        found = np.maximum.accumulate((m - rank + 1) * sorted_p)
    elif method == "hommel":
        found = _hommel(sorted_p)
    else:
        factor = {"hochberg": m - rank + 1, "BH": m / rank, "BY": m / rank * (1.0 / rank).sum()}[method]
        found = np.minimum.accumulate((factor * sorted_p)[::-1])[::-1]
    out[order] = np.minimum(found, 1.0)
    return out


def _hommel(p: np.ndarray) -> np.ndarray:
    """Adjust ascending p-values by the algorithm of Wright (1992), Biometrics 48."""
    m = len(p)
    least = np.full(m, (m * p / np.arange(1, m + 1)).min())
    adjusted = least.copy()
    for size in range(m - 1, 1, -1):
        first, last = slice(0, m - size + 1), slice(m - size + 1, m)
        bound = (size * p[last] / np.arange(2, size + 1)).min()
        least[first] = np.minimum(size * p[first], bound)
        least[last] = least[m - size]
        adjusted = np.maximum(adjusted, least)
    return np.maximum(adjusted, p)


def dunnett_p_values(t: np.ndarray, *, treated: np.ndarray, control: float, df: float, two_sided: bool = True) -> np.ndarray:
    """P-values of several variants against one control, adjusted for their common control.

    Parameters
    ----------
    t : float array, shape (k,)
        t statistics; with ``two_sided=False`` positive is the direction asked for.
    treated : float array, shape (k,)
        Units of each variant.
    control : float
        Units of the control.
    df : float
        Degrees of freedom of the common variance; infinite for a known one.
    two_sided : bool
        Whether both directions count.

    Examples
    --------
    >>> dunnett_p_values(np.array([2.0]), treated=np.array([10.0]), control=10.0, df=18.0).round(4).tolist()
    [0.0608]
    """
    from scipy.special import ndtr
    from scipy.stats import chi

    load = np.sqrt(np.asarray(treated, dtype=float) / (np.asarray(treated, dtype=float) + control))
    nodes, weight = np.polynomial.legendre.leggauss(160)
    z, at_z = 8.5 * nodes, 8.5 * weight * np.exp(-0.5 * (8.5 * nodes) ** 2) / math.sqrt(2 * math.pi)
    scale, at_scale = np.ones(1), np.ones(1)
    if math.isfinite(df):
        low, high = chi.ppf([1e-13, 1 - 1e-13], df)
        scale = (low + (high - low) * (nodes + 1) / 2) / math.sqrt(df)
        at_scale = weight * (high - low) / 2 * chi.pdf(scale * math.sqrt(df), df)
    rest = np.sqrt(1.0 - load**2)
    values = np.abs(t) if two_sided else np.asarray(t, dtype=float)
    out = []
    for value in values:
        upper = ndtr((value * scale[:, None, None] - load * z[:, None]) / rest)
        lower = ndtr((-value * scale[:, None, None] - load * z[:, None]) / rest) if two_sided else 0.0
        out.append(1.0 - at_scale @ (np.prod(upper - lower, axis=2) @ at_z))
    return np.clip(out, 0.0, 1.0)
