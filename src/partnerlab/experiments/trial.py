"""The noun of trials: a row for each unit, the variant it was dealt, and what came of it; any table walks in."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.experiments.columns import read_numbers, unit_names
from partnerlab.experiments.experiment import Experiment, Metric
from partnerlab.results import read_only
from partnerlab.stats.trials.arm_moments import ArmMoments, count_moments
from partnerlab.words import plural

_ARRAYS = ("units", "variant", "cluster", "stratum", "received", "exposure", "shared", "group")

#: Units from which moments by variant take the place of rows: errors then differ by less than a part in the number of units.
MANY_UNITS = 100_000
#: Numbers written at a time: they stay in the processor's cache.
DIGITS_AT_ONCE = 16_384


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """Units, their variants as dealt, and their outcomes.

    Parameters
    ----------
    units : ndarray of str, shape (n,)
        Unique.
    variant : int array, shape (n,)
        Codes into ``variants``.
    variants : tuple of str
        The control first.
    metrics : tuple of Metric
        What the outcomes are.
    outcomes : mapping of str to float array, shape (n,)
        Columns of the metrics; NaN where not observed. Tiers are codes, lowest 0.
    cluster, stratum : int array, shape (n,), or None
        Codes of the groups whose units are alike, and of the strata of the deal.
    pre : mapping of str to float array, shape (n,)
        Known before the start; NaN where not.
    received : float array, shape (n,), or None
        1 where the unit had what a treated variant offers, 0 where not.
    exposure : float array, shape (n,), or None
        Quarters for which each unit was watched.
    shared : int array, shape (n,), or None
        Codes of what units share through which variants may reach one another, as it is now.
    group : int array, shape (n,), or None
        Codes into ``groups``: the tier before the start, or whatever the effect is read by.
    groups : tuple of str
        Names of those.
    experiment : Experiment or None
        Its declaration, where it was made by one.

    Examples
    --------
    >>> table = pd.DataFrame({"unit": list("abcd"), "variant": ["off", "on"] * 2, "leads": [1, 3, 2, 5]})
    >>> trial = Trial.from_frame(table, outcomes=["leads"])
    >>> trial.variants, trial.counts.tolist()
    (('off', 'on'), [2, 2])
    """

    units: np.ndarray = dataclasses.field(repr=False)
    variant: np.ndarray = dataclasses.field(repr=False)
    variants: tuple[str, ...]
    metrics: tuple[Metric, ...]
    outcomes: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    cluster: np.ndarray | None = dataclasses.field(repr=False, default=None)
    stratum: np.ndarray | None = dataclasses.field(repr=False, default=None)
    pre: Mapping[str, np.ndarray] = dataclasses.field(repr=False, default_factory=dict)
    received: np.ndarray | None = dataclasses.field(repr=False, default=None)
    exposure: np.ndarray | None = dataclasses.field(repr=False, default=None)
    shared: np.ndarray | None = dataclasses.field(repr=False, default=None)
    group: np.ndarray | None = dataclasses.field(repr=False, default=None)
    groups: tuple[str, ...] = ()
    experiment: Experiment | None = dataclasses.field(repr=False, default=None)

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name)))
        for name in ("outcomes", "pre"):
            object.__setattr__(self, name, {key: read_only(array) for key, array in getattr(self, name).items()})

    def __len__(self) -> int:
        return len(self.units)

    @property
    def counts(self) -> np.ndarray:
        """Units of each variant."""
        return np.bincount(self.variant, minlength=len(self.variants))

    @property
    def by_cluster(self) -> bool:
        """Whether every cluster got one variant."""
        if self.cluster is None:
            return False
        pairs = np.unique(np.column_stack([self.cluster, self.variant]), axis=0)
        return len(pairs) == len(np.unique(self.cluster))

    def select(self, keep: np.ndarray) -> Self:
        """Keep some units."""
        arrays = {name: getattr(self, name)[keep] for name in _ARRAYS if getattr(self, name) is not None}
        for name in ("outcomes", "pre"):
            arrays[name] = {key: values[keep] for key, values in getattr(self, name).items()}
        return dataclasses.replace(self, **arrays)

    @functools.cached_property
    def moments(self) -> ArmMoments | None:
        """Moments by variant of all outcomes and of what was known before; None where gaps or groups ask for the rows."""
        columns = [*self.outcomes.values(), *self.pre.values()]
        if self.cluster is not None or self.stratum is not None or self.received is not None or len(self) < MANY_UNITS:
            return None
        moments = count_moments(self.variant, columns, arms=len(self.variants))
        return moments if np.isfinite(moments.mean).all() else None

    def observed(self, metric: Metric) -> np.ndarray:
        """Where all columns of a metric were observed, bool of shape ``(n,)``."""
        return np.isfinite([self.outcomes[column] for column in metric.columns]).all(axis=0)

    @classmethod
    def from_frame(  # noqa: PLR0913 - one argument for each column name
        cls,
        frame: pd.DataFrame,
        *,
        experiment: Experiment | None = None,
        outcomes: Sequence[str | Metric] = (),
        unit: str | None = "unit",
        variant: str = "variant",
        control: str | None = None,
        cluster: str | None = None,
        stratum: str | Sequence[str] | None = None,
        pre: Sequence[str] = (),
        received: str | None = None,
        exposure: str | None = None,
        by: str | None = None,
    ) -> Self:
        """Make a trial of any table with a row for each unit.

        Parameters
        ----------
        frame : DataFrame
            Rows in any order.
        experiment : Experiment, optional
            Says metrics, unit, cluster, strata, what was known before, and the variants' order; then only ``variant``
            and ``received`` are asked for.
        outcomes : sequence of str or Metric
            A bare name is a share if it holds only 0 and 1, else a mean. With an experiment: other metrics than it declared,
            which the reading will show as a departure from the plan.
        unit : str or None
            Column of the unit; None if every row is a unit.
        variant, control : str
            Column of the variant, and the one that others are compared with (the first by name if None).
        cluster : str, optional
            Groups whose units are alike, or got one variant together.
        stratum : str or sequence of str, optional
            What the variants were dealt within.
        pre : sequence of str
            Numbers known before the start.
        received : str, optional
            1 where the unit had what its variant offers.
        exposure : str, optional
            Quarters for which the unit was watched.
        by : str, optional
            Groups in which the effect is read besides; the tier before the start.

        Raises
        ------
        ParameterError
            On a missing column, units in two variants or twice, or outcomes that their kind cannot take.
        SampleError
            With fewer than two variants.
        """
        if experiment is not None and experiment.scheduled:
            raise ParameterError(f"trial: {experiment.name} was dealt as a schedule of quarters; read its rows with analyze_schedule")
        if experiment is not None:
            outcomes, unit = tuple(outcomes) or experiment.metrics, experiment.unit if unit in ("unit", experiment.unit) else unit
            cluster, stratum, pre, control = experiment.cluster, experiment.strata or None, experiment.pre, experiment.control
            exposure, by = exposure or experiment.exposure, by or experiment.by
        if not isinstance(frame, pd.DataFrame):
            raise ParameterError(f"trial: {type(frame).__name__} is no table; give a DataFrame with a row for each unit")
        strata = (stratum,) if isinstance(stratum, str) else tuple(stratum or ())
        outcomes, pre = ((asked,) if isinstance(asked, str | Metric) else tuple(asked) for asked in (outcomes, pre))
        metrics = tuple(_read_metric(frame, asked) for asked in outcomes)
        if not metrics:
            raise ParameterError("trial: name at least one outcome")
        _refuse_twice([metric.name for metric in metrics], "outcomes")
        _refuse_twice(list(pre), "pre")
        columns = [column for metric in metrics for column in (*metric.columns, metric.before) if column]
        _check_columns(frame, [name for name in (unit, variant, cluster, received, exposure, by, *strata, *pre) if name] + columns)
        between = experiment.spillover.between if experiment is not None and experiment.spillover else None
        shared = between if between in frame.columns else None
        names = _units(frame, unit, variant)
        codes, variants = _variants(frame, variant, control, experiment)
        return cls(
            units=names,
            variant=codes,
            variants=variants,
            metrics=metrics,
            outcomes={column: values for metric in metrics for column, values in _outcomes(frame, metric).items()},
            cluster=None if cluster is None else _codes(frame, (cluster,)),
            stratum=_codes(frame, strata) if strata else None,
            pre={name: read_numbers(frame, name, asked="trial") for name in pre},
            received=None if received is None else _switch(frame, received),
            exposure=None if exposure is None else _exposure(frame, exposure),
            shared=None if shared is None else _codes(frame, (shared,)),
            group=None if by is None else _codes(frame, (by,)),
            experiment=experiment,
            groups=() if by is None else tuple(str(name) for name in sorted(frame[by].unique())),
        )


def _check_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    for name in columns:
        if name not in frame.columns:
            raise ParameterError(f"trial: no column {name!r}{nearest(name, frame.columns)}", column=name)
        if isinstance(frame[name], pd.DataFrame):
            raise ParameterError(f"trial: several columns are called {name!r}; give each its own name", column=name)


def _refuse_twice(names: Sequence[str], said: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f"trial: {said} name {twice!r} twice; name each once", column=twice)


def _units(frame: pd.DataFrame, unit: str | None, variant: str) -> np.ndarray:
    if unit is None:
        return np.arange(len(frame)).astype(str)
    if frame[unit].isna().any():
        raise ParameterError(f"trial: {unit} is empty in {plural(int(frame[unit].isna().sum()), 'row')}; name every unit", column=unit)
    if pd.api.types.is_integer_dtype(frame[unit].dtype):
        numbers = frame[unit].to_numpy(dtype=np.int64)
        if (numbers[1:] > numbers[:-1]).all():  # in order, so none stands twice
            return _digits(numbers)
    repeated = frame[frame[unit].duplicated(keep=False)]
    if len(repeated):
        mixed = repeated.groupby(unit)[variant].nunique()
        if (mixed > 1).any():
            several = mixed[mixed > 1].index
            raise ParameterError(
                f"trial: {plural(len(several), 'unit stands', 'units stand')} in two variants, the first {str(several[0])!r}; "
                "a unit has the variant that it was dealt"
            )
        raise ParameterError(
            f"trial: {plural(repeated[unit].nunique(), 'unit has', 'units have')} several rows, the first {str(repeated[unit].iloc[0])!r}; "
            "add them up to one each"
        )
    return unit_names(frame[unit]).to_numpy(dtype=str)


def _digits(numbers: np.ndarray) -> np.ndarray:
    """Write whole numbers in ascending order as text, digit by digit: several times quicker than one by one.

    Examples
    --------
    >>> _digits(np.array([0, 7, 10, 312])).tolist()
    ['0', '7', '10', '312']
    """
    if not len(numbers) or numbers[0] < 0:
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


def _variants(frame: pd.DataFrame, variant: str, control: str | None, experiment: Experiment | None) -> tuple[np.ndarray, tuple[str, ...]]:
    empty = int(frame[variant].isna().sum())
    if empty:
        raise ParameterError(f"trial: {variant} is empty for {plural(empty, 'unit')}; give the variant that each was dealt", column=variant)
    dealt = frame[variant]
    if pd.api.types.is_float_dtype(dealt) and (dealt % 1 == 0).all():
        dealt = dealt.astype(int)  # 1.0 is what a table with gaps makes of 1
    place, distinct = pd.factorize(dealt)
    said = [str(value) for value in distinct]
    names = sorted(set(said))
    if experiment is not None:
        known = [declared.name for declared in experiment.variants]
        strange = [name for name in names if name not in known]
        if strange:
            raise ParameterError(f"trial: {strange[0]!r} is no variant of {experiment.name}{nearest(strange[0], known)}")
        names = known
    elif control is not None and str(control) in names:
        names = [str(control), *(name for name in names if name != str(control))]
    elif control is not None:
        raise ParameterError(f"trial: no unit has the control {control!r}{nearest(str(control), names)}")
    codes = np.array([names.index(name) for name in said], dtype=np.int64)[place]
    absent = [name for name in names if name not in said]
    if len(names) < 2 or absent:
        raise SampleError(
            f"trial: {f'no unit has variant {absent[0]!r}' if absent else 'all units have one variant'}; nothing can be compared"
        )
    return codes, tuple(names)


def _codes(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    for name in columns:
        if frame[name].isna().any():
            raise ParameterError(f"trial: {name} is empty for {plural(int(frame[name].isna().sum()), 'unit')}; fill it", column=name)
    return frame.groupby(list(columns), sort=True).ngroup().to_numpy(dtype=np.int64)


def _switch(frame: pd.DataFrame, name: str) -> np.ndarray:
    values = read_numbers(frame, name, asked="trial")
    if not np.isin(values, (0.0, 1.0)).all():
        raise ParameterError(f"trial: {name} must be 1 or 0 for every unit, and it is not for some", column=name)
    return values


def _exposure(frame: pd.DataFrame, name: str) -> np.ndarray:
    values = read_numbers(frame, name, asked="trial")
    if np.isnan(values).any():
        raise ParameterError(f"trial: {name} is empty for {plural(int(np.isnan(values).sum()), 'unit')}; say how long each was watched")
    if (values < 0).any():
        raise ParameterError(
            f"trial: {name} is below 0 for {plural(int((values < 0).sum()), 'unit')}; nobody is watched for less than no time"
        )
    return values


def _read_metric(frame: pd.DataFrame, asked: str | Metric) -> Metric:
    if isinstance(asked, Metric):
        return asked
    _check_columns(frame, [asked])
    values = read_numbers(frame, asked, asked="trial")
    return Metric(name=asked, kind="share" if np.isin(values[np.isfinite(values)], (0.0, 1.0)).all() else "mean")


def _outcomes(frame: pd.DataFrame, metric: Metric) -> dict[str, np.ndarray]:
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
    codes = pd.Index(tiers).get_indexer(frame[column].astype(object)).astype(float)
    strange = frame[column].notna().to_numpy() & (codes < 0)
    if strange.any():
        name = str(frame[column][strange].iloc[0])
        raise ParameterError(
            f"trial: {column} holds {name!r} ({plural(int(strange.sum()), 'unit')}){nearest(name, tiers)}",
            column=column,
        )
    return np.where(codes < 0, np.nan, codes)
