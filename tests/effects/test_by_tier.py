"""Effects by tier: what is pooled, what stays unknown, what is refused."""

import numpy as np
import pandas as pd
import pytest

from partnerlab import estimate_by_tier, simulate_world
from partnerlab.effects import TacticPanel, TacticStudy, estimate_on_off
from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.stats.shrinkage.hierarchy import pool_cells


@pytest.fixture
def cells():
    rng = np.random.default_rng(4)
    tactics, tiers = ["Call", "Dinner", "Webinar", "Training"], ["Bronze", "Silver", "Gold"]
    table = pd.MultiIndex.from_product([tactics, tiers], names=["tactic", "tier"]).to_frame(index=False)
    true = np.where(table["tactic"] == "Dinner", 0.5, 0.0)
    return table.assign(estimate=rng.normal(true, 0.15), std_error=0.15, n=90)


def test_the_best_tactic_leads_and_the_best_raw_cell_is_taken_down(cells):
    found = estimate_by_tier(cells)
    loud = found.table["raw"].idxmax()

    assert found.top["tactic"] == "Dinner"
    assert found.table.loc[loud, "estimate"] < found.table.loc[loud, "raw"]
    assert found.table["best"].sum() == pytest.approx(1)
    assert (found.cells, list(found.spreads)) == (12, ["cell", "tactic", "tier"])
    assert found.keys == ["tactic", "tier"]


def test_numbers_are_those_of_the_array_function(cells):
    pooled = pool_cells(cells["estimate"], cells["std_error"], groups=(cells["tactic"], cells["tier"]), material=0.2)
    table = estimate_by_tier(cells, material=0.2).table

    assert table["estimate"].to_numpy() == pytest.approx(pooled.mean)
    assert table["material"].to_numpy() == pytest.approx(pooled.material)
    assert (table["material"] < table["positive"]).all()


def test_a_cell_without_error_stays_unknown_and_is_said(cells):
    cells.loc[3, "std_error"] = np.nan
    found = estimate_by_tier(cells)

    assert np.isnan(found.table.loc[3, ["estimate", "conf_low", "best"]].to_numpy(float)).all()
    assert found.table.loc[3, "raw"] == cells.loc[3, "estimate"]
    assert found.checks[0].passed is False
    assert "1 cell of 12" in found.checks[0].detail


def test_errors_from_few_managers_are_widened(cells):
    wide = estimate_by_tier(cells.assign(managers=4), df="managers").table

    assert wide["raw_error"].to_numpy() == pytest.approx(0.15 * 2.7764 / 1.96, rel=1e-4)
    assert (wide["std_error"] > estimate_by_tier(cells).table["std_error"]).all()


def test_false_discoveries_are_counted_over_all_cells(cells):
    from scipy.stats import false_discovery_control, norm

    p = 2 * norm.sf(np.abs(cells["estimate"] / cells["std_error"]))

    assert estimate_by_tier(cells).table["q_value"].to_numpy() == pytest.approx(false_discovery_control(p))


def test_counts_of_the_cells_stay_beside_them(cells):
    table = estimate_by_tier(cells.assign(managers=range(12), partners=30)).table

    assert table["managers"].tolist() == list(range(12))
    assert table.columns[-2:].tolist() == ["partners", "managers"]


def test_shared_errors_and_regions_are_taken(cells):
    both = pd.concat([cells.assign(region="North"), cells.assign(region="South")], ignore_index=True)
    shared = 0.15**2 * (0.5 * np.eye(24) + 0.5)
    found = estimate_by_tier(both, by=("tactic", "tier", "region"), covariance=shared)

    assert found.overall_error > estimate_by_tier(both, by=("tactic", "tier", "region")).overall_error
    with pytest.raises(ParameterError, match="24 cells"):
        estimate_by_tier(both, by=("tactic", "tier", "region"), covariance=np.eye(3))


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (lambda cells: cells.rename(columns={"tier": "tir"}), MissingTableError, "did you mean 'tir'"),
        (lambda cells: pd.concat([cells, cells.iloc[:2]]), SampleError, "2 cells stand twice, first \\(Call, Bronze\\)"),
        (lambda cells: cells.assign(std_error=0.0), SampleError, "12 cells have no error above 0"),
        (lambda cells: cells.iloc[:2], SampleError, "three are needed"),
    ],
)
def test_cells_that_cannot_be_pooled_are_refused_in_one_line(cells, spoil, error, says):
    with pytest.raises(error, match=says):
        estimate_by_tier(spoil(cells))


def test_pooling_does_not_raise_a_grade(cells):
    assert estimate_by_tier(cells).evidence.value == "D"


def test_tiers_of_a_world_come_back_in_their_order():
    """World B's tactic does .30, .20 and .10 by tier before it."""
    panel = TacticPanel.from_frame(simulate_world("B", seed=3).to_frame(), manager="manager", tier="tier", covariates=["health"])
    study = TacticStudy(tactic="Dinner", stakes={"unit": "leads"}, covariates=({"name": "health"},))
    effects = estimate_on_off(panel, study=study).table.query("group != 'all'")
    table = estimate_by_tier(effects, by=("group",)).table.set_index("group")

    assert len(table) == 3
    least_known = table["raw_error"].idxmax()
    assert table.loc[least_known, "std_error"] < table.loc[least_known, "raw_error"]
    for tier, true in {"Bronze": 0.30, "Silver": 0.20, "Gold": 0.10}.items():
        assert abs(table.loc[tier, "estimate"] - true) < 3.5 * table.loc[tier, "std_error"]


def test_cells_without_a_scale_are_refused(cells):
    with pytest.raises(SampleError, match="12 cells have no scale above 0"):
        estimate_by_tier(cells.assign(spread=0.0), scale="spread")


def test_cells_without_degrees_of_freedom_are_refused():
    cells = pd.DataFrame({"tactic": ["Dinner"] * 3, "tier": list("abc"), "estimate": [0.1, 0.2, 0.3], "std_error": 0.1, "n": 9, "df": 0.0})

    with pytest.raises(SampleError, match="3 cells have no degrees of freedom"):
        estimate_by_tier(cells, df="df")
