"""Transition probabilities: by hand, laws, refusals, coverage."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partnerlab.errors import ParameterError, SampleError
from partnerlab.stats.inference.intervals import critical_value, zero_cell_limit
from partnerlab.transitions import estimate_transitions

CODES = hnp.arrays(np.int8, st.tuples(st.integers(2, 15), st.integers(2, 7)), elements=st.integers(-3, 2))
HAND = [[0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, -3], [-2, 1, -1, 1]]


def _cell(result, origin, target, column="estimate", table=None):
    table = result.table if table is None else table
    return table.loc[(table["from_tier"] == origin) & (table["to_tier"] == target), column].item()


def test_counts_are_those_counted_by_hand(history_of):
    flows = estimate_transitions(history_of(HAND, tiers=("A", "B")))

    assert flows.matrix("count").to_numpy().tolist() == [[4, 2, 1], [2, 3, 0]]


def test_shares_are_moves_over_partner_quarters_at_risk(history_of):
    flows = estimate_transitions(history_of(HAND, tiers=("A", "B")))

    assert _cell(flows, "A", "B") == pytest.approx(2 / 7)


def test_a_gap_is_in_neither_numerator_nor_denominator(history_of):
    flows = estimate_transitions(history_of([[0, -1, 1], [0, 0, 0]], tiers=("A", "B")))

    assert _cell(flows, "A", "A", "n") == 2
    assert _cell(flows, "B", "B", "n") == 0


def test_joins_are_reported_apart(history_of):
    joins = estimate_transitions(history_of([[-2, 1, 1], [-2, -2, 0], [0, 0, 0], [-2, 1, 1]], tiers=("A", "B"))).joins

    assert joins["count"].tolist() == [1, 2]


def test_lapsed_is_an_origin_only_if_somebody_returned(history_of):
    stayed_away = estimate_transitions(history_of([[0, -3, -3], [0, 0, 0]], tiers=("A", "B")))
    returned = estimate_transitions(history_of([[0, -3, 1], [0, 0, 0]], tiers=("A", "B")))

    assert "lapsed" not in set(stayed_away.table["from_tier"])
    assert _cell(returned, "lapsed", "B") == 1


def test_partial_quarters_are_left_out_unless_asked_for(history_of):
    history = history_of([[0, 0, 1]] * 6, tiers=("A", "B"), partial=[False, False, True])

    assert _cell(estimate_transitions(history), "A", "A") == 1
    assert _cell(estimate_transitions(history, include_partial=True), "A", "A") == 0.5


def test_taking_partial_quarters_in_fails_a_check(history_of):
    history = history_of([[0, 0, 1]] * 6, tiers=("A", "B"), partial=[False, False, True])
    checks = {check.name: check.passed for check in estimate_transitions(history, include_partial=True).checks}

    assert checks["Only whole quarters"] is False


def test_nobody_at_risk_gives_no_number_but_says_so(history_of):
    flows = estimate_transitions(history_of([[0, 0, 0]] * 9, tiers=("A", "B")))

    assert np.isnan(_cell(flows, "B", "A"))
    assert _cell(flows, "B", "A", "n") == 0


@pytest.mark.parametrize("codes", [[[0, 1, 0, 1, 0, 1, 0]] * 2, [[0, 1]] * 4])
def test_too_few_partners_or_quarters_give_no_interval(history_of, codes):
    row = estimate_transitions(history_of(codes, tiers=("A", "B"))).table.iloc[0]

    assert not np.isnan(row["estimate"])
    assert np.isnan([row["conf_low"], row["conf_high"], row["std_error"]]).all()


def test_a_move_never_seen_gets_the_exact_limit(history_of):
    codes = np.zeros((40, 5), dtype=np.int8)
    codes[::2, 2:] = 1
    flows = estimate_transitions(history_of(codes))
    row = flows.table.iloc[2]

    assert row["conf_low"] == 0
    shrunk = row["n"] / row["deff"] * (critical_value(0.95) / critical_value(0.95, row["partners"] - 1)) ** 2
    assert row["conf_high"] == pytest.approx(float(zero_cell_limit(shrunk)))
    assert np.isnan(row["std_error"])


def test_by_segment_is_each_segment_on_its_own(history_of, frail_codes):
    codes, _ = frail_codes(partners=80, quarters=8, rng=np.random.default_rng(1))
    region = np.array(["North", "South"])[np.arange(80) % 2]
    together = estimate_transitions(history_of(codes, attributes=pd.DataFrame({"region": region})), by="region")
    alone = estimate_transitions(history_of(codes[region == "South"]))

    assert np.allclose(together.matrix("conf_high", segment="South"), alone.matrix("conf_high"), rtol=1e-3)


def test_by_quarter_is_each_step_on_its_own(history_of, frail_codes):
    codes, _ = frail_codes(partners=80, quarters=4, rng=np.random.default_rng(1))
    together = estimate_transitions(history_of(codes), by="quarter")

    assert together.table["quarter"].unique().tolist() == ["2022Q2", "2022Q3", "2022Q4"]
    assert together.matrix("count", segment="2022Q2").equals(estimate_transitions(history_of(codes[:, :2])).matrix("count"))


def test_partners_without_the_attribute_are_a_segment(history_of):
    attributes = pd.DataFrame({"region": ["North", None, "North"]})
    flows = estimate_transitions(history_of([[0, 0], [0, 1], [0, 1]], attributes=attributes), by="region")

    assert flows.table["region"].unique().tolist() == ["North", "(not given)"]


@given(CODES)
@settings(max_examples=30, deadline=None)
def test_rows_sum_to_one(history_of, codes):
    table = estimate_transitions(history_of(codes)).table
    sums = table.groupby("from_tier")["estimate"].sum(min_count=1).dropna()

    assert np.allclose(sums, 1)


@given(CODES)
@settings(max_examples=30, deadline=None)
def test_intervals_hold_the_estimate_and_stay_within_0_and_1(history_of, codes):
    table = estimate_transitions(history_of(codes)).table.dropna(subset=["conf_low"])

    assert (table["conf_low"].ge(0) & table["conf_low"].le(table["estimate"])).all()
    assert (table["conf_high"].le(1) & table["conf_high"].ge(table["estimate"])).all()


@given(CODES, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_order_of_partners_does_not_matter(history_of, codes, random):
    order = list(range(len(codes)))
    random.shuffle(order)

    pd.testing.assert_frame_equal(estimate_transitions(history_of(codes)).table, estimate_transitions(history_of(codes[order])).table)


@given(CODES)
@settings(max_examples=20, deadline=None)
def test_duplicating_every_partner_keeps_the_estimate(history_of, codes):
    once, twice = estimate_transitions(history_of(codes)).table, estimate_transitions(history_of(np.tile(codes, (2, 1)))).table

    assert np.allclose(once["estimate"], twice["estimate"], equal_nan=True)


def test_duplicating_every_partner_halves_the_variance(history_of, frail_codes):
    codes, _ = frail_codes(partners=400, quarters=8, rng=np.random.default_rng(2))
    once, twice = estimate_transitions(history_of(codes)).table, estimate_transitions(history_of(np.tile(codes, (2, 1)))).table

    # the jackknife's own small-sample terms are of order one over the number of partners
    assert np.allclose(twice["std_error"] ** 2, once["std_error"] ** 2 / 2, rtol=0.03)


@given(CODES)
@settings(max_examples=20, deadline=None)
def test_names_of_tiers_do_not_matter(history_of, codes):
    turned = np.where(codes >= 0, 2 - codes, codes)
    straight, mirrored = (
        estimate_transitions(history_of(codes)).table,
        estimate_transitions(history_of(turned, tiers=("C", "B", "A"))).table,
    )
    keys = ["from_tier", "to_tier"]

    pd.testing.assert_frame_equal(straight.sort_values(keys, ignore_index=True), mirrored.sort_values(keys, ignore_index=True))


def test_simultaneous_intervals_are_wider(history_of, frail_codes):
    codes, _ = frail_codes(partners=200, quarters=8, rng=np.random.default_rng(3))
    flows = estimate_transitions(history_of(codes))
    together = flows.simultaneous_intervals()

    assert (together["conf_high"] - together["conf_low"] > flows.table["conf_high"] - flows.table["conf_low"]).all()


def test_moved_is_the_share_that_changed_tier(history_of):
    moved = estimate_transitions(history_of([[0, 1, 1, -3]] * 5)).moved

    assert moved["estimate"].item() == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "regoin"}, "partners have no attribute 'regoin'; did you mean 'region'"),
        ({"stage": "publish"}, "stage 'publish' does not exist; did you mean 'published'"),
        ({"level": 95}, "level is 95"),
    ],
)
def test_what_does_not_exist_is_refused(history_of, arguments, message):
    history = history_of([[0, 1]], attributes=pd.DataFrame({"region": ["North"]}))

    with pytest.raises(ParameterError, match=message):
        estimate_transitions(history, **arguments)


def test_one_quarter_has_no_flows(history_of):
    with pytest.raises(SampleError, match="two whole quarters side by side"):
        estimate_transitions(history_of([[0], [1]]))


def test_a_matrix_by_segment_asks_for_the_segment(history_of):
    flows = estimate_transitions(history_of([[0, 1]], attributes=pd.DataFrame({"region": ["North"]})), by="region")

    with pytest.raises(SampleError, match="name a segment of region: North"):
        flows.matrix()


@pytest.mark.parametrize("partners", [60, 150])
def test_nominal_95_percent_intervals_cover_the_truth(history_of, frail_codes, partners):
    """Partners differ in how readily they move; the truth is what a very large program of this kind shows."""
    many, _ = frail_codes(partners=200_000, quarters=12, rng=np.random.default_rng(0))
    truth = estimate_transitions(history_of(many)).table["estimate"].to_numpy()
    rng = np.random.default_rng(11)
    inside = []
    for _ in range(150):
        table = estimate_transitions(history_of(frail_codes(partners=partners, quarters=12, rng=rng)[0])).table
        inside.append(table["conf_low"].le(truth) & table["conf_high"].ge(truth))
    cover = np.mean(inside, axis=0)

    # 150 replicates: each cell within three standard errors of 95 %, all together closer
    assert (cover > 0.90).all()
    assert 0.935 < cover.mean() < 0.985


def test_what_is_no_history_is_refused():
    with pytest.raises(ParameterError, match="read from a TierHistory or Transitions, not a str; make a history with assign_tiers"):
        estimate_transitions("quadrant")
