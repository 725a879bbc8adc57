"""Jumps at a line against R: ``discontinuity/jumps.R`` prints the numbers (lm and sandwich's HC2)."""

from pathlib import Path

import pandas as pd
import pytest

from partnerlab.stats.causes.discontinuity import estimate_jump

HERE = Path(__file__).parent / "discontinuity"


@pytest.fixture(scope="module")
def jump():
    table = pd.read_csv(HERE / "scores.csv")
    return estimate_jump(table["score"].to_numpy(), table["outcome"].to_numpy(), bandwidth=0.4)


def test_lines_and_quadratics_and_their_errors_equal_those_of_r(jump):
    values = pd.read_csv(HERE / "values.csv").set_index("case")

    assert [jump.plain, jump.plain_error] == pytest.approx(values.loc["line"].tolist(), rel=1e-10)
    assert [jump.estimate, jump.std_error] == pytest.approx(values.loc["quadratic"].tolist(), rel=1e-10)


def test_they_are_the_conventional_and_robust_numbers_of_rdrobust(jump):
    """Release 2.1.1 with h = b = 0.4, vce = "hc2", mass points left alone."""
    assert [jump.plain, jump.plain_error] == pytest.approx([0.45139051408223696, 0.09926729289811635], rel=1e-10)
    assert [jump.estimate, jump.std_error] == pytest.approx([0.41016473663049613, 0.14805565265499246], rel=1e-10)
    assert (jump.below, jump.above) == (71, 83)
