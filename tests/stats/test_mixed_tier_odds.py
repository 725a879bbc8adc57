"""Odds of tiers within clusters, hazards of arms: laws and recovered truth."""

import numpy as np
import pytest
from scipy import special

from partnerlab.stats.trials.arm_hazards import arm_curve, arm_hazards
from partnerlab.stats.trials.mixed_tier_odds import mixed_tier_odds
from partnerlab.stats.trials.tier_odds import check_tier_odds, tier_odds


def _tiers(*, spread, effect=1.0, clusters=60, units=12, seed=1):
    random = np.random.default_rng(seed)
    cluster, arm = np.repeat(np.arange(clusters), units), np.tile([0.0, 1.0], clusters * units // 2)
    latent = effect * arm + spread * random.normal(size=clusters)[cluster] + special.logit(random.random(len(arm)))
    return np.digitize(latent, [-0.5, 0.5, 1.5]), arm, cluster


def test_odds_within_clusters_are_found_where_clusters_differ():
    values, arm, cluster = _tiers(spread=1.5)
    within = mixed_tier_odds(values, arm[:, None], cluster)
    overall = tier_odds(values, arm > 0, cluster=cluster)[0]

    assert abs(within.effect[0] - 1.0) < 3 * within.effect_error[0]
    assert within.spread == pytest.approx(1.5, abs=0.5)
    assert overall < within.effect[0]  # odds over all clusters are nearer to 1


def test_clusters_that_are_alike_leave_the_plain_odds():
    values, arm, cluster = _tiers(spread=0.0, clusters=8, seed=4)
    within, plain = mixed_tier_odds(values, arm[:, None], cluster), tier_odds(values, arm > 0)

    assert within.spread < 0.4
    assert within.effect[0] == pytest.approx(plain[0], abs=0.05)


def test_names_of_clusters_and_order_of_rows_do_not_matter():
    values, arm, cluster = _tiers(spread=1.0, clusters=10)
    order = np.random.default_rng(2).permutation(len(values))
    first = mixed_tier_odds(values, arm[:, None], cluster)
    second = mixed_tier_odds(values[order], arm[order, None], 99 - cluster[order])

    assert second.effect == pytest.approx(first.effect, abs=1e-4)
    assert second.effect_error == pytest.approx(first.effect_error, rel=1e-3)


def test_one_odds_ratio_is_doubted_where_thresholds_differ():
    arm = np.repeat([False, True], 400)
    values = np.concatenate([np.repeat([0, 1, 2], [100, 200, 100]), np.repeat([0, 1, 2], [160, 80, 160])])
    alike, common = check_tier_odds(values, arm)

    assert alike.p_value > 0.9
    assert common.p_value < 1e-6


def test_a_tier_that_one_arm_never_has_leaves_tests_unknown():
    alike, common = check_tier_odds(np.array([0, 0, 0, 1, 1, 1]), np.arange(6) > 2)

    assert np.isnan([alike.p_value, common.p_value]).all()


def test_a_hazard_ratio_is_recovered_within_strata():
    random = np.random.default_rng(3)
    arm, stratum = np.arange(2000) % 2, np.arange(2000) // 1000
    time = random.exponential(1 / (np.where(stratum, 3.0, 0.5) * 0.5**arm))
    found = arm_hazards(np.minimum(time, 3.0), time < 3.0, arm, stratum=stratum)

    assert abs(found.log_ratio[0] - np.log(0.5)) < 3 * found.std_error[0]
    assert found.proportional.p_value > 0.001


def test_an_arm_without_events_has_no_hazard_ratio():
    found = arm_hazards(np.arange(1.0, 9.0), np.arange(8) % 2 == 0, np.arange(8) % 2)

    assert np.isnan(found.log_ratio[0])
    assert arm_hazards(np.ones(4), np.zeros(4, dtype=bool), np.arange(4) % 2) is None


def test_a_curve_above_one_half_has_no_median():
    assert arm_curve(np.arange(1.0, 5.0), np.array([True, False, False, False]), at=4.0) == (np.inf, 0.75)
    assert arm_curve(np.array([2.0, 3.0]), np.ones(2, dtype=bool), at=1.0)[1] == 1.0
