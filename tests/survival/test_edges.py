"""Regressions, tables and scores at their edges: what is refused, what is left out, and what is said of it."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ContractError, ParameterError
from partnerlab.spells import Spells
from partnerlab.survival import (
    check_calibration,
    compare_survival,
    estimate_brier,
    estimate_concordance,
    estimate_cox,
    estimate_fine_gray,
    estimate_hazard_model,
    estimate_life_table,
    estimate_survival,
)


def _frame(seed=1, n=200):
    random = np.random.default_rng(seed)
    size = random.normal(size=n).round(1)
    life, end = random.geometric(np.clip(0.1 + 0.04 * size, 0.02, 0.9)), random.integers(3, 14, n)
    frame = pd.DataFrame({"partner": np.arange(n), "duration": np.minimum(life, end), "event": (life <= end).astype(int), "size": size})
    return frame.assign(region=np.array(["N", "S"])[np.arange(n) % 2], center=np.arange(n) % 45)


@pytest.fixture(scope="module")
def spells():
    return Spells.from_frame(_frame())


@pytest.mark.parametrize("baseline", ["period", "log"])
def test_nobody_has_ended_at_time_zero(spells, baseline):
    said = estimate_hazard_model(spells, covariates=["size"], baseline=baseline).predict(_frame().head(2), times=[0, 1, 3])

    assert (said.loc[said["time"] == 0, ["risk", "std_error", "conf_low", "conf_high"]] == 0).all(axis=None)
    assert (said.groupby("row" if "row" in said else "partner")["risk"].diff().dropna() >= 0).all()


@pytest.mark.parametrize("times", [[-1], [4.5], [np.nan]])
def test_a_discrete_hazard_refuses_times_that_are_no_periods(spells, times):
    with pytest.raises(ParameterError, match="whole periods"):
        estimate_hazard_model(spells, covariates=["size"], baseline="log").predict(_frame().head(1), times=times)


def test_an_empty_table_gets_an_empty_prediction(spells):
    assert len(estimate_hazard_model(spells, covariates=["size"], baseline="log").predict(_frame().head(0), times=[1, 2])) == 0


def test_a_multinomial_of_one_kind_of_ending_is_the_logit(spells):
    one, two = (estimate_hazard_model(spells, covariates=["size"], link=link, baseline="log").table for link in ("multinomial", "logit"))

    assert np.allclose(one[["estimate", "std_error"]], two[["estimate", "std_error"]], rtol=1e-6)


def test_cox_says_nothing_past_the_end_of_follow_up(spells):
    said = estimate_cox(spells, covariates=["size"]).predict(_frame().head(1), times=[5, 500])

    assert said["risk"].isna().tolist() == [False, True]


@pytest.mark.parametrize("estimate", [estimate_cox, estimate_hazard_model])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.where(np.arange(200) == 3, np.inf, 1.0), "1 of 200 rows are infinite"),
        (pd.date_range("2020-01-01", periods=200), "200 different"),
    ],
)
def test_covariates_that_cannot_be_meant_are_refused(estimate, values, said):
    with pytest.raises(ParameterError, match=said):
        estimate(Spells.from_frame(_frame().assign(odd=values)), covariates=["odd"])


def test_exact_ties_refuse_a_clustered_covariance(spells):
    with pytest.raises(ParameterError, match="ties='exact'"):
        estimate_cox(spells, covariates=["size"], ties="exact", covariance="cluster")


def test_what_standard_errors_are_clustered_by_is_named(spells):
    checks = {check.name: check.detail for check in estimate_cox(spells, covariates=["size"], cluster="center").checks}

    assert "clustered by center" in checks["Standard errors"]


@pytest.mark.parametrize("convention", ["cmprsk", "survival"])
def test_fine_gray_starts_after_the_last_time_at_which_nobody_was_there(convention):
    random = np.random.default_rng(3)
    n = 120
    entry = random.integers(4, 7, n)
    frame = pd.DataFrame(
        {"partner": np.arange(n), "entry": entry, "duration": entry + random.integers(1, 9, n), "size": random.normal(size=n)}
    )
    frame["event"] = random.choice(["left", "sold", ""], n)
    early = pd.DataFrame({"partner": [900, 901], "entry": [0, 1], "duration": [3, 4], "size": [0.0, 5.0], "event": ["sold", "sold"]})

    whole, bridged = (
        estimate_fine_gray(Spells.from_frame(each), covariates=["size"], event="left", convention=convention)
        for each in (frame, pd.concat([early, frame]))
    )

    assert np.allclose(whole.table[["estimate", "std_error"]], bridged.table[["estimate", "std_error"]], rtol=1e-9)
    assert any(check.name == "Under observation without a gap" and "2 spells" in check.detail for check in bridged.checks)


def test_a_life_table_that_begins_late_is_of_those_still_there(spells):
    found = estimate_life_table(spells, breaks=[3, 6])
    later = estimate_life_table(Spells.from_frame(_frame()[lambda frame: frame["duration"] > 3].assign(entry=3)), breaks=[3, 6])

    assert np.allclose(found.table["estimate"], later.table["estimate"])
    assert any(check.name == "Spells that last until the table begins" for check in found.checks)


def test_predictions_that_are_no_table_of_risks_are_refused(spells):
    risks = pd.DataFrame({"partner": range(200), "time": 4.0, "risk": 0.3})
    twice = pd.concat([risks, risks[["risk"]]], axis=1)
    bad = ((risks.head(0), "no rows"), ([0.3], "expected a DataFrame"), (twice, "stands twice"), (risks.assign(time="soon"), "no times"))
    for told, said in bad:
        with pytest.raises(ContractError, match=said):
            estimate_brier(spells, predictions=told)
    with pytest.raises(ContractError, match="no rows"):
        estimate_concordance(spells, predictions=risks.head(0), score="risk")


def test_one_share_is_as_good_as_a_list_of_one(spells):
    assert estimate_survival(spells, shares=0.5).quantiles.equals(estimate_survival(spells, shares=[0.5]).quantiles)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        estimate_survival(spells, shares=1.5)


def test_a_comparison_says_that_other_endings_count_as_censored():
    frame = _frame().assign(event=lambda frame: np.where(frame["event"] == 0, "", np.where(frame["partner"] % 3, "left", "sold")))

    assert "Other endings" in {check.name for check in compare_survival(Spells.from_frame(frame), by="region", event="left").checks}


def test_empty_cells_of_the_baseline_leave_all_other_coefficients_at_maximum_likelihood():
    frame = _frame(n=400)
    # nobody is sold after the third period: R's nnet::multinom gives what a logit without the cell would
    way = np.where((np.arange(400) % 4 == 0) & (frame["duration"] <= 3), "sold", "left")
    spells = Spells.from_frame(frame.assign(event=np.where(frame["event"] == 1, way, "")))

    found = estimate_hazard_model(spells, covariates=["size"], link="multinomial", covariance="model")
    early = found.table[(found.table["outcome"] == "sold") & found.table["term"].str.startswith("tenure")]
    checks = {check.name: check for check in found.checks}

    assert early["estimate"].isna().sum() == (~early["term"].isin(["tenure=2", "tenure=3"])).sum() > 0
    assert "Separation" not in checks
    assert "Converged" not in checks
    assert "sold in 4" in checks["Empty cells of the baseline"].detail
    # where "sold" cannot happen it tells nothing of it: the score of its terms over the first three periods is zero
    rows = pd.DataFrame({"size": np.repeat(frame["size"].to_numpy(), frame["duration"])})
    rows["tenure"] = np.concatenate([np.arange(1, last + 1) for last in frame["duration"]])
    rows["sold"] = np.concatenate(
        [[0] * (last - 1) + [int(word == "sold")] for last, word in zip(frame["duration"], spells.frame["event"], strict=True)]
    )
    rows = rows[rows["tenure"] <= 3].reset_index(drop=True)
    said = found.predict(rows)
    chance = said.loc[said["outcome"] == "sold", "risk"].to_numpy()
    for weight in (rows["size"], *(rows["tenure"] == period for period in (1, 2, 3))):
        assert abs(((rows["sold"] - chance) * weight).sum()) < 1e-6


def test_where_all_end_at_once_cox_has_not_enough_data():
    found = estimate_cox(Spells.from_frame(_frame().assign(duration=3, event=1)), covariates=["size"])

    assert found.table[["estimate", "std_error", "conf_low", "p_value"]].isna().all(axis=None)
    assert any("not enough data" in check.detail for check in found.checks)


def test_two_spells_get_a_finite_estimate_with_the_model_s_own_error():
    two = Spells.from_frame(pd.DataFrame({"partner": [1, 2], "duration": [1, 2], "event": [1, 1], "size": [0.0, 1.0]}))
    row = estimate_cox(two, covariates=["size"]).table.iloc[0]

    assert row["estimate"] == pytest.approx(-np.log(3), abs=1e-4)
    assert row["std_error"] > 1


def test_predictions_that_miss_by_the_same_everywhere_report_no_certainty():
    spells = Spells.from_frame(_frame().assign(duration=3, event=1))
    risks = pd.DataFrame({"partner": range(200), "time": 3.0, "risk": 0.2})

    assert estimate_brier(spells, predictions=risks).table[["std_error", "conf_low", "conf_high"]].isna().all(axis=None)
    assert check_calibration(spells, predictions=risks).summaries["std_error"].isna().all()
