"""Readings of tactics: the study in words, how the tactic was given, the verdict with its money, the card, what would settle it."""

from __future__ import annotations

import math

from partnerlab.effects import AssignmentCheck, NextPartners, RobustnessCard, TacticAnalysis, TacticComparison, TacticStudy
from partnerlab.experiments import ExperimentDesign
from partnerlab.report.readings import read_result
from partnerlab.results import Evidence
from partnerlab.verdicts import Verdict
from partnerlab.words import plural, say_list, say_number, say_share, sentence


@read_result.register(TacticStudy)
def _study(study: TacticStudy) -> tuple[str, ...]:
    asked = f"What did {study.tactic} do to {study.stakes.unit}? This is the test by lot that the study stands in for."
    return (asked, *study.target_trial.splitlines(), *_worth(study))


def _worth(study: TacticStudy) -> list[str]:
    stakes = study.stakes
    said = []
    if stakes.material is not None:
        said.append(f"An effect under {say_number(stakes.material)} {stakes.unit} per {stakes.per} would change nothing that anybody does.")
    if stakes.value:
        worth = f"One of {stakes.unit} more is taken to be worth {_money(stakes.value, stakes.currency)}, the tactic to cost "
        if stakes.cost > 0:
            cost = f"{_money(stakes.cost, stakes.currency)} per {stakes.per}"
            said.append(f"{worth}{cost}: it pays from {say_number(stakes.break_even)} {stakes.unit} per {stakes.per} on.")
        else:
            said.append(f"{worth}nothing: whatever it brings pays.")
    return said


def _money(value: float, currency: str) -> str:
    return f"{currency} {say_number(value)}".strip()


@read_result.register(AssignmentCheck)
def _assignment(result: AssignmentCheck) -> tuple[str, ...]:
    return (result.statement, *(f"{sentence(doubt)}" for doubt in result.doubts))


@read_result.register(Verdict)
def _verdict(verdict: Verdict) -> tuple[str, ...]:
    managers = f" with {plural(verdict.managers, 'manager')}" if verdict.managers else ""
    counted = f"{plural(verdict.partners, 'partner')}{managers}"
    missed = (
        f"; an effect under {say_number(verdict.smallest_effect, digits=2)} {verdict.stakes.unit} per {verdict.stakes.per} "
        "would have been missed in one case of five or more"
    )
    said = [
        f"Grade {verdict.earned.value}, {verdict.earned.meaning}. {verdict.statement}",
        f"Behind it stand {counted}{missed if verdict.known and 'missed' not in verdict.statement else ''}.",
    ]
    if verdict.overturned_by and verdict.earned is not Evidence.D:
        said.append(f"It would be overturned by {verdict.overturned_by.rstrip('.')}.")
    return (*said, _pays(verdict), f"What to do: {verdict.action}.")


def _pays(verdict: Verdict) -> str:
    stakes = verdict.stakes
    if stakes.value is None:
        return f"No worth of {stakes.unit} is stated, so nothing is said of money."
    if not math.isfinite(verdict.pays):
        return "Nothing is said of money: money follows causes, and here the cause is not known."
    return (
        f"It pays with a probability of {say_share(verdict.pays)}: expected net value {_money(verdict.net_value, stakes.currency)} per "
        f"{stakes.per}; the better of keeping and stopping is still expected to lose {_money(verdict.expected_loss, stakes.currency)}."
    )


@read_result.register(TacticAnalysis)
def _analysis(result: TacticAnalysis) -> tuple[str, ...]:
    return read_result(result.verdict)


@read_result.register(TacticComparison)
def _page(result: TacticComparison) -> tuple[str, ...]:
    from partnerlab.show.tactics_cells import page_headline

    table = result.table
    said = [f"{page_headline(result)}."]
    for action in ("keep", "extend", "stop"):
        part = table[table["action"] == action]
        if len(part):
            cells = say_list([f"{tactic} in {say_list(list(own['tier']))}" for tactic, own in part.groupby("tactic", sort=False)])
            said.append(f"{action.capitalize()}: {cells}.")
    left = int((table["action"] == "test").sum())
    if left:
        said.append(f"Of {plural(left, 'cell')} no more can be said than that a test by lot would tell.")
    return tuple(said)


@read_result.register(NextPartners)
def _next(result: NextPartners) -> tuple[str, ...]:
    table = result.table
    known = table[table["estimate"].notna()]
    if known.empty:
        why = str(table["why"].iloc[0]) if len(table) else "nobody is without it"
        return (f"Nobody can be named: {why.rstrip('.')}.",)
    said = [f"Of {plural(len(table), 'partner')} without {result.tactic} now, {len(known)} look like partners that had it."]
    if math.isfinite(result.break_even):
        least = f"{say_number(result.break_even)} {result.unit}"
        chosen = len(result.chosen)
        said.append(
            f"For {plural(chosen, 'partner')} it is expected to pay, from {least} on."
            if chosen
            else f"For none of them is it expected to pay: that begins at {least}."
        )
    return tuple(said)


@read_result.register(RobustnessCard)
def _card(result: RobustnessCard) -> tuple[str, ...]:
    fallen = result.table[result.table["stands"].eq(False).fillna(False)]
    if len(fallen):
        return tuple(f"Overturned by {row['check']}: {sentence(str(row['says']))}" for _, row in fallen.iterrows())
    if result.evidence is Evidence.D:
        return ("There is no finding that could be overturned.",)
    return (f"It would take {result.overturned_by.rstrip('.')}.",) if result.overturned_by else ("No check could overturn it.",)


@read_result.register(ExperimentDesign)
def _settling(result: ExperimentDesign) -> tuple[str, ...]:
    table = result.table.dropna(subset=["estimate"])
    if table.empty:
        return (f"{result.estimand}: not enough data.",)
    most = table[table["n"] == table["n"].max()]
    sizes = [f"{say_number(row['estimate'], digits=2)} in {plural(row['quarters'], 'quarter')}" for _, row in most.iterrows()]
    dealt = f"Dealt by lot among {plural(most['n'].iloc[0], 'partner')}"
    said = [f"{dealt}, it would show an effect of at least {say_list(sizes)}, per partner-quarter."]
    if most["power_material"].notna().any():
        best = most.loc[most["power_material"].idxmax()]
        said.append(
            f"An effect that just matters would be found with a probability of {say_share(float(best['power_material']))} "
            f"in {plural(best['quarters'], 'quarter')}."
        )
    return tuple(said)
