"""Moments and days: what "as of" a day means in the program's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from partnerlab.errors import ParameterError
from partnerlab.periods import Calendar, naive_utc


def local_midnight(day: date, calendar: Calendar) -> datetime:
    """Instant (aware, UTC) at which a day of the program begins."""
    return datetime.combine(day, time(), tzinfo=ZoneInfo(calendar.timezone)).astimezone(UTC)


def read_as_of(as_of: datetime | date | str | None, calendar: Calendar) -> datetime | None:
    """Read a moment, as naive UTC: an instant as it stands, a day as its end in the program's time zone.

    Raises
    ------
    ParameterError
        If a text is neither a day nor an instant.

    Examples
    --------
    >>> read_as_of("2026-10-05", Calendar(timezone="Europe/Berlin"))
    datetime.datetime(2026, 10, 5, 21, 59, 59, 999999)
    """
    if as_of is None or as_of == "":
        return None
    if isinstance(as_of, str):
        try:
            as_of = date.fromisoformat(as_of) if len(as_of) == 10 else datetime.fromisoformat(as_of)
        except ValueError as error:
            raise ParameterError(f"as_of is {as_of!r}; write a day such as '2026-10-05' or an instant, '2026-10-05T12:00'") from error
    if not isinstance(as_of, datetime):
        next_day = datetime.combine(as_of + timedelta(days=1), time(), tzinfo=ZoneInfo(calendar.timezone))
        return naive_utc(next_day) - timedelta(microseconds=1)
    return naive_utc(as_of)


def as_of_day(moment: datetime, calendar: Calendar) -> date:
    """First local day of which not everything is known at a moment; a moment at midnight knows all of the day before.

    Examples
    --------
    >>> as_of_day(read_as_of("2026-10-05", Calendar()), Calendar())
    datetime.date(2026, 10, 6)
    >>> as_of_day(datetime(2026, 10, 5, 12), Calendar())
    datetime.date(2026, 10, 6)
    """
    local = (moment.replace(tzinfo=UTC) + timedelta(microseconds=1)).astimezone(ZoneInfo(calendar.timezone))
    midnight = local.time() <= time(0, 0, 0, 1)
    return local.date() if midnight else local.date() + timedelta(days=1)
