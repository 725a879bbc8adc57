"""What looks wrong but may be right: reported with numbers, never changed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from sqlglot import exp

from partnerlab.errors import nearest
from partnerlab.intake.contract import TABLES
from partnerlab.intake.findings import EXAMPLES, Desk, Finding
from partnerlab.intake.history_oddities import check_history
from partnerlab.intake.rows import ROW, field, outside_values
from partnerlab.intake.rules import known_parent

#: Tables in which a row that equals another in everything but its id is suspicious.
_EVENTS = ("leads", "deals", "transactions", "activities", "cases")

#: Tables whose rows should have a partner.
_OWNED = ("leads", "deals", "transactions", "activities", "cases", "surveys")

_COMMON = ("source_system", "source_id", "recorded_at", "ingested_at", "row_hash")
_PERSONAL = re.compile(r"(e_?mail|phone|mobile|first_?name|last_?name|birth|street|salutation)", re.IGNORECASE)

#: Share of rows without a partner above which the report says so.
UNATTRIBUTED = 0.05


def check_oddities(desk: Desk, table: str) -> Iterator[Finding]:
    """Yield the findings of grade warn in one table: W1 to W18."""
    if table in _OWNED:
        yield from _unattributed(desk, table)
    if table in _EVENTS:
        yield from _repeated_rows(desk, table)
    yield from check_history(desk, table)
    yield from _wall_clocks(desk, table)
    yield from _money(desk, table)
    yield from _stray_categories(desk, table)
    yield from _personal_data(desk, table)
    yield from _orphans(desk, table)


def count(desk: Desk, table: str, condition: exp.Expr, *needs: str) -> int:
    """Rows of a table that meet a condition."""
    query = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True)).from_(desk.rows(table, *needs))
    return desk.number(query.where(condition))


def _unattributed(desk: Desk, table: str) -> Iterator[Finding]:
    """W1. A deal's partners stand in deal_partners; elsewhere the row names its own."""
    clock = TABLES[table].time
    if table == "deals" and "deal_partners" in desk.source.columns() and desk.has("deals", "deal_id"):
        partners = exp.select(field("deal_id")).from_(desk.rows("deal_partners", "deal_id", "partner_id"))
        lost = exp.not_(exp.In(this=field("deal_id"), query=partners.where(field("partner_id").is_(exp.Null()).not_()).subquery()))
        needs = ("deal_id", str(clock))
    elif desk.has(table, "partner_id"):
        lost, needs = field("partner_id").is_(exp.Null()), ("partner_id", str(clock))
    else:
        return
    if not desk.has(table, str(clock)):
        return
    year = exp.Extract(this=exp.var("YEAR"), expression=field(str(clock)))
    quarter = exp.Extract(this=exp.var("QUARTER"), expression=field(str(clock)))
    flag = exp.Case().when(lost, exp.Literal.number(1)).else_(exp.Literal.number(0))
    query = exp.select(
        exp.alias_(year, "year", quoted=True), exp.alias_(quarter, "quarter", quoted=True),
        exp.alias_(exp.Sum(this=flag), "lost", quoted=True), exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True),
    )  # fmt: skip
    found = desk.ask(query.from_(desk.rows(table, *needs)).group_by(year.copy(), quarter.copy()))
    rows, total = sum(int(row["lost"]) for row in found), sum(int(row["rows"]) for row in found)
    if total and rows / total > UNATTRIBUTED:
        yield Finding(
            table=table, column="partner_id", rule="W1", rows=rows, of=total, action="kept; counted for nobody",
            meaning="no partner is named", examples=_drift(found),
        )  # fmt: skip


def _drift(found: list[dict]) -> str:
    """Lowest and highest quarterly share, among quarters with enough rows to say."""
    shares = sorted(
        (int(row["lost"]) / int(row["rows"]), f"{int(row['year'])}Q{int(row['quarter'])}")
        for row in found
        if row["year"] and row["rows"] >= 50
    )
    if len(shares) < 2:
        return ""
    (low, first), (high, last) = shares[0], shares[-1]
    return f"by quarter from {low:.1%} ({first}) to {high:.1%} ({last})"


