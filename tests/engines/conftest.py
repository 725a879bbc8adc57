"""A real PostgreSQL that holds the simulated program: named by PARTNERLAB_POSTGRES_URL, and missed loudly when it is not."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pyarrow as pa
import pytest

from partnerlab.intake import Simulation, Truth, simulate_program

#: How an administrator would have declared the simulator's columns.
SQL_TYPES = {
    "string": "text", "double": "double precision", "int64": "bigint", "bool": "boolean", "date32[day]": "date",
    "timestamp[us]": "timestamp", "decimal128(18, 2)": "numeric(18,2)",
}  # fmt: skip


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """URL of a server on which the tests may make a schema."""
    url = os.environ.get("PARTNERLAB_POSTGRES_URL")
    if not url:
        pytest.fail("PARTNERLAB_POSTGRES_URL is not set; give the URL of a PostgreSQL on which a schema may be made", pytrace=False)
    return url


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    """A program of moderate size, dirt included."""
    return simulate_program(Truth(n_partners=150), seed=7)


@pytest.fixture(scope="session")
def server_url(postgres_url: str, simulation: Simulation) -> Iterator[str]:
    """The simulated program in a schema of its own."""
    from adbc_driver_postgresql import dbapi

    schema = "partnerlab_" + uuid.uuid4().hex[:8]
    with dbapi.connect(postgres_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{schema}"')
        for name, table in simulation.tables.items():
            _load(cursor, schema, name, table)
    yield f"{postgres_url}{'&' if '?' in postgres_url else '?'}schema={schema}"
    with dbapi.connect(postgres_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{schema}" CASCADE')


def _load(cursor, schema: str, name: str, table: pa.Table) -> None:
    """Declare the columns, then copy; decimals travel as text, because the driver cannot write them."""
    columns = ", ".join(f'"{field.name}" {SQL_TYPES[str(field.type)]}' for field in table.schema)
    cursor.execute(f'CREATE TABLE "{schema}"."{name}" ({columns})')
    texts = pa.schema([pa.field(f.name, pa.string()) if pa.types.is_decimal(f.type) else f for f in table.schema])
    cursor.adbc_ingest("staging", table.cast(texts), mode="create", temporary=True)
    casts = ", ".join(f'"{field.name}"::{SQL_TYPES[str(field.type)]}' for field in table.schema)
    cursor.execute(f'INSERT INTO "{schema}"."{name}" SELECT {casts} FROM staging')
    cursor.execute("DROP TABLE staging")
