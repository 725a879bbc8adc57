"""What changed between two panels of the same program: restatements and late arrivals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.panel.indicators import Indicator
from partnerlab.panel.panel import Panel


def compare_panels(panel: Panel, *, other: Panel) -> pd.DataFrame:
    """Tabulate what was restated between two panels, such as the same quarters as known on two dates.

    Parameters
    ----------
    panel, other : Panel
        Before and after. The periods and indicators that both have are compared; a
        partner that only one knows counts as changed where it has rows.

    Returns
    -------
    DataFrame
        ``quarter, indicator, partners_changed, before, after``, only where a partner changed.
        Before and after are of single periods, over all partners: totals of counts, sums and
        holdings, the common ratio of means and shares, the mean of last known values and of medians.

    Raises
    ------
    ParameterError
        If the panels have no period in common, or different calendars.

    Examples
    --------
    >>> early = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": [3, 1]}))
    >>> later = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": [5, 1]}))
    >>> compare_panels(early, other=later).to_dict("records")
    [{'quarter': '2026Q1', 'indicator': 'leads', 'partners_changed': 1, 'before': 4.0, 'after': 6.0}]
    """
    if panel.calendar != other.calendar:
        raise ParameterError("the panels have different calendars; build both with the same one")
    first = max(panel.first, other.first)
    width = min(panel.first + panel.shape[1], other.first + other.shape[1]) - first
    if width <= 0:
        raise ParameterError(f"the panels have no period in common: {panel.labels[-1]} and {other.labels[0]}")
    rows = []
    done = set()
    for name in panel.indicators.names:
        indicator = panel.indicators[name]
        if name not in other.indicators or (indicator.columns and indicator.measure in done):
            continue
        done.add(indicator.measure)
        rows += _changes(indicator, panel, other, first, width)
    return pd.DataFrame(rows, columns=["quarter", "indicator", "partners_changed", "before", "after"])


def _changes(indicator: Indicator, panel: Panel, other: Panel, first: int, width: int) -> list[dict[str, object]]:
    """One row for each period in which at least one partner's numbers differ."""
    partners = np.union1d(panel.partners, other.partners)
    sides = [_laid_out(side, indicator.name, partners, first, width) for side in (panel, other)]
    (total, count), (other_total, other_count) = sides
    same = (total == other_total) | (np.isnan(total) & np.isnan(other_total))
    changed = (~same | (count != other_count)).sum(axis=0)
    return [
        {"quarter": panel.calendar.label(first + column), "indicator": indicator.name, "partners_changed": int(changed[column]),
         "before": _summed(indicator, total[:, column], count[:, column]),
         "after": _summed(indicator, other_total[:, column], other_count[:, column])}
        for column in np.flatnonzero(changed)
    ]  # fmt: skip


def _laid_out(panel: Panel, name: str, partners: np.ndarray, first: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Totals and counts on a common list of partners and periods; zero where a panel does not know the partner."""
    columns = slice(first - panel.first, first - panel.first + width)
    at = np.searchsorted(partners, panel.partners)
    laid = []
    for array in (panel.totals[name], panel.counts[name]):
        wide = np.full((len(partners), width), np.nan if panel.indicators[name].statistic in ("last", "median") else 0.0)
        wide[at] = array[:, columns]
        laid.append(wide if array is panel.totals[name] else np.nan_to_num(wide))
    return laid[0], laid[-1]


def _summed(indicator: Indicator, total: np.ndarray, count: np.ndarray) -> float:
    scale = float(indicator.scale)
    if indicator.statistic in ("last", "median"):
        return float(np.nanmean(total)) if (~np.isnan(total)).any() else float("nan")
    if indicator.statistic in ("mean", "share"):
        return float(total.sum() / count.sum() / scale) if count.sum() else float("nan")
    return float(total.sum() / scale)
