"""Chromium, and a small program's reports to look at. What is missing fails; it never skips."""

from __future__ import annotations

import os
import shutil

import pytest

#: Sizes that pages are looked at in, in points.
SCREENS = {"desk": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def chromium():
    """Chromium of the system, without a window."""
    from playwright.sync_api import sync_playwright

    path = (
        os.environ.get("PARTNERLAB_CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if path is None:
        pytest.fail("Chromium is missing: apt-get install chromium, or name it in PARTNERLAB_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Open a page and note every request and every complaint of the browser."""
    contexts = []

    def open_page(address, *, screen="desk", scheme="light"):
        width, height = SCREENS[screen]
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A small program in a project folder: ``data/demo.duckdb`` and ``notebooks/``."""
    from pathlib import Path

    from partnerlab.intake.simulate import Truth, simulate_program

    project = tmp_path_factory.mktemp("project")
    (project / "data").mkdir()
    simulate_program(Truth(n_partners=80, n_quarters=10), seed=5).write(project / "data" / "demo.duckdb")
    shutil.copytree(Path(__file__).parents[2] / "notebooks", project / "notebooks", ignore=shutil.ignore_patterns(".*"))
    return project


@pytest.fixture(scope="session")
def reports(small):
    """Its reports: the program, every region, every question."""
    from partnerlab.report.runner import Order, render_reports

    order = Order(source=f"duckdb:///{small}/data/demo.duckdb", by="region", out=small / "reports", ledger=str(small / "ledger.duckdb"))
    return render_reports(order)
