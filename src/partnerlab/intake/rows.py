"""Rows as the contract promises them: typed, as known on a date, without those set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlglot import exp

from partnerlab.errors import MissingTableError, nearest
from partnerlab.intake import casts
from partnerlab.intake.contract import Column, Table, find_table
from partnerlab.intake.program import Program
from partnerlab.periods import naive_utc

if TYPE_CHECKING:
    from partnerlab.intake.source import Source

#: Alias of the typed rows that conditions are written over.
ROW = "r"


def field(name: str) -> exp.Column:
    """Name a column of the typed rows."""
    return exp.column(name, table=ROW, quoted=True)


def literal(moment: datetime | date) -> exp.Expr:
    """Write an instant (naive UTC) or a day so that every engine reads it the same."""
    if isinstance(moment, datetime):
        return exp.cast(exp.Literal.string(naive_utc(moment).isoformat(sep=" ")), "timestamp")
    return exp.cast(exp.Literal.string(moment.isoformat()), "date")


def check_columns(source: Source, contract: Table, columns: Sequence[str]) -> None:
    """Refuse columns that the source does not have.

    Raises
    ------
    MissingTableError
        Naming the table, the column and the nearest one.
    """
    present = source.columns().get(contract.name)
    if present is None:
        raise MissingTableError(
            f"{source.url} has no table {contract.name!r}{nearest(contract.name, source.columns())}", table=contract.name
        )
    for name in columns:
        contract.column(name)
        kind = source.kinds(contract.name).get(name)
        if name not in present and kind is not None:
            raise MissingTableError(
                f"{source.url}: {contract.name}.{name} is {kind}, not {contract.column(name).type}; change it there or write a mapping",
                table=contract.name,
                column=name,
            )
        if name not in present:
            found = list(source.kinds(contract.name))
            spare = [extra for extra in found if extra not in contract.names]
            hint = nearest(name, spare).split("; known:")[0]
            said = f"{source.url}: table {contract.name} has no column {name!r}{hint}; it has {', '.join(found)}"
            raise MissingTableError(said, table=contract.name, column=name)


def known_rows(source: Source, contract: Table, *, columns: Sequence[str], as_of: datetime | None) -> exp.Select:
    """Typed rows, of each the version known at a moment; nobody is set aside."""
    present = source.columns()[contract.name]
    key = [name for name in contract.key if name in present]
    several = has_versions(source, contract)
    needed = list(dict.fromkeys(columns))
    if as_of is not None:
        needed += [name for name in ("recorded_at", contract.time) if name in present and name not in needed]
    if several:
        needed += [name for name in (*key, "recorded_at") if name not in needed]
    rows = typed_rows(source, contract, columns=needed)
    if as_of is None and not several:
        return rows
    chosen: list[exp.Expr] = [exp.alias_(field(name), name, quoted=True) for name in (needed if several else columns)]
    if several:
        chosen.append(exp.alias_(_version(key), "version_rank", quoted=True))
    rows = exp.select(*chosen).from_(rows.subquery(exp.to_identifier(ROW, quoted=True)))
    if as_of is not None:
        rows = rows.where(_known_by(contract, present, as_of))
    if not several:
        return rows
    chosen = [exp.alias_(field(name), name, quoted=True) for name in columns]
    return exp.select(*chosen).from_(rows.subquery(exp.to_identifier(ROW, quoted=True))).where(field("version_rank").eq(1))


def typed_rows(source: Source, contract: Table, *, columns: Sequence[str]) -> exp.Select:
    """All rows, all versions, each column as the contract's type."""
    chosen = [exp.alias_(_typed(source, contract, contract.column(name)), name, quoted=True) for name in columns]
    return exp.select(*chosen).from_(exp.to_table(f'"{contract.name}"'))


def has_versions(source: Source, contract: Table) -> bool:
    """Whether some key of the table was recorded more than once (asked of the engine once)."""
    fact = ("versions", contract.name)
    if fact not in source.facts:
        present = source.columns()[contract.name]
        key = [exp.column(name, quoted=True) for name in contract.key if name in present]
        source.facts[fact] = False
        if "recorded_at" in present and key:
            query = (
                exp.select(*key)
                .from_(exp.to_table(f'"{contract.name}"'))
                .group_by(*(k.copy() for k in key))
                .having("COUNT(*) > 1")
                .limit(1)
            )
            source.facts[fact] = source.run(query).num_rows > 0
    return source.facts[fact]


def stray_values(source: Source, table: str, column: str) -> dict[str, int]:
    """Values of a category outside its closed list, with their rows (asked of the engine once)."""
    fact = ("strays", table, column)
    if fact not in source.facts:
        contract = find_table(table).column(column)
        place = _typed_bare(source, table, contract)
        query = exp.select(exp.alias_(place, "value", quoted=True), exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True))
        query = query.from_(exp.to_table(f'"{table}"')).where(exp.not_(place.copy().isin(*contract.values))).group_by(place.copy())
        source.facts[fact] = {row["value"]: row["rows"] for row in source.run(query).to_pylist()}
    return source.facts[fact]


