"""Power and smallest effects as R gives them: t tests, shares, clusters, stepped wedges."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.trials import power

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def folder(external_data):
    return external_data / "reference" / "effects"


@pytest.fixture(scope="module")
def values(folder):
    return json.loads((folder / "cases" / "C11_power.json").read_text())["values"]


def test_t_tests_and_shares_have_the_power_that_r_finds(values):
    assert power.power_of_t(1.0, math.sqrt(2 / 20), df=38, both_tails=False) == pytest.approx(values["ttest_power"], abs=1e-6)
    assert power.power_of_t(0.5, math.sqrt(1 / 28 + 1 / 35), df=61) == pytest.approx(values["pwr_t_unequal"], abs=1e-6)
    assert power.power_of_shares(0.5, 0.75, 50) == pytest.approx(values["prop_power"], abs=1e-6)


def test_units_for_a_power_are_those_of_r(values):
    found = power.fewest_units(lambda n: power.power_of_t(1.0, math.sqrt(2 / n), df=2 * (n - 1), both_tails=False), target=0.9)

    assert found == pytest.approx(values["ttest_n"], abs=1e-5)


def test_clusters_have_the_power_and_the_smallest_effect_of_r(folder):
    for row in pd.read_csv(folder / "data" / "power_cluster_grid.csv").itertuples():
        error = math.sqrt(2 * (1 + (row.m - 1) * row.icc) / (row.J * row.m))
        df = 2 * (row.J - 1)
        assert power.power_of_t(0.4, error, df=df) == pytest.approx(row[4], abs=1e-6)
        assert power.smallest_effect(lambda effect, error=error, df=df: power.power_of_t(effect, error, df=df)) == pytest.approx(
            row.mde80, abs=1e-5
        )


@pytest.mark.parametrize("name", ["stepped_wedge_HH", "sw_24"])
def test_stepped_wedges_have_the_variance_of_hussey_and_hughes(name, values):
    case = values[name]
    per_step = case["I"] / (case["T"] - 1)
    on = np.arange(case["T"]) > np.arange(case["I"])[:, None] // per_step

    variance = power.stepped_wedge_variance(on, units=case["m"], sigma=case["sigma_e"], tau=case["tau"])

    assert variance == pytest.approx(case["out"]["var"], abs=1e-10)
    found = power.power_of_t(case["theta"], math.sqrt(variance), df=math.inf, both_tails=False)
    assert found == pytest.approx(case["out"]["power"], abs=1e-6)


def test_unequal_clusters_inflate_as_kish_says(values):
    case = values["deff_unequal"]

    assert power.design_effect(np.array(case["sizes"]), case["icc"]) == pytest.approx(case["deff_kish"], abs=1e-10)
    assert case["deff_kish"] == pytest.approx(case["deff_eldridge"], abs=1e-10)
