"""Pictures of multi-state results: where partners are over time, how long they stay, when they first arrive, how fast they move."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas, text_width
from partnerlab.show.curves import curve_names, end_names, rising_step, time_axis
from partnerlab.show.intervals import plot_intervals
from partnerlab.show.marks import value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.transitions import (
    Embedding,
    FirstPassage,
    GeneratorEstimate,
    MobilityEstimate,
    SojournEstimate,
    StateHazards,
    StateOccupancy,
    StateProbabilities,
)

#: Curves end where fewer partners than this are in sight; the table holds all of it.
FEWEST_IN_SIGHT = 10


@plot.register(StateOccupancy)
def _occupancy(result: StateOccupancy, *, group: str | None = None, period: str = "") -> Picture:
    table = _one(result.table, result.by, group)
    return plot_occupancy(
        table, states=result.states, level=result.level, period=period or "all rows in sight", estimand=result.estimand,
        time_unit=f"{result.unit}s", among=group or "",
    )  # fmt: skip


@plot.register(StateProbabilities)
def _probabilities(result: StateProbabilities, *, from_state: str | None = None, group: str | None = None, period: str = "") -> Picture:
    known = list(dict.fromkeys(result.table["from_state"]))
    wanted = from_state if from_state is not None else known[0]
    if wanted not in known:
        raise ParameterError(f"nobody was followed from {wanted!r}{nearest(wanted, known)}", from_state=wanted)
    table = _one(result.table, result.by, group)
    table = table[table["from_state"] == wanted].rename(columns={"to_state": "state"})
    among = f"from {wanted}" + (f", {group}" if group else "")
    return plot_occupancy(
        table, states=result.states, level=result.level, period=period or "all rows in sight", estimand=result.estimand,
        time_unit=f"{result.unit}s", among=among,
    )  # fmt: skip


def _one(table: pd.DataFrame, by: str | None, group: str | None) -> pd.DataFrame:
    """Rows of one group."""
    if by is None:
        return table
    known = list(dict.fromkeys(table[by].astype(str)))
    if group is None or group not in known:
        raise ParameterError(f"name the group of {by} to draw: {', '.join(known)}", group=group)
    return table[table[by].astype(str) == group]


def plot_occupancy(
    table: pd.DataFrame, *, states: tuple[str, ...], level: float, period: str, estimand: str, time_unit: str = "quarters", among: str = ""
) -> Picture:
    """Stack the shares of the states over time, each band named at its end, with the number in sight below.

    Parameters
    ----------
    table : DataFrame
        ``state, time, estimate, conf_low, conf_high, n``.
    states : tuple of str
        States from the bottom up.
    level : float
        Coverage of the intervals in the words.
    period, estimand, time_unit, among : str
        Data period; what the shares are; a step of time; of whom.
    """
    seen = table.groupby("time")["n"].max()
    kept = [time for time in seen.index if seen[time] >= FEWEST_IN_SIGHT]
    shown = table[table["time"] <= (max(kept) if kept else -np.inf)].dropna(subset=["estimate"])
    if shown["time"].nunique() < 2:
        raise SampleError(f"no time after the start has {FEWEST_IN_SIGHT} partners in sight; nothing to draw")
    wide = shown.pivot_table(index="time", columns="state", values="estimate").reindex(columns=list(states)).fillna(0.0)
    named = [state for state in states if wide[state].max() > 0]
    colours = style.series_colours(list(states))
    time, top = wide.index.to_numpy(dtype=np.float64), wide.to_numpy().cumsum(axis=1)
    below = 14.0 + 190.0 + 16.0

    def paint(canvas: Canvas) -> None:
        right = min(max(text_width(name, size=style.SMALL, weight="bold") for name in named) + 12, 140.0)
        axes = canvas.axes(42, 14, canvas.width - 42 - right, 190)
        value_axis(axes, top=1.0, kind="share", ticks=5)
        axes.set_xlim(time[0], time[-1])
        for index, state in enumerate(states):
            floor = top[:, index - 1] if index else np.zeros(len(time))
            axes.fill_between(time, floor, top[:, index], step="post", color=colours[state], linewidth=0.4, edgecolor=style.PAPER)
        _band_names(axes, wide, named, colours, right=right)
        places = time_axis(canvas, axes, top=below, end=float(time[-1]), time_unit=time_unit)
        _in_sight(canvas, axes, seen, places=places, top=below + 31, span=(float(time[0]), float(time[-1])))

    ends = shown[shown["time"] == time[-1]].set_index("state")
    said = "; ".join(f"{state} {_share(ends.loc[state])}" for state in named)
    return picture(
        paint,
        height=below + 40,
        headline=_occupancy_headline(shown, named, level=level, time_unit=time_unit) + (f" ({among})" if among else ""),
        alt=f"Stacked bands: {estimand.rstrip('.')}{f', {among}' if among else ''}. "
        f"After {words.say_number(time[-1])} {time_unit}: {said}.",
        units=f"share of partners in each state, by {time_unit}; n counts partners in sight at the most",
        n=int(seen.max()),
        period=period,
        note=f"Intervals in the words are {100 * level:g}{words.NBSP}%; below: partners in sight; "
        f"the picture ends where fewer than {FEWEST_IN_SIGHT} are",
        table=table.reset_index(drop=True),
    )


def _band_names(axes: object, wide: pd.DataFrame, named: list[str], colours: dict[str, str], *, right: float) -> None:
    """Write each state's name beside the end of its band."""
    last = wide.iloc[-1]
    middles = last.cumsum() - last / 2
    inks = {name: style.readable(colours[name]) if colours[name] != style.PALE else style.MUTED for name in named}
    end_names(axes, named, [float(middles[name]) for name in named], colours=inks, right=right)


