"""Do groups end in one way more often than others: differences of cumulative incidences, and Gray's test."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.curves import clustered_curves, gray, incidence, risksets
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.survival.curves import MIN_AT_RISK, limit_of_means, start_of_curves
from partnerlab.survival.sample import Sample, Variance, check_clusters, check_size, draw_sample, known_starts, uses_jackknife
from partnerlab.words import say_p


@dataclasses.dataclass(frozen=True, kw_only=True)
class IncidenceComparison(Result):
    """Difference of the share ended in each way by one time, of each group from a reference group.

    ``table`` has ``cause`` and the grouping attribute, the difference with its interval, ``n`` (spells of both
    groups), ``reference`` and ``p_value`` (of no difference at that time).

    Parameters
    ----------
    tests : DataFrame
        Gray's test over all groups and times, one row for each way: ``cause, statistic, df, p_value, clustered``.
    at, origin : float
        The time at which shares are compared; where the curves start.
    unit : str
        Name of one period.
    """

    tests: pd.DataFrame = dataclasses.field(repr=False)
    at: float = float("nan")
    origin: float = 0.0
    unit: str = "quarter"

    title: ClassVar[str] = "Who leaves in which way"


def compare_incidence(
    spells: Spells,
    *,
    by: str,
    reference: object = None,
    at: float | None = None,
    level: float = 0.95,
    min_at_risk: int = MIN_AT_RISK,
    variance: Variance = "auto",
) -> IncidenceComparison:
    """Compare how often groups end in each way: difference of cumulative incidences, and Gray's k-sample test.

    Cause-specific hazards are compared by `compare_survival` with ``event=``: they answer who is driven to this
    ending more, Gray's test who in the end leaves by it more. Where partners have several spells the variances
    are clustered by partner, across groups too.

    Parameters
    ----------
    spells : Spells
        Those without a known start are left out, and counted.
    by : str
        Attribute that forms the groups.
    reference : object, optional
        Group to compare with; the first by default.
    at : float, optional
        Time of the difference; by default the last at which every group has ``min_at_risk`` at risk.
    level, min_at_risk, variance
        As in `estimate_survival`.

    Raises
    ------
    ParameterError
        If an attribute or group does not exist.
    SampleError
        If there are fewer than two groups.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"partner": list("abcdef"), "duration": [1, 2, 3, 1, 2, 3], "event": ["up", "down", "up", "down", "up", "up"],
    ...     "region": list("nnnsss")})
    >>> compare_incidence(Spells.from_frame(frame), by="region", at=1.0).table[["cause", "region", "estimate"]].round(3).to_numpy().tolist()
    [['down', 's', 0.333], ['up', 's', -0.333]]
    """
    used, starts = known_starts(spells)
    sample = draw_sample(used, by=by)
    if len(sample.labels) < 2 or not sample.causes:
        raise SampleError(
            f"compare by {by}: {len(sample.labels)} group(s) with {len(sample)} spells and {len(sample.causes)} way(s) of ending seen; "
            "two groups and an ending are needed"
        )
    names = [label[0] for label in sample.labels]
    if reference is not None and reference not in names:
        raise ParameterError(f"no group {reference!r} in {by}{nearest(str(reference), names)}", reference=reference)
    base = names.index(reference) if reference is not None else 0
    clustered = uses_jackknife(sample, variance)
    origin, conditioned = start_of_curves(sample, min_at_risk)
    sample = sample.rows(sample.duration > origin)
    sets = risksets.count_risk_sets(sample.spans, causes=len(sample.causes), group=sample.group, groups=sample.groups)
    place = limit_of_means(sets, at, origin, min_at_risk)
    tests = _tests(sample, sets, clustered=clustered)
    checks = (check_size(sample, minimum=2, unit=spells.unit), *starts, conditioned, check_clusters(sample), *_say_tests(tests))
    return IncidenceComparison(
        estimand=f"How much more of each group than of {names[base]} has ended in each way after {place:g} {spells.unit}s, by {by}",
        table=_differences(sample, sets, base=base, at=place, level=level, clustered=clustered),
        checks=(*spells.checks, *(check for check in checks if check)),
        level=level,
        tests=tests,
        at=place,
        origin=origin,
        unit=spells.unit,
    )


def _tests(sample: Sample, sets: risksets.RiskSets, *, clustered: bool) -> pd.DataFrame:
    """Gray's test for each way of ending."""
    rows = []
    for of, cause in enumerate(sample.causes):
        own = None
        if clustered:
            parts = gray.gray_influence(sets.at_risk, sets.events, sample.spans, sets.time, of=of, group=sample.group)
            summed = clustered_curves.sum_by_cluster(parts, sample.partner)
            own = summed.T @ summed
        test = gray.gray_test(sets.at_risk, sets.events, of=of, variance=own)
        rows.append({"cause": cause, "statistic": test.statistic, "df": test.df, "p_value": test.p_value, "clustered": clustered})
    return pd.DataFrame(rows)


