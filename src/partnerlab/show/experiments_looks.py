"""Pictures of experiments over time and beside each other: the looks of one, and repeated tests of one tactic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.experiments import LookPath, RepeatedEffect, TierReading
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.marks import interval_mark, reach_axis, value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        value_axis(axes, bottom=low, top=high, kind="number", ticks=5)
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


def _lying_axes(canvas: Canvas, *, tall: float, low: float, high: float) -> Axes:
    """Axes for rows of lying intervals, from the top of the sheet, with a little room at both ends."""
    room = 0.06 * (high - low or 1.0)
    axes = canvas.axes(12, 4, canvas.width - 36, tall)
    axes.set_ylim(tall, 0)
    axes.set_yticks([])
    reach_axis(axes, low=low - room, high=high + room, kind="number")
    return axes


def _row_words(canvas: Canvas, top: float, name: str, told: str) -> None:
    """Write a row's name at the left and what is told of it at the right."""
    short = shorten(name, width=canvas.width - 30 - 6.2 * len(told), size=style.SMALL, weight="bold")
    canvas.words(12, 4 + top + 12, short, size=style.SMALL, weight="bold")
    canvas.words(canvas.width - 8, 4 + top + 12, told, size=style.SMALL, ha="right")


@plot.register(TierReading)
def _by_tier(result: TierReading, *, unit: str = "", period: str = "") -> Picture:
    """Effects in each tier: dark pooled over tiers, grey the tier alone."""
    table = result.table.dropna(subset=["estimate"]).reset_index(drop=True)
    if table.empty:
        raise SampleError("no tier has enough units of each variant; nothing to draw")
    several = table["variant"].nunique() > 1
    names = [f"{row.tier}, {row.variant}" if several else str(row.tier) for row in table.itertuples()]
    raw_low, raw_high = (table["raw"] + side * 1.96 * table["raw_error"] for side in (-1, 1))
    low, high = min(0.0, float(np.nanmin(raw_low)), table["conf_low"].min()), max(0.0, float(np.nanmax(raw_high)), table["conf_high"].max())
    step = 40.0

    def paint(canvas: Canvas) -> None:
        axes = _lying_axes(canvas, tall=step * len(table), low=low, high=high)
        for place, row in table.iterrows():
            middle = step * place
            axes.plot([0, 0], [middle + 15, middle + 39], color=style.INK, linewidth=1.0)
            interval_mark(axes, middle + 22, row["conf_low"], row["conf_high"], row["estimate"])
            interval_mark(axes, middle + 33, raw_low[place], raw_high[place], row["raw"], colour=style.MUTED, width=1.6, size=4.5)
            told = words.say_estimate(row["estimate"], row["conf_low"], row["conf_high"], row["n"], kind="number")
            _row_words(canvas, middle, names[place], told)

    said = "; ".join(
        f"{name} {_effect(row)}, alone {words.say_number(row['raw'], digits=2)}"
        for name, (_, row) in zip(names, table.iterrows(), strict=True)
    )
    return picture(
        paint,
        height=4 + step * len(table) + 24,
        headline=tiers_headline(result),
        alt=f"Lying intervals by tier before the start. {result.estimand}. {said}.",
        units=f"{unit or f'effect on {result.metric}'}; n counts units",
        n=int(table["n"].sum()),
        period=period or "the whole experiment",
        note=f"Dark: pooled over tiers, with {100 * result.level:g}{words.NBSP}% intervals; grey: the tier's units alone",
        table=result.table,
    )


@plot.register(RepeatedEffect)
def _repeated(result: RepeatedEffect, *, unit: str = "", period: str = "") -> Picture:
    """Effect of each test, the mean of such tests, and the range in which the next one's true effect is expected."""
    table = result.table.dropna(subset=["estimate", "conf_low", "conf_high"]).reset_index(drop=True)
    low, high = min(0.0, float(table["conf_low"].min())), max(0.0, float(table["conf_high"].max()))
    step = 33.0
    stakes = result.verdict.stakes

    def paint(canvas: Canvas) -> None:
        axes = _lying_axes(canvas, tall=step * len(table), low=low, high=high)
        for place, row in table.iterrows():
            middle = step * place
            last = row["test"] in ("together", "the next test")
            axes.plot([0, 0], [middle + 14, middle + 31], color=style.INK, linewidth=1.0)
            colour = style.SIGNAL if row["test"] == "together" else style.MUTED if last else style.ACCENT
            interval_mark(axes, middle + 22, row["conf_low"], row["conf_high"], row["estimate"], colour=colour, marker="D" if last else "o")
            _row_words(canvas, middle, str(row["test"]), _effect(row))

    said = "; ".join(f"{row['test']} {_effect(row)}" for _, row in table.iterrows())
    return picture(
        paint,
        height=4 + step * len(table) + 24,
        headline=repeated_headline(result),
        alt=f"Lying intervals of each test. {result.estimand}. {said}.",
        units=f"{unit or f'{stakes.unit} per {stakes.per}'}; n counts units of all tests",
        n=int(result.verdict.n),
        period=period or "all tests on record",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; orange: the mean of such tests; "
        "grey: where the next one's true effect is expected",
        table=result.table,
    )


def repeated_headline(result: RepeatedEffect) -> str:
    """Say what the tests say together, in the words of their verdict."""
    tests = len(result.table) - 2
    return f"{words.plural(tests, 'test')} together, grade {result.verdict.earned.value}: {result.verdict.statement.rstrip('.')}"


def tiers_headline(result: TierReading) -> str:
    """Say whether tiers differ; only then is one read apart from the whole, else its interval is told beside the verdict on all."""
    table = result.table.dropna(subset=["estimate", "conf_low", "conf_high"])
    clear = table[(table["conf_low"] > 0) | (table["conf_high"] < 0)]
    p = min(result.heterogeneity.values(), default=np.nan)
    several = table["variant"].nunique() > 1
    names = [f"{row.tier}, {row.variant}:" if several else row.tier for row in clear.itertuples()]
    said = words.say_list([f"{name} {_effect(row)}" for name, (_, row) in zip(names, clear.iterrows(), strict=True)])
    if p < 0.05:
        return f"Tiers differ ({words.say_p(p)}); clear in {said or 'none of them'}"
    alike = f"No clear difference between tiers ({words.say_p(p)})" if np.isfinite(p) else "Whether tiers differ cannot be told"
    beyond = f"the interval leaves out 0 in {said}" if said else "every interval holds 0"
    return f"{alike}, so the verdict on all is that on each; {beyond}"


def _effect(row: pd.Series) -> str:
    middle, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    return f"{middle} ({interval})"
