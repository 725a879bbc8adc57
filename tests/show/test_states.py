"""Pictures of multi-state results: words, numbers behind them, and no claim beyond an interval."""

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab.errors import ParameterError, SampleError
from partnerlab.show import plot, tabulate
from partnerlab.show.states import plot_occupancy


def _spells(partners=60, up=0.4, seed=1, mixed=False, lapse=0.03):
    rng = np.random.default_rng(seed)
    rows = []
    for partner in range(partners):
        state, time = "Gold" if mixed and partner % 2 else "Base", 0
        for _ in range(8):
            moves = {"Base": ("Gold", up), "Gold": ("Base", 0.1), "lapsed": ("lapsed", 0.0)}[state]
            after = "lapsed" if rng.random() < lapse and state != "lapsed" else moves[0] if rng.random() < moves[1] else state
            rows.append((f"p{partner}", time, time + 1, state, after, "north" if partner % 2 else "south"))
            state, time = after, time + 1
    frame = pd.DataFrame(rows, columns=["partner", "entry", "duration", "tier", "to", "region"])
    return lab.Spells.from_frame(frame, state="tier", event="to", states=["Base", "Gold", "lapsed"])


@pytest.fixture(scope="module")
def spells():
    return _spells()


def _headed(picture, *said):
    assert all(part in picture.headline for part in said), picture.headline
    assert picture.alt.strip()
    assert "<title>" in picture.svg()
    assert len(picture.table)


def test_the_state_that_changed_most_is_the_headline(spells):
    picture = plot(lab.estimate_state_occupancy(spells))

    _headed(picture, "Base shrinks from 100")
    assert "Gold" in picture.alt
    assert picture.n == 60


def test_a_change_within_its_interval_is_no_headline():
    picture = plot(lab.estimate_state_occupancy(_spells(partners=30, up=0.1, mixed=True, lapse=0.0)))

    assert picture.headline.startswith("No clear change")


def test_probabilities_are_drawn_from_one_state(spells):
    found = lab.estimate_state_probabilities(spells)

    _headed(plot(found, from_state="Gold"), "(from Gold)")
    with pytest.raises(ParameterError, match="did you mean 'Gold'"):
        plot(found, from_state="Golf")


def test_a_group_has_to_be_named(spells):
    found = lab.estimate_state_occupancy(spells, by="region")

    _headed(plot(found, group="north"), "(north)")
    with pytest.raises(ParameterError, match="name the group of region to draw: north, south"):
        plot(found)


def test_where_most_time_goes_is_said(spells):
    _headed(plot(lab.estimate_sojourn(spells, tau=8)), "Of 8 quarters a partner spends", "in Gold")


def test_half_have_arrived_or_how_many_have(spells):
    _headed(plot(lab.estimate_first_passage(spells, into="Gold")), "Half have entered Gold after")
    _headed(plot(lab.estimate_first_passage(spells, into="lapsed")), "have entered lapsed after")
    _headed(plot(lab.estimate_first_passage(spells, into="Gold", by="region")), "No clear difference by region")


def test_intensities_are_named_by_their_move(spells):
    picture = plot(lab.estimate_generator(spells))

    _headed(picture, "Base → Gold")
    assert set(picture.table["move"]) == {"Base → Gold", "Base → lapsed", "Gold → Base", "Gold → lapsed"}


def test_every_result_can_be_written_as_a_table(spells):
    for found in (lab.estimate_state_occupancy(spells), lab.estimate_sojourn(spells, tau=8), lab.estimate_generator(spells)):
        assert len(tabulate(found, rows=3).rows) == 3


def test_generators_behind_a_matrix_are_a_table():
    year = pd.DataFrame([[0.9, 0.1], [0.2, 0.8]], index=["Gold", "Base"], columns=["Gold", "Base"])
    found = lab.check_embedding(year)

    assert len(tabulate(found).rows) == 20
    with pytest.raises(ParameterError, match="read as a table"):
        plot(found)


def test_too_few_in_sight_is_no_picture(spells):
    table = lab.estimate_state_occupancy(spells).table.assign(n=3)

    with pytest.raises(SampleError, match="nothing to draw"):
        plot_occupancy(table, states=spells.states, level=0.95, period="2026", estimand="Shares")


def test_mobility_is_said_and_stays_are_drawn():
    counts = pd.DataFrame([[80, 20], [40, 60]], index=["Gold", "Base"], columns=["Gold", "Base"])
    picture = plot(lab.estimate_mobility(lab.Transitions.from_matrix(counts)))

    _headed(picture, "Mobility 0.60 (0.4", "from 0, nobody moves, to 1")
    assert "Gold 5.0" in picture.alt


def test_what_goes_with_moving_is_said_as_a_ratio(spells):
    frame = spells.to_frame().drop(columns=["spell", "start", "start_known"])
    frame["fast"] = frame["partner"].str[-1].isin(list("13579")).astype(int)
    model = lab.estimate_state_hazards(lab.Spells.from_frame(frame, state="state"), covariates=["fast"])

    _headed(plot(model), "No covariate clearly goes with moving")
    assert plot(model).table["what"].iloc[0] == "fast, Base → Gold"
