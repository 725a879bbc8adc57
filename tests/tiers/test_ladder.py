"""Ladders, bands and recorded tiers by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import MissingTableError, SpecError
from partnerlab.panel.panel import Panel, RecordedTiers
from partnerlab.tiers import TierScheme, assign_tiers


def tiers_of(classify: dict, **columns: list) -> list[str]:
    count = len(next(iter(columns.values())))
    rows = pd.DataFrame({"partner": [f"p{index:02d}" for index in range(count)], "quarter": "2026Q1", **columns})
    return assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=classify)).names()[:, 0].tolist()


NAN = float("nan")


def test_bands_take_the_highest_start_that_is_reached():
    bands = {"kind": "bands", "value": "points", "bands": [{"name": "A", "from": 80}, {"name": "B", "from": 50}, {"name": "C"}]}

    assert tiers_of(bands, points=[80.0, 79.9, 50.0, 0.0, -3.0, NAN]) == ["A", "B", "B", "C", "C", "unknown"]


def test_who_is_below_all_bands_is_named_by_else():
    bands = {"kind": "bands", "value": "points", "bands": [{"name": "A", "from": 80}], "else": "none yet"}

    assert tiers_of(bands, points=[80.0, 79.0, NAN]) == ["A", "none yet", "unknown"]


def test_at_least_k_of_the_rules():
    ladder = {"kind": "ladder", "levels": [{"name": "A", "at_least": 2, "of": ["x >= 1", "y >= 1", "z >= 1"]}], "else": "-"}

    assert tiers_of(ladder, x=[1.0, 1.0, 1.0], y=[1.0, 0.0, NAN], z=[0.0, 0.0, 0.0]) == ["A", "-", "unknown"]


def test_dual_paths_are_any():
    ladder = {"kind": "ladder", "levels": [{"name": "A", "any": ["revenue >= 100", {"all": ["people >= 3", "wins >= 2"]}]}], "else": "-"}

    assert tiers_of(ladder, revenue=[100.0, 0.0, 0.0], people=[0.0, 3.0, 3.0], wins=[0.0, 2.0, 1.0]) == ["A", "A", "-"]


def test_cumulative_levels_ask_what_the_levels_below_ask():
    levels = [{"name": "A", "all": ["x >= 2"]}, {"name": "B", "all": ["y >= 1"]}, {"name": "C", "all": []}]

    assert tiers_of({"kind": "ladder", "cumulative": True, "levels": levels}, x=[2.0, 2.0], y=[1.0, 0.0]) == ["A", "C"]
    assert tiers_of({"kind": "ladder", "levels": levels}, x=[2.0, 2.0], y=[1.0, 0.0]) == ["A", "A"]


def test_highest_proven_gives_what_is_shown_and_nobody_the_rest_by_silence():
    levels = [{"name": "A", "all": ["x >= 2"]}, {"name": "B", "all": ["y >= 1"]}]
    ladder = {"kind": "ladder", "missing": "highest_proven", "levels": levels, "else": "-"}

    assert tiers_of(ladder, x=[NAN, NAN, 0.0], y=[1.0, 0.0, 0.0]) == ["B", "unknown", "-"]


def capped(ties: str, merit: list[float]) -> list[str]:
    levels = [{"name": "A", "all": ["x >= 1"], "share": {"cap": 0.5, "rank_by": "merit", "ties": ties}}, {"name": "B", "all": []}]
    return tiers_of({"kind": "ladder", "levels": levels}, x=[1.0] * len(merit), merit=merit)


def test_a_cap_keeps_the_best_and_the_rest_fall_to_the_next_level():
    assert capped("out", [1.0, 4.0, 3.0, 2.0]) == ["B", "A", "A", "B"]


def test_ties_at_the_edge_of_a_cap_stay_out_or_come_in():
    assert capped("out", [1.0, 4.0, 3.0, 3.0]) == ["B", "A", "B", "B"]
    assert capped("in", [1.0, 4.0, 3.0, 3.0]) == ["B", "A", "A", "A"]


def test_raw_and_eligible_differ_where_a_cap_bites():
    levels = [{"name": "A", "all": ["x >= 1"], "share": {"cap": 0.5, "rank_by": "x"}}, {"name": "B", "all": []}]
    rows = pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "x": [1.0, 2.0]})
    frame = assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify={"kind": "ladder", "levels": levels})).to_frame()

    assert frame[["raw", "eligible", "reason"]].to_numpy().tolist() == [["A", "B", "the tier is full"], ["A", "A", "as the rule says"]]


def recorded_panel(codes: list[list[int]]) -> Panel:
    count, width = len(codes), len(codes[0])
    rows = [{"partner": f"p{i}", "quarter": f"2026Q{j + 1}", "leads": 1} for i in range(count) for j in range(width)]
    record = RecordedTiers(
        tiers=("Gold", "Silver"), codes=np.array(codes, dtype=np.int8), left_truncated=np.array([True] + [False] * (count - 1)),
        right_censored=np.ones(count, bool), intervals=pd.DataFrame(),
    )  # fmt: skip
    import dataclasses

    return dataclasses.replace(Panel.from_frame(pd.DataFrame(rows)), recorded=record)


def test_recorded_tiers_enter_by_the_same_verb():
    history = assign_tiers(recorded_panel([[1, 1, 0], [-1, 0, -1]]), TierScheme.load("recorded"))

    assert history.names().tolist() == [["Silver", "Silver", "Gold"], ["not yet joined", "Gold", "lapsed"]]
    assert (history.tiers, history.rank) == (("Gold", "Silver"), (2, 1))
    assert history.attributes["left_truncated"].tolist() == [True, False]


def test_a_member_without_a_tier_can_be_unknown():
    scheme = TierScheme(scheme="demo", classify={"kind": "recorded", "without_tier": "unknown"})

    assert assign_tiers(recorded_panel([[-1, 0, -1]]), scheme).names().tolist() == [["unknown", "Gold", "unknown"]]


def test_the_scheme_may_order_recorded_tiers_itself():
    scheme = TierScheme(scheme="demo", classify={"kind": "recorded", "order": ["Silver"], "unordered": ["Gold"]})
    history = assign_tiers(recorded_panel([[1, 0, 1]]), scheme)

    assert (history.tiers, history.rank, history.names().tolist()) == (("Silver", "Gold"), (1, None), [["Silver", "Gold", "Silver"]])


def test_a_recorded_tier_that_the_order_lacks_is_refused():
    with pytest.raises(SpecError, match="also has tier 'Gold'"):
        assign_tiers(recorded_panel([[0]]), TierScheme(scheme="demo", classify={"kind": "recorded", "order": ["Silver"]}))


def test_recorded_tiers_need_a_record():
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": ["2026Q1"], "leads": [1]}))

    with pytest.raises(MissingTableError, match="no tier_history"):
        assign_tiers(panel, TierScheme.load("recorded"))


def test_the_cadence_of_scheme_and_panel_must_agree():
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": ["2026-01"], "points": [1.0]}))

    with pytest.raises(SpecError, match="works by quarter, the panel by month"):
        assign_tiers(panel, TierScheme(scheme="demo", classify={"kind": "bands", "value": "points", "bands": [{"name": "A"}]}))
