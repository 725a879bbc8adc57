"""The lattice of answers: every combination that the questions of a ladder can tell apart, and which levels each meets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from partnerlab.scoring import kleene
from partnerlab.scoring.conditions import AtLeast, Compare, Flag, Known, Not, Number, Param, Rule, Sustained, Words, leaves, member_name
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.scoring.reach import OPEN, Range
from partnerlab.tiers.bounds import ranges_of, standards_of
from partnerlab.tiers.classify import Bands, Ladder

if TYPE_CHECKING:
    from partnerlab.tiers.scheme import TierScheme

#: Largest number of answer combinations that are tried one by one; beyond it a sample of as many is drawn.
LATTICE = 200_000

Finding = tuple[str, str, str, str]


def lint_lattice(scheme: TierScheme) -> Iterator[Finding]:
    """Gaps, overlaps, dead levels, levels that take everybody, and levels that ask less than those below.

    A question is a criterion as it is written, met or not met. Several lines on one fact are one question with an
    answer for each interval between them; so are the conditions of a scale (`partnerlab.tiers.classify.Ladder`),
    of which each includes those before it. All combinations count equally. Gaps and overlaps are counted over the
    questions of the ordered levels alone: a level outside the order asks about somebody else.
    """
    if not isinstance(scheme.classify, Ladder | Bands):
        return
    rules = {name: _once(rule) for name, rule in scheme.classify.rules()}
    ranked = {name: rules[name] for name, rank in zip(scheme.tiers, scheme.ranks, strict=True) if rank is not None and name in rules}
    usual = list(_levels(truths_of(rules, scheme), ordered=list(ranked)))
    yield from usual
    for index, (params, whom) in enumerate(standards_of(scheme)):
        for rule, grade, where, finding in _levels(truths_of(rules, scheme, params=params), ordered=list(ranked)):
            if (rule, grade, where, finding) not in usual:
                yield rule, grade, f"overrides.{index}", f"{whom}: {finding}"
    if scheme.classify.else_ is not None and np.logical_or.reduce(list(truths_of(rules, scheme).values())).all():
        said = f"nobody can be {scheme.classify.else_}: whatever the answers, a level takes them"
        yield "unreachable", "note", scheme.classify.else_, said
    if ranked:
        yield from _coverage(scheme, truths_of(ranked, scheme))


def truths_of(rules: dict[str, Rule], scheme: TierScheme, *, params: Mapping[str, float] | None = None) -> dict[str, np.ndarray]:
    """Which combinations of answers meet each rule, with the scheme's parameters or others: bool ``(combinations,)`` by name."""
    scales = scheme.classify.scales if isinstance(scheme.classify, Ladder) else {}
    given = dict(params) if params is not None else {name: float(value) for name, value in scheme.params.items()}
    answers = _Answers(list(rules.values()), given, [_joint(scale, rules) for scale in scales.values()], ranges_of(scheme, given))
    return {name: evaluate_rule(rule, answers)[answers.possible, 0] == kleene.TRUE for name, rule in rules.items()}


def _joint(scale: Sequence[Rule], rules: dict[str, Rule]) -> list[Rule]:
    """Keep the steps of a scale that the rules at hand ask for: the others tell nothing apart."""
    asked = {leaf for rule in rules.values() for leaf in leaves(rule)}
    return [step for step in map(_once, scale) if step in asked]


def _levels(truths: dict[str, np.ndarray], *, ordered: list[str]) -> Iterator[Finding]:
    """Levels that nobody can reach or that take everybody, and those that ask less than the one below."""
    taken = np.zeros(len(next(iter(truths.values()))), dtype=bool)
    for position, (name, truth) in enumerate(truths.items()):
        last = position == len(truths) - 1
        if not truth.any():
            yield (
                "unreachable",
                "error",
                name,
                f"no answers at all can reach {name}; its rules ask for what cannot be, or contradict one another",
            )
        elif truth.all() and not last:
            yield "always true", "error", name, f"{name} takes everybody, so no level below it can be reached"
        elif not (truth & ~taken).any():
            yield "unreachable", "error", name, f"whoever meets {name} already meets a higher level"
        taken |= truth
    for higher, lower in itertools.pairwise(ordered):
        if (truths[higher] & ~truths[lower]).any():
            text = f"{higher} asks less than {lower} in something: some answers meet {higher} but not {lower} (use inherits or cumulative)"
            yield "dominance", "warning", higher, text


