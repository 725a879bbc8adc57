"""The small tables of the page about tiers: steps up, versions side by side, the quarter that appeals can judge."""

import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.panel.panel import Panel
from partnerlab.report.tier_tables import compare_versions, find_appealed, tabulate_steps
from partnerlab.tiers import TierScheme, assign_tiers, explain_tier

LEVELS = [{"name": "Gold", "all": ["leads >= 9"]}, {"name": "Silver", "all": ["leads >= 4"]}, {"name": "Member", "all": []}]
SCHEME = TierScheme(scheme="ladder", classify={"kind": "ladder", "levels": LEVELS})


@pytest.fixture(scope="module")
def panel():
    rows = [(partner, quarter, leads) for partner, leads in (("a", 10), ("b", 5), ("c", 1)) for quarter in ("2026Q1", "2026Q2")]
    return Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))


@pytest.fixture(scope="module")
def history(panel):
    return assign_tiers(panel, SCHEME)


def _steps(history, partner, **options):
    return tabulate_steps(explain_tier(history, partner=partner, quarter="2026Q2"), history=history, **options)


def test_steps_lead_to_the_tier_above_at_the_costs_given(history):
    table = _steps(history, "c", costs="leads:2.5")

    assert table[["tier", "fact", "steps", "cost"]].to_numpy().tolist() == [["Silver", "leads", 3, 7.5]]


def test_without_costs_each_step_costs_one(history):
    assert _steps(history, "b")["cost"].tolist() == [4.0]


def test_the_highest_tier_has_no_steps_above_it(history):
    with pytest.raises(SampleError, match="no tier above"):
        _steps(history, "a")


def test_costs_that_are_no_numbers_are_refused(history):
    with pytest.raises(ParameterError, match="fact:number"):
        _steps(history, "c", costs="leads:many")


def test_appeals_judge_the_last_quarter_about_which_one_is_decided(history):
    appeals = pd.DataFrame(
        {
            "partner_id": list("abc"),
            "quarter": ["2026Q1", "2026Q2", "2025Q4"],
            "decision": ["upheld", "open", "rejected"],
            "scheme": "ladder",
        }
    )

    assert find_appealed(appeals, history=history, quarter="2026Q2") == "2026Q1"
    with pytest.raises(SampleError, match="decided"):
        find_appealed(appeals.assign(scheme="other"), history=history, quarter="2026Q2")


def test_another_version_of_the_shipped_quadrant_is_found_without_naming_it():
    frame = pd.DataFrame(
        [
            (f"p{number}", quarter, number, 10.0 * number, number, "EMEA")
            for number in range(12)
            for quarter in ("2026Q1", "2026Q2")
        ],
        columns=["partner", "quarter", "leads", "relevance", "network_clients", "region"],
    )  # fmt: skip
    panel = Panel.from_frame(frame)

    compared = compare_versions(panel, scheme=TierScheme.load("quadrant"), against="", quarter="2026Q2")

    assert "quadrant@2" in compared.summary()


def test_a_scheme_with_one_version_only_says_what_to_name(panel):
    with pytest.raises(SampleError, match="against"):
        compare_versions(panel, scheme=SCHEME, against="", quarter="2026Q2")
