"""Why a partner is in its tier: every condition with value, line and gap, and the shortest way up."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError
from partnerlab.scoring import kleene
from partnerlab.scoring.conditions import AtLeast, Compare, Flag, Known, Rule, Sustained, Words
from partnerlab.scoring.evaluate import evaluate_rule, line_of
from partnerlab.scoring.normal import without_not
from partnerlab.scoring.scorecard import Part
from partnerlab.scoring.scores import PanelFacts
from partnerlab.tiers.classify import Axis, Quadrant, Recorded
from partnerlab.tiers.history import REASONS, Outside, TierHistory
from partnerlab.tiers.parameters import facts_behind

COLUMNS = ("tier", "condition", "fact", "value", "operator", "line", "gap", "to_move", "status", "needed", "line_moves", "trust", "meaning")

#: Status of a condition, by truth value.
STATUS = {0: "not met", 1: "tell us", 2: "met"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a partner is in its tier.

    Parameters
    ----------
    partner, quarter : str
        Whom and when.
    tier, raw, held : str
        Published; what the rule says; what is held after movement rules.
    reason : str
        Why published is not simply what the rule says.
    scheme : str
        Name and version of the rules.
    table : DataFrame
        One row for each condition of the tier held and of each tier above: ``tier, condition,
        fact, value, operator, line, gap, to_move, status, needed, line_moves, trust, meaning``.
        ``gap`` is how far the value is from the line (positive is missing), ``to_move`` the value
        that also clears the margin, ``needed`` marks the shortest way under "any".
    parts : DataFrame
        One row for each part of each score: ``score, part, points, weight, most, headroom, unknown``.
        ``most`` is what the part can give at best (empty where nothing caps it), ``headroom`` how many
        points of the score full marks in this part would add.
    """

    partner: str
    quarter: str
    tier: str
    raw: str
    held: str
    reason: str
    scheme: str
    table: pd.DataFrame = dataclasses.field(repr=False)
    parts: pd.DataFrame = dataclasses.field(repr=False)

    def missing(self, tier: str) -> pd.DataFrame:
        """Conditions that still have to be met for a tier, the shortest way."""
        return self.table.loc[(self.table["tier"] == tier) & self.table["needed"] & (self.table["status"] != "met")].reset_index(drop=True)

    def at_risk(self) -> pd.DataFrame:
        """Conditions of the tier held that are met, the closest to their line first: what could lose the tier."""
        mine = self.table.loc[
            (self.table["tier"] == self.held) & (self.table["status"] == "met") & self.table["needed"] & self.table["gap"].notna()
        ]
        distance = (-mine["gap"] / mine["line"].abs().clip(lower=1.0)).sort_values(kind="stable")
        return mine.loc[distance.index].reset_index(drop=True)

    def summary(self) -> str:
        """Say it in plain words."""
        lines = [f"{self.partner} is {self.tier} in {self.quarter} under {self.scheme}."]
        if self.reason != REASONS[0]:
            lines.append(f"By the data alone it would be {self.raw}: {self.reason}.")
        above = [tier for tier in dict.fromkeys(self.table["tier"]) if tier != self.held]
        lines += [f"For {tier}: " + "; ".join(map(_sentence, self.missing(tier).to_dict("records"))) + "." for tier in above]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        said = "<br>".join(html.escape(line) for line in self.summary().splitlines())
        return f"<p>{said}</p>" + self.table.to_html(index=False, border=0, na_rep="unknown", float_format="{:g}".format)


def _sentence(row: dict[str, object]) -> str:
    if row["status"] == "tell us":
        return f"tell us {row['fact']}"
    if pd.isna(row["gap"]):
        return str(row["condition"])
    moving = " (this line moves with the other partners)" if row["line_moves"] else ""
    return f"{row['fact']} is {row['value']:g}, needs {row['operator']} {row['to_move']:g}{moving}"


