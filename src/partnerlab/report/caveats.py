"""What a reader must mind, from what was looked at: partial quarters, unknown tiers, rows set aside, what these data lack."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerlab.panel import Membership
from partnerlab.report.attempts import Unavailable
from partnerlab.tiers import Outside
from partnerlab.words import say_list

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory

#: Why nothing can be drawn again where tiers are recorded.
DECIDED = "these tiers are recorded decisions, not computed from counts, so there is no chance movement to compare with"


def records_leaving(panel: Panel) -> bool:
    """Whether anybody is ever seen to leave; where nobody is, a lapse rate of zero would be made up."""
    return bool((panel.state == Membership.LAPSED).any())


def is_recorded(history: TierHistory) -> bool:
    """Whether tiers were taken as the program recorded them."""
    return history.scheme is not None and history.scheme.kind == "recorded"


def say_refusal(result: Any, history: TierHistory) -> Any:
    """Put the reason why recorded tiers have no noise baseline in words for people; everything else passes as it is."""
    if isinstance(result, Unavailable) and is_recorded(history):
        return dataclasses.replace(result, reason=DECIDED)
    return result


def list_caveats(history: TierHistory, panel: Panel, quarter: str, *, movers: Any, noise: Any, quality: Any) -> list[str]:
    """Say what a reader must mind, from what was looked at."""
    column = panel.column(quarter)
    said = []
    if panel.partial[column]:
        said.append(f"The data cover {quarter} only in part: nothing that is counted in it can be compared with earlier quarters.")
    unknown = int(((history.published[:, column] == -1) & panel.member[:, column]).sum())
    if unknown:
        have = "partner has" if unknown == 1 else "partners have"
        said.append(
            f"{unknown:,} active {have} no known tier in {quarter}, because what the scheme asks for is not known of "
            f"{'it; it is' if unknown == 1 else 'them; they are'} in no share."
        )
    if not is_recorded(history):
        said += [f"{result.reason[:1].upper()}{result.reason[1:]}." for result in (noise, movers) if isinstance(result, Unavailable)][:1]
    for result in (noise, movers):
        said += [
            f"Not passed: {check.name[:1].lower()}{check.name[1:]}. {check.detail}"
            for check in getattr(result, "checks", ())
            if check.passed is False
        ]
    said += _dirt(quality)
    if not records_leaving(panel):
        said.append(
            "These data record no partner leaving: whoever ever joined counts as active, "
            "and no lapse rate and no survival curve can be given."
        )
    said += _absent(history, panel)
    said += [f"{note.rstrip('?')}." if not note.endswith("?") else note for note in history.notes]
    said.append("Figures are descriptive (evidence grade D): they say what happened, not why.")
    return said


#: Indicators that page one sums up whatever the scheme reads.
_SHOWN = ("revenue", "leads", "deals_won")


def _absent(history: TierHistory, panel: Panel) -> list[str]:
    """Name indicators that these data cannot give: those the scheme reads one by one, the others in a line or two."""
    needed = set(history.scheme.needs()) if history.scheme is not None else set()
    said, missing, empty, otherwise = [], [], [], []
    for note in panel.provenance.notes:
        head, _, why = note.partition(": ")
        names = head.split(", ")
        if not (set(names) <= set(panel.indicators.names) or why.startswith("needs ")):
            said.append(f"{note[:1].upper()}{note[1:]}.")
            continue
        if read := [name for name in names if name in needed]:
            said.append(f"The scheme's {', '.join(read)}: {why}.")
        rest = [name for name in names if name not in needed]
        if why.startswith("needs "):
            missing += [why.partition("needs ")[2].partition(",")[0]] * len(rest)
        elif "no row of " in why:
            empty += rest
        elif shown := [name for name in rest if name in _SHOWN]:
            said.append(f"{', '.join(shown)}: {why}.")
        else:
            otherwise += rest
    if missing:
        said.append(f"Not in these data: {say_list(list(dict.fromkeys(missing)))}; {len(missing)} standard indicators are left out.")
    return (
        said + _not_read(empty, "has no rows here", "have no rows here") + _not_read(otherwise, "is read otherwise", "are read otherwise")
    )


def _not_read(indicators: list[str], one: str, many: str) -> list[str]:
    """Say in one line what is true of some indicators that the scheme does not read."""
    if not indicators:
        return []
    names = [name.replace("_", " ") for name in indicators]
    shown = say_list([*names[:3], f"{len(names) - 3} more"] if len(names) > 4 else names)
    single = len(names) == 1
    return [
        f"{len(names)} {'indicator' if single else 'indicators'} {one if single else many} ({shown}); "
        f"the scheme does not read {'it' if single else 'them'}, and the data-quality page says more."
    ]


def _dirt(quality: Any) -> list[str]:
    """How many rows were set aside, in a sentence."""
    if quality is None or isinstance(quality, Unavailable):
        return []
    table = quality.table
    aside = table[table["grade"] == "quarantine"]
    if aside["rows"].sum() == 0:
        return []
    worst = aside.sort_values("rows", ascending=False).iloc[0]
    return [
        f"{int(aside['rows'].sum()):,} rows or values are set aside from the counts, most in {worst['table']} "
        f"({int(worst['rows']):,} by check {worst['rule']}); see the data-quality page."
    ]


def hazard_ahead(history: TierHistory, panel: Panel, quarter: str, *, level: float = 0.95) -> pd.DataFrame | Unavailable:
    """Say for each tier which share of its partners lapsed in the quarter that comes next, in the years before.

    What there is to say about risk where tiers are recorded and no numbers decide them. A partner
    lapses once at most, so each quarter's share is binomial (Wilson's interval).

    Returns
    -------
    DataFrame or Unavailable
        ``tier, partners_today, lapsed_then, at_least, at_most, partner_quarters``.
    """
    from partnerlab.stats.inference.intervals import wilson_interval

    if not records_leaving(panel):
        return Unavailable(what="hazard_ahead", reason="these data record no partner leaving")
    column, year = panel.column(quarter), 12 // panel.calendar.months
    then = [at for at in range(column + 1 - year, 0, -year) if not np.asarray(panel.partial)[at - 1 : at + 1].any()]
    if not then:
        return Unavailable(what="hazard_ahead", reason="the quarter that comes next was never seen in an earlier year")
    before, after = (np.hstack([history.published[:, [at + step]] for at in then]) for step in (-1, 0))
    rows = []
    for code, tier in enumerate(history.tiers):
        base = (before == code) & (after != Outside.UNKNOWN)
        lapsed, n = int((base & (after == Outside.LAPSED)).sum()), int(base.sum())
        today = int((history.published[:, column] == code).sum())
        if not n or not today:
            continue
        low, high = wilson_interval(lapsed / n, n, level=level)
        row = (tier, today, lapsed / n, float(low), float(high), n)
        rows.append(dict(zip(("tier", "partners_today", "lapsed_then", "at_least", "at_most", "partner_quarters"), row, strict=True)))
    found = pd.DataFrame(rows)
    return found if len(found) else Unavailable(what="hazard_ahead", reason="no tier held partners in that quarter of earlier years")
