"""The ledger: nothing is lost, nothing is changed, and what changed between two renderings is said."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import duckdb
import hypothesis
import pandas as pd
import pytest
from hypothesis import strategies as st

from partnerlab.errors import LedgerError
from partnerlab.ledger import (
    Ledger,
    check_ledger,
    compare_runs,
    record_appeals,
    record_decision,
    record_forecast,
    record_metrics,
    record_overrides,
    record_registration,
    record_tiers,
)

TIERS = pd.DataFrame({"partner": ["P1", "P2", "P3"], "published": ["KEY", "KEY", "DEMENTORS"], "raw": ["KEY", "DEMENTORS", "DEMENTORS"]})
GIVEN = {"program": "demo", "quarter": "2026Q3", "scheme": "quadrant@1", "data_hash": "aa"}


@pytest.fixture
def ledger(tmp_path):
    return Ledger.open(tmp_path / "ledger" / "demo.duckdb", wait=0.5)


def test_what_is_recorded_is_read_back(ledger):
    record_tiers(ledger, TIERS, **GIVEN, run_id="one", recorded_at=datetime(2026, 10, 2, 12, tzinfo=UTC))

    read = ledger.tiers(program="demo", quarter="2026Q3")

    assert read["partner"].tolist() == ["P1", "P2", "P3"]
    assert read["raw"].tolist() == ["KEY", "DEMENTORS", "DEMENTORS"]
    assert set(read["run_id"]) == {"one"}
    assert set(read["recorded_at"]) == {pd.Timestamp("2026-10-02 12:00")}


def test_the_latest_run_is_read_and_all_are_kept(ledger):
    record_tiers(ledger, TIERS, **GIVEN, run_id="one")
    record_tiers(ledger, TIERS.head(2).assign(published="DEMENTORS"), **GIVEN, run_id="two")

    assert ledger.tiers(program="demo", quarter="2026Q3")["published"].tolist() == ["DEMENTORS", "DEMENTORS"]
    assert len(ledger.tiers(program="demo", quarter="2026Q3", history=True)) == 5


def test_a_new_version_of_a_scheme_takes_the_place_of_the_old_one_and_another_scheme_does_not(ledger):
    record_tiers(ledger, TIERS, **GIVEN, run_id="one")
    record_tiers(ledger, TIERS.head(1), **GIVEN | {"scheme": "quadrant@2"}, run_id="two")
    record_tiers(ledger, TIERS.head(2), **GIVEN | {"scheme": "rating@1"}, run_id="three")

    assert len(ledger.tiers(program="demo", scheme="quadrant")) == 1
    assert len(ledger.tiers(program="demo", scheme="rating@1")) == 2
    assert len(ledger.tiers(program="demo", scheme="quadrant@1", history=True)) == 3


def test_quarters_and_programs_do_not_mix(ledger):
    record_tiers(ledger, TIERS, **GIVEN, run_id="one")
    record_tiers(ledger, TIERS.head(1), **GIVEN | {"quarter": "2026Q2"}, run_id="one")
    record_tiers(ledger, TIERS.head(2), **GIVEN | {"program": "other"}, run_id="one")

    assert len(ledger.tiers(program="demo", quarter="2026Q2")) == 1
    assert len(ledger.tiers(program="demo")) == 4
    assert len(ledger.tiers(program="other")) == 2


def test_last_quarters_forecast_is_there_to_be_scored(ledger):
    table = pd.DataFrame(
        {
            "tier": ["KEY"],
            "quarter": ["2026Q4"],
            "estimate": [40.0],
            "std_error": [3.0],
            "conf_low": [34.0],
            "conf_high": [46.0],
            "n": [300],
        }
    )
    record_forecast(ledger, table, program="demo", made_in="2026Q3", scheme="quadrant@1", run_id="one")
    record_forecast(ledger, table.assign(estimate=41.0), program="demo", made_in="2026Q3", scheme="quadrant@1", run_id="two")
    record_forecast(ledger, table.assign(estimate=5.0), program="demo", made_in="2026Q3", scheme="quadrant@1", segment="DACH", run_id="two")

    read = ledger.forecasts(program="demo", quarter="2026Q4")

    assert read.sort_values("estimate")["estimate"].tolist() == [5.0, 41.0]


def test_what_changed_between_two_renderings_is_said(ledger):
    record_tiers(ledger, TIERS, **GIVEN, run_id="one")
    record_metrics(ledger, pd.DataFrame({"name": ["share", "n"], "estimate": [0.4, 3.0]}), program="demo", quarter="2026Q3", run_id="one")
    restated = TIERS.assign(published=["KEY", "DEMENTORS", "DEMENTORS"]).head(2)
    record_tiers(ledger, restated, **GIVEN | {"data_hash": "bb"}, run_id="two")
    record_metrics(ledger, pd.DataFrame({"name": ["share", "n"], "estimate": [0.3, 3.0]}), program="demo", quarter="2026Q3", run_id="two")

    changes = compare_runs(ledger, program="demo", quarter="2026Q3")

    assert changes.tiers["partner"].tolist() == ["P2", "P3"]
    assert changes.tiers["after"].fillna("gone").tolist() == ["DEMENTORS", "gone"]
    assert changes.metrics["name"].tolist() == ["share"]
    assert changes.summary() == (
        "2026Q3 was rendered before (run one); since then 2 partners in another tier, 1 numbers different: the data were restated."
    )


def test_the_first_rendering_has_nothing_to_be_compared_with(ledger):
    record_tiers(ledger, TIERS, **GIVEN, run_id="one")

    assert compare_runs(ledger, program="demo", quarter="2026Q3").summary() == "2026Q3 is rendered for the first time."


def test_a_second_rendering_of_the_same_data_changes_nothing(ledger):
    record_tiers(ledger, TIERS, **GIVEN, run_id="one")
    record_tiers(ledger, TIERS, **GIVEN, run_id="two")

    changes = compare_runs(ledger, program="demo", quarter="2026Q3")

    assert changes.tiers.empty
    assert changes.summary().endswith("nothing changed: same data and rules.")


def test_a_quarter_never_recorded_cannot_be_compared(ledger):
    with pytest.raises(LedgerError, match="2020Q1 of demo was never recorded"):
        compare_runs(ledger, program="demo", quarter="2020Q1")


def test_overrides_are_taken_over_once_and_again_only_when_they_say_something_new(ledger):
    overrides = pd.DataFrame(
        {
            "override_id": ["O1", "O2"],
            "partner_id": ["P1", "P2"],
            "tier": ["KEY", "KEY"],
            "valid_from": ["2026-01-01", "2026-02-01"],
            "valid_to": [None, None],
        }
    ).rename(columns={"partner_id": "partner"})

    first = record_overrides(ledger, overrides, program="demo", run_id="one")
    again = record_overrides(ledger, overrides, program="demo", run_id="two")
    ended = record_overrides(ledger, overrides.assign(valid_to=[None, "2026-09-30"]), program="demo", run_id="three")

    assert (first, again, ended) == (2, 0, 1)
    assert ledger.overrides(program="demo").set_index("override_id")["valid_to"].notna().to_dict() == {"O1": False, "O2": True}
    assert len(ledger.overrides(program="demo", history=True)) == 3


def test_appeals_decisions_and_registrations_are_kept(ledger):
    record_appeals(
        ledger, pd.DataFrame({"appeal_id": ["A1"], "partner": ["P1"], "filed_at": [datetime(2026, 7, 1)]}), program="demo", run_id="one"
    )
    record_decision(ledger, "No more hours for over-cap dementors", program="demo", quarter="2026Q3", decided_by="head")
    record_registration(ledger, "{}", program="demo", registration_id="E1")

    assert ledger.appeals(program="demo")["partner"].tolist() == ["P1"]
    assert ledger.decisions(program="demo")["decision"].tolist() == ["No more hours for over-cap dementors"]
    assert ledger.registrations(program="demo")["document"].tolist() == ["{}"]
    assert ledger.runs(program="demo")["book"].tolist() == ["appeals", "decisions", "registrations"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (TIERS.drop(columns="published"), "published_tiers.published: the column is missing"),
        (TIERS.assign(pubished="x"), "published_tiers: unknown column 'pubished'; did you mean 'published'"),
        (TIERS.assign(partner=["P1", "P1", "P2"]), "tiers.partner: 1 rows name a partner a second time"),
        (TIERS.assign(partner=["P1", None, "P2"]), "published_tiers.partner: 1 rows are empty"),
        (TIERS.assign(quarter="2026Q1"), "tiers.quarter: the frame holds 2026Q1, but 2026Q3 is being recorded"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(ledger, frame, message):
    with pytest.raises(LedgerError, match=message.replace("(", r"\(")):
        record_tiers(ledger, frame, **GIVEN, run_id="one")

    assert ledger.runs().empty


def test_an_empty_decision_is_refused(ledger):
    with pytest.raises(LedgerError, match="a decision needs a sentence"):
        record_decision(ledger, " ", program="demo", quarter="2026Q3")


def test_another_duckdb_file_is_not_taken_for_a_ledger(tmp_path):
    with duckdb.connect(str(tmp_path / "data.duckdb")) as connection:
        connection.execute("CREATE TABLE partners (partner_id VARCHAR)")

    with pytest.raises(LedgerError, match=r"no ledger \(it holds partners\)"):
        Ledger.open(tmp_path / "data.duckdb")


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path):
    (tmp_path / "notes.duckdb").write_text("hello " * 4000)

    with pytest.raises(LedgerError, match="cannot be opened as a ledger") as caught:
        Ledger.open(tmp_path / "notes.duckdb")
    assert "\n" not in str(caught.value)


def test_a_failure_in_the_middle_leaves_nothing(ledger, monkeypatch):
    # where the function itself looks: doctests may have imported its module a second time
    monkeypatch.setitem(record_tiers.__globals__, "digest_rows", lambda *_, **__: 1 / 0)
    with pytest.raises(LedgerError, match="could not be written, nothing was"):
        record_tiers(ledger, TIERS, **GIVEN, run_id="one")
    monkeypatch.undo()

    assert ledger.runs().empty
    assert ledger.tiers(program="demo").empty


KILLED = """
import os, signal, sys
from partnerlab.ledger import Ledger
ledger = Ledger.open(sys.argv[1])
with ledger.connection() as connection:
    connection.execute("BEGIN")
    connection.execute("INSERT INTO published_tiers (record, partner) SELECT 1, 'P' || range FROM range(200000)")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_no_half_record(tmp_path):
    path = tmp_path / "demo.duckdb"
    record_tiers(Ledger.open(path), TIERS, **GIVEN, run_id="one")

    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, env=os.environ)

    assert killed.returncode == -signal.SIGKILL
    assert len(Ledger.open(path).tiers(program="demo", history=True)) == 3
    assert check_ledger(Ledger.open(path)).passed


