"""The JSON Schema of tier schemes: with it an editor completes and checks the YAML while it is written."""

from __future__ import annotations

import json
import re
from typing import Any

from partnerlab.tiers.scheme import TierScheme

_FIELD = re.compile(r"^(?P<names>[\w, ]+?)(?: : [^\n]*)?\n(?P<said>(?:    [^\n]*\n?)+)", flags=re.MULTILINE)


def render_scheme_schema() -> str:
    """Write the JSON Schema of tier schemes, made from the model that reads them.

    Each key carries the meaning that its documentation gives it. The schema knows shapes, names and closed
    lists of values; what hangs together across keys is said by `TierScheme.load` and `lint_scheme`.

    Returns
    -------
    str
        JSON Schema, draft 2020-12, as indented JSON text.

    Examples
    --------
    >>> schema = json.loads(render_scheme_schema())
    >>> schema["properties"]["movement"]["$ref"]
    '#/$defs/Movement'
    >>> schema["$defs"]["Movement"]["properties"]["grace"]["description"]
    'Periods after joining in which nobody falls.'
    """
    schema = TierScheme.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        _explain_keys(part)
        _refuse_empty(part)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Tier scheme of partnerlab"}
    return json.dumps(schema | head, indent=2, ensure_ascii=False)


def _explain_keys(part: dict[str, Any]) -> None:
    """Give each key its own words from the documentation of the whole, of which the first sentence stays."""
    said, _, rest = part.get("description", "").partition("\n\n")
    fields = rest.partition("Parameters\n----------\n")[2]
    fields = fields.partition("\n\n")[0] + "\n"
    properties = part.get("properties", {})
    for field in _FIELD.finditer(fields):
        for name in field["names"].split(","):
            key = name.strip()
            key = key if key in properties else key.removesuffix("_")
            if key in properties:
                properties[key]["description"] = " ".join(field["said"].split())
    if said:
        part["description"] = " ".join(said.split())


def _refuse_empty(part: dict[str, Any]) -> None:
    """Take "or nothing" from keys that may be left out: a key that is written has a value."""
    for key, given in part.get("properties", {}).items():
        if given.get("default", "") is None:
            kept = [way for way in given.get("anyOf", []) if way != {"type": "null"}]
            given.pop("default")
            if kept:
                given.pop("anyOf")
                given.update(kept[0] if len(kept) == 1 else {"anyOf": kept})
        part["properties"][key] = {name: value for name, value in given.items() if name != "title"}
