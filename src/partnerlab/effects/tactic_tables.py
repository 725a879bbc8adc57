"""Reading a table of partners by quarters with a tactic in it: what cannot be meant is refused in one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from partnerlab.effects.row_tables import LARGEST
from partnerlab.errors import ParameterError, PartnerlabError, nearest
from partnerlab.periods import Calendar
from partnerlab.stats.inference.clusters import code_clusters


@dataclasses.dataclass(frozen=True, kw_only=True)
class TacticColumns:
    """Names of the columns of a table of a tactic."""

    partner: str
    quarter: str
    outcome: str
    treated: str
    starts: str | None
    manager: str | None
    tier: str | None
    region: str | None
    covariates: tuple[str, ...]
    others: tuple[str, ...]
    measured: Mapping[str, str]
    weight: str | None


def read_tactic_frame(frame: pd.DataFrame, columns: TacticColumns, calendar: Calendar | None) -> dict[str, Any]:
    """Read a long table; gives the fields of `TacticPanel`."""
    _check_columns(frame, columns)
    codes, ids = code_clusters(frame[columns.partner])
    names = pd.Series(ids).astype(str).to_numpy(dtype=str)  # once for each partner, not for each row
    partners, place = np.unique(names, return_inverse=True)
    row = codes if (place[1:] > place[:-1]).all() else place[codes]
    period, calendar = _periods(frame[columns.quarter], columns.quarter, calendar)
    first, last = int(period.min()), int(period.max())
    shape = (len(partners), last - first + 1)
    if columns.starts is None:
        _refuse_gaps_throughout(period - first, shape[1], columns.quarter)
    place = row * shape[1]
    place += period
    place -= first
    at = _cells(frame, columns, place, shape)
    for name in columns.measured:
        _refuse_later(frame, columns, name, period, calendar)
    fields: dict[str, Any] = {
        "outcome": _dense(_numbers(frame, columns.outcome), at, shape),
        "treated": _dense(_switches(frame, columns.treated), at, shape)
        if columns.starts is None
        else _since_start(frame, columns, calendar, row, np.arange(first, last + 1), len(partners)),
        "covariates": {name: _dense(_numbers(frame, name), at, shape) for name in columns.covariates},
        "others": {name: _dense(_switches(frame, name), at, shape) for name in columns.others},
    }
    for noun in ("manager", "tier", "region"):
        codes, fields[f"{noun}s"] = _groups(frame, getattr(columns, noun))
        fields[noun] = np.broadcast_to(np.int64(-1), shape) if codes is None else _dense(codes, at, shape, empty=-1)
    return {
        **fields,
        "partners": partners,
        "first": first,
        "calendar": calendar,
        "weight": None if columns.weight is None else _of_partners(_numbers(frame, columns.weight), row, len(partners), columns.weight),
        "tactic": columns.starts or columns.treated,
        "outcome_name": columns.outcome,
    }


def _check_columns(frame: pd.DataFrame, columns: TacticColumns) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise ParameterError(f"a tactic is read from a DataFrame, not a {type(frame).__name__}")
    single = {noun: getattr(columns, noun) for noun in ("partner", "quarter", "outcome", "starts", "manager", "tier", "region", "weight")}
    single |= {"treated": columns.treated} if columns.starts is None else {}
    asked = [(noun, name) for noun, name in single.items() if name is not None]
    asked += [("covariates", name) for name in columns.covariates] + [("others", name) for name in columns.others]
    asked += [("measured", name) for name in columns.measured.values()]
    for noun, name in asked:
        if name not in frame.columns:
            raise ParameterError(f"tactic panel: no column {name!r} for {noun}{nearest(name, frame.columns)}", column=name)
    _check_covariates(columns)
    if frame.empty:
        raise ParameterError("tactic panel: the frame has no rows; give at least one partner and quarter")
    for key in (columns.partner, columns.quarter):
        empty = int(frame[key].isna().sum())
        if empty:
            raise ParameterError(f"tactic panel, {key}: {empty} of {len(frame)} rows are empty; fill or drop them", column=key, rows=empty)


def _check_covariates(columns: TacticColumns) -> None:
    for name in columns.covariates:
        if name in (columns.outcome, columns.treated):
            raise ParameterError(
                f"tactic panel: {name!r} cannot be its own covariate; earlier outcomes and treatments are taken by themselves"
            )
    for name in columns.measured:
        if name not in columns.covariates:
            raise ParameterError(f"tactic panel: measured names {name!r}, which is no covariate{nearest(name, columns.covariates)}")


def _periods(column: pd.Series, name: str, calendar: Calendar | None) -> tuple[np.ndarray, Calendar | None]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
        return column.to_numpy(dtype=np.int64), calendar
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        if not (values == np.round(values)).all():
            raise ParameterError(f"tactic panel, {name}: {int((values != np.round(values)).sum())} rows are no whole period", column=name)
        return values.astype(np.int64), calendar
    codes, labels = pd.factorize(column.astype("str"))
    days = _days(labels)
    calendar = calendar or Calendar(cadence="month" if _monthly(labels, days) else "quarter")
    try:
        periods = np.array(
            [calendar.parse(label) if days is None else calendar.period_of_date(days[at]) for at, label in enumerate(labels)]
        )
    except PartnerlabError as error:
        raise ParameterError(f"tactic panel, {name}: {error}; or give whole numbers", column=name) from error
    return periods[codes], calendar


def _days(labels: Sequence[str]) -> list[date] | None:
    """Read labels as days, such as a column of timestamps has; None if any is none."""
    try:
        return (
            [date.fromisoformat(label.removesuffix(" 00:00:00")) for label in labels] if all(len(label) >= 10 for label in labels) else None
        )
    except ValueError:
        return None


def _monthly(labels: Sequence[str], days: list[date] | None) -> bool:
    """Whether labels are months, or days of which several lie in one quarter."""
    if days is None:
        return all(len(label) == 7 and label[4] == "-" and label[5:].isdigit() for label in labels)
    return len({Calendar().period_of_date(day) for day in days}) < len({(day.year, day.month) for day in days})


def _refuse_gaps_throughout(ahead: np.ndarray, width: int, name: str) -> None:
    """Refuse periods that are two or more apart everywhere: no quarter before any start was seen."""
    seen = np.zeros(width, dtype=bool)
    seen[ahead] = True
    step = int(np.gcd.reduce(np.flatnonzero(seen)))
    if step > 1 and seen.sum() > 2:
        raise ParameterError(
            f"tactic panel, {name}: rows stand {step} periods apart throughout; number them one after another, or give starts=", column=name
        )


def _cells(frame: pd.DataFrame, columns: TacticColumns, at: np.ndarray, shape: tuple[int, int]) -> np.ndarray | slice:
    """Cell of each row in the table laid out row by row, all of them where rows stand in that order; none may stand twice."""
    cells = shape[0] * shape[1]
    if len(at) == cells and at[0] == 0 and (at[1:] > at[:-1]).all():
        return slice(None)
    count = np.bincount(at, minlength=cells)
    twice = int((count > 1).sum())
    if twice:
        row = int(np.flatnonzero(count[at] > 1)[0])
        example = f"{frame[columns.partner].iloc[row]!s} in {frame[columns.quarter].iloc[row]!s}"
        raise ParameterError(f"tactic panel: {twice} partner-quarters stand on several rows, such as {example}; give one row for each")
    return at


def _same_clock(frame: pd.DataFrame, columns: TacticColumns, name: str) -> None:
    """Refuse numbers beside labels: 2026 and 2026Q1 are counted from different beginnings."""
    labels, its = (not pd.api.types.is_numeric_dtype(frame[one]) for one in (columns.quarter, name))
    if labels != its:
        said = ("labels", "numbers") if labels else ("numbers", "labels")
        raise ParameterError(
            f"tactic panel, {name}: {columns.quarter} holds {said[0]} of quarters, and {name} {said[1]}; give both in one form", column=name
        )


def _refuse_later(frame: pd.DataFrame, columns: TacticColumns, name: str, period: np.ndarray, calendar: Calendar | None) -> None:
    column = columns.measured[name]
    known = frame[column].notna().to_numpy()
    when = np.full(len(frame), period.min() - 1)
    if known.any():
        _same_clock(frame, columns, column)
        when[known] = _periods(frame[column][known], column, calendar)[0]
    later = known & (when > period)
    if later.any():
        raise ParameterError(
            f"tactic panel, {name}: {int(later.sum())} rows were measured after their own quarter (first: row {int(later.argmax())}); "
            "what is known only later cannot explain a choice: give the value known when the quarter began",
            column=name, rows=int(later.sum()),
        )  # fmt: skip


def _numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    column = frame[name]
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        raise ParameterError(f"tactic panel, {name}: expected numbers, found {column.dtype}; convert the column", column=name)
    values = column.to_numpy(dtype=float, na_value=np.nan)
    endless = np.abs(values) > LARGEST
    if endless.any():
        raise ParameterError(f"tactic panel, {name}: {int(endless.sum())} rows are infinite or beyond {LARGEST:g}; mend them", column=name)
    return values


def _switches(frame: pd.DataFrame, name: str) -> np.ndarray:
    values = _numbers(frame, name)
    strange = np.isfinite(values) & (values != 0) & (values != 1)
    if strange.any():
        raise ParameterError(
            f"tactic panel, {name}: {int(strange.sum())} rows are neither 0 nor 1 (first: {values[strange][0]:g}); "
            "say where the tactic was on", column=name, rows=int(strange.sum()),
        )  # fmt: skip
    return values


def _since_start(
    frame: pd.DataFrame, columns: TacticColumns, calendar: Calendar | None, row: np.ndarray, periods: np.ndarray, partners: int
) -> np.ndarray:
    """On from each partner's start, in quarters without a row too; empty, 0 before the first quarter and infinity mean never."""
    column, name = frame[columns.starts], str(columns.starts)
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        never = ~np.isfinite(values) | ((values == 0) & (periods[0] > 0))
    else:
        never = (column.isna() | (column.astype("str") == "")).to_numpy()
    start = np.full(len(frame), np.inf)
    if not never.all():
        _same_clock(frame, columns, name)
        start[~never] = _periods(column[~never], name, calendar)[0]
    earliest, latest = np.full(partners, np.inf), np.full(partners, -np.inf)
    np.minimum.at(earliest, row, start)
    np.maximum.at(latest, row, start)
    strange = int((earliest != latest).sum())
    if strange:
        example = frame[columns.partner].iloc[int((earliest != latest)[row].argmax())]
        raise ParameterError(
            f"tactic panel, {name}: {strange} partners have more than one start, such as {example!s}; give each the same in all its rows",
            column=name,
        )
    return (periods >= earliest[:, None]).astype(float)


