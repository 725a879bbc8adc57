"""Picture of where partners stand on the two axes of a quadrant, with the lines and who is near one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.marks import trimmed
from partnerlab.show.picture import Picture, picture

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory

#: More dots than this are drawn as squares of a density.
MOST_DOTS = 2000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One axis of the quadrant in one quarter.

    Parameters
    ----------
    name : str
        What is measured, with its unit.
    values : ndarray, shape (n,)
        What is drawn: the number itself, or a multiple of the partner's own line where lines differ.
    line : float
        The line on that scale; NaN if there is none.
    """

    name: str
    values: np.ndarray
    line: float


def plot_quadrant(history: TierHistory, *, quarter: str | None = None, borderline: float | None = None) -> Picture:
    """Draw the partners of a quarter on the two axes of their quadrant scheme.

    Parameters
    ----------
    history : TierHistory
        Assigned by a quadrant scheme, with its scores.
    quarter : str, optional
        The last, if not given.
    borderline : float, optional
        Share of a line within which a partner counts as near it; the scheme's margin, or 10 %.
    """
    column = history.column(quarter) if quarter else history.shape[1] - 1
    rule = getattr(history.scheme, "classify", None)
    if getattr(rule, "kind", "") != "quadrant" or history.scores is None:
        raise ParameterError("only a history assigned by a quadrant scheme has two axes to draw; use view='counts'")
    margin = borderline if borderline is not None else float(getattr(history.scheme.movement, "margin", 0) or 0.10)
    x, y = (_side(history, name, column) for name in ("x", "y"))
    codes = history.published[:, column]
    inside = codes >= 0
    drawn = inside & np.isfinite(x.values) & np.isfinite(y.values)
    points = pd.DataFrame({"partner": history.partners[drawn], "tier": np.array(history.tiers, dtype=object)[codes[drawn]]})
    points["x"], points["y"] = x.values[drawn], y.values[drawn]
    corners = {place: rule.cells[place] for place in ("high_high", "low_high", "high_low", "low_low")}
    return draw_quadrant(
        points,
        x=x,
        y=y,
        corners=corners,
        margin=margin,
        quarter=history.labels[column],
        hidden=int((inside & ~drawn).sum()),
        tiers=history.tiers,
    )


def _side(history: TierHistory, name: str, column: int) -> Side:
    """Read one axis; where lines differ between partners, values become multiples of the partner's own line."""
    axis, panel = history.axis(name), history.scores.panel
    values, lines = axis.values[:, column].astype(np.float64), axis.line[:, column].astype(np.float64)
    unit = panel.indicator(axis.name).unit if panel.known(axis.name) and axis.name not in history.scores.values else ""
    plain = axis.name.replace("_", " ")
    said = plain + (f" ({unit})" if unit and unit not in axis.name else "")
    known = np.unique(lines[np.isfinite(lines)])
    if len(known) <= 1:
        return Side(name=said, values=values, line=float(known[0]) if len(known) else np.nan)
    if (known > 0).all():
        return Side(name=f"{plain}, in multiples of the {axis.within or 'own'} line", values=values / lines, line=1.0)
    return Side(name=f"{said}, less the {axis.within or 'own'} line", values=values - lines, line=0.0)


def draw_quadrant(  # noqa: PLR0913 - a picture of two axes
    points: pd.DataFrame, *, x: Side, y: Side, corners: dict[str, str], margin: float, quarter: str, tiers: tuple[str, ...], hidden: int = 0
) -> Picture:
    """Draw points with lines, corner names and the zone near a line."""
    if points.empty:
        raise SampleError(f"no partner has both numbers in {quarter}; nothing to draw")
    near = _near(points["x"].to_numpy(), x.line, margin) | _near(points["y"].to_numpy(), y.line, margin)
    points = points.assign(borderline=near)
    drawn = points.assign(x=_inside(points["x"].to_numpy(), x.line), y=_inside(points["y"].to_numpy(), y.line))
    beyond = int(((drawn["x"] != points["x"]) | (drawn["y"] != points["y"])).sum())
    colours = style.series_colours(list(tiers))
    counts = points["tier"].value_counts()

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(40, 34, canvas.width - 54, 270)
        _scale(axes, "x", drawn["x"].to_numpy(), x.line)
        _scale(axes, "y", drawn["y"].to_numpy(), y.line)
        _zones(axes, x.line, y.line, margin)
        (_squares if len(points) > MOST_DOTS else _dots)(axes, drawn, colours)
        axes.spines[["left", "bottom"]].set_visible(True)
        canvas.words(40, 330 + 8, shorten(f"{x.name} {words.ARROW}", width=canvas.width - 54, size=style.SMALL), size=style.SMALL)
        canvas.words(6, 12, shorten(f"↑ {y.name}", width=canvas.width - 12, size=style.SMALL), size=style.SMALL)
        _corner_names(canvas, corners, counts, colours)

    said = ", ".join(f"{tier} {words.say_count(counts.get(tier, 0))}" for tier in tiers if counts.get(tier, 0))
    share = f"{words.say_count(near.sum())} of {words.plural(len(points), 'partner')}"
    return picture(
        paint,
        height=346,
        headline=f"{share} stand within {words.say_share(margin)} of a line in {quarter}: a small difference decides their tier",
        alt=f"Points, one for each partner in {quarter}, {x.name} across and {y.name} up, with the cut lines."
        f" {said}. {share} are near a line.",
        units=f"{x.name}; {y.name}",
        n=len(points),
        period=quarter,
        note="Colour is the published tier: movement rules can keep a partner in a tier on the other side of a line; shaded: near a line"
        + (f". {words.plural(beyond, 'partner')} far outside drawn at the edge" if beyond else "")
        + (f". {words.plural(hidden, 'partner')} with an unknown number not drawn" if hidden else ""),
        table=points.reset_index(drop=True) if len(points) <= MOST_DOTS else _totals(points),
    )


