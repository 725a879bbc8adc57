"""Pieces of a page: a picture without words, two of one name or a link to nowhere fail the report."""

from __future__ import annotations

import nbformat
import pandas as pd
import pytest

from partnerlab.errors import ParameterError
from partnerlab.report.attempts import Unavailable, attempt
from partnerlab.report.metrics import Metric
from partnerlab.report.page import render_figure, render_metric, render_note, render_table
from partnerlab.report.pieces import Piece, answer_of, check_images, collect_pieces


def executed(*pieces, extra=()):
    """A notebook whose one cell displayed these pieces."""
    outputs = [nbformat.v4.new_output("display_data", data=piece.bundle()) for piece in pieces]
    outputs += [nbformat.v4.new_output("display_data", data=data) for data in extra]
    cell = nbformat.v4.new_code_cell("show()", outputs=outputs)
    return nbformat.v4.new_notebook(cells=[cell])


def test_pieces_come_back_in_order():
    pieces = [Piece(kind="headline", name="a", text="A"), Piece(kind="table", name="b", csv="x\n1\n")]

    assert [piece.name for piece in collect_pieces(executed(*pieces))] == ["a", "b"]


def test_a_figure_without_alt_text_fails_the_report():
    with pytest.raises(ParameterError, match="figure 'f' has no alt text"):
        collect_pieces(executed(Piece(kind="figure", name="f", svg="<svg/>")))


def test_a_bare_picture_fails_the_report():
    with pytest.raises(ParameterError, match="cell 1 shows a picture without alt text"):
        check_images(executed(extra=[{"image/png": "AAAA", "text/plain": "<Figure>"}]))


def test_two_pieces_of_one_name_fail_the_report():
    with pytest.raises(ParameterError, match="two pieces of the page are called 'a'"):
        collect_pieces(executed(Piece(kind="note", name="a"), Piece(kind="note", name="a")))


def test_a_metric_that_links_to_no_table_fails_the_report():
    metric = Metric(name="m", label="M", estimate=1, n=1, table="nowhere")

    with pytest.raises(ParameterError, match="names the table 'nowhere'"):
        collect_pieces(executed(Piece(kind="metric", name="m", numbers=metric.to_dict())))


@pytest.fixture
def shown(monkeypatch):
    """What the verbs display, without a notebook."""
    pieces = []
    monkeypatch.setattr("partnerlab.report.page._show", lambda piece, **_: pieces.append(piece))
    return pieces


def test_a_table_shows_some_rows_and_leaves_all_of_them(shown):
    render_table(pd.DataFrame({"n": range(50)}), caption="Many", name="many", limit=10)

    assert shown[0].html.count("<tr>") == 11
    assert len(shown[0].csv.splitlines()) == 51


def test_an_empty_table_says_none(shown):
    render_table(pd.DataFrame(), caption="Who left")

    assert "Who left: none." in shown[0].html


def test_words_are_escaped(shown):
    render_note("a < b & <script>")

    assert "<script>" not in shown[0].html


def test_a_refused_analysis_says_why(shown):
    render_table(Unavailable(what="estimate_noise", reason="nothing is counted"))

    assert shown[0].text == "Not available: nothing is counted."


def test_a_refused_analysis_can_stay_quiet_where_the_page_says_so_already(shown):
    render_figure(Unavailable(what="plot", reason="nothing is counted"), quiet=True)

    assert shown == []


def test_metrics_are_one_list_and_one_record_each(shown):
    render_metric(Metric(name="a", label="A", estimate=1, n=1), Metric(name="b", label="B", estimate=2, n=2))

    assert [piece.name for piece in shown] == ["a", "b"]
    assert shown[0].html.count("<li") == 2


def test_a_refusal_travels_through_later_verbs():
    refused = attempt(lambda noun: noun, Unavailable(what="x", reason="no data"))

    assert refused.reason == "no data"


def test_an_optional_input_is_left_out_when_it_is_refused():
    assert attempt(lambda noun, **given: given, 1, optional=("noise",), noise=Unavailable(what="x", reason="no"), level=0.9) == {
        "level": 0.9
    }


def test_any_other_error_stops_the_notebook():
    with pytest.raises(ParameterError):
        attempt(lambda noun: (_ for _ in ()).throw(ParameterError("wrong")), 1)


def test_the_one_sentence_of_a_page_is_its_verdict_where_there_is_one():
    first = Piece(kind="note", name="declared", text="It runs.\nFor two quarters.")
    refused = Piece(kind="note", name="verdict", text="Not available: it is read once, at its end.")
    verdict = Piece(kind="note", name="verdict-in-words", text="Grade B, it helped.\nWhat to do: keep.")

    assert answer_of([first, refused]) == "It runs."
    assert answer_of([first, verdict]) == "Grade B, it helped."
    assert not answer_of([Piece(kind="table", name="numbers", text="Numbers")])
