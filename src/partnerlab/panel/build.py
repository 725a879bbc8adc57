"""From rows to the panel: one query for each indicator, each answer one dense array."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError, nearest
from partnerlab.intake.contract import CONTRACT_VERSION, TABLES
from partnerlab.intake.moments import local_midnight, read_as_of
from partnerlab.intake.quality import check_rejects, explain_silence
from partnerlab.intake.selection import select_rows
from partnerlab.intake.source import Source
from partnerlab.intake.span import FLOWS, DataSpan, data_span
from partnerlab.panel.indicators import FRAME, Indicator, Indicators
from partnerlab.panel.measure import UnitArrays, measure_indicators, measure_units
from partnerlab.panel.membership import membership
from partnerlab.panel.panel import Panel
from partnerlab.panel.parts import Provenance, RecordedTiers, RunIn
from partnerlab.panel.queries import Cut, check_available
from partnerlab.panel.readings import check_readings
from partnerlab.panel.recorded import membership_of_stays, read_recorded
from partnerlab.panel.units import Units
from partnerlab.periods import Calendar

#: What the panel keeps of each partner.
ATTRIBUTES = (
    "name", "region", "segment", "industry", "partner_type", "country", "manager_id", "parent_partner_id",
    "joined_at", "left_at", "joined_source",
)  # fmt: skip


def build_panel(  # noqa: PLR0913 - what a panel is asked
    source: Source,
    *,
    first: str,
    last: str,
    indicators: Indicators | str | Path | None = None,
    as_of: datetime | date | str | None = None,
    calendar: Calendar | None = None,
    only: Sequence[str] | None = None,
    checked: bool = False,
    unit: str | None = None,
) -> Panel:
    """Group a program's rows to partners by periods.

    Parameters
    ----------
    source : Source
        Where the rows live; only the columns that are needed are read.
    first, last : str
        First and last period, such as ``2023Q1``.
    indicators : Indicators, str, Path or None
        Definitions, the path of their YAML file, or the name of a shipped one. None is
        ``standard``, less those whose tables this program does not have.
    as_of : datetime, date, str or None
        Show what was known then: rows recorded later are not there, and later periods do not
        exist. A day means its end in the program's time zone.
    calendar : Calendar or None
        The program's own if None.
    only : sequence of str or None
        Names of the indicators to compute.
    checked : bool
        The source was validated elsewhere: its tables are not checked for what must be rejected.
    unit : str or None
        Column of the contract that tells the rows of a partner apart, such as ``region`` or ``portfolio``:
        the panel then also has `units`, one row for each partner and unit. Indicators of tables without
        that column, or with ``per: partner``, give each unit the partner's own number.

    Returns
    -------
    Panel
        Test partners and rows set aside by `validate` are not in it.

    Raises
    ------
    ContractError
        If a table that is read breaks a rule of grade reject (see `validate`).
    ParameterError
        If a period lies outside the data; it names the first and last that exist.
    MissingTableError
        If an indicator that was asked for needs a table or column that is not there.

    Examples
    --------
    >>> from partnerlab.intake import Program, connect
    >>> tables = {
    ...     "partners": pd.DataFrame({"partner_id": ["a", "b"], "joined_at": ["2025-03-01", "2026-02-01"]}),
    ...     "cases": pd.DataFrame({"case_id": ["1", "2"], "partner_id": ["a", "a"], "opened_at": ["2026-01-05 09:00", "2026-06-20 10:00"]}),
    ... }
    >>> source = connect(tables, program=Program(data_until="2026-07-01"))
    >>> panel = build_panel(source, first="2026Q1", last="2026Q2", only=["tickets"])
    >>> panel.values("tickets").tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if not isinstance(source, Source):
        meant = repr(str(source)) if isinstance(source, str | Path) else "..."
        raise ParameterError(f"build_panel takes a Source, not a {type(source).__name__}; open one: connect({meant})")
    calendar = calendar or source.program.calendar
    moment = read_as_of(as_of, calendar)
    wanted, notes = _wanted(source, indicators, only, unit)
    if not checked:
        check_rejects(source, tables=_tables(source, wanted), as_of=moment)
    span = data_span(source, calendar=calendar, as_of=moment)
    periods = span.check(first, last)
    back = max((indicator.window for indicator in wanted.indicators.values()), default=1) - 1
    reach = np.arange(periods[0] - back, periods[-1] + 1)
    cut = _cut(span, reach, moment)
    partners, attributes = _partners(source, cut)
    recorded = read_recorded(source, partners=partners, cut=cut)
    state, exposure, said = _members(source, recorded, partners, attributes, cut, whole=calendar.bounds_date(int(reach[0]), int(reach[-1])))
    arrays = measure_indicators(source, wanted, partners=partners, cut=cut)
    mine = None if unit is None else _measure_units(source, wanted, partners=partners, cut=cut, unit=unit, whole=arrays)
    covered = {name: span.covered(indicator.table, reach) for name, indicator in wanted.indicators.items() if _flows(indicator)}
    notes = _silent(source, wanted, arrays["counts"], covered, span=span, moment=moment) + notes
    notes += [] if moment is None else _undated(source, wanted)
    shared = {
        "first": int(periods[0]), "calendar": calendar, "indicators": wanted,
        "covered": {name: told[back:] for name, told in covered.items() if not told[back:].all()},
        "partial": np.isin(calendar.labels(periods), span.partial),
        "provenance": _provenance(source, moment, span, [*said, *notes, *(mine.notes if mine is not None else ())]),
    }  # fmt: skip
    units = None
    if mine is not None:
        own = _shown(wanted, mine.arrays, covered, state[mine.of], exposure[mine.of], back)
        about = attributes.iloc[mine.of].reset_index(drop=True).assign(partner=partners[mine.of], **{unit: mine.words})
        units = Units(name=unit, panel=Panel(partners=mine.ids, attributes=about, **shared, **own), of=mine.of)
    return Panel(
        partners=partners, attributes=attributes, **shared, **_shown(wanted, arrays, covered, state, exposure, back),
        recorded=None if recorded is None else recorded.since(back), units=units,
    )  # fmt: skip


