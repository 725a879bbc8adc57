"""Writing into the ledger: every record whole or not at all, checked before it is written."""

from __future__ import annotations

import contextlib
import hashlib
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pandas as pd

from partnerlab.errors import LedgerError, nearest
from partnerlab.ledger.books import BOOKS, COMMON, Ledger
from partnerlab.periods import naive_utc

#: Columns of the contract that say how a row came into a source; the ledger has its own.
_SOURCE_ONLY = {"source_system", "source_id", "recorded_at", "ingested_at", "row_hash"}


def record_tiers(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger,
    frame: pd.DataFrame,
    *,
    program: str,
    quarter: str,
    scheme: str,
    data_hash: str,
    run_id: str,
    recorded_at: datetime | None = None,
) -> int:
    """Write down the tiers of a quarter as published; gives the record's number.

    Parameters
    ----------
    ledger : Ledger
        Where.
    frame : DataFrame
        ``partner, published`` and, where known, ``raw, eligible, held, reason``; one row for each partner.
        Columns ``quarter`` and ``scheme`` may stand in it, but only with the values given here.
    program, quarter, scheme, data_hash, run_id : str
        What was published, from which data, in which run.
    recorded_at : datetime, optional
        The moment; now, if not given.

    Raises
    ------
    LedgerError
        If a column is missing or unknown, a partner stands twice, or the file cannot be had.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> record_tiers(ledger, pd.DataFrame({"partner": ["P1"], "published": ["KEY"]}), program="demo", quarter="2026Q3",
    ...              scheme="quadrant@1", data_hash="ab", run_id="one")
    1
    >>> folder.cleanup()
    """
    for name, value in {"quarter": quarter, "scheme": scheme}.items():
        if name in frame.columns and len(frame) and set(frame[name].astype(str)) != {value}:
            raise LedgerError(
                f"tiers.{name}: the frame holds {', '.join(sorted(set(frame[name].astype(str)))[:3])}, but {value} is being recorded"
            )
    twice = int(frame["partner"].duplicated().sum()) if "partner" in frame.columns else 0
    if twice:
        raise LedgerError(f"tiers.partner: {twice} rows name a partner a second time; give one row for each partner", rows=twice)
    frame = frame.assign(quarter=quarter, scheme=scheme)
    return _append(
        ledger, "published_tiers", frame, program=program, quarter=quarter, run_id=run_id, data_hash=data_hash, recorded_at=recorded_at
    )


def record_forecast(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger, frame: pd.DataFrame, *, program: str, made_in: str, run_id: str, scheme: str = "", segment: str = "",
    data_hash: str = "", level: float = 0.95, recorded_at: datetime | None = None,
) -> int:  # fmt: skip
    """Write down a forecast as printed: ``tier, quarter, estimate, std_error, conf_low, conf_high, n``; gives the record's number.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> record_forecast(ledger, pd.DataFrame({"tier": ["KEY"], "quarter": ["2026Q4"], "estimate": [40.0]}), program="demo",
    ...                 made_in="2026Q3", run_id="one")
    1
    >>> folder.cleanup()
    """
    frame = frame[[name for name in frame.columns if name in {*BOOKS["forecasts"].columns}]]
    frame = frame.assign(made_in=made_in, scheme=scheme or None, segment=segment, level=level)
    return _append(
        ledger, "forecasts", frame, program=program, quarter=made_in, run_id=run_id, data_hash=data_hash, recorded_at=recorded_at
    )


def record_metrics(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger, frame: pd.DataFrame, *, program: str, quarter: str, run_id: str, segment: str = "", data_hash: str = "",
    recorded_at: datetime | None = None,
) -> int:  # fmt: skip
    """Write down headline numbers: ``name, estimate`` and, where known, ``label, unit, std_error, conf_low, conf_high, n``.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> record_metrics(ledger, pd.DataFrame({"name": ["partners"], "estimate": [40.0]}), program="demo", quarter="2026Q3", run_id="one")
    1
    >>> folder.cleanup()
    """
    frame = frame.assign(quarter=quarter, segment=segment)
    return _append(ledger, "metrics", frame, program=program, quarter=quarter, run_id=run_id, data_hash=data_hash, recorded_at=recorded_at)


def record_decision(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger, decision: str, *, program: str, quarter: str, run_id: str = "", about: str = "", reason: str = "", decided_by: str = "",
    due: str = "", follows: str = "", recorded_at: datetime | None = None,
) -> int:  # fmt: skip
    """Write down a decision in a sentence: about whom, why, by whom, due when, following which earlier decision.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> record_decision(ledger, "Meet P1", program="demo", quarter="2026Q3", decided_by="M1")
    1
    >>> folder.cleanup()
    """
    if not decision.strip():
        raise LedgerError("a decision needs a sentence; say what was decided")
    row = {
        "quarter": quarter,
        "decision": decision,
        "about": about,
        "reason": reason,
        "decided_by": decided_by,
        "due": due,
        "follows": follows,
    }
    return _append(ledger, "decisions", pd.DataFrame([row]), program=program, quarter=quarter, run_id=run_id, recorded_at=recorded_at)


def record_overrides(
    ledger: Ledger, frame: pd.DataFrame, *, program: str, run_id: str, data_hash: str = "", recorded_at: datetime | None = None
) -> int:
    """Take over a source's overrides; only rows that are new or say something new are written. Gives how many.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> overrides = pd.DataFrame({"override_id": ["O1"], "partner": ["P1"], "tier": ["KEY"], "valid_from": ["2026-01-01"]})
    >>> [record_overrides(ledger, overrides, program="demo", run_id=run) for run in ("one", "two")]
    [1, 0]
    >>> folder.cleanup()
    """
    return _take_over(ledger, "overrides", frame, program=program, run_id=run_id, data_hash=data_hash, recorded_at=recorded_at)


