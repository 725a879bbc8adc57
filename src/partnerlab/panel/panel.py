"""The panel: partners by periods, one dense array per indicator."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, nearest
from partnerlab.panel.indicators import Indicator, Indicators
from partnerlab.panel.parts import Membership, Provenance, RecordedTiers, RunIn, fingerprint
from partnerlab.panel.units import Units
from partnerlab.panel.windows import indicator_values, trailing_sum
from partnerlab.periods import Calendar
from partnerlab.results import read_only

__all__ = ["Membership", "Panel", "Provenance", "RecordedTiers", "RunIn"]

_ARRAYS = ("totals", "counts", "squares")


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
    covered : mapping of str to ndarray of bool, shape (t,) or (n, t)
        Periods of which an indicator's data tell anything; absent where they tell of all.
    run_in : RunIn or None
        The periods before the first that trailing windows reach back to.
    state : ndarray of int8, shape (n, t)
        `Membership` at the end of each period.
    exposure : ndarray of float32, shape (n, t)
        Share of the period's days in which the partner was a member, as far as the data reach.
    attributes : DataFrame, n rows in the order of ``partners``
        ``region, partner_type, manager_id, ..., joined_at, left_at``.
    partial : ndarray of bool, shape (t,)
        Periods that the data cover only in part.
    recorded : RecordedTiers or None
        Tiers that the program itself recorded.
    units : Units or None
        The same partners in each region (or portfolio), where the panel was built over units.
    provenance : Provenance
        Where it came from.

    The arrays are not to be written to: copy one, and give it to `replace`.

    Examples
    --------
    >>> table = pd.DataFrame({"partner": ["a", "a", "b"], "quarter": ["2026Q1", "2026Q2", "2026Q2"], "leads": [3, 0, 2]})
    >>> panel = Panel.from_frame(table)
    >>> panel.values("leads").tolist()
    [[3.0, 0.0], [nan, 2.0]]
    >>> [Membership(code).name for code in panel.state[1]]
    ['NOT_YET', 'ACTIVE']
    """

    partners: np.ndarray
    first: int
    calendar: Calendar
    indicators: Indicators
    totals: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    counts: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    squares: Mapping[str, np.ndarray] = dataclasses.field(repr=False, default_factory=dict)
    covered: Mapping[str, np.ndarray] = dataclasses.field(repr=False, default_factory=dict)
    run_in: RunIn | None = dataclasses.field(repr=False, default=None)
    state: np.ndarray = dataclasses.field(repr=False)
    exposure: np.ndarray = dataclasses.field(repr=False)
    attributes: pd.DataFrame = dataclasses.field(repr=False)
    partial: np.ndarray = dataclasses.field(repr=False)
    recorded: RecordedTiers | None = dataclasses.field(repr=False, default=None)
    units: Units | None = dataclasses.field(repr=False, default=None)
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    def __post_init__(self) -> None:
        n, t = self.state.shape
        if len(self.partners) != n or len(self.attributes) != n or self.exposure.shape != (n, t) or self.partial.shape != (t,):
            raise ParameterError(f"panel: partners, state, exposure, attributes and partial must agree on {n} partners by {t} periods")
        if n > 1 and not (self.partners[1:] > self.partners[:-1]).all():
            raise ParameterError("panel.partners must be sorted and without repeats")
        for field in _ARRAYS:
            for name, array in getattr(self, field).items():
                if name not in self.indicators:
                    raise ParameterError(f"panel.{field}: no indicator is called {name!r}{nearest(name, self.indicators.names)}")
                if array.shape != (n, t):
                    raise ParameterError(f"panel.{field}[{name!r}] has shape {array.shape}; it must be {(n, t)}, partners by periods")
        lacking = [name for name in self.indicators.names if name not in self.totals or name not in self.counts]
        if lacking:
            raise ParameterError(f"panel: no totals or counts for {', '.join(lacking)}")
        self._seal()

    def _seal(self) -> None:
        """Make the arrays read-only, by views, so that what was computed from a panel stays true of it."""
        for field in (*_ARRAYS, "covered"):
            object.__setattr__(self, field, {name: read_only(array) for name, array in getattr(self, field).items()})
        for field in ("partners", "state", "exposure", "partial"):
            object.__setattr__(self, field, read_only(getattr(self, field)))

    def __repr__(self) -> str:
        n, t = self.shape
        span = f"{self.labels[0]} to {self.labels[-1]}" if t else "no period"
        partial = "".join(f", {label} partial" for label, cut in zip(self.labels, self.partial, strict=True) if cut)
        partial += f", over {len(self.units.of):,} units ({self.units.name})" if self.units is not None else ""
        return f"Panel({n:,} partners, {span}{partial}, {len(self.indicators)} indicators, program {self.provenance.program!r})"

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        partner: str = "partner",
        quarter: str = "quarter",
        indicators: Indicators | None = None,
        attributes: pd.DataFrame | None = None,
        calendar: Calendar | None = None,
        unit: str | None = None,
    ) -> Self:
        """Make a panel of a table with one row for each partner and period.

        A partner is a member from its first row on, unless ``attributes`` has
        ``joined_at`` and ``left_at``, or the frame a column ``state`` of
        ``not_yet, active, lapsed``. A period without a row is zero or unknown,
        as the indicator's missing rule says.

        Parameters
        ----------
        frame : DataFrame
            Columns of numbers are indicators, others attributes of the partner; a column
            ``<indicator>_n`` holds the rows behind a mean or share. Never changed.
        partner, quarter : str
            Names of the key columns.
        indicators : Indicators or None
            What the columns mean. None reads whole numbers as counts (no row is zero,
            unless the column has empty cells) and others as means of one (no row is
            unknown). Values are of single periods: windows are applied by the panel.
        attributes : DataFrame or None
            One row for each partner, with a column named as ``partner``, or indexed by it.
        calendar : Calendar or None
            The program's clock; calendar quarters or months, as the labels say, if None.
        unit : str or None
            Column that names a partner's units, such as ``region``: then the frame has one row for each
            partner, unit and period, and the panel's `units` hold them. A partner's counts and sums are
            those of its units added up; what cannot be added (last, held, distinct, median) is unknown
            for the partner as a whole.

        Raises
        ------
        ParameterError
            If keys are missing or repeated, or a period is not one of the calendar.

        Examples
        --------
        >>> visits = pd.DataFrame({"shop": ["x", "y"], "month": ["2026-01", "2026-03"], "visits": [4, 1]})
        >>> Panel.from_frame(visits, partner="shop", quarter="month").labels
        ['2026-01', '2026-02', '2026-03']
        >>> sales = pd.DataFrame({"partner": "a", "region": ["EMEA", "APAC"], "quarter": "2026Q1", "deals": [3, 1]})
        >>> panel = Panel.from_frame(sales, unit="region")
        >>> panel.values("deals").tolist(), panel.units.panel.partners.tolist()
        ([[4.0]], ['a|APAC', 'a|EMEA'])
        """
        if unit is not None:
            from partnerlab.panel.units import panels_of_frame

            about = {"indicators": indicators, "attributes": attributes, "calendar": calendar}
            whole, fields, of = panels_of_frame(frame, keys=(partner, quarter), unit=unit, **about)
            return cls(**whole, units=Units(name=unit, panel=cls(**fields), of=of))
        from partnerlab.panel.frames import panel_of_frame

        return cls(**panel_of_frame(frame, keys=(partner, quarter), indicators=indicators, attributes=attributes, calendar=calendar))

    def to_frame(self, *, windowed: bool = True, counts: bool = False) -> pd.DataFrame:
        """Give the long table: one row for each partner and period.

        Parameters
        ----------
        windowed : bool
            Values as `values` gives them; otherwise those of single periods.
        counts : bool
            Add ``<indicator>_n``, the rows behind each value.

        Returns
        -------
        DataFrame
            ``partner, quarter, state, exposure, partial``, then one column for each indicator.

        Examples
        --------
        >>> table = pd.DataFrame({"partner": ["a"], "quarter": ["2026Q1"], "leads": [3]})
        >>> Panel.from_frame(table).to_frame().columns.tolist()
        ['partner', 'quarter', 'state', 'exposure', 'partial', 'leads']
        """
        from partnerlab.panel.frames import frame_of_panel

        return frame_of_panel(self, windowed=windowed, counts=counts)

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

    def column(self, label: str) -> int:
        """Find the column of a period by its label.

        Raises
        ------
        ParameterError
            If the panel has no such period; it names the first and last.
        """
        return self.calendar.column(label, first=self.first, count=self.shape[1], noun="panel")

    def known(self, name: str) -> bool:
        """Say whether the panel has an indicator of that name."""
        return name in self.indicators

    def indicator(self, name: str) -> Indicator:
        """Find an indicator's definition.

        Raises
        ------
        MissingTableError
            If the panel has none of that name; it says why, or names the nearest.
        """
        if name in self.indicators:
            return self.indicators[name]
        why = next((note for note in self.provenance.notes if note.startswith(f"{name}:")), None)
        raise MissingTableError(f"this panel has no indicator {why or repr(name) + nearest(name, self.indicators.names)}", indicator=name)

    @property
    def member(self) -> np.ndarray:
        """Whether the partner is a member at the end of each period: bool, shape ``(n, t)``."""
        return self.state == Membership.ACTIVE

    def values(self, name: str) -> np.ndarray:
        """Give an indicator at the end of each period: window, minimum n and missing rule applied.

        Parameters
        ----------
        name : str
            Of an indicator.

        Returns
        -------
        ndarray of float64, shape (n, t)
            NaN is unknown, and stands wherever the partner is not a member.
            Money is in units of the program's currency.

        Raises
        ------
        MissingTableError
            If the panel has no such indicator.
        """
        indicator = self.indicator(name)
        totals, counts, unseen = self._reach_back(indicator)
        told = self.covered.get(name)
        if told is not None:
            told = np.pad(told, ((0, 0), (indicator.window - 1, 0))) if told.ndim == 2 else None
        value = indicator_values(indicator, totals=totals, counts=counts, unseen=unseen, told=told)[:, -self.shape[1] :]
        value[~self.member] = np.nan
        return value

    def n(self, name: str) -> np.ndarray:
        """Count the rows behind `values`: int64, shape ``(n, t)``."""
        indicator = self.indicator(name)
        _, counts, _ = self._reach_back(indicator)
        return trailing_sum(counts, window=indicator.window)[:, -self.shape[1] :].astype(np.int64)

    def _reach_back(self, indicator: Indicator) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Totals, counts and the unseen with as many columns before the first as the window needs."""
        name, width = indicator.name, indicator.window - 1
        totals, counts = self.totals[name], self.counts[name]
        covered = self.covered.get(name)
        unseen = None if covered is None else ~covered & (self.exposure > 0)
        if width == 0:
            return totals, counts, unseen
        early_totals, early_counts, early_unseen = self._before(name, width)
        if unseen is None:
            unseen = np.zeros(self.shape, dtype=bool)
        return np.hstack([early_totals, totals]), np.hstack([early_counts, counts]), np.hstack([early_unseen, unseen])

    def _before(self, name: str, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the same for the ``width`` periods before the first; what no run-in tells of is unseen."""
        n = self.shape[0]
        known = 0 if self.run_in is None or name not in self.run_in.totals else min(width, self.run_in.width)
        lacking = width - known
        zeros = np.zeros((n, lacking), dtype=np.int32)
        unseen = np.repeat(self._member_before()[:, None], lacking, axis=1)
        if not known:
            return zeros, zeros, unseen
        totals, counts = self.run_in.totals[name][:, -known:], self.run_in.counts[name][:, -known:]
        covered = self.run_in.covered.get(name, np.ones(self.run_in.width, dtype=bool))[..., -known:]
        return (
            np.hstack([zeros, totals]),
            np.hstack([zeros, counts]),
            np.hstack([unseen, ~covered & (self.run_in.exposure[:, -known:] > 0)]),
        )

    def _member_before(self) -> np.ndarray:
        """Whether the partner was a member before all that the panel and its run-in tell of, shape ``(n,)``."""
        back = 0 if self.run_in is None else self.run_in.width
        was_in = self.state[:, 0] != Membership.NOT_YET
        if "joined_at" in self.attributes:
            joined = pd.to_datetime(self.attributes["joined_at"])
            was_in &= ~(joined >= pd.Timestamp(self.calendar.start(self.first - back))).to_numpy()
        return was_in

    def until(self, label: str) -> Self:
        """Give the panel up to and including a period, as if no later day had come.

        Raises
        ------
        ParameterError
            If the panel has no such period.
        """
        columns = self.column(label) + 1
        if columns == self.shape[1]:
            return self
        end = self.first + columns
        edge = np.datetime64(self.calendar.start_utc(end).replace(tzinfo=None), "us")
        attributes = self.attributes
        if "left_at" in attributes:
            left = pd.to_datetime(attributes["left_at"])
            attributes = attributes.assign(left_at=left.mask(left > pd.Timestamp(self.calendar.start(end))))
        return dataclasses.replace(
            self,
            **{field: {name: array[:, :columns] for name, array in getattr(self, field).items()} for field in _ARRAYS},
            covered={name: array[..., :columns] for name, array in self.covered.items()},
            state=self.state[:, :columns],
            exposure=self.exposure[:, :columns],
            partial=self.partial[:columns],
            attributes=attributes,
            recorded=None if self.recorded is None else self.recorded.until(columns, edge),
            units=None if self.units is None else self.units.until(label),
        )

    def select(self, which: np.ndarray | Sequence[str]) -> Self:
        """Give those of the partners asked for, in the panel's order.

        Parameters
        ----------
        which : ndarray of bool, shape (n,), or sequence of str
            A mask, or ids of partners.

        Raises
        ------
        ParameterError
            If an id is not in the panel, or the mask has another length.
        """
        mask = self._mask(which)
        return dataclasses.replace(
            self,
            partners=self.partners[mask],
            **{field: {name: array[mask] for name, array in getattr(self, field).items()} for field in _ARRAYS},
            covered={name: array[mask] if array.ndim == 2 else array for name, array in self.covered.items()},
            run_in=None if self.run_in is None else self.run_in.select(mask),
            state=self.state[mask],
            exposure=self.exposure[mask],
            attributes=self.attributes[mask].reset_index(drop=True),
            recorded=None if self.recorded is None else self.recorded.select(mask, self.partners),
            units=None if self.units is None else self.units.select(mask),
        )

    def _mask(self, which: np.ndarray | Sequence[str]) -> np.ndarray:
        asked = np.asarray(which)
        if asked.dtype == bool:
            if asked.shape != self.partners.shape:
                raise ParameterError(f"the mask has {asked.size} entries for {len(self.partners)} partners; give one for each")
            return asked
        unknown = sorted(set(map(str, asked)) - set(self.partners.tolist()))
        if unknown:
            raise ParameterError(f"{len(unknown)} of the partners asked for are not in the panel, such as {unknown[0]!r}")
        return np.isin(self.partners, asked.astype(str))

    def replace(
        self,
        *,
        totals: Mapping[str, np.ndarray] | None = None,
        counts: Mapping[str, np.ndarray] | None = None,
        squares: Mapping[str, np.ndarray] | None = None,
        run_in: RunIn | None = None,
    ) -> Self:
        """Give the panel with other numbers for some indicators; the rest stays.

        For a count, the total is the number of rows, so ``counts`` follow ``totals``
        unless they are given. The units are left out: other numbers of a partner say nothing of theirs.

        Raises
        ------
        ParameterError
            If a name or a shape is not of this panel.
        """
        totals = dict(totals or {})
        counts = {name: array for name, array in totals.items() if self.indicator(name).is_count} | dict(counts or {})
        return dataclasses.replace(
            self,
            totals={**self.totals, **totals},
            counts={**self.counts, **counts},
            squares={**self.squares, **(squares or {})},
            run_in=self.run_in if run_in is None else run_in,
            units=None,
        )

    @property
    def digest(self) -> str:
        """Fingerprint of the contents (sha256, hex): the same on every engine, whatever the source is called."""
        return fingerprint(self)
