"""Mappings: how the raw export of a real system becomes the contract's tables, said in YAML."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping as Names
from pathlib import Path
from typing import Any, ClassVar, Literal

import pydantic
from sqlglot import exp

from partnerlab.errors import PartnerlabError, SourceError, SpecError, nearest
from partnerlab.intake import casts
from partnerlab.intake.contract import TABLES
from partnerlab.intake.duckdb_engine import DuckDBEngine, open_memory
from partnerlab.intake.exports import Lazy, read_csv_sql
from partnerlab.intake.expressions import PSEUDO, bind_columns, parse_expression, raw_column
from partnerlab.intake.program import Program
from partnerlab.specs import Document, Spec, read_spec_file

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_BASE = "input"


class File(Spec):
    """A raw file.

    Parameters
    ----------
    path : str
        Relative to the mapping file; ``${NAME}`` is taken from the environment.
    delimiter : str or None
        Of a CSV; found by itself if not given.
    encoding : {"utf-8", "latin-1", "utf-16"}
        Of a CSV.
    """

    path: str
    delimiter: str | None = None
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"


class Join(Spec):
    """Columns looked up in another file, one row at most for each row.

    Parameters
    ----------
    from_ : str
        The other file (``from`` in YAML).
    on : mapping of str to str
        Column of this file -> column of the other.
    """

    from_: str = pydantic.Field(alias="from")
    on: Names[str, str]


class Block(Spec):
    """Where the rows of one contract table come from.

    Parameters
    ----------
    from_ : str or list of str
        A file, by path or by its name under ``files`` (``from`` in YAML); several are stacked.
    join : mapping of str to Join
        Files to look up columns in; the name qualifies their columns.
    where : str or None
        Condition on the rows.
    group_by : str or list of str or None
        Expressions to group by; then columns may be aggregates.
    columns : mapping of str to str
        Contract column -> SQL expression over the file's columns.
    naive_tz : str or mapping of str to str
        IANA zone of times that state none, for all columns or by contract column;
        ``program`` is the program's own.
    optional : bool
        Leave the block out when a file that it names is not there.
    """

    from_: str | tuple[str, ...] = pydantic.Field(alias="from")
    join: Names[str, Join] = pydantic.Field(default_factory=dict)
    where: str | None = None
    group_by: str | tuple[str, ...] | None = None
    columns: Names[str, str]
    naive_tz: str | Names[str, str] = pydantic.Field(default_factory=dict)
    optional: bool = False

    @pydantic.field_validator("columns", mode="before")
    @classmethod
    def _plain_values_are_sql(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _as_sql(item) for key, item in value.items()}
        return value


def _as_sql(value: Any) -> Any:
    """YAML's true and numbers are SQL as they stand."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


class Mapping(Spec):
    """How one raw export becomes the contract's tables.

    Parameters
    ----------
    extends : str or None
        A mapping to start from, shipped (by name) or beside this file (by path); tables named here replace its tables.
    program : Program
        What the program is.
    naive_tz : str or None
        IANA zone of all times that state none and for which no block names one; ``program`` is the program's own.
    files : mapping of str to File
        Raw files that need more than a path.
    tables : mapping of str to Block or list of Block
        Contract table -> where its rows come from.

    Examples
    --------
    >>> Mapping.load("salesforce").tables["deals"][0].columns["amount"]
    'Amount'
    """

    shipped: ClassVar[str | None] = "partnerlab.intake.mappings"

    extends: str | None = None
    program: Program = Program()
    naive_tz: str | None = None
    files: Names[str, File] = pydantic.Field(default_factory=dict)
    tables: Names[str, tuple[Block, ...]] = pydantic.Field(default_factory=dict)

    @classmethod
    def from_document(cls, document: Document) -> Mapping:
        """Check a parsed YAML document; a table's only block stands where a list's first would."""
        first = {
            ("tables", path[1], 0, *path[2:]): line for path, line in document.lines.items() if path[:1] == ("tables",) and len(path) > 2
        }
        return super().from_document(dataclasses.replace(document, lines={**first, **document.lines}))

    @pydantic.field_validator("files", mode="before")
    @classmethod
    def _paths_are_files(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: {"path": item} if isinstance(item, str) else item for name, item in value.items()}
        return value

    @pydantic.field_validator("tables", mode="before")
    @classmethod
    def _one_block_is_a_list(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: [block] if isinstance(block, dict) else block for name, block in value.items()}
        return value


