"""Pictures and tables of how sure tiers are: borderline partners, real moves, lines, agreement, wrong tiers, leading indicators."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.results import Result
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.intervals import plot_intervals
from partnerlab.show.marks import reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import estimates_view, left_out, tabulate
from partnerlab.tiers import (
    Agreement,
    AnchorCheck,
    Bunching,
    IndicatorAudit,
    Leading,
    Misclassification,
    Overrides,
    PlaybookCoverage,
    Sensitivity,
)
from partnerlab.tiers.coverage import ALL
from partnerlab.transitions import RealMoves, TierProbability

#: What the estimates of a result are, in what units, and the value that says nothing.
SAID: dict[type, tuple[str, str, float | None]] = {
    Sensitivity: ("share", "share of the rated partners whose tier would be another", None),
    Bunching: ("number", "density just above the line relative to just below it", 1.0),
    Agreement: ("number", "kappa: 0 as chance would agree, 1 wholly", 0.0),
    Misclassification: ("share", "share of partners with a wrong tier", None),
    Overrides: ("share", "share of partner-quarters, or of overrides", None),
    Leading: ("number", "rank correlation", 0.0),
    PlaybookCoverage: ("share", "share of the partners due who got all that was owed", None),
    IndicatorAudit: ("number", "rank correlation with later results, given results now", 0.0),
    AnchorCheck: ("share", "share of the anchors that land on the side where they belong", None),
}


def _plot_rows(result: Result, *, period: str = "", rows: int = 25) -> Picture:
    kind, units, nothing = SAID[type(result)]
    if result.table["estimate"].isna().all() and not result.table["conf_low"].notna().any():
        raise SampleError(f"{result.estimand}: no row has enough data; nothing to draw")
    said = {"kind": kind, "units": units, "nothing": nothing, "estimand": result.estimand, "level": result.level, "rows": rows}
    when = period or getattr(result, "quarter", "") or "all quarters of the result"
    keys = [key for key in result.keys if key not in ("what", "fact")]
    return plot_intervals(result.table, keys=keys, period=when, headline=finding(result), **said)


def finding(result: Result) -> str:
    """Say in a sentence what a result found, from its rows and checks; empty where the rows speak for themselves."""
    kind, table = SAID[type(result)][0], result.table
    if isinstance(result, Sensitivity):
        most = table.loc[table["estimate"].idxmax()]
        return f"Most hangs on {most['name']}: moved by {most['change']}, {_told(most, kind)} of the tiers would be others"
    if isinstance(result, Bunching):
        bunched = table.loc[table["bunched"], "line"].tolist()
        judged = words.plural(int(table["estimate"].notna().sum()), "line")
        return (
            f"Values bunch just above {words.say_list(bunched)}" if bunched else f"No clear bunching at any of {judged} that can be judged"
        )
    if isinstance(result, Leading):
        return _leading(result, table.iloc[0])
    if isinstance(result, IndicatorAudit):
        pairs = [f"{row.leading} goes before {row.lagging}" for row in table.itertuples() if row.leads == row.out_of_time == "yes"]
        said = words.say_list([pair.replace("_", " ") for pair in pairs[:3]]) + (f" and {len(pairs) - 3} more" if len(pairs) > 3 else "")
        return f"{said[:1].upper()}{said[1:]}, out of time too" if pairs else f"None of {len(table)} pairs clearly leads, out of time too"
    if isinstance(result, PlaybookCoverage):
        return _owed(result)
    if isinstance(result, AnchorCheck):
        wrong = result.wrong()["name"].tolist()
        well = "Every anchor that can be placed lands where it belongs"
        return f"On the wrong side of their axis: {words.say_list(wrong)}" if wrong else well
    first = table.iloc[0] if not isinstance(result, Misclassification) else table.iloc[-1]
    if np.isnan(first["estimate"]):
        return f"At least {words.say_share(first['conf_low'])} of the tiers are wrong" if isinstance(result, Misclassification) else ""
    subject = {Agreement: "Agreement beyond chance is", Misclassification: "Wrong tiers:", Overrides: "Overridden tiers:"}[type(result)]
    return f"{subject} {_told(first, kind)}"


def _owed(result: PlaybookCoverage) -> str:
    """Name the tactic that lacks most, and how many partners have hit the stop rule."""
    known = result.table.loc[result.table["n"] > 0]
    owed, delivered = known.loc[known["tactic"] != ALL, ["owed", "delivered"]].sum()
    least = known.loc[known["tactic"] != ALL].nsmallest(1, "estimate").iloc[0]
    hit = len(result.stopped())
    stops = f"; {words.plural(hit, 'partner') if hit else 'nobody'} hit the stop rule" if len(result.stops) else ""
    said = f"{words.say_count(delivered)} of {words.say_count(owed)} tactics owed were delivered"
    return f"{said}; least to {least['tier']}: {least['tactic'].replace('_', ' ')} to {_told(least, 'share')} of the partners due{stops}"


def _leading(result: Leading, forward: pd.Series) -> str:
    claim, time, back = (check.passed for check in result.checks[:3])
    if claim is None:
        return f"Not enough data to tell whether {result.leading} leads {result.lagging}"
    if not claim:
        return f"No clear sign that {result.leading} leads {result.lagging}: {_told(forward, 'number')}"
    doubts = [*(["not out of time"] if not time else []), *(["as strong the other way round"] if not back else [])]
    return f"{result.leading} goes before {result.lagging}: {_told(forward, 'number')}{'; but ' + ' and '.join(doubts) if doubts else ''}"


def _told(row: pd.Series, kind: str) -> str:
    middle, interval = words.say_pair(float(row["estimate"]), float(row["conf_low"]), float(row["conf_high"]), kind=kind)
    return f"{middle} ({interval})"


def _write_rows(result: Result, *, caption: str = "", rows: int | None = None) -> TableView:
    kind = SAID[type(result)][0]
    return estimates_view(result.table, keys=result.keys, kind=kind, level=result.level, caption=caption or result.estimand, rows=rows)


for _kind in SAID:
    plot.register(_kind)(_plot_rows)
    tabulate.register(_kind)(_write_rows)


@plot.register(TierProbability)
def _borderline(result: TierProbability, *, rows: int = 15, sure: float = 0.8) -> Picture:
    line = result.borderline(sure=sure)
    rated = int(result.table["by_rule"].sum())
    if line.empty:
        raise SampleError(f"nobody is borderline in {result.quarter}: every tier has a probability of at least {words.say_share(sure)}")
    shown = line.head(rows)
    step = 34.0

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(12, 4, canvas.width - 36, step * len(shown))
        axes.set_ylim(step * len(shown), 0)
        axes.set_yticks([])
        reach_axis(axes, low=0, high=1, kind="share", ticks=5)
        for index, row in enumerate(shown.itertuples()):
            told = f"{row.tier} {words.say_share(row.probability)}, {row.other} {words.say_share(row.other_probability)}"
            name = shorten(str(row.partner), width=canvas.width - 30 - 6.2 * len(told), size=style.SMALL, weight="bold")
            canvas.words(12, 4 + step * index + 12, name, size=style.SMALL, weight="bold")
            canvas.words(canvas.width - 8, 4 + step * index + 12, told, size=style.SMALL, ha="right")
            place = step * index + 24
            axes.barh([place], [row.probability], height=9, color=style.ACCENT, linewidth=0)
            axes.barh([place], [row.other_probability], left=[row.probability], height=9, color=style.PALE, linewidth=0)

    wrong = result.misplaced.iloc[0]
    said = "; ".join(f"{row.partner} {row.tier} {words.say_share(row.probability)}" for row in shown.head(8).itertuples())
    return picture(
        paint,
        height=4 + step * len(shown) + 24,
        headline=f"{words.plural(len(line), 'partner')} of {words.say_count(rated)} rated in {result.quarter} "
        f"{'is' if len(line) == 1 else 'are'} borderline; {words.say_share(wrong['estimate'])} of all tiers are expected to be wrong "
        f"({words.say_interval(wrong['conf_low'], wrong['conf_high'], kind='share')})",
        alt=f"Bars of the probability of the tier that the rule gives, and of the likeliest other. {said}.",
        units="probability that the partner truly belongs to the tier",
        n=rated,
        period=result.quarter,
        note=f"Dark: the tier that the rule gives; pale: the likeliest other. Borderline: below {words.say_share(sure)}"
        + (f"; the {rows} least sure of {len(line)} are drawn" if len(line) > rows else ""),
        table=line,
    )


@tabulate.register(TierProbability)
def _borderline_table(result: TierProbability, *, caption: str = "", rows: int | None = None, sure: float = 0.8) -> TableView:
    line = result.borderline(sure=sure)
    said = caption or f"Partners whose tier in {result.quarter} is not sure (probability below {words.say_share(sure)})"
    kinds = {"partner": "text", "tier": "text", "probability": "share", "other": "text", "other_probability": "share", "n": "count"}
    heads = {"tier": "tier by the rule", "other": "likeliest other", "other_probability": "its probability", "n": "quarters known"}
    shown = line.head(rows) if rows else line
    view = table_view(shown, caption=said + left_out(line, rows), kinds=kinds, heads=heads)
    return dataclasses.replace(view, frame=result.tidy())


@plot.register(RealMoves)
def _real_moves(result: RealMoves, *, rows: int = 15) -> Picture:
    shown = result.table.head(rows)
    step = 34.0

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(12, 4, canvas.width - 36, step * len(shown))
        axes.set_ylim(step * len(shown), 0)
        axes.set_yticks([])
        reach_axis(axes, low=0, high=1, kind="share", ticks=5)
        for index, row in enumerate(shown.itertuples()):
            _move(canvas, axes, row, top=4 + step * index, place=step * index + 24)

    real, judged = int(result.table["real"].sum()), result.table["estimate"].dropna()
    said = "; ".join(f"{row.partner} {row.from_tier} to {row.to_tier} {_probability(row.estimate)}" for row in shown.head(8).itertuples())
    return picture(
        paint,
        height=4 + step * len(shown) + 24,
        headline=f"Of {words.plural(len(judged), 'move')} into {result.quarter}, about {words.say_count(round(float(judged.sum())))} "
        f"are expected to be real; {words.say_count(real) if real else 'none'} can be named",
        alt=f"Dots, one for each mover, by the probability that its true tier changed. {said}.",
        units="probability that the true tier changed in the direction of the move",
        n=len(result.table),
        period=result.quarter,
        note=f"Filled: called real, with at most {words.say_share(1 - result.level)} false ones expected; "
        f"a change counts if it came within {result.back} quarters"
        + (f"; the first {rows} of {len(result.table)} are drawn" if len(result.table) > rows else ""),
        table=result.table,
    )


def _probability(value: float) -> str:
    return "not judged" if np.isnan(value) else words.say_share(value)


def _move(canvas: Canvas, axes: object, row: object, *, top: float, place: float) -> None:
    told = f"{row.from_tier} {words.ARROW} {row.to_tier}, {_probability(row.estimate)}"
    name = shorten(str(row.partner), width=canvas.width - 30 - 6.2 * len(told), size=style.SMALL, weight="bold")
    canvas.words(12, top + 12, name, size=style.SMALL, weight="bold")
    canvas.words(canvas.width - 8, top + 12, told, size=style.SMALL, ha="right")
    if np.isnan(row.estimate):
        return
    axes.plot([0, row.estimate], [place, place], color=style.PALE, linewidth=1.2, zorder=2)
    face = style.SIGNAL if row.real else style.PAPER
    axes.plot([row.estimate], [place], "o", markersize=8, markerfacecolor=face, markeredgecolor=style.SIGNAL, clip_on=False, zorder=4)


@tabulate.register(RealMoves)
def _real_moves_table(result: RealMoves, *, caption: str = "", rows: int | None = None) -> TableView:
    kinds = {"partner": "text", "from_tier": "text", "to_tier": "text", "direction": "text", "estimate": "share", "belongs": "share"}
    kinds |= {"chance": "share", "real": "text"}
    heads = {"estimate": "probability of a true change", "belongs": "belongs to the new tier", "chance": "chance by noise alone"}
    moves = result.table if result.table["chance"].notna().any() else result.table.drop(columns="chance")
    moves = moves.assign(real=pd.Series(np.where(moves["real"], "yes", "no"), index=moves.index))
    said = caption or f"Moves into {result.quarter}, with the probability that the true tier changed"
    view = table_view(moves.head(rows) if rows else moves, caption=said + left_out(moves, rows), kinds=kinds, heads=heads)
    return dataclasses.replace(view, frame=result.tidy())
