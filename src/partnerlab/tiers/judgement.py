"""Overrides: how often people set the rule aside, and whether the rule came round to them later."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.inference.clusters import jackknife_shares
from partnerlab.stats.inference.intervals import check_level, critical_value, wilson_interval
from partnerlab.tiers.codes import Reason
from partnerlab.tiers.movement import heights

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory

#: With fewer overrides whose outcome is known, nothing is said of them.
FEWEST = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overrides(Result):
    """How often the rule is overridden, and how often it later agrees.

    The table has key ``[measure]``: ``override rate`` (of partner-quarters in a tier), ``rule came round`` (of the
    overrides that began long enough ago: the rule later stands nearer to the override than to itself) and
    ``same without override`` (of partners in the same tiers in the same quarters who were not overridden: how often
    the rule later stands as far that way); then ``difference`` of the two. ``n`` counts partner-quarters or overrides.

    Parameters
    ----------
    ahead : int
        Quarters later.
    """

    title: ClassVar[str] = "Overrides"

    ahead: int = 2


def estimate_overrides(history: TierHistory, *, ahead: int = 2, level: float = 0.95) -> Overrides:
    """Estimate how often the rule is overridden, and whether overrides beat the rule later.

    Parameters
    ----------
    history : TierHistory
        With overrides applied (`assign_tiers`, ``overrides=`` or ``ledger=``).
    ahead : int
        Quarters after an override began at which the rule is asked again, on the data of that time.
    level : float
        Coverage.

    Returns
    -------
    Overrides
        An override beats the rule where the raw tier ``ahead`` quarters later is nearer in height to the override than
        to the rule of the day. Others drift that way too: the comparison takes partners of the same tier and quarter.

    Raises
    ------
    ParameterError
        If ``ahead`` is not positive.
    SampleError
        If nobody holds a tier.

    Examples
    --------
    >>> from partnerlab.tiers import TierHistory
    >>> rows = [(f"p{i:02d}", f"2026Q{q}", "Silver") for i in range(20) for q in (1, 2, 3)]
    >>> rows = pd.DataFrame(rows, columns=["partner", "quarter", "tier"])
    >>> estimate_overrides(TierHistory.from_frame(rows, order=["Gold", "Silver"])).tidy()[["measure", "estimate", "n"]].head(1)
             measure  estimate   n
    0  override rate       0.0  60
    """
    check_level(level)
    if ahead < 1:
        raise ParameterError(f"ahead is {ahead}; give a number of quarters of at least 1")
    tiered = history.held >= 0
    if not tiered.any():
        raise SampleError("nobody holds a tier; there is nothing to override")
    over = tiered & (history.reasons == Reason.OVERRIDE)
    rows = [_share_row("override rate", over[tiered], np.nonzero(tiered)[0], level, len(history.partners))]
    begun = over & ~np.hstack(
        [np.zeros((len(over), 1), dtype=bool), over[:, :-1] & (history.published[:, 1:] == history.published[:, :-1])]
    )
    mine, theirs = _came_round(history, begun, ahead)
    partners = np.nonzero(begun[:, : begun.shape[1] - ahead])[0] if ahead < begun.shape[1] else np.zeros(0, dtype=int)
    known = ~np.isnan(mine)
    rows.append(_share_row("rule came round", mine[known] > 0, partners[known], level, len(history.partners), least=FEWEST))
    rows += _comparison(mine, theirs, level)
    judged = int(known.sum())
    enough = Check(
        "Enough overrides", judged >= FEWEST, f"Of {int(begun.sum())} overrides the outcome {ahead} quarters later is known for {judged}."
    )
    return Overrides(
        estimand=f"Share of tiers that are overridden, and of overrides to which the rule came round within {ahead} quarters",
        table=pd.DataFrame(rows),
        checks=(
            enough,
            Check("Why they agree", None, "Partners are not overridden by chance, and what an override brings may itself lift the data."),
        ),
        level=level,
        ahead=ahead,
    )


def _share_row(measure: str, hits: np.ndarray, partner: np.ndarray, level: float, partners: int, *, least: int = 1) -> dict[str, object]:
    """Share with errors clustered by partner, and Wilson's interval on the effective number."""
    n = len(hits)
    row: dict[str, object] = {"measure": measure, **dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), np.nan), "n": n}
    if n < least:
        return row
    units, at = np.unique(partner, return_inverse=True)
    sums, sizes = np.bincount(at, weights=hits), np.bincount(at).astype(float)
    share, error = (float(value[0, 0]) for value in jackknife_shares(sums[:, None], sizes, group=np.zeros(len(units), int), groups=1))
    plain = share * (1 - share) / n
    effective = n / max(error**2 / plain, 1.0) if plain > 0 and error > 0 else float(len(units))
    low, high = wilson_interval(share, effective, level=level)
    return row | {"estimate": share, "std_error": error, "conf_low": float(low), "conf_high": float(high)}


def _came_round(history: TierHistory, begun: np.ndarray, ahead: int) -> tuple[np.ndarray, np.ndarray]:
    """For each override with a later quarter: whether the rule came round (NaN unknown), and how often others' rule did."""
    height = heights(history.rank).astype(float)
    columns = begun.shape[1] - ahead
    mine, theirs = [], []
    for row, column in zip(*np.nonzero(begun[:, : max(columns, 0)]), strict=True):
        rule, set_to, later = history.raw[row, column], history.published[row, column], history.raw[row, column + ahead]
        if rule < 0 or later < 0 or height[rule] == height[set_to]:
            mine.append(np.nan)
            theirs.append(np.nan)
            continue
        same = (history.raw[:, column] == rule) & ~begun[:, column] & (history.reasons[:, column] != Reason.OVERRIDE)
        others = history.raw[same, column + ahead]
        others = others[others >= 0]
        mine.append(float(_nearer(height[later], height[set_to], height[rule])))
        theirs.append(float(_nearer(height[others], height[set_to], height[rule]).mean()) if len(others) else np.nan)
    return np.array(mine), np.array(theirs)


def _nearer(later: np.ndarray | float, set_to: float, rule: float) -> np.ndarray:
    return np.abs(np.asarray(later) - set_to) < np.abs(np.asarray(later) - rule)


def _comparison(mine: np.ndarray, theirs: np.ndarray, level: float) -> list[dict[str, object]]:
    """Rows of what happens without override, and of the difference, override by override."""
    both = ~np.isnan(mine) & ~np.isnan(theirs)
    n = int(both.sum())
    rows = []
    for measure, values, lowest in (("same without override", theirs[both], 0.0), ("difference", mine[both] - theirs[both], -1.0)):
        row: dict[str, object] = {"measure": measure, **dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), np.nan), "n": n}
        if n >= FEWEST:
            mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
            reach = float(critical_value(level, n - 1)) * error
            row |= {"estimate": mean, "std_error": error, "conf_low": max(mean - reach, lowest), "conf_high": min(mean + reach, 1.0)}
        rows.append(row)
    return rows
