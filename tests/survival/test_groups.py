"""Weighted tests, Gray's test, incidence differences, life tables: by hand, laws, refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import ContractError, ParameterError, SampleError
from partnerlab.spells import Spells
from partnerlab.stats.curves import gray, risksets
from partnerlab.survival import compare_incidence, compare_survival, estimate_incidence, estimate_life_table, estimate_survival

FEW = settings(max_examples=15, deadline=None)


@st.composite
def tables(draw, delayed=False):
    n = draw(st.integers(6, 30))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    entry = random.integers(0, 3, n) if delayed else np.zeros(n, dtype=int)
    return pd.DataFrame(
        {
            "partner": [f"p{index:02d}" for index in range(n)],
            "entry": entry,
            "duration": entry + random.integers(1, 6, n),
            "event": random.choice(["up", "down", ""], n),
            "region": np.where(np.arange(n) % 2 == 0, "north", "south"),
        }
    )


def double(table):
    return pd.concat([table, table.assign(partner=table["partner"] + "x")])


@FEW
@given(tables(delayed=True), st.sampled_from(["log-rank", "gehan", "tarone-ware", "peto", (0, 1), (1, 1)]))
def test_names_and_order_of_groups_do_not_change_a_test(table, weights):
    one = compare_survival(Spells.from_frame(table), by="region", weights=weights, min_at_risk=0).test
    swapped = table.assign(region=table["region"].map({"north": "b", "south": "a"})).sample(frac=1, random_state=1)
    other = compare_survival(Spells.from_frame(swapped), by="region", weights=weights, min_at_risk=0).test

    assert one["statistic"].item() == pytest.approx(other["statistic"].item(), nan_ok=True)


@FEW
@given(tables())
def test_gehans_weights_are_the_ranks_of_wilcoxon_without_censoring(table):
    table = table.assign(event="up")
    found = compare_survival(Spells.from_frame(table), by="region", weights="gehan")
    north, south = (table.loc[table["region"] == name, "duration"].to_numpy() for name in ("north", "south"))
    wins = (north[:, None] < south).sum() - (north[:, None] > south).sum()
    sets = risksets.count_risk_sets(
        risksets.Spans(np.zeros(len(table)), table["duration"].to_numpy(), np.zeros(len(table), dtype=int)),
        group=(table["region"] == "south").to_numpy().astype(int),
        groups=2,
    )
    gap = (sets.at_risk.sum(axis=0) * (sets.ended[0] - sets.ended.sum(axis=0) * sets.at_risk[0] / sets.at_risk.sum(axis=0))).sum()

    assert gap == pytest.approx(wins)
    assert found.test["df"].item() in (0, 1)


@FEW
@given(tables(delayed=True))
def test_partners_told_twice_as_one_partners_spells_change_no_clustered_test(table):
    twice = pd.concat([table.assign(spell=1), table.assign(spell=2)])
    one = (
        compare_incidence(Spells.from_frame(table), by="region", variance="jackknife", min_at_risk=0)
        if table["event"].ne("").any()
        else None
    )
    if one is None:
        return
    two = compare_incidence(Spells.from_frame(twice), by="region", variance="jackknife", min_at_risk=0)

    assert np.allclose(one.tests["statistic"], two.tests["statistic"], equal_nan=True)
    assert np.allclose(one.table["std_error"], two.table["std_error"], equal_nan=True)


@FEW
@given(tables(delayed=True))
def test_twice_as_many_partners_halve_the_variance_of_a_difference(table):
    if not table["event"].ne("").any():
        return
    one, two = (compare_incidence(Spells.from_frame(rows), by="region", at=3.0, min_at_risk=0).table for rows in (table, double(table)))

    assert np.allclose(one["estimate"], two["estimate"], equal_nan=True)
    assert np.allclose(one["std_error"], np.sqrt(2) * two["std_error"], equal_nan=True)


@FEW
@given(tables(delayed=True))
def test_grays_influence_is_the_derivative_by_a_spells_weight(table):
    cause = table["event"].map({"": -1, "up": 0, "down": 1}).to_numpy()
    spans = risksets.Spans(table["entry"].to_numpy(), table["duration"].to_numpy(), cause)
    group = (table["region"] == "south").to_numpy().astype(int)

    def scores(weights):
        sets = risksets.count_risk_sets(spans, causes=2, group=group, groups=2, weights=weights)
        test = gray.gray_test(sets.at_risk, sets.events, of=0)
        return test.observed - test.expected, sets

    ones = np.ones(len(table))
    _, sets = scores(ones)
    alive = risksets.kaplan_meier(sets.at_risk, sets.ended).min() > 0.02
    if not alive:
        return
    own = gray.gray_influence(sets.at_risk, sets.events, spans, sets.time, of=0, group=group)
    nudge = np.zeros(len(table))
    nudge[1] = 1e-6
    slope = (scores(ones + nudge)[0] - scores(ones - nudge)[0]) / 2e-6

    assert np.allclose(own[1], slope, atol=1e-5)


def test_with_one_way_of_ending_grays_scores_are_those_of_the_log_rank_test():
    random = np.random.default_rng(2)
    spans = risksets.Spans(np.zeros(60), random.integers(1, 9, 60), random.integers(-1, 1, 60))
    sets = risksets.count_risk_sets(spans, group=random.integers(0, 2, 60), groups=2)
    test = gray.gray_test(sets.at_risk, sets.events, of=0)
    share = sets.at_risk / sets.at_risk.sum(axis=0)

    assert np.allclose(test.observed - test.expected, (sets.ended - share * sets.ended.sum(axis=0)).sum(axis=1))


def test_the_difference_of_incidences_by_hand():
    way = ["up", "down", "up", "", "up", "up", "down", ""]
    table = pd.DataFrame({"partner": list("abcdefgh"), "duration": [1, 2, 3, 4] * 2, "event": way, "region": list("nnnnssss")})
    found = compare_incidence(Spells.from_frame(table), by="region", at=2.0).table.set_index("cause")

    assert found.loc["up", "estimate"] == pytest.approx(2 / 4 - 1 / 4)
    assert found.loc["up", "std_error"] == pytest.approx(np.sqrt(0.25 / 4 + 0.1875 / 4))


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"by": "regoin"}, ParameterError, "did you mean 'region'"),
        ({"by": "region", "reference": "w"}, ParameterError, "no group 'w'"),
        ({"by": "odd"}, SampleError, "two groups"),
        ({"by": "region", "at": -1.0}, ParameterError, "give a time after"),
    ],
)
def test_comparisons_that_cannot_be_made(asked, error, message):
    table = pd.DataFrame({"partner": list("abcd"), "duration": [1, 2, 3, 4], "event": 1, "region": list("nsns"), "odd": "x"})

    with pytest.raises(error, match=message):
        compare_incidence(Spells.from_frame(table), **asked)


@pytest.mark.parametrize("weights", [(-1, 0), (0, 0, 1), (np.nan, 0)])
def test_powers_that_are_no_powers_are_refused(weights):
    table = pd.DataFrame({"partner": list("abcd"), "duration": [1, 2, 3, 4], "event": 1, "region": list("nsns")})

    with pytest.raises(ParameterError, match="two powers"):
        compare_survival(Spells.from_frame(table), by="region", weights=weights)


def test_a_scale_that_is_none_is_refused():
    with pytest.raises(ParameterError, match="did you mean 'log-log'"):
        estimate_survival(Spells.from_frame(pd.DataFrame({"partner": ["a"], "duration": [1], "event": [1]})), interval="loglog")


# ---- life tables

TELEPHONES = pd.DataFrame({"partner": range(8), "duration": [0.5, 1.5, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0], "event": [1, 0, 1, 1, 0, 1, 1, 0]})


def test_a_life_table_by_hand():
    table = estimate_life_table(Spells.from_frame(TELEPHONES), width=2).table

    # 8 begin, one leaves sight inside the first interval: 7.5 exposed, 3 end; then 4, one leaves inside, one at the end
    assert table["exposed"].tolist() == [7.5, 3.5]
    assert table["estimate"].tolist() == pytest.approx([1 - 3 / 7.5, (1 - 3 / 7.5) * (1 - 2 / 3.5)])
    assert table["std_error"].iloc[0] == pytest.approx(np.sqrt(0.4 * 0.6 / 7.5))
    assert table["hazard"].iloc[0] == pytest.approx(3 / (2 * (7.5 - 1.5)))
    assert table["hazard_se"].iloc[0] == pytest.approx(table["hazard"].iloc[0] * np.sqrt((1 - table["hazard"].iloc[0] ** 2) / 3))
    assert table["density"].iloc[0] == pytest.approx(0.4 / 2)
    assert table["density_se"].iloc[0] == pytest.approx(0.2 * np.sqrt(0.6 / (7.5 * 0.4)))


@FEW
@given(tables(delayed=True))
def test_intervals_of_one_period_give_the_kaplan_meier_curve(table):
    told = Spells.from_frame(table)
    life = estimate_life_table(told, width=1).table
    curve = estimate_survival(told, min_at_risk=0).at(life["end"])

    known = life["estimate"].notna().to_numpy() & curve["estimate"].notna().to_numpy()
    assert np.allclose(life["estimate"][known], curve["estimate"][known])
    assert np.allclose(life["std_error"][known], curve["std_error"][known], equal_nan=True)


@FEW
@given(tables(delayed=True))
def test_every_ending_and_entry_stands_in_the_table(table):
    life = estimate_life_table(Spells.from_frame(table), width=2).table

    assert life["events"].sum() == (table["event"] != "").sum()
    assert life["censored"].sum() == (table["event"] == "").sum()


@FEW
@given(tables())
def test_a_life_table_clustered_by_single_spells_has_greenwoods_error(table):
    plain, robust = (estimate_life_table(Spells.from_frame(table), width=1, variance=kind).table for kind in ("greenwood", "jackknife"))

    assert np.allclose(plain["std_error"], robust["std_error"], equal_nan=True, atol=1e-12)


@pytest.mark.parametrize(
    ("asked", "message"), [({"width": 0}, "positive"), ({"breaks": (4, 2)}, "ascending"), ({"breaks": (1,)}, "two ascending")]
)
def test_intervals_without_length_are_refused(asked, message):
    with pytest.raises(ParameterError, match=message):
        estimate_life_table(Spells.from_frame(TELEPHONES), **asked)


# ---- bad spells

BAD = pd.DataFrame({"partner": ["a", "b"], "entry": [0, 0], "duration": [2, 3], "event": [1, 0]})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (BAD.assign(duration=[-2, 3]), "1 row.* are negative|negative"),
        (BAD.assign(duration=[0, 3]), "entry is not before duration"),
        (BAD.assign(duration=[np.nan, 3]), "missing or infinite"),
        (BAD.assign(duration=["2", "3"]), "expected numbers"),
        (pd.concat([BAD.assign(partner="a", entry=[0, 1])]), "overlap|go on after"),
    ],
)
def test_bad_spells_are_refused_in_a_line(table, message):
    with pytest.raises(ContractError, match=message):
        Spells.from_frame(table)


@pytest.mark.parametrize("frame", [BAD.iloc[:0], BAD.iloc[:1], BAD.assign(event=0)], ids=["nobody", "one partner", "no ending"])
def test_too_little_gives_an_answer_that_says_so(frame):
    told = Spells.from_frame(frame)

    for estimate in (estimate_survival, estimate_incidence, estimate_life_table):
        result = estimate(told)
        assert any(check.name == "Enough spells" for check in result.checks)
        assert "estimate" in result.summary()
    with pytest.raises(SampleError):
        compare_incidence(Spells.from_frame(frame.assign(region="x")), by="region")
