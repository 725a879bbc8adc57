"""Where reports lie: built aside, put in place in one step, each run with a manifest that says how to make it again.

reports/<program>/<quarter>/index.html, manifest.json
reports/<program>/<quarter>/<page>/report.html, report.ipynb, metrics.json, tables/*.csv, figures/*.svg
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from partnerlab.errors import ParameterError, nearest
from partnerlab.report.pieces import Piece, slug

MANIFEST = "manifest.json"

#: Packages whose versions can change a number or a drawing.
PACKAGES = ("partnerlab", "numpy", "pandas", "scipy", "statsmodels", "duckdb", "pyarrow", "sqlglot", "matplotlib", "papermill", "nbconvert")

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def run_folder(out: str | Path, *, program: str, quarter: str) -> Path:
    """Folder of a run."""
    return Path(out).resolve() / slug(program) / quarter


@contextlib.contextmanager
def stage(target: Path) -> Iterator[Path]:
    """Give a folder to build in, beside the target; put it in place only if nothing went wrong.

    A run that is killed leaves the previous one whole; what it had built is swept by the next.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    building = target.with_name(f".{target.name}.{os.getpid()}.building")
    building.mkdir()
    try:
        yield building
        place(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def place(building: Path, target: Path) -> None:
    """Put a built folder in place of the target in one step; the old one ends where the new one was.

    Where the system cannot exchange two names, the old folder steps aside first and
    is put back by the next run should this one die in between.
    """
    if not target.exists():
        building.rename(target)
    elif not _exchange(building, target):
        aside = target.with_name(f".{target.name}.{os.getpid()}.aside")
        target.rename(aside)
        building.rename(target)
        shutil.rmtree(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically (Linux ``renameat2``); False where that cannot be done."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _sweep(target: Path) -> None:
    """Clear what dead runs left behind."""
    for left in target.parent.glob(f".{target.name}.*"):
        _, _, rest = left.name.partition(f".{target.name}.")
        pid, _, kind = rest.partition(".")
        if not pid.isdigit() or _alive(int(pid)):
            continue
        if kind == "aside" and not target.exists():
            left.rename(target)
        elif kind in ("building", "aside"):
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # signal 0 is a real signal there
        return pid != os.getpid()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def keep_pages(target: Path, building: Path, *, made: Collection[str]) -> list[dict[str, Any]]:
    """Carry over the pages of the run before that this run does not make; gives their entries of the manifest.

    Making one page again does not lose the others of the quarter; the index says of which run each is.
    """
    try:
        before = read_manifest(target)["pages"]
    except (ParameterError, KeyError):
        return []
    kept = [entry for entry in before if entry["slug"] not in made and (target / entry["slug"]).is_dir()]
    for entry in kept:
        shutil.copytree(target / entry["slug"], building / entry["slug"])
    return kept


def write_pieces(folder: Path, pieces: Sequence[Piece], *, context: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``metrics.json``, ``tables/*.csv`` and ``figures/*.svg`` of a page; gives the metrics record."""
    record = {
        **context,
        "headline": next((piece.text for piece in pieces if piece.kind == "headline"), ""),
        "metrics": [dict(piece.numbers) for piece in pieces if piece.kind == "metric"],
    }
    write_json(folder / "metrics.json", record)
    for piece in pieces:
        if piece.csv:
            _write(folder / "tables" / f"{piece.name}.csv", piece.csv)
        if piece.svg:
            _write(folder / "figures" / f"{piece.name}.svg", piece.svg)
    return record


def write_json(path: Path, record: Any) -> None:
    """Write JSON that two runs write alike."""
    _write(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a page that must come out the same again: figures, tables, drawings."""
    files = sorted([folder / "metrics.json", *folder.glob("tables/*.csv"), *folder.glob("figures/*.svg")])
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Read the manifest of a run.

    Raises
    ------
    ParameterError
        If there is none.
    """
    path = Path(folder)
    path = path if path.name == MANIFEST else path / MANIFEST
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParameterError(f"{path}: no such manifest; 'partnerlab report list' shows the runs there are") from None
    except json.JSONDecodeError as error:
        raise ParameterError(f"{path}, line {error.lineno}: not JSON; render the run again") from error


def list_runs(out: str | Path) -> list[dict[str, Any]]:
    """Manifests of all runs below a folder, sorted by program and quarter."""
    paths = sorted(path for path in Path(out).glob(f"*/*/{MANIFEST}") if not path.parent.name.startswith("."))
    return [{**read_manifest(path), "folder": str(path.parent)} for path in paths]


def find_run(out: str | Path, *, quarter: str = "", program: str = "") -> dict[str, Any]:
    """Give the one run that is meant: by its quarter, its folder or its manifest; the latest quarter when none is named.

    Raises
    ------
    ParameterError
        If there is no such run, or several.
    """
    named = Path(quarter)
    if quarter and (named.name == MANIFEST or (named / MANIFEST).is_file()):
        return {**read_manifest(named), "folder": str(named.parent if named.name == MANIFEST else named)}
    runs = [run for run in list_runs(out) if not program or program in (run["program"], slug(run["program"]))]
    if not runs:
        raise ParameterError(f"{out}: no reports{f' of {program}' if program else ''} yet; make some with 'partnerlab report build'")
    programs = sorted({run["program"] for run in runs})
    if len(programs) > 1:
        raise ParameterError(f"{out} holds several programs ({', '.join(programs)}); name one with --program")
    quarters = {run["quarter"]: run for run in runs}
    if quarter and quarter not in quarters:
        raise ParameterError(f"no reports of {quarter}{nearest(quarter, quarters)}", quarter=quarter)
    return quarters[quarter or max(quarters)]


def describe_code() -> dict[str, Any]:
    """Say which code and packages are at work: git revision with a dirty mark, versions, Python."""
    folder = Path(__file__).parent
    revision = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no") if revision else None
    return {
        "revision": revision or "",
        "dirty": bool(changed),
        "python": sys.version.split()[0],
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _git(folder: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", "-C", str(folder), *command],  # noqa: S607 - the reader's git
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def now() -> str:
    """Give the moment, to the second, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
