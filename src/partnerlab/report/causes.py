"""What moved a partner: the line that its numbers crossed, for how long, or whose word it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory

#: Lines named for one move.
MOST_LINES = 2
_ORDINALS = {2: "second", 3: "third", 4: "fourth"}


def write_amount(value: float, indicator: str, *, panel: Panel) -> str:
    """Write a value as people read it: money in units of the currency, one digit after the point.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": "2026Q1", "leads": [7]}))
    >>> write_amount(7.0, "leads", panel=panel), write_amount(7.66, "leads", panel=panel)
    ('7', '7.7')
    """
    money = panel.known(indicator) and bool(panel.indicator(indicator).money)
    return f"{float(value) / (100.0 if money else 1.0):,.1f}".removesuffix(".0")


def name_causes(table: pd.DataFrame, *, history: TierHistory, panel: Panel, column: int) -> list[str]:
    """Say of each mover what moved it.

    Parameters
    ----------
    table : DataFrame
        Of `partnerlab.Movers`.
    history : TierHistory
        Tiers that the movers were found in.
    panel : Panel
        The same partners.
    column : int
        Of the quarter moved into.

    Returns
    -------
    list of str
        Such as ``leads 7 (line 7.7), second quarter below the line``, ``relevance 61 (line 60), stated anew, 55 before``
        or ``override ended``.
    """
    return [_cause(row, history=history, panel=panel, column=column) for row in table.to_dict("records")]


def _cause(row: dict[str, object], *, history: TierHistory, panel: Panel, column: int) -> str:
    if row["decided"]:
        return str(row["decided"])
    crossed = _crossed(row, history, column)[:MOST_LINES]
    parts = [" and ".join(_with_line(found, panel=panel) for found in crossed)]
    parts.append(_streak(row, history, column, lines=not any(map(_is_flag, crossed))))
    if row["stated"]:
        before = "unknown" if np.isnan(row["before"]) else write_amount(row["before"], str(row["indicator"]), panel=panel)
        name = str(row["indicator"]).replace("_", " ")
        parts.append(f"stated anew, {before} before" if name in parts[0] else f"{name} stated anew, {before} before")
    return ", ".join(part for part in parts if part)


def _with_line(found: dict[str, object], *, panel: Panel) -> str:
    fact = str(found["fact"])
    if _is_flag(found):
        return f"{fact.replace('_', ' ')}: {'yes' if found['value'] else 'no'}"
    value, line = (write_amount(found[name], fact, panel=panel) for name in ("value", "line"))
    if value == line and found["value"] != found["line"]:
        value, line = f"{found['value']:,.3g}", f"{found['line']:,.3g}"
    return f"{fact.replace('_', ' ')} {value} (line {line})"


def _is_flag(found: dict[str, object]) -> bool:
    """Whether a condition is a matter of yes or no, not of a line."""
    return found["operator"] in ("==", "!=") and found["value"] in (0.0, 1.0)


def _crossed(row: dict[str, object], history: TierHistory, column: int) -> list[dict[str, object]]:
    """Conditions of the old tier that no longer hold; where all do, those of the new tier, the ones met last first."""
    from partnerlab.tiers.behind import facts_behind
    from partnerlab.tiers.requirements import tier_rows

    if history.scheme is None or history.scores is None:
        return []
    one = history.select([str(row["partner"])])
    axes = {name: one.axis(name) for name in ("x", "y")} if history.scheme.kind == "quadrant" else {}
    facts = facts_behind(one)

    def conditions(tier: object, at: int) -> list[dict[str, object]]:
        return [
            found
            for found in tier_rows(history.scheme, str(tier), axes, facts, at)
            if not (pd.isna(found["value"]) or pd.isna(found["line"]))
        ]

    left = [found for found in conditions(row["from_tier"], column) if found["status"] == "not met" and (axes or found["needed"])]
    if left:
        return left
    before = {found["condition"]: found["status"] for found in conditions(row["to_tier"], column - 1)}
    met = [found for found in conditions(row["to_tier"], column) if found["status"] == "met"]
    return [found for found in met if before.get(found["condition"]) != "met"] or sorted(met, key=_distance)[:1]


def _distance(found: dict[str, object]) -> float:
    return abs(float(found["value"]) - float(found["line"])) / max(abs(float(found["line"])), 1.0)


def _streak(row: dict[str, object], history: TierHistory, column: int, *, lines: bool) -> str:
    """Say for how many quarters in a row the rule has no longer said the old tier, where the move took more than one."""
    raw = history.raw[history.row(str(row["partner"])), : column + 1]
    stayed = np.flatnonzero(raw == history.tiers.index(str(row["from_tier"])))
    quarters = column - int(stayed[-1]) if len(stayed) else column + 1
    if quarters < 2:
        return ""
    side = {"up": "above the line", "down": "below the line"}.get(str(row["direction"]), "in a row") if lines else "in a row"
    return f"{_ORDINALS.get(quarters, f'{quarters}th')} quarter {side}"
