"""One notebook, one kernel, one page: executed by papermill, collected, rendered; a failure is an outcome, not an end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from partnerlab.errors import PartnerlabError
from partnerlab.report.pieces import Piece, check_images, collect_pieces

#: Threads that numerical libraries may use in each kernel: kernels run side by side.
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """One page that is to be made.

    Parameters
    ----------
    slug : str
        Name of its folder.
    title : str
        What the index calls it.
    group : str
        Under which heading the index lists it.
    notebook : Path
        What is executed.
    parameters : mapping
        Python values, checked.
    segment : str
        Whom it is about, in words.
    """

    slug: str
    title: str
    group: str
    notebook: Path
    parameters: Mapping[str, Any]
    segment: str = "all partners"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a page.

    Parameters
    ----------
    page : Page
        What was to be made.
    notebook : NotebookNode or None
        Executed, wholly or in part.
    pieces : tuple of Piece
        What it put on its page.
    error : str
        Why it is incomplete, in one line; empty when it is whole.
    trace : str
        The same at length.
    seconds : float
        How long it took.
    """

    page: Page
    notebook: Any = dataclasses.field(repr=False, default=None)
    pieces: tuple[Piece, ...] = dataclasses.field(repr=False, default=())
    error: str = ""
    trace: str = dataclasses.field(repr=False, default="")
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """Told to whoever watches: one page started, was finished or failed."""

    page: Page
    state: Literal["started", "done", "failed"]
    done: int
    total: int
    seconds: float = 0.0
    error: str = ""


Watcher = Callable[[Progress], None]


def execute_pages(pages: Sequence[Page], *, folder: Path, jobs: int = 2, watch: Watcher | None = None) -> Iterator[Outcome]:
    """Execute notebooks side by side, each in its own kernel; outcomes come as they are ready.

    Threads, because each notebook has a process of its own anyway. The working
    folder is never touched: it belongs to the whole process.

    Parameters
    ----------
    pages : sequence of Page
        What is to be made.
    folder : Path
        Where executed notebooks are written, ``<slug>/report.ipynb``.
    jobs : int
        How many at a time.
    watch : callable, optional
        Told of every start and end.
    """
    import joblib

    tell = watch or (lambda progress: None)
    total, done = len(pages), 0

    def start(page: Page) -> Outcome:
        tell(Progress(page=page, state="started", done=done, total=total))
        return execute_page(page, folder=folder)

    with _one_thread_each():
        running = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered")
        for outcome in running(joblib.delayed(start)(page) for page in pages):
            done += 1
            state: Literal["done", "failed"] = "failed" if outcome.error else "done"
            tell(Progress(page=outcome.page, state=state, done=done, total=total, seconds=outcome.seconds, error=outcome.error))
            yield outcome


def execute_page(page: Page, *, folder: Path) -> Outcome:
    """Execute one notebook and read its pieces; whatever goes wrong is in the outcome."""
    begun = time.monotonic()
    target = folder / page.slug / "report.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    error, trace = _run(page, target)
    notebook = _read(target)
    pieces: tuple[Piece, ...] = ()
    if notebook is not None:
        try:
            pieces = tuple(collect_pieces(notebook))
            check_images(notebook)
        except PartnerlabError as found:
            error = error or str(found)
    return Outcome(page=page, notebook=notebook, pieces=pieces, error=error, trace=trace, seconds=time.monotonic() - begun)


def _run(page: Page, target: Path) -> tuple[str, str]:
    """Execute by papermill; gives the error in one line and at length, or two empty texts."""
    try:
        return _papermill(page, target)
    finally:
        _close_event_loop()


def _papermill(page: Page, target: Path) -> tuple[str, str]:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    sockets = tempfile.TemporaryDirectory(prefix="plk-", ignore_cleanup_errors=True)
    try:
        papermill.execute_notebook(
            str(page.notebook),
            str(target),
            parameters=dict(page.parameters),
            kernel_name="python3",
            progress_bar=False,
            start_timeout=180,
            extra_arguments=["--IPKernelApp.log_level=50"],  # what matters of a kernel's end is in the outcome
            config=_private_sockets(Path(sockets.name)),
            execution_timeout=3600,
        )
    except PapermillExecutionError as failed:
        return f"step {failed.exec_count}: {_one_line(failed.ename, failed.evalue)}", _plain("\n".join(failed.traceback))
    except Exception as failed:  # a kernel can stop in many ways; none of them may take the other pages with it
        return f"the kernel stopped: {_one_line(type(failed).__name__, str(failed))}", _plain(traceback.format_exc())
    finally:
        sockets.cleanup()
    return "", ""


def _private_sockets(folder: Path) -> Any:
    """Let runner and kernel talk through files in a folder of their own.

    Kernels that start at one moment can be given the same TCP port; files in a folder
    made for one kernel cannot clash, and no other user of the machine can hear them.
    """
    from traitlets.config import Config

    if os.name != "posix":
        return Config(KernelManager={"transport_encryption": "auto"})
    return Config(KernelManager={"transport": "ipc", "ip": str(folder / "k")})


def _close_event_loop() -> None:
    """Close the loop that the Jupyter client opened for this thread and would leave to the garbage collector."""
    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    if not loop.is_running():
        loop.close()


def _one_line(name: str, value: str) -> str:
    """Own errors speak for themselves; the name of any other goes before its words."""
    from partnerlab import errors

    words = " ".join(_plain(value).split())
    return words if hasattr(errors, name) else f"{name}: {words}"


def _plain(text: str) -> str:
    """Drop terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _read(path: Path) -> Any:
    """Read an executed notebook, without the banner that papermill puts into failed ones."""
    import nbformat

    if not path.is_file():
        return None
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])]
    return notebook


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let kernels started inside use one numerical thread each."""
    kept = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update({name: value for name, value in _THREADS.items() if kept[name] is None})
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
