"""What a contract is made of: tables, and columns with type, unit, closed list and parent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from partnerlab.errors import MissingTableError, nearest

ColumnType = Literal["id", "text", "category", "date", "instant", "money", "number", "integer", "share", "flag"]

#: What each type is in a source, in words.
TYPE_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "id": "text, case-sensitive, never a number",
        "text": "text",
        "category": "one of a closed list, lower case",
        "date": "day without a time, in the program's time zone",
        "instant": "moment, stored as UTC without a zone",
        "money": "decimal(18,2) in the row's currency",
        "number": "floating point number",
        "integer": "whole number",
        "share": "number from 0 to 1",
        "flag": "true or false",
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the contract.

    Parameters
    ----------
    name : str
        Its name in every source.
    type : {"id", "text", "category", "date", "instant", "money", "number", "integer", "share", "flag"}
        See `TYPE_MEANINGS`.
    meaning : str
        One line for people.
    unit : str
        Unit of the numbers, empty where there is none.
    nullable : bool
        The value may be unknown and the whole column may be absent.
    values : tuple of str
        The closed list of a category.
    references : str or None
        ``table.column`` whose rows it points at.
    minimum, maximum : float or None
        Smallest and largest value that can be meant.
    planned : bool
        The date may lie after the data's last day (an expiry, an expected close, the day of the extract).
    instead : str or None
        Column that stands in where this one is empty.
    """

    name: str
    type: ColumnType
    meaning: str
    unit: str = ""
    nullable: bool = True
    values: tuple[str, ...] = ()
    references: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    planned: bool = False
    instead: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the contract.

    Parameters
    ----------
    name, meaning : str
        Its name in every source, and what a row is.
    key : tuple of str
        Columns that identify a row (for each ``recorded_at``).
    columns : tuple of Column
        The common columns included.
    time : str or None
        Column that says when the row's event happened.
    order : tuple of (str, str)
        Pairs of times of which the first cannot come after the second.
    interval : (str, str) or None
        Half-open interval during which the row is true.
    """

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    time: str | None = None
    order: tuple[tuple[str, str], ...] = ()
    interval: tuple[str, str] | None = None

    def column(self, name: str) -> Column:
        """Find a column by name.

        Raises
        ------
        MissingTableError
            If the contract has no such column; it names the nearest.

        Examples
        --------
        >>> from partnerlab.intake.contract import TABLES
        >>> TABLES["deals"].column("amount").type
        'money'
        """
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        raise MissingTableError(
            f"the contract's table {self.name} has no column {name!r}{nearest(name, names)}", table=self.name, column=name
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns in the contract's order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must be there and filled."""
        return tuple(column.name for column in self.columns if not column.nullable)
