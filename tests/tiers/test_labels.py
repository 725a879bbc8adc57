"""Labels beside the tier: by rule, and by what a partner's deals are; they overlap."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError, SpecError
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierScheme, assign_labels, assign_tiers, lint_scheme

EVERYBODY = {"kind": "ladder", "levels": [{"name": "Member", "all": []}]}
MOTION = {"shares": {"referral": "sourced", "reseller": "fulfilled"}, "share_at_least": 0.25, "min_n": 4}
SPECIALIST = {"when": "certified >= $enough and references >= 1"}


def labels_of(**facts: float | None) -> dict[str, str]:
    spec = {"motion": MOTION, "specialist": SPECIALIST}
    scheme = TierScheme(scheme="demo", params={"enough": 2}, classify=EVERYBODY, labels=spec)
    row = {"sourced": 0.0, "fulfilled": 0.0, "certified": 0.0, "references": 0.0} | facts
    panel = Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", **row}]))
    found = assign_labels(assign_tiers(panel, scheme), quarter="2026Q1")
    return dict(zip(found["label"], found["status"], strict=True))


def test_a_partner_is_reseller_on_one_deal_and_referral_on_the_next():
    assert labels_of(sourced=6.0, fulfilled=4.0) == {"referral": "met", "reseller": "met"}


def test_a_kind_of_deal_below_the_line_gives_no_label():
    assert labels_of(sourced=10.0, fulfilled=2.0) == {"referral": "met"}


def test_too_few_deals_are_said_and_label_nobody():
    assert labels_of(sourced=2.0, fulfilled=1.0) == {"referral": "too few", "reseller": "too few"}


def test_what_is_not_known_is_asked_for():
    assert labels_of(sourced=math.nan, fulfilled=9.0) == {"referral": "tell us", "reseller": "tell us"}


def test_no_deal_is_no_label():
    assert labels_of() == {}


def test_specialists_have_certificates_and_references():
    assert labels_of(certified=2.0, references=1.0) == {"specialist": "met"}
    assert labels_of(certified=2.0) == {}
    assert labels_of(certified=2.0, references=math.nan) == {"specialist": "tell us"}


def test_a_share_comes_with_its_interval_and_says_whether_it_is_sure():
    scheme = TierScheme(scheme="demo", classify=EVERYBODY, labels={"motion": MOTION})
    rows = pd.DataFrame({"partner": ["few", "many"], "quarter": "2026Q1", "sourced": [2.0, 200.0], "fulfilled": [2.0, 200.0]})
    found = assign_labels(assign_tiers(Panel.from_frame(rows), scheme), quarter="2026Q1").query("label == 'reseller'").set_index("partner")

    assert found["share"].tolist() == [0.5, 0.5]
    assert found["sure"].to_dict() == {"few": False, "many": True}
    # Wilson (1927), 200 of 400: 0.5 -+ z sqrt(0.25/400 + z^2/(4*400^2)) / (1 + z^2/400)
    assert found.loc["many", ["conf_low", "conf_high"]].tolist() == pytest.approx([0.4512, 0.5488], abs=1e-4)


def test_labels_need_their_indicators():
    scheme = TierScheme(scheme="demo", classify=EVERYBODY, labels={"motion": MOTION})
    history = assign_tiers(Panel.from_frame(pd.DataFrame({"partner": ["p"], "quarter": ["2026Q1"], "sourced": [1]})), scheme)

    with pytest.raises(MissingTableError, match="fulfilled"):
        assign_labels(history, quarter="2026Q1")


def test_what_only_labels_ask_for_is_a_warning_where_the_data_lack_it():
    scheme = TierScheme(scheme="demo", classify=EVERYBODY, labels={"motion": MOTION})
    panel = Panel.from_frame(pd.DataFrame({"partner": ["p"], "quarter": ["2026Q1"], "sourced": [1]}))
    found = lint_scheme(scheme, panel=panel).query("rule == 'data'")

    assert found[["grade", "where"]].to_numpy().tolist() == [["warning", "fulfilled"]]


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ({}, "either when: rule, or shares"),
        ({"when": "x >= 1", **MOTION}, "either when: rule, or shares"),
        ({"shares": MOTION["shares"]}, "'shares' and 'share_at_least' go together"),
        ({"shares": {"referral": "sourced"}, "share_at_least": 0.1}, "shares of one kind of deal are always all"),
        (MOTION | {"share_at_least": 10}, "a share lies between 0 and 1, not 10; write 0.1 or '10 %'"),
        (MOTION | {"share_at_least": "$enough"}, r"\$enough is used but has no value under params"),
        ({"when": "x >= $enough"}, r"\$enough is used but has no value under params"),
        (MOTION | {"min_n": 0}, "out of range; write 1 or more"),
    ],
)
def test_what_a_label_cannot_be_is_refused_in_one_line(label, says):
    with pytest.raises(SpecError, match=says) as refusal:
        TierScheme(scheme="demo", classify=EVERYBODY, labels={"motion": label})
    assert "\n" not in str(refusal.value)


def test_two_labels_of_one_name_are_refused():
    with pytest.raises(SpecError, match="label 'reseller' stands twice"):
        TierScheme(scheme="demo", classify=EVERYBODY, labels={"motion": MOTION, "reseller": {"when": "x >= 1"}})


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30))
def test_shares_of_a_partner_sum_to_one_and_its_label_is_that_of_the_larger_share(sourced, fulfilled):
    scheme = TierScheme(scheme="demo", classify=EVERYBODY, labels={"motion": MOTION | {"share_at_least": 0.5, "min_n": 1}})
    rows = pd.DataFrame({"partner": ["p"], "quarter": "2026Q1", "sourced": [sourced], "fulfilled": [fulfilled]})
    found = assign_labels(assign_tiers(Panel.from_frame(rows), scheme), quarter="2026Q1").set_index("label")

    larger = [
        name for name, count, other in (("referral", sourced, fulfilled), ("reseller", fulfilled, sourced)) if count and count >= other
    ]
    assert sorted(found.index) == larger
    assert all(found["share"] >= 0.5)
