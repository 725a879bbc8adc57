"""Marginal structural models against R: ``sustained/sustained.R`` prints the numbers (glm, sandwich, infinitesimal jackknife)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_sustained
from partnerlab.verdicts import Stakes

HERE = Path(__file__).parent / "sustained"
STUDY = TacticStudy(
    tactic="dinner", stakes=Stakes(unit="leads"), horizon=1,
    covariates=(Known(name="health", at="start", lag=0), Known(name="size", at="start", lag=0)),
)  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    return pd.read_csv(HERE / "rows.csv")


@pytest.fixture(scope="module")
def wanted():
    return pd.read_csv(HERE / "values.csv", skipinitialspace=True).set_index("case")


def _effects(rows, case, **options):
    if case == "logit":
        rows = rows.assign(leads=(rows["leads"] > 0.5).where(rows["leads"].notna()).astype(float))
    panel = TacticPanel.from_frame(rows, outcome="leads", treated="dinner", covariates=["health", "size"])
    return estimate_sustained(
        panel, study=STUDY, past_outcomes=False, untreated_before=True, baseline=["size"],
        dose="total" if case == "total" else "recent", family="logit" if case == "logit" else "linear", **options,
    )  # fmt: skip


@pytest.mark.parametrize("case", ["recent", "total", "logit"])
def test_effects_and_clustered_errors_equal_those_of_r(case, rows, wanted):
    table, here = _effects(rows, case, weights_known=True).table, wanted.loc[case]
    plain = table["std_error"] * _without_factor(rows)  # R was asked for none

    np.testing.assert_allclose(table["estimate"], here[["first", "two"]].astype(float), rtol=1e-7)
    np.testing.assert_allclose(plain, here[["first_se", "two_se"]].astype(float), rtol=1e-7)


def test_weights_equal_those_of_r(rows, wanted):
    weights = _effects(rows, "recent").weights

    assert np.average(weights["mean"], weights=weights["n"]) == pytest.approx(wanted.loc["recent", "mean_weight"], rel=1e-9)
    assert weights["largest"].max() == pytest.approx(wanted.loc["recent", "largest"], rel=1e-9)


@pytest.mark.parametrize("case", ["recent", "total", "logit"])
def test_errors_that_count_the_fitted_chances_are_those_of_counting_a_partner_more_and_less(case, rows, wanted):
    plain = _effects(rows, case, weights_known=False).table["std_error"].iloc[1] * _without_factor(rows)

    assert plain == pytest.approx(wanted.loc[case, "two_fitted_se"], rel=1e-5)  # R's is a difference quotient


def _without_factor(rows):
    users = rows.groupby("partner")["dinner"].max().sum()
    return np.sqrt((users - 1) / users)


@pytest.mark.parametrize("case", ["recent", "total"])
@pytest.mark.parametrize("earlier", ["kept", "empty", "repeated"])
def test_an_outcome_read_once_at_the_end_equals_that_of_r(case, earlier, rows):
    wanted = pd.read_csv(HERE / "end.csv", skipinitialspace=True).set_index("case").loc[case]
    if earlier != "kept":  # what stands in earlier quarters is not looked at
        end = rows[rows["quarter"] == 6].set_index("partner")["leads"]
        told = np.nan if earlier == "empty" else rows["partner"].map(end)
        rows = rows.assign(leads=rows["leads"].where(rows["quarter"] == 6, told))
    found = _effects(rows, case, at_end=True)
    plain = found.table["std_error"] * _without_factor(rows)

    np.testing.assert_allclose(found.table["estimate"], wanted[["first", "two"]], rtol=1e-7)
    np.testing.assert_allclose(plain, wanted[["first_se", "two_se"]], rtol=1e-7)
    assert found.weights["mean"].tolist() == pytest.approx([wanted["mean_weight"]], rel=1e-7)


@pytest.mark.parametrize(
    ("case", "horizon", "options"), [("now", 0, {}), ("two", 1, {}), ("back", 1, {"history": 2}), ("cut", 1, {"truncate": 0.05})]
)
def test_what_ends_for_good_with_loss_equals_pooled_logistic_regression_in_r(case, horizon, options):
    here = pd.read_csv(HERE / "ending_values.csv", skipinitialspace=True).set_index("case").loc[case]
    panel = TacticPanel.from_frame(
        pd.read_csv(HERE.parent / "nested" / "ending.csv"), outcome="left", treated="dinner", covariates=["health", "base"]
    )
    study = TacticStudy(
        tactic="dinner", stakes=Stakes(unit="exits"), horizon=horizon,
        covariates=tuple(Known(name=name, at="start", lag=0) for name in ("health", "base")),
    )  # fmt: skip
    found = estimate_sustained(panel, study=study, ends=True, family="logit", untreated_before=True, baseline=["base"], **options)
    row, users = found.headline(), found.partners

    assert row["estimate"] == pytest.approx(here["estimate"], rel=1e-7)
    assert row["std_error"] * np.sqrt((users - 1) / users) == pytest.approx(here["std_error"], rel=1e-7)
    assert found.weights["largest"].max() == pytest.approx(here["largest"], rel=1e-7)
