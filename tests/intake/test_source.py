"""connect opens what is there, says what is not, and finds out about the program."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import duckdb
import pandas as pd
import pytest

from partnerlab.errors import SourceError, SpecError
from partnerlab.intake import Program, connect

PARTNERS = pd.DataFrame({"partner_id": ["P1", "P2"]})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nowhere/at/all", "no such file or folder"),
        ("mysql://host/base", "mysql:// is not an engine"),
        ("duckdb:///nowhere.duckdb", "no such file or folder"),
        ("nowhere.yaml", "no such file"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(url, message):
    with pytest.raises((SourceError, SpecError), match=message) as caught:
        connect(url)

    assert "\n" not in str(caught.value)


def test_folder_without_contract_tables_is_refused(tmp_path):
    (tmp_path / "orders.csv").write_text("a,b\n1,2\n", encoding="utf-8")

    with pytest.raises(SourceError, match="nothing of the contract is here"):
        connect(tmp_path)


def test_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "broken.duckdb"
    path.write_bytes(b"this is no database at all" * 400)

    with pytest.raises(SourceError, match=r"broken\.duckdb cannot be read as a DuckDB file"):
        connect(path)


def test_table_in_two_files_is_refused(tmp_path):
    PARTNERS.to_csv(tmp_path / "partners.csv", index=False)
    PARTNERS.to_parquet(tmp_path / "partners.parquet")

    with pytest.raises(SourceError, match=r"both partners\.csv and partners\.parquet; keep one"):
        connect(tmp_path)


def test_something_that_is_no_frame_is_refused():
    with pytest.raises(SourceError, match="'partners' is a list"):
        connect({"partners": [1, 2]})


def test_database_is_opened_for_reading_by_several_at_once(tmp_path):
    path = tmp_path / "demo.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE partners AS SELECT 'P1' AS partner_id")

    with connect(path) as one, connect(f"duckdb:///{path}") as other:
        assert one.columns() == other.columns() == {"partners": ("partner_id",)}


def test_program_comes_from_a_file_in_the_folder(tmp_path):
    PARTNERS.to_csv(tmp_path / "partners.csv", index=False)
    (tmp_path / "program.yaml").write_text("name: Acme\nstart_month: 4\ntier_order: gold > silver\n", encoding="utf-8")

    assert connect(tmp_path).program == Program(name="Acme", start_month=4, tier_order=("gold", "silver"))


def test_program_comes_from_its_table():
    told = pd.DataFrame({"name": ["Acme"], "timezone": ["Europe/Berlin"], "tier_order": ["gold > silver"], "data_until": ["2026-10-01"]})

    program = connect({"partners": PARTNERS, "program": told}).program

    assert (program.timezone, program.tier_order, program.data_until) == ("Europe/Berlin", ("gold", "silver"), date(2026, 10, 1))


def test_program_comes_from_the_quarters():
    quarters = pd.DataFrame(
        {
            "quarter_id": ["FY2025Q1", "FY2025Q2"],
            "start": ["2024-04-01", "2024-07-01"],
            "end": ["2024-07-01", "2024-10-01"],
            "tz": "Europe/Oslo",
        }
    )

    program = connect({"partners": PARTNERS, "quarters": quarters}).program

    assert (program.start_month, program.timezone) == (4, "Europe/Oslo")


def test_program_given_by_hand_wins():
    assert connect({"partners": PARTNERS}, program=Program(name="mine")).program.name == "mine"


def test_program_table_with_an_impossible_zone_is_refused():
    with pytest.raises(SourceError, match=r"table program, column timezone: .*Mars/Base"):
        connect({"partners": PARTNERS, "program": pd.DataFrame({"name": ["x"], "timezone": ["Mars/Base"]})})


def test_only_quarantine_rules_can_be_waived():
    with pytest.raises(SpecError, match="E1 cannot be waived"):
        Program(waive={"E1": "we like duplicates"})


def test_data_reach_to_the_day_after_the_last_event():
    deals = pd.DataFrame({"deal_id": ["D1", "D2"], "created_at": ["2024-05-01", "2121-01-01"], "status": "won"})

    assert connect({"deals": deals}).data_until() == date(2024, 5, 2)


@pytest.mark.parametrize("recorded", [{"deals"}, {"deals", "partners"}])
def test_news_of_events_tells_how_far_the_data_reach(recorded):
    tables = {
        "partners": pd.DataFrame({"partner_id": ["P1"], "joined_at": ["2024-01-01"]}),
        "deals": pd.DataFrame({"deal_id": ["D1", "D2"], "created_at": ["2024-05-01", "2024-08-01"], "status": "won"}),
    }
    told = {"partners": "2024-01-01 10:00", "deals": "2024-08-02 10:00"}
    frames = {name: frame.assign(recorded_at=told[name]) if name in recorded else frame for name, frame in tables.items()}

    assert connect(frames).data_until() == date(2024, 8, 3)


def test_importing_the_room_loads_no_engine():
    code = "import sys, partnerlab.intake; print([name for name in ('duckdb', 'sqlglot', 'pyarrow', 'pandas') if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    assert loaded == "[]"


def test_two_columns_of_one_name_are_refused():
    frame = pd.DataFrame([["a", "x", "y"]], columns=["partner_id", "name", "name"])

    with pytest.raises(SourceError, match="table 'partners' has 2 columns called 'name'; rename or drop all but one"):
        connect({"partners": frame})
