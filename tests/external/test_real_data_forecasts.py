"""A real membership program: lapses of 2023 and 2024, each quarter forecast from those before it."""

from pathlib import Path

import numpy as np
import pytest

from partnerlab.intake import connect
from partnerlab.panel import build_panel
from partnerlab.tiers import TierScheme, assign_tiers
from partnerlab.transitions import backtest_forecast, forecast_tiers

pytestmark = pytest.mark.external

HERE = Path(__file__).parent
CLEAN_UPS = ("2023Q1", "2024Q1")


@pytest.fixture(scope="module")
def history(external_data):
    scheme = TierScheme.load(HERE / "schemes" / "cncf.yaml")
    with connect(HERE / "mappings" / "cncf_partners.yaml") as source:
        return assign_tiers(build_panel(source, first="2019Q3", last="2024Q4", indicators=scheme.indicators), scheme)


@pytest.fixture(scope="module")
def scored(history):
    return backtest_forecast(history, first="2023Q1", last="2024Q4", event="lapsed", without=CLEAN_UPS, seed=1)


def test_lapse_forecasts_beat_every_simple_one_on_the_summed_log_score(scored):
    rows = scored.table[scored.table["score"] == "log"].set_index("against")

    assert rows["quarters"].tolist() == [8, 8, 8]
    assert (rows["estimate"] * rows["n"]).gt(0).all()
    assert rows[["std_error", "conf_low", "conf_high"]].notna().all(axis=None)
    assert rows.loc["persistence", "conf_low"] > 0
    assert rows.loc["last-quarter matrix", "conf_low"] > 0


def test_the_pooled_matrix_is_beaten_in_every_quarter(scored):
    quarters = scored.by_quarter

    assert len(quarters) == 8
    assert (quarters["ours"] < quarters["pooled matrix"]).all()


def test_the_renewal_season_is_seen(history):
    """The first quarter of a year is expected to bring more lapses than the others, before the quarter has begun."""
    expected = {}
    for quarter in ("2024Q1", "2024Q2", "2024Q3", "2024Q4"):
        rows = forecast_tiers(history, quarter=quarter, draws=500, seed=1).partners
        rows = rows[~rows["now"].isin(["lapsed", "unknown"])]
        expected[quarter] = rows.loc[rows["tier"] == "lapsed", "probability"].mean()

    assert expected["2024Q1"] > 1.5 * max(share for quarter, share in expected.items() if quarter != "2024Q1")


def test_first_renewals_are_told_from_first_quarters(history):
    """Hardly anybody leaves before a year is over, many when it is."""
    rows = forecast_tiers(history, quarter="2024Q1", draws=500, seed=1).partners
    lapse = rows[(rows["tier"] == "lapsed") & (rows["now"] == "silver")].set_index("partner")["probability"]
    codes = history.published[:, : history.column("2024Q1")]
    age = (codes >= 0).sum(axis=1)
    joined = (codes[:, 0] == -2) & (codes[:, -1] == 2)

    assert lapse[history.partners[joined & (age == 4)]].mean() > 5 * lapse[history.partners[joined & (age == 1)]].mean()


def test_without_the_clean_ups_the_slope_of_lapse_probabilities_holds_one(scored):
    slopes = scored.calibration[scored.calibration["term"] == "slope"].set_index("quarters")

    assert set(slopes.index) == {"all", "without 2023Q1, 2024Q1"}
    assert slopes[["estimate", "conf_low", "conf_high"]].notna().all(axis=None)
    assert slopes.loc["without 2023Q1, 2024Q1", "conf_low"] < 1 < slopes.loc["without 2023Q1, 2024Q1", "conf_high"]


def test_intervals_of_the_programs_numbers_hold(scored):
    """Outside the two clean-ups, when the program removed silent members, which no record before them tells of."""
    near = scored.counts[scored.counts["ahead"] == 1]
    usual = near[~near["quarter"].isin(CLEAN_UPS)]

    assert (len(near), len(usual)) == (8 * 7, 6 * 7)
    assert usual["inside"].mean() >= 0.88
    assert near["inside"].mean() >= 0.8


def test_a_forecast_reads_nothing_that_came_later(history):
    late = forecast_tiers(history, quarter="2023Q1", draws=200, seed=1)
    early = forecast_tiers(history.until("2022Q4"), draws=200, seed=1)

    assert np.array_equal(late.partners["probability"], early.partners["probability"])