def _in_sight(canvas: Canvas, axes: object, seen: pd.Series, *, places: np.ndarray, top: float, span: tuple[float, float]) -> None:
    """Write below each place on the axis how many partners are in sight."""
    box = axes.get_position()
    left, width = box.x0 * canvas.width, (box.x1 - box.x0) * canvas.width
    canvas.words(6, top, "n", size=style.SMALL, colour=style.MUTED)
    times = seen.index.to_numpy(dtype=np.float64)
    for place in places:
        if span[0] <= place <= span[1]:
            at = np.searchsorted(times, place + 1e-9, side="right") - 1
            where = left + width * (place - span[0]) / (span[1] - span[0])
            canvas.words(where, top, words.say_count(seen.iloc[max(at, 0)]), size=10, ha="center")


def _share(row: pd.Series) -> str:
    if not np.isfinite(row["conf_low"]):
        return words.say_share(row["estimate"])
    return f"{words.say_share(row['estimate'])} ({words.say_interval(row['conf_low'], row['conf_high'], kind='share')})"


def _occupancy_headline(shown: pd.DataFrame, named: list[str], *, level: float, time_unit: str) -> str:
    """Name the state whose share changed most, where its two intervals do not meet."""
    first, last = shown["time"].min(), shown["time"].max()
    begun, ended = (shown[shown["time"] == time].set_index("state") for time in (first, last))
    found = []
    for state in named:
        edges = [claims.widened(rows.loc[state], level=level, of=len(named)) for rows in (begun, ended)]
        if np.isfinite(edges).all() and (edges[0][1] < edges[1][0] or edges[1][1] < edges[0][0]):
            found.append((abs(ended.loc[state, "estimate"] - begun.loc[state, "estimate"]), state))
    after = f"after {words.say_number(last)} {time_unit}"
    if not found:
        most = ended.loc[named, "estimate"].idxmax()
        return f"No clear change in where partners are: {_share(ended.loc[most])} in {most} {after}"
    state = max(found)[1]
    way = "grows" if ended.loc[state, "estimate"] > begun.loc[state, "estimate"] else "shrinks"
    begins = words.say_share(begun.loc[state, "estimate"])
    return f"{state[:1].upper()}{state[1:]} {way} from {begins} to {_share(ended.loc[state])} of partners {after}"


@plot.register(SojournEstimate)
def _sojourn(result: SojournEstimate, *, period: str = "", rows: int = 25) -> Picture:
    return plot_intervals(
        result.table, keys=result.keys, kind="number", estimand=result.estimand, units=f"{result.unit}s spent in the state",
        period=period or "all rows in sight", level=result.level, rows=rows, headline=_sojourn_headline(result),
    )  # fmt: skip


