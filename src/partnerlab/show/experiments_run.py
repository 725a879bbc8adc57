"""Pictures of an experiment that ran: who was dealt what and came back, where partners stand by variant, what was on in which quarter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.experiments import Experiment, ExperimentReading, Metric, Trial
from partnerlab.experiments.effect_rows import AS_DEALT
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.experiments_effects import ROW, name_variant
from partnerlab.show.marks import reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot

VIEWS = ("arms", "tiers", "schedule")


@plot.register(Trial)
def _trial(
    trial: Trial,
    *,
    view: str = "arms",
    experiment: Experiment | None = None,
    reading: ExperimentReading | None = None,
    metric: str = "",
    period: str = "",
) -> Picture:
    """Units dealt and lost by variant; the shares of an ordered outcome by variant; or a schedule with what was seen in each quarter."""
    if view not in VIEWS:
        raise ParameterError(f"a trial has no view {view!r}{nearest(view, VIEWS)}", view=view)
    if view == "schedule":
        from partnerlab.show.schedules import draw_run

        return draw_run(trial, reading=reading, metric=metric, period=period)
    if view == "tiers":
        return _tiers(trial, reading=reading, metric=metric, period=period)
    return _arms(trial, experiment=experiment, reading=reading, period=period)


def arms_of_trial(trial: Trial, experiment: Experiment | None = None) -> pd.DataFrame:
    """Units of each variant, the share planned, and outcomes not seen: ``variant, units, share, planned, missing, ...``."""
    counts = trial.counts
    planned = np.full(len(counts), np.nan)
    if experiment is not None:
        shares = np.array([variant.share for variant in experiment.variants])
        planned = shares / shares.sum()
    lost = {
        metric.name: np.bincount(trial.variant, weights=trial.missing(metric), minlength=len(counts)) / counts for metric in trial.metrics
    }
    table = pd.DataFrame({"variant": trial.variants, "units": counts, "share": counts / counts.sum(), "planned": planned})
    return table.assign(missing=np.max(list(lost.values()), axis=0), **{f"missing_{name}": share for name, share in lost.items()})


def _arms(trial: Trial, *, experiment: Experiment | None, reading: ExperimentReading | None, period: str) -> Picture:
    table = arms_of_trial(trial, experiment)
    most = float(np.nanmax(np.r_[table["share"], table["planned"]])) * 1.1
    lost = max(float(table["missing"].max()) * 1.15, 0.05)
    tall = ROW * len(table)

    def paint(canvas: Canvas) -> None:
        for top, title, column, reach in (
            (4.0, "units dealt", "share", most),
            (4.0 + 20 + tall + 28, "outcomes not seen", "missing", lost),
        ):
            canvas.words(12, top + 12, title, size=style.SMALL, weight="bold")
            axes = canvas.axes(12, top + 20, canvas.width - 36, tall)
            axes.set_ylim(tall, 0)
            axes.set_yticks([])
            reach_axis(axes, low=0.0, high=reach, kind="share")
            for place, row in table.iterrows():
                axes.barh([ROW * place + 23], [row[column]], height=9, color=style.ACCENT, linewidth=0)
                if column == "share" and np.isfinite(row["planned"]):
                    axes.plot([row["planned"]] * 2, [ROW * place + 17.5, ROW * place + 30], color=style.SIGNAL, linewidth=2)
                told = (
                    f"{words.say_count(row['units'])}, {words.say_share(row['share'])}"
                    if column == "share"
                    else words.say_share(row[column])
                )
                canvas.words(14, top + 20 + ROW * place + 12, shorten(row["variant"], width=200, size=style.SMALL), size=style.SMALL)
                canvas.words(canvas.width - 8, top + 20 + ROW * place + 12, told, size=style.SMALL, ha="right")

    said = "; ".join(
        f"{row.variant} {words.say_count(row.units)} units ({words.say_share(row.share)}), "
        f"{words.say_share(row.missing)} of outcomes not seen"
        for row in table.itertuples()
    )
    return picture(
        paint,
        height=4 + 2 * (20 + tall + 28),
        headline=_arms_headline(table, reading),
        alt=f"Bars of the units of each variant and of the outcomes not seen. {said}.",
        units="share of all units; share of a variant's units",
        n=len(trial),
        period=period or "the whole experiment",
        note="Orange: the share planned" if table["planned"].notna().any() else "",
        table=table,
    )


def say_arms(counts: Mapping[str, int]) -> str:
    """Say how many units each variant has; a variant that is called by a number is called a variant.

    Examples
    --------
    >>> say_arms({"control": 10, "dinner": 12}), say_arms({"0": 717, "1": 693})
    ('10 control and 12 dinner', '717 variant 0 and 693 variant 1')
    """
    return words.say_list([f"{words.say_count(count)} {name_variant(name)}" for name, count in counts.items()])


def _arms_headline(table: pd.DataFrame, reading: ExperimentReading | None) -> str:
    counts = say_arms(dict(zip(table["variant"], table["units"], strict=True)))
    seen = (
        "every outcome was seen"
        if not table["missing"].any()
        else f"at most {words.say_share(table['missing'].max())} of outcomes were not seen"
    )
    if reading is None:
        return f"{counts} units; {seen}"
    failed = [check.name for check in reading.checks if check.passed is False]
    if failed:
        return f"{counts} units: {words.say_list(failed)} failed, nothing is concluded"
    ratio = next((check.passed for check in reading.checks if check.name == "sample ratio"), None)
    return f"{counts} units{', as planned' if ratio else ''}; {seen}"


def _tiers(trial: Trial, *, reading: ExperimentReading | None, metric: str, period: str) -> Picture:
    found = _tier_metric(trial, metric)
    shares = tier_shares(trial, found)
    known = shares.pivot(index="variant", columns="tier", values="estimate").loc[list(trial.variants), list(found.tiers)]
    colours = {tier: style.blend(0.22 + 0.78 * place / max(len(found.tiers) - 1, 1)) for place, tier in enumerate(found.tiers)}
    tall = 44.0 * len(known)

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(12, 26, canvas.width - 36, tall)
        axes.set_ylim(tall, 0)
        axes.set_yticks([])
        reach_axis(axes, low=0.0, high=1.0, kind="share")
        for place, (variant, row) in enumerate(known.iterrows()):
            left = 0.0
            canvas.words(14, 26 + 44 * place + 12, shorten(str(variant), width=220, size=style.SMALL), size=style.SMALL, weight="bold")
            for tier in found.tiers:
                axes.barh([44 * place + 28], [row[tier]], left=left, height=20, color=colours[tier], linewidth=0.6, edgecolor=style.PAPER)
                if row[tier] > 0.09:
                    ink = style.readable_on(colours[tier])
                    axes.text(
                        left + row[tier] / 2,
                        44 * place + 28,
                        words.say_share(row[tier]),
                        ha="center",
                        va="center",
                        color=ink,
                        fontsize=style.SMALL,
                    )
                left += row[tier]
        place = 12.0
        for tier in found.tiers:
            canvas.words(place, 16, "\u25a0", size=style.BODY, colour=colours[tier])
            text = shorten(tier.lower() if tier.isupper() else tier, width=(canvas.width - 24) / len(found.tiers) - 16, size=9.5)
            canvas.words(place + 12, 16, text, size=9.5)
            place += (canvas.width - 24) / len(found.tiers)

    said = "; ".join(
        f"{variant}: " + ", ".join(f"{tier} {words.say_share(row[tier])}" for tier in found.tiers) for variant, row in known.iterrows()
    )
    return picture(
        paint,
        height=26 + tall + 24,
        headline=_tiers_headline(trial, found, reading),
        alt=f"Stacked bars of the {found.name} of units by variant. {said}.",
        units=f"share of a variant's units, by {found.name.replace('_', ' ')}",
        n=int(shares.drop_duplicates("variant")["n"].sum()),
        period=period or "at the end of the experiment",
        note="Lowest at the left; in pairs of one unit of each variant, a tie counts half",
        table=shares,
    )  # fmt: skip


def _tier_metric(trial: Trial, name: str) -> Metric:
    ordered = [one for one in trial.metrics if one.kind == "tier"]
    found = next((one for one in ordered if not name or one.name == name), None)
    if found is None:
        raise SampleError("no ordered outcome was declared, so no shares of tiers can be drawn")
    return found


def tier_shares(trial: Trial, metric: Metric) -> pd.DataFrame:
    """Shares of an ordered outcome by variant: ``variant, tier, estimate, n``."""
    seen = trial.observed(metric)
    rows = []
    for code, variant in enumerate(trial.variants):
        values = trial.outcomes[metric.name][seen & (trial.variant == code)].astype(np.int64)
        counts = np.bincount(values, minlength=len(metric.tiers))
        rows += [(variant, tier, counts[place] / max(counts.sum(), 1), int(counts.sum())) for place, tier in enumerate(metric.tiers)]
    return pd.DataFrame(rows, columns=["variant", "tier", "estimate", "n"])


def _tiers_headline(trial: Trial, metric: Metric, reading: ExperimentReading | None) -> str:
    if reading is None:
        return f"Where units stand by variant: {metric.name}"
    row = reading.table[(reading.table["metric"] == metric.name) & (reading.table["effect"] == AS_DEALT)].iloc[0]
    wins, low, high = (0.5 + row[name] / 2 for name in ("estimate", "conf_low", "conf_high"))
    if np.isnan(low):
        return f"Where units stand by variant: {words.say_not_enough(row['n'])}"
    interval = words.say_interval(low, high, kind="share")
    if reading.stopped or low <= 0.5 <= high:
        return f"No clear difference in {metric.name}: {row['variant']} stands higher in {words.say_share(wins)} of pairs ({interval})"
    side = "more" if wins > 0.5 else "less"
    return f"{row['variant']} stands higher {side} often than {trial.variants[0]}: in {words.say_share(wins)} of pairs ({interval})"
