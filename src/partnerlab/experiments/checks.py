"""What must hold before a trial may be read: shares as planned, nobody lost by variant, alike before, dealt as declared."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.errors import LedgerError, ParameterError, SampleError
from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.experiment import Experiment, Metric
from partnerlab.experiments.trial import Trial
from partnerlab.results import Check
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.stats.trials.arm_differences import Arms, arm_difference, not_repeating
from partnerlab.stats.trials.arm_moments import moment_difference
from partnerlab.stats.trials.srm import ratio_mismatch, share_mismatch
from partnerlab.words import plural, say_list, say_number, say_p, say_share

#: A check fails below this p-value: one sound trial in a hundred is stopped by it.
DOUBT = 0.01
#: Part of the largest value under which a spread is rounding.
ROUNDING = 1e-12
#: Share of outcomes missing, alike in all variants, from which the finding rests on an assumption about them.
MISSING = 0.05


def things_of(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Find what was dealt: code of the thing (cluster or unit) of each unit, and the variant of each thing."""
    if not trial.by_cluster:
        return np.arange(len(trial)), trial.variant
    code = np.unique(trial.cluster, return_inverse=True)[1]
    variant = np.zeros(code.max() + 1, dtype=np.int64)
    variant[code] = trial.variant
    return code, variant


def refuse_other_nouns(verb: str, trial: Trial, experiment: Experiment | None, assignment: Assignment | None) -> None:
    """Refuse what is not what a verb takes.

    Raises
    ------
    ParameterError
        Naming what was given.
    """
    makes = {Trial: "Trial.from_frame", Experiment: "Experiment.load", Assignment: "Assignment.load"}
    for (noun, make), given in zip(makes.items(), (trial, experiment, assignment), strict=True):
        if not isinstance(given, noun) and (noun is Trial or given is not None):
            raise ParameterError(f"{verb} takes a {noun.__name__}, not a {type(given).__name__}; make one with {make}")


def refuse_few(trial: Trial) -> None:
    """Refuse what no method can read: a variant with one unit or one cluster; of schedules one may stand alone.

    Raises
    ------
    SampleError
        Naming the variant.
    """
    counts = np.bincount(things_of(trial)[1], minlength=len(trial.variants))
    if counts.min() < 2:
        noun = "cluster" if trial.by_cluster else "unit"
        name = trial.variants[int(counts.argmin())]
        raise SampleError(
            f"analyze_experiment: variant {name!r} has {plural(int(counts.min()), noun)}; "
            f"what it did cannot be told from what that {noun} is like; two of each variant are the least"
        )


def check_trial(
    trial: Trial, experiment: Experiment | None, assignment: Assignment | None, *, lost: tuple[Check, ...]
) -> tuple[Check, ...]:
    """All checks, those of lost outcomes among them; those that failed stop the page."""
    return (
        check_dealt(trial, assignment),
        _ratio(trial, experiment, assignment),
        *_absent(trial, assignment),
        *lost,
        *_exposure(trial),
        *_before(trial),
        *_repeated(trial),
        *([] if trial.switched else _one_sided_strata(trial)),
    )


def check_dealt(trial: Trial, assignment: Assignment | None) -> Check:
    """Whether every unit has the variant that it was dealt.

    Raises
    ------
    LedgerError
        If one has another, or was never dealt any.
    """
    if assignment is None:
        return Check("dealt as declared", None, "no assignment was given, so that it was held to cannot be shown")
    dealt = assignment.table.set_index("unit")["variant"]
    seen = pd.Series(np.array(trial.variants)[trial.variant], index=trial.units)
    strange = seen.index.difference(dealt.index)
    if len(strange):
        raise LedgerError(
            f"analyze_experiment: {plural(len(strange), 'unit was', 'units were')} never dealt a variant, "
            f"the first {strange[0]!r}; leave them out"
        )
    moved = seen != dealt.reindex(seen.index)
    if moved.any():
        raise LedgerError(
            f"analyze_experiment: {plural(int(moved.sum()), 'unit stands', 'units stand')} in another variant than dealt, "
            f"the first {seen.index[moved][0]!r}; "
            "read them as dealt and say in received= what they had"
        )
    return Check("dealt as declared", True, f"{plural(len(seen), 'unit')} as in the assignment")


