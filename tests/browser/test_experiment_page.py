"""The page of one experiment in a real browser: every picture on it, nothing leaves it, axe finds nothing, it fits a phone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.browser

TIERS = ("Registered", "Silver", "Gold")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A trial of two variants with tiers, takers and what was known before, written as a page."""
    import partnerlab as lab
    from partnerlab import report

    experiment = lab.Experiment(
        name="dinner", hypothesis="A dinner or a call brings leads.", tactic="Dinner",
        stakes=lab.Stakes(unit="leads", per="partner-quarter", material=0.5, value=400, cost=60, currency="EUR"),
        metrics=(lab.Metric(name="leads", kind="count"), lab.Metric(name="tier", kind="tier", tiers=TIERS)),
        variants=tuple(lab.Variant(name=name) for name in ("control", "a call", "a dinner")),
        strata=("tier_before",), by="tier_before", pre=("leads_before",), quarters=2,
    )  # fmt: skip
    random = np.random.default_rng(1)
    units = pd.DataFrame({"partner": [f"P{place:03d}" for place in range(360)], "tier_before": np.array(TIERS)[np.arange(360) % 3]})
    units["leads_before"] = random.poisson(4, 360)
    dealt = lab.assign_variants(experiment, units=units, seed=3)
    frame = dealt.label(units)
    on = frame["variant"].map({"control": 0.0, "a call": 0.2, "a dinner": 1.4}).to_numpy()
    frame["leads"] = random.poisson(2 + 0.5 * frame["leads_before"] + on).astype(float)
    frame["tier"] = np.select([frame["leads"] > 6, frame["leads"] > 3], ["Gold", "Silver"], "Registered")
    frame["got"] = ((on > 0) & (random.random(360) < 0.8)).astype(float)
    frame.loc[frame.index[:5], "leads"] = np.nan
    case = report.build_case(frame, experiment=experiment, assignment=dealt, unit="partner", received="got", period="2026Q3 to 2026Q4")
    return report.render_experiment(case, path=tmp_path_factory.mktemp("experiment") / "dinner.html")


def test_every_picture_stands_on_it(page_file, opened):
    page = opened(page_file.as_uri())

    assert page.locator("figure svg[role=img]").count() == 5
    told = page.locator("main").inner_text()
    assert "Not available" not in told
    assert "quarterly looks would find something" in told  # only the last look was given, so none can be drawn


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["desk", "phone"])
def test_axe_finds_no_violation(page_file, opened, screen, scheme):
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(opened(page_file.as_uri(), screen=screen, scheme=scheme)).response["violations"]

    assert [(found["id"], found["nodes"][0]["html"][:200]) for found in violations] == []


def test_nothing_leaves_it_and_it_fits_a_phone(page_file, opened):
    page = opened(page_file.as_uri(), screen="phone")

    assert page.asked == [page_file.as_uri()]
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
