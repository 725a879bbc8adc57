# ruff: noqa: E501, PT017 - a table of mistakes reads best with one mistake a line
"""Scheme files: what stands in them, and that every mistake is one line naming file, line, key and remedy."""

from __future__ import annotations

import copy
import dataclasses
import re
from importlib import resources
from random import Random

import pandas as pd
import pytest

from partnerlab.errors import PartnerlabError, SpecError
from partnerlab.panel.panel import Panel
from partnerlab.specs import read_spec_file
from partnerlab.tiers import TierScheme, assign_tiers, lint_scheme

SHIPPED = {name: resources.files("partnerlab.tiers.schemes").joinpath(f"{name}.yaml").read_text() for name in ("quadrant", "rating")}


def refusal(tmp_path, text: str) -> str:
    path = tmp_path / "scheme.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as error:
        TierScheme.load(path)
    return str(error.value).removeprefix(str(tmp_path) + "/")


#: Which file, what is replaced by what, and what the one line says.
MISTAKES = [
    ("quadrant", "classify:", "clasify:", r"clasify: unknown key 'clasify'; did you mean 'classify'"),
    ("quadrant", "kind: quadrant", "kind: quadrants", r"classify.kind: classify.kind is 'quadrants'; did you mean 'quadrant'"),
    ("quadrant", "  kind: quadrant\n", "", r"classify: classify needs a kind: quadrant, ladder"),
    ("quadrant", "cut: {absolute: $high_relevance}", "cut: {absolut: 60}", r"classify.y.cut.absolut: unknown key 'absolut'; did you mean 'absolute'"),
    ("quadrant", "cut: {absolute: $high_relevance}", "cut: {absolute: null}", r"classify.y.cut: 'absolute' has no value; .* set a number"),
    ("quadrant", "cut: {absolute: $high_relevance}", "cut: {absolute: sixty}", r"'sixty' is not a number"),
    ("quadrant", "cut: {absolute: $high_relevance}", "cut: {absolute: true}", r"a number is needed here, not true"),
    ("quadrant", "cut: {absolute: $high_relevance}", "cut: {absolute: 60, quantile: 0.5}", r"give one of the two"),
    ("quadrant", "cut: {absolute: $high_relevance}", "cut: {quantile: 75}", r"a quantile lies between 0 and 1, not 75"),
    ("quadrant", "cut: {absolute: $high_relevance}", "cut: {absolute: $high_relevence}", r"\$high_relevence is used but has no value under params; did you mean 'high_relevance'"),
    ("quadrant", "high_relevance: 60 ", "high_relevance: null ", r"params.high_relevance: has no value; set a number"),
    ("quadrant", "high_relevance: 60 ", "high_relevance: $other ", r"parameter 'high_relevance' must be a number"),
    ("quadrant", "    low_low: DEMENTORS\n", "", r"cells lack low_low"),
    ("quadrant", "low_low: DEMENTORS", "low_lo: DEMENTORS", r"unknown cell 'low_lo'; did you mean 'low_low'"),
    ("quadrant", "  margin: 0.10 ", "  margin: 10 ", r"movement.margin: out of range; write a number below 1"),
    ("quadrant", "  margin: 0.10 ", "  margin: ten ", r"movement.margin: 'ten' is not a number"),
    ("quadrant", "{up: 1, down: 2}", "{up: 0, down: 2}", r"movement.confirm.up: out of range; write 1 or more"),
    ("quadrant", "{up: 1, down: 2}", "{up: 1, dwn: 2}", r"unknown key 'dwn'; did you mean 'down'"),
    ("quadrant", "  grace: 2 ", "  grace: 2q ", r"movement.grace: not a whole number; write one such as 2"),
    ("quadrant", "  DEMENTORS:\n    - {tactic", "  DEMENTOR:\n    - {tactic", r"playbook names 'DEMENTOR', which is not a tier; did you mean 'DEMENTORS'"),
    ("quadrant", "type: email", "typ: email", r"playbook.DEMENTORS.0.delivered_by.*unknown key 'typ'; did you mean 'type'"),
    ("quadrant", "per_quarter: 1, delivered_by: {table: activities, type: email}", "per_quarter: 1", r"'mass_communication' is owed but nothing shows its delivery; add delivered_by"),
    ("quadrant", "{table: activities, type: email}", "{table: activity, type: email}", r"'type' is the tactic of activities or manager_time"),
    ("quadrant", "autopilot_after: {tactic_rounds: 3", "autopilot_afer: {tactic_rounds: 3", r"did you mean 'autopilot_after'"),
    ("quadrant", "tactic_rounds: 3", "tactic_rounds: 0", r"tactic_rounds: out of range; write 1 or more"),
    ("quadrant", "    - joint_plan\n", "    - recurring_meeting\n", r"playbook.KEY PARTNERS lists 'recurring_meeting' twice; keep one"),
    ("quadrant", "weight: 0.6", "weigth: 0.6", r"scores.market_relevance.parts.0.weigth: unknown key 'weigth'; did you mean 'weight'"),
    ("quadrant", "shape: {percentile: population}, weight: 0.6", "shape: {percentil: population}, weight: 0.6", r"did you mean 'percentile'"),
    ("quadrant", "unknown: renormalise", "unknown: ignore", r"scores.market_relevance.unknown: unknown word; known: refuse, renormalise, zero"),
    ("quadrant", "within: region\n", "within: region\n    within: market\n", r"key 'within' stands twice; keep one"),
    ("quadrant", "version: 1", "version: [1", r"not YAML"),
    ("quadrant", "scheme: quadrant\n", "", r"scheme: the key is missing; add it"),
    ("rating", "referrals_4q >= $high_referrals", "referrals_4q => $high_referrals", r"classify.levels.0.all.2: cannot read '=> \$high_ref"),
    ("rating", "referrals_4q >= $high_referrals", "referrals_4q = 8", r"write == to compare"),
    ("rating", "referrals_4q >= $high_referrals", "referrals_4q >= $high_referral", r"\$high_referral is used but has no value under params; did you mean 'high_referrals'"),
    ("rating", "referrals_4q >= $high_referrals", "referrals_4q >= null", r"a line may not be null"),
    ("rating", "- tells_needs == true", "-", r"classify.levels.0.all.0: a rule may not be null"),
    ("rating", "inherits: MGP", "inherits: MPG", r"inherits 'MPG', which is no lower level; did you mean 'MGP'"),
    ("rating", "name: STP", "name: MGP", r"level 'MGP' stands twice"),
    ("rating", "  else: UNRATED ", "  # no else ", r"who meets no level\? add 'else: UNRATED'"),
    ("rating", "share: {goal: 0.20}", "share: {goal: 20}", r"a share lies between 0 and 1, not 20"),
    ("rating", "share: {goal: 0.20}", "share: {cap: 0.20}", r"'cap' and 'rank_by' go together"),
    ("rating", "share: {goal: 0.20}", "share: {}", r"a share is either"),
    ("rating", "{any: [opt_in", "{eny: [opt_in", r"cannot read rule \{eny: .*did you mean 'any'"),
    ("rating", "referrals_4q: ", "refer\\nrals: \x07", r"a character that no text holds \(#x0007\); remove it"),
    ("rating", "version: 1", "version: !!int 1", r"the tag 'tag:yaml.org,2002:int' is not read; remove it"),
    ("rating", "version: 1", f"version: {'9' * 5000}", r"a number of more than 18 digits; write fewer"),
    ("rating", "version: 1", "version: " + "[" * 3000 + "]" * 3000, r"nested more than 50 levels deep; write it flatter"),
    ("rating", "version: 1", "version: 1\ntargets: &all {MVP: *all}", r"an alias \(\*\) stands inside what it repeats"),
    ("rating", "scheme: rating", 'scheme: "rat\\ning"', r"scheme: a name is one line"),
    ("rating", "- tells_needs == true", "- " + "not " * 3000 + "tells_needs == true", r"nested more than 50 deep; write it flatter"),
    ("rating", "referrals_4q >= $high_referrals", f"referrals_4q >= {'9' * 400}", r"is not a number"),
    ("rating", "referrals_4q >= $high_referrals", "referrals_4q >= 1e999999999", r"is not a number|expected 'and'"),
    ("rating", "kind: ladder", "kind: []", r"classify needs a kind"),
    ("rating", "kind: ladder", "kind: {a: 1}", r"classify.kind is \{'a': 1\}"),
    ("rating", "inherits: MGP", "inherits: MVP", r"levels.0.inherits: level 'MVP' inherits 'MVP', which is no lower level"),
    ("quadrant", "weight: 0.6", "weight: {a: 1}", r"parts.0.weight: a number is needed here, not keys and values"),
    ("quadrant", "{up: 1, down: 2}", "{up: 999999999, down: 2}", r"movement.confirm.up: out of range; write 100 or less"),
    ("quadrant", "  grace: 2 ", "  max_step_down: 11111111111\n  grace: 2 ", r"movement.max_step_down: out of range; write 100 or less"),
    ("quadrant", "  high_relevance: 60 ", "  high_relevance: yes ", r"params.high_relevance: 'yes' is not a number"),
    ("quadrant", "  high_relevance: 60 ", "  high_relevance: true ", r"classify.y.cut.absolute: \$high_relevance is true under params, and here a number is needed"),
    ("rating", "  high_referrals: ", "  high_referrals: true # ", r"levels.0.all.2: \$high_referrals is true under params, and here a number is needed"),
    ("quadrant", "scheme: quadrant\n", "scheme: quadrant\ngoal: brand\n", r"goal: goal 'brand' has no weights; remove it"),
    ("quadrant", "scheme: quadrant\n", "scheme: quadrant\neffective: {from: 2026-02-01, until: 2026-01-01}\n", r"effective.until: the version ends .* before it begins"),
    ("quadrant", "scheme: quadrant\n", "scheme: quadrant\neffective: {from: soon}\n", r"effective.from: not a date; write it as 2026-01-31 \(given: 'soon'\)"),
    ("rating", "ordered: false", "ordered: maybe", r"ordered: not true or false; write one of the two"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "good", "bad", "says"), MISTAKES)
