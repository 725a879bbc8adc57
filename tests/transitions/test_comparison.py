"""Printed forecasts against what happened."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.transitions import compare_forecast, forecast_tiers


@pytest.fixture(scope="module")
def history(history_of, frail_codes):
    return history_of(frail_codes(partners=300, quarters=12, rng=np.random.default_rng(5))[0])


def test_what_happened_is_counted(history):
    scored = compare_forecast(forecast_tiers(history, quarter="2024Q4", seed=1), history=history)

    # three tiers, and lapsed
    assert scored.table["actual"].tolist() == np.bincount(history.published[:, -1], minlength=4).tolist()
    assert scored.table["persistence"].tolist() == np.bincount(history.published[:, -2], minlength=4).tolist()


def test_a_perfect_forecast_scores_best(history):
    printed = forecast_tiers(history, quarter="2024Q4", seed=1).tidy()
    perfect = printed.assign(estimate=np.bincount(history.published[:, -1], minlength=4))

    assert (
        compare_forecast(perfect, history=history).log_score
        < compare_forecast(printed.assign(estimate=[250, 25, 25, 0]), history=history).log_score
    )
    assert compare_forecast(perfect, history=history).brier == pytest.approx(0, abs=1e-4)  # half a partner in each tier


def test_a_table_as_printed_scores_like_the_result(history):
    forecast = forecast_tiers(history, quarter="2024Q4", seed=1)

    pd.testing.assert_frame_equal(
        compare_forecast(forecast.tidy(), history=history).table, compare_forecast(forecast, history=history).table
    )


def test_a_quarter_that_has_not_happened_cannot_be_scored(history):
    with pytest.raises(SampleError, match="2025Q1 has not happened in full"):
        compare_forecast(forecast_tiers(history, seed=1), history=history)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="conf_low"), "lacks conf_low"),
        (lambda table: table.assign(tier="D"), "speaks of tier 'D', which the history does not have"),
        (lambda table: pd.concat([table, table.assign(quarter="2024Q3")]), "say which quarter"),
    ],
)
def test_a_table_that_is_no_forecast_is_refused(history, change, message):
    printed = forecast_tiers(history, quarter="2024Q4", seed=1).tidy()

    with pytest.raises(ParameterError, match=message):
        compare_forecast(change(printed), history=history)


def test_only_tiers_are_counted_among_the_forecasts_that_held(history_of, frail_codes):
    codes = frail_codes(partners=300, quarters=12, rng=np.random.default_rng(5))[0]
    codes[:20, 6:] = -3
    history = history_of(codes)
    printed = forecast_tiers(history, quarter="2024Q4", seed=1).tidy()
    check = compare_forecast(printed, history=history).checks[0]

    assert "lapsed" in set(printed["tier"])
    assert " of 3 tiers came out inside" in check.detail


def test_a_score_that_reads_the_same_is_no_better(history):
    persistence = np.bincount(history.published[:, -2], minlength=4).astype(float)
    printed = forecast_tiers(history, quarter="2024Q4", seed=1).tidy().assign(estimate=persistence)

    assert compare_forecast(printed, history=history).checks[1].passed is None
