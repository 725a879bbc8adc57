"""Where the outside data lie: real data and numbers computed by others."""

import json
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def external_data():
    named = os.environ.get("PARTNERLAB_EXTERNAL_DATA")
    if not named:
        pytest.fail("PARTNERLAB_EXTERNAL_DATA is not set; give the folder that holds data/ and reference/", pytrace=False)
    return Path(named)


@pytest.fixture(scope="session")
def folder(external_data):
    """Where the survival cases lie; a file of tests on other data names its own."""
    return external_data / "reference" / "survival"


@pytest.fixture(scope="session")
def cases(folder):
    """Survival, transitions and regressions as others computed them in R, by the case's name."""
    return json.loads((folder / "values.json").read_text(encoding="utf-8"))["cases"]


@pytest.fixture(scope="session")
def facts(external_data):
    """What a real data set says about itself, by its name."""
    return lambda name: json.loads((external_data / "data" / name / "facts.json").read_text(encoding="utf-8"))