def _repeated_rows(desk: Desk, table: str) -> Iterator[Finding]:
    """W2 and W3. Rows that equal another in all but id; never dropped, because two customers may do the same."""
    present = desk.source.columns()[table]
    content = [name for name in present if name not in (*TABLES[table].key, *_COMMON)]
    if len(content) < 3:
        return
    system = ["source_system"] if "source_system" in present else []
    names = [*content, *system]
    groups = exp.select(*(field(name) for name in names), exp.alias_(exp.Count(this=exp.Star()), "times", quoted=True))
    groups = groups.from_(desk.rows(table, *names)).group_by(*(field(name) for name in names))
    inner = exp.to_identifier(ROW, quoted=True)
    spare = desk.number(exp.select(exp.alias_(exp.Sum(this=field("times") - 1), "spare", quoted=True)).from_(groups.subquery(inner)))
    if spare:
        yield Finding(
            table=table, column=", ".join(content[:3]) + ", ...", rule="W2", rows=spare, action="kept, all of them",
            meaning="exact duplicates of another row in everything but the id",
        )  # fmt: skip
    if not system:
        return
    times = field("times")
    shared = exp.select(exp.alias_(exp.Sub(this=exp.Sum(this=times), expression=exp.Max(this=times.copy())), "shared", quoted=True))
    shared = shared.from_(groups.copy().subquery(inner)).group_by(*(field(name) for name in content)).having("COUNT(*) > 1")
    rows = desk.number(exp.select(exp.alias_(exp.Sum(this=field("shared")), "rows", quoted=True)).from_(shared.subquery(inner)))
    if rows:
        yield Finding(
            table=table, column="source_system", rule="W3", rows=rows, action="kept: cut the extracts so that they do not overlap",
            meaning="rows that two extracts both hold",
        )  # fmt: skip


def _wall_clocks(desk: Desk, table: str) -> Iterator[Finding]:
    """W9. Wall-clock times without a declared zone, or 'UTC' times that keep local business hours."""
    naive = desk.source.wall_clocks(table)
    if naive:
        meaning = "times state no zone and the mapping declares no naive_tz"
        yield Finding(table=table, column=", ".join(naive), rule="W9", rows=0, action="read as UTC", meaning=meaning)
    clock, zone = TABLES[table].time, desk.source.program.timezone
    shift = _hours_from_utc(zone)
    if table not in _EVENTS or abs(shift) < 2 or not desk.has(table, str(clock)):
        return
    hour = exp.Extract(this=exp.var("HOUR"), expression=field(str(clock)))
    query = exp.select(exp.alias_(hour, "hour", quoted=True), exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True))
    found = {
        int(row["hour"]): int(row["rows"])
        for row in desk.ask(query.from_(desk.rows(table, str(clock))).group_by(hour.copy()))
        if row["hour"] is not None
    }
    total = sum(found.values())
    if total < 200:
        return
    as_utc = sum(rows for hour, rows in found.items() if 8 <= hour < 18) / total
    as_local = sum(rows for hour, rows in found.items() if 8 <= (hour + shift) % 24 < 18) / total
    if as_utc > as_local + 0.15:
        yield Finding(
            table=table, column=str(clock), rule="W9", rows=total, action="read as UTC",
            meaning=f"{as_utc:.0%} lie between 8 and 18 as they are, {as_local:.0%} as local time of {zone}: UTC may be a mislabel",
        )  # fmt: skip


def _hours_from_utc(zone: str) -> int:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    offset = datetime(2024, 1, 15, tzinfo=ZoneInfo(zone)).utcoffset()
    return round(offset.total_seconds() / 3600) if offset else 0


def _money(desk: Desk, table: str) -> Iterator[Finding]:
    """W11 and W17. Amounts and prices of nothing, signs against the kind, credit notes, partners who cost more than they bring."""
    for name, least in (("amount", 0), ("unit_price", 0)):
        if not desk.has(table, name):
            continue
        rows = count(desk, table, field(name).eq(least), name)
        if rows:
            yield Finding(table=table, column=name, rule="W11", rows=rows, action="kept", meaning=f"{name.replace('_', ' ')} is zero")
    if desk.has(table, "unit_price"):
        below = field("unit_price") < 0
        rows = count(desk, table, below, "unit_price")
        if rows:
            examples = desk.examples(TABLES[table], "unit_price", below.copy(), needs=())
            yield Finding(
                table=table, column="unit_price", rule="W11", rows=rows, action="kept", meaning="unit price is negative", examples=examples
            )
    if table != "transactions" or not desk.has(table, "kind", "amount"):
        return
    notes = count(desk, table, field("kind").eq("credit_note"), "kind")
    if notes:
        yield Finding(
            table=table, column="kind", rule="W17", rows=notes, action="kept; they subtract", meaning="credit notes (cancellations)"
        )
    against = exp.or_(
        exp.and_(field("kind").eq("invoice"), field("amount") < 0), exp.and_(field("kind").eq("credit_note"), field("amount") > 0)
    )
    rows = count(desk, table, against, "kind", "amount")
    if rows:
        examples = desk.examples(TABLES[table], "amount", against.copy(), needs=("kind",))
        yield Finding(
            table=table, column="amount", rule="W11", rows=rows, action="kept", meaning="the sign is against the kind", examples=examples
        )
    if desk.has(table, "partner_id"):
        yield from _net_losers(desk)