def _sojourn_headline(result: SojournEstimate) -> str:
    """Say where most time goes, of one group; of several the furthest apart are said."""
    known = result.table.dropna(subset=["estimate", "conf_low"])
    if result.by is not None or known.empty:
        return ""
    high = known.loc[known["estimate"].idxmax()]
    middle, interval = words.say_pair(high["estimate"], high["conf_low"], high["conf_high"], kind="number")
    total = words.say_number(result.tau - result.start)
    others = known[known["state"] != high["state"]]
    clear = len(others) and (others["conf_high"] < high["conf_low"]).all()
    return f"Of {total} {result.unit}s a partner spends {middle} ({interval}) in {high['state']}{', the most' if clear else ''}"


@plot.register(FirstPassage)
def _first_passage(result: FirstPassage, *, period: str = "") -> Picture:
    return plot_first_passage(
        result.table, by=result.by or "", quantiles=result.quantiles, into=" or ".join(result.into), level=result.level,
        period=period or "all rows in sight", estimand=result.estimand, time_unit=f"{result.unit}s",
    )  # fmt: skip


def plot_first_passage(  # noqa: PLR0913 - a picture has to be told what it is
    table: pd.DataFrame, *, by: str, quantiles: pd.DataFrame, into: str, level: float, period: str, estimand: str, time_unit: str
) -> Picture:
    """Draw the share who have arrived as rising steps with bands, one curve for each group.

    Parameters
    ----------
    table : DataFrame
        ``[by?], time, estimate, conf_low, conf_high, n``.
    by : str
        Column of the groups; empty for one curve.
    quantiles : DataFrame
        ``[by?], share`` and the time, with interval.
    into : str
        Where they arrive.
    level : float
        Coverage of the bands.
    period, estimand, time_unit : str
        Data period; what the curve is; a step of time.
    """
    known = table[(table["n"] >= FEWEST_IN_SIGHT) | (table["time"] == table["time"].min())].dropna(subset=["estimate"])
    if known["time"].nunique() < 2:
        raise SampleError(f"no time after the start has {FEWEST_IN_SIGHT} partners in sight; nothing to draw")
    curves = {str(name): rows.sort_values("time") for name, rows in known.groupby(by, sort=False)} if by else {"": known}
    colours = style.series_colours(list(curves))
    end = float(known["time"].max())
    top = min(style.nice_ceiling(float(known["conf_high"].fillna(known["estimate"]).max()) * 1.02), 1.0)

    def paint(canvas: Canvas) -> None:
        right = min(max(text_width(name, size=style.SMALL, weight="bold") for name in curves) + 12, 104.0) if by else 16.0
        axes = canvas.axes(42, 14, canvas.width - 42 - right, 190)
        value_axis(axes, top=top, kind="share", ticks=5)
        axes.set_xlim(0, end)
        for name, frame in curves.items():
            rising_step(axes, frame, colour=colours[name])
        curve_names(axes, curves, colours, right=right, top=top)
        time_axis(canvas, axes, top=14 + 190 + 16, end=end, time_unit=time_unit)

    last = {name: frame.iloc[-1] for name, frame in curves.items()}
    said = "; ".join(f"{name or 'all'} {_share(row)} after {words.say_number(row['time'])} {time_unit}" for name, row in last.items())
    return picture(
        paint,
        height=14 + 190 + 40,
        headline=_passage_headline(last, by, quantiles, into, time_unit, level),
        alt=f"Rising step curve: {estimand.rstrip('.')}. {said}.",
        units=f"share of partners who have entered {into}, by {time_unit}; n counts partners in sight who had not, at the most",
        n=int(table["n"].max()),
        period=period,
        note=f"Bands are {100 * level:g}{words.NBSP}% intervals; curves end where fewer than {FEWEST_IN_SIGHT} are in sight",
        table=table.reset_index(drop=True),
    )


