"""Three variants in blocks of managers, pairs of managers and unlike chances of single units give the numbers of R (`trials/arms.R`)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.experiments import Metric, Trial, analyze_experiment
from partnerlab.stats.trials.srm import ratio_mismatch

FOLDER = Path(__file__).parent / "trials"
VALUES = pd.read_csv(FOLDER / "arms_values.csv").set_index("case")
TAKERS = "on those who took it"
LEADS, TIER = Metric(name="leads", kind="ratio", per="visits"), Metric(name="tier", kind="tier", tiers=("1", "2", "3", "4"))
MANAGERS, BLOCKS = {"cluster": "manager"}, {"stratum": "block"}
BY_ARM, ONE_SLOPE = ({"pre": ["before"], "adjustment": adjustment} for adjustment in ("interacted", "common"))
READINGS = {
    "managers in blocks": ("y", MANAGERS | BLOCKS),
    "managers": ("y", MANAGERS),
    "units in blocks": ("y", BLOCKS),
    "managers in blocks, slopes by arm": ("y", MANAGERS | BLOCKS | BY_ARM),
    "units, slopes by arm": ("y", BY_ARM),
    "managers, one slope": ("y", MANAGERS | ONE_SLOPE),
    "takers, managers": ("y", MANAGERS | {"received": "took"}),
    "takers, units": ("y", {"received": "took"}),
    "takers, managers, one slope": ("y", MANAGERS | ONE_SLOPE | {"received": "took"}),
    "ratio, managers in blocks, slopes by arm": (LEADS, MANAGERS | BLOCKS | BY_ARM),
    "wins, managers": (TIER, MANAGERS),
    "area to four": (Metric(name="months", kind="time", event="seen", until=4.0), {}),
}


def _read(rows, outcome, *, adjustment=None, draws=0, **asked):
    frame = pd.read_csv(FOLDER / rows)
    frame = frame.astype({"tier": str}) if "tier" in frame else frame
    trial = Trial.from_frame(frame, unit=None, outcomes=[outcome], variant="arm", **asked)
    return analyze_experiment(trial, adjustment=adjustment, draws=draws).table.set_index(["effect", "variant"])


def _same(found, theirs, *names):
    for name in names:
        if np.isfinite(theirs[name]):
            assert found[name] == pytest.approx(theirs[name], rel=1e-9), name


@pytest.mark.parametrize("arm", ["1", "2"])
@pytest.mark.parametrize("case", READINGS)
def test_each_of_three_variants_is_read_against_the_control_as_in_r(case, arm):
    outcome, asked = READINGS[case]
    found = _read("arms.csv", outcome, **asked)

    _same(found.loc[TAKERS if "received" in asked else "as dealt", arm], VALUES.loc[f"{case}, {arm}"], "estimate", "std_error", "df")


@pytest.mark.parametrize("arm", ["1", "2"])
def test_odds_of_each_variant_within_blocks_are_those_of_ordinal(arm):
    found = _read("arms.csv", TIER, **BLOCKS).loc["as dealt", arm]

    assert (found["log_odds_ratio"], found["log_odds_error"]) == pytest.approx(
        tuple(VALUES.loc[f"odds, units in blocks, {arm}", ["estimate", "std_error"]]), rel=1e-5
    )


@pytest.mark.parametrize("arm", ["1", "2"])
def test_two_variants_are_dealt_again_in_all_ways_with_the_third_as_it_was(arm):
    found = _read("arms.csv", "visits", **MANAGERS, **BLOCKS, draws=9).loc["as dealt", arm]

    assert found["p_redrawn"] == pytest.approx(VALUES.loc[f"deals of managers in blocks, {arm}", "estimate"], abs=1e-12)


@pytest.mark.parametrize(("case", "asked"), [("pairs of managers", MANAGERS), ("pairs of units", {})])
def test_pairs_of_unequal_managers_are_read_as_in_r(case, asked, tmp_path):
    frame = pd.read_csv(FOLDER / "arm_pairs.csv")
    frame = frame if asked else frame.drop_duplicates("manager")
    frame.to_csv(tmp_path / "pairs.csv", index=False)

    found = _read(tmp_path / "pairs.csv", "y", stratum="pair", draws=9, **asked).iloc[0]

    _same(found, VALUES.loc[case], "estimate", "std_error", "df")
    assert found["p_redrawn"] == pytest.approx(VALUES.loc[f"deals of {case}", "estimate"], abs=1e-12)


@pytest.mark.parametrize(("case", "asked"), [("other chances", {}), ("other chances, slopes by arm", BY_ARM)])
def test_other_chances_in_each_block_are_allowed_for_and_blocks_of_one_tell_nothing(case, asked):
    _same(_read("chances.csv", "y", **BLOCKS, **asked).iloc[0], VALUES.loc[case], "estimate", "std_error")


def test_four_variants_of_unlike_shares_are_held_to_them_as_in_r():
    found = ratio_mismatch(np.array([503, 247, 130, 160]), np.array([4, 2, 1, 1]))[1]

    assert found == pytest.approx(VALUES.loc["four variants", "estimate"], rel=1e-9)


def test_with_three_variants_dealing_again_finds_nothing_about_as_often_as_said():
    random = np.random.default_rng(5)
    arms = np.repeat(["control", "call", "dinner"], 6)
    hits = []
    for _ in range(300):
        rows = pd.DataFrame({"arm": arms, "y": random.normal(size=18) + 5 * (arms == "call")})
        trial = Trial.from_frame(rows, unit=None, outcomes=["y"], variant="arm")
        hits.append(analyze_experiment(trial).table.set_index("variant").loc["dinner", "p_redrawn"] <= 0.05)

    assert 0.02 < np.mean(hits) < 0.08
