"""From rows that count to one answer for each partner (or unit of a partner) and period: the grouped half of each query.

Only what is the same on every engine is used: whole numbers, ranks, distinct counts and half-open bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from sqlglot import exp

from partnerlab.intake.rows import ROW, field
from partnerlab.panel.indicators import Indicator

PARTNER, UNIT, PERIOD, VALUE = "partner_id", "unit", "period", "value"

Keys = tuple[str, ...]


def _subquery(rows: exp.Query) -> exp.Subquery:
    return rows.subquery(exp.to_identifier(ROW, quoted=True))


def _by(rows: exp.Select, keys: Keys, asked: Mapping[str, exp.Expression]) -> exp.Select:
    grouped = [field(key) for key in (*keys, PERIOD)]
    chosen = [exp.alias_(what, name, quoted=True) for name, what in asked.items()]
    return exp.select(*grouped, *chosen).from_(_subquery(rows)).group_by(*(key.copy() for key in grouped))


def count_groups(rows: exp.Select, indicator: Indicator, *, keys: Keys) -> exp.Select:
    """Count and total of each partner and period.

    Parameters
    ----------
    rows : sqlglot Select
        Of the keys, ``period`` and, where something is added up, ``value``.
    indicator : Indicator
        Says what is asked.
    keys : tuple of str
        ``partner_id``, and ``unit`` in a panel over units.
    """
    value = field(VALUE)
    asked: dict[str, exp.Expression] = {"n": exp.Count(this=exp.Star())}
    if indicator.points is not None:
        asked["total"] = exp.cast(exp.Sum(this=value), "text")
    elif indicator.statistic in ("sum", "mean", "share"):
        asked["total"] = exp.cast(exp.Sum(this=value), "bigint")
    elif indicator.statistic == "distinct":
        asked["total"] = exp.Count(this=exp.Distinct(expressions=[value]))
    if indicator.squares:
        wide = exp.cast(value, "decimal(38, 0)")
        asked["squares"] = exp.cast(exp.Sum(this=wide * value.copy()), "text")
    return _by(rows, keys, asked)


def take_last(rows: exp.Select, *, keys: Keys) -> exp.Select:
    """Take the last value told in each period; of two told at once, the larger."""
    order = exp.Order(expressions=[exp.Ordered(this=field("moment"), desc=True), exp.Ordered(this=field(VALUE), desc=True)])
    groups = [field(key) for key in (*keys, PERIOD)]
    rank = exp.Window(this=exp.RowNumber(), partition_by=groups, order=order)
    ranked = exp.select(*(key.copy() for key in groups), field(VALUE), exp.alias_(rank, "rank_in_period", quoted=True))
    total = exp.alias_(exp.cast(field(VALUE), "double"), "total", quoted=True)
    one = exp.alias_(exp.Literal.number(1), "n", quoted=True)
    chosen = exp.select(*(key.copy() for key in groups), one, total)
    return chosen.from_(_subquery(ranked.from_(_subquery(rows)))).where(field("rank_in_period").eq(1))


def take_median(rows: exp.Select, *, keys: Keys, window: int, length: int) -> exp.Select:
    """Take twice the median of the rows of each window, a whole number: the two middle values added up.

    With ``k`` rows in order of value, those of rank ``r`` with ``k <= 2 r <= k + 2`` are in the middle: one
    if ``k`` is odd, two if it is even. ``n`` counts the rows of the window's last period alone.
    """
    number = exp.Literal.number
    if window > 1:
        back = [exp.select(exp.alias_(number(step), "back", quoted=True)) for step in range(window)]
        steps = exp.union(*back, distinct=False).subquery(exp.to_identifier("s", quoted=True))
        place, own = exp.column("back", table="s", quoted=True), exp.column("back", table="s", quoted=True).eq(0)
        later = exp.paren(field(PERIOD) + place)
        spread = exp.select(
            *(field(key) for key in keys), exp.alias_(later, PERIOD, quoted=True), field(VALUE),
            exp.alias_(exp.Case().when(own, number(1)).else_(number(0)), "own", quoted=True),
        )  # fmt: skip
        rows = spread.from_(_subquery(rows)).join(steps, on=exp.LT(this=later.copy(), expression=number(length)))
    else:
        rows = exp.select(*(field(key) for key in keys), field(PERIOD), field(VALUE), exp.alias_(number(1), "own", quoted=True)).from_(
            _subquery(rows)
        )
    groups = [field(key) for key in (*keys, PERIOD)]
    rank = exp.Window(this=exp.RowNumber(), partition_by=groups, order=exp.Order(expressions=[exp.Ordered(this=field(VALUE))]))
    alike = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[key.copy() for key in groups])
    asked = {"rank_in_window": rank, "size": alike}
    ranked = exp.select(
        *(key.copy() for key in groups), field(VALUE), field("own"), *(exp.alias_(what, name, quoted=True) for name, what in asked.items())
    ).from_(_subquery(rows))
    twice = field("rank_in_window") * number(2)
    middle = exp.Case().when(exp.Between(this=twice, low=field("size"), high=field("size") + number(2)), field(VALUE))
    total = exp.cast(exp.Min(this=middle) + exp.Max(this=middle.copy()), "bigint")
    return _by(ranked, keys, {"n": exp.cast(exp.Sum(this=field("own")), "bigint"), "total": total})


def count_held(
    rows: exp.Select,
    indicator: Indicator,
    *,
    keys: Keys,
    present: set[str],
    edges: Callable[[str], list[exp.Expression]],
    midnight: Callable[[date, str], exp.Expression],
) -> exp.Select:
    """Rows, or distinct values, whose interval covers the end of each period.

    Parameters
    ----------
    rows : sqlglot Select
        Of the keys, the columns that begin and end the interval and, if it is there, ``value``.
    indicator : Indicator
        Names those columns, and the certificates that were retired.
    keys : tuple of str
        ``partner_id``, and ``unit`` in a panel over units.
    present : set of str
        Columns that the source has.
    edges, midnight : callable
        From a contract type to the edges of the periods; from a day and type to the moment at which it begins.
    """
    kinds = {name: indicator.columns[name].type for name in (indicator.event_time, *indicator.interval_ends)}
    asked = sorted({*kinds.values(), *(["date"] if indicator.retired else [])})
    grid = _grid({kind: edges(kind)[1:] for kind in asked})
    edge = {name: exp.column(f"edge_{kind}", table="e", quoted=True) for name, kind in kinds.items()}
    begun = exp.LT(this=field(str(indicator.event_time)), expression=edge[indicator.event_time])
    ends = [name for name in indicator.interval_ends if name in present]
    lasts = [exp.or_(field(name).is_(exp.Null()), exp.GTE(this=field(name), expression=edge[name])) for name in ends]
    for name, day in indicator.retired.items():
        in_time = exp.GTE(this=midnight(day, "date"), expression=exp.column("edge_date", table="e", quoted=True))
        other = exp.NEQ(this=field("program"), expression=exp.Literal.string(name))
        lasts.append(exp.or_(in_time, other, field("program").is_(exp.Null())))
    value = field(VALUE) if indicator.value in present else None
    chosen = [*(field(key) for key in keys), exp.column(PERIOD, table="e", quoted=True), *([value] if value is not None else [])]
    valid = exp.select(*chosen).from_(_subquery(rows)).join(grid.subquery(exp.to_identifier("e", quoted=True)), on=exp.and_(begun, *lasts))
    total: exp.Expression = exp.Count(this=exp.Star())
    if value is not None:
        nameless = exp.Sum(this=exp.Case().when(value.copy().is_(exp.Null()), exp.Literal.number(1)).else_(exp.Literal.number(0)))
        total = exp.cast(exp.Count(this=exp.Distinct(expressions=[value.copy()])) + nameless, "bigint")
    return _by(valid, keys, {"n": exp.Count(this=exp.Star()), "total": total})


def _grid(edges: Mapping[str, list[exp.Expression]]) -> exp.Query:
    """Write a row for each period with its closing edge, as instant and as day."""
    length = len(next(iter(edges.values())))
    selects = [
        exp.select(
            exp.alias_(exp.Literal.number(period), PERIOD, quoted=True),
            *(exp.alias_(closing[period].copy(), f"edge_{kind}", quoted=True) for kind, closing in edges.items()),
        )
        for period in range(length)
    ]
    return selects[0] if length == 1 else exp.union(*selects, distinct=False)
