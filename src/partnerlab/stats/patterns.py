"""Compression: rows whose covariates are alike are one pattern, counted.

A million partner-quarters with eight grouped covariates are a few thousand patterns; every likelihood below runs on
those. Columns are brought to small whole numbers and joined into one radix code, so that nothing is sorted. Where a
column is continuous there is nothing to compress, and the models run over blocks of rows instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

#: A column with more distinct values than this is continuous.
MOST_LEVELS = 256
#: Codes are counted in a table while it is no longer than this, or four times the rows.
TABLE = 1 << 21
#: Patterns are worth it while they are fewer than this share of the rows.
WORTH = 1 / 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patterns:
    """Which pattern each row has.

    Parameters
    ----------
    code : ndarray of int64, shape (n,)
        Pattern of each row, ``0 .. m-1``, in the order of the columns' values.
    first : ndarray of int64, shape (m,)
        A row of each pattern.
    """

    code: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


def code_values(values: np.ndarray, *, most: int = MOST_LEVELS) -> tuple[np.ndarray, int] | None:
    """Bring a column with few distinct values to codes, without sorting it.

    Parameters
    ----------
    values : ndarray of bool, int or float, shape (n,)
        No NaN.
    most : int
        More distinct values than this make the column continuous.

    Returns
    -------
    codes : ndarray of int64, shape (n,)
        In the order of the values; codes that no row has may lie between.
    size : int
        All codes are below it. None instead of both where the column is continuous.

    Examples
    --------
    >>> codes, size = code_values(np.array([2.25, 0.5, 2.25]))
    >>> codes.tolist(), size
    ([1, 0, 1], 2)
    """
    values = np.asarray(values)
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64), 1
    if values.dtype == bool:
        return values.astype(np.int64), 2
    low, high = values.min(), values.max()
    if not np.isfinite(low) or not np.isfinite(high):
        raise ValueError("code_values takes no missing or infinite values")
    if high - low < most:
        shifted = (values - low).astype(np.int64)
        if np.issubdtype(values.dtype, np.integer) or (shifted == values - low).all():
            return shifted, int(high - low) + 1
    levels = np.unique(values[:: max(len(values) // 2048, 1)])
    if len(levels) > most:
        return None
    codes = _places(levels, values)
    strange = levels[codes] != values
    if strange.any():
        levels = np.union1d(levels, np.unique(values[strange]))
        if len(levels) > most:
            return None
        codes = _places(levels, values)
    return codes, len(levels)


def _places(levels: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.minimum(np.searchsorted(levels, values), len(levels) - 1)


def find_patterns(columns: Sequence[tuple[np.ndarray, int]], *, rows: int, worth: float = WORTH) -> Patterns | None:
    """Join coded columns into patterns.

    Parameters
    ----------
    columns : sequence of (ndarray of int, int)
        Codes of each column, shape ``(n,)``, and their number.
    rows : int
        ``n``, for the case of no columns.
    worth : float
        Largest share of patterns among rows.

    Returns
    -------
    Patterns or None
        None where there are so many patterns that rows are as good.

    Examples
    --------
    >>> found = find_patterns([(np.array([0, 1, 0, 1]), 2), (np.array([2, 0, 2, 0]), 3)], rows=4, worth=1.0)
    >>> found.code.tolist(), len(found)
    ([0, 1, 0, 1], 2)
    """
    code, size = np.zeros(rows, dtype=np.int64), 1
    longest = max(TABLE, 4 * rows)
    for values, count in columns:
        if size * count > longest:
            code, size = _tighten(code, size)
            if size * count > longest:
                code, size = _sort_codes(code * count + values)
                continue
        if size > 1:
            code *= count
            code += values
        else:
            code = values.astype(np.int64)
        size *= count
    code, size = _tighten(code, size)
    if size > max(worth * rows, 64):
        return None
    first = np.zeros(size, dtype=np.int64)
    first[code] = np.arange(rows)
    return Patterns(code=code, first=first)


def _tighten(code: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Renumber the codes that occur as 0, 1, 2, ...."""
    used = np.zeros(size, dtype=bool)
    used[code] = True
    if used.all():
        return code, size
    place = np.cumsum(used) - 1
    return place[code], int(place[-1]) + 1


def _sort_codes(code: np.ndarray) -> tuple[np.ndarray, int]:
    """Renumber them where the table would be too long."""
    found, place = np.unique(code, return_inverse=True)
    return place.reshape(-1), len(found)
