"""An experiment on its page: found, counted from the panel, read as it was dealt; the next one drafted."""

import html
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab import report
from partnerlab.errors import ParameterError, SampleError
from partnerlab.intake.simulate import Trial, Truth, simulate_program, true_trial
from partnerlab.ledger import Ledger, record_decision
from partnerlab.report.readings import read_result
from partnerlab.show import plot


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
    assert not report.check_case(running).stopped
    for verb in (report.analyze_case, report.analyze_case_by_tier, report.estimate_case_looks):
        with pytest.raises(SampleError, match="it is to be read once, after 2026Q1"):
            verb(running)


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


def test_shares_in_the_data_are_held_against_those_declared(simulation):
    tables = dict(simulation.tables)
    frame = tables["assignments"].to_pandas()
    tables["assignments"] = frame[(frame["variant"] == "control") | (frame.index % 4 == 0)]
    ask, panel, history = walk(lab.connect(tables))
    case = report.load_case(ask, panel=panel, history=history)

    assert report.check_case(case).stopped
    assert "sample ratio failed" in report.plot_case(case, view="arms", reading=report.check_case(case)).headline


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


def test_effects_by_tier_are_drawn_in_the_unit_of_the_stakes(case):
    shown = report.plot_case(case, view="groups", reading=report.analyze_case_by_tier(case))

    assert shown.units.startswith("leads per partner-quarter; n counts units")
    assert shown.period == "2025Q2 to 2026Q1"


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


def test_managers_may_begin_one_after_the_other(road):
    ask, panel, history = road
    plan = report.plan_experiment(ask, panel=panel, history=history, by="manager", steps=True)
    design = report.design_plan(plan)
    beside = report.design_plan(report.plan_experiment(ask, panel=panel, history=history, by="manager"))
    drawn = report.plot_plan(plan, design=design, view="schedule", seed=1)
    now = plan.units["manager"].nunique()

    assert plan.coming == ("2026Q4", "2027Q1", "2027Q2", "2027Q3")
    assert [variant.on for variant in plan.experiment.variants] == [(0, 1, 1, 1), (0, 0, 1, 1), (0, 0, 0, 1)]
    assert drawn.headline == f"The tactic, step by step: from none in 2026Q4 to all {now} managers in 2027Q3, in 3 steps"
    assert set(design.table["quarters"]) == {4}
    said = report.say_steps(plan, design=design, beside=beside)[0]
    assert said.startswith(f"Begun one after the other over 4 quarters, today's {now} managers show an effect of ")
    assert "side by side over as many quarters they would show one of" in said


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


def test_open_questions_say_the_first_doubt_and_how_many_more():
    stakes = lab.Stakes(unit="leads", per="partner-quarter")
    told = {"stakes": stakes, "std_error": 0.1, "n": 200, "partners": 100}
    verdicts = [
        lab.Verdict(tactic="Call", grade="B", estimate=0.4, assumption="nothing else", doubts=("they were unlike", "few"), **told),
        lab.Verdict(tactic="Visit", grade="B", estimate=0.05, assumption="nothing else", **told),
    ]
    analyses = [SimpleNamespace(verdict=verdict) for verdict in verdicts]
    table = report.list_open_questions(SimpleNamespace(analyses=analyses, refused=[]))

    assert list(table) == ["tactic", "grade", "why", "smallest_effect", "partners"]
    assert table["why"].tolist() == ["They were unlike; and 1 further doubt.", verdicts[1].statement]
    assert table["smallest_effect"].tolist() == ["0.28 leads per partner-quarter"] * 2


def test_too_few_partners_are_not_dealt(road):
    ask, panel, history = road
    few = np.arange(len(panel.partners)) < 5
    with pytest.raises(SampleError, match="too few to be dealt two variants"):
        report.plan_experiment(ask, panel=panel.select(few), history=history.select(few))


def _registered(ledger, panel, *, name="dinner-2025", when="2025-04-03", **keys):
    """Deal an experiment to the members of a quarter and register it."""
    here = panel.member[:, panel.column("2025Q1")]
    units = pd.DataFrame({"partner": panel.partners[here], "leads_before": 1.0 + np.arange(here.sum()) % 3})
    experiment = lab.Experiment(
        name=name, hypothesis="A dinner brings leads.", tactic="Dinner", pre=("leads_before",), **({"quarters": 2} | keys),
        stakes=lab.Stakes(unit="leads", per="partner-quarter", material=0.5, value=100, cost=10, currency="EUR"),
        metrics=(lab.Metric(name="leads", kind="count"),),
    )  # fmt: skip
    dealt = lab.assign_variants(experiment, units=units, seed=3)
    lab.record_experiment(ledger, dealt, program="demo", recorded_at=pd.Timestamp(when).to_pydatetime())
    return dealt


