"""Sums by cluster: few columns and many are added the same way, and codes must be those of clusters."""

import numpy as np
import pytest

from partnerlab.stats.inference.sandwich import sum_clusters


@pytest.mark.parametrize("columns", [1, 3, 4, 9])
def test_sums_are_those_of_each_cluster_by_itself(columns):
    random = np.random.default_rng(columns)
    scores, cluster = random.standard_normal((40, columns)), random.integers(0, 5, 40)

    found = sum_clusters(scores, cluster, clusters=7)

    np.testing.assert_allclose(found, [scores[cluster == code].sum(axis=0) for code in range(7)], atol=1e-12)


@pytest.mark.parametrize("codes", [[0, -1, 1], [0, 1, 3]])
def test_a_code_of_no_cluster_is_refused(codes):
    with pytest.raises(ValueError, match="codes of clusters are 0 to 2"):
        sum_clusters(np.ones((3, 9)), np.array(codes), clusters=3)
