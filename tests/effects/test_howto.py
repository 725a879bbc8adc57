"""The page on tactics works as written."""

import re
from pathlib import Path

from partnerlab import Studies
from partnerlab.results import Evidence

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "tactics.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<kind>\w+)(?: file=\S+)?\n(?P<text>.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def _blocks(kind):
    return [block["text"] for block in BLOCK.finditer(PAGE) if block["kind"] == kind]


def test_its_studies_can_be_loaded(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(_blocks("yaml")[0], encoding="utf-8")

    assert [study.tactic for study in Studies.load(path).studies] == ["training", "portal"]


def test_its_examples_give_what_it_says(capsys):
    seen = {}
    for text in _blocks("python"):
        exec(text, seen)

    assert "Dinner likely raised leads by 0.2" in capsys.readouterr().out
    assert seen["found"].verdict.conf_low <= seen["world"].truth <= seen["found"].verdict.conf_high
    assert seen["card"].stands
    assert abs(seen["switches"].at(0)["estimate"] - seen["world"].truth) < 0.1
    assert [picture.headline.split(":")[0] for picture in seen["pictures"]] == [
        "Switchers against stayers",
        "Starters against those who did not start then",
    ]
    assert seen["alike"].headline()["conf_low"] < 3 < seen["alike"].headline()["conf_high"]
    assert seen["together"].table["estimate"].round(1).tolist()[:2] == [1.2, 0.2]
    assert seen["together"].verdict.earned is Evidence.C