def _coverage(scheme: TierScheme, truths: dict[str, np.ndarray]) -> Iterator[Finding]:
    """Count combinations that no ordered level takes, and those that meet two levels of which neither includes the other."""
    classify = scheme.classify
    met = np.logical_or.reduce(list(truths.values()))
    whole = f"the {len(met):,} answer combinations" if len(met) < LATTICE else f"a sample of {len(met):,} answer combinations"
    if classify.else_ is not None and not met.all():
        rest = " or ".join([classify.else_, *(name for name in dict(classify.rules()) if name not in truths)])
        yield "gaps", "warning", classify.else_, f"{_share(~met)} of {whole} meet none of {', '.join(truths)}: {rest}"
    for higher, lower in itertools.combinations(truths, 2):
        both = truths[higher] & truths[lower]
        if both.any() and (truths[higher] & ~truths[lower]).any() and (truths[lower] & ~truths[higher]).any():
            yield (
                "overlap",
                "note",
                higher,
                f"{_share(both)} of {whole} meet both {higher} and {lower}, of which neither includes the other",
            )


def _share(which: np.ndarray) -> str:
    """Share in per cent, never rounded to nothing.

    Examples
    --------
    >>> _share(np.array([True, False, False, False])), _share(np.arange(1000) == 3)
    ('25 %', '0.1 %')
    """
    share = 100 * float(which.mean())
    return f"{share:.0f} %" if share >= 1 else f"{share:.1g} %"


class _Answers:
    """Every combination of answers to the questions of some rules: one row each."""

    def __init__(self, rules: list[Rule], params: dict[str, float], scales: list[list[Rule]], ranges: Mapping[str, Range]) -> None:
        self.params = params
        asked: dict[str, list[Compare | Known]] = {}
        self.texts: dict[str, set[str | None]] = {}
        for leaf in dict.fromkeys(leaf for rule in rules for leaf in leaves(rule)):
            if isinstance(leaf, Compare) and isinstance(leaf.line, Words) and leaf.operator in ("has", "lacks"):
                member = Compare(member_name(leaf.fact, leaf.line.words[0]), ">", Number(Fraction(0)))
                asked[member.fact] = [member]
            elif isinstance(leaf, Compare) and isinstance(leaf.line, Words):
                self.texts.setdefault(leaf.fact, {None}).update(leaf.line.words)
            else:
                asked.setdefault(leaf.fact, []).append(leaf)
        grid: dict[str, list] = {name: _regions(questions, params, ranges.get(name, OPEN)) for name, questions in asked.items()}
        grid |= {name: sorted(words, key=str) for name, words in self.texts.items()}
        self.table = _combinations(grid)
        self.shape = (len(next(iter(self.table.values()))) if self.table else 1, 1)
        self.possible = self._possible(scales)

    def _possible(self, scales: list[list[Rule]]) -> np.ndarray:
        """Find the combinations that can be: who meets a step of a scale meets those before it."""
        possible = np.ones(self.shape[0], dtype=bool)
        for scale in scales:
            steps = [evaluate_rule(step, self)[:, 0] == kleene.TRUE for step in scale]
            for lower, higher in itertools.pairwise(steps):
                possible &= lower | ~higher
        return possible

    def number(self, name: str) -> np.ndarray:
        return self.table[name].astype(float)[:, None]

    def words(self, name: str) -> np.ndarray:
        return np.array(["(other)" if word is None else word for word in self.table[name]], dtype=object)

    def param(self, name: str) -> float:
        return self.params[name]

    def is_attribute(self, name: str) -> bool:
        return name in self.texts


def _regions(questions: list[Compare | Known], params: dict[str, float], within: Range) -> list[float]:
    """One value for each answer that the questions about one fact can tell apart, inside what the fact can be."""
    told: dict[tuple[bool, ...], float] = {}
    for value in sorted({min(max(value, within[0]), within[1]) for leaf in questions for value in _values(leaf, params)}):
        asked = [leaf for leaf in questions if isinstance(leaf, Compare)]
        told.setdefault(tuple(bool(kleene.exceeds(np.array(value), line_at(leaf, params), leaf.operator)) for leaf in asked), value)
    return list(told.values()) + ([np.nan] if any(isinstance(leaf, Known) for leaf in questions) else [])


def line_at(leaf: Compare, params: Mapping[str, float]) -> float:
    """Give the number that a comparison is made with."""
    if isinstance(leaf.line, Flag):
        return float(leaf.line.value)
    return params[leaf.line.name] if isinstance(leaf.line, Param) else float(leaf.line.exact) if isinstance(leaf.line, Number) else 0.0


def _values(leaf: Compare | Known, params: dict[str, float]) -> list[float]:
    """Answers that can differ: on the line and a step below and above; yes and no."""
    if isinstance(leaf, Known) or isinstance(leaf.line, Flag):
        return [0.0, 1.0]
    line = line_at(leaf, params)
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


def _once(rule: Rule) -> Rule:
    """Rules that must last are judged as if they held in one period."""
    if isinstance(rule, Sustained):
        return _once(rule.part)
    if isinstance(rule, Not):
        return Not(_once(rule.part))
    if isinstance(rule, AtLeast):
        return AtLeast(rule.k, tuple(_once(part) for part in rule.parts))
    return rule
