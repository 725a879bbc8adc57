"""Movers: few false alarms where nothing changed, and real change found."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from partnerlab.errors import ParameterError, SampleError
from partnerlab.tiers import TierScheme, assign_tiers
from partnerlab.transitions import detect_movers, estimate_noise
from partnerlab.transitions.evidence import amount_tails, count_tails
from partnerlab.transitions.movers import direction_names, move_probabilities


def _movers(panel, scheme, quarter, **options):
    noise = estimate_noise(panel, scheme=scheme, draws=20, seed=1)
    return detect_movers(assign_tiers(panel, scheme), noise=noise, quarter=quarter, **options)


def test_count_tails_are_those_of_the_negative_binomial():
    now, shape, rate, time = np.arange(12.0), np.full(12, 7.5), np.full(12, 3.0), np.full(12, 2.0)
    law = stats.nbinom(7.5, 3.0 / 5.0)

    assert np.allclose(count_tails(now, time, shape, rate), [law.cdf(now), law.sf(now - 1)])


def test_amount_tails_are_those_of_a_gamma_with_these_moments():
    law = stats.gamma(4.0, scale=25.0)

    assert np.allclose(amount_tails(np.array([60.0, 300.0]), np.array([100.0, 100.0]), np.array([2500.0, 2500.0])),
                       [law.cdf([60.0, 300.0]), law.sf([60.0, 300.0])])  # fmt: skip


def test_move_probabilities_sum_to_one():
    hits = np.random.default_rng(0).integers(0, 9, (6, 4, 4)).astype(float)

    assert np.allclose(move_probabilities(hits, np.eye(4)).sum(axis=2), 1)


def test_where_a_partner_was_never_drawn_everybody_stands_in():
    usual = np.array([[0.7, 0.3], [0.2, 0.8]])

    assert np.allclose(move_probabilities(np.zeros((1, 2, 2)), usual)[0], usual)


def test_a_move_that_a_changed_statement_made_is_marked_and_not_judged_by_counts(counting_panel, quadrant):
    panel = counting_panel(partners=100)
    relevance = panel.totals["relevance"].copy()
    relevance[:5, -1] = 100 - relevance[:5, -1]
    panel = panel.replace(totals={"relevance": relevance}, counts={"relevance": panel.counts["relevance"]})
    table = _movers(panel, quadrant, "2024Q4").table
    said = table[table["stated"]]

    assert set(said["partner"]) <= {f"p{i:04d}" for i in range(5)}
    assert len(said) >= 3
    assert not said["beyond_noise"].any()
    assert (said["indicator"] == "relevance").all()


def _restated(panel, partners):
    """Turn the relevance of the first partners over in the last quarter."""
    relevance = panel.totals["relevance"].copy()
    relevance[:partners, -1] = 100 - relevance[:partners, -1]
    return panel.replace(totals={"relevance": relevance}, counts={"relevance": panel.counts["relevance"]})


def test_a_move_by_statement_is_never_beyond_noise_however_far_the_counts_moved(counting_panel, quadrant):
    movers = _movers(_restated(counting_panel(partners=100, changed=10, factor=20.0), 10), quadrant, "2024Q4")
    said = movers.table[movers.table["stated"]]

    assert len(said) >= 3
    assert not said["beyond_noise"].any()
    assert said[["estimate", "adjusted"]].isna().all(axis=None)
    assert not set(said["partner"]) & set(movers.judged["partner"])


def test_who_would_have_moved_without_the_new_statement_is_judged_by_counts(counting_panel, quadrant):
    panel = counting_panel(partners=100, changed=10, factor=20.0)
    restated = _restated(panel, 10)
    before, plain, after = (assign_tiers(some, quadrant).held[:10, place] for some, place in ((panel, -2), (panel, -1), (restated, -1)))
    anyway = panel.partners[:10][(plain != before) & (after != before)]
    movers = _movers(restated, quadrant, "2024Q4")

    assert len(anyway) >= 3
    assert set(anyway) <= set(movers.judged["partner"])


def test_a_changed_answer_is_by_statement_even_where_counts_alone_make_that_move_now_and_then(counting_panel):
    rule = {"all": ["leads >= 3", "relevance >= 50"]}
    ladder = TierScheme(scheme="rating", classify={"kind": "ladder", "levels": [{"name": "MVP", **rule}, {"name": "Base", "all": []}]})
    panel = counting_panel(partners=120, mean=3.0)
    yes = np.where(np.arange(120)[:, None] < 100, 80.0, 20.0) * np.ones(panel.shape)
    yes[:30, -1] = 20.0  # these no longer answer yes; with three leads a quarter they lose the tier without it too, now and then
    panel = panel.replace(totals={"relevance": yes}, counts={"relevance": panel.counts["relevance"]})
    leads, movers = panel.values("leads"), _movers(panel, ladder, "2024Q4")
    lost = panel.partners[:30][(leads[:30, -2] >= 3) & (leads[:30, -1] >= 3)]

    assert len(lost) >= 5
    assert set(lost) == set(movers.table.loc[movers.table["stated"], "partner"])


def test_an_override_that_ends_is_told_as_such_and_not_judged_by_noise(counting_panel, quadrant):
    panel = counting_panel(partners=100)
    noise = estimate_noise(panel, scheme=quadrant, draws=20, seed=1)
    plain = assign_tiers(panel, quadrant)
    stays = plain.partners[(plain.held[:, -1] == plain.held[:, -2]) & (plain.held[:, -1] != 0)][:2]
    kept = {"tier": plain.tiers[0], "approver": "ann", "reason": "strategic"}
    rows = [
        {"partner_id": stays[0], "valid_from": "2024-01-01", "valid_to": "2024-10-01", "kind": "override", **kept},
        {"partner_id": stays[1], "valid_from": "2024-10-01", "valid_to": None, "kind": "appeal", **kept},
    ]
    history = assign_tiers(panel, quadrant, overrides=pd.DataFrame(rows))
    movers = detect_movers(history, noise=noise, quarter="2024Q4")
    said = movers.table.set_index("partner").loc[stays]

    assert said["decided"].tolist() == ["override ended", "appeal upheld"]
    assert said["estimate"].isna().all()
    assert not set(stays) & set(movers.judged["partner"])


@pytest.mark.parametrize(("origin", "target", "said"), [(2, 0, "up"), (0, 1, "down"), (1, 1, "sideways"), (0, 3, "sideways")])
def test_directions_follow_the_heights(origin, target, said):
    assert direction_names(np.array([origin]), np.array([target]), (3, 2, 1, None)).item() == said


def test_where_nothing_changed_false_alarms_are_rare(counting_panel, quadrant):
    alarms = [_movers(counting_panel(seed=seed, partners=150), quadrant, "2024Q4").table["beyond_noise"].any() for seed in range(25)]

    # at most 5 % of quarters are expected to raise one; four or more of 25 would be a surprise (p = 0.03)
    assert sum(alarms) < 4


def test_real_change_is_found_and_only_that(counting_panel, quadrant):
    table = _movers(counting_panel(partners=300, changed=30, factor=8.0), quadrant, "2024Q4").table
    found = table.loc[table["beyond_noise"], "partner"]
    really = found <= "p0029"

    assert really.sum() >= 8
    assert really.mean() >= 0.9


def test_the_number_of_movers_is_what_noise_would_make(counting_panel, quadrant):
    movers = _movers(counting_panel(partners=400, seed=2), quadrant, "2024Q4")

    assert movers.expected_low <= len(movers.table) <= movers.expected_high


def test_evidence_names_the_number_that_changed(counting_panel, quadrant):
    first = _movers(counting_panel(partners=200, changed=20, factor=10.0), quadrant, "2024Q4").table.iloc[0]

    assert first["indicator"] == "leads"
    assert first["now"] > 3 * first["before"]
    assert first["n"] == 11


def test_those_who_stayed_are_not_listed(counting_panel, quadrant):
    table = _movers(counting_panel(partners=60), quadrant, "2023Q2").table

    assert (table["from_tier"] != table["to_tier"]).all()


def test_probabilities_lie_within_their_intervals(counting_panel, quadrant):
    table = _movers(counting_panel(partners=150), quadrant, "2023Q2").table

    assert table["estimate"].between(0, 1).all()
    assert (table["conf_low"].le(table["estimate"]) & table["conf_high"].ge(table["estimate"])).all()


def test_the_first_quarter_has_no_movers(counting_panel, quadrant):
    with pytest.raises(ParameterError, match="movers need a quarter after 2022Q1"):
        _movers(counting_panel(partners=20), quadrant, "2022Q1")


def test_nobody_in_a_tier_twice_is_not_enough(counting_panel, quadrant, history_of):
    noise = estimate_noise(counting_panel(partners=20), scheme=quadrant, draws=3, seed=1)

    with pytest.raises(SampleError, match="nobody was in a tier both in 2022Q1 and in 2022Q2"):
        detect_movers(history_of([[0, -3]], tiers=noise.tiers, partners=["p0000"]), noise=noise, quarter="2022Q2")


def test_wild_counts_put_the_alarm_rate_in_doubt(counting_panel, quadrant):
    panel = counting_panel(partners=80)
    wild = panel.replace(totals={"leads": 3 * panel.totals["leads"]})
    doubts = [{check.name: check.passed for check in _movers(one, quadrant, "2023Q2").checks} for one in (panel, wild)]

    assert [doubt["False alarms are limited"] for doubt in doubts] == [True, None]


def _wild(counting_panel, seed, *, wildness=0.6):
    """A program in which nobody changes, but counts are wilder than chance counts."""
    panel, rng = counting_panel(partners=150, seed=seed, mean=8.0), np.random.default_rng(seed)
    rate = rng.gamma(1.5, 8.0 / 1.5, (150, 1)) * rng.gamma(1.0 / wildness, wildness, panel.shape)
    leads = rng.poisson(rate).astype(panel.totals["leads"].dtype)
    return panel.replace(totals={"leads": leads}, counts={"leads": leads.astype(panel.counts["leads"].dtype)})


def test_wild_counts_drawn_as_wild_as_they_are_raise_few_false_alarms(counting_panel, quadrant):
    called = {"poisson": 0, "fitted": 0}
    for seed in range(6):
        panel = _wild(counting_panel, seed)
        for dispersion in called:
            noise = estimate_noise(panel, scheme=quadrant, draws=20, seed=1, dispersion=dispersion)
            called[dispersion] += detect_movers(assign_tiers(panel, quadrant), noise=noise, quarter="2024Q4").beyond

    assert called["poisson"] >= 10
    assert called["fitted"] <= 2


def test_the_result_is_sure_of_its_false_alarms_once_counts_are_drawn_as_wild_as_they_are(counting_panel, quadrant):
    panel = _wild(counting_panel, 0)
    noise = {kind: estimate_noise(panel, scheme=quadrant, draws=20, seed=1, dispersion=kind) for kind in ("poisson", "fitted")}
    sure = {kind: detect_movers(assign_tiers(panel, quadrant), noise=one, quarter="2024Q4").sure for kind, one in noise.items()}

    assert sure == {"poisson": False, "fitted": True}
    assert noise["fitted"].moved["estimate"].iloc[0] > 1.1 * noise["poisson"].moved["estimate"].iloc[0]


def test_chance_counts_are_drawn_alike_either_way(counting_panel, quadrant):
    panel = counting_panel(partners=200, seed=3)
    moved = [
        estimate_noise(panel, scheme=quadrant, draws=40, seed=1, dispersion=kind).moved["estimate"].iloc[0]
        for kind in ("poisson", "fitted")
    ]

    assert moved[0] == pytest.approx(moved[1], abs=0.02)


def test_a_dispersion_that_does_not_exist_is_refused(counting_panel, quadrant):
    with pytest.raises(ParameterError, match="dispersion is 'normal'; give 'poisson' or 'fitted'"):
        estimate_noise(counting_panel(partners=20), scheme=quadrant, draws=20, seed=1, dispersion="normal")
