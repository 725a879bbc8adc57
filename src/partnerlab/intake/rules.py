"""Which rows are set aside, as conditions in SQL: counted by `validate`, applied by `select_rows`, written once."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlglot import exp

from partnerlab.intake.contract import TABLES, Column, Table, find_table
from partnerlab.intake.rows import ROW, field, known_rows, literal, typed_rows

if TYPE_CHECKING:
    from partnerlab.intake.source import Source

#: Nothing in a partner program happened before this day.
EARLIEST = date(1990, 1, 1)

#: Lines of a ledger that are no products: postage, bank charges, corrections.
NOT_PRODUCTS = ("POST", "POSTAGE", "SHIPPING", "DOT", "BANK CHARGES", "AMAZONFEE", "ADJUST", "ADJUST2")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """One reason to set a row, or a value of it, aside.

    Parameters
    ----------
    code : str
        ``Q1`` to ``Q7``.
    column : str
        The column at fault.
    condition : sqlglot expression
        True, never NULL, where the rule is broken; over alias ``r``.
    needs : tuple of str
        Columns that the condition reads.
    meaning : str
        What is wrong, for people.
    repairs : str or None
        Column whose value becomes unknown while the row stays; None sets the row aside.
    mark : str
        Tells two rules of one code and columns apart.
    """

    code: str
    column: str
    condition: exp.Expr
    needs: tuple[str, ...]
    meaning: str
    repairs: str | None = None
    mark: str = ""

    @property
    def name(self) -> str:
        """Name of the rule's count in a query."""
        return f"{self.code}:{','.join(self.needs)}{self.mark}"


def quarantine_rules(source: Source, table: str, *, as_of: datetime | None = None) -> tuple[Rule, ...]:
    """All rules that the table's columns allow, broken or not, waived or not."""
    contract = find_table(table)
    present = set(source.columns()[table])
    columns = [column for column in contract.columns if column.name in present]
    limit = _horizon(source, as_of)
    found = [_empty(column) for column in columns if not column.nullable]
    found += [_impossible_time(column, limit) for column in columns if column.type in ("instant", "date")]
    found += [_disorder(contract, first, second) for first, second in contract.order if {first, second} <= present]
    found += [_out_of_range(column) for column in columns if column.minimum is not None]
    # NaN lies above every number, so a maximum catches it too
    found += [_no_number(column) for column in columns if column.type in ("number", "share") and column.maximum is None]
    found += [_orphan(source, contract, column) for column in columns if _is_binding(source, contract, column)]
    if table == "transactions" and {"product", "kind"} <= present:
        found.append(_no_product((*NOT_PRODUCTS, *(code.upper() for code in source.program.not_products))))
    if table == "partners" and "is_test" in present:
        condition = exp.Coalesce(this=field("is_test"), expressions=[exp.false()])
        found.append(Rule(code="Q7", column="is_test", condition=condition, needs=("is_test",), meaning="test record"))
    return tuple(found)


def broken_rules(source: Source, table: str, *, as_of: datetime | None = None) -> tuple[Rule, ...]:
    """Rules that at least one row breaks and that the program does not waive: the ones worth a predicate."""
    counts = count_breaches(source, table, as_of=as_of)
    waived = source.program.waive
    return tuple(rule for rule in quarantine_rules(source, table, as_of=as_of) if counts[rule.name] and rule.code not in waived)


def count_breaches(source: Source, table: str, *, as_of: datetime | None = None) -> dict[str, int]:
    """Rows that break each rule, and all rows under the name ``rows``; one pass, asked of the engine once."""
    fact = ("breaches", table, as_of)
    if fact not in source.facts:
        rules = quarantine_rules(source, table, as_of=as_of)
        needed = list(dict.fromkeys(name for rule in rules for name in rule.needs))
        rows = known_rows(source, find_table(table), columns=needed or source.columns()[table][:1], as_of=as_of)
        one, zero = exp.Literal.number(1), exp.Literal.number(0)
        counts = [exp.alias_(exp.Sum(this=exp.Case().when(rule.condition, one).else_(zero)), rule.name, quoted=True) for rule in rules]
        counts.append(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True))
        (found,) = source.run(exp.select(*counts).from_(rows.subquery(exp.to_identifier(ROW, quoted=True)))).to_pylist()
        source.facts[fact] = {name: int(value or 0) for name, value in found.items()}
    return source.facts[fact]


