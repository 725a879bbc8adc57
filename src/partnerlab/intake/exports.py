"""Tables of a raw export: read once and late, as text where they are text, with what could not be read counted."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlglot import exp

from partnerlab.errors import SourceError
from partnerlab.intake import casts
from partnerlab.intake.contract import TABLES

#: Runs one SELECT and gives its rows.
Ask = Callable[[str], list[dict[str, Any]]]

#: Name under which lines of a CSV that cannot be split into columns are reported.
LINE = "(line)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Misreading:
    """Values of one column of a raw export that could not be read.

    Parameters
    ----------
    column : str
        The contract's column.
    rows : int
        How many values.
    examples : tuple of str
        Up to three of them.
    """

    column: str
    rows: int
    examples: tuple[str, ...]


@dataclasses.dataclass(kw_only=True)
class Lazy:
    """A table of a raw export that is read once, when it is first asked for.

    Parameters
    ----------
    select : str
        SELECT whose columns bear the contract's names.
    kinds : mapping of str to str
        Kind of each of its columns before the contract's casts.
    zones : mapping of str to str
        IANA zone of wall-clock columns.
    probes : mapping of str to str
        Column -> column of ``select`` that holds its raw text, so that values which could
        not be read can be told from those that were never there.
    undeclared : tuple of str
        Instants for which the mapping names no zone.
    files : tuple of str
        CSV files that it is read from.
    parts : tuple of Lazy
        What it was stacked from, if from several.
    ready : bool
        It has been read.
    """

    select: str
    kinds: Mapping[str, str]
    zones: Mapping[str, str] = dataclasses.field(default_factory=dict)
    probes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    undeclared: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    parts: tuple[Lazy, ...] = ()
    ready: bool = False

    def read(self, table: str, name: str, *, program_zone: str) -> exp.Expr:
        """Expression that reads one column as the contract's type."""
        column, kind, raw = TABLES[table].column(name), self.kinds[name], exp.column(name, quoted=True)
        if casts.base_kind(kind) == "text" and column.type in ("id", "text", "category"):
            return casts.clean_text(column, raw)
        return casts.canonical(column, kind, expression=raw, zone=self.zones.get(name, "UTC"), program_zone=program_zone)


def merge_misreadings(found: list[Misreading], name: str) -> Misreading:
    """Misreadings of one column over all parts that a table is stacked from."""
    mine = [item for item in found if item.column == name]
    examples = dict.fromkeys(example for item in mine for example in item.examples)
    return Misreading(column=name, rows=sum(item.rows for item in mine), examples=tuple(examples)[:3])


def has_wall_clock(ask: Ask, name: str, lazy: Lazy) -> bool:
    """Whether a column holds a time of day without an offset."""
    kind = casts.base_kind(lazy.kinds[name])
    if kind != "text":
        return kind == "timestamp"
    raw = exp.column(name, quoted=True)
    timed = exp.and_(
        exp.RegexpLike(this=raw, expression=exp.Literal.string(r"\d:\d{2}")),
        exp.not_(exp.RegexpLike(this=raw.copy(), expression=exp.Literal.string(casts.OFFSET))),
    )
    return bool(ask(f"SELECT 1 AS found FROM ({lazy.select}) AS raw WHERE {timed.sql('duckdb', identify=True)} LIMIT 1"))


def find_misreadings(ask: Ask, table: str, lazy: Lazy, *, program_zone: str) -> tuple[Misreading, ...]:
    """Count the raw values of each column that became NULL although something was written there."""
    aggregates: list[exp.Expr] = []
    names = [
        name for name in lazy.kinds if name in TABLES[table].names and (name in lazy.probes or casts.base_kind(lazy.kinds[name]) == "text")
    ]
    names = [name for name in names if TABLES[table].column(name).type not in ("id", "text", "category")]
    for name in names:
        raw = exp.column(lazy.probes.get(name, name), quoted=True)
        lost = exp.and_(casts.blank_to_null(raw).is_(exp.Null()).not_(), lazy.read(table, name, program_zone=program_zone).is_(exp.Null()))
        example = exp.Case().when(lost.copy(), exp.cast(raw.copy(), "text"))
        aggregates += [exp.CountIf(this=lost).as_("rows_" + name), exp.func("min", example).as_("low_" + name)]
        aggregates.append(exp.func("max", example.copy()).as_("high_" + name))
    if not names:
        return ()
    sql = exp.select(*aggregates).sql("duckdb", identify=True)
    (found,) = ask(f"{sql} FROM ({lazy.select}) AS raw")
    return tuple(
        Misreading(
            column=name, rows=int(found["rows_" + name]), examples=tuple(dict.fromkeys((found["low_" + name], found["high_" + name])))
        )
        for name in names
        if found["rows_" + name]
    )


def rejected_lines(ask: Ask, lazy: Lazy) -> tuple[Misreading, ...]:
    """Lines of the CSV files behind a table that DuckDB could not split into columns, after they were read.

    Raises
    ------
    SourceError
        If a file is not written in the encoding that was said.
    """
    if not lazy.files:
        return ()
    names = ", ".join(exp.Literal.string(name).sql("duckdb") for name in lazy.files)
    found = ask(
        "SELECT DISTINCT file_path, line, error_type::text AS error_type, csv_line"
        " FROM reject_errors JOIN reject_scans USING (scan_id, file_id)"
        f" WHERE file_path IN ({names}) ORDER BY file_path, line"
    )
    for row in found:
        if row["error_type"] == "INVALID ENCODING":
            raise _wrong_encoding(f"{row['file_path']}, line {row['line']}")
    lines = {(row["file_path"], row["line"]): row for row in found}
    examples = [f"line {row['line']}: {row['csv_line']} ({row['error_type'].lower()})" for row in list(lines.values())[:3]]
    return (Misreading(column=LINE, rows=len(lines), examples=tuple(examples)),) if lines else ()


def _wrong_encoding(place: str) -> SourceError:
    return SourceError(
        f"{place}: not written in the encoding that was said (utf-8, unless a mapping says otherwise);"
        " save it as utf-8, or say in a mapping files: {name: {path: ..., encoding: latin-1}}"
    )


def read_csv_sql(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> str:
    """Write DuckDB's call that reads a CSV as text throughout; the contract's casts come after, so that nothing is lost silently."""
    mark = delimiter or find_delimiter(path, encoding=encoding)
    place = exp.Literal.string(str(path)).sql("duckdb")
    style = f"""delim='{mark}', quote='"', escape='"', encoding='{encoding}'"""
    return f"read_csv({place}, all_varchar=true, header=true, {style}, store_rejects=true)"


def find_delimiter(path: Path, *, encoding: str = "utf-8") -> str:
    """Find the mark that stands most often in a CSV's header.

    Raises
    ------
    SourceError
        If the file is empty or its header cannot be read.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.readline().decode(encoding, errors="strict" if encoding != "utf-16" else "ignore")
    except UnicodeError as error:
        raise _wrong_encoding(f"{path}, line 1") from error
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    if not header.strip():
        raise SourceError(f"{path} is empty; a CSV begins with the names of its columns")
    return max((",", ";", "\t", "|"), key=header.count)
