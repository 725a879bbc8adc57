"""The notebooks: questions, verbs and readings; stored clean; each runs by papermill on a small program."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

from partnerlab.report.parameters import load_parameters

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ASKED = ["source", "quarter", "first", "region", "segment", "scheme", "indicators", "as_of", "seed", "ledger"]
#: What some can be asked besides: which of several things they look at.
BESIDES = {"70_tactics": ["tactic"], "80_experiment_design": ["tactic"], "85_experiment_report": ["experiment"]}
KNOWN_METADATA = {"kernelspec", "language_info", "partnerlab"}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_the_road_has_its_notebooks():
    assert [path.stem for path in NOTEBOOKS] == [
        "10_data_quality",
        "30_scores",
        "40_tiers",
        "45_tier_design",
        "50_transitions",
        "55_forecast",
        "60_survival",
        "70_tactics",
        "75_tactic_review",
        "80_experiment_design",
        "85_experiment_report",
        "90_quarterly_review",
    ]


@each_notebook
def test_every_notebook_can_be_asked_the_same(path):
    assert list(load_parameters(path)) == [*ASKED, *BESIDES.get(path.stem, [])]


@each_notebook
def test_every_parameter_says_what_it_is(path):
    assert all(parameter.meaning for parameter in load_parameters(path).values())


@each_notebook
def test_a_notebook_is_stored_without_outputs_on_the_kernel_python3(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)

    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert set(notebook.metadata) <= KNOWN_METADATA
    assert all(not cell.outputs and cell.execution_count is None for cell in cells(path, "code"))


@each_notebook
def test_a_notebook_holds_verbs_and_no_machinery(path):
    for cell in cells(path, "code"):
        kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
        assert not kinds & {
            ast.FunctionDef,
            ast.AsyncFunctionDef,
            ast.ClassDef,
            ast.For,
            ast.While,
            ast.If,
            ast.Try,
            ast.Lambda,
            ast.ListComp,
        }
        assert not re.search(r"\b(SELECT|INSERT|GROUP BY)\b", cell.source)


@each_notebook
def test_words_in_a_notebook_hold_no_numbers_of_a_program(path):
    for cell in cells(path, "markdown"):
        assert not re.search(r"\d+(\.\d+)?\s?%|\b\d{2,}\b", cell.source), cell.source


@each_notebook
def test_a_notebook_begins_with_its_question(path):
    first = cells(path, "markdown")[0].source

    assert re.match(r"# .*\?", first)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Every notebook, once, on a small program, after last quarter's review printed its forecast."""
    from partnerlab.intake.simulate import Truth, simulate_program
    from partnerlab.report.runner import Order, render_reports

    folder = tmp_path_factory.mktemp("run")
    simulate_program(Truth(n_partners=80, n_quarters=10), seed=5).write(folder / "small.duckdb")
    order = {"source": f"duckdb:///{folder}/small.duckdb", "out": folder / "reports", "ledger": str(folder / "ledger.duckdb"), "jobs": 2}
    last = render_reports(Order(**order, notebooks=("90",), quarter=_before(folder / "small.duckdb")))
    assert not last.failed, last.failed[0].error
    return render_reports(Order(**order))


def _before(path):
    from partnerlab.report.request import load_request

    return load_request(source=f"duckdb:///{path}").before


def test_every_notebook_runs(run):
    assert {outcome.page.slug: outcome.error for outcome in run.outcomes} == dict.fromkeys(
        [
            "program",
            "data-quality",
            "scores",
            "tiers",
            "tier-design",
            "transitions",
            "forecast",
            "survival",
            "tactics",
            "tactic-review",
            "experiment-report",
            "experiment-design",
        ],
        "",
    )


def test_page_one_has_four_to_six_figures_each_with_n_and_a_table(run):
    metrics = json.loads((run.folder / "program" / "metrics.json").read_text())["metrics"]

    assert 4 <= len(metrics) <= 6
    assert all(metric["table"] and metric["n"] for metric in metrics)


def test_every_share_on_page_one_has_its_interval_and_every_figure_its_change(run):
    metrics = json.loads((run.folder / "program" / "metrics.json").read_text())["metrics"]

    for metric in metrics:
        if metric["unit"] == "share":
            assert metric["conf_low"] <= metric["estimate"] <= metric["conf_high"]
        if metric["name"] != "moves-beyond-noise":
            assert metric["change_low"] <= metric["change"] <= metric["change_high"]


def test_every_headline_links_to_the_table_behind_it(run):
    page = (run.folder / "program" / "report.html").read_text()
    links = re.findall(r'<p class="pl-link"><a href="#([^"]+)"', page)

    assert len(links) >= 4
    assert all(f'id="{link}"' in page for link in links)


def test_every_figure_has_words_for_those_who_cannot_see_it(run):
    for outcome in run.outcomes:
        page = (run.folder / outcome.page.slug / "report.html").read_text()
        drawings = re.findall(r"<svg [^>]*>", page)
        assert all('role="img"' in drawing and re.search(r'aria-label="[^"]{20,}"', drawing) for drawing in drawings)
    assert drawings


def test_numbers_lie_beside_every_figure_and_table(run):
    for outcome in run.outcomes:
        folder = run.folder / outcome.page.slug
        for piece in outcome.pieces:
            if piece.kind == "figure":
                assert (folder / "figures" / f"{piece.name}.svg").is_file()
            if piece.csv:
                assert (folder / "tables" / f"{piece.name}.csv").is_file()


def test_no_page_fetches_anything(run):
    for outcome in run.outcomes:
        page = (run.folder / outcome.page.slug / "report.html").read_text()
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
        assert "<script" not in page


def test_last_quarters_forecast_is_scored(run):
    page = (run.folder / "program" / "report.html").read_text()

    assert "held what happened" in page


def test_this_quarters_forecast_goes_to_the_ledger(run):
    from partnerlab.ledger import Ledger

    order, manifest = run.manifest["order"], run.manifest
    printed = Ledger.open(order["ledger"]).forecasts(program=manifest["program"], made_in=manifest["quarter"])

    assert sorted(set(printed["quarter"])) == [_after(manifest["quarter"], ahead) for ahead in (1, 2, 3, 4)]
    assert {"estimate", "conf_low", "conf_high"} <= set(printed.columns)


def _after(label, ahead):
    from partnerlab.periods import Calendar

    return Calendar().label(Calendar().parse(label) + ahead)


def test_identifiers_on_a_page_are_unique(run):
    for outcome in run.outcomes:
        identifiers = re.findall(r'\sid="([^"]+)"', (run.folder / outcome.page.slug / "report.html").read_text())
        assert len(identifiers) == len(set(identifiers)), outcome.page.slug
