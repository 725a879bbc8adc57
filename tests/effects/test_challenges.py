"""The card that an analysis fills by itself: what is on it, what it says of right findings, and a world in which each check fails."""

import dataclasses

import numpy as np
import pytest

from partnerlab import check_robustness, simulate_world
from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic
from partnerlab.errors import ParameterError
from partnerlab.results import Evidence
from partnerlab.stats.causes.hidden_bias import average_pairs
from partnerlab.stats.causes.pairs import pair_within_blocks

STUDY = TacticStudy(tactic="Dinner", stakes={"unit": "leads"}, covariates=(Known(name="health", at="start", lag=0),))


def _panel(world, **spoiled):
    world = dataclasses.replace(world, **spoiled) if spoiled else world
    frame = world.to_frame().assign(colour=np.random.default_rng(1).normal(size=world.outcome.size))
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health", "colour"])


def _card(panel, *, study=STUDY, trusted=True, **asked):
    """The card; where trusted, as if triage had had no doubt, so that the card's own checks must find what is wrong."""
    found = analyze_tactic(panel, study=study)
    if trusted:
        found = dataclasses.replace(found, verdict=dataclasses.replace(found.verdict, doubts=()))
    return check_robustness(found, panel=panel, **asked)


def _row(card, check, about=None):
    rows = card.table[card.table["check"] == check]
    return (rows if about is None else rows[rows["about"] == about]).iloc[0]


@pytest.fixture(scope="module")
def on_off():
    return _panel(simulate_world("B", seed=4))


@pytest.fixture(scope="module")
def staying():
    return _panel(simulate_world("A", seed=4))


def test_the_card_of_a_tactic_that_goes_on_and_off_fills_itself(on_off):
    card = _card(on_off, placebo_outcomes=["colour"])

    assert card.table["check"].tolist() == [
        "overlap", "balance", "placebo", "placebo", "placebo", "leave one out", "regression to the mean", "E-value",
        "robustness value", "unseen cause", "hidden bias",
    ]  # fmt: skip
    assert card.stands
    assert card.evidence is Evidence.B
    assert _row(card, "leave one out")["n"] == len(on_off.managers)
    assert _row(card, "regression to the mean")["estimate"] > 0


def test_the_card_of_a_tactic_that_stays_adds_trends(staying):
    card = _card(staying)

    assert {"pre-trend", "bent trend", "moves as before"} <= set(card.table["check"])
    assert _row(card, "bent trend")["estimate"] > 0
    assert card.evidence is Evidence.B


def test_an_analysis_in_doubt_has_nothing_to_overturn(on_off):
    found = analyze_tactic(on_off, study=STUDY)
    doubted = dataclasses.replace(found, verdict=dataclasses.replace(found.verdict, doubts=("two readings disagree",)))
    card = check_robustness(doubted, panel=on_off)

    comparison = card.table["check"].isin(["overlap", "balance", "placebo"])
    assert card.table.loc[~comparison, "stands"].isna().all()
    assert card.table.loc[comparison, "stands"].all()
    assert card.evidence is Evidence.D


def test_managers_who_look_two_quarters_back_are_caught_by_the_earlier_result(on_off):
    world = simulate_world("B", seed=4)
    rng = np.random.default_rng(0)
    outcome = rng.normal(size=(2, *world.outcome.shape)).sum(axis=0)
    back = np.roll(outcome, 2, axis=1)
    treated = (rng.normal(size=outcome.shape) - 1.2 * back > 0.8) & (np.arange(12) >= 2)
    card = _card(_panel(world, outcome=outcome - 0.4 * back, treated=treated))

    assert not _row(card, "placebo", "2 quarters before")["stands"]
    assert card.evidence is Evidence.D


def test_a_result_that_is_no_line_in_the_past_is_caught_by_the_tactic_dealt_by_lot():
    world = simulate_world("B", seed=4)
    rng = np.random.default_rng(0)
    outcome, treated = np.zeros((300, 12)), np.zeros((300, 12), dtype=bool)
    outcome[:, 0] = rng.normal(size=300)
    for quarter in range(1, 12):
        last = outcome[:, quarter - 1]
        treated[:, quarter] = rng.random(300) < 0.6 * (np.abs(last) > 1.2) + 0.08
        outcome[:, quarter] = rng.normal(size=300) + 0.8 * (np.abs(last) > 1.2)
    card = _card(_panel(world, outcome=outcome, treated=treated))

    assert not _row(card, "placebo", "dealt by lot")["stands"]


