"""Rows leave intake typed, as known on a date, and without those set aside, from any kind of source."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError
from partnerlab.intake import Program, connect, select_rows

PARTNERS = pd.DataFrame({"partner_id": ["P1", "P2"], "region": ["EMEA", None]})


def rows(source, table, *columns, **options):
    found = source.run(select_rows(source, table, columns=columns, **options)).to_pylist()
    return sorted((tuple(row.values()) for row in found), key=str)


def deals(**columns):
    frame = pd.DataFrame({"deal_id": ["D1", "D2"], "created_at": pd.Timestamp("2024-05-01"), "status": "won"}).assign(**columns)
    return connect({"deals": frame})


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2024-05-01", datetime(2024, 5, 1)),
        ("2024-05-01 10:30", datetime(2024, 5, 1, 10, 30)),
        ("2024-05-01T10:30:00Z", datetime(2024, 5, 1, 10, 30)),
        ("2024-05-01T10:30:00.123+02:00", datetime(2024, 5, 1, 8, 30, 0, 123000)),
        ("2024-05-01T10:30:00-0500", datetime(2024, 5, 1, 15, 30)),
        ("01/05/2024", None),
        ("2024-05-01 10:30 x", None),
        ("soon", None),
        ("  ", None),
        ("None", None),
    ],
)
def test_instants_written_as_text(written, instant):
    assert rows(deals(closed_at=[written, None]), "deals", "deal_id", "closed_at")[0] == ("D1", instant)


def test_day_written_for_an_instant_begins_where_the_program_is():
    frame = pd.DataFrame({"deal_id": ["D1"], "created_at": [date(2024, 4, 1)], "closed_at": ["2024-04-02"], "status": ["won"]})
    source = connect({"deals": frame}, program=Program(timezone="America/New_York"))

    assert rows(source, "deals", "created_at", "closed_at") == [(datetime(2024, 4, 1, 4), datetime(2024, 4, 2, 4))]


def test_instant_written_for_a_day_is_the_day_where_the_program_is():
    frame = pd.DataFrame({"partner_id": ["P1", "P2"], "joined_at": ["2024-04-01T02:00:00Z", "2024-04-01"]})
    source = connect({"partners": frame}, program=Program(timezone="America/New_York"))

    assert rows(source, "partners", "joined_at") == [(date(2024, 3, 31),), (date(2024, 4, 1),)]


def test_types_are_the_contracts_whatever_the_source_held():
    source = deals(amount=[12, 3], deal_id=[7, 8])

    table = source.run(select_rows(source, "deals", columns=["deal_id", "created_at", "amount"]))

    assert [str(field.type) for field in table.schema] == ["string", "timestamp[us]", "decimal128(18, 2)"]
    assert table["amount"].to_pylist() == [Decimal("12.00"), Decimal("3.00")]


def test_ids_that_pandas_made_floats_are_whole_again():
    source = connect({"leads": pd.DataFrame({"lead_id": ["L1", "L2"], "partner_id": [12345.0, None], "created_at": "2024-01-01"})})

    assert rows(source, "leads", "partner_id") == [("12345",), (None,)]


def test_categories_are_lower_case_and_strangers_are_other():
    frame = pd.DataFrame({"activity_id": ["A1", "A2"], "tactic": ["Meeting ", "webinar"], "occurred_at": pd.Timestamp("2024-01-01")})

    assert rows(connect({"activities": frame}), "activities", "activity_id", "tactic") == [("A1", "meeting"), ("A2", "other")]


def test_only_the_month_of_a_booking_is_known():
    frame = pd.DataFrame({"txn_id": ["T1"], "kind": ["invoice"], "amount": [5], "period_month": ["2024-04-01"]})

    assert rows(connect({"transactions": frame}), "transactions", "booked_at") == [(datetime(2024, 4, 1),)]


VERSIONS = pd.DataFrame(
    {
        "deal_id": ["D1", "D1", "D2"],
        "created_at": pd.to_datetime(["2024-01-01", "2024-01-01", "2024-02-01"]),
        "status": ["open", "won", "lost"],
        "recorded_at": pd.to_datetime(["2024-01-02", "2024-03-01", None]),
    }
)


@pytest.mark.parametrize(
    ("as_of", "known"),
    [
        (None, [("D1", "won"), ("D2", "lost")]),
        (datetime(2024, 1, 1), []),
        (datetime(2024, 1, 15), [("D1", "open")]),
        (datetime(2024, 2, 15), [("D1", "open"), ("D2", "lost")]),
        (datetime(2024, 3, 1), [("D1", "won"), ("D2", "lost")]),
    ],
)
def test_each_row_as_it_was_known(as_of, known):
    assert rows(connect({"deals": VERSIONS}), "deals", "deal_id", "status", as_of=as_of) == known


def test_source_without_recording_times_knows_what_had_happened():
    source = connect({"deals": VERSIONS.drop(columns="recorded_at").iloc[1:]})

    assert rows(source, "deals", "deal_id", as_of=datetime(2024, 1, 15)) == [("D1",)]


def test_one_version_costs_no_window():
    source = connect({"deals": VERSIONS.iloc[1:]})

    assert "ROW_NUMBER" not in select_rows(source, "deals", columns=["deal_id"]).sql("duckdb")


def test_clean_rows_cost_no_predicate():
    assert "WHERE" not in select_rows(deals(), "deals", columns=["deal_id"]).sql("duckdb")


def test_only_the_columns_asked_for_are_read():
    sql = select_rows(deals(amount=[1, 2], stage="x"), "deals", columns=["deal_id"]).sql("duckdb")

    assert "amount" not in sql
    assert "stage" not in sql


def test_orphans_and_test_partners_are_set_aside():
    leads = pd.DataFrame({"lead_id": ["L1", "L2", "L3"], "partner_id": ["P1", "P9", None], "created_at": pd.Timestamp("2024-01-01")})
    source = connect({"partners": PARTNERS.assign(is_test=[True, False]), "leads": leads})

    assert rows(source, "partners", "partner_id") == [("P2",)]
    assert rows(source, "leads", "lead_id") == [("L1",), ("L3",)]
    assert len(rows(source, "leads", "lead_id", clean=False)) == 3


def test_impossible_join_date_is_unknown_and_the_partner_stays():
    source = connect({"partners": PARTNERS.assign(joined_at=["1970-01-01", "2020-01-01"])})

    assert rows(source, "partners", "partner_id", "joined_at") == [("P1", None), ("P2", date(2020, 1, 1))]


def test_waived_rule_sets_nothing_aside():
    frame = pd.DataFrame({"txn_id": ["T1"], "booked_at": ["2024-01-01"], "kind": ["invoice"], "amount": [3], "product": ["POST"]})

    strict, lenient = (connect({"transactions": frame}, program=program) for program in (None, Program(waive={"Q6": "postage counts"})))

    assert rows(strict, "transactions", "txn_id") == []
    assert rows(lenient, "transactions", "txn_id") == [("T1",)]


def _as_frames(folder, tables):
    return {name: table.to_pandas() for name, table in tables.items()}


def _as_parquet(folder, tables):
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def _as_csv(folder, tables):
    for name, table in tables.items():
        table.to_pandas().to_csv(folder / f"{name}.csv.gz", index=False)
    return folder


def _as_file(folder, tables):
    with duckdb.connect(str(folder / "demo.duckdb")) as connection:
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    return f"duckdb:///{folder / 'demo.duckdb'}"


@pytest.mark.parametrize("write", [_as_frames, _as_parquet, _as_csv, _as_file])
def test_every_kind_of_source_gives_the_same_rows(tmp_path, write):
    tables = {
        "partners": pa.table({"partner_id": ["P1", "P2"], "joined_at": pa.array([date(2020, 1, 1), None]), "is_test": [False, True]}),
        "transactions": pa.table(
            {
                "txn_id": ["T1", "T2"],
                "partner_id": ["P1", None],
                "booked_at": pa.array([datetime(2024, 1, 1, 23, 59, 59, 999999), datetime(2024, 1, 2)], pa.timestamp("us")),
                "kind": ["invoice", "credit_note"],
                "amount": pa.array([Decimal("10.10"), Decimal("-0.01")], pa.decimal128(18, 2)),
                "quantity": [1.5, None],
            }
        ),
    }

    source = connect(write(tmp_path, tables))

    assert rows(source, "partners", "partner_id", "joined_at", clean=False) == [("P1", date(2020, 1, 1)), ("P2", None)]
    assert rows(source, "partners", "partner_id") == [("P1",)]
    assert rows(source, "transactions", *tables["transactions"].column_names) == [
        ("T1", "P1", datetime(2024, 1, 1, 23, 59, 59, 999999), "invoice", Decimal("10.10"), 1.5),
        ("T2", None, datetime(2024, 1, 2), "credit_note", Decimal("-0.01"), None),
    ]


def test_absent_table_and_column_are_refused_by_name():
    source = connect({"partners": PARTNERS})

    with pytest.raises(MissingTableError, match="no table 'deals'"):
        select_rows(source, "deals", columns=["deal_id"])
    with pytest.raises(MissingTableError, match="no column 'country'; it has partner_id, region"):
        select_rows(source, "partners", columns=["country"])
    with pytest.raises(MissingTableError, match="did you mean 'region'"):
        select_rows(source, "partners", columns=["regoin"])


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(["D1", "D2", "D3"]), st.integers(0, 9), st.one_of(st.none(), st.integers(0, 9)), st.sampled_from(["open", "won"])
    ),
    max_size=12,
    unique_by=lambda row: (row[0], row[2]),
)


@settings(max_examples=25, deadline=None)
@given(HISTORIES, st.integers(0, 10))
def test_as_of_is_the_past_as_anybody_could_have_seen_it(history, day):
    start = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame(history, columns=["deal_id", "created", "recorded", "status"])
    frame = pd.DataFrame(
        {
            "deal_id": frame["deal_id"].astype("str"),
            "created_at": start + pd.to_timedelta(frame["created"].astype(float), unit="D"),
            "status": frame["status"].astype("str"),
            "recorded_at": start + pd.to_timedelta(frame["recorded"].astype(float), unit="D"),
        }
    )
    moment = start + pd.Timedelta(days=day)
    known = frame[frame["recorded_at"].fillna(frame["created_at"]) <= moment]
    latest = known.sort_values("recorded_at", na_position="first").groupby("deal_id").tail(1)
    expected = sorted(zip(latest["deal_id"], latest["status"], strict=True))

    assert rows(connect({"deals": frame}), "deals", "deal_id", "status", as_of=moment.to_pydatetime(), clean=False) == expected


def test_engine_itself_scans_only_the_columns_asked_for(tmp_path):
    pq.write_table(
        pa.table({"deal_id": ["D1"], "created_at": ["2024-01-01"], "status": ["won"], "stage": ["x"], "amount": [1]}),
        tmp_path / "deals.parquet",
    )
    source = connect(tmp_path)
    sql = select_rows(source, "deals", columns=["stage"], clean=False).sql("duckdb", identify=True)

    plan = source._engine.fetch("EXPLAIN " + sql)["explain_value"][0].as_py()

    assert "stage" in plan
    assert "amount" not in plan
    assert "deal_id" not in plan
