"""What belongs to one kind of metric beside its effect: odds and chances to rise of tiers, hazards and curves of times."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from partnerlab.experiments.experiment import Metric
from partnerlab.experiments.trial import Trial
from partnerlab.stats.curves.logrank import log_rank
from partnerlab.stats.curves.risksets import CENSORED, Spans, count_risk_sets
from partnerlab.stats.regressions.designs import Column
from partnerlab.stats.trials.arm_differences import ArmDifference, Arms, arm_difference
from partnerlab.stats.trials.arm_hazards import ArmHazards, arm_curve, arm_hazards
from partnerlab.stats.trials.mixed_tier_odds import mixed_tier_odds
from partnerlab.stats.trials.tier_odds import check_tier_odds, tier_odds
from partnerlab.words import say_number, say_p

ROSE, FELL = "share that rose", "share that fell"
#: Clusters from which summed scores give an error; with fewer, each is left out in turn.
MANY_CLUSTERS = 40
#: Most units for which the odds within clusters are integrated.
MOST_MIXED = 20_000


def tier_reading(values: np.ndarray, arms: Arms, effect: ArmDifference) -> dict[str, float]:
    """Chance to win, and odds: of all units; and of units of one cluster, where clusters have both variants."""
    others = () if arms.stratum is None else (_blocks(arms.stratum),)
    codes = values.astype(np.int64)
    log_odds, error = tier_odds(codes, arms.treated, others=others, cluster=arms.cluster)
    found = {"win_probability": 0.5 + effect.estimate / 2, "log_odds_ratio": log_odds, "log_odds_error": error}
    if arms.cluster is None:
        alike, common = check_tier_odds(codes, arms.treated, others=others)
        return found | {"odds_p": alike.p_value, "one_odds_p": common.p_value}
    if len(codes) > MOST_MIXED or whole_clusters(arms):
        return found
    design = np.column_stack([arms.treated.astype(float), *([] if arms.stratum is None else [_hot(arms.stratum)])])
    within = mixed_tier_odds(codes, design, arms.cluster)
    return found | {"log_odds_within": float(within.effect[0]), "log_odds_within_error": float(within.effect_error[0])}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moved:
    """Share of units that rose (or fell) from their tier before, and how the variant changed it.

    Parameters
    ----------
    name : str
        Which way.
    effect : ArmDifference
        Difference of the shares.
    treated, control : float
        Shares of each arm.
    n : int
        Units whose tiers before and after are known.
    """

    name: str
    effect: ArmDifference
    treated: float
    control: float
    n: int


def tier_moves(metric: Metric, values: dict[str, np.ndarray], arms: Arms) -> tuple[Moved, ...]:
    """Shares that rose and fell against the tier before, as dealt; empty where no tier before was declared."""
    if metric.before is None:
        return ()
    known = np.isfinite(values[metric.before])
    picked = {name: None if getattr(arms, name) is None else getattr(arms, name)[known] for name in ("treated", "stratum", "cluster")}
    mine, step = Arms(**picked), (values[metric.name] - values[metric.before])[known]
    if min(mine.treated.sum(), (~mine.treated).sum()) < 2:
        return ()
    found = []
    for name, moved in ((ROSE, step > 0), (FELL, step < 0)):
        effect = arm_difference(moved.astype(float), mine, adjustment="none")
        effect = effect if effect.std_error > 0 else dataclasses.replace(effect, std_error=math.nan)
        shares = (float(moved[side].mean()) for side in (mine.treated, ~mine.treated))
        found.append(Moved(name=name, effect=effect, treated=next(shares), control=next(shares), n=int(known.sum())))
    return tuple(found)


def curve_known_until(time: np.ndarray, event: np.ndarray) -> float:
    """Time up to which a curve is known: the last one seen, or for ever where the last ones all had the event.

    Examples
    --------
    >>> curve_known_until(np.array([1.0, 4.0]), np.array([True, False])), curve_known_until(np.array([1.0, 4.0]), np.array([True, True]))
    (4.0, inf)
    """
    last = float(time.max())
    return math.inf if last > 0 and event[time == last].all() else last


def time_reading(metric: Metric, values: dict[str, np.ndarray], arms: Arms) -> dict[str, float]:
    """Log-rank test, medians, and the shares without the event at the end of the area."""
    time, event = values[metric.name], values[metric.event] > 0
    test = _log_rank(time, event, arms.stratum, arms.treated.astype(np.int64), arms=2)
    found = {"log_rank": test.statistic, "log_rank_p": test.p_value}
    for name, arm in (("treated", arms.treated), ("control", ~arms.treated)):
        found[f"median_{name}"], left = arm_curve(time[arm], event[arm], at=metric.until)
        known = curve_known_until(time[arm], event[arm]) >= metric.until * (1 - 1e-9)
        found[f"left_{name}"] = left if known else math.nan
    return found


def hazard_reading(trial: Trial, metric: Metric, *, adjusted: bool) -> ArmHazards | None:
    """One Cox model of all variants, within strata, with what was known before; errors by cluster where there are any."""
    time, event, arm, stratum, cluster, known = _rows(trial, metric)
    errors = "model"
    if cluster is not None:
        errors = "cluster" if len(np.unique(cluster)) >= MANY_CLUSTERS else "jackknife"
    return arm_hazards(
        time,
        event,
        arm,
        arms=len(trial.variants),
        stratum=stratum,
        cluster=cluster,
        covariates=known if adjusted else None,
        errors=errors,
    )


def hazard_of(hazards: ArmHazards | None, code: int) -> dict[str, float]:
    """Hazard ratio of one variant to the control, with what its interval needs."""
    if hazards is None:
        return {}
    return {
        "hazard_ratio": math.exp(hazards.log_ratio[code - 1]),
        "log_hazard_ratio": float(hazards.log_ratio[code - 1]),
        "log_hazard_error": float(hazards.std_error[code - 1]),
        "one_ratio_p": hazards.proportional.p_value,
    }


def hazards_alike(trial: Trial, metric: Metric, hazards: ArmHazards | None) -> str:
    """Say what a log-rank test over all variants and the test of proportional hazards give."""
    time, event, arm, stratum, *_ = _rows(trial, metric)
    test = _log_rank(time, event, stratum, arm, arms=len(trial.variants))
    text = f"log-rank over all variants {say_number(test.statistic)} on {test.df} df ({say_p(test.p_value)})"
    if hazards is None or math.isnan(hazards.proportional.p_value):
        return text
    held = "no sign that hazard ratios change over time" if hazards.proportional.p_value >= 0.05 else "hazard ratios change over time"
    return f"{text}; {held} ({say_p(hazards.proportional.p_value)}), and areas need no such ratio"


def _rows(trial: Trial, metric: Metric) -> tuple[np.ndarray | None, ...]:
    seen = trial.observed(metric)
    known = [np.where(np.isfinite(values), values, np.nanmean(values)) for values in trial.pre.values() if np.isfinite(values).any()]
    pick = [None if codes is None else codes[seen] for codes in (trial.stratum, trial.cluster)]
    return (
        trial.outcomes[metric.name][seen],
        trial.outcomes[metric.event][seen] > 0,
        trial.variant[seen],
        *pick,
        np.column_stack(known)[seen] if known else None,
    )


def _log_rank(time: np.ndarray, event: np.ndarray, stratum: np.ndarray | None, arm: np.ndarray, *, arms: int):
    block = np.zeros(len(time), dtype=np.int64) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    strata = int(block.max()) + 1
    # only the order within blocks matters, and thousands of pairs have few places each
    spans = Spans(np.zeros(len(time)), _place_in_block(time, block), np.where(event, 0, CENSORED))
    sets = count_risk_sets(spans, group=block * arms + arm, groups=arms * strata)
    shape = (strata, arms, len(sets.time))
    return log_rank(sets.at_risk.reshape(shape), sets.ended.reshape(shape))


def _place_in_block(time: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Which of its block's distinct times each is, from 1."""
    order = np.lexsort((time, block))
    first = np.diff(block[order], prepend=-1) > 0
    count = np.cumsum(first | (np.diff(time[order], prepend=np.nan) != 0))
    place = np.empty(len(time))
    place[order] = count - count[first][np.cumsum(first) - 1] + 1
    return place


def _blocks(stratum: np.ndarray) -> Column:
    codes = np.unique(stratum, return_inverse=True)[1]
    return Column(name="stratum", values=codes, levels=tuple(str(code) for code in range(int(codes.max()) + 1)))


def _hot(stratum: np.ndarray) -> np.ndarray:
    codes = np.unique(stratum, return_inverse=True)[1]
    return (codes[:, None] == np.arange(1, codes.max() + 1)).astype(float)


def whole_clusters(arms: Arms) -> bool:
    """Whether no cluster has units in both arms."""
    code = np.unique(arms.cluster, return_inverse=True)[1]
    share = np.bincount(code, weights=arms.treated) / np.bincount(code)
    return bool(np.isin(share, (0.0, 1.0)).all())
