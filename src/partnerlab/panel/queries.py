"""One grouped query for each indicator, built as an expression and rendered in the engine's dialect.

Only what is the same on every engine is used: half-open bounds as literals,
integer sums (money in minor units, other numbers in millionths), NULLs named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pandas as pd
from sqlglot import exp

from partnerlab.errors import MissingTableError
from partnerlab.intake.rows import ROW, field, literal, select_rows
from partnerlab.intake.source import Source
from partnerlab.panel.conditions import can_be_true, parse_condition, without_columns
from partnerlab.panel.indicators import Indicator

#: Numbers that are neither money nor whole are summed in millionths.
MILLIONTHS = 1_000_000

_PARTNER, _PERIOD, _VALUE = "partner_id", "period", "value"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cut:
    """Where the periods are cut.

    Parameters
    ----------
    instants : ndarray of datetime64[us], shape (m + 1,)
        Edges in UTC, the last one no later than the data reach.
    days : ndarray of datetime64[D], shape (m + 1,)
        The same as local days.
    as_of : datetime or None
        Moment (naive UTC) after which nothing is known.
    """

    instants: np.ndarray
    days: np.ndarray
    as_of: datetime | None = None

    @property
    def length(self) -> int:
        """Number of periods."""
        return len(self.days) - 1

    def edges(self, kind: str) -> list[exp.Expression]:
        """Literals of the edges for a column of that contract type."""
        if kind == "instant":
            return [literal(edge) for edge in pd.to_datetime(self.instants).to_pydatetime()]
        return [literal(edge) for edge in self.days.astype(object)]


def measure_query(source: Source, indicator: Indicator, *, cut: Cut) -> exp.Select:
    """Build the query that computes an indicator's totals in single periods.

    Parameters
    ----------
    source : Source
        Says which columns there are; nothing is run.
    indicator : Indicator
        What to compute.
    cut : Cut
        Where the periods are cut.

    Returns
    -------
    sqlglot Select
        Of ``partner_id, period (0 is the first), n, total`` and, where asked for, ``squares`` as text.

    Raises
    ------
    MissingTableError
        If the source lacks a table or column without which the indicator says nothing.
    """
    check_available(source, indicator)
    rows = _rows(source, indicator, cut, (0, cut.length))
    if indicator.statistic == "held":
        return _held(rows, indicator, source, cut)
    if indicator.statistic == "last":
        return _last(rows)
    return _grouped(rows, indicator)


def cell_query(source: Source, indicator: Indicator, *, cut: Cut, within: tuple[int, int]) -> exp.Select:
    """Build the query that names the cell of each row, for an engine in this process that need not group.

    Parameters
    ----------
    source, indicator, cut
        As for `measure_query`.
    within : (int, int)
        First period asked for, and the one after the last.

    Returns
    -------
    sqlglot Select
        Of ``cell`` (place of the partner in order, times the number of periods, plus the period)
        and, for other statistics than a count, ``value``: a whole number, as DOUBLE.
    """
    place = exp.column("place", table="c", quoted=True)
    cell = exp.cast(exp.paren(place * exp.Literal.number(cut.length) + field(_PERIOD)), "bigint")
    chosen = [exp.alias_(cell, "cell", quoted=True)]
    if indicator.value is not None:
        chosen.append(exp.alias_(exp.cast(field(_VALUE), "double"), _VALUE, quoted=True))
    rows = _rows(source, indicator, cut, within, known=False).subquery(exp.to_identifier(ROW, quoted=True))
    same = field(_PARTNER).eq(exp.column(_PARTNER, table="c", quoted=True))
    # these two conditions always hold: they make the engine take the partners for the small side of the join, which they are
    # (it thinks that each condition on the rows keeps a fifth of them, and would else build its table of the rows)
    small = exp.and_(exp.GTE(this=field("place"), expression=exp.Literal.number(0)), field(_PARTNER).is_(exp.Null()).not_())
    known = exp.select(field(_PARTNER), field("place")).from_(places(source, cut).subquery(exp.to_identifier(ROW, quoted=True)))
    return exp.select(*chosen).from_(rows).join(known.where(small).subquery(exp.to_identifier("c", quoted=True)), on=same)


def places(source: Source, cut: Cut) -> exp.Select:
    """Give each partner its place in the order of ids, from 0."""
    order = exp.Order(expressions=[exp.Ordered(this=field(_PARTNER))])
    place = exp.Window(this=exp.RowNumber(), order=order) - exp.Literal.number(1)
    rows = select_rows(source, "partners", columns=[_PARTNER], as_of=cut.as_of).subquery(exp.to_identifier(ROW, quoted=True))
    return exp.select(field(_PARTNER), exp.alias_(place, "place", quoted=True)).from_(rows)


def dated_query(source: Source, indicator: Indicator, *, as_of: datetime | None) -> exp.Select:
    """Count the rows that fulfil an indicator's condition (``rows``), and those of them that say when (``dated``)."""
    where = _condition(indicator.where, indicator, _present(source, indicator))
    named = [] if where is None else [column.name for column in where.find_all(exp.Column)]
    rows = _partner_rows(source, indicator, list(dict.fromkeys([str(indicator.event_time), *named])), as_of)
    asked = {"rows": exp.Count(this=exp.Star()), "dated": exp.Count(this=field(str(indicator.event_time)))}
    found = exp.select(*(exp.alias_(what, name, quoted=True) for name, what in asked.items()))
    found = found.from_(rows.subquery(exp.to_identifier(ROW, quoted=True)))
    return found if where is None else found.where(where)