def test_a_mistake_is_one_line_with_file_line_key_and_remedy(tmp_path, name, good, bad, says):
    assert good in SHIPPED[name]
    line = refusal(tmp_path, SHIPPED[name].replace(good, bad, 1))

    assert re.match(r"scheme\.yaml, line \d+", line)
    assert re.search(says, line)
    assert "\n" not in line


@pytest.mark.parametrize("seed", range(100))
def test_a_mutated_file_loads_or_is_refused_in_one_line(tmp_path, seed):
    random = Random(seed)
    lines = SHIPPED[random.choice(["quadrant", "rating"])].splitlines()
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(lines))
        line = lines[at]
        cut = random.randrange(len(line) + 1)
        lines[at] = random.choice(
            [
                "",
                line[:cut],
                line[cut:],
                line[:cut] + random.choice("{}[]:,$=><'\"#%-0") + line[cut:],
                " " + line,
                line.replace(":", ": null #", 1),
                line + line,
            ]
        )
    path = tmp_path / "scheme.yaml"
    path.write_text("\n".join(lines))
    try:
        TierScheme.load(path)
    except SpecError as error:
        assert re.match(r".*scheme\.yaml, line \d+", str(error))
        assert "\n" not in str(error)


#: What may stand by mistake where something else is meant.
SWAPS = (None, True, -1, 0, 10**9, 0.5, [], {}, "", "x", [1, 2], {"a": 1}, "$nope", "a\nb", [[]], {"a": {}}, ["x >= 1"], "x >= 1", 1e300, "1e999999", "9" * 400)  # fmt: skip


