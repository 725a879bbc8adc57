"""Does a Cox coefficient stay the same over time: score tests of a term that changes with time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import special

from partnerlab.stats.hazards.cox import CoxRows, Partial, SlotTerms, score_rows
from partnerlab.stats.hazards.risk_slots import RowSums
from partnerlab.stats.inference.sandwich import invert, sum_clusters

Clock = Literal["km", "identity", "log"]


class HazardTest(NamedTuple):
    """Test of one term, or of all."""

    statistic: float
    df: int
    p_value: float


def slot_clock(time: np.ndarray, clock: Clock, *, exits: np.ndarray, event: np.ndarray, entry: np.ndarray | None = None) -> np.ndarray:
    """Read each slot's time on a clock: one less the Kaplan-Meier curve before it, the time itself, or its logarithm.

    Parameters
    ----------
    time : ndarray, shape (J,)
        Slots; those of several strata at one time share their reading.
    clock : {"km", "identity", "log"}
        Which clock.
    exits, event, entry : ndarray, shape (n,)
        Rows of all strata, for the curve.

    Examples
    --------
    >>> slot_clock(np.array([1, 2]), "km", exits=np.array([1, 2, 3, 4]), event=np.array([True, True, False, False])).tolist()
    [0.0, 0.25]
    """
    if clock == "identity":
        return np.asarray(time, dtype=float)
    if clock == "log":
        return np.log(np.asarray(time, dtype=float))
    levels, d = np.unique(exits[event], return_counts=True)
    n = len(exits) - np.searchsorted(np.sort(exits), levels, side="left")
    if entry is not None:
        n = n - (len(entry) - np.searchsorted(np.sort(entry), levels, side="left"))
    curve = np.concatenate([[1.0], np.cumprod(1.0 - d / n)])
    return 1.0 - curve[np.searchsorted(levels, time)]


def _moment(partial: Partial, found: SlotTerms, per_slot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score and information with slots weighted."""
    a, b = found.moments[0] * per_slot, found.moments[1] * per_slot
    spread = (partial.sums.exposure(a) - partial.sums.at_event(b)) * found.ratio
    score = partial.design.T @ (partial.sums.at_event(per_slot) - spread)
    return score, partial.design.T @ (partial.design * spread[:, None]) - found.outer(per_slot)


def hazard_tests(
    partial: Partial,
    rows: CoxRows,
    beta: np.ndarray,
    *,
    groups: Sequence[np.ndarray],
    reading: np.ndarray,
    cluster: np.ndarray | None = None,
    tail: RowSums | None = None,
) -> list[HazardTest]:
    """Test for each group of columns that its coefficients do not change with time; the last test is of all at once.

    Parameters
    ----------
    partial, rows, beta
        A fitted model.
    groups : sequence of ndarray of int
        Columns of each term.
    reading : ndarray, shape (J,)
        How the time of each slot is read (Grambsch and Therneau 1994; the score test of R's ``cox.zph`` since survival 3.0).
    cluster : ndarray of int64, shape (n,), or None
        Partner of each row: the variance of the score is then summed over partners.
    tail : RowSums or None
        As in `score_rows`.
    """
    found = partial.terms(beta)
    weight = partial.steps.total(partial.steps.weight)
    # a shift of the clock changes nothing, but keeps the numbers small
    reading = reading - (reading @ weight) / weight.sum()
    _, plain = _moment(partial, found, np.ones(len(reading)))
    score, mixed = _moment(partial, found, reading)
    _, twice = _moment(partial, found, reading**2)
    if cluster is None:
        spread = twice - mixed.T @ invert(plain) @ mixed
    else:
        late = score_rows(partial, rows, beta, per_slot=reading, tail=tail)
        early = score_rows(partial, rows, beta, tail=tail)
        totals = sum_clusters(late - early @ invert(plain) @ mixed, cluster)
        spread = totals.T @ totals
    every = np.arange(len(beta))
    return [_chi_square(score[group], spread[np.ix_(group, group)]) for group in (*groups, every)]


def _chi_square(score: np.ndarray, spread: np.ndarray) -> HazardTest:
    statistic = float(score @ invert(spread) @ score) if len(score) else float("nan")
    return HazardTest(statistic, len(score), float(special.gammaincc(len(score) / 2.0, statistic / 2.0)) if len(score) else float("nan"))
