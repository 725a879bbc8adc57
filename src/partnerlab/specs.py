"""What people write in YAML, read strictly: every mistake names file, line, key and remedy."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import pydantic
import pydantic_core
import yaml

from partnerlab.errors import SpecError, nearest

#: What nobody writes by hand: deeper nesting, more entries (aliases written out), longer numbers are refused.
_DEEPEST, _MOST_ENTRIES, _MOST_DIGITS = 50, 100_000, 18


class _StrictLoader(yaml.SafeLoader):
    """YAML 1.2's core types only: ``NO`` stays Norway, ``007`` and dates stay text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    depth = 0

    def get_event(self) -> yaml.Event:
        """Refuse tags, nesting and numbers that no reader should meet, before anything is made of them."""
        event = super().get_event()
        self.depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        number = isinstance(event, yaml.ScalarEvent) and event.style is None and re.fullmatch(r"[-+.\deE]+", event.value)
        said = ""
        if self.depth > _DEEPEST:
            said = f"nested more than {_DEEPEST} levels deep; write it flatter"
        elif getattr(event, "tag", None) is not None:
            said = f"the tag {event.tag!r} is not read; remove it"
        elif number and len(re.sub(r"\D", "", event.value)) > _MOST_DIGITS:
            said = f"a number of more than {_MOST_DIGITS} digits; write fewer"
        if said:
            raise yaml.MarkedYAMLError(problem=said, problem_mark=event.start_mark, note="refused")
        return event


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

    def find(self, path: tuple[str | int, ...], word: str) -> tuple[str | int, ...]:
        """Find the deepest place at or below a path that says a word, as a key or in a text; the path itself if none does."""
        said = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        places = (place for place in self.lines if place[: len(path)] == path)
        return next((place for place in places if self._says(place, said)), path)

    def _says(self, place: tuple[str | int, ...], said: re.Pattern[str]) -> bool:
        here = self.data
        for step in place:
            if not isinstance(here, dict | list) or (isinstance(here, dict) and step not in here):
                return False
            here = here[step]  # type: ignore[index]
        return (isinstance(here, str) and bool(said.search(here))) or (bool(place) and bool(said.fullmatch(str(place[-1]))))


def misplaced(message: str, *path: str | int, word: str = "") -> pydantic_core.PydanticCustomError:
    """Make the finding of a validator that sees more than one key: it says at which key, below its own, the mistake stands.

    Parameters
    ----------
    message : str
        What is wrong and what to do.
    *path : str or int
        Keys from where the validator stands down to the mistake.
    word : str
        What the mistake says, to be found at or below the path where its place is not known more exactly.
    """
    return pydantic_core.PydanticCustomError("misplaced", "{message}", {"message": message, "path": path, "word": word})


def _walk(node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], name: str) -> None:
    here = node.start_mark.line + 1
    if len(path) > _DEEPEST:
        raise SpecError(f"{name}, line {here}: an alias (*) stands inside what it repeats; write the part out", line=here)
    if len(lines) > _MOST_ENTRIES:
        said = f"more than {_MOST_ENTRIES:,} entries once aliases (*) are written out; repeat less"
        raise SpecError(f"{name}, line {here}: {said}", line=here)
    lines.setdefault(path, here)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            if "\n" in here[-1]:
                at = key.start_mark.line + 1
                raise SpecError(f"{name}, line {at}: a key of several lines; write it in one", line=at)
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
    name = " ".join(name.split())
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        if node is not None:
            _walk(node, (), lines, name)
        data = None if node is None else loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise SpecError(f"{name}, line {line}: a character that no text holds (#x{code:04x}); remove it", line=line) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        if getattr(error, "note", None) == "refused":
            raise SpecError(f"{name}, line {line}: {problem}", line=line) from error
        raise SpecError(f"{name}, line {line}: not YAML: {problem}; mend the line", line=line) from error
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
    return _read_shipped(package, str(path))


