"""What the pages on any table and on any states say works as written."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"


def _run(page):
    """Run the code of a page from top to bottom; give what it named."""
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", (FOLDER / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, page, "exec"), names)
    return names


def test_the_page_on_any_table_runs_from_top_to_bottom():
    names = _run("any-table.md")

    assert names["lab"].check_order(names["lab"].Transitions.from_frame(names["triples"], count="n"), before="before").p("p_value") < 0.01
    assert names["model"].marginal["estimate"].abs().between(0.05, 0.45).all()
    assert set(names["risks"].columns) >= {"partner", "time", "risk"}
    assert names["both"].predict(names["pd"].DataFrame({"late": [0, 1]}), times=[4, 8])["estimate"].between(0, 1).all()


def test_the_page_on_any_states_runs_from_top_to_bottom():
    names = _run("multi-state.md")

    assert names["found"].embeddable is False
    assert names["model"].probabilities(4).shape[0] == 4
