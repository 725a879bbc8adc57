"""Small tables of the page about tiers."""

from __future__ import annotations

import pandas as pd
import pytest

from partnerlab import report
from partnerlab.errors import SampleError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierScheme, assign_tiers, estimate_coverage, explain_tier

LADDER = {"kind": "ladder", "levels": [{"name": "A", "all": ["x >= 5"]}, {"name": "B", "all": []}]}
ROWS = pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "x": [9.0, 1.0], "sold": [6.0, 0.0], "referred": [4.0, 1.0]})
KINDS = {"motion": {"shares": {"reseller": "sold", "referral": "referred"}, "share_at_least": 0.2, "min_n": 3}}


def history(**more):
    return assign_tiers(Panel.from_frame(ROWS), TierScheme(scheme="demo", classify=LADDER, **more))


def test_labels_are_counted():
    here = history(labels=KINDS)
    table = report.tabulate_labels(report.list_labels(here, quarter="2026Q1"), history=here, quarter="2026Q1")

    assert table[["label", "partners", "share", "too_few"]].to_numpy().tolist() == [["reseller", 1, 0.5, 0], ["referral", 1, 0.5, 1]]


def test_what_a_scheme_does_not_have_is_a_refusal_that_the_page_prints():
    explanation = explain_tier(history(), partner="a", quarter="2026Q1")

    with pytest.raises(SampleError, match="no labels beside its tiers"):
        report.list_labels(history(), quarter="2026Q1")
    with pytest.raises(SampleError, match="no score that is made of parts"):
        report.tabulate_parts(explanation)
    with pytest.raises(SampleError, match="weights for one goal only"):
        report.compare_goals(history().scores.panel, scheme=history().scheme, quarter="2026Q1")


def test_the_explanation_says_where_a_value_comes_from_and_who_can_change_it():
    table = report.tabulate_explanation(explain_tier(history(), partner="b", quarter="2026Q1"))

    assert list(table.columns) == ["tier", "condition", "value", "line", "gap", "status", "source", "last_seen", "changeable"]


def test_rounds_without_response_are_listed_with_what_follows():
    book = {
        "A": [
            {"tactic": "talk", "per_quarter": 1, "delivered_by": "sold"},
            {"autopilot_after": {"tactic_rounds": 1, "measured_by": "referred", "at_least": 9}},
        ]
    }
    table = report.tabulate_stops(estimate_coverage(history(playbook=book)))

    assert table[["partner", "rounds", "stop"]].to_numpy().tolist() == [["a", 1, "autopilot"]]


def test_findings_stand_the_worst_first_and_none_is_said():
    found = report.list_findings(history().scheme, panel=history().scores.panel)

    assert found["grade"].tolist() == sorted(found["grade"], key=["error", "warning", "note"].index)
