"""Where partners truly belong, and which moves are real: calibrated where the truth is known."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.panel.indicators import Indicator, Indicators
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers
from partnerlab.transitions import detect_movers, estimate_noise, estimate_real_moves, estimate_tier_probability
from partnerlab.transitions.probabilities import last_whole
from partnerlab.transitions.rates import true_program, true_values
from partnerlab.transitions.realness import real_set

BANDS = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 4}, {"name": "Member"}]}
GOLD = TierScheme(scheme="demo", classify=BANDS)


def _program(rate, *, seed=0, **extra):
    """A panel with these lead rates ``(n, t)``."""
    rate = np.asarray(rate, dtype=float)
    n, t = rate.shape
    labels = [f"{2024 + q // 4}Q{q % 4 + 1}" for q in range(t)]
    rows = {"partner": np.repeat([f"p{i:04d}" for i in range(n)], t), "quarter": np.tile(labels, n)}
    rows["leads"] = np.random.default_rng(seed).poisson(rate).ravel()
    return Panel.from_frame(pd.DataFrame(rows | extra))


def _steady(partners=300, quarters=8, seed=0):
    return np.repeat(np.random.default_rng(seed).gamma(1.5, 2.5, partners)[:, None], quarters, axis=1)


@pytest.fixture(scope="module")
def steady():
    rate = _steady()
    panel = _program(rate)
    return rate, panel, estimate_tier_probability(panel, scheme=GOLD, draws=60, seed=1)


def test_probabilities_of_a_partner_sum_to_one(steady):
    assert np.allclose(steady[2].table.groupby("partner")["estimate"].sum(), 1)


def test_probabilities_are_what_happens(steady):
    rate, panel, belongs = steady
    gold = belongs.table[belongs.table["tier"] == "Gold"].set_index("partner")["estimate"].reindex(panel.partners).to_numpy()
    truth = rate[:, -1] >= 4
    bins = np.digitize(gold, [0.1, 0.5, 0.9])
    for group in range(4):
        said, was, n = gold[bins == group].mean(), truth[bins == group].mean(), (bins == group).sum()
        assert abs(said - was) < 3 * np.sqrt(max(said * (1 - said), 0.01) / n)


@pytest.mark.parametrize(("line", "told"), [("leads >= 1", True), ("leads > 0", True), ("leads >= 2", False)])
def test_a_line_of_one_event_is_said_to_be_read_on_the_expectation(line, told):
    levels = {"kind": "ladder", "levels": [{"name": "Gold", "all": [line]}, {"name": "Member", "all": []}]}
    panel = _program(_steady(partners=30))
    belongs = estimate_tier_probability(panel, scheme=TierScheme(scheme="demo", classify=levels), draws=20, seed=1)
    said = [check.detail for check in belongs.checks if check.name == "Lines of single events"]

    assert [line in text for text in said] == [True] * told


def test_the_share_of_wrong_tiers_is_foretold(steady):
    rate, panel, belongs = steady
    wrong = ((rate[:, -1] >= 4) != (panel.values("leads")[:, -1] >= 4)).mean()
    row = belongs.misplaced.iloc[0]

    assert abs(row["estimate"] - wrong) < 3 * np.sqrt(wrong / len(rate))


def test_the_borderline_are_those_who_are_not_sure(steady):
    line = steady[2].borderline(sure=0.7)

    assert (line["probability"] < 0.7).all()
    assert (line["tier"] != line["other"]).all()
    assert line["probability"].is_monotonic_increasing


def test_later_quarters_are_not_looked_at():
    rate = _steady(60)
    panel = _program(rate)
    shifted = panel.replace(totals={"leads": np.where(np.arange(8) > 5, 50, panel.totals["leads"])})
    tables = [estimate_tier_probability(one, scheme=GOLD, quarter="2025Q2", draws=20, seed=1).table for one in (panel, shifted)]

    pd.testing.assert_frame_equal(*tables)


def test_the_same_seed_gives_the_same_probabilities():
    tables = [estimate_tier_probability(_program(_steady(40)), scheme=GOLD, draws=20, seed=3).table for _ in range(2)]

    pd.testing.assert_frame_equal(*tables)


def test_more_quarters_make_surer():
    known = [estimate_tier_probability(_program(_steady(150, quarters)), scheme=GOLD, draws=40, seed=1) for quarters in (2, 12)]
    sure = [float((one.table["estimate"].sub(0.5).abs() > 0.4).mean()) for one in known]

    assert sure[1] > sure[0] + 0.1


def test_quadrants_share_checklists_and_gates_are_drawn_too(counting_panel, quadrant):
    panel = counting_panel(partners=60, quarters=6)
    gate = {**quadrant.classify.model_dump(by_alias=True, exclude_none=True), "gate": "leads > 0", "outside": "INACTIVE"}
    gated = estimate_tier_probability(panel, scheme=TierScheme(scheme="gated", classify=gate), draws=20, seed=1)
    outside = gated.table[gated.table["tier"] == "INACTIVE"]

    assert set(outside["estimate"]) <= {0.0, 1.0}
    assert "Who is rated" in [check.name for check in gated.checks]


def test_the_road_of_true_values_by_hand():
    counts, shares, values, rows = (np.array([line], dtype=float) for line in ([2, 4], [0.5, 0.2], [10, 30], [1, 3]))
    read = {
        name: true_values(Indicator.model_validate({"from": "frame", "window": 2, **said}), counts, shares, values, rows)[0, -1]
        for name, said in {
            "count": {}, "sum": {"statistic": "sum"}, "share": {"statistic": "share"}, "mean": {"statistic": "mean"},
            "active": {"statistic": "active"},
        }.items()
    }  # fmt: skip

    assert np.isclose(read["count"], 6)
    assert np.isclose(read["sum"], 2 * 10 + 4 * 30)
    assert np.isclose(read["share"], (0.5 * 1 + 0.2 * 3) / 4)
    assert np.isclose(read["mean"], (10 * 1 + 30 * 3) / 4)
    assert np.isclose(read["active"], (1 - np.exp(-2)) + (1 - np.exp(-4)))


def test_shares_of_few_are_shrunk():
    rng = np.random.default_rng(2)
    n, t = 120, 4
    decided = rng.integers(1, 4, (n, t))
    won = rng.binomial(decided, 0.5)
    labels = [f"2025Q{q + 1}" for q in range(t)]
    rows = pd.DataFrame(
        {
            "partner": np.repeat([f"p{i:03d}" for i in range(n)], t), "quarter": np.tile(labels, n),
            "wins": (won / decided).ravel(), "wins_n": decided.ravel(),
        }
    )  # fmt: skip
    panel = Panel.from_frame(rows, indicators=Indicators(indicators={"wins": {"from": "frame", "statistic": "share"}}))
    bands = {"kind": "bands", "value": "wins", "bands": [{"name": "Gold", "from": "0.9"}, {"name": "Member"}]}
    belongs = estimate_tier_probability(panel, scheme=TierScheme(scheme="wins", classify=bands), draws=40, seed=1).table
    gold = belongs[(belongs["tier"] == "Gold") & belongs["by_rule"]]

    assert len(gold) > 10  # won all of their one to three deals
    assert gold["estimate"].mean() < 0.2  # all partners win half of theirs


def test_real_moves_are_rare_where_nothing_changed(counting_panel, quadrant):
    called = 0
    for seed in range(8):
        history = assign_tiers(counting_panel(partners=120, seed=seed), quadrant)
        called += bool(estimate_real_moves(history, quarter="2024Q4", draws=20, seed=1).table["real"].any())

    assert called <= 1  # 5 % of quarters at most: two or more of eight has p = 0.06


def test_real_change_is_called_real_and_only_that(counting_panel, quadrant):
    history = assign_tiers(counting_panel(partners=250, changed=40, factor=8.0), quadrant)
    table = estimate_real_moves(history, quarter="2024Q4", draws=60, seed=1).table
    really = table["partner"] <= "p0039"

    assert (table["real"] & really).sum() >= 3
    # a line that moves with the others lets some of the others truly fall
    assert not (table["real"] & ~really & (table["direction"] == "up")).any()
    assert table.loc[really, "estimate"].mean() > 3 * table.loc[~really, "estimate"].mean()


def test_the_chance_by_noise_stands_beside(counting_panel, quadrant):
    panel = counting_panel(partners=60)
    history = assign_tiers(panel, quadrant)
    movers = detect_movers(history, noise=estimate_noise(panel, scheme=quadrant, draws=10, seed=1), quarter="2024Q4")
    table = estimate_real_moves(history, quarter="2024Q4", movers=movers, draws=20, seed=1).table

    assert set(table["partner"]) == set(movers.table["partner"])
    assert table["chance"].between(0, 1).all()


def test_the_set_called_real_holds_few_false_ones():
    probability = np.array([0.99, 0.97, 0.9, 0.6, 0.2])
    picked = real_set(probability, level=0.95)

    assert picked.tolist() == [True, True, True, False, False]
    assert (1 - probability[picked]).mean() <= 0.05


def test_a_history_from_a_table_has_no_counts_behind_it():
    rows = pd.DataFrame({"partner": ["a", "a"], "quarter": ["2026Q1", "2026Q2"], "tier": ["x", "y"]})

    with pytest.raises(MissingTableError, match="came from a table of tiers"):
        estimate_real_moves(TierHistory.from_frame(rows), seed=1)


def test_nobody_moved_is_said():
    history = assign_tiers(_program(np.full((20, 3), 50.0)), GOLD)

    with pytest.raises(SampleError, match="nobody moved between tiers in 2024Q3"):
        estimate_real_moves(history, seed=1)


def test_too_few_draws_are_refused():
    with pytest.raises(ParameterError, match="at least 20"):
        estimate_tier_probability(_program(_steady(10)), scheme=GOLD, draws=5, seed=1)


def test_the_last_whole_quarter_is_taken(counting_panel):
    panel = counting_panel(partners=5, quarters=4)

    assert last_whole(panel) == "2022Q4"


def test_moves_through_a_gate_are_not_judged(counting_panel, quadrant):
    gate = {**quadrant.classify.model_dump(by_alias=True, exclude_none=True), "gate": "leads > 0", "outside": "INACTIVE"}
    history = assign_tiers(counting_panel(partners=80), TierScheme(scheme="gated", classify=gate))
    table = estimate_real_moves(history, quarter="2024Q4", draws=20, seed=1).table
    through = (table["from_tier"] == "INACTIVE") | (table["to_tier"] == "INACTIVE")

    assert through.any()
    assert (table["estimate"].isna() == through).all()
    assert not table.loc[through, "real"].any()


def test_orders_and_their_lines_stray_together():
    rng = np.random.default_rng(0)
    orders = rng.poisson(rng.gamma(2.0, 3.0, (80, 1)), (80, 6))
    labels = [f"{2025 + q // 4}Q{q % 4 + 1}" for q in range(6)]
    rows = {"partner": np.repeat([f"p{i:03d}" for i in range(80)], 6), "quarter": np.tile(labels, 80), "orders": orders.ravel()}
    rows |= {"money": 100.0 * orders.ravel(), "money_n": orders.ravel()}
    kinds = {"orders": {"from": "frame"}, "money": {"from": "frame", "statistic": "sum"}}
    panel = Panel.from_frame(pd.DataFrame(rows), indicators=Indicators(indicators=kinds))
    bands = {"kind": "bands", "value": "each", "bands": [{"name": "Gold", "from": 90}, {"name": "Member"}]}
    scheme = TierScheme(scheme="ratio", scores={"each": {"divide": "money", "by": "orders"}}, classify=bands)
    history = assign_tiers(panel, scheme)
    program = true_program(panel, history, keep=1, within=None)
    draws = [program.draw(np.random.default_rng(seed)).totals for seed in range(20)]
    known = orders[:, -1] > 0
    ratio = np.stack([draw["money"][known, 0] / draw["orders"][known, 0] for draw in draws])

    assert program.together == (0, 0)
    assert np.log(ratio).std(axis=0).max() < 0.3  # alone either would stray by more
    assert np.median(ratio) == pytest.approx(100, rel=0.1)
