"""Scores of probabilities: by hand, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.stats.prediction.scoring_rules import brier_scores, log_scores, ranked_scores, skill

RULES = [log_scores, brier_scores, ranked_scores]


def rows(seed, size=30, classes=4):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(classes), size), rng.integers(0, classes, size)


def test_scores_of_one_forecast_by_hand():
    said, came = np.array([[0.2, 0.5, 0.3]]), np.array([1])

    assert log_scores(said, came)[0] == pytest.approx(-np.log(0.5))
    assert brier_scores(said, came)[0] == pytest.approx(0.04 + 0.25 + 0.09)
    assert ranked_scores(said, came)[0] == pytest.approx((0.2**2 + 0.3**2) / 2)


def test_of_two_classes_the_ranked_score_is_half_of_brier():
    said, came = rows(1, classes=2)

    assert ranked_scores(said, came) == pytest.approx(brier_scores(said, came) / 2)


@pytest.mark.parametrize("rule", RULES)
def test_certainty_that_comes_true_scores_nothing(rule):
    assert rule(np.eye(3), np.arange(3)).tolist() == [0, 0, 0]


def test_what_was_called_impossible_scores_without_end():
    assert log_scores(np.array([[1.0, 0.0]]), np.array([1])).tolist() == [np.inf]


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 10_000))
def test_to_say_what_one_believes_scores_best_on_average(rule, seed):
    """A proper rule: under the believed probabilities, no other forecast is expected to score better."""
    belief, other = np.random.default_rng(seed).dirichlet(np.ones(3), 2)
    outcomes = np.arange(3)
    ours = rule(np.tile(belief, (3, 1)), outcomes) @ belief
    theirs = rule(np.tile(other, (3, 1)), outcomes) @ belief

    assert ours <= theirs + 1e-12


@pytest.mark.parametrize("rule", [log_scores, brier_scores])
def test_names_of_classes_do_not_matter(rule):
    said, came = rows(2)
    other = np.array([2, 0, 3, 1])

    assert rule(said[:, other], np.argsort(other)[came]) == pytest.approx(rule(said, came))


def test_skill_is_the_share_of_the_score_that_is_saved():
    assert skill(np.array([0.0, 0.4, 0.8]), 0.4).tolist() == [1.0, 0.0, -1.0]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"probabilities have shape \(2, 2\), outcomes \(3,\)"):
        log_scores(np.eye(2), np.zeros(3))
