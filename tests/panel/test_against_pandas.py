"""An outside reference: the standard indicators of a simulated program, worked out again in plain pandas."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.intake.simulate import Truth, simulate_program
from partnerlab.panel import build_panel

FIRST, LAST = "2023Q1", "2024Q4"


@pytest.fixture(scope="module")
def program():
    simulation = simulate_program(Truth.plain(n_partners=60, n_quarters=8), seed=11)
    tables = {name: table.to_pandas() for name, table in simulation.tables.items()}
    with simulation.source() as source:
        panel = build_panel(source, first=FIRST, last=LAST)
        zone = source.program.timezone
    return panel, tables, zone


def _latest(table, key):
    """The version of each row that was recorded last."""
    ordered = table.sort_values("recorded_at") if "recorded_at" in table else table
    return ordered.drop_duplicates(key, keep="last")


def _by_quarter(rows, moments, panel, zone, values=None):
    """Sum by partner and local quarter, laid out as the panel is."""
    local = pd.to_datetime(moments).dt.tz_localize("UTC").dt.tz_convert(zone)
    quarter = local.dt.year.astype("Int64").astype(str) + "Q" + local.dt.quarter.astype("Int64").astype(str)
    rows = pd.DataFrame({"partner": rows["partner_id"], "quarter": quarter, "value": 1.0 if values is None else values})
    wide = rows.pivot_table(index="partner", columns="quarter", values="value", aggfunc="sum", fill_value=0.0)
    return wide.reindex(index=panel.partners, columns=panel.labels, fill_value=0.0).to_numpy()


def _compare(panel, name, expected):
    seen = panel.covered.get(name, np.ones(panel.shape[1], dtype=bool))
    np.testing.assert_allclose(panel.totals[name][:, seen] / (100 if panel.indicators[name].money else 1), expected[:, seen], atol=1e-6)


def test_leads_are_those_accepted(program):
    panel, tables, zone = program
    leads = _latest(tables["leads"], "lead_id")
    good = leads[(leads["direction"] == "submitted") & leads["disposition"].isin(["accepted", "qualified", "converted"])]

    _compare(panel, "leads", _by_quarter(good, good["created_at"], panel, zone))


def test_deals_count_for_the_partner_that_sourced_them(program):
    panel, tables, zone = program
    parts = tables["deal_partners"].query("role == 'sourced'")[["deal_id", "partner_id"]].drop_duplicates()
    deals = _latest(tables["deals"], "deal_id").merge(parts, on="deal_id")
    decided = deals[deals["status"].isin(["won", "lost"])]
    won = decided[decided["status"] == "won"]

    _compare(
        panel,
        "deals_registered",
        _by_quarter(deals[deals["status"] != "void"], deals.loc[deals["status"] != "void", "created_at"], panel, zone),
    )
    _compare(panel, "deals_won", _by_quarter(won, won["closed_at"], panel, zone))
    np.testing.assert_array_equal(panel.counts["win_rate"], _by_quarter(decided, decided["closed_at"], panel, zone))


def test_revenue_is_invoices_less_credit_notes(program):
    panel, tables, zone = program
    lines = _latest(tables["transactions"], "txn_id").query("kind in ('invoice', 'credit_note')")

    _compare(panel, "revenue", _by_quarter(lines, lines["booked_at"], panel, zone, values=lines["amount_base"].astype(float)))


def test_a_window_of_a_year_is_four_quarters(program):
    panel, _, _ = program
    rolled = pd.DataFrame(panel.totals["leads_4q"]).T.rolling(4).sum().T.to_numpy()

    np.testing.assert_array_equal(panel.values("leads_4q")[:, 3:][panel.member[:, 3:]], rolled[:, 3:][panel.member[:, 3:]])


def test_certificates_held_on_the_last_day(program):
    panel, tables, _ = program
    held = _latest(tables["certifications"], "cert_id")
    expected = np.zeros(panel.shape)
    for column, period in enumerate(panel.periods):
        end = pd.Timestamp(panel.calendar.start(int(period) + 1))
        issued, expires, revoked = (pd.to_datetime(held[name]) for name in ("issued_at", "expires_at", "revoked_at"))
        valid = held[(issued < end) & ~(expires < end) & ~(revoked < end)]
        persons = valid.groupby("partner_id")["person_id"].nunique() + valid["person_id"].isna().groupby(valid["partner_id"]).sum()
        expected[:, column] = persons.reindex(panel.partners, fill_value=0).to_numpy()

    np.testing.assert_array_equal(panel.totals["certified"], expected)


def test_relevance_is_the_last_one_told(program):
    panel, tables, _ = program
    told = tables["partner_profile"].query("field == 'market_relevance'").dropna(subset=["number"])
    told = _latest(told, ["partner_id", "valid_from"]).assign(day=lambda rows: pd.to_datetime(rows["valid_from"])).sort_values("day")
    ends = pd.DataFrame({"day": [pd.Timestamp(panel.calendar.start(int(p) + 1)) - pd.Timedelta(days=1) for p in panel.periods]})
    grid = ends.merge(pd.DataFrame({"partner_id": panel.partners}), how="cross").sort_values("day").astype({"day": "datetime64[us]"})
    found = pd.merge_asof(grid, told.astype({"day": "datetime64[us]"}), on="day", by="partner_id")
    expected = found.pivot(index="partner_id", columns="day", values="number").reindex(panel.partners).to_numpy()

    np.testing.assert_array_equal(panel.totals["relevance"], expected)
