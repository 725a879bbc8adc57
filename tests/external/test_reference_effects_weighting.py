"""LaLonde's training program as R weights and adjusts it."""

import json

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.causes.aipw import weighted_effect

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def case(external_data):
    return json.loads((external_data / "reference" / "effects" / "cases" / "C04_lalonde.json").read_text())


@pytest.fixture(scope="module")
def men(external_data):
    return pd.read_csv(external_data / "reference" / "effects" / "data" / "lalonde_psid3.csv")


def _design(men):
    numbers = men[["age", "educ", "married", "nodegree", "re74", "re75"]].to_numpy(float)
    design = np.column_stack([np.ones(len(men)), numbers, pd.get_dummies(men["race"]).to_numpy(float)[:, 1:]])
    return design / np.where(design.std(axis=0) > 0, design.std(axis=0), 1.0)


def _effect(men, **options):
    return weighted_effect(men["re78"].to_numpy(float), men["treat"].to_numpy(bool), _design(men), **options)


@pytest.mark.parametrize("target", ["att", "ate", "ato"])
def test_weighting_equals_survey_software(target, case, men):
    wanted, n = case["values"][f"ipw_{target}_hajek"], len(men)
    found = _effect(men, target=target, chances_known=True)

    assert found.estimate == pytest.approx(wanted["est"], rel=case["tol"]["est"] / 100)
    assert np.sqrt((found.influence**2).sum() / (n * (n - 1))) == pytest.approx(wanted["se"], rel=case["tol"]["se"] / 100)


@pytest.mark.parametrize("target", ["att", "ate"])
def test_augmented_weighting_equals_r(target, case, men):
    wanted = case["values"][f"aipw_{target}"]
    found = _effect(men, target=target, outcome_design=_design(men))

    assert found.estimate == pytest.approx(wanted["est"], rel=case["tol"]["est"] / 100)
    assert np.sqrt((found.influence**2).sum()) / len(men) == pytest.approx(wanted["se"], rel=case["tol"]["se"] / 100)


def test_chances_of_treatment_equal_those_of_r(case, men):
    found = _effect(men).propensity

    np.testing.assert_allclose(found[:5], case["values"]["ps_first5"], atol=1e-8)
    np.testing.assert_allclose([found.min(), found.max()], case["values"]["ps_range"], atol=1e-8)
