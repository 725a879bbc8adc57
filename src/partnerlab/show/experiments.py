"""Pictures of an experiment before it runs: what it could see, what running it is worth, and how balanced a deal is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.experiments import Assignment, Experiment, ExperimentDesign
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.marks import reach_axis, spread_labels, value_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import left_out, tabulate

VIEWS = ("power", "worth")
DEAL_VIEWS = ("balance", "schedule")
TALL = 190


@plot.register(ExperimentDesign)
def _design(
    result: ExperimentDesign,
    *,
    experiment: Experiment | None = None,
    view: str = "power",
    metric: str = "",
    now: float | None = None,
    period: str = "",
) -> Picture:
    """Smallest effect over sizes, a line for each length (and plan), the size there is ``now`` marked; or money over sizes."""
    if view not in VIEWS:
        raise ParameterError(f"a design has no view {view!r}{nearest(view, VIEWS)}", view=view)
    names = list(dict.fromkeys(result.table["metric"]))
    chosen = metric or names[0]
    if chosen not in names:
        raise ParameterError(f"the design has no metric {chosen!r}{nearest(chosen, names)}", metric=chosen)
    table = result.table[result.table["metric"] == chosen].reset_index(drop=True)
    period = period or "what is expected from past quarters"
    if view == "worth":
        return _worth(table, experiment=experiment, now=now, period=period)
    return _power(result, table, chosen, experiment=experiment, now=now, period=period)


def _power(
    result: ExperimentDesign, table: pd.DataFrame, metric: str, *, experiment: Experiment | None, now: float | None, period: str
) -> Picture:
    known = table[np.isfinite(table["estimate"])]
    if known.empty:
        raise SampleError(f"no size listed finds any possible effect on {metric}; add units, clusters or quarters")
    size = _size(known)
    first = experiment is not None and experiment.metrics[0].name == metric
    material = experiment.stakes.material if first else None
    unit = _unit(experiment, metric)
    per = experiment.stakes.per if first else "unit"
    lines = _told_apart([(name, rows.sort_values(size)) for name, rows in known.groupby(_line_names(known), sort=False)])
    thing = _thing(size, experiment)
    top = 1.12 * max(float(known["estimate"].max()), material or 0.0)

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(46, 24, canvas.width - 46 - 96, TALL)
        value_axis(axes, top=top, kind="number")
        _size_axis(axes, known[size])
        if now is not None:
            axes.axvline(now, color=style.MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
            axes.text(now, top, " today", va="top", fontsize=style.SMALL, color=style.MUTED)
        if material:
            axes.axhline(material, color=style.SIGNAL, linewidth=1.4, linestyle=(0, (4, 3)))
        _draw_lines(canvas, axes, lines, size, "estimate", top=top, marks=[("worth acting on", material)] if material else [])
        canvas.words(46, 14, f"smallest effect found, {unit} per {per}", size=style.SMALL, colour=style.MUTED)
        canvas.words(46 + (canvas.width - 46 - 96) / 2, 24 + TALL + 32, thing, ha="center", size=style.SMALL)

    said = "; ".join(
        f"{name}: " + ", ".join(f"{words.say_number(row['estimate'])} with {words.say_count(row[size])}" for _, row in rows.iterrows())
        for name, rows in lines
    )
    return picture(
        paint,
        height=24 + TALL + 42,
        headline=_power_headline(known, size, thing, material=material, unit=unit, power=result.power, now=now),
        alt=f"Lines of the smallest effect found in {words.say_share(result.power)} of trials, by {thing}. {said}."
        + (f" Worth acting on: {words.say_number(material)}." if material else ""),
        units=f"{unit} per {per}; n counts the units of the largest size",
        n=int(known["n"].max()),
        period=period,
        note=f"Each point is the smallest effect that a trial of that size finds in {words.say_share(result.power)} of cases"
        + ("; the dashed line is the smallest effect worth acting on" if material else ""),
        table=table,
    )  # fmt: skip


def _unit(experiment: Experiment | None, metric: str) -> str:
    """Name the unit of a metric's effect."""
    if experiment is None:
        return metric.replace("_", " ")
    if experiment.metrics[0].name == metric:
        return experiment.stakes.unit
    kinds = {one.name: one.kind for one in experiment.metrics}
    return f"net chance of a higher {metric}" if kinds.get(metric) == "tier" else metric.replace("_", " ")