def record_appeals(
    ledger: Ledger, frame: pd.DataFrame, *, program: str, run_id: str, data_hash: str = "", recorded_at: datetime | None = None
) -> int:
    """Take over a source's appeals; only rows that are new or say something new are written. Gives how many.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> appeals = pd.DataFrame({"appeal_id": ["A1"], "partner": ["P1"], "filed_at": ["2026-01-01 12:00"]})
    >>> [record_appeals(ledger, appeals, program="demo", run_id=run) for run in ("one", "two")]
    [1, 0]
    >>> folder.cleanup()
    """
    return _take_over(ledger, "appeals", frame, program=program, run_id=run_id, data_hash=data_hash, recorded_at=recorded_at)


def record_registration(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger,
    document: str,
    *,
    program: str,
    registration_id: str,
    kind: str = "experiment",
    run_id: str = "",
    recorded_at: datetime | None = None,
    together: AbstractContextManager[object] | None = None,
) -> int:
    """Register an experiment before it is read; the document is kept word for word.

    Parameters
    ----------
    ledger : Ledger
        Where.
    document : str
        What is registered.
    program, registration_id, kind : str
        Whose, under which name, and what it is.
    run_id, recorded_at
        Run that wrote it, and the moment; now, if not given.
    together : context manager, optional
        What is done with the record, or not at all: it is entered before the record is kept, and sees it if that fails.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> record_registration(ledger, "Portal test, 200 partners", program="demo", registration_id="E1")
    1
    >>> folder.cleanup()
    """
    row = {"registration_id": registration_id, "kind": kind, "document": document}
    return _append(
        ledger, "registrations", pd.DataFrame([row]), program=program, quarter="", run_id=run_id, recorded_at=recorded_at, together=together
    )


def _append(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger,
    book: str,
    frame: pd.DataFrame,
    *,
    program: str,
    quarter: str,
    run_id: str,
    data_hash: str = "",
    recorded_at: datetime | None = None,
    together: AbstractContextManager[object] | None = None,
) -> int:
    """Write one record, whole or not at all, and what belongs together with it."""
    rows = _fitting(book, frame)
    moment = naive_utc(recorded_at or datetime.now(UTC))
    with ledger.connection() as connection:
        connection.register("given_rows", rows)
        connection.execute("BEGIN")
        try:
            typed = connection.execute(f"SELECT {_cast(book)} FROM given_rows").df()
            last = connection.execute("SELECT record, digest FROM records ORDER BY record DESC LIMIT 1").fetchone() or (0, "")
            record = last[0] + 1
            digest = digest_rows(typed, book=book, program=program, run_id=run_id, previous=last[1])
            stamp = [record, run_id, moment, program, data_hash]
            connection.execute(f"INSERT INTO records VALUES ({', '.join('?' * 10)})", [*stamp, book, quarter, len(rows), digest, last[1]])
            connection.execute(f"INSERT INTO {book} SELECT ?, ?, ?, ?, ?, {_cast(book)}, row FROM given_rows", stamp)
            with together or contextlib.nullcontext():
                connection.execute("COMMIT")
        except Exception as error:
            with contextlib.suppress(Exception):
                connection.execute("ROLLBACK")
            if isinstance(error, LedgerError):
                raise
            text = " ".join(str(error).split())[:200]
            raise LedgerError(f"{book} of {program} {quarter} could not be written, nothing was: {text}") from error
    return int(record)


def _fitting(book: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Give the frame with just the book's columns; refuses what is missing or unknown."""
    known, common = BOOKS[book].columns, set(COMMON)
    for name in BOOKS[book].must:
        if name not in frame.columns:
            raise LedgerError(
                f"{book}.{name}: the column is missing; a record needs {', '.join(BOOKS[book].must)}", table=book, column=name
            )
        empty = int(frame[name].isna().sum())
        if empty and name != "estimate":
            raise LedgerError(
                f"{book}.{name}: {empty} rows are empty; fill them before they are recorded", table=book, column=name, rows=empty
            )
    strange = [name for name in frame.columns if name not in known and name not in common | _SOURCE_ONLY]
    if strange:
        raise LedgerError(f"{book}: unknown column {strange[0]!r}{nearest(strange[0], known)}", table=book, column=strange[0])
    return frame.reindex(columns=list(known)).reset_index(drop=True).assign(row=range(len(frame)))


def _cast(book: str) -> str:
    return ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in BOOKS[book].columns.items())


def digest_rows(rows: pd.DataFrame, *, book: str, program: str, run_id: str, previous: str) -> str:
    """SHA-256 over a record's rows, its stamp, and the digest of the record before."""
    body = rows.to_csv(index=False, float_format="%.17g", date_format="%Y-%m-%dT%H:%M:%S.%f", na_rep="", lineterminator="\n")
    return hashlib.sha256("\n".join([previous, book, program, run_id, body]).encode()).hexdigest()


def _take_over(
    ledger: Ledger, book: str, frame: pd.DataFrame, *, program: str, run_id: str, data_hash: str, recorded_at: datetime | None
) -> int:
    columns = list(BOOKS[book].columns)
    rows = _fitting(book, frame)
    with ledger.connection() as connection:
        connection.register("given_rows", rows)
        given = connection.execute(f"SELECT {_cast(book)} FROM given_rows").df()
    held = ledger.read(book, program=program)[columns]
    # as text, so that missing values of any type compare as equal
    written = set(map(tuple, held.astype("str").to_numpy()))
    fresh = given[[tuple(row) not in written for row in given.astype("str").to_numpy()]]
    if len(fresh):
        _append(ledger, book, fresh, program=program, quarter="", run_id=run_id, data_hash=data_hash, recorded_at=recorded_at)
    return len(fresh)
