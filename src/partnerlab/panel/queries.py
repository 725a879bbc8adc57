"""One grouped query for each indicator, built as an expression and rendered in the engine's dialect.

Only what is the same on every engine is used: half-open bounds as literals,
integer sums (money in minor units, other numbers in millionths), NULLs named.
"""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from typing import Self

import numpy as np
import pandas as pd
from sqlglot import exp

from partnerlab.errors import MissingTableError
from partnerlab.intake.moments import local_midnight
from partnerlab.intake.rows import ROW, field, literal
from partnerlab.intake.selection import select_rows
from partnerlab.intake.source import Source
from partnerlab.panel.conditions import can_be_true, parse_condition, without_columns
from partnerlab.panel.grouping import PARTNER, PERIOD, UNIT, VALUE, count_groups, count_held, take_last, take_median
from partnerlab.panel.indicators import Indicator
from partnerlab.panel.points import currency_factor, points_factors
from partnerlab.periods import Calendar


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
    calendar : Calendar
        The clock by which it was cut.
    unit : str or None
        Column that names what rows of a partner are told apart by, such as ``region``.
    """

    instants: np.ndarray
    days: np.ndarray
    as_of: datetime | None = None
    calendar: Calendar = dataclasses.field(default_factory=Calendar)
    unit: str | None = None

    @property
    def length(self) -> int:
        """Number of periods."""
        return len(self.days) - 1

    def edges(self, kind: str) -> list[exp.Expression]:
        """Literals of the edges for a column of that contract type."""
        if kind == "instant":
            return [literal(edge) for edge in pd.to_datetime(self.instants).to_pydatetime()]
        return [literal(edge) for edge in self.days.astype(object)]

    def midnight(self, day: date, kind: str) -> exp.Expression:
        """Literal of the moment at which a day begins, for a column of that contract type."""
        return literal(local_midnight(day, self.calendar)) if kind == "instant" else literal(day)

    def by_month(self) -> Self:
        """Give the same stretch cut into months; those that the data do not reach are empty."""
        monthly = dataclasses.replace(self.calendar, cadence="month")
        first = monthly.period_of_date(self.days[0].astype(object))
        last = first + self.length * self.calendar.months - 1
        instants, days = monthly.bounds_utc(first, last), monthly.bounds_date(first, last)
        return dataclasses.replace(
            self, instants=np.minimum(instants, self.instants[-1]), days=np.minimum(days, self.days[-1]), calendar=monthly
        )


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
        Of ``partner_id, period (0 is the first), n, total`` and, where asked for, ``squares`` as text;
        of ``unit`` too, if the rows name the cut's unit. The total of a median is twice the median of
        its window, that of points a text.

    Raises
    ------
    MissingTableError
        If the source lacks a table or column without which the indicator says nothing.
    """
    check_available(source, indicator)
    rows = _rows(source, indicator, cut, (0, cut.length))
    keys = (PARTNER, UNIT) if unit_of(indicator, cut) else (PARTNER,)
    if indicator.statistic == "held":
        return count_held(rows, indicator, keys=keys, present=_present(source, indicator), edges=cut.edges, midnight=cut.midnight)
    if indicator.statistic == "last":
        return take_last(rows, keys=keys)
    if indicator.statistic == "median":
        return take_median(rows, keys=keys, window=indicator.window, length=cut.length)
    return count_groups(rows, indicator, keys=keys)


def unit_of(indicator: Indicator, cut: Cut) -> str | None:
    """Column of the cut's unit, if the indicator's rows name it; None where the partner's number stands in each unit."""
    return cut.unit if cut.unit in indicator.columns and indicator.per == "unit" else None


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
    cell = exp.cast(exp.paren(place * exp.Literal.number(cut.length) + field(PERIOD)), "bigint")
    chosen = [exp.alias_(cell, "cell", quoted=True)]
    if indicator.value is not None:
        chosen.append(exp.alias_(exp.cast(field(VALUE), "double"), VALUE, quoted=True))
    rows = _rows(source, indicator, cut, within, known=False).subquery(exp.to_identifier(ROW, quoted=True))
    same = field(PARTNER).eq(exp.column(PARTNER, table="c", quoted=True))
    # these two conditions always hold: they make the engine take the partners for the small side of the join, which they are
    # (it thinks that each condition on the rows keeps a fifth of them, and would else build its table of the rows)
    small = exp.and_(exp.GTE(this=field("place"), expression=exp.Literal.number(0)), field(PARTNER).is_(exp.Null()).not_())
    known = exp.select(field(PARTNER), field("place")).from_(places(source, cut).subquery(exp.to_identifier(ROW, quoted=True)))
    return exp.select(*chosen).from_(rows).join(known.where(small).subquery(exp.to_identifier("c", quoted=True)), on=same)


