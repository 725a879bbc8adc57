"""A panel built from rows, by hand: each row lands in its partner's period, or is reported."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ContractError, MissingTableError, ParameterError, SampleError
from partnerlab.intake import Program, connect
from partnerlab.panel import Indicators, Membership, build_panel, compare_panels, data_span

YEAR = {"first": "2025Q1", "last": "2025Q4"}


def _source(*, until="2026-01-01", program=None, **tables):
    """A program of partners a, b and c, with whatever tables are given; cases all through keep the data's span."""
    partners = pd.DataFrame(
        {"partner_id": ["a", "b", "c"], "joined_at": [None, "2025-04-01", "2024-01-01"], "left_at": [None, None, "2025-08-15"]}
    )
    spread = pd.DataFrame({"case_id": ["k1", "k2"], "partner_id": ["a", "a"], "opened_at": ["2025-01-01 12:00", "2025-12-31 12:00"]})
    frames = {"partners": partners, "cases": spread} | {name: pd.DataFrame(table) for name, table in tables.items()}
    return connect(frames, program=Program(**{"data_until": until, **(program or {})}))


def _one(name="x", **keys):
    return Indicators(indicators={name: {"from": "deals", **keys}})


def _deals(**columns):
    ids = [f"d{i}" for i in range(len(next(iter(columns.values()))))]
    return {"deal_id": ids, "created_at": ["2025-02-01"] * len(ids), "status": ["won"] * len(ids)} | columns


def _parts(*rows):
    return pd.DataFrame(rows, columns=["deal_id", "partner_id", "role"])


