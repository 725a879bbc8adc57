"""Trials of what ends for good, with loss on the way, against R: ``nested/ending.R`` prints the numbers (pooled logistic regression)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab import Known, Stakes, TacticPanel, TacticStudy, estimate_nested_trials

HERE = Path(__file__).parent / "nested"
WANTED = pd.read_csv(HERE / "ending_values.csv", skipinitialspace=True)


@pytest.mark.parametrize("case", WANTED.to_dict("records"), ids=WANTED["strategy"] + " " + WANTED["time"])
def test_starting_and_keeping_to_it_move_the_odds_of_ending_as_in_r(case):
    rows = pd.read_csv(HERE / "ending.csv")
    panel = TacticPanel.from_frame(rows, outcome="left", treated="dinner", covariates=["health", "base"])
    known = tuple(Known(name=name, at="start", lag=0) for name in ("health", "base"))
    study = TacticStudy(tactic="dinner", stakes=Stakes(unit="endings"), horizon=3, minimum=2, covariates=known)

    found = estimate_nested_trials(
        panel, study=study, strategy=case["strategy"].strip(), time=case["time"].strip(), family="logit", ends=True,
        past_outcomes=False, untreated_before=True,
    )  # fmt: skip
    whole = found.headline()

    assert (whole["estimate"], whole["n"]) == (pytest.approx(case["est"], rel=1e-7), case["n"])
    assert whole["std_error"] * np.sqrt((found.partners - 1) / found.partners) == pytest.approx(case["se"], rel=1e-6)  # R: no factor
