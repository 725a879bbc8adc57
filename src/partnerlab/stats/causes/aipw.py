"""Effects of a treatment on rows that look alike: weighting, outcome regression, and both at once.

Average effect on the treated (ATT), on all (ATE) or on the overlap (ATO). Augmented inverse probability weighting:
Robins, Rotnitzky and Zhao (1994), Journal of the American Statistical Association 89; cross-fitting:
Chernozhukov et al. (2018), Econometrics Journal 21; overlap weights: Li, Morgan and Zaslavsky (2018), same journal 113.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.causes.propensity import fit_propensity, predict_by_part, row_blocks

Target = Literal["att", "ate", "ato"]
OutcomeFamily = Literal["linear", "logit"]
#: Normal equations worse conditioned than this lose digits; the design is then decomposed itself.
SAFE_CONDITION = 1e8


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightedEffect:
    """An effect and what each row contributed to it.

    Parameters
    ----------
    estimate : float
        The effect; NaN where a nuisance model could not be fitted.
    influence : float array, shape (m,)
        Influence of each row, scaled so that ``sqrt(sum(influence ** 2)) / m`` is the standard error.
    propensity : float array, shape (m,)
        Chance of treatment of each row.
    balance : float array, shape (m,)
        Weight of each row in the comparison: treated and untreated rows each sum to one.
    """

    estimate: float
    influence: np.ndarray
    propensity: np.ndarray
    balance: np.ndarray


def balancing_weights(treated: np.ndarray, propensity: np.ndarray, *, target: Target, weight: np.ndarray | None = None) -> np.ndarray:
    """Weights that make treated and untreated rows look like the target's; each side sums to one (Hajek)."""
    on, balance, sums = treated.astype(bool), np.empty(len(propensity)), np.zeros(2)
    for rows in row_blocks(len(balance)):
        e, own = propensity[rows], on[rows]
        raw = _tilt(e, target) / np.maximum(np.where(own, e, 1.0 - e), 1e-300)
        balance[rows] = raw if weight is None else raw * weight[rows]
        sums += np.bincount(own, balance[rows], minlength=2)
    for rows in row_blocks(len(balance)):
        balance[rows] /= sums[on[rows].astype(np.intp)]
    return balance


def _tilt(chance: np.ndarray, target: Target) -> np.ndarray | float:
    """Weight of rows in the target, by their chance of treatment."""
    return chance if target == "att" else 1.0 if target == "ate" else chance * (1.0 - chance)


def weighted_effect(  # noqa: PLR0913 - the estimator's own choices
    outcome: np.ndarray,
    treated: np.ndarray,
    design: np.ndarray,
    *,
    target: Target = "att",
    outcome_design: np.ndarray | None = None,
    family: OutcomeFamily = "linear",
    folds: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    normalize: bool = False,
    chances_known: bool = False,
) -> WeightedEffect:
    """Estimate an effect by inverse probability weighting, augmented where an outcome design is given.

    Parameters
    ----------
    outcome : float array, shape (m,)
        Outcome.
    treated : bool array, shape (m,)
        Treatment.
    design : float array, shape (m, k)
        For the chance of treatment, with its intercept.
    target : {"att", "ate", "ato"}
        Whose effect.
    outcome_design : float array, shape (m, q), optional
        For the outcome among the untreated (and, for "ate", the treated), with its intercept. Without it the estimate is
        weighting alone.
    family : {"linear", "logit"}
        The outcome by least squares; or, of 0 and 1, by a logit.
    folds : int array, shape (m,), optional
        Cross-fitting: a row's nuisance values come from the rows of the other folds. Keep clusters whole.
    weight : float array, shape (m,), optional
        Sampling or censoring weights.
    normalize : bool
        Let the weights of the augmentation sum to their number (Hajek): steadier where few rows carry much weight.
    chances_known : bool
        For weighting alone: leave the error of the fitted chances out, as survey software does. It is wider for the
        treated's effect. Cross-fitted chances always count as known.

    Returns
    -------
    WeightedEffect
    """
    n, on = len(outcome), treated.astype(bool)
    weight = np.ones(n) if weight is None else weight / weight.mean()
    part = None if folds is None else np.searchsorted(np.unique(folds), folds)
    mixed = on.any() and not on.all()
    fitted = _fit_nuisances(outcome, on, design, outcome_design, part, weight, family=family, target=target) if mixed else None
    if fitted is None:
        unknown = np.full(n, np.nan)
        return WeightedEffect(estimate=np.nan, influence=unknown, propensity=unknown, balance=unknown)
    chance, logit_influence, without, with_ = fitted
    balance = balancing_weights(on, chance, target=target, weight=weight)
    if outcome_design is None:
        estimate, influence = _weighting_score(outcome, on, design, chance, balance, None if chances_known else logit_influence, target)
    else:
        estimate, influence = _augmented_score(outcome, on, chance, without, with_, weight, target, normalize=normalize)
    return WeightedEffect(estimate=estimate, influence=influence, propensity=chance, balance=balance)


