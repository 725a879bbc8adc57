"""Columns of a trial's table: units, variants, groups and outcomes, each refused by name where it cannot be what it is to be."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.experiments.columns import count_empty, read_numbers, unit_names
from partnerlab.experiments.experiment import EACH_QUARTER, Experiment, Metric
from partnerlab.words import plural, say_list

#: Numbers written at a time: they stay in the processor's cache.
DIGITS_AT_ONCE = 16_384
#: What to do where a column that is looked for unless another is named is not there.
HINTS = {"unit": "; name yours in unit=, or give unit=None where every row is one", "variant": "; name yours in variant="}


def refuse_unscheduled(
    metrics: tuple[Metric, ...], experiment: Experiment | None, unit: str | None, others: Mapping[str, str | None]
) -> None:
    """Refuse what cannot be read quarter by quarter."""
    if experiment is not None and not experiment.scheduled:
        raise ParameterError(f"trial: variants of {experiment.name} are no schedules; leave out quarter=")
    kind = next((metric.kind for metric in metrics if metric.kind not in EACH_QUARTER), None)
    if kind is not None:
        raise ParameterError(f"trial: a schedule is read quarter by quarter, and a {kind} is not; take {say_list(EACH_QUARTER)}")
    asked = next((name for name, column in others.items() if column is not None), None)
    if asked is not None or unit is None:
        raise ParameterError(f"trial: a schedule is read without {asked}=" if asked else "trial: name the column of the unit of a schedule")


def check_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse columns that are not there, or there twice."""
    for name in columns:
        if name not in frame.columns:
            raise ParameterError(f"trial: no column {name!r}{nearest(name, frame.columns)}{HINTS.get(name, '')}", column=name)
        if isinstance(frame[name], pd.DataFrame):
            raise ParameterError(f"trial: several columns are called {name!r}; give each its own name", column=name)