def places(data, path=()):
    """Every path of a document."""
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in steps:
        yield (*path, step)
        yield from places(value, (*path, step))


def swapped(data, path, value):
    """The document with another value at a path."""
    changed = copy.deepcopy(data)
    here = changed
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return changed


def any_panel(scheme: TierScheme) -> Panel:
    """Two partners with numbers for whatever a scheme asks that a panel can hold."""
    asked = {name: [7.0, 1.0] for name in (*scheme.needs(), *scheme.needs_beside()) if name.isidentifier()}
    period = "2026Q1" if scheme.cadence == "quarter" else "2026-01"
    attributes = {"region": ["n", "s"], "market": ["n", "s"]}
    return Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": period, "more": [1.0, 2.0]} | asked | attributes))


@pytest.mark.parametrize("name", ["quadrant", "quadrant_absolute", "rating", "kpi", "azure_infrastructure", "recorded"])
def test_another_type_at_any_place_is_fine_through_to_the_tiers_or_one_line(name):
    document = read_spec_file(name, package="partnerlab.tiers.schemes")
    panel = any_panel(TierScheme.load(name))
    for index, path in enumerate(places(document.data)):
        stage = "load"
        try:
            data = swapped(document.data, path, SWAPS[index * 5 % len(SWAPS)])
            scheme = TierScheme.from_document(dataclasses.replace(document, data=data))
            stage = "assign"
            if index % 4 == 0:  # the lattice of answers takes a moment
                lint_scheme(scheme)
            assign_tiers(panel, scheme)
        except PartnerlabError as error:
            assert "\n" not in str(error)
            assert stage == "assign" or re.match(rf"{name}\.yaml, line \d+, (?!\(top\))[^:]+: .", str(error))


