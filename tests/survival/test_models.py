"""Regressions of spells: what they read, what they refuse, what they say."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ContractError, ParameterError, SampleError
from partnerlab.panel import Panel
from partnerlab.periods import Calendar
from partnerlab.spells import Spells
from partnerlab.survival import check_proportional_hazards, estimate_cox, estimate_fine_gray, estimate_hazard_model


def _frame(seed=1, n=300):
    random = np.random.default_rng(seed)
    late, size = random.integers(0, 2, n), random.normal(size=n).round(2)
    life, end = random.geometric(np.clip(0.08 + 0.1 * late, 0, 1)), random.integers(3, 17, n)
    way = np.where(random.random(n) < 0.6, "lapsed", "sold")
    frame = pd.DataFrame({"partner": np.arange(n), "duration": np.minimum(life, end), "event": np.where(life <= end, way, "")})
    return frame.assign(late=late, size=size, region=np.array(["N", "S", "W"])[np.arange(n) % 3])


@pytest.fixture(scope="module")
def spells():
    return Spells.from_frame(_frame())


def _halved(frame, column):
    """Cut spells longer than two periods in two pieces."""
    long = frame[frame["duration"] > 2]
    first = long.assign(**{"duration": 2, "event": "", column: long[column]})
    rest = frame.assign(entry=np.where(frame["duration"] > 2, 2, 0))
    return pd.concat([first.assign(entry=0), rest])


@pytest.mark.parametrize("estimate", [estimate_cox, estimate_hazard_model])
def test_pieces_of_a_spell_say_what_the_spell_says(spells, estimate):
    cut = Spells.from_frame(_halved(_frame(), "late"))

    one, two = (estimate(these, covariates=["late", "size"]).table for these in (spells, cut))

    assert np.allclose(one[["estimate", "std_error"]], two[["estimate", "std_error"]], rtol=1e-7, atol=1e-9)


def test_grouped_hazard_ratios_are_those_of_cox_roughly(spells):
    cox = estimate_cox(spells, covariates=["late"]).table["estimate"].item()
    grouped = estimate_hazard_model(spells, covariates=["late"]).table.set_index("term")["estimate"]["late"]

    assert grouped == pytest.approx(cox, abs=0.05)


def test_a_model_of_tenure_alone_gives_back_the_hazards_seen(spells):
    fitted = estimate_hazard_model(spells, covariance="model")
    read = fitted.predict(pd.DataFrame({"tenure": [1, 2, 3]}))
    frame = spells.frame
    seen = [((frame["duration"] == t) & (frame["event"] != "")).sum() / (frame["duration"] >= t).sum() for t in (1, 2, 3)]

    assert np.allclose(read["risk"], seen, rtol=1e-6)


def test_risks_by_time_of_a_model_of_tenure_alone_are_kaplan_meiers(spells):
    from partnerlab.survival import estimate_survival

    read = estimate_hazard_model(spells, covariance="model").predict(pd.DataFrame({"x": [0]}), times=[1, 4, 9])
    curve = estimate_survival(spells, min_at_risk=0).at([1, 4, 9])

    assert np.allclose(1 - read["risk"], curve["estimate"], rtol=1e-6)
    assert np.allclose(read["std_error"], curve["std_error"], rtol=1e-5)


def test_indicators_of_a_panel_are_read_one_period_before():
    random = np.random.default_rng(6)
    quarters = [f"202{5 + k // 4}Q{k % 4 + 1}" for k in range(8)]
    rows, spells = [], []
    for partner in range(150):
        calm, ended = random.integers(0, 2, 8), None
        for k in range(7):
            if ended is None and random.random() < (0.4 if calm[k] == 0 else 0.02):
                ended = k + 1
        rows += [(f"p{partner:03d}", quarter, leads) for quarter, leads in zip(quarters, calm, strict=True)]
        spells.append((f"p{partner:03d}", ended or 7, ended is not None, quarters[0]))
    panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    table = pd.DataFrame(spells, columns=["partner", "duration", "event", "start"])

    found = estimate_hazard_model(Spells.from_frame(table, calendar=Calendar()), covariates=["leads"], baseline="none", panel=panel)

    row = found.table.set_index("term").loc["leads"]
    assert row["conf_low"] < np.log(np.log(0.98) / np.log(0.6)) < row["conf_high"]
    assert row["ratio"] < 0.2


def test_competing_hazards_together_are_the_logit_of_any_ending_with_nothing_else():
    spells = Spells.from_frame(_frame())
    both = estimate_hazard_model(spells, link="multinomial", baseline="none").predict(pd.DataFrame({"x": [0]}))
    any_ending = estimate_hazard_model(spells, link="logit", baseline="none").predict(pd.DataFrame({"x": [0]}))

    assert both["risk"].sum() == pytest.approx(any_ending["risk"].item())
    assert both["outcome"].tolist() == ["lapsed", "sold"]


def test_one_ending_asked_for_censors_the_other_and_says_so(spells):
    fitted = estimate_cox(spells, covariates=["late"], event="sold")

    assert fitted.table["events"].item() == (spells.frame["event"] == "sold").sum()
    assert any(check.name == "Other endings" for check in fitted.checks)


def test_without_competing_endings_fine_and_gray_is_cox():
    frame = _frame()
    spells = Spells.from_frame(frame.assign(event=frame["event"].replace({"sold": "lapsed"})))
    one = estimate_fine_gray(spells, covariates=["late", "size"], event="lapsed").table
    two = estimate_cox(spells, covariates=["late", "size"], ties="breslow").table

    assert np.allclose(one[["estimate", "std_error"]], two[["estimate", "std_error"]], rtol=1e-7)


def test_predicted_risks_rise_with_time_and_start_at_none(spells):
    read = estimate_cox(spells, covariates=["late", "region"], strata="region").predict(
        pd.DataFrame({"partner": ["p"], "late": [1], "region": ["S"]}), times=[0, 2, 4, 8]
    )

    assert read["risk"].iloc[0] == 0.0
    assert (np.diff(read["risk"]) > 0).all()
    assert ((read["conf_low"] <= read["risk"]) & (read["risk"] <= read["conf_high"])).all()


def test_ways_of_ending_share_what_has_ended_by_a_time(spells):
    ways = estimate_hazard_model(spells, covariates=["late"], link="multinomial")
    rows = pd.DataFrame({"partner": ["p", "q", "r"], "late": [1.0, 0.0, np.nan]})
    read = ways.predict(rows, times=[0, 1, 3, 5])

    assert read[["partner", "outcome", "time"]].drop_duplicates().shape[0] == 3 * 2 * 4
    first = ways.predict(rows.assign(tenure=1)).set_index(["partner", "outcome"])["estimate"]
    now = read[read["time"] == 1].set_index(["partner", "outcome"])["estimate"]
    assert np.allclose(now[["p", "q"]], first[["p", "q"]])
    total = read[read["partner"] != "r"].groupby(["partner", "time"])["estimate"].sum().unstack()
    assert (total[0] == 0).all()
    assert (total.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    assert (total <= 1).all(axis=None)
    assert read.loc[(read["partner"] == "r") & (read["time"] > 0), "estimate"].isna().all()


def test_an_ending_never_seen_in_a_period_adds_nothing_then():
    frame = pd.DataFrame({"partner": range(60), "duration": [1, 2, 3] * 20, "event": ["lapsed", "sold", ""] * 20, "late": [0, 1] * 30})
    frame.loc[[2, 5, 8], "event"] = "lapsed"
    ways = estimate_hazard_model(Spells.from_frame(frame), covariates=["late"], link="multinomial")
    lapsed = ways.predict(pd.DataFrame({"late": [0]}), times=[1, 2, 3]).set_index(["outcome", "time"])["estimate"]["lapsed"]

    assert lapsed[1] == lapsed[2] < lapsed[3]


def test_that_nobody_has_ended_yet_is_no_certainty():
    frame = pd.DataFrame({"partner": range(40), "duration": [2, 3] * 20, "event": [1, 1, 1, 0] * 10, "late": [0, 0, 1, 1] * 10})
    model = estimate_hazard_model(Spells.from_frame(frame), covariates=["late"])
    found = model.predict(pd.DataFrame({"late": [0]}), times=[0, 1, 2]).set_index("time")

    assert found.loc[[0, 1], "estimate"].tolist() == [0, 0]
    assert found.loc[1, ["std_error", "conf_low", "conf_high"]].isna().all()
    assert found.loc[0, "conf_high"] == 0
    assert found.loc[2, "conf_high"] > 0


def test_covariates_of_the_calendar_need_a_calendar(spells):
    with pytest.raises(ParameterError, match="season needs spells with a place in the calendar"):
        estimate_hazard_model(spells, covariates=["season"], baseline="none")

    placed = Spells.from_frame(_frame().assign(start="2024Q3"), calendar=Calendar())
    found = estimate_hazard_model(placed, covariates=["season"], baseline="log")
    assert "season=Q2" in found.table["term"].tolist()


def test_few_partners_get_the_jackknife_in_cox():
    found = estimate_cox(Spells.from_frame(_frame(n=30)), covariates=["late"])

    assert any("30 are fewer than 40" in check.detail for check in found.checks)
    assert np.isfinite(found.table["std_error"]).all()


def test_perfect_prediction_is_penalised_and_said(spells):
    frame = _frame()
    sure = Spells.from_frame(frame.assign(sure=(frame["event"] != "").astype(int)))

    for found in (estimate_cox(sure, covariates=["sure"]), estimate_hazard_model(sure, covariates=["sure"])):
        assert found.table.set_index("term")["estimate"]["sure"] < 15
        assert any(check.name == "Separation" and "sure" in check.detail for check in found.checks)


def test_frailty_of_returning_partners_is_seen():
    random = np.random.default_rng(8)
    rows = []
    for partner in range(120):
        chance = random.choice([0.03, 0.5])
        for spell in range(1, 6):
            life = int(random.geometric(chance))
            rows.append((partner, spell, min(life, 12), life <= 12))
    spells = Spells.from_frame(pd.DataFrame(rows, columns=["partner", "spell", "duration", "event"]))

    found = estimate_hazard_model(spells, baseline="log")

    assert any(check.name == "No frailty left" and check.passed is False for check in found.checks)


def test_a_hazard_ratio_that_drifts_is_seen():
    random = np.random.default_rng(2)
    late = np.repeat([0, 1], 300)
    life = np.where(late == 1, random.weibull(3.0, 600), random.weibull(0.8, 600))
    spells = Spells.from_frame(pd.DataFrame({"partner": range(600), "duration": life, "event": True, "late": late}))

    for clustered in (None, True):
        found = check_proportional_hazards(spells, covariates=["late"], clustered=clustered)
        assert found.table["p_value"].max() < 1e-6
        assert found.checks[-1].passed is False


@pytest.mark.parametrize(
    ("estimate", "asked", "error", "said"),
    [
        (estimate_cox, {"covariates": ["lat"]}, ParameterError, "no attribute 'lat' in the spells; did you mean 'late'"),
        (estimate_cox, {"covariates": ["late"], "event": "solt"}, ParameterError, "ends by 'solt'; did you mean 'sold'"),
        (estimate_cox, {"covariates": ["late"], "ties": "effron"}, ParameterError, "did you mean 'efron'"),
        (estimate_cox, {"covariates": ["late"], "strata": "area"}, ParameterError, "no attribute 'area'"),
        (estimate_cox, {"covariates": ["late"], "weights": "late"}, ParameterError, "rows of 'late' are not positive"),
        (estimate_cox, {"covariates": ["late"], "cluster": None, "covariance": "cluster"}, ParameterError, "needs to know which partner"),
        (estimate_hazard_model, {"link": "probit"}, ParameterError, "link is 'probit'"),
        (estimate_hazard_model, {"baseline": "spline"}, ParameterError, "baseline is 'spline'"),
        (estimate_fine_gray, {"covariates": ["late"], "event": "sold", "convention": "stata"}, ParameterError, "convention is 'stata'"),
        (check_proportional_hazards, {"covariates": ["late"], "clock": "rank"}, ParameterError, "clock is 'rank'"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(spells, estimate, asked, error, said):
    with pytest.raises(error, match=said):
        estimate(spells, **asked)


def test_no_ending_at_all_is_said():
    spells = Spells.from_frame(_frame().assign(event=""))

    for estimate in (estimate_cox, estimate_hazard_model):
        with pytest.raises(SampleError, match="nothing to explain"):
            estimate(spells, covariates=["late"])


def test_discrete_hazards_take_whole_periods_only():
    spells = Spells.from_frame(_frame().assign(duration=lambda rows: rows["duration"] + 0.5))

    with pytest.raises(ContractError, match="300 rows are not whole periods"):
        estimate_hazard_model(spells, covariates=["late"])


def test_pieces_are_refused_where_weights_could_not_be_known():
    with pytest.raises(SampleError, match="one row for each spell"):
        estimate_fine_gray(Spells.from_frame(_halved(_frame(), "late")), covariates=["late"], event="sold")


def test_missing_covariates_leave_and_are_counted():
    frame = _frame()
    frame.loc[:4, "size"] = np.nan

    found = estimate_cox(Spells.from_frame(frame), covariates=["size"])

    assert found.table["n"].item() == 295
    assert any("5 of 300 rows lack a covariate" in check.detail for check in found.checks)


def test_exact_ties_are_refused_for_large_data():
    with pytest.raises(SampleError, match="exact ties would take"):
        estimate_cox(Spells.from_frame(_frame(n=60_000)), covariates=["late"], ties="exact")