def _ratio(trial: Trial, experiment: Experiment | None, assignment: Assignment | None) -> Check:
    things, noun = things_of(trial)[1], "cluster" if trial.by_cluster else "unit"
    counts = np.bincount(things, minlength=len(trial.variants))
    if assignment is not None:
        dealt = assignment.table.drop_duplicates("cluster" if trial.by_cluster else "unit")["variant"].value_counts()
        shares = np.array([dealt[name] for name in trial.variants], dtype=float)
        lost = shares - counts
        # those who came back of those dealt: one share for all variants
        p = share_mismatch(lost, shares)[1] if lost.any() else 1.0
    elif experiment is not None:
        shares = np.array([variant.share for variant in experiment.variants])
        p = ratio_mismatch(counts, shares)[1]
    else:
        return Check("sample ratio", None, f"no shares were declared; seen: {_said(trial.variants, counts)}")
    detail = f"{_said(trial.variants, counts)} {noun}s; {say_p(p)} for the shares planned"
    return Check("sample ratio", bool(p >= DOUBT), detail)


def _absent(trial: Trial, assignment: Assignment | None) -> list[Check]:
    """Whether units dealt a variant that are not in the table (not back yet at a look, lost at the end) are alike in all variants."""
    if assignment is None:
        return []
    dealt, name = assignment.table, "outcomes of all dealt"
    gone = ~dealt["unit"].isin(trial.units).to_numpy()
    if not gone.any():
        return [Check(name, True, f"all {len(dealt):,} units dealt are in the table")]
    asked = {"cluster": assignment.experiment.cluster, "stratum": assignment.experiment.strata}
    groups = {column: pd.factorize(dealt[column], sort=True)[0] if named else None for column, named in asked.items()}
    codes = dealt["variant"].map({variant: code for code, variant in enumerate(trial.variants)}).to_numpy()
    whole = dataclasses.replace(trial, ids=dealt["unit"].to_numpy(), variant=codes, pre={}, **groups)
    return [_judge_missing(name, whole, gone, "not in the table")]


def _judge_missing(name: str, trial: Trial, lost: np.ndarray, said: str) -> Check:
    """Judge units without an outcome, bool of shape ``(n,)``, by whether they are alike in all variants, and few."""
    names, variant = trial.variants, trial.variant
    hits, counts = (np.bincount(variant, weights=weights, minlength=len(names)) for weights in (lost, None))
    by = ", ".join(
        f"{one} {int(hit):,} of {count:,} ({say_share(hit / count)})" for one, hit, count in zip(names, hits, counts, strict=True)
    )
    p = _least_p(trial, lost.astype(float)) if trial.by_cluster or trial.stratum is not None else share_mismatch(hits, counts)[1]
    if p < DOUBT:
        return Check(name, False, f"{said} more often in some variants ({say_p(p)}): {by}")
    if np.isnan(p):
        return Check(name, None, f"{said}, and whether alike in all variants cannot be told: {by}")
    return Check(name, True if lost.mean() < MISSING else None, f"{said} alike in all variants ({say_p(p)}): {by}")


def _said(names: tuple[str, ...], counts: np.ndarray) -> str:
    return ", ".join(f"{name}: {int(count):,}" for name, count in zip(names, counts, strict=True))


def note_unvaried(trial: Trial, metric: Metric) -> list[Check]:
    """Say of which column of a metric nothing can be told, because all units have the same."""
    if trial.moments is not None or metric.kind in ("time", "tier"):
        return []
    said = []
    for column in metric.columns:
        seen = trial.outcomes[column][trial.observed(metric)]
        if seen.size > 1 and (seen == seen[0]).all() and (column != metric.per or seen[0] == 0):
            why = "no ratio of it is known" if column == metric.per else "nothing can be told from it"
            said.append(Check(f"{column} varies", None, f"it is {say_number(float(seen[0]))} wherever it was seen, so that {why}"))
    return said


def check_attrition(trial: Trial, metric: Metric) -> Check:
    """Whether outcomes are missing alike in all variants."""
    name = f"outcomes of {metric.name}"
    lost = None if trial.moments is not None else ~trial.observed(metric)
    if lost is None or not lost.any():
        return Check(name, True, "all observed")
    if lost.all():
        return Check(name, None, f"no unit has one, so that nothing can be read of {metric.name}; was it recorded in this table?")
    return _judge_missing(name, trial, lost, "missing")


def _exposure(trial: Trial) -> list[Check]:
    if trial.exposure is None:
        return []
    watched = np.bincount(trial.variant, weights=trial.exposure, minlength=len(trial.variants)) / trial.counts
    said = ", ".join(f"{name} {say_number(mean, digits=2)}" for name, mean in zip(trial.variants, watched, strict=True))
    if not np.ptp(trial.exposure):
        return [Check("exposure", True, f"every unit was watched for {say_number(float(trial.exposure[0]))} quarters")]
    p = _least_p(trial, trial.exposure)
    if p < DOUBT:
        return [Check("exposure", False, f"some variants were watched longer ({say_p(p)}; mean quarters: {said})")]
    rule = "sums and means are of the time that each unit was watched; declare a ratio to compare rates"
    return [Check("exposure", None, f"units were watched for unequal times, alike in all variants (mean quarters: {said}); {rule}")]


