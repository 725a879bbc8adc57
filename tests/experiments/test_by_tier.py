"""Effects by tier are pooled: equal effects come together, the best of many is no boast."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.experiments import Experiment, Metric, Trial, analyze_by_tier, assign_variants
from partnerlab.stats.trials.arm_differences import Arms, arm_difference
from partnerlab.verdicts import Stakes

TIERS = np.array(["Bronze", "Silver", "Gold"])


def _rows(effects, *, n=300, seed=1, managers=30, shock=0.0):
    random = np.random.default_rng(seed)
    tier, manager = random.integers(0, 3, n), random.integers(0, managers, n)
    treated = (manager % 2 if shock else random.permutation(n) % 2).astype(int)
    leads = random.normal(size=n) + np.array(effects)[tier] * treated + shock * random.normal(size=managers)[manager]
    return pd.DataFrame(
        {"partner": range(n), "tier": TIERS[tier], "manager": manager, "variant": np.array(["off", "on"])[treated], "leads": leads}
    )


def _trial(rows, **asked):
    return Trial.from_frame(rows, unit="partner", outcomes=["leads"], by="tier", **asked)


def test_raw_effects_are_those_of_each_tier_alone():
    rows = _rows([0.5, 0.2, 0.0])
    table = analyze_by_tier(_trial(rows)).table.set_index("tier")
    gold = rows[rows["tier"] == "Gold"]
    alone = arm_difference(gold["leads"].to_numpy(), Arms(treated=(gold["variant"] == "on").to_numpy()))

    assert table.loc["Gold", "raw"] == pytest.approx(alone.estimate)
    assert table.loc["Gold", "raw_error"] == pytest.approx(alone.std_error, rel=0.03)
    assert table.loc["Gold", ["n_treated", "n_control"]].tolist() == gold["variant"].value_counts()[["on", "off"]].tolist()


def test_pooled_effects_lie_nearer_to_one_another():
    table = analyze_by_tier(_trial(_rows([0.5, 0.5, 0.5]))).table

    assert np.ptp(table["estimate"]) < np.ptp(table["raw"])
    assert (table["std_error"] < table["raw_error"]).all()
    assert table["best"].sum() == pytest.approx(1.0)


def test_effects_that_differ_are_told_apart():
    found = analyze_by_tier(_trial(_rows([0.0, 0.0, 2.0], n=600)))

    assert found.heterogeneity["on"] < 1e-6
    assert found.table.set_index("tier")["best"]["Gold"] > 0.99


def test_the_same_effect_everywhere_is_seldom_doubted():
    p = [analyze_by_tier(_trial(_rows([0.3, 0.3, 0.3], seed=seed, n=240)), seed=1).heterogeneity["on"] for seed in range(60)]

    assert np.mean(np.array(p) < 0.05) <= 0.15


def test_managers_with_partners_in_all_tiers_make_the_errors_alike():
    rows = _rows([0.3, 0.3, 0.3], shock=1.0)
    alone, shared = (analyze_by_tier(_trial(rows, **asked)).table for asked in ({}, {"cluster": "manager"}))

    assert (shared["std_error"] > 1.5 * alone["std_error"]).all()


def test_a_tier_with_one_unit_of_a_variant_stays_unknown():
    rows = _rows([0.5, 0.2, 0.0])
    gold = rows[(rows["tier"] == "Gold") & (rows["variant"] == "on")]
    table = analyze_by_tier(_trial(rows.drop(gold.index[1:]))).table.set_index("tier")

    assert np.isnan(table.loc["Gold", "estimate"])
    assert np.isfinite(table.loc["Silver", "estimate"])


def test_shares_that_differ_in_a_tier_are_noticed():
    rows = _rows([0.5, 0.2, 0.0])
    kept = rows[(rows["tier"] != "Gold") | (rows["variant"] == "off") | (rows["partner"] % 4 == 0)]

    assert not analyze_by_tier(_trial(kept)).checks[1].passed


def test_an_experiment_may_declare_what_it_is_read_by():
    experiment = Experiment(
        name="dinner", hypothesis="It helps.", tactic="Dinner", stakes=Stakes(unit="leads"), metrics=(Metric(name="leads"),), by="tier"
    )
    rows = _rows([1.0, 1.0, 1.0])
    dealt = assign_variants(experiment, units=rows, seed=2)
    trial = Trial.from_frame(dealt.label(rows.drop(columns="variant")), experiment=experiment)
    found = analyze_by_tier(trial, assignment=dealt)

    assert found.keys == ["variant", "tier"]
    assert "Read by: tier, pooled." in experiment.page


def test_trials_without_groups_or_with_one_are_refused():
    rows = _rows([0.0, 0.0, 0.0])

    with pytest.raises(ParameterError, match="by="):
        analyze_by_tier(Trial.from_frame(rows, unit="partner", outcomes=["leads"]))
    with pytest.raises(SampleError, match="two tiers are needed"):
        analyze_by_tier(_trial(rows[rows["tier"] == "Gold"]))
    with pytest.raises(ParameterError, match="did you mean 'leads'"):
        analyze_by_tier(_trial(rows), metric="leds")
