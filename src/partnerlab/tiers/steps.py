"""The cheapest way to a tier: which facts to raise by how much, given what a step of each costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError, nearest
from partnerlab.scoring import kleene
from partnerlab.scoring.conditions import ALWAYS, AtLeast, Compare, Number, Rule, all_of, facts_of, parse_number
from partnerlab.scoring.evaluate import evaluate_rule, line_of
from partnerlab.scoring.normal import without_not
from partnerlab.scoring.scorecard import Part, Score
from partnerlab.scoring.scores import PanelFacts
from partnerlab.scoring.shapes import SHAPES
from partnerlab.tiers.behind import facts_behind
from partnerlab.tiers.classify import Quadrant, Recorded
from partnerlab.tiers.history import TierHistory
from partnerlab.tiers.units import refuse_units

#: A linear expression: coefficient of each variable, and a constant under ``None``.
Linear = dict["int | None", float]


def plan_steps(history: TierHistory, *, partner: str, quarter: str, tier: str, costs: Mapping[str, float], limit: int = 30) -> pd.DataFrame:
    """Find the least-cost mix of whole steps that would meet a tier's rules, all else unchanged.

    An integer program (solved by HiGHS): each fact with a cost may rise by whole units up to
    ``limit``; scores follow their shapes, caps, gates and alternative paths. Lines are those of
    the quarter; ranks and quantile lines are held where they are, though they move with others.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers`.
    partner, quarter, tier : str
        Who, when, and where to.
    costs : mapping of fact to number
        Cost of one unit more of each indicator that can be raised.
    limit : int
        Most units that any fact may rise.

    Returns
    -------
    DataFrame
        ``fact, value, steps, target, cost``, one row for each fact to raise, prerequisites first; empty if the rules are met.

    Raises
    ------
    ParameterError
        If the tier or a fact does not exist.
    SampleError
        If no mix within the limit reaches the tier, or a fact to raise is unknown.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": "2026Q1", "leads": [10], "people": [1]}))
    >>> levels = [{"name": "Gold", "any": ["leads >= 15", "people >= 3"]}, {"name": "Member", "all": []}]
    >>> history = assign_tiers(panel, TierScheme(scheme="demo", classify={"kind": "ladder", "levels": levels}))
    >>> plan = plan_steps(history, partner="a", quarter="2026Q1", tier="Gold", costs={"leads": 1, "people": 2})
    >>> plan[["fact", "steps", "cost"]].to_numpy().tolist()
    [['people', 2, 4.0]]
    """
    column = history.column(quarter)
    if history.scheme is None or isinstance(history.scheme.classify, Recorded):
        raise MissingTableError("recorded tiers have no rule that steps could meet")
    refuse_units(history.scheme, what="a plan")
    if tier not in history.tiers:
        raise ParameterError(f"no tier is called {tier!r}{nearest(tier, history.tiers)}", tier=tier)
    one = history.select([partner])
    here = _Here(one, facts_behind(one), column)
    for fact in costs:
        known = [name for name in history.scheme.needs() if one.scores is not None and one.scores.panel.known(name)]
        if fact not in known:
            raise ParameterError(f"{fact!r} is not an indicator of {history.scheme.name_version}{nearest(fact, known)}", fact=fact)
        if np.isnan(here.value(fact)):
            raise SampleError(f"{fact} of {partner} is unknown in {quarter}; tell us first, then plan")
    model = _Model(here, costs, limit)
    model.require(_rule_of(here, tier))
    return model.solve(tier)


@dataclasses.dataclass(frozen=True)
class _Here:
    """One partner in one quarter."""

    one: TierHistory
    facts: PanelFacts
    column: int

    def value(self, fact: str) -> float:
        return float(self.facts.number(fact)[0, self.column])

    def amount(self, given: Any) -> float:
        return float(np.broadcast_to(self.facts.amount(given), self.facts.shape)[0, self.column])

    def holds(self, rule: Rule) -> bool:
        return bool(evaluate_rule(rule, self.facts)[0, self.column] == kleene.TRUE)


def _rule_of(here: _Here, tier: str) -> Rule:
    """Everything that a tier asks, without "not"."""
    classify = here.one.scheme.classify
    if not isinstance(classify, Quadrant):
        return without_not(dict(classify.rules()).get(tier, ALWAYS))
    corner = next((corner for corner, name in classify.cells.items() if name == tier), None)
    if corner is None:
        return ALWAYS
    parts: list[Rule] = [] if classify.gate is None else [without_not(classify.gate)]
    for name, axis, side in zip(("x", "y"), (classify.x, classify.y), corner.split("_"), strict=True):
        line = float(here.one.axis(name).line[0, here.column])
        if side == "high" and np.isnan(line):
            raise SampleError(
                f"the line on {axis.value} is unknown in this quarter: too few partners are rated; there is nothing to plan for"
            )
        if side == "high":
            parts.append(Compare(axis.value, axis.operator, Number(parse_number(repr(line)))))
    return all_of(*parts) if parts else ALWAYS


class _Model:
    """The integer program: one yes-or-no variable for each fact and number of steps."""

    def __init__(self, here: _Here, costs: Mapping[str, float], limit: int) -> None:
        self.here, self.costs, self.limit = here, costs, limit
        requires = [part.requires for score in here.one.scheme.scores.values() for part in score.walk() if part.requires is not None]
        self.gates = {fact for rule in requires for fact in facts_of(rule)}
        self.price: list[float] = []
        self.whole: list[int] = []
        self.top: list[float] = []
        self.rows: list[tuple[Linear, float, float]] = []
        self.steps = {fact: [self.variable(cost=cost * step) for step in range(limit + 1)] for fact, cost in costs.items()}
        for variables in self.steps.values():
            self.rows.append((dict.fromkeys(variables, 1.0), 1.0, 1.0))

    def variable(self, *, cost: float = 0.0, whole: int = 1, top: float = 1.0) -> int:
        self.price.append(cost)
        self.whole.append(whole)
        self.top.append(top)
        return len(self.price) - 1

    def at_least(self, left: Linear, right: Linear | None = None) -> None:
        """Add the row ``left - right >= 0``."""
        row = dict(left)
        for key, number in (right or {}).items():
            row[key] = row.get(key, 0.0) - number
        constant = row.pop(None, 0.0)
        self.rows.append((row, -constant, np.inf))

    def require(self, rule: Rule) -> None:
        """Make the rule hold."""
        self.at_least(self.truth(rule), {None: 1.0})

    def truth(self, rule: Rule) -> Linear:
        """Expression that is 1 at most, and only where the rule holds."""
        if isinstance(rule, AtLeast) and rule.parts:
            parts = [self.truth(part) for part in rule.parts]
            mine = self.variable()
            self.at_least(_sum(parts), {mine: float(rule.k)})
            return {mine: 1.0}
        if isinstance(rule, Compare) and rule.fact in self.steps:
            return self._reached(rule.fact, lambda value: self._meets(value, rule))
        if isinstance(rule, Compare) and rule.operator in (">=", ">"):
            expression = self.points_of(rule.fact)
            if expression is not None:
                return self._exceeds(expression, rule)
        return {None: float(self.here.holds(rule))}

    def _line(self, rule: Compare) -> float:
        return float(np.broadcast_to(line_of(rule, self.here.facts), self.here.facts.shape)[0, self.here.column])

    def _meets(self, value: float, rule: Compare) -> bool:
        return bool(kleene.exceeds(np.array(value), self._line(rule), rule.operator))

    def _reached(self, fact: str, meets: Any) -> Linear:
        start = self.here.value(fact)
        return {variable: 1.0 for step, variable in enumerate(self.steps[fact]) if meets(start + step)}

    def _exceeds(self, expression: Linear, rule: Compare) -> Linear:
        """Say that a score of at least nothing reaches a line, as a variable."""
        line = self._line(rule)
        needed = line - 1e-7 * max(1.0, abs(line)) if rule.operator == ">=" else line + 1e-6 * max(1.0, abs(line))
        mine = self.variable()
        self.at_least(expression, {mine: needed})
        return {mine: 1.0}

    def points_of(self, name: str) -> Linear | None:
        """Expression for a score or part, never above what the facts give; None if it is neither."""
        for score_name, score in self.here.one.scheme.scores.items():
            if name == score_name and not score.divide:
                return self._score(score_name, score)
            for part in score.walk():
                if name == part.name and name not in self.steps:
                    return self._part(part)
        return None

    def _score(self, name: str, score: Score) -> Linear | None:
        weights = self.here.one.scores.weights[name]
        parts = [(part, float(self.here.one.scores.parts[name][part.name][0, self.here.column])) for part in score.parts]
        if score.combine not in ("weighted_mean", "sum") or (score.unknown == "refuse" and any(np.isnan(points) for _, points in parts)):
            return None
        known = [(part, points) for part, points in parts if score.unknown == "zero" or not np.isnan(points)]
        total = _sum([_scaled(self._part(part), weights[part.name]) for part, _ in known])
        if score.combine == "weighted_mean":
            full = self.here.amount(score.max) if score.max is not None else 100.0
            heft = sum(weights[part.name] for part, _ in known) if score.unknown == "renormalise" else sum(weights.values())
            return _scaled(total, full / heft) if heft else None
        return total if score.max is None else self._capped(total, self.here.amount(score.max))

    def _capped(self, expression: Linear, most: float) -> Linear:
        mine = self.variable(whole=0, top=most)
        self.at_least(expression, {mine: 1.0})
        return {mine: 1.0}

    def _part(self, part: Part) -> Linear:
        """Expression for the points of a part."""
        if part.product_of or (part.metric and "percentile" in (part.shape or {})):
            return {None: self._now(part)}
        if part.metric:
            expression = self._shaped(part)
        elif part.sum_of:
            expression = _sum([self._part(inner) for inner in part.sum_of])
        else:
            expression = self._best([self._part(inner) for inner in part.max_of])
        if part.cap is not None and not part.metric:
            expression = self._capped(expression, self.here.amount(part.cap))
        return expression if part.requires is None else self._behind_gate(expression, self.truth(without_not(part.requires)))

    def _now(self, part: Part) -> float:
        points = next(found[part.name] for found in self.here.one.scores.parts.values() if part.name in found)
        return float(np.nan_to_num(points[0, self.here.column]))

    def _shaped(self, part: Part) -> Linear:
        fact = str(part.metric)
        name, argument = next((key, value) for key, value in (part.shape or {}).items() if key != "max")
        given = argument if name == "bands" else self.here.amount(argument)
        most = np.inf if part.cap is None else self.here.amount(part.cap)

        def points(value: float) -> float:
            return float(np.nan_to_num(np.minimum(SHAPES[name](np.array([[value]]), given, None), most))[0, 0])

        start = self.here.value(fact)
        if fact not in self.steps:
            return {None: points(start)}
        return {variable: points(start + step) for step, variable in enumerate(self.steps[fact])}

    def _best(self, paths: list[Linear]) -> Linear:
        """At most one of the paths counts."""
        chosen = [self.variable() for _ in paths]
        self.at_least({None: 1.0}, dict.fromkeys(chosen, 1.0))
        return _sum([self._behind_gate(path, {mine: 1.0}) for path, mine in zip(paths, chosen, strict=True)])

    def _behind_gate(self, expression: Linear, gate: Linear) -> Linear:
        """Points that count only where the gate is 1."""
        most = _reach(expression, self.top)
        mine = self.variable(whole=0, top=max(most, 0.0))
        self.at_least(expression, {mine: 1.0})
        self.at_least(_scaled(gate, most), {mine: 1.0})
        return {mine: 1.0}

    def solve(self, tier: str) -> pd.DataFrame:
        """Run HiGHS and read off the steps."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        matrix = np.zeros((len(self.rows), len(self.price)))
        for index, (row, _, _) in enumerate(self.rows):
            for variable, number in row.items():
                matrix[index, variable] = number
        low, high = np.array([row[1] for row in self.rows]), np.array([row[2] for row in self.rows])
        found = milp(
            np.array(self.price),
            integrality=np.array(self.whole),
            bounds=Bounds(0.0, np.array(self.top)),
            constraints=LinearConstraint(matrix, low, high),
        )
        if found.x is None:
            facts = ", ".join(self.costs) or "nothing"
            raise SampleError(
                f"no mix of up to {self.limit} steps of {facts} reaches {tier}; allow more facts or steps, or mend what cannot be bought"
            )
        rows = []
        for fact, variables in self.steps.items():
            step = int(np.argmax(found.x[variables]))
            if step:
                rows.append((fact, self.here.value(fact), step, self.here.value(fact) + step, self.costs[fact] * step))
        rows.sort(key=lambda row: row[0] not in self.gates)
        return pd.DataFrame(rows, columns=["fact", "value", "steps", "target", "cost"]).astype({"cost": float})


def _sum(parts: list[Linear]) -> Linear:
    total: Linear = {}
    for part in parts:
        for key, number in part.items():
            total[key] = total.get(key, 0.0) + number
    return total


def _scaled(expression: Linear, factor: float) -> Linear:
    return {key: number * factor for key, number in expression.items()}


def _reach(expression: Linear, top: list[float]) -> float:
    """Upper bound of an expression."""
    return sum(number if key is None else max(number, 0.0) * top[key] for key, number in expression.items())
