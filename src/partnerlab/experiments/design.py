"""What an experiment could see, and whether it is worth running: power and smallest effect over units and quarters."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.experiments.experiment import EACH_QUARTER, Experiment, Looks, Metric
from partnerlab.experiments.looks import always_valid_reach
from partnerlab.experiments.outlook import Outlook, Prior
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.trials.futility import finding_power, give_up_bounds
from partnerlab.stats.trials.power import cluster_degrees, power_of_t, smallest_effect, stepped_wedge_variance
from partnerlab.stats.trials.preposterior import value_of_testing
from partnerlab.stats.trials.sequential import boundaries, crossing
from partnerlab.stats.trials.shapes import Arm, skewed_power
from partnerlab.words import plural, say_list, say_number, say_share

#: Effect in standard errors beyond which it is found for sure.
FARTHEST = 9.0

Plan = Literal["parallel", "stepped wedge", "crossover", "as declared"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentDesign(Result):
    """Smallest effects that designs of several sizes would find, with the worth of running each.

    ``estimate`` is the smallest effect, ``std_error`` the error expected of it, ``power_material`` the chance to find the
    material effect, ``gain``, ``cost`` and ``net_gain`` the money expected of deciding with the test.

    Parameters
    ----------
    power : float
        At which the smallest effect is stated.
    """

    title: ClassVar[str] = "What the experiment could see"

    power: float = 0.8


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Size:
    """One size of a design."""

    plan: Plan
    units: int
    clusters: int | None
    quarters: int
    size_cv: float
    on: np.ndarray | None
    share: np.ndarray | None

    @property
    def things(self) -> int:
        return self.units if self.clusters is None else self.clusters


def design_experiment(  # noqa: PLR0913 - what may vary between designs
    experiment: Experiment,
    *,
    outlooks: Mapping[str, Outlook],
    units: Sequence[int],
    quarters: Sequence[int] | None = None,
    clusters: Sequence[int] | None = None,
    size_cv: float = 0.0,
    plans: Sequence[Plan] | None = None,
    prior: Prior | None = None,
    power: float = 0.8,
    level: float = 0.95,
) -> ExperimentDesign:
    """Find the smallest effect that each size of an experiment would show, and what running it is worth.

    Parameters
    ----------
    experiment : Experiment
        Declares metrics, variants, whether clusters are dealt, looks and stakes.
    outlooks : mapping of str to Outlook
        What is expected of each metric, by its name.
    units : sequence of int
        Units of all variants together.
    quarters : sequence of int, optional
        How long it may run; as declared if None.
    clusters : sequence of int, optional
        Clusters that the units lie in, where the experiment deals clusters.
    size_cv : float
        Coefficient of variation of the clusters' sizes.
    plans : sequence of {"parallel", "stepped wedge", "crossover"}, optional
        Variants side by side; switched on cluster after cluster (unit after unit); or on and off in turn. Where the variants are
        schedules, it is as declared, and nothing else.
    prior : Prior, optional
        For the worth of running; needs a value in the stakes.
    power, level : float
        Power of the smallest effect; coverage for one comparison.

    Raises
    ------
    ParameterError
        If an outlook lacks what its metric needs, or sizes cannot be.

    Examples
    --------
    >>> from partnerlab.verdicts import Stakes
    >>> dinner = Experiment(name="dinner", hypothesis="It helps.", tactic="Dinner", stakes=Stakes(unit="leads"),
    ...                     metrics=(Metric(name="leads"),))
    >>> sizes = design_experiment(dinner, outlooks={"leads": Outlook(sd=1.0)}, units=[40, 400])
    >>> sizes.table["estimate"].round(3).tolist()
    [0.909, 0.281]
    """
    _refuse_kinds(experiment, outlooks, prior, units=units, quarters=quarters, clusters=clusters)
    check_level(level)
    quarters = (experiment.quarters,) if quarters is None else quarters
    plans = (plans,) if isinstance(plans, str) else plans
    plans = plans if plans is not None else ("as declared",) if experiment.scheduled else ("parallel",)
    _check(experiment, outlooks, units, quarters, clusters, plans)
    if not 1 - level < power < 1:
        raise ParameterError(
            f"design_experiment: power is {power}; give a chance above {1 - level:.2g} (found where nothing is) and below 1"
        )
    if not 0 <= size_cv < math.inf:
        raise ParameterError(f"design_experiment: size_cv is {size_cv}; give a spread of sizes over their mean, 0 or more")
    rows = []
    for place, metric in enumerate(experiment.metrics):
        for plan in plans:
            for count in units:
                for groups in (None,) if clusters is None else clusters:
                    for length in quarters:
                        on, share = _schedule(experiment, plan, length)
                        size = _Size(plan=plan, units=count, clusters=groups, quarters=length, size_cv=size_cv, on=on, share=share)
                        rows.append(_row(experiment, metric, outlooks[metric.name], size, prior if place == 0 else None, power, level))
    return ExperimentDesign(
        estimand=f"Smallest effect that the experiment finds in {say_share(power)} of cases, by size".replace("\u00a0", " "),
        table=pd.DataFrame(rows),
        checks=tuple(_notes(experiment, clusters)),
        level=level,
        power=power,
    )


def _refuse_kinds(experiment, outlooks, prior, **counts) -> None:
    """Refuse what is not what the verb takes."""
    given = [(Experiment, experiment), *((Outlook, one) for one in outlooks.values()), *([] if prior is None else [(Prior, prior)])]
    for noun, one in given:
        if not isinstance(one, noun):
            raise ParameterError(f"design_experiment takes {noun.__name__}, not {type(one).__name__}; make one: {noun.__name__}(...)")
    for name, listed in ((name, listed) for name, listed in counts.items() if listed is not None):
        whole = isinstance(listed, Iterable) and all(isinstance(one, numbers.Integral) and not isinstance(one, bool) for one in listed)
        if not whole:
            raise ParameterError(f"design_experiment: {name} is {listed}; give a list of whole numbers, such as [200, 400]")


def _check(experiment, outlooks, units, quarters, clusters, plans) -> None:
    for metric in experiment.metrics:
        if metric.name not in outlooks:
            raise ParameterError(f"design_experiment: no outlook for {metric.name!r}; say what is expected of it under the control")
        lacks = outlooks[metric.name].lacks(metric)
        if lacks:
            raise ParameterError(
                f"design_experiment: the outlook of {metric.name} ({metric.kind}) lacks {lacks}; take it from past quarters"
            )
    least = max(len(experiment.variants), 3) if experiment.scheduled else 2 * len(experiment.variants)
    if min(units, default=0) < least or min(quarters, default=0) < 1:
        raise ParameterError(f"design_experiment: units must be {least} or more, quarters 1 or more")
    if (clusters is None) != (experiment.cluster is None):
        asked = (
            f"the experiment deals by {experiment.cluster}; give clusters=" if experiment.cluster else "leave out clusters= or declare one"
        )
        raise ParameterError(f"design_experiment: {asked}")
    if clusters is not None and (min(clusters) < least or max(clusters) > min(units)):
        raise ParameterError(f"design_experiment: clusters must be {least} or more, and no more than units")
    _check_plans(experiment, quarters, plans)


def _check_plans(experiment: Experiment, quarters: Sequence[int], plans: Sequence[str]) -> None:
    if experiment.scheduled:
        if set(plans) != {"as declared"} or set(quarters) != {experiment.quarters}:
            raise ParameterError(
                f"design_experiment: variants of {experiment.name} are schedules of {plural(experiment.quarters, 'quarter')}; "
                "leave out plans= and quarters="
            )
        return
    for plan in plans:
        if plan not in ("parallel", "stepped wedge", "crossover"):
            raise ParameterError(f"design_experiment: no plan is called {plan!r}; known: parallel, stepped wedge, crossover")
        if plan != "parallel" and (
            min(quarters) < 2 or len(experiment.variants) > 2 or any(metric.kind not in EACH_QUARTER for metric in experiment.metrics)
        ):
            raise ParameterError(
                f"design_experiment: a {plan} needs two variants, two quarters, and metrics read every quarter ({say_list(EACH_QUARTER)})"
            )


def _notes(experiment: Experiment, clusters: Sequence[int] | None) -> list[Check]:
    looks = f"{plural(experiment.looks.planned, 'look')}, {experiment.looks.stopping}"
    notes = [Check("looks", None, f"{looks}; the smallest effects allow for them")]
    if clusters is not None and min(clusters) < 10:
        notes.append(Check("clusters", None, f"with {min(clusters)} clusters everything hangs on a few; add clusters rather than units"))
    notes += [
        Check(f"time of {metric.name}", None, "in quarters, planned as if read to their end; ended sooner "
              f"(until {say_number(metric.until)}, in its own unit) it finds less")
        for metric in experiment.metrics
        if metric.until
    ]  # fmt: skip
    return notes


def _row(
    experiment: Experiment, metric: Metric, outlook: Outlook, size: _Size, prior: Prior | None, power: float, level: float
) -> dict[str, object]:
    arms = 2 if experiment.scheduled else len(experiment.variants)
    own = 1 - (1 - level) / (arms - 1)
    df = _degrees(experiment, size, arms)

    def error(effect: float) -> float:
        return math.sqrt(_variance(experiment, metric, outlook, size, effect))

    def chance(effect: float) -> float:
        normal = _power(experiment, effect / error(effect), df, own)
        control, treated = _arms(experiment, metric, outlook, size, effect)
        return skewed_power(normal, critical=critical_value(own, df), df=df, control=control, treated=treated)

    most = outlook.most(metric, quarters=size.quarters)
    found = smallest_effect(chance, target=power, scale=error(0.0), most=most)
    material = experiment.stakes.material if metric is experiment.metrics[0] else None
    at = error(found) if math.isfinite(found) else error(0.0)
    return {
        "metric": metric.name,
        "plan": size.plan,
        "units": size.units,
        "clusters": size.clusters,
        "quarters": size.quarters,
        "estimate": found,
        "std_error": at,
        "conf_low": math.nan,
        "conf_high": math.nan,
        "n": size.units,
        "df": df,
        "power_material": chance(material) if material and material <= most else math.nan,
        **_worth(experiment, size, prior, error(0.0)),
    }


def _degrees(experiment: Experiment, size: _Size, arms: int) -> float:
    """Degrees of freedom of the effect's error; of clusters side by side those of their sizes, by Satterthwaite."""
    if size.clusters is None or size.on is not None or size.size_cv == 0:
        return max(size.things - arms, 1)
    total = sum(variant.share for variant in experiment.variants)
    control, *others = (variant.share / total for variant in experiment.variants)
    parts = [(1.0 / share, cluster_degrees(share * size.things, size.size_cv)) for share in (control, min(others))]
    return sum(part for part, _ in parts) ** 2 / sum(part**2 / df for part, df in parts)