def check_available(source: Source, indicator: Indicator) -> None:
    """Refuse an indicator whose table, or a column it cannot do without, is absent.

    Raises
    ------
    MissingTableError
        Naming the indicator and what it needs.
    """
    present = _present(source, indicator)
    for table in ("deals", "deal_partners") if indicator.table == "deals" else (indicator.table,):
        if table not in source.columns():
            raise MissingTableError(f"{indicator.name}: needs table {table}, which this program does not have", table=table)
    needed = [_PARTNER] if indicator.table != "deals" else ["deal_id"]
    needed.append(str(indicator.event_time))
    if indicator.value is not None and indicator.statistic not in ("share", "held"):
        needed.append("amount" if _is_base_amount(indicator) and "amount_base" not in present else indicator.value)
    conditions = [text for text in (indicator.where, indicator.value if indicator.statistic == "share" else None) if text]
    for name in needed:
        if name not in present:
            raise _lacks(indicator, name)
    for text in conditions:
        absent = {name: name not in present for name in indicator.columns}
        tree = parse_condition(text, columns=indicator.columns)
        if not can_be_true(tree, absent={name for name, gone in absent.items() if gone}):
            gone = next(column.name for column in tree.find_all(exp.Column) if absent[column.name])
            raise _lacks(indicator, gone)


def _lacks(indicator: Indicator, column: str) -> MissingTableError:
    return MissingTableError(
        f"{indicator.name}: needs column {indicator.table}.{column}, which this program does not have", table=indicator.table, column=column
    )


def _present(source: Source, indicator: Indicator) -> set[str]:
    present = set(source.columns().get(indicator.table, ()))
    if indicator.table == "deals":
        present |= set(source.columns().get("deal_partners", ())) & {"role", "is_primary", "weight"}
    return present


def _is_base_amount(indicator: Indicator) -> bool:
    return indicator.value == "amount_base" and "amount" in indicator.columns


def _rows(source: Source, indicator: Indicator, cut: Cut, within: tuple[int, int], *, known: bool = True) -> exp.Select:
    """Select the rows that count: ``partner_id`` (if ``known``, never empty), ``period`` (or the interval) and ``value``."""
    present = _present(source, indicator)
    where = _condition(indicator.where, indicator, present)
    value = _value(indicator, present, source.program.currency)
    clocks = [name for name in (indicator.event_time, *indicator.interval_ends) if name in present]
    named = [column.name for tree in (where, value) if tree is not None for column in tree.find_all(exp.Column)]
    base = _partner_rows(source, indicator, list(dict.fromkeys([*clocks, *named])), cut.as_of)
    clock = field(str(indicator.event_time))
    edges = cut.edges(indicator.columns[str(indicator.event_time)].type)
    chosen = [field(_PARTNER)]
    conditions = [exp.LT(this=clock.copy(), expression=edges[within[1]].copy())]
    if known:
        conditions.append(field(_PARTNER).is_(exp.Null()).not_())
    if indicator.statistic == "held":
        chosen += [field(name) for name in clocks]
    else:
        chosen.append(exp.alias_(period_case(clock, edges), _PERIOD, quoted=True))
    if indicator.statistic == "last":
        chosen.append(exp.alias_(clock.copy(), "moment", quoted=True))
    elif indicator.statistic != "held":
        conditions.append(exp.GTE(this=clock.copy(), expression=edges[within[0]].copy()))
    if value is not None:
        chosen.append(exp.alias_(value, _VALUE, quoted=True))
        if indicator.statistic != "held":
            told = value.find(exp.Coalesce, exp.Column) if isinstance(value, exp.Cast) else value
            conditions.append(exp.paren(told.copy()).is_(exp.Null()).not_())
    if where is not None:
        conditions.append(exp.paren(where))
    return exp.select(*chosen).from_(base.subquery(exp.to_identifier(ROW, quoted=True))).where(*conditions)


