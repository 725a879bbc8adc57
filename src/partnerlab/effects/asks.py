"""Gives before an ask: from a log of what was done with partners to one row for each ask, with what came before it and after."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.effects.row_tables import require_columns
from partnerlab.errors import ParameterError
from partnerlab.periods import naive_utc, read_dates

#: Gives beyond this many count as this many.
MOST_GIVES = 5


def build_asks(  # noqa: PLR0913 - columns have names
    activities: pd.DataFrame,
    *,
    results: pd.DataFrame,
    partner: str = "partner_id",
    at: str = "occurred_at",
    direction: str = "direction_of_value",
    result_at: str | None = None,
    manager: str | None = None,
    days: int = 90,
    until: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Count the gives before each ask, and say whether a result followed: rows for `estimate_dose`.

    Parameters
    ----------
    activities : DataFrame
        One row for each thing done, with its partner, its instant, and whether it was a "give" or an "ask"; others leave.
    results : DataFrame
        One row for each result (lead, deal), with its partner and instant; results of nobody, or without an instant, count nowhere.
    partner, at, direction : str
        Columns of ``activities``; ``partner`` also of ``results``.
    result_at : str, optional
        Column of the instant of a result; ``at`` if None.
    manager : str, optional
        Column of ``activities`` to keep, for clusters.
    days : int
        A result counts within so many days after the ask; and, before it, as what the partner did anyway.
    until : Timestamp, optional
        Last instant seen; the last one in either table if None. Asks whose days are not over have no ``result``.

    Returns
    -------
    DataFrame
        ``partner, at, [manager], gives`` (since the partner's ask before, at most `MOST_GIVES`), ``asks_before``, ``results_before``
        (within ``days`` before the ask), ``result`` (1.0, 0.0, or missing). Sorted by partner and instant. An ask at the same instant
        as a give comes after it.

    Raises
    ------
    MissingTableError
        If a column is not there.
    ParameterError
        If there is no ask, ``days`` is under 1, a direction is neither, a give or an ask has no partner or instant, or instants are
        none.

    Examples
    --------
    >>> when = pd.to_datetime(["2026-01-05", "2026-01-20", "2026-02-01", "2026-03-01"])
    >>> log = pd.DataFrame({"partner_id": "a", "occurred_at": when, "direction_of_value": ["give", "give", "ask", "ask"]})
    >>> leads = pd.DataFrame({"partner_id": ["a"], "occurred_at": pd.to_datetime(["2026-02-10"])})
    >>> build_asks(log, results=leads, days=14, until=pd.Timestamp("2026-06-01"))[["gives", "results_before", "result"]].values.tolist()
    [[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    result_at = result_at or at
    require_columns(activities, [partner, at, direction, *([manager] if manager else [])], numbers=(), table="activities")
    require_columns(results, [partner, result_at], numbers=(), table="results")
    if days < 1:
        raise ParameterError(f"days is {days}; give 1 or more")
    strange = set(activities[direction].dropna().unique()) - {"give", "ask"}
    if strange:
        raise ParameterError(f"activities.{direction}: {sorted(map(str, strange))[0]!r} is neither 'give' nor 'ask'")
    log = activities[activities[direction].notna()]
    for column in (partner, at):
        empty = int(log[column].isna().sum())
        if empty:
            raise ParameterError(f"activities.{column}: {empty} of {len(log)} gives and asks have none; fill or drop them", column=column)
    # where the same instant has both, the give was on the table when the ask was made
    when = read_dates(log[at], name=f"activities.{at}")
    log = log.assign(_ask=log[direction] == "ask", _at=when).sort_values([partner, "_at", "_ask"], kind="stable")
    if not log["_ask"].any():
        raise ParameterError(f"activities.{direction}: no row is an ask")
    known = results[results[partner].notna() & results[result_at].notna()]
    came = read_dates(known[result_at], name=f"results.{result_at}")
    last = max(log["_at"].max(), came.max()) if until is None else naive_utc(until)
    asks = log[log["_ask"]]
    rows = {"partner": asks[partner].to_numpy(), "at": asks[at].to_numpy()}
    if manager:
        rows["manager"] = asks[manager].to_numpy()
    before, after = _results_around(asks[partner], asks["_at"], known[partner], came, pd.Timedelta(days=days))
    followed = (asks["_at"] + pd.Timedelta(days=days) <= last).to_numpy()
    return pd.DataFrame(rows | _counts(log, partner) | {"results_before": before, "result": np.where(followed, (after > 0) * 1.0, np.nan)})


def _counts(log: pd.DataFrame, partner: str) -> dict[str, np.ndarray]:
    """Count gives since the ask before, and asks before, at each ask of a sorted log."""
    ask = log["_ask"].to_numpy()
    first = (log[partner] != log[partner].shift()).to_numpy()
    gave, asked = np.cumsum(~ask), np.cumsum(ask)
    starts = np.maximum.accumulate(np.where(first, np.arange(len(log)), 0))
    gave_before, asked_before = (gave - ~ask)[starts], (asked - ask)[starts]
    at = np.flatnonzero(ask)
    # gives counted when the partner was last asked, or none if it never was
    own = gave[at] - gave_before[at]
    same = np.concatenate([[False], starts[at][1:] == starts[at][:-1]])
    since = own - np.where(same, np.concatenate([[0], own[:-1]]), 0)
    return {"gives": np.minimum(since, MOST_GIVES), "asks_before": asked[at] - asked_before[at] - 1}


def _results_around(
    partner: pd.Series, at: pd.Series, result_partner: pd.Series, result_at: pd.Series, reach: pd.Timedelta
) -> tuple[np.ndarray, np.ndarray]:
    """Results of each ask's partner within the days before it, and within those after it."""
    codes, _ = pd.factorize(pd.concat([partner, result_partner]).astype(str))
    whole = pd.concat([at, result_at])
    origin = whole.min() - 2 * reach
    seconds = (whole - origin).dt.total_seconds().to_numpy()
    span = seconds.max() + 2 * reach.total_seconds() + 1
    places = codes * span + seconds
    asked, found = places[: len(partner)], np.sort(places[len(partner) :])
    width = reach.total_seconds()
    low, here, high = (np.searchsorted(found, asked + away, side=side) for away, side in ((-width, "left"), (0, "right"), (width, "right")))
    return here - low, high - here