@pytest.fixture
def booked(simulation, tmp_path):
    ledger = Ledger.open(tmp_path / "ledger.duckdb")
    _, panel, _ = walk(simulation.source())
    return ledger, panel, _registered(ledger, panel)


def test_the_ledger_alone_gives_declaration_and_deal(booked, simulation):
    ask, panel, history = walk(simulation.source(), ledger=str(booked[0].path))
    found = report.load_case(ask, panel=panel, history=history, name="dinner-2025")
    reading = report.analyze_case(found)

    assert found.declared == "the ledger"
    assert found.quarters == ("2025Q2", "2025Q3")
    assert found.assignment.digest == booked[2].digest
    assert not reading.stopped
    assert reading.checks[0].passed is not False


STEPS = {"quarters": 4, "variants": tuple(lab.Variant(name=f"from {first}", on=tuple(int(place >= first) for place in range(4)))
                                          for first in (1, 2, 3))}  # fmt: skip


def test_a_schedule_in_the_ledger_is_read_quarter_by_quarter_from_the_panel(simulation, tmp_path):
    ledger = Ledger.open(tmp_path / "steps.duckdb")
    ask, panel, history = walk(simulation.source(), ledger=str(ledger.path))
    dealt = _registered(ledger, panel, name="calls", **STEPS)
    case = report.load_case(ask, panel=panel, history=history, name="calls")
    reading = report.analyze_case(case)
    leads = np.nan_to_num(panel.values("leads")[:, panel.column("2025Q2") : panel.column("2026Q1") + 1])
    place = pd.Index(panel.partners).get_indexer(case.trial.units)

    assert case.quarters == case.trial.quarters == ("2025Q2", "2025Q3", "2025Q4", "2026Q1")
    assert case.trial.outcomes["leads"] == pytest.approx(leads[place])
    assert not reading.stopped
    assert reading.table["n"].iloc[0] == 4 * len(dealt.table)
    page = report.render_experiment(case, path=tmp_path / "calls.html", reading=reading).read_text()
    assert html.escape(reading.verdicts[0].statement) in page
    assert "dark with the tactic and pale without, above the effect found" in page
    drawn = report.plot_case(case, view="schedule").headline
    assert drawn == f"Dinner, step by step: from none in 2025Q2 to all {len(dealt.table)} partners in 2026Q1, in 3 steps"


def test_a_schedule_that_runs_still_says_when_it_is_read(simulation, tmp_path):
    ledger = Ledger.open(tmp_path / "steps.duckdb")
    _registered(ledger, walk(simulation.source())[1], name="calls", **STEPS)
    ask, panel, history = walk(simulation.source(), ledger=str(ledger.path), quarter="2025Q4")
    case = report.load_case(ask, panel=panel, history=history, name="calls")

    assert case.state == "running: 3 of 4 quarters seen, from 2025Q2"
    assert case.trial.quarters[-1] == "2026Q1"
    assert np.isnan(case.trial.outcomes["leads"][:, 3]).all()
    assert "from 1 " in report.plot_case(case, view="schedule").alt
    for look in (report.analyze_case, report.check_case):
        with pytest.raises(SampleError, match="once, after 2026Q1"):
            look(case)


def test_dealt_late_in_a_quarter_it_is_read_from_the_next_one_on(simulation, tmp_path):
    ledger = Ledger.open(tmp_path / "late.duckdb")
    _registered(ledger, walk(simulation.source())[1], when="2025-05-20")
    ask, panel, history = walk(simulation.source(), ledger=str(ledger.path))

    assert report.load_case(ask, panel=panel, history=history, name="dinner-2025").first == "2025Q3"


def test_what_was_decided_and_what_followed_stands_on_the_page(booked, simulation):
    ledger = booked[0]
    ask, panel, history = walk(simulation.source(), ledger=str(ledger.path))
    reading = report.analyze_case(report.load_case(ask, panel=panel, history=history, name="dinner-2025"))
    lab.record_experiment(ledger, booked[2], program="demo", reading=reading, quarter="2025Q4")
    waiting = report.say_registry(report.load_decided(ask))
    record_decision(ledger, "No more dinners", program="demo", quarter="2025Q4", about="dinner-2025")
    lab.record_follow_up(ledger, program="demo", about="dinner-2025", happened=False, quarter="2026Q2", note="Two managers went on")
    registry = report.load_decided(ask)
    said = report.say_registry(registry)

    assert waiting[1] == f"dinner-2025: Read in 2025Q4, and not decided on. {reading.verdicts[0].statement}"
    assert said[0] == "On record: 1 experiment; 1 followed up."
    assert said[1] == "dinner-2025: Decided in 2025Q4: No more dinners; it did not happen (seen in 2026Q2). Two managers went on."
    assert report.tabulate_registry(registry)[["state", "decided", "what_followed"]].values.tolist() == [
        ["followed up", "No more dinners (2025Q4)", "it did not happen (2026Q2): Two managers went on"]
    ]


