"""An experiment read exactly as it was dealt: checks first, then effects, then one verdict for each."""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import ClassVar, get_args

import pandas as pd

from partnerlab.errors import LedgerError, ParameterError
from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.checks import check_attrition, check_dealt, check_trial, note_unvaried, refuse_few, refuse_other_nouns
from partnerlab.experiments.departures import SPILLOVER, changed_plan, check_departures, check_spillover, hold_to_deal, undeclared
from partnerlab.experiments.effect_rows import adjust_families, effect_rows
from partnerlab.experiments.experiment import Experiment, Metric
from partnerlab.experiments.kinds import hazard_of, hazard_reading, hazards_alike
from partnerlab.experiments.looks import look_level
from partnerlab.experiments.readings import Reading, read_metric
from partnerlab.experiments.schedule import check_lost, check_schedule, read_switched, refuse_unswitched, switched_off
from partnerlab.experiments.trial import Trial
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.trials.arm_differences import Adjustment
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import plural, say_list, say_number, say_share

#: What a verdict rests on.
SIDE_BY_SIDE = "variants were dealt by chance, lost outcomes are like those seen, and units answered to their own variant only"
SWITCHED = "who was switched when was drawn by chance, and nothing lasts after it is switched off or begins before"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentReading(Result):
    """Effects of the variants on the metrics, and what may be said of each.

    ``table`` has a row for each metric, variant and effect (as dealt; on those who took it), with the level of both arms,
    the test by dealing again, p-values adjusted within the deciding metric and within the others, and what the metric's
    goal asked for. Of a schedule the variant is ``on``, rows count units and quarters, and ``icc`` and ``kept`` say for the next
    design how alike units of a cluster are and how much of a level stays.

    Parameters
    ----------
    verdicts : tuple of Verdict
        One for each metric and variant, as dealt.
    stopped : bool
        Whether a check failed, so that nothing may be concluded.
    counted : str
        What ``n`` counts.
    """

    title: ClassVar[str] = "What the experiment found"

    verdicts: tuple[Verdict, ...] = dataclasses.field(default=(), repr=False)
    stopped: bool = False
    counted: str = "units"


