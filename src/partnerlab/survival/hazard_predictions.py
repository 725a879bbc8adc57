"""What a regression of the discrete hazard says of a partner: the chance of a period, and of having ended by later times."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.stats.hazards.discrete_incidence import start_incidence
from partnerlab.stats.regressions import coefficients
from partnerlab.stats.regressions.designs import Design, read_again
from partnerlab.stats.regressions.regression import Family, predict_chances
from partnerlab.survival.period_rows import Baseline

#: What the baseline's columns are called.
TENURE = "tenure"

#: Below this a chance of an ending that was never seen in a period is read as 0.
NEVER = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class FittedHazard:
    """What a prediction needs; no rows. ``held`` are periods and outcomes that were never seen together."""

    family: Family
    design: Design
    beta: np.ndarray
    covariance: np.ndarray
    outcomes: tuple[str, ...]
    baseline: Baseline
    silent: tuple[int, ...]
    df: float | None
    held: tuple[tuple[object, int], ...] = ()


def predict_period(fitted: FittedHazard, table: pd.DataFrame, *, level: float, n: int) -> pd.DataFrame:
    """Give each row's chance of ending, in each way, in the period lived through."""
    columns, unknown = read_again(fitted.design.columns, _with_clock(table, fitted.baseline), of="predict")
    design = dataclasses.replace(fitted.design, columns=columns, rows=len(table))
    chance, error = predict_chances(fitted.family, design, fitted.beta, fitted.covariance)
    for period, outcome in fitted.held:
        there = slice(None) if period is None else (table[TENURE] == period).to_numpy()
        chance[there, outcome], error[there, outcome] = np.where(chance[there, outcome] < NEVER, 0.0, chance[there, outcome]), np.nan
    low, high = coefficients.chance_interval(chance, error, level=level, df=fitted.df)
    kinds = len(fitted.outcomes) - 1
    body = {"estimate": chance, "std_error": error, "conf_low": low, "conf_high": high}
    found = {name: np.where(unknown[:, None], np.nan, values)[:, 1:].ravel() for name, values in body.items()}
    key, who = _who(table)
    keys = {key: np.repeat(who, kinds), "outcome": np.tile(np.array(fitted.outcomes[1:], dtype=object), len(table))}
    return pd.DataFrame(keys | found | {"n": n, "risk": found["estimate"]})


def predict_by_time(fitted: FittedHazard, table: pd.DataFrame, *, times: np.ndarray, level: float, n: int) -> pd.DataFrame:
    """Give each row's chance of having ended, in each way, by each time, from the beginning on."""
    kinds, last = len(fitted.outcomes) - 1, int(times.max(initial=0))
    share, error = np.zeros((2, len(table), last + 1, kinds))
    run = start_incidence(len(table), kinds=kinds, width=len(fitted.beta))
    for period in range(1, last + 1):
        hazard, slope = _hazards(fitted, table, period)
        run = run.step(hazard, slope)
        share[:, period], error[:, period] = run.share, run.error(fitted.covariance)
    share, error = share[:, times], error[:, times]
    begun = (times == 0)[None, :, None]
    error = np.where((share == 0) & ~begun, np.nan, error)  # that nobody ended so soon is not certainty
    low, high = coefficients.chance_interval(share, error, level=level, df=fitted.df)
    body = {"estimate": share, "std_error": error, "conf_low": np.where(begun, 0.0, low), "conf_high": np.where(begun, 0.0, high)}
    # ways of ending outermost but for the partner, so that each has its times in a row
    found = {name: values.transpose(0, 2, 1).ravel() for name, values in body.items()}
    key, who = _who(table)
    keys = {key: np.repeat(who, kinds * len(times))}
    if kinds > 1:
        keys["outcome"] = np.tile(np.repeat(np.array(fitted.outcomes[1:], dtype=object), len(times)), len(table))
    keys["time"] = np.tile(times, len(table) * kinds)
    return pd.DataFrame(keys | found | {"n": n, "risk": found["estimate"]})


def _hazards(fitted: FittedHazard, table: pd.DataFrame, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Hazards of one period ``(b, K)`` and their derivatives ``(b, K, P)``; what was never seen in it has none."""
    now = _with_clock(table.assign(**{TENURE: period}), fitted.baseline)
    quiet = period in fitted.silent
    if quiet:
        # nobody ended then; any known level stands in for it, as its hazard is not read
        known = next((column.levels[0] for column in fitted.design.columns if column.name == TENURE and column.levels), period)
        now[TENURE] = known
    columns, unknown = read_again(fitted.design.columns, now, of="predict")
    x = dataclasses.replace(fitted.design, columns=columns, rows=len(now)).lay_out()
    hazard = fitted.family.probabilities(x, fitted.beta)[:, 1:]
    slope = fitted.family.slopes(x, fitted.beta)[:, 1:]
    never = np.zeros(hazard.shape, dtype=bool) | quiet
    for held, outcome in fitted.held:
        never[:, outcome - 1] |= (held is None or held == period) & (hazard[:, outcome - 1] < NEVER)
    hazard, slope = np.where(never, 0.0, hazard), np.where(never[:, :, None], 0.0, slope)
    return np.where(unknown[:, None] & ~never, np.nan, hazard), slope


def _who(table: pd.DataFrame) -> tuple[str, np.ndarray]:
    return ("partner", table["partner"].to_numpy()) if "partner" in table.columns else ("row", np.arange(len(table)))


def whole_times(times: Sequence[int]) -> np.ndarray:
    """Durations to predict for, refused where they are no whole periods."""
    asked = np.atleast_1d(np.asarray(times, dtype=float))
    bad = ~np.isfinite(asked) | (asked < 0) | (asked != np.round(asked))
    if bad.any():
        named = ", ".join(f"{time:g}" for time in asked[bad][:3])
        raise ParameterError(f"predict: times hold {named}; a discrete hazard knows whole periods from 0 on")
    return asked.astype(np.int64)


def _with_clock(table: pd.DataFrame, baseline: Baseline) -> pd.DataFrame:
    if baseline != "log" or TENURE not in table.columns:
        return table
    return table.assign(**{"log tenure": np.log(table[TENURE].to_numpy(dtype=float))})
