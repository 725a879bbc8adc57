"""How alike two sides of a comparison are: before and after weighting, and how many are like nobody on the other side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.results import Check
from partnerlab.stats.causes.propensity import row_blocks
from partnerlab.words import plural, say_number, say_share

#: Largest standardised difference of means after weighting that a regression can mend (Rubin 2001, Health Services 2).
ALIKE = 0.25
#: Share of the treated that may look as if nobody without the tactic were like them.
ALONE = 0.05
#: Chance of treatment from which a treated row counts as alone.
NEARLY_SURE = 0.95


def balance_table(columns: np.ndarray, *, names: Sequence[str], treated: np.ndarray, weight: np.ndarray) -> pd.DataFrame:
    """Give standardised differences of means between the sides, by the spread among the treated: ``known, before, after``.

    Parameters
    ----------
    columns : float array, shape (m, k)
        What was known, named by ``names``.
    treated : bool array, shape (m,)
    weight : float array, shape (m,)
        Each side sums to one.
    """
    sides = int(treated.sum()), int((~treated).sum())
    share = np.where(treated, 1.0 / max(sides[0], 1), -1.0 / max(sides[1], 1))
    usual, plain, weighted = np.zeros((3, columns.shape[1]))
    for rows in row_blocks(len(columns)):
        part, on = columns[rows], treated[rows]
        usual += np.maximum(share[rows], 0.0) @ part
        plain += share[rows] @ part
        weighted += np.where(on, weight[rows], -weight[rows]) @ part
    variance = np.zeros(columns.shape[1])
    for rows in row_blocks(len(columns)):
        variance += np.maximum(share[rows], 0.0) @ (columns[rows] - usual) ** 2
    spread = np.sqrt(np.where(variance > 1e-24 * usual**2, variance, np.nan))  # less is rounding
    return pd.DataFrame({"known": list(names), "before": plain / spread, "after": weighted / spread})


def worth(weight: np.ndarray) -> float:
    """How many rows with equal weights these rows are worth (Kish)."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def likeness_checks(balance: pd.DataFrame, *, treated: np.ndarray, weight: np.ndarray, chance: np.ndarray) -> tuple[Check, Check]:
    """Check overlap and balance after weighting.

    Parameters
    ----------
    balance : DataFrame
        As `balance_table` gives.
    treated, weight, chance : array, shape (m,)
        Chance of treatment of each row.
    """
    alone = float((chance[treated] > NEARLY_SURE).mean())
    compared = weight[~treated]
    overlap = f"{say_share(alone)} of the treated look unlike everybody without it; those without are worth "
    overlap += f"{plural(worth(compared), 'row')} of {len(compared)}"
    if balance.empty:
        return Check("overlap", alone <= ALONE, overlap), Check("balance", None, "nothing was known to be alike in")
    worst = balance.iloc[balance["after"].abs().fillna(0).to_numpy().argmax()]
    largest = abs(float(worst["after"]))
    differ = f"largest difference after weighting: {say_number(largest, digits=2)} standard deviations of {worst['known']}"
    return Check("overlap", alone <= ALONE, overlap), Check("balance", largest <= ALIKE, differ)
