"""An experiment for its page: its outcomes counted from the panel, quarter by quarter, and read as it was dealt."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.experiments import (
    Assignment,
    Experiment,
    ExperimentReading,
    LookPath,
    Metric,
    TierReading,
    Trial,
    Variant,
    analyze_by_tier,
    analyze_experiment,
    estimate_looks,
)
from partnerlab.report.experiment_deals import NONE_YET, Deal, list_deals
from partnerlab.report.experiment_outcomes import BEFORE, build_outcomes
from partnerlab.verdicts import Stakes
from partnerlab.words import plural, say_list, say_period

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.report.asked import Request
    from partnerlab.show import Picture
    from partnerlab.tiers import TierHistory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One experiment as its page reads it.

    Parameters
    ----------
    experiment : Experiment
        As declared; where nothing was declared, as far as the deal tells.
    declared : str
        Where the declaration was found; empty if nowhere.
    assignment : Assignment or None
        The deal that the reading is held to; None where only the source tells who got what.
    dealt : Assignment or None
        The deal with what was known before it, where its declaration is known.
    first, last : str
        Quarters of the window that are read.
    seen : int
        How many of them the data cover.
    quarters : tuple of str
        Names of those, one for each trial.
    table : DataFrame
        A row for each unit: variant, strata, what was known before, and outcomes up to the last quarter seen; of a schedule a row for
        each unit and quarter.
    trials : tuple of Trial
        What was known at the end of each quarter seen; of a schedule the whole alone.
    look : int or None
        Which of the declared looks is read; by the quarters seen if None.
    """

    experiment: Experiment
    declared: str
    assignment: Assignment | None = dataclasses.field(repr=False)
    dealt: Assignment | None = dataclasses.field(repr=False)
    first: str
    last: str
    seen: int
    quarters: tuple[str, ...]
    table: pd.DataFrame = dataclasses.field(repr=False)
    trials: tuple[Trial, ...] = dataclasses.field(repr=False)
    look: int | None = None

    @property
    def trial(self) -> Trial:
        """Units with their outcomes up to the last quarter seen."""
        return self.trials[-1]

    @property
    def period(self) -> str:
        """Quarters seen, in words."""
        return say_period(self.quarters)

    @property
    def over(self) -> bool:
        """Whether every quarter of the window was seen."""
        return self.seen >= self.experiment.quarters

    @property
    def now(self) -> int | None:
        """Which look is read; None where only one was planned."""
        planned = self.experiment.looks.planned
        return self.look or (None if planned == 1 else min(self.seen, planned))

    @property
    def interim(self) -> bool:
        """Whether looks are still to come."""
        return self.now is not None and self.now < self.experiment.looks.planned

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if self.look is not None and self.interim:
            return f"look {self.look} of {self.experiment.looks.planned}, over {self.first}"
        if self.over:
            return f"read over {self.first} to {self.last}" if self.first != self.last else f"read over {self.first}"
        return f"running: {self.seen} of {plural(self.experiment.quarters, 'quarter')} seen, from {self.first}"


def load_case(
    ask: Request, *, panel: Panel, history: TierHistory | None = None, name: str = "", deals: Mapping[str, Deal] | None = None
) -> Case:
    """Find an experiment and count its outcomes: the one named, else the one that began last.

    An experiment is read on everybody who was dealt a variant, whatever segment the page is about.

    Parameters
    ----------
    ask : Request
        What the page is asked.
    panel : Panel
        Of all partners.
    history : TierHistory, optional
        Of all partners, for outcomes that are tiers of its scheme.
    name : str
        Of the experiment; empty for the latest.
    deals : mapping, optional
        What `partnerlab.report.experiment_deals.list_deals` found, where it was asked already.

    Raises
    ------
    SampleError
        If there is none, or its window has not begun.
    """
    deals = list_deals(ask) if deals is None else deals
    if not deals:
        raise SampleError(NONE_YET)
    if name and name not in deals:
        raise ParameterError(f"no experiment is called {name!r}; known: {say_list(sorted(deals))}")
    begun = {key: deal for key, deal in deals.items() if panel.calendar.parse(deal.first) <= panel.calendar.parse(ask.quarter)}
    waiting = next((deal for key, deal in deals.items() if key not in begun and name in ("", key)), None)
    if waiting is not None and (name or not begun):
        raise SampleError(f"{waiting.name} begins in {waiting.first}, after the quarter looked at")
    chosen = deals[name] if name else max(begun.values(), key=lambda deal: (panel.calendar.parse(deal.first), deal.name))
    return _case(chosen, panel=panel, history=history, quarter=ask.quarter)


