"""Pairs of rows given once against R's Matching and sandwich (``adjusted/matched.R``)."""

from pathlib import Path

import pandas as pd
import pytest

from partnerlab import estimate_matched

HERE = Path(__file__).parent / "adjusted"
CASES = [(distance, caliper, within) for distance in ("chance", "log-odds") for caliper in (None, 0.2, 0.02) for within in (None, "woman")]


@pytest.fixture(scope="module")
def rows():
    table = pd.read_csv(HERE / "rows.csv")
    return table[(table["stopped"] == 0) | (table.index % 3 == 0)]


def _of_case(name, distance, caliper, within):
    """Give the rows of a file that belong to a case; empty cells are no caliper and no classes."""
    table = pd.read_csv(HERE / name, skipinitialspace=True, dtype={"within": str})
    table["within"] = table["within"].str.strip().replace("", None)
    fits = (table["distance"].str.strip() == distance) & (table["caliper"].isna() if caliper is None else table["caliper"] == caliper)
    return table[fits & (table["within"].isna() if within is None else table["within"] == within)]


@pytest.fixture(params=CASES, ids=str)
def case(request, rows):
    distance, caliper, within = request.param
    told = {"tactic": "stopped", "outcome": "gain", "covariates": ["age", "weight_before", "woman", "school"]}
    return estimate_matched(rows, distance=distance, caliper=caliper, within=within, **told), request.param


def test_pairs_are_those_of_matching(case):
    found, asked = case
    wanted = _of_case("matched_pairs.csv", *asked)

    assert set(zip(found.pairs["treated"], found.pairs["compared"], strict=True)) == set(
        zip(wanted["treated"], wanted["compared"], strict=True)
    )


def test_effects_and_errors_by_pair_equal_those_of_r(case):
    found, asked = case
    table, wanted = found.table.set_index("reading"), _of_case("matched.csv", *asked).iloc[0]

    assert table.loc["matched", ["estimate", "std_error"]].tolist() == pytest.approx([wanted["matched"], wanted["matched_se"]], rel=1e-9)
    assert table.loc["pairs", ["estimate", "std_error"]].tolist() == pytest.approx([wanted["pairs_mean"], wanted["pairs_se"]], rel=1e-9)
