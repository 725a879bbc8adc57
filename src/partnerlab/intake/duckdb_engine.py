"""DuckDB, the embedded engine: over frames, folders of files, DuckDB files and raw exports."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
from sqlglot import exp

from partnerlab.errors import SourceError
from partnerlab.intake import casts
from partnerlab.intake.contract import TABLES

_KINDS = {
    "VARCHAR": "text", "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz", "BOOLEAN": "boolean",
    "DOUBLE": "real", "FLOAT": "real", "DECIMAL(18,2)": "money", "BIGINT": "bigint", "INTEGER": "integer", "SMALLINT": "integer",
    "TINYINT": "integer", "UBIGINT": "integer", "UINTEGER": "integer", "USMALLINT": "integer", "UTINYINT": "integer", "HUGEINT": "integer",
}  # fmt: skip


def kind_of(sql_type: str) -> str:
    """Kind of a DuckDB type.

    Examples
    --------
    >>> kind_of("DECIMAL(18,2)"), kind_of("ENUM('a')"), kind_of("TIMESTAMP_NS"), kind_of("STRUCT(a INTEGER)")
    ('money', 'text_other', 'timestamp_other', 'other')
    """
    if sql_type in _KINDS:
        return _KINDS[sql_type]
    for start, kind in (("DECIMAL", "decimal"), ("ENUM", "text_other"), ("TIMESTAMP", "timestamp_other")):
        if sql_type.startswith(start):
            return kind
    return "other"


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
    parts: tuple[Lazy, ...] = ()
    ready: bool = False

    def read(self, table: str, name: str, *, program_zone: str) -> exp.Expr:
        """Expression that reads one column as the contract's type."""
        column, kind, raw = TABLES[table].column(name), self.kinds[name], exp.column(name, quoted=True)
        if casts.base_kind(kind) == "text" and column.type in ("id", "text", "category"):
            return casts.clean_text(column, raw)
        return casts.canonical(column, kind, expression=raw, zone=self.zones.get(name, "UTC"), program_zone=program_zone)


