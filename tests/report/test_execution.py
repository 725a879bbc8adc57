"""Pages are executed side by side; one that fails is an outcome, the others are whole."""

from __future__ import annotations

import os

from partnerlab.report.execution import Page, _one_thread_each, execute_page
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


def test_regions_called_no_and_007_arrive_as_text(outcomes):
    found, _, _ = outcomes

    assert found["norway"].pieces[0].text == "Region 'NO' in 2026Q3"
    assert found["agent"].pieces[0].text == "Region '007' in 2026Q3"


def test_four_kernels_started_at_one_moment_do_not_hear_each_other(outcomes):
    found, _, _ = outcomes

    assert {slug: bool(outcome.error) for slug, outcome in found.items()} == {
        "norway": False,
        "fails": True,
        "agent": False,
        "third": False,
    }


def test_a_failed_page_says_where_and_why_in_one_line(outcomes):
    found, _, _ = outcomes

    assert found["fails"].error.endswith("ValueError: this region fails")
    assert "\n" not in found["fails"].error


def test_a_failed_page_keeps_what_came_before(outcomes):
    found, _, _ = outcomes

    assert [piece.name for piece in found["fails"].pieces] == ["headline", "active", "share", "by-region"]


def test_a_failed_page_is_rendered_and_says_that_it_is_incomplete(outcomes):
    found, _, _ = outcomes

    page = render_page(
        found["fails"].notebook, frame=Frame(program="Demo", quarter="2026Q3", segment="", provenance={}, error=found["fails"].error)
    )

    assert "Incomplete: this report could not be finished" in page
    assert "this region fails" in page


def test_the_watcher_is_told_of_every_start_and_end(outcomes):
    _, seen, _ = outcomes

    assert sorted((progress.page.slug, progress.state) for progress in seen if progress.page.slug in ("fails", "norway")) == [
        ("fails", "failed"),
        ("fails", "started"),
        ("norway", "done"),
        ("norway", "started"),
    ]
    assert max(progress.done for progress in seen) == 4


def test_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with _one_thread_each():
        assert os.environ["OMP_NUM_THREADS"] == "1"

    assert "OMP_NUM_THREADS" not in os.environ


def test_whatever_stops_a_kernel_is_an_outcome_and_no_end(toy, tmp_path, monkeypatch):
    def stop(*args, **options):
        raise ValueError("Invalid Signature")

    monkeypatch.setattr("papermill.execute_notebook", stop)
    page = Page(slug="a", title="A", group="toy", notebook=toy, parameters={})

    outcome = execute_page(page, folder=tmp_path)

    assert outcome.error == "the kernel stopped: ValueError: Invalid Signature"
    assert outcome.notebook is None
