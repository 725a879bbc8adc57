"""The demo program: simulated, its trial dealt and remembered as a program team would have done it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.errors import LedgerError, PartnerlabError, SourceError
from partnerlab.experiments import Assignment, assign_variants, load_registry, record_experiment, record_follow_up
from partnerlab.ledger import Ledger, record_decision
from partnerlab.report.experiment_deals import shipped_declaration
from partnerlab.report.experiment_outcomes import YEAR, known_before
from partnerlab.report.sources import DEMO_SEED

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


def write_demo(path: str | Path, *, seed: int = DEMO_SEED, force: bool = False, ledger: str = "") -> Path:
    """Simulate the demo program into a DuckDB file, put in place when it is whole.

    Its trial is dealt by `partnerlab.assign_variants`: the assignment is written beside the file. In the ledger stand its
    registration, its reading, what was decided, and whether it came about, each with the day on which it would have been written.

    Parameters
    ----------
    path : str or Path
        Where to write. A demo program that is there already is replaced.
    seed : int
        Of the simulation.
    force : bool
        Replace whatever file is there.
    ledger : str
        Path of the ledger; empty keeps no record.

    Raises
    ------
    SourceError
        If something else is there.
    LedgerError
        If the ledger remembers another deal of the trial.
    """
    from partnerlab.intake.simulate import Truth, simulate_program

    target = Path(path).resolve()
    if target.exists() and not (force and target.is_file()) and not _is_demo(target):
        remedy = "give another path" if target.is_dir() else "give another path, or --force to replace it"
        raise SourceError(f"{path}: there is something that is not the demo program; {remedy}", source=str(path))
    simulation, dealt = simulate_program(Truth(), seed=seed), None
    if simulation.tables["assignments"].num_rows:
        who = deal_trial(simulation).table.set_index("unit")["variant"]
        # leads of the past are drawn anew, too, so that what was known before is read from the program as it then is
        simulation = simulate_program(Truth(), seed=seed, dealt=who.to_dict())
        dealt = deal_trial(simulation)
    book = _open_book(ledger, dealt) if ledger and dealt is not None else None
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.stem}-{os.getpid()}{target.suffix}")
    half.unlink(missing_ok=True)
    simulation.write(half)
    half.replace(target)
    if dealt is not None:
        beside = target.with_name(f"{target.stem}-{dealt.experiment.name}.csv")
        beside.unlink(missing_ok=True)
        dealt.write(beside)
    if book is not None:
        _remember(book, target, dealt, simulation)
    return target


def deal_trial(simulation: Simulation) -> Assignment:
    """Deal the trial of a simulated program to those who were its partners then, with what was known of them."""
    from partnerlab.panel import build_panel

    calendar = simulation.truth.calendar
    rows, begun = _units(simulation)
    period = calendar.period_of(begun)
    experiment = shipped_declaration(simulation.truth.trial.name)
    panel = build_panel(
        simulation.source(), first=calendar.label(period - YEAR), last=calendar.label(period - 1), only=("leads",), as_of=begun
    )
    place = pd.Index(panel.partners).get_indexer(rows["unit_id"])
    known = {name: known_before(name, panel, place, start=YEAR) for name in experiment.pre}
    units = pd.DataFrame({experiment.unit: rows["unit_id"], **dict.fromkeys(experiment.strata, rows["stratum"]), **known})
    return assign_variants(experiment, units=units, seed=int(f"{begun:%Y%m%d}"))


def _units(simulation: Simulation) -> tuple[pd.DataFrame, datetime]:
    rows = simulation.tables["assignments"].to_pandas()
    return rows, pd.Timestamp(rows["assigned_at"].min()).to_pydatetime()


def _open_book(ledger: str, dealt: Assignment) -> Ledger | None:
    """Open the ledger to write into it; None if it remembers this very trial, a refusal if another deal of it."""
    book, name = Ledger.open(ledger), dealt.experiment.name
    registry = load_registry(book, program="demo").set_index("name")
    if name not in registry.index:
        return book
    if registry.loc[name, "assignment"] != dealt.digest:
        raise LedgerError(f"{ledger}: remembers the demo program of another seed, whose trial was dealt otherwise; give another --ledger")
    return book if registry.loc[name, "state"] == "running" else None


def _remember(book: Ledger, path: Path, dealt: Assignment, simulation: Simulation) -> None:
    """Write what a program team would have written, each on its day."""
    calendar, begun = simulation.truth.calendar, _units(simulation)[1]
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
    from partnerlab.panel import build_panel
    from partnerlab.report.experiments import analyze_case, load_case
    from partnerlab.report.request import load_request

    ask = load_request(source=f"duckdb:///{path}", quarter=quarter, as_of=as_of.isoformat(), ledger=str(book.path))
    panel = build_panel(ask.source, first=ask.first, last=ask.quarter, indicators=ask.indicators, as_of=ask.as_of)
    return analyze_case(load_case(ask, panel=panel, name=name))


def _day(calendar: Calendar, period: int, days: int) -> datetime:
    """Noon, some days into a quarter."""
    return datetime.combine(calendar.start(period) + timedelta(days=days), datetime.min.time(), tzinfo=UTC) + timedelta(hours=12)


def _is_demo(path: Path) -> bool:
    """Whether a file holds the demo program, of any seed: simulated, by its name, of its size and span."""
    from partnerlab.intake import connect, select_rows
    from partnerlab.intake.simulate import Truth

    truth, table = Truth(), "ingest_manifest"
    if not path.is_file() or path.suffix != ".duckdb":
        return False
    try:
        with connect(f"duckdb:///{path}") as source:
            present = source.columns()
            if not {"path", "rows", "mapping_version"} <= set(present.get(table, ())):
                return False
            read = source.run(select_rows(source, table, columns=present[table])).to_pylist()
            program = source.program
    except PartnerlabError:
        return False
    end = program.calendar.start(program.calendar.parse(truth.first) + truth.n_quarters)
    found = [(row["path"], row["rows"], row["mapping_version"]) for row in read]
    return found == [(f"{truth.name}.duckdb", truth.n_partners, "simulated")] and program.data_until == end