def test_rows_are_counted_where_they_fall():
    leads = {
        "lead_id": list("uvwxy"),
        "partner_id": list("aaabz"),
        "created_at": ["2025-01-01", "2025-03-31 23:59", "2025-04-01", "2025-12-31", "2025-05-05"],
    }
    panel = build_panel(_source(leads=leads), **YEAR, indicators=Indicators(indicators={"leads": {"from": "leads"}}))

    assert panel.totals["leads"].tolist() == [[2, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    np.testing.assert_array_equal(panel.values("leads"), [[2, 1, 0, 0], [np.nan, 0, 0, 1], [0, 0, np.nan, np.nan]])


def test_states_and_exposure_follow_joining_and_leaving():
    panel = build_panel(_source(), **YEAR, only=["tickets"])

    in_, not_yet, gone = Membership.ACTIVE, Membership.NOT_YET, Membership.LAPSED
    assert panel.state.tolist() == [[in_] * 4, [not_yet, in_, in_, in_], [in_, in_, gone, gone]]
    np.testing.assert_allclose(panel.exposure, [[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 45 / 92, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("zone", "instant", "quarter"),
    [
        ("Europe/Berlin", "2025-03-31 21:59:59", "2025Q1"),  # summer time: the quarter begins at 22:00 UTC
        ("Europe/Berlin", "2025-03-31 22:00:00", "2025Q2"),
        ("Europe/Berlin", "2025-09-30 22:00:00", "2025Q4"),
        ("Europe/Berlin", "2025-12-31 22:59:59", "2025Q4"),  # winter time: 23:00 UTC
        ("America/New_York", "2025-04-01 03:59:59", "2025Q1"),
        ("America/New_York", "2025-04-01 04:00:00", "2025Q2"),
        ("Asia/Kolkata", "2025-06-30 18:29:59", "2025Q2"),
        ("Asia/Kolkata", "2025-06-30 18:30:00", "2025Q3"),
        ("UTC", "2025-06-30 23:59:59.999999", "2025Q2"),
    ],
)
def test_quarters_are_cut_at_the_midnights_of_the_program(zone, instant, quarter):
    leads = {"lead_id": ["u"], "partner_id": ["a"], "created_at": pd.to_datetime([instant])}
    source = _source(leads=leads, program={"timezone": zone})
    panel = build_panel(source, **YEAR, indicators=Indicators(indicators={"leads": {"from": "leads"}}))

    assert [label for label, n in zip(panel.labels, panel.totals["leads"][0], strict=True) if n] == [quarter]


def test_days_are_local_already():
    time = {"entry_id": ["e"], "manager_id": ["m"], "partner_id": ["a"], "day": ["2025-04-01"], "minutes": [30]}
    wanted = Indicators(indicators={"minutes": {"from": "manager_time", "statistic": "sum", "value": "minutes"}})
    panel = build_panel(_source(manager_time=time, program={"timezone": "America/New_York"}), **YEAR, indicators=wanted)

    assert panel.values("minutes")[0].tolist() == [0, 30, 0, 0]


def test_a_fiscal_year_and_months_cut_elsewhere():
    leads = {"lead_id": list("uv"), "partner_id": list("aa"), "created_at": ["2025-01-31", "2025-02-01"]}
    wanted = Indicators(indicators={"leads": {"from": "leads"}})
    fiscal = build_panel(_source(leads=leads, program={"start_month": 2}), first="FY2025Q4", last="FY2026Q1", indicators=wanted)
    monthly = build_panel(_source(leads=leads, program={"cadence": "month"}), first="2025-01", last="2025-03", indicators=wanted)

    assert fiscal.totals["leads"][0].tolist() == [1, 1]
    assert monthly.totals["leads"][0].tolist() == [1, 1, 0]


def test_money_is_exact_in_minor_units():
    lines = {"txn_id": [f"t{i}" for i in range(4)], "partner_id": ["a"] * 4, "booked_at": ["2025-01-15"] * 4,
             "kind": ["invoice", "invoice", "credit_note", "reward"], "amount": [0.1, 0.2, -0.05, 99.0]}  # fmt: skip
    panel = build_panel(_source(transactions=lines), **YEAR, only=["revenue"])

    assert panel.totals["revenue"][0].tolist() == [25, 0, 0, 0]
    assert panel.totals["revenue"].dtype == np.int64
    assert panel.values("revenue")[0, 0] == 0.25
    assert "revenue: transactions has no amount_base" in panel.provenance.notes[-1]


def test_amounts_abroad_count_only_in_the_programs_currency():
    lines = {"txn_id": list("tuvw"), "partner_id": ["a"] * 4, "booked_at": ["2025-01-15"] * 4, "kind": ["invoice"] * 4,
             "amount": [10.0] * 4, "currency": ["EUR", "USD", "USD", None], "amount_base": [None, 9.0, None, None]}  # fmt: skip
    panel = build_panel(_source(transactions=lines, program={"currency": "EUR"}), **YEAR, only=["revenue"])

    assert (panel.values("revenue")[0, 0], panel.n("revenue")[0, 0]) == (29.0, 3)


def test_only_the_month_known_is_enough():
    lines = {
        "txn_id": ["t", "u"],
        "partner_id": ["a"] * 2,
        "period_month": ["2025-03-01", "2025-04-01"],
        "kind": ["invoice"] * 2,
        "amount": [1, 2],
    }
    panel = build_panel(_source(transactions=lines, program={"timezone": "Europe/Berlin"}), **YEAR, only=["revenue"])

    assert panel.values("revenue")[0].tolist() == [1, 2, 0, 0]


def test_means_keep_their_counts_and_squares():
    cases = {
        "case_id": list("stuv"),
        "partner_id": list("aaab"),
        "opened_at": ["2025-01-02", "2025-02-02", "2025-12-31", "2025-12-31"],
        "csat": [0.5, 0.25, None, 1],
    }
    wanted = Indicators(indicators={"csat": {"from": "cases", "statistic": "mean", "value": "csat", "squares": True}})
    panel = build_panel(_source(cases=cases), **YEAR, indicators=wanted)

    np.testing.assert_array_equal(panel.values("csat")[:2], [[0.375, np.nan, np.nan, np.nan], [np.nan, np.nan, np.nan, 1]])
    assert panel.n("csat")[:2].tolist() == [[2, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(panel.squares["csat"][:2, 0], [0.3125, 0])


def test_deals_belong_to_partners_by_the_part_they_play():
    parts = _parts(("d0", "a", "sourced"), ("d0", "b", "influenced"), ("d1", "a", "influenced"), ("d1", "a", "fulfilled"))
    source = _source(deals=_deals(created_at=["2025-05-01", "2025-06-01"], region=["x", "y"]), deal_partners=parts)

    def count(role):
        return build_panel(source, **YEAR, indicators=_one(role=role)).totals["x"][:2, 1].tolist()

    assert {role: count(role) for role in ("sourced", "influenced", "fulfilled", "any")} == {
        "sourced": [1, 0], "influenced": [1, 1], "fulfilled": [1, 0], "any": [2, 1],
    }  # fmt: skip


def test_a_win_rate_knows_its_sample():
    deals = _deals(created_at=["2025-05-01"] * 7, closed_at=["2025-05-02"] * 5 + ["2025-08-01", None],
                   status=["won", "won", "lost", "lost", "lost", "won", "open"])  # fmt: skip
    source = _source(deals=deals, deal_partners=_parts(*((f"d{i}", "b", "sourced") for i in range(7))))
    panel = build_panel(source, **YEAR, only=["win_rate"])

    np.testing.assert_allclose(panel.values("win_rate")[1], [np.nan, 2 / 5, 3 / 6, 3 / 6])
    assert panel.n("win_rate")[1].tolist() == [0, 5, 6, 6]


def test_distinct_values_are_counted_once_a_period():
    lines = {"txn_id": list("tuvw"), "partner_id": ["a"] * 4, "booked_at": ["2025-01-15"] * 3 + ["2025-04-15"], "kind": ["invoice"] * 4,
             "amount": [1.0] * 4, "deal_id": ["i1", "i1", "i2", "i1"]}  # fmt: skip
    wanted = Indicators(indicators={"invoices": {"from": "transactions", "statistic": "distinct", "value": "deal_id"}})
    panel = build_panel(_source(transactions=lines), **YEAR, indicators=wanted)

    assert panel.values("invoices")[0].tolist() == [2, 1, 0, 0]
    assert panel.n("invoices")[0].tolist() == [3, 1, 0, 0]


def test_the_last_word_holds_until_the_next_even_from_before_the_panel():
    profile = {"partner_id": list("aaab"), "field": ["market_relevance"] * 4, "number": [10.0, 20, 30, 50],
               "valid_from": ["2019-01-01", "2025-05-01", "2025-06-30", "2025-11-01"]}  # fmt: skip
    panel = build_panel(_source(partner_profile=profile), **YEAR, only=["relevance"])

    np.testing.assert_array_equal(panel.values("relevance")[:2], [[10, 30, 30, 30], [np.nan, np.nan, np.nan, 50]])


def test_certificates_are_held_by_persons_on_the_last_day():
    certificates = {
        "cert_id": list("stuvw"), "partner_id": list("aaaaa"), "program": ["p"] * 5, "person_id": ["ann", "ann", "bob", "cy", None],
        "issued_at": ["2024-01-01", "2025-01-01", "2025-02-01", "2025-04-01", "2025-07-01"],
        "expires_at": ["2025-06-30", None, "2025-04-01", None, None], "revoked_at": [None, None, None, "2025-09-01", None],
    }  # fmt: skip
    panel = build_panel(_source(certifications=certificates), **YEAR, only=["certified"])

    # bob's expires on the first day of the second quarter, so he still holds it at the end of the first
    assert panel.values("certified")[0].tolist() == [2, 2, 2, 2]
    assert panel.n("certified")[0].tolist() == [3, 2, 2, 2]


def test_windows_reach_before_the_first_quarter_shown():
    leads = {"lead_id": [f"l{i}" for i in range(8)], "partner_id": ["a"] * 8,
             "created_at": [f"{y}-{m:02d}-15" for y in (2024, 2025) for m in (2, 5, 8, 11)]}  # fmt: skip
    source = _source(leads=leads)
    wanted = Indicators(indicators={"leads_4q": {"from": "leads", "window": 4}})
    whole = build_panel(source, first="2024Q1", last="2025Q4", indicators=wanted)
    late = build_panel(source, first="2025Q2", last="2025Q4", indicators=wanted)

    np.testing.assert_array_equal(whole.values("leads_4q")[0], [np.nan, np.nan, np.nan, 4, 4, 4, 4, 4])
    np.testing.assert_array_equal(late.values("leads_4q"), whole.values("leads_4q")[:, 5:])
    assert late.totals["leads_4q"].shape == (3, 3)


def test_a_table_that_begins_late_is_unknown_before():
    busy = pd.date_range("2025-07-02", "2025-12-30", freq="D")
    activities = {
        "activity_id": [f"v{i}" for i in range(len(busy))],
        "partner_id": ["a"] * len(busy),
        "tactic": ["call"] * len(busy),
        "occurred_at": busy,
    }
    panel = build_panel(_source(activities=activities), **YEAR, only=["activities", "tickets"])

    np.testing.assert_array_equal(panel.values("activities")[0], [np.nan, np.nan, 91, 91])
    assert panel.values("tickets")[0].tolist() == [1, 0, 0, 1]


def test_a_quarter_that_the_data_cut_is_partial():
    leads = pd.DataFrame({"created_at": pd.date_range("2025-02-20", "2025-11-20", freq="D")})
    leads = leads.assign(lead_id=leads.index.astype(str), partner_id="a")
    cases = {"case_id": ["k"], "partner_id": ["a"], "opened_at": ["2025-06-01"]}
    source = _source(leads=leads, cases=cases, until="2025-11-21")
    panel = build_panel(source, **YEAR, only=["tickets"])

    assert panel.partial.tolist() == [True, False, False, True]
    assert (data_span(source).last_complete, data_span(source).until.isoformat()) == ("2025Q3", "2025-11-21")
    np.testing.assert_allclose(panel.exposure[0], [1, 1, 1, 51 / 92], rtol=1e-6)


def test_a_quiet_week_at_the_end_is_no_partial_quarter():
    leads = pd.DataFrame({"created_at": pd.date_range("2025-01-03", "2025-12-27", freq="D")})
    leads = leads.assign(lead_id=leads.index.astype(str), partner_id="a")
    span = data_span(connect({"partners": pd.DataFrame({"partner_id": ["a"]}), "leads": leads}))

    assert (span.first, span.last, span.last_complete, span.partial) == ("2025Q1", "2025Q4", "2025Q4", ())


@pytest.mark.parametrize("asked", [{"first": "2024Q4", "last": "2025Q2"}, {"first": "2025Q1", "last": "2026Q1"}])
def test_a_quarter_outside_the_data_is_refused_in_one_line(asked):
    with pytest.raises(ParameterError, match="lies outside the data, which run from 2025Q1 to 2025Q4; choose within"):
        build_panel(_source(), **asked)


def test_data_without_dates_are_refused():
    with pytest.raises(SampleError, match="no row carries a date"):
        data_span(connect({"partners": pd.DataFrame({"partner_id": ["a"]})}))


def test_test_partners_are_left_out_and_reported():
    partners = pd.DataFrame({"partner_id": ["a", "t"], "is_test": [False, True]})
    panel = build_panel(_source(partners=partners), **YEAR, only=["tickets"])

    assert panel.partners.tolist() == ["a"]
    assert "1 test partners are left out" in panel.provenance.notes


def test_standard_indicators_without_their_table_are_left_out_and_say_why():
    panel = build_panel(_source(), **YEAR)

    assert panel.indicators.names == ("tickets",)
    with pytest.raises(MissingTableError, match="no indicator win_rate: needs table deals, which this program does not have"):
        panel.values("win_rate")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"only": ["win_rate"]}, "win_rate: needs table deals"),
        ({"indicators": _one(where="status = 'won'")}, "x: needs table deals"),
        ({"indicators": Indicators(indicators={"y": {"from": "cases", "where": "priority = 'high'"}})}, "y: needs column cases.priority"),
        (
            {"indicators": Indicators(indicators={"y": {"from": "cases", "statistic": "mean", "value": "csat"}})},
            "y: needs column cases.csat",
        ),
    ],
)
def test_an_indicator_asked_for_without_its_table_or_column_is_refused(asked, said):
    with pytest.raises(MissingTableError, match=said):
        build_panel(_source(), **YEAR, **asked)


def test_a_name_that_no_indicator_has_is_met_with_the_nearest():
    with pytest.raises(ParameterError, match="only: no indicator is called 'ticket'; did you mean 'tickets'"):
        build_panel(_source(), **YEAR, only=["ticket"])


def test_a_condition_on_an_absent_column_that_may_be_empty_still_counts():
    activities = {"activity_id": ["v"], "partner_id": ["a"], "tactic": ["call"], "occurred_at": ["2025-02-01"]}
    panel = build_panel(_source(activities=activities), **YEAR, only=["activities"])

    assert panel.totals["activities"][0].tolist() == [1, 0, 0, 0]


def test_a_field_of_the_profile_that_nobody_filled_is_unknown_and_not_zero():
    profile = {"partner_id": ["a"], "field": ["suggestion"], "number": [1.0], "valid_from": ["2025-05-01"]}
    panel = build_panel(_source(partner_profile=profile), **YEAR, only=["suggestions_4q", "referred_new_mgp_4q"])

    np.testing.assert_array_equal(panel.values("suggestions_4q")[1], [np.nan, 0, 0, 0])
    assert np.isnan(panel.values("referred_new_mgp_4q")[1]).all()
    assert panel.provenance.notes[-1] == "referred_new_mgp_4q: no row of partner_profile in these periods fulfils its condition"


def test_an_empty_table_is_unknown_and_not_zero():
    empty = pd.DataFrame({name: pd.Series(dtype="str") for name in ("lead_id", "partner_id", "direction", "disposition")})
    panel = build_panel(_source(leads=empty.assign(created_at=pd.Series(dtype="datetime64[us]"))), **YEAR, only=["leads", "tickets"])

    assert np.isnan(panel.values("leads")).all()
    assert panel.values("tickets")[0].tolist() == [1, 0, 0, 1]


def test_a_program_without_partners_has_nothing_to_show():
    with pytest.raises(SampleError, match="no row carries a date"):
        build_panel(_source(partners={"partner_id": pd.Series(dtype="str"), "name": pd.Series(dtype="str")}), **YEAR)


def _late_leads():
    """One lead in time, one recorded six weeks late, one whose partner was corrected."""
    return {
        "lead_id": ["u", "v", "w", "w"], "partner_id": ["a", "a", "a", "b"],
        "created_at": ["2025-05-01", "2025-06-01", "2025-06-10", "2025-06-10"],
        "recorded_at": ["2025-05-02", "2025-07-20", "2025-06-11", "2025-08-01"],
    }  # fmt: skip


def test_a_quarter_can_be_seen_as_it_was_known():
    source = _source(leads=_late_leads())
    wanted = Indicators(indicators={"leads": {"from": "leads"}})

    def known(as_of):
        return build_panel(source, first="2025Q2", last="2025Q2", indicators=wanted, as_of=as_of).totals["leads"][:2, 0].tolist()

    assert {day: known(day) for day in ("2025-07-01", "2025-07-20", "2025-08-01", None)} == {
        "2025-07-01": [2, 0], "2025-07-20": [3, 0], "2025-08-01": [2, 1], None: [2, 1],
    }  # fmt: skip


def test_a_table_that_does_not_say_when_is_named():
    panel = build_panel(_source(leads=_late_leads()), first="2025Q1", last="2025Q1", as_of="2025-12-31", only=["tickets"])

    assert any(note.startswith("cases does not say when its rows were recorded") for note in panel.provenance.notes)


def test_restatements_show_when_two_panels_are_compared():
    source = _source(leads=_late_leads())
    wanted = Indicators(indicators={"leads": {"from": "leads"}})
    early, late = (build_panel(source, first="2025Q1", last="2025Q2", indicators=wanted, as_of=day) for day in ("2025-07-01", "2025-09-01"))

    assert compare_panels(early, other=late).to_dict("records") == [
        {"quarter": "2025Q2", "indicator": "leads", "partners_changed": 1, "before": 2.0, "after": 3.0}
    ]


def test_nothing_after_as_of_exists():
    source = _source(leads=_late_leads())
    with pytest.raises(ParameterError, match="run from 2025Q1 to 2025Q2"):
        build_panel(source, first="2025Q1", last="2025Q3", as_of="2025-06-30", only=["tickets"])
    panel = build_panel(source, first="2025Q1", last="2025Q3", as_of="2025-07-31", only=["tickets"])

    assert panel.partial.tolist() == [False, False, True]
    assert panel.state[2].tolist() == [Membership.ACTIVE] * 3
    assert panel.attributes["left_at"].isna().all()


def test_grouping_in_the_engine_and_summing_here_give_the_same_panel(monkeypatch):
    lines = {"txn_id": [f"t{i}" for i in range(40)], "partner_id": ["a", "b", "c", "z"] * 10, "kind": ["invoice"] * 40,
             "booked_at": pd.date_range("2025-01-01", "2025-12-20", periods=40), "quantity": [0.1 * i for i in range(40)],
             "amount": [10.01 * i for i in range(40)]}  # fmt: skip
    parts = _parts(*((f"d{i}", "ab"[i % 2], "sourced") for i in range(9)))
    deals = _deals(closed_at=["2025-08-01"] * 9, status=["won", "lost", "lost"] * 3)
    source = _source(deals=deals, deal_partners=parts, transactions=lines)
    wanted = Indicators(indicators={
        "size": {"from": "transactions", "statistic": "mean", "value": "quantity"},
        "units": {"from": "transactions", "statistic": "sum", "value": "quantity"},
        "money": {"from": "transactions", "statistic": "sum", "value": "amount", "window": 2},
        "won": {"from": "deals", "where": "status = 'won'", "at": "closed_at"},
        "rate": {"from": "deals", "where": "status <> 'open'", "at": "closed_at", "statistic": "share", "value": "status = 'won'"},
    })  # fmt: skip
    here = build_panel(source, **YEAR, indicators=wanted)
    monkeypatch.setattr("partnerlab.panel.measure._BLOCK", 10)
    in_blocks = build_panel(source, **YEAR, indicators=wanted)
    monkeypatch.setattr("partnerlab.panel.measure._ordered_alike", lambda *_: False)
    there = build_panel(source, **YEAR, indicators=wanted)

    assert here.digest == in_blocks.digest == there.digest
    assert here.values("money")[0, 1] == 400.4


LEADS = {"lead_id": ["1", "2"], "partner_id": ["a", "b"], "created_at": ["2025-05-05", "2025-06-06"], "direction": ["submitted"] * 2}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"leads": LEADS | {"lead_id": ["1", "1"], "disposition": ["accepted"] * 2}}, r"leads.lead_id: 1 row: .*\(E1\)"),
        ({"partners": {"partner_id": ["a", "a"]}}, r"partners.partner_id: 1 row: .*\(E1\)"),
        (
            {"deals": _deals(closed_at=["2025-05-05"]), "deal_partners": _parts(("d0", "a", "sourced"), ("d0", "a", "sourced"))},
            r"deal_partners.*\(E1\)",
        ),
        (
            {"transactions": {"txn_id": ["t", "u"], "partner_id": ["a"] * 2, "booked_at": ["2025-01-15"] * 2, "kind": ["invoice"] * 2,
                              "amount": [1, 1], "currency": ["EUR", "JPY"]}},
            r"transactions.currency: 1 row: .*\(E6\)",
        ),
        (
            {"tier_history": {"partner_id": ["a"] * 2, "tier": ["x", "y"], "valid_from": ["2025-01-01", "2025-02-01"],
                              "valid_to": ["2025-06-01", None]}},
            r"tier_history.valid_to: 1 row: .*\(E3\)",
        ),
    ],
)  # fmt: skip
def test_rejected_tables_are_not_computed_from(tables, said):
    with pytest.raises(ContractError, match=said):
        build_panel(_source(**tables), **YEAR)


