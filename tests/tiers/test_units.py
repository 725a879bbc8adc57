"""Schemes over units: Global Strategic in three regions, the best region counts, a region is short; by hand and by law."""

import itertools

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError, ParameterError, SpecError
from partnerlab.intake import Program, connect
from partnerlab.panel import Indicators, Panel, build_panel
from partnerlab.scoring import kleene
from partnerlab.tiers import TierScheme, assign_tiers, design_line, explain_tier, lint_scheme, plan_steps
from partnerlab.tiers.behind import facts_behind
from partnerlab.tiers.units import count_units

INDICATORS = Indicators(indicators={
    "revenue": {"from": "frame", "statistic": "sum", "missing": "zero"},
    "certified": {"from": "frame", "statistic": "count"},
    "wins": {"from": "frame", "statistic": "share", "missing": "unknown"},
})  # fmt: skip

#: A ladder of each region, and a partner that is strategic where three of its regions are at the summit.
GLOBAL = {
    "scheme": "global",
    "params": {"summit_revenue": 600, "regions": 3},
    "classify": {
        "kind": "ladder",
        "levels": [
            {"name": "Summit", "inherits": "Ridge", "all": ["revenue >= $summit_revenue", "certified >= 10"]},
            {"name": "Ridge", "all": ["revenue >= 300"]},
            {"name": "Base", "all": []},
        ],
    },
    "over": {"unit": "region", "take": "highest", "count_at_least": {"tier": "Global Strategic", "level": "Summit", "units": "$regions"}},
}


def _scheme(**changed):
    return TierScheme.model_validate({**GLOBAL, **changed})


def _panel(regions, *, quarters=("2026Q1",), indicators=INDICATORS):
    """A panel from {partner: {region: (revenue, certified)}}, or a list of values for each quarter."""
    rows = []
    for partner, placed in regions.items():
        for region, told in placed.items():
            by_quarter = told if isinstance(told, list) else [told] * len(quarters)
            for quarter, (revenue, certified) in zip(quarters, by_quarter, strict=True):
                rows.append(
                    {"partner": partner, "region": region, "quarter": quarter, "revenue": revenue, "certified": certified, "wins": None}
                )
    return Panel.from_frame(pd.DataFrame(rows).astype({"wins": float}), unit="region", indicators=indicators)


WORLD = {
    "acme": {"AMER": (900, 12), "EMEA": (800, 11), "APAC": (850, 7)},
    "beta": {"AMER": (900, 12), "EMEA": (700, 12), "APAC": (650, 15), "LATAM": (0, 0)},
    "cora": {"AMER": (299, 50), "EMEA": (310, 0)},
    "dune": {"EMEA": (10, 1)},
}


def _tiers(history):
    return dict(zip(history.partners, history.names()[:, -1], strict=True))


def test_a_partner_is_where_its_best_region_is_or_above_if_enough_of_them_are():
    assert _tiers(assign_tiers(_panel(WORLD), _scheme())) == {"acme": "Summit", "beta": "Global Strategic", "cora": "Ridge", "dune": "Base"}


def test_tiers_that_count_units_stand_above_the_levels():
    scheme = _scheme()

    assert scheme.tiers == ("Global Strategic", "Summit", "Ridge", "Base")
    assert scheme.ranks == (4, 3, 2, 1)


def test_a_level_may_itself_ask_for_several_units():
    over = {"unit": "region", "count_at_least": {"level": "Summit", "units": 3}}

    assert _tiers(assign_tiers(_panel(WORLD), _scheme(over=over)))["acme"] == "Ridge"
    assert _tiers(assign_tiers(_panel(WORLD), _scheme(over=over)))["beta"] == "Summit"


def test_units_above_a_level_count_for_it_too():
    over = {"unit": "region", "count_at_least": [{"tier": "Wide", "level": "Ridge", "units": 3}]}

    assert _tiers(assign_tiers(_panel(WORLD), _scheme(over=over)))["acme"] == "Wide"


def test_the_partner_as_a_whole_may_have_to_meet_more():
    over = {"unit": "region", "count_at_least": {"tier": "Global Strategic", "level": "Summit", "units": 3, "all": ["revenue >= 2251"]}}

    assert _tiers(assign_tiers(_panel(WORLD), _scheme(over=over)))["beta"] == "Summit"


