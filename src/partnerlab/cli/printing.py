"""What the command line prints: lines, tables, progress; plain where nobody looks on."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from partnerlab.report.execution import Progress, Watcher


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    say(str(path))


def print_table(frame: pd.DataFrame, *, title: str, columns: tuple[str, ...] = ()) -> None:
    """Print a table: ruled on a terminal, tab-separated lines elsewhere."""
    shown = frame[[column for column in columns if column in frame.columns]] if columns else frame
    if not sys.stdout.isatty():
        say("\t".join(map(str, shown.columns)))
        for row in shown.itertuples(index=False):
            say("\t".join(cell_text(value) for value in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in shown.columns:
        table.add_column(str(name), justify="right" if shown[name].dtype.kind in "if" else "left")
    for row in shown.itertuples(index=False):
        table.add_row(*(cell_text(value) for value in row))
    Console().print(table)


def cell_text(value: Any) -> str:
    """Write one cell: nothing where nothing is known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def working(text: str) -> Iterator[None]:
    """Say on stderr that something is being done; a spinner on a terminal."""
    if not sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


@contextlib.contextmanager
def watching() -> Iterator[Watcher]:
    """Show progress on stderr: a bar for each report on a terminal, one plain line for each elsewhere."""
    if not sys.stderr.isatty():
        yield plain_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        whole = bars.add_task("Reports", total=None)
        tasks: dict[str, Any] = {}

        def watch(progress: Progress) -> None:
            page = progress.page
            bars.update(whole, total=progress.total)
            if progress.state == "started":
                tasks[page.slug] = bars.add_task(page.title, total=1)
            else:
                mark = "" if progress.state == "done" else " [red]incomplete[/red]"
                bars.update(tasks[page.slug], completed=1, description=page.title + mark)
                bars.advance(whole)

        yield watch


def plain_line(progress: Progress) -> None:
    """Print one line for each step of a report."""
    page = progress.page
    if progress.state == "started":
        sys.stderr.write(f"started   {page.slug}: {page.title}\n")
    else:
        state = "done     " if progress.state == "done" else "INCOMPLETE"
        why = f": {progress.error}" if progress.error else ""
        sys.stderr.write(f"{state} {page.slug} ({progress.done} of {progress.total}, {progress.seconds:.0f} s){why}\n")
    sys.stderr.flush()