def places(source: Source, cut: Cut) -> exp.Select:
    """Give each partner its place in the order of ids, from 0."""
    order = exp.Order(expressions=[exp.Ordered(this=field(PARTNER))])
    place = exp.Window(this=exp.RowNumber(), order=order) - exp.Literal.number(1)
    rows = select_rows(source, "partners", columns=[PARTNER], as_of=cut.as_of).subquery(exp.to_identifier(ROW, quoted=True))
    return exp.select(field(PARTNER), exp.alias_(place, "place", quoted=True)).from_(rows)


def dated_query(source: Source, indicator: Indicator, *, as_of: datetime | None) -> exp.Select:
    """Count the rows that fulfil an indicator's condition (``rows``), and those of them that say when (``dated``)."""
    clock = str(indicator.event_time)
    asked = {"rows": exp.Count(this=exp.Star()), "dated": exp.Count(this=field(clock))}
    return _asked_of_rows(source, indicator, asked, columns=[clock], as_of=as_of)


def unpriced_query(source: Source, indicator: Indicator, *, columns: list[str], as_of: datetime | None) -> exp.Select:
    """Count the rows that fulfil an indicator's condition, those that fill each column, and those in a currency without a number."""
    asked: dict[str, exp.Expression] = {"rows": exp.Count(this=exp.Star())}
    asked |= {name: exp.Count(this=field(name)) for name in columns}
    if "currency" in columns:
        priced = currency_factor(indicator.points, column=field("currency"), home=source.program.currency)
        lost = exp.paren(priced).is_(exp.Null())
        asked["unpriced"] = exp.Count(this=exp.Case().when(lost, exp.Literal.number(1)))
        asked["example"] = exp.Min(this=exp.Case().when(lost.copy(), field("currency")))
    return _asked_of_rows(source, indicator, asked, columns=columns, as_of=as_of)


def _asked_of_rows(
    source: Source, indicator: Indicator, asked: dict[str, exp.Expression], *, columns: list[str], as_of: datetime | None
) -> exp.Select:
    """Ask something of the rows that fulfil an indicator's condition."""
    where = _condition(indicator.condition, indicator, _present(source, indicator))
    named = [] if where is None else [column.name for column in where.find_all(exp.Column)]
    rows = _partner_rows(source, indicator, list(dict.fromkeys([*columns, *named])), as_of)
    found = exp.select(*(exp.alias_(what, name, quoted=True) for name, what in asked.items()))
    found = found.from_(rows.subquery(exp.to_identifier(ROW, quoted=True)))
    return found if where is None else found.where(where)


def check_available(source: Source, indicator: Indicator, *, unit: str | None = None) -> None:
    """Refuse an indicator whose table, or a column it cannot do without (that of its unit included), is absent.

    Raises
    ------
    MissingTableError
        Naming the indicator and what it needs.
    """
    present = _present(source, indicator)
    for table in ("deals", "deal_partners") if indicator.table == "deals" else (indicator.table,):
        if table not in source.columns():
            raise MissingTableError(f"{indicator.name}: needs table {table}, which this program does not have", table=table)
    needed = [PARTNER] if indicator.table != "deals" else ["deal_id"]
    needed.append(str(indicator.event_time))
    if indicator.value is not None and indicator.statistic not in ("share", "held"):
        needed.append("amount" if _is_base_amount(indicator) and "amount_base" not in present else indicator.value)
    if unit in indicator.columns and indicator.per == "unit":
        needed.append(str(unit))
    if indicator.retired:
        needed.append("program")
    for name in needed:
        if name not in present:
            hint = f"; fill it, or say 'per: partner' to give each {unit} the partner's own number" if name == unit else ""
            raise _lacks(indicator, name, hint)
    for text in (*indicator.conditions, *indicator.multiplied):
        absent = {name: name not in present for name in indicator.columns}
        tree = parse_condition(text, columns=indicator.columns)
        if not can_be_true(tree, absent={name for name, gone in absent.items() if gone}):
            gone = next(column.name for column in tree.find_all(exp.Column) if absent[column.name])
            raise _lacks(indicator, gone)


