"""Pictures of forecasts: next quarter's tiers, and how the last forecast did."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas, text_width
from partnerlab.show.marks import interval_mark, reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions import ForecastComparison, TierForecast

#: States that are forecast beside the tiers, and not drawn with them.
OUTSIDE = ("lapsed", "unknown")


@plot.register(TierForecast)
def _forecast(
    result: TierForecast,
    *,
    history: TierHistory | None = None,
    last: ForecastComparison | pd.DataFrame | None = None,
    now: pd.DataFrame | None = None,
    period: str = "",
) -> Picture:
    """One quarter ahead as intervals beside today; several, or with the past, as a fan."""
    last = last.table if isinstance(last, ForecastComparison) else last
    if len(result.quarters) > 1 or history is not None:
        from partnerlab.show.fans import plot_fan

        return plot_fan(result, history=history if history is not None else now, last=last, period=period)
    if now is None and "now" in result.table.columns:
        now = result.table[["tier"]].assign(quarter=result.made_from, partners=result.table["now"])
    return plot_forecast(result.table, last=last, now=now, level=result.level, period=period or f"up to {result.made_from}")


@plot.register(ForecastComparison)
def _comparison(result: ForecastComparison) -> Picture:
    latest = result.table[result.table["ahead"] == result.table["ahead"].min()].reset_index(drop=True)
    return plot_comparison(latest, level=result.level, brier=(result.brier, result.brier_persistence))


def plot_forecast(
    coming: pd.DataFrame, *, last: pd.DataFrame | None = None, now: pd.DataFrame | None = None, level: float = 0.95, period: str = ""
) -> Picture:
    """Draw next quarter's forecast, beside it today's count and what had been forecast for today.

    Parameters
    ----------
    coming : DataFrame
        ``tier, quarter, estimate, conf_low, conf_high, n``: partners in each tier in the quarter to come.
    last : DataFrame, optional
        The forecast printed a quarter ago: the same columns.
    now : DataFrame, optional
        What happened: ``tier, partners`` (``quarter`` too, of which the last counts).
    level : float
        Coverage of the intervals.
    period : str
        Data period, for the caption.
    """
    if coming.empty or coming["estimate"].notna().sum() == 0:
        raise SampleError("the forecast holds no number; nothing to draw")
    quarter = str(coming["quarter"].iloc[-1])
    # partners that have gone pile up and are in no tier
    coming = coming[(coming["quarter"].astype(str) == quarter) & ~coming["tier"].isin(OUTSIDE)]
    actual, today = _actual(now)
    earlier = last[last["quarter"].astype(str) == today] if last is not None and today else pd.DataFrame(columns=coming.columns)
    rows = [_row(tier, coming, earlier, actual) for tier in dict.fromkeys(coming["tier"])]
    line = 20.0 + (13.0 if len(earlier) else 0.0) + 13.0
    top = 20.0

    def paint(canvas: Canvas) -> None:
        high = max([row["high"] for row in rows] + [row["actual"] or 0 for row in rows] + list(earlier["conf_high"]))
        axes = canvas.axes(10, top, canvas.width - 36, line * len(rows))
        axes.set_ylim(line * len(rows), 0)
        axes.set_yticks([])
        reach_axis(axes, low=0, high=max(high * 1.03, 1), kind="count")
        _key(canvas, quarter, today, earlier=len(earlier) > 0, actual=bool(actual))
        for index, row in enumerate(rows):
            _forecast_row(canvas, axes, row, top=top, place=line * index, wide=len(earlier) > 0)

    hit = [row for row in rows if row["inside"] is not None]
    alt = "; ".join(_said(row) for row in rows)
    return picture(
        paint,
        height=top + line * len(rows) + 22,
        headline=_headline(rows, quarter, today),
        alt=f"Intervals, forecast number of partners in each tier in {quarter}. {alt}.",
        units=f"partners in the tier at the end of {quarter}",
        n=int(coming["n"].max()),
        period=period or today or f"up to the quarter before {quarter}",
        note=f"Bars are {100 * level:g}{words.NBSP}% intervals"
        + (f". Of last quarter's forecasts for {today}, {sum(row['inside'] for row in hit)} of {len(hit)} held" if hit else ""),
        table=pd.DataFrame(rows),
    )


def plot_comparison(table: pd.DataFrame, *, level: float, brier: tuple[float, float] = (np.nan, np.nan)) -> Picture:
    """Draw a printed forecast beside what happened and what "as last quarter" would have said.

    Parameters
    ----------
    table : DataFrame
        ``tier, quarter, estimate, conf_low, conf_high, n, actual, inside, persistence``.
    level : float
        Coverage of the intervals.
    brier : tuple of float
        Scores of the forecast and of "as last quarter"; lower is better.
    """
    known = table[~table["tier"].isin(OUTSIDE) & table["actual"].notna() & table["estimate"].notna()].reset_index(drop=True)
    if known.empty:
        raise SampleError("no tier has both a forecast and an outcome; nothing to draw")
    quarter, line, top = str(known["quarter"].iloc[-1]), 34.0, 20.0

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(10, top, canvas.width - 36, line * len(known))
        axes.set_ylim(line * len(known), 0)
        axes.set_yticks([])
        reach_axis(axes, low=0, high=float(known[["conf_high", "actual", "persistence"]].max().max()) * 1.03, kind="count")
        _legend(
            canvas,
            [("●", "forecast", style.ACCENT), ("◆", f"what happened in {quarter}", style.SIGNAL), ("|", "as last quarter", style.MUTED)],
        )
        for index, row in known.iterrows():
            canvas.words(10, top + line * index + 14, str(row["tier"]), weight="bold", size=style.SMALL)
            said = f"{words.say_count(row['actual'])}, forecast {words.say_interval(row['conf_low'], row['conf_high'], kind='count')}"
            canvas.words(canvas.width - 8, top + line * index + 14, said, size=style.SMALL, ha="right")
            interval_mark(axes, line * index + 24, row["conf_low"], row["conf_high"], row["estimate"])
            axes.plot([row["persistence"]], [line * index + 24], "|", markersize=13, markeredgewidth=2, color=style.MUTED, zorder=4)
            axes.plot([row["actual"]], [line * index + 24], "D", markersize=6.5, color=style.SIGNAL, markeredgecolor=style.PAPER, zorder=5)

    inside = int(known["inside"].astype(bool).sum())
    scored = "" if np.isnan(brier[0]) else f'; score {brier[0]:.4f}, against {brier[1]:.4f} for "as last quarter" (lower is better)'
    said = "; ".join(f"{row['tier']} {words.say_count(row['actual'])}, forecast {_forecast_words(row)}" for _, row in known.iterrows())
    return picture(
        paint,
        height=top + line * len(known) + 22,
        headline=f"{inside} of {words.plural(len(known), 'forecast')} for {quarter} held: the outcome lies in the interval",
        alt=f"Intervals forecast for {quarter} with what happened. {said}.",
        units=f"partners in the tier at the end of {quarter}",
        n=int(known["n"].max()),
        period=quarter,
        note=f"Bars are {100 * level:g}{words.NBSP}% intervals as printed a quarter ago{scored}",
        table=table.reset_index(drop=True),
    )


def _forecast_words(row: pd.Series) -> str:
    return f"{words.say_count(row['estimate'])} ({words.say_interval(row['conf_low'], row['conf_high'], kind='count')})"


def _legend(canvas: Canvas, parts: list[tuple[str, str, str]]) -> None:
    left = 10.0
    for mark, text, colour in parts:
        canvas.words(left, 12, f"{mark} {text}", size=style.SMALL, colour=colour)
        left += text_width(f"{mark} {text}", size=style.SMALL) + 14


def _actual(now: pd.DataFrame | None) -> tuple[dict[str, float], str]:
    if now is None or now.empty:
        return {}, ""
    today = str(now["quarter"].iloc[-1]) if "quarter" in now.columns else "today"
    latest = now[now["quarter"].astype(str) == today] if "quarter" in now.columns else now
    return {str(tier): float(count) for tier, count in zip(latest["tier"], latest["partners"], strict=True)}, today


def _row(tier: str, coming: pd.DataFrame, earlier: pd.DataFrame, actual: dict[str, float]) -> dict[str, object]:
    ahead = coming[coming["tier"] == tier].iloc[-1]
    before = earlier[earlier["tier"] == tier]
    happened = actual.get(str(tier))
    row = {"tier": tier, "estimate": ahead["estimate"], "low": ahead["conf_low"], "high": ahead["conf_high"], "actual": happened}
    row |= {"last_estimate": np.nan, "last_low": np.nan, "last_high": np.nan, "inside": None}
    if len(before):
        was = before.iloc[-1]
        row |= {"last_estimate": was["estimate"], "last_low": was["conf_low"], "last_high": was["conf_high"]}
        if happened is not None:
            row["inside"] = bool(was["conf_low"] <= happened <= was["conf_high"])
    return row


def _key(canvas: Canvas, quarter: str, today: str, *, earlier: bool, actual: bool) -> None:
    parts = [("●", f"forecast {quarter}", style.ACCENT)]
    if actual:
        parts.append(("◆", f"{today}" if today != "today" else "today", style.SIGNAL))
    if earlier:
        parts.append(("○", f"was forecast for {today}", style.MUTED))
    _legend(canvas, parts)


def _forecast_row(canvas: Canvas, axes: object, row: dict[str, object], *, top: float, place: float, wide: bool) -> None:
    canvas.words(10, top + place + 14, str(row["tier"]), weight="bold", size=style.SMALL)
    if not np.isnan(row["estimate"]):
        said = f"{words.say_count(row['estimate'])} ({words.say_interval(row['low'], row['high'], kind='count')})"
        canvas.words(canvas.width - 8, top + place + 14, said, size=style.SMALL, ha="right")
    if np.isnan(row["estimate"]):
        axes.text(0, place + 24, "not enough data", va="center", fontsize=style.SMALL, color=style.MUTED)
        return
    interval_mark(axes, place + 24, row["low"], row["high"], row["estimate"])
    if wide and not np.isnan(row["last_estimate"]):
        interval_mark(
            axes, place + 38, row["last_low"], row["last_high"], row["last_estimate"],
            colour=style.MUTED, width=1.5, size=6, markerfacecolor=style.PAPER,
        )  # fmt: skip
    if row["actual"] is not None:
        axes.plot(
            [row["actual"]], [place + (38 if wide else 24)], "D", markersize=6.5, color=style.SIGNAL, markeredgecolor=style.PAPER, zorder=5
        )


def _said(row: dict[str, object]) -> str:
    if np.isnan(row["estimate"]):
        return f"{row['tier']} not enough data"
    text = f"{row['tier']} {words.say_count(row['estimate'])} ({words.say_interval(row['low'], row['high'], kind='count')})"
    return text + (f", now {words.say_count(row['actual'])}" if row["actual"] is not None else "")


def _headline(rows: list[dict[str, object]], quarter: str, today: str) -> str:
    known = [row for row in rows if row["actual"] is not None and not np.isnan(row["estimate"])]
    if not known:
        top = max((row for row in rows if not np.isnan(row["estimate"])), key=lambda row: row["estimate"])
        return f"{quarter}: {_said(top)} partners; intervals for every tier below"
    moving = [(row, claims.direction(row["low"], row["high"], nothing=row["actual"])) for row in known]
    clear = [
        f"{row['tier']} {direction} from {words.say_count(row['actual'])} to {words.say_count(row['estimate'])}"
        f" ({words.say_interval(row['low'], row['high'], kind='count')})"
        for row, direction in moving
        if direction != "no clear change"
    ]
    if not clear:
        return f"No clear change expected in any tier from {today} to {quarter}"
    return f"Expected by {quarter}: {'; '.join(clear[:2])}" + (
        "; no clear change elsewhere" if len(clear) <= 2 and len(clear) < len(known) else ""
    )
