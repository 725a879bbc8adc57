"""Tests by chance, multiplicity, sample ratios, tiers as outcomes: as R (coin, stats, multcomp, MASS, ordinal) gives them."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, rankdata

from partnerlab.stats.multiplicity import adjust_p_values, dunnett_p_values
from partnerlab.stats.randomization import exact_p_value, normal_statistic
from partnerlab.stats.srm import ratio_mismatch, ratio_test
from partnerlab.stats.stratified_tables import common_odds

pytestmark = pytest.mark.external


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
