"""The simulator and the road that its rows walk: validation finds what was put in, the panel finds what was drawn."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from partnerlab.intake import connect, validate
from partnerlab.intake.simulate import Dirt, Truth, simulate_program
from partnerlab.panel import build_panel

SMALL = {"n_partners": 120, "n_quarters": 6}


@pytest.fixture(scope="module")
def clean():
    """A small spotless program and its panel."""
    simulation = simulate_program(Truth(**SMALL, dirt=Dirt.none()), seed=21)
    return simulation, build_panel(simulation.source(), first="2023Q1", last="2024Q2", only=("leads", "leads_4q", "relevance"))


def test_a_program_without_dirt_has_nothing_rejected_and_nothing_quarantined(clean):
    found = validate(clean[0].source()).table
    assert found[found["grade"].isin(["reject", "quarantine"])].empty


def test_validation_finds_as_much_dirt_as_was_put_in():
    dirt = Dirt(test_partners=2, negative_deals=3, created_after_closed=4, orphan_transactions=5, ancient_cases=6, exact_duplicates=0)
    found = validate(simulate_program(Truth(**SMALL, dirt=dirt), seed=21).source()).table
    quarantined = found[found["grade"] == "quarantine"].groupby(["table", "rule"])["rows"].sum().to_dict()
    wanted = {("partners", "Q7"): 2, ("deals", "Q4"): 3, ("deals", "Q2"): 4, ("transactions", "Q5"): 5, ("cases", "Q1"): 6}
    assert quarantined == wanted


def test_the_panel_counts_the_leads_that_were_drawn(clean):
    simulation, panel = clean
    members = panel.state == 1
    drawn = simulation.realized.leads[:, simulation.truth.lead_in :]
    np.testing.assert_array_equal(panel.values("leads")[members], drawn[members])


def test_the_lead_in_makes_the_first_trailing_windows_whole(clean):
    simulation, panel = clean
    members = panel.state[:, 0] == 1
    year = simulation.realized.leads[:, simulation.truth.lead_in - 3 : simulation.truth.lead_in + 1].sum(axis=1)
    np.testing.assert_array_equal(panel.values("leads_4q")[members, 0], year[members])


def test_the_panel_s_exposure_is_the_share_of_days(clean):
    simulation, panel = clean
    np.testing.assert_allclose(panel.exposure, simulation.realized.exposure[:, simulation.truth.lead_in :], atol=1e-6)


def test_the_panel_knows_the_relevance_last_said(clean):
    simulation, panel = clean
    members = panel.state == 1
    said = simulation.realized.latents.relevance[:, simulation.truth.lead_in :]
    np.testing.assert_array_equal(panel.values("relevance")[members], said[members])


def test_as_of_the_quarter_s_end_late_leads_are_not_known(clean):
    simulation, panel = clean
    then = build_panel(simulation.source(), first="2023Q1", last="2024Q2", only=("leads",), as_of=dt.datetime(2024, 7, 1))
    known, later = np.nansum(then.values("leads")[:, -1]), np.nansum(panel.values("leads")[:, -1])
    assert 0.5 * later < known < later


def test_the_twin_s_panel_holds_the_expected_leads():
    simulation = simulate_program(Truth.plain(**SMALL), seed=4)
    panel = build_panel(connect(simulation.noise_free(scale=40)), first="2023Q1", last="2024Q2", only=("leads",))
    members = panel.state == 1
    np.testing.assert_allclose(panel.values("leads")[members] / 40, simulation.truth_rates()[members], atol=1 / 40)


def test_a_written_program_is_read_back_as_it_was(clean, tmp_path):
    simulation, panel = clean
    with connect(simulation.write(tmp_path / "demo.duckdb")) as source:
        again = build_panel(source, first="2023Q1", last="2024Q2", only=("leads", "leads_4q", "relevance"))
    assert again.digest == panel.digest
