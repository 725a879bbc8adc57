"""Whether a run comes out the same again, and if not, what is no longer as it was."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partnerlab.report import archive
from partnerlab.report.execution import Watcher
from partnerlab.report.runner import Order, render_reports


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
    """Whether a run comes out the same again.

    Parameters
    ----------
    differences : tuple of str
        Files that came out otherwise, one line each.
    reasons : tuple of str
        What is not as it was: data, scheme, code, packages.
    files : int
        How many were compared.
    """

    differences: tuple[str, ...]
    reasons: tuple[str, ...]
    files: int

    @property
    def same(self) -> bool:
        """Whether everything came out the same."""
        return not self.differences


def check_run(folder: str | Path, *, source: str = "", jobs: int = 2, watch: Watcher | None = None) -> Verification:
    """Render a run again, aside, and compare every figure, table and drawing.

    Parameters
    ----------
    folder : str or Path
        Folder of the run, or its manifest.
    source : str
        Where the data are now; empty for where they were.
    jobs, watch
        As in `render_reports`.
    """
    old = archive.read_manifest(folder)
    asked = old["order"] | ({"source": source} if source else {})
    with tempfile.TemporaryDirectory(prefix="partnerlab-verify-") as aside:
        ledger = Path(aside) / "ledger.duckdb"
        if asked["ledger"] and Path(asked["ledger"]).is_file():
            shutil.copyfile(asked["ledger"], ledger)
        order = Order(
            **{**asked, "notebooks": tuple(asked["notebooks"]), "ledger": str(ledger) if ledger.is_file() else ""}, out=aside, jobs=jobs
        )
        new = render_reports(order, watch=watch).manifest
    return _compare_manifests(old, new)


def _files(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the files that the run itself made, by path; pages carried over from earlier runs have their own order."""
    return {
        f"{page['slug']}/{file}": digest
        for page in manifest["pages"]
        if page["run"] == manifest["run"]
        for file, digest in page["files"].items()
    }


def _compare_manifests(old: Mapping[str, Any], new: Mapping[str, Any]) -> Verification:
    reasons = [
        f"{name} was {old[key]}, is {new[key]}"
        for key, name in (("data_hash", "data hash"), ("scheme", "tier scheme"))
        if old[key] != new[key]
    ]
    marks = [key for key in ("revision", "dirty", "python") if old["code"][key] != new["code"][key]]
    reasons += [f"code {key} was {old['code'][key]}, is {new['code'][key]}" for key in marks]
    packages = old["code"]["versions"].items() ^ new["code"]["versions"].items()
    reasons += [
        f"{name} was {old['code']['versions'].get(name, 'absent')}, is {new['code']['versions'].get(name, 'absent')}"
        for name in sorted({name for name, _ in packages})
    ]
    files_before, files_now = _files(old), _files(new)
    differences = [
        f"{file}: {'not made again' if file not in files_now else 'new' if file not in files_before else 'differs'}"
        for file in sorted(files_before.keys() | files_now.keys())
        if files_before.get(file) != files_now.get(file)
    ]
    return Verification(differences=tuple(differences), reasons=tuple(reasons), files=len(files_before))
