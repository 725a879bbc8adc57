"""The next experiment, drafted from what these partners were like: who can be dealt, what they could show, what it is worth."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, SampleError
from partnerlab.experiments import (
    Assignment,
    Experiment,
    ExperimentDesign,
    Metric,
    Outlook,
    Prior,
    Variant,
    assign_variants,
    design_experiment,
)
from partnerlab.experiments.expectations import estimate_outlooks
from partnerlab.report.attempts import Unavailable
from partnerlab.report.experiment_outcomes import BEFORE, YEAR
from partnerlab.report.readings import read_result
from partnerlab.report.tactics import pool_studied
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import plural, say_count, say_list, say_number, say_share, sentence

if TYPE_CHECKING:
    from partnerlab.effects import Studies
    from partnerlab.panel import Panel
    from partnerlab.report.asked import Request
    from partnerlab.report.tactics import StudiedTactics
    from partnerlab.show import Picture
    from partnerlab.tiers import TierHistory

#: Outcomes that an experiment is judged by when nobody names one, in this order.
USUAL = ("leads", "deals_won", "deals_registered", "revenue")
#: Share of an outcome's level that is taken as worth acting on where the program says nothing.
WORTH_ACTING = 0.1
#: What is tried where nobody named it.
UNNAMED = "The tactic"
#: Quarters for which a decision is taken to hold.
HOLDS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """An experiment that could begin with the next quarter.

    Parameters
    ----------
    experiment : Experiment
        The draft of its declaration.
    outlook : Outlook
        What is expected of its metric without the tactic.
    units : DataFrame
        Members that could be dealt: ``partner``, manager, tier, and the outcome of the year before.
    size_cv : float
        How unequal managers' numbers of partners are.
    assumed : str
        What the worth acting on was taken from.
    coming : tuple of str
        The next quarters.
    """

    experiment: Experiment
    outlook: Outlook
    units: pd.DataFrame = dataclasses.field(repr=False)
    size_cv: float
    assumed: str
    coming: tuple[str, ...] = ()


def plan_experiment(
    ask: Request,
    *,
    panel: Panel,
    history: TierHistory,
    tactic: str = "",
    studies: Studies | None = None,
    by: Literal["partner", "manager"] = "partner",
    steps: bool = False,
) -> Plan:
    """Draft an experiment for the next quarter, on the partners that the page is about.

    Parameters
    ----------
    ask : Request
        What the page is asked.
    panel, history : Panel, TierHistory
        Of those partners.
    tactic : str
        What is to be tried; "the tactic" if empty.
    studies : Studies, optional
        Of the program, which say what outcomes are worth and what the tactic costs.
    by : {"partner", "manager"}
        Who is dealt a variant.
    steps : bool
        Begin one after the other over a year, and all have it in the end (a stepped wedge), instead of side by side.

    Raises
    ------
    MissingTableError
        If there is no outcome, or partners have no managers.
    SampleError
        If there are too few partners (or managers).
    """
    name = next((one for one in USUAL if panel.known(one)), None)
    if name is None:
        raise MissingTableError(f"an experiment is judged by an outcome, and this panel has none of {say_list(list(USUAL))}")
    units, cluster = _units(panel, history, name, ask.quarter, by=by)
    until = panel.until(ask.quarter)
    metric = Metric(name=name, kind="mean" if panel.indicator(name).money else "count")
    outlook = estimate_outlooks(until, metrics=[metric], cluster=cluster)[name]
    stakes, assumed = _stakes(studies, name, outlook, tactic)
    title = tactic or UNNAMED.lower()
    coming = tuple(panel.calendar.label(panel.calendar.parse(ask.quarter) + 1 + place) for place in range(YEAR))
    length = {"quarters": YEAR, "variants": _steps(coming)} if steps else {"quarters": 2}
    experiment = Experiment(
        name=f"{'-'.join(title.lower().split())}-{coming[0]}", hypothesis=f"{title[:1].upper()}{title[1:]} raises {stakes.unit}.",
        tactic=title[:1].upper() + title[1:], stakes=stakes, metrics=(metric,), cluster="manager" if by == "manager" else None,
        strata=() if by == "manager" else ("tier",), pre=(f"{name}{BEFORE}",), **length,
    )  # fmt: skip
    sizes = units["manager"].value_counts() if "manager" in units else pd.Series([1.0])
    return Plan(
        experiment=experiment, outlook=outlook, units=units, assumed=assumed,
        size_cv=float(sizes.std(ddof=0) / sizes.mean()) if by == "manager" else 0.0, coming=coming,
    )  # fmt: skip


def _steps(coming: tuple[str, ...]) -> tuple[Variant, ...]:
    """Give a schedule for each quarter to begin in but the first, in which nobody has it."""
    return tuple(
        Variant(name=f"from {label}", on=tuple(int(place >= first) for place in range(len(coming))))
        for first, label in enumerate(coming)
        if first
    )


def _units(panel: Panel, history: TierHistory, name: str, quarter: str, *, by: str) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Members of the quarter, with manager, tier and last year's outcome; and every partner's manager."""
    column = panel.column(quarter)
    here = panel.member[:, column]
    if here.sum() < 8:
        raise SampleError(f"{say_count(int(here.sum()))} partners are too few to be dealt two variants")
    values = panel.values(name)[:, max(column + 1 - YEAR, 0) : column + 1]
    seen = np.isfinite(values)
    units = pd.DataFrame({"partner": panel.partners, f"{name}{BEFORE}": np.nansum(values, axis=1) / np.maximum(seen.sum(axis=1), 1)})
    units["tier"] = np.asarray(history.names(history.published[:, history.column(quarter)]), dtype=str)
    if "manager_id" not in panel.attributes.columns:
        if by == "manager":
            raise MissingTableError("partners.manager_id is not in these data, so nothing can be dealt by manager")
        return units[here].reset_index(drop=True), None
    manager = panel.attributes["manager_id"].astype("str").fillna("none").to_numpy(dtype=str)
    units["manager"] = manager
    if by == "manager" and units.loc[here, "manager"].nunique() < 4:
        raise SampleError(f"{units.loc[here, 'manager'].nunique()} managers are too few to be dealt two variants; four are the least")
    return units[here].reset_index(drop=True), manager


