"""From what a source holds to what the contract promises, one column at a time."""

from __future__ import annotations

from sqlglot import exp

from partnerlab.intake.contract import Column

#: Kinds of physical columns that engines report.
KINDS = ("text", "integer", "real", "decimal", "date", "timestamp", "timestamptz", "boolean", "other")

#: Kind in which a column of each contract type needs no cast at all.
READY = {
    "id": "text", "text": "text", "category": "text", "date": "date", "instant": "timestamp", "money": "money",
    "number": "real", "integer": "bigint", "share": "real", "flag": "boolean",
}  # fmt: skip

#: Kinds that can be turned into each contract type (text only where a cast can be tried).
_READABLE = {
    "id": {"text", "integer", "real", "decimal", "other"},
    "text": {"text", "integer", "real", "decimal", "date", "timestamp", "timestamptz", "boolean", "other"},
    "category": {"text", "other"},
    "date": {"text", "date", "timestamp", "timestamptz"},
    "instant": {"text", "date", "timestamp", "timestamptz"},
    "money": {"text", "integer", "real", "decimal"},
    "number": {"text", "integer", "real", "decimal", "boolean"},
    "integer": {"text", "integer", "real", "decimal", "boolean"},
    "share": {"text", "integer", "real", "decimal", "boolean"},
    "flag": {"text", "boolean", "integer"},
}

#: Words that systems write where they mean nothing (types other than text).
NOTHING = ("", "none", "null", "nan", "n/a", "#n/a", "nat", "infinity", "-infinity")

#: How a text ends that states its offset from UTC.
OFFSET = r"([zZ]|UTC|GMT|[+-]\d{2}(:?\d{2})?)$"


def base_kind(kind: str) -> str:
    """Kind without its exactness: ``money`` is a decimal, ``bigint`` an integer.

    Examples
    --------
    >>> base_kind("money"), base_kind("text")
    ('decimal', 'text')
    """
    return {"money": "decimal", "bigint": "integer", "timestamp_other": "timestamp", "text_other": "text"}.get(kind, kind)


def is_readable(column: Column, kind: str, *, dialect: str) -> bool:
    """Whether a column of this kind can be read as the contract's type in this dialect."""
    simple = base_kind(kind)
    if simple == "text" and column.type not in ("id", "text", "category"):
        return dialect == "duckdb"
    return simple in _READABLE[column.type]


def _as(expression: exp.Expr, sql_type: str) -> exp.Expr:
    return exp.TryCast(this=expression, to=exp.DataType.build(sql_type))


def _at(expression: exp.Expr, zone: str) -> exp.Expr:
    return exp.AtTimeZone(this=exp.paren(expression), zone=exp.Literal.string(zone))


def blank_to_null(expression: exp.Expr, *, words: tuple[str, ...] = NOTHING) -> exp.Expr:
    """Trim a text and turn words that mean nothing into NULL."""
    trimmed = exp.Trim(this=_as(expression, "text"))
    if words == ("",):
        return exp.Nullif(this=trimmed, expression=exp.Literal.string(""))
    return exp.Case().when(exp.Lower(this=trimmed.copy()).isin(*words), exp.Null()).else_(trimmed)


def _instant(expression: exp.Expr, kind: str, *, zone: str, program_zone: str) -> exp.Expr:
    if kind == "timestamptz":
        return _as(_at(expression, "UTC"), "timestamp")
    if kind == "date":
        return _local(_as(expression, "timestamp"), program_zone)
    if kind == "timestamp":
        return _local(_as(expression, "timestamp"), zone)
    text = blank_to_null(expression)
    wall = _at(_as(text, "timestamptz"), "UTC")
    if zone == "UTC" and program_zone == "UTC":
        return wall
    stated = exp.RegexpLike(this=text.copy(), expression=exp.Literal.string(r":\d{2}.*" + OFFSET))
    timed = exp.RegexpLike(this=text.copy(), expression=exp.Literal.string(r"\d:\d{2}"))
    # a day without a time begins where the program is
    return exp.Case().when(stated, wall).when(timed, _local(wall.copy(), zone)).else_(_local(wall.copy(), program_zone))


def _local(wall: exp.Expr, zone: str) -> exp.Expr:
    """UTC instant of a wall clock's time in a zone."""
    return wall if zone == "UTC" else _at(_at(wall, zone), "UTC")


def midnight(day: exp.Expr, *, zone: str) -> exp.Expr:
    """UTC instant at which a DATE begins in a zone.

    Examples
    --------
    >>> midnight(exp.column("joined_at"), zone="UTC").sql("duckdb")
    'CAST(joined_at AS TIMESTAMP)'
    """
    return _local(exp.cast(day, "timestamp"), zone)


def _date(expression: exp.Expr, kind: str, *, program_zone: str) -> exp.Expr:
    if kind == "timestamptz":
        return _as(_at(expression, program_zone), "date")
    if kind == "timestamp":
        return _as(expression, "date")
    text = blank_to_null(expression)
    moment = _as(text, "timestamptz")
    stated = exp.RegexpLike(this=text.copy(), expression=exp.Literal.string(r":\d{2}.*" + OFFSET))
    zone = exp.Case().when(stated, _at(moment, program_zone)).else_(_at(moment.copy(), "UTC"))
    return _as(zone, "date")


def canonical(column: Column, kind: str, *, expression: exp.Expr, zone: str = "UTC", program_zone: str = "UTC") -> exp.Expr:
    """Read one physical column as the contract's type; what cannot be read becomes NULL.

    Parameters
    ----------
    column : Column
        What the contract promises.
    kind : str
        What the source holds (see `KINDS`).
    expression : sqlglot expression
        How to get at it.
    zone : str
        IANA zone of wall-clock times without an offset.
    program_zone : str
        IANA zone in which a day is a day.

    Returns
    -------
    sqlglot expression
        Instants as TIMESTAMP in UTC, days as DATE, money as DECIMAL(18, 2), flags as BOOLEAN.

    Examples
    --------
    >>> from partnerlab.intake.contract import TABLES
    >>> column = TABLES["deals"].column("amount")
    >>> canonical(column, "integer", expression=exp.column("amount")).sql("duckdb")
    'TRY_CAST(amount AS DECIMAL(18, 2))'
    """
    simple = base_kind(kind)
    if kind == READY[column.type] and not (column.type == "instant" and zone != "UTC"):
        return expression
    if column.type == "instant":
        return _instant(expression, simple, zone=zone, program_zone=program_zone)
    if column.type == "date":
        return _date(expression, simple, program_zone=program_zone)
    if column.type == "id" and simple in ("real", "decimal"):
        return _as(_as(expression, "bigint"), "text")
    if column.type in ("id", "text", "category"):
        return _as(expression, "text")
    value = blank_to_null(expression) if simple == "text" else expression
    if simple == "boolean":
        value = exp.Case().when(expression, exp.Literal.number(1)).when(exp.not_(expression.copy()), exp.Literal.number(0))
    if simple == "integer" and column.type == "flag":
        return expression.neq(0)
    return _as(
        value, {"money": "decimal(18, 2)", "number": "double", "share": "double", "integer": "bigint", "flag": "boolean"}[column.type]
    )


def clean_text(column: Column, expression: exp.Expr) -> exp.Expr:
    """Tidy a text column of a raw export: blanks are NULL, categories lower case."""
    words = ("",) if column.type == "text" else NOTHING
    tidy = blank_to_null(expression, words=words)
    return exp.Lower(this=tidy) if column.type == "category" else tidy
