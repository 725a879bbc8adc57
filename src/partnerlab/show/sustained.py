"""The picture of a tactic that is kept up: effect by quarters in a row, beside what plain regression says."""

from __future__ import annotations

from partnerlab import words
from partnerlab.effects import SustainedEffects
from partnerlab.errors import SampleError
from partnerlab.show import style
from partnerlab.show.canvas import Canvas
from partnerlab.show.marks import interval_mark, reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot


@plot.register(SustainedEffects)
def _kept_up(result: SustainedEffects, *, unit: str = "", period: str = "") -> Picture:
    """Effects of 1, 2, ... quarters in a row as lying intervals."""
    table = result.table.dropna(subset=["estimate", "std_error"]).reset_index(drop=True)
    if table.empty:
        raise SampleError("not enough data for an effect of any number of quarters; nothing to draw")
    low, high = min(0.0, float(table["conf_low"].min())), max(0.0, float(table["conf_high"].max()))
    room = 0.06 * (high - low or 1.0)
    step, top, thing = 38, 10, unit or ("effect" if "ratio" not in table else "effect on the link's scale")

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(14, top, canvas.width - 28, step * len(table))
        axes.set_ylim(len(table) - 0.4, -0.75)
        reach_axis(axes, low=low - room, high=high + room, kind="number")
        axes.set_yticks([])
        axes.axvline(0, color=style.INK, linewidth=1.0)
        for place, row in enumerate(table.itertuples()):
            interval_mark(axes, place + 0.12, row.conf_low, row.conf_high, row.estimate, colour=style.ACCENT)
            estimate = words.say_pair(row.estimate, row.conf_low, row.conf_high, kind="number")[0]
            said = f"{words.plural(row.quarters, 'quarter')} in a row: {estimate}"
            axes.text(low - room, place - 0.3, said, fontsize=style.SMALL, color=style.INK, va="center", backgroundcolor=style.PAPER)
        canvas.words(canvas.width / 2, top + step * len(table) + 32, f"{thing} per partner-quarter", ha="center", size=style.SMALL)

    longest = table.iloc[-1]
    said = words.say_estimate(longest["estimate"], longest["conf_low"], longest["conf_high"], longest["n"], kind="number")
    clear = longest["conf_low"] > 0 or longest["conf_high"] < 0
    in_a_row = f"{words.plural(longest['quarters'], 'quarter')} in a row"
    return picture(
        paint,
        height=top + step * len(table) + 40,
        headline=f"{in_a_row} against none: {said}" if clear else f"No clear difference after {in_a_row}: {said}",
        alt=f"Intervals of the effect by number of quarters in a row. {result.estimand}. {in_a_row}: {said}.",
        units=f"{thing} per partner-quarter; n counts partner-quarters with it so long",
        n=int(longest["n"]),
        period=period or "all quarters followed",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; rows are weighted by the inverse of the chance of their history",
        table=table,
    )
