"""Other tactics beside one that stays on: by hand, truth recovered, errors counted, refusal."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, compare_adoption, estimate_adoption
from partnerlab.errors import SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.verdicts import Stakes

STUDY = TacticStudy(tactic="Portal", stakes=Stakes(unit="leads"), minimum=2, covariates=(Known(name="health", at="start", lag=0),))
PLAIN = STUDY.model_copy(update={"covariates": ()})


def _muddled(seed, **options):
    """World A with calls, mostly to adopters: 0.5 leads in their quarter and 0.3 in the next."""
    world = simulate_world("A", seed=seed, **options)
    panel = TacticPanel.from_frame(world.to_frame(), manager="manager", tier="tier", covariates=["health"])
    call = (np.random.default_rng(seed).random(panel.shape) < 0.15 + 0.6 * panel.on).astype(float)
    before = np.hstack([call[:, :1], call[:, :-1]])
    return dataclasses.replace(panel, outcome=panel.outcome + 0.5 * call + 0.3 * before, others={"call": call}), world.truth


def test_by_hand_what_calls_did_without_the_portal_is_taken_from_those_with_it():
    quarters, level = 5, {"caller": 1.0, "plain": 0.0, "adopter": 3.0}
    call = {"caller": [0, 1, 0, 0, 0], "plain": [0, 0, 0, 0, 0], "adopter": [0, 0, 0, 1, 1]}
    portal = {"caller": [0] * 5, "plain": [0] * 5, "adopter": [0, 0, 0, 1, 1]}
    rows = []
    for name, lasting in level.items():
        for quarter in range(quarters):
            before = call[name][max(quarter - 1, 0)]
            leads = lasting + quarter + 2.0 * call[name][quarter] + 1.0 * before + 5.0 * portal[name][quarter]
            rows += [(f"{name}{twin}", quarter, portal[name][quarter], call[name][quarter], leads) for twin in range(3)]
    panel = TacticPanel.from_frame(
        pd.DataFrame(rows, columns=["partner", "quarter", "portal", "call", "leads"]), outcome="leads", treated="portal", others=["call"]
    )
    found = estimate_adoption(panel, study=PLAIN)

    assert found.at("overall")["estimate"] == pytest.approx(5.0)
    assert "call 2 and call 1 quarter before 1" in next(check for check in found.checks if check.name == "other tactics").detail


def test_truth_is_recovered_with_other_tactics_and_missed_without():
    alone, beside, hits = [], [], []
    for seed in range(12):
        panel, truth = _muddled(seed)
        row = estimate_adoption(panel, study=STUDY).at("overall")
        beside.append(row["estimate"] - truth)
        hits.append(row["conf_low"] <= truth <= row["conf_high"])
        alone.append(estimate_adoption(dataclasses.replace(panel, others={}), study=STUDY).at("overall")["conf_low"] > truth)

    assert all(alone)
    assert abs(np.mean(beside)) < 0.04
    assert np.mean(hits) >= 0.75


def test_the_error_counts_that_other_tactics_were_estimated():
    panel, _ = _muddled(3, partners=40, quarters=9)
    panel = dataclasses.replace(panel, managers=(), manager=np.full(panel.shape, -1))
    whole = estimate_adoption(panel, study=PLAIN)
    left = np.array([estimate_adoption(panel.select(np.arange(40) != one), study=PLAIN).at("overall")["estimate"] for one in range(40)])
    jackknife = np.sqrt(39 / 40 * ((left - left.mean()) ** 2).sum())

    assert whole.at("overall")["std_error"] == pytest.approx(jackknife, rel=0.15)
    silent = np.sqrt((whole.influence**2).sum())
    assert silent == pytest.approx(whole.at("overall")["std_error"], rel=0.03)


def test_all_estimators_of_adoption_are_compared_on_the_same_outcome():
    panel, truth = _muddled(1)
    rows = compare_adoption(panel, study=STUDY).table
    overall = rows[rows["at"] == "partner-quarters"].set_index("estimator")["estimate"]

    assert abs(overall["group-time"] - truth) < 0.15
    assert overall["imputation"] < truth + 0.3


def test_a_tactic_that_only_ran_with_this_one_is_refused():
    panel, _ = _muddled(2)

    with pytest.raises(SampleError, match="call and call 1 quarter before never changes while it is not on, so nothing tells") as caught:
        estimate_adoption(dataclasses.replace(panel, others={"call": panel.on.astype(float)}), study=STUDY)
    assert "\n" not in str(caught.value)