def _shown(
    wanted: Indicators,
    arrays: Mapping[str, Mapping[str, np.ndarray]],
    covered: Mapping[str, np.ndarray],
    state: np.ndarray,
    exposure: np.ndarray,
    back: int,
) -> dict[str, Any]:
    """Arrays of the periods that are shown, and of those before them that windows reach back to."""
    own = {field: {name: array[:, back:] for name, array in arrays[field].items()} for field in ("totals", "counts", "squares")}
    run_in = _run_in(wanted, arrays, covered, exposure, back)
    return own | {"run_in": run_in, "state": state[:, back:], "exposure": exposure[:, back:]}


def _measure_units(
    source: Source, wanted: Indicators, *, partners: np.ndarray, cut: Cut, unit: str, whole: Mapping[str, Mapping[str, np.ndarray]]
) -> UnitArrays:
    """Measure each partner in each unit, if there is such a column and any indicator's rows name it."""
    columns = {column.name for table in TABLES.values() for column in table.columns if column.type in ("text", "category", "id")}
    if unit not in columns:
        raise ParameterError(f"unit: no column of the contract is called {unit!r}{nearest(unit, columns)}; such as region or portfolio")
    if not any(unit in indicator.columns and indicator.per == "unit" for indicator in wanted.indicators.values()):
        raise ParameterError(f"unit: the rows of no indicator asked for say their {unit}; ask for one of a table that has it")
    return measure_units(source, wanted, partners=partners, cut=dataclasses.replace(cut, unit=unit), whole=whole)


