"""The only clock: quarters and months of the program's own calendar.

A period is a plain integer, so that "the quarter after" is ``+ 1``; its label
(``2026Q3``, ``FY2027Q1``, ``2026-07``) is for people. Boundaries are local
midnights of the program's time zone, half open: an instant belongs to the
period whose start it has reached and whose end it has not.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from partnerlab.errors import ParameterError, PartnerlabError, SpecError

if TYPE_CHECKING:
    import pandas as pd

if TYPE_CHECKING:
    import pandas as pd

Cadence = Literal["quarter", "month"]

_QUARTER = re.compile(r"(?P<fiscal>FY)?(?P<year>\d{4})Q(?P<quarter>[1-4])")
_MONTH = re.compile(r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])")
_ISO = re.compile(r"(?P<wall>\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?)(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calendar:
    """The program's calendar: where its year starts and in which time zone.

    Parameters
    ----------
    start_month : int
        First month of the program's year, 1 to 12. A year that does not start
        in January is fiscal and named after the calendar year in which it ends.
    timezone : str
        IANA name of the zone whose midnights cut the quarters.
    cadence : {"quarter", "month"}
        What a period is.

    Raises
    ------
    SpecError
        If the month, zone or cadence does not exist.

    Examples
    --------
    >>> calendar = Calendar()
    >>> calendar.label(calendar.parse("2026Q3") + 2)
    '2027Q1'
    >>> Calendar(start_month=4).label(Calendar(start_month=4).period_of_date(date(2026, 5, 1)))
    'FY2027Q1'
    """

    start_month: int = 1
    timezone: str = "UTC"
    cadence: Cadence = "quarter"

    def __post_init__(self) -> None:
        if self.start_month not in range(1, 13):
            raise SpecError(f"calendar.start_month is {self.start_month}; give a month, 1 to 12")
        if self.cadence not in ("quarter", "month"):
            raise SpecError(f"calendar.cadence is {self.cadence!r}; give 'quarter' or 'month'")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SpecError(f"calendar.timezone {self.timezone!r} is not an IANA time zone such as 'Europe/Berlin'") from error

    @property
    def months(self) -> int:
        """Months in a period: 3 or 1."""
        return 3 if self.cadence == "quarter" else 1

    @property
    def _offset(self) -> int:
        """Months by which the program's year leads (fiscal, named after its end) or 0."""
        return 0 if self.start_month == 1 else 13 - self.start_month

    def parse(self, label: str) -> int:
        """Read a label such as ``2026Q3``, ``FY2027Q1`` or ``2026-07``.

        Raises
        ------
        ParameterError
            If the label is not of this calendar.
        """
        if self.cadence == "month":
            match = _MONTH.fullmatch(str(label))
            if match is None:
                raise ParameterError(f"{label!r} is not a month of this calendar; write it like {self._example!r}")
            return int(match["year"]) * 12 + int(match["month"]) - 1
        match = _QUARTER.fullmatch(str(label))
        if match is None or bool(match["fiscal"]) != bool(self._offset):
            raise ParameterError(f"{label!r} is not a quarter of this calendar; write it like {self._example!r}")
        return int(match["year"]) * 4 + int(match["quarter"]) - 1

    @property
    def _example(self) -> str:
        if self.cadence == "month":
            return "2026-07"
        return "FY2026Q3" if self._offset else "2026Q3"

    def label(self, period: int) -> str:
        """Name a period for people."""
        if self.cadence == "month":
            return f"{period // 12:04d}-{period % 12 + 1:02d}"
        return f"{'FY' if self._offset else ''}{period // 4:04d}Q{period % 4 + 1}"

    def labels(self, periods: Sequence[int] | np.ndarray) -> list[str]:
        """Name several periods."""
        return [self.label(int(period)) for period in periods]

    def start(self, period: int) -> date:
        """First day of a period, local."""
        month = period * self.months - (self._offset if self.cadence == "quarter" else 0)
        return date(month // 12, month % 12 + 1, 1)

    def start_utc(self, period: int) -> datetime:
        """Local midnight that opens the period, as an aware UTC instant."""
        first = self.start(period)
        return datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)

    def bounds_utc(self, first: int, last: int) -> np.ndarray:
        """Edges of periods ``first..last``: naive UTC ``datetime64[us]``, shape ``(last - first + 2,)``."""
        edges = [self.start_utc(period).replace(tzinfo=None) for period in range(first, last + 2)]
        return np.array(edges, dtype="datetime64[us]")

    def bounds_date(self, first: int, last: int) -> np.ndarray:
        """Edges of periods ``first..last`` as local dates: ``datetime64[D]``, shape ``(last - first + 2,)``."""
        return np.array([self.start(period) for period in range(first, last + 2)], dtype="datetime64[D]")

    def period_of_date(self, day: date) -> int:
        """Period that a local date falls in."""
        month = day.year * 12 + day.month - 1 + (self._offset if self.cadence == "quarter" else 0)
        return month // self.months

    def period_of(self, instant: datetime) -> int:
        """Period that an instant falls in; a naive instant is UTC."""
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return self.period_of_date(aware.astimezone(ZoneInfo(self.timezone)).date())

    def range(self, first: str, last: str) -> np.ndarray:
        """All periods from one label to another, both included, shape ``(t,)``.

        Raises
        ------
        ParameterError
            If the last comes before the first.
        """
        start, stop = self.parse(first), self.parse(last)
        if stop < start:
            raise ParameterError(f"last period {last} is before first period {first}; swap them")
        return np.arange(start, stop + 1)

    def column(self, label: str, *, first: int, count: int, noun: str) -> int:
        """Find the column of a period among ``count`` that begin with ``first``.

        Raises
        ------
        ParameterError
            If it is not one of them; it names ``noun`` and the first and last.
        """
        column = self.parse(label) - first
        if not 0 <= column < count:
            bounds = f"{self.label(first)} to {self.label(first + count - 1)}"
            raise ParameterError(f"{label} is not in the {noun}, which runs from {bounds}", period=label)
        return column


