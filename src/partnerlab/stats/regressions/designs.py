"""From columns to a design matrix: numbers as they are, names as indicators of levels, standardised inside.

A design is kept as its columns and laid out block by block, so that ten million rows never stand as one matrix.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from partnerlab.errors import ParameterError, nearest
from partnerlab.stats.regressions.patterns import Coded, Patterns, code_values, find_patterns

#: Rows laid out at a time.
BLOCK = 1 << 14
#: More levels of a covariate than this are a name, a date or a text, not a group.
MOST_LEVELS = 100
#: A column whose variance, given those before it, is less than this share of its own says nothing new.
ALIASED = 1e-10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """One covariate.

    Parameters
    ----------
    name : str
        What it is called.
    values : ndarray, shape (n,)
        Numbers; or codes of levels, without missing ones.
    levels : tuple
        Names of the levels, the first is the reference; empty for a number.
    """

    name: str
    values: np.ndarray
    levels: tuple[object, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of its coefficients: ``age``, or ``region=West`` for each level but the first."""
        return tuple(f"{self.name}={level}" for level in self.levels[1:]) if self.levels else (self.name,)

    def rows(self, place: np.ndarray | slice) -> Column:
        """Keep some rows."""
        return dataclasses.replace(self, values=self.values[place])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Design:
    """Covariates of rows, or of patterns.

    Parameters
    ----------
    columns : tuple of Column
        Covariates.
    rows : int
        Rows (patterns).
    centre, scale : ndarray, shape (p,)
        What is taken from, and divided into, each laid-out column.
    keep : ndarray of bool, shape (p,)
        Columns laid out; those that say nothing new are left out.
    """

    columns: tuple[Column, ...]
    rows: int
    centre: np.ndarray
    scale: np.ndarray
    keep: np.ndarray

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of all coefficients, the dropped ones too."""
        return tuple(term for column in self.columns for term in column.terms)

    @property
    def width(self) -> int:
        """Coefficients that are estimated."""
        return int(self.keep.sum())

    def lay_out(self, place: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Standardised columns of some rows, shape ``(b, width)``."""
        return (self.raw(place) - self.centre)[:, self.keep] / self.scale[self.keep]

    def raw(self, place: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Columns of some rows as they are, shape ``(b, p)``."""
        parts = [_expand(column, place) for column in self.columns]
        count = len(range(*place.indices(self.rows))) if isinstance(place, slice) else len(place)
        return np.concatenate(parts, axis=1) if parts else np.zeros((count, 0))

    def blocks(self) -> Iterator[slice]:
        """Slices of rows that fit a processor's cache."""
        yield from (slice(start, min(start + BLOCK, self.rows)) for start in range(0, self.rows, BLOCK))


def _expand(column: Column, place: slice | np.ndarray) -> np.ndarray:
    values = column.values[place]
    if not column.levels:
        return np.asarray(values, dtype=float)[:, None]
    return (values[:, None] == np.arange(1, len(column.levels))).astype(float)


def make_design(columns: Sequence[Column], *, rows: int, weight: np.ndarray | None = None) -> Design:
    """Standardise, and leave out columns that others already tell.

    Parameters
    ----------
    columns : sequence of Column
        Covariates.
    rows : int
        Rows of each.
    weight : ndarray, shape (rows,), or None
        How many each row stands for.

    Examples
    --------
    >>> design = make_design([Column(name="age", values=np.array([1.0, 3.0])), Column(name="one", values=np.ones(2))], rows=2)
    >>> design.terms, design.keep.tolist(), design.lay_out().ravel().tolist()
    (('age', 'one'), [True, False], [-1.0, 1.0])
    """
    size = sum(len(column.terms) for column in columns)
    bare = Design(columns=tuple(columns), rows=rows, centre=np.zeros(size), scale=np.ones(size), keep=np.ones(size, dtype=bool))
    weight = np.ones(rows) if weight is None else np.asarray(weight, dtype=float)
    total = max(float(weight.sum()), 1e-300)
    first = sum((weight[block] @ bare.raw(block) for block in bare.blocks()), np.zeros(size))
    centre = first / total
    gram = np.zeros((size, size))
    for block in bare.blocks():
        apart = bare.raw(block) - centre
        gram += apart.T @ (apart * weight[block, None])
    spread = np.sqrt(np.diag(gram) / total)
    # indicators of levels share one scale: their standard errors are then those of a share
    number = np.array([not column.levels for column in columns for _ in column.terms], dtype=bool)
    known = spread > 1e-12 * (1.0 + np.abs(centre))
    scale = np.where(number & known, spread, 1.0)
    return dataclasses.replace(bare, centre=centre, scale=scale, keep=independent_columns(gram, known))


def independent_columns(gram: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Find the columns that are no combination of those before them: a pivotless Cholesky of the correlations.

    Parameters
    ----------
    gram : ndarray, shape (k, k)
        Products of the columns.
    known : bool ndarray, shape (k,)
        Columns that vary at all; the others are left out.

    Examples
    --------
    >>> independent_columns(np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([True, True])).tolist()
    [True, False]
    """
    unit = np.sqrt(np.where(known, np.diag(gram), 1.0))
    left = gram / np.outer(unit, unit)
    keep = known.copy()
    for place in range(len(gram)):
        if not keep[place]:
            continue
        if left[place, place] < ALIASED:
            keep[place] = False
            continue
        row = left[place] / left[place, place]
        left = left - np.outer(left[:, place], row)
    return keep


def compress(columns: Sequence[Column], *, rows: int) -> Patterns | None:
    """Patterns of covariates; None where a column is continuous."""
    coded = []
    for column in columns:
        found = Coded(values=np.asarray(column.values), size=len(column.levels)) if column.levels else code_values(column.values)
        if found is None:
            return None
        coded.append(found)
    return find_patterns(coded, rows=rows)


def plain_array(values: Any) -> Any:
    """Array of a column: categoricals keep their categories, nullable numbers become plain ones.

    Examples
    --------
    >>> import pandas as pd
    >>> plain_array(pd.Series([1, None], dtype="Int64")).tolist()
    [1.0, nan]
    """
    import pandas as pd

    if isinstance(values, np.ndarray) or hasattr(values, "categories"):
        return values
    series = pd.Series(values)
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.array
    if pd.api.types.is_bool_dtype(series) and not series.isna().any():
        return series.to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(series):
        return (
            series.to_numpy()
            if isinstance(series.dtype, np.dtype) and series.dtype.kind != "b"
            else series.to_numpy(dtype=float, na_value=np.nan)
        )
    return series.to_numpy(dtype=object)


def read_column(name: str, told: Any, *, levels: Sequence[object] | None = None) -> Column:
    """Turn an array into a covariate: numbers and True/False as numbers, anything else as levels.

    Parameters
    ----------
    name : str
        What it is called.
    told : ndarray or pandas column, shape (n,)
        Without missing values; a categorical keeps the order of its categories.
    levels : sequence, optional
        Levels in order, the reference first; sorted if not given. Levels that no row has are left out.

    Raises
    ------
    ParameterError
        If a number is infinite, or what is no number has more than `MOST_LEVELS` values.

    Examples
    --------
    >>> read_column("age", np.array([1, 2])).terms, read_column("region", np.array(["W", "N"], dtype=object)).terms
    (('age',), ('region=W',))
    """
    values = plain_array(told)
    if levels is None and hasattr(values, "categories"):
        codes, known = np.asarray(values.codes, dtype=np.int64), tuple(values.categories)
        return _few_levels(used_levels(Column(name=name, values=codes, levels=known)))
    kind = np.asarray(values[:0]).dtype.kind if len(values) else "f"
    if levels is None and kind in "biuf":
        numbers = np.asarray(values)
        endless = np.isinf(numbers) if kind == "f" else np.zeros(0, dtype=bool)
        if endless.any():
            first = ", ".join(map(str, np.flatnonzero(endless)[:3]))
            said = f"covariate {name}: {int(endless.sum())} of {len(numbers)} rows are infinite (first: {first})"
            raise ParameterError(f"{said}; mend or drop them", column=name, rows=int(endless.sum()))
        return Column(name=name, values=numbers.astype(np.int64) if kind == "b" else numbers)
    import pandas as pd

    codes, found = pd.factorize(values, use_na_sentinel=False)
    known = list(levels) if levels is not None else sorted(found.tolist(), key=lambda value: (str(type(value)), value))
    place = {level: at for at, level in enumerate(known)}
    coded = Column(name=name, values=np.array([place[value] for value in found.tolist()])[codes], levels=tuple(known))
    return _few_levels(used_levels(coded))


def _few_levels(column: Column) -> Column:
    """Refuse a covariate with a level for almost every row."""
    if len(column.levels) <= MOST_LEVELS:
        return column
    said = f"covariate {column.name}: {len(column.levels)} different values that are no numbers, more than the {MOST_LEVELS} levels allowed"
    raise ParameterError(f"{said}. Group them, or give numbers", column=column.name)


def read_again(columns: Sequence[Column], table: Any, *, of: str) -> tuple[tuple[Column, ...], np.ndarray]:
    """Read a model's covariates from another table of columns; also which rows cannot be read.

    Raises
    ------
    ParameterError
        If a column is not there; ``of`` says where it was looked for.
    """
    unknown = np.zeros(len(table), dtype=bool)
    found = []
    for column in columns:
        if column.name not in table:
            raise ParameterError(f"{of}: no column {column.name!r}{nearest(column.name, table)}", column=column.name)
        again, bad = code_like(column, plain_array(table[column.name]))
        found.append(again)
        unknown |= bad
    return tuple(found), unknown


def code_like(column: Column, values: np.ndarray) -> tuple[Column, np.ndarray]:
    """Read further values of a covariate; also which of them are missing or levels that it does not know.

    Examples
    --------
    >>> region = read_column("region", np.array(["W", "N"], dtype=object))
    >>> code_like(region, np.array(["W", "S"], dtype=object))[1].tolist()
    [False, True]
    """
    if not column.levels:
        numbers = np.asarray(values, dtype=float)
        return dataclasses.replace(column, values=np.nan_to_num(numbers)), ~np.isfinite(numbers)
    place = {level: at for at, level in enumerate(column.levels)}
    codes = np.array([place.get(value, -1) for value in np.asarray(values, dtype=object).tolist()], dtype=np.int64)
    return dataclasses.replace(column, values=np.maximum(codes, 0)), codes < 0


def move_column(column: Column) -> tuple[list[tuple[str, Column, Column]], float]:
    """Make settings whose difference is the effect of each of a covariate's terms: a level against the reference, or a small step.

    Returns
    -------
    pairs : list of (str, Column, Column)
        Term, the covariate ahead, the covariate behind.
    step : float
        By which the difference is divided; 1 for levels and for 0/1.
    """
    if column.levels:
        base = dataclasses.replace(column, values=np.zeros_like(column.values))
        return [(term, dataclasses.replace(base, values=base.values + at), base) for at, term in enumerate(column.terms, start=1)], 1.0
    low, high = (float(column.values.min()), float(column.values.max())) if len(column.values) else (0.0, 1.0)
    values = np.asarray(column.values, dtype=float)
    if low == 0.0 and high == 1.0 and ((values == 0) | (values == 1)).all():
        return [(column.name, *(dataclasses.replace(column, values=np.full(len(values), at)) for at in (1.0, 0.0)))], 1.0
    step = 1e-3 * (float(values.std()) or 1.0)
    return [(column.name, *(dataclasses.replace(column, values=values + way * step / 2) for way in (1.0, -1.0)))], step


def used_levels(column: Column) -> Column:
    """Drop the levels that no row has."""
    used = np.bincount(column.values, minlength=len(column.levels)) > 0
    if used.all():
        return column
    place = np.cumsum(used) - 1
    return dataclasses.replace(
        column, values=place[column.values], levels=tuple(level for level, seen in zip(column.levels, used, strict=True) if seen)
    )
