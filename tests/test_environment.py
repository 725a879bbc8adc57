"""environment.yml, pyproject.toml and requirements.lock say the same."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"duckdb": "python-duckdb", "matplotlib": "matplotlib-base", "tzdata": "python-tzdata"}


def _pyproject() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def _conda() -> tuple[list[str], list[str]]:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    return [entry for entry in entries if isinstance(entry, str)], pip


def _bounds(text: str) -> frozenset[str]:
    return frozenset(part for part in text.replace(" ", "").split(",") if part)


def test_environment_names_the_packages_and_bounds_of_pyproject():
    conda, pip = _conda()
    said = {line.split()[0]: _bounds(" ".join(line.split()[1:])) for line in conda if line.split()[0] not in ("python", "pip")}
    said |= {Requirement(line).name: _bounds(str(Requirement(line).specifier)) for line in pip}

    expected = {CONDA_NAMES.get(name, name): _bounds(str(requirement.specifier)) for name, requirement in _pyproject().items()}

    assert said == expected


def test_environment_asks_for_the_python_of_pyproject():
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]

    assert f"python {requires}" in _conda()[0]


@pytest.mark.parametrize("line", _conda()[0])
def test_every_conda_line_is_a_valid_match_spec(line):
    assert MatchSpec(line, strict=True).name is not None


@pytest.mark.parametrize("name", sorted(_pyproject()))
def test_the_installed_version_is_one_that_pyproject_accepts(name):
    assert _pyproject()[name].specifier.contains(version(name), prereleases=True)


def test_lock_pins_everything_with_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}[ \\]*\n)+)", lock, flags=re.MULTILINE)

    assert "://" not in lock
    assert len(pins) == len(re.findall(r"^[a-z0-9]", lock, flags=re.MULTILINE))
    assert set(_pyproject()) <= {canonicalize_name(name) for name, _, _ in pins}
