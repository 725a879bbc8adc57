"""What the docs say works as written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import partnerlab

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(?P<kind>\w+)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", ROOT / "AGENTS.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _run(text: str, folder: Path) -> str:
    """Run the lines of a shell block with the environment's own commands."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    out = ""
    for line in text.strip().splitlines():
        done = subprocess.run(shlex.split(line), cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        out += done.stdout
    return out


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """Follow the tutorial to the letter in an empty folder; give the folder and what was printed."""
    folder = tmp_path_factory.mktemp("my-program")
    printed = ""
    for block in BLOCK.finditer((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")):
        if block["file"]:
            (folder / block["file"]).write_text(block["text"], encoding="utf-8")
        elif block["kind"] == "sh":
            printed += _run(block["text"], folder)
    return folder, printed


def test_the_tutorial_ends_with_a_report(tutorial):
    folder, printed = tutorial
    index = folder / "reports" / "my-program" / "2026Q3" / "index.html"

    assert index.is_file()
    assert "index.html" in printed.splitlines()[-1]


def test_the_tutorial_gives_every_partner_a_tier(tutorial):
    rows = (tutorial[0] / "tiers.csv").read_text(encoding="utf-8").splitlines()

    assert len(rows) > 100
    assert {"Gold", "Silver", "Registered"} <= set(re.findall(r"Gold|Silver|Registered", "\n".join(rows)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\((?!\w+:|#)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_reference_is_built_from_the_docstrings(tmp_path):
    subprocess.run([sys.executable, str(ROOT / "docs" / "build_reference.py"), str(tmp_path)], check=True, capture_output=True)
    page = (tmp_path / "partnerlab.html").read_text(encoding="utf-8")

    assert [name for name in partnerlab.__all__ if f'id="{name}"' not in page] == []
