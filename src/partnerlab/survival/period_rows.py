"""From spells to spell-periods: one row for each period that a spell was at risk in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, ParameterError, SampleError, nearest
from partnerlab.results import Check
from partnerlab.spells import Spells
from partnerlab.stats.regressions.designs import Column, used_levels
from partnerlab.stats.regressions.regression import OutcomeRows
from partnerlab.survival.regressors import SpellRows

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel

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
    silent : tuple of int
        Periods in which nobody, or everybody in one way, ended; they are not among the rows.
    checks : tuple of Check
        What was left out.
    """

    rows: OutcomeRows
    tenure: np.ndarray
    silent: tuple[int, ...]
    checks: tuple[Check, ...]


def cut_periods(
    spells: Spells, rows: SpellRows, *, later: Sequence[str], baseline: Baseline, several: bool, panel: Panel | None = None
) -> PeriodRows:
    """Cut spells into periods.

    Parameters
    ----------
    spells : Spells
        For the calendar.
    rows : SpellRows
        What is modelled.
    later : sequence of str
        Covariates of the period: ``tenure``, ``season``, ``quarter``, and indicators of the panel.
    baseline : {"period", "log", "linear", "none"}
        Shape of the hazard over tenure.
    several : bool
        Whether endings are told apart.
    panel : Panel or None
        Gives its indicators one period before the one lived through: what was known when it began.

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
    made = [_period_column(spells, rows, name, spell=spell, tenure=tenure, panel=panel) for name in later]
    keep, unknown = _known(made, len(spell))
    quiet, silent = _telling(tenure[keep], outcome[keep]) if baseline == "period" else ((), ())
    if silent:
        keep &= ~np.isin(tenure, silent)
    spell, tenure, outcome = spell[keep], tenure[keep], outcome[keep]
    columns = [*_clock(tenure, outcome, baseline), *(column.rows(spell) for column in rows.columns)]
    columns += [used_levels(column.rows(keep)) if column.levels else column.rows(keep) for column in made]
    cluster = None if rows.cluster is None else pd.factorize(rows.cluster[spell])[0].astype(np.int64)
    found = OutcomeRows(columns=tuple(columns), outcome=outcome, cluster=cluster)
    return PeriodRows(rows=found, tenure=tenure, silent=silent, checks=(*unknown, *quiet))


def _known(columns: Sequence[Column], rows: int) -> tuple[np.ndarray, tuple[Check, ...]]:
    """Spell-periods whose covariates of the period are known, and how many are not."""
    missing = {column.name: ~np.isfinite(column.values) for column in columns if not column.levels}
    keep = ~np.logical_or.reduce([np.zeros(rows, dtype=bool), *missing.values()])
    if keep.all():
        return keep, ()
    names = ", ".join(f"{name} of {int(bad.sum()):,}" for name, bad in missing.items() if bad.any())
    if not keep.any():
        raise SampleError(f"no spell-period has its covariates known: {names} of {rows:,} are missing in the panel")
    said = f"{int((~keep).sum()):,} of {rows:,} spell-periods lack a covariate and are left out: {names}."
    return keep, (Check("Covariates of the period known", False, said),)


def _whole(values: np.ndarray, name: str) -> np.ndarray:
    broken = values != np.round(values)
    if broken.any():
        said = f"spells.{name}: {int(broken.sum())} rows are not whole periods; a discrete hazard counts periods (estimate_cox does not)"
        raise ContractError(said, column=name, rows=int(broken.sum()))
    return values.astype(np.int64)


def _telling(tenure: np.ndarray, outcome: np.ndarray) -> tuple[tuple[Check, ...], tuple[int, ...]]:
    """Periods in which nobody ended, or everybody in one way: they fit themselves and say nothing of covariates."""
    seen = count_cells(tenure, outcome)
    at_risk = seen.sum(axis=1)
    mute = (at_risk > 0) & (seen.max(axis=1) == at_risk)
    if not mute.any():
        return (), ()
    if mute[at_risk > 0].all():
        raise SampleError("in no period did some end and others stay; a hazard for each period explains all: use baseline='log'")
    names = ", ".join(map(str, np.flatnonzero(mute)[:6])) + (", ..." if mute.sum() > 6 else "")
    dropped = int(at_risk[mute].sum())
    said = f"In {int(mute.sum())} periods ({names}) nobody or everybody ended: {dropped} spell-periods fit themselves and are left out."
    return (Check("Every period tells something", None, said),), tuple(int(period) for period in np.flatnonzero(mute))


def count_cells(tenure: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Spell-periods with each outcome in each period, shape ``(last + 1, K)``."""
    kinds, last = int(outcome.max(initial=1)) + 1, int(tenure.max(initial=0))
    return np.bincount(tenure * kinds + outcome, minlength=(last + 1) * kinds).reshape(last + 1, kinds)


def _clock(tenure: np.ndarray, outcome: np.ndarray, baseline: Baseline) -> list[Column]:
    if baseline == "none":
        return []
    if baseline == "period":
        last = int(tenure.max(initial=1))
        # the others are told against the first period in which most kinds of outcome were seen
        first = int(np.argmax((count_cells(tenure, outcome) > 0).sum(axis=1)))
        order = np.array([first, *(period for period in range(1, last + 1) if period != first)])
        place = np.zeros(last + 1, dtype=np.int64)
        place[order] = np.arange(last)
        return [used_levels(Column(name="tenure", values=place[tenure], levels=tuple(order.tolist())))]
    return [Column(name="tenure", values=tenure)] if baseline == "linear" else [Column(name="log tenure", values=np.log(tenure))]


def _period_column(spells: Spells, rows: SpellRows, name: str, *, spell: np.ndarray, tenure: np.ndarray, panel: Panel | None) -> Column:
    """Covariate of the period lived through; NaN where the panel does not know it."""
    if name == "tenure":
        return Column(name="tenure", values=tenure)
    start = rows.frame["start"].to_numpy(dtype=float, na_value=np.nan)
    if spells.calendar is None or np.isnan(start).any():
        raise ParameterError(f"covariates: {name} needs spells with a place in the calendar; give start= and calendar=", column=name)
    # as in a hazard by quarter: an ending at duration d is in the period start + d
    period = start.astype(np.int64)[spell] + tenure
    if name not in ("season", "quarter"):
        return Column(name=name, values=_indicator(panel, name, rows.frame["partner"].to_numpy()[spell], period - 1))
    if name == "season":
        cycle = 12 // spells.calendar.months
        names = tuple(f"Q{place + 1}" if cycle == 4 else f"{place + 1:02d}" for place in range(cycle))
        return Column(name=name, values=period % cycle, levels=names)
    first, last = int(period.min()), int(period.max())
    return Column(name=name, values=period - first, levels=tuple(spells.calendar.labels(np.arange(first, last + 1))))


def _indicator(panel: Panel, name: str, partner: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Values of an indicator for partners in periods, NaN where the panel has none."""
    codes, found = pd.factorize(partner)
    at = pd.Index(panel.partners).get_indexer(pd.Index(found).astype(str))[codes]
    column = period - panel.first
    inside = (at >= 0) & (column >= 0) & (column < panel.shape[1])
    values = np.full(len(partner), np.nan)
    values[inside] = np.asarray(panel.values(name), dtype=float)[at[inside], column[inside]]
    return values
