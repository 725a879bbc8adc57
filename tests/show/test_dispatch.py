"""`plot` and `tabulate` know every result of the house, from the nouns themselves."""

import dataclasses
import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError
from partnerlab.intake import Truth, connect, simulate_program, validate
from partnerlab.panel import Panel, build_panel
from partnerlab.results import TIDY, Result
from partnerlab.show import plot, tabulate
from partnerlab.spells import build_spells
from partnerlab.survival import compare_survival, estimate_hazard, estimate_incidence, estimate_survival
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers, estimate_shares, explain_tier
from partnerlab.transitions import backtest_forecast, compare_forecast, detect_movers, estimate_noise, estimate_transitions, forecast_tiers


@pytest.fixture(scope="module")
def road():
    source = simulate_program(Truth(n_partners=160, n_quarters=9, first="2024Q1"), seed=3).source()
    panel = build_panel(source, first="2024Q1", last="2026Q1", only=("leads", "relevance", "network_clients"))
    history = assign_tiers(panel, TierScheme.load("quadrant"))
    noise = estimate_noise(panel, scheme=history.scheme, draws=20, seed=1)
    spells = build_spells(history, of="membership")
    return {
        "source": source,
        "panel": panel,
        "history": history,
        "noise": noise,
        "flows": estimate_transitions(history, noise=noise),
        "by region": estimate_transitions(history, by="region"),
        "movers": detect_movers(history, noise=noise, quarter="2026Q1"),
        "forecast": forecast_tiers(history, seed=1),
        "forecast a year ahead": forecast_tiers(history, ahead=4, draws=200, seed=1),
        "backtest": backtest_forecast(history, first="2025Q2", ahead=2, draws=100, seed=1),
        "comparison": compare_forecast(forecast_tiers(history.until("2025Q4"), seed=1), history=history, quarter="2026Q1"),
        "survival": estimate_survival(spells),
        "survival by region": estimate_survival(spells, by="region"),
        "hazard": estimate_hazard(spells, by="quarter"),
        "season": estimate_hazard(spells, by="season"),
        "quality": validate(source),
        "longer": compare_survival(spells, by="region"),
        "endings": estimate_incidence(build_spells(history, of="any tier")),
        "endings by region": estimate_incidence(build_spells(history, of="any tier"), by="region"),
        "explanation": explain_tier(history, partner=str(history.partners[history.published[:, -1] >= 0][0]), quarter="2026Q1"),
    }


