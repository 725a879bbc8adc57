"""Everything that is wrong with the data: what costs rows, and what merely looks odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from partnerlab.intake.oddities import check_oddities
from partnerlab.intake.quality import DataQuality, collect_findings, losses, require_tables

if TYPE_CHECKING:
    from partnerlab.intake.findings import Desk, Finding
    from partnerlab.intake.source import Source


def validate(source: Source, *, as_of: datetime | date | str | None = None, tables: Sequence[str] | None = None) -> DataQuality:
    """Count everything in the data that breaks the contract or looks wrong; dirty rows never raise.

    Parameters
    ----------
    source : Source
        Whose data.
    as_of : datetime, date or str, optional
        As known on this moment, a naive one in UTC; a day means its end in the program's time zone.
    tables : sequence of str, optional
        Only these.

    Returns
    -------
    DataQuality

    Raises
    ------
    MissingTableError
        If one of ``tables`` is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.intake import connect
    >>> deals = pd.DataFrame({"deal_id": ["D1", "D2"], "created_at": ["2026-01-05", "soon"], "status": ["won", "won"]})
    >>> validate(connect({"deals": deals})).table[["column", "rule", "grade", "rows"]].head(1).to_dict("records")
    [{'column': 'created_at', 'rule': 'Q3', 'grade': 'quarantine', 'rows': 1}]
    """
    chosen = tuple(source.columns()) if tables is None else tuple(tables)
    require_tables(source, "validate", *chosen)
    return collect_findings(source, chosen, as_of, _findings)


def _findings(desk: Desk, table: str) -> Iterator[Finding]:
    yield from losses(desk, table)
    if desk.source.columns()[table]:
        yield from check_oddities(desk, table)
