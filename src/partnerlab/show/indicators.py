"""Pictures of single numbers: an indicator over time, and how a score is spread over partners."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.panel import Panel
from partnerlab.scoring import Scores
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas
from partnerlab.show.marks import last_full, quarter_axis, trimmed, value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot


@plot.register(Panel)
def _panel(panel: Panel, *, indicator: str, level: float = 0.95) -> Picture:
    values = panel.values(indicator)
    about = panel.indicator(indicator)
    shown = indicator.replace("_", " ")
    partial = [label for label, part in zip(panel.labels, panel.partial, strict=True) if part]
    return plot_indicator(
        values, labels=panel.labels, name=shown, unit=about.unit or shown, meaning=about.meaning, level=level, partial=partial
    )


@plot.register(Scores)
def _scores(scores: Scores, *, score: str | None = None, quarter: str | None = None, lines: dict[str, float] | None = None) -> Picture:
    known = list(scores.values)
    name = score if score is not None else known[0]
    if name not in scores.values:
        raise ParameterError(f"there is no score {name!r}{nearest(name, known)}", score=name)
    column = scores.panel.column(quarter) if quarter else scores.panel.shape[1] - 1
    member = scores.panel.member[:, column]
    return plot_distribution(
        scores.values[name][member, column], name=name.replace("_", " "), quarter=scores.panel.labels[column], lines=lines or {}
    )


def mean_by_period(values: np.ndarray, *, level: float = 0.95) -> dict[str, np.ndarray]:
    """Mean over partners in each period with its interval, shape ``(t,)`` each.

    Parameters
    ----------
    values : ndarray, shape (n, t)
        NaN where a partner is not known.
    """
    n = np.isfinite(values).sum(axis=0)
    known = np.where(np.isfinite(values), values, 0.0)
    mean = np.divide(known.sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    squares = np.where(np.isfinite(values), (known - mean) ** 2, 0.0).sum(axis=0)
    error = np.sqrt(np.divide(squares, (n - 1) * n, out=np.full(len(n), np.nan), where=n > 1))
    reach = claims.critical(level) * error
    # a mean of what cannot be negative is not
    floor = 0.0 if (known >= 0).all() else -np.inf
    return {"estimate": mean, "std_error": error, "conf_low": np.maximum(mean - reach, floor), "conf_high": mean + reach, "n": n}


def paired_change(values: np.ndarray, column: int, *, level: float = 0.95) -> tuple[float, float, float, int]:
    """Mean change into a period of the partners known in it and in the one before, its interval, and how many they are."""
    change = values[:, column] - values[:, column - 1]
    change = change[np.isfinite(change)]
    if len(change) < 2:
        return np.nan, np.nan, np.nan, len(change)
    reach = claims.critical(level) * float(change.std(ddof=1)) / len(change) ** 0.5
    return float(change.mean()), float(change.mean() - reach), float(change.mean() + reach), len(change)


def plot_indicator(
    values: np.ndarray, *, labels: list[str], name: str, unit: str, meaning: str = "", level: float = 0.95, partial: list[str] | None = None
) -> Picture:
    """Draw the mean of an indicator per partner in each quarter, with its interval.

    Parameters
    ----------
    values : ndarray, shape (n, t)
        NaN is unknown.
    labels : list of str
        The quarters.
    name, unit, meaning : str
        What it is.
    level : float
        Coverage of the band.
    partial : list of str, optional
        Quarters that the data cover only in part.
    """
    table = pd.DataFrame({"quarter": labels, **mean_by_period(values, level=level)})
    known = table.dropna(subset=["estimate"])
    if known.empty:
        raise SampleError(f"{name} is known for nobody in any quarter; nothing to draw")
    partial = partial or []
    high = float(np.nanmax(table["conf_high"].fillna(table["estimate"])))
    low = float(min(np.nanmin(table["conf_low"].fillna(table["estimate"])), 0.0))

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(48, 24, canvas.width - 62, 180)
        canvas.words(6, 12, f"{unit}, mean per partner", size=style.SMALL, colour=style.MUTED)
        value_axis(axes, top=style.nice_ceiling(high * 1.02), bottom=-style.nice_ceiling(-low) if low < 0 else 0.0, kind="number")
        places = np.arange(len(table))
        axes.fill_between(places, table["conf_low"], table["conf_high"], color=style.ACCENT, alpha=0.18, linewidth=0)
        axes.plot(places, table["estimate"], color=style.ACCENT, linewidth=2)
        hollow = table["quarter"].isin(partial).to_numpy()
        axes.plot(places[~hollow], table["estimate"][~hollow], "o", color=style.ACCENT, markersize=5)
        axes.plot(places[hollow], table["estimate"][hollow], "o", markeredgecolor=style.ACCENT, markerfacecolor=style.PAPER, markersize=6)
        quarter_axis(axes, labels)

    now = last_full(list(known["quarter"]), partial)
    last = known.iloc[now]
    said = words.say_estimate(last["estimate"], last["conf_low"], last["conf_high"], last["n"], kind="number")
    return picture(
        paint,
        height=24 + 180 + 24,
        headline=_indicator_headline(values, labels, name, said, labels.index(str(last["quarter"])), partial),
        alt=f"Line with band, mean {name} per partner, {words.say_period(labels)}. First {words.say_number(known['estimate'].iloc[0])}"
        f" in {known['quarter'].iloc[0]}, last {said} in {last['quarter']}.",
        units=f"{unit}, mean per partner" + (f" ({meaning})" if meaning else ""),
        n=int(last["n"]),
        period=words.say_period(labels),
        note=f"The band is the {100 * level:g}{words.NBSP}% interval of the mean; n is that of {last['quarter']}"
        + (f"; hollow: {words.say_list(partial)} only in part" if partial else ""),
        table=table,
    )


def _indicator_headline(values: np.ndarray, labels: list[str], name: str, said: str, now: int, partial: list[str]) -> str:
    text = f"{words.sentence(name).rstrip('.')}: {said} in {labels[now]}"
    if now == 0 or labels[now] in partial or labels[now - 1] in partial:
        return text
    change, low, high, n = paired_change(values, now)
    if n < 2:
        return text
    direction = claims.direction(low, high)
    if direction == "no clear change":
        return f"{text}; no clear change since {labels[now - 1]}"
    size, interval = words.say_pair(abs(change), *sorted((abs(low), abs(high))), kind="number")
    return f"{text}; {direction} {size} ({interval}) since {labels[now - 1]} among the same partners"


def plot_distribution(values: np.ndarray, *, name: str, quarter: str, lines: dict[str, float], bins: int = 24) -> Picture:
    """Draw how many partners have which score, with named lines.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Of members; NaN is unknown.
    name, quarter : str
        What and when.
    lines : dict of str to float
        Cut lines by name.
    bins : int
        Bars.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        raise SampleError(f"{name} is known for nobody in {quarter}; nothing to draw")
    low, high = trimmed(known)
    low = min(low, 0.0)
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), bins=edges)
    beyond = int(((known < edges[0]) | (known > edges[-1])).sum())
    quarters = np.quantile(known, [0.25, 0.5, 0.75])

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(44, 30, canvas.width - 58, 170)
        canvas.words(6, 12, "partners", size=style.SMALL, colour=style.MUTED)
        value_axis(axes, top=style.nice_ceiling(float(counts.max())), kind="count")
        axes.bar(edges[:-1], counts, width=np.diff(edges) * 0.92, align="edge", color=style.ACCENT, linewidth=0)
        axes.set_xlim(edges[0], edges[-1])
        axes.spines["bottom"].set_visible(True)
        _score_ticks(axes, edges[0], edges[-1])
        for said, place in lines.items():
            axes.axvline(place, color=style.SIGNAL, linewidth=1.4)
            axes.annotate(
                said,
                (place, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize=style.SMALL,
                color=style.SIGNAL,
            )
        canvas.words(44 + (canvas.width - 58) / 2, 30 + 170 + 32, name, ha="center", size=style.SMALL)

    unknown = len(values) - len(known)
    middle = f"half of the partners lie between {words.say_number(quarters[0])} and {words.say_number(quarters[2])}"
    return picture(
        paint,
        height=30 + 170 + 40,
        headline=f"{words.sentence(name).rstrip('.')} in {quarter}: median {words.say_number(quarters[1])}; {middle}",
        alt=f"Bars, number of partners by {name} in {quarter}."
        f" Median {words.say_number(quarters[1])}, {middle}; lowest {words.say_number(known.min())},"
        f" highest {words.say_number(known.max())}."
        + "".join(f" Line {said} at {words.say_number(place)}." for said, place in lines.items()),
        units=f"partners by {name}",
        n=len(known),
        period=quarter,
        note=". ".join(
            ([f"{words.plural(beyond, 'partner')} far outside drawn at the edge"] if beyond else [])
            + ([f"{words.plural(unknown, 'partner')} with unknown {name} not drawn"] if unknown else [])
        ),
        table=pd.DataFrame({"from": edges[:-1], "to": edges[1:], "partners": counts}),
    )


def _score_ticks(axes: object, low: float, high: float) -> None:
    from matplotlib.ticker import MaxNLocator

    places = [place for place in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= place <= high]
    axes.set_xticks(places, [words.say_number(place) for place in places])
