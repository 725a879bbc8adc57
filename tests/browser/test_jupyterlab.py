"""JupyterLab itself: each notebook opens from the project folder as it stands and runs top to bottom."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SHIPPED = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.name for path in SHIPPED.glob("*.ipynb"))
PATIENCE = 180


@pytest.fixture(scope="module")
def lab(small, tmp_path_factory):
    """Address of a JupyterLab that was started in the project folder."""
    home = tmp_path_factory.mktemp("home")
    log = (home / "lab.log").open("w")
    options = [
        "--no-browser",
        "--port=0",
        "--ip=127.0.0.1",
        "--allow-root",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",
    ]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "run"),
    }
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={small}", "--LabApp.news_url="]
    server = subprocess.Popen(command, cwd=small, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        yield _address(server, home / "lab.log")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
        log.close()


def _address(server, log):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
        if found:
            return found[0]
        if server.poll() is not None:
            break
        time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_opens_and_runs_top_to_bottom(name, lab, small, chromium):
    page = _open(chromium, lab, small, name)

    code = _run_all(page, lab, small / "notebooks" / name)
    page.context.close()
    _stop_kernels(lab)

    assert [output["evalue"] for cell in code for output in cell["outputs"] if output["output_type"] == "error"] == []
    assert all(cell["execution_count"] for cell in code)


def _open(chromium, lab, small, name):
    """A page of JupyterLab with the notebook as shipped: an earlier run must not pass for this one."""
    shutil.copy(SHIPPED / name, small / "notebooks" / name)
    page = chromium.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    page.goto(f"{lab}lab/tree/notebooks/{name}?reset", wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=PATIENCE * 1000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=PATIENCE * 1000)
    return page


def _run_all(page, lab, path, *, since=0):
    """Choose Run All Cells, and save now and then until every cell has run (``since`` a count) or one has failed; gives the code cells.

    On a busy machine JupyterLab may connect to the kernel a second time and forget what it had
    queued: where the kernel rests and cells are left, all are run again from the top.
    """
    until = time.monotonic() + PATIENCE
    rests = 3
    code = []
    while time.monotonic() < until:
        rests = rests + 1 if _is_idle(lab) else 0
        if rests > 3:
            page.click(".jp-Notebook .jp-Cell")
            page.click("css=.lm-MenuBar-item >> text=Run")
            page.click("css=.lm-Menu-item[data-command='runmenu:run-all']")
            rests = 0
        page.keyboard.press("Control+s")
        time.sleep(2)
        code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        failed = any(output["output_type"] == "error" for cell in code for output in cell["outputs"])
        if failed or all((cell["execution_count"] or 0) > since for cell in code):
            break
    return code


def _ask(lab, path, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(f"{lab}api/{path}", method=method)) as answer:
        return json.loads(answer.read() or b"null")


def _is_idle(lab):
    """Whether there is a kernel, and it rests."""
    try:
        kernels = _ask(lab, "kernels")
    except urllib.error.HTTPError:  # asked while a kernel was being stopped
        return False
    return bool(kernels) and all(kernel["execution_state"] == "idle" for kernel in kernels)


def _stop_kernels(lab):
    for session in _ask(lab, "sessions"):
        _ask(lab, f"sessions/{session['id']}", "DELETE")


def test_another_tactic_in_the_parameters_cell_gives_another_answer(lab, small, chromium):
    name = "70_tactics.ipynb"
    page = _open(chromium, lab, small, name)
    before = _run_all(page, lab, small / "notebooks" / name)

    page.keyboard.press("Control+Home")
    line = page.locator(".jp-Notebook .cm-line", has_text="tactic: str").first
    line.click(timeout=PATIENCE * 1000)
    page.keyboard.press("Home")
    page.keyboard.press("Shift+End")
    page.keyboard.insert_text('tactic: str = "dinner"')
    after = _run_all(page, lab, small / "notebooks" / name, since=max(cell["execution_count"] for cell in before))
    shown = page.locator(".jp-Notebook .jp-OutputArea", has_text="What did dinner do to leads?")
    seen = shown.count()
    page.context.close()
    _stop_kernels(lab)

    assert "What did training do to leads?" in _said(before)
    assert "What did dinner do to leads?" in _said(after)
    assert "training did to leads" not in _said(after)
    assert seen


def _said(code):
    """All that stands under the cells."""
    outputs = [output for cell in code for output in cell["outputs"]]
    return " ".join("".join(output.get("data", {}).get("text/html", [])) for output in outputs)


def test_the_line_of_a_design_can_be_dragged_and_the_movers_follow(lab, small, chromium):
    name = "45_tier_design.ipynb"
    page = _open(chromium, lab, small, name)
    _run_all(page, lab, small / "notebooks" / name)

    page.keyboard.press("Control+End")
    slider = page.locator(".widget-slider").last
    slider.scroll_into_view_if_needed(timeout=PATIENCE * 1000)
    handle, said = slider.locator(".noUi-handle"), page.locator(".widget-html").last
    before = said.inner_text()
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 120, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    page.wait_for_function(
        "before => [...document.querySelectorAll('.widget-html')].pop().innerText !== before", arg=before, timeout=30_000
    )
    after = said.inner_text()
    if os.environ.get("PARTNERLAB_SHOTS"):
        page.screenshot(path=f"{os.environ['PARTNERLAB_SHOTS']}/drag.png")
    page.context.close()
    _stop_kernels(lab)

    assert "nobody would move" in before
    assert re.search(r"\d+ up, \d+ down, \d+ other", after)
    assert "partner" in after