def analyze_experiment(  # noqa: PLR0913 - what may be asked of a reading
    trial: Trial,
    *,
    experiment: Experiment | None = None,
    assignment: Assignment | None = None,
    stakes: Stakes | None = None,
    look: int | None = None,
    quarters: float | None = None,
    adjustment: Adjustment | None = None,
    draws: int = 1999,
    seed: int = 0,
    level: float = 0.95,
) -> ExperimentReading:
    """Read an experiment by intention to treat, as it was declared and dealt.

    Parameters
    ----------
    trial : Trial
        Units with the variants they were dealt; where these are schedules, it is read quarter by quarter.
    experiment : Experiment, optional
        The declaration; that of the assignment, or of the trial, if None. Without one, shares cannot be checked and the best grade is B.
    assignment : Assignment, optional
        The deal; the reading is held to it, and dealing again follows it.
    stakes : Stakes, optional
        Where nothing was declared.
    look : int, optional
        Which of the declared looks this is; the last if None.
    quarters : float, optional
        How long it ran, if not as declared; that of the longest exposure if None.
    adjustment : {"interacted", "common", "none"}, optional
        For what was known before; by the number of units if None.
    draws : int
        Deals of the test by dealing again; 0 leaves it out.
    seed : int
        Of those deals.
    level : float
        Coverage for one comparison; several declared ones share the error.

    Raises
    ------
    ParameterError
        On what is no trial, and numbers that cannot be meant.
    SampleError
        If a variant has one unit or one cluster; of a schedule, if fewer than three were switched or all in the same quarters.
    LedgerError
        If trial, experiment and assignment are not of one experiment.

    Examples
    --------
    >>> table = pd.DataFrame({"unit": range(12), "variant": ["off", "on"] * 6, "leads": [2, 5, 1, 4, 3, 6, 2, 5, 1, 6, 3, 4]})
    >>> reading = analyze_experiment(Trial.from_frame(table, outcomes=["leads"]))
    >>> reading.table[["metric", "variant", "estimate", "p_redrawn"]].round(4).values.tolist()
    [['leads', 'on', 3.0, 0.0022]]
    """
    refuse_other_nouns("analyze_experiment", trial, experiment, assignment)
    check_level(level)
    _refuse_numbers(quarters, draws=draws, seed=seed, look=look)
    experiment = experiment or (assignment.experiment if assignment else trial.experiment)
    if adjustment not in (None, *get_args(Adjustment)):
        known = say_list(get_args(Adjustment))
        raise ParameterError(f"analyze_experiment: no adjustment is called {adjustment!r}; known: {known}")
    _check_one(trial, experiment, assignment)
    (refuse_unswitched if trial.switched else refuse_few)(trial)
    check_dealt(trial, assignment)
    trial, moved = hold_to_deal(trial, assignment)
    lost = tuple((check_lost if trial.switched else check_attrition)(trial, metric) for metric in trial.metrics)
    checks = (
        *check_trial(trial, experiment, assignment, lost=lost),
        *([check_schedule(trial)] if trial.switched else []),
        *(
            check
            for check in (
                check_spillover(trial, experiment, assignment),
                check_departures(trial, experiment, quarters=quarters, moved=moved),
            )
            if check is not None
        ),
    )
    failed = [check for check in checks if check.passed is False]
    frame = _Frame(
        experiment=experiment,
        stakes=stakes,
        grade=Evidence.B if _not_as_planned(trial, experiment, quarters) else _grade(checks, experiment),
        failed=failed,
        strange=undeclared(trial, experiment),
        family_level=level,
    )
    trial, adjustment = _as_dealt(trial, experiment, assignment, adjustment)
    rows, verdicts, notes = [], [], []
    for place, metric in enumerate(trial.metrics):
        hazards = hazard_reading(trial, metric, adjusted=adjustment != "none") if metric.kind == "time" else None
        if metric.kind == "time":
            notes.append(Check(f"hazards of {metric.name}", None, hazards_alike(trial, metric, hazards)))
        notes += note_unvaried(trial, metric)
        family = len(trial.compared) * (1 if place == 0 else len(trial.metrics) - 1)
        for code, compared in enumerate(trial.compared, start=1):
            asked = {"assignment": assignment, "adjustment": adjustment, "draws": draws, "seed": seed}
            found = read_switched(trial, metric, **asked) if trial.switched else read_metric(trial, metric, code, **asked)
            found = dataclasses.replace(found, extra=found.extra | hazard_of(hazards, code))
            own, note = look_level(experiment, found, look=look, level=1 - (1 - level) / family, deciding=place == 0)
            notes += _of_variant(note, compared, trial, experiment)
            if metric.kind == "time" and math.isnan(found.effect.estimate):
                notes.append(Check(f"follow-up of {metric.name}", None, f"{compared}: {found.effect.method}"))
            told = frame.stakes_of(metric, first=place == 0)
            rows += effect_rows(trial, metric, code, found, level=own, first=place == 0, material=told.material)
            verdicts.append(_verdict(trial, frame, metric, code, found, told, level=own))
    checks = (*checks, *dict.fromkeys(notes), _sharing(trial, experiment, level, draws=draws))
    table = adjust_families(pd.DataFrame(rows))
    return ExperimentReading(
        estimand=_estimand(trial, experiment),
        table=table.assign(claim=table["claim"].where(table["claim"].isna(), "cannot tell")) if failed else table,
        checks=checks,
        evidence=Evidence.D if failed else frame.grade,
        level=level,
        verdicts=tuple(verdicts),
        stopped=bool(failed),
        counted="quarters of units" if trial.switched else "units",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Frame:
    """What all verdicts of one reading share."""

    experiment: Experiment | None
    stakes: Stakes | None
    grade: Evidence
    failed: list[Check]
    strange: list[Metric]
    family_level: float

    def stakes_of(self, metric: Metric, *, first: bool) -> Stakes:
        """Stakes as declared for the deciding metric; for others only what they are counted in."""
        declared = self.stakes or (self.experiment.stakes if self.experiment else None)
        meant = self.experiment is None or metric == self.experiment.metrics[0]
        if declared is not None and first and meant:
            return declared
        name = metric.name.replace("_", " ")
        unit = f"net chance of a higher {name}" if metric.kind == "tier" else name
        if metric.per:
            return Stakes(unit=unit, per=metric.per.replace("_", " ").removesuffix("s"))
        per = declared.per if declared else "unit"
        # tiers, shares and times are read once, at the end
        return Stakes(unit=unit, per=per.removesuffix("-quarter") if metric.kind in ("tier", "share", "time") else per)


def _refuse_numbers(quarters: float | None, **whole: int | None) -> None:
    """Refuse numbers that cannot be meant."""
    for name, number in whole.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, numbers.Integral) or number < 0):
            raise ParameterError(f"analyze_experiment: {name} is {number!r}; give a whole number of 0 or more")
    if quarters is not None and not 0 < quarters < math.inf:
        raise ParameterError(f"analyze_experiment: quarters is {quarters!r}; give how long it ran, above 0")


def _check_one(trial: Trial, experiment: Experiment | None, assignment: Assignment | None) -> None:
    """Refuse a trial, declaration and assignment that are not of one experiment."""
    if assignment is not None and experiment.digest != assignment.experiment.digest:
        raise LedgerError("analyze_experiment: the assignment was dealt for another declaration; give the one that it was dealt for")
    if experiment is not None and trial.variants != tuple(variant.name for variant in experiment.variants):
        raise LedgerError("analyze_experiment: the trial has other variants than declared; use Trial.from_frame(..., experiment=...)")


