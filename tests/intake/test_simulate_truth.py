"""The simulator's truths: exact where a hand can follow, and near to what large programs show."""

from __future__ import annotations

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import numpy as np
import pytest

from partnerlab.errors import ParameterError, SpecError
from partnerlab.intake.simulate import Portal, Tactic, Trial, Truth, simulate_program, true_effects, true_flows, true_hazards, true_survival
from partnerlab.intake.simulate.causes import true_portal, true_trial
from partnerlab.intake.simulate.exact import TOLERANCE, count_bands
from partnerlab.intake.simulate.rates import draw_latents
from partnerlab.intake.simulate.realized import realize
from partnerlab.intake.simulate.twins import diffuse

FLAT = {
    "quality_sd": 0.0, "state_sd": 0.0, "season": (0.0, 0.0, 0.0, 0.0), "growth": 0.0, "ramp": (), "lapse_quality": 0.0, "lapse_state": 0.0,
    "lapse_season": (1.0, 1.0, 1.0, 1.0), "honeymoon": 0, "renewal_ratio": 1.0, "already_members": 1.0,
}  # fmt: skip


def clustered(above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """Ratio of sums over partners and its clustered standard error."""
    ratio = above.sum() / below.sum()
    return ratio, np.sqrt(((above - ratio * below) ** 2).sum()) / below.sum()


@pytest.fixture(scope="module")
def bare():
    """A bare truth and a large program of it."""
    truth = Truth.plain(n_partners=30_000, n_quarters=10)
    return truth, realize(draw_latents(truth, count=30_000, seed=11), seed=11)


@pytest.fixture(scope="module")
def demo():
    """The demo's truth and a large program of it, record only."""
    truth = Truth(n_partners=30_000)
    return truth, realize(draw_latents(truth, count=30_000, seed=12), seed=12)


def seen_flows(truth, realized, lines, *, rates=False):
    """Flows as a panel shows them: clustered ratios for each pair of bands, lapsed last."""
    lead_in, last = truth.lead_in, truth.periods
    value = realized.latents.rate * realized.exposure if rates else realized.leads
    band = sum((value[:, lead_in:] < line).astype(int) for line in lines)
    quarters = np.arange(lead_in, last)
    member = (realized.latents.joined[:, None] <= quarters) & (realized.lapsed[:, None] > quarters)
    code = np.where(member, band, np.where(realized.lapsed[:, None] <= quarters, len(lines) + 1, -1))
    before, after = code[:, :-1], code[:, 1:]
    at_risk = (before >= 0) & (before <= len(lines))
    cells = {}
    for start in range(len(lines) + 1):
        below = ((before == start) & at_risk).sum(axis=1).astype(float)
        for to in range(len(lines) + 2):
            cells[start, to] = clustered(((before == start) & at_risk & (after == to)).sum(axis=1).astype(float), below)
    return cells


@pytest.mark.parametrize("rates", [False, True], ids=["counts", "rates"])
@pytest.mark.parametrize("program", ["bare", "demo"])
def test_large_programs_show_the_true_flows(request, program, rates):
    truth, realized = request.getfixturevalue(program)
    flows = true_flows(truth, cuts={"leads": (2, 5)}, noise=not rates, draws=100_000)
    seen = seen_flows(truth, realized, (2, 5), rates=rates)
    away = [
        (seen[divmod(place, 4)][0] - flow.probability) / np.hypot(seen[divmod(place, 4)][1], flow.std_error)
        for place, flow in enumerate(flows.itertuples())
    ]
    assert np.abs(away).max() < 3.6


def test_true_flows_state_an_error_below_the_tolerance():
    flows = true_flows(Truth.plain(n_quarters=12, state_sd=0.2), cuts={"leads": (2,)})
    assert flows["std_error"].max() < TOLERANCE


def test_flows_of_a_flat_program_are_poisson_by_hand():
    truth = Truth.plain(n_quarters=4, lapse=0.0, leads=2.0, **FLAT)
    flows = true_flows(truth, cuts={"leads": (3,)}, tiers=("high", "low"), draws=2_000).set_index(["from_tier", "to_tier"])
    high = 1.0 - np.exp(-2.0) * (1.0 + 2.0 + 2.0)
    assert flows.loc[("low", "high"), "probability"] == pytest.approx(high, abs=2e-3)


def test_rates_of_a_flat_program_never_change_tier():
    truth = Truth.plain(n_quarters=4, lapse=0.0, leads=2.0, **FLAT)
    flows = true_flows(truth, cuts={"leads": (1.9,)}, tiers=("high", "low"), noise=False, draws=2_000).set_index(["from_tier", "to_tier"])
    assert flows.loc[("high", "high"), "probability"] == 1.0


def test_survival_of_a_flat_program_is_geometric_by_hand():
    truth = Truth.plain(n_quarters=6, lapse=0.1, **FLAT)
    curve = true_survival(truth, times=(1, 2, 3), draws=2_000)
    assert curve["survival"].to_numpy() == pytest.approx([0.9, 0.81, 0.729], abs=1e-6)


@pytest.mark.parametrize("by", ["tenure", "quarter", "region"])
@pytest.mark.parametrize("program", ["bare", "demo"])
def test_large_programs_show_the_true_hazards(request, program, by):
    truth, realized = request.getfixturevalue(program)
    hazards = true_hazards(truth, by=by, draws=200_000)
    quarters = np.arange(truth.lead_in + 1, truth.periods)
    tenure = quarters - realized.latents.joined[:, None]
    at_risk = (tenure > 0) & (realized.lapsed[:, None] >= quarters)
    leaves = realized.lapsed[:, None] == quarters
    place = {
        "tenure": tenure,
        "quarter": np.broadcast_to(np.array(truth.calendar.labels(truth.start + quarters)), tenure.shape),
        "region": np.broadcast_to(np.array(list(truth.regions))[realized.latents.region][:, None], tenure.shape),
    }[by]
    away = []
    for key, hazard, wanted in zip(hazards[by], hazards["hazard"], hazards["at_risk"], strict=True):
        chosen = at_risk & (place == key)
        assert chosen.sum() == pytest.approx(wanted, rel=0.05, abs=300)
        away.append((leaves[chosen].mean() - hazard) / np.sqrt(hazard * (1 - hazard) / chosen.sum()))
    assert np.abs(away).max() < 3.9


def test_quadrant_flows_know_the_relevance_and_leave_the_unrated_out():
    flows = true_flows(
        Truth.plain(n_quarters=5), cuts={"leads": (3,), "relevance": (50,)}, tiers=("KEY", "LOW FIT", "DIAMOND", "TAIL"), draws=40_000
    )
    assert flows.groupby("from_tier")["probability"].sum().to_numpy() == pytest.approx(np.ones(4))


@pytest.mark.parametrize(("cuts", "words"), [({"deals": (1,)}, "no true flows for 'deals'"), ({"leads": ()}, "cuts has no line")])
def test_flows_of_unknown_cuts_are_refused(cuts, words):
    with pytest.raises(ParameterError, match=words):
        true_flows(Truth.plain(), cuts=cuts)


@hypothesis.given(
    mean=hypothesis.extra.numpy.arrays(float, 5, elements=st.floats(0.0, 80.0)),
    lines=st.lists(st.integers(0, 40), min_size=1, max_size=4, unique=True),
    noise=st.booleans(),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_chances_of_all_bands_sum_to_one(mean, lines, noise):
    chances = count_bands(mean, lines, noise=noise)
    assert chances.min() >= -1e-12
    np.testing.assert_allclose(chances.sum(axis=-1), 1.0)


def one_tactic(**changes):
    """A truth with a single tactic."""
    return Truth(tactics={"training": Tactic(activity="training", **{"chance": 0.2, "liking": 1.0, "effect": (0.1, 0.2, 0.3), **changes})})


def test_a_tactic_adds_its_effect_of_the_tier_before_in_the_next_quarter():
    with_, without = (draw_latents(one_tactic(effect=effect), count=400, seed=4) for effect in ((0.1, 0.2, 0.3), (0.0, 0.0, 0.0)))
    used = with_.treated["training"][:, :-1] > 0
    added = with_.log_rate[:, 1:][used] - without.log_rate[:, 1:][used]
    np.testing.assert_allclose(added, np.array([0.1, 0.2, 0.3])[with_.tier[:, :-1][used]], atol=1e-5)


def test_what_is_left_of_an_effect_two_quarters_later_is_its_carry():
    with_, without = (draw_latents(one_tactic(effect=effect, carry=0.5), count=400, seed=4) for effect in ((0.4,) * 3, (0.0,) * 3))
    used = with_.treated["training"] > 0
    once = used[:, :-2] & ~used[:, 1:-1]
    first = once & (np.cumsum(used, axis=1)[:, :-2] == 1)
    added = with_.log_rate[:, 2:][first] - without.log_rate[:, 2:][first]
    np.testing.assert_allclose(added, 0.2, atol=1e-5)


def test_a_tactic_that_keeps_partners_lowers_the_hazard_by_its_ratio():
    with_, without = (draw_latents(one_tactic(retention=ratio), count=400, seed=4) for ratio in (-0.5, 0.0))
    used = (with_.treated["training"][:, :-1] > 0) & (with_.hazard[:, 1:] > 0)
    ratio = np.log1p(-with_.hazard[:, 1:][used]) / np.log1p(-without.hazard[:, 1:][used])
    np.testing.assert_allclose(ratio, np.exp(-0.5), rtol=1e-3)


@pytest.mark.parametrize(("liking", "biased"), [(1.5, True), (0.0, False)])
def test_the_naive_comparison_is_wrong_exactly_if_managers_choose(liking, biased):
    effects = true_effects(one_tactic(liking=liking, effect=(0.0, 0.0, 0.0)))
    away = (effects["naive_rate_ratio"] - 1.0) / effects["naive_std_error"]
    assert (away > 8.0).all() == biased
    assert (np.abs(away) < 4.0).all() != biased


def test_extra_leads_are_those_of_a_program_with_the_tactic_over_one_without():
    truth = one_tactic()
    with_, without = (draw_latents(one_tactic(effect=effect), count=40_000, seed=9) for effect in ((0.1, 0.2, 0.3), (0.0, 0.0, 0.0)))
    lead_in, gain = truth.lead_in, (with_.rate - without.rate)
    lapsed = realize(with_, seed=9).lapsed
    here = (lapsed[:, None] > np.arange(truth.periods))[:, lead_in + 1 :]
    used = (with_.treated["training"] > 0)[:, lead_in:-1] & here & (with_.tier[:, lead_in:-1] == 2)
    assert gain[:, lead_in + 1 :][used].mean() == pytest.approx(true_effects(truth)["extra_leads"][2], rel=0.03)


def test_the_portal_ramps_up_after_adoption():
    portal = true_portal(Truth(portal=Portal(start=2, ramp=(0.5, 1.0), effect=(0.1, 0.2, 0.4))), draws=20_000).set_index(
        ["tier", "event_time"]
    )
    assert portal.loc["Registered", "log_rate_ratio"].tolist()[:3] == pytest.approx([0.2, 0.4, 0.4])


def test_adopters_of_the_portal_are_the_better_partners():
    latents = draw_latents(Truth(), count=5_000, seed=1)
    adopted = latents.adopted < latents.truth.periods
    assert latents.quality[adopted].mean() > latents.quality[~adopted].mean() + 0.3


def test_the_trial_s_assignment_has_nothing_to_do_with_quality():
    latents = draw_latents(Truth(), count=20_000, seed=1)
    t = latents.truth.lead_in + latents.truth.trial.start
    able = latents.tenure[:, t] > 0
    treated, control = (latents.quality[able & (latents.variant == which)] for which in (True, False))
    assert abs(treated.mean() - control.mean()) < 4.0 * np.sqrt(1 / len(treated) + 1 / len(control))


def test_the_trial_s_effect_by_assignment_is_smaller_than_on_those_who_take_part():
    trial = true_trial(Truth(trial=Trial(effect=0.3, compliance=0.5)), draws=40_000)
    assert (trial["itt_ratio"] < np.exp(0.3)).all()
    assert (trial["itt_ratio"] > 1.1).all()


@hypothesis.given(expected=hypothesis.extra.numpy.arrays(float, (3, 8), elements=st.floats(0.0, 50.0)))
@hypothesis.settings(max_examples=60, deadline=None)
def test_error_diffusion_keeps_every_trailing_sum_within_one(expected):
    away = np.cumsum(diffuse(expected), axis=1) - np.cumsum(expected, axis=1)
    assert np.abs(away).max() <= 0.5 + 1e-9


def test_the_twin_holds_scale_times_the_expected_leads():
    simulation = simulate_program(Truth.plain(n_partners=60, n_quarters=6), seed=2)
    leads = simulation.noise_free(scale=50)["leads"].to_pandas()
    quarter = np.searchsorted(simulation.realized.edges, leads["created_at"].to_numpy(), side="right") - 1
    counts = np.zeros((60, 6))
    np.add.at(counts, (leads["partner_id"].str[1:].astype(int).to_numpy(), quarter), 1)
    np.testing.assert_allclose(counts / 50, simulation.truth_rates(), atol=1 / 50)


def test_counts_vary_around_the_rates_as_poisson_counts_do(bare):
    realized = bare[1]
    expected = realized.latents.rate * realized.exposure
    spread = (realized.leads - expected)[expected > 0] / np.sqrt(expected[expected > 0])
    assert spread.var() == pytest.approx(1.0, abs=0.02)
    assert spread.mean() == pytest.approx(0.0, abs=0.01)


def test_a_truth_is_read_from_yaml_and_its_mistakes_are_named_with_their_line(tmp_path):
    path = tmp_path / "truth.yaml"
    path.write_text("n_partners: 50\nportal:\n  start: -1\nlaps: 0.1\n")
    with pytest.raises(SpecError, match=r"line 4, laps: unknown key 'laps'; did you mean 'lapse'"):
        Truth.load(path)
    path.write_text("n_partners: 50\nregions:\n  NORTH: {share: 1, countries: [SE, NO]}\n")
    assert Truth.load(path).regions["NORTH"].countries == ("SE", "NO")
