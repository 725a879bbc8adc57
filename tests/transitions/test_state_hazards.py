"""Cox models of all moves at once: laws, refusals, standard errors against leaving partners out."""

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab.errors import ParameterError, SampleError


def _frame(partners=60, seed=4):
    """Three states, one covariate that speeds moves up, one region; the last state is never left."""
    rng = np.random.default_rng(seed)
    rows = []
    for partner in range(partners):
        size, state, time = float(rng.normal()), "A", round(float(rng.uniform(0, 1)), 1)
        end = round(float(rng.uniform(3, 9)), 1)
        while time < end and state != "C":
            out = {"A": (("B", 0.5), ("C", 0.1)), "B": (("A", 0.3), ("C", 0.3))}[state]
            rates = np.array([rate for _, rate in out]) * np.exp(0.6 * size)
            leave = round(time + float(rng.exponential(1 / rates.sum())) + 0.1, 1)
            after = out[int(rng.choice(2, p=rates / rates.sum()))][0] if leave < end else ""
            rows.append((f"p{partner}", time, min(leave, end), state, after, size, "north" if partner % 2 else "south"))
            state, time = after or state, min(leave, end)
    return pd.DataFrame(rows, columns=["partner", "entry", "duration", "state", "event", "size", "region"])


def _model(frame, covariates=("size",), **options):
    spells = lab.Spells.from_frame(frame, state="state", states=["A", "B", "C"])
    return lab.estimate_state_hazards(spells, covariates=list(covariates), **options)


def test_without_an_effect_probabilities_and_errors_are_those_of_aalen_and_johansen():
    frame = _frame().assign(size=1.0)
    spells = lab.Spells.from_frame(frame, state="state", states=["A", "B", "C"])

    mine = _model(frame).probabilities({"size": 1.0}, times=[2, 5], start=0.5)
    theirs = lab.estimate_state_probabilities(spells, start=0.5, variance="aalen").at([2, 5])

    keys = ["from_state", "to_state", "time"]
    both = mine.merge(theirs, on=keys, suffixes=("", "_aj"))
    assert len(both) == 12
    assert np.allclose(both["estimate"], both["estimate_aj"])
    assert np.allclose(both["std_error"], both["std_error_aj"])


def test_rows_add_up_to_one_and_doubling_partners_halves_the_variance():
    frame = _frame()
    twice = pd.concat([frame, frame.assign(partner=frame["partner"] + "again")])

    for covariance in ("model", "cluster"):
        one, two = (_model(some, covariance=covariance).table for some in (frame, twice))
        assert np.allclose(one["estimate"], two["estimate"], atol=1e-6)
        assert np.allclose(one["std_error"] ** 2, 2 * two["std_error"] ** 2, rtol=1e-4)
    table = _model(frame).probabilities({"size": 0.5}, times=[1, 4])
    assert np.allclose(table.groupby(["from_state", "time"])["estimate"].sum(), 1.0)


def test_the_error_of_a_probability_is_that_of_leaving_partners_out():
    frame = _frame(partners=40)
    asked = {"times": [4], "from_states": ["A"]}
    mine = _model(frame).probabilities({"size": 0.0}, **asked)["std_error"].to_numpy()
    names = frame["partner"].unique()
    without = np.array([_model(frame[frame["partner"] != name]).probabilities({"size": 0.0}, **asked)["estimate"] for name in names])

    jackknife = np.sqrt((len(names) - 1) / len(names) * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    assert np.allclose(mine / jackknife, 1.0, atol=0.3)


def test_exponential_steps_stay_within_0_and_1_where_products_cannot():
    with pytest.raises(SampleError, match=r"out of A of such a partner add up to 15\.27: more than all would leave at once"):
        _model(_frame(partners=20)).probabilities({"size": 9}, times=[2])
    table = _model(_frame(partners=20)).probabilities({"size": 9}, times=[2], steps="exponential")

    assert table["estimate"].between(0, 1).all()
    assert np.allclose(table.groupby("from_state")["estimate"].sum(), 1.0)


def test_errors_of_exponential_steps_are_near_those_of_products_where_few_move_at_a_time():
    frame, asked = _frame(), {"times": [4], "from_states": ["A"]}
    product, exponential = (_model(frame).probabilities({"size": 0.5}, steps=steps, **asked) for steps in ("product", "exponential"))

    assert np.allclose(product["std_error"] / exponential["std_error"], 1.0, atol=0.05)
    assert not np.allclose(product["estimate"], exponential["estimate"], atol=1e-6)


def test_baselines_that_are_proportional_share_one_and_have_a_ratio():
    table = _model(_frame(), proportional=[[("A", "C"), ("B", "C")]]).table

    ratio = table[table["term"] == "baseline"].iloc[0]
    assert (ratio["from_state"], ratio["to_state"]) == ("B", "C")
    # made with 0.3 against 0.1
    assert ratio["conf_low"] < np.log(3) < ratio["conf_high"]


def test_a_category_has_its_first_level_as_reference():
    model = _model(_frame(), covariates=["region"])

    assert set(model.table["term"]) == {"region[south]"}
    north, south = (
        model.probabilities({"region": name}, times=[3], from_states=["A"])["estimate"].to_numpy() for name in ("north", "south")
    )
    assert not np.allclose(north, south)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({}, {}, "no value for size"),
        ({"size": 1, "sise": 1}, {}, "no covariate 'sise'"),
        ({"size": 1}, {"from_states": ["Z"]}, "no state 'Z'"),
        ({"size": 1}, {"variance": "bootstrap"}, "variance is 'bootstrap'"),
        ({"size": 1}, {"steps": "exponentials"}, "did you mean 'exponential'"),
    ],
)
def test_what_cannot_be_read_is_refused(values, options, message):
    with pytest.raises(ParameterError, match=message):
        _model(_frame(partners=20)).probabilities(values, times=[2], **options)


def test_models_that_cannot_be_fitted_are_refused():
    frame = _frame(partners=20)
    with pytest.raises(ParameterError, match="name at least one"):
        _model(frame, covariates=[])
    with pytest.raises(ParameterError, match="did you mean 'size'"):
        _model(frame, covariates=["sizes"])
    with pytest.raises(ParameterError, match="nobody was seen to move from C to A"):
        _model(frame, proportional=[[("C", "A")]])
    with pytest.raises(SampleError, match="nobody was seen to move"):
        _model(frame.assign(event="").drop_duplicates("partner"))
