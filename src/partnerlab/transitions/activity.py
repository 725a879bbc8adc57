"""The stop before turning signals: how often something happened, partner by partner, month by month or week by week."""

from __future__ import annotations

import dataclasses
import re
from datetime import date, datetime
from typing import Self

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.intake.source import Source
from partnerlab.intake.span import data_span
from partnerlab.panel.build import build_panel
from partnerlab.panel.indicators import Indicators
from partnerlab.panel.panel import Panel
from partnerlab.periods import Calendar
from partnerlab.results import read_only
from partnerlab.transitions.redraw import Kind, indicator_kind, reach_back

#: Days of one week; a Monday from which weeks are counted.
WEEK, MONDAY = 7, date(1970, 1, 5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Activity:
    """Counts of events by partner and period.

    Parameters
    ----------
    partners : ndarray of str, shape (n,)
        Sorted, unique.
    labels : tuple of str
        Periods without a gap: ``2026-07`` for months, ``2026-W05`` for weeks, ``2026Q3`` for quarters.
    counts : ndarray of int64, shape (n, t)
        Events.
    exposure : ndarray of float64, shape (n, t)
        Share of the period in which the partner's events were counted; 0 before it joined, after it left, and where the data
        do not reach.
    per_quarter : int
        Periods in a quarter: 13 weeks, 3 months, 1 quarter.
    unit : str
        What is counted.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": ["a", "a", "b"], "month": ["2026-01", "2026-03", "2026-02"], "leads": [2, 4, 1]})
    >>> seen = Activity.from_frame(frame, period="month", count="leads")
    >>> seen.counts.tolist(), seen.exposure.tolist()
    ([[2, 0, 4], [0, 1, 0]], [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    """

    partners: np.ndarray
    labels: tuple[str, ...]
    counts: np.ndarray = dataclasses.field(repr=False)
    exposure: np.ndarray = dataclasses.field(repr=False)
    per_quarter: int = 3
    unit: str = "events"

    def __post_init__(self) -> None:
        for name in ("partners", "counts", "exposure"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def shape(self) -> tuple[int, int]:
        """Partners and periods."""
        return self.counts.shape  # type: ignore[return-value]

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        partner: str = "partner",
        period: str = "month",
        count: str = "count",
        exposure: str | None = None,
        last: str | None = None,
        unit: str = "",
    ) -> Self:
        """Take counts from a table: one row for each partner and period in which something happened.

        Parameters
        ----------
        frame : DataFrame
            Columns as named; further ones are not read.
        partner, period, count : str
            Columns. Periods are months (``2026-07``), ISO weeks (``2026-W05``), or dates, which fall into ISO weeks.
        exposure : str or None
            Share of the period in which events were counted. Without it a partner counts from its first row to the end, and
            a period without a row is a zero.
        last : str or None
            Last period, where the data reach further than the last event.
        unit : str
            What is counted; the name of the column if empty.

        Raises
        ------
        ParameterError
            If a column is not there, a period cannot be read, a count is negative or not whole, or a row comes twice.
        SampleError
            If there are no rows.
        """
        _need(frame, [partner, period, count, *([exposure] if exposure else [])])
        if frame.empty:
            raise SampleError("activity: the table has no rows")
        places, kind = read_periods(frame[period])
        names, unit_of = np.unique(frame[partner].astype(str).to_numpy(dtype=object).astype(str), return_inverse=True)
        first = int(places.min())
        end = max(int(places.max()), int(read_periods(pd.Series([last]))[0][0]) if last is not None else 0)
        width = end - first + 1
        values = pd.to_numeric(frame[count], errors="coerce").to_numpy(dtype=float)
        bad = ~(values >= 0) | (values != np.round(values))
        if bad.any():
            raise ParameterError(
                f"activity: {int(bad.sum())} of {len(frame)} rows have no whole {count} of 0 or more, such as {frame[count][bad].iloc[0]}"
            )
        key = unit_of * width + (places - first)
        twice = len(key) - len(np.unique(key))
        if twice:
            raise ParameterError(f"activity: {twice} rows repeat a partner and {period}; add them up first")
        counts, time = np.zeros(len(names) * width, dtype=np.int64), np.zeros(len(names) * width)
        counts[key] = values.astype(np.int64)
        if exposure is None:
            began = np.full(len(names), width)
            np.minimum.at(began, unit_of, places - first)
            time = (np.arange(width) >= began[:, None]).astype(float)
        else:
            time[key] = frame[exposure].to_numpy(dtype=float)
            time = time.reshape(len(names), width)
        return cls(
            partners=names, labels=tuple(period_label(place, kind) for place in range(first, end + 1)),
            counts=counts.reshape(len(names), width), exposure=time, per_quarter={"month": 3, "week": 13}[kind], unit=unit or count,
        )  # fmt: skip


def build_activity(
    source: Source | Panel,
    *,
    indicator: str,
    first: str | None = None,
    last: str | None = None,
    indicators: Indicators | None = None,
    as_of: datetime | date | str | None = None,
) -> Activity:
    """Count one indicator month by month.

    Parameters
    ----------
    source : Source or Panel
        A source is counted by the month; a panel gives the counts of its own periods, months or quarters.
    indicator : str
        One that counts; its window is not applied.
    first, last : str or None
        First and last period, a month (``2026-07``) or a quarter of the program's; all that the source covers if None.
    indicators : Indicators or None
        Definitions; the standard ones if None.
    as_of : datetime, date, str or None
        Only what was known then; of a source.

    Returns
    -------
    Activity
        Periods that the data cover in part are not counted.

    Raises
    ------
    ParameterError
        If there is no such indicator, it is no count, or the periods lie outside the data.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": ["a"] * 3, "quarter": ["2026Q1", "2026Q2", "2026Q3"], "leads": [2, 0, 4]})
    >>> build_activity(Panel.from_frame(frame), indicator="leads").counts.tolist()
    [[2, 0, 4]]
    """
    if isinstance(source, Panel):
        return _of_panel(source, indicator)
    months = dataclasses.replace(source.program.calendar, cadence="month")
    span = data_span(source, calendar=months, as_of=as_of)
    begin, end = _month(first, source.program.calendar, ends=False), _month(last, source.program.calendar, ends=True)
    panel = build_panel(
        source, first=begin or span.first, last=end or span.last, indicators=indicators, only=[indicator], as_of=as_of, calendar=months
    )
    return _of_panel(panel, indicator)


def _month(label: str | None, calendar: Calendar, *, ends: bool) -> str | None:
    """Name the first or last month of a period of the program's calendar; a month is itself."""
    if label is None or re.fullmatch(r"\d{4}-\d{2}", label):
        return label
    period = calendar.parse(label)
    edge = calendar.bounds_date(period, period)[1 if ends else 0].astype("datetime64[M]")
    return str(edge - 1 if ends else edge)


def _of_panel(panel: Panel, indicator: str) -> Activity:
    """Take the counts of single periods out of a panel."""
    if not panel.known(indicator):
        raise ParameterError(f"the panel has no indicator {indicator!r}{nearest(indicator, panel.indicators.names)}", indicator=indicator)
    kind: Kind = indicator_kind(panel.indicators[indicator])
    if kind != "count":
        raise ParameterError(f"{indicator} is no count of events, so that a turn of its rate has no meaning", indicator=indicator)
    _, counts, time = reach_back(panel, indicator)
    own = slice(counts.shape[1] - panel.shape[1], None)
    covered = np.flatnonzero((time[:, own] > 0).any(axis=0))
    last = int(covered[-1]) + 1 if len(covered) else panel.shape[1]
    return Activity(
        partners=panel.partners, labels=tuple(panel.labels[:last]), counts=counts[:, own][:, :last].astype(np.int64),
        exposure=time[:, own][:, :last], per_quarter=3 // panel.calendar.months, unit=indicator,
    )  # fmt: skip


def read_periods(column: pd.Series) -> tuple[np.ndarray, str]:
    """Read months or weeks as numbers, so that the one after is one more.

    Examples
    --------
    >>> read_periods(pd.Series(["2025-12", "2026-01"]))
    (array([24311, 24312]), 'month')
    >>> places, kind = read_periods(pd.Series(["2025-W52", "2026-W01"]))
    >>> int(places[1] - places[0]), kind
    (1, 'week')
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return _weeks(column), "week"
    said = column.astype("str").str.strip()
    months = said.str.fullmatch(r"\d{4}-(0[1-9]|1[0-2])").fillna(False)
    if months.all():
        return (said.str[:4].astype(int) * 12 + said.str[5:].astype(int) - 1).to_numpy(), "month"
    weeks = said.str.fullmatch(r"\d{4}-?W\d{2}").fillna(False)
    form = "%G-W%V-%u" if weeks.all() else "%Y-%m-%d"
    said = said.str.replace(r"(\d{4})-?W(\d{2})", r"\1-W\2-1", regex=True) if weeks.all() else said
    days = pd.to_datetime(said, format=form, errors="coerce")
    if days.isna().any():
        raise ParameterError(
            f"activity: {int(days.isna().sum())} periods cannot be read, such as {column[days.isna()].iloc[0]!r}; write months as 2026-07, "
            "weeks as 2026-W05, or dates"
        )
    return _weeks(days), "week"


def _weeks(days: pd.Series) -> np.ndarray:
    return ((days.dt.normalize() - pd.Timestamp(MONDAY)).dt.days // WEEK).to_numpy(dtype=np.int64)


def period_label(place: int, kind: str) -> str:
    """Name a month or week.

    Examples
    --------
    >>> period_label(24312, "month"), period_label(int(read_periods(pd.Series(["2026-W01"]))[0][0]), "week")
    ('2026-01', '2026-W01')
    """
    if kind == "month":
        return f"{place // 12:04d}-{place % 12 + 1:02d}"
    year, week, _ = date.fromordinal(MONDAY.toordinal() + WEEK * int(place)).isocalendar()
    return f"{year:04d}-W{week:02d}"


def _need(frame: pd.DataFrame, columns: list[str]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ParameterError(f"activity: the table has no column {missing[0]!r}{nearest(missing[0], map(str, frame.columns))}")
