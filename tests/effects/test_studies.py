"""Studies come from YAML, and their panels from the program's own."""

import numpy as np
import pandas as pd
import pytest

from partnerlab import Panel, Stakes, Studies, TacticStudy, TierHistory, analyze_tactic, assign_tiers, build_panel, build_study_panel
from partnerlab.errors import ParameterError, SampleError, SpecError
from partnerlab.intake.simulate import Truth, simulate_program
from partnerlab.tiers import TierScheme

STUDY = TacticStudy(tactic="portal", indicator="logins", outcome="leads", stays=True, stakes=Stakes(unit="leads"))


def _panel(**attributes):
    table = pd.DataFrame(
        {
            "partner": ["a"] * 3 + ["b"] * 3,
            "quarter": ["2026Q1", "2026Q2", "2026Q3"] * 2,
            "leads": [3, 5, 4, 2, 2, 1],
            "logins": [0, 1, 0, 0, 0, 0],
        }
    )
    about = pd.DataFrame({"partner": ["a", "b"], **attributes}) if attributes else None
    return Panel.from_frame(table, attributes=about)


def test_the_demo_has_a_study_of_each_tactic_its_managers_use():
    assert [study.indicator for study in Studies.load("demo").studies] == [
        "training",
        "co_marketing",
        "event",
        "meeting",
        "lead_share",
        "email",
        "other",
    ]


