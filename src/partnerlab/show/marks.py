"""The marks that every drawing is made of: bars over quarters, intervals with a dot, axes with units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from partnerlab import words
from partnerlab.show import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def shown_quarters(labels: Sequence[str], *, most: int = 5) -> list[int]:
    """Give the columns whose label is written: the last, and evenly spaced ones before it, the same part of each year.

    Examples
    --------
    >>> shown_quarters(["2025Q1", "2025Q2", "2025Q3", "2025Q4", "2026Q1", "2026Q2", "2026Q3"], most=4)
    [0, 2, 4, 6]
    >>> shown_quarters([f"{year}Q{quarter}" for year in (2024, 2025, 2026) for quarter in (1, 2, 3, 4)], most=4)
    [3, 7, 11]
    """
    quarterly = all(re.fullmatch(r"(FY)?\d{4}Q\d", str(label)) for label in labels)
    steps = (1, 2, 4, 8, 12, 16, 20, 40) if quarterly else (1, 2, 3, 6, 12, 24, 60)
    step = next((step for step in steps if (len(labels) - 1) // step + 1 <= most), len(labels))
    return sorted(range(len(labels) - 1, -1, -step))


def quarter_axis(axes: Axes, labels: Sequence[str], *, most: int = 5) -> None:
    """Write quarters below; the outer labels stay inside the sheet."""
    places = shown_quarters(labels, most=most)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_xticks(places, [str(labels[place]) for place in places])
    axes.spines["bottom"].set_visible(True)
    ticks = axes.get_xticklabels()
    # a label is wider than a bar where there are many: the outer ones are kept on the sheet
    if ticks and places[0] == 0 and len(labels) > 9:
        ticks[0].set_ha("left")
    if ticks and len(labels) > 9:
        ticks[-1].set_ha("right")


def last_full(labels: Sequence[str], partial: Sequence[str]) -> int:
    """Give the column of the last quarter that the data cover in full; the last of all if there is none.

    A quarter that is not over is no news of a change.

    Examples
    --------
    >>> last_full(["2026Q1", "2026Q2", "2026Q3"], ["2026Q3"])
    1
    """
    full = [column for column, label in enumerate(labels) if label not in partial]
    return full[-1] if full else len(labels) - 1


def trimmed(values: np.ndarray) -> tuple[float, float]:
    """Range in which values are drawn: all of them, unless a few lie far outside of where 99 % are.

    Examples
    --------
    >>> trimmed(np.arange(101.0)), trimmed(np.append(np.arange(1000.0), 1e9))[1] < 1100
    ((0.0, 100.0), True)
    """
    low, high = (float(edge) for edge in np.quantile(values, [0.005, 0.995]))
    room = 0.5 * (high - low)
    least, most = float(values.min()), float(values.max())
    if room == 0:
        return least, most
    return (low if least < low - room else least), (high if most > high + room else most)


def value_axis(axes: Axes, *, top: float, bottom: float = 0.0, kind: str = "count", ticks: int = 4) -> None:
    """Write a few round values at the left with a fine line across each."""
    from matplotlib.ticker import MaxNLocator

    axes.set_ylim(bottom, top)
    integers = kind == "count"
    places = [
        place
        for place in MaxNLocator(ticks, integer=integers, steps=[1, 2, 2.5, 5, 10]).tick_values(bottom, top)
        if bottom <= place <= top * 1.0001
    ]
    axes.set_yticks(places, words.say_ticks(places, kind=kind))
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=style.GRID, linewidth=0.8)


def reach_axis(axes: Axes, *, low: float, high: float, kind: str, ticks: int = 5) -> None:
    """Write a few round values below with a fine line up each; for dots and intervals lying down."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(low, high)
    slack = (high - low) * 1e-6
    found = MaxNLocator(ticks, integer=kind == "count", steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    places = [place for place in found if low - slack <= place <= high + slack]
    axes.set_xticks(places, words.say_ticks(places, kind=kind))
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=style.GRID, linewidth=0.8)


def interval_mark(
    axes: Axes, place: float, low: float, high: float, estimate: float, *, colour: str = style.ACCENT, **options: Any
) -> None:
    """Draw a lying interval with a dot at its estimate."""
    width = options.pop("width", 3.0)
    axes.plot([low, high], [place, place], color=colour, linewidth=width, solid_capstyle="butt", alpha=options.pop("alpha", 1.0), zorder=3)
    axes.plot(
        [estimate], [place], marker=options.pop("marker", "o"), markersize=options.pop("size", 7.0), color=colour, **options, zorder=4
    )


def spread_labels(places: Sequence[float], *, gap: float | Sequence[float], low: float, high: float) -> list[float]:
    """Move labels apart until none covers another, as little as it takes, inside ``low..high``.

    Parameters
    ----------
    places : sequence of float
        Where their middles would like to be.
    gap : float or sequence of float
        How tall each label is.
    low, high : float
        Limits for the middles.

    Examples
    --------
    >>> spread_labels([5.0, 5.0], gap=2.0, low=0.0, high=10.0)
    [4.0, 6.0]
    """
    if not len(places):
        return []
    order = np.argsort(np.asarray(places, dtype=np.float64), kind="stable")
    sizes = np.broadcast_to(np.asarray(gap, dtype=np.float64), len(places))[order]
    # distance of each label's middle from the first, when all touch
    reach = np.concatenate([[0.0], np.cumsum((sizes[1:] + sizes[:-1]) / 2)])
    blocks: list[list[float]] = []  # mean of what is wanted with the labels pushed together, how many
    for place in np.asarray(places, dtype=np.float64)[order] - reach:
        blocks.append([float(place), 1.0])
        while len(blocks) > 1 and blocks[-1][0] < blocks[-2][0]:
            later, earlier = blocks.pop(), blocks.pop()
            many = later[1] + earlier[1]
            blocks.append([(later[0] * later[1] + earlier[0] * earlier[1]) / many, many])
    pushed = np.repeat([block[0] for block in blocks], [int(block[1]) for block in blocks])
    result = np.empty(len(places))
    result[order] = np.clip(pushed, low, max(low, high - reach[-1])) + reach
    return [float(place) for place in result]


def square_axes(axes: object, most: float) -> None:
    """Give both axes the same shares, from 0 to ``most``."""
    from matplotlib.ticker import MaxNLocator

    places = [place for place in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most) if 0 <= place <= most]
    axes.set_xlim(-0.02 * most, most)
    axes.set_ylim(-0.02 * most, most)
    axes.set_xticks(places, words.say_ticks(places, kind="share"))
    axes.set_yticks(places, words.say_ticks(places, kind="share"))
    axes.set_axisbelow(True)
    axes.grid(color=style.GRID, linewidth=0.8)
