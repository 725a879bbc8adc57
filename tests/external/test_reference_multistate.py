"""The multi-state cases of the reference folder, computed in R by others; standard errors included."""

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab

pytestmark = pytest.mark.external


def _matrix(values):
    return np.array([[np.nan if cell is None else cell for cell in row] for row in values["values"]], dtype=float)


@pytest.fixture(scope="module")
def ward(folder):
    """Stays in hospital: one row for each move, entry at the move before; ties within a patient set half a day apart, as in etm's help."""
    table = pd.read_csv(folder / "data" / "sir_cont.csv").sort_values(["id", "time"], kind="stable").reset_index(drop=True)
    last = table["id"] != table["id"].shift(-1)
    tied = (table["time"] == table.groupby("id")["time"].shift(-1)) & ~last
    table["time"] = table["time"].where(~tied, table["time"] - 0.5)
    table["entry"] = table.groupby("id")["time"].shift().fillna(0.0)
    return lab.Spells.from_frame(table, partner="id", entry="entry", duration="time", state="from", event="to", censored="cens", unit="day")


@pytest.mark.parametrize("cell", ["0 0", "0 1", "0 2", "1 0", "1 1", "1 2"])
def test_d1_reversible_probabilities_with_greenwood(cases, ward, cell):
    case = cases["D1_etm_sir_reversible"]
    origin, target = cell.split()
    found = lab.estimate_state_probabilities(ward, variance="greenwood", interval="plain").at(case["values"][cell]["time"])
    mine = found[(found["from_state"] == origin) & (found["to_state"] == target)]

    for column, name in (("estimate", "P"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert np.allclose(mine[column], case["values"][cell][name], rtol=case["tol"], atol=case["tol"]), name
    assert np.allclose(mine["std_error"] ** 2, case["values"][cell]["var"], rtol=case["tol"], atol=0)


@pytest.fixture(scope="module")
def mgus2(folder):
    table = pd.read_csv(folder / "data" / "mgus2_multistate.csv").sort_values(["id", "tstart"])
    table["from"] = table.groupby("id")["state"].shift().fillna("(s0)")
    return lab.Spells.from_frame(
        table, partner="id", entry="tstart", duration="tstop", event="state", state="from", censored="censor",
        states=["(s0)", "PCM", "death"], unit="month",
    )  # fmt: skip


@pytest.mark.parametrize(("column", "name"), [("estimate", "pstate"), ("std_error", "se_ij")])
def test_d5_occupancy_with_infinitesimal_jackknife(cases, mgus2, column, name):
    case = cases["D5_survival_multistate_mgus2"]
    found = lab.estimate_state_occupancy(mgus2).at(case["values"]["at"])
    mine = found.pivot_table(index="time", columns="state", values=column)[["(s0)", "PCM", "death"]]

    assert np.allclose(mine, _matrix(case["values"][name]), rtol=case["tol"], atol=case["tol"])


#: R's summary(rmean=) begins the area at the first time of the curve, month 1, and so leaves out the first month, which all spend in
#: the first state; its print() begins at 0 and shows our number, 125.3729.
FIRST_MONTH = np.array([1.0, 0.0, 0.0])


def test_d5_sojourn(cases, mgus2):
    case = cases["D5_survival_multistate_mgus2"]

    mine = lab.estimate_sojourn(mgus2, tau=360).table["estimate"]

    assert mine.sum() == pytest.approx(360)
    assert np.allclose(mine - FIRST_MONTH, _matrix(case["values"]["sojourn_360"])[:, 2], rtol=case["tol"])


def test_c1_competing_risks_are_a_special_case(cases, folder):
    case = cases["C1_aj_mgus2"]
    table = pd.read_csv(folder / "data" / "mgus2.csv")
    table = table.assign(entry=0, state="(s0)", to=table["cause"].map({0: "", 1: "pcm", 2: "death"}))
    spells = lab.Spells.from_frame(
        table, partner="id", entry="entry", duration="etime", state="state", event="to", states=case["values"]["states"]
    )
    found = lab.estimate_state_occupancy(spells).at(case["values"]["at"])

    for column, name in (("estimate", "pstate"), ("std_error", "se_ij")):
        mine = found.pivot_table(index="time", columns="state", values=column)[case["values"]["states"]]
        assert np.allclose(mine, _matrix(case["values"][name]), rtol=case["tol"], atol=case["tol"]), name
    mean = lab.estimate_sojourn(spells, tau=360).table["estimate"]
    assert np.allclose(mean - FIRST_MONTH, _matrix(case["values"]["rmean"])[:, 2], rtol=case["tol"])


@pytest.fixture(scope="module")
def hearts(folder):
    table = pd.read_csv(folder / "data" / "cav.csv")
    table = table.assign(state=table["state"].map({1: "Well", 2: "Mild", 3: "Severe", 4: "Death"}))
    return lab.Observations.from_frame(
        table, partner="PTNUM", time="years", states=["Well", "Mild", "Severe", "Death"], exact=["Death"], unit="year"
    )


ALLOWED = {"Well": ["Mild", "Death"], "Mild": ["Well", "Severe", "Death"], "Severe": ["Mild", "Death"]}


@pytest.mark.parametrize(("exact", "name"), [(["Death"], "deathexact"), ([], "panel_only")])
def test_e1_likelihood_at_a_given_generator(cases, folder, exact, name):
    case = cases["E1_msm_loglik_fixedQ"]
    looks = lab.Observations.from_frame(
        pd.read_csv(folder / "data" / "cav.csv"), partner="PTNUM", time="years", exact=["4"] if exact else []
    )
    q = {("1", "2"): 0.25, ("1", "4"): 0.25, ("2", "1"): 0.166, ("2", "3"): 0.166, ("2", "4"): 0.166, ("3", "2"): 0.25, ("3", "4"): 0.25}

    model = lab.estimate_generator(looks, allowed=list(q), fixed=q)

    assert -2 * model.log_likelihood == pytest.approx(case["values"][name], rel=case["tol"])


@pytest.fixture(scope="module")
def fitted(hearts):
    return lab.estimate_generator(hearts, allowed=ALLOWED)


@pytest.mark.parametrize(("column", "name"), [("estimate", "Q"), ("std_error", "Q_se"), ("conf_low", "Q_lower"), ("conf_high", "Q_upper")])
def test_e2_generator(cases, fitted, column, name):
    case = cases["E2_msm_cav"]

    assert -2 * fitted.log_likelihood == pytest.approx(case["values"]["minus2loglik"], rel=1e-6)
    assert np.allclose(fitted.matrix(column), _matrix(case["values"][name]), rtol=case["tol"], atol=1e-6)


def test_e2_probabilities_with_delta_method(cases, fitted):
    case = cases["E2_msm_cav"]
    one = fitted.probabilities(1)

    assert np.allclose(one["estimate"], _matrix(case["values"]["P1"]).ravel(), rtol=case["tol"], atol=1e-6)
    assert np.allclose(one["std_error"], _matrix(case["values"]["P1_se_delta"]).ravel(), rtol=case["tol"], atol=1e-6)
    assert np.allclose(fitted.probabilities(10)["estimate"], _matrix(case["values"]["P10"]).ravel(), rtol=case["tol"], atol=1e-6)


def test_e2_sojourn_and_total_stay(cases, fitted):
    case = cases["E2_msm_cav"]
    stays = fitted.sojourn()[["estimate", "std_error", "conf_low", "conf_high"]]
    total = fitted.total_stay().set_index(["from_state", "state"])["estimate"]["Well"]

    assert np.allclose(stays, _matrix(case["values"]["sojourn"]), rtol=case["tol"])
    assert np.allclose(
        [total[name] for name in ("Well", "Mild", "Severe")],
        [case["values"]["totlos_inf"][name] for name in ("Well", "Mild", "Severe")],
        rtol=case["tol"],
    )
    assert np.isinf(total["Death"])


def test_e3_covariate_and_what_the_data_do_not_hold(cases, hearts, fitted):
    case = cases["E3_msm_cav_sex"]
    by_sex = lab.estimate_generator(hearts, allowed=ALLOWED, covariates=["sex"])
    names = by_sex.ratios["from_state"] + " - " + by_sex.ratios["to_state"]
    mine = by_sex.ratios.set_index(names)[["ratio", "ratio_low", "ratio_high"]]
    theirs = pd.DataFrame(_matrix(case["values"]["hr_sex"]), index=case["values"]["hr_sex"]["rows"])
    held = [name for name in theirs.index if name != "Mild - Death"]
    test = lab.compare_generators(fitted, against=by_sex).table.iloc[0]

    assert np.allclose(mine.loc[held], theirs.loc[held], rtol=case["tol"])
    assert mine.loc["Mild - Death"].isna().all()
    assert [check.passed for check in by_sex.checks if check.name == "Parameters identified"] == [False]
    assert test[["estimate", "df", "p_value"]].tolist() == pytest.approx(case["values"]["lrt"], rel=case["tol"])


def test_e5_duration_generator(cases, folder):
    case = cases["E5_duration_generator_sir"]
    table = pd.read_csv(folder / "data" / "sir_cont.csv").sort_values(["id", "time"], kind="stable").reset_index(drop=True)
    tied = (table["time"] == table.groupby("id")["time"].shift(-1)) & (table["id"] == table["id"].shift(-1))
    table["entry"] = table.groupby("id")["time"].shift().fillna(0.0)
    # exposure in the case is counted on the times as they are: a stay of no length adds a move and no time
    whole = table[table["time"] > table["entry"]]
    spells = lab.Spells.from_frame(
        whole.assign(partner=range(len(whole))), entry="entry", duration="time", state="from", event="to", censored="cens"
    )

    model = lab.estimate_generator(spells)
    counts = _matrix(case["values"]["counts"])

    assert not tied.any() or len(whole) < len(table)
    assert np.allclose(model.table["exposure"].to_numpy()[[0, 3]], list(case["values"]["exposure"].values()))
    assert np.allclose(
        model.table["count"].to_numpy().reshape(3, 3)[:2][~np.eye(3, dtype=bool)[:2]], counts[:, :3][~np.eye(3, dtype=bool)[:2]]
    )
    assert np.allclose(model.matrix(), _matrix(case["values"]["Q"]), rtol=case["tol"], atol=1e-12)
    off = ~np.eye(3, dtype=bool)
    assert np.allclose(model.matrix("std_error").to_numpy()[off], _matrix(case["values"]["Q_se"])[off], rtol=case["tol"], atol=1e-12)
    for time in (5, 20):
        assert np.allclose(model.probabilities(time)["estimate"], _matrix(case["values"][f"P{time}"]).ravel(), rtol=case["tol"])


@pytest.fixture(scope="module")
def transplants(folder):
    """Illness-death stays, one row for each state a patient was in, years on one clock."""
    table = pd.read_csv(folder / "data" / "ebmt3.csv")
    years = table.assign(prtime=table["prtime"] / 365.25, rfstime=table["rfstime"] / 365.25)
    marks = {
        "dissub1": years["dissub"] == "ALL", "dissub2": years["dissub"] == "CML", "age1": years["age"] == "20-40",
        "age2": years["age"] == ">40", "drmatch": years["drmatch"] == "Gender mismatch", "tcd": years["tcd"] == "TCD",
    }  # fmt: skip
    years = years.assign(**{name: mark.astype(int) for name, mark in marks.items()})
    ended = years["rfsstat"].map({0: "", 1: "RelDeath"})
    recovered = years["prstat"] == 1
    first = years.assign(
        entry=0.0, duration=years["prtime"].where(recovered, years["rfstime"]), state="Tx", event=ended.where(~recovered, "PR")
    )
    then = years[recovered].assign(entry=years["prtime"], duration=years["rfstime"], state="PR", event=ended)
    rows = pd.concat([first, then[then["duration"] > then["entry"]]])[["id", "entry", "duration", "state", "event", *marks]]
    return lab.Spells.from_frame(rows, partner="id", state="state", states=["Tx", "PR", "RelDeath"], unit="year")


SHARED = {"c1": (), "c2": [[("Tx", "RelDeath"), ("PR", "RelDeath")]]}
NOBODY = dict.fromkeys(["dissub1", "dissub2", "age1", "age2", "drmatch", "tcd"], 0)


@pytest.fixture(scope="module")
def regressions(transplants):
    return {
        name: lab.estimate_state_hazards(transplants, covariates=list(NOBODY), proportional=groups, covariance="model")
        for name, groups in SHARED.items()
    }


@pytest.mark.parametrize("which", ["c1", "c2"])
def test_d3_effects_on_every_move(cases, regressions, which):
    case = cases["D3_mstate_ebmt3"]
    moves = {("Tx", "PR"): 1, ("Tx", "RelDeath"): 2, ("PR", "RelDeath"): 3}
    table = regressions[which].table
    names = ["pr" if row.term == "baseline" else f"{row.term}.{moves[row.from_state, row.to_state]}" for row in table.itertuples()]
    mine = table.set_index(pd.Index(names))

    for column, name in (("estimate", "coef"), ("std_error", "se")):
        theirs = pd.Series(case["values"][which][name])
        assert np.allclose(mine.loc[theirs.index, column], theirs, rtol=case["tol"], atol=case["tol"]), name


@pytest.mark.parametrize(
    ("which", "origin", "start", "name"),
    [
        ("c1", "Tx", 0.0, "P_0_from1_c1"),
        ("c2", "Tx", 0.0, "P_0_from1_c2"),
        ("c2", "PR", 0.0, "P_0_from2_c2"),
        ("c2", "Tx", 0.5, "P_half_from1_c2"),
    ],
)
def test_d3_probabilities_of_a_reference_patient(cases, regressions, which, origin, start, name):
    case = cases["D3_mstate_ebmt3"]
    theirs = _matrix(case["values"][name])
    found = regressions[which].probabilities(NOBODY, times=case["values"]["at_years"], start=start, from_states=[origin], variance="mstate")

    for column, mine in (("estimate", theirs[:, :3]), ("std_error", theirs[:, 3:])):
        wide = found.pivot_table(index="time", columns="to_state", values=column)[["Tx", "PR", "RelDeath"]]
        assert np.allclose(wide, mine, rtol=case["tol"], atol=case["tol"]), column


def test_f3_a_month_out_of_half_a_year(cases, folder):
    case = cases["F3_craigsendi"]
    counts = lab.Transitions.from_matrix(pd.read_csv(folder / "data" / "craigsendi.csv", index_col="from"))

    found = lab.check_embedding(counts, step=6)

    assert np.allclose(found.probabilities_given, _matrix(case["values"]["P6"]), atol=case["tol"])
    assert np.allclose(found.root(1 / 6), _matrix(case["values"]["P1_root"]), atol=case["tol"])
    assert np.allclose(found.probabilities(1), _matrix(case["values"]["P1_root"]), atol=case["tol"])
    assert found.embeddable
