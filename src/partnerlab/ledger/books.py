"""The books of the ledger, and how they are read: the file is held for one short task at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd

from partnerlab.errors import LedgerError

_TIDY = {"estimate": "DOUBLE", "std_error": "DOUBLE", "conf_low": "DOUBLE", "conf_high": "DOUBLE", "n": "DOUBLE"}


def _texts(*names: str) -> dict[str, str]:
    """Give each column type text."""
    return dict.fromkeys(names, "VARCHAR")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Book:
    """One table of the ledger.

    Parameters
    ----------
    columns : mapping of str to str
        Name -> DuckDB type, beside the columns that every table has.
    must : tuple of str
        Columns that a record has to give.
    same : tuple of str
        Columns that say what a row is about: of several rows about the same, the latest run is read.
    """

    columns: Mapping[str, str]
    must: tuple[str, ...]
    same: tuple[str, ...]


BOOKS: Mapping[str, Book] = {
    "published_tiers": Book(
        columns=_texts("scheme", "quarter", "partner", "raw", "eligible", "held", "published", "reason"),
        must=("scheme", "quarter", "partner", "published"),
        same=("quarter", "rules"),
    ),
    "forecasts": Book(
        columns={**_texts("scheme", "made_in", "segment", "quarter", "tier"), **_TIDY, "level": "DOUBLE"},
        must=("made_in", "quarter", "tier", "estimate"),
        same=("made_in", "quarter", "segment", "rules"),
    ),
    "metrics": Book(
        columns={**_texts("quarter", "segment", "name", "label", "unit"), **_TIDY},
        must=("quarter", "name", "estimate"),
        same=("quarter", "segment"),
    ),
    "decisions": Book(
        columns=_texts("quarter", "decision", "about", "reason", "decided_by", "due", "follows"),
        must=("quarter", "decision"),
        same=("record",),
    ),
    "overrides": Book(
        columns={
            **_texts("override_id", "partner", "scheme", "tier", "reason", "decided_by"),
            "valid_from": "DATE",
            "valid_to": "DATE",
            "decided_at": "TIMESTAMP",
        },
        must=("override_id", "partner", "tier", "valid_from"),
        same=("override_id",),
    ),
    "appeals": Book(
        columns={
            **_texts("appeal_id", "partner", "scheme", "quarter", "claimed_tier", "wrong_metric", "missing_deal_id", "evidence"),
            **_texts("decision", "granted_tier"),
            "filed_at": "TIMESTAMP",
            "decided_at": "TIMESTAMP",
            "valid_to": "DATE",
        },
        must=("appeal_id", "partner", "filed_at"),
        same=("appeal_id",),
    ),
    "registrations": Book(
        columns=_texts("registration_id", "kind", "document"),
        must=("registration_id", "document"),
        same=("registration_id",),
    ),
}

#: Columns that every row of every book begins with.
COMMON = {"record": "BIGINT", "run_id": "VARCHAR", "recorded_at": "TIMESTAMP", "program": "VARCHAR", "data_hash": "VARCHAR"}
_RECORDS = {**COMMON, "book": "VARCHAR", "quarter": "VARCHAR", "rows": "BIGINT", "digest": "VARCHAR", "previous": "VARCHAR"}
#: Words by which DuckDB says that somebody else holds the file.
_BUSY = ("could not set lock", "conflicting lock", "different configuration", "already attached", "being used by another process")

_HELD: dict[str, threading.RLock] = {}
_HELD_GUARD = threading.Lock()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ledger:
    """The ledger of one or more programs, in one file.

    Parameters
    ----------
    path : Path
        The DuckDB file.
    wait : float
        Seconds to wait for another writer before giving up.

    Examples
    --------
    >>> import tempfile
    >>> from partnerlab.ledger import record_tiers
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(Path(folder.name) / "demo.duckdb")
    >>> frame = pd.DataFrame({"partner": ["P1"], "published": ["KEY"]})
    >>> record_tiers(ledger, frame, program="demo", quarter="2026Q3", scheme="quadrant@1", data_hash="ab", run_id="run 1")
    1
    >>> ledger.tiers(program="demo", quarter="2026Q3")[["partner", "published", "scheme"]].to_dict("records")
    [{'partner': 'P1', 'published': 'KEY', 'scheme': 'quadrant@1'}]
    >>> folder.cleanup()
    """

    path: Path
    wait: float = 10.0

    MAGIC: ClassVar[str] = "records"

    @classmethod
    def open(cls, path: str | Path, *, wait: float = 10.0) -> Self:
        """Open a ledger, making the file and its folder if there is none.

        Raises
        ------
        LedgerError
            If the file is something else, or another writer holds it for longer than ``wait`` seconds.
        """
        ledger = cls(path=Path(path).absolute(), wait=wait)
        if ledger.path.is_dir():
            raise LedgerError(f"{ledger.path} is a folder; give the path of the ledger's file")
        ledger.path.parent.mkdir(parents=True, exist_ok=True)
        with ledger.connection() as connection:
            tables = {name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()}
            if tables and cls.MAGIC not in tables:
                raise LedgerError(
                    f"{ledger.path} is a DuckDB file but no ledger (it holds {', '.join(sorted(tables)[:3])}); give another path"
                )
            if not {cls.MAGIC, *BOOKS} <= tables:
                _make_books(connection)
        return ledger

    @contextlib.contextmanager
    def connection(self) -> Iterator[Any]:
        """Hold the file for one short task: one at a time in this process, with patience for other processes."""
        with _HELD_GUARD:
            lock = _HELD.setdefault(str(self.path), threading.RLock())
        if not lock.acquire(timeout=self.wait):
            raise LedgerError(f"{self.path} is still in use after {self.wait:g} seconds; let the other writer finish and try again")
        try:
            connection = self._connect()
            try:
                yield connection
            finally:
                connection.close()
        finally:
            lock.release()

    def _connect(self) -> Any:
        import duckdb

        until, pause = time.monotonic() + self.wait, 0.02
        while True:
            try:
                return duckdb.connect(str(self.path))
            except duckdb.Error as error:
                text = " ".join(str(error).split())
                if not any(word in text.lower() for word in _BUSY):
                    raise LedgerError(f"{self.path} cannot be opened as a ledger: {text[:200]}") from error
                if time.monotonic() >= until:
                    raise LedgerError(
                        f"{self.path} is still in use after {self.wait:g} seconds; let the other writer finish and try again"
                    ) from error
                time.sleep(pause)
                pause = min(pause * 1.6, 0.5)

    def runs(self, *, program: str | None = None) -> pd.DataFrame:
        """All records in order: ``record, run_id, recorded_at, program, data_hash, book, quarter, rows, digest, previous``."""
        where, given = ("WHERE program = ?", [program]) if program is not None else ("", [])
        with self.connection() as connection:
            return connection.execute(f"SELECT * FROM records {where} ORDER BY record", given).df()

    def tiers(
        self, *, program: str, quarter: str | None = None, scheme: str | None = None, run_id: str | None = None, history: bool = False
    ) -> pd.DataFrame:
        """Read published tiers: ``record, run_id, recorded_at, program, data_hash, scheme, quarter, partner, raw, ..., reason``.

        Parameters
        ----------
        program : str
            Whose.
        quarter, run_id : str, optional
            Only these.
        scheme : str, optional
            A version (``quadrant@1``) or all versions of a scheme (``quadrant``).
        history : bool
            All records rather than, for each quarter and scheme, the latest.
        """
        return self.read(
            "published_tiers", program=program, scheme=scheme, history=history or run_id is not None, quarter=quarter, run_id=run_id
        )

    def forecasts(
        self, *, program: str, quarter: str | None = None, made_in: str | None = None, scheme: str | None = None, history: bool = False
    ) -> pd.DataFrame:
        """Read printed forecasts of ``quarter``, as printed in ``made_in``."""
        return self.read("forecasts", program=program, scheme=scheme, history=history, quarter=quarter, made_in=made_in)

    def metrics(
        self, *, program: str, quarter: str | None = None, segment: str | None = None, run_id: str | None = None, history: bool = False
    ) -> pd.DataFrame:
        """Read headline numbers as printed."""
        return self.read("metrics", program=program, history=history or run_id is not None, quarter=quarter, segment=segment, run_id=run_id)

    def decisions(self, *, program: str, quarter: str | None = None) -> pd.DataFrame:
        """Read decisions taken, in the order in which they were written down."""
        return self.read("decisions", program=program, history=True, quarter=quarter)

    def overrides(self, *, program: str, history: bool = False) -> pd.DataFrame:
        """Read tiers that a person set against the rule, each as last recorded."""
        return self.read("overrides", program=program, history=history)

    def appeals(self, *, program: str, history: bool = False) -> pd.DataFrame:
        """Read appeals, each as last recorded."""
        return self.read("appeals", program=program, history=history)

    def registrations(self, *, program: str, history: bool = False) -> pd.DataFrame:
        """Read experiments registered before they were read."""
        return self.read("registrations", program=program, history=history)

    def read(self, book: str, *, program: str, scheme: str | None = None, history: bool = False, **only: str | None) -> pd.DataFrame:
        """Rows of one book, those about the same thing only as last recorded."""
        given = {"program": program} | {name: value for name, value in only.items() if value is not None}
        conditions = [f"{name} = ?" for name in given]
        values = list(given.values())
        if scheme is not None:
            conditions.append("scheme = ?" if "@" in scheme else "split_part(scheme, '@', 1) = ?")
            values.append(scheme)
        latest = "" if history else f"QUALIFY record = max(record) OVER (PARTITION BY {', '.join(_about(book))})"
        with self.connection() as connection:
            return (
                connection.execute(f"SELECT * FROM {book} WHERE {' AND '.join(conditions)} {latest} ORDER BY record, row", values)
                .df()
                .drop(columns="row")
            )


def _about(book: str) -> list[str]:
    """Name what makes rows be about the same; a scheme's versions are about the same."""
    return ["program", *("split_part(coalesce(scheme, ''), '@', 1)" if name == "rules" else name for name in BOOKS[book].same)]


def _make_books(connection: Any) -> None:
    connection.execute("BEGIN")
    connection.execute(f"CREATE TABLE IF NOT EXISTS records ({_spelt(_RECORDS)}, PRIMARY KEY (record))")
    for name, book in BOOKS.items():
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({_spelt({**COMMON, **book.columns})}, row BIGINT)")
    connection.execute("COMMIT")


def _spelt(columns: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
