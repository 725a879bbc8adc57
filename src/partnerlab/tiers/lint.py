"""What is questionable about a scheme, before it decides about anybody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.scoring.conditions import Compare, Words, leaves, params_of
from partnerlab.scoring.scorecard import Score
from partnerlab.tiers.bounds import lint_bounds
from partnerlab.tiers.classify import Quadrant
from partnerlab.tiers.lattice import lint_lattice
from partnerlab.tiers.playbook import stop_of, tactics_of
from partnerlab.tiers.scheme import TierScheme
from partnerlab.tiers.units import lint_units

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel


def lint_scheme(scheme: TierScheme, *, on: date | None = None, panel: Panel | None = None) -> pd.DataFrame:
    """Look for gaps, contradictions and unexplained words in a scheme.

    Parameters
    ----------
    scheme : TierScheme
        What to look at.
    on : date or None
        The day for which expiry is judged; without it the last day of the panel, or today where there is none.
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
    '77 % of the 2,048 answer combinations meet none of MVP, MGP, STP, BZ: UNRATED or TARGET'
    """
    checks = (
        _glossary,
        _weights,
        _shares_with_points,
        _goals,
        _spare_parameters,
        lint_bounds,
        lint_lattice,
        lint_units,
        _cells,
        _goal_and_playbook,
    )
    found = [row for check in checks for row in check(scheme)]
    found += _expiry(scheme, on or _last_day(panel))
    if panel is not None and scheme.kind != "recorded":
        from partnerlab.tiers.lint_data import lint_on

        found += lint_on(scheme, panel)
    return pd.DataFrame(found, columns=["rule", "grade", "where", "finding"])


Finding = tuple[str, str, str, str]


def _last_day(panel: Panel | None) -> date:
    """Last day of a panel, or today."""
    if panel is None:
        return datetime.now(UTC).date()
    return (panel.calendar.bounds_date(int(panel.periods[-1]), int(panel.periods[-1]))[1] - np.timedelta64(1, "D")).item()


def _glossary(scheme: TierScheme) -> Iterator[Finding]:
    """Every tier, label and fact in plain words."""
    for tier in (*scheme.tiers, *scheme.label_names):
        if not scheme.glossary.get(tier):
            yield "glossary", "error", tier, f"{tier} is not explained; add it to the glossary"
    unspoken = _attributes(scheme) | {name for members in scheme.sets.values() for name in members}
    for name in (*scheme.needs(), *scheme.needs_beside(), *scheme.scores, *scheme.params):
        if not scheme.glossary.get(name) and name not in unspoken:
            yield "glossary", "warning", name, f"{name} is not explained; add it to the glossary, in words that a partner understands"
    known = {*scheme.tiers, *scheme.label_names, *scheme.labels, *scheme.needs(), *scheme.needs_beside(), *scheme.scores, *scheme.params}
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
    return names | set(scheme.sets) | {leaf.fact for leaf in compared if isinstance(leaf, Compare) and isinstance(leaf.line, Words)}


def _weights(scheme: TierScheme) -> Iterator[Finding]:
    """Weights of a mean that add up; parts that a goal forgets; maxima of a sum that reach its maximum."""
    for name, score in scheme.scores.items():
        for goal, given in score.weights_by_goal.items():
            forgotten = [part.name for part in score.parts if part.name not in given]
            if forgotten:
                said = f"goal {goal} gives no weight to {', '.join(forgotten)}, so it counts nothing there; write 0 if that is meant"
                yield "weights", "warning", name, said
        if score.combine == "weighted_mean" and score.parts:
            for goal, total in _totals(score):
                if total is not None and total != 1:
                    yield "weights", "warning", name, f"the weights{goal} add up to {float(total):g}, not 1; shares are taken of that sum"
        if score.combine == "sum" and score.max is not None and not isinstance(score.max, str):
            caps = [part.cap for part in score.parts]
            reach = None if any(cap is None or isinstance(cap, str) for cap in caps) else sum(Fraction(cap) for cap in caps)
            if reach is not None and reach != score.max:
                yield "maxima", "warning", name, f"the parts can give {float(reach):g} points, the score says {float(score.max):g}"


def _shares_with_points(scheme: TierScheme) -> Iterator[Finding]:
    """Find parts that give a share of 1 and are capped as if they gave points."""
    for score in scheme.scores.values():
        for part in score.walk():
            shape = next((key for key in part.shape or {} if key in ("ratio", "percentile")), None)
            cap = part.cap
            if shape is not None and cap is not None and not isinstance(cap, str) and cap > 1:
                points = f"for {float(cap):g} points in full at 2000 write shape: {{per: {float(cap):g}/2000, max: {float(cap):g}}}"
                yield "maxima", "warning", part.name, f"{shape} gives 1 at most, so max {float(cap):g} never binds; {points}"


def _goals(scheme: TierScheme) -> Iterator[Finding]:
    """Goals for the size of tiers that cannot all be met."""
    goals = scheme.goals
    if (total := sum(goals.values())) > 1 + 1e-9:
        yield "goals", "warning", "share", f"the goals of {', '.join(goals)} add up to {total:.0%} of the partners; nobody is in two tiers"


def _totals(score: Score) -> Iterator[tuple[str, Fraction | None]]:
    """Sum of the weights, for each goal."""
    sets = score.weights_by_goal or {"": {part.name: part.weight for part in score.parts}}
    for goal, weights in sets.items():
        named = any(isinstance(weight, str) for weight in weights.values())
        yield f" of goal {goal}" if goal else "", None if named else sum((Fraction(weight) for weight in weights.values()), Fraction(0))


def _spare_parameters(scheme: TierScheme) -> Iterator[Finding]:
    """Parameters that nothing asks for."""
    used = {
        *scheme.classify.params(),
        *(scheme.over.params if scheme.over else ()),
        *(name for score in scheme.scores.values() for name in score.asks()),
    }
    used |= {name for label in scheme.labels.values() if label.when is not None for name in params_of(label.when)}
    used |= {str(label.share_at_least)[1:] for label in scheme.labels.values()}
    used |= {str(stop.at_least)[1:] for entries in scheme.playbook.values() if (stop := stop_of(entries)) is not None}
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
    tactics = [tactic for entries in scheme.playbook.values() for tactic in tactics_of(entries)]
    counted = sum(tactic.owed is not None for tactic in tactics)
    if tactics and not counted:
        text = "no tactic of the playbook says how often it is owed; without per_quarter and delivered_by nobody can tell what was done"
        yield "playbook", "note", "playbook", text
    for tier, entries in scheme.playbook.items():
        stop = stop_of(entries)
        if stop is not None and stop.measured_by is None:
            yield "playbook", "warning", tier, f"autopilot_after of {tier} does not say by what a response is measured; add measured_by"
        if stop is not None and not any(tactic.delivered_by for tactic in tactics_of(entries)):
            yield "playbook", "warning", tier, f"no tactic of {tier} says how its delivery is seen, so no round can be counted"


def _expiry(scheme: TierScheme, on: date) -> Iterator[Finding]:
    for index, standard in enumerate(scheme.overrides):
        if standard.until is not None and standard.until <= on:
            yield "override", "warning", f"overrides.{index}", f"the standard approved by {standard.approved_by} ended on {standard.until}"
    if scheme.effective.until is not None and scheme.effective.until <= on:
        yield "effective", "warning", "effective.until", f"this version ended on {scheme.effective.until}"
