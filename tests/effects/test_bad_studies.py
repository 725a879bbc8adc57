"""A bad study gets one clear refusal, whichever reading is asked for."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import (
    Known,
    TacticPanel,
    TacticStudy,
    analyze_tactic,
    check_assignment,
    check_verdict,
    compare_adoption,
    compare_tactics,
    estimate_adjusted,
    estimate_adoption,
    estimate_association,
    estimate_at_line,
    estimate_by_tier,
    estimate_dose,
    estimate_nested_trials,
    estimate_on_off,
    estimate_sustained,
    estimate_switching,
)
from partnerlab.errors import MissingTableError, ParameterError, SampleError, SpecError
from partnerlab.intake.simulate import simulate_world
from partnerlab.results import Evidence
from partnerlab.verdicts import Stakes, Verdict

STUDY = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), horizon=1, covariates=(Known(name="health", at="start", lag=0),))
READINGS = {
    "analysis": analyze_tactic, "adoption": estimate_adoption, "on and off": estimate_on_off, "switching": estimate_switching,
    "sustained": estimate_sustained, "nested trials": estimate_nested_trials,
    "assignment": check_assignment, "comparison": compare_adoption,
}  # fmt: skip


def _panel(name="B"):
    frame = simulate_world(name, seed=1, partners=150).to_frame()
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])


def _never(panel):
    return dataclasses.replace(panel, treated=np.zeros(panel.shape))


def _always(panel):
    return dataclasses.replace(panel, treated=np.ones(panel.shape))


def _at_once(panel):
    return dataclasses.replace(panel, treated=np.repeat(np.arange(panel.shape[1])[None] >= 6, panel.shape[0], axis=0).astype(float))


def _one_manager(panel):
    return dataclasses.replace(panel, manager=np.zeros_like(panel.manager), managers=("Ann",))


def _three_managers(panel):
    return dataclasses.replace(panel, treated=np.where(panel.manager < 3, panel.treated, 0.0))


def _flat(panel):
    return dataclasses.replace(panel, outcome=np.where(np.isfinite(panel.outcome), 3.0, np.nan))


def _unseen(panel):
    return dataclasses.replace(panel, outcome=np.full(panel.shape, np.nan))


def _unknown_health(panel):
    return dataclasses.replace(panel, covariates={"health": np.full(panel.shape, np.nan)})


def _all_but(panel, compared):
    """Some had it never, the others from the quarter on in which all of them had it."""
    on = np.repeat(np.arange(panel.shape[1])[None] >= 6, panel.shape[0], axis=0) & ~compared[:, None]
    return dataclasses.replace(panel, treated=on.astype(float))


def _three_managers_without(panel):
    return _all_but(panel, panel.steady_manager < 3)


def _one_partner_without(panel):
    alone = dataclasses.replace(panel, manager=np.full_like(panel.manager, -1), managers=())
    return _all_but(alone, np.arange(len(panel.partners)) == 0)


def _one_partner_with(panel):
    alone = dataclasses.replace(panel, manager=np.full_like(panel.manager, -1), managers=())
    return _all_but(alone, np.arange(len(panel.partners)) > 0)


BAD = {
    "outcome never varies": (_flat, "outcome is 3 wherever it was seen; what never varies tells nothing"),
    "nobody had it": (_never, "no partner was seen with it; there is no effect to estimate"),
    "no comparison group": (_always, "every partner had it in every quarter seen; there is no comparison group"),
    "everyone at once": (_at_once, "every partner had it at once, first in 2025Q3; nobody is left to compare with"),
    "outcome never seen": (_unseen, "outcome was never seen: it is empty in every row"),
    "covariate never known": (_unknown_health, "health at the start of the quarter is not known of any partner; leave it out"),
    "three managers without it": (
        _three_managers_without,
        "only 3 managers had partners to compare with; with 3 or fewer nothing tells the tactic from the manager",
    ),
    "one partner without it": (
        _one_partner_without,
        "only 1 partner is left to compare with; one tells nothing of what partners have in common",
    ),
    "one partner with it": (_one_partner_with, "only 1 partner used it; one tells nothing of what partners have in common"),
    "one cluster": (_one_manager, "only 1 manager used it; with 3 or fewer nothing tells the tactic from the manager"),
    "three treated managers": (_three_managers, "only 3 managers used it; with 3 or fewer nothing tells the tactic from the manager"),
}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_study_has_the_same_one_line_refusal_in_every_reading(bad, reading):
    spoil, said = BAD[bad]

    with pytest.raises(SampleError) as caught:
        READINGS[reading](spoil(_panel()), study=STUDY)
    assert str(caught.value) == f"Dinner: {said}"


@pytest.mark.parametrize("world", ["A", "B"])
@pytest.mark.parametrize("reading", [name for name in READINGS if name != "assignment"])
def test_what_tells_for_sure_who_has_it_leaves_nobody_to_compare_with(reading, world):
    panel = _panel(world)
    told = dataclasses.replace(panel, covariates={"health": panel.treated})

    with pytest.raises(SampleError, match=r"no overlap|no positivity|separates? ") as caught:
        READINGS[reading](told, study=STUDY)
    assert "\n" not in str(caught.value)


def test_adopters_far_from_all_others_are_not_read_by_stretching_a_line():
    panel = _panel("A")
    far = dataclasses.replace(panel, covariates={"health": panel.covariates["health"] + 50.0 * panel.on.any(axis=1)[:, None]})

    with pytest.raises(SampleError, match="no overlap: health at the start of the quarter tells for sure who adopted"):
        estimate_adoption(far, study=STUDY)


@pytest.mark.parametrize("lag", [0, -1, -4])
def test_a_covariate_of_after_time_zero_is_refused(lag):
    with pytest.raises(SpecError, match=r"what the tactic did|after time zero") as caught:
        Known(name="visits", lag=lag)
    assert "\n" not in str(caught.value).removeprefix("Known: ")


def test_a_covariate_measured_later_than_its_quarter_is_refused():
    frame = simulate_world("B", seed=1, partners=60).to_frame().assign(seen="2030Q1")

    with pytest.raises(ParameterError, match="measured after their own quarter"):
        TacticPanel.from_frame(frame, covariates=["health"], measured={"health": "seen"})


def test_the_outcome_or_the_tactic_itself_is_no_covariate():
    frame = simulate_world("B", seed=1, partners=60).to_frame()

    for name in ("outcome", "treated"):
        with pytest.raises(ParameterError, match="cannot be its own covariate"):
            TacticPanel.from_frame(frame, covariates=[name])


def test_eligibility_is_never_read_after_time_zero():
    panel = _panel()
    later = np.where(np.arange(panel.shape[1]) >= 9, (panel.tier + 1) % 3, panel.tier)
    study = STUDY.model_copy(update={"tiers": ("Gold", "Silver"), "untreated_for": 1})
    both = [panel, dataclasses.replace(panel, tier=later)]
    cut = np.where(np.arange(panel.shape[1]) < 9, panel.outcome, np.nan)
    whole = [estimate_on_off(each, study=study, by_tier=False).headline()["estimate"] for each in both]
    early = [estimate_on_off(dataclasses.replace(each, outcome=cut), study=study, by_tier=False).headline()["estimate"] for each in both]

    assert whole[0] != whole[1]
    assert early[0] == early[1]


@pytest.mark.parametrize("choice", [{"control": "never_treated"}, {"score": "drdid"}, {"cluster": "tier"}, {"anticipation": -1}])
def test_a_misspelled_choice_is_never_read_as_another_one(choice):
    with pytest.raises(ParameterError, match=next(iter(choice))):
        estimate_adoption(_panel("A"), study=STUDY, **choice)


@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_knows_who_may_be_a_cluster(reading):
    with pytest.raises(ParameterError, match="cluster is 'tier'"):
        READINGS[reading](_panel(), study=STUDY, cluster="tier")


def test_a_horizon_beyond_the_panel_is_named():
    with pytest.raises(SampleError, match="40 quarters later; ask for a shorter horizon"):
        estimate_on_off(_panel(), study=STUDY.model_copy(update={"horizon": 40}))


@pytest.mark.parametrize("reading", [estimate_sustained, estimate_nested_trials])
def test_only_what_happens_or_not_can_end_it_all(reading):
    with pytest.raises(ParameterError, match="neither 0 nor 1"):
        reading(_panel(), study=STUDY, ends=True)


ROWS = {
    "adjusted": lambda rows, **more: estimate_adjusted(rows, tactic="had", outcome="leads", **more),
    "association": lambda rows, **more: estimate_association(rows, tactic="had", outcome="leads", **more),
    "dose": lambda rows, **more: estimate_dose(rows, dose="days", outcome="leads", material=0.5, **more),
    "line": lambda rows, **more: estimate_at_line(rows, score="score", line=50, outcome="leads", **more),
}


def _rows():
    random = np.random.default_rng(1)
    rows = pd.DataFrame({"partner": np.repeat(range(100), 4), "size": random.normal(size=400), "score": random.uniform(0, 100, 400)})
    rows["had"], rows["days"] = random.integers(0, 2, 400), random.integers(0, 4, 400)
    return rows.assign(leads=rows["size"] + rows["had"] + random.normal(size=400), rep=[f"R{at % 20}" for at in range(400)])


BAD_ROWS = {
    "no outcome": ({"leads": np.nan}, {}, SampleError, "none of 400 has"),
    "outcome never varies": ({"leads": 3.0}, {}, SampleError, "leads is 3 wherever it was seen; what never varies tells nothing"),
    "words": ({"leads": "many"}, {}, ParameterError, r"rows\.leads: expected numbers"),
    "days for numbers": ({"leads": pd.Timestamp("2026-01-01")}, {}, ParameterError, r"rows\.leads: expected numbers"),
    "infinite": ({"leads": np.inf}, {}, ParameterError, r"rows\.leads: 400 of 400 rows are infinite"),
    "infinite covariate": ({"size": np.inf}, {"covariates": ["size"]}, ParameterError, r"rows\.size: 400 of 400 rows are infinite"),
    "own covariate": ({}, {"covariates": ["leads"]}, ParameterError, r"rows\.leads: it cannot be its own covariate"),
    "no such column": ({}, {"covariates": ["sise"]}, MissingTableError, "no column 'sise'; did you mean 'size'?"),
    "one cluster": ({"rep": "Ann"}, {"cluster": "rep"}, SampleError, "only 1"),
    "three clusters": ({"rep": np.arange(400) % 3}, {"cluster": "rep"}, SampleError, "only 3"),
}


@pytest.mark.parametrize("reading", ROWS)
@pytest.mark.parametrize("bad", BAD_ROWS)
def test_bad_rows_have_one_line_in_every_reading_of_rows(bad, reading):
    change, more, kind, said = BAD_ROWS[bad]

    with pytest.raises(kind, match=said) as caught:
        ROWS[reading](_rows().assign(**change), **more)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reading", ROWS)
@pytest.mark.parametrize("again", [lambda size: 2 * size + 1, lambda size: 0 * size + 7], ids=["repeated", "constant"])
def test_a_covariate_that_says_nothing_more_changes_nothing(again, reading):
    rows = _rows()
    found = ROWS[reading](rows.assign(again=again(rows["size"])), covariates=["size", "again"]).table.iloc[0]
    wanted = ROWS[reading](rows, covariates=["size"]).table.iloc[0]

    assert found["estimate"] == pytest.approx(wanted["estimate"])
    assert found["std_error"] == pytest.approx(wanted["std_error"])


@pytest.mark.parametrize("reading", READINGS)
def test_a_table_in_place_of_a_panel_is_told_how_to_become_one(reading):
    with pytest.raises(ParameterError, match=r"a TacticPanel is read, not a DataFrame; TacticPanel\.from_frame"):
        READINGS[reading](simulate_world("B", seed=1, partners=30).to_frame(), study=STUDY)


@pytest.mark.parametrize("reading", [estimate_sustained, estimate_nested_trials])
def test_a_scale_that_nobody_knows_is_named(reading):
    with pytest.raises(ParameterError, match="family is 'probit'; it is 'linear', 'logit' or 'log'"):
        reading(_panel(), study=STUDY, family="probit")


CELLS = pd.DataFrame({"tactic": list("aab"), "tier": ["Gold", "Base", "Gold"], "estimate": [0.1, 0.2, 0.3], "std_error": 0.1, "n": 20})
VERDICT = Verdict(
    tactic="Dinner", grade=Evidence.B, estimate=0.3, std_error=0.1, n=240, partners=80, stakes=Stakes(unit="leads"), assumption="nothing"
)  # fmt: skip
REFUSED = {
    "level": (lambda: estimate_by_tier(CELLS, level=1.5), "level is 1.5"),
    "variances": (lambda: estimate_by_tier(CELLS, covariance=-np.eye(3)), "variances that are not above 0"),
    "no analysis": (lambda: compare_tactics([CELLS]), "analyses of analyze_tactic are compared, not a DataFrame"),
    "spread": (lambda: check_verdict(VERDICT, outcome_spread=0.0), "outcome_spread is 0.0"),
    "words": (lambda: check_verdict(VERDICT, left_out=CELLS.assign(left_out="Ann", estimate="x")), "expected numbers"),
    "events": (lambda: estimate_adoption(_panel("A"), study=STUDY, events=(3, 1)), "give the first and the last, in order"),
}


@pytest.mark.parametrize("bad", REFUSED)
def test_what_cannot_be_meant_is_refused_in_one_line(bad):
    ask, said = REFUSED[bad]

    with pytest.raises(ParameterError, match=said) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_those_without_it_must_not_all_be_of_few_clusters_either():
    rows = _rows().assign(rep=lambda rows: np.where(rows["had"] == 0, rows.index % 2, 2 + rows.index % 20))

    with pytest.raises(SampleError, match="had: only 2 clusters of rep had rows without it"):
        estimate_adjusted(rows, tactic="had", outcome="leads", covariates=["size"], cluster="rep")
