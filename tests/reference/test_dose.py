"""Outcomes by dose against R: ``dose/doses.R`` prints the numbers (lm, sandwich's HC2, two one-sided t tests)."""

from pathlib import Path

import numpy as np
import pandas as pd

from partnerlab import estimate_dose

HERE = Path(__file__).parent / "dose"


def test_differences_errors_intervals_and_equivalence_equal_those_of_r():
    rows = pd.read_csv(HERE / "rows.csv")
    table = estimate_dose(rows, dose="days", outcome="leads", material=0.5, reference=180, covariates=["size", "region"]).table
    wanted = pd.read_csv(HERE / "values.csv").set_index("dose")

    assert table["dose"].tolist() == wanted.index.tolist()
    np.testing.assert_allclose(table[wanted.columns], wanted, rtol=1e-9)
