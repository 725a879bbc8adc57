"""Generalised estimating equations against R's geepack: children's wheeze by age and smoking."""

import json

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.regressions.gee import fit_mean_model

pytestmark = pytest.mark.external


@pytest.mark.parametrize("case", ["exch_inter", "exch", "indep"])
def test_coefficients_errors_and_correlation_equal_those_of_r(case, external_data):
    folder = external_data / "reference" / "effects"
    wanted = json.loads((folder / "cases" / "C06_gee_ohio.json").read_text())
    rows = pd.read_csv(folder / "data" / "ohio_wheeze.csv")
    age, smoke = rows["age"].to_numpy(float), rows["smoke"].to_numpy(float)
    design = np.column_stack([np.ones(len(rows)), age, smoke, *([age * smoke] if case == "exch_inter" else [])])

    found = fit_mean_model(rows["resp"].to_numpy(float), design, rows["id"].to_numpy(), family="logit",
                           correlation="independence" if case == "indep" else "exchangeable")  # fmt: skip

    values, tol = wanted["values"][case], wanted["tol"]
    np.testing.assert_allclose(found.coefficients, values["est"], atol=tol["est"] / 1000)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance(rows["id"].to_numpy()))), values["se"], atol=tol["se"] / 1000)
    assert found.correlation == pytest.approx(values["alpha"] or 0.0, abs=1e-6)
