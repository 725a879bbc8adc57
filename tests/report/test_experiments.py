"""An experiment on its page: found, counted from the panel, read as it was dealt; the next one drafted."""

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab import report
from partnerlab.errors import ParameterError, SampleError
from partnerlab.intake.simulate import Trial, Truth, simulate_program, true_trial
from partnerlab.report.readings import read_result


@pytest.fixture(scope="module")
def simulation():
    return simulate_program(Truth(n_partners=150), seed=5)


@pytest.fixture(scope="module")
def road(simulation):
    return walk(simulation.source())


def walk(source, **asked):
    ask = report.load_request(source=source, **asked)
    panel = lab.build_panel(ask.source, first=ask.first, last=ask.quarter, only=("leads", "deals_won", "relevance", "network_clients"))
    return ask, panel, lab.assign_tiers(panel, ask.scheme)


@pytest.fixture(scope="module")
def case(road):
    ask, panel, history = road
    return report.load_case(ask, panel=panel, history=history)


def test_the_experiment_of_the_data_is_found_with_its_declaration(case, simulation):
    assert case.experiment.name == "enablement-bootcamp"
    assert case.quarters == ("2025Q2", "2025Q3", "2025Q4", "2026Q1")
    assert case.over
    assert len(case.trial) == simulation.tables["assignments"].num_rows


def test_outcomes_are_counted_from_the_panel_and_who_left_brings_nothing(case, road):
    panel = road[1]
    columns = slice(panel.column("2025Q2"), panel.column("2026Q1") + 1)
    leads = np.nan_to_num(panel.values("leads")[:, columns]).mean(axis=1)
    expected = pd.Series(leads, index=panel.partners)[case.table["partner"]]

    assert case.table["leads"].to_numpy() == pytest.approx(expected.to_numpy())
    assert (case.table.loc[case.table["tier"] == "lapsed", "leads"] < case.table["leads"].mean()).any()


def test_what_was_known_before_is_the_year_before(case, road):
    panel = road[1]
    start = panel.column("2025Q2")
    before = pd.DataFrame(panel.values("leads")[:, start - 4 : start], index=panel.partners).mean(axis=1).fillna(0.0)

    assert case.table["leads_before"].to_numpy() == pytest.approx(before[case.table["partner"]].to_numpy())


def test_the_reading_is_held_to_the_deal_and_covers_the_truth():
    truth = Truth(n_partners=2500, trial=Trial(effect=0.5))
    ask, panel, history = walk(simulate_program(truth, seed=2).source())
    reading = report.analyze_case(report.load_case(ask, panel=panel, history=history), seed=1)
    row = reading.table.iloc[0]

    assert not reading.stopped
    assert reading.verdicts[0].earned == "A"
    assert row["conf_low"] < true_trial(truth, draws=40_000)["itt"].mean() < row["conf_high"]


def test_an_experiment_is_read_on_all_who_were_dealt_whatever_the_region(case, simulation):
    ask, panel, history = walk(simulation.source(), region="EMEA")

    assert len(report.load_case(ask, panel=panel, history=history).trial) == len(case.trial)


def test_a_running_experiment_says_how_far_it_is(simulation):
    ask, panel, history = walk(simulation.source(), quarter="2025Q3")
    running = report.load_case(ask, panel=panel, history=history)

    assert running.seen == 2
    assert running.state == "running: 2 of 4 quarters seen, from 2025Q2"


def test_an_experiment_that_did_not_begin_is_not_read(simulation):
    ask, panel, history = walk(simulation.source(), quarter="2025Q1")
    with pytest.raises(SampleError, match="begins in 2025Q2, after the quarter looked at"):
        report.load_case(ask, panel=panel, history=history)


def test_without_a_declaration_the_best_grade_is_b(simulation):
    tables = dict(simulation.tables)
    frame = tables["assignments"].to_pandas().assign(experiment_id="nobody-knows")
    tables["assignments"] = frame
    ask, panel, history = walk(lab.connect(tables))
    undeclared = report.load_case(ask, panel=panel, history=history)
    said = read_result(undeclared)

    assert undeclared.experiment.metrics[0].name == "leads"
    assert "the best grade is B" in said[-1]
    assert {verdict.grade for verdict in report.analyze_case(undeclared).verdicts} <= {"B", "D"}


