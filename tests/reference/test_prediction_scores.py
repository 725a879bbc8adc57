"""Scores of censored predictions against R's survival and riskRegression, calibration against sums in base R.

``survival/tests.R`` prints the numbers. Brier scores, areas and concordances are equal to the last digits, the
concordance's standard errors too. Standard errors of Brier scores and areas are held against their definition, the
numeric derivative of the score by each spell's weight (survfit with weights; 1e-6 is what its step leaves), because
riskRegression steps the censoring hazard otherwise at ties: its own differ by up to 1.3 % here, with 180 spells.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.spells import Spells
from partnerlab.survival import check_calibration, estimate_auc, estimate_brier, estimate_concordance

HERE = Path(__file__).parent / "survival"
TOLERANCE = 1e-9
HORIZONS = (4.0, 8.0, 12.0)


@pytest.fixture(scope="module")
def values():
    return pd.read_csv(HERE / "tests.csv", keep_default_na=False, na_values=["NA"]).set_index("case")


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(HERE / "holdout.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def spells(table):
    return Spells.from_frame(table)


@pytest.fixture(scope="module")
def said(table):
    risks = [
        pd.DataFrame({"partner": table["partner"], "model": model, "time": t, "risk": 1 - np.exp(-0.08 * t * np.exp(0.8 * table[model]))})
        for model in ("first", "second")
        for t in HORIZONS
    ]
    return pd.concat(risks, ignore_index=True)


def _theirs(values, case):
    return values.loc[case].pivot(index=["group", "time"], columns="quantity", values="value")


@pytest.mark.parametrize(("event", "suffix"), [(None, ""), ("lapsed", "_competing")], ids=["any ending", "one of two endings"])
@pytest.mark.parametrize(("score", "name"), [(estimate_brier, "brier"), (estimate_auc, "auc")])
def test_scores_equal_those_of_riskregression(values, spells, said, event, suffix, score, name):
    mine = score(spells, predictions=said, event=event).table.set_index(["model", "time"])
    theirs = _theirs(values, name + suffix).loc[["first", "second"]]
    slopes = _theirs(values, f"{name}{suffix}_slopes")["std_error"]

    assert np.allclose(mine.loc[theirs.index, "estimate"], theirs["estimate"], rtol=TOLERANCE)
    assert np.allclose(mine.loc[slopes.index, "std_error"], slopes, rtol=1e-6)
    assert np.allclose(mine.loc[theirs.index, "std_error"], theirs["std_error"], rtol=0.015)


@pytest.mark.parametrize(("event", "suffix"), [(None, ""), ("lapsed", "_competing")])
def test_the_reference_is_the_null_model(values, spells, said, event, suffix):
    mine = estimate_brier(spells, predictions=said, event=event).table
    theirs = _theirs(values, "brier" + suffix).loc["Null model"]

    assert np.allclose(mine.loc[mine["model"] == "first", "reference"], theirs["estimate"], rtol=TOLERANCE)


@pytest.mark.parametrize(
    ("case", "asked"),
    [("concordance", {"weights": "harrell"}), ("uno", {}), ("uno_8", {"tau": 8.0})],
)
def test_concordance_and_its_standard_error_equal_survivals(values, table, spells, case, asked):
    scores = pd.concat([table[["partner"]].assign(model=model, score=table[model]) for model in ("first", "second")])

    mine = estimate_concordance(spells, predictions=scores, **asked).table.set_index("model")

    theirs = values.loc[case].pivot(index="group", columns="quantity", values="value")
    assert np.allclose(mine[["estimate", "std_error"]], theirs[["estimate", "std_error"]], rtol=TOLERANCE)


def test_two_models_are_compared_on_the_same_partners(values, table, spells):
    scores = pd.concat([table[["partner"]].assign(model=model, score=table[model]) for model in ("first", "second")])

    gap = estimate_concordance(spells, predictions=scores, weights="harrell").differences.iloc[0]

    theirs = values.loc["concordance_gap"].set_index("quantity")["value"]
    assert gap[["estimate", "std_error"]].tolist() == pytest.approx(theirs[["estimate", "std_error"]].tolist(), rel=TOLERANCE)


@pytest.mark.parametrize("quantity", ["intercept", "slope"])
def test_calibration_equals_quasi_likelihood_on_pseudo_values(values, spells, said, quantity):
    found = check_calibration(spells, predictions=said[said["model"] == "first"]).summaries
    mine = found[found["quantity"] == quantity].set_index("time")

    theirs = _theirs(values, "calibration").loc[quantity]
    assert np.allclose(mine[["estimate", "std_error"]], theirs[["estimate", "std_error"]], rtol=1e-7)


def test_observed_and_expected_are_those_of_all_spells(values, spells, said):
    found = check_calibration(spells, predictions=said[said["model"] == "first"], bins=1).table
    theirs = _theirs(values, "calibration")["estimate"]

    assert np.allclose(found["estimate"], theirs.loc["observed"], rtol=TOLERANCE)
    assert np.allclose(found["expected"], theirs.loc["expected"], rtol=TOLERANCE)
