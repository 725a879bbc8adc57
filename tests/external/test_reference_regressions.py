"""The regression cases of the reference folder, computed in R by others; standard errors included."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.spells import Spells
from partnerlab.survival import check_proportional_hazards, estimate_cox, estimate_fine_gray, estimate_hazard_model
from partnerlab.transitions import Transitions, check_proportional_odds, estimate_transition_model

pytestmark = pytest.mark.external


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


def _says(fitted, coef, errors, tolerance, rename=lambda name: name):
    read = fitted.table.set_index("term")
    terms = [rename(name) for name in coef]
    return _close(read.loc[terms, "estimate"], list(coef.values()), tolerance) and _close(
        read.loc[terms, "std_error"], list(errors.values()), tolerance
    )


@pytest.fixture(scope="module")
def lung(folder):
    table = pd.read_csv(folder / "data" / "lung.csv").reset_index(names="partner").dropna(subset=["ph.ecog"])
    return Spells.from_frame(table.assign(ended=table["status"] == 2), duration="time", event="ended", unit="day")


@pytest.mark.parametrize("ties", ["efron", "breslow", "exact"])
def test_b1_cox_with_each_kind_of_ties(cases, lung, ties):
    case = cases["B1_cox_lung_ties"]
    theirs = case["values"][ties]

    fitted = estimate_cox(lung, covariates=["age", "sex", "ph.ecog"], ties=ties, covariance="model")

    assert _says(fitted, theirs["coef"], theirs["se"], case["tol"])
    assert _close([fitted.null_loglik, fitted.loglik], theirs["loglik"], case["tol"])


ROSSI = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]


@pytest.fixture(scope="module")
def rossi(folder):
    table = pd.read_csv(folder / "data" / "rossi.csv").reset_index(names="partner")
    return Spells.from_frame(table, duration="week", event="arrest", unit="week")


@pytest.mark.parametrize("covariance", ["model", "auto"])
def test_b2_cox_with_robust_errors(cases, rossi, covariance):
    case = cases["B2_cox_rossi"]
    theirs = case["values"]

    fitted = estimate_cox(rossi, covariates=ROSSI, covariance=covariance)

    errors = theirs["efron"]["se"] if covariance == "model" else theirs["robust_se"]
    assert _says(fitted, theirs["efron"]["coef"], errors, case["tol"])
    assert _close([fitted.null_loglik, fitted.loglik], theirs["efron"]["loglik"], case["tol"])
    assert _close(2 * (fitted.loglik - fitted.null_loglik), theirs["lr_test"], case["tol"])


@pytest.mark.parametrize("covariance", ["model", "auto"])
def test_b3_cox_with_covariates_that_change(cases, folder, covariance):
    case = cases["B3_cox_timevarying_heart"]
    theirs = case["values"]
    table = pd.read_csv(folder / "data" / "heart.csv").rename(columns={"start": "from", "stop": "to", "transplant": "transplant1"})
    spells = Spells.from_frame(table, partner="id", entry="from", duration="to", event="event", unit="day")

    fitted = estimate_cox(spells, covariates=["age", "year", "surgery", "transplant1"], covariance=covariance)

    assert _says(fitted, theirs["efron"]["coef"], theirs["efron"]["se"] if covariance == "model" else theirs["cluster_se"], case["tol"])
    assert _close([fitted.null_loglik, fitted.loglik], theirs["efron"]["loglik"], case["tol"])


@pytest.fixture(scope="module")
def mgus2(folder):
    table = pd.read_csv(folder / "data" / "mgus2.csv").assign(way=lambda rows: rows["cause"].map({0: "", 1: "pcm", 2: "death"}))
    return Spells.from_frame(table, partner="id", duration="etime", event="way", unit="month")


def _levelled(name):
    return name.replace("sexM", "sex=M")


def test_c3_fine_gray_as_cmprsk(cases, mgus2):
    case = cases["C3_finegray_mgus2"]
    theirs = case["values"]["crr"]

    fitted = estimate_fine_gray(mgus2, covariates=["age", "sex", "mspike"], event="pcm")

    assert fitted.table["n"].unique().tolist() == [case["values"]["n"]]
    assert _says(fitted, theirs["coef"], theirs["se"], case["tol"] / 100, _levelled)
    assert _close(fitted.loglik, theirs["loglik"], case["tol"])


def test_c3_fine_gray_as_survival(cases, mgus2):
    case = cases["C3_finegray_mgus2"]
    theirs = case["values"]["finegray_coxph"]

    fitted = estimate_fine_gray(mgus2, covariates=["age", "sex", "mspike"], event="pcm", convention="survival")

    # naive_se of the case is a sandwich by weighted row, which coxph turns on for weights that are not whole
    assert _says(fitted, theirs["coef"], theirs["robust_se"], case["tol"] / 100, _levelled)


@pytest.mark.parametrize("cause", ["pcm", "death"])
def test_c4_cause_specific_hazards(cases, mgus2, cause):
    case = cases["C4_cause_specific_mgus2"]
    theirs = case["values"][cause]

    fitted = estimate_cox(mgus2, covariates=["age", "sex", "mspike"], event=cause, covariance="model")

    assert _says(fitted, theirs["coef"], theirs["se"], case["tol"], _levelled)


@pytest.fixture(scope="module")
def ebmt3(folder):
    """One row for each transition that a patient is at risk of, with covariates by transition."""
    table = pd.read_csv(folder / "data" / "ebmt3.csv")
    table["left"] = table["prtime"].where(table["prstat"] == 1, table["rfstime"])
    recovered = table[table["prstat"] == 1]
    rows = pd.concat(
        [
            table.assign(trans=1, entry=0, duration=table["left"], event=table["prstat"]),
            table.assign(trans=2, entry=0, duration=table["left"], event=(1 - table["prstat"]) * table["rfsstat"]),
            recovered.assign(trans=3, entry=recovered["prtime"], duration=recovered["rfstime"], event=recovered["rfsstat"]),
        ]
    )
    marks = {
        "dissub1": rows["dissub"] == "ALL", "dissub2": rows["dissub"] == "CML",
        "age1": rows["age"] == "20-40", "age2": rows["age"] == ">40",
        "drmatch": rows["drmatch"] == "Gender mismatch", "tcd": rows["tcd"] == "TCD",
    }  # fmt: skip
    for name, mark in marks.items():
        for trans in (1, 2, 3):
            rows[f"{name}.{trans}"] = (mark & (rows["trans"] == trans)).astype(int)
    rows["pr"] = (rows["trans"] == 3).astype(int)
    rows["way"] = np.where(rows["trans"] == 1, 1, 2)
    kept = rows[rows["entry"] < rows["duration"]]
    return Spells.from_frame(kept.drop(columns=["age", "drmatch", "tcd", "dissub"]), partner="id", spell="trans")


@pytest.mark.parametrize(("which", "strata"), [("c1", "spell"), ("c2", "way")])
def test_d3_illness_death_cox(cases, ebmt3, which, strata):
    case = cases["D3_mstate_ebmt3"]
    theirs = case["values"][which]

    fitted = estimate_cox(ebmt3, covariates=list(theirs["coef"]), strata=strata, ties="breslow", covariance="model")

    assert _says(fitted, theirs["coef"], theirs["se"], case["tol"])
    assert _close([fitted.null_loglik, fitted.loglik], theirs["loglik"], case["tol"])


def test_b1_proportional_hazards(cases, lung):
    case = cases["B1_cox_lung_ties"]
    theirs = np.array(case["values"]["zph_identity_free"]["values"], dtype=float)

    tests = check_proportional_hazards(lung, covariates=["age", "sex", "ph.ecog"]).table

    assert _close(tests[["estimate", "df", "p_value"]], theirs, case["tol"])


@pytest.fixture(scope="module")
def four_weeks(folder):
    table = pd.read_csv(folder / "data" / "rossi.csv").reset_index(names="partner")
    table["period"] = np.ceil(table["week"] / 4).astype(int)
    return Spells.from_frame(table, duration="period", event="arrest", unit="four weeks")


@pytest.mark.parametrize("link", ["cloglog", "logit"])
@pytest.mark.parametrize(
    ("asked", "errors"), [({"covariance": "model"}, "se"), ({}, "cluster_HC0"), ({"correction": "HC1"}, "cluster_HC1")]
)
def test_g1_discrete_hazard(cases, four_weeks, link, asked, errors):
    case = cases["G1_discrete_hazard_rossi"]
    theirs = case["values"][link]

    fitted = estimate_hazard_model(four_weeks, covariates=["fin", "age", "prio"], link=link, **asked)

    assert fitted.table["n"].unique().tolist() == [case["values"]["rows"]]
    assert fitted.table["events"].unique().tolist() == [case["values"]["events"]]
    assert _close(fitted.table["estimate"], list(theirs["coef"].values()), case["tol"])
    # the case has no HC1 for the logit
    assert errors not in theirs or _close(fitted.table["std_error"], list(theirs[errors].values()), case["tol"])
    assert _close(-2 * fitted.loglik, theirs["deviance"], case["tol"])
