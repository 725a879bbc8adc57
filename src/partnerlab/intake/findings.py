"""One finding about the data, and how to count over a table and quote examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlglot import exp

from partnerlab.intake.contract import TABLES, Table
from partnerlab.intake.rows import ROW, known_rows

if TYPE_CHECKING:
    from partnerlab.intake.source import Source

Grade = Literal["reject", "quarantine", "warn"]

#: How many examples a finding quotes.
EXAMPLES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule that the data break.

    Parameters
    ----------
    table, column : str
        Where.
    rule : str
        ``E1`` to ``E6``, ``Q1`` to ``Q7``, ``W1`` to ``W18``.
    rows : int
        How many rows (or partners, where the meaning says so).
    meaning : str
        What is wrong, for people.
    action : str
        What was done about it.
    examples : str
        A few of them.
    of : int or None
        Out of how many; None for all rows of the table.
    grade : {"reject", "quarantine", "warn"} or None
        None takes it from the rule's letter.
    """

    table: str
    column: str
    rule: str
    rows: int
    meaning: str
    action: str
    examples: str = ""
    of: int | None = None
    grade: Grade | None = None


class Desk:
    """What the checks of one validation ask of the data.

    Parameters
    ----------
    source : Source
        Whose data.
    as_of : datetime or None
        As known on this moment.
    tables : tuple of str
        The tables that are looked at.
    """

    def __init__(self, source: Source, *, as_of: datetime | None, tables: tuple[str, ...]) -> None:
        self.source = source
        self.as_of = as_of
        self.tables = tables

    def has(self, table: str, *columns: str) -> bool:
        """Whether the source has the table with these columns."""
        return set(columns) <= set(self.source.columns().get(table, ())) and table in self.source.columns()

    def rows(self, table: str, *columns: str) -> exp.Subquery:
        """Typed rows of a table, nobody set aside, as a subquery with alias ``r``."""
        return known_rows(self.source, TABLES[table], columns=columns, as_of=self.as_of).subquery(exp.to_identifier(ROW, quoted=True))

    def ask(self, query: exp.Query) -> list[dict[str, Any]]:
        """Answer a query with one dict a row."""
        return self.source.run(query).to_pylist()

    def number(self, query: exp.Query) -> int:
        """Answer a query with one whole number; none is 0."""
        (row,) = self.ask(query)
        return int(next(iter(row.values())) or 0)

    def examples(self, contract: Table, column: str, condition: exp.Expr, *, needs: Sequence[str]) -> str:
        """Keys of a few rows that meet a condition, and the value at fault."""
        present = self.source.columns()[contract.name]
        shown = list(dict.fromkeys([*(name for name in contract.key if name in present), column]))
        rows = self.rows(contract.name, *dict.fromkeys([*shown, *needs]))
        chosen = [exp.column(name, table=ROW, quoted=True) for name in shown]
        # times are written by the engine: it knows days that Python has no room for
        written = [
            exp.alias_(exp.cast(place.copy(), "text"), name, quoted=True)
            if contract.column(name).type in ("instant", "date")
            else place.copy()
            for name, place in zip(shown, chosen, strict=True)
        ]
        found = self.ask(exp.select(*written).from_(rows).where(condition).order_by(*(name.copy() for name in chosen)).limit(EXAMPLES))
        return "; ".join(sorted(quote(row) for row in found))


def quote(row: dict[str, Any]) -> str:
    """Write a row in a few words.

    Examples
    --------
    >>> quote({"deal_id": "D7", "amount": None})
    'deal_id D7, amount empty'
    """
    return ", ".join(f"{name} {'empty' if value is None else value}" for name, value in row.items())
