"""The noun of trials: each unit, the variant it was dealt, and what came of it, once or quarter by quarter; any table walks in."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.experiments.columns import read_numbers
from partnerlab.experiments.experiment import Experiment, Metric
from partnerlab.experiments.quarterly_rows import lay_out
from partnerlab.experiments.trial_columns import (
    as_metric,
    check_columns,
    name_ids,
    read_codes,
    read_exposure,
    read_outcomes,
    read_switch,
    read_units,
    read_variants,
    refuse_known_outcomes,
    refuse_twice,
    refuse_unscheduled,
)
from partnerlab.results import read_only
from partnerlab.stats.trials.arm_moments import ArmMoments, count_moments

_ARRAYS = ("ids", "variant", "cluster", "stratum", "received", "exposure", "shared", "group", "on")

#: Units from which moments by variant take the place of rows: errors then differ by less than a part in the number of units.
MANY_UNITS = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """Units, their variants as dealt, and their outcomes.

    Parameters
    ----------
    ids : ndarray of int or str, shape (n,)
        Units, each once; as text they are ``units``.
    variant : int array, shape (n,)
        Codes into ``variants``.
    variants : tuple of str
        The control first.
    metrics : tuple of Metric
        What the outcomes are.
    outcomes : mapping of str to float array, shape (n,) or (n, quarters)
        Columns of the metrics; NaN where not observed. Tiers are codes, lowest 0. Of a schedule a column for each quarter.
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
    on : float array, shape (n, quarters), or None
        Where variants are schedules: 1 in quarters with the tactic, 0 without; NaN where that is not known.
    quarters : tuple of str
        Names of those.
    departed : tuple of str
        What the rows of a schedule show that is otherwise than declared, in words.

    Examples
    --------
    >>> table = pd.DataFrame({"unit": list("abcd"), "variant": ["off", "on"] * 2, "leads": [1, 3, 2, 5]})
    >>> trial = Trial.from_frame(table, outcomes=["leads"])
    >>> trial.variants, trial.counts.tolist()
    (('off', 'on'), [2, 2])
    """

    ids: np.ndarray = dataclasses.field(repr=False)
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
    on: np.ndarray | None = dataclasses.field(repr=False, default=None)
    quarters: tuple[str, ...] = ()
    departed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name)))
        for name in ("outcomes", "pre"):
            object.__setattr__(self, name, {key: read_only(array) for key, array in getattr(self, name).items()})

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def units(self) -> np.ndarray:
        """Names of the units, ndarray of str."""
        return read_only(name_ids(self.ids))

    @property
    def counts(self) -> np.ndarray:
        """Units of each variant."""
        return np.bincount(self.variant, minlength=len(self.variants))

    @property
    def switched(self) -> bool:
        """Whether variants are schedules of quarters with and without the tactic."""
        return self.on is not None

    @property
    def compared(self) -> tuple[str, ...]:
        """What is compared with the control: the other variants, or quarters with it on."""
        return ("on",) if self.switched else self.variants[1:]

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
        grouped = self.cluster is not None or self.stratum is not None or self.received is not None
        if grouped or self.switched or len(self) < MANY_UNITS:
            return None
        moments = count_moments(self.variant, columns, arms=len(self.variants))
        return moments if np.isfinite(moments.mean).all() else None

    def observed(self, metric: Metric) -> np.ndarray:
        """Where all columns of a metric were observed, bool of shape ``(n,)``; of a schedule ``(n, quarters)``."""
        return np.isfinite([self.outcomes[column] for column in metric.columns]).all(axis=0)

    def missing(self, metric: Metric) -> np.ndarray:
        """Share of each unit's outcomes of a metric that were not observed, shape ``(n,)``."""
        return (~self.observed(metric)).reshape(len(self), -1).mean(axis=1)

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
        quarter: str | None = None,
        on: str = "on",
    ) -> Self:
        """Make a trial of any table with a row for each unit; of a schedule, for each unit and quarter.

        Parameters
        ----------
        frame : DataFrame
            Rows in any order.
        experiment : Experiment, optional
            Says metrics, unit, cluster, strata, what was known before, and the variants' order; then only ``variant``
            and ``received`` are asked for.
        outcomes : sequence of str or Metric
            A bare name is a tier if it is an ordered categorical of names, a share if it holds only 0 and 1, else a mean. With an
            experiment: other metrics than it declared, which the reading will show as a departure from the plan.
        unit : str or None
            Column of the unit; None if every row is a unit.
        variant, control : str
            Column of the variant, and the one that others are compared with. If None, the first of a categorical, else the one
            called control, else the first by name.
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
        quarter : str, optional
            Column of the quarter, where each unit has a row for each: a tactic that is switched on, or on and off. With an experiment
            whose variants are schedules it is ``quarter`` if None. Rows that are absent are outcomes not observed.
        on : str
            Column of a schedule that was not declared: 1 where it was on, 0 where off. Of a declared one it need not be there; where it
            is, quarters otherwise than declared are counted, and read as declared.

        Raises
        ------
        ParameterError
            On a missing column, units in two variants or twice, outcomes that their kind cannot take, other quarters than scheduled, or
            a cluster that was on for some of its units and off for others.
        SampleError
            With fewer than two variants.
        """
        if experiment is not None:
            outcomes, unit = tuple(outcomes) or experiment.metrics, experiment.unit if unit in ("unit", experiment.unit) else unit
            cluster, stratum, pre, control = experiment.cluster, experiment.strata or None, experiment.pre, experiment.control
            exposure, by = exposure or experiment.exposure, by or experiment.by
        if not isinstance(frame, pd.DataFrame):
            raise ParameterError(f"trial: {type(frame).__name__} is no table; give a DataFrame with a row for each unit")
        if not len(frame):
            raise SampleError("trial: the table has no rows; nothing can be compared")
        strata = (stratum,) if isinstance(stratum, str) else tuple(stratum or ())
        outcomes, pre = ((asked,) if isinstance(asked, str | Metric) else tuple(asked) for asked in (outcomes, pre))
        metrics = tuple(as_metric(frame, asked) for asked in outcomes)
        if not metrics:
            raise ParameterError("trial: name at least one outcome")
        refuse_twice([metric.name for metric in metrics], "outcomes")
        refuse_twice(list(pre), "pre")
        refuse_known_outcomes(metrics, {*pre, *strata, *([by] if by else []), *([cluster] if cluster else [])})
        columns = [column for metric in metrics for column in (*metric.columns, metric.before) if column]
        between = experiment.spillover.between if experiment is not None and experiment.spillover else None
        shared = between if between in frame.columns else None
        rows, laid = frame, None
        if quarter is not None or (experiment is not None and experiment.scheduled):
            refuse_unscheduled(metrics, experiment, unit, {"received": received, "exposure": exposure, "by": by})
            check_columns(frame, [*strata, *pre, *columns])
            laid = lay_out(
                frame, experiment=experiment, unit=unit, quarter=quarter or "quarter", on=on, variant=variant, cluster=cluster,
                before=(*strata, *pre, *([shared] if shared else [])),
            )  # fmt: skip
            frame, variant, control = laid.units, laid.variant, None if experiment is None else control
        check_columns(frame, [name for name in (unit, variant, cluster, received, exposure, by, *strata, *pre) if name] + columns)
        ids = read_units(frame, unit, variant)
        codes, variants = read_variants(frame, variant, control, experiment)
        return cls(
            ids=ids,
            variant=codes,
            variants=variants,
            metrics=metrics,
            outcomes={
                column: values if laid is None else laid.spread(values)
                for metric in metrics
                for column, values in read_outcomes(rows, metric).items()
            },
            cluster=None if cluster is None else read_codes(frame, (cluster,)),
            stratum=read_codes(frame, strata) if strata else None,
            pre={name: read_numbers(frame, name, asked="trial") for name in pre},
            received=None if received is None else read_switch(frame, received),
            exposure=None if exposure is None else read_exposure(frame, exposure),
            shared=None if shared is None else read_codes(frame, (shared,)),
            group=None if by is None else read_codes(frame, (by,)),
            experiment=experiment,
            groups=() if by is None else tuple(str(name) for name in sorted(frame[by].unique())),
            on=None if laid is None else laid.on,
            quarters=() if laid is None else laid.quarters,
            departed=() if laid is None else laid.departed,
        )
