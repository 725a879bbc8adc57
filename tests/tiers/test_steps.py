# ruff: noqa: E501 - one part of a score a line
"""The cheapest way up: right, and never dearer than trying everything."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ParameterError, SampleError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers, plan_steps

SCORE = {
    "combine": "sum",
    "max": 30,
    "parts": [
        {"id": "leads_part", "metric": "leads", "shape": {"per": 2, "max": 10}},
        {"id": "people_part", "metric": "people", "shape": {"bands": [[0, 0], [1, 4], [3, 12]]}, "requires": ["leads >= 2"]},
        {"id": "best", "max_of": [{"id": "wins_path", "metric": "wins", "shape": {"per": 3, "max": 9}}, {"id": "refs_path", "metric": "refs", "shape": {"per": 4}}]},
    ],
}  # fmt: skip
LEVELS = [
    {"name": "A", "all": ["points >= 20"], "at_least": 1, "of": ["wins >= 2", "people >= 3"]},
    {"name": "B", "all": ["points >= 8", "refs <= 5"]},
    {"name": "C", "all": []},
]
SCHEME = TierScheme(scheme="demo", scores={"points": SCORE}, classify={"kind": "ladder", "levels": LEVELS})


def history_of(scheme: TierScheme = SCHEME, **facts: float) -> TierHistory:
    return assign_tiers(Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", **facts}])), scheme)


def plan(history: TierHistory, tier: str, **costs: float) -> pd.DataFrame:
    return plan_steps(history, partner="p", quarter="2026Q1", tier=tier, costs=costs, limit=6)


def test_nothing_is_planned_where_the_rules_are_met():
    assert plan(history_of(leads=5.0, people=3.0, wins=0.0, refs=2.0), "A", leads=1).empty


def test_the_cheaper_of_two_ways_is_taken_and_turns_with_the_costs():
    history = history_of(leads=5.0, people=2.0, wins=0.0, refs=2.0)

    assert plan(history, "A", people=2, wins=3)["fact"].tolist() == ["people"]
    assert plan(history, "A", people=9, wins=2)["fact"].tolist() == ["wins"]


def test_what_cannot_be_bought_is_said():
    with pytest.raises(SampleError, match="no mix of up to 6 steps of leads reaches A"):
        plan(history_of(leads=0.0, people=0.0, wins=0.0, refs=0.0), "A", leads=1)


def test_unknown_facts_and_words_are_refused():
    with pytest.raises(SampleError, match="tell us first"):
        plan(history_of(leads=float("nan"), people=0.0, wins=0.0, refs=0.0), "A", leads=1)
    with pytest.raises(ParameterError, match="did you mean 'leads'"):
        plan(history_of(leads=0.0, people=0.0, wins=0.0, refs=0.0), "A", leds=1)
    with pytest.raises(ParameterError, match="no tier is called 'Z'"):
        plan(history_of(leads=0.0, people=0.0, wins=0.0, refs=0.0), "Z", leads=1)


def test_a_quadrant_is_reached_along_both_axes():
    cells = {"high_high": "K", "low_high": "U", "high_low": "G", "low_low": "D"}
    classify = {
        "kind": "quadrant",
        "x": {"value": "leads", "cut": {"absolute": 4}},
        "y": {"value": "points", "cut": {"absolute": 12}},
        "cells": cells,
    }
    history = history_of(TierScheme(scheme="demo", scores={"points": SCORE}, classify=classify), leads=1.0, people=0.0, wins=0.0, refs=0.0)

    # three leads reach the line of 4 and give 8 points; one reference gives the 4 that are missing
    assert plan(history, "K", leads=1, refs=1, wins=1)[["fact", "steps"]].to_numpy().tolist() == [["leads", 3], ["refs", 1]]


FACTS = ("leads", "people", "wins", "refs")
SMALL = st.integers(0, 4).map(float)


@settings(max_examples=25, deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys(FACTS, SMALL)),
    st.fixed_dictionaries({"leads": st.integers(1, 5), "people": st.integers(1, 5), "wins": st.integers(1, 5)}),
    st.sampled_from("AB"),
)
def test_the_plan_is_as_cheap_as_the_best_of_all_mixes(facts, costs, tier):
    mixes = [dict(zip(costs, steps, strict=True)) for steps in itertools.product(range(7), repeat=3)]
    rows = pd.DataFrame(
        [
            {"partner": f"m{index:03d}", "quarter": "2026Q1", **facts} | {fact: facts[fact] + steps for fact, steps in mix.items()}
            for index, mix in enumerate(mixes)
        ]
    )
    tried = assign_tiers(Panel.from_frame(rows), SCHEME).raw[:, 0]
    enough = tried <= SCHEME.tiers.index(tier)
    if tier == "B":  # whoever reaches A may still fail B's own rule on references
        enough &= (rows["refs"] <= 5).to_numpy()
    prices = [sum(costs[fact] * steps for fact, steps in mix.items()) for mix, good in zip(mixes, enough, strict=True) if good]
    if not prices:
        with pytest.raises(SampleError):
            plan(history_of(**facts), tier, **costs)
        return

    assert plan(history_of(**facts), tier, **costs)["cost"].sum() == pytest.approx(min(prices))