def _condition(text: str | None, indicator: Indicator, present: set[str]) -> exp.Expression | None:
    if text is None:
        return None
    return _over_rows(without_columns(parse_condition(text, columns=indicator.columns), absent=set(indicator.columns) - present))


def _over_rows(tree: exp.Expression) -> exp.Expression:
    for column in tree.find_all(exp.Column):
        column.set("table", exp.to_identifier(ROW, quoted=True))
    return tree


def _value(indicator: Indicator, present: set[str], currency: str | None) -> exp.Expression | None:
    """Write what is summed, counted or taken: as a whole number where it is added up."""
    if indicator.value is None:
        return None
    one, zero = exp.Literal.number(1), exp.Literal.number(0)
    if indicator.statistic == "share":
        truth = _condition(indicator.value, indicator, present)
        return exp.Case().when(exp.paren(truth), one).when(exp.Not(this=exp.paren(truth.copy())), zero)
    if indicator.statistic == "held" and indicator.value not in present:
        return None
    column, kind = field(indicator.value), indicator.columns[indicator.value].type
    if kind == "flag" and indicator.statistic != "distinct":
        return exp.Case().when(column, one).when(exp.Not(this=column.copy()), zero)
    if indicator.statistic not in ("sum", "mean"):
        return column
    if kind == "money":
        amount = _base_amount(present, currency) if _is_base_amount(indicator) else column
        return exp.cast(exp.paren(amount) * 100, "bigint")
    if kind == "integer":
        return exp.cast(column, "bigint")
    return exp.cast(exp.paren(exp.cast(column, "decimal(18, 6)")) * MILLIONTHS, "bigint")


def _base_amount(present: set[str], currency: str | None) -> exp.Expression:
    """Amount in the program's currency: as told, else the row's own where it is in that currency."""
    if "amount" not in present:
        return field("amount_base")
    if "currency" not in present or ("amount_base" not in present and currency is None):
        own = field("amount")
    else:
        at_home = field("currency").is_(exp.Null())
        if currency is not None:
            at_home = exp.or_(at_home, field("currency").eq(exp.Literal.string(currency)))
        own = exp.Case().when(at_home, field("amount"))
    return exp.Coalesce(this=field("amount_base"), expressions=[own]) if "amount_base" in present else own


def _partner_rows(source: Source, indicator: Indicator, columns: list[str], as_of: datetime | None) -> exp.Select:
    """Select the table's rows with the partner each belongs to; deals by the part that the partner plays in them."""
    if indicator.table != "deals":
        return select_rows(source, indicator.table, columns=list(dict.fromkeys([_PARTNER, *columns])), as_of=as_of)
    of_part = {"role", "is_primary", "weight"}
    deal_columns = list(dict.fromkeys(["deal_id", *(name for name in columns if name not in of_part)]))
    part_columns = list(dict.fromkeys(["deal_id", _PARTNER, "role", *(name for name in columns if name in of_part)]))
    deals = select_rows(source, "deals", columns=deal_columns, as_of=as_of).subquery(exp.to_identifier("d", quoted=True))
    parts = select_rows(source, "deal_partners", columns=part_columns, as_of=as_of)
    if indicator.role == "any":
        known = exp.select(field("deal_id"), field(_PARTNER)).distinct()
        parts = known.from_(parts.subquery(exp.to_identifier(ROW, quoted=True)))
    chosen = [exp.column(name, table="d", quoted=True) for name in columns if name not in of_part]
    chosen += [exp.column(name, table="p", quoted=True) for name in (_PARTNER, *(c for c in columns if c in of_part))]
    same = exp.column("deal_id", table="d", quoted=True).eq(exp.column("deal_id", table="p", quoted=True))
    joined = exp.select(*chosen).from_(deals).join(parts.subquery(exp.to_identifier("p", quoted=True)), on=same)
    if indicator.role == "any":
        return joined
    return joined.where(exp.column("role", table="p", quoted=True).eq(exp.Literal.string(indicator.role or "sourced")))


def period_case(clock: exp.Expression, edges: list[exp.Expression], *, low: int = 0, high: int | None = None) -> exp.Expression:
    """Write the number of the period that a moment falls in: a balanced tree of comparisons with the inner edges.

    Examples
    --------
    >>> days = [exp.Literal.number(day) for day in (0, 10, 20, 30)]
    >>> period_case(exp.column("day"), days).sql()
    'CASE WHEN day < 20 THEN CASE WHEN day < 10 THEN 0 ELSE 1 END ELSE 2 END'
    """
    high = len(edges) - 2 if high is None else high
    if low == high:
        return exp.Literal.number(low)
    middle = (low + high) // 2
    earlier = exp.LT(this=clock.copy(), expression=edges[middle + 1].copy())
    case = exp.Case().when(earlier, period_case(clock, edges, low=low, high=middle))
    return case.else_(period_case(clock, edges, low=middle + 1, high=high))


