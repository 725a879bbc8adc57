"""The only clock: labels, boundaries, fiscal years, time zones."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.errors import ParameterError, SpecError
from partnerlab.periods import Calendar, read_dates

CALENDARS = st.builds(
    Calendar,
    start_month=st.integers(1, 12),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
    cadence=st.sampled_from(["quarter", "month"]),
)


@given(CALENDARS, st.integers(1950 * 12, 2100 * 12))
def test_a_label_names_one_period_and_back(calendar, period):
    assert calendar.parse(calendar.label(period)) == period


@given(CALENDARS, st.datetimes(datetime(1971, 1, 1), datetime(2090, 1, 1)))
def test_an_instant_lies_between_the_edges_of_its_period(calendar, instant):
    period = calendar.period_of(instant)
    low, high = calendar.bounds_utc(period, period)

    assert low <= np.datetime64(instant) < high


@given(CALENDARS, st.dates(date(1971, 1, 1), date(2090, 1, 1)))
def test_a_date_lies_between_the_days_of_its_period(calendar, day):
    period = calendar.period_of_date(day)
    low, high = calendar.bounds_date(period, period)

    assert low <= np.datetime64(day) < high


def test_the_time_zone_moves_an_event_into_the_next_quarter():
    late = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)

    assert Calendar().label(Calendar().period_of(late)) == "2026Q1"
    assert Calendar(timezone="Europe/Berlin").label(Calendar(timezone="Europe/Berlin").period_of(late)) == "2026Q2"


def test_a_fiscal_year_is_named_after_the_year_it_ends_in():
    fiscal = Calendar(start_month=4)

    assert fiscal.label(fiscal.period_of_date(date(2026, 3, 31))) == "FY2026Q4"
    assert fiscal.start(fiscal.parse("FY2027Q1")) == date(2026, 4, 1)


def test_a_calendar_refuses_labels_of_another_calendar():
    with pytest.raises(ParameterError, match="'2026Q5' is not a quarter"):
        Calendar().parse("2026Q5")
    with pytest.raises(ParameterError, match="like 'FY2026Q3'"):
        Calendar(start_month=4).parse("2026Q3")
    with pytest.raises(ParameterError, match="not a month"):
        Calendar(cadence="month").parse("2026-13")


def test_a_calendar_refuses_what_does_not_exist():
    with pytest.raises(SpecError, match="IANA"):
        Calendar(timezone="Mars/Olympus")
    with pytest.raises(SpecError, match="1 to 12"):
        Calendar(start_month=13)


def test_a_range_runs_forward():
    assert Calendar().labels(Calendar().range("2025Q4", "2026Q2")) == ["2025Q4", "2026Q1", "2026Q2"]
    with pytest.raises(ParameterError, match="swap them"):
        Calendar().range("2026Q2", "2025Q4")


def test_empty_cells_of_every_kind_are_no_date():
    read = read_dates(pd.Series([None, float("nan"), pd.NaT, "", "2026-01-02"], dtype=object), name="x")

    assert read.isna().tolist() == [True, True, True, True, False]


def test_instants_come_in_utc_and_days_as_the_wall_had_them():
    written = pd.Series(["2026-01-01T00:30+02:00", pd.Timestamp("2026-01-01 00:30", tz="Europe/Berlin")], dtype=object)

    assert read_dates(written, name="x").dt.strftime("%Y-%m-%d %H").tolist() == ["2025-12-31 22", "2025-12-31 23"]
    assert read_dates(written, name="x", wall=True).dt.strftime("%Y-%m-%d").tolist() == ["2026-01-01"] * 2


@pytest.mark.parametrize("kind", ["object", "str", "category", "datetime64[s]", "datetime64[ns, UTC]", "date32[day][pyarrow]"])
def test_a_day_is_the_same_in_every_column_type(kind):
    days = pd.Series([date(2026, 1, 2), None]) if "date32" in kind else pd.Series(["2026-01-02", None])
    days = pd.to_datetime(days).dt.tz_localize("UTC") if "UTC" in kind else days.astype(kind)
    read = read_dates(days, name="x")

    assert read[0] == pd.Timestamp("2026-01-02")
    assert pd.isna(read[1])
