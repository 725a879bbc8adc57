"""Runs are put in place in one step; one that dies leaves the one before it whole."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from partnerlab.errors import ParameterError
from partnerlab.report import archive
from partnerlab.report.metrics import Metric
from partnerlab.report.pieces import Piece


def built(target, text):
    with archive.stage(target) as building:
        (building / "index.html").write_text(text)


def test_a_run_is_put_in_place(tmp_path):
    built(tmp_path / "demo" / "2026Q3", "first")

    assert (tmp_path / "demo" / "2026Q3" / "index.html").read_text() == "first"


@pytest.mark.parametrize("exchange", [True, False])
def test_a_second_run_replaces_the_first_and_leaves_nothing_behind(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(archive, "_exchange", lambda one, other: False)
    target = tmp_path / "2026Q3"
    built(target, "first")
    built(target, "second")

    assert (target / "index.html").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["2026Q3"]


def test_a_run_that_fails_leaves_the_one_before_it_whole(tmp_path):
    target = tmp_path / "2026Q3"
    built(target, "first")

    with pytest.raises(RuntimeError), archive.stage(target) as building:  # noqa: PT012
        (building / "index.html").write_text("half")
        raise RuntimeError

    assert (target / "index.html").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["2026Q3"]


def test_a_run_that_is_killed_leaves_the_one_before_it_whole_and_is_swept_by_the_next(tmp_path):
    target = tmp_path / "2026Q3"
    built(target, "first")
    code = f"""
        import os, signal
        from pathlib import Path
        from partnerlab.report import archive
        with archive.stage(Path({str(target)!r})) as building:
            (building / "index.html").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)

    assert (target / "index.html").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 2
    built(target, "second")
    assert [path.name for path in tmp_path.iterdir()] == ["2026Q3"]


def test_a_run_that_died_between_two_renames_is_put_back(tmp_path):
    target = tmp_path / "2026Q3"
    aside = tmp_path / ".2026Q3.999999999.aside"
    aside.mkdir()
    (aside / "index.html").write_text("first")

    with pytest.raises(RuntimeError), archive.stage(target):
        raise RuntimeError

    assert (target / "index.html").read_text() == "first"


def test_pieces_become_files_that_two_runs_write_alike(tmp_path):
    metric = Metric(name="a", label="A", estimate=1, n=1)
    pieces = [
        Piece(kind="headline", name="headline", text="Fine."),
        Piece(kind="metric", name="a", numbers=metric.to_dict()),
        Piece(kind="table", name="t", csv="x\n1\n"),
        Piece(kind="figure", name="f", svg="<svg/>", alt="A line.", csv="y\n2\n"),
    ]
    for folder in ("one", "two"):
        archive.write_pieces(tmp_path / folder, pieces, context={"quarter": "2026Q3"})

    assert sorted(archive.digests(tmp_path / "one")) == ["figures/f.svg", "metrics.json", "tables/f.csv", "tables/t.csv"]
    assert archive.digests(tmp_path / "one") == archive.digests(tmp_path / "two")


def run_of(tmp_path, program, quarter):
    folder = archive.run_folder(tmp_path, program=program, quarter=quarter)
    archive.write_json(folder / "manifest.json", {"program": program, "quarter": quarter, "pages": []})


def test_the_latest_run_is_found(tmp_path):
    for quarter in ("2026Q2", "2026Q3"):
        run_of(tmp_path, "Demo", quarter)

    assert archive.find_run(tmp_path)["quarter"] == "2026Q3"


def test_a_quarter_without_a_run_names_the_nearest(tmp_path):
    run_of(tmp_path, "Demo", "2026Q2")

    with pytest.raises(ParameterError, match=r"no reports of 2026Q3; did you mean '2026Q2'\?"):
        archive.find_run(tmp_path, quarter="2026Q3")


def test_several_programs_ask_for_one(tmp_path):
    for program in ("A", "B"):
        run_of(tmp_path, program, "2026Q2")

    with pytest.raises(ParameterError, match="holds several programs"):
        archive.find_run(tmp_path)
