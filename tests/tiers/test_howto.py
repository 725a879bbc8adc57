"""The how-to page on schemes works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from partnerlab.tiers import TierScheme, lint_scheme

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "new-scheme.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with the files of the page."""
    for name, text in re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_scheme_of_the_page_has_nothing_to_lint(folder):
    assert lint_scheme(TierScheme.load(folder / "growth.yaml")).empty


def test_the_python_of_the_page_runs_as_written(folder, capsys):
    names: dict[str, object] = {}
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL):
        exec(text, names)

    printed = capsys.readouterr().out
    assert "Gold" in printed
    assert "under growth@1" in printed


def test_the_mistake_of_the_page_reads_as_printed(folder):
    path = folder / "growth.yaml"
    path.write_text(path.read_text().replace("points >= $gold_points", "points => $gold_points"))
    with pytest.raises(Exception, match=r"cannot read '=> \$gold_poi' in condition 'points => \$gold_points'") as error:
        TierScheme.load("growth.yaml")

    line = re.match(r"growth.yaml, line \d+, [\w.]+", str(error.value))
    assert line
    assert line[0] in PAGE
