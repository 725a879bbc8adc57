"""Picture and table of two schemes on the same partners: whose rank changes, only because the rule is another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import left_out, tabulate
from partnerlab.tiers import SchemeComparison

#: Lines drawn behind those that are named.
BEHIND = 400


@plot.register(SchemeComparison)
def _comparison(compared: SchemeComparison, *, rows: int = 16) -> Picture:
    ranked = compared.table.dropna(subset=["rank_before", "rank_after"]).astype({"rank_before": int, "rank_after": int, "rank_change": int})
    if ranked.empty:
        raise SampleError(f"nobody can be ranked under both schemes in {compared.quarter}; there is no slope to draw")
    named = ranked.loc[_most_moved(ranked, rows)]
    height = max(260.0, 16.0 * len(named) + 60)

    def paint(canvas: Canvas) -> None:
        _slopes(canvas, compared, ranked, named, height)

    said = "; ".join(f"{row.partner} from place {row.rank_before} to {row.rank_after}" for row in named.head(8).itertuples())
    by = dict.fromkeys(name.replace("_", " ") for name in compared.ranked_by)
    return picture(
        paint,
        height=height,
        headline=_headline(compared),
        alt=f"Slopes, one for each partner, from its place under {compared.names[0]} to its place under {compared.names[1]}. {said}.",
        units=f"place among {len(ranked)} partners by {words.say_list(list(by))}, 1 at the top",
        n=len(ranked),
        period=compared.quarter,
        note=f"Named: the {len(named)} whose place changes most; blue rises, orange falls, grey are all others. Tiers in brackets",
        table=compared.table,
    )


def _headline(compared: SchemeComparison) -> str:
    """Say how many stand higher and lower, and how many would move only because the rule does."""
    up, down = len(compared.winners()), len(compared.losers())
    members = words.plural(len(compared.table), "partner")
    if not up and not down:
        return f"Nobody's tier would be higher or lower under {compared.names[1]} than under {compared.names[0]} in {compared.quarter}"
    moved = f"{up} of {members} stand higher and {down} lower"
    return f"Under {compared.names[1]} {moved} than under {compared.names[0]}; only the rule differs"


def _most_moved(ranked: pd.DataFrame, rows: int) -> pd.Index:
    """Whose place changes most, as many up as down where there are."""
    moved = ranked.loc[ranked["rank_change"] != 0].sort_values(["rank_change", "partner"], kind="stable")
    if len(moved) <= rows:
        return moved.index
    half = rows // 2
    return moved.index[:half].append(moved.index[-half:])


def _slopes(canvas: Canvas, compared: SchemeComparison, ranked: pd.DataFrame, named: pd.DataFrame, height: float) -> None:
    """Draw everybody in grey, then those who move most, each with its name on both sides."""
    left, right, top, arm = 160.0, canvas.width - 160.0, 34.0, 14.0
    deep = height - top - 12
    most = max(int(ranked[["rank_before", "rank_after"]].to_numpy().max()), 2)
    axes = canvas.axes(left - arm, top, right - left + 2 * arm, deep)
    axes.set(xlim=(-arm, right - left + arm), ylim=(most, 1), xticks=[], yticks=[])
    ends = [0.0, right - left]
    for name, place, side in zip(compared.names, (6.0, canvas.width - 6.0), ("left", "right"), strict=True):
        canvas.words(place, 16, shorten(name, width=canvas.width / 2 - 12, weight="bold"), ha=side, weight="bold")
    behind = ranked if len(ranked) <= BEHIND else ranked.iloc[np.linspace(0, len(ranked) - 1, BEHIND).astype(int)]
    axes.plot(ends, behind[["rank_before", "rank_after"]].to_numpy().T, color=style.GRID, linewidth=0.6, zorder=1)
    for row in named.itertuples():
        colour = style.ACCENT if row.rank_change > 0 else style.SIGNAL
        axes.plot(ends, [row.rank_before, row.rank_after], color=colour, linewidth=1.4, marker="o", markersize=3, clip_on=False, zorder=3)
    for column, tier, end, away in (("rank_before", "before", ends[0], -1), ("rank_after", "after", ends[1], 1)):
        wanted = top + (named[column].to_numpy(dtype=float) - 1) / (most - 1) * deep
        for row, label in zip(named.itertuples(), spread(wanted, gap=13.0, low=top, high=top + deep), strict=True):
            rank, text = getattr(row, column), f"{getattr(row, column)}. {row.partner} ({getattr(row, tier)})"
            reached = 1 + (label - top) / deep * (most - 1)
            axes.plot([end, end + away * (arm - 2)], [rank, reached], color=style.MUTED, linewidth=0.5, clip_on=False, zorder=2)
            edge, side = (left - arm, "right") if away < 0 else (right + arm, "left")
            canvas.words(edge, label + 4, shorten(text, width=left - arm - 4, size=style.SMALL), size=style.SMALL, ha=side)


def spread(places: np.ndarray, *, gap: float, low: float, high: float) -> np.ndarray:
    """Move labels apart as little as keeps their order and at least a gap between them.

    Examples
    --------
    >>> spread(np.array([10.0, 12.0, 40.0]), gap=10.0, low=0.0, high=50.0).tolist()
    [6.0, 16.0, 40.0]
    """
    order = np.argsort(places, kind="stable")
    blocks: list[list[float]] = []  # sum of wanted tops and number of labels in each run of touching labels
    for step, place in enumerate(places[order]):
        blocks.append([float(place) - step * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
    starts = np.repeat([total / count for total, count in blocks], [int(count) for _, count in blocks])
    room = max(high - low - gap * (len(places) - 1), 0.0)
    settled = np.clip(starts, low, low + room) + gap * np.arange(len(places))
    found = np.empty(len(places))
    found[order] = settled
    return found


@tabulate.register(SchemeComparison)
def _comparison_table(compared: SchemeComparison, *, caption: str = "", rows: int | None = None) -> TableView:
    """Write who stands elsewhere, the largest change of place first."""
    moved = compared.table.loc[compared.table["change"].isin(["up", "down", "sideways"])]
    moved = moved.loc[moved["rank_change"].astype("Float64").abs().fillna(-1).sort_values(ascending=False, kind="stable").index]
    said = caption or f"Partners with another tier under {compared.names[1]} than under {compared.names[0]} in {compared.quarter}"
    kinds = {"partner": "text", "before": "text", "after": "text", "change": "text", "previous": "text", "cause": "text"}
    kinds |= {"rank_before": "count", "rank_after": "count", "rank_change": "count"}
    heads = {"before": compared.names[0], "after": compared.names[1], "previous": "quarter before", "cause": "moved by"}
    return table_view(moved.head(rows) if rows else moved, caption=said + left_out(moved, rows), kinds=kinds, heads=heads)
