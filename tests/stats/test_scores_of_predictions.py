"""Pair counts, pseudo-values, weights for censoring, bootstrap weights: against what they mean, on any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.curves import incidence
from partnerlab.stats.curves.risksets import CENSORED, Spans, count_risk_sets
from partnerlab.stats.inference import replicates
from partnerlab.stats.prediction import calibration, censored_scores
from partnerlab.stats.prediction.concordance import RankSums, concordance

MANY = settings(max_examples=40, deadline=None)


@st.composite
def prompt_spans(draw, causes=2):
    n = draw(st.integers(3, 20))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Spans(np.zeros(n), random.integers(1, 7, n), random.integers(CENSORED, causes, n)), random


def share(spans, t, of):
    sets = count_risk_sets(spans, causes=2)
    place = int(np.searchsorted(sets.time, t, side="right")) - 1
    return incidence.aalen_johansen(sets.at_risk[0], sets.events[0])[of][place] if place >= 0 else 0.0


@MANY
@given(prompt_spans(), st.integers(0, 7), st.integers(0, 1))
def test_pseudo_values_are_what_leaving_each_spell_out_takes_away(drawn, t, of):
    spans, _ = drawn
    n = len(spans.entry)
    kept = [Spans(*(np.delete(values, row) for values in spans)) for row in range(n)]

    found = calibration.pseudo_values(spans, t, of=of, causes=2)

    assert np.allclose(found, [n * share(spans, t, of) - (n - 1) * share(rest, t, of) for rest in kept])


@MANY
@given(prompt_spans(), st.integers(1, 6))
def test_weights_for_censoring_add_up_to_everybody_and_give_the_curve(drawn, t):
    spans, _ = drawn
    horizon = censored_scores.known_by(spans, t)
    # where the last spells are censored by then nothing stands for them
    if not (spans.duration > t).any() and (spans.cause[spans.duration == spans.duration.max()] == CENSORED).any():
        return

    assert horizon.weight.sum() == pytest.approx(len(spans.entry))
    assert (horizon.weight * horizon.outcome).sum() / len(spans.entry) == pytest.approx(share(spans, t, 0))


@MANY
@given(prompt_spans())
def test_influences_on_a_score_add_up_to_nothing(drawn):
    spans, random = drawn
    horizon, risk = censored_scores.known_by(spans, 3.0), random.random(len(spans.entry))

    assert censored_scores.brier_score(horizon, risk)[1].sum() == pytest.approx(0.0, abs=1e-9)
    area = censored_scores.roc_area(horizon, risk)[1]
    assert np.isnan(area).all() or area.sum() == pytest.approx(0.0, abs=1e-9)


@MANY
@given(st.integers(0, 2**32 - 1))
def test_rank_sums_equal_sums_over_pairs(seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 40))
    rank, weight = random.integers(0, 9, n), random.random(n)
    prefix, asked = random.integers(0, n + 1, 25), random.integers(0, rank.max() + 2, 25)

    found = RankSums(rank, weight).below(prefix, asked)

    assert np.allclose(found, [weight[:stop][rank[:stop] < limit].sum() for stop, limit in zip(prefix, asked, strict=True)])


@MANY
@given(prompt_spans(causes=1))
def test_turning_scores_round_turns_concordance_round(drawn):
    spans, random = drawn
    score = random.integers(0, 5, len(spans.entry)).astype(float)
    one, other = (concordance(spans, values)[0] for values in (score, -score))

    assert np.isnan(one) or one + other == pytest.approx(1.0)


@MANY
@given(prompt_spans(causes=1))
def test_without_censoring_unos_concordance_is_harrells(drawn):
    spans, random = drawn
    ended = spans._replace(cause=np.zeros(len(spans.entry), dtype=int))
    score = random.random(len(spans.entry))

    assert concordance(ended, score, weighted=True)[0] == pytest.approx(concordance(ended, score)[0], nan_ok=True)


def test_the_influence_of_a_spell_is_what_doubling_it_does():
    random = np.random.default_rng(4)
    n = 400
    spans = Spans(np.zeros(n), random.integers(1, 20, n), random.integers(CENSORED, 1, n))
    score = random.random(n)
    whole, influence, _ = concordance(spans, score)

    more = [concordance(Spans(*(np.append(values, values[row]) for values in spans)), np.append(score, score[row]))[0] for row in range(5)]

    assert np.allclose(np.array(more) - whole, influence[:5], atol=2e-5)


# ---- bootstrap weights


def test_a_partners_weights_do_not_depend_on_who_else_is_there():
    alone, among = (replicates.partner_weights(units, replicates=30, seed=4) for units in (np.array([17]), np.arange(40)))

    assert np.array_equal(alone[0], among[17])
    assert not np.array_equal(among, replicates.partner_weights(np.arange(40), replicates=30, seed=5))


def test_more_replicates_keep_the_first():
    few, many = (replicates.partner_weights(np.arange(9), replicates=count, seed=1) for count in (10, 50))

    assert np.array_equal(few, many[:, :10])


def test_blocks_give_the_sums_of_one_pass(monkeypatch):
    values = np.random.default_rng(1).poisson(2, (300, 4)).astype(float)
    whole = replicates.bootstrap_sums(values, replicates=64, seed=9)
    monkeypatch.setattr("partnerlab.stats.inference.replicates._BLOCK", 64 * 7)

    assert np.array_equal(replicates.bootstrap_sums(values, replicates=64, seed=9), whole)
    assert np.array_equal(whole, replicates.partner_weights(np.arange(300), replicates=64, seed=9).T.astype(float) @ values)


def test_weights_are_poisson_and_unrelated():
    weights = replicates.partner_weights(np.arange(4000), replicates=60, seed=2).astype(float)
    between = np.corrcoef(weights.T) - np.eye(60)

    assert weights.mean() == pytest.approx(1.0, abs=0.01)
    assert weights.var() == pytest.approx(1.0, abs=0.02)
    assert between.std() == pytest.approx(1 / np.sqrt(4000), rel=0.1)
