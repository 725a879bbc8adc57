"""Picture of one quarter's moves: partners flow from the tiers of one quarter to those of the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas, text_width, wrap
from partnerlab.show.marks import spread_labels
from partnerlab.show.picture import Picture, picture

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory

_GAP, _LABEL = 12.0, 96.0
_STATES = {-1: "unknown", -2: "joined", -3: "lapsed"}


def plot_flows(
    history: TierHistory, *, quarter: str | None = None, noise: Any = None, movers: Any = None, stage: str = "published"
) -> Picture:
    """Draw who went where from the quarter before to a quarter.

    Parameters
    ----------
    history : TierHistory
        The tiers.
    quarter : str, optional
        The quarter moved into; the last, if not given.
    noise : NoiseBaseline, TransitionEstimate or DataFrame, optional
        What would have moved with nobody doing anything: its part of every flow is hatched.
    movers : Movers, optional
        Of the same quarter: how many noise alone would have moved from where partners stood, for the headline.
    stage : str
        Which of the four tiers.
    """
    column = history.column(quarter) if quarter else history.shape[1] - 1
    if column == 0:
        raise ParameterError(f"{history.labels[0]} is the first quarter of the history; nothing flows into it")
    moves = count_flows(history, column, stage=stage)
    heights = dict(zip(history.tiers, history.rank, strict=True))
    expected = None if movers is None else (movers.expected, movers.expected_low, movers.expected_high)
    if movers is not None and movers.quarter != history.labels[column]:
        raise ParameterError(
            f"the movers are those of {movers.quarter}, the flows those of {history.labels[column]}; detect them for the same quarter"
        )
    quarters = (history.labels[column - 1], history.labels[column])
    return draw_flows(moves, heights=heights, quarters=quarters, noise=_noise(noise), expected=expected)


def count_flows(history: TierHistory, column: int, *, stage: str = "published") -> pd.DataFrame:
    """Partners by tier before and after: ``from_tier, to_tier, partners``; joined, lapsed and unknown are states of their own."""
    codes = getattr(history, stage)[:, column - 1 : column + 1]
    pairs = pd.DataFrame(codes, columns=["one", "two"]).value_counts(sort=False).reset_index()
    name = {**dict(enumerate(history.tiers)), **_STATES}
    pairs["from_tier"] = pairs["one"].map(name).replace({"lapsed": "returned"})
    pairs["to_tier"] = pairs["two"].map(name)
    outside = (pairs["one"] < 0) & (pairs["two"] < 0)
    return pairs.loc[~outside, ["from_tier", "to_tier", "count"]].rename(columns={"count": "partners"}).reset_index(drop=True)


def _noise(given: Any) -> pd.DataFrame | None:
    """Share of each move under noise alone: ``from_tier, to_tier, noise``."""
    if given is None:
        return None
    table = given if isinstance(given, pd.DataFrame) else given.table
    column = "noise" if "noise" in table.columns else "estimate"
    if "noise" not in table.columns and type(given).__name__ == "TransitionEstimate":
        raise ParameterError("the transition estimate knows no noise; estimate it with noise=estimate_noise(...)")
    return table[["from_tier", "to_tier"]].assign(noise=table[column].to_numpy())


def draw_flows(
    moves: pd.DataFrame, *, heights: dict[str, int | None], quarters: tuple[str, str], noise: pd.DataFrame | None = None,
    expected: tuple[float, float, float] | None = None,
) -> Picture:  # fmt: skip
    """Draw flows between two quarters as ribbons.

    Parameters
    ----------
    moves : DataFrame
        ``from_tier, to_tier, partners``.
    heights : dict
        Rank of each tier, in the order in which they are drawn.
    quarters : tuple of str
        Before and after.
    noise : DataFrame, optional
        ``from_tier, to_tier, noise``: share of a tier that would have made the move by noise alone.
    expected : tuple of float, optional
        How many moves noise alone would have made, with the interval for one quarter; worked out from ``noise`` if not given.
    """
    (before, after), tiers = quarters, tuple(heights)
    if moves["partners"].sum() == 0:
        raise SampleError(f"no partner is in a tier in {before} or {after}; nothing to draw")
    moves = _with_noise(moves, tiers, noise)
    left = [name for name in (*tiers, "joined", "returned", "unknown") if name in set(moves["from_tier"])]
    right = [name for name in (*tiers, "lapsed", "unknown") if name in set(moves["to_tier"])]
    tall = max(270.0, 36.0 * max(len(left), len(right)))
    unit = (tall - _GAP * (max(len(left), len(right)) - 1)) / moves["partners"].sum()

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(_LABEL, 22, canvas.width - 2 * _LABEL, tall)
        axes.set(xlim=(0, 1), ylim=(tall, 0), xticks=[], yticks=[])
        canvas.words(_LABEL, 12, before, ha="right", weight="bold")
        canvas.words(canvas.width - _LABEL, 12, after, weight="bold")
        starts = _nodes(canvas, axes, moves, left, "from_tier", unit)
        stops = _nodes(canvas, axes, moves, right, "to_tier", unit)
        _ribbons(axes, moves, starts, stops, unit=unit, heights=heights)
        _reading(canvas, 22 + tall + 20, noisy=noise is not None)

    inside = moves["from_tier"].isin(tiers) & moves["to_tier"].isin(tiers)
    changed = moves[inside & (moves["from_tier"] != moves["to_tier"])]
    return picture(
        paint,
        height=22 + tall + 26,
        headline=_headline(moves[inside], changed, quarters, expected or _expected(moves[inside])),
        alt=f"Flows from tiers in {before} to tiers in {after}. {_flow_words(moves)}.",
        units="partners; the height of a ribbon is the number of partners",
        n=int(moves["partners"].sum()),
        period=f"{before} to {after}",
        note="Hatched: as many as would have made the move with nobody doing anything"
        if noise is not None
        else "How much of it is noise is not shown",
        table=moves,
    )


def _with_noise(moves: pd.DataFrame, tiers: tuple[str, ...], noise: pd.DataFrame | None) -> pd.DataFrame:
    """Add ``at_risk`` (partners of the tier who are in some tier after) and ``by_noise`` (how many of them would move anyway)."""
    stayed = moves["from_tier"].isin(tiers) & moves["to_tier"].isin(tiers)
    at_risk = moves.loc[stayed].groupby("from_tier")["partners"].sum()
    moves = moves.assign(at_risk=moves["from_tier"].map(at_risk).where(stayed), by_noise=np.nan)
    if noise is None:
        return moves
    among = noise[noise["to_tier"].isin(tiers)]
    whole = among.groupby("from_tier")["noise"].transform("sum")
    share = {
        (row.from_tier, row.to_tier): row.noise / total if total else np.nan for row, total in zip(among.itertuples(), whole, strict=True)
    }
    found = np.array([share.get((row.from_tier, row.to_tier), np.nan) for row in moves.itertuples()], dtype=np.float64)
    return moves.assign(by_noise=found * moves["at_risk"].to_numpy(dtype=np.float64))


def _nodes(canvas: Canvas, axes: Any, moves: pd.DataFrame, names: list[str], side: str, unit: float) -> dict[str, float]:
    """Draw the bars of one side with their names; gives the top of each."""
    sizes = moves.groupby(side)["partners"].sum()
    tops, place = {}, 0.0
    for name in names:
        tops[name] = place
        place += sizes[name] * unit + _GAP
    before = side == "from_tier"
    edge = 0.0 if before else 1.0
    texts = [[*wrap(name, width=_LABEL - 16, size=style.SMALL, most=2), words.say_count(sizes[name])] for name in names]
    middles = [tops[name] + sizes[name] * unit / 2 for name in names]
    spread = spread_labels(middles, gap=[12.5 * len(text) + 2 for text in texts], low=8.0, high=place - _GAP - 8.0)
    for name, text, middle in zip(names, texts, spread, strict=True):
        axes.plot(
            [edge, edge],
            [tops[name], tops[name] + sizes[name] * unit],
            color=style.INK,
            linewidth=4,
            solid_capstyle="butt",
            clip_on=False,
            zorder=5,
        )
        for step, line in enumerate(text):
            canvas.words(
                _LABEL - 8 if before else canvas.width - _LABEL + 8, 22 + middle + 4 + 12.5 * (step - (len(text) - 1) / 2), line,
                ha="right" if before else "left", size=style.SMALL, weight="bold" if step == len(text) - 1 else "normal",
            )  # fmt: skip
    return tops


def _ribbons(
    axes: Any, moves: pd.DataFrame, starts: dict[str, float], stops: dict[str, float], *, unit: float, heights: dict[str, int | None]
) -> None:
    found = {(row.from_tier, row.to_tier): row for row in moves.itertuples()}
    left, right = list(starts), list(stops)
    starts, stops = dict(starts), dict(stops)
    places = {}
    for source in left:
        for target in right:
            if (source, target) in found:
                places[source, target] = starts[source]
                starts[source] += found[source, target].partners * unit
    for target in right:
        for source in left:
            if (source, target) in found:
                row = found[source, target]
                _ribbon(axes, row, places[source, target], stops[target], unit, _colour(source, target, heights))
                stops[target] += row.partners * unit


def _colour(source: str, target: str, heights: dict[str, int | None]) -> str:
    if source == target or source not in heights or target not in heights:
        return style.PALE
    one, other = heights[source], heights[target]
    if one is None or other is None or one == other:
        return style.MUTED
    return style.ACCENT if other > one else style.SIGNAL


def _ribbon(axes: Any, row: Any, start: float, stop: float, unit: float, colour: str) -> None:
    """One flow: the part that noise would have made hatched, the rest plain; its count beside its start."""
    tall = row.partners * unit
    moved = row.from_tier != row.to_tier
    noisy = min(row.by_noise, row.partners) * unit if moved and not np.isnan(row.by_noise) else 0.0
    for low, high, hatched in ((0.0, noisy, True), (noisy, tall, False)):
        if high - low > 1e-9:
            patch = _band(start + low, start + high, stop + low, stop + high)
            face = style.blend(0.45, low=style.PAPER, high=colour) if hatched else colour
            axes.add_patch(patch)
            patch.set(facecolor=face, edgecolor=style.PAPER, linewidth=0.4, alpha=0.95 if moved else 0.55, zorder=3 if moved else 1)
            if hatched:
                patch.set_hatch("/////")
    if moved and tall >= 4 and colour != style.PALE:
        axes.text(
            0.02,
            start + tall / 2,
            words.say_count(row.partners),
            va="center",
            fontsize=10,
            color=style.readable(colour),
            zorder=6,
            fontweight="bold",
            bbox={"facecolor": style.PAPER, "pad": 0.8, "linewidth": 0, "alpha": 0.85},
        )


def _band(start_low: float, start_high: float, stop_low: float, stop_high: float) -> Any:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [
        (0, start_low), (0.45, start_low), (0.55, stop_low), (1, stop_low),
        (1, stop_high), (0.55, stop_high), (0.45, start_high), (0, start_high), (0, start_low),
    ]  # fmt: skip
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.CLOSEPOLY]
    return PathPatch(Path(corners, codes))


def _reading(canvas: Canvas, top: float, *, noisy: bool) -> None:
    left = 6.0
    parts = [("■ up", style.ACCENT), ("■ down", style.SIGNAL), ("■ stayed, came or left", style.MUTED)] + (
        [("▨ as noise alone would", style.INK)] if noisy else []
    )
    for text, colour in parts:
        canvas.words(left, top, text, size=style.SMALL, colour=colour)
        left += text_width(text, size=style.SMALL) + 10


def _headline(inside: pd.DataFrame, changed: pd.DataFrame, quarters: tuple[str, str], expected: tuple[float, float, float] | None) -> str:
    moved, of = int(changed["partners"].sum()), int(inside["partners"].sum())
    text = f"{words.say_count(moved)} of {words.plural(of, 'partner')} changed tier from {quarters[0]} to {quarters[1]}"
    if expected is None or np.isnan(expected[0]):
        return text
    mean, low, high = expected
    said = f"{words.say_count(mean)} ({words.say_interval(low, high, kind='count')}) by noise alone"
    verdict = "more than" if moved > high else "fewer than" if moved < low else "no clear difference from"
    return f"{text}: {verdict} the {said}"


def _expected(inside: pd.DataFrame) -> tuple[float, float, float] | None:
    """How many would move by noise alone, and the interval for one quarter; partners taken as independent."""
    if inside["by_noise"].isna().all():
        return None
    share = {tier: rows.loc[rows["to_tier"] != tier, "by_noise"].sum() for tier, rows in inside.groupby("from_tier")}
    stay = {tier: rows.loc[rows["to_tier"] == tier, "by_noise"].sum() for tier, rows in inside.groupby("from_tier")}
    at_risk = inside.groupby("from_tier")["at_risk"].first()
    # moves that nobody made have no row: what does not stay moves
    moves = {tier: max(at_risk[tier] - stay[tier], share[tier]) for tier in share}
    mean = sum(moves.values())
    variance = sum(count * (1 - count / at_risk[tier]) for tier, count in moves.items() if at_risk[tier])
    reach = claims.critical(0.95) * max(variance, 0.0) ** 0.5
    return float(mean), float(max(mean - reach, 0.0)), float(mean + reach)


def _flow_words(moves: pd.DataFrame) -> str:
    largest = moves[moves["from_tier"] != moves["to_tier"]].sort_values("partners", ascending=False, kind="stable").head(8)
    stayed = moves.loc[moves["from_tier"] == moves["to_tier"], "partners"].sum()
    parts = []
    for row in largest.itertuples():
        noise = "" if np.isnan(row.by_noise) else f" (noise alone {words.say_number(row.by_noise, digits=2)})"
        parts.append(f"{row.from_tier} to {row.to_tier} {words.say_count(row.partners)}{noise}")
    return (
        f"{words.plural(stayed, 'partner')} stayed; {'; '.join(parts)}"
        if parts
        else f"{words.plural(stayed, 'partner')} stayed, none moved"
    )
