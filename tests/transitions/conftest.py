"""Histories for tests: from code arrays, and from simulated programs whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.panel.indicators import Indicators
from partnerlab.panel.panel import Panel
from partnerlab.periods import Calendar
from partnerlab.tiers import TierHistory, TierScheme

CALENDAR = Calendar()
FIRST = CALENDAR.parse("2022Q1")
MATRIX = np.array([[0.88, 0.10, 0.02], [0.07, 0.85, 0.08], [0.01, 0.09, 0.90]])


def _history_of(codes, *, tiers=("A", "B", "C"), attributes=None, partial=None, partners=None):
    """A history that has these codes at every stage."""
    codes = np.asarray(codes, dtype=np.int8)
    n, t = codes.shape
    return TierHistory(
        partners=np.array([f"p{i:06d}" for i in range(n)]) if partners is None else np.asarray(partners),
        first=FIRST,
        calendar=CALENDAR,
        tiers=tuple(tiers),
        rank=tuple(range(len(tiers), 0, -1)),
        raw=codes, eligible=codes, held=codes, published=codes,
        reasons=np.zeros_like(codes),
        attributes=pd.DataFrame(index=range(n)) if attributes is None else attributes,
        partial=np.zeros(t, dtype=bool) if partial is None else np.asarray(partial),
        lines=pd.DataFrame(columns=["quarter", "axis", "group", "line"]),
    )  # fmt: skip


def _frail_codes(*, partners, quarters, rng, spread=1.0, matrix=MATRIX):
    """A Markov panel in which each partner's odds of moving are multiplied by ``exp(spread * z)``: codes, own matrices."""
    states = len(matrix)
    own = matrix[None] * np.where(np.eye(states, dtype=bool), 1.0, np.exp(spread * rng.standard_normal(partners))[:, None, None])
    own = own / own.sum(axis=2, keepdims=True)
    codes = np.zeros((partners, quarters), dtype=np.int8)
    codes[:, 0] = rng.integers(0, states, partners)
    for column in range(1, quarters):
        reach = own[np.arange(partners), codes[:, column - 1]].cumsum(axis=1)
        codes[:, column] = (rng.random(partners)[:, None] > reach[:, :-1]).sum(axis=1)
    return codes, own


def _counting_panel(*, partners=200, quarters=12, seed=0, mean=3.0, changed=0, factor=6.0, window=1, since=None):
    """A program whose partners' lead rates never change, but for the first ``changed`` ones from quarter ``since`` on."""
    rng = np.random.default_rng(seed)
    rate = np.repeat(rng.gamma(1.5, mean / 1.5, partners)[:, None], quarters, axis=1)
    rate[:changed, quarters - 1 if since is None else since :] *= factor
    names = [f"p{i:04d}" for i in range(partners)]
    labels = CALENDAR.labels(np.arange(FIRST, FIRST + quarters))
    rows = {
        "partner": np.repeat(names, quarters),
        "quarter": np.tile(labels, partners),
        "leads": rng.poisson(rate).ravel(),
        "relevance": np.repeat(rng.uniform(0, 100, partners).round(), quarters),
    }
    indicators = {"leads": {"from": "frame", "statistic": "count", "window": window}, "relevance": {"from": "frame", "statistic": "last"}}
    return Panel.from_frame(
        pd.DataFrame(rows),
        indicators=Indicators(indicators=indicators),
        attributes=pd.DataFrame({"partner": names, "region": rng.choice(["North", "South"], partners)}),
    )


@pytest.fixture(scope="session")
def history_of():
    return _history_of


@pytest.fixture(scope="session")
def frail_codes():
    return _frail_codes


@pytest.fixture(scope="session")
def counting_panel():
    return _counting_panel


@pytest.fixture(scope="session")
def quadrant():
    """Leads cut at the program's upper quartile, relevance at 50."""
    cells = {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "DEMENTOR"}
    axes = {"x": {"value": "leads", "cut": {"quantile": 0.75}}, "y": {"value": "relevance", "cut": {"absolute": 50}}}
    return TierScheme(scheme="test", classify={"kind": "quadrant", **axes, "cells": cells})
