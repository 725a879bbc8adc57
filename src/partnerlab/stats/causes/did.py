"""Difference in differences where adoption is staggered and stays: effects by group and time, and their influence functions.

Callaway and Sant'Anna (2021), Journal of Econometrics 225, with the scores of Sant'Anna and Zhao (2020),
Journal of Econometrics 219. A group is the units that adopt in the same period.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.causes.propensity import fit_propensity

Score = Literal["reg", "dr", "ipw"]
Control = Literal["never", "not_yet"]
Base = Literal["varying", "universal"]

#: Period of adoption of a unit that never adopts.
NEVER = -1
#: Comparison units whose propensity is this high look like no other adopter and are left out, as in DRDID.
HIGHEST_PROPENSITY = 0.995


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupTimeEffects:
    """Effects by adoption group and period.

    Parameters
    ----------
    group, time : int array, shape (c,)
        Adoption period and period of each cell.
    att : float array, shape (c,)
        Effect; NaN where no comparison was left or the adjustment could not be fitted.
    influence : float array, shape (n, c)
        Influence function of each unit, scaled so that ``sqrt(sum(influence ** 2)) / n`` is the standard error.
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
    influence: np.ndarray
    treated: np.ndarray
    compared: np.ndarray
    adopted: np.ndarray
    weights: np.ndarray

    @property
    def event_time(self) -> np.ndarray:
        """Periods since adoption; negative before it."""
        return self.time - self.group


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
        NaN where a unit was not observed; a cell uses the units observed in both of its periods, with known covariates.
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
    units, periods = outcome.shape
    weight = np.ones(units) if weights is None else weights / weights.mean()
    groups = np.unique(adopted[adopted != NEVER])
    cells, effects, parts, counts = [], [], [], []
    for group in groups:
        for time in range(periods):
            before = _base_period(group, time, base=base, anticipation=anticipation)
            if before is None:
                continue
            cells.append((group, time))
            if before == time:
                effects.append(0.0)
                parts.append(np.zeros(units))
                counts.append((0, 0))
                continue
            is_treated = adopted == group
            is_compared = _compared(adopted, group, max(time, before) + anticipation, control)
            change = outcome[:, time] - outcome[:, before]
            used = (is_treated | is_compared) & np.isfinite(change) & _told(covariates, min(before, time), units)
            design = _design(covariates, used, min(before, time))
            att, inside = two_period_effect(change[used], is_treated[used], design, weight[used], score=score)
            influence = np.zeros(units)
            influence[used] = inside * (units / max(used.sum(), 1))
            effects.append(att)
            parts.append(influence)
            counts.append((int((is_treated & used).sum()), int((is_compared & used).sum())))
    where = np.array(cells, dtype=np.int64).reshape(-1, 2)
    size = np.array(counts, dtype=np.int64).reshape(-1, 2)
    return GroupTimeEffects(
        group=where[:, 0],
        time=where[:, 1],
        att=np.array(effects),
        influence=np.column_stack(parts) if parts else np.zeros((units, 0)),
        treated=size[:, 0],
        compared=size[:, 1],
        adopted=adopted,
        weights=weight,
    )


def _base_period(group: int, time: int, *, base: Base, anticipation: int) -> int | None:
    last_before = group - 1 - anticipation
    chosen = last_before if time >= group - anticipation or base == "universal" else time - 1
    return chosen if chosen >= 0 else None


def _compared(adopted: np.ndarray, group: int, latest: int, control: Control) -> np.ndarray:
    never = adopted == NEVER
    return never if control == "never" else never | ((adopted > latest) & (adopted != group))


def _told(covariates: np.ndarray | None, period: int, units: int) -> np.ndarray:
    if covariates is None:
        return np.ones(units, dtype=bool)
    return np.isfinite(covariates if covariates.ndim == 2 else covariates[:, period]).all(axis=1)


def _design(covariates: np.ndarray | None, used: np.ndarray, period: int) -> np.ndarray:
    ones = np.ones((int(used.sum()), 1))
    if covariates is None:
        return ones
    given = covariates[used] if covariates.ndim == 2 else covariates[used, period]
    return np.hstack([ones, given])


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
    own = weight * treated
    share, odds_influence = own, None
    if score != "reg":
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
    if score == "reg":
        return _regression_score(change, own, fitted, line_influence, design)
    return _weighted_score(change - fitted, own, share, line_influence, odds_influence, design)


def _regression_score(change, own, fitted, line_influence, design):
    mean_own = own.mean()
    after, before = (own * change).mean() / mean_own, (own * fitted).mean() / mean_own
    inside = own * (change - after) - (own * (fitted - before) + line_influence @ (own[:, None] * design).mean(axis=0))
    return after - before, inside / mean_own


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
