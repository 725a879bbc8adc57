"""Findings of grade quarantine: the rows and values that the rules set aside, and those that could not be read."""

from __future__ import annotations

from collections.abc import Iterator

from partnerlab.intake.contract import TABLES
from partnerlab.intake.exports import LINE
from partnerlab.intake.findings import Desk, Finding
from partnerlab.intake.rules import Rule, count_breaches, quarantine_rules


def check_quarantine(desk: Desk, table: str) -> Iterator[Finding]:
    """Yield the findings of grade quarantine in one table: Q1 to Q7, counted with the very predicates that `select_rows` applies."""
    counts = count_breaches(desk.source, table, as_of=desk.as_of)
    unread = {found.column: found for found in desk.source.misreadings(table)}
    for rule in quarantine_rules(desk.source, table, as_of=desk.as_of):
        told = unread[rule.column].rows if rule.code == "Q3" and rule.column in unread else 0
        if counts[rule.name] > told:
            yield _finding(desk, table, rule, counts[rule.name] - told)
    for name, found in unread.items():
        if name == LINE:
            yield Finding(
                table=table, column=name, rule="Q3", rows=found.rows, action="line set aside", examples="; ".join(found.examples),
                meaning="cannot be split into the file's columns",
            )  # fmt: skip
            continue
        column = TABLES[table].column(name)
        action = "value is unknown, row kept" if column.nullable else "row set aside"
        yield Finding(
            table=table, column=name, rule="Q3", rows=found.rows, action=action, examples="; ".join(found.examples),
            meaning=f"cannot be read as {column.type}; say how in the mapping",
        )  # fmt: skip


def _finding(desk: Desk, table: str, rule: Rule, rows: int) -> Finding:
    examples = desk.examples(TABLES[table], rule.column, rule.condition, needs=rule.needs)
    reason = desk.source.program.waive.get(rule.code)
    if reason is not None:
        return Finding(
            table=table, column=rule.column, rule=rule.code, rows=rows, grade="warn", meaning=rule.meaning, examples=examples,
            action=f"kept, as the program says: {reason}",
        )  # fmt: skip
    action = "value is unknown, row kept" if rule.repairs else "row set aside"
    return Finding(table=table, column=rule.column, rule=rule.code, rows=rows, meaning=rule.meaning, examples=examples, action=action)
