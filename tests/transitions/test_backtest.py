"""Backtests: no look ahead, scores by hand, honest about who is better."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.transitions import backtest_forecast
from partnerlab.transitions.baselines import baseline_matrices
from partnerlab.transitions.courses import read_course

QUICK = {"draws": 100, "seed": 1}


@pytest.fixture(scope="module")
def history(history_of, frail_codes):
    return history_of(frail_codes(partners=200, quarters=14, rng=np.random.default_rng(5))[0])


@pytest.fixture(scope="module")
def scored(history):
    return backtest_forecast(history, ahead=2, first="2024Q1", **QUICK)


def test_every_quarter_is_forecast_from_the_one_before_it(scored):
    rows = scored.by_quarter

    assert rows.loc[rows["ahead"] == 1, "quarter"].tolist() == ["2024Q1", "2024Q2", "2024Q3", "2024Q4", "2025Q1", "2025Q2"]
    assert rows.loc[rows["ahead"] == 2, "quarter"].tolist() == ["2024Q2", "2024Q3", "2024Q4", "2025Q1", "2025Q2"]
    counts = scored.counts[scored.counts["ahead"] == 2]
    assert counts.loc[counts["quarter"] == "2025Q2", "made_from"].unique().tolist() == ["2024Q4"]


def test_the_table_is_the_mean_of_what_partners_scored(scored):
    log = scored.table[(scored.table["score"] == "log") & (scored.table["ahead"] == 1)].set_index("against")
    quarters = scored.by_quarter[scored.by_quarter["ahead"] == 1]

    assert log["ours"].iloc[0] == pytest.approx(np.average(quarters["ours"], weights=quarters["n"]))
    assert log.loc["persistence", "estimate"] == pytest.approx(log.loc["persistence", "theirs"] - log.loc["persistence", "ours"])
    assert log.loc["persistence", "skill"] == pytest.approx(log.loc["persistence", "estimate"] / log.loc["persistence", "theirs"])


def test_simple_forecasts_are_known_at_the_origin_by_hand(history_of):
    """Two in A, two in B; last quarter one went from A to B; half a count for each of three outcomes (lapsed among them)."""
    course = read_course(history_of([[0, 0, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]], tiers=("A", "B")), stage="published")
    found = baseline_matrices(course, ahead=1, classes=np.array([0, 1, 2, -1]))

    assert found["persistence"][0, :3].tolist() == pytest.approx([2.5 / 3.5, 0.5 / 3.5, 0.5 / 3.5])
    assert found["last-quarter matrix"][0, :3].tolist() == pytest.approx([2.5 / 4.5, 1.5 / 4.5, 0.5 / 4.5])
    assert found["pooled matrix"][0, :3].tolist() == pytest.approx([5.5 / 7.5, 1.5 / 7.5, 0.5 / 7.5])


def test_later_quarters_change_no_earlier_score(history, history_of, scored):
    codes = history.published.copy()
    codes[:, 12:] = np.random.default_rng(1).integers(0, 3, (200, 2))
    other = backtest_forecast(history_of(codes), ahead=2, first="2024Q1", **QUICK)
    early = [frame.by_quarter[frame.by_quarter["quarter"] <= "2024Q4"].reset_index(drop=True) for frame in (scored, other)]

    pd.testing.assert_frame_equal(*early)


def test_what_was_known_then_is_what_is_forecast_from(history, history_of):
    """A revision that only came later is not read by forecasts made before it."""
    codes = history.published.copy()
    codes[:, 11] = np.roll(codes[:, 11], 1)
    wrong = history_of(codes).until("2024Q4")
    one = backtest_forecast(history, first="2025Q1", last="2025Q1", as_known={"2024Q4": wrong}, **QUICK)
    other = backtest_forecast(history, first="2025Q1", last="2025Q1", **QUICK)

    assert one.by_quarter["ours"].item() > other.by_quarter["ours"].item()
    assert "as known at each quarter" in one.checks[-1].detail


def test_order_of_partners_does_not_matter(history, scored):
    mixed = np.random.default_rng(3).permutation(200)
    stages = {stage: getattr(history, stage)[mixed] for stage in ("raw", "eligible", "held", "published", "reasons")}
    other = backtest_forecast(dataclasses.replace(history, **stages), ahead=2, first="2024Q1", **QUICK)

    pd.testing.assert_frame_equal(other.table, scored.table)


def test_probabilities_of_a_program_without_surprises_mean_what_they_say(history_of, frail_codes):
    codes = frail_codes(partners=500, quarters=14, rng=np.random.default_rng(11), spread=0.3)[0]
    found = backtest_forecast(history_of(codes), first="2023Q3", **QUICK)
    slopes = found.calibration[found.calibration["term"] == "slope"].dropna(subset=["estimate"])

    assert slopes["transition"].tolist() == ["down", "up"]  # nobody lapses
    assert (slopes["conf_low"] < 1).all()
    assert (slopes["conf_high"] > 1).all()
    bins = found.reliability
    assert ((bins["conf_low"] <= bins["forecast"]) & (bins["forecast"] <= bins["conf_high"])).mean() > 0.8


def test_intervals_of_past_forecasts_held(scored):
    assert scored.counts["inside"].mean() > 0.85


def test_an_event_is_scored_as_one_of_two(history_of, frail_codes):
    codes = frail_codes(partners=300, quarters=14, rng=np.random.default_rng(5))[0]
    gone = np.random.default_rng(1).random(codes.shape) < 0.03
    codes = np.where(np.cumsum(gone, axis=1) > 0, -3, codes)
    found = backtest_forecast(history_of(codes), first="2024Q1", event="lapsed", without=["2024Q2"], **QUICK)

    assert set(found.table["score"]) == {"log", "brier"}
    assert set(found.calibration["quarters"]) == {"all", "without 2024Q2"}
    assert found.calibration["n"].nunique() == 2
    assert found.by_quarter["expected"].sum() == pytest.approx(found.by_quarter["happened"].sum(), rel=0.4)


def test_tiers_without_an_order_have_no_ranked_score(history):
    found = backtest_forecast(dataclasses.replace(history, rank=(None, None, None)), first="2025Q1", **QUICK)

    assert "rps" not in set(found.table["score"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ahead": 0}, ParameterError, "ahead is 0"),
        ({"draws": 0}, ParameterError, "draws is 0; an interval needs at least 20"),
        ({"method": "magic"}, ParameterError, "method 'magic' does not exist"),
        ({"first": "2031Q1"}, ParameterError, "2031Q1 is not in the history"),
        ({"event": "laps"}, ParameterError, "event 'laps' is no state; did you mean 'lapsed'"),
        ({"without": ["2010Q1"]}, ParameterError, "without names 2010Q1"),
        ({"first": "2022Q2", "last": "2022Q2"}, SampleError, "no quarter from 2022Q2 on"),
    ],
)
def test_what_cannot_be_scored_is_refused(history, options, error, message):
    with pytest.raises(error, match=message):
        backtest_forecast(history, **{**QUICK, **options})


def test_one_partner_is_not_enough_to_score_forecasts(history_of):
    with pytest.raises(SampleError, match=r"not enough data for a forecast from \d{4}Q\d: 1 partner in two whole quarters"):
        backtest_forecast(history_of(np.array([[0, 1] * 7])), **QUICK)


def test_a_first_lapse_has_a_finite_score(history_of):
    codes = np.random.default_rng(0).integers(0, 2, (60, 12))
    codes[:3, 11] = -3
    found = backtest_forecast(history_of(codes, tiers=("A", "B")), first="2024Q3", **QUICK)

    assert np.isfinite(found.table["ours"]).all()
