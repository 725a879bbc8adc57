"""Regressions of moves: what they read, what they refuse, what they say."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.tiers import TierHistory
from partnerlab.transitions import Transitions, build_transitions, check_proportional_odds, estimate_transition_model


def _table(seed=1, partners=80, quarters=8):
    random = np.random.default_rng(seed)
    n = partners * quarters
    partner = np.repeat(np.arange(partners), quarters)
    size, late = random.normal(size=n).round(2), random.integers(0, 2, n)
    go = random.random(n)
    target = np.select([go < 0.1 + 0.15 * late, go < 0.35, go < 0.42], ["C", "A", "lapsed"], default="B")
    table = pd.DataFrame({"partner": partner, "quarter": np.tile(np.arange(quarters), partners) * 2, "to_tier": target})
    return table.assign(from_tier="B", size=size, late=late)


ORDER = ["A", "B", "C"]


@pytest.fixture(scope="module")
def pairs():
    return Transitions.from_frame(_table(), order=ORDER)


@pytest.fixture(scope="module")
def fitted(pairs):
    return estimate_transition_model(pairs, covariates=["late", "size"])


def test_moves_are_named_by_direction_and_compared_with_staying(fitted):
    assert list(dict.fromkeys(fitted.table["outcome"])) == ["down", "up", "lapsed"]
    assert fitted.keys == ["from_tier", "outcome", "term"]
    assert fitted.evidence.value == "C"


def test_what_makes_moves_more_likely_is_found(fitted):
    row = fitted.table.set_index(["outcome", "term"]).loc[("down", "late")]

    assert row["conf_low"] > 0
    assert row["ratio"] == pytest.approx(np.exp(row["estimate"]))


def test_predicted_chances_add_up_and_average_to_what_was_seen(fitted, pairs):
    read = fitted.predict(pairs.to_frame().drop(columns="partner"))
    wide = read.pivot_table(index="row", columns="outcome", values="estimate")

    assert np.allclose(wide.sum(axis=1), 1.0)
    assert wide["lapsed"].mean() == pytest.approx((pairs.to_frame()["to_tier"] == "lapsed").mean())
    assert ((read["conf_low"] < read["estimate"]) & (read["estimate"] < read["conf_high"])).all()


def test_predictions_name_the_quarter_that_was_given(fitted, pairs):
    rows = pairs.to_frame().head(3)

    assert fitted.predict(rows).groupby("quarter", sort=False).size().to_dict() == dict.fromkeys(rows["quarter"], 4)


def test_marginal_effects_of_all_outcomes_cancel(fitted):
    total = fitted.marginal.groupby("term")["estimate"].sum()

    assert np.allclose(total, 0.0, atol=1e-12)


def test_a_marginal_effect_of_a_level_is_the_difference_of_shares_when_it_stands_alone(pairs):
    read = estimate_transition_model(pairs, covariates=["late"]).marginal.set_index("outcome")["estimate"]
    frame = pairs.to_frame()
    share = frame.groupby("late")["to_tier"].apply(lambda tiers: (tiers == "C").mean())

    assert read["down"] == pytest.approx(share[1] - share[0])


def test_counts_give_the_estimates_of_pairs():
    table = _table()[["from_tier", "to_tier", "late"]]
    counts = table.groupby(list(table.columns), as_index=False).size()
    from_counts = Transitions.from_frame(counts, partner=None, quarter=None, count="size", order=ORDER)

    one = estimate_transition_model(Transitions.from_frame(_table(), order=ORDER), covariates=["late"], covariance="model").table
    two = estimate_transition_model(from_counts, covariates=["late"]).table

    assert np.allclose(one[["estimate", "std_error"]], two[["estimate", "std_error"]], rtol=1e-7, atol=1e-9)
    assert two["partners"].isna().all()


def test_twice_the_partners_halve_the_clustered_variance():
    table = _table()
    twice = pd.concat([table, table.assign(partner=table["partner"] + 1000)])
    one, two = (estimate_transition_model(Transitions.from_frame(t, order=ORDER), covariates=["size"]).table for t in (table, twice))

    assert np.allclose(one["estimate"], two["estimate"], rtol=1e-6, atol=1e-8)
    assert np.allclose(one["std_error"], two["std_error"] * np.sqrt(2), rtol=1e-5)


def test_each_tier_has_its_own_model_and_all_may_share_one():
    table = pd.concat([_table(1), _table(2).assign(from_tier="C", partner=lambda rows: rows["partner"] + 500)])
    pairs = Transitions.from_frame(table, order=ORDER)

    assert estimate_transition_model(pairs, covariates=["late"]).table["from_tier"].unique().tolist() == ["B", "C"]
    pooled = estimate_transition_model(pairs, covariates=["from_tier", "late"], from_tier="all", outcomes="destination").table
    assert "from_tier=C" in pooled["term"].tolist()


def test_few_partners_get_the_jackknife_and_students_t():
    found = estimate_transition_model(Transitions.from_frame(_table(partners=20, quarters=20), order=ORDER), covariates=["late"])
    row = found.table.iloc[0]

    assert any("20 are fewer than 40" in check.detail for check in found.checks)
    assert (row["conf_high"] - row["estimate"]) / row["std_error"] == pytest.approx(2.093, abs=1e-3)


def test_a_tier_with_too_little_says_so():
    found = estimate_transition_model(Transitions.from_frame(_table(partners=2), order=ORDER), covariates=["late"])

    assert found.table["estimate"].isna().all()
    assert any("not enough data (n = 16)" in check.detail for check in found.checks)
    with pytest.raises(SampleError, match="no tier had enough data"):
        found.predict(pd.DataFrame({"late": [1]}))


def test_missing_covariates_leave_and_are_counted():
    table = _table()
    table.loc[:9, "size"] = np.nan

    found = estimate_transition_model(Transitions.from_frame(table, order=ORDER), covariates=["size"])

    assert found.table["n"].unique().tolist() == [630]
    assert any(check.passed is False and "10 of 640 pairs" in check.detail and "size of 10" in check.detail for check in found.checks)


def test_a_constant_covariate_is_left_out_and_named(pairs):
    table = _table().assign(same=3.0)

    found = estimate_transition_model(Transitions.from_frame(table, order=ORDER), covariates=["late", "same"])

    assert found.table.loc[found.table["term"] == "same", "estimate"].isna().all()
    assert any("same: constant here" in check.detail for check in found.checks)


def test_perfect_prediction_is_penalised_and_said():
    table = _table().assign(sure=lambda rows: (rows["to_tier"] == "lapsed").astype(int))

    found = estimate_transition_model(Transitions.from_frame(table, order=ORDER), covariates=["sure", "late"])

    assert found.table["estimate"].abs().max() < 30
    assert any(check.name == "Separation (B)" and "sure for lapsed" in check.detail for check in found.checks)


def test_a_season_in_which_nobody_left_is_not_surer_than_the_model_says():
    table = _table().assign(quiet=lambda rows: (rows["quarter"] == 4).astype(int))
    table.loc[(table["quiet"] == 1) & (table["to_tier"] == "lapsed"), "to_tier"] = "B"
    pairs = Transitions.from_frame(table, order=ORDER)

    one, two = (estimate_transition_model(pairs, covariates=["quiet"], covariance=kind).table for kind in ("cluster", "model"))

    row = one["term"].eq("quiet") & one["outcome"].eq("lapsed")
    assert 1.0 <= one.loc[row, "std_error"].item() / two.loc[row, "std_error"].item() < 1.01
    assert one.loc[row, "std_error"].item() > 1


@pytest.mark.parametrize("model", ["multinomial", "ordinal"])
def test_a_group_in_which_nobody_rose_leaves_the_error_of_all_other_groups_alone(model):
    rng = np.random.default_rng(3)
    own = rng.normal(scale=2.0, size=(80, 1))
    draw = rng.random((80, 8))
    rises = (draw < 0.4 / (1 + np.exp(1 - own))) & (np.arange(80)[:, None] % 2 == 0)
    to = np.where(rises, "Gold", np.where(draw > 0.85, "lapsed", "Base"))
    partner, quarter = (part.ravel() for part in np.indices(to.shape))
    frame = pd.DataFrame({"partner": partner, "quarter": 2 * quarter, "from_tier": "Base", "to_tier": to.ravel(), "late": partner % 2})
    fits = {
        "cluster": (frame, "cluster"),
        "model": (frame, "model"),
        "alone": (frame[frame["late"] == 0], "cluster"),
    }
    errors = {}
    for name, (rows, kind) in fits.items():
        pairs = Transitions.from_frame(rows, order=["Gold", "Base", "lapsed"])
        found = estimate_transition_model(pairs, covariates=["late"] * (name != "alone"), model=model, covariance=kind)
        errors[name] = found.table.set_index(["outcome", "term"])["std_error"]

    place = ("up", "(intercept)") if model == "multinomial" else ("above Base", "(threshold)")
    # partners differ, so the clustered error is the larger one, and it is that of the rows in which somebody rose
    assert errors["cluster"][place] == pytest.approx(errors["alone"][place], rel=0.03)
    assert errors["cluster"][place] > 1.1 * errors["model"][place]
    assert errors["cluster"][place[0]].drop(place[1]).item() > 1.3


def test_terms_that_shift_thresholds_differently_get_a_coefficient_for_each():
    random = np.random.default_rng(5)
    late = random.integers(0, 2, 900)
    # late partners are at either end, never in the middle: no proportional odds
    to_tier = np.where(late == 1, random.choice(["A", "C"], 900), "B")
    mixed = np.where(random.random(900) < 0.3, random.choice(ORDER, 900), to_tier)
    table = pd.DataFrame({"partner": np.arange(900) // 9, "quarter": np.tile(np.arange(9) * 2, 100), "from_tier": "B", "to_tier": mixed})
    pairs = Transitions.from_frame(table.assign(late=late, size=random.normal(size=900)), order=ORDER)

    tests = check_proportional_odds(pairs, covariates=["late", "size"])
    found = estimate_transition_model(pairs, covariates=["late", "size"], model="ordinal")

    assert tests.table.set_index("term")["p_value"]["late"] < 1e-6
    assert tests.table["clustered"].all()
    assert found.table.loc[found.table["term"] == "late", "outcome"].tolist() == ["above C", "above B"]
    assert found.table.loc[found.table["term"] == "size", "outcome"].tolist() == ["higher"]
    assert any(check.name.startswith("Proportional odds") and check.passed is False for check in found.checks)


def test_a_history_is_read_with_season_and_attributes():
    random = np.random.default_rng(5)
    rows = [(f"p{k}", quarter, random.choice(ORDER)) for k in range(60) for quarter in ("2025Q1", "2025Q2", "2025Q3", "2025Q4", "2026Q1")]
    history = TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=ORDER)

    found = estimate_transition_model(history, covariates=["season", "time_at_least"], from_tier="B")

    assert {"season=Q2", "season=Q3", "season=Q4", "time_at_least"} < set(found.table["term"])
    assert len(build_transitions(history)) >= found.table["n"].max()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"covariates": ["lte"]}, "no column 'lte'; did you mean 'late'"),
        ({"covariates": "late"}, "give a list of column names"),
        ({"covariates": ["late", "late"]}, "name one column twice"),
        ({"from_tier": "D"}, "nobody leaves a tier 'D'"),
        ({"model": "probit"}, "model is 'probit'"),
        ({"outcomes": "moves"}, "outcomes is 'moves'"),
        ({"model": "ordinal", "outcomes": "direction"}, "an ordinal model has tiers as outcomes"),
        ({"covariance": "boot"}, "covariance is 'boot'"),
        ({"correction": "HC3"}, "correction is 'HC3'"),
        ({"reference": "sideways"}, "no outcome 'sideways' was seen"),
        ({"level": 95}, "level is 95"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(pairs, asked, said):
    with pytest.raises(ParameterError, match=said):
        estimate_transition_model(pairs, **asked)


def test_directions_need_an_order():
    with pytest.raises(ParameterError, match="these tiers have no order"):
        estimate_transition_model(Transitions.from_frame(_table()), outcomes="direction")


def test_predictions_name_what_they_lack(fitted):
    with pytest.raises(ParameterError, match="predict: no column 'size'"):
        fitted.predict(pd.DataFrame({"late": [1]}))


def test_a_missing_covariate_gives_no_chance(fitted):
    read = fitted.predict(pd.DataFrame({"partner": ["p", "q"], "late": [1, 0], "size": [np.nan, 0.1]}))

    assert read.loc[read["partner"] == "p", "estimate"].isna().all()
    assert read.loc[read["partner"] == "q", "estimate"].notna().all()


def _ordered(reached, *, each=2):
    """Moves out of one tier; ``reached`` says where those with z = 1 go."""
    random = np.random.default_rng(1)
    z = random.integers(0, 2, 400)
    place = np.where(z == 0, random.choice(3, 400, p=[0.3, 0.4, 0.3]), random.choice(reached, 400))
    table = pd.DataFrame({"partner": np.arange(400) // each, "from_tier": "B", "to_tier": np.array(["C", "B", "A"])[place]})
    return Transitions.from_frame(table.assign(z=z, w=random.standard_normal(400)), quarter=None, order=ORDER)


def test_a_threshold_that_nobody_missed_is_penalised_and_not_more_certain_than_the_model():
    found = estimate_transition_model(_ordered([1, 1, 2]), covariates=["z", "w"], model="ordinal")
    row = found.table.set_index(["outcome", "term"]).loc[("above C", "z")]

    assert 1 < row["std_error"] < 3
    assert any(check.name == "Separation (B)" for check in found.checks)
    assert not any(check.name.startswith("Converged") for check in found.checks)


@pytest.mark.parametrize("each", [1, 2])
def test_no_ordinal_coefficient_has_an_error_past_all_bounds_where_all_end_at_the_top(each):
    found = estimate_transition_model(_ordered([2], each=each), covariates=["z", "w"], model="ordinal")

    assert not (found.table["std_error"] > 30).any()
    assert found.table.set_index("term").loc["w", "std_error"] < 0.2
    assert any("not enough data" in check.detail or "predict perfectly" in check.detail for check in found.checks)


def test_an_ordinal_model_with_nobody_between_two_thresholds_says_so_and_predicts_no_impossible_chances():
    pairs = _ordered([0, 2], each=1)
    found = estimate_transition_model(pairs, covariates=["z", "w"], model="ordinal")
    read = found.predict(pairs.to_frame())

    assert found.table.query("term == 'z'")["estimate"].isna().all()
    assert found.marginal.query("term == 'z'")["estimate"].isna().all()
    assert read["std_error"].isna().all()
    assert read.groupby("partner")["estimate"].sum().to_numpy() == pytest.approx(1)
    assert any("nobody with one of its values ended between the thresholds" in check.detail for check in found.checks)
