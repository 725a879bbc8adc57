"""The demo program's experiment in the ledger: registered, read, decided on and followed up, each on its day."""

from __future__ import annotations

import dataclasses
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.errors import LedgerError
from partnerlab.experiments import Assignment, load_registry, record_experiment, record_follow_up
from partnerlab.intake import connect, select_rows
from partnerlab.intake.span import data_span
from partnerlab.ledger import Ledger, record_decision
from partnerlab.panel import build_panel
from partnerlab.report.asked import Request
from partnerlab.report.experiment_outcomes import YEAR
from partnerlab.report.experiments import analyze_case, load_case
from partnerlab.tiers import TierScheme

if TYPE_CHECKING:
    from partnerlab.periods import Calendar

#: What the team decided, by what the reading asked for, and whether it came about: nobody is dealt a bootcamp a second time.
DECISIONS = {
    "keep": ("Offer the bootcamp to all partners", False),
    "test": ("Deal the bootcamp a second time, for another year", False),
    "stop": ("Hold no more bootcamps", True),
}


def remember_trial(path: Path, dealt: Assignment, *, ledger: str) -> None:
    """Write into the ledger what the program's team would have written of its trial, each step on its day; what stands, stays.

    Parameters
    ----------
    path : Path
        The program's file.
    dealt : Assignment
        Of its trial.
    ledger : str
        Path of the ledger.

    Raises
    ------
    LedgerError
        If it remembers another deal of the trial.
    """
    with connect(f"duckdb:///{path}") as source:
        program, calendar = source.program.name, source.program.calendar
        rows = source.run(select_rows(source, "assignments", columns=("assigned_at",))).to_pandas()
        last = calendar.parse(data_span(source, calendar=calendar).last_complete)
    begun = pd.Timestamp(rows["assigned_at"].min()).to_pydatetime()
    trial = _Trial(path=path, book=Ledger.open(ledger), program=program, calendar=calendar, dealt=dealt, begun=begun, last=last)
    state = trial.record()["state"]
    for step in _STEPS[_STATES.index(state) :]:
        step(trial)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Trial:
    """The demo program's trial, as far as its team remembers it."""

    path: Path
    book: Ledger
    program: str
    calendar: Calendar
    dealt: Assignment
    begun: datetime
    last: int

    @property
    def name(self) -> str:
        return self.dealt.experiment.name

    @property
    def begins(self) -> int:
        """First quarter of its window."""
        return self.calendar.period_of(self.begun)

    @property
    def over(self) -> int:
        """First quarter after its window."""
        return self.begins + self.dealt.experiment.quarters

    def record(self) -> pd.Series:
        """Its row of the registry; it is registered where it has none."""
        registry = load_registry(self.book, program=self.program).set_index("name")
        if self.name not in registry.index:
            record_experiment(self.book, self.dealt, program=self.program, recorded_at=self.begun)
            return self.record()
        if registry.loc[self.name, "assignment"] != self.dealt.digest:
            raise LedgerError(
                f"{self.book.path}: remembers the demo program of another seed or version, its trial dealt otherwise; give another --ledger"
            )
        return registry.loc[self.name]

    def day(self, period: int, days: int) -> datetime:
        """Noon (UTC), some days into a quarter."""
        return datetime.combine(self.calendar.start(period) + timedelta(days=days), time(12))


def _record_reading(trial: _Trial) -> None:
    if trial.over > trial.last:
        return
    quarter, on = trial.calendar.label(trial.over - 1), trial.day(trial.over, 5)
    with connect(f"duckdb:///{trial.path}") as source:
        ask = Request(
            source=source, url=source.url, program=trial.program, calendar=trial.calendar, first=trial.calendar.label(trial.begins - YEAR),
            quarter=quarter, scheme=TierScheme.load("quadrant"), as_of=on, ledger=trial.book,
        )  # fmt: skip
        panel = build_panel(source, first=ask.first, last=quarter, as_of=on)
        reading = analyze_case(load_case(ask, panel=panel, name=trial.name))
    record_experiment(trial.book, trial.dealt, program=trial.program, reading=reading, quarter=quarter, recorded_at=on)


def _record_decision(trial: _Trial) -> None:
    found = trial.record()
    if found["state"] == "read":
        quarter, due = trial.calendar.label(trial.over), trial.calendar.label(trial.over + 1)
        said, on = DECISIONS[found["action"]][0], trial.day(trial.over, 20)
        record_decision(trial.book, said, program=trial.program, quarter=quarter, about=trial.name, due=due, recorded_at=on)


def _record_sequel(trial: _Trial) -> None:
    found = trial.record()
    if found["state"] == "decided" and trial.over < trial.last:
        quarter, happened, on = trial.calendar.label(trial.last), DECISIONS[found["action"]][1], trial.day(trial.last + 1, 1)
        told = f"No bootcamp was held by the end of {quarter}"
        record_follow_up(trial.book, program=trial.program, about=trial.name, happened=happened, quarter=quarter, note=told, recorded_at=on)


#: What comes next in each state; a record that was interrupted is taken up where it stopped.
_STATES = ("running", "read", "decided", "followed")
_STEPS = (_record_reading, _record_decision, _record_sequel)
