"""Three experiments that were run: e-mails to customers, a training, sessions in villages; each to its verdict."""

import base64
import html
import io
import json
import re

import pandas as pd
import pytest

from partnerlab import Experiment, Metric, Stakes, Trial, Variant, analyze_experiment, report
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


def _training(*, pre=("age", "educ", "re74", "re75")):
    return Experiment(
        name="nsw",
        hypothesis="A training raises earnings three years later.",
        tactic="Training",
        stakes=Stakes(unit="USD", per="man", material=500),
        metrics=(Metric(name="re78"),),
        variants=(Variant(name="0", share=260), Variant(name="1", share=185)),
        pre=pre,
    )


def test_training_raised_earnings(folder, facts):
    experiment = _training()
    trial = Trial.from_frame(pd.read_csv(folder / "nsw_training.csv.gz"), experiment=experiment, unit=None, variant="treat")
    reading = analyze_experiment(trial, experiment=experiment, adjustment="none")
    row = reading.table.iloc[0]

    assert row["estimate"] == pytest.approx(facts["nsw"]["ATE_re78"], abs=0.005)
    assert row["p_redrawn"] == pytest.approx(row["p_value"], abs=0.006)
    assert reading.verdicts[0].statement.startswith("Training caused 1,794 more USD per man")


def _sessions(rows):
    return Experiment(
        name="sessions",
        hypothesis="An intensive session raises the share of insured farmers.",
        tactic="The intensive session",
        stakes=Stakes(unit="insured", per="farmer", material=0.03),
        metrics=(Metric(name="takeup_survey", kind="share"),),
        variants=_as_seen(rows),
        cluster="address",
    )


def test_sessions_in_villages_leave_the_question_open(folder, facts):
    rows = pd.read_csv(folder / "social_insure.csv.gz")
    experiment = _sessions(rows)
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


def _page(folder, rows, experiment, **columns):
    """Declaration, checks, verdict and page of a trial; gives the page's text and the table behind its effects."""
    case = report.build_case(rows, experiment=experiment, unit=None, **columns)
    page = report.render_experiment(case, path=folder / f"{experiment.name}.html").read_text(encoding="utf-8")
    data = re.search(r'download="effects\.csv" href="data:text/csv;base64,([^"]+)"', page)[1]
    return html.unescape(page), pd.read_csv(io.BytesIO(base64.b64decode(data)))


def test_the_page_of_the_e_mails_holds_their_numbers(hillstrom, folder, facts, tmp_path):
    rows = pd.read_csv(folder / "hillstrom.csv.gz")
    page, effects = _page(tmp_path, rows, hillstrom[0], variant="segment", period="two weeks")
    found = effects.set_index(["metric", "variant"])

    for metric in ("visit", "spend"):
        for arm in ("mens", "womens"):
            estimate, error = facts["hillstrom"]["ITT"][f"{metric}_{arm}"]
            row = found.loc[(metric, f"{arm.capitalize()} E-Mail")]
            assert row["estimate"] == pytest.approx(estimate, rel=0.02)  # adjusted for what was known before
            assert row["std_error"] == pytest.approx(error, rel=0.02)
    assert "Grade A: Mens E-Mail caused 0.077 more visits per customer (97.5 % interval 0.069 to 0.084)." in page
    assert "Womens E-Mail caused 0.045 more visits per customer" in page
    assert "Mens E-Mail caused 0.77 more spend per customer" in page
    assert "21,306 No E-Mail, 21,307 Mens E-Mail and 21,387 Womens E-Mail" in page


def test_the_page_of_the_training_holds_its_number(folder, facts, tmp_path):
    experiment = _training(pre=())
    page, effects = _page(tmp_path, pd.read_csv(folder / "nsw_training.csv.gz"), experiment, variant="treat", period="1978")

    assert effects["estimate"][0] == pytest.approx(facts["nsw"]["ATE_re78"], abs=0.005)
    assert "Training caused 1,794 more USD per man" in page
    assert "Decided by: the mean of re78, higher is better." in page


def test_the_page_of_the_sessions_leaves_the_question_open(folder, facts, tmp_path):
    rows = pd.read_csv(folder / "social_insure.csv.gz")
    page, effects = _page(tmp_path, rows, _sessions(rows), variant="intensive", period="one season")

    assert effects.loc[0, ["estimate", "std_error"]].tolist() == pytest.approx(facts["social_insure"]["intensive_ITT"], abs=1e-4)
    assert "Grade D: Cannot tell what The intensive session did to insured" in page
    assert "no effect" not in page
