"""Hazards by calendar, season, tenure and attribute: by hand, laws, refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ContractError, ParameterError
from partnerlab.periods import Calendar
from partnerlab.spells import Spells
from partnerlab.stats.inference.intervals import share_interval
from partnerlab.survival import estimate_hazard

CALENDAR = Calendar()
Q1 = CALENDAR.parse("2024Q1")

# an estimate takes tens of milliseconds when the machine is busy: fewer examples, no deadline
FEW = settings(max_examples=40, deadline=None)


def spells(frame):
    return Spells.from_frame(pd.DataFrame(frame), calendar=CALENDAR)


# a: there at the end of 2024Q1, gone in 2024Q3; b: from 2024Q2 on; a comes back in 2025Q1 and is gone in 2025Q2
BY_HAND = {
    "partner": ["a", "b", "a"],
    "spell": [1, 1, 2],
    "start": [Q1, Q1 + 1, Q1 + 4],
    "duration": [2, 4, 1],
    "event": ["lapsed", "", "lapsed"],
    "region": ["north", "south", "north"],
}


def test_hazard_by_quarter_is_the_share_of_those_there_before_who_left():
    table = estimate_hazard(spells(BY_HAND)).table

    assert table["quarter"].tolist() == ["2024Q2", "2024Q3", "2024Q4", "2025Q1", "2025Q2"]
    assert table["n"].tolist() == [1, 2, 1, 1, 2]
    assert table["estimate"].tolist() == [0, 0.5, 0, 0, 0.5]


def test_hazard_by_quarter_has_the_plain_share_interval():
    table = estimate_hazard(spells(BY_HAND)).table

    low, high = share_interval(0.5, 2)
    assert table.loc[1, ["conf_low", "conf_high"]].tolist() == pytest.approx([float(low), float(high)])


def test_hazard_by_season_pools_the_years():
    table = estimate_hazard(spells(BY_HAND), by="season").table.set_index("season")

    assert table["n"].to_dict() == {"Q1": 1, "Q2": 3, "Q3": 2, "Q4": 1}
    assert table["events"].to_dict() == {"Q1": 0, "Q2": 1, "Q3": 1, "Q4": 0}


def test_hazard_by_tenure_counts_a_returning_partner_once():
    table = estimate_hazard(spells(BY_HAND), by="tenure").table

    assert table["n"].tolist() == [3, 2, 1, 1]
    assert table["partners"].tolist() == [2, 2, 1, 1]
    # the two trials of partner a at tenure 1, residuals -1/3 and 2/3, against -1/3 of partner b
    assert table["std_error"].iloc[0] == pytest.approx(np.sqrt(max((1 / 9 + 1 / 9) / 9 * 2, 2 / 9 / 3)))


def test_hazard_by_attribute_clusters_the_quarters_of_a_partner():
    table = estimate_hazard(spells(BY_HAND), by="region").table.set_index("region")

    assert table["estimate"].to_dict() == {"north": pytest.approx(2 / 3), "south": 0.0}
    assert table["partners"].to_dict() == {"north": 1, "south": 1}


def test_time_and_attribute_can_be_crossed():
    table = estimate_hazard(spells(BY_HAND), by=("region", "quarter")).table

    assert list(table.columns[:2]) == ["region", "quarter"]
    assert table.groupby("region")["n"].sum().to_dict() == {"north": 3, "south": 4}


def test_unknown_starts_count_by_quarter_but_not_by_tenure():
    told = spells({**BY_HAND, "start_known": [False, True, True]})

    assert estimate_hazard(told).table["n"].sum() == 7
    assert estimate_hazard(told, by="tenure").table["n"].sum() == 5


def test_the_renewal_season_is_named():
    rng = np.random.default_rng(5)
    start = Q1 + rng.integers(0, 4, 400)
    # everyone leaves in the first Q1 after three quarters or more
    duration = (Q1 + 8) - start
    event = np.where(rng.random(400) < 0.5, "lapsed", "")
    season = estimate_hazard(
        spells({"partner": [f"p{index}" for index in range(400)], "start": start, "duration": duration, "event": event})
    )

    found = [check.detail for check in season.checks if check.name == "Renewal season"]
    assert found[0].startswith("Q1 has the highest hazard")
    assert "more than chance" in found[0]


def test_the_steepest_tenure_is_named():
    # a fifth leaves with the first renewal after four quarters, hardly anybody before or after
    told = spells(
        {"partner": [f"p{index}" for index in range(200)], "duration": [4] * 40 + [8] * 160, "event": ["lapsed"] * 42 + [""] * 158}
    )

    found = [check.detail for check in estimate_hazard(told, by="tenure").checks if check.name == "Steepest tenure"]
    assert found[0].startswith("Quarter 4 after the start has the highest hazard, 20.0% a quarter against 0.2%")


def test_no_spells_give_an_empty_table_that_says_so():
    nothing = estimate_hazard(spells(BY_HAND).select([False] * 3))

    assert len(nothing.table) == 0
    assert any("not enough data (n = 0)" in check.detail for check in nothing.checks)


@pytest.mark.parametrize(
    ("by", "message"),
    [("regoin", "did you mean 'region'"), (("quarter", "tenure"), "at most one of"), ("month", "ask by='quarter'")],
)
def test_what_does_not_exist_is_refused(by, message):
    with pytest.raises(ParameterError, match=message):
        estimate_hazard(spells(BY_HAND), by=by)


@pytest.mark.parametrize(
    ("table", "by", "message"),
    [
        ({"partner": ["a"], "duration": [1.5], "event": [""]}, "tenure", "1 spells have fractions"),
        ({"partner": ["a"], "duration": [1], "event": [""]}, "quarter", "no place in the calendar"),
    ],
)
def test_spells_that_cannot_answer_are_refused(table, by, message):
    with pytest.raises(ContractError, match=message):
        estimate_hazard(Spells.from_frame(pd.DataFrame(table)), by=by)


@st.composite
def frames(draw):
    n = draw(st.integers(1, 12))
    partner = draw(st.lists(st.sampled_from("abcd"), min_size=n, max_size=n))
    duration = draw(st.lists(st.integers(1, 5), min_size=n, max_size=n))
    event = draw(st.lists(st.sampled_from(["lapsed", ""]), min_size=n, max_size=n))
    table = pd.DataFrame({"partner": partner, "duration": duration, "event": event})
    table["spell"] = table.groupby("partner").cumcount() + 1
    # one after the other, with a quarter between
    table["start"] = Q1 + table.groupby("partner")["duration"].cumsum() - table["duration"] + table["spell"]
    return table.assign(region=np.where(np.arange(n) % 2, "north", "south"))


@FEW
@given(frames())
def test_every_way_of_cutting_counts_the_same_trials_and_endings(frame):
    told = spells(frame)

    tables = [estimate_hazard(told, by=by).table for by in ("quarter", "season", "tenure", "region", ("region", "season"))]

    assert {table["n"].sum() for table in tables} == {frame["duration"].sum()}
    assert {table["events"].sum() for table in tables} == {(frame["event"] != "").sum()}
    assert all((table["conf_low"].fillna(0) <= table["estimate"]).all() for table in tables)


@FEW
@given(frames())
def test_standard_errors_equal_the_sum_over_partners(frame):
    table = estimate_hazard(spells(frame), by="tenure").table

    for row in table.itertuples():
        at_risk = frame[frame["duration"] >= row.tenure]
        residual = ((at_risk["duration"] == row.tenure) & (at_risk["event"] != "")) - row.estimate
        parts = residual.groupby(at_risk["partner"]).sum()
        size = len(parts)
        clustered = (parts**2).sum() / row.n**2 * (size / (size - 1) if size > 1 else 1)
        plain = row.estimate * (1 - row.estimate) / row.n
        expected = plain if size == row.n else max(clustered, plain)
        if plain > 0:
            assert row.std_error**2 == pytest.approx(expected, abs=1e-12)


def test_a_low_hazard_of_the_first_year_is_called_a_honeymoon():
    random = np.random.default_rng(2)
    late = 4 + random.geometric(0.2, 300)
    frame = pd.DataFrame({"partner": range(300), "duration": np.minimum(late, 12), "event": (late <= 12).astype(int)})
    checks = {check.name: check.detail for check in estimate_hazard(Spells.from_frame(frame), by="tenure").checks}

    assert "first 4 quarters 0.0%" in checks["Honeymoon"]
    assert checks["Honeymoon"].endswith(", fewer than chance would give: a honeymoon.")


def test_a_hazard_that_is_the_same_throughout_is_no_honeymoon():
    life = np.random.default_rng(2).geometric(0.15, 300)
    frame = pd.DataFrame({"partner": range(300), "duration": np.minimum(life, 12), "event": (life <= 12).astype(int)})
    checks = {check.name: check.detail for check in estimate_hazard(Spells.from_frame(frame), by="tenure").checks}

    assert checks["Honeymoon"].endswith("no honeymoon is seen.")
