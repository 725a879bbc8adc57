"""The registry reads back what was tried and watched, what was decided, and whether it came about."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from partnerlab import Ledger, Metric, Stakes, TacticStudy, Trial, analyze_experiment, assign_variants, record_decision
from partnerlab.errors import LedgerError, MissingTableError, SampleError
from partnerlab.experiments import (
    Experiment,
    Spillover,
    Variant,
    estimate_repeated_effect,
    load_assignment,
    load_registry,
    record_experiment,
    record_follow_up,
    record_study,
)
from partnerlab.ledger import record_registration
from partnerlab.results import Evidence
from partnerlab.verdicts import Verdict

STAKES = Stakes(unit="leads", per="partner", material=0.1, value=400, cost=60, currency="EUR")
STUDY = TacticStudy(tactic="Dinner", stakes=STAKES)


@pytest.fixture
def ledger(tmp_path):
    return Ledger.open(tmp_path / "program.duckdb")


def _dealt(name="dinner", **asked):
    given = {
        "name": name,
        "hypothesis": "It helps.",
        "tactic": "Dinner",
        "stakes": STAKES,
        "metrics": (Metric(name="leads"),),
        "quarters": 2,
    }
    units = pd.DataFrame({"partner": [f"p{place:02d}" for place in range(40)], "parent": [f"c{place // 2}" for place in range(40)]})
    return assign_variants(Experiment(**given | asked), units=units, seed=1)


def _read(dealt, *, effect=3.0, seed=1):
    random = np.random.default_rng(seed)
    frame = dealt.label(dealt.table[["unit"]].rename(columns={"unit": "partner"}))
    frame = frame.assign(leads=random.normal(size=len(frame)) + effect * (frame["variant"] == "treatment"))
    return analyze_experiment(Trial.from_frame(frame, experiment=dealt.experiment), assignment=dealt, draws=99)


def _verdict(estimate=0.4, std_error=0.1, **asked):
    given = {"tactic": "Dinner", "grade": Evidence.B, "n": 240, "partners": 80, "stakes": STAKES, "assumption": "alike is alike"}
    return Verdict(estimate=estimate, std_error=std_error, **given | asked)


def _registry(effects, errors, **asked):
    names = [f"test {place}" for place in range(len(effects))]
    given = {"name": names, "kind": "experiment", "tactic": "Dinner", "outcome": "leads", "estimate": effects, "std_error": errors}
    return pd.DataFrame(given | {"unit": "leads", "design_grade": "A", "stopped": False, "units": 40} | asked)


def test_an_experiment_is_told_from_deal_to_sequel(ledger):
    dealt = _dealt()
    record_experiment(ledger, dealt, program="demo")
    record_experiment(ledger, dealt, program="demo", reading=_read(dealt), quarter="2026Q3")
    record_decision(ledger, "Dinners for all Gold partners.", program="demo", quarter="2026Q3", about="dinner", due="2026Q4")
    told = load_registry(ledger, program="demo").iloc[0]
    record_follow_up(ledger, program="demo", about="dinner", happened=False, quarter="2027Q1", note="No budget was given")
    later = load_registry(ledger, program="demo").iloc[0]

    assert (told["state"], told["read_in"], told["grade"], told["cost"]) == ("decided", "2026Q3", "A", 60 * 20 * 2)
    assert told["story"] == "Decided in 2026Q3: Dinners for all Gold partners, due 2026Q4; whether it happened is not recorded."
    assert (later["state"], later["happened"], later["followed_in"]) == ("followed", "no", "2027Q1")
    assert later["story"].endswith("; it did not happen (seen in 2027Q1). No budget was given.")


def test_of_several_variants_each_is_told_with_the_best_grade(ledger):
    dealt = _dealt(variants=tuple(Variant(name=name) for name in ("control", "call", "treatment")))
    record_experiment(ledger, dealt, program="demo")
    reading = _read(dealt)
    record_experiment(ledger, dealt, program="demo", reading=reading)

    row = load_registry(ledger, program="demo").iloc[0]

    assert (row["grade"], row["action"]) == ("A", "keep")
    assert row["statement"] == " ".join(verdict.statement for verdict in reading.verdicts)
    assert "what call did" in row["statement"]
    assert row["estimate"] == pytest.approx(reading.verdicts[0].estimate)


def test_what_was_written_down_later_was_not_on_record_then(ledger):
    dealt = _dealt()
    days = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 4, 7)]
    record_experiment(ledger, dealt, program="demo", recorded_at=days[0])
    record_experiment(ledger, dealt, program="demo", reading=_read(dealt), recorded_at=days[1])
    record_decision(ledger, "Dinners for all", program="demo", quarter="2026Q2", about="dinner", recorded_at=days[2])

    states = [load_registry(ledger, program="demo", as_of=day)["state"].tolist() for day in (datetime(2025, 12, 31), *days)]
    assert states == [[], ["running"], ["read"], ["decided"]]


def test_what_followed_an_earlier_decision_says_nothing_of_a_later_one(ledger):
    record_experiment(ledger, _dealt(), program="demo")
    record_decision(ledger, "Dinners for all", program="demo", quarter="2026Q3", about="dinner")
    record_follow_up(ledger, program="demo", about="dinner", happened=False, quarter="2026Q4")
    record_decision(ledger, "Dinners for Gold", program="demo", quarter="2027Q1", about="dinner")
    row = load_registry(ledger, program="demo").iloc[0]

    assert (row["state"], row["happened"]) == ("decided", "")
    assert row["story"] == "Decided in 2027Q1: Dinners for Gold; whether it happened is not recorded."


@pytest.mark.parametrize("document", ["Portal test, 200 partners", "{}", "200", '{"declaration": "Portal test"}'])
def test_what_was_registered_by_hand_stops_nothing(ledger, document):
    record_registration(ledger, document, program="demo", registration_id="portal")
    record_experiment(ledger, _dealt(), program="demo")

    assert load_registry(ledger, program="demo")["name"].tolist() == ["dinner"]
    with pytest.raises(LedgerError, match="another declaration or deal is registered under this name"):
        record_experiment(ledger, _dealt("portal"), program="demo")
    with pytest.raises(LedgerError, match="another declaration or deal is registered under this name"):
        record_study(ledger, STUDY, program="demo", name="portal")


def test_costs_that_were_stated_are_kept(ledger):
    dealt = _dealt()
    record_experiment(ledger, dealt, program="demo")
    record_experiment(ledger, dealt, program="demo", reading=_read(dealt), cost=1234.5)

    assert load_registry(ledger, program="demo")["cost"].tolist() == [1234.5]


def test_a_study_stands_beside_experiments(ledger):
    record_experiment(ledger, _dealt(), program="demo")
    record_study(ledger, STUDY, program="demo", name="dinners watched")
    waiting = load_registry(ledger, program="demo")
    record_study(ledger, STUDY, program="demo", name="dinners watched", verdicts=[_verdict()], quarter="2026Q2")
    study = load_registry(ledger, program="demo").iloc[1]

    assert waiting[["kind", "state"]].values.tolist() == [["experiment", "running"], ["study", "running"]]
    assert (study["estimate"], study["design_grade"], study["read_in"]) == (0.4, "B", "2026Q2")
    assert study["statement"].startswith("Dinner likely raised leads")


@pytest.mark.parametrize(
    ("verdicts", "study", "said"),
    [([_verdict()], STUDY, "never registered"), ([], TacticStudy(tactic="Call", stakes=STAKES), "needs a new name")],
)
def test_studies_are_declared_before_they_are_read_and_once(ledger, verdicts, study, said):
    record_study(ledger, STUDY, program="demo", name="first")

    with pytest.raises(LedgerError, match=said):
        record_study(ledger, study, program="demo", name="second" if verdicts else "first", verdicts=verdicts)


def test_what_was_never_decided_cannot_have_followed(ledger):
    record_decision(ledger, "Dinners", program="demo", quarter="2026Q3", about="dinner")

    with pytest.raises(LedgerError, match="did you mean 'dinner'"):
        record_follow_up(ledger, program="demo", about="dinnr", happened=True, quarter="2026Q4")


@pytest.mark.parametrize("asked", [{}, {"spillover": Spillover(between="parent", rule="buffer")}], ids=["plain", "buffer"])
def test_the_deal_is_read_back_from_the_ledger(ledger, asked):
    dealt = _dealt(**asked)
    record_experiment(ledger, dealt, program="demo")

    assert load_assignment(ledger, program="demo", name="dinner").digest == dealt.digest
    with pytest.raises(LedgerError, match="did you mean 'dinner'"):
        load_assignment(ledger, program="demo", name="diner")


def test_two_tests_of_a_tactic_are_pooled_from_the_ledger(ledger):
    for place, name in enumerate(("spring", "autumn")):
        dealt = _dealt(name)
        record_experiment(ledger, dealt, program="demo")
        record_experiment(ledger, dealt, program="demo", reading=_read(dealt, seed=place), quarter=f"2026Q{place + 1}")
    found = estimate_repeated_effect(load_registry(ledger, program="demo"), tactic="Dinner")

    assert found.table["test"].tolist() == ["spring", "autumn", "together", "the next test"]
    assert found.evidence is Evidence.A
    assert found.verdict.stakes == STAKES
    assert found.table["read_in"].tolist()[:2] == ["2026Q1", "2026Q2"]


def test_equal_tests_are_no_surer_than_their_errors():
    table = estimate_repeated_effect(_registry([0.4, 0.4, 0.4], [0.1, 0.1, 0.1]), tactic="Dinner").table.set_index("test")

    assert table.loc["together", "std_error"] == pytest.approx(0.1 / np.sqrt(3))
    assert table.loc["together", "conf_high"] == pytest.approx(0.4 + 4.302653 * 0.1 / np.sqrt(3), abs=1e-6)  # t with 2 degrees


def test_knapp_and_hartung_by_hand():
    found = estimate_repeated_effect(_registry([0.1, 0.5, 0.9], [0.1, 0.1, 0.1]), tactic="Dinner")
    together = found.table.set_index("test").loc["together"]

    assert (together["estimate"], together["std_error"]) == pytest.approx((0.5, 0.4 / np.sqrt(3)))  # equal errors: as three numbers
    assert found.tau == pytest.approx(np.sqrt(0.16 - 0.01))


def test_the_next_test_is_less_sure_than_the_mean():
    table = estimate_repeated_effect(_registry([0.1, 0.5, 0.9], [0.1, 0.1, 0.1]), tactic="Dinner").table.set_index("test")

    assert table.loc["the next test", "conf_low"] < table.loc["together", "conf_low"]
    assert table["weight"].iloc[:3].sum() == pytest.approx(1.0)


def test_one_test_says_nothing_of_the_next():
    found = estimate_repeated_effect(_registry([0.4], [0.1]), tactic="Dinner")

    assert np.isnan(found.positive)
    assert found.table["estimate"].tolist() == [0.4, 0.4, 0.4]
    assert np.isnan(found.table["conf_low"].iloc[-1])


def test_leads_a_quarter_are_not_pooled_with_leads_a_partner():
    quarters, years = _registry([0.3, 0.5], [0.1, 0.1], per="partner-quarter"), _registry([9.0], [0.1], per="partner")
    found = estimate_repeated_effect(pd.concat([quarters, years]), tactic="Dinner")

    assert found.table.set_index("test").loc["together", "estimate"] == pytest.approx(0.4)
    assert found.checks[0].detail == "2 tests pooled; left out: 1 of another outcome or unit"


def test_of_two_outcomes_tested_as_often_one_must_be_named():
    both = pd.concat([_registry([0.3, 0.5], [0.1, 0.1]), _registry([9.0, 8.0], [0.1, 0.1], outcome="visits", unit="visits")])

    with pytest.raises(SampleError, match="as many tests of Dinner have outcome leads and visits: give outcome="):
        estimate_repeated_effect(both, tactic="Dinner")
    assert len(estimate_repeated_effect(both, tactic="Dinner", outcome="visits").table) == 4


def test_what_cannot_be_pooled_is_left_out_and_counted():
    registry = pd.concat(
        [
            _registry([0.3, 0.5], [0.1, 0.1]),
            _registry([9.0], [0.1], stopped=True),
            _registry([9.0], [0.1], design_grade="C"),
            _registry([np.nan], [np.nan]),
            _registry([9.0], [0.1], outcome="visits", unit="visits"),
            _registry([9.0], [0.1], tactic="Call"),
        ]
    )
    found = estimate_repeated_effect(registry, tactic="Dinner")

    assert found.table["test"].tolist() == ["test 0", "test 1", "together", "the next test"]
    assert (
        "2 tests pooled; left out: 1 not read yet, 2 stopped by a check or no more than an association, 1 of another"
        in found.checks[0].detail
    )


def test_studies_lower_the_grade_of_what_they_are_pooled_with():
    registry = pd.concat([_registry([0.3], [0.1]), _registry([0.5], [0.1], kind="study", design_grade="B")])

    assert estimate_repeated_effect(registry, tactic="Dinner").evidence is Evidence.B
    assert estimate_repeated_effect(registry, tactic="Dinner", kinds=("experiment",)).evidence is Evidence.A


def test_means_of_few_tests_are_covered_as_said():
    random = np.random.default_rng(11)
    hits = []
    for _ in range(300):
        errors = random.uniform(0.05, 0.3, 4)
        effects = 0.2 + 0.15 * random.normal(size=4) + errors * random.normal(size=4)
        row = estimate_repeated_effect(_registry(effects, errors), tactic="Dinner").table.set_index("test").loc["together"]
        hits.append(row["conf_low"] <= 0.2 <= row["conf_high"])

    assert 0.92 <= np.mean(hits) <= 0.99


def test_a_registry_that_lacks_something_is_refused():
    with pytest.raises(MissingTableError, match="no column 'unit'"):
        estimate_repeated_effect(_registry([0.1], [0.1]).drop(columns="unit"), tactic="Dinner")
    with pytest.raises(SampleError, match="did you mean 'Dinner'"):
        estimate_repeated_effect(_registry([0.1], [0.1]), tactic="Diner")
    with pytest.raises(SampleError, match="no test of Dinner on leads has been read soundly"):
        estimate_repeated_effect(_registry([0.1], [0.1], stopped=True), tactic="Dinner", outcome="leads")
