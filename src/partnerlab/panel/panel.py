"""The panel: partners by periods, one dense array per indicator."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, nearest
from partnerlab.panel.indicators import Indicators
from partnerlab.periods import Calendar


class Membership(enum.IntEnum):
    """Where a partner stands with the program at the end of a period."""

    NOT_YET = 0
    ACTIVE = 1
    LAPSED = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a panel came from: printed in the footer of every report."""

    program: str = "program"
    source: str = "frame"
    as_of: datetime | None = None
    contract: str = ""
    package: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedTiers:
    """Tiers that the program itself recorded.

    Parameters
    ----------
    tiers : tuple of str
        Names; ``codes`` index them.
    codes : ndarray of int8, shape (n, t)
        Tier held at the end of each period, -1 where none was.
    left_truncated, right_censored : ndarray of bool, shape (n,)
        The partner was already in a tier when the record began; is still in one when it ends.
    intervals : DataFrame
        ``partner, tier, valid_from, valid_to`` (half open, NaT while it lasts), ``left_truncated, right_censored``.
    """

    tiers: tuple[str, ...]
    codes: np.ndarray
    left_truncated: np.ndarray
    right_censored: np.ndarray
    intervals: pd.DataFrame = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """Partners by periods.

    Parameters
    ----------
    partners : ndarray of str, shape (n,)
        Sorted, unique.
    first : int
        Period of the first column (see ``calendar``); the columns follow without gaps.
    calendar : Calendar
        The program's clock.
    indicators : Indicators
        What the arrays mean.
    totals : mapping of str to ndarray, shape (n, t)
        Numerator of each indicator in each single period, before any window:
        int32 for counts, int64 minor units for money, float64 where a ratio needs it.
    counts : mapping of str to ndarray of int32, shape (n, t)
        How many rows stand behind each total (the denominator of a mean or share).
    squares : mapping of str to ndarray of float64, shape (n, t)
        Sum of squared values, for the indicators whose noise is asked after.
    state : ndarray of int8, shape (n, t)
        `Membership` at the end of each period.
    exposure : ndarray of float32, shape (n, t)
        Share of the period in which the partner was a member, 0 to 1.
    attributes : DataFrame, n rows in the order of ``partners``
        ``region, partner_type, manager_id, ..., joined_at, left_at``.
    partial : ndarray of bool, shape (t,)
        Periods that the data cover only in part.
    recorded : RecordedTiers or None
        Tiers that the program itself recorded.
    provenance : Provenance
        Where it came from.
    """

    partners: np.ndarray
    first: int
    calendar: Calendar
    indicators: Indicators
    totals: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    counts: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    squares: Mapping[str, np.ndarray] = dataclasses.field(repr=False, default_factory=dict)
    state: np.ndarray = dataclasses.field(repr=False)
    exposure: np.ndarray = dataclasses.field(repr=False)
    attributes: pd.DataFrame = dataclasses.field(repr=False)
    partial: np.ndarray = dataclasses.field(repr=False)
    recorded: RecordedTiers | None = dataclasses.field(repr=False, default=None)
    provenance: Provenance = Provenance()

    @property
    def shape(self) -> tuple[int, int]:
        """Partners, periods."""
        return self.state.shape

    @property
    def periods(self) -> np.ndarray:
        """Period of each column, shape ``(t,)``."""
        return np.arange(self.first, self.first + self.shape[1])

    @property
    def labels(self) -> list[str]:
        """Name of each column for people."""
        return self.calendar.labels(self.periods)
