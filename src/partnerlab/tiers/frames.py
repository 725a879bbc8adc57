"""Tiers from a table: snapshots by quarter, or intervals with a beginning and an end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.periods import Calendar, read_dates
from partnerlab.tiers.codes import Outside


def history_fields(
    frame: pd.DataFrame,
    *,
    partner: str,
    quarter: str,
    tier: str,
    order: tuple[str, ...],
    calendar: Calendar,
    attributes: pd.DataFrame | None,
) -> dict[str, Any]:
    """Read a table of tiers; gives the fields of a `TierHistory`."""
    by_interval = "valid_from" in frame.columns and (quarter == "quarter" or quarter not in frame.columns)
    for column in (partner, tier, *(("valid_from", "valid_to") if by_interval else (quarter,))):
        if column not in frame.columns:
            raise ParameterError(f"the frame has no column {column!r}{nearest(column, frame.columns)}", column=column)
    empty = int(frame[partner].isna().sum()) if len(frame) else -1
    if empty:
        raise ParameterError("the frame has no rows" if empty < 0 else f"frame.{partner}: {empty} rows name nobody; fill or drop them")
    tiers = order or tuple(sorted(frame[tier].dropna().astype(str).unique()))
    codes = _codes(frame[tier], tiers)
    partners, rows = np.unique(frame[partner].astype(str).to_numpy(dtype=str), return_inverse=True)
    read, dated = (_from_intervals, frame) if by_interval else (_from_snapshots, frame[quarter])
    table, first = read(dated, codes, rows, len(partners), calendar, bool(order))
    stages = {stage: table.copy() for stage in ("raw", "eligible", "held", "published")}
    return {
        "partners": partners,
        "first": first,
        "calendar": calendar,
        "tiers": tiers,
        "rank": tuple(len(tiers) - position if order else None for position in range(len(tiers))),
        **stages,
        "reasons": np.zeros_like(table),
        "attributes": _about(attributes, partners, partner),
        "partial": np.zeros(table.shape[1], dtype=bool),
        "lines": pd.DataFrame(columns=["quarter", "axis", "group", "line", "n"]),
    }


def _codes(column: pd.Series, tiers: tuple[str, ...]) -> np.ndarray:
    """Codes of the tiers, int8; unknown where empty."""
    codes = pd.Index(tiers).get_indexer(column.astype("str"))
    strange = column[(codes < 0) & column.notna().to_numpy()]
    if len(strange):
        name = str(strange.iloc[0])
        raise ParameterError(
            f"frame.{column.name}: {len(strange)} rows have a tier such as {name!r} that is not in order{nearest(name, tiers)}", tier=name
        )
    return codes.astype(np.int8)


def _from_snapshots(
    quarter: pd.Series, codes: np.ndarray, rows: np.ndarray, count: int, calendar: Calendar, ordered: bool
) -> tuple[np.ndarray, int]:
    numbers, labels = pd.factorize(quarter.astype(str))
    periods = np.array([calendar.parse(label) for label in labels], dtype=np.int64)[numbers]
    first = int(periods.min())
    seen = np.zeros((count, int(periods.max()) - first + 1), dtype=np.int32)
    np.add.at(seen, (rows, periods - first), 1)
    if (seen > 1).any() and not ordered:
        raise ParameterError(
            f"{int((seen > 1).sum())} partners' quarters stand on several rows; give order= so that the highest counts, or drop rows"
        )
    table = np.full(seen.shape, np.int8(Outside.UNKNOWN))
    lowest_first = np.argsort(np.where(codes < 0, 127, codes), kind="stable")[::-1]
    table[rows[lowest_first], periods[lowest_first] - first] = codes[lowest_first]
    return _with_gaps(table, seen > 0), first


def _from_intervals(
    frame: pd.DataFrame, codes: np.ndarray, rows: np.ndarray, count: int, calendar: Calendar, ordered: bool
) -> tuple[np.ndarray, int]:
    """Tier in force at the end of each period."""
    begins, stops = (read_dates(frame[column], name=f"frame.{column}") for column in ("valid_from", "valid_to"))
    if begins.isna().any():
        raise ParameterError(f"frame.valid_from: {int(begins.isna().sum())} rows are empty; every interval needs a beginning")
    backwards = int((stops <= begins).sum())
    if backwards:
        raise ParameterError(f"frame.valid_to: {backwards} intervals end before or as they begin; mend or drop them")
    if not ordered:
        _refuse_overlaps(rows, begins, stops)
    first = calendar.period_of(begins.min().to_pydatetime())
    final = max(begins.max(), stops.max()) if stops.notna().any() else begins.max()
    edges = calendar.bounds_utc(first, calendar.period_of(final.to_pydatetime()))[1:]
    opened = np.searchsorted(edges, begins.to_numpy(), side="right")  # first edge after the beginning
    closed = np.where(stops.isna(), len(edges), np.searchsorted(edges, stops.fillna(begins).to_numpy(), side="right"))
    table = np.full((count, len(edges)), np.int8(Outside.UNKNOWN))
    seen = np.zeros(table.shape, dtype=bool)
    for index in np.argsort(np.where(codes < 0, 127, codes), kind="stable")[::-1]:
        span = slice(int(opened[index]), int(closed[index]))
        table[rows[index], span], seen[rows[index], span] = codes[index], True
    return _with_gaps(table, seen), first


def _refuse_overlaps(rows: np.ndarray, begins: pd.Series, stops: pd.Series) -> None:
    spans = pd.DataFrame({"row": rows, "begins": begins.to_numpy(), "stops": stops.fillna(pd.Timestamp("2262-01-01")).to_numpy()})
    spans = spans.sort_values(["row", "begins"])
    reach = spans.groupby("row")["stops"].cummax().shift()
    overlapping = int(((spans["row"] == spans["row"].shift()) & (spans["begins"] < reach)).sum())
    if overlapping:
        raise ParameterError(
            f"{overlapping} intervals overlap another of the same partner; give order= so that the highest counts, or mend them"
        )


def _with_gaps(table: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Not yet joined before the first row, lapsed in gaps and after the last."""
    before = np.cumsum(seen, axis=1) == 0
    return np.where(seen, table, np.where(before, np.int8(Outside.NOT_YET), np.int8(Outside.LAPSED))).astype(np.int8)


def _about(attributes: pd.DataFrame | None, partners: np.ndarray, partner: str) -> pd.DataFrame:
    if attributes is None:
        return pd.DataFrame(index=pd.Index(partners))
    indexed = attributes.set_index(partner) if partner in attributes.columns else attributes
    return indexed.set_axis(indexed.index.astype(str)).reindex(pd.Index(partners))
