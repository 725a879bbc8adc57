"""Multi-state estimates without assumptions on time: by hand, laws, refusals, truth recovered."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import partnerlab as lab
from partnerlab.errors import ContractError, ParameterError, SampleError
from partnerlab.stats.states.multistate import Paths, count_moves, greenwood_variance, product_integral
from partnerlab.stats.states.multistate_influence import influence_variance

FEW = settings(max_examples=12, deadline=None)
STATES = ("A", "B", "C")


def spells_of(rows, **options):
    frame = pd.DataFrame(rows, columns=["partner", "entry", "duration", "state", "event"])
    return lab.Spells.from_frame(frame, state="state", **options)


@st.composite
def walks(draw, censored=True):
    """Rows of a few partners on a whole clock: late entry, gaps, returns, ties."""
    rows = []
    for partner in range(draw(st.integers(2, 7))):
        time = draw(st.integers(0, 2)) if censored else 0
        state = draw(st.sampled_from(STATES))
        for _ in range(draw(st.integers(1, 4))):
            stay = draw(st.integers(1, 3))
            moves = draw(st.booleans())
            following = draw(st.sampled_from([name for name in STATES if name != state]))
            rows.append((f"p{partner}", time, time + stay, state, following if moves else ""))
            time, state = time + stay + (draw(st.integers(0, 1)) if censored else 0), following if moves else state
        if not censored and time < 12:
            rows.append((f"p{partner}", time, 12, state, ""))
    return rows


def _probabilities(rows, **options):
    return lab.estimate_state_probabilities(spells_of(rows, states=STATES), from_states=list(STATES), **options)


# --- by hand


def test_a_product_of_two_steps_by_hand():
    rows = [("a", 0, 1, "A", "B"), ("a", 1, 2, "B", "A"), ("b", 0, 2, "A", ""), ("c", 0, 2, "B", "C"), ("d", 1, 2, "A", "B")]

    found = _probabilities(rows).matrix(2)

    # at 1 one of two in A moves to B; at 2 A holds b and d, of whom d moves to B, and B holds a and c: to A, to C
    first = np.array([[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]])
    second = np.array([[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0, 1]])
    assert np.allclose(found, first @ second)


def test_the_landmark_follows_those_who_were_there():
    rows = [("a", 0, 1, "A", "B"), ("a", 1, 4, "B", ""), ("b", 0, 3, "B", "A"), ("b", 3, 4, "A", ""), ("c", 2, 4, "B", "A")]

    found = lab.estimate_state_probabilities(spells_of(rows), start=1, method="landmark", from_states=["B"]).matrix(4)

    # c came into sight after time 1: of a and b one has moved
    assert np.allclose(found.loc["B"], [0.5, 0.5])


def test_a_first_entry_counts_once_and_only_what_was_seen():
    rows = [
        ("a", 0, 2, "A", "B"),
        ("a", 2, 3, "B", "A"),
        ("a", 3, 5, "A", "B"),
        ("b", 0, 4, "A", ""),
        ("c", 0, 2, "B", "A"),
        ("c", 2, 5, "A", "B"),
    ]

    found = lab.estimate_first_passage(spells_of(rows), into="B")

    assert found.at([1, 2, 4])["estimate"].tolist() == [0.0, 0.5, 0.5]
    assert "1 partners were in B" in found.checks[-1].detail
    assert found.quantiles.set_index("share")["estimate"].loc[0.25] == 2


def test_times_in_state_are_the_areas_by_hand():
    rows = [("a", 0, 1, "A", "B"), ("a", 1, 4, "B", ""), ("b", 0, 4, "A", "")]

    found = lab.estimate_sojourn(spells_of(rows), tau=3).table.set_index("state")

    assert found["estimate"].to_dict() == {"A": 2.0, "B": 1.0}
    # each partner's own area: 1 and 3 in A; influence (x - mean) / 2
    assert found["std_error"].loc["A"] == pytest.approx(np.sqrt(((1 - 2) / 2) ** 2 + ((3 - 2) / 2) ** 2))


# --- laws


@FEW
@given(walks())
def test_rows_of_probabilities_add_up_to_one(rows):
    table = _probabilities(rows).table

    sums = table.groupby(["from_state", "time"])["estimate"].sum()
    assert np.allclose(sums, 1.0)
    assert table["estimate"].between(0, 1).all()


@FEW
@given(walks(), st.randoms(use_true_random=False))
def test_order_of_partners_does_not_matter(rows, shuffle):
    mixed = list(rows)
    shuffle.shuffle(mixed)

    one, other = (_probabilities(some).table for some in (rows, mixed))

    assert np.allclose(one[["estimate", "std_error"]], other[["estimate", "std_error"]], equal_nan=True)


@FEW
@given(walks())
def test_doubling_every_partner_keeps_the_estimate_and_halves_the_variance(rows):
    twice = rows + [(f"{partner}again", *rest) for partner, *rest in rows]

    one, two = (_probabilities(some).table for some in (rows, twice))

    assert np.allclose(one["estimate"], two["estimate"])
    assert np.allclose(one["std_error"] ** 2, 2 * two["std_error"] ** 2, atol=1e-12)


@FEW
@given(walks(), st.integers(1, 4), st.integers(5, 9))
def test_probabilities_multiply_along_time(rows, middle, end):
    whole = _probabilities(rows, times=[middle, end])
    later = _probabilities(rows, start=float(middle), times=[end])
    if whole.table["estimate"].isna().any() or later.table["estimate"].isna().any():
        return

    assert np.allclose(whole.matrix(middle).to_numpy() @ later.matrix(end).to_numpy(), whole.matrix(end))


@FEW
@given(walks(censored=False))
def test_without_censoring_occupancy_is_the_share_seen(rows):
    spells = spells_of(rows, states=STATES)
    frame = spells.frame

    for time in (1.5, 4.5, 7.5):
        there = frame[(frame["entry"] < time) & (frame["duration"] >= time)]
        found = lab.estimate_state_occupancy(spells).at([time]).set_index("state")
        share = there["state"].value_counts(normalize=True).reindex(list(STATES), fill_value=0.0)
        n = frame["partner"].nunique()
        assert np.allclose(found["estimate"].loc[list(STATES)], share)
        assert np.allclose(found["std_error"].loc[list(STATES)], np.sqrt(share * (1 - share) / n))


@FEW
@given(walks())
def test_times_in_state_add_up_to_all_the_time(rows):
    spells = spells_of(rows, states=STATES)
    start = float(spells.frame["entry"].min())

    found = lab.estimate_sojourn(spells, start=start, tau=float(spells.frame["duration"].max()))

    assert found.table["estimate"].sum() == pytest.approx(found.tau - start)


SPANS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6), st.booleans()), min_size=2, max_size=12)


@FEW
@given(SPANS)
def test_kaplan_meier_is_the_case_of_two_states(drawn):
    frame = pd.DataFrame(
        [(f"p{at}", a, a + b, ended) for at, (a, b, ended) in enumerate(drawn)], columns=["partner", "entry", "duration", "event"]
    )
    two = frame.assign(state="in", event=np.where(frame["event"], "out", ""))

    curve = lab.estimate_survival(lab.Spells.from_frame(frame), min_at_risk=0, variance="jackknife").table
    found = lab.estimate_state_probabilities(
        lab.Spells.from_frame(two, state="state", states=["in", "out"]), from_states=["in"], start=-1.0
    )
    mine = found.at(curve["time"].tolist())
    mine = mine[mine["to_state"] == "in"]

    assert np.allclose(mine["estimate"], curve["estimate"])
    alive = (curve["estimate"] > 0).to_numpy()
    assert np.allclose(mine["std_error"].to_numpy()[alive], curve["std_error"].to_numpy()[alive])


def test_with_one_row_a_partner_and_no_late_entry_the_jackknife_is_greenwood():
    generator = np.random.default_rng(1)
    paths = Paths(np.zeros(50), generator.integers(1, 9, 50).astype(float), np.zeros(50, int), generator.integers(-1, 3, 50), np.arange(50))
    paths = paths._replace(target=np.where(paths.target == 0, -1, paths.target))
    counts = count_moves(paths, 3)
    path = product_integral(counts.steps, np.eye(3)[:1])
    gaps = np.ones(len(path))

    both = influence_variance(paths, counts, path, gaps=gaps), greenwood_variance(counts, path, gaps=gaps)

    assert np.allclose(both[0][0], both[1][0])
    assert np.allclose(both[0][1], both[1][1])


def test_the_jackknife_in_small_blocks_is_the_same(monkeypatch):
    generator = np.random.default_rng(2)
    paths = Paths(
        np.zeros(40), generator.integers(1, 9, 40).astype(float), np.zeros(40, int), generator.integers(-1, 3, 40), np.arange(40) // 2
    )
    paths = paths._replace(target=np.where(paths.target == 0, -1, paths.target), entry=np.where(np.arange(40) % 2, paths.exit - 1, 0.0))
    counts = count_moves(paths, 3)
    path = product_integral(counts.steps, np.eye(3))
    whole = influence_variance(paths, counts, path)[0]
    monkeypatch.setattr("partnerlab.stats.states.multistate_influence._BLOCK", 30)

    assert np.allclose(influence_variance(paths, counts, path)[0], whole)


# --- pairs and histories


def test_pairs_by_quarter_give_the_product_of_quarterly_matrices():
    rows = [("a", 1, "A", "B"), ("b", 1, "A", "A"), ("a", 2, "B", "A"), ("b", 2, "A", "B"), ("c", 2, "B", "B")]
    pairs = lab.Transitions.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "from_tier", "to_tier"]))

    found = lab.estimate_state_probabilities(pairs, from_states=["A", "B"]).matrix(2)

    assert np.allclose(found, np.array([[0.5, 0.5], [0, 1]]) @ np.array([[0, 1], [0.5, 0.5]]))


def test_counts_weigh_as_many_pairs():
    rows = pd.DataFrame(
        [(1, "A", "B", 3), (1, "A", "A", 5), (2, "B", "A", 2), (2, "B", "B", 6)], columns=["quarter", "from_tier", "to_tier", "n"]
    )
    single = rows.loc[rows.index.repeat(rows["n"])].reset_index(drop=True)

    one = lab.estimate_state_probabilities(lab.Transitions.from_frame(rows, partner=None, count="n"))
    other = lab.estimate_state_probabilities(lab.Transitions.from_frame(single.drop(columns="n"), partner=None))

    assert np.allclose(one.table[["estimate", "std_error", "n"]], other.table[["estimate", "std_error", "n"]])


def test_a_history_is_followed_through_lapse_and_return():
    codes = [("a", q, "Gold") for q in (1, 2, 4)] + [("b", q, "Base") for q in (1, 2, 3, 4)] + [("a", 3, None)]
    frame = pd.DataFrame([(p, f"2025Q{q}", t) for p, q, t in codes if t], columns=["partner", "quarter", "tier"])
    history = lab.TierHistory.from_frame(frame, order=["Gold", "Base"])

    found = lab.estimate_state_occupancy(history).at([2, 3]).pivot_table(index="state", columns="time", values="estimate")

    assert found.loc["lapsed"].tolist() == [0.5, 0.0]
    assert found.loc["Gold"].tolist() == [0.0, 0.5]


# --- refusals and thin data


ONE = [("a", 0, 2, "A", "B"), ("a", 2, 4, "B", "")]


def test_one_partner_has_an_estimate_and_no_interval():
    found = lab.estimate_state_occupancy(spells_of(ONE))

    assert found.table["std_error"].isna().all()
    assert "not enough data (n = 1)" in found.checks[0].detail


def test_nobody_moving_is_said():
    found = lab.estimate_state_occupancy(spells_of([("a", 0, 2, "A", ""), ("b", 0, 3, "A", "")]))

    assert found.checks[0].passed is None
    assert found.at([2])["estimate"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([("a", 0, 2, "A", "D")], {"states": STATES}, "unknown state, 'D'"),
        ([("a", 0, 2, None, "B")], {}, "name no state"),
        ([("a", 0, 2, "A", ""), ("a", 1, 3, "A", "")], {}, "overlap the row before"),
        ([("a", 0, 2, "A", "B"), ("a", 2, 3, "C", "")], {}, "begin in another state"),
        ([("a", 0, 2, "A", ""), ("a", 2, 3, "B", "")], {}, "begin in another state"),
        ([("a", 0, 2, "A", "B")], {"absorbing": ["A"]}, "leave an absorbing state"),
        ([("a", 0, 2, "A", "B"), ("a", 5, 6, "A", "")], {"absorbing": ["B"]}, "leave an absorbing state"),
        ([("a", 0, 2, "A", "B")], {"absorbing": ["D"]}, "no state 'D'"),
        ([("a", 2, 2, "A", "B")], {}, "never at risk"),
        ([("a", 0, 2, 1.5, "B")], {}, "fractions"),
    ],
)
def test_paths_that_cannot_be_are_refused(rows, options, message):
    with pytest.raises(ContractError, match=message):
        spells_of(rows, **options)


@pytest.mark.parametrize(
    ("verb", "options", "error", "message"),
    [
        (lab.estimate_state_probabilities, {"from_states": ["Z"]}, ParameterError, "no state 'Z'"),
        (lab.estimate_state_probabilities, {"method": "landmrk"}, ParameterError, "did you mean 'landmark'"),
        (lab.estimate_state_probabilities, {"method": "landmark", "start": 9.0}, SampleError, "nobody"),
        (lab.estimate_state_occupancy, {"start": 9.0}, SampleError, r"not enough data \(n = 0\)"),
        (lab.estimate_state_occupancy, {"initial": {"A": 0.4}}, ParameterError, "add up to 1"),
        (lab.estimate_state_occupancy, {"by": "region"}, ParameterError, "no attribute 'region'"),
        (lab.estimate_state_occupancy, {"variance": "bootstrap"}, ParameterError, "variance is 'bootstrap'"),
        (lab.estimate_state_occupancy, {"interval": "loglog"}, ParameterError, "interval is 'loglog'"),
        (lab.estimate_sojourn, {"tau": 0.0}, ParameterError, "after the start"),
        (lab.estimate_first_passage, {"into": ["A", "B"]}, ParameterError, "names all states"),
        (lab.estimate_first_passage, {"into": "B", "initial": "B"}, ParameterError, "start from another"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(verb, options, error, message):
    with pytest.raises(error, match=message):
        verb(spells_of([*ONE, ("b", 0, 3, "A", "")]), **options)


def test_no_rows_are_not_enough_data():
    with pytest.raises(SampleError, match=r"not enough data \(n = 0\)"):
        lab.estimate_state_occupancy(spells_of(ONE).select([False, False]))


def test_spells_without_states_are_refused():
    plain = lab.Spells.from_frame(pd.DataFrame({"partner": ["a"], "duration": [2], "event": ["lapsed"]}))

    with pytest.raises(ParameterError, match="do not say in which state"):
        lab.estimate_state_occupancy(plain)


# --- recovery


def test_intervals_of_occupancy_hold_the_truth_where_partners_differ():
    generator, truth, hits = np.random.default_rng(7), None, 0
    rates = np.array([[0.9, 0.1], [0.2, 0.8]])
    # two speeds of partners: the process of all of them is not Markov, the occupancy is right all the same
    slow = np.linalg.matrix_power(rates, 8)[0, 1]
    fast = np.linalg.matrix_power(np.linalg.matrix_power(rates, 3), 8)[0, 1]
    truth = (slow + fast) / 2
    for _ in range(30):
        codes = np.zeros((120, 9), dtype=int)
        for quarter in range(8):
            step = np.where(np.arange(120)[:, None] % 2, np.linalg.matrix_power(rates, 3)[codes[:, quarter]], rates[codes[:, quarter]])
            codes[:, quarter + 1] = generator.random(120) > step[:, 0]
        partner, quarter = np.indices((120, 8)).reshape(2, -1)
        state, after = codes[:, :-1].ravel().astype(str), codes[:, 1:].ravel().astype(str)
        frame = pd.DataFrame({"partner": partner, "entry": quarter, "duration": quarter + 1, "state": state, "event": after})
        row = lab.estimate_state_occupancy(lab.Spells.from_frame(frame, state="state")).at([8]).set_index("state").loc["1"]
        hits += row["conf_low"] <= truth <= row["conf_high"]

    assert 25 <= hits <= 30
