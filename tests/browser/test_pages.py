"""Pages in a real browser: nothing leaves them, axe finds nothing, they fit desk, phone and paper."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

QUESTIONS = ("data-quality", "scores", "tiers", "transitions", "survival")
TACTICS = ("tactics", "tactic-review", "experiment-design", "experiment-report")
PAGES = ("index.html", *(f"{slug}/report.html" for slug in ("program", "region-emea", *QUESTIONS, *TACTICS)))


@pytest.fixture(params=PAGES)
def address(request, reports):
    """One page of the run, as a file."""
    return (reports.folder / request.param).as_uri()


def test_every_report_is_whole(reports):
    assert [outcome.error for outcome in reports.failed] == []


def test_no_request_leaves_the_page(address, opened):
    page = opened(address)

    assert page.asked == [address]
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["desk", "phone"])
def test_axe_finds_no_violation(address, opened, screen, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(address, screen=screen, scheme=scheme)
    for details in page.query_selector_all("details"):
        details.evaluate("element => element.open = true")
    violations = Axe().run(page).response["violations"]

    assert [(found["id"], found["nodes"][0]["html"][:200]) for found in violations] == []


def test_a_page_fits_a_phone_without_scrolling_sideways(address, opened):
    page = opened(address, screen="phone")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_link_on_the_page_leads_somewhere(address, opened):
    page = opened(address)
    lost = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
        ".filter(id => !document.getElementById(id))"
    )

    assert lost == []


def test_links_between_pages_lead_to_files(reports, opened):
    page = opened(reports.index.as_uri())
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href')).filter(href => !href.startsWith('#'))")

    assert links
    assert [link for link in links if not (reports.folder / link).is_file()] == []


def test_the_keyboard_reaches_the_report_first_and_focus_can_be_seen(reports, opened):
    page = opened((reports.folder / "program" / "report.html").as_uri())
    page.keyboard.press("Tab")
    focused = page.evaluate("({text: document.activeElement.textContent, width: getComputedStyle(document.activeElement).outlineWidth})")

    assert focused["text"] == "Skip to the report"
    assert float(focused["width"].removesuffix("px")) >= 2


def test_a_csv_is_handed_over_without_a_server(reports, opened):
    page = opened((reports.folder / "program" / "report.html").as_uri())
    with page.expect_download() as waiting:
        page.click("#by-quarter a.pl-csv")

    saved = waiting.value
    assert saved.suggested_filename == "by-quarter.csv"
    assert saved.path().read_text() == (reports.folder / "program" / "tables" / "by-quarter.csv").read_text()


def test_paper_holds_the_figures_and_no_code(reports, opened):
    page = opened((reports.folder / "program" / "report.html").as_uri())
    page.emulate_media(media="print")

    assert not page.is_visible("details.code")
    assert page.is_visible("ul.pl-metrics")
    assert len(page.pdf(prefer_css_page_size=True)) > 20_000
