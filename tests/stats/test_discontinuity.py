"""Jumps at a line: by hand, laws, and recovered truth under curves, clusters and heaping."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.causes.discontinuity import best_bandwidth, density_jump, estimate_jump
from partnerlab.stats.inference.intervals import critical_value

SCORE = np.linspace(-1, 1, 200)
NOISE = np.random.default_rng(0).normal(0, 0.2, 200)


def test_different_curves_on_the_two_sides_leave_the_jump_exact():
    curve = np.where(SCORE >= 0, 0.7 + SCORE - 2 * SCORE**2, 3 * SCORE + SCORE**2)

    jump = estimate_jump(SCORE, curve, bandwidth=0.6)

    assert jump.estimate == pytest.approx(0.7)
    assert abs(jump.plain - 0.7) > 0.01


@settings(max_examples=20, deadline=None)
@given(st.floats(-5, 5), st.floats(0.1, 10), st.floats(-3, 3))
def test_units_of_score_and_outcome_do_not_matter(shift, stretch, level):
    outcome = np.sin(SCORE) + NOISE
    one = estimate_jump(SCORE, outcome, bandwidth=0.5)
    other = estimate_jump(shift + stretch * SCORE, level + 2 * outcome, line=shift, bandwidth=stretch * 0.5)

    assert other.estimate == pytest.approx(2 * one.estimate, rel=1e-6, abs=1e-8)
    assert best_bandwidth(shift + stretch * SCORE, level + 2 * outcome, line=shift) == pytest.approx(
        stretch * best_bandwidth(SCORE, outcome), rel=1e-5
    )


def test_rows_that_are_all_there_twice_know_no_more_once_clustered():
    outcome = np.sin(SCORE) + NOISE
    twice = estimate_jump(np.tile(SCORE, 2), np.tile(outcome, 2), bandwidth=0.7, cluster=np.tile(np.arange(200), 2))

    assert twice.estimate == pytest.approx(estimate_jump(SCORE, outcome, bandwidth=0.7).estimate)
    assert twice.std_error == pytest.approx(estimate_jump(SCORE, outcome, bandwidth=0.7).std_error, rel=1e-6)
    assert twice.df < 200


def test_too_few_rows_or_scores_on_a_side_tell_nothing():
    assert estimate_jump(SCORE, NOISE, line=0.97, bandwidth=0.5) is None
    assert estimate_jump(np.round(2 * SCORE) / 2, NOISE, bandwidth=0.9) is None
    assert np.isnan(best_bandwidth(SCORE, NOISE, line=2.0))
    assert density_jump(SCORE, line=2.0) is None


@pytest.fixture(scope="module")
def runs():
    """A curved world with a jump of 0.3; jumps, and heaping where there is none."""
    rows = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        score = rng.normal(0.2, 1, 1000)
        outcome = 1 + np.sin(2 * score) + 0.3 * (score >= 0) + rng.normal(0, 0.6, 1000)
        jump, heap = estimate_jump(score, outcome, bandwidth=best_bandwidth(score, outcome)), density_jump(score)
        rows.append((jump.estimate, jump.std_error, jump.plain, heap.estimate / heap.std_error))
    return dict(zip(("estimate", "error", "plain", "heap"), np.array(rows).T, strict=True))


def test_jumps_are_recovered_and_covered(runs):
    away = runs["estimate"] - 0.3

    assert abs(away.mean()) < 3 * away.std() / np.sqrt(150)
    assert (np.abs(away) < 1.96 * runs["error"]).mean() > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 150)
    assert runs["error"].mean() == pytest.approx(away.std(), rel=0.2)


def test_heaping_is_not_seen_where_there_is_none(runs):
    assert (np.abs(runs["heap"]) > 1.96).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


def test_those_who_lift_themselves_over_the_line_are_seen():
    rng = np.random.default_rng(1)
    score = rng.normal(0, 1, 3000)
    lifted = np.where((score > -0.15) & (score < 0) & (rng.random(3000) < 0.6), rng.uniform(0, 0.15, 3000), score)
    heap = density_jump(lifted)

    assert heap.estimate / heap.std_error > 3


def test_nobody_left_just_below_the_line_is_heaping_too():
    score = np.random.default_rng(2).uniform(-1, 1, 3000)
    heap = density_jump(np.where((score > -0.12) & (score < 0), score + 0.12, score))

    assert heap.estimate / heap.std_error > 2


def test_shared_shocks_are_covered_with_clusters_and_not_without():
    """Each manager's partners sit on one side of the line or the other and share its shock."""
    hits = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        manager = np.repeat(np.arange(60), 12)
        score = np.repeat(rng.uniform(-1, 1, 60), 12) + rng.normal(0, 0.02, 720)
        outcome = score + 0.5 * (score >= 0) + np.repeat(rng.normal(0, 0.5, 60), 12) + rng.normal(0, 0.5, 720)
        row = []
        for cluster in (manager, None):
            jump = estimate_jump(score, outcome, bandwidth=0.9, cluster=cluster)
            row.append(abs(jump.estimate - 0.5) < critical_value(0.95, jump.df) * jump.std_error)
        hits.append(row)
    clustered, alone = np.mean(hits, axis=0)

    assert clustered > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 100)
    assert alone < 0.75