#: What refers to something that is not there, and the line and key of who refers.
STRAY = [
    ("speaks == true", "speaks >= $nowhere", "classify.levels"),
    (
        "classify:\n",
        "over:\n  unit: region\n  count_at_least: [{tier: WORLD, level: MPV, units: 2}]\nclassify:\n",
        "over.count_at_least.0.level",
    ),
    (
        "classify:\n",
        "overrides:\n  - where: {region: x}\n    approved_by: a\n    reason: b\n    set: {high_referal: 2}\nclassify:\n",
        "overrides.0.set.high_referal",
    ),
    ("classify:\n", "targets:\n  MPV: 0.2\nclassify:\n", "targets.MPV"),
    ("classify:\n", "labels:\n  wide:\n    when: x >= $nowhere\nclassify:\n", "labels.wide.when"),
    ("classify:\n", "labels:\n  wide:\n    shares: {a: x, b: y}\n    share_at_least: $nowhere\nclassify:\n", "labels.wide.share_at_least"),
    (
        "classify:\n",
        "scores:\n  size:\n    parts:\n      - metric: x\n        shape: {ratio: $nowhere}\nclassify:\n",
        "scores.size.parts.0.shape.ratio",
    ),
    ("name: STP", "name: MGP", "classify.levels.2.name"),
]


@pytest.mark.parametrize(("good", "bad", "key"), STRAY)
def test_what_refers_to_nothing_is_refused_where_it_stands(tmp_path, good, bad, key):
    text = SHIPPED["rating"].replace(good, bad, 1)
    line = refusal(tmp_path, text)
    number = int(re.match(r"scheme\.yaml, line (\d+), ", line)[1])

    assert f", {key}" in line
    assert any(word in text.splitlines()[number - 1] for word in ("$nowhere", "MPV", "high_referal", "name: MGP"))


def test_the_line_is_the_line_of_the_mistake(tmp_path):
    text = SHIPPED["rating"].replace("- speaks == true", "- speaks = true")
    number = text.splitlines().index("        - speaks = true") + 1

    assert f"line {number}, classify.levels.2.all.1:" in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["", "scheme", "- scheme: x", "3"])
def test_what_is_no_scheme_at_all_is_refused(tmp_path, text):
    assert "expected keys and values" in refusal(tmp_path, text)


def test_a_scheme_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(SpecError, match="did you mean 'quadrant'"):
        TierScheme.load("quadrants")
    with pytest.raises(SpecError, match="no such file"):
        TierScheme.load("missing.yaml")


