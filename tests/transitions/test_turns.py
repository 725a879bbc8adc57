"""Turning signals: few where nothing turns, and true turns found, dated and sized."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.intake import Truth, simulate_program
from partnerlab.panel import build_panel
from partnerlab.periods import Calendar
from partnerlab.transitions import Activity, build_activity, detect_turns
from partnerlab.transitions.activity import _month


def _activity(*, partners=120, months=24, mean=3.0, seed=0, turned=0, times=1.0, age=3, season=1.0):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(2.0, mean / 2.0, partners)[:, None] * np.ones(months)
    rate[:turned] = 2 * mean
    rate[:turned, months - age :] *= times
    rate = rate * season
    labels = tuple(f"{2025 + month // 12}-{month % 12 + 1:02d}" for month in range(months))
    names = np.array([f"p{place:03d}" for place in range(partners)])
    return Activity(partners=names, labels=labels, counts=rng.poisson(rate), exposure=np.ones(rate.shape), unit="leads")


@pytest.fixture(scope="module")
def waking():
    return detect_turns(_activity(turned=8, times=3.0), seed=1)


@pytest.fixture(scope="module")
def cooling():
    return detect_turns(_activity(turned=8, times=0.1, age=4), seed=1)


def test_where_nobody_turns_signals_are_as_rare_as_stated():
    found = [detect_turns(_activity(seed=seed), false_alarms=2.0, seed=seed).table["signalled"].sum() for seed in range(4)]

    # 9.6 are expected of 480; more than 19 would come twice in a thousand
    assert sum(found) <= 19


def test_partners_who_wake_up_are_found(waking):
    table = waking.table[waking.table["signalled"]]

    assert len(set(table["partner"]) & {f"p{place:03d}" for place in range(8)}) >= 7
    assert (table["direction"] == "up").sum() >= 7


def test_partners_who_cool_down_are_found(cooling):
    table = cooling.table[cooling.table["partner"] <= "p007"]

    assert table["signalled"].sum() >= 6
    assert (table.loc[table["signalled"], "direction"] == "down").all()


def test_size_and_month_of_a_turn_lie_in_their_intervals(waking):
    table = waking.table[waking.table["signalled"] & (waking.table["partner"] <= "p007")]

    assert ((table["conf_low"] <= 3.0) & (table["conf_high"] >= 3.0)).mean() >= 0.7
    assert ((table["since_first"] <= "2026-10") & (table["since_last"] >= "2026-10")).mean() >= 0.7


def test_the_result_says_how_many_would_be_false(waking):
    assert waking.watched == 120
    assert waking.expected_false == pytest.approx(1.2)
    assert "if nobody had turned 1.2 would" in waking.checks[0].detail


def test_larger_turns_and_older_ones_are_found_more_often(waking):
    table = waking.delays.pivot_table(index=["rate", "times"], columns="periods", values="detected").loc[waking.delays["rate"].max()]

    assert table.loc[5.0, 1] > table.loc[2.0, 1]
    assert table.loc[2.0, 12] > table.loc[2.0, 1]
    assert waking.median_delay().query("times == 5")["periods"].iloc[-1] <= 2


def test_foretold_detection_is_what_is_seen():
    results = [detect_turns(_activity(partners=150, turned=15, times=3.0, age=2, seed=seed), seed=seed) for seed in range(3)]
    seen = np.mean([result.table.query("partner <= 'p014'")["signalled"].mean() for result in results])
    told = results[0].delays
    near = told[(told["times"] == 3.0) & (told["periods"] == 2)].set_index("rate")["detected"]

    # those who turned have a rate of 6; the foretold rates lie around it
    assert np.interp(6.0, near.index, near) == pytest.approx(seen, abs=0.15)


def test_a_season_that_all_share_is_no_turn():
    turns = detect_turns(_activity(seed=3, season=np.where(np.arange(24) >= 21, 2.0, 1.0)), seed=1)

    assert turns.table["signalled"].sum() <= 5


def test_the_order_of_partners_does_not_matter():
    one = _activity(turned=5, times=4.0)
    frame = pd.DataFrame({"partner": np.repeat(one.partners, 24), "month": np.tile(one.labels, 120), "leads": one.counts.ravel()})
    two = Activity.from_frame(frame.sample(frac=1.0, random_state=1), count="leads")

    assert np.array_equal(two.counts, one.counts)
    assert detect_turns(two, seed=1).table.equals(detect_turns(one, seed=1).table)


def test_only_the_tiers_asked_for_are_watched_in_the_direction_asked_for(history_of):
    activity = _activity(turned=8, times=3.0)
    codes = np.where(np.arange(120) % 2, 1, 0)[:, None] * np.ones((1, 8), dtype=int)
    history = history_of(codes, tiers=("KEY", "DEMENTORS"), partners=activity.partners)
    turns = detect_turns(activity, history=history, watch={"DEMENTORS": "up"}, seed=1)

    assert turns.watched == 60
    assert set(turns.table["tier"]) == {"DEMENTORS"}
    assert set(turns.table["direction"]) == {"up"}
    with pytest.raises(ParameterError, match="there is no tier 'DEMENTOR'; did you mean 'DEMENTORS'"):
        detect_turns(activity, history=history, watch={"DEMENTOR": "up"}, seed=1)


def test_who_joined_of_late_is_not_watched():
    seen = _activity()
    exposure = seen.exposure.copy()
    exposure[:10, :-4] = 0
    turns = detect_turns(
        Activity(partners=seen.partners, labels=seen.labels, counts=seen.counts * (exposure > 0), exposure=exposure), seed=1
    )

    assert turns.watched == 110
    assert turns.checks[1].detail.startswith("10 of 120 have less than a quarter")


def test_the_series_of_those_who_signal_stand_beside_what_was_expected(waking):
    mine = waking.series[waking.series["partner"] == "p000"]

    assert len(mine) == 24
    assert mine["count"].iloc[-3:].sum() > 2 * mine["expected"].iloc[-3:].sum()


def test_short_data_are_refused():
    with pytest.raises(SampleError, match="activity covers 6 periods; 9 are needed"):
        detect_turns(_activity(months=6), seed=1)


@pytest.mark.parametrize("given", [{"false_alarms": 0.0}, {"window": 1}, {"window": 23}, {"watch": {"KEY": "up"}}])
def test_what_cannot_be_asked_is_refused(given):
    with pytest.raises(ParameterError):
        detect_turns(_activity(partners=40), seed=1, **given)


def test_months_without_a_row_are_zeros_from_the_first_row_on():
    frame = pd.DataFrame({"partner": ["a", "b"], "month": ["2026-01", "2026-03"], "count": [2, 1]})
    seen = Activity.from_frame(frame, last="2026-05")

    assert seen.labels == ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05")
    assert seen.exposure.tolist() == [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]]


def test_weeks_and_dates_are_read_as_iso_weeks():
    weeks = Activity.from_frame(pd.DataFrame({"partner": ["a", "a"], "week": ["2025-W52", "2026-W02"], "count": [2, 1]}), period="week")
    dates = Activity.from_frame(pd.DataFrame({"partner": ["a", "a"], "day": ["2025-12-24", "2026-01-05"], "count": [2, 1]}), period="day")

    assert weeks.labels == dates.labels == ("2025-W52", "2026-W01", "2026-W02")
    assert weeks.per_quarter == 13


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"partner": ["a"], "month": ["2026-13"], "count": [1]}, "1 periods cannot be read"),
        ({"partner": ["a"], "month": ["2026-01"], "count": [-1]}, "no whole count of 0 or more"),
        ({"partner": ["a", "a"], "month": ["2026-01"] * 2, "count": [1, 2]}, "2 rows|1 rows repeat"),
        ({"partner": ["a"], "months": ["2026-01"], "count": [1]}, "no column 'month'; did you mean 'months'"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(frame, said):
    with pytest.raises(ParameterError, match=said):
        Activity.from_frame(pd.DataFrame(frame))


def test_activity_comes_from_a_program_by_the_month():
    source = simulate_program(Truth(n_partners=40, n_quarters=8, first="2024Q1"), seed=3).source()
    months = build_activity(source, indicator="leads", first="2024Q2")
    quarters = build_activity(build_panel(source, first="2024Q2", last="2025Q4", only=["leads"]), indicator="leads")

    assert (months.per_quarter, quarters.per_quarter) == (3, 1)
    assert (months.labels[0], months.labels[-1]) == ("2024-04", "2025-12")
    assert np.array_equal(months.counts.reshape(40, 7, 3).sum(axis=2), quarters.counts)


def test_a_fiscal_quarter_is_counted_by_its_own_months():
    assert [_month("FY2027Q1", Calendar(start_month=4), ends=ends) for ends in (False, True)] == ["2026-04", "2026-06"]
