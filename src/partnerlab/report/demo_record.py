"""The demo program's experiment in the ledger: registered, read, decided on and followed up, each on its day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from partnerlab.errors import LedgerError
from partnerlab.experiments import Assignment, load_registry, record_experiment, record_follow_up
from partnerlab.ledger import Ledger, record_decision
from partnerlab.panel import build_panel
from partnerlab.report.demo import check_place, put_demo, read_units, simulate_demo
from partnerlab.report.experiments import analyze_case, load_case
from partnerlab.report.request import load_request

if TYPE_CHECKING:
    from partnerlab.experiments import ExperimentReading
    from partnerlab.intake.simulate import Simulation
    from partnerlab.periods import Calendar

#: What the team decided, by what the reading asked for, and whether it came about: nobody is dealt a bootcamp a second time.
DECISIONS = {
    "keep": ("Offer the bootcamp to all partners", False),
    "test": ("Deal the bootcamp a second time, for another year", False),
    "stop": ("Hold no more bootcamps", True),
}


def write_remembered_demo(path: str | Path, *, ledger: str, seed: int, force: bool = False) -> Path:
    """Write the demo program, and into the ledger what its team would have written of the trial, each on its day.

    Parameters
    ----------
    path : str or Path
        As of `partnerlab.report.demo.write_demo`.
    ledger : str
        Path of the ledger; nothing is written twice.
    seed : int
        Of the simulation.
    force : bool
        Replace whatever file is there.

    Raises
    ------
    SourceError
        If something else is there.
    LedgerError
        If the ledger remembers another deal of the trial; nothing is written then.
    """
    target = check_place(path, force=force)
    simulation, dealt = simulate_demo(seed)
    book = None if dealt is None else _open_book(ledger, dealt)
    put_demo(target, simulation, dealt)
    if book is not None:
        _remember(book, target, dealt, simulation)
    return target


def _open_book(ledger: str, dealt: Assignment) -> Ledger | None:
    """Open the ledger to write into it; None if it remembers this very trial, a refusal if another deal of it."""
    book, name = Ledger.open(ledger), dealt.experiment.name
    registry = load_registry(book, program="demo").set_index("name")
    if name not in registry.index:
        return book
    if registry.loc[name, "assignment"] != dealt.digest:
        raise LedgerError(
            f"{ledger}: remembers the demo program of another seed or version, its trial dealt otherwise; give another --ledger"
        )
    return book if registry.loc[name, "state"] == "running" else None


def _remember(book: Ledger, path: Path, dealt: Assignment, simulation: Simulation) -> None:
    """Write what a program team would have written, each on its day."""
    calendar, begun = simulation.truth.calendar, read_units(simulation)[1]
    name, program = dealt.experiment.name, simulation.truth.name
    over = calendar.period_of(begun) + dealt.experiment.quarters
    record_experiment(book, dealt, program=program, recorded_at=begun)
    if over > simulation.truth.last:
        return
    read_on = _day(calendar, over, 5)
    reading = _read(path, book, name, quarter=calendar.label(over - 1), as_of=read_on)
    record_experiment(book, dealt, program=program, reading=reading, quarter=calendar.label(over - 1), recorded_at=read_on)
    decision, happened = DECISIONS[reading.verdicts[0].action]
    decided, due, until = (calendar.label(period) for period in (over, over + 1, simulation.truth.last))
    record_decision(book, decision, program=program, quarter=decided, about=name, due=due, recorded_at=_day(calendar, over, 20))
    if over < simulation.truth.last:
        told, seen = f"No bootcamp was held by the end of {until}", _day(calendar, simulation.truth.last + 1, 1)
        record_follow_up(book, program=program, about=name, happened=happened, quarter=until, note=told, recorded_at=seen)


def _read(path: Path, book: Ledger, name: str, *, quarter: str, as_of: datetime) -> ExperimentReading:
    """Read the trial as the report would have read it on that day."""
    ask = load_request(source=f"duckdb:///{path}", quarter=quarter, as_of=as_of.isoformat(), ledger=str(book.path))
    with ask.source as source:
        panel = build_panel(source, first=ask.first, last=ask.quarter, indicators=ask.indicators, as_of=ask.as_of)
        return analyze_case(load_case(ask, panel=panel, name=name))


def _day(calendar: Calendar, period: int, days: int) -> datetime:
    """Noon, some days into a quarter."""
    return datetime.combine(calendar.start(period) + timedelta(days=days), datetime.min.time(), tzinfo=UTC) + timedelta(hours=12)
