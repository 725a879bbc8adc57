"""Intervals of the regressions cover what made the data, though partners differ: a small share of the long runs."""

import numpy as np
import pytest

from partnerlab.stats.hazards.cox_fit import CoxData, fit_cox_data
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.regressions import coefficients
from partnerlab.stats.regressions.designs import Column
from partnerlab.stats.regressions.glm import Binomial
from partnerlab.stats.regressions.multinomial import Multinomial
from partnerlab.stats.regressions.regression import OutcomeRows, make_model

RUNS = 250


def _covers(estimate, error, truth, *, df=None):
    return np.abs(estimate - truth) <= float(critical_value(0.95, df)) * error


@pytest.mark.parametrize(("partners", "kind"), [(120, "cluster"), (20, "jackknife")])
def test_logit_of_a_covariate_that_partners_share(partners, kind):
    # without frailty the coefficient has one meaning; clustering comes from a covariate that changes by partner only
    random, hits = np.random.default_rng(partners), []
    for _ in range(RUNS):
        cluster = np.repeat(np.arange(partners), 8)
        late, size = np.repeat(np.arange(partners) % 2, 8), random.integers(-2, 3, len(cluster))
        outcome = (random.random(len(cluster)) < 1 / (1 + np.exp(1.2 - 0.7 * late - 0.3 * size))).astype(np.int64)
        columns = (Column(name="late", values=late), Column(name="size", values=size))
        model = make_model(OutcomeRows(columns=columns, outcome=outcome, cluster=cluster), Binomial())
        best, _ = model.fit()
        back = model.back
        error = coefficients.root_diagonal(back @ model.covariance(best, kind=kind) @ back.T)
        hits.append(_covers((back @ best.beta)[1:], error[1:], [0.7, 0.3], df=coefficients.freedom(kind, partners)))

    assert _is_nominal(hits)


def _is_nominal(hits):
    """Whether coverage is 95 % as far as so few runs can tell: within four standard errors."""
    return (np.abs(np.mean(hits, axis=0) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / len(hits))).all()


def _chances(move):
    odds = np.stack([np.ones_like(move), np.exp(-1.2 + move), np.exp(-1.6 - move)])
    return odds / odds.sum(axis=0)


def test_effects_in_probability_are_covered_under_frailty():
    random, hits = np.random.default_rng(7), []
    late = np.arange(150) % 2
    wide = np.random.default_rng(1).normal(size=200_000)
    truth = _chances(0.8 + 0.8 * wide).mean(axis=1) - _chances(0.8 * wide).mean(axis=1)
    for _ in range(RUNS):
        move = np.repeat(0.8 * late + 0.8 * random.normal(size=150), 6)
        outcome = (random.random(900) > np.cumsum(_chances(move), axis=0)).sum(axis=0)
        rows = OutcomeRows(columns=(Column(name="late", values=np.repeat(late, 6)),), outcome=outcome, cluster=np.repeat(np.arange(150), 6))
        model = make_model(rows, Multinomial(outcomes=3))
        best, _ = model.fit()
        _, effect, error = coefficients.marginal_effects(model, best.beta, model.covariance(best, kind="cluster"))
        hits.append(_covers(effect[0], error[0], truth))

    assert _is_nominal(hits)


def test_cox_of_recurrent_events_under_frailty_needs_the_clustered_error():
    random, robust, naive = np.random.default_rng(3), [], []
    for _ in range(120):
        arm, frailty = np.arange(100) % 2, random.gamma(1.0, 1.0, 100)
        rate = 0.3 * frailty * np.exp(0.0 * arm)
        count = random.poisson(rate * 10)
        owner = np.repeat(np.arange(100), count + 1)
        times = np.concatenate([np.concatenate([np.sort(random.random(c)) * 10, [10.0]]) for c in count])
        begin = np.where(np.r_[True, owner[1:] != owner[:-1]], 0.0, np.r_[0.0, times[:-1]])
        event = ~np.r_[owner[1:] != owner[:-1], True]
        column = Column(name="arm", values=arm[owner])
        fitted = fit_cox_data(CoxData(columns=(column,), exits=times, entry=begin, event=event, cluster=owner))
        for kind, hits in (("cluster", robust), ("model", naive)):
            error = coefficients.root_diagonal(fitted.covariance(kind=kind))
            hits.append(_covers(fitted.best.beta[0], error[0], 0.0))

    assert _is_nominal(robust)
    assert np.mean(naive) < 0.85
