"""Regressions by hand and by laws: order, duplication, scaling, time transforms, ties, and two roads to one answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.stats.hazards.cox import cut_steps, score_rows
from partnerlab.stats.hazards.cox_fit import CoxData, fit_cox_data
from partnerlab.stats.hazards.fine_gray import Censoring
from partnerlab.stats.hazards.frailty import frailty_test
from partnerlab.stats.regressions.designs import Column, compress, make_design, read_column
from partnerlab.stats.regressions.glm import Binomial
from partnerlab.stats.regressions.multinomial import Multinomial
from partnerlab.stats.regressions.newton import maximize
from partnerlab.stats.regressions.ordinal import Cumulative
from partnerlab.stats.regressions.patterns import code_values, find_patterns
from partnerlab.stats.regressions.regression import OutcomeRows, make_model, mean_effect

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=15, deadline=None)


def _cox_data(seed, *, n=120, strata=2, late=True, whole=True, digits=0, **asked):
    random = np.random.default_rng(seed)
    age, arm = random.normal(50, 10, n).round(digits), random.integers(0, 3, n)
    life = random.exponential(8 * np.exp(-0.03 * (age - 50) + 0.3 * arm))
    exits = np.ceil(life) if whole else life
    entry = np.floor(exits * random.random(n) * 0.5) if late else None
    columns = (Column(name="age", values=age), Column(name="arm", values=arm, levels=("a", "b", "c")))
    given_ = {"entry": entry, "stratum": random.integers(0, strata, n), "cluster": np.arange(n) // 2}
    return CoxData(columns=columns, exits=exits, event=random.random(n) < 0.8, **(given_ | asked))


def _raw(fitted):
    spread = fitted.covariance(kind="cluster")
    return fitted.best.beta / fitted.scale, np.sqrt(np.diag(spread)) / fitted.scale


@FEW
@given(SEEDS)
def test_cox_does_not_care_for_the_order_of_rows(seed):
    data = _cox_data(seed)
    mixed = data.select(np.random.default_rng(seed).permutation(len(data)))

    assert np.allclose(_raw(fit_cox_data(data)), _raw(fit_cox_data(mixed)), rtol=1e-7, atol=1e-9)


@FEW
@given(SEEDS, st.sampled_from(["efron", "breslow"]))
def test_grouped_and_row_by_row_cox_are_one(seed, ties):
    data = _cox_data(seed, digits=-1)
    grouped, rows = fit_cox_data(data, ties=ties), fit_cox_data(data, ties=ties, grouped=False)

    assert grouped.rows.code is not None
    assert rows.rows.code is None
    assert np.allclose(_raw(grouped), _raw(rows), rtol=1e-7, atol=1e-9)


@FEW
@given(SEEDS)
def test_cox_sees_only_the_order_of_times(seed):
    data = _cox_data(seed)
    stretched = CoxData(**{**vars(data), "exits": np.exp(data.exits / 10), "entry": np.exp(data.entry / 10)})

    assert np.allclose(_raw(fit_cox_data(data)), _raw(fit_cox_data(stretched)), rtol=1e-7, atol=1e-9)


@FEW
@given(SEEDS)
def test_efron_and_breslow_agree_without_ties(seed):
    data = _cox_data(seed, whole=False, strata=1)

    assert np.allclose(_raw(fit_cox_data(data)), _raw(fit_cox_data(data, ties="breslow")), rtol=1e-7, atol=1e-9)


@FEW
@given(SEEDS)
def test_exact_ties_are_those_of_breslow_without_ties(seed):
    data = _cox_data(seed, n=40, whole=False, strata=1)
    one, other = (fit_cox_data(data, ties=ties).best for ties in ("exact", "breslow"))

    assert np.allclose(one.beta, other.beta, rtol=1e-6, atol=1e-8)
    assert one.loglik == pytest.approx(other.loglik)


@FEW
@given(SEEDS)
def test_twice_the_partners_halve_the_variance_of_breslows_cox(seed):
    data = _cox_data(seed)
    twice = data.select(np.tile(np.arange(len(data)), 2))
    twice = CoxData(**{**vars(twice), "cluster": np.concatenate([data.cluster, data.cluster + data.cluster.max() + 1])})
    one, two = _raw(fit_cox_data(data, ties="breslow")), _raw(fit_cox_data(twice, ties="breslow"))

    assert np.allclose(one[0], two[0], rtol=1e-7)
    assert np.allclose(one[1], two[1] * np.sqrt(2), rtol=1e-7)


@FEW
@given(SEEDS, st.floats(0.01, 1000.0), st.floats(-100.0, 100.0))
def test_a_covariate_in_other_units_changes_its_coefficient_alone(seed, factor, shift):
    data = _cox_data(seed)
    age, arm = data.columns
    moved = CoxData(**{**vars(data), "columns": (Column(name="age", values=age.values * factor + shift), arm)})
    one, two = _raw(fit_cox_data(data)), _raw(fit_cox_data(moved))

    assert np.allclose([values[0] / factor for values in one], [values[0] for values in two], rtol=1e-6, atol=1e-10)
    assert np.allclose([values[1:] for values in one], [values[1:] for values in two], rtol=1e-6, atol=1e-9)


@FEW
@given(SEEDS)
def test_weights_count_as_copies_under_breslow(seed):
    data = _cox_data(seed)
    weight = np.random.default_rng(seed).integers(1, 4, len(data))
    weighted = fit_cox_data(CoxData(**{**vars(data), "weight": weight.astype(float)}), ties="breslow")
    copied = fit_cox_data(data.select(np.repeat(np.arange(len(data)), weight)), ties="breslow")

    assert np.allclose(_raw(weighted), _raw(copied), rtol=1e-7, atol=1e-9)


@FEW
@given(SEEDS)
def test_score_residuals_add_up_to_nothing(seed):
    fitted = fit_cox_data(_cox_data(seed))

    assert np.allclose(score_rows(fitted.partial, fitted.rows, fitted.best.beta).sum(axis=0), 0.0, atol=1e-6)


def test_many_ties_by_quadrature_are_all_steps():
    count, weight = np.array([3, 500, 90]), np.array([3.0, 400.0, 90.0])
    short = cut_steps(count, weight, ties="efron")
    whole = cut_steps(count, weight, ties="efron", crowded=np.ones(3, dtype=bool))

    assert len(short.slot) < len(whole.slot)
    for power in (1, 2):
        values = [steps.total(steps.weight / (2.0 - steps.share) ** power) for steps in (short, whole)]
        assert np.allclose(*values, rtol=1e-13)


def test_a_separating_covariate_is_penalised_in_cox():
    exits, sure = np.arange(1.0, 41.0), np.repeat([1.0, 0.0], 20)
    data = CoxData(columns=(Column(name="sure", values=sure),), exits=exits, event=sure == 1.0)

    fitted = fit_cox_data(data)

    assert fitted.best.penalised
    assert fitted.ran_off.tolist() == [True]
    assert 2.0 < fitted.best.beta[0] / fitted.scale[0] < 12.0


def test_nothing_that_ended_is_said():
    from partnerlab.errors import SampleError

    data = CoxData(columns=(), exits=np.ones(3), event=np.zeros(3, dtype=bool))

    with pytest.raises(SampleError, match="nothing to explain"):
        fit_cox_data(data)


def test_weights_of_fine_and_gray_are_one_without_censoring():
    observed = Censoring(exits=np.array([1, 2, 3]), entry=None, censored=np.zeros(3, dtype=bool))

    assert observed.chance(np.array([1, 2, 3])).tolist() == [1.0, 1.0, 1.0]


# ---- outcomes


def _rows(seed, *, kinds=3, n=200, clusters=50):
    random = np.random.default_rng(seed)
    size, arm = random.normal(size=n).round(1), random.integers(0, 3, n)
    eta = np.outer(size * 0.5 + 0.3 * arm, np.arange(kinds)) + random.gumbel(size=(n, kinds))
    columns = (Column(name="size", values=size), Column(name="arm", values=arm, levels=("a", "b", "c")))
    return OutcomeRows(columns=columns, outcome=eta.argmax(axis=1), cluster=random.permutation(np.arange(n) % clusters))


def _fitted(rows, family, *, kind="cluster", grouped=None):
    model = make_model(rows, family, grouped=grouped)
    best, _ = model.fit()
    back = model.back
    return back @ best.beta, np.sqrt(np.diag(back @ model.covariance(best, kind=kind) @ back.T))


FAMILIES = [
    Multinomial(outcomes=3),
    Cumulative(outcomes=3),
    Cumulative(outcomes=3, link="cloglog"),
    Cumulative(outcomes=3, nominal=(True, False, False)),
]


@pytest.mark.parametrize("family", FAMILIES, ids=["multinomial", "ordinal", "ordinal cloglog", "partial"])
@pytest.mark.parametrize("kind", ["model", "cluster", "jackknife"])
def test_grouped_and_row_by_row_outcomes_are_one(family, kind):
    rows = _rows(7)

    assert np.allclose(
        _fitted(rows, family, kind=kind, grouped=True), _fitted(rows, family, kind=kind, grouped=False), rtol=1e-6, atol=1e-8
    )


@FEW
@given(SEEDS)
def test_two_outcomes_make_the_multinomial_a_logit(seed):
    rows = _rows(seed, kinds=2)

    assert np.allclose(_fitted(rows, Multinomial(outcomes=2)), _fitted(rows, Binomial()), rtol=1e-7, atol=1e-9)


@FEW
@given(SEEDS)
def test_two_outcomes_make_the_ordinal_a_logit_turned_round(seed):
    rows = _rows(seed, kinds=2)
    (cut, *slopes), _ = _fitted(rows, Cumulative(outcomes=2))
    (base, *others), _ = _fitted(rows, Binomial())

    assert np.allclose([-cut, *slopes], [base, *others], rtol=1e-6, atol=1e-8)


@FEW
@given(SEEDS)
def test_outcome_models_do_not_care_for_the_order_of_rows(seed):
    rows = _rows(seed)
    mix = np.random.default_rng(seed).permutation(len(rows))
    mixed = OutcomeRows(columns=tuple(column.rows(mix) for column in rows.columns), outcome=rows.outcome[mix], cluster=rows.cluster[mix])

    assert np.allclose(_fitted(rows, Multinomial(outcomes=3)), _fitted(mixed, Multinomial(outcomes=3)), rtol=1e-7, atol=1e-9)


@FEW
@given(SEEDS)
def test_slopes_of_chances_are_their_derivatives(seed):
    random = np.random.default_rng(seed)
    for family in (Binomial(link="cloglog"), *FAMILIES):
        x = random.normal(size=(4, 3))
        beta = family.start(np.array([5.0, 3.0, 2.0])[: family.outcomes], 3) + 0.1 * random.normal(size=family.width(3))
        beta[: family.outcomes - 1] = (
            np.sort(beta[: family.outcomes - 1]) if isinstance(family, Cumulative) else beta[: family.outcomes - 1]
        )
        slope = family.slopes(x, beta)
        step = 1e-6 * np.eye(len(beta))
        near = np.stack([(family.probabilities(x, beta + h) - family.probabilities(x, beta - h)) / 2e-6 for h in step], axis=2)
        inside = family.probabilities(x, beta).min() > 0
        assert not inside or np.allclose(slope, near, atol=1e-7)
        assert not inside or np.allclose(family.mean_slopes(x, beta, np.ones(4)), slope.sum(axis=0), atol=1e-10)


def test_an_effect_of_nothing_is_nothing_and_chances_add_up():
    model = make_model(_rows(3), Multinomial(outcomes=3))
    best, _ = model.fit()

    effect, _ = mean_effect(model, best.beta, model.design.columns, model.design.columns)
    chance = model.family.probabilities(model.design.lay_out(), best.beta)

    assert np.allclose(effect, 0.0)
    assert np.allclose(chance.sum(axis=1), 1.0)


def test_frailty_is_seen_where_partners_differ_and_not_where_they_do_not():
    random = np.random.default_rng(4)
    partner = np.repeat(np.arange(150), 8)
    alike, unlike = random.random(1200) < 0.2, random.random(1200) < np.repeat(random.beta(0.5, 2, 150), 8)
    found = []
    for outcome in (alike, unlike):
        model = make_model(OutcomeRows(columns=(), outcome=outcome.astype(np.int64), cluster=partner), Binomial())
        found.append(frailty_test(model, model.fit()[0]))

    assert found[0].p_value > 0.05
    assert found[1].p_value < 1e-4
    assert found[1].variance > 0.3


# ---- designs and patterns


def test_a_column_told_by_others_is_left_out():
    one = np.array([1.0, 2.0, 3.0, 4.0])
    design = make_design([Column(name="a", values=one), Column(name="b", values=2 * one), Column(name="c", values=one**2)], rows=4)

    assert design.keep.tolist() == [True, False, True]


@FEW
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), min_size=1, max_size=50))
def test_rows_of_one_pattern_are_alike_and_of_two_are_not(pairs):
    table = np.array(pairs)
    found = find_patterns([code_values(table[:, 0]), code_values(table[:, 1])], rows=len(table), worth=1.0)

    assert (table == table[found.first][found.code]).all()
    assert len(found) == len(np.unique(table, axis=0))


def test_a_continuous_column_is_not_compressed():
    values = np.random.default_rng(1).normal(size=5000)

    assert code_values(values) is None
    assert compress([Column(name="x", values=values)], rows=5000) is None


def test_levels_that_nobody_has_are_left_out():
    import pandas as pd

    column = read_column("tier", pd.Categorical(["b", "c"], categories=["a", "b", "c"]))

    assert column.levels == ("b", "c")


def test_a_likelihood_that_cannot_rise_stops():
    best = maximize(lambda beta: (0.0, np.zeros(1), np.eye(1)), np.zeros(1))

    assert best.converged
    assert best.iterations == 1