def _horizon(source: Source, as_of: datetime | None) -> datetime:
    """Moment after which nothing can have happened yet."""
    if as_of is not None:
        return as_of + timedelta(days=1)
    until = source.program.data_until
    last = datetime(until.year, until.month, until.day) if until else datetime.now(UTC).replace(tzinfo=None)
    return last + timedelta(days=1)


def _empty(column: Column) -> Rule:
    condition = field(column.name).is_(exp.Null())
    return Rule(
        code="Q3", column=column.name, condition=condition, needs=(column.name,), meaning="empty or unreadable where a value must be"
    )


def _impossible_time(column: Column, limit: datetime) -> Rule:
    late = limit.replace(year=limit.year + 50) if column.planned else limit
    edges: tuple[datetime | date, datetime | date] = (datetime(EARLIEST.year, 1, 1), late)
    if column.type == "date":
        edges = (EARLIEST, late.date())
    outside = exp.or_(field(column.name) < literal(edges[0]), field(column.name) > literal(edges[1]))
    return Rule(
        code="Q1", column=column.name, condition=exp.Coalesce(this=exp.paren(outside), expressions=[exp.false()]), needs=(column.name,),
        meaning=f"before {EARLIEST} or after {late:%Y-%m-%d}", repairs=column.name if column.nullable else None,
    )  # fmt: skip


def _disorder(contract: Table, first: str, second: str) -> Rule:
    """Give an hour's grace, because clocks of two systems differ; days have none."""
    start, end = field(first), field(second)
    if contract.column(first).type == "instant":
        end = exp.Add(this=end, expression=exp.Interval(this=exp.Literal.string("1"), unit=exp.var("HOUR")))
    condition = exp.Coalesce(this=exp.paren(start > end), expressions=[exp.false()])
    return Rule(code="Q2", column=first, condition=condition, needs=(first, second), meaning=f"{first} comes after {second}")


def _out_of_range(column: Column) -> Rule:
    outside = field(column.name) < exp.Literal.number(column.minimum)
    words = f"below {column.minimum:g}"
    if column.maximum is not None:
        outside = exp.or_(outside, field(column.name) > exp.Literal.number(column.maximum))
        words += f" or above {column.maximum:g}"
    # a negative deal is a credit note and no deal; any other impossible number is only unknown
    repairs = column.name if column.nullable and column.type != "money" else None
    condition = exp.Coalesce(this=exp.paren(outside), expressions=[exp.false()])
    return Rule(code="Q4", column=column.name, condition=condition, needs=(column.name,), meaning=words, repairs=repairs)


def _no_number(column: Column) -> Rule:
    """Catch NaN and infinity; both engines say that NaN equals itself."""
    wrong = [exp.cast(exp.Literal.string(word), "double") for word in ("NaN", "Infinity", "-Infinity")]
    condition = exp.Coalesce(this=exp.paren(field(column.name).isin(*wrong)), expressions=[exp.false()])
    repairs = column.name if column.nullable else None
    return Rule(
        code="Q4", column=column.name, condition=condition, needs=(column.name,), meaning="no number (NaN)", repairs=repairs, mark="!"
    )


def _is_binding(source: Source, contract: Table, column: Column) -> bool:
    """Tell references that make the row somebody's (its partner, its key's parent) from those that only warn."""
    if column.references is None or not (column.name == "partner_id" or column.name in contract.key):
        return False
    parent, key = column.references.split(".")
    return key in source.columns().get(parent, ())


def _orphan(source: Source, contract: Table, column: Column) -> Rule:
    condition = exp.and_(field(column.name).is_(exp.Null()).not_(), exp.not_(known_parent(source, column)))
    parent = str(column.references).split(".")[0]
    return Rule(code="Q5", column=column.name, condition=condition, needs=(column.name,), meaning=f"names nobody in {parent}")


def known_parent(source: Source, column: Column) -> exp.Expr:
    """Condition that a reference's parent exists."""
    parent, key = str(column.references).split(".")
    keys = typed_rows(source, TABLES[parent], columns=[key]).where(exp.column(key, quoted=True).is_(exp.Null()).not_())
    return exp.In(this=field(column.name), query=keys.subquery())


def _no_product(codes: tuple[str, ...]) -> Rule:
    code = exp.Upper(this=field("product")).isin(*codes)
    condition = exp.Coalesce(this=exp.paren(exp.and_(code, field("kind").isin("invoice", "credit_note"))), expressions=[exp.false()])
    return Rule(
        code="Q6",
        column="product",
        condition=condition,
        needs=("product", "kind"),
        meaning="not a product but postage, charges or a correction",
    )