def test_where_there_is_no_experiment_the_page_says_what_to_do(simulation):
    tables = {name: table for name, table in simulation.tables.items() if name != "assignments"}
    ask, panel, history = walk(lab.connect(tables))
    none = report.attempt(report.load_case, ask, panel=panel, history=history)

    assert not none
    assert report.say_declared(none)[0] == "No experiment was dealt: neither the ledger nor the table assignments holds one."
    assert "partnerlab experiment assign" in report.say_declared(none)[1]


def test_a_name_that_nobody_dealt_names_those_that_were(road):
    ask, panel, history = road
    with pytest.raises(ParameterError, match="no experiment is called 'dinner'; known: enablement-bootcamp"):
        report.load_case(ask, panel=panel, history=history, name="dinner")


def test_looks_are_the_quarters_seen(case):
    looks = report.estimate_case_looks(case)

    assert looks.table["when"].tolist() == list(case.quarters)
    assert looks.table["estimate"].iloc[-1] == pytest.approx(report.analyze_case(case).table["estimate"].iloc[0])


@pytest.mark.parametrize("view", ["arms", "balance", "effects", "looks", "tiers"])
def test_every_side_of_a_case_has_a_picture(case, view):
    shown = report.plot_case(case, view=view, reading=report.analyze_case(case), looks=report.estimate_case_looks(case))

    assert shown.alt
    assert shown.headline


def test_each_check_stands_once_failures_first(case):
    table = report.tabulate_checks(report.analyze_case(case))

    assert table["check"].is_unique
    assert {"sample ratio", "alike before", "outcomes of leads"} <= set(table["check"])


def test_the_reading_says_grade_money_and_what_it_asks_for(case):
    said = " ".join(read_result(report.analyze_case(case)))

    assert "Grade " in said
    assert "The chance that it pays for itself is" in said
    assert "What this asks for" in said
    assert "Read besides" in said


@pytest.mark.parametrize("by", ["partner", "manager"])
def test_the_next_experiment_is_drafted_from_these_partners(road, by):
    ask, panel, history = road
    plan = report.plan_experiment(ask, panel=panel, history=history, by=by)
    design = report.design_plan(plan)
    here = design.table[design.table["units"] == len(plan.units)]

    assert len(plan.units) == panel.member[:, panel.column(ask.quarter)].sum()
    assert len(here) == 3
    assert report.plot_plan(plan, design=design).headline.startswith("Today's ")
    assert report.deal_plan(plan, seed=1).table["variant"].value_counts().min() >= 0.3 * len(plan.units)
    assert report.say_draft(plan)[2] == f"Dealt: by {by}{', within tier' if by == 'partner' else ''}."


def test_without_a_stated_worth_a_tenth_of_the_level_is_worth_acting_on(road):
    ask, panel, history = road
    plan = report.plan_experiment(ask, panel=panel, history=history)

    assert plan.experiment.stakes.material == pytest.approx(0.1 * plan.outlook.level, rel=0.05)
    with pytest.raises(SampleError, match="does not say what its outcomes are worth"):
        report.plot_plan(plan, design=report.design_plan(plan), view="worth")


def test_the_program_s_studies_say_what_an_outcome_is_worth(road):
    ask, panel, history = road
    plan = report.plan_experiment(ask, panel=panel, history=history, tactic="dinner", studies=lab.Studies.load("demo"))
    design = report.design_plan(plan)

    assert plan.experiment.stakes.cost == 1050
    assert plan.experiment.stakes.material == pytest.approx(1050 / 1500)
    assert (design.table["gain"] > 0).all()
    assert "EUR" in report.plot_plan(plan, design=design, view="worth").headline


def test_too_few_partners_are_not_dealt(road):
    ask, panel, history = road
    few = np.arange(len(panel.partners)) < 5
    with pytest.raises(SampleError, match="too few to be dealt two variants"):
        report.plan_experiment(ask, panel=panel.select(few), history=history.select(few))
