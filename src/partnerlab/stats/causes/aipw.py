"""Effects of a treatment on rows that look alike: weighting, outcome regression, and both at once.

Average effect on the treated (ATT), on all (ATE) or on the overlap (ATO). Augmented inverse probability weighting:
Robins, Rotnitzky and Zhao (1994), Journal of the American Statistical Association 89; cross-fitting:
Chernozhukov et al. (2018), Econometrics Journal 21; overlap weights: Li, Morgan and Zaslavsky (2018), same journal 113.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.causes.propensity import fit_propensity, weighted_products

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
    e, on = propensity, treated.astype(bool)
    tilt = {"att": e, "ate": np.ones(len(e)), "ato": e * (1.0 - e)}[target]
    raw = tilt * np.where(on, 1.0 / np.maximum(e, 1e-300), 1.0 / np.maximum(1.0 - e, 1e-300))
    raw = raw if weight is None else raw * weight
    return raw / np.where(on, raw[on].sum(), raw[~on].sum())


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
    missing = WeightedEffect(estimate=np.nan, influence=np.full(n, np.nan), propensity=np.full(n, np.nan), balance=np.full(n, np.nan))
    if not on.any() or on.all():
        return missing
    fitted = _fit_nuisances(outcome, on, design, outcome_design, folds, weight, family=family, target=target)
    if fitted is None:
        return missing
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
    chance = np.empty(len(on))
    for fold in np.unique(folds):
        inside = folds == fold
        logit = fit_propensity(on, design, weight * ~inside, start=start)
        if logit is None:
            return None
        chance[inside] = logit.predict(design[inside])
    return chance


def _crossed_line(outcome, learn, design, folds, weight):
    """Least squares of the rows to learn from, for each row those of other folds: products of all less those of its own."""
    folds = np.zeros(len(outcome), dtype=np.int64) if folds is None else folds
    codes, fitted = np.unique(folds), np.empty(len(outcome))
    used = weight * learn
    parts = {}
    for code in codes:
        mine = np.flatnonzero((folds == code) & learn)
        parts[code] = weighted_products(design[mine], used[mine]), design[mine].T @ (used[mine] * outcome[mine])
    products, pulls = (sum(part[place] for part in parts.values()) for place in (0, 1))
    for code in codes:
        inside, others = folds == code, learn & (folds != code) if len(codes) > 1 else learn
        own = parts[code] if len(codes) > 1 else (0.0, 0.0)
        beta = _solved(products - own[0], pulls - own[1])
        if beta is None:
            root = np.sqrt(weight[others])
            beta = np.linalg.lstsq(design[others] * root[:, None], outcome[others] * root, rcond=None)[0]
        fitted[inside] = design[inside] @ beta
    return fitted


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
    if target == "ato":
        normalize = True  # the tilt has no other natural scale
    tilt = weight * {"att": chance, "ate": np.ones(n), "ato": chance * (1.0 - chance)}[target]
    whole = weight * on if target == "att" else tilt
    total = whole.sum()
    own = whole * on if target == "att" else np.where(on, tilt / np.maximum(chance, 1e-12), 0.0)
    other = np.where(on, 0.0, tilt / np.maximum(1.0 - chance, 1e-12))
    if normalize:
        own, other = own * (total / own.sum()), other * (total / other.sum())
    above = with_ if target == "ate" else without
    part = (weight * (with_ - without) if target == "ate" else 0.0) + own * (outcome - above) - other * (outcome - without)
    estimate = part.sum() / total
    return float(estimate), n * (part - whole * estimate) / total
