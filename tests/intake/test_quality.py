"""Every rule of the contract is broken once, by hand, and what is reported is what is done."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ContractError, MissingTableError
from partnerlab.intake import Program, check_rejects, connect, data_span, require_tables, select_rows, validate
from partnerlab.intake.quality import COLUMNS

DAY = pd.Timestamp("2024-05-01")
PROGRAM = Program(name="demo", data_until=date(2024, 7, 1), currency="EUR", tier_order=("gold", "silver"))


def quality(program=PROGRAM, **tables):
    return validate(connect({name: pd.DataFrame(columns) for name, columns in tables.items()}, program=program))


def findings(found, rule):
    return found.table.query("rule == @rule")[["table", "column", "grade", "rows"]].values.tolist()


def history(*stays):
    columns = ["partner_id", "tier", "valid_from", "valid_to"]
    return pd.DataFrame([dict(zip(columns, stay, strict=True)) for stay in stays]).assign(
        valid_from=lambda frame: pd.to_datetime(frame["valid_from"]), valid_to=lambda frame: pd.to_datetime(frame["valid_to"])
    )


def deals(n=2, **columns):
    return {"deal_id": [f"D{i}" for i in range(n)], "created_at": [DAY] * n, "status": ["won"] * n} | columns


def transactions(n=2, **columns):
    return {"txn_id": [f"T{i}" for i in range(n)], "booked_at": [DAY] * n, "kind": ["invoice"] * n, "amount": [10.0] * n} | columns


def test_clean_data_have_no_finding():
    found = quality(partners={"partner_id": ["P1", "P2"]}, tier_history=history(("P1", "gold", "2024-04-01", None)))

    assert found.passed
    assert list(found.table.columns) == list(COLUMNS)
    assert findings(found, "E1") == []
    assert found.tables == {"partners": 2, "tier_history": 1}


def test_e1_repeated_key():
    found = quality(partners={"partner_id": ["P1", "P1", "P1", "P2"]})

    assert findings(found, "E1") == [["partners", "partner_id", "reject", 2]]
    assert found.table["examples"][0] == "partner_id P1, times 3"


def test_e1_is_not_a_later_version():
    assert not quality(partners={"partner_id": ["P1", "P1"], "recorded_at": [DAY, DAY + pd.Timedelta(days=1)]}).count("E1")


def test_e2_missing_column_names_the_nearest():
    found = quality(deals={"deal_id": ["D1"], "created": [DAY], "status": ["won"]})

    assert findings(found, "E2") == [["deals", "created_at", "reject", 0]]
    assert "did you mean 'created'" in found.table["meaning"][0]


def test_e2_column_of_a_type_that_cannot_be_meant():
    found = quality(deals=deals(amount=[True, False]))

    assert findings(found, "E2") == [["deals", "amount", "reject", 0]]


def test_e3_conflicting_tiers():
    overlap = history(("P1", "gold", "2024-01-01", "2024-03-01"), ("P1", "silver", "2024-02-01", None), ("P2", "gold", "2024-01-01", None))

    assert findings(quality(tier_history=overlap), "E3") == [["tier_history", "valid_to", "reject", 1]]


def test_e3_half_open_intervals_may_touch():
    touching = history(("P1", "gold", "2024-01-01", "2024-03-01"), ("P1", "silver", "2024-03-01", None))

    assert not quality(tier_history=touching).count("E3")


def test_e4_credit_above_one():
    shares = {
        "deal_id": ["D1", "D1", "D1", "D2"],
        "partner_id": ["P1", "P2", "P1", "P1"],
        "role": ["sourced", "sourced", "influenced", "sourced"],
    }

    assert findings(quality(deal_partners=shares | {"weight": [0.5, 0.6, 1, 1]}), "E4") == [["deal_partners", "weight", "reject", 1]]


def test_e5_interval_that_ends_before_it_begins():
    assert findings(quality(tier_history=history(("P1", "gold", "2024-03-01", "2024-03-01"))), "E5") == [
        ["tier_history", "valid_to", "reject", 1]
    ]


@pytest.mark.parametrize(("more", "rows"), [({}, 1), ({"amount_base": [10.0, 9.0, 8.0]}, 0)])
def test_e6_several_currencies(more, rows):
    found = quality(transactions=transactions(3, currency=["EUR", None, "USD"]) | more)

    assert found.count("E6") == rows


def test_q1_epoch_zero_and_the_far_future():
    found = quality(deals=deals(3, created_at=pd.to_datetime(["1970-01-01", "2121-01-01", "2024-05-01"])))

    assert findings(found, "Q1") == [["deals", "created_at", "quarantine", 2]]


def test_q1_expiry_may_lie_ahead():
    certificates = {
        "cert_id": ["C1"],
        "partner_id": ["P1"],
        "program": ["x"],
        "issued_at": [DAY],
        "expires_at": [DAY + pd.Timedelta(days=700)],
    }

    assert not quality(certifications=certificates).count("Q1")


def test_q2_an_hour_of_grace():
    closed = [DAY - pd.Timedelta(minutes=59), DAY - pd.Timedelta(minutes=61)]

    assert findings(quality(deals=deals(closed_at=closed)), "Q2") == [["deals", "created_at", "quarantine", 1]]


def test_q2_two_pairs_that_share_a_column_are_counted_apart():
    cases = {
        "case_id": ["C1"],
        "opened_at": [DAY],
        "first_response_at": [DAY + pd.Timedelta(days=1)],
        "closed_at": [DAY - pd.Timedelta(days=1)],
    }

    assert quality(cases=cases).count("Q2") == 1


def test_q3_unreadable_and_empty_values_are_told_apart():
    found = quality(deals=deals(3, created_at=["2024-05-01", "soon", None], closed_at=["x", "y", None]))

    assert sorted(findings(found, "Q3")) == [
        ["deals", "closed_at", "quarantine", 2],
        ["deals", "created_at", "quarantine", 1],
        ["deals", "created_at", "quarantine", 1],
    ]


def test_q4_negative_deal_is_set_aside_and_impossible_share_is_unknown():
    found = quality(deals=deals(amount=[-1.0, 1.0]), leads={"lead_id": ["L1"], "created_at": [DAY], "relevance": [1.5]})

    assert found.table.query("rule == 'Q4'")["action"].tolist() == ["row set aside", "value is unknown, row kept"]


def test_q5_partner_whom_nobody_knows():
    assert findings(
        quality(partners={"partner_id": ["P1"]}, leads={"lead_id": ["L1"], "created_at": [DAY], "partner_id": ["P9"]}), "Q5"
    ) == [["leads", "partner_id", "quarantine", 1]]


def test_q6_postage_is_no_product_unless_the_program_says_so():
    lines = transactions(product=["POST", "85048"])

    strict, lenient = quality(transactions=lines), quality(PROGRAM.model_copy(update={"waive": {"Q6": "it counts"}}), transactions=lines)

    assert findings(strict, "Q6") == [["transactions", "product", "quarantine", 1]]
    assert findings(lenient, "Q6") == [["transactions", "product", "warn", 1]]
    assert "it counts" in lenient.table.query("rule == 'Q6'")["action"].iloc[0]


def test_q7_test_partners():
    assert quality(partners={"partner_id": ["P1", "P2"], "is_test": [True, None]}).count("Q7") == 1


def test_w1_share_without_partner_and_its_drift():
    months = pd.to_datetime(["2024-02-01"] * 60 + ["2024-05-01"] * 60)
    owner = ["P1"] * 60 + [None] * 30 + ["P1"] * 30

    found = (
        quality(leads={"lead_id": np.arange(120).astype(str), "created_at": months, "partner_id": owner})
        .table.query("rule == 'W1'")
        .iloc[0]
    )

    assert (found["rows"], found["share"]) == (30, 0.25)
    assert found["examples"] == "by quarter from 0.0% (2024Q1) to 50.0% (2024Q2)"


def test_w1_deals_without_a_partner():
    assert quality(deals=deals(4), deal_partners={"deal_id": ["D1"], "partner_id": ["P1"], "role": ["sourced"]}).count("W1") == 3


def test_w2_duplicates_are_reported_and_kept():
    source = connect({"transactions": pd.DataFrame(transactions(3, product=["a", "a", "b"], partner_id="P1"))}, program=PROGRAM)

    assert validate(source).count("W2") == 1
    assert source.run(select_rows(source, "transactions", columns=["txn_id"])).num_rows == 3


def test_w3_two_extracts_hold_the_same_rows():
    lines = transactions(4, product=["a", "a", "a", "b"], partner_id=["P1"] * 4, source_system=["A", "B", "B", "B"])

    found = quality(transactions=lines)

    assert (found.count("W3"), found.count("W2")) == (1, 1)


def test_w4_names():
    aliases = {"partner_id": ["P1", "P1", "P2"], "alias": ["Alder", "Birch", "Birch"], "source_id": ["1", "2", "3"]}

    assert findings(quality(partner_aliases=aliases), "W4") == [
        ["partner_aliases", "alias", "warn", 1],
        ["partner_aliases", "alias", "warn", 1],
    ]


def test_w5_join_dates():
    partners = {"partner_id": ["P1", "P2"], "joined_at": ["2024-05-01", "2024-01-01"], "joined_source": ["stated", "first_seen"]}
    profile = {
        "partner_id": ["P1", "P1"],
        "field": ["joined_at"] * 2,
        "value": ["2024-05-01", "2024-04-01"],
        "valid_from": ["2024-05-01", "2024-06-01"],
    }

    found = quality(partners=partners, tier_history=history(("P1", "gold", "2024-03-01", None)), partner_profile=profile)

    assert sorted(findings(found, "W5")) == [
        ["partner_profile", "value", "warn", 1],
        ["partners", "joined_at", "warn", 1],
        ["partners", "joined_source", "warn", 1],
    ]


def test_w6_late_news_and_restatements():
    later = [DAY, DAY + pd.Timedelta(days=10), DAY + pd.Timedelta(days=100)]

    found = quality(deals=deals(3, deal_id=["D1", "D1", "D2"], recorded_at=later))

    assert found.table.query("rule == 'W6'")["meaning"].tolist() == [
        "earlier versions of rows that were restated",
        "recorded more than 92 days after they happened",
    ]


def test_w7_batch_terminations():
    weeks = pd.date_range("2023-01-02", periods=20, freq="7D")
    ends = list(weeks) + [weeks[5]] * 12
    stays = history(*[(f"P{i}", "gold", "2022-01-01", end) for i, end in enumerate(ends)])

    found = quality(tier_history=stays).table.query("rule == 'W7'").iloc[0]

    assert (found["rows"], found["examples"]) == (13, f"week of {weeks[5].date()}: 13")


def test_w8_truncation_and_censoring():
    stays = history(("P1", "gold", "2024-01-01", None)).assign(left_truncated=True, right_censored=True)

    assert quality(tier_history=stays).count("W8") == 2


def test_w9_local_time_labelled_utc():
    hours = pd.Timestamp("2024-05-01") + pd.to_timedelta(np.tile(np.arange(9, 17), 50), unit="h")
    events = {"activity_id": np.arange(400).astype(str), "tactic": "call", "occurred_at": hours}

    found = quality(PROGRAM.model_copy(update={"timezone": "America/Los_Angeles"}), activities=events)

    assert found.count("W9") == 400


def daily_leads(first, last):
    days = pd.date_range(first, last, freq="D")
    return {"lead_id": days.astype(str), "partner_id": "P1", "created_at": days + pd.Timedelta(hours=10)}


def test_w10_partial_quarters():
    until = PROGRAM.model_copy(update={"data_until": date(2024, 6, 15)})

    found = quality(until, leads=daily_leads("2024-02-20", "2024-06-14"))

    assert found.table.query("rule == 'W10'")["meaning"].tolist() == [
        "first quarter 2024Q1 is partial: nothing before 2024-02-20",
        "last quarter 2024Q2 is partial: data until 2024-06-15",
    ]


def test_w10_is_silent_where_the_panel_flags_nothing():
    source = connect({"leads": pd.DataFrame(daily_leads("2024-01-03", "2024-06-27"))})

    assert data_span(source).partial == ()
    assert validate(source).count("W10") == len(validate(source).table.query("rule == 'W10'")) == 0


def test_w10_is_said_once_of_the_tables_looked_at():
    frames = {"leads": pd.DataFrame(daily_leads("2024-02-20", "2024-06-29")), "cases": pd.DataFrame({"case_id": ["C"], "opened_at": [DAY]})}

    found = validate(connect(frames, program=PROGRAM), tables=["cases"]).table.query("rule == 'W10'")

    assert found["meaning"].tolist()[0] == "first quarter 2024Q1 is partial: nothing before 2024-02-20"


def test_w10_a_table_that_begins_late_is_unknown_before():
    cases = {"case_id": ["C1", "C2"], "opened_at": pd.to_datetime(["2023-01-02", "2024-06-30"])}

    found = quality(cases=cases, leads=daily_leads("2024-04-02", "2024-06-29"))

    (late,) = found.table.query("rule == 'W10' and table == 'leads'").to_dict("records")
    assert (late["meaning"], late["examples"]) == ("no row in 5 of 6 quarters at the ends", "2023Q1, 2023Q2, 2023Q3")


def test_w5_counts_rows_outside_membership_in_the_programs_days():
    partners = {"partner_id": ["P1", "P2"], "joined_at": ["2024-04-01", "2023-01-01"], "left_at": [None, "2024-05-01"]}
    leads = {
        "lead_id": list("abcdef"), "partner_id": ["P1"] * 3 + ["P2"] * 3,
        "created_at": pd.to_datetime(
            [f"2024-{day}" for day in ("03-31 21:59:59", "03-31 22:00:00", "06-01 00:00:00")]
            + [f"2024-{day}" for day in ("04-30 21:59:59", "04-30 22:00:00", "06-01 00:00:00")]
        ),
    }  # fmt: skip
    berlin = PROGRAM.model_copy(update={"timezone": "Europe/Berlin"})
    parts = {"deal_id": ["D0", "D1"], "partner_id": ["P1", "P2"], "role": ["sourced", "sourced"]}

    found = quality(berlin, partners=partners, leads=leads, deals=deals(), deal_partners=parts)

    assert [row for row in findings(found, "W5") if row[0] != "partners"] == [
        ["deals", "created_at", "warn", 1],
        ["leads", "created_at", "warn", 3],
    ]


def test_w15_says_what_to_map_the_values_to():
    (found,) = quality(deals=deals(status=["Closed Won", "WON"])).table.query("rule == 'W15'").to_dict("records")

    assert (found["rows"], found["examples"], found["meaning"]) == (
        1, "Closed Won (1)", "outside the closed list; map them to open, won, lost, void",
    )  # fmt: skip


def test_the_moment_of_knowledge_may_be_a_day_or_a_text():
    source = connect({"deals": pd.DataFrame(deals(2, created_at=["2024-05-01", "2024-06-05"]))}, program=PROGRAM)

    counts = [validate(source, as_of=moment).tables["deals"] for moment in ("2024-06-04", date(2024, 6, 5), datetime(2024, 6, 5))]

    assert counts == [1, 2, 2]


def test_rejects_of_the_tables_asked_for_stop_and_others_do_not():
    tables = {"partners": {"partner_id": ["P1"]}, "surveys": {"response_id": ["1", "1"], "item": ["x", "x"], "sent_at": [DAY, DAY]}}
    source = connect({name: pd.DataFrame(columns) for name, columns in tables.items()})

    check_rejects(source, tables=["partners"])

    with pytest.raises(ContractError, match=r"surveys\..*rows repeat the key of another \(E1\)"):
        check_rejects(source, tables=["partners", "surveys"])


def test_what_was_found_to_reject_is_not_asked_again(monkeypatch):
    source = connect({"deals": pd.DataFrame(deals())}, program=PROGRAM)
    validate(source, tables=["deals"])
    monkeypatch.setattr(source, "run", lambda query: pytest.fail("asked again"))

    check_rejects(source, tables=["deals"])


def test_w11_and_w17_money_that_needs_a_second_look():
    lines = transactions(
        5, kind=["invoice", "invoice", "credit_note", "credit_note", "invoice"], amount=[0.0, -5.0, -1.0, 2.0, 3.0],
        unit_price=[0.0, -5.0, 1.0, 1.0, 1.0], partner_id=["P1", "P1", "P1", "P1", "P2"],
    )  # fmt: skip

    found = quality(transactions=lines).table

    counted = found[found["rule"].isin(["W11", "W17"])].set_index("meaning")["rows"].to_dict()
    assert counted == {
        "amount is zero": 1, "unit price is zero": 1, "unit price is negative": 1, "the sign is against the kind": 2,
        "credit notes (cancellations)": 2, "partners whose transactions net to zero or less": 1,
    }  # fmt: skip


def test_w12_tiers_that_the_program_does_not_list():
    stays = history(("P1", "gold", "2024-01-01", None), ("P2", "bronze", "2024-01-01", None))
    profile = {"partner_id": ["P1"], "field": ["tiers_at_once"], "number": [2.0], "valid_from": ["2024-05-01"]}

    assert findings(quality(tier_history=stays, partner_profile=profile), "W12") == [
        ["partner_profile", "number", "warn", 1],
        ["tier_history", "tier", "warn", 1],
    ]


@pytest.mark.parametrize(
    ("sizes", "shares", "rows"), [((500, 500), (0.5, 0.5), 0), ((600, 400), (0.5, 0.5), 1000), ((600, 400), (0.6, 0.4), 0)]
)
def test_w13_sample_ratio_mismatch(sizes, shares, rows):
    variants = np.repeat(["a", "b"], sizes)
    units = {
        "experiment_id": "X",
        "unit_id": np.arange(1000).astype(str),
        "variant": variants,
        "assigned_at": DAY,
        "p_assign": np.repeat(shares, sizes),
    }

    assert quality(assignments=units).count("W13") == rows


def test_w14_personal_data():
    found = quality(partners={"partner_id": ["P1"], "Email": ["a@b.example"], "manager_id": ["ann@example.org"]})

    assert findings(found, "W14") == [["partners", "Email", "warn", 0], ["partners", "manager_id", "warn", 1]]


def test_w15_strange_categories():
    found = quality(deals=deals(3, status=["Won", "pending", "lost"])).table.query("rule == 'W15'").iloc[0]

    assert (found["rows"], found["examples"]) == (1, "pending (1)")


def test_w16_columns_nobody_reads():
    assert quality(partners={"partner_id": ["P1"], "regoin": ["x"]}).table.query("rule == 'W16'")["examples"].tolist() == [
        "regoin; did you mean 'region'?"
    ]


def test_w18_references_to_nobody():
    assert findings(quality(deals=deals(lead_id=["L1", None]), leads={"lead_id": ["L2"], "created_at": [DAY]}), "W18") == [
        ["deals", "lead_id", "warn", 1]
    ]


def test_rejection_stops_in_one_line():
    found = quality(partners={"partner_id": ["P1", "P1"]})

    with pytest.raises(ContractError, match=r"memory://: partners\.partner_id: 1 row: rows repeat the key of another \(E1\)") as caught:
        found.raise_if_rejected()
    assert "\n" not in str(caught.value)
    assert caught.value.facts["rule"] == "E1"


def test_report_reads_as_a_sentence_and_as_html():
    found = quality(partners={"partner_id": ["P1", "P1"]}, deals=deals(amount=[-1.0, 1.0]))

    assert found.summary().startswith("2 tables, 4 rows: 1 finding to reject, 1 row or value set aside, ")
    assert "<table" in found._repr_html_()


def test_only_the_tables_asked_for_are_looked_at():
    source = connect({"partners": pd.DataFrame({"partner_id": ["P1", "P1"]}), "deals": pd.DataFrame(deals())})

    assert set(validate(source, tables=["deals"]).tables) == {"deals"}
    with pytest.raises(MissingTableError, match="validate needs the table cases"):
        validate(source, tables=["cases"])


def test_as_of_a_date_later_rows_do_not_count():
    source = connect(
        {"deals": pd.DataFrame(deals(3, amount=[-1.0, -1.0, 5.0], recorded_at=pd.to_datetime(["2024-05-02", "2024-06-02", "2024-06-03"])))}
    )

    assert validate(source, as_of=datetime(2024, 5, 15)).count("Q4") == 1
    assert validate(source, as_of=datetime(2024, 5, 15)).tables == {"deals": 1}


def test_absent_tables_are_refused_by_name():
    with pytest.raises(MissingTableError, match="support load needs the tables cases, deals; memory:// has partners"):
        require_tables(connect({"partners": pd.DataFrame({"partner_id": ["P1"]})}), "support load", "cases", "deals")


MOMENTS = st.sampled_from(["2024-05-01", "1970-01-01", "2121-01-01", "soon", None, "2024-05-02T10:00Z"])


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(MOMENTS, MOMENTS, st.sampled_from(["won", "open", None]), st.sampled_from([-1.0, 0.0, 5.0, None])),
        min_size=1,
        max_size=12,
    )
)
def test_rows_kept_and_rows_set_aside_make_all_rows(cells):
    columns = dict(zip(("created_at", "closed_at", "status", "amount"), map(list, zip(*cells, strict=True)), strict=True))
    frame = pd.DataFrame({"deal_id": [f"D{i}" for i in range(len(cells))]} | columns).astype(
        {"created_at": "str", "closed_at": "str", "amount": float}
    )
    source = connect({"deals": frame}, program=PROGRAM)

    aside = validate(source).table.query("action == 'row set aside'")["rows"]
    kept = source.run(select_rows(source, "deals", columns=["deal_id"])).num_rows

    # a row may break several rules, so the count of breaches is at least that of the rows
    assert max(aside, default=0) <= len(frame) - kept
    assert len(frame) - kept <= aside.sum()


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(8)))
def test_order_of_rows_changes_no_finding(order):
    frame = pd.DataFrame(deals(8, closed_at=["2024-04-01", "x", None, "1970-01-01"] * 2, amount=[-1.0, 0.0, 5.0, 5.0] * 2, stage="a"))

    found = [validate(connect({"deals": given}, program=PROGRAM)).table for given in (frame, frame.iloc[list(order)])]

    pd.testing.assert_frame_equal(*found)
