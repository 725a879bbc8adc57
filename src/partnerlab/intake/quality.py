"""What is wrong with the data, counted and quoted before anything is computed from them.

Every rule is a SQL expression that is counted where the data live: a schema library
over frames would first have to fetch the rows, and its verdict could not be the
predicate with which the panel leaves rows out.
"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from partnerlab.errors import ContractError, MissingTableError
from partnerlab.intake.contract import find_table
from partnerlab.intake.moments import read_as_of

if TYPE_CHECKING:
    import pandas as pd

    from partnerlab.intake.findings import Desk, Finding
    from partnerlab.intake.source import Source

#: Columns of a data-quality report.
COLUMNS = ("table", "column", "rule", "grade", "rows", "share", "examples", "action", "meaning")

_GRADES = {"E": "reject", "Q": "quarantine", "W": "warn"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataQuality:
    """What `validate` found.

    Parameters
    ----------
    table : DataFrame
        One row for each broken rule: ``table, column, rule, grade (reject, quarantine, warn),
        rows, share, examples, action, meaning``; the worst first.
    tables : mapping of str to int
        Rows of each table, as known at ``as_of``.
    url : str
        Where the data live.
    as_of : datetime or None
        As known on this moment.
    """

    table: pd.DataFrame = dataclasses.field(repr=False)
    tables: Mapping[str, int]
    url: str
    as_of: datetime | None = None

    @property
    def rejects(self) -> pd.DataFrame:
        """The findings from which nothing can be computed."""
        return self.table[self.table["grade"] == "reject"].reset_index(drop=True)

    @property
    def passed(self) -> bool:
        """Whether anything can be computed from these data."""
        return self.rejects.empty

    def count(self, rule: str, *, table: str | None = None) -> int:
        """Rows that break a rule, in one table or all.

        Examples
        --------
        >>> import pandas as pd
        >>> from partnerlab.intake import connect, validate
        >>> validate(connect({"partners": pd.DataFrame({"partner_id": ["P1", "P1", "P2"]})})).count("E1")
        1
        """
        found = self.table[self.table["rule"] == rule]
        return int((found if table is None else found[found["table"] == table])["rows"].sum())

    def raise_if_rejected(self) -> None:
        """Stop if a finding has grade reject.

        Raises
        ------
        ContractError
            Naming the first finding in one line, and how many more there are.
        """
        rejects = self.rejects
        if rejects.empty:
            return
        first = rejects.iloc[0]
        more = f" (and {len(rejects) - 1} more findings, see validate(source).rejects)" if len(rejects) > 1 else ""
        raise ContractError(
            f"{self.url}: {_sentence(first)}{more}",
            table=first["table"], column=first["column"], rule=first["rule"], rows=int(first["rows"]),
        )  # fmt: skip

    def summary(self) -> str:
        """Say the findings in one sentence.

        Examples
        --------
        >>> import pandas as pd
        >>> from partnerlab.intake import connect, validate
        >>> validate(connect({"partners": pd.DataFrame({"partner_id": ["P1"]})})).summary()
        '1 table, 1 row: nothing to reject, no row set aside, 0 warnings.'
        """
        worst = {grade: self.table[self.table["grade"] == grade]["rows"] for grade in _GRADES.values()}
        rejected, aside, warned = len(worst["reject"]), int(worst["quarantine"].sum()), len(worst["warn"])
        return (
            f"{_some(len(self.tables), 'table')}, {_some(sum(self.tables.values()), 'row')}: "
            + (f"{_some(rejected, 'finding')} to reject, " if rejected else "nothing to reject, ")
            + (f"{_some(aside, 'row or value', 'rows or values')} set aside, " if aside else "no row set aside, ")
            + f"{_some(warned, 'warning')}."
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.summary())}</p>" + self.table.to_html(index=False, float_format="{:.1%}".format)


def _sentence(finding: Mapping[str, object]) -> str:
    """Say a row of the report in one line."""
    rows = f"{_some(int(str(finding['rows'])), 'row')}: " if finding["rows"] else ""
    examples = f"; such as {finding['examples']}" if finding["examples"] else ""
    return f"{finding['table']}.{finding['column']}: {rows}{finding['meaning']} ({finding['rule']}){examples}"


def _some(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def check_rejects(source: Source, *, tables: Sequence[str], as_of: datetime | date | str | None = None) -> None:
    """Refuse tables from which nothing can be computed; what was found once is not asked again while the source is open.

    Parameters
    ----------
    source : Source
        Whose data.
    tables : sequence of str
        Those that are about to be read.
    as_of : datetime, date or str, optional
        As for `validate`.

    Raises
    ------
    ContractError
        As `DataQuality.raise_if_rejected`.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.intake import connect
    >>> doubled = connect({"partners": pd.DataFrame({"partner_id": ["P1", "P1"]})})
    >>> check_rejects(doubled, tables=["partners"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    partnerlab.errors.ContractError: memory://: partners.partner_id: 1 row: rows repeat the key of another (E1); such as ...
    """
    collect_findings(source, tuple(tables), as_of, _rejections).raise_if_rejected()


def explain_silence(source: Source, *, table: str, as_of: datetime | date | str | None = None) -> str:
    """Say in a few words what costs a table most of its rows; empty if nothing does.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.intake import connect
    >>> leads = pd.DataFrame({"lead_id": ["L1", "L2"], "created_at": ["31/12/2025", "30/12/2025"]})
    >>> explain_silence(connect({"leads": leads}), table="leads")[:71]
    'leads.created_at: 2 rows: cannot be read as instant; say how in the map'
    """
    found = collect_findings(source, (table,), as_of, losses)
    lost = found.table[(found.table["rule"] == "E2") | found.table["action"].isin(["row set aside", "line set aside"])]
    if lost.empty:
        return "" if found.tables[table] else f"{table} has no rows"
    return _sentence(lost.sort_values(["grade", "rows"], ascending=False, kind="stable").iloc[0].to_dict())


def collect_findings(
    source: Source, tables: Sequence[str], as_of: datetime | date | str | None, find: Callable[[Desk, str], Iterable[Finding]]
) -> DataQuality:
    """Collect the findings of some tables, the worst first."""
    import pandas as pd

    from partnerlab.intake.findings import Desk

    moment = read_as_of(as_of, source.program.calendar)
    desk = Desk(source, as_of=moment, tables=tuple(tables))
    counts = {name: _rows(desk, name) for name in tables}
    found = [_record(finding, counts) for name in tables for finding in find(desk, name)]
    order = {"reject": 0, "quarantine": 1, "warn": 2}
    found.sort(key=lambda row: (order[row["grade"]], row["table"], row["rule"], row["column"]))
    return DataQuality(table=pd.DataFrame(found, columns=list(COLUMNS)), tables=counts, url=source.url, as_of=moment)


def losses(desk: Desk, table: str) -> Iterator[Finding]:
    """Find what costs a table rows: lines that cannot be read, rows set aside."""
    from partnerlab.intake.setaside import check_quarantine

    yield from _rejections(desk, table)
    if desk.source.columns()[table]:
        yield from check_quarantine(desk, table)


def _rejections(desk: Desk, table: str) -> tuple[Finding, ...]:
    from partnerlab.intake.rejections import check_rejections

    fact = ("rejections", table, desk.as_of)
    if fact not in desk.source.facts:
        desk.source.facts[fact] = tuple(check_rejections(desk, table))
    return desk.source.facts[fact]


def _rows(desk: Desk, table: str) -> int:
    from partnerlab.intake.rules import count_breaches

    return count_breaches(desk.source, table, as_of=desk.as_of)["rows"] if desk.source.columns()[table] else 0


def _record(finding: Finding, counts: Mapping[str, int]) -> dict[str, object]:
    of = counts[finding.table] if finding.of is None else finding.of
    return {
        "table": finding.table, "column": finding.column, "rule": finding.rule, "grade": finding.grade or _GRADES[finding.rule[0]],
        "rows": finding.rows, "share": finding.rows / of if of else float("nan"), "examples": finding.examples, "action": finding.action,
        "meaning": finding.meaning,
    }  # fmt: skip


def require_tables(source: Source, analysis: str, *tables: str) -> None:
    """Refuse an analysis whose tables this program does not have.

    Raises
    ------
    MissingTableError
        Naming the analysis, the tables and what there is.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.intake import connect
    >>> source = connect({"partners": pd.DataFrame({"partner_id": ["P1"]})})
    >>> require_tables(source, "support load", "cases")
    Traceback (most recent call last):
        ...
    partnerlab.errors.MissingTableError: support load needs the table cases; memory:// has partners
    """
    present = source.columns()
    missing = [find_table(name).name for name in tables if name not in present]
    if missing:
        several = "tables" if len(missing) > 1 else "table"
        raise MissingTableError(
            f"{analysis} needs the {several} {', '.join(missing)}; {source.url} has {', '.join(present)}",
            analysis=analysis,
            tables=tuple(missing),
        )
