"""Laws that hold for any panel and scheme."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import partnerlab.tiers.schemes
from partnerlab.panel.panel import Panel
from partnerlab.periods import Calendar
from partnerlab.tiers import Outside, TierHistory, TierScheme, assign_tiers, lint_scheme

NAN = float("nan")
NUMBER = st.one_of(st.integers(0, 12).map(float), st.just(NAN))


@st.composite
def panels(draw, *, known: bool = False) -> Panel:
    n, t = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    number = st.integers(0, 12).map(float) if known else NUMBER
    cells = draw(st.lists(st.tuples(number, number), min_size=n * t, max_size=n * t))
    labels = Calendar().labels(np.arange(t) + Calendar().parse("2025Q3"))
    regions = draw(st.lists(st.sampled_from(["north", "south"]), min_size=n, max_size=n))
    rows = pd.DataFrame(cells, columns=["x", "y"]).assign(
        partner=np.repeat([f"p{index}" for index in range(n)], t), quarter=np.tile(labels, n), region=np.repeat(regions, t)
    )
    return Panel.from_frame(rows)


MOVEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "margin": st.sampled_from([0.1, 0.25]),
        "confirm": st.fixed_dictionaries({"up": st.integers(1, 3), "down": st.integers(1, 3)}),
        "grace": st.integers(0, 3),
        "lock": st.sampled_from([{"periods": 2}, {"until": "anniversary"}]),
        "cadence": st.sampled_from([{"down": "year"}, {"up": "half_year"}]),
        "ever_within": st.integers(1, 3),
        "hold_unknown": st.integers(0, 2),
    },
)
QUADRANT = {
    "kind": "quadrant", "x": {"value": "x", "cut": {"absolute": 6}}, "y": {"value": "y", "cut": {"absolute": 6}},
    "cells": {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "LOW"},
}  # fmt: skip
RELATIVE = QUADRANT | {"x": {"value": "x", "cut": {"quantile": 0.5}, "within": "region"}}
LADDER = {
    "kind": "ladder", "else": "none",
    "levels": [{"name": "A", "inherits": "B", "all": ["x >= 9"]}, {"name": "B", "any": ["y >= 8", "x >= 7 for 2 of 3 quarters"]}, {"name": "C", "all": ["x >= 2", "y >= 2"]}],  # noqa: E501
}  # fmt: skip
BANDS = {"kind": "bands", "value": "x", "bands": [{"name": "A", "from": 9}, {"name": "B", "from": 5}, {"name": "C"}]}
CHECKLIST = LADDER | {"levels": [LADDER["levels"][0], {"name": "B", "any": ["y >= 8", "x >= 7"]}, LADDER["levels"][2]]}
ABSOLUTE = st.sampled_from([QUADRANT, CHECKLIST, BANDS])
ANY = st.sampled_from([QUADRANT, RELATIVE, LADDER, BANDS])


law = settings(max_examples=40, deadline=None)


def assign(panel: Panel, classify: dict, movement: dict) -> TierHistory:
    if classify["kind"] == "quadrant" and movement.get("margin"):
        movement = movement | {"ever_within": 1}
    return assign_tiers(panel, TierScheme(scheme="law", classify=classify, movement=movement))


@law
@given(panels(), ANY, MOVEMENTS)
def test_assigning_all_quarters_equals_assigning_quarter_by_quarter(panel, classify, movement):
    whole = assign(panel, classify, movement)

    for column, label in enumerate(panel.labels):
        part = assign(panel.until(label), classify, movement)
        assert np.array_equal(part.published, whole.published[:, : column + 1])
        assert np.array_equal(part.reasons, whole.reasons[:, : column + 1])


@law
@given(panels(), ANY, MOVEMENTS, st.randoms(use_true_random=False))
def test_order_and_names_of_partners_do_not_matter(panel, classify, movement, random):
    names = [f"q{index:02d}" for index in range(len(panel.partners))]
    random.shuffle(names)
    renamed = panel.to_frame().assign(region=np.repeat(panel.attributes["region"].to_numpy(), panel.shape[1]))
    renamed = renamed.assign(partner=renamed["partner"].map(dict(zip(panel.partners, names, strict=True)))).drop(
        columns=["exposure", "partial"]
    )
    shuffled = assign(Panel.from_frame(renamed), classify, movement)
    rows = [shuffled.row(name) for name in names]

    assert np.array_equal(shuffled.published[rows], assign(panel, classify, movement).published)


@law
@given(panels(known=True), ABSOLUTE, MOVEMENTS, st.data())
def test_more_of_a_good_metric_never_lowers_a_tier(panel, classify, movement, data):
    extra = data.draw(st.lists(st.integers(0, 4), min_size=panel.state.size, max_size=panel.state.size))
    more = np.array(extra).reshape(panel.shape)
    better = panel.replace(totals={**panel.totals, "x": panel.totals["x"] + more}, counts=panel.counts)
    before, after = assign(panel, classify, movement), assign(better, classify, movement)
    height = np.array([*(-1 if rank is None else rank for rank in before.rank), -1, -1, -1])

    assert (height[after.raw] >= height[before.raw]).all()
    if not movement.keys() & {"lock"} and classify is not QUADRANT:
        assert (height[after.held] >= height[before.held]).all()


@law
@given(panels(), ANY, st.data())
def test_filling_in_an_unknown_never_contradicts_what_was_decided(panel, classify, data):
    fill = data.draw(st.lists(st.integers(0, 12), min_size=panel.state.size, max_size=panel.state.size))
    if classify is RELATIVE:
        return  # one more rated partner moves everybody's line
    filled = {name: np.where(panel.counts[name] == 0, np.array(fill).reshape(panel.shape), panel.totals[name]) for name in panel.totals}
    whole = panel.replace(totals=filled, counts={name: np.ones_like(counts) for name, counts in panel.counts.items()})
    before, after = assign(panel, classify, {}).raw, assign(whole, classify, {}).raw

    assert ((before == after) | (before == Outside.UNKNOWN)).all()


@law
@given(panels(), ANY, MOVEMENTS)
def test_members_have_a_tier_or_are_unknown_and_others_have_a_state(panel, classify, movement):
    history = assign(panel, classify, movement)

    assert ((history.published > Outside.NOT_YET) == panel.member).all()
    assert (history.published < len(history.tiers)).all()


@law
@given(panels(), ANY, MOVEMENTS)
def test_what_differs_from_the_rule_has_a_reason_and_nothing_else_has(panel, classify, movement):
    history = assign(panel, classify, movement)

    assert ((history.published != history.raw) == (history.reasons != 0)).all()


def shuffled(given, random):
    """Keys of every mapping at any depth in another order; lists stay as they are."""
    if isinstance(given, list):
        return [shuffled(item, random) for item in given]
    if not isinstance(given, dict):
        return given
    keys = list(given)
    random.shuffle(keys)
    return {key: shuffled(given[key], random) for key in keys}


SHIPPED = ("quadrant", "rating", "kpi", "azure_infrastructure", "recorded")
FOLDER = Path(partnerlab.tiers.schemes.__file__).parent


def made_up(scheme: TierScheme) -> Panel:
    """Give partners of two regions with numbers of all sizes, some unknown, for whatever a scheme asks."""
    random = np.random.default_rng(1)
    facts = [name for name in scheme.needs() if name not in ("region", "market")]
    values = random.choice([0.0, 1.0, 2.0, 4.0, 9.0, 30.0, 200.0, NAN], (60, len(facts)))
    label = Calendar(cadence=scheme.cadence).labels(
        np.array([Calendar(cadence=scheme.cadence).parse("2026-03" if scheme.cadence == "month" else "2026Q1")])
    )[0]
    words = {"region": ["north", "south"] * 30, "market": ["emerging", "mature", "mature"] * 20}
    rows = pd.DataFrame(values, columns=facts).assign(partner=[f"p{index}" for index in range(60)], quarter=label, **words)
    return Panel.from_frame(rows)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("seed", range(2))
def test_order_of_keys_at_any_depth_of_a_shipped_file_does_not_matter(name, seed, tmp_path):
    path = tmp_path / f"{name}.yaml"
    shutil.copytree(FOLDER / "indicators", tmp_path / "indicators")
    text = shuffled(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")), Random(seed))
    path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    shipped, other = TierScheme.load(name), TierScheme.load(path)

    assert sorted(lint_scheme(other).to_numpy().tolist()) == sorted(lint_scheme(shipped).to_numpy().tolist())
    assert other.model_dump(exclude={"indicators"}) == shipped.model_dump(exclude={"indicators"})
    if shipped.kind != "recorded":
        panel = made_up(shipped)
        assert np.array_equal(assign_tiers(panel, other).published, assign_tiers(panel, shipped).published)


@law
@given(panels(), ANY, st.randoms(use_true_random=False))
def test_order_of_keys_of_a_rule_does_not_matter(panel, classify, random):
    assert np.array_equal(assign(panel, classify, {}).raw, assign(panel, shuffled(classify, random), {}).raw)


@law
@given(panels(known=True), st.permutations([["x >= 9"], ["y >= 8", "x >= 2"], ["x >= 5 for 2 of 3 quarters"]]))
def test_no_level_of_a_cumulative_ladder_asks_less_than_the_one_below(panel, rules):
    levels = [{"name": name, "all": asked} for name, asked in zip("ABC", rules, strict=True)]
    ladder = {"kind": "ladder", "else": "none", "levels": levels}
    cumulative = assign(panel, ladder | {"cumulative": True}, {})
    alone = [assign(panel, ladder | {"levels": [level]}, {}).raw for level in levels]

    for code in range(3):
        for lower in alone[code:]:
            assert (lower[cumulative.raw == code] == 0).all()
    assert "dominance" not in lint_scheme(cumulative.scheme)["rule"].tolist()


@pytest.mark.parametrize("scheme", ["quadrant", "rating"])
def test_shipped_schemes_survive_a_panel_where_nothing_is_known(scheme):
    loaded = TierScheme.load(scheme)
    facts = {name: [NAN, NAN] for name in loaded.needs() if name != "region"}
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "region": "north", **facts}))

    assert (assign_tiers(panel, loaded).raw == Outside.UNKNOWN).all()
