"""Picture of any result: estimates with their intervals, one row each, beside the line of no difference where there is one."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Result
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas, shorten, text_width
from partnerlab.show.marks import interval_mark, reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tabulation import ESTIMATES
from partnerlab.tiers import TierShares

#: Results whose estimates are differences: none is 0.
DIFFERENCES = {"SurvivalComparison": 0.0, "IncidenceComparison": 0.0}
#: Height of a heading over a group of rows.
HEAD = 24.0


@plot.register(Result)
def _result(
    result: Result, *, kind: str | None = None, nothing: float | None = None, units: str = "", period: str = "", rows: int = 25
) -> Picture:
    name = type(result).__name__
    return plot_intervals(
        result.table,
        keys=result.keys,
        kind=kind or ESTIMATES.get(name, "number"),
        nothing=nothing if nothing is not None else DIFFERENCES.get(name),
        estimand=result.estimand,
        units=units or (_difference(name, result) if name in DIFFERENCES else result.title.lower()),
        period=period or "all data of the result",
        level=result.level,
        rows=rows,
    )


def _difference(name: str, result: Result) -> str:
    return "difference of shares, in points" if ESTIMATES.get(name) == "points" else f"difference in {result.unit}s"


@plot.register(TierShares)
def _shares(result: TierShares, *, quarter: str | None = None, period: str = "", rows: int = 25) -> Picture:
    """Shares of one quarter, the last if none is named, with the goal of each tier that has one as a line across it."""
    quarters = list(dict.fromkeys(result.table["quarter"]))
    shown = quarter or quarters[-1]
    if shown not in quarters:
        raise ParameterError(f"there are no shares of {shown!r}{nearest(shown, quarters)}", quarter=shown)
    table = result.table[result.table["quarter"] == shown].reset_index(drop=True)
    return plot_intervals(
        table, keys=[key for key in result.keys if key != "quarter"], kind="share", estimand=result.estimand, units="share of the rated",
        period=period or shown, level=result.level, rows=rows, headline=_goal_headline(table),
        goals=table["goal"].to_numpy(dtype=np.float64),
    )  # fmt: skip


def _goal_headline(table: pd.DataFrame) -> str:
    """How far the tiers with a goal are from it; empty where there is no goal, or groups have one each."""
    aimed = table.dropna(subset=["goal", "estimate"])
    if aimed.empty or aimed["tier"].duplicated().any():
        return ""
    said = []
    for row in aimed.itertuples():
        side = "above" if row.conf_low > row.goal else "below" if row.conf_high < row.goal else "not clearly off"
        share, goal = (words.say(number, kind="share") for number in (row.estimate, row.goal))
        said.append(f"{row.tier} at {share}, {side} its goal of {goal}")
    return "; ".join(said)


def plot_intervals(  # noqa: PLR0913 - a picture for any result has to be told what it is
    table: pd.DataFrame,
    *,
    keys: list[str],
    kind: str,
    estimand: str,
    units: str,
    period: str,
    nothing: float | None = None,
    level: float = 0.95,
    rows: int = 25,
    headline: str = "",
    goals: np.ndarray | None = None,
    group: str = "",
    drawn: str = "first",
) -> Picture:
    """Draw estimates as dots with lying intervals.

    Parameters
    ----------
    table : DataFrame
        Keys, then ``estimate, conf_low, conf_high, n``.
    keys : list of str
        Columns that name a row.
    kind : {"share", "count", "number"}
        What the estimates are.
    estimand, units, period : str
        What they say; in what; for when.
    nothing : float, optional
        Value of no difference, drawn as a line; up and down are said of what excludes it.
    level : float
        Coverage of the intervals.
    rows : int
        How many are drawn; the table holds all.
    headline : str
        The finding, where it is not the furthest of the rows.
    goals : ndarray, shape (rows of the table,), optional
        What each row aims at, drawn as a line; NaN where there is no goal.
    group : str
        Column whose values stand as headings over their rows, which follow one another.
    drawn : str
        Which rows are drawn where they are not all.
    """
    shown = table.head(rows).reset_index(drop=True)
    if shown["estimate"].notna().sum() == 0:
        raise SampleError(f"{estimand.rstrip('.')}: no row has enough data; nothing to draw")
    names = [", ".join(str(row[key]) for key in keys) or units for _, row in shown.iterrows()]
    aims = np.full(len(shown), np.nan) if goals is None else goals[:rows]
    edges = np.concatenate([shown[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=np.float64).ravel(), aims])
    edges = edges[np.isfinite(edges)]
    low, high = min(edges.min(), nothing if nothing is not None else 0.0), max(edges.max(), nothing if nothing is not None else 0.0)
    room = (high - low or 1.0) * 0.04
    line = 33.0
    heads = shown[group].ne(shown[group].shift()).to_numpy() if group else np.zeros(len(shown), dtype=bool)
    starts = line * np.arange(len(shown)) + HEAD * np.cumsum(heads)
    whole = line * len(shown) + HEAD * heads.sum()

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(12, 4, canvas.width - 36, whole)
        axes.set_ylim(whole, 0)
        axes.set_yticks([])
        reach_axis(axes, low=low - room, high=high + room, kind=kind)
        for index, row in shown.iterrows():
            start = starts[index]
            if heads[index]:
                canvas.words(6, start - 4, str(row[group]), weight="bold")
            for upright in (np.nan if nothing is None else nothing, aims[index]):
                if np.isfinite(upright):
                    axes.plot([upright, upright], [start + 14, start + 30], color=style.INK, linewidth=1.1)
            _row(canvas, axes, row, name=names[index], top=4 + start, place=start + 22, kind=kind, weight="normal" if group else "bold")

    say = functools.partial(words.say_estimate, kind=kind)
    whose = [f"{row[group]}: {name}" if group else name for name, (_, row) in zip(names, shown.iterrows(), strict=True)]
    said = "; ".join(
        f"{name} {say(*row[list(_SAID)])}" + (f", goal {words.say(aim, kind=kind)}" if np.isfinite(aim) else "")
        for name, (_, row), aim in zip(whose, shown.iterrows(), aims, strict=True)
    )
    return picture(
        paint,
        height=4 + whole + 24,
        headline=headline or _headline(shown, whose, kind=kind, nothing=nothing, level=level),
        alt=f"Dots with intervals: {estimand.rstrip('.')}. {said}.",
        units=units,
        n=int(np.nanmax(table["n"].to_numpy(dtype=np.float64))),
        period=period,
        note=f"{words.sentence(estimand)} Bars are {100 * level:g}{words.NBSP}% intervals"
        + (f"; the upright line is no difference ({words.say(nothing, kind=kind)})" if nothing is not None else "")
        + ("; the upright line is the goal" if np.isfinite(aims).any() else "")
        + (f"; the {drawn} {rows} of {len(table)} rows are drawn" if len(table) > rows else ""),
        table=table.reset_index(drop=True),
    )


_SAID = ("estimate", "conf_low", "conf_high", "n")


def _row(  # noqa: PLR0913 - a row and its place
    canvas: Canvas, axes: object, row: pd.Series, *, name: str, top: float, place: float, kind: str, weight: str
) -> None:
    said = words.say_estimate(*row[list(_SAID)], kind=kind)
    room = canvas.width - 28 - text_width(said, size=style.SMALL)
    canvas.words(12, top + 12, shorten(name, width=room, size=style.SMALL, weight=weight), size=style.SMALL, weight=weight)
    canvas.words(canvas.width - 8, top + 12, said, size=style.SMALL, ha="right")
    if not np.isnan(row["estimate"]):
        interval_mark(axes, place, row["conf_low"], row["conf_high"], row["estimate"])


def _headline(shown: pd.DataFrame, names: list[str], *, kind: str, nothing: float | None, level: float) -> str:
    known = shown.assign(_name=names).dropna(subset=["estimate", "conf_low", "conf_high"])
    if known.empty:
        return f"Not enough data for an interval in any of {words.plural(len(shown), 'row')}"
    if nothing is None:
        low, high, clear = claims.furthest_apart(known, level=level)
        if len(known) == 1:
            return f"{high['_name']}: {words.say_estimate(*high[list(_SAID)], kind=kind)}"
        said = f"{high['_name']} {_said(high, kind)}, {low['_name']} {_said(low, kind)}"
        return f"Clearly apart: {said}" if clear else f"No clear difference: {said}"
    found = [(row, claims.direction(*claims.widened(row, level=level, of=len(known)), nothing=nothing)) for _, row in known.iterrows()]
    clear = [(row, way) for row, way in found if way != "no clear change"]
    if not clear:
        return f"No clear difference in any of {words.plural(len(known), 'comparison')}"
    row, way = max(clear, key=lambda pair: abs(pair[0]["estimate"] - nothing))
    more = {"up": "more", "down": "less"}[way]
    return f"{len(clear)} of {words.plural(len(known), 'comparison')} differ clearly; furthest: {row['_name']} {more}, {_said(row, kind)}"


def _said(row: pd.Series, kind: str) -> str:
    middle, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind=kind)
    return f"{middle} ({interval})"
