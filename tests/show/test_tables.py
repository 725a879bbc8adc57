"""Tables: a caption, heads with scope, aligned numbers, intervals and n, and "not enough data" where there is not."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError
from partnerlab.results import Result
from partnerlab.show import TableView, tabulate
from partnerlab.show.flows import matrix_view

TABLE = pd.DataFrame(
    {
        "tier": ["KEY & CO", "BZ"],
        "estimate": [0.12, np.nan],
        "std_error": [0.02, np.nan],
        "conf_low": [0.09, np.nan],
        "conf_high": [0.16, np.nan],
        "n": [2400, 3],
        "moves": [30, 0],
    }
)
RESULT = Result(estimand="Share of partners <in> a tier", table=TABLE)


def parsed(view):
    return ET.fromstring(view.html())


def test_a_result_is_written_with_interval_and_n():
    view = tabulate(RESULT, kind="share")

    assert view.heads == ("tier", "estimate", "95\u00a0% interval", "n", "moves")
    assert view.rows[0] == ("KEY & CO", "12\u00a0%", "9 to 16", "2,400", "30")


def test_too_little_data_is_said_not_guessed():
    assert tabulate(RESULT, kind="share").rows[1][1] == "not enough data (n\u00a0=\u00a03)"


def test_the_html_is_well_formed_with_caption_and_scopes():
    root = parsed(tabulate(RESULT, kind="share"))
    table = root.find("table")

    assert table.find("caption/span").text == "Share of partners <in> a tier"
    assert {head.get("scope") for head in table.iter("th")} == {"col", "row"}
    assert all((head.text or "").strip() for head in table.iter("th"))
    assert len(table.findall("tbody/tr")) == 2


def test_numbers_are_aligned_and_the_scrolling_part_can_be_reached_by_keyboard():
    root = parsed(tabulate(RESULT, kind="share"))

    assert root.get("tabindex") == "0"
    assert root.get("aria-label")
    assert "tabular-nums" in root.find("table/tbody/tr/td").get("style")


def test_the_csv_holds_the_numbers_and_not_the_words():
    pd.testing.assert_frame_equal(tabulate(RESULT, kind="share").frame, TABLE)


def test_times_are_written_as_whole_numbers():
    table = TABLE.rename(columns={"tier": "time"}).assign(time=[4.0, 4.5])

    assert [row[0] for row in tabulate(Result(estimand="Still there", table=table)).rows] == ["4", "4.5"]


def test_a_long_table_says_what_it_leaves_out():
    view = tabulate(RESULT, rows=1)

    assert len(view.rows) == 1
    assert view.caption.endswith("(first 1 of 2 rows; all in the CSV)")
    assert len(view.frame) == 2


def test_a_bare_frame_needs_a_caption():
    with pytest.raises(ParameterError, match="a table needs a caption"):
        tabulate(pd.DataFrame({"a": [1]}))


def test_a_bare_frame_is_written_by_what_its_columns_hold():
    frame = pd.DataFrame(
        {
            "partner": ["P1", None],
            "leads": [3, 4000],
            "score": [1.25, np.nan],
            "day": pd.to_datetime(["2026-01-02", None]),
            "ok": [True, False],
        }
    )

    view = tabulate(frame, caption="Facts")

    assert view.rows == (("P1", "3", "1.25", "2026-01-02", "yes"), ("unknown", "4,000", "unknown", "unknown", "no"))


@pytest.mark.parametrize("fields", [{"caption": " "}, {"heads": ("", "b")}, {"heads": ()}, {"rows": (("x",),)}])
def test_a_table_without_words_is_refused(fields):
    with pytest.raises(ParameterError):
        TableView(**{"caption": "c", "heads": ("a", "b"), "rows": (("x", "y"),)} | fields)


def test_a_matrix_has_a_head_for_every_tier_and_says_where_data_are_short():
    short = [np.nan, np.nan]
    cells = pd.DataFrame({"from_tier": ["A", "A", "B", "B"], "to_tier": ["A", "B", "A", "B"], "estimate": [0.9, 0.1, *short]})
    cells = cells.assign(conf_low=[0.8, 0.05, *short], conf_high=[0.95, 0.2, *short], n=[100, 100, 2, 2], noise=[0.92, 0.08, *short])
    view = matrix_view(cells, caption="Moves")

    assert view.heads == ("from tier", "n", "to A", "to B")
    assert view.rows[0][2] == "90\u00a0% (80 to 95); noise 92\u00a0%"
    assert view.rows[1][2] == "not enough data (n\u00a0=\u00a02)"
    assert "background: #" in view.html()
    ET.fromstring(view.html())


def test_something_that_has_no_table_is_refused():
    with pytest.raises(ParameterError, match="a list cannot be written as a table"):
        tabulate([1])


def test_a_row_with_a_sentence_can_stand_as_a_card_on_a_phone():
    told = TableView(caption="What to do", heads=("do", "why"), rows=(("test", "so little is known " * 8),)).html()
    plain = TableView(caption="What to do", heads=("do", "why"), rows=(("test", "unknown"),)).html()

    assert 'class="tidy told"' in told
    assert '<td data-head="why"' in told
    assert "told" not in plain
    assert "data-head" not in plain


def test_a_difference_of_shares_is_said_in_points():
    row = {"tier": "KEY", "estimate": -0.65, "std_error": 0.1, "conf_low": -0.7, "conf_high": -0.5, "n": 40}
    view = tabulate(Result(estimand="Less than the first tier", table=pd.DataFrame([row])), kind="points")

    assert view.rows == (("KEY", "−65\xa0points", "−70 to −50", "40"),)
