"""Files as people save them: torn lines, wrong encodings, odd headers. Told, never a traceback."""

from __future__ import annotations

import gzip

import pandas as pd
import pyarrow as pa
import pytest

from partnerlab.errors import SourceError
from partnerlab.intake import connect, select_rows, validate


def folder(place, content, name="partners.csv"):
    (place / name).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return place


def rows(source, table="partners"):
    return source.run(select_rows(source, table, columns=source.columns()[table])).to_pylist()


@pytest.mark.parametrize(
    "content",
    [
        "partner_id,name\nP1,Älder\n",
        "\ufeffpartner_id,name\r\nP1,Älder\r\n",
        "partner_id;name\nP1;Älder\n",
        "partner_id\tname\nP1\tÄlder\n",
        'partner_id,name\nP1," Älder "\n',
    ],
    ids=["plain", "byte order mark", "semicolon", "tab", "quoted and padded"],
)
def test_ways_to_write_a_csv(tmp_path, content):
    assert rows(connect(folder(tmp_path, content))) == [{"partner_id": "P1", "name": "Älder"}]


def test_ids_keep_their_leading_zeros(tmp_path):
    assert [row["partner_id"] for row in rows(connect(folder(tmp_path, "partner_id\n007\n7\n")))] == ["007", "7"]


def test_torn_lines_are_counted_and_quoted(tmp_path):
    source = connect(folder(tmp_path, "partner_id,name\nP1,a\nP2,b,c\nP3\nP4,d\n"))

    found = validate(source).table.query("rule == 'Q3'").iloc[0]

    assert [row["partner_id"] for row in rows(source)] == ["P1", "P4"]
    assert (found["rows"], found["action"]) == (2, "line set aside")
    assert found["examples"].startswith("line 3: P2,b,c (too many columns)")


@pytest.mark.parametrize("header", ["partner_id,näme", "partner_id,name"])
def test_wrong_encoding_is_told_with_the_remedy(tmp_path, header):
    with pytest.raises(SourceError, match=r"partners\.csv, line [12]: not written in the encoding .* encoding: latin-1"):
        validate(connect(folder(tmp_path, f"{header}\nP1,Älder\n".encode("latin-1"))))


@pytest.mark.parametrize(("content", "message"), [("", "is empty"), ("\n", "is empty")])
def test_empty_file_is_refused(tmp_path, content, message):
    with pytest.raises(SourceError, match=message):
        connect(folder(tmp_path, content))


def test_header_alone_is_a_table_without_rows(tmp_path):
    assert validate(connect(folder(tmp_path, "partner_id,name\n"))).tables == {"partners": 0}


def test_truncated_archive_is_refused(tmp_path):
    whole = gzip.compress(b"partner_id,name\nP1,a\n" * 50)

    with pytest.raises(SourceError, match=r"partners\.csv\.gz cannot be read"):
        connect(folder(tmp_path, whole[:15], name="partners.csv.gz"))


def test_broken_parquet_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"partners\.parquet cannot be read"):
        connect(folder(tmp_path, b"PAR1xxxx", name="partners.parquet"))


def test_header_in_capitals_names_the_nearest_column(tmp_path):
    quality = validate(connect(folder(tmp_path, "Partner_ID,Name\nP1,a\n")))

    assert quality.rejects["meaning"].tolist() == ["required column is missing; did you mean 'Partner_ID'?"]


def test_infinite_and_far_dates_are_unknown(tmp_path):
    source = connect(folder(tmp_path, "partner_id,joined_at\nP1,infinity\nP2,9999-12-31\nP3,0001-01-01\n"))

    assert [row["joined_at"] for row in rows(source)] == [None, None, None]
    assert validate(source).count("Q1") == 2


def test_nan_is_no_number():
    leads = pa.table({"lead_id": ["1", "2"], "created_at": pd.to_datetime(["2024-01-01"] * 2), "relevance": [float("nan"), 0.5]})
    time = pa.table({"entry_id": ["1", "2"], "manager_id": ["M"] * 2, "day": ["2024-01-01"] * 2, "minutes": [float("inf"), 30.0]})
    source = connect({"leads": leads, "manager_time": time})

    assert [row["relevance"] for row in rows(source, "leads")] == [None, 0.5]
    assert [row["entry_id"] for row in rows(source, "manager_time")] == ["2"]
    assert validate(source).count("Q4") == 2


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(), "has no columns"),
        (pd.DataFrame({"partner_id": ["1", 2]}), "mixes types in a column .*partner_id"),
        ([1], "is a list"),
    ],
)
def test_frames_that_are_no_tables_are_refused(frame, message):
    with pytest.raises(SourceError, match=message):
        connect({"partners": frame})


def test_instants_of_any_unit_and_zone_are_utc_microseconds():
    created = pd.to_datetime(["2024-01-01"]).tz_localize("Europe/Berlin").as_unit("ns")
    source = connect({"deals": pd.DataFrame({"deal_id": ["1"], "created_at": created, "status": pd.Categorical(["won"])})})

    assert rows(source, "deals") == [{"deal_id": "1", "created_at": pd.Timestamp("2023-12-31 23:00"), "status": "won"}]
