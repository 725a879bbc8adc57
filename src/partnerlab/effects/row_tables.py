"""Tables of rows as people give them: what is no table, lacks a column or holds no numbers is refused in one line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, nearest


def require_columns(frame: pd.DataFrame, columns: Sequence[str], *, numbers: Sequence[str], table: str = "rows") -> None:
    """Refuse a table that lacks a column, or holds words or infinities where numbers belong; empty cells are no matter here.

    Parameters
    ----------
    frame : DataFrame
    columns, numbers : sequence of str
        Columns that it must have, and those of them that hold numbers.
    table : str
        For the message.

    Raises
    ------
    ParameterError
        If it is no DataFrame, or a column of numbers holds something else.
    MissingTableError
        If a column is not there.

    Examples
    --------
    >>> require_columns(pd.DataFrame({"leads": [1.0, np.inf]}), ["leads"], numbers=["leads"])
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: rows.leads: 1 of 2 rows are infinite; mend or drop them
    """
    if not isinstance(frame, pd.DataFrame):
        raise ParameterError(f"{table}: expected a DataFrame, not a {type(frame).__name__}")
    missing = next((column for column in columns if column not in frame.columns), None)
    if missing is not None:
        raise MissingTableError(f"{table}: no column {missing!r}{nearest(missing, frame.columns)}")
    for name in numbers:
        try:
            values = frame[name].to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            raise ParameterError(f"{table}.{name}: expected numbers, found {frame[name].dtype}; convert the column", column=name) from None
        infinite = int(np.isinf(values).sum())
        if infinite:
            raise ParameterError(f"{table}.{name}: {infinite} of {len(frame)} rows are infinite; mend or drop them", column=name)
