"""The survival cases of the reference folder, computed in R by others; standard errors included."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.spells import Spells
from partnerlab.stats.curves import logrank, risksets
from partnerlab.survival import (
    compare_incidence,
    compare_survival,
    estimate_brier,
    estimate_concordance,
    estimate_cox,
    estimate_hazard,
    estimate_incidence,
    estimate_life_table,
    estimate_survival,
)
from partnerlab.survival.sample import draw_sample

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def lung(folder):
    table = pd.read_csv(folder / "data" / "lung.csv").reset_index(names="partner")
    return Spells.from_frame(table.assign(ended=table["status"] == 2), duration="time", event="ended", unit="day")


@pytest.fixture(scope="module")
def mgus2(folder):
    table = pd.read_csv(folder / "data" / "mgus2.csv").assign(way=lambda rows: rows["cause"].map({0: "", 1: "pcm", 2: "death"}))
    return Spells.from_frame(table, partner="id", duration="etime", event="way", unit="month")


def _matrix(values):
    return np.array(values["values"], dtype=float)


def _close(mine, theirs, tolerance):
    theirs = np.array([np.nan if value is None else value for value in theirs], dtype=float)
    said = np.isfinite(theirs)
    return said.any() and np.allclose(np.asarray(mine, dtype=float)[said], theirs[said], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("column", "name"), [("estimate", "surv"), ("std_error", "se"), ("conf_low", "lower"), ("conf_high", "upper"), ("n", "n_risk")]
)
def test_a1_kaplan_meier_with_log_log_interval(cases, lung, column, name):
    case = cases["A1_km_lung"]

    assert _close(estimate_survival(lung).at(case["values"]["at"])[column], case["values"]["loglog"][name], case["tol"])


def test_a1_median_and_its_interval(cases, lung):
    median = cases["A1_km_lung"]["values"]["median_loglog"]

    assert estimate_survival(lung).median[["estimate", "conf_low", "conf_high"]].iloc[0].tolist() == list(median.values())


@pytest.mark.parametrize(("column", "name"), [("conf_low", "lower"), ("conf_high", "upper")])
def test_a1_interval_on_the_log_scale(cases, lung, column, name):
    case = cases["A1_km_lung"]

    assert _close(estimate_survival(lung, interval="log").at(case["values"]["at"])[column], case["values"]["log"][name], case["tol"])


def test_a1_median_on_the_log_scale(cases, lung):
    median = cases["A1_km_lung"]["values"]["median_log"]

    assert estimate_survival(lung, interval="log").median[["estimate", "conf_low", "conf_high"]].iloc[0].tolist() == list(median.values())


@pytest.mark.parametrize(("column", "name"), [("estimate", "surv"), ("std_error", "se"), ("conf_low", "lower"), ("conf_high", "upper")])
def test_a2_delayed_entry(cases, folder, column, name):
    case = cases["A2_km_left_truncated"]
    table = pd.read_csv(folder / "data" / "channing.csv")
    spells = Spells.from_frame(table, partner="obs", entry="ageentry", duration="age", event="death", unit="month")

    read = estimate_survival(spells, by="gender", min_at_risk=0).at([800, 850, 900, 950, 1000])

    # before any ending and after the last one R gives no interval; here there is one
    assert _close(read[column], case["values"][name], case["tol"])


def test_a3_log_rank(cases, lung):
    case = cases["A3_logrank_lung"]
    sample = draw_sample(lung, by="sex")
    sets = risksets.count_risk_sets(sample.spans, group=sample.group, groups=2)
    test, peto = (logrank.log_rank(sets.at_risk, sets.ended, weights=weights) for weights in ("log-rank", "peto"))

    theirs = case["values"]["logrank"]
    assert _close([test.statistic, test.p_value, test.variance[0, 0]], [theirs["chisq"], theirs["p"], theirs["var"]], case["tol"])
    assert _close([*test.observed, *test.expected], [*theirs["obs"], *theirs["exp"]], case["tol"])
    assert _close([peto.statistic], [case["values"]["peto"]["chisq"]], case["tol"])


def test_a3_stratified_log_rank(cases, lung):
    case = cases["A3_logrank_lung"]
    known = lung.select(lung.frame["ph.ecog"].notna())
    sample = draw_sample(known, by="sex")
    stratum, names = pd.factorize(known.frame["ph.ecog"])
    sets = risksets.count_risk_sets(sample.spans, group=stratum * 2 + sample.group, groups=2 * len(names))

    test = logrank.log_rank(*(counts.reshape(len(names), 2, -1) for counts in (sets.at_risk, sets.ended)))

    assert len(known) == case["values"]["stratified"]["n"]
    assert _close([test.statistic], [case["values"]["stratified"]["chisq"]], case["tol"])


@pytest.mark.parametrize(
    ("asked", "name"),
    [({}, "logrank"), ({"weights": "peto"}, "peto"), ({"weights": (1, 0)}, "peto"), ({"strata": "ph.ecog"}, "stratified")],
)
def test_a3_by_the_public_verb(cases, lung, asked, name):
    case = cases["A3_logrank_lung"]

    test = compare_survival(lung.select(lung.frame["ph.ecog"].notna()) if "strata" in asked else lung, by="sex", **asked).test

    assert _close(test["statistic"], [case["values"][name]["chisq"]], case["tol"])


def test_a4_cumulative_hazard(cases, lung):
    case = cases["A4_nelson_aalen_lung"]
    curve = estimate_survival(lung).table.set_index("time")
    at = curve.index.searchsorted(case["values"]["at"], side="right") - 1

    assert _close(curve["cumulative_hazard"].iloc[at], case["values"]["cumhaz"], case["tol"])
    assert _close(curve["cumulative_hazard_se"].iloc[at], case["values"]["se"], case["tol"])


@pytest.mark.parametrize(("variance", "errors"), [("greenwood", "se_greenwood"), ("jackknife", "se_ij")])
def test_c1_cumulative_incidence(cases, mgus2, variance, errors):
    case = cases["C1_aj_mgus2"]
    values = case["values"]

    read = estimate_incidence(mgus2, variance=variance).at(values["at"]).set_index("cause")

    for column, cause in enumerate(("pcm", "death"), start=1):
        theirs = values[errors][cause] if variance == "greenwood" else _matrix(values[errors])[:, column]
        assert _close(read.loc[cause, "estimate"], _matrix(values["pstate"])[:, column], case["tol"])
        assert _close(read.loc[cause, "std_error"], theirs, case["tol"])


def test_c1_share_free_of_both_and_its_restricted_mean(cases, mgus2):
    case = cases["C1_aj_mgus2"]
    # R's means run from the first month seen, 1, to 360; nobody has left by month 1
    curve = estimate_survival(mgus2, tau=360.0)

    assert _close(curve.at(case["values"]["at"])["estimate"], _matrix(case["values"]["pstate"])[:, 0], case["tol"])
    assert _close(curve.at(case["values"]["at"])["std_error"], _matrix(case["values"]["se_ij"])[:, 0], case["tol"])
    assert _close(curve.rmst["estimate"] - 1.0, [_matrix(case["values"]["rmean"])[0, 2]], case["tol"])


def test_g2_life_table(cases, folder):
    case = cases["G2_life_table_rossi"]
    table = pd.read_csv(folder / "data" / "rossi.csv").reset_index(names="partner")
    table["period"] = np.ceil(table["week"] / 4).astype(int)
    spells = Spells.from_frame(table, duration="period", event="arrest", unit="four weeks")

    hazard, curve = estimate_hazard(spells, by="tenure").table, estimate_survival(spells).at(case["values"]["period"])

    assert hazard[["n", "events"]].to_numpy().T.tolist() == [case["values"]["n"], case["values"]["d"]]
    assert _close(hazard["estimate"], case["values"]["hazard"], case["tol"])
    assert _close(curve["estimate"], case["values"]["surv"], case["tol"])
    assert _close(curve["std_error"], case["values"]["se"], case["tol"])


def test_g2_as_a_life_table(cases, folder):
    case = cases["G2_life_table_rossi"]
    table = pd.read_csv(folder / "data" / "rossi.csv").reset_index(names="partner")

    life = estimate_life_table(Spells.from_frame(table, duration="week", event="arrest", unit="week"), width=4).table

    assert life[["n", "events"]].to_numpy().T.tolist() == [case["values"]["n"], case["values"]["d"]]
    for column, name in (("probability", "hazard"), ("estimate", "surv"), ("std_error", "se")):
        assert _close(life[column], case["values"][name], case["tol"])


def test_c2_grays_test(cases, mgus2):
    case = cases["C2_gray_mgus2"]

    tests = compare_incidence(mgus2, by="sex").tests.set_index("cause").loc[["pcm", "death"]]

    assert _close(tests[["statistic", "p_value", "df"]].to_numpy().ravel(), _matrix(case["values"]).ravel(), case["tol"])


@pytest.fixture(scope="module")
def veteran(folder):
    table = pd.read_csv(folder / "data" / "veteran.csv").reset_index(names="partner")
    spells = Spells.from_frame(table, duration="time", event="status", unit="day")
    return table, spells, estimate_cox(spells, covariates=["karno", "celltype"])


@pytest.mark.parametrize(("column", "name"), [("estimate", "brier_cox"), ("reference", "brier_ref")])
def test_h1_brier_score_weighted_for_censoring(cases, veteran, column, name):
    case, (table, spells, cox) = cases["H1_ipcw_brier_veteran"], veteran

    scores = estimate_brier(spells, predictions=cox.predict(table, times=case["values"]["at"])).table

    assert _close(scores[column], case["values"][name], case["tol"])


@pytest.mark.parametrize(("weights", "name"), [("harrell", "harrell_c"), ("uno", "uno_c")])
def test_h1_concordance(cases, veteran, weights, name):
    case, (table, spells, cox) = cases["H1_ipcw_brier_veteran"], veteran

    # the risk by any one time stands in the order of the linear predictor
    found = estimate_concordance(spells, predictions=cox.predict(table, times=[90.0]), score="risk", weights=weights).table.iloc[0]

    assert _close(found[["estimate", "std_error"]], list(case["values"][name].values()), case["tol"])
