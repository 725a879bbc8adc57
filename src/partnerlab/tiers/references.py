"""What a scheme refers to: that every parameter named has a value, and one of the kind that its place needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from partnerlab.errors import nearest
from partnerlab.scoring.conditions import Compare, Param, Rule, leaves
from partnerlab.scoring.scorecard import ABOVE_ZERO, Score
from partnerlab.specs import misplaced
from partnerlab.tiers.playbook import stop_of

if TYPE_CHECKING:
    from partnerlab.tiers.scheme import TierScheme

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
