"""What becomes of a partner's facts when nothing new happens: quarters leave the window, certificates end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from partnerlab.panel.indicators import FRAME, Indicator
from partnerlab.panel.measure import lay_out
from partnerlab.panel.parts import Membership
from partnerlab.panel.queries import Cut, measure_query
from partnerlab.scoring.scorecard import Score
from partnerlab.scoring.scores import PanelFacts, scores_from
from partnerlab.tiers.behind import facts_behind
from partnerlab.tiers.parameters import resolve_params
from partnerlab.tiers.units import count_units

if TYPE_CHECKING:
    from partnerlab.intake.source import Source
    from partnerlab.panel.panel import Panel
    from partnerlab.tiers.history import TierHistory

#: Why a value falls by itself.
ANEW, WINDOW, CERTIFICATES = "counts anew every period", "periods leave the window", "certificates end"


def facts_ahead(one: TierHistory, *, ahead: int, source: Source | None) -> PanelFacts:
    """Facts of one partner up to the history's last period, and ``ahead`` more in which nothing new happens.

    What is counted falls out of its window, what was last said stays, certificates end on their day if a
    source tells which (otherwise they stay). Values from frames and ranks among all partners stay as well:
    nobody can say how they run on.
    """
    scores, scheme = one.scores, one.scheme
    panel = _longer(scores.panel, ahead, source)
    facts = PanelFacts(panel=panel)
    facts.params = resolve_params(scheme, facts)
    if scheme.scorecard is not None:
        if not any(_ranks(score) for score in scheme.scores.values()):
            scores_from(facts, scorecard=scheme.scorecard)
        else:
            known = facts_behind(one).computed
            facts.computed.update({name: np.pad(array, ((0, 0), (0, ahead)), mode="edge") for name, array in known.items()})
    facts.computed.update(count_units(scheme, facts))
    return facts


def _ranks(score: Score) -> bool:
    return any("percentile" in (part.shape or {}) for part in score.walk())


def _longer(panel: Panel, ahead: int, source: Source | None) -> Panel:
    """Add periods in which nothing new happens."""
    totals, counts = {}, {}
    for name, indicator in panel.indicators.indicators.items():
        stays = indicator.statistic in ("last", "held", "median") or (indicator.table == FRAME and indicator.window == 1)
        totals[name], counts[name] = (
            np.pad(array[name], ((0, 0), (0, ahead)), mode="edge" if stays else "constant") for array in (panel.totals, panel.counts)
        )
        if indicator.statistic == "held" and source is not None:
            found = _held(panel, indicator, ahead, source)
            totals[name][:, -ahead:], counts[name][:, -ahead:] = found["totals"], found["counts"]
    return dataclasses.replace(
        panel,
        totals=totals,
        counts=counts,
        squares={},
        covered={name: _covered(told, ahead, panel.indicator(name)) for name, told in panel.covered.items()},
        state=np.pad(panel.state, ((0, 0), (0, ahead)), constant_values=np.int8(Membership.ACTIVE)),
        exposure=np.pad(panel.exposure, ((0, 0), (0, ahead)), constant_values=1),
        partial=np.pad(panel.partial, (0, ahead)),
        recorded=None,
        units=None if panel.units is None else dataclasses.replace(panel.units, panel=_longer(panel.units.panel, ahead, None)),
    )


def _covered(told: np.ndarray, ahead: int, indicator: Indicator) -> np.ndarray:
    """Whether anything is known of the periods: as now for what stays, yes for what is counted."""
    width = [(0, 0)] * (told.ndim - 1) + [(0, ahead)]
    return np.pad(told, width, mode="edge") if indicator.statistic == "last" else np.pad(told, width, constant_values=True)


def _held(panel: Panel, indicator: Indicator, ahead: int, source: Source) -> dict[str, np.ndarray]:
    """Certificates that are still valid at the end of each period to come, none being issued."""
    start = panel.first + panel.shape[1]
    calendar = panel.calendar
    cut = Cut(
        instants=calendar.bounds_utc(start, start + ahead - 1),
        days=calendar.bounds_date(start, start + ahead - 1),
        as_of=panel.provenance.as_of,
    )
    return lay_out(source.run(measure_query(source, indicator, cut=cut)), indicator, partners=pa.array(panel.partners), periods=ahead)


def why_lost(facts: PanelFacts, fact: str, *, sustained: bool) -> str:
    """Say why a value falls when nothing new happens."""
    if sustained:
        return WINDOW
    if facts.panel.units is not None and not fact.isidentifier():  # a number of units
        return f"what is counted in each {facts.panel.units.name} runs out"
    if not facts.panel.known(fact):
        return "parts of it run out"
    indicator = facts.panel.indicator(fact)
    if indicator.statistic == "held":
        return CERTIFICATES
    return WINDOW if indicator.window > 1 else ANEW
