"""Picture of a hazard: when in the calendar, or how long after the start, spells end."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas
from partnerlab.show.marks import quarter_axis, value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.survival import HazardEstimate


@plot.register(HazardEstimate)
def _hazard(result: HazardEstimate, *, period: str = "") -> Picture:
    groups = [key for key in result.keys if key != result.axis]
    if result.axis is not None and groups:
        raise ParameterError(
            f"a hazard by {result.axis} and {words.say_list(groups)} is read as a table; estimate it by one of them to draw it"
        )
    # of tenure the question is whether there is a honeymoon; the steepest of many periods is second to it
    peak = next((check.detail for check in result.checks if check.name in ("Renewal season", "Honeymoon", "Steepest tenure")), "")
    return plot_hazard(
        result.table,
        by=result.axis or groups[0],
        level=result.level,
        period=period or "all spells on record",
        estimand=result.estimand,
        peak=re.sub(r"(?<=\d)%", f"{words.NBSP}%", peak),
    )


def plot_hazard(hazard: pd.DataFrame, *, by: str, level: float, period: str, estimand: str, peak: str = "") -> Picture:
    """Draw a hazard as dots with upright intervals: by calendar quarter (seasons show), by tenure, or by group.

    Parameters
    ----------
    hazard : DataFrame
        Key column ``by``, then ``estimate, conf_low, conf_high, n``.
    by : str
        What is along the axis.
    level : float
        Coverage of the intervals.
    period, estimand : str
        Data period; what the hazard is.
    peak : str
        What a test of the highest against all others says, for the headline.
    """
    known = hazard.dropna(subset=["estimate"]).reset_index(drop=True)
    if known.empty:
        raise SampleError(f"no {by} has enough spells at risk; nothing to draw")
    labels = [_label(value) for value in hazard[by]]
    season = re.match(r"(Q[1-4]) .*more than chance would give", peak)

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(44, 14, canvas.width - 56, 170)
        top = style.nice_ceiling(float(np.nanmax(hazard["conf_high"].fillna(hazard["estimate"]).to_numpy())) * 1.02)
        value_axis(axes, top=min(top, 1.0), kind="share", ticks=5)
        if season is not None and by != "season":
            _mark_season(axes, labels, season[1], height=min(top, 1.0))
        for place, row in enumerate(hazard.itertuples()):
            if np.isnan(row.estimate):
                axes.plot([place], [0], "x", color=style.MUTED, markersize=5, clip_on=False)
                continue
            axes.plot([place, place], [row.conf_low, row.conf_high], color=style.ACCENT, linewidth=2.2, solid_capstyle="butt", alpha=0.55)
            axes.plot([place], [row.estimate], "o", color=style.ACCENT, markersize=5.5)
        quarter_axis(axes, labels, most=5 if len(labels[0]) > 3 else 10)
        canvas.words(44 + (canvas.width - 56) / 2, 14 + 170 + 30, by.replace("_", " "), ha="center", size=style.SMALL)

    low, high, clear = claims.furthest_apart(known, level=level)
    return picture(
        paint,
        height=14 + 170 + 38,
        headline=peak.rstrip(".") or _hazard_headline(high, low, by, clear=clear),
        alt=f"Dots with intervals: {estimand.rstrip('.')}. "
        f"Highest {_place(high, by)}: {_rate(high)}; lowest {_place(low, by)}: {_rate(low)}.",
        units="share of the spells at risk that end in the period; n counts spell-periods at risk",
        n=int(hazard["n"].sum()),
        period=period,
        note=f"Bars are {100 * level:g}{words.NBSP}% intervals"
        + (f"; shaded: {season[1]} of each year" if season is not None and by != "season" else "")
        + ("; crosses mark periods with not enough data" if len(known) < len(hazard) else ""),
        table=hazard.reset_index(drop=True),
    )


def _mark_season(axes: object, labels: Sequence[str], season: str, *, height: float) -> None:
    """Shade one quarter of every year, the season in which most leave."""
    places = [place for place, label in enumerate(labels) if label.endswith(season)]
    for place in places:
        axes.axvspan(place - 0.5, place + 0.5, color=style.GRID, alpha=0.55, linewidth=0, zorder=0)
        axes.text(place, height * 1.01, season, ha="center", va="bottom", fontsize=10, color=style.MUTED)


def _label(value: object) -> str:
    """Write a tenure as a whole number, though a column of floats may hold it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _place(row: pd.Series, by: str) -> str:
    return f"at {by} {_label(row[by])}" if by == "tenure" else f"in {_label(row[by])}"


def _rate(row: pd.Series) -> str:
    return words.say_estimate(row["estimate"], row["conf_low"], row["conf_high"], row["n"], kind="share")


def _hazard_headline(high: pd.Series, low: pd.Series, by: str, *, clear: bool) -> str:
    if clear:
        return f"The share that ends is highest {_place(high, by)}, {_rate(high)}, and lowest {_place(low, by)}, {_rate(low)}"
    return f"No clear difference by {by.replace('_', ' ')}: between {_rate(low)}, and {_rate(high)}"
