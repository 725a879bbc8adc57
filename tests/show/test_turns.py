"""Pictures and table of turning signals."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from partnerlab.errors import SampleError
from partnerlab.show import plot, tabulate
from partnerlab.transitions import Activity, detect_turns


def _turns(*, times, seed=0):
    rng = np.random.default_rng(seed)
    rate = np.full((50, 24), 4.0)
    rate[:2, -4:] *= times
    labels = tuple(f"{2025 + month // 12}-{month % 12 + 1:02d}" for month in range(24))
    names = np.array([f"p{place:02d}" for place in range(50)])
    activity = Activity(partners=names, labels=labels, counts=rng.poisson(rate), exposure=np.ones(rate.shape), unit="leads")
    return detect_turns(activity, seed=1, false_alarms=0.1)


@pytest.fixture(scope="module")
def waking():
    return _turns(times=4.0)


def test_the_headline_says_how_many_signal_and_how_many_would_without_a_turn(waking):
    shown = plot(waking)

    assert shown.headline.startswith(
        "2 partners of 50 watched signal a turn in 2026-12 (2 up, 0 down); if nobody had turned less than one would"
    )
    assert ET.fromstring(shown.drawing).tag.endswith("svg")
    assert "p01 up since 2026-09" in shown.alt


def test_the_delay_picture_says_what_a_doubled_rate_would_take(waking):
    assert "whose rate doubles" in plot(waking, delays=True).headline


def test_the_table_lists_those_who_signal(waking):
    view = tabulate(waking)

    assert [row[0] for row in view.rows] == ["p00", "p01"]
    assert len(view.frame) == 50


def test_where_nobody_signals_the_refusal_says_how_many_would_by_chance():
    with pytest.raises(SampleError, match="none of 50 partners signals a turn in 2026-12"):
        plot(_turns(times=1.0, seed=5))
