"""The lines of a scheme, one by one: where each stands, and the tiers if only that one stood elsewhere."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from partnerlab.scoring import kleene
from partnerlab.scoring.conditions import AtLeast, Compare, Flag, Not, Number, Param, Rule, Sustained, Words, leaves
from partnerlab.scoring.evaluate import evaluate_rule, line_of
from partnerlab.scoring.scores import PanelFacts
from partnerlab.tiers.behind import facts_behind, lines_of
from partnerlab.tiers.classify import Bands, Ladder, Quadrant
from partnerlab.tiers.raw import _cells, _highest, with_states
from partnerlab.tiers.units import refuse_units

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a scheme.

    Parameters
    ----------
    where : str
        ``x`` or ``y`` of a quadrant, ``gate``, or the levels that ask for it.
    fact, operator : str
        What is compared, and how.
    values, line : ndarray of float64, shape (n, t)
        What is compared with what; NaN is unknown.
    relative : bool
        The line moves when other partners move.
    written : Compare or None
        The comparison as it stands in a rule; None for an axis.
    """

    where: str
    fact: str
    operator: str
    values: np.ndarray = dataclasses.field(repr=False)
    line: np.ndarray = dataclasses.field(repr=False)
    relative: bool = False
    written: Compare | None = None

    @property
    def name(self) -> str:
        """The comparison in words, with the parameter it names."""
        return str(self.written) if self.written is not None else f"{self.fact} {self.operator} line of {self.where}"


def scheme_lines(history: TierHistory) -> list[Line]:
    """List the numeric lines that tiers are cut at, each once.

    Raises
    ------
    MissingTableError
        If the history came from a table of tiers.
    """
    facts, rule = facts_behind(history), history.scheme.classify
    refuse_units(history.scheme, what="moving a line")
    found = []
    if isinstance(rule, Quadrant):
        for name in ("x", "y"):
            axis = getattr(rule, name)
            values, line = history.values(axis.value), lines_of(history, axis, name)
            found.append(Line(where=name, fact=axis.value, operator=axis.operator, values=values, line=line, relative=axis.cut.relative))
    return found + _written_lines(list(rule.rules()), facts)


def _written_lines(rules: list[tuple[str, Rule]], facts: PanelFacts) -> list[Line]:
    """Lines of comparisons in rules; yes-or-no ones and the band that takes everybody have none to move."""
    levels: dict[Compare, list[str]] = {}
    for level, rule in rules:
        for leaf in leaves(rule):
            if isinstance(leaf, Compare) and not isinstance(leaf.line, Flag | Words) and leaf.operator not in ("==", "!="):
                levels.setdefault(leaf, []).append(level)
    found = []
    for leaf, names in levels.items():
        line = np.broadcast_to(np.asarray(line_of(leaf, facts), dtype=float), facts.shape)
        if leaf.line == Number(Fraction(0)) and leaf.operator in ("<=", ">"):
            continue  # a tenth more of nothing is nothing
        where = ", ".join(dict.fromkeys(names))
        found.append(Line(where=where, fact=leaf.fact, operator=leaf.operator, values=facts.number(leaf.fact), line=line, written=leaf))
    return found


def moved_tiers(history: TierHistory, line: Line, *, factor: float) -> np.ndarray:
    """Give the tiers of the rule if one line were multiplied: int8, shape ``(n, t)``, raw, without caps."""
    rule, facts = history.scheme.classify, facts_behind(history)
    if isinstance(rule, Quadrant):
        return _moved_quadrant(history, rule, facts, line, factor)
    if not isinstance(rule, Ladder | Bands):
        return history.raw
    truths = [evaluate_rule(_with_line(step, line.written, factor, facts), facts) for _, step, _ in rule.steps]
    return with_states(_highest(truths, rule), facts.panel.state)


def _moved_quadrant(history: TierHistory, rule: Quadrant, facts: PanelFacts, line: Line, factor: float) -> np.ndarray:
    sides = []
    for name in ("x", "y"):
        axis = getattr(rule, name)
        height = lines_of(history, axis, name) * (factor if line.where == name else 1.0)
        sides.append(kleene.compare(history.values(axis.value), height, axis.operator))
    gate: np.ndarray | np.int8 = np.int8(kleene.TRUE)
    if rule.gate is not None:
        written = rule.gate if line.written is None else _with_line(rule.gate, line.written, factor, facts)
        gate = evaluate_rule(written, facts)
    codes = _cells(rule)[gate * np.int8(9) + sides[0] * np.int8(3) + sides[1]]
    return with_states(codes, facts.panel.state)


def _with_line(rule: Rule, written: Compare | None, factor: float, facts: PanelFacts) -> Rule:
    """Give the rule with one comparison's line multiplied wherever it stands."""
    if isinstance(rule, AtLeast):
        return AtLeast(rule.k, tuple(_with_line(part, written, factor, facts) for part in rule.parts))
    if isinstance(rule, Not):
        return Not(_with_line(rule.part, written, factor, facts))
    if isinstance(rule, Sustained):
        return Sustained(_with_line(rule.part, written, factor, facts), rule.met, rule.window)
    if not isinstance(rule, Compare) or rule != written:
        return rule
    if isinstance(rule.line, Param):
        name = f"{rule.line.name} times {factor!r}"
        facts.params = {**facts.params, name: np.asarray(facts.param(rule.line.name)) * factor}
        return Compare(rule.fact, rule.operator, Param(name))
    return Compare(rule.fact, rule.operator, Number(rule.line.exact * Fraction(factor).limit_denominator(10**6)))  # type: ignore[union-attr]