def test_bands_of_units_are_taken_the_same_way():
    classify = {"kind": "bands", "value": "revenue", "bands": [{"name": "Large", "from": 800}, {"name": "Small"}]}
    over = {"unit": "region", "count_at_least": {"tier": "Everywhere", "level": "Large", "units": 2}}
    history = assign_tiers(_panel(WORLD), _scheme(classify=classify, over=over, params={}))

    assert _tiers(history) == {"acme": "Everywhere", "beta": "Large", "cora": "Small", "dune": "Small"}


def test_regional_standards_are_those_of_the_units_region():
    overrides = [{"where": {"region": "LATAM"}, "set": {"summit_revenue": 0}, "approved_by": "head", "reason": "new market"}]
    world = {"acme": {"AMER": (900, 12), "EMEA": (800, 11), "LATAM": (400, 10)}}

    assert _tiers(assign_tiers(_panel(world), _scheme(overrides=overrides)))["acme"] == "Global Strategic"
    assert _tiers(assign_tiers(_panel(world), _scheme()))["acme"] == "Summit"


def test_scores_are_those_of_each_unit():
    scores = {"points": {"combine": "sum", "max": 100, "parts": [{"metric": "revenue", "shape": {"per": "1/10", "max": 100}}]}}
    classify = {"kind": "ladder", "levels": [{"name": "High", "all": ["points >= 90"]}, {"name": "Low", "all": []}]}
    over = {"unit": "region", "count_at_least": {"tier": "Double", "level": "High", "units": 2}}
    world = {"acme": {"AMER": (500, 0), "EMEA": (500, 0)}, "beta": {"AMER": (900, 0), "EMEA": (950, 0)}}

    assert _tiers(assign_tiers(_panel(world), _scheme(classify=classify, over=over, scores=scores, params={}))) == {
        "acme": "Low",
        "beta": "Double",
    }


# unknown


def _with_unknown(*wins):
    """One partner whose regions have these shares of wins; None is unknown."""
    rows = [
        {"partner": "acme", "region": f"R{place}", "quarter": "2026Q1", "revenue": 0, "certified": 0, "wins": share}
        for place, share in enumerate(wins)
    ]
    return Panel.from_frame(pd.DataFrame(rows).astype({"wins": float}), unit="region", indicators=INDICATORS)


WINS = {"kind": "ladder", "levels": [{"name": "Good", "all": ["wins >= 0.5"]}, {"name": "Member", "all": []}]}
TWO = {"unit": "region", "count_at_least": {"tier": "Twice", "level": "Good", "units": 2}}


@pytest.mark.parametrize(
    ("wins", "expected", "proven"),
    [
        ((0.6, 0.7, None), "Twice", "Twice"),
        ((0.6, None), "unknown", "Good"),
        ((0.6, 0.1), "Good", "Good"),
        ((None, 0.1), "unknown", "Member"),
        ((0.1, 0.2), "Member", "Member"),
        ((0.6, 0.1, 0.1), "Good", "Good"),
    ],
)
def test_an_unknown_unit_decides_only_where_it_can(wins, expected, proven):
    strict = _scheme(classify=WINS, over=TWO, params={})
    lenient = _scheme(classify={**WINS, "missing": "highest_proven"}, over=TWO, params={})

    assert _tiers(assign_tiers(_with_unknown(*wins), strict))["acme"] == expected
    assert _tiers(assign_tiers(_with_unknown(*wins), lenient))["acme"] == proven


# movement


def test_margins_move_the_lines_of_units_not_their_number():
    scheme = _scheme(movement={"margin": 0.1}, over={"unit": "region", "count_at_least": {"tier": "Global", "level": "Summit", "units": 2}})
    world = {"acme": {"AMER": [(700, 20), (700, 20), (700, 20)], "EMEA": [(500, 20), (610, 20), (670, 20)]}}
    history = assign_tiers(_panel(world, quarters=("2026Q1", "2026Q2", "2026Q3")), scheme)

    assert history.names(history.raw).tolist() == [["Summit", "Global", "Global"]]
    assert history.names(history.held).tolist() == [["Summit", "Summit", "Global"]]


def test_confirmation_waits_for_partners_as_ever():
    scheme = _scheme(movement={"confirm": {"up": 2, "down": 1}})
    world = {"acme": {"AMER": [(100, 20), (700, 20), (700, 20)]}}
    history = assign_tiers(_panel(world, quarters=("2026Q1", "2026Q2", "2026Q3")), scheme)

    assert history.names(history.held).tolist() == [["Base", "Base", "Summit"]]


# explanations


