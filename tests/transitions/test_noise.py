"""The noise baseline: by hand, reproducible, and right where nothing changes."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.panel.indicators import Indicators
from partnerlab.panel.panel import Panel
from partnerlab.tiers import TierScheme, assign_tiers
from partnerlab.transitions import detect_movers, estimate_noise, estimate_transitions
from partnerlab.transitions.noise import gather_moments, stray_interval, successive_dispersion

BANDS = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 4}, {"name": "Member"}]}


@pytest.fixture(scope="module")
def panel(counting_panel):
    return counting_panel()


@pytest.fixture(scope="module")
def baseline(panel, quadrant):
    return estimate_noise(panel, scheme=quadrant, draws=40, seed=3)


def test_the_same_seed_gives_the_same_baseline(panel, quadrant, baseline):
    pd.testing.assert_frame_equal(estimate_noise(panel, scheme=quadrant, draws=40, seed=3).table, baseline.table)


def test_rows_sum_to_one(baseline):
    assert np.allclose(baseline.table.groupby("from_tier")["estimate"].sum(), 1)


def test_stated_values_do_not_move(baseline):
    """Relevance is held, so nobody crosses its line."""
    sides = {"KEY": 1, "DIAMOND": 1, "HACKER": 0, "DEMENTOR": 0}
    across = baseline.table["from_tier"].map(sides) != baseline.table["to_tier"].map(sides)

    assert (baseline.table.loc[across, "estimate"] == 0).all()


def test_it_says_what_was_held(baseline):
    assert "Held where each partner mostly stood" in baseline.checks[0].detail
    assert baseline.checks[0].passed is None


def test_a_partner_with_a_known_rate_moves_as_poisson_says():
    """Many equal partners at 4 leads a quarter: P(Gold) is that of a Poisson count of at least 4, quarter by quarter."""
    rng = np.random.default_rng(0)
    leads = rng.poisson(4.0, (400, 10))
    table = pd.DataFrame(leads, index=[f"p{i:03d}" for i in range(400)], columns=[f"20{22 + k // 4}Q{k % 4 + 1}" for k in range(10)])
    table = table.rename_axis("partner").reset_index().melt(id_vars="partner", var_name="quarter", value_name="leads")
    noise = estimate_noise(Panel.from_frame(table), scheme=TierScheme(scheme="demo", classify=BANDS), draws=30, seed=1)
    gold = 1 - np.exp(-4.0) * (1 + 4 + 8 + 32 / 3)

    assert noise.table["estimate"].tolist() == pytest.approx([gold, 1 - gold, gold, 1 - gold], abs=0.02)


def test_where_nothing_changes_observed_movement_lies_within_the_baseline(counting_panel, quadrant):
    inside, gap = [], []
    for seed in range(20):
        panel = counting_panel(seed=seed, partners=150)
        noise = estimate_noise(panel, scheme=quadrant, draws=25, seed=seed)
        moved = estimate_transitions(assign_tiers(panel, quadrant), noise=noise).moved.iloc[0]
        inside.append(moved["noise_low"] <= moved["estimate"] <= moved["noise_high"])
        gap.append(moved["estimate"] - moved["noise"])

    assert np.mean(inside) >= 0.85
    assert abs(np.mean(gap)) < 0.004  # of about 0.23: no bias to speak of


def test_windows_reduce_noise(counting_panel, quadrant):
    one, four = (
        estimate_noise(counting_panel(window=window), scheme=quadrant, draws=20, seed=1).moved["estimate"].item() for window in (1, 4)
    )

    assert four < one / 1.5


def test_real_change_shows_beside_the_baseline(counting_panel, quadrant):
    panel = counting_panel(partners=300, quarters=8, changed=150, factor=5.0, since=4)
    flows = estimate_transitions(
        assign_tiers(panel, quadrant), noise=estimate_noise(panel, scheme=quadrant, draws=30, seed=1), by="quarter"
    )
    moved = flows.moved.set_index("quarter")

    assert moved.loc["2023Q1", "estimate"] > moved.loc["2023Q1", "noise_high"]


def test_noise_stands_beside_each_segment(panel, quadrant, baseline):
    history = assign_tiers(panel, quadrant)
    flows = estimate_transitions(history, noise=baseline, by="region")
    south = history.select((history.attributes["region"] == "South").to_numpy())
    alone = estimate_transitions(south, noise=baseline)

    assert np.allclose(flows.matrix("noise_high", segment="South"), alone.matrix("noise_high"))


def test_partners_outside_the_baseline_are_named(panel, quadrant, baseline, history_of):
    strange = history_of([[0, 1]], tiers=("KEY", "DIAMOND", "HACKER", "DEMENTOR"), partners=["zz"])

    with pytest.raises(ParameterError, match="lacks 1 of 1 partners, such as 'zz'"):
        estimate_transitions(strange, noise=baseline)


@pytest.mark.parametrize("ask", [
    lambda history, noise, **more: estimate_transitions(history, noise=noise, **more),
    lambda history, noise, **more: detect_movers(history, noise=noise, quarter=history.labels[-1], **more),
], ids=["flows", "movers"])  # fmt: skip
def test_a_baseline_of_something_else_is_refused(panel, quadrant, baseline, ask):
    lines = quadrant.model_copy(update={"params": {"spare": 1}})
    other = quadrant.model_copy(update={"version": "99"})
    bands = TierScheme(
        scheme="bands", classify={"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 4}, {"name": "Base"}]}
    )
    history = assign_tiers(panel, quadrant)
    late = dataclasses.replace(history, first=history.first + 1)

    with pytest.raises(ParameterError, match=r"is of scheme .*, the history of .*@99; estimate it on the panel"):
        ask(assign_tiers(panel, other), baseline)
    with pytest.raises(ParameterError, match="the same name, other contents"):
        ask(assign_tiers(panel, lines), baseline)
    with pytest.raises(ParameterError, match="the history of bands@1"):
        ask(assign_tiers(panel, bands), baseline)
    with pytest.raises(ParameterError, match=r"has the tiers KEY, .*, the history Gold, Base"):
        ask(dataclasses.replace(assign_tiers(panel, bands), scheme=None), baseline)
    with pytest.raises(ParameterError, match="is of published tiers, asked for are raw ones"):
        ask(history, baseline, stage="raw")
    with pytest.raises(ParameterError, match=r"the noise baseline runs from .* to .*, the history from"):
        ask(late, baseline)


def test_lapses_are_not_noise(counting_panel, quadrant):
    panel = counting_panel(partners=60)
    state = panel.state.copy()
    state[:20, 6:] = 2
    panel = dataclasses.replace(panel, state=state, exposure=np.where(state == 1, panel.exposure, 0).astype(np.float32))
    noise = estimate_noise(panel, scheme=quadrant, draws=10, seed=1)
    table = estimate_transitions(assign_tiers(panel, quadrant), noise=noise).table

    assert table.loc[table["to_tier"] == "lapsed", "noise"].isna().all()
    assert table.loc[table["to_tier"] != "lapsed", "noise"].notna().all()


def test_moments_give_the_spread_of_the_draws():
    """The spread over programs, summed partner by partner, is that of the programs drawn."""
    rng = np.random.default_rng(0)
    draws = [(rng.random((200, 6)) < 0.4).astype(np.int8) for _ in range(400)]
    moments, _, count = gather_moments(draws, 2, np.ones(5, dtype=bool))
    share, spread, _ = moments.shares(np.zeros(200, dtype=int), 1)
    each = [((codes[:, :-1] == 0) & (codes[:, 1:] == 1)).sum() / (codes[:, :-1] == 0).sum() for codes in draws]

    assert count == 400
    assert share[0, 0, 1] == pytest.approx(np.mean(each), abs=1e-3)
    assert spread[0, 0, 1] == pytest.approx(np.std(each), rel=0.1)


def test_a_share_without_spread_is_its_own_interval():
    assert np.array(stray_interval(np.array([0.3]), np.array([0.0]), level=0.95)).tolist() == [[0.3], [0.3]]


@pytest.mark.parametrize(("factor", "low", "high"), [(1, 0.95, 1.05), (3, 2.8, 3.2)])
def test_dispersion_of_neighbouring_counts_is_that_of_the_counts(factor, low, high):
    counts = factor * np.random.default_rng(0).poisson(3.0, (2000, 10))

    assert low < successive_dispersion(counts, np.ones(counts.shape)) < high


def test_wild_counts_fail_a_check():
    rng = np.random.default_rng(0)
    leads = 3 * rng.poisson(2.0, (100, 8))
    rows = [(f"p{i:03d}", f"20{22 + q // 4}Q{q % 4 + 1}", leads[i, q]) for i in range(100) for q in range(8)]
    panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    noise = estimate_noise(panel, scheme=TierScheme(scheme="demo", classify=BANDS), draws=4, seed=1)

    assert {check.name: check.passed for check in noise.checks}["Counts vary as chance counts do"] is False


def test_a_scheme_that_reads_nothing_counted_is_refused(panel):
    scheme = TierScheme(scheme="demo", classify={**BANDS, "value": "relevance"})

    with pytest.raises(SampleError, match="demo@1 reads nothing that is counted"):
        estimate_noise(panel, scheme=scheme, seed=1)


def test_recorded_tiers_have_no_noise_baseline(panel):
    with pytest.raises(MissingTableError, match="recorded@1"):
        estimate_noise(panel, scheme=TierScheme.load("recorded"), seed=1)


def test_amounts_are_drawn_with_their_spread():
    """Sales of about 100 each, two a quarter: the line at 200 is crossed by noise."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (150, 8))
    amounts = rng.gamma(counts * 4.0 + 1e-9, 25.0)
    rows = [(f"p{i:03d}", f"20{22 + q // 4}Q{q % 4 + 1}", amounts[i, q], counts[i, q]) for i in range(150) for q in range(8)]
    table = pd.DataFrame(rows, columns=["partner", "quarter", "leads", "leads_n"])
    panel = Panel.from_frame(table, indicators=Indicators(indicators={"leads": {"from": "frame", "statistic": "sum"}}))
    bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 200}, {"name": "Member"}]}
    scheme = TierScheme(scheme="demo", classify=bands)
    noise = estimate_noise(panel, scheme=scheme, draws=30, seed=1)
    moved = estimate_transitions(assign_tiers(panel, scheme), noise=noise).moved.iloc[0]

    assert moved["noise_low"] <= moved["estimate"] <= moved["noise_high"]
