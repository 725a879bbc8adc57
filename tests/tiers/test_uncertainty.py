"""Lines that tiers hang on, bunching, agreement, wrong tiers, overrides, and indicators that lead."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from partnerlab.errors import ContractError, MissingTableError, ParameterError, SampleError
from partnerlab.panel.panel import Panel
from partnerlab.stats.causes.jumps import cells_from_line, density_jump
from partnerlab.stats.inference.agreement import cohen_kappa
from partnerlab.stats.inference.association import clustered_correlation, rank_scores
from partnerlab.tiers import (
    TierHistory,
    TierScheme,
    assign_tiers,
    check_bunching,
    check_leading,
    estimate_agreement,
    estimate_misclassification,
    estimate_overrides,
    estimate_sensitivity,
)
from partnerlab.tiers.lines import moved_tiers, scheme_lines
from partnerlab.tiers.misclassification import stratified_share

LADDER = {
    "kind": "ladder",
    "levels": [
        {"name": "Gold", "all": ["leads >= $many for 2 of 2 quarters", {"not": "deals < 3"}]},
        {"name": "Silver", "all": ["deals > 1"]},
    ],
    "else": "NONE",
}
CELLS = {"high_high": "A", "low_high": "B", "high_low": "C", "low_low": "D"}
QUADRANT = {
    "kind": "quadrant", "x": {"value": "leads", "cut": {"quantile": 0.75}}, "y": {"value": "deals", "cut": {"absolute": 4}},
    "cells": CELLS, "gate": "leads > 0", "outside": "OUT",
}  # fmt: skip


def _panel(**columns):
    """Columns of shape ``(n, t)`` as a panel."""
    n, t = next(iter(columns.values())).shape
    labels = [f"{2022 + q // 4}Q{q % 4 + 1}" for q in range(t)]
    keys = {"partner": np.repeat([f"p{i:04d}" for i in range(n)], t), "quarter": np.tile(labels, n)}
    attributes = pd.DataFrame({"partner": [f"p{i:04d}" for i in range(n)], "region": np.where(np.arange(n) % 2, "North", "South")})
    return Panel.from_frame(pd.DataFrame(keys | {name: array.ravel() for name, array in columns.items()}), attributes=attributes)


def _counts(seed=0, n=60, t=4):
    rng = np.random.default_rng(seed)
    return _panel(leads=rng.poisson(5.0, (n, t)), deals=rng.poisson(4.0, (n, t)))


@pytest.mark.parametrize("rule", [LADDER, QUADRANT], ids=["ladder", "quadrant"])
def test_a_line_that_stays_changes_no_tier(rule):
    history = assign_tiers(_counts(), TierScheme(scheme="demo", params={"many": 4} if rule is LADDER else {}, classify=rule))
    lines = scheme_lines(history)

    assert len(lines) >= 2
    assert all((moved_tiers(history, line, factor=1.0) == history.raw).all() for line in lines)


@given(st.integers(0, 50), st.floats(0.6, 1.4))
@settings(max_examples=10, deadline=None)
def test_a_moved_line_gives_the_tiers_of_the_scheme_written_so(seed, factor):
    panel = _counts(seed, 20)
    bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 5}, {"name": "Member"}]}
    moved = {**bands, "bands": [{"name": "Gold", "from": 5 * factor}, {"name": "Member"}]}
    history = assign_tiers(panel, TierScheme(scheme="demo", classify=bands))
    written = assign_tiers(panel, TierScheme(scheme="demo", classify=moved))

    assert (moved_tiers(history, scheme_lines(history)[0], factor=factor) == written.raw).all()


def test_a_parameter_moves_wherever_it_stands():
    panel = _counts()
    tiers = [assign_tiers(panel, TierScheme(scheme="demo", params={"many": many}, classify=LADDER)) for many in (4, 5)]
    line = next(line for line in scheme_lines(tiers[0]) if "$many" in line.name)

    assert (moved_tiers(tiers[0], line, factor=1.25) == tiers[1].raw).all()


def test_weights_are_moved_one_by_one():
    parts = [{"metric": "leads", "shape": {"ratio": 10}, "weight": "0.5"}, {"metric": "deals", "shape": {"ratio": 10}, "weight": "0.5"}]
    bands = {"kind": "bands", "value": "total", "bands": [{"name": "Gold", "from": 50}, {"name": "Member"}]}
    scheme = TierScheme(scheme="demo", scores={"total": {"max": 100, "parts": parts}}, classify=bands)
    panel = _panel(leads=np.array([[8], [2]]), deals=np.array([[2], [8]]))
    table = estimate_sensitivity(panel, scheme=scheme).table.set_index(["name", "change"])

    # 50 points exactly: whoever is good at what counts for more stays, the other falls
    assert table.loc[("total: leads", "+10 %"), ["up", "down"]].tolist() == [0, 1]
    assert len(table[table["what"] == "weight"]) == 4


def test_a_higher_line_lifts_nobody():
    table = estimate_sensitivity(_counts(), scheme=TierScheme(scheme="demo", classify=QUADRANT), change=0.3).table
    higher = table[(table["what"] == "line") & (table["change"] == "+30 %")]

    assert (higher["up"] == 0).all()
    assert higher["down"].sum() > 0


def test_a_record_has_no_lines():
    rows = pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "tier": ["x", "y"]})

    with pytest.raises(MissingTableError, match="came from a table"):
        scheme_lines(TierHistory.from_frame(rows))


def _gold_at(line, counts):
    bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": line}, {"name": "Member"}]}
    return assign_tiers(_panel(leads=counts), TierScheme(scheme="demo", classify=bands))


def test_no_bunching_is_rarely_seen_where_there_is_none():
    seen = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        row = check_bunching(_gold_at(8, rng.poisson(rng.gamma(2.0, 3.5, (200, 1)), (200, 6)))).table.iloc[0]
        seen += not row["conf_low"] <= 1 <= row["conf_high"]

    assert seen <= 5  # 5 % each: six or more of 30 has p = 0.003


def test_bunching_is_found_and_measured():
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.gamma(2.0, 3.5, (300, 1)), (300, 6))
    pushed = np.where((counts == 7) & (rng.random(counts.shape) < 0.4), 8, counts)
    row = check_bunching(_gold_at(8, pushed)).table.iloc[0]

    assert row["bunched"]
    assert row["above"] == (pushed == 8).sum()
    assert row["conf_low"] < (1.4 / 0.6) < row["conf_high"]


def test_few_values_are_not_enough():
    row = check_bunching(_gold_at(8, np.random.default_rng(0).poisson(7.0, (10, 3))))

    assert np.isnan(row.table["estimate"].iloc[0])
    assert not row.table["bunched"].iloc[0]
    assert row.checks[0].passed is False


def test_lines_near_nothing_cannot_be_judged():
    assert np.isnan(check_bunching(_gold_at(2, np.random.default_rng(0).poisson(2.0, (200, 6)))).table["estimate"].iloc[0])


def test_only_moving_lines_cannot_be_aimed_at():
    rule = {**QUADRANT, "y": {"value": "deals", "cut": {"quantile": 0.5}}}
    rule = {key: value for key, value in rule.items() if key not in ("gate", "outside")}

    with pytest.raises(SampleError, match="no fixed line"):
        check_bunching(assign_tiers(_counts(), TierScheme(scheme="demo", classify=rule)))


def test_units_that_repeat_widen_the_error():
    rng = np.random.default_rng(0)
    cells = cells_from_line(rng.poisson(9.0, 800).astype(float), 8.0, width=1.0)
    once = density_jump(cells, np.arange(800), low=-4, high=3)
    twice = density_jump(np.tile(cells, 2), np.tile(np.arange(800), 2), low=-4, high=3)

    assert np.isclose(once.step, twice.step)
    assert np.isclose(once.std_error, twice.std_error)


# statsmodels 0.15 inter_rater.cohens_kappa and Fleiss, Levin and Paik (2003), chapter 18: kappa .68, error under no agreement .076
FLEISS = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_kappa_and_both_errors_are_those_of_statsmodels(weights):
    from statsmodels.stats.inter_rater import cohens_kappa

    theirs = cohens_kappa(FLEISS, wt=weights)
    mine = cohen_kappa(FLEISS, weights=weights)

    assert np.allclose(mine[:3], [theirs.kappa, theirs.std_kappa, theirs.std_kappa0], rtol=1e-10)


def test_kappa_of_the_published_example():
    found = cohen_kappa(FLEISS)

    assert (round(found.kappa, 2), round(found.null_error, 3)) == (0.68, 0.076)


@given(arrays(np.int64, (3, 3), elements=st.integers(0, 40)))
def test_kappa_does_not_mind_who_rates_first_and_halves_its_variance_when_doubled(table):
    one, other, twice = cohen_kappa(table), cohen_kappa(table.T), cohen_kappa(2 * table)

    assert np.allclose(one, other, equal_nan=True, atol=1e-9)
    assert np.allclose([one.kappa, one.std_error**2 / 2], [twice.kappa, twice.std_error**2], equal_nan=True, atol=1e-9)


def test_kappa_intervals_cover():
    rng, held = np.random.default_rng(0), 0
    shares = np.array([[0.3, 0.1], [0.15, 0.45]])
    truth = cohen_kappa(shares * 1e6).kappa
    for _ in range(300):
        found = cohen_kappa(rng.multinomial(150, shares.ravel()).reshape(2, 2))
        held += abs(found.kappa - truth) <= 1.96 * found.std_error

    assert 0.91 <= held / 300 <= 0.985


def _silver(n=40):
    rows = pd.DataFrame({"partner": [f"p{i:02d}" for i in range(n)], "quarter": "2026Q1", "tier": "Silver"})
    rows.loc[: n // 2 - 1, "tier"] = "Gold"
    return TierHistory.from_frame(rows, order=["Gold", "Silver"]), rows


def test_saying_what_is_so_agrees_wholly():
    history, rows = _silver()
    table = estimate_agreement(history, said=rows[["partner", "tier"]]).table

    assert np.allclose(table["estimate"], 1.0)


def test_flattery_is_counted():
    history, rows = _silver()
    found = estimate_agreement(history, said=rows[["partner"]].assign(tier="Gold"))

    assert "20 place themselves above" in found.checks[-1].detail
    assert found.pairs.loc["Gold", "Silver"] == 20


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"who": ["p00"]}, "no column partner, tier"),
        ({"partner": ["p00"], "tier": ["Glod"]}, "did you mean 'Gold'"),
        ({"partner": ["p00", "p00"], "tier": ["Gold", "Gold"]}, "repeat a partner"),
    ],
)
def test_bad_statements_are_refused_in_one_line(said, message):
    with pytest.raises(ParameterError, match=message):
        estimate_agreement(_silver()[0], said=pd.DataFrame(said))


def test_a_census_has_no_uncertainty():
    assert np.allclose(stratified_share(3, 10, 4, 90, 100, 0.95), [0.07, 0, 0.07, 0.07])


def test_intervals_of_wrong_tiers_cover():
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        wrong = rng.random(200) < 0.12
        appealed = rng.random(200) < np.where(wrong, 0.4, 0.03)
        rest = np.flatnonzero(~appealed)
        sample = rng.choice(rest, 50, replace=False)
        _, _, low, high = stratified_share(int(wrong[appealed].sum()), int(appealed.sum()), int(wrong[sample].sum()), 50, 200, 0.95)
        held += low <= wrong.mean() <= high

    assert 0.92 <= held / 400 <= 0.99


def test_without_an_audit_there_is_only_a_lower_bound():
    history, _ = _silver()
    appeals = pd.DataFrame({"partner_id": ["p00", "p01", "p02"], "quarter": "2026Q1", "decision": ["upheld", "rejected", "open"]})
    whole = estimate_misclassification(history, appeals=appeals).table.set_index("stratum").loc["all"]

    assert np.isnan(whole["estimate"])
    assert np.isnan(whole["conf_high"])
    assert np.isclose(whole["conf_low"], 1 / 40)


def test_appeals_without_a_decision_column_are_refused():
    with pytest.raises(ContractError, match="no column decision"):
        estimate_misclassification(_silver()[0], appeals=pd.DataFrame({"partner": ["p00"], "quarter": ["2026Q1"]}))


def _overridden(lifted):
    """Forty partners whose rule says Member; twenty are overridden to Gold in 2022Q2; ``lifted`` of these truly become Gold later."""
    leads = np.ones((60, 6), dtype=int)
    leads[:lifted, 3:] = 9
    panel = _panel(leads=leads)
    bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 5}, {"name": "Member"}]}
    rows = {"partner_id": [f"p{i:04d}" for i in range(20)], "tier": "Gold", "valid_from": "2022-04-01", "valid_to": "2023-01-01"}
    overrides = pd.DataFrame({**rows, "approver": "x", "reason": "knows better"})
    return assign_tiers(panel, TierScheme(scheme="demo", classify=bands), overrides=overrides)


def test_overrides_by_hand():
    table = estimate_overrides(_overridden(15), ahead=2).table.set_index("measure")

    assert np.isclose(table.loc["override rate", "estimate"], 20 * 3 / 360)
    assert table.loc["rule came round", "n"] == 20  # begun once each, not once a quarter
    assert np.isclose(table.loc["rule came round", "estimate"], 0.75)
    assert table.loc["same without override", "estimate"] == 0
    assert table.loc["difference", "conf_low"] > 0.4


def test_overrides_without_an_outcome_are_not_judged():
    table = estimate_overrides(_overridden(5), ahead=5).table.set_index("measure")

    assert np.isnan(table.loc["rule came round", "estimate"])


def _calls_and_sales(*, leads, n=150, t=10, seed=0):
    rng = np.random.default_rng(seed)
    quality = rng.gamma(4.0, 1.0, (n, 1))
    calls = rng.poisson(quality * np.ones((1, t)))
    before = np.hstack([calls[:, :1], calls[:, :-1]])
    return _panel(calls=calls, sales=rng.poisson(1.0 + (2.0 * before if leads else 2.0 * quality * np.ones((1, t)))))


def test_what_leads_is_seen_to_lead():
    found = check_leading(_calls_and_sales(leads=True), leading="calls", lagging="sales")
    passed = {check.name: check.passed for check in found.checks}

    assert passed["It tells of later results"]
    assert passed["Out of time"]
    assert passed["More than the other way round"]
    assert passed["Stable by region"]
    assert found.evidence == "C"


def test_unrelated_numbers_do_not_lead():
    said = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        panel = _panel(calls=rng.poisson(4.0, (80, 8)), sales=rng.poisson(4.0, (80, 8)))
        said += bool(check_leading(panel, leading="calls", lagging="sales").checks[0].passed)

    assert said <= 3  # 5 % each: four or more of 20 has p = 0.016


def test_the_same_quarter_on_both_sides_is_pointed_out():
    panel = _calls_and_sales(leads=True)
    wide = panel.indicators.indicators["sales"].model_copy(update={"window": 4})
    both = type(panel.indicators)(indicators={**panel.indicators.indicators, "sales": wide})
    found = check_leading(dataclasses.replace(panel, indicators=both), leading="calls", lagging="sales", ahead=1)

    assert found.checks[-1].passed is False


def test_correlation_of_ranks_is_spearmans_with_its_error():
    from scipy import stats

    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = 0.5 * x + rng.normal(size=400)
    value, error, units = clustered_correlation(rank_scores(x), rank_scores(y), np.arange(400))

    assert np.isclose(value, stats.spearmanr(x, y).statistic)
    # Bonett and Wright (2000): sqrt((1 + r^2 / 2) / (n - 3)) on Fisher's scale
    assert np.isclose(error, (1 - value**2) * np.sqrt((1 + value**2 / 2) / (units - 3)), rtol=0.15)


def test_few_partners_are_not_enough():
    rng = np.random.default_rng(0)
    table = check_leading(_panel(calls=rng.poisson(4.0, (9, 6)), sales=rng.poisson(4.0, (9, 6))), leading="calls", lagging="sales").table

    assert table["estimate"].isna().all()


@pytest.mark.parametrize("change", [0.0, 1.0, -0.1])
def test_changes_are_shares(change):
    with pytest.raises(ParameterError, match="change is"):
        estimate_sensitivity(_counts(), scheme=TierScheme(scheme="demo", classify=QUADRANT), change=change)


def test_appeals_about_another_scheme_do_not_count():
    history = _overridden(0)
    appeals = pd.DataFrame({"partner": ["p0000", "p0001"], "quarter": "2022Q1", "decision": "upheld", "scheme": ["demo", "other"]})

    assert estimate_misclassification(history, appeals=appeals, quarter="2022Q1").table.loc[0, "wrong"] == 1
