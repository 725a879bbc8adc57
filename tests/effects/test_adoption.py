"""Adoption that stays: the public door, its refusals, and the estimators beside it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic, compare_adoption, estimate_adoption
from partnerlab.effects.sample import first_starts
from partnerlab.errors import ParameterError, SampleError
from partnerlab.intake.simulate import simulate_world
from partnerlab.results import Evidence
from partnerlab.stats.causes.did import group_time_effects
from partnerlab.stats.causes.did_aggregates import aggregate_effects, influence_covariance
from partnerlab.verdicts import Stakes

HEALTH = (Known(name="health", at="start", lag=0),)


def _panel(seed=1, **options):
    frame = simulate_world("A", seed=seed, **({"partners": 150} | options)).to_frame()
    return TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])


def _study(**options):
    return TacticStudy(tactic="Portal", stakes=Stakes(unit="leads"), **({"covariates": HEALTH} | options))


@pytest.fixture(scope="module")
def effects():
    return estimate_adoption(_panel(), study=_study())


def test_the_public_door_gives_the_array_functions_numbers(effects):
    panel = _panel()
    raw = group_time_effects(panel.outcome, panel.adopted, covariates=panel.covariates["health"][:, :, None])
    whole = aggregate_effects(raw, kind="simple")
    error = influence_covariance(whole.overall_influence[:, None], clusters=panel.steady_manager)[0, 0] ** 0.5

    row = effects.at("overall")

    assert row["estimate"] == pytest.approx(whole.overall)
    assert row["std_error"] == pytest.approx(error * np.sqrt((effects.df + 1) / effects.df))  # managers are few


def test_intervals_are_students_with_treated_managers_less_one(effects):
    from scipy.stats import t

    panel, row = _panel(), effects.at("overall")
    users = len(np.unique(panel.steady_manager[panel.adopted >= 0]))

    assert effects.df == users - 1
    assert row["conf_high"] - row["estimate"] == pytest.approx(t.ppf(0.975, users - 1) * row["std_error"])


def test_bands_are_wider_than_intervals(effects):
    assert (effects.table["band_low"] <= effects.table["conf_low"]).all()
    assert (effects.table["band_high"] >= effects.table["conf_high"]).all()


def test_the_influence_of_partners_gives_the_error_back(effects):
    code = _panel().steady_manager

    plain = np.sqrt((np.bincount(code, effects.influence) ** 2).sum())

    assert plain * np.sqrt((effects.df + 1) / effects.df) == pytest.approx(effects.at("overall")["std_error"])


def test_partners_treated_when_first_seen_are_left_out_and_counted():
    frame = simulate_world("A", seed=2, partners=150).to_frame()
    late = frame[(frame["quarter"] >= "2025Q3")]
    panel = TacticPanel.from_frame(late)
    already = int(panel.on[:, 0].sum())

    effects = estimate_adoption(panel)

    check = next(check for check in effects.checks if check.name == "starts seen")
    assert already > 0
    assert check.passed is False
    assert check.detail.startswith(f"{already} partners")


def test_a_tactic_that_stops_again_is_no_adoption():
    frame = simulate_world("B", seed=1, partners=150).to_frame()

    effects = estimate_adoption(TacticPanel.from_frame(frame))

    assert effects.evidence.value == "D"
    assert "estimate_on_off" in next(check.detail for check in effects.checks if check.name == "stays on")


def test_only_eligible_tiers_are_taken():
    all_tiers, gold = (estimate_adoption(_panel(), study=_study(tiers=tiers)).partners for tiers in ((), ("Gold", "Silver")))

    assert 0 < gold < all_tiers


def test_a_covariate_with_a_lag_leaves_comparisons_that_start_before_it_is_known(effects):
    lagged = estimate_adoption(_panel(), study=_study(covariates=(Known(name="health", lag=2),)))

    assert lagged.cells["estimate"].isna().sum() > effects.cells["estimate"].isna().sum()
    assert "not known" in next(check.detail for check in lagged.checks if check.name == "covariates known")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.assign(treated=False), "no partner was seen with it"),
        (lambda frame: frame.assign(treated=frame["quarter"] >= "2025Q1"), "every partner had it at once"),
        (
            lambda frame: frame.assign(manager=np.where(frame["treated"].groupby(frame["partner"]).transform("any"), "M1", "M2")),
            "only 1 manager",
        ),
        (lambda frame: frame.assign(manager=frame["manager"].where(frame["partner"] != "P0000")), "1 of 150 partners have no manager"),
    ],
)
def test_bad_studies_get_one_clear_refusal(change, said):
    frame = simulate_world("A", seed=1, partners=150).to_frame()

    with pytest.raises(SampleError, match=said):
        estimate_adoption(TacticPanel.from_frame(change(frame), manager="manager"))


@pytest.mark.parametrize("options", [{"tiers": ("Golt",)}, {"covariates": (Known(name="helth"),)}])
def test_what_the_panel_does_not_have_is_named(options):
    with pytest.raises(ParameterError, match="did you mean"):
        estimate_adoption(_panel(), study=_study(**options))


def test_pre_trends_are_doubted_where_managers_react_to_results():
    doubted = [estimate_adoption(_switching(seed)).pre_trend < 0.1 for seed in range(4)]

    assert all(doubted)


def _switching(seed):
    return TacticPanel.from_frame(simulate_world("B", seed=seed).to_frame(), manager="manager")


def test_estimators_stand_side_by_side_and_bacon_says_what_two_way_averages():
    found = compare_adoption(_panel(), study=_study())

    overall = found.table[found.table["aggregate"] == "overall"].set_index("estimator")["estimate"]
    assert overall["naive"] < 0 < overall["group-time"]
    assert (found.bacon["weight"] * found.bacon["estimate"]).sum() == pytest.approx(overall["two-way"])
    assert found.bacon["forbidden"].any()


def test_unbalanced_panels_have_no_bacon_weights_but_every_estimator():
    frame = simulate_world("A", seed=1, partners=150).to_frame().sample(frac=0.9, random_state=1)

    found = compare_adoption(TacticPanel.from_frame(frame))

    assert found.bacon.empty
    assert pd.notna(found.table.loc[found.table["aggregate"] == "overall", "estimate"]).all()


def test_partners_alike_in_past_results_compare_where_asked():
    plain, matched = (estimate_adoption(_panel(), study=_study(), matched=matched).at("overall") for matched in (False, True))

    assert plain["estimate"] != matched["estimate"]
    assert plain["n"] == matched["n"]


def test_few_treated_managers_widen_the_interval_not_the_many_that_compare():
    panel = _panel()
    used = panel.steady_manager < 8
    few = dataclasses.replace(panel, treated=np.where(used[:, None], panel.treated, 0.0))

    assert estimate_adoption(few, study=_study()).df == 7


def _events(found):
    """Cells that compare two quarters, with quarters since adoption."""
    place = {label: at for at, label in enumerate(sorted(found.cells["quarter"].unique()))}
    cells = found.cells.assign(at=found.cells["quarter"].map(place) - found.cells["group"].map(place))
    return cells.dropna(subset="estimate")


def test_a_base_quarter_for_all_leaves_effects_alone_and_adds_up_those_before():
    asked = {"study": _study(covariates=()), "control": "never"}
    steps, whole = (estimate_adoption(_panel(), base=base, **asked) for base in ("varying", "universal"))
    one, two = (each.table[each.table["aggregate"] == "event"].set_index("at")["estimate"] for each in (steps, whole))
    step, sum_ = (_events(each).set_index(["group", "at"])["estimate"].unstack() for each in (steps, whole))

    np.testing.assert_allclose(two[["0", "1", "2"]], one[["0", "1", "2"]])
    assert two["-1"] == 0
    np.testing.assert_allclose(sum_[-3], -(step[-1] + step[-2]))


def test_stretches_of_time_are_averaged_by_partners_and_the_base_quarter_is_no_effect():
    found = estimate_adoption(_panel(), study=_study(), base="universal", bins=(-3, 0, 1, 4))
    bins = found.table[found.table["aggregate"] == "bin"].set_index("at")
    cells = _events(found)
    during, before = cells[cells["at"].between(1, 3)], cells[cells["at"].between(-3, -2)]

    assert bins.index.tolist() == ["-3 to -1", "0", "1 to 3", "4 on"]
    assert bins.loc["0", "estimate"] == pytest.approx(found.at("event", 0)["estimate"])
    assert bins.loc["0", "std_error"] == pytest.approx(found.at("event", 0)["std_error"])
    assert bins.loc["1 to 3", "estimate"] == pytest.approx(np.average(during["estimate"], weights=during["treated"]))
    assert bins.loc["-3 to -1", "estimate"] == pytest.approx(np.average(before["estimate"], weights=before["treated"]))


def test_one_stretch_of_everything_after_is_the_headline():
    found = estimate_adoption(_panel(), study=_study(), bins=(0,))
    columns = ["estimate", "std_error", "conf_low", "conf_high", "n"]

    np.testing.assert_allclose(found.at("bin", "0 on")[columns].astype(float), found.at("overall")[columns].astype(float))


def test_balanced_groups_stay_the_same_along_the_way():
    found = estimate_adoption(_panel(), study=_study(), balance=2)
    after = found.table[(found.table["aggregate"] == "event") & (found.table["at"].astype(str).isin(["0", "1", "2"]))]

    assert after["n"].nunique() == 1
    assert found.pre_trend == estimate_adoption(_panel(), study=_study()).pre_trend


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": "long"}, "base is 'long'"),
        ({"balance": -1}, "balance -1; give 0 or more"),
        ({"bins": (2, 0)}, "bins are .2, 0.; give the first quarter of each, in order"),
    ],
)
def test_bases_and_stretches_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        estimate_adoption(_panel(), study=_study(), **options)


def _copied(frame, copies):
    """Partners of a world as many times as they stand for, under other names."""
    several = [frame[frame["partner"].map(copies) > copy] for copy in range(max(copies.values()))]
    return pd.concat([rows.assign(partner=rows["partner"] + f" {copy}") for copy, rows in enumerate(several)])


def test_a_partner_that_stands_for_three_is_three_partners_of_one_manager():
    frame = simulate_world("A", seed=3, partners=90).to_frame()
    copies = {partner: 1 + place % 3 for place, partner in enumerate(frame["partner"].unique())}
    asked = {"manager": "manager", "covariates": ["health"]}
    weighted = TacticPanel.from_frame(frame.assign(stands_for=frame["partner"].map(copies)), weight="stands_for", **asked)
    one = estimate_adoption(weighted, study=_study()).table
    other = estimate_adoption(TacticPanel.from_frame(_copied(frame, copies), **asked), study=_study()).table

    np.testing.assert_allclose(one["estimate"], other["estimate"])
    np.testing.assert_allclose(one["std_error"], other["std_error"])


def test_who_counts_all_partners_alike_refuses_weights():
    frame = simulate_world("A", seed=1, partners=60).to_frame().assign(mass=2.0)
    panel = TacticPanel.from_frame(frame, weight="mass", covariates=["health"])

    with pytest.raises(ParameterError, match="sampling weights are read by estimate_adoption and estimate_on_off alone"):
        compare_adoption(panel, study=_study())


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_the_naive_difference_has_the_clustered_error_of_its_regression(gaps):
    from partnerlab.stats.regressions.linear import clustered_covariance, fit_line

    frame = simulate_world("A", seed=2, partners=80).to_frame()
    frame.loc[np.random.default_rng(1).random(len(frame)) < gaps, "outcome"] = np.nan
    panel = TacticPanel.from_frame(frame, manager="manager")
    found = compare_adoption(panel).table.query("estimator == 'naive'").iloc[0]
    seen = np.isfinite(panel.outcome) & (first_starts(panel)[1] & np.isfinite(panel.outcome).any(axis=1))[:, None]
    line = fit_line(panel.outcome[seen], np.column_stack([np.ones(seen.sum()), panel.on[seen]]))
    owner = np.unique(np.broadcast_to(panel.steady_manager[:, None], seen.shape)[seen], return_inverse=True)[1]

    assert found["estimate"] == pytest.approx(line.coefficients[1])
    assert found["std_error"] == pytest.approx(clustered_covariance(line, owner, correction="CR1")[1, 1] ** 0.5)
    assert found["n"] == panel.on[seen].sum()


@pytest.mark.parametrize("repeated", ["twice", "constant", "of the quarter"])
def test_a_covariate_that_tells_nothing_more_is_left_out_and_named(repeated):
    panel = _panel()
    health = panel.covariates["health"]
    more = {"twice": 2 * health + 1, "constant": np.ones(panel.shape), "of the quarter": np.tile(np.arange(12.0), (len(health), 1))}
    both = dataclasses.replace(panel, covariates={"health": health, "again": more[repeated]})
    study = _study(covariates=(*HEALTH, Known(name="again", at="start", lag=0)))

    found, wanted = estimate_adoption(both, study=study), estimate_adoption(panel, study=_study())

    pd.testing.assert_frame_equal(found.table, wanted.table)
    told = {check.name: check.detail for check in found.checks}
    assert told["covariates tell"].startswith("again at the start of the quarter left out")


def test_partners_to_compare_with_are_counted_and_too_few_give_no_verdict():
    panel = dataclasses.replace(_panel(), manager=np.full((150, 12), -1), managers=())
    compared = np.arange(150) < 5
    on = (np.arange(12) >= 6) & ~compared[:, None]
    few = dataclasses.replace(panel, treated=on.astype(float), covariates={})
    study = _study(covariates=())

    found, said = estimate_adoption(few, study=study), analyze_tactic(few, study=study)

    assert found.compared == 5
    assert found.df == 4
    assert found.evidence is Evidence.D
    assert said.verdict.earned is Evidence.D


@pytest.mark.parametrize("spread", [lambda at: 2 * at, lambda at: np.array([0, 1, 4, 5, 6, 9, 12, 13, 17, 18, 19, 25])[at]])
@pytest.mark.parametrize("choice", [{}, {"base": "universal"}, {"control": "never", "score": "dr"}])
def test_quarters_in_which_nobody_was_seen_are_passed_over(choice, spread):
    frame = simulate_world("A", seed=1, partners=120).to_frame()
    at = pd.factorize(frame["quarter"], sort=True)[0]
    start = pd.Series(np.where(frame["treated"] == 1, at, np.inf)).groupby(frame["partner"].to_numpy()).transform("min")

    def cells(moved):
        begin = np.where(np.isfinite(start), moved(np.where(np.isfinite(start), start, 0).astype(int)), -1)
        rows = frame.assign(quarter=moved(at), start=np.where(begin < 0, np.inf, begin))
        rows = rows[rows.groupby("partner")["start"].transform("min") > 0]
        panel = TacticPanel.from_frame(rows, starts="start", manager="manager", covariates=["health"])
        return estimate_adoption(panel, study=_study(), **choice).cells.drop(columns=["group", "quarter"])

    pd.testing.assert_frame_equal(cells(spread), cells(lambda at: at), check_exact=False, rtol=1e-9)
