"""Scores of predictions: by hand, laws on any spells, and tables that cannot be meant."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ContractError, ParameterError, SampleError
from partnerlab.results import TIDY
from partnerlab.spells import Spells
from partnerlab.survival import check_calibration, estimate_auc, estimate_brier, estimate_concordance

FEW = settings(max_examples=15, deadline=None)


def spells(**columns):
    columns.setdefault("partner", [f"p{index:02d}" for index in range(len(columns["duration"]))])
    return Spells.from_frame(pd.DataFrame(columns))


@st.composite
def forecasts(draw, repeats=False):
    """Spells from their start, and predictions of the risk by time 3 and 5."""
    n = draw(st.integers(4, 25))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    partner = np.sort(random.integers(0, max(n // 2, 1), n)) if repeats else np.arange(n)
    frame = pd.DataFrame({"partner": partner, "duration": random.integers(1, 8, n), "event": random.integers(0, 2, n)})
    frame["spell"] = frame.groupby("partner").cumcount() + 1
    frame.loc[0, ["duration", "event"]] = [9, 0]
    risk = random.random(n).round(2)
    said = pd.concat([frame[["partner", "spell"]].assign(time=t, risk=risk * t / 5) for t in (3.0, 5.0)], ignore_index=True)
    return Spells.from_frame(frame), said


def test_without_censoring_the_score_is_the_mean_square():
    told = spells(duration=[1, 2, 3, 4], event=[1, 1, 1, 1])
    said = pd.DataFrame({"partner": told.frame["partner"], "time": 2.0, "risk": [0.9, 0.4, 0.3, 0.2]})

    row = estimate_brier(told, predictions=said).table.iloc[0]

    squares = np.array([0.1, 0.6, 0.3, 0.2]) ** 2
    assert row["estimate"] == pytest.approx(squares.mean())
    assert row["std_error"] == pytest.approx(squares.std() / 2)


def test_the_area_by_hand():
    told = spells(duration=[1, 2, 3, 4], event=[1, 1, 1, 0])
    said = pd.DataFrame({"partner": told.frame["partner"], "time": 2.0, "risk": [0.9, 0.3, 0.3, 0.5]})

    # pairs (case, control): 0.9 > 0.3, 0.9 > 0.5, 0.3 = 0.3, 0.3 < 0.5
    assert estimate_auc(told, predictions=said).table["estimate"].item() == pytest.approx((1 + 1 + 0.5 + 0) / 4)


def test_harrells_concordance_counts_each_pair():
    random = np.random.default_rng(5)
    duration, event, score = random.integers(1, 9, 40), random.integers(0, 2, 40), random.integers(0, 6, 40)
    told = spells(duration=duration, event=event)
    said = pd.DataFrame({"partner": told.frame["partner"], "score": score})

    good = pairs = 0.0
    for one in range(40):
        for other in range(40):
            if event[one] and (duration[other] > duration[one] or (duration[other] == duration[one] and not event[other])):
                pairs += 1
                good += 1.0 if score[one] > score[other] else 0.5 if score[one] == score[other] else 0.0

    found = estimate_concordance(told, predictions=said, weights="harrell").table.iloc[0]
    assert found["pairs"] == pairs
    assert found["estimate"] == pytest.approx(good / pairs)


def test_late_entry_counts_only_pairs_that_were_at_risk_together():
    told = spells(entry=[0, 2, 0], duration=[2, 5, 4], event=[1, 1, 0])
    said = pd.DataFrame({"partner": told.frame["partner"], "score": [3, 2, 1]})

    assert estimate_concordance(told, predictions=said, weights="harrell").table["pairs"].item() == 1.0


@FEW
@given(forecasts())
def test_tables_are_tidy_and_scores_lie_where_they_can(drawn):
    told, said = drawn
    brier, area = estimate_brier(told, predictions=said), estimate_auc(told, predictions=said)

    assert [name for name in brier.table.columns if name in TIDY] == list(TIDY)
    assert (brier.table["estimate"].dropna() >= 0).all()
    assert area.table["estimate"].dropna().between(0, 1).all()


@FEW
@given(forecasts())
def test_turning_scores_round_turns_the_area_round(drawn):
    told, said = drawn
    one = estimate_auc(told, predictions=said).table["estimate"]
    other = estimate_auc(told, predictions=said.assign(risk=1 - said["risk"])).table["estimate"]

    assert np.allclose((one + other).dropna(), 1.0)


@FEW
@given(forecasts())
def test_order_of_rows_does_not_matter(drawn):
    told, said = drawn
    mixed = said.sample(frac=1, random_state=3)

    for score in (estimate_brier, estimate_auc, check_calibration):
        pd.testing.assert_frame_equal(score(told, predictions=said).table, score(told, predictions=mixed).table)


@FEW
@given(forecasts())
def test_every_spell_twice_keeps_the_score_and_halves_the_variance(drawn):
    told, said = drawn
    again = told.frame.assign(partner=told.frame["partner"] + 1000)
    twice = Spells.from_frame(pd.concat([told.frame, again]))
    both = pd.concat([said, said.assign(partner=said["partner"] + 1000)])

    for score in (estimate_brier, estimate_auc):
        one, two = score(told, predictions=said).table, score(twice, predictions=both).table
        assert np.allclose(one["estimate"], two["estimate"], equal_nan=True)
        # one case or one control alone has no error, two of them have
        known = one["std_error"].notna()
        assert np.allclose(one.loc[known, "std_error"], two.loc[known, "std_error"] * np.sqrt(2))


@FEW
@given(forecasts(repeats=True))
def test_a_partner_seen_twice_alike_is_no_second_partner(drawn):
    told, said = drawn
    last = told.frame["spell"].max()
    double = Spells.from_frame(pd.concat([told.frame, told.frame.assign(spell=told.frame["spell"] + last)]))
    both = pd.concat([said, said.assign(spell=said["spell"] + last)])

    one, two = estimate_brier(told, predictions=said).table, estimate_brier(double, predictions=both).table

    assert np.allclose(one[["estimate", "std_error"]], two[["estimate", "std_error"]], equal_nan=True)


@FEW
@given(forecasts())
def test_the_curve_of_all_has_no_skill(drawn):
    told, said = drawn
    base = estimate_brier(told, predictions=said)
    flat = said.groupby("time").ngroups
    shares = [check_calibration(told, predictions=said, bins=1).table["estimate"].iloc[place] for place in range(flat)]
    same = said.assign(risk=said["time"].map(dict(zip((3.0, 5.0), shares, strict=True))))

    assert np.allclose(estimate_brier(told, predictions=same).table["estimate"], base.table["reference"])


def test_a_prediction_that_is_right_on_average_is_calibrated():
    random = np.random.default_rng(11)
    risk = random.uniform(0.1, 0.8, 4000)
    ended = random.random(4000) < risk
    told = spells(partner=np.arange(4000), duration=np.where(ended, 1, 2), event=ended)
    said = pd.DataFrame({"partner": np.arange(4000), "time": 1.0, "risk": risk})
    found = check_calibration(told, predictions=said, link="logit")
    extreme = check_calibration(told, predictions=said.assign(risk=risk**2 / (risk**2 + (1 - risk) ** 2)), link="logit")

    assert all(check.passed for check in found.checks if " of prediction" in check.name)
    assert extreme.summaries.set_index("quantity").loc["slope", "estimate"] == pytest.approx(0.5, abs=0.08)
    assert len(found.table) == 10


def test_models_are_compared_in_pairs():
    told = spells(duration=[1, 2, 3, 4, 5, 6], event=[1, 1, 0, 1, 1, 0])
    one = pd.DataFrame({"partner": told.frame["partner"], "time": 3.0, "risk": [0.9, 0.8, 0.4, 0.3, 0.2, 0.1], "model": "good"})
    both = pd.concat([one, one.assign(model="same"), one.assign(model="coin", risk=0.5)])

    gaps = estimate_brier(told, predictions=both).differences.set_index("model")

    assert gaps.loc["same", "estimate"] == 0.0
    assert gaps.loc["coin", "estimate"] > 0.0


def test_many_horizons_are_averaged():
    told = spells(duration=[1, 2, 3, 4], event=[1, 1, 1, 1])
    said = pd.concat([pd.DataFrame({"partner": told.frame["partner"], "time": t, "risk": 0.5}) for t in (1.0, 2.0, 3.0)])

    assert estimate_brier(told, predictions=said).integrated["estimate"].item() == pytest.approx(0.25)


GOOD = pd.DataFrame({"partner": ["a", "b", "c"], "time": 2.0, "risk": [0.1, 0.2, 0.3]})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (GOOD.drop(columns="risk"), "no column 'risk'"),
        (GOOD.assign(risk=[0.1, 1.2, 0.3]), "1 values are no risks"),
        (GOOD.assign(risk=[0.1, np.nan, 0.3]), "1 values are no risks"),
        (GOOD.iloc[:2], "1 of 3 spells have no prediction"),
        (pd.concat([GOOD, GOOD]), "3 of 3 spells have several predictions"),
        (GOOD.drop(columns="time"), "no column 'time'"),
    ],
)
def test_predictions_that_cannot_be_meant_are_refused_in_a_line(table, message):
    told = spells(partner=["a", "b", "c"], duration=[1, 2, 3], event=[1, 0, 1])

    with pytest.raises(ContractError, match=message):
        estimate_brier(told, predictions=table)


def test_predictions_of_several_ways_of_ending_are_read_for_the_one_asked_for():
    told = Spells.from_frame(pd.DataFrame({"partner": list("abcd"), "duration": [2, 3, 4, 5], "event": ["sold", "left", "left", ""]}))
    one = pd.DataFrame({"partner": list("abcd"), "time": 3.0, "outcome": "left", "risk": [0.2, 0.6, 0.4, 0.3]})
    both = pd.concat([one, one.assign(outcome="sold", risk=0.1)])

    score = estimate_brier(told, predictions=both, event="left").table["estimate"].item()
    assert score == estimate_brier(told, predictions=one, event="left").table["estimate"].item()
    with pytest.raises(ContractError, match="speaks of left, sold; say which with event="):
        estimate_brier(told, predictions=both)
    with pytest.raises(ContractError, match="nothing is said of 'left'; did you mean"):
        check_calibration(told, predictions=both.replace({"left": "gone left"}), event="left")


def test_predictions_of_another_ending_alone_are_not_taken_for_the_one_asked_for():
    told = Spells.from_frame(pd.DataFrame({"partner": list("abcd"), "duration": [2, 3, 4, 5], "event": ["sold", "left", "left", ""]}))
    one = pd.DataFrame({"partner": list("abcd"), "time": 3.0, "outcome": "sold", "risk": [0.2, 0.6, 0.4, 0.3]})

    with pytest.raises(ContractError, match="nothing is said of 'left'"):
        estimate_brier(told, predictions=one, event="left")
    assert len(estimate_brier(told, predictions=one.assign(outcome="any ending"), event="left").table) == 1


def test_a_forecast_that_nobody_ends_is_read_without_dividing_by_it():
    told = Spells.from_frame(pd.DataFrame({"partner": range(40), "duration": [2, 4] * 20, "event": [1, 0] * 20}))
    said = pd.DataFrame({"partner": range(40), "time": 3.0, "risk": 0.0})
    found = check_calibration(told, predictions=said)
    checks = {check.name.split(" of ")[0]: check.detail for check in found.checks}

    assert found.summaries["estimate"].isna().all()
    assert checks["observed / expected"] == "nobody was expected to end, 50% did."
    assert checks["slope"] == "all predicted risks are 0 or 1, which have no place on the scale of the link."


def test_risks_of_0_and_1_are_counted_and_intercept_and_slope_are_of_the_others():
    told = Spells.from_frame(pd.DataFrame({"partner": range(60), "duration": [2, 4, 2, 4, 4, 4] * 10, "event": [1, 0] * 30}))
    said = pd.DataFrame({"partner": range(60), "time": 3.0, "risk": [0.6, 0.4, 0.5, 0.3, 0.0, 1.0] * 10})
    inside = said[said["risk"].between(0.1, 0.9)]
    found, alone = (
        check_calibration(told.select(told.frame["partner"].isin(rows["partner"])), predictions=rows, link="logit")
        for rows in (said, inside)
    )

    keys = ["quantity", "estimate", "std_error", "n"]
    pd.testing.assert_frame_equal(found.summaries[keys].iloc[1:], alone.summaries[keys].iloc[1:])
    assert next(check.detail for check in found.checks if check.name.startswith("Risks of 0 or 1")).startswith("20 of 60 have no place")


def test_a_single_ending_scores_and_how_surely_is_not_told():
    told = spells(partner=list("abcd"), duration=[1, 2, 3, 3], event=[1, 0, 0, 0])
    said = pd.DataFrame({"partner": list("abcd"), "time": 2.0, "risk": [0.4, 0.1, 0.2, 0.6]})

    for found in (
        estimate_auc(told, predictions=said),
        *(estimate_concordance(told, predictions=said, score="risk", weights=weights) for weights in ("uno", "harrell")),
    ):
        assert found.table["estimate"].round(3).iloc[0] in (0.5, 0.667)
        assert found.table[["std_error", "conf_low", "conf_high"]].isna().all(axis=None)
        assert next(check.detail for check in found.checks if check.name.startswith("Interval")) == (
            "not enough data (1 of 4 spells seen ending): one has nothing to differ from."
        )


def test_several_spells_of_a_partner_need_their_number():
    told = Spells.from_frame(pd.DataFrame({"partner": ["a", "a"], "spell": [1, 2], "duration": [2, 3], "event": [1, 1]}))

    with pytest.raises(ContractError, match="'spell' column"):
        estimate_brier(told, predictions=GOOD)


def test_other_things_that_do_not_exist():
    told = spells(partner=["a", "b", "c"], duration=[1, 2, 3], event=["lapsed", "", "lapsed"])

    with pytest.raises(ParameterError, match="did you mean 'lapsed'"):
        estimate_brier(told, predictions=GOOD, event="laps")
    with pytest.raises(ParameterError, match="they speak of 2"):
        estimate_brier(told, predictions=GOOD, at=3.0)
    with pytest.raises(ParameterError, match="did you mean 'uno'"):
        estimate_concordance(told, predictions=GOOD.assign(score=1), weights="un")
    with pytest.raises(ParameterError, match="did you mean 'logit'"):
        check_calibration(told, predictions=GOOD, link="logi")


def test_only_late_entries_cannot_be_scored():
    told = spells(partner=["a", "b"], entry=[1, 1], duration=[2, 3], event=[1, 1])

    with pytest.raises(SampleError, match="seen from its start"):
        estimate_brier(told, predictions=GOOD)


def test_beyond_what_was_followed_there_is_no_number():
    told = spells(partner=["a", "b", "c"], duration=[1, 2, 3], event=[1, 0, 0])

    row = estimate_brier(told, predictions=GOOD.assign(time=9.0)).table.iloc[0]

    assert np.isnan(row["estimate"])
    assert row["n"] == 3


def test_where_nothing_ended_there_is_no_area_and_no_concordance():
    told = spells(partner=["a", "b", "c"], duration=[1, 2, 3], event=[0, 0, 0])

    assert estimate_auc(told, predictions=GOOD.assign(time=1.0)).table["estimate"].isna().all()
    assert estimate_concordance(told, predictions=GOOD.assign(score=1.0)).table["estimate"].isna().all()
