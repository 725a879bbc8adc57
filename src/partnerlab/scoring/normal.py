"""Rules without "not" and without nesting of the same kind: the form in which they are explained and linted."""

from __future__ import annotations

from partnerlab.scoring.conditions import AtLeast, Compare, Flag, Known, Not, Rule, Sustained

_OPPOSITE = {">=": "<", "<": ">=", ">": "<=", "<=": ">", "==": "!=", "!=": "==", "has": "lacks", "lacks": "has"}


def without_not(rule: Rule) -> Rule:
    """Push every "not" down to the comparisons (De Morgan; at least k of n becomes at least n - k + 1).

    Examples
    --------
    >>> from partnerlab.scoring import parse_rule
    >>> str(without_not(parse_rule({"not": {"any": ["opt_in == true", "leads >= 3"]}})))
    'opt_in == false and leads < 3'
    """
    if isinstance(rule, AtLeast):
        parts: list[Rule] = []
        for part in map(without_not, rule.parts):
            flat = rule.is_all and isinstance(part, AtLeast) and part.is_all
            parts += part.parts if flat and isinstance(part, AtLeast) else [part]
        return AtLeast(len(parts) if rule.is_all else rule.k, tuple(parts))
    if isinstance(rule, Sustained):
        return Sustained(without_not(rule.part), rule.met, rule.window)
    return _opposite(rule.part) if isinstance(rule, Not) else rule


def _opposite(rule: Rule) -> Rule:
    if isinstance(rule, Not):
        return without_not(rule.part)
    if isinstance(rule, AtLeast):
        return without_not(AtLeast(len(rule.parts) - rule.k + 1, tuple(Not(part) for part in rule.parts)))
    if isinstance(rule, Sustained):  # fewer than met of the window hold: the opposite holds in all but met - 1
        return Sustained(_opposite(rule.part), rule.window - rule.met + 1, rule.window)
    if isinstance(rule, Known):
        return Known(rule.fact, not rule.known)
    if isinstance(rule.line, Flag) and rule.operator in ("==", "!="):
        return Compare(rule.fact, "==", Flag(rule.line.value != (rule.operator == "==")))
    return Compare(rule.fact, _OPPOSITE[rule.operator], rule.line)
