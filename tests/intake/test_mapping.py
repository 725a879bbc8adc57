"""A mapping file turns a raw export into contract tables, and says where it is wrong."""

from __future__ import annotations

import textwrap
from datetime import date, datetime
from decimal import Decimal

import pandas as pd
import pytest

from partnerlab.errors import SpecError
from partnerlab.intake import connect, select_rows, validate

DEALS = """Nr,Partner,Opened,Closed,State,Value
7,P1,02/03/2024 10:00,31/03/2024 23:30,WON,"1,200.50"
8,,05/03/2024 09:15,,OPEN,
9,P2,32/03/2024 09:15,,OPEN,12
"""

MAPPING = """
program: {name: Acme, timezone: Europe/Berlin, currency: EUR}
tables:
  deals:
    from: export.csv
    naive_tz: Europe/Berlin
    columns:
      deal_id: Nr
      created_at: strptime(Opened, '%d/%m/%Y %H:%M')
      closed_at: strptime(Closed, '%d/%m/%Y %H:%M')
      status: State
      amount: replace(Value, ',', '')
  deal_partners:
    from: export.csv
    where: Partner IS NOT NULL
    columns: {deal_id: Nr, partner_id: Partner, role: "'sourced'", is_primary: true}
"""


def write(folder, mapping=MAPPING, **files):
    for name, text in {"export": DEALS, **files}.items():
        (folder / f"{name}.csv").write_text(textwrap.dedent(text), encoding="utf-8")
    path = folder / "acme.yaml"
    path.write_text(textwrap.dedent(mapping), encoding="utf-8")
    return path


def rows(source, table, *columns, **options):
    found = source.run(select_rows(source, table, columns=columns, **options)).to_pylist()
    return sorted((tuple(row.values()) for row in found), key=str)


def test_local_wall_clock_becomes_utc(tmp_path):
    source = connect(write(tmp_path))

    # the night on which Berlin's clocks went forward
    assert rows(source, "deals", "deal_id", "created_at", "closed_at", "status", "amount") == [
        ("7", datetime(2024, 3, 2, 9), datetime(2024, 3, 31, 21, 30), "won", Decimal("1200.50")),
        ("8", datetime(2024, 3, 5, 8, 15), None, "open", None),
    ]


def test_unreadable_date_is_counted_and_quoted(tmp_path):
    found = validate(connect(write(tmp_path))).table.query("rule == 'Q3'")

    assert found[["table", "column", "rows", "examples", "action"]].to_dict("records") == [
        {"table": "deals", "column": "created_at", "rows": 1, "examples": "32/03/2024 09:15", "action": "row set aside"}
    ]


def test_constants_and_flags_are_sql(tmp_path):
    assert rows(connect(write(tmp_path)), "deal_partners", "partner_id", "role", "is_primary") == [
        ("P1", "sourced", True),
        ("P2", "sourced", True),
    ]


def test_times_without_a_declared_zone_are_warned_of(tmp_path):
    quality = validate(connect(write(tmp_path, MAPPING.replace("    naive_tz: Europe/Berlin\n", ""))))

    assert quality.table.query("rule == 'W9'")["column"].tolist() == ["created_at, closed_at"]


def test_zone_for_the_whole_mapping(tmp_path):
    mapping = MAPPING.replace("    naive_tz: Europe/Berlin\n", "") + "naive_tz: program\n"

    assert rows(connect(write(tmp_path, mapping)), "deals", "created_at")[0] == (datetime(2024, 3, 2, 9),)


def test_several_files_are_stacked_and_rows_are_numbered(tmp_path):
    mapping = """
        tables:
          activities:
            - from: [january.csv, february.csv]
              columns:
                {activity_id: "source_file || ':' || source_row", partner_id: who, tactic: "'call'", occurred_at: at}
            - from: visits.csv
              columns: {activity_id: "'V' || source_row", partner_id: who, tactic: "'meeting'", occurred_at: day::date}
    """
    files = {
        "january": "who,at\nP1,2024-01-05T10:00Z\nP2,2024-01-06T10:00Z\n",
        "february": "at,who\n2024-02-05T10:00Z,P1\n",
        "visits": "who,day\nP3,2024-02-07\n",
    }

    source = connect(write(tmp_path, mapping, **files))

    assert rows(source, "activities", "activity_id", "partner_id", "tactic", "occurred_at") == [
        ("V1", "P3", "meeting", datetime(2024, 2, 7)),
        ("february.csv:1", "P1", "call", datetime(2024, 2, 5, 10)),
        ("january.csv:1", "P1", "call", datetime(2024, 1, 5, 10)),
        ("january.csv:2", "P2", "call", datetime(2024, 1, 6, 10)),
    ]


def test_rows_are_grouped(tmp_path):
    mapping = """
        tables:
          partners:
            from: export.csv
            where: Partner IS NOT NULL
            group_by: Partner
            columns: {partner_id: Partner, joined_at: "min(strptime(Opened, '%d/%m/%Y %H:%M'))"}
    """

    assert rows(connect(write(tmp_path, mapping)), "partners", "partner_id", "joined_at") == [("P1", date(2024, 3, 2)), ("P2", None)]


