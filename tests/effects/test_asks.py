"""Gives before an ask: counted by hand, whatever the order of rows, and their worth found again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab import build_asks, estimate_dose
from partnerlab.errors import MissingTableError, ParameterError

START = pd.Timestamp("2026-01-01", tz="UTC")


def _log(rows):
    partner, day, direction = zip(*rows, strict=True)
    at = START + pd.to_timedelta(day, unit="D")
    return pd.DataFrame({"partner_id": partner, "occurred_at": at, "direction_of_value": direction, "manager_id": "m"})


LOG = _log([("a", 0, "give"), ("a", 3, "give"), ("a", 5, "ask"), ("a", 9, "ask"), ("a", 20, "give"), ("a", 20, "ask"), ("b", 4, "ask")])
LEADS = pd.DataFrame({"partner_id": ["a", "a", "b"], "occurred_at": START + pd.to_timedelta([4, 12, 40], unit="D")})
END = START + pd.Timedelta(days=100)


def test_gives_count_since_the_last_ask_and_results_before_and_after():
    asks = build_asks(LOG, results=LEADS, days=10, until=END, manager="manager_id")

    assert asks["partner"].tolist() == ["a", "a", "a", "b"]
    assert asks["gives"].tolist() == [2, 0, 1, 0]
    assert asks["asks_before"].tolist() == [0, 1, 2, 0]
    assert asks["results_before"].tolist() == [1, 1, 1, 0]
    assert asks["result"].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert asks["manager"].tolist() == ["m"] * 4


def test_asks_whose_days_are_not_over_have_no_result_yet():
    asks = build_asks(LOG, results=LEADS, days=10, until=START + pd.Timedelta(days=25))

    assert asks["result"].isna().tolist() == [False, False, True, False]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.sampled_from(["give", "ask"])), min_size=1, max_size=25), st.randoms()
)
def test_the_order_of_rows_does_not_matter_and_gives_add_up(rows, turn):
    rows = [*rows, ("a", 61, "ask")]
    turned = rows[:]
    turn.shuffle(turned)
    one, other = (build_asks(_log(part), results=LEADS, until=END) for part in (rows, turned))

    pd.testing.assert_frame_equal(one, other)
    last = {name: max([day for who, day, kind in rows if who == name and kind == "ask"], default=-1) for name in "abc"}
    expected = sum(kind == "give" and day <= last[who] for who, day, kind in rows)
    assert one["gives"].sum() == expected or one["gives"].max() == 5


def test_each_give_is_worth_what_it_was_made_to_be_worth():
    rng = np.random.default_rng(0)
    rows, leads = [], []
    for partner in range(400):
        gives = int(rng.integers(0, 4))
        rows += [(f"p{partner}", int(day), "give") for day in rng.integers(0, 30, gives)] + [(f"p{partner}", 40, "ask")]
        if rng.random() < 0.2 + 0.15 * gives:
            leads.append((f"p{partner}", 50))
    found = pd.DataFrame(
        {"partner_id": [who for who, _ in leads], "occurred_at": START + pd.to_timedelta([day for _, day in leads], unit="D")}
    )
    asks = build_asks(_log(rows), results=found, days=30, until=END)
    line = estimate_dose(asks, dose="gives", outcome="result", material=0.3).table.iloc[-1]

    assert line["conf_low"] < 0.15 < line["conf_high"]
    assert line["finding"] == "more"


def test_logs_that_cannot_be_read_are_refused_in_one_line():
    with pytest.raises(MissingTableError, match="activities: no column 'direction_of_value'"):
        build_asks(LOG.drop(columns="direction_of_value"), results=LEADS)
    with pytest.raises(MissingTableError, match="results: no column 'booked_at'"):
        build_asks(LOG, results=LEADS, result_at="booked_at")
    with pytest.raises(ParameterError, match="'gift' is neither 'give' nor 'ask'"):
        build_asks(LOG.replace("give", "gift"), results=LEADS)
    with pytest.raises(ParameterError, match="no row is an ask"):
        build_asks(LOG[LOG["direction_of_value"] == "give"], results=LEADS)
    with pytest.raises(ParameterError, match="days is 0"):
        build_asks(LOG, results=LEADS, days=0)


def test_instants_in_text_or_with_a_zone_count_as_the_same():
    wanted = build_asks(LOG, results=LEADS, days=10, until=END)
    bare = LEADS.assign(occurred_at=LEADS["occurred_at"].dt.tz_localize(None))
    found = build_asks(LOG.assign(occurred_at=LOG["occurred_at"].astype(str)), results=bare, days=10, until=END.tz_localize(None))

    pd.testing.assert_frame_equal(found.drop(columns="at"), wanted.drop(columns="at"))


@pytest.mark.parametrize(
    ("column", "given", "said"), [("occurred_at", "soon", "hold no date"), ("partner_id", None, "gives and asks have none")]
)
def test_a_give_of_nobody_or_at_no_time_is_refused(column, given, said):
    with pytest.raises(ParameterError, match=said):
        build_asks(LOG.assign(**{column: given}), results=LEADS)
