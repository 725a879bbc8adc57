"""What a panel is made of besides its arrays of numbers: membership, run-in, recorded tiers, origin."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel


class Membership(enum.IntEnum):
    """Where a partner stands with the program at the end of a period; unknown before the record of membership begins."""

    NOT_YET = 0
    ACTIVE = 1
    LAPSED = 2
    UNKNOWN = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a panel came from: printed in the footer of every report.

    Parameters
    ----------
    program, source : str
        Name of the program; address of its data, without a password.
    as_of : datetime or None
        The panel shows what was known then (UTC); None is the latest.
    until : date or None
        First day that the data no longer cover.
    contract, package : str
        Versions.
    notes : tuple of str
        What was left out or taken otherwise, a sentence each.
    """

    program: str = "program"
    source: str = "frame"
    as_of: datetime | None = None
    until: date | None = None
    contract: str = ""
    package: str = ""
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedTiers:
    """Tiers that the program itself recorded.

    Parameters
    ----------
    tiers : tuple of str
        Names, best first; ``codes`` index them.
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

    def select(self, mask: np.ndarray, partners: np.ndarray) -> RecordedTiers:
        """Give those of the partners for whom ``mask`` is true, shape ``(n,)``."""
        return dataclasses.replace(
            self,
            codes=self.codes[mask],
            left_truncated=self.left_truncated[mask],
            right_censored=self.right_censored[mask],
            intervals=self.intervals[self.intervals["partner"].isin(partners[mask])].reset_index(drop=True),
        )

    def since(self, column: int) -> RecordedTiers:
        """Give the record without the first columns."""
        return dataclasses.replace(self, codes=self.codes[:, column:])

    def until(self, columns: int, edge: np.datetime64) -> RecordedTiers:
        """Give the record as it stood when only the first columns had passed; ``edge`` is their end in UTC."""
        kept = self.intervals[self.intervals["valid_from"] < edge].reset_index(drop=True)
        open_still = kept["valid_to"].isna() | (kept["valid_to"] >= edge)
        return dataclasses.replace(
            self,
            codes=self.codes[:, :columns],
            right_censored=self.codes[:, columns - 1] >= 0,
            intervals=kept.assign(valid_to=kept["valid_to"].mask(open_still), right_censored=open_still),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunIn:
    """The periods just before a panel's first, which its trailing windows reach back to.

    Parameters
    ----------
    totals, counts : mapping of str to ndarray, shape (n, r)
        As in the panel; the last column is the period before the panel's first.
    covered : mapping of str to ndarray of bool, shape (r,)
        Whether the data reach back that far; absent where they do.
    exposure : ndarray of float32, shape (n, r)
        Share of the period in which the partner was a member.
    """

    totals: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    counts: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    covered: Mapping[str, np.ndarray] = dataclasses.field(repr=False, default_factory=dict)
    exposure: np.ndarray = dataclasses.field(repr=False)

    def select(self, mask: np.ndarray) -> RunIn:
        """Give those of the partners for whom ``mask`` is true, shape ``(n,)``."""
        return dataclasses.replace(
            self,
            totals={name: array[mask] for name, array in self.totals.items()},
            counts={name: array[mask] for name, array in self.counts.items()},
            exposure=self.exposure[mask],
        )

    @property
    def width(self) -> int:
        """Number of periods before the panel's first."""
        return self.exposure.shape[1]


def fingerprint(panel: Panel) -> str:
    """Hash a panel's contents (sha256, hex), whatever its source is called."""
    seen = hashlib.sha256()
    clock = [panel.first, panel.calendar.start_month, panel.calendar.timezone, panel.calendar.cadence, *panel.shape]
    seen.update(json.dumps([clock, panel.indicators.fingerprint(), panel.partners.tolist()]).encode())
    for field in ("totals", "counts", "squares", "covered"):
        for name, array in sorted(getattr(panel, field).items()):
            seen.update(f"{field} {name} {array.dtype.str} {array.shape}".encode())
            seen.update(np.ascontiguousarray(array).tobytes())
    for array in (panel.state, panel.exposure, panel.partial):
        seen.update(np.ascontiguousarray(array).tobytes())
    seen.update(_frame_bytes(panel.attributes))
    if panel.run_in is not None:
        for field in (panel.run_in.totals, panel.run_in.counts, panel.run_in.covered, {"": panel.run_in.exposure}):
            for name, array in sorted(field.items()):
                seen.update(name.encode() + np.ascontiguousarray(array).tobytes())
    if panel.units is not None:
        seen.update(f"{panel.units.name} {fingerprint(panel.units.panel)}".encode() + np.ascontiguousarray(panel.units.of).tobytes())
    if panel.recorded is not None:
        seen.update(json.dumps(panel.recorded.tiers).encode() + np.ascontiguousarray(panel.recorded.codes).tobytes())
        seen.update(_frame_bytes(panel.recorded.intervals))
    return seen.hexdigest()


def _frame_bytes(frame: pd.DataFrame) -> bytes:
    """Text of a small frame that does not depend on how its columns are stored."""
    columns = {}
    for name in sorted(map(str, frame.columns)):
        column = frame[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            column = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
        columns[name] = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    return json.dumps(columns, ensure_ascii=False).encode()