def _told_apart(lines: list[tuple[str, pd.DataFrame]]) -> list[tuple[str, pd.DataFrame]]:
    """Draw lines that are one only once, under the names of all."""
    found: list[tuple[str, pd.DataFrame]] = []
    for name, rows in lines:
        same = next((place for place, (_, other) in enumerate(found) if np.array_equal(other["estimate"], rows["estimate"])), None)
        if same is None:
            found.append((name, rows))
        else:
            found[same] = (f"{found[same][0].split()[0]} to {name}", rows)
    return found


def _power_headline(
    known: pd.DataFrame, size: str, thing: str, *, material: float | None, unit: str, power: float, now: float | None
) -> str:
    here = known[known[size] == now]
    if len(here):
        best = here.loc[here["estimate"].idxmin()]
        least = f"; worth acting on are {words.say_number(material)}" if material and best["estimate"] > material else ""
        return (
            f"Today's {words.say_count(now)} {thing} show an effect of {words.say_number(best['estimate'])} {unit} in "
            f"{words.say_share(power)} of trials over {words.plural(best['quarters'], 'quarter')}{least}"
        )
    if material is not None:
        enough = known[known["estimate"] <= material].sort_values([size, "quarters"])
        least = f"{words.say_number(material)} {unit}"
        if len(enough):
            row = enough.iloc[0]
            return (
                f"An effect of {least} is found in {words.say_share(power)} of trials from {words.say_count(row[size])} {thing} "
                f"over {words.plural(row['quarters'], 'quarter')} on"
            )
        best = known.loc[known["estimate"].idxmin()]
        return (
            f"No size listed finds an effect of {least}; {words.say_count(best[size])} {thing} over "
            f"{words.plural(best['quarters'], 'quarter')} find {words.say_number(best['estimate'])}"
        )
    best = known.loc[known["estimate"].idxmin()]
    return (
        f"{words.say_count(best[size])} {thing} over {words.plural(best['quarters'], 'quarter')} find an effect of "
        f"{words.say_number(best['estimate'])} {unit} in {words.say_share(power)} of trials"
    )


