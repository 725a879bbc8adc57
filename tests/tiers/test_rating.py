"""The rating by hand: a cumulative checklist in which gaps and unknowns show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierScheme, assign_tiers

#: A partner who meets everything.
MVP = {
    "opt_in": 1.0,
    "meets": 1.0,
    "speaks": 1.0,
    "access_to_others": 1.0,
    "visible_in_facilities": 1.0,
    "tells_needs": 1.0,
    "dedicates_resources": 1.0,
    "is_partner": 1.0,
    "mgp_potential": 0.0,
    "quarters_with_min": 3.0,
    "referrals_4q": 8.0,
    "suggestions_4q": 1.0,
    "referred_new_mgp_4q": 1.0,
}
NOTHING = dict.fromkeys(MVP, 0.0) | {"is_partner": 1.0}
UNKNOWN = float("nan")


def rate(**changes: float) -> str:
    """Tier of one partner who is an MVP but for the changes."""
    return rate_from(MVP | changes)


def rate_from(facts: dict[str, float]) -> str:
    panel = Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", **facts}]))
    return assign_tiers(panel, TierScheme.load("rating")).names().item()


def test_who_meets_everything_is_an_mvp():
    assert rate() == "MVP"


@pytest.mark.parametrize("lacking", [{"tells_needs": 0}, {"suggestions_4q": 0}, {"referrals_4q": 7}, {"referred_new_mgp_4q": 0}])
def test_an_mvp_who_lacks_one_thing_is_an_mgp(lacking):
    assert rate(**lacking) == "MGP"


@pytest.mark.parametrize("lacking", [{"meets": 0}, {"access_to_others": 0}, {"quarters_with_min": 2}, {"visible_in_facilities": 0}])
def test_an_mgp_who_lacks_one_thing_but_speaks_and_refers_is_an_stp(lacking):
    assert rate(**lacking) == "STP"


def test_mvp_is_cumulative():
    assert rate(visible_in_facilities=0, speaks=0) == "UNRATED"


def test_who_gives_nothing_is_bz():
    assert rate_from(NOTHING) == "BZ"


def test_a_likely_prospect_is_a_target():
    assert rate_from(NOTHING | {"is_partner": 0.0, "mgp_potential": 0.5, "dedicates_resources": 1.0}) == "TARGET"


def test_the_gaps_of_the_rubric_show_as_unrated():
    assert rate_from(NOTHING | {"opt_in": 1.0}) == "UNRATED"


def test_an_unknown_that_could_decide_leaves_the_partner_unknown():
    assert rate(tells_needs=UNKNOWN) == "unknown"


def test_an_unknown_that_cannot_matter_is_no_obstacle():
    assert rate(tells_needs=UNKNOWN, referrals_4q=7) == "MGP"


def test_unknown_answers_never_make_a_bz():
    assert rate_from(NOTHING | {"opt_in": UNKNOWN, "meets": UNKNOWN, "speaks": UNKNOWN}) == "unknown"


def test_parameters_can_be_set():
    scheme = TierScheme.load("rating").model_copy(update={"params": TierScheme.load("rating").params | {"high_referrals": 9}})
    panel = Panel.from_frame(pd.DataFrame([{"partner": "p", "quarter": "2026Q1", **MVP}]))

    assert assign_tiers(panel, scheme).names().item() == "MGP"


def test_the_share_of_mvps_is_a_goal_and_no_quota():
    rows = pd.DataFrame([{"partner": f"p{index}", "quarter": "2026Q1", **MVP} for index in range(10)])
    history = assign_tiers(Panel.from_frame(rows), TierScheme.load("rating"))

    assert (history.names() == "MVP").all()
    assert history.scheme.goals == {"MVP": 0.2}


def test_unrated_and_targets_stand_outside_the_order():
    scheme = TierScheme.load("rating")

    assert dict(zip(scheme.tiers, scheme.ranks, strict=True)) == {"MVP": 4, "MGP": 3, "STP": 2, "BZ": 1, "TARGET": None, "UNRATED": None}


def test_most_answer_combinations_are_unrated_when_the_rubric_is_read_literally():
    names = [name for name in MVP if name not in ("is_partner", "mgp_potential")]
    answers = (np.arange(2**11)[:, None] >> np.arange(11)) & 1
    full = np.array([MVP[name] for name in names])
    table = pd.DataFrame(answers * full, columns=names).assign(
        partner=[f"p{index:04d}" for index in range(2**11)], quarter="2026Q1", is_partner=1.0, mgp_potential=0.0
    )
    tiers = assign_tiers(Panel.from_frame(table), TierScheme.load("rating")).names()

    assert 0.75 < (tiers == "UNRATED").mean() < 0.85
