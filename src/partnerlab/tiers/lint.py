"""What is questionable about a scheme, before it decides about anybody."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.scoring import kleene
from partnerlab.scoring.conditions import Compare, Flag, Known, Number, Param, Rule, Sustained, Words, leaves
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.scoring.scorecard import Score
from partnerlab.tiers.classify import Bands, Ladder, Quadrant, Recorded
from partnerlab.tiers.scheme import TierScheme

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel

#: Largest number of answer combinations that are tried one by one; beyond it a sample of as many is drawn.
LATTICE = 200_000


def lint_scheme(scheme: TierScheme, *, on: date | None = None, panel: Panel | None = None) -> pd.DataFrame:
    """Look for gaps, contradictions and unexplained words in a scheme.

    Parameters
    ----------
    scheme : TierScheme
        What to look at.
    on : date or None
        The day for which expiry is judged; without it expiry is left out.
    panel : Panel or None
        Data to try the scheme on: facts that are not there, or that were not yet recorded in early
        quarters; members who cannot be rated; tiers that nobody is in; lines that nobody can draw.

    Returns
    -------
    DataFrame
        ``rule, grade, where, finding``; the grade is error (mend it), warning (look at it)
        or note (know it). Empty if nothing was found.

    Examples
    --------
    >>> found = lint_scheme(TierScheme.load("rating"))
    >>> found.loc[found["rule"] == "gaps", "finding"].item()
    '78 % of the 12288 answer combinations meet none of MVP, MGP, STP, BZ: UNRATED or TARGET'
    """
    checks = (_glossary, _weights, _spare_parameters, _lattice, _cells, _goal_and_playbook)
    found = [row for check in checks for row in check(scheme)]
    found += [] if on is None else list(_expiry(scheme, on))
    if panel is not None and scheme.kind != "recorded":
        from partnerlab.tiers.lint_data import lint_on

        found += lint_on(scheme, panel)
    return pd.DataFrame(found, columns=["rule", "grade", "where", "finding"])


Finding = tuple[str, str, str, str]


def _glossary(scheme: TierScheme) -> Iterator[Finding]:
    """Every tier, label and fact in plain words."""
    for tier in (*scheme.tiers, *scheme.labels):
        if not scheme.glossary.get(tier):
            yield "glossary", "error", tier, f"{tier} is not explained; add it to the glossary"
    for name in (*scheme.needs(), *scheme.scores, *scheme.params):
        if not scheme.glossary.get(name) and name not in _attributes(scheme):
            yield "glossary", "warning", name, f"{name} is not explained; add it to the glossary, in words that a partner understands"
    known = {*scheme.tiers, *scheme.labels, *scheme.needs(), *scheme.scores, *scheme.params}
    known |= {part.name for score in scheme.scores.values() for part in score.walk()}
    for word in scheme.glossary:
        if word not in known and scheme.kind != "recorded":
            yield "glossary", "note", word, f"{word} is explained but not used"


def _attributes(scheme: TierScheme) -> set[str]:
    """Names that stand for attributes: groups, regions, words."""
    names = {attribute for standard in scheme.overrides for attribute in standard.where}
    if isinstance(scheme.classify, Quadrant):
        names |= {axis.within for axis in (scheme.classify.x, scheme.classify.y) if axis.within}
    compared = (leaf for _, rule in scheme.classify.rules() for leaf in leaves(rule))
    return names | {leaf.fact for leaf in compared if isinstance(leaf, Compare) and isinstance(leaf.line, Words)}


def _weights(scheme: TierScheme) -> Iterator[Finding]:
    """Weights of a mean that add up; maxima of a sum that reach its maximum."""
    for name, score in scheme.scores.items():
        if score.combine == "weighted_mean" and score.parts:
            for goal, total in _totals(score):
                if total is not None and total != 1:
                    yield "weights", "warning", name, f"the weights{goal} add up to {float(total):g}, not 1; shares are taken of that sum"
        if score.combine == "sum" and score.max is not None and not isinstance(score.max, str):
            caps = [part.cap for part in score.parts]
            reach = None if any(cap is None or isinstance(cap, str) for cap in caps) else sum(Fraction(cap) for cap in caps)
            if reach is not None and reach != score.max:
                yield "maxima", "warning", name, f"the parts can give {float(reach):g} points, the score says {float(score.max):g}"


def _totals(score: Score) -> Iterator[tuple[str, Fraction | None]]:
    """Sum of the weights, for each goal."""
    sets = score.weights_by_goal or {"": {part.name: part.weight for part in score.parts}}
    for goal, weights in sets.items():
        named = any(isinstance(weight, str) for weight in weights.values())
        yield f" of goal {goal}" if goal else "", None if named else sum((Fraction(weight) for weight in weights.values()), Fraction(0))


def _spare_parameters(scheme: TierScheme) -> Iterator[Finding]:
    """Parameters that nothing asks for."""
    used = {*scheme.classify.params(), *(name for score in scheme.scores.values() for name in score.asks())}
    for name in scheme.params:
        if name not in used:
            yield "parameters", "warning", name, f"parameter {name} is never used"


def _cells(scheme: TierScheme) -> Iterator[Finding]:
    """Lines of a quadrant that move."""
    if isinstance(scheme.classify, Quadrant):
        for name, axis in (("x", scheme.classify.x), ("y", scheme.classify.y)):
            if axis.cut.relative:
                yield (
                    "relative line",
                    "note",
                    f"classify.{name}",
                    f"the line on {axis.value} moves with the other partners: one partner's rise is another's fall",
                )
        names = list(scheme.classify.cells.values())
        for tier in dict.fromkeys(names):
            if names.count(tier) > 1:
                yield "cells", "note", tier, f"{names.count(tier)} cells are called {tier}"


def _goal_and_playbook(scheme: TierScheme) -> Iterator[Finding]:
    """Tiers for which nothing is planned."""
    if scheme.playbook and scheme.kind != "recorded":
        for tier, rank in zip(scheme.tiers, scheme.ranks, strict=True):
            if rank is not None and tier not in scheme.playbook:
                yield "playbook", "note", tier, f"the playbook owes nothing to {tier}"


def _expiry(scheme: TierScheme, on: date) -> Iterator[Finding]:
    for index, standard in enumerate(scheme.overrides):
        if standard.until is not None and standard.until <= on:
            yield "override", "warning", f"overrides.{index}", f"the standard approved by {standard.approved_by} ended on {standard.until}"
    if scheme.effective.until is not None and scheme.effective.until <= on:
        yield "effective", "warning", "effective.until", f"this version ended on {scheme.effective.until}"


class _Answers:
    """Every combination of answers to the questions of a ladder: one row each."""

    def __init__(self, scheme: TierScheme, rules: list[Rule]) -> None:
        params = {name: float(value) for name, value in scheme.params.items()}
        self.params = params
        asked: dict[str, list[Compare | Known]] = {}
        self.texts: dict[str, set[str | None]] = {}
        for rule in rules:
            for leaf in leaves(rule):
                if isinstance(leaf, Compare) and isinstance(leaf.line, Words):
                    self.texts.setdefault(leaf.fact, {None}).update(leaf.line.words)
                else:
                    asked.setdefault(leaf.fact, []).append(leaf)
        grid: dict[str, list] = {name: _regions(questions, params) for name, questions in asked.items()}
        grid |= {name: sorted(words, key=str) for name, words in self.texts.items()}
        self.table = _combinations(grid)
        self.shape = (len(next(iter(self.table.values()))) if self.table else 1, 1)

    def number(self, name: str) -> np.ndarray:
        return self.table[name].astype(float)[:, None]

    def words(self, name: str) -> np.ndarray:
        return np.array(["(other)" if word is None else word for word in self.table[name]], dtype=object)

    def param(self, name: str) -> float:
        return self.params[name]

    def is_attribute(self, name: str) -> bool:
        return name in self.texts


def _regions(questions: list[Compare | Known], params: dict[str, float]) -> list[float]:
    """One value for each answer that the questions about one fact can tell apart."""
    told: dict[tuple[bool, ...], float] = {}
    for value in sorted({value for leaf in questions for value in _values(leaf, params)}):
        asked = [leaf for leaf in questions if isinstance(leaf, Compare)]
        told.setdefault(tuple(bool(kleene.exceeds(np.array(value), _line(leaf, params), leaf.operator)) for leaf in asked), value)
    return list(told.values())


def _line(leaf: Compare, params: dict[str, float]) -> float:
    if isinstance(leaf.line, Flag):
        return float(leaf.line.value)
    return params[leaf.line.name] if isinstance(leaf.line, Param) else float(leaf.line.exact) if isinstance(leaf.line, Number) else 0.0


def _values(leaf: Compare | Known, params: dict[str, float]) -> list[float]:
    """Answers that can differ: on the line and a step below and above; yes and no."""
    if isinstance(leaf, Known) or isinstance(leaf.line, Flag):
        return [0.0, 1.0]
    line = _line(leaf, params)
    step = max(abs(line), 1.0) * 1e-3
    return [line - step, line, line + step] if leaf.operator in (">", "<=", "==", "!=") else [line - step, line]


def _combinations(grid: dict[str, list]) -> dict[str, np.ndarray]:
    """All combinations, or a sample if there are too many; each name an array of the same length."""
    sizes = [len(values) for values in grid.values()]
    if not sizes:
        return {}
    if float(np.prod(np.array(sizes, dtype=float))) <= LATTICE:
        columns = zip(*itertools.product(*grid.values()), strict=True)
        return {name: np.array(column, dtype=object) for name, column in zip(grid, columns, strict=True)}
    random = np.random.default_rng(0)
    return {name: np.array(values, dtype=object)[random.integers(0, len(values), LATTICE)] for name, values in grid.items()}


def _lattice(scheme: TierScheme) -> Iterator[Finding]:
    """Gaps, dead levels, levels that take everybody, and levels that ask less than those below."""
    if not isinstance(scheme.classify, Ladder | Bands) or isinstance(scheme.classify, Recorded):
        return
    rules = list(scheme.classify.rules())
    answers = _Answers(scheme, [rule for _, rule in rules])
    truths = {name: evaluate_rule(_once(rule), answers)[:, 0] == kleene.TRUE for name, rule in rules}
    ranked = {name for name, rank in zip(scheme.tiers, scheme.ranks, strict=True) if rank is not None}
    taken = np.zeros(answers.shape[0], dtype=bool)
    for position, (name, truth) in enumerate(truths.items()):
        last = position == len(truths) - 1
        if not truth.any():
            yield "unreachable", "error", name, f"no answers at all can reach {name}; its rules contradict one another"
        elif truth.all() and not last:
            yield "always true", "error", name, f"{name} takes everybody, so no level below it can be reached"
        elif not (truth & ~taken).any():
            yield "unreachable", "error", name, f"whoever meets {name} already meets a higher level"
        taken |= truth
    yield from _dominance(scheme, truths)
    met = np.logical_or.reduce([truth for name, truth in truths.items() if name in ranked] or [taken])
    if scheme.classify.else_ is not None and not met.all():
        others = [name for name in truths if name not in ranked]
        rest = " or ".join([scheme.classify.else_, *others])
        missed, levels = 100 * float((~met).mean()), ", ".join(name for name in truths if name in ranked)
        text = f"{missed:.0f} % of the {len(met)} answer combinations meet none of {levels}: {rest}"
        yield "gaps", "warning", scheme.classify.else_, text


def _dominance(scheme: TierScheme, truths: dict[str, np.ndarray]) -> Iterator[Finding]:
    """Adjacent ranked levels of which the higher does not imply the lower."""
    ranks = dict(zip(scheme.tiers, scheme.ranks, strict=True))
    ordered = [name for name in truths if ranks[name] is not None]
    for higher, lower in itertools.pairwise(ordered):
        if (truths[higher] & ~truths[lower]).any():
            text = f"{higher} asks less than {lower} in something: some answers meet {higher} but not {lower} (use inherits or cumulative)"
            yield "dominance", "warning", higher, text


def _once(rule: Rule) -> Rule:
    """Rules that must last are judged as if they held in one period."""
    from partnerlab.scoring.conditions import AtLeast, Not

    if isinstance(rule, Sustained):
        return _once(rule.part)
    if isinstance(rule, Not):
        return Not(_once(rule.part))
    if isinstance(rule, AtLeast):
        return AtLeast(rule.k, tuple(_once(part) for part in rule.parts))
    return rule
