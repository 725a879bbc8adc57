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
def facts(external_data):
    """What a real data set says about itself, by its name."""
    return lambda name: json.loads((external_data / "data" / name / "facts.json").read_text(encoding="utf-8"))
