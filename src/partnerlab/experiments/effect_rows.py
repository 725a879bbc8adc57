"""Rows of a reading: effects with their intervals, p-values adjusted within families, and what each metric's goal asked for."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from partnerlab.experiments.experiment import Metric
from partnerlab.experiments.readings import Reading
from partnerlab.experiments.trial import Trial
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.stats.trials.arm_differences import ArmDifference

AS_DEALT = "as dealt"
ON_TAKERS = "on those who took it"


def effect_rows(
    trial: Trial, metric: Metric, code: int, found: Reading, *, level: float, first: bool, material: float | None
) -> list[dict[str, object]]:
    """Rows of one metric and variant: as dealt, on those who took it, and of tiers what rose and fell."""
    counts = {"n_treated": found.n_treated, "n_control": found.n - found.n_treated}
    asked = {"goal": metric.goal, "margin": metric.margin, "better": metric.better, "material": material}
    key = {"metric": metric.name, "variant": trial.compared[code - 1]}
    rows = []
    for name, effect in ((AS_DEALT, found.effect), (ON_TAKERS, found.taken)):
        if effect is None:
            continue
        dealt = name == AS_DEALT
        rows.append(
            {
                **key,
                "effect": name,
                **_tidy(effect, level, n=found.n),
                "p_redrawn": found.p_redrawn if dealt else math.nan,
                "p_wild": found.p_wild if dealt else math.nan,
                "treated": found.treated,
                "control": found.control,
                "control_alike": found.control_alike,
                **counts,
                **_relative(found, effect, level),
                "claim": _claim(metric, effect, level),
                **asked,
                "level": level,
                "deciding": first,
                "method": effect.method,
                **(found.extra if dealt else {}),
            }
        )
    for moved in found.moved:
        shares = {"treated": moved.treated, "control": moved.control}
        rest = {"level": level, "deciding": False, "method": moved.effect.method}
        rows.append({**key, "effect": moved.name, **_tidy(moved.effect, level, n=moved.n), **shares, **rest})
    return rows


def _tidy(effect: ArmDifference, level: float, *, n: int) -> dict[str, float]:
    low, high = _interval(effect, level)
    return {
        "estimate": effect.estimate,
        "std_error": effect.std_error,
        "conf_low": low,
        "conf_high": high,
        "n": n,
        "df": effect.df,
        "p_value": p_value_of(effect),
    }


def _relative(found: Reading, effect: ArmDifference, level: float) -> dict[str, float]:
    """Effect over the level of a control that is alike in blocks and what was known before, its interval by the delta method."""
    if math.isnan(found.relative_error):
        return dict.fromkeys(("relative", "relative_low", "relative_high"), math.nan)
    middle = effect.estimate / found.control_alike
    reach = float(critical_value(level, effect.df)) * found.relative_error
    if effect is not found.effect:
        return {"relative": middle, "relative_low": math.nan, "relative_high": math.nan}
    return {"relative": middle, "relative_low": middle - reach, "relative_high": middle + reach}


def _interval(effect: ArmDifference, level: float) -> tuple[float, float]:
    if not math.isfinite(effect.std_error):
        return math.nan, math.nan
    reach = float(critical_value(level, effect.df)) * effect.std_error
    return float(effect.estimate - reach), float(effect.estimate + reach)


def p_value_of(effect: ArmDifference) -> float:
    """Two-sided p-value of an effect, by Student's t; NaN without an error."""
    from scipy.special import ndtr, stdtr

    if not math.isfinite(effect.std_error):
        return math.nan
    z = -abs(effect.estimate / effect.std_error)
    return float(2 * (ndtr(z) if math.isinf(effect.df) else stdtr(effect.df, z)))


def _claim(metric: Metric, effect: ArmDifference, level: float) -> str:
    """Say what the metric's goal asked for, by the interval; equivalence by two one-sided tests."""
    sign = 1.0 if metric.better == "higher" else -1.0
    low, high = sorted(sign * end for end in _interval(effect, level))
    if math.isnan(low):
        return "cannot tell"
    if metric.goal == "equivalent":
        inner = [sign * end for end in _interval(effect, 2 * level - 1)]
        return "equivalent" if max(map(abs, inner)) < metric.margin else "cannot tell"
    if low > 0 or high < 0:
        return "better" if low > 0 else "worse"
    return "not worse" if metric.goal == "not worse" and low > -metric.margin else "cannot tell"


def adjust_families(table: pd.DataFrame) -> pd.DataFrame:
    """Adjust p-values by Holm, within the deciding metric and within the others."""
    adjusted = np.full(len(table), np.nan)
    dealt = (table["effect"] == AS_DEALT).to_numpy()
    for deciding in (True, False):
        family = dealt & (table["deciding"].to_numpy() == deciding)
        adjusted[family] = adjust_p_values(table["p_value"].to_numpy()[family])
    table.insert(table.columns.get_loc("p_redrawn") + 1, "p_adjusted", adjusted)
    return table
