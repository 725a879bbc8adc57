"""Pictures and tables of how sure tiers are: each says its finding, its units and its n."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import SampleError
from partnerlab.panel import Panel
from partnerlab.show import plot, tabulate
from partnerlab.tiers import (
    TierScheme,
    assign_tiers,
    check_bunching,
    check_leading,
    estimate_agreement,
    estimate_misclassification,
    estimate_overrides,
    estimate_sensitivity,
)
from partnerlab.transitions import estimate_real_moves, estimate_tier_probability

BANDS = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 6}, {"name": "Member"}]}
GOLD = TierScheme(scheme="demo", classify=BANDS)


@pytest.fixture(scope="module")
def results():
    rng = np.random.default_rng(0)
    leads = rng.poisson(rng.gamma(2.0, 3.0, (90, 1)), (90, 8))
    labels = [f"{2025 + q // 4}Q{q % 4 + 1}" for q in range(8)]
    names = [f"p{i:02d}" for i in range(90)]
    rows = {"partner": np.repeat(names, 8), "quarter": np.tile(labels, 90), "leads": leads.ravel(), "sales": rng.poisson(leads + 1).ravel()}
    panel = Panel.from_frame(pd.DataFrame(rows))
    history = assign_tiers(panel, GOLD)
    said = pd.DataFrame({"partner": names, "tier": np.where(leads[:, -1] > 4, "Gold", "Member")})
    appeals = pd.DataFrame({"partner": names[:4], "quarter": "2026Q4", "decision": ["upheld", "rejected"] * 2})
    audit = pd.DataFrame({"partner": names[10:40], "correct": [True] * 28 + [False] * 2})
    return {
        "probability": estimate_tier_probability(panel, scheme=GOLD, draws=30, seed=1),
        "real": estimate_real_moves(history, draws=30, seed=1),
        "sensitivity": estimate_sensitivity(panel, scheme=GOLD),
        "bunching": check_bunching(history),
        "agreement": estimate_agreement(history, said=said),
        "misclassification": estimate_misclassification(history, appeals=appeals, audit=audit),
        "overrides": estimate_overrides(history),
        "leading": check_leading(panel, leading="leads", lagging="sales"),
    }


NAMES = ("probability", "real", "sensitivity", "bunching", "agreement", "misclassification", "overrides", "leading")


@pytest.mark.parametrize("name", NAMES)
def test_every_result_has_a_picture_with_words(results, name):
    shown = plot(results[name])

    assert ET.fromstring(shown.drawing).tag.endswith("svg")
    assert len(shown.headline) > 15
    assert shown.n > 0
    assert "nan" not in (shown.headline + shown.alt + shown.caption).lower().replace("finan", "")


@pytest.mark.parametrize("name", NAMES)
def test_every_result_has_a_table(results, name):
    view = tabulate(results[name])

    assert view.rows
    assert not any(cell.lower() == "nan" for row in view.rows for cell in row)


def test_the_borderline_headline_counts_what_the_list_holds(results):
    line = results["probability"].borderline()

    assert plot(results["probability"]).headline.startswith(f"{len(line)} partner")
    assert len(tabulate(results["probability"]).rows) == len(line)


def test_nobody_borderline_is_said(results):
    with pytest.raises(SampleError, match="nobody is borderline"):
        plot(results["probability"], sure=0.0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("real", "are expected to be real"), ("sensitivity", "Most hangs on leads >= 6"), ("agreement", "Agreement beyond chance is"),
        ("misclassification", "Wrong tiers:"), ("overrides", "Overridden tiers:"), ("leading", "leads"), ("bunching", "bunching"),
    ],
)  # fmt: skip
def test_headlines_say_the_finding(results, name, said):
    assert said in plot(results[name]).headline
