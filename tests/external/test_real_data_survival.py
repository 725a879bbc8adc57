"""A real membership program with recorded tiers: who was at risk in each quarter, and who left."""

from pathlib import Path

import pytest

from partnerlab.intake import connect
from partnerlab.panel import build_panel
from partnerlab.spells import build_spells
from partnerlab.survival import estimate_hazard, estimate_survival
from partnerlab.tiers import TierScheme, assign_tiers

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def stated(facts):
    return facts("cncf_partners")


@pytest.fixture(scope="module")
def history(external_data):
    with connect(Path(__file__).parent / "mappings" / "cncf_partners.yaml") as source:
        return assign_tiers(build_panel(source, first="2019Q3", last="2024Q4"), TierScheme.load("recorded"))


def test_lapse_hazard_of_every_quarter_equals_the_published_one(history, stated):
    table = estimate_hazard(build_spells(history), by="quarter").table.set_index("quarter")

    # the facts are printed with four decimals
    assert table["estimate"].round(4).to_dict() == stated["exit_hazard_by_quarter"]


def test_at_risk_in_a_quarter_are_the_members_at_the_end_of_the_one_before(history, stated):
    table = estimate_hazard(build_spells(history), by="quarter").table

    before = [stated["active_by_quarter"][history.calendar.label(history.calendar.parse(quarter) - 1)] for quarter in table["quarter"]]
    assert table["n"].tolist() == before


def test_the_renewal_season_is_the_first_quarter(history):
    hazard = estimate_hazard(build_spells(history), by="season")

    assert any(
        check.name == "Renewal season" and check.detail.startswith("Q1") and "more than chance" in check.detail for check in hazard.checks
    )


def test_stated_joining_dates_are_found_to_be_a_choice_of_those_who_stayed(history):
    curve = estimate_survival(build_spells(history))

    assert any(check.name == "Known starts are like unknown ones" and check.passed is False for check in curve.checks)
    assert curve.table["n"].max() == curve.table["n"].iloc[0]


def test_endings_of_tier_spells_are_the_published_moves(history, stated):
    spells = build_spells(history, of="any tier").frame
    moves = spells.groupby(["tier", "to_tier"], observed=True).size()

    for tier, row in stated["quarterly_tier_transitions"].items():
        if tier != "out":
            assert {to: int(moves.get((tier, to), 0)) for to in row if to not in ("out", tier)} == {
                to: n for to, n in row.items() if to not in ("out", tier)
            }
            assert int(((spells["tier"] == tier) & (spells["event"] == "lapsed")).sum()) == row["out"]