def test_indicators_are_looked_for_beside_the_scheme(tmp_path):
    path = tmp_path / "own.yaml"
    (tmp_path / "counts.yaml").write_text("indicators:\n  x: {from: deals}\n")
    path.write_text("scheme: own\nindicators: counts.yaml\nclassify: {kind: bands, value: x, bands: [{name: A}]}\n")

    assert TierScheme.load(path).indicators == str(tmp_path / "counts.yaml")


OWN = "scheme: own\nindicators: counts.yaml\nscores:\n  points: {parts: [{metric: deals, shape: {ratio: 9}}]}\nclassify:\n  kind: ladder\n  levels:\n    - {name: A, all: [points >= 60]}\n    - {name: B, all: []}\n"  # fmt: skip
COUNTS = "indicators:\n  deals: {from: deals}\n"


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        ("points >= 60", "pionts >= 60", r"line 8, classify.levels.0.all.0: 'pionts' is no score, .*did you mean 'points'"),
        ("metric: deals", "metric: deels", r"line 4, scores.points.parts.0.metric: 'deels' is no score, .*did you mean 'deals'"),
        (
            "classify:",
            "playbook:\n  A:\n    - {autopilot_after: {tactic_rounds: 2, measured_by: leads}}\nclassify:",
            r"line 7, playbook.A.0.autopilot_after.measured_by: 'leads' is no",
        ),
        ("indicators: counts.yaml", "indicators: nope.yaml", r"line 2, indicators: .*nope.yaml: no such file"),
        ("indicators: counts.yaml", "indicators: standerd", r"line 2, indicators: no file and no shipped .*did you mean 'standard'"),
    ],
)
def test_a_fact_that_nothing_gives_is_refused_where_it_is_asked_for(tmp_path, good, bad, says):
    (tmp_path / "counts.yaml").write_text(COUNTS)
    (tmp_path / "good.yaml").write_text(OWN)
    text = OWN.replace(good, bad, 1)

    assert TierScheme.load(tmp_path / "good.yaml").tiers == ("A", "B")
    assert re.search(says, refusal(tmp_path, text))


def test_a_score_misspelt_is_refused_beside_the_shipped_indicators_too(tmp_path):
    text = OWN.replace("indicators: counts.yaml\n", "").replace("points >= 60", "pionts >= 60")

    assert "line 7, classify.levels.0.all.0: 'pionts' is no score" in refusal(tmp_path, text)


def test_a_scheme_lists_what_it_needs_down_to_the_indicators():
    assert TierScheme.load("quadrant").needs() == ["leads", "region", "network_clients", "relevance"]


def test_recorded_tiers_take_no_movement_rules():
    with pytest.raises(SpecError, match="taken as they are"):
        TierScheme(scheme="demo", classify={"kind": "recorded"}, movement={"margin": 0.1})


def test_overrides_say_who_approved_and_end_after_they_begin():
    standard = {
        "where": {"region": "x"},
        "set": {"a": 1},
        "approved_by": "team",
        "reason": "young",
        "from": "2026-01-01",
        "until": "2025-01-01",
    }

    with pytest.raises(SpecError, match="before it begins"):
        TierScheme(scheme="demo", params={"a": 1}, classify={"kind": "bands", "value": "x", "bands": [{"name": "A"}]}, overrides=[standard])
    with pytest.raises(SpecError, match="approved_by"):
        TierScheme(
            scheme="demo",
            params={"a": 1},
            classify={"kind": "bands", "value": "x", "bands": [{"name": "A"}]},
            overrides=[{"where": {"region": "x"}, "set": {"a": 1}, "reason": "young"}],
        )


def test_a_json_schema_for_editors_is_made_of_the_model():
    schema = TierScheme.model_json_schema()

    assert {"scheme", "classify", "movement"} <= set(schema["properties"])


def test_a_scheme_survives_a_round_trip_through_its_data():
    for name in ("quadrant", "rating", "recorded"):
        scheme = TierScheme.load(name)
        again = TierScheme.model_validate(scheme.model_dump(by_alias=True, exclude_defaults=True))

        assert (again.tiers, again.ranks, list(again.classify.rules())) == (scheme.tiers, scheme.ranks, list(scheme.classify.rules()))
