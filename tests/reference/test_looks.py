"""Boundaries of looks by multivariate normal integrals (``trials/looks.R``) and rpact (``trials/rpact.R``): other errors, uneven looks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.trials.futility import give_up_bounds
from partnerlab.stats.trials.sequential import boundaries

FOLDER = Path(__file__).parent / "trials"
CASES = pd.read_csv(FOLDER / "looks.csv")
RPACT, GIVING_UP = pd.read_csv(FOLDER / "rpact.csv"), pd.read_csv(FOLDER / "rpact_giving_up.csv")
#: What the spending that has no parameter is given.
UNUSED = -4.0


def _numbers(text):
    return np.array(text.split(), dtype=float)


def _bounds(case):
    share, gamma = _numbers(case["shares"]), UNUSED if np.isnan(case["gamma"]) else case["gamma"]
    if case["sides"] == 2:
        return boundaries(share, alpha=case["alpha"], kind=case["kind"], gamma=gamma)
    return give_up_bounds(share, alpha=case["alpha"], finding=case["kind"], finding_gamma=gamma).upper


@pytest.mark.parametrize("case", CASES.to_dict("records"), ids=CASES["kind"] + " " + CASES["shares"])
def test_boundaries_are_those_of_multivariate_normal_integrals(case):
    assert _bounds(case) == pytest.approx(_numbers(case["bounds"]), abs=2e-5)  # as near as the integrals are


@pytest.mark.parametrize("case", RPACT.to_dict("records"), ids=RPACT["kind"] + " " + RPACT["gamma"].astype(str) + " " + RPACT["shares"])
def test_boundaries_are_those_of_rpact(case):
    # chances are equal to 4e-10: far out, where the first of eight looks lie, that is 6e-6 of z
    assert _bounds(case) == pytest.approx(_numbers(case["bounds"]), abs=1e-5)


@pytest.mark.parametrize("case", GIVING_UP.to_dict("records"), ids=GIVING_UP["kind"] + " " + GIVING_UP["giving_up"])
def test_boundaries_for_giving_up_and_what_they_cost_are_those_of_rpact(case):
    asked = {name: UNUSED if np.isnan(case[column]) else case[column] for name, column in
             (("finding_gamma", "gamma"), ("giving_up_gamma", "giving_gamma"))}  # fmt: skip
    found = give_up_bounds(_numbers(case["shares"]), power=case["power"], finding=case["kind"], giving_up=case["giving_up"], **asked)

    assert found.upper == pytest.approx(_numbers(case["upper"]), abs=1e-6)
    assert found.lower[:-1] == pytest.approx(_numbers(case["lower"]), abs=1e-6)
    assert found.inflation == pytest.approx(case["inflation"], abs=1e-6)
