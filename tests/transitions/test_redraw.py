"""Redrawing a panel: what varies varies as it should, what is stated stays."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.panel.indicators import Indicators
from partnerlab.panel.panel import Panel
from partnerlab.transitions.redraw import draw_amounts, fit_noise, hold, prior_groups, redraw_panel, value_spread


def _panel(values, *, statistic, n=None, window=1):
    partners, quarters = values.shape
    rows = {
        "partner": np.repeat([f"p{i:04d}" for i in range(partners)], quarters),
        "quarter": np.tile([f"20{22 + q // 4}Q{q % 4 + 1}" for q in range(quarters)], partners),
        "x": values.ravel(),
    }
    if n is not None:
        rows["x_n"] = n.ravel()
    indicator = {"from": "frame", "statistic": statistic, "window": window}
    return Panel.from_frame(pd.DataFrame(rows), indicators=Indicators(indicators={"x": indicator}))


def test_redrawn_counts_keep_the_differences_between_partners():
    rng = np.random.default_rng(0)
    panel = _panel(rng.poisson(rng.gamma(1.5, 2.0, 2000)[:, None], (2000, 8)), statistic="count")
    drawn = redraw_panel(panel, fit_noise(panel, ("x",), within=None), np.random.default_rng(1)).totals["x"]

    assert drawn.mean() == pytest.approx(panel.totals["x"].mean(), rel=0.03)
    assert drawn.sum(axis=1).var() == pytest.approx(panel.totals["x"].sum(axis=1).var(), rel=0.15)


def test_redrawn_counts_vary_as_poisson_within_a_partner():
    rng = np.random.default_rng(0)
    panel = _panel(rng.poisson(rng.gamma(1.5, 2.0, 2000)[:, None], (2000, 8)), statistic="count")
    drawn = redraw_panel(panel, fit_noise(panel, ("x",), within=None), np.random.default_rng(1)).totals["x"]

    assert drawn.var(axis=1, ddof=1).mean() == pytest.approx(drawn.mean(), rel=0.05)


def test_redrawn_shares_never_exceed_their_rows():
    rng = np.random.default_rng(0)
    rows = rng.poisson(4.0, (300, 6))
    panel = _panel(np.where(rows > 0, rng.binomial(rows, 0.4) / np.maximum(rows, 1), np.nan), statistic="share", n=rows)
    drawn = redraw_panel(panel, fit_noise(panel, ("x",), within=None), np.random.default_rng(1))

    assert (drawn.totals["x"] <= drawn.counts["x"]).all()
    assert drawn.totals["x"].sum() / drawn.counts["x"].sum() == pytest.approx(0.4, abs=0.03)


def test_a_redrawn_panel_keeps_who_was_a_member():
    panel = _panel(np.random.default_rng(0).poisson(3.0, (50, 6)), statistic="count")
    drawn = redraw_panel(panel, fit_noise(panel, ("x",), within=None), np.random.default_rng(1))

    assert np.array_equal(drawn.state, panel.state)


def test_without_exposure_nothing_is_drawn():
    panel = _panel(np.full((10, 4), 50), statistic="count")
    noise = fit_noise(panel, ("x",), within=None)[0]
    exposure = np.ones((10, 4))
    exposure[:, 2] = 0

    assert (noise.draw(np.random.default_rng(0), exposure)[0][:, 2] == 0).all()


def test_stated_values_stay_where_they_mostly_stood():
    assert hold(np.array([[7.0, 7.0, np.nan, 9.0], [np.nan] * 4]), np.ones((2, 4))).tolist()[0][:2] == [7.0, 7.0]


def test_unknown_stays_unknown():
    assert np.isnan(hold(np.array([[np.nan, 2.0]]), np.ones((1, 2)))[0, 0])


def test_amounts_have_the_mean_and_spread_asked_for():
    drawn = draw_amounts(np.random.default_rng(0), np.full((20_000, 1), 5), np.full(20_000, 10.0), 0.8)

    assert drawn.mean() == pytest.approx(50, rel=0.02)
    assert drawn.std() == pytest.approx(np.sqrt(5) * 8, rel=0.03)


def test_amounts_may_be_negative_where_refunds_win():
    drawn = draw_amounts(np.random.default_rng(0), np.full((20_000, 1), 5), np.where(np.arange(20_000) % 2, 10.0, -1.0), 0.8)

    assert drawn[::2].mean() == pytest.approx(-5, abs=0.1)


@pytest.mark.parametrize("with_squares", [True, False])
def test_the_spread_of_single_amounts_is_found(with_squares):
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (400, 10))
    mean = rng.gamma(5.0, 20.0, 400)
    values = [rng.gamma(4.0, mean[i] / 4.0, counts[i, q]) for i in range(400) for q in range(10)]
    totals = np.array([value.sum() for value in values]).reshape(400, 10)
    squares = np.array([(value**2).sum() for value in values]).reshape(400, 10)

    assert value_spread(totals, counts, squares if with_squares else None)[1] == pytest.approx(0.5, rel=0.06)


def test_small_groups_are_taken_together():
    group, groups = prior_groups(pd.DataFrame({"region": ["A"] * 9 + ["B"] * 3 + ["C"] * 2}), "region")

    assert groups == 2
    assert group[9:].tolist() == [0] * 5
