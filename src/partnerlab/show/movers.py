"""Picture of who moved this quarter, each with the chance that noise alone made the move."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.show import style
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
        sure=result.sure,
    )


@tabulate.register(Movers)
def _movers_table(result: Movers, *, caption: str = "", rows: int | None = None, money: Collection[str] = ()) -> TableView:
    moves = _ordered(result.table)
    # money is counted in minor units: pence, not pounds
    scale = np.where(moves["indicator"].isin(list(money)), 0.01, 1.0)
    moves = moves.assign(before=moves["before"] * scale, now=moves["now"] * scale, beyond_noise=verdicts(moves))
    moves["estimate"] = ["does not apply" if np.isnan(chance) else _chance(chance) for chance in moves["estimate"]]
    said = caption or f"Partners that changed tier in {result.quarter}, with the chance of such a move if nothing about them changed"
    shown = moves.head(rows) if rows else moves
    kinds = {"partner": "text", "from_tier": "text", "to_tier": "text", "direction": "text", "estimate": "text"}
    kinds |= {"indicator": "text", "before": "number", "now": "number", "beyond_noise": "text"}
    heads = {
        "estimate": "chance with nothing changed",
        "indicator": "what changed most",
        "before": "before, a quarter",
        "now": "now, a quarter",
    }
    view = table_view(shown, caption=said + left_out(moves, rows), kinds=kinds, heads=heads)
    return dataclasses.replace(view, frame=result.tidy())


def verdicts(moves: pd.DataFrame) -> list[str]:
    """Say of each move who made it, or whether it is beyond noise: yes, no, "stated anew", or whose decision it was.

    Examples
    --------
    >>> verdicts(pd.DataFrame({"beyond_noise": [True, False, False], "stated": [False, True, False], "decided": ["", "", "override"]}))
    ['yes', 'stated anew', 'override']
    """
    stated, decided = _stated(moves), _decided(moves)
    beyond = moves["beyond_noise"].fillna(False).astype(bool)
    return [
        said or ("stated anew" if anew else "yes" if clear else "no") for said, anew, clear in zip(decided, stated, beyond, strict=True)
    ]


def _stated(moves: pd.DataFrame) -> pd.Series:
    return moves["stated"].fillna(False).astype(bool) if "stated" in moves else pd.Series(False, index=moves.index)


def _unjudged(moves: pd.DataFrame) -> bool:
    return bool(_stated(moves).any() or (_decided(moves) != "").any())


def _decided(moves: pd.DataFrame) -> pd.Series:
    return moves["decided"].fillna("").astype(str) if "decided" in moves else pd.Series("", index=moves.index)


def plot_movers(
    moves: pd.DataFrame, *, rows: int = 12, period: str, expected: tuple[float, float, float] = (np.nan,) * 3, sure: bool = True
) -> Picture:
    """Draw movers as dots, those least likely to be noise first.

    Parameters
    ----------
    moves : DataFrame
        ``partner, from_tier, to_tier, estimate`` (the chance that no change at all would have produced the move)
        ``, n, beyond_noise`` (bool, after allowing for how many were looked at) and, where known, ``stated, decided``.
    rows : int
        How many are drawn; the table holds all.
    period : str
        The quarter.
    expected : tuple of float
        How many movers noise alone would have made, with the interval for one quarter.
    sure : bool
        Whether counts vary as chance counts do; where they do not, moves stand out and are not called beyond noise.
    """
    if moves.empty:
        raise SampleError(f"nobody moved between tiers in {period}; nothing to draw")
    ordered = _ordered(moves)
    shown = ordered.head(rows).reset_index(drop=True)
    line, top = 34.0, 24.0

    moved = [f"{row.from_tier} {words.ARROW} {row.to_tier}" for row in shown.itertuples()]
    shown["verdict"] = verdicts(shown)
    left = min(max(text_width(move, size=10) for move in moved) + 20, 254.0)

    def paint(canvas: Canvas) -> None:
        canvas.words(canvas.width - 8, 12, "chance with nothing changed", size=style.SMALL, colour=style.MUTED, ha="right")
        axes = canvas.axes(left, top - 6, canvas.width - left - 26, line * len(shown))
        axes.set_ylim(line * len(shown), 0)
        axes.set_yticks([])
        reach_axis(axes, low=0, high=nice_share(shown["estimate"]), kind="share", ticks=4)
        for index, row in shown.iterrows():
            _mover(canvas, axes, row, place=line * (index + 0.5), top=top - 6, left=left)

    named = "; ".join(
        f"{row['partner']} {row['from_tier']} to {row['to_tier']} {_chance(row['estimate'])}" for _, row in shown.head(8).iterrows()
    )
    return picture(
        paint,
        height=top + line * len(shown) + 20,
        headline=_movers_headline(moves, period, expected, sure=sure),
        alt=f"Dots, {len(shown)} of {words.plural(len(moves), 'mover')}, by the chance of such a move if nothing changed. {named}.",
        units="chance that a partner about whom nothing changed would have made this move",
        n=len(moves),
        period=period,
        note=f"Filled dots {'are beyond noise' if sure else 'stand out'}, allowing for the number of partners looked at; "
        "hollow dots are what noise makes every quarter"
        + ("; of a move that follows a number stated anew, or a decision, counts say nothing" if _unjudged(moves) else ""),
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
        axes.text(0, place, "not enough data" if row["verdict"] == "no" else row["verdict"], va="center", fontsize=10, color=style.MUTED)
        return
    axes.plot([0, row["estimate"]], [place, place], color=style.PALE, linewidth=1.2, zorder=2)
    face = style.SIGNAL if beyond else style.PAPER
    axes.plot([row["estimate"]], [place], "o", markersize=8, markerfacecolor=face, markeredgecolor=style.SIGNAL, clip_on=False, zorder=4)


def _movers_headline(moves: pd.DataFrame, period: str, expected: tuple[float, float, float], *, sure: bool) -> str:
    said = pd.Series(verdicts(moves))
    counted, anew, beyond = int(said.isin(["yes", "no"]).sum()), int((said == "stated anew").sum()), int((said == "yes").sum())
    text = f"{words.plural(len(moves), 'partner')} moved in {period}"
    if not np.isnan(expected[0]):
        text += ", " if counted < len(moves) else " "
        text += f"{counted:,} of them by counts, " if counted < len(moves) else ""
        text += f"where noise alone would move {words.say_count(expected[0])} ({words.say_interval(*expected[1:], kind='count')})"
    ends = f"; {words.plural(anew, 'move')} followed a number stated anew" if anew else ""
    ends += f"; {words.plural(len(moves) - counted - anew, 'move')} by decision" if counted + anew < len(moves) else ""
    if beyond == 0:
        return f"{text}; no single move can be told from noise{ends}"
    one = beyond == 1
    verdict = f"{'is' if one else 'are'} beyond noise" if sure else f"{'stands' if one else 'stand'} out, from counts wilder than chance"
    return f"{text}; {beyond} of the moves {verdict}{ends}"
