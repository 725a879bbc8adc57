"""What experiments say in sentences: the declaration, the checks, the verdicts, the looks; and a plan of the next one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.experiments import ExperimentReading, LookPath, RepeatedEffect, TierReading
from partnerlab.report.attempts import Unavailable
from partnerlab.report.experiments import Case
from partnerlab.report.readings import read_result
from partnerlab.verdicts import Verdict
from partnerlab.words import plural, say_count, say_list, say_money, say_share, sentence

#: What to do where there is no experiment yet.
HOW_TO = (
    "To run one: partnerlab experiment design says how large it must be, partnerlab experiment assign deals the variants and registers "
    "them in the ledger, partnerlab experiment analyze reads it as it was dealt (docs/how-to/experiments.md)."
)
#: How far an experiment on record is, and whether what was decided came about, in words.
STATES = {"running": "running", "read": "read and not decided on", "decided": "decided on", "followed": "followed up"}
HAPPENED = {"yes": "it happened", "no": "it did not happen"}
MARKS = {True: "passed", False: "failed: nothing is concluded", None: "to be minded"}


@read_result.register(Case)
def _case(case: Case) -> tuple[str, ...]:
    """Say what was declared and how far the experiment is: the pre-registration, a sentence for each part."""
    from partnerlab.show.experiments_run import say_arms

    counts = say_arms(dict(zip(case.trial.variants, case.trial.counts, strict=True)))
    begun = sentence(f"{case.experiment.name}: {case.state}; {counts} {case.experiment.unit}s")
    if not case.declared:
        return begun, "It was never declared, so nobody can show that its metric was not chosen afterwards; the best grade is B."
    return begun, *case.experiment.page.replace("_", " ").splitlines(), f"Declared in {case.declared}."


@read_result.register(ExperimentReading)
def _reading(result: ExperimentReading) -> tuple[str, ...]:
    """Say each verdict of the deciding metric with its money, then what was read besides."""
    deciding = int((result.table["deciding"] & (result.table["effect"] == "as dealt")).sum())
    said = [line for verdict in result.verdicts[:deciding] for line in say_verdict(verdict)]
    others = [f"Read besides: {verdict.statement}" for verdict in result.verdicts[deciding:]]
    return (*said, *others)


def say_verdict(verdict: Verdict) -> tuple[str, ...]:
    """Say a verdict with its grade, its money, and what would overturn it."""
    said = [f"Grade {verdict.earned.value}: {verdict.statement}"]
    stakes = verdict.stakes
    if np.isfinite(verdict.pays):
        net, loss = (say_money(value, stakes.currency) for value in (verdict.net_value, verdict.expected_loss))
        chance = say_share(min(verdict.pays, 0.9999))
        said.append(
            f"The chance that it pays for itself is {chance}; expected net value {net} per {stakes.per}, and the better of keeping and "
            f"stopping is still expected to lose {loss}."
        )
    said.append(
        {"keep": "What this asks for: keep it.", "stop": "What this asks for: stop it.", "test": "What this asks for: test further."}[
            verdict.action
        ]
    )
    if verdict.overturned_by and verdict.earned.value != "D":
        said.append(sentence(f"It would be overturned by {verdict.overturned_by}"))
    return tuple(said)


@read_result.register(LookPath)
def _looks(result: LookPath) -> tuple[str, ...]:
    from partnerlab.show.experiments_looks import looks_headline

    said = [sentence(looks_headline(result))]
    if result.stopping == "fixed":
        said.append(
            f"Stopping at the first of {plural(result.planned, 'quarterly look')} that shows something finds an effect in "
            f"{say_share(result.peeking_error)} of trials where there is none."
        )
    return tuple(said)


def say_no_looks(looks: Unavailable, *, reading: ExperimentReading | Unavailable) -> tuple[str, ...]:
    """Say why earlier looks are not known, and what a reader who had peeked would have risked."""
    checks = () if isinstance(reading, Unavailable) else reading.checks
    return sentence(looks.reason), *(sentence(check.detail) for check in checks if check.name == "looks")


@read_result.register(TierReading)
def _by_tier(result: TierReading) -> tuple[str, ...]:
    table = result.table.sort_values("best", ascending=False)
    first = table.iloc[0]
    chances = say_list([f"{row.tier} with a probability of {say_share(row.best)}" for row in table.head(3).itertuples()])
    largest = f"The effect is largest in {first['tier']}, with a probability of {say_share(first['best'])}."
    largest = largest if first["best"] > 0.95 else f"Where the effect is largest is open: {chances}."
    unlike = next((f"Not passed: {check.name}. {check.detail}." for check in result.checks if check.passed is False), "")
    return (largest, *([unlike] if unlike else []))


def say_declared(case: Case | Unavailable) -> tuple[str, ...]:
    """Say what was declared; where there is no experiment, that there is none and what to do."""
    if isinstance(case, Unavailable):
        return sentence(case.reason), HOW_TO
    return read_result(case)


def tabulate_checks(reading: ExperimentReading) -> pd.DataFrame:
    """Lay out what was checked before anything was read: ``check, outcome, detail``; failures first."""
    order = {False: 0, None: 1, True: 2}
    checks = sorted(dict.fromkeys(reading.checks), key=lambda check: order[check.passed])
    rows = [(check.name.replace("_", " "), MARKS[check.passed], check.detail.replace("_", " ")) for check in checks]
    return pd.DataFrame(rows, columns=["check", "outcome", "detail"])


def tabulate_registry(registry: pd.DataFrame) -> pd.DataFrame:
    """Lay out what is on record: ``name, state, units, found, decided, what_followed, cost``."""
    rows = [
        (
            row.registered_as,
            f"study, {STATES[row.state]}" if row.kind == "study" else STATES[row.state],
            row.units,
            row.statement or "-",
            f"{row.decision.rstrip('.')} ({row.decided_in}{f', due {row.due}' if row.due else ''})" if row.decision else "-",
            f"{HAPPENED[row.happened]} ({row.followed_in}){f': {row.followed}' if row.followed else ''}" if row.happened else "-",
            say_money(row.cost, row.currency, digits=3) if np.isfinite(row.cost) else "-",
        )
        for row in registry.rename(columns={"name": "registered_as"}).itertuples()
    ]
    return pd.DataFrame(rows, columns=["name", "state", "units", "found", "decided", "what_followed", "cost"])


def say_registry(registry: pd.DataFrame | Unavailable) -> tuple[str, ...]:
    """Say how many experiments and studies are on record, what waits for a decision, and whether each decision came about."""
    if isinstance(registry, Unavailable):
        return (sentence(registry.reason),)
    counts = [
        f"{say_count(int((registry['state'] == state).sum()))} {words}"
        for state, words in STATES.items()
        if (registry["state"] == state).any()
    ]
    kinds = [
        plural(int((registry["kind"] == kind).sum()), kind, many)
        for kind, many in (("experiment", "experiments"), ("study", "studies"))
        if (registry["kind"] == kind).any()
    ]
    told = registry[(registry["story"] != "") | (registry["state"] == "read")]
    stories = [f"{row['name']}: {row['story'] or _undecided(row)}" for _, row in told.iterrows()]
    return (f"On record: {say_list(kinds)}; {say_list(counts)}.", *stories[:8])


def _undecided(row: pd.Series) -> str:
    """Say of what was read and not decided on what it found."""
    when = f" in {row['read_in']}" if row["read_in"] else ""
    return f"Read{when}, and not decided on. {row['statement']}".strip()


def say_experiments(case: Case | Unavailable, *, reading: ExperimentReading | Unavailable) -> tuple[str, ...]:
    """Say in two sentences what experiment is running or was read, and what it found."""
    if isinstance(case, Unavailable):
        return (sentence(case.reason),)
    begun = sentence(f"{case.experiment.name}: {case.state}; {plural(len(case.trial), case.experiment.unit)}")
    if isinstance(reading, Unavailable):
        return begun, sentence(reading.reason)
    from partnerlab.show.experiments_effects import say_verdict as say_reading

    return begun, sentence(say_reading(reading))


@read_result.register(RepeatedEffect)
def _repeated(result: RepeatedEffect) -> tuple[str, ...]:
    from partnerlab.show.experiments_looks import repeated_headline

    chance = f"The true effect of the next such test is above nothing with a probability of {say_share(result.positive)}."
    tests = len(result.table) - 2
    few = f"{plural(tests, 'test')} hardly tell how far such tests differ, so what they say together is wide; each stands for itself."
    return (
        sentence(repeated_headline(result)),
        *([few] if tests < 4 and result.verdict.earned.value == "D" else []),
        *([chance] if np.isfinite(result.positive) else []),
    )
