"""Columns that decide whether a row counts, and what in them nobody could read: such rows are unknown, not zero."""

from __future__ import annotations

import itertools
from datetime import datetime

from sqlglot import exp

from partnerlab.intake.contract import TABLES, Column
from partnerlab.intake.rows import ROW, field, outside_values
from partnerlab.intake.selection import select_rows
from partnerlab.intake.source import Source
from partnerlab.panel.conditions import can_be_true, columns_named, parse_condition
from partnerlab.panel.indicators import Indicator
from partnerlab.panel.queries import dated_query, unpriced_query

#: How many unreadable values a note quotes.
_EXAMPLES = 3

_OF_PART = ("role", "is_primary", "weight")


def check_readings(source: Source, indicator: Indicator, *, as_of: datetime | None, counted: bool) -> tuple[list[str], bool]:
    """Find what an indicator could not read of the columns that it decides by.

    Parameters
    ----------
    source : Source
        Where the rows live.
    indicator : Indicator
        Whose conditions and event time are looked at.
    as_of : datetime or None
        Moment of knowledge.
    counted : bool
        Whether any row counted; if none did, columns without any value are looked for too.

    Returns
    -------
    notes : list of str
        Which column, which values, how many rows, and what to do.
    unknown : bool
        Whether nothing at all could be read of a column without which no row can be seen to count.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.intake import connect
    >>> leads = pd.DataFrame({"lead_id": ["1"], "partner_id": ["a"], "created_at": ["2026-01-05"], "disposition": ["Akzeptiert"]})
    >>> source = connect({"partners": pd.DataFrame({"partner_id": ["a"]}), "leads": leads})
    >>> accepted = Indicator.model_validate({"name": "leads", "from": "leads", "where": "disposition = 'accepted'"})
    >>> check_readings(source, accepted, as_of=None, counted=False)[1]
    True
    """
    notes, empty, foreign = [], set(), set()
    for table, column in _deciding(source, indicator):
        strays = outside_values(source, table, column) if column.type == "category" else {}
        if strays:
            shown = ", ".join(f"{value} ({rows})" for value, rows in itertools.islice(strays.items(), _EXAMPLES))
            notes.append(
                f"{sum(strays.values())} rows have a {table}.{column.name} outside the closed list: {shown}; "
                f"map them to {', '.join(column.values)}"
            )
        if counted and not strays:
            continue
        rows, filled, known = _known(source, table, column, as_of, without_other=bool(strays))
        if rows and not known:
            (foreign if filled == rows else empty).add(column.name)
    unknown = not _can_count(indicator, empty, foreign)
    if unknown and empty:
        notes.append(f"{indicator.table}.{min(empty)} has no value that can be read in any row")
    undated = _undated_rows(source, indicator, as_of)
    return [*notes, *_unpriced_rows(source, indicator, as_of), *undated[0]], unknown or undated[1]


def _unpriced_rows(source: Source, indicator: Indicator, as_of: datetime | None) -> list[str]:
    """Rows whose currency has no number in the table of points, and rows that do not say what would multiply them."""
    if indicator.points is None:
        return []
    present, column = source.columns()[indicator.table], {"currency"} if indicator.points.currency else set()
    named = column | {name for text in indicator.multiplied for name in columns_named(parse_condition(text, columns=indicator.columns))}
    asked = sorted(name for name in named if name in present)
    if not asked:
        return []
    fact = ("panel", "unpriced", *indicator.measure, as_of)
    if fact not in source.facts:
        (source.facts[fact],) = source.run(unpriced_query(source, indicator, columns=asked, as_of=as_of)).to_pylist()
    found, notes = source.facts[fact], []
    if found.get("unpriced"):
        notes.append(
            f"{found['unpriced']} of {found['rows']} rows of {indicator.table} are in a currency without a number in points.currency, "
            f"such as {found['example']}: they earn nothing; add it"
        )
    silent = [name for name in asked if name != "currency" and found[name] < found["rows"]]
    notes += [
        f"{found['rows'] - found[name]} of {found['rows']} rows of {indicator.table} do not say their {name}: nothing multiplies them"
        for name in silent
    ]
    return notes


def _deciding(source: Source, indicator: Indicator) -> list[tuple[str, Column]]:
    """Columns that stand in an indicator's conditions, each with its table; for deals the part played in them."""
    texts = (*indicator.conditions, *indicator.multiplied)
    named = {name for text in texts for name in columns_named(parse_condition(text, columns=indicator.columns))}
    if indicator.table == "deals" and indicator.role != "any":
        named.add("role")
    placed = [("deal_partners" if indicator.table == "deals" and name in _OF_PART else indicator.table, name) for name in sorted(named)]
    return [(table, TABLES[table].column(name)) for table, name in placed if name in source.columns().get(table, ())]


def _can_count(indicator: Indicator, empty: set[str], foreign: set[str]) -> bool:
    """Whether a row can be seen to count, with such columns."""
    if indicator.table == "deals" and indicator.role != "any" and "role" in empty | foreign:
        return False
    trees = [parse_condition(text, columns=indicator.columns) for text in indicator.conditions]
    return all(can_be_true(tree, absent=empty, foreign=foreign) for tree in trees)


def _known(source: Source, table: str, column: Column, as_of: datetime | None, *, without_other: bool) -> tuple[int, int, int]:
    """Rows of a table, those that fill a column, and those whose value can be read."""
    fact = ("panel", "readings", table, column.name, as_of)
    if fact not in source.facts:
        place = field(column.name)
        readable = place.copy().is_(exp.Null()).not_()
        if column.type == "category":
            # what is outside the list was already turned to 'other'
            readable = place.copy().isin(*(value for value in column.values if not (without_other and value == "other")))
        one, zero = exp.Literal.number(1), exp.Literal.number(0)
        asked = [exp.Count(this=exp.Star()), exp.Count(this=place), exp.Sum(this=exp.Case().when(readable, one).else_(zero))]
        rows = select_rows(source, table, columns=[column.name], as_of=as_of).subquery(exp.to_identifier(ROW, quoted=True))
        chosen = [exp.alias_(what, name, quoted=True) for what, name in zip(asked, ("rows", "filled", "known"), strict=True)]
        (found,) = source.run(exp.select(*chosen).from_(rows)).to_pylist()
        source.facts[fact] = tuple(int(found[name] or 0) for name in ("rows", "filled", "known"))
    return source.facts[fact]


def _undated_rows(source: Source, indicator: Indicator, as_of: datetime | None) -> tuple[list[str], bool]:
    """Rows that would count if they said when; without any that does, what they count is unknown."""
    clock = str(indicator.event_time)
    if not indicator.columns[clock].nullable:
        return [], False
    fact = ("panel", "dated", *indicator.measure, as_of)
    if fact not in source.facts:
        (source.facts[fact],) = source.run(dated_query(source, indicator, as_of=as_of)).to_pylist()
    rows, dated = (int(source.facts[fact][name]) for name in ("rows", "dated"))
    if rows == dated:
        return [], False
    lost = f"{rows - dated} of {rows} rows of {indicator.table} that fulfil the condition have no {clock} that can be read"
    return [f"{lost}: they count in no period"], dated == 0
