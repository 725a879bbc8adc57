"""Outside reference: what base R says of the committed pairs (tests/reference/transitions/transitions.R)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.inference.counts import FlowRows
from partnerlab.stats.inference.intervals import exact_interval, goodman_intervals, wilson_interval
from partnerlab.transitions import Transitions, check_homogeneity, check_order
from partnerlab.transitions.cells import cell_table

FOLDER = Path(__file__).parents[1] / "reference" / "transitions"
# R printed 15 digits
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(scope="module")
def reference():
    return pd.read_csv(FOLDER / "transitions.csv", skipinitialspace=True)


@pytest.fixture(scope="module")
def cells():
    pairs = pd.read_csv(FOLDER / "pairs.csv")
    table = pd.crosstab([pairs["partner"], pairs["origin"]], pairs["target"]).reindex(columns=range(4), fill_value=0)
    partner = pd.factorize(table.index.get_level_values(0))[0]
    origin = table.index.get_level_values(1).to_numpy()
    rows = FlowRows(partner=partner, group=np.zeros(len(table), dtype=int), origin=origin, hits=table.to_numpy())
    return {name: values[:3].ravel() for name, values in cell_table(rows, 4, groups=1, level=0.95).items()}


@pytest.mark.parametrize("column", ["count", "n", "partners", "estimate"])
def test_counts_and_shares_are_those_of_r(reference, cells, column):
    assert np.allclose(cells[column], reference[column], **TOLERANCE)


def test_standard_errors_are_those_of_the_looped_jackknife(reference, cells):
    seen = reference["count"] > 0

    assert np.allclose(cells["std_error"][seen], reference["std_error"][seen], **TOLERANCE)


def test_clustered_intervals_solve_the_score_equation(reference, cells):
    # uniroot stops at 1e-14, from where the quadratic is flat to about 1e-8; rare and empty cells are in closed form
    assert np.allclose(cells["deff"], reference["deff"], **TOLERANCE)
    assert np.allclose(cells["conf_low"], reference["clustered_low"], rtol=1e-7)
    assert np.allclose(cells["conf_high"], reference["clustered_high"], rtol=1e-7)


def test_plain_intervals_are_those_of_r(reference):
    share, n = reference["estimate"].to_numpy(), reference["n"].to_numpy()

    assert np.allclose(wilson_interval(share, n), reference[["wilson_low", "wilson_high"]].T, **TOLERANCE)
    assert np.allclose(exact_interval(reference["count"], n), reference[["exact_low", "exact_high"]].T, rtol=1e-8, atol=1e-12)
    assert np.allclose(goodman_intervals(share, n, cells=4), reference[["goodman_low", "goodman_high"]].T, **TOLERANCE)


@pytest.mark.parametrize("name", ["homogeneity", "order"])
def test_statistics_of_one_matrix_are_those_of_rs_chi_square_tests(name):
    pairs = pd.read_csv(FOLDER / "pairs.csv").rename(columns={"origin": "from_tier", "target": "to_tier"})
    reference = pd.read_csv(FOLDER / "chain_tests.csv", skipinitialspace=True).set_index("test").loc[name]
    check = {"homogeneity": check_homogeneity, "order": check_order}[name]
    row = check(Transitions.from_frame(pairs), draws=9).table.iloc[0]

    assert np.allclose(row[["statistic", "likelihood", "df", "p_value"]].to_numpy(dtype=float), reference.to_numpy(), rtol=1e-9)


def test_order_from_a_published_table_of_triples_is_rs_chi_square_test():
    # eruptions of Old Faithful: after a short one always a long one, so only what follows a long one can differ
    triples = Transitions.from_frame(pd.read_csv(FOLDER / "triples.csv"), count="count")
    reference = pd.read_csv(FOLDER / "triples_tests.csv", skipinitialspace=True).iloc[0]
    row = check_order(triples, before="before").table.iloc[0]

    assert np.allclose(row[reference.index].to_numpy(dtype=float), reference.to_numpy(), rtol=1e-9)
    assert row["n"] == 297


def test_triples_counted_from_pairs_say_what_the_pairs_say():
    pairs = Transitions.from_frame(pd.read_csv(FOLDER / "pairs.csv").rename(columns={"origin": "from_tier", "target": "to_tier"}))
    before = pairs.previous()
    rows = pairs.to_frame().assign(before=np.where(before < 0, None, np.array(pairs.states)[before]))
    counted = rows.dropna(subset="before").groupby(["before", "from_tier", "to_tier"], as_index=False)["count"].sum()
    known, columns = check_order(pairs, draws=9), ["from_tier", "n", "statistic", "likelihood", "df", "p_value"]
    of_counts = check_order(Transitions.from_frame(counted, count="count"), before="before")
    # pairs that bring the column know their partners, too
    of_rows = check_order(Transitions.from_frame(rows.drop(columns="count")), before="before", draws=99)

    pd.testing.assert_frame_equal(of_counts.table[columns], known.table[columns])
    pd.testing.assert_frame_equal(of_rows.table[columns], known.table[columns])
    assert of_rows.p("p_clustered") == pytest.approx(check_order(pairs, draws=99).p("p_clustered"))
    assert np.isnan(of_counts.p("p_clustered"))
