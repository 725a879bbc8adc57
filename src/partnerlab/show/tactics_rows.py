"""Effects as lying intervals under their words: what is believed is dark, what stands beside it grey."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from partnerlab import words
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.marks import interval_mark, reach_axis

STEP, TOP = 38, 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One interval with its words.

    Parameters
    ----------
    said : str
        Written above it.
    estimate, low, high : float
        NaN where there is not enough data: only the words stand.
    dark : bool
        Whether it is what the picture says.
    beside : float
        A second number marked on the line, such as the raw estimate; NaN for none.
    """

    said: str
    estimate: float
    low: float
    high: float
    dark: bool = True
    beside: float = math.nan


def rows_height(rows: Sequence[Row]) -> float:
    """Height of the sheet that `paint_rows` fills."""
    return TOP + STEP * len(rows) + 40


def reach(rows: Sequence[Row], *, region: float = 0.0) -> tuple[float, float]:
    """Range that holds all intervals, zero and the region, with a little room."""
    ends = [end for row in rows for end in (row.low, row.high, row.beside) if math.isfinite(end)]
    least, most = min([0.0, -region, *ends]), max([0.0, region, *ends])
    room = 0.06 * (most - least or 1.0)
    return least - room, most + room


def paint_rows(canvas: Canvas, rows: Sequence[Row], *, units: str, region: float = 0.0) -> None:
    """Draw the rows from the top; ``region`` shades what is too small to matter, either side of zero."""
    low, high = reach(rows, region=region)
    axes = canvas.axes(14, TOP, canvas.width - 28, STEP * len(rows))
    axes.set_ylim(len(rows) - 0.4, -0.75)
    reach_axis(axes, low=low, high=high, kind="number")
    axes.set_yticks([])
    if region > 0:
        axes.axvspan(-region, region, color=style.PALE, alpha=0.45, linewidth=0, zorder=0)
    axes.axvline(0, color=style.INK, linewidth=1.0)
    for place, row in enumerate(rows):
        colour = style.ACCENT if row.dark else style.MUTED
        if math.isfinite(row.estimate):
            interval_mark(axes, place + 0.12, row.low, row.high, row.estimate, colour=colour)
        if math.isfinite(row.beside):
            axes.plot([row.beside], [place + 0.12], "o", markersize=7, markerfacecolor=style.PAPER, markeredgecolor=style.SIGNAL, zorder=5)
        axes.text(
            low,
            place - 0.3,
            shorten(row.said, width=canvas.width - 30, size=style.SMALL),
            fontsize=style.SMALL,
            color=style.INK if row.dark else style.MUTED,
            va="center",
            backgroundcolor=style.PAPER,
        )
    canvas.words(canvas.width / 2, TOP + STEP * len(rows) + 32, units, ha="center", size=style.SMALL)


def say_row(name: str, estimate: float, low: float, high: float, n: float) -> str:
    """Write a row's words: name, estimate, interval, n."""
    return f"{name}: {words.say_estimate(estimate, low, high, n, kind='number')}"
