"""What lies behind a history that a scheme made: the facts, and the lines on its axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partnerlab.errors import MissingTableError
from partnerlab.scoring.scores import PanelFacts
from partnerlab.tiers.axes import Axis
from partnerlab.tiers.parameters import resolve_params
from partnerlab.tiers.units import count_units

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory


def facts_behind(history: TierHistory) -> PanelFacts:
    """Give the facts that a history was made of, scores and parameters included.

    Raises
    ------
    MissingTableError
        If the history came from a table of tiers.
    """
    if history.scores is None or history.scheme is None:
        raise MissingTableError("this history came from a table of tiers; what lies behind them is not known")
    facts = PanelFacts(panel=history.scores.panel)
    facts.params = resolve_params(history.scheme, facts)
    for points in history.scores.parts.values():
        facts.computed.update({name: array for name, array in points.items() if not facts.panel.known(name)})
    facts.computed.update(history.scores.values)
    if history.scheme.over is not None:
        facts.computed.update(count_units(history.scheme, facts))
    return facts


def lines_of(history: TierHistory, axis: Axis, name: str) -> np.ndarray:
    """Line that applied to each partner in each period, shape ``(n, t)``, read off a history."""
    if not axis.cut.relative:
        line = np.asarray(facts_behind(history).amount(axis.cut.absolute), dtype=float)
        return np.array(np.broadcast_to(line, history.shape))
    table = history.lines.loc[history.lines["axis"] == name].pivot(index="group", columns="quarter", values="line")
    grid = table.reindex(columns=history.labels)
    if axis.within is None:
        return np.repeat(grid.to_numpy(), len(history.partners), axis=0)
    words = history.attributes[axis.within]
    return grid.reindex(words.astype("str").where(words.notna())).to_numpy()
