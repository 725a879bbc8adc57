"""Scheme against scheme, version against version, goal against goal, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from partnerlab.errors import ParameterError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierScheme, compare_schemes

QUARTERS = ["2026Q1", "2026Q2", "2026Q3"]
ROWS = pd.DataFrame(
    [(partner, quarter, x, y) for partner, xs, y in (("a", (9, 9, 9), 1), ("b", (2, 2, 8), 9), ("c", (5, 5, 5), 5), ("d", (1, 1, 1), 0))
     for quarter, x in zip(QUARTERS, xs, strict=True)],
    columns=["partner", "quarter", "x", "y"],
)  # fmt: skip
PARTS = [{"metric": "x", "shape": {"ratio": 10}}, {"metric": "y", "shape": {"ratio": 10}}]
GOALS = {"brand": {"x": 1, "y": 0}, "service": {"x": 0, "y": 1}}
LEVELS = [{"name": "Gold", "all": ["points >= 50"]}, {"name": "Member", "all": []}]
SCHEME = TierScheme(
    scheme="demo",
    goal="brand",
    scores={"points": {"parts": PARTS, "weights_by_goal": GOALS}},
    classify={"kind": "ladder", "levels": LEVELS},
)
PANEL = Panel.from_frame(ROWS)


def by_partner(compared, column: str) -> dict[str, object]:
    return dict(zip(compared.table["partner"], compared.table[column], strict=True))


def test_goal_against_goal_ranks_the_same_partners_anew():
    compared = compare_schemes(PANEL, before=SCHEME, goal="service")

    assert compared.names == ("demo@1 (brand)", "demo@1 (service)")
    assert compared.ranked_by == ("points", "points")
    assert by_partner(compared, "change") == {"a": "down", "b": "same", "c": "same", "d": "same"}
    assert by_partner(compared, "rank_before") == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert by_partner(compared, "rank_change") == {"a": -2, "b": 1, "c": 1, "d": 0}


def test_who_moved_only_because_the_rule_did_is_told_from_who_moved_by_its_data():
    compared = compare_schemes(PANEL, before=SCHEME, goal="service", quarter="2026Q3")

    # b rose to Gold in 2026Q3 by its own data; a would fall only because the weights are others
    assert by_partner(compared, "previous") == {"a": "Gold", "b": "Member", "c": "Gold", "d": "Member"}
    assert by_partner(compared, "cause") == {"a": "rule", "b": "data", "c": "none", "d": "none"}
    assert compared.only_rule()["partner"].tolist() == ["a"]
    assert "1 members would move only because the rule does, 1 because their data did, 0 for both" in compared.summary()


def test_several_past_quarters_are_compared_with_intervals():
    shares = compare_schemes(PANEL, before=SCHEME, goal="service", first="2026Q1").shares
    up = shares.query("change == 'up'").set_index("quarter")

    # until 2026Q2 b is Gold only under the other goal
    assert up["partners"].to_dict() == {"2026Q1": 1, "2026Q2": 1, "2026Q3": 0}
    assert up["n"].tolist() == [4, 4, 4]
    assert (shares["conf_low"] <= shares["estimate"]).all()
    assert shares.groupby("quarter")["estimate"].sum().tolist() == [1.0, 1.0, 1.0]


def test_schemes_without_a_score_are_ranked_by_tier():
    bands = {"kind": "bands", "value": "x", "bands": [{"name": "Gold", "from": 5}, {"name": "Member"}]}
    compared = compare_schemes(PANEL, before=TierScheme(scheme="old", classify=bands), after=SCHEME, quarter="2026Q1")

    assert compared.ranked_by == ("tier", "points")
    assert compared.names == ("old@1", "demo@1")


def test_a_scheme_against_itself_moves_nobody():
    compared = compare_schemes(PANEL, before=SCHEME, after=SCHEME)

    assert set(compared.table["change"]) == {"same"}
    assert compared.only_rule().empty
    assert (compared.table["rank_change"] == 0).all()


def test_swapping_the_schemes_swaps_winners_and_losers():
    there, back = (
        compare_schemes(PANEL, before=SCHEME, goal="service"),
        compare_schemes(PANEL, before=SCHEME.model_copy(update={"goal": "service"}), after=SCHEME),
    )

    assert there.winners()["partner"].tolist() == back.losers()["partner"].tolist()
    assert (there.table["rank_change"] == -back.table["rank_change"]).all()


def test_refusals_are_one_clear_line():
    with pytest.raises(ParameterError, match="nothing to compare with; give after=, another scheme, or goal="):
        compare_schemes(PANEL, before=SCHEME)
    with pytest.raises(ParameterError, match="has no goal 'servic'; did you mean 'service'"):
        compare_schemes(PANEL, before=SCHEME, goal="servic")
    with pytest.raises(ParameterError, match="first is 2026Q3, after 2026Q1; give an earlier quarter"):
        compare_schemes(PANEL, before=SCHEME, goal="service", quarter="2026Q1", first="2026Q3")


def test_a_partner_whom_the_new_rule_keeps_where_it_was_is_not_counted_as_moving():
    old, new = (
        TierScheme(
            scheme="line", version=version, classify={"kind": "bands", "value": "x", "bands": [{"name": "A", "from": line}, {"name": "C"}]}
        )
        for version, line in (("1", 10), ("2", 5))
    )
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "a", "b", "b"], "quarter": QUARTERS[:2] * 2, "x": [12.0, 7.0, 12.0, 1.0]}))
    compared = compare_schemes(panel, before=old, after=new)

    assert by_partner(compared, "cause") == {"a": "none", "b": "data"}
    assert "0 members would move only because the rule does, 1 because their data did, 0 for both" in compared.summary()
