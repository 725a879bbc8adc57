# ruff: noqa: E501 - a table of blocks reads best with one block a line
"""Every block of the format, alone and in pairs: it loads, lints, assigns and explains, or is refused in one line."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from partnerlab.errors import SpecError
from partnerlab.panel.panel import Panel
from partnerlab.periods import Calendar
from partnerlab.tiers import TierScheme, assign_labels, assign_tiers, compare_schemes, estimate_coverage, explain_tier, lint_scheme

LEVELS = [
    {"name": "A", "inherits": "B", "all": ["points >= 60", "y >= 3"]},
    {"name": "B", "all": ["points >= 30"]},
    {"name": "C", "all": []},
]
SCORE = {
    "max": 100,
    "parts": [{"metric": "x", "shape": {"ratio": "$full"}, "weight": 0.5}, {"metric": "y", "shape": {"ratio": 6}, "weight": 0.5}],
}
BASE = {"scheme": "demo", "params": {"full": 10}, "scores": {"points": SCORE}, "classify": {"kind": "ladder", "levels": LEVELS}}


def levels(**change) -> dict:
    return {"classify": {"kind": "ladder", "levels": [LEVELS[0] | change, *LEVELS[1:]]}}


def points(**change) -> dict:
    return {"scores": {"points": SCORE | change}}


def parts(*more: dict, **change) -> dict:
    return points(combine="sum", parts=list(more), **change)


AXIS = {"value": "x", "cut": {"absolute": 5}}
CELLS = {"high_high": "K", "low_high": "U", "high_low": "G", "low_low": "D"}
QUADRANT = {"kind": "quadrant", "x": AXIS, "y": {"value": "points", "cut": {"absolute": 50}}, "cells": CELLS}

#: One block of the format each.
BLOCKS = {
    "quadrant": {"classify": QUADRANT},
    "quantile": {"classify": QUADRANT | {"x": {"value": "x", "cut": {"quantile": 0.5, "min": 2}}}},
    "within": {"classify": QUADRANT | {"x": {"value": "x", "cut": {"quantile": 0.5}, "within": "region"}}},
    "anchors": {"classify": QUADRANT | {"x": AXIS | {"anchors": {"high": ["p00", "nobody"], "low": ["p01"]}}}},
    "gate": {"classify": QUADRANT | {"gate": "y > 0", "outside": "IDLE"}},
    "bands": {"classify": {"kind": "bands", "value": "points", "bands": [{"name": "A", "from": 60}, {"name": "B", "from": 20}, {"name": "C"}]}},
    "any": levels(any=["x >= 8", {"all": ["y >= 4", "x >= 2"]}]),
    "at_least": levels(at_least=2, of=["x >= 3", "y >= 3", "region == 'north'"]),
    "not": levels(when={"not": {"any": ["x < 2", "y < 1"]}}),
    "sustained": levels(when="x >= 4 for 2 of 3 quarters"),
    "words": levels(when="region in ['north', 'south']"),
    "sets": levels(when="motion has any of {resell, refer} and motion has none of {void}"),
    "cap": levels(share={"cap": 0.25, "rank_by": "points"}),
    "goal": levels(share={"goal": 0.2}),
    "cumulative": {"classify": {"kind": "ladder", "cumulative": True, "levels": [{k: v for k, v in LEVELS[0].items() if k != "inherits"}, *LEVELS[1:]]}},
    "proven": {"classify": {"kind": "ladder", "missing": "highest_proven", "levels": LEVELS}},
    "else": {"classify": {"kind": "ladder", "levels": LEVELS[:2], "else": "NONE"}},
    "gated part": parts({"metric": "x", "shape": {"per": 8, "max": 80}, "requires": ["y >= 2"]}, max=80),
    "max_of": parts({"id": "best", "max_of": [{"id": "best_x", "metric": "x", "shape": {"per": 8}}, {"id": "best_y", "metric": "y", "shape": {"per": 20}}]}),
    "sum_of": parts({"id": "both", "max": 90, "sum_of": [{"id": "both_x", "metric": "x", "shape": {"per": 8}}, {"id": "both_y", "metric": "y", "shape": {"per": 9}}]}),
    "product": parts({"id": "grid", "product_of": [{"id": "grid_x", "metric": "x", "shape": {"bands": [[0, 1], [5, 2]]}}, {"id": "grid_y", "metric": "y", "shape": {"per": 9}}]}),
    "percentile": points(parts=[{"metric": "x", "shape": {"percentile": "region"}}]),
    "renormalise": points(unknown="renormalise"),
    "zero": points(unknown="zero"),
    "goals": points(weights_by_goal={"brand": {"x": 0.8, "y": 0.2}, "scale": {"x": 0.2, "y": 0.8}}) | {"goal": "brand"},
    "region": {"overrides": [{"where": {"region": "south"}, "scale": {"full": 0.5}, "approved_by": "team", "reason": "young", "until": "2026-07-01"}]},
    "margin": {"movement": {"margin": 0.1}},
    "confirm": {"movement": {"confirm": {"up": 2, "down": 3}}},
    "cadence": {"movement": {"cadence": {"up": "quarter", "down": "year"}}},
    "grace": {"movement": {"grace": 2}},
    "step": {"movement": {"max_step_down": 1}},
    "lock": {"movement": {"lock": {"until": "anniversary"}}},
    "ever": {"movement": {"ever_within": 3}},
    "keep": {"movement": {"hold_unknown": 2}},
    "labels": {"labels": {"wide": {"when": "x >= 5 and y >= 2"}}},
    "shares": {"labels": {"kind": {"shares": {"more": "x", "less": "y"}, "share_at_least": "$share", "min_n": 2}}, "params": {"full": 10, "share": 0.3}},
    "scale": {"classify": {"kind": "ladder", "levels": LEVELS, "scales": {"size": ["points >= 30", "points >= 60"]}}},
    "playbook": {"playbook": {"*": [{"tactic": "talk", "per_quarter": 1, "delivered_by": "y"}, {"autopilot_after": {"tactic_rounds": 2, "measured_by": "x"}}]}},
}  # fmt: skip


NOTHING = object()


def both(base, first, second, key: str = ""):
    """What two blocks make of one base: the changes of each, in depth; two rules must both hold, and of two words the later one wins."""
    if first in (base, second):
        return second
    if second == base:
        return first
    if key == "when" and first is not NOTHING and second is not NOTHING:
        return {"all": [first, second]}
    if isinstance(first, dict) and isinstance(second, dict):
        quadrants = first.get("kind") == second.get("kind") == "quadrant"
        known = QUADRANT if quadrants else base if isinstance(base, dict) else {}
        steps = {step: both(*(side.get(step, NOTHING) for side in (known, first, second)), step) for step in (*first, *second)}
        return {step: value for step, value in steps.items() if value is not NOTHING}
    if isinstance(first, list) and isinstance(second, list):
        return both_lists(base if isinstance(base, list) else [], first, second)
    return first if second is NOTHING else second


def both_lists(base: list, first: list, second: list) -> list:
    """Levels and parts are joined by their names, in the order of the base; new ones follow."""
    named = [{str(item.get("id", item.get("name", item.get("metric", item)))) if isinstance(item, dict) else str(item): item for item in side} for side in (base, first, second)]  # fmt: skip
    joined = [both(*(side.get(name, NOTHING) for side in named)) for name in dict.fromkeys(name for side in named for name in side)]
    return [item for item in joined if item is not NOTHING]


def merged(*blocks: dict) -> dict:
    """One scheme from several blocks, joined in depth."""
    spec = dict(BASE)
    for block in blocks:
        spec |= {key: both(BASE.get(key, {}), spec.get(key, {}), value) for key, value in block.items()}
    return for_every_tier(spec)


def for_every_tier(spec: dict) -> dict:
    """A playbook of "*" is that of every tier, whatever they are called."""
    if "*" not in spec.get("playbook", {}):
        return spec
    rule = spec["classify"]
    tiers = [*rule.get("cells", {}).values(), *(level["name"] for level in rule.get("levels", rule.get("bands", [])))]
    return spec | {"playbook": dict.fromkeys(tiers, spec["playbook"]["*"])}


def panel() -> Panel:
    random = np.random.default_rng(3)
    labels = Calendar().labels(np.arange(6) + Calendar().parse("2025Q3"))
    rows = [
        {"partner": f"p{index:02d}", "quarter": label, "x": float(random.poisson(5)), "y": float(random.poisson(2)) if random.random() > 0.1 else np.nan,
         "region": ["north", "south"][index % 2], "motion": ["resell; refer", "serve", "void | refer"][index % 3]}
        for index in range(12) for label in labels
    ]  # fmt: skip
    return Panel.from_frame(pd.DataFrame(rows))


PANEL = panel()
PAIRS = [(name,) for name in BLOCKS] + list(itertools.combinations(BLOCKS, 2))


#: Why two blocks do not go together, each in one line that says what to do.
CONTRADICTIONS = (
    r"unknown key '\w+'",  # two ways of classifying
    r"give one of the two",  # an axis cut twice
    r"a share is either",
    r"one shape is needed",
    r"names part '\w+', which is not a part",
    r"to renormalise a sum every part needs a max",
    r"movement.max_step needs tiers of different rank",
    r"movement.margin on a quadrant",
    r"on a quadrant movement.margin and movement.ever_within",
)


def scheme_of(names: tuple[str, ...]) -> TierScheme | str:
    """Scheme of the blocks joined, or the line that refuses it."""
    try:
        return TierScheme(**merged(*(BLOCKS[name] for name in names)))
    except SpecError as refusal:
        return str(refusal)


@pytest.mark.parametrize("names", PAIRS, ids=" + ".join)
def test_blocks_load_lint_assign_and_explain_or_are_refused_in_one_line(names):
    scheme = scheme_of(names)
    if isinstance(scheme, str):
        assert len(names) == 2
        assert "\n" not in scheme
        assert any(re.search(reason, scheme) for reason in CONTRADICTIONS), scheme
        return
    lint_scheme(scheme, panel=PANEL)
    history = assign_tiers(PANEL, scheme)
    assign_labels(history, quarter="2026Q4")
    if scheme.playbook:
        assert estimate_coverage(history).partners["tactic"].eq("talk").all()
    explain_tier(history, partner=str(PANEL.partners[0]), quarter="2026Q4").summary()

    assert (history.published >= -1).all()
    assert (history.published >= 0).any()


def test_every_pair_holds_what_both_of_its_blocks_say():
    alike = [names for names in PAIRS if len(names) == 2 and merged(*(BLOCKS[name] for name in names)) in (merged(BLOCKS[names[0]]), merged(BLOCKS[names[1]]))]  # fmt: skip

    more_of_one = [("quadrant", other) for other in ("quantile", "within", "anchors", "gate")]
    assert alike == [*more_of_one, ("renormalise", "zero")]  # two words for one key


def test_most_pairs_go_together():
    accepted = [names for names in PAIRS if isinstance(scheme_of(names), TierScheme)]

    assert len(accepted) == 656
    assert {(name,) for name in BLOCKS} <= set(accepted)


def test_schemes_are_compared_on_the_same_data():
    old = TierScheme.model_validate(merged())
    new = TierScheme.model_validate(merged(BLOCKS["goals"]) | {"version": "2"})
    comparison = compare_schemes(PANEL, before=old, after=new, quarter="2026Q4")

    assert len(comparison.table) == 12
    assert len(comparison.winners()) + len(comparison.losers()) == (comparison.table["change"].isin(["up", "down"])).sum()
    assert comparison.summary().startswith("demo@1 -> demo@2 in 2026Q4: of 12 members")


def test_a_scheme_compared_with_itself_changes_nobody():
    scheme = TierScheme.model_validate(merged())

    assert set(compare_schemes(PANEL, before=scheme, after=scheme, quarter="2026Q4").table["change"]) <= {"same", "unknown"}


def units_panel() -> Panel:
    """The same partners in two regions each."""
    random = np.random.default_rng(5)
    labels = Calendar().labels(np.arange(6) + Calendar().parse("2025Q3"))
    rows = [
        {"partner": f"p{index:02d}", "quarter": label, "region": region, "x": float(random.poisson(5)), "y": float(random.poisson(2)),
         "motion": ["resell; refer", "serve", "void | refer"][index % 3]}
        for index in range(12) for label in labels for region in ("north", "south")
    ]  # fmt: skip
    return Panel.from_frame(pd.DataFrame(rows), unit="region")


UNITS = units_panel()
OVER = {"unit": "region", "count_at_least": {"tier": "WORLD", "level": "B", "units": 2}}


ALONE = ("quadrant", "quantile", "within", "anchors", "gate", "percentile")


@pytest.mark.parametrize("name", [name for name in BLOCKS if name not in ALONE])
def test_every_block_goes_over_units(name):
    scheme = TierScheme.model_validate(merged(BLOCKS[name]) | {"over": OVER})
    lint_scheme(scheme, panel=UNITS)
    history = assign_tiers(UNITS, scheme)
    assign_labels(history, quarter="2026Q4")
    explain_tier(history, partner="p00", quarter="2026Q4").summary()

    assert "WORLD" in scheme.tiers
    assert (history.published >= 0).any()


@pytest.mark.parametrize("name", ALONE)
def test_what_has_no_meaning_over_units_is_refused_in_one_line(name):
    with pytest.raises(ValidationError) as refusal:
        TierScheme.model_validate(merged(BLOCKS[name]) | {"over": OVER})

    assert all("over" in found["msg"] and "\n" not in found["msg"] for found in refusal.value.errors())
