"""What a scheme refers to: that every parameter named has a value, and one of the kind that its place needs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partnerlab.errors import SpecError, nearest
from partnerlab.panel.indicators import Indicators
from partnerlab.scoring.conditions import Compare, Number, Param, Rule, leaves
from partnerlab.scoring.scorecard import ABOVE_ZERO, Score
from partnerlab.specs import Document, misplaced
from partnerlab.tiers.playbook import facts_asked, stop_of

if TYPE_CHECKING:
    from partnerlab.tiers.scheme import TierScheme

#: Parts of a scheme that ask for facts.
_ASKING = ("classify", "scores", "over", "labels", "playbook")

#: A parameter that is asked for: its name, what its place needs, the keys under which it stands.
Asked = tuple[str, str, tuple[str | int, ...]]

#: What a place may need, besides any value at all and any number: which numbers will do.
_FITS: Mapping[str, Callable[[Any], bool]] = {
    "any value": lambda value: True,
    "a number": lambda value: True,
    "a number above 0": lambda value: value > 0,
    "a number of 0 or more": lambda value: value >= 0,
    "a share between 0 and 1": lambda value: 0 < value <= 1,
    "a quantile between 0 and 1": lambda value: 0 < value < 1,
    "a whole number from 1 up": lambda value: value >= 1 and value == int(value),
}


def check_parameters(scheme: TierScheme) -> None:
    """Refuse parameters without a value, ValueError at the place that asks; and values that do not fit their place."""
    for name, needed, path in asked_parameters(scheme):
        if name not in scheme.params:
            raise misplaced(f"${name} is used but has no value under params{nearest(name, scheme.params)}", *path, word=f"${name}")
        value = scheme.params[name]
        if isinstance(value, bool) and needed != "any value":
            said = f"${name} is {str(value).lower()} under params, and here a number is needed; give it a number"
            raise misplaced(said, *path, word=f"${name}")
        if not _FITS[needed](value):
            said = f"${name} is {float(value):g} under params, and here {needed} is needed; mend the one or the other"
            raise misplaced(said, *path, word=f"${name}")
        _check_standards(scheme, name, needed)
    for place, standard in enumerate(scheme.overrides):
        for verb, changes in (("set", standard.set), ("scale", standard.scale)):
            for name in changes:
                _check_change(scheme, name, changes[name], ("overrides", place, verb, name))


def _check_standards(scheme: TierScheme, name: str, needed: str) -> None:
    """Refuse values of a regional standard that do not fit the place that asks for the parameter."""
    for place, standard in enumerate(scheme.overrides):
        given = standard.set.get(name)
        if given is not None and not isinstance(given, str) and not _FITS[needed](given):
            said = f"${name} becomes {float(given):g}, and where it is used {needed} is needed; mend the one or the other"
            raise misplaced(said, "overrides", place, "set", name)


def _check_change(scheme: TierScheme, name: str, given: Any, here: tuple[str | int, ...]) -> None:
    """Refuse a regional standard for what is no parameter, or no number."""
    if name not in scheme.params:
        raise misplaced(f"overrides change {name!r}, which is not a parameter{nearest(name, scheme.params)}", *here)
    if isinstance(given, str):
        raise misplaced(f"overrides change {name!r} to {given}; give a number, not another parameter", *here)
    if isinstance(scheme.params[name], bool):
        raise misplaced(f"overrides change {name!r}, which is true or false; only numbers have regional standards", *here)


def asked_parameters(scheme: TierScheme) -> Iterator[Asked]:
    """Give every parameter that a scheme asks for, as often as it stands somewhere."""
    yield from _of_classification(scheme)
    for count in scheme.over.count_at_least if scheme.over else ():
        yield from _of_amounts((count.units,), "a whole number from 1 up", ("over",))
        for each in count.all:
            yield from _of_rule(each, ("over",))
    for key, score in scheme.scores.items():
        yield from _of_score(score, ("scores", key))
    for key, label in scheme.labels.items():
        yield from _of_amounts((label.share_at_least,), "a share between 0 and 1", ("labels", key, "share_at_least"))
        if label.when is not None:
            yield from _of_rule(label.when, ("labels", key, "when"))
    for tier, entries in scheme.playbook.items():
        stop = stop_of(entries)
        if stop is not None:
            yield from _of_amounts((stop.at_least,), "a number", ("playbook", tier))


def _of_classification(scheme: TierScheme) -> Iterator[Asked]:
    rule = scheme.classify
    for _, each in rule.rules():
        yield from _of_rule(each, ("classify",))
    for key in ("x", "y"):
        axis = getattr(rule, key, None)
        if axis is not None:
            yield from _of_amounts((axis.cut.absolute, axis.cut.min), "a number", ("classify", key, "cut"))
            yield from _of_amounts((axis.cut.quantile,), "a quantile between 0 and 1", ("classify", key, "cut", "quantile"))
    for _, _, share in getattr(rule, "steps", ()):
        if share is not None:
            yield from _of_amounts((share.cap,), "a share between 0 and 1", ("classify",))


def _of_score(score: Score, path: tuple[str | int, ...]) -> Iterator[Asked]:
    yield from _of_amounts((score.max,), "a number", (*path, "max"))
    for part in score.walk():
        parts = (*path, "parts")
        yield from _of_amounts((part.max,), "a number", parts)
        yield from _of_amounts((part.weight,), "a number of 0 or more", parts)
        for key, value in (part.shape or {}).items():
            if key != "percentile":
                yield from _of_amounts((value,), "a number above 0" if key in ABOVE_ZERO else "a number", parts)
        if part.requires is not None:
            yield from _of_rule(part.requires, parts)
    for goal, weights in score.weights_by_goal.items():
        yield from _of_amounts(weights.values(), "a number of 0 or more", (*path, "weights_by_goal", goal))


def _of_amounts(amounts: Iterable[Any], needed: str, path: tuple[str | int, ...]) -> Iterator[Asked]:
    for amount in amounts:
        if isinstance(amount, str) and amount.startswith("$"):
            yield amount[1:], needed, path


def _of_rule(rule: Rule, path: tuple[str | int, ...]) -> Iterator[Asked]:
    """Parameters of a rule; an order asks for a number, equality takes true and false too."""
    for leaf in leaves(rule):
        if isinstance(leaf, Compare) and isinstance(leaf.line, Param):
            yield leaf.line.name, "any value" if leaf.operator in ("==", "!=") else "a number", path


def check_facts(scheme: TierScheme, document: Document) -> None:
    """Refuse a file of indicators that is not there, and numbers that nothing gives, SpecError at the line that asks.

    Where the scheme names a file of its own, that file says what there is. Of the shipped indicators a scheme may ask for
    more than they give (a frame may hold it), so there only a word is refused that looks like a score misspelt and that
    the glossary does not know.
    """
    own = scheme.indicators.endswith((".yaml", ".yml"))
    if own and not Path(scheme.indicators).is_file():
        raise _stray(document, ("indicators",), f"{scheme.indicators}: no such file; indicators are looked for beside the scheme")
    try:
        declared = Indicators.load(scheme.indicators)
    except SpecError as error:
        if own:
            raise
        raise _stray(document, ("indicators",), str(error)) from error
    made = {*scheme.scores, *(part.name for score in scheme.scores.values() for part in score.walk() if part.name != part.metric)}
    made |= {scheme.over.fact(count) for count in scheme.over.count_at_least} if scheme.over else set()
    known = {*made, *declared.names, *(f"{name}_n" for name in declared.names)}
    for fact in dict.fromkeys(_numbers_asked(scheme)):
        misspelt = fact not in scheme.glossary and difflib.get_close_matches(fact, made, n=1, cutoff=0.8)
        if fact not in known and (own or misspelt):
            places = (document.find((section,), fact) for section in _ASKING)
            path = next((place for place in places if len(place) > 1), ("classify",))
            raise _stray(document, path, f"{fact!r} is no score, and no indicator of {scheme.indicators}{nearest(fact, known)}")


def _stray(document: Document, path: tuple[str | int, ...], said: str) -> SpecError:
    key, line = ".".join(map(str, path)), document.line(path)
    return SpecError(f"{document.name}, line {line}, {key}: {' '.join(said.split())}", file=document.name, line=line, key=key)


def _numbers_asked(scheme: TierScheme) -> Iterator[str]:
    """Facts that are asked for as numbers; words, yes and no may be attributes of partners."""
    rules = [*(rule for _, rule in scheme.classify.rules()), *(scheme.over.rules if scheme.over else ())]
    rules += [label.when for label in scheme.labels.values() if label.when is not None]
    for score in scheme.scores.values():
        yield from (name for name in (score.divide, score.by) if name)
        for part in score.walk():
            yield from [part.metric] if part.metric else []
            rules += [part.requires] if part.requires is not None else []
    for rule in rules:
        for leaf in leaves(rule):
            if isinstance(leaf, Compare) and (isinstance(leaf.line, Number) or leaf.operator in (">=", ">", "<=", "<")):
                yield leaf.fact
    yield from (axis.value for key in ("x", "y") if (axis := getattr(scheme.classify, key, None)) is not None)
    yield from (share.rank_by for _, _, share in getattr(scheme.classify, "steps", ()) if share is not None and share.rank_by)
    yield from (fact for label in scheme.labels.values() for fact in label.shares.values())
    yield from (fact for entries in scheme.playbook.values() for fact in facts_asked(entries))
