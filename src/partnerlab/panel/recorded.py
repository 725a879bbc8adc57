"""Tiers that the program itself recorded: intervals, and the tier held at the end of each period."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from sqlglot import exp

from partnerlab.intake.rows import ROW, field
from partnerlab.intake.selection import select_rows
from partnerlab.intake.source import Source
from partnerlab.panel.parts import Membership, RecordedTiers
from partnerlab.panel.queries import Cut

_COLUMNS = ("partner_id", "tier", "valid_from", "valid_to", "origin", "left_truncated", "right_censored")


def read_recorded(source: Source, *, partners: np.ndarray, cut: Cut) -> RecordedTiers | None:
    """Read the recorded tiers of the panel's partners.

    Parameters
    ----------
    source : Source
        Where the rows live.
    partners : ndarray of str, shape (n,)
        Sorted.
    cut : Cut
        Edges of the periods, and the moment of knowledge.

    Returns
    -------
    RecordedTiers or None
        None where the program records no tiers.
    """
    present = source.columns().get("tier_history")
    if present is None:
        return None
    intervals = _tidy(source.run(_rows(source, present, cut.as_of)).to_pandas(), partners, cut)
    if intervals.empty:
        return None
    tiers = order_tiers(intervals["tier"], stated=source.program.tier_order)
    at = np.searchsorted(partners, intervals["partner"].to_numpy(dtype=str))
    shape = (len(partners), len(cut.instants) - 1)
    codes = _codes(intervals, at, tiers, shape=shape, edges=cut.instants, ordered=bool(source.program.tier_order))
    truncated = np.zeros(len(partners), dtype=bool)
    np.logical_or.at(truncated, at, intervals["left_truncated"].to_numpy())
    return RecordedTiers(tiers=tiers, codes=codes, left_truncated=truncated, right_censored=codes[:, -1] >= 0, intervals=intervals)


def _rows(source: Source, present: Sequence[str], as_of: datetime | None) -> exp.Select:
    """Select what the program itself recorded: tiers derived by rule are not its word."""
    rows = select_rows(source, "tier_history", columns=[name for name in _COLUMNS if name in present], as_of=as_of)
    if "origin" not in present:
        return rows
    by_rule = exp.Coalesce(this=field("origin"), expressions=[exp.Literal.string("recorded")]).eq(exp.Literal.string("derived"))
    return exp.select("*").from_(rows.subquery(exp.to_identifier(ROW, quoted=True))).where(exp.not_(by_rule))


def by_stays(source: Source) -> bool:
    """Whether membership is known from recorded tiers alone: no day of leaving is recorded."""
    return "tier_history" in source.columns() and "left_at" not in source.columns().get("partners", ())


def record_begins(source: Source, *, as_of: datetime | None) -> datetime | None:
    """Give the first instant (naive UTC) at which any partner held a recorded tier; None where the program records none.

    Before it nobody's membership is known, if that comes from recorded tiers alone.
    """
    present = source.columns().get("tier_history")
    if present is None or "valid_from" not in present:
        return None
    rows = _rows(source, present, as_of).subquery(exp.to_identifier(ROW, quoted=True))
    query = exp.select(exp.alias_(exp.Min(this=field("valid_from")), "first", quoted=True)).from_(rows)
    return source.run(query).to_pylist()[0]["first"]


def _tidy(rows: pd.DataFrame, partners: np.ndarray, cut: Cut) -> pd.DataFrame:
    """Intervals of the panel's partners as known: sorted, an end yet to come left open."""
    rows = rows.rename(columns={"partner_id": "partner"})
    for name in ("left_truncated", "right_censored"):
        told = rows[name] if name in rows else pd.Series(False, index=rows.index)
        rows[name] = told.astype("boolean").fillna(False).astype(bool)
    if "valid_to" not in rows:
        rows["valid_to"] = pd.NaT
    last = cut.instants[-1]
    for name in ("valid_from", "valid_to"):
        rows[name] = pd.to_datetime(rows[name]).astype("datetime64[us]")
    rows["valid_to"] = rows["valid_to"].mask(rows["valid_to"] >= last)
    rows["right_censored"] = rows["valid_to"].isna()
    rows = rows[rows["partner"].isin(partners) & (rows["valid_from"] < last)]
    order = ["partner", "valid_from", "tier"]
    return rows[["partner", "tier", "valid_from", "valid_to", "left_truncated", "right_censored"]].sort_values(order).reset_index(drop=True)


