"""Nested target trials against R: ``sustained/nested.R`` prints the numbers (glm on copied rows, sandwich clustered by partner)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, estimate_nested_trials
from partnerlab.verdicts import Stakes

HERE = Path(__file__).parent / "sustained"
STUDY = TacticStudy(
    tactic="dinner", stakes=Stakes(unit="leads"), horizon=2, minimum=2,
    covariates=(Known(name="health", at="start", lag=0), Known(name="size", at="start", lag=0)),
)  # fmt: skip


@pytest.mark.parametrize(("strategy", "kind"), [("start", "linear"), ("keep", "linear"), ("keep", "logit")])
def test_effects_and_clustered_errors_equal_those_of_r(strategy, kind):
    rows = pd.read_csv(HERE / "rows.csv")
    if kind == "logit":
        rows["leads"] = (rows["leads"] > 0.5).where(rows["leads"].notna()).astype(float)
    panel = TacticPanel.from_frame(rows, outcome="leads", treated="dinner", covariates=["health", "size"])
    wanted = pd.read_csv(HERE / "nested.csv", skipinitialspace=True)
    wanted = wanted[(wanted["strategy"].str.strip() == strategy) & (wanted["kind"] == kind)]

    found = estimate_nested_trials(panel, study=STUDY, strategy=strategy, family=kind, past_outcomes=False, untreated_before=True)
    users = found.partners

    np.testing.assert_allclose(found.table["estimate"], wanted["estimate"], rtol=1e-7)
    np.testing.assert_allclose(found.table["std_error"] * np.sqrt((users - 1) / users), wanted["std_error"], rtol=1e-6)  # R: no factor
    np.testing.assert_array_equal(found.table["n"], wanted["n"])
