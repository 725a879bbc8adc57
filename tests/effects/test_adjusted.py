"""Rows given once: what adjustment does, what is refused, what is said."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab import estimate_adjusted
from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.results import Evidence
from partnerlab.show import plot

ASKED = {"tactic": "trained", "outcome": "leads", "covariates": ["size", "tier"]}


def _rows(seed=0, n=400, effect=3.0, managers=40):
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"size": rng.normal(size=n), "tier": rng.choice(["Base", "Gold"], n), "manager": np.arange(n) % managers})
    push = rows["size"] + 0.5 * (rows["tier"] == "Gold") - 0.5
    rows["trained"] = rng.random(n) < 1 / (1 + np.exp(-push))
    rows["leads"] = effect * rows["trained"] + 2 * rows["size"] + (rows["tier"] == "Gold") + rng.normal(size=n)
    return rows


def _head(rows, **options):
    return estimate_adjusted(rows, **ASKED | options).headline()


def test_with_one_yes_or_no_known_it_is_the_mean_of_differences_within_classes():
    rows = _rows().assign(size=lambda table: (table["size"] > 0).astype(float))
    found = estimate_adjusted(rows, tactic="trained", outcome="leads", covariates=["size"], folds=0).table["estimate"]
    means = rows.groupby(["size", "trained"])["leads"].mean().unstack()
    share = rows.loc[rows["trained"], "size"].value_counts(normalize=True)

    np.testing.assert_allclose(found[:3], ((means[True] - means[False]) * share).sum())


def test_nothing_known_leaves_the_difference_of_means_with_its_error():
    rows = _rows()
    found = estimate_adjusted(rows, tactic="trained", outcome="leads", folds=0).table
    with_, without = (rows.loc[rows["trained"] == side, "leads"] for side in (True, False))

    np.testing.assert_allclose(found["estimate"], with_.mean() - without.mean())
    np.testing.assert_allclose(found["std_error"], np.sqrt(with_.var(ddof=0) / len(with_) + without.var(ddof=0) / len(without)))


@given(st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_order_of_rows_and_columns_and_scale_of_what_is_known_do_not_matter(seed):
    rows = _rows()
    mixed = rows.sample(frac=1, random_state=seed).assign(size=lambda table: 7 - 1000 * table["size"])
    one, other = _head(rows, folds=0), _head(mixed, folds=0, covariates=["tier", "size"])

    assert other["estimate"] == pytest.approx(one["estimate"])
    assert other["std_error"] == pytest.approx(one["std_error"])


@pytest.mark.parametrize("target", ["att", "ate", "ato"])
def test_a_row_that_stands_for_two_is_two_rows(target):
    rows = _rows()
    twice = pd.concat([rows, rows.head(100)])
    one = estimate_adjusted(rows.assign(mass=np.where(np.arange(400) < 100, 2, 1)), weight="mass", folds=0, target=target, **ASKED).table
    other = estimate_adjusted(twice, folds=0, target=target, **ASKED).table

    np.testing.assert_allclose(one["estimate"], other["estimate"], rtol=1e-9)


def test_rows_that_are_clusters_of_their_own_have_the_error_of_rows_but_for_the_factor():
    rows = _rows()
    one, other = _head(rows, folds=0), _head(rows.assign(own=range(400)), folds=0, cluster="own")

    assert other["std_error"] == pytest.approx(one["std_error"] * np.sqrt(one["n"] / (one["n"] - 1)))


def test_influence_of_rows_is_the_error_and_is_known_by_the_rows_own_index():
    rows = _rows().set_index(pd.Index([f"r{i}" for i in range(400)]))
    found = estimate_adjusted(rows, **ASKED)

    assert found.rows.index.equals(rows.index)
    assert np.sqrt((found.rows["influence"] ** 2).sum()) == pytest.approx(found.headline()["std_error"])
    assert found.rows.groupby(rows["trained"])["weight"].sum().tolist() == pytest.approx([1, 1])


def test_intervals_hold_the_truth_and_the_unadjusted_difference_does_not():
    held = {"augmented": 0, "unadjusted": 0}
    for seed in range(60):
        table = estimate_adjusted(_rows(seed), **ASKED).table.set_index("reading")
        for name in held:
            held[name] += table.loc[name, "conf_low"] <= 3 <= table.loc[name, "conf_high"]

    assert held["augmented"] >= 53  # less by chance in one of 200 runs, if they hold 95 %
    assert held["unadjusted"] <= 5


def test_outcomes_that_happen_or_not_are_differences_of_chances():
    rows = _rows().assign(leads=lambda table: (table["leads"] > 2).astype(int))
    table = estimate_adjusted(rows, family="logit", **ASKED).table

    assert table["estimate"].between(-1, 1).all()
    assert table["estimate"].iloc[0] > 0.3


def test_it_is_an_association_unless_a_design_says_more():
    found = estimate_adjusted(_rows(), **ASKED)

    assert found.evidence is Evidence.C
    assert found.verdict.statement.startswith("Trained went together with")
    assert estimate_adjusted(_rows(), evidence=Evidence.B, **ASKED).verdict.earned is Evidence.B


def test_rows_with_something_unknown_are_left_out_and_counted():
    rows = _rows()
    rows.loc[3, "size"] = np.nan
    check = next(check for check in estimate_adjusted(rows, **ASKED).checks if check.name == "rows kept")

    assert check.detail == "1 of 400 rows with something unknown left"


def test_sides_told_apart_by_what_is_known_are_refused_and_nearly_so_fail_the_check_of_overlap():
    rows = _rows(n=2000).assign(trained=lambda table: table["size"] + 0.01 * np.random.default_rng(1).normal(size=2000) > 0)
    with pytest.raises(SampleError, match="separates those with it from those without"):
        estimate_adjusted(rows.assign(trained=rows["size"] > 0), **ASKED)

    failed = [check.name for check in estimate_adjusted(rows, **ASKED).checks if check.passed is False]
    assert "overlap" in failed


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"trained": 2}, {}, "400 of 400 rows are neither 1 .had it. nor 0"),
        ({"trained": "yes"}, {}, "rows.trained: expected numbers"),
        ({"mass": 0.0}, {"weight": "mass"}, "400 of 400 weights are not above 0"),
        ({}, {"family": "logit"}, "neither 0 nor 1; a logit needs what happened or not"),
        ({}, {"family": "probit"}, "family is 'probit'"),
        ({}, {"target": "atu"}, "target is 'atu'"),
        ({}, {"covariates": ["size", "leads"]}, "rows.leads: it cannot be its own covariate"),
        ({}, {"outcome_covariates": ["trained"]}, "rows.trained: it cannot be its own covariate"),
        ({}, {"folds": 1}, "folds is 1; give 2 or more parts"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(change, options, message):
    with pytest.raises(ParameterError, match=message):
        estimate_adjusted(_rows().assign(**change), **ASKED | options)


def test_too_few_on_a_side_or_too_few_who_chose_are_refused():
    with pytest.raises(SampleError, match="0 rows with it and 400 without; 5 are needed"):
        estimate_adjusted(_rows().assign(trained=False), **ASKED)
    with pytest.raises(SampleError, match="leads is 1 wherever it was seen"):
        estimate_adjusted(_rows().assign(leads=1.0), **ASKED)
    with pytest.raises(SampleError, match="only 3 clusters of manager had it"):
        estimate_adjusted(_rows(managers=3), cluster="manager", **ASKED)
    with pytest.raises(MissingTableError, match="no column 'siz'"):
        estimate_adjusted(_rows(), **ASKED | {"covariates": ["siz"]})


def test_the_picture_says_the_verdict_and_shows_every_reading():
    shown = plot(estimate_adjusted(_rows(), **ASKED))

    assert shown.headline.startswith("Grade C: Trained went together with")
    assert all(name in shown.alt for name in ("Chances and outcomes adjusted", "By chances alone", "By outcomes alone", "Nothing adjusted"))