def order_tiers(seen: pd.Series, *, stated: tuple[str, ...]) -> tuple[str, ...]:
    """Order tiers best first: as the program states, those it does not name after them by name.

    Examples
    --------
    >>> order_tiers(pd.Series(["silver", "gold", "bronze"]), stated=("gold", "silver"))
    ('gold', 'silver', 'bronze')
    """
    return (*stated, *sorted(set(map(str, seen)) - set(stated)))


def membership_of_stays(recorded: RecordedTiers, *, partners: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place partners by their stays: a member while in a tier, lapsed after one, not yet before the first.

    For programs that record no day of leaving. Of the periods that end before the
    record begins nothing is known: who is seen first need not have joined then.

    Parameters
    ----------
    recorded : RecordedTiers
        With a column for each period.
    partners : ndarray of str, shape (n,)
        Sorted.
    edges : ndarray of datetime64[us], shape (t + 1,)
        Edges of the periods in UTC.

    Returns
    -------
    state : ndarray of int8, shape (n, t)
        `Membership` at the end of each period.
    exposure : ndarray of float32, shape (n, t)
        Share of the period in any tier.
    """
    stays = recorded.intervals
    at = np.searchsorted(partners, stays["partner"].to_numpy(dtype=str))
    start, stop = stays["valid_from"].to_numpy().astype("datetime64[us]"), _ends(stays)
    state = np.where(recorded.codes >= 0, Membership.ACTIVE, Membership.NOT_YET).astype(np.int8)
    state[:, edges[1:] <= start.min()] = Membership.UNKNOWN
    exposure = np.zeros(state.shape, dtype=np.float32)
    for column, (opens, closes) in enumerate(itertools.pairwise(edges)):
        begun = np.unique(at[start < closes])
        state[begun, column] = np.where(recorded.codes[begun, column] >= 0, Membership.ACTIVE, Membership.LAPSED)
        inside = (np.minimum(stop, closes) - np.maximum(start, opens)).astype(np.int64).clip(min=0)
        exposure[:, column] = np.bincount(at, weights=inside, minlength=len(partners)) / (closes - opens).astype(np.int64)
    return state, exposure.clip(max=1)


def _ends(stays: pd.DataFrame) -> np.ndarray:
    return stays["valid_to"].fillna(pd.Timestamp("9999-12-31")).to_numpy().astype("datetime64[us]")


def _codes(
    intervals: pd.DataFrame, at: np.ndarray, tiers: tuple[str, ...], *, shape: tuple[int, int], edges: np.ndarray, ordered: bool
) -> np.ndarray:
    """Tier at the end of each period: the highest if several are held, or the latest if the program states no order."""
    rank = {tier: code for code, tier in enumerate(tiers)}
    tier = intervals["tier"].map(rank).to_numpy(dtype=np.int8)
    start = intervals["valid_from"].to_numpy().astype("datetime64[us]")
    stop = _ends(intervals)
    # what is written last wins: the best tier, or the latest start
    height = -tier.astype(np.int16)
    turn = np.lexsort((start, height)) if ordered else np.lexsort((height, start))
    codes = np.full(shape, -1, dtype=np.int8)
    for column, closes in enumerate(edges[1:]):
        holds = turn[(start[turn] < closes) & (stop[turn] >= closes)]
        codes[at[holds], column] = tier[holds]
    return codes
