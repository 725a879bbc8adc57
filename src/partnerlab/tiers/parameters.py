"""Parameters of a scheme, and where other standards apply: regional overrides that end by themselves."""

from __future__ import annotations

from datetime import date

import numpy as np

from partnerlab.scoring.scores import PanelFacts
from partnerlab.tiers.scheme import RegionalStandard, TierScheme


def period_ends(facts: PanelFacts) -> np.ndarray:
    """Last day of each period: datetime64[D], shape ``(t,)``."""
    panel = facts.panel
    edges = panel.calendar.bounds_date(int(panel.periods[0]), int(panel.periods[-1]))
    return edges[1:] - np.timedelta64(1, "D")


def resolve_params(scheme: TierScheme, facts: PanelFacts) -> dict[str, float | np.ndarray]:
    """Value of every parameter: a number, or an array ``(n, t)`` where regional standards differ.

    Later standards win over earlier ones; a factor applies to what stands before it.
    """
    values: dict[str, float | np.ndarray] = {name: float(value) for name, value in scheme.params.items()}
    for standard in scheme.overrides:
        if facts.panel.units is not None and scheme.unit_column in standard.where:
            continue  # a standard of one region is for what partners do there, not for partners as a whole
        where = _whom(standard, facts)[:, None] & _when(standard, period_ends(facts))[None, :]
        for name, new in standard.set.items():
            values[name] = np.where(where, float(new), values[name])
        for name, factor in standard.scale.items():
            values[name] = np.where(where, np.asarray(values[name]) * float(factor), values[name])
    return values


def _whom(standard: RegionalStandard, facts: PanelFacts) -> np.ndarray:
    """Partners that a standard is for, bool ``(n,)``."""
    chosen = np.ones(facts.shape[0], dtype=bool)
    for attribute, given in standard.where.items():
        accepted = (given,) if isinstance(given, str) else given
        chosen &= np.array([word in accepted for word in facts.words(attribute)], dtype=bool)
    return chosen


def _when(standard: RegionalStandard, ends: np.ndarray) -> np.ndarray:
    """Periods whose last day lies inside the standard's time, bool ``(t,)``."""
    begins = standard.from_ or date.min
    stops = standard.until or date.max
    return (ends >= np.datetime64(begins)) & (ends < np.datetime64(stops))
