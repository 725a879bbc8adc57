"""JupyterLab itself: each notebook opens from the project folder as it stands and runs top to bottom."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
PATIENCE = 120


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
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{lab}lab/tree/notebooks/{name}?reset", wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=PATIENCE * 1000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=PATIENCE * 1000)
    _run_all(page)

    notebook = _wait_until_run(page, small / "notebooks" / name)
    context.close()
    _stop_kernels(lab)

    errors = [output["evalue"] for cell in notebook["cells"] for output in cell.get("outputs", []) if output["output_type"] == "error"]
    assert errors == []
    assert all(cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code")


def _run_all(page):
    """Choose Run All Cells; once more where the kernel was not yet listening."""
    for _ in range(4):
        page.click(".jp-Notebook .jp-Cell")
        page.click("css=.lm-MenuBar-item >> text=Run")
        page.click("css=.lm-Menu-item[data-command='runmenu:run-all']")
        try:
            page.wait_for_function(
                "[...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')].some(prompt => /[*0-9]/.test(prompt.textContent))",
                timeout=15_000,
            )
        except Exception as error:
            if "Timeout" not in type(error).__name__:
                raise
        else:
            return


def _wait_until_run(page, path):
    """Save now and then, until every cell has run or one has failed."""
    until = time.monotonic() + PATIENCE
    notebook = {"cells": []}
    while time.monotonic() < until:
        page.keyboard.press("Control+s")
        time.sleep(2)
        notebook = json.loads(path.read_text())
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        failed = any(output["output_type"] == "error" for cell in code for output in cell["outputs"])
        if failed or all(cell["execution_count"] for cell in code):
            break
    return notebook


def _stop_kernels(lab):
    with urllib.request.urlopen(f"{lab}api/sessions") as answer:
        sessions = json.load(answer)
    for session in sessions:
        urllib.request.urlopen(urllib.request.Request(f"{lab}api/sessions/{session['id']}", method="DELETE"))
