"""Pictures of predictions: the share that ended beside the risk that was predicted, and scores with their intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas
from partnerlab.show.intervals import plot_intervals
from partnerlab.show.marks import square_axes
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView
from partnerlab.show.tabulation import estimates_view, tabulate
from partnerlab.survival import Calibration, PredictionScores


@plot.register(Calibration)
def _calibration(result: Calibration, *, model: str | None = None, time: float | None = None, period: str = "") -> Picture:
    return plot_calibration(result, model=model, time=time, period=period or "spells not used for the predictions")


@tabulate.register(Calibration)
def _calibration_table(result: Calibration, *, view: str = "bins", caption: str = "", rows: int | None = None) -> TableView:
    if view not in ("bins", "summaries"):
        raise ParameterError(f"a calibration has no table {view!r}{nearest(view, ('bins', 'summaries'))}", view=view)
    if view == "summaries":
        said = caption or "Whether the predictions come true"
        return estimates_view(
            result.summaries, keys=["model", "time", "quantity"], kind="number", level=result.level, caption=said, rows=rows
        )
    shares = result.table.rename(columns={"expected": "expected_share", "lowest": "lowest_share", "highest": "highest_share"})
    return estimates_view(shares, keys=result.keys, kind="share", level=result.level, caption=caption or result.estimand, rows=rows)


def plot_calibration(result: Calibration, *, period: str, model: str | None = None, time: float | None = None) -> Picture:
    """Draw the share that ended, with its interval, beside the mean predicted risk, bin by bin.

    Parameters
    ----------
    result : Calibration
        Observed and expected.
    period : str
        Which spells.
    model : str or None
        The first by default.
    time : float or None
        Horizon; the last by default.
    """
    chosen, at = _pick(result, model, time)
    rows = result.table[(result.table["model"] == chosen) & (result.table["time"] == at)].dropna(subset=["estimate"]).reset_index(drop=True)
    if rows.empty:
        raise SampleError(f"nobody was followed for {at:g} {result.unit}s; nothing to draw")
    most = min(float(max(rows["conf_high"].max(), rows["expected"].max())) * 1.05, 1.0)

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(44, 10, canvas.width - 60, 240)
        square_axes(axes, most)
        axes.plot([0, most], [0, most], color=style.MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.vlines(rows["expected"], rows["conf_low"], np.minimum(rows["conf_high"], most), color=style.ACCENT, linewidth=2.5)
        axes.plot(rows["expected"], rows["estimate"], "o", color=style.ACCENT, markersize=7)
        canvas.words(44, 282, f"predicted risk of having ended by {at:g} {result.unit}s", size=style.SMALL)

    said = "; ".join(f"predicted {words.say_share(row['expected'])}, ended {_share(row)}" for _, row in rows.iterrows())
    return picture(
        paint,
        height=292,
        headline=_headline(rows, at, result),
        alt=f"Dots with bands beside the line of equality. {said}.",
        units=f"share that has ended by {at:g} {result.unit}s (upright) against predicted risk",
        n=int(rows["n"].sum()),
        period=period,
        note=f"On the dashed line predictions come true. Bands are {100 * result.level:g}{words.NBSP}% intervals"
        + _slope(result, chosen, at),
        table=rows,
    )


def _pick(result: Calibration, model: str | None, time: float | None) -> tuple[str, float]:
    models = list(dict.fromkeys(result.table["model"]))
    chosen = models[0] if model is None else model
    if chosen not in models:
        raise ParameterError(f"no model {chosen!r}{nearest(chosen, models)}", model=chosen)
    times = sorted(result.table.loc[result.table["model"] == chosen, "time"].unique())
    known = result.table[(result.table["model"] == chosen)].dropna(subset=["estimate"])["time"]
    at = float(known.max() if len(known) else times[-1]) if time is None else time
    if at not in times:
        raise ParameterError(f"no predictions for {at:g}; there are some for {', '.join(f'{one:g}' for one in times)}", time=at)
    return chosen, at


def _share(row: pd.Series) -> str:
    return f"{words.say_share(row['estimate'])} ({words.say_interval(row['conf_low'], row['conf_high'], kind='share')})"


def _slope(result: Calibration, model: str, at: float) -> str:
    table = result.summaries
    found = table[(table["model"] == model) & (table["time"] == at) & (table["quantity"] == "slope")].dropna(subset=["std_error"])
    if found.empty:
        return ""
    row = found.iloc[0]
    middle, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    return f". Slope {middle} ({interval}); 1 is right"


def _headline(rows: pd.DataFrame, at: float, result: Calibration) -> str:
    """Which bins missed, allowing for how many were looked at."""
    edges = np.array([claims.widened(row, level=result.level, of=len(rows)) for _, row in rows.iterrows()]).reshape(-1, 2)
    above, below = int((edges[:, 0] > rows["expected"]).sum()), int((edges[:, 1] < rows["expected"]).sum())
    when = f"After {words.say_number(at)} {result.unit}s"
    if above + below == 0:
        return f"{when} as many had ended as was predicted, as far as can be told"
    parts = [f"more had ended than was predicted in {above}" if above else "", f"fewer in {below}" if below else ""]
    return f"{when} {' and '.join(part for part in parts if part)} of {words.plural(len(rows), 'group')}"


@plot.register(PredictionScores)
def _scores(result: PredictionScores, *, period: str = "", rows: int = 25) -> Picture:
    return plot_intervals(
        result.table, keys=result.keys, kind="number", estimand=result.estimand, units=result.measure.lower(),
        period=period or "spells not used for the predictions", level=result.level, rows=rows, headline=_scores_headline(result),
    )  # fmt: skip


def _scores_headline(result: PredictionScores) -> str:
    """Say who predicts better where there are several models; otherwise how far the score is from knowing nothing."""
    gaps, known = result.differences.dropna(subset=["estimate"]), result.table.dropna(subset=["estimate"])
    if len(gaps):
        return _better(gaps, result)
    if known.empty:
        return ""
    row = known.iloc[-1]
    when = f" by {row['time']:g} {result.unit}s" if "time" in known else ""
    middle, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    said = f"{result.measure}{when} {middle} ({interval})"
    if "skill" in known:
        side = "better" if row["skill_low"] > 0 else "worse" if row["skill_high"] < 0 else "not clearly different"
        return f"{said}: {side} {'from' if side == 'not clearly different' else 'than'} one curve for all"
    side = "better" if row["conf_low"] > 0.5 else "worse" if row["conf_high"] < 0.5 else "not clearly better"
    return f"{said}: {side} than a coin"


def _better(gaps: pd.DataFrame, result: PredictionScores) -> str:
    """Which model predicts better, where one clearly does."""
    clear = gaps[(gaps["conf_low"] > 0) | (gaps["conf_high"] < 0)]
    if clear.empty:
        return f"{result.measure}: no clear difference between models"
    row = clear.loc[clear["estimate"].abs().idxmax()]
    ahead = (row["estimate"] < 0) == (result.measure == "Brier score")
    wins, loses = (row["model"], row["reference"]) if ahead else (row["reference"], row["model"])
    when = f" by {row['time']:g} {result.unit}s" if "time" in gaps else ""
    gap = words.say_interval(row["conf_low"], row["conf_high"], kind="number")
    return f"{wins} predicts better than {loses}{when} (difference of the {result.measure} {gap})"
