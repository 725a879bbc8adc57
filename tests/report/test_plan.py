"""Which pages a run has; everything that was asked is checked before any of them starts."""

from __future__ import annotations

import pytest

from partnerlab.errors import ParameterError
from partnerlab.report.parameters import read_declarations
from partnerlab.report.plan import QUESTIONS, REVIEW, Template, find_notebooks, load_template, parse_extra, plan_pages

CELL = 'quarter: str = ""\nregion: str = ""\nsegment: str = ""\nseed: int = 7\n'


def template(path="90_review.ipynb", each_segment=True, cell=CELL):
    from pathlib import Path

    return Template(path=Path(path), title="How?", parameters=read_declarations(cell, name="demo"), each_segment=each_segment)


def test_the_review_has_a_page_for_the_program_and_every_region():
    pages = plan_pages([template()], parameters={"quarter": "2026Q3"}, by="region", values=["NO", "007"])

    assert [(page.slug, page.parameters.get("region")) for page in pages] == [("program", None), ("region-no", "NO"), ("region-007", "007")]


def test_any_attribute_makes_segments():
    pages = plan_pages([template()], parameters={}, by="partner_type", values=["reseller"])

    assert pages[1].parameters == {"segment": "partner_type=reseller"}
    assert pages[1].segment == "partner type reseller"


def test_questions_are_asked_of_the_program_once():
    pages = plan_pages([template(), template("40_tiers.ipynb", each_segment=False)], parameters={}, by="region", values=["NO"])

    assert [(page.slug, page.group) for page in pages] == [("program", REVIEW), ("region-no", REVIEW), ("tiers", QUESTIONS)]


def test_names_that_fall_together_get_a_number():
    pages = plan_pages([template()], parameters={}, by="region", values=["A B", "A-B"])

    assert [page.slug for page in pages] == ["program", "region-a-b", "region-a-b-2"]


def test_a_value_of_the_wrong_type_stops_before_any_page():
    with pytest.raises(ParameterError, match=r"90_review\.ipynb: parameter seed must be a whole number; given '7'"):
        plan_pages([template()], parameters={"seed": "7"})


def test_segments_without_a_notebook_for_them_are_refused():
    with pytest.raises(ParameterError, match="none of the notebooks makes a page for each region"):
        plan_pages([template(each_segment=False)], parameters={}, by="region", values=["NO"])


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(ParameterError, match=r"has no parameter 'sed'; did you mean 'seed'\?"):
        parse_extra([template()], {"sed": "7"})


def test_shipped_notebooks_are_found_by_number_name_and_path():
    by_number, by_name, by_stem = find_notebooks(["40", "tiers", "40_tiers.ipynb"])

    assert by_number == by_name == by_stem


def test_an_unknown_notebook_names_the_nearest():
    with pytest.raises(ParameterError, match=r"no notebook is called '40_teirs'; did you mean '40_tiers'\?"):
        find_notebooks(["40_teirs"])


def test_only_the_review_is_made_for_each_segment():
    assert [template.path.stem for template in map(load_template, find_notebooks([])) if template.each_segment] == ["90_quarterly_review"]
