"""Shocks common to all partners, joiners, and the age of those who were members when the record began."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from partnerlab.stats.shrinkage.common_shocks import FREE, USUAL, Told, draw_common_shocks
from partnerlab.stats.shrinkage.mixed_logit import fit_mixed_logit
from partnerlab.transitions import forecast_tiers
from partnerlab.transitions.joiners import draw_joiners
from partnerlab.transitions.semi_markov import fit_flows

QUARTERS = 12


def _told(values, precision):
    """A series whose quarters are known with an error of this precision, each on its own."""
    rows = np.column_stack([np.ones(len(values)), np.eye(len(values))])
    return Told(precision=precision * rows.T @ rows, pull=precision * rows.T @ np.asarray(values))


def _spreads(drawn):
    return np.sqrt(np.diagonal(drawn.covariance, axis1=1, axis2=2))


def _density_of_spread(values, precision, grid):
    """Posterior of the whole spread of one series, by summing over the two parts that make it up: its own and that of all alike."""
    scales = np.geomspace(1e-4, 100, 400)
    mixing = 2 / (np.pi * USUAL * (1 + (scales / USUAL) ** 2)) * np.gradient(scales)
    part = np.geomspace(1e-3, 5, 150)
    prior = (2 / scales * stats.t.pdf(part[:, None] / scales, 2) * mixing).sum(axis=1) * np.gradient(part)
    size, found = len(values), np.zeros(len(grid) - 1)
    for own, weight in zip(part, prior, strict=True):
        spread2 = own**2 + part**2
        total = spread2 + 1 / precision
        like = -(size - 1) / 2 * np.log(total) - (values**2).sum() / 2 / total + values.sum() ** 2 / 2 / size / total
        found += np.histogram(np.sqrt(spread2), grid, weights=weight * prior * np.exp(like))[0]
    return found / found.sum()


@pytest.mark.parametrize(("shock", "precision"), [(0.4, 50.0), (0.0, 50.0), (0.3, 20.0)])
def test_the_spread_of_one_series_has_the_posterior_that_numerical_integration_gives(shock, precision):
    rng = np.random.default_rng(3)
    values = shock * rng.standard_normal(QUARTERS) + rng.standard_normal(QUARTERS) / np.sqrt(precision)
    drawn = draw_common_shocks([_told(values, precision)], quarters=QUARTERS, kept=4000, rng=rng)
    grid = np.concatenate([[0.0], np.quantile(_spreads(drawn), np.arange(0.1, 1.0, 0.1)), [9.0]])

    assert _density_of_spread(values, precision, grid) == pytest.approx(np.full(10, 0.1), abs=0.04)


def test_series_struck_alike_are_found_alike_and_series_struck_apart_are_not():
    rng = np.random.default_rng(0)
    shocks = 0.4 * rng.standard_normal((2, QUARTERS))

    def likeness(first, second):
        seen = [values + 0.1 * rng.standard_normal(QUARTERS) for values in (first, second)]
        covariance = draw_common_shocks([_told(one, 100.0) for one in seen], quarters=QUARTERS, kept=200, rng=rng).covariance
        return np.median(covariance[:, 0, 1] / np.sqrt(covariance[:, 0, 0] * covariance[:, 1, 1]))

    assert likeness(shocks[0], shocks[0]) > 0.7
    assert abs(likeness(shocks[0], shocks[1])) < 0.5
    assert likeness(shocks[0], -shocks[0]) < -0.7


def test_doubt_about_a_level_grows_with_the_spread_of_the_shocks():
    rng = np.random.default_rng(0)
    told = [_told(spread * rng.standard_normal(QUARTERS), 1000.0) for spread in (0.05, 0.8)]
    drawn = [draw_common_shocks([one], quarters=QUARTERS, kept=400, rng=rng).effects[0][:, 0].std() for one in told]

    # what twelve quarters of shocks leave open: spread / sqrt(12)
    assert drawn[1] == pytest.approx(0.8 / np.sqrt(QUARTERS), rel=0.5)
    assert drawn[0] < 0.2 * drawn[1]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), series=st.integers(1, 4), precision=st.floats(0.0, 1e4))
def test_every_draw_of_a_covariance_is_one(seed, series, precision):
    rng = np.random.default_rng(seed)
    told = [_told(rng.standard_normal(5), precision) for _ in range(series)]
    drawn = draw_common_shocks(told, quarters=5, kept=10, rng=rng)

    assert drawn.covariance.shape == (len(drawn.effects[0]), series, series)
    assert np.isfinite(drawn.covariance).all()
    assert (np.linalg.eigvalsh(drawn.covariance) > 0).all()
    assert all(np.isfinite(one).all() for one in drawn.effects)


def test_the_evidence_is_the_chance_of_the_counts_by_numerical_integration():
    events, trials = np.array([30.0]), np.array([100.0])
    fit = fit_mixed_logit(events, trials, np.full((1, 1), -1), (1,), fixed={0: 1.0})
    line = np.linspace(-8, 8, 40_001)
    chance = np.exp(events * line - trials * np.logaddexp(0, line)) * stats.norm.pdf(line, scale=np.sqrt(FREE))

    assert fit.evidence == pytest.approx(np.log(chance.sum() * (line[1] - line[0])), abs=0.02)


def test_a_slope_without_data_has_the_mean_that_is_given():
    fit = fit_mixed_logit(
        np.array([5.0]), np.array([9.0]), np.full((1, 1), -1), (1,), numbers=np.zeros((1, 1)), slope_mean=-0.5, slope_variance=0.1
    )

    assert fit.effects[-1] == pytest.approx(-0.5)
    assert fit.covariance[-1, -1] == pytest.approx(0.1)


def _program(age, *, partners=4000, quarters=12, seed=0):
    """Lapse codes of partners who differ (gamma frailty), ``age`` quarters old when the record begins, and of equally many who join."""
    rng = np.random.default_rng(seed)
    chance = -np.expm1(-0.12 * rng.standard_gamma(1.0, partners))
    start = np.where(np.arange(partners) < partners // 2, -age, rng.integers(1, quarters - 1, partners))
    end = start + rng.geometric(np.maximum(chance, 1e-9))
    codes = np.where(np.arange(quarters) < start[:, None], -1, np.where(np.arange(quarters) < end[:, None], 0, 1)).astype(np.int8)
    return codes[(end > 0) & (start < quarters)]


def _ages(codes):
    pairs = codes.shape[1] - 1
    return fit_flows(codes, rank=(1,), use=np.ones(pairs, dtype=bool), season=np.arange(pairs) % 4, seasons=4).ages


def test_lapses_tell_a_program_that_began_with_the_record_from_an_old_one():
    young, old = _ages(_program(0)), _ages(_program(48))

    assert young[0] > 0.9
    assert old[2] > 0.5
    assert young.sum() == pytest.approx(1.0)


def test_lapses_are_not_overstated_where_the_record_begins_with_the_program(history_of):
    forecast, happened = [], []
    for seed in range(6):
        codes = _program(0, partners=1500, quarters=20, seed=seed)
        codes = codes[(codes[:, :12] >= 0).any(axis=1) & (codes[:, 11] >= 0)]
        known = np.where(codes[:, :12] == 1, -3, np.where(codes[:, :12] < 0, -2, 0))
        table = forecast_tiers(history_of(known, tiers=("A",)), ahead=8, draws=200, seed=seed).table
        last = table[(table["ahead"] == 8) & (table["tier"] == "A")].iloc[0]
        forecast.append(last["now"] - (last["estimate"] - last["joins"]))
        happened.append(((codes[:, 11] == 0) & (codes[:, 19] == 1)).sum())

    assert np.sum(forecast) == pytest.approx(np.sum(happened), rel=0.1)


def test_joiners_that_come_by_chance_alone_vary_no_more_than_chance():
    rng = np.random.default_rng(1)
    came = rng.poisson([20, 10], (8, 2))
    drawn = draw_joiners(came, ahead=1, draws=4000, rng=rng)[0].sum(axis=1)

    low, high = np.quantile(drawn, [0.025, 0.975])

    # Poisson, and doubt about its mean after eight quarters; a recent quarter drawn and Poisson about it would have twice the variance
    assert drawn.mean() == pytest.approx(came.sum() / 8, rel=0.02)
    assert 0.9 < (high - low) / 3.92 / np.sqrt(30 * 9 / 8) < 1.4


def test_joiners_whose_number_swings_vary_as_they_did():
    drawn = draw_joiners(np.array([[10], [90]] * 4), ahead=1, draws=4000, rng=np.random.default_rng(1))[0]

    assert drawn.std() > 30


def test_nobody_joins_a_state_that_nobody_came_to():
    drawn = draw_joiners(np.array([[10, 0, 3]] * 8), ahead=2, draws=500, rng=np.random.default_rng(1))

    assert all((quarter[:, 1] == 0).all() for quarter in drawn)


def test_a_first_lapse_has_about_half_a_moves_chance(history_of):
    codes = np.random.default_rng(0).integers(0, 2, (80, 9))
    rows = forecast_tiers(history_of(codes, tiers=("A", "B")), draws=400, seed=1).partners
    lapse = rows.loc[rows["tier"] == "lapsed", "probability"]

    assert len(lapse) == 80
    assert lapse.between(0.1 / 640, 2 / 640).all()
    assert special.logit(lapse).notna().all()