def test_an_explanation_names_the_units_that_carry_and_those_that_are_short():
    history = assign_tiers(_panel(WORLD), _scheme())
    found = explain_tier(history, partner="acme", quarter="2026Q1")

    assert found.missing("Global Strategic")[["condition", "value", "gap"]].to_numpy().tolist() == [
        ["regions at Summit for Global Strategic >= $regions", 2.0, 1.0]
    ]
    short = found.units.query("tier == 'Global Strategic' and needed")
    assert short[["unit", "condition", "gap"]].to_numpy().tolist() == [["APAC", "certified >= 10", 3.0]]
    assert (
        "For Global Strategic: regions at Summit for Global Strategic is 2, needs >= 3; AMER, EMEA reach Summit; APAC: certified is 7"
        in found.summary()
    )


def test_what_an_explanation_asks_for_gives_the_tier_that_it_promises():
    lacking = explain_tier(assign_tiers(_panel(WORLD), _scheme()), partner="acme", quarter="2026Q1").units.query("needed")
    acted = {**WORLD["acme"], **{row.unit: (850, row.line) for row in lacking.query("fact == 'certified'").itertuples()}}

    assert _tiers(assign_tiers(_panel({**WORLD, "acme": acted}), _scheme()))["acme"] == "Global Strategic"


def test_a_unit_that_nobody_knows_of_is_asked_for():
    history = assign_tiers(_with_unknown(0.6, None), _scheme(classify=WINS, over=TWO, params={}))

    assert "R1: tell us wins" in explain_tier(history, partner="acme", quarter="2026Q1").summary()


def test_a_partner_that_is_nowhere_else_is_told_so():
    found = explain_tier(assign_tiers(_panel({"acme": {"AMER": (900, 12)}}), _scheme()), partner="acme", quarter="2026Q1")

    assert "is 1, needs >= 3; AMER reaches Summit; nothing is recorded elsewhere." in found.summary()


def test_what_could_be_lost_is_seen_through_the_units():
    four = Indicators(indicators={**{name: INDICATORS[name] for name in ("revenue", "wins")}, "certified": {"from": "frame", "window": 2}})
    panel = _panel({"acme": {"AMER": [(900, 12), (900, 0)]}}, quarters=("2026Q1", "2026Q2"), indicators=four)
    found = explain_tier(assign_tiers(panel, _scheme()), partner="acme", quarter="2026Q2")

    assert found.tier == "Summit"
    assert found.outlook[["condition", "lost_in"]].to_numpy().tolist() == [["regions at Summit >= 1", "2026Q3"]]
    assert "what is counted in each region runs out" in found.summary()


# from a source


def test_from_a_source_regions_are_those_of_the_rows():
    sales = [("a", "EMEA", 700), ("a", "AMER", 650), ("a", "APAC", 640), ("b", "EMEA", 1900), ("b", None, 900)]
    lines = pd.DataFrame(sales, columns=["partner_id", "region", "amount"]).assign(kind="invoice", booked_at="2026-02-01")
    people = [("a", region, f"{region}{number}") for region in ("EMEA", "AMER", "APAC") for number in range(10)]
    papers = pd.DataFrame(people, columns=["partner_id", "region", "person_id"]).assign(program="x", issued_at="2025-01-01")
    frames = {
        "partners": pd.DataFrame({"partner_id": ["a", "b", "c"], "joined_at": "2024-01-01"}),
        "transactions": lines.assign(txn_id=[f"t{place}" for place in range(len(lines))]),
        "certifications": papers.assign(cert_id=[f"c{place}" for place in range(len(papers))]),
    }
    wanted = {
        "revenue": {"from": "transactions", "statistic": "sum", "value": "amount"},
        "certified": {"from": "certifications", "statistic": "held", "value": "person_id"},
    }
    source = connect(frames, program=Program(data_until="2026-04-01"))
    scheme = _scheme()
    panel = build_panel(source, first="2026Q1", last="2026Q1", indicators=Indicators(indicators=wanted), unit=scheme.unit_column)

    assert _tiers(assign_tiers(panel, scheme)) == {"a": "Global Strategic", "b": "Ridge", "c": "Base"}
    assert explain_tier(assign_tiers(panel, scheme), partner="b", quarter="2026Q1", source=source).units["unit"].unique().tolist() == [
        "EMEA"
    ]


def test_portfolios_are_units_like_regions():
    table = pd.DataFrame({"partner": "a", "portfolio": ["software", "services"], "quarter": "2026Q1", "leads": [5, 1]})
    classify = {"kind": "ladder", "levels": [{"name": "Expert", "all": ["leads >= 5"]}, {"name": "Member", "all": []}]}
    scheme = TierScheme(scheme="p", classify=classify, over={"unit": "portfolio"})

    assert assign_tiers(Panel.from_frame(table, unit="portfolio"), scheme).names().tolist() == [["Expert"]]


