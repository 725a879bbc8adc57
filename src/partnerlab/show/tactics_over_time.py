"""Pictures of tactics over several quarters: kept up, started in nested trials, switched on and off."""

from __future__ import annotations

import functools

import pandas as pd

from partnerlab import words
from partnerlab.effects import NestedTrialEffects, SustainedEffects, SwitchingEffects
from partnerlab.errors import SampleError
from partnerlab.results import Evidence, Result
from partnerlab.show import style
from partnerlab.show.canvas import Canvas
from partnerlab.show.marks import value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tactics_rows import Row, paint_rows, rows_height, say_row

#: Height of the plotting area of switches, and the room above it.
TALL, ABOVE = 190, 22
#: How starts and stops stand beside their mean: names, places beside a quarter, marks.
SIDES = {"on": ("starts", -0.16, "^"), "off": ("stops, turned round", 0.16, "v")}


@plot.register(SustainedEffects)
def _kept_up(result: SustainedEffects, *, unit: str = "", period: str = "") -> Picture:
    """Effects of 1, 2, ... quarters in a row as lying intervals."""
    table = _known(result)
    rows = [_row(f"{words.plural(row['quarters'], 'quarter')} in a row", row, dark=True) for _, row in table.iterrows()]
    longest = table.iloc[-1]
    in_a_row = f"{words.plural(longest['quarters'], 'quarter')} in a row"
    return _lying(
        result, rows, longest, unit, period,
        headline=(f"{in_a_row} against none", f"No clear difference after {in_a_row}"),
        counted="n counts partner-quarters with it so long",
        note="rows are weighted by the inverse of the chance of their history",
    )  # fmt: skip


@plot.register(NestedTrialEffects)
def _nested(result: NestedTrialEffects, *, unit: str = "", period: str = "") -> Picture:
    """Draw the effect over all quarters followed, then in each, as lying intervals."""
    table = _known(result)
    shown = table if len(table) > 2 else table[:1]  # followed for one quarter, that one is all of them
    rows = [_row("All quarters followed" if row["at"] == "all" else _after(row["at"]), row, dark=row["at"] == "all")
            for _, row in shown.iterrows()]  # fmt: skip
    whole, trials = table.iloc[0], result.trials
    did = "Starters against those who did not start then"
    return _lying(
        result, rows, whole, unit, period,
        headline=(did, "No clear difference between those who started and those who did not"),
        counted="n counts quarters followed after a start",
        note=f"{words.plural(len(trials), 'trial')} with {words.plural(int(trials['started'].sum()), 'start')} and "
        f"{int(trials['compared'].sum())} partners that did not start then, alike at time zero; grey: each quarter by itself",
    )  # fmt: skip


def _known(result: Result) -> pd.DataFrame:
    """Rows with an effect and its error; SampleError if the headline has none."""
    table = result.table.dropna(subset=["estimate", "std_error"]).reset_index(drop=True)
    if table.empty:
        raise SampleError("not enough data for an effect of any number of quarters; nothing to draw")
    return table


def _row(name: str, row: pd.Series, *, dark: bool) -> Row:
    said = say_row(name, row["estimate"], row["conf_low"], row["conf_high"], row["n"])
    return Row(said=said, estimate=row["estimate"], low=row["conf_low"], high=row["conf_high"], dark=dark)


def _after(at: object) -> str:
    return "The same quarter" if str(at) == "0" else f"{words.plural(int(str(at)), 'quarter')} later"


def _thing(result: Result, unit: str) -> str:
    """Say what the numbers are, on whose scale."""
    what = unit or "effect"
    return f"{what} per partner-quarter" if "ratio" not in result.table else f"{what}, on the scale of the model's link"


def _doubt(result: Result) -> str:
    """Say why an effect is not believed, for the note."""
    failed = next((check.detail for check in result.checks if check.passed is False), "")
    return f"; grade D: {failed}" if result.evidence is Evidence.D and failed else ""


def _lying(result, rows, head, unit, period, *, headline, counted, note) -> Picture:  # noqa: PLR0913 - parts of one sheet
    said = words.say_estimate(head["estimate"], head["conf_low"], head["conf_high"], head["n"], kind="number")
    clear = head["conf_low"] > 0 or head["conf_high"] < 0
    thing = _thing(result, unit)
    return picture(
        functools.partial(paint_rows, rows=rows, units=thing),
        height=rows_height(rows),
        headline=f"{headline[0] if clear else headline[1]}: {said}",
        alt=f"Intervals: {'; '.join(row.said for row in rows)}. {result.estimand}.",
        units=f"{thing}; {counted}",
        n=int(head["n"]),
        period=period or "all quarters followed",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; {note}{_doubt(result)}",
        table=result.table,
    )


