"""The fan: how many partners each tier had, and how many it will have, quarter by quarter, with what had been forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.show import style
from partnerlab.show.canvas import Canvas
from partnerlab.show.marks import quarter_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions import TierForecast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Past quarters that are drawn.
PAST = 9
#: Height of a tier's panel, and of its name above.
PANEL, NAME = 58.0, 20.0
#: States that no panel is drawn for.
OUTSIDE = ("lapsed", "unknown")


def plot_fan(
    forecast: TierForecast, *, history: TierHistory | pd.DataFrame | None = None, last: pd.DataFrame | None = None, period: str = ""
) -> Picture:
    """Draw each tier's past as a line and its forecast as a fan, with the forecast printed a quarter ago beside what happened.

    Parameters
    ----------
    forecast : TierForecast
        One or more quarters ahead.
    history : TierHistory, DataFrame or None
        What happened: ``quarter, tier, partners``; without it only today is drawn.
    last : DataFrame or None
        Forecasts as printed by earlier reports: ``tier, quarter, estimate, conf_low, conf_high`` (``made_in`` too).
    period : str
        Data period, for the caption.
    """
    coming = forecast.table[~forecast.table["tier"].isin(OUTSIDE)]
    if coming.empty or coming["estimate"].isna().all():
        raise SampleError("the forecast holds no number; nothing to draw")
    past = _past(forecast, history)
    labels = [*past.columns, *forecast.quarters]
    tiers = list(dict.fromkeys(coming["tier"]))
    printed = _printed(last, labels[: len(past.columns)])

    def paint(canvas: Canvas) -> None:
        for index, tier in enumerate(tiers):
            top = 8 + index * (PANEL + NAME)
            _name(canvas, tier, coming[coming["tier"] == tier], top)
            axes = canvas.axes(38, top + 18, canvas.width - 46, PANEL - 6)
            _panel(axes, labels, past.loc[tier].to_numpy(), coming[coming["tier"] == tier], printed[printed["tier"] == tier])
            quarter_axis(axes, labels, most=6)
            if index < len(tiers) - 1:
                axes.set_xticks([])

    held = printed.dropna(subset=["actual"])
    inside = int(((held["conf_low"] <= held["actual"]) & (held["actual"] <= held["conf_high"])).sum())
    kept = f". Rings are what an earlier report forecast: {inside} of {len(held)} of its intervals held" if len(held) else ""
    note = f"Each tier has its own scale. The shaded fan is a {100 * forecast.level:g}{words.NBSP}% interval for each quarter{kept}"
    return picture(
        paint,
        height=8 + len(tiers) * (PANEL + NAME) + 16,
        headline=_headline(coming, forecast),
        alt=f"Lines with a fan, forecast number of partners in each tier up to {forecast.quarters[-1]}. {_said(coming, forecast)}.",
        units="partners in the tier at the end of the quarter",
        n=int(coming["n"].max()),
        period=period or f"up to {forecast.made_from}",
        note=note,
        table=coming.reset_index(drop=True),
    )


def _past(forecast: TierForecast, history: TierHistory | pd.DataFrame | None) -> pd.DataFrame:
    """Partners by tier (rows) and quarter (columns), up to the quarter that the forecast was made from."""
    coming = forecast.table[forecast.table["ahead"] == forecast.table["ahead"].min()].set_index("tier")
    if history is None:
        return coming[["now"]].rename(columns={"now": forecast.made_from})
    counts = history.counts() if isinstance(history, TierHistory) else history
    wide = counts.pivot(index="tier", columns="quarter", values="partners")
    known = [label for label in wide.columns if label <= forecast.made_from][-PAST:]
    return wide.reindex(index=coming.index)[known]


def _printed(last: pd.DataFrame | None, labels: list[str]) -> pd.DataFrame:
    """Forecasts of quarters that are drawn; of several for one quarter the latest."""
    columns = ["tier", "quarter", "estimate", "conf_low", "conf_high", "actual"]
    if last is None or last.empty:
        return pd.DataFrame(columns=columns)
    order = last.sort_values("made_in", ascending=False, kind="stable") if "made_in" in last.columns else last
    rows = order[order["quarter"].astype(str).isin(labels) & ~order["tier"].isin(OUTSIDE)].drop_duplicates(["tier", "quarter"])
    return rows.assign(actual=rows["actual"] if "actual" in rows.columns else np.nan)[columns].reset_index(drop=True)


def _panel(axes: Axes, labels: list[str], past: np.ndarray, coming: pd.DataFrame, printed: pd.DataFrame) -> None:
    start = len(past) - 1
    ahead = np.arange(start, start + 1 + len(coming))
    today = float(past[-1])
    low, middle, high = ([today, *coming[name]] for name in ("conf_low", "estimate", "conf_high"))
    axes.fill_between(ahead, low, high, color=style.ACCENT, alpha=0.22, linewidth=0)
    axes.plot(ahead, middle, color=style.ACCENT, linewidth=1.6, linestyle=(0, (3, 2)))
    axes.plot(np.arange(len(past)), past, color=style.INK, linewidth=2.0)
    axes.plot([start], [today], "o", markersize=6, color=style.INK)
    for row in printed.itertuples():
        place = labels.index(str(row.quarter))
        axes.plot([place, place], [row.conf_low, row.conf_high], color=style.MUTED, linewidth=1.5)
        axes.plot([place], [row.estimate], "o", markersize=6, color=style.MUTED, markerfacecolor=style.PAPER)
    _scale(axes, np.concatenate([past, low, high, printed[["conf_low", "conf_high"]].to_numpy(dtype=float).ravel()]))


def _scale(axes: Axes, values: np.ndarray) -> None:
    """Write the least and the most that are drawn at the left; no scale spans less than five partners."""
    known = values[np.isfinite(values)]
    least, most = float(known.min()), float(known.max())
    room = max(5.0 - (most - least), 0.06 * (most - least)) / 2
    axes.set_ylim(max(least - room, 0.0) - 1e-9, most + room)
    axes.set_yticks([least, most] if most > least else [least], [words.say_count(value) for value in dict.fromkeys([least, most])])


def _name(canvas: Canvas, tier: str, rows: pd.DataFrame, top: float) -> None:
    final = rows.iloc[-1]
    canvas.words(6, top + 10, tier, weight="bold", size=style.SMALL)
    interval = words.say_interval(final["conf_low"], final["conf_high"], kind="count")
    said = f"{words.say_count(final['now'])} now, {words.say_count(final['estimate'])} ({interval}) in {final['quarter']}"
    canvas.words(canvas.width - 6, top + 10, said, ha="right", size=style.SMALL)


def _clear(final: pd.DataFrame) -> list[str]:
    return [
        f"{row['tier']} {'up' if row['conf_low'] > row['now'] else 'down'} from {words.say_count(row['now'])} to "
        f"{words.say_count(row['estimate'])} ({words.say_interval(row['conf_low'], row['conf_high'], kind='count')})"
        for _, row in final.iterrows()
        if not row["conf_low"] <= row["now"] <= row["conf_high"]
    ]


def _headline(coming: pd.DataFrame, forecast: TierForecast) -> str:
    final = coming[coming["quarter"] == forecast.quarters[-1]]
    clear = _clear(final)
    if not clear:
        return f"No clear change expected in any tier by {forecast.quarters[-1]}"
    rest = "; no clear change elsewhere" if len(clear) < len(final) and len(clear) <= 2 else ""
    return f"Expected by {forecast.quarters[-1]}: {'; '.join(clear[:2])}{rest}"


def _said(coming: pd.DataFrame, forecast: TierForecast) -> str:
    final = coming[coming["quarter"] == forecast.quarters[-1]]
    return "; ".join(
        f"{row['tier']} {words.say_count(row['now'])} now, {words.say_count(row['estimate'])} "
        f"({words.say_interval(row['conf_low'], row['conf_high'], kind='count')}) in {row['quarter']}"
        for _, row in final.iterrows()
    )
