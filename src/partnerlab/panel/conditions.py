"""Conditions on rows, as an indicator writes them: one line of SQL that can only compare columns.

The text is parsed, never run: whatever is not a comparison of a column with a
value, or an and/or/not of such, is refused when the indicator is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from partnerlab.errors import nearest
from partnerlab.intake.contract import Column

_ALLOWED = (
    exp.And, exp.Or, exp.Not, exp.Paren,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between, exp.Is, exp.Null,
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Neg,
)  # fmt: skip
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between, exp.Is)
_LONGEST = 2000
_NUMBERS = ("money", "number", "integer", "share")
_EXAMPLE = "status = 'won' and amount > 1000"


def parse_condition(text: str, *, columns: Mapping[str, Column]) -> exp.Expression:
    r"""Read a condition over the columns of a table.

    Parameters
    ----------
    text : str
        Comparisons of columns with values, joined by ``and``, ``or``, ``not``;
        ``in (...)``, ``between``, ``is null``. A column of yes and no may stand alone.
    columns : mapping of str to Column
        What the condition may name.

    Returns
    -------
    sqlglot expression
        With every column quoted.

    Raises
    ------
    ValueError
        One line that says what cannot be meant.

    Examples
    --------
    >>> from partnerlab.intake.contract import TABLES
    >>> deals = {column.name: column for column in TABLES["deals"].columns}
    >>> parse_condition("status in ('won', 'lost')", columns=deals).sql()
    '"status" IN (\'won\', \'lost\')'
    """
    if len(text) > _LONGEST:
        raise ValueError(f"the condition has {len(text)} characters; keep it under {_LONGEST}")
    try:
        found = sqlglot.parse(text, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        raise ValueError(f"cannot read the condition {text!r}; write it like {_EXAMPLE!r}") from error
    if len(found) != 1 or found[0] is None:
        raise ValueError(f"{text!r} is not one condition; write it like {_EXAMPLE!r}")
    tree = found[0]
    _refuse_other_nodes(tree, text)
    for column in list(tree.find_all(exp.Column)):
        _check_column(column, columns)
    _refuse_other_shapes(tree, columns, text)
    for comparison in tree.find_all(*_COMPARISONS):
        _check_comparison(comparison, columns, text)
    return tree


def _refuse_other_nodes(tree: exp.Expression, text: str) -> None:
    for node in tree.walk():
        if not isinstance(node, _ALLOWED):
            part = node.sql(dialect="duckdb")
            raise ValueError(  # noqa: TRY004 - the text is wrong, not the type of an argument
                f"{part!r} may not stand in a condition ({text!r}); compare columns with values, as in {_EXAMPLE!r}"
            )
        if isinstance(node, exp.In) and (node.args.get("query") or node.args.get("unnest") or node.args.get("field")):
            raise ValueError(f"'in' needs a list of values ({text!r})")
        if node.comments:
            raise ValueError(f"a condition has no room for comments ({text!r})")


def _check_column(column: exp.Column, columns: Mapping[str, Column]) -> None:
    if column.table or not isinstance(column.this, exp.Identifier):
        raise ValueError(f"{column.sql()!r}: name the column alone, without its table")
    if column.name not in columns:
        raise ValueError(f"no column {column.name!r} here{nearest(column.name, columns)}")
    column.this.set("quoted", True)


def _refuse_other_shapes(tree: exp.Expression, columns: Mapping[str, Column], text: str) -> None:
    """And, or, not join truths; comparisons compare a column with values."""
    for node in tree.walk():
        if isinstance(node, (exp.And, exp.Or)):
            parts = [node.left, node.right]
        elif isinstance(node, (exp.Not, exp.Paren)) or node is tree:
            parts = [node if node is tree and not isinstance(node, (exp.Not, exp.Paren)) else node.this]
        else:
            continue
        for part in parts:
            if not _is_truth(part, columns):
                raise ValueError(f"{part.sql()!r} is neither true nor false ({text!r}); compare it with something")


def _is_truth(node: exp.Expression, columns: Mapping[str, Column]) -> bool:
    if isinstance(node, exp.Column):
        return columns[node.name].type == "flag"
    if isinstance(node, (*_COMPARISONS, exp.And, exp.Or, exp.Not, exp.Paren)):
        return True
    return isinstance(node, exp.Boolean)


def _check_comparison(comparison: exp.Expression, columns: Mapping[str, Column], text: str) -> None:
    """Hold the values to the column's type and closed list: a typing slip would count nothing in silence."""
    sides = [comparison.this, *(comparison.args.get(key) for key in ("expression", "low", "high")), *comparison.expressions]
    named = [columns[side.name] for side in sides if isinstance(side, exp.Column)]
    if not named:
        raise ValueError(f"{comparison.sql()!r} compares nothing; name a column ({text!r})")
    if any(isinstance(value, exp.Boolean) and column.type != "flag" for value in sides for column in named):
        raise ValueError(f"{named[0].name} is {named[0].type}, neither true nor false; compare it with a value ({text!r})")
    for value in sides:
        for column in named:
            if isinstance(value, exp.Literal):
                _check_value(value, column)