class DuckDBEngine:
    """An in-memory DuckDB that reads other people's data and writes none of them.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Its tables and views are the source's.
    catalog : str
        Database whose tables count.
    schema : str
        Schema whose tables count.
    lazy : mapping of str to Lazy
        Tables of a raw export.
    """

    dialect = "duckdb"
    #: Zone in which a day is a day, for raw exports; set before anything is read.
    program_zone = "UTC"

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        catalog: str = "memory",
        schema: str = "main",
        lazy: Mapping[str, Lazy] | None = None,
    ) -> None:
        self._connection = connection
        self._lazy = dict(lazy or {})
        self._misread: dict[str, tuple[Misreading, ...]] = {}
        found = connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND NOT internal"
            " ORDER BY table_name, column_index",
            [catalog, schema],
        ).fetchall()
        self._tables: dict[str, dict[str, str]] = {}
        for table, column, sql_type in found:
            self._tables.setdefault(table, {})[column] = kind_of(sql_type)
        self.add_lazy(self._lazy)

    def add_lazy(self, lazy: Mapping[str, Lazy]) -> None:
        """Add tables of a raw export, each under its contract name."""
        self._lazy |= lazy
        for name, lazy_table in lazy.items():
            contract = TABLES[name]
            self._tables[name] = {c: casts.READY[contract.column(c).type] for c in lazy_table.kinds if c in contract.names} | {
                c: kind for c, kind in lazy_table.kinds.items() if c not in contract.names
            }

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Tables, their columns and the kind of each."""
        return self._tables

    def prepare(self, table: str) -> None:
        """Read a table of a raw export, once."""
        lazy = self._lazy.get(table)
        if lazy is None or lazy.ready:
            return
        names = [name for name in lazy.kinds if name in TABLES[table].names]
        chosen = [exp.alias_(lazy.read(table, name, program_zone=self.program_zone), name, quoted=True) for name in names]
        sql = exp.select(*chosen).sql("duckdb", identify=True)
        self._execute(f'CREATE TEMP TABLE "{table}" AS {sql} FROM ({lazy.select}) AS raw')
        lazy.ready = True

    def misreadings(self, table: str) -> tuple[Misreading, ...]:
        """Values that are written as text and could not be read as the contract's type."""
        if table not in self._misread:
            bare = Lazy(select=f"SELECT * FROM {_quote(table)}", kinds=self._tables[table])
            lazy = self._lazy.get(table, bare)
            found = [item for part in lazy.parts or (lazy,) for item in find_misreadings(self, table, part)]
            self._misread[table] = tuple(_merged(found, name) for name in dict.fromkeys(item.column for item in found))
        return self._misread[table]

    def wall_clocks(self, table: str) -> tuple[str, ...]:
        """Columns of a raw export whose times state no zone and whose mapping declares none."""
        lazy = self._lazy.get(table)
        parts = (lazy.parts or (lazy,)) if lazy else ()
        return tuple(dict.fromkeys(name for part in parts for name in part.undeclared if _has_wall_clock(self, name, part)))

    def fetch(self, sql: str) -> pa.Table:
        """Answer one SELECT."""
        try:
            return self._connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise SourceError(f"DuckDB could not answer: {_first_line(error)}") from error

    def describe(self, sql: str) -> dict[str, str]:
        """Columns of a SELECT and the kind of each, without running it."""
        try:
            relation = self._connection.sql(sql)
        except duckdb.Error as error:
            raise SourceError(_first_line(error)) from error
        return {name: kind_of(str(sql_type)) for name, sql_type in zip(relation.columns, relation.types, strict=True)}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _execute(self, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except duckdb.Error as error:
            raise SourceError(f"DuckDB could not read: {_first_line(error)}") from error


def _merged(found: list[Misreading], name: str) -> Misreading:
    """Misreadings of one column over all parts that a table is stacked from."""
    mine = [item for item in found if item.column == name]
    examples = dict.fromkeys(example for item in mine for example in item.examples)
    return Misreading(column=name, rows=sum(item.rows for item in mine), examples=tuple(examples)[:3])


def _has_wall_clock(engine: DuckDBEngine, name: str, lazy: Lazy) -> bool:
    """Whether a column holds a time of day without an offset."""
    kind = casts.base_kind(lazy.kinds[name])
    if kind != "text":
        return kind == "timestamp"
    raw = exp.column(name, quoted=True)
    timed = exp.and_(
        exp.RegexpLike(this=raw, expression=exp.Literal.string(r"\d:\d{2}")),
        exp.not_(exp.RegexpLike(this=raw.copy(), expression=exp.Literal.string(casts.OFFSET))),
    )
    return engine.fetch(f"SELECT 1 FROM ({lazy.select}) AS raw WHERE {timed.sql('duckdb', identify=True)} LIMIT 1").num_rows > 0


def find_misreadings(engine: DuckDBEngine, table: str, lazy: Lazy) -> tuple[Misreading, ...]:
    """Count the raw values of each column that became NULL although something was written there."""
    aggregates: list[exp.Expr] = []
    names = [
        name for name in lazy.kinds if name in TABLES[table].names and (name in lazy.probes or casts.base_kind(lazy.kinds[name]) == "text")
    ]
    names = [name for name in names if TABLES[table].column(name).type not in ("id", "text", "category")]
    for name in names:
        raw = exp.column(lazy.probes.get(name, name), quoted=True)
        lost = exp.and_(
            casts.blank_to_null(raw).is_(exp.Null()).not_(), lazy.read(table, name, program_zone=engine.program_zone).is_(exp.Null())
        )
        example = exp.Case().when(lost.copy(), exp.cast(raw.copy(), "text"))
        aggregates += [exp.CountIf(this=lost).as_("rows_" + name), exp.func("min", example).as_("low_" + name)]
        aggregates.append(exp.func("max", example.copy()).as_("high_" + name))
    if not names:
        return ()
    sql = exp.select(*aggregates).sql("duckdb", identify=True)
    (found,) = engine.fetch(f"{sql} FROM ({lazy.select}) AS raw").to_pylist()
    return tuple(
        Misreading(
            column=name, rows=int(found["rows_" + name]), examples=tuple(dict.fromkeys((found["low_" + name], found["high_" + name])))
        )
        for name in names
        if found["rows_" + name]
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def open_memory() -> duckdb.DuckDBPyConnection:
    """Open an empty DuckDB whose clock is UTC and which never mistakes a Python variable for a table."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    # what does not fit in memory goes to the system's temporary folder, not beside the user's files
    connection.execute(f"SET temp_directory = '{_escape(Path(tempfile.gettempdir()) / 'partnerlab-duckdb')}'")
    return connection


def open_frames(frames: Mapping[str, pd.DataFrame | pa.Table]) -> DuckDBEngine:
    """Open frames by table name.

    Raises
    ------
    SourceError
        If one of them is not a frame.
    """
    connection = open_memory()
    for name, frame in frames.items():
        connection.register(name, _as_arrow(name, frame))
    return DuckDBEngine(connection, catalog="temp")


def _as_arrow(name: str, frame: pd.DataFrame | pa.Table) -> pa.Table:
    table = pa.Table.from_pandas(frame, preserve_index=False) if isinstance(frame, pd.DataFrame) else frame
    if not isinstance(table, pa.Table):
        raise SourceError(f"table {name!r} is a {type(frame).__name__}; give a pandas DataFrame or a pyarrow Table")
    # a column of nothing at all has no type that SQL could cast
    fields = [pa.field(field.name, pa.string()) if pa.types.is_null(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))


def open_file(path: Path, *, schema: str) -> DuckDBEngine:
    """Open a DuckDB file, read-only, so that several processes can read it at once.

    Raises
    ------
    SourceError
        If it is not a DuckDB file.
    """
    connection = open_memory()
    try:
        connection.execute(f"ATTACH '{_escape(path)}' AS data (READ_ONLY)")
        connection.execute(f"USE data.{_quote(schema)}")
    except duckdb.Error as error:
        connection.close()
        raise SourceError(f"{path} cannot be read as a DuckDB file: {_first_line(error)}") from error
    return DuckDBEngine(connection, catalog="data", schema=schema)


def open_folder(folder: Path) -> DuckDBEngine:
    """Open a folder of ``<table>.parquet``, ``.csv`` and ``.csv.gz``: Parquet in place, CSV read once on use.

    Raises
    ------
    SourceError
        If a file cannot be read, or one table has two files.
    """
    connection = open_memory()
    lazy: dict[str, Lazy] = {}
    seen: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name, _, suffix = path.name.partition(".")
        if name not in TABLES or suffix not in ("parquet", "csv", "csv.gz"):
            continue
        if name in seen:
            raise SourceError(f"{folder}: table {name} stands in both {seen[name].name} and {path.name}; keep one")
        seen[name] = path
        if suffix == "parquet":
            _create_view(connection, name, f"SELECT * FROM read_parquet('{_escape(path)}')", path)
        else:
            lazy[name] = _lazy_csv(connection, path)
    return DuckDBEngine(connection, lazy=lazy)


def _create_view(connection: duckdb.DuckDBPyConnection, name: str, select: str, path: Path) -> None:
    try:
        connection.execute(f"CREATE VIEW {_quote(name)} AS {select}")
    except duckdb.Error as error:
        raise SourceError(f"{path} cannot be read: {_first_line(error)}") from error


def _lazy_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> Lazy:
    select = f"SELECT * FROM {read_csv_sql(path)}"
    try:
        columns = connection.sql(select).columns
    except duckdb.Error as error:
        raise SourceError(f"{path} cannot be read as CSV: {_first_line(error)}") from error
    return Lazy(select=select, kinds=dict.fromkeys(columns, "text"))


def read_csv_sql(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> str:
    """DuckDB's call that reads a CSV as text throughout; the contract's casts come after, so that nothing is lost silently."""
    more = f", delim='{delimiter}'" if delimiter else ""
    return f"read_csv('{_escape(path)}', all_varchar=true, header=true, encoding='{encoding}'{more})"


def _escape(path: Path) -> str:
    return str(path).replace("'", "''")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
