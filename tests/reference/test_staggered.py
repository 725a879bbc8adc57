"""Estimators of staggered adoption on an unbalanced panel: R (``staggered/staggered.R``), diff-diff (``staggered/imputation.py``)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab import Known, Stakes, TacticPanel, TacticStudy, compare_adoption, estimate_adoption

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


def _with_calls():
    rows = pd.read_csv(HERE / "rows.csv").dropna(subset=["leads"])
    rows["calls"] = np.sin(1.3 * rows["partner"] + rows["quarter"] ** 2 / 3) + 0.2 * rows["portal"]
    return rows.assign(leads=rows["leads"] + 0.5 * rows["calls"], manager=rows["partner"] % 12, lasting=np.cos(rows["partner"]))


def _adjusted(cluster, *names):
    panel = TacticPanel.from_frame(_with_calls(), outcome="leads", starts="start", manager="manager", covariates=["calls", "lasting"])
    study = TacticStudy(
        tactic="portal", stakes=Stakes(unit="leads"), covariates=tuple(Known(name=name, at="start", lag=0) for name in names)
    )
    return compare_adoption(panel, study=study, cluster=cluster, adjusted=True).table.set_index(["estimator", "at"])


# what does not change within a partner is absorbed by its effect
@pytest.mark.parametrize("names", [("calls",), ("lasting", "calls")])
def test_with_a_covariate_of_each_quarter_effects_and_errors_equal_those_of_r(names):
    wanted = pd.read_csv(HERE / "covariates.csv", skipinitialspace=True, na_values="NA")
    keys = list(zip(wanted["estimator"].str.strip(), wanted["at"].astype(str).str.strip(), strict=True))
    found, error = _adjusted("partner", *names).loc[keys], pd.to_numeric(wanted["std_error"])

    np.testing.assert_allclose(found["estimate"], wanted["estimate"], rtol=1e-7)
    np.testing.assert_allclose(found["std_error"][error.notna().to_numpy()], error.dropna(), rtol=1e-7)


@pytest.mark.parametrize("cluster", ["partner", "manager"])
def test_imputation_with_a_covariate_and_its_errors_equal_those_of_diff_diff(cluster):
    wanted = pd.read_csv(HERE / "covariates_imputation.csv").query("cluster == @cluster").set_index("at")
    found = _adjusted(cluster, "calls").loc["imputation"].loc[wanted.index]

    np.testing.assert_allclose(found["estimate"], wanted["estimate"], rtol=1e-8)  # it stops its iterations at 1e-10
    np.testing.assert_allclose(found["std_error"], wanted["std_error"], rtol=1e-7)


def test_where_everybody_adopts_the_last_are_compared_with_as_in_r():
    rows = pd.read_csv(HERE / "rows.csv")
    panel = TacticPanel.from_frame(rows[rows["start"] != 99], outcome="leads", treated="portal")
    wanted = pd.read_csv(HERE / "all_adopt.csv", skipinitialspace=True)
    keys = list(zip(wanted["estimator"].str.strip(), wanted["at"].astype(str).str.strip(), strict=True))
    found = compare_adoption(panel).table.set_index(["estimator", "at"]).loc[keys]
    errors = pd.to_numeric(wanted["std_error"], errors="coerce").to_numpy()
    rows, partners, quarters, cells = 175, 39, 5, 4

    np.testing.assert_allclose(found["estimate"], wanted["estimate"], rtol=1e-9)
    factor = partners / (partners - 1) * (rows - 1) / (rows - cells - quarters)
    seen = np.isfinite(errors)
    np.testing.assert_allclose(found["std_error"][seen], errors[seen] * np.sqrt(factor), rtol=1e-9)


def _filled():
    rows = pd.read_csv(HERE / "rows.csv")
    return rows.assign(leads=rows["leads"].fillna(0.1 * rows["quarter"]), lasting=np.cos(rows["partner"]), mass=1 + rows["partner"] % 5 / 4)


def _by_group_and_time(score, weighted, **options):
    weight = "mass" if weighted else None
    panel = TacticPanel.from_frame(_filled(), outcome="leads", starts="start", covariates=["lasting"], weight=weight)
    study = TacticStudy(tactic="portal", stakes=Stakes(unit="leads"), covariates=(Known(name="lasting", at="start", lag=0),))
    return estimate_adoption(panel, study=study, score=score, control="not_yet", base="universal", **options)


@pytest.mark.parametrize(("score", "weighted"), [("reg", False), ("reg", True), ("dr", True)])
@pytest.mark.parametrize(("case", "options"), [("all", {}), ("balance 3", {"balance": 3}), ("-3 to 2", {"events": (-3, 2)})])
def test_one_base_quarter_balanced_cut_and_weighted_equals_csdid(case, options, score, weighted):
    every = pd.read_csv(HERE / "csdid.csv", dtype={"at": str}).query("score == @score and weighted == @weighted")
    wanted, found = every[every["case"] == case].set_index("at"), _by_group_and_time(score, weighted, **options)
    event = found.table[found.table["aggregate"] == "event"].set_index("at")
    overall = found.at("overall", "event times")

    assert event.index.tolist() == wanted.index[1:].tolist()
    np.testing.assert_allclose(event["estimate"], wanted["estimate"].iloc[1:], atol=1e-9)
    np.testing.assert_allclose(event["std_error"], wanted["std_error"].iloc[1:].fillna(0), atol=1e-9)
    np.testing.assert_allclose(
        overall[["estimate", "std_error"]].astype(float), wanted.loc["overall", ["estimate", "std_error"]].astype(float)
    )
    for kind, name in (("simple", "partner-quarters"), ("group", "groups"), ("calendar", "quarters")):
        there = every[every["case"] == kind].iloc[0]
        np.testing.assert_allclose(
            found.at("overall", name)[["estimate", "std_error"]].astype(float), there[["estimate", "std_error"]].astype(float)
        )
