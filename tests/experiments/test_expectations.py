"""Expectations taken from a panel are those that the panel was drawn from."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.experiments import Metric, estimate_outlooks
from partnerlab.panel import Panel

LABELS = [f"{year}Q{quarter}" for year in (2024, 2025, 2026) for quarter in (1, 2, 3, 4)]


def panel_of(values):
    n, t = values.shape
    frame = pd.DataFrame(
        {"partner": np.repeat([f"P{place:05d}" for place in range(n)], t), "quarter": LABELS[:t] * n, "leads": values.ravel()}
    )
    return Panel.from_frame(frame)


def test_counts_give_level_dispersion_and_what_stays():
    random = np.random.default_rng(3)
    rate = random.gamma(2.0, 2.0, 4000)[:, None] * np.ones(12)
    found = estimate_outlooks(panel_of(random.poisson(rate)), metrics=[Metric(name="leads", kind="count")])["leads"]

    assert found.level == pytest.approx(4.0, abs=0.15)
    assert found.dispersion == pytest.approx(0.5, abs=0.06)
    assert found.kept == pytest.approx(0.95, abs=0.01)  # all of it stays; cut at .95
    assert found.known == pytest.approx(np.sqrt(8 / (8 + 1)) * np.sqrt(8 / 12), abs=0.03)


def test_means_give_their_spread_and_the_likeness_of_partners_of_one_manager():
    random = np.random.default_rng(4)
    manager = np.arange(3000) % 100
    values = random.normal(size=100)[manager, None] * 0.5 + random.normal(size=(3000, 8))
    found = estimate_outlooks(panel_of(values), metrics=[Metric(name="leads")], cluster=manager)["leads"]

    assert found.sd == pytest.approx(np.sqrt(1.25), abs=0.05)
    assert found.icc == pytest.approx(0.2, abs=0.05)
    assert found.kept == pytest.approx(0.2, abs=0.05)


def test_shares_are_those_above_nothing():
    random = np.random.default_rng(5)
    found = estimate_outlooks(panel_of(random.binomial(3, 0.1, (2000, 8))), metrics=[Metric(name="leads", kind="share")])["leads"]

    assert found.level == pytest.approx(1 - 0.9**3, abs=0.01)


def test_too_few_partners_or_nothing_that_varies_is_refused():
    with pytest.raises(SampleError, match="fewer than 20 partners have leads"):
        estimate_outlooks(panel_of(np.arange(40.0).reshape(5, 8)), metrics=[Metric(name="leads")])
    with pytest.raises(SampleError, match="is the same for all partners"):
        estimate_outlooks(panel_of(np.ones((50, 8))), metrics=[Metric(name="leads")])
    with pytest.raises(ParameterError, match="is to be given by hand"):
        estimate_outlooks(panel_of(np.ones((50, 8))), metrics=[Metric(name="leads", kind="tier", tiers=("a", "b"))])
