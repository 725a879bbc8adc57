"""The regression cases of the reference folder, computed in R by others; standard errors included."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.transitions import Transitions, check_proportional_odds, estimate_transition_model

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def folder():
    named = os.environ.get("PARTNERLAB_EXTERNAL_DATA")
    if not named:
        pytest.fail("PARTNERLAB_EXTERNAL_DATA is not set; give the folder that holds data/ and reference/", pytrace=False)
    return Path(named) / "reference" / "survival"


@pytest.fixture(scope="module")
def cases(folder):
    return json.loads((folder / "values.json").read_text(encoding="utf-8"))["cases"]


def _close(mine, theirs, tolerance):
    mine, theirs = np.asarray(mine, dtype=float).ravel(), np.asarray(theirs, dtype=float).ravel()
    return len(theirs) > 0 and np.allclose(mine, theirs, rtol=tolerance, atol=tolerance)


HOUSING = {"Infl": ["Low", "Medium", "High"], "Type": ["Tower", "Apartment", "Atrium", "Terrace"], "Cont": ["Low", "High"]}


@pytest.fixture(scope="module")
def housing(folder):
    table = pd.read_csv(folder / "data" / "housing.csv").assign(before="before")
    for column, levels in HOUSING.items():
        table[column] = pd.Categorical(table[column], categories=levels)
    return Transitions.from_frame(
        table, partner=None, quarter=None, from_tier="before", to_tier="Sat", count="Freq", order=["High", "Medium", "Low", "before"]
    )


def test_g3_ordinal_logit(cases, housing):
    case = cases["G3_housing_polr_multinom"]
    theirs = case["values"]["polr"]

    fitted = estimate_transition_model(housing, covariates=list(HOUSING), model="ordinal", proportional=True)

    read = fitted.table.set_index("term")
    order = [*(term.replace("Infl", "Infl=").replace("Type", "Type=").replace("Cont", "Cont=") for term in theirs["coef"])]
    cuts = fitted.table[fitted.table["term"] == "(threshold)"]
    assert _close([*read.loc[order, "estimate"], *cuts["estimate"]], [*theirs["coef"].values(), *theirs["zeta"].values()], case["tol"])
    assert _close([*read.loc[order, "std_error"], *cuts["std_error"]], list(theirs["se"].values()), case["tol"])
    assert _close(-2 * fitted.loglik["before"], theirs["deviance"], case["tol"])


def test_g3_multinomial_logit(cases, housing):
    case = cases["G3_housing_polr_multinom"]
    theirs = case["values"]["multinom"]

    fitted = estimate_transition_model(housing, covariates=list(HOUSING), from_tier="before", outcomes="destination", reference="Low")

    read = fitted.table.set_index("outcome")
    for outcome, coef, error in zip(theirs["coef"]["rows"], theirs["coef"]["values"], theirs["se"]["values"], strict=True):
        assert _close(read.loc[outcome, "estimate"], coef, case["tol"])
        assert _close(read.loc[outcome, "std_error"], error, case["tol"])
    assert _close(-2 * fitted.loglik["before"], theirs["deviance"], case["tol"])


@pytest.fixture(scope="module")
def from_one(folder):
    return Transitions.from_frame(pd.read_csv(folder / "data" / "cav_from1.csv"), partner="id", from_tier="from", to_tier="to")


@pytest.mark.parametrize(("covariance", "errors"), [("model", "se_model"), ("auto", "se_cluster")])
def test_g5_multinomial_transitions(cases, from_one, covariance, errors):
    case = cases["G5_multinom_cav_from1"]
    theirs = case["values"]

    fitted = estimate_transition_model(from_one, covariates=["sex", "dage", "years"], from_tier="1", covariance=covariance)

    table = fitted.table
    assert table["n"].unique().tolist() == [theirs["n"]]
    assert table["partners"].unique().tolist() == [theirs["clusters"]]
    assert _close(table["estimate"], np.array(theirs["coef"]["values"]), case["tol"])
    assert _close(table["std_error"], list(theirs[errors].values()), case["tol"])
    assert _close(fitted.loglik["1"], theirs["loglik"], case["tol"])


@pytest.fixture(scope="module")
def cav(folder):
    table = pd.read_csv(folder / "data" / "cav_pairs.csv").assign(lag=lambda rows: rows["from"].astype(str))
    return Transitions.from_frame(
        table[table["from"] < 4], partner="id", from_tier="from", to_tier="to", order=["4", "3", "2", "1"], absorbing=["4"]
    )


@pytest.fixture(scope="module")
def from_codes():
    return {"from2": "lag=2", "from3": "lag=3"}


@pytest.mark.parametrize(("link", "covariance"), [("logit", "model"), ("cloglog", "model"), ("logit", "cluster")])
def test_g6_ordinal_transitions(cases, cav, from_codes, link, covariance):
    case = cases["G6_clm_cav"]
    theirs = case["values"][link]
    errors = theirs["se"] if covariance == "model" else case["values"]["cluster_se"]

    fitted = estimate_transition_model(
        cav, covariates=["lag", "sex", "dage"], from_tier="all", model="ordinal", link=link, covariance=covariance, proportional=True
    )

    read = fitted.table.assign(name=lambda rows: rows["term"].where(rows["term"] != "(threshold)", rows["outcome"])).set_index("name")
    order = [f"above {name[0]}" if "|" in name else from_codes.get(name, name) for name in theirs["coef"]]
    assert _close(read.loc[order, "estimate"], list(theirs["coef"].values()), case["tol"])
    assert _close(read.loc[order, "std_error"], [errors[name] for name in theirs["coef"]], case["tol"])
    assert _close(fitted.loglik["all"], theirs["loglik"], case["tol"])


def test_g6_proportional_odds(cases, cav):
    case = cases["G6_clm_cav"]
    theirs = np.array(case["values"]["nominal_test"]["values"][1:], dtype=float)

    tests = check_proportional_odds(cav, covariates=["lag", "sex", "dage"], from_tier="all", clustered=False).table

    assert _close(tests["df"], theirs[:, 0], 0)
    assert _close(tests["estimate"], theirs[:, 3], case["tol"])
    assert _close(tests["p_value"], theirs[:, 4], case["tol"])