def refuse_twice(names: Sequence[str], said: str) -> None:
    """Refuse a name that was given twice."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f"trial: {said} name {twice!r} twice; name each once", column=twice)


def refuse_known_outcomes(metrics: Sequence[Metric], known: set[str]) -> None:
    """Refuse an outcome that is said to have been known before the start."""
    both = sorted({column for metric in metrics for column in metric.columns} & known)
    if both:
        raise ParameterError(
            f"trial: {both[0]!r} is an outcome, so it cannot be known before the start; name another column", column=both[0]
        )


def read_units(frame: pd.DataFrame, unit: str | None, variant: str) -> np.ndarray:
    """Read the units, each once: whole numbers as they are, else names; where there is no column of them every row is one."""
    if unit is None:
        return np.arange(len(frame))
    empty = frame[unit].isna().to_numpy()
    if pd.api.types.is_integer_dtype(frame[unit].dtype) and not empty.any():
        numbers = frame[unit].to_numpy(dtype=np.int64, copy=True)
        if (numbers[1:] > numbers[:-1]).all():  # in order, so none stands twice
            return numbers
    names = unit_names(frame[unit])
    empty = empty | (names == "").to_numpy()
    if empty.any():
        raise ParameterError(f"trial: {unit} is empty in {plural(int(empty.sum()), 'row')}; name every unit", column=unit)
    twice = names.duplicated(keep=False).to_numpy()
    if twice.any():
        repeated = names[twice].to_numpy()
        mixed = frame[variant][twice].groupby(repeated).nunique()
        if (mixed > 1).any():
            several = mixed[mixed > 1].index
            raise ParameterError(
                f"trial: {plural(len(several), 'unit stands', 'units stand')} in two variants, the first {str(several[0])!r}; "
                "a unit has the variant that it was dealt"
            )
        raise ParameterError(
            f"trial: {plural(len(set(repeated)), 'unit has', 'units have')} several rows, the first {str(repeated[0])!r}; "
            "add them up to one each"
        )
    return names.to_numpy(dtype=str)


def name_ids(numbers: np.ndarray) -> np.ndarray:
    """Write ids as text; whole numbers in ascending order digit by digit, several times quicker than one by one.

    Examples
    --------
    >>> name_ids(np.array([0, 7, 10, 312])).tolist(), name_ids(np.array(["a"])).tolist()
    (['0', '7', '10', '312'], ['a'])
    """
    if numbers.dtype.kind not in "iu" or not len(numbers) or numbers[0] < 0 or (numbers[1:] < numbers[:-1]).any():
        return numbers.astype(str)
    longest = len(str(numbers[-1]))
    text = np.zeros((len(numbers), longest), dtype=np.uint32)
    edges = [*np.searchsorted(numbers, [0, *(10**length for length in range(1, longest))]), len(numbers)]
    for length, (first, last) in enumerate(itertools.pairwise(edges), start=1):
        for start in range(first, last, DIGITS_AT_ONCE):
            rows = slice(start, min(start + DIGITS_AT_ONCE, last))
            left = numbers[rows]
            for place in range(length - 1, -1, -1):
                rest = left // 10
                text[rows, place] = left - 10 * rest + ord("0")
                left = rest
    return text.view(f"U{longest}")[:, 0]


def read_variants(
    frame: pd.DataFrame, variant: str, control: str | None, experiment: Experiment | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Code the variants, the control first: as named, as declared, the first of a categorical, what is called control, or by name."""
    place, said, names = _named_variants(frame[variant], variant)
    if experiment is None:
        names = _control_first(names, control)
    else:
        known = [declared.name for declared in experiment.variants]
        strange = [name for name in names if name not in known]
        if strange:
            raise ParameterError(f"trial: {strange[0]!r} is no variant of {experiment.name}{nearest(strange[0], known)}")
        names = known
    codes = np.array([names.index(name) for name in said], dtype=np.int64)[place]
    absent = [name for name in names if name not in said]
    if experiment is not None and experiment.scheduled:
        return codes, tuple(names)  # a step that nobody came back from is seen by the checks
    if len(names) < 2 or absent:
        raise SampleError(
            f"trial: {f'no unit has variant {absent[0]!r}' if absent else 'all units have one variant'}; nothing can be compared"
        )
    return codes, tuple(names)


def _named_variants(dealt: pd.Series, variant: str) -> tuple[np.ndarray, list[str], list[str]]:
    """Code of each unit's variant, names of the codes, and the names in order."""
    if pd.api.types.is_float_dtype(dealt) and (dealt % 1 == 0).all():
        dealt = dealt.astype(int)  # 1.0 is what a table with gaps makes of 1
    place, distinct = pd.factorize(dealt)
    said = [str(value).strip() for value in distinct]
    empty = int((place < 0).sum()) + sum(int((place == code).sum()) for code, name in enumerate(said) if not name)
    if empty:
        raise ParameterError(f"trial: {variant} is empty for {plural(empty, 'unit')}; give the variant that each was dealt", column=variant)
    names = sorted(set(said), key=lambda name: (name.casefold() != "control", name))
    if isinstance(dealt.dtype, pd.CategoricalDtype):
        names = [name for name in dict.fromkeys(str(value).strip() for value in dealt.cat.categories) if name in said]
    return place, said, names


def _control_first(names: list[str], control: str | None) -> list[str]:
    """Put the control that was named first; names that differ in capitals alone may be one variant, and are refused."""
    last = {name.casefold(): name for name in names}
    alike = next((name for name in names if last[name.casefold()] != name), None)
    if alike is not None:
        raise ParameterError(f"trial: variants {alike!r} and {last[alike.casefold()]!r} differ in capitals alone; write them alike")
    if control is None:
        return names
    if str(control) not in names:
        raise ParameterError(f"trial: no unit has the control {control!r}{nearest(str(control), names)}")
    return [str(control), *(name for name in names if name != str(control))]