def open_mapping(path: Path) -> tuple[DuckDBEngine, Program]:
    """Open the raw export that a mapping file describes; each table is read once, when it is first asked for.

    Parameters
    ----------
    path : Path
        The mapping file.

    Returns
    -------
    engine : DuckDBEngine
    program : Program

    Raises
    ------
    SpecError
        If the mapping says something that cannot be meant: file, line and key are named.
    """
    document = read_spec_file(path)
    mapping = Mapping.from_document(document)
    chosen = {name: (blocks, document) for name, blocks in mapping.tables.items()}
    program, files, naive_tz = mapping.program, mapping.files, mapping.naive_tz
    if mapping.extends is not None:
        above, origin = _above(mapping.extends, path)
        chosen = {name: (blocks, origin) for name, blocks in above.tables.items()} | chosen
        program = program if "program" in document.data else above.program
        files, naive_tz = {**above.files, **files}, naive_tz or above.naive_tz
    engine = DuckDBEngine(open_memory())
    reader = _Reader(engine=engine, folder=path.parent, files=files, zone=program.timezone, naive_tz=naive_tz)
    try:
        found = {name: reader.read_table(name, blocks, origin) for name, (blocks, origin) in chosen.items()}
    except PartnerlabError:
        engine.close()
        raise
    engine.add_lazy({name: table for name, table in found.items() if table is not None})
    return engine, program if "name" in program.model_fields_set else program.model_copy(update={"name": path.stem})


