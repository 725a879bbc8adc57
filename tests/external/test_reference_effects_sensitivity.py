"""E-values, robustness values, Rosenbaum bounds and honest intervals as sensemakr, EValue, rbounds, sensitivitymv and others give them."""

import json

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.causes.hidden_bias import matched_bounds, matched_scores, signed_rank_bounds
from partnerlab.stats.causes.honest import smoothness_interval
from partnerlab.stats.causes.relative_trends import relative_interval
from partnerlab.stats.causes.sensitivity import (
    benchmark_bound,
    difference_as_risk,
    e_value,
    e_value_limit,
    partial_r2,
    ratio_as_risk,
    robustness_value,
)
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.regressions.linear import classic_covariance, fit_line

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def reference(external_data):
    return external_data / "reference" / "effects"


@pytest.fixture(scope="module")
def case(reference):
    return json.loads((reference / "cases" / "C13_sensitivity.json").read_text())


@pytest.fixture(scope="module")
def lead(reference):
    table = pd.read_csv(reference / "data" / "rosenbaum_lead33.csv")
    return (table["trt"] - table["ctrl"]).to_numpy(float)


def test_e_values_are_those_published(case):
    up, down, tol = case["values"]["evalue_3.9"], case["values"]["evalue_0.8"], case["tol"]["evalue"]

    assert e_value(3.9) == pytest.approx(up["point"], abs=tol)
    assert e_value_limit(1.8, 8.7) == pytest.approx(up["lower"], abs=tol)
    assert e_value(0.8) == pytest.approx(down["point"], abs=tol)
    assert e_value_limit(0.71, 0.91) == pytest.approx(down["upper"], abs=tol)


def test_differences_and_hazard_ratios_are_read_as_risk_ratios(case):
    wanted, hazard, tol = case["values"]["evalue_md"], case["values"]["evalue_hr_common"], case["tol"]["evalue"]
    ratio, low, high = difference_as_risk(wanted["d"], wanted["se"])

    assert ratio == pytest.approx(wanted["approx_rr"], abs=tol)
    assert low == pytest.approx(wanted["lo"], abs=tol)
    assert e_value(ratio) == pytest.approx(wanted["out"]["point"], abs=tol)
    assert e_value_limit(low, high) == pytest.approx(wanted["out"]["lower"], abs=tol)
    assert ratio_as_risk(hazard["hr"], kind="hazard") == pytest.approx(hazard["rr"], abs=tol)


def _terms(outcome, columns, villages):
    line = fit_line(outcome, np.column_stack([columns, villages]))
    return line.coefficients, np.sqrt(np.diag(classic_covariance(line))), len(outcome) - columns.shape[1] - villages.shape[1]


def test_robustness_values_and_bounds_of_darfur_equal_those_of_sensemakr(case, reference):
    wanted, tol = case["values"]["darfur"], case["tol"]["rv"]
    table = pd.read_csv(reference / "data" / "darfur.csv")
    villages = pd.get_dummies(table["village"]).to_numpy(float)
    names = ["female", "age", "farmer_dar", "herder_dar", "pastvoted", "hhsize_darfur"]
    treatment, covariates = table["directlyharmed"].to_numpy(float), table[names].to_numpy(float)
    terms, errors, df = _terms(table["peacefactor"].to_numpy(float), np.column_stack([treatment, covariates]), villages)
    on_treatment, treatment_errors, treatment_df = _terms(treatment, covariates, villages)

    assert [terms[0], errors[0], df] == pytest.approx([wanted["est"], wanted["se"], wanted["dof"]], abs=1e-9)
    assert partial_r2(terms[0] / errors[0], df) == pytest.approx(wanted["r2yd"], abs=tol)
    assert robustness_value(terms[0], errors[0], df=df) == pytest.approx(wanted["rv_q"], abs=tol)
    assert robustness_value(terms[0], errors[0], df=df, level=0.95) == pytest.approx(wanted["rv_qa"], abs=tol)
    bound = benchmark_bound(
        terms[0],
        errors[0],
        df=df,
        of_treatment=partial_r2(on_treatment[0] / treatment_errors[0], treatment_df),
        of_outcome=partial_r2(terms[1] / errors[1], df),
        times=[1, 2, 3],
    )
    np.testing.assert_allclose(bound.of_treatment, wanted["bounds"]["r2dz.x"], atol=tol)
    np.testing.assert_allclose(bound.of_outcome, wanted["bounds"]["r2yz.dx"], atol=tol)
    np.testing.assert_allclose(bound.estimate, wanted["bounds"]["adjusted_estimate"], atol=tol)
    np.testing.assert_allclose(bound.std_error, wanted["bounds"]["adjusted_se"], atol=tol)
    np.testing.assert_allclose(bound.estimate / bound.std_error, wanted["bounds"]["adjusted_t"], rtol=1e-5)


