"""Where files are looked for: in the working folder and above it, so that notebooks run from where they lie."""

from __future__ import annotations

from pathlib import Path


def project_folder() -> Path:
    """Folder that holds ``notebooks/``, at or above the working folder; else the working folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "notebooks").is_dir()), here)


def look_upward(path: str) -> str:
    """Give the absolute path of a relative one, looked for here and above; unchanged when it is nowhere."""
    given = Path(path)
    here = Path.cwd()
    candidates = [given] if given.is_absolute() else [folder / given for folder in (here, *here.parents)]
    return str(next((candidate for candidate in candidates if candidate.exists()), given))
