"""Shares of tiers: by hand, against goals, by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers, estimate_shares

ROWS = pd.DataFrame({"partner": list("abcde"), "quarter": "2026Q1", "tier": ["Gold", "Silver", "Silver", "Silver", None]})


def test_shares_are_of_the_rated_with_intervals_that_hold_for_few():
    table = estimate_shares(TierHistory.from_frame(ROWS)).tidy().set_index("tier")

    # 1 of 4 by hand: lower -ln(0.95) / 4; upper 1 - 0.8177 / 4, the 5 % quantile of the gamma of three who are not
    assert table.loc["Gold", ["estimate", "n", "partners"]].tolist() == [0.25, 4, 1]
    assert table.loc["Gold", ["conf_low", "conf_high"]].tolist() == pytest.approx([0.0128, 0.7956], abs=1e-4)


def test_the_distance_to_a_goal_is_stated():
    levels = [{"name": "Gold", "when": "x >= 1", "share": {"goal": 0.2}}, {"name": "Other", "all": []}]
    panel = Panel.from_frame(pd.DataFrame({"partner": list("abcd"), "quarter": "2026Q1", "x": [1.0, 1.0, 0.0, 0.0]}))
    history = assign_tiers(panel, TierScheme(scheme="demo", classify={"kind": "ladder", "levels": levels}))
    table = estimate_shares(history, quarter="2026Q1").tidy().set_index("tier")

    assert table.loc["Gold", ["goal", "distance"]].tolist() == pytest.approx([0.2, 0.3])
    assert np.isnan(table.loc["Other", "goal"])


def test_groups_are_told_apart():
    about = pd.DataFrame({"partner": list("abcde"), "region": ["n", "n", "s", "s", "s"]})
    table = estimate_shares(TierHistory.from_frame(ROWS, attributes=about), by="region").tidy()

    assert table.query("tier == 'Gold'").set_index("region")["estimate"].to_dict() == {"n": 0.5, "s": 0.0}


def test_an_attribute_that_does_not_exist_is_named():
    with pytest.raises(ParameterError, match="no attribute 'regoin'"):
        estimate_shares(TierHistory.from_frame(ROWS), by="regoin")


def test_who_is_not_rated_is_told():
    assert estimate_shares(TierHistory.from_frame(ROWS)).checks[0].detail.startswith("1 partner-quarters are of unknown tier")
