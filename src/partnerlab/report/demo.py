"""The demo program: simulated, its trial dealt as a program team would have dealt it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.errors import PartnerlabError, SourceError
from partnerlab.experiments import Assignment, assign_variants
from partnerlab.report.demo_record import remember_trial
from partnerlab.report.experiment_deals import shipped_declaration
from partnerlab.report.experiment_outcomes import YEAR, known_before

if TYPE_CHECKING:
    from partnerlab.intake.simulate import Simulation

DEMO_SEED = 7


def write_demo(path: str | Path, *, ledger: str = "", seed: int = DEMO_SEED, force: bool = False) -> Path:
    """Simulate the demo program into a DuckDB file; its trial's assignment stands beside it, its record in the ledger.

    The file is put in place when all else stands, so that a run that was stopped is taken up again by the next.

    Parameters
    ----------
    path : str or Path
        Where to write. A demo program that is there already is replaced.
    ledger : str
        Path of the ledger to remember the trial in, each step on its day; nothing is written twice. Empty for none.
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
    target = _check_place(path, force=force)
    put_demo(target, *simulate_demo(seed), ledger=ledger)
    return target


def _check_place(path: str | Path, *, force: bool) -> Path:
    """Give the absolute path to write to; refuse what is there if it is no demo program."""
    target = Path(path).resolve()
    if target.exists() and not (force and target.is_file()) and not _is_demo(target):
        remedy = "give another path" if target.is_dir() else "give another path, or --force to replace it"
        raise SourceError(f"{path}: there is something that is not the demo program; {remedy}", source=str(path))
    return target


def simulate_demo(seed: int) -> tuple[Simulation, Assignment | None]:
    """Simulate the program as its trial was dealt by `partnerlab.assign_variants`; None where it has no trial."""
    from partnerlab.intake.simulate import Truth, simulate_program

    simulation = simulate_program(Truth(), seed=seed)
    if not simulation.tables["assignments"].num_rows:
        return simulation, None
    who = deal_trial(simulation).table.set_index("unit")["variant"]
    # leads of the past are drawn anew, too, so that what was known before is read from the program as it then is
    simulation = simulate_program(Truth(), seed=seed, dealt=who.to_dict())
    return simulation, deal_trial(simulation)


def put_demo(target: Path, simulation: Simulation, dealt: Assignment | None, *, ledger: str = "") -> None:
    """Put the program's file in place when it is whole, its assignment stands beside it, and the ledger remembers its trial."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.stem}-{os.getpid()}{target.suffix}")
    half.unlink(missing_ok=True)
    try:
        simulation.write(half)
        if dealt is not None and ledger:
            remember_trial(half, dealt, ledger=ledger)
        if dealt is not None:
            beside = _assignment_beside(target, dealt.experiment.name)
            beside.unlink(missing_ok=True)
            dealt.write(beside)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)


def remember_demo(url: str, *, ledger: str) -> None:
    """Make sure that a ledger remembers the trial of a source that is the demo program; of any other source nothing is done.

    Raises
    ------
    LedgerError
        If the ledger remembers another deal of the trial.
    """
    from partnerlab.intake.simulate import Truth

    path = Path(url.removeprefix("duckdb:///"))
    beside = _assignment_beside(path, Truth().trial.name)
    if beside.is_file() and _is_demo(path):
        remember_trial(path, Assignment.load(beside), ledger=ledger)


def _assignment_beside(path: Path, name: str) -> Path:
    """Where the assignment of a demo program's trial stands."""
    return path.with_name(f"{path.stem}-{name}.csv")


def deal_trial(simulation: Simulation) -> Assignment:
    """Deal the trial of a simulated program to those who were its partners then, with what was known of them."""
    from partnerlab.panel import build_panel

    calendar = simulation.truth.calendar
    rows = simulation.tables["assignments"].to_pandas()
    begun = pd.Timestamp(rows["assigned_at"].min()).to_pydatetime()
    period = calendar.period_of(begun)
    experiment = shipped_declaration(simulation.truth.trial.name)
    panel = build_panel(
        simulation.source(), first=calendar.label(period - YEAR), last=calendar.label(period - 1), only=("leads",), as_of=begun
    )
    place = pd.Index(panel.partners).get_indexer(rows["unit_id"])
    known = {name: known_before(name, panel, place, start=YEAR) for name in experiment.pre}
    units = pd.DataFrame({experiment.unit: rows["unit_id"], **dict.fromkeys(experiment.strata, rows["stratum"]), **known})
    return assign_variants(experiment, units=units, seed=int(f"{begun:%Y%m%d}"))


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
