"""Do some partners stay longer than others: differences of restricted means, and tests of equal hazards."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.curves import clustered_curves, logrank, risksets
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.survival.curves import MIN_AT_RISK, limit_of_means, start_of_curves
from partnerlab.survival.sample import (
    Event,
    Sample,
    Variance,
    check_clusters,
    check_competing,
    check_size,
    draw_sample,
    known_starts,
    uses_jackknife,
)
from partnerlab.words import say_p


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurvivalComparison(Result):
    """Difference of restricted means of each group from a reference group.

    ``table`` has the grouping attribute, the difference with its interval, ``n`` (spells of both groups),
    ``reference`` and ``p_value`` (of no difference).

    Parameters
    ----------
    test : DataFrame
        One row: ``weights, statistic, df, p_value, clustered`` of the log-rank family over all groups; with ``trend``
        a second row for the trend.
    tau, origin : float
        Limits of the restricted means.
    unit : str
        Name of one period.
    """

    test: pd.DataFrame = dataclasses.field(repr=False)
    tau: float = float("nan")
    origin: float = 0.0
    unit: str = "quarter"

    title: ClassVar[str] = "Who stays longer"


def compare_survival(  # noqa: PLR0913 - each a question of its own
    spells: Spells,
    *,
    by: str,
    reference: object = None,
    strata: str | None = None,
    weights: logrank.Weights = "log-rank",
    trend: bool = False,
    event: Event = None,
    level: float = 0.95,
    tau: float | None = None,
    min_at_risk: int = MIN_AT_RISK,
    variance: Variance = "auto",
) -> SurvivalComparison:
    """Compare how long groups stay: difference of restricted means, and a test of the log-rank family.

    The difference says how many periods longer, up to ``tau``, and needs no proportional hazards (Royston and
    Parmar 2013, doi:10.1186/1471-2288-13-152). Where partners have several spells both variances are
    clustered by partner, across groups too.

    Parameters
    ----------
    spells : Spells
        Those without a known start are left out, and counted.
    by : str
        Attribute that forms the groups.
    reference : object, optional
        Group to compare with; the first by default.
    strata : str, optional
        Attribute within whose values the test compares; the restricted means are not stratified.
    weights : {"log-rank", "gehan", "tarone-ware", "peto"} or (rho, gamma)
        All times alike; or early times more, by the number at risk, its root, or S(t-); or the weights
        S(t-)^rho (1 - S(t-))^gamma of Fleming and Harrington, where ``(0, 1)`` looks at late differences.
    trend : bool
        Ask as well whether endings rise or fall along the groups in their order (that of a categorical's
        categories, or sorted), by scores 1, 2, ...; needs three groups to say anything new.
    event, level, tau, min_at_risk, variance
        As in `estimate_survival`.

    Raises
    ------
    ParameterError
        If an attribute, group, ending or weight does not exist.
    SampleError
        If there are fewer than two groups.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"partner": list("abcdef"), "duration": [1, 2, 3, 4, 5, 6], "event": True, "region": list("nnsnss")})
    >>> compare_survival(Spells.from_frame(frame), by="region", tau=4.0).table[["region", "estimate"]].round(3).to_numpy().tolist()
    [['s', 1.333]]
    """
    check_weights(weights)
    used, starts = known_starts(spells)
    sample, stratum = _layered_sample(used, by=by, strata=strata, event=event)
    if len(sample.labels) < 2:
        raise SampleError(f"compare by {by}: {len(sample.labels)} group(s) with {len(sample)} spells; two are needed")
    names = [label[0] for label in sample.labels]
    base = names.index(reference) if reference in names else 0
    if reference is not None and reference not in names:
        raise ParameterError(f"no group {reference!r} in {by}{nearest(str(reference), names)}", reference=reference)
    clustered = uses_jackknife(sample, variance)
    origin, conditioned = start_of_curves(sample, min_at_risk)
    alive = sample.duration > origin
    sample, stratum = sample.rows(alive), stratum[alive]
    sets = risksets.count_risk_sets(sample.spans._replace(cause=np.minimum(sample.cause, 0)), group=sample.group, groups=sample.groups)
    limit = limit_of_means(sets, tau, origin, min_at_risk)
    test = _test(sample, stratum, weights=weights, clustered=clustered, trend=trend)
    size = check_size(sample, minimum=2, unit=spells.unit)
    checks = (size, *starts, conditioned, check_clusters(sample), check_competing(sample), *_say_tests(test, strata))
    return SurvivalComparison(
        estimand=f"How many {spells.unit}s longer than {names[base]} partners stay, on average up to {limit:g} {spells.unit}s, by {by}",
        table=_differences(sample, sets, base=base, tau=limit, origin=origin, level=level, clustered=clustered),
        checks=(*spells.checks, *(check for check in checks if check)),
        level=level,
        test=test,
        tau=limit,
        origin=origin,
        unit=spells.unit,
    )


def _layered_sample(spells: Spells, *, by: str, strata: str | None, event: Event) -> tuple[Sample, np.ndarray]:
    """Draw a sample grouped by one attribute, and the stratum of each row, shape ``(n,)``."""
    if strata is None:
        sample = draw_sample(spells, by=by, event=event)
        return sample, np.zeros(len(sample), dtype=np.int64)
    both = draw_sample(spells, by=(by, strata), event=event)
    groups, layers = (list(dict.fromkeys(label[place] for label in both.labels)) for place in (0, 1))
    group = np.array([groups.index(label[0]) for label in both.labels], dtype=np.int64)[both.group]
    stratum = np.array([layers.index(label[1]) for label in both.labels], dtype=np.int64)[both.group]
    return dataclasses.replace(both, group=group, labels=[(name,) for name in groups], by=(by,)), stratum


def check_weights(weights: logrank.Weights) -> None:
    """Refuse weights that the family does not have."""
    if isinstance(weights, str):
        if weights not in logrank.WEIGHTS:
            raise ParameterError(f"weights are {weights!r}{nearest(weights, logrank.WEIGHTS)}")
        return
    if len(weights) != 2 or not all(np.isfinite(power) and power >= 0 for power in weights):
        raise ParameterError(f"weights are {weights!r}; give a name or two powers (rho, gamma), neither negative")


def _test(sample: Sample, stratum: np.ndarray, *, weights: logrank.Weights, clustered: bool, trend: bool) -> pd.DataFrame:
    """Test of the log-rank family, within strata when there are any; a second row for a trend."""
    count = int(stratum.max(initial=0)) + 1
    spans = sample.spans._replace(cause=np.minimum(sample.cause, 0))
    sets = risksets.count_risk_sets(spans, group=stratum * sample.groups + sample.group, groups=count * sample.groups)
    n, d = (values.reshape(count, sample.groups, -1) for values in (sets.at_risk, sets.ended))
    own = None
    if clustered:
        parts = np.zeros((len(sample), sample.groups))
        for layer in range(count):
            mine = stratum == layer
            weight = logrank.log_rank_weights(n[layer].sum(axis=0), d[layer].sum(axis=0), weights)
            picked = risksets.Spans(*(values[mine] for values in spans))
            parts[mine] = logrank.log_rank_influence(sets.time, n[layer], d[layer], weight, picked, group=sample.group[mine])
        summed = clustered_curves.sum_by_cluster(parts, sample.partner)
        own = summed.T @ summed
    name = weights if isinstance(weights, str) else f"Fleming-Harrington ({weights[0]:g}, {weights[1]:g})"
    scores = np.arange(1.0, sample.groups + 1)
    asked = {name: None, f"{name}, trend": scores} if trend else {name: None}
    tests = {said: logrank.log_rank(n, d, weights=weights, variance=own, trend=score) for said, score in asked.items()}
    rows = [{"weights": said, "statistic": one.statistic, "df": one.df, "p_value": one.p_value} for said, one in tests.items()]
    return pd.DataFrame(rows).assign(clustered=clustered)


def _differences(
    sample: Sample, sets: risksets.RiskSets, *, base: int, tau: float, origin: float, level: float, clustered: bool
) -> pd.DataFrame:
    """Differences of restricted means from the reference group, with standard errors that know of shared partners."""
    from scipy.special import ndtr

    means, errors, parts = np.full(sample.groups, np.nan), np.full(sample.groups, np.nan), np.zeros((len(sample), sample.groups))
    for index in range(sample.groups):
        lived, mine = sets.at_risk[index] > 0, sample.group == index
        if not lived.any() or not np.isfinite(tau) or tau > sets.time[lived][-1]:
            continue
        counts = sets.time[lived], sets.at_risk[index][lived], sets.ended[index][lived]
        means[index], errors[index], area = risksets.restricted_mean(*counts, tau=tau, origin=origin)
        if clustered:
            parts[mine, index] = clustered_curves.restricted_mean_influence(*counts, area, sample.rows(mine).spans)
    size = np.bincount(sample.group, minlength=sample.groups)
    others = [index for index in range(sample.groups) if index != base]
    if clustered:
        summed = clustered_curves.sum_by_cluster(parts, sample.partner)
        error = np.sqrt(((summed[:, others] - summed[:, [base]]) ** 2).sum(axis=0))
    else:
        error = np.sqrt(errors[others] ** 2 + errors[base] ** 2)
    gap = means[others] - means[base]
    reach = float(critical_value(level)) * error
    score = np.divide(np.abs(gap), error, out=np.full(len(gap), np.nan), where=error > 0)
    return pd.DataFrame(
        {
            sample.by[0]: [sample.labels[index][0] for index in others],
            "estimate": gap,
            "std_error": np.where(np.isnan(gap), np.nan, error),
            "conf_low": gap - reach,
            "conf_high": gap + reach,
            "n": size[others] + size[base],
            "reference": [sample.labels[base][0]] * len(others),
            "p_value": 2 * ndtr(-score),
        }
    )


def _say_tests(test: pd.DataFrame, strata: str | None) -> list[Check]:
    within = f" within {strata}" if strata else ""
    found = []
    for _, row in test.iterrows():
        how = "variance clustered by partner" if row["clustered"] else "one spell per partner"
        detail = f"chi-squared {row['statistic']:.2f} on {int(row['df'])} df, {say_p(row['p_value'])} ({how})."
        nothing = "fewer than two groups with endings: nothing to compare"
        found.append(Check(f"Groups differ ({row['weights']} test{within})", None, detail if row["df"] else nothing))
    return found
