"""The JSON Schema that editors read: takes every scheme that loads, and refuses keys that nobody knows."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

from partnerlab.tiers import render_scheme_schema

SCHEMA = json.loads(render_scheme_schema())
CHECK = jsonschema.Draft202012Validator(SCHEMA)
SHIPPED = sorted(item.name for item in resources.files("partnerlab.tiers.schemes").iterdir() if item.name.endswith(".yaml"))


def written(text: str) -> dict:
    """A scheme as an editor sees it: dates are text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def shipped(name: str) -> dict:
    return written((resources.files("partnerlab.tiers.schemes") / name).read_text(encoding="utf-8"))


def test_it_is_a_schema_itself():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", SHIPPED)
def test_it_takes_every_scheme_that_ships(name):
    assert [error.message for error in CHECK.iter_errors(shipped(name))] == []


def test_it_takes_the_scheme_of_the_guide():
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "new-scheme.md").read_text(encoding="utf-8")
    scheme = re.search(r"```yaml file=growth.yaml\n(.*?)```", guide, flags=re.DOTALL)

    assert [error.message for error in CHECK.iter_errors(written(scheme[1]))] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("movment",), {}),
        (("movement", "graze"), 2),
        (("movement", "grace"), "two"),
        (("classify", "x", "cut", "quantile"), None),
        (("classify", "kind"), "square"),
        (("params", "high_relevance"), None),
    ],
)
def test_it_refuses_what_loading_refuses(path, value):
    scheme = shipped("quadrant.yaml")
    here = scheme
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value

    assert not CHECK.is_valid(scheme)


def test_every_key_with_documentation_carries_its_meaning():
    keys = SCHEMA["$defs"]["Cut"]["properties"]

    assert keys["min"]["description"] == "A quantile line never lies below this."
    assert "Parameters\n" not in json.dumps(SCHEMA)