def _totals(points: pd.DataFrame) -> pd.DataFrame:
    """Count partners by tier and nearness to a line: what stands behind a density."""
    return points.groupby(["tier", "borderline"], sort=True).size().rename("partners").reset_index()


def _inside(values: np.ndarray, line: float) -> np.ndarray:
    """Bring what lies far outside to the edge of what is drawn; the line is always inside."""
    low, high = trimmed(values)
    known = [line] if np.isfinite(line) else []
    return np.clip(values, min([low, *known]), max([high, *known]))


def _near(values: np.ndarray, line: float, margin: float) -> np.ndarray:
    if np.isnan(line):
        return np.zeros(len(values), dtype=bool)
    return np.abs(values - line) <= margin * (abs(line) or np.nanstd(values))


def _scale(axes: Any, which: str, values: np.ndarray, line: float) -> None:
    """Straight scale, or a square root where a few partners are far above the rest."""
    from matplotlib.ticker import MaxNLocator

    top = float(max(values.max(), line if np.isfinite(line) else -np.inf))
    bottom = float(min(values.min(), 0.0))
    skewed = bottom >= 0 and top > 4 * max(float(np.quantile(values, 0.9)), line if np.isfinite(line) else 0, 1e-12)
    whole = bool((values == np.round(values)).all())
    places = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(bottom, top)
    if skewed:
        getattr(axes, f"set_{which}scale")("function", functions=(_root, np.square))
        places = style.nice_ceiling(top) * np.array([0, 0.01, 0.05, 0.2, 0.5, 1.0])
        places = np.unique(np.round(places)) if whole else places
    room = (top - bottom) * 0.03
    getattr(axes, f"set_{which}lim")(0 if skewed else bottom - room, top + (top - bottom) * (0.06 if skewed else 0.03))
    places = [place for place in places if bottom <= place <= top]
    getattr(axes, f"set_{which}ticks")(places, [words.say_number(place) for place in places])


def _root(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(values, 0))


def _zones(axes: Any, x: float, y: float, margin: float) -> None:
    for line, span, rule in ((x, axes.axvspan, axes.axvline), (y, axes.axhspan, axes.axhline)):
        if np.isfinite(line):
            if line:
                span(line * (1 - margin), line * (1 + margin), color=style.GRID, alpha=0.7, linewidth=0, zorder=0)
            rule(line, color=style.INK, linewidth=1.1, zorder=1)


def _dots(axes: Any, points: pd.DataFrame, colours: dict[str, str]) -> None:
    """One disc for each place, its area by how many partners stand there."""
    stacked = points.groupby(["tier", "x", "y"], sort=True).size().rename("many").reset_index()
    for tier, rows in stacked.groupby("tier", sort=True):
        for many, same in rows.groupby("many", sort=True):
            axes.plot(
                same["x"],
                same["y"],
                "o",
                markersize=5.0 * float(many) ** 0.5,
                color=colours[str(tier)],
                alpha=0.62,
                markeredgewidth=0,
                clip_on=False,
                zorder=3,
            )


def _squares(axes: Any, points: pd.DataFrame, colours: dict[str, str]) -> None:
    """Squares of a grid, coloured by the tier most partners in it have, darker where there are more."""
    across, up = (axes.transScale.transform(np.column_stack([points["x"], points["y"]]))).T
    grid = [np.clip(((side - side.min()) / (np.ptp(side) or 1.0) * 40).astype(int), 0, 39) for side in (across, up)]
    cells = points.assign(column=grid[0], row=grid[1]).groupby(["column", "row", "tier"], sort=True).size().rename("many").reset_index()
    total = cells.groupby(["column", "row"])["many"].transform("sum")
    main = cells.assign(total=total).sort_values(["column", "row", "many"], kind="stable").drop_duplicates(["column", "row"], keep="last")
    centre = [side.min() + (main[name].to_numpy() + 0.5) / 40 * (np.ptp(side) or 1.0) for side, name in ((across, "column"), (up, "row"))]
    places = axes.transScale.inverted().transform(np.column_stack(centre))
    weight = np.log1p(main["total"].to_numpy()) / np.log1p(main["total"].max())
    shades = [
        style.blend(0.25 + 0.75 * share, low=style.PAPER, high=colours[tier]) for share, tier in zip(weight, main["tier"], strict=True)
    ]
    axes.scatter(places[:, 0], places[:, 1], s=34, marker="s", color=shades, linewidths=0, zorder=3)


def _corner_names(canvas: Canvas, corners: dict[str, str], counts: pd.Series, colours: dict[str, str]) -> None:
    places = {
        "low_high": (44, 28, "left"),
        "high_high": (canvas.width - 8, 28, "right"),
        "low_low": (44, 300, "left"),
        "high_low": (canvas.width - 8, 300, "right"),
    }
    for place, tier in corners.items():
        left, top, side = places[place]
        text = f"{tier} {words.say_count(counts.get(tier, 0))}"
        colour = style.readable(colours.get(tier, style.MUTED))
        canvas.words(
            left,
            top,
            text,
            size=style.SMALL,
            ha=side,
            weight="bold",
            colour=colour,
            bbox={"facecolor": style.PAPER, "alpha": 0.75, "pad": 1, "linewidth": 0},
        )