def _check_value(value: exp.Literal, column: Column) -> None:
    if column.values and value.is_string and value.name not in column.values:
        raise ValueError(f"{column.name} is never {value.name!r}{nearest(value.name, column.values)}")
    if column.type in _NUMBERS and value.is_string:
        raise ValueError(f"{column.name} is a number; compare it with {value.name}, not with the text {value.name!r}")
    if column.type in ("date", "instant"):
        try:
            datetime.fromisoformat(value.name)
        except ValueError as error:
            raise ValueError(f"{column.name} is of type {column.type}; write it as '2026-10-01', not {value.name!r}") from error
    elif column.type not in (*_NUMBERS, "flag") and not value.is_string:
        raise ValueError(f"{column.name} is text; compare it with {value.name!r} in quotes")


def columns_named(tree: exp.Expression) -> set[str]:
    """Name the columns that a condition speaks of."""
    return {column.name for column in tree.find_all(exp.Column)}


def can_be_true(tree: exp.Expression, *, absent: set[str], foreign: set[str] | frozenset[str] = frozenset()) -> bool:
    """Whether any row can be seen to fulfil a condition when some columns are absent, that is, unknown in every row.

    ``foreign`` columns are filled in every row, with values that nobody can read.

    Examples
    --------
    >>> from partnerlab.intake.contract import TABLES
    >>> leads = {column.name: column for column in TABLES["leads"].columns}
    >>> only_first = parse_condition("duplicate_of is null", columns=leads)
    >>> can_be_true(only_first, absent={"duplicate_of"})
    True
    >>> can_be_true(parse_condition("direction = 'submitted'", columns=leads), absent={"direction"})
    False
    """
    return True in _outcomes(tree, absent, foreign)


def _outcomes(node: exp.Expression, absent: set[str], foreign: set[str] | frozenset[str]) -> set[bool | None]:
    """Truth values that a condition can take, None being unknown."""
    if isinstance(node, exp.Paren):
        return _outcomes(node.this, absent, foreign)
    if isinstance(node, exp.Not):
        return {None if found is None else not found for found in _outcomes(node.this, absent, foreign)}
    if isinstance(node, (exp.And, exp.Or)):
        strong = isinstance(node, exp.Or)
        pairs = [(a, b) for a in _outcomes(node.left, absent, foreign) for b in _outcomes(node.right, absent, foreign)]
        return {strong if strong in pair else None if None in pair else not strong for pair in pairs}
    if isinstance(node, exp.Boolean):
        return {bool(node.this)}
    gone = bool(columns_named(node) & absent)
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return {True} if gone else {False} if columns_named(node) & foreign else {True, False}
    return {None} if gone or columns_named(node) & foreign else {True, False, None}


def without_columns(tree: exp.Expression, *, absent: set[str]) -> exp.Expression:
    """Write NULL for columns that a source does not have."""
    return tree.transform(lambda node: exp.Null() if isinstance(node, exp.Column) and node.name in absent else node)
