"""The page on experiments works as written: one experiment from declaration to decision."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "experiments.md"
BLOCK = re.compile(r"^```(?P<kind>\w+)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Follow the page to the letter in an empty folder; give the folder and what each line printed."""
    folder = tmp_path_factory.mktemp("experiment")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    printed = {}
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["file"]:
            (folder / block["file"]).write_text(block["text"], encoding="utf-8")
        elif block["kind"] == "sh":
            for line in block["text"].strip().splitlines():
                done = subprocess.run(shlex.split(line), cwd=folder, env=environment, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                printed.setdefault(" ".join(shlex.split(line)[:3]), []).append(done.stdout)
    return folder, printed


def test_sizes_are_a_table_and_a_picture(followed):
    lines = followed[1]["partnerlab experiment design"][0].splitlines()

    assert sum("\t" in line for line in lines) == 13
    assert lines[-2].startswith("looks: 1 look, fixed")
    assert (followed[0] / "sizes.svg").read_text().startswith("<svg")


def test_the_deal_prints_the_declaration(followed):
    assert "Dealt: by partner, within region." in followed[1]["partnerlab experiment assign"][0]


def test_the_reading_finds_what_was_played(followed):
    out = followed[1]["partnerlab experiment analyze"][0]

    assert "sample ratio: passed" in out
    assert re.search(r"^A: Dinner caused 1\.\d more leads per partner-quarter", out, flags=re.MULTILINE)
    assert "A: Dinner caused 1." in (followed[0] / "dinner.html").read_text()


def test_the_list_says_what_was_decided_and_that_it_did_not_happen(followed):
    row = followed[1]["partnerlab experiment list"][0].splitlines()[1].split("\t")

    assert row[:4] == ["dinner-2026", "experiment", "followed", "Dinner"]
    assert row[-2:] == ["Dinners for all partners", "no"]


def test_a_schedule_is_designed_dealt_and_read_in_the_same_way(followed):
    assert followed[1]["partnerlab experiment design"][-1].splitlines()[1].startswith("leads\t150\t15\t4\t")
    assert re.search(
        r"^A: A monthly call caused \d\.\d+ more leads per partner-quarter", followed[1]["partnerlab experiment analyze"][1], re.MULTILINE
    )
    assert "A monthly call caused" in (followed[0] / "calls.html").read_text()
