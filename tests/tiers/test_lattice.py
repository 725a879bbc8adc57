"""The lattice of answers: how many combinations a rubric leaves unrated, counted by hand and by lint."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from partnerlab.errors import SpecError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierScheme, lint_scheme


def said(rule: str, scheme: TierScheme, panel: Panel | None = None) -> list[str]:
    table = lint_scheme(scheme, panel=panel)
    return table.loc[table["rule"] == rule, "finding"].tolist()


def ladder(*levels: dict, **more) -> TierScheme:
    return TierScheme(scheme="demo", classify={"kind": "ladder", "levels": list(levels), "else": "none"} | more)


def rated_by_hand() -> int:
    """Combinations of nine yes-or-no answers and how often a partner refers (never, sporadically, consistently, much) that are rated."""
    rated = 0
    for opt_in, meets, speaks, access, visible, _needs, _suggests, _brings, resources in itertools.product((0, 1), repeat=9):
        for refers in range(4):
            mgp = opt_in and meets and access and visible and refers >= 2
            stp = opt_in and speaks and refers >= 1
            bz = not (opt_in or meets or speaks or access or resources)
            rated += bool(mgp or stp or bz)  # whoever is MVP is MGP
    return rated


def test_the_rating_read_literally_leaves_77_per_cent_of_2048_combinations_unrated():
    assert 1 - rated_by_hand() / 2048 == pytest.approx(0.77, abs=0.005)
    assert said("gaps", TierScheme.load("rating")) == [
        "77 % of the 2,048 answer combinations meet none of MVP, MGP, STP, BZ: UNRATED or TARGET"
    ]


def test_lines_on_one_fact_are_one_question():
    scheme = ladder({"name": "A", "all": ["x >= 8", "y == true"]}, {"name": "B", "all": ["x >= 4", "y == true"]})

    assert said("gaps", scheme) == ["67 % of the 6 answer combinations meet none of A, B: none"]


def test_a_scale_takes_away_combinations_that_cannot_be():
    levels = [{"name": "A", "when": "often >= 3"}, {"name": "B", "when": "refers == true"}]

    assert said("gaps", ladder(*levels)) == ["25 % of the 4 answer combinations meet none of A, B: none"]
    assert said("gaps", ladder(*levels, scales={"refers": ["refers == true", "often >= 3"]})) == [
        "33 % of the 3 answer combinations meet none of A, B: none"
    ]


def test_a_level_outside_the_order_asks_about_others_and_widens_no_gap():
    prospect = {"name": "P", "ordered": False, "all": ["z == true"]}

    assert said("gaps", ladder({"name": "A", "when": "x >= 1"}, prospect)) == [
        "50 % of the 2 answer combinations meet none of A: none or P"
    ]


def test_overlaps_are_told_where_neither_level_includes_the_other():
    crossing = ladder({"name": "A", "when": "x >= 5"}, {"name": "B", "when": "y >= 2"})
    nested = ladder({"name": "A", "inherits": "B", "all": ["x >= 5"]}, {"name": "B", "when": "y >= 2"})

    assert said("overlap", crossing) == ["25 % of the 4 answer combinations meet both A and B, of which neither includes the other"]
    assert said("overlap", nested) == []


def test_a_scale_names_what_the_levels_ask():
    with pytest.raises(SpecError, match="no level asks for 'x >= 2'; did you mean 'x >= 1'"):
        ladder({"name": "A", "when": "x >= 1 or y >= 1"}, scales={"often": ["x >= 2", "y >= 1"]})
    with pytest.raises(SpecError, match="orders two conditions or more"):
        ladder({"name": "A", "when": "x >= 1"}, scales={"often": ["x >= 1"]})


def test_data_on_which_a_scale_does_not_hold_are_named():
    scheme = ladder({"name": "A", "when": "x >= 3"}, {"name": "B", "when": "y >= 1"}, scales={"often": ["y >= 1", "x >= 3"]})
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "x": [3, 0], "y": [0, 0]}))

    assert said("scale", scheme, panel) == ["1 of 2 members meet 'x >= 3' but not 'y >= 1' in 2026Q1: the scale does not hold for them"]


def levels(*asked: str, **more) -> TierScheme:
    named = [{"name": name, "all": [text]} for name, text in zip("AB", asked, strict=False)]
    return TierScheme(scheme="demo", classify={"kind": "ladder", "levels": [*named, {"name": "C", "all": []}]}, **more)


POINTS = [{"metric": name, "shape": {"per": 1, "max": most}} for name, most in (("x", 50), ("y", 20))]


@pytest.mark.parametrize(
    ("scheme", "finding"),
    [
        (
            levels("s >= 120", scores={"s": {"max": 100, "parts": [{"metric": "x", "shape": {"ratio": 10}}]}}),
            "s >= 120 can never hold: s is 100 at most",
        ),
        (levels("s >= 80", scores={"s": {"combine": "sum", "max": 100, "parts": POINTS}}), "s >= 80 can never hold: s is 70 at most"),
        (levels("win_rate >= 50"), "win_rate >= 50 can never hold: win_rate is 1 at most"),
        (levels("quarters_with_min >= 5"), "quarters_with_min >= 5 can never hold: quarters_with_min is 4 at most"),
        (levels("relevance > 100"), "relevance > 100 can never hold: relevance is 100 at most"),
    ],
)
def test_a_line_beyond_what_a_fact_can_be_makes_its_level_unreachable(scheme, finding):
    assert said("line", scheme) == [finding]
    assert said("unreachable", scheme) == ["no answers at all can reach A; its rules ask for what cannot be, or contradict one another"]


def test_a_line_that_everybody_meets_takes_everybody():
    scheme = levels("leads >= 0")

    assert said("line", scheme) == ["leads >= 0 holds for everybody: leads is 0 at least"]
    assert said("always true", scheme) == ["A takes everybody, so no level below it can be reached"]


def standard(**change) -> dict:
    return {"params": {"g": 30, "s": 20}, "overrides": [{"where": {"region": "north"}, "approved_by": "a", "reason": "b", **change}]}


def test_a_regional_standard_that_turns_the_lines_round_is_told():
    bands = {"kind": "bands", "value": "x", "bands": [{"name": "G", "from": "$g"}, {"name": "S", "from": "$s"}, {"name": "M"}]}
    turned = TierScheme(scheme="demo", classify=bands, **standard(set={"g": 5}))

    assert said("unreachable", turned) == ["region north: whoever meets S already meets a higher level"]
    assert said("dominance", levels("x >= $g", "x >= $s", **standard(set={"g": 5}))) == [
        "region north: A asks less than B in something: some answers meet A but not B (use inherits or cumulative)"
    ]
    assert said("unreachable", levels("x >= $g", "x >= $s", **standard(set={"g": 25}))) == []


def test_a_regional_standard_that_leaves_nothing_of_a_line_is_told():
    assert "region north: g is 0 there, 30 elsewhere: having nothing is enough" in said(
        "line", levels("x >= $g", **standard(scale={"g": 0}))
    )


@pytest.mark.parametrize("name", ["quadrant", "rating", "kpi", "azure_infrastructure"])
def test_every_line_of_a_shipped_scheme_can_be_met_and_missed(name):
    assert said("line", TierScheme.load(name)) == []
    assert said("unreachable", TierScheme.load(name)) == []