def explain_tier(history: TierHistory, *, partner: str, quarter: str) -> Explanation:
    """Explain a partner's tier: the tier held, and each tier above it.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers`.
    partner, quarter : str
        Whom and when.

    Raises
    ------
    ParameterError
        If partner or quarter do not exist, or the partner was no member.
    MissingTableError
        If the history came from a table of tiers, or the tiers are a record: then the data cannot say why.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": "2026Q1", "leads": [10]}))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
    >>> history = assign_tiers(panel, TierScheme(scheme="demo", classify=bands))
    >>> print(explain_tier(history, partner="a", quarter="2026Q1").summary())
    a is Member in 2026Q1 under demo@1.
    For Gold: leads is 10, needs >= 20.
    """
    column, row = history.column(quarter), history.row(partner)
    scheme = history.scheme
    if scheme is None or isinstance(scheme.classify, Recorded):
        raise MissingTableError(f"the tier of {partner} is a record; the data hold no rule that could explain it")
    if history.published[row, column] <= Outside.NOT_YET:
        raise ParameterError(
            f"{partner} was no member in {quarter} ({history.names()[row, column]}); there is no tier to explain", partner=partner
        )
    one = history.select([partner])
    facts = facts_behind(one)
    held = str(history.names(history.held)[row, column])
    rows: list[dict[str, object]] = []
    for tier in _of_interest(history, int(history.held[row, column])):
        if isinstance(scheme.classify, Quadrant):
            rows += _corner(scheme.classify, tier, one, facts, column)
        else:
            rule = dict(scheme.classify.rules()).get(tier)
            rows += (
                []
                if rule is None
                else [{"tier": tier, **found} for found in _walk(without_not(rule), facts, column, scheme.movement.margin)]
            )
    return Explanation(
        partner=str(partner),
        quarter=quarter,
        tier=str(history.names()[row, column]),
        raw=str(history.names(history.raw)[row, column]),
        held=held,
        reason=REASONS[history.reasons[row, column]],
        scheme=scheme.name_version,
        table=_described(pd.DataFrame(rows, columns=list(COLUMNS)), history, facts),
        parts=_parts(one, facts, column),
    )


def _of_interest(history: TierHistory, held: int) -> list[str]:
    """Name the tier held, then those above it from the nearest up; all of them where nothing is held."""
    ranked = [(rank, tier) for tier, rank in zip(history.tiers, history.rank, strict=True) if rank is not None]
    here = history.rank[held] if held >= 0 else None
    above = [tier for rank, tier in sorted(ranked, key=lambda pair: pair[0]) if here is None or rank > here]
    return ([history.tiers[held]] if held >= 0 else []) + [tier for tier in above if held < 0 or tier != history.tiers[held]]


def _corner(rule: Quadrant, tier: str, one: TierHistory, facts: PanelFacts, column: int) -> list[dict[str, object]]:
    """Both axes of a cell, and the gate."""
    rows: list[dict[str, object]] = []
    corner = next((corner for corner, name in rule.cells.items() if name == tier), None)
    if rule.gate is not None:
        rows += _walk(without_not(rule.gate), facts, column, 0.0)
    if corner is not None:
        for name, axis, side in zip(("x", "y"), (rule.x, rule.y), corner.split("_"), strict=True):
            rows.append(_axis_row(axis, side, one.axis(name), column))
    return [{"tier": tier, **row} for row in rows]


def _axis_row(axis: Axis, side: str, view: object, column: int) -> dict[str, object]:
    value, line, margin = float(view.values[0, column]), float(view.line[0, column]), view.margin
    operator = axis.operator if side == "high" else {">=": "<", ">": "<="}[axis.operator]
    truth = int(kleene.compare(np.array(value), line, operator))
    row = _row(f"{axis.value} {operator} {line:g}", axis.value, value, operator, line, truth)
    room = margin * abs(line) * (1 if side == "high" else -1)
    return row | {"to_move": line + room if truth != kleene.TRUE else line, "line_moves": axis.cut.relative, "needed": side == "high"}


def _row(condition: str, fact: str, value: float, operator: str, line: float, truth: int) -> dict[str, object]:
    ordered = operator in (">=", ">", "<=", "<")
    gap = (line - value if operator in (">=", ">") else value - line) if ordered else np.nan
    return {"condition": condition, "fact": fact, "value": value, "operator": operator, "line": line, "gap": gap, "status": STATUS[truth],
            "needed": True, "line_moves": False, "to_move": line}  # fmt: skip


def _walk(rule: Rule, facts: PanelFacts, column: int, margin: float) -> list[dict[str, object]]:
    """Rows of all conditions of a rule; under "any" only those of the shortest branches are needed."""
    if isinstance(rule, AtLeast):
        branches = [_walk(part, facts, column, margin) for part in rule.parts]
        if rule.is_all:
            return [row for branch in branches for row in branch]
        nearest = sorted(range(len(branches)), key=lambda index: _effort(branches[index]))[: rule.k]
        for index, branch in enumerate(branches):
            for row in branch:
                row["needed"] = row["needed"] and index in nearest
        return [row for branch in branches for row in branch]
    if isinstance(rule, Sustained):
        return [_sustained_row(rule, facts, column)]
    return [_leaf_row(rule, facts, column, margin)]