def _grouped(rows: exp.Select, indicator: Indicator) -> exp.Select:
    """Count and total of each partner and period."""
    value = field(_VALUE)
    asked = {"n": exp.Count(this=exp.Star())}
    if indicator.statistic in ("sum", "mean", "share"):
        asked["total"] = exp.cast(exp.Sum(this=value), "bigint")
    elif indicator.statistic == "distinct":
        asked["total"] = exp.Count(this=exp.Distinct(expressions=[value]))
    if indicator.squares:
        wide = exp.cast(value, "decimal(38, 0)")
        asked["squares"] = exp.cast(exp.Sum(this=wide * value.copy()), "text")
    return _by_partner(rows, asked)


def _by_partner(rows: exp.Select, asked: Mapping[str, exp.Expression]) -> exp.Select:
    keys = [field(_PARTNER), field(_PERIOD)]
    chosen = [exp.alias_(what, name, quoted=True) for name, what in asked.items()]
    return exp.select(*keys, *chosen).from_(rows.subquery(exp.to_identifier(ROW, quoted=True))).group_by(*(key.copy() for key in keys))


def _last(rows: exp.Select) -> exp.Select:
    """Take the last value told in each period; of two told at once, the larger."""
    order = exp.Order(expressions=[exp.Ordered(this=field("moment"), desc=True), exp.Ordered(this=field(_VALUE), desc=True)])
    rank = exp.Window(this=exp.RowNumber(), partition_by=[field(_PARTNER), field(_PERIOD)], order=order)
    ranked = exp.select(field(_PARTNER), field(_PERIOD), field(_VALUE), exp.alias_(rank, "rank_in_period", quoted=True))
    ranked = ranked.from_(rows.subquery(exp.to_identifier(ROW, quoted=True)))
    total = exp.alias_(exp.cast(field(_VALUE), "double"), "total", quoted=True)
    chosen = exp.select(field(_PARTNER), field(_PERIOD), exp.alias_(exp.Literal.number(1), "n", quoted=True), total)
    return chosen.from_(ranked.subquery(exp.to_identifier(ROW, quoted=True))).where(field("rank_in_period").eq(1))


def _held(rows: exp.Select, indicator: Indicator, source: Source, cut: Cut) -> exp.Select:
    """Rows, or distinct values, whose interval covers the end of each period."""
    kinds = {name: indicator.columns[name].type for name in (indicator.event_time, *indicator.interval_ends)}
    present = _present(source, indicator)
    closing = exp.to_identifier("e", quoted=True)
    grid = _grid({kind: cut.edges(kind)[1:] for kind in sorted(set(kinds.values()))})
    edge = {name: exp.column(f"edge_{kind}", table="e", quoted=True) for name, kind in kinds.items()}
    begun = exp.LT(this=field(str(indicator.event_time)), expression=edge[indicator.event_time])
    ends = [name for name in indicator.interval_ends if name in present]
    lasts = [exp.or_(field(name).is_(exp.Null()), exp.GTE(this=field(name), expression=edge[name])) for name in ends]
    value = field(_VALUE) if indicator.value in present else None
    chosen = [field(_PARTNER), exp.column(_PERIOD, table="e", quoted=True), *([value] if value is not None else [])]
    valid = exp.select(*chosen).from_(rows.subquery(exp.to_identifier(ROW, quoted=True)))
    valid = valid.join(grid.subquery(closing), on=exp.and_(begun, *lasts))
    total: exp.Expression = exp.Count(this=exp.Star())
    if value is not None:
        nameless = exp.Sum(this=exp.Case().when(value.copy().is_(exp.Null()), exp.Literal.number(1)).else_(exp.Literal.number(0)))
        total = exp.cast(exp.Count(this=exp.Distinct(expressions=[value.copy()])) + nameless, "bigint")
    return _by_partner(valid, {"n": exp.Count(this=exp.Star()), "total": total})


def _grid(edges: Mapping[str, list[exp.Expression]]) -> exp.Query:
    """Write a row for each period with its closing edge, as instant and as day."""
    length = len(next(iter(edges.values())))
    selects = [
        exp.select(
            exp.alias_(exp.Literal.number(period), _PERIOD, quoted=True),
            *(exp.alias_(closing[period].copy(), f"edge_{kind}", quoted=True) for kind, closing in edges.items()),
        )
        for period in range(length)
    ]
    return selects[0] if length == 1 else exp.union(*selects, distinct=False)
