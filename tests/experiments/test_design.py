"""Designs promise no more than trials keep."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from partnerlab.errors import ParameterError, SpecError
from partnerlab.experiments import Experiment, Looks, Metric, Outlook, Prior, Variant, design_experiment
from partnerlab.stats.trials.arm_differences import Arms, arm_difference
from partnerlab.stats.trials.power import power_of_t
from partnerlab.stats.trials.preposterior import value_of_testing
from partnerlab.stats.trials.sequential import boundaries, crossing
from partnerlab.verdicts import Stakes


def _experiment(**asked):
    given = {"name": "dinner", "hypothesis": "It helps.", "tactic": "Dinner", "stakes": Stakes(unit="leads", material=0.5)}
    return Experiment(**given | {"metrics": (Metric(name="leads"),)} | asked)


def _mde(experiment=None, outlook=None, **asked):
    given = {"outlooks": {"leads": outlook or Outlook(sd=1.0)}, "units": [100]}
    return design_experiment(experiment or _experiment(), **given | asked).table["estimate"]


def test_the_smallest_effect_of_a_t_test_is_the_textbooks():
    # Cohen (1988): 64 in each group find half a standard deviation in 80 of 100 cases
    assert _mde(units=[128]).iloc[0] == pytest.approx(0.4989, abs=5e-4)


def test_more_units_quarters_and_knowledge_see_smaller_effects():
    assert _mde(units=[50, 100, 200]).is_monotonic_decreasing
    assert _mde(quarters=[1, 2, 4]).is_monotonic_decreasing
    assert _mde(outlook=Outlook(sd=1.0, known=0.6)).iloc[0] == pytest.approx(0.8 * _mde().iloc[0], rel=1e-6)


def test_clusters_see_less_and_unequal_ones_least():
    clustered = _experiment(cluster="manager")
    outlook = Outlook(sd=1.0, icc=0.15)
    equal, unequal = (_mde(clustered, outlook, clusters=[10], size_cv=cv).iloc[0] for cv in (0.0, 0.8))

    assert _mde().iloc[0] < equal < unequal


@pytest.mark.parametrize(
    ("metric", "outlook"),
    [
        (Metric(name="leads", kind="share"), Outlook(level=0.3)),
        (Metric(name="leads", kind="count"), Outlook(level=2.0, dispersion=0.5)),
        (Metric(name="leads", kind="ratio", per="visits"), Outlook(sd=0.4)),
        (Metric(name="leads", kind="tier", tiers=("a", "b", "c")), Outlook(shares=(0.5, 0.3, 0.2))),
        (Metric(name="leads", kind="time", event="left", until=4.0), Outlook(level=0.2)),
    ],
    ids=lambda given: getattr(given, "kind", ""),
)
def test_every_kind_of_metric_has_a_smallest_effect(metric, outlook):
    found = _mde(_experiment(metrics=(metric,)), outlook, units=[100, 1000], quarters=[4])

    assert 0 < found.iloc[1] < found.iloc[0] < math.inf


def test_an_effect_beyond_what_can_be_is_never_found():
    assert math.isinf(_mde(_experiment(metrics=(Metric(name="leads", kind="share"),)), Outlook(level=0.9), units=[8]).iloc[0])


def test_of_tiers_no_effect_goes_beyond_all_having_the_highest():
    metric, outlook = Metric(name="leads", kind="tier", tiers=("a", "b", "c")), Outlook(shares=(0.1, 0.1, 0.8))

    assert math.isinf(_mde(_experiment(metrics=(metric,)), outlook, units=[20]).iloc[0])
    assert _mde(_experiment(metrics=(metric,)), outlook, units=[400]).iloc[0] < 0.2


def test_designed_power_is_reached_in_unequal_clusters():
    experiment, outlook = _experiment(cluster="manager"), Outlook(sd=1.0, icc=0.15)
    random, found = np.random.default_rng(1), 0
    sizes = np.tile([5, 10, 15], 10)
    cv = sizes.std() / sizes.mean()
    effect = _mde(experiment, outlook, units=[300], clusters=[30], size_cv=cv).iloc[0]
    cluster, replicates = np.repeat(np.arange(30), sizes), 300
    for _ in range(replicates):
        on = random.permutation(np.arange(30) % 2 == 0)[cluster]
        outcome = effect * on + math.sqrt(0.15) * random.normal(size=30)[cluster] + math.sqrt(0.85) * random.normal(size=300)
        gap = arm_difference(outcome, Arms(treated=on, cluster=cluster))
        found += gap.estimate / gap.std_error > stats.t.ppf(0.975, gap.df)

    assert found / replicates == pytest.approx(0.8, abs=0.07)  # three Monte-Carlo errors


def test_a_crossover_of_units_removes_what_stays():
    # alternating on and off, a unit is its own control: variance of a difference of two means of two quarters each
    found = design_experiment(_experiment(), outlooks={"leads": Outlook(sd=1.0, kept=0.5)}, units=[100], quarters=[4], plans=["crossover"])

    assert found.table["std_error"].iloc[0] == pytest.approx(math.sqrt(0.5 * 4 / (100 * 4)), rel=1e-6)


def test_a_stepped_wedge_lies_between_a_crossover_and_nothing():
    experiment, outlook = _experiment(cluster="manager"), Outlook(sd=1.0, icc=0.1, kept=0.8)
    table = design_experiment(
        experiment, outlooks={"leads": outlook}, units=[400], clusters=[40], quarters=[5], plans=["crossover", "stepped wedge"]
    ).table

    assert table["estimate"].iloc[0] < table["estimate"].iloc[1] < math.inf


def test_looks_cost_a_little_and_always_valid_ones_more():
    looks = [Looks(), Looks(planned=4, stopping="group sequential"), Looks(planned=4, stopping="always valid")]
    fixed, sequential, always = (_mde(_experiment(looks=rule), units=[1000]).iloc[0] for rule in looks)

    assert fixed < sequential < 1.05 * fixed
    assert 1.2 * fixed < always < 1.5 * fixed


def test_more_variants_see_less():
    three = tuple(Variant(name=name) for name in "abc")

    assert _mde(_experiment(variants=three)).iloc[0] > _mde().iloc[0]


def test_a_material_effect_is_found_as_often_as_said():
    table = design_experiment(_experiment(), outlooks={"leads": Outlook(sd=1.0)}, units=[128]).table

    assert table["power_material"].iloc[0] == pytest.approx(0.8, abs=0.005)


def test_the_worth_of_a_test_is_that_of_simulated_decisions():
    random = np.random.default_rng(2)
    truth = random.normal(-0.2, 1.0, 400_000)
    seen = truth + random.normal(0, 0.7, len(truth))
    believed = (-0.2 / 1.0 + seen / 0.49) / (1 / 1.0 + 1 / 0.49)

    assert value_of_testing(-0.2, 1.0, 0.7) == pytest.approx(np.where(believed > 0, truth, 0.0).mean(), abs=0.005)


def test_a_test_pays_where_much_is_decided_and_not_where_little_is():
    stakes = Stakes(unit="leads", value=100.0, cost=20.0, currency="EUR")
    table = [
        design_experiment(
            _experiment(stakes=stakes), outlooks={"leads": Outlook(sd=1.0)}, units=[200], prior=Prior(mean=0.2, sd=0.3, rows=rows)
        ).table.iloc[0]
        for rows in (50, 50_000)
    ]

    assert table[0]["net_gain"] < 0 < table[1]["net_gain"]
    assert table[0]["cost"] == 2000.0


def test_designs_keep_to_the_shape_of_results():
    found = design_experiment(_experiment(), outlooks={"leads": Outlook(sd=1.0)}, units=[40, 80], quarters=[1, 2])

    assert found.keys == ["metric", "plan", "units", "clusters", "quarters"]
    assert len(found.table) == 4
    assert dataclasses.is_dataclass(found)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"outlooks": {}}, "no outlook for 'leads'"),
        ({"outlooks": {"leads": Outlook(level=1.0)}}, "lacks sd"),
        ({"units": [2]}, "4 or more"),
        ({"clusters": [10]}, "leave out clusters"),
        ({"plans": ["crossover"]}, "two quarters"),
        ({"plans": ["zigzag"]}, "no plan is called 'zigzag'"),
    ],
)
def test_designs_that_cannot_be_are_refused_in_one_line(asked, said):
    with pytest.raises(ParameterError, match=said):
        design_experiment(_experiment(), **{"outlooks": {"leads": Outlook(sd=1.0)}, "units": [100]} | asked)


def test_shares_of_tiers_add_up():
    with pytest.raises(SpecError, match="add up to 1"):
        Outlook(shares=(0.5, 0.2))


def test_power_over_looks_is_that_of_the_boundaries():
    share = np.arange(1, 4) / 3
    bounds = boundaries(share, alpha=0.05)
    material = 0.55
    table = design_experiment(
        _experiment(looks=Looks(planned=3, stopping="group sequential"), stakes=Stakes(unit="leads", material=material)),
        outlooks={"leads": Outlook(sd=1.0)},
        units=[100],
    ).table
    drift = material / table["std_error"].iloc[0]
    few = power_of_t(drift, 1.0, df=98) - power_of_t(drift, 1.0, df=math.inf)

    assert table["power_material"].iloc[0] == pytest.approx(crossing(share, bounds, drift=drift).sum() + few, abs=0.002)


def test_giving_up_costs_a_little_power_and_uneven_looks_too():
    plans = [
        Looks(planned=3, stopping="group sequential"),
        Looks(planned=3, stopping="group sequential", give_up=True),
        Looks(planned=3, stopping="group sequential", shares=(0.6, 0.8, 1.0)),
    ]
    plain, heeded, late = (_mde(_experiment(looks=looks)).iloc[0] for looks in plans)

    assert plain < heeded < 1.1 * plain
    assert plain < late < 1.05 * plain


def test_longer_times_vary_less_where_everybody_is_watched_to_the_same_end():
    outlook, metric = Outlook(level=0.1), Metric(name="leads", kind="time", event="left", until=6.0)
    control, treated = outlook.variance(metric, effect=0.8, quarters=6)
    random = np.random.default_rng(1)
    hazard = -np.log1p(-0.1)

    assert np.minimum(random.exponential(1 / hazard, 200_000), 6).var() == pytest.approx(control, rel=0.01)
    assert treated < control
    assert outlook.variance(metric, effect=outlook.most(metric, quarters=6), quarters=6)[1] == pytest.approx(0.0, abs=1e-3)


def _wedge(**asked):
    starts = tuple(Variant(name=f"from {start + 1}", on=tuple(int(quarter >= start) for quarter in range(5))) for start in range(1, 5))
    return _experiment(**{"variants": starts, "quarters": 5, "cluster": "manager"} | asked)


def test_a_declared_schedule_is_designed_as_it_was_declared():
    outlook = Outlook(sd=1.0, icc=0.15, kept=0.8)
    declared = design_experiment(_wedge(), outlooks={"leads": outlook}, units=[120], clusters=[12]).table.iloc[0]
    plain = _experiment(cluster="manager")
    asked = design_experiment(
        plain, outlooks={"leads": outlook}, units=[120], clusters=[12], quarters=[5], plans=["stepped wedge"]
    ).table.iloc[0]

    assert (declared["plan"], declared["quarters"]) == ("as declared", 5)
    assert declared[["estimate", "std_error", "df"]].tolist() == pytest.approx(asked[["estimate", "std_error", "df"]].tolist())


def test_shares_of_a_schedule_weigh():
    """Eight of ten managers who begin last tell less of a quarter with it than waves of one size."""
    starts = [variant.model_copy(update={"share": 8.0 if place == 3 else 1.0}) for place, variant in enumerate(_wedge().variants)]
    outlook = {"outlooks": {"leads": Outlook(sd=1.0, icc=0.15)}, "units": [240], "clusters": [24]}
    even, uneven = (design_experiment(one, **outlook).table["estimate"].iloc[0] for one in (_wedge(), _wedge(variants=tuple(starts))))

    assert uneven > 1.2 * even


def test_what_stays_with_a_unit_is_no_news_to_a_crossover():
    """A unit is its own control there: what was known of its level before was out of the error already."""
    plain, known = (
        _mde(outlook=Outlook(sd=1.0, kept=0.6, known=known), units=[40], quarters=[4], plans=["crossover"]).iloc[0] for known in (0.0, 0.6)
    )

    assert known == pytest.approx(plain)


@pytest.mark.parametrize("more", [{"quarters": [4]}, {"plans": ["parallel"]}])
def test_a_declared_schedule_is_not_designed_otherwise(more):
    with pytest.raises(ParameterError, match="schedules of 5 quarters; leave out"):
        design_experiment(_wedge(), outlooks={"leads": Outlook(sd=1.0)}, units=[120], clusters=[12], **more)


def test_it_is_designed_for_as_long_as_it_was_declared_to_run():
    assert _mde(_experiment(quarters=4)).iloc[0] == _mde(quarters=[4]).iloc[0]
