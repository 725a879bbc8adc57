"""What a report is asked: checked against the data themselves, so that a wrong question stops before any kernel starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.report.asked import Request
from partnerlab.report.demo import DEMO_SEED
from partnerlab.report.places import look_upward
from partnerlab.report.sources import DEMO, load_overrides, locate_source

if TYPE_CHECKING:
    from partnerlab.intake import Source
    from partnerlab.ledger import Ledger
    from partnerlab.panel import Indicators
    from partnerlab.periods import Calendar
    from partnerlab.tiers import TierScheme


def load_request(  # noqa: PLR0913 - the parameters of every notebook
    *,
    source: str | Path | Source = DEMO,
    quarter: str = "",
    first: str = "",
    region: str = "",
    segment: str = "",
    scheme: str = "quadrant",
    indicators: str = "",
    as_of: str = "",
    seed: int = DEMO_SEED,
    ledger: str = "",
) -> Request:
    """Check what a report is asked, and open what it needs.

    Parameters
    ----------
    source : str, Path or Source
        Anything that `partnerlab.connect` opens, or an open source. A relative path is looked for in the working folder and above it;
        the demo program is simulated when it is not there yet.
    quarter : str
        Label such as ``2026Q3``; empty for the last quarter that the data cover in full.
    first : str
        First quarter of the history; empty for the first in the data whose year-long windows are whole, but not before the
        record of tiers where membership is known from that alone.
    region : str
        Value of the attribute ``region``; empty for all.
    segment : str
        ``attribute=value`` (or ``attribute:value``) for any other attribute of partners.
    scheme : str
        Name of a shipped tier scheme or path of a YAML file.
    indicators : str
        Name of shipped indicators or path of a YAML file; empty for those that the scheme names.
    as_of : str
        ISO date or instant: use only what was known then.
    seed : int
        Of every draw.
    ledger : str
        Path of the ledger that holds overrides, appeals and last quarter's forecast.

    Raises
    ------
    PartnerlabError
        In one line, before anything is computed.

    Examples
    --------
    >>> from partnerlab.intake.simulate import Truth, simulate_program
    >>> source = simulate_program(Truth.plain(n_partners=20, n_quarters=8), seed=1).source()
    >>> load_request(source=source, region="EMEA").segment_words
    'region EMEA'
    """
    from partnerlab.intake import connect
    from partnerlab.intake.moments import read_as_of
    from partnerlab.intake.span import data_span

    rules = load_scheme(scheme)
    asked_indicators = load_indicators(indicators or ("" if rules.indicators == "standard" else rules.indicators))
    opened = connect(locate_source(str(source), ledger=ledger or None)) if isinstance(source, str | Path) else source
    calendar = opened.program.calendar
    known_on = read_as_of(as_of or None, calendar)
    span = data_span(opened, calendar=calendar, as_of=known_on)
    until = span.until
    quarter = quarter or span.last_complete or span.last
    first = first or _after_record(opened, default_first(calendar, first=span.first, quarter=quarter), quarter=quarter, as_of=known_on)
    check_quarter(quarter, calendar=calendar, first=span.first, last=span.last, what="quarter")
    check_quarter(first, calendar=calendar, first=span.first, last=quarter, what="first")
    return Request(
        source=opened,
        url=opened.url,
        program=opened.program.name,
        calendar=calendar,
        first=first,
        quarter=quarter,
        scheme=rules,
        indicators=asked_indicators,
        segment=parse_segment(region=region, segment=segment),
        as_of=known_on,
        seed=seed,
        until=until,
        ledger=_open_ledger(ledger),
        overrides=None if ledger else load_overrides(opened, as_of=known_on),
    )


def open_request(**asked: Any) -> Request:
    """Load a request for work: as `load_request`, and refuse tables that it reads and from which nothing can be computed.

    Raises
    ------
    PartnerlabError
        In one line, before anything is computed.
    """
    from partnerlab.intake import check_rejects
    from partnerlab.panel import panel_tables

    request = load_request(**asked)
    decided = tuple(table for table in ("overrides", "appeals") if table in request.source.columns())
    tables = (*panel_tables(request.source, indicators=request.indicators), *decided)
    check_rejects(request.source, tables=tables, as_of=request.as_of)
    return request


def check_quarter(label: str, *, calendar: Calendar, first: str, last: str, what: str) -> None:
    """Refuse a quarter that the data do not cover.

    Examples
    --------
    >>> from partnerlab.periods import Calendar
    >>> check_quarter("2027Q1", calendar=Calendar(), first="2023Q1", last="2026Q3", what="quarter")
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: quarter 2027Q1 is outside the data, which run from 2023Q1 to 2026Q3
    """
    period = calendar.parse(label)
    if not calendar.parse(first) <= period <= calendar.parse(last):
        raise ParameterError(f"{what} {label} is outside the data, which run from {first} to {last}", quarter=label)


def default_first(calendar: Calendar, *, first: str, quarter: str) -> str:
    """Give the quarter that a history begins with when none is named.

    A year after the data begin, so that year-long windows are whole, if that leaves two years.

    Examples
    --------
    >>> from partnerlab.periods import Calendar
    >>> default_first(Calendar(), first="2022Q1", quarter="2026Q3"), default_first(Calendar(), first="2025Q4", quarter="2026Q3")
    ('2023Q1', '2025Q4')
    """
    year = 12 // calendar.months
    start, last = calendar.parse(first), calendar.parse(quarter)
    return calendar.label(start + year) if last - start >= 3 * year else first


def _after_record(source: Source, first: str, *, quarter: str, as_of: datetime | None) -> str:
    """Begin no earlier than the record of tiers does, where membership is known from that alone."""
    from partnerlab.panel.recorded import by_stays, record_begins

    begins = record_begins(source, as_of=as_of) if by_stays(source) else None
    if begins is None:
        return first
    calendar = source.program.calendar
    day = begins.replace(tzinfo=UTC).astimezone(ZoneInfo(calendar.timezone)).date()
    return calendar.label(min(max(calendar.parse(first), calendar.period_of_date(day)), calendar.parse(quarter)))


def parse_segment(*, region: str, segment: str) -> tuple[str, str] | None:
    """Read whom a report is about.

    Examples
    --------
    >>> parse_segment(region="NO", segment=""), parse_segment(region="", segment="partner_type=reseller")
    (('region', 'NO'), ('partner_type', 'reseller'))
    """
    if region and segment:
        raise ParameterError(f"give region ({region!r}) or segment ({segment!r}), not both")
    if region:
        return "region", region
    if not segment:
        return None
    attribute, mark, value = segment.partition("=" if "=" in segment else ":")
    if not mark or not attribute or not value:
        raise ParameterError(f"segment {segment!r} is not of the form attribute=value, such as partner_type=reseller")
    return attribute.strip(), value.strip()


def load_scheme(name: str) -> TierScheme:
    """Load a tier scheme by shipped name or path, looked for in the working folder and above it."""
    from partnerlab.tiers import TierScheme

    return TierScheme.load(look_upward(name) if name.endswith((".yaml", ".yml")) else name)


def load_indicators(name: str) -> Indicators | None:
    """Load indicators by shipped name or path; None when nothing was named."""
    from partnerlab.panel import Indicators

    if not name:
        return None
    return Indicators.load(look_upward(name) if name.endswith((".yaml", ".yml")) else name)


def _open_ledger(path: str) -> Ledger | None:
    if not path:
        return None
    from partnerlab.ledger import Ledger

    return Ledger.open(path)


def parameters_of(request: Request, *, source: str, ledger: str = "", scheme: str = "quadrant", indicators: str = "") -> Mapping[str, Any]:
    """Parameters that make a notebook ask the same, with every path absolute and every default spelled out."""
    return {
        "source": source,
        "quarter": request.quarter,
        "first": request.first,
        "scheme": look_upward(scheme) if scheme.endswith((".yaml", ".yml")) else scheme,
        "indicators": look_upward(indicators) if indicators.endswith((".yaml", ".yml")) else indicators,
        "as_of": request.as_of.isoformat() if request.as_of else "",
        "seed": request.seed,
        "ledger": ledger,
    }


def load_printed_forecast(request: Request) -> pd.DataFrame:
    """Read back what earlier reports forecast for this quarter, the latest first: ``tier, quarter, made_in`` and the numbers.

    Raises
    ------
    SampleError
        If no report did.
    """
    words = "" if request.segment is None else request.segment_words
    if request.ledger is not None:
        printed = request.ledger.forecasts(program=request.program, quarter=request.quarter, scheme=request.scheme.scheme)
        made = printed["made_in"].map(request.calendar.parse)
        printed = printed[(printed["segment"].fillna("") == words) & (made < request.calendar.parse(request.quarter))]
        if len(printed):
            latest = printed.assign(made=made).sort_values("made", ascending=False, kind="stable")
            return latest[["tier", "quarter", "made_in", "estimate", "std_error", "conf_low", "conf_high", "n"]].reset_index(drop=True)
    raise SampleError(f"no forecast of {request.quarter} was printed in {request.before} or before")
