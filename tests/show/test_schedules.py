"""The picture of a schedule says who has the tactic when, what was seen in each quarter, and no more than was found."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.experiments import Experiment, Metric, Trial, Variant, analyze_experiment, assign_variants
from partnerlab.show import plot
from partnerlab.verdicts import Stakes

STEPS = {f"from quarter {first + 1}": tuple(int(place >= first) for place in range(4)) for first in (1, 2, 3)}
TURNS = {"first on": (1, 0, 1, 0), "first off": (0, 1, 0, 1)}


def declare(schedules, **more):
    variants = tuple(Variant(name=name, on=on) for name, on in schedules.items())
    given = {"variants": variants, "quarters": 4, "cluster": "manager", **more}
    stakes = Stakes(unit="leads", per="partner-quarter", material=0.5)
    return Experiment(name="coaching", hypothesis="It helps.", tactic="Coaching", stakes=stakes, metrics=(Metric(name="leads"),), **given)


def deal(experiment):
    units = pd.DataFrame({"partner": [f"P{place:02d}" for place in range(72)], "manager": [f"M{place % 12:02d}" for place in range(72)]})
    return units, assign_variants(experiment, units=units, seed=1)


def run(schedules, *, effect=2.0):
    experiment = declare(schedules)
    units, dealt = deal(experiment)
    here, random = dealt.label(units), np.random.default_rng(1)
    parts = [
        here.assign(quarter=f"2026Q{place + 1}", on=here["variant"].map(lambda name, at=place: schedules[name][at])) for place in range(4)
    ]
    rows = pd.concat(parts, ignore_index=True)
    return experiment, dealt, rows.assign(leads=3.0 + effect * rows["on"] + random.normal(size=len(rows)))


def test_a_wedge_says_from_how_many_to_how_many_and_names_who_is_next():
    shown = plot(deal(declare(STEPS))[1], view="schedule", quarters=["2026Q1", "2026Q2", "2026Q3", "2026Q4"])

    assert shown.headline == "Coaching, step by step: from none in 2026Q1 to all 12 managers in 2026Q4, in 3 steps"
    assert "from quarter 2 (4 managers, 24 partners) without it in 2026Q1, with it in 2026Q2 to 2026Q4" in shown.alt
    assert all(manager in shown.svg() for manager in deal(declare(STEPS))[1].table["cluster"])


def test_a_crossover_says_how_many_have_it_in_every_quarter():
    shown = plot(deal(declare(TURNS))[1], view="schedule")

    assert shown.headline == "Coaching, by turns: 6 of 12 managers have it in every quarter"
    assert shown.table[shown.table["quarter"] == "quarter 1"]["on"].tolist() == [1, 0]


def test_partners_switched_one_by_one_are_counted_and_not_named():
    experiment = declare(TURNS, cluster=None)
    shown = plot(assign_variants(experiment, units=pd.DataFrame({"partner": range(40)}), seed=2), view="schedule")

    assert shown.headline.endswith("20 of 40 partners have it in every quarter")
    assert "(20 partners)" in shown.alt


def test_what_was_found_stands_over_what_was_seen():
    experiment, dealt, rows = run(STEPS)
    trial = Trial.from_frame(rows, experiment=experiment, unit="partner")
    shown = plot(trial, view="schedule", reading=analyze_experiment(trial, assignment=dealt, draws=19))
    means = rows.groupby(["variant", "quarter"])["leads"].mean()

    assert shown.headline.startswith("Grade A: Coaching caused")
    assert shown.table.set_index(["schedule", "quarter"])["estimate"].to_dict() == pytest.approx(means.to_dict())
    assert f"({means['from quarter 2', '2026Q1']:.2f})" in shown.alt
    assert "n counts quarters of units" in shown.units


def test_a_schedule_that_nobody_declared_is_drawn_in_the_order_of_its_steps():
    rows = run(STEPS)[2]
    trial = Trial.from_frame(rows, outcomes=["leads"], unit="partner", quarter="quarter", cluster="manager")
    shown = plot(trial, view="schedule")

    assert list(dict.fromkeys(shown.table["schedule"])) == ["schedule 0111", "schedule 0011", "schedule 0001"]
    assert shown.headline.startswith("The tactic, step by step: from none")


def test_quarters_without_an_outcome_are_said():
    experiment, _, rows = run(TURNS)
    rows.loc[rows["quarter"] == "2026Q4", "leads"] = np.nan
    shown = plot(Trial.from_frame(rows, experiment=experiment, unit="partner"), view="schedule")

    assert "without it in 2026Q4 (no outcome)" in shown.alt


def test_variants_side_by_side_have_no_schedule():
    experiment = declare({}, variants=(Variant(name="control"), Variant(name="coached")))
    units, dealt = deal(experiment)
    with pytest.raises(SampleError, match="side by side"):
        plot(dealt, view="schedule")
    with pytest.raises(SampleError, match="side by side"):
        plot(Trial.from_frame(dealt.label(units).assign(leads=1.0), experiment=experiment, unit="partner"), view="schedule")
    with pytest.raises(ParameterError, match="no view 'shedule'; did you mean 'schedule'"):
        plot(dealt, view="shedule")
