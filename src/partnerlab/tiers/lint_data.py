"""What is questionable about a scheme on the data at hand: what was not recorded then, whom nobody can rate."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from partnerlab.errors import nearest
from partnerlab.scoring import kleene
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.tiers.anchors import RIGHT, WRONG, check_anchors
from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.behind import facts_behind
from partnerlab.tiers.classify import Ladder, Quadrant
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel
    from partnerlab.tiers.scheme import TierScheme

#: Rule, grade, where, finding.
Finding = tuple[str, str, str, str]


def lint_on(scheme: TierScheme, panel: Panel) -> Iterator[Finding]:
    """Look at a scheme's facts in a panel, then at the tiers of its last whole period."""
    known = {name for fact, members in scheme.sets.items() for name in (members if fact in panel.attributes.columns else [fact])}
    facts = [name for name in scheme.needs() if name not in panel.attributes.columns and name not in known]
    missing = [name for name in facts if not panel.known(name)]
    for name in missing:
        yield "data", "error", name, f"the data have no {name}{nearest(name, panel.indicators.names)}"
    for name in scheme.needs_beside():
        if name not in panel.attributes.columns and name not in known and not panel.known(name):
            said = f"the data have no {name}{nearest(name, panel.indicators.names)}; labels or playbook ask for it, no tier does"
            yield "data", "warning", name, said
    for name in facts:
        if name not in missing:
            yield from _recorded(panel, name)
    unit = scheme.unit_column
    if unit is not None and (panel.units is None or panel.units.name != unit):
        yield "data", "error", "over", f"the panel is not over {unit}; build it with unit={unit!r}"
    elif not missing:
        history = assign_tiers(panel, scheme)
        yield from _tiers(history, panel)
        yield from _scales(history, panel)
        yield from _anchors(history, panel)


def _recorded(panel: Panel, name: str) -> Iterator[Finding]:
    """Say since when there are rows behind an indicator, and for how many members it is unknown."""
    member = panel.member
    rows = np.where(member, panel.n(name), 0).sum(axis=0)
    begun = np.flatnonzero(rows > 0)
    last = _last(panel)
    if not len(begun):
        yield "data", "warning", name, f"there is not one row behind {name} from {panel.labels[0]} to {panel.labels[-1]}"
    elif begun[0] > 0:
        since = panel.labels[int(begun[0])]
        reads = "0" if panel.indicator(name).missing == "zero" else "unknown"
        yield "data", "warning", name, f"nothing is recorded before {since}: {name} reads {reads} until then"
    members = int(member[:, last].sum())
    unknown = int((member[:, last] & np.isnan(panel.values(name)[:, last])).sum())
    if unknown:
        grade = "warning" if unknown > members / 2 else "note"
        yield "unknown", grade, name, f"{name} is unknown for {unknown} of {members} members in {panel.labels[last]}"


def _tiers(history: TierHistory, panel: Panel) -> Iterator[Finding]:
    """Name tiers that nobody is in, lines that nobody can draw, and how many cannot be rated."""
    column = _last(panel)
    label, codes = panel.labels[column], history.raw[:, column]
    for code, tier in enumerate(history.tiers):
        if not (codes == code).any():
            yield "empty", "note", tier, f"by the rule nobody is {tier} in {label}"
    unrated = int((codes == Outside.UNKNOWN).sum())
    if unrated:
        yield "unknown", "note", "classify", f"{unrated} of {int((codes >= Outside.UNKNOWN).sum())} members cannot be rated in {label}"
    lines = history.lines.loc[(history.lines["quarter"] == label) & history.lines["line"].isna()]
    for line in lines.itertuples():
        yield "line", "warning", f"classify.{line.axis}", f"{line.group}: no line in {label}, only {line.n} partners are rated there"


def _scales(history: TierHistory, panel: Panel) -> Iterator[Finding]:
    """Members who meet a later step of a scale but not the one before it."""
    rule, column = history.scheme.classify, _last(panel)
    if not isinstance(rule, Ladder) or not rule.scales:
        return
    facts, member = facts_behind(history), history.raw[:, column] >= Outside.UNKNOWN
    for name, steps in rule.scales.items():
        truths = [evaluate_rule(step, facts)[:, column] for step in steps]
        for lower, higher in itertools.pairwise(range(len(steps))):
            odd = int((member & (truths[higher] == kleene.TRUE) & (truths[lower] == kleene.FALSE)).sum())
            if odd:
                said = f"{odd} of {int(member.sum())} members meet '{steps[higher]}' but not '{steps[lower]}' in {panel.labels[column]}"
                yield "scale", "warning", f"classify.scales.{name}", f"{said}: the scale does not hold for them"


def _anchors(history: TierHistory, panel: Panel) -> Iterator[Finding]:
    """Anchors of an axis on the wrong side, unknown, or not there."""
    rule, label = history.scheme.classify, panel.labels[_last(panel)]
    if not isinstance(rule, Quadrant) or not (rule.x.anchors or rule.y.anchors):
        return
    for row in check_anchors(history, quarter=label).anchors.itertuples():
        where = f"classify.{row.axis}.anchors"
        if row.status == WRONG:
            stands, line = "low" if row.expected == "high" else "high", f"{row.fact} is {row.value:.3g}, the line {row.line:.3g}"
            yield "anchors", "warning", where, f"{row.name} belongs {row.expected} but lands {stands} in {label}: {line}"
        elif row.status != RIGHT:
            yield "anchors", "note", where, f"{row.name} belongs {row.expected}, but is {row.status} in {label}"


def _last(panel: Panel) -> int:
    """Column of the last period that the data cover in full."""
    whole = np.flatnonzero(~panel.partial)
    return int(whole[-1]) if len(whole) else panel.shape[1] - 1
