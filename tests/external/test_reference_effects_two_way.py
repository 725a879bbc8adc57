"""Two-way fixed effects, Sun-Abraham and Goodman-Bacon as R's fixest and bacondecomp compute them, through the public door and below it."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from partnerlab.effects import TacticPanel, compare_adoption, estimate_adoption
from partnerlab.stats.causes.did import NEVER
from partnerlab.stats.causes.two_way import bacon_weights, event_times, fit_two_way, interaction_weighted, two_way_events

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def reference(external_data):
    return external_data / "reference" / "effects"


@pytest.fixture(scope="module")
def fixest(reference):
    return json.loads((reference / "cases" / "C02_mpdta_twfe_sunab.json").read_text())["values"]


@pytest.fixture(scope="module")
def bacon(reference):
    return json.loads((reference / "cases" / "C14_bacon.json").read_text())["values"]


@pytest.fixture(scope="module")
def table(reference):
    return pd.read_csv(reference / "data" / "mpdta.csv")


@pytest.fixture(scope="module")
def counties(table):
    by_county = table.groupby("countyreal")
    first = by_county["first.treat"].first().to_numpy()
    return {
        "outcome": table.pivot(index="countyreal", columns="year", values="lemp").to_numpy(),
        "adopted": np.where(first == 0, NEVER, first - 2003),
        "state": pd.factorize(by_county["state"].first())[0],
    }


@pytest.mark.parametrize(("case", "clusters"), [("twfe_static", None), ("twfe_static_cluster_state", "state")])
def test_static_two_way_effects(fixest, counties, case, clusters):
    adopted = counties["adopted"]
    on = (event_times(adopted, 5) >= 0) & (adopted != NEVER)[:, None]
    code = np.arange(len(adopted)) if clusters is None else counties[clusters]

    line = fit_two_way(counties["outcome"], on[:, :, None].astype(float), clusters=code)

    assert line.coefficients[0] == pytest.approx(fixest[case]["est"], abs=1e-7)
    assert line.covariance[0, 0] ** 0.5 == pytest.approx(fixest[case]["se"], abs=1e-6)
    assert _p_value(line.coefficients[0], line.covariance[0, 0] ** 0.5, code) == pytest.approx(fixest[case]["p"], abs=1e-6)


def _p_value(estimate, error, clusters):
    return 2 * stats.t.sf(np.abs(estimate / error), len(np.unique(clusters)) - 1)


def test_two_way_event_study(fixest, counties):
    line = two_way_events(counties["outcome"], counties["adopted"], clusters=np.arange(500))

    np.testing.assert_allclose(line.att, fixest["twfe_event"]["est"], atol=1e-7)
    errors = np.sqrt(np.diag(line.covariance))
    np.testing.assert_allclose(errors, fixest["twfe_event"]["se"], atol=1e-6)
    np.testing.assert_allclose(_p_value(line.att, errors, np.arange(500)), fixest["twfe_event"]["p"], rtol=1e-5)
    assert [f"rel::{event}" for event in line.at] == fixest["twfe_event"]["term"]


def test_interaction_weights(fixest, counties):
    line = interaction_weighted(counties["outcome"], counties["adopted"], clusters=np.arange(500))

    assert [f"year::{event}" for event in line.at] == fixest["sunab_event"]["term"]
    assert [f"cohort::{group + 2003}" for group in line.group] == fixest["sunab_cohort"]["term"]
    np.testing.assert_allclose(line.att, fixest["sunab_event"]["est"], atol=1e-7)
    np.testing.assert_allclose(np.sqrt(np.diag(line.covariance)), fixest["sunab_event"]["se"], atol=1e-6)
    assert line.overall == pytest.approx(fixest["sunab_att"]["est"], abs=1e-7)
    assert line.overall_error == pytest.approx(fixest["sunab_att"]["se"], abs=1e-6)
    np.testing.assert_allclose(line.group_att, fixest["sunab_cohort"]["est"], atol=1e-7)
    np.testing.assert_allclose(line.group_error, fixest["sunab_cohort"]["se"], atol=1e-6)


def test_bacon_weights_of_counties(bacon, counties):
    found = bacon_weights(counties["outcome"], counties["adopted"])
    said = bacon["mpdta"]
    years = {(one, 99999 if other == NEVER else other + 2003): place for place, (one, other) in
             enumerate(zip(found.treated + 2003, found.compared, strict=True))}  # fmt: skip
    order = [years[pair] for pair in zip(said["treated"], said["untreated"], strict=True)]

    np.testing.assert_allclose(found.estimate[order], said["estimate"], atol=1e-7)
    np.testing.assert_allclose(found.weight[order], said["w"], atol=1e-7)
    assert found.weight @ found.estimate == pytest.approx(said["twfe"], abs=1e-7)
    weights, averages = _by_kind(found)
    np.testing.assert_allclose(weights, said["weight"], atol=1e-7)
    np.testing.assert_allclose(averages, said["avg_estimate"], atol=1e-7)


def _by_kind(found):
    """Weights and average estimates of earlier against later, later against earlier, and treated against untreated."""
    never = found.compared == NEVER
    kinds = [~never & ~found.forbidden, found.forbidden, never]
    return [found.weight[kind].sum() for kind in kinds], [np.average(found.estimate[kind], weights=found.weight[kind]) for kind in kinds]


def test_bacon_weights_of_castle_doctrine(reference, bacon):
    table = pd.read_csv(reference / "data" / "castle.csv")
    outcome = table.pivot(index="state", columns="year", values="l_homicide").to_numpy()
    post = table.pivot(index="state", columns="year", values="post").to_numpy() > 0
    adopted = np.where(post.any(axis=1), post.argmax(axis=1), NEVER)

    found = bacon_weights(outcome, adopted)

    assert len(found.weight) == bacon["castle"]["n_2x2"]
    assert found.weight @ found.estimate == pytest.approx(bacon["castle"]["twfe"], abs=1e-7)
    weights, averages = _by_kind(found)
    np.testing.assert_allclose(weights, bacon["castle"]["weight"], atol=1e-7)
    np.testing.assert_allclose(averages, bacon["castle"]["avg_estimate"], atol=1e-7)
    line = fit_two_way(outcome, post[:, :, None].astype(float), clusters=np.arange(len(outcome)))
    assert line.covariance[0, 0] ** 0.5 == pytest.approx(bacon["castle"]["twfe_se_cluster"], abs=1e-7)


def test_the_public_door_takes_the_table_as_it_is(reference, fixest, table):
    frame = table.assign(on=(table["first.treat"] > 0) & (table["year"] >= table["first.treat"]))
    panel = TacticPanel.from_frame(frame, partner="countyreal", quarter="year", outcome="lemp", treated="on")
    did = json.loads((reference / "cases" / "C01_mpdta_cs.json").read_text())["values"]

    beside = compare_adoption(panel).table.set_index(["estimator", "at"])
    effects = estimate_adoption(panel, control="never")

    row = beside.loc[("interaction", "partner-quarters")]
    assert row["estimate"] == pytest.approx(fixest["sunab_att"]["est"], abs=1e-7)
    assert row["std_error"] == pytest.approx(fixest["sunab_att"]["se"], abs=1e-6)
    assert beside.loc[("two-way", "partner-quarters"), "std_error"] == pytest.approx(fixest["twfe_static"]["se"], abs=1e-6)
    simple = did["none|reg|nevertreated"]["agg"]["simple"]
    assert effects.at("overall")["estimate"] == pytest.approx(simple["overall_att"], abs=1e-7)
    assert effects.at("overall")["std_error"] == pytest.approx(simple["overall_se"], abs=1e-6)
