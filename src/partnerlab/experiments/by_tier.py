"""For whom a variant worked: its effect by tier before the start, pooled, so that the best of several is not a boast."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.checks import check_attrition, check_dealt, check_trial, refuse_other_nouns
from partnerlab.experiments.departures import hold_to_deal
from partnerlab.experiments.effect_rows import p_value_of
from partnerlab.experiments.experiment import Experiment, Metric
from partnerlab.experiments.readings import read_metric
from partnerlab.experiments.trial import Trial
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import check_level, critical_value, widen_error
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.stats.shrinkage.hierarchy import PooledCells, pool_cells
from partnerlab.stats.trials.srm import ratio_z
from partnerlab.words import plural, say_number, say_p


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierReading(Result):
    """Effects of the variants in each tier, pooled over tiers.

    The table's keys are ``variant`` and ``tier``; ``estimate``, ``std_error`` and the interval are pooled. Beside them stand ``raw`` and
    ``raw_error``, ``weight`` (how much of the pooled estimate follows the tier's own, 0 to 1), ``p_raw`` (adjusted by Holm over all
    cells), ``positive`` (probability of an effect above 0), ``best`` (of being the tier with the largest effect), ``n_treated``,
    ``n_control`` and ``ratio_z`` (units of both arms against the shares planned, standardised).

    Parameters
    ----------
    metric : str
        What was read.
    heterogeneity : dict
        Of each variant: p-value of the same effect in all tiers.
    """

    title: ClassVar[str] = "Effect by tier"

    metric: str
    heterogeneity: dict[str, float]


def analyze_by_tier(
    trial: Trial,
    *,
    experiment: Experiment | None = None,
    assignment: Assignment | None = None,
    metric: str | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> TierReading:
    """Read the effect in each tier before the start (or whatever ``by`` named), pooled over tiers.

    Parameters
    ----------
    trial : Trial
        Made with ``by=``, or with an experiment that declares one.
    experiment, assignment
        As in `analyze_experiment`; shares planned, and clusters and strata as dealt.
    metric : str, optional
        Which; the deciding one if None.
    level : float
        Coverage.
    seed : int
        Of the draws behind ``best``.

    Raises
    ------
    ParameterError
        If the trial has no groups, or no such metric.
    SampleError
        If fewer than two tiers can be read.

    Notes
    -----
    Errors of a few clusters are widened to what Student's t asks for; clusters with units in several tiers make their effects alike
    by chance, and that covariance goes into the pooling (`partnerlab.stats.shrinkage.hierarchy`, all spreads of true effects as likely).

    Examples
    --------
    >>> table = pd.DataFrame({"unit": range(24), "variant": ["off", "on"] * 12, "tier": ["Gold"] * 12 + ["Silver"] * 12})
    >>> table["leads"] = [2, 5, 1, 4, 3, 6, 2, 5, 1, 6, 3, 4, 2, 3, 1, 2, 3, 3, 2, 3, 1, 3, 3, 4]
    >>> found = analyze_by_tier(Trial.from_frame(table, outcomes=["leads"], by="tier"))
    >>> found.table[["tier", "raw", "estimate"]].round(2).values.tolist()
    [['Gold', 3.0, 2.86], ['Silver', 1.0, 1.11]]
    """
    refuse_other_nouns("analyze_by_tier", trial, experiment, assignment)
    check_level(level)
    experiment = experiment or (assignment.experiment if assignment else trial.experiment)
    check_dealt(trial, assignment)
    trial = hold_to_deal(trial, assignment)[0]
    asked = _metric(trial, metric)
    if trial.group is None:
        raise ParameterError("analyze_by_tier: the trial has no groups; name their column in Trial.from_frame(..., by=...)")
    tables, said, differ = [], [], {}
    for code in range(1, len(trial.variants)):
        cells, covariance = _cells(trial, asked, code, experiment=experiment, level=level)
        known = np.isfinite(cells["raw_error"].to_numpy())
        if known.sum() < 2:
            raise SampleError(f"analyze_by_tier: {plural(int(known.sum()), 'tier')} with two things of each variant; two tiers are needed")
        raw = cells["raw"].to_numpy()[known]
        pooled = pool_cells(raw, covariance=covariance, flat=True, level=level, seed=seed)
        name = trial.variants[code]
        differ[name] = _heterogeneity(raw, covariance)
        tables.append(_by_rank(_table(name, cells, pooled, known), trial))
        said.append(f"{name}: {say_p(differ[name])} for the same effect in all tiers, spread of effects {say_number(pooled.spreads[0])}")
    table = pd.concat(tables, ignore_index=True)
    table["p_raw"] = adjust_p_values(table["p_raw"].to_numpy())
    # what stops the whole stops its parts
    failed = [check for check in check_trial(trial, experiment, assignment, lost=(check_attrition(trial, asked),)) if check.passed is False]
    unlike = int((table["ratio_z"].abs() > critical_value(1 - 0.01 / len(table))).sum())
    return TierReading(
        estimand=f"Effect on {asked.effect} by tier before the start, pooled over {plural(len(trial.groups), 'tier')}",
        table=table,
        checks=(
            Check("tiers differ", None, "; ".join(said)),
            Check(
                "sample ratio by tier", unlike == 0, f"{plural(unlike, 'tier')} of {len(table)} with other shares of variants than planned"
            ),
            *failed,
        ),
        evidence=Evidence.D if unlike or failed else Evidence.B,
        level=level,
        metric=asked.name,
        heterogeneity=differ,
    )


def _by_rank(table: pd.DataFrame, trial: Trial) -> pd.DataFrame:
    """Order tiers by rank, lowest first, where an outcome says how they rank."""
    rank = next((one.tiers for one in trial.metrics if one.kind == "tier" and set(trial.groups) <= set(one.tiers)), None)
    return table if rank is None else table.sort_values("tier", key=lambda names: names.map(rank.index))


def _metric(trial: Trial, name: str | None) -> Metric:
    if name is None:
        return trial.metrics[0]
    found = next((metric for metric in trial.metrics if metric.name == name), None)
    if found is None:
        names = [metric.name for metric in trial.metrics]
        raise ParameterError(f"analyze_by_tier: no metric {name!r}{nearest(name, names)}")
    return found


def _cells(trial: Trial, metric: Metric, code: int, *, experiment: Experiment | None, level: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Raw effect of each tier, and the covariance of those that are known."""
    rows, pushes, errors = [], [], []
    ratio = 1.0 if experiment is None else experiment.variants[code].share / experiment.variants[0].share
    thing = np.arange(len(trial)) if trial.cluster is None else np.unique(trial.cluster, return_inverse=True)[1]
    for group, name in enumerate(trial.groups):
        mine = np.flatnonzero((trial.group == group) & np.isin(trial.variant, (0, code)))
        part = trial.select(mine)
        found = read_metric(part, metric, code, assignment=None, adjustment=None, draws=0, seed=0) if _readable(part, code) else None
        seen = found is not None and math.isfinite(found.effect.std_error)
        treated, control = (int((part.variant == arm).sum()) for arm in (code, 0))
        effect = found.effect if seen else None
        wide = float(widen_error(effect.std_error, effect.df, level=level)) if seen else math.nan
        rows.append(
            {
                "tier": name,
                "raw": effect.estimate if seen else math.nan,
                "raw_error": wide,
                "p_raw": p_value_of(effect) if seen else math.nan,
                "n": found.n if seen else treated + control,
                "n_treated": treated,
                "n_control": control,
                "ratio_z": float(ratio_z(np.array(treated), np.array(control), ratio=ratio)) if treated + control else math.nan,
            }
        )
        if seen:
            pushes.append(_push(part, metric, code, thing[mine], int(thing.max()) + 1))
            errors.append(wide)
    return pd.DataFrame(rows), _covariance(np.array(pushes), np.array(errors))


