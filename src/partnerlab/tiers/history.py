"""The tier history: for every partner and period what the rule said, and what was made of it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.periods import Calendar

if TYPE_CHECKING:
    from partnerlab.scoring import Scores
    from partnerlab.tiers.scheme import TierScheme


class Outside(enum.IntEnum):
    """States beside the tiers, as they stand in the code arrays; tiers are 0, 1, 2, ..."""

    UNKNOWN = -1
    NOT_YET = -2
    LAPSED = -3

    @property
    def label(self) -> str:
        """The state in words."""
        return {-1: "unknown", -2: "not yet joined", -3: "lapsed"}[self.value]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierHistory:
    """Tiers of every partner in every period, at four stages.

    Parameters
    ----------
    partners : ndarray of str, shape (n,)
        Sorted, unique.
    first : int
        Period of the first column.
    calendar : Calendar
        The program's clock.
    tiers : tuple of str
        Names, best first; code arrays index them, negative codes are `Outside`.
    rank : tuple of (int or None)
        For each tier its height, higher is better; equal ranks are sideways; None stands outside the order.
    raw, eligible, held, published : ndarray of int8, shape (n, t)
        The rule on the data; after caps and gates; after margins, confirmation, grace and locks;
        after overrides and upheld appeals.
    reasons : ndarray of int8, shape (n, t)
        Why published differs from raw; indexes `REASONS`.
    attributes : DataFrame, n rows
        As in the panel.
    partial : ndarray of bool, shape (t,)
        Periods that the data cover only in part: left out of flows unless asked for.
    lines : DataFrame
        Each cut line in each period: ``quarter, axis, group, line``.
    scores : Scores or None
        The stop below, for explanations.
    scheme : TierScheme or None
        The rules that were applied.
    program : str
        Name of the program.
    """

    partners: np.ndarray
    first: int
    calendar: Calendar
    tiers: tuple[str, ...]
    rank: tuple[int | None, ...]
    raw: np.ndarray = dataclasses.field(repr=False)
    eligible: np.ndarray = dataclasses.field(repr=False)
    held: np.ndarray = dataclasses.field(repr=False)
    published: np.ndarray = dataclasses.field(repr=False)
    reasons: np.ndarray = dataclasses.field(repr=False)
    attributes: pd.DataFrame = dataclasses.field(repr=False)
    partial: np.ndarray = dataclasses.field(repr=False)
    lines: pd.DataFrame = dataclasses.field(repr=False)
    scores: Scores | None = dataclasses.field(repr=False, default=None)
    scheme: TierScheme | None = dataclasses.field(repr=False, default=None)
    program: str = "program"

    @property
    def shape(self) -> tuple[int, int]:
        """Partners, periods."""
        return self.published.shape

    @property
    def periods(self) -> np.ndarray:
        """Period of each column, shape ``(t,)``."""
        return np.arange(self.first, self.first + self.shape[1])

    @property
    def labels(self) -> list[str]:
        """Name of each column for people."""
        return self.calendar.labels(self.periods)