def test_without_a_ledger_nothing_is_on_record(road):
    none = report.attempt(report.load_decided, road[0])

    assert report.say_registry(none) == ("No ledger was named, so no experiment is on record.",)


def test_one_test_of_a_tactic_is_not_pooled(booked, simulation):
    ask, *_ = walk(simulation.source(), ledger=str(booked[0].path))
    with pytest.raises(SampleError, match="no tactic was soundly tested twice"):
        report.estimate_retested(report.load_decided(ask))


def test_several_tests_of_a_tactic_are_pooled_and_drawn():
    registry = pd.DataFrame(
        {"name": ["spring", "summer", "autumn"], "kind": "experiment", "tactic": "Dinner", "outcome": "leads", "estimate": [0.5, 0.3, 0.4],
         "std_error": [0.1, 0.1, 0.2], "unit": "leads", "per": "partner-quarter", "design_grade": "A", "stopped": False, "units": 100}
    )  # fmt: skip
    (pooled,) = report.estimate_retested(registry)
    shown = plot(pooled)

    assert shown.headline.startswith("3 tests together, grade A: Dinner caused 0.4")
    assert "the next test" in shown.alt
    assert "probability of" in read_result(pooled)[-1]


def test_every_tactic_that_was_soundly_tested_twice_is_pooled_and_none_that_was_not():
    """Calls were read most often, but checks stopped two of those readings."""
    rows = [("Call", 0.5, True)] * 2 + [("Call", 0.4, False)] + [("Dinner", 0.3, False)] * 2 + [("Visit", 0.2, False)] * 3
    registry = pd.DataFrame(rows, columns=["tactic", "estimate", "stopped"]).assign(
        name=[f"test {place}" for place in range(len(rows))], kind="experiment", outcome="leads", std_error=0.1, unit="leads",
        per="partner-quarter", design_grade="A", units=100,
    )  # fmt: skip
    found = report.estimate_retested(registry)

    assert [one.verdict.tactic for one in found] == ["Visit", "Dinner"]
    assert report.estimate_retested(registry[registry["tactic"] == "Dinner"])[0].table["test"].tolist()[:2] == ["test 3", "test 4"]


def test_the_review_says_in_two_sentences_what_was_tried(road, case):
    said = report.say_experiments(case, reading=report.analyze_case(case))

    assert said[0].startswith("Enablement-bootcamp: read over 2025Q2 to 2026Q1;")
    assert said[1].startswith("Grade ")


def test_effects_by_tier_are_read_where_they_were_declared(case):
    assert set(report.analyze_case_by_tier(case).table["tier"]) == {"Gold", "Silver", "Registered"}


@pytest.fixture
def called(tmp_path):
    """A trial that is no program's: an any table, read and written as a page."""
    call = lab.Experiment(
        name="call", hypothesis="It helps.", tactic="A call", stakes=lab.Stakes(unit="leads", per="shop", material=0.5), unit="shop",
        metrics=(lab.Metric(name="leads"),), pre=("before",), quarters=2,
    )  # fmt: skip
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"shop": range(200), "variant": ["control", "treatment"] * 100, "before": random.normal(size=200)})
    frame["leads"] = 3.0 + frame["before"] + 1.2 * (frame["variant"] == "treatment") + random.normal(size=200)
    found = report.build_case(frame, experiment=call, period="spring")
    return found, report.render_experiment(found, path=tmp_path / "pages" / "call.html")


def test_any_trial_becomes_a_page_that_holds_its_numbers(called):
    found, path = called
    page = path.read_text()
    verdict = report.analyze_case(found).verdicts[0]

    assert html.escape(verdict.statement) in page
    assert "100 control and 100 treatment shops" in page
    assert found.experiment.digest[:16] in page


def test_a_page_without_a_notebook_fetches_nothing_and_says_every_picture(called):
    page = called[1].read_text()

    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "<script" not in page
    assert all(re.search(r'aria-label="[^"]{20,}"', drawing) for drawing in re.findall(r"<svg [^>]*>", page))
    assert page.count("<svg ") == 2
    assert "Code of part" not in page


def test_what_a_page_cannot_show_it_says(called):
    page = called[1].read_text()

    assert "Only the outcomes at the end were given, so what earlier looks would have shown is not known." in page
    assert "stopping at the first finding of 2 quarterly looks would find something in 8\xa0% of trials where nothing is" in page
    assert "did not declare by which tier it would be read" in page
