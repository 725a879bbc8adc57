"""Callaway-Sant'Anna as R's did computes it: effects by group and time, aggregates, clustered errors."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from partnerlab.stats.causes.did import NEVER, group_time_effects
from partnerlab.stats.causes.did_aggregates import aggregate_effects, influence_covariance

pytestmark = pytest.mark.external
SPECS = [f"{covariates}|{score}|{control}" for covariates in ("none", "lpop") for score in ("dr", "reg", "ipw")
         for control in ("nevertreated", "notyettreated")]  # fmt: skip
KINDS = {"simple": "simple", "dynamic": "event", "group": "group", "calendar": "calendar"}


@pytest.fixture(scope="module")
def reference(external_data):
    return external_data / "reference" / "effects"


@pytest.fixture(scope="module")
def case(reference):
    return json.loads((reference / "cases" / "C01_mpdta_cs.json").read_text())


@pytest.fixture(scope="module")
def counties(reference):
    table = pd.read_csv(reference / "data" / "mpdta.csv")
    by_county = table.groupby("countyreal")
    first = by_county["first.treat"].first().to_numpy()
    return {
        "outcome": table.pivot(index="countyreal", columns="year", values="lemp").to_numpy(),
        "adopted": np.where(first == 0, NEVER, first - 2003),
        "lpop": by_county["lpop"].first().to_numpy()[:, None],
        "state": pd.factorize(by_county["state"].first())[0],
    }


def _fit(counties, spec):
    covariates, score, control, *more = spec.split("|")
    return group_time_effects(
        counties["outcome"],
        counties["adopted"],
        covariates=counties["lpop"] if covariates == "lpop" else None,
        score=score,
        control="never" if control == "nevertreated" else "not_yet",
        base="universal" if "universal" in more else "varying",
        anticipation=int("anticipation=1" in more),
    )


def _errors(influence, clusters=None):
    return np.sqrt(np.diag(influence_covariance(influence, clusters=clusters)))


@pytest.mark.parametrize("spec", [*SPECS, "none|dr|nevertreated|anticipation=1"])
def test_effects_by_group_and_time_equal_those_of_r(spec, case, counties):
    effects, wanted = _fit(counties, spec), case["values"][spec]

    assert (effects.group + 2003).tolist() == wanted["group"]
    assert (effects.time + 2003).tolist() == wanted["time"]
    np.testing.assert_allclose(effects.att, wanted["att"], atol=case["tol"]["att"])
    np.testing.assert_allclose(_errors(effects.influence), wanted["se"], atol=case["tol"]["se"])


@pytest.mark.parametrize("spec", SPECS)
def test_errors_clustered_by_state_equal_those_of_r(spec, case, counties):
    effects = _fit(counties, spec)

    np.testing.assert_allclose(
        _errors(effects.influence, counties["state"]), case["values"][spec]["se_cluster_state"], atol=case["tol"]["se"]
    )


@pytest.mark.parametrize("spec", SPECS)
def test_joint_tests_of_all_effects_before_adoption_equal_those_of_r(spec, case, counties):
    effects, wanted = _fit(counties, spec), case["values"][spec]
    before = effects.event_time < 0
    att = effects.att[before]
    found = att @ np.linalg.solve(influence_covariance(effects.influence[:, before]), att)

    assert found == pytest.approx(wanted["wald_pretest_stat"], rel=1e-8)
    assert stats.chi2.sf(found, before.sum()) == pytest.approx(wanted["wald_pretest_p"], abs=5e-6)  # five places are given


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SPECS)
def test_aggregates_equal_those_of_r(spec, kind, case, counties):
    wanted = case["values"][spec]["agg"][kind]
    found = aggregate_effects(_fit(counties, spec), kind=KINDS[kind])

    assert found.overall == pytest.approx(wanted["overall_att"], abs=case["tol"]["att"])
    whole = found.overall_influence[:, None]
    assert _errors(whole)[0] == pytest.approx(wanted["overall_se"], abs=case["tol"]["se"])
    assert _errors(whole, counties["state"])[0] == pytest.approx(wanted["overall_se_cluster_state"], abs=case["tol"]["se"])
    if wanted["egt"] is not None:
        np.testing.assert_allclose(found.att, wanted["att"], atol=case["tol"]["att"])
        np.testing.assert_allclose(_errors(found.influence), wanted["se"], atol=case["tol"]["se"])
        np.testing.assert_allclose(_errors(found.influence, counties["state"]), wanted["se_cluster_state"], atol=case["tol"]["se"])


@pytest.mark.parametrize("more", ["universal", "balance_e=1"])
def test_event_studies_with_another_base_or_balanced_equal_those_of_r(more, case, counties):
    wanted = case["values"][f"none|dr|nevertreated|{more}"]
    balance = 1 if more == "balance_e=1" else None
    found = aggregate_effects(_fit(counties, f"none|dr|nevertreated|{more}"), kind="event", balance=balance)

    assert found.at.tolist() == wanted["egt"]
    assert found.overall == pytest.approx(wanted["overall_att"], abs=case["tol"]["att"])
    np.testing.assert_allclose(found.att, wanted["att"], atol=case["tol"]["att"])
    theirs = np.array([np.nan if error is None else error for error in wanted["se"]])
    np.testing.assert_allclose(_errors(found.influence)[~np.isnan(theirs)], theirs[~np.isnan(theirs)], atol=case["tol"]["se"])
    assert _errors(found.overall_influence[:, None])[0] == pytest.approx(wanted["overall_se"], abs=case["tol"]["se"])
