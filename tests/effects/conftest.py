"""Worlds that several tests of effects are run on."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def feedback_world():
    """Make a world in which what a tactic did moves who gets it next."""
    return _feedback_world


def _feedback_world(seed, partners=600, quarters=4, lost=True):
    """Health tells who gets a dinner, and dinners move health; something unseen moves health and leads. Two dinners in a row: 0.6."""
    random = np.random.default_rng(seed)
    hidden, here, before, rows = random.standard_normal(partners), np.ones(partners, dtype=bool), np.zeros(partners), []
    health = hidden + random.standard_normal(partners)
    for quarter in range(quarters):
        health = 0.4 * health - 0.6 * before + 0.5 * hidden + 0.8 * random.standard_normal(partners)
        on = (random.random(partners) < 1 / (1 + np.exp(0.2 + 0.5 * health - 0.8 * before))).astype(float)
        leads = hidden + 0.4 * on + 0.2 * before + 0.7 * random.standard_normal(partners)
        rows.append(
            pd.DataFrame({"partner": np.arange(partners), "quarter": quarter, "health": health, "dinner": on, "leads": leads})[here]
        )
        here = here & ((random.random(partners) > 1 / (1 + np.exp(2.5 + 0.5 * health))) | (not lost))
        before = on
    return pd.concat(rows, ignore_index=True)
