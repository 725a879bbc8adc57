"""What the data cover: from which day to which, in which quarters, and for each table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlglot import exp

from partnerlab.errors import ParameterError, SampleError
from partnerlab.intake.contract import TABLES
from partnerlab.intake.moments import as_of_day, local_midnight, read_as_of
from partnerlab.intake.quality import explain_silence
from partnerlab.intake.rows import ROW, field
from partnerlab.intake.selection import select_rows
from partnerlab.intake.source import Source
from partnerlab.periods import Calendar

#: Tables that record what happens, so that a stretch without rows says something.
FLOWS = ("leads", "deals", "transactions", "activities", "cases", "manager_time", "surveys")

#: Tables asked only where a program records no flow at all.
STATES = ("tier_history", "certifications", "partner_profile", "partners")

#: A gap up to so many days (holidays), or one that chance makes so often, does not make a period partial.
_QUIET_DAYS = 7.0
_CHANCE = 0.01

#: A table that is silent for so much of a period, at its beginning or end, does not tell of the period.
_SILENT = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """First and last event of a table, as days from 1970 in UTC, and the number of days that have one.

    The days are 0 where the table reaches both ends of the data, so that no gap needs judging.
    """

    first: float
    last: float
    days: int

    def is_gap(self, gap: float, *, whole: float, quiet: float = _QUIET_DAYS) -> bool:
        """Say whether so many days without a row, before the first or after the last, cannot be chance.

        If the table told of ``whole`` days, and its ``d`` days with rows fell anywhere
        among them, the first ``gap`` would be empty with probability ``(1 - gap / whole) ** d``.

        Examples
        --------
        >>> busy, rare = Stretch(first=0, last=180, days=150), Stretch(first=0, last=180, days=2)
        >>> busy.is_gap(30, whole=365), busy.is_gap(5, whole=365), rare.is_gap(30, whole=365)
        (True, False, False)
        """
        return gap > quiet and (1.0 - min(gap / whole, 1.0)) ** self.days < _CHANCE


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSpan:
    """What a source's data cover.

    Parameters
    ----------
    first, last : str
        First and last period of which the data tell anything.
    last_complete : str or None
        Last period that they cover in full; None if there is none.
    since, until : date
        First day covered, and the first day no longer covered (in the program's time zone).
    calendar : Calendar
        The clock that the labels belong to.
    partial : tuple of str
        Periods at the ends that are covered only in part.
    tables : mapping of str to Stretch
        What each table of events covers.
    lost : tuple of str
        Why a table of events that is there covers nothing, one line for each.
    """

    first: str
    last: str
    last_complete: str | None
    since: date
    until: date
    calendar: Calendar
    partial: tuple[str, ...] = ()
    tables: dict[str, Stretch] = dataclasses.field(default_factory=dict, repr=False)
    lost: tuple[str, ...] = ()

    def check(self, first: str, last: str) -> np.ndarray:
        """Give the periods from ``first`` to ``last`` if the data cover them.

        Raises
        ------
        ParameterError
            Naming the first and last period that exist.
        """
        periods = self.calendar.range(first, last)
        low, high = self.calendar.parse(self.first), self.calendar.parse(self.last)
        for label, period in ((first, periods[0]), (last, periods[-1])):
            if not low <= period <= high:
                said = f"{label} lies outside the data, which run from {self.first} to {self.last}; choose within{_not_told(self.lost)}"
                raise ParameterError(said, first=self.first, last=self.last)
        return periods

    def covered(self, table: str, periods: np.ndarray) -> np.ndarray:
        """Say which periods a table tells of: bool, shape ``(t,)``.

        A period in which a table of events begins late, or ends early, by more than
        a quarter of the period and more than chance explains, is not told of: what is
        not there is not zero. An empty table tells of nothing.
        """
        since, until = (local_midnight(day, self.calendar).timestamp() / 86_400 for day in (self.since, self.until))
        edges = self.calendar.bounds_utc(int(periods[0]), int(periods[-1])).astype(np.int64) / 86_400e6
        opens, closes = np.maximum(edges[:-1], since), np.minimum(edges[1:], until)
        told = opens < closes
        stretch = self.tables.get(table)
        if stretch is None and table in FLOWS:
            return np.zeros_like(told)
        if stretch is not None:
            gaps = np.maximum(stretch.first - opens, closes - stretch.last)
            quiet = np.maximum(_SILENT * np.diff(edges), _QUIET_DAYS)
            told &= ~np.array([stretch.is_gap(gap, whole=until - since, quiet=q) for gap, q in zip(gaps, quiet, strict=True)], dtype=bool)
        return told


def data_span(source: Source, *, calendar: Calendar | None = None, as_of: datetime | date | str | None = None) -> DataSpan:
    """Find out what a source's data cover, without reading more than the dates of its events.

    The first day is that of the first event; the last is the program's ``data_until``,
    else found from the data. A period is partial if the data begin or end inside it,
    by more than a week and more than chance explains.

    Parameters
    ----------
    source : Source
        Where the rows live.
    calendar : Calendar or None
        The program's own if None.
    as_of : datetime, date, str or None
        As it was known then; a day means its end, local.

    Raises
    ------
    SampleError
        If no row of the source carries a date.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.intake import Program, connect
    >>> cases = pd.DataFrame({"case_id": ["1", "2"], "opened_at": pd.to_datetime(["2026-01-05 09:00", "2026-06-20 10:00"])})
    >>> found = data_span(connect({"cases": cases}, program=Program(data_until="2026-07-01")))
    >>> found.first, found.last, found.last_complete
    ('2026Q1', '2026Q2', '2026Q2')
    """
    calendar = calendar or source.program.calendar
    moment = read_as_of(as_of, calendar)
    pooled = _stretches(source, FLOWS, moment) or _stretches(source, STATES, moment)
    lost = _lost(source, pooled, moment)
    if not pooled:
        known = "" if moment is None else f" up to {moment:%Y-%m-%d}"
        raise SampleError(f"{source.url}: no row carries a date{known}; nothing can be cut into periods{_not_told(lost)}")
    since = _local_day(min(stretch.first for stretch in pooled.values()), calendar)
    until, stated = source.data_until(), source.program.data_until is not None
    if moment is not None and as_of_day(moment, calendar) < until:
        until, stated = as_of_day(moment, calendar), True
    until = max(until, since + timedelta(days=1))
    pooled = {name: _counted(source, name, moment, stretch, calendar, since, until) for name, stretch in pooled.items()}
    whole = Stretch(
        first=min(s.first for s in pooled.values()), last=max(s.last for s in pooled.values()), days=max(s.days for s in pooled.values())
    )
    tables = {name: stretch for name, stretch in pooled.items() if name in FLOWS}
    return _span(calendar, whole, since, until, tables, stated=stated, lost=lost)


def _lost(source: Source, pooled: Mapping[str, Stretch], as_of: datetime | None) -> tuple[str, ...]:
    """Say why tables of events that are there tell of no day."""
    silent = [table for table in FLOWS if table in source.columns() and table not in pooled]
    return tuple(why for table in silent if (why := explain_silence(source, table=table, as_of=as_of)))


def _not_told(lost: tuple[str, ...]) -> str:
    return f" (tables that tell nothing: {' | '.join(lost)})" if lost else ""


def _span(
    calendar: Calendar, whole: Stretch, since: date, until: date, tables: dict[str, Stretch], *, stated: bool, lost: tuple[str, ...]
) -> DataSpan:
    """Round the ends to whole periods where the gap is no more than quiet days."""
    first, last = calendar.period_of_date(since), calendar.period_of_date(until - timedelta(days=1))
    length = (calendar.start(last + 1) - calendar.start(first)).days
    partial = set()
    if whole.is_gap((since - calendar.start(first)).days, whole=length):
        partial.add(first)
    else:
        since = calendar.start(first)
    missing = (calendar.start(last + 1) - until).days
    if missing > 0 and (stated or whole.is_gap(missing, whole=length)):
        partial.add(last)
    else:
        until = calendar.start(last + 1)
    complete = last - 1 if last in partial else last
    return DataSpan(
        first=calendar.label(first), last=calendar.label(last),
        last_complete=calendar.label(complete) if complete >= first and complete not in partial else None,
        since=since, until=until, calendar=calendar, partial=tuple(calendar.labels(sorted(partial))), tables=tables, lost=lost,
    )  # fmt: skip


def _stretches(source: Source, tables: tuple[str, ...], as_of: datetime | None) -> dict[str, Stretch]:
    """First and last event of those of the tables that have any; their days are not counted yet."""
    found = {}
    for table in tables:
        clock = TABLES[table].time
        if clock is None or clock not in source.columns().get(table, ()):
            continue
        ends = _ask(source, ("stretch", table, as_of), _dated(source, table, as_of, first=exp.Min, last=exp.Max))
        if ends["first"] is not None:
            found[table] = Stretch(first=_days(ends["first"]), last=_days(ends["last"]), days=0)
    return found


def _counted(source: Source, table: str, as_of: datetime | None, stretch: Stretch, calendar: Calendar, since: date, until: date) -> Stretch:
    """Count the days that have a row, where the table leaves a gap at an end of the data that needs judging."""
    opens = local_midnight(calendar.start(calendar.period_of_date(since)), calendar).timestamp() / 86_400
    closes = local_midnight(calendar.start(calendar.period_of_date(until - timedelta(days=1)) + 1), calendar).timestamp() / 86_400
    if max(stretch.first - opens, closes - stretch.last) <= _QUIET_DAYS:
        return stretch
    clock = str(TABLES[table].time)
    daily = _dated(source, table, as_of, day=exp.Min).group_by(exp.cast(field(clock), "date"))
    days = exp.alias_(exp.Count(this=exp.column("day", table=ROW, quoted=True)), "days", quoted=True)
    found = _ask(source, ("days", table, as_of), exp.select(days).from_(daily.subquery(exp.to_identifier(ROW, quoted=True))))
    return dataclasses.replace(stretch, days=int(found["days"]))


def _dated(source: Source, table: str, as_of: datetime | None, **aggregates: type[exp.AggFunc]) -> exp.Select:
    """Select aggregates of a table's event times."""
    clock = str(TABLES[table].time)
    rows = select_rows(source, table, columns=[clock], as_of=as_of).subquery(exp.to_identifier(ROW, quoted=True))
    return exp.select(*(exp.alias_(make(this=field(clock)), name, quoted=True) for name, make in aggregates.items())).from_(rows)


def _ask(source: Source, fact: tuple[object, ...], query: exp.Select) -> dict[str, Any]:
    """Answer a query of one row, once for as long as the source is open."""
    if ("panel", *fact) not in source.facts:
        (source.facts["panel", *fact],) = source.run(query).to_pylist()
    return source.facts["panel", *fact]


def _days(moment: datetime | date) -> float:
    """Days since 1970, UTC; a day counts from its noon, so that no zone moves it to another."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(12))
    return moment.replace(tzinfo=UTC).timestamp() / 86_400


def _local_day(days: float, calendar: Calendar) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)).astimezone(ZoneInfo(calendar.timezone)).date()
