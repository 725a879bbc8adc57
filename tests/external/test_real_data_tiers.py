"""Tiers of real programs: the counts that the data sets state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab.tiers import TierHistory

HERE = Path(__file__).parent
pytestmark = pytest.mark.external


def flows(history: TierHistory, *, first: str, last: str) -> pd.DataFrame:
    """Moves from one quarter to the next, everything outside the tiers as ``out``."""
    names = np.where(history.published >= 0, history.names(), "out")[:, history.column(first) : history.column(last) + 1]
    return pd.crosstab(names[:, :-1].ravel(), names[:, 1:].ravel())


@pytest.fixture(scope="module")
def wholesale() -> TierHistory:
    scheme = lab.TierScheme.load(HERE / "schemes" / "wholesale.yaml")
    source = lab.connect(HERE / "mappings" / "wholesale_accounts.yaml")
    return lab.assign_tiers(lab.build_panel(source, first="2009Q4", last="2011Q4", indicators=scheme.indicators), scheme)


@pytest.fixture(scope="module")
def cncf() -> TierHistory:
    scheme = lab.TierScheme.load(HERE / "schemes" / "cncf.yaml")
    source = lab.connect(HERE / "mappings" / "cncf_partners.yaml")
    return lab.assign_tiers(lab.build_panel(source, first="2019Q3", last="2024Q4", indicators=lab.Indicators(indicators={})), scheme)


def test_wholesale_accounts_active_by_quarter(wholesale, facts):
    counts = wholesale.counts().query("tier in ['A', 'B', 'C', 'D', 'unknown']").groupby("quarter")["partners"].sum()

    assert counts.to_dict() == facts("wholesale_accounts")["active_by_quarter"]


def test_wholesale_flows_between_segments(wholesale, facts):
    stated = facts("wholesale_accounts")["segment_transitions_2010Q1_2011Q3"]
    seen = flows(wholesale, first="2010Q1", last="2011Q3").rename(columns={"INACTIVE": "inactive"})

    assert {tier: seen.loc[tier, list(row)].to_dict() for tier, row in stated.items()} == stated


def test_cncf_members_by_quarter(cncf, facts):
    counts = cncf.counts().groupby("quarter")["partners"].sum()

    assert counts.to_dict() == facts("cncf_partners")["active_by_quarter"]


def test_cncf_flows_between_members_tiers(cncf, facts):
    stated = {tier: row for tier, row in facts("cncf_partners")["quarterly_tier_transitions"].items() if tier != "out"}
    seen = flows(cncf, first="2019Q3", last="2024Q4")

    assert {tier: seen.reindex(columns=list(row), fill_value=0).loc[tier].to_dict() for tier, row in stated.items()} == stated


def test_what_the_record_cannot_explain_is_refused(cncf):
    with pytest.raises(lab.PartnerlabError, match="the data hold no rule"):
        lab.explain_tier(cncf, partner=str(cncf.partners[0]), quarter="2024Q4")
