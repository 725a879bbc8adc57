"""Trials are read as they were dealt; what spoils one stops the page."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from partnerlab.errors import LedgerError, ParameterError, SampleError, SpecError
from partnerlab.experiments import Experiment, Looks, Metric, Trial, Variant, analyze_experiment, assign_variants
from partnerlab.experiments.looks import always_valid_reach
from partnerlab.results import Evidence
from partnerlab.stats.trials.wild_bootstrap import wild_test
from partnerlab.verdicts import Stakes, compare_verdicts

LEADS = Metric(name="leads")
MONTHS = Metric(name="months", kind="time", event="left", until=6.0)


def _experiment(**asked):
    given = {"name": "dinner", "hypothesis": "It helps.", "tactic": "Dinner", "stakes": Stakes(unit="leads", per="partner", material=0.2)}
    return Experiment(**given | {"metrics": (LEADS,)} | asked)


def _units(n=120, seed=1):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "partner": [f"p{place:03d}" for place in range(n)],
            "manager": [f"m{place % 12:02d}" for place in range(n)],
            "tier": np.where(np.arange(n) % 3 == 0, "Gold", "Silver"),
            "region": np.where(np.arange(n) % 12 < 6, "North", "South"),
            "before": random.normal(10, 3, n),
        }
    )


def _played(experiment, *, effect=1.0, n=120, seed=1, dealt=None):
    """Deal, and let the outcomes happen."""
    units, random = _units(n, seed), np.random.default_rng(seed + 100)
    dealt = dealt or assign_variants(experiment, units=units, seed=seed)
    frame = units.merge(dealt.table[["unit", "variant"]], left_on="partner", right_on="unit").drop(columns="unit")
    on = (frame["variant"] != experiment.control).to_numpy()
    level = frame["before"] / 3 + effect * on + random.normal(size=len(frame))
    frame["leads"] = level
    frame["visits"] = random.poisson(5, len(frame)) + 1.0
    frame["rank"] = np.array(["Bronze", "Silver", "Gold"])[np.digitize(level, [3.0, 4.0])]
    frame["months"], frame["left"] = random.exponential(np.where(on, 8, 4)), (random.random(len(frame)) < 0.8).astype(float)
    return dealt, frame


def _read(experiment, *, draws=199, change=lambda frame: frame, **asked):
    dealt, frame = _played(experiment, **{key: asked.pop(key) for key in ("effect", "n", "seed") if key in asked})
    trial = Trial.from_frame(change(frame), experiment=experiment, received=asked.pop("received", None))
    return analyze_experiment(trial, assignment=dealt, draws=draws, **asked)


def test_a_sound_experiment_earns_the_word_caused():
    reading = _read(_experiment())

    assert reading.evidence is Evidence.A
    assert reading.verdicts[0].statement.startswith("Dinner caused")
    assert not reading.stopped


def test_two_arms_alone_are_welchs_test():
    _, frame = _played(_experiment())
    arms = [frame.loc[frame["variant"] == name, "leads"] for name in ("treatment", "control")]
    row = _read(_experiment()).table.iloc[0]

    assert row["p_value"] == pytest.approx(stats.ttest_ind(*arms, equal_var=False).pvalue)
    assert (row["treated"], row["control"]) == pytest.approx((arms[0].mean(), arms[1].mean()))


def test_what_was_known_before_narrows_the_interval():
    plain, adjusted = (_read(_experiment(pre=pre)).table.iloc[0] for pre in ((), ("before",)))

    assert adjusted["std_error"] < 0.85 * plain["std_error"]
    assert "adjusted" in adjusted["method"]


@pytest.mark.parametrize(
    "asked",
    [
        {"strata": ("tier",)},
        {"cluster": "manager", "strata": ("region",)},
        {"dealing": "pairs", "pre": ("before",)},
        {"dealing": "rerandomised", "pre": ("before",), "strata": ("tier",)},
    ],
    ids=["strata", "clusters", "pairs", "rerandomised"],
)
def test_every_deal_is_read_and_dealt_again(asked):
    reading = _read(_experiment(**asked), effect=2.0)
    row = reading.table.iloc[0]

    assert abs(row["estimate"] - 2.0) < 4 * row["std_error"]
    assert row["p_redrawn"] < 0.05
    assert reading.evidence is Evidence.A


def test_nothing_is_found_about_as_often_as_said():
    def p_values(seed):
        return _read(_experiment(cluster="manager"), effect=0.0, n=48, seed=seed, draws=99).table.iloc[0][["p_value", "p_redrawn"]]

    found = pd.DataFrame([p_values(seed) for seed in range(40)]).astype(float)

    assert (found < 0.05).mean().max() <= 0.15  # 40 trials: mean 2, five or more in one of a hundred


def test_tiers_are_read_as_wins_and_odds():
    row = _read(_experiment(metrics=(Metric(name="rank", kind="tier", tiers=("Bronze", "Silver", "Gold")),))).table.iloc[0]

    assert row["win_probability"] == pytest.approx(0.5 + row["estimate"] / 2)
    assert row["win_probability"] > 0.55
    assert row["log_odds_ratio"] > 0


def test_the_verdict_on_tiers_says_what_rose():
    tiers = Metric(name="rank", kind="tier", tiers=("Bronze", "Silver", "Gold"))

    assert "more net chance of a higher rank per partner" in _read(_experiment(metrics=(LEADS, tiers)), effect=2.0).verdicts[1].statement


def test_times_are_read_as_areas_with_a_log_rank_test():
    row = _read(_experiment(metrics=(MONTHS,))).table.iloc[0]

    assert row["estimate"] == pytest.approx(row["treated"] - row["control"])
    assert row["estimate"] > 0
    assert row["log_rank_p"] < 0.05


def test_ratios_are_ratios_of_sums():
    _, frame = _played(_experiment())
    sums = frame.groupby("variant")[["leads", "visits"]].sum()
    row = _read(_experiment(metrics=(Metric(name="leads", kind="ratio", per="visits"),))).table.iloc[0]

    assert row["estimate"] == pytest.approx(
        (sums["leads"] / sums["visits"]).loc["treatment"] - (sums["leads"] / sums["visits"]).loc["control"]
    )


def test_those_who_took_it_gained_what_all_gained_over_take_up():
    def half_come(frame):
        return frame.assign(came=((frame["variant"] == "treatment") & (np.arange(len(frame)) % 2 == 0)).astype(float))

    table = _read(_experiment(), change=half_come, received="came").table.set_index("effect")
    share = half_come(_played(_experiment())[1]).groupby("variant")["came"].mean()["treatment"]

    assert table.loc["on those who took it", "estimate"] == pytest.approx(table.loc["as dealt", "estimate"] / share)
    assert table.loc["on those who took it", "std_error"] > table.loc["as dealt", "std_error"]


@pytest.mark.parametrize(
    ("goal", "margin", "effect", "claim"),
    [
        ("not worse", 1.0, 0.0, "not worse"),
        ("equivalent", 1.0, 0.0, "equivalent"),
        ("equivalent", 0.05, 0.0, "cannot tell"),
        ("not worse", 1.0, -3.0, "worse"),
    ],
)
def test_goals_are_judged_by_their_margin(goal, margin, effect, claim):
    metric = Metric(name="leads", goal=goal, margin=margin)

    assert _read(_experiment(metrics=(metric,), pre=("before",)), effect=effect, n=400).table["claim"].iloc[0] == claim


def test_lower_may_be_better():
    assert _read(_experiment(metrics=(Metric(name="leads", better="lower"),)), effect=3.0).table["claim"].iloc[0] == "worse"


def test_several_variants_share_the_error():
    variants = tuple(Variant(name=name) for name in ("off", "letter", "call"))
    reading = _read(_experiment(variants=variants))

    assert [verdict.tactic for verdict in reading.verdicts] == ["letter", "call"]
    assert reading.table["level"].tolist() == pytest.approx([0.975, 0.975])
    assert (reading.table["p_adjusted"] >= reading.table["p_value"]).all()


def test_undeclared_trials_earn_no_more_than_likely():
    reading = analyze_experiment(Trial.from_frame(_played(_experiment())[1], outcomes=["leads"], unit="partner"))

    assert reading.evidence is Evidence.B
    assert "likely raised" in reading.verdicts[0].statement


def test_searching_through_undeclared_outcomes_earns_nothing():
    trial = Trial.from_frame(_played(_experiment())[1], outcomes=["leads", "visits"], unit="partner")

    assert {verdict.earned for verdict in analyze_experiment(trial).verdicts} == {Evidence.D}


def test_lost_treated_units_stop_the_page():
    def lose(frame):
        return frame.assign(leads=frame["leads"].where((frame["variant"] == "control") | (np.arange(len(frame)) % 2 == 0)))

    reading = _read(_experiment(), change=lose)

    assert reading.stopped
    assert reading.evidence is Evidence.D
    assert reading.verdicts[0].statement.startswith("Cannot tell")


def test_units_that_did_not_come_back_by_variant_stop_the_page():
    reading = _read(_experiment(), change=lambda frame: frame[(frame["variant"] == "control") | (np.arange(len(frame)) % 3 > 0)])

    assert {check.name: check.passed for check in reading.checks}["sample ratio"] is False
    assert reading.stopped


def test_outcomes_lost_alike_leave_an_assumption():
    reading = _read(_experiment(), change=lambda frame: frame.assign(leads=frame["leads"].where(np.arange(len(frame)) % 8 > 0)), effect=2.0)

    assert reading.evidence is Evidence.B
    assert "lost outcomes are like those seen" in reading.verdicts[0].statement


def test_a_trial_that_was_not_dealt_by_chance_is_noticed():
    def chosen(frame):
        return frame.assign(variant=np.where(frame["before"] > frame["before"].median(), "treatment", "control"))

    trial = Trial.from_frame(chosen(_played(_experiment())[1]), experiment=_experiment(pre=("before",)))

    assert analyze_experiment(trial, experiment=_experiment(pre=("before",)), draws=0).stopped


def test_units_in_another_variant_than_dealt_are_refused():
    def swap(frame):
        other = {"control": "treatment", "treatment": "control"}[frame["variant"].iloc[0]]
        return frame.assign(variant=frame["variant"].where(frame.index != 0, other))

    with pytest.raises(LedgerError, match="1 unit stands in another variant"):
        _read(_experiment(), change=swap)


def test_pairs_need_the_assignment_that_made_them():
    experiment = _experiment(dealing="pairs", pre=("before",))
    trial = Trial.from_frame(_played(experiment)[1], experiment=experiment)

    with pytest.raises(LedgerError, match="only the assignment knows"):
        analyze_experiment(trial, experiment=experiment)


def test_units_never_dealt_are_refused():
    with pytest.raises(LedgerError, match="never dealt"):
        _read(_experiment(), change=lambda frame: pd.concat([frame, frame.head(1).assign(partner="new")]))


def test_another_declaration_is_refused():
    dealt, frame = _played(_experiment())
    other = _experiment(hypothesis="Another.")

    with pytest.raises(LedgerError, match="another declaration"):
        analyze_experiment(Trial.from_frame(frame, experiment=other), experiment=other, assignment=dealt)


@pytest.mark.parametrize(
    ("change", "asked", "kind", "said"),
    [
        (lambda f: pd.concat([f, f.head(2).assign(variant=["x", "y"])]), {}, ParameterError, "2 units stand in two variants"),
        (lambda f: pd.concat([f, f.head(2)]), {}, ParameterError, "2 units have several rows"),
        (lambda f: f.assign(variant=None), {}, ParameterError, "variant is empty for 120 units"),
        (lambda f: f.assign(variant="on"), {}, SampleError, "all units have one variant"),
        (lambda f: f.assign(leads="many"), {}, ParameterError, "leads is not a number for 120 units"),
        (lambda f: f.assign(months=-f["months"]), {"outcomes": [MONTHS]}, ParameterError, "nothing ends before it begins"),
        (lambda f: f, {"outcomes": [Metric(name="visits", kind="share")]}, ParameterError, "must be 1 or 0"),
        (lambda f: f.assign(leads=-1.0), {"outcomes": [Metric(name="leads", kind="count")]}, ParameterError, "must be 0 or more"),
        (lambda f: f, {"outcomes": [Metric(name="rank", kind="tier", tiers=("Silver", "Gold"))]}, ParameterError, "holds 'Bronze'"),
        (lambda f: f, {"unit": "unit"}, ParameterError, "name yours in unit="),
        (lambda f: f, {"outcomes": ["leds"]}, ParameterError, "did you mean 'leads'"),
        (lambda f: f, {"control": "kontrol"}, ParameterError, "did you mean 'control'"),
        (lambda f: f, {"received": "visits"}, ParameterError, "must be 1 or 0"),
    ],
)  # fmt: skip
def test_trials_that_cannot_be_read_are_refused_in_one_line(change, asked, kind, said):
    with pytest.raises(kind, match=said):
        Trial.from_frame(change(_played(_experiment())[1]), **{"unit": "partner", "outcomes": ["leads"]} | asked)


@pytest.mark.parametrize(
    ("variants", "order"),
    [
        (["Compound", "Control"], ("Control", "Compound")),
        (["b", "a"], ("a", "b")),
        (pd.Categorical(["low", "high"], categories=["low", "high", "none"]), ("low", "high")),
    ],
)
def test_who_is_compared_with_whom_follows_the_names(variants, order):
    frame = pd.DataFrame({"variant": variants, "leads": [1.0, 2.0]})

    assert Trial.from_frame(frame, unit=None, outcomes=["leads"]).variants == order


def test_tiers_may_be_numbers_or_an_ordered_categorical():
    rank = [3.0, None, 1.0, 2.0]
    names = pd.Categorical(["Gold", None, "Base", "Silver"], categories=["Base", "Silver", "Gold"], ordered=True)
    frame = pd.DataFrame({"variant": list("abab"), "rank": rank, "name": names})
    trial = Trial.from_frame(frame, unit=None, outcomes=[Metric(name="rank", kind="tier", tiers=("1", "2", "3")), "name"])

    assert trial.metrics[1].tiers == ("Base", "Silver", "Gold")
    for values in trial.outcomes.values():
        np.testing.assert_equal(values, [2.0, np.nan, 0.0, 1.0])


def test_one_cluster_in_a_variant_is_refused():
    frame = _played(_experiment())[1]
    frame["variant"] = np.where(frame["manager"] == "m00", "treatment", "control")

    with pytest.raises(SampleError, match="has 1 cluster"):
        analyze_experiment(Trial.from_frame(frame, unit="partner", outcomes=["leads"], cluster="manager"))


def test_the_order_of_rows_does_not_matter():
    dealt, frame = _played(_experiment(strata=("tier",)))
    readings = [
        analyze_experiment(Trial.from_frame(rows, experiment=dealt.experiment), assignment=dealt, draws=0) for rows in (frame, frame[::-1])
    ]

    assert readings[0].table.iloc[0, 3:8].astype(float).tolist() == pytest.approx(readings[1].table.iloc[0, 3:8].astype(float).tolist())


def test_early_looks_have_wider_intervals():
    looks = Looks(planned=4, stopping="group sequential")
    levels = [_read(_experiment(looks=looks), look=look, draws=0).table["level"].iloc[0] for look in (1, 2, 3, 4)]

    assert levels == sorted(levels, reverse=True)
    assert 0.95 < levels[-1] < 0.96


@pytest.mark.parametrize("stopping", ["group sequential", "always valid"])
def test_a_look_at_several_variants_says_of_which_it_speaks_and_what_p_values_are(stopping):
    variants = tuple(Variant(name=name) for name in ("control", "call", "dinner"))
    experiment = _experiment(looks=Looks(planned=4, stopping=stopping), variants=variants, metrics=(LEADS, MONTHS))
    checks = _read(experiment, look=2, draws=0).checks

    said = [check.detail.split(" of 4")[0] for check in checks if check.name == "looks"]
    assert said == ["call: look 2", "dinner: look 2"]
    assert "p-values are those of one look alone" in next(check.detail for check in checks if check.name == "comparisons")


def test_an_outcome_that_is_the_same_within_blocks_tells_nothing():
    reading = _read(_experiment(strata=("tier",)), change=lambda frame: frame.assign(leads=np.where(frame["tier"] == "Gold", 0.1, 0.3)))

    assert np.isnan(reading.table["std_error"].iloc[0])
    assert reading.verdicts[0].earned is Evidence.D


def test_looks_may_lie_unevenly_and_say_when_to_give_up():
    looks = Looks(planned=2, stopping="group sequential", shares=(0.75, 1.0), give_up=True)
    early, even = (
        _read(_experiment(looks=given), look=1, effect=0.2, draws=0) for given in (looks, Looks(planned=2, stopping="group sequential"))
    )
    said = next(check.detail for check in early.checks if check.name == "giving up")

    assert early.table["level"].iloc[0] < even.table["level"].iloc[0]  # three quarters of the information may spend more
    assert said.startswith("give up: z is ")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"planned": 2, "stopping": "group sequential", "shares": (0.5,)}, "2 numbers that rise"),
        ({"planned": 2, "stopping": "group sequential", "shares": (0.5, 0.4)}, "2 numbers that rise"),
        ({"planned": 2, "stopping": "always valid", "give_up": True}, "belongs to stopping: group sequential"),
    ],
)
def test_looks_that_cannot_be_are_refused(asked, said):
    with pytest.raises(SpecError, match=said):
        Looks(**asked)


def test_verdicts_of_several_variants_lie_side_by_side_at_the_level_they_share():
    variants = tuple(Variant(name=name) for name in ("off", "letter", "call"))
    reading = _read(_experiment(variants=variants))
    both = compare_verdicts(reading.verdicts)

    assert both.level == 0.95
    assert both.table[["conf_low", "conf_high"]].to_numpy() == pytest.approx(
        reading.table.sort_values("variant")[["conf_low", "conf_high"]].to_numpy()
    )


def test_a_look_that_was_not_declared_is_refused():
    with pytest.raises(ParameterError, match="look 3 was not declared"):
        _read(_experiment(looks=Looks(planned=2, stopping="group sequential")), look=3)


def test_always_valid_looks_hold_together():
    random, looks = np.random.default_rng(1), np.arange(1, 9) / 8
    walks = np.cumsum(random.normal(size=(4000, 8)), axis=1) / np.sqrt(np.arange(1, 9))
    reach = np.array([always_valid_reach(share) for share in looks])

    assert (np.abs(walks) > reach).any(axis=1).mean() < 0.05


def test_a_fixed_experiment_says_what_peeking_would_do():
    notes = [check.detail for check in _read(_experiment(quarters=4)).checks if check.name == "looks"]

    assert "12\u00a0%" in notes[0] or "13\u00a0%" in notes[0]


def test_readings_keep_their_verdicts_with_the_table():
    reading = _read(_experiment())

    assert reading.keys == ["metric", "variant", "effect"]
    assert dataclasses.replace(reading, level=0.95).verdicts[0].estimate == reading.table["estimate"].iloc[0]


@pytest.mark.parametrize("adjustment", [None, "common", "none"])
def test_large_trials_read_from_moments_say_what_their_rows_say(monkeypatch, adjustment):
    random = np.random.default_rng(7)
    n = 6000
    frame = pd.DataFrame({"unit": np.arange(n), "variant": random.choice(["a", "b", "c"], n), "before": random.gamma(2.0, 2.0, n)})
    frame = frame.assign(
        visits=random.poisson(3.0, n) + 1.0, leads=frame["before"] + random.normal(size=n) + 0.2 * (frame["variant"] == "c")
    )
    frame = frame.assign(orders=random.binomial(frame["visits"].astype(int), 0.3))
    asked = {"outcomes": ["leads", Metric(name="orders", kind="ratio", per="visits")], "pre": ["before"]}
    read = {}
    for least in (n, n + 1):
        monkeypatch.setattr("partnerlab.experiments.trial.MANY_UNITS", least)
        read[least] = analyze_experiment(Trial.from_frame(frame, **asked), adjustment=adjustment)

    moments, rows = read[n], read[n + 1]
    exact = ["metric", "variant", "n"]
    pd.testing.assert_frame_equal(moments.table[exact], rows.table[exact])
    np.testing.assert_allclose(moments.table["estimate"], rows.table["estimate"], rtol=1e-7)
    np.testing.assert_allclose(moments.table["std_error"], rows.table["std_error"], rtol=5e-3)
    assert [(check.name, check.passed) for check in moments.checks] == [(check.name, check.passed) for check in rows.checks]


def test_a_large_trial_with_gaps_is_read_row_by_row(monkeypatch):
    monkeypatch.setattr("partnerlab.experiments.trial.MANY_UNITS", 10)
    frame = pd.DataFrame({"unit": range(40), "variant": ["a", "b"] * 20, "leads": [np.nan, *map(float, range(39))]})

    trial = Trial.from_frame(frame, outcomes=["leads"])

    assert trial.moments is None
    assert analyze_experiment(trial).table["n"].tolist() == [39]


@pytest.mark.parametrize("units", [[-3, 0, 12], [12, 0, -3], ["-3", "0", "12"], [0, 9, 10], [5, 6, 98], [100, 2**40, 2**62]])
def test_units_are_named_alike_whether_they_are_numbers_in_order_or_not(units):
    frame = pd.DataFrame({"unit": [*units, type(units[0])(2**62 + 1)], "variant": ["a", "b", "a", "b"], "leads": [1.0, 2.0, 3.0, 4.0]})

    assert Trial.from_frame(frame, outcomes=["leads"]).units.tolist() == [*map(str, units), str(2**62 + 1)]


def test_a_relative_effect_is_over_the_control_in_the_same_strata():
    """Gold brings ten times as much, and most of it is treated: over all controls the lift would be far off."""
    random = np.random.default_rng(8)
    table = pd.DataFrame({"unit": range(400), "tier": np.repeat(["Gold", "Silver"], 200)})
    table["variant"] = np.where(table["unit"] % 200 < np.where(table["tier"] == "Gold", 150, 50), "on", "off")
    level = np.where(table["tier"] == "Gold", 50.0, 5.0)
    table["y"] = level * np.where(table["variant"] == "on", 1.2, 1.0) + random.normal(size=400)
    row = analyze_experiment(Trial.from_frame(table, outcomes=["y"], stratum="tier"), draws=0).table.iloc[0]

    assert row["control_alike"] == pytest.approx(27.5, abs=0.2)
    assert row["relative"] == pytest.approx(0.2, abs=0.01)
    assert row["relative_low"] < 0.2 < row["relative_high"]
    assert row["control"] == pytest.approx(16.25, abs=0.2)


def test_few_managers_have_the_wild_bootstraps_p_value_beside():
    random = np.random.default_rng(9)
    manager = np.repeat(np.arange(8), [4, 6, 8, 10, 12, 14, 16, 18])
    table = pd.DataFrame({"unit": range(len(manager)), "manager": manager, "variant": np.where(manager % 2, "on", "off")})
    table["y"] = random.normal(size=len(table)) + 0.4 * random.normal(size=8)[manager] + 0.5 * (table["variant"] == "on")
    row = analyze_experiment(Trial.from_frame(table, outcomes=["y"], cluster="manager"), draws=99).table.iloc[0]
    design = np.column_stack([np.ones(len(table)), table["variant"] == "on"]).astype(float)

    assert row["p_wild"] == wild_test(table["y"].to_numpy(), design, manager, column=1).p_value
    assert np.isnan(analyze_experiment(Trial.from_frame(table, outcomes=["y"]), draws=99).table["p_wild"].iloc[0])


def test_strata_and_clusters_are_dealt_again_in_every_way_there_is():
    """Two of five and two of four managers: 60 deals, counted here one by one."""
    random = np.random.default_rng(5)
    sizes, stratum, dealt = random.integers(3, 9, 9), np.repeat([0, 1], [5, 4]), np.array([1, 0, 1, 0, 0, 1, 1, 0, 0])
    manager = np.repeat(np.arange(9), sizes)
    y = random.normal(size=len(manager)) + 0.8 * random.normal(size=9)[manager] + dealt[manager] + 2 * stratum[manager]
    table = pd.DataFrame({"unit": range(len(y)), "manager": manager, "tier": stratum[manager], "y": y})
    table["variant"] = np.where(dealt[manager] == 1, "on", "off")
    rest = y - table.groupby("tier")["y"].transform("mean").to_numpy()
    pairs = itertools.product(itertools.combinations(range(5), 2), itertools.combinations(range(5, 9), 2))
    ways = [np.isin(manager, [*first, *second]) for first, second in pairs]
    gaps = np.array([abs(rest[way].mean() - rest[~way].mean()) for way in ways])
    seen = abs(rest[dealt[manager] == 1].mean() - rest[dealt[manager] == 0].mean())
    row = analyze_experiment(Trial.from_frame(table, outcomes=["y"], cluster="manager", stratum="tier")).table.iloc[0]

    assert row["p_redrawn"] == pytest.approx((gaps >= seen * (1 - 1e-9)).mean())
    # R: clubSandwich's coef_test of lm(y ~ z * (tier - mean(tier))), CR2
    assert row[["estimate", "std_error", "df"]].tolist() == pytest.approx([1.96073, 0.62630, 3.96755], abs=5e-6)