def test_a_rejected_table_that_no_indicator_reads_stops_nothing():
    surveys = {"response_id": ["1", "1"], "item": ["x", "x"], "sent_at": ["2025-01-01"] * 2}
    doubled = LEADS | {"lead_id": ["1", "1"], "disposition": ["accepted"] * 2}

    assert build_panel(_source(surveys=surveys), **YEAR).values("tickets")[0].tolist() == [1, 0, 0, 1]
    assert build_panel(_source(leads=doubled), **YEAR, only=["tickets"]).values("tickets")[0].tolist() == [1, 0, 0, 1]


def test_a_source_checked_elsewhere_is_not_checked_again():
    doubled = LEADS | {"lead_id": ["1", "1"], "disposition": ["accepted"] * 2}

    assert build_panel(_source(leads=doubled), **YEAR, checked=True).totals["leads"].sum() == 2


def test_values_that_nobody_reads_are_unknown_and_not_zero():
    panel = build_panel(_source(leads=LEADS | {"disposition": ["Akzeptiert"] * 2}), **YEAR, only=["leads", "tickets"])

    assert np.isnan(panel.values("leads")).all()
    assert panel.values("tickets")[0].tolist() == [1, 0, 0, 1]
    assert panel.provenance.notes[0] == (
        "leads: 2 rows have a leads.disposition outside the closed list: Akzeptiert (2); "
        "map them to new, accepted, rejected, qualified, converted, expired"
    )


