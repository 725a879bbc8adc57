"""How surprising a partner's numbers are, given its own past and nothing having changed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from partnerlab.transitions.redraw import IndicatorNoise

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel
    from partnerlab.tiers.history import TierHistory
    from partnerlab.tiers.scheme import TierScheme
    from partnerlab.transitions.noise import NoiseBaseline


def count_tails(now: np.ndarray, time: np.ndarray, shape: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of a count this low or lower, and this high or higher, if the rate is gamma distributed.

    Parameters
    ----------
    now, time : ndarray, shape (n,)
        Count in the window and exposure of the window.
    shape, rate : ndarray, shape (n,)
        Posterior of the event rate from before the window.

    Returns
    -------
    low, high : ndarray, shape (n,)
        Tails of the negative binomial predictive distribution, both including ``now``.

    Examples
    --------
    >>> low, high = count_tails(np.array([6.0]), np.array([1.0]), np.array([10.0]), np.array([10.0]))
    >>> round(float(high[0]), 4)
    0.0014
    """
    share = rate / (rate + time)
    low = special.betainc(shape, now + 1.0, share)
    high = np.where(now > 0, special.betaincc(shape, np.maximum(now, 1e-300), share), 1.0)
    return low, high


def amount_tails(now: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tails of a sum with this predictive mean and variance: gamma where the mean is positive, else normal."""
    spread = np.sqrt(np.maximum(variance, 1e-300))
    below = special.ndtr((now - mean) / spread)
    positive = mean > 0
    scale = np.where(positive, variance / np.where(positive, mean, 1.0), 1.0)
    shape = np.where(positive, mean**2 / np.maximum(variance, 1e-300), 1.0)
    reach = np.maximum(now, 0.0) / np.maximum(scale, 1e-300)
    low = np.where(positive, special.gammainc(shape, reach), below)
    high = np.where(positive, np.where(now > 0, special.gammaincc(shape, reach), 1.0), 1.0 - below)
    return np.where((now <= 0) & positive, np.maximum(low, np.exp(-np.minimum(shape, 700.0))), low), high


def _window(one: IndicatorNoise, place: np.ndarray, column: int, window: int) -> tuple[np.ndarray, ...]:
    """Sum counts, exposure and totals before the window that ends at a column, and in it."""
    start = max(column - window + 1, 0)
    rows = place[:, None]
    before, inside = np.arange(start), np.arange(start, column + 1)
    measured = one.exposure > 0
    counts, totals = np.where(measured, one.counts, 0), np.where(measured, one.totals, 0)
    return (
        *(array[rows, before].sum(axis=1, dtype=float) for array in (counts, one.exposure, totals)),
        *(array[rows, inside].sum(axis=1, dtype=float) for array in (counts, one.exposure, totals)),
    )


def _tails(one: IndicatorNoise, place: np.ndarray, column: int, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two-sided surprise of one measure, and its rate per period before and in the window."""
    past, past_time, past_total, now, time, now_total = _window(one, place, column, window)
    told = one.dispersion if one.wildness is None else one.dispersion[place]
    shape, rate = one.shape[place] + past / told, one.rate[place] + past_time / told
    with np.errstate(divide="ignore", invalid="ignore"):
        if one.kind == "count":
            low, high = count_tails(now / told, time / told, shape, rate)
            earlier, later = past / past_time, now / time
        else:
            events, unsure = shape / rate * time, shape / rate**2 * time**2 + (told - 1.0) * shape / rate * time
            mean = np.where(past > 0, past_total / np.where(past > 0, past, 1.0), one.mean[place])
            single = (one.spread * mean) ** 2
            variance = events * (single + mean**2) + unsure * mean**2 + events**2 * single / np.maximum(past, 1.0)
            low, high = amount_tails(now_total, events * mean, variance)
            earlier, later = past_total / past_time, now_total / time
    both = np.minimum(2.0 * np.minimum(low, high), 1.0)
    return np.where(time > 0, both, 1.0), np.where(past_time > 0, earlier, np.nan), np.where(time > 0, later, np.nan)


def partner_evidence(noise: NoiseBaseline, place: np.ndarray, period: int) -> dict[str, np.ndarray]:
    """Find for each partner the indicator that surprises most at the end of a period.

    Parameters
    ----------
    noise : NoiseBaseline
        Holds the redrawn measures.
    place : ndarray of int, shape (m,)
        Partners.
    period : int
        Period that the windows end with.

    Returns
    -------
    mapping
        ``surprise`` (two-sided, times the number of indicators looked at), ``indicator``, ``before`` and ``now``
        per period, and whole ``periods`` before the longest window, each of shape ``(m,)``.
    """
    windows, column = dict(noise.windows), period - noise.first
    names, found = [], []
    for one in noise.evidence_of_change:
        for window in sorted({windows[name] for name in one.names}):
            names.append(next(name for name in one.names if windows[name] == window))
            found.append(_tails(one, place, column, window))
    if not found:
        nothing = np.full(len(place), np.nan)
        none, zero = np.full(len(place), "", dtype=object), np.zeros(len(place), dtype=np.int64)
        return {"surprise": np.ones(len(place)), "indicator": none, "before": nothing, "now": nothing, "periods": zero}
    surprise, before, now = (np.stack(columns) for columns in zip(*found, strict=True))
    best, at = surprise.argmin(axis=0), np.arange(len(place))
    first = noise.evidence_of_change[0]
    longest = max(windows.values())
    periods = (first.exposure[place][:, : max(column - longest + 1, 0)] > 0).sum(axis=1)
    return {
        "surprise": np.minimum(surprise[best, at] * len(found), 1.0),
        "indicator": np.array(names, dtype=object)[best],
        "before": before[best, at],
        "now": now[best, at],
        "periods": periods,
    }


def waiting_periods(scheme: TierScheme | None) -> int:
    """Count the periods within which a changed statement can still be what moves a partner: a scheme may ask for confirmation."""
    return 1 if scheme is None else max(scheme.movement.confirm.up, scheme.movement.confirm.down, 1)


def stated_changes(noise: NoiseBaseline, place: np.ndarray, period: int) -> dict[str, np.ndarray]:
    """Find for each partner a stated value that changed while a move can have waited for it, the last change first.

    Returns
    -------
    mapping
        ``changed``, and the ``indicator`` with its value ``before`` and ``now``, each of shape ``(m,)``.
    """
    column, size = period - noise.first, len(place)
    found = {"changed": np.zeros(size, dtype=bool), "indicator": np.full(size, "", dtype=object), "before": np.full(size, np.nan)}
    found["now"] = found["before"].copy()
    for back, one in itertools.product(range(1, min(waiting_periods(noise.scheme), column) + 1), noise.stated):
        before, now = (one.totals[place, at].astype(np.float64) for at in (column - back, column))
        fresh = ~found["changed"] & (before != now) & ~(np.isnan(before) & np.isnan(now))
        found["indicator"][fresh] = one.names[0]
        found["before"][fresh], found["now"][fresh] = before[fresh], now[fresh]
        found["changed"] |= fresh
    return found


def with_statements_of(panel: Panel, names: tuple[str, ...], *, column: int, back: int) -> Panel:
    """Put stated values back to what they were ``back`` periods before a column, from then up to it.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"partner": ["a"] * 3, "quarter": ["2026Q1", "2026Q2", "2026Q3"], "rating": [1.0, 2.0, 5.0]})
    >>> with_statements_of(Panel.from_frame(frame), ("rating",), column=2, back=1).totals["rating"].tolist()
    [[1.0, 2.0, 2.0]]
    """
    start = max(column - back, 0)
    put = {}
    for kind in ("totals", "counts"):
        put[kind] = {name: getattr(panel, kind)[name].copy() for name in names}
        for array in put[kind].values():
            array[:, start + 1 : column + 1] = array[:, [start]]
    return panel.replace(**put)


def moved_by_statement(history: TierHistory, noise: NoiseBaseline, *, rows: np.ndarray, column: int) -> np.ndarray | None:
    """Mark partners who would not have moved into a period had nothing been stated anew; None where that cannot be asked.

    Stated values are put back to where they stood before a move can have waited for them, and tiers are assigned again. Where
    even the values as they are do not give back the history's tiers (lines cut among partners who are not here), nobody is marked.
    """
    from partnerlab.tiers import assign_tiers

    names = tuple(name for one in noise.stated for name in one.names)
    if history.scores is None or history.scheme is None or not names:
        return None
    panel, scheme = history.scores.panel.until(history.labels[column]), history.scheme
    back = waiting_periods(scheme)
    held = [assign_tiers(some, scheme).held for some in (panel, with_statements_of(panel, names, column=column, back=back))]
    before, now = history.held[rows, column - 1], history.held[rows, column]
    same = (held[0][rows, column - 1] == before) & (held[0][rows, column] == now)
    return same & (held[1][rows, column] == held[1][rows, column - 1])
