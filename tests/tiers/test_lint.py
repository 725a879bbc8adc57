"""Lint: what a careful reader would object to, said before the scheme decides about anybody."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from partnerlab.tiers import TierScheme, lint_scheme


def found(rule: str, on: date | None = None, **spec) -> list[str]:
    table = lint_scheme(TierScheme(scheme="demo", **spec), on=on)
    return table.loc[table["rule"] == rule, "finding"].tolist()


def ladder(*levels: dict, **more) -> dict:
    return {"kind": "ladder", "levels": list(levels), "else": "none"} | more


def test_every_tier_needs_words():
    says = found("glossary", classify=ladder({"name": "A", "when": "x >= 1"}), glossary={"none": "nobody", "x": "crosses", "y": "unused"})

    assert says == ["A is not explained; add it to the glossary", "y is explained but not used"]


def test_weights_that_do_not_add_up_are_named():
    parts = [{"metric": "x", "shape": {"ratio": 1}, "weight": 0.5}, {"metric": "y", "shape": {"ratio": 1}, "weight": 0.4}]
    classify = {"kind": "bands", "value": "s", "bands": [{"name": "A"}]}

    assert found("weights", scores={"s": {"parts": parts}}, classify=classify) == [
        "the weights add up to 0.9, not 1; shares are taken of that sum"
    ]


def test_weights_are_added_exactly():
    parts = [{"metric": name, "shape": {"ratio": 1}, "weight": weight} for name, weight in (("x", 0.1), ("y", 0.2), ("z", 0.7))]

    assert found("weights", scores={"s": {"parts": parts}}, classify={"kind": "bands", "value": "s", "bands": [{"name": "A"}]}) == []


def test_maxima_that_miss_the_stated_total_are_named():
    score = {"combine": "sum", "max": 100, "parts": [{"metric": "x", "shape": {"per": 1, "max": 60}}]}

    assert found("maxima", scores={"s": score}, classify={"kind": "bands", "value": "s", "bands": [{"name": "A"}]}) == [
        "the parts can give 60 points, the score says 100"
    ]


@pytest.mark.parametrize(
    ("rule", "levels", "says"),
    [
        ("unreachable", [{"name": "A", "all": ["x >= 5", "x < 3"]}], "no answers at all can reach A; its rules ask for what cannot be, or contradict one another"),  # noqa: E501
        ("unreachable", [{"name": "A", "when": "x >= 1"}, {"name": "B", "when": "x >= 2"}], "whoever meets B already meets a higher level"),
        ("always true", [{"name": "A", "any": ["x >= 5", "x < 5"]}, {"name": "B", "when": "x >= 2"}], "A takes everybody, so no level below it can be reached"),  # noqa: E501
        ("gaps", [{"name": "A", "when": "x >= 5"}], "50 % of the 2 answer combinations meet none of A: none"),
        ("dominance", [{"name": "A", "when": "x >= 5"}, {"name": "B", "when": "y >= 2"}], "A asks less than B in something: some answers meet A but not B (use inherits or cumulative)"),  # noqa: E501
    ],
)  # fmt: skip
def test_levels_are_tried_on_every_combination_of_answers(rule, levels, says):
    assert found(rule, classify=ladder(*levels)) == [says]


def test_a_cumulative_ladder_has_no_quarrel_with_dominance():
    levels = [{"name": "A", "when": "x >= 5"}, {"name": "B", "when": "y >= 2"}]

    assert found("dominance", classify=ladder(*levels, cumulative=True)) == []


def test_spare_parameters_and_expired_standards_are_named():
    standard = {"where": {"region": "south"}, "set": {"many": 5}, "approved_by": "team", "reason": "young", "until": "2026-06-30"}
    spec = {"classify": ladder({"name": "A", "when": "x >= 1"}), "params": {"many": 10}, "overrides": [standard]}

    assert found("parameters", **spec) == ["parameter many is never used"]
    assert found("override", on=date(2026, 9, 30), **spec) == ["the standard approved by team ended on 2026-06-30"]
    ended = spec["overrides"][0] | {"until": "2020-06-30"}
    assert found("override", **(spec | {"overrides": [ended]})) == ["the standard approved by team ended on 2020-06-30"]


@pytest.mark.parametrize("name", ["quadrant", "rating", "recorded"])
def test_shipped_schemes_have_no_errors(name):
    assert "error" not in lint_scheme(TierScheme.load(name))["grade"].tolist()


def test_a_rubric_with_many_questions_is_sampled_and_still_linted():
    levels = [{"name": "A", "all": [f"q{index} == true" for index in range(20)]}, {"name": "B", "when": "q0 == true"}]
    table = lint_scheme(TierScheme(scheme="demo", classify=ladder(*levels)))

    assert isinstance(table, pd.DataFrame)
    assert len(table.query("rule == 'gaps'")) == 1


def test_a_share_that_is_capped_as_if_it_were_points_is_named():
    part = {"metric": "x", "shape": {"ratio": 2000}, "max": 50}
    classify = {"kind": "bands", "value": "s", "bands": [{"name": "A"}]}

    assert found("maxima", scores={"s": {"combine": "sum", "parts": [part]}}, classify=classify) == [
        "ratio gives 1 at most, so max 50 never binds; for 50 points in full at 2000 write shape: {per: 50/2000, max: 50}"
    ]


def test_a_part_that_a_goal_forgets_is_named():
    parts = [{"metric": name, "shape": {"ratio": 10}} for name in ("x", "y")]
    for weights, says in (
        ({"x": 1}, ["goal brand gives no weight to y, so it counts nothing there; write 0 if that is meant"]),
        ({"x": 1, "y": 0}, []),
    ):
        scores = {"s": {"parts": parts, "weights_by_goal": {"brand": weights}}}
        classify = ladder({"name": "A", "all": ["s >= 50"]})
        assert found("weights", goal="brand", scores=scores, classify=classify) == says


def test_goals_that_add_up_to_more_than_everybody_are_told():
    levels = [{"name": name, "all": [f"x >= {line}"], "share": {"goal": goal}} for name, line, goal in (("A", 3, 0.7), ("B", 1, 0.6))]

    assert found("goals", classify=ladder(*levels)) == ["the goals of A, B add up to 130% of the partners; nobody is in two tiers"]
    assert found("goals", classify=ladder(levels[0])) == []


def test_an_else_that_nobody_can_reach_is_told():
    everybody = ladder({"name": "A", "when": "x >= 1"}, {"name": "B", "all": []})

    assert found("unreachable", classify=everybody) == ["nobody can be none: whatever the answers, a level takes them"]
    assert found("unreachable", classify=ladder({"name": "A", "when": "x >= 1"})) == []