def _of_partners(values: np.ndarray, row: np.ndarray, partners: int, name: str) -> np.ndarray:
    """One weight above 0 for each partner, the same in all its rows."""
    strange = int((~(values > 0)).sum())
    if strange:
        raise ParameterError(
            f"tactic panel, {name}: {strange} of {len(values)} rows are empty or not above 0; mend or drop them", column=name
        )
    each = np.empty(partners)
    each[row] = values
    differ = len(np.unique(row[each[row] != values]))
    if differ:
        raise ParameterError(f"tactic panel, {name}: {differ} partners have more than one weight; give each the same in all its rows",
                             column=name)  # fmt: skip
    return each


def _groups(frame: pd.DataFrame, name: str | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Codes and names; an ordered categorical keeps its order."""
    if name is None:
        return None, ()
    column = frame[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories()
        return used.cat.codes.to_numpy().astype(np.int64), tuple(map(str, used.cat.categories))
    codes, names = pd.factorize(column, sort=True)
    return codes.astype(np.int64), tuple(map(str, names))


def _dense(values: np.ndarray, at: np.ndarray | slice, shape: tuple[int, int], *, empty: float = np.nan) -> np.ndarray:
    """Lay a column out as partners by quarters."""
    if isinstance(at, slice):
        return values.reshape(shape).copy()
    table = np.full(shape[0] * shape[1], empty, dtype=values.dtype)
    table[at] = values
    return table.reshape(shape)
