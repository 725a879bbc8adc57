"""Tactics that are switched on cluster after cluster, or on and off in turn: read period by period, by who had it when."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.experiment import Experiment
from partnerlab.experiments.schedule_held import hold_to_schedule
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.trials.schedules import Levels, learn_levels, make_cells, schedule_difference
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import plural, say_number


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleReading(Result):
    """Effect of the quarters with the tactic, over what each quarter and each cluster are like; the table's key is ``outcome``.

    Parameters
    ----------
    levels : Levels
        How clusters differ, as learnt; it only weighs.
    verdict : Verdict
        What may be said.
    """

    title: ClassVar[str] = "What switching it on and off found"

    levels: Levels
    verdict: Verdict


def analyze_schedule(  # noqa: PLR0913 - columns have names
    frame: pd.DataFrame,
    *,
    outcome: str,
    unit: str = "partner",
    quarter: str = "quarter",
    on: str = "on",
    cluster: str | None = None,
    experiment: Experiment | None = None,
    assignment: Assignment | None = None,
    stakes: Stakes | None = None,
    level: float = 0.95,
) -> ScheduleReading:
    """Read a stepped wedge or a crossover, as it was scheduled.

    Parameters
    ----------
    frame : DataFrame
        A row for each unit and quarter; gaps are allowed.
    outcome : str
        Column of numbers, one for each row; rows where it is empty leave, and are counted.
    unit, quarter, on : str
        Columns of the unit, the quarter, and 1 where the tactic was on by the schedule (whether or not it was taken up). With an
        assignment ``on`` need not be there; where it is, quarters otherwise than dealt are counted, and read as dealt.
    cluster : str, optional
        What was switched together (a manager); each unit by itself if None.
    experiment : Experiment, optional
        Its declaration, for the verdict's words.
    assignment : Assignment, optional
        The deal of variants that are schedules; says when it was on for whom, in which cluster. The best grade without one is B.
    stakes : Stakes, optional
        Where nothing was declared.
    level : float
        Coverage.

    Raises
    ------
    ParameterError
        On a missing column, a unit twice in a quarter, or a cluster on for some of its units and off for others.
    SampleError
        With fewer than three clusters, or where all were on and off in the same quarters.
    LedgerError
        If units were never dealt a schedule.

    Notes
    -----
    Generalised least squares with a level for each quarter and random clusters whose levels may fade; errors CR2 by cluster, degrees
    of freedom by Satterthwaite (`partnerlab.stats.trials.schedules`). What lasts after switching off counts as off.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> rows = pd.DataFrame([(f"p{who}", quarter, int((quarter + who) % 2)) for who in range(12) for quarter in range(4)],
    ...                     columns=["partner", "quarter", "on"])
    >>> rows["leads"] = 5 + rows["quarter"] + 2 * rows["on"] + random.normal(size=len(rows)) / 2
    >>> analyze_schedule(rows, outcome="leads").table["estimate"].round(1).tolist()
    [2.1]
    """
    held = None
    if assignment is not None:
        frame, cluster, held = hold_to_schedule(frame, assignment, unit=unit, quarter=quarter, on=on)
        experiment = assignment.experiment
    seen = _check(frame, outcome, unit, quarter, on, cluster)
    groups = seen[cluster or unit].astype(str)
    codes = [pd.factorize(values, sort=True)[0] for values in (groups, seen[quarter])]
    cells = make_cells(seen[outcome].to_numpy(float), *codes, seen[on].to_numpy(float))
    _check_switched(cells.on, plural(len(cells.mean), cluster or unit))
    levels = learn_levels(cells)
    effect = schedule_difference(cells, levels=levels)
    if not math.isfinite(effect.std_error):
        raise SampleError(
            f"analyze_schedule: {outcome}: the schedule does not tell on from off; switch more {cluster or unit}s at other times"
        )
    reach = float(critical_value(level, effect.df)) * effect.std_error
    control, treated = (float(seen.loc[seen[on] == value, outcome].mean()) for value in (0, 1))
    row = {
        "outcome": outcome,
        "estimate": effect.estimate,
        "std_error": effect.std_error,
        "conf_low": effect.estimate - reach,
        "conf_high": effect.estimate + reach,
        "n": int((seen[on] == 1).sum()),
        "df": effect.df,
        "off": control,
        "on": treated,
        "method": effect.method,
    }
    checks = (*(held or ()), _schedule_check(cells.on, cluster or unit), _lost_check(frame, outcome, on, len(frame) - len(seen)))
    grade = _grade(checks, held=held is not None, outlasting=bool((np.diff(cells.on, axis=1) < 0).any()))
    return ScheduleReading(
        estimand=f"Effect on {outcome} of a quarter with it on, over what each quarter and each {cluster or unit} are like",
        table=pd.DataFrame([row]),
        checks=checks,
        evidence=grade,
        level=level,
        levels=levels,
        verdict=_verdict(row, seen, unit=unit, clusters=len(cells.mean), experiment=experiment, stakes=stakes, grade=grade, level=level),
    )


def _check(frame: pd.DataFrame, outcome: str, unit: str, quarter: str, on: str, cluster: str | None) -> pd.DataFrame:
    for name in [outcome, unit, quarter, on, *([cluster] if cluster else [])]:
        if name not in frame.columns:
            raise ParameterError(f"analyze_schedule: no column {name!r}{nearest(name, frame.columns)}", column=name)
        if name != outcome and frame[name].isna().any():
            raise ParameterError(
                f"analyze_schedule: {name} is empty in {plural(int(frame[name].isna().sum()), 'row')}; fill it", column=name
            )
    twice = int(frame.duplicated([unit, quarter]).sum())
    if twice:
        raise ParameterError(f"analyze_schedule: {plural(twice, 'row')} repeat a {unit} in a {quarter}; give each once")
    numbers = pd.to_numeric(frame[outcome], errors="coerce")
    text = int((numbers.isna() & frame[outcome].notna()).sum())
    if text:
        raise ParameterError(f"analyze_schedule: {outcome} is not a number in {plural(text, 'row')}; mend or empty it", column=outcome)
    if not frame[on].isin([0, 1]).all():
        raise ParameterError(f"analyze_schedule: {on} must be 1 where it was on and 0 where not", column=on)
    if cluster is not None:
        mixed = frame.groupby([cluster, quarter])[on].nunique() > 1
        if mixed.any():
            name, when = mixed[mixed].index[0]
            raise ParameterError(
                f"analyze_schedule: {cluster} {name!r} is on for some and off for others in {when} ({plural(int(mixed.sum()), 'case')}); "
                f"leave out cluster= if each {unit} was switched by itself"
            )
    return frame.assign(**{outcome: numbers})[numbers.notna()]


def _check_switched(on: np.ndarray, said: str) -> None:
    if len(on) < 3:
        raise SampleError(f"analyze_schedule: {said}; three are needed, and ten before much can be told")
    with np.errstate(invalid="ignore"):
        mixed = (np.nanmax(on, axis=0, initial=0) > 0) & (np.nanmin(on, axis=0, initial=1) < 1)
    if not mixed.any():
        raise SampleError("analyze_schedule: in every quarter all were on or all off, so that it cannot be told from the quarter")


def _grade(checks: tuple[Check, ...], *, held: bool, outlasting: bool) -> Evidence:
    """Grade A for a schedule that was dealt and kept, nothing lost, never switched off (so that nothing can outlast it)."""
    if any(check.passed is False for check in checks):
        return Evidence.D
    kept = all(check.passed for check in checks if check.name in ("dealt as declared", "outcomes"))
    return Evidence.A if held and kept and not outlasting else Evidence.B


def _schedule_check(on: np.ndarray, noun: str) -> Check:
    steps = np.diff(on, axis=1)
    switched_on, switched_off = int(np.nansum(steps > 0)), int(np.nansum(steps < 0))
    kind = "on and off" if switched_off else "on, and stays on"
    said = (
        f"{plural(len(on), noun)} over {plural(on.shape[1], 'quarter')}: switched {kind} ({switched_on} times on, {switched_off} times off)"
    )
    return Check("schedule", None, said + ("; what lasts after switching off makes the effect look smaller" if switched_off else ""))


def _lost_check(frame: pd.DataFrame, outcome: str, on: str, lost: int) -> Check:
    if not lost:
        return Check("outcomes", True, "all observed")
    shares = frame[outcome].isna().groupby(frame[on]).mean()
    return Check("outcomes", None, f"{plural(lost, 'row')} without {outcome}: {shares[1]:.1%} with it on, {shares[0]:.1%} off")


def _verdict(  # noqa: PLR0913 - what a verdict says
    row: dict[str, object],
    seen: pd.DataFrame,
    *,
    unit: str,
    clusters: int,
    experiment: Experiment | None,
    stakes: Stakes | None,
    grade: Evidence,
    level: float,
) -> Verdict:
    given = stakes or (experiment.stakes if experiment else None)
    return Verdict(
        tactic=experiment.tactic if experiment else "It",
        grade=grade,
        estimate=row["estimate"],
        std_error=row["std_error"],
        df=row["df"],
        n=row["n"],
        partners=int(seen[unit].nunique()),
        managers=clusters,
        stakes=given or Stakes(unit=str(row["outcome"]).replace("_", " "), per="unit and quarter"),
        assumption="who was switched when was drawn by chance, and nothing lasts after it is switched off or begins before",
        overturned_by=f"an effect of {say_number(row['estimate'], digits=2)} or more in quarters before it was switched on",
        level=level,
    )