def _before(trial: Trial) -> list[Check]:
    if not trial.pre:
        return []
    p = np.array([_least_p(trial, values, place) for place, values in enumerate(trial.pre.values())])
    least = float(np.nanmin(adjust_p_values(p))) if np.isfinite(p).any() else float("nan")
    worst = list(trial.pre)[int(np.nanargmin(p))] if np.isfinite(p).any() else ""
    detail = f"{plural(len(p), 'column')} known before the start; most unlike: {worst} ({say_p(least)}, adjusted)"
    return [Check("alike before", None if np.isnan(least) else bool(least >= DOUBT), detail)]


def _repeated(trial: Trial) -> list[Check]:
    """Say which columns known before the start say nothing of their own."""
    known = {name: values for name, values in trial.pre.items() if np.isfinite(values).any()}
    if not known or trial.moments is not None:
        return []
    columns = [np.where(np.isfinite(values), values, np.nanmean(values)) for values in known.values()]
    centred = np.column_stack([values - values.mean() for values in columns])
    if trial.stratum is not None:
        block = np.unique(trial.stratum, return_inverse=True)[1]
        means = np.column_stack([np.bincount(block, weights=values) for values in centred.T]) / np.bincount(block)[:, None]
        centred = centred - means[block]
    scale = np.sqrt((centred**2).sum(axis=0)) > ROUNDING * np.array([np.abs(values).max() for values in columns])
    kept = not_repeating(centred * scale)
    names = [name for name, keep in zip(known, kept, strict=True) if not keep]
    if not names:
        return []
    within = " or strata" if trial.stratum is not None else ""
    return [Check("adjustment", None, f"constant, or a combination of other columns{within}, and so left out of it: {say_list(names)}")]


def _one_sided_strata(trial: Trial) -> list[Check]:
    """Say how many units stand where there is nobody to compare them with."""
    if trial.stratum is None:
        return []
    block = np.unique(trial.stratum, return_inverse=True)[1]
    seen = np.bincount(block * len(trial.variants) + trial.variant, minlength=(block.max() + 1) * len(trial.variants))
    alone = (seen.reshape(-1, len(trial.variants)) == 0).any(axis=1)
    if not alone.any():
        return []
    said = f"{plural(int(alone[block].sum()), 'unit')} in {plural(int(alone.sum()), 'stratum', 'strata')} that lack a variant"
    return [Check("strata", None, f"{said}; within blocks they cannot be compared with it, and add nothing to that difference")]


def _least_p(trial: Trial, values: np.ndarray, place: int | None = None) -> float:
    """Smallest adjusted p-value of a difference from the control, read as the design says; ``place`` is that in ``trial.pre``."""
    from scipy.special import stdtr

    found = []
    for code in range(1, len(trial.variants)):
        if place is not None and trial.moments is not None:
            gap = moment_difference(trial.moments, len(trial.outcomes) + place, arms=(code, 0))
        else:
            arms, used = arms_of(trial, code, np.ones(len(trial), dtype=bool))
            known = np.isfinite(values)
            whole = values if known.all() or not known.any() else np.where(known, values, values[known].mean())
            gap = arm_difference(whole[used], dataclasses.replace(arms, covariates=None))
        # what is one number within each variant differs for sure, or not at all
        rounding = ROUNDING * (1.0 if values.size == 0 else float(np.nanmax(np.abs(values), initial=0.0)))
        if not np.isfinite(gap.std_error):
            found.append(np.nan)
        elif gap.std_error > rounding:
            found.append(2 * stdtr(gap.df, -abs(gap.estimate / gap.std_error)))
        else:
            found.append(0.0 if abs(gap.estimate) > rounding else np.nan)
    adjusted = adjust_p_values(np.array(found))
    return float(np.nanmin(adjusted)) if np.isfinite(adjusted).any() else float("nan")


def arms_of(trial: Trial, code: int, observed: np.ndarray) -> tuple[Arms, np.ndarray]:
    """One variant and the control as arms, and which units those are."""
    used = np.flatnonzero(np.isin(trial.variant, (0, code)) & observed)
    known = [np.where(np.isfinite(values), values, np.nanmean(values))[used] for values in trial.pre.values() if np.isfinite(values).any()]
    return Arms(
        treated=trial.variant[used] == code,
        stratum=None if trial.stratum is None else trial.stratum[used],
        cluster=None if trial.cluster is None else np.unique(trial.cluster[used], return_inverse=True)[1],
        covariates=np.column_stack(known) if known else None,
    ), used
