"""Experiments that were dealt, as far as a report can know: from the ledger, and from the source's table ``assignments``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.errors import LedgerError
from partnerlab.experiments import Assignment, Experiment, load_assignment, load_registry
from partnerlab.report.places import look_upward

if TYPE_CHECKING:
    from partnerlab.report.asked import Request

#: What a page says where no experiment was ever dealt.
NONE_YET = "no experiment was dealt: neither the ledger nor the table assignments holds one"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deal:
    """Who was dealt what, before any outcome: ``rows`` has ``unit, variant, stratum`` and, where known, ``exposed`` and ``p_assign``."""

    name: str
    first: str
    rows: pd.DataFrame = dataclasses.field(repr=False)
    experiment: Experiment | None = None
    declared: str = ""
    assignment: Assignment | None = dataclasses.field(repr=False, default=None)


def list_deals(ask: Request) -> dict[str, Deal]:
    """Find every experiment that was dealt: in the ledger, with what the source says of who had what, and in the source alone.

    Raises
    ------
    LedgerError
        If a deal in the ledger does not fit its digest.
    """
    source = _source_deals(ask)
    return source | {name: _administered(deal, source[name]) if name in source else deal for name, deal in _ledger_deals(ask).items()}


def _administered(deal: Deal, seen: Deal) -> Deal:
    """Take variants and participation from the source where it has them, so that a deal that was not held to is found out."""
    told = seen.rows.set_index("unit")
    units = deal.rows["unit"]
    variant = units.map(told["variant"]).fillna(deal.rows["variant"])
    return dataclasses.replace(deal, rows=deal.rows.assign(variant=variant, exposed=units.map(told["exposed"]).astype(float)))


def _source_deals(ask: Request) -> dict[str, Deal]:
    from partnerlab.intake import select_rows

    columns = ask.source.columns().get("assignments")
    if not columns:
        return {}
    rows = ask.source.run(select_rows(ask.source, "assignments", columns=columns, as_of=ask.as_of)).to_pandas()
    rows = rows.drop_duplicates(["experiment_id", "unit_id"], keep="last").rename(columns={"unit_id": "unit"})
    rows["stratum"] = rows["stratum"].astype(object).fillna("all") if "stratum" in rows else "all"
    rows["exposed"] = rows["exposed_at"].notna() if "exposed_at" in rows else np.nan
    if "exposed_at" in rows and ask.as_of is not None:
        rows["exposed"] &= rows["exposed_at"] <= ask.as_of  # who took part later had not yet
    found = {}
    for name, dealt in rows.groupby("experiment_id", sort=True):
        experiment, where = find_declaration(str(name))
        first = ask.calendar.label(ask.calendar.period_of(pd.Timestamp(dealt["assigned_at"].min()).to_pydatetime()))
        found[str(name)] = Deal(name=str(name), first=first, rows=dealt.reset_index(drop=True), experiment=experiment, declared=where)
    return found


def _ledger_deals(ask: Request) -> dict[str, Deal]:
    """Read deals that the ledger kept whole."""
    if ask.ledger is None:
        return {}
    registry = load_registry(ask.ledger, program=ask.program, as_of=ask.as_of)
    found = {}
    for name, registered in registry.loc[registry["kind"] == "experiment", ["name", "registered"]].itertuples(index=False):
        try:
            dealt = load_assignment(ask.ledger, program=ask.program, name=name)
        except LedgerError as refusal:
            if refusal.facts.get("kept", True):
                raise  # a deal that was edited is no deal
            continue  # the ledger kept its digest alone; the source may hold the rows
        # dealt within a month of the quarter's beginning it is read from that quarter on, else from the next
        at = pd.Timestamp(registered)
        period = ask.calendar.period_of(at.to_pydatetime())
        late = (at.date() - ask.calendar.start(period)).days > 31
        found[name] = Deal(
            name=name, first=ask.calendar.label(period + late), rows=dealt.table, experiment=dealt.experiment, declared="the ledger",
            assignment=dealt,
        )  # fmt: skip
    return found


def find_declaration(name: str) -> tuple[Experiment | None, str]:
    """Find a declaration by the experiment's name: ``experiments/<name>.yaml`` here or above, else one that ships."""
    path = Path(look_upward(f"experiments/{name}.yaml"))
    if path.is_file():
        return Experiment.load(path), f"experiments/{name}.yaml"
    shipped = shipped_declaration(name)
    return shipped, "the file that ships with the demo program" if shipped else ""


def shipped_declaration(name: str) -> Experiment | None:
    """Load the declaration of an experiment of the demo program; None if it has no such experiment."""
    path = Path(__file__).parents[1] / "experiments" / "declarations" / f"{name}.yaml"
    return Experiment.load(path) if path.is_file() else None
