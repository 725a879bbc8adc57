"""Scores of several outcomes and probabilities k steps ahead, as others computed them in R."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.stats.prediction.scoring_rules import brier_scores, log_scores, ranked_scores, skill

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def pairs(folder):
    return pd.read_csv(folder / "data" / "cav_pairs.csv")


def _counts(pairs):
    counts = np.zeros((4, 4))
    np.add.at(counts, (pairs["from"].to_numpy() - 1, pairs["to"].to_numpy() - 1), 1)
    return counts


@pytest.mark.parametrize("rule", [log_scores, brier_scores, ranked_scores])
def test_scores_of_the_cohort_matrix_and_of_the_base_rate(cases, pairs, rule):
    case = cases["H2_multiclass_scores_cav"]
    name = {"log_scores": "log", "brier_scores": "brier", "ranked_scores": "rps"}[rule.__name__]
    counts, outcome = _counts(pairs), pairs["to"].to_numpy() - 1
    cohort = counts[:3] / counts[:3].sum(axis=1, keepdims=True)
    base = np.broadcast_to(counts.sum(axis=0) / counts.sum(), (len(pairs), 4))
    ours, marginal = rule(cohort[pairs["from"].to_numpy() - 1], outcome).mean(), rule(base, outcome).mean()

    assert ours == pytest.approx(case["values"]["cohort"][name], abs=case["tol"])
    assert marginal == pytest.approx(case["values"]["marginal"][name], abs=case["tol"])
    printed = case["values"]["clm"][name]
    assert skill(printed, ours) == pytest.approx(case["values"]["skill_vs_cohort"][name], abs=case["tol"])
    assert skill(printed, marginal) == pytest.approx(case["values"]["skill_vs_marginal"][name], abs=case["tol"])
