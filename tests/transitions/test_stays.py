"""What a forecast remembers of the past: time as a member, beside time in the tier."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from partnerlab.transitions import forecast_tiers
from partnerlab.transitions.stays import BANDS, CLASSES, band_of_tenure, coming_clock, read_stays, read_tenure

CODES = npst.arrays(np.int8, st.tuples(st.integers(1, 6), st.integers(2, 12)), elements=st.integers(-1, 3))


def frail_members(*, partners, quarters, rng):
    """Half of all lapse at once when they can, half hardly ever; tiers change so often that time in the tier tells nothing."""
    codes = np.full((partners, quarters), -2, dtype=np.int8)
    joined = rng.integers(0, quarters, partners)
    chance = np.where(rng.random(partners) < 0.5, 0.3, 0.01)
    here = np.zeros(partners, dtype=bool)
    for column in range(quarters):
        gone = here & (rng.random(partners) < chance)
        codes[gone, column:] = -3
        here = (here & ~gone) | (joined == column)
        codes[here, column] = rng.integers(0, 2, here.sum())
    return codes, joined


@given(CODES)
@settings(max_examples=50, deadline=None)
def test_tenure_grows_by_a_quarter_or_begins_anew(codes):
    tenure = read_tenure(codes, 2)

    assert ((tenure > 0) == ((codes >= 0) & (codes != 2))).all()
    grows = (tenure[:, 1:] > 0) & (tenure[:, :-1] > 0)
    assert (np.diff(tenure.astype(int), axis=1)[grows] == 1).all()
    assert (tenure[:, 1:][(tenure[:, 1:] > 0) & (tenure[:, :-1] == 0)] == 1).all()


@given(CODES)
@settings(max_examples=50, deadline=None)
def test_nobody_has_been_longer_in_a_tier_than_a_member_since_joining(codes):
    fresh = read_stays(codes, 2) < 8

    assert (
        read_tenure(codes, 2)[fresh & (codes != 2) & (codes >= 0)] >= read_stays(codes, 2)[fresh & (codes != 2) & (codes >= 0)] + 1
    ).all()


def test_members_since_before_the_record_are_a_band_of_their_own():
    assert band_of_tenure(read_tenure(np.zeros((1, 12), dtype=np.int8), 2)[0], 12).tolist() == [BANDS - 1] * 12


def test_the_clock_goes_on_in_coming_quarters():
    ages = np.array([0.2, 0.5, 0.3])
    clocks = [coming_clock(np.array([1, 6, 10, 20]), quarters=12, step=step, ages=ages) for step in (1, 2, 8)]

    assert all(clock.shape == (BANDS, CLASSES) for clock in clocks)
    assert (np.diff([clock[1:, -1] for clock in clocks], axis=0) > 0).all()
    # a stay since joining tells the time by itself
    assert clocks[0][:, 0] == pytest.approx(clocks[2][:, 0])


def test_members_of_long_standing_lapse_less_where_time_in_the_tier_cannot_tell(history_of):
    codes, joined = frail_members(partners=1200, quarters=12, rng=np.random.default_rng(3))
    found = forecast_tiers(history_of(codes, tiers=("A", "B")), draws=200, seed=1).partners
    lapse = found[(found["tier"] == "lapsed") & (found["now"] != "lapsed")].set_index("partner")["probability"]
    names = np.array([f"p{place:06d}" for place in range(1200)])
    young, old = (lapse.reindex(names[mine]).dropna().mean() for mine in (joined == 10, joined <= 3))

    assert young > 2 * old
