"""Difference in differences where adoption is staggered and stays: effects by group and time, and their influence functions.

Callaway and Sant'Anna (2021), Journal of Econometrics 225, with the scores of Sant'Anna and Zhao (2020),
Journal of Econometrics 219. A group is the units that adopt in the same period.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal, Protocol

import numpy as np

from partnerlab.stats.causes.did_by_group import Cells, Units, regress_by_group
from partnerlab.stats.causes.propensity import fit_propensity

Score = Literal["reg", "dr", "ipw"]
Control = Literal["never", "not_yet"]
Base = Literal["varying", "universal"]
Places = slice | np.ndarray

#: Period of adoption of a unit that never adopts.
NEVER = -1
#: Comparison units whose propensity is this high look like no other adopter and are left out, as in DRDID.
HIGHEST_PROPENSITY = 0.995


class UnitInfluence(Protocol):
    """Influence of units on cells, scaled so that ``sqrt(sum(influence ** 2)) / n`` is the standard error."""

    def average(self, weights: np.ndarray) -> np.ndarray:
        """Influence on weighted sums of cells, shape ``(n, m)``, for weights of shape ``(c, m)``; cells without a weight may be unknown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TabledInfluence:
    """Influence of each unit on each cell, as a table of shape ``(n, c)``."""

    values: np.ndarray

    def average(self, weights: np.ndarray) -> np.ndarray:
        """As `UnitInfluence` says."""
        used = weights.any(axis=1)
        return self.values[:, used] @ weights[used]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupTimeEffects:
    """Effects by adoption group and period.

    Parameters
    ----------
    group, time : int array, shape (c,)
        Adoption period and period of each cell.
    att : float array, shape (c,)
        Effect; NaN where no comparison was left or the adjustment could not be fitted.
    by_unit : UnitInfluence
        Influence of units, averaged over cells before it is laid out: cells are many.
    treated, compared : int array, shape (c,)
        Units behind the cell.
    adopted : int array, shape (n,)
        Adoption period of each unit, `NEVER` where it never adopts.
    weights : float array, shape (n,)
        Weight of each unit, with mean 1.
    """

    group: np.ndarray
    time: np.ndarray
    att: np.ndarray
    by_unit: UnitInfluence
    treated: np.ndarray
    compared: np.ndarray
    adopted: np.ndarray
    weights: np.ndarray

    @property
    def event_time(self) -> np.ndarray:
        """Periods since adoption; negative before it."""
        return self.time - self.group

    @functools.cached_property
    def influence(self) -> np.ndarray:
        """Influence function of each unit on each cell, shape ``(n, c)``; NaN where the effect is."""
        known = np.isfinite(self.att)
        inside = self.by_unit.average(np.diag(known.astype(float)))
        inside[:, ~known] = np.nan
        return inside