def test_signed_rank_bounds_equal_those_of_rbounds(case, lead):
    wanted = case["values"]["rosenbaum_lead33"]
    low, high = signed_rank_bounds(lead, wanted["gamma"])

    np.testing.assert_allclose(low, wanted["p_lower"], atol=case["tol"]["p"])
    np.testing.assert_allclose(high, wanted["p_upper"], atol=case["tol"]["p"])


@pytest.mark.parametrize(("zeros", "name"), [("drop", "drop_zeros"), ("keep", "keep_rank_of_zeros")])
def test_both_conventions_for_pairs_without_difference_are_kept_apart(zeros, name, reference, lead):
    case = json.loads((reference / "cases" / "C27_rosenbaum.json").read_text())

    _, high = signed_rank_bounds(lead, case["values"]["gamma"], zeros=zeros)

    np.testing.assert_allclose(high, case["values"][name], atol=case["tol"]["p"])


# the recorded numbers are those of the midmean, trim = 1
def test_m_statistics_of_welders_equal_those_of_sensitivitymv(case, reference):
    wanted = case["values"]["erpcp_senmv"]
    scores = matched_scores(pd.read_csv(reference / "data" / "erpcp.csv")[["welder", "control"]].to_numpy(float), trim=1.0)

    np.testing.assert_allclose(matched_bounds(scores, wanted["gamma"]), wanted["p"], rtol=1e-9)


@pytest.mark.parametrize("bend", ["0", "0.1", "0.2", "0.3"])
@pytest.mark.parametrize("tool", ["honestdid", "diff_diff"])
def test_honest_intervals_under_smoothness_equal_those_of_two_others(tool, bend, reference):
    case = json.loads((reference / "cases" / "C26_honestdid.json").read_text())
    study = json.loads((reference / "data" / "honestdid_bc.json").read_text())

    interval = smoothness_interval(np.array(study["betahat"]), np.array(study["sigma"]), before=study["npre"], bend=float(bend))

    assert [interval.low, interval.high] == pytest.approx(case["values"][tool][f"smoothness|{bend}"], abs=case["tol"]["flci"])


def test_without_any_doubt_of_trends_the_interval_is_the_usual_one(reference):
    case = json.loads((reference / "cases" / "C26_honestdid.json").read_text())
    study = json.loads((reference / "data" / "honestdid_bc.json").read_text())
    first, width = study["betahat"][study["npre"]], critical_value(0.95) * np.sqrt(study["sigma"][study["npre"]][study["npre"]])

    assert [first - width, first + width] == pytest.approx(case["values"]["honestdid"]["original"], abs=1e-6)


@pytest.mark.parametrize("times", ["0.5", "1", "1.5", "2"])
def test_honest_intervals_under_relative_magnitudes_equal_those_of_the_conditional_test(times, reference):
    """The reference inverts the same test on a grid of steps of 40 / 999 standard errors, with 1,000 draws behind its first stage.

    Ours are the test's own edges from 20,000 draws. With 1,000 they move by .001 to .002 between 30 seeds, so .0005 on either side is the
    draws' noise, beside one step of the grid. That grid ends at 20 standard errors, which cuts off the upper end at 2.
    """
    case = json.loads((reference / "cases" / "C26_honestdid.json").read_text())
    study = json.loads((reference / "data" / "honestdid_bc.json").read_text())
    path, errors = np.array(study["betahat"]), np.array(study["sigma"])
    spread = float(np.sqrt(errors[study["npre"], study["npre"]]))
    low, high = relative_interval(path, errors, before=study["npre"], times=float(times))
    wanted = case["values"]["honestdid"][f"relative_magnitude|{times}"]
    near = 40 * spread / 999 + 0.0005

    assert low == pytest.approx(wanted[0], abs=near)
    assert min(high, 20 * spread) == pytest.approx(wanted[1], abs=near)
    # the short cut that forgets the error of the trends before is narrower at the lower end from 1 on
    assert float(times) < 1 or low < case["values"]["diff_diff"][f"relative_magnitude|{times}"][0]
