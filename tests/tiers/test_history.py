"""The noun: from a table, to a table, and the small questions it answers."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ContractError, ParameterError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers

ORDER = ["Gold", "Silver"]


def snapshots(*rows: tuple[str, str, str | None], order=ORDER) -> TierHistory:
    return TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=order)


def intervals(*rows: tuple[str, str, str, str | None], order=ORDER) -> TierHistory:
    return TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "tier", "valid_from", "valid_to"]), order=order)


def test_snapshots_become_codes_with_states_around_them():
    history = snapshots(("a", "2026Q1", "Gold"), ("a", "2026Q3", "Silver"), ("b", "2026Q2", None), ("b", "2026Q3", "Gold"))

    assert history.names().tolist() == [["Gold", "lapsed", "Silver"], ["not yet joined", "unknown", "Gold"]]


def test_the_highest_of_several_counts_when_the_order_is_known():
    assert snapshots(("a", "2026Q1", "Silver"), ("a", "2026Q1", "Gold")).names().tolist() == [["Gold"]]


def test_two_tiers_at_once_are_refused_when_the_order_is_not_known():
    with pytest.raises(ParameterError, match="stand on several rows; give order="):
        snapshots(("a", "2026Q1", "Silver"), ("a", "2026Q1", "Gold"), order=[])


def test_intervals_give_the_tier_at_the_end_of_each_quarter():
    history = intervals(
        ("a", "Silver", "2026-01-10", "2026-04-01"), ("a", "Gold", "2026-04-01", None), ("b", "Gold", "2026-09-30", "2026-12-31")
    )

    assert history.labels == ["2026Q1", "2026Q2", "2026Q3", "2026Q4"]
    assert history.names().tolist() == [["Silver", "Gold", "Gold", "Gold"], ["not yet joined", "not yet joined", "Gold", "lapsed"]]


def test_overlapping_intervals_are_refused_unless_an_order_decides():
    rows = [("a", "Silver", "2026-01-01", None), ("a", "Gold", "2026-02-01", "2026-05-01")]

    assert intervals(*rows).names().tolist() == [["Gold", "Silver"]]
    with pytest.raises(ParameterError, match="1 intervals overlap another"):
        intervals(*rows, order=[])


def test_an_unknown_tier_is_refused_with_the_nearest():
    with pytest.raises(ParameterError, match="did you mean 'Gold'"):
        snapshots(("a", "2026Q1", "Golt"))


def test_moves_have_directions():
    history = snapshots(
        ("up", "2026Q1", "Silver"), ("up", "2026Q2", "Gold"),
        ("down", "2026Q1", "Gold"), ("down", "2026Q2", "Silver"),
        ("new", "2026Q2", "Silver"),
        ("gone", "2026Q1", "Gold"),
        ("blur", "2026Q1", "Gold"), ("blur", "2026Q2", None),
        ("same", "2026Q1", "Gold"), ("same", "2026Q2", "Gold"),
    )  # fmt: skip

    assert history.moves("2026Q2").set_index("partner")["direction"].to_dict() == {
        "up": "up", "down": "down", "new": "joined", "gone": "lapsed", "blur": "unknown",
    }  # fmt: skip


def test_who_comes_back_returned():
    history = snapshots(("a", "2026Q1", "Gold"), ("a", "2026Q3", "Gold"))

    assert history.moves("2026Q3")["direction"].tolist() == ["returned"]


def test_the_first_quarter_has_no_moves_to_tell():
    with pytest.raises(ParameterError, match="first period of the history"):
        snapshots(("a", "2026Q1", "Gold")).moves("2026Q1")


def test_counts_add_up_to_the_members():
    history = snapshots(("a", "2026Q1", "Gold"), ("b", "2026Q1", None), ("c", "2026Q1", "Gold"), ("d", "2026Q2", "Gold"))

    assert history.counts().query("quarter == '2026Q1'").set_index("tier")["partners"].to_dict() == {"Gold": 2, "Silver": 0, "unknown": 1}


def test_until_and_select_keep_what_they_say():
    history = snapshots(("a", "2026Q1", "Gold"), ("a", "2026Q2", "Silver"), ("b", "2026Q1", "Silver"), ("b", "2026Q2", "Silver"))

    assert history.until("2026Q1").names().tolist() == [["Gold"], ["Silver"]]
    assert history.select(["b"]).names().tolist() == [["Silver", "Silver"]]
    assert history.select(np.array([True, False])).partners.tolist() == ["a"]


def test_a_wrong_quarter_partner_or_stage_is_named():
    history = snapshots(("alpha", "2026Q1", "Gold"))

    with pytest.raises(ParameterError, match="runs from 2026Q1 to 2026Q1"):
        history.column("2027Q1")
    with pytest.raises(ParameterError, match="did you mean 'alpha'"):
        history.row("alpa")
    with pytest.raises(ParameterError, match="did you mean 'published'"):
        history.stage("publish")


def test_to_frame_has_a_row_for_each_partner_and_quarter():
    frame = snapshots(("a", "2026Q1", "Gold"), ("b", "2026Q2", "Silver")).to_frame()

    assert frame.columns.tolist() == ["partner", "quarter", "tier", "raw", "eligible", "held", "published", "reason"]
    assert len(frame) == 4


BANDS = {"kind": "bands", "value": "points", "bands": [{"name": "Gold", "from": 20}, {"name": "Silver"}]}


def published(*rows: dict, values=(5, 5, 5)) -> list[str]:
    labels = ["2026Q1", "2026Q2", "2026Q3"]
    panel = Panel.from_frame(pd.DataFrame({"partner": "p", "quarter": labels, "points": np.array(values, float)}))
    overrides = pd.DataFrame(rows)
    return assign_tiers(panel, TierScheme(scheme="demo", classify=BANDS), overrides=overrides).names()[0].tolist()


def override(**changes) -> dict:
    given = {
        "partner_id": "p",
        "tier": "Gold",
        "valid_from": "2026-05-01",
        "valid_to": "2026-08-01",
        "approver": "head",
        "reason": "launch",
    }
    return given | changes


def test_an_override_holds_while_it_lasts_and_stops_by_itself():
    assert published(override()) == ["Silver", "Gold", "Silver"]


def test_an_override_without_an_end_stays():
    assert published(override(valid_to=None)) == ["Silver", "Gold", "Gold"]


def test_the_override_that_began_last_wins():
    assert published(override(valid_to=None), override(tier="Silver", valid_from="2026-07-01", valid_to=None)) == [
        "Silver",
        "Gold",
        "Silver",
    ]


def test_overrides_of_other_schemes_and_partners_are_left_alone():
    assert published(override(scheme="other"), override(partner_id="x")) == ["Silver"] * 3


def test_an_override_to_a_tier_that_does_not_exist_is_refused():
    with pytest.raises(ContractError, match="did you mean 'Gold'"):
        published(override(tier="Golt"))


def test_overrides_and_upheld_appeals_may_come_in_one_table():
    from partnerlab.periods import Calendar
    from partnerlab.tiers.overrides import upheld_appeals

    appeal = {
        "partner_id": "q",
        "quarter": "2026Q2",
        "decided_at": "2026-08-01",
        "decision": "upheld",
        "granted_tier": "Gold",
        "valid_to": None,
    }
    both = pd.concat([pd.DataFrame([override()]), upheld_appeals(pd.DataFrame([appeal]), calendar=Calendar())])
    rows = [{"partner": partner, "quarter": quarter, "points": 5.0} for partner in "pq" for quarter in ("2026Q1", "2026Q2")]
    history = assign_tiers(Panel.from_frame(pd.DataFrame(rows)), TierScheme(scheme="demo", classify=BANDS), overrides=both)

    assert history.names().tolist() == [["Silver", "Gold"], ["Silver", "Gold"]]
    assert history.to_frame()["reason"].tolist() == ["as the rule says", "override", "as the rule says", "appeal upheld"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"valid_from": "2026-06-01", "valid_to": "2026-01-01"}, r"overrides.valid_to: 1 rows, .*'p', end before they begin"),
        ({"approver": ""}, r"overrides.approver: 1 rows, .* nobody approved; say approver for each"),
        ({"reason": None}, r"overrides.reason: 1 rows, .* have no reason; say reason for each"),
    ],
)
def test_an_override_by_hand_says_on_whose_word_why_and_until_when(change, says):
    with pytest.raises(ContractError, match=says):
        published(override(**change))


def test_periods_outside_the_time_of_a_version_are_said():
    panel = Panel.from_frame(pd.DataFrame({"partner": "p", "quarter": ["2026Q1", "2026Q2"], "points": [5.0, 5.0]}))
    later = TierScheme(scheme="demo", effective={"from": "2030-01-01"}, classify=BANDS)
    half = TierScheme(scheme="demo", effective={"from": "2026-04-01"}, classify=BANDS)

    assert assign_tiers(panel, later).notes == ("demo@1 holds from 2030-01-01; 2 of 2 periods lie outside, such as 2026Q2",)
    assert assign_tiers(panel, half).notes == ("demo@1 holds from 2026-04-01; 1 of 2 periods lie outside, such as 2026Q1",)


def test_a_table_that_is_neither_is_refused():
    with pytest.raises(ContractError, match="no column tier, and for appeals no quarter"):
        published({"partner_id": "p"})


def test_an_upheld_appeal_is_published_with_its_own_reason():
    panel = Panel.from_frame(pd.DataFrame({"partner": "p", "quarter": ["2026Q1", "2026Q2"], "points": [5.0, 5.0]}))
    appeals = pd.DataFrame(
        [{"partner_id": "p", "quarter": "2026Q2", "decided_at": "2026-08-01", "decision": "upheld", "granted_tier": "Gold", "valid_to": None},  # noqa: E501
         {"partner_id": "p", "quarter": "2026Q1", "decided_at": "2026-08-01", "decision": "rejected", "granted_tier": None, "valid_to": None}]  # noqa: E501
    )  # fmt: skip
    history = assign_tiers(panel, TierScheme(scheme="demo", classify=BANDS), overrides=appeals)

    assert history.to_frame()[["published", "held", "reason"]].to_numpy().tolist() == [
        ["Silver", "Silver", "as the rule says"],
        ["Gold", "Silver", "appeal upheld"],
    ]


def test_overrides_of_partners_who_are_not_there_are_said():
    panel = Panel.from_frame(pd.DataFrame({"partner": "p", "quarter": ["2026Q1", "2026Q2"], "points": [5.0, 5.0]}))
    given = pd.DataFrame([override(), override(partner_id="zz")])
    history = assign_tiers(panel, TierScheme(scheme="demo", classify=BANDS), overrides=given)

    assert history.notes == ("Overrides: 1 of 2 rows are of partners who are not in this panel, such as 'zz', and change nothing",)
    assert "such as &#x27;zz&#x27;" in history._repr_html_()
    assert assign_tiers(panel, TierScheme(scheme="demo", classify=BANDS), overrides=given.head(1)).notes == ()


@pytest.mark.parametrize("day", ["02/11/2025", "soon", "2025-02-31", 20251102])
def test_dates_that_could_be_read_two_ways_are_refused(day):
    with pytest.raises(
        ParameterError, match=r"frame\.valid_from: 1 of 2 rows hold no date, such as .* in row 2; write dates like 2025-11-02"
    ):
        intervals(("a", "Gold", "2025-01-01", None), ("b", "Gold", day, None))


def test_dates_timestamps_and_iso_text_may_stand_in_one_column():
    begins = [dt.date(2026, 1, 10), pd.Timestamp("2026-01-10T00:00Z"), "2026-01-10T02:00:00+02:00"]
    history = intervals(*[(partner, "Gold", day, None) for partner, day in zip("abc", begins, strict=True)])

    assert history.names().tolist() == [["Gold"]] * 3


@pytest.mark.parametrize("column", ["valid_from", "valid_to"])
def test_overrides_with_dates_that_could_be_read_two_ways_are_refused(column):
    with pytest.raises(ContractError, match=rf"overrides\.{column}: 1 of 1 rows hold no date, such as '01/02/2026' in row 1"):
        published(override(**{column: "01/02/2026"}))


def test_an_appeal_decided_on_no_date_is_refused():
    appeal = {"partner_id": "p", "quarter": None, "decided_at": "1.8.2026", "decision": "upheld", "granted_tier": "Gold", "valid_to": None}

    with pytest.raises(ContractError, match=r"overrides\.decided_at: 1 of 1 rows hold no date"):
        published(appeal)


@pytest.mark.parametrize("name", ["partners", "raw", "eligible", "held", "published", "reasons", "partial"])
def test_the_arrays_of_a_history_cannot_be_written_to(name):
    history = snapshots(("a", "2026Q1", "Gold"))

    with pytest.raises(ValueError, match="read-only"):
        getattr(history, name)[:] = 0


@pytest.mark.parametrize(("panel", "scheme", "says"), [
    ("x", None, "takes a Panel, not a str; make one with build_panel"),
    (None, "quadrant", r"takes a TierScheme, not a str; load one: TierScheme\.load\('quadrant'\)"),
])  # fmt: skip
def test_the_name_of_a_scheme_is_not_a_scheme(panel, scheme, says):
    whole = Panel.from_frame(pd.DataFrame({"partner": ["p"], "quarter": "2026Q1", "points": [5.0]}))

    with pytest.raises(ParameterError, match=says):
        assign_tiers(panel or whole, scheme or TierScheme(scheme="demo", classify=BANDS))


def test_columns_may_have_any_names():
    plain = pd.DataFrame({"partner": ["a", "a", "b"], "quarter": ["2026Q1", "2026Q2", "2026Q1"], "tier": ["Gold", "Silver", None]})
    mine = TierHistory.from_frame(plain, order=["Gold", "Silver"])

    named = plain.rename(columns={"partner": "account", "quarter": "period", "tier": "level"})
    theirs = TierHistory.from_frame(named, partner="account", quarter="period", tier="level", order=["Gold", "Silver"])

    assert theirs.to_frame().equals(mine.to_frame())


def test_an_unknown_tier_names_the_column_it_stands_in():
    rows = pd.DataFrame({"partner": ["a"], "period": ["2026Q1"], "level": ["Golden"]})

    with pytest.raises(ParameterError, match=r"frame\.level: 1 rows have a tier such as 'Golden'"):
        TierHistory.from_frame(rows, quarter="period", tier="level", order=["Gold"])
