"""The cohort-matrix and interval cases of the reference folder, computed in R by others."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.periods import Calendar
from partnerlab.stats.inference.clusters import jackknife_shares, sandwich_errors
from partnerlab.stats.inference.intervals import exact_interval, goodman_intervals, wilson_interval

pytestmark = pytest.mark.external

CASE = "F1_cohort_cav"


@pytest.fixture(scope="module")
def case(cases):
    return cases[CASE]


@pytest.fixture(scope="module")
def flows(folder):
    pairs = pd.read_csv(folder / "data" / "cav_pairs.csv")
    table = pd.crosstab([pairs["id"], pairs["from"]], pairs["to"])
    return {
        "hits": table.to_numpy(),
        "trials": table.to_numpy().sum(axis=1),
        "group": table.index.get_level_values(1).to_numpy() - 1,
        "groups": 3,
    }


def _matrix(case, name):
    return np.array(case["values"][name]["values"], dtype=float)


def _intervals(case, name):
    return np.array([row["values"] for row in case["values"][name]])


def test_counts_and_shares(case, flows):
    shares, _ = jackknife_shares(**flows)

    assert np.allclose(shares, _matrix(case, "P"), atol=case["tol"])
    assert np.array_equal(np.round(shares * _matrix(case, "counts").sum(axis=1, keepdims=True)), _matrix(case, "counts"))


def test_jackknife_standard_errors(case, flows):
    assert np.allclose(jackknife_shares(**flows, clusters=case["values"]["n_clusters"])[1], _matrix(case, "se_jackknife"), atol=1e-9)


def test_sandwich_standard_errors(case, flows):
    assert np.allclose(sandwich_errors(**flows), _matrix(case, "se_cluster"), atol=1e-9)


@pytest.mark.parametrize("name", ["wilson", "clopper_pearson", "goodman"])
def test_intervals(case, name):
    counts = _matrix(case, "counts")
    size = counts.sum(axis=1, keepdims=True)
    verb = {"wilson": wilson_interval, "clopper_pearson": exact_interval, "goodman": goodman_intervals}[name]
    low, high = verb(counts if name == "clopper_pearson" else counts / size, size)

    assert np.allclose(np.stack([low, high], axis=2), _intervals(case, name), atol=case["tol"])


def test_the_public_verb_gives_the_same_from_a_table(case, folder):
    """Visits become neighbouring quarters of a tier history; death is a tier that nobody leaves."""
    from partnerlab.tiers import TierHistory
    from partnerlab.transitions import estimate_transitions

    pairs = pd.read_csv(folder / "data" / "cav_pairs.csv")
    step = pairs.groupby("id").cumcount()
    last = pairs.groupby("id").tail(1)
    first = pd.DataFrame({"partner": pairs["id"], "step": step, "tier": pairs["from"]})
    ends = pd.DataFrame({"partner": last["id"], "step": step[last.index] + 1, "tier": last["to"]})
    frame = pd.concat([first, ends])
    calendar = Calendar()
    frame["quarter"] = calendar.labels(frame["step"].to_numpy() + calendar.parse("2000Q1"))
    frame = frame.assign(partner=frame["partner"].astype(str), tier=frame["tier"].astype(str))
    history = TierHistory.from_frame(frame[["partner", "quarter", "tier"]], order=["1", "2", "3", "4"])
    flows = estimate_transitions(history)
    matrix = flows.matrix().loc[["1", "2", "3"], ["1", "2", "3", "4"]]
    kept = flows.matrix("count").loc[["1", "2", "3"], ["1", "2", "3", "4"]]

    assert np.array_equal(kept.to_numpy(), _matrix(case, "counts"))
    # patients whose follow-up ends alive leave the table, which the public verb calls lapsed: compare shares among the rest
    assert np.allclose(matrix.div(matrix.sum(axis=1), axis=0), _matrix(case, "P"), atol=case["tol"])


@pytest.fixture(scope="module")
def pairs(folder):
    from partnerlab.transitions import Transitions

    table = pd.read_csv(folder / "data" / "cav_pairs.csv")
    return Transitions.from_frame(table, partner="id", quarter=None, from_tier="from", to_tier="to", absorbing=["4"])


def test_the_public_verb_takes_the_pairs_as_they_are(case, pairs):
    from partnerlab.transitions import estimate_transitions

    flows = estimate_transitions(pairs)

    assert np.array_equal(flows.matrix("count"), _matrix(case, "counts"))
    assert np.allclose(flows.matrix(), _matrix(case, "P"), atol=case["tol"])
    # the reference leaves out all 622 patients, ours those at risk at least once: the same factor to a thousandth
    assert np.allclose(flows.matrix("std_error"), _matrix(case, "se_jackknife"), atol=1e-5)


def test_counts_alone_have_wilsons_and_goodmans_intervals(case):
    from partnerlab.transitions import Transitions, estimate_transitions

    counts = pd.DataFrame(_matrix(case, "counts"), index=["1", "2", "3"], columns=["1", "2", "3", "4"])
    flows = estimate_transitions(Transitions.from_matrix(counts, absorbing=["4"]))
    together = flows.simultaneous_intervals()

    assert np.allclose(flows.matrix("std_error"), _matrix(case, "se_iid"), atol=case["tol"])
    for table, name in ((flows.table, "wilson"), (together, "goodman")):
        assert np.allclose(table[["conf_low", "conf_high"]].to_numpy().reshape(3, 4, 2), _intervals(case, name), atol=case["tol"])


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_powers_of_the_matrix_and_their_errors(cases, pairs, steps):
    from partnerlab.transitions import Transitions, estimate_transitions

    case = cases["F2_kstep_cav"]
    counts = pairs.counts().loc[["1", "2", "3"]]
    ahead = estimate_transitions(Transitions.from_matrix(counts, absorbing=["4"])).power(steps)
    wanted = case["values"][f"k{steps}"]

    for column, name in (("estimate", "P"), ("std_error", "se")):
        theirs = np.array(wanted[name]["values"], dtype=float)[:3]
        assert np.allclose(ahead[column].to_numpy().reshape(3, 4), theirs, atol=case["tol"])


def test_equality_of_two_matrices(folder, cases):
    """Kullback, Kupperman and Ku (1962). The case's note: markovchain's statistic is of another null and is not tested."""
    from partnerlab.transitions import Transitions, check_homogeneity

    case = cases["F5_two_sample_kullback"]
    matrices = {str(k): pd.read_csv(folder / "data" / f"kullback{k}.csv", index_col=0) for k in (1, 2)}
    row = check_homogeneity(Transitions.from_matrix(matrices, by="sample"), by="sample").table.iloc[0]

    assert row["statistic"] == pytest.approx(case["values"]["X2"], abs=case["tol"])
    assert row["likelihood"] == pytest.approx(case["values"]["G2"], abs=case["tol"])
    assert row["df"] == case["values"]["df"]


def test_the_counts_of_a_real_program_are_those_of_its_facts(external_data, facts):
    """Members' rows of the facts; its ``out`` row mixes first joins with returns."""
    from partnerlab.tiers import TierHistory
    from partnerlab.transitions import estimate_transitions

    known = facts("cncf_partners")["quarterly_tier_transitions"]
    frame = pd.read_csv(external_data / "data" / "cncf_partners" / "tier_quarterly.csv.gz", dtype=str)[["partner_id", "quarter", "tier"]]
    flows = estimate_transitions(TierHistory.from_frame(frame, partner="partner_id"))
    counts = flows.matrix("count").rename(columns={"lapsed": "out"})

    assert {tier: counts.loc[tier].to_dict() for tier in known if tier != "out"} == {tier: known[tier] for tier in known if tier != "out"}
