"""Pictures of experiments say what was found and no more: sizes, balance, effects, who came back, tiers by variant."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.experiments import (
    Experiment,
    Metric,
    Outlook,
    Prior,
    Trial,
    Variant,
    analyze_by_tier,
    analyze_experiment,
    assign_variants,
    design_experiment,
    estimate_looks,
)
from partnerlab.show import plot, tabulate
from partnerlab.show.experiments import balance_of
from partnerlab.verdicts import Stakes

STAKES = Stakes(unit="leads", per="partner-quarter", material=0.5, value=400, cost=60, currency="EUR")
TIERS = ("Registered", "Silver", "Gold")


def declare(**more):
    metrics = (Metric(name="leads", kind="count"), Metric(name="tier", kind="tier", tiers=TIERS))
    given = {"metrics": metrics, "cluster": "manager", "pre": ("leads_before",), **more}
    return Experiment(name="dinner", hypothesis="It helps.", tactic="Dinner", stakes=STAKES, **given)


@pytest.fixture(scope="module")
def ran():
    random = np.random.default_rng(1)
    experiment = declare()
    units = pd.DataFrame({"partner": range(300), "manager": np.arange(300) % 30, "leads_before": random.poisson(4, 300)})
    dealt = assign_variants(experiment, units=units, seed=3)
    table = dealt.table.rename(columns={"unit": "partner", "cluster": "manager"})
    on = (table["variant"] == "treatment").to_numpy()
    table["leads"] = random.poisson(3 + 0.5 * table["leads_before"] + 1.3 * on).astype(float)
    table["tier"] = pd.cut(table["leads"] + random.normal(0, 2, 300), [-99, 4, 7, 99], labels=TIERS).astype(str)
    table.loc[:5, "leads"] = np.nan
    trial = Trial.from_frame(table, experiment=experiment)
    return experiment, dealt, trial, analyze_experiment(trial, assignment=dealt, draws=99)


def designed(*, prior=None, **more):
    outlooks = {"leads": Outlook(level=4.0, dispersion=0.6, icc=0.15, known=0.6), "tier": Outlook(shares=(0.5, 0.3, 0.2), icc=0.1)}
    return design_experiment(declare(), outlooks=outlooks, units=[300], clusters=[8, 30, 60], prior=prior, **more)


def test_sizes_that_find_nothing_worth_acting_on_are_said_to_find_nothing():
    shown = plot(designed(quarters=[1, 4]), experiment=declare())

    assert shown.headline.startswith("No size listed finds an effect of 0.5 leads; 60 managers over 4 quarters find")
    assert "Worth acting on: 0.5." in shown.alt


def test_the_least_size_that_finds_what_matters_is_named():
    large = declare(cluster=None, metrics=(Metric(name="leads"),))
    sizes = design_experiment(large, outlooks={"leads": Outlook(sd=2.0)}, units=[100, 400, 800, 1600])

    assert (
        plot(sizes, experiment=large).headline == "An effect of 0.5 leads is found in 80\xa0% of trials from 800 partners over 1 quarter on"
    )


def test_lengths_that_change_nothing_are_one_line():
    assert "1 to 4 quarters" in plot(designed(quarters=[1, 4]), experiment=declare(), metric="tier").svg()


def test_the_worth_of_running_stands_beside_its_cost():
    shown = plot(designed(prior=Prior(mean=0.2, sd=0.5, rows=2400, fixed_cost=3000)), experiment=declare(), view="worth")

    assert shown.headline.startswith("Best worth running: 60 managers over 1 quarter, expected to bring")
    assert "cost 12,000 EUR" in shown.alt


def test_a_test_that_costs_more_than_it_brings_is_not_recommended():
    shown = plot(designed(prior=Prior(mean=5.0, sd=0.1, rows=10, fixed_cost=9000)), experiment=declare(), view="worth")

    assert shown.headline.startswith("No size listed is worth its cost")


def test_no_more_units_are_recommended_than_there_are():
    shown = plot(designed(prior=Prior(mean=0.2, sd=0.5, rows=2400, fixed_cost=3000)), experiment=declare(), view="worth", now=30)

    assert shown.headline.startswith("Best worth running: 30 managers over 1 quarter, expected to bring")


def test_worth_without_a_prior_is_refused():
    with pytest.raises(SampleError, match="give design_experiment a prior"):
        plot(designed(), view="worth")


def test_a_view_or_metric_that_is_not_there_names_the_nearest():
    with pytest.raises(ParameterError, match="no view 'pover'; did you mean 'power'"):
        plot(designed(), view="pover")
    with pytest.raises(ParameterError, match="no metric 'lead'; did you mean 'leads'"):
        plot(designed(), metric="lead")


def test_the_table_of_a_design_says_its_power():
    assert "smallest effect found in 80\xa0% of trials" in tabulate(designed()).heads


def test_balance_is_measured_against_what_chance_deals_do(ran):
    table = balance_of(ran[1]).iloc[0]
    rows = (
        ran[1].table.groupby("cluster").agg(leads=("leads_before", "mean"), variant=("variant", "first")).groupby("variant")["leads"].mean()
    )

    assert table["estimate"] * ran[1].table["leads_before"].std() == pytest.approx(rows["treatment"] - rows["control"])
    assert "chance deals reach up to" in plot(ran[1]).headline


def test_balance_of_nothing_known_is_refused():
    dealt = assign_variants(declare(pre=(), cluster=None), units=pd.DataFrame({"partner": range(20)}), seed=1)
    with pytest.raises(SampleError, match="nothing was known of the units before"):
        plot(dealt)


def test_effects_stand_under_their_verdict(ran):
    shown = plot(ran[3])

    assert shown.headline.startswith("Grade A: Dinner caused 1.")
    assert "tier: net chance of a higher tier per partner, treatment 0." in shown.alt
    assert "pale: effects too small to matter" in shown.caption


def test_a_stopped_page_concludes_nothing(ran):
    experiment = ran[0]
    frame = pd.DataFrame({"partner": range(300), "manager": np.arange(300) % 30, "leads_before": 1.0, "tier": "Gold"})
    frame["variant"] = np.where(frame["manager"] < 15, "control", "treatment")
    frame["leads"] = np.where((frame["variant"] == "treatment") & (frame.index % 2 == 0), np.nan, 3.0 + frame.index % 3)
    reading = analyze_experiment(Trial.from_frame(frame, experiment=experiment), experiment=experiment, draws=0)

    assert plot(reading).headline == "Stopped: outcomes of leads failed, so nothing is concluded"


def test_several_variants_are_each_said():
    names = ("none", "short", "long")
    experiment = declare(cluster=None, pre=(), metrics=(Metric(name="leads"),), variants=tuple(Variant(name=name) for name in names))
    frame = pd.DataFrame({"partner": range(300), "variant": np.array(names)[np.arange(300) % 3]})
    frame["leads"] = np.random.default_rng(1).normal(scale=3.0, size=300) + 4.0 * (frame["variant"] == "long")
    reading = analyze_experiment(Trial.from_frame(frame, experiment=experiment), experiment=experiment, draws=0)
    said = plot(reading).headline

    assert said.lower().startswith("grade a: long caused")
    assert said.endswith("of 1 further variant nothing can be told")


def test_who_came_back_is_shown_by_variant(ran):
    shown = plot(ran[2], experiment=ran[0], reading=ran[3])

    assert shown.headline == "150 control and 150 treatment units, as planned; at most 3\xa0% of outcomes were not seen"
    assert shown.table["planned"].tolist() == [0.5, 0.5]


def test_tiers_by_variant_claim_no_more_than_their_interval(ran):
    shown = plot(ran[2], view="tiers", reading=ran[3])

    assert shown.headline.startswith(("No clear difference in tier", "treatment stands higher more often than control"))
    assert shown.table.groupby("variant")["estimate"].sum().tolist() == pytest.approx([1.0, 1.0])


def test_tiers_that_were_not_declared_are_refused(ran):
    trial = Trial.from_frame(pd.DataFrame({"unit": list("abcd"), "variant": ["a", "b"] * 2, "leads": [1, 2, 3, 4]}), outcomes=["leads"])
    with pytest.raises(SampleError, match="no ordered outcome"):
        plot(trial, view="tiers")


def test_the_table_of_effects_keeps_all_numbers_for_the_csv(ran):
    view = tabulate(ran[3])

    assert view.heads[:4] == ("metric", "variant", "with it", "without")
    assert len(view.frame) == 2
    assert "std_error" in view.frame.columns


def test_rises_falls_and_ratios_are_measured_in_what_they_are(ran):
    metrics = (
        Metric(name="tier", kind="tier", tiers=TIERS, before="tier_before"),
        Metric(name="revenue", kind="ratio", per="deals"),
    )
    experiment = declare(cluster=None, pre=(), metrics=metrics)
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"partner": range(300), "variant": np.where(np.arange(300) % 2, "treatment", "control")})
    frame["tier"], frame["tier_before"] = (np.array(TIERS)[random.integers(0, 3, 300)] for _ in range(2))
    frame["deals"], frame["revenue"] = 1 + random.poisson(3, 300), random.gamma(4, 1000, 300)
    reading = analyze_experiment(Trial.from_frame(frame, experiment=experiment), experiment=experiment)
    view = tabulate(reading)

    assert view.rows[1][:2] == ("tier against before: share of a variant's units", "treatment, share that rose")
    assert view.rows[3][:2] == ("revenue per deal", "treatment")
    assert "tier against before: share of a variant's units, treatment, share that rose" in plot(reading).alt
    assert {row[view.heads.index("p, adjusted")] for row in view.rows[1:3]} == {"-"}


def test_a_stopped_trial_claims_nothing():
    experiment = declare(cluster=None, pre=(), metrics=(Metric(name="leads"),))
    frame = pd.DataFrame({"partner": range(400), "variant": ["control"] * 290 + ["treatment"] * 110})
    frame["leads"] = np.random.default_rng(5).normal(size=400) + 2.0 * (frame["variant"] == "treatment")
    reading = analyze_experiment(Trial.from_frame(frame, experiment=experiment), experiment=experiment)

    assert plot(reading).headline == "Stopped: sample ratio failed, so nothing is concluded"
    assert reading.table["claim"].tolist() == ["cannot tell"]


def test_effects_by_tier_stand_pooled_beside_alone():
    random = np.random.default_rng(2)
    experiment = declare(cluster=None, pre=(), metrics=(Metric(name="leads"),), by="tier_before")
    frame = pd.DataFrame({"partner": range(600), "variant": np.where(np.arange(600) % 2, "treatment", "control")})
    frame["tier_before"] = np.array(TIERS)[np.arange(600) // 200]
    frame["leads"] = random.normal(size=600) + 0.8 * (frame["variant"] == "treatment")
    shown = plot(analyze_by_tier(Trial.from_frame(frame, experiment=experiment), experiment=experiment), unit="leads")

    assert shown.headline.startswith("No clear difference between tiers (p = ")
    assert "so the verdict on all is that on each; the interval leaves out 0 in Gold 0." in shown.headline
    assert "alone" in shown.alt


def test_looks_and_tiers_without_enough_data_are_not_drawn():
    experiment = declare(cluster=None, pre=(), metrics=(Metric(name="leads"),), quarters=2)
    frame = pd.DataFrame({"partner": range(8), "variant": ["control", "treatment"] * 4, "leads": [1.0, np.nan] * 4})
    path = estimate_looks([Trial.from_frame(frame, experiment=experiment)], experiment=experiment)
    with pytest.raises(SampleError, match="no look has enough data"):
        plot(path)