def test_a_placebo_outcome_that_goes_with_the_tactic_fails(on_off):
    spoiled = dataclasses.replace(on_off, covariates=on_off.covariates | {"colour": on_off.outcome + 0.0})

    assert not _row(_card(spoiled, placebo_outcomes=["colour"]), "placebo", "colour")["stands"]


def test_a_placebo_tactic_is_read_by_the_same_estimator(on_off):
    lots = (np.random.default_rng(5).random(on_off.shape) < 0.3).astype(float)
    harmless = dataclasses.replace(on_off, others={"newsletter": lots})
    guilty = dataclasses.replace(on_off, outcome=on_off.outcome + 0.3 * lots, others={"newsletter": lots})

    assert _row(_card(harmless, placebo_tactics=["newsletter"]), "placebo", "newsletter")["stands"]
    assert not _row(_card(guilty, placebo_tactics=["newsletter"]), "placebo", "newsletter")["stands"]


def test_a_finding_that_goes_without_one_manager_is_no_finding():
    """Nine managers of thirty carry it; the interval clears zero by little."""
    world = simulate_world("B", seed=4, null=True)
    lift = np.where((world.manager < 9)[:, None] & world.treated, 0.5, 0.0)
    card = _card(_panel(world, outcome=world.outcome + lift))
    row = _row(card, "leave one out")

    assert (row["about"], bool(row["stands"])) == ("M08", False)
    assert row["conf_low"] < 0 < row["bar"]


def test_adopters_on_their_way_apart_fail_pre_trend_and_both_bounds():
    world = simulate_world("A", seed=4, null=True)
    ever = world.treated.any(axis=1)
    drift = np.where(ever[:, None], 0.25 * np.arange(12), 0.0)
    card = _card(_panel(world, outcome=world.outcome + drift))

    assert [bool(_row(card, check)["stands"]) for check in ("pre-trend", "moves as before")] == [False, False]
    assert not _row(card, "placebo", "2 quarters before")["stands"]


def test_a_rebound_is_taken_off_what_does_not_allow_for_it():
    """Adopters start after a bad quarter; nothing was done to them, and differences in differences read the way back as an effect."""
    rng = np.random.default_rng(2)
    world = simulate_world("A", seed=4)
    stable, noise = rng.normal(size=(300, 1)), rng.normal(size=world.outcome.shape)
    starts = (rng.random(noise.shape) < 0.15) & (np.roll(noise, 1, axis=1) < -0.5) & (np.arange(12) >= 2)
    card = _card(_panel(world, outcome=stable + noise, treated=np.maximum.accumulate(starts, axis=1)))
    row = _row(card, "regression to the mean")

    assert row["estimate"] > 0.6
    assert row["conf_low"] > 0
    assert not row["stands"]


def test_sides_that_are_not_alike_fail_overlap_or_balance():
    world = simulate_world("B", seed=4)
    rng = np.random.default_rng(3)
    health = rng.normal(size=world.outcome.shape)
    treated = rng.normal(size=health.shape) * 0.15 + health > 0.4
    card = _card(_panel(world, health=health, treated=treated))

    assert not _row(card, "overlap")["stands"]


def test_what_is_not_there_is_refused_in_one_line(on_off):
    found = analyze_tactic(on_off, study=STUDY)
    with pytest.raises(ParameterError, match="no covariate 'colur'; did you mean 'colour'"):
        check_robustness(found, panel=on_off, placebo_outcomes=["colur"])
    with pytest.raises(ParameterError, match="no other tactic 'newsletter'"):
        check_robustness(found, panel=on_off, placebo_tactics=["newsletter"])
    with pytest.raises(ParameterError, match="give the panel that was analysed"):
        check_robustness(found, panel=on_off.select(np.arange(300) < 200))


def test_pairs_are_nearest_first_within_blocks_and_each_row_once():
    odds = np.array([0.0, 0.02, 0.01, 0.5, 0.015, 3.0])
    treated = np.array([True, True, False, False, False, False])
    first, second = pair_within_blocks(odds, treated, np.array([0, 0, 0, 0, 1, 0]), caliper=1.0)

    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 2), (1, 3)]
    assert average_pairs(np.array([1.0, 2.0]), np.array([5, 5])).tolist() == [1.5]
