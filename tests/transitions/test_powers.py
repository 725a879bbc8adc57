"""Several quarters ahead: powers of the matrix with clustered errors, and pairs several quarters apart made of pairs of one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import partnerlab as lab
from partnerlab.errors import ParameterError, SampleError
from partnerlab.transitions import Transitions, build_transitions, estimate_transitions

ORDER = ["Gold", "Silver", "Base"]


def _pairs(partners=40, quarters=9, seed=3, **options):
    """Partners of unlike restlessness among three tiers, one pair for each quarter."""
    rng = np.random.default_rng(seed)
    rows = []
    for partner in range(partners):
        stay, tier = rng.beta(4, 1), int(rng.integers(3))
        for quarter in range(quarters):
            after = tier if rng.random() < stay else int(rng.integers(3))
            rows.append((f"p{partner:03}", quarter + 1, ORDER[tier], ORDER[after]))
            tier = after
    frame = pd.DataFrame(rows, columns=["partner", "quarter", "from_tier", "to_tier"])
    return Transitions.from_frame(frame, order=ORDER, **options)


def test_the_first_power_is_the_estimate_with_its_error():
    flows = estimate_transitions(_pairs())
    both = flows.power(1).merge(flows.table, on=["from_tier", "to_tier"])

    assert len(both) == 9
    assert np.allclose(both["estimate_x"], both["estimate_y"])
    assert np.allclose(both["std_error_x"], both["std_error_y"])


def test_the_error_of_a_power_is_that_of_leaving_partners_out():
    pairs = _pairs(partners=60)
    mine = estimate_transitions(pairs).power(4)["std_error"].to_numpy()
    counts = np.array([pairs.select(pairs.partner != one).counts().to_numpy() for one in range(60)], dtype=float)
    without = np.linalg.matrix_power(counts / counts.sum(axis=2, keepdims=True), 4).reshape(60, -1)

    jackknife = np.sqrt(59 / 60 * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    assert np.allclose(mine / jackknife, 1.0, atol=0.05)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 50), steps=st.integers(1, 6))
def test_rows_add_up_to_one_and_doubling_partners_narrows_by_the_root_of_two(seed, steps):
    frame = _pairs(partners=12, seed=seed).to_frame().drop(columns="count").astype({"quarter": int})
    twice = pd.concat([frame, frame.assign(partner=frame["partner"] + "x")])
    one, two = (estimate_transitions(Transitions.from_frame(some, order=ORDER)).power(steps) for some in (frame, twice))

    assert np.allclose(one.groupby("from_tier")["estimate"].sum(), 1.0)
    known = one["std_error"].notna()
    assert np.allclose(one["estimate"], two["estimate"])
    # leaving out one of 24 moves the rest a little less than one of 12 does
    assert (two["std_error"][known] < one["std_error"][known] * 0.8).all()
    inside = one[one["conf_low"].notna()]
    assert ((inside["conf_low"] <= inside["estimate"]) & (inside["estimate"] <= inside["conf_high"])).all()


def test_a_state_nobody_was_seen_to_leave_or_stay_in_makes_what_follows_unknown():
    counts = pd.DataFrame([[8, 2, 0], [3, 6, 1]], index=["A", "B"], columns=["A", "B", "C"])
    open_end = estimate_transitions(Transitions.from_matrix(counts))
    closed = estimate_transitions(Transitions.from_matrix(counts, absorbing=["C"]))

    assert open_end.power(2)["estimate"].isna().sum() == 3
    assert closed.power(2)["estimate"].notna().all()


def test_powers_are_taken_by_segment_and_refuse_what_is_no_number_of_steps():
    counts = pd.DataFrame([[8, 2], [3, 7]], index=["A", "B"], columns=["A", "B"])
    flows = estimate_transitions(Transitions.from_matrix({"x": counts, "y": counts * 10}), by="segment")
    x, y = (flows.power(3, segment=name) for name in "xy")

    assert np.allclose(x["estimate"], y["estimate"])
    assert np.allclose(x["std_error"], y["std_error"] * np.sqrt(10))
    with pytest.raises(SampleError, match="name a segment of segment: x, y"):
        flows.power(3)
    for steps in (0, 1.5, None, True):
        with pytest.raises(ParameterError, match="whole number of steps"):
            flows.power(steps, segment="x")


def test_pairs_of_pairs_are_those_of_the_history():
    rng = np.random.default_rng(8)
    rows = [(f"p{p}", f"{2024 + q // 4}Q{q % 4 + 1}", ORDER[rng.integers(3)]) for p in range(20) for q in range(8) if rng.random() < 0.9]
    history = lab.TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=ORDER)
    pairs = build_transitions(history)
    direct, through = (build_transitions(some, step=2) for some in (history, pairs))
    keys = ["partner", "quarter", "from_tier", "to_tier"]

    seen = direct.to_frame()[keys].merge(through.to_frame()[keys], how="outer", indicator=True)["_merge"]
    # a partner seen in no two neighbouring quarters has no pair of one step, and nobody else is missing
    assert set(seen) <= {"both", "left_only"}
    assert (seen == "both").mean() > 0.9
    assert through.step == 2


def test_who_reached_an_absorbing_state_stays_there_to_the_end_of_the_table():
    frame = pd.DataFrame(
        [("a", 1, "On", "Off"), ("b", 1, "On", "On"), ("b", 2, "On", "On"), ("c", 2, "On", "Off")],
        columns=["partner", "quarter", "from_tier", "to_tier"],
    )
    two = build_transitions(Transitions.from_frame(frame, absorbing=["Off"]), step=2)

    assert two.to_frame()[["partner", "quarter", "to_tier"]].to_numpy().tolist() == [["a", 2, "Off"], ["b", 2, "On"]]


def test_counts_cannot_be_put_together():
    counts = pd.DataFrame([[8, 2], [3, 7]], index=["A", "B"], columns=["A", "B"])
    with pytest.raises(ParameterError, match=r"read estimate_transitions\(\.\.\.\)\.power"):
        build_transitions(Transitions.from_matrix(counts), step=2)
    with pytest.raises(SampleError, match="two periods 30 apart"):
        build_transitions(_pairs(), step=30)