def _as_dealt(
    trial: Trial, experiment: Experiment | None, assignment: Assignment | None, adjustment: Adjustment | None
) -> tuple[Trial, Adjustment | None]:
    """Put groups alike in the place of strata; they have used up what was known before."""
    if experiment is None or experiment.dealing != "pairs":
        return trial, adjustment
    if assignment is None:
        raise LedgerError("analyze_experiment: the units were dealt in groups alike, which only the assignment knows; give assignment=")
    block = assignment.table.set_index("unit")["block"].loc[trial.units].to_numpy()
    return dataclasses.replace(trial, stratum=block), adjustment or "none"


def _grade(checks: tuple[Check, ...], experiment: Experiment | None) -> Evidence:
    """Grade A where all that can spoil a trial was looked at and found sound; B where something could not be judged."""
    judged = [check for check in checks if check.name in ("sample ratio", SPILLOVER) or check.name.startswith("outcomes of")]
    return Evidence.A if experiment is not None and all(check.passed for check in judged) else Evidence.B


def _not_as_planned(trial: Trial, experiment: Experiment | None, quarters: float | None) -> bool:
    """Whether the plan was changed; of a schedule, whether it was not kept, or something may have outlasted its being on."""
    return changed_plan(trial, experiment, quarters=quarters) or (trial.switched and (bool(trial.departed) or switched_off(trial)))


def _estimand(trial: Trial, experiment: Experiment | None) -> str:
    if not trial.switched:
        return f"Effect of being dealt a variant rather than {trial.variants[0]!r}, on all units dealt (intention to treat)"
    what = "unit" if trial.cluster is None else experiment.cluster if experiment is not None and experiment.cluster else "cluster"
    return f"Effect of a quarter with it on, over what each quarter and each {what} are like, as scheduled (intention to treat)"


def _of_variant(notes: list[Check], variant: str, trial: Trial, experiment: Experiment | None) -> list[Check]:
    """Say of which variant a look speaks, where there are several; that of a fixed end is the same for all."""
    if len(trial.compared) < 2 or experiment is None or experiment.looks.stopping == "fixed":
        return notes
    return [dataclasses.replace(note, detail=f"{variant}: {note.detail}") for note in notes]


def _sharing(trial: Trial, experiment: Experiment | None, level: float, *, draws: int) -> Check:
    first = len(trial.compared)
    others = (len(trial.metrics) - 1) * first
    said = f"{plural(first, 'comparison')} of the deciding metric" + (f", {others} of the others" if others else "")
    said += f"; each family shares an error of {say_share(1 - level)} (intervals by Bonferroni, p_adjusted by Holm)"
    if experiment is not None and experiment.looks.stopping != "fixed":
        said += "; intervals and claims hold over all looks, p-values are those of one look alone"
    if draws:
        said += f"; dealing again goes through all deals where they can be counted, else through {plural(draws, 'deal')} drawn by chance"
    return Check("comparisons", None, said)


def _verdict(trial: Trial, frame: _Frame, metric: Metric, code: int, found: Reading, stakes: Stakes, *, level: float) -> Verdict:
    experiment = frame.experiment
    alone = experiment is not None and len(trial.compared) == 1
    tactic = experiment.tactic if alone else "It" if trial.switched else trial.compared[code - 1]
    doubts = tuple(f"the check of {check.name} failed ({check.detail})" for check in frame.failed)
    chance = found.effect.estimate
    known = math.isfinite(chance) and math.isfinite(found.effect.std_error)
    return Verdict(
        tactic=tactic,
        grade=Evidence.B if metric in frame.strange else frame.grade,
        estimate=chance if known else math.nan,
        std_error=found.effect.std_error if known else math.nan,
        df=found.effect.df if known else math.inf,
        n=found.n,
        partners=len(trial) if trial.switched else found.n,
        managers=found.things if trial.cluster is not None else None,
        stakes=stakes,
        assumption=SWITCHED if trial.switched else SIDE_BY_SIDE,
        overturned_by=f"an effect of {say_number(chance, digits=2)} or more in quarters before it was switched on"
        if trial.switched
        else f"units of one variant that felt another, or a fault in how {metric.name} was recorded by variant",
        cells=_cells(trial, frame, metric),
        doubts=doubts,
        level=level,
        family_level=frame.family_level,
    )


def _cells(trial: Trial, frame: _Frame, metric: Metric) -> int:
    """How many findings this one was chosen from: those declared are none."""
    others = len(trial.compared)
    if frame.experiment is None:
        return len(trial.metrics) * others
    return len(frame.strange) * others if metric in frame.strange else 1
