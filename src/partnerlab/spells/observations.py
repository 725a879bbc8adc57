"""Looks at partners now and then: in which state each was seen at which time, with nothing known of the time between."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, nearest
from partnerlab.results import Check
from partnerlab.spells.paths import name_states, order_states

_OURS = ("partner", "time", "state")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observations:
    """States of partners at times that need not be regular, sorted by partner and time.

    Parameters
    ----------
    frame : DataFrame
        ``partner, time, state`` and covariates as they were at that time.
    states : tuple of str
        States in order.
    exact : tuple of str
        States whose time of entry is known exactly (a lapse on a known day); the state just before it is not.
    uncertain : mapping of str to tuple of str
        Labels of a last look that only says that the partner is in one of several states.
    unit : str
        Name of one unit of time.
    checks : tuple of Check
        What was looked at.

    Examples
    --------
    >>> visits = pd.DataFrame({"partner": ["a", "a", "b", "b"], "time": [0, 1.5, 0, 2], "state": ["Gold", "Base", "Gold", "Gold"]})
    >>> Observations.from_frame(visits).states
    ('Base', 'Gold')
    """

    frame: pd.DataFrame = dataclasses.field(repr=False)
    states: tuple[str, ...]
    exact: tuple[str, ...] = ()
    uncertain: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    unit: str = "quarter"
    checks: tuple[Check, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Columns that can be covariates."""
        return tuple(column for column in self.frame.columns if column not in _OURS)

    @classmethod
    def from_frame(  # noqa: PLR0913 - one argument for each column name
        cls,
        frame: pd.DataFrame,
        *,
        partner: str = "partner",
        time: str = "time",
        state: str = "state",
        states: Sequence[str] | None = None,
        exact: Sequence[str] = (),
        uncertain: Mapping[str, Sequence[str]] | None = None,
        unit: str = "quarter",
    ) -> Self:
        """Make observations from any table with one row for each look.

        Parameters
        ----------
        frame : DataFrame
            Further columns can be covariates.
        partner, time, state : str
            Names of these columns; times are numbers, states names or whole numbers.
        states : sequence of str, optional
            All states in order; any other is refused. By default those seen.
        exact : sequence of str
            States whose time of entry is known exactly.
        uncertain : mapping of str to sequence of str, optional
            Labels that mean "in one of these states"; only a partner's last look may be one.
        unit : str
            Name of one unit of time.

        Raises
        ------
        ContractError
            On a missing column or value, an unknown state, two states at one time, or an uncertain look that is not the last.

        Examples
        --------
        >>> visits = pd.DataFrame({"id": [7, 7, 7], "years": [0, 1, 1], "state": [1, 2, 3]})
        >>> Observations.from_frame(visits, partner="id", time="years")
        Traceback (most recent call last):
        partnerlab.errors.ContractError: observations: 1 row(s) give a second state at one time (first: partner 7); keep one of them
        """
        read = {"partner": partner, "time": time, "state": state}
        for ours, theirs in read.items():
            if theirs not in frame.columns:
                raise ContractError(f"observations: no column {theirs!r} for {ours}{nearest(theirs, frame.columns)}", column=theirs)
            if ours != theirs and ours in frame.columns and ours not in read.values():
                raise ContractError(f"observations: there is a column {ours!r} beside the one that is read as {ours}; rename or drop it")
        table = frame.rename(columns={theirs: ours for ours, theirs in read.items()}).reset_index(drop=True)
        _check_looks(table)
        named = name_states(table["state"], column="observations.state")
        labels = {str(label): tuple(map(str, among)) for label, among in (uncertain or {}).items()}
        source = table["state"] if isinstance(table["state"].dtype, pd.CategoricalDtype) else named
        known = tuple(name for name in order_states(source[~named.isin(list(labels))], named=states) if name not in labels)
        for name in (*named.unique(), *exact, *(name for among in labels.values() for name in among)):
            if str(name) not in known and str(name) not in labels:
                raise ContractError(f"observations.state: no state {name!r}{nearest(str(name), known)}", column="state")
        table = table.assign(state=named).sort_values(["partner", "time"], kind="stable", ignore_index=True)
        _check_order(table, labels)
        return cls(frame=table, states=known, exact=tuple(map(str, exact)), uncertain=labels, unit=unit)


def _check_looks(table: pd.DataFrame) -> None:
    for column in _OURS:
        missing = table[column].isna()
        if missing.any():
            first = ", ".join(map(str, np.flatnonzero(missing)[:3]))
            raise ContractError(f"observations.{column}: {int(missing.sum())} row(s) are missing (first: {first}); drop or fill them")
    if not len(table) and not pd.api.types.is_numeric_dtype(table["time"]):
        raise ContractError("observations: the table has no rows; nothing can be estimated from it")
    if not pd.api.types.is_numeric_dtype(table["time"]) or not np.isfinite(table["time"].to_numpy(dtype=float)).all():
        raise ContractError(f"observations.time: expected finite numbers, found {table['time'].dtype}; convert the column", column="time")


def _check_order(table: pd.DataFrame, labels: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse two states at one time, and an uncertain look that another follows."""
    code, time = pd.factorize(table["partner"])[0], table["time"].to_numpy(dtype=float)
    same = code[1:] == code[:-1]
    unsure = table["state"].isin(list(labels)).to_numpy()
    first_look = np.append(True, ~same) & unsure if len(table) else unsure
    for bad, what, remedy in (
        (np.append(False, same & (time[1:] == time[:-1])), "give a second state at one time", "keep one of them"),
        (np.append(same & unsure[:-1], False), "are uncertain though another look follows", "drop them, or name the state"),
        (first_look, "are uncertain and the first look", "drop them, or name the state"),
    ):
        if len(table) and bad.any():
            first = table["partner"].iloc[int(np.flatnonzero(bad)[0])]
            raise ContractError(f"observations: {int(bad.sum())} row(s) {what} (first: partner {first}); {remedy}", rows=int(bad.sum()))
