"""The effects that an experiment found: a picture by metric and variant, and their table."""

from __future__ import annotations

import dataclasses

import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.experiments import ExperimentReading
from partnerlab.experiments.effect_rows import AS_DEALT, ON_TAKERS
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.marks import interval_mark, reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import left_out, tabulate

ROW = 32.0


@plot.register(ExperimentReading)
def _effects(result: ExperimentReading, *, period: str = "") -> Picture:
    """Effects by metric and variant, each metric on an axis of its own, beside the range of what would not matter."""
    panels = effect_panels(result)
    return picture(
        panels.paint,
        height=panels.height + 8,
        headline=say_verdict(result),
        alt=f"Lying intervals. {result.estimand}. {panels.said}",
        units=f"{panels.units}; n counts {result.counted}",
        n=int(result.table.dropna(subset=["estimate", "conf_low", "conf_high"])["n"].max()),
        period=period or "the whole experiment",
        note=panels.note,
        table=result.table,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EffectPanels:
    """A panel of lying intervals for each metric, to stand alone or under another drawing; with its words."""

    groups: tuple[tuple[str, pd.DataFrame], ...]
    said: str
    units: str
    note: str

    @property
    def height(self) -> float:
        """Height of all panels."""
        return sum(20 + ROW * len(rows) + 30 for _, rows in self.groups)

    def paint(self, canvas: Canvas, *, top: float = 4.0) -> None:
        """Draw them from a height on."""
        for name, rows in self.groups:
            _metric_panel(canvas, rows, name=name, top=top, nothing=_indifferent(rows))
            top += 20 + ROW * len(rows) + 30


def effect_panels(result: ExperimentReading) -> EffectPanels:
    """Lay out the effects of a reading, a panel for each metric.

    Raises
    ------
    SampleError
        If no effect has an interval.
    """
    table = result.table.dropna(subset=["estimate", "conf_low", "conf_high"]).reset_index(drop=True)
    if table.empty:
        raise SampleError("the experiment has too few units for any effect with an interval; nothing to draw")
    table = table.assign(measured=measured_in(result, table), who=_who(table))
    groups = tuple((str(name), rows.reset_index(drop=True)) for name, rows in table.groupby("measured", sort=False))
    return EffectPanels(
        groups=groups,
        said="; ".join(f"{row['measured']}, {row['who']} {_say(row)}" for _, row in table.iterrows()) + ".",
        units=words.say_list([name.rpartition(": ")[2] for name, _ in groups]),
        note=_effects_note(result, table),
    )


def say_verdict(result: ExperimentReading) -> str:
    """Grade and finding of the deciding metric; with several variants those of each, or that none can be told."""
    deciding = result.table["deciding"] & (result.table["effect"] == AS_DEALT)
    first = list(result.verdicts[: max(int(deciding.sum()), 1)])
    if result.stopped:
        failed = [check.name for check in result.checks if check.passed is False]
        return f"Stopped: {words.say_list(failed)} failed, so nothing is concluded"
    clear = [verdict for verdict in first if verdict.finding != "cannot tell"]
    shown = clear or first[:1]
    said = "; ".join(verdict.statement.rstrip(".") for verdict in shown)
    grades = "/".join(dict.fromkeys(verdict.earned.value for verdict in shown))
    rest = len(first) - len(shown)
    return f"Grade {grades}: {said}" + (f"; of {words.plural(rest, 'further variant')} nothing can be told" if rest else "")


def _metric_panel(canvas: Canvas, rows: pd.DataFrame, *, name: str, top: float, nothing: float | None) -> None:
    low, high = min(0.0, float(rows["conf_low"].min())), max(0.0, float(rows["conf_high"].max()))
    if nothing:
        low, high = min(low, -nothing), max(high, nothing)
    room = 0.06 * (high - low or 1.0)
    tall = ROW * len(rows)
    canvas.words(12, top + 12, shorten(name, width=canvas.width - 24, size=style.SMALL), size=style.SMALL, weight="bold")
    axes = canvas.axes(12, top + 20, canvas.width - 36, tall)
    axes.set_ylim(tall, 0)
    axes.set_yticks([])
    reach_axis(axes, low=low - room, high=high + room, kind="number")
    for place, row in rows.iterrows():
        dealt = row["effect"] == AS_DEALT
        beside = [ROW * place + 15, ROW * place + 31]
        if nothing:
            axes.fill_between([-nothing, nothing], *beside, color=style.PALE, alpha=0.55, linewidth=0)
        axes.plot([0, 0], beside, color=style.INK, linewidth=1.0)
        interval_mark(
            axes, ROW * place + 23, row["conf_low"], row["conf_high"], row["estimate"], colour=style.ACCENT if dealt else style.MUTED
        )
        told = _say(row)
        who = shorten(row["who"], width=canvas.width - 30 - 6.0 * len(told), size=style.SMALL)
        canvas.words(14, top + 20 + ROW * place + 12, who, size=style.SMALL)
        canvas.words(canvas.width - 8, top + 20 + ROW * place + 12, told, size=style.SMALL, ha="right")


def _who(table: pd.DataFrame) -> pd.Series:
    """Name each row by its variant, and by the effect where one metric has several."""
    several = table.groupby(["metric", "variant"])["effect"].transform("size") > 1
    named = table["variant"].map(name_variant)
    return named.where(~several, named + ", " + table["effect"])


def name_variant(name: str) -> str:
    """Call a variant that is called by a number a variant."""
    return f"variant {name}" if str(name)[:1].isdigit() else str(name)


def _say(row: pd.Series) -> str:
    return words.say_estimate(row["estimate"], row["conf_low"], row["conf_high"], row["n"], kind="number")


def _indifferent(rows: pd.DataFrame) -> float | None:
    """Half width of the range that would not matter: the metric's margin, else its material effect."""
    for name in ("margin", "material"):
        if pd.notna(rows[name].iloc[0]):
            return float(rows[name].iloc[0])
    return None


def measured_in(result: ExperimentReading, table: pd.DataFrame) -> list[str]:
    """Say of each row which metric it is, and in what it is measured: its stakes', or shares of those who rose or fell."""
    names = list(dict.fromkeys(result.table["metric"]))
    each = len(result.verdicts) // max(len(names), 1)
    said = {}
    for name in names:
        stakes = result.verdicts[names.index(name) * each].stakes if each else None
        unit = name if stakes is None else f"{stakes.unit} per {stakes.per}"
        metric, unit = name.replace("_", " "), unit.replace("_", " ")
        said[name] = unit if unit.startswith(metric) else f"{metric}: {unit}"
    moved = ~table["effect"].isin([AS_DEALT, ON_TAKERS])
    return [
        f"{name.replace('_', ' ')} against before: share of a variant's units" if rest else said[name]
        for name, rest in zip(table["metric"], moved, strict=True)
    ]


def _effects_note(result: ExperimentReading, table: pd.DataFrame) -> str:
    levels = list(dict.fromkeys(say_level(level) for level in sorted(set(table["level"]), reverse=True)))
    said = f"Bars are {words.say_list(levels)} intervals"
    if levels != [say_level(result.level)]:
        said += ": comparisons and looks share the error"
    if any(_indifferent(rows) for _, rows in table.groupby("measured")):
        said += "; pale: effects too small to matter"
    return said


def say_level(level: float) -> str:
    """Write the level of an interval as a verdict does."""
    return f"{100 * level:.4g}{words.NBSP}%"


@tabulate.register(ExperimentReading)
def _reading_table(result: ExperimentReading, *, caption: str = "", rows: int | None = None) -> TableView:
    """Means and differences; p-values adjusted, of the effects as dealt, since the others are no tests of their own."""
    table = result.table
    said = [words.say_pair(row.estimate, row.conf_low, row.conf_high, kind="number") for row in table.itertuples()]
    dealt = table["effect"] == AS_DEALT
    shown = table.assign(
        metric=measured_in(result, table),
        effect=_who(table),
        found=[found for found, _ in said],
        interval=[interval for _, interval in said],
        level=table["level"].map(say_level),
        **{name: table[name].map(words.say_p_value).where(dealt & table[name].notna(), "-") for name in ("p_adjusted", "p_redrawn")},
        claim=table["claim"].fillna("-"),
    )
    kinds = {"metric": "text", "effect": "text", "treated": "number", "control": "number", "found": "text", "interval": "text"}
    kinds |= {"level": "text"} if table["level"].nunique() > 1 else {}
    kinds |= {"n": "count", "p_adjusted": "text"} | ({"p_redrawn": "text"} if table["p_redrawn"].notna().any() else {}) | {"claim": "text"}
    interval = "interval" if "level" in kinds else f"{say_level(table['level'].iloc[0])} interval"
    heads = {
        "effect": "variant" if len(table) == dealt.sum() else "variant, effect", "treated": "with it", "control": "without",
        "found": "difference", "interval": interval, "p_redrawn": "p by dealing again",
        "p_adjusted": "p, adjusted" if len(result.verdicts) > 1 else "p",
    }  # fmt: skip
    shown = shown.head(rows) if rows else shown
    view = table_view(shown, caption=(caption or result.estimand) + left_out(table, rows), kinds=kinds, heads=heads, row_heads=2)
    numeric = tuple(name not in ("metric", "effect", "claim") for name in kinds)
    return dataclasses.replace(view, numeric=numeric, frame=result.tidy())