def _power(experiment: Experiment, shift: float, df: float, level: float) -> float:
    """Power of the declared looks for an effect of so many standard errors at the last one."""
    looks = experiment.looks
    if looks.stopping == "fixed":
        return power_of_t(shift, 1.0, df=df, level=level, both_tails=False)
    # few degrees of freedom widen every boundary alike
    narrower = power_of_t(shift, 1.0, df=df, level=level) - power_of_t(shift, 1.0, df=math.inf, level=level)
    return min(max(float(_power_of_looks(looks, level)(min(shift, FARTHEST))) + narrower, 0.0), 1.0)


@functools.cache
def _power_of_looks(looks: Looks, level: float) -> Callable[[float], float]:
    """Power of several looks by the effect in standard errors at the last one; a smooth curve through a few points."""
    from scipy.interpolate import PchipInterpolator

    share = np.array(looks.information)
    if looks.stopping == "always valid":
        bounds = np.array([always_valid_reach(part, level=level) for part in share])
    else:
        bounds = boundaries(share, alpha=1 - level, kind=looks.spending, gamma=looks.gamma)
    shifts = np.concatenate([np.linspace(0.0, 5.0, 21), [6.0, FARTHEST]])
    if looks.give_up:
        lower = give_up_bounds(share, alpha=(1 - level) / 2, finding=looks.spending, finding_gamma=looks.gamma).lower
        return PchipInterpolator(shifts, [finding_power(share, bounds, lower, drift=shift) for shift in shifts])
    return PchipInterpolator(shifts, [float(crossing(share, bounds, drift=shift).sum()) for shift in shifts])


