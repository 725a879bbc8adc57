"""Figures of page one in words: no direction beyond the interval, no number from too few."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.report.changes import compare_pages, restore_metric
from partnerlab.report.metrics import Metric, format_value

SHARE = {"name": "s", "label": "Share", "unit": "share", "n": 300, "estimate": 0.2, "conf_low": 0.16, "conf_high": 0.24, "before": "2026Q2"}


@pytest.mark.parametrize(
    ("low", "high", "direction"),
    [
        (0.01, 0.05, "up"),
        (-0.05, -0.01, "down"),
        (-0.01, 0.05, "no clear change"),
        (-0.0012, -0.0001, "no clear change"),
        (0.0, 0.0, "no clear change"),
    ],
)
def test_up_and_down_are_said_only_where_the_interval_leaves_out_zero(low, high, direction):
    assert Metric(**SHARE, change=(low + high) / 2, change_low=low, change_high=high).direction == direction


def test_a_share_of_too_few_is_not_printed():
    assert Metric(**SHARE | {"n": 3}).value_words() == "not enough data (n = 3)"


@pytest.mark.parametrize(("target", "words"), [(0.1, "above it"), (0.3, "below it"), (0.2, "cannot be told apart from it")])
def test_a_goal_is_judged_by_the_interval(target, words):
    assert Metric(**SHARE, target=target).target_words().endswith(words)


def test_interval_and_n_stand_beside_every_share():
    assert Metric(**SHARE).interval_words() == "95 % interval 16.0 % to 24.0 %, n = 300"


def test_what_is_counted_says_so():
    assert Metric(name="a", label="A", estimate=7, n=7).interval_words() == "counted, n = 7"


def test_a_first_quarter_has_no_change():
    assert Metric(**SHARE | {"before": ""}).change_words() == ""


@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15),
    st.sampled_from(["count", "share", "money", "number"]),
)
def test_any_number_can_be_written(number, unit):
    assert format_value(number, unit=unit, currency="EUR")


@pytest.mark.parametrize(("number", "text"), [(999.6, "EUR 1,000"), (1500, "EUR 1.50 k"), (-2_345_678, "EUR -2.35 M"), (0, "EUR 0")])
def test_money_is_short(number, text):
    assert format_value(number, unit="money", currency="EUR") == text


def test_a_metric_survives_its_record():
    metric = Metric(**SHARE, change=0.01, change_low=-0.02, change_high=0.04)

    assert restore_metric(json.loads(json.dumps(metric.to_dict()))).change_words() == metric.change_words()


def test_a_restated_figure_is_named_with_both_values_and_the_cause():
    old, new = (
        {"data_hash": h, "scheme": "q@1", "metrics": [Metric(**SHARE | {"estimate": e}).to_dict()]} for h, e in (("a", 0.2), ("b", 0.25))
    )

    assert compare_pages(old, new) == ["The data changed.", "Share: 20.0 % before, 25.0 % now."]


def test_a_first_rendering_has_nothing_to_compare():
    assert compare_pages(None, {"metrics": []}) is None


def test_the_same_page_twice_has_no_changes():
    page = {"data_hash": "a", "scheme": "q@1", "metrics": [Metric(**SHARE).to_dict()]}

    assert compare_pages(page, page) == []


def test_a_change_of_the_code_is_named():
    one, other = ({"metrics": [], "code": {"revision": letter * 40}} for letter in "ab")

    assert compare_pages(one, other) == [f"The code changed from {'a' * 12} to {'b' * 12}."]


def test_an_interval_that_is_printed_with_zero_claims_nothing():
    metric = Metric(name="active", label="Active", estimate=90, n=90, change=9.0, change_low=0.02, change_high=18.0, before="2026Q2")

    assert metric.direction == "no clear change"
    assert (
        "-0.0"
        not in Metric(
            name="s", label="S", unit="share", estimate=0.2, n=90, change=-0.0001, change_low=-0.0014, change_high=0.0003, before="2026Q2"
        ).change_words()
    )
