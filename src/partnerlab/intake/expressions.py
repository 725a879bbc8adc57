"""SQL that people write in mappings: parsed, checked against a list of what is allowed, and made forgiving."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from partnerlab.errors import SpecError, nearest

#: Parts of an expression over the columns of one row.
_SCALAR = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE,
    exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.RegexpLike, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Add, exp.Sub,
    exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Cast,
    exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Concat, exp.DPipe, exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Substring,
    exp.Left, exp.Right, exp.SplitPart, exp.Replace, exp.RegexpReplace, exp.RegexpExtract, exp.StrPosition, exp.StartsWith, exp.Contains,
    exp.Pad, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.StrToTime, exp.UnixToTime, exp.TimeToStr, exp.TimestampTrunc, exp.DateTrunc,
    exp.DateAdd, exp.DateSub, exp.DateDiff, exp.Interval, exp.Var, exp.Extract, exp.Year, exp.Quarter, exp.Month, exp.Day, exp.LastDay,
    exp.AtTimeZone, exp.MD5, exp.SHA2, exp.DateFromParts,
)  # fmt: skip

#: Parts that need a group of rows.
_AGGREGATE = (
    exp.Min, exp.Max, exp.Sum, exp.Avg, exp.Count, exp.Mode, exp.Median, exp.AnyValue, exp.IgnoreNulls, exp.ArgMax, exp.ArgMin,
    exp.Distinct, exp.Star, exp.LogicalOr, exp.LogicalAnd,
)  # fmt: skip

#: Functions that sqlglot does not know by name.
_NAMED = ("try_strptime", "timezone")

#: Columns that every file has: the row's position in it, and the file's name.
PSEUDO = ("source_row", "source_file")


def parse_expression(text: str, *, place: str, grouped: bool = False) -> exp.Expr:
    """Parse and check one expression over the columns of a raw export.

    Casts and date parsing are made forgiving: what cannot be read becomes NULL,
    so that it can be counted instead of stopping the run.

    Parameters
    ----------
    text : str
        DuckDB's SQL, such as ``CASE WHEN IsWon THEN 'won' ELSE 'open' END``.
    place : str
        File, line and key, for errors.
    grouped : bool
        Whether aggregates are allowed.

    Raises
    ------
    SpecError
        If it is not SQL, or does more than look at the row.

    Examples
    --------
    >>> parse_expression("strptime(d, '%d/%m/%y')::date", place="demo.yaml").sql("duckdb")
    "TRY_CAST(TRY_STRPTIME(d, '%d/%m/%y') AS DATE)"
    >>> parse_expression("getenv('HOME')", place="demo.yaml, line 3")
    Traceback (most recent call last):
        ...
    partnerlab.errors.SpecError: demo.yaml, line 3: function getenv is not allowed in a mapping; known: timezone, try_strptime
    """
    try:
        parsed = sqlglot.parse_one(str(text), dialect="duckdb")
    except SqlglotError as error:
        raise SpecError(
            f"{place}: {text!r} is not a SQL expression ({str(error).splitlines()[0]}); write one over the file's columns"
        ) from error
    for node in parsed.walk():
        _check(node, place=place, grouped=grouped)
    return _forgiving(parsed)


def _forgiving(root: exp.Expr) -> exp.Expr:
    """Replace what could stop a run, innermost first."""
    for node in reversed(list(root.walk())):
        kinder = _forgive(node)
        if node is root:
            root = kinder
        elif kinder is not node:
            node.replace(kinder)
    return root


def _check(node: exp.Expr, *, place: str, grouped: bool) -> None:
    if isinstance(node, exp.Anonymous):
        if node.name.lower() not in _NAMED:
            raise SpecError(f"{place}: function {node.name} is not allowed in a mapping{nearest(node.name.lower(), _NAMED)}")
        return
    if type(node) in _SCALAR:
        return
    if type(node) in _AGGREGATE:
        if grouped:
            return
        raise SpecError(f"{place}: {node.sql('duckdb')} needs a group of rows; give group_by, or an expression over one row")
    raise SpecError(f"{place}: {node.sql('duckdb')!r} is not allowed in a mapping; only expressions over the columns of a row are")


def _forgive(node: exp.Expr) -> exp.Expr:
    if type(node) is exp.Cast:
        return exp.TryCast(**node.args)
    if isinstance(node, exp.StrToTime):
        pattern = node.args["format"]
        # sqlglot keeps the pattern as DuckDB wrote it, since both dialects are DuckDB's
        return exp.Anonymous(this="TRY_STRPTIME", expressions=[node.this, pattern])
    if isinstance(node, exp.DateFromParts | exp.UnixToTime):
        return exp.Anonymous(this="TRY", expressions=[node.copy()])
    return node


def bind_columns(expression: exp.Expr, *, columns: dict[str, tuple[str, ...]], place: str) -> exp.Expr:
    """Give each column its table's alias, and refuse columns that no file has.

    Parameters
    ----------
    expression : sqlglot expression
        Checked.
    columns : dict of str to tuple of str
        Alias -> its columns; the first alias owns unqualified names.
    place : str
        File, line and key, for errors.

    Raises
    ------
    SpecError
        Naming the nearest column.
    """
    base = next(iter(columns))
    lookup = {alias: {name.lower(): name for name in names} for alias, names in columns.items()}

    def bind(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column):
            return node
        alias = node.table or base
        if alias not in lookup:
            raise SpecError(f"{place}: {node.sql('duckdb')}: nothing is called {alias!r}{nearest(alias, lookup)}")
        if node.name.lower() not in lookup[alias]:
            known = [name for name in columns[alias] if name not in PSEUDO]
            raise SpecError(f"{place}: there is no column {node.name!r}{nearest(node.name, known)}")
        return exp.column(lookup[alias][node.name.lower()], table=alias, quoted=True)

    return expression.transform(bind)


def raw_column(expression: exp.Expr) -> exp.Expr | None:
    """Find the one raw column that an expression merely reads or casts; None for anything cleverer."""
    node = expression
    while isinstance(node, exp.TryCast | exp.Paren | exp.Trim) or (isinstance(node, exp.Anonymous) and node.name.lower() == "try_strptime"):
        node = node.expressions[0] if isinstance(node, exp.Anonymous) else node.this
    return node if isinstance(node, exp.Column) else None
