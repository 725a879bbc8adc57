"""How large each tier is, against the share that the program aims at."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import share_interval
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import Stage, TierHistory


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierShares(Result):
    """Share of the rated partners in each tier; ``goal`` and ``distance`` where the scheme has one."""

    title: ClassVar[str] = "Shares of tiers"


def estimate_shares(
    history: TierHistory, *, quarter: str | None = None, by: str | None = None, stage: Stage = "published", level: float = 0.95
) -> TierShares:
    """Estimate the share of the rated partners that each tier holds, and how far it is from its goal.

    Parameters
    ----------
    history : TierHistory
        Tiers.
    quarter : str or None
        One quarter; all of them if None.
    by : str or None
        Attribute whose groups are told apart, such as ``region``.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers.
    level : float
        Coverage.

    Returns
    -------
    TierShares
        Keys ``[by,] quarter, tier``; ``n`` is the number of rated partners; then ``partners``,
        ``goal`` and ``distance`` (share minus goal). Wilson intervals, mended near 0 and 1: the program's partners are
        taken as a sample of those that such a program would have.

    Raises
    ------
    ParameterError
        If the quarter or attribute does not exist.

    Examples
    --------
    >>> rows = pd.DataFrame({"partner": list("abcd"), "quarter": "2026Q1", "tier": ["Gold", "Silver", "Silver", None]})
    >>> estimate_shares(TierHistory.from_frame(rows)).tidy()[["tier", "partners", "n"]].to_numpy().tolist()
    [['Gold', 1, 3], ['Silver', 2, 3]]
    """
    columns = range(history.shape[1]) if quarter is None else [history.column(quarter)]
    codes, goals = history.stage(stage), history.scheme.goals if history.scheme is not None else {}
    rows = []
    for group, members in _groups(history, by):
        for column in columns:
            here = codes[members, column]
            rated = int((here >= 0).sum())
            keys = {by: group} if by else {}
            rows += [
                {**keys, "quarter": history.labels[column], "tier": tier, "partners": int((here == code).sum()), "n": rated}
                for code, tier in enumerate(history.tiers)
            ]
    unknown = int((codes[:, list(columns)] == Outside.UNKNOWN).sum())
    check = Check("everybody is rated", unknown == 0, f"{unknown} partner-quarters are of unknown tier and left out")
    table = _with_intervals(pd.DataFrame(rows), goals, level, by)
    return TierShares(
        estimand="Share of the rated partners in each tier at the end of the quarter", table=table, checks=(check,), level=level
    )


def _groups(history: TierHistory, by: str | None) -> list[tuple[str, np.ndarray]]:
    """Name and mask of each group; partners without the attribute are in none."""
    if by is None:
        return [("", np.ones(len(history.partners), dtype=bool))]
    if by not in history.attributes:
        raise ParameterError(f"partners have no attribute {by!r}{nearest(by, history.attributes.columns)}", attribute=by)
    words = history.attributes[by]
    return [(str(word), (words == word).fillna(False).to_numpy(dtype=bool)) for word in sorted(words.dropna().unique(), key=str)]


def _with_intervals(table: pd.DataFrame, goals: dict[str, float], level: float, by: str | None) -> pd.DataFrame:
    n, hits = table["n"].to_numpy(dtype=float), table["partners"].to_numpy(dtype=float)
    share = np.divide(hits, n, out=np.full(len(n), np.nan), where=n > 0)
    low, high = share_interval(share, n, level=level)
    error = np.sqrt(np.divide(share * (1 - share), n, out=np.full(len(n), np.nan), where=n > 0))
    goal = np.array([goals.get(tier, np.nan) for tier in table["tier"]])
    numbers = {"estimate": share, "std_error": error, "conf_low": low, "conf_high": high}
    whole = table.assign(**numbers, goal=goal, distance=share - goal)
    return whole[[*([by] if by else []), "quarter", "tier", *numbers, "n", "partners", "goal", "distance"]]