def test_a_file_of_studies_names_what_they_count(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text("studies:\n  - {tactic: call, indicator: call, stakes: {unit: leads}}\n")

    with pytest.raises(SpecError, match="the study of call names no outcome; add it"):
        Studies.load(path)


def test_one_tactic_has_one_study(tmp_path):
    path = tmp_path / "ours.yaml"
    line = "  - {tactic: call, indicator: call, outcome: leads, stakes: {unit: leads}}\n"
    path.write_text("studies:\n" + 2 * line)

    with pytest.raises(SpecError, match="two studies are of 'call'; keep one"):
        Studies.load(path)


def test_a_tactic_is_not_beside_itself():
    with pytest.raises(SpecError, match="which is the tactic itself"):
        TacticStudy(tactic="call", indicator="call", others=("call",), stakes=Stakes(unit="leads"))


def test_an_unknown_study_names_the_nearest():
    with pytest.raises(ParameterError, match="did you mean 'training'"):
        Studies.load("demo")["trainings"]


def test_what_stays_is_on_from_its_first_quarter():
    assert build_study_panel(_panel(), study=STUDY).treated.tolist() == [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    going = STUDY.model_copy(update={"stays": False})
    assert build_study_panel(_panel(), study=going).treated.tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_a_partner_without_a_manager_stands_for_itself():
    found = build_study_panel(_panel(manager_id=["M", None]), study=STUDY)

    assert found.managers == ("M", "no manager: b")
    assert found.manager[:, 0].tolist() == [0, 1]


def test_a_tactic_that_nobody_had_is_refused():
    nobody = _panel().select(np.array([False, True]))

    with pytest.raises(SampleError, match="portal: no partner had it in 2026Q1 to 2026Q3"):
        build_study_panel(nobody, study=STUDY)


def test_a_study_of_nothing_is_refused():
    with pytest.raises(ParameterError, match="names no indicator of the panel"):
        build_study_panel(_panel(), study=TacticStudy(tactic="call", stakes=Stakes(unit="leads")))


def test_the_tier_is_that_of_the_quarter_before():
    source = simulate_program(Truth(n_partners=60, n_quarters=8), seed=3).source()
    studies = Studies.load("demo")
    panel = build_panel(source, first="2023Q1", last="2024Q4", indicators=studies.indicators)
    history = assign_tiers(build_panel(source, first="2023Q1", last="2024Q4"), TierScheme.load("quadrant"))
    found = build_study_panel(panel, study=studies["training"], history=history)

    before = np.column_stack([np.full(len(found.partners), -1), np.maximum(history.published[:, :-1], -1)])
    seen = before >= 0
    assert np.array_equal(found.tier[seen], before[seen])
    # in the first quarter with a tier, before which there is none, it is that one
    begins = (found.tier >= 0) & ~seen
    assert begins.sum(axis=1).max() == 1
    assert np.array_equal(found.tier[begins], history.published[begins])
    assert found.tiers == history.tiers
    assert sorted(found.others) == ["co_marketing", "email", "event", "lead_share", "meeting"]


def test_the_trial_names_what_ran_beside():
    assert (
        "what else they had in the quarter (meeting, co marketing, event, lead share and email)"
        in Studies.load("demo")["training"].target_trial
    )


def test_the_trial_of_what_stays_is_to_take_it_up():
    assert "take up portal in that quarter and keep it, or not yet" in Studies.load("demo")["other"].target_trial


SEEN = pd.DataFrame(
    {
        "partner": ["a"] * 4 + ["b"] * 4 + ["c"] * 2,
        "quarter": ["2026Q1", "2026Q2", "2026Q3", "2026Q4"] * 2 + ["2026Q1", "2026Q2"],
        "tier": ["Base", "Gold", "Gold", "Silver", "Silver", "Silver", "Base", "Gold", "Gold", "Gold"],
    }
)
NO = float("nan")


@pytest.mark.parametrize(
    ("outcome", "delay", "made"),
    [
        ("moved up", 0, [[NO, 1, 0, 0], [NO, 0, 0, 1], [NO, 0, 0, NO]]),
        ("moved down", 0, [[NO, 0, 0, 1], [NO, 0, 1, 0], [NO, 0, 0, NO]]),
        ("reached Silver", 0, [[NO, 1, 1, 1], [NO, 1, 0, 1], [NO, 1, 0, NO]]),
        ("moved up", 1, [[1, 0, 0, NO], [0, 0, 1, NO], [0, 0, NO, NO]]),
        ("lapsed", 1, [[0, 0, 0, NO], [0, 0, 0, NO], [0, 1, NO, NO]]),
    ],
)
def test_an_outcome_may_be_a_move_of_tiers(outcome, delay, made):
    history = TierHistory.from_frame(SEEN, order=["Gold", "Silver", "Base"])
    panel = Panel.from_frame(SEEN[["partner", "quarter"]].assign(call=[0, 1, 0, 1, 0, 0, 1, 0, 1, 0]))
    study = TacticStudy(tactic="call", indicator="call", outcome=outcome, delay=delay, stakes=Stakes(unit="moves"))

    found = build_study_panel(panel, study=study, history=history)

    np.testing.assert_array_equal(found.outcome, made)
    assert found.outcome_name == outcome


@pytest.mark.parametrize(
    ("outcome", "given", "said"),
    [
        ("moved up", False, "asks who moved up; give the history of tiers"),
        ("reached Platinum", True, "no tier with a rank is called 'Platinum'"),
        ("lapsed", True, "ask with delay: 1 who lapsed in the quarter after"),
    ],
)
def test_a_move_that_cannot_be_read_is_refused(outcome, given, said):
    history = TierHistory.from_frame(SEEN, order=["Gold", "Silver", "Base"]) if given else None
    panel = Panel.from_frame(SEEN[["partner", "quarter"]].assign(call=[0, 1] * 5))

    with pytest.raises(ParameterError, match=said):
        build_study_panel(
            panel, study=TacticStudy(tactic="call", indicator="call", outcome=outcome, stakes=Stakes(unit="moves")), history=history
        )


def test_whether_training_moves_partners_up_is_asked_of_a_program_from_study_to_verdict():
    source = simulate_program(Truth(n_partners=250, n_quarters=10), seed=3).source()
    indicators = Studies.load("demo").indicators
    panel = build_panel(source, first="2023Q1", last="2025Q2", indicators=indicators)
    history = assign_tiers(build_panel(source, first="2023Q1", last="2025Q2"), TierScheme.load("quadrant"))
    study = TacticStudy(tactic="training", indicator="training", outcome="moved up", delay=1, stakes=Stakes(unit="moves up"))

    found = analyze_tactic(build_study_panel(panel, study=study, history=history), study=study)

    assert "moves up" in found.verdict.statement
    assert 0 < found.table.set_index("reading").loc["on and off", "std_error"] < 0.1
    assert found.effects.table.set_index("group").loc["KEY PARTNERS", ["estimate", "std_error"]].isna().all()  # nothing is above it