def build_case(  # noqa: PLR0913 - one argument for each column name
    frame: pd.DataFrame,
    *,
    experiment: Experiment,
    assignment: Assignment | None = None,
    declared: str = "its file",
    period: str = "",
    unit: str | None = "unit",
    variant: str = "variant",
    received: str | None = None,
    look: int | None = None,
) -> Case:
    """Make a case of any table with a row for each unit and its outcomes at the end; of a schedule, for each unit and quarter.

    Parameters
    ----------
    frame : DataFrame
        As `partnerlab.Trial.from_frame` takes it.
    experiment : Experiment
        As declared.
    assignment : Assignment, optional
        The deal.
    declared, period : str
        Where it was declared, and when it ran, in words.
    unit, variant, received : str
        Columns.
    look : int, optional
        Which of the declared looks it is; the last if None.
    """
    trial = Trial.from_frame(frame, experiment=experiment, unit=unit, variant=variant, received=received)
    if not declared:
        trial = dataclasses.replace(trial, experiment=None)
    when = period or (say_period(trial.quarters) if trial.switched else plural(experiment.quarters, "quarter"))
    return Case(
        experiment=experiment, declared=declared, assignment=assignment, dealt=assignment, first=when, last=when, seen=experiment.quarters,
        quarters=(when,), table=frame, trials=(trial,), look=look,
    )  # fmt: skip


def _undeclared(deal: Deal, panel: Panel) -> Experiment:
    """Say of an undeclared experiment what its deal tells; it is judged by the first usual indicator, over the quarter of the deal."""
    metric = next((one for one in ("leads", "deals_won", "revenue") if panel.known(one)), None)
    if metric is None:
        raise SampleError(f"{deal.name} was never declared, and these data have no leads, deals or revenue to judge it by")
    names = sorted(deal.rows["variant"].unique(), key=lambda one: (one.lower() not in ("control", "off", "none"), one))
    return Experiment(
        name=deal.name, hypothesis="None was declared.", tactic=deal.name.replace("-", " "), metrics=(Metric(name=metric),),
        stakes=Stakes(unit=metric.replace("_", " "), per="partner-quarter"), variants=tuple(Variant(name=one) for one in names),
        strata=("stratum",) if deal.rows["stratum"].nunique() > 1 else (), pre=(f"{metric}{BEFORE}",),
    )  # fmt: skip


def _case(deal: Deal, *, panel: Panel, history: TierHistory | None, quarter: str) -> Case:
    experiment = deal.experiment or _undeclared(deal, panel)
    start, stop = panel.column(deal.first), panel.column(quarter)
    seen = min(stop - start + 1, experiment.quarters)
    last = panel.calendar.label(panel.calendar.parse(deal.first) + experiment.quarters - 1)
    tables = [
        build_outcomes(deal.rows, experiment=experiment, panel=panel, history=history, start=start, end=start + length)
        for length in range(1, seen + 1)
    ]
    if experiment.scheduled:
        windows = [(start + place, start + place + 1) for place in range(seen)]
        parts = [
            build_outcomes(deal.rows, experiment=experiment, panel=panel, history=history, start=first, end=end) for first, end in windows
        ]
        # what was known before is known before the first of them
        before = {name: tables[0][name] for name in experiment.pre}
        # quarters to come have their place in the schedule, and no outcome
        columns = [column for metric in experiment.metrics for column in metric.columns]
        parts += [parts[-1].assign(**dict.fromkeys(columns, float("nan")))] * (experiment.quarters - seen)
        labels = [panel.calendar.label(panel.calendar.parse(deal.first) + place) for place in range(experiment.quarters)]
        tables = [pd.concat([part.assign(quarter=label, **before) for part, label in zip(parts, labels, strict=True)], ignore_index=True)]
    received = "received" if not experiment.scheduled and deal.rows.get("exposed", pd.Series(dtype=bool)).any() else None
    trials = tuple(Trial.from_frame(table, experiment=experiment, received=received) for table in tables)
    if not deal.declared:
        # only the deal told what it was, so that it is not read as if somebody had declared it
        trials = tuple(dataclasses.replace(trial, experiment=None) for trial in trials)
    # what a source says of its own deal cannot show that it was held to: its shares are tested against those declared
    units = tables[-1].drop_duplicates(experiment.unit)
    dealt = deal.assignment or (_rebuild(deal, experiment, units) if deal.experiment is not None else None)
    return Case(
        experiment=experiment, declared=deal.declared, assignment=deal.assignment, dealt=dealt, first=deal.first,
        last=last, seen=seen,
        quarters=tuple(panel.labels[start : start + seen]), table=tables[-1], trials=trials,
    )  # fmt: skip


def _rebuild(deal: Deal, experiment: Experiment, table: pd.DataFrame) -> Assignment:
    """Put the rows of a source's deal into the form of an assignment, to look at its balance."""
    rows = pd.DataFrame(
        {"unit": table[experiment.unit], "cluster": table[experiment.cluster] if experiment.cluster else table[experiment.unit]}
    )
    strata = table[list(experiment.strata)].astype(str)
    rows["stratum"] = strata.agg(" / ".join, axis=1) if experiment.strata else "all"
    rows["block"] = pd.factorize(rows["stratum"], sort=True)[0]
    rows["variant"] = table["variant"]
    rows = pd.concat([rows, table[list(experiment.pre)]], axis=1).sort_values("unit")
    return Assignment(experiment=experiment, seed=0, rows=rows.to_csv(index=False, lineterminator="\n"))


