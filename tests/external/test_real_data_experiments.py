"""Three experiments that were run: e-mails to customers, a training, sessions in villages; each to its verdict."""

import json

import pandas as pd
import pytest

from partnerlab import Experiment, Metric, Stakes, Trial, Variant, analyze_experiment
from partnerlab.results import Evidence

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def folder(external_data):
    return external_data / "data" / "engagement_experiments"


@pytest.fixture(scope="module")
def facts(folder):
    return json.loads((folder / "facts.json").read_text())


def _effects(reading):
    return reading.table.set_index(["metric", "variant"])[["estimate", "std_error"]]


@pytest.fixture(scope="module")
def hillstrom(folder):
    experiment = Experiment(
        name="hillstrom",
        hypothesis="An e-mail brings customers to the site.",
        tactic="E-mail",
        stakes=Stakes(unit="visits", per="customer", material=0.01, value=1.0, cost=0.01, currency="USD"),
        metrics=(Metric(name="visit", kind="share"), Metric(name="conversion", kind="share"), Metric(name="spend")),
        variants=tuple(Variant(name=name) for name in ("No E-Mail", "Mens E-Mail", "Womens E-Mail")),
        pre=("recency", "history"),
    )
    rows = pd.read_csv(folder / "hillstrom.csv.gz")
    trial = Trial.from_frame(rows, experiment=experiment, unit=None, variant="segment")
    return experiment, trial, analyze_experiment(trial, experiment=experiment, adjustment="none")


@pytest.mark.parametrize("metric", ["visit", "conversion", "spend"])
@pytest.mark.parametrize("arm", ["Mens", "Womens"])
def test_e_mails_bring_what_is_known(hillstrom, facts, metric, arm):
    found = _effects(hillstrom[2]).loc[metric, f"{arm} E-Mail"]

    assert found.tolist() == pytest.approx(facts["hillstrom"]["ITT"][f"{metric}_{arm.lower()}"], abs=5.1e-5)


def test_e_mails_were_dealt_as_planned(hillstrom, facts):
    ratio = next(check for check in hillstrom[2].checks if check.name == "sample ratio")

    assert ratio.passed
    assert f"p = {facts['hillstrom']['SRM_p']:.1f}" in ratio.detail


def test_e_mails_earn_the_word_caused(hillstrom):
    reading = hillstrom[2]

    assert not reading.stopped
    assert {verdict.earned for verdict in reading.verdicts} == {Evidence.A}
    assert reading.verdicts[0].statement == "Mens E-Mail caused 0.077 more visits per customer (97.5 % interval 0.069 to 0.084)."
    assert reading.verdicts[0].action == "keep"


def test_what_was_known_before_narrows_the_interval_a_little(hillstrom):
    experiment, trial, plain = hillstrom
    adjusted = analyze_experiment(trial, experiment=experiment)

    assert (_effects(adjusted)["std_error"] <= _effects(plain)["std_error"]).all()
    assert _effects(adjusted)["estimate"].to_numpy() == pytest.approx(_effects(plain)["estimate"].to_numpy(), rel=0.02)


def test_half_of_a_lost_arm_is_noticed(hillstrom, folder):
    rows = pd.read_csv(folder / "hillstrom.csv.gz")
    kept = rows[(rows["segment"] != "Mens E-Mail") | (rows.index % 20 > 0)]
    experiment = hillstrom[0]

    assert analyze_experiment(Trial.from_frame(kept, experiment=experiment, unit=None, variant="segment"), experiment=experiment).stopped


def test_training_raised_earnings(folder, facts):
    experiment = Experiment(
        name="nsw",
        hypothesis="A training raises earnings three years later.",
        tactic="Training",
        stakes=Stakes(unit="USD", per="man", material=500),
        metrics=(Metric(name="re78"),),
        variants=(Variant(name="0", share=260), Variant(name="1", share=185)),
        pre=("age", "educ", "re74", "re75"),
    )
    trial = Trial.from_frame(pd.read_csv(folder / "nsw_training.csv.gz"), experiment=experiment, unit=None, variant="treat")
    reading = analyze_experiment(trial, experiment=experiment, adjustment="none")
    row = reading.table.iloc[0]

    assert row["estimate"] == pytest.approx(facts["nsw"]["ATE_re78"], abs=0.005)
    assert row["p_redrawn"] == pytest.approx(row["p_value"], abs=0.006)
    assert reading.verdicts[0].statement.startswith("Training caused 1,794 more USD per man")


def test_sessions_in_villages_leave_the_question_open(folder, facts):
    rows = pd.read_csv(folder / "social_insure.csv.gz")
    experiment = Experiment(
        name="sessions",
        hypothesis="An intensive session raises the share of insured farmers.",
        tactic="The intensive session",
        stakes=Stakes(unit="insured", per="farmer", material=0.03),
        metrics=(Metric(name="takeup_survey", kind="share"),),
        variants=_as_seen(rows),
        cluster="address",
    )
    trial = Trial.from_frame(rows, experiment=experiment, unit=None, variant="intensive")
    reading = analyze_experiment(trial, experiment=experiment)

    assert _effects(reading).iloc[0].tolist() == pytest.approx(facts["social_insure"]["intensive_ITT"], abs=1e-4)
    assert reading.verdicts[0].managers == facts["social_insure"]["villages"]
    assert reading.verdicts[0].earned is Evidence.D
    assert "no effect" not in reading.verdicts[0].statement


def test_a_default_dealt_by_village_is_read_by_village(folder):
    rows = pd.read_csv(folder / "social_insure.csv.gz")
    trial = Trial.from_frame(rows, unit=None, outcomes=["takeup_survey"], variant="default", cluster="address")
    row = analyze_experiment(trial, draws=999).table.iloc[0]

    assert trial.by_cluster
    assert row["method"] == "CR2 by cluster"
    assert row["p_redrawn"] == pytest.approx(row["p_value"], abs=0.05)


def _as_seen(rows):
    counts = rows["intensive"].value_counts()
    return (Variant(name="0", share=float(counts[0])), Variant(name="1", share=float(counts[1])))
