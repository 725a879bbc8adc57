"""Picture of who moved this quarter, each with the chance that noise alone made the move."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.show import style, words
from partnerlab.show.canvas import Canvas, shorten, text_width
from partnerlab.show.marks import reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import left_out, tabulate
from partnerlab.transitions import Movers

#: No chance that was estimated is nothing at all.
_LEAST = 1e-9


@plot.register(Movers)
def _movers(result: Movers, *, rows: int = 12, period: str = "") -> Picture:
    return plot_movers(
        result.table,
        rows=rows,
        period=period or result.quarter or "this quarter",
        expected=(result.expected, result.expected_low, result.expected_high),
    )


@tabulate.register(Movers)
def _movers_table(result: Movers, *, caption: str = "", rows: int | None = None, money: Collection[str] = ()) -> TableView:
    moves = _ordered(result.table)
    # money is counted in minor units: pence, not pounds
    scale = np.where(moves["indicator"].isin(list(money)), 0.01, 1.0)
    moves = moves.assign(before=moves["before"] * scale, now=moves["now"] * scale, estimate=moves["estimate"].clip(lower=_LEAST))
    said = caption or f"Partners that changed tier in {result.quarter}, with the chance that noise alone would have made the move"
    shown = moves.head(rows) if rows else moves
    kinds = {"partner": "text", "from_tier": "text", "to_tier": "text", "direction": "text", "estimate": "share"}
    kinds |= {"indicator": "text", "before": "number", "now": "number", "beyond_noise": "text"}
    heads = {"estimate": "chance by noise alone", "indicator": "what changed most", "before": "before, a quarter", "now": "now, a quarter"}
    view = table_view(shown, caption=said + left_out(moves, rows), kinds=kinds, heads=heads)
    return dataclasses.replace(view, frame=result.tidy())


def plot_movers(moves: pd.DataFrame, *, rows: int = 12, period: str, expected: tuple[float, float, float] = (np.nan,) * 3) -> Picture:
    """Draw movers as dots, those least likely to be noise first.

    Parameters
    ----------
    moves : DataFrame
        ``partner, from_tier, to_tier, estimate`` (the chance that no change at all would have produced the move)
        ``, n, beyond_noise`` (bool, after allowing for how many were looked at).
    rows : int
        How many are drawn; the table holds all.
    period : str
        The quarter.
    expected : tuple of float
        How many movers noise alone would have made, with the interval for one quarter.
    """
    if moves.empty:
        raise SampleError(f"nobody moved between tiers in {period}; nothing to draw")
    ordered = _ordered(moves)
    shown = ordered.head(rows).reset_index(drop=True)
    line, top = 34.0, 24.0

    moved = [f"{row.from_tier} {words.ARROW} {row.to_tier}" for row in shown.itertuples()]
    left = min(max(text_width(move, size=10) for move in moved) + 20, 254.0)

    def paint(canvas: Canvas) -> None:
        canvas.words(left, 12, "chance by noise alone", size=style.SMALL, colour=style.MUTED)
        axes = canvas.axes(left, top - 6, canvas.width - left - 26, line * len(shown))
        axes.set_ylim(line * len(shown), 0)
        axes.set_yticks([])
        reach_axis(axes, low=0, high=nice_share(shown["estimate"]), kind="share", ticks=4)
        for index, row in shown.iterrows():
            _mover(canvas, axes, row, place=line * (index + 0.5), top=top - 6, left=left)

    stated = ordered["stated"].fillna(False).astype(bool) if "stated" in ordered else pd.Series(False, index=ordered.index)
    beyond = int((ordered["beyond_noise"].fillna(False).astype(bool) & ~stated).sum())
    named = "; ".join(
        f"{row['partner']} {row['from_tier']} to {row['to_tier']} {_chance(row['estimate'])}" for _, row in shown.head(8).iterrows()
    )
    return picture(
        paint,
        height=top + line * len(shown) + 20,
        headline=_movers_headline(len(moves), beyond, int(stated.sum()), period, expected),
        alt=f"Dots, {len(shown)} of {words.plural(len(moves), 'mover')}, by the chance that noise alone would have made the move. {named}.",
        units="chance that a partner about whom nothing changed would have made this move",
        n=len(moves),
        period=period,
        note="Filled dots are beyond noise, allowing for the number of movers looked at; hollow dots are what noise makes every quarter"
        + ("; of a move that follows a number stated anew, counts say nothing" if "stated" in ordered and ordered["stated"].any() else ""),
        table=ordered.reset_index(drop=True),
    )


def _ordered(moves: pd.DataFrame) -> pd.DataFrame:
    """Sort moves beyond noise first, and then those that noise is least likely to make."""
    beyond = moves["beyond_noise"].fillna(False).astype(bool)
    keys = moves.assign(_beyond=~beyond, _chance=moves["estimate"].fillna(2.0))
    return keys.sort_values(["_beyond", "_chance", "partner"], kind="stable").drop(columns=["_beyond", "_chance"])


def nice_share(values: pd.Series) -> float:
    """Upper end of an axis of shares."""
    top = float(np.nanmax(values.to_numpy(dtype=np.float64), initial=0.0))
    return min(max(style.nice_ceiling(top * 1.02), 0.05), 1.0)


def _chance(value: float) -> str:
    return "unknown" if np.isnan(value) else words.say_share(max(value, _LEAST))


def _mover(canvas: Canvas, axes: object, row: pd.Series, *, place: float, top: float, left: float) -> None:
    beyond = bool(row["beyond_noise"]) if not pd.isna(row["beyond_noise"]) else False
    name = shorten(str(row["partner"]), width=left - 16, weight="bold" if beyond else "normal")
    canvas.words(6, top + place - 2, name, weight="bold" if beyond else "normal")
    move = f"{row['from_tier']} {words.ARROW} {row['to_tier']}"
    canvas.words(6, top + place + 11, shorten(move, width=left - 16, size=10), size=10, colour=style.MUTED)
    if np.isnan(row["estimate"]):
        axes.text(0, place, "not enough data", va="center", fontsize=10, color=style.MUTED)
        return
    axes.plot([0, row["estimate"]], [place, place], color=style.PALE, linewidth=1.2, zorder=2)
    face = style.SIGNAL if beyond else style.PAPER
    axes.plot([row["estimate"]], [place], "o", markersize=8, markerfacecolor=face, markeredgecolor=style.SIGNAL, clip_on=False, zorder=4)


def _movers_headline(movers: int, beyond: int, stated: int, period: str, expected: tuple[float, float, float]) -> str:
    text = f"{words.plural(movers, 'partner')} moved in {period}"
    if not np.isnan(expected[0]):
        text += f" where noise alone would move {words.say_count(expected[0])} ({words.say_interval(*expected[1:], kind='count')})"
    anew = f"; {words.plural(stated, 'move')} followed a number stated anew" if stated else ""
    if beyond == 0:
        return f"{text}; no single move can be told from noise{anew}"
    return f"{text}; {beyond} of the moves {'is' if beyond == 1 else 'are'} beyond noise{anew}"
