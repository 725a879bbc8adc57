"""Regressions of spells and of moves against R, standard errors included.

The data, the scripts and the numbers they printed stand in ``regressions/``. R's own fits stop between 1e-8 and 1e-6 of
the maximum, which is what the tolerances leave room for.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.spells import Spells
from partnerlab.survival import check_proportional_hazards, estimate_cox, estimate_fine_gray, estimate_hazard_model
from partnerlab.transitions import Transitions, check_proportional_odds, estimate_transition_model

HERE = Path(__file__).parent / "regressions"
TERMS = ["arm", "size", "region"]


@pytest.fixture(scope="module")
def values():
    return pd.read_csv(HERE / "regressions.csv", skipinitialspace=True).set_index("case")


@pytest.fixture(scope="module")
def deals():
    table = pd.read_csv(HERE / "recurrent.csv")
    return Spells.from_frame(table.assign(weight=1 + table["partner"] % 3), unit="week")


def _equal(values, case, table, tolerance=1e-7):
    theirs = values.loc[[case]]
    assert len(theirs) == len(table)
    assert np.allclose(table["estimate"], theirs["estimate"], rtol=tolerance, atol=tolerance)
    assert np.allclose(table["std_error"], theirs["error"], rtol=tolerance, atol=tolerance)
    return True


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_recurrent_events_after_andersen_and_gill(values, deals, ties):
    assert _equal(values, f"ag_{ties}", estimate_cox(deals, covariates=TERMS, ties=ties).table)
    assert _equal(values, f"ag_{ties}_model", estimate_cox(deals, covariates=TERMS, ties=ties, covariance="model").table)


def test_recurrent_events_conditional_on_how_many_there_were(values, deals):
    assert _equal(values, "pwp_total", estimate_cox(deals, covariates=TERMS, strata="spell").table)


def test_recurrent_events_in_time_since_the_last(values, deals):
    table = deals.to_frame().assign(duration=lambda rows: rows["duration"] - rows["entry"], entry=0)
    gaps = Spells.from_frame(table.drop(columns=["start", "start_known"]))

    assert _equal(values, "pwp_gap", estimate_cox(gaps, covariates=TERMS, strata="spell").table)


def test_case_weights(values, deals):
    assert _equal(values, "ag_weighted", estimate_cox(deals, covariates=["arm", "size"], weights="weight").table)


@pytest.mark.parametrize(
    ("row", "case"), [({"arm": 0, "size": 0.0, "region": "N"}, "survfit_1"), ({"arm": 1, "size": 1.0, "region": "W"}, "survfit_2")]
)
def test_predicted_survival_and_its_standard_error(values, deals, row, case):
    first = deals.select(deals.frame["spell"] == 1)

    read = estimate_cox(first, covariates=TERMS, covariance="model").predict(pd.DataFrame([row]), times=[5, 10, 20])

    stay = 1 - read["risk"]
    assert np.allclose(-np.log(stay), values.loc[[case], "estimate"], rtol=1e-7)
    assert np.allclose(read["std_error"] / stay, values.loc[[case], "error"], rtol=1e-7)


@pytest.mark.parametrize(("clock", "strata"), [("km", "spell"), ("log", None)])
def test_proportional_hazards(values, deals, clock, strata):
    tests = check_proportional_hazards(deals, covariates=TERMS, strata=strata, clock=clock, clustered=False).table

    theirs = values.loc[[f"zph_{clock}"]]
    assert np.allclose(tests["estimate"], theirs["estimate"], rtol=1e-6)
    assert tests["df"].tolist() == theirs["error"].tolist()


@pytest.fixture(scope="module")
def leaving():
    return Spells.from_frame(pd.read_csv(HERE / "competing.csv"))


def test_subdistribution_hazards_as_cmprsk(values, leaving):
    early = leaving.select(leaving.frame["entry"] == 0)

    assert _equal(values, "crr", estimate_fine_gray(early, covariates=["arm", "size"], event="1").table, 1e-6)


def test_subdistribution_hazards_with_delayed_entry_as_survival(values, leaving):
    found = estimate_fine_gray(leaving, covariates=["arm", "size"], event="1", convention="survival")

    assert _equal(values, "finegray_late", found.table)


@pytest.mark.parametrize("covariance", ["cluster", "model"])
@pytest.mark.parametrize(("row", "place"), [({"arm": 0, "size": 0.5}, 1), ({"arm": 1, "size": -1.0}, 2)])
def test_predicted_shares_among_other_endings_and_their_standard_errors(values, leaving, covariance, row, place):
    found = estimate_fine_gray(leaving, covariates=["arm", "size"], event="1", convention="survival", covariance=covariance)
    read = found.predict(pd.DataFrame([row]), times=[4, 8, 12])

    theirs = values.loc[[f"finegray_risk_{covariance}_{place}"]]
    assert np.allclose(read["estimate"], theirs["estimate"], rtol=1e-7)
    assert np.allclose(read["std_error"], theirs["error"], rtol=1e-7)


@pytest.mark.parametrize("link", ["cloglog", "logit"])
@pytest.mark.parametrize(
    ("ending", "asked"), [("", {"covariance": "model"}), ("_cluster", {"cluster": "manager", "covariance": "cluster"})]
)
def test_discrete_hazards_with_delayed_entry(values, leaving, link, ending, asked):
    found = estimate_hazard_model(leaving, covariates=["arm", "size"], link=link, baseline="log", **asked)

    assert _equal(values, f"hazard_{link}{ending}", found.table, 1e-6)


def test_jackknife_takes_the_place_of_the_sandwich_under_forty_clusters(values, leaving):
    found = estimate_hazard_model(leaving, covariates=["arm", "size"], link="logit", baseline="log", cluster="manager")

    assert _equal(values, "hazard_logit_jackknife", found.table, 1e-6)
    assert any("jackknife" in check.detail for check in found.checks)


def test_discrete_competing_risks(values, leaving):
    found = estimate_hazard_model(leaving, covariates=["arm", "size"], link="multinomial", baseline="log", covariance="model")

    assert _equal(values, "competing_hazards", found.table, 1e-5)


@pytest.mark.parametrize(("row", "place"), [({"arm": 0, "size": 0.5}, 1), ({"arm": 1, "size": -1.0}, 2)])
def test_shares_that_have_ended_in_each_way_add_up_over_periods(values, leaving, row, place):
    model = estimate_hazard_model(leaving, covariates=["arm", "size"], link="multinomial", baseline="log", covariance="model")
    read = model.predict(pd.DataFrame([row]), times=[1, 4, 10])

    theirs = values.loc[[f"competing_risks_{place}"]].set_index("name")
    ours = read.set_index(read["outcome"] + " " + read["time"].astype(str))
    assert np.allclose(ours.loc[theirs.index, "estimate"], theirs["estimate"], rtol=1e-5)
    assert np.allclose(ours.loc[theirs.index, "std_error"], theirs["error"], rtol=1e-5)


@pytest.fixture(scope="module")
def moves():
    table = pd.read_csv(HERE / "moves.csv").assign(from_tier=2)
    # rows are moves out of one tier, not chains: the reference does not know what came between
    table["quarter"] = 2 * table["quarter"]
    return Transitions.from_frame(table, order=["1", "2", "3", "4"])


COVARIATES = ["tenure", "size", "region"]


@pytest.mark.parametrize("covariance", ["model", "cluster"])
def test_multinomial_moves(values, moves, covariance):
    found = estimate_transition_model(moves, covariates=COVARIATES, covariance=covariance)

    assert _equal(values, f"moves_{covariance}", found.table, 1e-5)


def test_average_marginal_effects_with_clustered_delta_method(values, moves):
    found = estimate_transition_model(moves, covariates=COVARIATES).marginal
    read = found.assign(name=found["outcome"] + " " + found["term"]).set_index("name")

    assert _equal(values, "marginal", read.loc[values.loc[["marginal"], "name"]], 1e-5)


def test_ordinal_moves(values, moves):
    found = estimate_transition_model(moves, covariates=COVARIATES, model="ordinal", proportional=True, covariance="model")

    assert _equal(values, "ordinal", found.table)


def test_proportional_odds(values, moves):
    tests = check_proportional_odds(moves, covariates=COVARIATES, clustered=False).table

    theirs = values.loc[["nominal"]]
    assert np.allclose(tests["estimate"], theirs["estimate"], rtol=1e-6)
    assert tests["df"].tolist() == theirs["error"].tolist()


def test_separated_data_get_firths_estimate_and_a_check(values, leaving):
    frame = leaving.to_frame().assign(sep=lambda rows: ((rows["arm"] == 1) & (rows["event"] == "1")).astype(int))
    table = frame.assign(from_tier="in", to_tier=np.where(frame["event"] == "", "in", "out"))[
        ["partner", "from_tier", "to_tier", "sep", "size"]
    ]
    pairs = Transitions.from_frame(table, quarter=None, order=["in", "out"])

    found = estimate_transition_model(pairs, covariates=["sep", "size"], covariance="model")

    assert _equal(values, "firth", found.table, 1e-6)
    assert any(check.name.startswith("Separation") and check.passed is False and "sep" in check.detail for check in found.checks)