def _write(path, run):
    for step in range(3):
        record_tiers(Ledger.open(path, wait=30), TIERS, **GIVEN, run_id=f"{run}-{step}")


def test_many_writers_in_threads_and_processes_lose_nothing(tmp_path):
    path = tmp_path / "demo.duckdb"
    Ledger.open(path)
    others = [multiprocessing.get_context("spawn").Process(target=_write, args=(path, f"process {index}")) for index in range(2)]
    threads = [threading.Thread(target=_write, args=(path, f"thread {index}")) for index in range(2)]
    for worker in [*others, *threads]:
        worker.start()
    for worker in [*others, *threads]:
        worker.join()

    runs = Ledger.open(path).runs()
    assert runs["run_id"].nunique() == 12
    assert runs["record"].tolist() == list(range(1, 13))
    assert check_ledger(Ledger.open(path)).passed


def test_a_file_held_by_someone_else_is_said_in_time(tmp_path):
    path = tmp_path / "demo.duckdb"
    Ledger.open(path)
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb, time; c = duckdb.connect({str(path)!r}); print('held', flush=True); time.sleep(30)"],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline().strip() == b"held"
        begun = time.monotonic()
        with pytest.raises(LedgerError, match=r"still in use after 0\.3 seconds"):
            Ledger.open(path, wait=0.3)
        assert time.monotonic() - begun < 5
    finally:
        holder.kill()
        holder.communicate()


