"""The only door to an engine: `connect` to a folder, a file, a server or frames, then ask in SQL expressions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import parse_qs, urlsplit

from partnerlab.errors import MissingTableError, SourceError, nearest
from partnerlab.intake.contract import TABLES
from partnerlab.intake.program import Program

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

    from partnerlab.intake.exports import Misreading


class Engine(Protocol):
    """What a source needs of an engine; one short file for each.

    ``tables()`` maps each table to its physical columns and their kinds (see
    `partnerlab.intake.casts.KINDS`); ``fetch`` answers one SELECT with Arrow.
    """

    dialect: str
    program_zone: str

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Physical tables, their columns and the kind of each."""

    def prepare(self, table: str) -> None:
        """Make a lazily read table ready to be asked."""

    def misreadings(self, table: str) -> tuple[Misreading, ...]:
        """Values of a raw export that could not be read."""

    def wall_clocks(self, table: str) -> tuple[str, ...]:
        """Columns of a raw export whose times state no zone and whose mapping declares none."""

    def fetch(self, sql: str) -> pa.Table:
        """Answer one SELECT."""

    def close(self) -> None:
        """Let go of the engine."""


class Source:
    """A program's data, wherever they live, under the contract's names.

    Made by `connect`; also a context manager.

    Parameters
    ----------
    engine : Engine
        Where the data live.
    url : str
        What was connected to, without any password.
    program : Program
        What the program says about itself.
    """

    def __init__(self, engine: Engine, *, url: str, program: Program) -> None:
        self._engine = engine
        self._url = url
        self._program = program
        engine.program_zone = program.timezone
        #: What was found out about the data once and does not change while the source is open.
        self.facts: dict[tuple[Any, ...], Any] = {}

    @property
    def url(self) -> str:
        """What was connected to; never shows a password."""
        return self._url

    @property
    def dialect(self) -> str:
        """Name of the engine's SQL dialect, as sqlglot knows it."""
        return self._engine.dialect

    @property
    def program(self) -> Program:
        """What the program says about itself."""
        return self._program

    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Contract tables that exist here, each with the contract columns it has."""
        if ("columns",) not in self.facts:
            from partnerlab.intake.casts import is_readable

            found: dict[str, tuple[str, ...]] = {}
            for name, kinds in sorted(self._engine.tables().items()):
                if name in TABLES:
                    readable = {
                        c.name for c in TABLES[name].columns if c.name in kinds and is_readable(c, kinds[c.name], dialect=self.dialect)
                    }
                    found[name] = tuple(c.name for c in TABLES[name].columns if c.name in readable or c.instead in readable)
            self.facts["columns",] = found
        return self.facts["columns",]

    def kinds(self, table: str) -> Mapping[str, str]:
        """Physical columns of a table, beyond the contract's too, and the kind of each.

        Raises
        ------
        MissingTableError
            If the source has no such table.
        """
        tables = self._engine.tables()
        if table not in tables:
            raise MissingTableError(f"{self.url} has no table {table!r}{nearest(table, tables)}", table=table)
        return tables[table]

    def wall_clocks(self, table: str) -> tuple[str, ...]:
        """Columns of a raw export whose times state no zone and whose mapping declares none; they are read as UTC."""
        return self._engine.wall_clocks(table)

    def misreadings(self, table: str) -> tuple[Misreading, ...]:
        """Values of a raw export that could not be read as the contract's type."""
        return self._engine.misreadings(table)

    def run(self, query: exp.Query) -> pa.Table:
        """Answer one query; only the columns and rows it names are read.

        Parameters
        ----------
        query : sqlglot Query
            Over the contract's table names, best made with `partnerlab.intake.select_rows`.

        Returns
        -------
        pyarrow.Table
        """
        from sqlglot import exp

        for table in query.find_all(exp.Table):
            self._engine.prepare(table.name)
        return self._engine.fetch(query.sql(self.dialect, identify=True))

    def data_until(self) -> date:
        """Day up to which (exclusive) the data are complete.

        The program's own word, else the vintage of the latest extract, else the
        day after the last thing that was recorded or happened, never later than today.

        Raises
        ------
        SourceError
            If the source has no dated row at all.
        """
        if ("data_until",) not in self.facts:
            from partnerlab.intake.rows import last_day

            found = self._program.data_until or last_day(self, horizon=datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1))
            if found is None:
                raise SourceError(f"{self.url}: no row carries a date; give program.data_until")
            self.facts["data_until",] = found
        return self.facts["data_until",]

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Source({self.url!r}, program={self.program.name!r}, tables={', '.join(self.columns()) or 'none'})"


