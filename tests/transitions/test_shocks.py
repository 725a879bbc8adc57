"""Shocks common to all partners, joiners, and the age of those who were members when the record began."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from partnerlab.stats.shrinkage.alike_shocks import SPREADS, draw_alike, draw_spread, loadings_of, weigh_alike
from partnerlab.stats.shrinkage.common_shocks import ALIKE, FREELY, NONE, PARTLY, TIERS, draw_common_shocks
from partnerlab.stats.shrinkage.free_shocks import draw_free_shocks, weigh_free
from partnerlab.stats.shrinkage.mixed_logit import fit_mixed_logit
from partnerlab.stats.shrinkage.told_effects import FREE, USUAL, Told, tell_quarters
from partnerlab.transitions import forecast_tiers
from partnerlab.transitions.joiners import draw_joiners
from partnerlab.transitions.semi_markov import fit_flows
from partnerlab.transitions.stays import LIKELY

QUARTERS = 12


def _told(values, precision):
    """A series whose quarters are known with an error of this precision, each on its own."""
    rows = np.column_stack([np.ones(len(values)), np.eye(len(values))])
    return Told(precision=precision * rows.T @ rows, pull=precision * rows.T @ np.asarray(values))


def _spreads(drawn):
    return np.sqrt(np.diagonal(drawn.covariance, axis1=1, axis2=2))


def _struck(series, shock, precision, *, alike, seed=0, quarters=QUARTERS):
    """Series struck alike, or each for itself, and known with an error of this precision."""
    rng = np.random.default_rng(seed)
    shocks = shock * rng.standard_normal((1 if alike else series, quarters))
    return [_told(values, precision) for values in shocks + rng.standard_normal((series, quarters)) / np.sqrt(precision)]


def _quarters(told):
    return [tell_quarters(one, quarters=len(one.pull) - 1, seasons=np.ones(1)) for one in told]


def _prior_of_spread(spread):
    """Half-t density, its scale half-Cauchy, by summing over scales."""
    scales = np.geomspace(1e-5, 1000, 800)
    mixing = 2 / (np.pi * USUAL * (1 + (scales / USUAL) ** 2)) * np.gradient(scales)
    return (2 / scales * stats.t.pdf(np.asarray(spread)[:, None] / scales, 2) * mixing).sum(axis=1)


def _log_likelihood(told, covariance):
    """Of all series' means of quarters, level free, over that of no shocks: by the normal density of their differences."""
    quarters = len(told[0].pull) - 1
    contrast = np.linalg.qr(np.column_stack([np.ones(quarters), np.eye(quarters)[:, 1:]]))[0][:, 1:]
    precision = np.array([one.precision[1, 1] for one in told])
    seen = np.array([contrast.T @ one.pull[1:] for one in told]) / precision[:, None]
    noise = np.diag(1 / precision)
    return sum(
        stats.multivariate_normal(cov=covariance + noise).logpdf(row) - stats.multivariate_normal(cov=noise).logpdf(row) for row in seen.T
    )


@pytest.mark.parametrize(("shock", "precision"), [(0.4, 50.0), (0.0, 50.0), (0.3, 20.0)])
def test_the_spread_of_one_series_has_the_posterior_that_numerical_integration_gives(shock, precision):
    told = _struck(1, shock, precision, alike=True, seed=3)
    drawn = draw_common_shocks(told, quarters=QUARTERS, kept=4000, rng=np.random.default_rng(3))
    spread = _spreads(drawn)[:, 0]
    spread = spread[spread > 0]
    fine = np.geomspace(1e-3, 5, 800)
    mass = _prior_of_spread(fine) * np.exp([_log_likelihood(told, np.array([[one**2]])) for one in fine]) * np.gradient(fine)
    grid = np.concatenate([[0.0], np.quantile(spread, np.arange(0.1, 1.0, 0.1)), [99.0]])

    assert np.histogram(fine, grid, weights=mass / mass.sum())[0] == pytest.approx(np.full(10, 0.1), abs=0.04)
    # one way to be struck, and none, each as likely as the other before
    assert drawn.weights[NONE] == pytest.approx(1 / (1 + mass.sum()), abs=0.03)
    assert drawn.weights[ALIKE] == 0


