"""The picture of a schedule: who has the tactic in which quarter, and what was found in each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.experiments import Assignment, ExperimentReading, Trial
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten, text_width
from partnerlab.show.experiments_effects import effect_panels, name_variant, say_verdict
from partnerlab.show.picture import Picture, picture

#: Rows drawn; of schedules that nobody declared there may be as many as units.
MOST_ROWS = 20
BAND, LABEL, NAMES, GAP = 20.0, 15.0, 13.0, 9.0
LEGEND, AXIS = 22.0, 20.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Schedules over quarters.

    Parameters
    ----------
    names : tuple of str
        Of the schedules.
    on : float array, shape (schedules, quarters)
        1 with the tactic, 0 without, NaN where that is not known.
    things, units : int array, shape (schedules,)
        How many were switched together, and how many units they have.
    noun, unit : str
        What is switched (managers), and what is read (partners).
    quarters : tuple of str
        Names of the columns.
    who : tuple of str
        Names of what is switched, a line for each schedule; empty lines where not known.
    means : float array, shape (schedules, quarters), or None
        Mean outcome; NaN where none was seen.
    kind : str
        How a mean is written: ``"number"`` or ``"share"``.
    """

    names: tuple[str, ...]
    on: np.ndarray
    things: np.ndarray
    units: np.ndarray
    noun: str
    unit: str
    quarters: tuple[str, ...]
    who: tuple[str, ...]
    means: np.ndarray | None = None
    kind: str = "number"

    @property
    def table(self) -> pd.DataFrame:
        """A row for each schedule and quarter: ``schedule, quarter, on, estimate, <things>, n``."""
        rows, columns = self.on.shape
        table = pd.DataFrame({"schedule": np.repeat(self.names, columns), "quarter": np.tile(self.quarters, rows), "on": self.on.ravel()})
        if self.means is not None:
            table["estimate"] = self.means.ravel()
        counts = {} if self.noun == self.unit else {f"{self.noun}s": np.repeat(self.things, columns)}
        return table.assign(**counts, n=np.repeat(self.units, columns))

    @property
    def decimals(self) -> int:
        """Of the means: three digits of the largest, alike in all cells."""
        largest = np.nanmax(np.abs(self.means), initial=0.0)
        return int(np.clip(2 - np.floor(np.log10(largest)), 0, 4)) if largest > 0 else 0

    def counted(self, row: int) -> str:
        """How many have a schedule, in words."""
        units = words.plural(self.units[row], self.unit)
        return units if self.noun == self.unit else f"{words.plural(self.things[row], self.noun)}, {units}"


def draw_deal(dealt: Assignment, *, quarters: Sequence[str] = (), period: str = "") -> Picture:
    """Draw who will have the tactic in which quarter, as it was dealt.

    Raises
    ------
    SampleError
        If variants run side by side.
    """
    grid = _grid_of_deal(dealt, tuple(quarters))
    return _draw(grid, headline=_plan_headline(grid, dealt.experiment.tactic), tactic=dealt.experiment.tactic, period=period or "as dealt")


def draw_run(trial: Trial, *, reading: ExperimentReading | None = None, metric: str = "", period: str = "") -> Picture:
    """Draw what was seen in each quarter with and without the tactic, and the effect that was found.

    Raises
    ------
    SampleError
        If variants run side by side.
    """
    grid = _grid_of_trial(trial, metric)
    tactic = "the tactic" if trial.experiment is None else trial.experiment.tactic
    headline = _plan_headline(grid, tactic) if reading is None else say_verdict(reading)
    period = period or words.say_period(grid.quarters)
    return _draw(grid, headline=headline, tactic=tactic, period=period, reading=reading, measured=metric or trial.metrics[0].name)


def _grid_of_deal(dealt: Assignment, quarters: tuple[str, ...]) -> Grid:
    experiment, table = dealt.experiment, dealt.table
    if not experiment.scheduled:
        raise SampleError(f"{experiment.name}: variants run side by side, so that there is no schedule to draw")
    things = table["cluster"] if experiment.cluster else table["unit"]
    names = [one.name for one in experiment.variants]
    return Grid(
        names=tuple(names),
        on=np.array([one.on for one in experiment.variants], dtype=float),
        things=np.array([things[table["variant"] == name].nunique() for name in names]),
        units=np.array([int((table["variant"] == name).sum()) for name in names]),
        noun=experiment.cluster or experiment.unit,
        unit=experiment.unit,
        quarters=quarters or tuple(f"quarter {place + 1}" for place in range(experiment.quarters)),
        who=tuple(", ".join(sorted(things[table["variant"] == name].unique())) for name in names),
    )


