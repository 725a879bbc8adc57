"""Pictures of what tactics did: effects by time since adoption, readings side by side; and the verdict as a card."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.effects import AdoptionEffects, OnOffEffects, TacticAnalysis
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Evidence
from partnerlab.show import style
from partnerlab.show.canvas import Canvas
from partnerlab.show.marks import value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import tabulate
from partnerlab.show.tactics_rows import Row, paint_rows, rows_height, say_row
from partnerlab.verdicts import Verdict

View = Literal["readings", "effects", "assignment"]

#: What the readings of a tactic are called under their estimate.
READINGS = {
    "adoption": "Differences in differences",
    "on and off": "Target trials, given the past",
    "matched": "The same, past results alike",
    "switching": "Starts and stops",
    "naive": "Treated less untreated",
    "two-way": "Two-way fixed effects",
}


#: Share of the largest number of adopters that a quarter must have to be drawn.
FEW = 0.05


@plot.register(AdoptionEffects)
def _events(result: AdoptionEffects, *, unit: str = "", period: str = "") -> Picture:
    """Effects by quarters since adoption, with simultaneous bands; before adoption there should be none."""
    events = result.table[result.table["aggregate"] == "event"].reset_index(drop=True)
    known = events.dropna(subset=["estimate"])
    if known.empty:
        raise SampleError("no quarter around adoption has an effect; nothing to draw")
    drawn = known[known["n"] >= FEW * known["n"].max()]
    overall = result.at("overall")
    left_out = len(known) - len(drawn)
    return picture(
        functools.partial(_paint_events, drawn=drawn, unit=unit),
        height=22 + 180 + 40,
        headline=_event_headline(overall, unit, pre_trend=result.pre_trend),
        alt=f"Dots with intervals by quarters since adoption. {result.estimand}. Overall {_say(overall)}. "
        f"In the quarter of adoption {_say(known[known['at'] == '0'].iloc[0]) if (known['at'] == '0').any() else 'unknown'}.",
        units=f"{unit or 'units of the outcome'} per partner-quarter; n counts treated partner-quarters",
        n=int(overall["n"]),
        period=period or "all quarters of the panel",
        note=f"Thick bars are {100 * result.level:g}{words.NBSP}% intervals, the pale band holds for all quarters at once; "
        "grey: before adoption, where there should be nothing"
        + (f"; {words.plural(left_out, 'quarter')} with few adopters not drawn" if left_out else ""),
        table=events,
    )


def _paint_events(canvas: Canvas, *, drawn: pd.DataFrame, unit: str) -> None:
    at = drawn["at"].astype(int).to_numpy()
    low, high = _reach(drawn["band_low"], drawn["band_high"])
    axes = canvas.axes(46, 22, canvas.width - 58, 180)
    value_axis(axes, bottom=low, top=high, kind="number", ticks=5)
    axes.axhline(0, color=style.INK, linewidth=1.0)
    axes.axvline(-0.5, color=style.MUTED, linewidth=1.0, linestyle=(0, (3, 3)))
    for side, colour in ((at < 0, style.MUTED), (at >= 0, style.ACCENT)):
        rows = drawn[side].sort_values("at", key=lambda column: column.astype(int))
        if rows.empty:
            continue
        places_of = rows["at"].astype(int)
        axes.fill_between(places_of, rows["band_low"], rows["band_high"], color=colour, alpha=0.14, linewidth=0)
        for row in rows.itertuples():
            place = int(row.at)
            axes.plot([place, place], [row.band_low, row.band_high], color=colour, linewidth=0.8, alpha=0.5)
            axes.plot([place, place], [row.conf_low, row.conf_high], color=colour, linewidth=3.2, solid_capstyle="butt", alpha=0.6)
            axes.plot([place], [row.estimate], "o", color=colour, markersize=5)
    axes.set_xlim(at.min() - 0.6, at.max() + 0.6)
    step = max(1, len(at) // 8)
    shown = [place for place in sorted(at) if place % step == 0]
    axes.set_xticks(shown, [str(place).replace("-", words.MINUS) for place in shown])
    axes.annotate(
        "before   ", (-0.5, 0.98), xycoords=("data", "axes fraction"), ha="right", va="top", fontsize=style.SMALL, color=style.MUTED
    )
    axes.annotate(
        "   after", (-0.5, 0.98), xycoords=("data", "axes fraction"), ha="left", va="top", fontsize=style.SMALL, color=style.ACCENT
    )
    canvas.words(46, 12, f"{unit or 'effect'} per partner-quarter", size=style.SMALL, colour=style.MUTED)
    canvas.words(46 + (canvas.width - 58) / 2, 22 + 180 + 30, "quarters since adoption", ha="center", size=style.SMALL)


def _event_headline(overall: pd.Series, unit: str, *, pre_trend: float) -> str:
    before = f"; before adoption partners already went apart ({words.say_p(pre_trend)})" if pre_trend < 0.1 else ""
    thing = f" in {unit}" if unit else ""
    if overall["conf_low"] > 0 or overall["conf_high"] < 0:
        return f"Adopters' difference{thing} per partner-quarter: {_say(overall)}{before}"
    return f"No clear difference{thing} after adoption: {_say(overall)}{before}"


@plot.register(OnOffEffects)
def _on_off(result: OnOffEffects, *, unit: str = "", period: str = "", delay: int = 0) -> Picture:
    """Effects of having the tactic in a quarter, by quarters after it (``delay`` more than counted), then by tier before it."""
    table = result.table.reset_index(drop=True)
    if table["estimate"].isna().all():
        raise SampleError("too few partners with and without the tactic for any effect; nothing to draw")
    whole, tiers = table[table["group"] == "all"], table[(table["group"] != "all") & (table["at"] == table["at"].max())]
    rows = [_group_row(_after(row["at"] + delay), row, dark=True) for _, row in whole.iterrows()]
    rows += [_group_row(f"{row['group']}, {_after(row['at'] + delay).lower()}", row, dark=False) for _, row in tiers.iterrows()]
    headline = result.headline()
    thing = f" in {unit}" if unit else ""
    clear = headline["conf_low"] > 0 or headline["conf_high"] < 0
    said = f"{_after(headline['at'] + delay)}: {_say(headline)}"
    return picture(
        functools.partial(paint_rows, rows=rows, units=f"{unit or 'effect'} per partner-quarter"),
        height=rows_height(rows),
        headline=f"{'Difference' if clear else 'No clear difference'}{thing} given the past. {said}",
        alt=f"Intervals: {'; '.join(row.said for row in rows)}. {result.estimand}.",
        units=f"{unit or 'units of the outcome'} per partner-quarter; n counts partner-quarters with the tactic",
        n=int(headline["n"]),
        period=period or "all quarters of the panel",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; grey: by tier before the tactic, each by itself and not pooled; "
        f"compared with {words.plural(result.untreated, 'partner-quarter')} worth of partners alike without it",
        table=table,
    )


def _after(ahead: float) -> str:
    return "Same quarter" if ahead == 0 else f"{words.plural(ahead, 'quarter')} later"


def _group_row(name: str, row: pd.Series, *, dark: bool) -> Row:
    said = say_row(name, row["estimate"], row["conf_low"], row["conf_high"], row["n"])
    return Row(said=said, estimate=row["estimate"], low=row["conf_low"], high=row["conf_high"], dark=dark)


@plot.register(TacticAnalysis)
def _analysis(result: TacticAnalysis, *, view: View = "readings", beside: Mapping[str, float] | None = None, period: str = "") -> Picture:
    """One analysis, seen from one side: its readings and what is known ``beside`` them, its effects, or how the tactic was given."""
    if view == "effects":
        more = {"delay": result.study.delay} if isinstance(result.effects, OnOffEffects) else {}
        return plot(result.effects, unit=result.study.stakes.unit, period=period, **more)
    if view == "assignment":
        return plot(result.assignment, period=period)
    if view != "readings":
        raise ParameterError(f"view is {view!r}; it is readings, effects or assignment")
    return _readings(result, beside=beside or {}, period=period)


def _readings(result: TacticAnalysis, *, beside: Mapping[str, float], period: str) -> Picture:
    """All readings of a tactic as lying intervals; the one that the verdict rests on is dark, the others are beside it."""
    table = result.table.dropna(subset=["estimate"]).reset_index(drop=True)
    if table.empty:
        raise SampleError(f"{result.study.tactic}: not enough data for any reading; nothing to draw")
    stakes, verdict = result.study.stakes, result.verdict
    believed = verdict.grade is Evidence.B and not verdict.doubts
    rows = [
        Row(
            said=say_row(READINGS.get(row.reading, row.reading), row.estimate, row.conf_low, row.conf_high, row.n),
            estimate=row.estimate, low=row.conf_low, high=row.conf_high, dark=bool(row.chosen) and believed,
        )
        for row in table.itertuples()
    ]  # fmt: skip
    rows += [
        Row(said=f"{name}: {words.say_number(value, digits=4)}", estimate=value, low=value, high=value) for name, value in beside.items()
    ]
    ahead = 0 if result.study.stays else result.study.horizon
    delay = result.study.delay
    later = f"; the first is read {_after(ahead + delay).lower()}, the others {_after(delay).lower()}" if ahead else ""
    chosen = table[table["chosen"]].iloc[0] if table["chosen"].any() else table.iloc[0]
    return picture(
        functools.partial(paint_rows, rows=rows, units=f"{stakes.unit} per {stakes.per}"),
        height=rows_height(rows),
        headline=_verdict_headline(verdict),
        alt=f"Intervals of {words.plural(len(table), 'reading')} of the effect of {result.study.tactic}; "
        + "; ".join(row.said for row in rows) + ".",
        units=f"{stakes.unit} per {stakes.per}; n counts treated rows",
        n=int(chosen["n"]),
        period=period or "all quarters of the panel",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; "
        + ("no reading is believed" if not believed else "the dark one is believed under the assumption stated, the grey ones are not")
        + later,
        table=table,
    )  # fmt: skip


def _verdict_headline(verdict: Verdict) -> str:
    """Say grade and finding; of several doubts the first."""
    first = dataclasses.replace(verdict, doubts=verdict.doubts[:1])
    return f"Grade {verdict.earned.value}: {first.statement.rstrip('.')}"


@tabulate.register(TacticAnalysis)
def _analysis_table(result: TacticAnalysis, *, caption: str = "", rows: int | None = None) -> TableView:
    """Write an analysis as the card of its verdict."""
    return tabulate(result.verdict, caption=caption)


@tabulate.register(Verdict)
def _verdict_card(verdict: Verdict, *, caption: str = "", rows: int | None = None) -> TableView:
    """Write a verdict as a card: what may be said, how sure, behind how many, and what would overturn it."""
    stakes = verdict.stakes
    estimate, interval = words.say_pair(verdict.estimate, verdict.conf_low, verdict.conf_high, kind="number")
    counted = words.plural(verdict.partners, "partner") + (f", {words.plural(verdict.managers, 'manager')}" if verdict.managers else "")
    rows = {
        "grade": f"{verdict.earned.value}: {verdict.earned.meaning}",
        "finding": verdict.statement,
        "estimate": f"{estimate} {stakes.unit} per {stakes.per} ({verdict.level * 100:g}{words.NBSP}% interval {interval})",
        "counted": counted,
        "smallest effect it could see": f"{words.say_number(verdict.smallest_effect, digits=2)} {stakes.unit} per {stakes.per}",
        "assumes": words.sentence(verdict.assumption),
        "overturned by": words.sentence(verdict.overturned_by) if verdict.overturned_by else "",
        "pays": words.say_share(verdict.pays) if np.isfinite(verdict.pays) else "",
        "net value": _money(verdict.net_value, stakes.currency, stakes.per),
        "expected loss": _money(verdict.expected_loss, stakes.currency, stakes.per),
        "do": verdict.action,
        "cells looked at": str(verdict.cells),
    }
    table = pd.DataFrame([(name, text) for name, text in rows.items() if text], columns=["", "verdict"])
    return table_view(
        table.rename(columns={"": "what"}), caption=caption or f"Verdict on {verdict.tactic}", kinds={"what": "text", "verdict": "text"}
    )


def _money(value: float, currency: str, per: str) -> str:
    return (
        f"{words.say_number(value, digits=3)}{words.NBSP}{currency} per {per}".replace(f"{words.NBSP} ", " ") if np.isfinite(value) else ""
    )


def _reach(low: pd.Series, high: pd.Series) -> tuple[float, float]:
    """Range that holds all intervals and zero, with a little room."""
    least, most = min(0.0, float(low.min())), max(0.0, float(high.max()))
    room = 0.06 * (most - least or 1.0)
    return least - room, most + room


def _say(row: object) -> str:
    return words.say_estimate(row["estimate"], row["conf_low"], row["conf_high"], row["n"], kind="number")  # type: ignore[index]