def test_a_shock_to_all_alike_is_weighed_as_numerical_integration_weighs_it():
    told = _struck(3, 0.2, 40.0, alike=True, seed=1)
    fine = np.geomspace(1e-4, 20, 300)
    like = np.exp([_log_likelihood(told, np.full((3, 3), one**2)) for one in fine])

    found = special.logsumexp(weigh_alike(_quarters(told), np.ones((1, 3))))
    assert found == pytest.approx(np.log((_prior_of_spread(fine) * like * np.gradient(fine)).sum()), abs=0.1)


@pytest.mark.parametrize(("shock", "precision"), [(0.0, 10.0), (0.3, 10.0), (0.3, 60.0)])
def test_shocks_of_any_covariance_are_weighed_as_draws_from_their_prior_weigh_them(shock, precision):
    told, rng = _struck(2, shock, precision, alike=False, seed=2), np.random.default_rng(5)
    size = 20_000
    scale = USUAL * np.abs(rng.standard_cauchy(size))
    # Huang and Wand (2013): inverse Wishart with 3 degrees of freedom, its scale matrix 4 times numbers that are gamma
    wide = 4 * rng.standard_gamma(0.5, (size, 2)) * scale[:, None] ** 2
    lower = np.array([[1.0, 0.0], [0.0, 1.0]]) * np.sqrt(rng.chisquare([3, 2], (size, 2)))[:, :, None]
    lower[:, 1, 0] = rng.standard_normal(size)
    root = np.sqrt(wide)[:, :, None] * np.linalg.inv(lower).swapaxes(1, 2)
    noise, covariance = np.eye(2) / precision, root @ root.swapaxes(1, 2)
    seen = np.array([one.pull[1:] - one.pull[1:].mean() for one in told]) / precision
    scatter = seen @ seen.T
    whole = covariance + noise
    log = -0.5 * (QUARTERS - 1) * (np.linalg.slogdet(whole)[1] - np.linalg.slogdet(noise)[1])
    log -= 0.5 * np.einsum("dij,ji->d", np.linalg.inv(whole) - np.linalg.inv(noise), scatter)

    drawn = draw_free_shocks(told, quarters=QUARTERS, kept=256, rng=rng)
    assert weigh_free(_quarters(told), drawn, rng) == pytest.approx(special.logsumexp(log) - np.log(size), abs=0.4)


@pytest.mark.parametrize("way", [(1, 1, 0), (1, 0, -1), (0, 0, 0)])
def test_a_shock_to_some_or_against_others_is_weighed_as_numerical_integration_weighs_it(way):
    told = _struck(3, 0.2, 40.0, alike=True, seed=4)
    fine = np.geomspace(1e-4, 20, 300)
    like = np.exp([_log_likelihood(told, one**2 * np.outer(way, way)) for one in fine])

    found = special.logsumexp(weigh_alike(_quarters(told), np.array([way])))
    assert found == pytest.approx(np.log((_prior_of_spread(fine) * like * np.gradient(fine)).sum()), abs=0.1)


@pytest.mark.parametrize(("series", "ways"), [(1, 2), (2, 5), (3, 14), (4, 41)])
def test_every_way_of_striking_is_there_once_up_to_its_sign(series, ways):
    found = loadings_of(series)

    # (3^k - 1) / 2 that strike something, and none
    assert len(found) == ways
    assert len({tuple(way) for way in (*found, *-found)}) == 2 * ways - 1
    assert found[:2].tolist() == [[0] * series, [1] * series]


def _by_tier(shocks, precision, rng):
    """Series whose quarters are known tier by tier: what strikes them, shape ``(series, tiers, quarters)``, and noise."""
    size = shocks.shape[1] * shocks.shape[2]
    seen = (shocks + rng.standard_normal(shocks.shape) / np.sqrt(precision)).reshape(len(shocks), size)
    return [_told(values, precision) for values in seen]