def _stakes(studies: Studies | None, name: str, outlook: Outlook, tactic: str) -> tuple[Stakes, str]:
    """Take what the program says an outcome is worth, else a tenth of its level as what is worth acting on."""
    declared = [study for study in studies.studies if study.outcome == name and study.stakes.material] if studies is not None else []
    if declared:
        own = [study for study in declared if study.tactic == tactic]
        cost = float(np.median([study.stakes.cost for study in own or declared]))
        said = "the program's studies" if own else "the program's studies; the cost is that of its middling tactic"
        stakes = (own or declared)[0].stakes.model_copy(update={"cost": cost})
        # what does not pay for itself is not worth acting on
        pays = float(f"{max(stakes.material or 0.0, stakes.break_even or 0.0):.2g}")
        return stakes.model_copy(update={"material": pays}), said
    level = outlook.level if outlook.level is not None else 1.0
    stakes = Stakes(unit=name.replace("_", " "), material=float(f"{max(WORTH_ACTING * level, 1e-9):.2g}"))
    return stakes, f"{say_share(WORTH_ACTING)} of today's level, because the program says nothing of worth"


def design_plan(plan: Plan, *, quarters: tuple[int, ...] = (1, 2, 4)) -> ExperimentDesign:
    """Find what the plan's partners could show: quarter, half, all and twice of them (or of their managers), over one to four quarters.

    A plan in steps is as long as its steps.
    """
    whole, experiment = len(plan.units), plan.experiment
    metric = experiment.metrics[0].name
    length = (experiment.quarters,) if experiment.scheduled else quarters
    prior = None
    if experiment.stakes.value is not None:
        # doubtful beforehand: no effect expected, one chance in six of one that is worth acting on
        prior = Prior(mean=0.0, sd=float(experiment.stakes.material or 1.0), rows=float(whole * HOLDS))
    if experiment.cluster:
        managers = plan.units[experiment.cluster].nunique()
        counts = sorted({max(managers * part // 4, 4) for part in (2, 4, 8, 16)})
        rows = [
            design_experiment(
                experiment, outlooks={metric: plan.outlook}, units=[max(round(whole * count / managers), count)], clusters=[count],
                quarters=length, size_cv=plan.size_cv, prior=prior,
            )
            for count in counts
        ]  # fmt: skip
        return dataclasses.replace(rows[0], table=pd.concat([one.table for one in rows], ignore_index=True))
    units = sorted({max(whole * part // 4, 4) for part in (1, 2, 4, 8)})
    return design_experiment(experiment, outlooks={metric: plan.outlook}, units=units, quarters=length, prior=prior)


def plot_plan(plan: Plan, *, design: ExperimentDesign, view: str = "power", seed: int = 0) -> Picture:
    """Draw what a plan's sizes could see (``power``) or are worth (``worth``), or a deal of its steps (``schedule``).

    Raises
    ------
    SampleError
        Where the program says nothing of worth, or variants run side by side.
    """
    from partnerlab.show import plot

    if view == "worth" and plan.experiment.stakes.value is None:
        raise SampleError("the program does not say what its outcomes are worth; give its studies or experiments a value")
    if view == "schedule":
        return plot(deal_plan(plan, seed=seed), view=view, quarters=plan.coming, period="a deal as it could be; it is written nowhere")
    cluster = plan.experiment.cluster
    return plot(design, experiment=plan.experiment, view=view, now=float(plan.units[cluster].nunique() if cluster else len(plan.units)))


def say_steps(
    plan: Plan | Unavailable, *, design: ExperimentDesign | Unavailable, beside: ExperimentDesign | Unavailable
) -> tuple[str, ...]:
    """Say what beginning one after the other could show, against the same managers dealt side by side for as long."""
    for part in (plan, design, beside):
        if isinstance(part, Unavailable):
            return (sentence(f"not available: {part.reason}"),)
    cluster, length = plan.experiment.cluster, plan.experiment.quarters
    now, unit = plan.units[cluster].nunique(), plan.experiment.stakes.unit
    here, other = (
        table[(table["clusters"] == now) & (table["quarters"] == length)]["estimate"].iloc[0] for table in (design.table, beside.table)
    )
    begun = f"Begun one after the other over {plural(length, 'quarter')}, today's {say_count(now)} {cluster}s show"
    if not np.isfinite(here):
        return (f"{begun} no possible effect.",)
    against = f"; side by side over as many quarters they would show one of {say_number(other)}" if np.isfinite(other) else ""
    return (f"{begun} an effect of {say_number(here)} {unit} in {say_share(design.power)} of trials{against}.",)


def deal_plan(plan: Plan, *, seed: int = 0) -> Assignment:
    """Deal the plan as it stands, to show what a deal would look like; it is written nowhere."""
    return assign_variants(plan.experiment, units=plan.units, seed=seed)


@read_result.register(Plan)
def _plan(plan: Plan) -> tuple[str, ...]:
    """Say who can be dealt, what is expected of them, and the draft of the declaration."""
    outlook, experiment = plan.outlook, plan.experiment
    managers = f" under {say_count(plan.units['manager'].nunique())} managers" if "manager" in plan.units else ""
    unit = experiment.stakes.unit
    kept = f"{say_share(max(outlook.kept, 0.0))} of the differences between partners stay from quarter to quarter"
    known = f"last year's {unit} tell {say_share(outlook.known**2)} of what a partner will do"
    alike = f"; partners of one manager are alike by {say_share(outlook.icc)}" if experiment.cluster else ""
    stakes = experiment.stakes
    cost = f", at {say_number(stakes.cost)} {stakes.currency} a {stakes.per}" if stakes.cost else ""
    tried = f"; tried would be {experiment.tactic}{cost}" if experiment.tactic != UNNAMED else ""
    return (
        f"{say_count(len(plan.units))} partners{managers} could be dealt a variant now{tried}.",
        f"Without anything new they bring {say_number(outlook.level or 0.0)} {unit} a quarter; {kept}; {known}{alike}.",
        f"Worth acting on: {say_number(experiment.stakes.material or 0.0)} {unit} per {experiment.stakes.per}, by {plan.assumed}.",
    )


def say_draft(plan: Plan | Unavailable) -> tuple[str, ...]:
    """Give the pre-registration page of the draft, a sentence for each part; why there is none where there is none."""
    if isinstance(plan, Unavailable):
        return (sentence(f"nothing to declare: {plan.reason}"),)
    return tuple(plan.experiment.page.replace("_", " ").splitlines())


def list_open_questions(studied: StudiedTactics, *, seed: int = 0) -> pd.DataFrame:
    """List tactics that watching did not settle: ``tactic, grade, why, smallest_effect, partners``, and ``expected_loss`` where known.

    Verdicts are those over all tiers, pooled over the tactics looked at, as on the page of all tactics: what is kept or stopped there is
    no open question here.

    The one whose better choice is still expected to lose most comes first, then those without a price, the most used first. Of several
    doubts the first is said; all stand on the tactic's own page.

    Raises
    ------
    SampleError
        If every tactic studied is settled.
    """
    open_ = [verdict for verdict in pool_studied(studied, seed=seed) if verdict.action == "test"]
    if not open_:
        raise SampleError(f"watching settled all {len(studied.analyses)} tactics studied, as far as their assumptions go")
    table = pd.DataFrame([verdict.to_row() for verdict in open_]).assign(
        why=[_why(verdict) for verdict in open_],
        smallest_effect=[f"{say_number(one.smallest_effect)} {one.stakes.unit} per {one.stakes.per}" for one in open_],
    )
    table = table.sort_values(["expected_loss", "n"], ascending=False, na_position="last", ignore_index=True)
    return table[["tactic", "grade", "why", "smallest_effect", "partners", "expected_loss"]].dropna(axis=1, how="all")


def _why(verdict: Verdict) -> str:
    if not verdict.doubts:
        return verdict.statement
    more = len(verdict.doubts) - 1
    return sentence(verdict.doubts[0] + (f"; and {plural(more, 'further doubt')}" if more else ""))


def choose_tactic(open_questions: pd.DataFrame | Unavailable) -> str:
    """Name the first open question; nothing where there is none."""
    return "" if isinstance(open_questions, Unavailable) else str(open_questions["tactic"].iloc[0])
