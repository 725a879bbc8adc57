"""Petersen's test data: clustered errors as R's sandwich and clubSandwich give them."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from partnerlab.stats.regressions.linear import classic_covariance, clustered_covariance, fit_line, satterthwaite_df, two_way_covariance

pytestmark = pytest.mark.external
SLOPE = np.array([0.0, 1.0])


@pytest.fixture(scope="module")
def folder(external_data):
    return external_data / "reference" / "effects"


@pytest.fixture(scope="module")
def values(folder):
    return json.loads((folder / "cases" / "C05_cluster_se.json").read_text())["values"]


def _read(folder, name):
    rows = pd.read_csv(folder / "data" / f"{name}.csv")
    line = fit_line(rows["y"].to_numpy(), np.column_stack([np.ones(len(rows)), rows["x"]]))
    return line, pd.factorize(rows["firm"])[0], pd.factorize(rows["year"])[0]


def _error(covariance):
    return np.sqrt(covariance[1, 1])


def test_errors_of_all_firms_equal_those_of_r(folder, values):
    line, firm, year = _read(folder, "petersen_cl")
    rows = np.arange(len(firm))
    found = {
        "beta": line.coefficients[1],
        "classic": _error(classic_covariance(line)),
        "HC1": _error(clustered_covariance(line, rows, correction="CR1")),
        "firm_CR0": _error(clustered_covariance(line, firm, correction="CR0")),
        "firm_CR1": _error(clustered_covariance(line, firm, correction="CR1")),
        "firm_CR2": _error(clustered_covariance(line, firm, correction="CR2")),
        "year_CR1": _error(clustered_covariance(line, year, correction="CR1")),
        "twoway": _error(two_way_covariance(line, [firm, year], plain_cells=True)),
        "twoway_default": _error(two_way_covariance(line, [firm, year])),
    }

    assert found == pytest.approx({name: values[name] for name in found}, abs=1e-9)
    assert satterthwaite_df(line, firm, contrast=SLOPE) == pytest.approx(values["firm_CR2_df"], abs=1e-6)


def test_errors_of_twelve_firms_equal_those_of_r(folder, values):
    line, firm, _ = _read(folder, "petersen_12firms")

    for correction in ("CR1", "CR2", "CR3"):
        assert _error(clustered_covariance(line, firm, correction=correction)) == pytest.approx(values["few12"][correction], abs=1e-9)
    assert satterthwaite_df(line, firm, contrast=SLOPE) == pytest.approx(values["few12"]["CR2_df"], abs=1e-6)


def test_twelve_firms_slope_and_p_value_are_those_of_r(folder, values):
    line, firm, _ = _read(folder, "petersen_12firms")
    error, df = _error(clustered_covariance(line, firm)), satterthwaite_df(line, firm, contrast=SLOPE)

    assert line.coefficients[1] == pytest.approx(values["few12"]["beta"], abs=1e-9)
    assert 2 * t.sf(line.coefficients[1] / error, df) == pytest.approx(values["few12"]["CR2_p"], abs=1e-8)
