"""What no analysis can live with: keys that repeat, columns that are missing, intervals that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from partnerlab.errors import nearest
from partnerlab.intake.casts import is_readable
from partnerlab.intake.contract import TABLES
from partnerlab.intake.findings import EXAMPLES, Desk, Finding, quote
from partnerlab.intake.rows import ROW, field, typed_rows

_STOP = "nothing is computed from the table until it is mended"


def check_rejections(desk: Desk, table: str) -> Iterator[Finding]:
    """Yield the findings of grade reject in one table: E1 to E6."""
    yield from _missing_columns(desk, table)
    yield from _repeated_keys(desk, table)
    if table == "tier_history":
        yield from _overlapping_tiers(desk)
    if table == "deal_partners" and desk.has(table, "deal_id", "role", "weight"):
        yield from _weights_above_one(desk)
    yield from _empty_intervals(desk, table)
    yield from _mixed_currencies(desk, table)


def _missing_columns(desk: Desk, table: str) -> Iterator[Finding]:
    contract, kinds = TABLES[table], desk.source.kinds(table)
    present = desk.source.columns()[table]
    for name in contract.required:
        if name not in present and name not in kinds:
            spare = [extra for extra in kinds if extra not in contract.names]
            hint = nearest(name, spare) if spare else ""
            yield Finding(table=table, column=name, rule="E2", rows=0, meaning=f"required column is missing{hint}", action=_STOP)
    for name in contract.names:
        if name in kinds and not is_readable(contract.column(name), kinds[name], dialect=desk.source.dialect):
            meaning = f"is {kinds[name]}, the contract wants {contract.column(name).type}"
            yield Finding(table=table, column=name, rule="E2", rows=0, meaning=meaning, action=_STOP)


def _repeated_keys(desk: Desk, table: str) -> Iterator[Finding]:
    present = desk.source.columns()[table]
    key = [name for name in TABLES[table].key if name in present]
    if not key or any(name not in present for name in TABLES[table].key if name in TABLES[table].required):
        return
    per_version = [*key, *(["recorded_at"] if "recorded_at" in present else [])]
    rows = typed_rows(desk.source, TABLES[table], columns=per_version).subquery(exp.to_identifier(ROW, quoted=True))
    count = exp.Count(this=exp.Star())
    groups = exp.select(*(field(name) for name in per_version), exp.alias_(count, "times", quoted=True)).from_(rows)
    groups = groups.where(field(key[0]).is_(exp.Null()).not_()).group_by(*(field(name) for name in per_version)).having("COUNT(*) > 1")
    inner = exp.to_identifier(ROW, quoted=True)
    spare = desk.number(exp.select(exp.alias_(exp.Sum(this=field("times") - 1), "spare", quoted=True)).from_(groups.subquery(inner)))
    if spare:
        found = desk.ask(
            exp.select(*(field(name) for name in per_version), field("times"))
            .from_(groups.subquery(inner))
            .order_by(*(field(name) for name in per_version))
            .limit(EXAMPLES)
        )
        yield Finding(
            table=table, column=", ".join(key), rule="E1", rows=spare, meaning="rows repeat the key of another", action=_STOP,
            examples="; ".join(sorted(quote(row) for row in found)),
        )  # fmt: skip


def _overlapping_tiers(desk: Desk) -> Iterator[Finding]:
    if not desk.has("tier_history", "partner_id", "tier", "valid_from", "valid_to"):
        return
    owner = [name for name in ("partner_id", "program_id") if desk.has("tier_history", name)]
    order = exp.Order(expressions=[exp.Ordered(this=field("valid_from"))])
    following = exp.Window(this=exp.func("LEAD", field("valid_from")), partition_by=[field(name) for name in owner], order=order)
    names = [*owner, "tier", "valid_from", "valid_to"]
    rows = exp.select(*(field(name) for name in names), exp.alias_(following, "next_from", quoted=True)).from_(
        desk.rows("tier_history", *names)
    )
    broken = exp.and_(
        field("next_from").is_(exp.Null()).not_(),
        exp.or_(field("valid_to").is_(exp.Null()), field("next_from") < field("valid_to")),
    )
    inner = rows.subquery(exp.to_identifier(ROW, quoted=True))
    count = desk.number(exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True)).from_(inner).where(broken))
    if count:
        shown = [field(name) for name in ("partner_id", "tier", "valid_from", "valid_to", "next_from")]
        found = desk.ask(
            exp.select(*shown).from_(inner.copy()).where(broken.copy()).order_by(field("partner_id"), field("valid_from")).limit(EXAMPLES)
        )
        yield Finding(
            table="tier_history", column="valid_to", rule="E3", rows=count, action=_STOP,
            meaning="conflicting tiers: the partner's next tier begins before this one ends", examples="; ".join(sorted(map(quote, found))),
        )  # fmt: skip


def _weights_above_one(desk: Desk) -> Iterator[Finding]:
    total = exp.Sum(this=field("weight"))
    groups = exp.select(field("deal_id"), field("role"), exp.alias_(total, "total", quoted=True)).from_(
        desk.rows("deal_partners", "deal_id", "role", "weight")
    )
    # a thousandth of grace: three thirds written with three digits are one
    groups = groups.group_by(field("deal_id"), field("role")).having(exp.GT(this=total.copy(), expression=exp.Literal.number("1.001")))
    inner = groups.subquery(exp.to_identifier(ROW, quoted=True))
    count = desk.number(exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True)).from_(inner))
    if count:
        found = desk.ask(
            exp.select(field("deal_id"), field("role"), field("total"))
            .from_(inner.copy())
            .order_by(field("deal_id"), field("role"))
            .limit(EXAMPLES)
        )
        yield Finding(
            table="deal_partners", column="weight", rule="E4", rows=count, action=_STOP,
            meaning="deals whose credit for a role sums to more than 1", examples="; ".join(sorted(map(quote, found))),
        )  # fmt: skip


def _empty_intervals(desk: Desk, table: str) -> Iterator[Finding]:
    interval = TABLES[table].interval
    if interval is None or not desk.has(table, *interval):
        return
    start, end = interval
    broken = exp.LTE(this=field(end), expression=field(start))
    count = desk.number(
        exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True)).from_(desk.rows(table, start, end)).where(broken)
    )
    if count:
        examples = desk.examples(TABLES[table], end, broken.copy(), needs=interval)
        yield Finding(
            table=table, column=end, rule="E5", rows=count, meaning=f"{end} is not after {start}", action=_STOP, examples=examples
        )


def _mixed_currencies(desk: Desk, table: str) -> Iterator[Finding]:
    money = "cost" if desk.has(table, "cost", "currency") else "amount"
    if not desk.has(table, money, "currency") or desk.has(table, "amount_base") or "fx_rates" in desk.source.columns():
        return
    home = desk.source.program.currency
    currency = exp.Coalesce(this=field("currency"), expressions=[exp.Literal.string(home)]) if home else field("currency")
    query = exp.select(exp.alias_(currency, "currency", quoted=True), exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True))
    query = query.from_(desk.rows(table, money, "currency")).where(field(money).is_(exp.Null()).not_()).group_by(currency.copy())
    found = sorted(((row["rows"], str(row["currency"])) for row in desk.ask(query) if row["currency"]), reverse=True)
    if len(found) > 1:
        yield Finding(
            table=table, column="currency", rule="E6", rows=sum(rows for rows, _ in found[1:]), action=_STOP,
            meaning="several currencies and neither amount_base nor fx_rates",
            examples=", ".join(f"{code} {rows}" for rows, code in found[:EXAMPLES]),
        )  # fmt: skip
