"""Where the outside data lie: real data and numbers computed by others."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def external_data():
    named = os.environ.get("PARTNERLAB_EXTERNAL_DATA")
    if not named:
        pytest.fail("PARTNERLAB_EXTERNAL_DATA is not set; give the folder that holds data/ and reference/", pytrace=False)
    return Path(named)
