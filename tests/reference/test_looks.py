"""Boundaries of looks against multivariate normal integrals in R (``trials/looks.R``): other errors, uneven looks, one side."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.trials.futility import give_up_bounds
from partnerlab.stats.trials.sequential import boundaries

CASES = pd.read_csv(Path(__file__).parent / "trials" / "looks.csv")


@pytest.mark.parametrize("case", CASES.to_dict("records"), ids=CASES["kind"] + " " + CASES["shares"])
def test_boundaries_are_those_of_multivariate_normal_integrals(case):
    share, wanted = (np.array(case[name].split(), dtype=float) for name in ("shares", "bounds"))
    if case["sides"] == 2:
        found = boundaries(share, alpha=case["alpha"], kind=case["kind"], gamma=case["gamma"])
    else:
        found = give_up_bounds(share, alpha=case["alpha"], finding=case["kind"], finding_gamma=case["gamma"]).upper

    assert found == pytest.approx(wanted, abs=2e-5)  # as near as the integrals are