@plot.register(SwitchingEffects)
def _switches(result: SwitchingEffects, *, unit: str = "", period: str = "") -> Picture:
    """Draw changes of switchers against stayers by quarters around the switch, starts and stops beside their mean."""
    table = _known(result)
    both = table[table["switch"] == "both"]
    if not (both["at"] == 0).any():
        raise SampleError("too few partners start or stop the tactic for an effect of switching; nothing to draw")
    now = both[both["at"] == 0].iloc[0]
    said = words.say_estimate(now["estimate"], now["conf_low"], now["conf_high"], now["n"], kind="number")
    clear = now["conf_low"] > 0 or now["conf_high"] < 0
    before = f"; they already went apart before ({words.say_p(result.pre_trend)})" if result.pre_trend < 0.1 else ""
    each = {switch: table[(table["switch"] == switch) & (table["at"] == 0)] for switch in SIDES}
    parts = [say_row(SIDES[switch][0].capitalize(), *rows.iloc[0][["estimate", "conf_low", "conf_high", "n"]])
             for switch, rows in each.items() if len(rows)]  # fmt: skip
    return picture(
        functools.partial(_paint_switches, table=table, unit=unit),
        height=ABOVE + TALL + 40,
        headline=f"{'Switchers against stayers' if clear else 'No clear difference between switchers and stayers'}: {said}{before}",
        alt=f"Dots with intervals by quarters around a switch. {result.estimand}. In the quarter of the switch {said}. {'. '.join(parts)}.",
        units=f"change of {unit or 'the outcome'} since the quarter before the switch; n counts switches",
        n=int(now["n"]),
        period=period or "all quarters of the panel",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; grey: before the switch, where there should be nothing; "
        f"pale: starts and stops by themselves, stops turned round{_doubt(result)}",
        table=result.table,
    )


def _paint_switches(canvas: Canvas, *, table: pd.DataFrame, unit: str) -> None:
    low, high = min(0.0, float(table["conf_low"].min())), max(0.0, float(table["conf_high"].max()))
    room = 0.1 * (high - low or 1.0)
    axes = canvas.axes(46, ABOVE, canvas.width - 58, TALL)
    value_axis(axes, top=high + room, bottom=low - room, kind="number")
    axes.axhline(0, color=style.INK, linewidth=1.0)
    axes.axvline(-0.5, color=style.MUTED, linewidth=1.0, linestyle=(0, (3, 3)))
    for row in table[table["switch"] == "both"].itertuples():
        colour = style.ACCENT if row.at >= 0 else style.MUTED
        axes.plot([row.at, row.at], [row.conf_low, row.conf_high], color=colour, linewidth=3.2, solid_capstyle="butt")
        axes.plot([row.at], [row.estimate], "o", color=colour, markersize=6)
    for switch, (name, beside, mark) in SIDES.items():
        rows = table[(table["switch"] == switch) & (table["at"] >= 0)]
        for row in rows.itertuples():
            axes.plot([row.at + beside] * 2, [row.conf_low, row.conf_high], color=style.SERIES[1], linewidth=1.4, alpha=0.8)
            axes.plot([row.at + beside], [row.estimate], mark, color=style.SERIES[1], markersize=5)
        if len(rows):
            first, above = rows.iloc[0], switch == "on"
            axes.annotate(
                name, (first["at"] + beside, first["conf_high" if above else "conf_low"]), xytext=(-4, 5 if above else -11),
                textcoords="offset points", ha="left", fontsize=style.SMALL, color=style.MUTED,
            )  # fmt: skip
    places = sorted({*table["at"], -1})
    axes.plot([-1], [0], "o", markersize=6, markerfacecolor=style.PAPER, markeredgecolor=style.MUTED)
    axes.set_xlim(min(places) - 0.7, max(places) + 0.9)
    axes.set_xticks(places, [str(int(place)).replace("-", words.MINUS) for place in places])
    canvas.words(46, 12, f"change of {unit or 'the outcome'} since the quarter before", size=style.SMALL, colour=style.MUTED)
    canvas.words(46 + (canvas.width - 58) / 2, ABOVE + TALL + 30, "quarters since the switch", ha="center", size=style.SMALL)
