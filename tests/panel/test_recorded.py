"""Tiers that the program recorded: intervals in, one tier at the end of each period out."""

import numpy as np
import pandas as pd

from partnerlab.intake import Program, connect
from partnerlab.panel import build_panel


def _panel(*stays, order="gold > silver", as_of=None, partners=None, checked=False, **more):
    """A panel of the recorded stays: partner, tier, from, to."""
    history = pd.DataFrame(stays, columns=["partner_id", "tier", "valid_from", "valid_to"]).assign(program_id="p", **more)
    tables = {
        "partners": pd.DataFrame({"partner_id": ["a", "b"], **(partners or {})}),
        "tier_history": history.astype({"valid_from": "datetime64[us]", "valid_to": "datetime64[us]"}),
        "cases": pd.DataFrame({"case_id": ["k"], "opened_at": ["2025-01-01 12:00"]}),
    }
    program = Program(data_until="2026-01-01", tier_order=order, timezone="Europe/Berlin")
    last = "2025Q4" if as_of is None else "2025Q2"
    return build_panel(connect(tables, program=program), first="2025Q1", last=last, as_of=as_of, checked=checked)


def test_the_tier_of_the_last_day_counts():
    panel = _panel(
        ("a", "silver", "2024-05-01", "2025-06-30"), ("a", "gold", "2025-06-30", None), ("b", "gold", "2025-08-01", "2025-12-01")
    )

    assert panel.recorded.tiers == ("gold", "silver")
    assert panel.recorded.codes.tolist() == [[1, 0, 0, 0], [-1, -1, 0, -1]]
    assert panel.recorded.right_censored.tolist() == [True, False]


def test_midnight_is_the_programs():
    # 22:00 UTC on the last of June is the first of July in Berlin
    panel = _panel(("a", "gold", "2025-01-01", "2025-06-30 22:00"), ("b", "gold", "2025-06-30 22:00", None))

    assert panel.recorded.codes.tolist() == [[0, 0, -1, -1], [-1, -1, 0, 0]]


def test_of_two_tiers_at_once_the_higher_counts():
    panel = _panel(("a", "silver", "2025-05-01", None), ("a", "gold", "2025-01-15", "2025-09-01"), checked=True)

    assert panel.recorded.codes[0].tolist() == [0, 0, 1, 1]


def test_without_an_order_the_later_counts():
    panel = _panel(("a", "silver", "2025-05-01", None), ("a", "gold", "2025-01-15", "2025-09-01"), order="", checked=True)

    assert [panel.recorded.tiers[code] for code in panel.recorded.codes[0]] == ["gold", "silver", "silver", "silver"]


def test_a_tier_that_the_order_does_not_name_comes_after():
    assert _panel(("a", "bronze", "2025-05-01", None)).recorded.tiers == ("gold", "silver", "bronze")


def test_an_end_yet_to_come_is_open():
    panel = _panel(("a", "gold", "2025-01-01", "2025-09-01"), ("b", "gold", "2025-08-01", None), as_of="2025-06-30")

    assert panel.recorded.intervals["valid_to"].isna().tolist() == [True]
    assert panel.recorded.right_censored.tolist() == [True, False]


def test_until_is_the_record_as_it_stood():
    stays = (("a", "silver", "2024-05-01", "2025-06-30"), ("a", "gold", "2025-06-30", None), ("b", "gold", "2025-08-01", "2025-12-01"))
    early = _panel(*stays).until("2025Q1")

    assert early.recorded.codes.tolist() == [[1], [-1]]
    assert early.recorded.intervals[["partner", "tier"]].to_numpy().tolist() == [["a", "silver"]]
    assert early.recorded.intervals["valid_to"].isna().all()


def test_truncation_is_kept():
    panel = _panel(("a", "gold", "2024-05-01", None), ("b", "gold", "2025-08-01", None), left_truncated=[True, False])

    np.testing.assert_array_equal(panel.recorded.left_truncated, [True, False])


def test_tiers_derived_by_rule_are_not_the_programs_word():
    panel = _panel(("a", "gold", "2024-05-01", None), ("b", "gold", "2025-08-01", None), origin=["derived", None])

    assert panel.recorded.codes.tolist() == [[-1] * 4, [-1, -1, 0, 0]]


def test_a_program_without_tiers_has_none():
    panel = build_panel(
        connect({"partners": pd.DataFrame({"partner_id": ["a"]}), "cases": pd.DataFrame({"case_id": ["k"], "opened_at": ["2025-01-01"]})},
                program=Program(data_until="2025-04-01")), first="2025Q1", last="2025Q1")  # fmt: skip

    assert panel.recorded is None


def test_without_a_day_of_leaving_a_partner_is_a_member_while_in_a_tier():
    stays = (("a", "gold", "2024-05-01", "2025-02-15"), ("a", "gold", "2025-06-30 22:00", None), ("b", "gold", "2025-04-01", None))
    panel = _panel(*stays)
    told = _panel(*stays, partners={"left_at": [None, None]})

    not_yet, active, lapsed = 0, 1, 2
    assert panel.state.tolist() == [[lapsed, lapsed, active, active], [not_yet, active, active, active]]
    np.testing.assert_allclose(panel.exposure[0], [45 / 90, 0, 1, 1], atol=0.001)
    assert told.state.tolist() == [[active] * 4] * 2


def test_before_the_record_begins_nobodys_membership_is_known():
    panel = _panel(("a", "gold", "2025-04-02", None), ("b", "gold", "2025-08-01", None), left_truncated=[True, False])

    not_yet, active, unknown = 0, 1, 3
    assert panel.state.tolist() == [[unknown, active, active, active], [unknown, not_yet, active, active]]
