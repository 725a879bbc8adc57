"""Conditions that a person can read: ``referrals_4q >= $high_referrals and opt_in == true``.

The text is cut into tokens and parsed by hand; nothing is ever evaluated as
code. A condition compares an indicator, score or attribute with a number, a
named parameter or a word, and may be asked to last: ``leads >= 2 for 3 of 4 quarters``.
Sets are asked with ``region in {north, south}`` and ``motions has any of {resell, refer}``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Annotated, Any

import pydantic

from partnerlab.errors import nearest
from partnerlab.scoring.numbers import parse_number

#: What may follow a number of periods in ``for 3 quarters``.
_PERIODS = ("quarter", "quarters", "month", "months", "period", "periods")
_WORDS = {"and", "or", "not", "in", "is", "for", "of", "ever", "within", "known", "unknown", "true", "false"}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?:\s*/\s*\d+(?:\.\d+)?)?\s*%?)"
    r"|(?P<param>\$[A-Za-z_]\w*)|(?P<name>[A-Za-z_][\w.]*)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<operator>>=|<=|==|!=|>|<)|(?P<mark>[()\[\]{},]))"
)


#: Deepest nesting that a person reads; longest memory, in periods.
_DEEPEST, _LONGEST = 50, 1200


@dataclasses.dataclass(frozen=True)
class Number:
    """A number, kept exact: 40/6 is 40/6."""

    exact: Fraction

    def __str__(self) -> str:
        return f"{float(self.exact):.12g}" if self.exact.denominator != 1 else str(self.exact.numerator)


@dataclasses.dataclass(frozen=True)
class Flag:
    """True or false."""

    value: bool

    def __str__(self) -> str:
        return str(self.value).lower()


@dataclasses.dataclass(frozen=True)
class Param:
    """A named parameter of the scheme."""

    name: str

    def __str__(self) -> str:
        return f"${self.name}"


@dataclasses.dataclass(frozen=True)
class Words:
    """One or more words to compare an attribute with."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return repr(self.words[0]) if len(self.words) == 1 else "[" + ", ".join(map(repr, self.words)) + "]"


Line = Number | Flag | Param | Words


@dataclasses.dataclass(frozen=True)
class Compare:
    """One fact against one line."""

    fact: str
    operator: str
    line: Line

    def __str__(self) -> str:
        return f"{self.fact} {self.operator} {self.line}"


@dataclasses.dataclass(frozen=True)
class Known:
    """Whether a fact is known at all: the one question that is never unknown itself."""

    fact: str
    known: bool

    def __str__(self) -> str:
        return f"{self.fact} is {'known' if self.known else 'unknown'}"


@dataclasses.dataclass(frozen=True)
class Not:
    """The opposite."""

    part: Rule

    def __str__(self) -> str:
        return f"not ({self.part})"


@dataclasses.dataclass(frozen=True)
class AtLeast:
    """At least ``k`` of the parts; ``k = len(parts)`` is all, ``k = 1`` is any."""

    k: int
    parts: tuple[Rule, ...]

    @property
    def is_all(self) -> bool:
        """Every part must hold."""
        return self.k == len(self.parts)

    def __str__(self) -> str:
        if not self.parts:
            return "always"
        if len(self.parts) == 1 or self.is_all:
            return " and ".join(f"({part})" if _loose(part) else str(part) for part in self.parts)
        if self.k == 1:
            return " or ".join(map(str, self.parts))
        return f"at least {self.k} of: " + "; ".join(map(str, self.parts))


@dataclasses.dataclass(frozen=True)
class Sustained:
    """The part holds in at least ``met`` of the last ``window`` periods."""

    part: Rule
    met: int
    window: int

    def __str__(self) -> str:
        span = f"{self.met}" if self.met == self.window else f"{self.met} of {self.window}"
        return f"{f'({self.part})' if not isinstance(self.part, Compare) else self.part} for {span} periods"


Rule = Compare | Known | Not | AtLeast | Sustained

ALWAYS = AtLeast(0, ())


def all_of(*parts: Rule) -> Rule:
    """Every one of the parts."""
    return parts[0] if len(parts) == 1 else AtLeast(len(parts), tuple(parts))


