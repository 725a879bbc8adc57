"""The only clock: labels, boundaries, fiscal years, time zones."""

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.errors import ParameterError, SpecError
from partnerlab.periods import Calendar

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