def test_columns_are_looked_up_in_another_file(tmp_path):
    mapping = """
        tables:
          partners:
            from: export.csv
            join: {places: {from: places.csv, on: {Partner: id}}}
            where: Partner IS NOT NULL
            columns: {partner_id: Partner, region: places.region}
    """

    source = connect(write(tmp_path, mapping, places="id,region\nP1,EMEA\n"))

    assert rows(source, "partners", "partner_id", "region") == [("P1", "EMEA"), ("P2", None)]


def test_folder_of_the_export_comes_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "p.csv").write_text("id\nP1\n", encoding="utf-8")
    mapping = "tables: {partners: {from: '${ACME_EXPORT}/p.csv', columns: {partner_id: id}}}\n"

    with pytest.raises(SpecError, match="environment variable ACME_EXPORT is not set"):
        connect(write(tmp_path, mapping))
    monkeypatch.setenv("ACME_EXPORT", str(tmp_path / "elsewhere"))
    assert rows(connect(write(tmp_path, mapping)), "partners", "partner_id") == [("P1",)]


def test_parquet_and_other_delimiters_are_read(tmp_path):
    pd.DataFrame({"id": [1, 2], "since": pd.to_datetime(["2024-01-01", None])}).to_parquet(tmp_path / "p.parquet")
    mapping = """
        files: {money: {path: money.csv, delimiter: ";", encoding: latin-1}}
        tables:
          partners: {from: p.parquet, columns: {partner_id: id, joined_at: since}}
          transactions:
            from: money
            columns: {txn_id: source_row, partner_id: wer, kind: "'invoice'", amount: "replace(betrag, ',', '.')", period_month: monat}
    """
    path = write(tmp_path, mapping)
    (tmp_path / "money.csv").write_bytes("wer;betrag;monat;straße\n1;10,50;2024-01-01;ö\n".encode("latin-1"))

    source = connect(path)

    assert rows(source, "partners", "partner_id", "joined_at") == [("1", date(2024, 1, 1)), ("2", None)]
    assert rows(source, "transactions", "partner_id", "amount", "booked_at") == [("1", Decimal("10.50"), datetime(2024, 1, 1))]


def test_tables_that_nobody_asks_for_are_not_read(tmp_path):
    source = connect(write(tmp_path))
    (tmp_path / "export.csv").unlink()

    assert source.columns()["deal_partners"] == ("deal_id", "partner_id", "role", "is_primary")


def test_own_tables_replace_those_of_the_shipped_mapping(tmp_path):
    files = {
        "partners": "partner_id,name,region,joined_at\nP1,Alder,EMEA,2023-02-01\n",
        "deals": "deal_id,partner_id,created_at,closed_at,status,amount\n",
    }
    mapping = (
        "extends: two_files\nprogram: {name: Acme}\ntables: {partners: {from: partners.csv, columns: {partner_id: lower(partner_id)}}}\n"
    )

    assert rows(connect(write(tmp_path, mapping, **files)), "partners", "partner_id") == [("p1",)]


def test_a_mapping_beside_this_one_is_extended(tmp_path):
    write(tmp_path)
    (tmp_path / "berlin.yaml").write_text("extends: acme.yaml\nprogram: {name: Berlin}\n", encoding="utf-8")

    source = connect(tmp_path / "berlin.yaml")

    assert source.program.name == "Berlin"
    assert set(source.columns()) == {"deals", "deal_partners"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("deals:", "dealz:"), r"acme\.yaml, line 4, tables\.dealz: the contract has no such table; did you mean 'deals'"),
        (
            ("deal_id: Nr\n", "deal_idd: Nr\n"),
            r"line 8, tables\.deals\.columns\.deal_idd: .* has no column 'deal_idd'; did you mean 'deal_id'",
        ),
        (("status: State", "status: Sttae"), r"line 11, tables\.deals\.columns\.status: there is no column 'Sttae'; did you mean 'State'"),
        (("status: State", "status: (SELECT 1)"), r"line 11, tables\.deals\.columns\.status: .* is not allowed"),
        (("status: State", "status: upper(State"), r"line 11, tables\.deals\.columns\.status: .* is not a SQL expression"),
        (("status: State", "status: abs(State)"), r"tables\.deals: .*mend the expression"),
        (("from: export.csv\n    naive", "from: exprot.csv\n    naive"), r"line 5, tables\.deals\.from: there is no file .*exprot\.csv"),
        (("naive_tz: Europe/Berlin", "naive_tz: Europe/Berlim"), r"tables\.deals\.naive_tz: 'Europe/Berlim' is not an IANA time zone"),
        (
            ("naive_tz: Europe/Berlin", "naive_tz: {closd_at: UTC}"),
            r"naive_tz: 'closd_at' is no time column of this table; did you mean 'closed_at'",
        ),
        (
            ("where: Partner IS NOT NULL", "where: Prtner IS NOT NULL"),
            r"line 15, tables\.deal_partners\.where: there is no column 'Prtner'",
        ),
        (("where:", "wehre:"), r"line 15, .*unknown key 'wehre'; did you mean 'where'"),
        (("timezone: Europe/Berlin", "timezone: Mars"), r"line 2, program\.timezone: 'Mars' is not an IANA time zone"),
    ],
)
def test_mistakes_are_named_with_file_line_key_and_remedy(tmp_path, change, message):
    path = write(tmp_path, MAPPING.replace(*change, 1))

    with pytest.raises(SpecError, match=message) as caught:
        connect(path)

    assert "\n" not in str(caught.value)
