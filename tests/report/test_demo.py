"""The demo program's experiment lives the whole life: declared, dealt with a digest, read, decided on, followed up."""

import dataclasses
import shutil
from datetime import datetime

import duckdb
import pandas as pd
import pytest

import partnerlab as lab
from partnerlab import report
from partnerlab.errors import LedgerError, ParameterError, SampleError
from partnerlab.experiments import Assignment, load_assignment, load_registry
from partnerlab.intake.simulate import Truth, simulate_program
from partnerlab.ledger import Ledger
from partnerlab.report.demo import put_demo, remember_demo, write_demo
from partnerlab.report.experiment_deals import list_deals
from partnerlab.report.sources import locate_source

NAME = "enablement-bootcamp"
SMALL = Truth(n_partners=120, n_quarters=15)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("partnerlab.intake.simulate.Truth", lambda: SMALL)
        write_demo(folder / "demo.duckdb", seed=7, ledger=str(folder / "ledger.duckdb"))
        before = (folder / "demo.duckdb").stat().st_mtime_ns
        with pytest.raises(LedgerError, match="remembers the demo program of another seed"):
            write_demo(folder / "demo.duckdb", seed=8, ledger=str(folder / "ledger.duckdb"))
        assert (folder / "demo.duckdb").stat().st_mtime_ns == before
        write_demo(folder / "demo.duckdb", seed=7, ledger=str(folder / "ledger.duckdb"))
    return folder


@pytest.fixture(scope="module")
def tables(demo):
    with duckdb.connect(str(demo / "demo.duckdb"), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()]
        return {name: connection.execute(f'SELECT * FROM "{name}"').df() for name in names}


@pytest.fixture(scope="module")
def ledger(demo):
    return Ledger.open(demo / "ledger.duckdb")


@pytest.fixture(scope="module")
def road(demo):
    ask = report.load_request(source=f"duckdb:///{demo}/demo.duckdb", ledger=str(demo / "ledger.duckdb"))
    panel = lab.build_panel(ask.source, first=ask.first, last=ask.quarter, only=("leads", "deals_won", "relevance", "network_clients"))
    return ask, panel, lab.assign_tiers(panel, ask.scheme)


def test_its_deal_stands_in_the_file_the_ledger_and_the_data(demo, ledger, tables):
    dealt = Assignment.load(demo / f"demo-{NAME}.csv")
    rows = tables["assignments"]

    assert load_assignment(ledger, program="demo", name=NAME).digest == dealt.digest
    assert rows.set_index("unit_id")["variant"].to_dict() == dealt.table.set_index("unit")["variant"].to_dict()


def test_the_same_written_again_is_remembered_once(ledger):
    assert ledger.runs(program="demo")["book"].tolist() == ["registrations", "registrations", "decisions", "registrations"]


def test_each_quarter_knows_what_was_known_then(ledger):
    known = [
        load_registry(ledger, program="demo", as_of=day)["state"].tolist()
        for day in (datetime(2025, 3, 1), datetime(2025, 7, 5), datetime(2026, 4, 7), datetime(2026, 7, 5), datetime(2026, 10, 5))
    ]
    assert known == [[], ["running"], ["read"], ["decided"], ["followed"]]


def test_the_next_quarter_says_what_was_decided_and_whether_it_happened(road):
    ask = road[0]
    said = report.say_registry(report.load_decided(ask))[1]

    assert said.startswith(f"{NAME}: Decided in 2026Q2: ")
    assert "it did not happen" in said or "it happened" in said


def test_it_is_read_as_it_was_dealt_and_on_those_who_took_it(road):
    ask, panel, history = road
    reading = report.analyze_case(report.load_case(ask, panel=panel, history=history))
    held = next(check for check in reading.checks if check.name == "dealt as declared")

    assert held.passed
    assert set(reading.table["effect"]) == {"as dealt", "on those who took it"}


