"""The data dictionary, printed from the contract so that the two cannot part."""

from __future__ import annotations

from collections.abc import Iterator

from partnerlab.intake.contract import CONTRACT_VERSION, TABLES, TYPE_MEANINGS, Column, Table

_COMMON = ("source_system", "source_id", "recorded_at", "ingested_at", "row_hash")

_HEAD = """# Data dictionary

Printed from `partnerlab.intake.contract` (contract version {version}) by `partnerlab.intake.render_dictionary()`; a test holds
the two together.

Every table is optional: an analysis says which ones it needs and refuses to run without them. To score partners, give `partners` and
at least one of `deals` with `deal_partners`, `transactions` or `leads`. A column that is not marked as required may be absent, and where
it is present it may be empty: unknown is never zero.

This folder holds the demo program with the assignment of its experiment, once they were made, and the ledger. None of these is kept in git.

## Types
"""

_KEYS = """
## Keys, versions, money, time

- The key of a table is unique; where `recorded_at` is given, unique for each `recorded_at`: the later row restates the earlier.
- `recorded_at` is when the *source* knew the row, so that a quarter can be rebuilt as it was known on a date. Without it a row counts
  as known from its event on.
- Instants are UTC. Quarters are cut at midnights of the program's own time zone.
- Intervals are half open: `valid_to` is the first moment at which the row is no longer true.
- Amounts are in the row's `currency`; `amount_base` is the same in the program's currency. Give it, or `fx_rates`, when currencies differ.

## Columns that every table may have

{common}
## Tables
"""


def render_dictionary() -> str:
    """Render the contract as Markdown: the text of ``data/README.md``.

    Returns
    -------
    str

    Examples
    --------
    >>> render_dictionary().splitlines()[0]
    '# Data dictionary'
    """
    first = next(iter(TABLES.values()))
    common = _rows(column for column in first.columns if column.name in _COMMON)
    types = "\n".join(f"- **{name}**: {meaning}" for name, meaning in TYPE_MEANINGS.items())
    tables = "\n".join(_table(table) for table in TABLES.values())
    return _HEAD.format(version=CONTRACT_VERSION) + "\n" + types + "\n" + _KEYS.format(common=common) + "\n" + tables


def _table(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    own = _rows(column for column in table.columns if column.name not in _COMMON)
    time = f" Its time is `{table.time}`." if table.time else ""
    return f"### {table.name}\n\n{table.meaning} Key: {key}.{time}\n\n{own}"


def _rows(columns: Iterator[Column]) -> str:
    lines = ["| column | type | required | meaning |", "|---|---|---|---|"]
    lines += [f"| {column.name} | {column.type} | {'' if column.nullable else 'yes'} | {_words(column)} |" for column in columns]
    return "\n".join(lines) + "\n"


def _words(column: Column) -> str:
    words = [column.meaning]
    if column.unit:
        words.append(f"in {column.unit}")
    if column.values:
        words.append("one of " + ", ".join(column.values))
    if column.references:
        words.append(f"names a row of `{column.references}`")
    if column.instead:
        words.append(f"`{column.instead}` stands in where it is empty")
    return "; ".join(words)