def test_units_can_be_ranked_alone():
    scheme = _scheme()
    history = assign_tiers(_panel(WORLD).units.panel, scheme.of_units())

    assert _tiers(history)["acme|APAC"] == "Ridge"
    assert plan_steps(history, partner="acme|APAC", quarter="2026Q1", tier="Summit", costs={"certified": 1})["steps"].tolist() == [3]


# what does not go together


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"over": {"unit": "region", "count_at_least": {"level": "Sumit", "units": 2}}}, "did you mean 'Summit'"),
        ({"over": {"unit": "region", "count_at_least": {"level": "Summit", "units": 0}}}, "a whole number from 1 up"),
        ({"over": {"unit": "region", "count_at_least": {"level": "Summit", "units": 1.5}}}, "a whole number from 1 up"),
        ({"over": {"unit": "region", "count_at_least": {"level": "Summit", "units": "$nine"}}}, "$nine is used but has no value"),
        ({"over": {"unit": "region", "count_at_least": {"tier": "Base", "level": "Summit", "units": 2}}}, "'Base' is a level already"),
        ({"over": {"unit": "region", "count_at_least": [{"tier": "G", "level": "Ridge", "units": 2}] * 2}}, "names 'G' twice"),
        ({"over": {"unit": "region", "take": "lowest"}}, "highest"),
        ({"over": {"unit": "region"}, "classify": {"kind": "recorded"}}, "does not go with kind: recorded"),
        (
            {"over": {"unit": "region"}, "scores": {"s": {"parts": [{"metric": "revenue", "shape": {"percentile": "population"}}]}}},
            "over does not go with percentile",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(changed, said):
    with pytest.raises(pydantic.ValidationError) as caught:
        _scheme(**changed)
    assert said in str(caught.value)


def test_a_mistake_in_yaml_names_file_line_and_key(tmp_path):
    path = tmp_path / "global.yaml"
    path.write_text(
        "scheme: g\nclassify:\n  kind: ladder\n  levels: [{name: A, all: []}]\nover:\n  unit: region\n  takes: highest\n", encoding="utf-8"
    )
    with pytest.raises(SpecError, match=r"global\.yaml, line 7, over\.takes: .*did you mean 'take'"):
        TierScheme.load(path)


@pytest.mark.parametrize("other", [None, "portfolio"])
def test_a_panel_without_those_units_is_refused(other):
    table = pd.DataFrame({"partner": ["a"], "quarter": ["2026Q1"], "revenue": [1.0], "certified": [1], "wins": [1.0], "portfolio": ["x"]})
    panel = Panel.from_frame(table, unit=other, indicators=INDICATORS)
    with pytest.raises(
        MissingTableError, match=r"scheme global@1: it works over region, but this panel .*build_panel\(\.\.\., unit='region'\)"
    ):
        assign_tiers(panel, _scheme())
    assert (lint_scheme(_scheme(), panel=panel)["rule"] == "data").any()


def test_questions_about_lines_are_asked_of_units():
    history = assign_tiers(_panel(WORLD), _scheme())
    with pytest.raises(ParameterError, match=r"scheme\.of_units\(\)"):
        plan_steps(history, partner="acme", quarter="2026Q1", tier="Global Strategic", costs={"certified": 1})
    with pytest.raises(ParameterError, match=r"scheme\.of_units\(\)"):
        design_line(history, fact="certified", quarter="2026Q1")


def test_months_in_a_row_are_promised_no_earlier_than_they_can_be():
    wanted = Indicators(indicators={"kept": {"from": "frame", "statistic": "months", "consecutive": True, "window": 4}})
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": ["2026Q1"], "kept": [1]}), indicators=wanted)
    bands = {"kind": "bands", "value": "kept", "bands": [{"name": "Steady", "from": 8}, {"name": "Other"}]}
    history = assign_tiers(panel, TierScheme(scheme="s", classify=bands))

    assert explain_tier(history, partner="a", quarter="2026Q1").table["earliest"].tolist()[-1] == "2026Q4"


def test_lint_sees_a_level_that_nobody_can_hold():
    over = {"unit": "region", "count_at_least": [{"tier": "Global", "level": "Summit", "units": 1}]}
    found = lint_scheme(_scheme(over=over)).query("rule == 'unreachable'")

    assert found[["where", "finding"]].to_numpy().tolist() == [
        ["Summit", "Global asks for no more regions at Summit than Summit: whoever is Summit is already Global"]
    ]


def test_lint_asks_for_the_new_tiers_words_and_uses_the_parameters():
    found = lint_scheme(_scheme())

    assert "Global Strategic" in found.query("rule == 'glossary'")["where"].tolist()
    assert found.query("rule == 'parameters'").empty


# laws

PLACES = st.dictionaries(
    st.sampled_from(["AMER", "EMEA", "APAC", "LATAM"]), st.tuples(st.integers(0, 12).map(lambda n: 100 * n), st.integers(0, 20)), min_size=1
)
PARTNERS = st.dictionaries(st.sampled_from("abcdef"), PLACES, min_size=1)


@given(PARTNERS)
@settings(deadline=None, max_examples=25)
def test_counting_by_hand_gives_the_same(regions):
    def level(revenue, certified):
        return 2 if revenue >= 600 and certified >= 10 else 1 if revenue >= 300 else 0

    def placed(units):
        levels = [level(*told) for told in units.values()]
        return "Global Strategic" if levels.count(2) >= 3 else ("Base", "Ridge", "Summit")[max(levels)]

    assert _tiers(assign_tiers(_panel(regions), _scheme())) == {partner: placed(units) for partner, units in regions.items()}


@given(PARTNERS, st.sampled_from(["AMER", "EMEA", "APAC", "LATAM"]), st.integers(1, 9))
@settings(deadline=None, max_examples=15)
def test_more_in_any_unit_never_lowers_the_partner(regions, place, more):
    better = {
        p: {r: (v[0] + 100 * more * (r == place), v[1] + more * (r == place)) for r, v in units.items()} for p, units in regions.items()
    }
    before, after = (assign_tiers(_panel(world), _scheme()).raw for world in (regions, better))

    assert (after <= before).all()  # codes count from the best down


@given(PARTNERS)
@settings(deadline=None, max_examples=10)
def test_the_order_of_rows_and_the_other_partners_do_not_matter(regions):
    whole = _tiers(assign_tiers(_panel(regions), _scheme()))
    turned = _tiers(assign_tiers(_panel({p: dict(reversed(units.items())) for p, units in reversed(regions.items())}), _scheme()))
    alone = {p: _tiers(assign_tiers(_panel({p: units}), _scheme()))[p] for p, units in itertools.islice(regions.items(), 2)}

    assert whole == turned
    assert all(whole[partner] == tier for partner, tier in alone.items())


@given(st.lists(st.sampled_from([0.0, 1.0, None]), min_size=1, max_size=5), st.integers(1, 4))
@settings(deadline=None, max_examples=25)
def test_counts_follow_three_valued_logic(wins, asked):
    scheme = _scheme(classify=WINS, over={"unit": "region", "count_at_least": {"level": "Good", "units": asked}}, params={})
    history = assign_tiers(_with_unknown(*wins), scheme)
    found = count_units(scheme, facts_behind(history))["regions at Good"][0, 0]
    truths = [np.array([kleene.UNKNOWN if win is None else kleene.TRUE if win else kleene.FALSE], dtype=np.int8) for win in wins]
    expected = int(kleene.at_least(asked, truths)[0]) if asked <= len(wins) else kleene.FALSE

    assert (kleene.UNKNOWN if np.isnan(found) else kleene.TRUE if found >= asked else kleene.FALSE) == expected


def test_all_periods_at_once_are_each_period_alone():
    quarters = ("2026Q1", "2026Q2", "2026Q3")
    world = {"a": {"AMER": [(100, 20), (700, 20), (0, 0)], "EMEA": [(700, 20)] * 3}, "b": {"APAC": [(700, 9), (700, 10), (700, 11)]}}
    panel = _panel(world, quarters=quarters)
    history = assign_tiers(panel, _scheme())

    for column, quarter in enumerate(quarters):
        np.testing.assert_array_equal(assign_tiers(panel.until(quarter), _scheme()).raw[:, -1], history.raw[:, column])


def test_a_tier_that_some_units_surely_carry_is_not_put_off():
    over = {"unit": "region", "take": "highest", "count_at_least": [{"tier": "Top", "level": "Good", "units": 2}]}
    history = assign_tiers(_with_unknown(1.0, None), _scheme(classify=WINS, over=over, params={}))

    assert explain_tier(history, partner="acme", quarter="2026Q1").summary().splitlines() == [
        "acme is unknown in 2026Q1 under global@1.",
        "Good is sure; R0 reaches Good.",
        "For Top: R0 reaches Good; R1: tell us wins.",
    ]
