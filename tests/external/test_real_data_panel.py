"""Two real programs as panels: what is counted equals what was counted elsewhere, to the cent that rounding explains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from partnerlab.intake import connect
from partnerlab.panel import Indicators, build_panel, compare_panels, data_span

pytestmark = pytest.mark.external

MAPPINGS = Path(__file__).parent / "mappings"

LEDGER = Indicators(indicators={
    "invoices": {"from": "transactions", "statistic": "distinct", "value": "deal_id"},
    "net": {"from": "transactions", "statistic": "sum", "value": "amount"},
})  # fmt: skip


@pytest.fixture(scope="module")
def folder(external_data) -> Path:
    """Folder that holds the real data."""
    return external_data / "data"


@pytest.fixture(scope="module")
def cncf(facts):
    with connect(MAPPINGS / "cncf_partners.yaml") as source:
        yield build_panel(source, first="2019Q3", last="2024Q4"), facts("cncf_partners")


@pytest.fixture(scope="module")
def wholesale(facts):
    with connect(MAPPINGS / "wholesale_accounts.yaml") as source:
        yield build_panel(source, first="2009Q4", last="2011Q4", indicators=LEDGER), facts("wholesale_accounts")


def test_cncf_members_by_quarter(cncf):
    panel, told = cncf

    assert dict(zip(panel.labels, (panel.recorded.codes >= 0).sum(axis=0).tolist(), strict=True)) == told["active_by_quarter"]
    assert dict(zip(panel.labels, panel.member.sum(axis=0).tolist(), strict=True)) == told["active_by_quarter"]
    assert panel.recorded.codes.size - (panel.recorded.codes < 0).sum() == told["partner_quarters"]


def test_cncf_moves_of_members_between_tiers(cncf):
    panel, told = cncf
    before, after = panel.recorded.codes[:, :-1], panel.recorded.codes[:, 1:]
    states = {**{tier: code for code, tier in enumerate(panel.recorded.tiers)}, "out": -1}
    moves = {
        tier: {to: int(((before == states[tier]) & (after == code)).sum()) for to, code in states.items()} for tier in panel.recorded.tiers
    }

    # facts' row "out" mixes first joins with returns, so only the rows of members are compared
    assert moves == {tier: told["quarterly_tier_transitions"][tier] for tier in panel.recorded.tiers}


def test_cncf_stays_are_all_there(cncf):
    panel, told = cncf

    assert len(panel.recorded.intervals) == told["tier_intervals"]
    assert len(panel.partners) == told["partners"]


def test_what_cncf_does_not_record_is_unknown_and_not_zero(cncf):
    panel, _ = cncf

    assert not panel.known("leads")
    assert np.isnan(panel.values("relevance")).all()
    assert np.isnan(panel.values("suggestions_4q")).all()


def test_wholesale_accounts_by_quarter(wholesale):
    panel, told = wholesale

    assert dict(zip(panel.labels, (panel.totals["invoices"] > 0).sum(axis=0).tolist(), strict=True)) == told["active_by_quarter"]


def test_wholesale_first_and_last_quarter_are_partial(wholesale):
    panel, _ = wholesale

    assert [label for label, partial in zip(panel.labels, panel.partial, strict=True) if partial] == ["2009Q4", "2011Q4"]


def test_wholesale_money_differs_by_two_cents_of_rounded_lines(wholesale):
    panel, told = wholesale

    # money has two decimals in the contract; a few unit prices have three, so single lines are rounded to the cent
    assert panel.totals["net"].sum() / 100 == pytest.approx(told["net_gbp_identified"], abs=0.03)


def test_wholesale_segments_move_as_published(wholesale):
    panel, told = wholesale
    n, net = panel.totals["invoices"], panel.totals["net"]
    relevance = np.divide(net, n, where=n > 0, out=np.full(n.shape, np.nan))
    segment = np.full(n.shape, 4)
    for quarter in range(n.shape[1]):
        active = n[:, quarter] > 0
        often = n[:, quarter] > np.median(n[active, quarter])
        worthy = relevance[:, quarter] > np.median(relevance[active, quarter])
        segment[active, quarter] = (2 * ~often + ~worthy)[active]
    names = ["A", "B", "C", "D", "inactive"]
    whole = ~panel.partial[:-1] & ~panel.partial[1:]
    before, after = segment[:, :-1][:, whole], segment[:, 1:][:, whole]
    moves = {a: {b: int(((before == i) & (after == j)).sum()) for j, b in enumerate(names)} for i, a in enumerate(names[:4])}

    assert moves == told["segment_transitions_2010Q1_2011Q3"]


def test_wholesale_as_known_in_summer_has_no_autumn(folder):
    with connect(MAPPINGS / "wholesale_accounts.yaml") as source:
        then = build_panel(source, first="2009Q4", last="2011Q2", indicators=LEDGER, as_of="2011-06-30")
        now = build_panel(source, first="2009Q4", last="2011Q2", indicators=LEDGER)

        assert data_span(source, as_of="2011-06-30").last == "2011Q2"
    # the ledger does not say when a line was recorded, so it counts from its event on and nothing is restated
    assert compare_panels(then, other=now).empty
