"""Waiting times from panels and histories: what counts, what competes, what is left out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError, ParameterError
from partnerlab.panel import Panel
from partnerlab.spells import build_first_events
from partnerlab.survival import estimate_hazard, estimate_incidence
from partnerlab.tiers.history import TierHistory

QUARTERS = [f"{year}Q{quarter}" for year in (2024, 2025) for quarter in (1, 2, 3, 4)]


def panel(deals, state):
    """Panel of rows of deals and of states, one string of letters (n, a, l) per partner."""
    words = {"n": "not_yet", "a": "active", "l": "lapsed"}
    rows = [
        {"partner": f"p{index}", "quarter": QUARTERS[place], "deals": count, "state": words[letter]}
        for index, (counts, letters) in enumerate(zip(deals, state, strict=True))
        for place, (count, letter) in enumerate(zip(counts, letters, strict=True))
    ]
    return Panel.from_frame(pd.DataFrame(rows))


def waits(spells):
    return spells.frame[["partner", "duration", "event"]].astype({"event": str}).to_numpy().tolist()


def test_the_quarter_of_joining_is_the_first_of_the_clock():
    found = build_first_events(panel([[0, 0, 3, 0], [0, 2, 0, 1]], ["naaa", "naaa"]), until="deals")

    assert waits(found) == [["p0", 2, "first deals"], ["p1", 1, "first deals"]]


def test_leaving_first_competes_and_the_end_of_the_data_censors():
    found = build_first_events(panel([[0, 0, 0, 0], [0, 0, 0, 0]], ["naal", "nnaa"]), until="deals")

    assert waits(found) == [["p0", 3, "lapsed"], ["p1", 2, ""]]


def test_a_deal_in_the_quarter_of_leaving_came_first():
    found = build_first_events(panel([[0, 0, 0, 5]], ["naal"]), until="deals")

    assert waits(found) == [["p0", 3, "first deals"]]


def test_who_was_there_before_the_data_begin_is_left_out_and_counted():
    found = build_first_events(panel([[1, 0, 0], [0, 1, 0]], ["aaa", "naa"]), until="deals")

    assert waits(found) == [["p1", 1, "first deals"]]
    assert found.checks[0].passed is False
    assert found.checks[0].detail.startswith("1 of 2")


def test_the_event_falls_in_its_calendar_quarter():
    found = build_first_events(panel([[0, 0, 3, 0], [0, 0, 0, 0]], ["naaa", "naaa"]), until="deals")
    hazard = estimate_hazard(found, by="quarter").table.set_index("quarter")

    assert hazard.loc["2024Q3", ["events", "n"]].tolist() == [1, 2]
    assert hazard.loc["2024Q2", "events"] == 0


def test_a_return_is_waited_for_from_each_lapse():
    found = build_first_events(panel([[0] * 6], ["naalla"]), until="return")
    never = build_first_events(panel([[0] * 6], ["naalll"]), until="return")

    assert waits(found) == [["p0", 2, "return"]]
    assert waits(never) == [["p0", 2, ""]]


def history(rows):
    frame = pd.DataFrame(rows, columns=["partner", "quarter", "tier"])
    return TierHistory.from_frame(frame, order=["Gold", "Silver", "Bronze"])


def test_a_higher_tier_counts_as_reaching_a_lower_one():
    told = history([["z", "2024Q1", "Bronze"], ["z", "2024Q2", "Bronze"], ["z", "2024Q3", "Bronze"], ["z", "2024Q4", "Bronze"],
                    ["a", "2024Q2", "Bronze"], ["a", "2024Q3", "Gold"], ["a", "2024Q4", "Gold"]])  # fmt: skip

    assert waits(build_first_events(told, until="Silver")) == [["a", 2, "reached Silver"]]
    assert waits(build_first_events(told, until="Silver", or_higher=False)) == [["a", 3, ""]]


def test_time_until_leaving_counts_from_joining():
    told = history([["z", "2024Q1", "Gold"], ["z", "2024Q4", "Gold"], ["a", "2024Q2", "Gold"], ["a", "2024Q3", "Gold"]])

    assert ["a", 3, "lapsed"] in waits(build_first_events(told, until="lapsed"))


def test_an_unknown_indicator_is_refused():
    with pytest.raises(MissingTableError, match="did you mean 'deals'"):
        build_first_events(panel([[0, 1]], ["na"]), until="dealz")


def test_an_unknown_tier_is_refused():
    with pytest.raises(ParameterError, match="did you mean 'Silver'"):
        build_first_events(history([["a", "2024Q1", "Gold"], ["b", "2024Q2", "Silver"]]), until="Silvr")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_each_wait_ends_where_a_walk_through_the_quarters_ends_it(seed):
    random = np.random.default_rng(seed)
    n, t = 6, 7
    join, life = random.integers(0, t, n), random.integers(1, t + 3, n)
    state = ["".join("n" if q < j else "a" if q < j + ell else "l" for q in range(t)) for j, ell in zip(join, life, strict=True)]
    deals = random.random((n, t)) < 0.2
    found = {row[0]: row[1:] for row in waits(build_first_events(panel(deals.astype(int), state), until="deals"))}

    for index in range(n):
        j = join[index]
        if j == 0:
            assert f"p{index}" not in found
            continue
        ended = next(
            ((q, "first deals" if deals[index, q] else "lapsed") for q in range(j, t) if deals[index, q] or state[index][q] == "l"), None
        )
        expected = [ended[0] - j + 1, ended[1]] if ended else [t - j, ""]
        assert found[f"p{index}"] == expected


def test_an_incidence_of_waits_can_be_read():
    found = build_first_events(panel([[0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]], ["naaa", "naal", "naaa"]), until="deals")

    ways = estimate_incidence(found).at([3.0]).set_index("cause")["estimate"]

    assert ways.loc["first deals"] == pytest.approx(2 / 3)
