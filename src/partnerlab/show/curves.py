"""Pictures of survival: curves with their bands and at-risk table."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import TIDY
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas, text_width, wrap
from partnerlab.show.marks import spread_labels, value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView
from partnerlab.show.tabulation import estimates_view, tabulate
from partnerlab.survival import LifeTableEstimate, SurvivalEstimate

#: More curves than this in one picture cannot be told apart.
MOST_CURVES = 6
#: Where fewer spells than this are at risk a curve is not drawn on; the table holds all of it.
FEWEST_AT_RISK = 5


@plot.register(SurvivalEstimate)
def _survival(result: SurvivalEstimate, *, period: str = "") -> Picture:
    return plot_survival(
        result.table, by=result.by or "", median=result.median, level=result.level, period=period or "all spells on record",
        time_unit=f"{result.unit}s", estimand=result.estimand,
    )  # fmt: skip


@plot.register(LifeTableEstimate)
def _life_table(result: LifeTableEstimate, *, period: str = "") -> Picture:
    by = result.keys[0] if len(result.keys) > 2 else ""
    pieces = [_from_start(rows) for _, rows in (result.table.groupby(by, sort=False) if by else [("", result.table)])]
    return plot_survival(
        pd.concat(pieces, ignore_index=True), by=by, level=result.level, period=period or "all spells on record",
        time_unit=f"{result.unit}s", estimand=result.estimand,
    )  # fmt: skip


def _from_start(rows: pd.DataFrame) -> pd.DataFrame:
    """Read a life table as a curve: it begins at 1, and those at risk at an edge begin the interval that follows."""
    begins = rows.iloc[:1].assign(end=rows["start"].iloc[0], estimate=1.0, std_error=0.0, conf_low=1.0, conf_high=1.0)
    curve = pd.concat([begins, rows], ignore_index=True).rename(columns={"end": "time"})
    return curve.assign(at_risk=[*rows["n"], 0])


@tabulate.register(LifeTableEstimate)
def _life_rows(result: LifeTableEstimate, *, caption: str = "", rows: int | None = None) -> TableView:
    shown = result.table.drop(columns=["hazard", "hazard_se", "density", "density_se", "exposed"])
    table = shown.rename(columns={"probability": "share ended in it"})
    found = estimates_view(table, keys=result.keys, kind="share", level=result.level, caption=caption or result.estimand, rows=rows)
    return dataclasses.replace(found, frame=result.tidy())


@tabulate.register(SurvivalEstimate)
def _survival_table(result: SurvivalEstimate, *, view: str = "curve", caption: str = "", rows: int | None = None) -> TableView:
    if view not in ("curve", "median", "rmst"):
        raise ParameterError(f"a survival estimate has no table {view!r}{nearest(view, ('curve', 'median', 'rmst'))}", view=view)
    if view == "median":
        return _median_table(result, caption=caption)
    groups = [result.by] if result.by else []
    if view == "rmst":
        said = caption or f"Mean {result.unit}s stayed, of the first {words.say_number(result.tau)}"
        return estimates_view(result.rmst, keys=groups, kind="number", level=result.level, caption=said)
    columns = [*groups, "time", *TIDY, "events", "censored"]
    shown = result.table[columns].astype({"events": "int64", "censored": "int64"})
    found = estimates_view(shown, keys=[*groups, "time"], kind="share", level=result.level, caption=caption or result.estimand, rows=rows)
    return dataclasses.replace(found, frame=result.tidy())


def _median_table(result: SurvivalEstimate, *, caption: str) -> TableView:
    """Write when half have ended; a median that is not reached is no lack of data."""
    median, groups = result.median, [result.by] if result.by else []
    lines = []
    for _, row in median.iterrows():
        low, high = (words.say_number(row[edge]) if np.isfinite(row[edge]) else "not reached" for edge in ("conf_low", "conf_high"))
        reached = np.isfinite(row["estimate"])
        middle = words.say_number(row["estimate"]) if reached else "not reached"
        interval = f"{low} to {high}" if reached or np.isfinite(row["conf_low"]) else "none"
        lines.append((*(str(row[group]) for group in groups), middle, interval, words.say_count(row["n"])))
    heads = (*groups, f"median, {result.unit}s", f"{100 * result.level:g}{words.NBSP}% interval", "n")
    said = caption or f"{result.unit.capitalize()}s after which half have ended"
    numeric = (*[False] * len(groups), True, True, True)
    return TableView(caption=said, heads=heads, rows=tuple(lines), row_heads=len(groups), numeric=numeric, frame=median)


def plot_survival(
    curve: pd.DataFrame,
    *,
    by: str,
    level: float,
    period: str,
    estimand: str,
    median: pd.DataFrame | None = None,
    time_unit: str = "quarters",
) -> Picture:
    """Draw Kaplan-Meier curves as steps, each with its band, its name at its end and its at-risk numbers below.

    Parameters
    ----------
    curve : DataFrame
        ``time, estimate, conf_low, conf_high, n`` (``n`` at risk), and a column ``by`` where there are groups.
    by : str
        Column of the groups; empty for one curve.
    level : float
        Coverage of the bands.
    period, estimand : str
        Data period; what the curve is.
    median : DataFrame, optional
        Median durations with intervals, one row for each group.
    time_unit : str
        What a step of time is called.
    """
    groups = list(dict.fromkeys(curve[by])) if by else [""]
    shown = groups[:MOST_CURVES]
    whole = {str(group): (curve[curve[by] == group] if by else curve).sort_values("time") for group in shown}
    curves = {name: _trusted(frame) for name, frame in whole.items()}
    if all(frame["estimate"].isna().all() for frame in curves.values()):
        raise SampleError(f"no curve has {FEWEST_AT_RISK} spells at risk; nothing to draw")
    colours = style.series_colours(list(curves))
    end = max(float(frame["time"].max()) for frame in curves.values())
    origin = min(float(frame["time"].min()) for frame in curves.values())
    below = 34.0 + risk_height(curves) + (10.0 if by else 0.0)

    def paint(canvas: Canvas) -> None:
        left = risk_left(curves)
        right = min(max((text_width(name, size=style.SMALL, weight="bold") for name in curves), default=0) + 14, 104.0) if by else 16.0
        axes = canvas.axes(left, 14, canvas.width - left - right, 190)
        value_axis(axes, top=1.0, kind="share", ticks=5)
        axes.set_xlim(0, end)
        for name, frame in curves.items():
            _step(axes, frame, colour=colours[name])
        curve_names(axes, curves, colours, right=right)
        places = time_axis(canvas, axes, top=14 + 190 + 16, end=end, time_unit=time_unit)
        risk_table(canvas, axes, whole, colours, top=14 + 190 + 16, end=end, places=places)

    facts = [_curve_words(name, frame, _median_of(median, by, name), time_unit) for name, frame in curves.items()]
    n = int(sum(frame["n"].max() for frame in whole.values() if len(frame)))
    return picture(
        paint,
        height=14 + 190 + below,
        headline=_survival_headline(curves, median, by, time_unit),
        alt=f"Step curves: {estimand.rstrip('.')}. {' '.join(facts)}",
        units=f"share not yet ended, by {time_unit} since the start; n counts spells at risk at the most",
        n=n,
        period=period,
        note=f"Bands are {100 * level:g}{words.NBSP}% intervals; below: spells at risk; curves end where fewer than {FEWEST_AT_RISK} are"
        + (f". Curves begin at {words.say_number(origin)} {time_unit}: of those who had stayed so long" if origin > 0 else "")
        + (f". {len(groups) - MOST_CURVES} further groups are in the table" if len(groups) > MOST_CURVES else ""),
        table=curve.reset_index(drop=True),
    )


def _trusted(frame: pd.DataFrame) -> pd.DataFrame:
    """Cut a curve where next to nobody is at risk any more: one ending there would drop it to the floor."""
    at_risk = frame["n"].to_numpy(dtype=np.float64)
    # delayed entry lets the number at risk grow at first: only the tail is cut
    enough = np.flatnonzero(at_risk >= FEWEST_AT_RISK)
    return frame.iloc[: enough[-1] + 1] if len(enough) else frame.assign(estimate=np.nan)


def rising_step(axes: object, frame: pd.DataFrame, *, colour: str) -> None:
    """Draw one rising step curve with its band."""
    time, share = frame["time"].to_numpy(dtype=np.float64), frame["estimate"].to_numpy()
    low, high = frame["conf_low"].fillna(frame["estimate"]).to_numpy(), frame["conf_high"].fillna(frame["estimate"]).to_numpy()
    axes.fill_between(time, low, high, step="post", color=colour, alpha=0.16, linewidth=0)
    axes.plot(time, share, drawstyle="steps-post", color=colour, linewidth=2.0)


def _step(axes: object, frame: pd.DataFrame, *, colour: str) -> None:
    """Draw one falling step curve with its band, from 1 on."""
    known = frame.dropna(subset=["estimate"])
    if known.empty:
        return
    time, share = known["time"].to_numpy(dtype=np.float64), known["estimate"].to_numpy()
    low, high = known["conf_low"].fillna(known["estimate"]).to_numpy(), known["conf_high"].fillna(known["estimate"]).to_numpy()
    if time[0] > 0 and share[0] < 1:
        time, share, low, high = np.r_[0.0, time], np.r_[1.0, share], np.r_[1.0, low], np.r_[1.0, high]
    axes.fill_between(time, low, high, step="post", color=colour, alpha=0.16, linewidth=0)
    axes.plot(time, share, drawstyle="steps-post", color=colour, linewidth=2.0)


def curve_names(axes: object, curves: dict[str, pd.DataFrame], colours: dict[str, str], *, right: float, top: float = 1.0) -> None:
    """Write each curve's name beside its end."""
    named = {name: frame.dropna(subset=["estimate"]) for name, frame in curves.items() if name}
    named = {name: frame for name, frame in named.items() if len(frame)}
    ends = [float(frame["estimate"].iloc[-1]) for frame in named.values()]
    end_names(axes, list(named), ends, colours={name: style.readable(colours[name]) for name in named}, right=right, top=top)


