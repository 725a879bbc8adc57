"""Pages are executed side by side; one that fails is an outcome, the others are whole."""

from __future__ import annotations

import os

from partnerlab.report.html import Frame, render_page


def test_a_whole_page_has_no_error_and_all_its_pieces(outcomes):
    found, _, _ = outcomes

    assert found["norway"].error == ""
    assert [(piece.kind, piece.name) for piece in found["norway"].pieces] == [
        ("headline", "headline"),
        ("metric", "active"),
        ("metric", "share"),
        ("table", "by-region"),
        ("figure", "line"),
    ]


def test_a_region_called_no_arrives_as_text(outcomes):
    found, _, _ = outcomes

    assert found["norway"].pieces[0].text == "Region 'NO' in 2026Q3"


def test_a_failed_page_says_where_and_why_in_one_line(outcomes):
    found, _, _ = outcomes

    assert found["fails"].error.endswith("ValueError: this region fails")
    assert "\n" not in found["fails"].error


def test_a_failed_page_keeps_what_came_before(outcomes):
    found, _, _ = outcomes

    assert [piece.name for piece in found["fails"].pieces] == ["headline", "active", "share", "by-region"]


def test_a_failed_page_is_rendered_and_says_that_it_is_incomplete(outcomes):
    found, _, _ = outcomes

    page = render_page(found["fails"].notebook, frame=Frame(program="Demo", quarter="2026Q3", segment="", provenance={}, error=found["fails"].error))

    assert "Incomplete: this report could not be finished" in page
    assert "this region fails" in page


def test_the_watcher_is_told_of_every_start_and_end(outcomes):
    _, seen, _ = outcomes

    assert sorted((progress.page.slug, progress.state) for progress in seen) == [
        ("fails", "failed"),
        ("fails", "started"),
        ("norway", "done"),
        ("norway", "started"),
    ]


def test_the_working_folder_and_the_environment_are_left_alone(outcomes):
    assert os.environ.get("OMP_NUM_THREADS") is None or os.environ["OMP_NUM_THREADS"] != ""
    assert os.path.isdir(os.getcwd())
