"""The page: one file, no script, nothing fetched, headings in order, code closed but there."""

from __future__ import annotations

import re

import pytest

from partnerlab.errors import ParameterError
from partnerlab.report.html import Frame, Heading, check_outline, read_outline, render_index, render_page

FRAME = Frame(program="Demo & Co", quarter="2026Q3", segment="region NO", provenance={"Data hash": "abc"})


@pytest.fixture(scope="module")
def page(outcomes):
    return render_page(outcomes[0]["norway"].notebook, frame=FRAME)


def test_nothing_is_fetched_and_nothing_runs(page):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]

    assert policy.startswith("default-src 'none'")
    assert "<script" not in page
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "@import" not in page


def test_code_is_closed_but_there(page):
    assert '<details class="code"><summary>Code' in page
    assert "page.render_headline" in page
    assert "<details open" not in page


def test_contents_link_to_headings_that_exist(page):
    anchors = re.findall(r'<li[^>]*><a href="#([^"]+)">', page)

    assert anchors
    assert all(f'id="{anchor}"' in page for anchor in anchors)


def test_words_of_the_frame_are_escaped(page):
    assert "Demo &amp; Co" in page
    assert "Demo & Co" not in page


def test_the_foot_says_where_numbers_come_from(page):
    assert "<dt>Data hash</dt><dd>abc</dd>" in page


def test_the_same_notebook_gives_the_same_bytes(page, outcomes):
    assert render_page(outcomes[0]["norway"].notebook, frame=FRAME) == page


def test_a_page_rendered_again_says_what_changed(outcomes):
    frame = Frame(
        program="Demo", quarter="2026Q3", segment="", provenance={}, changes=["Active partners: 10 before, 12 now."], previous="yesterday"
    )

    assert "Active partners: 10 before, 12 now." in render_page(outcomes[0]["norway"].notebook, frame=frame)


@pytest.mark.parametrize(
    ("levels", "message"),
    [([2, 3], "no first heading"), ([1, 1], "second first-level"), ([1, 3], "skips a level"), ([], "no first heading")],
)
def test_headings_out_of_order_are_refused(levels, message):
    with pytest.raises(ParameterError, match=message):
        check_outline([Heading(level, f"h{level}", "") for level in levels])


def test_a_good_outline_passes():
    check_outline([Heading(level, "x", "") for level in (1, 2, 3, 3, 2, 3)])


def test_headings_outside_the_main_part_do_not_count():
    assert read_outline("<h2>top</h2><main><h1>in</h1></main><footer><h2>foot</h2></footer>") == [Heading(1, "in", "")]


def test_the_index_names_what_failed():
    group = {"title": "Review", "anchor": "review", "caption": "All"}
    pages = [
        {"slug": "a", "title": "A", "headline": "Fine.", "state": "whole", "error": "", "has_metrics": True},
        {"slug": "b", "title": "B", "headline": "", "state": "incomplete: no <data>", "error": "no <data>", "has_metrics": False},
    ]

    text = render_index(program="Demo", quarter="2026Q3", groups=[(group, pages)], provenance={})

    assert "1 of 2 reports could not be finished" in text
    assert "incomplete: no &lt;data&gt;" in text