def end_names(axes: object, names: list[str], ends: list[float], *, colours: dict[str, str], right: float, top: float = 1.0) -> None:
    """Write names right of axes 190 points high, on two lines where they are long, none over another."""
    lines = [wrap(name, width=right - 8, size=style.SMALL, weight="bold", most=2) for name in names]
    places = spread_labels(ends, gap=[0.07 * top * len(line) for line in lines], low=0.02 * top, high=0.98 * top)
    for name, line, place in zip(names, lines, places, strict=True):
        axes.annotate(
            "\n".join(line), (1.0, place), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points",
            va="center", annotation_clip=False, fontsize=style.SMALL, color=colours[name], weight="bold", linespacing=1.0,
        )  # fmt: skip


def time_axis(canvas: Canvas, axes: object, *, top: float, end: float, time_unit: str) -> np.ndarray:
    """Write whole numbers of periods below; gives their places."""
    box = axes.get_position()
    step = next((step for step in (1, 2, 4, 8, 12, 16, 20, 40) if end / step <= 6), 80)
    places = np.arange(0, end + 1e-9, step)
    axes.set_xticks(places, [words.say_number(place) for place in places])
    axes.spines["bottom"].set_visible(True)
    canvas.words((box.x0 + box.x1) / 2 * canvas.width, top + 16, f"{time_unit} since the start", ha="center", size=style.SMALL)
    return places


