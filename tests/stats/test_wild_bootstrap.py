"""The wild cluster bootstrap: by hand, its laws, and how often it errs with few unequal clusters."""

import itertools

import numpy as np
import pytest

from partnerlab.stats.trials.wild_bootstrap import wild_test


def _trial(*, clusters=8, seed=1, effect=0.0):
    random = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), random.integers(4, 21, clusters))
    treated = (random.permutation(clusters) % 2)[cluster].astype(float)
    outcome = 0.4 * random.normal(size=clusters)[cluster] + random.normal(size=len(cluster)) + effect * treated
    return outcome, np.column_stack([np.ones(len(cluster)), treated]), cluster


def test_all_signs_of_four_clusters_are_counted_by_hand():
    outcome, design = np.array([4.0, 2.0, 1.0, 0.0]), np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    rest = outcome - outcome.mean()

    def t(values):
        gap = values[:2].mean() - values[2:].mean()
        spread = ((values[:2] - values[:2].mean()) ** 2).sum() / 4 + ((values[2:] - values[2:].mean()) ** 2).sum() / 4
        return abs(gap) / np.sqrt(spread) if spread > 0 else np.inf

    turned = [t(outcome.mean() + rest * np.array(signs)) for signs in itertools.product((-1, 1), repeat=4)]
    found = wild_test(outcome, design, np.arange(4), column=1, weights="rademacher")

    assert found.p_value == np.mean(np.array(turned) >= t(outcome) * (1 - 1e-9))
    assert (found.draws, found.exact) == (16, True)


def test_names_of_clusters_order_of_rows_and_units_of_the_outcome_do_not_matter():
    outcome, design, cluster = _trial()
    order = np.random.default_rng(1).permutation(len(outcome))
    first = wild_test(outcome, design, cluster, column=1, weights="rademacher")
    second = wild_test(7 + 3 * outcome[order], design[order], 50 - cluster[order], column=1, weights="rademacher")

    assert second.p_value == first.p_value
    assert second.t == pytest.approx(first.t)


def test_draws_come_near_to_all_ways():
    outcome, design, cluster = _trial(clusters=6, effect=1.0)
    six, signs = (wild_test(outcome, design, cluster, column=1, weights=weights, draws=9999) for weights in ("webb", "rademacher"))

    assert not six.exact
    assert six.p_value == pytest.approx(signs.p_value, abs=0.06)


def test_a_large_effect_is_found_and_none_seldom():
    strong = wild_test(*_trial(clusters=12, effect=3.0), column=1)
    none = np.mean([wild_test(*_trial(seed=seed, clusters=10), column=1).p_value <= 0.05 for seed in range(200)])

    assert strong.p_value < 0.01
    assert none <= 0.09  # 200 trials at 5 %: two and a half standard errors


def test_a_column_that_repeats_others_has_no_p_value():
    outcome, design, cluster = _trial()

    assert np.isnan(wild_test(outcome, np.column_stack([design, design[:, 1]]), cluster, column=1).p_value)


@pytest.mark.parametrize(("clusters", "ways"), [(6, 64), (8, 256), (14, 16384)])
def test_signs_are_taken_from_six_clusters_on_and_all_counted(clusters, ways):
    """Six-point weights find too much with few unequal clusters that have one variant each; all signs are as many as clusters allow."""
    found = wild_test(*_trial(clusters=clusters), column=1)

    assert (found.draws, found.exact) == (ways, True)
