"""Points for rows, by hand: dated rates, the customer's market, a fixed table of currencies; whole numbers to the end."""

from fractions import Fraction

import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError, SampleError
from partnerlab.intake import Program, connect
from partnerlab.panel import Indicator, Indicators, build_panel

YEAR = {"first": "2025Q1", "last": "2025Q4"}


def _built(rows, points, *, program=None, indicator=None, **keys):
    """Points of partner a in each quarter, from rows of the columns that they name."""
    lines = pd.DataFrame(rows).assign(txn_id=[f"t{i}" for i in range(len(rows))], partner_id="a", kind="invoice", amount_base=None)
    frames = {
        "partners": pd.DataFrame({"partner_id": ["a"], "joined_at": ["2024-01-01"], "region": ["emerging"]}),
        "transactions": lines,
        "cases": pd.DataFrame({"case_id": ["k", "l"], "opened_at": ["2025-01-01 12:00", "2025-12-31 12:00"]}),
    }
    source = connect(frames, program=Program(**{"data_until": "2026-01-01", "currency": "USD", **(program or {})}))
    said = {"from": "transactions", "statistic": "sum", "value": "amount", "points": points, **keys}
    return build_panel(source, **YEAR, indicators=Indicators(indicators={"points": said}))


def _row(day, amount, market="established", currency="USD"):
    return {"booked_at": day, "amount": amount, "customer_market": market, "currency": currency}


ONE = {"rates": [{"rate": 1}]}
GROWTH = [{"times": 3, "where": "customer_market = 'growth'"}]


def test_the_rate_is_that_of_the_rows_day():
    points = {"rates": [{"rate": 1, "until": "2025-02-01"}, {"rate": 1.5, "from": "2025-02-01"}]}
    panel = _built([_row("2025-01-31", 100.0), _row("2025-02-01", 100.0), _row("2025-04-01", 10.0)], points)

    assert panel.values("points")[0].tolist() == [250.0, 15.0, 0.0, 0.0]


def test_a_day_begins_where_the_program_is():
    points = {"rates": [{"rate": 1, "until": "2025-02-01"}, {"rate": 2, "from": "2025-02-01"}]}
    rows = [_row("2025-02-01 04:59:59", 1.0), _row("2025-02-01 05:00:00", 10.0)]

    assert _built(rows, points, program={"timezone": "America/New_York"}).values("points")[0, 0] == 21.0


def test_the_customers_market_multiplies_whatever_the_partners_is():
    panel = _built([_row("2025-01-15", 10.0, "growth"), _row("2025-01-15", 10.0)], {**ONE, "multipliers": GROWTH})

    assert panel.values("points")[0, 0] == 40.0  # the partner itself is in an emerging region


def test_all_multipliers_that_hold_are_multiplied():
    both = [*GROWTH, {"times": "0.5", "where": "amount > 50"}]

    assert _built([_row("2025-01-15", 100.0, "growth")], {**ONE, "multipliers": both}).values("points")[0, 0] == 150.0


def test_a_row_that_does_not_name_a_market_is_not_multiplied_and_said():
    panel = _built([_row("2025-01-15", 10.0, None), _row("2025-01-15", 10.0, "growth")], {**ONE, "multipliers": GROWTH})

    assert panel.values("points")[0, 0] == 40.0
    assert "points: 1 of 2 rows of transactions do not say their customer_market: nothing multiplies them" in panel.provenance.notes


def test_currencies_are_turned_by_the_fixed_table_alone():
    rows = [_row("2025-01-15", 10.0, currency="EUR"), _row("2025-06-15", 10.0, currency="EUR"), _row("2025-01-15", 1.0, currency=None)]

    assert _built(rows, {**ONE, "currency": {"EUR": 1.1}}).values("points")[0].tolist() == [12.0, 11.0, 0.0, 0.0]


def test_a_currency_that_the_table_lacks_earns_nothing_and_is_said():
    panel = _built([_row("2025-01-15", 10.0, currency="CHF"), _row("2025-01-15", 1.0)], {**ONE, "currency": {"EUR": 1.1}})

    assert (panel.values("points")[0, 0], panel.n("points")[0, 0]) == (1.0, 1)
    assert any(
        "1 of 2 rows of transactions are in a currency without a number" in note and "CHF" in note for note in panel.provenance.notes
    )


def test_rows_without_a_rate_are_not_counted():
    panel = _built([_row("2025-01-15", 10.0), _row("2025-07-15", 10.0)], {"rates": [{"rate": 1, "from": "2025-07-01"}]})

    assert panel.values("points")[0].tolist() == [0.0, 0.0, 10.0, 0.0]
    assert panel.n("points")[0].tolist() == [0, 0, 1, 0]


