"""Differences of arms from their moments: by hand, against the rows, laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.trials.arm_differences import Arms, arm_difference
from partnerlab.stats.trials.arm_moments import BLOCK, count_moments, moment_difference
from partnerlab.stats.trials.arm_scores import ratio_scores


def _trial(seed, *, units=4000, far=0.0, arms=2):
    random = np.random.default_rng(seed)
    arm, before = random.integers(0, arms, units), random.gamma(2.0, 2.0, units)
    visits = random.poisson(3.0, units) + 1.0
    orders = random.binomial(visits.astype(int), 0.2 + 0.02 * arm).astype(float)
    revenue = far + 0.5 * before + 0.1 * arm + random.standard_normal(units)
    return arm, {"orders": orders, "visits": visits, "revenue": revenue, "before": before}


def test_means_and_products_are_those_of_the_rows_in_every_arm_across_blocks():
    arm, x = _trial(1, units=BLOCK * 2 + 77, far=1e6, arms=3)

    moments = count_moments(arm, list(x.values()), arms=3)

    for code in range(3):
        rows = np.column_stack([column[arm == code] for column in x.values()])
        assert moments.count[code] == len(rows)
        np.testing.assert_allclose(moments.mean[code], rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(moments.products[code], np.cov(rows, rowvar=False) * (len(rows) - 1), rtol=1e-8, atol=1e-6)


def test_a_difference_of_means_is_that_of_welch():
    arm, x = _trial(2)

    found = moment_difference(count_moments(arm, [x["revenue"]], arms=2), 0)

    rows = arm_difference(x["revenue"], Arms(treated=arm == 1))
    assert [found.estimate, found.std_error, found.df] == pytest.approx([rows.estimate, rows.std_error, rows.df], rel=1e-9)


def test_a_ratio_is_linearised_as_its_scores_are():
    arm, x = _trial(3)

    found = moment_difference(count_moments(arm, [x["orders"], x["visits"]], arms=2), 0, per=1)

    rows = arm_difference(ratio_scores(x["orders"], x["visits"], arm == 1), Arms(treated=arm == 1))
    assert [found.estimate, found.std_error, found.df] == pytest.approx([rows.estimate, rows.std_error, rows.df], rel=1e-9)


@pytest.mark.parametrize(("slope", "adjustment"), [("arms", "interacted"), ("common", "common")])
@pytest.mark.parametrize("ratio", [False, True])
def test_adjusted_differences_are_those_of_the_regression_and_errors_nearly(slope, adjustment, ratio):
    arm, x = _trial(4, units=20_000)
    scores = ratio_scores(x["orders"], x["visits"], arm == 1) if ratio else x["revenue"]
    columns = [x["orders"], x["visits"], x["before"]] if ratio else [x["revenue"], x["before"]]

    found = moment_difference(count_moments(arm, columns, arms=2), 0, per=1 if ratio else None, given=[len(columns) - 1], slope=slope)

    rows = arm_difference(scores, Arms(treated=arm == 1, covariates=x["before"][:, None]), adjustment=adjustment)
    assert found.estimate == pytest.approx(rows.estimate, rel=1e-8)
    assert found.std_error == pytest.approx(rows.std_error, rel=2e-3)  # HC2 weighs residuals by leverage, which is 1 / n here


def test_one_slope_from_all_rows_is_cuped_as_first_written():
    arm, x = _trial(5)
    theta = np.cov(x["revenue"], x["before"])[0, 1] / x["before"].var(ddof=1)

    found = moment_difference(count_moments(arm, [x["revenue"], x["before"]], arms=2), 0, given=[1], slope="pooled")

    rows = arm_difference(x["revenue"] - theta * x["before"], Arms(treated=arm == 1))
    assert [found.estimate, found.std_error] == pytest.approx([rows.estimate, rows.std_error], rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 1000))
def test_scales_of_both_arms_are_those_of_the_outcome(seed, factor):
    arm, x = _trial(seed, units=300)
    moments = count_moments(arm, [x["revenue"], x["before"]], arms=2)

    scaled = moment_difference(count_moments(arm, [x["revenue"] * factor, x["before"]], arms=2), 0, given=[1])
    found = moment_difference(moments, 0, given=[1], scale=(factor, factor))

    assert [found.estimate, found.std_error] == pytest.approx([scaled.estimate, scaled.std_error], rel=1e-8, abs=1e-10)


def test_an_arm_with_fewer_rows_than_slopes_has_no_error():
    arm = np.array([0, 0, 0, 0, 1, 1])

    found = moment_difference(count_moments(arm, [np.arange(6.0), np.arange(6.0) ** 2], arms=2), 0, given=[1])

    assert np.isnan(found.std_error)
