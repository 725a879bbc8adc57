"""Sparse segments that borrow strength: by hand, laws, R, recovery."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partnerlab.errors import ParameterError, SampleError
from partnerlab.stats.shrinkage.pooled_rows import pooled_rows
from partnerlab.stats.shrinkage.pooling import dirichlet_prior
from partnerlab.transitions import Transitions, estimate_pooled_transitions, estimate_transitions

FOLDER = Path(__file__).parents[1] / "reference" / "transitions"
COUNTS = hnp.arrays(np.int64, st.tuples(st.integers(2, 8), st.integers(2, 5)), elements=st.integers(0, 60))
MEAN = np.array([0.8, 0.15, 0.04, 0.01])


def _segments(tables):
    names = [chr(65 + place) for place in range(len(tables[0]))]
    return Transitions.from_matrix({f"s{k}": pd.DataFrame(table, names, names) for k, table in enumerate(tables)}, by="region")


def test_a_shrunken_share_is_count_and_prior_over_their_sum():
    counts = np.array([[8, 2], [50, 50], [90, 10], [1, 0]])
    rows = pooled_rows(counts)

    assert np.allclose(rows.share, (counts + rows.alpha) / (counts.sum(axis=1, keepdims=True) + rows.alpha.sum()))
    assert np.allclose(rows.weight, rows.alpha.sum() / (counts.sum(axis=1) + rows.alpha.sum()))


def test_priors_and_rows_are_those_of_r():
    """optim() on the Dirichlet-multinomial likelihood of segments.csv (tests/reference/transitions/pooled.R)."""
    counts = pd.read_csv(FOLDER / "segments.csv").iloc[:, 1:].to_numpy()
    reference = pd.read_csv(FOLDER / "pooled.csv", skipinitialspace=True)
    rows = pooled_rows(counts)

    # the likelihood is flat at its top: R's optimum is good to about six digits
    assert np.allclose(rows.alpha, reference.loc[reference["what"] == "alpha", ["c1", "c2", "c3", "c4"]].to_numpy()[0], rtol=1e-4)
    assert np.allclose(rows.share, reference.loc[reference["what"] == "share", ["c1", "c2", "c3", "c4"]].to_numpy(), rtol=1e-5)
    assert np.allclose(rows.weight, reference.loc[reference["what"] == "share", "weight"], rtol=1e-4)


@given(COUNTS)
@settings(max_examples=25, deadline=None)
def test_rows_sum_to_one_and_lie_between_the_segment_and_all(counts):
    if not counts.any():
        return
    rows = pooled_rows(counts)
    middle = rows.alpha / rows.alpha.sum()
    raw = np.divide(
        counts, counts.sum(axis=1, keepdims=True), out=np.tile(middle, (len(counts), 1)), where=counts.sum(axis=1, keepdims=True) > 0
    )

    assert np.allclose(rows.share.sum(axis=1), 1)
    assert (rows.share >= np.minimum(raw, middle) - 1e-9).all()
    assert (rows.share <= np.maximum(raw, middle) + 1e-9).all()
    assert ((rows.low <= rows.share) & (rows.share <= rows.high) & (rows.low >= 0) & (rows.high <= 1)).all()


@given(COUNTS, st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_order_of_segments_does_not_matter(counts, random):
    if not counts.any():
        return
    order = list(range(len(counts)))
    random.shuffle(order)

    assert np.allclose(pooled_rows(counts).share[order], pooled_rows(counts[order]).share, atol=1e-5)
    assert np.allclose(pooled_rows(counts).high[order], pooled_rows(counts[order]).high, atol=1e-5)


def test_intervals_allow_for_one_cell_in_which_segments_differ_more_than_in_the_others():
    rng, held = np.random.default_rng(8), []
    for _ in range(60):
        # lapsing differs as at size 50, the moves among those who stay as at size 80
        lapsed, rest = rng.beta(50 * 0.05, 50 * 0.95, 12), rng.dirichlet([64, 12, 4], 12)
        truth = np.column_stack([rest * (1 - lapsed)[:, None], lapsed])
        rows = pooled_rows(
            np.array([rng.multinomial(n, share) for n, share in zip(np.geomspace(30, 500, 12).astype(int), truth, strict=True)])
        )
        held.append((rows.low <= truth) & (truth <= rows.high))

    assert np.mean(held, axis=(0, 1))[3] > 0.93


def test_moves_that_cannot_be_made_stay_0():
    rows = pooled_rows(np.array([[8, 2, 0], [5, 5, 0]]), possible=np.array([True, True, False]))

    assert rows.share[:, 2].tolist() == rows.high[:, 2].tolist() == [0, 0]


def test_segments_that_are_alike_borrow_all_and_segments_that_are_not_hardly_anything():
    alike = pooled_rows(np.random.default_rng(0).multinomial(200, MEAN, 40))
    apart = pooled_rows(np.array([[100, 0], [0, 100], [100, 0], [0, 100]]))

    assert alike.weight.min() > 0.7
    assert apart.weight.max() < 0.05


def test_a_segment_without_anybody_shows_what_all_show():
    pooled = estimate_pooled_transitions(_segments([[[8, 2], [1, 4]], [[5, 5], [2, 3]], [[9, 1], [0, 0]]]), by="region")
    row = pooled.table[(pooled.table["region"] == "s2") & (pooled.table["from_tier"] == "B")].iloc[0]

    assert (row["n"], row["weight"]) == (0, 1)
    assert row["conf_low"] < row["estimate"] < row["conf_high"]


def test_raw_is_what_the_segment_alone_shows():
    pairs = _segments([[[8, 2], [1, 4]], [[50, 5], [20, 30]]])
    pooled, raw = estimate_pooled_transitions(pairs, by="region").table, estimate_transitions(pairs, by="region").table

    assert np.allclose(pooled[["raw", "raw_low", "raw_high"]], raw[["estimate", "conf_low", "conf_high"]], equal_nan=True)


def test_partners_that_differ_lend_less(history_of, frail_codes):
    """Counts are divided by the design effect: the same moves of partners that differ say less than those of strangers."""
    codes, _ = frail_codes(partners=200, quarters=10, rng=np.random.default_rng(1), spread=1.5)
    history = history_of(codes, attributes=pd.DataFrame({"region": np.array(list("abcdefgh"))[np.arange(200) % 8]}))
    table = estimate_pooled_transitions(history, by="region").table

    assert table["deff"].min() > 1.2


def test_shrunken_rows_predict_better_than_any_of_the_usual():
    """Excess log loss to the truth, 12 segments of very different size: empirical Bayes is best, as in the literature."""
    rng, loss = np.random.default_rng(3), {name: [] for name in ("raw", "laplace", "jeffreys", "pooled", "shrunken")}
    for _ in range(40):
        truth = rng.dirichlet(25 * MEAN, 12)
        counts = rng.multinomial(rng.integers(8, 50, 12), truth)
        n, k = counts.sum(axis=1, keepdims=True), counts.shape[1]
        shares = {
            "raw": np.maximum(counts / n, 1e-3), "laplace": (counts + 1) / (n + k), "jeffreys": (counts + 0.5) / (n + k / 2),
            "pooled": np.tile(counts.sum(axis=0) / n.sum(), (12, 1)), "shrunken": pooled_rows(counts).share,
        }  # fmt: skip
        for name, row in shares.items():
            share = np.maximum(row, 1e-4)
            loss[name].append((truth * np.log(np.maximum(truth, 1e-12) / (share / share.sum(axis=1, keepdims=True)))).sum(axis=1).mean())
    mean = {name: np.mean(values) for name, values in loss.items()}

    assert min(mean, key=mean.get) == "shrunken"
    assert max(mean, key=mean.get) == "raw"
    assert mean["jeffreys"] < mean["laplace"]


@pytest.mark.parametrize(("likeness", "segments"), [(20, 12), (100, 12), (1e6, 8), (20, 4)])
def test_intervals_hold_the_truth_of_the_segments_however_alike_they_are(likeness, segments):
    rng, inside = np.random.default_rng(4), []
    for _ in range(60):
        truth = rng.dirichlet(likeness * MEAN[:3] / MEAN[:3].sum(), segments)
        rows = pooled_rows(rng.multinomial(rng.integers(5, 200, segments), truth))
        inside.append((rows.low <= truth) & (truth <= rows.high))

    # 60 programs: taking the fitted prior for the truth would hold 41 to 85 % of those that are alike
    assert np.mean(inside) > 0.91


def test_the_prior_is_at_the_top_of_its_likelihood():
    from scipy import optimize, special

    rng = np.random.default_rng(2)
    counts = rng.multinomial(40, rng.dirichlet(12 * MEAN, 10)) + 1

    def cost(log_alpha):
        alpha = np.exp(log_alpha)
        cells = special.gammaln(counts + alpha) - special.gammaln(alpha)
        return -(cells.sum() + 10 * special.gammaln(alpha.sum()) - special.gammaln(counts.sum(axis=1) + alpha.sum()).sum())

    alpha = dirichlet_prior(counts)
    assert cost(np.log(alpha)) <= optimize.minimize(cost, np.log(alpha) + 0.3, method="BFGS").fun + 1e-6


@pytest.mark.parametrize(
    ("by", "error", "message"),
    [("regoin", ParameterError, "did you mean 'region'"), ("alone", SampleError, "needs at least two segments of alone; there is 1")],
)
def test_what_cannot_be_pooled_is_refused(by, error, message):
    frame = pd.DataFrame({"region": ["a", "b"], "alone": ["x", "x"], "from_tier": ["A", "A"], "to_tier": ["A", "B"], "n": [3, 4]})

    with pytest.raises(error, match=message):
        estimate_pooled_transitions(Transitions.from_frame(frame, count="n"), by=by)
