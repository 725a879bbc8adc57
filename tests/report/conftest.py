"""Toy notebooks, and one run of them that many tests look at."""

from __future__ import annotations

import pytest

PARAMETERS = """\
region: str = ""  # whose partners
quarter: str = "2026Q3"  # quarter of the report
seed: int = 7
"""

GOOD = (
    "import pandas as pd\nfrom partnerlab.report import page\nfrom partnerlab.report.metrics import Metric",
    "page.render_headline(f'Region {region!r} in {quarter}')",
    "page.render_metric(Metric(name='active', label='Active partners', estimate=412, n=412, table='by-region'),"
    " Metric(name='share', label='Share in the top tier', unit='share', estimate=0.2, conf_low=0.15, conf_high=0.25, n=412, target=0.2))",
    "page.render_table(pd.DataFrame({'region': ['NO', '007'], 'partners': [3, 4]}), caption='Partners by region', name='by-region')",
    "if region == 'FAIL': raise ValueError('this region fails')",
    "from matplotlib.figure import Figure\nfigure = Figure()\naxes = figure.add_subplot()\nline = axes.plot([1, 2, 3])\n"
    "page.render_figure(figure, name='line', headline='It rises', alt='A line that rises from 1 to 3.')",
)


def make_notebook(path, *cells, parameters=PARAMETERS, title="# How is it?"):
    """Write a notebook with a parameters cell and the given code."""
    import nbformat

    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    tagged = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    body = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook.cells = [nbformat.v4.new_markdown_cell(title), tagged, *body, nbformat.v4.new_markdown_cell("## And then?\n\nText & more.")]
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index}"
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A notebook that works, unless its region is FAIL."""
    return make_notebook(tmp_path_factory.mktemp("toy") / "toy.ipynb", *GOOD)


@pytest.fixture(scope="session")
def outcomes(toy, tmp_path_factory):
    """Four pages of the toy notebook, their kernels started at one moment: three whole, one that fails halfway."""
    from partnerlab.report.execution import Page, execute_pages

    folder = tmp_path_factory.mktemp("pages")
    pages = [
        Page(slug=slug, title=slug, group="toy", notebook=toy, parameters={"region": region, "quarter": "2026Q3"})
        for slug, region in (("norway", "NO"), ("fails", "FAIL"), ("agent", "007"), ("third", "3"))
    ]
    seen = []
    found = {outcome.page.slug: outcome for outcome in execute_pages(pages, folder=folder, jobs=4, watch=seen.append)}
    return found, seen, folder
