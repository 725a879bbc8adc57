"""Outcomes of an experiment counted from the program's panel: means a quarter, shares and tiers at the end, sums, times until leaving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.experiments import Experiment, Metric
from partnerlab.tiers import TierScheme, assign_tiers
from partnerlab.words import say_list

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory

#: Ending of columns known before the start: the mean of the four quarters before it.
BEFORE = "_before"
YEAR = 4


def build_outcomes(
    rows: pd.DataFrame, *, experiment: Experiment, panel: Panel, history: TierHistory | None, start: int, end: int
) -> pd.DataFrame:
    """Count the outcomes of every unit dealt over a window; whoever left the program brings nothing more.

    Parameters
    ----------
    rows : DataFrame
        The deal: ``unit, variant, stratum`` and, where known, ``cluster``, what was known before, and ``exposed``.
    experiment : Experiment
        Says metrics, strata and what was known before.
    panel, history : Panel, TierHistory
        Of all partners.
    start, end : int
        Columns of the window, half open.

    Returns
    -------
    DataFrame
        A row for each unit that is a partner of the panel, as `partnerlab.Trial.from_frame` takes it.

    Raises
    ------
    SampleError
        If no unit is a partner, or something declared cannot be counted here.
    """
    place = pd.Index(panel.partners).get_indexer(rows["unit"])
    if (place < 0).all():
        raise SampleError(f"{experiment.name}: its units are no partners of this panel; only experiments on partners have a page")
    kept = place >= 0
    dealt, place = rows[kept].reset_index(drop=True), place[kept]
    table = pd.DataFrame({experiment.unit: dealt["unit"], "variant": dealt["variant"]})
    for metric in experiment.metrics:
        for column, values in _read(metric, panel, history, place, start=start, end=end).items():
            table[column] = values
    for name in experiment.pre:
        table[name] = dealt[name] if name in dealt else known_before(name, panel, place, start=start)
    for name in (*experiment.strata, *([experiment.by] if experiment.by else [])):
        table[name] = dealt[name] if name in dealt else dealt["stratum"]
    if experiment.cluster:
        table[experiment.cluster] = dealt["cluster"] if "cluster" in dealt else _attribute(panel, experiment.cluster)[place]
    if "exposed" in dealt:
        table["received"] = dealt["exposed"].astype(float)
    return table


def _attribute(panel: Panel, name: str) -> np.ndarray:
    for known in (name, f"{name}_id"):
        if known in panel.attributes.columns:
            return panel.attributes[known].astype(str).to_numpy()
    raise SampleError(f"partners have no attribute {name!r}, by which variants were dealt")


def _window(panel: Panel, name: str, place: np.ndarray, *, start: int, end: int) -> np.ndarray:
    """Values of an indicator in a window, shape ``(units, quarters)``; 0 after a partner left."""
    if not panel.known(name):
        raise MissingTableError(f"the experiment is judged by {name}, which is no indicator of this panel", indicator=name)
    values = panel.values(name)[place, start:end]
    return np.where(panel.member[place, start:end], values, 0.0)


def _read(
    metric: Metric, panel: Panel, history: TierHistory | None, place: np.ndarray, *, start: int, end: int
) -> Mapping[str, np.ndarray]:
    """Columns of one metric: counts and means a quarter, shares and tiers at the end, sums of a ratio, quarters until leaving."""
    if metric.kind == "tier":
        return {metric.name: _tier_at(metric, panel, history, place, column=end - 1)}
    if metric.kind == "time":
        member = panel.member[place, start:end]
        left = ~member.all(axis=1)
        return {metric.name: np.where(left, np.argmin(member, axis=1) + 0.5, end - start), str(metric.event): left.astype(float)}
    if metric.kind == "ratio":
        return {column: _window(panel, column, place, start=start, end=end).sum(axis=1) for column in metric.columns}
    values = _window(panel, metric.name, place, start=start, end=end)
    if metric.kind == "share":
        last = values[:, -1]
        return {metric.name: np.where(np.isnan(last), np.nan, (last > 0).astype(float))}
    return {metric.name: values.mean(axis=1)}


def _tier_at(metric: Metric, panel: Panel, history: TierHistory | None, place: np.ndarray, *, column: int) -> np.ndarray:
    """Look up the published tier at the end, by the scheme whose tiers were declared."""
    declared = set(metric.tiers) - {"lapsed"}
    found = history if history is not None and set(history.tiers) == declared else None
    for name in ("recorded", "quadrant", "rating") if found is None else ():
        try:
            other = assign_tiers(panel, TierScheme.load(name))
        except (MissingTableError, SampleError, ParameterError):
            continue
        if set(other.tiers) == declared:
            found = other
            break
    if found is None:
        raise SampleError(f"{metric.name} was declared on the tiers {say_list(sorted(declared))}, which no scheme gives here")
    names = np.asarray(found.names(found.published[:, column]), dtype=object)[place]
    return np.where(np.isin(names.astype(str), metric.tiers), names, None)


def known_before(name: str, panel: Panel, place: np.ndarray, *, start: int) -> np.ndarray:
    """Mean of an indicator over the year before the start, of the quarters in which the partner was there; 0 where it was not."""
    indicator = name.removesuffix(BEFORE)
    if not name.endswith(BEFORE) or not panel.known(indicator):
        raise SampleError(f"what was known before names {name!r}; give an indicator with {BEFORE} behind it, such as leads{BEFORE}")
    if start < 1:
        raise SampleError(f"the history begins with the experiment, so {name} is not known; begin it earlier (first=)")
    values = panel.values(indicator)[place, max(start - YEAR, 0) : start]
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
