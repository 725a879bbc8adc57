"""What the page on any states says works as written."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "multi-state.md"


def test_the_page_runs_from_top_to_bottom():
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)

    assert names["found"].embeddable is False
    assert names["model"].probabilities(4).shape[0] == 4
