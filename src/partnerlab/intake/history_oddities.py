"""Oddities of time and history: joins, lapses, tiers, late news, renames, partial quarters, unequal experiments."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

from sqlglot import exp

from partnerlab.errors import SampleError, SourceError
from partnerlab.intake import casts
from partnerlab.intake.contract import TABLES
from partnerlab.intake.findings import EXAMPLES, Desk, Finding
from partnerlab.intake.rows import ROW, field, has_versions, typed_rows
from partnerlab.intake.span import FLOWS, STATES, data_span

#: A week with more lapses than this many times the median week looks like a clean-up.
BATCH = 5

#: A row recorded later than this after it happened is late news.
LATE = timedelta(days=92)

#: Facts of a profile that should stay the same: rule and words where they do not.
_STEADY = {
    "joined_at": ("W5", "partners with several stated join dates"),
    "country": ("W4", "partners seen in several countries"),
    "domain": ("W4", "partners seen under several domains"),
}

#: p value below which an experiment's split is not what was designed.
SRM = 0.001


def check_history(desk: Desk, table: str) -> Iterator[Finding]:
    """Yield the findings W4 to W8, W10, W12, W13 of one table."""
    checks = {
        "partners": (_join_dates,), "partner_aliases": (_renames,), "partner_profile": (_stated_twice, _tiers_at_once),
        "tier_history": (_batch_terminations, _strange_tiers), "assignments": (_unequal_split,),
    }  # fmt: skip
    for check in checks.get(table, ()):
        yield from check(desk)
    yield from _outside_membership(desk, table)
    yield from _late_news(desk, table)
    yield from _cut_off(desk, table)
    yield from _partial_periods(desk, table)


def _tally(desk: Desk, table: str, condition: exp.Expr, *needs: str) -> int:
    query = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True)).from_(desk.rows(table, *needs))
    return desk.number(query.where(condition))


def _partners_with_several(desk: Desk, table: str, column: str, *, only: exp.Expr | None = None, needs: tuple[str, ...] = ()) -> int:
    """Partners for whom a column holds more than one value."""
    several = exp.GT(this=exp.Count(this=exp.Distinct(expressions=[field(column)])), expression=exp.Literal.number(1))
    groups = exp.select(field("partner_id")).from_(desk.rows(table, *dict.fromkeys(("partner_id", column, *needs))))
    groups = (groups.where(only) if only is not None else groups).group_by(field("partner_id")).having(several)
    return desk.number(exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True)).from_(groups.subquery(ROW)))


def _join_dates(desk: Desk) -> Iterator[Finding]:
    """W5. Join dates that nobody stated, or stated after the partner was already there."""
    if desk.has("partners", "joined_source"):
        unstated = exp.or_(
            field("joined_source").is_(exp.Null()), exp.NEQ(this=field("joined_source"), expression=exp.Literal.string("stated"))
        )
        rows = _tally(desk, "partners", unstated, "joined_source")
        if rows:
            yield Finding(
                table="partners",
                column="joined_source",
                rule="W5",
                rows=rows,
                action="kept",
                meaning="the join date is not stated by the program",
            )
    elif desk.has("partners", "joined_at"):
        rows = _tally(desk, "partners", field("joined_at").is_(exp.Null()), "joined_at")
        if rows:
            yield Finding(table="partners", column="joined_at", rule="W5", rows=rows, action="kept", meaning="no join date")
    if not (desk.has("partners", "joined_at", "joined_source") and desk.has("tier_history", "partner_id", "valid_from")):
        return
    first = exp.select(field("partner_id"), exp.alias_(exp.Min(this=field("valid_from")), "first_seen", quoted=True))
    first = first.from_(desk.rows("tier_history", "partner_id", "valid_from")).group_by(field("partner_id")).subquery("seen")
    after = exp.cast(field("joined_at"), "timestamp") > exp.column("first_seen", table="seen", quoted=True)
    query = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True))
    query = query.from_(desk.rows("partners", "partner_id", "joined_at", "joined_source"))
    query = query.join(first, on=field("partner_id").eq(exp.column("partner_id", table="seen", quoted=True)))
    rows = desk.number(query.where(field("joined_source").eq("stated"), after))
    if rows:
        yield Finding(
            table="partners",
            column="joined_at",
            rule="W5",
            rows=rows,
            action="kept",
            meaning="stated join date comes after the first recorded tier",
        )


def _outside_membership(desk: Desk, table: str) -> Iterator[Finding]:
    """W5. Events of partners who had not joined yet, or had left: where the partner is no member, nothing is shown."""
    clock, days = str(TABLES[table].time), [name for name in ("joined_at", "left_at") if desk.has("partners", "partner_id", name)]
    if table not in FLOWS or not days or not desk.has(table, clock):
        return
    rows = _with_partner(desk, table, clock)
    if rows is None:
        return
    when = field(clock)
    zone = desk.source.program.timezone
    day = {name: exp.column(name, table="m", quoted=True) for name in days}
    if TABLES[table].column(clock).type == "instant":
        day = {name: casts.midnight(place, zone=zone) for name, place in day.items()}
    outside = [when < day["joined_at"]] if "joined_at" in day else []
    outside += [exp.GTE(this=when.copy(), expression=day["left_at"])] if "left_at" in day else []
    members = desk.rows("partners", "partner_id", *days)
    members.set("alias", exp.TableAlias(this=exp.to_identifier("m", quoted=True)))
    same = field("partner_id").eq(exp.column("partner_id", table="m", quoted=True))
    query = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True)).from_(rows).join(members, on=same)
    lost = desk.number(query.where(exp.or_(*outside)))
    if lost:
        yield Finding(
            table=table, column=clock, rule="W5", rows=lost, action="kept; not shown for quarters that end without the partner as member",
            meaning=f"rows outside their partner's membership ({' to '.join(days)})",
        )  # fmt: skip


def _with_partner(desk: Desk, table: str, clock: str) -> exp.Subquery | None:
    """Rows of events, each with its partner; a deal once for each of its partners."""
    if table != "deals":
        return desk.rows(table, "partner_id", clock) if desk.has(table, "partner_id") else None
    if not (desk.has("deals", "deal_id") and desk.has("deal_partners", "deal_id", "partner_id")):
        return None
    parts = exp.select(field("deal_id"), field("partner_id")).distinct().from_(desk.rows("deal_partners", "deal_id", "partner_id"))
    same = field("deal_id").eq(exp.column("deal_id", table="p", quoted=True))
    both = exp.select(field(clock), exp.column("partner_id", table="p", quoted=True)).from_(desk.rows("deals", "deal_id", clock))
    both = both.join(parts.subquery(exp.to_identifier("p", quoted=True)), on=same)
    return both.subquery(exp.to_identifier(ROW, quoted=True))


def _renames(desk: Desk) -> Iterator[Finding]:
    """W4. Partners that go by several names, and names that several partners go by."""
    if not desk.has("partner_aliases", "partner_id", "alias"):
        return
    rows = _partners_with_several(desk, "partner_aliases", "alias")
    if rows:
        yield Finding(
            table="partner_aliases", column="alias", rule="W4", rows=rows, action="kept", meaning="partners that go by several names"
        )
    several = exp.GT(this=exp.Count(this=exp.Distinct(expressions=[field("partner_id")])), expression=exp.Literal.number(1))
    shared = exp.select(field("alias")).from_(desk.rows("partner_aliases", "partner_id", "alias"))
    shared = shared.where(field("alias").is_(exp.Null()).not_()).group_by(field("alias")).having(several)
    found = sorted(str(row["alias"]) for row in desk.ask(shared))
    if found:
        yield Finding(
            table="partner_aliases", column="alias", rule="W4", rows=len(found), action="kept", meaning="names that several partners go by",
            examples="; ".join(found[:EXAMPLES]),
        )  # fmt: skip


def _stated_twice(desk: Desk) -> Iterator[Finding]:
    """W4 and W5. Facts that should not change and yet were stated differently over time."""
    if not desk.has("partner_profile", "field", "value"):
        return
    for name, (rule, meaning) in _STEADY.items():
        rows = _partners_with_several(desk, "partner_profile", "value", only=field("field").eq(name), needs=("field",))
        if rows:
            yield Finding(table="partner_profile", column="value", rule=rule, rows=rows, action="kept", meaning=meaning)


def _tiers_at_once(desk: Desk) -> Iterator[Finding]:
    """W12. Moments at which the raw record held several tiers, as the mapping tells by the field tiers_at_once."""
    if not desk.has("partner_profile", "field", "number"):
        return
    rows = _tally(desk, "partner_profile", exp.and_(field("field").eq("tiers_at_once"), field("number") > 1), "field", "number")
    if rows:
        yield Finding(
            table="partner_profile", column="number", rule="W12", rows=rows, action="the mapping chose one",
            meaning="conflicting tiers: the raw record held several at once",
        )  # fmt: skip


def _batch_terminations(desk: Desk) -> Iterator[Finding]:
    """W7. Weeks in which far more partners lapse than in the median week that has any: clean-ups of the record."""
    if not desk.has("tier_history", "partner_id", "valid_from", "valid_to"):
        return
    order = exp.Order(expressions=[exp.Ordered(this=field("valid_from"))])
    following = exp.Window(this=exp.func("LEAD", field("valid_from")), partition_by=[field("partner_id")], order=order)
    rows = exp.select(field("valid_to"), exp.alias_(following, "next_from", quoted=True))
    rows = rows.from_(desk.rows("tier_history", "partner_id", "valid_from", "valid_to")).subquery(exp.to_identifier(ROW, quoted=True))
    ended = exp.select(field("valid_to"), field("next_from")).from_(rows).where(field("valid_to").is_(exp.Null()).not_())
    weeks: Counter[date] = Counter()
    for row in desk.ask(ended):
        if row["next_from"] is None or row["next_from"] - row["valid_to"] > timedelta(days=7):
            day = row["valid_to"].date()
            weeks[day - timedelta(days=day.weekday())] += 1
    if len(weeks) < 10:
        return
    median = statistics.median(weeks.values())
    batches = {week: lapses for week, lapses in weeks.items() if lapses > BATCH * median}
    if batches:
        worst = sorted(batches.items(), key=lambda item: -item[1])[:EXAMPLES]
        yield Finding(
            table="tier_history", column="valid_to", rule="W7", rows=sum(batches.values()), of=sum(weeks.values()), action="kept",
            meaning=f"lapses in {len(batches)} weeks with more than {BATCH} times the median of {median:g}: batch terminations",
            examples="; ".join(f"week of {week}: {lapses}" for week, lapses in worst),
        )  # fmt: skip


def _strange_tiers(desk: Desk) -> Iterator[Finding]:
    """W12. Tiers that the program does not list."""
    query = exp.select(field("tier"), exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True))
    found = {
        str(row["tier"]): int(row["rows"])
        for row in desk.ask(query.from_(desk.rows("tier_history", "tier")).group_by(field("tier")))
        if row["tier"]
    }
    known = desk.source.program.tier_order
    strange = {tier: rows for tier, rows in found.items() if tier not in known}
    if strange:
        shown = ", ".join(f"{tier} ({rows})" for tier, rows in sorted(strange.items()))
        meaning = (
            "tiers that program.tier_order does not list" if known else "program.tier_order is not given: which tier is better is not known"
        )
        yield Finding(
            table="tier_history", column="tier", rule="W12", rows=sum(strange.values()), action="kept", meaning=meaning, examples=shown
        )


def _unequal_split(desk: Desk) -> Iterator[Finding]:
    """W13. Sample ratio mismatch: chi-square of the variants' sizes against the design (p_assign, else equal shares)."""
    from scipy.special import chdtrc

    stated = desk.has("assignments", "p_assign")
    columns = ["experiment_id", "variant", *(["p_assign"] if stated else [])]
    shares = [exp.alias_(exp.Avg(this=field("p_assign")), "p", quoted=True)] if stated else []
    query = exp.select(field("experiment_id"), field("variant"), exp.alias_(exp.Count(this=exp.Star()), "units", quoted=True), *shares)
    experiments: dict[str, list[dict]] = {}
    for row in desk.ask(query.from_(desk.rows("assignments", *columns)).group_by(field("experiment_id"), field("variant"))):
        experiments.setdefault(row["experiment_id"], []).append(row)
    for name, variants in sorted(experiments.items(), key=lambda item: str(item[0])):
        units = sum(row["units"] for row in variants)
        weights = [row["p"] if stated and row["p"] else 1.0 for row in variants]
        expected = [units * weight / sum(weights) for weight in weights]
        statistic = sum((row["units"] - wanted) ** 2 / wanted for row, wanted in zip(variants, expected, strict=True))
        if len(variants) > 1 and chdtrc(len(variants) - 1, statistic) < SRM:
            sizes = ", ".join(f"{row['variant']} {row['units']}" for row in sorted(variants, key=lambda row: str(row["variant"])))
            yield Finding(
                table="assignments", column="variant", rule="W13", rows=units, action="kept; do not trust the comparison", examples=sizes,
                meaning=f"sample ratio mismatch in {name}: the variants' sizes are not the design's (p < {SRM})",
            )  # fmt: skip