def test_a_column_without_any_value_is_unknown_as_if_it_were_absent():
    panel = build_panel(_source(leads=LEADS | {"disposition": pd.Series([None, None], dtype="str")}), **YEAR, only=["leads"])

    assert np.isnan(panel.values("leads")).all()
    assert panel.provenance.notes == ("leads: leads.disposition has no value that can be read in any row",)


def test_some_values_that_nobody_reads_are_named_and_the_others_count():
    panel = build_panel(_source(leads=LEADS | {"disposition": ["Akzeptiert", "Accepted"]}), **YEAR, only=["leads"])

    assert panel.values("leads")[:2].tolist() == [[0] * 4, [pytest.approx(np.nan, nan_ok=True), 1, 0, 0]]
    assert "leads: 1 rows have a leads.disposition outside the closed list: Akzeptiert (1)" in panel.provenance.notes[0]


def test_a_foreign_word_for_the_kind_of_sale_makes_revenue_unknown():
    lines = {"txn_id": ["t"], "partner_id": ["a"], "booked_at": ["2025-01-15"], "kind": ["Faktura"], "amount": [10.0]}

    assert np.isnan(build_panel(_source(transactions=lines), **YEAR, only=["revenue"]).values("revenue")).all()


def test_a_foreign_status_makes_every_count_of_deals_unknown():
    deals = _deals(closed_at=["2025-05-05"] * 2, status=["Closed Won", "Lost it"])
    source = _source(deals=deals, deal_partners=_parts(("d0", "a", "sourced"), ("d1", "a", "sourced")))
    panel = build_panel(source, **YEAR, only=["deals_registered", "deals_won", "win_rate"])

    assert all(np.isnan(panel.values(name)).all() for name in panel.indicators.names)