def _passage_headline(last: dict[str, pd.Series], by: str, quantiles: pd.DataFrame, into: str, time_unit: str, level: float) -> str:
    if not by:
        row = next(iter(last.values()))
        half = quantiles[np.isclose(quantiles["share"], 0.5)]
        if len(half) and np.isfinite(half["estimate"].iloc[0]) and half["estimate"].iloc[0] <= row["time"]:
            low, high = (words.say_number(edge) if np.isfinite(edge) else "not reached" for edge in half[["conf_low", "conf_high"]].iloc[0])
            return f"Half have entered {into} after {words.say_number(half['estimate'].iloc[0])} ({low} to {high}) {time_unit}"
        return f"{_share(row)} have entered {into} after {words.say_number(row['time'])} {time_unit}"
    rows = pd.DataFrame(last.values()).assign(**{by: list(last)}).astype({"estimate": float, "conf_low": float, "conf_high": float})
    low, high, clear = claims.furthest_apart(rows, level=level)
    if not clear:
        return f"No clear difference by {by} in who has entered {into}: {_share(low)} to {_share(high)}"
    after = f"after {words.say_number(high['time'])} {time_unit}"
    return f"{_share(high)} of {high[by]} have entered {into} {after}, against {_share(low)} of {low[by]}"


@plot.register(GeneratorEstimate)
def _generator(result: GeneratorEstimate, *, period: str = "", rows: int = 25) -> Picture:
    off = result.table[result.table["from_state"] != result.table["to_state"]]
    known = off[(off["estimate"] > 0) | (off["conf_high"] > 0)]
    move = known["from_state"] + f" {words.ARROW} " + known["to_state"]
    return plot_intervals(
        known.assign(move=move)[["move", "estimate", "std_error", "conf_low", "conf_high", "n"]].reset_index(drop=True), keys=["move"],
        kind="number", estimand=result.estimand, units=f"moves of a partner per {result.unit} in the state left",
        period=period or "all looks at partners", level=result.level, rows=rows,
    )  # fmt: skip


@plot.register(MobilityEstimate)
def _mobility(result: MobilityEstimate, *, period: str = "", rows: int = 25) -> Picture:
    """How long partners stay in each state; the indices are in the words."""
    keys = list(result.stays.columns[: result.stays.columns.get_loc("estimate")])
    shown = result.stays.replace([np.inf], np.nan)
    return plot_intervals(
        shown, keys=keys, kind="number", estimand="Mean number of steps in a state before it is left",
        units="steps in the state before it is left", period=period or "all pairs", level=result.level, rows=rows,
        headline=_mobility_headline(result),
    )  # fmt: skip


def _mobility_headline(result: MobilityEstimate) -> str:
    index = result.table[result.table["index"] == "shorrocks"].dropna(subset=["estimate"])
    if result.by is not None or index.empty:
        return ""
    row = index.iloc[0]
    middle, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    return f"Mobility {middle} ({interval}) on a scale from 0, nobody moves, to 1, where the next state hangs on nothing"


@plot.register(StateHazards)
def _hazards(result: StateHazards, *, period: str = "", rows: int = 25) -> Picture:
    """Draw hazard ratios of every move; the finding is judged on the scale of their logarithms."""
    table = result.table
    what = table["term"] + ", " + table["from_state"] + f" {words.ARROW} " + table["to_state"]
    shown = table.assign(what=what, estimate=table["ratio"], conf_low=table["ratio_low"], conf_high=table["ratio_high"])
    held = table.assign(what=what).dropna(subset=["estimate", "conf_low"])
    clear = [
        row for _, row in held.iterrows() if claims.direction(*claims.widened(row, level=result.level, of=len(held))) != "no clear change"
    ]
    headline = "No covariate clearly goes with moving sooner or later"
    if clear:
        row = max(clear, key=lambda one: abs(one["estimate"]))
        middle, interval = words.say_pair(row["ratio"], row["ratio_low"], row["ratio_high"], kind="number")
        headline = f"{row['what']}: hazard ratio {middle} ({interval}); {len(clear)} of {len(held)} clear"
    return plot_intervals(
        shown[["what", "estimate", "std_error", "conf_low", "conf_high", "n"]], keys=["what"], kind="number", nothing=1.0,
        estimand="Hazard ratio of each covariate on each move; association, not effect", period=period or "all rows in sight",
        units="hazard ratio for one unit more or against the first level", level=result.level, rows=rows, headline=headline,
    )  # fmt: skip


@plot.register(Embedding)
def _embedding(result: Embedding) -> Picture:
    raise ParameterError("generators behind a matrix have no intervals and are read as a table; use .generator(), .distances or tabulate")