def any_of(*parts: Rule) -> Rule:
    """One of the parts at least."""
    return parts[0] if len(parts) == 1 else AtLeast(1, tuple(parts))


def _k_of(k: int, parts: tuple[Rule, ...]) -> Rule:
    return all_of(*parts) if k == len(parts) else AtLeast(k, tuple(parts))


def member_name(fact: str, word: str) -> str:
    """Name of the indicator that says whether a set holds a word, where the set is no attribute of partners.

    Examples
    --------
    >>> member_name("certificate", "Azure-Administrator")
    'certificate_azure_administrator'
    """
    return f"{fact}_{re.sub(r'[^0-9a-z]+', '_', word.lower()).strip('_')}"


def sets_of(rule: Rule) -> dict[str, list[str]]:
    """Find the sets that a rule asks for, and the indicators that would say what each holds."""
    found: dict[str, list[str]] = {}
    for leaf in leaves(rule):
        if isinstance(leaf, Compare) and isinstance(leaf.line, Words) and leaf.operator in ("has", "lacks"):
            found.setdefault(leaf.fact, []).append(member_name(leaf.fact, leaf.line.words[0]))
    return found


def _loose(part: Rule) -> bool:
    return isinstance(part, AtLeast) and len(part.parts) > 1 and not part.is_all


def leaves(rule: Rule) -> Iterator[Compare | Known]:
    """Walk the comparisons of a rule, left to right."""
    if isinstance(rule, Compare | Known):
        yield rule
    elif isinstance(rule, AtLeast):
        for part in rule.parts:
            yield from leaves(part)
    else:
        yield from leaves(rule.part)


def facts_of(rule: Rule) -> list[str]:
    """Names that a rule asks for, each once, in the order met."""
    return list(dict.fromkeys(leaf.fact for leaf in leaves(rule)))


def params_of(rule: Rule) -> list[str]:
    """Parameters that a rule asks for, each once."""
    return list(dict.fromkeys(leaf.line.name for leaf in leaves(rule) if isinstance(leaf, Compare) and isinstance(leaf.line, Param)))


def parse_condition(text: str) -> Rule:
    """Read one condition.

    Raises
    ------
    ValueError
        One line: what stands where, and what was expected.

    Examples
    --------
    >>> parse_condition("referrals_4q >= $high_referrals")
    Compare(fact='referrals_4q', operator='>=', line=Param(name='high_referrals'))
    >>> str(parse_condition("opt_in == true and not meets == true"))
    'opt_in == true and not (meets == true)'
    """
    return _Parser(text).read()


