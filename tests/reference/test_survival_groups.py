"""Weighted log-rank tests, trend, Gray's test, scales of intervals, and delayed competing risks against R.

``survival/tests.R`` prints the numbers: survival, cmprsk and etm, or base R sums where no package has the test.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.survival import compare_incidence, compare_survival, estimate_incidence, estimate_survival

HERE = Path(__file__).parent / "survival"
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def values():
    return pd.read_csv(HERE / "tests.csv", keep_default_na=False, na_values=["NA"]).set_index("case")


@pytest.fixture(scope="module")
def prompt(first):
    return first.select(first.frame["entry"] == 0)


@pytest.mark.parametrize("scale", ["log", "plain", "log-log"])
def test_the_curves_interval_on_each_scale_equals_survfit(values, first, scale):
    table = estimate_survival(first, interval=scale, min_at_risk=0).table.set_index("time")
    theirs = values.loc[f"curve_{scale}"].pivot(index="time", columns="quantity", values="value")
    # before the first ending R's interval is a point; ours is the exact one
    moved = table.loc[theirs.index, "estimate"] < 1

    assert moved.sum() > 15
    assert np.allclose(
        table.loc[theirs.index, ["conf_low", "conf_high"]][moved], theirs[["conf_low", "conf_high"]][moved], rtol=TOLERANCE, equal_nan=True
    )


@pytest.mark.parametrize("scale", ["log", "plain", "log-log"])
def test_quantiles_invert_the_interval_on_its_scale(values, first, scale):
    table = estimate_survival(first, interval=scale, shares=(0.25, 0.5), min_at_risk=0).quantiles.set_index("share")
    theirs = values.loc[f"quantile_{scale}"].pivot(index="time", columns="quantity", values="value")

    assert np.allclose(table[["conf_low", "conf_high"]], theirs[["conf_low", "conf_high"]], equal_nan=True)


def test_the_cumulative_hazards_error_adds_up_within_partners(values, every):
    table = estimate_survival(every, min_at_risk=0).table.set_index("time")
    theirs = values.loc["nelson_aalen_clustered"].set_index("time")["value"]

    assert np.allclose(table.loc[theirs.index, "cumulative_hazard_se"], theirs, rtol=TOLERANCE)


def test_the_mean_number_of_endings_is_read_at_a_time(values, every):
    found = estimate_survival(every, min_at_risk=0)
    theirs = values.loc["nelson_aalen_clustered"].set_index("time")["value"].iloc[3:8]
    read = found.at([*theirs.index, 1e6]).set_index("time")["cumulative_hazard_se"]

    assert np.allclose(read[theirs.index], theirs, rtol=TOLERANCE)
    assert np.isnan(read[1e6])


@pytest.mark.parametrize(
    ("weights", "name"), [("gehan", "gehan"), ("tarone-ware", "tarone-ware"), ((0, 1), "late"), ((0.5, 0.5), "middle")]
)
def test_weighted_tests_equal_their_sums_over_risk_sets(values, prompt, weights, name):
    rows = values.loc["weighted"]

    test = compare_survival(prompt, by="region", weights=weights).test

    assert test["statistic"].item() == pytest.approx(rows.loc[rows["group"] == name, "value"].item(), rel=TOLERANCE)


def test_the_trend_has_survdiffs_variance(values, prompt):
    test = compare_survival(prompt, by="region", trend=True).test

    assert test["df"].tolist() == [2, 1]
    assert test["statistic"].iloc[1] == pytest.approx(values.loc["trend", "value"], rel=TOLERANCE)


def test_grays_test_of_three_groups_equals_cuminc(values, prompt):
    tests = compare_incidence(prompt, by="region").tests.set_index("cause")
    theirs = values.loc["gray"].pivot(index="group", columns="quantity", values="value")

    assert np.allclose(tests.loc[theirs.index, ["statistic", "p_value"]], theirs[["statistic", "p_value"]], rtol=TOLERANCE)


def test_ways_of_leaving_with_delayed_entry_equal_etm(values, first):
    table = estimate_incidence(first, variance="greenwood", min_at_risk=0).table.set_index(["cause", "time"])
    theirs = values.loc["etm"].pivot(index=["group", "time"], columns="quantity", values="value")

    assert np.allclose(table.loc[theirs.index, ["estimate", "std_error"]], theirs[["estimate", "std_error"]], rtol=TOLERANCE, atol=1e-12)


def test_the_difference_of_incidences_is_that_of_the_curves(first):
    curves = estimate_incidence(first, by="region", min_at_risk=0).at([10.0]).set_index(["cause", "region"])
    found = compare_incidence(first, by="region", reference="north", at=10.0, min_at_risk=0).table.set_index(["cause", "region"])

    apart, both = curves.loc[("lapsed", "south")], curves.loc[("lapsed", "north")]
    assert found.loc[("lapsed", "south"), "estimate"] == pytest.approx(apart["estimate"] - both["estimate"])
    assert found.loc[("lapsed", "south"), "std_error"] == pytest.approx(np.hypot(apart["std_error"], both["std_error"]))
