"""Starts and stops against R: ``switching/switching.R`` prints the numbers (lm by status, infinitesimal jackknife by manager)."""

from pathlib import Path

import numpy as np
import pandas as pd

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_switching
from partnerlab.verdicts import Stakes

HERE = Path(__file__).parent / "switching"


def test_effects_and_clustered_errors_equal_those_of_r():
    rows = pd.read_csv(HERE / "rows.csv")
    panel = TacticPanel.from_frame(rows, outcome="leads", treated="dinner", manager="manager", covariates=["size"])
    study = TacticStudy(
        tactic="dinner", stakes=Stakes(unit="leads"), horizon=1, minimum=2, covariates=(Known(name="size", at="start", lag=0),)
    )
    wanted = pd.read_csv(HERE / "values.csv", skipinitialspace=True)
    wanted["switch"] = wanted["switch"].str.strip()

    table = (
        estimate_switching(panel, study=study).table.set_index(["switch", "at"]).loc[list(zip(wanted["switch"], wanted["at"], strict=True))]
    )

    np.testing.assert_allclose(table["estimate"], wanted["estimate"], rtol=1e-8)
    np.testing.assert_array_equal(table["n"], wanted["n"])
    # R's errors are difference quotients without the factor for 9 managers
    np.testing.assert_allclose(table["std_error"] * np.sqrt(8 / 9), wanted["std_error"], rtol=1e-4)
