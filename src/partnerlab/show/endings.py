"""Picture of the ways in which spells end: the share ended in each way, by time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas, text_width
from partnerlab.show.curves import curve_names, rising_step, risk_height, risk_left, risk_table, time_axis
from partnerlab.show.marks import value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.survival import IncidenceEstimate


@plot.register(IncidenceEstimate)
def _incidence(result: IncidenceEstimate, *, group: str | None = None, cause: str | None = None, period: str = "") -> Picture:
    groups = [key for key in result.keys if key not in ("cause", "time")]
    facts = {"level": result.level, "period": period or "all spells on record", "time_unit": f"{result.unit}s", "estimand": result.estimand}
    if not groups:
        return plot_incidence(result.table, by="cause", **facts)
    if group is not None:
        return plot_incidence(_pick(result.table, groups[0], group), by="cause", among=group, **facts)
    wanted = cause if cause is not None else str(result.table["cause"].iloc[0])
    return plot_incidence(_pick(result.table, "cause", wanted), by=groups[0], among=wanted, **facts)


def _pick(table: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    known = list(dict.fromkeys(table[column].astype(str)))
    if name not in known:
        raise ParameterError(f"no {column} is called {name!r}{nearest(name, known)}", **{column: name})
    return table[table[column].astype(str) == name]


def plot_incidence(
    curve: pd.DataFrame, *, by: str, level: float, period: str, estimand: str, time_unit: str = "quarters", among: str = ""
) -> Picture:
    """Draw cumulative incidences as rising steps with bands, each named at its end.

    Parameters
    ----------
    curve : DataFrame
        ``time, estimate, conf_low, conf_high, n`` and the column ``by``.
    by : str
        Column of the curves: ``cause``, or a group.
    level : float
        Coverage of the bands.
    period, estimand, time_unit, among : str
        Data period; what the curves are; a step of time; the group or cause they are drawn for.
    """
    known = curve.dropna(subset=["estimate"])
    if known.empty:
        raise SampleError("no ending has enough spells; nothing to draw")
    curves = {str(name): rows.sort_values("time") for name, rows in known.groupby(by, sort=False)}
    colours = {name: style.MUTED if colour == style.PALE else colour for name, colour in style.series_colours(list(curves)).items()}
    end = float(known["time"].max())
    top = min(style.nice_ceiling(float(known["conf_high"].fillna(known["estimate"]).max()) * 1.02), 1.0)

    # ways of ending share one risk set; groups have one each
    at_risk = {"": next(iter(curves.values()))} if by == "cause" else curves

    def paint(canvas: Canvas) -> None:
        left = 42.0 if by == "cause" else risk_left(curves)
        right = min(max(text_width(name, size=style.SMALL, weight="bold") for name in curves) + 12, 104.0)
        axes = canvas.axes(left, 14, canvas.width - left - right, 190)
        value_axis(axes, top=top, kind="share", ticks=5)
        axes.set_xlim(0, end)
        for name, frame in curves.items():
            rising_step(axes, frame, colour=colours[name])
        curve_names(axes, curves, colours, right=right, top=top)
        places = time_axis(canvas, axes, top=14 + 190 + 16, end=end, time_unit=time_unit)
        risk_table(canvas, axes, at_risk, colours, top=14 + 190 + 16, end=end, places=places)

    last = {name: frame.iloc[-1] for name, frame in curves.items()}
    said = "; ".join(f"{name} {_share(row)} after {words.say_number(row['time'])} {time_unit}" for name, row in last.items())
    rows = pd.DataFrame(last.values()).assign(**{by: list(last)}).astype({"estimate": float, "conf_low": float, "conf_high": float})
    return picture(
        paint,
        height=14 + 190 + 34 + risk_height(at_risk) + (0 if by == "cause" else 10),
        headline=_headline(rows, by, time_unit) + (f" ({among})" if among else ""),
        alt=f"Rising step curves: {estimand.rstrip('.')}{f', {among}' if among else ''}. {said}.",
        units=f"share of spells ended in this way, by {time_unit} since the start; n counts spells at risk at the most",
        n=int(curve["n"].max()),
        period=period,
        note=f"Bands are {100 * level:g}{words.NBSP}% intervals; below: spells at risk",
        table=curve.reset_index(drop=True),
    )


def _share(row: pd.Series) -> str:
    return f"{words.say_share(row['estimate'])} ({words.say_interval(row['conf_low'], row['conf_high'], kind='share')})"


def _headline(rows: pd.DataFrame, by: str, time_unit: str) -> str:
    if len(rows) == 1:
        row = rows.iloc[0]
        return f"{row[by]}: {_share(row)} after {words.say_number(row['time'])} {time_unit}"
    low, high, clear = claims.furthest_apart(rows)
    if not clear or np.isnan(low["conf_low"]):
        span = f"{_share(low)} to {_share(high)} after {words.say_number(high['time'])} {time_unit}"
        return f"No clear difference by {'way of ending' if by == 'cause' else by}: {span}"
    where = "" if by == "cause" else "in "
    reach = f"{_share(high)} after {words.say_number(high['time'])} {time_unit}"
    return f"Most often {where}{high[by]}: {reach}; least often {where}{low[by]}: {_share(low)}"
