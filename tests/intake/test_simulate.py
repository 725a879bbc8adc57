"""The simulator's rows: in contract, in order, and in the numbers that were asked for."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from partnerlab.errors import ParameterError, SourceError, SpecError
from partnerlab.intake.contract import TABLES
from partnerlab.intake.simulate import Dirt, Truth, simulate_program
from partnerlab.intake.simulate.columns import ARROW_TYPES


@pytest.fixture(scope="module")
def demo():
    """The demo program."""
    return simulate_program(Truth(), seed=7)


@pytest.fixture(scope="module")
def clean():
    """The demo program, small and spotless."""
    return simulate_program(Truth(n_partners=150, n_quarters=8, dirt=Dirt.none()), seed=3)


def test_every_table_of_the_contract_is_written(clean):
    assert set(clean.tables) == set(TABLES)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_no_table_is_empty(demo, name):
    assert demo.tables[name].num_rows > 0


@pytest.mark.parametrize("name", sorted(TABLES))
def test_columns_have_the_contract_s_names_order_and_types(clean, name):
    table = clean.tables[name]
    wanted = [(column.name, ARROW_TYPES[column.type]) for column in TABLES[name].columns if column.name in table.column_names]
    assert [(field.name, field.type) for field in table.schema] == wanted


@pytest.mark.parametrize("name", sorted(TABLES))
def test_required_columns_are_filled(clean, name):
    table = clean.tables[name]
    assert {column: table[column].null_count for column in TABLES[name].required} == dict.fromkeys(TABLES[name].required, 0)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_keys_are_unique_in_each_version(clean, name):
    table = clean.tables[name]
    keys = [column for column in (*TABLES[name].key, "recorded_at") if column in table.column_names]
    assert table.group_by(keys).aggregate([]).num_rows == table.num_rows


@pytest.mark.parametrize(
    ("name", "column", "parent"),
    [(name, column.name, column.references) for name, table in TABLES.items() for column in table.columns if column.references],
)
def test_every_reference_has_a_parent(clean, name, column, parent):
    if column in clean.tables[name].column_names:
        other, key = parent.split(".")
        values = clean.tables[name][column].drop_null()
        assert pc.all(pc.is_in(values, clean.tables[other][key].combine_chunks()), min_count=0).as_py()


@pytest.mark.parametrize(("name", "first", "second"), [(name, *pair) for name, table in TABLES.items() for pair in table.order])
def test_times_come_in_order(clean, name, first, second):
    table = clean.tables[name]
    if {first, second} <= set(table.column_names):
        assert pc.all(pc.less_equal(table[first], table[second]), min_count=0).as_py()


@pytest.mark.parametrize(
    ("name", "column"), [(name, column) for name, table in TABLES.items() for column in table.columns if column.values], ids=str
)
def test_categories_stay_in_their_closed_lists(clean, name, column):
    if column.name in clean.tables[name].column_names:
        assert set(clean.tables[name][column.name].drop_null().unique().to_pylist()) <= set(column.values)


def test_the_same_seed_gives_the_same_rows():
    truth = Truth(n_partners=40, n_quarters=4)
    first, second = (simulate_program(truth, seed=5).tables for _ in range(2))
    assert all(first[name].equals(second[name]) for name in TABLES)


def test_another_seed_gives_other_rows():
    truth = Truth(n_partners=40, n_quarters=4)
    assert not simulate_program(truth, seed=5).tables["leads"].equals(simulate_program(truth, seed=6).tables["leads"])


def test_counted_leads_in_the_rows_are_those_drawn(clean):
    leads = clean.tables["leads"].to_pandas().sort_values("recorded_at").drop_duplicates("lead_id", keep="last")
    counted = leads[leads["disposition"].isin(["accepted", "qualified", "converted"]) & (leads["direction"] == "submitted")]
    quarter = np.searchsorted(clean.realized.edges, counted["created_at"].to_numpy(), side="right") - 1
    rows = np.zeros_like(clean.realized.leads)
    np.add.at(rows, (counted["partner_id"].str[1:].astype(int).to_numpy(), quarter), 1)
    np.testing.assert_array_equal(rows, clean.realized.leads)


def test_leads_fall_inside_the_membership(clean):
    leads = clean.tables["leads"].to_pandas()
    partners = clean.tables["partners"].to_pandas().set_index("partner_id").loc[leads["partner_id"]]
    day = leads["created_at"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin").dt.date.to_numpy()
    left = partners["left_at"].to_numpy()
    assert all(day >= partners["joined_at"].to_numpy())
    assert all(gone is None or at < gone for at, gone in zip(day, left, strict=True))


@pytest.mark.parametrize(
    ("field", "table", "where"),
    [
        ("test_partners", "partners", lambda rows: rows["is_test"]),
        ("negative_deals", "deals", lambda rows: rows["amount"] < 0),
        ("created_after_closed", "deals", lambda rows: rows["created_at"] > rows["closed_at"]),
        ("orphan_transactions", "transactions", lambda rows: rows["partner_id"].str.startswith("ZZ")),
        ("ancient_cases", "cases", lambda rows: rows["opened_at"].dt.year == 1970),
    ],
)
def test_dirt_comes_in_the_number_asked_for(demo, field, table, where):
    rows = demo.tables[table].to_pandas().drop_duplicates(TABLES[table].key[0])
    assert where(rows).sum() == getattr(Truth().dirt, field)


def test_restated_rows_keep_their_key_and_get_a_later_version(clean):
    leads = clean.tables["leads"].to_pandas()
    versions = leads[leads.duplicated("lead_id", keep=False)].sort_values(["lead_id", "recorded_at"])
    first = versions.drop_duplicates("lead_id")
    assert len(first) * 2 == len(versions)
    assert set(first["disposition"]) == {"new"}


def test_some_rows_are_recorded_long_after_the_event(clean):
    leads = clean.tables["leads"].to_pandas().drop_duplicates("lead_id", keep=False)
    share = ((leads["recorded_at"] - leads["created_at"]).dt.days >= 19).mean()
    assert 0.01 < share < 0.05


def test_folder_and_file_hold_the_same_rows(clean, tmp_path):
    folder, file = clean.write(tmp_path / "program"), clean.write(tmp_path / "program.duckdb")
    assert sorted(path.stem for path in folder.iterdir()) == sorted(TABLES)
    assert file.is_file()


def test_writing_over_something_is_refused(clean, tmp_path):
    (tmp_path / "program.duckdb").write_text("mine")
    with pytest.raises(SourceError, match="there is something already"):
        clean.write(tmp_path / "program.duckdb")


def test_a_truth_whose_tiers_and_cuts_disagree_is_refused():
    with pytest.raises(SpecError, match="tier_cuts must hold 2 falling lines"):
        Truth(tier_cuts=(0.1,))


@pytest.mark.parametrize(
    "truth",
    [
        Truth.plain(n_partners=1, n_quarters=2),
        Truth(n_partners=1, n_quarters=2, lead_in=0),
        Truth(n_partners=3, n_quarters=2, lapse=0.0, never_says=1.0),
        Truth(n_partners=5, n_quarters=3, leads=1e-6, already_members=0.0),
        Truth(n_partners=5, n_quarters=3, first="2024Q3", timezone="America/Sao_Paulo", already_members=1.0),
    ],
    ids=["one bare partner", "one partner", "nobody leaves or speaks", "nothing happens", "elsewhere"],
)
def test_tiny_and_empty_programs_are_whole(truth):
    tables = simulate_program(truth, seed=1).tables
    assert set(tables) == set(TABLES)
    assert tables["partners"].num_rows == truth.n_partners + truth.dirt.test_partners


def test_what_is_no_truth_is_refused():
    with pytest.raises(ParameterError, match="takes a Truth, not a dict"):
        simulate_program({"n_partners": 3}, seed=1)
