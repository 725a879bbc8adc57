"""The data dictionary says what the contract says."""

from __future__ import annotations

from pathlib import Path

from partnerlab.intake import TABLES, render_dictionary
from partnerlab.intake.contract import CONTRACT_VERSION


def test_committed_dictionary_is_current():
    committed = Path(__file__).parents[2] / "data" / "README.md"

    assert committed.read_text(encoding="utf-8") == render_dictionary(), "run render_dictionary() and write its text to data/README.md"


def test_every_table_and_column_is_in_it():
    text = render_dictionary()

    assert f"contract version {CONTRACT_VERSION}" in text
    for table in TABLES.values():
        section = text.split(f"### {table.name}\n")[1].split("### ")[0]
        assert all(
            f"| {column.name} |" in section or column.name in ("source_system", "source_id", "recorded_at", "ingested_at", "row_hash")
            for column in table.columns
        )


def test_keys_times_orders_and_parents_exist():
    for table in TABLES.values():
        times = [table.time] if table.time else []
        assert {*table.key, *times, *(name for pair in table.order for name in pair), *(table.interval or ())} <= set(table.names)
        for column in table.columns:
            if column.references:
                parent, key = column.references.split(".")
                assert TABLES[parent].column(key).type == column.type
            assert column.instead is None or column.instead in table.names
            assert bool(column.values) == (column.type == "category")