def _variance(experiment: Experiment, metric: Metric, outlook: Outlook, size: _Size, effect: float) -> float:
    """Variance of the effect's estimate."""
    if size.on is None:
        return sum(arm.variance / arm.things for arm in _arms(experiment, metric, outlook, size, effect))
    left = 1.0 - outlook.known**2
    mean_size = size.units / size.things
    own = sum(outlook.variance(metric, effect=effect, quarters=1)) / 2
    if size.clusters is None:
        # what was known before stays with a unit, as its level does: it tells of that, and of nothing that comes and goes
        spread = {
            "units": 1.0,
            "sigma": math.sqrt(own * (1 - outlook.kept)),
            "tau": math.sqrt(own * max(outlook.kept - outlook.known**2, 0.0)),
        }
    else:
        # unequal clusters tell as much as so many equal ones
        units = mean_size / (1.0 + size.size_cv**2 * outlook.icc * mean_size / (1.0 + (mean_size - 1.0) * outlook.icc))
        sigma, tau = (math.sqrt(own * left * part) for part in (1 - outlook.icc, outlook.icc))
        spread = {"units": units, "sigma": sigma, "tau": tau, "kept": outlook.kept}
    return stepped_wedge_variance(size.on, weight=size.share * size.things, **spread)


def _arms(experiment: Experiment, metric: Metric, outlook: Outlook, size: _Size, effect: float) -> tuple[Arm, Arm]:
    """Describe the control and the smallest other arm of a trial side by side, or the cluster-quarters off and on of a schedule."""
    mean_size = size.units / size.things
    wider = 1.0 + ((1.0 + size.size_cv**2) * mean_size - 1.0) * outlook.icc if size.clusters is not None else 1.0
    if size.on is None:
        total = sum(variant.share for variant in experiment.variants)
        first, *others = (variant.share / total * size.things for variant in experiment.variants)
        things, quarters = (first, min(others)), size.quarters
    else:
        on = size.things * float(size.share @ size.on.sum(axis=1))
        things, quarters = (size.things * size.quarters - on, on), 1
    variances = outlook.variance(metric, effect=effect, quarters=quarters)
    shapes = outlook.shapes(metric, effect=effect, quarters=quarters, size=mean_size)
    return tuple(
        Arm(things=count, variance=(1.0 - outlook.known**2) * wider * variance / mean_size, shape=shape)
        for count, variance, shape in zip(things, variances, shapes, strict=True)
    )