CALLS = {
    "indicator": lambda road: plot(road["panel"], indicator="leads"),
    "scores": lambda road: plot(road["history"].scores, quarter="2026Q1"),
    "counts": lambda road: plot(road["history"]),
    "quadrant": lambda road: plot(road["history"], view="quadrant", quarter="2025Q4"),
    "river": lambda road: plot(road["history"], view="flows", noise=road["noise"], movers=road["movers"]),
    "river of flows": lambda road: plot(road["history"], view="flows", noise=road["flows"]),
    "matrix": lambda road: plot(road["flows"]),
    "staying": lambda road: plot(road["by region"]),
    "one region": lambda road: plot(road["by region"], group=road["by region"].table["region"].iloc[0]),
    "movers": lambda road: plot(road["movers"]),
    "forecast": lambda road: plot(road["forecast"]),
    "fan": lambda road: plot(road["forecast a year ahead"]),
    "fan with the past": lambda road: plot(road["forecast a year ahead"], history=road["history"], last=road["comparison"]),
    "skill": lambda road: plot(road["backtest"]),
    "reliability": lambda road: plot(road["backtest"], view="reliability"),
    "comparison": lambda road: plot(road["comparison"]),
    "survival": lambda road: plot(road["survival"]),
    "survival by region": lambda road: plot(road["survival by region"]),
    "hazard": lambda road: plot(road["hazard"]),
    "season": lambda road: plot(road["season"]),
    "quality": lambda road: plot(road["quality"]),
    "noise": lambda road: plot(road["noise"]),
    "endings": lambda road: plot(road["endings"]),
    "endings of a region": lambda road: plot(road["endings by region"], group=str(road["endings by region"].table["region"].iloc[0])),
    "regions of an ending": lambda road: plot(road["endings by region"], cause="demotion"),
    "explanation": lambda road: plot(road["explanation"]),
    "who stays longer": lambda road: plot(road["longer"]),
    "any result": lambda road: plot(Result(estimand="Moved", table=road["flows"].moved.assign(whom="all")[["whom", *TIDY]]), kind="share"),
}
TABLES = {
    "counts": lambda road: tabulate(road["history"], rows=4),
    "flows": lambda road: tabulate(road["flows"]),
    "matrix": lambda road: tabulate(road["flows"], view="matrix"),
    "movers": lambda road: tabulate(road["movers"], rows=5),
    "forecast": lambda road: tabulate(road["forecast"]),
    "comparison": lambda road: tabulate(road["comparison"]),
    "backtest": lambda road: tabulate(road["backtest"]),
    "noise": lambda road: tabulate(road["noise"]),
    "survival": lambda road: tabulate(road["survival"], rows=5),
    "median": lambda road: tabulate(road["survival by region"], view="median"),
    "rmst": lambda road: tabulate(road["survival by region"], view="rmst"),
    "hazard": lambda road: tabulate(road["hazard"]),
    "quality": lambda road: tabulate(road["quality"]),
    "endings": lambda road: tabulate(road["endings"]),
    "explanation": lambda road: tabulate(road["explanation"]),
    "who stays longer": lambda road: tabulate(road["longer"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_result_has_a_picture_with_words(road, name):
    picture = CALLS[name](road)

    assert ET.fromstring(picture.svg()).get("aria-label") == picture.alt
    assert "nan" not in (picture.headline + picture.alt + picture.caption).split()
    assert len(picture.svg()) < 150_000


@pytest.mark.parametrize("name", TABLES)
def test_every_result_has_a_table_with_a_caption(road, name):
    view = TABLES[name](road)

    assert ET.fromstring(view.html().replace("&nbsp;", " ")).find("table/caption/span").text.strip()
    assert len(view.frame) >= len(view.rows)
    assert "nan" not in {cell for row in view.rows for cell in row}


def test_a_wish_that_nobody_has_drawn_names_what_there_is(road):
    with pytest.raises(ParameterError, match="no view 'quadrants'; did you mean 'quadrant'"):
        plot(road["history"], view="quadrants")
    with pytest.raises(ParameterError, match="no group 'Atlantis' in column region"):
        plot(road["by region"], group="Atlantis")
    with pytest.raises(ParameterError, match="there is no score 'relevanse'"):
        plot(road["history"].scores, score="relevanse")


def test_movers_of_another_quarter_are_not_set_beside_flows(road):
    with pytest.raises(ParameterError, match="the movers are those of 2026Q1, the flows those of 2025Q4"):
        plot(road["history"], view="flows", quarter="2025Q4", movers=road["movers"])


def test_a_history_without_axes_says_what_can_be_drawn():
    frame = pd.DataFrame({"partner": ["a", "a", "b"], "quarter": ["2026Q1", "2026Q2", "2026Q2"], "tier": ["gold", "gold", "base"]})
    history = TierHistory.from_frame(frame, order=("gold", "base"))

    assert plot(history).n == 2
    with pytest.raises(ParameterError, match="use view='counts'"):
        plot(history, view="quadrant")


def test_a_median_that_is_not_reached_is_no_lack_of_data(road):
    from partnerlab.spells import Spells

    spells = Spells.from_frame(pd.DataFrame({"partner": list("abcd"), "duration": [1, 4, 4, 4], "event": ["lapsed", "", "", ""]}))

    assert tabulate(estimate_survival(spells), view="median").rows[0][0] == "not reached"


def test_clean_data_are_shown_as_clean():
    clean = validate(connect({"partners": pd.DataFrame({"partner_id": ["P1", "P2"]})}))

    assert plot(clean).headline == "The data keep every rule of the contract"
    assert tabulate(clean).caption == "No rule of the data contract is broken in 1 table"


def test_money_of_movers_is_written_in_major_units(road):
    movers = dataclasses.replace(
        road["movers"], table=road["movers"].table.assign(indicator="revenue", before=12_345.0, now=100.0, estimate=0.0)
    )
    view = tabulate(movers, money=["revenue"], rows=1)

    assert view.rows[0][4:8] == ("<0.1\u00a0%", "revenue", "123", "1")
    assert view.frame["before"].iloc[0] == 12_345.0


COLD = """
import pickle, sys
from partnerlab.show import plot, tabulate
result = pickle.loads(sys.stdin.buffer.read())
print(tabulate(result, view="matrix").heads[0], len(plot(result).svg()) > 1000)
"""


def test_the_first_table_of_a_process_knows_all_its_views(road):
    done = subprocess.run([sys.executable, "-c", COLD], input=pickle.dumps(road["flows"]), capture_output=True, check=True)

    assert done.stdout.decode().strip() == "from tier True"


def test_what_a_partner_is_called_cannot_break_a_page():
    panel = Panel.from_frame(pd.DataFrame({"partner": ["<script>", "b&c"], "quarter": ["2026Q1", "2026Q1"], "leads": [1, 2]}))
    view = tabulate(panel.to_frame(), caption="Leads")

    assert "<script>" not in view.html()


def test_importing_the_room_is_quick_and_loads_no_drawing_library():
    code = "import sys, partnerlab.show; print([name for name in ('matplotlib', 'seaborn', 'duckdb', 'scipy') if name in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_frame_alone_can_be_drawn_from(road):
    assert np.isfinite(plot(road["panel"], indicator="leads").table["estimate"]).all()


@pytest.mark.parametrize(("options", "says"), [
    ({}, r"plot of a Panel needs indicator=; one of leads, relevance, network_clients"),
    ({"indicatr": "leads"}, "plot of a Panel has no option 'indicatr'; did you mean 'indicator'?"),
])  # fmt: skip
def test_an_option_that_is_missing_or_unknown_is_said(road, options, says):
    with pytest.raises(ParameterError, match=re.escape(says) if "?" in says else says):
        plot(road["panel"], **options)


def test_shares_are_drawn_with_their_goal():
    levels = [{"name": "Gold", "when": "x >= 1", "share": {"goal": 0.2}}, {"name": "Other", "all": []}]
    panel = Panel.from_frame(pd.DataFrame({"partner": list("abcd"), "quarter": "2026Q1", "x": [1.0, 1.0, 0.0, 0.0]}))
    history = assign_tiers(panel, TierScheme(scheme="demo", classify={"kind": "ladder", "levels": levels}))
    drawn = plot(estimate_shares(history))

    assert drawn.headline == "Gold at 50 %, not clearly off its goal of 20 %".replace(" %", "\N{NO-BREAK SPACE}%")
    assert "the upright line is the goal" in drawn.caption
    assert "goal 20" in drawn.alt
    with pytest.raises(ParameterError, match="no shares of '2026Q2'"):
        plot(estimate_shares(history), quarter="2026Q2")