def test_every_other_experiment_has_a_line(demo, road, tables, monkeypatch):
    _, panel, history = road
    rows = tables["assignments"]
    both = lab.connect({**tables, "assignments": pd.concat([rows.assign(experiment_id="calls"), rows])})
    ask = report.load_request(source=both, ledger=str(demo / "ledger.duckdb"))
    mine, calls = (report.load_case(ask, panel=panel, history=history, name=name) for name in (NAME, "calls"))
    monkeypatch.setattr("partnerlab.report.experiments.list_deals", None)  # looked for once, not once for each
    found = report.list_others(ask, panel=panel, history=history, shown=mine)
    others = report.list_others(ask, panel=panel, history=history, shown=calls)

    assert found[["experiment", "state"]].values.tolist() == [["calls", "read over 2025Q2"]]
    assert "leads" in found["found"][0]
    assert others.set_index("experiment").loc[NAME, "found"] == load_registry(ask.ledger, program="demo")["statement"][0]


def test_one_that_has_not_begun_is_not_read_by_its_name(road):
    ask, panel, history = road
    with pytest.raises(SampleError, match="begins in 2025Q2, after the quarter looked at"):
        report.load_case(dataclasses.replace(ask, quarter="2025Q1"), panel=panel, history=history, name=NAME)


def test_one_experiment_has_no_others(road):
    ask, panel, history = road
    none = report.attempt(report.list_others, ask, panel=panel, history=history, shown=report.load_case(ask, panel=panel, history=history))

    assert none.reason == "no other experiment was dealt"


def test_data_that_do_not_follow_the_deal_are_not_read(demo, road, tables):
    _, panel, history = road
    rows = tables["assignments"]
    edited = rows.assign(variant=rows["variant"].where(rows.index > 9, "treatment"))
    other = report.load_request(source=lab.connect({**tables, "assignments": edited}), ledger=str(demo / "ledger.duckdb"))

    with pytest.raises(LedgerError, match="stand in another variant than dealt"):
        report.analyze_case(report.load_case(other, panel=panel, history=history))


def test_who_took_part_later_had_not_yet_on_the_day(road, tables):
    taken = tables["assignments"]["exposed_at"].dropna()
    day = taken.min() + (taken.max() - taken.min()) / 2
    seen = list_deals(dataclasses.replace(road[0], as_of=day.to_pydatetime(warn=False), ledger=None))[NAME].rows

    assert 0 < seen["exposed"].sum() == (taken <= day).sum() < len(taken)


def test_a_deal_that_was_edited_in_the_ledger_is_not_passed_over(demo, road, tmp_path):
    shutil.copy(demo / "ledger.duckdb", tmp_path / "edited.duckdb")
    with duckdb.connect(str(tmp_path / "edited.duckdb")) as connection:
        connection.execute("UPDATE registrations SET document = replace(document, ',treatment', ',control') WHERE kind = 'experiment'")

    with pytest.raises(LedgerError, match="does not fit its digest"):
        report.load_case(dataclasses.replace(road[0], ledger=Ledger.open(tmp_path / "edited.duckdb")), panel=road[1])


def test_a_program_is_simulated_as_somebody_dealt_its_trial():
    units = simulate_program(SMALL, seed=3).tables["assignments"]["unit_id"].to_pylist()
    dealt = dict(zip(units, ["control", "treatment", "treatment"] * len(units), strict=False))
    rows = simulate_program(SMALL, seed=3, dealt=dealt).tables["assignments"].to_pandas()

    assert rows.set_index("unit_id")["variant"].to_dict() == dealt
    assert not rows.loc[rows["variant"] == "control", "exposed_at"].notna().any()


@pytest.mark.parametrize(
    ("dealt", "said"),
    [({"P9": "control"}, "dealt names 'P9', who is no partner"), ({"P0000001": "dinner"}, "dealt has the variant 'dinner'")],
)
def test_a_deal_of_strangers_is_refused(dealt, said):
    with pytest.raises(ParameterError, match=said):
        simulate_program(SMALL, seed=3, dealt=dealt)


