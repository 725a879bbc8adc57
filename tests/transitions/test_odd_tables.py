"""Tables that hold too little: one clear line, never a library's error."""

import pandas as pd
import pytest

import partnerlab as lab
from partnerlab.errors import ContractError, ParameterError, SampleError


@pytest.fixture(scope="module")
def still():
    rows = [(partner, f"2026Q{quarter}", "Base", "Base") for partner in "abc" for quarter in (1, 2, 3)]
    return lab.Transitions.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "from_tier", "to_tier"]))


def test_one_tier_in_which_nobody_moves_is_pooled_without_an_error_of_arithmetic(still):
    table = lab.estimate_pooled_transitions(still, by="quarter").table

    assert table["estimate"].tolist() == [1.0, 1.0, 1.0]
    assert table["std_error"].tolist() == [0.0, 0.0, 0.0]


def test_one_state_has_no_generator(still):
    with pytest.raises(SampleError, match="1 state to move between; two are needed"):
        lab.check_embedding(still)


def test_what_is_no_noise_baseline_is_named():
    frame = pd.DataFrame({"partner": ["a"] * 2, "quarter": ["2026Q1", "2026Q2"], "tier": ["G", "B"]})
    history = lab.TierHistory.from_frame(frame, order=["G", "B"])

    with pytest.raises(ParameterError, match="noise is a NoneType; give what estimate_noise"):
        lab.detect_movers(history, noise=None, quarter="2026Q2")
    with pytest.raises(ParameterError, match="scheme is a NoneType; give the TierScheme"):
        lab.estimate_noise(None, scheme=None, seed=1)


@pytest.mark.parametrize(
    ("noun", "columns", "options"),
    [
        (lab.Spells, ["partner", "entry", "duration", "event"], {}),
        (lab.Spells, ["partner", "entry", "duration", "state", "event"], {"state": "state"}),
        (lab.Observations, ["partner", "time", "state"], {}),
    ],
)
def test_a_table_of_headers_alone_has_no_rows(noun, columns, options):
    with pytest.raises(ContractError, match="the table has no rows"):
        noun.from_frame(pd.DataFrame(columns=columns), **options)


def test_a_bare_table_is_told_of_the_doors_it_can_take(still):
    with pytest.raises(ParameterError, match=r"not a DataFrame; .* Transitions\.from_frame or from_matrix"):
        lab.estimate_transitions(pd.DataFrame({"a": [1]}))


def test_a_count_that_is_none_is_shown_as_it_was_written():
    frame = pd.DataFrame({"partner": ["a"], "month": ["2026-01"], "n": [-1]})
    with pytest.raises(ParameterError, match="of 0 or more, such as -1"):
        lab.Activity.from_frame(frame, count="n")


def test_no_pairs_have_no_steady_state(still):
    with pytest.raises(SampleError, match="there is none"):
        lab.estimate_steady_state(still.select([False] * len(still)))
