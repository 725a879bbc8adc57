"""Spells of our own that R was run on, too."""

from pathlib import Path

import pandas as pd
import pytest

from partnerlab.spells import Spells


@pytest.fixture(scope="session")
def every():
    return Spells.from_frame(pd.read_csv(Path(__file__).parent / "survival" / "spells.csv", keep_default_na=False))


@pytest.fixture(scope="session")
def first(every):
    return every.select(every.frame["spell"] == 1)
