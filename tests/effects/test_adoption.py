"""Adoption that stays: the public door, its refusals, and the estimators beside it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, compare_adoption, estimate_adoption
from partnerlab.errors import ParameterError, SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.stats.causes.did import group_time_effects
from partnerlab.stats.causes.did_aggregates import aggregate_effects, influence_covariance
from partnerlab.verdicts import Stakes

HEALTH = (Known(name="health", at="start", lag=0),)


def _panel(seed=1, **options):
    frame = simulate_world("A", seed=seed, **({"partners": 150} | options)).to_frame()
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])


def _study(**options):
    return TacticStudy(tactic="Portal", stakes=Stakes(unit="leads"), **({"covariates": HEALTH} | options))


@pytest.fixture(scope="module")
def effects():
    return estimate_adoption(_panel(), study=_study())


def test_the_public_door_gives_the_array_functions_numbers(effects):
    panel = _panel()
    raw = group_time_effects(panel.outcome, panel.adopted, covariates=panel.covariates["health"][:, :, None])
    whole = aggregate_effects(raw, kind="simple")
    error = influence_covariance(whole.overall_influence[:, None], clusters=panel.steady_manager)[0, 0] ** 0.5

    row = effects.at("overall")

    assert row["estimate"] == pytest.approx(whole.overall)
    assert row["std_error"] == pytest.approx(error)


def test_intervals_are_students_with_treated_managers_less_one(effects):
    from scipy.stats import t

    panel, row = _panel(), effects.at("overall")
    users = len(np.unique(panel.steady_manager[panel.adopted >= 0]))

    assert effects.df == users - 1
    assert row["conf_high"] - row["estimate"] == pytest.approx(t.ppf(0.975, users - 1) * row["std_error"])


def test_bands_are_wider_than_intervals(effects):
    assert (effects.table["band_low"] <= effects.table["conf_low"]).all()
    assert (effects.table["band_high"] >= effects.table["conf_high"]).all()


def test_the_influence_of_partners_gives_the_error_back(effects):
    code = _panel().steady_manager

    assert np.sqrt((np.bincount(code, effects.influence) ** 2).sum()) == pytest.approx(effects.at("overall")["std_error"])


def test_partners_treated_when_first_seen_are_left_out_and_counted():
    frame = simulate_world("A", seed=2, partners=150).to_frame()
    late = frame[(frame["quarter"] >= "2025Q3")]
    panel = TacticPanel.from_frame(late)
    already = int(panel.on[:, 0].sum())

    effects = estimate_adoption(panel)

    check = next(check for check in effects.checks if check.name == "starts seen")
    assert already > 0
    assert check.passed is False
    assert check.detail.startswith(f"{already} partners")


def test_a_tactic_that_stops_again_is_no_adoption():
    frame = simulate_world("B", seed=1, partners=150).to_frame()

    effects = estimate_adoption(TacticPanel.from_frame(frame))

    assert effects.evidence.value == "D"
    assert "estimate_on_off" in next(check.detail for check in effects.checks if check.name == "stays on")


def test_only_eligible_tiers_are_taken():
    all_tiers, gold = (estimate_adoption(_panel(), study=_study(tiers=tiers)).partners for tiers in ((), ("Gold", "Silver")))

    assert 0 < gold < all_tiers


def test_a_covariate_with_a_lag_leaves_comparisons_that_start_before_it_is_known(effects):
    lagged = estimate_adoption(_panel(), study=_study(covariates=(Known(name="health", lag=2),)))

    assert lagged.cells["estimate"].isna().sum() > effects.cells["estimate"].isna().sum()
    assert "not known" in next(check.detail for check in lagged.checks if check.name == "covariates known")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.assign(treated=False), "no partner was seen with it"),
        (lambda frame: frame.assign(treated=frame["quarter"] >= "2025Q1"), "every partner had it at once"),
        (
            lambda frame: frame.assign(manager=np.where(frame["treated"].groupby(frame["partner"]).transform("any"), "M1", "M2")),
            "only 1 manager",
        ),
        (lambda frame: frame.assign(manager=frame["manager"].where(frame["partner"] != "P0000")), "1 of 150 partners have no manager"),
    ],
)
def test_bad_studies_get_one_clear_refusal(change, said):
    frame = simulate_world("A", seed=1, partners=150).to_frame()

    with pytest.raises(SampleError, match=said):
        estimate_adoption(TacticPanel.from_frame(change(frame), manager="manager"))


@pytest.mark.parametrize("options", [{"tiers": ("Golt",)}, {"covariates": (Known(name="helth"),)}])
def test_what_the_panel_does_not_have_is_named(options):
    with pytest.raises(ParameterError, match="did you mean"):
        estimate_adoption(_panel(), study=_study(**options))


def test_pre_trends_are_doubted_where_managers_react_to_results():
    doubted = [estimate_adoption(_switching(seed)).pre_trend < 0.1 for seed in range(4)]

    assert all(doubted)


def _switching(seed):
    return TacticPanel.from_frame(simulate_world("B", seed=seed).to_frame(), manager="manager")


def test_estimators_stand_side_by_side_and_bacon_says_what_two_way_averages():
    found = compare_adoption(_panel(), study=_study())

    overall = found.table[found.table["aggregate"] == "overall"].set_index("estimator")["estimate"]
    assert overall["naive"] < 0 < overall["group-time"]
    assert (found.bacon["weight"] * found.bacon["estimate"]).sum() == pytest.approx(overall["two-way"])
    assert found.bacon["forbidden"].any()


def test_unbalanced_panels_have_no_bacon_weights_but_every_estimator():
    frame = simulate_world("A", seed=1, partners=150).to_frame().sample(frac=0.9, random_state=1)

    found = compare_adoption(TacticPanel.from_frame(frame))

    assert found.bacon.empty
    assert pd.notna(found.table.loc[found.table["aggregate"] == "overall", "estimate"]).all()


def test_partners_alike_in_past_results_compare_where_asked():
    plain, matched = (estimate_adoption(_panel(), study=_study(), matched=matched).at("overall") for matched in (False, True))

    assert plain["estimate"] != matched["estimate"]
    assert plain["n"] == matched["n"]


def test_few_treated_managers_widen_the_interval_not_the_many_that_compare():
    panel = _panel()
    used = panel.steady_manager < 8
    few = dataclasses.replace(panel, treated=np.where(used[:, None], panel.treated, 0.0))

    assert estimate_adoption(few, study=_study()).df == 7
