"""Pairs of rows: who is paired with whom, what is made of them, what is refused, what is said."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab import estimate_matched
from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.results import Evidence
from partnerlab.show import plot, tabulate

ASKED = {"tactic": "trained", "outcome": "leads", "covariates": ["size", "tier"]}


def _rows(seed=0, n=400, effect=3.0):
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"size": rng.normal(size=n), "tier": rng.choice(["Base", "Gold"], n)})
    rows["trained"] = rng.random(n) < 1 / (1 + np.exp(1.5 - rows["size"] - 0.5 * (rows["tier"] == "Gold")))
    rows["leads"] = effect * rows["trained"] + 2 * rows["size"] + (rows["tier"] == "Gold") + rng.normal(size=n)
    return rows


def _by_hand():
    """Six trained of sizes 1 to 6, and beside each an untrained one a little larger; two small and two large ones far from all."""
    return pd.DataFrame({
        "size": [1, 2, 3, 4, 5, 6, 1.1, 2.1, 3.1, 4.1, 5.1, 6.1, -9, -8, 15, 16],
        "trained": [1] * 6 + [0] * 10,
        "leads": [5, 6, 8, 8, 9, 12, 3, 5, 5, 6, 8, 9, 0, 0, 50, 60],
    })  # fmt: skip


def test_by_hand_neighbours_are_paired_and_their_differences_averaged():
    found = estimate_matched(_by_hand(), tactic="trained", outcome="leads", covariates=["size"], caliper=None)
    pairs = found.table.set_index("reading").loc["pairs"]

    assert sorted(zip(found.pairs["treated"], found.pairs["compared"], strict=True)) == [(row, row + 6) for row in range(6)]
    assert pairs["estimate"] == pytest.approx(np.mean([2, 1, 3, 2, 1, 3]))
    assert pairs["std_error"] == pytest.approx(np.std([2, 1, 3, 2, 1, 3], ddof=1) / np.sqrt(6))


def test_what_was_known_being_the_same_in_each_pair_takes_nothing_out():
    rows = _by_hand().iloc[:12].assign(size=lambda table: table["size"].round())
    table = estimate_matched(
        pd.concat([rows, rows.tail(6).assign(size=20)], ignore_index=True),
        tactic="trained", outcome="leads", covariates=["size"], caliper=None,
    ).table  # fmt: skip

    assert table["estimate"][0] == pytest.approx(table["estimate"][1])


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_order_of_rows_and_columns_and_scale_of_what_is_known_do_not_matter(seed):
    rows = _rows()
    mixed = rows.sample(frac=1, random_state=seed).assign(size=lambda table: 7 - 1000 * table["size"])
    one, other = estimate_matched(rows, **ASKED), estimate_matched(mixed, **ASKED | {"covariates": ["tier", "size"]})

    assert set(zip(one.pairs["treated"], one.pairs["compared"], strict=True)) == set(
        zip(other.pairs["treated"], other.pairs["compared"], strict=True)
    )
    np.testing.assert_allclose(one.table["estimate"], other.table["estimate"])
    np.testing.assert_allclose(one.table["std_error"], other.table["std_error"])


@given(st.integers(0, 10**6), st.sampled_from([None, 1.0, 0.1]), st.sampled_from([None, "tier"]))
@settings(max_examples=20, deadline=None)
def test_nobody_stands_in_two_pairs_and_none_is_beyond_the_caliper_or_in_another_class(seed, caliper, within):
    rows = _rows(seed)
    pairs = estimate_matched(rows, caliper=caliper, within=within, **ASKED).pairs

    assert pairs["treated"].is_unique
    assert pairs["compared"].is_unique
    assert rows.loc[pairs["treated"], "trained"].all()
    assert not rows.loc[pairs["compared"], "trained"].any()
    assert caliper is None or (pairs["apart"] <= caliper).all()
    assert within is None or (rows.loc[pairs["treated"], "tier"].to_numpy() == rows.loc[pairs["compared"], "tier"].to_numpy()).all()


@given(st.floats(-50, 50))
@settings(max_examples=10, deadline=None)
def test_leads_added_to_all_change_nothing_and_those_added_to_the_trained_are_found(more):
    rows = _rows()
    found, moved, given_ = (
        estimate_matched(rows.assign(leads=rows["leads"] + by), **ASKED).headline() for by in (0, more, more * rows["trained"])
    )

    assert moved["estimate"] == pytest.approx(found["estimate"])
    assert given_["estimate"] == pytest.approx(found["estimate"] + more)
    assert given_["std_error"] == pytest.approx(found["std_error"])


def test_intervals_hold_the_truth_and_the_unadjusted_difference_does_not():
    held = dict.fromkeys(("matched", "unadjusted"), 0)
    for seed in range(60):
        table = estimate_matched(_rows(seed), **ASKED).table.set_index("reading")
        for name in held:
            held[name] += table.loc[name, "conf_low"] <= 3 <= table.loc[name, "conf_high"]

    assert held["matched"] >= 53  # less by chance in one of 200 runs, if they hold 95 %
    assert held["unadjusted"] <= 10


def test_pairs_are_alike_in_what_was_known():
    balance = estimate_matched(_rows(), **ASKED).balance

    assert balance["before"].abs().max() > 0.5
    assert balance["after"].abs().max() < 0.1


def test_those_without_a_pair_are_counted_and_the_effect_is_said_to_be_on_the_rest():
    rows = _rows()
    found = estimate_matched(rows, caliper=0.001, **ASKED)
    check = next(check for check in found.checks if check.name == "all have a pair")

    assert found.alone == rows["trained"].sum() - len(found.pairs) > 0
    assert check.passed is False
    assert check.detail == f"{found.alone} of {rows['trained'].sum()} rows with it found none; the effect is on the rest"
    assert found.estimand.endswith("on those that had it and found a pair")
    assert found.headline()["n"] == len(found.pairs)


def test_it_is_an_association_unless_a_design_says_more():
    assert estimate_matched(_rows(), **ASKED).verdict.statement.startswith("Trained went together with")
    assert estimate_matched(_rows(), evidence=Evidence.B, **ASKED).verdict.earned is Evidence.B


def test_rows_with_something_unknown_are_left_out_and_counted():
    rows = _rows()
    rows.loc[3, "size"] = np.nan
    check = next(check for check in estimate_matched(rows, **ASKED).checks if check.name == "rows kept")

    assert check.detail == "1 of 400 rows with something unknown left"


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"trained": 2}, {}, "400 of 400 rows are neither 1 .had it. nor 0"),
        ({}, {"covariates": []}, "covariates: none given"),
        ({}, {"distance": "mahalanobis"}, "distance is 'mahalanobis'; it is 'log-odds' or 'chance'"),
        ({}, {"caliper": 0}, "caliper is 0; give standard deviations above 0, or None"),
        ({}, {"caliper": float("nan")}, "caliper is nan"),
        ({}, {"covariates": ["size", "leads"]}, "rows.leads: it cannot be its own covariate"),
        ({}, {"within": "trained"}, "rows.trained: it cannot be its own covariate"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(change, options, message):
    with pytest.raises(ParameterError, match=message):
        estimate_matched(_rows().assign(**change), **ASKED | options)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(SampleError, match="0 rows with it and 400 without; 5 are needed"):
        estimate_matched(_rows().assign(trained=False), **ASKED)
    with pytest.raises(SampleError, match="separates those with it from those without"):
        estimate_matched(_rows().assign(trained=lambda table: table["size"] > 1), **ASKED)
    with pytest.raises(SampleError, match="no farther than 1e-08 standard deviations apart, too few to compare; widen the caliper"):
        estimate_matched(_rows(), caliper=1e-8, **ASKED)
    with pytest.raises(MissingTableError, match="no column 'siz'; did you mean 'size'"):
        estimate_matched(_rows(), **ASKED | {"covariates": ["siz"]})


def test_it_is_drawn_and_tabulated():
    found = estimate_matched(_rows(), **ASKED)

    assert "Pairs, the rest adjusted" in plot(found).alt
    assert tabulate(found) is not None
