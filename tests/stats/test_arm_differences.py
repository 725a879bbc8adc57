"""Differences of arms follow the design: blocks, pairs, clusters, covariates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from partnerlab.stats.regressions.linear import clustered_covariance, fit_line, satterthwaite_df
from partnerlab.stats.trials.arm_differences import Arms, arm_difference, mean_by_cluster
from partnerlab.stats.trials.arm_scores import log_rank_scores, ratio_scores, restricted_mean_scores, win_scores

FEW = settings(max_examples=15, deadline=None)


def _arms(seed, n=60):
    random = np.random.default_rng(seed)
    treated = random.permutation(np.arange(n) % 2 == 0)
    return random, treated, random.normal(size=n) + 0.4 * treated


@FEW
@given(st.integers(0, 10_000))
def test_two_arms_alone_are_welchs_test(seed):
    _, treated, outcome = _arms(seed)
    found, theirs = arm_difference(outcome, Arms(treated=treated)), stats.ttest_ind(outcome[treated], outcome[~treated], equal_var=False)

    assert found.estimate / found.std_error == pytest.approx(theirs.statistic)
    assert found.df == pytest.approx(theirs.df)


@FEW
@given(st.integers(0, 10_000))
def test_blocks_are_weighted_by_their_size(seed):
    random, treated, outcome = _arms(seed)
    block = np.repeat([0, 1, 2], [10, 20, 30])
    treated = np.concatenate([random.permutation(np.arange(size) % 2 == 0) for size in (10, 20, 30)])
    found = arm_difference(outcome, Arms(treated=treated, stratum=block))
    apart = [arm_difference(outcome[block == code], Arms(treated=treated[block == code])) for code in range(3)]
    weight = np.array([10, 20, 30]) / 60

    assert found.estimate == pytest.approx(weight @ [part.estimate for part in apart])
    assert found.std_error**2 == pytest.approx(weight**2 @ [part.std_error**2 for part in apart])


def test_pairs_are_the_paired_t_test():
    random = np.random.default_rng(3)
    base = random.normal(size=20)
    outcome = np.column_stack([base + random.normal(size=20) + 0.5, base + random.normal(size=20)]).ravel()
    found = arm_difference(outcome, Arms(treated=np.tile([True, False], 20), stratum=np.repeat(np.arange(20), 2)))
    theirs = stats.ttest_rel(outcome[::2], outcome[1::2])

    assert found.estimate / found.std_error == pytest.approx(theirs.statistic)
    assert found.df == 19


@FEW
@given(st.integers(0, 10_000))
def test_errors_of_independent_units_are_cr2_with_a_cluster_each(seed):
    random, treated, outcome = _arms(seed)
    known = random.normal(size=(60, 1))
    found = arm_difference(outcome, Arms(treated=treated, covariates=known), adjustment="common")
    line = fit_line(outcome, np.column_stack([np.ones(60), treated, known - known.mean()]))

    assert found.std_error == pytest.approx(np.sqrt(clustered_covariance(line, np.arange(60))[1, 1]))
    assert found.df == pytest.approx(satterthwaite_df(line, np.arange(60), contrast=np.array([0.0, 1.0, 0.0])))


def test_what_was_known_before_narrows_the_interval():
    random, treated, outcome = _arms(5, n=400)
    known = outcome[:, None] + random.normal(0, 0.5, (400, 1))
    plain, adjusted = (arm_difference(outcome, Arms(treated=treated, covariates=known), adjustment=how) for how in ("none", "interacted"))

    assert adjusted.std_error < 0.6 * plain.std_error


def test_clusters_of_one_size_weigh_alike():
    random = np.random.default_rng(2)
    cluster, treated = np.repeat(np.arange(12), 5), np.repeat(np.arange(12) % 2 == 0, 5)
    outcome = random.normal(size=60) + random.normal(size=12)[cluster]
    arms = Arms(treated=treated, cluster=cluster)
    by_unit, by_cluster = arm_difference(outcome, arms), arm_difference(*mean_by_cluster(outcome, arms))

    assert by_unit.estimate == pytest.approx(by_cluster.estimate)
    assert by_unit.std_error == pytest.approx(by_cluster.std_error)


def test_clusters_leave_a_t_test_at_its_word():
    rejected = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(8), random.integers(4, 20, 8))
        outcome = random.normal(size=len(cluster)) + 0.42 * random.normal(size=8)[cluster]
        found = arm_difference(outcome, Arms(treated=cluster % 2 == 0, cluster=cluster))
        rejected += abs(found.estimate / found.std_error) > stats.t.ppf(0.975, found.df)

    assert rejected / 400 < 0.085  # 5 % and two Monte-Carlo errors, plus what unequal sizes leave


def test_too_few_units_leave_no_error():
    assert np.isnan(arm_difference(np.array([1.0, 2.0]), Arms(treated=np.array([True, False]))).std_error)


@FEW
@given(st.integers(0, 10_000))
def test_wins_are_those_of_all_pairs(seed):
    random = np.random.default_rng(seed)
    values, treated = random.integers(0, 4, 25).astype(float), np.arange(25) < 11
    scores = win_scores(values, treated)
    pairs = np.sign(values[treated][:, None] - values[~treated])

    assert scores[treated].mean() - scores[~treated].mean() == pytest.approx(pairs.mean())


def test_a_ratio_of_constant_denominators_is_a_mean():
    _, treated, outcome = _arms(1)

    assert ratio_scores(outcome, np.full(60, 2.0), treated) == pytest.approx(outcome / 2)


def test_times_without_censoring_have_plain_means():
    random, treated, _ = _arms(1)
    time = random.exponential(2.0, 60)
    scores, _ = restricted_mean_scores(time, np.ones(60, dtype=bool), treated, tau=3.0)

    assert scores[treated].mean() == pytest.approx(np.minimum(time, 3.0)[treated].mean())
    assert scores == pytest.approx(np.minimum(time, 3.0))


def test_log_rank_scores_add_up_to_nothing():
    random = np.random.default_rng(4)

    assert log_rank_scores(random.integers(1, 9, 50).astype(float), random.random(50) < 0.7).sum() == pytest.approx(0, abs=1e-12)


def _in_blocks(seed, counts):
    """Units of blocks with so many treated and controls, and outcomes that differ by block."""
    random = np.random.default_rng(seed)
    treated = np.concatenate([np.arange(on + off) < on for on, off in counts])
    block = np.repeat(np.arange(len(counts)), [on + off for on, off in counts])
    return random.normal(size=len(block)) + 0.5 * block + treated, treated, block


def _gaps(outcome, treated, block):
    return np.array([np.diff([outcome[(block == one) & (treated == arm)].mean() for arm in (False, True)])[0] for one in np.unique(block)])


def test_small_blocks_of_several_sizes_have_the_variance_of_pashley_and_miratrix():
    """Their variance for blocks of one treated or one control, of sizes none of which is half of all (their equation 5)."""
    outcome, treated, block = _in_blocks(1, [(1, 1), (1, 3), (1, 2), (3, 1), (1, 1)])
    found = arm_difference(outcome, Arms(treated=treated, stratum=block))
    size, gap = np.bincount(block), _gaps(outcome, treated, block)
    n, middle = size.sum(), (size * gap).sum() / size.sum()
    wanted = (size**2 / ((n - 2 * size) * (n + (size**2 / (n - 2 * size)).sum())) * (gap - middle) ** 2).sum()

    assert found.estimate == pytest.approx(middle)
    assert found.std_error == pytest.approx(np.sqrt(wanted))


def test_large_blocks_beside_pairs_each_have_their_own_error():
    """Taken all as pairs, one block of 50 that makes up most of the estimate seems to have hardly any error."""
    outcome, treated, block = _in_blocks(2, [(25, 25), (12, 8), (1, 1), (1, 1), (1, 1)])
    small = block > 1
    large = arm_difference(outcome[~small], Arms(treated=treated[~small], stratum=block[~small]))
    pairs = arm_difference(outcome[small], Arms(treated=treated[small], stratum=block[small]))
    found = arm_difference(outcome, Arms(treated=treated, stratum=block))
    share = small.mean()

    assert found.estimate == pytest.approx((1 - share) * large.estimate + share * pairs.estimate)
    assert found.std_error == pytest.approx(np.hypot((1 - share) * large.std_error, share * pairs.std_error))
    assert large.df > found.df > pairs.df


def test_one_pair_beside_a_large_block_does_not_make_it_sure():
    outcome, treated, block = _in_blocks(11, [(45, 45), (1, 1)])
    found = arm_difference(outcome, Arms(treated=treated, stratum=block))
    alone = arm_difference(outcome[block == 0], Arms(treated=treated[block == 0]))

    assert found.std_error == pytest.approx(alone.std_error, rel=0.1)  # of the other rule a quarter


def test_a_block_that_is_half_of_all_leaves_an_error_that_is_too_large_rather_than_too_small():
    """Blocks of (1, 5), (1, 1), (1, 1): the mean of the squared error over many trials is at least the true one."""
    counts = [(1, 5), (1, 1), (1, 1)]
    found = [arm_difference(*_with_arms(seed, counts)) for seed in range(400)]
    errors, estimates = np.array([each.std_error**2 for each in found]), np.array([each.estimate for each in found])

    assert errors.mean() > 0.9 * estimates.var()


def _with_arms(seed, counts):
    outcome, treated, block = _in_blocks(seed, counts)
    return outcome, Arms(treated=treated, stratum=block)


def test_blocks_that_lack_an_arm_add_nothing():
    outcome, treated, block = _in_blocks(4, [(9, 9), (5, 7), (6, 0), (0, 3)])
    both = block < 2
    found = arm_difference(outcome, Arms(treated=treated, stratum=block))

    assert found == arm_difference(outcome[both], Arms(treated=treated[both], stratum=block[both]))
    assert np.isnan(arm_difference(outcome[~both], Arms(treated=treated[~both], stratum=block[~both])).estimate)


@pytest.mark.parametrize("counts", [[(3, 7), (10, 5), (20, 20)], [(25, 25), (12, 8), (1, 1), (1, 1)], [(1, 1), (1, 3)] * 4])
def test_the_control_is_put_in_the_blocks_of_both(counts):
    outcome, treated, block = _in_blocks(5, counts)
    found = arm_difference(outcome, Arms(treated=treated, stratum=block))
    level = [outcome[(block == one) & ~treated].mean() for one in range(len(counts))]

    assert found.control == pytest.approx(np.average(level, weights=np.bincount(block)))
