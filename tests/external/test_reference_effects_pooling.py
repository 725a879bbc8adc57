"""Pooled estimates as R's metafor gives them: the vaccine trials and the eight schools."""

import json

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.shrinkage.random_effects import fit_random_effects, prediction_interval, shrunken_effects

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def case(external_data):
    return json.loads((external_data / "reference" / "effects" / "cases" / "C16_partial_pooling.json").read_text())


@pytest.fixture(scope="module")
def trials(external_data):
    return pd.read_csv(external_data / "reference" / "effects" / "data" / "bcg_rr.csv")


@pytest.fixture(scope="module")
def schools(external_data):
    return pd.read_csv(external_data / "reference" / "effects" / "data" / "eight_schools.csv")


def _fit(trials, **more):
    return fit_random_effects(trials["yi"].to_numpy(), np.sqrt(trials["vi"].to_numpy()), **more)


@pytest.mark.parametrize(("method", "name"), [("REML", "bcg_reml"), ("DL", "bcg_dl"), ("none", "bcg_fe")])
def test_means_errors_and_spreads_are_those_of_metafor(method, name, case, trials):
    wanted, tol, fit = case["values"][name], case["tol"]["est"], _fit(trials, method=method)

    assert [fit.coefficients[0], fit.std_error[0]] == pytest.approx([wanted["mu"], wanted["se"]], abs=tol)
    assert fit.tau2 == pytest.approx(wanted.get("tau2", 0.0), abs=tol)


def test_scatter_and_the_next_trial_are_those_of_metafor(case, trials):
    wanted, fit = case["values"]["bcg_reml"], _fit(trials)

    assert 100 * fit.i2 == pytest.approx(wanted["I2"], abs=case["tol"]["est"])
    assert wanted["Q"] == pytest.approx(fit.q, abs=1e-4)
    assert prediction_interval(fit) == pytest.approx(wanted["pi"], abs=case["tol"]["est"])


def test_knapp_and_hartung_errors_are_those_of_metafor(case, trials):
    wanted, fit = case["values"]["bcg_knha"], _fit(trials, few=True)
    half = critical_value(0.95, fit.df) * fit.std_error[0]

    assert [fit.coefficients[0], fit.std_error[0]] == pytest.approx([wanted["mu"], wanted["se"]], abs=case["tol"]["est"])
    assert [fit.coefficients[0] - half, fit.coefficients[0] + half] == pytest.approx(wanted["ci"], abs=case["tol"]["est"])


def test_shrunken_effects_are_the_predictions_of_metafor(case, trials):
    mean, error = shrunken_effects(_fit(trials))

    np.testing.assert_allclose(mean, case["values"]["bcg_blup"]["pred"], atol=case["tol"]["est"])
    np.testing.assert_allclose(error, case["values"]["bcg_blup"]["se"], atol=case["tol"]["est"])


def test_the_line_over_latitude_is_that_of_metafor(case, trials):
    wanted, fit = case["values"]["bcg_metareg_ablat"], _fit(trials, covariates=trials["ablat"].to_numpy(float))

    assert fit.coefficients == pytest.approx(wanted["coef"], abs=case["tol"]["est"])
    assert fit.std_error == pytest.approx(wanted["se"], abs=case["tol"]["est"])
    assert fit.tau2 == pytest.approx(wanted["tau2"], abs=case["tol"]["est"])
    explained = 100 * (1 - fit.tau2 / _fit(trials).tau2)
    assert explained == pytest.approx(wanted["R2"], rel=case["tol"]["est"])
    # metafor stops searching at a step of 1e-5; told to go on to 1e-12 it prints this
    assert explained == pytest.approx(75.626621811, abs=1e-6)


def test_eight_schools_pool_completely(case, schools):
    wanted, fit = case["values"]["schools_fe"], fit_random_effects(schools["y"], schools["s"], method="none")

    assert [fit.coefficients[0], fit.std_error[0], fit.q, fit.q_p_value] == pytest.approx(
        [wanted["mu"], wanted["se"], wanted["Q"], wanted["Qp"]], abs=case["tol"]["est"]
    )
    assert fit_random_effects(schools["y"], schools["s"], method="DL").tau2 == case["values"]["schools_dl_tau2"]


@pytest.mark.parametrize("name", ["schools_shrink_tau5", "schools_shrink_tau10"])
def test_schools_shrink_as_given_spreads_ask(name, case, schools):
    wanted = case["values"][name]
    fit = fit_random_effects(schools["y"], schools["s"], tau2=wanted["tau"] ** 2)

    assert fit.coefficients[0] == pytest.approx(wanted["mu"], abs=case["tol"]["est"])
    np.testing.assert_allclose(shrunken_effects(fit)[0], wanted["theta"], atol=case["tol"]["est"])
