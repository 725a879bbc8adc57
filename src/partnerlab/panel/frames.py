"""The panel's two doors for tables: in from a long frame, and out to one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.panel.indicators import FRAME, Indicator, Indicators
from partnerlab.panel.membership import membership
from partnerlab.panel.parts import Membership
from partnerlab.panel.windows import carry_forward, indicator_values
from partnerlab.periods import Calendar, read_dates

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel

#: Columns of the long table that are neither indicators nor attributes.
_OWN = ("state", "exposure", "partial")


def frame_of_panel(panel: Panel, *, windowed: bool, counts: bool) -> pd.DataFrame:
    """Lay a panel out as one row for each partner and period (see `Panel.to_frame`)."""
    n, t = panel.shape
    states = np.array([state.name.lower() for state in Membership])
    columns: dict[str, Any] = {
        "partner": np.repeat(panel.partners, t),
        "quarter": np.tile(np.array(panel.labels), n),
        "state": states[panel.state.ravel()],
        "exposure": panel.exposure.ravel(),
        "partial": np.tile(panel.partial, n),
    }
    for name in panel.indicators.names:
        columns[name] = (panel.values(name) if windowed else _single(panel, name)).ravel()
        if counts:
            columns[f"{name}_n"] = (panel.n(name) if windowed else panel.counts[name]).ravel()
    return pd.DataFrame(columns)


def _single(panel: Panel, name: str) -> np.ndarray:
    """Values of single periods, as the rows gave them, small samples and non-members included."""
    indicator = panel.indicators[name]
    if indicator.is_whole_window:  # made of rows, not of single periods
        return panel.values(name)
    alone = indicator.model_copy(update={"window": 1, "min_n": 0, "statistic": _alone(indicator)})
    covered = panel.covered.get(name)
    told = covered if covered is not None and covered.ndim == 2 else None
    unseen = None if covered is None else np.broadcast_to(~covered, panel.shape)
    return indicator_values(alone, totals=panel.totals[name], counts=panel.counts[name], unseen=unseen, told=told)


def _alone(indicator: Indicator) -> str:
    return "count" if indicator.statistic == "active" else indicator.statistic


def panel_of_frame(
    frame: pd.DataFrame,
    *,
    keys: tuple[str, str],
    indicators: Indicators | None,
    attributes: pd.DataFrame | None,
    calendar: Calendar | None,
) -> dict[str, Any]:
    """Read a long frame; gives the panel's fields (see `Panel.from_frame`)."""
    _check_keys(frame, keys)
    partners, rows = np.unique(frame[keys[0]].astype(str).to_numpy(dtype=str), return_inverse=True)
    calendar, periods = _read_periods(frame[keys[1]], calendar)
    first, shape = int(periods.min()), (len(partners), int(periods.max() - periods.min()) + 1)
    at = (rows, periods - first)
    _check_repeats(frame, keys, at, shape)
    seen = np.zeros(shape, dtype=bool)
    seen[at] = True
    numbers, texts = _sort_columns(frame, keys, indicators)
    indicators = indicators or Indicators(indicators={name: _guess(frame[name], name) for name in numbers})
    about = _attributes(frame, texts, partners, rows, attributes, keys[0])
    state, exposure = _states(frame, at, seen, about, calendar, first)
    fields: dict[str, Any] = {"totals": {}, "counts": {}, "covered": {}}
    for name in indicators.names:
        for field, array in _cells(frame, indicators[name], at, seen).items():
            fields[field][name] = array
    partial = np.zeros(shape[1], dtype=bool)
    if "partial" in frame:
        np.logical_or.at(partial, at[1], frame["partial"].astype(bool).to_numpy())
    return {"partners": partners, "first": first, "calendar": calendar, "indicators": indicators, **fields,
            "state": state, "exposure": exposure, "attributes": about, "partial": partial}  # fmt: skip


def _check_keys(frame: pd.DataFrame, keys: tuple[str, str]) -> None:
    for key in keys:
        if key not in frame.columns:
            raise ParameterError(f"the frame has no column {key!r}{nearest(key, frame.columns)}", column=key)
        empty = int(frame[key].isna().sum())
        if empty:
            raise ParameterError(f"frame.{key}: {empty} of {len(frame)} rows are empty; fill or drop them", column=key, rows=empty)
    if frame.empty:
        raise ParameterError("the frame has no rows; give at least one partner and period")


