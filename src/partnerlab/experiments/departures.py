"""What was done otherwise than declared: other metrics, another window, units moved; and whether variants could meet."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.experiment import Experiment, Metric
from partnerlab.experiments.trial import Trial
from partnerlab.results import Check
from partnerlab.words import plural, say_list, say_number, say_share

#: Share of units that could feel another variant, up to which the finding stands with that said.
MEETING = 0.05
DEPARTURES = "departures"
SPILLOVER = "spill-over"


def hold_to_deal(trial: Trial, assignment: Assignment | None) -> tuple[Trial, list[str]]:
    """Read clusters and strata as they were when the variants were dealt; gives what has moved since, in words."""
    if assignment is None:
        return trial, []
    dealt, moved = assignment.table.set_index("unit").loc[trial.units], []
    changed = {}
    if assignment.experiment.cluster is not None:
        changed["cluster"] = pd.factorize(dealt["cluster"], sort=True)[0]
        moved += _say_moved(_moved(trial.cluster, changed["cluster"]), assignment.experiment.cluster)
    if assignment.experiment.strata:
        changed["stratum"] = pd.factorize(dealt["stratum"], sort=True)[0]
        moved += _say_moved(_moved(trial.stratum, changed["stratum"]), "stratum")
    return dataclasses.replace(trial, **changed), moved


def _say_moved(away: int, noun: str) -> list[str]:
    stand = plural(away, "unit stands", "units stand")
    return [f"{stand} in another {noun} than when dealt, read in that of the deal"] if away else []


def _moved(now: np.ndarray | None, then: np.ndarray) -> int:
    """Units that are not with most of those they were dealt with."""
    if now is None:
        return 0
    pairs = pd.Series(1, index=pd.MultiIndex.from_arrays([then, now])).groupby(level=[0, 1]).sum()
    return int(len(then) - pairs.groupby(level=0).max().sum())


def check_departures(trial: Trial, experiment: Experiment | None, *, quarters: float | None, moved: list[str]) -> Check | None:
    """Show what was done otherwise than declared; None without a declaration."""
    if experiment is None:
        return None
    said = [*_metrics(trial, experiment), *_window(trial, experiment, quarters), *trial.departed, *moved]
    return Check(DEPARTURES, None if said else True, "; ".join(said) if said else "metrics, window and units as declared")


def undeclared(trial: Trial, experiment: Experiment | None) -> list[Metric]:
    """Metrics that are read but were not declared."""
    return [] if experiment is None else [metric for metric in trial.metrics if metric not in experiment.metrics]


def changed_plan(trial: Trial, experiment: Experiment | None, *, quarters: float | None) -> bool:
    """Whether the deciding metric or the window is another than declared, so that it may have been chosen by its result."""
    if experiment is None:
        return False
    return trial.metrics[0] != experiment.metrics[0] or bool(_window(trial, experiment, quarters))


def _metrics(trial: Trial, experiment: Experiment) -> list[str]:
    declared, read = experiment.metrics[0], trial.metrics[0]
    said = []
    if read != declared:
        said.append(f"to be decided by {declared.effect}, and read by {read.effect}")
    strange = [metric.name for metric in undeclared(trial, experiment) if metric is not read]
    absent = [metric.name for metric in experiment.metrics[1:] if metric not in trial.metrics]
    said += [f"read but not declared: {say_list(strange)}"] if strange else []
    return said + ([f"declared but not read: {say_list(absent)}"] if absent else [])


def _window(trial: Trial, experiment: Experiment, quarters: float | None) -> list[str]:
    if quarters is None and trial.exposure is not None and len(trial):
        quarters = float(np.ceil(trial.exposure.max()))
    if quarters is None or quarters == experiment.quarters:
        return []
    return [f"declared to run {plural(experiment.quarters, 'quarter')}, and read after {say_number(quarters)}"]


def check_spillover(trial: Trial, experiment: Experiment | None, assignment: Assignment | None) -> Check | None:
    """Whether units of several variants share what was declared to carry them over; None where nothing was declared."""
    if experiment is None or experiment.spillover is None:
        return None
    between, shared, seen = experiment.spillover.between, trial.shared, "now"
    if shared is None and assignment is not None:
        shared, seen = pd.factorize(assignment.table.set_index("unit").loc[trial.units, "shared"])[0], "when dealt"
    if shared is None:
        return Check(SPILLOVER, None, f"the table has no column {between!r}, so that variants were kept apart cannot be shown")
    pairs = np.unique(np.column_stack([shared, trial.variant]), axis=0)[:, 0]
    met = np.isin(shared, np.flatnonzero(np.bincount(pairs) > 1)).mean()
    if not met:
        return Check(SPILLOVER, True, f"no {between} has units of several variants ({seen})")
    said = f"{say_share(met)} of units share their {between} with units of another variant ({seen})"
    return Check(SPILLOVER, None if met <= MEETING else False, said)
