"""The how-to page on mappings, done as written: its files are made, its code is run, its output is compared."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "new-mapping.md"
BLOCKS = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
CODE = [text for language, _, text in BLOCKS if language == "python"]


@pytest.mark.parametrize("code", CODE, ids=["extended", "own"])
def test_page_works_as_written(code, tmp_path, monkeypatch):
    for _, name, text in BLOCKS:
        if name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ERP_EXPORT", "")
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(PAGE), "exec"), {})

    told = [line.removeprefix("# ").strip() for line in code.splitlines() if line.startswith("# ")]
    assert [line.strip() for line in printed.getvalue().splitlines()] == told
