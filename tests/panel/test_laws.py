"""What must hold of a panel whatever the rows are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.intake import Program, connect
from partnerlab.panel import Indicators, build_panel

DAYS = pd.date_range("2025-01-01", "2025-12-31 23:00", freq="h")
WANTED = Indicators(indicators={
    "leads": {"from": "leads"},
    "leads_1q": {"from": "leads", "window": 1},
    "leads_3q": {"from": "leads", "window": 3},
    "fit": {"from": "leads", "statistic": "mean", "value": "relevance"},
    "good": {"from": "leads", "statistic": "share", "value": "disposition = 'accepted'"},
    "customers": {"from": "leads", "statistic": "distinct", "value": "customer_id"},
})  # fmt: skip


@st.composite
def leads(draw):
    size = draw(st.integers(1, 25))

    def some(values):
        return draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))

    recorded = st.lists(st.integers(0, 24 * 120), min_size=size, max_size=size)
    table = pd.DataFrame({
        "lead_id": [f"l{i}" for i in range(size)], "partner_id": some(list("abc")), "created_at": some(list(DAYS)),
        "customer_id": some(["x", "y", None]), "relevance": some([0.1, 0.25, 0.7, None]),
        "disposition": some(["accepted", "rejected", None]),
    })  # fmt: skip
    return table.assign(recorded_at=table["created_at"] + pd.to_timedelta(draw(recorded), unit="h"))


def _build(table, *, first="2025Q1", last="2025Q4", as_of=None, zone="UTC", partners=("a", "b", "c")):
    frames = {"partners": pd.DataFrame({"partner_id": list(partners), "joined_at": "2024-01-01"}), "leads": table}
    frames["cases"] = pd.DataFrame({"case_id": ["k"], "opened_at": ["2025-01-01 12:00"]})
    source = connect(frames, program=Program(data_until="2026-01-01", timezone=zone))
    with source:
        return build_panel(source, first=first, last=last, indicators=WANTED, as_of=as_of)


@given(leads(), st.randoms())
@settings(deadline=None, max_examples=6)
def test_the_order_of_rows_does_not_matter(table, random):
    order = list(range(len(table)))
    random.shuffle(order)

    assert _build(table.iloc[order]).digest == _build(table).digest


@given(leads())
@settings(deadline=None, max_examples=6)
def test_quarters_add_up_to_all_rows(table):
    panel = _build(table)

    assert panel.totals["leads"].sum() == len(table)
    assert panel.counts["fit"].sum() == table["relevance"].notna().sum()
    assert panel.totals["fit"].sum() == pytest.approx(table["relevance"].sum())
    assert panel.totals["good"].sum() == (table["disposition"] == "accepted").sum()


@given(leads())
@settings(deadline=None, max_examples=6)
def test_a_window_of_one_is_the_quarter_itself(table):
    panel = _build(table)

    np.testing.assert_array_equal(panel.values("leads_1q"), panel.values("leads"))


@given(leads())
@settings(deadline=None, max_examples=6)
def test_a_window_does_not_depend_on_where_the_panel_begins(table):
    whole, late = _build(table), _build(table, first="2025Q3")

    np.testing.assert_array_equal(late.values("leads_3q"), whole.values("leads_3q")[:, 2:])


@given(leads())
@settings(deadline=None, max_examples=6)
def test_known_at_the_end_is_known(table):
    assert _build(table, as_of="2027-01-01").totals["leads"].tolist() == _build(table).totals["leads"].tolist()


@given(leads(), st.sampled_from(["2025-04-30", "2025-07-15", "2025-12-31"]))
@settings(deadline=None, max_examples=6)
def test_as_of_is_the_table_without_what_was_recorded_later(table, day):
    early = table[table["recorded_at"] < pd.Timestamp(day) + pd.Timedelta(days=1)]
    known = _build(table, last="2025Q1", as_of=day)

    assert known.totals["leads"].tolist() == (_build(early, last="2025Q1").totals["leads"].tolist() if len(early) else [[0]] * 3)


@given(leads())
@settings(deadline=None, max_examples=6)
def test_splitting_a_partner_splits_its_counts(table):
    split = table.assign(partner_id=table["partner_id"].where(table.index % 2 == 0, table["partner_id"] + "2"))
    whole, parts = _build(table), _build(split, partners=("a", "a2", "b", "b2", "c", "c2"))

    np.testing.assert_array_equal(parts.totals["leads"][::2] + parts.totals["leads"][1::2], whole.totals["leads"])
    np.testing.assert_allclose(parts.totals["fit"][::2] + parts.totals["fit"][1::2], whole.totals["fit"])


@given(leads(), st.sampled_from(["Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin", "Asia/Kathmandu"]))
@settings(deadline=None, max_examples=6)
def test_quarters_are_those_of_the_local_clock(table, zone):
    panel = _build(table.assign(created_at=table["created_at"].clip("2025-01-02", "2025-12-30")), zone=zone)
    local = table["created_at"].clip("2025-01-02", "2025-12-30").dt.tz_localize("UTC").dt.tz_convert(zone)
    expected = pd.crosstab(table["partner_id"], local.dt.quarter).reindex(index=list("abc"), columns=[1, 2, 3, 4], fill_value=0)

    np.testing.assert_array_equal(panel.totals["leads"], expected)
