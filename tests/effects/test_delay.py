"""Tactics that can do nothing in their own quarter: its result says what managers saw, and is adjusted for."""

import numpy as np
import pandas as pd
import pytest

from partnerlab import Stakes, TacticPanel, TacticStudy, analyze_tactic, estimate_on_off, plan_next_partners
from partnerlab.errors import ParameterError

LEADS = Stakes(unit="leads")


def _program(seed: int, *, partners: int = 1500, quarters: int = 10, effect: float = 1.0) -> pd.DataFrame:
    """Managers choose whom they see doing well in the quarter; what they do brings leads in the next one."""
    rng = np.random.default_rng(seed)
    passing = np.zeros((partners, quarters))
    for quarter in range(1, quarters):
        passing[:, quarter] = 0.7 * passing[:, quarter - 1] + rng.normal(size=partners)
    leads = 10 + passing + rng.normal(size=(partners, quarters)) / 4
    on = rng.random((partners, quarters)) < 1 / (1 + np.exp(1 - (leads - 10)))
    leads[:, 1:] += effect * on[:, :-1]
    partner, quarter = np.divmod(np.arange(partners * quarters), quarters)
    return pd.DataFrame({"partner": partner, "quarter": quarter, "outcome": leads.ravel(), "treated": on.ravel(), "manager": partner % 50})


@pytest.fixture(scope="module")
def panel():
    return TacticPanel.from_frame(_program(1), manager="manager")


def test_what_managers_saw_in_the_quarter_is_adjusted_for(panel):
    at_once = estimate_on_off(panel, study=TacticStudy(tactic="tactic", stakes=LEADS, horizon=1)).headline()
    later = estimate_on_off(panel.later(1), study=TacticStudy(tactic="tactic", stakes=LEADS, delay=1)).headline()

    assert at_once["conf_low"] > 1.2
    assert later["estimate"] == pytest.approx(1.0, abs=0.08)
    assert later["conf_low"] < 1.0 < later["conf_high"]


def test_nothing_is_found_where_nothing_was_done():
    idle = TacticPanel.from_frame(_program(2, effect=0.0), manager="manager").later(1)
    row = estimate_on_off(idle).headline()

    assert row["conf_low"] < 0 < row["conf_high"]


def test_a_delay_is_part_of_the_assumption_and_of_the_trial_in_words(panel):
    study = TacticStudy(tactic="tactic", stakes=LEADS, delay=1)
    found = analyze_tactic(panel.later(1), study=study)

    assert "it does nothing in its own quarter" in found.verdict.assumption
    assert "Outcome: leads 1 quarter later." in study.target_trial
    assert "in its own quarter it can do nothing, so that results of it count as earlier." in study.target_trial


def test_a_panel_and_a_study_of_other_delays_are_refused(panel):
    study = TacticStudy(tactic="tactic", stakes=LEADS, delay=2)

    with pytest.raises(ParameterError, match=r"after 2 quarters, but .* 1 quarter later; panel\.later\(1\)"):
        estimate_on_off(panel.later(1), study=study)
    with pytest.raises(ParameterError, match="say delay=1 in the study"):
        estimate_on_off(panel.later(1), study=TacticStudy(tactic="tactic", stakes=LEADS))
    with pytest.raises(ParameterError, match="10 quarters later leave none"):
        panel.later(10)


def test_partners_are_planned_for_by_the_last_results_there_are(panel):
    late = panel.later(1)
    plan = plan_next_partners(late, analysis=analyze_tactic(late, study=TacticStudy(tactic="tactic", stakes=LEADS, delay=1)))

    assert np.array_equal(late.last_outcome, panel.outcome[:, -1])
    assert set(plan.table["partner"]) == set(panel.partners[panel.treated[:, -1] == 0].tolist())
    assert plan.table["chance"].notna().all()
