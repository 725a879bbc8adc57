"""Two-way clusters and recalibration: by hand, beside statsmodels, and recovered."""

import numpy as np
import pytest
import statsmodels.api as sm

from partnerlab.stats.prediction.recalibration import mean_difference, recalibrate, two_way_meat


@pytest.fixture(scope="module")
def panel():
    """Forty partners in ten quarters, whose outcomes share a partner's and a quarter's luck."""
    rng = np.random.default_rng(4)
    partner, quarter = np.repeat(np.arange(40), 10), np.tile(np.arange(10), 40)
    odds = rng.normal(-1, 1, 400)
    luck = 0.7 * rng.standard_normal(40)[partner] + 0.5 * rng.standard_normal(10)[quarter]
    return 1 / (1 + np.exp(-odds)), rng.random(400) < 1 / (1 + np.exp(-odds - luck)), partner, quarter


def test_the_meat_by_hand():
    """Partner sums 3 and -3, quarter sums 0 and 0, rows 1, 2, -1, -2: 2*18 + 0 - 4/3*10."""
    found = two_way_meat(np.array([[1.0], [2.0], [-1.0], [-2.0]]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))

    assert found[0, 0] == pytest.approx(36.0)  # less than one way alone: the larger kind stands


def test_slope_and_intercept_are_those_of_a_logistic_regression(panel):
    said, came, partner, quarter = panel
    design = sm.add_constant(np.log(said / (1 - said)))
    groups = np.column_stack([partner, quarter])
    other = sm.GLM(came.astype(float), design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )
    found = recalibrate(said, came, partner, quarter)

    assert found.estimate == pytest.approx(np.asarray(other.params), abs=1e-7)
    # their correction is G / (G - 1) times (n - 1) / (n - p); of fewer clusters for all three parts
    assert found.std_error == pytest.approx(np.asarray(other.bse), rel=0.05)


def test_a_mean_that_only_quarters_vary_has_the_error_of_quarters():
    quarter = np.repeat(np.arange(12), 30)
    shared = np.random.default_rng(0).standard_normal(12)
    mean, error, low, high = mean_difference(shared[quarter], np.tile(np.arange(30), 12), quarter)

    assert mean == pytest.approx(shared.mean())
    assert error == pytest.approx(shared.std(ddof=1) / np.sqrt(12), rel=1e-6)
    assert (high - low) / 2 == pytest.approx(2.201 * error, rel=1e-3)


def test_order_of_rows_does_not_matter(panel):
    said, came, partner, quarter = panel
    other = np.random.default_rng(1).permutation(len(said))

    first, second = recalibrate(said, came, partner, quarter), recalibrate(said[other], came[other], partner[other], quarter[other])

    assert second.std_error == pytest.approx(first.std_error)


def test_one_quarter_gives_no_interval():
    assert np.isnan(mean_difference(np.arange(5.0), np.arange(5), np.zeros(5, dtype=int))[1])


def test_hardly_any_event_gives_no_slope():
    found = recalibrate(np.linspace(0.01, 0.1, 100), np.arange(100) < 3, np.arange(100), np.arange(100) % 8)

    assert np.isnan(found.estimate).all()
    assert (found.events, found.rows) == (3, 100)


def test_intervals_hold_the_true_slope_about_as_often_as_they_say():
    rng, held = np.random.default_rng(7), 0
    partner, quarter = np.repeat(np.arange(150), 12), np.tile(np.arange(12), 150)
    for _ in range(150):
        odds = rng.normal(-2, 1, 1800)
        truth = odds + 0.2 * rng.standard_normal(12)[quarter]
        found = recalibrate(1 / (1 + np.exp(-odds)), rng.random(1800) < 1 / (1 + np.exp(-truth)), partner, quarter)
        held += found.conf_low[1] <= 1.0 <= found.conf_high[1]

    assert 0.88 < held / 150 <= 1.0
