"""PostgreSQL through ADBC: rows leave the server as Arrow, and nothing is written to it."""

from __future__ import annotations

import decimal
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pyarrow as pa

from partnerlab.errors import SourceError
from partnerlab.intake.exports import Misreading

_KINDS = {
    "text": "text", "character varying": "text", "character": "text_other", "date": "date", "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz", "boolean": "boolean", "double precision": "real", "real": "real", "numeric": "decimal",
    "bigint": "bigint", "integer": "integer", "smallint": "integer",
}  # fmt: skip


def kind_of(sql_type: str, precision: int | None, scale: int | None) -> str:
    """Kind of a PostgreSQL type.

    Examples
    --------
    >>> kind_of("numeric", 18, 2), kind_of("timestamp with time zone", None, None), kind_of("jsonb", None, None)
    ('money', 'timestamptz', 'other')
    """
    if sql_type == "numeric" and (precision, scale) == (18, 2):
        return "money"
    return _KINDS.get(sql_type, "other")


class PostgresEngine:
    """A PostgreSQL schema, read only.

    Parameters
    ----------
    connection : adbc_driver_manager.dbapi.Connection
        Open, its clock set to UTC and its search path to the schema.
    schema : str
        Schema whose tables and views count.
    """

    dialect = "postgres"
    #: Zone in which a day is a day.
    program_zone = "UTC"

    def __init__(self, connection, *, schema: str) -> None:
        self._connection = connection
        self._tables: dict[str, dict[str, str]] = {}
        found = self._rows(
            "SELECT table_name::text, column_name::text, data_type::text, numeric_precision::int, numeric_scale::int"
            " FROM information_schema.columns WHERE table_schema = $1 ORDER BY table_name, ordinal_position",
            [schema],
        )
        for table, column, sql_type, precision, scale in found:
            self._tables.setdefault(table, {})[column] = kind_of(sql_type, precision, scale)

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Tables and views of the schema, their columns and the kind of each."""
        return self._tables

    def prepare(self, table: str) -> None:
        """Do nothing: the server's tables are always ready."""

    def misreadings(self, table: str) -> tuple[Misreading, ...]:
        """Nothing: a typed column that is not the contract's type is refused as a whole (E2)."""
        return ()

    def wall_clocks(self, table: str) -> tuple[str, ...]:
        """Nothing: the contract says that times without a zone are UTC."""
        return ()

    def fetch(self, sql: str) -> pa.Table:
        """Answer one SELECT."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            return _plain(cursor.fetch_arrow_table())
        except self._connection.Error as error:
            raise SourceError(f"PostgreSQL could not answer: {_first_line(error)}") from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _rows(self, sql: str, parameters: list[str]) -> list[tuple]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, parameters)
            return cursor.fetchall()
        finally:
            cursor.close()


def open_postgres(url: str) -> tuple[PostgresEngine, str, str]:
    """Connect to ``postgresql://user@host/base?schema=name`` (schema ``public`` if none is named).

    Returns
    -------
    engine : PostgresEngine
    shown : str
        The URL without its password.
    base : str
        Name of the database.

    Raises
    ------
    SourceError
        If the driver is not installed or the server does not let us in.
    """
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise SourceError(
            "PostgreSQL needs its driver: pip install 'partnerlab[postgres]' or conda install adbc-driver-postgresql"
        ) from error
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    schema = options.pop("schema", "public")
    shown = hide_password(url)
    try:
        connection = dbapi.connect(urlunsplit(parts._replace(query=urlencode(options))), autocommit=True)
        cursor = connection.cursor()
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(f"SET search_path TO {_quote(schema)}")
        cursor.execute("SET default_transaction_read_only = on")
        cursor.close()
    except dbapi.Error as error:
        raise SourceError(f"{shown}: {hide_password(_first_line(error))}") from error
    return PostgresEngine(connection, schema=schema), shown, parts.path.strip("/") or "program"


def hide_password(url: str) -> str:
    """Replace the password in a URL, wherever it stands.

    Examples
    --------
    >>> hide_password("postgresql://ann:secret@db/sales?password=secret")
    'postgresql://ann:***@db/sales?password=***'
    """
    return re.sub(r"(password=)[^&\s]+", r"\1***", re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@", url))


def _plain(table: pa.Table) -> pa.Table:
    """Numerics, which the driver hands over as text, as the decimals they are; everything else as it came."""
    columns = [_decimals(column, field) for column, field in zip(table.columns, table.schema, strict=True)]
    return pa.table(dict(zip(table.column_names, columns, strict=True)) if columns else {})


def _decimals(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    texts = pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
    # the server declares precision and scale as (precision << 16 | scale) + 4, or -1 where a sum has none
    declared = int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1")) - 4
    if declared > 0:
        return _without_nan(texts).cast(pa.decimal128(declared >> 16, declared & 0xFFFF))
    values = [None if text in (None, "NaN") else decimal.Decimal(text) for text in texts.to_pylist()]
    scale = max((-int(value.as_tuple().exponent) for value in values if value is not None), default=0)
    return pa.chunked_array([pa.array(values, type=pa.decimal128(38, max(scale, 0)))])


def _without_nan(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.if_else(pc.equal(texts, "NaN"), pa.scalar(None, texts.type), texts)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[:1]).strip()


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
