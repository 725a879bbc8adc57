"""Survival curves: by hand, laws on any spells, refusals, and coverage of a known truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ParameterError
from partnerlab.results import TIDY
from partnerlab.spells import Spells
from partnerlab.survival import estimate_incidence, estimate_survival

# an estimate takes tens of milliseconds when the machine is busy: fewer examples, no deadline
FEW = settings(max_examples=40, deadline=None)


def spells(**columns):
    columns.setdefault("partner", [f"p{index}" for index in range(len(columns["duration"]))])
    return Spells.from_frame(pd.DataFrame(columns))


@st.composite
def frames(draw, *, delayed=True, censored=True):
    n = draw(st.integers(1, 25))
    entry = np.array(draw(st.lists(st.integers(0, 3 if delayed else 0), min_size=n, max_size=n)))
    length = np.array(draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)))
    event = draw(st.lists(st.sampled_from(["lapsed", "demotion", ""] if censored else ["lapsed"]), min_size=n, max_size=n))
    return pd.DataFrame({"partner": [f"p{index:02d}" for index in range(n)], "entry": entry, "duration": entry + length, "event": event})


BY_HAND = {"entry": [0, 0, 0, 1, 0], "duration": [1, 2, 2, 3, 3], "event": ["lapsed", "lapsed", "", "lapsed", ""]}


def test_curve_with_late_entry_and_ties_by_hand():
    table = estimate_survival(spells(**BY_HAND), min_at_risk=0).table

    assert table["time"].tolist() == [0, 1, 2, 3]
    assert table["n"].tolist() == [4, 4, 4, 2]
    assert table["estimate"].tolist() == pytest.approx([1, 3 / 4, 3 / 4 * 3 / 4, 3 / 4 * 3 / 4 / 2])
    assert table["std_error"].iloc[2] == pytest.approx(9 / 16 * np.sqrt(1 / 12 + 1 / 12))


def test_the_table_under_the_curve_counts_who_is_left():
    under = estimate_survival(spells(**BY_HAND), min_at_risk=0).at_risk([0, 1, 2, 3])

    assert under["at_risk"].tolist() == [4, 4, 2, 0]
    assert under["events"].tolist() == [0, 1, 2, 3]
    assert under["censored"].tolist() == [0, 0, 1, 2]


def test_reading_beyond_what_was_seen_gives_nothing():
    read = estimate_survival(spells(**BY_HAND), min_at_risk=0).at([2.5, 9])

    assert read["estimate"].iloc[0] == pytest.approx(9 / 16)
    assert read[["estimate", "conf_low"]].iloc[1].isna().all()


def test_unknown_starts_are_left_out_and_counted():
    curve = estimate_survival(spells(**BY_HAND, start_known=[True, True, True, False, True]))

    assert curve.table["n"].tolist() == [4, 4, 3, 1]
    assert any(check.name == "Starts known" and check.detail.startswith("1 of 5") for check in curve.checks)


def late(ended_known, ended_unknown):
    """Forty spells under way when first seen, half of them with a known start, and twenty seen from their start."""
    event = ["lapsed"] * ended_known + [""] * (20 - ended_known) + ["lapsed"] * ended_unknown + [""] * (20 - ended_unknown)
    return spells(
        entry=[3] * 20 + [0] * 40,
        duration=[5] * 40 + [4] * 20,
        event=event + ["lapsed"] * 20,
        start_known=[True] * 20 + [False] * 20 + [True] * 20,
    )


def test_late_entries_are_used_where_known_starts_are_like_unknown_ones():
    curve = estimate_survival(late(10, 10))

    assert curve.rmst["n"].item() == 40


def test_late_entries_are_left_out_where_known_starts_are_a_choice_of_those_who_stayed():
    curve = estimate_survival(late(4, 18))

    assert curve.rmst["n"].item() == 20
    assert any("20% of those with a known start have ended, 90% of the others" in check.detail for check in curve.checks)


@pytest.mark.parametrize(("asked", "used"), [(True, 40), (False, 20)])
def test_late_entries_can_be_asked_for_or_refused(asked, used):
    assert estimate_survival(late(4, 18), late_entry=asked).rmst["n"].item() == used


def test_other_endings_count_as_censored_and_it_is_said():
    curve = estimate_survival(spells(duration=[1, 2, 3], event=["lapsed", "demotion", ""]), event="lapsed")

    assert curve.table["events"].tolist() == [0, 1, 0, 0]
    assert any("estimate_incidence" in check.detail for check in curve.checks)


def test_a_thin_start_is_left_out_and_said():
    # one early bird whose ending would send the curve to 0 for good
    thin = spells(entry=[0] + [5] * 20, duration=[1] + [8] * 20, event=["lapsed"] * 6 + [""] * 15)

    curve = estimate_survival(thin)

    assert curve.origin == 1.0
    assert curve.table["estimate"].iloc[-1] == pytest.approx(15 / 20)
    assert any(check.name == "Start of the curve" and not check.passed for check in curve.checks)


@pytest.mark.parametrize("by", [None, "region"])
def test_no_spells_is_not_enough_data(by):
    curve = estimate_survival(spells(**BY_HAND, region=["north"] * 5).select([False] * 5), by=by)

    assert curve.table["estimate"].isna().all()
    assert any("not enough data (n = 0)" in check.detail for check in curve.checks)
    assert curve.rmst["estimate"].isna().all()


def test_without_any_ending_the_median_is_not_known():
    curve = estimate_survival(spells(duration=[2, 3, 4], event=["", "", ""]))

    assert curve.median["estimate"].isna().all()
    assert curve.table["conf_low"].iloc[-1] < 1.0


def test_groups_are_compared_and_a_missing_group_is_named():
    table = spells(duration=[1, 2, 2, 3], event=["lapsed"] * 4, region=["north", "south", None, "north"])

    curve = estimate_survival(table, by="region")

    assert set(curve.table["region"]) == {"north", "south", "unknown"}
    assert curve.logrank["df"].item() == 2
    assert list(curve.table.columns[:2]) == ["region", "time"]
    assert list(curve.table.columns[2:7]) == list(TIDY)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": "regoin"}, "did you mean 'region'"),
        ({"event": "lapse"}, "did you mean 'lapsed'"),
        ({"level": 95}, "level is 95"),
        ({"tau": -1.0}, "tau is -1"),
        ({"variance": "robust"}, "known: auto, greenwood, jackknife"),
    ],
)
def test_what_does_not_exist_is_refused(asked, message):
    with pytest.raises(ParameterError, match=message):
        estimate_survival(spells(duration=[1, 2], event=["lapsed", ""], region=["north", "south"]), **asked)


@FEW
@given(frames())
def test_curve_never_rises_and_stays_inside_its_interval(frame):
    table = estimate_survival(Spells.from_frame(frame), min_at_risk=0).table

    assert (np.diff(table["estimate"]) <= 1e-12).all()
    assert table["estimate"].between(-1e-12, 1).all()
    assert (table["conf_low"] <= table["estimate"] + 1e-12).all()
    assert (table["estimate"] <= table["conf_high"] + 1e-12).all()


@FEW
@given(frames(delayed=False, censored=False))
def test_without_censoring_the_curve_is_the_share_still_there(frame):
    table = estimate_survival(Spells.from_frame(frame)).table

    shares = [(frame["duration"] > time).mean() for time in table["time"]]
    assert np.allclose(table["estimate"], shares)


@FEW
@given(frames(), st.randoms(use_true_random=False))
def test_order_and_names_of_partners_do_not_matter(frame, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    renamed = frame.iloc[order].assign(partner=[f"x{index}" for index in range(len(frame))])

    left, right = (estimate_survival(Spells.from_frame(table), min_at_risk=0).table for table in (frame, renamed))

    pd.testing.assert_frame_equal(left, right)


@FEW
@given(frames())
def test_every_partner_twice_keeps_the_curve_and_halves_its_variance(frame):
    twice = pd.concat([frame, frame.assign(partner=frame["partner"] + "'")])

    one, two = (estimate_survival(Spells.from_frame(table), min_at_risk=0) for table in (frame, twice))

    assert np.allclose(one.table["estimate"], two.table["estimate"])
    assert np.allclose(one.table["std_error"] ** 2, 2 * two.table["std_error"] ** 2, equal_nan=True)
    assert np.allclose(one.rmst[["estimate"]], two.rmst[["estimate"]], equal_nan=True)


@FEW
@given(frames())
def test_every_spell_twice_under_one_name_keeps_curve_and_doubt(frame):
    again = pd.concat([frame.assign(spell=1), frame.assign(spell=2)])

    one, two = (
        estimate_survival(Spells.from_frame(table), min_at_risk=0, variance=how) for table, how in ((frame, "jackknife"), (again, "auto"))
    )

    assert np.allclose(one.table[["estimate", "std_error"]], two.table[["estimate", "std_error"]], equal_nan=True)
    assert np.allclose(one.rmst["std_error"], two.rmst["std_error"], equal_nan=True)


@FEW
@given(frames(), st.integers(1, 7))
def test_cutting_a_spell_in_two_changes_nothing(frame, cut):
    across = (frame["entry"] < cut) & (frame["duration"] > cut)
    pieces = pd.concat([frame[~across], frame[across].assign(duration=cut, event=""), frame[across].assign(entry=cut)])

    whole, cut_up = (estimate_survival(Spells.from_frame(table), min_at_risk=0) for table in (frame, pieces))

    assert np.allclose(whole.at(range(9))[list(TIDY[:4])], cut_up.at(range(9))[list(TIDY[:4])], equal_nan=True)


@FEW
@given(frames())
def test_ways_of_leaving_and_staying_add_up_to_all(frame):
    table = Spells.from_frame(frame)
    staying = estimate_survival(table, min_at_risk=0).table.set_index("time")["estimate"]

    leaving = estimate_incidence(table, min_at_risk=0).table.groupby("time")["estimate"].sum()

    assert np.allclose(leaving.reindex(staying.index) + staying, 1.0)


def test_where_everybody_has_left_rounding_is_no_rest():
    table = spells(
        entry=[0, 0, 2, 0, 2, 2, 3, 0, 2], duration=[1, 3, 3, 3, 4, 4, 4, 5, 4], event=["", *["lapsed"] * 7, ""]
    )  # the shares of leaving add up to 1 - 1.1e-16

    last = estimate_incidence(table, min_at_risk=0).table.groupby("cause").last()

    assert last["estimate"].sum() == pytest.approx(1.0)
    assert last["conf_high"].between(0, 1).all()


def test_restricted_mean_is_the_area_under_the_curve():
    curve = estimate_survival(spells(duration=[1, 2, 3, 4], event=["lapsed"] * 4), tau=4.0)

    assert curve.rmst["estimate"].item() == pytest.approx(2.5)
    assert curve.rmst["std_error"].item() == pytest.approx(np.std([1, 2, 3, 4]) / 2)


def test_a_tiny_group_does_not_shorten_the_limit_for_the_others():
    table = spells(duration=[6] * 20 + [1], event=["lapsed"] * 21, region=["north"] * 20 + ["south"])

    curve = estimate_survival(table, by="region")

    assert curve.tau == 6.0
    assert curve.rmst["estimate"].isna().tolist() == [False, True]


def test_a_curve_is_not_extended_to_a_limit_that_nobody_reached():
    curve = estimate_survival(spells(duration=[1, 2, 3], event=["lapsed", "", ""]), tau=8.0)

    assert curve.rmst["estimate"].isna().all()


# --- recovery of a known truth

HAZARD, PANEL = 0.12, 12


def _program(rng, partners, *, frailty=0.0, returns=False):
    """Constant mean hazard; a third joined before the panel and are seen from its start on, if still there."""
    made = []
    for number in range(1, 3 if returns else 2):
        own = np.clip(HAZARD * rng.gamma(1 / frailty, frailty, partners) if frailty else HAZARD, 0, 0.9) * np.ones(partners)
        own = made[0]["own"].to_numpy() if made else own
        lived = rng.geometric(own)
        entry = np.where((rng.random(partners) < 0.33) & (number == 1), rng.integers(1, 8, partners), 0)
        seen = lived > entry
        duration = np.minimum(lived, entry + rng.integers(4, PANEL + 1, partners))
        event = np.where(duration == lived, "lapsed", "")
        names = [f"p{index}" for index in range(partners)]
        table = pd.DataFrame({"partner": names, "spell": number, "entry": entry, "duration": duration, "event": event, "own": own})
        made.append(table)
        if number == 1:
            keep = seen
    return Spells.from_frame(pd.concat([table[keep] for table in made]))


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(11)
    times = np.array([2, 4, 8])
    truth = (1 - HAZARD) ** times
    hits, mean_hits, runs = np.zeros(3), 0, 150
    for _ in range(runs):
        curve = estimate_survival(_program(rng, 120), tau=8.0)
        read = curve.at(times)
        hits += (read["conf_low"] <= truth) & (truth <= read["conf_high"])
        mean = ((1 - HAZARD) ** np.arange(8)).sum()
        mean_hits += curve.rmst["conf_low"].item() <= mean <= curve.rmst["conf_high"].item()

    # 150 runs: 3 standard errors of a share of .95 are .054
    assert (np.abs(hits / runs - 0.95) < 0.054).all()
    assert abs(mean_hits / runs - 0.95) < 0.054


def test_returning_partners_do_not_make_intervals_too_narrow():
    rng = np.random.default_rng(12)
    # two spells each at the partner's own hazard: E(1 - h)^t over the gamma of hazards, by a large draw
    own = np.clip(HAZARD * np.random.default_rng(1).gamma(1 / 0.5, 0.5, 400_000), 0, 0.9)
    truth, runs, hits = ((1 - own) ** 4).mean(), 150, 0
    for _ in range(runs):
        spells_of = _program(rng, 120, frailty=0.5, returns=True)
        everyone = spells_of.select(spells_of.frame.groupby("partner")["entry"].transform("max") == 0)
        row = estimate_survival(everyone).at([4]).iloc[0]
        hits += row["conf_low"] <= truth <= row["conf_high"]

    assert abs(hits / runs - 0.95) < 0.054
