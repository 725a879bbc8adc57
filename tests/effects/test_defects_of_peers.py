"""Defects seen in other libraries that this code could share, each with its test; the id stands in the test's name.

| id | where it was seen | what went wrong | test |
|---|---|---|---|
| d01 | statsmodels ``TreatmentEffect`` | runs only with six parameters in the model of selection | here |
| d02 | lifelines' restricted mean | variance of the times for that of their mean: an error 18 times too large | here |
| d03 | R did 2.1.2 | error of the group average leaves out that group sizes are estimated | here, and C01 |
| d04 | pyfixest did2s | stops where a group has one period before | here |
| d05 | pyfixest ritest | no strata; integer treatment stops it | here |
| d06 | diff-diff HonestDiD, relative magnitudes | narrower than the conditional test | tests/stats/test_relative_trends.py, C26 |
| d07 | honestdid | minutes for four values | tests/stats/test_relative_trends.py |
| d08 | diff-diff dCDH | refuses clusters above the unit; drops partners that switch back | here |
| d09 | diff-diff CS | chances cut at .01 move the doubly robust effect | here |
| d10 | dCDH, zEpid, gbstats, tea-tasting | need, break on or drag down other libraries | tests/test_house.py (libraries) |
| d11 | diff-diff BusinessReport | a causal verb without a unit; "some evidence against" at p = .154 | here, tests/test_verdicts.py |
| d12 | R did #261, #262, #175 | clustered errors silently those of independent units; two cluster columns stop it | here |
| d13 | R did #76, #41, #138, #157, #275 | unbalanced panels and small groups: all effects silently missing | here |
| d14 | pyfixest #330 | the average over treated cells asked for, another one given | here |
"""

import dataclasses

import numpy as np
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic, estimate_adoption, estimate_switching
from partnerlab.effects.analysis import _limits_of
from partnerlab.intake.simulate import simulate_world
from partnerlab.stats.causes.aipw import weighted_effect
from partnerlab.stats.causes.did import NEVER, group_time_effects, two_period_effect
from partnerlab.stats.causes.did_aggregates import aggregate_effects
from partnerlab.stats.causes.imputation import impute_effects
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.trials.arm_scores import restricted_mean_scores
from partnerlab.stats.trials.randomization import exact_p_value
from partnerlab.verdicts import Stakes

STUDY = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(Known(name="health", at="start", lag=0),))


def _panel(name, seed=1, **options):
    frame = simulate_world(name, seed=seed, **options).to_frame()
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])


@pytest.mark.parametrize("columns", [0, 1, 2, 5, 8])
@pytest.mark.parametrize("target", ["att", "ate", "ato"])
def test_d01_any_number_of_covariates_will_do(columns, target):
    random = np.random.default_rng(1)
    design = np.column_stack([np.ones(400), random.standard_normal((400, columns))])
    treated = random.random(400) < 0.4

    found = weighted_effect(treated + random.standard_normal(400), treated, design, target=target, outcome_design=design)

    assert abs(found.estimate - 1.0) < 0.5
    assert 0.05 < np.sqrt((found.influence**2).sum()) / 400 < 0.2


def test_d02_without_censoring_a_restricted_mean_has_the_error_of_a_mean():
    random = np.random.default_rng(2)
    time, treated = random.exponential(500, 300), np.arange(300) < 150

    _, error = restricted_mean_scores(time, np.ones(300, dtype=bool), treated, tau=800.0)

    cut = np.minimum(time, 800.0)
    assert error == pytest.approx(np.sqrt(cut[treated].var() / 150 + cut[~treated].var() / 150), rel=1e-6)


def test_d03_the_error_of_the_group_average_counts_that_group_sizes_are_estimated():
    random = np.random.default_rng(3)
    units = 90
    adopted = random.choice([2, 4, NEVER], units, p=[0.3, 0.3, 0.4])
    effect = np.where(adopted == 2, 4.0, 0.0)  # groups differ, so their shares matter
    outcome = random.standard_normal((units, 6)) * 0.3 + effect[:, None] * (np.arange(6) >= adopted[:, None]) * (adopted != NEVER)[:, None]

    def overall(keep):
        return aggregate_effects(group_time_effects(outcome[keep], adopted[keep]), kind="group").overall

    whole = aggregate_effects(group_time_effects(outcome, adopted), kind="group")
    left = np.array([overall(np.arange(units) != one) for one in range(units)])
    jackknife = np.sqrt((units - 1) / units * ((left - left.mean()) ** 2).sum())

    assert np.sqrt((whole.overall_influence**2).sum()) / units == pytest.approx(jackknife, rel=0.05)


