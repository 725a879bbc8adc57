"""Starts and stops against R: ``switching/switching.R`` prints the numbers (lm by status, infinitesimal jackknife by manager)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_switching
from partnerlab.errors import ParameterError
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


def test_with_every_switch_effects_equal_those_of_diff_diff():
    rows = pd.read_csv(HERE / "rows.csv").dropna(subset=["leads"])
    rows = rows[rows.groupby("partner")["quarter"].transform("size") == 7]  # it looks at whole panels
    panel = TacticPanel.from_frame(rows, outcome="leads", treated="dinner")

    found = estimate_switching(panel, history=1)

    # ChaisemartinDHaultfoeuille(drop_larger_lower=False), release 3.13: all, joiners, leavers; its errors are others, centred by group
    wanted = {"both": 0.654412839792, "on": 0.561676256096, "off": 0.759633194370}
    for switch, effect in wanted.items():
        assert found.at(0, switch=switch)["estimate"] == pytest.approx(effect, rel=1e-10)


def test_where_the_past_is_held_fixed_two_quarters_must_be_known():
    panel = TacticPanel.from_frame(pd.read_csv(HERE / "rows.csv"), outcome="leads", treated="dinner")

    with pytest.raises(ParameterError, match="history is 1; give 1 or 2, and 2 where the past is held fixed"):
        estimate_switching(panel, history=1, given_past=True)
