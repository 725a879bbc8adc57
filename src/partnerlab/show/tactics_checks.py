"""Pictures of doubt: how a tactic was given, and what could overturn a finding."""

from __future__ import annotations

import functools

import pandas as pd

from partnerlab import words
from partnerlab.effects import AssignmentCheck, RobustnessCard
from partnerlab.results import Evidence
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, wrap
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import tabulate
from partnerlab.show.tactics_rows import Row, paint_rows, rows_height

#: What each test of the assignment asks, in people's words.
ASKED = {"lasting trait": "Earlier results, the last one alike", "last result": "The last result, the usual ones alike"}
#: How a check came out, and the mark beside it.
STANDS = {True: "stands", False: "overturned", None: "yardstick"}

_LINE, _GAP = 14.0, 12.0


@plot.register(AssignmentCheck)
def _assignment(result: AssignmentCheck, *, period: str = "") -> Picture:
    """How strongly each reason goes with getting the tactic, and which design that leaves."""
    rows = [
        Row(said=_say_reason(row), estimate=row["estimate"], low=row["conf_low"], high=row["conf_high"], dark=row["p_value"] < 0.10)
        for _, row in result.table.iterrows()
    ]
    first, _, design = result.statement.partition(". ")
    return picture(
        functools.partial(paint_rows, rows=rows, units="log-odds of getting it, per standard deviation"),
        height=rows_height(rows),
        headline=f"{first}. {design}".rstrip("."),
        alt=f"Two intervals: {'; '.join(row.said for row in rows)}. {result.statement}",
        units="log-odds per standard deviation; n counts partner-quarters in which it might have been given",
        n=int(result.table["n"].max()),
        period=period or "all quarters of the panel",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; 0 is no such reason; dark: counted as a reason (p below 0.10). "
        "What is not seen is not ruled out, so this lowers a grade and never raises one",
        table=result.table,
    )


def _say_reason(row: pd.Series) -> str:
    name = ASKED.get(row["test"], row["test"])
    if pd.isna(row["estimate"]):
        return f"{name}: {words.say_not_enough(row['n'])}"
    size = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")[0]
    return f"{name}: {size} ({words.say_p(row['p_value'])})"


@plot.register(RobustnessCard)
def _card(result: RobustnessCard, *, period: str = "") -> Picture:
    """One card: each check with its number, and whether the finding stands."""
    lines = [(_state(row["stands"]), _name(row), _wrapped(str(row["says"]))) for _, row in result.table.iterrows()]
    tops, top = [], 8.0
    for _, _, said in lines:
        tops.append(top)
        top += _LINE * (1 + len(said)) + _GAP
    counts = pd.Series([state for state, _, _ in lines]).value_counts()
    return picture(
        functools.partial(_paint_card, lines=lines, tops=tops),
        height=top,
        headline=_card_headline(result, counts),
        alt=f"A card of {words.plural(len(lines), 'check')}. "
        + " ".join(f"{name}: {state}; {' '.join(said)}." for state, name, said in lines),
        units="each check in its own units; n counts checks",
        n=len(lines),
        period=period or "all quarters of the panel",
        note="Filled: the finding stands; cross: overturned; ring: a yardstick, which cannot fail. No check raises a grade",
        table=result.table,
    )


def _state(stands: object) -> str:
    return STANDS[None if pd.isna(stands) else bool(stands)]


def _name(row: pd.Series) -> str:
    return f"{row['check'][:1].upper()}{row['check'][1:]}" + (f": {row['about']}" if str(row["about"]) else "").replace("_", " ")


def _wrapped(said: str) -> list[str]:
    return wrap(words.sentence(said.replace("_", " ")), width=style.WIDTH - 60, size=style.SMALL, most=4)


def _paint_card(canvas: Canvas, *, lines: list[tuple[str, str, list[str]]], tops: list[float]) -> None:
    axes = canvas.axes(0, 0, canvas.width, canvas.height)
    axes.set_xlim(0, canvas.width)
    axes.set_ylim(canvas.height, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    marks = {
        "stands": {"marker": "o", "color": style.ACCENT},
        "overturned": {"marker": "X", "color": style.SIGNAL},
        "yardstick": {"marker": "o", "markerfacecolor": style.PAPER, "markeredgecolor": style.MUTED},
    }
    for (state, name, said), top in zip(lines, tops, strict=True):
        axes.plot([18], [top + 6], linestyle="none", markersize=9, **marks[state])
        canvas.words(34, top + 10, name, size=style.SMALL, weight="bold")
        canvas.words(canvas.width - 8, top + 10, state, size=style.SMALL, ha="right", colour=_ink(state))
        for line, text in enumerate(said, start=1):
            canvas.words(34, top + 10 + _LINE * line, text, size=style.SMALL, colour=style.INK)


def _ink(state: str) -> str:
    return {"stands": style.ACCENT, "overturned": style.SIGNAL}.get(state, style.MUTED)


def _card_headline(result: RobustnessCard, counts: pd.Series) -> str:
    gone, held = int(counts.get("overturned", 0)), int(counts.get("stands", 0))
    if gone:
        names = [_name(row).lower() for _, row in result.table.iterrows() if _state(row["stands"]) == "overturned"]
        return f"Overturned by {gone} of {words.plural(len(result.table), 'check')}: {words.say_list(names)}"
    if result.evidence is Evidence.D or not held:
        passed = f": {held} of {words.plural(held, 'check')} passed, and still nothing can be told" if held else ""
        return f"There is no finding to overturn{passed}"
    return f"The finding stands against {held} of {words.plural(held, 'check')} that could have overturned it"


@tabulate.register(RobustnessCard)
def _card_table(result: RobustnessCard, *, caption: str = "", rows: int | None = None) -> TableView:
    """Write the card as a table: check, whether the finding stands, its number and what that is held against."""
    table = result.table.head(rows) if rows else result.table
    shown = pd.DataFrame(
        {
            "check": [_name(row) for _, row in table.iterrows()],
            "finding": [_state(row["stands"]) for _, row in table.iterrows()],
            "number": table["estimate"].to_numpy(),
            "held_against": table["bar"].to_numpy(),
            "says": [words.sentence(str(said)) for said in table["says"]],
        }
    )
    kinds = {"check": "text", "finding": "text", "number": "number", "held_against": "number", "says": "text"}
    return table_view(shown, caption=caption or result.estimand, kinds=kinds)
