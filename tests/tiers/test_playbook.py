"""Playbook: what is owed to each tier, what was delivered, and when effort stops, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import partnerlab as lab
from partnerlab.errors import MissingTableError, ParameterError, SampleError, SpecError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers, estimate_coverage, lint_scheme
from partnerlab.tiers.coverage import ALL, rounds_without
from partnerlab.tiers.playbook import Delivered, Tactic

BANDS = {"kind": "bands", "value": "size", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
TRAIN = {"tactic": "train", "per_half_year": 1, "delivered_by": "trainings"}
MEET = {"tactic": "meet", "per_quarter": 1, "delivered_by": "meetings"}
STOP = {"autopilot_after": {"tactic_rounds": 2, "response": "none", "measured_by": "leads"}}
QUARTERS = ["2025Q4", "2026Q1", "2026Q2"]


def history(rows: list[tuple], book: dict) -> TierHistory:
    frame = pd.DataFrame(rows, columns=["partner", "quarter", "size", "trainings", "meetings", "leads"])
    return assign_tiers(Panel.from_frame(frame), TierScheme(scheme="demo", classify=BANDS, playbook=book))


def quarters(
    partner: str, *, size: tuple = (30, 30, 30), trainings: tuple = (0, 0, 0), meetings: tuple = (1, 1, 1), leads: tuple = (0, 0, 0)
):
    return list(zip([partner] * 3, QUARTERS, size, trainings, meetings, leads, strict=True))


def status(coverage) -> dict[tuple[str, str], str]:
    return {(row.partner, row.tactic): row.status for row in coverage.partners.itertuples()}


def test_coverage_is_counted_over_the_span_for_which_a_tactic_is_owed():
    rows = quarters("a", trainings=(0, 1, 0)) + quarters("b", trainings=(1, 0, 0), meetings=(1, 1, 0))
    coverage = estimate_coverage(history(rows, {"Gold": [TRAIN, MEET]}))

    assert status(coverage) == {("a", "train"): "delivered", ("b", "train"): "owed", ("a", "meet"): "delivered", ("b", "meet"): "owed"}
    assert coverage.table[["tactic", "estimate", "n", "owed", "delivered"]].to_numpy().tolist() == [
        ["train", 0.5, 2, 2, 1], ["meet", 0.5, 2, 2, 1], [ALL, 0.5, 2, 4, 2],
    ]  # fmt: skip


def test_what_goes_beyond_what_is_owed_makes_up_for_nobody_else():
    coverage = estimate_coverage(history(quarters("a", meetings=(0, 0, 5)) + quarters("b", meetings=(0, 0, 0)), {"Gold": [MEET]}))

    assert coverage.table[["owed", "delivered", "extra"]].to_numpy().tolist() == [[2, 1, 4]]


def test_who_rose_last_quarter_is_not_yet_owed_what_takes_half_a_year():
    coverage = estimate_coverage(history(quarters("a", size=(5, 5, 30)) + quarters("b"), {"Gold": [TRAIN]}))

    assert status(coverage) == {("a", "train"): "not yet due", ("b", "train"): "owed"}
    assert coverage.table["n"].item() == 1


def test_effort_stops_after_so_many_rounds_without_response():
    rows = (
        quarters("a", leads=(1, 0, 0)) + quarters("b", leads=(0, 0, 1)) + quarters("c", meetings=(1, 0, 1)) + quarters("d", leads=(1, 1, 0))
    )
    coverage = estimate_coverage(history(rows, {"Gold": [MEET, STOP]}), quarter="2026Q2")
    stops = coverage.stops.set_index("partner")

    assert stops["rounds"].to_dict() == {"a": 2, "b": 0, "c": 2, "d": 1}
    assert sorted(coverage.stopped()["partner"]) == ["a", "c"]
    assert stops.loc["a", "last_response"] == "2025Q4"


def test_what_nobody_knows_counts_as_if_there_could_have_been_a_response():
    rounds = np.ones((1, 3), dtype=bool)

    assert rounds_without(rounds, np.array([[False, True, False]]), rounds).tolist() == [1]


def test_a_new_tier_begins_its_rounds_anew():
    rounds = np.ones((1, 3), dtype=bool)

    assert rounds_without(rounds, ~rounds, np.array([[False, False, True]])).tolist() == [1]


def test_rows_of_a_table_show_a_delivery_where_a_source_is_given():
    program = lab.simulate_program(lab.Truth.plain(n_partners=40, n_quarters=8), seed=1).source()
    panel = lab.build_panel(program, first="2024Q1", last="2024Q4", only=["leads", "meetings"])
    book = {"Gold": [MEET | {"delivered_by": {"table": "activities", "type": "meeting"}}]}
    bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 1}, {"name": "Member"}]}
    scheme = TierScheme(scheme="demo", classify=bands, playbook=book)
    from_table = estimate_coverage(assign_tiers(panel, scheme), source=program)
    from_panel = estimate_coverage(assign_tiers(panel, scheme.model_copy(update={"playbook": {"Gold": (Tactic(**MEET),)}})))

    pd.testing.assert_frame_equal(from_table.table, from_panel.table)


def test_without_source_the_same_rows_are_found_in_the_panel():
    assert Delivered(type="meeting").indicator("x", periods=1).measure == lab.panel.Indicators.load("standard")["meetings"].measure


def test_refusals_are_one_clear_line():
    gold = history(quarters("a"), {"Gold": ["joint_plan"]})
    with pytest.raises(SampleError, match="owes nothing by count; say per_quarter and delivered_by"):
        estimate_coverage(gold)
    with pytest.raises(MissingTableError, match="came from a table of tiers"):
        estimate_coverage(TierHistory.from_frame(pd.DataFrame({"partner": ["a"], "quarter": ["2026Q1"], "tier": ["Gold"]})))
    with pytest.raises(SpecError, match="is owed per_month and per_year; keep one"):
        Tactic(tactic="train", per_month=1, per_year=2, delivered_by="trainings")
    with pytest.raises(SpecError, match="no table 'trainings'"):
        Delivered(table="trainings")
    with pytest.raises(SpecError, match="a playbook lists tactics by name"):
        TierScheme(scheme="demo", classify=BANDS, playbook={"Gold": [7]})


def test_deliveries_are_not_counted_by_an_indicator_of_several_quarters():
    program = lab.simulate_program(lab.Truth.plain(n_partners=10, n_quarters=8), seed=1).source()
    panel = lab.build_panel(program, first="2024Q1", last="2024Q4", only=["leads_4q"])
    bands = {"kind": "bands", "value": "leads_4q", "bands": [{"name": "Gold"}]}
    scheme = TierScheme(scheme="demo", classify=bands, playbook={"Gold": [MEET | {"delivered_by": "leads_4q"}]})

    with pytest.raises(ParameterError, match="leads_4q, which takes 4 periods together; name one of a single period"):
        estimate_coverage(assign_tiers(panel, scheme))


def test_lint_asks_for_what_a_stop_rule_lacks():
    scheme = TierScheme(
        scheme="demo", classify=BANDS, playbook={"Gold": ["talk", {"autopilot_after": {"tactic_rounds": 3}}], "Member": ["mail"]}
    )
    found = lint_scheme(scheme)

    said = found.loc[found["rule"] == "playbook", "finding"].tolist()
    assert [text.split(";")[0].split(",")[0] for text in said] == [
        "no tactic of the playbook says how often it is owed",
        "autopilot_after of Gold does not say by what a response is measured",
        "no tactic of Gold says how its delivery is seen",
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6), st.data())
def test_one_delivery_more_never_lowers_coverage_and_order_does_not_matter(meetings, data):
    rows = [row for index, given in enumerate(meetings) for row in quarters(f"p{index}", meetings=given)]
    more = [row for index, given in enumerate(meetings) for row in quarters(f"p{index}", meetings=(*given[:2], given[2] + 1))]
    before, after = (estimate_coverage(history(given, {"Gold": [MEET]})).table["estimate"].item() for given in (rows, more))

    assert after >= before
    assert estimate_coverage(history(data.draw(st.permutations(rows)), {"Gold": [MEET]})).table["estimate"].item() == before
