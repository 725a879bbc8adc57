"""Explanations: what is missing, what is near, and that acting on them works."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError, ParameterError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers, explain_tier

NAN = float("nan")
LEVELS = [
    {"name": "A", "inherits": "B", "all": ["x >= 9", "region == 'north'"]},
    {"name": "B", "any": ["y >= 8", {"all": ["x > $some", "z <= 3"]}]},
    {"name": "C", "all": ["x >= 2"]},
]
LADDER = {"kind": "ladder", "levels": LEVELS, "else": "none"}


def history_of(classify: dict = LADDER, movement: dict | None = None, params: dict | None = None, **facts: float) -> TierHistory:
    rows = pd.DataFrame([{"partner": "p", "quarter": "2026Q1", "region": "north", **facts}])
    scheme = TierScheme(
        scheme="demo", classify=classify, movement=movement or {}, params={"some": 4} | (params or {}), glossary={"x": "crosses"}
    )
    return assign_tiers(Panel.from_frame(rows), scheme)


def explain(history: TierHistory):
    return explain_tier(history, partner="p", quarter="2026Q1")


def test_each_tier_above_lists_what_is_missing():
    explanation = explain(history_of(x=3.0, y=0.0, z=1.0))

    assert explanation.tier == "C"
    assert explanation.missing("B")[["fact", "value", "line", "gap"]].to_numpy().tolist() == [["x", 3.0, 4.0, 1.0]]
    assert explanation.missing("A")[["fact", "line"]].to_numpy().tolist() == [["x", 9.0], ["x", 4.0]]


def test_under_any_the_shortest_branch_is_needed():
    table = explain(history_of(x=2.0, y=7.0, z=9.0)).table.query("tier == 'B'")

    assert dict(zip(table["condition"], table["needed"], strict=True)) == {"y >= 8": True, "x > $some": False, "z <= 3": False}


def test_what_is_unknown_is_asked_for_and_not_failed():
    explanation = explain(history_of(x=5.0, y=0.0, z=NAN))

    assert explanation.table.query("tier == 'B' and fact == 'z'")["status"].item() == "tell us"
    assert "tell us z" in explanation.summary()


def test_what_is_held_lists_what_could_lose_it_nearest_first():
    explanation = explain(history_of(x=9.5, y=20.0, z=9.0))

    assert explanation.tier == "A"
    assert explanation.at_risk()["fact"].tolist()[0] == "x"


def test_a_margin_raises_the_value_that_moves():
    assert explain(history_of(x=3.0, y=0.0, z=1.0, movement={"margin": 0.5})).missing("B")["to_move"].tolist() == [6.0]


def test_the_meaning_comes_from_the_glossary():
    assert "crosses" in explain(history_of(x=3.0, y=0.0, z=1.0)).table["meaning"].tolist()


def test_sustained_rules_count_the_quarters():
    classify = {"kind": "ladder", "levels": [{"name": "A", "when": "x >= 2 for 3 of 4 quarters"}], "else": "none"}
    rows = pd.DataFrame({"partner": "p", "quarter": ["2025Q3", "2025Q4", "2026Q1"], "x": [2.0, 0.0, 2.0]})
    history = assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=classify))

    assert explain(history).table[["value", "line"]].to_numpy().tolist() == [[2.0, 3.0]]


CELLS = {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "LOW"}
QUADRANT = {"kind": "quadrant", "x": {"value": "x", "cut": {"absolute": 6}}, "y": {"value": "y", "cut": {"quantile": 0.5}}, "cells": CELLS}


def test_a_quadrant_is_explained_by_its_axes_and_says_which_line_moves():
    explanation = explain(history_of(QUADRANT, x=3.0, y=5.0))

    assert explanation.tier == "DIAMOND"
    assert explanation.table.query("tier == 'KEY'")[["fact", "status", "line_moves"]].to_numpy().tolist() == [
        ["x", "not met", False],
        ["y", "met", True],
    ]


def test_an_override_is_named():
    history = assign_tiers(
        history_of(x=3.0, y=0.0, z=1.0).scores.panel,
        TierScheme(scheme="demo", classify=LADDER, params={"some": 4}),
        overrides=pd.DataFrame(
            [{"partner_id": "p", "tier": "A", "valid_from": "2026-01-01", "valid_to": None, "approver": "a", "reason": "r"}]
        ),
    )

    assert explain(history).summary().splitlines()[:2] == ["p is A in 2026Q1 under demo@1.", "By the data alone it would be C: override."]


def test_recorded_tiers_and_strangers_cannot_be_explained():
    history = TierHistory.from_frame(pd.DataFrame({"partner": ["p"], "quarter": ["2026Q1"], "tier": ["Gold"]}))

    with pytest.raises(MissingTableError, match="no rule that could explain"):
        explain(history)
    with pytest.raises(ParameterError, match="no partner is called 'q'"):
        explain_tier(history_of(x=1.0, y=0.0, z=0.0), partner="q", quarter="2026Q1")


def test_the_shipped_rating_is_explained_in_plain_words():
    scheme = TierScheme.load("rating")
    facts = dict.fromkeys(scheme.needs(), 1.0) | {"referrals_4q": 5.0, "quarters_with_min": 3.0}
    panel = Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", **facts}]))

    assert explain(assign_tiers(panel, scheme)).summary() == "p is MGP in 2026Q1 under rating@1.\nFor MVP: referrals_4q is 5, needs >= 8."


def acted_on(facts: dict[str, float], missing: pd.DataFrame) -> dict[str, float]:
    """Facts after somebody did what the explanation says."""
    done = dict(facts)
    for row in missing.to_dict("records"):
        step = {">": 0.5, "<": -0.5}.get(row["operator"], 0.0)
        wanted = row["line"] + step
        now = done[row["fact"]]
        rise = row["operator"] in (">=", ">")
        done[row["fact"]] = wanted if np.isnan(now) else max(now, wanted) if rise else min(now, wanted)
    return done


NUMBER = st.one_of(st.integers(0, 12).map(float), st.just(NAN))
ABSOLUTE = QUADRANT | {"y": {"value": "y", "cut": {"absolute": 5}, "strict": True}}


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({"x": NUMBER, "y": NUMBER, "z": NUMBER}), st.sampled_from([LADDER, ABSOLUTE]))
def test_acting_on_an_explanation_yields_the_tier_it_promised(facts, classify):
    history = history_of(classify, **facts)
    explanation = explain(history)
    heights = dict(zip(history.tiers, history.rank, strict=True))

    for tier in dict.fromkeys(explanation.table["tier"]):
        reached = history_of(classify, **acted_on(facts, explanation.missing(tier))).names().item()
        open_questions = (explanation.table["status"] == "tell us").any()
        assert reached == tier or (heights.get(reached) or 0) > heights[tier] or (reached == "unknown" and open_questions)


def test_what_is_needed_beyond_a_line_is_told_as_its_margin():
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": "2026Q1", "leads": [33.8218]}))
    bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 60}, {"name": "Member"}]}
    history = assign_tiers(panel, TierScheme(scheme="demo", classify=bands, movement={"margin": 0.10}))

    assert "leads is 33.8, needs >= 66 (the line 60 and the margin)" in explain_tier(history, partner="a", quarter="2026Q1").summary()


def test_with_costs_the_cheapest_branch_is_the_one_that_costs_least():
    history = history_of(x=2.0, y=7.0, z=9.0)
    dear = explain_tier(history, partner="p", quarter="2026Q1", costs={"y": 60.0, "x": 1.0, "z": 9.0}).table.query("tier == 'B'")

    # one step of y costs 60; three of x (above 4) and six of z cost 3 + 54
    assert dict(zip(dear["condition"], dear["needed"], strict=True)) == {"y >= 8": False, "x > $some": True, "z <= 3": True}


def test_each_line_says_whether_the_partner_can_change_it_and_the_summary_how_to_appeal():
    ladder = {"kind": "ladder", "levels": [{"name": "A", "all": ["x >= 9", "region == 'north'"]}, {"name": "B", "all": []}]}
    rows = pd.DataFrame([{"partner": "p", "quarter": "2026Q1", "x": 3.0, "region": "south"}])
    scheme = TierScheme(scheme="demo", classify=ladder, appeal="tell your manager within 30 days")
    explanation = explain(assign_tiers(Panel.from_frame(rows), scheme))

    assert dict(zip(explanation.table["fact"], explanation.table["changeable"], strict=True)) == {"x": "yes", "region": "no"}
    assert explanation.summary().splitlines()[-2:] == [
        "For A: x is 3, needs >= 9; region == 'north' (not yours to change).",
        "If this is wrong: tell your manager within 30 days",
    ]


def test_what_is_met_but_not_by_the_margin_still_holds_a_partner_where_it_is():
    rows = pd.DataFrame({"partner": "p", "quarter": ["2025Q4", "2026Q1"], "x": [3.0, 6.0], "y": [9.0, 9.0]})
    quadrant = QUADRANT | {"y": {"value": "y", "cut": {"absolute": 5}}}
    explanation = explain(assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=quadrant, movement={"margin": 0.1})))

    assert explanation.tier == "DIAMOND"
    assert explanation.missing("KEY")[["fact", "status", "to_move"]].to_numpy().tolist() == [["x", "within the margin", pytest.approx(6.6)]]
    assert "For KEY: x is 6, needs >= 6.6 (the line 6 and the margin)." in explanation.summary()


def test_a_ladder_asks_the_margin_of_every_line_of_a_higher_level():
    rows = pd.DataFrame({"partner": "p", "quarter": ["2025Q4", "2026Q1"], "x": [3.0, 10.0], "y": [4.0, 4.0]})
    ladder = {"kind": "ladder", "levels": [{"name": "A", "all": ["x >= 5", "y >= 4"]}, {"name": "B", "all": []}]}
    explanation = explain(assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=ladder, movement={"margin": 0.1})))

    assert explanation.tier == "B"
    assert explanation.missing("A")[["fact", "to_move"]].to_numpy().tolist() == [["y", pytest.approx(4.4)]]


def test_of_a_record_it_is_said_what_it_says_and_no_more():
    rows = pd.DataFrame({"partner": "p", "quarter": ["2025Q3", "2025Q4", "2026Q1"], "tier": ["Silver", "Gold", "Gold"]})

    with pytest.raises(
        MissingTableError, match="p is Gold in 2026Q1, since 2025Q4, Silver before: a record; the data hold no rule that could"
    ):
        explain(TierHistory.from_frame(rows))


def gated(*branches: str, parts: list[dict] | None = None, **facts: float):
    """Explain a partner of the lowest level under a score of which a part asks for a certificate first."""
    sales = {"metric": "x", "shape": {"per": 10, "max": 60}, "requires": ["y >= 1"]}
    scheme = TierScheme(
        scheme="demo",
        scores={"s": {"combine": "sum", "max": 100, "parts": [sales, *(parts or [])]}},
        classify={"kind": "ladder", "levels": [{"name": "A", "any": list(branches)}, {"name": "C", "all": []}]},
    )
    return explain(assign_tiers(Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", **facts}])), scheme))


@pytest.mark.parametrize("branches", [("s >= 40", "y >= 1"), ("y >= 1", "s >= 40")])
def test_a_branch_that_another_one_contains_is_the_shorter(branches):
    assert gated(*branches, x=1.0, y=0.0).summary().splitlines()[1] == "For A: y is 0, needs >= 1."


def test_of_ways_equally_far_plain_facts_come_before_scores():
    assert gated("s >= 40", "z >= 5", x=0.0, y=1.0, z=0.0).missing("A")["fact"].tolist() == ["z"]


def test_what_opens_a_part_is_needed_only_where_the_score_is_out_of_reach_without():
    small, large = ({"metric": "z", "shape": {"per": 10, "max": most}} for most in (20, 50))

    assert gated("s >= 40", parts=[small], x=9.0, y=0.0, z=0.0).missing("A")["fact"].tolist() == ["y", "s"]
    assert gated("s >= 40", parts=[large], x=9.0, y=0.0, z=0.0).missing("A")["fact"].tolist() == ["s"]


def test_parts_made_of_capped_parts_have_headroom():
    ways = [
        {"id": f"{kind}_{name}", "metric": name, "shape": {"per": 10, "max": most}}
        for name, most in (("x", 60), ("y", 40))
        for kind in "mt"
    ]
    parts = [{"id": "best", "max_of": ways[::2]}, {"id": "both", "sum_of": ways[1::2]}]
    scheme = TierScheme(
        scheme="demo",
        scores={"s": {"combine": "sum", "parts": parts}},
        classify={"kind": "ladder", "levels": [{"name": "A", "all": ["s >= 150"]}, {"name": "C", "all": []}]},
    )
    shown = explain(assign_tiers(Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", "x": 1.0, "y": 2.0}])), scheme)).parts

    assert shown.query("part in ('best', 'both')")[["most", "headroom"]].to_numpy().tolist() == [[60.0, 40.0], [100.0, 70.0]]


GATED_SCORE = {
    "s": {
        "combine": "sum",
        "parts": [
            {"metric": "x", "shape": {"per": 1}, "requires": ["y >= 2"]},
            {"metric": "z", "shape": {"per": 2, "max": 6}},
        ],
    }
}
ASKING = st.sampled_from(
    [
        {"all": ["s >= 8"]},
        {"any": ["s >= 10", "y >= 4"]},
        {"at_least": 2, "of": ["s >= 5", "y >= 3", "z >= 6"]},
        {"at_least": 2, "of": ["x >= 4", "y >= 3", {"any": ["z >= 6", "s >= 12"]}]},
    ]
)
WHOLE = st.integers(0, 12).map(float)


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries({"x": WHOLE, "y": WHOLE, "z": WHOLE}), ASKING)
def test_acting_on_an_explanation_works_with_scores_gates_and_some_of_many(facts, asking):
    scheme = TierScheme(
        scheme="demo", scores=GATED_SCORE, classify={"kind": "ladder", "levels": [{"name": "A", **asking}, {"name": "C", "all": []}]}
    )

    def explained(now: dict[str, float]):
        return explain(assign_tiers(Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", **now}])), scheme))

    explanation = explained(facts)
    missing = explanation.missing("A") if explanation.tier != "A" else explanation.table.iloc[:0]
    done = acted_on(facts, missing.query("fact != 's'"))
    if "s" in missing["fact"].tolist():  # points short are made up where nothing caps them, once what opens the part is done
        opened = explained(done)
        table = opened.table.query("tier == 'A' and fact == 's'")
        short = float(table["gap"].max()) if opened.tier != "A" else 0.0
        gate = opened.table.query("opens == 'x' and status == 'not met'")
        assert gate.empty or not gate["needed"].any()
        done = {**acted_on(done, gate), "x": done["x"] + max(short, 0.0)}

    assert explained(done).tier == "A"
