"""Forecasts: by hand, honest, and calibrated."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ParameterError, SampleError
from partnerlab.transitions import Transitions, build_transitions, compare_forecast, estimate_transitions, forecast_tiers
from partnerlab.transitions.forecasts import METHODS, quarter_ratio


@pytest.fixture(scope="module")
def history(history_of, frail_codes):
    return history_of(frail_codes(partners=300, quarters=12, rng=np.random.default_rng(5))[0])


def test_partners_who_always_stay_are_forecast_to_stay(history_of):
    codes = np.repeat(np.arange(3)[:, None], 10, axis=1).repeat(100, axis=0)
    table = forecast_tiers(history_of(codes), seed=1).table

    assert table["tier"].tolist()[3:] == ["lapsed"]
    assert table["estimate"].tolist() == pytest.approx([100, 100, 100, 0], abs=1)


def test_without_memory_the_mean_is_todays_partners_times_the_matrix(history):
    flows = estimate_transitions(history).matrix().to_numpy()
    today = np.bincount(history.published[:, -1], minlength=3)

    found = forecast_tiers(history, method="markov", seed=1, draws=4000).table["estimate"].to_numpy()

    assert found == pytest.approx(today @ flows, abs=1.0)


@pytest.mark.parametrize("method", METHODS)
def test_everybody_is_somewhere(history, method):
    forecast = forecast_tiers(history, ahead=4, method=method, draws=200, despite=True, seed=1)

    assert forecast.table.groupby("quarter")["estimate"].sum().to_numpy() == pytest.approx(300)
    sums = forecast.partners.groupby(["partner", "ahead"], observed=True)["probability"].sum()
    assert len(sums) == 300 * 4
    assert sums.to_numpy() == pytest.approx(1)


def test_one_quarter_ahead_without_memory_is_the_row_of_the_matrix(history):
    flows = estimate_transitions(history).matrix()
    rows = forecast_tiers(history, method="markov", draws=50, seed=1).partners
    wide = rows.pivot_table(index=["partner", "now"], columns="tier", values="probability", observed=True).reset_index("now")

    assert wide[list("ABC")].to_numpy() == pytest.approx(flows.loc[wide["now"].astype("str")].to_numpy())


def test_four_quarters_ahead_without_memory_is_the_fourth_power_by_hand():
    """Of four steps out of A one goes to B, which nobody leaves: after k quarters .75^k are still in A."""
    frame = pd.DataFrame({"id": list("aabbc"), "from_tier": list("AAABA"), "to_tier": list("AABBA"), "quarter": [1, 2, 1, 2, 2]})
    pairs = Transitions.from_frame(frame, partner="id", order=["A", "B"])
    found = forecast_tiers(pairs, method="markov", ahead=4, draws=50, despite=True, seed=1).partners
    share = found.query("partner == 'a' and tier == 'A'").set_index("ahead")["probability"]

    assert share.to_list() == pytest.approx([0.75**step for step in range(1, 5)])


def test_direct_shares_four_quarters_apart_by_hand(history_of):
    codes = np.array([[0, 1, 0, 1, 0, 1]] * 2 + [[0, 0, 0, 0, 1, 1]] * 2)
    found = forecast_tiers(history_of(codes, tiers=("A", "B")), method="direct", ahead=4, draws=50, seed=1).partners
    row = found.query("ahead == 4 and partner == 'p000000'").set_index("tier")["probability"]

    # four quarters apart, from B: the first two partners stay in B once each; nobody else starts in B
    assert row[["A", "B"]].to_list() == pytest.approx([0, 1])


def test_without_duration_dependence_memory_changes_little(history_of):
    rng = np.random.default_rng(8)
    codes = np.zeros((1500, 12), dtype=np.int8)
    codes[:, 0] = rng.random(1500) < 0.5
    for column in range(1, 12):
        moves = rng.random(1500) < np.where(codes[:, column - 1] == 0, 0.2, 0.1)
        codes[:, column] = np.where(moves, 1 - codes[:, column - 1], codes[:, column - 1])
    history = history_of(codes, tiers=("A", "B"))
    with_memory, without = (forecast_tiers(history, ahead=4, method=one, draws=200, seed=1).partners for one in ("semi_markov", "markov"))

    assert np.abs(with_memory["probability"] - without["probability"]).mean() < 0.015
    assert np.abs(with_memory["probability"] - without["probability"]).max() < 0.06


def test_time_in_the_tier_is_told_apart(history_of):
    """Whoever has just entered B goes back at once, whoever stayed a quarter stays: semi-Markov sees it, a matrix cannot."""
    rng = np.random.default_rng(9)
    codes = np.zeros((400, 16), dtype=np.int8)
    for column in range(1, 16):
        fresh = (codes[:, column - 1] == 1) & (codes[:, max(column - 2, 0)] == 0)
        chance = np.where(codes[:, column - 1] == 0, 0.2, np.where(fresh, 0.7, 0.05))
        codes[:, column] = np.where(rng.random(400) < chance, 1 - codes[:, column - 1], codes[:, column - 1])
    found = forecast_tiers(history_of(codes, tiers=("A", "B")), draws=300, seed=1).partners
    stays = found[(found["now"] == "B") & (found["tier"] == "B")].set_index("partner")["probability"]
    names = np.array([f"p{i:06d}" for i in range(400)])
    fresh = names[(codes[:, -1] == 1) & (codes[:, -2] == 0)]
    old = names[(codes[:, -3:] == 1).all(axis=1)]

    assert stays[fresh].mean() == pytest.approx(0.3, abs=0.07)
    assert stays[old].mean() == pytest.approx(0.95, abs=0.03)


def test_powers_are_refused_where_the_tests_reject_them(history_of):
    codes = np.tile(np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]]).repeat(60, axis=0), (1, 4))
    history = history_of(codes, tiers=("A", "B"))

    with pytest.raises(SampleError, match="powers of the one-quarter matrix are no forecast here"):
        forecast_tiers(history, ahead=2, method="markov", seed=1)
    checks = {check.name: check.passed for check in forecast_tiers(history, ahead=2, method="markov", despite=True, seed=1).checks}
    assert checks["One matrix, again and again"] is False


def test_pairs_say_the_same_as_the_history_they_come_from(history):
    first = forecast_tiers(history, ahead=2, draws=200, seed=1)
    second = forecast_tiers(build_transitions(history), ahead=2, draws=200, seed=1)

    pd.testing.assert_frame_equal(first.table, second.table)


def test_counts_without_partners_cannot_be_forecast():
    counts = Transitions.from_matrix(pd.DataFrame([[9, 1], [2, 8]], index=list("AB"), columns=list("AB")))

    with pytest.raises(SampleError, match="counts alone have no partners"):
        forecast_tiers(counts, seed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ahead": 9}, "ahead is 9; give"),
        ({"method": "arima"}, "method 'arima' does not"),
        ({"draws": 0}, "draws is 0; an interval needs"),
        ({"draws": 1.5}, "draws is 1.5; an interval needs"),
    ],
)
def test_what_cannot_be_asked_is_refused(history, options, message):
    with pytest.raises(ParameterError, match=message):
        forecast_tiers(history, seed=1, **options)


def test_likely_moves_are_listed_the_likeliest_first(history):
    listed = forecast_tiers(history, draws=200, seed=1).likely_moves()

    assert len(listed) == 300
    assert listed["stays"].is_monotonic_increasing
    assert (listed["now"] != listed["goes_to"]).all()


@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_later_data_change_no_earlier_forecast(history_of, frail_codes, seed):
    """Everything after the origin is thrown away and drawn anew: the forecast stays the same."""
    rng = np.random.default_rng(seed)
    codes = frail_codes(partners=60, quarters=9, rng=rng)[0]
    other = codes.copy()
    other[:, 7:] = rng.integers(0, 3, (60, 2))
    early, late = (forecast_tiers(history_of(one), quarter="2023Q4", ahead=2, draws=50, seed=1) for one in (codes, other))

    pd.testing.assert_frame_equal(early.table, late.table)
    pd.testing.assert_frame_equal(early.partners, late.partners)


def test_order_of_partners_does_not_matter(history):
    mixed = np.random.default_rng(3).permutation(300)
    other = dataclasses.replace(
        history, **{stage: getattr(history, stage)[mixed] for stage in ("raw", "eligible", "held", "published", "reasons")}
    )
    pd.testing.assert_frame_equal(forecast_tiers(history, draws=100, seed=1).table, forecast_tiers(other, draws=100, seed=1).table)


def test_the_same_seed_gives_the_same_forecast(history):
    pd.testing.assert_frame_equal(forecast_tiers(history, seed=7).table, forecast_tiers(history, seed=7).table)


def test_a_forecast_knows_nothing_later(history, history_of):
    early = forecast_tiers(history_of(history.published[:, :8]), seed=1)
    late = forecast_tiers(history, quarter="2024Q1", seed=1)

    pd.testing.assert_frame_equal(early.table, late.table)


def test_a_partial_last_quarter_is_forecast_not_believed(history_of):
    codes = np.zeros((30, 6), dtype=np.int8)
    codes[:, -1] = 2
    partial = [False] * 5 + [True]

    assert forecast_tiers(history_of(codes, partial=partial), seed=1).quarter == "2023Q2"


def test_joiners_are_added_as_of_late(history_of):
    codes = np.full((120, 10), -2, dtype=np.int8)
    for partner in range(120):
        codes[partner, partner // 12 :] = 1
    row = forecast_tiers(history_of(codes), seed=1).table.set_index("tier").loc["B"]

    assert row["joins"] == pytest.approx(12, abs=0.3)
    assert row["estimate"] == pytest.approx(132, abs=2)


def test_the_lapsed_stay_lapsed_without_a_return(history_of):
    codes = np.zeros((50, 8), dtype=np.int8)
    codes[:20, 4:] = -3
    table = forecast_tiers(history_of(codes), seed=1).table.set_index("tier")

    assert table.loc["lapsed", "conf_low"] >= 20


def test_flows_that_change_over_time_fail_a_check(history_of):
    rng = np.random.default_rng(0)
    codes = np.zeros((400, 10), dtype=np.int8)
    for column in range(1, 10):
        codes[:, column] = np.where(rng.random(400) < (0.5 if column > 7 else 0.05), 1 - codes[:, column - 1], codes[:, column - 1])
    checks = {check.name: check.passed for check in forecast_tiers(history_of(codes), seed=1).checks}

    assert checks["Quarters are alike"] is False


def test_alike_quarters_pass_the_check(history):
    assert {check.name: check.passed for check in forecast_tiers(history, seed=1).checks}["Quarters are alike"] is True


@pytest.mark.parametrize("quarter", ["2022Q1", "2022Q2", "2030Q1"])
def test_a_quarter_that_cannot_be_forecast_is_refused(history, quarter):
    with pytest.raises(ParameterError, match=f"a forecast of {quarter} needs two quarters before it"):
        forecast_tiers(history, quarter=quarter, seed=1)


@pytest.mark.parametrize("codes", [[[0, 1, 0, 1]] * 2, [[0, 1]] * 4, np.full((9, 4), -2)])
def test_too_little_is_no_ground_for_a_forecast(history_of, codes):
    with pytest.raises((SampleError, ParameterError), match=r"not enough data for a forecast|needs two quarters"):
        forecast_tiers(history_of(codes), seed=1)


def test_intervals_hold_what_happens_about_as_often_as_they_say(history_of, frail_codes):
    rng = np.random.default_rng(3)
    inside = []
    for seed in range(60):
        history = history_of(frail_codes(partners=150, quarters=12, rng=rng)[0])
        inside.append(compare_forecast(forecast_tiers(history, quarter="2024Q4", draws=200, seed=seed), history=history).table["inside"])

    assert 0.92 < np.mean(inside) <= 0.99


def test_intervals_allow_for_shocks_that_all_partners_share(history_of):
    """Each quarter has its own share of movers, 2 to 30 %: a plain multinomial interval would hold a third of them."""
    rng = np.random.default_rng(4)
    inside = []
    for seed in range(50):
        codes = np.zeros((400, 14), dtype=np.int8)
        codes[:, 0] = rng.random(400) < 0.5
        for column in range(1, 14):
            moves = rng.random(400) < np.where(codes[:, column - 1] == 0, rng.beta(2, 12), rng.beta(2, 12))
            codes[:, column] = np.where(moves, 1 - codes[:, column - 1], codes[:, column - 1])
        history = history_of(codes, tiers=("A", "B"))
        inside.append(compare_forecast(forecast_tiers(history, quarter="2025Q2", draws=400, seed=seed), history=history).table["inside"])

    assert 0.90 < np.mean(inside) <= 1.0


def test_quarters_that_differ_by_chance_only_are_alike():
    rng = np.random.default_rng(0)
    ratios = [quarter_ratio(rng.multinomial(300, [0.8, 0.15, 0.05], (12, 3))) for _ in range(100)]

    assert np.mean(ratios) == pytest.approx(1, abs=0.05)


def _seasonal(rng, *, years, swing, partners=300):
    """Two tiers; in the last quarter of every year movers go up, in the first down."""
    codes = np.zeros((partners, 4 * years), dtype=np.int8)
    codes[:, 0] = rng.random(partners) < 0.5
    for column in range(1, 4 * years):
        up, down = {3: (swing, 0.05), 0: (0.05, swing)}.get(column % 4, (0.1, 0.1))
        moves = rng.random(partners) < np.where(codes[:, column - 1] == 1, up, down)
        codes[:, column] = np.where(moves, 1 - codes[:, column - 1], codes[:, column - 1])
    return codes


def test_a_season_that_shows_is_forecast(history_of):
    rng = np.random.default_rng(2)
    with_season, without = [], []
    for seed in range(25):
        history = history_of(_seasonal(rng, years=4, swing=0.3), tiers=("A", "B"))
        scored = compare_forecast(forecast_tiers(history, quarter="2025Q4", draws=300, seed=seed), history=history)
        flows = estimate_transitions(history_of(history.published[:, :-1], tiers=("A", "B"))).matrix().to_numpy()
        with_season.append(abs(scored.table["error"].iloc[0]))
        without.append(abs(np.bincount(history.published[:, -2], minlength=2) @ flows - scored.table["actual"].to_numpy()[:2])[0])

    assert np.mean(with_season) < 0.6 * np.mean(without)