def panel_tables(
    source: Source, *, indicators: Indicators | str | Path | None = None, only: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Name the tables that `build_panel` reads for some indicators.

    Examples
    --------
    >>> from partnerlab.intake import connect
    >>> source = connect({"partners": pd.DataFrame({"partner_id": ["a"]}), "surveys": pd.DataFrame({"response_id": ["1", "1"]})})
    >>> panel_tables(source)
    ('partners',)
    """
    return _tables(source, _wanted(source, indicators, only)[0])


def _tables(source: Source, wanted: Indicators) -> tuple[str, ...]:
    read = ["partners", *(["tier_history"] if "tier_history" in source.columns() else [])]
    for indicator in wanted.indicators.values():
        read += ["deals", "deal_partners"] if indicator.table == "deals" else [indicator.table]
    return tuple(dict.fromkeys(read))


def _provenance(source: Source, moment: datetime | None, span: DataSpan, notes: Sequence[str]) -> Provenance:
    from partnerlab import __version__
    from partnerlab.intake.rules import count_breaches

    tests = count_breaches(source, "partners", as_of=moment).get("Q7:is_test", 0) if "Q7" not in source.program.waive else 0
    left_out = (f"{tests} test partners are left out",) if tests else ()
    return Provenance(
        program=source.program.name, source=source.url, as_of=moment, until=span.until, contract=CONTRACT_VERSION, package=__version__,
        notes=(*left_out, *notes),
    )  # fmt: skip


def _wanted(
    source: Source, indicators: Indicators | str | Path | None, only: Sequence[str] | None, unit: str | None = None
) -> tuple[Indicators, list[str]]:
    """Choose the indicators to compute, and say why others are not."""
    if "partners" not in source.columns():
        raise MissingTableError(f"{source.url}: needs table partners, one row for each partner", table="partners")
    shipped = indicators is None or indicators == "standard"
    found = indicators if isinstance(indicators, Indicators) else Indicators.load("standard" if indicators is None else indicators)
    if only is not None:
        unknown = [name for name in only if name not in found]
        if unknown:
            raise ParameterError(f"only: no indicator is called {unknown[0]!r}{nearest(unknown[0], found.names)}", indicator=unknown[0])
        found = found.only(only)
    notes, kept = [], []
    for name, indicator in found.indicators.items():
        if indicator.table == FRAME:
            raise ParameterError(f"{name}: its values come with a frame; build it by Panel.from_frame", indicator=name)
        try:
            check_available(source, indicator, unit=unit)
        except MissingTableError as error:
            if not shipped or only is not None:
                raise
            notes.append(str(error))
            continue
        kept.append(name)
        notes += _substitutes(source, indicator)
    return found.only(kept), notes


def _substitutes(source: Source, indicator: Indicator) -> list[str]:
    """Say what is taken in place of a column that may be absent."""
    present = source.columns()[indicator.table]
    if indicator.value == "amount_base" and "amount_base" not in present:
        return [f"{indicator.name}: {indicator.table} has no amount_base; amounts are taken as they stand"]
    if indicator.statistic == "held" and indicator.value is not None and indicator.value not in present:
        return [f"{indicator.name}: {indicator.table} has no {indicator.value}; rows are counted instead"]
    return []


def _flows(indicator: Indicator) -> bool:
    return indicator.statistic not in ("last", "held")


def _silent(
    source: Source,
    wanted: Indicators,
    counts: Mapping[str, np.ndarray],
    covered: dict[str, np.ndarray],
    *,
    span: DataSpan,
    moment: datetime | None,
) -> list[str]:
    """Name the indicators without a single row, and those that could not read what they decide by: unknown, not zero."""
    said: dict[str, list[str]] = {}
    for name, indicator in wanted.indicators.items():
        counted = bool(counts[name].any())
        why, unknown = check_readings(source, indicator, as_of=moment, counted=counted)
        if not counted and not why:
            lost = indicator.table in FLOWS and indicator.table not in span.tables
            told = explain_silence(source, table=indicator.table, as_of=moment) if lost else ""
            why = [told or f"no row of {indicator.table} in these periods fulfils its condition"]
        for words in why:
            said.setdefault(words, []).append(name)
        # a field of the profile that nobody ever filled is unknown too
        if unknown or (not counted and name in covered and indicator.table == "partner_profile"):
            covered[name] = np.zeros(counts[name].shape[1], dtype=bool)
    return [f"{', '.join(names)}: {words}" for words, names in said.items()]


def _undated(source: Source, wanted: Indicators) -> list[str]:
    """Name the tables that do not say when a row was recorded: what was changed later cannot be taken back."""
    tables = sorted({indicator.table for indicator in wanted.indicators.values()} | {"partners"})
    return [
        f"{table} does not say when its rows were recorded: they count from their event on, as they stand today"
        for table in tables
        if "recorded_at" not in source.columns()[table]
    ]


def _cut(span: DataSpan, reach: np.ndarray, moment: datetime | None) -> Cut:
    """Edges of the periods, the last no later than the data reach."""
    calendar = span.calendar
    instants = calendar.bounds_utc(int(reach[0]), int(reach[-1]))
    days = calendar.bounds_date(int(reach[0]), int(reach[-1]))
    until = np.datetime64(span.until, "D")
    if until < days[-1]:
        days[-1] = until
        instants[-1] = np.datetime64(local_midnight(span.until, calendar).replace(tzinfo=None), "us")
    if moment is not None:
        instants[-1] = min(instants[-1], np.datetime64(moment, "us") + 1)
    return Cut(instants=instants, days=days, as_of=moment, calendar=calendar)


def _partners(source: Source, cut: Cut) -> tuple[np.ndarray, pd.DataFrame]:
    """Partners in order, and what is known of each; who left later than the moment of knowledge has not left."""
    present = source.columns()["partners"]
    asked = ["partner_id", *(name for name in ATTRIBUTES if name in present)]
    rows = source.run(select_rows(source, "partners", columns=asked, as_of=cut.as_of)).to_pandas()
    ids = rows["partner_id"].to_numpy(dtype=str)
    if not len(ids):
        why = explain_silence(source, table="partners", as_of=cut.as_of)
        raise SampleError(f"{source.url}: no partner is left to show{why and f' ({why})'}")
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    twice = int((ids[1:] == ids[:-1]).sum())
    if twice:
        raise ParameterError(f"partners.partner_id: {twice} rows repeat a partner; validate() names them", table="partners", rows=twice)
    attributes = rows.iloc[order].drop(columns="partner_id").reset_index(drop=True)
    for name in ATTRIBUTES:
        if name not in attributes:
            attributes[name] = pd.NaT if name in ("joined_at", "left_at") else None
    for name in ("joined_at", "left_at"):
        attributes[name] = pd.to_datetime(attributes[name]).astype("datetime64[s]")
    if cut.as_of is not None:
        attributes["left_at"] = attributes["left_at"].mask(attributes["left_at"] > pd.Timestamp(cut.days[-1]))
    return ids, attributes[list(ATTRIBUTES)]


def _members(
    source: Source, recorded: RecordedTiers | None, partners: np.ndarray, attributes: pd.DataFrame, cut: Cut, *, whole: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """State and exposure: by the days of joining and leaving or, where no leaving is recorded, by the stays in tiers."""
    if recorded is not None and "left_at" not in source.columns()["partners"]:
        state, exposure = membership_of_stays(recorded, partners=partners, edges=cut.instants)
        exposure[:, -1] *= (cut.days[-1] - whole[-2]).astype(int) / (whole[-1] - whole[-2]).astype(int)
        return state, exposure, ["partners has no left_at: a partner is a member while it is in a recorded tier"]
    state, exposure = membership(joined=_days(attributes["joined_at"]), left=_days(attributes["left_at"]), edges=whole, until=cut.days[-1])
    return state, exposure, []


def _days(column: pd.Series) -> np.ndarray:
    return column.to_numpy().astype("datetime64[D]")


def _run_in(
    wanted: Indicators, arrays: Mapping[str, Mapping[str, np.ndarray]], covered: Mapping[str, np.ndarray], exposure: np.ndarray, back: int
) -> RunIn | None:
    """Keep what the windows reach back to, for those indicators that have one."""
    names = [name for name, indicator in wanted.indicators.items() if indicator.window > 1]
    if not names:
        return None
    return RunIn(
        totals={name: arrays["totals"][name][:, :back] for name in names},
        counts={name: arrays["counts"][name][:, :back] for name in names},
        covered={name: covered[name][:back] for name in names},
        exposure=exposure[:, :back],
    )