def _differences(sample: Sample, sets: risksets.RiskSets, *, base: int, at: float, level: float, clustered: bool) -> pd.DataFrame:
    """Differences of incidences at one time, with standard errors that know of shared partners."""
    from scipy.special import ndtr

    shares, errors = (np.full((len(sample.causes), sample.groups), np.nan) for _ in range(2))
    parts = np.zeros((len(sample.causes), len(sample), sample.groups))
    for index in range(sample.groups):
        lived, mine = sets.at_risk[index] > 0, sample.group == index
        if not lived.any() or not np.isfinite(at) or at > sets.time[lived][-1]:
            continue
        time, n, d = sets.time[lived], sets.at_risk[index][lived], sets.events[index][:, lived]
        place = int(np.searchsorted(time, at, side="right")) - 1
        shares[:, index] = incidence.aalen_johansen(n, d)[:, place] if place >= 0 else 0.0
        errors[:, index] = np.sqrt(incidence.incidence_variance(n, d)[:, place]) if place >= 0 else 0.0
        if clustered and place >= 0:
            parts[:, mine, index] = incidence.incidence_influence(time, n, d, sample.rows(mine).spans, place=place)
    others = [index for index in range(sample.groups) if index != base]
    error = np.sqrt(errors[:, others] ** 2 + errors[:, [base]] ** 2)
    if clustered:
        for of, own in enumerate(parts):
            summed = clustered_curves.sum_by_cluster(own, sample.partner)
            error[of] = np.sqrt(((summed[:, others] - summed[:, [base]]) ** 2).sum(axis=0))
    gap = shares[:, others] - shares[:, [base]]
    # where neither group was seen to end so, nothing tells how sure a difference of none is
    error = np.where(np.isnan(gap) | (error <= 0), np.nan, error)
    reach = float(critical_value(level)) * error
    score = np.divide(np.abs(gap), error, out=np.full(gap.shape, np.nan), where=np.isfinite(error))
    size = np.bincount(sample.group, minlength=sample.groups)
    cells = len(sample.causes)
    return pd.DataFrame(
        {
            "cause": np.repeat(sample.causes, len(others)),
            sample.by[0]: [sample.labels[index][0] for index in others] * cells,
            "estimate": gap.reshape(-1),
            "std_error": error.reshape(-1),
            "conf_low": (gap - reach).reshape(-1),
            "conf_high": (gap + reach).reshape(-1),
            "n": np.tile(size[others] + size[base], cells),
            "reference": [sample.labels[base][0]] * (len(others) * cells),
            "p_value": (2 * ndtr(-score)).reshape(-1),
        }
    )


def _say_tests(tests: pd.DataFrame) -> list[Check]:
    found = []
    for _, row in tests.iterrows():
        how = "variance clustered by partner" if row["clustered"] else "one spell per partner"
        detail = f"chi-squared {row['statistic']:.2f} on {int(row['df'])} df, {say_p(row['p_value'])} ({how})."
        found.append(Check(f"Groups differ in {row['cause']} (Gray's test)", None, detail if row["df"] else "nothing to compare"))
    return found