def test_a_deal_of_some_of_the_partners_there_is_refused():
    units = simulate_program(SMALL, seed=3).tables["assignments"]["unit_id"].to_pylist()
    dealt = dict.fromkeys(units, "control")
    absent = sorted({f"P{place:07d}" for place in range(SMALL.n_partners)} - set(units))[0]

    with pytest.raises(ParameterError, match=f"leaves out 1 of the {len(units)} partners there .* such as '{units[4]}'"):
        simulate_program(SMALL, seed=3, dealt={unit: "control" for unit in units if unit != units[4]})
    with pytest.raises(ParameterError, match=f"names 1 beside those .* such as '{absent}'"):
        simulate_program(SMALL, seed=3, dealt=dealt | {absent: "control"})


def test_a_program_that_could_not_be_written_leaves_nothing_half(tmp_path, monkeypatch):
    def fail(_, path):
        path.write_text("half")
        raise OSError("disk full")

    simulation = simulate_program(Truth(n_partners=30, n_quarters=4), seed=7)
    monkeypatch.setattr(type(simulation), "write", fail)
    with pytest.raises(OSError, match="disk full"):
        put_demo(tmp_path / "demo.duckdb", simulation, None)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stopped", ["record_decision", "record_follow_up"])
def test_a_record_that_was_interrupted_is_taken_up_where_it_stopped(tmp_path, monkeypatch, stopped):
    monkeypatch.setattr("partnerlab.intake.simulate.Truth", lambda: SMALL)
    place, book = tmp_path / "demo.duckdb", str(tmp_path / "ledger.duckdb")

    def stop(*_, **__):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"partnerlab.report.demo_record.{stopped}", stop)
        with pytest.raises(KeyboardInterrupt):
            write_demo(place, ledger=book)
    assert not place.exists()

    write_demo(place, ledger=book)
    found = Ledger.open(book)
    assert load_registry(found, program="demo")["state"].tolist() == ["followed"]
    assert found.runs(program="demo")["book"].tolist() == ["registrations", "registrations", "decisions", "registrations"]


@pytest.mark.parametrize(("ledger", "written"), [(None, "data/ledger/ledger.duckdb"), ("mine.duckdb", "mine.duckdb")])
def test_whoever_asks_for_the_demo_first_has_its_trial_remembered(tmp_path, monkeypatch, ledger, written):
    monkeypatch.setattr("partnerlab.intake.simulate.Truth", lambda: SMALL)
    monkeypatch.chdir(tmp_path)
    url = locate_source("duckdb:///data/demo.duckdb", ledger=ledger)

    assert url == f"duckdb:///{tmp_path}/data/demo.duckdb"
    assert load_registry(Ledger.open(written), program="demo")["state"].tolist() == ["followed"]


def test_a_ledger_begun_later_is_told_of_the_trial_and_one_of_another_deal_is_refused(demo, tmp_path, monkeypatch):
    monkeypatch.setattr("partnerlab.intake.simulate.Truth", lambda: SMALL)
    for _ in range(2):
        remember_demo(f"duckdb:///{demo}/demo.duckdb", ledger=str(tmp_path / "later.duckdb"))
    found = Ledger.open(tmp_path / "later.duckdb")
    assert load_registry(found, program="demo").equals(load_registry(Ledger.open(demo / "ledger.duckdb"), program="demo"))

    write_demo(tmp_path / "demo.duckdb", seed=8)
    with pytest.raises(LedgerError, match="remembers the demo program of another seed"):
        remember_demo(f"duckdb:///{tmp_path}/demo.duckdb", ledger=str(tmp_path / "later.duckdb"))


def test_a_file_that_is_no_demo_program_is_not_written_about(tmp_path):
    (tmp_path / "demo.duckdb").write_text("mine")
    (tmp_path / f"demo-{NAME}.csv").write_text("mine")
    remember_demo(f"duckdb:///{tmp_path}/demo.duckdb", ledger=str(tmp_path / "ledger.duckdb"))

    assert not (tmp_path / "ledger.duckdb").exists()


def test_without_a_ledger_nothing_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("partnerlab.intake.simulate.Truth", lambda: SMALL)
    write_demo(tmp_path / "demo.duckdb")

    assert sorted(path.name for path in tmp_path.iterdir()) == [f"demo-{NAME}.csv", "demo.duckdb"]
    assert isinstance(Assignment.load(tmp_path / f"demo-{NAME}.csv").table, pd.DataFrame)
