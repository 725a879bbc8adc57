"""Conditions of a tier as rows: value, line, gap, and which of several ways is the shortest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerlab.scoring import kleene
from partnerlab.scoring.conditions import AtLeast, Compare, Flag, Known, Rule, Sustained, Words
from partnerlab.scoring.evaluate import evaluate_rule, line_of
from partnerlab.scoring.normal import without_not
from partnerlab.scoring.reach import score_range
from partnerlab.tiers.axes import Axis
from partnerlab.tiers.classify import Quadrant

if TYPE_CHECKING:
    from partnerlab.scoring.scores import PanelFacts
    from partnerlab.tiers.history import AxisView
    from partnerlab.tiers.scheme import TierScheme

COLUMNS = (
    "tier", "condition", "fact", "value", "operator", "line", "gap", "to_move", "status", "needed", "line_moves",
    "line_low", "line_high", "earliest", "opens", "changeable", "source", "rows", "latest", "trust", "meaning",
)  # fmt: skip
#: What is noted beside them while an explanation is made.
NOTED = ("wait", "sustained", "axis")

#: Status of a condition, by truth value.
STATUS = {0: "not met", 1: "tell us", 2: "met"}
#: Unknown only because a rule that must last looks back beyond the first period of the panel.
NOT_LOADED = "earlier periods not loaded"
#: Met, but not by the margin that moves a partner.
WITHIN = "within the margin"


def tier_rows(
    scheme: TierScheme,
    tier: str,
    axes: Mapping[str, AxisView],
    facts: PanelFacts,
    column: int,
    *,
    costs: Mapping[str, float] | None = None,
    held: str = "",
) -> list[dict[str, object]]:
    """Conditions of one tier in one period, each after the prerequisites that open it.

    Where another tier is ``held``, a line that has to be crossed is met only beyond the margin.
    """
    dear = _Effort(scheme, facts, column, costs or {})
    if isinstance(scheme.classify, Quadrant):
        found = _corner(scheme.classify, axes, facts, column, tier)
        found = [_beyond_margin(row, scheme.classify, held, tier) for row in found]
    else:
        rule = dict(scheme.standing.rules()).get(tier)
        # a margin moves the lines of units, not how many of them are asked for
        margin = 0.0 if scheme.over is not None else scheme.movement.margin
        found = [] if rule is None else _walk(without_not(rule), facts, column, margin, dear, strict=held not in ("", tier))
    return [{"tier": tier, **row} for row in _with_prerequisites(found, scheme, facts, column, dear)]


def _beyond_margin(row: dict[str, object], rule: Quadrant, held: str, tier: str) -> dict[str, object]:
    """Say of an axis that is on the side of the tier, but not by the margin that would move the partner there, that it is not."""
    corners = {name: corner.split("_") for corner, name in rule.cells.items()}
    if row.get("axis") is None or held not in corners or tier not in corners or row["status"] != "met":
        return row
    at = ("x", "y").index(str(row["axis"]))
    reached = kleene.exceeds(np.array(row["value"]), float(row["clear"]), str(row["operator"]))  # type: ignore[arg-type]
    if corners[held][at] == corners[tier][at] or reached:
        return row
    return row | {"status": WITHIN, "to_move": row["clear"]}


def _with_prerequisites(
    rows: list[dict[str, object]], scheme: TierScheme, facts: PanelFacts, column: int, effort: _Effort
) -> list[dict[str, object]]:
    """Put before each condition on a score or part what opens its gated parts.

    To have any points in a gated part its prerequisite is needed, and to reach a score that is out of reach without the part.
    """
    listed: dict[tuple[object, object], dict[str, object]] = {}
    whole = []
    for row in rows:
        for part, gate in _gates(scheme, str(row["fact"])):
            needed = bool(row["needed"]) and not effort.reachable(row, closed=[part])
            for before in _walk(without_not(gate), facts, column, 0.0):
                key = (part, before["condition"])
                if key not in listed:
                    listed[key] = before | {"opens": part, "needed": False}
                    whole.append(listed[key])
                listed[key]["needed"] = listed[key]["needed"] or (needed and before["needed"])
        whole.append(row)
    return whole


def _gates(scheme: TierScheme, fact: str) -> list[tuple[str, Rule]]:
    """Gated parts of a score, or the gate of a part, by name."""
    found = []
    for name, score in scheme.scores.items():
        for top in score.parts:
            found += [
                (part.name, part.requires) for part in top.walk() if part.requires is not None and fact in (name, top.name, part.name)
            ]
    return found


def _corner(rule: Quadrant, axes: Mapping[str, AxisView], facts: PanelFacts, column: int, tier: str) -> list[dict[str, object]]:
    """Both axes of a cell, and the gate."""
    rows: list[dict[str, object]] = []
    corner = next((corner for corner, name in rule.cells.items() if name == tier), None)
    if rule.gate is not None:
        rows += _walk(without_not(rule.gate), facts, column, 0.0)
    if corner is not None:
        for name, axis, side in zip(("x", "y"), (rule.x, rule.y), corner.split("_"), strict=True):
            rows.append(_axis_row(axis, side, axes[name], column) | {"axis": name})
    return rows


def _axis_row(axis: Axis, side: str, view: AxisView, column: int) -> dict[str, object]:
    value, line, margin = float(view.values[0, column]), float(view.line[0, column]), view.margin
    operator = axis.operator if side == "high" else {">=": "<", ">": "<="}[axis.operator]
    truth = int(kleene.compare(np.array(value), line, operator))
    row = _row(f"{axis.value} {operator} {line:g}", axis.value, value, operator, line, truth)
    room = margin * abs(line) * (1 if side == "high" else -1)
    return row | {
        "clear": line + room,
        "to_move": line + room if truth != kleene.TRUE else line,
        "line_moves": axis.cut.relative,
        "needed": side == "high",
    }


def _row(condition: str, fact: str, value: float, operator: str, line: float, truth: int) -> dict[str, object]:
    ordered = operator in (">=", ">", "<=", "<")
    gap = (line - value if operator in (">=", ">") else value - line) if ordered else np.nan
    return {"condition": condition, "fact": fact, "value": value, "operator": operator, "line": line, "gap": gap, "status": STATUS[truth],
            "needed": True, "line_moves": False, "to_move": line, "wait": 1, "sustained": False, "opens": ""}  # fmt: skip


def _walk(
    rule: Rule, facts: PanelFacts, column: int, margin: float, effort: Effort | None = None, strict: bool = False
) -> list[dict[str, object]]:
    """Rows of all conditions of a rule; under "any" only those of the shortest branches are needed."""
    if isinstance(rule, AtLeast):
        branches = [_walk(part, facts, column, margin, effort, strict) for part in rule.parts]
        if rule.is_all:
            return [row for branch in branches for row in branch]
        nearest = sorted(range(len(branches)), key=lambda index: (effort or _apart)(branches[index]))[: rule.k]
        for index, branch in enumerate(branches):
            for row in branch:
                row["needed"] = row["needed"] and index in nearest
        return [row for branch in branches for row in branch]
    if isinstance(rule, Sustained):
        return [_sustained_row(rule, facts, column)]
    row = _leaf_row(rule, facts, column, margin)
    if not strict or not margin or row["status"] != "met" or evaluate_rule(rule, facts, slack=margin)[0, column] == kleene.TRUE:
        return [row]
    return [row | {"status": WITHIN, "to_move": float(np.broadcast_to(line_of(rule, facts, slack=margin), facts.shape)[0, column])}]


#: How dear a branch under "any" is: the least comes first.
Effort = Callable[[list[dict[str, object]]], tuple[float, ...]]


@dataclasses.dataclass(frozen=True)
class _Effort:
    """How dear a branch is: what nobody priced, the price of whole steps; then conditions failed, unknown, gaps.

    A score that its open parts alone cannot lift over the line needs their prerequisites too: they count as conditions.
    Of ways that are equally far, one by plain facts comes before one by scores.
    """

    scheme: TierScheme
    facts: PanelFacts
    column: int
    costs: Mapping[str, float]

    def __call__(self, branch: list[dict[str, object]]) -> tuple[float, ...]:
        whole = branch + self._gates_of(branch)
        scores = sum(row["fact"] in self.scheme.scores for row in _todo(branch))
        apart = (*_apart(whole), scores)
        if not self.costs:
            return apart
        todo = _todo(whole)
        priced = [row for row in todo if row["fact"] in self.costs and not pd.isna(row["gap"])]
        dear = sum(self.costs[str(row["fact"])] * _steps(row) for row in priced)
        return (len(todo) - len(priced), dear, *apart)

    def _gates_of(self, branch: list[dict[str, object]]) -> list[dict[str, object]]:
        """Unmet prerequisites that the branch cannot do without, each once; those with the fewest conditions first."""
        listed = {row["condition"] for row in branch}
        found: dict[object, dict[str, object]] = {}
        for row in _todo(branch):
            gates = [(name, gate) for name, gate in _gates(self.scheme, str(row["fact"])) if self._is_shut(gate)]
            ways = [(name, _todo(_walk(without_not(gate), self.facts, self.column, 0.0))) for name, gate in gates]
            ways.sort(key=lambda way: len(way[1]))
            while ways and not self.reachable(row, closed=[name for name, _ in ways]):
                found |= {each["condition"]: each for each in ways.pop(0)[1] if each["condition"] not in listed}
        return list(found.values())

    def _is_shut(self, gate: Rule) -> bool:
        return bool(evaluate_rule(gate, self.facts)[0, self.column] != kleene.TRUE)

    def reachable(self, row: Mapping[str, object], *, closed: list[str]) -> bool:
        """Whether a score reaches its line while the parts ``closed`` stay shut; a part itself never does."""
        score = self.scheme.scores.get(str(row["fact"]))
        if score is None:
            return False
        most = score_range(score, self._amount, goal=self.scheme.goal, closed=closed)[1]
        return bool(kleene.exceeds(np.array(most), float(row["line"]), str(row["operator"])))  # type: ignore[arg-type]

    def _amount(self, given: Any) -> float:
        return float(np.broadcast_to(self.facts.amount(given), self.facts.shape)[0, self.column])


def _todo(branch: list[dict[str, object]]) -> list[dict[str, object]]:
    return [row for row in branch if row["needed"] and row["status"] != "met"]


def _apart(branch: list[dict[str, object]]) -> tuple[float, ...]:
    """Conditions failed, unknown, and the sum of relative gaps."""
    todo = _todo(branch)
    unknown = sum(row["status"] in (STATUS[kleene.UNKNOWN], NOT_LOADED) for row in todo)
    gaps = [float(row["gap"]) / max(abs(float(row["line"])), 1.0) for row in todo if not pd.isna(row["gap"])]  # type: ignore[arg-type]
    return len(todo) - unknown, unknown, float(sum(gaps))


def _steps(row: Mapping[str, object]) -> float:
    """Whole steps from a value to its line; one more where the line itself is not enough."""
    gap = float(row["gap"])  # type: ignore[arg-type]
    return np.floor(gap + kleene.TOLERANCE) + 1 if row["operator"] in (">", "<") else np.ceil(gap - kleene.TOLERANCE)


def _leaf_row(rule: Compare | Known, facts: PanelFacts, column: int, margin: float) -> dict[str, object]:
    truth = int(evaluate_rule(rule, facts)[0, column])
    if isinstance(rule, Known) or isinstance(rule.line, Words):
        return _row(str(rule), rule.fact, np.nan, "is" if isinstance(rule, Known) else rule.operator, np.nan, truth)
    value = float(facts.number(rule.fact)[0, column])
    line = float(np.broadcast_to(line_of(rule, facts), facts.shape)[0, column])
    row = _row(str(rule), rule.fact, value, rule.operator, line, truth)
    if truth != kleene.TRUE and not isinstance(rule.line, Flag):
        row["to_move"] = float(np.broadcast_to(line_of(rule, facts, slack=margin), facts.shape)[0, column])
        row["wait"] = _periods_to_count(rule, facts, column, row["to_move"])
    return row


def _periods_to_count(rule: Compare, facts: PanelFacts, column: int, line: float) -> int:
    """Periods until an indicator that counts active periods, or months, can reach a line; all others can in the next one."""
    indicator = facts.panel.indicator(rule.fact) if facts.panel.known(rule.fact) else None
    if indicator is None or indicator.statistic not in ("active", "months") or rule.operator not in (">=", ">"):
        return 1
    totals = facts.panel.totals[rule.fact][0, : column + 1]
    met = int(np.floor(line)) + 1 if rule.operator == ">" else int(np.ceil(line))
    if indicator.statistic == "active":
        return periods_to_sustain(totals >= indicator.at_least, met=met, window=indicator.window)
    row = int(totals[-1]) if indicator.consecutive else None
    return _periods_of_months(totals, met=met, window=indicator.window, months=facts.panel.calendar.months, row=row)


def _periods_of_months(totals: np.ndarray, *, met: int, window: int, months: int, row: int | None) -> int:
    """Count the periods until so many months of a window can be met, if all to come are; ``row`` are those in a row already.

    Examples
    --------
    >>> _periods_of_months(np.array([3, 0, 1]), met=9, window=4, months=3, row=None)
    3
    >>> _periods_of_months(np.array([3, 0, 1]), met=7, window=4, months=3, row=1)
    2
    """
    for ahead in range(1, window):
        kept = row if row is not None else int(totals[max(len(totals) - (window - ahead), 0) :].sum())
        if kept + months * ahead >= met:
            return ahead
    return window


def _sustained_row(rule: Sustained, facts: PanelFacts, column: int) -> dict[str, object]:
    """Periods in which the inner rule held, against those it must hold in."""
    inner = evaluate_rule(rule.part, facts)[0, max(column - rule.window + 1, 0) : column + 1]
    truth = int(evaluate_rule(rule, facts)[0, column])
    inside = " and ".join(dict.fromkeys(leaf["fact"] for leaf in _walk(rule.part, facts, column, 0.0)))
    row = _row(str(rule), inside, float((inner == kleene.TRUE).sum()), ">=", float(rule.met), truth)
    if truth == kleene.UNKNOWN and column + 1 < rule.window and not (inner == kleene.UNKNOWN).any():
        row["status"] = NOT_LOADED
    return row | {"sustained": True, "wait": periods_to_sustain(inner == kleene.TRUE, met=rule.met, window=rule.window)}


def periods_to_sustain(held: np.ndarray, *, met: int, window: int) -> int:
    """Count the periods until a rule that must last can hold, if its part holds in all of them.

    Examples
    --------
    >>> periods_to_sustain(np.array([True, False, True, False]), met=3, window=4)
    2
    """
    for ahead in range(1, met):
        if held[max(len(held) - (window - ahead), 0) :].sum() + ahead >= met:
            return ahead
    return met
