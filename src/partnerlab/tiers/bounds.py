"""What the facts of a scheme can be at all, here and under each regional standard: lines that nobody or everybody meets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from partnerlab.errors import PartnerlabError
from partnerlab.panel.indicators import Indicators
from partnerlab.scoring import kleene
from partnerlab.scoring.conditions import Compare, Number, Param, leaves
from partnerlab.scoring.order import order_scores
from partnerlab.scoring.reach import OPEN, Range, indicator_range, part_range, score_range

if TYPE_CHECKING:
    from partnerlab.tiers.scheme import RegionalStandard, TierScheme

#: Rule, grade, where, finding.
Finding = tuple[str, str, str, str]


def ranges_of(scheme: TierScheme, params: Mapping[str, float]) -> dict[str, Range]:
    """Least and most that each indicator, score and part of a scheme can be, with parameters of these values."""
    try:
        declared = Indicators.load(scheme.indicators).indicators
    except PartnerlabError:
        declared = {}  # a panel may bring its own
    found = {name: indicator_range(indicator) for name, indicator in declared.items()}

    def amount(given: object) -> float:
        return params[given[1:]] if isinstance(given, str) else float(given)  # type: ignore[arg-type]

    for name in order_scores(scheme.scores):
        score = scheme.scores[name]
        parts = [part for part in score.walk() if part.name not in declared]
        found |= {part.name: part_range(part, amount, facts=found) for part in parts}
        found[name] = score_range(score, amount, goal=scheme.goal, facts=found)
    return found


def standards_of(scheme: TierScheme) -> Iterator[tuple[dict[str, float], str]]:
    """Parameters as each regional standard leaves them, and for whom it is; standards for the same partners add to one another."""
    for index, standard in enumerate(scheme.overrides):
        params = {name: float(value) for name, value in scheme.params.items()}
        for each in scheme.overrides[: index + 1]:
            if each.where == standard.where:
                params |= {name: float(value) for name, value in each.set.items()}
                params |= {name: params[name] * float(factor) for name, factor in each.scale.items()}
        yield params, whom(standard)


def whom(standard: RegionalStandard) -> str:
    """Say for whom a standard is.

    Examples
    --------
    >>> from partnerlab.tiers.scheme import RegionalStandard
    >>> whom(RegionalStandard(where={"region": "north"}, set={"line": 3}, approved_by="head of region", reason="new market"))
    'region north'
    """
    return " and ".join(f"{name} {given if isinstance(given, str) else ' or '.join(given)}" for name, given in standard.where.items())


def lint_bounds(scheme: TierScheme) -> Iterator[Finding]:
    """Lines outside what a fact can be, and standards that leave nothing of a line."""
    usual = {name: float(value) for name, value in scheme.params.items()}
    said = set()
    for params, where, who in [
        (usual, "", ""),
        *((params, f"overrides.{at}", f"{who}: ") for at, (params, who) in enumerate(standards_of(scheme))),
    ]:
        ranges = ranges_of(scheme, params)
        for name, rule in scheme.classify.rules():
            for leaf in leaves(rule):
                finding = _beyond(leaf, params, ranges.get(leaf.fact, OPEN)) if isinstance(leaf, Compare) else ""
                if finding and (name, finding) not in said:
                    said.add((name, finding))
                    yield "line", "warning", where or name, who + finding
        for param in params if where else ():
            if params[param] == 0 != usual[param]:
                yield "line", "warning", where, f"{who}{param} is 0 there, {usual[param]:g} elsewhere: having nothing is enough"


def _beyond(leaf: Compare, params: Mapping[str, float], within: Range) -> str:
    """Say of a comparison that what the fact can be always or never meets it; nothing if neither."""
    if leaf.operator not in (">=", ">", "<=", "<") or not isinstance(leaf.line, Number | Param):
        return ""
    line = params[leaf.line.name] if isinstance(leaf.line, Param) else float(leaf.line.exact)
    met = [bool(kleene.exceeds(np.array(end), line, leaf.operator)) for end in within]
    named = f" ({line:g})" if isinstance(leaf.line, Param) else ""
    low, high = within
    rising = leaf.operator in (">=", ">")
    if all(met):
        return f"{leaf}{named} holds for everybody: {leaf.fact} is {f'{low:g} at least' if rising else f'{high:g} at most'}"
    return "" if any(met) else f"{leaf}{named} can never hold: {leaf.fact} is {f'{high:g} at most' if rising else f'{low:g} at least'}"
