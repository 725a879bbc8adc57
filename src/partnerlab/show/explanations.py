"""Picture and table of why a partner is in its tier: every condition, how far the value is from the line."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten, text_width
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import left_out, tabulate
from partnerlab.tiers import Explanation

#: Status of a condition -> sign, colour.
SIGNS = {
    "met": ("●", style.ACCENT),
    "not met": ("○", style.SIGNAL),
    "within the margin": ("◐", style.SIGNAL),
    "tell us": ("?", style.MUTED),
}


@plot.register(Explanation)
def _explanation(explanation: Explanation) -> Picture:
    return plot_conditions(
        explanation.table, partner=explanation.partner, tier=explanation.tier, reason=explanation.reason, quarter=explanation.quarter
    )


@tabulate.register(Explanation)
def _explanation_table(explanation: Explanation, *, caption: str = "", rows: int | None = None) -> TableView:
    kinds = {"tier": "text", "condition": "text", "meaning": "text", "value": "number", "line": "number", "gap": "number"}
    kinds |= {"status": "text", "trust": "text"}
    whom = f"{explanation.partner} in {explanation.quarter} ({explanation.tier})"
    said = caption or f"{whom}: conditions of its tier and those above, {explanation.scheme}"
    shown = explanation.table.head(rows) if rows else explanation.table
    heads = {"gap": "still missing", "trust": "whose word"}
    # a condition that is met has nothing missing
    shown = shown.assign(gap=np.where(shown["status"] == "met", 0.0, shown["gap"]))
    return table_view(shown, caption=said + left_out(explanation.table, rows), kinds=kinds, heads=heads)


def plot_conditions(conditions: pd.DataFrame, *, partner: str, tier: str, reason: str, quarter: str) -> Picture:
    """Draw each condition as a bar that reaches, or does not reach, its line.

    Parameters
    ----------
    conditions : DataFrame
        ``tier, condition, meaning, value, line, operator, status``.
    partner, tier, reason, quarter : str
        Whose, which, why, when.
    """
    if conditions.empty:
        raise SampleError(f"the tier of {partner} in {quarter} has no conditions to draw: {reason}")
    tiers = list(dict.fromkeys(conditions["tier"]))
    tops, place = [], 6.0
    for index, row in enumerate(conditions.itertuples()):
        place += 20.0 if index == 0 or row.tier != conditions["tier"].iloc[index - 1] else 0.0
        tops.append(place)
        place += 31.0 if _has_bar(row) else 18.0

    def paint(canvas: Canvas) -> None:
        for index, (top, row) in enumerate(zip(tops, conditions.itertuples(), strict=True)):
            if index == 0 or row.tier != conditions["tier"].iloc[index - 1]:
                canvas.words(6, top - 6, row.tier, weight="bold")
            _condition(canvas, row, top)

    counts = conditions["status"].value_counts()
    said = "; ".join(f"{_said(row)}: {_value(row)}, {row.status}" for row in conditions.head(12).itertuples())
    met = f"{counts.get('met', 0)} of {words.plural(len(conditions), 'condition')} met"
    unknown = f", {counts['tell us']} unknown" if counts.get("tell us", 0) else ""
    return picture(
        paint,
        height=place + 4,
        headline=f"{partner} is in {tier} in {quarter}: {met}{unknown}",
        alt=f"Bars, one for each condition of {words.say_list(tiers)}: how far the value reaches towards its line. {said}.",
        units="value of each condition's number against its line",
        n=len(conditions),
        period=quarter,
        note=f"{words.sentence(reason)} Upright stroke: the line; ● met, ◐ within the margin, ○ not met, ? unknown; n counts conditions",
        table=conditions.reset_index(drop=True),
    )


def _value(row: object) -> str:
    if row.value is None or np.isnan(row.value):
        return "unknown"
    if row.operator == "==":
        return {1.0: "yes", 0.0: "no"}.get(float(row.value), words.say_number(row.value))
    return f"{words.say_number(row.value)} against {words.say_number(row.line)}"


def _has_bar(row: object) -> bool:
    """Say whether there is a line above nothing that a value can reach towards."""
    return row.operator != "==" and bool(row.line > 0) and not np.isnan(row.value)


def _said(row: object) -> str:
    """Write a condition in the words of its indicator, or as it stands in the scheme."""
    meaning = str(row.meaning) if isinstance(row.meaning, str) else ""
    return meaning or str(row.condition)


def _condition(canvas: Canvas, row: object, top: float) -> None:
    sign, colour = SIGNS.get(row.status, SIGNS["tell us"])
    value = _value(row)
    canvas.words(6, top + 11, sign, colour=colour, weight="bold")
    canvas.words(
        20, top + 11, shorten(_said(row), width=canvas.width - 38 - text_width(value, size=style.SMALL), size=style.SMALL), size=style.SMALL
    )
    canvas.words(canvas.width - 6, top + 11, value, size=style.SMALL, ha="right")
    if not _has_bar(row):
        return
    axes = canvas.axes(20, top + 16, canvas.width - 26, 7)
    axes.set(xlim=(0, 2), ylim=(0, 1), xticks=[], yticks=[])
    axes.barh([0.5], [2], height=1.0, color="#ececec", linewidth=0)
    axes.barh([0.5], [min(max(row.value / row.line, 0.0), 2.0)], height=1.0, color=colour, linewidth=0)
    axes.plot([1, 1], [-0.3, 1.3], color=style.INK, linewidth=1.6, clip_on=False)
