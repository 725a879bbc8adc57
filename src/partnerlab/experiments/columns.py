"""Columns of anybody's table: units as text, numbers as numbers, and what is neither is refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.words import plural

#: Numbers beyond it cannot be squared and added up.
LARGEST = 1e100


def unit_names(values: pd.Series) -> pd.Series:
    """Name units as text; 1.0, which a table with gaps makes of 1, is the unit 1, and blanks around a name are no part of it.

    Examples
    --------
    >>> unit_names(pd.Series([1.0, 2.0])).tolist(), unit_names(pd.Series(["007", "1.0 ", 1.0], dtype=object)).tolist()
    (['1', '2'], ['007', '1.0', '1'])
    """
    if pd.api.types.is_float_dtype(values.dtype) and (values % 1 == 0).all():
        values = values.astype("int64")
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype(str)
    if values.dtype == object:
        values = values.map(lambda name: int(name) if isinstance(name, float) and name.is_integer() else name)
    return values.astype(str).str.strip()


def count_empty(values: pd.Series) -> int:
    """Count the rows that name nothing: empty cells, and names of blanks alone.

    Examples
    --------
    >>> count_empty(pd.Series(["a", " ", None]))
    2
    """
    empty = values.isna()
    if not pd.api.types.is_numeric_dtype(values.dtype):
        empty = empty | (values.astype(str).str.strip() == "")
    return int(empty.sum())


def read_numbers(frame: pd.DataFrame, name: str, *, asked: str) -> np.ndarray:
    """Read a column of numbers; empty cells are NaN.

    Parameters
    ----------
    frame : DataFrame
    name : str
        Its column.
    asked : str
        What reads it, for the message.

    Raises
    ------
    ParameterError
        On text, dates, lengths of time, complex and infinite numbers, and those that are too large to be squared.

    Examples
    --------
    >>> read_numbers(pd.DataFrame({"leads": ["1", None, "2.5"]}), "leads", asked="trial").tolist()
    [1.0, nan, 2.5]
    """
    column = frame[name]
    if isinstance(column, pd.DataFrame):
        raise ParameterError(f"{asked}: {plural(column.shape[1], 'column')} are called {name!r}; give each its own name", column=name)
    if pd.api.types.is_complex_dtype(column.dtype):
        raise ParameterError(f"{asked}: {name} holds complex numbers; give their real part or their size", column=name)
    if column.dtype.kind in "mM" or isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype):
        raise ParameterError(f"{asked}: {name} holds dates or lengths of time; give numbers, such as days since the start", column=name)
    plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb"
    numbers = (column if plain else pd.to_numeric(column, errors="coerce")).to_numpy(dtype=float, na_value=np.nan, copy=True)
    far = max(np.fmax.reduce(numbers, initial=0.0), -np.fmin.reduce(numbers, initial=0.0)) > LARGEST
    if plain and not far:
        return numbers
    strange = np.isinf(numbers) | (np.isnan(numbers) & column.notna().to_numpy())
    if strange.any():
        shown = str(column[strange].iloc[0])
        raise ParameterError(
            f"{asked}: {name} is not a number for {plural(int(strange.sum()), 'unit')}, the first {shown!r}; mend or empty it", column=name
        )
    if far:
        large = int((np.abs(numbers) > LARGEST).sum())
        raise ParameterError(
            f"{asked}: {name} is above {LARGEST:g} in size for {plural(large, 'unit')}; give it in a larger unit", column=name
        )
    return numbers
