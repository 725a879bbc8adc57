"""From spells to spell-periods: one row for each period that a spell was at risk in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from partnerlab.errors import ContractError, ParameterError, SampleError, nearest
from partnerlab.results import Check
from partnerlab.spells import Spells
from partnerlab.stats.designs import Column, used_levels
from partnerlab.stats.regression import OutcomeRows
from partnerlab.survival.regressors import SpellRows

Baseline = Literal["period", "log", "linear", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeriodRows:
    """Spell-periods.

    Parameters
    ----------
    rows : OutcomeRows
        Covariates (baseline first), outcome (0 stayed, then the ending), partner.
    tenure : ndarray of int64, shape (n,)
        Period lived through, 1 is the first.
    checks : tuple of Check
        Periods that say nothing.
    """

    rows: OutcomeRows
    tenure: np.ndarray
    checks: tuple[Check, ...]


def cut_periods(spells: Spells, rows: SpellRows, *, later: Sequence[str], baseline: Baseline, several: bool) -> PeriodRows:
    """Cut spells into periods.

    Parameters
    ----------
    spells : Spells
        For the calendar.
    rows : SpellRows
        What is modelled.
    later : sequence of str
        Covariates of the period: ``tenure``, ``season``, ``quarter``.
    baseline : {"period", "log", "linear", "none"}
        Shape of the hazard over tenure.
    several : bool
        Whether endings are told apart.

    Raises
    ------
    ContractError
        If durations are not whole periods.
    """
    if baseline not in ("period", "log", "linear", "none"):
        raise ParameterError(f"baseline is {baseline!r}{nearest(str(baseline), ('period', 'log', 'linear', 'none'))}")
    entry, duration = (_whole(rows.frame[name].to_numpy(dtype=float), name) for name in ("entry", "duration"))
    length = duration - entry
    spell = np.repeat(np.arange(len(length)), length)
    tenure = np.arange(len(spell)) - np.repeat(np.cumsum(length) - length, length) + entry[spell] + 1
    outcome = np.zeros(len(spell), dtype=np.int64)
    ended = rows.cause >= 0
    outcome[np.cumsum(length)[ended] - 1] = rows.cause[ended] + 1 if several else 1
    keep, checks = _telling(tenure, outcome, several) if baseline == "period" else (None, ())
    if keep is not None:
        spell, tenure, outcome = spell[keep], tenure[keep], outcome[keep]
    columns = [*_clock(tenure, baseline), *(column.rows(spell) for column in rows.columns)]
    columns += [_period_column(spells, rows, name, spell=spell, tenure=tenure) for name in later]
    cluster = None if rows.cluster is None else rows.cluster[spell]
    found = OutcomeRows(columns=tuple(columns), outcome=outcome, cluster=cluster)
    return PeriodRows(rows=found, tenure=tenure, checks=checks)


def _whole(values: np.ndarray, name: str) -> np.ndarray:
    broken = values != np.round(values)
    if broken.any():
        said = f"spells.{name}: {int(broken.sum())} rows are not whole periods; a discrete hazard counts periods (estimate_cox does not)"
        raise ContractError(said, column=name, rows=int(broken.sum()))
    return values.astype(np.int64)


def _telling(tenure: np.ndarray, outcome: np.ndarray, several: bool) -> tuple[np.ndarray | None, tuple[Check, ...]]:
    """Rows of periods in which some ended and some did not; the others fit themselves and say nothing of covariates."""
    size = int(tenure.max(initial=0)) + 1
    at_risk, ended = np.bincount(tenure, minlength=size), np.bincount(tenure, weights=outcome > 0, minlength=size)
    mute = (at_risk > 0) & ((ended == 0) | (ended == at_risk))
    if not mute.any() or several:
        return None, ()
    if mute[at_risk > 0].all():
        raise SampleError("in no period did some end and others stay; a hazard for each period explains all: use baseline='log'")
    dropped = int(at_risk[mute].sum())
    names = ", ".join(map(str, np.flatnonzero(mute)[:6])) + (", ..." if mute.sum() > 6 else "")
    said = f"In {int(mute.sum())} periods ({names}) nobody or everybody ended: {dropped} spell-periods fit themselves and are left out."
    return ~mute[tenure], (Check("Every period tells something", None, said),)


def _clock(tenure: np.ndarray, baseline: Baseline) -> list[Column]:
    if baseline == "none":
        return []
    if baseline == "period":
        last = int(tenure.max(initial=1))
        return [used_levels(Column(name="tenure", values=tenure - 1, levels=tuple(range(1, last + 1))))]
    return [Column(name="tenure", values=tenure)] if baseline == "linear" else [Column(name="log tenure", values=np.log(tenure))]


def _period_column(spells: Spells, rows: SpellRows, name: str, *, spell: np.ndarray, tenure: np.ndarray) -> Column:
    """Covariate of the period lived through."""
    if name == "tenure":
        return Column(name="tenure", values=tenure)
    start = rows.frame["start"].to_numpy(dtype=float, na_value=np.nan)
    if spells.calendar is None or np.isnan(start).any():
        raise ParameterError(f"covariates: {name} needs spells with a place in the calendar; give start= and calendar=", column=name)
    # as in a hazard by quarter: an ending at duration d is in the period start + d
    period = start.astype(np.int64)[spell] + tenure
    if name == "season":
        cycle = 12 // spells.calendar.months
        names = tuple(f"Q{place + 1}" if cycle == 4 else f"{place + 1:02d}" for place in range(cycle))
        return used_levels(Column(name=name, values=period % cycle, levels=names))
    first, last = int(period.min()), int(period.max())
    return used_levels(Column(name=name, values=period - first, levels=tuple(spells.calendar.labels(np.arange(first, last + 1)))))
