"""Tables of rows as people give them: what is no table, lacks a column or holds no numbers is refused in one line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError, nearest
from partnerlab.words import plural, say_list

#: Numbers beyond this cannot be squared and added up.
LARGEST = 1e100
#: Fewest rows on either side.
FEWEST_ROWS = 5


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
    partnerlab.errors.ParameterError: rows.leads: 1 of 2 rows are infinite or beyond 1e+100; mend or drop them
    """
    if not isinstance(frame, pd.DataFrame):
        raise ParameterError(f"{table}: expected a DataFrame, not a {type(frame).__name__}")
    missing = next((column for column in columns if column not in frame.columns), None)
    if missing is not None:
        raise MissingTableError(f"{table}: no column {missing!r}{nearest(missing, frame.columns)}")
    also = [name for name in columns if name not in numbers and pd.api.types.is_numeric_dtype(frame[name])]
    for name in (*numbers, *also):
        if pd.api.types.is_datetime64_any_dtype(frame[name]):
            raise ParameterError(f"{table}.{name}: expected numbers, found {frame[name].dtype}; convert the column", column=name)
        try:
            values = frame[name].to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            raise ParameterError(f"{table}.{name}: expected numbers, found {frame[name].dtype}; convert the column", column=name) from None
        endless = int((np.abs(values) > LARGEST).sum())
        if endless:
            raise ParameterError(
                f"{table}.{name}: {endless} of {len(frame)} rows are infinite or beyond {LARGEST:g}; mend or drop them", column=name
            )


def refuse_own(covariates: Sequence[str], own: Sequence[str]) -> None:
    """Refuse what was asked about, or what it is held against, among its own covariates.

    Examples
    --------
    >>> refuse_own(["size", "leads"], ["dinner", "leads"])
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: rows.leads: it cannot be its own covariate; give what was known before
    """
    name = next((name for name in covariates if name in own), None)
    if name is not None:
        raise ParameterError(f"rows.{name}: it cannot be its own covariate; give what was known before", column=name)


def refuse_flat(values: np.ndarray, *, outcome: str, asked: str) -> None:
    """Refuse an outcome that is the same everywhere.

    Examples
    --------
    >>> refuse_flat(np.array([3.0, 3.0]), outcome="leads", asked="Dinner")
    Traceback (most recent call last):
    partnerlab.errors.SampleError: Dinner: leads is 3 wherever it was seen; what never varies tells nothing
    """
    if len(values) and np.ptp(values) == 0:
        raise SampleError(f"{asked}: {outcome} is {values[0]:g} wherever it was seen; what never varies tells nothing")


def read_sides(sample: pd.DataFrame, *, tactic: str, outcome: str) -> tuple[np.ndarray, np.ndarray]:
    """Read who had a tactic, as a mask, and the outcome.

    Raises
    ------
    ParameterError
        If the tactic is neither 1 nor 0.
    SampleError
        If the outcome never varies, or a side has fewer than five rows.

    Examples
    --------
    >>> read_sides(pd.DataFrame({"dinner": [1, 0], "leads": [3, 2]}), tactic="dinner", outcome="leads")
    Traceback (most recent call last):
    partnerlab.errors.SampleError: dinner: 1 row with it and 1 without; 5 are needed on either side
    """
    on, values = sample[tactic].to_numpy(float), sample[outcome].to_numpy(float)
    strange = int((~np.isin(on, (0, 1))).sum())
    if strange:
        raise ParameterError(f"rows.{tactic}: {strange} of {len(on)} rows are neither 1 (had it) nor 0", column=tactic)
    refuse_flat(values, outcome=outcome, asked=tactic)
    sides = int((on == 1).sum()), int((on == 0).sum())
    if min(sides) < FEWEST_ROWS:
        raise SampleError(f"{tactic}: {plural(sides[0], 'row')} with it and {sides[1]} without; {FEWEST_ROWS} are needed on either side")
    return on == 1, values


def sides_apart(tactic: str) -> SampleError:
    """Say that no adjustment can compare the sides: something that was known tells them apart."""
    return SampleError(f"{tactic}: something known before separates those with it from those without; nobody without it is like "
                       "those with it, so no adjustment can compare them")  # fmt: skip


def keep_known(frame: pd.DataFrame, columns: Sequence[str], *, numbers: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Give the rows in which all of some columns are known, and how many were left out.

    Raises
    ------
    ParameterError, MissingTableError
        As `require_columns` does.
    SampleError
        If no row has all of them.

    Examples
    --------
    >>> keep_known(pd.DataFrame({"leads": [1.0, np.nan]}), ["leads"], numbers=["leads"])[1]
    1
    """
    columns = list(dict.fromkeys(columns))
    require_columns(frame, columns, numbers=numbers)
    known = frame[columns].notna().all(axis=1)
    if not known.any():
        raise SampleError(f"rows: none of {len(frame)} has all of {say_list(columns)}")
    return frame.loc[known, columns], int((~known).sum())


def read_covariates(frame: pd.DataFrame, covariates: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Lay covariates out as columns with names: numbers as they are, words as classes of 0 and 1 against the first.

    Examples
    --------
    >>> columns, names = read_covariates(pd.DataFrame({"size": [1, 2], "tier": ["Gold", "Base"]}), ["size", "tier"])
    >>> columns.tolist(), names
    ([[1.0, 1.0], [2.0, 0.0]], ('size', 'tier Gold'))
    """
    parts, names = [np.zeros((len(frame), 0))], []
    for name in covariates:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            parts.append(column.to_numpy(float)[:, None])
            names.append(name)
        else:
            classes = pd.get_dummies(column.astype(str), drop_first=True)
            parts.append(classes.to_numpy(float))
            names += [f"{name} {level}" for level in classes.columns]
    return np.column_stack(parts), tuple(names)