def read_codes(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Code the combinations of some columns."""
    for name in columns:
        empty = count_empty(frame[name])
        if empty:
            raise ParameterError(f"trial: {name} is empty for {plural(empty, 'unit')}; fill it", column=name)
    return frame.groupby(list(columns), sort=True).ngroup().to_numpy(dtype=np.int64)


def read_switch(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Read a column of 0 and 1."""
    values = read_numbers(frame, name, asked="trial")
    if not np.isin(values, (0.0, 1.0)).all():
        raise ParameterError(f"trial: {name} must be 1 or 0 for every unit, and it is not for some", column=name)
    return values


def read_exposure(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Read how long each unit was watched."""
    values = read_numbers(frame, name, asked="trial")
    if np.isnan(values).any():
        raise ParameterError(f"trial: {name} is empty for {plural(int(np.isnan(values).sum()), 'unit')}; say how long each was watched")
    if (values < 0).any():
        raise ParameterError(
            f"trial: {name} is below 0 for {plural(int((values < 0).sum()), 'unit')}; nobody is watched for less than no time"
        )
    if not values.any():
        raise ParameterError(f"trial: {name} is 0 for all units, so that nobody was watched; say how long each was")
    return values


def as_metric(frame: pd.DataFrame, asked: str | Metric) -> Metric:
    """Say what an outcome of which only the name was given is: a tier if ordered names, a share if only 0 and 1, else a mean."""
    if isinstance(asked, Metric):
        return asked
    check_columns(frame, [asked])
    kind = frame[asked].dtype
    if isinstance(kind, pd.CategoricalDtype) and kind.ordered and not pd.api.types.is_numeric_dtype(kind.categories.dtype):
        return Metric(name=asked, kind="tier", tiers=tuple(str(name) for name in kind.categories))
    values = read_numbers(frame, asked, asked="trial")
    return Metric(name=asked, kind="share" if np.isin(values[np.isfinite(values)], (0.0, 1.0)).all() else "mean")


def read_outcomes(frame: pd.DataFrame, metric: Metric) -> dict[str, np.ndarray]:
    """Read the columns of one metric; tiers as codes, empty cells as NaN."""
    if metric.kind == "tier":
        return {column: _tiers(frame, column, metric.tiers) for column in (metric.name, metric.before) if column}
    found = {column: read_numbers(frame, column, asked="trial") for column in metric.columns}
    values = found[metric.name]
    known = values[np.isfinite(values)] if metric.kind in ("share", "count", "time") else values[:0]
    wrong = ~np.isin(known, (0.0, 1.0)) if metric.kind == "share" else known < 0
    if wrong.any():
        must = {"share": "1 or 0", "count": "0 or more", "time": "0 or more: nothing ends before it begins"}[metric.kind]
        raise ParameterError(
            f"trial: {metric.name} must be {must}, and it is not for {plural(int(wrong.sum()), 'unit')}, the first {known[wrong][0]:g}",
            column=metric.name,
        )
    if metric.event:
        events = found[metric.event]
        if not np.isin(events[np.isfinite(events)], (0.0, 1.0)).all():
            raise ParameterError(f"trial: {metric.event} must be 1 where the event happened and 0 where not", column=metric.event)
    if metric.per and (found[metric.per] < 0).any():
        raise ParameterError(f"trial: {metric.per} is below 0 for some units; a ratio is taken per something counted", column=metric.per)
    return found


def _tiers(frame: pd.DataFrame, column: str, tiers: tuple[str, ...]) -> np.ndarray:
    known = frame[column].notna().to_numpy()
    codes = np.full(len(frame), -1.0)
    codes[known] = pd.Index(tiers).get_indexer(unit_names(frame[column][known]))
    strange = known & (codes < 0)
    if strange.any():
        name = str(frame[column][strange].iloc[0])
        raise ParameterError(
            f"trial: {column} holds {name!r} ({plural(int(strange.sum()), 'unit')}){nearest(name, tiers)}",
            column=column,
        )
    return np.where(codes < 0, np.nan, codes)