def _lacks(indicator: Indicator, column: str, hint: str = "") -> MissingTableError:
    said = f"{indicator.name}: needs column {indicator.table}.{column}, which this program does not have{hint}"
    return MissingTableError(said, table=indicator.table, column=column)


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
    where, unit = _condition(indicator.condition, indicator, present), unit_of(indicator, cut)
    value = _value(indicator, present, source.program.currency, cut)
    kept = [name for name in (indicator.event_time, *indicator.interval_ends) if name in present]
    kept += ["program"] if indicator.retired else []
    named = [column.name for tree in (where, value) if tree is not None for column in tree.find_all(exp.Column)]
    base = _partner_rows(source, indicator, list(dict.fromkeys([*kept, *([unit] if unit else []), *named])), cut.as_of)
    clock = field(str(indicator.event_time))
    edges = cut.edges(indicator.columns[str(indicator.event_time)].type)
    chosen = [field(PARTNER), *([exp.alias_(field(unit), UNIT, quoted=True)] if unit else [])]
    conditions = [exp.LT(this=clock.copy(), expression=edges[within[1]].copy())]
    if known:
        conditions.append(field(PARTNER).is_(exp.Null()).not_())
    if indicator.statistic == "held":
        chosen += [field(name) for name in kept]
    else:
        chosen.append(exp.alias_(period_case(clock, edges), PERIOD, quoted=True))
    if indicator.statistic == "last":
        chosen.append(exp.alias_(clock.copy(), "moment", quoted=True))
    elif indicator.statistic != "held":
        conditions.append(exp.GTE(this=clock.copy(), expression=edges[within[0]].copy()))
    if value is not None:
        chosen.append(exp.alias_(value, VALUE, quoted=True))
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


def _value(indicator: Indicator, present: set[str], currency: str | None, cut: Cut) -> exp.Expression | None:
    """Write what is summed, counted or taken: as a whole number where it is added up."""
    if indicator.points is not None:
        return _worth(indicator, present, currency, cut)
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
    if indicator.statistic not in ("sum", "mean", "median", "months"):
        return column
    if kind == "money":
        amount = _base_amount(present, currency) if _is_base_amount(indicator) else column
        return exp.cast(exp.paren(amount) * indicator.minor_units, "bigint")
    if kind == "integer":
        return exp.cast(column, "bigint")
    return exp.cast(exp.paren(exp.cast(column, "decimal(18, 6)")) * indicator.minor_units, "bigint")


def _worth(indicator: Indicator, present: set[str], currency: str | None, cut: Cut) -> exp.Expression:
    """Write the points of a row as a whole number: its value, times the rate of its day, its multipliers and its currency."""
    plain = None if indicator.value is None else _value(indicator.model_copy(update={"points": None}), present, currency, cut)
    clock, points = str(indicator.event_time), indicator.points
    kind = indicator.columns[clock].type
    factors = points_factors(
        points,
        clock=field(clock),
        edge=lambda day: cut.midnight(day, kind),
        condition=lambda text: _condition(text, indicator, present),
    )
    if points.currency:
        own = field("currency") if "currency" in present else None
        factors.append(currency_factor(points, column=own, home=currency))
    worth = exp.cast(exp.Literal.number(1) if plain is None else plain, "decimal(38, 0)")
    for factor in factors:
        worth = worth * exp.paren(factor)
    return exp.paren(worth)


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
        return select_rows(source, indicator.table, columns=list(dict.fromkeys([PARTNER, *columns])), as_of=as_of)
    of_part = {"role", "is_primary", "weight"}
    deal_columns = list(dict.fromkeys(["deal_id", *(name for name in columns if name not in of_part)]))
    part_columns = list(dict.fromkeys(["deal_id", PARTNER, "role", *(name for name in columns if name in of_part)]))
    deals = select_rows(source, "deals", columns=deal_columns, as_of=as_of).subquery(exp.to_identifier("d", quoted=True))
    parts = select_rows(source, "deal_partners", columns=part_columns, as_of=as_of)
    if indicator.role == "any":
        known = exp.select(field("deal_id"), field(PARTNER)).distinct()
        parts = known.from_(parts.subquery(exp.to_identifier(ROW, quoted=True)))
    chosen = [exp.column(name, table="d", quoted=True) for name in columns if name not in of_part]
    chosen += [exp.column(name, table="p", quoted=True) for name in (PARTNER, *(c for c in columns if c in of_part))]
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