def _grid_of_trial(trial: Trial, metric: str) -> Grid:
    if not trial.switched:
        raise SampleError("variants run side by side, so that there is no schedule to draw")
    chosen = next((one for one in trial.metrics if one.name == metric), trial.metrics[0])
    values = trial.outcomes[chosen.name]
    order = [code for code in _in_order(trial) if trial.counts[code]]
    cluster = np.arange(len(trial)) if trial.cluster is None else trial.cluster
    experiment = trial.experiment
    noun = "unit" if experiment is None else experiment.unit
    mine = [trial.variant == code for code in order]
    return Grid(
        names=tuple(str(trial.variants[code]) if experiment is not None else f"schedule {trial.variants[code]}" for code in order),
        on=np.array([trial.on[rows][0] for rows in mine]),
        things=np.array([len(np.unique(cluster[rows])) for rows in mine]),
        units=np.array([int(rows.sum()) for rows in mine]),
        noun=noun if trial.cluster is None else (experiment.cluster if experiment is not None and experiment.cluster else "cluster"),
        unit=noun,
        quarters=trial.quarters,
        who=("",) * len(order),
        means=np.array([_mean_by_quarter(values[rows]) for rows in mine]),
        kind="share" if chosen.kind == "share" else "number",
    )


def _in_order(trial: Trial) -> list[int]:
    """Schedules as declared; those that nobody declared by when they begin, the commonest where there are too many."""
    codes = list(range(len(trial.variants)))
    if trial.experiment is not None:
        return codes
    kept = sorted(codes, key=lambda code: -trial.counts[code])[:MOST_ROWS]
    return sorted(kept, key=lambda code: str(trial.variants[code]), reverse=True)


def _mean_by_quarter(values: np.ndarray) -> np.ndarray:
    seen = np.isfinite(values).sum(axis=0)
    return np.where(seen > 0, np.nansum(values, axis=0) / np.maximum(seen, 1), np.nan)


def _plan_headline(grid: Grid, tactic: str) -> str:
    """Say how many have it when: step by step, or by turns."""
    have, total = np.nansum(grid.on * grid.things[:, None], axis=0).astype(int), int(grid.things.sum())
    noun, name = f"{grid.noun}s", tactic[:1].upper() + tactic[1:]
    steps = np.flatnonzero((np.diff(grid.on, axis=1) > 0).any(axis=0)) + 1
    if not (np.diff(grid.on, axis=1) < 0).any():
        first, last = (grid.quarters[place] for place in (0, -1))
        begun = f"from {words.say_count(have[0])} in {first}" if have[0] else f"from none in {first}"
        ended = f"all {words.say_count(total)}" if have[-1] == total else f"{words.say_count(have[-1])} of {words.say_count(total)}"
        return f"{name}, step by step: {begun} to {ended} {noun} in {last}, in {words.plural(len(steps), 'step')}"
    low, high = int(have.min()), int(have.max())
    count = words.say_count(low) if low == high else f"{words.say_count(low)} to {words.say_count(high)}"
    return f"{name}, by turns: {count} of {words.say_count(total)} {noun} have it in every quarter"


def _draw(grid: Grid, *, headline: str, tactic: str, period: str, reading: ExperimentReading | None = None, measured: str = "") -> Picture:
    step = LABEL + BAND + GAP + (NAMES if any(grid.who) and grid.noun != grid.unit else 0.0)
    tall = LEGEND + step * len(grid.names) + AXIS + (4.0 if step > LABEL + BAND + GAP else 0.0)
    below = None if reading is None or reading.table["conf_low"].isna().all() else effect_panels(reading)
    shown = f"; each number is the mean of {measured.replace('_', ' ')} as counted" if grid.means is not None else ""

    def paint(canvas: Canvas) -> None:
        _legend(canvas, tactic)
        for row in range(len(grid.names)):
            _row(canvas, grid, row, top=LEGEND + step * row)
        _columns(canvas, grid, top=tall - AXIS - GAP + 13)
        if below is not None:
            below.paint(canvas, top=tall + 8)

    what = "Grid of schedules by quarter, dark with the tactic and pale without"
    said = "; ".join(_say_row(grid, row) for row in range(len(grid.names)))
    return picture(
        paint,
        height=tall + (below.height + 12 if below is not None else 0),
        headline=headline,
        alt=f"{what}{', above the effect found' if below is not None else ''}. {said}. {below.said if below is not None else ''}".rstrip(),
        units=f"{'with or without' if grid.means is None else measured.replace('_', ' ')} by quarter"
        + (f"; {below.units}; n counts {reading.counted}" if below is not None else ""),
        n=int(grid.units.sum()) if below is None else int(reading.table["n"].max()),
        period=period,
        note=f"Dark: quarters with it{shown}" + (f"; {below.note[:1].lower()}{below.note[1:]}" if below is not None else ""),
        table=grid.table,
    )


