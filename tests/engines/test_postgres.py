"""PostgreSQL answers what DuckDB answers."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest
from sqlglot import exp

from partnerlab.errors import MissingTableError, SourceError
from partnerlab.intake import TABLES, connect, select_rows, validate

pytestmark = pytest.mark.engines


@pytest.fixture(scope="session")
def server(server_url):
    with connect(server_url) as source:
        yield source


@pytest.fixture(scope="session")
def laptop(simulation):
    with simulation.source() as source:
        yield source


def test_both_hold_the_same_tables_and_columns(server, laptop):
    assert server.columns() == laptop.columns()


def test_program_is_read_from_its_table(server, laptop):
    assert server.program == laptop.program


@pytest.mark.parametrize("as_of", [None, datetime(2025, 4, 2)], ids=["latest", "as of 2025-04-02"])
@pytest.mark.parametrize("table", sorted(TABLES))
def test_rows_are_the_same_row_by_row(server, laptop, table, as_of):
    columns = laptop.columns()[table]

    ours, theirs = (
        source.run(select_rows(source, table, columns=columns, as_of=as_of)).to_pandas().sort_values(list(columns), ignore_index=True)
        for source in (laptop, server)
    )

    pd.testing.assert_frame_equal(theirs, ours)


def test_types_leave_both_engines_alike(server, laptop):
    columns = ["txn_id", "booked_at", "amount", "quantity"]

    schemas = [source.run(select_rows(source, "transactions", columns=columns)).schema for source in (laptop, server)]

    assert schemas[0].equals(schemas[1])


@pytest.mark.parametrize("as_of", [None, datetime(2025, 4, 2)], ids=["latest", "as of 2025-04-02"])
def test_data_quality_is_the_same(server, laptop, as_of):
    ours, theirs = (validate(source, as_of=as_of) for source in (laptop, server))

    pd.testing.assert_frame_equal(theirs.table, ours.table)
    assert theirs.tables == ours.tables


def test_a_column_of_the_wrong_type_is_refused_as_a_whole(postgres_url):
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS partnerlab_typed CASCADE")
        cursor.execute("CREATE SCHEMA partnerlab_typed")
        cursor.execute("CREATE TABLE partnerlab_typed.partners (partner_id char(4), joined_at text, country char(2), is_test int)")
        cursor.execute("INSERT INTO partnerlab_typed.partners VALUES ('P1', '2024-01-01', 'NO', 0)")

    with connect(f"{postgres_url}?schema=partnerlab_typed") as source:
        quality = validate(source)
        found = source.run(select_rows(source, "partners", columns=["partner_id", "country"])).to_pylist()
        with pytest.raises(MissingTableError, match="joined_at is text, not date"):
            select_rows(source, "partners", columns=["joined_at"])

    assert quality.rejects[["column", "rule"]].values.tolist() == [["joined_at", "E2"]]
    assert found == [{"partner_id": "P1", "country": "NO"}]


def test_money_without_a_row_is_still_money(server):
    nobody = select_rows(server, "transactions", columns=["txn_id", "amount"]).limit(0)

    assert str(server.run(nobody).schema.field("amount").type) == "decimal128(18, 2)"


def test_password_is_never_shown():
    with pytest.raises(SourceError) as caught:
        connect("postgresql://nobody:hunter2@127.0.0.1:1/none")

    assert "hunter2" not in str(caught.value)


def test_nothing_can_be_written(server):
    with pytest.raises(SourceError, match="read-only"):
        server.run(exp.select(exp.Literal.number(1).as_("one")).ctas("stolen", dialect="postgres"))


def test_a_panel_is_the_same_to_the_last_bit(server, laptop):
    from partnerlab.panel import build_panel

    ours, theirs = (build_panel(source, first="2024Q1", last="2025Q4") for source in (laptop, server))

    assert theirs.digest == ours.digest
