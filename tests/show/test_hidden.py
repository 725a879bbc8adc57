"""Picture and table of true transitions beside those seen."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import SampleError
from partnerlab.show import plot, tabulate
from partnerlab.tiers import TierHistory
from partnerlab.transitions import estimate_hidden_transitions

READING = np.array([[0.85, 0.15], [0.15, 0.85]])


def _history(seen):
    labels = [f"202{5 + q // 4}Q{q % 4 + 1}" for q in range(seen.shape[1])]
    rows = [(f"p{i:02d}", labels[q], ["Gold", "Base"][seen[i, q]]) for i in range(len(seen)) for q in range(len(labels))]
    return TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["Gold", "Base"])


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    true = np.repeat(rng.integers(0, 2, 60)[:, None], 8, axis=1)
    return estimate_hidden_transitions(_history(np.where(rng.random(true.shape) < 0.15, 1 - true, true)), misclassification=READING)


def test_the_headline_says_what_truly_moves_and_what_is_seen_to(found):
    shown = plot(found)

    assert "truly change tier, where 24" in shown.headline
    assert ET.fromstring(shown.drawing).tag.endswith("svg")


def test_the_picture_draws_moves_and_its_table_holds_them(found):
    assert plot(found).table[["from_tier", "to_tier"]].to_numpy().tolist() == [["Gold", "Base"], ["Base", "Gold"]]


def test_the_table_says_true_and_seen(found):
    view = tabulate(found)

    assert view.heads[-1] == "seen"
    assert len(view.rows) == 4


def test_where_nothing_moves_there_is_nothing_to_draw():
    with pytest.raises(SampleError, match="no move between tiers was seen"):
        plot(estimate_hidden_transitions(_history(np.tile([[0], [1]], (15, 6))), misclassification=np.eye(2)))
