"""Two quarters side by side, partner by partner: shares, totals and head counts, each change with its interval.

The same partners stand in both quarters, so a change is judged by how much
partners differ in their own change, not as if the quarters were two samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partnerlab.stats.inference.intervals import critical_value, wilson_interval


class Compared(NamedTuple):
    """A value with its interval, and its change with its interval; NaN where there is none."""

    estimate: float
    conf_low: float
    conf_high: float
    n: int
    change: float
    change_low: float
    change_high: float


def compare_shares(hits: np.ndarray, base: np.ndarray, *, level: float = 0.95) -> Compared:
    """Share of hits among a base, now against before.

    Parameters
    ----------
    hits, base : ndarray of bool, shape (n, 2)
        Who counts and among whom; columns before, now.
    level : float
        Coverage.

    Returns
    -------
    Compared
        Share now with Wilson's interval. The change is linearised,
        ``d_i = (hit_i - p) base_i / n`` now less before, with variance ``sum d_i^2``
        over partners, so that partners in both quarters are paired with themselves.

    Examples
    --------
    >>> hits = np.array([[True, True], [False, True], [False, False], [True, True]])
    >>> found = compare_shares(hits, np.ones_like(hits))
    >>> found.estimate, found.n, found.change
    (0.75, 4, 0.25)
    """
    base = np.asarray(base, dtype=bool)
    hits = np.asarray(hits, dtype=bool) & base
    size = base.sum(axis=0)
    with np.errstate(invalid="ignore"):
        share = hits.sum(axis=0) / size
    low, high = wilson_interval(share[1], size[1], level=level)
    if not size.all():
        return Compared(float(share[1]), float(low), float(high), int(size[1]), np.nan, np.nan, np.nan)
    influence = (hits - share) * base / size
    change = float(share[1] - share[0])
    reach = _reach(influence[:, 1] - influence[:, 0], level=level)
    return Compared(float(share[1]), float(low), float(high), int(size[1]), change, change - reach, change + reach)


def compare_totals(amounts: np.ndarray, *, level: float = 0.95) -> Compared:
    """Total of an amount, now against before.

    Parameters
    ----------
    amounts : ndarray of float, shape (n, 2)
        Amount of each partner before and now; NaN where it was no member.
    level : float
        Coverage.

    Returns
    -------
    Compared
        The total is counted and has no interval. The change has that of a sum of
        independent partners: ``sqrt(n) sd(change)``.

    Examples
    --------
    >>> found = compare_totals(np.array([[1.0, 2.0], [1.0, 2.0], [np.nan, 1.0]]))
    >>> found.estimate, found.change, found.n
    (5.0, 3.0, 3)
    """
    known = ~np.isnan(amounts)
    filled = np.where(known, amounts, 0.0)
    seen = known.any(axis=1)
    moved = (filled[:, 1] - filled[:, 0])[seen]
    change = float(moved.sum())
    reach = _reach(moved - moved.mean(), level=level) if len(moved) > 1 else np.nan
    return Compared(float(filled[:, 1].sum()), np.nan, np.nan, int(known[:, 1].sum()), change, change - reach, change + reach)


def compare_heads(came: int, went: int, *, now: int, level: float = 0.95) -> Compared:
    """Head count now, and its change: those who came less those who went.

    Comings and goings are taken as two Poisson counts, so that the change has
    variance ``came + went`` (Skellam 1946).

    Examples
    --------
    >>> found = compare_heads(20, 8, now=412)
    >>> found.change, round(found.change_low, 1), round(found.change_high, 1)
    (12.0, 1.6, 22.4)
    """
    reach = float(critical_value(level)) * float(np.sqrt(came + went))
    change = float(came - went)
    return Compared(float(now), np.nan, np.nan, now, change, change - reach, change + reach)


def _reach(parts: np.ndarray, *, level: float) -> float:
    """Half the width of a normal interval for a sum of independent parts of mean zero."""
    n = len(parts)
    scale = n / (n - 1) if n > 1 else np.nan
    return float(critical_value(level)) * float(np.sqrt(scale * (parts**2).sum()))