def _schedule(experiment: Experiment, plan: Plan, quarters: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """When each group of clusters has the tactic, shape ``(groups, quarters)``, and the groups' shares; nothing side by side."""
    if plan == "parallel":
        return None, None
    if plan == "as declared":
        share = np.array([variant.share for variant in experiment.variants])
        return np.array([variant.on for variant in experiment.variants], dtype=float), share / share.sum()
    quarter = np.arange(quarters)
    if plan == "crossover":
        on = np.array([quarter % 2 == 0, quarter % 2 == 1])
    else:
        on = quarter >= np.arange(1, quarters + 1 if quarters == 2 else quarters)[:, None]
    return on.astype(float), np.full(len(on), 1.0 / len(on))


def _worth(experiment: Experiment, size: _Size, prior: Prior | None, error: float) -> dict[str, float]:
    """Find the expected gain of deciding with the test, its cost, and the difference, in money."""
    stakes = experiment.stakes
    if prior is None or stakes.value is None:
        return {"gain": math.nan, "cost": math.nan, "net_gain": math.nan}
    total = sum(variant.share for variant in experiment.variants)
    share_on = 1 - experiment.variants[0].share / total if size.on is None else float(size.share @ size.on.mean(axis=1))
    gain = prior.rows * value_of_testing(stakes.value * prior.mean - stakes.cost, abs(stakes.value) * prior.sd, abs(stakes.value) * error)
    cost = prior.fixed_cost + share_on * size.units * size.quarters * stakes.cost
    return {"gain": gain, "cost": cost, "net_gain": gain - cost}
