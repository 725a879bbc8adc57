"""Published data sets read by the public verbs as anybody would, against what R says of them.

Tables, script and numbers stand in ``published/``: tenants' satisfaction (rows that borrow strength, homogeneity), deaths from
melanoma by the year (discrete competing risks), pregnancies seen from some week on (competing risks with delayed entry), recurrent
infections (robust by patient). Searches stop at about 1e-8 of a likelihood; sums are exact.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab

HERE = Path(__file__).parent / "published"


@pytest.fixture(scope="module")
def values():
    table = pd.read_csv(HERE / "values.csv", keep_default_na=False)
    return table.assign(value=table["value"].astype(float)).set_index(["case", "quantity"]).sort_index()


def _of(values, case, quantity):
    return values.loc[[(case, quantity)]].set_index("key")["value"]


@pytest.fixture(scope="module")
def tenants():
    table = pd.read_csv(HERE / "housing.csv").assign(asked="tenant")
    return lab.Transitions.from_frame(table, from_tier="asked", to_tier="Sat", count="Freq", impossible=[("tenant", "tenant")])


def test_groups_are_compared_as_in_chisq_test(values, tenants):
    row = lab.check_homogeneity(tenants, by="group").table.iloc[0]

    for quantity in ("statistic", "likelihood", "df", "p_value"):
        assert row[quantity] == pytest.approx(_of(values, "housing", quantity).item(), rel=1e-9)


def test_rows_that_borrow_strength_have_rs_prior(values, tenants):
    found = lab.estimate_pooled_transitions(tenants, by="group")
    prior = found.priors[found.priors["share"] > 0].set_index("to_tier")
    rows = found.table.set_index(found.table["group"] + ":" + found.table["to_tier"])
    shares, weights = _of(values, "housing_rows", "estimate"), _of(values, "housing_rows", "weight")
    theirs = _of(values, "housing_prior", "estimate")

    assert np.allclose((prior["share"] * prior["size"])[theirs.index], theirs, rtol=1e-4)
    assert np.allclose(rows.loc[shares.index, "estimate"], shares, rtol=1e-5)
    assert np.allclose(found.table.groupby("group")["weight"].first()[weights.index], weights, rtol=1e-4)


@pytest.fixture(scope="module")
def melanoma():
    table = pd.read_csv(HERE / "melanoma.csv", keep_default_na=False)
    deaths = lab.Spells.from_frame(table, partner="patient", duration="year", event="how", unit="year")
    return lab.estimate_hazard_model(
        deaths, covariates=["sex", "thickness", "ulcer"], link="multinomial", baseline="log", covariance="model"
    )


@pytest.mark.parametrize("column", ["estimate", "std_error"])
def test_discrete_competing_risks_are_those_of_multinom(values, melanoma, column):
    theirs = _of(values, "melanoma", column)
    ours = melanoma.table.set_index(melanoma.table["outcome"] + " " + melanoma.table["term"])[column]

    assert len(theirs) == len(ours) == 10
    assert np.allclose(ours[theirs.index], theirs, rtol=1e-5)


@pytest.mark.parametrize("column", ["estimate", "std_error"])
def test_shares_ended_by_a_year_follow_from_them(values, melanoma, column):
    theirs = _of(values, "melanoma_ended", column)
    found = melanoma.predict(pd.DataFrame({"sex": [1], "thickness": [4.0], "ulcer": [1]}), times=[1, 5, 9])
    ours = found.set_index(found["outcome"] + " " + found["time"].map("{:g}".format))[column]

    assert np.allclose(ours[theirs.index], theirs, rtol=1e-5)


@pytest.fixture(scope="module")
def pregnancies():
    return lab.Spells.from_frame(pd.read_csv(HERE / "abortion.csv"), partner="id", duration="exit", event="how", unit="week")


@pytest.mark.parametrize("column", ["estimate", "std_error"])
def test_competing_risks_with_delayed_entry_are_those_of_etm(values, pregnancies, column):
    theirs = _of(values, "abortion", column)
    found = lab.estimate_incidence(pregnancies, by="group", variance="greenwood").at([10, 15, 25])
    ours = found.set_index(found["group"] + " " + found["cause"] + " " + found["time"].map("{:g}".format))[column]

    seen = theirs[theirs > 0].index
    assert len(seen) == 12
    assert np.allclose(ours[seen], theirs[seen], rtol=1e-9)


@pytest.mark.parametrize("cause", ["induced", "birth", "spontaneous"])
def test_hazards_of_each_cause_with_delayed_entry_are_those_of_coxph(values, pregnancies, cause):
    row = lab.estimate_cox(pregnancies, covariates=["group"], event=cause, covariance="model").table.iloc[0]

    for column in ("estimate", "std_error"):
        assert row[column] == pytest.approx(_of(values, "abortion_cox", column)[cause], rel=1e-6)


@pytest.fixture(scope="module")
def infections():
    table = pd.read_csv(HERE / "cgd.csv")
    return table.assign(number=table["enum"].clip(upper=3), inherit=pd.Categorical(table["inherit"], ["autosomal", "X-linked"]))


@pytest.mark.parametrize("column", ["estimate", "std_error"])
@pytest.mark.parametrize(("case", "strata"), [("cgd_andersen_gill", None), ("cgd_conditional", "number"), ("cgd_gap", "number")], ids=str)
def test_recurrent_events_with_errors_by_patient_are_those_of_coxph(values, infections, case, strata, column):
    theirs = _of(values, case, column)
    table = infections.assign(entry=0, tstop=infections["tstop"] - infections["tstart"]) if case == "cgd_gap" else infections
    entry = "entry" if case == "cgd_gap" else "tstart"
    spells = lab.Spells.from_frame(table, partner="id", entry=entry, duration="tstop", event="status", spell="enum", unit="day")
    found = lab.estimate_cox(spells, covariates=["treat", "age", "inherit"], strata=strata, covariance="cluster").table
    ours = found.set_index(found["term"].str.split("=").str[0])[column]

    assert np.allclose(ours[theirs.index], theirs, rtol=1e-6)


@pytest.mark.parametrize("column", ["estimate", "std_error"])
def test_the_mean_number_of_infections_is_that_of_survfit(values, infections, column):
    theirs = _of(values, "cgd_mean_number", column)
    spells = lab.Spells.from_frame(infections, partner="id", entry="tstart", duration="tstop", event="status", spell="enum", unit="day")
    found = lab.estimate_survival(spells, by="treat").at([100, 200, 300])
    ours = found.set_index(found["treat"] + " " + found["time"].map("{:g}".format))

    assert np.allclose(ours.loc[theirs.index, {"estimate": "cumulative_hazard", "std_error": "cumulative_hazard_se"}[column]], theirs)
