"""Tests by chance, multiplicity, sample ratios, tiers as outcomes: as R (coin, stats, multcomp, MASS, ordinal) gives them."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, rankdata

from partnerlab.experiments import Metric, Trial, analyze_experiment
from partnerlab.stats.hazards.cox_fit import CoxData, fit_cox_data
from partnerlab.stats.inference.multiplicity import adjust_p_values, dunnett_p_values
from partnerlab.stats.inference.stratified_tables import common_odds
from partnerlab.stats.regressions.designs import Column
from partnerlab.stats.regressions.ordinal import Cumulative
from partnerlab.stats.regressions.regression import OutcomeRows, make_model
from partnerlab.stats.trials.arm_hazards import arm_hazards
from partnerlab.stats.trials.mixed_tier_odds import mixed_tier_odds
from partnerlab.stats.trials.randomization import exact_p_value, normal_statistic
from partnerlab.stats.trials.srm import ratio_mismatch, ratio_test, ratio_z
from partnerlab.stats.trials.tier_odds import check_tier_odds, tier_odds

pytestmark = pytest.mark.external
WINE = (("warm", "temp", "warm"), ("contact", "contact", "yes"))


@pytest.fixture(scope="module")
def folder(external_data):
    return external_data / "reference" / "effects"


@pytest.fixture(scope="module")
def case(folder):
    return lambda name: json.loads(next((folder / "cases").glob(f"{name}_*.json")).read_text())["values"]


def _two_sided(statistic):
    return 2 * norm.sf(abs(statistic))


def test_darwins_pairs_are_as_surprising_as_fisher_counted(folder, case):
    differences = pd.read_csv(folder / "data" / "fisher_zea.csv")["diff"].to_numpy(float)
    score = np.column_stack([differences, np.zeros(15)]).ravel()
    deal = (score, np.tile([True, False], 15), np.repeat(np.arange(15), 2))
    values = case("C09")

    assert exact_p_value(*deal, two_sided=False) == pytest.approx(values["zea_one_sided"], abs=1e-12)
    assert exact_p_value(*deal) == pytest.approx(values["zea_two_sided"], abs=1e-12)


def test_two_samples_of_sleep_are_compared_exactly(folder, case):
    sleep, values = pd.read_csv(folder / "data" / "sleep.csv"), case("C09")
    first, one = (sleep["group"] == 1).to_numpy(), np.zeros(20, dtype=int)

    assert exact_p_value(sleep["extra"].to_numpy(), first, one) == pytest.approx(values["sleep_coin_exact_p"], abs=1e-12)
    assert exact_p_value(rankdata(sleep["extra"]), first, one) == pytest.approx(values["sleep_wilcox_exact_p"], abs=1e-12)


def test_strata_are_kept_when_warp_breaks_are_dealt_again(folder, case):
    warp, values = pd.read_csv(folder / "data" / "warpbreaks.csv"), case("C09")
    wool, tension = (warp["wool"] == "A").to_numpy(), pd.factorize(warp["tension"])[0]
    breaks, rank = warp["breaks"].to_numpy(float), rankdata(warp["breaks"])

    assert normal_statistic(breaks, wool, tension) == pytest.approx(values["warp_strat_asym_z"], abs=1e-10)
    assert _two_sided(normal_statistic(rank, wool, tension)) == pytest.approx(values["warp_vanElteren_asym_p"], abs=1e-10)
    assert exact_p_value(rank, wool, tension) == pytest.approx(values["warp_strat_wilcox_exact_p"], abs=1e-9)
    assert exact_p_value(breaks, wool, tension) == pytest.approx(values["warp_strat_approx_p"], abs=0.001)  # theirs was drawn


def test_admissions_to_berkeley_hardly_differ_within_departments(folder, case):
    rows, values = pd.read_csv(folder / "data" / "ucb_admissions.csv"), case("C09")
    tables = rows["Freq"].to_numpy().reshape(-1, 2, 2)  # department, gender, admission
    plain, corrected = common_odds(tables), common_odds(tables, corrected=True)
    ends = np.exp(math.log(plain.odds_ratio) + norm.ppf([0.025, 0.975]) * plain.log_error)

    assert (plain.statistic, plain.p_value) == pytest.approx(tuple(values["ucb_cmh_nocorrect"].values()), abs=1e-9)
    assert (corrected.statistic, corrected.p_value) == pytest.approx((values["ucb_cmh"]["stat"], values["ucb_cmh"]["p"]), abs=1e-9)
    assert plain.odds_ratio == pytest.approx(values["ucb_cmh"]["common_or"], abs=1e-10)
    assert ends == pytest.approx(values["ucb_cmh"]["ci"], abs=1e-9)


@pytest.mark.parametrize("method", ["BH", "BY", "holm", "hochberg", "hommel", "bonferroni"])
def test_adjusted_p_values_equal_those_of_r(case, method):
    values = case("C10")

    assert adjust_p_values(np.array(values["p"]), method=method) == pytest.approx(values[method], abs=1e-10)


def test_blankets_are_held_against_one_control(folder, case):
    minutes = pd.read_csv(folder / "data" / "recovery.csv").groupby("blanket")["minutes"]
    n, mean, values = minutes.size(), minutes.mean(), case("C10")
    df = int(n.sum() - len(n))
    spread = (minutes.var() * (n - 1)).sum() / df
    t = ((mean - mean["b0"]) / np.sqrt(spread * (1 / n + 1 / n["b0"])))[1:].to_numpy()
    asked = {"treated": n[1:].to_numpy(), "control": float(n["b0"]), "df": df}

    assert dunnett_p_values(-t, two_sided=False, **asked) == pytest.approx(values["dunnett_less"]["p"], abs=5e-4)
    assert dunnett_p_values(t, **asked) == pytest.approx(values["dunnett_two"]["p"], abs=5e-4)


def test_sample_ratios_mismatch_as_elsewhere(folder, case):
    values = case("C19")
    arms = pd.read_csv(folder / "data" / "ab_partners.csv")["arm"]

    for row in values["chi2"]:
        assert ratio_mismatch(np.array(row["counts"]), np.array(row["ratio"])) == pytest.approx((row["chi2"], row["p"]), rel=1e-10)
    assert ratio_test(300, 240) == pytest.approx(values["imb_300_240"]["binom_p"], abs=1e-10)
    assert ratio_test(300, 240, method="normal") == pytest.approx(values["imb_300_240"]["norm_p"], abs=1e-10)
    assert ratio_test(300, 240, method="corrected") == pytest.approx(values["imb_300_240"]["norm_corrected_p"], abs=1e-10)
    assert ratio_test(int((arms == 1).sum()), int((arms == 0).sum())) == pytest.approx(values["ab_partners_p"], abs=1e-10)


def _switches(table, column, base):
    names = [name for name in table[column].unique() if name != base]
    return tuple(Column(name=f"{column}{name}", values=(table[column] == name).to_numpy(float)) for name in names)


def test_odds_of_satisfied_tenants_equal_those_of_r(folder, case):
    housing, theirs = pd.read_csv(folder / "data" / "housing.csv"), case("C07")["polr"]
    satisfied = pd.Index(["Low", "Medium", "High"]).get_indexer(housing["Sat"])
    others = (*_switches(housing[["Infl"]].replace("High", "Low"), "Infl", "Low"), *_switches(housing, "Type", "Tower"))
    others = (*others, *_switches(housing, "Cont", "Low"))
    found = tier_odds(satisfied, (housing["Infl"] == "High").to_numpy(), others=others, weight=housing["Freq"].to_numpy(float))
    place = theirs["term"].index("InflHigh")

    assert found == pytest.approx((theirs["est"][place], theirs["se"][place]), abs=2e-4)


def test_contact_makes_wine_bitter_as_often_as_counted(folder, case):
    wine, values = pd.read_csv(folder / "data" / "wine.csv").assign(unit=range(72)), case("C07")
    metric = Metric(name="rating", kind="tier", tiers=("1", "2", "3", "4", "5"))
    trial = Trial.from_frame(wine.assign(rating=wine["rating"].astype(str)), outcomes=[metric], variant="contact", control="no")
    row = analyze_experiment(trial, draws=9999).table.iloc[0]
    rank = rankdata(wine["rating"])
    exact = exact_p_value(rank, (wine["contact"] == "yes").to_numpy(), np.zeros(72, dtype=int))

    assert row["win_probability"] == pytest.approx(values["win_probability_contact"], abs=1e-12)
    assert row["p_redrawn"] == pytest.approx(exact, abs=0.003)
    assert _two_sided(normal_statistic(rank, (wine["contact"] == "yes").to_numpy(), np.zeros(72, dtype=int))) == pytest.approx(
        values["wilcoxon_p_contact"], abs=1e-10
    )


def test_odds_of_bitter_wine_equal_those_of_r(folder, case):
    wine, theirs = pd.read_csv(folder / "data" / "wine.csv"), case("C07")["clm"]
    warm = Column(name="warm", values=(wine["temp"] == "warm").to_numpy(float))
    found = tier_odds(wine["rating"].to_numpy(), (wine["contact"] == "yes").to_numpy(), others=(warm,))

    assert found == pytest.approx((theirs["est"][-1], theirs["se"][-1]), abs=2e-4)


def test_times_to_recurrence_are_compared_as_in_r(folder, case):
    colon, values = pd.read_csv(folder / "data" / "colon_recurrence.csv"), case("C08")
    metric = Metric(name="time", kind="time", event="status", until=1825.0)
    trial = Trial.from_frame(colon, outcomes=[metric], unit="id", variant="rx", control="Obs")
    table = analyze_experiment(trial, draws=0).table.set_index("variant")
    area = pd.DataFrame(values["colon_rmst_1825"]).set_index("arm")

    for arm in ("Lev", "Lev+5FU"):
        ours, theirs, control = table.loc[arm], area.loc[f"rx={arm}"], area.loc["rx=Obs"]
        assert ours["treated"] == pytest.approx(theirs["rmean"], abs=1e-5)
        assert ours["estimate"] == pytest.approx(theirs["rmean"] - control["rmean"], abs=1e-5)
        assert ours["std_error"] == pytest.approx(math.hypot(theirs["se"], control["se"]), abs=1e-5)


def test_log_rank_tests_keep_their_strata_as_in_r(folder, case):
    lung, values = pd.read_csv(folder / "data" / "lung.csv").assign(unit=range(228)), case("C08")
    lung = lung.assign(status=lung["status"] - 1)
    metric = Metric(name="time", kind="time", event="status", until=365.0)
    plain = analyze_experiment(Trial.from_frame(lung, outcomes=[metric], variant="sex"), draws=0).table.iloc[0]
    known = lung[lung["ph.ecog"].notna() & (lung["ph.ecog"] < 3)]
    within = analyze_experiment(Trial.from_frame(known, outcomes=[metric], variant="sex", stratum="ph.ecog"), draws=0).table.iloc[0]

    assert (plain["log_rank"], plain["log_rank_p"]) == pytest.approx(tuple(values["lung_logrank"].values()), abs=1e-4)
    # the one patient of the fourth stratum is compared with nobody, so leaving it out changes nothing
    assert (within["log_rank"], within["log_rank_p"]) == pytest.approx(tuple(values["lung_logrank_strat_ecog"].values()), abs=1e-4)


def test_within_judges_bitterness_has_the_odds_of_r(folder, case):
    wine, theirs = pd.read_csv(folder / "data" / "wine.csv"), case("C07")["clmm"]
    known = np.column_stack([wine["temp"] == "warm", wine["contact"] == "yes"]).astype(float)
    found = mixed_tier_odds(wine["rating"].to_numpy(), known, wine["judge"].to_numpy())

    assert [*found.thresholds, *found.effect] == pytest.approx(theirs["est"], abs=2e-4)
    assert [*found.threshold_error, *found.effect_error] == pytest.approx(theirs["se"], abs=2e-4)
    assert (found.spread, found.log_likelihood) == pytest.approx((theirs["sd"], theirs["logLik"]), abs=2e-4)


def test_every_coefficient_of_ordered_outcomes_is_that_of_r(folder, case):
    wine, theirs = pd.read_csv(folder / "data" / "wine.csv"), case("C07")["clm"]
    columns = [Column(name=name, values=(wine[key] == one).to_numpy(float)) for name, key, one in WINE]
    rows = OutcomeRows(columns=tuple(columns), outcome=wine["rating"].to_numpy() - 1)
    model = make_model(rows, Cumulative(outcomes=5))
    best = model.fit()[0]
    error = np.sqrt(np.diag(model.back @ model.covariance(best, kind="model") @ model.back.T))

    assert model.back @ best.beta == pytest.approx(theirs["est"], abs=2e-4)
    assert error == pytest.approx(theirs["se"], abs=2e-4)
    assert best.loglik == pytest.approx(theirs["logLik"], abs=1e-6)


def test_tenants_coefficients_and_deviance_are_those_of_r(folder, case):
    housing, theirs = pd.read_csv(folder / "data" / "housing.csv"), case("C07")["polr"]
    satisfied = pd.Index(["Low", "Medium", "High"]).get_indexer(housing["Sat"])
    columns = [
        Column(name=term, values=(housing[key] == term.removeprefix(key)).to_numpy(float))
        for term in theirs["term"][:6]
        for key in ("Infl", "Type", "Cont")
        if term.startswith(key)
    ]
    model = make_model(
        OutcomeRows(columns=tuple(columns), outcome=satisfied, weight=housing["Freq"].to_numpy(float)), Cumulative(outcomes=3)
    )
    best = model.fit()[0]
    found, error = model.back @ best.beta, np.sqrt(np.diag(model.back @ model.covariance(best, kind="model") @ model.back.T))

    assert [*found[2:], *found[:2]] == pytest.approx(theirs["est"], abs=2e-4)
    assert [*error[2:], *error[:2]] == pytest.approx(theirs["se"], abs=2e-4)
    assert -2 * best.loglik == pytest.approx(theirs["deviance"], abs=1e-6)


def test_contact_is_tested_against_none_and_for_one_odds_ratio_as_in_r(folder, case):
    wine, values = pd.read_csv(folder / "data" / "wine.csv"), case("C07")
    warm = Column(name="warm", values=(wine["temp"] == "warm").to_numpy(float))
    alike, common = check_tier_odds(wine["rating"].to_numpy(), (wine["contact"] == "yes").to_numpy(), others=(warm,))

    assert (alike.statistic, alike.p_value) == pytest.approx((values["lr_contact"]["stat"], values["lr_contact"]["p"]), abs=1e-6)
    assert (common.statistic, common.df) == pytest.approx(
        (values["nominal_contact_lr"]["stat"], values["nominal_contact_lr"]["df"]), abs=1e-6
    )


def test_hazard_ratios_of_three_arms_are_those_of_one_cox_model_in_r(folder, case):
    colon, values = pd.read_csv(folder / "data" / "colon_recurrence.csv"), case("C08")
    metric = Metric(name="time", kind="time", event="status", until=1825.0)
    reading = analyze_experiment(Trial.from_frame(colon, outcomes=[metric], unit="id", variant="rx", control="Obs"), draws=0)
    table, theirs = reading.table, values["colon_cox"]
    said = next(check.detail for check in reading.checks if check.name == "hazards of time")

    assert table["log_hazard_ratio"].tolist() == pytest.approx(theirs["coef"], abs=1e-5)
    assert table["log_hazard_error"].tolist() == pytest.approx(theirs["se"], abs=1e-5)
    assert table["one_ratio_p"].tolist() == pytest.approx([values["colon_zph"]["p"][0]] * 2, abs=1e-5)
    assert [table["median_control"][0], *table["median_treated"]] == [1236, 1183, math.inf]
    assert [table["left_control"][0], *table["left_treated"]] == pytest.approx(values["colon_surv_1825"], abs=1e-5)
    assert f"{values['colon_logrank3']['chisq']:.1f} on 2 df" in said


def test_hazards_within_strata_and_beside_age_are_those_of_r(folder, case):
    values = case("C08")
    ovarian = pd.read_csv(folder / "data" / "ovarian.csv").assign(unit=range(26))
    lung = pd.read_csv(folder / "data" / "lung.csv").assign(unit=range(228)).dropna(subset=["ph.ecog"])
    days = Metric(name="futime", kind="time", event="fustat", until=365.0)
    first = analyze_experiment(Trial.from_frame(ovarian, outcomes=[days], variant="rx", pre=["age"]), draws=0).table.iloc[0]
    days = Metric(name="time", kind="time", event="status", until=365.0)
    lung = lung.assign(status=lung["status"] - 1)
    second = analyze_experiment(
        Trial.from_frame(lung[lung["ph.ecog"] < 3], outcomes=[days], variant="sex", pre=["age"], stratum="ph.ecog"), draws=0
    ).table.iloc[0]

    for row, name in ((first, "ovarian_cox"), (second, "lung_cox_strata")):
        found = (row["log_hazard_ratio"], row["log_hazard_error"])
        assert found == pytest.approx((values[name]["coef"][0], values[name]["se"][0]), abs=1e-5)
    assert first["log_rank"] == pytest.approx(values["ovarian_logrank"]["chisq"], abs=1e-4)
    assert first["log_rank_p"] == pytest.approx(values["ovarian_logrank"]["p"], abs=1e-4)


def test_every_coefficient_and_p_value_of_the_cox_models_is_that_of_r(folder, case):
    values = case("C08")
    ovarian, lung = (pd.read_csv(folder / "data" / f"{name}.csv") for name in ("ovarian", "lung"))
    colon, lung = pd.read_csv(folder / "data" / "colon_recurrence.csv"), lung.dropna(subset=["ph.ecog"])
    arms = [Column(name=name, values=(colon["rx"] == name).to_numpy(float)) for name in ("Lev", "Lev+5FU")]
    fits = {
        "ovarian_cox": _cox(ovarian["futime"], ovarian["fustat"] == 1, _plain(ovarian, "rx", "age")),
        "lung_cox_strata": _cox(lung["time"], lung["status"] == 2, _plain(lung, "sex", "age"), stratum=lung["ph.ecog"].to_numpy(int)),
        "colon_cox": _cox(colon["time"], colon["status"] == 1, arms),
    }
    for name, fit in fits.items():
        found, error = fit.best.beta / fit.scale, np.sqrt(np.diag(fit.covariance(kind="model"))) / fit.scale
        assert found == pytest.approx(values[name]["coef"], abs=1e-5)
        assert error == pytest.approx(values[name]["se"], abs=1e-5)
        assert _two_sided(found / error) == pytest.approx(values[name]["p"], abs=1e-5)


def _plain(table, *names):
    return [Column(name=name, values=table[name].to_numpy(float)) for name in names]


def _cox(time, event, columns, **more):
    return fit_cox_data(CoxData(columns=tuple(columns), exits=time.to_numpy(float), event=event.to_numpy(), **more))


def test_errors_of_hazard_ratios_by_hospital_are_those_of_r(folder, case):
    lung, theirs = pd.read_csv(folder / "data" / "lung.csv").dropna(subset=["inst"]), case("C08")["lung_cox_cluster_inst"]
    rows = (lung["time"].to_numpy(float), lung["status"].to_numpy() == 2, lung["sex"].to_numpy() - 1)
    plain = arm_hazards(*rows)
    clustered = arm_hazards(*rows, cluster=lung["inst"].to_numpy(int), errors="cluster")

    assert (plain.log_ratio[0], plain.std_error[0]) == pytest.approx((theirs["coef"], theirs["se"]), abs=1e-5)
    assert clustered.std_error[0] == pytest.approx(theirs["robust_se"], abs=1e-5)
    assert _two_sided(clustered.log_ratio[0] / clustered.std_error[0]) == pytest.approx(theirs["p"], abs=1e-5)


def test_plain_tests_beside_the_exact_ones_are_those_of_r(folder, case):
    values = case("C09")
    zea, sleep = pd.read_csv(folder / "data" / "fisher_zea.csv")["diff"], pd.read_csv(folder / "data" / "sleep.csv")
    pairs = pd.DataFrame(
        {"pair": np.repeat(range(15), 2), "arm": ["crossed", "selfed"] * 15, "height": np.column_stack([zea, 0 * zea]).ravel()}
    )
    pairs["unit"] = range(30)
    paired = analyze_experiment(Trial.from_frame(pairs, outcomes=["height"], variant="arm", stratum="pair"), draws=0).table.iloc[0]
    two = analyze_experiment(Trial.from_frame(sleep.assign(unit=range(20)), outcomes=["extra"], variant="group"), draws=0).table.iloc[0]
    tables = pd.read_csv(folder / "data" / "warpbreaks.csv")
    warp = normal_statistic(tables["breaks"].to_numpy(float), (tables["wool"] == "A").to_numpy(), pd.factorize(tables["tension"])[0])
    far = exact_p_value(sleep["extra"].to_numpy(), (sleep["group"] == 1).to_numpy(), np.zeros(20, dtype=int))

    assert paired["p_value"] == pytest.approx(values["zea_t_p"], abs=1e-8)
    assert round(values["zea_one_sided"] * 2**15) == values["zea_count"]
    assert two["p_value"] == pytest.approx(values["sleep_welch_p"], abs=1e-8)
    assert far == pytest.approx(values["sleep_exact_diffmeans_two_sided"], abs=1e-8)
    assert _two_sided(warp) == pytest.approx(values["warp_strat_asym_p"], abs=1e-8)


def test_variants_arrived_alike_in_every_tier(folder, case):
    partners, theirs = pd.read_csv(folder / "data" / "ab_partners.csv"), case("C19")["by_tier_z"]
    counts = partners.groupby(["tier", "arm"]).size().unstack()

    assert ratio_z(counts[1].to_numpy(), counts[0].to_numpy()) == pytest.approx([theirs[tier] for tier in counts.index], abs=1e-10)


def test_blankets_differ_from_the_control_by_what_r_finds(folder, case):
    mean = pd.read_csv(folder / "data" / "recovery.csv").groupby("blanket")["minutes"].mean()

    assert (mean - mean["b0"])[1:].tolist() == pytest.approx(case("C10")["dunnett_less"]["est"], abs=1e-10)