def outside_values(source: Source, table: str, column: Column) -> dict[str, int]:
    """Values of a category that are in its closed list in no spelling, with their rows, the most frequent first."""
    strays = stray_values(source, table, column.name)
    found = {value: rows for value, rows in strays.items() if str(value).strip().lower() not in column.values}
    return dict(sorted(found.items(), key=lambda item: (-item[1], str(item[0]))))


def _typed_bare(source: Source, table: str, column: Column) -> exp.Expr:
    kinds = source.kinds(table)
    name = column.name if column.name in kinds else column.instead or column.name
    return casts.canonical(column, kinds[name], expression=exp.column(name, quoted=True), program_zone=source.program.timezone)


def _typed(source: Source, contract: Table, column: Column) -> exp.Expr:
    bare = _typed_bare(source, contract.name, column)
    kinds = source.kinds(contract.name)
    if column.instead in kinds and column.name in kinds:
        spare = exp.column(column.instead, quoted=True)
        other = casts.canonical(column, kinds[column.instead], expression=spare, program_zone=source.program.timezone)
        return exp.Coalesce(this=bare, expressions=[other])
    if column.type == "category" and stray_values(source, contract.name, column.name):
        tidy = exp.Lower(this=exp.Trim(this=bare))
        return (
            exp.Case()
            .when(tidy.isin(*column.values), tidy.copy())
            .when(bare.copy().is_(exp.Null()), exp.Null())
            .else_(exp.Literal.string("other") if "other" in column.values else tidy.copy())
        )
    return bare


def _known_by(contract: Table, present: Sequence[str], as_of: datetime) -> exp.Expr:
    """Say when a row is known: once recorded; one that does not say when, once it happened; one without any date, always."""
    moments = [field("recorded_at")] if "recorded_at" in present else []
    if contract.time in present:
        moments.append(exp.cast(field(contract.time), "timestamp"))
    if not moments:
        return exp.true()
    moment = moments[0] if len(moments) == 1 else exp.Coalesce(this=moments[0], expressions=moments[1:])
    return exp.or_(moment.is_(exp.Null()), exp.LTE(this=moment.copy(), expression=literal(as_of)))


def _version(key: Sequence[str]) -> exp.Expr:
    order = exp.Order(expressions=[exp.Ordered(this=field("recorded_at"), desc=True, nulls_first=False)])
    return exp.Window(this=exp.RowNumber(), partition_by=[field(name) for name in key], order=order)


def last_day(source: Source, *, horizon: datetime) -> date | None:
    """Day after the last thing that was recorded or happened before ``horizon``; None where no row is dated."""
    latest: list[date] = []
    for name, present in source.columns().items():
        contract = find_table(name)
        if name == "ingest_manifest" and "as_of" in present:
            return _latest(source, contract, "as_of", horizon)
        # news of the last event, or the event itself; a planned one (an expiry) has not happened
        clocks = ["recorded_at", *([contract.time] if contract.time and not contract.column(contract.time).planned else [])]
        told = [_latest(source, contract, clock, horizon) for clock in clocks if clock in present]
        latest += [day for day in told if day]
    return max(latest) + timedelta(days=1) if latest else None


def _latest(source: Source, contract: Table, clock: str, horizon: datetime) -> date | None:
    rows = typed_rows(source, contract, columns=[clock]).subquery(exp.to_identifier(ROW, quoted=True))
    limit = literal(horizon if contract.column(clock).type == "instant" else horizon.date())
    query = exp.select(exp.alias_(exp.Max(this=field(clock)), "last", quoted=True)).from_(rows).where(field(clock) < limit)
    found = source.run(query).to_pylist()[0]["last"]
    return found.date() if isinstance(found, datetime) else found


def stated_program(source: Source, *, stem: str) -> Program:
    """Read what the source's ``program`` table says, else its ``quarters``, else defaults."""
    tables = source.columns()
    if "program" in tables:
        rows = source.run(typed_rows(source, find_table("program"), columns=tables["program"])).to_pylist()
        if rows:
            return Program.from_row(rows[0], url=source.url)
    if "quarters" in tables and {"start", "quarter_id"} <= set(tables["quarters"]):
        wanted = [name for name in ("quarter_id", "start", "tz") if name in tables["quarters"]]
        rows = source.run(typed_rows(source, find_table("quarters"), columns=wanted)).to_pylist()
        first = [row for row in rows if str(row["quarter_id"]).endswith("Q1") and row["start"]]
        if first:
            return Program.from_row(
                {"name": stem, "start_month": first[0]["start"].month, "timezone": first[0].get("tz") or "UTC"}, url=source.url
            )
    return Program(name=stem)
