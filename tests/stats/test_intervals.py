"""Intervals for shares: hand cases, published values, laws."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from partnerlab.errors import ParameterError
from partnerlab.stats.inference.intervals import (
    critical_value,
    exact_interval,
    goodman_intervals,
    share_interval,
    wilson_interval,
    zero_cell_limit,
)

LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])
TRIALS = st.integers(1, 5000)


@st.composite
def shares(draw):
    trials = draw(TRIALS)
    return draw(st.integers(0, trials)) / trials, trials


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3 (score, no continuity correction)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_values(hits, trials, low, high):
    assert np.round(wilson_interval(hits / trials, trials), 4).tolist() == [low, high]


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # Newcombe (1998), the same table, method 5 (Clopper-Pearson)
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0000, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_exact_gives_the_published_values(hits, trials, low, high):
    assert np.round(exact_interval(hits, trials), 4).tolist() == [low, high]


def test_t_with_many_degrees_of_freedom_is_normal():
    assert critical_value(0.95, 1e7) == pytest.approx(critical_value(0.95), abs=1e-6)


def test_t_without_degrees_of_freedom_is_unknown():
    assert np.isnan(critical_value(0.95, 0))


@pytest.mark.parametrize("level", [0, 1, -0.5, 95])
def test_a_level_that_is_no_coverage_is_refused(level):
    with pytest.raises(ParameterError, match=r"give a coverage between 0 and 1"):
        critical_value(level)


@settings(deadline=None)
@given(shares(), LEVELS)
def test_wilson_lies_within_0_and_1_around_the_share(seen, level):
    low, high = wilson_interval(*seen, level=level)

    assert 0 <= low <= seen[0] <= high <= 1


@settings(deadline=None)
@given(shares(), LEVELS)
def test_wilson_mirrors(seen, level):
    share, trials = seen
    low, high = wilson_interval(share, trials, level=level)

    assert np.allclose([1 - high, 1 - low], wilson_interval(1 - share, trials, level=level), atol=1e-9)


@settings(deadline=None)
@given(shares())
def test_wilson_narrows_with_more_trials(seen):
    share, trials = seen
    narrow, wide = wilson_interval(share, 2 * trials), wilson_interval(share, trials)

    assert narrow[1] - narrow[0] < wide[1] - wide[0]


@settings(deadline=None)
@given(shares(), LEVELS)
def test_goodman_is_wider_than_one_cell_alone(seen, level):
    share, trials = seen
    together = goodman_intervals(np.array([share, 1 - share]), np.array([trials]), level=level)
    alone = wilson_interval(share, trials, level=level)

    assert together[0][0] <= alone[0] + 1e-12
    assert together[1][0] >= alone[1] - 1e-12


@settings(deadline=None)
@given(shares(), LEVELS, st.integers(1, 300))
def test_share_interval_holds_the_share(seen, level, df):
    low, high = share_interval(*seen, level=level, df=df)

    assert 0 <= low <= seen[0] <= high <= 1


def test_nobody_at_risk_gives_no_interval():
    assert np.isnan([*share_interval(np.nan, 0), *wilson_interval(0.0, 0), zero_cell_limit(0), *exact_interval(0, 0)]).all()


@pytest.mark.parametrize("trials", [5, 40, 700])
def test_the_zero_cell_limit_is_the_share_that_shows_nothing_one_time_in_forty(trials):
    assert (1 - zero_cell_limit(trials)) ** trials == pytest.approx(0.025)


@settings(deadline=None)
@example((3 / 31, 31), 0.95, 7)
@given(shares(), LEVELS, st.integers(1, 300))
def test_share_interval_mirrors(seen, level, df):
    share, trials = seen
    low, high = share_interval(share, trials, level=level, df=df)

    assert np.allclose([1 - high, 1 - low], share_interval(1 - share, trials, level=level, df=df), atol=1e-9)


@pytest.mark.parametrize("hits", [4, 20, 50])
def test_share_interval_is_wilsons_where_more_than_three_were_seen(hits):
    assert np.array_equal(share_interval(hits / 100, 100), wilson_interval(hits / 100, 100))


def test_the_lower_limit_after_one_success_is_the_poisson_one():
    # Brown, Cai and DasGupta (2001), section 4.1.1: -log(1 - alpha) / n
    assert share_interval(1 / 200, 200)[0] == pytest.approx(-np.log(0.95) / 200)


@pytest.mark.parametrize("expected", [0.06, 0.1, 0.17, 0.3, 0.5, 1.0, 1.5, 2.5, 3.2, 3.65, 4.5, 6.0, 9.0, 15.0, 40.0])
def test_share_interval_holds_rare_shares_at_least_93_percent_of_the_time(expected):
    """Exactly, summed over the binomial: Wilson's alone falls to 84 % near 0.17 expected, the rule of three to 91 % near 3.2."""
    from scipy import stats

    trials = 400
    hits = np.arange(trials + 1)
    low, high = share_interval(hits / trials, np.full(trials + 1, float(trials)))
    truth = expected / trials

    assert stats.binom.pmf(hits, trials, truth)[(low <= truth) & (truth <= high)].sum() >= 0.93
