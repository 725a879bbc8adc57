"""What an indicator says at the end of each period: trailing windows, small samples, and the unknown.

Array functions only. Columns are periods, oldest first; arrays that reach back
before the panel (the run-in) have more columns than the panel shows, and the
last ``t`` columns of every answer are the panel's.
"""

from __future__ import annotations

import numpy as np

from partnerlab.panel.indicators import Indicator


def trailing_sum(values: np.ndarray, *, window: int) -> np.ndarray:
    """Sum each column with the ``window - 1`` columns before it.

    Parameters
    ----------
    values : ndarray, shape (n, m)
        Whole numbers stay exact (int64); others become float64.
    window : int
        At least 1, which gives the values themselves; near the left edge fewer columns are summed.

    Returns
    -------
    ndarray, shape (n, m)

    Examples
    --------
    >>> trailing_sum(np.array([[1, 2, 3, 4]]), window=2).tolist()
    [[1, 3, 5, 7]]
    """
    if window == 1:
        return values
    total = values.astype(np.int64 if values.dtype.kind in "biu" else np.float64)
    for back in range(1, min(window, values.shape[1])):
        total[:, back:] += values[:, :-back]
    return total


def trailing_any(marks: np.ndarray, *, window: int) -> np.ndarray:
    """Say whether a column or one of the ``window - 1`` before it is marked: bool, shape ``(n, m)``.

    Examples
    --------
    >>> trailing_any(np.array([[True, False, False]]), window=2).tolist()
    [[True, True, False]]
    """
    found = marks.copy()
    for back in range(1, min(window, marks.shape[1])):
        found[:, back:] |= marks[:, :-back]
    return found


def indicator_values(
    indicator: Indicator, *, totals: np.ndarray, counts: np.ndarray, unseen: np.ndarray | None, told: np.ndarray | None = None
) -> np.ndarray:
    """Compute an indicator at the end of each period.

    Parameters
    ----------
    indicator : Indicator
        Statistic, window, minimum n and missing rule.
    totals, counts : ndarray, shape (n, m)
        Single periods: numerator, and rows behind it.
    unseen : ndarray of bool, shape (n, m), or None
        Periods of which nothing is known although the partner was a member: they make the window unknown.
    told : ndarray of bool, shape (n, m), or None
        Periods whose value was stated, even if no row stands behind it.

    Returns
    -------
    ndarray of float64, shape (n, m)
        NaN is unknown. Money is in whole units of its currency.

    Examples
    --------
    >>> rate = Indicator.model_validate({"from": "frame", "statistic": "share", "window": 2, "min_n": 3})
    >>> won, decided = np.array([[1, 0, 3]]), np.array([[2, 0, 4]])
    >>> indicator_values(rate, totals=won, counts=decided, unseen=None).tolist()
    [[nan, nan, 0.75]]
    """
    window = indicator.window
    if indicator.statistic == "last":
        value = totals.astype(np.float64)
        return np.where(np.isnan(value), 0.0, value) if indicator.missing == "zero" else value
    if indicator.statistic == "active":
        totals = totals >= indicator.at_least
    # medians and months in a row are of their window already; else
    # whole numbers are exact in float64 up to 2**53, which no indicator reaches
    value = totals.astype(np.float64) if indicator.is_whole_window else trailing_sum(totals.astype(np.float64), window=window)
    if indicator.statistic == "median":
        rows = trailing_sum(counts, window=window)
        value[rows < max(indicator.min_n, 1)] = 0.0 if indicator.missing == "zero" else np.nan
    if indicator.statistic in ("mean", "share"):
        value = _ratio(value, trailing_sum(counts, window=window), indicator)
    if indicator.scale != 1:
        value /= indicator.scale
    needed = max(indicator.min_n, 1 if indicator.missing == "unknown" else 0)
    if needed and not (indicator.missing == "zero" and indicator.statistic in ("mean", "share", "median")):
        value[~_is_known(counts, told, needed, indicator)] = np.nan
    if unseen is not None and unseen.any():
        value[trailing_any(unseen, window=window)] = np.nan
    return value


def _ratio(top: np.ndarray, rows: np.ndarray, indicator: Indicator) -> np.ndarray:
    value = np.full(top.shape, np.nan if indicator.missing == "unknown" else 0.0)
    np.divide(top, rows, out=value, where=rows >= max(indicator.min_n, 1))
    return value


def _is_known(counts: np.ndarray, told: np.ndarray | None, needed: int, indicator: Indicator) -> np.ndarray:
    """Say where enough rows stand behind the window, or its value was stated outright."""
    known = trailing_sum(counts, window=indicator.window) >= needed
    if told is not None and indicator.min_n == 0:
        known |= trailing_any(told, window=indicator.window)
    return known


def carry_forward(values: np.ndarray) -> np.ndarray:
    """Fill each NaN with the last known value to its left.

    Examples
    --------
    >>> carry_forward(np.array([[np.nan, 3.0, np.nan, 5.0]])).tolist()
    [[nan, 3.0, 3.0, 5.0]]
    """
    filled = values.copy()
    for column in range(1, filled.shape[1]):
        gap = np.isnan(filled[:, column])
        filled[gap, column] = filled[gap, column - 1]
    return filled
