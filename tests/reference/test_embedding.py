"""Generators behind a published rating matrix against R: logarithm, adjustments, nearest, likeliest.

Data, script and numbers stand in ``embedding/``. Eight ratings over one year, whose sums are off by rounding as printed tables' are.
R's quasi-optimum is found by trying every set of intensities, its likelihood by expectation-maximisation step by step, and its nearest
exponential by a search without slopes, which ours must reach at least.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab

HERE = Path(__file__).parent / "embedding"


@pytest.fixture(scope="module")
def ratings():
    return pd.read_csv(HERE / "ratings.csv", index_col="from")


@pytest.fixture(scope="module")
def found(ratings):
    return lab.check_embedding(ratings / 100)


@pytest.fixture(scope="module")
def counted(ratings):
    counts = (10 * ratings.drop(index="D")).round()
    return lab.check_embedding(lab.Transitions.from_matrix(counts, absorbing=["D"]))


def _theirs(method, states):
    table = pd.read_csv(HERE / "values.csv").set_index("method").loc[[method]]
    return table[table["to"].notna()].pivot_table(index="from", columns="to", values="value").loc[states, states]


def _number(method):
    table = pd.read_csv(HERE / "values.csv").set_index("method").loc[[method]]
    return table.loc[table["to"].isna(), "value"].item()


@pytest.mark.parametrize("method", ["logarithm", "diagonal", "weighted", "quasi_optimal"])
def test_generators_of_the_shares_are_those_of_r(found, method):
    assert np.allclose(found.generator(method), _theirs(method, list(found.states)), atol=1e-12)


def test_the_root_of_a_year_is_rs_quarter(found):
    assert np.allclose(found.root(1 / 4), _theirs("root", list(found.states)), atol=1e-12)


def test_no_generator_gives_the_matrix_and_it_is_said_why(found):
    assert found.embeddable is False
    assert next(check.detail for check in found.checks if check.name == "Embeddable").startswith(
        "No generator gives the matrix: a state can be reached by way of others, but never in one step"
    )
    assert found.best == "nearest"


def test_the_nearest_exponential_is_as_near_as_that_of_rs_search(found):
    distance = found.distances.set_index("method")["distance"]

    assert distance["nearest"] == pytest.approx(_number("nearest"), rel=2e-3)
    assert distance["nearest"] <= _number("nearest") * (1 + 1e-9)
    assert distance["nearest"] < distance[["diagonal", "weighted", "quasi_optimal"]].min()


def test_the_likeliest_generator_is_where_expectation_maximisation_ends(counted):
    likelihood = counted.distances.set_index("method").loc["likelihood", "log_likelihood"]

    assert likelihood == pytest.approx(_number("likelihood"), rel=1e-10)
    assert np.allclose(counted.generator("likelihood"), _theirs("likelihood", list(counted.states)), atol=1e-5)


def test_the_generator_that_has_errors_is_the_same(counted, ratings):
    pairs = lab.Transitions.from_matrix((10 * ratings.drop(index="D")).round(), absorbing=["D"])
    fitted = lab.estimate_generator(pairs)

    assert np.allclose(fitted.matrix(), counted.generator("likelihood").loc[list(fitted.states), list(fitted.states)], atol=1e-5)
    assert fitted.matrix("std_error").loc["AAA", "AA"] == pytest.approx(np.sqrt(fitted.matrix().loc["AAA", "AA"] / 1000), rel=0.1)
