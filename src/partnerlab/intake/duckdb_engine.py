"""DuckDB, the embedded engine: over frames, folders of files, DuckDB files and raw exports."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from sqlglot import exp

from partnerlab.errors import SourceError
from partnerlab.intake import casts, exports
from partnerlab.intake.contract import TABLES
from partnerlab.intake.exports import Lazy, Misreading

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
    for start, kind in (("DECIMAL", "decimal"), ("ENUM", "text_other"), ("TIMESTAMPTZ", "timestamptz"), ("TIMESTAMP", "timestamp_other")):
        if sql_type.startswith(start):
            return kind
    return "other"


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
        self._torn: dict[str, tuple[Misreading, ...]] = {}
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
        if names:
            chosen = [exp.alias_(lazy.read(table, name, program_zone=self.program_zone), name, quoted=True) for name in names]
            sql = exp.select(*chosen).sql("duckdb", identify=True)
            self._execute(f"CREATE TEMP TABLE {_quote(table)} AS {sql} FROM ({lazy.select}) AS raw")
            self._torn[table] = exports.rejected_lines(self._ask, lazy)
        lazy.ready = True

    def misreadings(self, table: str) -> tuple[Misreading, ...]:
        """Values that are written as text and could not be read as the contract's type, and lines that fell apart."""
        if table not in self._misread:
            self.prepare(table)
            bare = exports.Lazy(select=f"SELECT * FROM {_quote(table)}", kinds=self._tables[table])
            lazy = self._lazy.get(table, bare)
            parts = lazy.parts or (lazy,)
            found = [item for part in parts for item in exports.find_misreadings(self._ask, table, part, program_zone=self.program_zone)]
            merged = [exports.merge_misreadings(found, name) for name in dict.fromkeys(item.column for item in found)]
            self._misread[table] = (*self._torn.get(table, ()), *merged)
        return self._misread[table]

    def wall_clocks(self, table: str) -> tuple[str, ...]:
        """Columns of a raw export whose times state no zone and whose mapping declares none."""
        lazy = self._lazy.get(table)
        parts = (lazy.parts or (lazy,)) if lazy else ()
        return tuple(dict.fromkeys(name for part in parts for name in part.undeclared if exports.has_wall_clock(self._ask, name, part)))

    def _ask(self, sql: str) -> list[dict[str, Any]]:
        return self.fetch(sql).to_pylist()

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


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def open_memory() -> duckdb.DuckDBPyConnection:
    """Open an empty DuckDB whose clock is UTC and which never mistakes a Python variable for a table."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    with contextlib.suppress(duckdb.InvalidInputException):  # in Jupyter without ipywidgets there is no bar to switch off
        connection.execute("SET enable_progress_bar = false")
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
    if not isinstance(frame, pd.DataFrame | pa.Table):
        raise SourceError(f"table {name!r} is a {type(frame).__name__}; give a pandas DataFrame or a pyarrow Table")
    if not frame.shape[1]:
        raise SourceError(f"table {name!r} has no columns; leave it out")
    names = [str(column) for column in (frame.columns if isinstance(frame, pd.DataFrame) else frame.column_names)]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise SourceError(f"table {name!r} has {names.count(twice)} columns called {twice!r}; rename or drop all but one")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False) if isinstance(frame, pd.DataFrame) else frame
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SourceError(f"table {name!r} mixes types in a column ({error.args[-1]}); make the column one type, such as text") from error
    return table.cast(pa.schema([pa.field(field.name, _simple(field.type)) for field in table.schema]), safe=False)


def _simple(type_: pa.DataType) -> pa.DataType:
    """Give a column of nothing a type that SQL can cast, and every instant microseconds."""
    if pa.types.is_null(type_):
        return pa.string()
    return pa.timestamp("us", type_.tz) if pa.types.is_timestamp(type_) else type_


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
    select = f"SELECT * FROM {exports.read_csv_sql(path)}"
    try:
        columns = connection.sql(select).columns
    except duckdb.Error as error:
        raise SourceError(f"{path} cannot be read as CSV: {_first_line(error)}") from error
    return Lazy(select=select, kinds=dict.fromkeys(columns, "text"), files=(str(path),))


def _escape(path: Path) -> str:
    return str(path).replace("'", "''")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
