"""Levels that hold until they change: by hand, laws, and truths found again."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from partnerlab.stats.turns.changes import MeanLevels, RateLevels, ShareLevels, fit_hazard, fit_paths, forward_evidence, spell_evidence

COUNTS = arrays(np.int64, (3, 5), elements=st.integers(0, 30))


def _rates(units, shape=2.0, rate=1.0):
    return RateLevels(np.full(units, shape), np.full(units, rate))


def _running(array):
    return np.hstack([np.zeros((len(array), 1)), np.cumsum(array, axis=1)])


def _by_partitions(levels, counts, hazard):
    """Log evidence of one unit by summing over every way to place changes."""
    periods = counts.shape[1]
    terms = []
    for cuts in itertools.product([False, True], repeat=periods - 1):
        edges = [0, *[place + 1 for place, cut in enumerate(cuts) if cut], periods]
        spells = sum(float(levels.evidence((counts[:, a:b].sum(axis=1), np.array([b - a])))[0]) for a, b in itertools.pairwise(edges))
        terms.append(spells + sum(np.log(hazard) if cut else np.log1p(-hazard) for cut in cuts))
    return special.logsumexp(terms)


def test_forward_sum_is_the_sum_over_all_ways_to_place_changes():
    counts = np.array([[3.0, 1.0, 7.0, 8.0, 2.0]])
    spells = spell_evidence(_rates(1), (_running(counts), _running(np.ones_like(counts))))

    assert np.isclose(forward_evidence(spells, hazard=0.2)[-1, 0], _by_partitions(_rates(1), counts, 0.2))


def test_rate_evidence_is_the_negative_binomial():
    events, levels = np.arange(8.0), _rates(8, 2.5, 1.5)
    found = levels.evidence((events, np.full(8, 2.0))) + events * np.log(2.0) - special.gammaln(events + 1)

    assert np.allclose(found, stats.nbinom(2.5, 1.5 / 3.5).logpmf(events))


def test_share_evidence_is_the_beta_binomial():
    hits = np.arange(6.0)
    found = ShareLevels(2.0, 3.0).evidence((hits, np.full(6, 5.0))) + np.log(special.binom(5, hits))

    assert np.allclose(found, stats.betabinom(5, 2.0, 3.0).logpmf(hits))


def test_mean_evidence_differs_between_splits_as_normal_densities_do():
    values, levels = np.array([1.0, 2.5]), MeanLevels(0.5, 0.25)
    law = stats.multivariate_normal([0.5, 0.5], np.eye(2) + 4.0)
    apart = stats.norm(0.5, np.sqrt(5.0)).logpdf(values).sum()
    together = levels.evidence((np.array([2.0]), np.array([3.5])))[0]
    split = sum(levels.evidence((np.array([1.0]), np.array([value])))[0] for value in values)

    assert np.isclose(together - split, law.logpdf(values) - apart)


@given(COUNTS)
def test_without_changes_the_evidence_is_that_of_the_sum(counts):
    counts = counts.astype(float)
    spells = spell_evidence(_rates(3), (_running(counts), _running(np.ones_like(counts))))
    whole = _rates(3).evidence((counts.sum(axis=1), np.full(3, 5.0)))

    assert np.allclose(forward_evidence(spells, hazard=0.0)[-1], whole)


@given(COUNTS)
@settings(max_examples=25)
def test_draws_keep_one_level_where_nothing_may_change(counts):
    paths = fit_paths(_rates(3), (counts.astype(float), np.ones((3, 5))), hazard=0.0)
    drawn = paths.draw(np.random.default_rng(0), keep=5)

    assert (drawn == drawn[:, :1]).all()


def test_draws_at_the_end_are_those_of_the_posterior_mixture():
    counts = np.array([[2.0, 9.0]])
    paths = fit_paths(_rates(1), (counts, np.ones((1, 2))), hazard=0.3)
    rng = np.random.default_rng(1)
    drawn = np.array([paths.draw(rng, keep=1)[0, 0] for _ in range(4000)])
    log = paths.spells[:, 1, 0] + np.array([np.log(0.7), paths.forward[0, 0] + np.log(0.3)])
    weight = np.exp(log - special.logsumexp(log))
    mean = weight[0] * (2 + 11) / (1 + 2) + weight[1] * (2 + 9) / (1 + 1)

    assert abs(drawn.mean() - mean) < 4 * drawn.std() / np.sqrt(4000)


@pytest.mark.parametrize("hazard", [0.0, 0.1])
def test_the_hazard_of_changes_is_found_again(hazard):
    rng = np.random.default_rng(3)
    level = rng.gamma(1.5, 2.0, (300, 1)) * np.ones((1, 12))
    for column in range(1, 12):
        anew = rng.random(300) < hazard
        level[anew, column:] = rng.gamma(1.5, 2.0, (anew.sum(), 1))
    counts = rng.poisson(level).astype(float)
    spells = spell_evidence(_rates(300, 1.5, 0.5), (_running(counts), _running(np.ones_like(counts))))

    assert abs(fit_hazard(spells) - hazard) <= 0.03
