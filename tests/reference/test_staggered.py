"""Estimators of staggered adoption on an unbalanced panel: R (``staggered/staggered.R``), diff-diff (``staggered/imputation.py``)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab import TacticPanel, compare_adoption

HERE = Path(__file__).parent / "staggered"


@pytest.fixture(scope="module")
def both():
    panel = TacticPanel.from_frame(pd.read_csv(HERE / "rows.csv"), outcome="leads", treated="portal")
    wanted = pd.read_csv(HERE / "values.csv", skipinitialspace=True)
    keys = [wanted["estimator"].str.strip(), wanted["at"].astype(str).str.strip()]
    found = compare_adoption(panel).table.set_index(["estimator", "at"]).loc[list(zip(*keys, strict=True))]
    return found, wanted


def test_effects_equal_those_of_r(both):
    found, wanted = both

    np.testing.assert_allclose(found["estimate"], wanted["estimate"], rtol=1e-7)


def test_clustered_errors_equal_those_of_r_but_for_the_factor_for_few_clusters(both):
    found, wanted = both
    ratio = (found["std_error"].to_numpy() / pd.to_numeric(wanted["std_error"], errors="coerce").to_numpy())[wanted["std_error"].notna()]
    rows, partners, quarters = 430, 60, 8

    for estimator, coefficients in (("interaction", 13), ("two-way", 1)):
        own = ratio[wanted.loc[wanted["std_error"].notna(), "estimator"].str.strip() == estimator]
        factor = partners / (partners - 1) * (rows - 1) / (rows - coefficients - quarters)
        np.testing.assert_allclose(own, np.sqrt(factor), rtol=2e-3)


@pytest.mark.parametrize("cluster", ["partner", "manager"])
def test_imputation_and_its_errors_equal_those_of_diff_diff(cluster):
    rows = pd.read_csv(HERE / "rows.csv").dropna(subset=["leads"])  # rows that were not seen are not there
    rows["manager"] = rows["partner"] % 12
    panel = TacticPanel.from_frame(rows, outcome="leads", starts="start", manager="manager")
    wanted = pd.read_csv(HERE / "imputation.csv").query("cluster == @cluster").set_index("at")

    found = compare_adoption(panel, cluster=cluster).table.query("estimator == 'imputation'").set_index("at").loc[wanted.index]

    np.testing.assert_allclose(found["estimate"], wanted["estimate"], rtol=1e-9)
    np.testing.assert_allclose(found["std_error"], wanted["std_error"], rtol=1e-9)