def _late_news(desk: Desk, table: str) -> Iterator[Finding]:
    """W6. Rows that were restated, and rows recorded more than a quarter after they happened."""
    contract = TABLES[table]
    if not desk.has(table, "recorded_at"):
        return
    if has_versions(desk.source, contract):
        every = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True))
        total = desk.number(every.from_(typed_rows(desk.source, contract, columns=["recorded_at"]).subquery(ROW)))
        latest = desk.number(every.copy().from_(desk.rows(table, "recorded_at")))
        if total > latest:
            yield Finding(
                table=table, column="recorded_at", rule="W6", rows=total - latest, of=total, action="the version known at the date is used",
                meaning="earlier versions of rows that were restated",
            )  # fmt: skip
    if contract.time is None or contract.column(contract.time).type != "instant" or not desk.has(table, contract.time):
        return
    grace = exp.Interval(this=exp.Literal.string(str(LATE.days)), unit=exp.var("DAY"))
    late = field("recorded_at") > exp.Add(this=field(contract.time), expression=grace)
    rows = _tally(desk, table, late, "recorded_at", contract.time)
    if rows:
        yield Finding(
            table=table, column="recorded_at", rule="W6", rows=rows, action="kept; a past quarter changes when they arrive",
            meaning=f"recorded more than {LATE.days} days after they happened",
        )  # fmt: skip


