"""Hazards, ways of leaving and differences find a truth that is known, and their intervals hold it as often as they say."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.spells import Spells
from partnerlab.survival import compare_survival, estimate_hazard, estimate_incidence

PARTNERS, PANEL, RUNS = 120, 12, 120
WAYS = {"lapsed": 0.06, "demotion": 0.09}
# three standard errors of a share of .95 in 120 runs
SLACK = 3 * np.sqrt(0.95 * 0.05 / RUNS)


def _draw(rng, *, factor=1.0, spread=0.0, partners=PARTNERS):
    """Two spells one after the other for each partner, hazards its own; a third of the first ones enter late."""
    own = factor * np.minimum(rng.gamma(1 / spread, spread, partners), 5.0) if spread else np.full(partners, factor)
    total = np.sum(list(WAYS.values())) * own
    made = []
    for spell in (1, 2):
        lived = rng.geometric(total)
        entry = np.where((rng.random(partners) < 0.33) & (spell == 1), rng.integers(1, 6, partners), 0)
        duration = np.minimum(lived, entry + rng.integers(4, PANEL + 1, partners))
        way = rng.choice(list(WAYS), partners, p=np.array(list(WAYS.values())) / sum(WAYS.values()))
        event = np.where(duration == lived, way, "")
        names = [f"p{index}" for index in range(partners)]
        made.append(pd.DataFrame({"partner": names, "spell": spell, "entry": entry, "duration": duration, "event": event})[lived > entry])
    return pd.concat(made)


def _covered(low, high, truth):
    return (low <= truth) & (truth <= high)


def test_intervals_of_ways_of_leaving_cover_the_truth():
    rng, times = np.random.default_rng(21), [2, 4, 8]
    total = sum(WAYS.values())
    truth = np.concatenate([WAYS[way] / total * (1 - (1 - total) ** np.array(times)) for way in sorted(WAYS)])
    hits = np.zeros(len(truth))
    for _ in range(RUNS):
        read = estimate_incidence(Spells.from_frame(_draw(rng))).at(times)
        hits += _covered(read["conf_low"], read["conf_high"], truth)

    assert (np.abs(hits / RUNS - 0.95) < SLACK).all()


def test_clustered_hazards_cover_the_truth_where_partners_differ():
    rng, spread = np.random.default_rng(22), 0.5
    hits = 0
    # quarters at risk and endings of this design, over many partners: what the pooled hazard is near to
    large = _draw(np.random.default_rng(1), spread=spread, partners=200_000)
    truth = (large["event"] != "").sum() / (large["duration"] - large["entry"]).sum()
    for _ in range(RUNS):
        row = estimate_hazard(Spells.from_frame(_draw(rng, spread=spread).assign(all="all")), by="all").table.iloc[0]
        hits += _covered(row["conf_low"], row["conf_high"], truth)

    assert abs(hits / RUNS - 0.95) < SLACK


@pytest.mark.parametrize("factor", [1.0, 1.6])
def test_intervals_of_differences_cover_the_truth(factor):
    rng, total = np.random.default_rng(23), sum(WAYS.values())
    kept = np.arange(8)
    truth = ((1 - factor * total) ** kept).sum() - ((1 - total) ** kept).sum()
    hits = 0
    for _ in range(RUNS):
        north, south = _draw(rng).assign(region="north"), _draw(rng, factor=factor).assign(region="south")
        south["partner"] = "s" + south["partner"]
        row = compare_survival(Spells.from_frame(pd.concat([north, south])), by="region", tau=8.0).table.iloc[0]
        hits += _covered(row["conf_low"], row["conf_high"], truth)

    assert abs(hits / RUNS - 0.95) < SLACK
