"""Picture of what is wrong with the data: rows that break a rule, by table and grade."""

from __future__ import annotations

import pandas as pd

from partnerlab import words
from partnerlab.intake import DataQuality
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten, text_width
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import left_out, tabulate

#: Grade -> colour, and the sign that says the same without colour.
GRADES = {"reject": ("#801650", "■"), "quarantine": (style.SIGNAL, "▲"), "warn": (style.MUTED, "○")}


@plot.register(DataQuality)
def _quality(quality: DataQuality, *, rows: int = 12, period: str = "") -> Picture:
    moment = period or (f"as known on {quality.as_of:%Y-%m-%d}" if quality.as_of else "as known when last loaded")
    return plot_quality(quality.table, sizes=dict(quality.tables), rows=rows, period=moment)


@tabulate.register(DataQuality)
def _quality_table(quality: DataQuality, *, caption: str = "", rows: int | None = None) -> TableView:
    columns = ("table", "column", "rule", "grade", "rows", "share", "action", "meaning", "examples")
    kinds = dict.fromkeys(columns, "text") | {"rows": "count", "share": "share"}
    found = quality.table
    tables = words.plural(len(quality.tables), "table")
    broken = f"What breaks a rule of the data contract: {words.plural(len(found), 'finding')} in {tables}"
    said = caption or (broken if len(found) else f"No rule of the data contract is broken in {tables}")
    shown = found.head(rows) if rows else found
    # one example is enough to find the rest; the CSV has all
    shown = shown.assign(examples=[_first_example(text) for text in shown["examples"]])
    view = table_view(shown, caption=said + left_out(found, rows), kinds=kinds)
    return TableView(caption=view.caption, heads=view.heads, rows=view.rows, numeric=view.numeric, frame=found.reset_index(drop=True))


def _first_example(text: object) -> str:
    first = str(text).split(";")[0].strip() if isinstance(text, str) else ""
    return (first if len(first) <= 60 else first[:59] + "…") or "none"


def plot_quality(found: pd.DataFrame, *, sizes: dict[str, int], rows: int = 12, period: str) -> Picture:
    """Draw findings as bars: the share of a table's rows that break a rule.

    Parameters
    ----------
    found : DataFrame
        ``table, column, rule, grade, rows, share, meaning``.
    sizes : dict
        Rows of each table.
    rows : int
        How many findings are drawn; the table holds all.
    period : str
        As of when.
    """
    order = {grade: index for index, grade in enumerate(GRADES)}
    found = found.assign(_grade=found["grade"].map(order)).sort_values(
        ["_grade", "share", "table", "rule"], ascending=[True, False, True, True], kind="stable"
    )
    found = found.drop(columns="_grade").reset_index(drop=True)
    shown = found.head(rows)
    line = 44.0

    def paint(canvas: Canvas) -> None:
        if shown.empty:
            canvas.words(6, 22, f"{words.plural(len(sizes), 'table')}, {words.plural(sum(sizes.values()), 'row')}: nothing breaks a rule")
        for index, row in enumerate(shown.itertuples()):
            _finding(canvas, row, 8 + line * index)

    total = sum(sizes.values())
    said = "; ".join(
        f"{row.table}.{row.column}: {row.meaning} ({words.say_count(row.rows)} rows, {row.grade})" for row in shown.head(8).itertuples()
    )
    return picture(
        paint,
        height=max(8 + line * len(shown), 36),
        headline=_headline(found),
        alt=f"Bars, share of a table's rows that break a rule, by grade. {said}." if said else "No bars: nothing breaks a rule.",
        units="share of the rows of a table that break a rule; n counts rows of all tables",
        n=total,
        period=period,
        note="Rejected: nothing can be computed; quarantined: the rows are left out; warned: the rows are used"
        + (f". The {rows} worst of {len(found)} findings are drawn" if len(found) > rows else ""),
        table=found,
    )


def _finding(canvas: Canvas, row: object, top: float) -> None:
    colour, sign = GRADES.get(row.grade, (style.MUTED, "○"))
    wide = canvas.width - 12
    count = f"{words.say_count(row.rows)} rows, {words.say_share(row.share)}"
    column = f".{row.column}" if isinstance(row.column, str) and row.column else ""
    canvas.words(6, top + 11, f"{sign} {row.grade}", size=style.SMALL, colour=style.readable(colour), weight="bold")
    start = 6 + text_width(f"{sign} quarantine", size=style.SMALL, weight="bold") + 8
    room = wide - start - text_width(count, size=style.SMALL) - 6
    canvas.words(start, top + 11, shorten(f"{row.table}{column}", width=room, size=style.SMALL), size=style.SMALL)
    canvas.words(canvas.width - 6, top + 11, count, size=style.SMALL, ha="right")
    canvas.words(6, top + 24, shorten(str(row.meaning), width=wide, size=10), size=10, colour=style.MUTED)
    axes = canvas.axes(6, top + 28, wide, 6)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.barh([0.5], [1.0], height=1.0, color="#ececec", linewidth=0)
    axes.barh([0.5], [max(float(row.share), 0.004)], height=1.0, color=colour, linewidth=0)


def _headline(found: pd.DataFrame) -> str:
    if found.empty:
        return "The data keep every rule of the contract"
    counts = found["grade"].value_counts()
    rejected = int(counts.get("reject", 0))
    quarantined = int(found.loc[found["grade"] == "quarantine", "rows"].sum())
    parts = [f"{words.plural(rejected, 'finding')} from which nothing can be computed"] if rejected else []
    if quarantined:
        worst = found[found["grade"] == "quarantine"].sort_values("rows", ascending=False, kind="stable").iloc[0]
        parts.append(
            f"{words.plural(quarantined, 'breach', 'breaches')} lead to rows being left out,"
            f" most in {worst['table']} ({words.say_share(worst['share'])} of its rows)"
        )
    if counts.get("warn", 0):
        parts.append(f"{words.plural(int(counts['warn']), 'warning')}")
    return words.sentence("; ".join(parts)).rstrip(".")