def connect(url: str | Path | Mapping[str, pd.DataFrame | pa.Table], *, program: Program | None = None) -> Source:
    """Open a program's data.

    Parameters
    ----------
    url : str, Path or mapping
        A folder of ``<table>.parquet``, ``.csv`` or ``.csv.gz``; a DuckDB file
        (``duckdb:///relative.duckdb``, ``duckdb:////absolute.duckdb`` or its path);
        ``postgresql://user@host/base?schema=name``; a mapping file ``something.yaml``
        over a raw export; or frames by table name.
    program : Program, optional
        What to believe about the program; otherwise what the source says: the
        mapping's ``program:`` block, ``program.yaml`` in the folder, a ``program`` or
        ``quarters`` table, else defaults.

    Returns
    -------
    Source

    Raises
    ------
    SourceError
        If there is nothing there, or nothing of the contract in it.
    SpecError
        If the mapping file says something that cannot be meant.

    Examples
    --------
    >>> import pandas as pd
    >>> source = connect({"partners": pd.DataFrame({"partner_id": ["P1", "P2"], "region": ["EMEA", "APAC"]})})
    >>> source.columns()
    {'partners': ('partner_id', 'region')}
    """
    if isinstance(url, Mapping):
        from partnerlab.intake.duckdb_engine import open_frames

        return _source(open_frames(url), url="memory://", program=program, stem="program")
    text = str(url)
    scheme = urlsplit(text).scheme
    if scheme in ("postgresql", "postgres"):
        from partnerlab.intake.postgres_engine import open_postgres

        engine, shown, base = open_postgres(text)
        return _source(engine, url=shown, program=program, stem=base)
    if scheme == "duckdb":
        return _open_path(Path(_duckdb_path(text)), program=program, schema=_query(text, "schema") or "main", shown=text)
    if "://" in text:
        raise SourceError(
            f"{scheme}:// is not an engine that partnerlab knows; give a folder, a .duckdb file, postgresql://... or a mapping .yaml"
        )
    return _open_path(Path(text), program=program, schema="main", shown=text)


def _duckdb_path(url: str) -> str:
    """Path in ``duckdb:///relative`` or ``duckdb:////absolute`` (as SQLAlchemy writes it)."""
    rest = url.split("?", 1)[0].removeprefix("duckdb://")
    return rest.removeprefix("/") if rest.startswith("/") else rest


def _query(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query).get(name, [""])[0]


def _open_path(path: Path, *, program: Program | None, schema: str, shown: str) -> Source:
    if path.suffix in (".yaml", ".yml"):
        from partnerlab.intake.mapping import open_mapping

        engine, stated = open_mapping(path)
        return _source(engine, url=shown, program=program or stated, stem=path.stem)
    from partnerlab.intake import duckdb_engine

    if path.is_dir():
        stated = Program.load(path / "program.yaml") if (path / "program.yaml").is_file() else None
        return _source(duckdb_engine.open_folder(path), url=shown, program=program or stated, stem=path.resolve().name)
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder; give a folder of tables, a .duckdb file, postgresql://... or a mapping .yaml")
    return _source(duckdb_engine.open_file(path, schema=schema), url=shown, program=program, stem=path.stem)


def _source(engine: Engine, *, url: str, program: Program | None, stem: str) -> Source:
    tables = engine.tables()
    if not set(tables) & set(TABLES):
        found = ", ".join(sorted(tables)) or "no table at all"
        engine.close()
        raise SourceError(f"{url}: nothing of the contract is here (found: {found}); name tables as in data/README.md or write a mapping")
    if program is not None:
        return Source(engine, url=url, program=program)
    bare = Source(engine, url=url, program=Program(name=stem))
    from partnerlab.intake.rows import stated_program

    return Source(engine, url=url, program=stated_program(bare, stem=stem))
