"""Triage: how a tactic was assigned, and which design that leaves."""

import tracemalloc

import numpy as np
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, check_assignment
from partnerlab.effects.assignment import _read
from partnerlab.intake.simulate import simulate_world
from partnerlab.stats.causes.assignment import added_reason
from partnerlab.verdicts import Stakes

STUDY = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(Known(name="health", at="start", lag=0),))


def _check(name, seed, **options):
    frame = simulate_world(name, seed=seed, **options).to_frame()
    panel = TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])
    return check_assignment(panel, study=STUDY)


def test_a_reason_that_is_one_is_found_with_its_size():
    random = np.random.default_rng(1)
    x, z = random.standard_normal((2, 4000))
    treated = random.random(4000) < 1 / (1 + np.exp(-(x + 0.2 * z)))

    found = added_reason(treated, np.column_stack([np.ones(4000), x]), z, clusters=np.arange(4000))

    assert found.p_value < 0.01
    assert found.estimate == pytest.approx(0.2, abs=0.1)


def test_a_reason_that_is_none_is_rejected_as_often_as_said():
    random = np.random.default_rng(2)
    p = []
    for _ in range(300):
        x, z = random.standard_normal((2, 200))
        treated = random.random(200) < 1 / (1 + np.exp(-x))
        p.append(added_reason(treated, np.column_stack([np.ones(200), x]), z, clusters=np.arange(200) % 20).p_value)

    assert 0.05 <= np.mean(np.array(p) < 0.1) <= 0.15


def test_effects_of_managers_without_columns_say_what_a_column_for_each_says():
    random = np.random.default_rng(3)
    x, z = random.standard_normal((2, 1500))
    manager = random.integers(0, 25, 1500)
    columns = (manager[:, None] == np.arange(1, 25)).astype(float)
    treated = random.random(1500) < 1 / (1 + np.exp(-(x + 0.1 * z + 0.05 * manager - 0.6)))

    plain = added_reason(treated, np.column_stack([np.ones(1500), x, columns]), z, clusters=manager)
    within = added_reason(treated, x[:, None], z, clusters=manager, within=True)

    assert [within.estimate, within.std_error, within.p_value] == pytest.approx([plain.estimate, plain.std_error, plain.p_value], rel=1e-9)


def test_a_covariate_that_each_manager_fixes_changes_nothing_within_managers():
    frame = simulate_world("B", seed=4, partners=120).to_frame()
    code = frame["manager"].rank(method="dense")
    read = {
        names: check_assignment(
            TacticPanel.from_frame(frame.assign(office=code * 0.1), manager="manager", tier="tier", covariates=list(names)),
            study=STUDY.model_copy(update={"covariates": tuple(Known(name=name, at="start", lag=0) for name in names)}),
        ).table["p_value"]
        for names in (("health",), ("health", "office"))
    }

    assert read["health", "office"].tolist() == pytest.approx(read["health",].tolist(), rel=1e-6)


def test_four_hundred_managers_take_no_column_each():
    world = simulate_world("B", seed=1, partners=4000, managers=400)
    panel = TacticPanel.from_frame(world.to_frame(), manager="manager", tier="tier", covariates=["health"])
    tracemalloc.start()

    check_assignment(panel, study=STUDY)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6  # columns of 0 and 1 for each would take 128 million bytes for one copy


def test_what_separates_within_managers_cannot_be_judged():
    treated = np.tile([True, False, True, False], 5)

    found = added_reason(treated, treated[:, None] * 1.0, np.arange(20.0), clusters=np.repeat(np.arange(5), 4), within=True)

    assert np.isnan(found.p_value)


def test_what_separates_cannot_be_judged():
    treated = np.arange(20) < 10

    found = added_reason(treated, np.column_stack([np.ones(20), treated]), np.arange(20.0), clusters=np.arange(20))

    assert np.isnan(found.p_value)


@pytest.mark.parametrize(("name", "design"), [("A", "adoption"), ("B", "on and off"), ("C", "none")])
def test_worlds_go_to_the_design_that_is_right_for_them(name, design):
    found = [_check(name, seed).design for seed in range(300, 310)]

    assert found.count(design) >= 7


def test_no_design_is_left_where_both_reasons_are_seen():
    found = _check("C", 1)

    assert found.mechanism == "both"
    assert found.design == "none"
    assert found.doubts == ("managers reacted to the last result and to something that lasts, so no design is right",)
    assert "randomised test" in found.statement


def test_triage_is_a_description_and_raises_no_grade():
    assert _check("B", 1).evidence.value == "D"


@pytest.mark.parametrize(
    ("mechanism", "stays", "design"),
    [
        ("lasting trait", True, "adoption"),
        ("lasting trait", False, "none"),
        ("last result", True, "none"),
        ("last result", False, "on and off"),
        ("both", True, "none"),
        ("both", False, "none"),
        ("unknown", True, "none"),
        ("neither", True, "adoption"),
        ("neither", False, "on and off"),
    ],
)
def test_each_mechanism_leaves_the_designs_that_it_does_not_break(mechanism, stays, design):
    found, rivals, doubts = _read(mechanism, starting=False, stays=stays)

    assert found == design
    assert len(rivals) == (2 if mechanism == "neither" else 0 if design == "none" else 1)
    assert bool(doubts) == (design == "none")


def test_a_study_of_starts_reads_reaction_to_the_last_result_even_where_the_tactic_stays():
    assert _read("last result", starting=True, stays=True)[0] == "on and off"
