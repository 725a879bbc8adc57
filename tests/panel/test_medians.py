"""Medians by hand, by law and against pandas: the rows of the window decide, never the medians of its periods."""

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.intake import Program, connect
from partnerlab.panel import Indicator, Indicators, Panel, build_panel, compare_panels

YEAR = {"first": "2025Q1", "last": "2025Q4"}
MONTH_OF = {1: "02", 2: "05", 3: "08", 4: "11"}


def _source(rows):
    """Transactions of (partner, quarter, amount); cases keep the data's span."""
    lines = pd.DataFrame({
        "txn_id": [f"t{i}" for i in range(len(rows))], "partner_id": [row[0] for row in rows],
        "booked_at": [f"2025-{MONTH_OF[row[1]]}-10" for row in rows], "kind": "invoice", "amount": [row[2] for row in rows],
    })  # fmt: skip
    frames = {
        "partners": pd.DataFrame({"partner_id": ["a", "b"], "joined_at": "2024-01-01"}),
        "transactions": lines,
        "cases": pd.DataFrame({"case_id": ["k", "l"], "opened_at": ["2025-01-01 12:00", "2025-12-31 12:00"]}),
    }
    return connect(frames, program=Program(data_until="2026-01-01"))


def _median(rows, **keys):
    said = {"from": "transactions", "statistic": "median", "value": "amount", **keys}
    return build_panel(_source(rows), **YEAR, indicators=Indicators(indicators={"typical": said}))


def test_the_middle_value_or_the_mean_of_the_two_in_the_middle():
    panel = _median([("a", 1, 1.01), ("a", 1, 5.0), ("a", 1, 90.0), ("a", 2, 10.0), ("a", 2, 10.01), ("b", 4, 7.0)])

    np.testing.assert_array_equal(panel.values("typical"), [[5.0, 10.005, np.nan, np.nan], [np.nan, np.nan, np.nan, 7.0]])


def test_a_window_takes_all_its_rows_together():
    panel = _median([("a", 1, 1.0), ("a", 1, 1.0), ("a", 1, 1.0), ("a", 2, 9.0), ("a", 3, 5.0)], window=3)

    assert panel.values("typical")[0].tolist()[2:] == [1.0, 7.0]  # a median of medians would say 5
    assert panel.n("typical")[0].tolist() == [3, 4, 5, 2]


def test_too_few_rows_are_unknown():
    panel = _median([("a", 1, 1.0), ("a", 2, 3.0), ("a", 2, 5.0)], min_n=2)

    np.testing.assert_array_equal(panel.values("typical")[0], [np.nan, 4.0, np.nan, np.nan])


def test_no_row_is_zero_where_the_rule_says_so():
    assert _median([("a", 2, 3.0)], missing="zero").values("typical")[0].tolist() == [0.0, 3.0, 0.0, 0.0]


def test_ties_and_negative_values_are_in_order():
    panel = _median([("a", 1, -5.0), ("a", 1, -5.0), ("a", 1, 2.0), ("a", 1, 2.0)])

    assert panel.values("typical")[0, 0] == -1.5


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 4), st.integers(-500, 500).map(lambda cents: cents / 100)), min_size=1, max_size=30
)


@given(ROWS, st.integers(1, 4))
@settings(deadline=None, max_examples=4)
def test_medians_are_those_of_pandas_over_the_windows_rows(rows, window):
    panel = _median(rows, window=window)
    frame = pd.DataFrame(rows, columns=["partner", "quarter", "amount"])
    for row, partner in enumerate(panel.partners):
        for column in range(window - 1, 4):
            inside = frame[(frame["partner"] == partner) & frame["quarter"].between(column + 2 - window, column + 1)]["amount"]
            np.testing.assert_allclose(panel.values("typical")[row, column], inside.median(), atol=1e-12)


@given(ROWS)
@settings(deadline=None, max_examples=4)
def test_doubling_every_row_changes_no_median(rows):
    np.testing.assert_array_equal(_median(rows + rows).values("typical"), _median(rows).values("typical"))


def test_a_frame_brings_its_own_medians_and_their_rows():
    wanted = Indicators(indicators={"apps": {"from": "frame", "statistic": "median", "min_n": 3}})
    table = pd.DataFrame({"partner": ["a", "a"], "quarter": ["2026Q1", "2026Q2"], "apps": [4.5, 6.0], "apps_n": [10, 2]})

    np.testing.assert_array_equal(Panel.from_frame(table, indicators=wanted).values("apps"), [[4.5, np.nan]])


def test_a_window_over_a_frames_medians_is_refused():
    with pytest.raises(pydantic.ValidationError, match="a frame holds medians, not the rows"):
        Indicator.model_validate({"from": "frame", "statistic": "median", "window": 4})


def test_a_restated_median_is_seen():
    before, after = _median([("a", 1, 1.0), ("b", 1, 3.0)]), _median([("a", 1, 2.0), ("b", 1, 3.0)])
    found = compare_panels(before, other=after)

    assert found[["partners_changed", "before", "after"]].to_numpy().tolist() == [[1, 2.0, 2.5]]