def _legend(canvas: Canvas, tactic: str) -> None:
    place, name = 12.0, tactic[:1].lower() + tactic[1:] if tactic[1:2].islower() else tactic
    for colour, said in ((style.ACCENT, f"with {name}"), (style.PALE, "without")):
        text = shorten(said, width=canvas.width - place - 100, size=style.SMALL)
        canvas.words(place, 12, "\u25a0", size=style.BODY, colour=colour)
        canvas.words(place + 13, 12, text, size=style.SMALL)
        place += 13 + text_width(text, size=style.SMALL) + 16


def _row(canvas: Canvas, grid: Grid, row: int, *, top: float) -> None:
    counted = grid.counted(row)
    room = canvas.width - 30 - text_width(counted, size=style.SMALL)
    canvas.words(12, top + 11, shorten(name_variant(grid.names[row]), width=room, size=style.SMALL), size=style.SMALL, weight="bold")
    canvas.words(canvas.width - 12, top + 11, counted, size=style.SMALL, ha="right")
    axes = canvas.axes(12, top + LABEL, canvas.width - 24, BAND)
    axes.set(xlim=(0, len(grid.quarters)), ylim=(0, 1), xticks=[], yticks=[])
    width = (canvas.width - 24) / len(grid.quarters)
    for column, on in enumerate(grid.on[row]):
        colour = style.PAPER if np.isnan(on) else style.ACCENT if on else style.PALE
        axes.fill_between([column, column + 1], 0, 1, facecolor=colour, edgecolor=style.PAPER, linewidth=1.2)
        text = _say_cell(grid, row, column)
        if text and text_width(text, size=style.SMALL) < width - 3:
            axes.text(column + 0.5, 0.5, text, ha="center", va="center_baseline", fontsize=style.SMALL, color=style.readable_on(colour))
    if grid.who[row] and grid.noun != grid.unit:
        text = shorten(grid.who[row], width=canvas.width - 24, size=9.5)
        canvas.words(12, top + LABEL + BAND + 11, text, size=9.5, colour=style.MUTED)


def _say_cell(grid: Grid, row: int, column: int) -> str:
    if np.isnan(grid.on[row, column]):
        return "?"
    if grid.means is None or np.isnan(grid.means[row, column]):
        return ""
    value = float(grid.means[row, column])
    return words.say_share(value) if grid.kind == "share" else words.say_number(value, decimals=grid.decimals)


def _columns(canvas: Canvas, grid: Grid, *, top: float) -> None:
    """Write the quarters below their columns; every second, third... where they would touch."""
    width = (canvas.width - 24) / len(grid.quarters)
    widest = max(text_width(label, size=style.SMALL) for label in grid.quarters) + 6
    every = int(np.ceil(widest / width))
    for column in range(len(grid.quarters) - 1, -1, -every):
        middle = min(max(12 + (column + 0.5) * width, widest / 2), canvas.width - widest / 2)
        canvas.words(middle, top, grid.quarters[column], size=style.SMALL, ha="center")


def _say_row(grid: Grid, row: int) -> str:
    """Say one schedule: its runs of quarters with and without, and what was seen in them."""
    sides = np.where(np.isnan(grid.on[row]), "unknown", np.where(grid.on[row] > 0, "with it", "without it"))
    runs = []
    for side, group in groupby(range(len(grid.quarters)), key=lambda column: sides[column]):
        columns = list(group)
        seen = [_say_cell(grid, row, column) or "no outcome" for column in columns] if grid.means is not None else []
        run = dict.fromkeys(grid.quarters[columns[place]] for place in (0, -1))
        runs.append(f"{side} in {' to '.join(run)}" + (f" ({', '.join(seen)})" if seen else ""))
    return f"{grid.names[row]} ({grid.counted(row)}) {', '.join(runs)}"
