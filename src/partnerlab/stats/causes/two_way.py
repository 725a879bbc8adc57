"""Least squares with an effect of each unit and of each period: the fit, event studies on it, and what it averages.

Unbalanced panels are exact: unit effects are eliminated, period effects solved for. Interaction weights: Sun and Abraham (2021),
Journal of Econometrics 225. What two-way fixed effects average: Goodman-Bacon (2021), same volume.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.causes.did import NEVER
from partnerlab.stats.causes.group_lines import BLOCK, TwoWayLine, fit_by_group, independent, less_unit_means
from partnerlab.stats.inference.sandwich import sum_clusters


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventLine:
    """Effects by event time from one regression.

    Parameters
    ----------
    at : int array, shape (m,)
        Event times.
    att : float array, shape (m,)
        Effects, relative to the period before adoption.
    covariance : float array, shape (m, m)
        Clustered; shares of groups are taken as known.
    overall, overall_error : float
        Average over treated unit-periods and its standard error; NaN where the regression has none.
    group, group_att, group_error : array, shape (g,)
        Averages over the treated periods of each group; empty where the regression has none.
    """

    at: np.ndarray
    att: np.ndarray
    covariance: np.ndarray
    overall: float = np.nan
    overall_error: float = np.nan
    group: np.ndarray = dataclasses.field(default_factory=lambda: np.array([], dtype=np.int64))
    group_att: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))
    group_error: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))


def solve_two_way(values: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve for the effects of units and periods whose sums over the seen cells match those of the values.

    Parameters
    ----------
    values : float array, shape (n, t, k)
        Any values where a cell is not seen count as well: they are what is to be matched. Set them to 0 for a fit.
    seen : bool array, shape (n, t)
        Cells that the effects lie on; a unit without any gets the effect 0.

    Returns
    -------
    unit : float array, shape (n, k)
    period : float array, shape (t, k)
    """
    counted = seen.astype(float)
    per_unit, per_period = counted.sum(axis=1), counted.sum(axis=0)
    inverse = np.divide(1.0, per_unit, out=np.zeros_like(per_unit), where=per_unit > 0)
    sums, totals = values.sum(axis=1), values.sum(axis=0)
    cross = counted * inverse[:, None]
    gram = np.diag(per_period) - cross.T @ counted
    period = np.linalg.pinv(gram, rcond=1e-12, hermitian=True) @ (totals - cross.T @ sums)
    unit = inverse[:, None] * (sums - counted @ period)
    return unit, period


