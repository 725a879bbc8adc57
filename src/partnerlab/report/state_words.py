"""Readings of where partners are over time: occupancy, time in each state, first entry, mobility, and what goes with moving."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.report.readings import READ_AT, read_result, say_failed
from partnerlab.transitions import FirstPassage, MobilityEstimate, SojournEstimate, StateOccupancy, TransitionModel
from partnerlab.words import plural, say_interval, say_list, say_number, say_pair, say_share

#: Groups that are read out; a figure or table has the others.
MOST_GROUPS = 6


def _groups(table: pd.DataFrame, by: str | None) -> list[tuple[str, pd.DataFrame]]:
    """Name the parts of a table by group; one without a name where there are no groups."""
    return [("", table)] if by is None else [(f"{name}: ", part) for name, part in table.groupby(by, sort=False)][:MOST_GROUPS]


def _share(row: pd.Series) -> str:
    if np.isnan(row["conf_low"]):
        return f"{say_share(row['estimate'])} (no interval)"
    return f"{say_share(row['estimate'])} ({say_interval(row['conf_low'], row['conf_high'], kind='share')})"


def _times(table: pd.DataFrame, start: float) -> list[float]:
    """Choose the times that are read out: those of all readings within the data, else the last."""
    last = float(table["time"].max())
    return [start + time for time in READ_AT if start + time <= last] or [last]


@read_result.register(StateOccupancy)
def _occupancy(result: StateOccupancy) -> tuple[str, ...]:
    times = _times(result.table, result.start)
    said = []
    for name, part in _groups(result.at(times if result.by is None else times[-1:]), result.by):
        for time, rows in part.dropna(subset=["estimate"]).groupby("time", sort=True):
            where = "; ".join(f"{row['state']} {_share(row)}" for _, row in rows.iterrows())
            after = plural(time - result.start, result.unit)
            said.append(f"{name}{'after' if name else 'After'} {after}: {where}.")
    return (*(said or [f"{result.estimand}: not enough data."]), *say_failed(result))


@read_result.register(SojournEstimate)
def _sojourn(result: SojournEstimate) -> tuple[str, ...]:
    span = plural(result.tau - result.start, result.unit)
    said = []
    for name, rows in _groups(result.table.dropna(subset=["estimate"]), result.by):
        parts = []
        for _, row in rows.iterrows():
            middle, interval = say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
            parts.append(f"{middle} in {row['state']} ({interval})")
        if parts:
            said.append(f"{name}{'of' if name else 'Of'} {span}, a partner spends on average {'; '.join(parts)}.")
    return (*(said or [f"{result.estimand}: not enough data."]), *say_failed(result))


@read_result.register(FirstPassage)
def _arrival(result: FirstPassage) -> tuple[str, ...]:
    entered, said = " or ".join(result.into), []
    for name, rows in _groups(result.at(_times(result.table, result.start)), result.by):
        parts = [
            f"{_share(row)} within {plural(row['time'] - result.start, result.unit)}"
            for _, row in rows.dropna(subset=["estimate"]).iterrows()
        ]
        if parts:
            said.append(f"{name}{'have' if name else 'Have'} entered {entered}: {', '.join(parts)}.")
    return (*(said or [f"{result.estimand}: not enough data."]), *_half(result), *say_failed(result))


def _half(result: FirstPassage) -> list[str]:
    """By when half have entered, where they do."""
    if result.by is not None or "share" not in result.quantiles:
        return []
    row = result.quantiles[np.isclose(result.quantiles["share"], 0.5)]
    if row.empty:
        return []
    middle, low, high = (float(row.iloc[0][name]) for name in ("estimate", "conf_low", "conf_high"))
    if np.isnan(middle):
        return ["Within the data fewer than half enter, so there is no median time."]
    ends = [say_number(low) if np.isfinite(low) else "unknown", say_number(high) if np.isfinite(high) else "beyond the data"]
    return [f"Half have entered after {say_number(middle)} {result.unit}s (interval {ends[0]} to {ends[1]})."]


@read_result.register(MobilityEstimate)
def _mobility(result: MobilityEstimate) -> tuple[str, ...]:
    said = []
    for name, rows in _groups(result.table, result.by):
        known = rows.set_index("index")
        one = known.loc["shorrocks"] if "shorrocks" in known.index else None
        if one is None or np.isnan(one["estimate"]):
            continue
        middle, interval = say_pair(one["estimate"], one["conf_low"], one["conf_high"], kind="number")
        said.append(
            f"{name}{'on' if name else 'On'} a scale from 0 (nobody moves) to 1 (the next tier does not depend on this one) "
            f"mobility is {middle} ({interval})."
        )
    return (*(said or [f"{result.estimand}: not enough data."]), *_stays(result), *say_failed(result))


def _stays(result: MobilityEstimate) -> list[str]:
    if result.by is not None or "estimate" not in result.stays:
        return []
    rows = result.stays[np.isfinite(result.stays["estimate"])]
    parts = [f"{row['state']} {say_number(row['estimate'])}" for _, row in rows.iterrows()]
    return [f"Steps spent in a tier on average before it is left: {', '.join(parts)}."] if parts else []


#: What stands for the checks of several tiers; each says more of its own.
_OF_TIERS = {
    "Separation": "some values of the covariates go with no such move at all, so the estimates are pulled a little towards none",
    "Moves behind each coefficient": "few moves stand behind the estimates",
}


@read_result.register(TransitionModel)
def _associations(result: TransitionModel) -> tuple[str, ...]:
    """Name the tiers of which little is known; the picture says the rest."""
    failed = [check for check in result.checks if check.passed is False]
    said = []
    for name, words in _OF_TIERS.items():
        tiers = [check.name.removeprefix(f"{name} (").removesuffix(")") for check in failed if check.name.startswith(f"{name} (")]
        said += [f"{say_list(tiers)}: {words}."] if tiers else []
    others = [check for check in failed if not check.name.startswith(tuple(f"{name} (" for name in _OF_TIERS))]
    said += [f"Not passed: {check.name[:1].lower()}{check.name[1:]}. {check.detail}" for check in others]
    return tuple(said) or ("Every tier has enough moves for its estimates.",)