def test_a_foreign_part_in_deals_makes_them_unknown():
    source = _source(deals=_deals(closed_at=["2025-05-05"]), deal_partners=_parts(("d0", "a", "Quelle")))

    assert np.isnan(build_panel(source, **YEAR, only=["deals_won"]).values("deals_won")).all()


@pytest.mark.parametrize(("closed", "known"), [(["20/05/2025", "21/05/2025"], False), (["20/05/2025", "2025-05-21"], True)])
def test_won_deals_that_do_not_say_when_are_unknown_and_not_zero(closed, known):
    source = _source(
        deals=_deals(closed_at=closed, created_at=["2025-01-05"] * 2), deal_partners=_parts(("d0", "a", "sourced"), ("d1", "a", "sourced"))
    )
    panel = build_panel(source, **YEAR, only=["deals_won"])

    assert (panel.values("deals_won")[0, 1] == 1) if known else np.isnan(panel.values("deals_won")).all()
    assert f"{1 if known else 2} of 2 rows of deals that fulfil the condition have no closed_at" in panel.provenance.notes[0]


def test_deals_of_which_none_is_won_yet_are_zero():
    source = _source(deals=_deals(status=["open"], closed_at=pd.Series([None], dtype="str")), deal_partners=_parts(("d0", "a", "sourced")))

    assert build_panel(source, **YEAR, only=["deals_won"]).values("deals_won")[0].tolist() == [0] * 4


