"""Compression: rows whose covariates are alike are one pattern, counted.

A million partner-quarters with eight grouped covariates are a few thousand patterns; every likelihood below runs on
those. Columns are brought to small whole numbers and joined into one radix code, so that nothing is sorted. Where a
column is continuous there is nothing to compress, and the models run over blocks of rows instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

#: A column with more distinct values than this is continuous.
MOST_LEVELS = 256
#: Codes are counted in a table while it is no longer than this, or four times the rows.
TABLE = 1 << 21
#: Rows worked on at a time: they stay in the processor's cache.
BLOCK = 1 << 15
#: Patterns are worth it while they are fewer than this share of the rows.
WORTH = 1 / 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patterns:
    """Which pattern each row has.

    Parameters
    ----------
    code : ndarray of int32, shape (n,)
        Pattern of each row, ``0 .. m-1``, in the order of the columns' values.
    first : ndarray of int64, shape (m,)
        A row of each pattern.
    """

    code: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coded:
    """A column that can be read as codes ``0 .. size-1``, in the order of its values, block by block.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The column.
    size : int
        All codes are below it; some may not occur.
    low : int or float
        Value of code 0, where codes are steps of 1 from it.
    levels : ndarray, shape (size,), or None
        Values of the codes, where they are not.
    """

    values: np.ndarray
    size: int
    low: float = 0
    levels: np.ndarray | None = None

    def codes(self, place: slice = slice(None)) -> np.ndarray:
        """Codes of some rows, int64; not to be written to."""
        if self.levels is not None:
            return _places(self.levels, self.values[place])
        values = self.values[place]
        return (values if self.low == 0 else values - self.low).astype(np.int64, copy=False)

    def add_digit(self, number: np.ndarray, place: slice) -> None:
        """Put the codes of some rows behind numbers in place, as one more digit to the base ``size``."""
        np.multiply(number, self.size, out=number)
        if self.levels is None and np.issubdtype(self.values.dtype, np.signedinteger):
            np.add(number, self.values[place], out=number)
            np.subtract(number, int(self.low), out=number)
        else:
            np.add(number, self.codes(place), out=number)

    @property
    def value_of(self) -> np.ndarray:
        """Value of each code, shape ``(size,)``."""
        return self.low + np.arange(self.size) if self.levels is None else self.levels


def row_blocks(rows: int) -> Iterator[slice]:
    """Slices of rows that stay in the processor's cache."""
    yield from (slice(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK))


def code_values(values: np.ndarray, *, most: int = MOST_LEVELS) -> Coded | None:
    """Read a column with few distinct values as codes, without sorting it.

    Parameters
    ----------
    values : ndarray of bool, int or float, shape (n,)
        No NaN.
    most : int
        More distinct values than this make the column continuous.

    Returns
    -------
    Coded or None
        None where the column is continuous.

    Examples
    --------
    >>> coded = code_values(np.array([2.25, 0.5, 2.25]))
    >>> coded.codes().tolist(), coded.size
    ([1, 0, 1], 2)
    """
    values = np.asarray(values)
    if len(values) == 0:
        return Coded(values=values, size=1)
    if values.dtype == bool:
        return Coded(values=values.view(np.int8), size=2)
    # both ends of a block while it is in the cache: the columns are read from memory once
    ends = np.array([(block.min(), block.max()) for block in (values[place] for place in row_blocks(len(values)))])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    if not np.isfinite(ends).all():
        raise ValueError("code_values takes no missing or infinite values")
    if high - low < most and (np.issubdtype(values.dtype, np.integer) or _is_whole(values, low)):
        return Coded(values=values, size=int(high - low) + 1, low=low)
    levels = np.unique(values[:: max(len(values) // 2048, 1)])
    for place in row_blocks(len(values)):
        if len(levels) > most:
            return None
        block = values[place]
        strange = levels[_places(levels, block)] != block
        if strange.any():
            levels = np.union1d(levels, block[strange])
    return None if len(levels) > most else Coded(values=values, size=len(levels), levels=levels)


def _is_whole(values: np.ndarray, low: float) -> bool:
    return all((apart == np.rint(apart)).all() for apart in (values[place] - low for place in row_blocks(len(values))))


def _places(levels: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.minimum(np.searchsorted(levels, values), len(levels) - 1)


def find_patterns(columns: Sequence[Coded], *, rows: int, worth: float = WORTH) -> Patterns | None:
    """Join coded columns into patterns.

    Parameters
    ----------
    columns : sequence of Coded
        Each with ``n`` rows.
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
    >>> columns = [code_values(np.array([0, 1, 0, 1])), code_values(np.array([2, 0, 2, 0]))]
    >>> found = find_patterns(columns, rows=4, worth=1.0)
    >>> found.code.tolist(), len(found)
    ([0, 1, 0, 1], 2)
    """
    longest = max(TABLE, 4 * rows)
    code, waiting, span = None, [], 1
    for column in columns:
        if span * column.size > longest:
            code, seen = _join(code, waiting, rows, span)
            waiting, span = [], len(seen)
        if span * column.size > longest:
            code, span = _sort_codes(code.astype(np.int64) * column.size + column.codes())
            continue
        waiting.append(column)
        span *= column.size
    code, first = _join(code, waiting, rows, span)
    return None if len(first) > max(worth * rows, 64) else Patterns(code=code, first=first)


def count_patterns(code: np.ndarray, size: int, *, weight: np.ndarray | None = None) -> np.ndarray:
    """Rows (or their weight) of each pattern, shape ``(size,)``.

    Examples
    --------
    >>> count_patterns(np.array([0, 1, 1]), 2).tolist()
    [1.0, 2.0]
    """
    total, step = np.zeros(size), max(BLOCK, 4 * size)
    for start in range(0, len(code), step):
        part = slice(start, start + step)
        total += np.bincount(code[part], weights=None if weight is None else weight[part], minlength=size)
    return total


def _join(code: np.ndarray | None, columns: Sequence[Coded], rows: int, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Read several columns as the digits of one number, and renumber those that occur; gives a row of each, too.

    One buffer serves all blocks: fresh temporaries would cost ten million rows more than ten times what they cost one.
    """
    found, last = np.empty(rows, dtype=np.int32 if span < 1 << 31 else np.int64), np.full(span, -1, dtype=np.int64)
    number, every = np.empty(min(BLOCK, rows), dtype=np.int64), np.arange(min(BLOCK, rows))
    for place in row_blocks(rows):
        here = number[: place.stop - place.start]
        here[:] = 0 if code is None else code[place]
        for column in columns:
            column.add_digit(here, place)
        found[place] = here
        last[here] = every[: len(here)]
        every += BLOCK
    seen = last >= 0
    if not seen.all():
        tight = np.cumsum(seen, dtype=np.int32) - 1
        for place in row_blocks(rows):
            number[: place.stop - place.start] = found[place]
            found[place] = tight[number[: place.stop - place.start]]
    return found, last[seen]


def _sort_codes(code: np.ndarray) -> tuple[np.ndarray, int]:
    """Renumber them where the table would be too long."""
    found, place = np.unique(code, return_inverse=True)
    return place.reshape(-1), len(found)