class _Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._cut(text)
        self.at = 0
        self.depth = 0

    def _cut(self, text: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                shown = text[at:].strip()[:12]
                hint = "write == to compare" if shown.startswith("=") else "a condition looks like 'leads_4q >= $minimum'"
                raise ValueError(f"cannot read {shown!r} in condition {text!r}; {hint}")
            tokens.append((str(match.lastgroup), match[str(match.lastgroup)].strip()))
            at = match.end()
        return tokens

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self.at += 1
        return token

    def _accept(self, *words: str) -> str:
        kind, word = self._peek()
        if kind in ("name", "mark") and word in words:
            self.at += 1
            return word
        return ""

    def _expected(self, what: str) -> ValueError:
        kind, word = self._peek()
        return ValueError(f"condition {self.text!r}: expected {what}, found {'its end' if kind == 'end' else repr(word)}")

    def read(self) -> Rule:
        rule = self._or()
        if self._peek()[0] != "end":
            raise self._expected("'and', 'or' or the end")
        return rule

    def _or(self) -> Rule:
        parts = [self._and()]
        while self._accept("or"):
            parts.append(self._and())
        return any_of(*parts)

    def _and(self) -> Rule:
        parts = [self._not()]
        while self._accept("and"):
            parts.append(self._not())
        return all_of(*parts)

    def _not(self) -> Rule:
        if self._accept("not"):
            return Not(self._deeper(self._not))
        if self._accept("("):
            inner = self._deeper(self._or)
            if not self._accept(")"):
                raise self._expected("')'")
            return self._lasting(inner)
        return self._lasting(self._comparison())

    def _deeper(self, read: Callable[[], Rule]) -> Rule:
        """Read what stands inside, unless it stands deeper than anybody can follow."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError(f"condition {self.text[:40]!r}...: nested more than {_DEEPEST} deep; write it flatter")
        inner = read()
        self.depth -= 1
        return inner

    def _comparison(self) -> Rule:
        kind, fact = self._take()
        if kind != "name" or fact in _WORDS:
            self.at -= 1
            raise self._expected("the name of an indicator, score or attribute")
        if self._accept("is"):
            word = self._accept("known", "unknown")
            if not word:
                raise self._expected("'known' or 'unknown'")
            return Known(fact, word == "known")
        if self._accept("in"):
            return Compare(fact, "==", self._list())
        if self._peek() == ("name", "not") and self.tokens[self.at + 1 : self.at + 2] == [("name", "in")]:
            self.at += 2
            return Compare(fact, "!=", self._list())
        if self._accept("has"):
            return self._having(fact)
        kind, operator = self._take()
        if kind != "operator":
            self.at -= 1
            raise self._expected(f"one of >= > <= < == != in has after {fact!r}")
        line = self._line()
        if isinstance(line, Words | Flag) and operator not in ("==", "!="):
            raise ValueError(f"condition {self.text!r}: {operator} needs a number, not {line}; use == or !=")
        return Compare(fact, operator, line)

    def _having(self, fact: str) -> Rule:
        """Read what a set holds: ``has 'a'``, ``has any of``, ``has all of``, ``has none of``, ``has at least 2 of``."""
        kind, word = self._peek()
        if kind == "text":
            self.at += 1
            return Compare(fact, "has", Words((word[1:-1],)))
        how = self._accept("any", "all", "none", "at")
        least = self._count() if how == "at" and self._accept("least") else 1
        if not how or not self._accept("of"):
            raise self._expected("'any of', 'all of', 'none of', 'at least 2 of' or a 'quoted word' after 'has'")
        words = list(dict.fromkeys(self._list().words))
        if not words or not 1 <= least <= len(words):
            raise ValueError(f"condition {self.text!r}: {least} of {len(words)} words cannot be; list at least as many as are asked for")
        parts = [Compare(fact, "lacks" if how == "none" else "has", Words((word,))) for word in words]
        return {"any": any_of, "at": lambda *given: _k_of(least, given)}.get(how, all_of)(*parts)

    def _line(self) -> Line:
        kind, word = self._take()
        if kind == "number":
            try:
                return Number(parse_number(word))
            except (ValueError, ZeroDivisionError):
                raise ValueError(f"condition {self.text!r}: {word!r} is not a number") from None
        if kind == "param":
            return Param(word[1:])
        if kind == "text":
            return Words((word[1:-1],))
        if kind == "name" and word in ("true", "false"):
            return Flag(word == "true")
        self.at -= 1
        if kind == "name" and word in ("null", "None", "nan"):
            raise ValueError(f"condition {self.text!r}: a line may not be {word}; give a number, or ask '... is known'")
        raise self._expected("a number, true, false, $parameter or 'quoted words'")

    def _list(self) -> Words:
        opened = self._accept("[", "{")
        if not opened:
            raise self._expected("a list such as ['north', 'south']")
        words, closing = [], {"[": "]", "{": "}"}[opened]
        while not self._accept(closing):
            kind, word = self._take()
            if kind not in ("name", "text", "number"):
                self.at -= 1
                raise self._expected(f"a word or '{closing}'")
            words.append(word[1:-1] if kind == "text" else word)
            self._accept(",")
        return Words(tuple(words))

    def _lasting(self, rule: Rule) -> Rule:
        if self._accept("ever"):
            if not self._accept("within"):
                raise self._expected("'within'")
            return self._checked(rule, 1, self._span())
        if self._accept("for"):
            met = self._count()
            window = self._count() if self._accept("of") else met
            self._accept(*_PERIODS)
            return self._checked(rule, met, window)
        return rule

    def _checked(self, rule: Rule, met: int, window: int) -> Sustained:
        if not 1 <= met <= window:
            raise ValueError(f"condition {self.text!r}: {met} of {window} periods cannot be; give 1 to {window}")
        if window > _LONGEST:
            raise ValueError(f"condition {self.text!r}: no program is {window} periods old; give {_LONGEST} or fewer")
        return Sustained(rule, met, window)

    def _span(self) -> int:
        window = self._count()
        self._accept(*_PERIODS)
        return window

    def _count(self) -> int:
        kind, word = self._take()
        if kind != "number" or not word.isdigit() or len(word) > 9:
            self.at -= 1
            raise self._expected("a whole number of periods")
        return int(word)


_TREE = ("all", "any", "not", "at_least", "of")


def parse_rule(given: Any, *, depth: int = 0) -> Rule:
    """Read a rule as it stands in YAML.

    A text is one condition; a list means all of its rules; a mapping is
    ``{all: [...]}``, ``{any: [...]}``, ``{not: rule}``, ``{at_least: 2, of: [...]}``
    or the short form ``{opt_in: "== true"}``.

    Raises
    ------
    ValueError
        One line: what is wrong and how it should look.

    Examples
    --------
    >>> str(parse_rule({"any": ["leads >= 3", {"opt_in": "== true"}]}))
    'leads >= 3 or opt_in == true'
    """
    if isinstance(given, Compare | Known | Not | AtLeast | Sustained):
        return given
    if isinstance(given, str):
        return parse_condition(given)
    if depth > _DEEPEST:
        raise ValueError(f"a rule nested more than {_DEEPEST} deep; write it flatter")
    if isinstance(given, list):
        return all_of(*(parse_rule(item, depth=depth + 1) for item in given)) if given else ALWAYS
    if not isinstance(given, dict) or not given:
        raise ValueError(f"a rule is a condition such as 'leads_4q >= 3', a list, or one of {', '.join(_TREE)}; got {given!r}")
    if "of" in given and "at_least" not in given:
        raise ValueError("'of' needs a count: {at_least: 2, of: [rule, rule, rule]}")
    return all_of(*(_branch(str(key), value, given, depth + 1) for key, value in given.items() if key != "of"))


def _branch(key: str, value: Any, given: dict[str, Any], depth: int) -> Rule:
    if key in ("all", "any"):
        if not isinstance(value, list):
            raise ValueError(f"'{key}' takes a list of rules; got {value!r}")
        if key == "any" and not value:
            raise ValueError("'any' of nothing can never hold; list at least one rule")
        rules = [parse_rule(item, depth=depth) for item in value]
        return (all_of(*rules) if key == "all" else any_of(*rules)) if rules else ALWAYS
    if key == "not":
        return Not(parse_rule(value, depth=depth))
    if key == "at_least":
        rules = given.get("of")
        if not isinstance(rules, list) or type(value) is not int or not 1 <= value <= len(rules):
            raise ValueError("write {at_least: 2, of: [rule, rule, rule]} with a number from 1 to the number of rules")
        return AtLeast(value, tuple(parse_rule(rule, depth=depth) for rule in rules))
    if isinstance(value, str):
        return parse_condition(f"{key} {value}")
    raise ValueError(f"cannot read rule {{{key}: {value!r}}}; write '{key} >= 3'{nearest(key, _TREE)}")


def _schema() -> dict[str, Any]:
    listed = {"type": "array", "items": {}}
    tree = {"all": listed, "any": listed, "not": {}, "at_least": {"type": "integer", "minimum": 1}, "of": listed}
    return {
        "anyOf": [{"type": "string"}, listed, {"type": "object", "properties": tree}],
        "description": "a condition, a list, or all/any/not",
    }


def _checked_rule(given: Any) -> Rule:
    if given is None:
        raise ValueError("a rule may not be null; write a condition such as 'leads_4q >= 3'")
    return parse_rule(given)


#: A rule as a field of a spec.
RuleField = Annotated[
    Compare | Known | Not | AtLeast | Sustained,
    pydantic.PlainValidator(_checked_rule),
    pydantic.PlainSerializer(str),
    pydantic.WithJsonSchema(_schema()),
]