def test_a_change_by_other_hands_shows(ledger):
    record_tiers(ledger, TIERS, **GIVEN, run_id="one")
    record_tiers(ledger, TIERS, **GIVEN, run_id="two")
    assert check_ledger(ledger).passed

    with duckdb.connect(str(ledger.path)) as connection:
        connection.execute("UPDATE published_tiers SET published = 'KEY' WHERE partner = 'P3' AND run_id = 'one'")

    assert not check_ledger(ledger).passed
    assert "first record 1" in check_ledger(ledger).detail


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@hypothesis.settings(max_examples=15, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(runs=st.lists(st.lists(st.tuples(TEXT, TEXT), unique_by=lambda row: row[0], max_size=4), min_size=1, max_size=4))
def test_every_record_ever_written_is_read_back_as_it_was(tmp_path_factory, runs):
    ledger = Ledger.open(tmp_path_factory.mktemp("law") / "law.duckdb")
    for index, rows in enumerate(runs):
        frame = pd.DataFrame(rows, columns=["partner", "published"]).astype("str")
        record_tiers(ledger, frame, **GIVEN, run_id=f"run {index}")

    for index, rows in enumerate(runs):
        read = ledger.tiers(program="demo", run_id=f"run {index}")
        assert list(zip(read["partner"], read["published"], strict=True)) == rows
    assert check_ledger(ledger).passed
