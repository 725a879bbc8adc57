"""One tactic through to its verdict: what each world earns, what lowers a grade, and that nothing raises one."""

import dataclasses

import numpy as np
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, analysis, analyze_tactic
from partnerlab.effects.assignment import check_assignment
from partnerlab.effects.switching import estimate_switching
from partnerlab.errors import SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.verdicts import Stakes

STUDY = TacticStudy(
    tactic="Dinner", stakes=Stakes(unit="leads", material=0.1, value=400, cost=40, currency="EUR"),
    covariates=(Known(name="health", at="start", lag=0),),
)  # fmt: skip


def _panel(name, seed, **options):
    frame = simulate_world(name, seed=seed, **options).to_frame()
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])


@pytest.fixture(scope="module")
def switching():
    return analyze_tactic(_panel("B", 1), study=STUDY)


def test_a_tactic_that_stays_is_read_by_differences_in_differences():
    found = analyze_tactic(_panel("A", 1), study=STUDY)

    assert found.table.set_index("reading")["chosen"].to_dict() == {"adoption": True, "matched": False, "naive": False, "two-way": False}
    assert found.verdict.earned.value == "B"
    assert "would have gone on alike" in found.verdict.statement


def test_a_tactic_that_goes_on_and_off_is_read_by_target_trials(switching):
    assert switching.table["reading"].iloc[0] == "on and off"
    assert "nothing unseen moved both" in switching.verdict.statement


def test_the_verdict_is_that_of_the_chosen_reading(switching):
    row = switching.table[switching.table["chosen"]].iloc[0]

    assert switching.verdict.estimate == row["estimate"]
    assert switching.verdict.conf_low == pytest.approx(row["conf_low"])
    assert switching.verdict.managers == 30
    assert switching.verdict.pays > 0.9
    assert switching.verdict.action == "keep"


def test_naive_and_two_way_stand_beside_and_are_wrong_in_the_known_way(switching):
    rows = switching.table.set_index("reading")["estimate"]

    assert rows["naive"] < 0 < rows["two-way"] < rows["on and off"]


def test_both_mechanisms_leave_an_association_and_the_test_that_would_settle_it():
    found = analyze_tactic(_panel("C", 1), study=STUDY)

    assert found.verdict.earned.value == found.evidence.value == "C"
    assert "went together with 0." in found.verdict.statement
    assert "this does not tell what it did: managers reacted to the last result and to something that lasts" in found.verdict.statement
    assert "by lot" in found.verdict.statement
    assert found.verdict.action == "test"
    assert np.isnan(found.verdict.net_value)
    assert found.verdict.overturned_by == ""


def test_two_designs_that_are_left_and_disagree_give_no_verdict(monkeypatch):
    random = np.random.default_rng(3)
    panel = _panel("B", 1)
    partners, quarters = panel.shape
    treated = (random.random((partners, quarters)) < 0.3).astype(float)
    treated[:, :2] = 0
    chance = dataclasses.replace(panel, treated=treated, outcome=random.standard_normal((partners, quarters)) + 0.3 * treated)
    agreeing = analyze_tactic(chance, study=STUDY)

    assert agreeing.assignment.mechanism == "neither"
    assert next(check for check in agreeing.checks if check.name == "readings agree").passed
    assert agreeing.verdict.earned.value == "B"

    def shifted(*given, **options):
        found = estimate_switching(*given, **options)
        return dataclasses.replace(found, table=found.table.assign(estimate=found.table["estimate"] + 1.0))

    monkeypatch.setattr(analysis, "estimate_switching", shifted)
    found = analyze_tactic(chance, study=STUDY)
    assert found.verdict.earned.value == "D"
    assert "neither is ruled out" in found.verdict.statement


def test_adopters_on_their_way_back_to_their_usual_give_no_verdict():
    panel = _panel("C", 1)
    stays = np.maximum.accumulate(panel.treated, axis=1)

    found = analyze_tactic(dataclasses.replace(panel, treated=stays), study=STUDY)

    assert found.table["reading"].tolist()[:2] == ["adoption", "matched"]
    assert next(check for check in found.checks if check.name == "readings agree").passed is False
    assert found.verdict.earned.value == "D"


def test_a_tactic_that_goes_on_and_off_is_read_again_from_starts_and_stops(switching):
    rows = switching.table.set_index("reading")

    assert "switching" in rows.index
    agree = next(check for check in switching.checks if check.name == "readings agree")
    assert agree.passed
    assert "given the past" in agree.detail


def test_readings_that_differ_by_less_than_could_matter_tell_the_same_however_sure_that_is(monkeypatch):
    monkeypatch.setattr(analysis, "_joint", lambda *given: 1e-9)
    near, far = (STUDY.model_copy(update={"stakes": Stakes(unit="leads", material=material)}) for material in (3.0, 1e-6))
    monkeypatch.setattr(analysis, "SLIGHT", 0.0)

    assert analyze_tactic(_panel("B", 1), study=near).verdict.earned.value == "B"
    assert analyze_tactic(_panel("B", 1), study=far).verdict.earned.value == "D"


def test_nothing_raises_a_grade_above_b():
    for name in "AB":
        assert analyze_tactic(_panel(name, 2), study=STUDY).verdict.grade.value in "BC"


def test_triage_alone_decides_nothing_upwards():
    panel = _panel("C", 3)

    assert check_assignment(panel, study=STUDY).doubts
    assert analyze_tactic(panel, study=STUDY).verdict.earned.value in "CD"


def test_too_few_partners_are_not_enough_data():
    found = analyze_tactic(_panel("B", 1), study=STUDY.model_copy(update={"minimum": 250}))

    assert "not enough data" in found.verdict.statement


def test_a_cell_among_many_that_is_not_pooled_earns_no_verdict():
    assert analyze_tactic(_panel("B", 1), study=STUDY, cells=24).verdict.earned.value == "D"


def test_no_comparison_group_is_refused():
    panel = _panel("A", 1)

    with pytest.raises(SampleError):
        analyze_tactic(dataclasses.replace(panel, treated=np.ones(panel.shape)), study=STUDY)


def test_worlds_earn_what_their_design_allows():
    earned = {name: [analyze_tactic(_panel(name, seed), study=STUDY).verdict.earned.value for seed in range(900, 910)] for name in "ABC"}

    assert earned["A"].count("B") >= 5
    assert earned["B"].count("B") >= 7
    assert earned["C"].count("B") <= 1


def test_twins_without_effect_are_seldom_flagged():
    flagged = [analyze_tactic(_panel(name, seed, null=True), study=STUDY).verdict for name in "ABC" for seed in range(900, 908)]

    assert sum(verdict.finding in ("raised", "lowered") and verdict.earned.value == "B" for verdict in flagged) <= 4