def group_time_effects(  # noqa: PLR0913 - the estimator's own choices
    outcome: np.ndarray,
    adopted: np.ndarray,
    *,
    covariates: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    control: Control = "not_yet",
    score: Score = "reg",
    base: Base = "varying",
    anticipation: int = 0,
) -> GroupTimeEffects:
    """Estimate the effect on each adoption group in each period.

    Parameters
    ----------
    outcome : float array, shape (n, t)
        NaN where a unit was not observed; a cell uses the units observed in both of its periods, with known covariates. A period
        in which no unit was observed is passed over: the one before it is compared with.
    adopted : int array, shape (n,)
        Column in which the unit first had the treatment; `NEVER` if it never did. Groups treated in the first
        column have no period before and are left out by the caller.
    covariates : float array, shape (n, k) or (n, t, k), optional
        Taken at the earlier period of each comparison; an intercept is added.
    weights : float array, shape (n,), optional
        Sampling weights.
    control : {"not_yet", "never"}
        Whom to compare with.
    score : {"reg", "dr", "ipw"}
        Outcome regression, doubly robust, or inverse probability weighting with normalised weights.
    base : {"varying", "universal"}
        Before adoption: compare with the period before, or with the last one before adoption.
    anticipation : int
        Periods before adoption that may already show an effect.

    Returns
    -------
    GroupTimeEffects
        Cells in the order of group, then time.
    """
    outcome = np.asarray(outcome, dtype=float)
    units, periods = outcome.shape
    weight = np.ones(units) if weights is None else weights / weights.mean()
    seen = np.isfinite(outcome)
    live = np.flatnonzero(seen.any(axis=0))
    cells = np.array(
        [
            (group, time, before)
            for group in np.unique(adopted[adopted != NEVER])
            for time in live
            if (before := _base_period(group, time, live, base=base, anticipation=anticipation)) is not None
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    latest = np.minimum(cells[:, 1:].max(axis=1) + anticipation + 1, periods) if control != "never" else np.full(len(cells), periods)
    given = np.zeros((units, 0)) if covariates is None else covariates
    whole = score == "reg" and len(cells) and seen.all() and np.isfinite(given).all()
    att, by_unit, counts = (_by_group if whole else functools.partial(_by_cell, score=score))(
        outcome, adopted, given, weight, cells, latest
    )
    return GroupTimeEffects(
        group=cells[:, 0], time=cells[:, 1], att=att, by_unit=by_unit, treated=counts[:, 0], compared=counts[:, 1],
        adopted=adopted, weights=weight,
    )  # fmt: skip


def _by_group(outcome, adopted, covariates, weight, cells, latest) -> tuple[np.ndarray, UnitInfluence, np.ndarray]:
    """Effects, influence and counts of units where nothing is missing; ``latest`` is how late a group adopts that compares."""
    groups, code = np.unique(np.where(adopted == NEVER, outcome.shape[1], adopted), return_inverse=True)
    group, time, before = cells.T
    compared = (groups >= latest[:, None]) & (groups != group[:, None])
    own = np.searchsorted(groups, group)
    if covariates.ndim == 3 and (covariates == covariates[:, :1]).all():
        covariates = covariates[:, 0]
    units = Units(outcome=outcome, covariates=covariates, weight=weight, group=code)
    found = regress_by_group(units, Cells(own=own, time=time, before=before, compared=compared))
    size = np.bincount(code)
    counts = np.stack([size[own], compared @ size], axis=1) * (time != before)[:, None]
    return found.att, found, counts


def _by_cell(outcome, adopted, covariates, weight, cells, latest, *, score: Score) -> tuple[np.ndarray, UnitInfluence, np.ndarray]:
    """Effects, influence and counts, each cell of the units seen in it."""
    units = len(outcome)
    rows = _Rows.sort(outcome, adopted, covariates, weight)
    effects, influence, counts = np.zeros(len(cells)), np.zeros((len(cells), units)), np.zeros((len(cells), 2), dtype=np.int64)
    for place, (group, time, before) in enumerate(cells):
        if before == time:
            continue
        own, others = rows.compared(group, latest[place], time, before)
        design = rows.design(min(before, time), own), rows.design(min(before, time), others)
        change = rows.change(time, before, own), rows.change(time, before, others)
        att, inside = _cell_effect(change, design, (rows.weight[own], rows.weight[others]), score=score)
        effects[place], counts[place] = att, [len(part) for part in change]
        inside *= units / max(len(inside), 1)
        influence[place, rows.order[own]], influence[place, rows.order[others]] = np.split(inside, [len(change[0])])
    return effects, TabledInfluence(values=influence.T), counts


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Rows:
    """Units in the order of adoption, those that never adopt last: a cell's units lie side by side.

    Parameters
    ----------
    order : int array, shape (n,)
        Where each stood.
    adopted : int array, shape (n,)
        Sorted; one past the last period for units that never adopt.
    outcome : float array, shape (t, n)
        By period, so that a change reads two rows.
    columns : float array, shape (k, n) or (t, k, n)
        Intercept and covariates.
    weight : float array, shape (n,)
    told : bool array, shape (n,) or (t, n), or None
        Where all covariates are known; None where they all are.
    seen : bool array, shape (t, n), or None
        Where the outcome is; None where it always is.
    """

    order: np.ndarray
    adopted: np.ndarray
    outcome: np.ndarray
    columns: np.ndarray
    weight: np.ndarray
    told: np.ndarray | None
    seen: np.ndarray | None

    @classmethod
    def sort(cls, outcome: np.ndarray, adopted: np.ndarray, covariates: np.ndarray, weight: np.ndarray) -> _Rows:
        late = np.where(adopted == NEVER, outcome.shape[1], adopted)
        order = np.argsort(late, kind="stable")
        laid = np.ascontiguousarray(outcome[order].T)
        columns = np.moveaxis(np.concatenate([np.ones((*covariates.shape[:-1], 1)), covariates], axis=-1)[order], 0, -1).copy()
        told, seen = np.isfinite(columns).all(axis=-2), np.isfinite(laid)
        return cls(
            order=order, adopted=late[order], outcome=laid, columns=columns, weight=weight[order],
            told=None if told.all() else told, seen=None if seen.all() else seen,
        )  # fmt: skip

    def compared(self, group: int, latest: int, time: int, before: int) -> tuple[Places, Places]:
        """Places of the group, and of those as late as it is compared with, that were seen in both periods with covariates known."""
        start, end, first = np.searchsorted(self.adopted, [group, group + 1, latest])
        known = self._known(time, before)
        if known is None and first >= end:
            return slice(start, end), slice(first, len(self.order))
        own, others = np.arange(start, end), np.arange(first, len(self.order))
        others = others[(others < start) | (others >= end)]  # a group that adopts later still does not compare with itself
        return (own, others) if known is None else (own[known[own]], others[known[others]])

    def _known(self, time: int, before: int) -> np.ndarray | None:
        parts = [] if self.seen is None else [self.seen[time], self.seen[before]]
        if self.told is not None:
            parts.append(self.told if self.told.ndim == 1 else self.told[min(before, time)])
        return np.logical_and.reduce(parts) if parts else None

    def change(self, time: int, before: int, places: Places) -> np.ndarray:
        """Outcome at a time less that before."""
        return self.outcome[time, places] - self.outcome[before, places]

    def design(self, period: int, places: Places) -> np.ndarray:
        """Columns of some units, shape ``(k, m)``."""
        return (self.columns if self.columns.ndim == 2 else self.columns[period])[:, places]


def _base_period(group: int, time: int, live: np.ndarray, *, base: Base, anticipation: int) -> int | None:
    """Find the period to compare with: the last one, of those seen, before adoption or before ``time``."""
    end = group - anticipation
    before = live[live < (end if time >= end or base == "universal" else time)]
    return int(before[-1]) if len(before) else None


def _cell_effect(change, design, weight, *, score: Score) -> tuple[float, np.ndarray]:
    """Effect of one cell and the influence of its units, the treated first; each argument is for the treated and the others."""
    if score == "reg":
        return _regression_effect(change, design, weight)
    treated = np.arange(len(change[0]) + len(change[1])) < len(change[0])
    return two_period_effect(np.concatenate(change), treated, np.hstack(design).T, np.concatenate(weight), score=score)


def _regression_effect(change, design, weight) -> tuple[float, np.ndarray]:
    """Outcome regression: what the others' line says of the treated is what they would have had."""
    (own, rest), (x, z), (w, v) = change, design, weight
    n = len(own) + len(rest)
    missing = np.nan, np.full(n, np.nan)
    if not len(own) or not len(rest):
        return missing
    products = (z * v) @ z.T
    if np.linalg.matrix_rank(products / n) < len(products):
        return missing
    inverse, total = np.linalg.inv(products), w.sum()
    beta = inverse @ (z @ (v * rest))
    usual = own - beta @ x
    att = float(w @ usual / total)
    inside = np.empty(n)
    inside[: len(own)] = w * (usual - att) * (n / total)
    inside[len(own) :] = -n * (v * (rest - beta @ z)) * ((inverse @ (x @ w / total)) @ z)
    return att, inside


def two_period_effect(
    change: np.ndarray, treated: np.ndarray, design: np.ndarray, weight: np.ndarray, *, score: Score
) -> tuple[float, np.ndarray]:
    """Effect on the treated from one change of the outcome, and its influence function.

    Parameters
    ----------
    change : float array, shape (m,)
        Outcome after less outcome before.
    treated : bool array, shape (m,)
        Who was treated in between; the others compare.
    design : float array, shape (m, k)
        Intercept and covariates.
    weight : float array, shape (m,)
        Weights.
    score : {"reg", "dr", "ipw"}
        As in `group_time_effects`.

    Returns
    -------
    att : float
        NaN where one side is empty or the adjustment cannot be fitted.
    influence : float array, shape (m,)
        NaN with it.
    """
    n, none = len(change), np.full(len(change), np.nan)
    if not treated.any() or treated.all():
        return np.nan, none
    if score == "reg":
        att, parts = _regression_effect(*((one[..., treated], one[..., ~treated]) for one in (change, design.T, weight)))
        inside = np.empty(n)
        inside[treated], inside[~treated] = parts[: treated.sum()], parts[treated.sum() :]
        return att, inside
    own = weight * treated
    logit = fit_propensity(treated, design, weight)
    if logit is None:
        return np.nan, none
    chance, odds_influence = logit.predict(design), logit.influence(treated, design, weight)
    share = np.where(treated, 0.0, weight * chance / np.maximum(1.0 - chance, 1e-12))
    share[chance >= HIGHEST_PROPENSITY] = 0.0
    if share.sum() <= 0:
        return np.nan, none
    fitted, line_influence = np.zeros(n), None
    if score != "ipw":
        fitted, line_influence = _line(change, weight * ~treated, design)
        if fitted is None:
            return np.nan, none
    return _weighted_score(change - fitted, own, share, line_influence, odds_influence, design)


def _weighted_score(rest, own, share, line_influence, odds_influence, design):
    mean_own, mean_share = own.mean(), share.mean()
    after, before = (own * rest).mean() / mean_own, (share * rest).mean() / mean_share
    inside_own = own * (rest - after)
    inside_share = share * (rest - before) + odds_influence @ ((share * (rest - before))[:, None] * design).mean(axis=0)
    if line_influence is not None:
        inside_own = inside_own - line_influence @ (own[:, None] * design).mean(axis=0)
        inside_share = inside_share - line_influence @ (share[:, None] * design).mean(axis=0)
    return after - before, inside_own / mean_own - inside_share / mean_share


def _line(change: np.ndarray, weight: np.ndarray, design: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Least squares on the comparison units: fitted values of all, and the influence of each on the coefficients."""
    n = len(change)
    gram = (design * weight[:, None]).T @ design / n
    if np.linalg.matrix_rank(gram) < gram.shape[0]:
        return None, None
    inverse = np.linalg.inv(gram)
    beta = inverse @ ((design * weight[:, None]).T @ change / n)
    fitted = design @ beta
    return fitted, (weight * (change - fitted))[:, None] * design @ inverse
