"""What a result says, in sentences written from its numbers and never beyond its intervals."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.intake import DataQuality
from partnerlab.panel import Panel
from partnerlab.results import Result
from partnerlab.show.words import plural, say_count, say_estimate, say_interval, say_list, say_not_enough, say_number, say_share
from partnerlab.survival import HazardEstimate, SurvivalEstimate
from partnerlab.tiers import Explanation, Outside, TierHistory
from partnerlab.transitions import ForecastComparison, Movers, NoiseBaseline, TierForecast, TransitionEstimate

#: Times, in periods, at which a survival curve is read out.
READ_AT = (4, 8, 12)


@functools.singledispatch
def read_result(result: Any, **options: Any) -> tuple[str, ...]:
    """Say what a result says, one sentence each.

    Parameters
    ----------
    result : Result, TierHistory, Panel or DataQuality
        What to read.
    **options
        ``quarter=`` for a panel or tier history.

    Raises
    ------
    ParameterError
        If there are no words for that kind of thing.
    """
    raise ParameterError(f"no reading is written for a {type(result).__name__}; give a result")


@read_result.register(Result)
def _any(result: Result) -> tuple[str, ...]:
    failed = [f"{check.name}: {check.detail}" for check in result.checks if check.passed is False]
    return (f"{result.estimand}.", *failed)


@read_result.register(TransitionEstimate)
def _flows(result: TransitionEstimate) -> tuple[str, ...]:
    rows = [row for _, row in result.moved.iterrows() if row["n"] > 0]
    if not rows:
        return ("Nobody was seen in a tier in two quarters in a row.",)
    said = [_moved(row, result) for row in rows[:8]]
    return tuple(said + _failed(result))


def _moved(row: pd.Series, result: TransitionEstimate) -> str:
    whose = "partners" if result.by is None else f"{result.by.replace('_', ' ')} {row[result.by]}"
    if np.isnan(row["estimate"]) or np.isnan(row["conf_low"]):
        return f"{whose[:1].upper()}{whose[1:]}: {say_not_enough(row['n'])}."
    interval = f"interval {say_interval(row['conf_low'], row['conf_high'], kind='share')}; {say_count(row['n'])} partner-quarters"
    said = f"In a quarter, {say_share(row['estimate'])} of {whose} changed tier ({interval})."
    if "noise" not in row.index or np.isnan(row["noise"]):
        return said
    noise = f"{say_share(row['noise'])} ({say_interval(row['noise_low'], row['noise_high'], kind='share')})"
    if row["conf_low"] > row["noise_high"]:
        return f"{said} That is more than noise alone would move: {noise}."
    if row["conf_high"] < row["noise_low"]:
        return (
            f"{said} That is less than noise alone would move, {noise}: tiers are held back by rules, or counts are steadier than chance."
        )
    return f"{said} Noise alone would move {noise}: the two cannot be told apart."


@read_result.register(NoiseBaseline)
def _noise(result: NoiseBaseline) -> tuple[str, ...]:
    row = result.moved.iloc[0]
    share = f"{say_share(row['estimate'])} ({say_interval(row['conf_low'], row['conf_high'], kind='share')})"
    return (f"If no partner changed, {share} would still change tier in a quarter: counts of a few leads vary by chance.", *_failed(result))


@read_result.register(Movers)
def _movers(result: Movers) -> tuple[str, ...]:
    table, expected = result.table, f"{say_count(result.expected)} ({say_count(result.expected_low)} to {say_count(result.expected_high)})"
    beyond = int(table["beyond_noise"].sum())
    moved = f"{plural(len(table), 'partner')} of {say_count(result.at_risk)} changed tier in {result.quarter}"
    first = f"{moved}; noise alone would have moved {expected}."
    anew = int((table["stated"] & ~table["beyond_noise"]).sum())
    word = (
        f"{plural(anew, 'move')} followed a value stated anew, such as a rating: counts say nothing of {'it' if anew == 1 else 'them'}.",
    ) * (anew > 0)
    if beyond == 0:
        return (first, "No single move can be told from noise.", *word)
    rest = len(table) - beyond - anew
    said = f"{plural(beyond, 'move')} {'is' if beyond == 1 else 'are'} beyond noise"
    said += f", at most 1 in 20 of them expected to be a false alarm; the other {say_count(rest)} cannot be told from it."
    return (first, said, *word)


@read_result.register(TierForecast)
def _forecast(result: TierForecast) -> tuple[str, ...]:
    parts = [
        f"{row['tier']} {say_count(row['estimate'])} "
        f"({say_interval(row['conf_low'], row['conf_high'], kind='count')}; {say_count(row['now'])} today)"
        for _, row in result.table.iterrows()
    ]
    tiers = result.table[~result.table["tier"].isin(("lapsed", "unknown"))]
    outside = [row["tier"] for _, row in tiers.iterrows() if not row["conf_low"] <= row["now"] <= row["conf_high"]]
    change = (
        f"Today's number lies outside the interval for {say_list(outside)}."
        if outside
        else "Today's number lies inside every interval: no tier is clearly growing or shrinking."
    )
    return f"Expected in {result.quarter}, if partners go on moving as they did: {'; '.join(parts)}.", change


@read_result.register(ForecastComparison)
def _comparison(result: ForecastComparison) -> tuple[str, ...]:
    judged = result.table[~result.table["tier"].isin(("lapsed", "unknown"))]
    judged = judged.dropna(subset=["actual"]) if "actual" in judged else judged
    inside = int(judged["inside"].sum())
    first = f"Of {plural(len(judged), 'printed interval')}, {say_count(inside)} held what happened."
    if "persistence_error" not in judged:
        return (first,)
    ours, plain = float(judged["error"].abs().sum()), float(judged["persistence_error"].abs().sum())
    verdict = "closer than" if ours < plain else "no closer than"
    return first, f"Over all tiers the forecast was off by {say_count(ours)} partners, {verdict} 'as last quarter' ({say_count(plain)})."


@read_result.register(SurvivalEstimate)
def _survival(result: SurvivalEstimate) -> tuple[str, ...]:
    table = result.at([time for time in READ_AT if time <= result.table["time"].max()])
    said = []
    for name, curve in [("", table)] if result.by is None else list(table.groupby(result.by, sort=False)):
        parts = [
            f"{say_share(row['estimate'])} after {plural(row['time'], result.unit)} "
            f"({say_interval(row['conf_low'], row['conf_high'], kind='share')})"
            for _, row in curve.iterrows()
            if not np.isnan(row["estimate"])
        ]
        if parts:
            said.append(f"{f'{name}: still there, ' if name else 'Still there: '}{', '.join(parts)}.")
    return tuple(said[:8] + _medians(result) + _log_rank(result)) or (f"{result.estimand}: not enough data.",)


def _medians(result: SurvivalEstimate) -> list[str]:
    known = result.median.dropna(subset=["estimate"])
    if known.empty:
        return ["No curve falls to one half within the data, so no median can be given."]
    if result.by is not None:
        return []
    row = known.iloc[0]
    high = "beyond the data" if np.isnan(row["conf_high"]) else say_number(row["conf_high"])
    return [f"Half have left after {say_number(row['estimate'])} {result.unit}s (interval {say_number(row['conf_low'])} to {high})."]


def _log_rank(result: SurvivalEstimate) -> list[str]:
    if result.logrank is None or result.logrank.empty:
        return []
    p_value = float(result.logrank["p_value"].iloc[0])
    if np.isnan(p_value):
        return []
    said = "the curves differ by more than chance" if p_value < 0.05 else "the curves cannot be told apart"
    return [
        f"Log-rank test over {result.by.replace('_', ' ')}: {said} (p = {p_value:.3f})."
        if p_value >= 0.001
        else f"Log-rank test over {result.by.replace('_', ' ')}: {said} (p < 0.001)."
    ]


@read_result.register(HazardEstimate)
def _hazard(result: HazardEstimate) -> tuple[str, ...]:
    known = result.table.dropna(subset=["estimate"])
    if known.empty:
        return ("Not enough data to say how many leave in a quarter.",)
    overall = float((known["estimate"] * known["n"]).sum() / known["n"].sum())
    size = f"{say_count(known['n'].sum())} partner-{result.unit}s"
    first = f"In an average {result.unit} {say_share(overall)} of those at risk left ({size})."
    odd = known[(known["conf_low"] > overall) | (known["conf_high"] < overall)]
    if odd.empty:
        return first, "No single value stands out from that beyond its interval."
    names = [
        f"{' '.join(str(row[key]) for key in result.keys)} "
        f"({say_share(row['estimate'])}, {say_interval(row['conf_low'], row['conf_high'], kind='share')})"
        for _, row in odd.head(5).iterrows()
    ]
    expected = 0.05 * len(known)
    return (
        first,
        f"Outside that with their whole 95 % interval: {say_list(names)}. "
        f"Of {len(known)} intervals, about {say_number(expected, digits=1)} would by chance alone.",
    )


@read_result.register(TierHistory)
def _history(result: TierHistory, *, quarter: str | None = None) -> tuple[str, ...]:
    label = quarter or result.labels[-1]
    codes = result.published[:, result.column(label)]
    in_tier = int((codes >= 0).sum())
    parts = [f"{tier} {say_count((codes == code).sum())}" for code, tier in enumerate(result.tiers)]
    unknown = int((codes == Outside.UNKNOWN).sum())
    said = [f"At the end of {label}, {plural(in_tier, 'partner')} held a tier: {', '.join(parts)}."]
    if unknown:
        said.append(
            f"The tier of {plural(unknown, 'member')} is unknown, because something the scheme asks for is not known of them; "
            "unknown is not the lowest tier."
        )
    return tuple(said + _goals(result, codes))


def _goals(result: TierHistory, codes: np.ndarray) -> list[str]:
    from partnerlab.stats.intervals import wilson_interval

    goals = result.scheme.goals if result.scheme is not None else {}
    n = int((codes >= 0).sum())
    said = []
    for tier, goal in goals.items():
        share = float((codes == result.tiers.index(tier)).sum()) / n if n else np.nan
        low, high = (float(edge) for edge in wilson_interval(np.array(share), np.array(n)))
        verdict = "above the goal" if low > goal else "below the goal" if high < goal else "the goal lies within the interval"
        said.append(f"{tier}: {say_estimate(share, low, high, n, kind='share')} against a goal of {say_share(goal)}: {verdict}.")
    return said


@read_result.register(Panel)
def _panel(result: Panel, *, quarter: str | None = None) -> tuple[str, ...]:
    label = quarter or result.labels[-1]
    active = int(result.member[:, result.column(label)].sum())
    partial = [name for name, cut in zip(result.labels, result.partial, strict=True) if cut]
    said = [
        f"{plural(len(result.partners), 'partner')} over {plural(result.shape[1], 'quarter')}, {result.labels[0]} to {result.labels[-1]}; "
        f"{say_count(active)} active at the end of {label}."
    ]
    if partial:
        said.append(f"Covered only in part, and left out of flows: {say_list(partial)}.")
    absent = [note for note in result.provenance.notes if ": needs " in note]
    if absent:
        tables = list(dict.fromkeys(note.partition(": needs ")[2].partition(",")[0] for note in absent))
        said.append(
            f"{plural(len(absent), 'standard indicator')} left out, because there is no "
            f"{say_list([table.removeprefix('table ') for table in tables])}."
        )
    return (*said, *(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in result.provenance.notes if note not in absent))


@read_result.register(DataQuality)
def _quality(result: DataQuality) -> tuple[str, ...]:
    table = result.table
    said = [result.summary()]
    for grade, what in (
        ("reject", "stop the analysis"),
        ("quarantine", "are set aside from every count"),
        ("warn", "are counted, and worth a look"),
    ):
        found = table[(table["grade"] == grade) & (table["rows"] > 0)]
        if len(found):
            worst = found.sort_values("rows", ascending=False).head(3)
            names = [f"{row['table']}.{row['column']} ({say_count(row['rows'])} rows)" for _, row in worst.iterrows()]
            said.append(f"{plural(len(found), 'finding')} {what}, most rows in {say_list(names)}.")
    return tuple(said)


@read_result.register(Explanation)
def _explanation(result: Explanation) -> tuple[str, ...]:
    return tuple(result.summary().splitlines())


def _failed(result: Result) -> list[str]:
    return [f"Not passed: {check.name[:1].lower()}{check.name[1:]}. {check.detail}" for check in result.checks if check.passed is False]