@functools.cache
def _read_shipped(package: str, name: str) -> Document:
    """Read a YAML file that ships with the package, once."""
    shipped = {item.name.removesuffix(".yaml"): item for item in resources.files(package).iterdir() if item.name.endswith(".yaml")}
    if name not in shipped:
        raise SpecError(f"no file and no shipped spec is called {name!r}{nearest(name, shipped)}")
    return read_yaml(shipped[name].read_text(encoding="utf-8"), name=f"{name}.yaml")


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
        if cls.shipped is not None and Path(path).suffix not in (".yaml", ".yml"):
            return _load_shipped(cls, str(path))
        return cls.from_document(read_spec_file(path, package=cls.shipped))

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Check a parsed YAML document; the line of each mistake is known."""
        if not isinstance(document.data, dict):
            raise SpecError(f"{document.name}, line 1: expected keys and values; known keys: {', '.join(sorted(cls.model_fields))}")
        with _one_line(cls.__name__, document):
            return cls.model_validate(document.data)


@functools.cache
def _load_shipped(kind: type[Spec], name: str) -> Any:
    """Load a spec that ships with the package, once: specs do not change."""
    return kind.from_document(read_spec_file(name, package=kind.shipped))


def _one_line_name(given: str) -> str:
    if not given.strip() or not given.isprintable() or len(given) > 100:
        raise ValueError("a name is one line of 1 to 100 characters that can be seen; shorten or mend it")
    return given


#: A name, as it stands in tables and messages.
Name = Annotated[str, pydantic.AfterValidator(_one_line_name)]


#: What pydantic says of a type, in words that tell what to write.
_REMEDIES = {
    "missing": "the key is missing; add it",
    "date_from_datetime_parsing": "not a date; write it as 2026-01-31",
    "date_type": "not a date; write it as 2026-01-31",
    "date_parsing": "not a date; write it as 2026-01-31",
    "date_from_datetime_inexact": "not a date; write it as 2026-01-31, without a time",
    "int_type": "not a whole number; write one such as 2",
    "int_parsing": "not a whole number; write one such as 2",
    "int_from_float": "not a whole number; write one such as 2",
    "float_type": "not a number; write one such as 0.5",
    "float_parsing": "not a number; write one such as 0.5",
    "finite_number": "not a number; write one such as 0.5",
    "bool_type": "not true or false; write one of the two",
    "bool_parsing": "not true or false; write one of the two",
    "string_type": "not a text; write a word, in quotes if it looks like a number",
    "tuple_type": "not a list; write [a, b], or one item a line after '-'",
    "list_type": "not a list; write [a, b], or one item a line after '-'",
    "dict_type": "not keys and values; write {key: value}",
    "model_type": "not keys and values; write {key: value}",
    "model_attributes_type": "not keys and values; write {key: value}",
    "invalid_key": "keys are texts here; put the key in quotes",
    "too_short": "empty; write at least one",
}


def _in_words(found: Any) -> str:
    """Say one finding of pydantic in words that name a remedy."""
    bounds = found.get("ctx") or {}
    if found["type"] in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        (bound,) = bounds.values()
        rule = {"greater_than_equal": "or more", "less_than_equal": "or less"}.get(found["type"])
        sign = "above" if found["type"] == "greater_than" else "below"
        return f"out of range; write {bound:g} {rule}" if rule else f"out of range; write a number {sign} {bound:g}"
    if found["type"] == "literal_error":
        words = re.findall(r"'([^']*)'", str(bounds["expected"]))
        return f"unknown word; write {' or '.join(map(repr, words))}" if len(words) < 2 else f"unknown word{_one_of(found['input'], words)}"
    return _REMEDIES.get(found["type"]) or str(found["msg"]).removeprefix("Value error, ")


def _one_of(given: Any, words: list[str]) -> str:
    return f"{nearest(str(given), words)}" if isinstance(given, str) else f"; known: {', '.join(words)}"


def _shown(found: Any) -> str:
    """Show what was given, as far as it fits a line."""
    if isinstance(found["input"], dict | list | tuple) or found["type"] in ("missing", "unknown_key", "misplaced"):
        return ""
    text = repr(found["input"])
    return f" (given: {text if len(text) <= 80 else text[:77] + '...'})"


def _explain(error: pydantic.ValidationError, document: Document | None, name: str) -> SpecError:
    """Turn the first of pydantic's findings into one line a person can act on; without a document the spec's name says where."""
    first = min(error.errors(include_url=False), key=lambda found: (found["type"] != "unknown_key", len(found["loc"])))
    path = tuple(step for step in first["loc"] if (not isinstance(step, str)) or not step.startswith("function-"))
    if first["type"] == "unknown_key":
        path = (*path, first["ctx"]["at"])
    if first["type"] == "misplaced":
        path = (*path, *first["ctx"]["path"])
        if document is not None and first["ctx"]["word"]:
            path = document.find(path, first["ctx"]["word"])
    key = " ".join(".".join(map(str, path)).split()) or "(top)"
    said = " ".join(f"{_in_words(first)}{_shown(first)}".split())
    if document is None:
        return SpecError(f"{name}, {key}: {said}", spec=name, key=key)
    line = document.line(path)
    return SpecError(f"{document.name}, line {line}, {key}: {said}", file=document.name, line=line, key=key)
