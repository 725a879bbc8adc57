"""Every statistic, every cut: PostgreSQL builds the panel that DuckDB builds, to the last bit."""

from __future__ import annotations

import pytest

from partnerlab.intake import connect
from partnerlab.panel import Indicators, build_panel, data_span
from partnerlab.periods import Calendar

pytestmark = pytest.mark.engines

EVERY = Indicators(indicators={
    "fit": {"from": "leads", "statistic": "mean", "value": "relevance", "squares": True, "window": 3},
    "worth": {"from": "deals", "statistic": "mean", "value": "amount_base", "role": "any", "squares": True},
    "large": {"from": "deals", "statistic": "share", "value": "amount_base > 5000 and deal_type is not null", "at": "closed_at"},
    "primary": {"from": "deals", "where": "is_primary and role <> 'fulfilled'", "role": "sourced"},
    "influenced": {"from": "deals", "role": "influenced", "statistic": "active", "at_least": 2, "window": 4},
    "products": {"from": "transactions", "statistic": "distinct", "value": "product"},
    "units": {"from": "transactions", "statistic": "sum", "value": "quantity"},
    "hours": {"from": "manager_time", "statistic": "sum", "value": "minutes", "missing": "unknown"},
    "escalated": {"from": "cases", "statistic": "mean", "value": "escalated", "min_n": 2},
    "open_cases": {"from": "cases", "statistic": "held", "ends": ["closed_at"]},
    "papers": {"from": "certifications", "statistic": "held"},
    "relevance": {"from": "partner_profile", "where": "field = 'market_relevance'", "statistic": "last", "value": "number"},
    "typical": {"from": "deals", "role": "any", "statistic": "median", "value": "amount", "window": 4, "min_n": 2},
    "usual_fit": {"from": "leads", "statistic": "median", "value": "relevance"},
    "urgent": {"from": "cases", "statistic": "median", "value": "escalated", "window": 2},
    "experts": {"from": "certifications", "statistic": "held", "any_of": ["Architect", "Solution Engineer"],
                "retired": {"Architect": "2025-01-15"}},
    "months": {"from": "transactions", "statistic": "months", "value": "amount_base", "at_least": 1000, "window": 4},
    "in_a_row": {"from": "leads", "statistic": "months", "window": 3, "consecutive": True},
    "points": {"from": "transactions", "where": "kind <> 'reward'", "statistic": "sum", "value": "amount", "window": 4, "points": {
        "rates": [{"rate": 1, "until": "2024-11-15"}, {"rate": "1.25", "from": "2024-11-15"}],
        "multipliers": [{"times": 3, "where": "customer_market = 'growth'"}, {"times": "0.5", "where": "amount < 0"}],
        "currency": {"USD": "0.9137", "BRL": "0.17"},
    }},
    "registered": {"from": "deals", "role": "sourced", "statistic": "sum", "points": {"rates": [{"rate": "2.5"}]}},
    "units_sold": {"from": "transactions", "statistic": "sum", "value": "quantity", "points": {"rates": [{"rate": "0.333333"}]}},
})  # fmt: skip

#: What the units of partners are told apart by.
BY_UNIT = ("fit", "large", "influenced", "products", "units", "papers", "relevance", "typical", "experts", "months", "in_a_row", "points")


@pytest.fixture(scope="module")
def server(server_url):
    with connect(server_url) as source:
        yield source


@pytest.fixture(scope="module")
def laptop(simulation):
    with simulation.source() as source:
        yield source


@pytest.mark.parametrize("as_of", [None, "2025-05-20"])
@pytest.mark.parametrize(
    ("calendar", "first", "last"),
    [
        (None, "2024Q1", "2025Q2"),
        (Calendar(cadence="month", timezone="America/New_York"), "2024-11", "2025-04"),
        (Calendar(start_month=2, timezone="Asia/Kolkata"), "FY2025Q1", "FY2026Q1"),
    ],
    ids=["quarters", "months", "fiscal"],
)
def test_every_statistic_is_the_same(server, laptop, calendar, first, last, as_of):
    ours, theirs = (
        build_panel(source, first=first, last=last, indicators=EVERY, calendar=calendar, as_of=as_of) for source in (laptop, server)
    )

    assert theirs.digest == ours.digest
    assert theirs.provenance.notes == ours.provenance.notes


@pytest.mark.parametrize("as_of", [None, "2025-05-20"])
@pytest.mark.parametrize("unit", ["region", "portfolio"])
def test_every_unit_is_the_same(server, laptop, unit, as_of):
    span = {"first": "2024Q1", "last": "2025Q2", "indicators": EVERY.only(BY_UNIT), "unit": unit, "as_of": as_of}
    ours, theirs = (build_panel(source, **span) for source in (laptop, server))

    assert len(ours.units.of) >= len(ours.partners)
    assert theirs.digest == ours.digest
    assert theirs.provenance.notes == ours.provenance.notes


@pytest.mark.parametrize("as_of", [None, "2025-05-20"])
def test_the_data_reach_equally_far(server, laptop, as_of):
    assert data_span(server, as_of=as_of) == data_span(laptop, as_of=as_of)
