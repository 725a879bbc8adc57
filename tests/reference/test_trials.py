"""Trials of every design give the numbers of R (`trials/*.R`): by design, by regression, and by counting deals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.experiments import Experiment, Metric, Trial, Variant, analyze_experiment
from partnerlab.stats.trials.wild_bootstrap import wild_test
from partnerlab.verdicts import Stakes

FOLDER = Path(__file__).parent / "trials"
WILD = pd.read_csv(FOLDER / "wild_values.csv")


@pytest.mark.parametrize("case", WILD.to_dict("records"), ids=WILD["case"])
def test_the_wild_bootstrap_counts_as_many_ways_as_r(case):
    rows = pd.read_csv(FOLDER / "wild.csv")
    rows = rows[rows["g"] <= int(case["case"][-1])]
    design = np.column_stack([np.ones(len(rows)), rows["d"], rows["x"]])
    weights = "webb" if case["case"].startswith("six") else "rademacher"
    found = wild_test(rows["y"].to_numpy(), design, rows["g"].to_numpy(), column=1, weights=weights)
    groups, units = rows["g"].nunique(), len(rows)

    assert (found.p_value, found.draws) == (pytest.approx(case["p"], abs=1e-12), case["ways"])
    assert found.t == pytest.approx(case["t"] * np.sqrt((groups - 1) / groups * (units - 3) / (units - 1)), rel=1e-10)


DESIGNS = pd.read_csv(FOLDER / "designs_values.csv").set_index("case")


def _read(outcome, variant, *, seen=None, **asked):
    rows = pd.read_csv(FOLDER / asked.pop("rows", "designs.csv"))
    rows = rows if seen is None else rows[seen(rows)]
    rows, adjustment, draws = rows.astype({"tier": str} if "tier" in rows else {}), asked.pop("adjustment", None), asked.pop("draws", 0)
    trial = Trial.from_frame(rows, unit=None, outcomes=[outcome], variant=variant, **asked)
    return analyze_experiment(trial, adjustment=adjustment, draws=draws).table.iloc[0]


READINGS = {
    "blocks": ("y_unit", "by_unit", {"stratum": "block"}),
    "pairs": ("y_pair", "by_pair", {"stratum": "pair"}),
    "clusters": ("y_manager", "by_manager", {"cluster": "manager"}),
    "blocks of clusters": ("y_manager", "by_manager", {"cluster": "manager", "stratum": "block"}),
    "known, slopes by arm": ("y_unit", "by_unit", {"pre": ["before"], "adjustment": "interacted"}),
    "known, one slope": ("y_unit", "by_unit", {"pre": ["before"], "adjustment": "common"}),
    "blocks and known": ("y_unit", "by_unit", {"pre": ["before"], "stratum": "block", "adjustment": "interacted"}),
    "ratio": (Metric(name="leads", kind="ratio", per="visits"), "by_unit", {}),
    "ratio and known": (Metric(name="leads", kind="ratio", per="visits"), "by_unit", {"pre": ["before"], "adjustment": "common"}),
    "area to six": (Metric(name="months", kind="time", event="seen", until=6.0), "by_unit", {"rows": "times.csv"}),
}


@pytest.mark.parametrize("case", READINGS)
def test_effects_and_errors_of_every_design_are_those_of_r(case):
    outcome, variant, asked = READINGS[case]
    found, theirs = _read(outcome, variant, **asked), DESIGNS.loc[case]

    assert found["estimate"] == pytest.approx(theirs["estimate"], rel=1e-9)
    assert found["std_error"] == pytest.approx(theirs["std_error"], rel=1e-9)
    if np.isfinite(theirs["df"]):
        assert found["df"] == pytest.approx(theirs["df"], rel=1e-6)


def test_all_deals_of_managers_within_blocks_are_counted_as_in_r():
    found = _read("y_manager", "by_manager", seen=lambda rows: rows["block"] <= 2, cluster="manager", stratum="block", draws=10)

    assert found["p_redrawn"] == pytest.approx(DESIGNS.loc["all deals", "estimate"], abs=1e-12)


def test_times_within_blocks_beside_what_was_known_are_read_as_in_r():
    row = _read(Metric(name="months", kind="time", event="seen", until=6.0), "by_unit", rows="times.csv", stratum="block", pre=["before"])
    theirs = DESIGNS.loc[["log-rank within blocks", "hazards"]]

    assert row["log_rank"] == pytest.approx(theirs["estimate"].iloc[0], rel=1e-9)
    assert (row["log_hazard_ratio"], row["log_hazard_error"]) == pytest.approx(tuple(theirs.iloc[1, :2]), rel=1e-6)


STRATA = pd.read_csv(FOLDER / "strata_values.csv").set_index("case")
LEADS, TIER = Metric(name="leads", kind="ratio", per="visits"), Metric(name="tier", kind="tier", tiers=("1", "2", "3", "4"))
MONTHS = {until: Metric(name="months", kind="time", event="seen", until=until) for until in (3.0, 5.5)}
UNEQUAL = {
    "ratio": (LEADS, "by_unit", {}),
    "ratio, one slope": (LEADS, "by_unit", {"pre": "before", "adjustment": "common"}),
    "ratio, slopes by arm": (LEADS, "by_unit", {"pre": "before", "adjustment": "interacted"}),
    "area by block": (MONTHS[3.0], "by_unit", {}),
    "area over weighted curves": (MONTHS[5.5], "by_unit", {"rows": "strata_late.csv"}),
    "wins": (TIER, "by_unit", {}),
    "clusters": ("y", "by_manager", {"cluster": "manager"}),
    "clusters, slopes by arm": ("y", "by_manager", {"cluster": "manager", "pre": ["before"], "adjustment": "interacted"}),
    "ratio, managers dealt": (LEADS, "by_manager", {"cluster": "manager"}),
    "area, managers dealt, no blocks": (MONTHS[3.0], "by_manager", {"cluster": "manager", "stratum": None}),
}


@pytest.mark.parametrize("case", UNEQUAL)
def test_where_blocks_have_other_shares_effects_are_still_those_of_r(case):
    outcome, variant, asked = UNEQUAL[case]
    found, theirs = _read(outcome, variant, **{"rows": "strata.csv", "stratum": "block"} | asked), STRATA.loc[case]

    assert found["estimate"] == pytest.approx(theirs["estimate"], rel=1e-9)
    for name in ("std_error", "df"):
        if np.isfinite(theirs[name]):
            assert found[name] == pytest.approx(theirs[name], rel=1e-6)


@pytest.mark.parametrize(("signs", "deals", "pre"), [("", "", []), (", slopes by arm", ", slope", ["before"])])
def test_few_managers_in_unlike_blocks_are_turned_and_dealt_in_all_ways_as_in_r(signs, deals, pre):
    asked = {"cluster": "manager", "stratum": "block", "pre": pre, "adjustment": "interacted", "draws": 10}
    found = _read("y", "by_manager", rows="strata.csv", **asked)

    assert found["p_wild"] == pytest.approx(STRATA.loc[f"wild, within blocks{signs}", "estimate"], abs=1e-12)
    assert found["p_redrawn"] == pytest.approx(STRATA.loc[f"deals{deals}", "estimate"], abs=1e-12)


AREAS = pd.read_csv(FOLDER / "areas_values.csv").set_index("case")
ADJUSTED = {
    f"{design}{slopes}": {"variant": variant, "adjustment": adjustment} | asked
    for design, variant, asked in (
        ("", "by_unit", {}),
        ("blocks, ", "by_unit", {"stratum": "block"}),
        ("managers, ", "by_manager", {"cluster": "manager"}),
    )
    for slopes, adjustment in (("one slope", "common"), ("slopes by arm", "interacted"))
}


@pytest.mark.parametrize("case", ADJUSTED)
def test_areas_adjusted_for_what_was_known_are_those_of_survivals_influences_in_least_squares(case):
    found, theirs = _read(MONTHS[3.0], rows="strata.csv", pre=["before"], **ADJUSTED[case]), AREAS.loc[case]

    assert found["estimate"] == pytest.approx(theirs["estimate"], rel=1e-9)
    assert found["std_error"] == pytest.approx(theirs["std_error"], rel=1e-9)
    assert found["df"] == pytest.approx(theirs["df"], rel=1e-6)


def test_the_effect_on_those_who_took_it_keeps_to_blocks_and_what_was_known_as_in_r():
    rows, theirs = pd.read_csv(FOLDER / "strata.csv"), STRATA.loc["on takers, within blocks"]
    trial = Trial.from_frame(rows, unit=None, outcomes=["y"], variant="by_unit", stratum="block", pre=["before"], received="took")
    taken = analyze_experiment(trial, adjustment="interacted", draws=0).table.set_index("effect").loc["on those who took it"]

    assert (taken["estimate"], taken["std_error"]) == pytest.approx((theirs["estimate"], theirs["std_error"]), rel=1e-9)


STEPS = Experiment(
    name="steps", hypothesis="It helps.", tactic="A call", stakes=Stakes(unit="y"), metrics=(Metric(name="y"),), cluster="manager",
    pre=("before",), quarters=4,
    variants=tuple(Variant(name=name, on=on) for name, on in (("early", (0, 1, 1, 1)), ("middle", (0, 0, 1, 1)), ("late", (0, 0, 0, 1)))),
)  # fmt: skip
SCHEDULE = pd.read_csv(FOLDER / "schedule_values.csv").set_index("case")


@pytest.mark.parametrize(("case", "adjustment"), [("plain", "none"), ("adjusted", None)])
def test_a_stepped_wedge_with_gaps_is_read_and_dealt_again_in_all_ways_as_in_r(case, adjustment):
    trial = Trial.from_frame(pd.read_csv(FOLDER / "schedule.csv"), experiment=STEPS)
    found, theirs = analyze_experiment(trial, adjustment=adjustment, draws=10).table.iloc[0], SCHEDULE.loc[case]

    for name, tolerance in (("estimate", 1e-9), ("std_error", 1e-9), ("df", 1e-6), ("icc", 1e-9), ("kept", 1e-9)):
        assert found[name] == pytest.approx(theirs[name], rel=tolerance)
    assert found["p_redrawn"] == pytest.approx(theirs["p_redrawn"], abs=1e-12)


def test_more_deals_than_can_be_gone_through_are_counted_by_their_sums():
    rows = pd.read_csv(FOLDER / "strata.csv")
    trial = Trial.from_frame(rows, unit=None, outcomes=["leads"], variant="by_unit", stratum="block")

    found = analyze_experiment(trial, draws=1).table.iloc[0]

    assert found["p_redrawn"] == pytest.approx(STRATA.loc["deals of units", "estimate"], abs=1e-12)
