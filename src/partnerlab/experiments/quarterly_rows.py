"""Rows of units and quarters laid out as one row for each unit, where a tactic is switched on, or on and off, by a schedule."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.experiments.columns import read_numbers, unit_names
from partnerlab.experiments.experiment import Experiment
from partnerlab.experiments.trial_columns import check_columns
from partnerlab.words import plural

#: Column of the schedule where none was declared: 0 and 1 for each quarter, a point where it is not known.
PATTERN = "schedule"


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuarterlyRows:
    """Units, their quarters, and when the tactic was on.

    Parameters
    ----------
    units : DataFrame
        A row for each unit, as it stood in its first quarter.
    quarters : tuple of str
        In order.
    on : float array, shape (n, quarters)
        1 where it was on by the schedule, 0 where off; NaN where nothing was declared and the unit has no row.
    variant : str
        Column of ``units`` with the schedule's name.
    departed : tuple of str
        What the rows show that is otherwise than declared, in words.
    place : tuple of int array, shape (rows,)
        Unit and quarter of each row.
    """

    units: pd.DataFrame
    quarters: tuple[str, ...]
    on: np.ndarray
    variant: str
    departed: tuple[str, ...]
    place: tuple[np.ndarray, np.ndarray]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Lay a column of the rows out, float array of shape ``(n, quarters)``; NaN where a unit has no row."""
        grid = np.full(self.on.shape, np.nan)
        grid[self.place] = values
        return grid


def lay_out(  # noqa: PLR0913 - one argument for each column name
    frame: pd.DataFrame,
    *,
    experiment: Experiment | None,
    unit: str,
    quarter: str,
    on: str,
    variant: str,
    cluster: str | None,
    before: tuple[str, ...] = (),
) -> QuarterlyRows:
    """Lay rows of units and quarters out.

    Parameters
    ----------
    frame : DataFrame
        A row for each unit and quarter, in any order; absent rows are outcomes not seen.
    experiment : Experiment or None
        Its variants are schedules; without one ``on`` says who had it when.
    unit, quarter, on, variant : str
        Columns; of a declared schedule ``on`` may be absent, and is counted against the schedule where it is there.
    cluster : str or None
        What was switched together.
    before : tuple of str
        Columns that each unit has once: strata, what was known before.

    Raises
    ------
    ParameterError
        On a missing column, a unit twice in a quarter, other quarters than scheduled, a unit in two variants, or a cluster that was on
        for some of its units and off for others.

    Examples
    --------
    >>> rows = pd.DataFrame({"unit": list("abab"), "quarter": [1, 1, 2, 2], "on": [0, 1, 1, 0]})
    >>> laid = lay_out(rows, experiment=None, unit="unit", quarter="quarter", on="on", variant="variant", cluster=None)
    >>> laid.units[PATTERN].tolist(), laid.spread([1.0, 2.0, 3.0, 4.0]).tolist()
    (['01', '10'], [[1.0, 3.0], [2.0, 4.0]])
    """
    asked = [unit, quarter, variant if experiment else on, *([cluster] if cluster else []), *before]
    check_columns(frame, asked)
    for name in asked:
        if frame[name].isna().any():
            raise ParameterError(f"trial: {name} is empty in {plural(int(frame[name].isna().sum()), 'row')}; fill it", column=name)
    names = unit_names(frame[unit])
    when, quarters = _order(frame[quarter])
    if experiment is not None and len(quarters) != experiment.quarters:
        raise ParameterError(
            f"trial: the table has {plural(len(quarters), 'quarter')}, and {experiment.quarters} were scheduled; give those, and no others"
        )
    twice = int(pd.DataFrame({"unit": names, "when": when}).duplicated().sum())
    if twice:
        raise ParameterError(f"trial: {plural(twice, 'row repeats', 'rows repeat')} a {unit} in a quarter; give each once")
    order = np.argsort(when, kind="stable")
    who, known = pd.factorize(names.iloc[order])
    place = np.empty(len(names), dtype=np.int64)
    place[order] = who
    first = order[np.unique(who, return_index=True)[1]]
    units = frame.iloc[first].assign(**{unit: np.asarray(known)})
    _refuse_changing(frame, units, place, before, names)
    departed = [] if cluster is None else _strayed(frame, units, place, cluster)
    if experiment is not None:
        _refuse_two_variants(frame[variant], units[variant], place, names)
        schedules = {one.name: one.on for one in experiment.variants}
        dealt = unit_names(units[variant])
        switched = np.array([schedules.get(name, (np.nan,) * len(quarters)) for name in dealt], dtype=float)
        departed += _otherwise(frame, on, switched[place, when])
    else:
        seen = _zero_or_one(frame, on)
        switched = _group_schedules(seen, place, when, _groups(frame, units, place, cluster, quarter), (len(units), len(quarters)))
        told = np.where(np.isnan(switched), ".", np.where(switched > 0, "1", "0"))
        units, variant = units.assign(**{PATTERN: ["".join(row) for row in told]}), PATTERN
    return QuarterlyRows(
        units=units.reset_index(drop=True), quarters=quarters, on=switched, variant=variant, departed=tuple(departed), place=(place, when)
    )


