"""The road from a real export to estimated transitions ends where each set's own facts say it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from partnerlab.intake import connect
from partnerlab.panel import build_panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers
from partnerlab.transitions import estimate_transitions

HERE = Path(__file__).parent
pytestmark = pytest.mark.external


def walk(name: str, *, scheme: str, first: str, last: str) -> TierHistory:
    """From a mapping file to tiers."""
    asked = TierScheme.load(HERE / "schemes" / f"{scheme}.yaml")
    with connect(HERE / "mappings" / f"{name}.yaml") as source:
        return assign_tiers(build_panel(source, first=first, last=last, indicators=asked.indicators), asked)


def moves(history: TierHistory, **options) -> dict[tuple[str, str], int]:
    """Number of moves between tiers; those of partners outside them are left out, for the facts mix first joins with returns there."""
    rows = estimate_transitions(history, **options).table.to_dict("records")
    return {
        (row["from_tier"], row["to_tier"]): int(row["count"])
        for row in rows
        if row["count"] and row["from_tier"] not in ("lapsed", "INACTIVE")
    }


def test_moves_between_members_tiers(facts):
    told = facts("cncf_partners")["quarterly_tier_transitions"]

    found = moves(walk("cncf_partners", scheme="cncf", first="2019Q3", last="2024Q4"), include_partial=True)

    names = {"out": "lapsed"}
    assert found == {(start, names.get(end, end)): n for start, row in told.items() if start != "out" for end, n in row.items() if n}


def test_moves_between_segments(facts):
    """From 2010Q1 to 2011Q3: the partial quarters at both ends are left out by themselves."""
    told = facts("wholesale_accounts")["segment_transitions_2010Q1_2011Q3"]

    found = moves(walk("wholesale_accounts", scheme="wholesale", first="2009Q4", last="2011Q4"))

    names = {"inactive": "INACTIVE"}
    assert found == {(start, names.get(end, end)): n for start, row in told.items() for end, n in row.items()}
