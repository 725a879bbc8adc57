"""Pictures of transition probabilities: a heat table with intervals and noise, or staying by group."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import TIDY
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas, retitled, text_width, wrap
from partnerlab.show.marks import interval_mark, reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView
from partnerlab.show.tabulation import estimates_view, tabulate
from partnerlab.transitions import NoiseBaseline, TransitionEstimate


@plot.register(TransitionEstimate)
def _transitions(result: TransitionEstimate, *, group: str | None = None, period: str = "") -> Picture:
    segments = [key for key in result.keys if key not in ("from_tier", "to_tier")]
    period = period or _period(result)
    if segments and group is None:
        return plot_staying(result.table, by=segments[0], level=result.level, period=period)
    cells = pick_group(result.table, segments, group)
    return plot_matrix(cells, level=result.level, period=period, among=group or "")


@plot.register(NoiseBaseline)
def _noise(result: NoiseBaseline, *, period: str = "") -> Picture:
    drawn = plot_matrix(result.table, level=result.level, period=period or "all pairs of neighbouring quarters, drawn again")
    moved = result.moved.iloc[0]
    said = f"{_stay(moved)} of partners would change tier in a quarter by noise alone"
    return dataclasses.replace(drawn, headline=said, drawing=retitled(drawn.drawing, said))


@tabulate.register(TransitionEstimate)
def _transition_table(
    result: TransitionEstimate, *, group: str | None = None, view: str = "list", caption: str = "", rows: int | None = None
) -> TableView:
    segments = [key for key in result.keys if key not in ("from_tier", "to_tier")]
    cells = pick_group(result.table, segments, group) if group is not None else result.table
    if view == "matrix":
        return matrix_view(cells, caption=caption or f"{result.estimand} Interval at {100 * result.level:g}{words.NBSP}%")
    noisy = "noise" in cells.columns
    shown = cells[[*result.keys, *TIDY]]
    if noisy:
        shown = shown.assign(noise_alone=[_noise_words(row) for row in cells.itertuples()])
    view = estimates_view(shown, keys=result.keys, kind="share", level=result.level, caption=caption or result.estimand, rows=rows)
    return dataclasses.replace(view, numeric=(*view.numeric[:-1], True) if noisy else view.numeric, frame=cells.reset_index(drop=True))


def _noise_words(row: object) -> str:
    """Write what noise alone would do; who lapses is a fact, and has none."""
    if np.isnan(row.noise):
        return "does not apply"
    if row.noise == 0:
        return "counts cannot make this move"
    return f"{words.say_share(row.noise)} ({words.say_interval(row.noise_low, row.noise_high, kind='share')})"


def _period(result: TransitionEstimate) -> str:
    return words.say_period(list(result.quarters)) if all(result.quarters) else "all pairs of neighbouring quarters"


def pick_group(table: pd.DataFrame, segments: Sequence[str], group: str | None) -> pd.DataFrame:
    """Rows of one group; refuses a group that is not there."""
    if not segments:
        if group is not None:
            raise ParameterError(f"the result has no groups, so {group!r} cannot be picked; estimate it with by=", group=group)
        return table
    known = list(dict.fromkeys(table[segments[0]].astype(str)))
    if group is None and len(known) == 1:
        return table
    if str(group) not in known:
        raise ParameterError(f"no group {group!r} in column {segments[0]}{nearest(str(group), known)}", group=group)
    return table[table[segments[0]].astype(str) == str(group)]


def plot_matrix(cells: pd.DataFrame, *, level: float, period: str, among: str = "") -> Picture:
    """Draw the share of each tier's partners in each tier a quarter later, with intervals and what noise alone would do.

    Parameters
    ----------
    cells : DataFrame
        ``from_tier, to_tier, estimate, conf_low, conf_high, n`` and, where known, ``noise, noise_low, noise_high``.
    level : float
        Coverage of the intervals.
    period : str
        Data period, for the caption.
    among : str
        Name of the group, if it is one.
    """
    if not (cells["n"] > 0).any():
        raise SampleError("nobody was at risk of moving between tiers; nothing to draw")
    cells = cells.reset_index(drop=True).assign(against=claims.against_noise(cells, level=level))
    sources, targets = list(dict.fromkeys(cells["from_tier"])), list(dict.fromkeys(cells["to_tier"]))
    noisy = "noise" in cells.columns
    tall = 47.0 if noisy else 42.0
    top = 20.0 + max(text_width(tier, size=style.SMALL) for tier in targets) * 0.62

    def paint(canvas: Canvas) -> None:
        left = 88.0
        wide = (canvas.width - left - 24) / len(targets)
        canvas.words(6, top - 8, "from", size=style.SMALL, colour=style.MUTED)
        for column, tier in enumerate(targets):
            canvas.words(left + wide * (column + 0.4), top - 7, tier, size=style.SMALL, rotation=38, rotation_mode="anchor")
        for index, tier in enumerate(sources):
            _source_label(canvas, top + tall * index, tall, tier, cells)
        for cell in cells.itertuples():
            box = (left + wide * targets.index(cell.to_tier), top + tall * sources.index(cell.from_tier), wide, tall)
            _heat_cell(canvas, box, cell, noisy=noisy)

    said = _matrix_headline(cells, noisy=noisy) + (f" ({among})" if among else "")
    reading = f"Large: share; below it the {100 * level:g}{words.NBSP}% interval" + (
        "; in brackets what noise alone would do, with ▲ or ▼ where the share is clearly above or below that; "
        "(–) where counts cannot make the move"
        if noisy
        else ""
    )
    at_risk = cells.drop_duplicates("from_tier")["n"].sum()
    return picture(
        paint,
        height=top + tall * len(sources) + 6,
        headline=said,
        alt=f"Heat table, from tier (rows) to tier one quarter later (columns). {_matrix_words(cells)}",
        units="share of the partners of a row's tier, one quarter later; n counts partner-quarters at risk",
        n=int(at_risk),
        period=period,
        note=reading,
        table=cells.drop(columns="against"),
    )


def _source_label(canvas: Canvas, top: float, tall: float, tier: str, cells: pd.DataFrame) -> None:
    lines = wrap(tier, width=78, size=style.SMALL, weight="bold", most=2)
    start = top + tall / 2 - (len(lines) + 1) * 6.5 + 9
    for line in lines:
        canvas.words(6, start, line, size=style.SMALL, weight="bold")
        start += 13
    n = cells.loc[cells["from_tier"] == tier, "n"].max()
    canvas.words(6, start, words.say_n(n), size=10, colour=style.MUTED)


def _heat_cell(canvas: Canvas, box: tuple[float, float, float, float], cell: object, *, noisy: bool) -> None:
    from matplotlib.patches import Rectangle

    left, top, wide, tall = box
    known = not np.isnan(cell.estimate)
    colour = style.blend(cell.estimate**0.7) if known else style.PAPER
    corner = ((left + 0.75) / canvas.width, 1 - (top + tall - 0.75) / canvas.height)
    canvas.figure.add_artist(
        Rectangle(corner, (wide - 1.5) / canvas.width, (tall - 1.5) / canvas.height, facecolor=colour, edgecolor=style.GRID, linewidth=0.5)
    )
    ink = style.readable_on(colour)
    centre = left + wide / 2
    if not known:
        canvas.words(centre, top + tall / 2 - 2, "not", size=9, ha="center", colour=style.MUTED)
        canvas.words(centre, top + tall / 2 + 9, "enough", size=9, ha="center", colour=style.MUTED)
        return
    mark = {1: " ▲", -1: " ▼", 0: ""}[int(cell.against)]
    small = 10 if wide >= 46 else 9
    say = functools.partial(words.say_share, unit=False) if wide >= 56 else _whole
    canvas.words(centre, top + 17, say(cell.estimate) + mark, size=12.5 if wide >= 46 else 11, weight="bold", ha="center", colour=ink)
    if not np.isnan([cell.conf_low, cell.conf_high]).any():
        canvas.words(centre, top + 29, f"{say(cell.conf_low)}–{say(cell.conf_high)}", size=small, ha="center", colour=ink)
    if noisy and not np.isnan(cell.noise):
        canvas.words(centre, top + 41, f"({say(cell.noise) if cell.noise else '–'})", size=small, ha="center", colour=ink)


def _whole(share: float) -> str:
    """Write a share in whole per cent, for narrow cells; still never 0 or 100 for what is only near it."""
    if np.isnan(share):
        return "–"
    percent = round(100 * share)
    if percent == 0 and share > 0.0005:
        return "<1"
    return ">99" if percent == 100 and share < 0.9995 else f"{percent}"


def _matrix_headline(cells: pd.DataFrame, *, noisy: bool) -> str:
    known = cells.dropna(subset=["estimate"])
    if known.empty:
        return f"Not enough data to say how partners move ({words.say_n(cells['n'].max())} at most in a tier)"
    moves = known[known["from_tier"] != known["to_tier"]]
    if noisy:
        # who lapses is a fact, and some lines are no matter of counting: noise of counts does not cross them
        moves = moves[moves["noise"] > 0]
    if noisy and len(moves):
        more = moves[moves["against"] > 0]
        if more.empty:
            return "No move between tiers is clearly more frequent than noise alone would make it"
        best = more.loc[(more["estimate"] - more["noise"]).idxmax()]
        return (
            f"{len(more)} of {words.plural(len(moves), 'kind')} of move {'is' if len(more) == 1 else 'are'} clearly more frequent"
            " than noise alone would make it;"
            f" furthest above it: {_cell_words(best)}"
        )
    stays = known[(known["from_tier"] == known["to_tier"]) & (known["from_tier"] != "lapsed")]
    if stays.empty:
        return f"Most frequent move: {_cell_words(known.loc[known['estimate'].idxmax()])}"
    low, high, clear = claims.furthest_apart(stays)
    if clear:
        return f"{high['from_tier']} holds its partners best, {low['from_tier']} least: {_stay(high)} stay a quarter against {_stay(low)}"
    return f"No tier clearly holds its partners better than another: {_stay(low)} to {_stay(high)} stay a quarter"


def _stay(row: pd.Series) -> str:
    return f"{words.say_share(row['estimate'])} ({words.say_interval(row['conf_low'], row['conf_high'], kind='share')})"


def _cell_words(row: pd.Series) -> str:
    noise = f", noise alone {words.say_share(row['noise'])}" if "noise" in row.index and not np.isnan(row["noise"]) else ""
    return f"{row['from_tier']} {words.ARROW} {row['to_tier']} {_stay(row)}{noise}"


def _matrix_words(cells: pd.DataFrame) -> str:
    parts = []
    for tier, rows in cells.groupby("from_tier", sort=False):
        if rows["estimate"].isna().all():
            parts.append(f"{tier}: {words.say_not_enough(rows['n'].max())}.")
            continue
        cells_said = [f"{row['to_tier']} {_stay(row)}" for _, row in rows.iterrows() if row["estimate"] >= 0.01]
        parts.append(f"From {tier} ({words.say_n(rows['n'].max())}): {', '.join(cells_said)}.")
    return " ".join(parts)


def matrix_view(cells: pd.DataFrame, *, caption: str) -> TableView:
    """Write the cells as a matrix: one row for each tier left, one column for each tier reached, shaded by share."""
    sources, targets = list(dict.fromkeys(cells["from_tier"])), list(dict.fromkeys(cells["to_tier"]))
    found = {(row["from_tier"], row["to_tier"]): row for _, row in cells.iterrows()}
    lines, shades = [], []
    for source in sources:
        row = [found.get((source, target)) for target in targets]
        n = max((float(cell["n"]) for cell in row if cell is not None), default=0.0)
        lines.append((source, words.say_count(n), *(_matrix_text(cell) for cell in row)))
        shades.append((None, None, *(None if cell is None else float(cell["estimate"]) ** 0.7 for cell in row)))
    heads = ("from tier", "n", *(f"to {target}" for target in targets))
    numeric = (False, *[True] * (len(targets) + 1))
    return TableView(
        caption=caption, heads=heads, rows=tuple(lines), numeric=numeric, shades=tuple(shades), frame=cells.reset_index(drop=True)
    )


def _matrix_text(cell: pd.Series | None) -> str:
    if cell is None:
        return "none"
    if np.isnan(cell["estimate"]):
        return words.say_not_enough(cell["n"])
    noise = f"; noise {words.say_share(cell['noise'])}" if "noise" in cell.index and cell["noise"] > 0 else ""
    return _stay(cell) + noise


def plot_staying(table: pd.DataFrame, *, by: str, level: float, period: str) -> Picture:
    """Draw, for each tier, the share of partners who stay a quarter, one interval for each group."""
    stays = table[(table["from_tier"] == table["to_tier"]) & (table["from_tier"] != "lapsed")].reset_index(drop=True)
    if stays["estimate"].notna().sum() == 0:
        raise SampleError(f"no group of {by} has enough partners at risk in any tier; estimate without by=")
    tiers = list(dict.fromkeys(stays["from_tier"]))
    groups = stays[by].nunique()
    line, head = 17.0, 22.0
    block = head + line * groups

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(104, 6, canvas.width - 104 - 22, block * len(tiers))
        axes.set_ylim(block * len(tiers), 0)
        axes.set_yticks([])
        reach_axis(axes, low=0, high=1, kind="share")
        for index, tier in enumerate(tiers):
            canvas.words(6, 6 + block * index + 14, tier, weight="bold", size=style.SMALL)
            for step, (_, row) in enumerate(stays[stays["from_tier"] == tier].iterrows()):
                _stay_row(canvas, axes, head + block * index + line * (step + 0.5), row, by=by)

    said = "; ".join(
        f"{row['from_tier']}, {row[by]}: {words.say_estimate(*row[list(_ESTIMATE)], kind='share')}" for _, row in stays.iterrows()
    )
    return picture(
        paint,
        height=6 + block * len(tiers) + 24,
        headline=_staying_headline(stays, by=by, level=1 - 0.05 / len(tiers)),
        alt=f"Dots with intervals, share of partners staying in their tier for a quarter, by {by}. {said}.",
        units="share staying in the tier, one quarter later; n counts partner-quarters at risk",
        n=int(stays["n"].sum()),
        period=period,
        note=f"Bars are {100 * level:g}{words.NBSP}% intervals",
        table=table.reset_index(drop=True),
    )


_ESTIMATE = ("estimate", "conf_low", "conf_high", "n")


def _stay_row(canvas: Canvas, axes: object, place: float, row: pd.Series, *, by: str) -> None:
    from partnerlab.show.canvas import shorten

    canvas.words(12, 6 + place + 4, shorten(str(row[by]), width=86, size=style.SMALL), size=style.SMALL)
    if np.isnan(row["estimate"]):
        axes.text(0.01, place, words.say_not_enough(row["n"]), va="center", fontsize=10, color=style.MUTED)
    else:
        interval_mark(axes, place, row["conf_low"], row["conf_high"], row["estimate"], size=6)


def _staying_headline(stays: pd.DataFrame, *, by: str, level: float) -> str:
    apart = []
    for tier, rows in stays.dropna(subset=["estimate"]).groupby("from_tier", sort=False):
        low, high, clear = claims.furthest_apart(rows, level=level)
        if clear:
            apart.append((high["estimate"] - low["estimate"], tier, high, low))
    if not apart:
        return f"In no tier does staying differ clearly by {by}"
    _, tier, high, low = max(apart, key=lambda found: found[0])
    return f"{tier} is kept best in {high[by]}, {_stay(high)}, and least in {low[by]}, {_stay(low)}"
