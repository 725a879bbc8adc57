"""Scores by hand: shapes, weights, gates, alternative paths, and what unknown means."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.errors import MissingTableError, SpecError
from partnerlab.panel.panel import Panel
from partnerlab.scoring import Part, Scorecard, Scores, score_partners
from partnerlab.scoring.shapes import percentile

NAN = float("nan")


def panel_of(**columns: list) -> Panel:
    count = len(next(iter(columns.values())))
    return Panel.from_frame(pd.DataFrame({"partner": [f"p{index}" for index in range(count)], "quarter": "2026Q1", **columns}))


def score(spec: dict, *, params: dict | None = None, goal: str | None = None, **columns: list) -> list[float]:
    card = Scorecard(scores={"s": spec}, params=params or {}, goal=goal)
    return score_partners(panel_of(**columns), scorecard=card).values["s"][:, 0].tolist()


def part(metric: str, shape: dict, **more) -> dict:
    return {"metric": metric, "shape": shape, **more}


def test_a_weighted_mean_scales_to_its_maximum():
    spec = {"max": 50, "parts": [part("x", {"ratio": 10}, weight=3), part("y", {"ratio": 4}, weight=1)]}

    assert score(spec, x=[5.0, 20.0], y=[4.0, 0.0]) == [31.25, 37.5]


def test_a_sum_of_points_is_capped_part_by_part_and_as_a_whole():
    spec = {"combine": "sum", "max": 25, "parts": [part("x", {"per": 4, "max": 20}), part("y", {"per": 1}, max=10)]}

    assert score(spec, x=[2.0, 9.0, -1.0], y=[1.0, 99.0, 3.0]) == [9.0, 25.0, 3.0]


def test_ratios_are_kept_exact():
    spec = {"combine": "sum", "max": 40, "parts": [part("people", {"per": "40/6", "max": 40})]}

    assert score(spec, people=[3.0, 6.0]) == [20.0, 40.0]
    assert Scorecard(scores={"s": spec}).scores["s"].parts[0].shape["per"] == Fraction(20, 3)


def test_bands_step_up_where_they_begin():
    assert score({"max": 1, "parts": [part("x", {"bands": [[0, 0], [1, 0.4], [3, 1]]})]}, x=[0.0, 1.0, 2.9, 3.0]) == [0.0, 0.4, 0.4, 1.0]


def test_percentiles_rank_within_the_group():
    columns = {"x": [1.0, 2.0, 10.0, 20.0], "region": ["n", "n", "s", "s"]}

    assert score({"parts": [part("x", {"percentile": "region"})]}, **columns) == [25.0, 75.0, 25.0, 75.0]
    assert score({"parts": [part("x", {"percentile": "population"})]}, **columns) == [12.5, 37.5, 62.5, 87.5]


@pytest.mark.parametrize(("rule", "expected"), [("refuse", NAN), ("zero", 50.0), ("renormalise", 100.0)])
def test_an_unknown_part_refuses_counts_nothing_or_is_left_out(rule, expected):
    spec = {"unknown": rule, "parts": [part("x", {"ratio": 1}), part("y", {"ratio": 1})]}

    assert score(spec, x=[1.0], y=[NAN]) == pytest.approx([expected], nan_ok=True)


def test_nothing_known_is_unknown_also_when_renormalised():
    assert np.isnan(score({"unknown": "renormalise", "parts": [part("x", {"ratio": 1})]}, x=[NAN, 1.0])[0])


def test_a_sum_is_renormalised_by_what_the_known_parts_could_give():
    spec = {"combine": "sum", "unknown": "renormalise", "parts": [part("x", {"per": 1, "max": 10}), part("y", {"per": 1, "max": 30})]}

    assert score(spec, x=[5.0, 5.0], y=[NAN, 15.0]) == [20.0, 20.0]


def test_a_gated_part_counts_when_its_prerequisite_holds():
    spec = {"combine": "sum", "parts": [part("adv", {"per": 4, "max": 20}, requires=["base >= 2"])]}

    assert score(spec, adv=[2.0, 2.0, 2.0, 0.0], base=[2.0, 1.0, NAN, NAN]) == pytest.approx([8.0, 0.0, NAN, 0.0], nan_ok=True)


def test_alternative_paths_take_the_better_one():
    paths = {"id": "path", "max_of": [part("x", {"per": 2}), part("y", {"per": 3})]}

    assert score({"combine": "sum", "parts": [paths]}, x=[3.0, 0.0], y=[1.0, 1.0]) == [6.0, 3.0]


def test_parts_can_share_a_cap():
    shared = {"id": "skills", "max": 10, "sum_of": [part("x", {"per": 2}), part("y", {"per": 3})]}

    assert score({"combine": "sum", "parts": [shared]}, x=[1.0, 5.0], y=[1.0, 5.0]) == [5.0, 10.0]


def test_bands_can_be_multiplied():
    grid = {"id": "grid", "product_of": [part("x", {"bands": [[0, 1], [5, 2]]}), part("y", {"bands": [[0, 10], [5, 20]]})]}

    assert score({"combine": "sum", "parts": [grid]}, x=[1.0, 9.0], y=[9.0, 9.0]) == [20.0, 40.0]


def test_one_indicator_over_another_is_unknown_over_nothing():
    assert score({"divide": "revenue", "by": "invoices"}, revenue=[10.0, 0.0, 5.0], invoices=[4.0, 0.0, NAN]) == pytest.approx(
        [2.5, NAN, NAN], nan_ok=True
    )


def test_weights_follow_the_goal():
    weights = {"brand": {"x": 0.9, "y": 0.1}, "service": {"x": 0.1, "y": 0.9}}
    spec = {"weights_by_goal": weights, "parts": [part("x", {"ratio": 1}), part("y", {"ratio": 1})]}

    assert score(spec, goal="brand", x=[1.0], y=[0.0]) == pytest.approx([90.0])
    assert score(spec, goal="service", x=[1.0], y=[0.0]) == pytest.approx([10.0])


def test_parameters_stand_for_numbers_and_can_differ_by_partner():
    card = Scorecard(scores={"s": {"parts": [part("x", {"ratio": "$full"})]}}, params={"full": 10})
    panel = panel_of(x=[5.0, 5.0])

    assert score_partners(panel, scorecard=card).values["s"][:, 0].tolist() == [50.0, 50.0]
    assert score_partners(panel, scorecard=card, params={"full": np.array([[10.0], [5.0]])}).values["s"][:, 0].tolist() == [50.0, 100.0]


def test_scores_say_how_many_parts_are_unknown():
    card = Scorecard(scores={"s": {"parts": [part("x", {"ratio": 1}), part("y", {"ratio": 1})]}})

    assert score_partners(panel_of(x=[1.0, NAN], y=[NAN, NAN]), scorecard=card).missing("s")[:, 0].tolist() == [1, 2]


def test_ready_made_scores_come_from_a_frame():
    scores = Scores.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "fit": [0.5, 0.7]}))

    assert scores.to_frame()["fit"].tolist() == [0.5, 0.7]


def test_an_indicator_that_the_panel_lacks_is_refused():
    with pytest.raises(MissingTableError, match="leads"):
        score({"parts": [part("leads", {"ratio": 1})]}, x=[1.0])


def test_a_parameter_without_a_value_is_refused():
    with pytest.raises(SpecError, match=r"\$full has no value"):
        score({"parts": [part("x", {"ratio": "$full"})]}, x=[1.0])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"parts": [part("x", {"rato": 1})]}, "did you mean 'ratio'"),
        ({"parts": [part("x", {"ratio": 1, "per": 2})]}, "one shape is needed, got ratio, per"),
        ({"parts": [{"metric": "x"}]}, "metric 'x' needs a shape"),
        ({"parts": [{"metric": "x", "shape": {"ratio": 1}, "max_of": [part("y", {"ratio": 1})]}]}, "exactly one of"),
        ({"parts": [{"max_of": [part("y", {"ratio": 1})]}]}, "needs an id"),
        ({"parts": [part("x", {"ratio": 1}), part("x", {"ratio": 2})]}, "stands twice"),
        ({"parts": [part("x", {"bands": [[3, 1], [1, 0]]})]}, "bands must rise"),
        ({"parts": [part("x", {"bands": "many"})]}, "bands take a list"),
        ({"parts": [part("x", {"percentile": 3})]}, "percentile takes"),
        ({"parts": [part("x", {"ratio": None})]}, "a number is needed here, not null"),
        ({"parts": [part("x", {"ratio": "lots"})]}, "'lots' is not a number"),
        ({"parts": []}, "either parts, or 'divide' and 'by'"),
        ({"divide": "x"}, "go together"),
        ({"combine": "sum", "unknown": "renormalise", "parts": [part("x", {"per": 1})]}, "every part needs a max; x has none"),
        ({"combine": "max", "unknown": "renormalise", "parts": [part("x", {"per": 1})]}, "cannot be renormalised"),
        ({"weights_by_goal": {"g": {"z": 1}}, "parts": [part("x", {"ratio": 1})]}, "names part 'z'"),
        ({"parts": [part("x", {"ratio": 0})]}, "ratio is what earns full marks and must be above 0, got 0"),
        ({"parts": [part("x", {"per": -1})]}, "per is the points for each unit and must be above 0, got -1"),
        ({"parts": [part("x", {"as_is": 0})]}, "as_is is what the value is divided by and must be above 0"),
        ({"parts": [part("x", {"ratio": 1}, weight=-1)]}, "a weight is 0 or more, got -1"),
        ({"parts": [part("x", {"ratio": 1}, weight=0)]}, "every part has weight 0"),
        ({"weights_by_goal": {"g": {"x": -1}}, "parts": [part("x", {"ratio": 1})]}, "a weight is 0 or more"),
        ({"weights_by_goal": {"g": {"x": 0}}, "parts": [part("x", {"ratio": 1})]}, "weights_by_goal.g gives every part weight 0"),
        ({"combin": "sum", "parts": [part("x", {"per": 1})]}, "did you mean 'combine'"),
    ],
)
def test_a_scorecard_that_cannot_be_meant_is_refused(spec, says):
    with pytest.raises(SpecError, match=says):
        Scorecard(scores={"s": spec}, goal="g" if "weights_by_goal" in spec else None)


@pytest.mark.parametrize(
    ("shape", "weight", "value", "says"),
    [
        ({"ratio": "$p"}, 1, 0, r"part 'x': ratio is what earns full marks and must be above 0, but \$p is 0"),
        ({"per": "$p"}, 1, -2, r"part 'x': per .* but \$p is -2"),
        ({"ratio": 1}, "$p", -1, r"part 'x': a weight is 0 or more, but \$p is -1"),
        ({"ratio": 1}, "$p", 0, "parts 'x' all have weight 0"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_when_it_has_its_value(shape, weight, value, says):
    with pytest.raises(SpecError, match=says):
        score({"parts": [part("x", shape, weight=weight)]}, x=[1.0], params={"p": value})


def test_a_goal_without_weights_is_refused():
    spec = {"weights_by_goal": {"brand": {"x": 1}}, "parts": [part("x", {"ratio": 1})]}

    with pytest.raises(SpecError, match="set goal to one of brand"):
        Scorecard(scores={"s": spec})
    with pytest.raises(SpecError, match="did you mean 'brand'"):
        Scorecard(scores={"s": spec}, goal="brnd")


def test_a_part_is_called_by_its_id_or_metric():
    assert (Part(**part("x", {"ratio": 1})).name, Part(id="i", **part("x", {"ratio": 1})).name) == ("x", "i")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=12))
def test_mid_ranks_average_one_half_and_keep_the_order(numbers):
    values = np.array([NAN if number is None else number for number in numbers], dtype=float)[:, None]
    ranks = percentile(values, "population")
    known = ~np.isnan(values)

    assert np.array_equal(np.isnan(ranks), ~known)
    assert not known.any() or ranks[known].mean() == pytest.approx(0.5)
    assert (np.diff(ranks[known][np.argsort(values[known], kind="stable")]) >= 0).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 9))] * 2), min_size=1, max_size=6),
    st.sampled_from(["refuse", "zero", "renormalise"]),
)
def test_scores_stay_between_nothing_and_full_marks(rows, rule):
    columns = {name: [NAN if row[index] is None else float(row[index]) for row in rows] for index, name in enumerate("xy")}
    values = np.array(
        score({"unknown": rule, "parts": [part("x", {"ratio": 5}, weight=0.3), part("y", {"ratio": 3}, weight=0.7)]}, **columns)
    )

    assert (((values >= 0) & (values <= 100 + 1e-9)) | np.isnan(values)).all()


def test_a_part_without_weight_leaves_the_score_known():
    part = {"metric": "x", "shape": {"ratio": 10}}
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "x": [8.0, np.nan], "y": [np.nan, 1.0]}))
    scores = score_partners(
        panel, scorecard=Scorecard(scores={"s": {"parts": [part, {"metric": "y", "shape": {"ratio": 10}, "weight": 0}]}})
    )

    assert scores.values["s"].ravel().tolist() == [80.0, pytest.approx(np.nan, nan_ok=True)]


PATHS = [{"id": name, "metric": name, "shape": {"per": 10, "max": 50}} for name in ("x", "y")]


@pytest.mark.parametrize(
    ("score", "values"),
    [
        ({"combine": "sum", "parts": [{"id": "best", "max_of": PATHS}]}, [50, None, None]),
        ({"combine": "sum", "parts": [{"id": "both", "sum_of": PATHS, "max": 40}]}, [40, None, None]),
        ({"combine": "sum", "parts": [{"id": "each", "product_of": PATHS}]}, [None, None, 0]),
        ({"combine": "sum", "max": 50, "parts": PATHS}, [50, None, None]),
        ({"combine": "max", "parts": PATHS}, [50, None, None]),
    ],
)
def test_what_is_unknown_leaves_a_score_known_where_it_cannot_matter(score, values):
    panel = Panel.from_frame(pd.DataFrame({"partner": list("abc"), "quarter": "2026Q1", "x": [5.0, 2, 0], "y": np.nan}))
    found = score_partners(panel, scorecard=Scorecard(scores={"s": score})).values["s"].ravel()

    assert [None if np.isnan(value) else value for value in found] == values


def chain(*names: str) -> dict:
    """Scores of which each doubles the one named after it."""
    return {
        name: {"combine": "sum", "parts": [{"id": f"{name}_part", "metric": after, "shape": {"per": 2}}]}
        for name, after in itertools.pairwise(names)
    }


def test_a_score_of_a_score_may_be_listed_first():
    panel = panel_of(x=[5.0])
    scores = chain("third", "second", "first", "x")

    for order in (scores, dict(reversed(scores.items()))):
        assert score_partners(panel, scorecard=Scorecard(scores=order)).values["third"].item() == 40.0


def test_scores_that_ask_for_one_another_are_refused_in_one_line():
    with pytest.raises(SpecError, match=r"scores ask for one another: .*; take one of them out of the circle"):
        score_partners(panel_of(x=[5.0]), scorecard=Scorecard(scores=chain("a", "b", "a")))
