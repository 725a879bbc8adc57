"""Tactics that are switched on cluster after cluster, or on and off in turn: read quarter by quarter, by who had it when."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from partnerlab.errors import SampleError
from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.checks import DOUBT, MISSING, things_of
from partnerlab.experiments.effect_rows import p_value_of
from partnerlab.experiments.experiment import Metric
from partnerlab.experiments.readings import MOST_THINGS, NOT_ENOUGH, ROUNDING, Reading, draw_of
from partnerlab.experiments.trial import Trial
from partnerlab.results import Check
from partnerlab.stats.trials.arm_differences import Adjustment, ArmDifference, not_repeating
from partnerlab.stats.trials.randomization import redraw_sum_p_value
from partnerlab.stats.trials.schedules import Cells, Levels, learn_levels, make_cells, schedule_difference, schedule_scores
from partnerlab.words import plural, say_p, say_share


def refuse_unswitched(trial: Trial) -> None:
    """Refuse a schedule that cannot tell on from off.

    Raises
    ------
    SampleError
        With fewer than three things switched, or where in every quarter all were on or all off.
    """
    things = len(np.unique(_things(trial)))
    if things < 3:
        noun = "unit" if trial.cluster is None else "cluster"
        raise SampleError(f"analyze_experiment: {plural(things, noun)} switched; three are needed, and ten before much can be told")
    if not ((trial.on == 1).any(axis=0) & (trial.on == 0).any(axis=0)).any():
        raise SampleError("analyze_experiment: in every quarter all were on or all off, so that it cannot be told from the quarter")


def switched_off(trial: Trial) -> bool:
    """Whether it was ever switched off, so that what lasts would count as off."""
    return bool((np.diff(trial.on, axis=1) < 0).any())


def check_schedule(trial: Trial) -> Check:
    """Say how often what was switched, on the schedule."""
    first = np.unique(_things(trial), return_index=True)[1]
    steps = np.diff(trial.on[first], axis=1)
    on, off = int((steps > 0).sum()), int((steps < 0).sum())
    said = f"{plural(len(first), 'unit' if trial.cluster is None else 'cluster')} over {plural(trial.on.shape[1], 'quarter')}: switched "
    said += f"{'on and off' if off else 'on, and stays on'} ({on} times on, {off} times off)"
    return Check("schedule", None, said + ("; what lasts after switching off makes the effect look smaller" if off else ""))


def check_lost(trial: Trial, metric: Metric) -> Check:
    """Whether quarters without an outcome, empty or absent from the table, are alike with the tactic on and off."""
    name, lost = f"outcomes of {metric.name}", ~trial.observed(metric)
    if not lost.any():
        return Check(name, True, "all observed")
    if lost.all():
        return Check(name, None, f"no unit has one, so that nothing can be read of {metric.name}; was it recorded in this table?")
    blind = _blind_quarters(trial, lost)
    if blind:
        return Check(name, False, blind)
    known = np.isfinite(trial.on)
    on, off = (say_share(float(lost[trial.on == value].mean())) for value in (1, 0))
    said = f"{on} with it on, {off} with it off"
    if not known.all():
        said += f"; of {plural(int((~known).sum()), 'row')} that are absent it is not known whether it was on"
    p = _p_of_difference(trial, np.where(known, lost, np.nan))
    if p < DOUBT:
        return Check(name, False, f"quarters are missing more often with it on or off ({say_p(p)}): {said}")
    alike = bool(known.all()) and lost.mean() < MISSING
    how = "quarters are missing" if math.isnan(p) else f"quarters are missing alike with it on and off ({say_p(p)})"
    return Check(name, True if alike else None, f"{how}: {said}")


def _blind_quarters(trial: Trial, lost: np.ndarray) -> str:
    """Name the first quarter in which everybody who was on (or off) is absent, and the others are not; empty if there is none."""
    for place, label in enumerate(trial.quarters):
        sides = {said: trial.on[:, place] == value for said, value in (("with it on", 1), ("with it off", 0))}
        if all(side.any() for side in sides.values()):
            gone = [said for said, side in sides.items() if lost[side, place].all()]
            if len(gone) == 1:
                count = plural(int(sides[gone[0]].sum()), "unit")
                return f"in {label} none of {count} {gone[0]} has one, and others have; a quarter cannot be lost for one side alone"
    return ""


def _p_of_difference(trial: Trial, values: np.ndarray) -> float:
    gap = schedule_difference(_cells(trial, values))
    if not math.isfinite(gap.std_error):
        return math.nan
    if gap.std_error <= ROUNDING:
        return 0.0 if abs(gap.estimate) > ROUNDING else math.nan
    return p_value_of(gap)


def read_switched(
    trial: Trial, metric: Metric, *, assignment: Assignment | None, adjustment: Adjustment | None, draws: int, seed: int
) -> Reading:
    """Read one metric of a schedule: the effect of a quarter with the tactic, over what each quarter and each cluster are like.

    Generalised least squares with a level for each quarter and random clusters whose levels may fade; errors CR2 by cluster, degrees
    of freedom by Satterthwaite (`partnerlab.stats.trials.schedules`). What was known before is taken out with one slope.
    """
    raw = trial.outcomes[metric.name]
    seen = np.isfinite(raw)
    outcome, adjusted = (raw, False) if adjustment == "none" else _without_known(trial, raw)
    cells = _cells(trial, outcome)
    levels, effect = Levels(between=0.0, kept=1.0, within=1.0), _unknown(NOT_ENOUGH)
    if seen[trial.on == 1].sum() > 1 and seen[trial.on == 0].sum() > 1:
        levels = learn_levels(cells)
        effect = schedule_difference(cells, levels=levels)
    if not effect.std_error > max(ROUNDING * float(np.nanstd(outcome)), 1e-15 * float(np.nanmax(np.abs(raw), initial=0.0))):
        effect = dataclasses.replace(effect, std_error=math.nan)
    if adjusted:
        effect = dataclasses.replace(effect, method=f"{effect.method}, adjusted (one slope)")
    redrawn, things = math.nan, len(things_of(trial)[1])
    dealt = trial.experiment is not None and things == len(cells.mean) <= MOST_THINGS
    if dealt and draws > 0 and math.isfinite(effect.std_error):
        redrawn = _switch_again(trial, cells, assignment=assignment, draws=draws, seed=seed)
    return Reading(
        effect=effect,
        taken=None,
        n=int(seen.sum()),
        n_treated=int(seen[trial.on == 1].sum()),
        things=len(cells.mean),
        treated=_mean(raw[(trial.on == 1) & seen]),
        control=_mean(raw[(trial.on == 0) & seen]),
        p_redrawn=redrawn,
        p_wild=math.nan,
        relative_error=math.nan,
        extra=_outlook(levels, alone=trial.cluster is None) if math.isfinite(effect.std_error) else {},
    )


def _things(trial: Trial) -> np.ndarray:
    """Code of what was switched together, for each unit."""
    return np.arange(len(trial)) if trial.cluster is None else np.unique(trial.cluster, return_inverse=True)[1]


def _cells(trial: Trial, values: np.ndarray) -> Cells:
    who, when = np.nonzero(np.isfinite(values) & np.isfinite(trial.on))
    groups = _things(trial)
    return make_cells(values[who, when], groups[who], when, trial.on[who, when], shape=(int(groups.max()) + 1, trial.on.shape[1]))


def _without_known(trial: Trial, outcome: np.ndarray) -> tuple[np.ndarray, bool]:
    """Take out of the outcomes what was known before, by one slope learnt within quarters beside the effect."""
    known = [np.where(np.isfinite(values), values, np.nanmean(values)) for values in trial.pre.values() if np.isfinite(values).any()]
    if not known:
        return outcome, False
    who, when = np.nonzero(np.isfinite(outcome))
    design = np.column_stack([trial.on[who, when], *(values[who] for values in known)])
    count = np.maximum(np.bincount(when, minlength=outcome.shape[1]), 1)

    def within(values: np.ndarray) -> np.ndarray:
        return values - (np.bincount(when, weights=values, minlength=len(count)) / count)[when]

    centred = np.column_stack([within(column) for column in design.T])
    live = not_repeating(centred)
    if not live[1:].any() or len(who) <= live.sum() + len(count):
        return outcome, False
    slope = np.zeros(design.shape[1])
    slope[live] = np.linalg.lstsq(centred[:, live], within(outcome[who, when]), rcond=None)[0]
    told = np.column_stack(known)
    return outcome - ((told - told.mean(axis=0)) @ slope[1:])[:, None], True


def _switch_again(trial: Trial, cells: Cells, *, assignment: Assignment | None, draws: int, seed: int) -> float:
    """P-value by dealing the schedules again, as they were dealt, among what was switched together."""
    schedules = np.array([variant.on for variant in trial.experiment.variants], dtype=float)
    score = schedule_scores(cells) @ schedules.T
    # cells are in the order of the things' codes, as the draw is
    return redraw_sum_p_value(score, draw_of(trial, assignment), draws=draws, seed=seed)


def _outlook(levels: Levels, *, alone: bool) -> dict[str, float]:
    """Say what the next design may expect: how alike units of a cluster are, and how much of a level stays."""
    share = levels.between / (levels.between + levels.within)
    return {"kept": share} if alone else {"icc": share, "kept": levels.kept}


def _unknown(method: str) -> ArmDifference:
    return ArmDifference(estimate=math.nan, std_error=math.nan, df=math.nan, method=method)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
