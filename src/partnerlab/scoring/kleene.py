"""Three-valued logic on arrays: what is unknown is neither met nor failed.

Truth values are int8 in the order false < unknown < true, so that Kleene's
strong "and" is a minimum, "or" a maximum and "not" a mirror (Kleene 1952, §64).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

FALSE, UNKNOWN, TRUE = np.int8(0), np.int8(1), np.int8(2)

#: Numbers closer than this, relative to the line, are equal: binary rounding must not decide a tier. And never further
#: apart than a tenth of a cent, or the smallest steps of binary numbers where those are larger: a cent short is short.
TOLERANCE = 1e-9
_FURTHEST, _STEPS = 1e-3, 16 * float(np.finfo(float).eps)

#: Comparison operators as they are written, and the same seen from the other side.
MIRRORED = {">=": "<=", "<=": ">=", ">": "<", "<": ">", "==": "==", "!=": "!="}


def by_column(shape: tuple[int, int], column: Callable[[int], np.ndarray], *, dtype: type = float) -> np.ndarray:
    """Fill an array ``(n, t)`` period by period, columns contiguous.

    What is made for one period fits the cache; whole arrays of intermediate results would
    cost more than the arithmetic (a third of the time at a million partners).
    """
    result = np.empty(shape, dtype=dtype, order="F")
    for index in range(shape[1]):
        result[:, index] = column(index)
    return result


def negation(values: np.ndarray) -> np.ndarray:
    """Not: true becomes false, unknown stays.

    Examples
    --------
    >>> negation(np.array([FALSE, UNKNOWN, TRUE])).tolist()
    [2, 1, 0]
    """
    return TRUE - values


def at_least(k: int, parts: Sequence[np.ndarray]) -> np.ndarray:
    """At least ``k`` of the parts hold; unknown while the unknown ones could still decide it.

    Examples
    --------
    >>> at_least(2, [np.array([TRUE]), np.array([UNKNOWN]), np.array([FALSE])]).tolist()
    [1]
    """
    sure = sum((part == TRUE).astype(np.int16) for part in parts)
    possible = sum((part != FALSE).astype(np.int16) for part in parts)
    return decided(np.asarray(sure >= k), np.asarray(possible >= k))


def decided(sure: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Join "surely" and "possibly" into one truth value; sure implies possible.

    Examples
    --------
    >>> decided(np.array([True, False, False]), np.array([True, True, False])).tolist()
    [2, 1, 0]
    """
    return sure.astype(np.int8) + possible.astype(np.int8)


def from_bool(met: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Met where known, else unknown."""
    return np.where(known, met.astype(np.int8) * TRUE, UNKNOWN)


def exceeds(values: np.ndarray, line: np.ndarray | float, operator: str) -> np.ndarray:
    """Compare numbers with a line, as plain booleans; NaN on either side gives False.

    Parameters
    ----------
    values, line : ndarray or float
        Broadcast against one another.
    operator : {">=", ">", "<=", "<", "==", "!="}
        Equality is judged within `TOLERANCE` of the line, and a tenth of a cent.

    Examples
    --------
    >>> exceeds(np.array([999_999_999.99, 0.1 + 0.2]), np.array([1e9, 0.3]), ">=").tolist()
    [False, True]
    """
    size = np.abs(line)
    slack = np.maximum(np.minimum(TOLERANCE * np.maximum(1.0, size), _FURTHEST), _STEPS * size)
    if operator == ">=":
        return values >= line - slack
    if operator == ">":
        return values > line + slack
    if operator == "<=":
        return values <= line + slack
    if operator == "<":
        return values < line - slack
    equal = np.abs(values - line) <= slack
    return equal if operator == "==" else ~equal


def compare(values: np.ndarray, line: np.ndarray | float, operator: str) -> np.ndarray:
    """Compare numbers with a line; NaN on either side is unknown.

    Examples
    --------
    >>> compare(np.array([2.0, 3.0, np.nan]), 3.0, ">=").tolist()
    [0, 2, 1]
    """
    if values.ndim < 2:
        return from_bool(exceeds(values, line, operator), ~(np.isnan(values) | np.isnan(line)))
    lines = np.broadcast_to(line, values.shape) if np.ndim(line) else None

    def column(index: int) -> np.ndarray:
        here = line if lines is None else lines[:, index]
        return from_bool(exceeds(values[:, index], here, operator), ~(np.isnan(values[:, index]) | np.isnan(here)))

    return by_column(values.shape, column, dtype=np.int8)


def sustained(truth: np.ndarray, *, met: int, window: int) -> np.ndarray:
    """At least ``met`` of the last ``window`` periods; what lies before the first column is unknown.

    Parameters
    ----------
    truth : ndarray of int8, shape (n, t)
    met, window : int
        For example 3 of the last 4.

    Examples
    --------
    >>> sustained(np.array([[TRUE, TRUE, FALSE, TRUE]]), met=2, window=2).tolist()
    [[1, 2, 0, 0]]
    """
    sure = _trailing((truth == TRUE).astype(np.int16), window)
    possible = _trailing((truth != FALSE).astype(np.int16), window)
    before = np.maximum(window - 1 - np.arange(truth.shape[1]), 0)
    return decided(sure >= met, possible + before >= met)


def _trailing(values: np.ndarray, window: int) -> np.ndarray:
    """Sum over the last ``window`` columns, shape ``(n, t)``."""
    total = np.cumsum(values, axis=1, dtype=np.int32)
    total[:, window:] = total[:, window:] - total[:, :-window].copy()
    return total
