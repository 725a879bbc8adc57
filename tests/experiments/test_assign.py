"""Experiments are declared, and their variants dealt."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import LedgerError, ParameterError, SampleError, SpecError
from partnerlab.experiments import Assignment, Experiment, Looks, Metric, Variant, assign_variants
from partnerlab.experiments.dealing import deal
from partnerlab.verdicts import Stakes


def _experiment(**asked):
    given = {"name": "dinner", "hypothesis": "It helps.", "tactic": "Dinner", "stakes": Stakes(unit="leads")}
    return Experiment(**given | {"metrics": (Metric(name="leads"),)} | asked)


def _units(n=60, seed=1):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "partner": [f"p{place:03d}" for place in range(n)],
            "manager": [f"m{place % 12:02d}" for place in range(n)],
            "tier": np.where(np.arange(n) % 3 == 0, "Gold", "Silver"),
            "region": np.where(np.arange(n) % 12 < 6, "North", "South"),
            "before": random.normal(10, 3, n),
        }
    )


def test_an_experiment_is_read_from_yaml(tmp_path):
    path = tmp_path / "dinner.yaml"
    path.write_text(
        "name: dinner\nhypothesis: It helps.\ntactic: Dinner\nstakes: {unit: leads}\nmetrics: [{name: leads, kind: count}]\n"
        "looks: {planned: 4, stopping: group sequential}\n"
    )
    loaded = Experiment.load(path)

    assert loaded.looks.planned == 4
    assert "Looks: 4, error spent late (after O'Brien and Fleming)." in loaded.page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"metrics": (Metric(name="leads"), Metric(name="leads"))}, "metrics name 'leads' twice"),
        ({"variants": (Variant(name="a"),)}, "two or more"),
        ({"pre": ("leads",)}, "cannot be known before the start"),
        ({"dealing": "pairs"}, "needs columns to balance"),
        ({"name": "a/b"}, "file names"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked, said):
    with pytest.raises(SpecError, match=said):
        _experiment(**asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kind": "ratio"}, "give 'per'"),
        ({"per": "visits"}, "leave out 'per'"),
        ({"margin": 0.1}, "margin belongs"),
        ({"kind": "time", "event": "left"}, "give 'until'"),
    ],
)
def test_metrics_say_all_that_their_kind_needs(asked, said):
    with pytest.raises(SpecError, match=said):
        Metric(name="leads", **asked)


def test_several_looks_need_a_rule():
    with pytest.raises(SpecError, match="group sequential"):
        Looks(planned=4)


def test_the_digest_changes_with_the_declaration():
    assert _experiment().digest != _experiment(hypothesis="It harms.").digest
    assert _experiment().digest == _experiment().digest


def test_the_same_seed_gives_the_same_assignment_whatever_the_order():
    units = _units()
    shuffled = units.sample(frac=1, random_state=3)

    assert assign_variants(_experiment(), units=units, seed=5).digest == assign_variants(_experiment(), units=shuffled, seed=5).digest
    assert assign_variants(_experiment(), units=units, seed=6).rows != assign_variants(_experiment(), units=units, seed=5).rows


def test_shares_hold_in_every_stratum():
    experiment = _experiment(strata=("tier",), variants=(Variant(name="off", share=1), Variant(name="on", share=3)))
    counts = assign_variants(experiment, units=_units(), seed=1).table.groupby(["stratum", "variant"]).size().unstack()

    assert counts.loc["Gold"].tolist() == [5, 15]
    assert counts.loc["Silver"].tolist() == [10, 30]


def test_odd_strata_are_right_on_average():
    stratum = np.repeat([0, 1, 2], 3)
    on = [deal(_experiment(), stratum, np.zeros((9, 0)), seed=seed)[0].mean() for seed in range(1000)]

    assert np.mean(on) == pytest.approx(0.5, abs=0.02)


def test_clusters_stay_together():
    dealt = assign_variants(_experiment(cluster="manager", strata=("region",)), units=_units(), seed=2).table

    assert (dealt.groupby("cluster")["variant"].nunique() == 1).all()
    assert dealt.groupby("variant")["cluster"].nunique().tolist() == [6, 6]


def test_pairs_are_alike_and_hold_one_of_each():
    dealt = assign_variants(_experiment(dealing="pairs", pre=("before",), strata=("tier",)), units=_units(), seed=2).table
    within = dealt.groupby("block")["before"].agg(np.ptp)

    assert (dealt.groupby("block")["variant"].nunique() == 2).all()
    assert within.median() < 0.25 * dealt["before"].std()


def test_one_unit_too_many_stays_out_of_the_pairs():
    dealt = assign_variants(_experiment(dealing="pairs", pre=("before",)), units=_units(13), seed=2).table

    assert len(dealt) == 12


def test_dealing_again_balances_what_is_known():
    units = _units(200)

    def gap(dealing, seed):
        dealt = assign_variants(_experiment(dealing=dealing, pre=("before",)), units=units, seed=seed).table
        return abs(dealt.groupby("variant")["before"].mean().diff().iloc[-1])

    assert np.mean([gap("rerandomised", seed) for seed in range(4)]) < 0.3 * np.mean([gap("complete", seed) for seed in range(4)])


def test_excluded_units_are_not_dealt():
    dealt = assign_variants(_experiment(exclusions=("p003",)), units=_units(), seed=1).table

    assert "p003" not in set(dealt["unit"])
    assert len(dealt) == 59


def test_an_assignment_is_read_back_as_it_was_written(tmp_path):
    experiment = _experiment(dealing="rerandomised", pre=("before",), strata=("tier",))
    dealt = assign_variants(experiment, units=_units(), seed=4)
    again = Assignment.load(dealt.write(tmp_path / "dinner.csv"))

    assert again == dealt
    assert again.digest == dealt.digest


def test_an_edited_assignment_is_refused(tmp_path):
    path = assign_variants(_experiment(), units=_units(), seed=4).write(tmp_path / "dinner.csv")
    text = path.read_text()
    path.write_text(
        text.replace("p000,p000,all,0,control", "p000,p000,all,0,treatment").replace("p001,p001,all,0,treatment", "p001,p001,all,0,control")
    )

    with pytest.raises(LedgerError, match="edited after it was written"):
        Assignment.load(path)


def test_another_assignment_does_not_replace_the_first(tmp_path):
    assign_variants(_experiment(), units=_units(), seed=4).write(tmp_path / "dinner.csv")

    with pytest.raises(LedgerError, match="dealt once"):
        assign_variants(_experiment(), units=_units(), seed=5).write(tmp_path / "dinner.csv")


@pytest.mark.parametrize(
    ("change", "asked", "kind", "said"),
    [
        (lambda units: units.drop(columns="tier"), {"strata": ("tier",)}, ParameterError, "no column 'tier'"),
        (lambda units: pd.concat([units, units.head(2)]), {}, ParameterError, "2 rows repeat a unit"),
        (lambda units: units.assign(tier=None), {"strata": ("tier",)}, ParameterError, "tier is empty for 60 units"),
        (lambda units: units.assign(before="x"), {"pre": ("before",)}, ParameterError, "not a number for 60 units"),
        (lambda units: units.head(3), {}, SampleError, "4 are needed"),
        (lambda units: units, {"exclusions": ("q",)}, ParameterError, "not among the units"),
        (lambda units: units, {"cluster": "manager", "strata": ("before",)}, ParameterError, "several strata"),
    ],
)
def test_units_that_cannot_be_dealt_are_refused_in_one_line(change, asked, kind, said):
    with pytest.raises(kind, match=said):
        assign_variants(_experiment(**asked), units=change(_units()), seed=1)