def test_a_quarter_outside_is_refused_with_the_table_that_tells_nothing():
    partners = pd.DataFrame({"partner_id": ["a"], "joined_at": ["2024-01-01"]})
    leads = pd.DataFrame(LEADS | {"created_at": ["05/05/2025", "06/06/2025"], "partner_id": ["a", "a"]})

    with pytest.raises(ParameterError, match=r"leads.created_at: 2 rows: cannot be read as instant.*06/06/2025"):
        build_panel(connect({"partners": partners, "leads": leads}), **YEAR)


def test_a_misspelt_clock_is_named_where_nothing_else_tells_of_the_quarter():
    partners = pd.DataFrame({"partner_id": ["a"], "joined_at": ["2024-01-01"]})
    leads = pd.DataFrame(LEADS).rename(columns={"created_at": "createdat"})

    with pytest.raises(ParameterError, match=r"leads.created_at: required column is missing; did you mean 'createdat'\?"):
        build_panel(connect({"partners": partners, "leads": leads}), **YEAR)


def test_partners_that_are_no_rows_are_named():
    none = pd.DataFrame({"partner_id": pd.Series([], dtype="str")})

    with pytest.raises(SampleError, match=r"leads.partner_id: 2 rows: names nobody in partners"):
        build_panel(connect({"partners": none, "leads": pd.DataFrame(LEADS)}), **YEAR)


def test_a_misspelt_key_is_met_with_what_stands_there():
    partners = pd.DataFrame({"partnr_id": ["a"], "region": ["EMEA"]})

    with pytest.raises(ContractError, match=r"partners.partner_id: required column is missing; did you mean 'partnr_id'\?"):
        build_panel(connect({"partners": partners, "leads": pd.DataFrame(LEADS)}), **YEAR)


def test_an_address_is_not_a_source():
    with pytest.raises(ParameterError, match=r"takes a Source, not a str; open one: connect\('duckdb:///data/demo.duckdb'\)"):
        build_panel("duckdb:///data/demo.duckdb", **YEAR)
