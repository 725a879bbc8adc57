"""What people write in YAML, read strictly: every mistake names file, line, key and remedy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Self

import pydantic
import pydantic_core
import yaml

from partnerlab.errors import SpecError, nearest


class _StrictLoader(yaml.SafeLoader):
    """YAML 1.2's core types only: ``NO`` stays Norway, ``007`` and dates stay text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9]\d*)$"), list("-0123456789"))
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:0|[1-9]\d*)(?:\.\d+)(?:[eE][-+]?\d+)?$|^-?(?:0|[1-9]\d*)[eE][-+]?\d+$"),
    list("-0123456789"),
)
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"), ["<"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Document:
    """A YAML text: its data, and on which line each key stands."""

    data: Any
    lines: Mapping[tuple[str | int, ...], int]
    name: str

    def line(self, path: tuple[str | int, ...]) -> int:
        """Line of a key, or of the nearest key above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def _walk(node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], name: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            if here in lines:
                raise SpecError(
                    f"{name}, line {key.start_mark.line + 1}: key {key.value!r} stands twice; keep one", line=key.start_mark.line + 1
                )
            lines[here] = key.start_mark.line + 1
            _walk(value, here, lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, name)


def read_yaml(text: str, *, name: str) -> Document:
    """Parse one YAML document, refusing duplicate keys.

    Raises
    ------
    SpecError
        Naming file and line.

    Examples
    --------
    >>> read_yaml("country: NO", name="demo.yaml").data
    {'country': 'NO'}
    """
    lines: dict[tuple[str | int, ...], int] = {}
    try:
        node = yaml.compose(text, Loader=_StrictLoader)
        if node is not None:
            _walk(node, (), lines, name)
        data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader with fewer types
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise SpecError(f"{name}, line {line}: not YAML: {getattr(error, 'problem', error)}; mend the line", line=line) from error
    return Document(data=data, lines=lines, name=name)


def read_spec_file(path: str | Path, *, package: str | None = None) -> Document:
    """Read a YAML file by path, or by bare name from those shipped in ``package``.

    Raises
    ------
    SpecError
        If there is no such file; it lists the names that ship.
    """
    given = Path(path)
    if given.suffix in (".yaml", ".yml"):
        if not given.is_file():
            raise SpecError(f"{given}: no such file; give the path of a YAML file")
        return read_yaml(given.read_text(encoding="utf-8"), name=str(given))
    if package is None:
        raise SpecError(f"{given}: give the path of a .yaml file")
    shipped = {item.name.removesuffix(".yaml"): item for item in resources.files(package).iterdir() if item.name.endswith(".yaml")}
    if str(path) not in shipped:
        raise SpecError(f"no file and no shipped spec is called {str(path)!r}{nearest(str(path), shipped)}")
    return read_yaml(shipped[str(path)].read_text(encoding="utf-8"), name=f"{path}.yaml")


class Spec(pydantic.BaseModel):
    """A frozen, keyword-only request that is checked when it is made."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    #: Package whose YAML files ``load`` finds by bare name.
    shipped: ClassVar[str | None] = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = set(cls.model_fields) | {field.alias for field in cls.model_fields.values() if field.alias}
            for key in data:
                if key not in known:
                    raise pydantic_core.PydanticCustomError(
                        "unknown_key", "unknown key {key}{hint}", {"key": repr(key), "hint": nearest(str(key), known), "at": str(key)}
                    )
        return data

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load from a YAML file, or by name from the specs that ship with the package.

        Raises
        ------
        SpecError
            Naming file, line, key and remedy.
        """
        return cls.from_document(read_spec_file(path, package=cls.shipped))

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Check a parsed YAML document; the line of each mistake is known."""
        if not isinstance(document.data, dict):
            raise SpecError(f"{document.name}, line 1: expected keys and values; known keys: {', '.join(sorted(cls.model_fields))}")
        try:
            return cls.model_validate(document.data)
        except pydantic.ValidationError as error:
            raise _explain(error, document) from error


def _explain(error: pydantic.ValidationError, document: Document) -> SpecError:
    """Turn the first of pydantic's findings into one line a person can act on."""
    first = min(error.errors(include_url=False), key=lambda found: (found["type"] != "unknown_key", len(found["loc"])))
    path = tuple(step for step in first["loc"] if (not isinstance(step, str)) or not step.startswith("function-"))
    if first["type"] == "unknown_key":
        path = (*path, first["ctx"]["at"])
    line = document.line(path)
    key = ".".join(map(str, path)) or "(top)"
    message = first["msg"].removeprefix("Value error, ")
    given = (
        f" (given: {first['input']!r})"
        if not isinstance(first["input"], dict | list) and first["type"] not in ("missing", "unknown_key")
        else ""
    )
    return SpecError(f"{document.name}, line {line}, {key}: {message}{given}", file=document.name, line=line, key=key)