def _above(name: str, path: Path) -> tuple[Mapping, Document]:
    """Read the mapping that another extends: one beside it, or a shipped one."""
    beside = name.endswith((".yaml", ".yml"))
    document = read_spec_file(path.parent / name if beside else name, package=Mapping.shipped)
    return Mapping.from_document(document), document


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Place:
    """Where in a mapping file something stands, for errors."""

    document: Document
    path: tuple[str | int, ...]

    def __truediv__(self, key: str | int) -> _Place:
        return _Place(document=self.document, path=(*self.path, key))

    def __str__(self) -> str:
        return f"{self.document.name}, line {self.document.line(self.path)}, {'.'.join(map(str, self.path))}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Reader:
    """Turns blocks into SELECTs over raw files."""

    engine: DuckDBEngine
    folder: Path
    files: Names[str, File]
    zone: str
    naive_tz: str | None

    def read_table(self, table: str, blocks: tuple[Block, ...], document: Document) -> Lazy | None:
        """Stack the blocks of one contract table."""
        if table not in TABLES:
            line = document.line(("tables", table))
            raise SpecError(
                f"{document.name}, line {line}, tables.{table}: the contract has no such table{nearest(table, TABLES)}", line=line
            )
        parts: list[Lazy] = []
        for index, block in enumerate(blocks):
            above = _Place(document=document, path=("tables", table))
            place = above / index if isinstance(document.data["tables"][table], list) else above
            part = self._read_block(table, block, place)
            if part is not None:
                parts.append(part)
        if not parts:
            return None
        if len(parts) == 1:
            return parts[0]
        names = dict.fromkeys(name for part in parts for name in part.kinds)
        return Lazy(
            select=" UNION ALL BY NAME ".join(f"({self._typed(table, part)})" for part in parts),
            kinds={name: casts.READY[TABLES[table].column(name).type] for name in names},
            files=tuple(dict.fromkeys(file for part in parts for file in part.files)),
            parts=tuple(parts),
        )

    def _typed(self, table: str, part: Lazy) -> str:
        """Blocks of one table may hold a column in different types: cast each before stacking."""
        chosen = [exp.alias_(part.read(table, name, program_zone=self.zone), name, quoted=True) for name in part.kinds]
        return f"{exp.select(*chosen).sql('duckdb', identify=True)} FROM ({part.select}) AS raw"

    def _read_block(self, table: str, block: Block, place: _Place) -> Lazy | None:
        names = [block.from_] if isinstance(block.from_, str) else list(block.from_)
        found = {_BASE: self._stack(names, place / "from", optional=block.optional)}
        found |= {
            alias: self._stack([j.from_], place / "join" / alias / "from", optional=block.optional) for alias, j in block.join.items()
        }
        sources = {alias: select for alias, select in found.items() if select is not None}
        if len(sources) < len(found):
            return None
        columns = {alias: self._columns(select, place) for alias, select in sources.items()}
        grouped = block.group_by is not None
        expressions = self._expressions(table, block, columns, place)
        select, probes = exp.select(), {}
        for name, expression in expressions.items():
            select = select.select(exp.alias_(expression, name, quoted=True))
            raw = None if grouped else raw_column(expression)
            if raw is not None:
                probes[name] = "raw " + name
                select = select.select(exp.alias_(raw.copy(), "raw " + name, quoted=True))
        body = f"({sources[_BASE]}) AS {_BASE}"
        for alias, join in block.join.items():
            on = self._on(join, alias, columns, place / "join" / alias / "on")
            body += f' LEFT JOIN ({sources[alias]}) AS "{alias}" ON {on}'
        if block.where is not None:
            body += f" WHERE {self._sql(block.where, columns, place / 'where')}"
        if grouped:
            keys = [block.group_by] if isinstance(block.group_by, str) else list(block.group_by or ())
            body += " GROUP BY " + ", ".join(self._sql(key, columns, place / "group_by") for key in keys)
        return self._lazy(table, f"{select.sql('duckdb', identify=True)} FROM {body}", probes, block, place)

    def _lazy(self, table: str, select: str, probes: dict[str, str], block: Block, place: _Place) -> Lazy:
        try:
            kinds = self.engine.describe(select)
        except SourceError as error:
            raise SpecError(f"{place}: {error}; mend the expression") from error
        kinds = {name: kind for name, kind in kinds.items() if not name.startswith("raw ")}
        times = [name for name in kinds if TABLES[table].column(name).type in ("instant", "date")]
        zones = dict.fromkeys(times, block.naive_tz) if isinstance(block.naive_tz, str) else dict(block.naive_tz)
        zones = {name: self.zone if zone == "program" else zone for name, zone in zones.items()}
        if self.naive_tz:
            zones = dict.fromkeys(times, self.zone if self.naive_tz == "program" else self.naive_tz) | zones
        self._check_zones(zones, times, place / "naive_tz")
        undeclared = tuple(name for name in times if name not in zones and TABLES[table].column(name).type == "instant")
        used = [*([block.from_] if isinstance(block.from_, str) else block.from_), *(join.from_ for join in block.join.values())]
        files = tuple(str(self._path(self._file(name).path, place)) for name in used if not self._file(name).path.endswith(".parquet"))
        return Lazy(select=select, kinds=kinds, zones=zones, probes=probes, undeclared=undeclared, files=files)

    def _check_zones(self, zones: Names[str, str], times: list[str], place: _Place) -> None:
        for name, zone in zones.items():
            if name not in times:
                raise SpecError(f"{place}: {name!r} is no time column of this table{nearest(name, times)}")
            try:
                Program(timezone=zone)
            except SpecError as error:
                raise SpecError(f"{place}: {zone!r} is not an IANA time zone such as 'Europe/Berlin'") from error

    def _expressions(self, table: str, block: Block, columns: dict[str, tuple[str, ...]], place: _Place) -> dict[str, exp.Expr]:
        known, found = TABLES[table].names, {}
        for name, text in block.columns.items():
            here = place / "columns" / name
            if name not in known:
                raise SpecError(f"{here}: the contract's table {table} has no column {name!r}{nearest(name, known)}")
            parsed = parse_expression(text, place=str(here), grouped=block.group_by is not None)
            found[name] = bind_columns(parsed, columns=columns, place=str(here))
        return found

    def _sql(self, text: str, columns: dict[str, tuple[str, ...]], place: _Place) -> str:
        return bind_columns(parse_expression(text, place=str(place)), columns=columns, place=str(place)).sql("duckdb", identify=True)

    def _on(self, join: Join, alias: str, columns: dict[str, tuple[str, ...]], place: _Place) -> str:
        """Equality of texts, because two files seldom agree on the type of an id."""
        pairs = []
        for left, right in join.on.items():
            mine = bind_columns(parse_expression(left, place=str(place)), columns=columns, place=str(place))
            other = bind_columns(parse_expression(right, place=str(place)), columns={alias: columns[alias]}, place=str(place))
            pairs.append(exp.EQ(this=exp.cast(mine, "text"), expression=exp.cast(other, "text")).sql("duckdb", identify=True))
        return " AND ".join(pairs)

    def _columns(self, select: str, place: _Place) -> tuple[str, ...]:
        try:
            return tuple(self.engine.describe(select))
        except SourceError as error:
            raise SpecError(f"{place}: the file cannot be read: {error}") from error

    def _stack(self, names: list[str], place: _Place, *, optional: bool) -> str | None:
        """SELECT over one or several raw files with the pseudo columns; None when an optional file is not there."""
        selects = []
        for name in names:
            file = self._file(name)
            path = self._path(file.path, place)
            if not path.is_file():
                if optional:
                    return None
                raise SpecError(f"{place}: there is no file {path}; mend the path, or say 'optional: true'")
            try:
                selects.append(_select_file(path, file, place))
            except SourceError as error:
                raise SpecError(f"{place}: {error}") from error
        return " UNION ALL BY NAME ".join(selects)

    def _file(self, name: str) -> File:
        return self.files.get(name) or File(path=name)

    def _path(self, text: str, place: _Place) -> Path:
        def value(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                raise SpecError(f"{place}: the environment variable {match[1]} is not set; set it to the folder that holds the export")
            return os.environ[match[1]]

        return self.folder / Path(_VARIABLE.sub(value, text)).expanduser()


def _select_file(path: Path, file: File, place: _Place) -> str:
    """SELECT over one raw file; the pseudo columns cost nothing unless they are asked for."""
    escaped = str(path).replace("'", "''")
    row, name = PSEUDO
    label = f"'{path.name}' AS {name}"
    if path.suffix == ".parquet":
        rows = f"read_parquet('{escaped}', file_row_number=true)"
        return f"SELECT * EXCLUDE (file_row_number), file_row_number + 1 AS {row}, {label} FROM {rows}"
    if path.name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")):
        delimiter = file.delimiter or ("\t" if ".tsv" in path.name else None)
        return f"SELECT *, row_number() OVER () AS {row}, {label} FROM {read_csv_sql(path, delimiter=delimiter, encoding=file.encoding)}"
    raise SpecError(f"{place}: {path.name} is neither .parquet, .csv, .csv.gz nor .tsv")