def remove_two_way(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Take unit and period effects out of each variable; cells not seen become 0.

    Parameters
    ----------
    values : float array, shape (n, t, k)
    seen : bool array, shape (n, t)

    Examples
    --------
    >>> values = np.array([[1.0, 2.0], [3.0, 4.5]])[:, :, None]
    >>> remove_two_way(values, np.ones((2, 2), dtype=bool))[:, :, 0].round(6).tolist()
    [[0.125, -0.125], [-0.125, 0.125]]
    """
    inside = np.where(seen[:, :, None], values, 0.0)
    unit, period = solve_two_way(inside, seen)
    return np.where(seen[:, :, None], inside - unit[:, None, :] - period[None, :, :], 0.0)


def fit_two_way(outcome: np.ndarray, regressors: np.ndarray, *, clusters: np.ndarray) -> TwoWayLine:
    """Fit by least squares with unit and period effects.

    Parameters
    ----------
    outcome : float array, shape (n, t)
        NaN where not observed.
    regressors : float array, shape (n, t, k)
    clusters : int array, shape (n,)
        Codes 0, 1, ... that hold whole units. The covariance has the factor ``G / (G - 1) * (m - 1) / (m - k - t)``:
        unit effects lie within clusters and are not counted (as fixest does).
    """
    n, k = len(outcome), regressors.shape[2]
    moments = _two_way_moments(outcome, regressors)
    inverse = np.linalg.pinv(moments.periods, rcond=1e-12, hermitian=True)
    by_period = inverse @ moments.sums
    gram = moments.products - moments.sums.T @ by_period
    kept = independent(gram[1:, 1:], within=np.diag(moments.products)[1:], raw=moments.raw)
    coefficients, covariance = np.full(k, np.nan), np.full((k, k), np.nan)
    bread = np.linalg.inv(gram[1:, 1:][np.ix_(kept, kept)])
    beta = bread @ gram[1:, 0][kept]
    scores = np.empty((n, len(kept)))
    for first in range(0, n, BLOCK):
        rows = slice(first, first + BLOCK)
        planes, seen = _planes(outcome[rows], regressors[rows][:, :, kept])
        apart = [less_unit_means(np.where(seen, plane - own, np.nan))[0]
                 for plane, own in zip(planes, by_period[:, [0, *(kept + 1)]].T, strict=True)]  # fmt: skip
        rest = apart[0] - sum((one * b for one, b in zip(apart[1:], beta, strict=True)), np.zeros_like(apart[0]))
        scores[rows] = np.stack([np.einsum("nt,nt->n", one, rest) for one in apart[1:]], axis=1)
    groups, code = np.unique(clusters, return_inverse=True)
    totals = sum_clusters(scores, code, clusters=len(groups))
    rows, g = moments.count.sum(), len(groups)
    factor = g / (g - 1) * (rows - 1) / (rows - len(kept) - (moments.count > 0).sum())
    coefficients[kept] = beta
    covariance[np.ix_(kept, kept)] = factor * bread @ (totals.T @ totals) @ bread
    return TwoWayLine(coefficients=coefficients, covariance=covariance)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Moments:
    """Of outcome (first) and regressors less units' means: products, sums by period; of periods' columns; squares as they are."""

    products: np.ndarray
    sums: np.ndarray
    periods: np.ndarray
    count: np.ndarray
    raw: np.ndarray


def _two_way_moments(outcome: np.ndarray, regressors: np.ndarray) -> _Moments:
    n, periods = outcome.shape
    k = regressors.shape[2] + 1
    products, sums, between = np.zeros((k, k)), np.zeros((periods, k)), np.zeros((periods, periods))
    count, raw = np.zeros(periods), np.zeros(k - 1)
    for first in range(0, n, BLOCK):
        rows = slice(first, first + BLOCK)
        planes, seen = _planes(outcome[rows], regressors[rows])
        apart = [less_unit_means(plane)[0] for plane in planes]
        flat = np.stack([one.ravel() for one in apart])
        products += flat @ flat.T
        sums += np.stack([one.sum(axis=0) for one in apart], axis=1)
        share = 1.0 / np.maximum(seen.sum(axis=1), 1)
        count += seen.sum(axis=0)
        between -= (seen * share[:, None]).T @ seen
        raw += [np.nansum(plane**2) for plane in planes[1:]]
    return _Moments(products=products, sums=sums, periods=between + np.diag(count), count=count, raw=raw)


def _planes(outcome: np.ndarray, regressors: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Outcome and each regressor as partners by quarters, NaN where the outcome was not seen; what was."""
    seen = np.isfinite(outcome)
    columns = [regressors[:, :, place] for place in range(regressors.shape[2])]
    return [outcome, *(columns if seen.all() else [np.where(seen, column, np.nan) for column in columns])], seen


def event_times(adopted: np.ndarray, periods: int) -> np.ndarray:
    """Periods since adoption of each unit, shape ``(n, periods)``; a value no panel reaches for units that never adopt."""
    since = np.arange(periods)[None, :] - adopted[:, None]
    return np.where((adopted == NEVER)[:, None], np.iinfo(np.int64).min, since)


def two_way_events(outcome: np.ndarray, adopted: np.ndarray, *, clusters: np.ndarray, covariates: np.ndarray | None = None) -> EventLine:
    """Event study by two-way fixed effects: one effect for each event time, against the last before adoption, whatever the group.

    Biased where effects differ between groups (Sun and Abraham 2021): for comparison. The arguments are those of
    `interaction_weighted`.
    """
    groups, group = np.unique(adopted, return_inverse=True)
    since = event_times(groups, outcome.shape[1])
    observed = (count_observed(outcome, group, groups=len(groups)) > 0) & (groups != NEVER)[:, None]
    at = np.unique(since[observed])
    at = at[at != max((event for event in at.tolist() if event < 0), default=-1)]
    line = _fit_groups(outcome, group, (since[:, :, None] == at).astype(float), covariates, clusters)
    return EventLine(at=at, att=line.coefficients, covariance=line.covariance)


def _fit_groups(outcome, group, regressors, covariates, clusters) -> TwoWayLine:
    """Regressors of groups, from moments of groups; where units have covariates of their own, a row for each unit and period."""
    if covariates is None:
        return fit_by_group(outcome, group, regressors, clusters=clusters)
    own = regressors.shape[2]
    line = fit_two_way(outcome, np.concatenate([regressors[group], covariates], axis=2), clusters=clusters)
    return TwoWayLine(coefficients=line.coefficients[:own], covariance=line.covariance[:own, :own])


def _last(seen: np.ndarray) -> int:
    """Place of the last True."""
    return int(np.flatnonzero(seen)[-1])


def count_observed(outcome: np.ndarray, group: np.ndarray, *, groups: int) -> np.ndarray:
    """Units of each group that were observed in each period, shape ``(groups, t)``."""
    return sum_clusters(np.isfinite(outcome).astype(float), group, clusters=groups)


def interaction_weighted(
    outcome: np.ndarray, adopted: np.ndarray, *, clusters: np.ndarray, covariates: np.ndarray | None = None
) -> EventLine:
    """Event study by interaction weights: an effect of each group at each event time, averaged by their observed shares.

    Effects of a group are relative to the last period before adoption in which any of its units was observed; a group without one is
    left out.

    Parameters
    ----------
    outcome : float array, shape (n, t)
        NaN where not observed.
    adopted : int array, shape (n,)
        Period of adoption; `NEVER` compares. Without units that never adopt, the last group compares, before it adopts.
    clusters : int array, shape (n,)
        Codes that hold whole units.
    covariates : float array, shape (n, t, q), optional
        Enter as straight lines, known wherever the outcome is; what does not change within units is absorbed by their effects.
    """
    if not (adopted == NEVER).any() and len(adopted):
        last = adopted.max()
        covariates = None if covariates is None else covariates[:, :last]
        outcome, adopted = outcome[:, :last], np.where(adopted == last, NEVER, adopted)
    every, group = np.unique(adopted, return_inverse=True)
    counts = count_observed(outcome, group, groups=len(every))
    base = {one: _last(row[:one]) - one for one, row in zip(every.tolist(), counts > 0, strict=True) if one != NEVER and row[:one].any()}
    if alone := set(every[every != NEVER].tolist()) - set(base):  # never seen before: nothing tells units from effects
        outcome = np.where(np.isin(adopted, list(alone))[:, None], np.nan, outcome)
    since, groups = event_times(every, outcome.shape[1]), np.array(list(base), dtype=np.int64)
    cells = np.array([(one, event) for one in base for event in since[np.searchsorted(every, one)] if event != base[one]]).reshape(-1, 2)
    inside = (every[:, None, None] == cells[:, 0]) & (since[:, :, None] == cells[:, 1])
    line = _fit_groups(outcome, group, inside.astype(float), covariates, clusters)
    size = counts[np.searchsorted(every, cells[:, 0]), cells.sum(axis=1)]
    size = size * np.isfinite(line.coefficients)
    beta, covariance = np.nan_to_num(line.coefficients), np.nan_to_num(line.covariance)
    at = np.unique(cells[size > 0, 1])
    after = cells[:, 1] >= 0
    picks = [cells[:, 1] == event for event in at] + [after & (cells[:, 0] == group) for group in groups] + [after]
    shares = np.array([pick * size / max((pick * size).sum(), 1) for pick in picks])
    found, spread = shares @ beta, shares @ covariance @ shares.T
    m, g = len(at), len(groups)
    error = np.sqrt(np.maximum(np.diag(spread), 0.0))  # saturated cells round below zero
    return EventLine(
        at=at, att=found[:m], covariance=spread[:m, :m], overall=float(found[-1]), overall_error=float(error[-1]),
        group=groups, group_att=found[m : m + g], group_error=error[m : m + g],
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bacon:
    """The comparisons of two groups that two-way fixed effects average, in a balanced panel.

    Parameters
    ----------
    treated, compared : int array, shape (c,)
        Groups; ``compared`` is `NEVER` for units that never adopt.
    estimate, weight : float array, shape (c,)
        Difference in differences of the pair, and its weight; the weights sum to one.
    """

    treated: np.ndarray
    compared: np.ndarray
    estimate: np.ndarray
    weight: np.ndarray

    @property
    def forbidden(self) -> np.ndarray:
        """Pairs whose comparison group already had the treatment, bool of shape ``(c,)``."""
        return (self.compared != NEVER) & (self.compared < self.treated)


def bacon_weights(outcome: np.ndarray, adopted: np.ndarray) -> Bacon:
    """Take two-way fixed effects apart into comparisons of two groups.

    Parameters
    ----------
    outcome : float array, shape (n, t)
        Without NaN: the decomposition holds in balanced panels.
    adopted : int array, shape (n,)
        Period of adoption, above 0; `NEVER`.
    """
    periods = outcome.shape[1]
    groups = np.unique(adopted)
    means = {int(group): outcome[adopted == group].mean(axis=0) for group in groups}
    share = {int(group): (adopted == group).mean() for group in groups}
    on = {int(group): 0.0 if group == NEVER else (periods - group) / periods for group in groups}
    found: list[tuple[int, int, float, float]] = []
    for one in map(int, groups[groups != NEVER]):
        for other in map(int, groups[groups != one]):
            window = slice(0, periods) if other == NEVER else slice(0, other) if other > one else slice(other, periods)
            change = (means[one] - means[other])[window]
            after = np.arange(periods)[window] >= one
            early, late = (one, other) if other == NEVER or one < other else (other, one)
            size = share[one] * share[other]
            if other == NEVER:
                weight = size * on[one] * (1 - on[one])
            elif one < other:
                weight = size * (on[early] - on[late]) * (1 - on[early])
            else:
                weight = size * on[late] * (on[early] - on[late])
            found.append((one, other, float(change[after].mean() - change[~after].mean()), weight))
    table = np.array(found).reshape(-1, 4)
    return Bacon(
        treated=table[:, 0].astype(np.int64), compared=table[:, 1].astype(np.int64), estimate=table[:, 2],
        weight=table[:, 3] / table[:, 3].sum(),
    )  # fmt: skip
