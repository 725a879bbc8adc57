"""The noun and its doors: one-step pairs of tiers, from a history or from any table of pairs or counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.periods import Calendar
from partnerlab.results import Check, read_only
from partnerlab.transitions.states import LAPSED

#: What the periods of pairs mean: quarters of a calendar, each partner's own steps, or nothing.
Clock = Literal["calendar", "own", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transitions:
    """Pairs of a tier and the tier one step later, sorted by partner and period.

    Parameters
    ----------
    states : tuple of str
        Tiers, best first where an order is known; ``lapsed``, if there is such a state, comes last.
    origin, target : ndarray of int16, shape (m,)
        State left and state reached; index ``states``.
    weight : ndarray of int64, shape (m,)
        How often the pair was seen; 1 for single pairs.
    partner : ndarray of int64, shape (m,)
        Index into ``partners``; -1 where partners are not known.
    partners : ndarray of str, shape (n,)
        Sorted, unique; empty where they are not known: counts are then treated as independent.
    period : ndarray of int64, shape (m,)
        Period moved into, as everywhere in the house; ``period - step`` is the one moved from.
    clock : {"calendar", "own", "none"}
        Whether periods are the calendar's, steps of each partner's own, or not known.
    calendar : Calendar or None
        Names the periods; None where they are bare numbers.
    step : int
        Periods between the two ends of a pair.
    ordered : bool
        Whether states stand best first.
    absorbing : tuple of str
        States that nobody leaves; they have no pairs of their own.
    impossible : tuple of (str, str)
        Moves that cannot be made: structural zeros.
    covariates : DataFrame, m rows
        What is known of a pair at the period moved from; ``time_in_tier`` counts periods in the tier
        from 1, the period of entry, NaN where the entry was not seen, and ``time_at_least`` those that were seen.
    attributes : DataFrame, n rows
        What is known of a partner.
    checks : tuple of Check
        What was looked at while the pairs were made.

    Examples
    --------
    >>> table = pd.DataFrame({"from_tier": ["Gold", "Gold", "Base"], "to_tier": ["Gold", "Base", "Base"], "n": [8, 2, 5]})
    >>> Transitions.from_frame(table, partner=None, count="n", order=["Gold", "Base"]).counts().to_numpy().tolist()
    [[8, 2], [0, 5]]
    """

    states: tuple[str, ...]
    origin: np.ndarray = dataclasses.field(repr=False)
    target: np.ndarray = dataclasses.field(repr=False)
    weight: np.ndarray = dataclasses.field(repr=False)
    partner: np.ndarray = dataclasses.field(repr=False)
    partners: np.ndarray = dataclasses.field(repr=False)
    period: np.ndarray = dataclasses.field(repr=False)
    clock: Clock = "calendar"
    calendar: Calendar | None = None
    step: int = 1
    ordered: bool = False
    absorbing: tuple[str, ...] = ()
    impossible: tuple[tuple[str, str], ...] = ()
    covariates: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    attributes: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        for name in ("origin", "target", "weight", "partner", "partners", "period"):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        if not len(self.covariates.columns):
            object.__setattr__(self, "covariates", pd.DataFrame(index=pd.RangeIndex(len(self.origin))))

    def __len__(self) -> int:
        return len(self.origin)

    @property
    def total(self) -> int:
        """Pairs in all, counted as often as they were seen."""
        return int(self.weight.sum())

    @property
    def tiers(self) -> tuple[str, ...]:
        """States less ``lapsed``."""
        return tuple(state for state in self.states if state != LAPSED)

    @property
    def knows_partners(self) -> bool:
        """Whether it is known which partner each pair is of."""
        return len(self.partners) > 0

    @property
    def possible(self) -> np.ndarray:
        """Which moves can be made, shape ``(states, states)``: no structural zeros, nothing out of absorbing states."""
        allowed = np.ones((len(self.states), len(self.states)), dtype=bool)
        allowed[[self.states.index(state) for state in self.absorbing]] = False
        for origin, target in self.impossible:
            allowed[self.states.index(origin), self.states.index(target)] = False
        return allowed

    @property
    def labels(self) -> np.ndarray:
        """Name of the period that each pair moved into, shape ``(m,)``."""
        found, at = np.unique(self.period, return_inverse=True)
        names = [str(one) for one in found] if self.calendar is None else self.calendar.labels(found)
        return np.array(names, dtype=object)[at]

    def column(self, name: str) -> pd.Series:
        """Give what is known of each pair under a name: a covariate, an attribute of its partner, or ``quarter``.

        Raises
        ------
        ParameterError
            If there is nothing of that name.
        """
        if name in self.covariates.columns:
            return self.covariates[name].reset_index(drop=True)
        if name == "quarter" and self.clock == "calendar":
            return pd.Series(self.labels, name=name).astype("str")
        if name in self.attributes.columns and self.knows_partners:
            return self.attributes[name].iloc[self.partner].reset_index(drop=True)
        known = [*self.covariates.columns, *self.attributes.columns, *(["quarter"] if self.clock == "calendar" else [])]
        raise ParameterError(f"pairs have no column {name!r}{nearest(name, known)}", column=name)

    def counts(self) -> pd.DataFrame:
        """Count the pairs: a row for each state left, a column for each state reached."""
        size = len(self.states)
        key = self.origin.astype(np.int64) * size + self.target
        table = np.bincount(key, weights=self.weight, minlength=size * size).astype(np.int64)
        index = pd.Index(self.states, name="from_tier")
        return pd.DataFrame(table.reshape(size, size), index=index, columns=pd.Index(self.states, name="to_tier"))

    def previous(self) -> np.ndarray:
        """State that a partner held one step before it moved from ``origin``, shape ``(m,)``; -1 where it is not known."""
        if not self.knows_partners or self.clock == "none" or not len(self):
            return np.full(len(self), -1, dtype=np.int16)
        found = np.full(len(self), -1, dtype=np.int16)
        follows = self.follows()
        found[1:][follows[1:]] = self.origin[:-1][follows[1:]]
        return found

    def follows(self) -> np.ndarray:
        """Whether a pair begins where the row before it ended, shape ``(m,)``."""
        if self.step != 1:
            raise ParameterError(f"pairs of {self.step} periods overlap and do not follow one another; build them with step=1")
        linked = np.zeros(len(self), dtype=bool)
        if self.knows_partners and self.clock != "none":
            linked[1:] = (self.partner[1:] == self.partner[:-1]) & (self.period[1:] == self.period[:-1] + 1)
        return linked

    def select(self, mask: np.ndarray | pd.Series) -> Self:
        """Keep the pairs for which ``mask`` is True; the partners stay those of the whole."""
        keep = np.asarray(mask, dtype=bool)
        if keep.shape != (len(self),):
            raise ParameterError(f"the mask has shape {keep.shape}; it must be ({len(self)},), one entry for each pair")
        kept = {name: getattr(self, name)[keep] for name in ("origin", "target", "weight", "partner", "period")}
        return dataclasses.replace(self, **kept, covariates=self.covariates.loc[keep].reset_index(drop=True))

    def to_frame(self) -> pd.DataFrame:
        """Give one row for each pair: ``partner?, quarter?, from_tier, to_tier, count``, covariates."""
        names = np.array(self.states, dtype=object)
        columns: dict[str, np.ndarray] = {}
        if self.knows_partners:
            columns["partner"] = self.partners[self.partner].astype(object)
        if self.clock != "none":
            columns["quarter"] = self.labels
        columns |= {"from_tier": names[self.origin], "to_tier": names[self.target]}
        table = pd.DataFrame(columns).astype("str").assign(count=self.weight)
        if self.clock != "none" and self.calendar is None:
            table["quarter"] = self.period  # whole numbers stay numbers, so that the table can be read again
        return pd.concat([table, self.covariates.reset_index(drop=True)], axis=1)

    @classmethod
    def from_frame(  # noqa: PLR0913 - one argument for each column name
        cls,
        frame: pd.DataFrame,
        *,
        partner: str | None = "partner",
        quarter: str | None = "quarter",
        from_tier: str = "from_tier",
        to_tier: str = "to_tier",
        count: str | None = None,
        order: Sequence[str] = (),
        absorbing: Sequence[str] = (),
        impossible: Sequence[tuple[str, str]] = (),
        calendar: Calendar | None = None,
    ) -> Self:
        """Make transitions of any table with a row for each pair, or for each kind of pair and its count.

        Parameters
        ----------
        frame : DataFrame
            Further columns become covariates. A row without ``from_tier`` or ``to_tier`` was not observed at both
            ends: it leaves, and a check counts it.
        partner : str or None
            Column with the partner; None where partners are not known. In a table of counts it may be absent.
        quarter : str or None
            Column with the period moved into: labels of the calendar, dates, or whole numbers. Where there is none,
            the rows of a partner follow one another as they stand.
        from_tier, to_tier, count : str
            Names of these columns; without ``count`` each row is one pair.
        order : sequence of str
            States, best first; without it they stand sorted and none is above another.
        absorbing : sequence of str
            States that nobody leaves.
        impossible : sequence of (str, str)
            Moves that cannot be made.
        calendar : Calendar or None
            Reads labels; calendar quarters or months, as the labels say, if None.

        Raises
        ------
        ContractError
            On a missing column, a state that is not in ``order``, a count that is negative or not whole, two pairs of
            one partner in one quarter, a pair that does not begin where the one before it ended, a move that cannot be made.

        Examples
        --------
        >>> visits = pd.DataFrame({"id": [7, 7, 8], "from": [1, 2, 1], "to": [2, 2, None]})
        >>> pairs = Transitions.from_frame(visits, partner="id", from_tier="from", to_tier="to")
        >>> pairs.states, pairs.total, pairs.previous().tolist()
        (('1', '2'), 2, [-1, 0])
        """
        from partnerlab.transitions.pair_tables import PairColumns, read_pairs

        columns = PairColumns(partner=partner, quarter=quarter, from_tier=from_tier, to_tier=to_tier, count=count)
        fields = read_pairs(frame, columns, order=order, calendar=calendar, absorbing=absorbing, impossible=impossible)
        return cls(**fields, absorbing=tuple(map(str, absorbing)), impossible=tuple((str(a), str(b)) for a, b in impossible))

    @classmethod
    def from_matrix(
        cls,
        counts: pd.DataFrame | Mapping[str, pd.DataFrame],
        *,
        by: str = "segment",
        order: Sequence[str] = (),
        absorbing: Sequence[str] = (),
        impossible: Sequence[tuple[str, str]] = (),
    ) -> Self:
        """Make transitions of a matrix of counts, or of one matrix for each segment.

        Parameters
        ----------
        counts : DataFrame, or mapping of segment to DataFrame
            A row for each state left, a column for each state reached; a state may have no row. Empty cells
            are moves that cannot be made (of one matrix; of several, name them in ``impossible``).
        by : str
            What the segments are called.
        order, absorbing, impossible
            As in `from_frame`; the order of the columns if there is none.

        Raises
        ------
        ContractError
            As in `from_frame`, and if two rows or columns have one name.

        Examples
        --------
        >>> counts = pd.DataFrame([[90, 10], [20, 80]], index=["Gold", "Base"], columns=["Gold", "Base"])
        >>> Transitions.from_matrix(counts).total
        200
        """
        from partnerlab.transitions.pair_tables import stack_matrices

        frame, states, empty = stack_matrices(counts, by=by)
        banned = list(dict.fromkeys([*((str(a), str(b)) for a, b in impossible), *empty]))
        return cls.from_frame(
            frame, partner=None, quarter=None, count="count", order=order or states, absorbing=absorbing, impossible=banned
        )
