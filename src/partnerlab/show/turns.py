"""Picture of turning signals: the counts of each partner that signals, with the turn marked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.marks import spread_labels
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import left_out, tabulate
from partnerlab.transitions import Turns

#: Height of one small multiple, and how much of it is words.
_TALL, _HEAD = 80.0, 29.0


@plot.register(Turns)
def _turns(result: Turns, *, rows: int = 10, delays: bool = False) -> Picture:
    if delays:
        return plot_delays(result)
    shown = result.table[result.table["signalled"]]
    if shown.empty:
        raise SampleError(
            f"none of {words.plural(result.watched, 'partner')} signals a turn in {result.period}; "
            f"by chance alone {_by_chance(result)} would"
        )
    return plot_turns(result, shown.head(rows), signals=len(shown))


def plot_turns(result: Turns, shown: pd.DataFrame, *, signals: int) -> Picture:
    """Draw small multiples: counts by period as bars, what was expected as a line, and the stretch that holds the turn shaded.

    Parameters
    ----------
    result : Turns
        With the series of those who signal.
    shown : DataFrame
        Rows of its table to draw.
    signals : int
        How many signal.
    """
    series = dict(list(result.series.groupby("partner")))
    labels = list(dict.fromkeys(result.series["period"]))

    def paint(canvas: Canvas) -> None:
        for index, row in enumerate(shown.itertuples()):
            _partner(canvas, row, series[row.partner], labels, top=_TALL * index)
        foot = _TALL * len(shown) + 8
        canvas.words(12, foot, labels[0], size=10, colour=style.MUTED)
        canvas.words(canvas.width - 12, foot, labels[-1], size=10, colour=style.MUTED, ha="right")

    said = "; ".join(f"{row.partner} {_told(row)}" for row in shown.head(8).itertuples())
    up = int((result.table["signalled"] & (result.table["direction"] == "up")).sum())
    return picture(
        paint,
        height=_TALL * len(shown) + 14,
        headline=f"{words.plural(signals, 'partner')} of {result.watched:,} watched {'signals' if signals == 1 else 'signal'} a turn "
        f"in {result.period} ({up} up, {signals - up} down); if nobody had turned {_by_chance(result)} would",
        alt=f"Small bar charts of {result.unit} by period, one for each partner that signals. {said}.",
        units=f"{result.unit} in a period, each partner on its own scale",
        n=result.watched,
        period=words.say_period([labels[0], labels[-1]]),
        note=f"Line: to be expected without a turn; shaded: {100 * result.level:g}{words.NBSP}% interval of when it came; 'times' is "
        "relative to before and to all partners, and too large on average for those who signal"
        + (f"; the clearest {len(shown)} are drawn" if signals > len(shown) else ""),
        table=result.table[result.table["signalled"]].reset_index(drop=True),
    )


def _partner(canvas: Canvas, row: object, series: pd.DataFrame, labels: list[str], *, top: float) -> None:
    tier = f", {row.tier}" if hasattr(row, "tier") and row.tier else ""
    name = shorten(f"{row.partner}{tier}", width=canvas.width - 24, size=style.SMALL, weight="bold")
    canvas.words(12, top + 11, name, size=style.SMALL, weight="bold")
    canvas.words(12, top + 24, _told(row), size=style.SMALL)
    axes = canvas.axes(12, top + _HEAD, canvas.width - 24, _TALL - _HEAD - 10)
    counts = series["count"].to_numpy(dtype=np.float64)
    since, first, last = (labels.index(label) for label in (row.since, row.since_first, row.since_last))
    most = float(np.nanmax(np.append(counts, series["expected"].to_numpy(dtype=np.float64))))
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylim(0, max(most, 1.0) * 1.05)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.axvspan(first - 0.5, last + 0.5, color=style.GRID, linewidth=0, zorder=0)
    colours = [style.SIGNAL if place >= since else style.ACCENT for place in range(len(labels))]
    axes.bar(np.arange(len(labels)), np.nan_to_num(counts), width=0.72, color=colours, linewidth=0, zorder=2)
    axes.plot(np.arange(len(labels)), series["expected"], color=style.INK, linewidth=1.0, drawstyle="steps-mid", zorder=3)
    axes.spines["bottom"].set_visible(True)


def _by_chance(result: Turns) -> str:
    """Write how many would signal if nobody had turned."""
    return "less than one" if result.expected_false < 0.95 else f"about {words.say_count(round(result.expected_false))}"


def _told(row: object) -> str:
    middle, interval = words.say_pair(row.estimate, row.conf_low, row.conf_high, kind="number")
    return f"{row.direction} since {row.since}, {middle} times ({interval})"


def plot_delays(result: Turns) -> Picture:
    """Draw how soon turns of a size are signalled, for partners of middling and of much activity."""
    delays = result.delays
    rates = sorted(delays["rate"].unique())
    chosen = [rates[1], rates[-1]]
    sizes = sorted(delays["times"].unique())
    colours = style.series_colours([f"{times:g}" for times in sizes])
    wide = 0.0

    def paint(canvas: Canvas) -> None:
        nonlocal wide
        wide = (canvas.width - 44 - 46 - 30) / 2
        for panel, rate in enumerate(chosen):
            left = 40 + panel * (wide + 40)
            axes = canvas.axes(left, 22, wide, 170)
            axes.set_ylim(0, 1)
            axes.set_yticks([0, 0.5, 1], ["0", "50", f"100{words.NBSP}%"] if panel == 0 else ["", "", ""])
            axes.grid(axis="y", color=style.GRID, linewidth=0.8)
            axes.spines["bottom"].set_visible(True)
            canvas.words(left, 13, f"{words.say_number(rate)} {result.unit} a period", size=style.SMALL, weight="bold")
            for times in sizes:
                mine = delays[(delays["rate"] == rate) & (delays["times"] == times)]
                axes.plot(mine["periods"], mine["detected"], color=colours[f"{times:g}"], linewidth=1.8, clip_on=False)
        ends = delays[(delays["rate"] == rates[-1])].groupby("times").last()
        places = spread_labels(ends["detected"].tolist(), gap=0.075, low=0.0, high=1.0)
        for times, place in zip(ends.index, places, strict=True):
            colour = style.readable(colours[f"{times:g}"])
            axes.text(ends["periods"].iloc[0] * 1.05, place, f"{times:g}×", va="center", fontsize=10, color=colour)
        canvas.words(40 + wide, 22 + 170 + 32, "periods since the turn", size=style.SMALL, ha="center")

    last = delays[delays["rate"] == rates[-1]]
    seen = last[last["periods"] == last["periods"][last["periods"] <= result.per_quarter].max()].set_index("times")["detected"]
    span = "a quarter" if result.per_quarter > 1 else "one quarter"
    said = "; ".join(f"{times:g} times the rate: {words.say_share(float(share))}" for times, share in seen.items())
    return picture(
        paint,
        height=22 + 170 + 40,
        headline=f"Of the most active partners whose rate doubles {words.say_share(float(seen.get(2.0, np.nan)))} signal within {span}, "
        f"of those whose rate halves {words.say_share(float(seen.get(0.5, np.nan)))}",
        alt=f"Curves of the share of turns that are signalled by periods since, by size. Within {span} {said}.",
        units="share of turns that are signalled, by their size (times the rate before)",
        n=result.watched,
        period=result.period,
        note=f"At {result.false_alarms:g} false alarms for 100 partners looked at once a quarter; simulated for partners of these rates",
        table=delays,
    )


@tabulate.register(Turns)
def _turns_table(result: Turns, *, caption: str = "", rows: int | None = None) -> TableView:
    shown = result.table[result.table["signalled"]]
    said = caption or (
        f"Partners that signal a turn in {result.period}: {len(shown)} of {result.watched} watched; "
        f"if nobody had turned {_by_chance(result)} would"
    )
    columns = [column for column in ("partner", "tier", "direction", "since", "before", "now") if column in shown]
    table = shown[columns].assign(
        times=[" ".join(_pair(row)) for row in shown.itertuples()],
        chance=[words.say_share(max(value, 1e-9)) for value in shown["p_value"]],
    )
    kinds = dict.fromkeys((*columns, "times", "chance"), "text") | {"before": "number", "now": "number"}
    heads = {"before": f"{result.unit} a period before", "now": "since", "times": "times (interval)", "chance": "chance without a turn"}
    view = table_view(table.head(rows) if rows else table, caption=said + left_out(table, rows), kinds=kinds, heads=heads)
    return dataclasses.replace(view, frame=result.tidy())


def _pair(row: object) -> tuple[str, str]:
    middle, interval = words.say_pair(row.estimate, row.conf_low, row.conf_high, kind="number")
    return middle, f"({interval})"