def _order(values: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Code quarters in their order: numbers and dates by size, names by the alphabet."""
    if not (pd.api.types.is_numeric_dtype(values) or values.dtype.kind == "M" or isinstance(values.dtype, pd.PeriodDtype)):
        values = values.astype(str)
    codes, labels = pd.factorize(values, sort=True)
    return codes, tuple(unit_names(pd.Series(labels)))


def _refuse_changing(frame: pd.DataFrame, units: pd.DataFrame, place: np.ndarray, before: tuple[str, ...], names: pd.Series) -> None:
    for name in before:
        other = frame[name].to_numpy() != units[name].to_numpy()[place]
        if other.any():
            raise ParameterError(
                f"trial: {name} was known before the start, so each unit has it once, and it changes for "
                f"{plural(names[other].nunique(), 'unit')}, the first {names[other].iloc[0]!r}; give its value before the start",
                column=name,
            )


def _refuse_two_variants(rows: pd.Series, units: pd.Series, place: np.ndarray, names: pd.Series) -> None:
    other = unit_names(rows).to_numpy() != unit_names(units).to_numpy()[place]
    if other.any():
        count = names[other].nunique()
        raise ParameterError(
            f"trial: {plural(count, 'unit stands', 'units stand')} in two variants, the first {names[other].iloc[0]!r}; "
            "a unit has the schedule that it was dealt"
        )


def _strayed(frame: pd.DataFrame, units: pd.DataFrame, place: np.ndarray, cluster: str) -> list[str]:
    away = unit_names(frame[cluster]).to_numpy() != unit_names(units[cluster]).to_numpy()[place]
    if not away.any():
        return []
    return [
        f"{plural(len(np.unique(place[away])), 'unit')} came under another {cluster} later, and are read under that of their first quarter"
    ]


def _otherwise(frame: pd.DataFrame, on: str, scheduled: np.ndarray) -> list[str]:
    if on not in frame.columns:
        return []
    other = int((pd.to_numeric(frame[on], errors="coerce").to_numpy(dtype=float, na_value=np.nan) != scheduled).sum())
    return [f"on or off otherwise than scheduled in {plural(other, 'row')}, which this reads as scheduled"] if other else []


def _zero_or_one(frame: pd.DataFrame, on: str) -> np.ndarray:
    values = read_numbers(frame, on, asked="trial")
    if not np.isin(values, (0.0, 1.0)).all():
        raise ParameterError(f"trial: {on} must be 1 where it was on and 0 where not", column=on)
    return values


def _groups(frame: pd.DataFrame, units: pd.DataFrame, place: np.ndarray, cluster: str | None, quarter: str) -> pd.DataFrame:
    """Say for each row what was switched together, with its names for a refusal."""
    names = np.arange(len(units)) if cluster is None else unit_names(units[cluster]).to_numpy()
    code = pd.factorize(names)[0][place]
    return pd.DataFrame({"code": code, "group": names[place], "quarter": frame[quarter].to_numpy(), "noun": cluster or ""})


def _group_schedules(seen: np.ndarray, place: np.ndarray, when: np.ndarray, groups: pd.DataFrame, shape: tuple[int, int]) -> np.ndarray:
    """Schedule of each unit: that of what was switched together, so that a unit's absent row is known from the others."""
    cells = pd.DataFrame({"code": groups["code"].to_numpy(), "when": when, "on": seen})
    mixed = cells.groupby(["code", "when"])["on"].transform("nunique").to_numpy() > 1
    if mixed.any():
        row = groups.iloc[int(np.flatnonzero(mixed)[0])]
        raise ParameterError(
            f"trial: {row['noun']} {row['group']!r} is on for some and off for others in {row['quarter']}; "
            "leave out cluster= if each unit was switched by itself"
        )
    known = np.full((int(groups["code"].max()) + 1, shape[1]), np.nan)
    known[groups["code"].to_numpy(), when] = seen
    own = np.zeros(shape[0], dtype=np.int64)
    own[place] = groups["code"].to_numpy()
    return known[own]
