"""Pictures of experiments over time and beside each other: the looks of one, and repeated tests of one tactic."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.experiments.look_path import LookPath
from partnerlab.show import style
from partnerlab.show.canvas import Canvas
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot

TALL = 190


@plot.register(LookPath)
def _looks(result: LookPath, *, unit: str = "", period: str = "") -> Picture:
    """Effect at every look: thick what one look alone says, thin what holds at all of them, ticks what stopping would ask for."""
    table = result.table.dropna(subset=["estimate", "std_error"]).reset_index(drop=True)
    if table.empty:
        raise SampleError("no look has enough data for an effect with an interval; nothing to draw")
    asked = "boundary" if np.isfinite(table["boundary"]).all() else "set_boundary"
    edges = np.concatenate([table[name] for name in ("always_low", "always_high", asked)] + [-table[asked]])
    low, high = 1.05 * min(0.0, float(edges.min())), 1.05 * max(0.0, float(edges.max()))

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(46, 24, canvas.width - 62, TALL)
        places = [place for place in _round_places(low, high) if low <= place <= high]
        axes.set_ylim(low, high)
        axes.set_yticks(places, words.say_ticks(places, kind="number"))
        axes.grid(axis="y", color=style.GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.axhline(0, color=style.INK, linewidth=1.0)
        at = table["look"].to_numpy(dtype=float)
        axes.plot(at, table["estimate"], color=style.ACCENT, linewidth=1.0, alpha=0.5)
        for row in table.itertuples():
            axes.plot([row.look] * 2, [row.always_low, row.always_high], color=style.MUTED, linewidth=1.2)
            axes.plot([row.look] * 2, [row.conf_low, row.conf_high], color=style.ACCENT, linewidth=4.0, solid_capstyle="butt")
            axes.plot([row.look], [row.estimate], "o", color=style.ACCENT, markersize=7)
            for side in (-1, 1):
                edge = side * getattr(row, asked)
                axes.plot([row.look - 0.22, row.look + 0.22], [edge, edge], color=style.SIGNAL, linewidth=2.2)
        axes.set_xlim(0.5, result.planned + 0.5)
        axes.set_xticks(at, [str(when) for when in table["when"]])
        canvas.words(46, 14, f"effect{f', {unit}' if unit else ''}", size=style.SMALL, colour=style.MUTED)

    said = "; ".join(
        f"{row['when']} {words.say_estimate(row['estimate'], row['conf_low'], row['conf_high'], row['n'], kind='number')}, "
        f"to stop {words.say_number(row[asked], digits=2)}"
        for _, row in table.iterrows()
    )
    return picture(
        paint,
        height=24 + TALL + 26,
        headline=looks_headline(result, unit=unit),
        alt=f"Dots with intervals at every look. {result.estimand}. {said}.",
        units=f"{unit or 'units of the outcome'}; n counts units at the last look",
        n=int(table["n"].iloc[-1]),
        period=period or f"{table['when'].iloc[0]} to {table['when'].iloc[-1]}",
        note=f"Thick: {100 * result.level:g}{words.NBSP}% interval of one look alone; thin: one that holds at all looks; "
        + ("orange: the effect that stopping asks for" if asked == "boundary" else "orange: what a rule for early looks would have asked"),
        table=result.table,
    )  # fmt: skip


def looks_headline(result: LookPath, *, unit: str = "") -> str:
    """Say whether the rule says stop, or what peeking would have done where there was none."""
    last, seen = result.table.iloc[-1], len(result.table)
    thing = f" {unit}" if unit else ""
    if result.stopping != "fixed":
        found = result.first_crossed
        if found is None:
            return f"Look {seen} of {result.planned}: {_effect(last)}{thing}, no reason to stop yet"
        return f"The rule said stop in {found['when']}, at look {int(found['look'])} of {result.planned}: {_effect(found)}{thing}"
    found_anyway = f"finds something in {words.say_share(result.peeking_error)} of trials without an effect"
    error = f"peeking at {words.plural(result.planned, 'look')} {found_anyway}"
    if seen < result.planned:
        return f"{words.plural(seen, 'quarter')} of {result.planned} seen; to be read once, at the end, because {error}"
    found = result.first_peeked
    if found is None:
        return "Peeking would have found nothing at any quarter, and neither did the end"
    if int(found["look"]) == seen:
        return f"Peeking would not have ended it earlier; read once, at the end: {_effect(last)}{thing}"
    return f"Peeking would have ended it in {found['when']} at {_effect(found)}{thing}; read once, at the end: {_effect(last)}"


def _effect(row: pd.Series) -> str:
    middle, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    return f"{middle} ({interval})"


def _round_places(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    return [float(place) for place in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
