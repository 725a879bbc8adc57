"""Pictures of a backtest: how much better than simple forecasts, and whether probabilities mean what they say."""

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
from partnerlab.show.tabulation import estimates_view, left_out, tabulate
from partnerlab.transitions import ForecastBacktest

VIEWS = ("skill", "reliability")
#: What the transitions of a backtest are called in a sentence.
CALLED = {"lapse": "lapses", "down": "moves down", "up": "moves up", "elsewhere": "moves elsewhere"}


@plot.register(ForecastBacktest)
def _backtest(
    result: ForecastBacktest, *, view: str = "skill", score: str = "log", ahead: int = 1, transition: str | None = None
) -> Picture:
    if view not in VIEWS:
        raise ParameterError(f"a backtest has no view {view!r}{nearest(view, VIEWS)}", view=view)
    if view == "skill":
        return plot_skill(result, score=score)
    return plot_reliability(result, ahead=ahead, transition=transition)


@tabulate.register(ForecastBacktest)
def _backtest_table(result: ForecastBacktest, *, caption: str = "", score: str | None = None, rows: int | None = None) -> TableView:
    table = result.table if score is None else result.table[result.table["score"] == score].reset_index(drop=True)
    shown = table.assign(skill=table["skill"].map(words.say_share))
    shown = shown.drop(columns=["skill_low", "skill_high"])
    said = caption or f"{result.estimand}: difference of mean scores, above zero is better{left_out(table, rows)}"
    return estimates_view(shown, keys=result.keys, kind="number", level=result.level, caption=said, rows=rows)


def plot_skill(result: ForecastBacktest, *, score: str = "log") -> Picture:
    """Draw the share of each simple forecast's score that is saved, with its interval; the upright line is no better.

    Parameters
    ----------
    result : ForecastBacktest
        Scores.
    score : {"log", "brier", "rps"}
        Which.
    """
    known = list(dict.fromkeys(result.table["score"]))
    if score not in known:
        raise ParameterError(f"the backtest has no score {score!r}{nearest(score, known)}", score=score)
    rows = result.table[result.table["score"] == score].reset_index(drop=True)
    rows = rows.assign(
        against=[f"{name}, {words.plural(int(ahead), 'quarter')}" for ahead, name in zip(rows["ahead"], rows["against"], strict=True)]
    )
    shown = rows.assign(estimate=rows["skill"], conf_low=rows["skill_low"], conf_high=rows["skill_high"])
    better, worse = int((shown["conf_low"] > 0).sum()), int((shown["conf_high"] < 0).sum())
    headline = f"Clearly better than simple forecasts in {better} of {words.plural(len(shown), 'comparison')}"
    return plot_intervals(
        shown, keys=["against"], kind="share", estimand=f"Share of a simple forecast's {score} score that ours saves",
        units=f"share of the {score} score saved", period=f"{int(shown['quarters'].max())} quarters forecast from those before",
        nothing=0.0, level=result.level, headline=headline + (f", clearly worse in {worse}" if worse else ""),
    )  # fmt: skip


def plural_ahead(ahead: int) -> str:
    """Say a number of quarters ahead.

    Examples
    --------
    >>> plural_ahead(2)
    '2 quarters ahead'
    """
    return f"{words.plural(int(ahead), 'quarter')} ahead"


def plot_reliability(result: ForecastBacktest, *, ahead: int = 1, transition: str | None = None) -> Picture:
    """Draw how often something came about beside what was said of it, forecasts of like size together.

    Parameters
    ----------
    result : ForecastBacktest
        Scores.
    ahead : int
        Quarters ahead.
    transition : str or None
        Such as "lapse"; None takes the one with most events.
    """
    found = result.reliability[result.reliability["ahead"] == ahead]
    names = list(dict.fromkeys(found["transition"]))
    if not names:
        raise SampleError(f"too few forecasts {plural_ahead(ahead)} to lay them beside what came; nothing to draw")
    if transition is not None and transition not in names:
        raise ParameterError(f"no reliability of {transition!r}{nearest(transition, names)}", transition=transition)
    events = (found["estimate"] * found["n"]).groupby(found["transition"]).sum()
    chosen = transition or str(events.idxmax())
    rows = found[found["transition"] == chosen].reset_index(drop=True)
    most = float(max(rows["conf_high"].max(), rows["forecast"].max())) * 1.05

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(44, 10, canvas.width - 60, 240)
        square_axes(axes, most)
        axes.plot([0, most], [0, most], color=style.MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.vlines(rows["forecast"], rows["conf_low"], rows["conf_high"], color=style.ACCENT, linewidth=2.5)
        axes.plot(rows["forecast"], rows["estimate"], "o", color=style.ACCENT, markersize=7)
        canvas.words(44, 282, f"forecast probability of {CALLED.get(chosen, chosen)}, {plural_ahead(ahead)}", size=style.SMALL)

    slope = _slope(result, chosen, ahead)
    said = "; ".join(
        f"said {words.say_share(row['forecast'])}, came {words.say_share(row['estimate'])} "
        f"({words.say_interval(row['conf_low'], row['conf_high'], kind='share')})"
        for _, row in rows.iterrows()
    )
    return picture(
        paint,
        height=292,
        headline=_reliability_headline(rows, chosen, level=result.level),
        alt=f"Dots with bands beside the line of equality, {chosen}, {plural_ahead(ahead)}. {said}.",
        units="share that came about (upright) against probability forecast",
        n=int(rows["n"].sum()),
        period=f"{len(result.by_quarter[result.by_quarter['ahead'] == ahead])} quarters forecast from those before",
        note=f"On the dashed line probabilities mean what they say. Bands are {100 * result.level:g}{words.NBSP}% intervals "
        f"clustered by partner{slope}",
        table=rows,
    )


def _slope(result: ForecastBacktest, transition: str, ahead: int) -> str:
    table = result.calibration
    found = table[(table["transition"] == transition) & (table["ahead"] == ahead) & (table["term"] == "slope")].dropna(subset=["estimate"])
    said = [
        f"slope {words.say_number(row['estimate'])} ({words.say_interval(row['conf_low'], row['conf_high'], kind='number')}"
        f"{'' if row['quarters'] == 'all' else ', ' + row['quarters']})"
        for _, row in found.iterrows()
    ]
    return f". Calibration, clustered by partner and quarter: {'; '.join(said)}" if said else ""


def _reliability_headline(rows: pd.DataFrame, transition: str, *, level: float) -> str:
    """Which groups of forecasts missed, allowing for how many were looked at."""
    known = rows.dropna(subset=["conf_low", "conf_high"])
    edges = np.array([claims.widened(row, level=level, of=len(known)) for _, row in known.iterrows()]).reshape(-1, 2)
    above, below = int((edges[:, 0] > known["forecast"]).sum()), int((edges[:, 1] < known["forecast"]).sum())
    called = CALLED.get(transition, transition)
    if above + below == 0:
        return f"Of {called}, as much came about as had been said, as far as can be told"
    parts = [f"more came about than was said in {above}" if above else "", f"less in {below}" if below else ""]
    return f"Of {called}, {' and '.join(part for part in parts if part)} of {words.plural(len(known), 'group')} of forecasts"
