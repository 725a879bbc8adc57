"""Rows given once against DoubleML (``adjusted/doubleml_values.py``) and R's riskRegression and sandwich (``adjusted/adjusted.R``)."""

from pathlib import Path

import pandas as pd
import pytest

from partnerlab import estimate_adjusted

HERE = Path(__file__).parent / "adjusted"
# DoubleML normalises the effect on the treated by the weights of the effect on all; ours are those of the treated
CROSSED = [(outcome, *case) for outcome in ("gain", "ill") for case in (("att", False), ("ate", False), ("ate", True))]


@pytest.fixture(scope="module")
def rows():
    return pd.read_csv(HERE / "rows.csv")


@pytest.fixture(scope="module")
def doubleml():
    return pd.read_csv(HERE / "doubleml.csv").set_index(["outcome", "target", "normalize"])


@pytest.fixture(scope="module")
def wanted():
    return pd.read_csv(HERE / "values.csv", skipinitialspace=True).set_index(["case", "reading"]).astype(float)


def _table(rows, outcome, **options):
    told = {"tactic": "stopped", "covariates": ["age", "weight_before", "woman", "school"], "folds": 0}
    return estimate_adjusted(rows, outcome=outcome, family="linear" if outcome == "gain" else "logit", **told | options).table.set_index(
        "reading"
    )


@pytest.mark.parametrize(("outcome", "target", "normalize"), CROSSED)
def test_cross_fitted_effects_and_errors_equal_those_of_doubleml(outcome, target, normalize, rows, doubleml):
    found = _table(rows, outcome, target=target, normalize=normalize, folds="fold").loc["augmented"]

    assert found["estimate"] == pytest.approx(doubleml.loc[(outcome, target, normalize), "estimate"], rel=1e-9)
    assert found["std_error"] == pytest.approx(doubleml.loc[(outcome, target, normalize), "std_error"], rel=1e-9)


def test_standardised_chances_and_their_errors_equal_those_of_r(rows, wanted):
    found, here = _table(rows, "ill", target="ate").loc["regression"], wanted.loc[("ill, ate", "GFORMULA")]

    assert found["estimate"] == pytest.approx(here["estimate"], rel=1e-9)
    assert found["std_error"] == pytest.approx(here["std_error"], rel=1e-9)


def test_augmented_chances_equal_those_of_r_whose_error_counts_the_fits(rows, wanted):
    found, here = _table(rows, "ill", target="ate").loc["augmented"], wanted.loc[("ill, ate", "AIPTW")]

    assert found["estimate"] == pytest.approx(here["estimate"], rel=1e-9)
    assert found["std_error"] == pytest.approx(here["std_error"], rel=0.02)  # the same in large samples


@pytest.mark.parametrize(("case", "cluster"), [("gain, att, weighted", None), ("gain, att, weighted, by doctor", "doctor")])
def test_sampling_weights_and_clusters_equal_those_of_r(case, cluster, rows, wanted):
    found, here = _table(rows, "gain", weight="stands_for", cluster=cluster).loc["augmented"], wanted.loc[(case, "AIPTW")]
    users = rows.loc[rows["stopped"] == 1, "doctor"].nunique()
    factor = (users / (users - 1)) ** 0.5 if cluster else 1.0  # R was asked for none

    assert found["estimate"] == pytest.approx(here["estimate"], rel=1e-8)
    assert found["std_error"] == pytest.approx(factor * here["std_error"], rel=1e-8)


def test_weighting_alone_equals_that_of_r(rows, wanted):
    found = _table(rows, "gain", weight="stands_for").loc["weighting", "estimate"]

    assert found == pytest.approx(wanted.loc[("gain, att, weighted, chances known", "IPTW"), "estimate"], rel=1e-8)
