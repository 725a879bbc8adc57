"""One round of a backtest: a forecast from one quarter with what was known then, beside what came."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.transitions.baselines import BASELINES, baseline_matrices
from partnerlab.transitions.courses import Course
from partnerlab.transitions.forecasts import future_of, interval_edges


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forecasting:
    """How forecasts of a backtest are made.

    Parameters
    ----------
    ahead : int
        Quarters ahead.
    method : str
        As in `forecast_tiers`.
    draws, seed : int
        Of the simulated futures.
    level : float
        Coverage of the program's intervals.
    classes : ndarray of int, shape (s,)
        Class of each state, -1 for what is not scored.
    """

    ahead: int
    method: str
    draws: int
    seed: int
    level: float
    classes: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """Forecasts from one quarter and what came: arrays over partners and quarters ahead, as in `Trials`."""

    partner: np.ndarray
    origin: np.ndarray
    ahead: np.ndarray
    period: np.ndarray
    target: np.ndarray
    said: dict[str, np.ndarray]
    counts: pd.DataFrame


def run_round(course: Course, origin: int, how: Forecasting, *, known: Course | None) -> Round:
    """Forecast from a column with what was known then, and read what happened.

    Parameters
    ----------
    course : Course
        As it came out.
    origin : int
        Column that the forecast is made from.
    how : Forecasting
        How.
    known : Course or None
        What was known at the origin; None cuts the course there.
    """
    then = course.until(origin) if known is None else known.until(course.first + origin - known.first)
    whole = np.concatenate([course.use, [False]]) | np.concatenate([[False], course.use])
    steps = [step for step in range(1, how.ahead + 1) if origin + step < course.codes.shape[1] and whole[origin + step]]
    future = future_of(then, method=how.method, ahead=max(steps), draws=how.draws, seed=how.seed)
    rows, now = _same(then.partners, course.partners), then.codes[:, -1]
    members = np.flatnonzero((now >= 0) & (now < course.tiers) & (rows >= 0))
    chance = future.chances(members)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("partner", "origin", "ahead", "period", "target", "ours", *BASELINES)}
    for step in steps:
        target = course.codes[rows[members], origin + step]
        seen = np.flatnonzero((target >= 0) & (target < len(course.names) - 1))
        size = len(seen)
        matrices = baseline_matrices(then, ahead=step, classes=how.classes)
        values = {"ours": chance[seen, step - 1], **{name: matrices[name][now[members[seen]]] for name in BASELINES}}
        values |= {
            "partner": rows[members[seen]],
            "origin": now[members[seen]].astype(np.int64),
            "target": target[seen].astype(np.int64),
        }
        values |= {"ahead": np.full(size, step), "period": np.full(size, course.first + origin + step)}
        for name, value in values.items():
            parts[name].append(value)
    stacked = {name: np.concatenate(value) for name, value in parts.items()}
    said = {name: stacked.pop(name) for name in ("ours", *BASELINES)}
    return Round(**stacked, said=said, counts=_count_rows(course, future.counts, origin, steps, how.level))


def _same(names: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Row of each partner among others, -1 where it is not one of them."""
    place = np.minimum(np.searchsorted(among, names), max(len(among) - 1, 0))
    return np.where(among[place] == names, place, -1) if len(among) else np.full(len(names), -1)


def _count_rows(course: Course, drawn: np.ndarray, origin: int, steps: list[int], level: float) -> pd.DataFrame:
    """List the program's numbers as forecast, and as they came."""
    edges, names = interval_edges(drawn, level), course.names[: course.tiers + 1]
    tables = []
    for step in steps:
        there = course.codes[:, origin + step]
        actual = np.bincount(there[there >= 0], minlength=len(course.names))[: len(names)]
        low, high = edges[0, step - 1, : len(names)], edges[1, step - 1, : len(names)]
        facts = {"tier": names, "quarter": course.label(course.first + origin + step), "made_from": course.label(course.first + origin)}
        numbers = {"ahead": step, "estimate": drawn[:, step - 1, : len(names)].mean(axis=0), "conf_low": low, "conf_high": high}
        tables.append(pd.DataFrame({**facts, **numbers, "actual": actual, "inside": (low <= actual) & (actual <= high)}))
    return pd.concat(tables, ignore_index=True).astype({"tier": "str", "quarter": "str", "made_from": "str"})
