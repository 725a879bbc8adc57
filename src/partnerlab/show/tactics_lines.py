"""Pictures of sharp lines and of doses: points on both sides of a line with its jump, doses beside the reference."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.effects import DoseEffects, LineEffects
from partnerlab.errors import SampleError
from partnerlab.show import style
from partnerlab.show.canvas import Canvas
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tactics_rows import Row, paint_rows, rows_height, say_row

_LEFT, _TOP, _HIGH = 46, 22, 190


@plot.register(LineEffects)
def _at_line(result: LineEffects, *, unit: str = "", score: str = "score", period: str = "") -> Picture:
    """Means of equally many rows on both sides of the line, the lines through them, and the jump between."""
    effect, judged = result.effect, [check for check in result.checks if check.passed is False]
    clear = effect["conf_low"] > 0 or effect["conf_high"] < 0
    said = words.say_estimate(effect["estimate"], effect["conf_low"], effect["conf_high"], effect["n"], kind="number")
    doubt = f"; not to be trusted: {words.say_list([check.name for check in judged])} failed" if judged else ""
    thing = unit or str(effect["about"])
    return picture(
        functools.partial(_paint_line, result=result, unit=thing, score=score),
        height=_TOP + _HIGH + 40,
        headline=f"{'A jump' if clear else 'No clear jump'} in {thing} at the line: {said}{doubt}",
        alt=f"Points rise or fall with {score} on both sides of {words.say_number(result.line)}. {result.estimand}: {said}.",
        units=f"{thing} by {score}; n counts rows within {words.say_number(effect['bandwidth'])} of the line",
        n=int(effect["n"]),
        period=period or "all rows given",
        note=f"Points are means of rows alike in {score}, larger where more rows stand behind; lines are fitted within the bandwidth, "
        f"the bar is the {100 * result.level:g}{words.NBSP}% interval of the jump, which allows for the lines' own bias; "
        "it holds for partners at the line, not for all",
        table=result.table,
    )


def _paint_line(canvas: Canvas, *, result: LineEffects, unit: str, score: str) -> None:
    bins, effect = result.bins, result.effect
    axes = canvas.axes(_LEFT, _TOP, canvas.width - _LEFT - 12, _HIGH)
    axes.grid(axis="y", color=style.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.axvline(result.line, color=style.MUTED, linewidth=1.0, linestyle=(0, (3, 3)))
    for curve in result.curves.itertuples():
        colour = style.MUTED if curve.side == "below" else style.ACCENT
        part = bins[bins["side"] == curve.side]
        axes.scatter(part["score"], part["estimate"], s=14 + 40 * part["n"] / bins["n"].max(), color=colour, zorder=3)
        away = np.linspace(0, effect["bandwidth"], 30) * (-1 if curve.side == "below" else 1)
        axes.plot(result.line + away, curve.at_line + curve.slope * away + curve.bend * away**2, color=colour, linewidth=2.0)
    base = float(result.curves["at_line"].iloc[0])
    axes.plot([result.line] * 2, [base + effect["conf_low"], base + effect["conf_high"]], color=style.SIGNAL, linewidth=3.0, alpha=0.8)
    places = [place for place in axes.get_yticks() if axes.get_ylim()[0] <= place <= axes.get_ylim()[1]]
    axes.set_yticks(places, words.say_ticks(places, kind="number"))
    low, high = axes.get_xlim()
    across = [place for place in axes.get_xticks() if low <= place <= high]
    axes.set_xticks(across, words.say_ticks(across, kind="number"))
    axes.set_xlim(low, high)
    canvas.words(_LEFT, 12, unit, size=style.SMALL, colour=style.MUTED)
    canvas.words(_LEFT + (canvas.width - _LEFT - 12) / 2, _TOP + _HIGH + 32, score, ha="center", size=style.SMALL)


@plot.register(DoseEffects)
def _doses(result: DoseEffects, *, unit: str = "", dose: str = "dose", period: str = "") -> Picture:
    """Each dose against the reference, over the region that is too small to matter; of many doses the line through them."""
    table = result.table[result.table["dose"] != "per unit"]
    if table.empty:
        return _dose_line(result, unit=unit, dose=dose, period=period)
    if table["estimate"].isna().all():
        raise SampleError("no dose has enough rows; nothing to draw")
    rows = [_dose_row(row, dose) for _, row in table.iterrows()]
    reference, small = words.say_number(result.reference), words.say_number(result.material)
    return picture(
        functools.partial(paint_rows, rows=rows, units=f"{unit or 'outcome'} against {dose} {reference}", region=result.material),
        height=rows_height(rows),
        headline=_dose_headline(table, dose=dose, reference=reference),
        alt=f"Intervals beside a shaded region of plus and minus {small}: {'; '.join(row.said for row in rows)}.",
        units=f"{unit or 'units of the outcome'} more than at {dose} {reference}; n counts rows at the dose",
        n=int(table["n"].sum()),
        period=period or "all rows given",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; shaded: under {small} either way, "
        "too small to matter; a dose whose interval leaves the shade is not shown to be without effect",
        table=result.table,
    )


def _dose_line(result: DoseEffects, *, unit: str, dose: str, period: str) -> Picture:
    """One more unit of dose, over the region that would not matter from the least dose to the most."""
    row = result.table.iloc[0]
    if pd.isna(row["estimate"]):
        raise SampleError("too few rows for a line through the doses; nothing to draw")
    small = result.material / result.reach
    said = say_row("one more", row["estimate"], row["conf_low"], row["conf_high"], row["n"])
    drawn = [dataclasses.replace(_dose_row(row, dose), said=said)]
    what = unit or "outcome"
    return picture(
        functools.partial(paint_rows, rows=drawn, units=f"{what} for one more of {dose}", region=small),
        height=rows_height(drawn),
        headline=f"One more of {dose}: {'it cannot be told what it does' if row['finding'] == 'cannot tell' else row['finding']}",
        alt=f"An interval beside a shaded region of plus and minus {words.say_number(small)}: {drawn[0].said}.",
        units=f"{what} for one more of {dose}; n counts rows",
        n=int(row["n"]),
        period=period or "all rows given",
        note=f"The bar is a {100 * result.level:g}{words.NBSP}% interval; shaded: too small to come to {words.say_number(result.material)} "
        "from the least dose to the most",
        table=result.table,
    )


def _dose_row(row: pd.Series, dose: str) -> Row:
    said = say_row(f"{dose} {row['dose']}", row["estimate"], row["conf_low"], row["conf_high"], row["n"])
    return Row(
        said=f"{said}, {'too small to matter' if str(row['finding']).startswith('no effect') else row['finding']}",
        estimate=row["estimate"],
        low=row["conf_low"],
        high=row["conf_high"],
        dark=row["finding"] != "cannot tell",
    )


def _dose_headline(table: pd.DataFrame, *, dose: str, reference: str) -> str:
    groups = {finding: [str(one) for one in part["dose"]] for finding, part in table.groupby("finding", sort=False)}
    if set(groups) == {"cannot tell"}:
        return f"Whether {dose} matters cannot be told: every interval holds both nothing and something that matters"
    said = "; ".join(f"{words.say_list(doses)}: {finding}" for finding, doses in groups.items())
    return f"Against {dose} {reference}: {said}"