def _cut_off(desk: Desk, table: str) -> Iterator[Finding]:
    """W8. Intervals whose beginning or end the record does not see."""
    for name, words in (("left_truncated", "began before the record does"), ("right_censored", "still so when the record ends")):
        if desk.has(table, name):
            rows = _tally(desk, table, field(name), name)
            if rows:
                yield Finding(table=table, column=name, rule="W8", rows=rows, action="handled as delayed entry or censoring", meaning=words)


def _partial_periods(desk: Desk, table: str) -> Iterator[Finding]:
    """W10. Quarters at the ends that the data, or this table, cover only in part: as the panel is cut."""
    told = [name for name in (*FLOWS, *STATES) if name in desk.tables and desk.has(name, str(TABLES[name].time))]
    if table not in told:
        return
    try:
        span = data_span(desk.source, as_of=desk.as_of)
    except (SampleError, SourceError):
        return
    ends = {span.first: f"first quarter {span.first} is partial: nothing before {span.since}",
            span.last: f"last quarter {span.last} is partial: data until {span.until}"}  # fmt: skip
    if table == told[0]:
        for label in span.partial:
            yield Finding(
                table=table, column=str(TABLES[table].time), rule="W10", rows=0, action="flagged; left out of transitions",
                meaning=ends[label],
            )  # fmt: skip
    periods = span.calendar.range(span.first, span.last)
    silent = [label for label, seen in zip(span.calendar.labels(periods), span.covered(table, periods), strict=True) if not seen]
    if silent and table in FLOWS:
        yield Finding(
            table=table, column=str(TABLES[table].time), rule="W10", rows=0, action="what it counts is unknown there, not zero",
            meaning=f"no row in {len(silent)} of {len(periods)} quarters at the ends", examples=", ".join(silent[:EXAMPLES]),
        )  # fmt: skip
