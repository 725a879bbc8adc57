"""What a headline may claim: a difference only where its interval excludes none, allowing for how many were looked at.

Headlines pick the most striking of many numbers, so every rule here spends one
5 % over all of them (Bonferroni), not 5 % on each.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd


def critical(level: float, *, of: int = 1) -> float:
    """Give the normal quantile for two-sided intervals that hold for ``of`` numbers at once.

    Examples
    --------
    >>> round(critical(0.95), 2), round(critical(0.95, of=10), 2)
    (1.96, 2.81)
    """
    return NormalDist().inv_cdf(1 - (1 - level) / 2 / max(of, 1))


def net_change(came: int, left: int, *, level: float = 0.95, of: int = 1) -> tuple[float, float]:
    """Interval of a net change of a count of partners, given how many came and left.

    Movers are coins: of those who moved, the share who came has a Wilson interval
    (McNemar's conditional view of paired changes; Wilson 1927).

    Examples
    --------
    >>> [round(edge) for edge in net_change(30, 6)]
    [13, 30]
    >>> net_change(0, 0)
    (0.0, 0.0)
    """
    movers = came + left
    if movers == 0:
        return 0.0, 0.0
    z = critical(level, of=of)
    share, spread = came / movers, z * z / movers
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * (share * (1 - share) / movers + spread / (4 * movers)) ** 0.5
    return (2 * (centre - half) - 1) * movers, (2 * (centre + half) - 1) * movers


def widened(row: pd.Series, *, level: float, of: int) -> tuple[float, float]:
    """Interval of a row, stretched about its estimate so that it holds for ``of`` rows at once."""
    factor = critical(level, of=of) / critical(level)
    return (
        float(row["estimate"] - (row["estimate"] - row["conf_low"]) * factor),
        float(row["estimate"] + (row["conf_high"] - row["estimate"]) * factor),
    )


def furthest_apart(rows: pd.DataFrame, *, level: float = 0.95) -> tuple[pd.Series, pd.Series, bool]:
    """Lowest row, highest row, and whether they are clearly apart.

    Two intervals that do not overlap lie further apart than the standard error of a
    difference asks for; with many rows to pick from, the pick is held to all their pairs.

    Examples
    --------
    >>> rows = pd.DataFrame({"estimate": [0.1, 0.4], "conf_low": [0.05, 0.3], "conf_high": [0.15, 0.5]})
    >>> furthest_apart(rows)[2]
    True
    """
    known = rows.dropna(subset=["estimate", "conf_low", "conf_high"])
    known = known if len(known) else rows.dropna(subset=["estimate"])
    low, high = known.loc[known["estimate"].idxmin()], known.loc[known["estimate"].idxmax()]
    pairs = max(len(known) * (len(known) - 1) // 2, 1)
    # equal errors: no overlap means a difference of 2 z standard errors of one, sqrt(2) z of the difference
    stretch = max(1.0, critical(level, of=pairs) / (2**0.5 * critical(level)))
    upper = low["estimate"] + (low["conf_high"] - low["estimate"]) * stretch
    lower = high["estimate"] - (high["estimate"] - high["conf_low"]) * stretch
    return low, high, bool(upper < lower)


def against_noise(cells: pd.DataFrame, *, level: float = 0.95) -> np.ndarray:
    """1 where a share lies clearly above what noise alone would do, -1 below, 0 where they overlap or noise is not known.

    Intervals are stretched to hold for all cells at once. A move that no draw ever made, such as across a line for a
    rating that is not drawn again, is not above noise: counts cannot make it, so nothing is compared.
    """
    if "noise" not in cells.columns:
        return np.zeros(len(cells), dtype=int)
    low, high = (cells[name].fillna(cells["noise"]) if name in cells.columns else cells["noise"] for name in ("noise_low", "noise_high"))
    factor = critical(level, of=int(cells["estimate"].notna().sum())) / critical(level)
    lower = cells["estimate"] - (cells["estimate"] - cells["conf_low"]) * factor
    upper = cells["estimate"] + (cells["conf_high"] - cells["estimate"]) * factor
    can = (cells["noise"] > 0).to_numpy()
    return (can & (lower > high)).astype(int) - (can & (upper < low)).astype(int)


def direction(low: float, high: float, *, nothing: float = 0.0) -> str:
    """Name the direction of a change, only if its interval excludes no change.

    Examples
    --------
    >>> direction(0.01, 0.2), direction(-0.3, -0.1), direction(-0.1, 0.2)
    ('up', 'down', 'no clear change')
    """
    if low > nothing:
        return "up"
    return "down" if high < nothing else "no clear change"