def test_d04_a_group_with_one_period_before_is_imputed():
    outcome = np.array([[0.0, 3, 4, 5], [1, 2, 3, 4], [0, 1, 2, 7], [2, 3, 4, 5]])
    adopted = np.array([1, NEVER, 3, NEVER])
    on = (np.arange(4) >= adopted[:, None]) & (adopted != NEVER)[:, None]

    assert impute_effects(outcome, adopted, targets=on[:, :, None]).att[0] == pytest.approx((2 + 2 + 2 + 4) / 4)


def test_d05_integers_booleans_and_floats_are_one_treatment_and_strata_are_kept():
    frame = simulate_world("B", seed=1, partners=90).to_frame()
    found = [
        estimate_switching(TacticPanel.from_frame(frame.assign(treated=frame["treated"].astype(kind)))).at(0)["estimate"]
        for kind in (bool, int, float, "Int64")
    ]
    assert len(set(found)) == 1

    # within blocks each treated unit is the best: 1 of 2 x 2 deals; without blocks 2 of 6 would do as well
    score, treated = np.array([1.0, 0.0, 11.0, 10.0]), np.array([True, False, True, False])
    assert exact_p_value(score, treated, np.array([0, 0, 1, 1]), two_sided=False) == pytest.approx(1 / 4)
    assert exact_p_value(score, treated, np.zeros(4, dtype=int), two_sided=False) > 1 / 4


def test_d08_switches_are_clustered_by_manager_and_who_switches_back_stays_in():
    panel = _panel("B")
    managers, partners = (estimate_switching(panel, study=STUDY, cluster=cluster) for cluster in ("manager", "partner"))
    back = (panel.on[:, 2:-1] & (panel.treated[:, 3:] == 0)).sum()

    assert managers.at(0)["estimate"] == partners.at(0)["estimate"]
    assert managers.at(0)["std_error"] != partners.at(0)["std_error"]
    assert managers.managers == 30
    assert managers.at(0, switch="off")["n"] == back > 200


def test_d09_small_chances_are_not_cut():
    random = np.random.default_rng(9)
    x = random.standard_normal(3000)
    treated = random.random(3000) < 1 / (1 + np.exp(4.5 - 1.5 * x))
    design, change = np.column_stack([np.ones(3000), x]), x + treated + random.standard_normal(3000)
    chance = fit_propensity(treated, design, np.ones(3000)).predict(design)
    fitted = design @ np.linalg.lstsq(design[~treated], change[~treated], rcond=None)[0]
    odds = chance / (1 - chance) * ~treated

    att, _ = two_period_effect(change, treated, design, np.ones(3000), score="dr")

    assert (chance < 0.01).mean() > 0.3
    assert att == pytest.approx((change - fitted)[treated].mean() - odds @ (change - fitted) / odds.sum(), rel=1e-9)


def test_d11_a_pre_trend_of_p_point_154_is_no_evidence_and_a_verdict_has_its_unit():
    effects = estimate_adoption(_panel("A"), study=STUDY)
    said = analyze_tactic(_panel("A"), study=STUDY).verdict.statement

    assert _limits_of(dataclasses.replace(effects, pre_trend=0.154)) == ()
    assert "leads" in said
    assert "per partner-quarter" in said
    assert "caused" not in said


def test_d12_errors_by_manager_are_wider_where_managers_choose_for_all_theirs_and_share_shocks():
    panel, quarters = _panel("A"), np.arange(12)
    owner = panel.steady_manager[:, None]
    shock = np.cumsum(np.random.default_rng(12).standard_normal((30, 12)), axis=1)[owner, quarters]
    treated = ((owner < 15) & (quarters >= 5 + owner % 3)).astype(float)
    shared = dataclasses.replace(panel, outcome=panel.outcome + shock, treated=treated, covariates={})
    managers, partners = (estimate_adoption(shared, cluster=cluster).at("overall") for cluster in ("manager", "partner"))

    assert managers["std_error"] > 2 * partners["std_error"]


def test_d13_gaps_and_small_groups_silence_their_own_cells_only_and_are_counted():
    panel = _panel("A")
    holes = np.random.default_rng(13).random(panel.shape) < 0.15
    gaps = dataclasses.replace(panel, outcome=np.where(holes, np.nan, panel.outcome))
    found = estimate_adoption(gaps, study=STUDY)

    assert found.cells["estimate"].notna().mean() > 0.5
    assert np.isfinite(found.at("overall")["std_error"])
    assert next(check for check in found.checks if check.name == "groups comparable").detail


def test_d14_the_headline_is_the_average_over_treated_partner_quarters():
    found = estimate_adoption(_panel("A"), study=STUDY)
    cells = found.cells[found.cells["quarter"] >= found.cells["group"]].dropna(subset=["estimate"])

    assert found.at("overall")["estimate"] == pytest.approx(np.average(cells["estimate"], weights=cells["treated"]), rel=0.02)