def _fit_nuisances(outcome, on, design, outcome_design, folds, weight, *, family, target):  # noqa: PLR0913 - the estimator's own choices
    """Chance of treatment and outcomes without and with it of every row, each from the other folds where there are folds."""
    whole = fit_propensity(on, design, weight)
    if whole is None:
        return None
    zero = np.zeros(len(outcome))
    chance, logit_influence = (
        (whole.predict(design), whole.influence(on, design, weight))
        if folds is None
        else (_crossed_chance(on, design, folds, weight, whole.coefficients), None)
    )
    if chance is None:
        return None
    if outcome_design is None:
        return chance, logit_influence, zero, zero
    expect = _crossed_line if family == "linear" else _crossed_odds
    without = expect(outcome, ~on, outcome_design, folds, weight)
    with_ = expect(outcome, on, outcome_design, folds, weight) if target == "ate" else zero
    return None if without is None or with_ is None else (chance, logit_influence, without, with_)


def _crossed_odds(outcome, learn, design, folds, weight):
    """Chance that the outcome is 1, by a logit of the rows to learn from, for each row those of other folds."""
    whole = fit_propensity(outcome, design, weight * learn)
    if whole is None or folds is None:
        return None if whole is None else whole.predict(design)
    return _crossed_chance(outcome, design, folds, weight * learn, whole.coefficients)


def _crossed_chance(on, design, folds, weight, start):
    """Chance of each row by a logit of the other folds: its own has no weight; Newton begins from the logit of all."""
    others, betas = np.empty(len(on)), np.empty((int(folds.max()) + 1, design.shape[1]))
    for fold in range(len(betas)):
        np.multiply(weight, folds != fold, out=others)
        logit = fit_propensity(on, design, others, start=start)
        if logit is None:
            return None
        betas[fold] = logit.coefficients
    return predict_by_part(design, betas, folds, logit=True)


def _crossed_line(outcome, learn, design, folds, weight):
    """Least squares of the rows to learn from, for each row those of other folds: products of all less those of its own."""
    parts = 1 if folds is None else int(folds.max()) + 1
    products, pulls = np.zeros((parts, design.shape[1], design.shape[1])), np.zeros((parts, design.shape[1]))
    for rows in row_blocks(len(outcome)):
        for fold in range(parts):
            mine = rows.start + np.flatnonzero(learn[rows] if parts == 1 else learn[rows] & (folds[rows] == fold))
            own, root = design[mine], np.sqrt(weight[mine])[:, None]
            own *= root
            products[fold] += own.T @ own
            pulls[fold] += (outcome[mine] * root[:, 0]) @ own
    betas = np.empty((parts, design.shape[1]))
    for fold in range(parts):
        alone = parts == 1
        beta = _solved(products.sum(axis=0) - (0.0 if alone else products[fold]), pulls.sum(axis=0) - (0.0 if alone else pulls[fold]))
        if beta is None:
            others = learn if alone else learn & (folds != fold)
            root = np.sqrt(weight[others])
            beta = np.linalg.lstsq(design[others] * root[:, None], outcome[others] * root, rcond=None)[0]
        betas[fold] = beta
    return predict_by_part(design, betas, folds)


def _solved(products: np.ndarray, pulls: np.ndarray) -> np.ndarray | None:
    """Solution of normal equations with columns of size one; None where columns nearly repeat each other."""
    size = np.sqrt(np.diag(products))
    if not (size > 0).all():
        return None
    scaled = products / np.outer(size, size)
    return np.linalg.solve(scaled, pulls / size) / size if np.linalg.cond(scaled) < SAFE_CONDITION else None


def _weighting_score(outcome, on, design, chance, balance, logit_influence, target):
    """Difference of weighted means; each row's share, and what fitting the chances takes away or adds."""
    n = len(outcome)
    after, before = balance[on] @ outcome[on], balance[~on] @ outcome[~on]
    rest = np.where(on, outcome - after, -(outcome - before))
    influence = n * balance * rest
    if logit_influence is not None:
        slope = {
            "att": np.where(on, 0.0, 1.0),
            "ate": np.where(on, -(1.0 - chance), chance),
            "ato": np.where(on, -chance, 1.0 - chance),
        }[target]
        influence = influence + logit_influence @ ((balance * rest * slope)[:, None] * design).sum(axis=0)
    return float(after - before), influence


def _augmented_score(outcome, on, chance, without, with_, weight, target, *, normalize):  # noqa: PLR0913 - parts of one formula
    """Mean of the outcome model's difference plus the weighted rests of both sides; each row's share."""
    n = len(outcome)
    normalize = normalize or target == "ato"  # the overlap's tilt has no other natural scale
    sums, part = np.zeros(3), np.empty(n)
    for rows in row_blocks(n):
        sums += [side.sum() for side in _sides(on[rows], chance[rows], weight[rows], target)]
    total = sums[0]
    scale = total / sums[1:] if normalize else np.ones(2)
    for rows in row_blocks(n):
        _, own, other = _sides(on[rows], chance[rows], weight[rows], target)
        y, below = outcome[rows], without[rows]
        above = with_[rows] if target == "ate" else below
        part[rows] = scale[0] * own * (y - above) - scale[1] * other * (y - below) + weight[rows] * (above - below)
    estimate = part.sum() / total
    for rows in row_blocks(n):
        whole, _, _ = _sides(on[rows], chance[rows], weight[rows], target)
        part[rows] = n * (part[rows] - whole * estimate) / total
    return float(estimate), part


def _sides(on, chance, weight, target):
    """Weight of rows in the target, and in its treated and untreated side."""
    tilt = weight * _tilt(chance, target)
    other = np.where(on, 0.0, tilt / np.maximum(1.0 - chance, 1e-12))
    if target == "att":
        return weight * on, weight * on, other
    return tilt, np.where(on, tilt / np.maximum(chance, 1e-12), 0.0), other