def _read_periods(labels: pd.Series, calendar: Calendar | None) -> tuple[Calendar, np.ndarray]:
    codes, names = pd.factorize(labels.astype(str))
    if calendar is None:
        monthly = all(re.fullmatch(r"\d{4}-\d{2}", name) for name in names)
        calendar = Calendar(cadence="month") if monthly else Calendar()
    known = np.array([calendar.parse(name) for name in names], dtype=np.int64)
    return calendar, known[codes]


def _check_repeats(frame: pd.DataFrame, keys: tuple[str, str], at: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> None:
    cells = np.bincount(at[0] * shape[1] + at[1], minlength=shape[0] * shape[1])
    twice = int((cells > 1).sum())
    if twice:
        row = int(np.flatnonzero(cells[at[0] * shape[1] + at[1]] > 1)[0])
        example = f"{frame[keys[0]].iloc[row]!s} in {frame[keys[1]].iloc[row]!s}"
        raise ParameterError(f"{twice} partners' periods stand on several rows, such as {example}; give one row for each", rows=twice)


def _sort_columns(frame: pd.DataFrame, keys: tuple[str, str], indicators: Indicators | None) -> tuple[list[str], list[str]]:
    """Names of the columns that are indicators, and of those that are attributes."""
    others = [str(name) for name in frame.columns if name not in (*keys, *_OWN)]
    if indicators is not None:
        absent = [name for name in indicators.names if name not in others]
        if absent:
            raise ParameterError(f"the frame has no column for the indicator {absent[0]!r}{nearest(absent[0], others)}", column=absent[0])
        numbers = list(indicators.names)
    else:
        numeric = [name for name in others if pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_bool_dtype(frame[name])]
        numbers = [name for name in numeric if not (name.endswith("_n") and name[:-2] in numeric)]
        if not numbers:
            written = [name for name in others if _looks_like_numbers(frame[name])]
            hint = f"; {', '.join(written)} holds numbers written as text: turn it into numbers" if written else ""
            raise ParameterError(f"the frame has no column of numbers, so no indicator{hint}", columns=tuple(written))
    texts = [name for name in others if name not in numbers and not (name.endswith("_n") and name[:-2] in numbers)]
    return numbers, [name for name in texts if not pd.api.types.is_numeric_dtype(frame[name])]


def _looks_like_numbers(column: pd.Series) -> bool:
    told = column.dropna()
    return len(told) > 0 and bool(pd.to_numeric(told, errors="coerce").notna().all())


def _numbers(column: pd.Series, *, whole: bool = False) -> np.ndarray:
    """Read a column as numbers, empty cells as NaN; infinity is none, and a count has to fit its cell.

    Raises
    ------
    ParameterError
        Naming the column, how many rows, and the first of them.
    """
    value = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    most = np.iinfo(np.int32).max
    wrong = [
        ((np.isnan(value) & column.notna().to_numpy()) | np.isinf(value), "are no number"),
        (np.abs(value) > most if whole else np.zeros(len(value), dtype=bool), f"are more than {most:,}, the most that is counted"),
    ]
    for rows, words in wrong:
        if rows.any():
            row = int(np.flatnonzero(rows)[0])
            said = (
                f"frame.{column.name}: {int(rows.sum())} values {words}, such as {column.iloc[row]!s} in row {row + 1}; mend or empty them"
            )
            raise ParameterError(said, column=str(column.name), rows=int(rows.sum()))
    return value


def _guess(column: pd.Series, name: str) -> Indicator:
    whole = pd.api.types.is_integer_dtype(column) and not pd.api.types.is_bool_dtype(column)
    # a table that leaves some counts empty says that it does not know them
    missing = "zero" if whole and not column.isna().any() else "unknown"
    return Indicator.model_validate({"name": name, "from": FRAME, "statistic": "count" if whole else "mean", "missing": missing})


def _attributes(
    frame: pd.DataFrame, texts: list[str], partners: np.ndarray, rows: np.ndarray, given: pd.DataFrame | None, key: str
) -> pd.DataFrame:
    """One row for each partner: what the caller gave, and the frame's columns of text."""
    about = pd.DataFrame(index=pd.Index(partners))
    if given is not None:
        indexed = given.set_index(key) if key in given.columns else given
        indexed = indexed.set_axis(indexed.index.astype(str))
        if indexed.index.has_duplicates:
            twice = int(indexed.index.duplicated().sum())
            raise ParameterError(f"attributes: {twice} partners stand on several rows; give one row for each", rows=twice)
        if len(indexed) == len(partners) and given.index.equals(pd.RangeIndex(len(given))) and key not in given.columns:
            raise ParameterError(f"attributes need a column {key!r}, or the partners as index")
        about = _dated(indexed, "attributes").reindex(about.index)
    for name in texts:
        if name in about.columns:
            continue
        told = frame[name].notna().to_numpy()
        values = pd.Series(frame[name].to_numpy()[told]).groupby(rows[told])
        changing = int((values.nunique() > 1).sum())
        if changing:
            raise ParameterError(f"frame.{name} changes within {changing} partners; an attribute must stay, an indicator must be a number")
        about[name] = values.first().reindex(range(len(partners))).to_numpy()
    return _dated(about, "frame").reset_index(drop=True)


def _dated(about: pd.DataFrame, table: str) -> pd.DataFrame:
    """Attributes with the days of joining and leaving read as dates."""
    days = {name: read_dates(about[name], name=f"{table}.{name}", wall=True) for name in ("joined_at", "left_at") if name in about}
    return about.assign(**days) if days else about


def _states(
    frame: pd.DataFrame, at: tuple[np.ndarray, np.ndarray], seen: np.ndarray, about: pd.DataFrame, calendar: Calendar, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """State and exposure: as told by the frame, else by the days of joining and leaving, else from the first row on."""
    t = seen.shape[1]
    started = np.maximum.accumulate(seen, axis=1)
    state = np.where(started, Membership.ACTIVE, Membership.NOT_YET).astype(np.int8)
    exposure = started.astype(np.float32)
    if "joined_at" in about:
        edges = calendar.bounds_date(first, first + t - 1)
        state, exposure = membership(joined=_days(about, "joined_at"), left=_days(about, "left_at"), edges=edges)
    if "state" in frame:
        codes = {member.name.lower(): member.value for member in Membership}
        unknown = sorted(set(frame["state"].astype(str)) - set(codes))
        if unknown:
            raise ParameterError(f"frame.state: {unknown[0]!r} is no state{nearest(unknown[0], codes)}", column="state")
        state[at] = frame["state"].astype(str).map(codes).to_numpy(dtype=np.int8)
        exposure[at] = state[at] == Membership.ACTIVE
    if "exposure" in frame:
        exposure[at] = frame["exposure"].to_numpy(dtype=np.float32)
    return state, exposure


def _days(about: pd.DataFrame, name: str) -> np.ndarray:
    if name not in about:
        return np.full(len(about), np.datetime64("NaT"), dtype="datetime64[D]")
    return about[name].to_numpy().astype("datetime64[D]")


def _cells(frame: pd.DataFrame, indicator: Indicator, at: tuple[np.ndarray, np.ndarray], seen: np.ndarray) -> dict[str, np.ndarray]:
    """Totals and counts of one indicator, and where its value was told."""
    name = indicator.name
    value = np.full(seen.shape, np.nan)
    value[at] = _numbers(frame[name], whole=indicator.statistic not in ("sum", "mean", "median", "share", "last"))
    told = ~np.isnan(value)
    if indicator.statistic == "last":
        value = carry_forward(value)
        return {"totals": value, "counts": (~np.isnan(value)).astype(np.int32)}
    filled = value if indicator.statistic == "median" else np.where(told, value, 0.0)
    if f"{name}_n" in frame.columns:
        rows = np.zeros(seen.shape, dtype=np.int32)
        rows[at] = np.nan_to_num(_numbers(frame[f"{name}_n"], whole=True)).astype(np.int32)
    else:
        rows = told.astype(np.int32)
    cells = _total(indicator, filled, rows)
    if indicator.missing == "unknown" and indicator.statistic not in ("mean", "median", "share"):
        cells["covered"] = told
    return cells


def _total(indicator: Indicator, filled: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """From the values of single periods to totals, in the narrow type of the statistic."""
    if indicator.statistic in ("mean", "share"):
        total = filled * rows
        whole = indicator.statistic == "share" and (np.abs(total - np.rint(total)) < 1e-6).all()
        if indicator.money:
            return {"totals": np.rint(total * 100).astype(np.int64), "counts": rows}
        return {"totals": np.rint(total).astype(np.int32) if whole else total, "counts": rows}
    if indicator.statistic == "median":
        return {"totals": filled, "counts": rows}
    if indicator.statistic == "sum":
        return {"totals": np.rint(filled * 100).astype(np.int64) if indicator.money else filled, "counts": rows}
    wrong = int(((filled < 0) | (filled != np.rint(filled))).sum())
    if wrong:
        raise ParameterError(f"frame.{indicator.name}: {wrong} values are not whole numbers from 0 up, as {indicator.statistic} needs")
    totals = filled.astype(np.int32)
    return {"totals": totals, "counts": totals}
