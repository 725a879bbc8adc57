"""The truth that verdicts on the demo program are held against, by hand on tiny programs; and how agreement is counted."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import TacticPanel, TacticStudy
from partnerlab.errors import ParameterError
from partnerlab.intake.simulate import Portal, Tactic, Truth, simulate_program
from partnerlab.verdicts import Stakes

PLACE = Path(__file__).parents[2] / "benchmarks" / "coverage_demo.py"
LEADS = Stakes(unit="leads")


@pytest.fixture(scope="module")
def bench():
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("coverage_of_demo", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tiny():
    """Forty partners; training adds half of the log rate in the next quarter whatever the tier, and is not carried on."""
    training = Tactic(activity="training", chance=0.4, effect=(0.5, 0.5, 0.5))
    truth = Truth.plain(
        n_partners=40, n_quarters=6, tactics={"training": training}, portal=Portal(start=2, chance=0.3, effect=(0.7,) * 3, ramp=(1.0,))
    )
    return simulate_program(truth, seed=1)


def test_what_a_use_added_is_by_how_much_fewer_leads_the_next_quarter_would_have_had(tiny):
    used, rates = tiny.realized.latents.treated["training"] > 0, tiny.truth_rates()
    added = tiny.truth_added("training")

    for partner in range(40):
        for quarter in range(5):
            without = rates[partner, quarter + 1] / np.exp(0.5) if used[partner, quarter] else rates[partner, quarter + 1]
            assert added[partner, quarter] == pytest.approx(rates[partner, quarter + 1] - without, abs=1e-6)
    assert np.isnan(added[:, 5]).all()


def test_what_the_portal_added_is_of_the_quarter_itself(tiny):
    adopted, rates = tiny.realized.latents.adopted, tiny.truth_rates()
    since = np.arange(6) >= adopted[:, None]

    np.testing.assert_allclose(tiny.truth_added("portal"), np.where(since, rates * (1 - np.exp(-0.7)), 0.0), atol=1e-5)


def test_a_tactic_that_the_truth_does_not_know_is_refused(tiny):
    with pytest.raises(ParameterError, match="no tactic 'trainings'; did you mean 'training'"):
        tiny.truth_added("trainings")


def _panel(tiny, treated, **more):
    """Lay the simulation out as a panel in another order of partners, from its second quarter on."""
    names = tiny.partners[::-1]
    quarters = range(tiny.truth.start + 1, tiny.truth.start + 6)
    table = pd.DataFrame({"partner": np.repeat(names, 5), "quarter": np.tile(tiny.truth.calendar.labels(np.array(quarters)), 40)})
    values = {
        "outcome": tiny.truth_rates()[::-1, 1:] + np.arange(5),
        "treated": treated[::-1, 1:],
        **{name: value[::-1] for name, value in more.items()},
    }
    table = table.assign(**{name: value.ravel() for name, value in values.items()})
    return TacticPanel.from_frame(table, **({"tier": "tier"} if more else {}))


def test_the_truth_of_a_verdict_is_the_mean_over_just_its_rows(bench, tiny):
    used = tiny.realized.latents.treated["training"] > 0
    tier = np.where(np.arange(40)[:, None] < 20, "Gold", "Silver") + np.full((40, 5), "")
    panel = _panel(tiny, used, tier=tier)
    study = TacticStudy(tactic="training", indicator="training", stakes=LEADS, delay=1)
    added = bench.lay_truth(panel.later(1), study, tiny)

    # trials begin in the panel's third quarter, the record's fourth, and the last has no quarter after it
    rows = used[:, 3:5]
    whole = tiny.truth_added("training")[:, 3:5]
    assert bench.true_effect(panel.later(1), study, added) == pytest.approx(whole[rows].mean())
    assert bench.true_effect(panel.later(1), study, added, tier="Gold") == pytest.approx(whole[:20][rows[:20]].mean())


def test_the_truth_of_adoption_is_the_mean_over_adopters_after_the_first_quarter(bench, tiny):
    adopted = tiny.realized.latents.adopted
    panel = _panel(tiny, np.arange(6) >= adopted[:, None])
    study = TacticStudy(tactic="portal", indicator="other", stakes=LEADS, stays=True)
    added = tiny.truth_added("portal")

    since = (np.arange(6) >= adopted[:, None]) & (adopted > 1)[:, None]
    assert bench.true_effect(panel, study, bench.lay_truth(panel, study, tiny)) == pytest.approx(added[since].mean())


def test_agreement_is_counted_by_page_and_grade(bench):
    known = {"truth": [1.0, 0.0, 0.5], "estimate": [1.2, 0.6, 0.5], "std_error": [0.2, 0.2, 0.4], "conf_low": [0.8, 0.2, -0.3],
             "conf_high": [1.6, 1.0, 1.3], "tactic": ["a", "b", "c"], "grade": ["B", "B", "D"]}  # fmt: skip
    same = {"seed": 1, "page": "alone", "tier": "", "df": np.inf, "design": "B", "doubts": 0, "mechanism": "neither"}
    unknown = {"truth": 0.5, "tactic": "d", "grade": "D"}
    rows = pd.concat([pd.DataFrame(known), pd.DataFrame([unknown])]).assign(**same)
    scored = bench.score(rows).set_index("grade")

    assert scored["verdicts"].to_dict() == {"B": 2, "D": 1, "all": 3}
    assert scored["hold"].to_dict() == {"B": 1, "D": 1, "all": 2}
    assert scored.loc["all", "error"] == pytest.approx((1.0 + 3.0 + 0.0) / 3)
    assert "alone: 1 of 1 that do nothing are findings of grade B" in bench.tell(rows)


@pytest.mark.parametrize(("truth", "held"), [(10.0, 0.95), (0.0, 0.0), (1.96, 0.95)])
def test_of_findings_fewer_hold_the_truth_the_less_there_is_to_find(bench, truth, held):
    rows = pd.DataFrame({"truth": [truth], "std_error": 1.0, "df": np.inf, "conf_low": -1.96, "conf_high": 1.96})

    assert bench.hold_if_calibrated(rows) == pytest.approx(held, abs=2e-3)
    assert bench.hold_if_calibrated(rows.assign(truth=1.0)) < 0.95