def _readable(part: Trial, code: int) -> bool:
    return min(int((part.variant == arm).sum()) for arm in (code, 0)) >= 2


def _push(part: Trial, metric: Metric, code: int, thing: np.ndarray, things: int) -> np.ndarray:
    """How much each cluster (or unit) pushes a tier's effect, by its first outcome column."""
    values = part.outcomes[metric.name]
    push = np.zeros(len(values))
    for arm, sign in ((part.variant == code, 1.0), (part.variant == 0, -1.0)):
        here = arm & np.isfinite(values)
        push[here] = sign * (values[here] - values[here].mean()) / here.sum()
    return np.bincount(thing, weights=push, minlength=things)


def _covariance(push: np.ndarray, error: np.ndarray) -> np.ndarray:
    if not len(push):
        return np.zeros((0, 0))
    size = np.sqrt((push**2).sum(axis=1))
    scaled = push / np.where(size > 0, size, 1.0)[:, None]
    alike = scaled @ scaled.T
    np.fill_diagonal(alike, 1.0)
    return alike * np.outer(error, error)


def _heterogeneity(raw: np.ndarray, covariance: np.ndarray) -> float:
    """P-value of Cochran's Q with correlated cells."""
    from scipy.special import chdtrc

    inverse = np.linalg.inv(covariance)
    middle = inverse.sum(axis=0) @ raw / inverse.sum()
    return float(chdtrc(len(raw) - 1, (raw - middle) @ inverse @ (raw - middle)))


def _table(variant: str, cells: pd.DataFrame, pooled: PooledCells, known: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"variant": variant, "tier": cells["tier"]})
    columns = {
        "estimate": pooled.mean,
        "std_error": pooled.std,
        "conf_low": pooled.low,
        "conf_high": pooled.high,
    }
    for name, values in columns.items():
        table[name] = _spread(values, known)
    table["n"] = cells["n"]
    for name in ("raw", "raw_error", "p_raw"):
        table[name] = cells[name]
    for name, values in (("weight", pooled.own_weight), ("positive", pooled.positive), ("best", pooled.best)):
        table[name] = _spread(values, known)
    return table.join(cells[["n_treated", "n_control", "ratio_z"]])


def _spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    full = np.full(len(known), np.nan)
    full[known] = values
    return full
