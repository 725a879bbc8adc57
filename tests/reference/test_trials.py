"""Tests for few clusters give the numbers of R, counted by hand there (`trials/wild.R`)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.trials.wild_bootstrap import wild_test

FOLDER = Path(__file__).parent / "trials"
WILD = pd.read_csv(FOLDER / "wild_values.csv")


@pytest.mark.parametrize("case", WILD.to_dict("records"), ids=WILD["case"])
def test_the_wild_bootstrap_counts_as_many_ways_as_r(case):
    rows = pd.read_csv(FOLDER / "wild.csv")
    rows = rows[rows["g"] <= int(case["case"][-1])]
    design = np.column_stack([np.ones(len(rows)), rows["d"], rows["x"]])
    weights = "webb" if case["case"].startswith("six") else "rademacher"
    found = wild_test(rows["y"].to_numpy(), design, rows["g"].to_numpy(), column=1, weights=weights)
    groups, units = rows["g"].nunique(), len(rows)

    assert (found.p_value, found.draws) == (pytest.approx(case["p"], abs=1e-12), case["ways"])
    assert found.t == pytest.approx(case["t"] * np.sqrt((groups - 1) / groups * (units - 3) / (units - 1)), rel=1e-10)
