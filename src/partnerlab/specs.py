"""What people write in YAML, read strictly: every mistake names file, line, key and remedy."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import re
from collections.abc import Iterator, Mapping
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
        return read_yaml(_read_text(given), name=str(given))
    if package is None:
        raise SpecError(f"{given}: give the path of a .yaml file")
    shipped = {item.name.removesuffix(".yaml"): item for item in resources.files(package).iterdir() if item.name.endswith(".yaml")}
    if str(path) not in shipped:
        raise SpecError(f"no file and no shipped spec is called {str(path)!r}{nearest(str(path), shipped)}")
    return read_yaml(shipped[str(path)].read_text(encoding="utf-8"), name=f"{path}.yaml")


def _read_text(path: Path) -> str:
    """Text of a file that a person wrote, with or without a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 (byte {error.start + 1}); save the file with UTF-8 encoding", file=str(path)) from error
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); mind who may read it", file=str(path)) from error


#: Whether a spec is being checked at this moment: what is made inside is a part of it, and the outermost says what is wrong.
_CHECKING = contextvars.ContextVar("partnerlab_checking", default=False)


@contextlib.contextmanager
def _one_line(name: str, document: Document | None = None) -> Iterator[None]:
    """Turn what pydantic found, at the outermost level, into one line."""
    if document is None and _CHECKING.get():
        yield
        return
    token = _CHECKING.set(True)
    try:
        yield
    except pydantic.ValidationError as error:
        raise _explain(error, document, name) from error
    finally:
        _CHECKING.reset(token)


class _SpecType(type(pydantic.BaseModel)):  # type: ignore[misc]
    """Type of the specs. Its call is what Python code makes a spec by; pydantic makes the parts of one without it."""

    def __call__(cls, *args: Any, **keys: Any) -> Any:
        if args:
            raise SpecError(f"{cls.__name__}: give every value by its name; known: {', '.join(cls.model_fields)}")
        with _one_line(cls.__name__):
            return super().__call__(**keys)


class Spec(pydantic.BaseModel, metaclass=_SpecType):
    """A frozen, keyword-only request that is checked when it is made.

    Raises
    ------
    SpecError
        One line: which key, what is wrong, what was given.

    Examples
    --------
    >>> from partnerlab.intake import Program
    >>> Program(start_mont=4)
    Traceback (most recent call last):
    partnerlab.errors.SpecError: Program, start_mont: unknown key 'start_mont'; did you mean 'start_month'?
    """

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
        with _one_line(cls.__name__, document):
            return cls.model_validate(document.data)


def _explain(error: pydantic.ValidationError, document: Document | None, name: str) -> SpecError:
    """Turn the first of pydantic's findings into one line a person can act on; without a document the spec's name says where."""
    first = min(error.errors(include_url=False), key=lambda found: (found["type"] != "unknown_key", len(found["loc"])))
    path = tuple(step for step in first["loc"] if (not isinstance(step, str)) or not step.startswith("function-"))
    if first["type"] == "unknown_key":
        path = (*path, first["ctx"]["at"])
    key = ".".join(map(str, path)) or "(top)"
    message = first["msg"].removeprefix("Value error, ")
    given = (
        f" (given: {first['input']!r})"
        if not isinstance(first["input"], dict | list) and first["type"] not in ("missing", "unknown_key")
        else ""
    )
    if document is None:
        return SpecError(f"{name}, {key}: {' '.join(message.split())}{given}", spec=name, key=key)
    line = document.line(path)
    return SpecError(f"{document.name}, line {line}, {key}: {message}{given}", file=document.name, line=line, key=key)
