"""Generators, the embedding problem and mobility: by hand, laws, refusals, truth recovered."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm, expm_frechet

import partnerlab as lab
from partnerlab.errors import ContractError, ParameterError, SampleError
from partnerlab.stats.states import embedding
from partnerlab.stats.states.matrix_exponential import Flows, exponentials
from partnerlab.stats.states.panel_likelihood import PanelCounts, RateDesign, cell_scores, log_likelihood

FEW = settings(max_examples=12, deadline=None)


def looks_at(rows, **options):
    return lab.Observations.from_frame(pd.DataFrame(rows, columns=["partner", "time", "state"]), **options)


@st.composite
def generators(draw, states=3):
    off = np.array(draw(st.lists(st.sampled_from([0.0, 0.05, 0.3, 1.0, 1.0, 2.5]), min_size=states**2, max_size=states**2)))
    found = off.reshape(states, states)
    np.fill_diagonal(found, 0.0)
    np.fill_diagonal(found, -found.sum(axis=1))
    return found


# --- exponentials and their derivatives


@FEW
@given(generators(states=4), st.sampled_from([0.01, 0.7, 3.0, 40.0]))
def test_exponentials_are_those_of_scipy_and_rows_add_up_to_one(q, time):
    flows = Flows.of(q[None], np.array([time]), np.array([0]))

    assert np.allclose(flows.probabilities()[0], expm(q * time), atol=1e-9)
    assert np.allclose(exponentials(q[None] * time)[0], expm(q * time), atol=1e-9)
    assert np.allclose(flows.probabilities().sum(axis=2), 1.0)


@FEW
@given(generators(), st.sampled_from([0.3, 2.0]), st.integers(0, 2), st.integers(0, 2))
def test_derivatives_of_exponentials_are_those_of_scipy(q, time, row, column):
    direction = np.zeros((3, 3))
    direction[row, column] = 1.0
    weight = np.arange(9.0).reshape(3, 3)

    mine = Flows.of(q[None], np.array([time]), np.array([0])).pull_back(weight[None])[0, row, column]

    assert mine == pytest.approx(np.sum(weight * expm_frechet(q * time, direction * time, compute_expm=False)), rel=1e-6, abs=1e-8)


def test_a_one_way_chain_with_equal_intensities_has_too_few_eigenvectors_and_is_right():
    q = np.array([[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0], [0.0, 0.0, 0.0]])
    flows = Flows.of(q[None], np.array([2.0]), np.array([0]))

    assert not flows.sound[0]
    assert np.allclose(flows.probabilities()[0, 0], [np.exp(-2), 2 * np.exp(-2), 1 - 3 * np.exp(-2)])


@FEW
@given(st.integers(0, 10_000))
def test_the_gradient_of_the_likelihood_is_its_slope_and_the_sum_of_scores(seed):
    rng = np.random.default_rng(seed)
    origin, target = np.array([0, 1, 1, 2, 0]), np.array([1, 0, 2, 1, 3])
    design = RateDesign(origin=origin, target=target, offset=np.zeros((2, 5)), slopes=rng.normal(size=(2, 5, 3)), states=4)
    endings = np.vstack([np.eye(4), [1, 1, 0, 0]])
    counts = rng.integers(0, 4, size=(4, 4, 5)) * np.array([1, 1, 1, 0])[None, :, None]
    # the intensities change within the third interval
    panel = PanelCounts(
        time=np.array([[0.0, 0.5], [0.0, 1.0], [1.5, 0.5], [0.0, 1.0]]), which=np.array([[0, 0], [0, 0], [0, 1], [1, 1]]),
        counts=counts.astype(float), endings=endings,
        exact=np.array([-1, -1, -1, 3, -1]),
    )  # fmt: skip
    at = rng.normal(size=3) * 0.3

    _, slope = log_likelihood(at, panel, design)
    differences = [
        (log_likelihood(at + step, panel, design)[0] - log_likelihood(at - step, panel, design)[0]) / 2e-6 for step in 1e-6 * np.eye(3)
    ]

    assert np.allclose(slope, differences, rtol=1e-4, atol=1e-3)
    assert np.allclose((cell_scores(at, panel, design) * counts).sum(axis=(1, 2, 3)), slope, rtol=1e-5, atol=1e-5)


# --- generators


LOOKS = [(p, t, s) for p, path in enumerate(["AABBA", "ABBAA", "AAAAB", "BBABB", "BAABB", "ABABB"]) for t, s in enumerate(path)]


def test_two_states_at_equal_times_have_a_closed_form():
    # P over one step is the table of shares; its logarithm is known for two states
    model = lab.estimate_generator(looks_at(LOOKS))
    pairs = [(a[2], b[2]) for a, b in itertools.pairwise(LOOKS) if a[0] == b[0]]
    shares = pd.DataFrame(pairs).value_counts().unstack()
    shares = shares.div(shares.sum(axis=1), axis=0)
    total = -np.log(shares.loc["A", "A"] + shares.loc["B", "B"] - 1)
    moved = shares.loc["A", "B"] + shares.loc["B", "A"]

    assert model.matrix().loc["A", "B"] == pytest.approx(total * shares.loc["A", "B"] / moved, rel=1e-5)
    assert np.allclose(model.probabilities(1)["estimate"], shares.to_numpy().ravel(), atol=1e-6)


SLOW = [
    (p, t, s) for p, path in enumerate(["AAABB", "AABBB", "AAAAA", "ABBBA", "BBBAA", "BBBBB", "BAAAA", "BBABB"]) for t, s in enumerate(path)
]


def test_pieces_that_no_interval_crosses_are_each_the_generator_of_their_looks():
    allowed = {"A": ["B"], "B": ["A"]}
    both = lab.estimate_generator(looks_at(SLOW), breaks=[2])
    early, late = ([row for row in SLOW if low <= row[1] <= high] for low, high in ((0, 2), (2, 4)))

    for piece, rows in (("before 2", early), ("from 2", late)):
        alone = lab.estimate_generator(looks_at(rows), allowed=allowed)
        for column in ("estimate", "std_error"):
            assert np.allclose(both.matrix(column, covariates={"time": piece}), alone.matrix(column), rtol=1e-4), (piece, column)


def test_an_interval_across_a_change_is_walked_in_legs():
    # no look at 2: by hand, the likelihood of P(1, 3) = exp(Q1) exp(Q2)
    rows = [row for row in SLOW if row[1] != 2]
    found = lab.estimate_generator(looks_at(rows), breaks=[2])
    first, second = (found.matrix(covariates={"time": piece}).to_numpy() for piece in ("before 2", "from 2"))
    steps = {(0, 1): expm(first), (1, 3): expm(first) @ expm(second), (3, 4): expm(second)}
    total = sum(np.log(steps[a[1], b[1]]["AB".index(a[2]), "AB".index(b[2])]) for a, b in itertools.pairwise(rows) if a[0] == b[0])

    assert found.log_likelihood == pytest.approx(total, rel=1e-9)
    assert np.allclose(found.probabilities(2, start=1)["estimate"], steps[1, 3].ravel())


@FEW
@given(st.sampled_from([0.4, 1.0, 2.5]), st.sampled_from([0.0, 1.0, 1.7]))
def test_a_walk_is_the_product_of_its_parts(length, start):
    found = lab.estimate_generator(looks_at(SLOW), breaks=[1, 2])
    whole, first, second = (
        found.probabilities(time, start=at)["estimate"].to_numpy().reshape(2, 2)
        for time, at in ((length + 1, start), (length, start), (1, start + length))
    )

    assert np.allclose(whole, first @ second)
    assert np.allclose(whole.sum(axis=1), 1)


def test_quarters_of_pairs_and_of_a_history_are_where_intensities_change():
    quarters = [f"2024Q{q}" for q in range(1, 5)] + ["2025Q1"]
    rows = pd.DataFrame([(p, quarters[t], s) for p, t, s in SLOW], columns=["partner", "quarter", "tier"])
    history = lab.TierHistory.from_frame(rows, order=["A", "B"])
    # looks stand at ends of quarters: the first is the beginning of 2024Q2, so 2 steps later 2024Q4 begins
    wanted = lab.estimate_generator(looks_at(SLOW), breaks=[2]).matrix(covariates={"time": "from 2"})

    for source in (history, lab.build_transitions(history)):
        found = lab.estimate_generator(source, breaks=["2024Q4"])
        assert found.estimand == "Intensity of each move per quarter, before 2024Q4"
        later = found.matrix(covariates={"time": "from 2024Q4"})
        assert np.allclose(later.loc[["A", "B"], ["A", "B"]], wanted, rtol=1e-4)
        walk = found.probabilities(1, start="2025Q1").set_index(["from_state", "to_state"])["estimate"]
        assert walk["A", "B"] == pytest.approx(expm(wanted.to_numpy())[0, 1], rel=1e-4)


def test_whether_intensities_change_is_a_likelihood_ratio_and_one_factor_is_one_parameter():
    looks = looks_at(SLOW)
    plain, factor, free = (
        lab.estimate_generator(looks, **options) for options in ({}, {"breaks": [2], "shared": ["time"]}, {"breaks": [2]})
    )

    assert lab.compare_generators(plain, against=free).table["df"].item() == 2
    assert lab.compare_generators(plain, against=factor).table["df"].item() == 1
    assert factor.ratios["ratio"].nunique() == 1
    assert plain.log_likelihood <= factor.log_likelihood <= free.log_likelihood


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        ([2, 2], "breaks: 2, 2 do not rise; give each time once, in order"),
        ([9], "breaks: nothing was seen from 9; leave that time out"),
        (["2024Q1"], "breaks: '2024Q1' is no time; give a number on the clock of the observations"),
        ("2024Q1", "breaks is '2024Q1'; give a list of times"),
    ],
)
def test_breaks_that_cannot_be_are_refused(breaks, message):
    with pytest.raises(ParameterError, match=message):
        lab.estimate_generator(looks_at(SLOW), breaks=breaks)


def test_breaks_need_times_and_a_walk_needs_a_start():
    counts = lab.Transitions.from_matrix(pd.DataFrame([[5, 2], [1, 4]], index=["A", "B"], columns=["A", "B"]))
    with pytest.raises(ParameterError, match="it is not known when these pairs were seen"):
        lab.estimate_generator(counts, breaks=[2])
    with pytest.raises(ParameterError, match="give a start, or a piece as covariates"):
        lab.estimate_generator(looks_at(SLOW), breaks=[2]).probabilities(1)


def test_doubling_partners_keeps_the_generator_and_halves_its_variance():
    for variance in ("model", "cluster"):
        one = lab.estimate_generator(looks_at(LOOKS), variance=variance)
        two = lab.estimate_generator(looks_at([*LOOKS, *((p + 100, t, s) for p, t, s in LOOKS)]), variance=variance)

        assert np.allclose(one.matrix(), two.matrix(), rtol=1e-4)
        assert np.allclose(one.matrix("std_error") ** 2, 2 * two.matrix("std_error") ** 2, rtol=1e-3)


def test_pairs_and_looks_of_the_same_partners_agree():
    pairs = [(p, t + 1, a, b) for (p, t, a), (q, _, b) in itertools.pairwise(LOOKS) if p == q]
    table = lab.Transitions.from_frame(pd.DataFrame(pairs, columns=["partner", "quarter", "from_tier", "to_tier"]))

    assert np.allclose(lab.estimate_generator(table).matrix(), lab.estimate_generator(looks_at(LOOKS)).matrix(), rtol=1e-5)


def test_the_generator_of_simulated_looks_is_recovered():
    rng = np.random.default_rng(3)
    q = np.array([[-0.3, 0.25, 0.05], [0.2, -0.5, 0.3], [0.0, 0.0, 0.0]])
    rows = []
    for partner in range(400):
        state, time = 0, 0.0
        for gap in [0.0, *rng.choice([0.5, 1.0, 2.0], size=5)]:
            state, time = int(rng.choice(3, p=expm(q * gap)[state])), time + gap
            if gap > 0 or time == 0.0:
                rows.append((partner, time, "ABC"[state]))

    table = lab.estimate_generator(looks_at(rows), allowed={"A": ["B", "C"], "B": ["A", "C"]}).table

    inside = (table["conf_low"] <= q.ravel()) & (q.ravel() <= table["conf_high"])
    assert inside.sum() >= 8
    assert np.allclose(table["estimate"], q.ravel(), atol=0.08)


def test_stays_seen_whole_give_moves_over_time():
    frame = pd.DataFrame(
        [("a", 0, 2, "A", "B"), ("a", 2, 5, "B", ""), ("b", 0, 4, "A", "")], columns=["partner", "entry", "duration", "state", "event"]
    )
    model = lab.estimate_generator(lab.Spells.from_frame(frame, state="state"))

    assert model.matrix().loc["A", "B"] == pytest.approx(1 / 6)
    assert model.matrix("std_error").loc["A", "B"] == pytest.approx(1 / 6)
    assert model.total_stay(horizon=1.0)["estimate"].to_numpy().reshape(2, 2).sum(axis=1) == pytest.approx([1.0, 1.0])


def test_a_last_look_may_only_say_that_a_partner_is_still_there():
    rows = [*LOOKS, (0, 9, "alive"), (50, 0, "A"), (50, 2, "C"), (51, 0, "B"), (51, 3, "alive")]

    model = lab.estimate_generator(looks_at(rows, uncertain={"alive": ["A", "B"]}, exact=["C"]))

    assert model.states == ("A", "B", "C")
    assert all(check.passed is not False for check in model.checks if check.name == "Converged")


def test_given_and_equal_intensities_are_kept():
    model = lab.estimate_generator(looks_at(LOOKS), equal=[[("A", "B"), ("B", "A")]])
    given = lab.estimate_generator(looks_at(LOOKS), fixed={("A", "B"): 0.4})

    assert model.matrix().loc["A", "B"] == pytest.approx(model.matrix().loc["B", "A"])
    assert given.matrix().loc["A", "B"] == pytest.approx(0.4)
    assert given.matrix("std_error").loc["A", "B"] == 0.0
    free = lab.estimate_generator(looks_at(LOOKS))
    assert lab.compare_generators(model, against=free).table["df"].item() == 1


def test_a_category_is_a_covariate_by_its_levels():
    frame = _pairs().rename(columns={"quarter": "time", "from_tier": "state"}).drop(columns="to_tier").replace({"state": {"C": "B"}})
    looks = lab.Observations.from_frame(frame.assign(region=np.where(frame["partner"].str[-1].isin(list("02468")), "south", "north")))
    model = lab.estimate_generator(looks, covariates=["region"], shared=["region"])

    south, north = (model.matrix(covariates={"region": name}).loc["A", "B"] for name in ("south", "north"))
    assert south / north == pytest.approx(model.ratios["ratio"].iloc[0])
    with pytest.raises(ParameterError, match="no level 'west'"):
        model.matrix(covariates={"region": "west"})


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        ([("a", 0, "A")], {}, SampleError, "no partner was seen twice"),
        ([("a", 0, "A"), ("a", 1, "A")], {}, SampleError, "nobody was seen to move"),
        (LOOKS, {"allowed": {"A": ["B"]}}, SampleError, "cannot come about by the allowed moves"),
        (LOOKS, {"allowed": {"A": ["Z"]}}, ParameterError, "allowed: no state 'Z'"),
        (LOOKS, {"allowed": np.ones((3, 3))}, ParameterError, "give \\(2, 2\\)"),
        (LOOKS, {"covariates": ["size"]}, ParameterError, "no column 'size'"),
        (LOOKS, {"shared": ["size"]}, ParameterError, "not among the covariates"),
        (LOOKS, {"fixed": {("A", "B"): 0.0}}, ParameterError, "give one above 0"),
        (LOOKS, {"equal": [[("A", "A"), ("A", "B")]]}, ParameterError, "not among those allowed"),
        (LOOKS, {"variance": "robust"}, ParameterError, "variance is 'robust'"),
    ],
)
def test_generators_that_cannot_be_estimated_are_refused(rows, options, error, message):
    with pytest.raises(error, match=message):
        lab.estimate_generator(looks_at(rows), **options)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([("a", 0, "A"), ("a", 0, "B")], {}, "second state at one time"),
        ([("a", None, "A")], {}, "observations.time: 1 row"),
        ([("a", 0, "A"), ("a", 1, "Z")], {"states": ["A", "B"]}, "no state 'Z'"),
        ([("a", 0, "A"), ("a", 1, "?"), ("a", 2, "B")], {"uncertain": {"?": ["A", "B"]}}, "uncertain though another look follows"),
        ([("a", 0, "?"), ("b", 1, "A"), ("b", 2, "B")], {"uncertain": {"?": ["A", "B"]}}, "uncertain and the first look"),
    ],
)
def test_looks_that_cannot_be_are_refused(rows, options, message):
    with pytest.raises(ContractError, match=message):
        looks_at(rows, **options)


def test_a_second_column_for_one_thing_is_refused_by_name():
    visits = pd.DataFrame(LOOKS, columns=["partner", "time", "state"]).assign(worst="A")
    with pytest.raises(ContractError, match="there is a column 'state' beside the one that is read as state; rename or drop it"):
        lab.Observations.from_frame(visits, state="worst")


def test_a_move_that_the_looks_speak_against_has_intensity_0_and_no_interval():
    rows = [(p, t, s) for p, path in enumerate(["AABC", "ABBC", "ABCC", "AAAB", "ABCC", "AABB"]) for t, s in enumerate(path)]

    model = lab.estimate_generator(looks_at(rows))

    cell = model.table.set_index(["from_state", "to_state"]).loc[("B", "A")]
    assert cell["estimate"] == 0.0
    assert cell[["std_error", "conf_low", "conf_high"]].isna().all()
    assert [check.passed for check in model.checks if check.name == "Parameters identified"] == [False]


# --- embedding


RATINGS = np.array([[0.90, 0.09, 0.01, 0.0], [0.02, 0.90, 0.07, 0.01], [0.0, 0.08, 0.82, 0.10], [0.0, 0.0, 0.0, 1.0]])
NAMES = ["A", "B", "C", "D"]


def _embed(matrix, names=NAMES, **options):
    return lab.check_embedding(pd.DataFrame(matrix, index=names, columns=names), **options)


@FEW
@given(generators())
def test_what_comes_from_a_generator_is_found_to(q):
    matrix = expm(q * 0.3)

    found = lab.check_embedding(pd.DataFrame(matrix, index=list("ABC"), columns=list("ABC")), step=0.3)

    assert found.embeddable is not False
    if found.embeddable:
        assert np.allclose(found.probabilities(0.3), matrix, atol=1e-7)


def test_a_rating_matrix_with_an_empty_cell_is_not_embeddable_and_adjustments_are_valid():
    found = _embed(RATINGS)

    assert found.embeddable is False
    assert found.distances.set_index("method")["valid"].to_dict() == {
        "logarithm": False, "diagonal": True, "weighted": True, "quasi_optimal": True, "nearest": True,
    }  # fmt: skip
    for method in ("diagonal", "weighted", "quasi_optimal", "nearest"):
        assert np.allclose(found.generator(method).sum(axis=1), 0.0, atol=1e-12)


@FEW
@given(st.integers(0, 10_000))
def test_no_generator_lies_nearer_to_a_logarithm_than_the_quasi_optimal_one(seed):
    rng = np.random.default_rng(seed)
    logarithm = rng.normal(size=(4, 4)) * 0.1
    np.fill_diagonal(logarithm, 0.0)
    np.fill_diagonal(logarithm, -logarithm.sum(axis=1))
    best = embedding.nearest_generator(logarithm)
    least = np.linalg.norm(best - logarithm)

    assert embedding.is_generator(best)
    for other in (embedding.diagonal_adjustment(logarithm), *(_perturbed(best, rng) for _ in range(30))):
        assert np.linalg.norm(other - logarithm) >= least - 1e-12


def _perturbed(generator, rng):
    off = np.maximum(generator + rng.normal(size=generator.shape) * rng.choice([1e-3, 1e-2, 0.1]), 0.0)
    np.fill_diagonal(off, 0.0)
    np.fill_diagonal(off, -off.sum(axis=1))
    return off


def test_distances_are_in_the_order_that_they_are_the_least_of():
    table = _embed(RATINGS).distances.set_index("method")
    counts = pd.DataFrame(np.round(RATINGS * 400), index=NAMES, columns=NAMES)
    counted = lab.check_embedding(lab.Transitions.from_matrix(counts)).distances.set_index("method")

    adjusted = ["diagonal", "weighted", "quasi_optimal", "nearest"]
    assert table.loc[adjusted, "distance"].idxmin() == "nearest"
    assert table.loc[adjusted, "log_distance"].idxmin() == "quasi_optimal"
    assert counted.loc[[*adjusted, "likelihood"], "log_likelihood"].idxmax() == "likelihood"


def test_a_root_taken_often_enough_gives_the_matrix():
    found = _embed(RATINGS)

    assert np.allclose(np.linalg.matrix_power(found.root(1 / 4).to_numpy(), 4), RATINGS)
    projected = found.root(1 / 4, how="projected")
    assert (projected.to_numpy() >= 0).all()
    assert np.allclose(projected.sum(axis=1), 1.0)


def test_without_a_real_logarithm_it_is_said_and_a_generator_is_found_all_the_same():
    found = _embed([[0.1, 0.9], [0.9, 0.1]], names=["A", "B"])

    assert found.embeddable is False
    assert found.best == "nearest"
    with pytest.raises(SampleError, match="no real principal root"):
        found.root(1 / 2)


def test_one_state_is_no_matrix_to_move_in():
    with pytest.raises(ContractError, match="two are needed"):
        _embed([[1.0]], names=["A"])


@pytest.mark.parametrize(
    ("matrix", "message"),
    [([[0.5, 0.3], [0, 1]], "row A adds up to 0.8"), ([[1.2, -0.2], [0, 1]], "negative"), ([[50, 50], [0, 100]], "divide per cent by 100")],
)
def test_what_is_no_matrix_of_probabilities_is_refused(matrix, message):
    with pytest.raises(ContractError, match=message):
        _embed(matrix, names=["A", "B"])


# --- mobility and the steady state


def _pairs(seed=5, partners=40):
    rng = np.random.default_rng(seed)
    shares = np.array([[0.8, 0.15, 0.05], [0.2, 0.6, 0.2], [0.05, 0.25, 0.7]])
    rows = []
    for partner in range(partners):
        state = int(rng.integers(3))
        for quarter in range(1, 7):
            following = int(rng.choice(3, p=shares[state]))
            rows.append((f"p{partner}", quarter, "ABC"[state], "ABC"[following]))
            state = following
    return pd.DataFrame(rows, columns=["partner", "quarter", "from_tier", "to_tier"])


def _read(frame):
    return lab.Transitions.from_frame(frame, order=list("ABC"))


def test_indices_are_those_of_the_matrix():
    counts = _read(_pairs()).counts().to_numpy()
    matrix = counts / counts.sum(axis=1, keepdims=True)

    found = lab.estimate_mobility(_read(_pairs()))

    table = found.table.set_index("index")["estimate"]
    assert table["shorrocks"] == pytest.approx((3 - np.trace(matrix)) / 2)
    assert table["eigenvalue"] == pytest.approx(sorted(abs(np.linalg.eigvals(matrix)))[1])
    assert np.allclose(found.stays["estimate"], 1 / (1 - np.diag(matrix)))


def test_the_error_of_an_index_is_that_of_leaving_partners_out():
    frame = _pairs(partners=60)
    found = lab.estimate_mobility(_read(frame)).table.set_index("index")
    without = [lab.estimate_mobility(_read(frame[frame["partner"] != f"p{one}"])).table.set_index("index")["estimate"] for one in range(60)]
    jackknife = np.sqrt(59 / 60 * ((pd.DataFrame(without) - pd.DataFrame(without).mean()) ** 2).sum())

    assert np.allclose(found["std_error"] / jackknife, 1.0, atol=0.1)


def test_the_steady_state_stays_and_its_variance_halves_with_twice_the_partners():
    frame = _pairs()
    twice = pd.concat([frame, frame.assign(partner=frame["partner"] + "again")])
    one, two = (lab.estimate_steady_state(_read(some)) for some in (frame, twice))
    counts = _read(frame).counts().to_numpy()
    matrix = counts / counts.sum(axis=1, keepdims=True)

    assert np.allclose(one.table["estimate"] @ matrix, one.table["estimate"])
    assert np.allclose(one.table["std_error"] ** 2, 2 * two.table["std_error"] ** 2)


def test_no_steady_state_where_somebody_never_returns():
    frame = pd.concat([_pairs(), pd.DataFrame({"partner": ["q"], "quarter": [1], "from_tier": ["A"], "to_tier": ["lapsed"]})])
    pairs = lab.Transitions.from_frame(frame, order=["A", "B", "C", "lapsed"])

    with pytest.raises(SampleError, match="nobody was seen to leave lapsed again"):
        lab.estimate_steady_state(pairs)
    assert lab.estimate_steady_state(pairs, among=["A", "B", "C"]).table["estimate"].sum() == pytest.approx(1.0)


def test_an_intensity_near_nothing_leaves_the_errors_of_probabilities_known():
    """The generator has as many parameters as the matrix, so its exponential is the matrix, errors included."""
    counts = pd.DataFrame([[117, 51, 10], [30, 123, 45], [33, 30, 93]], index=list("ABC"), columns=list("ABC"))
    pairs = lab.Transitions.from_matrix(counts)
    generator = lab.estimate_generator(pairs)
    mine, theirs = generator.probabilities(4), lab.estimate_transitions(pairs).power(4)

    assert next(check.passed for check in generator.checks if check.name == "Parameters identified") is False
    assert np.allclose(mine["estimate"], theirs["estimate"], atol=1e-6)
    assert np.allclose(mine["std_error"], theirs["std_error"], rtol=1e-3)
    assert generator.sojourn()["std_error"].notna().all()


def test_hazard_ratios_say_of_how_many_intervals():
    rng = np.random.default_rng(2)
    looks = [(p, t, ("Gold", "Base")[int(rng.integers(2))]) for p in range(30) for t in range(4)]
    frame = pd.DataFrame(looks, columns=["partner", "time", "state"])
    model = lab.estimate_generator(lab.Observations.from_frame(frame.assign(big=frame["partner"] % 2)), covariates=["big"])

    assert model.ratios["n"].sum() == 90
    assert (model.ratios["n"] > 0).all()


def _three_states():
    rng = np.random.default_rng(6)
    looks = []
    for partner in range(60):
        state = int(rng.integers(3))
        for time in range(6):
            looks.append((partner, time, "ABC"[state], partner % 2))
            state = int(np.clip(state + rng.choice([-1, 0, 0, 1]), 0, 2))
    return lab.Observations.from_frame(pd.DataFrame(looks, columns=["partner", "time", "state", "big"]))


def test_a_covariate_has_one_effect_on_each_group_of_moves():
    looks, allowed = _three_states(), {"A": ["B"], "B": ["A", "C"], "C": ["B"]}
    up, down = [("A", "B"), ("B", "C")], [("B", "A"), ("C", "B")]
    grouped = lab.estimate_generator(looks, allowed=allowed, covariates=["big"], shared={"big": [up, down]})
    # the same by two copies of the column, each on its own moves
    frame = looks.frame.assign(rise=looks.frame["big"], fall=looks.frame["big"])
    copies = lab.estimate_generator(
        lab.Observations.from_frame(frame), allowed=allowed, covariates={"rise": up, "fall": down}, shared=["rise", "fall"]
    )

    assert len(grouped.parameters) == 6
    assert grouped.log_likelihood == pytest.approx(copies.log_likelihood, abs=1e-6)
    assert sorted(grouped.ratios["ratio"].round(4)) == sorted(copies.ratios["ratio"].round(4))
    one = lab.estimate_generator(looks, allowed=allowed, covariates=["big"], shared={"big": [up]})
    assert len(one.parameters) == 7
    with pytest.raises(ParameterError, match="a move stands twice"):
        lab.estimate_generator(looks, allowed=allowed, covariates=["big"], shared={"big": [up, up]})
