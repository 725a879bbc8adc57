"""Who moved, and whether it could have been nothing."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.intervals import check_level, wilson_interval
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.evidence import adjusted_probabilities, partner_evidence
from partnerlab.transitions.noise import NoiseBaseline, stray_interval
from partnerlab.transitions.states import flow_codes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Movers(Result):
    """Partners that changed tier in a quarter, each with the probability that nothing changed.

    The table has keys ``[partner, from_tier, to_tier, direction]``; ``estimate`` is the probability that no
    change would have produced such a move (its interval is that of the draws, none where it is computed
    exactly), ``n`` the whole quarters before the window that it rests on; then ``indicator, before, now``
    (the number that changed most, per quarter before the window and in it), ``usual`` (how often partners
    redrawn without change make this move out of this tier), ``adjusted`` (for testing all partners) and
    ``beyond_noise``.

    Parameters
    ----------
    quarter : str
        Quarter moved into.
    at_risk : int
        Partners in a tier in both quarters.
    expected, expected_low, expected_high : float
        Movers that noise alone would have made of them, with the interval for one quarter.
    """

    title: ClassVar[str] = "Movers"

    quarter: str = ""
    at_risk: int = 0
    expected: float = np.nan
    expected_low: float = np.nan
    expected_high: float = np.nan


def move_probabilities(hits: np.ndarray, trials: np.ndarray, tiers: int) -> np.ndarray:
    """Probability of each move out of each tier if nothing changed, by partner: shape ``(n, tiers, tiers)``.

    One pseudo-move, spread as the partner's redrawn quarters are spread over tiers, stands in where
    the draws hardly ever put it in that tier. Lapses are left out: they are facts.
    """
    inside = hits[:, :tiers, :tiers]
    occupancy = inside.sum(axis=1)
    whole = occupancy.sum(axis=1, keepdims=True)
    usual = np.where(whole > 0, occupancy / np.where(whole > 0, whole, 1.0), 1.0 / tiers)
    return (inside + usual[:, None, :]) / (inside.sum(axis=2, keepdims=True) + 1.0)


def direction_names(origin: np.ndarray, target: np.ndarray, rank: tuple[int | None, ...]) -> np.ndarray:
    """Name the direction of each move: up, down, or sideways where heights are equal or not ordered.

    Examples
    --------
    >>> direction_names(np.array([0, 1, 2]), np.array([1, 0, 0]), (2, 1, None)).tolist()
    ['down', 'up', 'sideways']
    """
    height = np.array([np.nan if step is None else step for step in rank], dtype=float)
    gain = height[target] - height[origin]
    return np.where(gain > 0, "up", np.where(gain < 0, "down", "sideways"))


def detect_movers(history: TierHistory, *, noise: NoiseBaseline, quarter: str, level: float = 0.95, stage: str = "published") -> Movers:
    """Tell the moves of a quarter that noise would hardly have made.

    Parameters
    ----------
    history : TierHistory
        Tiers by partner and quarter.
    noise : NoiseBaseline
        Of the panel and scheme that the history was made from.
    quarter : str
        Quarter moved into.
    level : float
        One minus the share of false alarms tolerated among the movers called beyond noise.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read.

    Returns
    -------
    Movers
        Every partner in a tier in both quarters is put to the test, those that stayed with probability 1. For a
        mover, ``estimate`` is the smaller of two bounds on one event, "moves, with numbers this far out": the
        probability of moving at all out of its tier, and the two-sided probability of its numbers in the window
        given those before it (negative binomial; times the number of indicators looked at). ``beyond_noise``
        holds where the value adjusted by Benjamini and Hochberg (1995) is at most ``1 - level``.

    Raises
    ------
    ParameterError
        If the quarter is not in the history or is its first.
    SampleError
        If nobody was in a tier in both quarters.
    """
    check_level(level)
    column = history.calendar.parse(quarter) - history.first
    if not 1 <= column < history.shape[1]:
        raise ParameterError(
            f"movers need a quarter after {history.labels[0]}, the first of the history, up to {history.labels[-1]}; not {quarter}"
        )
    tiers = len(history.tiers)
    codes = flow_codes(getattr(history, stage)[:, column - 1 : column + 1], tiers)
    at_risk = np.flatnonzero(((codes >= 0) & (codes < tiers)).all(axis=1))
    if not len(at_risk):
        raise SampleError(f"nobody was in a tier both in {history.labels[column - 1]} and in {quarter}")
    origin, target = codes[at_risk].astype(np.int64).T
    place = noise.places(history.partners)[at_risk]
    chances = move_probabilities(noise.moments.hits[place] * noise.draws, noise.moments.trials[place] * noise.draws, tiers)
    rows = np.arange(len(at_risk))
    any_move = 1.0 - chances[rows, origin, origin]
    moved = origin != target
    evidence = partner_evidence(noise, place, history.first + column)
    p_value = np.where(moved, np.minimum(np.minimum(evidence["surprise"], any_move), 1.0), 1.0)
    adjusted = adjusted_probabilities(p_value)
    chance = chances[rows, origin, target]
    behind = noise.moments.trials[place, origin] * noise.draws + 1.0
    exact = evidence["surprise"] <= any_move
    error = np.where(moved & ~exact, np.sqrt(any_move * (1.0 - any_move) / behind), 0.0)
    low, high = wilson_interval(any_move, behind, level=level)
    table = pd.DataFrame(
        {
            "partner": history.partners[at_risk], "from_tier": np.array(history.tiers)[origin], "to_tier": np.array(history.tiers)[target],
            "direction": direction_names(origin, target, history.rank), "estimate": p_value, "std_error": error,
            "conf_low": np.where(exact, p_value, low), "conf_high": np.where(exact, p_value, high), "n": evidence["periods"],
            "indicator": evidence["indicator"], "before": evidence["before"], "now": evidence["now"], "usual": chance,
            "adjusted": adjusted, "beyond_noise": adjusted <= 1.0 - level,
        }
    )[moved].sort_values(["estimate", "partner"], ignore_index=True)  # fmt: skip
    expected, spread = float(any_move.sum()), float(np.sqrt((any_move * (1 - any_move)).sum()))
    size = len(at_risk)
    reach = np.asarray(stray_interval(np.array(expected / size), np.array(spread / size), level=level)) * size
    return Movers(
        estimand=f"Probability that a partner whose rate did not change would have moved as it did into {quarter}, its numbers so far out",
        table=table,
        checks=_checks(history, table, column, expected, reach, level),
        level=level,
        quarter=quarter,
        at_risk=len(at_risk),
        expected=expected,
        expected_low=float(reach[0]),
        expected_high=float(reach[1]),
    )


def _checks(history: TierHistory, table: pd.DataFrame, column: int, expected: float, reach: np.ndarray, level: float) -> tuple[Check, ...]:
    """Say whether more moved than noise moves, whether the quarters are whole, and what false alarms are allowed."""
    inside = reach[0] <= len(table) <= reach[1]
    more = Check(
        "More moved than noise alone would move",
        None if inside else bool(len(table) > reach[1]),
        f"{len(table)} partners changed tier; noise alone would have moved {expected:.0f} ({reach[0]:.0f} to {reach[1]:.0f})"
        + ("; the number of movers says nothing of change." if inside else "."),
    )
    cut = bool(history.partial[column] or history.partial[column - 1])
    whole = Check(
        "Only whole quarters", not cut, "One of the two quarters is covered only in part." if cut else "Both quarters are covered in full."
    )
    rate = Check(
        "False alarms are limited",
        True,
        f"Of the movers called beyond noise at most {1 - level:.0%} are expected to be noise "
        "(Benjamini and Hochberg 1995, over all partners at risk).",
    )
    return more, whole, rate