def _worth(table: pd.DataFrame, *, experiment: Experiment | None, now: float | None, period: str) -> Picture:
    known = table.dropna(subset=["net_gain"])
    if known.empty:
        raise SampleError("the worth of running was not asked for; give design_experiment a prior, and the stakes a value")
    size = _size(known)
    within = known[known[size] <= now] if now is not None else known
    best = (known if within.empty else within).loc[lambda rows: rows["net_gain"].idxmax()]
    shown = known[(known["quarters"] == best["quarters"]) & (known["plan"] == best["plan"])].drop_duplicates(size).sort_values(size)
    money = experiment.stakes.currency if experiment is not None else ""
    thing = _thing(size, experiment)
    lines = [("gain expected", shown.assign(money=shown["gain"])), ("cost", shown.assign(money=shown["cost"]))]
    top = 1.12 * max(float(shown["gain"].max()), float(shown["cost"].max()), 1e-9)

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(58, 24, canvas.width - 58 - 96, TALL)
        value_axis(axes, top=top, kind="number")
        _size_axis(axes, shown[size])
        if now is not None:
            axes.axvline(now, color=style.MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
            axes.text(now, top, " today", va="top", fontsize=style.SMALL, color=style.MUTED)
        _draw_lines(canvas, axes, lines, size, "money", top=top, marks=[])
        canvas.words(
            58, 14, f"{money or 'money'}, test over {words.plural(best['quarters'], 'quarter')}", size=style.SMALL, colour=style.MUTED
        )
        canvas.words(58 + (canvas.width - 58 - 96) / 2, 24 + TALL + 32, thing, ha="center", size=style.SMALL)

    size_said = f"{words.say_count(best[size])} {thing} over {words.plural(best['quarters'], 'quarter')}"
    if best["net_gain"] > 0:
        headline = (
            f"Best worth running: {size_said}, expected to bring {words.say_money(best['net_gain'], money, digits=3)} more than it costs"
        )
    else:
        headline = (
            f"No size listed is worth its cost; the least loss is {words.say_money(-best['net_gain'], money, digits=3)}, with {size_said}"
        )
    said = "; ".join(
        f"{words.say_count(row[size])}: gain {words.say_money(row['gain'], money, digits=3)}, "
        f"cost {words.say_money(row['cost'], money, digits=3)}"
        for _, row in shown.iterrows()
    )
    return picture(
        paint,
        height=24 + TALL + 42,
        headline=headline,
        alt=f"Two lines over {thing}: the money expected of deciding with the test rather than without, and what running it costs. {said}.",
        units=f"{money or 'money'}; n counts the units of the best size",
        n=int(best["n"]),
        period=period,
        note="Gain: money expected of deciding after the test instead of now, as far as what is believed beforehand goes",
        table=table,
    )


def _size(known: pd.DataFrame) -> str:
    """Name the column along which sizes vary: clusters where they are dealt."""
    return "clusters" if known["clusters"].notna().all() and known["clusters"].nunique() > 1 else "units"


def _thing(size: str, experiment: Experiment | None) -> str:
    name = size if experiment is None else (experiment.cluster if size == "clusters" else experiment.unit) or size
    return name if name.endswith("s") else f"{name}s"


def _line_names(known: pd.DataFrame) -> pd.Series:
    """Name each row's line by what varies beside the size."""
    names = known["quarters"].map(lambda length: words.plural(length, "quarter"))
    if known["plan"].nunique() > 1:
        names = known["plan"] + ", " + names
    other = "units" if _size(known) == "clusters" else "clusters"
    if known.groupby(_size(known))[other].nunique().max() > 1:
        names = names + known[other].map(lambda count: f", {words.say_count(count)} {other}")
    return names


def _size_axis(axes, sizes: pd.Series) -> None:
    places = sorted(set(map(float, sizes)))
    wide = places[-1] / places[0] > 4
    if wide:
        axes.set_xscale("log")
    axes.set_xlim(places[0] * (0.93 if wide else 0.97), places[-1] * (1.02 if wide else 1.01) + (places[0] == places[-1]))
    shown = places if len(places) <= 5 else [places[index] for index in np.unique(np.linspace(0, len(places) - 1, 5).round().astype(int))]
    axes.set_xticks(shown, [words.say_count(place) for place in shown])
    axes.set_xticks([], minor=True)
    axes.spines["bottom"].set_visible(True)


def _draw_lines(canvas: Canvas, axes, lines, size: str, column: str, *, top: float, marks: list[tuple[str, float]]) -> None:
    """Draw each line with its name at its right end; names are moved apart where they would cover one another."""
    colours = style.series_colours([name for name, _ in lines])
    ends = [(name, float(rows[column].iloc[-1]), colours[name]) for name, rows in lines]
    ends += [(name, float(place), style.SIGNAL) for name, place in marks]
    for name, rows in lines:
        axes.plot(rows[size].astype(float), rows[column], color=colours[name], marker="o", markersize=4.5, clip_on=False)
    heights = spread_labels([place / top * TALL for _, place, _ in ends], gap=14.0, low=4.0, high=TALL - 4.0)
    for (name, _, colour), height in zip(ends, heights, strict=True):
        text = shorten(name, width=90, size=style.SMALL)
        canvas.words(canvas.width - 92, 24 + TALL - height + 4, text, size=style.SMALL, colour=style.readable(colour))


@tabulate.register(ExperimentDesign)
def _design_table(result: ExperimentDesign, *, caption: str = "", rows: int | None = None) -> TableView:
    table = result.table.dropna(axis=1, how="all") if len(result.table) else result.table
    shown = table.head(rows) if rows else table
    kinds = {
        "metric": "text", "plan": "text", "units": "count", "clusters": "count", "quarters": "count", "estimate": "number",
        "power_material": "share", "gain": "number", "cost": "number", "net_gain": "number",
    }  # fmt: skip
    for name in ("plan", "metric"):
        if result.table[name].nunique() == 1:
            kinds.pop(name)
    heads = {
        "estimate": f"smallest effect found in {words.say_share(result.power)} of trials",
        "power_material": "chance to find what is worth acting on", "gain": "gain expected", "net_gain": "gain less cost",
    }  # fmt: skip
    return table_view(shown, caption=(caption or result.estimand) + left_out(table, rows), kinds=kinds, heads=heads)


@plot.register(Assignment)
def _deal(dealt: Assignment, *, view: str = "balance", quarters: Sequence[str] = (), period: str = "") -> Picture:
    """How far variants are apart in what was known before; or, of a schedule, who has the tactic in which of the ``quarters``."""
    if view not in DEAL_VIEWS:
        raise ParameterError(f"an assignment has no view {view!r}{nearest(view, DEAL_VIEWS)}", view=view)
    if view == "schedule":
        from partnerlab.show.schedules import draw_deal

        return draw_deal(dealt, quarters=quarters, period=period)
    return _balance(dealt, period=period)


def _balance(dealt: Assignment, *, period: str = "") -> Picture:
    """How far variants are apart in what was known before, beside how far dealing by chance puts them."""
    table = balance_of(dealt)
    if table.empty:
        raise SampleError(f"{dealt.experiment.name}: nothing was known of the units before; name columns in pre")
    several = table["variant"].nunique() > 1
    names = [f"{row.column}, {row.variant}".replace("_", " ") if several else row.column.replace("_", " ") for row in table.itertuples()]
    reach = 1.15 * max(float(table["by_chance"].max()), float(table["estimate"].abs().max()))
    step = 34.0

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(12, 4, canvas.width - 36, step * len(table))
        axes.set_ylim(step * len(table), 0)
        axes.set_yticks([])
        reach_axis(axes, low=-reach, high=reach, kind="number")
        axes.axvline(0, color=style.INK, linewidth=1.0)
        for place, row in enumerate(table.itertuples()):
            middle = step * place + 23
            axes.fill_between([-row.by_chance, row.by_chance], middle - 5, middle + 5, color=style.PALE, linewidth=0)
            axes.plot([row.estimate], [middle], "o", color=style.ACCENT, markersize=7)
            said = f"{words.say_number(row.estimate, decimals=2)} sd"
            canvas.words(
                12,
                4 + step * place + 12,
                shorten(names[place], width=canvas.width - 100, size=style.SMALL),
                size=style.SMALL,
                weight="bold",
            )
            canvas.words(canvas.width - 8, 4 + step * place + 12, said, size=style.SMALL, ha="right")
        canvas.words(
            canvas.width / 2,
            4 + step * len(table) + 32,
            f"standard deviations from {dealt.experiment.control}",
            ha="center",
            size=style.SMALL,
        )

    said = "; ".join(f"{name} {words.say_number(row.estimate, decimals=2)}" for name, row in zip(names, table.itertuples(), strict=True))
    wider = "; clusters were dealt, so bands are wider" if dealt.experiment.cluster else ""
    return picture(
        paint,
        height=4 + step * len(table) + 42,
        headline=_balance_headline(table),
        alt=f"Dots: how far each variant is from the control in what was known before, on bands of what chance deals do. {said}.",
        units="standard deviations of the units",
        n=int(table["n"].max()),
        period=period or "before the start",
        note=f"Grey: where 95 of 100 deals by chance would put each dot{wider}",
        table=table,
    )


def _balance_headline(table: pd.DataFrame) -> str:
    outside = table[table["estimate"].abs() > table["by_chance"]]
    if len(outside):
        names = [name.replace("_", " ") for name in outside["column"].unique()]
        return f"Further apart before the start than chance deals usually put them: {words.say_list(names)}"
    worst = table.loc[table["estimate"].abs().idxmax()]
    name = worst["column"].replace("_", " ")
    apart, chance = (words.say_number(abs(worst[name]), decimals=2) for name in ("estimate", "by_chance"))
    return f"Most unlike before the start: {name}, {apart} standard deviations apart; chance deals reach up to {chance}"


def balance_of(dealt: Assignment) -> pd.DataFrame:
    """Difference of each variant from the control in what was known before, in standard deviations of the units."""
    table, experiment = dealt.table, dealt.experiment
    rows = []
    thing = table["cluster"] if experiment.cluster else table["unit"]
    for column in experiment.pre:
        means = table[column].groupby(thing).mean()
        variant = table["variant"].groupby(thing).first()
        spread, each = float(table[column].std()), float(means.std())
        for other in experiment.variants[1:]:
            ours, base = means[variant == other.name], means[variant == experiment.control]
            if not spread > 0 or len(ours) < 2 or len(base) < 2:
                continue
            chance = 1.96 * each / spread * np.sqrt(1 / len(ours) + 1 / len(base))
            n = int(table["variant"].isin([other.name, experiment.control]).sum())
            rows.append((column, other.name, (ours.mean() - base.mean()) / spread, chance, ours.mean(), base.mean(), n))
    return pd.DataFrame(rows, columns=["column", "variant", "estimate", "by_chance", "mean", "control_mean", "n"])