def test_without_a_value_every_row_is_worth_its_rate():
    panel = _built(
        [_row("2025-01-15", 99.0, "growth"), _row("2025-01-16", 1.0)], {"rates": [{"rate": 5}], "multipliers": GROWTH}, value=None
    )

    assert panel.values("points")[0, 0] == 20.0


def test_a_window_adds_points_exactly():
    panel = _built([_row(f"2025-{month:02d}-01", 0.1) for month in (1, 4, 7)], {"rates": [{"rate": "0.1"}]}, window=3)

    assert panel.totals["points"].tolist() == [[10, 10, 10, 0]]  # thousandths of a point
    assert panel.values("points")[0, 2] == 0.03


@given(
    st.lists(st.tuples(st.integers(-(10**6), 10**6), st.booleans(), st.sampled_from(["USD", "EUR"])), min_size=1, max_size=12),
    st.sampled_from(["1", "0.333333", "2.5"]),
    st.sampled_from(["3", "1.07"]),
    st.sampled_from(["1.1", "0.9371"]),
)
@settings(deadline=None, max_examples=4)
def test_points_are_exact_to_the_last_digit(rows, rate, times, euro):
    table = [_row("2025-01-15", cents / 100, "growth" if grows else "established", currency) for cents, grows, currency in rows]
    points = {
        "rates": [{"rate": rate}],
        "multipliers": [{"times": times, "where": "customer_market = 'growth'"}],
        "currency": {"EUR": euro},
    }
    panel = _built(table, points)
    exact = sum(
        Fraction(cents, 100) * Fraction(rate) * (Fraction(times) if grows else 1) * (Fraction(euro) if currency == "EUR" else 1)
        for cents, grows, currency in rows
    )

    assert Fraction(int(panel.totals["points"][0, 0]), panel.indicators["points"].scale) == exact


def test_more_than_can_be_exact_is_refused_in_one_line():
    points = {"rates": [{"rate": "999999.999999"}], "multipliers": [{"times": "1.000001", "where": "amount > 0"}]}
    with pytest.raises(SampleError, match="fewer decimals"):
        _built([_row("2025-01-15", 9e9)], points)


def test_a_multiplier_needs_its_column():
    rows = [{"booked_at": "2025-01-15", "amount": 10.0}]
    with pytest.raises(MissingTableError, match=r"needs column transactions\.customer_market"):
        _built(rows, {**ONE, "multipliers": GROWTH})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"points": {"rates": [{"rate": 1}, {"rate": 2}]}}, "two rates hold on every day"),
        ({"points": {"rates": [{"rate": 1, "until": "2025-03-01"}, {"rate": 2, "from": "2025-02-01"}]}}, "two rates hold on 2025-02-01"),
        ({"points": {"rates": [{"rate": 1, "from": "2025-03-01", "until": "2025-02-01"}]}}, "before it begins"),
        ({"points": {"rates": [{"rate": -1}]}}, "lies between 0 and"),
        ({"points": {"rates": [{"rate": "0.1234567"}]}}, "at most 6 decimals"),
        ({"points": {"rates": [{"rate": "much"}]}}, "a factor is a number"),
        ({"points": {"rates": []}}, "at least 1 item"),
        (
            {"points": {"rates": [{"rate": 2, "from": "2025-04-01"}, {"rate": 1, "until": "2025-03-01"}]}},
            "no rate holds from 2025-03-01 until 2025-04-01; close the gap, or say there that the rate is 0",
        ),
        (
            {"points": {"rates": [{"rate": 1}], "multipliers": [{"times": 2, "where": "custmer_market = 'x'"}]}},
            "did you mean 'customer_market'",
        ),
        ({"points": {"rates": [{"rate": 1}], "currency": {"EUR": 1.1}}, "value": "amount_base"}, "take value: amount"),
        ({"points": {"rates": [{"rate": 1}]}, "statistic": "mean"}, "points has no meaning for statistic mean"),
        ({"points": {"rates": [{"rate": 1}]}, "squares": True}, "squares has no meaning"),
    ],
)
def test_points_that_nobody_can_mean_are_refused(keys, said):
    with pytest.raises(pydantic.ValidationError) as caught:
        Indicator.model_validate({"name": "x", "from": "transactions", "statistic": "sum", "value": "amount", **keys})
    assert said in caught.value.errors()[0]["msg"]