def naive_utc(moment: datetime) -> datetime:
    """Drop an instant's zone after turning it to UTC; a naive one is UTC already.

    Examples
    --------
    >>> naive_utc(datetime(2026, 10, 1, tzinfo=ZoneInfo("Europe/Berlin")))
    datetime.datetime(2026, 9, 30, 22, 0)
    """
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def read_dates(
    column: pd.Series, *, name: str, wall: bool = False, refusal: type[PartnerlabError] = ParameterError, **facts: Any
) -> pd.Series:
    """Read a column of dates, strictly: the only way in for dates that did not come through a source.

    Dates, datetimes and timestamps pass, and text of ISO 8601 such as ``2025-11-02`` or ``2025-11-02T09:30:00+01:00``.
    Anything else is refused, ``02/11/2025`` too: it may be the second of November or the eleventh of February.

    Parameters
    ----------
    column : Series, shape (n,)
        Empty cells (None, NaN, NaT, empty text) mean no date.
    name : str
        What a message calls the column, such as ``frame.valid_from``.
    wall : bool
        Keep what the clock on the wall said and forget its zone, as days need; otherwise instants in UTC.
    refusal : type
        Error to raise.
    **facts
        Kept with the error.

    Returns
    -------
    Series of datetime64[us], shape (n,), without zone

    Raises
    ------
    ParameterError
        Or what ``refusal`` says: column, how many rows, an example and its row, what to write.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas as pd
    >>> read_dates(pd.Series(["2025-11-02", None]), name="frame.valid_from").dt.day.tolist()
    [2.0, nan]
    >>> read_dates(pd.Series(["2025-11-02", "02/11/2025"]), name="frame.valid_from")
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: frame.valid_from: 1 of 2 rows hold no date, such as '02/11/2025' in row 2; write ...
    """
    import pandas as pd  # the clock itself needs none, and is imported everywhere

    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return (column.dt.tz_localize(None) if wall else column.dt.tz_convert("UTC").dt.tz_localize(None)).astype("datetime64[us]")
    if pd.api.types.is_datetime64_dtype(column.dtype):
        return column.astype("datetime64[us]")
    codes, kinds = pd.factorize(column.astype(object))  # a column holds few dates, many times over
    found = [_read_date(given, wall=wall) for given in kinds]
    strange = np.array([given is None for given in found], dtype=bool)
    wrong = np.flatnonzero((codes >= 0) & strange[codes]) if found else np.zeros(0, dtype=np.int64)
    if len(wrong):
        raise refusal(
            f"{name}: {len(wrong)} of {len(column)} rows hold no date, such as {kinds[codes[wrong[0]]]!r} in row {wrong[0] + 1}; "
            "write dates like 2025-11-02 (year, month, day), or give dates or timestamps",
            column=name, rows=len(wrong), **facts,
        )  # fmt: skip
    moments = np.array([*found, np.datetime64("NaT")], dtype="datetime64[us]")
    return pd.Series(moments[codes], index=column.index, name=column.name)


def _read_date(given: Any, *, wall: bool) -> np.datetime64 | None:
    """One date as a naive moment; None if it is none."""
    if isinstance(given, str):
        text = given.strip()
        match = _ISO.fullmatch(text)
        if match is None:
            return None if text else np.datetime64("NaT")
        try:
            given = datetime.fromisoformat(match["wall"] if wall else text)
        except ValueError:  # the 31st of February
            return None
    if isinstance(given, np.datetime64):
        return given.astype("datetime64[us]")
    if isinstance(given, datetime) and given.tzinfo is not None:  # pandas' Timestamp is one
        given = (given if wall else given.astimezone(UTC)).replace(tzinfo=None)
    return np.datetime64(given, "us") if isinstance(given, date) else None