def _effort(branch: list[dict[str, object]]) -> tuple[int, int, float]:
    """How far a branch is: conditions failed, conditions unknown, relative gaps."""
    todo = [row for row in branch if row["needed"] and row["status"] != "met"]
    unknown = sum(row["status"] == "tell us" for row in todo)
    gaps = [float(row["gap"]) / max(abs(float(row["line"])), 1.0) for row in todo if not pd.isna(row["gap"])]
    return len(todo) - unknown, unknown, float(sum(gaps))


def _leaf_row(rule: Compare | Known, facts: PanelFacts, column: int, margin: float) -> dict[str, object]:
    truth = int(evaluate_rule(rule, facts)[0, column])
    if isinstance(rule, Known) or isinstance(rule.line, Words):
        return _row(str(rule), rule.fact, np.nan, "is" if isinstance(rule, Known) else rule.operator, np.nan, truth)
    value = float(facts.number(rule.fact)[0, column])
    line = float(np.broadcast_to(line_of(rule, facts), facts.shape)[0, column])
    row = _row(str(rule), rule.fact, value, rule.operator, line, truth)
    if truth != kleene.TRUE and not isinstance(rule.line, Flag):
        row["to_move"] = float(np.broadcast_to(line_of(rule, facts, slack=margin), facts.shape)[0, column])
    return row


def _sustained_row(rule: Sustained, facts: PanelFacts, column: int) -> dict[str, object]:
    """Periods in which the inner rule held, against those it must hold in."""
    inner = evaluate_rule(rule.part, facts)[0, max(column - rule.window + 1, 0) : column + 1]
    truth = int(evaluate_rule(rule, facts)[0, column])
    inside = " and ".join(dict.fromkeys(leaf["fact"] for leaf in _walk(rule.part, facts, column, 0.0)))
    return _row(str(rule), inside, float((inner == kleene.TRUE).sum()), ">=", float(rule.met), truth)


def _described(table: pd.DataFrame, history: TierHistory, facts: PanelFacts) -> pd.DataFrame:
    """Add who says so, and what it means."""
    glossary = history.scheme.glossary if history.scheme else {}
    known = {name: facts.panel.indicator(name) for name in table["fact"].unique() if facts.panel.known(name)}
    trust = [known[name].trust if name in known else "computed" for name in table["fact"]]
    meaning = [glossary.get(name) or (known[name].meaning if name in known else "") for name in table["fact"]]
    numeric = dict.fromkeys(("value", "line", "gap", "to_move"), "float64")
    return table.assign(trust=trust, meaning=meaning).astype(numeric).astype({"needed": bool, "line_moves": bool})


def _parts(one: TierHistory, facts: PanelFacts, column: int) -> pd.DataFrame:
    """Points of each part of each score, and what full marks in it would add."""
    rows = []
    for score, points in one.scores.parts.items() if one.scores is not None else ():
        spec, weights = one.scheme.scores[score], one.scores.weights[score]
        full = float(np.max(facts.amount(spec.max))) if spec.max is not None else 100.0
        scale = full / sum(weights.values()) if spec.combine == "weighted_mean" else 1.0
        for part in spec.walk():
            got, weight = float(points[part.name][0, column]), weights.get(part.name, np.nan)
            most = _most(part, facts, column, one.scores.weights[score], spec.combine == "weighted_mean")
            adds = (most - got) * weight * scale if spec.combine in ("weighted_mean", "sum") else np.nan
            rows.append((score, part.name, got, weight, most, adds, bool(np.isnan(got))))
    return pd.DataFrame(rows, columns=["score", "part", "points", "weight", "most", "headroom", "unknown"])


def _most(part: Part, facts: PanelFacts, column: int, weights: Mapping[str, float], is_share: bool) -> float:
    """Most that a part can give; NaN where nothing caps it."""
    if part.cap is not None:
        return float(np.broadcast_to(facts.amount(part.cap), facts.shape)[0, column])
    shape = part.shape or {}
    if "bands" in shape:
        return float(max(points for _, points in shape["bands"]))
    return 1.0 if (is_share and part.name in weights) or {"ratio", "percentile"} & shape.keys() else np.nan
