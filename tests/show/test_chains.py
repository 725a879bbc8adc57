"""Pictures and sentences of shrunken rows, of one matrix for all, of drift: they say what the numbers allow."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import SampleError
from partnerlab.report.readings import read_result
from partnerlab.show import plot, tabulate
from partnerlab.transitions import (
    Transitions,
    check_entry_time,
    check_homogeneity,
    check_order,
    estimate_drift,
    estimate_pooled_transitions,
)

NAMES = ["Gold", "Base"]


@pytest.fixture(scope="module")
def pairs():
    """Sixty partners over eight quarters, in two regions that differ much, moving more from 2026 on."""
    rng, rows = np.random.default_rng(1), []
    for partner in range(60):
        tier = int(rng.integers(0, 2))
        for quarter in range(8):
            after = int(tier if rng.random() > (0.05 if partner % 2 else 0.35) + (0.25 if quarter > 3 else 0.0) else 1 - tier)
            year, part = 2025 + quarter // 4, 1 + quarter % 4
            rows.append((f"p{partner:02d}", f"{year}Q{part}", NAMES[tier], NAMES[after], "North" if partner % 2 else "South"))
            tier = after
    frame = pd.DataFrame(rows, columns=["partner", "quarter", "from_tier", "to_tier", "region"])
    return Transitions.from_frame(frame, order=NAMES)


def test_segments_that_differ_are_named(pairs):
    drawn = plot(estimate_pooled_transitions(pairs, by="region"))

    assert "is kept best in North" in drawn.headline
    assert "borrowed" in drawn.alt


def test_segments_that_are_alike_are_not_said_to_differ():
    counts = pd.DataFrame([[8, 2], [3, 7]], index=NAMES, columns=NAMES)
    pooled = estimate_pooled_transitions(Transitions.from_matrix({"a": counts, "b": counts}, by="region"), by="region")

    assert plot(pooled).headline.startswith("In no tier does staying differ clearly by region")
    assert "cannot tell one region from another" in read_result(pooled)[0]


def test_the_table_of_segments_shows_what_is_borrowed(pairs):
    assert "share borrowed" in tabulate(estimate_pooled_transitions(pairs, by="region")).heads


def test_a_check_is_drawn_beside_what_chance_would_show(pairs):
    drawn = plot(check_homogeneity(pairs, draws=99))

    assert drawn.headline == "Transition probabilities differ between quarters, within partners too"
    assert "by chance" in drawn.alt


def test_a_check_without_a_distance_is_not_drawn(pairs):
    with pytest.raises(SampleError, match="measures no distance; read its verdict"):
        plot(check_entry_time(pairs, draws=19))


def test_what_a_check_says_is_its_verdict(pairs):
    result = check_order(pairs, draws=99)

    assert read_result(result)[0] == f"{result.verdict}."


def test_drift_names_its_cause(pairs):
    drift = estimate_drift(pairs, since="2026Q1")

    assert plot(drift).headline.startswith("From 2026Q1 on partners move more often, +")
    assert "it is what partners of a tier do that changed" in plot(drift).headline
    assert read_result(drift)[0].startswith("From 2026Q1 on the mix of tiers adds ")
    assert "and what partners of a tier do +" in read_result(drift)[0]


def test_drift_that_cannot_be_told_is_not_told(pairs):
    early = pairs.select(pairs.column("quarter").to_numpy() < "2026Q1")

    assert plot(estimate_drift(early)).headline.startswith("Whether partners move more or less often from 2025Q3 on cannot be told")