def _net_losers(desk: Desk) -> Iterator[Finding]:
    known = field("partner_id").is_(exp.Null()).not_()
    groups = exp.select(field("partner_id"), exp.alias_(exp.Sum(this=field("amount")), "net", quoted=True))
    groups = groups.from_(desk.rows("transactions", "partner_id", "amount")).where(known).group_by(field("partner_id"))
    inner = groups.subquery(exp.to_identifier(ROW, quoted=True))
    low = exp.Case().when(exp.LTE(this=field("net"), expression=exp.Literal.number(0)), exp.Literal.number(1)).else_(exp.Literal.number(0))
    query = exp.select(exp.alias_(exp.Sum(this=low), "low", quoted=True), exp.alias_(exp.Count(this=exp.Star()), "all", quoted=True))
    (found,) = desk.ask(query.from_(inner))
    if found["low"]:
        yield Finding(
            table="transactions", column="amount", rule="W17", rows=int(found["low"]), of=int(found["all"]), action="kept",
            meaning="partners whose transactions net to zero or less",
        )  # fmt: skip


def _stray_categories(desk: Desk, table: str) -> Iterator[Finding]:
    """W15. Values outside a closed list."""
    for column in TABLES[table].columns:
        if column.type != "category" or not desk.has(table, column.name):
            continue
        strays = outside_values(desk.source, table, column)
        if strays:
            shown = ", ".join(f"{value} ({rows})" for value, rows in itertools.islice(strays.items(), EXAMPLES))
            kept = "counted as 'other'" if "other" in column.values else "kept as they are; no condition finds them"
            yield Finding(
                table=table, column=column.name, rule="W15", rows=sum(strays.values()), action=kept, examples=shown,
                meaning=f"outside the closed list; map them to {', '.join(column.values)}",
            )  # fmt: skip


def _personal_data(desk: Desk, table: str) -> Iterator[Finding]:
    """W14 and W16. Columns about persons, ids that are mail addresses, and columns nobody reads."""
    contract = TABLES[table]
    extra = [name for name in desk.source.kinds(table) if name not in contract.names]
    personal = [name for name in extra if _PERSONAL.search(name)]
    for name in personal:
        yield Finding(table=table, column=name, rule="W14", rows=0, action="not read", meaning="personal data: drop the column or hash it")
    hints = [f"{name}{nearest(name, contract.names)}" for name in extra if name not in personal]
    hints = [hint.split("; known:")[0] for hint in hints]
    if hints:
        yield Finding(
            table=table, column=hints[0].split(";")[0], rule="W16", rows=0, action="not read", meaning="columns not in the contract",
            examples="; ".join(hints[: 2 * EXAMPLES]) + (" ..." if len(hints) > 2 * EXAMPLES else ""),
        )  # fmt: skip
    for name in ("manager_id", "person_id", "customer_id", "decided_by", "unit_id"):
        if desk.has(table, name):
            mail = exp.Like(this=field(name), expression=exp.Literal.string("%@%"))
            rows = count(desk, table, mail, name)
            if rows:
                yield Finding(
                    table=table, column=name, rule="W14", rows=rows, action="kept", meaning="mail addresses where a hash should be"
                )


def _orphans(desk: Desk, table: str) -> Iterator[Finding]:
    """W18. References to nobody that do not cost the row its meaning."""
    for column in TABLES[table].columns:
        if column.references is None or column.name == "partner_id" or column.name in TABLES[table].key or not desk.has(table, column.name):
            continue
        parent, key = column.references.split(".")
        if not desk.has(parent, key):
            continue
        orphan = exp.and_(field(column.name).is_(exp.Null()).not_(), exp.not_(known_parent(desk.source, column)))
        rows = count(desk, table, orphan, column.name)
        if rows:
            examples = desk.examples(TABLES[table], column.name, orphan.copy(), needs=())
            yield Finding(
                table=table,
                column=column.name,
                rule="W18",
                rows=rows,
                action="kept",
                meaning=f"names nobody in {parent}",
                examples=examples,
            )
