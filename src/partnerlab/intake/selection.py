"""The rows that analyses read: typed, as known on a date, without those set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from partnerlab.intake.contract import find_table
from partnerlab.intake.rows import ROW, check_columns, field, known_rows
from partnerlab.intake.rules import broken_rules

if TYPE_CHECKING:
    from partnerlab.intake.source import Source


def select_rows(source: Source, table: str, *, columns: Sequence[str], as_of: datetime | None = None, clean: bool = True) -> exp.Select:
    """Select typed columns of a table, of each row the version known at a moment.

    Parameters
    ----------
    source : Source
        Where the rows live.
    table : str
        Name in the contract.
    columns : sequence of str
        Names in the contract; nothing else is read, but for what the version and the
        conditions of quarantine need.
    as_of : datetime, optional
        Take of each row the last version recorded by then (naive is UTC); a row that does not
        say when it was recorded counts from its event on. Without it: the latest version.
    clean : bool
        Leave out the rows that `validate` reports as set aside.

    Returns
    -------
    sqlglot Select
        To be used as a subquery: instants are naive UTC TIMESTAMP, days DATE, money DECIMAL(18, 2).

    Raises
    ------
    MissingTableError
        If the source has no such table or column.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.intake import connect
    >>> source = connect({"partners": pd.DataFrame({"partner_id": ["P1", "P2"], "is_test": [False, True]})})
    >>> source.run(select_rows(source, "partners", columns=["partner_id"])).to_pylist()
    [{'partner_id': 'P1'}]
    """
    contract = find_table(table)
    check_columns(source, contract, columns)
    rules = broken_rules(source, table, as_of=as_of) if clean else ()
    needed = list(dict.fromkeys([*columns, *(name for rule in rules for name in rule.needs)]))
    rows = known_rows(source, contract, columns=needed, as_of=as_of)
    if not rules:
        return rows
    chosen = [exp.alias_(_repaired(name, [r for r in rules if r.repairs == name]), name, quoted=True) for name in columns]
    kept = [exp.not_(exp.paren(rule.condition)) for rule in rules if rule.repairs is None]
    return exp.select(*chosen).from_(rows.subquery(exp.to_identifier(ROW, quoted=True))).where(*kept)


def _repaired(name: str, rules: Sequence[Any]) -> exp.Expr:
    """Make a column's impossible values unknown."""
    if not rules:
        return field(name)
    return exp.Case().when(exp.or_(*(rule.condition for rule in rules)), exp.Null()).else_(field(name))
