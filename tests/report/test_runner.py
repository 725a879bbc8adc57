"""One run, end to end: the program and every region; one fails, says so, and the others are whole."""

from __future__ import annotations

import json
import re

import pytest

from partnerlab.report.archive import read_manifest
from partnerlab.report.runner import Order, render_reports
from partnerlab.report.verification import check_run

CELLS = (
    "import pandas as pd\nfrom partnerlab.report import page\nfrom partnerlab.report.metrics import Metric",
    "page.render_headline(f'Quarter {quarter}, region {region}')",
    "page.render_table(pd.DataFrame({'x': [seed]}), caption='Seed', name='seed')",
    "if region == 'LATAM': raise ValueError('no data of this region')",
    "page.render_metric(Metric(name='seed-metric', label='Seed', estimate=seed, n=10, table='seed'))",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A small program in a DuckDB file."""
    from partnerlab.intake.simulate import Truth, simulate_program

    path = tmp_path_factory.mktemp("data") / "small.duckdb"
    simulate_program(Truth(n_partners=60, n_quarters=8), seed=3).write(path)
    return path


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A notebook that is quick to run, for each segment."""
    import nbformat

    cell = 'quarter: str = ""\nregion: str = ""\nsource: str = ""\nseed: int = 7\nledger: str = ""'
    path = tmp_path_factory.mktemp("notebook") / "90_toy.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel, "partnerlab": {"each_segment": True}})
    tagged = nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]})
    book.cells = [nbformat.v4.new_markdown_cell("# A toy?"), tagged, *(nbformat.v4.new_code_cell(code) for code in CELLS)]
    nbformat.write(book, path)
    return path


@pytest.fixture(scope="module")
def order(program, notebook, tmp_path_factory):
    """What is asked."""
    out = tmp_path_factory.mktemp("reports")
    ledger = out / "ledger.duckdb"
    return Order(source=f"duckdb:///{program}", notebooks=(str(notebook),), by="region", out=out, ledger=str(ledger), jobs=2)


@pytest.fixture(scope="module")
def run(order):
    """The run that many tests look at."""
    return render_reports(order)


def test_the_failed_region_has_a_page_that_says_so(run):
    page = (run.folder / "region-latam" / "report.html").read_text()

    assert "Incomplete: this report could not be finished" in page
    assert "no data of this region" in page


def test_the_index_lists_every_region_and_names_the_failed_one(run):
    index = run.index.read_text()

    assert re.findall(r'href="(region-[a-z]+)/report\.html"', index) == [outcome.page.slug for outcome in run.outcomes[1:]]
    assert "no data of this region" in index


def test_the_others_are_whole(run):
    assert [outcome.page.slug for outcome in run.failed] == ["region-latam"]
    for outcome in run.outcomes:
        folder = run.folder / outcome.page.slug
        assert {"report.html", "report.ipynb", "metrics.json", "tables"} <= {path.name for path in folder.iterdir()}


def test_the_manifest_says_how_to_make_it_again(run):
    manifest = read_manifest(run.folder)

    assert manifest["data_hash"]
    assert manifest["scheme"] == "quadrant@1"
    assert manifest["code"]["versions"]["numpy"]
    assert manifest["order"]["by"] == "region"
    assert [page["state"] for page in manifest["pages"]].count("failed") == 1


def test_tiers_go_to_the_ledger_for_everybody_once(run, order):
    from partnerlab.ledger import Ledger

    tiers = Ledger.open(order.ledger).tiers(program=run.manifest["program"], quarter=run.manifest["quarter"])

    assert len(tiers) == tiers["partner"].nunique() > 0
    assert set(tiers["scheme"]) == {"quadrant@1"}


def test_figures_of_whole_pages_go_to_the_ledger(run, order):
    from partnerlab.ledger import Ledger

    metrics = Ledger.open(order.ledger).metrics(program=run.manifest["program"], quarter=run.manifest["quarter"])

    assert len(metrics) == len(run.outcomes) - 1


def test_the_run_comes_out_the_same_again_and_when_rendered_again_says_what_changed(run, order, program, notebook, monkeypatch):
    import dataclasses

    # the working copy may move on while the tests run
    monkeypatch.setattr("partnerlab.report.archive.describe_code", lambda: run.manifest["code"])
    alone = dataclasses.replace(order, by="")
    first = render_reports(alone)
    assert "Rendered again: no figure changed" in (first.folder / "program" / "report.html").read_text()

    assert check_run(first.folder).same

    render_reports(dataclasses.replace(alone, seed=8))
    page = (first.folder / "program" / "report.html").read_text()
    assert "Seed: 7 before, 8 now." in page
    assert "The parameters changed." in page


def test_pages_that_a_later_run_does_not_make_are_kept_and_marked(run, order):
    import dataclasses

    later = render_reports(dataclasses.replace(order, by="", region="EMEA"))

    index = later.index.read_text()
    assert (later.folder / "region-apac" / "report.html").is_file()
    assert "of the run of" in index
    assert later.manifest["pages"][0]["slug"] == "region-emea"


def test_metrics_are_written_beside_the_page(run):
    record = json.loads((run.folder / "program" / "metrics.json").read_text())

    assert record["metrics"] or record["headline"]
    assert record["quarter"] == run.manifest["quarter"]