def risk_left(curves: dict[str, pd.DataFrame]) -> float:
    """Room left of the axes for the names below them."""
    return min(max([42.0, *(text_width(name, size=10, weight="bold") + 30 for name in curves if name)]), 104.0)


def _own_line(name: str, left: float) -> bool:
    return bool(name) and text_width(name, size=10, weight="bold") > left - 26


def risk_height(curves: dict[str, pd.DataFrame]) -> float:
    """Height of the numbers at risk: a name that is too long for its place stands on a line of its own."""
    return sum(26.0 if _own_line(name, risk_left(curves)) else 14.0 for name in curves)


def risk_table(
    canvas: Canvas, axes: object, curves: dict[str, pd.DataFrame], colours: dict[str, str], *, top: float, end: float, places: np.ndarray
) -> None:
    """Write below each place on the axis how many are at risk, a line for each curve."""
    box = axes.get_position()
    left, right = box.x0 * canvas.width, box.x1 * canvas.width
    canvas.words(6, top + 16, "at risk", size=style.SMALL, colour=style.MUTED)
    line = top + 16 + 1
    for name, frame in curves.items():
        line += 14
        if name:
            canvas.words(6, line, name, size=10, colour=style.readable(colours[name]), weight="bold")
        line += 12 * _own_line(name, left)
        for place in places:
            canvas.words(left + (right - left) * place / end, line, words.say_count(_at_risk(frame, place)), size=10, ha="center")


