"""The road from a real export to transitions ends where each set's own facts say it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from partnerlab.intake import connect
from partnerlab.panel import build_panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers
from partnerlab.transitions import estimate_transitions

pytestmark = pytest.mark.external

MAPPINGS = Path(__file__).parent / "mappings"


@pytest.fixture(scope="module")
def facts():
    """What each set says about itself."""
    named = os.environ.get("PARTNERLAB_EXTERNAL_DATA")
    if not named:
        pytest.fail("PARTNERLAB_EXTERNAL_DATA is not set; give the folder that holds data/ and reference/", pytrace=False)
    return {
        name: json.loads((Path(named) / "data" / name / "facts.json").read_text(encoding="utf-8"))
        for name in ("cncf_partners", "wholesale_accounts")
    }


def flows(history: TierHistory, **options) -> dict[tuple[str, str], int]:
    """Number of moves by tier."""
    table = estimate_transitions(history, **options).table
    return {(row["from_tier"], row["to_tier"]): int(row["count"]) for row in table.to_dict("records")}


@pytest.fixture(scope="module")
def membership(facts):
    """CNCF's members with the tiers that the program itself recorded."""
    with connect(MAPPINGS / "cncf_partners.yaml") as source:
        panel = build_panel(source, first="2019Q3", last="2024Q4")
    return panel, assign_tiers(panel, TierScheme.load("recorded"))


@pytest.fixture(scope="module")
def segments(facts):
    """The wholesaler's accounts in the segments that its facts define."""
    scheme = TierScheme.load(MAPPINGS / "wholesale_segments.yaml")
    with connect(MAPPINGS / "wholesale_accounts.yaml") as source:
        panel = build_panel(source, first="2009Q4", last="2011Q4", indicators=scheme.indicators)
    return panel, assign_tiers(panel, scheme)


def test_members_of_each_quarter(membership, facts):
    panel, _ = membership

    members = (panel.recorded.codes >= 0).sum(axis=0)

    assert dict(zip(panel.labels, members.tolist(), strict=True)) == facts["cncf_partners"]["active_by_quarter"]


def test_moves_between_members_tiers(membership, facts):
    _, history = membership
    told = facts["cncf_partners"]["quarterly_tier_transitions"]

    found = flows(history, include_partial=True)

    expected = {
        (start, "lapsed" if end == "out" else end): count for start in told if start != "out" for end, count in told[start].items() if count
    }
    assert {pair: count for pair, count in found.items() if count and pair[0] != "lapsed"} == expected


def test_accounts_active_in_each_quarter(segments, facts):
    panel, _ = segments

    active = panel.values("invoices") > 0

    assert dict(zip(panel.labels, active.sum(axis=0).tolist(), strict=True)) == facts["wholesale_accounts"]["active_by_quarter"]


def test_moves_between_segments(segments, facts):
    """From 2010Q1 to 2011Q3: the partial quarters at both ends are left out by themselves."""
    _, history = segments
    told = facts["wholesale_accounts"]["segment_transitions_2010Q1_2011Q3"]

    found = flows(history)

    assert {pair: found[pair] for pair in found if pair[0] != "inactive"} == {(s, e): n for s in told for e, n in told[s].items()}
