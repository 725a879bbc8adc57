"""Indicators mean one thing, or are refused in a line that says what to do."""

import pydantic
import pytest

from partnerlab.errors import SpecError
from partnerlab.panel import Indicator, Indicators
from partnerlab.specs import read_yaml


def _make(**keys):
    return Indicator.model_validate({"name": "x", "from": "deals", **keys})


def _refusal(**keys):
    with pytest.raises(pydantic.ValidationError) as caught:
        _make(**keys)
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "condition",
    [
        "status = 'won'",
        "status in ('won', 'lost') and amount > 1000",
        "not (status = 'open' or closed_at is null)",
        "amount between 10 and 20.5",
        "deal_type is not null and amount >= -1",
        "is_primary",
        "is_primary = true and role <> 'fulfilled'",
        "closed_at > '2026-01-01'",
    ],
)
def test_a_condition_compares_columns_with_values(condition):
    assert _make(where=condition).where == condition


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("status = 'wonn'", "did you mean 'won'"),
        ("stattus = 'won'", "did you mean 'status'"),
        ("amount > '5'", "is a number"),
        ("stage = 5", "is text"),
        ("status", "neither true nor false"),
        ("amount and status = 'won'", "neither true nor false"),
        ("status = 'won'; drop table deals", "not one condition"),
        ("status = (select max(status) from deals)", "may not stand in a condition"),
        ("status in (select status from deals)", "needs a list of values"),
        ("length(status) = 3", "may not stand in a condition"),
        ("read_csv('x') is null", "may not stand in a condition"),
        ("deals.status = 'won'", "without its table"),
        ("amount / 0 > 1", "may not stand in a condition"),
        ("status = 'won' -- and more", "comments"),
        ("status = 'won' /* x */", "comments"),
        ("status like 'w%'", "may not stand in a condition"),
        ("status = $1", "may not stand in a condition"),
        ("case when status = 'won' then true end", "may not stand in a condition"),
        ("status =", "cannot read the condition"),
        ("", "not one condition"),
        ("(" * 500 + "status = 'won'" + ")" * 500, "condition"),
        ("status = 'won' and " * 200 + "status = 'won'", "characters"),
        ("1 = 1", "compares nothing"),
        ("closed_at > 'yesterday'", "write it as '2026-10-01'"),
        ("status is true", "true"),
        ("*", ""),
    ],
)
def test_anything_but_a_condition_is_refused(condition, said):
    assert said in _refusal(where=condition)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"from": "dealz"}, "did you mean 'deals'"),
        ({"from": "fx_rates"}, "belong to no partner"),
        ({"statistic": "sum"}, "needs value"),
        ({"statistic": "sum", "value": "stage"}, "needs a number"),
        ({"statistic": "sum", "value": "amont"}, "did you mean 'amount'"),
        ({"statistic": "share", "value": "amount"}, "neither true nor false"),
        ({"value": "amount"}, "takes no value"),
        ({"statistic": "distinct", "value": "customer_id", "window": 4}, "drop window"),
        ({"at": "stage"}, "neither a date nor an instant"),
        ({"at_least": 2}, "at_least has no meaning"),
        ({"from": "cases", "role": "sourced"}, "role has no meaning"),
        ({"squares": True}, "squares has no meaning"),
        ({"role": "any", "where": "is_primary"}, "name a role"),
        ({"window": 0}, "greater than or equal to 1"),
        ({"window": "4"}, "valid integer"),
        ({"treshold": 4}, "unknown key"),
    ],
)
def test_what_nobody_can_mean_is_refused(keys, said):
    assert said in _refusal(**keys)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("where: status = 'wonn'", r"where: .*status is never 'wonn'; did you mean 'won'"),
        ("at: closed", r"at: .*no column 'closed'; did you mean 'closed_at'"),
        ("at_least: 2", r"at_least: at_least has no meaning"),
        ("window: [4]", r"window: not a whole number; write one such as 2"),
    ],
)
def test_a_mistake_in_yaml_names_file_line_and_key(line, says):
    text = f"indicators:\n  won:\n    from: deals\n    unit: deals\n    {line}\n"

    with pytest.raises(SpecError, match=rf"^mine.yaml, line 5, indicators.won.{says}"):
        Indicators.from_document(read_yaml(text, name="mine.yaml"))


@pytest.mark.parametrize("name", ["win rate", "2nd", "rate_n"])
def test_a_name_must_be_sayable_in_a_condition(name):
    with pytest.raises(SpecError, match="cannot be named"):
        Indicators(indicators={name: {"from": "deals"}})


def test_unknown_is_the_default_where_no_row_says_nothing():
    values = {"count": None, "sum": "amount", "mean": "amount", "share": "status = 'won'", "last": "amount"}
    missing = {kind: _make(statistic=kind, value=value).missing for kind, value in values.items()}

    assert missing == {"count": "zero", "sum": "zero", "mean": "unknown", "share": "unknown", "last": "unknown"}


def test_money_is_known_from_the_contract():
    assert _make(statistic="sum", value="amount_base").money
    assert not _make(statistic="distinct", value="amount").money


def test_equal_rows_share_a_measure():
    assert _make(window=4, name="a").measure == _make(name="b").measure
    assert _make(where="status = 'won'").measure != _make().measure


def test_merging_lets_the_right_win():
    left = Indicators(indicators={"a": {"from": "deals"}, "b": {"from": "deals"}})
    right = Indicators(indicators={"b": {"from": "cases"}, "c": {"from": "cases"}})

    assert {name: (left | right)[name].table for name in (left | right).names} == {"a": "deals", "b": "cases", "c": "cases"}


def test_an_unknown_name_is_met_with_the_nearest():
    with pytest.raises(SpecError, match="did you mean 'leads'"):
        Indicators.load("standard")["leds"]


def test_every_shipped_indicator_says_what_it_means():
    standard = Indicators.load("standard")

    assert all(i.meaning and i.unit and i.name == name for name, i in standard.indicators.items())
