"""The picture of a line moved step by step, and the line to drag."""

from __future__ import annotations

import builtins

import pandas as pd
import pytest

from partnerlab.panel import Panel
from partnerlab.show import plot
from partnerlab.tiers import TierScheme, assign_tiers, design_line


@pytest.fixture(scope="module")
def design():
    bands = {"kind": "bands", "value": "leads", "bands": [{"name": "A", "from": 20}, {"name": "B"}]}
    panel = Panel.from_frame(pd.DataFrame({"partner": list("abcd"), "quarter": "2026Q1", "leads": [5, 17, 21, 50]}))
    return design_line(assign_tiers(panel, TierScheme(scheme="demo", classify=bands)), factors=(0.8, 1.1))


def test_the_headline_says_what_the_nearest_places_would_do(design):
    picture = plot(design)

    assert picture.headline == "The line on leads: leads >= 16 (80 %) would move 1 partner; leads >= 22 (110 %) would move 1 partner"
    assert picture.n == 4


def test_the_slider_says_who_would_move_and_how_surely(design):
    said = plot(design, drag=True).say(1.1)

    assert "leads &gt;= 22" in said or "leads >= 22" in said
    assert "0 up, 1 down" in said
    assert "expected to stand truly" in said
    assert ">c<" in said


def test_a_place_where_nobody_moves_is_said(design):
    assert "nobody would move" in plot(design, drag=True).say(1.0)


def test_dragging_the_line_changes_the_list(design):
    slider, listed = plot(design, drag=True).widget().children

    slider.value = 0.8

    assert "1 up" in listed.value


def test_a_page_gets_no_widget_but_a_notebook_does(design):
    bundle = plot(design, drag=True)._repr_mimebundle_()

    assert bundle["text/html"] == ""
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_without_the_extra_the_notebook_says_so(design, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "ipywidgets":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)

    assert "explore" in plot(design, drag=True)._repr_mimebundle_()["text/html"]
