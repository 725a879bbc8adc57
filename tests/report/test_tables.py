"""The partner that is explained is the one nearest to a line."""

from __future__ import annotations

import pandas as pd
import pytest

from partnerlab.errors import SampleError
from partnerlab.panel import Panel
from partnerlab.report.tables import find_borderline
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers


def test_the_partner_nearest_to_a_line_is_explained_and_not_the_first_that_moved():
    leads = {"a": (2, 90), "b": (30, 30), "c": (21, 21), "d": (1, 1)}
    rows = [(partner, f"2026Q{q + 1}", counts[q]) for partner, counts in leads.items() for q in (0, 1)]
    panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}

    assert find_borderline(assign_tiers(panel, TierScheme(scheme="demo", classify=bands)), quarter="2026Q2") == "c"


def test_among_recorded_tiers_the_first_that_moved_is_named():
    rows = [("a", "2026Q1", "Gold"), ("a", "2026Q2", "Gold"), ("b", "2026Q1", "Gold"), ("b", "2026Q2", "Silver")]
    history = TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["Gold", "Silver"])

    assert find_borderline(history, quarter="2026Q2") == "b"


def test_where_nobody_holds_a_tier_nobody_is_explained():
    rows = [("a", "2026Q1", "Gold"), ("b", "2026Q2", None)]
    history = TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["Gold"])

    with pytest.raises(SampleError, match="nobody holds a tier in 2026Q2"):
        find_borderline(history, quarter="2026Q2")
