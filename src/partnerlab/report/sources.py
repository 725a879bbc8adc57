"""Where the data of a report are: found from any folder of the project, the demo program simulated when it is not there yet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.errors import SourceError
from partnerlab.report.places import look_upward, project_folder

if TYPE_CHECKING:
    from partnerlab.intake import Source

#: The program that ships with the package: simulated, its truth known.
DEMO = "duckdb:///data/demo.duckdb"


def locate_source(url: str, *, ledger: str | None = None) -> str:
    """Find a relative source in the working folder or above it, so that notebooks run from where they lie.

    The demo program is simulated in its place when it is not there yet, and its trial written into a ledger.

    Parameters
    ----------
    url : str
        As `partnerlab.connect` takes it.
    ledger : str, optional
        Path of that ledger; the one in the folder ``ledger`` beside the demo program if None, empty for none.

    Returns
    -------
    str
        The same, absolute.

    Raises
    ------
    SourceError
        If a relative path leads nowhere.
    """
    scheme, mark, rest = url.partition(":///")
    if mark and scheme != "duckdb":
        return url
    if not mark and "://" in url:
        return url
    path = rest if mark else url
    if Path(path).is_absolute() or path in ("", ":memory:"):
        return url
    found = look_upward(path)
    if not Path(found).exists():
        if not path.endswith("demo.duckdb"):
            raise SourceError(f"{path}: no such file or folder here or above {Path.cwd().name}/; give the path of your data", source=url)
        from partnerlab.report.demo import write_demo

        target = project_folder() / path
        found = str(write_demo(target, ledger=str(target.parent / "ledger" / "ledger.duckdb") if ledger is None else ledger))
    return f"{scheme}:///{found}" if mark else found


def load_decisions(source: Source, table: str, *, as_of: datetime | None = None) -> pd.DataFrame | None:
    """Read a source's ``overrides`` or ``appeals``; None if it has no such table."""
    from partnerlab.intake import select_rows

    present = source.columns()
    if table not in present:
        return None
    return source.run(select_rows(source, table, columns=present[table], as_of=as_of)).to_pandas()


def load_overrides(source: Source, *, as_of: datetime | None = None) -> pd.DataFrame | None:
    """Read the overrides and upheld appeals that a source holds, as `partnerlab.assign_tiers` takes them."""
    from partnerlab.tiers.overrides import upheld_appeals

    overrides, appeals = (load_decisions(source, table, as_of=as_of) for table in ("overrides", "appeals"))
    frames = [] if overrides is None else [overrides.assign(kind="override")]
    if appeals is not None and len(appeals):
        frames.append(upheld_appeals(appeals, calendar=source.program.calendar))
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else None
