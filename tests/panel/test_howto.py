"""The how-to page on indicators works as written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from partnerlab.panel import Indicators
from partnerlab.panel.indicators import Statistic
from partnerlab.tiers import TierScheme, lint_scheme

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "indicators.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with the files of the page."""
    for name, text in re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_page_runs_as_written(folder, capsys):
    names: dict[str, object] = {}
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL):
        exec(text, names)

    printed = capsys.readouterr().out
    assert "For Global Strategic: " in printed
    assert "months_selling" in printed


def test_the_scheme_of_the_page_has_nothing_to_lint(folder):
    assert lint_scheme(TierScheme.load(folder / "global.yaml")).empty


def test_every_statistic_stands_in_the_table(folder):
    table = set(re.findall(r"`(\w+)`", "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))))

    assert set(get_args(Statistic)) <= table
    assert {indicator.statistic for indicator in Indicators.load("my.yaml").indicators.values()} >= {"median", "held", "months", "sum"}