def check_case(case: Case) -> ExperimentReading:
    """Look at whether an experiment runs as planned, at any time: the checks of a reading; its effects are not to be looked at."""
    _refuse_unfinished(case)
    return _read_case(case, seed=0, draws=0)


def analyze_case(case: Case, *, seed: int = 0) -> ExperimentReading:
    """Read an experiment as it was dealt; without a declaration as any trial, for a lower grade.

    Raises
    ------
    SampleError
        If it is to be read once, at its end, and runs still.
    """
    _refuse_peeking(case)
    return _read_case(case, seed=seed, draws=999)


def _read_case(case: Case, *, seed: int, draws: int) -> ExperimentReading:
    if case.assignment is not None:
        return analyze_experiment(case.trial, assignment=case.assignment, seed=seed, look=case.now, draws=draws)
    if case.experiment.dealing == "pairs":
        raise SampleError("it was dealt in groups alike, which only its deal tells; read it with the ledger that it was registered in")
    if case.declared:
        return analyze_experiment(case.trial, experiment=case.experiment, seed=seed, look=case.now, draws=draws)
    return analyze_experiment(case.trial, stakes=case.experiment.stakes, seed=seed, draws=draws)


def _refuse_unfinished(case: Case) -> None:
    if case.experiment.scheduled and not case.over:
        raise SampleError(f"it is switched quarter by quarter, and looked at once, after {case.last}")


def _refuse_peeking(case: Case) -> None:
    if not case.over and case.experiment.looks.stopping == "fixed":
        raise SampleError(f"it is to be read once, after {case.last}; reading it before would find something too often where nothing is")


def analyze_case_by_tier(case: Case, *, seed: int = 0) -> TierReading:
    """Read the effect in each tier before the start, pooled over tiers.

    Raises
    ------
    SampleError
        If the experiment did not declare groups to be read in, or looks are still to come.
    """
    _refuse_peeking(case)
    if case.experiment.by is None:
        raise SampleError("the experiment did not declare by which tier it would be read, and a search afterwards would find one by chance")
    if case.interim:
        raise SampleError("tiers are read at the last look: no boundary allows for looking at each of them before")
    return analyze_by_tier(case.trial, experiment=case.experiment, assignment=case.assignment, seed=seed)


def estimate_case_looks(case: Case) -> LookPath:
    """Read an experiment at every quarter seen.

    Raises
    ------
    SampleError
        If it runs for one quarter, which is one look.
    """
    _refuse_peeking(case)
    if case.experiment.quarters < 2:
        raise SampleError("it ran for one quarter, so there was one look")
    if case.experiment.scheduled:
        raise SampleError("it was switched quarter by quarter, and is read once, at its end")
    if len(case.trials) < case.seen:
        planned = case.experiment.looks.planned
        given = f"look {case.look} of {planned}" if case.look is not None and case.look < planned else "the end"
        raise SampleError(f"only the outcomes at {given} were given, so what earlier looks would have shown is not known")
    return estimate_looks(case.trials, experiment=case.experiment, assignment=case.assignment, labels=case.quarters)


def plot_case(case: Case, *, view: str, reading: ExperimentReading | TierReading | None = None, looks: LookPath | None = None) -> Picture:
    """Draw a case: ``schedule``, ``arms``, ``balance``, ``effects``, ``tiers`` (by variant), ``groups`` (effects by tier) or ``looks``.

    The effects of a schedule stand under what was seen in each of its quarters.

    Raises
    ------
    SampleError
        Where the case has nothing of the kind.
    """
    from partnerlab.show import plot

    if view == "schedule" and case.dealt is not None:
        return plot(case.dealt, view=view, quarters=case.trial.quarters, period=f"as dealt before {case.first}")
    if view == "balance":
        if case.dealt is None:
            raise SampleError("the experiment was never declared, so it is not known what it was dealt to balance")
        return plot(case.dealt, period=f"before {case.first}" if len(case.trials) == case.seen else "before the start")
    if view == "effects" and not case.trial.switched:
        return plot(reading, period=case.period)
    if view in ("effects", "schedule"):
        return plot(case.trial, view="schedule", reading=reading, period=case.period)
    unit = f"{case.experiment.stakes.unit} per {case.experiment.stakes.per}"
    if view == "groups":
        return plot(reading, unit=unit, period=case.period)
    if view == "looks":
        return plot(looks, unit=unit)
    if view == "arms":
        _refuse_unfinished(case)
    declared = case.experiment if case.declared else None
    more = {"experiment": declared} if view == "arms" else {}
    return plot(case.trial, view=view, reading=reading, period=case.period if view == "arms" else case.quarters[-1], **more)