def _drawn(shocks, *, precision=200.0, seed=0, kept=32):
    rng, tiers = np.random.default_rng(seed), [np.arange(shocks.shape[1])] * len(shocks)
    return draw_common_shocks(_by_tier(shocks, precision, rng), quarters=QUARTERS, kept=kept, rng=rng, tiers=tiers)


def _shocks(model, seed):
    """What strikes four series in three tiers, as each of the models says."""
    rng, shape = np.random.default_rng(seed), (4, 3, QUARTERS)
    if model == PARTLY:
        return np.array([1.0, 0.0, -1.0, 1.0])[:, None, None] * np.broadcast_to(rng.standard_normal(QUARTERS), shape)
    own = {NONE: (0, 1, 1), ALIKE: (1, 1, QUARTERS), FREELY: (4, 1, QUARTERS), TIERS: (1, 3, QUARTERS)}[model]
    return np.broadcast_to(rng.standard_normal(own), shape) if model != NONE else np.zeros(shape)


@pytest.mark.parametrize("model", [NONE, ALIKE, PARTLY, FREELY, TIERS])
def test_the_model_that_made_the_shocks_is_found_likeliest(model):
    weights = np.mean([_drawn(0.4 * _shocks(model, seed), seed=seed).weights for seed in range(5)], axis=0)

    assert weights.argmax() == model
    assert weights[model] > (0.3 if model == NONE else 0.9)


def test_shocks_of_tiers_reach_as_far_as_they_did_and_quarters_are_those_of_the_tiers():
    shocks = 0.4 * _shocks(TIERS, 1)
    drawn = _drawn(shocks, kept=400, precision=400.0)
    of_tiers = drawn.apart > 0
    quarters = drawn.effects[0][of_tiers, 1:].reshape(-1, 3, QUARTERS).mean(axis=0)

    assert of_tiers.mean() > 0.9
    assert np.median(drawn.apart[of_tiers]) == pytest.approx(shocks[0].std(), rel=0.25)
    assert quarters - quarters.mean() == pytest.approx(shocks[0] - shocks[0].mean(), abs=0.15)
    assert all((one[of_tiers, 1:] == drawn.effects[0][of_tiers, 1:]).all() for one in drawn.effects)
    assert not drawn.roots[of_tiers].any()


def test_shocks_of_tiers_are_weighed_as_the_normal_density_weighs_them():
    rng, size = np.random.default_rng(7), 2 * QUARTERS
    told = _by_tier(0.2 * np.broadcast_to(rng.standard_normal((1, 2, QUARTERS)), (2, 2, QUARTERS)), 40.0, rng)
    left = [tell_quarters(one, quarters=size, seasons=np.ones(1)) for one in told]
    # two series, each about a level of its own, see the same quarters of both tiers
    seen, design = np.concatenate([one.pull[1:] for one in told]) / 40.0, np.tile(np.eye(size), (2, 1))
    noise = np.eye(2 * size) / 40.0 + FREE * np.kron(np.eye(2), np.ones((size, size)))
    fine = np.geomspace(1e-4, 20, 300)
    log = np.array([stats.multivariate_normal(cov=noise + one**2 * design @ design.T).logpdf(seen) for one in fine])
    like = np.exp(log - stats.multivariate_normal(cov=noise).logpdf(seen))

    found = special.logsumexp(weigh_alike(left, np.ones((1, 2))))
    assert found == pytest.approx(np.log((_prior_of_spread(fine) * like * np.gradient(fine)).sum()), abs=0.1)


def test_no_shock_of_tiers_is_weighed_where_no_series_tells_tiers_apart():
    drawn = draw_common_shocks(_struck(3, 0.3, 60.0, alike=True), quarters=QUARTERS, kept=32, rng=np.random.default_rng(0))

    assert drawn.weights[TIERS] == 0
    assert not drawn.apart.any()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), shock=st.floats(0.0, 0.5))
