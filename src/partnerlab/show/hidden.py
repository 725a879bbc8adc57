"""Picture of true transitions beside those seen: how much of each flow is misreading."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.show import style
from partnerlab.show.canvas import Canvas
from partnerlab.show.marks import interval_mark, reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView
from partnerlab.show.tabulation import estimates_view, tabulate
from partnerlab.transitions import HiddenTransitions

#: Flows that neither are seen this often nor may truly be are not drawn.
_LEAST = 0.005


@plot.register(HiddenTransitions)
def _hidden(result: HiddenTransitions, *, rows: int = 14, period: str = "") -> Picture:
    moves = _moves(result)
    if moves.empty:
        raise SampleError("no move between tiers was seen, and none is hidden; nothing to draw")
    return plot_hidden(
        moves, moved=result.moved, level=result.level, step=result.step, rows=rows,
        period=period or words.say_period([result.labels[0], result.labels[-1]]),
    )  # fmt: skip


def _moves(result: HiddenTransitions) -> pd.DataFrame:
    table = result.table
    seen = table["seen"].fillna(0.0)
    inside = table["from_tier"].isin(result.tiers) & table["to_tier"].isin(result.tiers) & (table["from_tier"] != table["to_tier"])
    known = inside & table["estimate"].notna() & ((seen >= _LEAST) | (table["estimate"] >= _LEAST))
    return table[known].sort_values(["seen", "from_tier"], ascending=[False, True], ignore_index=True)


def plot_hidden(moves: pd.DataFrame, *, moved: pd.DataFrame, level: float, step: int, period: str, rows: int = 14) -> Picture:
    """Draw each flow as it is seen (hollow) and as it truly is (filled, with interval).

    Parameters
    ----------
    moves : DataFrame
        ``from_tier, to_tier, estimate, conf_low, conf_high, n, seen``.
    moved : DataFrame
        ``of`` (true, seen), ``estimate, conf_low, conf_high, n``: share that changed tier.
    level : float
        Coverage of the intervals.
    step : int
        Quarters of a step.
    period : str
        Data period.
    rows : int
        How many flows are drawn; the table holds all.
    """
    shown = moves.head(rows)
    line = 33.0

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(12, 4, canvas.width - 36, line * len(shown))
        axes.set_ylim(line * len(shown), 0)
        axes.set_yticks([])
        top = max(float(np.nanmax(shown[["seen", "conf_high"]].fillna(0.0).to_numpy())), 0.05)
        reach_axis(axes, low=0, high=min(style.nice_ceiling(top), 1.0), kind="share", ticks=5)
        for index, row in enumerate(shown.itertuples()):
            place, top = line * index + 23, 4 + line * index + 12
            canvas.words(12, top, f"{row.from_tier} {words.ARROW} {row.to_tier}", size=style.SMALL, weight="bold")
            canvas.words(canvas.width - 8, top, _told(row), size=style.SMALL, ha="right")
            if not np.isnan(row.seen):
                axes.plot([row.estimate, row.seen], [place, place], color=style.PALE, linewidth=1.2, zorder=2)
                axes.plot([row.seen], [place], "o", markersize=8, markerfacecolor=style.PAPER, markeredgecolor=style.MUTED, zorder=4)
            interval_mark(axes, place, row.conf_low, row.conf_high, row.estimate)

    true, seen = (moved.set_index("of").loc[name] for name in ("true", "seen"))
    said = "; ".join(f"{row.from_tier} to {row.to_tier} {_told(row)}" for row in shown.head(8).itertuples())
    span = "a quarter" if step == 1 else f"{step} quarters"
    return picture(
        paint,
        height=4 + line * len(shown) + 24,
        headline=f"In {span} {_share(true)} of partners truly change tier, where {words.say_share(seen['estimate'])} are seen to",
        alt=f"Dots, one row for each flow between tiers, true beside seen. {said}.",
        units=f"share of the partners of a tier that are in the other {span} later",
        n=int(true["n"]),
        period=period,
        note=f"Filled: true, with {100 * level:g}{words.NBSP}% interval; hollow: seen. n counts partners' steps"
        + (f"; the {rows} most frequent of {len(moves)} flows are drawn" if len(moves) > rows else ""),
        table=moves,
    )


def _share(row: pd.Series) -> str:
    middle, interval = words.say_pair(float(row["estimate"]), float(row["conf_low"]), float(row["conf_high"]), kind="share")
    return f"{middle} ({interval})"


def _told(row: object) -> str:
    seen = "never seen" if np.isnan(row.seen) else f"seen {words.say_share(row.seen)}"
    return f"{words.say_share(row.estimate)} true, {seen}"


@tabulate.register(HiddenTransitions)
def _hidden_table(result: HiddenTransitions, *, caption: str = "", rows: int | None = None) -> TableView:
    shown = result.table.drop(columns=["moves", "seen_low", "seen_high"])
    shown = shown.assign(seen=[words.say_share(share) if not np.isnan(share) else "never" for share in result.table["seen"]])
    said = caption or f"{result.estimand}, beside what is seen"
    view = estimates_view(shown, keys=result.keys, kind="share", level=result.level, caption=said, rows=rows)
    return dataclasses.replace(view, numeric=(*view.numeric[:-1], True), frame=result.tidy())
