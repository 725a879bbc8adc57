"""What a forecast reads: the state of every partner in every quarter up to its origin, and nothing later."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.periods import Calendar
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.states import LAPSED, STAGES

#: State of members whose tier is not known; they count for no tier.
UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """States of partners by quarter.

    Parameters
    ----------
    codes : ndarray of int8, shape (n, t)
        Tiers, then lapsed and unknown; -1 is not observed or not yet joined.
    names : tuple of str
        Of the states: tiers, lapsed, unknown.
    rank : tuple of (int or None)
        Height of each tier.
    partners : ndarray of str, shape (n,)
        Who they are.
    first : int
        Period of the first column.
    calendar : Calendar or None
        Names the columns; None where they are bare numbers.
    use : ndarray of bool, shape (t - 1,)
        Pairs of neighbouring quarters that count.
    shared : bool
        Whether a column is the same quarter for all; otherwise no season and no shock is common to them.
    possible : ndarray of bool, shape (s, s), or None
        Moves that can be made; None where all can.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    rank: tuple[int | None, ...]
    partners: np.ndarray
    first: int
    calendar: Calendar | None
    use: np.ndarray
    shared: bool = True
    possible: np.ndarray | None = None

    @property
    def tiers(self) -> int:
        """Number of tiers."""
        return len(self.rank)

    @property
    def last(self) -> int:
        """Period of the last column: the origin of a forecast."""
        return self.first + self.codes.shape[1] - 1

    @property
    def seasons(self) -> int:
        """Quarters (or months) of a year; 1 where no calendar is known."""
        return 12 // self.calendar.months if self.calendar is not None and self.shared else 1

    def label(self, period: int) -> str:
        """Name a period."""
        return str(period) if self.calendar is None else self.calendar.label(period)

    def season(self, column: np.ndarray | int) -> np.ndarray:
        """Season of a column."""
        return (self.first + np.asarray(column)) % self.seasons

    def until(self, column: int) -> Course:
        """Forget everything after a column."""
        return dataclasses.replace(self, codes=self.codes[:, : column + 1], use=self.use[:column])


def count_states(history: TierHistory, stage: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read codes in which lapsed and unknown are states too; not yet joined stays outside.

    Raises
    ------
    ParameterError
        If there is no such stage.
    """
    if stage not in STAGES:
        raise ParameterError(f"stage {stage!r} does not exist{nearest(stage, STAGES)}")
    codes, tiers = getattr(history, stage), len(history.tiers)
    codes = np.where(codes == Outside.LAPSED, tiers, np.where(codes == Outside.UNKNOWN, tiers + 1, np.where(codes < 0, -1, codes)))
    return codes.astype(np.int8), (*history.tiers, LAPSED, UNKNOWN)


def read_course(given: TierHistory | Transitions, *, stage: str) -> Course:
    """Read states by quarter off a history, or off pairs.

    Raises
    ------
    ParameterError
        If it is neither, or the stage does not exist.
    SampleError
        If the pairs do not say whose they are.
    """
    if isinstance(given, TierHistory):
        codes, names = count_states(given, stage)
        partial = np.asarray(given.partial, dtype=bool)
        return Course(
            codes=codes, names=names, rank=given.rank, partners=given.partners, first=given.first, calendar=given.calendar,
            use=~(partial[:-1] | partial[1:]),
        )  # fmt: skip
    if not isinstance(given, Transitions):
        raise ParameterError(f"a forecast is made from a TierHistory or Transitions, not a {type(given).__name__}")
    return _course_of_pairs(given)


def _course_of_pairs(pairs: Transitions) -> Course:
    if not pairs.knows_partners or pairs.clock == "none" or pairs.step != 1 or not len(pairs):
        raise SampleError("a forecast needs pairs of one step that say whose they are and when; counts alone have no partners to forecast")
    tiers = pairs.tiers
    # lapsed stands last among the states of pairs, as it does here
    names, period = (*tiers, LAPSED, UNKNOWN), pairs.period
    if pairs.clock == "own":  # each partner's own steps: its last one is today
        newest = np.zeros(len(pairs.partners), dtype=np.int64)
        np.maximum.at(newest, pairs.partner, period)
        period = period - newest[pairs.partner]
    first = int(period.min()) - 1
    codes = np.full((len(pairs.partners), int(period.max()) - first + 1), -1, dtype=np.int8)
    codes[pairs.partner, period - first] = pairs.target
    codes[pairs.partner, period - first - 1] = pairs.origin
    return Course(
        codes=codes, names=names, rank=tuple(range(len(tiers), 0, -1)) if pairs.ordered else (None,) * len(tiers),
        partners=pairs.partners, first=first, calendar=pairs.calendar if pairs.clock == "calendar" else None,
        use=np.ones(codes.shape[1] - 1, dtype=bool), shared=pairs.clock == "calendar", possible=_possible(pairs, len(names)),
    )  # fmt: skip


def _possible(pairs: Transitions, states: int) -> np.ndarray:
    """Give the moves that pairs allow, among tiers, lapsed and unknown: shape ``(s, s)``; no lapse where there is no such state."""
    found = np.ones((states, states), dtype=bool)
    found[: len(pairs.states), : len(pairs.states)] = pairs.possible
    found[:, len(pairs.tiers)] &= LAPSED in pairs.states
    return found