def test_the_order_of_tiers_and_of_series_does_not_matter(seed, shock):
    rng = np.random.default_rng(seed)
    shocks = shock * rng.standard_normal((2, 3, 6))
    told = _by_tier(shocks, 50.0, rng)
    turned = np.concatenate([[0], 1 + np.arange(18).reshape(3, 6)[::-1].ravel()])
    other = [Told(precision=one.precision[np.ix_(turned, turned)], pull=one.pull[turned]) for one in reversed(told)]
    weights = [
        weigh_alike([tell_quarters(one, quarters=18, seasons=np.ones(1)) for one in given], np.ones((1, 2))) for given in (told, other)
    ]

    assert weights[0] == pytest.approx(weights[1], abs=1e-6)


def test_draws_are_of_each_model_as_often_as_it_is_likely():
    drawn = draw_common_shocks(_struck(3, 0.1, 60.0, alike=True), quarters=QUARTERS, kept=2000, rng=np.random.default_rng(0))
    one_number, loading = (drawn.roots[:, :, 1:] == 0).all(axis=(1, 2)), drawn.roots[:, :, 0]
    none, same = ~loading.any(axis=1), np.ptp(loading, axis=1) < 1e-12
    share = [none.mean(), (one_number & same & ~none).mean(), (one_number & ~same).mean(), (~one_number).mean(), (drawn.apart > 0).mean()]

    assert share == pytest.approx(drawn.weights, abs=0.04)
    assert drawn.weights.sum() == pytest.approx(1.0)


def test_where_all_are_struck_alike_the_effects_of_quarters_are_one_and_the_same():
    told, rng = _struck(3, 0.3, 60.0, alike=True), np.random.default_rng(0)
    many = [tell_quarters(one, quarters=QUARTERS, seasons=np.ones(500)) for one in told]
    spread = draw_spread(np.tile(weigh_alike(_quarters(told), np.ones((1, 3))), (500, 1)), rng)
    effects = draw_alike(many, spread, np.ones((500, 3)), rng)

    assert all((one[:, 1:] == effects[0][:, 1:]).all() for one in effects)
    assert np.isin(spread, SPREADS).all()
    assert all((one[:, 1:] == 0).all() for one in draw_alike(many, spread, np.zeros((500, 3)), rng))


def test_what_is_left_of_a_series_is_its_normal_likelihood_with_level_and_seasons_integrated_out():
    rng = np.random.default_rng(0)
    rows = np.column_stack([np.ones(8), np.tile(np.eye(4), (2, 1)), np.eye(8)])
    told = Told(precision=30 * rows.T @ rows, pull=30 * rows.T @ rng.standard_normal(8))
    left = tell_quarters(told, quarters=8, seasons=np.array([0.2, 3.0]))
    prior = [np.diag([1 / FREE, *[1 / season] * 4]) for season in (0.2, 3.0)]

    for place, one in enumerate(prior):
        whole = told.precision + np.pad(one, (0, 8)) + 1e-9 * np.eye(13)
        assert np.linalg.inv(np.linalg.inv(whole)[5:, 5:]) == pytest.approx(left.precision[place], abs=1e-5)


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
    assert (np.linalg.eigvalsh(drawn.covariance) > -1e-9 * (1 + np.abs(drawn.covariance).max())).all()
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


def test_lapses_of_few_say_little_of_the_age_of_their_program():
    ages = np.mean([_ages(_program(12, partners=60, seed=seed)) for seed in range(20)], axis=0)

    assert ages == pytest.approx(LIKELY, abs=0.05)


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


def test_no_single_draw_makes_the_forecast_of_joiners_however_they_swung():
    came = np.array([[26], [17], [19], [8], [72], [39], [16], [29], [28], [19], [39]])
    for seed in range(20):
        drawn = draw_joiners(came, ahead=8, draws=2000, rng=np.random.default_rng(seed))[7][:, 0]
        assert 20 < np.median(drawn) < 28.4
        assert 13 < drawn.std() < 45


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