def _at_risk(frame: pd.DataFrame, time: float) -> float:
    """Spells at risk at a time: those of the first row that has come by then or is next."""
    counts = frame["at_risk"] if "at_risk" in frame.columns else frame["n"]
    later = frame["time"].to_numpy(dtype=np.float64) >= time - 1e-9
    return float(counts.to_numpy()[later][0]) if later.any() else 0.0


def _median_of(median: pd.DataFrame | None, by: str, name: str) -> pd.Series | None:
    if median is None or median.empty:
        return None
    rows = median[median[by].astype(str) == name] if by and by in median.columns else median
    return rows.iloc[0] if len(rows) else None


def _curve_words(name: str, frame: pd.DataFrame, median: pd.Series | None, time_unit: str) -> str:
    who = f"{name}: " if name else ""
    known = frame.dropna(subset=["estimate"])
    if known.empty:
        return f"{who}{words.say_not_enough(frame['n'].max() if len(frame) else 0)}."
    last = known.iloc[-1]
    text = (
        f"{who}{words.say_share(last['estimate'])} ({words.say_interval(last['conf_low'], last['conf_high'], kind='share')}) remain after"
    )
    text += f" {words.say_number(last['time'])} {time_unit}"
    return text + (f", median {_median_words(median, time_unit)}." if median is not None else ".")


def _median_words(median: pd.Series, time_unit: str) -> str:
    if np.isnan(median["estimate"]) or np.isinf(median["estimate"]):
        return "not reached"
    high = median["conf_high"]
    upper = words.say_number(high) if np.isfinite(high) else "not reached"
    low = words.say_number(median["conf_low"]) if np.isfinite(median["conf_low"]) else "unknown"
    return f"{words.say_number(median['estimate'])} {time_unit} ({low} to {upper})"


def _survival_headline(curves: dict[str, pd.DataFrame], median: pd.DataFrame | None, by: str, time_unit: str) -> str:
    known = {name: frame.dropna(subset=["estimate"]) for name, frame in curves.items()}
    known = {name: frame for name, frame in known.items() if len(frame)}
    if len(curves) == 1:
        name, frame = next(iter(known.items()))
        found = _median_of(median, by, name)
        if found is not None and np.isfinite(found["estimate"]):
            return f"Half have ended after {_median_words(found, time_unit)}"
        time = min(_read_at(float(frame["time"].min())), float(frame["time"].max()))
        return f"{_share_at(frame, time)} remain after {words.say_number(time)} {time_unit}"
    start = max(float(frame["time"].min()) for frame in known.values())
    time = min(_read_at(start), *(float(frame["time"].max()) for frame in known.values()))
    rows = {name: _row_at(frame, time) for name, frame in known.items()}
    low, high = min(rows, key=lambda name: rows[name]["estimate"]), max(rows, key=lambda name: rows[name]["estimate"])
    if claims.furthest_apart(pd.DataFrame(rows).T.astype({"estimate": float, "conf_low": float, "conf_high": float}))[2]:
        return (
            f"After {words.say_number(time)} {time_unit}, {_share_at(known[high], time)} of {high} remain,"
            f" against {_share_at(known[low], time)} of {low}"
        )
    span = f"{_share_at(known[low], time)} to {_share_at(known[high], time)}"
    return f"No clear difference between groups after {words.say_number(time)} {time_unit}: {span} remain"


def _read_at(start: float) -> float:
    """Multiple of four periods at which a curve that starts there is read, as the words beside it are."""
    return max(4.0, 4.0 * np.floor((start + 4.0) / 4.0))


def _row_at(frame: pd.DataFrame, time: float) -> pd.Series:
    come = frame[frame["time"] <= time + 1e-9]
    return come.iloc[-1] if len(come) else pd.Series({"estimate": 1.0, "conf_low": 1.0, "conf_high": 1.0, "n": frame["n"].iloc[0]})


def _share_at(frame: pd.DataFrame, time: float) -> str:
    row = _row_at(frame, time)
    return f"{words.say_share(row['estimate'])} ({words.say_interval(row['conf_low'], row['conf_high'], kind='share')})"
